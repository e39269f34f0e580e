//! How a source fails. It must not know protocols: the gateway maps kinds to HTTP, gRPC and OData.

use std::time::Duration;
use thiserror::Error;

/// Whether asking again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request fails again.
    Never,
    /// The same request may succeed later, after at least this long where the source said so.
    After(Option<Duration>),
}

/// What a request that failed has done at its source, as far as that is known. For reads it does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it was not sent, or the source has refused it or undone it.
    None,
    /// It was sent, and nobody has heard what became of it: a write may have been done.
    Unknown,
}

/// Which rule of the source's data a write broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// Duplicate key.
    Unique,
    /// Reference to a missing row, or removal of a referenced one.
    ForeignKey,
    /// Missing mandatory value.
    NotNull,
    /// A value out of range, too long, or refused by a check.
    Check,
}

/// What kind of failure it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceErrorKind {
    /// Not reachable, or shutting down.
    Unavailable,
    /// Did not answer before the deadline.
    Timeout,
    /// The gateway's credentials were rejected, or lack a right at the source.
    Credentials,
    /// Too many requests.
    Throttled,
    /// Another writer was there first (serialisation failure, deadlock, version mismatch).
    Conflict,
    /// A write broke a constraint; `columns` are remote names where the source says which.
    Constraint {
        /// Which rule.
        kind: ConstraintKind,
        /// Remote columns concerned.
        columns: Vec<String>,
    },
    /// A value made the source fail: division by zero, overflow, a cast that does not fit.
    Data,
    /// Asked for something outside the capabilities.
    Unsupported,
    /// The answer cannot be understood, is not of the promised type, or is incomplete.
    Malformed,
    /// A remote table or column no longer exists, or changed type.
    SchemaChanged,
    /// A bug in the provider.
    Internal,
}

/// A failure of one source. `message` is for a person and never holds a secret, a connection string or a stack.
#[derive(Debug, Clone, Error)]
#[error("source '{source_name}': {message}")]
pub struct SourceError {
    /// The configured name of the source.
    pub source_name: String,
    /// Kind.
    pub kind: SourceErrorKind,
    /// The source's own message, cleaned.
    pub message: String,
    /// Whether a retry can help.
    pub retry: Retry,
    /// What it has done, if it was a write.
    pub effect: Effect,
    /// What few failures have: errors travel through every result, and are kept small.
    pub more: Option<Box<More>>,
}

/// Characters of a message at most: what a source says may hold a statement, a page of HTML, or rows.
const LONGEST_MESSAGE: usize = 1_000;

/// A message for one line of a log and of an answer.
fn cleaned(message: String) -> String {
    let is_clean = message.len() <= LONGEST_MESSAGE && !message.chars().any(char::is_control);
    if is_clean {
        return message;
    }
    let mut cleaned = String::with_capacity(LONGEST_MESSAGE);
    // Line breaks and the like become one blank.
    for word in message.split(|character: char| character.is_control() || character == ' ').filter(|word| !word.is_empty()) {
        if !cleaned.is_empty() {
            cleaned.push(' ');
        }
        cleaned.push_str(word);
    }
    match cleaned.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", cleaned.get(..end).unwrap_or_default()),
        None => cleaned,
    }
}

/// What few failures have.
#[derive(Debug, Clone, Default)]
pub struct More {
    /// The source's own code (SQLSTATE, HTTP status), where there is one.
    pub native_code: Option<String>,
    /// Which of the kind's settings is wrong, by the keys that lead to it, where it is one of them that makes connecting impossible.
    pub setting: Vec<String>,
    /// Whether the message is the source's own word to the people who use it, as that of an ERP's rule is, and no database's to its operators.
    pub for_people: bool,
}

