//! Values of the IR and scalars of DataFusion, both ways. Exact, or refused.

use datafusion::common::ScalarValue;
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};

/// The IR value of a scalar. `Guid` and `Json` come out as text: only the column they are compared with knows better.
///
/// # Errors
/// When the IR has no such type.
pub fn value_from_scalar(scalar: &ScalarValue) -> Result<Value, String> {
    let unknown = || format!("values of type {} cannot be sent to a source", scalar.data_type());
    if scalar.is_null() {
        return ScalarType::from_arrow(&scalar.data_type()).map(Value::Null).ok_or_else(unknown);
    }
    Ok(match scalar {
        ScalarValue::Boolean(Some(value)) => Value::Boolean(*value),
        ScalarValue::Int8(Some(value)) => Value::Int16(i16::from(*value)),
        ScalarValue::Int16(Some(value)) => Value::Int16(*value),
        ScalarValue::Int32(Some(value)) => Value::Int32(*value),
        ScalarValue::Int64(Some(value)) => Value::Int64(*value),
        ScalarValue::Float32(Some(value)) => Value::Float32(Float(f64::from(*value))),
        ScalarValue::Float64(Some(value)) => Value::float64(*value),
        ScalarValue::Decimal128(Some(unscaled), precision, scale) => {
            Value::Decimal { unscaled: (*unscaled).into(), precision: *precision, scale: *scale }
        }
        ScalarValue::Decimal256(Some(unscaled), precision, scale) => {
            Value::Decimal { unscaled: *unscaled, precision: *precision, scale: *scale }
        }
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => Value::text(text),
        ScalarValue::Binary(Some(bytes)) | ScalarValue::LargeBinary(Some(bytes)) | ScalarValue::BinaryView(Some(bytes)) => {
            Value::Binary(bytes.clone())
        }
        ScalarValue::Date32(Some(days)) => Value::Date(*days),
        ScalarValue::Time64Microsecond(Some(micros)) => Value::Time(*micros),
        ScalarValue::TimestampMicrosecond(Some(micros), None) => Value::Timestamp(*micros),
        ScalarValue::TimestampMicrosecond(Some(micros), Some(zone)) if zone.as_ref() == "UTC" => Value::TimestampTz(*micros),
        ScalarValue::Dictionary(_, inner) => value_from_scalar(inner)?,
        _ => return Err(unknown()),
    })
}

/// The scalar of an IR value, of exactly the Arrow type of its scalar type.
pub fn scalar_from_value(value: &Value) -> ScalarValue {
    match value {
        Value::Null(scalar_type) => ScalarValue::try_from(&scalar_type.arrow()).unwrap_or(ScalarValue::Null),
        Value::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        Value::Int16(value) => ScalarValue::Int16(Some(*value)),
        Value::Int32(value) => ScalarValue::Int32(Some(*value)),
        Value::Int64(value) => ScalarValue::Int64(Some(*value)),
        // A single is held as a double that is exactly it.
        Value::Float32(value) => ScalarValue::Float32(Some(value.0 as f32)),
        Value::Float64(value) => ScalarValue::Float64(Some(value.0)),
        Value::Decimal { unscaled, precision, scale } => match unscaled.to_i128() {
            Some(unscaled) if *precision <= 38 => ScalarValue::Decimal128(Some(unscaled), *precision, *scale),
            _ => ScalarValue::Decimal256(Some(*unscaled), *precision, *scale),
        },
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Binary(bytes) => ScalarValue::Binary(Some(bytes.clone())),
        Value::Date(days) => ScalarValue::Date32(Some(*days)),
        Value::Time(micros) => ScalarValue::Time64Microsecond(Some(*micros)),
        Value::Timestamp(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), None),
        Value::TimestampTz(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), Some("UTC".into())),
    }
}

/// The value as one of a column's type, where text stands for a GUID or a JSON document; `None` when the text is not the
/// canonical one (then no stored value equals it, and it must not be compared as if it were).
pub fn typed_as(value: Value, scalar_type: ScalarType) -> Option<Value> {
    match (value, scalar_type) {
        (Value::Text(text), ScalarType::Guid) => is_canonical_guid(&text).then_some(Value::Guid(text)),
        (Value::Text(text), ScalarType::Json) => Some(Value::Json(text)),
        (Value::Null(ScalarType::Text), ScalarType::Guid | ScalarType::Json) => Some(Value::Null(scalar_type)),
        (value, _) => Some(value),
    }
}

/// A key as a value of the type of the column that it is looked up in, where the two sides of a join or relationship have different
/// types. The inner `None` is a key that cannot occur in the column; the outer, types that have nothing to do with each other.
#[expect(clippy::option_option, reason = "a key that cannot occur is left out; types that do not fit give the whole set up")]
pub fn value_as(key: &ScalarValue, scalar_type: ScalarType) -> Option<Option<Value>> {
    let value = value_from_scalar(key).ok()?;
    let own = value.scalar_type();
    if own == scalar_type || (own == ScalarType::Text && matches!(scalar_type, ScalarType::Guid | ScalarType::Json)) {
        return Some(typed_as(value, scalar_type));
    }
    let exact = |scalar_type: ScalarType| scalar_type.is_numeric() && !matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64);
    if !exact(own) || !exact(scalar_type) {
        return None;
    }
    let narrowed = key.cast_to(&scalar_type.arrow()).ok().filter(|cast| !cast.is_null());
    let same = narrowed.filter(|cast| cast.cast_to(&key.data_type()).is_ok_and(|back| back == *key));
    Some(same.and_then(|cast| value_from_scalar(&cast).ok()))
}

/// Whether a text is a GUID in the canonical form: 8-4-4-4-12 hexadecimal digits, lower case.
pub fn is_canonical_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// Whether every source can say a value. Dates before year 1 and after 9999, which arise where an inequality of years becomes one of dates,
/// lie beyond what some can hold, and each has limits of its own.
pub fn is_of_our_era(value: &Value) -> bool {
    const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;
    const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;
    match value {
        Value::Date(days) => DAYS.contains(&i64::from(*days)),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => DAYS.contains(&micros.div_euclid(MICROSECONDS_PER_DAY)),
        _ => true,
    }
}

/// Whether nothing but an answer depends on the value. NaN and the two zeros of floats are compared in ways of their own, truth values are
/// conditions by themselves, a document is none that is compared, and not every source can say every date.
pub fn can_be_parameter(value: &Value) -> bool {
    match value {
        Value::Null(_) | Value::Boolean(_) | Value::Float32(_) | Value::Float64(_) | Value::Json(_) => false,
        Value::Date(_) | Value::Timestamp(_) | Value::TimestampTz(_) => is_of_our_era(value),
        Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Decimal { .. }
        | Value::Text(_)
        | Value::Binary(_)
        | Value::Time(_)
        | Value::Guid(_) => true,
    }
}
