//! The settings of a `mysql` source, typed and closed: an unknown key is refused. It must not know the pool or any query.
//! The url holds the password: nothing here puts it, or a part of it, into a message.

use crate::tls;
use mysql_async::{Opts, OptsBuilder};
use portico_provider_api::{ConnectContext, Secret, SourceError, SourceErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Prepared statements kept per connection; the server has a limit over all of them (`max_prepared_stmt_count`).
const CACHED_STATEMENTS: usize = 128;

/// The settings of a `mysql` source.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MysqlConfig {
    /// Where the server is and as whom to log in: `mysql://user:password@host:3306/database`. The database may be left out.
    #[schemars(with = "String")]
    pub url: Secret,
    /// Publish only the tables of these databases. Without it: those of the url's database, or, when it names none, of every database that
    /// the user can see, the system's own excepted.
    #[serde(default)]
    pub schemas: Option<Vec<String>>,
    /// Transport encryption.
    #[serde(default)]
    pub tls: TlsConfig,
    /// What `TINYINT(1)` is: MySQL has no other boolean.
    #[serde(default)]
    pub tinyint1: TinyInt,
    /// What dates like `0000-00-00` and `2024-00-00` are.
    #[serde(default)]
    pub zero_dates: ZeroDates,
}

/// Transport encryption. A certificate is always verified, for its chain and for the host's name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Whether to encrypt. Without it: `prefer`.
    #[serde(default)]
    pub mode: TlsMode,
    /// A PEM file with the certificate authorities to trust instead of the public ones. Relative to the configuration file.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// Whether to encrypt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// Never.
    Disable,
    /// When the server offers it.
    #[default]
    Prefer,
    /// Always; a server without it is refused.
    Require,
}

/// What `TINYINT(1)` is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TinyInt {
    /// A boolean: 0 is false, anything else is true.
    #[default]
    Boolean,
    /// An integer.
    Integer,
}

/// What a date without a day, a month or a year is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ZeroDates {
    /// An error that names the column.
    #[default]
    Error,
    /// Null. Such columns are compared without the help of indexes.
    Null,
}

/// What is published, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The databases whose tables are published; all but the system's when absent.
    pub schemas: Option<Vec<String>>,
    /// The database in which a table is looked for that is named without one.
    pub database: Option<String>,
    /// What `TINYINT(1)` is.
    pub tinyint1: TinyInt,
    /// What dates without a day, a month or a year are.
    pub zero_dates: ZeroDates,
}

/// How to connect.
#[derive(Clone)]
pub struct DriverOptions {
    /// With encryption; absent when it is disabled.
    pub encrypted: Option<Opts>,
    /// Without; absent when encryption is required.
    pub plain: Option<Opts>,
}

impl MysqlConfig {
    /// What is published, and as what.
    pub fn publish(&self) -> Publish {
        let database = Opts::from_url(&scheme(self.url.reveal())).ok().and_then(|opts| opts.db_name().map(str::to_owned));
        let schemas = self.schemas.clone().or_else(|| database.clone().map(|database| vec![database]));
        Publish { schemas, database, tinyint1: self.tinyint1, zero_dates: self.zero_dates }
    }
}

/// The url as the driver spells it.
fn scheme(url: &str) -> String {
    url.strip_prefix("mariadb://").map_or_else(|| url.to_owned(), |rest| format!("mysql://{rest}"))
}

/// Reads the settings.
///
/// # Errors
/// Names the key that is unknown, missing or of the wrong kind, never a value.
pub fn read(config: serde_json::Value, context: &ConnectContext) -> Result<MysqlConfig, SourceError> {
    let invalid = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    if let Some(url) = config.get("url")
        && !url.is_string()
    {
        // Serde would print the value that it did not expect, and this one holds a password.
        return Err(invalid("'url' must be text: mysql://user:password@host:3306/database".to_owned()).at(&["url"]));
    }
    let config: MysqlConfig = serde_json::from_value(config).map_err(|error| invalid(format!("the settings are not valid: {error}")))?;
    if config.schemas.as_ref().is_some_and(Vec::is_empty) {
        return Err(invalid("'schemas' is empty: name at least one database, or leave the key out".to_owned()).at(&["schemas"]));
    }
    Ok(config)
}

