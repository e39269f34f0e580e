//! The preset for PostgREST: conditions of any form, orders, and pages that are led through by the key, as its URLs say them. Pure; it must not
//! know how requests travel.
#![deny(clippy::wildcard_enum_match_arm)]

mod condition;
mod truth;

pub use condition::{Condition, condition_pairs, json, name};
pub use truth::{Truth, held};

use crate::config::PagingBy;
use crate::paging::Paging;
use crate::resource::Resource;
use crate::translate::{Call, Pair, Read, Refusal, needed};
use condition::{Leaf, Operand, text};
use portico_provider_api::{CompareOp, Expr, KeySet, ScalarType, SourceQuery, TableColumn, TableRelation, Value};

/// The key whose values lead from one page to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyset {
    /// The key's columns.
    pub columns: Vec<TableColumn>,
}

/// Translates a query over a table.
///
/// # Errors
/// When it cannot be asked.
pub fn query<'a>(
    resource: &'a Resource,
    table: &TableRelation,
    query: &SourceQuery,
    fits: &dyn Fn(&Call) -> bool,
) -> Result<Read<'a>, Refusal> {
    let access = resource.main.as_ref().ok_or_else(|| Refusal::Unsupported("this resource".to_owned()))?;
    let counts = query.aggregate.is_some();
    let mut columns = if counts { Vec::new() } else { needed(query, table, true) };
    let keyset = keyset(resource, table, query, &access.paging).filter(|_| !counts);
    for key in keyset.iter().flat_map(|keyset| &keyset.columns) {
        if !columns.iter().any(|column| column.name == key.name) {
            columns.push(key.clone());
        }
    }
    let mut read = Read {
        resource,
        access,
        paging: paging(resource, access.paging.clone(), keyset.is_some()),
        calls: Vec::new(),
        columns,
        offset: if counts { 0 } else { query.offset },
        most: if counts { None } else { query.limit },
        bound: bound(resource, table, query).filter(|_| !counts),
        local: false,
        counts,
        absent: false,
        keyset,
    };
    let filter = match &query.filter {
        Some(filter) => held(filter, Truth::True, table)?,
        None => Condition::Constant(true),
    };
    let tuples = query.keys.as_ref().map(|keys| keys.tuples.as_slice());
    chunk(&mut read, table, query, &filter, tuples, fits)?;
    if read.calls.len() > 1 && !counts {
        read.local = true;
        (read.offset, read.most) = (0, None);
        read.calls.iter_mut().for_each(|call| call.pairs.retain(|pair| !matches!(pair.name.as_str(), "limit" | "offset")));
    }
    Ok(read)
}

fn chunk(
    read: &mut Read<'_>,
    table: &TableRelation,
    query: &SourceQuery,
    filter: &Condition,
    tuples: Option<&[Vec<Value>]>,
    fits: &dyn Fn(&Call) -> bool,
) -> Result<(), Refusal> {
    let keys = match (&query.keys, tuples) {
        (Some(keys), Some(tuples)) => key_condition(keys, tuples, table)?,
        (_, _) => Condition::Constant(true),
    };
    let call = call(read, table, query, &Condition::all(vec![filter.clone(), keys]))?;
    if let Some(tuples) = tuples.filter(|tuples| tuples.len() > 1 && !fits(&call)) {
        let (left, right) = tuples.split_at(tuples.len() / 2);
        chunk(read, table, query, filter, Some(left), fits)?;
        return chunk(read, table, query, filter, Some(right), fits);
    }
    read.calls.push(call);
    Ok(())
}

fn call(read: &Read<'_>, table: &TableRelation, query: &SourceQuery, condition: &Condition) -> Result<Call, Refusal> {
    let resource = read.resource;
    let mut call = Call { method: "GET".to_owned(), segments: vec![(resource.name.clone(), resource.name.clone())], ..Call::default() };
    condition_pairs(condition, resource, &mut call.pairs);
    if read.counts {
        call.pairs.push(Pair::constant("limit", "0"));
        call.headers.push(("prefer".to_owned(), "count=exact".to_owned()));
        return Ok(call);
    }
    let names: Vec<String> = read.columns.iter().map(|column| name(&column.name)).collect();
    if !names.is_empty() {
        call.pairs.push(Pair::constant("select", names.join(",")));
    }
    let order = order(resource, table, query)?;
    if !order.is_empty() {
        call.pairs.push(Pair::constant("order", order.join(",")));
    }
    if read.paging.by == PagingBy::None {
        if query.offset > 0 {
            call.pairs.push(Pair::constant("offset", query.offset.to_string()));
        }
        call.pairs.extend(query.limit.map(|limit| Pair::constant("limit", limit.to_string())));
        // Whether the server gives all of it is seen by the number alone.
        call.headers.push(("prefer".to_owned(), "count=exact".to_owned()));
    }
    Ok(call)
}

/// Rows of a page by default.
const SIZE: u64 = 5_000;

fn paging(resource: &Resource, own: Paging, keyset: bool) -> Paging {
    // Without a key no order is one and the same for all pages: the answer comes as a whole.
    let by = match (keyset, resource.key.is_empty()) {
        (true, _) => PagingBy::Keyset,
        (false, true) => PagingBy::None,
        (false, false) => PagingBy::Offset,
    };
    Paging { by, parameter: "offset".to_owned(), size: own.size.or(Some(SIZE)), size_parameter: Some("limit".to_owned()), ..own }
}

