//! `join` and `outerjoin` (section 3.5.1): each row once per related entity, which has the name of the alias from then on.

use super::Binder;
use super::state::{Reached, State, below, name, plain_column};
use crate::bound::apply::{BoundFollow, BoundJoin, BoundTransformation};
use crate::error::ODataError;
use crate::syntax::{Expr, ExprKind, Name, Transformation};
use portico_catalog::{Relationship, TableView, VirtualTable};

impl<'a> Binder<'a> {
    pub(super) fn join(
        &self,
        state: &mut State<'a>,
        outer: bool,
        path: &Expr,
        alias: &Name,
        then: &[Transformation],
    ) -> Result<(), ODataError> {
        let ExprKind::Path(steps) = &path.kind else { return Err(self.not_built(path.span, "a join with something other than a path")) };
        let steps = steps.iter().map(|step| name(self, step)).collect::<Result<Vec<_>, _>>()?;
        let start = state.reached.iter().find(|reached| reached.path.is_empty()).map(|reached| reached.table);
        let Some((start, relationship)) = start.zip(steps.first()).and_then(|(start, name)| Some((start, start.relationship(name)?)))
        else {
            return Err(state.unknown(self, &steps, path.span));
        };
        if !relationship.many || steps.len() > 1 {
            let message = format!("'{}' is no collection of related entities: a join follows one to-many relationship", steps.join("/"));
            return Err(self.wrong(path.span, message));
        }
        self.new_name(state, alias, self.target)?;
        let table = self.far(relationship, path.span)?;
        let link = relationship_of(start, relationship.index);
        let follow = BoundFollow {
            table: start.table.name.clone(),
            first: 0,
            relationship: relationship.index,
            to: table.table.name.clone(),
            outer,
        };
        let mut far = State::of(table);
        far.partition = linking(&mut far, &start.table, link);
        let inside = Binder { base: table, joined: true, ..*self };
        if !then.is_empty() {
            far.unname_groups();
        }
        inside.sequence(&mut far, then)?;
        let whole = far.rows.row_type.table.is_some();
        let columns: Vec<usize> = if whole { (0..table.table.columns.len()).collect() } else { Vec::new() };
        let more: Vec<usize> = far.rows.shown.iter().copied().filter(|index| !columns.contains(index)).collect();
        let columns: Vec<usize> = columns.into_iter().chain(more).collect();
        let path = vec![alias.text.clone()];
        let first = state.columns().len();
        let appended = columns.iter().map(|index| far.column(*index)).collect();
        state.rows.row_type.columns.extend(below(&path, appended));
        state.rows.navigations.insert(path.clone());
        state.rows.navigations.extend(far.rows.navigations.iter().map(|inner| path.iter().chain(inner).cloned().collect()));
        state.related.push((path.clone(), table));
        if whole {
            state.reached.push(Reached { path, table, first });
        }
        let join = BoundJoin { follow, then: far.out, link: far.partition, columns };
        state.out.push(BoundTransformation::Join(Box::new(join)));
        Ok(())
    }
}

fn relationship_of(table: &TableView, index: usize) -> Option<&Relationship> {
    table.table.relationships.get(index)
}

/// Positions of the columns by which related rows are told apart: their own, or those of the link table, which are appended.
fn linking(far: &mut State<'_>, start: &VirtualTable, relationship: Option<&Relationship>) -> Vec<usize> {
    let Some(relationship) = relationship else { return Vec::new() };
    let Some(through) = &relationship.through else { return relationship.on.iter().map(|(_, theirs)| *theirs).collect() };
    let mut positions = Vec::with_capacity(through.own.len());
    for (own, _) in &through.own {
        positions.push(far.columns().len());
        let scalar_type = start.columns.get(*own).map_or(portico_provider_api::ScalarType::Boolean, |column| column.scalar_type);
        far.rows.row_type.columns.push(plain_column(Vec::new(), scalar_type));
    }
    positions
}
