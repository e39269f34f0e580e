//! The preset for PostgREST: conditions of any form, orders, and pages that are led through by the key, as its URLs say them. Pure; it must not
//! know how requests travel.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::config::PagingBy;
use crate::form;
use crate::paging::Paging;
use crate::resource::Resource;
use crate::translate::{Call, Pair, Read, Refusal, constant, needed};
use portico_provider_api::{CompareOp, Expr, Function, KeySet, ScalarType, SourceQuery, TableColumn, TableRelation, Value};

/// The key whose values lead from one page to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyset {
    /// The key's columns.
    pub columns: Vec<TableColumn>,
}

/// A condition that holds or does not: what is unknown has been decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Always, or never.
    Constant(bool),
    /// One comparison.
    Leaf(Leaf),
    /// All of them.
    All(Vec<Condition>),
    /// Any of them.
    Any(Vec<Condition>),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    column: String,
    negated: bool,
    op: &'static str,
    operand: Operand,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operand {
    Word(&'static str),
    One(String),
    List(Vec<String>),
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
    let equal = |part: &&Expr| match part {
        Expr::Compare { op: CompareOp::Eq, left, right } => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(index), Expr::Literal(_)) | (Expr::Literal(_), Expr::Column(index)) => Some(name(*index)),
            (_, _) => None,
        },
        _ => None,
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

/// What a condition may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It is true.
    True,
    /// It is false.
    False,
    /// It is unknown.
    Null,
}

const BEYOND: &str = "this condition";

fn beyond() -> Refusal {
    Refusal::Unsupported(BEYOND.to_owned())
}

/// The condition under which an expression is true, false or unknown: two-valued, so that nothing unknown is ever negated.
///
/// # Errors
/// When the expression is beyond what is declared.
pub fn held(expression: &Expr, truth: Truth, table: &TableRelation) -> Result<Condition, Refusal> {
    if let Some(value) = constant(expression)? {
        let is = match value {
            Value::Boolean(true) => Truth::True,
            Value::Boolean(false) => Truth::False,
            _ => Truth::Null,
        };
        return Ok(Condition::Constant(is == truth));
    }
    let each = |parts: &[Expr], truth| parts.iter().map(|part| held(part, truth, table)).collect::<Result<Vec<_>, _>>();
    match (expression, truth) {
        (Expr::And(parts), Truth::True) => Ok(Condition::all(each(parts, Truth::True)?)),
        (Expr::And(parts), Truth::False) => Ok(Condition::any(each(parts, Truth::False)?)),
        (Expr::And(parts), Truth::Null) => undecided(each(parts, Truth::True)?, each(parts, Truth::Null)?),
        (Expr::Or(parts), Truth::True) => Ok(Condition::any(each(parts, Truth::True)?)),
        (Expr::Or(parts), Truth::False) => Ok(Condition::all(each(parts, Truth::False)?)),
        (Expr::Or(parts), Truth::Null) => undecided(each(parts, Truth::False)?, each(parts, Truth::Null)?),
        (Expr::Not(inner), Truth::True) => held(inner, Truth::False, table),
        (Expr::Not(inner), Truth::False) => held(inner, Truth::True, table),
        (Expr::Not(inner), Truth::Null) => held(inner, Truth::Null, table),
        (Expr::IsNull(inner), Truth::True) => null(inner, table),
        (Expr::IsNull(inner), Truth::False) => not_null(inner, table),
        (Expr::IsNull(_), Truth::Null) => Ok(Condition::Constant(false)),
        (Expr::Column(index), truth) => boolean(column(*index, table)?, truth),
        (Expr::Compare { op, left, right }, truth) => compare(*op, left, right, truth, table),
        (Expr::InList { expr, list, negated }, truth) => in_list(expr, list, *negated, truth, table),
        (Expr::Call { function, arguments }, truth) => matched(*function, arguments, truth, table),
        (
            Expr::OuterColumn { .. }
            | Expr::Literal(_)
            | Expr::Parameter { .. }
            | Expr::Arithmetic { .. }
            | Expr::Negate(_)
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::Window { .. },
            _,
        ) => Err(beyond()),
    }
}

/// None of the parts decides, and one is unknown.
fn undecided(open: Vec<Condition>, unknown: Vec<Condition>) -> Result<Condition, Refusal> {
    let neither = open.into_iter().zip(&unknown).map(|(open, unknown)| Condition::any(vec![open, unknown.clone()])).collect();
    Ok(Condition::all(vec![Condition::all(neither), Condition::any(unknown)]))
}

