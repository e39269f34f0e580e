//! Separated values, strictly: quotes stand around a whole value, are doubled inside it and are closed, and every record has as many values as
//! the first.
//!
//! It is a reader of our own because the usual ones, the crate `csv` too, do not tell values in quotes from those without: `""` is a text without
//! characters, and nothing between two separators is a null. They also take quotes that stand anywhere, and a quote that is never closed. What
//! could tell either beside them would have to take every record apart once more. In the tests that crate says what the values are.

use super::{Cell, Origin, Record, Records};
use crate::problem::Problem;
use std::borrow::Cow;
use std::io::BufRead;

/// How values are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: u8,
    pub(crate) header: bool,
    pub(crate) skip_lines: u64,
}

/// Bytes of one record at most: a quote that is never closed must not take the rest of a file.
const MAX_RECORD: usize = 64 << 20;

/// Where a value lies in the record's text.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: usize,
    to: usize,
    quoted: bool,
}

/// The records of a file.
pub(crate) struct CsvRecords<R> {
    reader: R,
    file: String,
    dialect: Dialect,
    names: Vec<String>,
    /// The values of the record, one after the other, without quotes.
    text: Vec<u8>,
    spans: Vec<Span>,
    /// The line that is read next.
    line: u64,
}

/// What ends a value.
#[derive(PartialEq, Eq, Clone, Copy)]
enum End {
    Value,
    Record,
    File,
}

impl<R: BufRead + Send> CsvRecords<R> {
    /// Reads the names. A file without them has as many columns as its first record, which are called by `given`.
    pub(crate) fn new(reader: R, file: &str, dialect: Dialect, given: &[String]) -> Result<CsvRecords<R>, Problem> {
        let (names, text, spans) = (Vec::new(), Vec::new(), Vec::new());
        let mut records = CsvRecords { reader, file: file.to_owned(), dialect, names, text, spans, line: 1 };
        for _ in 0..dialect.skip_lines {
            if !records.skip_line()? {
                return Err(Problem::malformed(format!("{file} has fewer lines than 'skip_lines' says")));
            }
        }
        if !dialect.header {
            records.names = given.to_vec();
            return Ok(records);
        }
        let Some(at) = records.read()? else {
            return Err(Problem::malformed(format!("{file} is empty: it has no line with the names of its columns")));
        };
        for index in 0..records.spans.len() {
            let name = records.value(index, at)?.trim().to_owned();
            let column = index + 1;
            if name.is_empty() {
                return Err(Problem::malformed(format!("{file}, line {at}: column {column} has no name")));
            }
            if records.names.contains(&name) {
                return Err(Problem::malformed(format!("{file}, line {at}: two columns are called '{name}'")));
            }
            records.names.push(name);
        }
        Ok(records)
    }

    fn wrong(&self, line: u64, what: &str) -> Problem {
        Problem::malformed(format!("{}, line {line}: {what}", self.file))
    }

    /// What is wrong with the value that is being read.
    fn wrong_value(&self, line: u64, what: &str) -> Problem {
        let place = match self.names.get(self.spans.len()) {
            Some(name) => format!("column '{name}'"),
            None => format!("value {}", self.spans.len() + 1),
        };
        Problem::malformed(format!("{}, line {line}, {place}: {what}", self.file))
    }

    fn value(&self, index: usize, line: u64) -> Result<&str, Problem> {
        let span = self.spans.get(index).and_then(|span| self.text.get(span.from..span.to));
        span.and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or_else(|| self.wrong(line, "a value is no text"))
    }

    /// Leaves a line out; false where there is none.
    fn skip_line(&mut self) -> Result<bool, Problem> {
        let mut any = false;
        loop {
            let buffer = self.reader.fill_buf();
            let buffer = buffer.map_err(|error| Problem::io(&self.file, &error))?;
            let (length, found) = match memchr::memchr(b'\n', buffer) {
                Some(at) => (at + 1, true),
                None => (buffer.len(), false),
            };
            any |= length > 0;
            self.reader.consume(length);
            if found || length == 0 {
                self.line += u64::from(any);
                return Ok(any);
            }
        }
    }

