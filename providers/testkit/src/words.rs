//! The fixture tables as SQL text for the databases that tests start, said once for every kind that meets one of them: PostgreSQL by its own
//! protocol, through ODBC, or behind a gateway. It must not know the SQL that kinds write: what is read by a kind is to have come on another
//! way.

use crate::fixtures::FixtureTable;
use crate::subject::Limitation;
use portico_provider_api::{ScalarType, Value};

/// Rows in one INSERT: a statement stays below what every server takes.
const ROWS_AT_ONCE: usize = 500;

/// How a database is told of tables and values.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// What stands around names.
    pub quote: char,
    /// The name of a type.
    pub type_name: fn(ScalarType) -> String,
    /// A value of its type.
    pub literal: fn(&Value) -> String,
}

/// PostgreSQL.
pub const POSTGRES: Words = Words { quote: '"', type_name: postgres_type, literal: postgres_literal };
/// MariaDB.
pub const MARIADB: Words = Words { quote: '`', type_name: mariadb_type, literal: mariadb_literal };

impl Words {
    fn quoted(&self, name: &str) -> String {
        let quote = self.quote;
        format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
    }

    fn list(&self, names: &[String]) -> String {
        names.iter().map(|name| self.quoted(name)).collect::<Vec<_>>().join(", ")
    }

    /// The statements that create a table with its rows.
    pub fn statements(&self, table: &FixtureTable) -> Vec<String> {
        let columns = table.columns.iter().map(|column| {
            let type_name = match (column.scalar_type, column.max_length) {
                (ScalarType::Text, Some(length)) => format!("varchar({length})"),
                (scalar_type, _) => (self.type_name)(scalar_type),
            };
            format!("{} {type_name} {}", self.quoted(&column.name), if column.nullable { "NULL" } else { "NOT NULL" })
        });
        let primary = std::iter::once(format!("PRIMARY KEY ({})", self.list(&table.primary_key)));
        let foreign = table.foreign_keys.iter().map(|key| {
            let (columns, references) = (self.list(&key.columns), self.quoted(&key.references));
            format!("FOREIGN KEY ({columns}) REFERENCES {references} ({})", self.list(&key.referenced_columns))
        });
        let parts: Vec<String> = columns.chain(primary).chain(foreign).collect();
        let name = self.quoted(&table.name);
        let rows = table.rows.chunks(ROWS_AT_ONCE).map(|chunk| {
            let row = |row: &Vec<Value>| format!("({})", row.iter().map(self.literal).collect::<Vec<_>>().join(", "));
            format!("INSERT INTO {name} VALUES {}", chunk.iter().map(row).collect::<Vec<_>>().join(", "))
        });
        std::iter::once(format!("CREATE TABLE {name} ({})", parts.join(", "))).chain(rows).collect()
    }
}

/// Bytes as pairs of hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whole days, and the microseconds behind them.
fn days(micros: i64) -> (i64, i64) {
    (micros.div_euclid(crate::fixtures::MICROS_PER_DAY), micros.rem_euclid(crate::fixtures::MICROS_PER_DAY))
}

fn postgres_type(scalar_type: ScalarType) -> String {
    match scalar_type {
        ScalarType::Boolean => "boolean".to_owned(),
        ScalarType::Int16 => "smallint".to_owned(),
        ScalarType::Int32 => "integer".to_owned(),
        ScalarType::Int64 => "bigint".to_owned(),
        ScalarType::Float32 => "real".to_owned(),
        ScalarType::Float64 => "double precision".to_owned(),
        ScalarType::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
        ScalarType::Text => "text".to_owned(),
        ScalarType::Binary => "bytea".to_owned(),
        ScalarType::Date => "date".to_owned(),
        ScalarType::Time => "time".to_owned(),
        ScalarType::Timestamp => "timestamp".to_owned(),
        ScalarType::TimestampTz => "timestamptz".to_owned(),
        ScalarType::Guid => "uuid".to_owned(),
        ScalarType::Json => "json".to_owned(),
    }
}

