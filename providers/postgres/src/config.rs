//! The settings of a `postgres` source, typed and closed: an unknown key is refused. It must not know the pool or any query.
//! The connection string holds the password: nothing here puts it, or a part of it, into a message.

use portico_provider_api::{ConnectContext, Secret, SourceError, SourceErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::config::SslMode;

/// How long a connection may take to be made when the url does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of a `postgres` source.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// Where the server is and as whom to log in: `postgres://user:password@host:5432/database`, or `key=value` pairs.
    #[schemars(with = "String")]
    pub url: Secret,
    /// Publish only the tables of these schemas. Without it: every schema the role can see, the system's own excepted.
    #[serde(default)]
    pub schemas: Option<Vec<String>>,
    /// Transport encryption.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Reading large tables over several connections at once.
    #[serde(default)]
    pub scan: ScanConfig,
}

/// Reading large tables over several connections at once, each a part of the table, all as of one moment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScanConfig {
    /// Connections that one query may read a table over. They are taken from those of the source's limits, and never the last free one.
    /// Without it, one.
    #[schemars(range(min = 1, max = 64))]
    pub connections: u32,
    /// A table that takes less room than that is read over one connection: `512MiB`, `10GiB`.
    #[schemars(with = "String", regex(pattern = "^[0-9]+ *(B|kB|KB|MB|GB|KiB|MiB|GiB)$"))]
    #[serde(deserialize_with = "size")]
    pub split_above: u64,
}

impl Default for ScanConfig {
    fn default() -> ScanConfig {
        ScanConfig { connections: 1, split_above: 256 << 20 }
    }
}

/// Connections that one query may take at most.
const MOST_CONNECTIONS: u32 = 64;

/// Reads a size with a unit.
fn size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    use serde::de::Error;
    let text = String::deserialize(deserializer)?;
    let wrong = || D::Error::custom(format!("'{text}' is not a size: write a whole number and a unit, such as 512MiB or 10GiB"));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let factor: u64 = match text[digits..].trim() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

/// Transport encryption. A certificate is always verified, for its chain and for the host's name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Whether to encrypt. Without it: what the url's `sslmode` says, else `prefer`.
    #[serde(default)]
    pub mode: Option<TlsMode>,
    /// A PEM file with the certificate authorities to trust instead of the public ones. Relative to the configuration file.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// Whether to encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// Never.
    Disable,
    /// When the server offers it.
    Prefer,
    /// Always; a server without it is refused.
    Require,
}

impl TlsMode {
    fn ssl_mode(self) -> SslMode {
        match self {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require => SslMode::Require,
        }
    }
}

/// Reads the settings.
///
/// # Errors
/// Names the key that is unknown, missing or of the wrong kind, never a value.
pub fn read(config: serde_json::Value, context: &ConnectContext) -> Result<PostgresConfig, SourceError> {
    let invalid = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    if let Some(url) = config.get("url")
        && !url.is_string()
    {
        // Serde would print the value that it did not expect, and this one holds a password.
        return Err(invalid("'url' must be text: a PostgreSQL connection string".to_owned()).at(&["url"]));
    }
    let config: PostgresConfig = serde_json::from_value(config).map_err(|error| invalid(format!("the settings are not valid: {error}")))?;
    if config.schemas.as_ref().is_some_and(Vec::is_empty) {
        return Err(invalid("'schemas' is empty: name at least one schema, or leave the key out to publish all of them".to_owned())
            .at(&["schemas"]));
    }
    if !(1..=MOST_CONNECTIONS).contains(&config.scan.connections) {
        return Err(invalid(format!("'scan.connections' must be between 1 and {MOST_CONNECTIONS}")).at(&["scan", "connections"]));
    }
    if config.scan.connections as usize > context.max_connections {
        let (asked, most) = (config.scan.connections, context.max_connections);
        return Err(invalid(format!("'scan.connections' is {asked}, but the source's limits allow {most} connections in all"))
            .at(&["scan", "connections"]));
    }
    Ok(config)
}

