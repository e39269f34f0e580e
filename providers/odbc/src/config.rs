//! The settings of an `odbc` source, typed and closed: an unknown key is refused. It must not know drivers or any query.
//! The connection string may hold a password: nothing here puts it, or a part of it, into a message.

use portico_provider_api::{ConnectContext, Secret, SourceError, SourceErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of an `odbc` source.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OdbcConfig {
    /// How the driver connects: `DSN=name`, or `Driver={PostgreSQL Unicode};Server=db.example.com;Database=shop`. What the driver
    /// understands is in its own manual.
    #[schemars(with = "String")]
    pub connection: Secret,
    /// As whom to log in, where the connection string does not say so.
    #[serde(default)]
    pub user: Option<String>,
    /// The user's password, so that the connection string need not hold it.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Publish only the tables of these schemas (with MySQL and MariaDB: databases). Without it: those of the database that is connected
    /// to, the system's own excepted.
    #[serde(default)]
    pub schemas: Option<Vec<String>>,
}

/// Reads the settings.
///
/// # Errors
/// Names the key that is unknown, missing or of the wrong kind, never a value.
pub fn read(config: serde_json::Value, context: &ConnectContext) -> Result<OdbcConfig, SourceError> {
    let invalid = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    for key in ["connection", "user", "password"] {
        // Serde would print the value that it did not expect, and these are secrets.
        if config.get(key).is_some_and(|value| !value.is_string()) {
            return Err(invalid(format!("'{key}' must be text")).at(&[key]));
        }
    }
    let config: OdbcConfig = serde_json::from_value(config).map_err(|error| invalid(format!("the settings are not valid: {error}")))?;
    if !config.connection.reveal().contains('=') {
        return Err(invalid("'connection' is not understood: write DSN=name, or Driver={name of the driver};Server=…".to_owned())
            .at(&["connection"]));
    }
    if config.schemas.as_ref().is_some_and(Vec::is_empty) {
        return Err(invalid("'schemas' is empty: name at least one, or leave the key out".to_owned()).at(&["schemas"]));
    }
    for (key, given, short) in [("user", config.user.is_some(), "uid"), ("password", config.password.is_some(), "pwd")] {
        if given && has_attribute(config.connection.reveal(), short) {
            return Err(invalid(format!("'{key}' is given twice: leave {} out of the connection string", short.to_uppercase())).at(&[key]));
        }
    }
    Ok(config)
}

/// Whether a connection string gives an attribute.
pub fn has_attribute(connection: &str, name: &str) -> bool {
    let (mut braced, mut start) = (false, 0);
    let mut parts = Vec::new();
    for (at, character) in connection.char_indices() {
        match character {
            '{' => braced = true,
            '}' => braced = false,
            ';' if !braced => {
                parts.extend(connection.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(connection.get(start..));
    parts.iter().filter_map(|part| part.split_once('=')).any(|(key, _)| key.trim().eq_ignore_ascii_case(name))
}

impl OdbcConfig {
    /// The whole connection string, with attributes of ours behind it.
    pub fn connection_string(&self, more: &str) -> String {
        let mut text = self.connection.reveal().trim_end_matches([';', ' ']).to_owned();
        for (key, value) in [("UID", self.user.as_deref()), ("PWD", self.password.as_ref().map(Secret::reveal))] {
            if let Some(value) = value {
                text.push_str(&format!(";{key}={}", odbc_api::escape_attribute_value(value)));
            }
        }
        format!("{text};{more}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn context() -> ConnectContext {
        ConnectContext {
            source_name: "shop".to_owned(),
            base_directory: ".".into(),
            max_connections: 2,
            timeout: Duration::from_secs(3),
            request_time: Duration::from_secs(600),
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is() {
        for (config, named) in [
            (json!({}), "connection"),
            (json!({"connection": "DSN=a", "pool": 3}), "pool"),
            (json!({"connection": ["hunter2"]}), "connection"),
            (json!({"connection": "hunter2"}), "DSN=name"),
            (json!({"connection": "DSN=a", "password": {"hunter2": 1}}), "password"),
            (json!({"connection": "DSN=a;Pwd=hunter2", "password": "hunter2"}), "PWD"),
            (json!({"connection": "DSN=a", "schemas": []}), "schemas"),
        ] {
            let message = read(config, &context()).err().unwrap().to_string();
            assert!(message.contains(named) && !message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn secrets_are_escaped_into_the_string() {
        let config = read(json!({"connection": "DSN=a;", "user": "joe", "password": "a;b}c"}), &context()).unwrap();
        assert_eq!(config.connection_string("X=1"), "DSN=a;UID=joe;PWD={a;b}}c};X=1");
        assert!(has_attribute("Driver={a;uid=b};Pwd=x", "PWD") && !has_attribute("Driver={a;uid=b};Pwd=x", "uid"));
    }
}
