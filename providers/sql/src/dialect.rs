//! How SQL is spelt, as data. A dialect that differs in one more point gets one more field here; nothing is overridden elsewhere.
//! It must not know connections, capabilities or versions of servers.

use crate::product::Product;
use portico_provider_api::{Codec, ScalarType, Value};

/// The family decides the spellings that have no field of their own: functions, conversions from stored forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// PostgreSQL 12 and later.
    Postgres,
    /// SQLite 3.35 and later, with the scalar functions `portico_…` registered by the kind.
    Sqlite,
    /// MariaDB 10.3 and later, MySQL 8.0 and later, in a session that the kind set up: UTC, `NO_BACKSLASH_ESCAPES`, `utf8mb4_bin`.
    Mysql,
    /// DataFusion's SQL as a gateway like this one answers it: with the IR's arithmetic, sums and letter cases, and DataFusion's floats.
    DataFusion,
    /// What every SQL database reads alike: plain columns, beside literals.
    Standard,
    /// Products of which nothing but the standard's words are used, and few spellings of their own: see [`Product`].
    Product(Product),
}

/// How a parameter is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// `$1`, followed by a cast to the parameter's type.
    DollarTyped,
    /// `?`, followed by a cast to the parameter's type; otherwise as [`Placeholder::Question`].
    QuestionTyped,
    /// `?1`
    QuestionNumbered,
    /// `?`: parameters are sent in the order in which they stand in the text, as often as they do.
    Question,
    /// `$1`
    Dollar,
}

/// How key sets are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStyle {
    /// One array per key column: `= ANY($1)`, `IN (SELECT * FROM unnest($1, $2))`.
    Arrays,
    /// One parameter per value: `IN (?1, ?2)`, `IN (VALUES (?1, ?2), …)`.
    Values,
    /// One parameter per value: `IN (?, ?)`, `(a = ? AND b = ?) OR …`.
    Rows,
}

/// How one database spells SQL.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Family.
    pub family: Family,
    /// Parameters.
    pub placeholder: Placeholder,
    /// Opens and closes an identifier; doubled inside.
    pub quote: char,
    /// Appended to text that is ordered, so that it orders by code points.
    pub order_collation: &'static str,
    /// Appended to text that is compared for equality, where a column's own collation may be looser than code points.
    pub equal_collation: &'static str,
    /// Appended to text that may have another collation than the database's, where texts of several collations do not mix; empty
    /// where every comparison has its collation.
    pub usual_collation: &'static str,
    /// The constant true.
    pub true_constant: &'static str,
    /// The constant false.
    pub false_constant: &'static str,
    /// The operator of null-safe equality.
    pub is_not_distinct: &'static str,
    /// The operator of null-safe inequality; MySQL has none and negates the other.
    pub is_distinct: &'static str,
    /// Key sets.
    pub keys: KeyStyle,
    /// Whether an insert returns the stored row.
    pub insert_returns: bool,
    /// Whether an update returns the stored row.
    pub update_returns: bool,
    /// A constant expression that is NaN, where floats can be NaN and equal each other (against IEEE 754).
    pub nan_equals_itself: Option<&'static str>,
    /// Stands for "no limit" where an offset needs one.
    pub no_limit: Option<&'static str>,
    /// Whether an aggregate takes `FILTER (WHERE …)`.
    pub aggregate_filter: bool,
    /// The aggregate that gives the only value and fails over two rows, where a scalar sub-query itself takes the first row.
    pub only: Option<&'static str>,
    /// Whether a block that is named by `WITH` and read several times is computed once.
    pub shares_blocks: bool,
    /// The name under which a value of this type is cast.
    pub type_name: fn(ScalarType) -> &'static str,
    /// The form in which a value of the dialect's own form of a type is bound.
    pub bind: fn(&Value) -> Value,
    /// What is returned to readers instead of an output, where what is between them and the database would change its values: the text
    /// of the output, its type, and the form in which it is held. Nothing leaves the output as it is.
    pub transport: fn(&str, ScalarType, Option<Codec>) -> Option<String>,
}

/// PostgreSQL.
pub const POSTGRES: Dialect = Dialect {
    family: Family::Postgres,
    placeholder: Placeholder::DollarTyped,
    quote: '"',
    order_collation: " COLLATE \"C\"",
    equal_collation: "",
    usual_collation: " COLLATE \"default\"",
    true_constant: "TRUE",
    false_constant: "FALSE",
    is_not_distinct: "IS NOT DISTINCT FROM",
    is_distinct: "IS DISTINCT FROM",
    keys: KeyStyle::Arrays,
    insert_returns: true,
    update_returns: true,
    nan_equals_itself: Some("'NaN'::float8"),
    no_limit: None,
    aggregate_filter: true,
    only: None,
    shares_blocks: true,
    type_name: postgres_type,
    bind: Value::clone,
    transport: |_, _, _| None,
};

/// SQLite. Dates are days, times and timestamps microseconds, decimals the blob of `portico_decimal`, booleans 0 and 1.
pub const SQLITE: Dialect = Dialect {
    family: Family::Sqlite,
    placeholder: Placeholder::QuestionNumbered,
    quote: '"',
    order_collation: " COLLATE BINARY",
    equal_collation: " COLLATE BINARY",
    usual_collation: "",
    true_constant: "1",
    false_constant: "0",
    is_not_distinct: "IS",
    is_distinct: "IS NOT",
    keys: KeyStyle::Values,
    insert_returns: true,
    update_returns: true,
    nan_equals_itself: None,
    no_limit: Some("-1"),
    aggregate_filter: true,
    only: Some("portico_only"),
    shares_blocks: true,
    type_name: sqlite_type,
    bind: sqlite_bind,
    transport: |_, _, _| None,
};