fn column(index: usize, table: &TableRelation) -> Result<&TableColumn, Refusal> {
    table.columns.get(index).ok_or_else(|| Refusal::Unsupported("a column outside the relation".to_owned()))
}

fn is_null(column: &TableColumn, negated: bool) -> Condition {
    Condition::Leaf(Leaf { column: column.name.clone(), negated, op: "is", operand: Operand::Word("null") })
}

fn null(inner: &Expr, table: &TableRelation) -> Result<Condition, Refusal> {
    match inner {
        Expr::Column(index) => Ok(is_null(column(*index, table)?, false)),
        other => held(other, Truth::Null, table),
    }
}

fn not_null(inner: &Expr, table: &TableRelation) -> Result<Condition, Refusal> {
    match inner {
        Expr::Column(index) => Ok(is_null(column(*index, table)?, true)),
        other => Ok(Condition::any(vec![held(other, Truth::True, table)?, held(other, Truth::False, table)?])),
    }
}

fn boolean(column: &TableColumn, truth: Truth) -> Result<Condition, Refusal> {
    let equal =
        |flag: &'static str| Condition::Leaf(Leaf { column: column.name.clone(), negated: false, op: "is", operand: Operand::Word(flag) });
    match truth {
        _ if column.scalar_type != ScalarType::Boolean => Err(beyond()),
        Truth::True => Ok(equal("true")),
        Truth::False => Ok(equal("false")),
        Truth::Null => Ok(is_null(column, false)),
    }
}

fn compare(op: CompareOp, left: &Expr, right: &Expr, truth: Truth, table: &TableRelation) -> Result<Condition, Refusal> {
    match (left, right) {
        (Expr::Column(index), Expr::Literal(value)) => with_value(op, column(*index, table)?, value, truth),
        (Expr::Literal(value), Expr::Column(index)) => with_value(mirrored(op), column(*index, table)?, value, truth),
        (other, Expr::Literal(value)) => with_truth(op, other, value, truth, table),
        (Expr::Literal(value), other) => with_truth(mirrored(op), other, value, truth, table),
        (_, _) => Err(beyond()),
    }
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => op,
    }
}

/// A condition compared with a constant: which of its values make the comparison what it shall be.
fn with_truth(op: CompareOp, condition: &Expr, value: &Value, truth: Truth, table: &TableRelation) -> Result<Condition, Refusal> {
    let mut found = Vec::new();
    for (state, own) in
        [(Truth::True, Value::Boolean(true)), (Truth::False, Value::Boolean(false)), (Truth::Null, Value::Null(ScalarType::Boolean))]
    {
        let known = Expr::compare(op, Expr::Literal(own), Expr::Literal(value.clone()));
        let result = match constant(&known)? {
            Some(Value::Boolean(true)) => Truth::True,
            Some(Value::Boolean(false)) => Truth::False,
            _ => Truth::Null,
        };
        if result == truth {
            found.push(held(condition, state, table)?);
        }
    }
    Ok(Condition::any(found))
}

fn with_value(op: CompareOp, column: &TableColumn, value: &Value, truth: Truth) -> Result<Condition, Refusal> {
    let leaf = |negated, op| Condition::Leaf(Leaf { column: column.name.clone(), negated, op, operand: Operand::One(text(value)) });
    let no_number = |negated| {
        let operand = Operand::One("NaN".to_owned());
        Condition::Leaf(Leaf { column: column.name.clone(), negated, op: "eq", operand })
    };
    let float = matches!(column.scalar_type, ScalarType::Float32 | ScalarType::Float64);
    if let CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom = op {
        let distinct = (op == CompareOp::IsDistinctFrom) == (truth == Truth::True);
        return Ok(match (truth, value.is_null()) {
            (Truth::Null, _) => Condition::Constant(false),
            (_, true) => is_null(column, distinct),
            (_, false) => leaf(!distinct, "isdistinct"),
        });
    }
    if value.is_null() {
        return Ok(Condition::Constant(truth == Truth::Null));
    }
    if truth == Truth::Null {
        return Ok(is_null(column, false));
    }
    let wanted = truth == Truth::True;
    // PostgreSQL takes NaN for equal to itself and greater than all else; here it is neither.
    if value.is_nan() {
        let holds = (op == CompareOp::NotEq) == wanted;
        return Ok(if holds { is_null(column, true) } else { Condition::Constant(false) });
    }
    let name = match op {
        CompareOp::Eq => "eq",
        CompareOp::NotEq => "neq",
        CompareOp::Lt => "lt",
        CompareOp::LtEq => "lte",
        CompareOp::Gt => "gt",
        CompareOp::GtEq => "gte",
        CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => return Err(beyond()),
    };
    let plain = leaf(!wanted, name);
    Ok(match (float && matches!(op, CompareOp::Gt | CompareOp::GtEq), wanted) {
        (false, _) => plain,
        (true, true) => Condition::all(vec![plain, no_number(true)]),
        (true, false) => Condition::any(vec![plain, no_number(false)]),
    })
}

