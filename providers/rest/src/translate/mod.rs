//! Source queries as requests of a resource. Pure; it must not know how requests travel, nor how answers are read.
#![deny(clippy::wildcard_enum_match_arm)]

mod condition;
mod keys;

pub use condition::{conjuncts, constant};
pub use keys::{by_conditions, key_filter, look_up};

use crate::config::PagingBy;
use crate::paging::Paging;
use crate::postgrest;
use crate::resource::{Access, Resource};
use crate::template::Template;
use condition::{filters, in_scope};
use keys::{by_keys, keyed};
use portico_provider_api::{Expr, Relation, SourceQuery, TableColumn, TableRelation, Value};

#[derive(Debug, Clone, Default)]
pub struct Call {
    /// Method.
    pub method: String,
    /// Segments of the path, as they are and as they are shown.
    pub segments: Vec<(String, String)>,
    /// Whether the path ends with a `/`.
    pub slash: bool,
    /// Parameters.
    pub pairs: Vec<Pair>,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body and media type.
    pub body: Option<(String, String)>,
    /// Values that were asked for, by column, for columns that no row has.
    pub asked: Vec<(String, Value)>,
    /// The keys that are asked for: what else comes back is none of this request's.
    pub keys: Vec<Vec<Value>>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
    /// How the value is shown; nothing of it says more than the configuration does.
    pub shown: String,
    /// How many values are left out of what is shown.
    pub values: usize,
}

impl Pair {
    /// A parameter that is the same whatever is asked.
    pub fn constant(name: impl Into<String>, value: impl Into<String>) -> Pair {
        let value = value.into();
        Pair { name: name.into(), shown: value.clone(), value, values: 0 }
    }

    /// A parameter with values in it.
    pub fn bound(name: impl Into<String>, value: impl Into<String>, shown: impl Into<String>, values: usize) -> Pair {
        Pair { name: name.into(), value: value.into(), shown: shown.into(), values }
    }
}

/// A query as requests.
#[derive(Debug, Clone)]
pub struct Read<'a> {
    /// The resource.
    pub resource: &'a Resource,
    /// Where its rows stand, and how they come.
    pub access: &'a Access,
    /// How pages are asked for.
    pub paging: Paging,
    /// The chains of requests.
    pub calls: Vec<Call>,
    /// The columns that are read: those in scope that are needed, and what leads from page to page.
    pub columns: Vec<TableColumn>,
    /// From which row on the server answers.
    pub offset: u64,
    /// How many rows are wanted of the server.
    pub most: Option<u64>,
    /// How many rows there are at most, by the keys that are asked for.
    pub bound: Option<u64>,
    /// Whether all of the query is evaluated over the rows that come: where there are several chains, or the way is one by keys.
    pub local: bool,
    /// Whether only the number of rows is asked for.
    pub counts: bool,
    /// Whether a `404` means that there is no row.
    pub absent: bool,
    /// What leads from page to page of a key's order: key columns, among those in scope.
    pub keyset: Option<postgrest::Keyset>,
}

/// Why a query cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is beyond what is declared.
    Unsupported(String),
    /// A value cannot be said.
    Data(String),
    /// The resource does not have it.
    Missing(String),
}

/// Translates a query over a resource. `fits` says whether a request is short enough.
///
/// # Errors
/// When it cannot be asked.
pub fn query<'a>(resource: &'a Resource, query: &SourceQuery, fits: &dyn Fn(&Call) -> bool) -> Result<Read<'a>, Refusal> {
    let Relation::Table(table) = &query.from else { return Err(Refusal::Unsupported("anything but a table".to_owned())) };
    for column in &table.columns {
        if resource.column(&column.name).is_none() {
            return Err(Refusal::Missing(format!("resource '{}' has no column '{}'", resource.name, column.name)));
        }
    }
    if resource.postgrest {
        return postgrest::query(resource, table, query, fits);
    }
    let (access, calls, local) = match &query.keys {
        Some(keys) => {
            let way = by_keys(resource, table, keys)?;
            let calls = keyed(resource, table, query, &way, &keys.tuples, fits)?;
            (way.access, calls, true)
        }
        None => {
            let main = resource.main.as_ref().filter(|main| main.needs.is_empty());
            let main = main.ok_or_else(|| Refusal::Unsupported("asking without keys".to_owned()))?;
            let mut call = begun(main, &|_| None)?;
            let satisfiable = filters(resource, table, query, &mut call)?;
            // A condition that only a look-up can say is left to who reads the rows, and what comes after conditions with it.
            let local = by_conditions(resource, query).is_some();
            if !local {
                order(resource, table, query, &mut call)?;
            }
            (main, if satisfiable { vec![call] } else { Vec::new() }, local)
        }
    };
    // Nothing but the number of rows is declared of aggregates.
    let counts = query.aggregate.is_some() && !local;
    let columns = if counts { Vec::new() } else { needed(query, table, local) };
    let mut read = Read {
        resource,
        access,
        paging: access.paging.clone(),
        calls,
        columns,
        offset: if local { 0 } else { query.offset },
        most: if counts { Some(1) } else { query.limit.filter(|_| !local && resource.inside.is_none()) },
        bound: None,
        local,
        counts,
        // Of a path that holds a key: another one that is missing is a mistake.
        absent: access.single && !access.needs.is_empty(),
        keyset: None,
    };
    select(&mut read);
    Ok(read)
}