/// The key that leads from page to page, where the query has no other order.
fn keyset(resource: &Resource, table: &TableRelation, query: &SourceQuery, paging: &Paging) -> Option<Keyset> {
    if paging.by == PagingBy::Offset || !query.order_by.is_empty() || query.offset > 0 || resource.key.is_empty() {
        return None;
    }
    let column = |key: &String| {
        let column = resource.column(key)?;
        let led = !matches!(column.scalar_type, ScalarType::Float32 | ScalarType::Float64 | ScalarType::Json);
        let in_scope = table.columns.iter().find(|column| column.name == *key).cloned();
        led.then(|| in_scope.unwrap_or_else(|| scope_of(column)))
    };
    resource.key.iter().map(column).collect::<Option<Vec<_>>>().map(|columns| Keyset { columns })
}

fn scope_of(column: &crate::resource::Column) -> TableColumn {
    TableColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        native_type: column.native_type.clone(),
    }
}

/// How many rows there are at most: those of keys that are whole.
fn bound(resource: &Resource, table: &TableRelation, query: &SourceQuery) -> Option<u64> {
    let is_key = |columns: &[&str]| !resource.key.is_empty() && resource.key.iter().all(|key| columns.contains(&key.as_str()));
    let name = |index: usize| table.columns.get(index).map_or("", |column| column.name.as_str());
    if let Some(keys) = &query.keys
        && is_key(&keys.columns.iter().map(|index| name(*index)).collect::<Vec<_>>())
    {
        return Some(keys.tuples.len() as u64);
    }
    let mut parts = Vec::new();
    crate::translate::conjuncts(query.filter.as_ref(), &mut parts);
    let equal = |part: &&Expr| {
        let Expr::Compare { op: CompareOp::Eq, left, right } = part else { return None };
        match (left.as_ref(), right.as_ref()) {
            (Expr::Column(index), Expr::Literal(_)) | (Expr::Literal(_), Expr::Column(index)) => Some(name(*index)),
            (_, _) => None,
        }
    };
    is_key(&parts.iter().filter_map(equal).collect::<Vec<_>>()).then_some(1)
}

fn order(resource: &Resource, table: &TableRelation, query: &SourceQuery) -> Result<Vec<String>, Refusal> {
    let mut keys = Vec::new();
    for key in &query.order_by {
        let column = key.expr.as_column().and_then(|index| table.columns.get(index));
        let column = column.ok_or_else(|| Refusal::Unsupported("ordering by an expression".to_owned()))?;
        let direction = if key.descending { "desc" } else { "asc" };
        let nulls = if key.nulls_first { "nullsfirst" } else { "nullslast" };
        keys.push(format!("{}.{direction}.{nulls}", name(&column.name)));
    }
    // Pages need one order of all rows.
    let ordered =
        |key: &String| query.order_by.iter().filter_map(|by| table.columns.get(by.expr.as_column()?)).any(|column| column.name == *key);
    keys.extend(resource.key.iter().filter(|key| !ordered(key)).map(|key| format!("{}.asc", name(key))));
    Ok(keys)
}

/// The condition for what comes after a row of that key.
pub fn after(keyset: &Keyset, row: &[Value]) -> Condition {
    let leaf = |index: usize, op: &'static str| {
        let (column, value) = (keyset.columns.get(index), row.get(index));
        column.zip(value).map(|(column, value)| Leaf {
            column: column.name.clone(),
            negated: false,
            op,
            operand: Operand::One(text(value)),
        })
    };
    let alternatives = (0..keyset.columns.len()).map(|last| {
        let equal = (0..last).filter_map(|index| leaf(index, "eq"));
        Condition::all(equal.chain(leaf(last, "gt")).map(Condition::Leaf).collect())
    });
    Condition::any(alternatives.collect())
}

/// A condition on the key of one row.
///
/// # Errors
/// When a value has no text.
pub fn key_condition(keys: &KeySet, tuples: &[Vec<Value>], table: &TableRelation) -> Result<Condition, Refusal> {
    let columns: Vec<&TableColumn> = keys.columns.iter().filter_map(|index| table.columns.get(*index)).collect();
    let equal = |column: &TableColumn, value: &Value| match value.is_nan() || value.is_null() {
        true => Condition::Constant(false),
        false => Condition::Leaf(Leaf { column: column.name.clone(), negated: false, op: "eq", operand: Operand::One(text(value)) }),
    };
    if let [column] = columns.as_slice() {
        let values: Vec<&Value> =
            tuples.iter().filter_map(|tuple| tuple.first()).filter(|value| !value.is_nan() && !value.is_null()).collect();
        return Ok(match values.as_slice() {
            [] => Condition::Constant(false),
            [one] => equal(column, one),
            many => Condition::Leaf(Leaf {
                column: column.name.clone(),
                negated: false,
                op: "in",
                operand: Operand::List(many.iter().map(|value| text(value)).collect()),
            }),
        });
    }
    let tuple = |tuple: &Vec<Value>| Condition::all(columns.iter().zip(tuple).map(|(column, value)| equal(column, value)).collect());
    Ok(Condition::any(tuples.iter().map(tuple).collect()))
}

/// `column = value`, or that both are null.
pub fn unchanged(column: &TableColumn, value: &Value) -> Condition {
    let leaf = |op, operand| Condition::Leaf(Leaf { column: column.name.clone(), negated: false, op, operand });
    match value.is_null() {
        true => leaf("is", Operand::Word("null")),
        false => leaf("eq", Operand::One(text(value))),
    }
}
