//! The grammar of expressions (RFC 9535, section 2 and appendix A), and what functions take (section 2.4). It must not know documents.

use super::expression::{Comparison, Condition, Operand, Query, Segment, Selector};
use portico_provider_api::json::Json;
use regex::Regex;

/// How deep filters and brackets may be nested.
const MAX_DEPTH: usize = 64;
/// Indexes are whole numbers of I-JSON (section 2.1).
const MAX_INDEX: i64 = (1 << 53) - 1;

/// What is wrong, and before which byte.
pub(super) type Wrong = (usize, String);

/// Reads a whole expression.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn query(text: &str) -> Result<Query, Wrong> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    parser.expect("$")?;
    let segments = parser.segments()?;
    match parser.peek() {
        None => Ok(Query { absolute: true, segments }),
        Some(_) => Err(parser.wrong("'.' or '[' is expected")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// What stands in a filter before it is known what it is for.
enum Term {
    Literal(Json),
    Query(Query),
    /// A function that returns a value.
    Value(Operand),
    /// A function that returns a truth.
    Truth(Condition),
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn wrong(&self, what: impl Into<String>) -> Wrong {
        (self.at, what.into())
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), Wrong> {
        if self.eat(token) { Ok(()) } else { Err(self.wrong(format!("'{token}' is expected"))) }
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn taken(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.get(..rest.find(|character| !fits(character)).unwrap_or(rest.len())).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Parser<'a>) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth == MAX_DEPTH {
            return Err(self.wrong("it is nested too deeply"));
        }
        self.depth += 1;
        let found = inner(self);
        self.depth -= 1;
        found
    }

    fn segments(&mut self) -> Result<Vec<Segment>, Wrong> {
        let mut segments = Vec::new();
        loop {
            // Space that no segment follows belongs to whatever is around.
            let before = self.at;
            self.space();
            let descendant = self.eat("..");
            let selectors = if self.peek() == Some('[') {
                self.bracketed()?
            } else if descendant || self.eat(".") {
                vec![self.shorthand()?]
            } else {
                self.at = before;
                return Ok(segments);
            };
            segments.push(Segment { descendant, selectors });
        }
    }

    fn shorthand(&mut self) -> Result<Selector, Wrong> {
        if self.eat("*") {
            return Ok(Selector::Wildcard);
        }
        let first = |character: char| character.is_ascii_alphabetic() || character == '_' || !character.is_ascii();
        if !self.peek().is_some_and(first) {
            return Err(self.wrong("a name is expected; one of other characters stands in quotes, as in $['a b']"));
        }
        Ok(Selector::Name(self.taken(|character| first(character) || character.is_ascii_digit()).to_owned()))
    }

    fn bracketed(&mut self) -> Result<Vec<Selector>, Wrong> {
        self.expect("[")?;
        let mut selectors = Vec::new();
        loop {
            self.space();
            selectors.push(self.nested(Parser::selector)?);
            self.space();
            if !self.eat(",") {
                break;
            }
        }
        if self.eat("]") { Ok(selectors) } else { Err(self.wrong("',' or ']' is expected")) }
    }

    fn selector(&mut self) -> Result<Selector, Wrong> {
        match self.peek() {
            Some('\'' | '"') => self.string().map(Selector::Name),
            Some('*') => {
                self.at += 1;
                Ok(Selector::Wildcard)
            }
            Some('?') => {
                self.at += 1;
                self.space();
                self.any().map(Selector::Filter)
            }
            Some(':' | '-' | '0'..='9') => self.index_or_slice(),
            _ => Err(self.wrong("a name in quotes, '*', an index, a slice or a filter is expected")),
        }
    }

    fn index_or_slice(&mut self) -> Result<Selector, Wrong> {
        let start = self.bound()?;
        let after = self.at;
        self.space();
        match (self.eat(":"), start) {
            (false, Some(index)) => {
                self.at = after;
                return Ok(Selector::Index(index));
            }
            (false, None) => return Err(self.wrong("an index is expected")),
            (true, _) => self.space(),
        }
        let end = self.bound()?;
        let after = self.at;
        self.space();
        let step = if self.eat(":") {
            let after = self.at;
            self.space();
            let step = self.bound()?;
            self.at = if step.is_none() { after } else { self.at };
            step
        } else {
            self.at = after;
            None
        };
        Ok(Selector::Slice { start, end, step: step.unwrap_or(1) })
    }

    /// A whole number, if one begins here.
    fn bound(&mut self) -> Result<Option<i64>, Wrong> {
        if !matches!(self.peek(), Some('-' | '0'..='9')) {
            return Ok(None);
        }
        let begin = self.at;
        let negative = self.eat("-");
        let digits = self.taken(|character| character.is_ascii_digit());
        let number = digits.parse::<i64>().ok().filter(|number| *number <= MAX_INDEX);
        match number {
            Some(number) if digits == "0" && !negative || !digits.starts_with('0') => Ok(Some(if negative { -number } else { number })),
            _ => Err((begin, "a whole number without leading zeros, of 2^53 - 1 at most, is expected".to_owned())),
        }
    }

    fn string(&mut self) -> Result<String, Wrong> {
        let begin = self.at;
        let quote = self.peek().unwrap_or('"');
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(character) = self.peek() else { return Err((begin, "a text has no end".to_owned())) };
            match character {
                _ if character == quote => {
                    self.at += 1;
                    return Ok(text);
                }
                '\\' => {
                    self.at += 1;
                    text.push(self.escaped(quote)?);
                }
                '\0'..='\u{1f}' => return Err(self.wrong("a text holds a control character that is not escaped")),
                other => {
                    self.at += other.len_utf8();
                    text.push(other);
                }
            }
        }
    }

    fn escaped(&mut self, quote: char) -> Result<char, Wrong> {
        let begin = self.at;
        let wrong = || (begin, "a '\\' escapes nothing that could be escaped here".to_owned());
        let character = self.peek().ok_or_else(wrong)?;
        self.at += character.len_utf8();
        match character {
            'b' => Ok('\u{8}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            '/' | '\\' => Ok(character),
            'u' => match self.hexadecimal().ok_or_else(wrong)? {
                high @ 0xd800..=0xdbff => {
                    let low = self.eat("\\u").then(|| self.hexadecimal()).flatten().filter(|low| (0xdc00..=0xdfff).contains(low));
                    low.and_then(|low| char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))).ok_or_else(wrong)
                }
                code => char::from_u32(code).ok_or_else(wrong),
            },
            other if other == quote => Ok(other),
            _ => Err(wrong()),
        }
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    /// Alternatives.
    fn any(&mut self) -> Result<Condition, Wrong> {
        self.joined("||", Condition::Any, |parser| parser.joined("&&", Condition::All, |parser| parser.nested(Parser::one)))
    }

    fn joined(
        &mut self,
        word: &str,
        join: fn(Vec<Condition>) -> Condition,
        mut part: impl FnMut(&mut Parser<'a>) -> Result<Condition, Wrong>,
    ) -> Result<Condition, Wrong> {
        let first = part(self)?;
        let mut parts = vec![first];
        loop {
            let before = self.at;
            self.space();
            if !self.eat(word) {
                self.at = before;
                break;
            }
            self.space();
            parts.push(part(self)?);
        }
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            last => Ok(join(parts.into_iter().chain(last).collect())),
        }
    }

    /// One condition.
    fn one(&mut self) -> Result<Condition, Wrong> {
        let negated = self.eat("!");
        if negated {
            self.space();
        }
        let condition = if self.eat("(") {
            self.space();
            let inner = self.any()?;
            self.space();
            self.expect(")")?;
            inner
        } else {
            self.tested(negated)?
        };
        Ok(if negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    fn tested(&mut self, negated: bool) -> Result<Condition, Wrong> {
        let begin = self.at;
        let term = self.term()?;
        let after = self.at;
        self.space();
        if let Some(comparison) = self.comparison().filter(|_| !negated) {
            let left = operand(term, begin)?;
            self.space();
            let begin = self.at;
            let right = self.term()?;
            return Ok(Condition::Compare(left, comparison, operand(right, begin)?));
        }
        self.at = after;
        match term {
            Term::Query(query) => Ok(Condition::Exists(query)),
            Term::Truth(condition) => Ok(condition),
            Term::Literal(_) | Term::Value(_) => Err((after, "a value is no condition: a comparison is expected".to_owned())),
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let words = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        words.into_iter().find(|(word, _)| self.eat(word)).map(|(_, comparison)| comparison)
    }

    fn term(&mut self) -> Result<Term, Wrong> {
        let begin = self.at;
        match self.peek() {
            Some('\'' | '"') => self.string().map(|text| Term::Literal(Json::Text(text))),
            Some('-' | '0'..='9') => self.number().map(|number| Term::Literal(Json::Number(number))),
            Some(start @ ('@' | '$')) => {
                self.at += 1;
                Ok(Term::Query(Query { absolute: start == '$', segments: self.segments()? }))
            }
            Some('a'..='z') => {
                let word = self.taken(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_');
                match (word, self.peek() == Some('(')) {
                    (name, true) => self.nested(|parser| parser.function(name, begin)),
                    ("true", false) => Ok(Term::Literal(Json::Boolean(true))),
                    ("false", false) => Ok(Term::Literal(Json::Boolean(false))),
                    ("null", false) => Ok(Term::Literal(Json::Null)),
                    (_, false) => Err((begin, format!("'{word}' is no value: a text stands in quotes"))),
                }
            }
            _ => Err(self.wrong("a value, '@', '$', '!' or '(' is expected")),
        }
    }

    /// A number as it is written.
    fn number(&mut self) -> Result<String, Wrong> {
        let begin = self.at;
        let text = self.taken(|character| character.is_ascii_digit() || matches!(character, '-' | '+' | '.' | 'e' | 'E'));
        let mut reader = portico_provider_api::json::Reader::new(text);
        match reader.token().and_then(|_| reader.end()) {
            Ok(()) => Ok(text.to_owned()),
            Err(_) => Err((begin, format!("'{text}' is no number"))),
        }
    }

    fn function(&mut self, name: &str, begin: usize) -> Result<Term, Wrong> {
        self.expect("(")?;
        self.space();
        let at = self.at;
        let known = ["length", "count", "value", "match", "search"];
        if !known.contains(&name) {
            return Err((begin, format!("'{name}' is no function: there are {}", known.join(", "))));
        }
        let first = self.term()?;
        self.space();
        let found = match (name, first) {
            ("length", first) => Term::Value(Operand::Length(Box::new(operand(first, at)?))),
            ("count", Term::Query(query)) => Term::Value(Operand::Count(query)),
            ("value", Term::Query(query)) => Term::Value(Operand::Value(query)),
            ("count" | "value", _) => return Err((at, format!("'{name}' takes what selects values: '@' or '$'"))),
            (_, first) => {
                let value = operand(first, at)?;
                self.expect(",")?;
                self.space();
                let at = self.at;
                let Term::Literal(Json::Text(pattern)) = self.term()? else {
                    return Err((at, format!("the pattern of '{name}' must be written out, as a text")));
                };
                self.space();
                let regex = regular(&pattern, name == "match").ok_or_else(|| (at, format!("'{pattern}' is no regular expression")))?;
                Term::Truth(Condition::Fits(value, regex))
            }
        };
        self.expect(")")?;
        Ok(found)
    }
}

/// A term as one value.
fn operand(term: Term, at: usize) -> Result<Operand, Wrong> {
    match term {
        Term::Literal(literal) => Ok(Operand::Literal(literal)),
        Term::Value(value) => Ok(value),
        Term::Query(query) if query.is_singular() => Ok(Operand::One(query)),
        Term::Query(_) => {
            Err((at, "one value is needed: names and indexes alone, or value(…), count(…) of what selects several".to_owned()))
        }
        Term::Truth(_) => Err((at, "a condition is no value".to_owned())),
    }
}

/// An I-Regexp (RFC 9485, section 5.3) as the crate `regex` writes it: its `.` is no line break.
fn regular(pattern: &str, whole: bool) -> Option<Regex> {
    let (mut translated, mut characters, mut class) = (String::new(), pattern.chars(), false);
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                translated.push('\\');
                translated.push(characters.next()?);
            }
            '.' if !class => translated.push_str(r"[^\n\r]"),
            other => {
                class = other == '[' || (class && other != ']');
                translated.push(other);
            }
        }
    }
    Regex::new(&if whole { format!(r"\A(?:{translated})\z") } else { translated }).ok()
}
