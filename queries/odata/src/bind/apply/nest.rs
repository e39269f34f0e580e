//! `addnested` (section 3.4.3) and `nest` (section 3.5.2): collections of related entities, or of the rows themselves, transformed by
//! themselves for each entity or group, under names of their own. They are fetched as `$expand` with `$apply` inside fetches them.

use super::Binder;
use super::state::{State, names};
use crate::bind::expand::{links, near};
use crate::bind::options::Place;
use crate::bind::{MAX_EXPAND_DEPTH, property, restrict};
use crate::bound::apply::{BoundApply, BoundTransformation};
use crate::bound::{BoundExpand, BoundMade, BoundQuery};
use crate::error::ODataError;
use crate::syntax::{Expr, NestItem, Options, Span, Transformation, TransformationKind as Kind};
use crate::value_type::RowType;
use portico_catalog::RelationshipView;

/// Most transformations `nest` of a query, those that `rollup` repeats counted each: the collections of each are queries of their own.
const MAX_NESTS: usize = 100;

impl<'a> Binder<'a> {
    /// One row per group around, or one row in all, with a collection per item.
    pub(super) fn nest(&self, state: &mut State<'a>, items: &[NestItem], span: Span) -> Result<(), ODataError> {
        if self.joined {
            return Err(self.not_built(span, "nest inside join"));
        }
        let number = state.nests;
        if number >= MAX_NESTS {
            return Err(self.wrong(span, format!("$apply nests more than {MAX_NESTS} times, with what rollups stand for")));
        }
        state.nests += 1;
        let mut nested: Vec<BoundExpand> = Vec::with_capacity(items.len());
        for item in items {
            self.new_name(state, &item.alias, self.target)?;
            if nested.iter().any(|other| other.name == item.alias.text) {
                return Err(self.wrong(item.alias.span, format!("the alias '{}' is given twice", item.alias.text)));
            }
            let mut rows = state.fork();
            self.hide_groups(&mut rows);
            Binder { tree: None, ..*self }.sequence(&mut rows, &item.then)?;
            state.nests = rows.nests;
            let apply = BoundApply { transformations: rows.out, rows: rows.rows, link: rows.partition };
            let query = BoundQuery {
                expand: rows.nested,
                apply: Some(apply.clone()),
                ..BoundQuery::of(&self.base.table.name, apply.rows.shown.clone())
            };
            nested.push(BoundExpand::entities(0, &item.alias.text, true, query));
        }
        let keys = state.partition.clone();
        state.out.push(BoundTransformation::Nest { number, keys: keys.clone() });
        state.replace(&keys, Vec::new());
        for expand in &mut nested {
            expand.made = Some(BoundMade { link: state.partition.clone(), group: Some(number), only: None });
        }
        state.nested = nested;
        Ok(())
    }

    /// What is only shown because it tells the groups around apart is no part of what a group holds, nor of what is aggregated of that.
    fn hide_groups(&self, state: &mut State<'a>) {
        let entities = state.rows.row_type.table.is_some();
        let own = self.base.table.columns.len();
        let added = |index: &usize| if entities { *index >= own && !state.column(*index).dynamic } else { state.aggregated };
        let grouped: Vec<usize> = state.partition.iter().copied().filter(added).collect();
        state.rows.shown.retain(|index| !grouped.contains(index));
        let shown: Vec<Vec<String>> = state.rows.shown.iter().map(|index| state.column(*index).path).collect();
        let hidden: Vec<Vec<String>> = grouped.iter().map(|index| state.column(*index).path).collect();
        let led = |path: &Vec<String>, columns: &[Vec<String>]| columns.iter().any(|column| column.starts_with(path));
        state.rows.navigations.retain(|path| !led(path, &hidden) || led(path, &shown));
        state.unname_groups();
    }

    pub(super) fn add_nested(&self, state: &mut State<'a>, path: &Expr, items: &[NestItem], span: Span) -> Result<(), ODataError> {
        if self.joined {
            return Err(self.not_built(span, "addnested inside join"));
        }
        let relationship = self.nestable(state, path)?;
        let name = &relationship.name;
        restrict::expandable(self.base, relationship).map_err(|error| error.at(self.target, Some(path.span.start)))?;
        if self.place.depth >= MAX_EXPAND_DEPTH {
            return Err(self.wrong(span, format!("there are more than {MAX_EXPAND_DEPTH} levels of related entities at '{name}'")));
        }
        let table = self.far(relationship, path.span)?;
        let rows = RowType::of_table(table);
        for item in items {
            self.new_name(state, &item.alias, self.target)?;
            if !relationship.many {
                item.then.iter().try_for_each(|transformation| self.keeps_one(name, transformation))?;
            }
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
            let made = BoundMade { link: near(self.base, relationship), group: None, only: None };
            let expand = BoundExpand::entities(relationship.index, &item.alias.text, relationship.many, query);
            state.nested.push(BoundExpand { made: Some(made), ..expand });
        }
        Ok(())
    }

    /// The relationship at the end of the path of `addnested`.
    fn nestable(&self, state: &State<'a>, path: &Expr) -> Result<&'a RelationshipView, ODataError> {
        let steps = names(self, path)?;
        let start = state.rows.row_type.table.is_some().then_some(self.base);
        let first = steps.first().map(String::as_str).unwrap_or_default();
        let Some(relationship) = start.and_then(|start| start.relationship(first)) else {
            let complex = start.is_some_and(|start| start.table.overlay.complex.iter().any(|complex| complex.name == first));
            return Err(match start.and_then(|start| start.column(first)) {
                _ if complex => self.not_built(path.span, format!("addnested along the complex property '{first}'")),
                Some(_) => self.wrong(path.span, format!("'{first}' is no collection of related entities")),
                None => state.unknown(self, &steps, path.span),
            });
        };
        if steps.len() > 1 {
            let message = format!("'{}': the path of addnested has no relationship before its last step", steps.join("/"));
            return Err(self.wrong(path.span, message));
        }
        if !property::follows(self.base, self.place.cast, relationship) {
            return Err(self.not_built(path.span, format!("addnested along '{first}', which only a derived type has,")));
        }
        Ok(relationship)
    }

    /// That a transformation makes one row of one row, as it must along a relationship that leads to one entity.
    fn keeps_one(&self, name: &str, transformation: &Transformation) -> Result<(), ODataError> {
        match &transformation.kind {
            Kind::Identity | Kind::Compute(_) | Kind::Nest { path: Some(_), .. } => Ok(()),
            _ => {
                let message =
                    format!("'{name}' leads to one entity: only identity, compute and addnested can be applied to it in addnested");
                Err(self.wrong(transformation.span, message))
            }
        }
    }
}
