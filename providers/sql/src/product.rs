//! Products that are asked in the standard's words alone, with few spellings of their own: comparisons, conditions, orders, limits, joins
//! and plain aggregates. SQLite is among them where no functions can be registered with it. Nothing here was made for speed; what a product
//! may understand in another way is refused, or not declared by the kind. It must not know connections or capabilities.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::aggregate::Call;
use crate::civil::{self, format_date, format_time, format_timestamp};
use crate::codec::Stored;
use crate::compare::{OnStored, beyond};
use crate::decimal::{format_decimal, parse_decimal};
use crate::dialect::{Dialect, Family, KeyStyle, Placeholder};
use crate::expr::{Render, is_integer, unsupported};
use portico_provider_api::value::Float;
use portico_provider_api::{Codec, CompareOp, Expr, Function, ScalarType, TableColumn, Unsupported, Value};

/// A product that is asked in the standard's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// SQLite 3.35 and later, without functions of ours. Booleans are 0 and 1, dates are texts (`2024-02-29`).
    Sqlite,
    /// Microsoft SQL Server 2016 and later.
    SqlServer,
    /// Oracle Database 12c and later, in a session with the ISO formats for timestamps and the point in numbers.
    Oracle,
    /// SAP HANA 2.
    Hana,
    /// IBM Db2 11.1 and later.
    Db2,
    /// Anything else that speaks SQL.
    Ansi,
}

/// SQLite without functions of ours. What readers are sent says how each value is stored: see [`sqlite_transport`].
pub const SQLITE_PLAIN: Dialect = Dialect {
    family: Family::Product(Product::Sqlite),
    placeholder: Placeholder::Question,
    bind: sqlite_bind,
    type_name: sqlite_type,
    transport: sqlite_transport,
    only: None,
    insert_returns: false,
    update_returns: false,
    ..crate::dialect::SQLITE
};

/// Microsoft SQL Server. Golden-tested only.
pub const SQL_SERVER: Dialect = dialect(Product::SqlServer, '"');
/// Oracle Database. Golden-tested only.
pub const ORACLE: Dialect = dialect(Product::Oracle, '"');
/// SAP HANA. Golden-tested only.
pub const HANA: Dialect = dialect(Product::Hana, '"');
/// IBM Db2. Golden-tested only.
pub const DB2: Dialect = dialect(Product::Db2, '"');

/// Any other product, whose identifiers are quoted with this character.
pub const fn ansi(quote: char) -> Dialect {
    dialect(Product::Ansi, quote)
}

const fn dialect(product: Product, quote: char) -> Dialect {
    Dialect {
        family: Family::Product(product),
        placeholder: Placeholder::Question,
        quote,
        order_collation: "",
        equal_collation: "",
        usual_collation: "",
        true_constant: "(1 = 1)",
        false_constant: "(1 = 0)",
        // Not every one of them has such an operator: no kind declares it.
        is_not_distinct: "IS NOT DISTINCT FROM",
        is_distinct: "IS DISTINCT FROM",
        keys: KeyStyle::Rows,
        insert_returns: false,
        update_returns: false,
        nan_equals_itself: None,
        no_limit: None,
        aggregate_filter: false,
        only: None,
        shares_blocks: false,
        type_name: any_type,
        bind: text_bind,
        transport: |_, _, _| None,
    }
}

impl Family {
    /// What stands between a relation and its alias.
    pub(crate) fn table_as(self) -> &'static str {
        match self {
            Family::Product(Product::Oracle) => " ",
            Family::Product(Product::Sqlite | Product::SqlServer | Product::Hana | Product::Db2 | Product::Ansi)
            | Family::Postgres
            | Family::Sqlite
            | Family::Mysql
            | Family::DataFusion
            | Family::Standard => " AS ",
        }
    }

    /// The function that counts in 64 bits.
    pub(crate) fn count(self) -> &'static str {
        match self {
            Family::Product(Product::SqlServer) => "count_big",
            Family::Product(Product::Sqlite | Product::Oracle | Product::Hana | Product::Db2 | Product::Ansi)
            | Family::Postgres
            | Family::Sqlite
            | Family::Mysql
            | Family::DataFusion
            | Family::Standard => "count",
        }
    }
}

fn sqlite_type(scalar_type: ScalarType) -> &'static str {
    match scalar_type {
        ScalarType::Boolean | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => "INTEGER",
        ScalarType::Float32 | ScalarType::Float64 => "REAL",
        ScalarType::Binary => "BLOB",
        ScalarType::Decimal { .. }
        | ScalarType::Text
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz
        | ScalarType::Guid
        | ScalarType::Json => "TEXT",
    }
}

/// Only asked for the type of a constant, which these products are never given.
fn any_type(_: ScalarType) -> &'static str {
    "INTEGER"
}

