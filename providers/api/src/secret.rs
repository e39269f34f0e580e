//! Secrets in a kind's settings: passwords, tokens, keys. The configuration refers to them and never holds them; what a kind gets is the text,
//! which nothing prints. It must not know where a secret was found.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// The mark in a JSON Schema of a place that takes a reference to a secret only, in the file: `{ env: NAME }` or `{ file: PATH }`.
pub const SECRET_MARK: &str = "x-portico-secret";

/// The mark in a JSON Schema of a place whose text is shown: in EXPLAIN, in logs, in messages. No reference to a secret may stand there.
pub const SHOWN_MARK: &str = "x-portico-shown";

/// In a JSON Schema, a text that is shown: `#[schemars(with = "ShownText")]` on a setting that is a `String`.
pub struct ShownText;

impl JsonSchema for ShownText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ShownText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({ "type": "string" });
        schema.insert(SHOWN_MARK.to_owned(), serde_json::Value::Bool(true));
        schema
    }
}

/// The text of a secret. It has no debug form and no display, and cannot be serialised: a structure that holds one cannot be printed by mistake.
///
/// In a JSON Schema it is marked, so that the file may only refer to it. A setting that holds a secret now and then (a URL, which may have a
/// password) is a `Secret` as well, with `#[schemars(with = "String")]`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself. Whoever asks for it sees to it that it goes nowhere but to the source.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({ "type": "string" });
        schema.insert(SECRET_MARK.to_owned(), serde_json::Value::Bool(true));
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, JsonSchema)]
    struct Settings {
        password: Secret,
        /// Where it is.
        token: Option<Secret>,
        #[schemars(with = "String")]
        url: Secret,
    }

    #[test]
    fn what_may_only_be_referred_to_is_marked() {
        let schema = schemars::schema_for!(Settings).to_value();
        let of = |name: &str| &schema["properties"][name];
        assert_eq!(of("password")[SECRET_MARK], true);
        assert_eq!((&of("token")[SECRET_MARK], of("token")["description"].as_str()), (&true.into(), Some("Where it is.")));
        assert!(of("url").get(SECRET_MARK).is_none());
        let read: Settings = serde_json::from_value(serde_json::json!({ "password": "p", "url": "u" })).unwrap();
        assert_eq!((read.password.reveal(), read.token.is_none(), read.url.reveal()), ("p", true, "u"));
    }
}