/// MariaDB 10.5 and later.
pub const MARIADB: Dialect = Dialect { insert_returns: true, ..MYSQL };

/// MySQL, and MariaDB before 10.5.
pub const MYSQL: Dialect = Dialect {
    family: Family::Mysql,
    placeholder: Placeholder::Question,
    quote: '`',
    // Texts are compared and sorted as bytes instead.
    order_collation: "",
    equal_collation: "",
    usual_collation: "",
    true_constant: "TRUE",
    false_constant: "FALSE",
    is_not_distinct: "<=>",
    is_distinct: "<=>",
    keys: KeyStyle::Values,
    insert_returns: false,
    update_returns: false,
    nan_equals_itself: None,
    no_limit: Some("18446744073709551615"),
    aggregate_filter: false,
    only: None,
    shares_blocks: false,
    type_name: crate::mysql::type_name,
    bind: crate::mysql::bind,
    transport: |_, _, _| None,
};

/// DataFusion's SQL in a gateway like this one.
pub const DATAFUSION: Dialect = Dialect {
    family: Family::DataFusion,
    placeholder: Placeholder::Dollar,
    quote: '"',
    order_collation: "",
    equal_collation: "",
    usual_collation: "",
    true_constant: "TRUE",
    false_constant: "FALSE",
    is_not_distinct: "IS NOT DISTINCT FROM",
    is_distinct: "IS DISTINCT FROM",
    keys: KeyStyle::Values,
    insert_returns: false,
    update_returns: false,
    nan_equals_itself: Some("CAST('NaN' AS DOUBLE)"),
    no_limit: None,
    aggregate_filter: true,
    only: None,
    shares_blocks: false,
    type_name: crate::datafusion::type_name,
    bind: crate::datafusion::bind,
    transport: |_, _, _| None,
};

/// What every SQL database reads alike. There is little of it, and each kind that uses it declares no more.
pub const STANDARD: Dialect = Dialect {
    family: Family::Standard,
    placeholder: Placeholder::Question,
    nan_equals_itself: None,
    aggregate_filter: false,
    type_name: crate::standard::type_name,
    bind: Value::clone,
    ..DATAFUSION
};

fn postgres_type(scalar_type: ScalarType) -> &'static str {
    match scalar_type {
        ScalarType::Boolean => "bool",
        ScalarType::Int16 => "int2",
        ScalarType::Int32 => "int4",
        ScalarType::Int64 => "int8",
        ScalarType::Float32 => "float4",
        ScalarType::Float64 => "float8",
        ScalarType::Decimal { .. } => "numeric",
        ScalarType::Text => "text",
        ScalarType::Binary => "bytea",
        ScalarType::Date => "date",
        ScalarType::Time => "time",
        ScalarType::Timestamp => "timestamp",
        ScalarType::TimestampTz => "timestamptz",
        ScalarType::Guid => "uuid",
        // JSON is compared and returned as the text that is stored.
        ScalarType::Json => "text",
    }
}

fn sqlite_type(scalar_type: ScalarType) -> &'static str {
    match scalar_type {
        ScalarType::Boolean
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz => "INTEGER",
        ScalarType::Float32 | ScalarType::Float64 => "REAL",
        ScalarType::Text | ScalarType::Guid | ScalarType::Json => "TEXT",
        ScalarType::Binary | ScalarType::Decimal { .. } => "BLOB",
    }
}

fn sqlite_bind(value: &Value) -> Value {
    match value {
        Value::Null(_) | Value::Int64(_) | Value::Float64(_) | Value::Text(_) | Value::Binary(_) => value.clone(),
        Value::Boolean(value) => Value::Int64(i64::from(*value)),
        Value::Int16(value) => Value::Int64(i64::from(*value)),
        Value::Int32(value) | Value::Date(value) => Value::Int64(i64::from(*value)),
        Value::Time(value) | Value::Timestamp(value) | Value::TimestampTz(value) => Value::Int64(*value),
        Value::Float32(value) => Value::Float64(*value),
        // The text wraps it in `portico_decimal(…)`.
        Value::Decimal { unscaled, scale, .. } => Value::Text(crate::decimal::format_decimal(*unscaled, *scale)),
        Value::Guid(value) | Value::Json(value) => Value::Text(value.clone()),
    }
}

impl Dialect {
    /// An identifier, quoted.
    pub fn identifier(&self, name: &str) -> String {
        let mut quoted = String::with_capacity(name.len() + 2);
        quoted.push(self.quote);
        for character in name.chars() {
            if character == self.quote {
                quoted.push(self.quote);
            }
            quoted.push(character);
        }
        quoted.push(self.quote);
        quoted
    }

    /// The name of a table, every part quoted.
    pub fn table(&self, name: &portico_provider_api::RemoteTableName) -> String {
        name.0.iter().map(|part| self.identifier(part)).collect::<Vec<_>>().join(".")
    }
}
