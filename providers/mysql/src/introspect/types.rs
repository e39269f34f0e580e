//! MySQL's and MariaDB's types as types of the IR. Pure. A type without an exact counterpart is published as text or bytes and is not
//! compared at the server.

use super::catalog::Column;
use crate::config::{Publish, TinyInt, ZeroDates};
use portico_provider_api::ScalarType;
use portico_provider_sql::ZERO_IS_NULL;

/// The type that readers see, and the greatest length in characters or bytes where there is one.
pub fn published(column: &Column, publish: &Publish) -> (ScalarType, Option<u32>) {
    let unsigned = column.full_type.contains("unsigned");
    let length = column.length.and_then(|length| u32::try_from(length).ok());
    let integer = |signed, wider| if unsigned { wider } else { signed };
    match column.type_name.as_str() {
        "tinyint" if is_boolean(column) && publish.tinyint1 == TinyInt::Boolean => (ScalarType::Boolean, None),
        "bit" if column.precision.unwrap_or(1) <= 1 => (ScalarType::Boolean, None),
        "bit" if column.precision == Some(64) => (ScalarType::Decimal { precision: 20, scale: 0 }, None),
        "bit" => (ScalarType::Int64, None),
        "tinyint" | "year" => (ScalarType::Int16, None),
        "smallint" => (integer(ScalarType::Int16, ScalarType::Int32), None),
        "mediumint" => (ScalarType::Int32, None),
        "int" => (integer(ScalarType::Int32, ScalarType::Int64), None),
        "bigint" => (integer(ScalarType::Int64, ScalarType::Decimal { precision: 20, scale: 0 }), None),
        "float" => (ScalarType::Float32, None),
        "double" => (ScalarType::Float64, None),
        "decimal" => (decimal(column), None),
        "char" | "varchar" => (ScalarType::Text, length),
        "tinytext" | "text" | "mediumtext" | "longtext" if column.is_json => (ScalarType::Json, None),
        "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" | "inet4" | "inet6" => (ScalarType::Text, None),
        "binary" | "varbinary" => (ScalarType::Binary, length),
        "tinyblob" | "blob" | "mediumblob" | "longblob" => (ScalarType::Binary, None),
        "date" => (ScalarType::Date, None),
        "time" => (ScalarType::Time, None),
        "datetime" => (ScalarType::Timestamp, None),
        "timestamp" => (ScalarType::TimestampTz, None),
        "uuid" => (ScalarType::Guid, None),
        "json" => (ScalarType::Json, None),
        // Geometries and vectors.
        _ => (ScalarType::Binary, None),
    }
}

/// Whether it was declared as `BOOLEAN`, or as the same.
fn is_boolean(column: &Column) -> bool {
    column.full_type.starts_with("tinyint(1)")
}

fn decimal(column: &Column) -> ScalarType {
    let precision = column.precision.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(10);
    let scale = column.scale.and_then(|digits| i8::try_from(digits).ok()).unwrap_or(0);
    ScalarType::Decimal { precision, scale }
}

/// The name under which the type is published: the server's own, without lengths; what translation must know follows it.
pub fn native_type(column: &Column, publish: &Publish) -> String {
    let mut name = column.type_name.clone();
    if column.full_type.contains("unsigned") {
        name.push_str(" unsigned");
    }
    if let Some(collation) = &column.collation {
        name.push(' ');
        name.push_str(collation);
    }
    if zero_is_null(column, publish) {
        name.push_str(ZERO_IS_NULL);
    }
    name
}

/// Whether a column may be null to readers although it is not at the server.
pub fn zero_is_null(column: &Column, publish: &Publish) -> bool {
    publish.zero_dates == ZeroDates::Null && matches!(column.type_name.as_str(), "date" | "datetime" | "timestamp")
}

fn base(native_type: &str) -> &str {
    native_type.split(' ').next().unwrap_or_default()
}

/// Whether comparing at the server means what the IR says.
pub fn is_exact(native_type: &str) -> bool {
    matches!(
        base(native_type),
        "tinyint"
            | "smallint"
            | "mediumint"
            | "int"
            | "bigint"
            | "bit"
            | "year"
            | "float"
            | "double"
            | "decimal"
            | "char"
            | "varchar"
            | "tinytext"
            | "text"
            | "mediumtext"
            | "longtext"
            | "enum"
            | "set"
            | "inet4"
            | "inet6"
            | "binary"
            | "varbinary"
            | "tinyblob"
            | "blob"
            | "mediumblob"
            | "longblob"
            | "date"
            | "time"
            | "datetime"
            | "timestamp"
            | "uuid"
            | "json"
    )
}

/// Whether values can be longer than what a sort looks at.
pub fn is_long(native_type: &str) -> bool {
    matches!(base(native_type), "mediumtext" | "longtext" | "mediumblob" | "longblob" | "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(tinyint1: TinyInt, zero_dates: ZeroDates) -> Publish {
        Publish { schemas: None, database: None, tinyint1, zero_dates }
    }

    fn column(type_name: &str, full_type: &str) -> Column {
        Column { type_name: type_name.to_owned(), full_type: full_type.to_owned(), ..Column::default() }
    }

    #[test]
    fn settings_decide_about_booleans_and_zero_dates() {
        let flag = column("tinyint", "tinyint(1)");
        assert_eq!(published(&flag, &publish(TinyInt::Boolean, ZeroDates::Error)).0, ScalarType::Boolean);
        assert_eq!(published(&flag, &publish(TinyInt::Integer, ZeroDates::Error)).0, ScalarType::Int16);
        assert_eq!(published(&column("tinyint", "tinyint(4)"), &publish(TinyInt::Boolean, ZeroDates::Error)).0, ScalarType::Int16);
        let day = column("date", "date");
        assert_eq!(native_type(&day, &publish(TinyInt::Boolean, ZeroDates::Error)), "date");
        assert_eq!(native_type(&day, &publish(TinyInt::Boolean, ZeroDates::Null)), "date zero is null");
        assert!(is_exact("date zero is null") && is_exact("bigint unsigned") && !is_exact("geometry"));
    }

    #[test]
    fn unsigned_integers_are_one_step_wider() {
        let of = |name, full| published(&column(name, full), &publish(TinyInt::Boolean, ZeroDates::Error)).0;
        assert_eq!(of("tinyint", "tinyint(3) unsigned"), ScalarType::Int16);
        assert_eq!(of("smallint", "smallint(5) unsigned"), ScalarType::Int32);
        assert_eq!(of("mediumint", "mediumint(8) unsigned"), ScalarType::Int32);
        assert_eq!(of("int", "int(10) unsigned zerofill"), ScalarType::Int64);
        assert_eq!(of("bigint", "bigint(20) unsigned"), ScalarType::Decimal { precision: 20, scale: 0 });
    }
}