/// The columns in scope that are read.
pub fn needed(query: &SourceQuery, table: &TableRelation, local: bool) -> Vec<TableColumn> {
    let mut found: Vec<usize> = query.output.iter().flat_map(|output| output.expr.columns()).collect();
    if local {
        found.extend(query.expressions().into_iter().flat_map(Expr::columns));
        found.extend(query.keys.iter().flat_map(|keys| keys.columns.iter().copied()));
    }
    found.sort_unstable();
    found.dedup();
    found.into_iter().filter_map(|index| table.columns.get(index).cloned()).collect()
}

/// A request with the values of an access in their places.
pub fn begun(access: &Access, value: &dyn Fn(&str) -> Option<Value>) -> Result<Call, Refusal> {
    let fill = |template: &Template| template.fill(value).map_err(Refusal::Data);
    let segments = access.path.iter().map(|segment| Ok((fill(segment)?, segment.shown()))).collect::<Result<_, Refusal>>()?;
    let pair = |(name, template): &(String, Template)| {
        Ok(Pair::bound(name, fill(template)?, template.shown(), usize::from(template.has_values())))
    };
    let pairs = access.query.iter().map(pair).collect::<Result<_, Refusal>>()?;
    let headers = access.headers.iter().map(|(name, template)| Ok((name.clone(), fill(template)?))).collect::<Result<_, Refusal>>()?;
    let body = access.body.as_ref().map(|(body, kind)| Ok::<_, Refusal>((fill(body)?, kind.clone()))).transpose()?;
    Ok(Call { method: access.method.clone(), segments, slash: access.slash, pairs, headers, body, asked: Vec::new(), keys: Vec::new() })
}

fn order(resource: &Resource, table: &TableRelation, query: &SourceQuery, call: &mut Call) -> Result<(), Refusal> {
    if query.order_by.is_empty() {
        return Ok(());
    }
    let sort = resource.sort.as_ref().ok_or_else(|| Refusal::Unsupported("an order".to_owned()))?;
    let mut keys = Vec::new();
    for key in &query.order_by {
        let index = key.expr.as_column().ok_or_else(|| Refusal::Unsupported("ordering by an expression".to_owned()))?;
        let column = in_scope(resource, table, index)?;
        let template = if key.descending { &sort.descending } else { &sort.ascending };
        let name = Value::Text(column.path.join("."));
        keys.push(template.fill(&|_| Some(name.clone())).map_err(Refusal::Data)?);
    }
    call.pairs.push(Pair::constant(&sort.parameter, keys.join(&sort.separator)));
    Ok(())
}

/// Asks for single columns, where the server understands that.
fn select(read: &mut Read<'_>) {
    let Some((parameter, separator)) = read.resource.select.as_ref().filter(|_| !read.columns.is_empty()) else { return };
    let names = read.columns.iter().filter_map(|column| read.resource.column(&column.name));
    let names: Vec<String> = names.filter(|column| !column.asked).map(|column| column.path.join(".")).collect();
    if names.is_empty() {
        return;
    }
    let pair = Pair::constant(parameter, names.join(separator));
    read.calls.iter_mut().for_each(|call| call.pairs.push(pair.clone()));
}

/// Whether pages are led through by keys.
pub fn by_keyset(paging: &Paging) -> bool {
    paging.by == PagingBy::Keyset
}
