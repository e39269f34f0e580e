//! Values as they come, collected into the Arrow array of their type: for sources whose values are made one by one. It knows how each
//! [`ScalarType`] is carried in Arrow and nothing of queries.

use crate::types::ScalarType;
use crate::value::Value;
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use std::sync::Arc;

/// Bytes that a value of fixed width is counted with.
const FIXED: usize = 8;
/// Bytes that a value of any width is counted with, besides its own.
const OFFSET: usize = 4;

/// Collects the values of one column.
#[derive(Debug)]
pub struct ColumnBuilder {
    scalar_type: ScalarType,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Boolean(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal128(Decimal128Builder),
    Decimal256(Decimal256Builder),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
}

macro_rules! each {
    ($inner:expr, $builder:ident => $body:expr) => {
        match $inner {
            Inner::Boolean($builder) => $body,
            Inner::Int16($builder) => $body,
            Inner::Int32($builder) => $body,
            Inner::Int64($builder) => $body,
            Inner::Float32($builder) => $body,
            Inner::Float64($builder) => $body,
            Inner::Decimal128($builder) => $body,
            Inner::Decimal256($builder) => $body,
            Inner::Text($builder) => $body,
            Inner::Binary($builder) => $body,
            Inner::Date($builder) => $body,
            Inner::Time($builder) => $body,
            Inner::Timestamp($builder) => $body,
        }
    };
}

impl ColumnBuilder {
    /// For values of a type.
    pub fn new(scalar_type: ScalarType) -> ColumnBuilder {
        let arrow = scalar_type.arrow();
        let inner = match scalar_type {
            ScalarType::Boolean => Inner::Boolean(BooleanBuilder::new()),
            ScalarType::Int16 => Inner::Int16(Int16Builder::new()),
            ScalarType::Int32 => Inner::Int32(Int32Builder::new()),
            ScalarType::Int64 => Inner::Int64(Int64Builder::new()),
            ScalarType::Float32 => Inner::Float32(Float32Builder::new()),
            ScalarType::Float64 => Inner::Float64(Float64Builder::new()),
            ScalarType::Decimal { precision, .. } if precision <= 38 => Inner::Decimal128(Decimal128Builder::new().with_data_type(arrow)),
            ScalarType::Decimal { .. } => Inner::Decimal256(Decimal256Builder::new().with_data_type(arrow)),
            ScalarType::Text | ScalarType::Guid | ScalarType::Json => Inner::Text(StringBuilder::new()),
            ScalarType::Binary => Inner::Binary(BinaryBuilder::new()),
            ScalarType::Date => Inner::Date(Date32Builder::new()),
            ScalarType::Time => Inner::Time(Time64MicrosecondBuilder::new()),
            ScalarType::Timestamp | ScalarType::TimestampTz => Inner::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(arrow)),
        };
        ColumnBuilder { scalar_type, inner }
    }

    /// The type of its values.
    pub fn scalar_type(&self) -> ScalarType {
        self.scalar_type
    }

