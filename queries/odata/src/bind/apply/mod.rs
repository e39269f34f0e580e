//! `$apply` (Data Aggregation 4.0, section 3): transformations with their names resolved against the rows that each is given, and the
//! options that come after it. It must not know how transformations are executed.

mod aggregate;
mod concat;
mod cross;
mod custom;
mod group;
mod hierarchy;
mod join;
mod later;
mod nest;
mod offered;
mod state;

pub(super) use cross::of_sets;
pub(crate) use custom::custom_type;

use super::defined::{Made, declares};
use super::options::Place;
use super::restrict::Use;
use super::scope::Scope;
use super::search;
use crate::bound::apply::{BoundAmount, BoundApply, BoundTransformation};
use crate::bound::{BoundComputed, BoundExpr, BoundOrder, BoundQuery};
use crate::error::ODataError;
use crate::syntax::{ComputeItem, Expr, Name, Options, OrderItem, RankedMeasure, Search, Span, Transformation, TransformationKind as Kind};
use crate::value_type::{RowColumn, ValueType};
use portico_catalog::{ModelView, RelationshipView, TableView};
use portico_provider_api::{ScalarType, Value};
use state::State;
use std::sync::Arc;

/// The transformations that are executed.
pub(crate) const TRANSFORMATIONS: [&str; 24] = [
    "aggregate",
    "groupby",
    "concat",
    "identity",
    "filter",
    "search",
    "compute",
    "orderby",
    "skip",
    "top",
    "topcount",
    "topsum",
    "toppercent",
    "bottomcount",
    "bottomsum",
    "bottompercent",
    "join",
    "outerjoin",
    "nest",
    "addnested",
    "ancestors",
    "descendants",
    "traverse",
    TOP_LEVELS,
];

/// SAP's transformation that yields the first levels of a tree.
pub(crate) const TOP_LEVELS: &str = "com.sap.vocabularies.Hierarchy.v1.TopLevels";

/// Most transformations after `rollup` and `concat` are spelt out.
const MAX_TRANSFORMATIONS: usize = 1_000;

/// What does not change from one transformation to the next.
#[derive(Clone, Copy)]
pub(super) struct Binder<'a> {
    place: &'a Place<'a>,
    view: &'a ModelView,
    /// The table whose entities are transformed.
    base: &'a TableView,
    /// The option that is bound.
    target: &'a str,
    /// The transformation that is to say where its rows stand in a tree, as options after `$apply` want to know.
    tree: Option<Span>,
    /// What is bound is done with the related entities of a `join`.
    joined: bool,
    /// The sets whose combinations are transformed; empty where they are the entities of a table.
    sets: &'a [(String, &'a TableView)],
}

/// Binds `$apply` and the options after it.
pub(super) fn query<'a>(place: &'a Place<'a>, transformations: &[Transformation], options: &Options) -> Result<BoundQuery, ODataError> {
    of_groups(place, transformations, options, &[])
}

/// The same inside `$expand`: what is done is done for each parent by itself. `links` are the types of the columns that say whose rows
/// are whose.
pub(super) fn of_groups<'a>(
    place: &'a Place<'a>,
    transformations: &[Transformation],
    options: &Options,
    links: &[ScalarType],
) -> Result<BoundQuery, ODataError> {
    let target = place.nested_in.unwrap_or("$apply");
    let last = transformations.iter().rev().find(|transformation| hierarchy::is_hierarchical(transformation));
    let tree = last.map(|transformation| transformation.span).filter(|_| later::wants_tree(options));
    let binder = Binder { place, view: place.view, base: place.table, target, tree, joined: false, sets: &[] };
    let mut state = State::of(place.table);
    for link in links {
        state.partition.push(state.columns().len());
        state.rows.row_type.columns.push(state::plain_column(Vec::new(), *link));
    }
    binder.sequence(&mut state, transformations)?;
    let mut query = BoundQuery::of(&place.table.table.name, Vec::new());
    later::options(&binder, &mut state, options, &mut query)?;
    // What is filtered first restricts the set, as `$filter` does.
    let mut out = state.out.into_iter().peekable();
    while let Some(BoundTransformation::Filter(condition)) = out.next_if(|first| matches!(first, BoundTransformation::Filter(_))) {
        query.filter = BoundExpr::both(query.filter.take(), Some(condition));
    }
    query.expand.splice(..0, state.nested);
    query.apply = Some(BoundApply { transformations: out.collect(), rows: state.rows, link: state.partition });
    Ok(query)
}

impl<'a> Binder<'a> {
    pub(super) fn wrong(&self, span: Span, message: impl Into<String>) -> ODataError {
        ODataError::bad_request(message).at(self.target, Some(span.start))
    }

    pub(super) fn not_built(&self, span: Span, what: impl std::fmt::Display) -> ODataError {
        ODataError::not_implemented(what).at(self.target, Some(span.start))
    }

