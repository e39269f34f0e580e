//! A JSON reader that keeps numbers as they are written and notices names that occur twice: neither may be lost on the way to an exact
//! value. It must not know what the document means.

use crate::json::push_string;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Boolean(bool),
    /// The lexeme.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    /// Members in order; names may occur twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Appends the value as a document, numbers as they were written.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Json::Null => out.extend_from_slice(b"null"),
            Json::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Json::Number(lexeme) => out.extend_from_slice(lexeme.as_bytes()),
            Json::Text(text) => push_string(text, out),
            Json::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Json::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    push_string(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// What is wrong with a document, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) message: &'static str,
    pub(crate) at: usize,
}

const MAX_DEPTH: usize = 64;

/// Reads one document.
pub(crate) fn read(bytes: &[u8]) -> Result<Json, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError { message: "it is not UTF-8", at: error.valid_up_to() })?;
    // A byte order mark is not JSON, but some clients send one, and RFC 8259 allows to ignore it.
    let start = if text.starts_with('\u{FEFF}') { 3 } else { 0 };
    let mut reader = Reader { text, at: start };
    reader.space();
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() { Err(reader.error("something follows the document")) } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn error(&self, message: &'static str) -> JsonError {
        JsonError { message, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        if self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("a value is expected"))
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > MAX_DEPTH {
            return Err(self.error("it is nested too deeply"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Boolean(true)),
            Some(b'f') => self.word("false", Json::Boolean(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.error("a value is expected")),
            None => Err(self.error("it ends too early")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut members = Vec::new();
        self.space();
        if self.eat(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a property name in double quotes is expected"));
            }
            let name = self.string()?;
            self.space();
            if !self.eat(b':') {
                return Err(self.error("':' is expected"));
            }
            self.space();
            members.push((name, self.value(depth + 1)?));
            self.space();
            if self.eat(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.eat(b',') {
                return Err(self.error("',' or '}' is expected"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.eat(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            if self.eat(b']') {
                return Ok(Json::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.error("',' or ']' is expected"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        self.eat(b'-');
        let zero = self.peek() == Some(b'0');
        let count = self.digits();
        if count == 0 || (zero && count > 1) {
            return Err(self.error("a number is malformed"));
        }
        if self.eat(b'.') && self.digits() == 0 {
            return Err(self.error("a number is malformed"));
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.error("a number is malformed"));
            }
        }
        Ok(Json::Number(self.text.get(start..self.at).unwrap_or_default().to_owned()))
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut value = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').ok_or_else(|| self.error("a string has no end"))?;
            value.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(value);
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    value.push(character);
                }
                _ => return Err(self.error("a string holds a control character that is not escaped")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let byte = self.peek();
        self.at += 1;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 1;
                return Err(self.error("an escape is malformed"));
            }
        })
    }

    fn unit(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        let mut unit = 0;
        for index in 0..4 {
            let digit = digits.get(index).and_then(|byte| (*byte as char).to_digit(16));
            unit = unit * 16 + digit.ok_or_else(|| self.error("an escape is malformed"))?;
        }
        self.at += 4;
        Ok(unit)
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.unit()?;
        let code = if (0xD800..0xDC00).contains(&first) {
            let low = if self.eat(b'\\') && self.eat(b'u') { self.unit()? } else { 0 };
            if !(0xDC00..0xE000).contains(&low) {
                return Err(self.error("a surrogate stands alone"));
            }
            0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.error("a surrogate stands alone"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(value: &Json) -> serde_json::Value {
        match value {
            Json::Null => serde_json::Value::Null,
            Json::Boolean(value) => (*value).into(),
            Json::Number(text) => serde_json::from_str(text).unwrap(),
            Json::Text(text) => text.as_str().into(),
            Json::Array(items) => items.iter().map(plain).collect(),
            Json::Object(members) => members.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        }
    }

    #[test]
    fn malformed_documents_are_refused() {
        for bad in [
            "",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "01",
            "1.",
            "-",
            "1e",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\u{1}\"",
            "{} x",
            "nul",
            "{a:1}",
            "'a'",
            "NaN",
            "\"\\",
            "\"\\u",
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read(b"\"\xff\"").is_err());
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in "[\\[\\]{}\",:0-9eE+.a-z\\\\ -]{0,40}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            let ours = read(text.as_bytes());
            // Numbers out of a double's range are refused there, and kept here.
            if theirs.is_ok() || !text.contains(['e', 'E']) {
                prop_assert_eq!(theirs.is_ok(), ours.is_ok(), "{}", text);
            }
            if let (Ok(theirs), Ok(ours)) = (theirs, ours) {
                prop_assert_eq!(theirs, plain(&ours));
            }
        }

        #[test]
        fn what_was_read_is_written_the_same(text in "[\\[\\]{}\",:0-9eE+.a-z\\\\ -]{0,40}") {
            if let Ok(value) = read(text.as_bytes()) {
                let mut written = Vec::new();
                value.write(&mut written);
                prop_assert_eq!(read(&written), Ok(value));
            }
        }

        #[test]
        fn strings_survive(text in any::<String>()) {
            prop_assert_eq!(read(serde_json::to_string(&text).unwrap().as_bytes()), Ok(Json::Text(text)));
        }
    }
}