    /// Adds a value, or a null of any type, and tells how many bytes it takes, roughly.
    ///
    /// # Errors
    /// When the value is of another type; it says nothing of the value.
    pub fn append(&mut self, value: Value) -> Result<usize, String> {
        if value.is_null() {
            each!(&mut self.inner, builder => builder.append_null());
            return Ok(FIXED);
        }
        if value.scalar_type() != self.scalar_type {
            return Err(self.misfit());
        }
        match (&mut self.inner, value) {
            (Inner::Boolean(builder), Value::Boolean(value)) => builder.append_value(value),
            (Inner::Int16(builder), Value::Int16(value)) => builder.append_value(value),
            (Inner::Int32(builder), Value::Int32(value)) => builder.append_value(value),
            (Inner::Int64(builder), Value::Int64(value)) => builder.append_value(value),
            // A Float32 value is held as the double that equals it, so the conversion is exact.
            (Inner::Float32(builder), Value::Float32(value)) => builder.append_value(value.0 as f32),
            (Inner::Float64(builder), Value::Float64(value)) => builder.append_value(value.0),
            (Inner::Decimal128(builder), Value::Decimal { unscaled, .. }) => match unscaled.to_i128() {
                Some(unscaled) => builder.append_value(unscaled),
                None => return Err(self.misfit()),
            },
            (Inner::Decimal256(builder), Value::Decimal { unscaled, .. }) => builder.append_value(unscaled),
            (Inner::Text(_), Value::Text(value) | Value::Guid(value) | Value::Json(value)) => return self.append_text(&value),
            (Inner::Binary(builder), Value::Binary(value)) => {
                builder.append_value(&value);
                return Ok(value.len() + OFFSET);
            }
            (Inner::Date(builder), Value::Date(value)) => builder.append_value(value),
            (Inner::Time(builder), Value::Time(value)) => builder.append_value(value),
            (Inner::Timestamp(builder), Value::Timestamp(value) | Value::TimestampTz(value)) => builder.append_value(value),
            _ => return Err(self.misfit()),
        }
        Ok(FIXED)
    }

    /// The same for a text that nobody needs for himself.
    ///
    /// # Errors
    /// When the column is not carried as text.
    pub fn append_text(&mut self, text: &str) -> Result<usize, String> {
        let Inner::Text(builder) = &mut self.inner else { return Err(self.misfit()) };
        builder.append_value(text);
        Ok(text.len() + OFFSET)
    }

    /// The column so far; the builder is empty afterwards.
    pub fn finish(&mut self) -> ArrayRef {
        each!(&mut self.inner, builder => Arc::new(builder.finish()))
    }

    fn misfit(&self) -> String {
        format!("holds a value that does not fit {}", self.scalar_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrays::array_from_values;
    use crate::value::Float;

    fn decimal(unscaled: i128, precision: u8, scale: i8) -> Value {
        Value::Decimal { unscaled: arrow::datatypes::i256::from_i128(unscaled), precision, scale }
    }

    #[test]
    fn the_array_is_that_of_all_values_at_once() {
        let columns = [
            vec![Value::Boolean(true), Value::Null(ScalarType::Boolean)],
            vec![Value::Int16(-1)],
            vec![Value::Int32(-1)],
            vec![Value::Int64(i64::MIN)],
            vec![Value::Float32(Float(f64::from(0.1_f32)))],
            vec![Value::float64(-0.0)],
            vec![decimal(-125, 5, 2)],
            vec![decimal(125, 76, 2), Value::Null(ScalarType::Int16)],
            vec![Value::text("é"), Value::Null(ScalarType::Text)],
            vec![Value::Guid("00000000-0000-0000-0000-000000000001".to_owned())],
            vec![Value::Json("{}".to_owned())],
            vec![Value::Binary(vec![0])],
            vec![Value::Date(-1)],
            vec![Value::Time(1)],
            vec![Value::Timestamp(-1)],
            vec![Value::TimestampTz(-1)],
        ];
        for values in columns {
            let scalar_type = values[0].scalar_type();
            let mut builder = ColumnBuilder::new(scalar_type);
            for value in &values {
                assert!(builder.append(value.clone()).unwrap() > 0);
            }
            let array = builder.finish();
            assert_eq!(&array, &array_from_values(scalar_type, &values).unwrap());
            assert_eq!((array.data_type(), builder.finish().len()), (&scalar_type.arrow(), 0));
        }
    }

    #[test]
    fn what_is_of_another_type_is_refused() {
        for (scalar_type, value) in [
            (ScalarType::Int32, Value::Int64(1)),
            (ScalarType::Text, Value::Guid(String::new())),
            (ScalarType::Timestamp, Value::TimestampTz(0)),
            (ScalarType::Decimal { precision: 5, scale: 2 }, decimal(125, 5, 1)),
        ] {
            assert!(ColumnBuilder::new(scalar_type).append(value).is_err());
        }
        assert!(ColumnBuilder::new(ScalarType::Binary).append_text("x").is_err());
    }
}
