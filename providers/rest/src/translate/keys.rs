//! Key sets as requests: by the way that takes them, as many at once as it takes, in requests that are short enough. Pure.
#![deny(clippy::wildcard_enum_match_arm)]

use super::condition::{conjuncts, filters, list, send};
use super::{Call, Refusal, begun};
use crate::config::Operator;
use crate::form;
use crate::resource::{Access, Column, Filter, Resource};
use portico_provider_api::{CompareOp, Expr, KeySet, Relation, ScalarType, SourceQuery, TableRelation, Value};

/// A way to rows by keys.
pub(super) struct Way<'a> {
    pub(super) access: &'a Access,
    /// The key's columns, in the order of the tuples.
    columns: Vec<&'a Column>,
    /// The condition that takes the keys, where the way has no places for them.
    filter: Option<(&'a Filter, usize)>,
    /// Whether the resource's own conditions are understood there.
    main: bool,
}

pub(super) fn by_keys<'a>(resource: &'a Resource, table: &TableRelation, keys: &KeySet) -> Result<Way<'a>, Refusal> {
    let names: Vec<&str> = keys.columns.iter().filter_map(|index| table.columns.get(*index)).map(|column| column.name.as_str()).collect();
    let columns: Vec<&Column> = names.iter().filter_map(|name| resource.column(name)).collect();
    if let Some(access) = resource.lookups.iter().find(|access| access.takes(&names)) {
        return Ok(Way { access, columns, filter: None, main: false });
    }
    if let Some(access) = resource.main.as_ref().filter(|access| !access.needs.is_empty() && access.takes(&names)) {
        return Ok(Way { access, columns, filter: None, main: true });
    }
    let open = resource.main.as_ref().filter(|access| access.needs.is_empty());
    if let (Some(access), [column]) = (open, columns.as_slice()) {
        let filter = key_filter(column);
        if filter.is_some() {
            return Ok(Way { access, columns, filter, main: true });
        }
    }
    Err(Refusal::Unsupported(format!("a key set over {}", names.join(", "))))
}

/// The condition by which a column takes keys, and how many at once.
pub fn key_filter(column: &Column) -> Option<(&Filter, usize)> {
    let exact = |operator| column.filters.get(&operator).filter(|filter: &&Filter| filter.exact);
    exact(Operator::In).map(|filter| (filter, column.max_in_list.max(1))).or_else(|| exact(Operator::Eq).map(|filter| (filter, 1)))
}

/// The look-up by which a resource that can also be read whole finds the rows with a value of this column, where no parameter says that.
pub fn look_up<'a>(resource: &'a Resource, column: &Column) -> Option<&'a Access> {
    let whole = resource.main.as_ref().is_some_and(|main| main.needs.is_empty()) && !resource.postgrest;
    let possible = whole && !column.asked && column.scalar_type != ScalarType::Boolean && key_filter(column).is_none();
    resource.lookups.iter().find(|access| possible && access.takes(&[column.name.as_str()]))
}

/// The same query with the values that its conditions name as keys, where a look-up takes them: what is read then is a few rows, and not the
/// whole of the resource. The conditions stay, for what is read that way is evaluated here.
pub fn by_conditions(resource: &Resource, query: &SourceQuery) -> Option<SourceQuery> {
    let Relation::Table(table) = &query.from else { return None };
    let mut parts = Vec::new();
    conjuncts(query.filter.as_ref().filter(|_| query.keys.is_none()), &mut parts);
    let (index, values) = parts.into_iter().find_map(|part| values_of(resource, table, part))?;
    let mut tuples: Vec<Vec<Value>> = Vec::new();
    for value in values.into_iter().filter(|value| !value.is_null()) {
        if !tuples.iter().flatten().any(|known| known == value) {
            tuples.push(vec![value.clone()]);
        }
    }
    Some(SourceQuery { keys: Some(KeySet { columns: vec![index], tuples }), ..query.clone() })
}

