//! Functions over text. Everything counts code points.

use super::EvaluateError;

/// SQL `LIKE` with escape character `\`.
pub(super) fn like(text: &str, pattern: &str) -> Result<bool, EvaluateError> {
    let pattern = parse_pattern(pattern)?;
    let text: Vec<char> = text.chars().collect();
    // Greedy with one point to come back to: when a `%` has matched too little, it takes one character more.
    let (mut at, mut next) = (0, 0);
    let mut resume: Option<(usize, usize)> = None;
    loop {
        match pattern.get(next) {
            Some(Token::Any) => {
                resume = Some((next + 1, at));
                next += 1;
                continue;
            }
            None if at == text.len() => return Ok(true),
            Some(Token::One) if at < text.len() => {
                (at, next) = (at + 1, next + 1);
                continue;
            }
            Some(Token::Exactly(character)) if text.get(at) == Some(character) => {
                (at, next) = (at + 1, next + 1);
                continue;
            }
            None | Some(Token::One | Token::Exactly(_)) => {}
        }
        match resume {
            Some((token, from)) if from < text.len() => {
                resume = Some((token, from + 1));
                (at, next) = (from + 1, token);
            }
            _ => return Ok(false),
        }
    }
}

enum Token {
    Any,
    One,
    Exactly(char),
}

fn parse_pattern(pattern: &str) -> Result<Vec<Token>, EvaluateError> {
    let mut characters = pattern.chars();
    let mut tokens = Vec::new();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '%' => Token::Any,
            '_' => Token::One,
            '\\' => match characters.next() {
                Some(escaped) => Token::Exactly(escaped),
                None => return Err(EvaluateError::Data("a LIKE pattern ends with its escape character".to_owned())),
            },
            other => Token::Exactly(other),
        });
    }
    Ok(tokens)
}

/// Length in code points.
pub(super) fn length(text: &str) -> Result<i32, EvaluateError> {
    i32::try_from(text.chars().count()).map_err(|_| EvaluateError::Data("a length does not fit int32".to_owned()))
}

/// 1-based position of `part` in `text`, 0 when absent; the empty text is found at 1.
pub(super) fn position(text: &str, part: &str) -> Result<i32, EvaluateError> {
    match text.find(part) {
        Some(bytes) => length(text.get(..bytes).unwrap_or_default()).map(|before| before.saturating_add(1)),
        None => Ok(0),
    }
}

/// SQL `substr`: positions before 1 count towards the length but yield nothing.
pub(super) fn substring(text: &str, start: i64, length: Option<i64>) -> Result<String, EvaluateError> {
    let end = match length {
        Some(length) if length < 0 => return Err(EvaluateError::Data("a substring of negative length".to_owned())),
        Some(length) => start.saturating_add(length),
        None => i64::MAX,
    };
    let first = start.max(1);
    if end <= first {
        return Ok(String::new());
    }
    let skip = usize::try_from(first - 1).unwrap_or(usize::MAX);
    let take = usize::try_from(end - first).unwrap_or(usize::MAX);
    Ok(text.chars().skip(skip).take(take).collect())
}

/// Simple lower case: each code point becomes exactly one.
pub(super) fn lower(text: &str) -> String {
    text.chars().map(simple_lower).collect()
}

/// Simple upper case: each code point becomes exactly one, so `ß` stays.
pub(super) fn upper(text: &str) -> String {
    text.chars().map(simple_upper).collect()
}

fn simple_lower(character: char) -> char {
    let mut mapped = character.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        // U+0130 is the only one whose full mapping is longer than its simple one.
        _ if character == '\u{130}' => 'i',
        _ => character,
    }
}

fn simple_upper(character: char) -> char {
    let mut mapped = character.to_uppercase();
    if let (Some(single), None) = (mapped.next(), mapped.next()) {
        return single;
    }
    // Greek letters with an iota below have a title case of one code point, which is their simple upper case.
    let title = match u32::from(character) {
        code @ (0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7) => Some(code + 8),
        code @ (0x1fb3 | 0x1fc3 | 0x1ff3) => Some(code + 9),
        _ => None,
    };
    title.and_then(char::from_u32).unwrap_or(character)
}
