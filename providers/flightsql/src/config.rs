//! The settings of a `flightsql` source, typed and closed: an unknown key is refused. It must not know the client or any query.
//! `auth` holds secrets: nothing here puts a value of it into a message.

use portico_provider_api::{ConnectContext, Secret, SourceError, SourceErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// The settings of a `flightsql` source.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlightSqlConfig {
    /// Where the server is: `grpc+tls://host:port`, or `grpc://host:port` without encryption.
    pub url: String,
    /// How to log in. Without it the server is asked anonymously.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Transport encryption, for `grpc+tls`.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Publish only the tables of this catalog. Without it: of `portico` where the server is a gateway like this one, else of every catalog.
    #[serde(default)]
    pub catalog: Option<String>,
    /// Publish only the tables of these schemas. Without it: of `public` where the server is a gateway like this one, else of every schema
    /// but those of the system.
    #[serde(default)]
    pub schemas: Option<Vec<String>>,
    /// How values are sent.
    #[serde(default)]
    pub parameters: Parameters,
    /// Which SQL the server speaks.
    #[serde(default, rename = "server")]
    pub speaks: Speaks,
}

/// How to log in: one of the three.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// User and password, exchanged for a token in the protocol's handshake.
    #[serde(default)]
    pub basic: Option<Basic>,
    /// A token, sent as `authorization: Bearer`.
    #[serde(default)]
    pub bearer: Option<Secret>,
    /// A key in a header of its own.
    #[serde(default)]
    pub api_key: Option<ApiKey>,
}

/// User and password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// User.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// A key in a header of its own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Name of the header.
    #[serde(default = "api_key_header")]
    pub header: String,
    /// The key.
    pub key: Secret,
}

fn api_key_header() -> String {
    "x-api-key".to_owned()
}

/// Transport encryption. A certificate is always verified, for its chain and for the host's name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// A PEM file with the certificate authorities to trust instead of the public ones. Relative to the configuration file.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// How values are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Parameters {
    /// As literals in the text, which every server takes.
    #[default]
    Literals,
    /// As parameters of a prepared statement.
    Bound,
}

/// Which SQL the server speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaks {
    /// What the server says of itself decides.
    #[default]
    Auto,
    /// It is a gateway like this one.
    Portico,
    /// What every database reads alike.
    Standard,
}

/// Reads the settings.
///
/// # Errors
/// Names the key that is unknown, missing or of the wrong kind, never a value of `auth`.
pub fn read(mut config: serde_json::Value, context: &ConnectContext) -> Result<FlightSqlConfig, SourceError> {
    let invalid = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    // Serde would print a value that it did not expect, and here it may be a secret: `auth` is read apart.
    let auth = config.as_object_mut().and_then(|settings| settings.remove("auth")).filter(|auth| !auth.is_null());
    let auth = auth.map(|auth| read_auth(auth).map_err(|message| invalid(message).at(&["auth"]))).transpose()?;
    if config.get("url").is_some_and(|url| !url.is_string()) {
        return Err(invalid("'url' must be text: grpc+tls://host:port".to_owned()).at(&["url"]));
    }
    let config: FlightSqlConfig =
        serde_json::from_value(config).map_err(|error| invalid(format!("the settings are not valid: {error}")))?;
    if config.schemas.as_ref().is_some_and(Vec::is_empty) {
        return Err(invalid("'schemas' is empty: name at least one schema, or leave the key out".to_owned()).at(&["schemas"]));
    }
    Ok(FlightSqlConfig { auth, ..config })
}

fn read_auth(auth: serde_json::Value) -> Result<Auth, String> {
    let expected = "'auth' must be one of { basic: { user, password } }, { bearer: token } and { api_key: { key, header } }";
    let known: &[(&str, &[&str])] = &[("basic", &["user", "password"]), ("bearer", &[]), ("api_key", &["key", "header"])];
    let ways = auth.as_object().ok_or(expected)?;
    for (way, settings) in ways {
        let keys = known.iter().find(|(name, _)| name == way).map(|(_, keys)| *keys);
        let keys = keys.ok_or_else(|| format!("{expected}: there is no '{way}'"))?;
        let wrong = settings.as_object().and_then(|settings| settings.keys().find(|key| !keys.contains(&key.as_str())));
        if let Some(wrong) = wrong {
            return Err(format!("{expected}: '{way}' has no '{wrong}'"));
        }
    }
    if ways.len() != 1 {
        return Err(expected.to_owned());
    }
    serde_json::from_value(auth).map_err(|_| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn refused(config: serde_json::Value) -> String {
        let context = ConnectContext {
            source_name: "east".to_owned(),
            base_directory: PathBuf::from("."),
            max_connections: 2,
            timeout: Duration::from_secs(3),
            request_time: Duration::from_secs(600),
        };
        read(config, &context).err().map(|error| error.to_string()).unwrap()
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let url = "grpc://h:1";
        assert!(refused(json!({"url": url, "catalogue": "a"})).contains("catalogue"));
        assert!(refused(json!({"url": url, "tls": {"cert": "x"}})).contains("cert"));
        assert!(refused(json!({"url": url, "parameters": "inline"})).contains("inline"));
        assert!(refused(json!({"url": url, "schemas": []})).contains("schemas"));
        assert!(refused(json!({"url": url, "auth": {"token": "x"}})).contains("'token'"));
        assert!(refused(json!({"url": url, "auth": {"basic": {"user": "u", "pass": "x"}}})).contains("'pass'"));
        assert!(refused(json!({})).contains("url"));
    }

    #[test]
    fn a_secret_is_not_repeated() {
        for auth in [
            json!("hunter2"),
            json!(["hunter2"]),
            json!({"bearer": ["hunter2"]}),
            json!({"bearer": "x", "basic": "hunter2"}),
            json!({"basic": "hunter2"}),
            json!({"api_key": {"key": ["hunter2"]}}),
        ] {
            let message = refused(json!({"url": "grpc://h:1", "auth": auth}));
            assert!(message.contains("auth") && !message.contains("hunter2"), "{message}");
        }
    }
}