fn postgres_literal(value: &Value) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let moment = |micros: i64| {
        let (days, rest) = days(micros);
        format!("(timestamp '1970-01-01' + {days} * interval '1 day' + {rest} * interval '1 microsecond')")
    };
    match value {
        Value::Null(scalar_type) => format!("NULL::{}", postgres_type(*scalar_type)),
        Value::Boolean(value) => value.to_string(),
        Value::Int16(value) => format!("'{value}'::int2"),
        Value::Int32(value) => format!("'{value}'::int4"),
        Value::Int64(value) => format!("'{value}'::int8"),
        Value::Float32(value) => format!("'{}'::float4", value.0 as f32),
        Value::Float64(value) => format!("'{}'::float8", value.0),
        Value::Decimal { unscaled, scale, .. } => format!("('{unscaled}e-{scale}')::numeric"),
        Value::Text(value) => text(value),
        Value::Json(value) => format!("{}::json", text(value)),
        Value::Guid(value) => format!("{}::uuid", text(value)),
        Value::Binary(bytes) => format!("'\\x{}'::bytea", hex(bytes)),
        Value::Date(days) => format!("(date '1970-01-01' + {days})"),
        Value::Time(micros) => format!("(time '00:00' + {micros} * interval '1 microsecond')"),
        Value::Timestamp(micros) => moment(*micros),
        Value::TimestampTz(micros) => format!("({} AT TIME ZONE 'UTC')", moment(*micros)),
    }
}

fn mariadb_type(scalar_type: ScalarType) -> String {
    match scalar_type {
        ScalarType::Boolean => "boolean".to_owned(),
        ScalarType::Int16 => "smallint".to_owned(),
        ScalarType::Int32 => "int".to_owned(),
        ScalarType::Int64 => "bigint".to_owned(),
        ScalarType::Float32 => "float".to_owned(),
        ScalarType::Float64 => "double".to_owned(),
        ScalarType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        ScalarType::Text => "text".to_owned(),
        ScalarType::Binary => "blob".to_owned(),
        ScalarType::Date => "date".to_owned(),
        ScalarType::Time => "time(6)".to_owned(),
        ScalarType::Timestamp => "datetime(6)".to_owned(),
        ScalarType::TimestampTz => "timestamp(6)".to_owned(),
        ScalarType::Guid => "uuid".to_owned(),
        ScalarType::Json => "json".to_owned(),
    }
}

fn mariadb_literal(value: &Value) -> String {
    let moment = |micros: i64| {
        let (days, rest) = days(micros);
        format!("(TIMESTAMP'1970-01-01 00:00:00.000000' + INTERVAL {days} DAY + INTERVAL {rest} MICROSECOND)")
    };
    match value {
        Value::Null(_) => "NULL".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int16(value) => format!("({value})"),
        Value::Int32(value) => format!("({value})"),
        // There is no literal for the least one.
        Value::Int64(i64::MIN) => "(-9223372036854775807 - 1)".to_owned(),
        Value::Int64(value) => format!("({value})"),
        Value::Float32(value) | Value::Float64(value) => format!("{:e}", value.0),
        Value::Decimal { unscaled, scale, .. } => format!("'{unscaled}e-{scale}'"),
        // Whatever the connection's character set is, and what a backslash means.
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => format!("_utf8mb4 x'{}'", hex(text.as_bytes())),
        Value::Binary(bytes) => format!("x'{}'", hex(bytes)),
        Value::Date(days) => format!("(DATE'1970-01-01' + INTERVAL {days} DAY)"),
        Value::Time(micros) => format!("TIME(TIMESTAMP'1970-01-01 00:00:00.000000' + INTERVAL {micros} MICROSECOND)"),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => moment(*micros),
    }
}

/// What MariaDB cannot hold of the fixtures.
pub fn mariadb_limitations() -> Vec<Limitation> {
    vec![
        Limitation::Table { table: "edge_decimal_76".to_owned(), reason: "decimals have 65 digits at most".to_owned() },
        Limitation::Values {
            what: "NaN and infinities".to_owned(),
            matches: |value| matches!(value, Value::Float32(float) | Value::Float64(float) if !float.0.is_finite()),
            reason: "MariaDB has none".to_owned(),
        },
        Limitation::Values {
            what: "moments before 1970-01-01T00:00:01Z and after 2038-01-19T03:14:07Z".to_owned(),
            matches: |value| matches!(value, Value::TimestampTz(micros) if !(1_000_000..2_147_483_648_000_000).contains(micros)),
            reason: "TIMESTAMP counts in 32 bits".to_owned(),
        },
        Limitation::Values {
            what: "GUIDs of a version above 5 and the variant of before versions".to_owned(),
            matches: |value| {
                let digit = |guid: &str, at: usize| guid.chars().nth(at).and_then(|digit| digit.to_digit(16)).unwrap_or_default();
                matches!(value, Value::Guid(guid) if digit(guid, 14) > 5 && digit(guid, 19) < 8)
            },
            reason: "MariaDB refuses them".to_owned(),
        },
    ]
}