fn in_list(expr: &Expr, list: &[Expr], negated: bool, truth: Truth, table: &TableRelation) -> Result<Condition, Refusal> {
    let values: Vec<&Value> = list
        .iter()
        .map(|item| if let Expr::Literal(value) = item { Some(value) } else { None })
        .collect::<Option<_>>()
        .ok_or_else(beyond)?;
    let Expr::Column(index) = expr else {
        // A condition in a list of truths is one comparison or another.
        let any = values.iter().map(|value| Expr::compare(CompareOp::Eq, expr.clone(), Expr::Literal((*value).clone()))).collect();
        let any = Expr::Or(any);
        return held(&if negated { Expr::Not(Box::new(any)) } else { any }, truth, table);
    };
    let column = column(*index, table)?;
    let with_null = values.iter().any(|value| value.is_null());
    let texts: Vec<String> = values.iter().filter(|value| !value.is_null() && !value.is_nan()).map(|value| text(value)).collect();
    let leaf = |negated| match texts.is_empty() {
        true if negated => is_null(column, true),
        true => Condition::Constant(false),
        false => Condition::Leaf(Leaf { column: column.name.clone(), negated, op: "in", operand: Operand::List(texts.clone()) }),
    };
    Ok(match (truth, negated) {
        (Truth::True, false) | (Truth::False, true) => leaf(false),
        // What is in no list with a null is unknown.
        (Truth::True, true) | (Truth::False, false) if with_null => Condition::Constant(false),
        (Truth::True, true) | (Truth::False, false) => leaf(true),
        (Truth::Null, _) if with_null => Condition::any(vec![is_null(column, false), leaf(true)]),
        (Truth::Null, _) => is_null(column, false),
    })
}

/// Text matching, as regular expressions: `like` has `*` for `%` there, and no way to say `*`.
fn matched(function: Function, arguments: &[Expr], truth: Truth, table: &TableRelation) -> Result<Condition, Refusal> {
    let [Expr::Column(index), Expr::Literal(value)] = arguments else { return Err(beyond()) };
    let column = column(*index, table)?;
    let Value::Text(given) = value else { return Ok(Condition::Constant(truth == Truth::Null)) };
    let pattern = match function {
        Function::Contains => escaped(given),
        Function::StartsWith => format!("^{}", escaped(given)),
        Function::EndsWith => format!("{}$", escaped(given)),
        Function::Like => format!("^{}$", like(given)?),
        Function::Length
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
        | Function::Abs => return Err(beyond()),
    };
    let empty = pattern.is_empty();
    let leaf =
        |negated| Condition::Leaf(Leaf { column: column.name.clone(), negated, op: "match", operand: Operand::One(pattern.clone()) });
    Ok(match truth {
        Truth::Null => is_null(column, false),
        Truth::True if empty => is_null(column, true),
        Truth::False if empty => Condition::Constant(false),
        Truth::True => leaf(false),
        Truth::False => leaf(true),
    })
}

/// A text as a regular expression of PostgreSQL that matches just it.
fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        if character.is_ascii()
            && !character.is_ascii_alphanumeric()
            && !character.is_ascii_control()
            && character != '_'
            && character != ' '
        {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

fn like(pattern: &str) -> Result<String, Refusal> {
    let mut regular = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => regular.push_str(".*"),
            '_' => regular.push('.'),
            '\\' => {
                let next = characters.next().ok_or_else(|| Refusal::Data("a pattern ends with its escape character".to_owned()))?;
                regular.push_str(&escaped(&next.to_string()));
            }
            other => regular.push_str(&escaped(&other.to_string())),
        }
    }
    Ok(regular)
}

