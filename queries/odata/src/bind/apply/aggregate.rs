//! `aggregate` (section 3.2.1): what is aggregated, how, and which type comes out. Aggregation along a navigation property considers each
//! related entity once, whatever the number of rows that lead to it.

use super::Binder;
use super::state::{State, name, names};
use crate::bound::BoundExpr;
use crate::bound::apply::{BoundAggregate, BoundTransformation};
use crate::edm::type_name;
use crate::error::ODataError;
use crate::syntax::{AggregateFrom, AggregateItem, Expr, ExprKind, Name, PathStep, Span, StepKind};
use crate::value_type::{RowColumn, ValueType};
use portico_catalog::overlay::AggregateMethod;
use portico_provider_api::ScalarType;

/// What `$count` and `countdistinct` yield: `Edm.Decimal` with scale 0 (sections 3.2.1.3.5 and 3.2.1.4).
const COUNT: ScalarType = ScalarType::Decimal { precision: 19, scale: 0 };

/// What a path in front of `with` or `$count` leads to.
struct Measured {
    before: Vec<BoundTransformation>,
    keys: Vec<usize>,
    argument: Option<usize>,
    value_type: ValueType,
}

impl<'a> Binder<'a> {
    pub(super) fn aggregate(&self, state: &mut State<'a>, items: &[AggregateItem]) -> Result<(), ODataError> {
        let mut bound: Vec<BoundAggregate> = Vec::with_capacity(items.len());
        for item in items {
            let column = self.item(state, item)?;
            if bound.iter().any(|other| other.column.path == column.column.path) {
                return Err(self.wrong(item.span, format!("the alias '{}' is given twice", column.column.path.join("/"))));
            }
            bound.push(column);
        }
        self.apply_aggregate(state, bound);
        Ok(())
    }

    /// Replaces the rows by the groups and what was computed of them.
    fn apply_aggregate(&self, state: &mut State<'a>, items: Vec<BoundAggregate>) {
        let keys = state.partition.clone();
        let columns = items.iter().map(|item| item.column.clone()).collect();
        state.out.push(BoundTransformation::Aggregate { keys: keys.clone(), items });
        state.replace(&keys, columns);
    }

    fn item(&self, state: &State<'a>, item: &AggregateItem) -> Result<BoundAggregate, ODataError> {
        let alias = &match &item.alias {
            Some(alias) => {
                self.new_name(state, alias, self.target)?;
                alias.clone()
            }
            None => self.own_name(state, item)?,
        };
        let Some((last, between)) = item.from.split_last() else { return self.plain_item(state, item, alias) };
        // `α from p,… with g` is groupby((p,…),aggregate(α as D))/aggregate(D with g), inside every `from` that comes after it.
        let mut inner = state.fork();
        let outer = inner.partition.len();
        let mut levels = Vec::with_capacity(item.from.len());
        for from in item.from.iter().rev() {
            levels.push(inner.partition.len());
            for property in &from.properties {
                for index in inner.resolve(self, property)? {
                    if !inner.partition.contains(&index) {
                        inner.partition.push(index);
                    }
                }
            }
        }
        let first = self.plain_item(&inner, item, alias)?;
        self.apply_aggregate(&mut inner, vec![first]);
        for from in between {
            let keep = levels.pop().unwrap_or(outer);
            let step = self.next_level(&inner, from, alias, item.span)?;
            inner.partition.truncate(keep);
            let step = BoundAggregate { keys: inner.partition.clone(), ..step };
            self.apply_aggregate(&mut inner, vec![step]);
        }
        let step = self.next_level(&inner, last, alias, item.span)?;
        let keys = inner.partition.iter().copied().take(outer).collect();
        Ok(BoundAggregate { before: inner.out, keys, ..step })
    }

    /// What an item without an alias is called: a custom aggregate by its own name.
    fn own_name(&self, state: &State<'a>, item: &AggregateItem) -> Result<Name, ODataError> {
        let needs = || self.wrong(item.span, "this needs 'as' and an alias");
        let counts = matches!(&item.expr.kind, ExprKind::Path(steps) if steps.last().is_some_and(is_count));
        if item.method.is_some() || !item.from.is_empty() || counts {
            return Err(needs());
        }
        self.custom(state, &item.expr)?;
        let text = names(self, &item.expr)?.pop().ok_or_else(needs)?;
        // It may be called as a property of which it is the default; but not where that is still there.
        let kept = state.partition.iter().any(|index| state.column(*index).path.first() == Some(&text));
        let made = state.columns().iter().any(|column| column.dynamic && column.path.first() == Some(&text));
        if kept || made {
            let message = format!("there is a property '{text}' beside the custom aggregate: give that an alias");
            return Err(self.wrong(item.span, message));
        }
        Ok(Name { text, span: item.expr.span })
    }

