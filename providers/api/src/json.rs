//! Values of JSON text, one after the other: numbers stay as they are written, and names that occur twice are seen, since neither may be lost on
//! the way to an exact value. It must not know what the values are for.

use std::borrow::Cow;

/// How deep values may be nested.
pub const MAX_DEPTH: usize = 64;

/// A JSON value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, as it is written.
    Number(String),
    /// A text.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// Members in order; names may occur twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The member of an object, the first of that name.
    pub fn member(&self, name: &str) -> Option<&Json> {
        let Json::Object(members) = self else { return None };
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text of a text.
    pub fn text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// A whole number, written as a number or as a text.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Json::Number(text) | Json::Text(text) => crate::number::integer(text),
            Json::Null | Json::Boolean(_) | Json::Array(_) | Json::Object(_) => None,
        }
    }
}

/// Reads one document: UTF-8, with nothing after it. A byte order mark is not JSON, but some write one, and RFC 8259 (section 8.1) allows to
/// ignore it.
///
/// # Errors
/// What is wrong, and at which byte.
pub fn read(bytes: &[u8]) -> Result<Json, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|error| Malformed { message: "it is not UTF-8", at: error.valid_up_to() })?;
    let mut reader = Reader { text, at: if text.starts_with('\u{FEFF}') { 3 } else { 0 }, depth: 0 };
    let value = reader.json()?;
    reader.end().map(|()| value)
}

/// The beginning of a value. Of an object or array, what it holds is read next.
#[derive(Debug, Clone, PartialEq)]
pub enum Token<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, as it is written.
    Number(&'a str),
    /// A text.
    Text(Cow<'a, str>),
    /// `[`.
    Array,
    /// `{`.
    Object,
}

/// What is wrong with the text, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub message: &'static str,
    /// The byte.
    pub at: usize,
}