/// How the driver connects.
///
/// # Errors
/// When the url cannot be read. The message does not repeat it: what is wrong with it may be a part of the password.
pub fn driver_options(config: &MysqlConfig, context: &ConnectContext) -> Result<DriverOptions, SourceError> {
    let invalid = |message: &str| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    let url = scheme(config.url.reveal());
    if url.rsplit('@').next().unwrap_or_default().contains('?') {
        return Err(invalid("the url has parameters, which belong into settings of their own: 'tls', 'schemas'").at(&["url"]));
    }
    let opts = Opts::from_url(&url).map_err(|_| {
        invalid("'url' is not understood: write mysql://user:password@host:3306/database, special characters percent-encoded").at(&["url"])
    })?;
    if config.tls.mode == TlsMode::Disable && config.tls.ca.is_some() {
        return Err(invalid("'tls.ca' has no effect when encryption is disabled: leave one of them out").at(&["tls", "ca"]));
    }
    let builder = OptsBuilder::from_opts(opts)
        .prefer_socket(false)
        // An update that changes nothing has still found its row.
        .client_found_rows(true)
        .stmt_cache_size(CACHED_STATEMENTS)
        .tcp_nodelay(true);
    let encrypted = match config.tls.mode {
        TlsMode::Disable => None,
        TlsMode::Prefer | TlsMode::Require => Some(Opts::from(builder.clone().ssl_opts(tls::options(&config.tls, context)?))),
    };
    let plain = match config.tls.mode {
        TlsMode::Require => None,
        TlsMode::Disable | TlsMode::Prefer => Some(Opts::from(builder)),
    };
    Ok(DriverOptions { encrypted, plain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn context() -> ConnectContext {
        ConnectContext {
            source_name: "shop".to_owned(),
            base_directory: PathBuf::from("."),
            max_connections: 2,
            timeout: Duration::from_secs(3),
            request_time: Duration::from_secs(600),
        }
    }

    fn driver(config: serde_json::Value) -> Result<DriverOptions, SourceError> {
        read(config, &context()).and_then(|config| driver_options(&config, &context()))
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let refused = |config| read(config, &context()).err().map(|error| error.message).unwrap();
        assert!(refused(json!({"url": "mysql://h/d", "schema": ["a"]})).contains("schema"));
        assert!(refused(json!({"url": "mysql://h/d", "tls": {"cert": "x"}})).contains("cert"));
        assert!(refused(json!({"url": "mysql://h/d", "zero_dates": "keep"})).contains("keep"));
        assert!(refused(json!({"url": "mysql://h/d", "schemas": []})).contains("schemas"));
        assert!(refused(json!({})).contains("url"));
    }

    #[test]
    fn a_broken_url_is_not_repeated() {
        for url in ["mysql://u:hunter2@host:port/d", "postgres://u:hunter2@h/d", "hunter2", "mysql://u:hunter2@h/d?require_ssl=hunter2"] {
            let error = driver(json!({"url": url})).err().unwrap();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let error = read(json!({"url": ["hunter2"]}), &context()).err().unwrap();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn the_mode_decides_how_a_connection_may_be() {
        let modes = |config| driver(config).map(|driver| (driver.encrypted.is_some(), driver.plain.is_some())).ok();
        assert_eq!(modes(json!({"url": "mysql://u@h/d"})), Some((true, true)));
        assert_eq!(modes(json!({"url": "mariadb://u@h/d", "tls": {"mode": "require"}})), Some((true, false)));
        assert_eq!(modes(json!({"url": "mysql://u@h/d", "tls": {"mode": "disable"}})), Some((false, true)));
        assert_eq!(modes(json!({"url": "mysql://u@h/d", "tls": {"mode": "disable", "ca": "x.pem"}})), None);
        assert_eq!(modes(json!({"url": "mysql://u@h/d", "tls": {"ca": "no-such-file.pem"}})), None);
    }

    #[test]
    fn the_urls_database_is_what_is_published() {
        let publish = |config| read(config, &context()).unwrap().publish();
        assert_eq!(publish(json!({"url": "mysql://u@h/d"})).schemas, Some(vec!["d".to_owned()]));
        assert_eq!(publish(json!({"url": "mysql://u@h"})).schemas, None);
        let both = publish(json!({"url": "mysql://u@h/d", "schemas": ["e"]}));
        assert_eq!((both.schemas, both.database), (Some(vec!["e".to_owned()]), Some("d".to_owned())));
    }
}
