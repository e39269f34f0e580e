//! A scalar value of the IR: literal, parameter, key or cell. Plain data with total equality and hashing.

use crate::types::ScalarType;
use arrow::datatypes::i256;
use serde::{Deserialize, Serialize};

/// A double whose equality and hash are those of its bits, so that a query can be a cache key.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Float(#[serde(with = "float_bits")] pub f64);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
impl Eq for Float {}
impl std::hash::Hash for Float {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

mod float_bits {
    use serde::{Deserialize, Deserializer, Serializer};
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.to_bits())
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

mod digits {
    use arrow::datatypes::i256;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    pub(super) fn serialize<S: Serializer>(value: &i256, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i256, D::Error> {
        let text = String::deserialize(deserializer)?;
        i256::from_string(&text).ok_or_else(|| D::Error::custom("not a 256-bit integer"))
    }
}

/// One scalar value. `Null` carries its type, so that every value has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// The null of a type.
    Null(ScalarType),
    /// Boolean.
    Boolean(bool),
    /// 16-bit integer.
    Int16(i16),
    /// 32-bit integer.
    Int32(i32),
    /// 64-bit integer.
    Int64(i64),
    /// Single; held as a double, exactly.
    Float32(Float),
    /// Double.
    Float64(Float),
    /// Decimal: value = `unscaled` / 10^`scale`.
    Decimal {
        /// The digits without the point.
        #[serde(with = "digits")]
        unscaled: i256,
        /// Digits in all, 1 to 76.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since the epoch, zone-less.
    Timestamp(i64),
    /// Microseconds since the epoch, UTC.
    TimestampTz(i64),
    /// Canonical lower-case text of a GUID.
    Guid(String),
    /// JSON text.
    Json(String),
}

impl Value {
    /// A double.
    pub fn float64(value: f64) -> Value {
        Value::Float64(Float(value))
    }

    /// A text value.
    pub fn text(value: impl Into<String>) -> Value {
        Value::Text(value.into())
    }

    /// Some value of a type, not null, that every source can say: for requests that are only shown, or whose values come later.
    pub fn example(scalar_type: ScalarType) -> Value {
        match scalar_type {
            ScalarType::Boolean => Value::Boolean(true),
            ScalarType::Int16 => Value::Int16(1),
            ScalarType::Int32 => Value::Int32(1),
            ScalarType::Int64 => Value::Int64(1),
            ScalarType::Float32 => Value::Float32(Float(1.0)),
            ScalarType::Float64 => Value::float64(1.0),
            ScalarType::Decimal { precision, scale } => Value::Decimal { unscaled: i256::ONE, precision, scale },
            ScalarType::Text => Value::text("a"),
            ScalarType::Binary => Value::Binary(vec![0]),
            ScalarType::Date => Value::Date(0),
            ScalarType::Time => Value::Time(0),
            ScalarType::Timestamp => Value::Timestamp(0),
            ScalarType::TimestampTz => Value::TimestampTz(0),
            ScalarType::Guid => Value::Guid("00000000-0000-0000-0000-000000000000".to_owned()),
            ScalarType::Json => Value::Json("null".to_owned()),
        }
    }

    /// The value of an integer of any width; nothing for any other value.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Int16(value) => Some(i64::from(*value)),
            Value::Int32(value) => Some(i64::from(*value)),
            Value::Int64(value) => Some(*value),
            Value::Null(_)
            | Value::Boolean(_)
            | Value::Float32(_)
            | Value::Float64(_)
            | Value::Decimal { .. }
            | Value::Text(_)
            | Value::Binary(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Timestamp(_)
            | Value::TimestampTz(_)
            | Value::Guid(_)
            | Value::Json(_) => None,
        }
    }

    /// Whether it is a float that is no number.
    pub fn is_nan(&self) -> bool {
        matches!(self, Value::Float32(Float(number)) | Value::Float64(Float(number)) if number.is_nan())
    }

    /// The type of this value.
    pub fn scalar_type(&self) -> ScalarType {
        match self {
            Value::Null(scalar_type) => *scalar_type,
            Value::Boolean(_) => ScalarType::Boolean,
            Value::Int16(_) => ScalarType::Int16,
            Value::Int32(_) => ScalarType::Int32,
            Value::Int64(_) => ScalarType::Int64,
            Value::Float32(_) => ScalarType::Float32,
            Value::Float64(_) => ScalarType::Float64,
            Value::Decimal { precision, scale, .. } => ScalarType::Decimal { precision: *precision, scale: *scale },
            Value::Text(_) => ScalarType::Text,
            Value::Binary(_) => ScalarType::Binary,
            Value::Date(_) => ScalarType::Date,
            Value::Time(_) => ScalarType::Time,
            Value::Timestamp(_) => ScalarType::Timestamp,
            Value::TimestampTz(_) => ScalarType::TimestampTz,
            Value::Guid(_) => ScalarType::Guid,
            Value::Json(_) => ScalarType::Json,
        }
    }

    /// True for the null of any type.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null(_))
    }
}
