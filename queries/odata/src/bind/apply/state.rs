//! The rows between two transformations while they are bound: which columns there are, which tables can still be followed, what tells
//! the groups apart that the transformations stand in.

use super::super::suggestion;
use super::Binder;
use crate::bound::apply::{AppliedRows, BoundFollow, BoundTransformation};
use crate::bound::{BoundComputed, BoundExpand, BoundExpr};
use crate::error::ODataError;
use crate::syntax::{Expr, ExprKind, PathStep, Span, StepKind};
use crate::value_type::{RowColumn, RowType, ValueType};
use portico_catalog::{RelationshipView, TableView};

/// A table whose columns are all among those of the rows, at consecutive positions.
#[derive(Clone)]
pub(super) struct Reached<'a> {
    /// How the entity is named from the rows; empty for the rows themselves.
    pub(super) path: Vec<String>,
    pub(super) table: &'a TableView,
    pub(super) first: usize,
}

/// The rows, and what made them.
#[derive(Clone, Default)]
pub(super) struct State<'a> {
    pub(super) rows: AppliedRows,
    /// What relationships can be followed from.
    pub(super) reached: Vec<Reached<'a>>,
    /// What tells apart the groups around.
    pub(super) partition: Vec<usize>,
    /// What computed columns are made of, while the rows that they were computed of are there.
    pub(super) computed: Vec<(usize, BoundExpr)>,
    pub(super) out: Vec<BoundTransformation>,
    /// What related entities are, by their paths, reached still or not.
    pub(super) related: Vec<(Vec<String>, &'a TableView)>,
    /// What has been added to the rows; it belongs to none of their columns.
    pub(super) nested: Vec<BoundExpand>,
    /// Whether the rows have been aggregated in the groups around: the properties that tell these apart are there for that only.
    pub(super) aggregated: bool,
    /// Whether they are combinations of the entities of several sets still.
    pub(super) combined: bool,
    /// How many `nest` there were: the number of the next one.
    pub(super) nests: usize,
}

impl<'a> State<'a> {
    /// The entities of a table.
    pub(super) fn of(table: &'a TableView) -> State<'a> {
        let row_type = RowType::of_table(table);
        let overlay = &table.table.overlay;
        let shown = table.columns.iter().copied().filter(|index| !overlay.is_stream_content(*index)).collect();
        let reached = vec![Reached { path: Vec::new(), table, first: 0 }];
        State { rows: AppliedRows::of(row_type, shown), reached, ..State::default() }
    }

    /// The same rows with nothing done to them yet.
    pub(super) fn fork(&self) -> State<'a> {
        State { out: Vec::new(), ..self.clone() }
    }

    pub(super) fn columns(&self) -> &[RowColumn] {
        &self.rows.row_type.columns
    }

    pub(super) fn column(&self, index: usize) -> RowColumn {
        self.columns().get(index).cloned().unwrap_or_else(|| plain_column(Vec::new(), portico_provider_api::ScalarType::Boolean))
    }

    /// Appends a column that belongs to the answer.
    pub(super) fn append(&mut self, column: RowColumn) {
        self.rows.shown.push(self.columns().len());
        self.rows.row_type.columns.push(column);
    }

    /// The table that a relationship leads to, with its columns appended if they are not there yet.
    pub(super) fn follow(
        &mut self,
        binder: &Binder<'a>,
        from: usize,
        relationship: &RelationshipView,
        outer: bool,
        span: Span,
    ) -> Result<usize, ODataError> {
        let Some(start) = self.reached.get(from) else { return Err(binder.wrong(span, "this leads nowhere")) };
        let mut path = start.path.clone();
        path.push(relationship.name.clone());
        if let Some(known) = self.reached.iter().position(|reached| reached.path == path) {
            return Ok(known);
        }
        let table = binder.far(relationship, span)?;
        let (name, first) = (start.table.table.name.clone(), start.first);
        let follow = BoundFollow { table: name, first, relationship: relationship.index, to: table.table.name.clone(), outer };
        self.out.push(BoundTransformation::Follow(follow));
        let first = self.columns().len();
        self.rows.row_type.columns.extend(below(&path, RowType::of_table(table).columns));
        self.rows.navigations.insert(path.clone());
        self.related.push((path.clone(), table));
        self.reached.push(Reached { path, table, first });
        Ok(self.reached.len() - 1)
    }

    /// The columns that a path of single values stands for: one for a property, several for a complex property or a related entity.
    pub(super) fn resolve(&mut self, binder: &Binder<'a>, path: &Expr) -> Result<Vec<usize>, ODataError> {
        let names = names(binder, path)?;
        loop {
            let found = self.rows.below(&names);
            if let Some(index) = found.iter().find(|index| matches!(self.column(**index).value_type, ValueType::Spatial(_))) {
                // One value may be held as different texts.
                return Err(binder.not_built(path.span, format!("grouping by the spatial value '{}'", self.column(*index).path.join("/"))));
            }
            if !found.is_empty() {
                return Ok(found);
            }
            let furthest = self.reached.iter().enumerate().filter(|(_, reached)| names.starts_with(&reached.path));
            let Some((from, reached)) = furthest.max_by_key(|(_, reached)| reached.path.len()) else {
                return Err(self.unknown(binder, &names, path.span));
            };
            let next = names.get(reached.path.len()).map(String::as_str).unwrap_or_default();
            let Some(relationship) = reached.table.relationship(next) else { return Err(self.unknown(binder, &names, path.span)) };
            if relationship.many {
                let message = format!("'{next}' leads to several entities: what is grouped by has one value");
                return Err(binder.wrong(path.span, message));
            }
            self.follow(binder, from, relationship, true, path.span)?;
        }
    }

