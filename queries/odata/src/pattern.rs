//! Regular expressions as ECMAScript has them, for `matchesPattern`, rewritten for an engine without backtracking (that of the `regex`
//! crate). What such an engine cannot have — look-around, references back — is refused. It must not compile anything.

/// Why a pattern is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PatternError {
    /// It is no regular expression.
    Malformed(String),
    /// It needs what is not built.
    Unsupported(&'static str),
}

/// White space of ECMAScript's `\s`, as the inside of a class.
const SPACE: &str = r"\t\n\x{b}\x{c}\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}";
/// What `.` does not match.
const LINE_END: &str = r"\n\r\x{2028}\x{2029}";

struct Translator<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
    groups: usize,
}

/// The same pattern for the `regex` crate.
pub(crate) fn translate(pattern: &str) -> Result<String, PatternError> {
    let mut translator = Translator { rest: pattern.chars().peekable(), out: String::new(), groups: 0 };
    while let Some(next) = translator.rest.next() {
        translator.atom(next)?;
    }
    if translator.groups > 0 { Err(malformed("a group has no closing parenthesis")) } else { Ok(translator.out) }
}

fn malformed(why: impl Into<String>) -> PatternError {
    PatternError::Malformed(why.into())
}

impl Translator<'_> {
    fn atom(&mut self, next: char) -> Result<(), PatternError> {
        match next {
            '\\' => self.escape(false),
            '[' => self.class(),
            '(' => self.group(),
            ')' if self.groups == 0 => Err(malformed("a parenthesis closes nothing")),
            ')' => {
                self.groups -= 1;
                self.out.push(')');
                Ok(())
            }
            '.' => {
                self.out.push_str(&format!("[^{LINE_END}]"));
                Ok(())
            }
            '{' => {
                self.braces();
                Ok(())
            }
            // A lone bracket or brace stands for itself.
            '}' | ']' => {
                self.out.push('\\');
                self.out.push(next);
                Ok(())
            }
            other => {
                self.out.push(other);
                Ok(())
            }
        }
    }

    fn group(&mut self) -> Result<(), PatternError> {
        self.groups += 1;
        if self.rest.peek() != Some(&'?') {
            self.out.push('(');
            return Ok(());
        }
        self.rest.next();
        match self.rest.next() {
            Some(':') => self.out.push_str("(?:"),
            Some('=' | '!') => return Err(PatternError::Unsupported("a pattern that looks ahead")),
            Some('<') if matches!(self.rest.peek(), Some('=' | '!')) => {
                return Err(PatternError::Unsupported("a pattern that looks behind"));
            }
            // What a group is called matters to nobody here.
            Some('<') => {
                let mut name = String::new();
                loop {
                    match self.rest.next() {
                        Some('>') if !name.is_empty() => break,
                        Some(letter) if letter.is_alphanumeric() || letter == '_' || letter == '$' => name.push(letter),
                        _ => return Err(malformed("the name of a group is not one")),
                    }
                }
                self.out.push('(');
            }
            _ => return Err(malformed("'(?' is followed by none of ':', '=', '!' and '<'")),
        }
        Ok(())
    }

    /// `{2}`, `{2,}` and `{2,3}` repeat; any other brace stands for itself.
    fn braces(&mut self) {
        let ahead: String = self.rest.clone().take_while(|letter| *letter != '}').take(24).collect();
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let repeats = closed
            && match ahead.split_once(',') {
                None => number(&ahead),
                Some((least, most)) => number(least) && (most.is_empty() || number(most)),
            };
        self.out.push_str(if repeats { "{" } else { "\\{" });
        if repeats {
            for letter in self.rest.by_ref().take(ahead.chars().count() + 1) {
                self.out.push(letter);
            }
        }
    }

    fn class(&mut self) -> Result<(), PatternError> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        if self.rest.next_if_eq(&']').is_some() {
            // Nothing is in the empty class, and everything outside of it.
            self.out.push_str(if negated { "(?s:.)" } else { "[a&&b]" });
            return Ok(());
        }
        self.out.push_str(if negated { "[^" } else { "[" });
        loop {
            match self.rest.next() {
                None => return Err(malformed("a class has no closing bracket")),
                Some(']') => break,
                Some('\\') => self.escape(true)?,
                // Operators of sets there, letters here.
                Some(letter @ ('[' | '&' | '~' | '^')) => {
                    self.out.push('\\');
                    self.out.push(letter);
                }
                Some('-') if self.rest.peek() == Some(&'-') => self.out.push_str("\\-"),
                Some(letter) => self.out.push(letter),
            }
        }
        self.out.push(']');
        Ok(())
    }

    fn escape(&mut self, in_class: bool) -> Result<(), PatternError> {
        let Some(letter) = self.rest.next() else { return Err(malformed("it ends with a backslash")) };
        let set = |inside: &str, negated: bool| match (in_class, negated) {
            (true, false) => inside.to_owned(),
            (_, true) => format!("[^{inside}]"),
            (false, false) => format!("[{inside}]"),
        };
        let text = match letter {
            'd' => set("0-9", false),
            'D' => set("0-9", true),
            'w' => set("A-Za-z0-9_", false),
            'W' => set("A-Za-z0-9_", true),
            's' => set(SPACE, false),
            'S' => set(SPACE, true),
            'b' if in_class => r"\x{8}".to_owned(),
            'b' => r"(?-u:\b)".to_owned(),
            'B' if !in_class => return Err(PatternError::Unsupported("a pattern with \\B")),
            'n' | 'r' | 't' | 'f' | 'v' => format!("\\{letter}"),
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => r"\x{0}".to_owned(),
            '1'..='9' if !in_class => return Err(PatternError::Unsupported("a pattern that refers back to a group")),
            'k' if self.rest.peek() == Some(&'<') => return Err(PatternError::Unsupported("a pattern that refers back to a group")),
            'p' | 'P' if self.rest.peek() == Some(&'{') => return Err(PatternError::Unsupported("a pattern with a property of Unicode")),
            'x' => match self.hexadecimal(2) {
                Some(code) => self.code(code),
                None => "x".to_owned(),
            },
            'u' => match self.hexadecimal(4) {
                Some(high @ 0xd800..=0xdbff) => {
                    let low = (self.rest.next() == Some('\\') && self.rest.next() == Some('u')).then(|| self.hexadecimal(4)).flatten();
                    let low = low.filter(|low| (0xdc00..=0xdfff).contains(low));
                    let low = low.ok_or(PatternError::Unsupported("a pattern with half a character"))?;
                    self.code(0x1_0000 + (((high - 0xd800) << 10) | (low - 0xdc00)))
                }
                Some(0xdc00..=0xdfff) => return Err(PatternError::Unsupported("a pattern with half a character")),
                Some(code) => self.code(code),
                None => "u".to_owned(),
            },
            'c' => match self.rest.next() {
                Some(control) if control.is_ascii_alphabetic() => self.code(u32::from(control) % 32),
                _ => return Err(malformed("'\\c' is followed by no letter")),
            },
            // Any other character stands for itself.
            other if other.is_ascii_alphanumeric() => other.to_string(),
            other if other.is_ascii() => format!("\\{other}"),
            other => other.to_string(),
        };
        self.out.push_str(&text);
        Ok(())
    }

    fn code(&self, code: u32) -> String {
        format!("\\x{{{code:x}}}")
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        let text: String = self.rest.clone().take(digits).collect();
        let code = (text.len() == digits).then(|| u32::from_str_radix(&text, 16).ok()).flatten()?;
        self.rest.nth(digits - 1);
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_rewritten() {
        for (pattern, wanted) in [
            ("^A.*e$", r"^A[^\n\r\x{2028}\x{2029}]*e$"),
            (r"\d+\.\d{2}", r"[0-9]+\.[0-9]{2}"),
            (r"[\w-]+@x", r"[A-Za-z0-9_-]+@x"),
            (r"a{,2}{b}", r"a\{,2\}\{b\}"),
            ("[a&&b[]", r"[a\&\&b\[]"),
            ("[^]|[]", "(?s:.)|[a&&b]"),
            (r"(?<year>\d{4})-(?:x|y)", r"([0-9]{4})-(?:x|y)"),
            (r"\u00e9\x41\cJ\0", r"\x{e9}\x{41}\x{a}\x{0}"),
            (r"\ud83d\ude00", r"\x{1f600}"),
            (r"\bword\b", r"(?-u:\b)word(?-u:\b)"),
            (r"a\/b\-c]", r"a\/b\-c\]"),
        ] {
            assert_eq!(translate(pattern).as_deref(), Ok(wanted), "{pattern}");
        }
        for bad in ["(a", "a)", "[a", "\\", "(?a)", "(?<>a)"] {
            assert!(matches!(translate(bad), Err(PatternError::Malformed(_))), "{bad}");
        }
        for beyond in ["(?=a)", "(?!a)", "(?<=a)", "(?<!a)", r"(a)\1", r"\k<a>", r"\p{L}", r"\ud83d"] {
            assert!(matches!(translate(beyond), Err(PatternError::Unsupported(_))), "{beyond}");
        }
    }
}
