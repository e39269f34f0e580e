//! Conversions.

use super::decimal;
use crate::evaluate::{EvaluateError, cast_value};
use crate::types::ScalarType;
use crate::value::{Float, Value};

fn cast(value: Value, to: ScalarType) -> Result<Value, EvaluateError> {
    cast_value(&value, to)
}

fn fails(value: Value, to: ScalarType) -> bool {
    matches!(cast(value, to), Err(EvaluateError::Data(_)))
}

const MONEY: ScalarType = ScalarType::Decimal { precision: 5, scale: 2 };

#[test]
fn numbers() {
    assert_eq!(cast(Value::Int32(7), ScalarType::Int16), Ok(Value::Int16(7)));
    assert!(fails(Value::Int32(40_000), ScalarType::Int16));
    assert_eq!(cast(Value::float64(-1.9), ScalarType::Int32), Ok(Value::Int32(-1)));
    assert!(fails(Value::float64(f64::NAN), ScalarType::Int64));
    assert!(fails(Value::float64(9_223_372_036_854_775_808.0), ScalarType::Int64));
    assert_eq!(cast(Value::float64(-9_223_372_036_854_775_808.0), ScalarType::Int64), Ok(Value::Int64(i64::MIN)));
    assert_eq!(cast(decimal(-199, 5, 2), ScalarType::Int64), Ok(Value::Int64(-1)));
    assert_eq!(cast(Value::Int16(5), MONEY), Ok(decimal(500, 5, 2)));
    assert!(fails(Value::Int16(1000), MONEY));
    assert_eq!(cast(Value::float64(1.005), MONEY), Ok(decimal(101, 5, 2)));
    assert_eq!(cast(decimal(-1005, 4, 3), MONEY), Ok(decimal(-101, 5, 2)));
    assert!(fails(Value::float64(f64::INFINITY), MONEY));
    assert_eq!(cast(decimal(125, 5, 2), ScalarType::Float64), Ok(Value::float64(1.25)));
    assert!(fails(Value::float64(1e300), ScalarType::Float32));
    assert_eq!(cast(Value::float64(0.1), ScalarType::Float32), Ok(Value::Float32(Float(f64::from(0.1_f32)))));
    assert_eq!(cast(Value::Boolean(true), ScalarType::Int32), Ok(Value::Int32(1)));
    assert_eq!(cast(Value::Null(ScalarType::Text), MONEY), Ok(Value::Null(MONEY)));
}

#[test]
fn decimals_as_text() {
    for (unscaled, scale, written) in [(-1250, 2, "-12.50"), (5, 2, "0.05"), (-5, 2, "-0.05"), (0, 2, "0.00"), (7, 0, "7")] {
        assert_eq!(cast(decimal(unscaled, 5, scale), ScalarType::Text), Ok(Value::text(written)));
        let back = ScalarType::Decimal { precision: 5, scale };
        assert_eq!(cast(Value::text(written), back), Ok(decimal(unscaled, 5, scale)));
    }
    assert_eq!(cast(Value::text("1.005"), MONEY), Ok(decimal(101, 5, 2)));
    assert_eq!(cast(Value::text("1.25e2"), MONEY), Ok(decimal(12_500, 5, 2)));
    assert_eq!(cast(Value::text("0.004"), MONEY), Ok(decimal(0, 5, 2)));
    assert_eq!(cast(Value::text("0.0004"), MONEY), Ok(decimal(0, 5, 2)));
    assert_eq!(cast(Value::text("0.006"), MONEY), Ok(decimal(1, 5, 2)));
    for wrong in ["", ".", "-", "1,5", "abc", "1000", "999.995", "1e"] {
        assert!(fails(Value::text(wrong), MONEY), "{wrong:?}");
    }
}

#[test]
fn dates_and_times() {
    let micros = 1_709_208_000_123_456;
    assert_eq!(cast(Value::Timestamp(micros), ScalarType::Text), Ok(Value::text("2024-02-29T12:00:00.123456")));
    assert_eq!(cast(Value::text("2024-02-29 12:00:00.123456"), ScalarType::Timestamp), Ok(Value::Timestamp(micros)));
    assert_eq!(cast(Value::text("2024-02-29T14:30:00.123456+02:30"), ScalarType::TimestampTz), Ok(Value::TimestampTz(micros)));
    assert_eq!(cast(Value::TimestampTz(-1), ScalarType::Text), Ok(Value::text("1969-12-31T23:59:59.999999Z")));
    assert_eq!(cast(Value::Timestamp(-1), ScalarType::Date), Ok(Value::Date(-1)));
    assert_eq!(cast(Value::Date(-1), ScalarType::Timestamp), Ok(Value::Timestamp(-86_400_000_000)));
    assert_eq!(cast(Value::Date(-719_162), ScalarType::Text), Ok(Value::text("0001-01-01")));
    assert_eq!(cast(Value::Time(43_200_000_000), ScalarType::Text), Ok(Value::text("12:00:00")));
    assert_eq!(cast(Value::text("23:59:59.5"), ScalarType::Time), Ok(Value::Time(86_399_500_000)));
    for wrong in ["2023-02-29", "2024-2-9", "24-02-09", "", "2024-02-29x"] {
        assert!(fails(Value::text(wrong), ScalarType::Date), "{wrong:?}");
    }
    for wrong in ["24:00:00", "12:60:00", "12", "12:00:00.1234567"] {
        assert!(fails(Value::text(wrong), ScalarType::Time), "{wrong:?}");
    }
}

#[test]
fn texts() {
    assert_eq!(cast(Value::text("TRUE"), ScalarType::Boolean), Ok(Value::Boolean(true)));
    assert!(fails(Value::text("maybe"), ScalarType::Boolean));
    let guid = "00112233-4455-6677-8899-AABBCCDDEEFF";
    assert_eq!(cast(Value::text(guid), ScalarType::Guid), Ok(Value::Guid(guid.to_lowercase())));
    assert!(fails(Value::text("0011"), ScalarType::Guid));
    assert!(fails(Value::text("{"), ScalarType::Json));
    assert!(fails(Value::Binary(vec![0xff]), ScalarType::Text));
    assert!(matches!(cast(Value::Boolean(true), ScalarType::Date), Err(EvaluateError::Unsupported(_))));
}
