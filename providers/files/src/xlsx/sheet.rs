//! The rows of one sheet as records: the first that is not empty has the names of the columns. Rows without a value are left out, as are cells
//! outside of the area that is read. A value outside of the columns that have names is an error.

use super::archive::Part;
use super::dates::Styles;
use super::strings::{Runs, content};
use super::{Xml, attribute, broken};
use crate::problem::Problem;
use crate::rows::{Cell, Moment, Origin, Record, Records};
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;
use std::sync::Arc;

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

    fn has(&self, row: u64, column: u64) -> bool {
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

/// A value as the sheet holds it.
#[derive(Debug, Clone)]
enum Raw {
    Shared(usize),
    Text(String),
    Number(f64),
    Moment(i64, Moment),
    Boolean(bool),
    Failed(String),
}

/// A cell that is being read.
#[derive(Default)]
struct Found {
    column: u64,
    kind: String,
    style: usize,
    value: String,
    runs: Runs,
    in_value: bool,
    inline: bool,
    formula: bool,
}

/// The records of a sheet.
pub(crate) struct SheetRecords {
    file: String,
    sheet: String,
    part: String,
    xml: Xml<Part>,
    buffer: Vec<u8>,
    strings: Arc<Vec<String>>,
    styles: Arc<Styles>,
    area: Area,
    names: Vec<String>,
    /// The columns of the sheet that have names, in their order.
    columns: Vec<u64>,
    row: u64,
    cells: Vec<(u64, Raw)>,
}

impl SheetRecords {
    /// `given` are the names where the sheet has none.
    pub(super) fn new(
        file: &str,
        sheet: &str,
        part: &str,
        reader: Part,
        (strings, styles): (Arc<Vec<String>>, Arc<Styles>),
        area: Area,
        (header, given): (bool, &[String]),
    ) -> Result<SheetRecords, Problem> {
        let (names, columns, cells, buffer) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let xml = Xml::from_reader(reader);
        let (file, sheet, part) = (file.to_owned(), sheet.to_owned(), part.to_owned());
        let mut records = SheetRecords { file, sheet, part, xml, buffer, strings, styles, area, names, columns, row: 0, cells };
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
        for (column, raw) in std::mem::take(&mut records.cells) {
            let name = records.name(&raw).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
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

    /// A name may be a number, as that of a year is.
    fn name(&self, raw: &Raw) -> Option<String> {
        match raw {
            Raw::Shared(index) => self.strings.get(*index).cloned(),
            Raw::Text(text) => Some(text.clone()),
            Raw::Number(number) => crate::number::fifteen_digits(*number),
            Raw::Moment(..) | Raw::Boolean(_) | Raw::Failed(_) => None,
        }
    }

    fn address(&self, column: u64) -> String {
        format!("{}, cell {}!{}{}", self.file, self.sheet, letters(column), self.row)
    }

    /// Reads on to the next row with a value; false at the end.
    fn read_row(&mut self) -> Result<bool, Problem> {
        self.cells.clear();
        let mut found: Option<Found> = None;
        let mut next_column = 1;
        loop {
            self.buffer.clear();
            let mut buffer = std::mem::take(&mut self.buffer);
            let event = self.xml.read_event_into(&mut buffer).map_err(|error| broken(&self.file, &self.part, error))?;
            match &event {
                Event::Start(element) | Event::Empty(element) if element.local_name().as_ref() == "row" => {
                    let given = attribute(element, "r").and_then(|row| row.parse().ok());
                    self.row = given.unwrap_or(self.row + 1);
                    next_column = 1;
                }
                Event::Start(element) if element.local_name().as_ref() == "c" => found = Some(self.cell(element, next_column)?),
                Event::Empty(element) if element.local_name().as_ref() == "c" => next_column = self.cell(element, next_column)?.column + 1,
                Event::End(element) if element.local_name().as_ref() == "c" => {
                    if let Some(found) = found.take() {
                        next_column = found.column + 1;
                        self.finish(found)?;
                    }
                }
                Event::End(element) if element.local_name().as_ref() == "row" && !self.cells.is_empty() => {
                    self.buffer = buffer;
                    return Ok(true);
                }
                Event::Eof => return Ok(false),
                event => {
                    if let Some(found) = &mut found {
                        inside(found, event).map_err(|error| broken(&self.file, &self.part, error))?;
                    }
                }
            }
            self.buffer = buffer;
        }
    }

    fn cell(&self, element: &BytesStart<'_>, next: u64) -> Result<Found, Problem> {
        let column = match attribute(element, "r") {
            None => next,
            Some(address) => {
                corner(&address).map(|(column, _)| column).ok_or_else(|| broken(&self.file, &self.part, "a cell has no address"))?
            }
        };
        let style = attribute(element, "s").and_then(|style| style.parse().ok()).unwrap_or(0);
        Ok(Found { column, kind: attribute(element, "t").unwrap_or_default(), style, ..Found::default() })
    }

    /// Takes note of a cell that has been read.
    fn finish(&mut self, mut found: Found) -> Result<(), Problem> {
        if !self.area.has(self.row, found.column) {
            return Ok(());
        }
        let at = || self.address(found.column);
        let value = found.value.trim();
        let wrong = |what: &str| Problem::malformed(format!("{}: {what}", at()));
        let raw = match found.kind.as_str() {
            "inlineStr" => Raw::Text(found.runs.finish()),
            "str" if !found.value.is_empty() || found.formula => Raw::Text(std::mem::take(&mut found.value)),
            _ if value.is_empty() && found.formula => {
                return Err(wrong("the formula has no stored result: open the workbook in a spreadsheet program and save it"));
            }
            _ if value.is_empty() => return Ok(()),
            "s" => match value.parse::<usize>() {
                Ok(index) if index < self.strings.len() => Raw::Shared(index),
                _ => return Err(wrong("it refers to a text that is not there")),
            },
            "b" => Raw::Boolean(value == "1" || value.eq_ignore_ascii_case("true")),
            "e" => Raw::Failed(value.to_owned()),
            "d" => return self.finish_iso(&found),
            "" | "n" => {
                let number: f64 = value.parse().map_err(|_| wrong("it is no number"))?;
                match self.styles.moment(found.style, number) {
                    Some((micros, shape)) => Raw::Moment(micros, shape),
                    None => Raw::Number(number),
                }
            }
            _ => return Err(wrong("it is of a kind that workbooks do not have")),
        };
        self.cells.push((found.column, raw));
        Ok(())
    }

    /// A date or time in ISO 8601.
    fn finish_iso(&mut self, found: &Found) -> Result<(), Problem> {
        use portico_provider_sql::{parse_date, parse_time, parse_timestamp};
        const MICROS_PER_DAY: i64 = 86_400_000_000;
        let text = found.value.trim();
        let date = parse_date(text).map(|days| Raw::Moment(i64::from(days) * MICROS_PER_DAY, Moment::Date));
        let stamp = || parse_timestamp(text.trim_end_matches('Z')).map(|micros| Raw::Moment(micros, Moment::Timestamp));
        let time = || parse_time(text).map(|micros| Raw::Moment(micros, Moment::Time));
        let raw = date.or_else(stamp).or_else(time);
        let raw = raw.ok_or_else(|| Problem::malformed(format!("{}: it is no date or time", self.address(found.column))))?;
        self.cells.push((found.column, raw));
        Ok(())
    }
}

/// Takes what stands inside a cell.
fn inside(found: &mut Found, event: &Event<'_>) -> Result<(), String> {
    match event {
        Event::Start(element) => match element.local_name().as_ref() {
            "v" => found.in_value = true,
            "f" => found.formula = true,
            "is" => found.inline = true,
            _ => {}
        },
        Event::Empty(element) if element.local_name().as_ref() == "f" => found.formula = true,
        Event::End(element) => match element.local_name().as_ref() {
            "v" => found.in_value = false,
            "is" => found.inline = false,
            _ => {}
        },
        Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if found.in_value => return content(event, &mut found.value),
        _ => {}
    }
    if found.inline { found.runs.take(event) } else { Ok(()) }
}

impl Records for SheetRecords {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn next(&mut self) -> Result<Option<Record<'_>>, Problem> {
        if !self.read_row()? {
            return Ok(None);
        }
        let mut cells = vec![Cell::Null; self.columns.len()];
        for (column, raw) in &self.cells {
            let cell = match raw {
                Raw::Shared(index) => {
                    Cell::Text { text: Cow::Borrowed(self.strings.get(*index).map_or("", String::as_str)), origin: Origin::Typed }
                }
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
