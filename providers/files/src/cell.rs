//! From what stands in a record to the value of a column's type, exactly: what does not fit is an error, never rounded or cut. Pure.

use crate::config::{ColumnConfig, Format, TableConfig};
use crate::number;
use crate::rows::{Cell, Moment, Origin};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use portico_provider_api::value::Float;
use portico_provider_api::{Codec, ColumnBuilder, ScalarType, Value};
use portico_provider_sql::{Stored, decode, format_date, format_time, format_timestamp, parse_decimal, rescale};
use std::borrow::Cow;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// How the values of a column are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) scalar_type: ScalarType,
    pub(crate) nullable: bool,
    pub(crate) max_length: Option<u32>,
    pub(crate) written: Written,
}

/// How values are written in text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    nulls: Vec<String>,
    quoted_nulls: bool,
    pub(crate) decimal: char,
    pub(crate) thousands: Option<char>,
    format: Option<String>,
}

impl Written {
    /// As a table says, and one of its columns.
    pub(crate) fn of(format: Format, table: &TableConfig, column: Option<&ColumnConfig>) -> Written {
        let nulls = column.and_then(|column| column.nulls.clone()).or_else(|| table.nulls.clone());
        // JSON has a null of its own.
        let usual = match format {
            Format::Json | Format::Ndjson | Format::Parquet => Vec::new(),
            Format::Csv | Format::Xlsx => vec![String::new()],
        };
        Written {
            nulls: nulls.unwrap_or(usual),
            quoted_nulls: table.quoted_nulls.unwrap_or(false),
            decimal: column.and_then(|column| column.decimal).or(table.decimal).unwrap_or('.'),
            thousands: column.and_then(|column| column.thousands).or(table.thousands),
            format: column.and_then(|column| column.format.clone()),
        }
    }

    /// Whether a cell has no value. A text in quotes is one even without characters, unless it is said otherwise or it could not be a value of
    /// the column's type.
    pub(crate) fn is_null(&self, cell: &Cell<'_>, is_text: bool) -> bool {
        match cell {
            Cell::Null => true,
            Cell::Text { text, origin } => {
                let may_be = *origin != Origin::Quoted || !is_text || self.quoted_nulls;
                may_be && self.nulls.iter().any(|null| null == text.as_ref())
            }
            Cell::Failed(text) => self.nulls.iter().any(|null| null == text),
            Cell::Number(_) | Cell::Double(_) | Cell::Boolean(_) | Cell::Moment { .. } | Cell::Nested(_) => false,
        }
    }
}

impl Reading {
    /// Adds a cell's value to a column, and tells its size. What is wrong is said without the value.
    pub(crate) fn append(&self, cell: &Cell<'_>, builder: &mut ColumnBuilder) -> Result<usize, String> {
        let is_text = matches!(self.scalar_type, ScalarType::Text);
        if self.written.is_null(cell, is_text) {
            return if self.nullable { builder.append(Value::Null(self.scalar_type)) } else { Err("a value is missing".to_owned()) };
        }
        if is_text {
            let text = text(cell).ok_or_else(|| self.misfit(cell))?;
            self.check_length(text.chars().count(), "characters")?;
            return builder.append_text(&text);
        }
        let value = self.value(cell).ok_or_else(|| self.misfit(cell))?;
        if let Value::Binary(bytes) = &value {
            self.check_length(bytes.len(), "bytes")?;
        }
        builder.append(value)
    }

    fn check_length(&self, length: usize, unit: &str) -> Result<(), String> {
        match self.max_length {
            Some(most) if length > most as usize => Err(format!("the value has more than {most} {unit}")),
            Some(_) | None => Ok(()),
        }
    }

    fn misfit(&self, cell: &Cell<'_>) -> String {
        let found = match cell {
            Cell::Null => "nothing",
            Cell::Text { .. } => "the text",
            Cell::Number(_) | Cell::Double(_) => "the number",
            Cell::Boolean(_) => "a truth value",
            Cell::Moment { .. } => "the date or time",
            Cell::Nested(_) => "an object or a list",
            Cell::Failed(_) => "an error of the spreadsheet",
        };
        format!("{found} is no {}", self.scalar_type)
    }

