//! Types of products as types of the IR. Pure. What has no exact counterpart is published as text where its text is all there is to it, and
//! is left out otherwise. It must not know queries.

use crate::server::Server;
use portico_provider_api::capabilities::ColumnCapabilities;
use portico_provider_api::{Codec, ScalarType, Support};
use portico_provider_sql::Product;

/// What is known of a column: from the driver, and where that is not enough from the database's own catalogue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    pub name: String,
    /// The number by which ODBC knows the type.
    pub sql_type: i32,
    /// The product's own name of the type.
    pub type_name: String,
    /// In characters, bytes or digits.
    pub size: Option<u32>,
    /// Digits behind the point.
    pub scale: Option<i32>,
    pub nullable: bool,
    pub has_default: bool,
    pub generated: bool,
    pub remarks: Option<String>,
    /// The collation, with MySQL; what is special about it, with PostgreSQL.
    pub collation: Option<String>,
    /// Whether it holds JSON, although its type is another one.
    pub is_json: bool,
}

/// The type that readers see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub scalar_type: ScalarType,
    pub codec: Option<Codec>,
    /// In characters, or in bytes.
    pub max_length: Option<u32>,
    /// The name under which it is published: what translation must know follows the product's own.
    pub native_type: String,
}

/// The type that readers see; nothing for what cannot be represented.
pub fn published(server: Server, column: &Column) -> Option<Published> {
    match server {
        Server::Postgres => Some(postgres(column)),
        Server::Mysql { .. } => mysql(column),
        Server::Standard { product: Product::Sqlite, .. } => Some(sqlite(column)),
        Server::Standard { product, .. } => standard(product, column),
    }
}

fn plain(scalar_type: ScalarType, native_type: impl Into<String>) -> Published {
    Published { scalar_type, codec: None, max_length: None, native_type: native_type.into() }
}

fn decimal(precision: Option<u32>, scale: Option<i32>) -> Option<ScalarType> {
    let (precision, scale) = (u8::try_from(precision?).ok()?, i8::try_from(scale.unwrap_or(0)).ok()?);
    ((1..=76).contains(&precision) && (0..=76).contains(&scale) && scale.unsigned_abs() <= precision)
        .then_some(ScalarType::Decimal { precision, scale })
}

fn postgres(column: &Column) -> Published {
    let native = format!("{}{}", column.type_name, column.collation.as_deref().unwrap_or_default());
    let scalar_type = match column.type_name.as_str() {
        "bool" => ScalarType::Boolean,
        "int2" => ScalarType::Int16,
        "int4" => ScalarType::Int32,
        "int8" | "oid" => ScalarType::Int64,
        "float4" => ScalarType::Float32,
        "float8" => ScalarType::Float64,
        "numeric" if column.size.is_none() => ScalarType::UNCONSTRAINED_DECIMAL,
        // Rounded to tens, or with more digits than there are here: printed.
        "numeric" => decimal(column.size, column.scale).unwrap_or(ScalarType::Text),
        "bytea" => ScalarType::Binary,
        "date" => ScalarType::Date,
        "time" => ScalarType::Time,
        "timestamp" => ScalarType::Timestamp,
        "timestamptz" => ScalarType::TimestampTz,
        "uuid" => ScalarType::Guid,
        "json" | "jsonb" => ScalarType::Json,
        // As the server prints it.
        _ => ScalarType::Text,
    };
    let measured = matches!(column.type_name.as_str(), "varchar" | "bpchar");
    Published { max_length: column.size.filter(|_| measured), ..plain(scalar_type, native) }
}

fn mysql(column: &Column) -> Option<Published> {
    let unsigned = column.type_name.contains("unsigned");
    let base = base(&column.type_name);
    let integer = |signed, wider| if unsigned { wider } else { signed };
    let (scalar_type, measured) = match base {
        "tinyint" if column.type_name.starts_with("tinyint(1)") => (ScalarType::Boolean, false),
        "bit" if column.size.unwrap_or(1) <= 1 => (ScalarType::Boolean, false),
        "bit" if column.size == Some(64) => (ScalarType::Decimal { precision: 20, scale: 0 }, false),
        "bit" => (ScalarType::Int64, false),
        "tinyint" | "year" => (ScalarType::Int16, false),
        "smallint" => (integer(ScalarType::Int16, ScalarType::Int32), false),
        "mediumint" => (ScalarType::Int32, false),
        "int" => (integer(ScalarType::Int32, ScalarType::Int64), false),
        "bigint" => (integer(ScalarType::Int64, ScalarType::Decimal { precision: 20, scale: 0 }), false),
        "float" => (ScalarType::Float32, false),
        "double" => (ScalarType::Float64, false),
        "decimal" => (decimal(column.size, column.scale)?, false),
        "json" => (ScalarType::Json, false),
        "tinytext" | "text" | "mediumtext" | "longtext" if column.is_json => (ScalarType::Json, false),
        "char" | "varchar" => (ScalarType::Text, true),
        "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" | "inet4" | "inet6" => (ScalarType::Text, false),
        "binary" | "varbinary" => (ScalarType::Binary, true),
        "tinyblob" | "blob" | "mediumblob" | "longblob" => (ScalarType::Binary, false),
        "date" => (ScalarType::Date, false),
        "time" => (ScalarType::Time, false),
        "datetime" => (ScalarType::Timestamp, false),
        "timestamp" => (ScalarType::TimestampTz, false),
        "uuid" => (ScalarType::Guid, false),
        // Geometries and vectors.
        _ => return None,
    };
    let mut native = base.to_owned();
    if unsigned {
        native.push_str(" unsigned");
    }
    if let Some(collation) = &column.collation {
        native.push_str(&format!(" {collation}"));
    }
    Some(Published { max_length: column.size.filter(|_| measured), ..plain(scalar_type, native) })
}