impl SourceError {
    /// An error of a kind, with the retry advice that this kind usually deserves, and the worst that it may mean for a write.
    pub fn new(source_name: impl Into<String>, kind: SourceErrorKind, message: impl Into<String>) -> SourceError {
        let retry = match &kind {
            SourceErrorKind::Unavailable | SourceErrorKind::Timeout | SourceErrorKind::Throttled | SourceErrorKind::Conflict => {
                Retry::After(None)
            }
            SourceErrorKind::Credentials
            | SourceErrorKind::Constraint { .. }
            | SourceErrorKind::Data
            | SourceErrorKind::Unsupported
            | SourceErrorKind::Malformed
            | SourceErrorKind::SchemaChanged
            | SourceErrorKind::Internal => Retry::Never,
        };
        let effect = match &kind {
            SourceErrorKind::Unavailable | SourceErrorKind::Timeout | SourceErrorKind::Malformed | SourceErrorKind::Internal => {
                Effect::Unknown
            }
            SourceErrorKind::Credentials
            | SourceErrorKind::Throttled
            | SourceErrorKind::Conflict
            | SourceErrorKind::Constraint { .. }
            | SourceErrorKind::Data
            | SourceErrorKind::Unsupported
            | SourceErrorKind::SchemaChanged => Effect::None,
        };
        SourceError { source_name: source_name.into(), kind, message: cleaned(message.into()), retry, effect, more: None }
    }

    /// The source's own code (SQLSTATE, HTTP status), where there is one.
    pub fn native_code(&self) -> Option<&str> {
        self.more.as_ref()?.native_code.as_deref()
    }

    /// Says which of the kind's settings is wrong, by the keys that lead to it: `["auth", "bearer"]`.
    #[must_use]
    pub fn at(mut self, setting: &[&str]) -> SourceError {
        self.more.get_or_insert_default().setting = setting.iter().map(|key| (*key).to_owned()).collect();
        self
    }

    /// Which of the kind's settings is wrong, by the keys that lead to it, where it is one of them that makes connecting impossible.
    pub fn setting(&self) -> &[String] {
        self.more.as_ref().map_or(&[], |more| more.setting.as_slice())
    }

    /// The same where it is known that nothing was done: it was not sent, or what was sent is undone.
    #[must_use]
    pub fn without_effect(self) -> SourceError {
        SourceError { effect: Effect::None, ..self }
    }

    /// The same where what was sent may have been done all the same.
    #[must_use]
    pub fn with_unknown_effect(self) -> SourceError {
        SourceError { effect: Effect::Unknown, ..self }
    }

    /// Says that the message is the source's own word to the people who use it, so that clients are told it.
    #[must_use]
    pub fn for_people(mut self) -> SourceError {
        self.more.get_or_insert_default().for_people = true;
        self
    }

    /// Whether the message is the source's own word to the people who use it.
    pub fn is_for_people(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.for_people)
    }

    /// Adds the source's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> SourceError {
        self.more.get_or_insert_default().native_code = Some(code.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_s_message_is_one_line_of_a_sensible_length() {
        let message = |text: &str| SourceError::new("crm", SourceErrorKind::Data, text).message;
        assert_eq!(message("as it is,  with blanks"), "as it is,  with blanks");
        assert_eq!(message("two\r\nlines\tand \u{1b}[31mred\u{0}"), "two lines and [31mred");
        let long = message(&"ä".repeat(5_000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST_MESSAGE + 1, true));
        assert_eq!(message(&"x".repeat(LONGEST_MESSAGE)).len(), LONGEST_MESSAGE);
    }

    #[test]
    fn a_word_to_people_is_told_from_a_database_s() {
        let error = SourceError::new("erp", SourceErrorKind::Data, "cancel it first");
        assert!(!error.is_for_people() && error.for_people().with_code("1").is_for_people());
    }

    #[test]
    fn a_write_without_an_answer_may_have_been_done() {
        let effect = |kind| SourceError::new("crm", kind, "").effect;
        assert_eq!(effect(SourceErrorKind::Timeout), Effect::Unknown);
        assert_eq!(effect(SourceErrorKind::Unavailable), Effect::Unknown);
        assert_eq!(effect(SourceErrorKind::Throttled), Effect::None);
        let never_sent = SourceError::new("crm", SourceErrorKind::Unavailable, "").without_effect();
        assert_eq!(never_sent.effect, Effect::None);
    }
}