fn sqlite_bind(value: &Value) -> Value {
    match value {
        Value::Boolean(value) => Value::Int64(i64::from(*value)),
        Value::Int16(value) => Value::Int64(i64::from(*value)),
        Value::Int32(value) => Value::Int64(i64::from(*value)),
        Value::Float32(value) => Value::Float64(*value),
        Value::Null(_) | Value::Int64(_) | Value::Float64(_) | Value::Text(_) | Value::Binary(_) => value.clone(),
        Value::Decimal { .. }
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Guid(_)
        | Value::Json(_) => text_bind(value),
    }
}

/// A value as text that every product reads alike: what a driver makes of numbers and moments is not asked.
pub(crate) fn text_bind(value: &Value) -> Value {
    let text = match value {
        Value::Null(_) | Value::Binary(_) => return value.clone(),
        Value::Boolean(value) => if *value { "1" } else { "0" }.to_owned(),
        Value::Int16(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        Value::Int64(value) => value.to_string(),
        // A single is held as the double that equals it; its own shortest text is the shorter one.
        Value::Float32(Float(number)) => format!("{:e}", *number as f32),
        Value::Float64(Float(number)) => format!("{number:e}"),
        Value::Decimal { unscaled, scale, .. } => format_decimal(*unscaled, *scale),
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => text.clone(),
        Value::Date(days) => format_date(*days).unwrap_or_default(),
        Value::Time(micros) => format_time(*micros),
        Value::Timestamp(micros) => format_timestamp(*micros).unwrap_or_default(),
        Value::TimestampTz(micros) => format!("{} +00:00", format_timestamp(*micros).unwrap_or_default()),
    };
    Value::Text(text)
}

/// What readers are sent: a letter for the class in which SQLite stores the value, then its text. `i` an integer, `r` a real number with so
/// many digits that it is told from every other one, `t` a text, `b` a blob in hexadecimal digits, `h` the same of a text that holds NUL,
/// behind which drivers end.
fn sqlite_transport(text: &str, _: ScalarType, _: Option<Codec>) -> Option<String> {
    Some(format!(
        "CASE typeof({text}) WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || {text} WHEN 'real' THEN 'r' || printf('%!.20g', {text}) \
         WHEN 'blob' THEN 'b' || hex({text}) ELSE CASE WHEN instr({text}, char(0)) > 0 THEN 'h' || hex({text}) ELSE 't' || {text} END END"
    ))
}

/// A value that SQLite stores, read back from what [`SQLITE_PLAIN`] has readers sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Carried {
    /// An integer.
    Integer(i64),
    /// A real number.
    Real(f64),
    /// A text.
    Text(String),
    /// A blob.
    Blob(Vec<u8>),
}

impl Carried {
    /// Reads what was sent; nothing when that is not what was asked for.
    pub fn read(sent: &str) -> Option<Carried> {
        let mut characters = sent.chars();
        let (class, rest) = (characters.next()?, characters.as_str());
        match class {
            'i' => rest.parse().ok().map(Carried::Integer),
            'r' => rest.parse().ok().map(Carried::Real),
            't' => Some(Carried::Text(rest.to_owned())),
            'h' => String::from_utf8(from_hex(rest)?).ok().map(Carried::Text),
            'b' => from_hex(rest).map(Carried::Blob),
            _ => None,
        }
    }

    /// As codecs see it.
    pub fn stored(&self) -> Stored<'_> {
        match self {
            Carried::Integer(value) => Stored::Integer(*value),
            Carried::Real(value) => Stored::Float(*value),
            Carried::Text(text) => Stored::Text(text),
            Carried::Blob(bytes) => Stored::Bytes(bytes),
        }
    }
}

/// Bytes from their hexadecimal digits.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len() / 2).map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

/// A column in its own form: as it is stored. Other stored forms are read by nobody but readers.
pub(crate) fn decoded(column: &TableColumn, stored: String) -> Result<String, Unsupported> {
    match column.codec {
        None => Ok(stored),
        Some(_) => Err(unsupported(format!("anything but reading column '{}', which is held in another form,", column.name))),
    }
}

/// Digits of a decimal that the product has.
fn most_digits(product: Product) -> usize {
    match product {
        Product::Sqlite | Product::SqlServer | Product::Oracle | Product::Hana => 38,
        Product::Db2 | Product::Ansi => 31,
    }
}