/// The column that a look-up finds rows by, and its values, where a condition says no more than these.
pub(super) fn values_of<'e>(resource: &Resource, table: &TableRelation, part: &'e Expr) -> Option<(usize, Vec<&'e Value>)> {
    let literal = |expr: &'e Expr| if let Expr::Literal(value) = expr { Some(value) } else { None };
    let (column, values) = if let Expr::Compare { op: CompareOp::Eq, left, right } = part {
        let (column, value) = if matches!(left.as_ref(), Expr::Column(_)) { (left, right) } else { (right, left) };
        (column, vec![literal(value)?])
    } else if let Expr::InList { expr, list, negated: false } = part {
        (expr, list.iter().map(literal).collect::<Option<_>>()?)
    } else {
        return None;
    };
    let index = column.as_column()?;
    let own = resource.column(&table.columns.get(index)?.name)?;
    look_up(resource, own).map(|_| (index, values))
}

pub(super) fn keyed(
    resource: &Resource,
    table: &TableRelation,
    query: &SourceQuery,
    way: &Way<'_>,
    tuples: &[Vec<Value>],
    fits: &dyn Fn(&Call) -> bool,
) -> Result<Vec<Call>, Refusal> {
    let size = match (&way.filter, &way.access.batch) {
        (Some((_, size)), _) | (None, Some((size, _))) => *size,
        (None, None) => 1,
    };
    let mut calls = Vec::new();
    for chunk in tuples.chunks(size.max(1)) {
        split(resource, table, query, way, chunk, fits, &mut calls)?;
    }
    Ok(calls)
}

/// A chunk of keys as a request, or as several where one would be too long.
fn split(
    resource: &Resource,
    table: &TableRelation,
    query: &SourceQuery,
    way: &Way<'_>,
    chunk: &[Vec<Value>],
    fits: &dyn Fn(&Call) -> bool,
    calls: &mut Vec<Call>,
) -> Result<(), Refusal> {
    let Some(mut call) = keys_call(resource, table, query, way, chunk)? else { return Ok(()) };
    if chunk.len() > 1 && !fits(&call) {
        let (left, right) = chunk.split_at(chunk.len() / 2);
        split(resource, table, query, way, left, fits, calls)?;
        return split(resource, table, query, way, right, fits, calls);
    }
    call.keys = chunk.to_vec();
    if let [only] = chunk {
        let asked = way.columns.iter().zip(only).filter(|(column, _)| column.asked);
        call.asked = asked.map(|(column, value)| (column.name.clone(), value.clone())).collect();
    }
    calls.push(call);
    Ok(())
}

fn keys_call(
    resource: &Resource,
    table: &TableRelation,
    query: &SourceQuery,
    way: &Way<'_>,
    chunk: &[Vec<Value>],
) -> Result<Option<Call>, Refusal> {
    let mut call = match (&way.filter, &way.access.batch) {
        (None, Some((_, separator))) => {
            let column = way.columns.first().copied();
            let texts = list(column, chunk.iter().filter_map(|tuple| tuple.first()), separator)?;
            begun(way.access, &|_| Some(Value::Text(texts.join(separator))))?
        }
        (None, None) => {
            let tuple = chunk.first().map(Vec::as_slice).unwrap_or_default();
            let held = |place: &str| {
                let need = way.access.needs.iter().find(|need| need.place == place)?;
                let at = way.columns.iter().position(|column| column.name == need.column)?;
                form::held(tuple.get(at)?, way.columns.get(at)?.codec).ok()
            };
            begun(way.access, &held)?
        }
        (Some(_), _) => begun(way.access, &|_| None)?,
    };
    if way.main && !filters(resource, table, query, &mut call)? {
        return Ok(None);
    }
    if let (Some((filter, _)), Some(column)) = (&way.filter, way.columns.first()) {
        let values: Vec<&Value> = chunk.iter().filter_map(|tuple| tuple.first()).collect();
        send(column, filter, &values, &mut call)?;
    }
    Ok(Some(call))
}
