//! PostgreSQL's binary values to Arrow builders. Pure. It must not know statements or connections.
//! A value that the promised type cannot hold exactly is an error, never rounded, cut or replaced.

use crate::encode::{EPOCH_DAYS, EPOCH_MICROS, is_textual};
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::i256;
use portico_provider_api::arrays::array_from_values;
use portico_provider_api::{Codec, ScalarType, Value};
use portico_provider_sql::Stored;
use std::sync::Arc;
use tokio_postgres::types::Type;

/// The raw bytes of one cell.
#[derive(Debug, Clone, Copy)]
pub struct RawCell<'a>(pub &'a [u8]);

impl<'a> tokio_postgres::types::FromSql<'a> for RawCell<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(RawCell(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// How a cell is laid out on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Boolean,
    Integer,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    /// `char(n)`: padded with blanks that are no part of the value.
    Padded,
    Json,
    Jsonb,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
}

impl Wire {
    fn of(ty: &Type) -> Option<Wire> {
        Some(match *ty {
            Type::BOOL => Wire::Boolean,
            Type::INT2 | Type::INT4 | Type::INT8 => Wire::Integer,
            Type::OID => Wire::Oid,
            Type::FLOAT4 => Wire::Float4,
            Type::FLOAT8 => Wire::Float8,
            Type::NUMERIC => Wire::Numeric,
            Type::BPCHAR => Wire::Padded,
            Type::JSON => Wire::Json,
            Type::JSONB => Wire::Jsonb,
            Type::BYTEA => Wire::Bytes,
            Type::DATE => Wire::Date,
            Type::TIME => Wire::Time,
            Type::TIMESTAMP => Wire::Timestamp,
            Type::TIMESTAMPTZ => Wire::TimestampTz,
            Type::UUID => Wire::Uuid,
            _ if is_textual(ty) => Wire::Text,
            _ => return None,
        })
    }

    fn fits(self, target: ScalarType) -> bool {
        match target {
            ScalarType::Boolean => self == Wire::Boolean,
            ScalarType::Int16 | ScalarType::Int32 => self == Wire::Integer,
            ScalarType::Int64 => matches!(self, Wire::Integer | Wire::Oid),
            ScalarType::Float32 => self == Wire::Float4,
            ScalarType::Float64 => self == Wire::Float8,
            ScalarType::Decimal { .. } => self == Wire::Numeric,
            ScalarType::Text => matches!(self, Wire::Text | Wire::Padded),
            ScalarType::Binary => self == Wire::Bytes,
            ScalarType::Date => self == Wire::Date,
            ScalarType::Time => self == Wire::Time,
            ScalarType::Timestamp => self == Wire::Timestamp,
            ScalarType::TimestampTz => self == Wire::TimestampTz,
            ScalarType::Guid => self == Wire::Uuid,
            ScalarType::Json => matches!(self, Wire::Json | Wire::Jsonb | Wire::Text),
        }
    }
}

#[derive(Debug)]
enum Builder {
    Boolean(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal128(Decimal128Builder, u8, i8),
    Decimal256(Decimal256Builder, u8, i8),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    /// Values that are held in another form than their type's own.
    Coded(Codec, ScalarType, Vec<Value>),
}

impl Builder {
    fn new(scalar_type: ScalarType) -> Builder {
        match scalar_type {
            ScalarType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            ScalarType::Int16 => Builder::Int16(Int16Builder::new()),
            ScalarType::Int32 => Builder::Int32(Int32Builder::new()),
            ScalarType::Int64 => Builder::Int64(Int64Builder::new()),
            ScalarType::Float32 => Builder::Float32(Float32Builder::new()),
            ScalarType::Float64 => Builder::Float64(Float64Builder::new()),
            ScalarType::Decimal { precision, scale } if precision <= 38 => {
                Builder::Decimal128(Decimal128Builder::new().with_data_type(scalar_type.arrow()), precision, scale)
            }
            ScalarType::Decimal { precision, scale } => {
                Builder::Decimal256(Decimal256Builder::new().with_data_type(scalar_type.arrow()), precision, scale)
            }
            ScalarType::Text | ScalarType::Guid | ScalarType::Json => Builder::Text(StringBuilder::new()),
            ScalarType::Binary => Builder::Binary(BinaryBuilder::new()),
            ScalarType::Date => Builder::Date(Date32Builder::new()),
            ScalarType::Time => Builder::Time(Time64MicrosecondBuilder::new()),
            ScalarType::Timestamp | ScalarType::TimestampTz => {
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(scalar_type.arrow()))
            }
        }
    }
}

/// Collects the cells of one result column.
#[derive(Debug)]
pub struct ColumnDecoder {
    wire: Wire,
    builder: Builder,
}

impl ColumnDecoder {
    /// A decoder from what the server sends to what was promised; `None` when the two do not fit.
    pub fn new(ty: &Type, scalar_type: ScalarType, codec: Option<Codec>) -> Option<ColumnDecoder> {
        let wire = Wire::of(ty)?;
        if let Some(codec) = codec {
            let stored = matches!(wire, Wire::Text | Wire::Padded | Wire::Integer | Wire::Numeric | Wire::Bytes | Wire::Float8);
            return stored.then(|| ColumnDecoder { wire, builder: Builder::Coded(codec, scalar_type, Vec::new()) });
        }
        wire.fits(scalar_type).then(|| ColumnDecoder { wire, builder: Builder::new(scalar_type) })
    }

    /// Adds a cell.
    ///
    /// # Errors
    /// Says what is wrong with the cell, without its value.
    pub fn append(&mut self, cell: Option<&[u8]>) -> Result<(), String> {
        match cell {
            None => self.append_null(),
            Some(raw) => self.append_value(raw)?,
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match &mut self.builder {
            Builder::Boolean(builder) => builder.append_null(),
            Builder::Int16(builder) => builder.append_null(),
            Builder::Int32(builder) => builder.append_null(),
            Builder::Int64(builder) => builder.append_null(),
            Builder::Float32(builder) => builder.append_null(),
            Builder::Float64(builder) => builder.append_null(),
            Builder::Decimal128(builder, ..) => builder.append_null(),
            Builder::Decimal256(builder, ..) => builder.append_null(),
            Builder::Text(builder) => builder.append_null(),
            Builder::Binary(builder) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Time(builder) => builder.append_null(),
            Builder::Timestamp(builder) => builder.append_null(),
            Builder::Coded(_, scalar_type, values) => values.push(Value::Null(*scalar_type)),
        }
    }

    fn append_value(&mut self, raw: &[u8]) -> Result<(), String> {
        let narrow = || "holds an integer that is outside the promised range".to_owned();
        match &mut self.builder {
            Builder::Boolean(builder) => builder.append_value(fixed::<1>(raw)? != [0]),
            Builder::Int16(builder) => builder.append_value(i16::try_from(integer(self.wire, raw)?).map_err(|_| narrow())?),
            Builder::Int32(builder) => builder.append_value(i32::try_from(integer(self.wire, raw)?).map_err(|_| narrow())?),
            Builder::Int64(builder) => builder.append_value(integer(self.wire, raw)?),
            Builder::Float32(builder) => builder.append_value(f32::from_be_bytes(fixed(raw)?)),
            Builder::Float64(builder) => builder.append_value(f64::from_be_bytes(fixed(raw)?)),
            Builder::Decimal128(builder, precision, scale) => {
                let unscaled = within(numeric_unscaled(raw, *scale)?, *precision, *scale)?;
                builder.append_value(unscaled.to_i128().ok_or_else(|| too_large(*precision, *scale))?);
            }
            Builder::Decimal256(builder, precision, scale) => {
                builder.append_value(within(numeric_unscaled(raw, *scale)?, *precision, *scale)?);
            }
            Builder::Text(builder) => append_text(builder, self.wire, raw)?,
            Builder::Binary(builder) => builder.append_value(raw),
            Builder::Date(builder) => builder.append_value(date(raw)?),
            Builder::Time(builder) => builder.append_value(time(raw)?),
            Builder::Timestamp(builder) => builder.append_value(timestamp(raw)?),
            Builder::Coded(codec, scalar_type, values) => values.push(coded(*codec, *scalar_type, self.wire, raw)?),
        }
        Ok(())
    }

    /// The column so far; the decoder is empty afterwards.
    ///
    /// # Errors
    /// When values held in another form do not make an array of their type.
    pub fn finish(&mut self) -> Result<ArrayRef, String> {
        Ok(match &mut self.builder {
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Int16(builder) => Arc::new(builder.finish()),
            Builder::Int32(builder) => Arc::new(builder.finish()),
            Builder::Int64(builder) => Arc::new(builder.finish()),
            Builder::Float32(builder) => Arc::new(builder.finish()),
            Builder::Float64(builder) => Arc::new(builder.finish()),
            Builder::Decimal128(builder, ..) => Arc::new(builder.finish()),
            Builder::Decimal256(builder, ..) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Binary(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) => Arc::new(builder.finish()),
            Builder::Coded(_, scalar_type, values) => {
                array_from_values(*scalar_type, &std::mem::take(values)).map_err(|error| error.to_string())?
            }
        })
    }
}

fn coded(codec: Codec, scalar_type: ScalarType, wire: Wire, raw: &[u8]) -> Result<Value, String> {
    let stored = match wire {
        Wire::Integer => Stored::Integer(integer(wire, raw)?),
        Wire::Float8 => Stored::Float(f64::from_be_bytes(fixed(raw)?)),
        Wire::Numeric => match numeric_unscaled(raw, 0)?.to_i128().and_then(|number| i64::try_from(number).ok()) {
            Some(number) => Stored::Integer(number),
            None => return Err("holds a number that is out of range".to_owned()),
        },
        Wire::Bytes => Stored::Bytes(raw),
        _ => Stored::Text(text(wire, raw)?),
    };
    portico_provider_sql::decode(codec, scalar_type, stored)
}

fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], String> {
    raw.try_into().map_err(|_| format!("holds a value of {} bytes where {N} were promised", raw.len()))
}

fn integer(wire: Wire, raw: &[u8]) -> Result<i64, String> {
    Ok(match raw.len() {
        2 => i64::from(i16::from_be_bytes(fixed(raw)?)),
        4 if wire == Wire::Oid => i64::from(u32::from_be_bytes(fixed(raw)?)),
        4 => i64::from(i32::from_be_bytes(fixed(raw)?)),
        _ => i64::from_be_bytes(fixed(raw)?),
    })
}

fn append_text(builder: &mut StringBuilder, wire: Wire, raw: &[u8]) -> Result<(), String> {
    if wire == Wire::Uuid {
        builder.append_value(guid_text(fixed(raw)?));
        return Ok(());
    }
    builder.append_value(text(wire, raw)?);
    Ok(())
}

fn text(wire: Wire, raw: &[u8]) -> Result<&str, String> {
    let raw = match (wire, raw.split_first()) {
        (Wire::Jsonb, Some((1, rest))) => rest,
        (Wire::Jsonb, _) => return Err("holds a jsonb value of an unknown version".to_owned()),
        _ => raw,
    };
    let text = std::str::from_utf8(raw).map_err(|_| "holds text that is not UTF-8".to_owned())?;
    Ok(if wire == Wire::Padded { text.trim_end_matches(' ') } else { text })
}

/// The canonical lower-case text of a GUID.
fn guid_text(bytes: [u8; 16]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn date(raw: &[u8]) -> Result<i32, String> {
    match i32::from_be_bytes(fixed(raw)?) {
        i32::MIN | i32::MAX => Err("holds an infinite date, which has no value in days".to_owned()),
        days => days.checked_add(EPOCH_DAYS).ok_or_else(|| "holds a date out of range".to_owned()),
    }
}

fn time(raw: &[u8]) -> Result<i64, String> {
    match i64::from_be_bytes(fixed(raw)?) {
        micros @ 0..86_400_000_000 => Ok(micros),
        _ => Err("holds the time 24:00:00, which is not a time of day".to_owned()),
    }
}

fn timestamp(raw: &[u8]) -> Result<i64, String> {
    match i64::from_be_bytes(fixed(raw)?) {
        i64::MIN | i64::MAX => Err("holds an infinite timestamp, which has no value in microseconds".to_owned()),
        micros => micros.checked_add(EPOCH_MICROS).ok_or_else(|| "holds a timestamp out of range".to_owned()),
    }
}

fn too_large(precision: u8, scale: i8) -> String {
    format!("holds a number that does not fit decimal({precision},{scale})")
}

fn within(unscaled: i256, precision: u8, scale: i8) -> Result<i256, String> {
    let limit = i256::from_i128(10).wrapping_pow(u32::from(precision));
    if unscaled < limit && unscaled > limit.wrapping_neg() { Ok(unscaled) } else { Err(too_large(precision, scale)) }
}

/// The digits of a numeric at a scale: the value times 10^scale, exactly.
///
/// # Errors
/// For NaN and the infinities, for more digits after the point than the scale has, and for what 256 bits cannot hold.
pub fn numeric_unscaled(raw: &[u8], scale: i8) -> Result<i256, String> {
    let (header, groups) = raw.split_at_checked(8).ok_or_else(|| "holds a number that is cut short".to_owned())?;
    let word = |at: usize| i16::from_be_bytes([header[at], header[at + 1]]);
    let (count, weight, sign) = (word(0), word(2), word(4) as u16);
    match sign {
        0 | 0x4000 => {}
        0xC000 => return Err("holds the number NaN, which a decimal cannot".to_owned()),
        _ => return Err("holds an infinite number, which a decimal cannot".to_owned()),
    }
    if groups.len() != usize::from(count.unsigned_abs()) * 2 {
        return Err("holds a number that is cut short".to_owned());
    }
    let mut groups: Vec<i16> = groups.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect();
    while groups.last() == Some(&0) {
        groups.pop();
    }
    // The power of ten of the last group's unit, counted in units of the wanted scale.
    let exponent = 4 * (i32::from(weight) - groups.len() as i32 + 1) + i32::from(scale);
    let unsigned = match small_mantissa(&groups, exponent) {
        Some(value) => i256::from_i128(value),
        None => large_mantissa(&groups, exponent)?,
    };
    Ok(if sign == 0x4000 { unsigned.wrapping_neg() } else { unsigned })
}

/// The common case in 128 bits; `None` sends it to the general one, which also finds the errors.
fn small_mantissa(groups: &[i16], exponent: i32) -> Option<i128> {
    let mut mantissa = 0i128;
    for group in groups {
        mantissa = mantissa.checked_mul(10_000)?.checked_add(i128::from(*group))?;
    }
    let power = 10i128.checked_pow(exponent.unsigned_abs())?;
    if exponent >= 0 { mantissa.checked_mul(power) } else { (mantissa % power == 0).then_some(mantissa / power) }
}

fn large_mantissa(groups: &[i16], exponent: i32) -> Result<i256, String> {
    if groups.is_empty() {
        return Ok(i256::ZERO);
    }
    let overflow = || "holds a number of more digits than a decimal can have".to_owned();
    let lossy = || "holds a number with more digits after the point than the column's type has".to_owned();
    // The last group is not zero and has at most three trailing zeros: a finer step than that loses digits.
    let (mut groups, mut exponent) = (groups.to_vec(), exponent);
    let mut divide = 1i16;
    if exponent < 0 {
        if exponent < -3 {
            return Err(lossy());
        }
        divide = 10i16.pow(exponent.unsigned_abs());
        exponent = 0;
    }
    let last = groups.pop().unwrap_or_default();
    if last % divide != 0 {
        return Err(lossy());
    }
    let mut mantissa = i256::ZERO;
    let base = i256::from_i128(10_000);
    for group in &groups {
        mantissa =
            mantissa.checked_mul(base).and_then(|value| value.checked_add(i256::from_i128(i128::from(*group)))).ok_or_else(overflow)?;
    }
    let step = i256::from_i128(i128::from(10_000 / divide));
    mantissa =
        mantissa.checked_mul(step).and_then(|value| value.checked_add(i256::from_i128(i128::from(last / divide)))).ok_or_else(overflow)?;
    let power = u32::try_from(exponent).ok().and_then(|exponent| i256::from_i128(10).checked_pow(exponent)).ok_or_else(overflow)?;
    mantissa.checked_mul(power).ok_or_else(overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_are_errors() {
        let header = |sign: u16| [&[0u8, 0, 0, 0][..], &sign.to_be_bytes(), &[0, 0]].concat();
        assert!(numeric_unscaled(&header(0xC000), 2).unwrap_err().contains("NaN"));
        assert!(numeric_unscaled(&header(0xD000), 2).unwrap_err().contains("infinite"));
        // 0.001 at scale 2: one group, 10, of weight -1.
        let small = [0, 1, 0xff, 0xff, 0, 0, 0, 3, 0, 10];
        assert_eq!(numeric_unscaled(&small, 3), Ok(i256::from_i128(1)));
        assert!(numeric_unscaled(&small, 2).unwrap_err().contains("after the point"));
        // 1e400
        let large = [0, 1, 0, 100, 0, 0, 0, 0, 0, 1];
        assert!(numeric_unscaled(&large, 0).unwrap_err().contains("digits"));
        assert!(within(i256::from_i128(1000), 3, 0).is_err());
        assert!(within(i256::from_i128(-999), 3, 0).is_ok());
        assert!(numeric_unscaled(&small[..9], 3).is_err());
    }

    #[test]
    fn infinities_and_the_end_of_the_day_are_errors() {
        assert!(date(&i32::MAX.to_be_bytes()).is_err());
        assert!(timestamp(&i64::MIN.to_be_bytes()).is_err());
        assert!(timestamp(&(i64::MAX - 1).to_be_bytes()).is_err());
        assert!(time(&86_400_000_000i64.to_be_bytes()).is_err());
        assert_eq!(date(&0i32.to_be_bytes()), Ok(10_957));
    }

    #[test]
    fn what_the_server_sends_must_fit_what_was_promised() {
        assert!(ColumnDecoder::new(&Type::TEXT, ScalarType::Int32, None).is_none());
        assert!(ColumnDecoder::new(&Type::TIMESTAMP, ScalarType::TimestampTz, None).is_none());
        assert!(ColumnDecoder::new(&Type::INT4_ARRAY, ScalarType::Text, None).is_none());
        let mut narrow = ColumnDecoder::new(&Type::INT8, ScalarType::Int16, None).unwrap();
        assert!(narrow.append(Some(&70_000i64.to_be_bytes())).is_err());
    }
}
