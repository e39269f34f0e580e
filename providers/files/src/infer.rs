//! The type of a column from all of its values: the narrowest that holds every one of them exactly as it is written. Pure.

use crate::cell::Written;
use crate::number;
use crate::rows::{Cell, Moment, Origin};
use portico_provider_api::ScalarType;
use portico_provider_sql::{parse_date, parse_time, parse_timestamp, parse_timestamp_tz};

/// What values can all be, as bits.
type Set = u16;
const BOOLEAN: Set = 1;
const INTEGER: Set = 2;
const DECIMAL: Set = 4;
const FLOAT: Set = 8;
const DATE: Set = 16;
const TIME: Set = 32;
const TIMESTAMP: Set = 64;
const TIMESTAMP_TZ: Set = 128;
const TEXT: Set = 256;
const JSON: Set = 512;
const NUMBERS: Set = INTEGER | DECIMAL | FLOAT;

/// Digits of a decimal at most.
const MOST_DIGITS: usize = 38;
/// Digits that a double holds exactly.
const DOUBLE_DIGITS: usize = 15;
/// Digits of an ordinary decimal: a file that grows by larger numbers keeps the types of its columns up to there.
const USUAL_DIGITS: usize = 18;

/// What was seen of a column.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    possible: Set,
    /// Digits before and after the point at most, of numbers.
    whole: usize,
    fraction: usize,
    values: u64,
    /// What all values up to one could be, and where that one stands: it made a text of the column.
    broken: Option<(Set, u64)>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { possible: Set::MAX, whole: 0, fraction: 0, values: 0, broken: None }
    }
}

/// A column whose values are all of one kind, but for one that comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    /// What the values before it are.
    pub(crate) kind: &'static str,
    /// The line or row of the one that is not.
    pub(crate) at: u64,
}

impl Seen {
    /// Takes note of a value.
    pub(crate) fn see(&mut self, cell: &Cell<'_>, written: &Written, at: u64) {
        // Quotes around nothing are a text without characters only where the column is one of texts, which is not known yet.
        if written.is_null(cell, false) || matches!(cell, Cell::Failed(_)) {
            return;
        }
        let could_be = self.could_be(cell, written);
        let before = self.possible;
        self.possible &= could_be;
        let general = TEXT | JSON;
        if self.values > 0 && self.broken.is_none() && before & !general != 0 && self.possible & !general == 0 {
            self.broken = Some((before & !general, at));
        }
        self.values += 1;
    }

    fn could_be(&mut self, cell: &Cell<'_>, written: &Written) -> Set {
        match cell {
            Cell::Text { text, origin: Origin::Typed } => TEXT | JSON | moment(text),
            // Some programs put quotes around everything.
            Cell::Text { text, .. } => TEXT | moment(text.trim()) | truth(text.trim()) | self.number(text.trim(), written),
            Cell::Number(text) => JSON | self.plain_number(text),
            Cell::Double(number) => {
                let is_whole = number.fract() == 0.0 && number.abs() < 1e15;
                TEXT | FLOAT | if is_whole { INTEGER } else { 0 }
            }
            Cell::Boolean(_) => BOOLEAN | JSON,
            Cell::Moment { shape: Moment::Date, .. } => DATE | TIMESTAMP | TEXT,
            Cell::Moment { shape: Moment::Timestamp, .. } => TIMESTAMP | TEXT,
            Cell::Moment { shape: Moment::Time, .. } => TIME | TEXT,
            Cell::Nested(_) => JSON,
            Cell::Null | Cell::Failed(_) => Set::MAX,
        }
    }

    fn number(&mut self, text: &str, written: &Written) -> Set {
        match number::plain(text, written.decimal, written.thousands) {
            Some(text) => self.plain_number(&text),
            None => 0,
        }
    }

    /// A number in a notation that says what it is. One with zeros before it is an identifier, and stays as it is.
    fn plain_number(&mut self, text: &str) -> Set {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let padded = whole.len() > 1 && whole.starts_with('0');
        if !is_digits(whole) || !fraction.is_none_or(is_digits) || padded || (whole.is_empty() && fraction.is_none_or(str::is_empty)) {
            return 0;
        }
        let fraction = fraction.unwrap_or_default();
        let significant = whole.trim_start_matches('0').len() + fraction.len();
        let as_float = if significant <= DOUBLE_DIGITS { FLOAT } else { 0 };
        if let Some(exponent) = exponent {
            let fits = exponent.parse::<i32>().is_ok_and(|exponent| exponent.abs() < 290);
            return if fits { as_float } else { 0 };
        }
        // A negative zero is a value that no integer has.
        if text.starts_with('-') && significant == fraction.len() && fraction.bytes().all(|byte| byte == b'0') {
            return as_float;
        }
        self.whole = self.whole.max(whole.len());
        self.fraction = self.fraction.max(fraction.len());
        let as_integer = if mantissa.contains('.') || text.parse::<i64>().is_err() { 0 } else { INTEGER };
        let as_decimal = if self.whole + self.fraction <= MOST_DIGITS { DECIMAL } else { 0 };
        as_float | as_integer | as_decimal
    }

