//! Secrets: where they are found, and the text once found. A secret is never written into the configuration file, never printed,
//! and has no debug form.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Where a secret is found: `{ env: NAME }` or `{ file: PATH }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretReference {
    /// An environment variable.
    Env(String),
    /// A file, relative to the configuration file; a line break at its end does not count.
    File(PathBuf),
}

pub use portico_provider_api::secret::{SECRET_MARK, SHOWN_MARK};

impl JsonSchema for SecretReference {
    fn schema_name() -> Cow<'static, str> {
        "SecretReference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({
            "description": "Where a secret is found: an environment variable, or a file beside the configuration.",
            "type": "object",
            "properties": { "env": { "type": "string" }, "file": { "type": "string" } },
            "additionalProperties": false, "minProperties": 1, "maxProperties": 1
        });
        schema.insert(SECRET_MARK.to_owned(), Value::Bool(true));
        schema
    }
}

/// The text of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> SecretText {
        SecretText(text.into())
    }

    /// The text itself. Whoever asks for it sees to it that it goes nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl SecretReference {
    /// Reads the secret.
    ///
    /// # Errors
    /// Names the variable or file that is missing, empty or unreadable.
    pub fn resolve(&self, base_directory: &Path) -> Result<SecretText, String> {
        let text = match self {
            SecretReference::Env(name) => match std::env::var(name) {
                Ok(text) => text,
                Err(std::env::VarError::NotPresent) => return Err(format!("the environment variable {name} is not set")),
                Err(std::env::VarError::NotUnicode(_)) => return Err(format!("the environment variable {name} is not UTF-8 text")),
            },
            SecretReference::File(path) => {
                let full = base_directory.join(path);
                let text = std::fs::read_to_string(&full)
                    .map_err(|error| format!("the secret file {} cannot be read: {}", full.display(), error.kind()))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        if text.is_empty() {
            return Err(match self {
                SecretReference::Env(name) => format!("the environment variable {name} is empty"),
                SecretReference::File(path) => format!("the secret file {} is empty", path.display()),
            });
        }
        Ok(SecretText(text))
    }

    /// The reference that a value of the file is, if it has the form of one.
    pub fn from_value(value: &Value) -> Option<SecretReference> {
        let object = value.as_object().filter(|object| object.len() == 1)?;
        let (key, place) = object.iter().next()?;
        let place = place.as_str()?;
        match key.as_str() {
            "env" => Some(SecretReference::Env(place.to_owned())),
            "file" => Some(SecretReference::File(PathBuf::from(place))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_and_never_printed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), "hush-hush\n").unwrap();
        let secret = SecretReference::File("key".into()).resolve(directory.path()).unwrap();
        assert_eq!(secret.reveal(), "hush-hush");
        assert!(!format!("{secret:?}").contains("hush"));
        std::fs::write(directory.path().join("empty"), "\n").unwrap();
        assert!(SecretReference::File("empty".into()).resolve(directory.path()).unwrap_err().contains("empty"));
        assert!(SecretReference::File("none".into()).resolve(directory.path()).unwrap_err().contains("cannot be read"));
        let variable = SecretReference::Env("PORTICO_TEST_SURELY_NOT_SET".into());
        assert!(variable.resolve(directory.path()).unwrap_err().contains("PORTICO_TEST_SURELY_NOT_SET is not set"));
    }
}