    fn value(&self, cell: &Cell<'_>) -> Option<Value> {
        match cell {
            // A text of JSON is JSON in its quotes.
            Cell::Text { text, origin: Origin::Typed } if self.scalar_type == ScalarType::Json => {
                self.of_json(&serde_json::to_string(text).ok()?)
            }
            Cell::Text { text, .. } => self.of_text(text.trim()),
            Cell::Number(number) => self.of_number(number),
            Cell::Double(number) => self.of_double(*number),
            Cell::Boolean(flag) => (self.scalar_type == ScalarType::Boolean)
                .then_some(Value::Boolean(*flag))
                .or_else(|| self.of_json(if *flag { "true" } else { "false" })),
            Cell::Moment { micros, shape } => self.of_moment(*micros, *shape),
            Cell::Nested(json) => self.of_json(json),
            Cell::Null | Cell::Failed(_) => None,
        }
    }

    fn of_json(&self, json: &str) -> Option<Value> {
        (self.scalar_type == ScalarType::Json).then(|| Value::Json(json.to_owned()))
    }

    fn of_text(&self, text: &str) -> Option<Value> {
        let as_iso = |codec| decode(codec, self.scalar_type, Stored::Text(text)).ok();
        let format = self.written.format.as_deref();
        match self.scalar_type {
            ScalarType::Boolean => truth(text),
            ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 | ScalarType::Decimal { .. } => self.of_number(&self.plain(text)?),
            ScalarType::Float32 | ScalarType::Float64 => match text {
                "NaN" => self.float(f64::NAN),
                "inf" | "Infinity" => self.float(f64::INFINITY),
                "-inf" | "-Infinity" => self.float(f64::NEG_INFINITY),
                _ => self.of_number(&self.plain(text)?),
            },
            ScalarType::Text => None,
            ScalarType::Binary => bytes(text).map(Value::Binary),
            ScalarType::Date => match format {
                None => as_iso(Codec::DateText),
                Some(format) => days(NaiveDate::parse_from_str(text, format).ok()?).map(Value::Date),
            },
            ScalarType::Time => match format {
                None => as_iso(Codec::TimeText),
                Some(format) => micros_of_day(NaiveTime::parse_from_str(text, format).ok()?).map(Value::Time),
            },
            ScalarType::Timestamp => match format {
                None => as_iso(Codec::TimestampText),
                Some(format) => micros(NaiveDateTime::parse_from_str(text, format).ok()?).map(Value::Timestamp),
            },
            ScalarType::TimestampTz => match format {
                None => as_iso(Codec::TimestampText),
                Some(format) => micros(DateTime::parse_from_str(text, format).ok()?.naive_utc()).map(Value::TimestampTz),
            },
            ScalarType::Guid => as_iso(Codec::GuidText),
            ScalarType::Json => serde_json::from_str::<serde::de::IgnoredAny>(text).ok().map(|_| Value::Json(text.to_owned())),
        }
    }