    fn peek(&mut self) -> Result<Option<u8>, Problem> {
        let file = &self.file;
        self.reader.fill_buf().map(|buffer| buffer.first().copied()).map_err(|error| Problem::io(file, &error))
    }

    /// Reads a record into `text` and `spans`, and tells its line; nothing at the end of the file.
    fn read(&mut self) -> Result<Option<u64>, Problem> {
        loop {
            self.text.clear();
            self.spans.clear();
            if self.peek()?.is_none() {
                return Ok(None);
            }
            let at = self.line;
            loop {
                let end = if self.peek()? == Some(self.dialect.quote) { self.quoted(at)? } else { self.bare(at)? };
                if end != End::Value {
                    break;
                }
            }
            let is_blank = matches!(self.spans.as_slice(), [span] if span.from == span.to && !span.quoted);
            // A line without characters is a record only where a record is one value.
            if !is_blank || self.names.len() == 1 {
                return Ok(Some(at));
            }
        }
    }

    fn push(&mut self, from: usize, quoted: bool, at: u64) -> Result<(), Problem> {
        if self.text.len() > MAX_RECORD {
            return Err(self.wrong(at, "a record of more than 64 MiB begins here: is a quote not closed?"));
        }
        self.spans.push(Span { from, to: self.text.len(), quoted });
        Ok(())
    }

    /// A value without quotes, and what ends it.
    fn bare(&mut self, at: u64) -> Result<End, Problem> {
        let (from, Dialect { delimiter, quote, .. }) = (self.text.len(), self.dialect);
        let end = loop {
            let buffer = self.reader.fill_buf().map_err(|error| Problem::io(&self.file, &error))?;
            if buffer.is_empty() {
                break End::File;
            }
            let Some(stop) = memchr::memchr3(delimiter, b'\n', quote, buffer) else {
                let length = buffer.len();
                self.text.extend_from_slice(buffer);
                self.reader.consume(length);
                if self.text.len() > MAX_RECORD {
                    return Err(self.wrong(at, "a record of more than 64 MiB begins here"));
                }
                continue;
            };
            self.text.extend_from_slice(buffer.get(..stop).unwrap_or_default());
            let byte = buffer.get(stop).copied();
            self.reader.consume(stop + 1);
            match byte {
                Some(byte) if byte == delimiter => break End::Value,
                Some(b'\n') => break End::Record,
                _ => return Err(self.wrong_value(self.line, "a quote stands inside a value that does not begin with one")),
            }
        };
        if end == End::Record {
            self.line += 1;
        }
        if end != End::Value && self.text.len() > from && self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        // A carriage return alone would be a line of its own to some programs, and a character to others.
        if memchr::memchr(b'\r', self.text.get(from..).unwrap_or_default()).is_some() {
            return Err(self.wrong_value(at, "a carriage return stands inside a value without quotes"));
        }
        self.push(from, false, at)?;
        Ok(end)
    }

    /// A value in quotes, and what ends it.
    fn quoted(&mut self, at: u64) -> Result<End, Problem> {
        let (from, quote) = (self.text.len(), self.dialect.quote);
        self.reader.consume(1);
        loop {
            let buffer = self.reader.fill_buf().map_err(|error| Problem::io(&self.file, &error))?;
            if buffer.is_empty() {
                return Err(self.wrong_value(at, "a value begins with a quote that is never closed"));
            }
            let (length, closed) = memchr::memchr(quote, buffer).map_or((buffer.len(), false), |stop| (stop, true));
            let part = buffer.get(..length).unwrap_or_default();
            self.line += memchr::memchr_iter(b'\n', part).count() as u64;
            self.text.extend_from_slice(part);
            self.reader.consume(length + usize::from(closed));
            if self.text.len() > MAX_RECORD {
                return Err(self.wrong(at, "a record of more than 64 MiB begins here: is a quote not closed?"));
            }
            if closed {
                if self.peek()? != Some(quote) {
                    break;
                }
                self.reader.consume(1);
                self.text.push(quote);
            }
        }
        let mut next = self.peek()?;
        if next == Some(b'\r') {
            self.reader.consume(1);
            next = self.peek()?;
            if next.is_some_and(|byte| byte != b'\n') {
                return Err(self.wrong_value(self.line, "a carriage return stands behind a value"));
            }
        }
        let end = match next {
            None => End::File,
            Some(b'\n') => {
                self.reader.consume(1);
                self.line += 1;
                End::Record
            }
            Some(byte) if byte == self.dialect.delimiter => {
                self.reader.consume(1);
                End::Value
            }
            Some(_) => return Err(self.wrong_value(self.line, "characters stand between a closing quote and the next separator")),
        };
        self.push(from, true, at)?;
        Ok(end)
    }
}

