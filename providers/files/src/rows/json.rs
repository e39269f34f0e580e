//! Objects of JSON: one per line, or the items of one list. An object is read by itself, so that a file of any size takes no more room than its
//! largest object. Numbers stay as they are written.

use super::{Cell, Origin, Record, Records};
use crate::problem::Problem;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::BufRead;

/// Bytes of one object at most.
const MAX_OBJECT: usize = 64 << 20;

/// The objects of a file.
pub(crate) struct JsonRecords<R> {
    reader: R,
    file: String,
    /// Whether they are the items of a list.
    list: bool,
    names: Vec<String>,
    positions: HashMap<String, usize>,
    object: Vec<u8>,
    /// The number of the object that was read last, or its line.
    at: u64,
    state: State,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum State {
    Beginning,
    Inside,
    Over,
}

impl<R: BufRead + Send> JsonRecords<R> {
    /// `names` are the columns that are known already.
    pub(crate) fn new(reader: R, file: &str, list: bool, names: &[String]) -> JsonRecords<R> {
        let positions = names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let object = Vec::new();
        JsonRecords { reader, file: file.to_owned(), list, names: names.to_vec(), positions, object, at: 0, state: State::Beginning }
    }

    fn wrong(&self, what: impl fmt::Display) -> Problem {
        Problem::malformed(format!("{}, {}: {what}", self.file, self.place(self.at)))
    }

    /// Reads the next object's text; false at the end.
    fn read(&mut self) -> Result<bool, Problem> {
        self.object.clear();
        if self.list { self.read_item() } else { self.read_line() }
    }

    fn read_line(&mut self) -> Result<bool, Problem> {
        loop {
            self.object.clear();
            let read = self.until_line_ends()?;
            if !read {
                return Ok(false);
            }
            self.at += 1;
            if self.object.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Ok(true);
            }
        }
    }

    fn until_line_ends(&mut self) -> Result<bool, Problem> {
        let mut any = false;
        loop {
            let buffer = self.reader.fill_buf().map_err(|error| Problem::io(&self.file, &error))?;
            if buffer.is_empty() {
                return Ok(any);
            }
            any = true;
            let (length, found) = memchr::memchr(b'\n', buffer).map_or((buffer.len(), false), |at| (at + 1, true));
            self.object.extend_from_slice(buffer.get(..length).unwrap_or_default());
            self.reader.consume(length);
            self.check_size()?;
            if found {
                return Ok(true);
            }
        }
    }

    fn check_size(&self) -> Result<(), Problem> {
        if self.object.len() <= MAX_OBJECT { Ok(()) } else { Err(self.wrong("an object of more than 64 MiB follows")) }
    }

    /// The next byte that is no white space, which is left where it is.
    fn peek(&mut self) -> Result<Option<u8>, Problem> {
        loop {
            let buffer = self.reader.fill_buf().map_err(|error| Problem::io(&self.file, &error))?;
            if buffer.is_empty() {
                return Ok(None);
            }
            match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(at) => {
                    let byte = buffer.get(at).copied();
                    self.reader.consume(at);
                    return Ok(byte);
                }
                None => {
                    let length = buffer.len();
                    self.reader.consume(length);
                }
            }
        }
    }

    fn read_item(&mut self) -> Result<bool, Problem> {
        let first = self.state == State::Beginning;
        if first {
            if self.peek()? != Some(b'[') {
                return Err(Problem::malformed(format!("{} is no list of objects: it does not begin with '['", self.file)));
            }
            self.reader.consume(1);
            self.state = State::Inside;
        }
        if self.state == State::Over {
            return Ok(false);
        }
        match self.peek()? {
            Some(b']') => {
                self.reader.consume(1);
                self.state = State::Over;
                return match self.peek()? {
                    None => Ok(false),
                    Some(_) => Err(self.wrong("something follows the list that ends here")),
                };
            }
            Some(b',') if !first => {
                self.reader.consume(1);
                self.peek()?;
            }
            Some(_) if first => {}
            Some(_) => return Err(self.wrong("neither ',' nor ']' follows")),
            None => return Err(self.wrong("the list is cut off: its ']' is missing")),
        }
        self.at += 1;
        self.take_object()?;
        Ok(true)
    }

    /// Takes the bytes of an object: up to the brace that closes it.
    fn take_object(&mut self) -> Result<(), Problem> {
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        loop {
            let buffer = self.reader.fill_buf().map_err(|error| Problem::io(&self.file, &error))?;
            if buffer.is_empty() {
                return Err(self.wrong("it is cut off"));
            }
            let mut end = None;
            for (at, byte) in buffer.iter().enumerate() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_text => escaped = true,
                    b'"' => in_text = !in_text,
                    b'{' | b'[' if !in_text => depth += 1,
                    b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth == 0 && !in_text {
                    end = Some(at + 1);
                    break;
                }
            }
            let length = end.unwrap_or(buffer.len());
            self.object.extend_from_slice(buffer.get(..length).unwrap_or_default());
            self.reader.consume(length);
            self.check_size()?;
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

/// The members of an object, in order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'de>, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What a value is.
fn cell(raw: &RawValue) -> Result<Cell<'_>, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => Cell::Text { text: serde_json::from_str::<Text<'_>>(text)?.0, origin: Origin::Typed },
        Some(b'{' | b'[') => Cell::Nested(text),
        Some(b't') => Cell::Boolean(true),
        Some(b'f') => Cell::Boolean(false),
        Some(b'n') => Cell::Null,
        _ => Cell::Number(text),
    })
}

impl<R: BufRead + Send> Records for JsonRecords<R> {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn next(&mut self) -> Result<Option<Record<'_>>, Problem> {
        if !self.read()? {
            return Ok(None);
        }
        let place = Problem::malformed(format!("{}, {}: ", self.file, self.place(self.at)));
        let wrong = |what: String| Problem { message: place.message.clone() + &what, ..place.clone() };
        let unread = |error: serde_json::Error| {
            let column = error.column();
            wrong(if error.is_data() { "it is no object".to_owned() } else { format!("it is no JSON, at character {column}") })
        };
        let text = std::str::from_utf8(&self.object).map_err(|_| wrong("it is no text".to_owned()))?;
        let members: Members<'_> = serde_json::from_str(text).map_err(unread)?;
        let mut cells = vec![Cell::Null; self.names.len()];
        let mut told = vec![false; cells.len()];
        for (name, raw) in members.0 {
            let position = match self.positions.get(name.as_ref()) {
                Some(position) => *position,
                None => {
                    let position = self.names.len();
                    self.names.push(name.clone().into_owned());
                    self.positions.insert(name.clone().into_owned(), position);
                    position
                }
            };
            cells.resize(cells.len().max(position + 1), Cell::Null);
            told.resize(cells.len(), false);
            if told.get(position) == Some(&true) {
                return Err(wrong(format!("it has two members '{name}'")));
            }
            if let (Some(cell), Some(told)) = (cells.get_mut(position), told.get_mut(position)) {
                *cell = self::cell(raw).map_err(unread)?;
                *told = true;
            }
        }
        Ok(Some(Record { at: self.at, names: &self.names, cells }))
    }

    fn place(&self, at: u64) -> String {
        if self.list { format!("object {at}") } else { format!("line {at}") }
    }
}
