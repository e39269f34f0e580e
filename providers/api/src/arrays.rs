//! Conversions between [`Value`]s and Arrow arrays. It knows how each [`ScalarType`] is carried in Arrow and nothing of queries.

use crate::evaluate::EvaluateError;
use crate::types::ScalarType;
use crate::value::{Float, Value};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, Schema, Time64MicrosecondType,
    TimestampMicrosecondType, i256,
};
use std::sync::Arc;

/// The value of one cell, as the given type.
///
/// # Errors
/// When the array does not have the Arrow type of `scalar_type`, or `row` lies outside it.
pub fn value_at(array: &dyn Array, row: usize, scalar_type: ScalarType) -> Result<Value, EvaluateError> {
    if row >= array.len() {
        return Err(EvaluateError::Invalid(format!("row {row} is outside an array of {} rows", array.len())));
    }
    if array.is_null(row) {
        return if array.data_type() == &scalar_type.arrow() { Ok(Value::Null(scalar_type)) } else { Err(mismatch(array, scalar_type)) };
    }
    cell(array, row, scalar_type).ok_or_else(|| mismatch(array, scalar_type))
}

fn mismatch(array: &dyn Array, scalar_type: ScalarType) -> EvaluateError {
    EvaluateError::Invalid(format!("a column of type {scalar_type} came as Arrow type {}", array.data_type()))
}

/// The non-null cell; `None` when the array is of another type.
fn cell(array: &dyn Array, row: usize, scalar_type: ScalarType) -> Option<Value> {
    Some(match scalar_type {
        ScalarType::Boolean => Value::Boolean(array.as_boolean_opt()?.value(row)),
        ScalarType::Int16 => Value::Int16(array.as_primitive_opt::<Int16Type>()?.value(row)),
        ScalarType::Int32 => Value::Int32(array.as_primitive_opt::<Int32Type>()?.value(row)),
        ScalarType::Int64 => Value::Int64(array.as_primitive_opt::<Int64Type>()?.value(row)),
        ScalarType::Float32 => Value::Float32(Float(f64::from(array.as_primitive_opt::<Float32Type>()?.value(row)))),
        ScalarType::Float64 => Value::Float64(Float(array.as_primitive_opt::<Float64Type>()?.value(row))),
        ScalarType::Decimal { precision, scale } => {
            if array.data_type() != &scalar_type.arrow() {
                return None;
            }
            let unscaled = if precision <= 38 {
                i256::from_i128(array.as_primitive_opt::<Decimal128Type>()?.value(row))
            } else {
                array.as_primitive_opt::<Decimal256Type>()?.value(row)
            };
            Value::Decimal { unscaled, precision, scale }
        }
        ScalarType::Text => Value::Text(array.as_string_opt::<i32>()?.value(row).to_owned()),
        ScalarType::Guid => Value::Guid(array.as_string_opt::<i32>()?.value(row).to_owned()),
        ScalarType::Json => Value::Json(array.as_string_opt::<i32>()?.value(row).to_owned()),
        ScalarType::Binary => Value::Binary(array.as_binary_opt::<i32>()?.value(row).to_vec()),
        ScalarType::Date => Value::Date(array.as_primitive_opt::<Date32Type>()?.value(row)),
        ScalarType::Time => Value::Time(array.as_primitive_opt::<Time64MicrosecondType>()?.value(row)),
        ScalarType::Timestamp | ScalarType::TimestampTz => {
            if array.data_type() != &scalar_type.arrow() {
                return None;
            }
            let micros = array.as_primitive_opt::<TimestampMicrosecondType>()?.value(row);
            if scalar_type == ScalarType::Timestamp { Value::Timestamp(micros) } else { Value::TimestampTz(micros) }
        }
    })
}

