//! From SQLite's values to the IR's, exactly. SQLite lets any column hold anything: what does not fit its declared type is an error
//! that names the column, never a null or another value. It must not know connections.

use crate::decimal_key;
use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder,
    Float64Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};
use portico_provider_sql::{ResultColumn, Stored, decode, rescale};
use rusqlite::types::ValueRef;

/// SQLite's name for the class of a stored value.
fn class(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "null",
        ValueRef::Integer(_) => "an integer",
        ValueRef::Real(_) => "a real number",
        ValueRef::Text(_) => "text",
        ValueRef::Blob(_) => "a blob",
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "the stored text is not UTF-8".to_owned())
}

/// A value as codecs see it.
pub(crate) fn stored(value: ValueRef<'_>) -> Result<Stored<'_>, String> {
    Ok(match value {
        ValueRef::Null => Stored::Null,
        ValueRef::Integer(number) => Stored::Integer(number),
        ValueRef::Real(number) => Stored::Float(number),
        ValueRef::Text(bytes) => Stored::Text(text(bytes)?),
        ValueRef::Blob(bytes) => Stored::Bytes(bytes),
    })
}

/// A value in the dialect's own form of a type: what computed columns hold, and plain columns without a codec.
pub(crate) fn canonical(scalar_type: ScalarType, value: ValueRef<'_>) -> Result<Value, String> {
    let mismatch = || format!("a {scalar_type} is declared, {} is stored", class(value));
    let too_large = || format!("the stored integer does not fit {scalar_type}");
    if value == ValueRef::Null {
        return Ok(Value::Null(scalar_type));
    }
    Ok(match (scalar_type, value) {
        (ScalarType::Boolean, ValueRef::Integer(number @ (0 | 1))) => Value::Boolean(number == 1),
        (ScalarType::Int16, ValueRef::Integer(number)) => Value::Int16(number.try_into().map_err(|_| too_large())?),
        (ScalarType::Int32, ValueRef::Integer(number)) => Value::Int32(number.try_into().map_err(|_| too_large())?),
        (ScalarType::Int64, ValueRef::Integer(number)) => Value::Int64(number),
        (ScalarType::Float64, ValueRef::Real(number)) => Value::float64(number),
        (ScalarType::Float32, ValueRef::Real(number)) => {
            single(number).ok_or_else(|| "the stored number does not fit float32".to_owned())?
        }
        // A view's expression may yield an integer where its column yields reals.
        (ScalarType::Float64, ValueRef::Integer(number)) if number.unsigned_abs() <= 1 << 53 => Value::float64(number as f64),
        (ScalarType::Float32, ValueRef::Integer(number)) if number.unsigned_abs() <= 1 << 24 => Value::Float32(Float(number as f64)),
        (ScalarType::Decimal { precision, scale }, ValueRef::Blob(key)) => {
            let digits = decimal_key::decode(key).ok_or_else(mismatch)?;
            let unscaled = rescale(digits, precision, scale).ok_or_else(|| format!("the number does not fit {scalar_type}"))?;
            Value::Decimal { unscaled, precision, scale }
        }
        (ScalarType::Text, ValueRef::Text(bytes)) => Value::Text(text(bytes)?.to_owned()),
        (ScalarType::Binary, ValueRef::Blob(bytes)) => Value::Binary(bytes.to_vec()),
        (ScalarType::Date, ValueRef::Integer(number)) => Value::Date(number.try_into().map_err(|_| too_large())?),
        (ScalarType::Time, ValueRef::Integer(number)) => Value::Time(number),
        (ScalarType::Timestamp, ValueRef::Integer(number)) => Value::Timestamp(number),
        (ScalarType::TimestampTz, ValueRef::Integer(number)) => Value::TimestampTz(number),
        (ScalarType::Guid, ValueRef::Text(_)) => decode(portico_provider_api::Codec::GuidText, scalar_type, stored(value)?)?,
        (ScalarType::Json, ValueRef::Text(bytes)) => Value::Json(text(bytes)?.to_owned()),
        // A column declared JSON has numeric affinity: a document that is a number is stored as one.
        (ScalarType::Json, ValueRef::Integer(number)) => Value::Json(number.to_string()),
        (ScalarType::Json, ValueRef::Real(number)) if number.is_finite() => Value::Json(number.to_string()),
        _ => return Err(mismatch()),
    })
}

fn single(number: f64) -> Option<Value> {
    (f64::from(number as f32) == number).then_some(Value::Float32(Float(number)))
}

/// One cell of an answer.
pub(crate) fn cell(column: &ResultColumn, value: ValueRef<'_>) -> Result<Value, String> {
    let decoded = match column.codec {
        Some(codec) => stored(value).and_then(|stored| decode(codec, column.scalar_type, stored)),
        None => canonical(column.scalar_type, value),
    };
    let name = || column.origin.as_deref().unwrap_or(&column.name).to_owned();
    match decoded {
        Ok(value) if value.is_null() && !column.nullable => Err(format!("column '{}': null where no null is declared", name())),
        Ok(value) => Ok(value),
        Err(reason) => Err(format!("column '{}': {reason}", name())),
    }
}

/// Collects the cells of one column.
pub(crate) enum ColumnBuilder {
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
    ($builder:expr, $inner:ident => $body:expr) => {
        match $builder {
            ColumnBuilder::Boolean($inner) => $body,
            ColumnBuilder::Int16($inner) => $body,
            ColumnBuilder::Int32($inner) => $body,
            ColumnBuilder::Int64($inner) => $body,
            ColumnBuilder::Float32($inner) => $body,
            ColumnBuilder::Float64($inner) => $body,
            ColumnBuilder::Decimal128($inner) => $body,
            ColumnBuilder::Decimal256($inner) => $body,
            ColumnBuilder::Text($inner) => $body,
            ColumnBuilder::Binary($inner) => $body,
            ColumnBuilder::Date($inner) => $body,
            ColumnBuilder::Time($inner) => $body,
            ColumnBuilder::Timestamp($inner) => $body,
        }
    };
}

impl ColumnBuilder {
    pub(crate) fn new(scalar_type: ScalarType) -> ColumnBuilder {
        match scalar_type {
            ScalarType::Boolean => ColumnBuilder::Boolean(BooleanBuilder::new()),
            ScalarType::Int16 => ColumnBuilder::Int16(Int16Builder::new()),
            ScalarType::Int32 => ColumnBuilder::Int32(Int32Builder::new()),
            ScalarType::Int64 => ColumnBuilder::Int64(Int64Builder::new()),
            ScalarType::Float32 => ColumnBuilder::Float32(Float32Builder::new()),
            ScalarType::Float64 => ColumnBuilder::Float64(Float64Builder::new()),
            ScalarType::Decimal { precision, .. } if precision <= 38 => {
                ColumnBuilder::Decimal128(Decimal128Builder::new().with_data_type(scalar_type.arrow()))
            }
            ScalarType::Decimal { .. } => ColumnBuilder::Decimal256(Decimal256Builder::new().with_data_type(scalar_type.arrow())),
            ScalarType::Text | ScalarType::Guid | ScalarType::Json => ColumnBuilder::Text(StringBuilder::new()),
            ScalarType::Binary => ColumnBuilder::Binary(BinaryBuilder::new()),
            ScalarType::Date => ColumnBuilder::Date(Date32Builder::new()),
            ScalarType::Time => ColumnBuilder::Time(Time64MicrosecondBuilder::new()),
            ScalarType::Timestamp | ScalarType::TimestampTz => {
                ColumnBuilder::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(scalar_type.arrow()))
            }
        }
    }

    /// Adds a cell and says how many bytes it takes, roughly.
    pub(crate) fn append(&mut self, column: &ResultColumn, value: ValueRef<'_>) -> Result<usize, String> {
        // The two commonest cases need no value of their own.
        if let (ColumnBuilder::Text(builder), None, ScalarType::Text, ValueRef::Text(bytes)) =
            (&mut *self, column.codec, column.scalar_type, value)
        {
            let checked =
                text(bytes).map_err(|reason| format!("column '{}': {reason}", column.origin.as_deref().unwrap_or(&column.name)))?;
            builder.append_value(checked);
            return Ok(bytes.len() + 4);
        }
        if let (ColumnBuilder::Int64(builder), None, ValueRef::Integer(number)) = (&mut *self, column.codec, value) {
            builder.append_value(number);
            return Ok(8);
        }
        self.append_value(cell(column, value)?)
    }

    fn append_value(&mut self, value: Value) -> Result<usize, String> {
        match (&mut *self, value) {
            (builder, Value::Null(_)) => {
                each!(builder, inner => inner.append_null());
                return Ok(8);
            }
            (ColumnBuilder::Boolean(builder), Value::Boolean(value)) => builder.append_value(value),
            (ColumnBuilder::Int16(builder), Value::Int16(value)) => builder.append_value(value),
            (ColumnBuilder::Int32(builder), Value::Int32(value)) => builder.append_value(value),
            (ColumnBuilder::Int64(builder), Value::Int64(value)) => builder.append_value(value),
            (ColumnBuilder::Float32(builder), Value::Float32(value)) => builder.append_value(value.0 as f32),
            (ColumnBuilder::Float64(builder), Value::Float64(value)) => builder.append_value(value.0),
            (ColumnBuilder::Decimal128(builder), Value::Decimal { unscaled, .. }) => {
                builder.append_value(unscaled.to_i128().ok_or("a decimal does not fit 38 digits")?);
                return Ok(16);
            }
            (ColumnBuilder::Decimal256(builder), Value::Decimal { unscaled, .. }) => {
                builder.append_value(unscaled);
                return Ok(32);
            }
            (ColumnBuilder::Text(builder), Value::Text(value) | Value::Guid(value) | Value::Json(value)) => {
                builder.append_value(&value);
                return Ok(value.len() + 4);
            }
            (ColumnBuilder::Binary(builder), Value::Binary(value)) => {
                builder.append_value(&value);
                return Ok(value.len() + 4);
            }
            (ColumnBuilder::Date(builder), Value::Date(value)) => builder.append_value(value),
            (ColumnBuilder::Time(builder), Value::Time(value)) => builder.append_value(value),
            (ColumnBuilder::Timestamp(builder), Value::Timestamp(value) | Value::TimestampTz(value)) => builder.append_value(value),
            (_, value) => return Err(format!("a {} came where another type was promised", value.scalar_type())),
        }
        Ok(8)
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        each!(self, inner => ArrayBuilder::finish(inner))
    }
}
