//! The way through a document that comes in parts: what stands at the wanted places is handed out as soon as it is complete, the rest is checked
//! and forgotten. Memory is that of the largest wanted value. It must not know what the values are for.

use super::JsonError;
use portico_provider_api::json::{MAX_DEPTH, Malformed, Reader, Token};

/// A place in a document: names and numbers, from the outside in (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pointer(pub(super) Vec<String>);

impl Pointer {
    /// Reads `/d/results`; the empty text is the whole document.
    ///
    /// # Errors
    /// When it is not empty and does not begin with `/`, or `~` stands for nothing.
    pub fn parse(text: &str) -> Result<Pointer, String> {
        if text.is_empty() {
            return Ok(Pointer(Vec::new()));
        }
        let inner =
            text.strip_prefix('/').ok_or_else(|| format!("'{text}' is no place in a document: it begins with '/', such as '/value'"))?;
        let part = |part: &str| {
            let plain = part.replace("~1", "").replace("~0", "");
            let wrong = || format!("'{text}' is no place in a document: '~' is written '~0', and '/' in a name '~1'");
            if plain.contains('~') { Err(wrong()) } else { Ok(part.replace("~1", "/").replace("~0", "~")) }
        };
        inner.split('/').map(part).collect::<Result<_, _>>().map(Pointer)
    }
}

impl std::fmt::Display for Pointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|part| write!(f, "/{}", part.replace('~', "~0").replace('/', "~1")))
    }
}

