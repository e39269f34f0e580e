//! PostgreSQL's binary values to Arrow builders. Pure. It must not know statements or connections.
//! A value that the promised type cannot hold exactly is an error, never rounded, cut or replaced.

use crate::encode::{EPOCH_DAYS, EPOCH_MICROS, is_textual};
use crate::numeric;
use arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, i256};
use portico_provider_api::arrays::array_from_values;
use portico_provider_api::{Codec, ScalarType, Value};
use portico_provider_sql::Stored;
use std::sync::Arc;
use tokio_postgres::types::Type;

/// From this many rows on, a column is expected to go on as it began.
const MANY_ROWS: usize = 1_024;

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

/// What a decimal column can hold.
#[derive(Debug, Clone, Copy)]
struct Digits {
    precision: u8,
    scale: i8,
    /// 10^precision: every number lies below.
    limit: i256,
}

#[derive(Debug)]
enum Builder {
    Boolean(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal128(Decimal128Builder, Digits),
    Decimal256(Decimal256Builder, Digits),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    /// Values that are held in another form than their type's own.
    Coded(Codec, Vec<Value>),
}

impl Builder {
    /// A builder with room for that many values.
    fn new(scalar_type: ScalarType, rows: usize, bytes: usize) -> Builder {
        match scalar_type {
            ScalarType::Boolean => Builder::Boolean(BooleanBuilder::with_capacity(rows)),
            ScalarType::Int16 => Builder::Int16(Int16Builder::with_capacity(rows)),
            ScalarType::Int32 => Builder::Int32(Int32Builder::with_capacity(rows)),
            ScalarType::Int64 => Builder::Int64(Int64Builder::with_capacity(rows)),
            ScalarType::Float32 => Builder::Float32(Float32Builder::with_capacity(rows)),
            ScalarType::Float64 => Builder::Float64(Float64Builder::with_capacity(rows)),
            ScalarType::Decimal { precision, scale } => {
                let digits = Digits { precision, scale, limit: i256::from_i128(10).wrapping_pow(u32::from(precision)) };
                match scalar_type.arrow() {
                    DataType::Decimal128(..) => {
                        Builder::Decimal128(Decimal128Builder::with_capacity(rows).with_data_type(scalar_type.arrow()), digits)
                    }
                    _ => Builder::Decimal256(Decimal256Builder::with_capacity(rows).with_data_type(scalar_type.arrow()), digits),
                }
            }
            ScalarType::Text | ScalarType::Guid | ScalarType::Json => Builder::Text(StringBuilder::with_capacity(rows, bytes)),
            ScalarType::Binary => Builder::Binary(BinaryBuilder::with_capacity(rows, bytes)),
            ScalarType::Date => Builder::Date(Date32Builder::with_capacity(rows)),
            ScalarType::Time => Builder::Time(Time64MicrosecondBuilder::with_capacity(rows)),
            ScalarType::Timestamp | ScalarType::TimestampTz => {
                Builder::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(scalar_type.arrow()))
            }
        }
    }
}

/// Collects the cells of one result column.
#[derive(Debug)]
pub struct ColumnDecoder {
    wire: Wire,
    scalar_type: ScalarType,
    builder: Builder,
}

