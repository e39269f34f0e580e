//! Values of the IR to PostgreSQL's binary parameter format. Pure. It must not know statements or connections:
//! the server says which type each parameter has, and a value that does not fit it is refused before anything is sent.

use bytes::{BufMut, BytesMut};
use portico_provider_api::Value;
use std::error::Error;
use std::fmt;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

/// Days from 1970-01-01 to 2000-01-01, from where PostgreSQL counts.
pub const EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A bound parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// One value.
    Value(Value),
    /// The values of one key column, bound as one array.
    Array(Vec<Value>),
}

/// Why a value cannot be sent. It names types, never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError(String);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Error for EncodeError {}

type Encoded = Result<IsNull, Box<dyn Error + Sync + Send>>;

fn refuse<T>(message: impl Into<String>) -> Result<T, Box<dyn Error + Sync + Send>> {
    Err(Box::new(EncodeError(message.into())))
}

impl ToSql for Bound {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Encoded {
        match self {
            Bound::Value(value) => encode(value, ty, out),
            Bound::Array(values) => encode_array(values, ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Whether a value fits is decided value by value: `encode` refuses what does not.
        true
    }

    to_sql_checked!();
}

fn encode_array(values: &[Value], ty: &Type, out: &mut BytesMut) -> Encoded {
    let Kind::Array(member) = ty.kind() else {
        return refuse(format!("a list cannot be sent as {ty}"));
    };
    let Ok(length) = i32::try_from(values.len()) else { return refuse("a list is too long") };
    out.put_i32(if values.is_empty() { 0 } else { 1 });
    out.put_i32(i32::from(values.iter().any(Value::is_null)));
    out.put_u32(member.oid());
    if values.is_empty() {
        return Ok(IsNull::No);
    }
    out.put_i32(length);
    out.put_i32(1);
    for value in values {
        let start = out.len();
        out.put_i32(-1);
        if let IsNull::No = encode(value, member, out)? {
            let Ok(size) = i32::try_from(out.len() - start - 4) else { return refuse("a value is too long") };
            out[start..start + 4].copy_from_slice(&size.to_be_bytes());
        }
    }
    Ok(IsNull::No)
}

fn encode(value: &Value, ty: &Type, out: &mut BytesMut) -> Encoded {
    if let Kind::Domain(base) = ty.kind() {
        return encode(value, base, out);
    }
    match value {
        Value::Null(_) => return Ok(IsNull::Yes),
        Value::Boolean(value) if *ty == Type::BOOL => out.put_u8(u8::from(*value)),
        Value::Int16(value) => encode_integer(i64::from(*value), ty, out)?,
        Value::Int32(value) => encode_integer(i64::from(*value), ty, out)?,
        Value::Int64(value) => encode_integer(*value, ty, out)?,
        Value::Float32(value) | Value::Float64(value) => encode_float(value.0, ty, out)?,
        Value::Decimal { unscaled, scale, .. } if *ty == Type::NUMERIC => {
            encode_numeric(&unscaled.to_string(), usize::from(scale.unsigned_abs()), out);
        }
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => encode_text(text, ty, out)?,
        Value::Binary(bytes) if *ty == Type::BYTEA => out.put_slice(bytes),
        Value::Date(days) if *ty == Type::DATE => match days.checked_sub(EPOCH_DAYS) {
            // The least integer stands for -infinity, which no date of the IR means.
            Some(days) if days != i32::MIN => out.put_i32(days),
            _ => return refuse("a date is outside PostgreSQL's range"),
        },
        Value::Time(micros) if *ty == Type::TIME => out.put_i64(*micros),
        Value::Timestamp(micros) if *ty == Type::TIMESTAMP => encode_timestamp(*micros, out)?,
        Value::TimestampTz(micros) if *ty == Type::TIMESTAMPTZ => encode_timestamp(*micros, out)?,
        Value::Boolean(_)
        | Value::Decimal { .. }
        | Value::Binary(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_) => return refuse(format!("a {} cannot be sent as {ty}", value.scalar_type())),
    }
    Ok(IsNull::No)
}

fn encode_integer(value: i64, ty: &Type, out: &mut BytesMut) -> Result<(), Box<dyn Error + Sync + Send>> {
    let out_of_range = || EncodeError(format!("an integer is outside the range of {ty}"));
    match *ty {
        Type::INT2 => out.put_i16(i16::try_from(value).map_err(|_| out_of_range())?),
        Type::INT4 => out.put_i32(i32::try_from(value).map_err(|_| out_of_range())?),
        Type::INT8 => out.put_i64(value),
        Type::OID => out.put_u32(u32::try_from(value).map_err(|_| out_of_range())?),
        Type::NUMERIC => encode_numeric(&value.to_string(), 0, out),
        _ => return refuse(format!("an integer cannot be sent as {ty}")),
    }
    Ok(())
}

fn encode_float(value: f64, ty: &Type, out: &mut BytesMut) -> Result<(), Box<dyn Error + Sync + Send>> {
    match *ty {
        Type::FLOAT8 => out.put_f64(value),
        Type::FLOAT4 => {
            let single = value as f32;
            // Sending a double as a single must not change what it is compared with.
            if f64::from(single) != value && !value.is_nan() {
                return refuse("a double cannot be sent as a single without loss");
            }
            out.put_f32(single);
        }
        _ => return refuse(format!("a floating-point number cannot be sent as {ty}")),
    }
    Ok(())
}

fn encode_timestamp(micros: i64, out: &mut BytesMut) -> Result<(), Box<dyn Error + Sync + Send>> {
    match micros.checked_sub(EPOCH_MICROS) {
        Some(micros) if micros != i64::MIN => out.put_i64(micros),
        _ => return refuse("a timestamp is outside PostgreSQL's range"),
    }
    Ok(())
}

fn encode_text(text: &str, ty: &Type, out: &mut BytesMut) -> Result<(), Box<dyn Error + Sync + Send>> {
    if *ty == Type::UUID {
        let Some(bytes) = parse_guid(text) else { return refuse("a text is not a GUID") };
        out.put_slice(&bytes);
        return Ok(());
    }
    if text.contains('\0') {
        return refuse("PostgreSQL's text cannot hold the character U+0000");
    }
    if *ty == Type::JSONB {
        out.put_u8(1);
    } else if !is_textual(ty) {
        return refuse(format!("a text cannot be sent as {ty}"));
    }
    out.put_slice(text.as_bytes());
    Ok(())
}

/// Whether the type's binary form is its text.
pub fn is_textual(ty: &Type) -> bool {
    matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON | Type::XML)
        || matches!(ty.kind(), Kind::Enum(_))
        || ty.name() == "citext"
}

fn parse_guid(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0u8; 16];
    let mut digits = text.bytes().filter(|byte| *byte != b'-');
    for byte in &mut bytes {
        let high = char::from(digits.next()?).to_digit(16)?;
        let low = char::from(digits.next()?).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    (digits.next().is_none() && text.len() == 36).then_some(bytes)
}

/// Writes a numeric: groups of four decimal digits, the first of weight 10000^weight. `digits` is the number without its point.
fn encode_numeric(digits: &str, scale: usize, out: &mut BytesMut) {
    let (negative, digits) = digits.strip_prefix('-').map_or((false, digits), |digits| (true, digits));
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let whole = format!("{whole:0>width$}", width = whole.len().next_multiple_of(4));
    let fraction = format!("{fraction:0<width$}", width = fraction.len().next_multiple_of(4));
    let mut groups: Vec<i16> = whole.as_bytes().chunks(4).chain(fraction.as_bytes().chunks(4)).map(group).collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let mut weight = whole.len() / 4;
    groups.drain(..leading);
    while groups.last() == Some(&0) {
        groups.pop();
    }
    // At most 77 digits: neither count can come near the limits of the wire's 16 bits.
    let first = if groups.is_empty() { 0 } else { weight as i16 - 1 - leading as i16 };
    weight = groups.len();
    out.put_i16(weight as i16);
    out.put_i16(first);
    out.put_u16(if negative && !groups.is_empty() { 0x4000 } else { 0 });
    out.put_u16(scale as u16);
    groups.into_iter().for_each(|group| out.put_i16(group));
}

fn group(digits: &[u8]) -> i16 {
    digits.iter().fold(0, |number, digit| number * 10 + i16::from(*digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::unscaled as numeric_unscaled;
    use arrow::datatypes::i256;

    fn bytes(value: Value, ty: &Type) -> Result<Vec<u8>, String> {
        let mut out = BytesMut::new();
        Bound::Value(value).to_sql(ty, &mut out).map_err(|error| error.to_string())?;
        Ok(out.to_vec())
    }

    #[test]
    fn numerics_survive_the_way_there_and_back() {
        for (text, scale) in [
            ("0", 0),
            ("0", 5),
            ("1", 0),
            ("-1", 18),
            ("12345", 2),
            ("100000000", 4),
            ("-99999999999999999999999999999999999999", 18),
            ("9999999999999999999999999999999999999999999999999999999999999999999999999999", 38),
            ("10", 1),
            ("1000000000000", 12),
        ] {
            let unscaled = i256::from_string(text).unwrap();
            let value = Value::Decimal { unscaled, precision: 76, scale };
            let wire = bytes(value, &Type::NUMERIC).unwrap();
            assert_eq!(numeric_unscaled(&wire, scale).unwrap(), unscaled, "{text} at {scale}");
        }
    }

    #[test]
    fn a_numeric_has_the_documented_bytes() {
        let value = Value::Decimal { unscaled: i256::from_i128(-1234567), precision: 9, scale: 2 };
        // -12345.67: groups 1, 2345, 6700; weight 1; negative; two digits shown.
        assert_eq!(bytes(value, &Type::NUMERIC).unwrap(), [0, 3, 0, 1, 0x40, 0, 0, 2, 0, 1, 0x09, 0x29, 0x1a, 0x2c]);
    }

    #[test]
    fn what_does_not_fit_is_refused_without_its_value() {
        assert!(bytes(Value::Int64(70_000), &Type::INT2).unwrap_err().contains("int2"));
        assert!(bytes(Value::text("secret\0"), &Type::TEXT).unwrap_err().contains("U+0000"));
        assert!(!bytes(Value::text("secret"), &Type::INT4).unwrap_err().contains("secret"));
        assert!(bytes(Value::Date(i32::MIN), &Type::DATE).is_err());
        assert!(bytes(Value::Timestamp(i64::MIN), &Type::TIMESTAMP).is_err());
        assert!(bytes(Value::float64(0.1), &Type::FLOAT4).is_err());
        assert!(bytes(Value::Guid("12".to_owned()), &Type::UUID).is_err());
    }
}
