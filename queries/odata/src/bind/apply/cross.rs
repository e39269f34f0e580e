//! `$apply` to `$crossjoin` (section 4): the rows are combinations of entities, whose properties are below the names of their sets. It must
//! not know how sets are joined.

use super::state::{Reached, State, below};
use super::{Binder, later};
use crate::bind::options::Place;
use crate::bound::BoundQuery;
use crate::bound::apply::BoundApply;
use crate::error::ODataError;
use crate::syntax::{Options, Transformation, TransformationKind as Kind};
use crate::value_type::RowType;
use portico_catalog::TableView;

/// Binds `$apply` and the options after it, over the combinations of the entities of sets.
pub(in crate::bind) fn of_sets<'a>(
    place: &'a Place<'a>,
    sets: &'a [(String, &'a TableView)],
    transformations: &[Transformation],
    options: &Options,
) -> Result<BoundQuery, ODataError> {
    let binder = Binder { place, view: place.view, base: place.table, target: "$apply", tree: None, joined: false, sets };
    let mut state = State::combined(sets);
    binder.sequence(&mut state, transformations)?;
    let mut query = BoundQuery::of("", Vec::new());
    later::options(&binder, &mut state, options, &mut query)?;
    if state.combined {
        let what = "$apply of $crossjoin that does not group or aggregate: $filter, $compute and $orderby do that without it;";
        return Err(ODataError::not_implemented(what).at("$apply", transformations.first().map(|first| first.span.start)));
    }
    query.apply = Some(BoundApply { transformations: state.out, rows: state.rows, link: state.partition });
    Ok(query)
}

impl<'a> Binder<'a> {
    /// Refuses what is not done with combinations.
    pub(super) fn of_combinations(&self, transformation: &Transformation) -> Result<(), ODataError> {
        let name = match &transformation.kind {
            _ if self.sets.is_empty() => return Ok(()),
            Kind::Nest { path: None, .. } => "nest",
            Kind::Nest { path: Some(_), .. } => "addnested",
            Kind::Join { .. } => "join",
            Kind::Relatives { .. } | Kind::Traverse { .. } | Kind::Function { .. } => "a transformation of a hierarchy",
            _ => return Ok(()),
        };
        Err(self.not_built(transformation.span, format!("{name} in $apply of $crossjoin")))
    }
}

impl<'a> State<'a> {
    /// The combinations of the entities of sets.
    fn combined(sets: &[(String, &'a TableView)]) -> State<'a> {
        let mut state = State { combined: true, ..State::default() };
        for (name, table) in sets {
            let (path, first) = (vec![name.clone()], state.columns().len());
            let overlay = &table.table.overlay;
            let own = table.columns.iter().copied().filter(|index| !overlay.is_stream_content(*index));
            state.rows.shown.extend(own.map(|index| first + index));
            state.rows.row_type.columns.extend(below(&path, RowType::of_table(table).columns));
            state.rows.navigations.insert(path.clone());
            state.related.push((path.clone(), table));
            state.reached.push(Reached { path, table, first });
        }
        state
    }
}
