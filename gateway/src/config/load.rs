//! Reads the file: text → values → checked against the schema → secrets resolved → typed. It reports all mistakes of a stage, and
//! goes on to the next stage only without any.

use crate::config::check;
use crate::config::file::{AccessFile, ConfigFile, GatewayFile, SourceFile, TlsFile};
use crate::config::limits::RateFile;
use crate::config::position::{Position, Positions};
use crate::config::schema::{COMMON_SOURCE_KEYS, closed_file_schema};
use crate::config::secret::SecretText;
use crate::config::validate::{SchemaNode, resolve_secrets, validate};
use crate::config::{Access, AsynchronousSettings, Config, FlightSettings, Gateway, HttpSettings, SourceSettings, StateSettings};
use indexmap::IndexMap;
use portico_catalog::{ModelDefinition, ModelError};
use portico_engine::AccessDefinition;
use portico_odata::parse::Strictness;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A mistake in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Where in it; absent when the file could not be read.
    pub position: Option<Position>,
    /// What is wrong: the keys that lead there, the message, the suggestion.
    pub error: ModelError,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(position) = self.position {
            write!(f, ":{}:{}", position.line, position.column)?;
        }
        if self.error.path.is_empty() { write!(f, ": {}", self.error.message) } else { write!(f, ": {}", self.error) }
    }
}

/// All mistakes that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    /// Places mistakes in the file, in the file's order.
    pub(super) fn new(file: &Path, positions: &Positions, errors: Vec<ModelError>) -> ConfigErrors {
        let mut errors: Vec<ConfigError> =
            errors.into_iter().map(|error| ConfigError { file: file.to_owned(), position: positions.find(&error.path), error }).collect();
        errors.sort_by_key(|error| error.position);
        errors.dedup();
        ConfigErrors(errors)
    }

    fn single(file: &Path, position: Option<Position>, message: String) -> ConfigErrors {
        let error = ModelError { path: Vec::new(), message, suggestion: None };
        ConfigErrors(vec![ConfigError { file: file.to_owned(), position, error }])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Loads a file.
///
/// # Errors
/// All mistakes found.
pub fn load(file: &Path) -> Result<Config, ConfigErrors> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| ConfigErrors::single(file, None, format!("the configuration cannot be read: {}", error.kind())))?;
    parse(file, &text)
}

/// Loads a text as if it were that file.
///
/// # Errors
/// All mistakes found.
pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigErrors> {
    let positions = Positions::read(text);
    let mut value = read_values(file, text)?;
    let base_directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let place = |errors: Vec<ModelError>| ConfigErrors::new(file, &positions, errors);

    let schema = closed_file_schema();
    let mut errors = validate(SchemaNode::root(&schema), &value, &[]);
    let sources = read_sources(&mut value, &base_directory, &mut errors);
    let typed = read_sections(value, &mut errors);
    if !errors.is_empty() {
        return Err(place(errors));
    }
    let Some(typed) = typed else { return Err(place(vec![ModelError::new(&[], "the configuration is empty")])) };
    let errors = check::check(&typed);
    if !errors.is_empty() {
        return Err(place(errors));
    }
    build(file, base_directory, typed, sources, positions.clone()).map_err(place)
}

fn read_values(file: &Path, text: &str) -> Result<Value, ConfigErrors> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let position = error.location().map(|location| Position {
            line: usize::try_from(location.line()).unwrap_or(usize::MAX),
            column: usize::try_from(location.column()).unwrap_or(usize::MAX),
        });
        let message = error.without_snippet().to_string();
        ConfigErrors::single(file, position, format!("this is not valid YAML: {}", message.lines().next().unwrap_or_default()))
    })?;
    if value.is_object() {
        return Ok(value);
    }
    let message = if value.is_null() {
        "the configuration is empty: it needs at least 'sources'"
    } else {
        "expected a mapping with the keys gateway, sources, tables, services, enums, operations, access"
    };
    Err(ConfigErrors::single(file, Some(Position { line: 1, column: 1 }), message.to_owned()))
}

