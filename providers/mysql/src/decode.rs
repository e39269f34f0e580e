//! The protocol's values to Arrow builders. Pure. It must not know statements or connections.
//! A value that the promised type cannot hold exactly is an error, never rounded, cut or replaced.

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::i256;
use mysql_async::Value as Wire;
use mysql_async::consts::ColumnType;
use portico_provider_api::arrays::array_from_values;
use portico_provider_api::{Codec, ScalarType, Value};
use portico_provider_sql::{Digits, Stored, civil_from_days, days_from_civil, parse_decimal, rescale};
use std::sync::Arc;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What a column of the answer is made of, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Integer,
    Bits,
    Float,
    Decimal,
    /// Text or bytes, which the protocol does not tell apart.
    Bytes,
    Date,
    Time,
    Moment,
    /// The type of a column of nothing but nulls.
    Null,
}

fn family(column_type: ColumnType) -> Option<Family> {
    Some(match column_type {
        ColumnType::MYSQL_TYPE_TINY
        | ColumnType::MYSQL_TYPE_SHORT
        | ColumnType::MYSQL_TYPE_INT24
        | ColumnType::MYSQL_TYPE_LONG
        | ColumnType::MYSQL_TYPE_LONGLONG
        | ColumnType::MYSQL_TYPE_YEAR => Family::Integer,
        ColumnType::MYSQL_TYPE_BIT => Family::Bits,
        ColumnType::MYSQL_TYPE_FLOAT | ColumnType::MYSQL_TYPE_DOUBLE => Family::Float,
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => Family::Decimal,
        ColumnType::MYSQL_TYPE_VARCHAR
        | ColumnType::MYSQL_TYPE_VAR_STRING
        | ColumnType::MYSQL_TYPE_STRING
        | ColumnType::MYSQL_TYPE_TINY_BLOB
        | ColumnType::MYSQL_TYPE_BLOB
        | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
        | ColumnType::MYSQL_TYPE_LONG_BLOB
        | ColumnType::MYSQL_TYPE_ENUM
        | ColumnType::MYSQL_TYPE_SET
        | ColumnType::MYSQL_TYPE_JSON
        | ColumnType::MYSQL_TYPE_GEOMETRY => Family::Bytes,
        ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => Family::Date,
        ColumnType::MYSQL_TYPE_TIME | ColumnType::MYSQL_TYPE_TIME2 => Family::Time,
        ColumnType::MYSQL_TYPE_DATETIME
        | ColumnType::MYSQL_TYPE_DATETIME2
        | ColumnType::MYSQL_TYPE_TIMESTAMP
        | ColumnType::MYSQL_TYPE_TIMESTAMP2 => Family::Moment,
        ColumnType::MYSQL_TYPE_NULL => Family::Null,
        _ => return None,
    })
}