    /// That no property has this name.
    pub(super) fn unknown(&self, binder: &Binder<'_>, names: &[String], span: Span) -> ODataError {
        let shown = names.join("/");
        let first = names.first().map(String::as_str).unwrap_or_default();
        if self.nested.iter().any(|nested| nested.name == first) {
            return binder.not_built(span, format!("'{shown}', which nest or addnested made, in a path"));
        }
        let gone = self.rows.row_type.table.is_none() && binder.is_declared(first);
        if gone {
            return binder.wrong(span, format!("'{shown}' has been aggregated away: the transformations before this one do not keep it"));
        }
        let own = self.columns().iter().filter_map(|column| column.path.first()).map(String::as_str);
        let related = self.reached.iter().flat_map(|reached| &reached.table.relationships).map(|relationship| relationship.name.as_str());
        let hint = suggestion(first, own.chain(related));
        binder.wrong(span, format!("there is no property '{shown}' here{hint}"))
    }

    /// What is left of a related entity, its key first, where that is there: entities are counted by what comes first, which is not to be
    /// null.
    pub(super) fn identity(&self, path: &[String]) -> Vec<usize> {
        let table = self.related.iter().find(|(known, _)| known == path).map(|(_, table)| *table);
        let is_key = |index: &usize| {
            let column = self.column(*index);
            let name = column.path.get(path.len()..).unwrap_or_default();
            let key = table.into_iter().flat_map(|table| table.table.key.iter().filter_map(|key| table.table.columns.get(*key)));
            key.into_iter().any(|key| matches!(name, [only] if *only == key.name))
        };
        let (key, others): (Vec<usize>, Vec<usize>) = self.rows.below(path).into_iter().partition(is_key);
        key.into_iter().chain(others).collect()
    }

    /// What tells the groups around apart is held in columns without names from now on, so that it is no part of what is aggregated.
    pub(super) fn unname_groups(&mut self) {
        let mut partition = std::mem::take(&mut self.partition);
        for key in &mut partition {
            let column = self.column(*key);
            if column.path.is_empty() {
                continue;
            }
            let column = RowColumn { path: Vec::new(), ..column };
            let expr = BoundExpr::Column(*key);
            self.out.push(BoundTransformation::Compute(vec![BoundComputed { expr, column: column.clone() }]));
            *key = self.columns().len();
            self.rows.row_type.columns.push(column);
        }
        self.partition = partition;
    }

    /// Keeps these columns only, of equal rows one.
    pub(super) fn distinct(&mut self, keep: &[usize]) {
        self.out.push(BoundTransformation::Distinct(keep.to_vec()));
        self.replace(keep, Vec::new());
    }

    /// The rows are these of their columns from now on, then others; they are no entities any more.
    pub(super) fn replace(&mut self, keep: &[usize], more: Vec<RowColumn>) {
        let columns: Vec<RowColumn> = keep.iter().map(|index| self.column(*index)).chain(more).collect();
        let at = |old: &usize| keep.iter().position(|kept| kept == old);
        self.partition = self.partition.iter().filter_map(at).collect();
        (self.aggregated, self.combined) = (true, false);
        let shown = columns.iter().enumerate().filter(|(_, column)| !column.path.is_empty()).map(|(index, _)| index).collect();
        let navigations = std::mem::take(&mut self.rows.navigations);
        let navigations = navigations.into_iter().filter(|path| columns.iter().any(|column| column.path.starts_with(path))).collect();
        self.rows = AppliedRows { row_type: RowType { table: None, columns }, shown, presence: None, navigations };
        self.reached.clear();
        self.computed.clear();
        self.nested.clear();
    }
}

/// A column of a type that may be null.
pub(super) fn plain_column(path: Vec<String>, scalar_type: portico_provider_api::ScalarType) -> RowColumn {
    RowColumn { path, value_type: scalar_type.into(), nullable: true, dynamic: false, weight: 1 }
}

/// The columns of an entity that is reached by a path; there may be none.
pub(super) fn below(path: &[String], columns: Vec<RowColumn>) -> impl Iterator<Item = RowColumn> {
    columns.into_iter().map(move |column| {
        let whole = if column.path.is_empty() { Vec::new() } else { path.iter().cloned().chain(column.path).collect() };
        RowColumn { path: whole, nullable: true, ..column }
    })
}

/// A path as names; anything else in it is refused.
pub(super) fn names(binder: &Binder<'_>, path: &Expr) -> Result<Vec<String>, ODataError> {
    let ExprKind::Path(steps) = &path.kind else { return Err(binder.wrong(path.span, "a path to a property is expected")) };
    steps.iter().map(|step| name(binder, step)).collect()
}

/// A step of a path as a name.
pub(super) fn name(binder: &Binder<'_>, step: &PathStep) -> Result<String, ODataError> {
    match &step.kind {
        StepKind::Name(name) if name.contains('.') => Err(binder.not_built(step.span, format!("the type cast '{name}' in $apply"))),
        StepKind::Name(name) => Ok(name.clone()),
        other => Err(binder.not_built(step.span, format!("'{}' in a path in $apply", other.shown()))),
    }
}
