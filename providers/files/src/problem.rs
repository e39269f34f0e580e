//! What is wrong with a file or a request, before it has the name of its source. Messages name files below the directory, rows and columns,
//! and never a value, which may be confidential.

use portico_provider_api::{EvaluateError, SourceError, SourceErrorKind};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: SourceErrorKind,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(kind: SourceErrorKind, message: impl Into<String>) -> Problem {
        Problem { kind, message: message.into() }
    }

    /// What a file holds is not what it should be.
    pub(crate) fn malformed(message: impl Into<String>) -> Problem {
        Problem::new(SourceErrorKind::Malformed, message)
    }

    /// A file that cannot be read.
    pub(crate) fn io(file: &str, error: &std::io::Error) -> Problem {
        // What was wrapped on its way through a reader says what it is by itself.
        match error.get_ref() {
            Some(inner) if error.kind() == std::io::ErrorKind::InvalidData => Problem::malformed(format!("{file}: {inner}")),
            _ => Problem::new(SourceErrorKind::Unavailable, format!("{file} cannot be read: {}", error.kind())),
        }
    }

    /// A file that is another than when the query began.
    pub(crate) fn changed(file: &str) -> Problem {
        Problem::new(SourceErrorKind::Unavailable, format!("{file} was changed while it was read: ask again"))
    }

    pub(crate) fn evaluation(error: &EvaluateError) -> Problem {
        let kind = match error {
            EvaluateError::Data(_) => SourceErrorKind::Data,
            EvaluateError::Unsupported(_) | EvaluateError::Invalid(_) => SourceErrorKind::Unsupported,
        };
        Problem::new(kind, error.to_string())
    }

    pub(crate) fn of(self, source_name: &str) -> SourceError {
        SourceError::new(source_name, self.kind, self.message)
    }
}