    /// The method of a `from` over the value that was computed last.
    fn next_level(&self, state: &State<'a>, from: &AggregateFrom, alias: &Name, span: Span) -> Result<BoundAggregate, ODataError> {
        let Some(method) = &from.method else { return Err(self.not_built(span, "'from' after a custom aggregate")) };
        let value = state.columns().len().saturating_sub(1);
        let value_type = state.column(value).value_type;
        let measured = Measured { before: Vec::new(), keys: state.partition.clone(), argument: Some(value), value_type };
        self.measured_item(measured, self.method(method)?, alias, span)
    }

    fn plain_item(&self, state: &State<'a>, item: &AggregateItem, alias: &Name) -> Result<BoundAggregate, ODataError> {
        let steps = match &item.expr.kind {
            ExprKind::Path(steps) => Some(steps.as_slice()),
            _ => None,
        };
        let counted = steps.and_then(|steps| steps.split_last()).filter(|(last, _)| is_count(last)).map(|(_, before)| before);
        match (counted, &item.method) {
            (Some(_), Some(method)) => Err(self.wrong(method.span, "$count takes no method")),
            (Some([]), None) => {
                let column = column(alias, ValueType::Scalar(COUNT));
                Ok(BoundAggregate {
                    before: Vec::new(),
                    keys: state.partition.clone(),
                    method: AggregateMethod::Count,
                    argument: None,
                    column,
                })
            }
            (Some(path), None) => {
                let path = path.iter().map(|step| name(self, step)).collect::<Result<Vec<_>, _>>()?;
                let measured = self.along(state, &path, AggregateMethod::Count, item.expr.span)?;
                self.measured_item(measured, AggregateMethod::Count, alias, item.span)
            }
            (None, Some(method)) => {
                let method = self.method(method)?;
                match steps.filter(|steps| steps.iter().all(is_name)) {
                    Some(_) => {
                        let measured = self.along(state, &names(self, &item.expr)?, method, item.expr.span)?;
                        self.measured_item(measured, method, alias, item.span)
                    }
                    None => self.expression_item(state, &item.expr, method, alias),
                }
            }
            (None, None) => {
                let (path, method) = self.custom(state, &item.expr)?.spelt_out();
                if path.is_empty() {
                    let column = column(alias, ValueType::Scalar(COUNT));
                    return Ok(BoundAggregate { before: Vec::new(), keys: state.partition.clone(), method, argument: None, column });
                }
                let measured = self.along(state, &path, method, item.expr.span)?;
                self.measured_item(measured, method, alias, item.span)
            }
        }
    }

    /// An expression of each row: related entities are not considered once, but row by row.
    fn expression_item(&self, state: &State<'a>, expr: &Expr, method: AggregateMethod, alias: &Name) -> Result<BoundAggregate, ODataError> {
        let (argument, value_type) = self.scope(state, self.target).value(expr)?;
        let value_type = result_type(method, &value_type).map_err(|why| self.wrong(expr.span, why))?;
        let (keys, column) = (state.partition.clone(), column(alias, value_type));
        Ok(BoundAggregate { before: Vec::new(), keys, method, argument: Some(argument), column })
    }

    fn measured_item(&self, measured: Measured, method: AggregateMethod, alias: &Name, span: Span) -> Result<BoundAggregate, ODataError> {
        let Measured { before, keys, argument, value_type } = measured;
        let value_type = result_type(method, &value_type).map_err(|why| self.wrong(span, why))?;
        let argument = argument.map(BoundExpr::Column);
        Ok(BoundAggregate { before, keys, method, argument, column: column(alias, value_type) })
    }

    /// Where a path in front of `with` or `$count` leads. The entities at the end of its last navigation property are considered once.
    fn along(&self, state: &State<'a>, path: &[String], method: AggregateMethod, span: Span) -> Result<Measured, ODataError> {
        let mut inner = state.fork();
        // What has been joined is reached already.
        let reached = inner.reached.iter().enumerate().filter(|(_, reached)| path.starts_with(&reached.path));
        let furthest = reached.max_by_key(|(_, reached)| reached.path.len()).map(|(at, reached)| (at, reached.path.len()));
        let (mut at, mut length) = (furthest.map(|(at, _)| at), furthest.map_or(0, |(_, length)| length));
        while let Some(from) = at
            && let Some(next) = path.get(length)
            && let Some(relationship) = inner.reached.get(from).and_then(|reached| reached.table.relationship(next))
        {
            at = Some(inner.follow(self, from, relationship, false, span)?);
            length += 1;
        }
        // Of rows that are no entities any more, what was grouped by may still be part of a related one.
        if length == 0 {
            let related = |length: &usize| path.get(..*length).is_some_and(|prefix| inner.rows.navigations.contains(prefix));
            length = (1..=path.len()).rev().find(related).unwrap_or(0);
            at = None;
        }
        let values = if length == path.len() { Vec::new() } else { inner.rows.below(path) };
        if length < path.len() && values.is_empty() {
            return Err(state.unknown(self, path, span));
        }
        if values.len() > 1 {
            return Err(self.not_built(span, format!("the aggregation of the complex property '{}'", path.join("/"))));
        }
        if length == 0 {
            let value = values.first().copied();
            let value_type = value.map_or(ValueType::Scalar(ScalarType::Boolean), |value| inner.column(value).value_type);
            return Ok(Measured { before: Vec::new(), keys: inner.partition, argument: value, value_type });
        }
        let identity: Vec<usize> = match at.and_then(|at| inner.reached.get(at)) {
            Some(reached) => reached.table.table.key.iter().map(|key| reached.first + key).collect(),
            None => inner.identity(path.get(..length).unwrap_or_default()),
        };
        self.once(inner, &identity, values.first().copied(), method, span)
    }