/// Takes the kinds' settings out of the sources, with their secrets resolved, and checks them against the kinds' schemas.
fn read_sources(value: &mut Value, base_directory: &Path, errors: &mut Vec<ModelError>) -> IndexMap<String, Value> {
    let mut settings = IndexMap::new();
    let Some(sources) = value.get_mut("sources").and_then(Value::as_object_mut) else { return settings };
    for (name, source) in sources.iter_mut() {
        let path = vec!["sources".to_owned(), name.clone()];
        let Some(source) = source.as_object_mut() else { continue };
        let Some(kind_name) = source.get("kind").and_then(Value::as_str) else { continue };
        let kind = match portico_provider_registry::find(kind_name) {
            Ok(kind) => kind,
            Err(unknown) => {
                let path = path.iter().cloned().chain(["kind".to_owned()]).collect();
                errors.push(ModelError { path, message: unknown.to_string(), suggestion: unknown.suggestion.map(str::to_owned) });
                continue;
            }
        };
        let schema = (kind.config_schema)();
        let own: serde_json::Map<String, Value> = source
            .iter()
            .filter(|(key, _)| !COMMON_SOURCE_KEYS.contains(&key.as_str()))
            .map(|(key, item)| (key.clone(), item.clone()))
            .collect();
        source.retain(|key, _| COMMON_SOURCE_KEYS.contains(&key.as_str()));
        let mut own = Value::Object(own);
        let before = errors.len();
        resolve_secrets(SchemaNode::root(&schema), &mut own, &path, base_directory, errors);
        // What could not be resolved would be reported a second time as the wrong type.
        if errors.len() == before {
            errors.append(&mut validate(SchemaNode::root(&schema), &own, &path));
        }
        settings.insert(name.clone(), own);
    }
    settings
}

/// Deserialises section by section, and entry by entry where there are many, so that one mistake does not hide the others.
fn read_sections(value: Value, errors: &mut Vec<ModelError>) -> Option<ConfigFile> {
    let mut object = match value {
        Value::Object(object) => object,
        _ => return None,
    };
    // Where the schema has found mistakes, the typed structs would find the same ones in other words.
    let clean = errors.is_empty();
    let mut found = Vec::new();
    let gateway: Option<GatewayFile> = section(object.remove("gateway"), &["gateway"], &mut found);
    let sources: IndexMap<String, SourceFile> = entries(object.remove("sources"), "sources", &mut found);
    let tables = entries(object.remove("tables"), "tables", &mut found);
    let services = entries(object.remove("services"), "services", &mut found);
    let enums = entries(object.remove("enums"), "enums", &mut found);
    let operations = entries(object.remove("operations"), "operations", &mut found);
    let access: Option<AccessFile> = section(object.remove("access"), &["access"], &mut found);
    if clean {
        errors.append(&mut found);
    } else {
        // Those at other places are still new.
        found.retain(|new| !errors.iter().any(|old| new.path.starts_with(&old.path) || old.path.starts_with(&new.path)));
        errors.append(&mut found);
    }
    Some(ConfigFile {
        gateway: gateway.unwrap_or_default(),
        sources,
        tables,
        services,
        enums,
        operations,
        access: access.unwrap_or_default(),
    })
}

fn section<T: DeserializeOwned>(value: Option<Value>, path: &[&str], errors: &mut Vec<ModelError>) -> Option<T> {
    serde_path_to_error::deserialize(value?)
        .map_err(|error| {
            let inner = error.path().to_string();
            // Items of lists are written as `write[0]`.
            let inner = inner.replace('[', ".").replace(']', "");
            let keys = path.iter().copied().chain(inner.split('.').filter(|part| !part.is_empty() && *part != "?"));
            errors.push(ModelError::new(&keys.collect::<Vec<_>>(), error.inner().to_string()));
        })
        .ok()
}

fn entries<T: DeserializeOwned>(value: Option<Value>, name: &str, errors: &mut Vec<ModelError>) -> IndexMap<String, T> {
    let Some(Value::Object(object)) = value else { return IndexMap::new() };
    object.into_iter().filter_map(|(key, item)| section(Some(item), &[name, &key], errors).map(|entry| (key.clone(), entry))).collect()
}

fn build(
    file: &Path,
    base_directory: PathBuf,
    typed: ConfigFile,
    settings: IndexMap<String, Value>,
    positions: Positions,
) -> Result<Config, Vec<ModelError>> {
    let room = typed.sources.values().map(|source| source.limits.room()).fold(0, usize::saturating_add);
    let gateway = build_gateway(typed.gateway, room, &base_directory)?;
    let definition = ModelDefinition {
        sources: typed.sources.keys().cloned().collect(),
        tables: typed.tables,
        services: typed.services,
        enums: typed.enums,
        operations: typed.operations,
    };
    let sources = typed
        .sources
        .into_iter()
        .map(|(name, source)| {
            let own = settings.get(&name).cloned().unwrap_or_default();
            (name, build_source(source, own))
        })
        .collect();
    let access = Access {
        roles: AccessDefinition { roles: typed.access.roles.clone(), limits: typed.access.limits.clone() },
        identities: typed.access,
    };
    Ok(Config { file: file.to_owned(), base_directory, gateway, sources, definition, access, positions })
}

