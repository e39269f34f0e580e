//! `addnested` (section 3.6.3): collections of related entities, transformed for each entity by itself, under names of their own. They
//! are expanded, as `$expand` with `$apply` inside expands them.

use super::Binder;
use super::state::{State, names};
use crate::bind::expand::links;
use crate::bind::options::Place;
use crate::bind::{MAX_EXPAND_DEPTH, property, restrict};
use crate::bound::BoundExpand;
use crate::error::ODataError;
use crate::syntax::{Expr, NestItem, Options, Span};
use crate::value_type::RowType;

impl<'a> Binder<'a> {
    pub(super) fn add_nested(&self, state: &mut State<'a>, path: &Expr, items: &[NestItem], span: Span) -> Result<(), ODataError> {
        if self.inside {
            return Err(self.not_built(span, "addnested inside another transformation"));
        }
        let steps = names(self, path)?;
        let [name] = steps.as_slice() else {
            return Err(self.not_built(path.span, format!("addnested along '{}', a path of several steps,", steps.join("/"))));
        };
        let start = state.rows.row_type.table.is_some().then_some(self.base);
        let Some(relationship) = start.and_then(|start| start.relationship(name)) else {
            return Err(match start.and_then(|start| start.column(name)) {
                Some(_) => self.wrong(path.span, format!("'{name}' is no collection of related entities")),
                None => state.unknown(self, &steps, path.span),
            });
        };
        if !relationship.many {
            return Err(self.not_built(path.span, format!("addnested along '{name}', which leads to one entity,")));
        }
        if !property::follows(self.base, self.place.cast, relationship) {
            return Err(self.not_built(path.span, format!("addnested along '{name}', which only a derived type has,")));
        }
        restrict::expandable(self.base, relationship).map_err(|error| error.at(self.target, Some(path.span.start)))?;
        if self.place.depth >= MAX_EXPAND_DEPTH {
            return Err(self.wrong(span, format!("there are more than {MAX_EXPAND_DEPTH} levels of related entities at '{name}'")));
        }
        let table = self.far(relationship, path.span)?;
        let rows = RowType::of_table(table);
        for item in items {
            self.new_name(state, &item.alias, self.target)?;
            let nested = Place {
                view: self.view,
                table,
                rows: &rows,
                aliases: self.place.aliases,
                cast: None,
                nested_in: Some(self.place.nested_in.unwrap_or("$apply")),
                depth: self.place.depth + 1,
            };
            let query = super::of_groups(&nested, &item.then, &Options::default(), &links(self.base, relationship))?;
            state.nested.push(BoundExpand { made: true, ..BoundExpand::entities(relationship.index, &item.alias.text, true, query) });
        }
        Ok(())
    }
}