    /// Each entity once, by what identifies it, with the value that is aggregated; entities themselves are only counted.
    fn once(
        &self,
        mut inner: State<'a>,
        identity: &[usize],
        value: Option<usize>,
        method: AggregateMethod,
        span: Span,
    ) -> Result<Measured, ODataError> {
        let counts = matches!(method, AggregateMethod::Count | AggregateMethod::CountDistinct);
        let Some(counted) = value.or_else(|| identity.first().copied()).filter(|_| value.is_some() || counts) else {
            return Err(self.wrong(span, "entities can only be counted: name one of their properties"));
        };
        let value_type = inner.column(counted).value_type;
        let mut keep = inner.partition.clone();
        for index in identity.iter().copied().chain(value) {
            if !keep.contains(&index) {
                keep.push(index);
            }
        }
        inner.distinct(&keep);
        let argument = keep.iter().position(|kept| *kept == counted);
        Ok(Measured { before: inner.out, keys: inner.partition, argument, value_type })
    }

    fn method(&self, method: &Name) -> Result<AggregateMethod, ODataError> {
        Ok(match method.text.as_str() {
            "sum" => AggregateMethod::Sum,
            "min" => AggregateMethod::Min,
            "max" => AggregateMethod::Max,
            "average" => AggregateMethod::Average,
            "countdistinct" => AggregateMethod::CountDistinct,
            other => return Err(self.not_built(method.span, format!("the aggregation method '{other}'"))),
        })
    }
}

fn is_count(step: &PathStep) -> bool {
    matches!(&step.kind, StepKind::Special(name) if name == "$count")
}

pub(super) fn is_name(step: &PathStep) -> bool {
    matches!(step.kind, StepKind::Name(_))
}

fn column(alias: &Name, value_type: ValueType) -> RowColumn {
    RowColumn { path: vec![alias.text.clone()], value_type, nullable: true, dynamic: true, weight: 1 }
}

/// The type of what a method yields, the same for all groups: wide enough for what is summed up.
pub(super) fn result_type(method: AggregateMethod, of: &ValueType) -> Result<ValueType, String> {
    let scalar_type = of.scalar();
    let what = type_name(scalar_type);
    let number = matches!(of, ValueType::Scalar(scalar_type) if scalar_type.is_numeric());
    let wider = |precision: u8, scale: i8, by: u8, digits: i8| ScalarType::Decimal {
        precision: precision.saturating_add(by).min(76),
        scale: scale.saturating_add(digits),
    };
    if matches!(of, ValueType::Spatial(_)) && method != AggregateMethod::Count {
        return Err("geographic and geometric values are not aggregated: only how many there are is told".to_owned());
    }
    Ok(match method {
        AggregateMethod::Count => ValueType::Scalar(COUNT),
        AggregateMethod::CountDistinct if scalar_type == ScalarType::Json => return Err("JSON documents are not compared".to_owned()),
        AggregateMethod::CountDistinct => ValueType::Scalar(COUNT),
        AggregateMethod::Min | AggregateMethod::Max if matches!(scalar_type, ScalarType::Binary | ScalarType::Json) => {
            return Err(format!("values of type {what} have no order: they have no least and no greatest one"));
        }
        AggregateMethod::Min | AggregateMethod::Max => of.clone(),
        AggregateMethod::Sum | AggregateMethod::Average if !number => {
            return Err(format!("only numbers can be added up, not values of type {what}"));
        }
        AggregateMethod::Sum => ValueType::Scalar(match scalar_type {
            ScalarType::Int16 | ScalarType::Int32 => ScalarType::Int64,
            ScalarType::Int64 => ScalarType::Decimal { precision: 29, scale: 0 },
            ScalarType::Decimal { precision, scale } => wider(precision, scale, 10, 0),
            _ => ScalarType::Float64,
        }),
        AggregateMethod::Average => ValueType::Scalar(match scalar_type {
            ScalarType::Decimal { precision, scale } => wider(precision, scale, 4, 4),
            _ => ScalarType::Float64,
        }),
    })
}
