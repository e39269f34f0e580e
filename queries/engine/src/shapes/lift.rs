//! Takes the constants out of a statement: those beside a column, and keys. It must not know plans.

use crate::statement::{EntityRead, Paging, SqlStatement, Statement};
use crate::values::can_be_parameter;
use portico_odata::{BoundExpr, BoundQuery, ComparisonOperator, ODataFunction, bound::Via};
use portico_provider_api::{ScalarType, Value};

/// Bytes of SQL text of which a shape is kept.
const LONGEST_TEXT: usize = 8 << 10;

/// A statement with parameters in the place of constants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lifted {
    /// An OData read. A key is an empty list, and what it says is part of the filter.
    Entities {
        /// The read, without the position.
        read: Box<EntityRead>,
        /// Where the page before ended.
        position: Option<Vec<BoundExpr>>,
    },
    /// SQL.
    Sql {
        /// The text.
        text: String,
        /// The types of the values for its `$1`, `$2`, ….
        types: Vec<ScalarType>,
    },
}

/// Positions of the key columns of a virtual table, where the caller sees it.
pub type Keys<'a> = dyn Fn(&str) -> Option<&'a [usize]> + 'a;

/// The statement without its constants, and the constants; `None` for a statement that has to be planned by itself.
pub(super) fn lift(statement: &Statement, keys: &Keys<'_>) -> Option<(Lifted, Vec<Value>)> {
    match statement {
        Statement::Sql(SqlStatement { text, parameters }) => {
            // A long text is hardly asked twice, and its plan takes much room.
            let fit = text.len() <= LONGEST_TEXT && parameters.iter().all(can_be_parameter);
            let types = parameters.iter().map(Value::scalar_type).collect();
            fit.then(|| (Lifted::Sql { text: text.clone(), types }, parameters.clone()))
        }
        Statement::Entities(read) => {
            if !is_plain(&read.read.query) {
                return None;
            }
            let mut values = Vec::new();
            let position = match &read.paging.position {
                None => None,
                Some(position) => Some(position.iter().map(|value| lift_position(value, &mut values)).collect::<Option<Vec<_>>>()?),
            };
            let mut read = Box::new(EntityRead { paging: Paging { position: None, ..read.paging.clone() }, ..read.as_ref().clone() });
            lift_query(&mut read.read.query, &mut values, keys)?;
            Some((Lifted::Entities { read, position }, values))
        }
    }
}

/// Whether a query is of the common kind: what is computed, called, or depends on the time is planned by itself.
fn is_plain(query: &BoundQuery) -> bool {
    let timeless = |expression: &BoundExpr| !expression.uses_now();
    let steps = || std::iter::successors(query.via.as_ref(), |step| step.from.as_deref());
    query.call.is_none()
        && query.apply.is_none()
        && query.cross.is_empty()
        && steps().all(|step| step.call.is_none() && step.filter.iter().all(timeless))
        && query.filter.iter().all(timeless)
        && query.compute.iter().all(|computed| timeless(&computed.expr))
        && query.order_by.iter().all(|order| timeless(&order.expr))
        && query.expand.iter().all(|expand| expand.made.is_none() && is_plain(&expand.query))
}

fn parameter(value: &Value, values: &mut Vec<Value>) -> BoundExpr {
    values.push(value.clone());
    BoundExpr::Parameter { number: values.len() - 1, scalar_type: value.scalar_type() }
}

/// A null is part of the shape; any other value that is no parameter would make a shape of every page.
fn lift_position(value: &Value, values: &mut Vec<Value>) -> Option<BoundExpr> {
    if value.is_null() {
        return Some(BoundExpr::Literal(value.clone()));
    }
    can_be_parameter(value).then(|| parameter(value, values))
}

fn lift_query(query: &mut BoundQuery, values: &mut Vec<Value>, keys: &Keys<'_>) -> Option<()> {
    if let Some(via) = &mut query.via {
        lift_via(via, values, keys)?;
    }
    lift_key(&query.table, &mut query.key, &mut query.filter, values, keys)?;
    for expand in &mut query.expand {
        lift_query(&mut expand.query, values, keys)?;
    }
    Some(())
}

fn lift_via(via: &mut Via, values: &mut Vec<Value>, keys: &Keys<'_>) -> Option<()> {
    if let Some(from) = &mut via.from {
        lift_via(from, values, keys)?;
    }
    lift_key(&via.table, &mut via.key, &mut via.filter, values, keys)
}

/// Lifts a filter, and makes a key a part of it.
fn lift_key(
    table: &str,
    key: &mut Option<Vec<Value>>,
    filter: &mut Option<BoundExpr>,
    values: &mut Vec<Value>,
    keys: &Keys<'_>,
) -> Option<()> {
    if let Some(filter) = filter {
        lift_expression(filter, values);
    }
    if let Some(key) = key {
        let columns = keys(table).filter(|columns| columns.len() == key.len() && !columns.is_empty())?;
        let equal = columns.iter().zip(std::mem::take(key)).map(|(column, value)| {
            let value = if can_be_parameter(&value) { parameter(&value, values) } else { BoundExpr::Literal(value) };
            BoundExpr::compare(ComparisonOperator::Eq, BoundExpr::Column(*column), value)
        });
        *filter = BoundExpr::both(BoundExpr::all(equal.collect()), filter.take());
    }
    Some(())
}

fn lift_expression(expression: &mut BoundExpr, values: &mut Vec<Value>) {
    let lift = |constant: &mut BoundExpr, values: &mut Vec<Value>| {
        if let BoundExpr::Literal(value) = constant
            && can_be_parameter(value)
        {
            *constant = parameter(value, values);
        }
    };
    match expression {
        BoundExpr::And(left, right) | BoundExpr::Or(left, right) => {
            lift_expression(left, values);
            lift_expression(right, values);
        }
        BoundExpr::Not(inner) => lift_expression(inner, values),
        BoundExpr::Compare { left, right, .. } => match (left.as_mut(), right.as_mut()) {
            (BoundExpr::Column(_) | BoundExpr::Path { .. }, constant) | (constant, BoundExpr::Column(_) | BoundExpr::Path { .. }) => {
                lift(constant, values);
            }
            _ => {}
        },
        BoundExpr::Call { function: ODataFunction::Contains | ODataFunction::StartsWith | ODataFunction::EndsWith, arguments, .. } => {
            if let [BoundExpr::Column(_) | BoundExpr::Path { .. }, constant] = arguments.as_mut_slice() {
                lift(constant, values);
            }
        }
        BoundExpr::Lambda { members, condition, .. } => {
            members.filter.iter_mut().chain(condition).for_each(|inner| lift_expression(inner, values));
        }
        _ => {}
    }
}