/// An array of the given type. Nulls of any type are null; a decimal of another scale is taken when it fits exactly.
///
/// # Errors
/// Names the first value that is not of the type.
pub fn array_from_values(scalar_type: ScalarType, values: &[Value]) -> Result<ArrayRef, EvaluateError> {
    macro_rules! collect {
        ($array:ty, $($pattern:pat => $result:expr),+) => {
            Arc::new(values.iter().map(|value| match value {
                Value::Null(_) => Ok(None),
                $($pattern => Ok(Some($result)),)+
                other => Err(misfit(scalar_type, other)),
            }).collect::<Result<$array, EvaluateError>>()?) as ArrayRef
        };
    }
    Ok(match scalar_type {
        ScalarType::Boolean => collect!(BooleanArray, Value::Boolean(value) => *value),
        ScalarType::Int16 => collect!(Int16Array, Value::Int16(value) => *value),
        ScalarType::Int32 => collect!(Int32Array, Value::Int32(value) => *value),
        ScalarType::Int64 => collect!(Int64Array, Value::Int64(value) => *value),
        // A Float32 value is held as the double that equals it, so the conversion is exact.
        ScalarType::Float32 => collect!(Float32Array, Value::Float32(value) => value.0 as f32),
        ScalarType::Float64 => collect!(Float64Array, Value::Float64(value) => value.0),
        ScalarType::Text => collect!(StringArray, Value::Text(value) => value.as_str()),
        ScalarType::Guid => collect!(StringArray, Value::Guid(value) => value.as_str()),
        ScalarType::Json => collect!(StringArray, Value::Json(value) => value.as_str()),
        ScalarType::Binary => collect!(BinaryArray, Value::Binary(value) => value.as_slice()),
        ScalarType::Date => collect!(Date32Array, Value::Date(value) => *value),
        ScalarType::Time => collect!(Time64MicrosecondArray, Value::Time(value) => *value),
        ScalarType::Timestamp => collect!(TimestampMicrosecondArray, Value::Timestamp(value) => *value),
        ScalarType::TimestampTz => {
            let utc = values.iter().map(|value| match value {
                Value::Null(_) => Ok(None),
                Value::TimestampTz(value) => Ok(Some(*value)),
                other => Err(misfit(scalar_type, other)),
            });
            Arc::new(utc.collect::<Result<TimestampMicrosecondArray, EvaluateError>>()?.with_timezone("UTC"))
        }
        ScalarType::Decimal { precision, scale } => decimals(precision, scale, values)?,
    })
}

fn misfit(scalar_type: ScalarType, value: &Value) -> EvaluateError {
    EvaluateError::Invalid(format!("a value of type {} does not belong into a column of type {scalar_type}", value.scalar_type()))
}

fn decimals(precision: u8, scale: i8, values: &[Value]) -> Result<ArrayRef, EvaluateError> {
    let scalar_type = ScalarType::Decimal { precision, scale };
    let unscaled = values.iter().map(|value| match value {
        Value::Null(_) => Ok(None),
        Value::Decimal { unscaled, scale: own, .. } => {
            crate::evaluate::decimal::rescale_exactly(*unscaled, *own, precision, scale).map(Some)
        }
        other => Err(misfit(scalar_type, other)),
    });
    let unscaled = unscaled.collect::<Result<Vec<Option<i256>>, EvaluateError>>()?;
    let invalid = |error: arrow::error::ArrowError| EvaluateError::Invalid(error.to_string());
    if precision <= 38 {
        let narrow = unscaled.into_iter().map(|value| value.and_then(i256::to_i128)).collect::<Decimal128Array>();
        return Ok(Arc::new(narrow.with_precision_and_scale(precision, scale).map_err(invalid)?));
    }
    let wide = unscaled.into_iter().collect::<Decimal256Array>();
    Ok(Arc::new(wide.with_precision_and_scale(precision, scale).map_err(invalid)?))
}

/// One row of a batch, every column read as the type given for it.
///
/// # Errors
/// When the batch has another number of columns or other types.
pub fn row_at(batch: &RecordBatch, row: usize, types: &[ScalarType]) -> Result<Vec<Value>, EvaluateError> {
    if batch.num_columns() != types.len() {
        return Err(EvaluateError::Invalid(format!("a batch has {} columns instead of {}", batch.num_columns(), types.len())));
    }
    batch.columns().iter().zip(types).map(|(array, scalar_type)| value_at(array, row, *scalar_type)).collect()
}

/// A batch of the given named columns from rows of values.
///
/// # Errors
/// When a row has another length than `columns`, or a value does not fit its column.
pub fn batch_from_rows(columns: &[(String, ScalarType, bool)], rows: &[Vec<Value>]) -> Result<RecordBatch, EvaluateError> {
    if let Some(row) = rows.iter().find(|row| row.len() != columns.len()) {
        return Err(EvaluateError::Invalid(format!("a row has {} values instead of {}", row.len(), columns.len())));
    }
    let fields: Vec<_> = columns.iter().map(|(name, scalar_type, nullable)| scalar_type.field(name, *nullable)).collect();
    let arrays = columns.iter().enumerate().map(|(index, (_, scalar_type, _))| {
        let values: Vec<Value> = rows.iter().filter_map(|row| row.get(index).cloned()).collect();
        array_from_values(*scalar_type, &values)
    });
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|error| EvaluateError::Invalid(error.to_string()))
}
