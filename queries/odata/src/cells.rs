//! Cells of Arrow arrays as values. It must not know what they are wanted for.

use crate::edm;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{self as types, DataType, i256};
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};

/// A text cell, in any of Arrow's layouts.
pub(crate) fn text(array: &dyn Array, row: usize) -> Option<&str> {
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string_opt::<i32>()?.value(row),
        DataType::LargeUtf8 => array.as_string_opt::<i64>()?.value(row),
        DataType::Utf8View => array.as_string_view_opt()?.value(row),
        _ => return None,
    })
}

/// A cell as a value of a type; `None` when the array holds another type. A null is `Value::Null`.
pub(crate) fn value(array: &dyn Array, row: usize, scalar_type: ScalarType) -> Option<Value> {
    if array.is_null(row) {
        return Some(Value::Null(scalar_type));
    }
    Some(match scalar_type {
        ScalarType::Boolean => Value::Boolean(array.as_boolean_opt()?.value(row)),
        ScalarType::Int16 => Value::Int16(array.as_primitive_opt::<types::Int16Type>()?.value(row)),
        ScalarType::Int32 => Value::Int32(array.as_primitive_opt::<types::Int32Type>()?.value(row)),
        ScalarType::Int64 => Value::Int64(array.as_primitive_opt::<types::Int64Type>()?.value(row)),
        ScalarType::Float32 => Value::Float32(Float(array.as_primitive_opt::<types::Float32Type>()?.value(row).into())),
        ScalarType::Float64 => Value::float64(array.as_primitive_opt::<types::Float64Type>()?.value(row)),
        ScalarType::Decimal { precision, scale } => {
            let unscaled = match array.data_type() {
                DataType::Decimal128(_, found) if *found == scale => {
                    i256::from_i128(array.as_primitive_opt::<types::Decimal128Type>()?.value(row))
                }
                DataType::Decimal256(_, found) if *found == scale => array.as_primitive_opt::<types::Decimal256Type>()?.value(row),
                _ => return None,
            };
            Value::Decimal { unscaled, precision, scale }
        }
        ScalarType::Text => Value::text(text(array, row)?),
        ScalarType::Json => Value::Json(text(array, row)?.to_owned()),
        ScalarType::Guid => edm::guid(text(array, row)?)?,
        ScalarType::Binary => Value::Binary(match array.data_type() {
            DataType::Binary => array.as_binary_opt::<i32>()?.value(row).to_vec(),
            DataType::LargeBinary => array.as_binary_opt::<i64>()?.value(row).to_vec(),
            DataType::BinaryView => array.as_binary_view_opt()?.value(row).to_vec(),
            _ => return None,
        }),
        ScalarType::Date => Value::Date(array.as_primitive_opt::<types::Date32Type>()?.value(row)),
        ScalarType::Time => Value::Time(array.as_primitive_opt::<types::Time64MicrosecondType>()?.value(row)),
        ScalarType::Timestamp => Value::Timestamp(array.as_primitive_opt::<types::TimestampMicrosecondType>()?.value(row)),
        ScalarType::TimestampTz => Value::TimestampTz(array.as_primitive_opt::<types::TimestampMicrosecondType>()?.value(row)),
    })
}
