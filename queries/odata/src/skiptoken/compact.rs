//! The bytes of a continuation: as few as its values need, because they travel in URLs and some clients send no long ones. It must not
//! know what the values are for. Reading never trusts lengths, though only bytes of our own making should get here.

use super::{QueryHash, SkipToken};
use arrow::datatypes::i256;
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};

/// The tag of a null; those of values are the tags of their types.
const NULL: u8 = 0;

/// The bytes of a token.
pub(super) fn write(token: &SkipToken) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(&token.query_hash.0);
    // `$top` is said as one more than it is, so that none is 0.
    number(token.remaining_top.map_or(0, |top| u128::from(top) + 1), &mut out);
    number(token.returned.into(), &mut out);
    number(token.skip.into(), &mut out);
    bytes(token.model_version.as_bytes(), &mut out);
    for value in &token.position {
        write_value(value, &mut out);
    }
    out
}

/// The token of bytes; `None` when they are not those of one.
pub(super) fn read(bytes: &[u8]) -> Option<SkipToken> {
    let mut reader = Reader(bytes);
    let query_hash = QueryHash(*reader.take(16)?.first_chunk::<16>()?);
    let remaining_top = match reader.number()? {
        0 => None,
        top => Some(u64::try_from(top - 1).ok()?),
    };
    let returned = u64::try_from(reader.number()?).ok()?;
    let skip = u64::try_from(reader.number()?).ok()?;
    let model_version = reader.text()?;
    let mut position = Vec::new();
    while !reader.0.is_empty() {
        position.push(reader.value()?);
    }
    Some(SkipToken { query_hash, position, remaining_top, returned, skip, model_version })
}

/// Seven bits per byte, the lowest first.
fn number(mut value: u128, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small magnitudes of either sign in few bytes.
fn signed(value: i64, out: &mut Vec<u8>) {
    number(u128::from(((value << 1) ^ (value >> 63)) as u64), out);
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    number(value.len() as u128, out);
    out.extend_from_slice(value);
}

fn write_type(scalar_type: ScalarType, out: &mut Vec<u8>) {
    out.push(match scalar_type {
        ScalarType::Boolean => 1,
        ScalarType::Int16 => 2,
        ScalarType::Int32 => 3,
        ScalarType::Int64 => 4,
        ScalarType::Float32 => 5,
        ScalarType::Float64 => 6,
        ScalarType::Decimal { .. } => 7,
        ScalarType::Text => 8,
        ScalarType::Binary => 9,
        ScalarType::Date => 10,
        ScalarType::Time => 11,
        ScalarType::Timestamp => 12,
        ScalarType::TimestampTz => 13,
        ScalarType::Guid => 14,
        ScalarType::Json => 15,
    });
    if let ScalarType::Decimal { precision, scale } = scalar_type {
        out.extend_from_slice(&[precision, scale.cast_unsigned()]);
    }
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    if let Value::Null(scalar_type) = value {
        out.push(NULL);
        return write_type(*scalar_type, out);
    }
    write_type(value.scalar_type(), out);
    match value {
        Value::Null(_) => {}
        Value::Boolean(value) => out.push((*value).into()),
        Value::Int16(value) => signed((*value).into(), out),
        Value::Int32(value) | Value::Date(value) => signed((*value).into(), out),
        Value::Int64(value) | Value::Time(value) | Value::Timestamp(value) | Value::TimestampTz(value) => signed(*value, out),
        Value::Float32(value) | Value::Float64(value) => out.extend_from_slice(&value.0.to_bits().to_be_bytes()),
        Value::Decimal { unscaled, .. } => {
            // Bytes that only repeat the sign are left out.
            let all = unscaled.to_be_bytes();
            let sign = if unscaled.is_negative() { 0xFF } else { 0 };
            let needed = all.iter().position(|byte| *byte != sign).unwrap_or(all.len()).saturating_sub(1);
            bytes(all.get(needed..).unwrap_or_default(), out);
        }
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => bytes(text.as_bytes(), out),
        Value::Binary(value) => bytes(value, out),
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u128> {
        let mut value = 0_u128;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = u64::try_from(self.number()?).ok()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        self.take(count)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn float(&mut self) -> Option<Float> {
        Some(Float(f64::from_bits(u64::from_be_bytes(*self.take(8)?.first_chunk::<8>()?))))
    }

    fn scalar_type(&mut self, tag: u8) -> Option<ScalarType> {
        Some(match tag {
            1 => ScalarType::Boolean,
            2 => ScalarType::Int16,
            3 => ScalarType::Int32,
            4 => ScalarType::Int64,
            5 => ScalarType::Float32,
            6 => ScalarType::Float64,
            7 => ScalarType::Decimal { precision: self.byte()?, scale: self.byte()?.cast_signed() },
            8 => ScalarType::Text,
            9 => ScalarType::Binary,
            10 => ScalarType::Date,
            11 => ScalarType::Time,
            12 => ScalarType::Timestamp,
            13 => ScalarType::TimestampTz,
            14 => ScalarType::Guid,
            15 => ScalarType::Json,
            _ => return None,
        })
    }

    fn value(&mut self) -> Option<Value> {
        let tag = self.byte()?;
        if tag == NULL {
            let tag = self.byte()?;
            return self.scalar_type(tag).map(Value::Null);
        }
        Some(match self.scalar_type(tag)? {
            ScalarType::Boolean => Value::Boolean(self.byte()? != 0),
            ScalarType::Int16 => Value::Int16(self.signed()?.try_into().ok()?),
            ScalarType::Int32 => Value::Int32(self.signed()?.try_into().ok()?),
            ScalarType::Int64 => Value::Int64(self.signed()?),
            ScalarType::Float32 => Value::Float32(self.float()?),
            ScalarType::Float64 => Value::Float64(self.float()?),
            ScalarType::Decimal { precision, scale } => {
                let given = self.bytes()?;
                let sign = if given.first().is_some_and(|byte| *byte >= 0x80) { 0xFF } else { 0 };
                let mut all = [sign; 32];
                all.get_mut(32_usize.checked_sub(given.len())?..)?.copy_from_slice(given);
                Value::Decimal { unscaled: i256::from_be_bytes(all), precision, scale }
            }
            ScalarType::Text => Value::Text(self.text()?),
            ScalarType::Binary => Value::Binary(self.bytes()?.to_vec()),
            ScalarType::Date => Value::Date(self.signed()?.try_into().ok()?),
            ScalarType::Time => Value::Time(self.signed()?),
            ScalarType::Timestamp => Value::Timestamp(self.signed()?),
            ScalarType::TimestampTz => Value::TimestampTz(self.signed()?),
            ScalarType::Guid => Value::Guid(self.text()?),
            ScalarType::Json => Value::Json(self.text()?),
        })
    }
}
