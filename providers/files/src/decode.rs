//! Columns that hold values of another type than readers see: dates in text, truth values in numbers. Pure.

use crate::layout::Layout;
use crate::problem::Problem;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use portico_provider_api::arrays::{array_from_values, value_at};
use portico_provider_api::evaluate::cast_value;
use portico_provider_api::{Codec, ScalarType, TableRelation, Value};
use portico_provider_sql::{Stored, decode};
use std::sync::Arc;

/// Rows as a relation declares them: where it has no other types than the file, the rows themselves. `place` says where a row stands.
///
/// # Errors
/// Names the row and column of which a stored value does not decode; never with the value.
pub(crate) fn as_declared(
    batch: RecordBatch,
    relation: &TableRelation,
    layout: &Layout,
    place: &dyn Fn(usize) -> String,
) -> Result<RecordBatch, Problem> {
    let own = |name: &str| layout.position(name).and_then(|at| layout.columns.get(at)).map(|column| column.reading.scalar_type);
    let held = relation.columns.iter().filter(|column| column.codec.is_some() || own(&column.name) != Some(column.scalar_type));
    let held: Vec<_> = held.collect();
    if held.is_empty() {
        return Ok(batch);
    }
    let (mut arrays, mut fields) = (batch.columns().to_vec(), batch.schema().fields().to_vec());
    for column in held {
        let (Some(at), Some(own)) = (batch.schema().index_of(&column.name).ok(), own(&column.name)) else { continue };
        let Some(array) = batch.columns().get(at) else { continue };
        let values = (0..array.len()).map(|row| {
            let wrong = |reason: String| Problem::malformed(format!("{}, column '{}': {reason}", place(row), column.name));
            let value = value_at(array.as_ref(), row, own).map_err(|error| Problem::evaluation(&error))?;
            let value = match column.codec {
                Some(codec) => decoded(codec, column.scalar_type, &value).map_err(wrong)?,
                None => cast_value(&value, column.scalar_type).map_err(|_| wrong(format!("the value is no {}", column.scalar_type)))?,
            };
            if value.is_null() && !column.nullable { Err(wrong("null where no null is declared".to_owned())) } else { Ok(value) }
        });
        let values = values.collect::<Result<Vec<_>, Problem>>()?;
        let array = array_from_values(column.scalar_type, &values).map_err(|error| Problem::evaluation(&error))?;
        if let (Some(place), Some(field)) = (arrays.get_mut(at), fields.get_mut(at)) {
            *place = array;
            *field = Arc::new(column.scalar_type.field(&column.name, column.nullable));
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    batch.map_err(|error| Problem::malformed(format!("table '{}': {error}", relation.table)))
}

/// The value that a stored one stands for.
fn decoded(codec: Codec, scalar_type: ScalarType, value: &Value) -> Result<Value, String> {
    let stored = match value {
        Value::Null(_) => Stored::Null,
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => Stored::Text(text),
        Value::Int16(number) => Stored::Integer((*number).into()),
        Value::Int32(number) => Stored::Integer((*number).into()),
        Value::Int64(number) => Stored::Integer(*number),
        Value::Boolean(flag) => Stored::Integer((*flag).into()),
        Value::Float32(number) | Value::Float64(number) => Stored::Float(number.0),
        Value::Binary(bytes) => Stored::Bytes(bytes),
        Value::Decimal { .. } | Value::Date(_) | Value::Time(_) | Value::Timestamp(_) | Value::TimestampTz(_) => {
            return Err(format!("a value of type {} holds no other", value.scalar_type()));
        }
    };
    decode(codec, scalar_type, stored)
}
