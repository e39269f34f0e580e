//! What a column's declared type means. SQLite enforces almost nothing of it, so reading checks every value against it. It must not
//! know connections.

use portico_provider_api::{Codec, ScalarType};

/// The meaning of a declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) scalar_type: ScalarType,
    pub(crate) codec: Option<Codec>,
    pub(crate) max_length: Option<u32>,
}

fn plain(scalar_type: ScalarType) -> Declared {
    Declared { scalar_type, codec: None, max_length: None }
}

fn held(scalar_type: ScalarType, codec: Codec) -> Declared {
    Declared { codec: Some(codec), ..plain(scalar_type) }
}

/// Reads a declared type. The README has the table.
pub(crate) fn declared(text: &str) -> Declared {
    let upper = text.trim().to_ascii_uppercase();
    let (name, arguments) = match upper.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.split(')').next().unwrap_or_default()),
        None => (upper.as_str(), ""),
    };
    let numbers: Vec<u32> = arguments.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    let length = numbers.first().copied();
    match name {
        "INTEGER" | "INT" | "BIGINT" | "INT8" | "UNSIGNED BIG INT" => plain(ScalarType::Int64),
        "INT4" | "MEDIUMINT" => plain(ScalarType::Int32),
        "SMALLINT" | "INT2" | "TINYINT" => plain(ScalarType::Int16),
        "REAL" | "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" | "FLOAT8" => plain(ScalarType::Float64),
        "FLOAT4" => plain(ScalarType::Float32),
        "BOOLEAN" | "BOOL" => held(ScalarType::Boolean, Codec::BoolInt),
        "DECIMAL" | "NUMERIC" | "DECIMALTEXT" | "DECIMAL_TEXT" => held(decimal(&numbers), Codec::DecimalText),
        "DATE" => held(ScalarType::Date, Codec::DateText),
        "TIME" => held(ScalarType::Time, Codec::TimeText),
        "DATETIME" | "TIMESTAMP" => held(ScalarType::Timestamp, Codec::TimestampText),
        "TIMESTAMPTZ" | "DATETIMEOFFSET" | "TIMESTAMP WITH TIME ZONE" => held(ScalarType::TimestampTz, Codec::TimestampText),
        "GUID" | "UUID" | "UNIQUEIDENTIFIER" => held(ScalarType::Guid, Codec::GuidText),
        "BLOB" | "BINARY" | "VARBINARY" => Declared { max_length: length, ..plain(ScalarType::Binary) },
        "JSON" | "JSONTEXT" | "JSON_TEXT" => plain(ScalarType::Json),
        "CHAR" | "VARCHAR" | "NCHAR" | "NVARCHAR" | "CHARACTER" | "CHARACTER VARYING" | "VARYING CHARACTER" | "NATIVE CHARACTER"
        | "TEXT" => Declared { max_length: length, ..plain(ScalarType::Text) },
        _ => plain(ScalarType::Text),
    }
}

fn decimal(numbers: &[u32]) -> ScalarType {
    let bounded = |precision: u32, scale: u32| {
        let (precision, scale) = (u8::try_from(precision).ok()?, i8::try_from(scale).ok()?);
        ((1..=76).contains(&precision) && scale.unsigned_abs() <= precision).then_some(ScalarType::Decimal { precision, scale })
    };
    let found = match numbers {
        [precision] => bounded(*precision, 0),
        [precision, scale] => bounded(*precision, *scale),
        _ => None,
    };
    found.unwrap_or(ScalarType::UNCONSTRAINED_DECIMAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types() {
        assert_eq!(declared("integer").scalar_type, ScalarType::Int64);
        assert_eq!(declared("VARCHAR(20)"), Declared { max_length: Some(20), ..plain(ScalarType::Text) });
        assert_eq!(declared("decimal (13, 2)"), held(ScalarType::Decimal { precision: 13, scale: 2 }, Codec::DecimalText));
        assert_eq!(declared("NUMERIC").scalar_type, ScalarType::UNCONSTRAINED_DECIMAL);
        assert_eq!(declared("DECIMAL(2,5)").scalar_type, ScalarType::UNCONSTRAINED_DECIMAL);
        assert_eq!(declared("").scalar_type, ScalarType::Text);
        assert_eq!(declared("geometry").scalar_type, ScalarType::Text);
    }
}