fn fits(family: Family, target: ScalarType) -> bool {
    family == Family::Null
        || match target {
            ScalarType::Boolean => matches!(family, Family::Integer | Family::Bits),
            // A conditional over integers of both signs is a decimal at the server.
            ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => {
                matches!(family, Family::Integer | Family::Bits | Family::Decimal)
            }
            ScalarType::Float32 | ScalarType::Float64 => family == Family::Float,
            // `FLOOR` of a short decimal is an integer at the server.
            ScalarType::Decimal { .. } => matches!(family, Family::Decimal | Family::Integer | Family::Bits),
            ScalarType::Text | ScalarType::Binary | ScalarType::Guid | ScalarType::Json => family == Family::Bytes,
            ScalarType::Date => family == Family::Date,
            ScalarType::Time => family == Family::Time,
            ScalarType::Timestamp | ScalarType::TimestampTz => family == Family::Moment,
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
    family: Family,
    builder: Builder,
}

impl ColumnDecoder {
    /// A decoder from what the server sends to what was promised; `None` when the two do not fit.
    pub fn new(sent: ColumnType, scalar_type: ScalarType, codec: Option<Codec>) -> Option<ColumnDecoder> {
        let family = family(sent)?;
        let builder = match codec {
            Some(codec) => {
                let stored = matches!(family, Family::Integer | Family::Decimal | Family::Float | Family::Bytes | Family::Null);
                stored.then(|| Builder::Coded(codec, scalar_type, Vec::new()))?
            }
            None => fits(family, scalar_type).then(|| Builder::new(scalar_type))?,
        };
        Some(ColumnDecoder { family, builder })
    }

    /// Adds a cell, and tells how many bytes it has, roughly.
    ///
    /// # Errors
    /// Says what is wrong with the cell, without its value.
    pub fn append(&mut self, cell: &Wire) -> Result<usize, String> {
        match cell {
            Wire::NULL => {
                self.append_null();
                Ok(1)
            }
            Wire::Bytes(bytes) => {
                self.append_value(cell)?;
                Ok(bytes.len() + 4)
            }
            Wire::Int(_) | Wire::UInt(_) | Wire::Float(_) | Wire::Double(_) | Wire::Date(..) | Wire::Time(..) => {
                self.append_value(cell)?;
                Ok(8)
            }
        }
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

    fn append_value(&mut self, cell: &Wire) -> Result<(), String> {
        let narrow = |_| "holds an integer that is outside the promised range".to_owned();
        let family = self.family;
        match &mut self.builder {
            Builder::Boolean(builder) => builder.append_value(integer(family, cell)? != 0),
            Builder::Int16(builder) => builder.append_value(i16::try_from(integer(family, cell)?).map_err(narrow)?),
            Builder::Int32(builder) => builder.append_value(i32::try_from(integer(family, cell)?).map_err(narrow)?),
            Builder::Int64(builder) => builder.append_value(i64::try_from(integer(family, cell)?).map_err(narrow)?),
            Builder::Float32(builder) => builder.append_value(single(cell)?),
            Builder::Float64(builder) => builder.append_value(double(cell)?),
            Builder::Decimal128(builder, precision, scale) => match (family, cell) {
                (Family::Decimal, Wire::Bytes(text)) if let Some(unscaled) = small_decimal(text, *precision, *scale) => {
                    builder.append_value(unscaled);
                }
                _ => {
                    let unscaled = decimal(family, cell, *precision, *scale)?;
                    builder.append_value(unscaled.to_i128().ok_or_else(|| misfit(*precision, *scale))?);
                }
            },
            Builder::Decimal256(builder, precision, scale) => builder.append_value(decimal(family, cell, *precision, *scale)?),
            Builder::Text(builder) => builder.append_value(text(bytes(cell)?)?),
            Builder::Binary(builder) => builder.append_value(bytes(cell)?),
            Builder::Date(builder) => builder.append_value(days(cell)?.0),
            Builder::Time(builder) => builder.append_value(time(cell)?),
            Builder::Timestamp(builder) => {
                let (days, micros) = days(cell)?;
                builder.append_value(i64::from(days) * MICROS_PER_DAY + micros);
            }
            Builder::Coded(codec, scalar_type, values) => values.push(coded(*codec, *scalar_type, family, cell)?),
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

fn foreign() -> String {
    "holds a value of another type than the server announced".to_owned()
}

fn coded(codec: Codec, scalar_type: ScalarType, family: Family, cell: &Wire) -> Result<Value, String> {
    let stored = match family {
        Family::Integer | Family::Bits => {
            Stored::Integer(i64::try_from(integer(family, cell)?).map_err(|_| "holds a number that is out of range".to_owned())?)
        }
        Family::Decimal => match text(bytes(cell)?)?.parse() {
            Ok(number) => Stored::Integer(number),
            Err(_) => Stored::Text(text(bytes(cell)?)?),
        },
        Family::Float => Stored::Float(double(cell)?),
        _ => match codec {
            Codec::GuidBytes => Stored::Bytes(bytes(cell)?),
            _ => Stored::Text(text(bytes(cell)?)?),
        },
    };
    portico_provider_sql::decode(codec, scalar_type, stored)
}

fn bytes(cell: &Wire) -> Result<&[u8], String> {
    match cell {
        Wire::Bytes(bytes) => Ok(bytes),
        Wire::NULL | Wire::Int(_) | Wire::UInt(_) | Wire::Float(_) | Wire::Double(_) | Wire::Date(..) | Wire::Time(..) => Err(foreign()),
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "holds text that is not UTF-8".to_owned())
}

fn integer(family: Family, cell: &Wire) -> Result<i128, String> {
    match (family, cell) {
        (_, Wire::Int(number)) => Ok(i128::from(*number)),
        (_, Wire::UInt(number)) => Ok(i128::from(*number)),
        (Family::Bits, Wire::Bytes(bits)) if bits.len() <= 8 => Ok(bits.iter().fold(0, |number, byte| number << 8 | i128::from(*byte))),
        (Family::Decimal, Wire::Bytes(digits)) => text(digits)?.parse().map_err(|_| "holds a number that is no integer".to_owned()),
        _ => Err(foreign()),
    }
}

fn double(cell: &Wire) -> Result<f64, String> {
    match cell {
        Wire::Float(number) => Ok(f64::from(*number)),
        Wire::Double(number) => Ok(*number),
        _ => Err(foreign()),
    }
}

/// What is computed from singles is a double at the server.
fn single(cell: &Wire) -> Result<f32, String> {
    let number = double(cell)?;
    let single = number as f32;
    if f64::from(single) == number { Ok(single) } else { Err("holds a number that a single cannot hold".to_owned()) }
}

fn misfit(precision: u8, scale: i8) -> String {
    format!("holds a number that does not fit decimal({precision},{scale})")
}

/// The common case in 128 bits: as many digits behind the point as the type has, or fewer. `None` sends it to the general one.
fn small_decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let mut unscaled = 0_i128;
    let mut behind: Option<u32> = None;
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                behind = behind.map(|count| count + 1);
            }
            b'.' if behind.is_none() => behind = Some(0),
            _ => return None,
        }
    }
    let missing = u32::from(scale.unsigned_abs()).checked_sub(behind.unwrap_or(0))?;
    let unscaled = unscaled.checked_mul(10_i128.checked_pow(missing)?)?;
    (unscaled < 10_i128.checked_pow(u32::from(precision))?).then_some(if negative { -unscaled } else { unscaled })
}

fn decimal(family: Family, cell: &Wire, precision: u8, scale: i8) -> Result<i256, String> {
    let digits = match (family, cell) {
        (Family::Decimal, Wire::Bytes(digits)) => parse_decimal(text(digits)?).ok_or_else(|| misfit(precision, scale))?,
        _ => Digits { unscaled: i256::from_i128(integer(family, cell)?), scale: 0 },
    };
    rescale(digits, precision, scale).ok_or_else(|| misfit(precision, scale))
}

/// Days since 1970-01-01, and microseconds since midnight.
fn days(cell: &Wire) -> Result<(i32, i64), String> {
    let Wire::Date(year, month, day, hour, minute, second, micros) = cell else { return Err(foreign()) };
    if *month == 0 || *day == 0 {
        return Err("holds a date without a day or a month (0000-00-00), which no date is: 'zero_dates: null' reads it as null".to_owned());
    }
    let date = (i64::from(*year), u32::from(*month), u32::from(*day));
    let days = days_from_civil(date.0, date.1, date.2);
    // A server that allows them keeps dates like the 31st of February.
    let days = i32::try_from(days).ok().filter(|_| civil_from_days(days) == date);
    let seconds = (i64::from(*hour) * 60 + i64::from(*minute)) * 60 + i64::from(*second);
    let days = days.ok_or_else(|| "holds a date that does not exist".to_owned())?;
    Ok((days, seconds * 1_000_000 + i64::from(*micros)))
}

fn time(cell: &Wire) -> Result<i64, String> {
    match cell {
        Wire::Time(false, 0, hour, minute, second, micros) => {
            let seconds = (i64::from(*hour) * 60 + i64::from(*minute)) * 60 + i64::from(*second);
            Ok(seconds * 1_000_000 + i64::from(*micros))
        }
        Wire::Time(true, 0, 0, 0, 0, 0) => Ok(0),
        Wire::Time(..) => Err("holds a span of time, which is not a time of day".to_owned()),
        _ => Err(foreign()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        let wire = |text: &str| Wire::Bytes(text.as_bytes().to_vec());
        assert_eq!(small_decimal(b"-12.50", 5, 2), Some(-1250));
        assert_eq!(small_decimal(b"12.5", 5, 2), Some(1250));
        assert_eq!(small_decimal(b"12.500", 5, 2), None);
        assert_eq!(small_decimal(b"1000", 3, 0), None);
        assert_eq!(decimal(Family::Decimal, &wire("12.500"), 5, 2), Ok(i256::from_i128(1250)));
        assert!(decimal(Family::Decimal, &wire("12.505"), 5, 2).is_err());
        assert_eq!(decimal(Family::Integer, &Wire::UInt(u64::MAX), 20, 0), Ok(i256::from_i128(i128::from(u64::MAX))));
        assert!(decimal(Family::Integer, &Wire::Int(1000), 4, 2).is_err());
    }

    #[test]
    fn what_is_no_date_or_time_of_day_is_an_error() {
        assert!(days(&Wire::Date(0, 0, 0, 0, 0, 0, 0)).unwrap_err().contains("zero_dates"));
        assert!(days(&Wire::Date(2024, 0, 15, 0, 0, 0, 0)).is_err());
        assert!(days(&Wire::Date(2023, 2, 29, 0, 0, 0, 0)).is_err());
        assert_eq!(days(&Wire::Date(1970, 1, 2, 0, 0, 1, 5)), Ok((1, 1_000_005)));
        assert!(time(&Wire::Time(false, 1, 0, 0, 0, 0)).is_err());
        assert!(time(&Wire::Time(true, 0, 0, 0, 1, 0)).is_err());
    }

    #[test]
    fn what_the_server_sends_must_fit_what_was_promised() {
        assert!(ColumnDecoder::new(ColumnType::MYSQL_TYPE_BLOB, ScalarType::Int32, None).is_none());
        assert!(ColumnDecoder::new(ColumnType::MYSQL_TYPE_DATE, ScalarType::Timestamp, None).is_none());
        let mut narrow = ColumnDecoder::new(ColumnType::MYSQL_TYPE_LONGLONG, ScalarType::Int16, None).unwrap();
        assert!(narrow.append(&Wire::Int(70_000)).is_err());
        let mut large = ColumnDecoder::new(ColumnType::MYSQL_TYPE_LONGLONG, ScalarType::Int64, None).unwrap();
        assert!(large.append(&Wire::UInt(u64::MAX)).is_err());
        let mut bits = ColumnDecoder::new(ColumnType::MYSQL_TYPE_BIT, ScalarType::Int64, None).unwrap();
        assert_eq!(bits.append(&Wire::Bytes(vec![1, 0])), Ok(6));
        let mut single = ColumnDecoder::new(ColumnType::MYSQL_TYPE_DOUBLE, ScalarType::Float32, None).unwrap();
        assert!(single.append(&Wire::Double(0.1)).is_err());
    }
}