/// A value as PostgreSQL reads it.
fn text(value: &Value) -> String {
    match value {
        Value::Binary(bytes) => format!("\\x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        other => form::text(other),
    }
}

/// A value of a body, as PostgreSQL reads it from JSON.
pub fn json(value: &Value) -> String {
    match value {
        Value::Binary(_) => serde_json::Value::from(text(value)).to_string(),
        other => form::json(other),
    }
}

/// A name as it stands in parameters.
pub fn name(name: &str) -> String {
    let plain = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    let reserved = matches!(name, "select" | "order" | "limit" | "offset" | "and" | "or" | "columns" | "on_conflict" | "not");
    if plain && !reserved && !name.is_empty() { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Condition {
    /// All of them.
    pub fn all(parts: Vec<Condition>) -> Condition {
        Condition::joined(parts, true)
    }

    /// Any of them.
    pub fn any(parts: Vec<Condition>) -> Condition {
        Condition::joined(parts, false)
    }

    fn joined(parts: Vec<Condition>, all: bool) -> Condition {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Condition::Constant(value) if value == all => {}
                Condition::Constant(value) => return Condition::Constant(value),
                Condition::All(inner) if all => flat.extend(inner),
                Condition::Any(inner) if !all => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match (flat.len(), flat.pop()) {
            (0, _) | (_, None) => Condition::Constant(all),
            (1, Some(only)) => only,
            (_, Some(last)) => {
                flat.push(last);
                if all { Condition::All(flat) } else { Condition::Any(flat) }
            }
        }
    }

    /// As it stands inside of `and=(…)`; `shown` has `?` for values.
    fn nested(&self, shown: bool) -> String {
        let list = |parts: &[Condition]| parts.iter().map(|part| part.nested(shown)).collect::<Vec<_>>().join(",");
        match self {
            Condition::Constant(_) => String::new(),
            Condition::Leaf(leaf) => format!("{}.{}", name(&leaf.column), leaf.operation(true, shown)),
            Condition::All(parts) => format!("and({})", list(parts)),
            Condition::Any(parts) => format!("or({})", list(parts)),
        }
    }

    fn values(&self) -> usize {
        match self {
            Condition::Constant(_) => 0,
            Condition::Leaf(leaf) => match &leaf.operand {
                Operand::Word(_) => 0,
                Operand::One(_) => 1,
                Operand::List(list) => list.len(),
            },
            Condition::All(parts) | Condition::Any(parts) => parts.iter().map(Condition::values).sum(),
        }
    }
}

impl Leaf {
    fn operation(&self, nested: bool, shown: bool) -> String {
        let not = if self.negated { "not." } else { "" };
        let operand = match &self.operand {
            Operand::Word(word) => (*word).to_owned(),
            Operand::One(_) if shown => "?".to_owned(),
            Operand::List(list) if shown => {
                format!("({}{})", vec!["?"; list.len().min(3)].join(","), if list.len() > 3 { ",…" } else { "" })
            }
            Operand::One(value) if nested => quoted(value),
            Operand::One(value) => value.clone(),
            Operand::List(list) => format!("({})", list.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(",")),
        };
        format!("{not}{}.{operand}", self.op)
    }
}

/// The parameters of a condition.
pub fn condition_pairs(condition: &Condition, resource: &Resource, pairs: &mut Vec<Pair>) {
    let mut one = |part: &Condition| match part {
        Condition::Constant(true) => {}
        Condition::Constant(false) => {
            // There is no word for it: a column that is null and is not.
            let column = name(resource.columns.first().map_or("", |column| column.name.as_str()));
            pairs.push(Pair::constant("and", format!("({column}.is.null,{column}.not.is.null)")));
        }
        Condition::Leaf(leaf) => {
            pairs.push(Pair::bound(name(&leaf.column), leaf.operation(false, false), leaf.operation(false, true), part.values()));
        }
        Condition::All(_) | Condition::Any(_) => {
            let (word, rest) = if matches!(part, Condition::All(_)) { ("and", 3) } else { ("or", 2) };
            let text = |shown| part.nested(shown).get(rest..).unwrap_or_default().to_owned();
            pairs.push(Pair::bound(word, text(false), text(true), part.values()));
        }
    };
    match condition {
        Condition::All(parts) => parts.iter().for_each(one),
        other => one(other),
    }
}
