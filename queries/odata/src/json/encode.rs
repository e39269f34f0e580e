//! Cells → text. One encoder per column of a batch, bound to the concrete Arrow array, so that no type is looked up per cell. A value
//! that the type cannot be written for is an error, never a wrong value.

use super::digits;
use super::escape::{is_clean, push_escaped};
use super::sink::Sink;
use super::texts::Texts;
use crate::calendar::MICROS_PER_DAY;
use crate::duration;
use crate::spatial::{self, Geometry, POINT};
use crate::value_type::ValueType;
use arrow::array::{
    Array, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeBinaryArray, OffsetSizeTrait, StringViewArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{self as types, DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use portico_catalog::spatial::SpatialType;
use portico_provider_api::ScalarType;
use std::fmt::Write;

pub(super) use super::enumeration::EnumerationNames;

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
    Text(Texts<'a, i32>),
    LargeText(Texts<'a, i64>),
    TextView(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    FixedBinary(&'a FixedSizeBinaryArray),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    Timestamp(&'a TimestampMicrosecondArray, bool),
    TimestampNanos(&'a TimestampNanosecondArray, bool),
    /// Microseconds of a duration.
    Duration(&'a Int64Array),
    /// Spatial values, read when the batch was bound: what is none is found out before anything is written.
    Spatial(Vec<Option<Geometry>>, SpatialType),
    /// The stored values of an enumeration, and what they are called.
    Enumeration(Box<Encoder<'a>>, &'a EnumerationNames),
    /// Values in a row, and where those of each row are.
    List(Box<Encoder<'a>>, Ranges<'a>),
    /// Any other type, as Arrow prints it.
    Printed(ArrayFormatter<'a>),
}

/// Where the values of a list are.
enum Ranges<'a> {
    Small(&'a OffsetBuffer<i32>),
    Large(&'a OffsetBuffer<i64>),
    Fixed(usize),
}

/// A column of a batch.
pub(super) struct Encoder<'a> {
    cells: Cells<'a>,
    /// Logical nulls: a dictionary's value may be null too.
    nulls: Option<NullBuffer>,
    quoted: bool,
}

impl<'a> Encoder<'a> {
    /// An encoder for a column of a type as clients see it. A column of lists of such values is written as an array.
    pub(super) fn of(
        array: &'a dyn Array,
        value_type: &ValueType,
        names: Option<&'a EnumerationNames>,
        style: Style,
    ) -> Result<Encoder<'a>, String> {
        let (values, ranges) = match array.data_type() {
            DataType::List(_) => (array.as_list::<i32>().values(), Ranges::Small(array.as_list::<i32>().offsets())),
            DataType::LargeList(_) => (array.as_list::<i64>().values(), Ranges::Large(array.as_list::<i64>().offsets())),
            DataType::FixedSizeList(_, size) => {
                (array.as_fixed_size_list().values(), Ranges::Fixed(usize::try_from(*size).unwrap_or_default()))
            }
            _ => return Encoder::single(array, value_type, names, style),
        };
        let inner = Box::new(Encoder::single(values.as_ref(), value_type, names, style)?);
        Ok(Encoder { cells: Cells::List(inner, ranges), nulls: nulls_of(array), quoted: false })
    }

    /// An encoder for the points whose degrees north and degrees east are in two columns.
    pub(super) fn point(latitude: Option<&dyn Array>, longitude: Option<&dyn Array>) -> Result<Encoder<'a>, String> {
        let (Some(latitude), Some(longitude)) = (latitude, longitude) else {
            return Err("the batch does not hold its coordinates".to_owned());
        };
        let places = spatial::points(latitude, longitude)?;
        let nulls = NullBuffer::from_iter(places.iter().map(Option::is_some));
        Ok(Encoder { nulls: Some(nulls).filter(|nulls| nulls.null_count() > 0), cells: Cells::Spatial(places, POINT), quoted: false })
    }

    fn single(
        array: &'a dyn Array,
        value_type: &ValueType,
        names: Option<&'a EnumerationNames>,
        style: Style,
    ) -> Result<Encoder<'a>, String> {
        let inner = Encoder::typed(array, value_type.scalar(), style)?;
        match (value_type, names) {
            (ValueType::Scalar(_), _) => Ok(inner),
            (ValueType::Spatial(of), _) => {
                Ok(Encoder { cells: Cells::Spatial(places(array, of)?, *of), nulls: inner.nulls, quoted: false })
            }
            (ValueType::Duration, _) => match inner.cells {
                Cells::Int64(array) => Ok(Encoder { cells: Cells::Duration(array), nulls: inner.nulls, quoted: true }),
                _ => Err("a duration is not carried by a 64-bit integer".to_owned()),
            },
            (ValueType::Enumeration(..), Some(names)) => {
                let nulls = inner.nulls.clone();
                Ok(Encoder { cells: Cells::Enumeration(Box::new(inner), names), nulls, quoted: true })
            }
            (ValueType::Enumeration(..), None) => Err("the members of its enumeration are not known".to_owned()),
        }
    }

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
            | Cells::Float64(_)
            | Cells::Spatial(..)
            | Cells::List(..) => false,
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
            | Cells::Duration(_)
            | Cells::Enumeration(..)
            | Cells::Printed(_) => true,
        };
        Ok(Encoder { cells, nulls: nulls_of(array), quoted })
    }

    /// Whether each row holds several values.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.cells, Cells::List(..))
    }

    /// Whether a cell is null; collections never are.
    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) && !self.is_list()
    }

    /// Whether a cell is a number that JSON has no form for.
    pub(super) fn is_not_finite(&self, row: usize) -> bool {
        match &self.cells {
            Cells::Float32(array) => !array.value(row).is_finite(),
            Cells::Float64(array) => !array.value(row).is_finite(),
            _ => false,
        }
    }

    /// The bytes of a cell of a binary column.
    pub(super) fn bytes(&self, row: usize) -> Option<&[u8]> {
        match &self.cells {
            Cells::Binary(array) => Some(array.value(row)),
            Cells::LargeBinary(array) => Some(array.value(row)),
            Cells::BinaryView(array) => Some(array.value(row)),
            Cells::FixedBinary(array) => Some(array.value(row)),
            _ => None,
        }
    }

    /// A cell of an integer column.
    pub(super) fn integer(&self, row: usize) -> Option<i64> {
        match &self.cells {
            Cells::Int16(array) => Some(array.value(row).into()),
            Cells::Int32(array) => Some(array.value(row).into()),
            Cells::Int64(array) => Some(array.value(row)),
            _ => None,
        }
    }

    /// Appends a cell as JSON. The usual kinds are dealt with in the caller's loop, so that where the sink stands stays in a register.
    #[inline(always)]
    pub(super) fn write(&self, row: usize, sink: &mut Sink) -> Result<(), &'static str> {
        if let Some(nulls) = &self.nulls
            && nulls.is_null(row)
        {
            if self.is_list() {
                sink.put(b"[]");
            } else {
                sink.block(b"null", 4);
            }
            return Ok(());
        }
        match &self.cells {
            Cells::Int32(array) => digits::integer(array.value(row).into(), sink),
            Cells::Int64(array) if !self.quoted => digits::integer(array.value(row), sink),
            Cells::Decimal128(array, scale) if !self.quoted => digits::decimal(array.value(row), *scale, sink),
            Cells::Text(texts) => texts.write(row, sink),
            _ => return self.write_other(row, sink),
        }
        Ok(())
    }

    /// Appends a cell that is not null as JSON.
    #[inline(never)]
    fn write_other(&self, row: usize, sink: &mut Sink) -> Result<(), &'static str> {
        match &self.cells {
            Cells::LargeText(texts) => texts.write(row, sink),
            Cells::TextView(array) => push_text(array.value(row), sink),
            Cells::Float64(array) if array.value(row).is_finite() => push_float(array.value(row), 0.0, sink),
            Cells::Float32(_) | Cells::Float64(_) if self.is_not_finite(row) => return self.write_quoted(row, sink),
            Cells::Spatial(places, of) => {
                let place = places.get(row).and_then(Option::as_ref);
                sink.put(place.map_or_else(|| "null".to_owned(), |place| spatial::json(place, of)).as_bytes());
            }
            Cells::Printed(formatter) => push_text(&printed(formatter, row)?, sink),
            Cells::List(values, ranges) => return values.write_list(ranges.of(row), sink),
            Cells::Enumeration(stored, names) => return names.write(stored, row, sink),
            _ if self.quoted => return self.write_quoted(row, sink),
            _ => return self.write_raw(row, sink),
        }
        Ok(())
    }

    fn write_quoted(&self, row: usize, sink: &mut Sink) -> Result<(), &'static str> {
        sink.byte(b'"');
        self.write_raw(row, sink)?;
        sink.byte(b'"');
        Ok(())
    }

    fn write_list(&self, range: std::ops::Range<usize>, sink: &mut Sink) -> Result<(), &'static str> {
        sink.byte(b'[');
        for at in range.clone() {
            if at > range.start {
                sink.byte(b',');
            }
            self.write(at, sink)?;
        }
        sink.byte(b']');
        Ok(())
    }

    /// Appends a cell that is not null as bare text, without quotes or escapes.
    pub(super) fn write_raw(&self, row: usize, sink: &mut Sink) -> Result<(), &'static str> {
        match &self.cells {
            Cells::Null => sink.put(b"null"),
            Cells::Boolean(array) => sink.put(if array.value(row) { b"true" } else { b"false" }),
            Cells::Int8(array) => digits::integer(array.value(row).into(), sink),
            Cells::Int16(array) => digits::integer(array.value(row).into(), sink),
            Cells::Int32(array) => digits::integer(array.value(row).into(), sink),
            Cells::Int64(array) => digits::integer(array.value(row), sink),
            Cells::UInt8(array) => digits::unsigned(array.value(row).into(), sink),
            Cells::UInt16(array) => digits::unsigned(array.value(row).into(), sink),
            Cells::UInt32(array) => digits::unsigned(array.value(row).into(), sink),
            Cells::UInt64(array) => digits::unsigned(array.value(row), sink),
            Cells::Float32(array) => push_float(array.value(row), array.value(row).into(), sink),
            Cells::Float64(array) => push_float(array.value(row), array.value(row), sink),
            Cells::Decimal128(array, scale) => digits::decimal(array.value(row), *scale, sink),
            Cells::Decimal256(array, scale) => match array.value(row).to_i128() {
                Some(value) => digits::decimal(value, *scale, sink),
                None => {
                    let mut text = Vec::new();
                    digits::push_decimal(&array.value(row).to_string(), *scale, &mut text);
                    sink.put(&text);
                }
            },
            Cells::Text(texts) => sink.put(texts.bytes(row)),
            Cells::LargeText(texts) => sink.put(texts.bytes(row)),
            Cells::TextView(array) => sink.put(array.value(row).as_bytes()),
            Cells::Binary(array) => push_base64(array.value(row), sink),
            Cells::LargeBinary(array) => push_base64(array.value(row), sink),
            Cells::BinaryView(array) => push_base64(array.value(row), sink),
            Cells::FixedBinary(array) => push_base64(array.value(row), sink),
            Cells::Date(array) => digits::date(array.value(row).into(), sink),
            Cells::Time(array) => {
                let micros = array.value(row);
                if !(0..MICROS_PER_DAY).contains(&micros) {
                    return Err("a time of day is not between 00:00 and 24:00");
                }
                digits::time(micros * 1_000, sink);
            }
            Cells::Timestamp(array, zoned) => {
                let micros = array.value(row);
                digits::timestamp(micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY) * 1_000, *zoned, sink);
            }
            Cells::TimestampNanos(array, zoned) => {
                let day = MICROS_PER_DAY * 1_000;
                digits::timestamp(array.value(row).div_euclid(day), array.value(row).rem_euclid(day), *zoned, sink);
            }
            Cells::Duration(array) => {
                let mut text = Vec::with_capacity(32);
                duration::push(array.value(row), &mut text);
                sink.put(&text);
            }
            Cells::Spatial(places, of) => {
                if let Some(place) = places.get(row).and_then(Option::as_ref) {
                    sink.put(spatial::canonical(place, of.srid).as_bytes());
                }
            }
            Cells::Enumeration(stored, names) => return names.write_raw(stored, row, sink),
            Cells::List(..) => return Err("a collection has no text form"),
            Cells::Printed(formatter) => sink.put(printed(formatter, row)?.as_bytes()),
        }
        Ok(())
    }
}

