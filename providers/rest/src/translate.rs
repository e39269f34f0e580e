//! Source queries as requests of a resource. Pure; it must not know how requests travel, nor how answers are read.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::config::{Operator, PagingBy};
use crate::form;
use crate::paging::Paging;
use crate::postgrest;
use crate::resource::{Access, Column, Filter, Resource};
use crate::template::Template;
use portico_provider_api::{CompareOp, Expr, Function, KeySet, Relation, SourceQuery, TableColumn, TableRelation, Value, evaluate_expr};

/// One chain of requests: what its pages have in common.
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
    let (access, calls, keyed) = match &query.keys {
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
            order(resource, table, query, &mut call)?;
            (main, if satisfiable { vec![call] } else { Vec::new() }, false)
        }
    };
    // Nothing but the number of rows is declared of aggregates.
    let counts = query.aggregate.is_some();
    let columns = if counts { Vec::new() } else { needed(query, table, keyed) };
    let mut read = Read {
        resource,
        access,
        paging: access.paging.clone(),
        calls,
        columns,
        offset: if keyed { 0 } else { query.offset },
        most: if counts { Some(1) } else { query.limit.filter(|_| !keyed && resource.inside.is_none()) },
        bound: None,
        local: keyed,
        counts,
        absent: access.single,
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

/// A way to rows by keys.
struct Way<'a> {
    access: &'a Access,
    /// The key's columns, in the order of the tuples.
    columns: Vec<&'a Column>,
    /// The condition that takes the keys, where the way has no places for them.
    filter: Option<(&'a Filter, usize)>,
    /// Whether the resource's own conditions are understood there.
    main: bool,
}

fn by_keys<'a>(resource: &'a Resource, table: &TableRelation, keys: &KeySet) -> Result<Way<'a>, Refusal> {
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

fn keyed(
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

/// Values as texts of a list. One that holds what is between two would be taken for two.
fn list<'v>(column: Option<&Column>, values: impl Iterator<Item = &'v Value>, separator: &str) -> Result<Vec<String>, Refusal> {
    let name = column.map_or("", |column| column.name.as_str());
    let codec = column.and_then(|column| column.codec);
    let one = |value: &Value| {
        let text = form::text(&form::held(value, codec).map_err(Refusal::Data)?);
        match !separator.is_empty() && text.contains(separator) {
            true => Err(Refusal::Data(format!("a value of '{name}' holds '{separator}', which stands between the values of a list"))),
            false => Ok(text),
        }
    };
    values.map(one).collect()
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

/// The parameters of the filter. False where no row can satisfy it.
fn filters(resource: &Resource, table: &TableRelation, query: &SourceQuery, call: &mut Call) -> Result<bool, Refusal> {
    let mut parts: Vec<&Expr> = Vec::new();
    conjuncts(query.filter.as_ref(), &mut parts);
    for part in parts {
        if !one_filter(resource, table, part, call)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The parts of a conjunction, flat.
pub fn conjuncts<'e>(filter: Option<&'e Expr>, parts: &mut Vec<&'e Expr>) {
    match filter {
        Some(Expr::And(inner)) => inner.iter().for_each(|part| conjuncts(Some(part), parts)),
        Some(other) => parts.push(other),
        None => {}
    }
}

fn one_filter(resource: &Resource, table: &TableRelation, part: &Expr, call: &mut Call) -> Result<bool, Refusal> {
    let beyond = || Refusal::Unsupported("this condition".to_owned());
    if let Some(value) = constant(part)? {
        return Ok(value == Value::Boolean(true));
    }
    let (index, operator, values): (usize, Operator, Vec<&Value>) = match part {
        Expr::Compare { op, left, right } => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(index), Expr::Literal(value)) => (*index, operator(*op).ok_or_else(beyond)?, vec![value]),
            (Expr::Literal(value), Expr::Column(index)) => (*index, mirrored(operator(*op).ok_or_else(beyond)?), vec![value]),
            (_, _) => return Err(beyond()),
        },
        Expr::InList { expr, list, negated: false } => {
            let values = list.iter().map(|item| if let Expr::Literal(value) = item { Some(value) } else { None });
            let values: Vec<&Value> = values.collect::<Option<_>>().ok_or_else(beyond)?;
            let values = values.into_iter().filter(|value| !value.is_null()).collect();
            (expr.as_column().ok_or_else(beyond)?, Operator::In, values)
        }
        Expr::Column(index) => {
            let column = in_scope(resource, table, *index)?;
            let filter = column.filters.get(&Operator::Eq).ok_or_else(beyond)?;
            send(column, filter, &[&Value::Boolean(true)], call)?;
            return Ok(true);
        }
        Expr::IsNull(inner) => (inner.as_column().ok_or_else(beyond)?, Operator::IsNull, Vec::new()),
        Expr::Call { function, arguments } => match arguments.as_slice() {
            [Expr::Column(index), Expr::Literal(value)] => (*index, matching(*function).ok_or_else(beyond)?, vec![value]),
            _ => return Err(beyond()),
        },
        Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::InList { negated: true, .. }
        | Expr::OuterColumn { .. }
        | Expr::Literal(_)
        | Expr::Parameter { .. }
        | Expr::Arithmetic { .. }
        | Expr::Negate(_)
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::ScalarSubquery(_)
        | Expr::Exists(_)
        | Expr::Window { .. } => return Err(beyond()),
    };
    // Nothing equals null, nor is greater.
    if operator != Operator::IsNull && (values.is_empty() || values.iter().any(|value| value.is_null())) {
        return Ok(false);
    }
    let column = in_scope(resource, table, index)?;
    let filter = match (column.filters.get(&operator), operator, values.as_slice()) {
        (Some(filter), _, _) => filter,
        (None, Operator::In, [_]) => column.filters.get(&Operator::Eq).ok_or_else(beyond)?,
        (None, Operator::Eq, _) => column.filters.get(&Operator::In).ok_or_else(beyond)?,
        (None, _, _) => return Err(beyond()),
    };
    send(column, filter, &values, call)?;
    Ok(true)
}