/// By the declared type, as the kind `sqlite` reads it.
fn sqlite(column: &Column) -> Published {
    let upper = column.type_name.trim().to_ascii_uppercase();
    let (name, arguments) = match upper.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.split(')').next().unwrap_or_default()),
        None => (upper.as_str(), ""),
    };
    let numbers: Vec<u32> = arguments.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    let native = column.type_name.clone();
    let held = |scalar_type, codec| Published { codec: Some(codec), ..plain(scalar_type, native.clone()) };
    let measured = |scalar_type| Published { max_length: numbers.first().copied(), ..plain(scalar_type, native.clone()) };
    match name {
        "INTEGER" | "INT" | "BIGINT" | "INT8" | "UNSIGNED BIG INT" => plain(ScalarType::Int64, native),
        "INT4" | "MEDIUMINT" => plain(ScalarType::Int32, native),
        "SMALLINT" | "INT2" | "TINYINT" => plain(ScalarType::Int16, native),
        "REAL" | "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" | "FLOAT8" => plain(ScalarType::Float64, native),
        "FLOAT4" => plain(ScalarType::Float32, native),
        "BOOLEAN" | "BOOL" => plain(ScalarType::Boolean, native),
        "DECIMAL" | "NUMERIC" | "DECIMALTEXT" | "DECIMAL_TEXT" => {
            let scale = numbers.get(1).and_then(|scale| i32::try_from(*scale).ok());
            held(decimal(numbers.first().copied(), scale).unwrap_or(ScalarType::UNCONSTRAINED_DECIMAL), Codec::DecimalText)
        }
        "DATE" => plain(ScalarType::Date, native),
        "TIME" => held(ScalarType::Time, Codec::TimeText),
        "DATETIME" | "TIMESTAMP" => held(ScalarType::Timestamp, Codec::TimestampText),
        "TIMESTAMPTZ" | "DATETIMEOFFSET" | "TIMESTAMP WITH TIME ZONE" => held(ScalarType::TimestampTz, Codec::TimestampText),
        "GUID" | "UUID" | "UNIQUEIDENTIFIER" => held(ScalarType::Guid, Codec::GuidText),
        "BLOB" | "BINARY" | "VARBINARY" => measured(ScalarType::Binary),
        "JSON" | "JSONTEXT" | "JSON_TEXT" => plain(ScalarType::Json, native),
        _ => measured(ScalarType::Text),
    }
}

/// By the number by which ODBC knows the type, and where that is a product's own, by its name.
fn standard(product: Product, column: &Column) -> Option<Published> {
    let native = column.type_name.to_ascii_lowercase();
    let unsigned = native.contains("unsigned");
    let size = column.size.filter(|size| (1..1 << 24).contains(size));
    let measured = |scalar_type| Published { max_length: size, ..plain(scalar_type, native.clone()) };
    let scalar_type = match (column.sql_type, base(&native)) {
        (_, "datetimeoffset") => ScalarType::TimestampTz,
        (_, "xml" | "sql_variant" | "hierarchyid" | "geometry" | "geography" | "st_geometry" | "st_point" | "bfile") => return None,
        // SQL Server's smallest integer is unsigned.
        (-7, _) | (16, "boolean") => ScalarType::Boolean,
        (-6, _) => ScalarType::Int16,
        (5, _) if !unsigned => ScalarType::Int16,
        (5, _) => ScalarType::Int32,
        (4, _) if !unsigned => ScalarType::Int32,
        (4, _) => ScalarType::Int64,
        (-5, _) if !unsigned => ScalarType::Int64,
        (-5, _) => ScalarType::Decimal { precision: 20, scale: 0 },
        // Oracle's NUMBER without digits holds anything that has 38 of them.
        (2 | 3, _) if product == Product::Oracle && column.scale.is_none_or(|scale| scale < 0) => ScalarType::UNCONSTRAINED_DECIMAL,
        (2 | 3, _) => decimal(column.size, column.scale)?,
        (7, _) => ScalarType::Float32,
        (6 | 8, _) => ScalarType::Float64,
        (1 | 12 | -1 | -8 | -9 | -10, _) => return Some(measured(ScalarType::Text)),
        (-4..=-2, _) => return Some(measured(ScalarType::Binary)),
        // With a time of day.
        (9 | 91, _) if product == Product::Oracle => ScalarType::Timestamp,
        (9 | 91, _) => ScalarType::Date,
        (10 | 92 | -154, _) => ScalarType::Time,
        (11 | 93, _) => ScalarType::Timestamp,
        (-11, _) => ScalarType::Guid,
        _ => return None,
    };
    Some(plain(scalar_type, native))
}