/// Whether a literal lies above or below everything that the product holds in its type; nothing where it may be held.
fn place(product: Product, value: &Value) -> Option<bool> {
    let first_day = if product == Product::Sqlite { civil::YEAR_0 } else { civil::YEAR_1 };
    if let Some(day) = civil::day(value).filter(|day| !(first_day..=civil::LAST_DAY).contains(day)) {
        return Some(day > civil::LAST_DAY);
    }
    match value {
        Value::Float32(Float(number)) | Value::Float64(Float(number)) if number.is_infinite() && product != Product::Sqlite => {
            Some(*number > 0.0)
        }
        Value::Decimal { unscaled, .. }
            if product != Product::Sqlite && digits(value).is_some_and(|(all, behind)| all - behind > most_digits(product)) =>
        {
            Some(!unscaled.is_negative())
        }
        Value::Null(_)
        | Value::Boolean(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Decimal { .. }
        | Value::Text(_)
        | Value::Binary(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Guid(_)
        | Value::Json(_) => None,
    }
}

/// The type to which a placeholder is cast, so that it does not depend on what stands beside it; nothing for text.
fn cast_type(product: Product, value: &Value) -> Result<Option<String>, Unsupported> {
    let named = |server: &str, others: &str| Some(if product == Product::SqlServer { server } else { others }.to_owned());
    Ok(match value.scalar_type() {
        ScalarType::Text | ScalarType::Json => None,
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 if product == Product::Oracle => Some("NUMBER(19)".to_owned()),
        ScalarType::Int16 => Some("SMALLINT".to_owned()),
        ScalarType::Int32 => Some("INTEGER".to_owned()),
        ScalarType::Int64 => Some("BIGINT".to_owned()),
        ScalarType::Float32 => Some("REAL".to_owned()),
        ScalarType::Float64 => named("FLOAT(53)", "DOUBLE PRECISION"),
        ScalarType::Decimal { .. } => {
            let name = if product == Product::Oracle { "NUMBER" } else { "DECIMAL" };
            let (precision, scale) = digits(value)
                .filter(|(precision, _)| *precision <= most_digits(product))
                .ok_or_else(|| unsupported(format!("a decimal with more than {} digits, as a value,", most_digits(product))))?;
            Some(format!("{name}({precision},{scale})"))
        }
        ScalarType::Date => Some("DATE".to_owned()),
        ScalarType::Time => named("TIME(6)", "TIME"),
        ScalarType::Timestamp => match product {
            Product::SqlServer => Some("DATETIME2(6)".to_owned()),
            Product::Hana => Some("TIMESTAMP".to_owned()),
            Product::Sqlite | Product::Oracle | Product::Db2 | Product::Ansi => Some("TIMESTAMP(6)".to_owned()),
        },
        ScalarType::TimestampTz => named("DATETIMEOFFSET(6)", "TIMESTAMP(6) WITH TIME ZONE"),
        ScalarType::Guid if product == Product::SqlServer => Some("UNIQUEIDENTIFIER".to_owned()),
        ScalarType::Boolean | ScalarType::Binary | ScalarType::Guid => {
            return Err(unsupported(format!("a {} as a value", value.scalar_type())));
        }
    })
}

/// The digits in all, and those behind the point, that a decimal needs.
fn digits(value: &Value) -> Option<(usize, usize)> {
    let Value::Decimal { unscaled, scale, .. } = value else { return Some((1, 0)) };
    let text = format_decimal(*unscaled, *scale);
    parse_decimal(&text)?;
    let (whole, fraction) = text.trim_start_matches('-').split_once('.').unwrap_or((text.trim_start_matches('-'), ""));
    let (whole, fraction) = (whole.trim_start_matches('0').len(), fraction.len());
    Some(((whole + fraction).max(1), fraction))
}

/// Order and limits, as the product has them.
pub(crate) fn ending(product: Product, order: &str, limit: Option<u64>, offset: u64) -> String {
    // Products count in 63 bits; nobody has more rows.
    let most = i64::MAX.unsigned_abs();
    let (limit, offset) = (limit.map(|limit| limit.min(most)), offset.min(most));
    if limit.is_none() && offset == 0 {
        return order.to_owned();
    }
    match product {
        Product::Sqlite | Product::Hana => {
            let limit = limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string());
            let offset = if offset > 0 { format!(" OFFSET {offset}") } else { String::new() };
            format!("{order} LIMIT {limit}{offset}")
        }
        Product::SqlServer | Product::Oracle | Product::Db2 | Product::Ansi => {
            // Without an order there is no OFFSET, and no FETCH of nothing: nothing is behind the last row.
            let order = if order.is_empty() && product == Product::SqlServer { " ORDER BY (SELECT NULL)" } else { order };
            match limit {
                Some(0) => format!("{order} OFFSET {most} ROWS"),
                Some(limit) => format!("{order} OFFSET {offset} ROWS FETCH NEXT {limit} ROWS ONLY"),
                None => format!("{order} OFFSET {offset} ROWS"),
            }
        }
    }
}

/// Something sorted by; `nulls_first` is absent where there are none.
pub(crate) fn directed(product: Product, text: &str, direction: &str, nulls_first: Option<bool>) -> String {
    match (product, nulls_first) {
        (_, None) => format!("{text} {direction}"),
        (Product::Sqlite | Product::Oracle | Product::Hana, Some(first)) => {
            format!("{text} {direction} NULLS {}", if first { "FIRST" } else { "LAST" })
        }
        (Product::SqlServer | Product::Db2 | Product::Ansi, Some(first)) => {
            let (null, other) = if first { (0, 1) } else { (1, 0) };
            format!("CASE WHEN {text} IS NULL THEN {null} ELSE {other} END, {text} {direction}")
        }
    }
}

/// The exact sum of integers, added up in a type that holds every sum and converted once.
pub(crate) fn sum(product: Product, call: &Call<'_>) -> Result<String, Unsupported> {
    if !is_integer(call.scalar_type) || call.result != ScalarType::Int64 || !call.suffix.is_empty() || !call.distinct.is_empty() {
        return Err(call.refused("the sum"));
    }
    match product {
        Product::SqlServer | Product::Db2 | Product::Hana => {
            Ok(format!("CAST(sum(CAST({} AS DECIMAL({},0))) AS BIGINT)", call.text, most_digits(product)))
        }
        Product::Sqlite | Product::Oracle | Product::Ansi => Err(call.refused("the sum")),
    }
}

impl Render<'_> {
    /// A literal, with its type.
    pub(crate) fn product_literal(&mut self, product: Product, value: &Value) -> Result<String, Unsupported> {
        if product == Product::Sqlite {
            return Ok(self.raw_parameter(value));
        }
        if value.scalar_type() == ScalarType::Boolean {
            let constant = if let Value::Boolean(holds) = value {
                if *holds { self.dialect.true_constant } else { self.dialect.false_constant }
            } else {
                "(1 = NULL)"
            };
            return Ok(constant.to_owned());
        }
        let to = cast_type(product, value)?;
        let placeholder = self.raw_parameter(value);
        Ok(to.map_or_else(|| placeholder.clone(), |to| format!("CAST({placeholder} AS {to})")))
    }

    /// A boolean column as a condition, where conditions are no values.
    pub(crate) fn tested(&self, column: String, scalar_type: ScalarType) -> String {
        match self.dialect.family {
            Family::Postgres
            | Family::Sqlite
            | Family::Mysql
            | Family::DataFusion
            | Family::Standard
            | Family::Product(Product::Sqlite) => column,
            Family::Product(Product::Hana | Product::Db2) if scalar_type == ScalarType::Boolean => format!("({column} = TRUE)"),
            Family::Product(_) if scalar_type == ScalarType::Boolean => format!("({column} = 1)"),
            Family::Product(_) => column,
        }
    }

    /// Whether no row can hold the literal, so that nothing equals it.
    pub(crate) fn is_beyond(&self, value: &Value) -> bool {
        matches!(self.dialect.family, Family::Product(product) if place(product, value).is_some())
    }

    /// A comparison whose left side is no literal unless both are.
    pub(crate) fn product_compare(&mut self, product: Product, op: CompareOp, left: &Expr, right: &Expr) -> Result<String, Unsupported> {
        if let Expr::Literal(value) = right
            && let Some(above) = place(product, value)
        {
            let operand = self.null_tested(left)?;
            return Ok(self.constant(op, matches!(beyond(op, above), OnStored::Always), &operand));
        }
        let scalar_type = self.scalar_type(left)?;
        if scalar_type == ScalarType::Boolean && product != Product::Sqlite {
            return Err(unsupported("a comparison of conditions"));
        }
        let order = matches!(op, CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq);
        let collation = self.collation(scalar_type, order);
        Ok(format!("({}{collation} {} {})", self.value(left)?, self.operator(op), self.value(right)?))
    }

    /// The few functions that mean the same everywhere and at every edge.
    pub(crate) fn product_call(&mut self, product: Product, function: Function, arguments: &[Expr]) -> Result<String, Unsupported> {
        let refused = || unsupported(format!("{function:?}"));
        if product != Product::Sqlite {
            return Err(refused());
        }
        match function {
            Function::Contains => {
                let [text, part] = self.pair(arguments)?;
                Ok(format!("(instr({text}, {part}) > 0)"))
            }
            Function::StartsWith => {
                let [text, part] = self.pair(arguments)?;
                Ok(format!("(substr({text}, 1, length({part})) = {part} COLLATE BINARY)"))
            }
            Function::EndsWith => {
                let [text, part] = self.pair(arguments)?;
                let end = format!("substr({text}, length({text}) - length({part}) + 1)");
                Ok(format!("(length({part}) <= length({text}) AND {end} = {part} COLLATE BINARY)"))
            }
            Function::Length => match arguments {
                [text] => Ok(format!("length({})", self.value(text)?)),
                _ => Err(refused()),
            },
            Function::Like
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
            | Function::Abs => Err(refused()),
        }
    }
}