/// What was found.
#[derive(Debug, PartialEq)]
pub(super) enum Found<'a> {
    /// The row of that number, counted from 0.
    Row(u64, &'a str),
    /// The value at the other place of that number.
    Other(usize, &'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// The first item of an array, or its end.
    FirstItem,
    /// A comma or the end of an object or array.
    Next,
    /// The first name of an object, or its end.
    FirstName,
    Name,
    Colon,
    /// Nothing but space.
    End,
}

#[derive(Debug)]
struct Level {
    is_array: bool,
    /// The item that is read, or was read last.
    index: u64,
    /// Whether its items are the rows.
    rows: bool,
}

/// How far the end of a value was looked for, so that no byte is looked at twice.
#[derive(Debug, Default, Clone, Copy)]
struct Extent {
    length: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

/// The way through one document.
#[derive(Debug)]
pub(super) struct Scan {
    rows: Pointer,
    single: bool,
    others: Vec<Pointer>,
    buffer: Vec<u8>,
    at: usize,
    /// Bytes that were dropped from the buffer's beginning.
    before: u64,
    expect: Expect,
    levels: Vec<Level>,
    path: Vec<String>,
    extent: Extent,
    found_rows: bool,
    found_others: Vec<bool>,
    begun: bool,
}

impl Scan {
    pub(super) fn new(rows: Pointer, single: bool, others: Vec<Pointer>) -> Scan {
        let found_others = vec![false; others.len()];
        Scan {
            rows,
            single,
            others,
            buffer: Vec::new(),
            at: 0,
            before: 0,
            expect: Expect::Value,
            levels: Vec::new(),
            path: Vec::new(),
            extent: Extent::default(),
            found_rows: false,
            found_others,
            begun: false,
        }
    }

    /// Takes the next part, and hands out what is complete.
    pub(super) fn push(&mut self, part: &[u8], found: &mut impl FnMut(Found<'_>) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.before += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(part);
        self.run(false, found)
    }

    /// The document has ended.
    pub(super) fn finish(&mut self, found: &mut impl FnMut(Found<'_>) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.run(true, found)?;
        if self.expect != Expect::End {
            return Err(self.error("it ends too early"));
        }
        if !self.found_rows {
            let what = if self.single { "row" } else { "array of rows" };
            return Err(JsonError::at(self.rows.to_string(), format!("there is no {what} in the answer")));
        }
        Ok(())
    }

    fn run(&mut self, ended: bool, found: &mut impl FnMut(Found<'_>) -> Result<(), JsonError>) -> Result<(), JsonError> {
        if !self.begun {
            const MARK: &[u8] = b"\xEF\xBB\xBF";
            if self.buffer.len() < MARK.len() && !ended {
                return Ok(());
            }
            // A byte order mark is not JSON, but some servers send one, and RFC 8259 allows to ignore it.
            self.at += if self.buffer.starts_with(MARK) { MARK.len() } else { 0 };
            self.begun = true;
        }
        while self.step(ended, found)? {}
        Ok(())
    }

    /// One step; `false` when more must come first.
    fn step(&mut self, ended: bool, found: &mut impl FnMut(Found<'_>) -> Result<(), JsonError>) -> Result<bool, JsonError> {
        // Within a value that is waited for, space belongs to it.
        if self.extent.length == 0 {
            while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                self.at += 1;
            }
        }
        let Some(byte) = self.byte() else { return Ok(false) };
        match self.expect {
            Expect::End => Err(self.error("something follows the document")),
            Expect::Colon => self.punctuation(byte == b':', Expect::Value, "':' is expected"),
            Expect::FirstItem if byte == b']' => Ok(self.leave()),
            Expect::FirstItem | Expect::Value => self.value(byte, ended, found),
            Expect::FirstName if byte == b'}' => Ok(self.leave()),
            Expect::FirstName | Expect::Name => self.name(byte, ended),
            Expect::Next => self.next(byte),
        }
    }

    fn next(&mut self, byte: u8) -> Result<bool, JsonError> {
        let is_array = self.levels.last().is_some_and(|level| level.is_array);
        match (byte, is_array) {
            (b']', true) | (b'}', false) => return Ok(self.leave()),
            (b',', true) => {
                let index = self.levels.last_mut().map_or(0, |level| {
                    level.index += 1;
                    level.index
                });
                if let Some(last) = self.path.last_mut() {
                    *last = index.to_string();
                }
            }
            (b',', false) => {}
            (_, true) => return Err(self.error("',' or ']' is expected")),
            (_, false) => return Err(self.error("',' or '}' is expected")),
        }
        self.punctuation(true, if is_array { Expect::Value } else { Expect::Name }, "")
    }

    fn punctuation(&mut self, fits: bool, next: Expect, message: &'static str) -> Result<bool, JsonError> {
        if !fits {
            return Err(self.error(message));
        }
        self.at += 1;
        self.expect = next;
        Ok(true)
    }

    fn name(&mut self, byte: u8, ended: bool) -> Result<bool, JsonError> {
        if byte != b'"' {
            return Err(self.error("a name in double quotes is expected"));
        }
        let Some(length) = self.complete(ended) else { return Ok(false) };
        let name = match Reader::new(self.slice(length)?).token() {
            Ok(Token::Text(name)) => name.into_owned(),
            Ok(_) => String::new(),
            Err(malformed) => return Err(self.malformed(&malformed)),
        };
        self.past(length);
        if let Some(last) = self.path.last_mut() {
            *last = name;
        }
        self.expect = Expect::Colon;
        Ok(true)
    }

    fn value(&mut self, byte: u8, ended: bool, found: &mut impl FnMut(Found<'_>) -> Result<(), JsonError>) -> Result<bool, JsonError> {
        let row = self.levels.last().filter(|level| level.rows).map(|level| level.index);
        let at_rows = row.is_none() && self.path == self.rows.0;
        if at_rows && self.extent.length == 0 {
            if std::mem::replace(&mut self.found_rows, true) {
                return Err(JsonError::at(self.rows.to_string(), "is given twice"));
            }
            if !self.single {
                return if byte == b'[' {
                    self.enter(true, true)
                } else {
                    Err(JsonError::at(self.rows.to_string(), "an array of rows is expected"))
                };
            }
        }
        let row = if at_rows && self.single { Some(0) } else { row };
        let other = if row.is_none() { self.others.iter().position(|other| other.0 == self.path) } else { None };
        if row.is_none() && other.is_none() && matches!(byte, b'{' | b'[') {
            return self.enter(byte == b'[', false);
        }
        let Some(length) = self.complete(ended) else { return Ok(false) };
        if let Some(other) = other
            && self.found_others.get_mut(other).is_some_and(|found| std::mem::replace(found, true))
        {
            return Err(JsonError::at(self.here(), "is given twice"));
        }
        let slice = self.slice(length)?;
        match (row, other) {
            (Some(row), _) => found(Found::Row(row, slice))?,
            (None, Some(other)) => found(Found::Other(other, slice))?,
            (None, None) => {
                let mut reader = Reader::new(slice);
                let checked = reader.skip().map(|_| ()).and_then(|()| reader.end());
                checked.map_err(|malformed| self.malformed(&malformed))?;
            }
        }
        self.past(length);
        self.after_value();
        Ok(true)
    }

    fn enter(&mut self, is_array: bool, rows: bool) -> Result<bool, JsonError> {
        if self.levels.len() == MAX_DEPTH {
            return Err(self.error("it is nested too deeply"));
        }
        self.levels.push(Level { is_array, index: 0, rows });
        self.path.push(if is_array { "0".to_owned() } else { String::new() });
        self.at += 1;
        self.expect = if is_array { Expect::FirstItem } else { Expect::FirstName };
        Ok(true)
    }

    fn leave(&mut self) -> bool {
        self.levels.pop();
        self.path.pop();
        self.at += 1;
        self.after_value();
        true
    }

    fn after_value(&mut self) {
        self.expect = if self.levels.is_empty() { Expect::End } else { Expect::Next };
    }

    /// How long the value is that begins here; `None` when its end has not come.
    fn complete(&mut self, ended: bool) -> Option<usize> {
        let bytes = self.buffer.get(self.at..).unwrap_or_default();
        let mut extent = self.extent;
        let structured = matches!(bytes.first(), Some(b'{' | b'[' | b'"'));
        while let Some(byte) = bytes.get(extent.length) {
            if extent.in_text {
                match byte {
                    _ if extent.escaped => extent.escaped = false,
                    b'\\' => extent.escaped = true,
                    b'"' => extent.in_text = false,
                    _ => {}
                }
            } else if structured {
                match byte {
                    b'"' => extent.in_text = true,
                    b'{' | b'[' => extent.depth += 1,
                    b'}' | b']' => extent.depth = extent.depth.saturating_sub(1),
                    _ => {}
                }
            } else if matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\n' | b'\r') {
                // A value without an end of its own; one that is empty is no value, and is told so by who reads it.
                return Some(extent.length.max(1));
            }
            extent.length += 1;
            if structured && extent.depth == 0 && !extent.in_text {
                return Some(extent.length);
            }
        }
        self.extent = extent;
        (ended && !structured && extent.length > 0).then_some(extent.length)
    }

    fn past(&mut self, length: usize) {
        self.at += length;
        self.extent = Extent::default();
    }

    fn byte(&self) -> Option<u8> {
        self.buffer.get(self.at).copied()
    }

    fn slice(&self, length: usize) -> Result<&str, JsonError> {
        let bytes = self.buffer.get(self.at..self.at + length).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| JsonError::at(self.here(), "it is not UTF-8"))
    }

    fn here(&self) -> String {
        Pointer(self.path.clone()).to_string()
    }

    fn error(&self, message: &str) -> JsonError {
        let place = if self.levels.is_empty() { String::new() } else { self.here() };
        JsonError::at(place, format!("it is not well-formed JSON, byte {}: {message}", self.before + self.at as u64))
    }

    fn malformed(&self, malformed: &Malformed) -> JsonError {
        let at = self.before + (self.at + malformed.at) as u64;
        JsonError::at(self.here(), format!("it is not well-formed JSON, byte {at}: {}", malformed.message))
    }
}
