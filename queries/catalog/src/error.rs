//! What can be wrong with a model. Each error says where, by the keys that lead there.

use thiserror::Error;

/// A mistake in the definitions, or a definition that the source does not bear out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {message}{}", path.join("."), suggestion.as_ref().map(|s| format!("; did you mean '{s}'?")).unwrap_or_default())]
pub struct ModelError {
    /// The keys that lead to the culprit: `["tables", "Customers", "columns", "Nme"]`.
    pub path: Vec<String>,
    /// What is wrong, for a person.
    pub message: String,
    /// The nearest name that would have been right.
    pub suggestion: Option<String>,
}

impl ModelError {
    /// An error at a path.
    pub fn new(path: &[&str], message: impl Into<String>) -> ModelError {
        ModelError { path: path.iter().map(|part| (*part).to_owned()).collect(), message: message.into(), suggestion: None }
    }

    /// Adds the nearest of the candidates, if one is near.
    #[must_use]
    pub fn suggesting<'a>(mut self, wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> ModelError {
        self.suggestion = crate::names::nearest(wrong, candidates).map(str::to_owned);
        self
    }
}