impl Ranges<'_> {
    fn of(&self, row: usize) -> std::ops::Range<usize> {
        fn ends<O: OffsetSizeTrait>(offsets: &[O], row: usize) -> std::ops::Range<usize> {
            match offsets.get(row..row + 2) {
                Some([start, end]) => start.as_usize()..end.as_usize(),
                _ => 0..0,
            }
        }
        match self {
            Ranges::Small(offsets) => ends(offsets, row),
            Ranges::Large(offsets) => ends(offsets, row),
            Ranges::Fixed(size) => row * size..(row + 1) * size,
        }
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
            DataType::Utf8 => Cells::Text(Texts::new(array.as_string::<i32>())),
            DataType::LargeUtf8 => Cells::LargeText(Texts::new(array.as_string::<i64>())),
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

/// The spatial values of a text column.
fn places(array: &dyn Array, of: &SpatialType) -> Result<Vec<Option<Geometry>>, String> {
    let texts = arrow::compute::cast(array, &DataType::Utf8).map_err(|_| "spatial values are carried as text".to_owned())?;
    let read = |text: Option<&str>| text.map(|text| spatial::read(text, of)).transpose();
    let places = texts.as_string::<i32>().iter().map(read).collect::<Result<_, _>>();
    places.map_err(|why| format!("its column holds a value that is no Edm.{}: {why}", of.name()))
}

fn nulls_of(array: &dyn Array) -> Option<NullBuffer> {
    array.logical_nulls().filter(|nulls| nulls.null_count() > 0)
}

fn printed(formatter: &ArrayFormatter<'_>, row: usize) -> Result<String, &'static str> {
    let mut text = String::new();
    write!(text, "{}", formatter.value(row)).map_err(|_| "a value has no text form")?;
    Ok(text)
}

/// Appends a text as a JSON string.
#[inline]
pub(super) fn push_text(text: &str, sink: &mut Sink) {
    sink.byte(b'"');
    if is_clean(text.as_bytes()) {
        sink.put(text.as_bytes());
    } else {
        let mut escaped = Vec::with_capacity(text.len() + 16);
        push_escaped(text, &mut escaped);
        sink.put(&escaped);
    }
    sink.byte(b'"');
}

fn push_float(value: impl zmij::Float, wide: f64, sink: &mut Sink) {
    if wide.is_finite() {
        sink.put(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        sink.put(not_finite(wide).as_bytes());
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

fn push_base64(bytes: &[u8], sink: &mut Sink) {
    sink.put(URL_SAFE.encode(bytes).as_bytes());
}