/// Reads one text.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning of a text.
    pub fn new(text: &'a str) -> Reader<'a> {
        Reader { text, at: 0, depth: 0 }
    }

    fn error(&self, message: &'static str) -> Malformed {
        Malformed { message, at: self.at }
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

    /// The value that begins here.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub fn token(&mut self) -> Result<Token<'a>, Malformed> {
        self.space();
        match self.peek() {
            Some(b'{') => self.open().map(|()| Token::Object),
            Some(b'[') => self.open().map(|()| Token::Array),
            Some(b'"') => self.string().map(Token::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Token::Number),
            Some(b't') => self.word("true").map(|()| Token::Boolean(true)),
            Some(b'f') => self.word("false").map(|()| Token::Boolean(false)),
            Some(b'n') => self.word("null").map(|()| Token::Null),
            Some(_) => Err(self.error("a value is expected")),
            None => Err(self.error("it ends too early")),
        }
    }

    /// The name of the next member of the object that was entered; `None` at its end, which is left.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub fn name(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, Malformed> {
        self.space();
        if self.eat(b'}') {
            self.depth -= 1;
            return Ok(None);
        }
        if !first {
            if !self.eat(b',') {
                return Err(self.error("',' or '}' is expected"));
            }
            self.space();
        }
        if self.peek() != Some(b'"') {
            return Err(self.error("a name in double quotes is expected"));
        }
        let name = self.string()?;
        self.space();
        if self.eat(b':') { Ok(Some(name)) } else { Err(self.error("':' is expected")) }
    }

    /// Whether the array that was entered has a next item; at its end it is left.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub fn item(&mut self, first: bool) -> Result<bool, Malformed> {
        self.space();
        if self.eat(b']') {
            self.depth -= 1;
            return Ok(false);
        }
        if !first && !self.eat(b',') {
            return Err(self.error("',' or ']' is expected"));
        }
        Ok(true)
    }

    /// Goes past the value that begins here, and returns it as it is written.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub fn skip(&mut self) -> Result<&'a str, Malformed> {
        self.space();
        let start = self.at;
        let token = self.token()?;
        self.rest(&token)?;
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// Goes past what the object or array holds whose beginning was read.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub fn rest(&mut self, token: &Token<'a>) -> Result<(), Malformed> {
        let mut first = true;
        match token {
            Token::Null | Token::Boolean(_) | Token::Number(_) | Token::Text(_) => {}
            Token::Array => {
                while self.item(first)? {
                    self.skip()?;
                    first = false;
                }
            }
            Token::Object => {
                while self.name(first)?.is_some() {
                    self.skip()?;
                    first = false;
                }
            }
        }
        Ok(())
    }

    /// The value that begins here, with all that it holds.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub fn json(&mut self) -> Result<Json, Malformed> {
        let mut first = true;
        Ok(match self.token()? {
            Token::Null => Json::Null,
            Token::Boolean(value) => Json::Boolean(value),
            Token::Number(text) => Json::Number(text.to_owned()),
            Token::Text(text) => Json::Text(text.into_owned()),
            Token::Array => {
                let mut items = Vec::new();
                while self.item(std::mem::replace(&mut first, false))? {
                    items.push(self.json()?);
                }
                Json::Array(items)
            }
            Token::Object => {
                let mut members = Vec::new();
                while let Some(name) = self.name(std::mem::replace(&mut first, false))? {
                    members.push((name.into_owned(), self.json()?));
                }
                Json::Object(members)
            }
        })
    }

    /// Nothing may follow.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub fn end(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.at < self.text.len() { Err(self.error("something follows the value")) } else { Ok(()) }
    }

    fn open(&mut self) -> Result<(), Malformed> {
        if self.depth == MAX_DEPTH {
            return Err(self.error("it is nested too deeply"));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        if !self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.error("a value is expected"));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<&'a str, Malformed> {
        let start = self.at;
        self.eat(b'-');
        let zero = self.peek() == Some(b'0');
        let count = self.digits();
        if count == 0 || (zero && count > 1) || (self.eat(b'.') && self.digits() == 0) {
            return Err(self.error("a number is malformed"));
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _signed = self.eat(b'+') || self.eat(b'-');
            if self.digits() == 0 {
                return Err(self.error("a number is malformed"));
            }
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.at += 1;
        let mut text = Cow::Borrowed("");
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ');
            let plain = plain.ok_or_else(|| self.error("a text has no end"))?;
            let part = rest.get(..plain).unwrap_or_default();
            if text.is_empty() {
                text = Cow::Borrowed(part);
            } else {
                text.to_mut().push_str(part);
            }
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    text.to_mut().push(character);
                }
                _ => return Err(self.error("a text holds a control character that is not escaped")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let escape = self.text.as_bytes().get(self.at + 1).copied();
        let character = match escape {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 2;
                return self.unicode();
            }
            _ => return Err(self.error("an escape is malformed")),
        };
        self.at += 2;
        Ok(character)
    }

    fn unit(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let unit = digits.and_then(|digits| digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?)));
        self.at += if unit.is_some() { 4 } else { 0 };
        unit.ok_or_else(|| self.error("an escape is malformed"))
    }

    fn unicode(&mut self) -> Result<char, Malformed> {
        let first = self.unit()?;
        let code = if (0xD800..0xDC00).contains(&first) {
            let low = if self.eat(b'\\') && self.eat(b'u') { self.unit()? } else { 0 };
            if !(0xDC00..0xE000).contains(&low) {
                return Err(self.error("half a character stands alone"));
            }
            0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.error("half a character stands alone"))
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
    fn malformed_texts_are_refused() {
        let bad = "|{|{\"a\"}|{\"a\":}|{\"a\":1,}|[1,]|01|1.|-|1e|\"a|\"\\x\"|\"\\u12\"|\"\\ud800\"|\"\\udc00\"|\"\u{1}\"|{} x|nul|{a:1}|'a'|NaN|\"\\|\"\\u|[1 2]|{\"a\":1 \"b\":2}";
        for bad in bad.split('|') {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(read(b"\"\xff\"").unwrap_err(), Malformed { message: "it is not UTF-8", at: 1 });
        assert_eq!(read("\u{FEFF}[]".as_bytes()), Ok(Json::Array(Vec::new())));
        assert_eq!(read("[".repeat(1000).as_bytes()).unwrap_err().message, "it is nested too deeply");
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
        fn texts_survive(text in any::<String>()) {
            prop_assert_eq!(read(serde_json::to_string(&text).unwrap().as_bytes()), Ok(Json::Text(text)));
        }
    }
}