    /// The type that holds all of them; text where there is none.
    pub(crate) fn scalar_type(&self) -> ScalarType {
        let Seen { possible, .. } = *self;
        if self.values == 0 {
            return ScalarType::Text;
        }
        let is = |set: Set| possible & set != 0;
        match () {
            () if is(BOOLEAN) => ScalarType::Boolean,
            () if is(INTEGER) => ScalarType::Int64,
            () if is(DECIMAL) => self.decimal(),
            () if is(FLOAT) => ScalarType::Float64,
            () if is(DATE) => ScalarType::Date,
            () if is(TIME) => ScalarType::Time,
            () if is(TIMESTAMP) => ScalarType::Timestamp,
            () if is(TIMESTAMP_TZ) => ScalarType::TimestampTz,
            () if is(TEXT) => ScalarType::Text,
            () if is(JSON) => ScalarType::Json,
            () => ScalarType::Text,
        }
    }

    fn decimal(&self) -> ScalarType {
        let digits = self.whole + self.fraction;
        let precision = if digits <= USUAL_DIGITS { USUAL_DIGITS } else { MOST_DIGITS };
        match (u8::try_from(precision), i8::try_from(self.fraction)) {
            (Ok(precision), Ok(scale)) => ScalarType::Decimal { precision, scale },
            _ => ScalarType::Text,
        }
    }

    /// Why it is a text, where nearly it was none.
    pub(crate) fn broken(&self) -> Option<Broken> {
        let (before, at) = self.broken?;
        let kind = match before {
            _ if before & NUMBERS != 0 => "a number",
            _ if before & BOOLEAN != 0 => "a truth value",
            _ => "a date or time",
        };
        Some(Broken { kind, at })
    }
}

fn truth(text: &str) -> Set {
    let is_truth = ["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_truth { BOOLEAN } else { 0 }
}

fn moment(text: &str) -> Set {
    if !text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return 0;
    }
    match text.len() {
        10 if parse_date(text).is_some() => DATE,
        8..=15 if parse_time(text).is_some() => TIME,
        16.. if parse_timestamp(text).is_some() => TIMESTAMP,
        16.. if parse_timestamp_tz(text).is_some() => TIMESTAMP_TZ,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Format, TableConfig};
    use std::borrow::Cow;

    fn of_cells(cells: &[Cell<'_>]) -> (ScalarType, Option<Broken>) {
        let written = Written::of(Format::Csv, &TableConfig::default(), None);
        let mut seen = Seen::default();
        cells.iter().zip(1..).for_each(|(cell, at)| seen.see(cell, &written, at));
        (seen.scalar_type(), seen.broken())
    }

    fn of(texts: &[&str]) -> String {
        let cells: Vec<_> = texts.iter().map(|text| Cell::Text { text: Cow::Borrowed(*text), origin: Origin::Bare }).collect();
        of_cells(&cells).0.to_string()
    }

    #[test]
    fn the_narrowest_type_that_holds_every_value_as_it_is_written() {
        for (texts, expected) in [
            (&["1", "-20", ""][..], "int64"),
            (&["1", "2.50"], "decimal(18,2)"),
            (&["12345678901234567890"], "decimal(38,0)"),
            (&["1.5", "12345678901234567.25"], "decimal(38,2)"),
            (&["1", "1e3"], "float64"),
            (&["1.23456789012345678e3"], "text"),
            (&["007", "12"], "text"),
            (&["0", "0.5", ".5"], "decimal(18,1)"),
            (&["-0"], "float64"),
            (&["true", "FALSE"], "boolean"),
            (&["true", "1"], "text"),
            (&["2024-02-29"], "date"),
            (&["2023-02-29"], "text"),
            (&["2024-02-29", "2024-02-29T10:00:00"], "text"),
            (&["2024-02-29 10:00:00.5"], "timestamp"),
            (&["2024-02-29T10:00:00Z", "2024-02-29T10:00:00+01:00"], "timestamptz"),
            (&["10:30:00"], "time"),
            (&["", ""], "text"),
            (&["1,5"], "text"),
            (&["NaN"], "text"),
            (&["123456789012345678901234567890123456789"], "text"),
        ] {
            assert_eq!(of(texts), expected, "{texts:?}");
        }
    }

    #[test]
    fn json_says_more_of_its_values() {
        let text = |text| Cell::Text { text: Cow::Borrowed(text), origin: Origin::Typed };
        assert_eq!(of_cells(&[text("12")]).0, ScalarType::Text);
        assert_eq!(of_cells(&[text("2024-02-29")]).0, ScalarType::Date);
        assert_eq!(of_cells(&[Cell::Number("1"), text("x")]).0, ScalarType::Json);
        assert_eq!(of_cells(&[Cell::Number("1"), Cell::Nested("{}")]).0, ScalarType::Json);
        assert_eq!(of_cells(&[Cell::Boolean(true), Cell::Null]).0, ScalarType::Boolean);
    }

    #[test]
    fn a_value_that_makes_a_text_of_a_column_is_found_again() {
        let bare = |text| Cell::Text { text: Cow::Borrowed(text), origin: Origin::Bare };
        let (scalar_type, broken) = of_cells(&[bare("1"), bare("2"), bare("n/a"), bare("x")]);
        assert_eq!((scalar_type, broken), (ScalarType::Text, Some(Broken { kind: "a number", at: 3 })));
        assert_eq!(of_cells(&[bare("a"), bare("1")]).1, None);
    }
}
