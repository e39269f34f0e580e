//! The settings of the kind: what it has besides those that all kinds over HTTP share. It must not know what is asked.

use portico_provider_api::{ConnectContext, Secret, SourceError, SourceErrorKind};
use portico_provider_web::{WebConfig, config};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A Tryton server and a user of it.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrytonConfig {
    /// Name of the database, as it stands in the server's addresses.
    pub database: String,
    /// The user in whose name the gateway asks and writes.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// The models that there are, where no table names them. Without it: every model that the user may read.
    #[serde(default)]
    pub models: Option<Vec<String>>,
    /// Methods of models that can be called besides the buttons that the server lists: `sale.sale.copy_to`. Each takes records, and changes something.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Members of the server's context besides those of the user's preferences: `{ company: 2, language: de }`.
    #[serde(default)]
    pub context: Map<String, Value>,
    /// Records of a page at most.
    #[serde(default = "page_rows")]
    #[schemars(range(min = 1, max = 100_000))]
    pub page_rows: u64,
    /// Which database the server runs on: what it compares exactly depends on it. The server is tried, and another one is an error.
    #[serde(default)]
    pub backend: Backend,
    /// Whether the database orders text by code points. Otherwise orders of text are not pushed down.
    #[serde(default)]
    pub text_order: TextOrder,
}

/// A database that Tryton runs on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// PostgreSQL: decimals are exact, `LIKE` sees letter case.
    #[default]
    Postgresql,
    /// SQLite: decimals of more than 15 digits are compared as doubles, `LIKE` ignores the case of ASCII letters, and versions of records are compared
    /// before the transaction that writes.
    Sqlite,
}

/// How text is ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextOrder {
    /// By the rules of a language.
    #[default]
    Language,
    /// By code points: SQLite, and PostgreSQL with the collation `C`.
    Binary,
}

fn page_rows() -> u64 {
    2_000
}

/// Reads the settings.
///
/// # Errors
/// Names what is unknown, missing or of the wrong kind.
pub fn read(settings: Value, context: &ConnectContext) -> Result<(WebConfig, TrytonConfig), SourceError> {
    let (web, own): (WebConfig, TrytonConfig) = config::read(settings, context)?;
    let invalid =
        |setting: &str, message: &str| Err(SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message).at(&[setting]));
    if web.auth.is_some() {
        return invalid(
            "auth",
            "'auth' has no place here: a Tryton server is asked in a session, which is made with 'user' and 'password'",
        );
    }
    if own.database.is_empty() {
        return invalid("database", "'database' is empty");
    }
    if own.user.contains(':') {
        return invalid("user", "'user' holds a ':', which the server could not tell from what follows");
    }
    if own.page_rows == 0 || own.page_rows > 100_000 {
        return invalid("page_rows", "'page_rows' must be between 1 and 100000");
    }
    if own.context.keys().any(|key| key.starts_with('_') || key == "active_test") {
        return invalid("context", "'context' sets something that the gateway sets itself");
    }
    Ok((web, own))
}

/// The JSON Schema of all settings.
pub fn schema() -> Value {
    config::schema::<TrytonConfig>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(more: Value) -> String {
        let mut settings = json!({"url": "https://erp.example.com/", "database": "main", "user": "portico", "password": "hunter2"});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let context = ConnectContext {
            source_name: "erp".to_owned(),
            base_directory: ".".into(),
            max_connections: 2,
            timeout: std::time::Duration::from_secs(3),
            request_time: std::time::Duration::from_secs(60),
        };
        read(settings, &context).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn settings_are_closed() {
        assert_eq!(refused(json!({})), "");
        assert!(refused(json!({"modles": []})).contains("no 'modles'"));
        assert!(refused(json!({"auth": {"bearer": "x"}})).contains("session"));
        assert!(refused(json!({"user": "a:b"})).contains("':'"));
        assert!(refused(json!({"page_rows": 0})).contains("page_rows"));
        assert!(refused(json!({"backend": "oracle"})).contains("backend"));
        assert!(refused(json!({"context": {"_timestamp": {}}})).contains("context"));
        let wrong = refused(json!({"password": ["hunter2"]}));
        assert!(wrong.contains("password") && !wrong.contains("hunter2"), "{wrong}");
    }
}