/// The value of a condition that depends on no row.
pub fn constant(part: &Expr) -> Result<Option<Value>, Refusal> {
    if !part.columns().is_empty() || part.has_subquery() || has_parameter(part) {
        return Ok(None);
    }
    evaluate_expr(part, &[], &[]).map(Some).map_err(|error| Refusal::Data(error.to_string()))
}

fn has_parameter(part: &Expr) -> bool {
    matches!(part, Expr::Parameter { .. }) || part.children().into_iter().any(has_parameter)
}

fn in_scope<'a>(resource: &'a Resource, table: &TableRelation, index: usize) -> Result<&'a Column, Refusal> {
    let column = table.columns.get(index).and_then(|column| resource.column(&column.name));
    column.ok_or_else(|| Refusal::Unsupported("a column outside the relation".to_owned()))
}

fn operator(op: CompareOp) -> Option<Operator> {
    match op {
        CompareOp::Eq => Some(Operator::Eq),
        CompareOp::NotEq => Some(Operator::Ne),
        CompareOp::Lt => Some(Operator::Lt),
        CompareOp::LtEq => Some(Operator::Le),
        CompareOp::Gt => Some(Operator::Gt),
        CompareOp::GtEq => Some(Operator::Ge),
        CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => None,
    }
}

fn mirrored(operator: Operator) -> Operator {
    match operator {
        Operator::Lt => Operator::Gt,
        Operator::Le => Operator::Ge,
        Operator::Gt => Operator::Lt,
        Operator::Ge => Operator::Le,
        Operator::Eq | Operator::Ne | Operator::In | Operator::IsNull | Operator::Contains | Operator::StartsWith | Operator::EndsWith => {
            operator
        }
    }
}

/// The condition that a function is.
pub fn matching(function: Function) -> Option<Operator> {
    match function {
        Function::Contains => Some(Operator::Contains),
        Function::StartsWith => Some(Operator::StartsWith),
        Function::EndsWith => Some(Operator::EndsWith),
        Function::Like
        | Function::Length
        | Function::Position
        | Function::Substring
        | Function::Lower
        | Function::Upper
        | Function::Trim
        | Function::Concat
        | Function::Year
        | Function::Month
        | Function::Day
        | Function::Hour
        | Function::Minute
        | Function::Second
        | Function::Round
        | Function::Floor
        | Function::Ceiling
        | Function::Abs => None,
    }
}

/// Adds the parameters of a condition.
fn send(column: &Column, filter: &Filter, values: &[&Value], call: &mut Call) -> Result<(), Refusal> {
    let shown = |count: usize| {
        if count > 1 { vec!["?"; count.min(3)].join(&filter.separator) + if count > 3 { "…" } else { "" } } else { "?".to_owned() }
    };
    let pair = |text: Option<String>, count: usize| {
        let value = filter.value.fill(&|_| text.clone().map(Value::Text)).map_err(Refusal::Data)?;
        let visible = filter.value.fill(&|_| Some(Value::Text(shown(count)))).map_err(Refusal::Data)?;
        Ok::<_, Refusal>(Pair::bound(&filter.parameter, value, visible, count))
    };
    let texts = list(Some(column), values.iter().copied(), if filter.repeat || values.len() < 2 { "" } else { &filter.separator })?;
    if filter.repeat {
        for text in texts {
            call.pairs.push(pair(Some(text), 1)?);
        }
        return Ok(());
    }
    let count = texts.len();
    call.pairs.push(pair(Some(texts.join(&filter.separator)), count)?);
    Ok(())
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
