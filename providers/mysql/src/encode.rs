//! Values as the protocol sends them. Pure. It must not know statements or connections.

use mysql_async::Value as Wire;
use portico_provider_api::Value;
use portico_provider_sql::{civil_from_days, format_decimal};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A bound value as it is sent.
///
/// # Errors
/// Says what the protocol cannot send; never with the value.
pub fn encode(value: Value) -> Result<Wire, String> {
    Ok(match value {
        Value::Null(_) => Wire::NULL,
        Value::Boolean(value) => Wire::Int(i64::from(value)),
        Value::Int16(value) => Wire::Int(i64::from(value)),
        Value::Int32(value) => Wire::Int(i64::from(value)),
        Value::Int64(value) => Wire::Int(value),
        // A single is a double exactly.
        Value::Float32(value) | Value::Float64(value) if value.0.is_finite() => Wire::Double(value.0),
        Value::Float32(_) | Value::Float64(_) => return Err("this source cannot hold not-a-number or an infinite number".to_owned()),
        Value::Decimal { unscaled, scale, .. } => Wire::Bytes(format_decimal(unscaled, scale).into_bytes()),
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => Wire::Bytes(text.into_bytes()),
        Value::Binary(bytes) => Wire::Bytes(bytes),
        Value::Date(days) => moment(i64::from(days), 0)?,
        Value::Time(micros) => {
            let (hour, minute, second, micros) = clock(micros);
            Wire::Time(false, 0, hour, minute, second, micros)
        }
        Value::Timestamp(micros) | Value::TimestampTz(micros) => {
            moment(micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY))?
        }
    })
}

/// Hour, minute, second and microseconds of a time of day.
fn clock(micros: i64) -> (u8, u8, u8, u32) {
    let seconds = micros / MICROS_PER_SECOND;
    let small = |value: i64| u8::try_from(value).unwrap_or_default();
    (small(seconds / 3600), small(seconds / 60 % 60), small(seconds % 60), u32::try_from(micros % MICROS_PER_SECOND).unwrap_or_default())
}

fn moment(days: i64, micros: i64) -> Result<Wire, String> {
    let (year, month, day) = civil_from_days(days);
    let year = u16::try_from(year).ok().filter(|year| *year <= 9999);
    let year = year.ok_or_else(|| "this source holds dates from year 0 to year 9999 only".to_owned())?;
    let (hour, minute, second, micros) = clock(micros);
    let small = |value: u32| u8::try_from(value).unwrap_or_default();
    Ok(Wire::Date(year, small(month), small(day), hour, minute, second, micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_1970_and_beyond_the_protocol() {
        assert_eq!(encode(Value::Timestamp(-1)), Ok(Wire::Date(1969, 12, 31, 23, 59, 59, 999_999)));
        assert_eq!(encode(Value::Date(-719_162)), Ok(Wire::Date(1, 1, 1, 0, 0, 0, 0)));
        assert!(encode(Value::Date(2_932_897)).is_err());
        assert!(encode(Value::Date(-800_000)).is_err());
        assert!(encode(Value::float64(f64::NAN)).is_err());
        assert_eq!(encode(Value::Time(86_399_999_999)), Ok(Wire::Time(false, 0, 23, 59, 59, 999_999)));
    }
}
