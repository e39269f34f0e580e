//! The rows of one sheet as records: the first that is not empty has the names of the columns. Rows without a value are left out, as are cells
//! outside of the area that is read. A value outside of the columns that have names is an error.

use super::dates::Styles;
use super::guarded;
use super::package::Source;
use crate::problem::Problem;
use crate::rows::{Cell, Moment, Origin, Record, Records};
use calamine::{CellErrorType, DataRef, XlsxCellReader};
use portico_provider_sql::{parse_date, parse_time, parse_timestamp};
use std::borrow::Cow;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// As many as a sheet has.
const ROWS: u64 = 1_048_576;
const COLUMNS: u64 = 16_384;

/// The cells that are read, counted from 1; nothing where there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Area {
    rows: (Option<u64>, Option<u64>),
    columns: (Option<u64>, Option<u64>),
}

impl Area {
    /// Reads `B3:F200`, or `B3:F`.
    pub(crate) fn parse(text: &str) -> Result<Area, String> {
        let wrong = || format!("'{text}' is no range of cells: write B3:F200, or B3:F without a last row");
        let (from, to) = text.split_once(':').ok_or_else(wrong)?;
        let ((from_column, from_row), (to_column, to_row)) = (corner(from).ok_or_else(wrong)?, corner(to).ok_or_else(wrong)?);
        let is_ordered = from_column <= to_column && to_row.is_none_or(|to| from_row.is_some_and(|from| from <= to));
        if from_row.is_none() || !is_ordered {
            return Err(wrong());
        }
        Ok(Area { rows: (from_row, to_row), columns: (Some(from_column), Some(to_column)) })
    }

    pub(super) fn has(&self, row: u64, column: u64) -> bool {
        let within = |(from, to): (Option<u64>, Option<u64>), at| from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to);
        within(self.rows, row) && within(self.columns, column)
    }
}

/// A cell's address: `B3` is column 2, row 3.
fn corner(text: &str) -> Option<(u64, Option<u64>)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (letters, digits) = text.split_at(letters);
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let column = letters.bytes().fold(0, |column, letter| column * 26 + u64::from(letter.to_ascii_uppercase() - b'A' + 1));
    match digits {
        "" => Some((column, None)),
        digits => digits.parse().ok().filter(|row| *row > 0).map(|row| (column, Some(row))),
    }
}