fn build_source(source: SourceFile, settings: Value) -> SourceSettings {
    let limits = &source.limits;
    SourceSettings {
        kind: source.kind,
        connections: limits.connections(),
        queued: limits.queued(),
        look_ups: limits.look_ups(),
        rate: limits.rate.as_ref().map(RateFile::limit),
        timeout: limits.timeout.map_or(Duration::from_secs(30), |timeout| timeout.0),
        breaker: limits.breaker(),
        introspection: source.introspection.settings(),
        contact: source.contact,
        settings,
    }
}

fn build_gateway(file: GatewayFile, sources: usize, base_directory: &Path) -> Result<Gateway, Vec<ModelError>> {
    let configured = file.token_key.map(|reference| reference.resolve(base_directory)).transpose();
    let configured = configured.map_err(|message| vec![ModelError::new(&["gateway", "token_key"], message)])?;
    if configured.as_ref().is_some_and(|key| key.reveal().len() < 16) {
        return Err(vec![ModelError::new(&["gateway", "token_key"], "the key is too short: it needs at least 16 bytes, random ones")]);
    }
    let token_key_configured = configured.is_some();
    let token_key =
        configured.unwrap_or_else(|| SecretText::new(format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())));
    let tls = |tls: Option<TlsFile>| tls.map(|tls| TlsFile { cert: base_directory.join(tls.cert), key: base_directory.join(tls.key) });
    let trusted = file.http.trusted_proxies.iter().filter_map(|text| crate::config::Network::parse(text).ok()).collect();
    let http = HttpSettings {
        listen: file.http.listen.unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
        public_url: file.http.public_url.map(|url| url.trim_end_matches('/').to_owned()),
        tls: tls(file.http.tls),
        cors: file.http.cors,
        trusted_proxies: trusted,
        page_size: file.http.page_size,
        expand_page_size: file.http.expand_page_size,
        threads: file.http.threads.map_or_else(crate::config::threads, |count| usize::try_from(count).unwrap_or(1)),
        max_body: file.http.max_body.map_or(1 << 20, crate::config::units::ByteSize::length),
        max_url: file.http.max_url.map_or(64 << 10, crate::config::units::ByteSize::length),
        max_batch_requests: file.http.max_batch_requests.map_or(1_000, |count| usize::try_from(count).unwrap_or(1_000)),
        max_batch_body: file.http.max_batch_body.map_or(16 << 20, crate::config::units::ByteSize::length),
        strictness: if file.http.strict { Strictness::Strict } else { Strictness::Lenient },
    };
    let state = StateSettings {
        sqlite: file.state.sqlite.map(|path| base_directory.join(path)),
        max_memory: file.state.max_memory.map_or(64 << 20, crate::config::units::ByteSize::length),
    };
    let asynchronous = AsynchronousSettings {
        max_memory: file.limits.asynchronous_memory.map_or(256 << 20, crate::config::units::ByteSize::length),
        lifetime: file.limits.asynchronous_lifetime.map_or(Duration::from_secs(600), |time| time.0),
    };
    let flight = file.flight.map(|flight| FlightSettings {
        listen: flight.listen,
        tls: tls(flight.tls),
        token_lifetime: flight.token_lifetime.map_or(Duration::from_secs(8 * 3600), |lifetime| lifetime.0),
    });
    let limits = file.limits;
    // Another purpose, another key: what is signed for one cannot be passed off for the other.
    let etag_key = [b"etag ".as_slice(), token_key.reveal().as_bytes()].concat();
    let engine = limits.engine(base_directory, etag_key);
    Ok(Gateway {
        http,
        flight,
        admin_listen: file.admin.listen.unwrap_or_else(|| "127.0.0.1:9090".to_owned()),
        token_key,
        token_key_configured,
        state,
        asynchronous,
        request_time: limits.request_time.map_or(Duration::from_secs(600), |time| time.0),
        requests: limits.requests(sources),
        grace: limits.grace.map_or(Duration::from_secs(30), |grace| grace.0),
        engine,
        log_level: file.log.level,
        log_format: file.log.format,
    })
}