/// The name of a type without what follows it.
fn base(name: &str) -> &str {
    name.split([' ', '(']).next().unwrap_or_default()
}

/// What cannot be asked about a column of a native type.
pub fn restriction(server: Server, native_type: &str) -> Option<ColumnCapabilities> {
    match server {
        Server::Postgres => (!is_exact_postgres(native_type)).then_some(ColumnCapabilities::NOT_COMPARED),
        // A sort looks at the first bytes of such a value only.
        Server::Mysql { .. } => matches!(base(native_type), "mediumtext" | "longtext" | "mediumblob" | "longblob" | "json")
            .then_some(ColumnCapabilities { sort: Some(Support::None), ..ColumnCapabilities::INHERITED }),
        // Rounded to three hundredths of a second, or to minutes, before they are compared.
        Server::Standard { product: Product::SqlServer, .. } => {
            matches!(base(native_type), "datetime" | "smalldatetime" | "text" | "ntext" | "image")
                .then_some(ColumnCapabilities::NOT_COMPARED)
        }
        Server::Standard { product: Product::Oracle, .. } => {
            matches!(base(native_type), "clob" | "nclob" | "blob" | "long").then_some(ColumnCapabilities::NOT_COMPARED)
        }
        Server::Standard { .. } => {
            matches!(base(native_type), "clob" | "nclob" | "blob" | "dbclob" | "text").then_some(ColumnCapabilities::NOT_COMPARED)
        }
    }
}

/// Whether comparing at the server means what the IR says: types of the database's own are compared as their text, the system's other types
/// not at all.
fn is_exact_postgres(native_type: &str) -> bool {
    let base = native_type.split(" collate ").next().unwrap_or_default();
    let known = [
        "bool",
        "int2",
        "int4",
        "int8",
        "oid",
        "float4",
        "float8",
        "numeric",
        "text",
        "varchar",
        "bpchar",
        "name",
        "bytea",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "uuid",
        "json",
        "jsonb",
        "citext",
    ];
    native_type.contains('.') || known.contains(&base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(sql_type: i32, type_name: &str, size: u32, scale: i32) -> Column {
        Column { sql_type, type_name: type_name.to_owned(), size: Some(size), scale: Some(scale), ..Column::default() }
    }

    fn server(product: Product) -> Server {
        Server::Standard { product, quote: '"' }
    }

    #[test]
    fn types_of_products_that_are_asked_in_the_standards_words() {
        let of = |product, column: Column| published(server(product), &column).map(|published| published.scalar_type);
        let sql_server = |sql_type, name, size, scale| of(Product::SqlServer, column(sql_type, name, size, scale));
        assert_eq!(sql_server(4, "int identity", 10, 0), Some(ScalarType::Int32));
        assert_eq!(sql_server(-7, "bit", 1, 0), Some(ScalarType::Boolean));
        assert_eq!(sql_server(3, "money", 19, 4), Some(ScalarType::Decimal { precision: 19, scale: 4 }));
        assert_eq!(sql_server(-155, "datetimeoffset", 34, 7), Some(ScalarType::TimestampTz));
        assert_eq!(sql_server(-154, "time", 16, 7), Some(ScalarType::Time));
        assert_eq!(sql_server(-11, "uniqueidentifier", 36, 0), Some(ScalarType::Guid));
        assert_eq!(sql_server(-150, "sql_variant", 8000, 0), None);
        assert_eq!(of(Product::Oracle, column(93, "DATE", 19, 0)), Some(ScalarType::Timestamp));
        assert_eq!(of(Product::Oracle, column(3, "NUMBER", 38, -127)), Some(ScalarType::UNCONSTRAINED_DECIMAL));
        assert_eq!(of(Product::Db2, column(-5, "BIGINT", 19, 0)), Some(ScalarType::Int64));
        assert_eq!(of(Product::Ansi, column(-5, "BIGINT UNSIGNED", 20, 0)), Some(ScalarType::Decimal { precision: 20, scale: 0 }));
        assert_eq!(of(Product::Ansi, column(77, "POINT", 20, 0)), None);
    }

    #[test]
    fn what_compares_otherwise_is_not_compared() {
        assert!(restriction(server(Product::SqlServer), "datetime").is_some());
        assert!(restriction(server(Product::SqlServer), "datetime2").is_none());
        assert!(restriction(Server::Postgres, "interval").is_some() && restriction(Server::Postgres, "crm.mood").is_none());
        assert!(restriction(Server::Postgres, "varchar collate deterministic").is_none());
        assert!(restriction(Server::Mysql { mariadb: true }, "longtext utf8mb4_bin").is_some_and(|only| only.filter.is_none()));
    }
}