fn letters(mut column: u64) -> String {
    let mut letters = Vec::new();
    while column > 0 {
        letters.push(char::from(b'A' + u8::try_from((column - 1) % 26).unwrap_or_default()));
        column = (column - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// A position that is counted from 0 as one that is counted from 1.
pub(super) fn position((row, column): (u32, u32)) -> (u64, u64) {
    (u64::from(row) + 1, u64::from(column) + 1)
}

pub(super) fn address(file: &str, sheet: &str, row: u64, column: u64) -> String {
    format!("{file}, cell {sheet}!{}{row}", letters(column))
}

/// Where a sheet cannot be read any further.
pub(super) fn behind(file: &str, sheet: &str, last: Option<(u64, u64)>) -> String {
    match last {
        Some((row, column)) => format!("{}, or what follows it", address(file, sheet, row, column)),
        None => format!("{file}, sheet '{sheet}', its first cell"),
    }
}

/// A value as the sheet holds it.
#[derive(Debug, Clone)]
enum Raw<'a> {
    Shared(&'a str),
    Text(String),
    Number(f64),
    Moment(i64, Moment),
    Boolean(bool),
    Failed(&'static str),
}

/// The records of a sheet.
pub(crate) struct SheetRecords<'a> {
    file: String,
    sheet: String,
    cells: XlsxCellReader<'a, Source>,
    styles: Styles,
    area: Area,
    names: Vec<String>,
    /// The columns of the sheet that have names, in their order.
    columns: Vec<u64>,
    row: u64,
    values: Vec<(u64, Raw<'a>)>,
    /// The first value of the next row.
    ahead: Option<(u64, u64, Raw<'a>)>,
    last: Option<(u64, u64)>,
    ended: bool,
}

impl<'a> SheetRecords<'a> {
    /// `given` are the names where the sheet has none.
    pub(super) fn new(
        file: &str,
        sheet: &str,
        cells: XlsxCellReader<'a, Source>,
        is_1904: bool,
        area: Area,
        (header, given): (bool, &[String]),
    ) -> Result<SheetRecords<'a>, Problem> {
        let (names, columns, values, styles) = (Vec::new(), Vec::new(), Vec::new(), Styles::of(cells.styles(), is_1904));
        let (file, sheet) = (file.to_owned(), sheet.to_owned());
        let (row, ahead, last, ended) = (0, None, None, false);
        let mut records = SheetRecords { file, sheet, cells, styles, area, names, columns, row, values, ahead, last, ended };
        if !header {
            let first = area.columns.0.unwrap_or(1);
            records.columns = (first..).take(given.len()).collect();
            records.names = given.to_vec();
            return Ok(records);
        }
        if !records.read_row()? {
            return Err(Problem::malformed(format!(
                "{}, sheet '{}' has no row with the names of its columns",
                records.file, records.sheet
            )));
        }
        for (column, raw) in std::mem::take(&mut records.values) {
            let name = name(&raw).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
            let at = records.address(column);
            let name = name.ok_or_else(|| Problem::malformed(format!("{at}: the name of a column is no text")))?;
            if records.names.contains(&name) {
                return Err(Problem::malformed(format!("{at}: two columns are called '{name}'")));
            }
            records.names.push(name);
            records.columns.push(column);
        }
        Ok(records)
    }

    fn address(&self, column: u64) -> String {
        address(&self.file, &self.sheet, self.row, column)
    }

    /// Reads on to the next row with a value; false at the end.
    fn read_row(&mut self) -> Result<bool, Problem> {
        self.values.clear();
        if let Some((row, column, raw)) = self.ahead.take() {
            self.row = row;
            self.values.push((column, raw));
        }
        while let Some((row, column, raw)) = self.next_value()? {
            if self.values.is_empty() {
                self.row = row;
            } else if row != self.row {
                self.ahead = Some((row, column, raw));
                return Ok(true);
            }
            self.values.push((column, raw));
        }
        Ok(!self.values.is_empty())
    }

    /// The next cell of the area that has a value.
    fn next_value(&mut self) -> Result<Option<(u64, u64, Raw<'a>)>, Problem> {
        while !self.ended {
            let (file, sheet, last) = (&self.file, &self.sheet, self.last);
            let Some((cell, style)) = guarded(|| behind(file, sheet, last), || self.cells.next_cell_with_style_id())? else {
                self.ended = true;
                break;
            };
            let (row, column) = position(cell.get_position());
            self.last = Some((row, column));
            if row > ROWS || column > COLUMNS {
                return Err(Problem::malformed(format!("{file}, sheet '{sheet}' has a cell that no sheet has")));
            }
            if self.area.has(row, column)
                && let Some(raw) = self.raw(cell.get_value(), style, (row, column))?
            {
                return Ok(Some((row, column, raw)));
            }
        }
        Ok(None)
    }

    /// What a cell has; nothing where it is only formatted.
    fn raw(&self, value: &DataRef<'a>, style: usize, (row, column): (u64, u64)) -> Result<Option<Raw<'a>>, Problem> {
        let number = |number: f64| match self.styles.moment(style, number) {
            Some((micros, shape)) => Raw::Moment(micros, shape),
            None => Raw::Number(number),
        };
        Ok(Some(match value {
            DataRef::Empty => return Ok(None),
            DataRef::SharedString(text) => Raw::Shared(text),
            DataRef::String(text) => Raw::Text(text.clone()),
            DataRef::Float(found) => number(*found),
            DataRef::Int(found) => number(*found as f64),
            DataRef::DateTime(found) => number(found.as_f64()),
            DataRef::Bool(flag) => Raw::Boolean(*flag),
            DataRef::Error(error) => Raw::Failed(failed(error)),
            DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
                let at = || Problem::malformed(format!("{}: it is no date or time", address(&self.file, &self.sheet, row, column)));
                iso(text.trim()).ok_or_else(at)?
            }
        }))
    }
}

/// A name may be a number, as that of a year is.
fn name(raw: &Raw<'_>) -> Option<String> {
    match raw {
        Raw::Shared(text) => Some((*text).to_owned()),
        Raw::Text(text) => Some(text.clone()),
        Raw::Number(number) => crate::number::fifteen_digits(*number),
        Raw::Moment(..) | Raw::Boolean(_) | Raw::Failed(_) => None,
    }
}

/// An error as the sheet shows it.
fn failed(error: &CellErrorType) -> &'static str {
    match error {
        CellErrorType::Div0 => "#DIV/0!",
        CellErrorType::NA => "#N/A",
        CellErrorType::Name => "#NAME?",
        CellErrorType::Null => "#NULL!",
        CellErrorType::Num => "#NUM!",
        CellErrorType::Ref => "#REF!",
        CellErrorType::Value => "#VALUE!",
        CellErrorType::GettingData => "#GETTING_DATA",
    }
}

/// A date or time in ISO 8601.
fn iso(text: &str) -> Option<Raw<'static>> {
    let date = parse_date(text).map(|days| Raw::Moment(i64::from(days) * MICROS_PER_DAY, Moment::Date));
    let stamp = || parse_timestamp(text.trim_end_matches('Z')).map(|micros| Raw::Moment(micros, Moment::Timestamp));
    let time = || parse_time(text).map(|micros| Raw::Moment(micros, Moment::Time));
    date.or_else(stamp).or_else(time)
}

impl Records for SheetRecords<'_> {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn next(&mut self) -> Result<Option<Record<'_>>, Problem> {
        if !self.read_row()? {
            return Ok(None);
        }
        let mut cells = vec![Cell::Null; self.columns.len()];
        for (column, raw) in &self.values {
            let cell = match raw {
                Raw::Shared(text) => Cell::Text { text: Cow::Borrowed(text), origin: Origin::Typed },
                Raw::Text(text) => Cell::Text { text: Cow::Borrowed(text), origin: Origin::Typed },
                Raw::Number(number) => Cell::Double(*number),
                Raw::Moment(micros, shape) => Cell::Moment { micros: *micros, shape: *shape },
                Raw::Boolean(flag) => Cell::Boolean(*flag),
                Raw::Failed(error) => Cell::Failed(error),
            };
            match self.columns.iter().position(|known| known == column).and_then(|position| cells.get_mut(position)) {
                Some(place) => *place = cell,
                None => {
                    let message = format!("{}: a value stands in a column that has no name", self.address(*column));
                    return Err(Problem::malformed(message));
                }
            }
        }
        Ok(Some(Record { at: self.row, names: &self.names, cells }))
    }

    fn place(&self, at: u64) -> String {
        format!("sheet '{}', row {at}", self.sheet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        assert_eq!(corner("B3"), Some((2, Some(3))));
        assert_eq!(corner("XFD1048576"), Some((16_384, Some(1_048_576))));
        assert_eq!([1, 26, 27, 702, 703, 16_384].map(letters), ["A", "Z", "AA", "ZZ", "AAA", "XFD"]);
        let area = Area::parse("B3:D5").unwrap();
        assert!(area.has(3, 2) && area.has(5, 4) && !area.has(2, 2) && !area.has(6, 2) && !area.has(3, 5));
        assert!(Area::parse("B3:D").unwrap().has(1_000_000, 3));
        for bad in ["B3", "3:5", "B5:D3", "D3:B5", "B:D", "B0:C1", ""] {
            assert!(Area::parse(bad).is_err(), "{bad}");
        }
    }
}