    /// The table that a relationship leads to.
    fn far(&self, relationship: &RelationshipView, span: Span) -> Result<&'a TableView, ODataError> {
        let to = self.view.table(&relationship.to);
        to.ok_or_else(|| self.wrong(span, format!("'{}' leads nowhere", relationship.name)))
    }

    /// Whether the entities have a property of that name.
    fn is_declared(&self, name: &str) -> bool {
        match self.sets {
            [] => declares(self.base, name),
            sets => sets.iter().any(|(set, _)| set == name),
        }
    }

    /// Where expressions over the rows look their names up.
    fn scope<'s>(&'s self, state: &State<'a>, target: &'s str) -> Scope<'s> {
        let mut rows = state.rows.row_type.clone();
        let table = rows.table.is_some().then_some(self.base);
        // What has been joined along the way is reached as from any entity: the joined columns are not all there is behind a path.
        if let Some(table) = table {
            for column in rows.columns.iter_mut().skip(table.table.columns.len()) {
                if column.path.first().is_some_and(|name| table.relationship(name).is_some()) {
                    column.path.clear();
                }
            }
        }
        let scope = Scope::new(self.view, table, &rows, self.place.aliases, target).of_type(self.place.cast.filter(|_| table.is_some()));
        let scope = scope.over(Made { rows: Arc::new(state.rows.clone()), base: self.base });
        // While the combinations are there, so are the entities that they are made of.
        let scope = if state.reached.is_empty() { scope } else { scope.beside(self.sets) };
        if self.place.nested_in.is_some() { scope.without_it() } else { scope }
    }

    fn sequence(&self, state: &mut State<'a>, transformations: &[Transformation]) -> Result<(), ODataError> {
        transformations.iter().try_for_each(|transformation| self.one(state, transformation))
    }

    fn one(&self, state: &mut State<'a>, transformation: &Transformation) -> Result<(), ODataError> {
        let span = transformation.span;
        if state.out.len() > MAX_TRANSFORMATIONS {
            return Err(self.wrong(span, format!("$apply has more than {MAX_TRANSFORMATIONS} transformations")));
        }
        self.of_combinations(transformation)?;
        match &transformation.kind {
            Kind::Identity => Ok(()),
            Kind::Filter(condition) => self.filter(state, condition, self.target),
            Kind::Compute(items) => self.compute(state, items, self.target),
            Kind::OrderBy(items) => self.order_by(state, items, self.target),
            Kind::Skip(skip) => {
                let partition = state.partition.clone();
                state.out.push(BoundTransformation::Limit { skip: *skip, top: None, partition });
                Ok(())
            }
            Kind::Top(top) => {
                let partition = state.partition.clone();
                state.out.push(BoundTransformation::Limit { skip: 0, top: Some(*top), partition });
                Ok(())
            }
            Kind::Ranked { end, measure, amount, by } => {
                let (by, amount) = self.ranked(state, *measure, amount, by)?;
                let partition = state.partition.clone();
                state.out.push(BoundTransformation::Ranked { end: *end, by, amount, partition });
                Ok(())
            }
            Kind::Aggregate(items) => self.aggregate(state, items),
            Kind::GroupBy { elements, then } => self.group_by(state, elements, then, span),
            Kind::Concat(sequences) => self.concat(state, sequences, span),
            Kind::Join { outer, path, alias, then } => self.join(state, *outer, path, alias, then),
            Kind::Search(search) => self.search(state, search, self.target),
            Kind::Nest { path: None, items } => self.nest(state, items, span),
            Kind::Nest { path: Some(path), items } => self.add_nested(state, path, items, span),
            Kind::Relatives { .. } => self.relatives(state, transformation),
            Kind::Traverse { .. } => self.traverse(state, transformation),
            Kind::Function { name, arguments } if hierarchy::is_top_levels(name) => self.top_levels(state, arguments, span),
            Kind::Function { name, .. } => Err(self.not_built(span, format!("the transformation '{name}'"))),
        }
    }

    fn filter(&self, state: &mut State<'a>, condition: &Expr, target: &str) -> Result<(), ODataError> {
        let span = condition.span;
        let condition = self.scope(state, target).predicate(condition)?;
        self.usable(state, &condition, Use::Filter).map_err(|error| error.at(target, Some(span.start)))?;
        state.out.push(BoundTransformation::Filter(condition));
        Ok(())
    }

    /// Of rows that are no entities any more, what they were grouped by is still searchable where its own table says so.
    fn search(&self, state: &mut State<'a>, wanted: &Search, target: &str) -> Result<(), ODataError> {
        if state.rows.row_type.table.is_none() {
            let searchable = |index: &usize| self.origin(state, *index).is_some_and(|(table, own)| search::is_looked_into(table, own));
            let columns: Vec<usize> = state.rows.shown.iter().copied().filter(searchable).collect();
            state.out.push(BoundTransformation::Filter(search::over(self.view, &columns, target, wanted)?));
            return Ok(());
        }
        let condition = search::search(self.view, self.base, target, wanted)?;
        state.out.push(BoundTransformation::Filter(condition));
        Ok(())
    }

    /// Each item sees those before it.
    fn compute(&self, state: &mut State<'a>, items: &[ComputeItem], target: &str) -> Result<(), ODataError> {
        for item in items {
            let scope = self.scope(state, target);
            let (expr, value_type) = scope.value(&item.expr)?;
            let weight = scope.weight(&expr, 0);
            self.new_name(state, &item.name, target)?;
            let column = RowColumn { path: vec![item.name.text.clone()], value_type, nullable: true, dynamic: true, weight };
            state.computed.push((state.columns().len(), expr.clone()));
            state.out.push(BoundTransformation::Compute(vec![BoundComputed { expr, column: column.clone() }]));
            state.append(column);
        }
        Ok(())
    }

    /// That an alias is none of the names that there are (section 3.1.1).
    fn new_name(&self, state: &State<'a>, alias: &Name, target: &str) -> Result<(), ODataError> {
        let taken = state.columns().iter().any(|column| column.path.first() == Some(&alias.text));
        let nested = state.nested.iter().any(|nested| nested.name == alias.text);
        if !taken && !nested && !self.is_declared(&alias.text) {
            return Ok(());
        }
        let message = format!("the alias '{}' is the name of a property: choose another", alias.text);
        Err(ODataError::bad_request(message).at(target, Some(alias.span.start)))
    }

    fn order_by(&self, state: &mut State<'a>, items: &[OrderItem], target: &str) -> Result<(), ODataError> {
        let orders = self.orders(state, items, target)?;
        state.out.push(BoundTransformation::OrderBy(orders));
        Ok(())
    }

    fn orders(&self, state: &State<'a>, items: &[OrderItem], target: &str) -> Result<Vec<BoundOrder>, ODataError> {
        let mut orders = Vec::with_capacity(items.len());
        for item in items {
            let scope = self.scope(state, target);
            let (expr, value_type) = scope.value(&item.expr)?;
            self.ordered(value_type.scalar(), item.expr.span, target)?;
            let expr = scope.order(expr, &value_type);
            self.usable(state, &expr, Use::Sort).map_err(|error| error.at(target, Some(item.expr.span.start)))?;
            orders.push(BoundOrder { expr, descending: item.descending });
        }
        Ok(orders)
    }

    fn ordered(&self, scalar_type: ScalarType, span: Span, target: &str) -> Result<(), ODataError> {
        let error = match scalar_type {
            ScalarType::Binary => ODataError::bad_request("values of type Edm.Binary have no order"),
            ScalarType::Json => ODataError::not_implemented("the order of a JSON property"),
            _ => return Ok(()),
        };
        Err(error.at(target, Some(span.start)))
    }

    /// The arguments of `topcount` and its like.
    fn ranked(&self, state: &State<'a>, measure: RankedMeasure, amount: &Expr, by: &Expr) -> Result<(BoundExpr, BoundAmount), ODataError> {
        let scope = self.scope(state, self.target);
        let (value, amount_type) = scope.value(amount)?;
        let BoundExpr::Literal(constant) = &value else {
            return Err(self.not_built(amount.span, "a first argument that is not a number"));
        };
        let (by_expr, by_type) = scope.value(by)?;
        self.usable(state, &by_expr, Use::Sort).map_err(|error| error.at(self.target, Some(by.span.start)))?;
        let wrong = |message: &str| self.wrong(amount.span, message);
        if measure == RankedMeasure::Count {
            self.ordered(by_type.scalar(), by.span, self.target)?;
            let by_expr = scope.order(by_expr, &by_type);
            let count = match constant {
                Value::Int32(count) => u64::try_from(*count).unwrap_or(0),
                Value::Int64(count) => u64::try_from(*count).unwrap_or(0),
                _ => 0,
            };
            let positive = (count > 0).then_some(BoundAmount::Count(count));
            return positive.map(|amount| (by_expr, amount)).ok_or_else(|| wrong("the first argument must be a whole number above 0"));
        }
        if !is_number(&by_type) {
            return Err(self.wrong(by.span, "the second argument must be a number"));
        }
        if !is_number(&amount_type) || constant.is_null() {
            return Err(wrong("the first argument must be a number"));
        }
        if measure == RankedMeasure::Sum {
            return Ok((by_expr, BoundAmount::Sum(value)));
        }
        let percent = as_float(constant);
        if !(percent > 0.0 && percent <= 100.0) {
            return Err(wrong("the first argument must be above 0 and at most 100"));
        }
        Ok((by_expr, BoundAmount::Percent(value)))
    }
}

fn is_number(value_type: &ValueType) -> bool {
    matches!(value_type, ValueType::Scalar(scalar_type) if scalar_type.is_numeric())
}

fn as_float(value: &Value) -> f64 {
    match value {
        Value::Int16(number) => f64::from(*number),
        Value::Int32(number) => f64::from(*number),
        Value::Int64(number) => *number as f64,
        Value::Float32(number) | Value::Float64(number) => number.0,
        Value::Decimal { unscaled, scale, .. } => unscaled.to_string().parse::<f64>().unwrap_or(f64::NAN) / 10_f64.powi(i32::from(*scale)),
        _ => f64::NAN,
    }
}
