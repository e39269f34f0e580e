//! Parameters of prepared statements: the values that a client binds as one Arrow row. It must not know which the statement takes.

use crate::error::{Code, RequestError};
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use portico_provider_api::{ScalarType, Value, arrays};

/// The values of the one row that was bound.
///
/// # Errors
/// `InvalidRequest` for several rows or a type that has no value here.
pub fn values(batches: &[RecordBatch]) -> Result<Vec<Value>, RequestError> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let batch = batches.iter().find(|batch| batch.num_rows() > 0);
    let Some(batch) = batch.filter(|_| rows == 1) else {
        return Err(RequestError::new(Code::InvalidRequest, format!("a prepared query is bound to one row of parameters, not to {rows}")));
    };
    batch.columns().iter().enumerate().map(|(index, column)| value(index, column)).collect()
}

fn value(index: usize, column: &arrow::array::ArrayRef) -> Result<Value, RequestError> {
    let wrong = || {
        let message = format!("the parameter ${} has the Arrow type {}, which is not possible here", index + 1, column.data_type());
        RequestError::new(Code::InvalidRequest, message)
    };
    let carried = carried_as(column.data_type()).ok_or_else(wrong)?;
    let column = if *column.data_type() == carried { column.clone() } else { cast(column, &carried).map_err(|_| wrong())? };
    if carried == DataType::Null || column.is_null(0) {
        return Ok(Value::Null(ScalarType::from_arrow(&carried).unwrap_or(ScalarType::Text)));
    }
    let scalar_type = ScalarType::from_arrow(&carried).ok_or_else(wrong)?;
    arrays::value_at(column.as_ref(), 0, scalar_type).map_err(|_| wrong())
}

/// The Arrow type in which a value of another is carried without loss.
fn carried_as(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(TimeUnit::Nanosecond) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Dictionary(_, inner) => carried_as(inner)?,
        DataType::Null => DataType::Null,
        other => ScalarType::from_arrow(other).map(|_| other.clone())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int8Array, LargeStringArray, NullArray, TimestampSecondArray, UInt64Array};
    use std::sync::Arc;

    #[test]
    fn one_row_of_any_type_is_bound() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("1", Arc::new(Int8Array::from(vec![7]))),
            ("2", Arc::new(LargeStringArray::from(vec!["x"]))),
            ("3", Arc::new(UInt64Array::from(vec![None::<u64>]))),
            ("4", Arc::new(NullArray::new(1))),
            ("5", Arc::new(TimestampSecondArray::from(vec![2]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let bound = values(std::slice::from_ref(&batch)).unwrap();
        assert_eq!(bound[0], Value::Int16(7));
        assert_eq!(bound[1], Value::text("x"));
        assert!(bound[2].is_null() && bound[3].is_null());
        assert_eq!(bound[4], Value::Timestamp(2_000_000));
        assert!(values(&[batch.clone(), batch]).is_err() && values(&[]).is_err());
    }
}
