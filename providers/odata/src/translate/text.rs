//! A part of a request in two forms: as it is sent, and as it is shown, with a placeholder for each value. It must not know requests.

/// A part of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// As it is sent, not yet encoded.
    pub sent: String,
    /// As it is shown.
    pub shown: String,
    /// Values that are not shown.
    pub values: usize,
}

impl Said {
    /// Words that hide nothing.
    pub fn plain(text: impl Into<String>) -> Said {
        let text = text.into();
        Said { sent: text.clone(), shown: text, values: 0 }
    }

    /// A value.
    pub fn value(text: impl Into<String>) -> Said {
        Said { sent: text.into(), shown: "?".to_owned(), values: 1 }
    }

    /// This and another one after it.
    #[must_use]
    pub fn and(mut self, next: &Said) -> Said {
        self.sent.push_str(&next.sent);
        self.shown.push_str(&next.shown);
        self.values += next.values;
        self
    }

    /// This and words after it.
    #[must_use]
    pub fn then(self, words: &str) -> Said {
        self.and(&Said::plain(words))
    }

    /// Parts with words between them.
    pub fn joined(parts: &[Said], between: &str) -> Said {
        let mut whole = Said::default();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                whole = whole.then(between);
            }
            whole = whole.and(part);
        }
        whole
    }

    /// In brackets.
    #[must_use]
    pub fn in_brackets(&self) -> Said {
        Said::plain("(").and(self).then(")")
    }
}