impl ColumnDecoder {
    /// A decoder from what the server sends to what was promised; `None` when the two do not fit.
    pub fn new(ty: &Type, scalar_type: ScalarType, codec: Option<Codec>) -> Option<ColumnDecoder> {
        let wire = Wire::of(ty)?;
        if let Some(codec) = codec {
            let stored = matches!(wire, Wire::Text | Wire::Padded | Wire::Integer | Wire::Numeric | Wire::Bytes | Wire::Float8);
            return stored.then(|| ColumnDecoder { wire, scalar_type, builder: Builder::Coded(codec, Vec::new()) });
        }
        wire.fits(scalar_type).then(|| ColumnDecoder { wire, scalar_type, builder: Builder::new(scalar_type, 0, 0) })
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
            Builder::Coded(_, values) => values.push(Value::Null(self.scalar_type)),
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
            Builder::Decimal128(builder, digits) => builder.append_value(decimal128(raw, digits)?),
            Builder::Decimal256(builder, digits) => builder.append_value(decimal256(raw, digits)?),
            Builder::Text(builder) => append_text(builder, self.wire, raw)?,
            Builder::Binary(builder) => builder.append_value(raw),
            Builder::Date(builder) => builder.append_value(date(raw)?),
            Builder::Time(builder) => builder.append_value(time(raw)?),
            Builder::Timestamp(builder) => builder.append_value(timestamp(raw)?),
            Builder::Coded(codec, values) => values.push(coded(*codec, self.scalar_type, self.wire, raw)?),
        }
        Ok(())
    }

    /// The column so far; the decoder is empty afterwards, with room for as much again: batches of one answer are alike.
    ///
    /// # Errors
    /// When values held in another form do not make an array of their type.
    pub fn finish(&mut self) -> Result<ArrayRef, String> {
        let array: ArrayRef = match &mut self.builder {
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Int16(builder) => Arc::new(builder.finish()),
            Builder::Int32(builder) => Arc::new(builder.finish()),
            Builder::Int64(builder) => Arc::new(builder.finish()),
            Builder::Float32(builder) => Arc::new(builder.finish()),
            Builder::Float64(builder) => Arc::new(builder.finish()),
            Builder::Decimal128(builder, _) => Arc::new(builder.finish()),
            Builder::Decimal256(builder, _) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Binary(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) => Arc::new(builder.finish()),
            Builder::Coded(_, values) => {
                return array_from_values(self.scalar_type, &std::mem::take(values)).map_err(|error| error.to_string());
            }
        };
        if array.len() >= MANY_ROWS {
            let bytes = match array.data_type() {
                DataType::Utf8 | DataType::Binary => array.to_data().buffers().get(1).map_or(0, |values| values.len()),
                _ => 0,
            };
            self.builder = Builder::new(self.scalar_type, array.len(), bytes + bytes / 8);
        }
        Ok(array)
    }
}

fn coded(codec: Codec, scalar_type: ScalarType, wire: Wire, raw: &[u8]) -> Result<Value, String> {
    let stored = match wire {
        Wire::Integer => Stored::Integer(integer(wire, raw)?),
        Wire::Float8 => Stored::Float(f64::from_be_bytes(fixed(raw)?)),
        Wire::Numeric => match numeric::unscaled_small(raw, 0)?.and_then(|number| i64::try_from(number).ok()) {
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

fn too_large(digits: &Digits) -> String {
    format!("holds a number that does not fit decimal({},{})", digits.precision, digits.scale)
}

fn decimal128(raw: &[u8], digits: &Digits) -> Result<i128, String> {
    // What needs more than 128 bits is looked at once more for what is wrong with it.
    let unscaled = match numeric::unscaled_small(raw, digits.scale)? {
        Some(unscaled) => unscaled,
        None => numeric::unscaled(raw, digits.scale)?.to_i128().ok_or_else(|| too_large(digits))?,
    };
    let limit = digits.limit.as_i128();
    if unscaled < limit && unscaled > -limit { Ok(unscaled) } else { Err(too_large(digits)) }
}

fn decimal256(raw: &[u8], digits: &Digits) -> Result<i256, String> {
    let unscaled = numeric::unscaled(raw, digits.scale)?;
    if unscaled < digits.limit && unscaled > digits.limit.wrapping_neg() { Ok(unscaled) } else { Err(too_large(digits)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_to_their_precision() {
        let numeric = |groups: &[i16]| -> Vec<u8> {
            let header = [groups.len() as i16, groups.len() as i16 - 1, 0, 0];
            header.iter().chain(groups).flat_map(|word| word.to_be_bytes()).collect()
        };
        for precision in [3, 38, 39, 76] {
            let mut decoder = ColumnDecoder::new(&Type::NUMERIC, ScalarType::Decimal { precision, scale: 0 }, None).unwrap();
            decoder.append(Some(&numeric(&[999]))).unwrap();
            assert_eq!(decoder.append(Some(&numeric(&[1000]))).is_err(), precision == 3);
            // 10^40
            assert_eq!(decoder.append(Some(&numeric(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))).is_err(), precision < 41);
        }
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
