//! Cells → text. One encoder per column of a batch, bound to the concrete Arrow array, so that no type is looked up per cell. A value
//! that the type cannot be written for is an error, never a wrong value.

use super::escape::{push_escaped, push_string};
use crate::calendar::{self, MICROS_PER_DAY};
use arrow::array::{
    Array, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeBinaryArray, LargeStringArray, StringArray,
    StringViewArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{self as types, DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use portico_provider_api::ScalarType;
use std::fmt::Write;

/// What to do with numbers that a double cannot hold, and with timestamps without a zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// 64-bit integers and decimals as strings.
    pub(super) quote_wide: bool,
    /// Timestamps without a zone are written as UTC, because OData has no zone-less type.
    pub(super) zone_everything: bool,
}

/// The concrete array of a column.
enum Cells<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a Int8Array),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    UInt8(&'a UInt8Array),
    UInt16(&'a UInt16Array),
    UInt32(&'a UInt32Array),
    UInt64(&'a UInt64Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal128(&'a Decimal128Array, i8),
    Decimal256(&'a Decimal256Array, i8),
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    FixedBinary(&'a FixedSizeBinaryArray),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    Timestamp(&'a TimestampMicrosecondArray, bool),
    TimestampNanos(&'a TimestampNanosecondArray, bool),
    /// Any other type, as Arrow prints it.
    Printed(ArrayFormatter<'a>),
}

/// A column of a batch.
pub(super) struct Encoder<'a> {
    cells: Cells<'a>,
    /// Logical nulls: a dictionary's value may be null too.
    nulls: Option<NullBuffer>,
    quoted: bool,
}

impl<'a> Encoder<'a> {
    /// An encoder for a column of the IR's type; the array must hold just that type (text and bytes in any of Arrow's layouts).
    pub(super) fn typed(array: &'a dyn Array, scalar_type: ScalarType, style: Style) -> Result<Encoder<'a>, String> {
        let found = array.data_type();
        let fits = match scalar_type {
            ScalarType::Text | ScalarType::Guid | ScalarType::Json => {
                matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            }
            ScalarType::Binary => matches!(found, DataType::Binary | DataType::LargeBinary | DataType::BinaryView),
            ScalarType::Decimal { scale, .. } => {
                matches!(found, DataType::Decimal128(_, found) | DataType::Decimal256(_, found) if *found == scale)
            }
            ScalarType::TimestampTz => matches!(found, DataType::Timestamp(TimeUnit::Microsecond, Some(_))),
            ScalarType::Boolean
            | ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Float32
            | ScalarType::Float64
            | ScalarType::Date
            | ScalarType::Time
            | ScalarType::Timestamp => *found == scalar_type.arrow(),
        };
        if !fits {
            return Err(format!("it is declared as {scalar_type}, but the batch holds {found}"));
        }
        Encoder::any(array, style)
    }

    /// An encoder for any column. Lists, structs, intervals, durations and other types outside the IR are written as Arrow prints them,
    /// in a string.
    pub(super) fn any(array: &'a dyn Array, style: Style) -> Result<Encoder<'a>, String> {
        let cells = Cells::of(array, style)?;
        let quoted = match &cells {
            Cells::Null
            | Cells::Boolean(_)
            | Cells::Int8(_)
            | Cells::Int16(_)
            | Cells::Int32(_)
            | Cells::UInt8(_)
            | Cells::UInt16(_)
            | Cells::UInt32(_)
            | Cells::Float32(_)
            | Cells::Float64(_) => false,
            Cells::Int64(_) | Cells::UInt64(_) | Cells::Decimal128(..) | Cells::Decimal256(..) => style.quote_wide,
            Cells::Text(_)
            | Cells::LargeText(_)
            | Cells::TextView(_)
            | Cells::Binary(_)
            | Cells::LargeBinary(_)
            | Cells::BinaryView(_)
            | Cells::FixedBinary(_)
            | Cells::Date(_)
            | Cells::Time(_)
            | Cells::Timestamp(..)
            | Cells::TimestampNanos(..)
            | Cells::Printed(_) => true,
        };
        Ok(Encoder { cells, nulls: array.logical_nulls().filter(|nulls| nulls.null_count() > 0), quoted })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends a cell as JSON.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match &self.cells {
            Cells::Text(array) => push_string(array.value(row), out),
            Cells::LargeText(array) => push_string(array.value(row), out),
            Cells::TextView(array) => push_string(array.value(row), out),
            Cells::Float32(array) if !array.value(row).is_finite() => push_quoted(not_finite(array.value(row).into()), out),
            Cells::Float64(array) if !array.value(row).is_finite() => push_quoted(not_finite(array.value(row)), out),
            Cells::Printed(formatter) => push_string(&printed(formatter, row)?, out),
            _ if self.quoted => {
                out.push(b'"');
                self.write_raw(row, out)?;
                out.push(b'"');
            }
            _ => self.write_raw(row, out)?,
        }
        Ok(())
    }

    /// Appends a cell that is not null as bare text, without quotes or escapes.
    pub(super) fn write_raw(&self, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
        match &self.cells {
            Cells::Null => out.extend_from_slice(b"null"),
            Cells::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Cells::Int8(array) => push_integer(array.value(row), out),
            Cells::Int16(array) => push_integer(array.value(row), out),
            Cells::Int32(array) => push_integer(array.value(row), out),
            Cells::Int64(array) => push_integer(array.value(row), out),
            Cells::UInt8(array) => push_integer(array.value(row), out),
            Cells::UInt16(array) => push_integer(array.value(row), out),
            Cells::UInt32(array) => push_integer(array.value(row), out),
            Cells::UInt64(array) => push_integer(array.value(row), out),
            Cells::Float32(array) => push_float(array.value(row), array.value(row).into(), out),
            Cells::Float64(array) => push_float(array.value(row), array.value(row), out),
            Cells::Decimal128(array, scale) => push_decimal(itoa::Buffer::new().format(array.value(row)), *scale, out),
            Cells::Decimal256(array, scale) => push_decimal(&array.value(row).to_string(), *scale, out),
            Cells::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Cells::LargeText(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Cells::TextView(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Cells::Binary(array) => push_base64(array.value(row), out),
            Cells::LargeBinary(array) => push_base64(array.value(row), out),
            Cells::BinaryView(array) => push_base64(array.value(row), out),
            Cells::FixedBinary(array) => push_base64(array.value(row), out),
            Cells::Date(array) => calendar::push_date(array.value(row).into(), out),
            Cells::Time(array) => {
                let micros = array.value(row);
                if !(0..MICROS_PER_DAY).contains(&micros) {
                    return Err("a time of day is not between 00:00 and 24:00".to_owned());
                }
                calendar::push_time(micros, out);
            }
            Cells::Timestamp(array, zoned) => {
                let micros = array.value(row);
                push_instant(micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY) * 1_000, *zoned, out);
            }
            Cells::TimestampNanos(array, zoned) => {
                let day = MICROS_PER_DAY * 1_000;
                push_instant(array.value(row).div_euclid(day), array.value(row).rem_euclid(day), *zoned, out);
            }
            Cells::Printed(formatter) => out.extend_from_slice(printed(formatter, row)?.as_bytes()),
        }
        Ok(())
    }
}

impl<'a> Cells<'a> {
    fn of(array: &'a dyn Array, style: Style) -> Result<Cells<'a>, String> {
        Ok(match array.data_type() {
            DataType::Null => Cells::Null,
            DataType::Boolean => Cells::Boolean(array.as_boolean()),
            DataType::Int8 => Cells::Int8(array.as_primitive::<types::Int8Type>()),
            DataType::Int16 => Cells::Int16(array.as_primitive::<types::Int16Type>()),
            DataType::Int32 => Cells::Int32(array.as_primitive::<types::Int32Type>()),
            DataType::Int64 => Cells::Int64(array.as_primitive::<types::Int64Type>()),
            DataType::UInt8 => Cells::UInt8(array.as_primitive::<types::UInt8Type>()),
            DataType::UInt16 => Cells::UInt16(array.as_primitive::<types::UInt16Type>()),
            DataType::UInt32 => Cells::UInt32(array.as_primitive::<types::UInt32Type>()),
            DataType::UInt64 => Cells::UInt64(array.as_primitive::<types::UInt64Type>()),
            DataType::Float32 => Cells::Float32(array.as_primitive::<types::Float32Type>()),
            DataType::Float64 => Cells::Float64(array.as_primitive::<types::Float64Type>()),
            DataType::Decimal128(_, scale) => Cells::Decimal128(array.as_primitive::<types::Decimal128Type>(), *scale),
            DataType::Decimal256(_, scale) => Cells::Decimal256(array.as_primitive::<types::Decimal256Type>(), *scale),
            DataType::Utf8 => Cells::Text(array.as_string::<i32>()),
            DataType::LargeUtf8 => Cells::LargeText(array.as_string::<i64>()),
            DataType::Utf8View => Cells::TextView(array.as_string_view()),
            DataType::Binary => Cells::Binary(array.as_binary::<i32>()),
            DataType::LargeBinary => Cells::LargeBinary(array.as_binary::<i64>()),
            DataType::BinaryView => Cells::BinaryView(array.as_binary_view()),
            DataType::FixedSizeBinary(_) => Cells::FixedBinary(array.as_fixed_size_binary()),
            DataType::Date32 => Cells::Date(array.as_primitive::<types::Date32Type>()),
            DataType::Time64(TimeUnit::Microsecond) => Cells::Time(array.as_primitive::<types::Time64MicrosecondType>()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let zoned = zone.is_some() || style.zone_everything;
                Cells::Timestamp(array.as_primitive::<types::TimestampMicrosecondType>(), zoned)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
                let zoned = zone.is_some() || style.zone_everything;
                Cells::TimestampNanos(array.as_primitive::<types::TimestampNanosecondType>(), zoned)
            }
            other => {
                let options = FormatOptions::new().with_display_error(false);
                Cells::Printed(ArrayFormatter::try_new(array, &options).map_err(|_| format!("the type {other} has no text form"))?)
            }
        })
    }
}

fn printed(formatter: &ArrayFormatter<'_>, row: usize) -> Result<String, String> {
    let mut text = String::new();
    write!(text, "{}", formatter.value(row)).map_err(|_| "a value has no text form".to_owned())?;
    Ok(text)
}

fn push_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    push_escaped(text, out);
    out.push(b'"');
}

fn push_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn push_float(value: impl ryu::Float, wide: f64, out: &mut Vec<u8>) {
    if wide.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(not_finite(wide).as_bytes());
    }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "INF"
    } else {
        "-INF"
    }
}

fn push_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(URL_SAFE.encode(bytes).as_bytes());
}

fn push_instant(days: i64, nanos: i64, zoned: bool, out: &mut Vec<u8>) {
    calendar::push_date(days, out);
    out.push(b'T');
    calendar::push_time_nanos(nanos, out);
    if zoned {
        out.push(b'Z');
    }
}

/// Appends unscaled digits (perhaps with a minus) with the point where the scale puts it: plain notation, all digits of the scale.
pub(crate) fn push_decimal(unscaled: &str, scale: i8, out: &mut Vec<u8>) {
    let digits = match unscaled.strip_prefix('-') {
        Some(digits) => {
            out.push(b'-');
            digits
        }
        None => unscaled,
    };
    if scale <= 0 {
        out.extend_from_slice(digits.as_bytes());
        if digits != "0" {
            out.extend(std::iter::repeat_n(b'0', usize::from(scale.unsigned_abs())));
        }
        return;
    }
    let scale = usize::from(scale.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
    out.push(b'.');
    out.extend(std::iter::repeat_n(b'0', scale - fraction.len()));
    out.extend_from_slice(fraction.as_bytes());
}
