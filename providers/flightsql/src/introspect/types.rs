//! Arrow types as the contract's. Pure.

use crate::decode::is_printed;
use arrow::datatypes::{DataType, Field, TimeUnit};
use portico_provider_api::{RemoteColumn, ScalarType};

/// Where Flight SQL has a column's type name at the server, its greatest length, and a remark.
const TYPE_NAME: &str = "ARROW:FLIGHT:SQL:TYPE_NAME";
const PRECISION: &str = "ARROW:FLIGHT:SQL:PRECISION";
const REMARKS: &str = "ARROW:FLIGHT:SQL:REMARKS";
/// Where Arrow has the name of an extension type.
const EXTENSION: &str = "ARROW:extension:name";
/// What stands between the Arrow type and the published one in the native type of a column that only readers see in that form.
const PUBLISHED_AS: &str = " as ";

/// The column that a field is published as.
pub fn column(field: &Field, is_gateway: bool) -> RemoteColumn {
    let metadata = |key: &str| field.metadata().get(key).filter(|text| !text.is_empty());
    let (scalar_type, compared) = published(field, is_gateway, metadata(TYPE_NAME).map(String::as_str));
    let native = field.data_type();
    let sized = matches!(scalar_type, ScalarType::Text | ScalarType::Binary) && compared;
    RemoteColumn {
        description: metadata(REMARKS).cloned(),
        native_type: if compared { native.to_string() } else { format!("{native}{PUBLISHED_AS}{scalar_type}") },
        max_length: metadata(PRECISION).filter(|_| sized).and_then(|text| text.parse().ok()).filter(|length| *length > 0),
        ..RemoteColumn::plain(field.name(), scalar_type, field.is_nullable())
    }
}

/// Whether conditions on a column of a native type are evaluated by the server.
pub fn is_compared(native_type: &str) -> bool {
    !native_type.contains(PUBLISHED_AS)
}

/// The type that readers see, and whether the server's own values are those that they see, so that it can compare them.
fn published(field: &Field, is_gateway: bool, type_name: Option<&str>) -> (ScalarType, bool) {
    let extension = field.metadata().get(EXTENSION).map(String::as_str);
    match (field.data_type(), extension, type_name) {
        // A gateway like this one says which of its texts are more than that.
        (DataType::Utf8, _, Some("guid")) if is_gateway => (ScalarType::Guid, true),
        (DataType::Utf8, _, Some("json")) if is_gateway => (ScalarType::Json, true),
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, Some("arrow.json"), _) => (ScalarType::Json, false),
        (DataType::FixedSizeBinary(16), Some("arrow.uuid"), _) => (ScalarType::Guid, false),
        (data_type, _, _) => of_arrow(data_type),
    }
}

fn of_arrow(data_type: &DataType) -> (ScalarType, bool) {
    match data_type {
        DataType::Int8 | DataType::UInt8 => (ScalarType::Int16, true),
        DataType::UInt16 => (ScalarType::Int32, true),
        DataType::UInt32 => (ScalarType::Int64, true),
        DataType::UInt64 => (ScalarType::Decimal { precision: 20, scale: 0 }, false),
        DataType::Float16 => (ScalarType::Float32, false),
        DataType::LargeUtf8 | DataType::Utf8View => (ScalarType::Text, true),
        DataType::LargeBinary | DataType::BinaryView => (ScalarType::Binary, true),
        DataType::FixedSizeBinary(_) => (ScalarType::Binary, false),
        DataType::Date64 => (ScalarType::Date, false),
        DataType::Time32(_) | DataType::Time64(TimeUnit::Nanosecond) => (ScalarType::Time, false),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => (ScalarType::TimestampTz, true),
        DataType::Timestamp(_, Some(_)) => (ScalarType::TimestampTz, false),
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Nanosecond, None) => (ScalarType::Timestamp, false),
        DataType::Dictionary(_, inner) if !is_printed(inner) => of_arrow(inner),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) if *scale >= 0 => {
            (ScalarType::Decimal { precision: *precision, scale: *scale }, true)
        }
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) if *scale < 0 => {
            (ScalarType::Decimal { precision: 76, scale: 0 }, false)
        }
        // What is nothing but nulls has any type, and everything else its text.
        other => ScalarType::from_arrow(other).map_or((ScalarType::Text, false), |scalar_type| (scalar_type, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::Arc;

    fn of(data_type: DataType, metadata: &[(&str, &str)], is_gateway: bool) -> (String, String, Option<u32>) {
        let metadata: HashMap<_, _> = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let column = column(&Field::new("c", data_type, true).with_metadata(metadata), is_gateway);
        (column.scalar_type.to_string(), column.native_type, column.max_length)
    }

    #[test]
    fn every_arrow_type_is_published() {
        let plain = |data_type| {
            let (scalar_type, native_type, _) = of(data_type, &[], false);
            format!("{scalar_type} {}", if is_compared(&native_type) { "compared" } else { "read" })
        };
        assert_eq!(plain(DataType::Int64), "int64 compared");
        assert_eq!(plain(DataType::UInt64), "decimal(20,0) read");
        assert_eq!(plain(DataType::Utf8View), "text compared");
        assert_eq!(plain(DataType::Timestamp(TimeUnit::Nanosecond, None)), "timestamp read");
        assert_eq!(plain(DataType::Timestamp(TimeUnit::Microsecond, Some("+02:00".into()))), "timestamptz compared");
        assert_eq!(plain(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))), "text compared");
        assert_eq!(plain(DataType::List(Arc::new(Field::new("item", DataType::Int32, true)))), "text read");
        assert_eq!(plain(DataType::Decimal128(10, -2)), "decimal(76,0) read");
    }

    #[test]
    fn metadata_says_more() {
        let guid = [(TYPE_NAME, "guid")];
        assert_eq!(of(DataType::Utf8, &guid, true).0, "guid");
        assert_eq!(of(DataType::Utf8, &guid, false).0, "text");
        assert_eq!(of(DataType::Utf8, &[(TYPE_NAME, "text"), (PRECISION, "80")], true), ("text".into(), "Utf8".into(), Some(80)));
        assert_eq!(of(DataType::FixedSizeBinary(16), &[(EXTENSION, "arrow.uuid")], false).0, "guid");
    }
}