    /// A number in text as programs write it.
    fn plain<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        number::plain(text, self.written.decimal, self.written.thousands)
    }

    /// A number in JSON's notation.
    fn of_number(&self, text: &str) -> Option<Value> {
        let digits = || parse_decimal(text);
        let whole = || {
            let digits = digits()?;
            rescale(digits, 38, 0)?.to_i128()
        };
        match self.scalar_type {
            ScalarType::Int16 => i16::try_from(whole()?).ok().map(Value::Int16),
            ScalarType::Int32 => i32::try_from(whole()?).ok().map(Value::Int32),
            ScalarType::Int64 => match text.parse::<i64>() {
                Ok(number) => Some(Value::Int64(number)),
                Err(_) => i64::try_from(whole()?).ok().map(Value::Int64),
            },
            ScalarType::Decimal { precision, scale } => {
                rescale(digits()?, precision, scale).map(|unscaled| Value::Decimal { unscaled, precision, scale })
            }
            ScalarType::Float32 | ScalarType::Float64 => {
                let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
                let number: f64 = if is_number { text.parse().ok()? } else { return None };
                // What is too large for the type is not infinite.
                if number.is_finite() { self.narrow(text, number) } else { None }
            }
            ScalarType::Json => self.of_json(text),
            ScalarType::Boolean
            | ScalarType::Text
            | ScalarType::Binary
            | ScalarType::Date
            | ScalarType::Time
            | ScalarType::Timestamp
            | ScalarType::TimestampTz
            | ScalarType::Guid => None,
        }
    }

    fn narrow(&self, text: &str, number: f64) -> Option<Value> {
        if self.scalar_type == ScalarType::Float64 {
            return Some(Value::Float64(Float(number)));
        }
        let narrow: f32 = text.parse().ok()?;
        narrow.is_finite().then(|| Value::Float32(Float(f64::from(narrow))))
    }

    fn float(&self, number: f64) -> Option<Value> {
        match self.scalar_type {
            ScalarType::Float32 => Some(Value::Float32(Float(number))),
            _ => Some(Value::Float64(Float(number))),
        }
    }

    /// A number of a spreadsheet: as a double all of it, as anything exact the fifteen digits that spreadsheets show and compare.
    fn of_double(&self, number: f64) -> Option<Value> {
        match self.scalar_type {
            ScalarType::Float64 => number.is_finite().then_some(Value::Float64(Float(number))),
            _ => self.of_number(&number::fifteen_digits(number)?),
        }
    }

    fn of_moment(&self, moment: i64, shape: Moment) -> Option<Value> {
        let is_time = shape == Moment::Time;
        match self.scalar_type {
            ScalarType::Date if !is_time && moment.rem_euclid(MICROS_PER_DAY) == 0 => {
                i32::try_from(moment.div_euclid(MICROS_PER_DAY)).ok().map(Value::Date)
            }
            ScalarType::Timestamp if !is_time => Some(Value::Timestamp(moment)),
            ScalarType::Time if is_time => Some(Value::Time(moment)),
            _ => None,
        }
    }
}

/// A cell as text. Of JSON, texts alone are text; what a spreadsheet holds is as it writes it out.
fn text<'a>(cell: &'a Cell<'_>) -> Option<Cow<'a, str>> {
    match cell {
        Cell::Text { text, .. } => Some(Cow::Borrowed(text)),
        Cell::Double(number) => number::fifteen_digits(*number).map(Cow::Owned),
        Cell::Moment { micros, shape } => moment_text(*micros, *shape).map(Cow::Owned),
        Cell::Boolean(_) | Cell::Number(_) | Cell::Nested(_) | Cell::Null | Cell::Failed(_) => None,
    }
}

fn moment_text(micros: i64, shape: Moment) -> Option<String> {
    match shape {
        Moment::Date => format_date(i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?),
        Moment::Time => Some(format_time(micros)),
        Moment::Timestamp => format_timestamp(micros),
    }
}

fn truth(text: &str) -> Option<Value> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match () {
        () if is(&["true", "t", "yes", "y", "1"]) => Some(Value::Boolean(true)),
        () if is(&["false", "f", "no", "n", "0"]) => Some(Value::Boolean(false)),
        () => None,
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| Some(pair.first()? * 16 + pair.last()?)).collect()
}

fn days(date: NaiveDate) -> Option<i32> {
    i32::try_from(date.signed_duration_since(NaiveDate::from_ymd_opt(1970, 1, 1)?).num_days()).ok()
}

/// More digits than a microsecond has are refused, as is a leap second.
fn micros_of_day(time: NaiveTime) -> Option<i64> {
    let nanos = time.nanosecond();
    (nanos.is_multiple_of(1_000) && nanos < 1_000_000_000)
        .then(|| i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(nanos / 1_000))
}

fn micros(moment: NaiveDateTime) -> Option<i64> {
    i64::from(days(moment.date())?).checked_mul(MICROS_PER_DAY)?.checked_add(micros_of_day(moment.time())?)
}