impl<R: BufRead + Send> Records for CsvRecords<R> {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn next(&mut self) -> Result<Option<Record<'_>>, Problem> {
        let Some(at) = self.read()? else { return Ok(None) };
        if self.names.is_empty() {
            self.names = (1..=self.spans.len()).map(|column| format!("column{column}")).collect();
        }
        let (found, expected) = (self.spans.len(), self.names.len());
        if found != expected {
            return Err(self.wrong(at, &format!("a record of {found} values, where there are {expected} columns")));
        }
        let cells = (0..found).map(|index| {
            let is_quoted = self.spans.get(index).is_some_and(|span| span.quoted);
            let origin = if is_quoted { Origin::Quoted } else { Origin::Bare };
            self.value(index, at).map(|text| Cell::Text { text: Cow::Borrowed(text), origin })
        });
        let cells = cells.collect::<Result<Vec<_>, Problem>>()?;
        Ok(Some(Record { at, names: &self.names, cells }))
    }

    fn place(&self, at: u64) -> String {
        format!("line {at}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIALECT: Dialect = Dialect { delimiter: b',', quote: b'"', header: false, skip_lines: 0 };

    /// All records, and whether each of their values stands in quotes; nothing where the text is refused.
    fn ours(text: &str) -> Option<Vec<Vec<(String, bool)>>> {
        let mut records = CsvRecords::new(text.as_bytes(), "f", DIALECT, &[]).unwrap();
        let mut found = Vec::new();
        while let Some(record) = records.next().ok()? {
            let values = record.cells.iter().map(|cell| match cell {
                Cell::Text { text, origin } => (text.to_string(), *origin == Origin::Quoted),
                other => panic!("{other:?} is no text"),
            });
            found.push(values.collect());
        }
        Some(found)
    }

    fn theirs(text: &str) -> Vec<Vec<String>> {
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        reader.into_records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    fn values(characters: &'static str, most: usize) -> impl Strategy<Value = String> {
        let characters: Vec<char> = characters.chars().collect();
        proptest::collection::vec(proptest::sample::select(characters), 0..most).prop_map(|found| found.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// What is not refused has the values that the crate finds.
        #[test]
        fn what_is_read_is_what_the_crate_reads(text in values("ab \"\",,\n\n\r", 40)) {
            let Some(found) = ours(&text) else { return Ok(()) };
            // The crate leaves lines without characters out even where a record is one value.
            let found = found.into_iter().filter(|record| !matches!(record.as_slice(), [(text, false)] if text.is_empty()));
            let found: Vec<Vec<String>> = found.map(|record| record.into_iter().map(|(text, _)| text).collect()).collect();
            prop_assert_eq!(found, theirs(&text));
        }

        /// What the crate writes is read, and quotes are told.
        #[test]
        fn what_the_crate_writes_is_read(
            rows in proptest::collection::vec(proptest::collection::vec(values("a,\"\n\r ä", 6), 3), 1..6), always in any::<bool>(),
        ) {
            let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
            let mut writer = csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
            rows.iter().for_each(|row| writer.write_record(row).unwrap());
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let found = ours(&text).unwrap();
            prop_assert!(!always || found.iter().flatten().all(|(_, is_quoted)| *is_quoted));
            let found: Vec<Vec<String>> = found.into_iter().map(|record| record.into_iter().map(|(text, _)| text).collect()).collect();
            prop_assert_eq!(found, rows);
        }
    }

    #[test]
    fn what_the_crate_takes_is_refused() {
        for text in ["a\"b,c", "\"a\"b,c", "\"a", "a,\"b\nc,d", "a,b\nc", "a\rb", "\"a\"\rb"] {
            assert!(!theirs(text).is_empty() && ours(text).is_none(), "{text:?}");
        }
    }
}