/// The driver's configuration.
///
/// # Errors
/// When the url cannot be read. The message does not repeat it: what is wrong with it may be a part of the password.
pub fn driver_config(config: &PostgresConfig, context: &ConnectContext) -> Result<tokio_postgres::Config, SourceError> {
    let invalid = |message: &str| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    if config.url.reveal().contains("sslmode=verify-") {
        return Err(
            invalid("the url's sslmode verify-ca or verify-full is spelled 'require' here: certificates are always verified").at(&["url"])
        );
    }
    let mut driver: tokio_postgres::Config = config.url.reveal().parse().map_err(|_| {
        invalid("'url' is not a PostgreSQL connection string: write postgres://user:password@host:5432/database, special characters percent-encoded")
            .at(&["url"])
    })?;
    if driver.get_hosts().is_empty() && driver.get_hostaddrs().is_empty() {
        return Err(invalid("'url' names no host").at(&["url"]));
    }
    if let Some(mode) = config.tls.mode {
        let from_url = driver.get_ssl_mode();
        if from_url != SslMode::Prefer && from_url != mode.ssl_mode() {
            return Err(invalid("'tls.mode' and the url's sslmode contradict each other: give one of them").at(&["tls", "mode"]));
        }
        driver.ssl_mode(mode.ssl_mode());
    }
    if driver.get_ssl_mode() == SslMode::Disable && config.tls.ca.is_some() {
        return Err(invalid("'tls.ca' has no effect when encryption is disabled: leave one of them out").at(&["tls", "ca"]));
    }
    if driver.get_application_name().is_none() {
        driver.application_name("portico");
    }
    if driver.get_connect_timeout().is_none() {
        driver.connect_timeout(CONNECT_TIMEOUT.min(context.timeout));
    }
    Ok(driver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn context() -> ConnectContext {
        ConnectContext {
            source_name: "billing".to_owned(),
            base_directory: PathBuf::from("."),
            max_connections: 2,
            timeout: Duration::from_secs(3),
            request_time: Duration::from_secs(600),
        }
    }

    fn driver(config: serde_json::Value) -> Result<tokio_postgres::Config, SourceError> {
        read(config, &context()).and_then(|config| driver_config(&config, &context()))
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = read(json!({"url": "postgres://h/d", "schema": ["a"]}), &context()).err().unwrap();
        assert!(error.message.contains("schema"), "{error}");
        let error = read(json!({"url": "postgres://h/d", "tls": {"cert": "x"}}), &context()).err().unwrap();
        assert!(error.message.contains("cert"), "{error}");
        assert!(read(json!({"url": "postgres://h/d", "schemas": []}), &context()).is_err());
        assert!(read(json!({}), &context()).err().unwrap().message.contains("url"));
    }

    #[test]
    fn a_broken_url_is_not_repeated() {
        for url in
            ["postgres://u:hunter2@host:port/d", "host=h password=a hunter2=b", "hunter2", "postgres://u:hunter2@h/d?sslmode=verify-full"]
        {
            let error = driver(json!({"url": url})).err().unwrap();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let error = read(json!({"url": ["hunter2"]}), &context()).err().unwrap();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn scans_are_split_within_the_limits() {
        let scan = |scan: serde_json::Value| read(json!({"url": "postgres://h/d", "scan": scan}), &context()).map(|config| config.scan);
        let split = scan(json!({"connections": 2, "split_above": "64 MiB"})).unwrap();
        assert_eq!((split.connections, split.split_above), (2, 64 << 20));
        assert_eq!(scan(json!({})).unwrap().connections, 1);
        for bad in [
            json!({"connections": 0}),
            json!({"connections": 3}),
            json!({"split_above": "64"}),
            json!({"split_above": "MiB"}),
            json!({"split": 1}),
        ] {
            assert!(scan(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn tls_mode_comes_from_the_url_or_the_key() {
        assert_eq!(driver(json!({"url": "postgres://h/d?sslmode=require"})).unwrap().get_ssl_mode(), SslMode::Require);
        assert_eq!(driver(json!({"url": "postgres://h/d"})).unwrap().get_ssl_mode(), SslMode::Prefer);
        assert_eq!(driver(json!({"url": "postgres://h/d", "tls": {"mode": "disable"}})).unwrap().get_ssl_mode(), SslMode::Disable);
        assert!(driver(json!({"url": "postgres://h/d?sslmode=require", "tls": {"mode": "disable"}})).is_err());
        assert!(driver(json!({"url": "postgres://h/d", "tls": {"mode": "disable", "ca": "x.pem"}})).is_err());
    }
}
