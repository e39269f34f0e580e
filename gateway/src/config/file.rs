//! The configuration file as typed structs, closed: an unknown key is refused. It must not know where the file is, nor resolve secrets.

use crate::config::limits::{IntrospectionFile, LimitsFile, SourceLimitsFile};
use crate::config::secret::SecretReference;
use crate::config::units::{ByteSize, DurationText};
use indexmap::IndexMap;
use portico_catalog::{EnumDefinition, OperationEntry, RowLimits, ServiceDefinition, TableDefinition};
use portico_engine::{Attribute, RoleDefinition};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The whole file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// The process: doors, limits, keys.
    #[serde(default)]
    pub gateway: GatewayFile,
    /// Configured sources by name.
    pub sources: IndexMap<String, SourceFile>,
    /// Virtual tables by name. A source that no table names is published as it is.
    #[serde(default)]
    pub tables: IndexMap<String, TableDefinition>,
    /// OData services by name. Without any, everything is served at `/odata`.
    #[serde(default)]
    pub services: IndexMap<String, ServiceDefinition>,
    /// Enumerations by name: columns name theirs with `enum`.
    #[serde(default)]
    pub enums: IndexMap<String, EnumDefinition>,
    /// Functions and actions by name.
    #[serde(default)]
    pub operations: IndexMap<String, OperationEntry>,
    /// Who may do what. Without it nobody may do anything.
    #[serde(default)]
    pub access: AccessFile,
}

/// The process.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayFile {
    /// The HTTP door: OData, and SQL over HTTP.
    #[serde(default)]
    pub http: HttpFile,
    /// The Flight SQL door; closed when absent.
    pub flight: Option<FlightFile>,
    /// The operators' door: live, ready, metrics.
    #[serde(default)]
    pub admin: AdminFile,
    /// Signs continuation links and Flight tokens. Without it a key is made at start: what was signed then ends with the process, and
    /// several replicas do not understand each other's links.
    pub token_key: Option<SecretReference>,
    /// Where what must outlive a request is kept; in memory when absent.
    #[serde(default)]
    pub state: StateFile,
    /// Limits of requests.
    #[serde(default)]
    pub limits: LimitsFile,
    /// Logging.
    #[serde(default)]
    pub log: LogFile,
}

/// The HTTP door.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpFile {
    /// Address and port; `127.0.0.1:8080` when absent.
    pub listen: Option<String>,
    /// What clients call it: the root of all links in answers. Without it links are made from the Host header, and from the
    /// X-Forwarded headers of trusted proxies.
    pub public_url: Option<String>,
    /// Certificate and key; plain HTTP when absent.
    pub tls: Option<TlsFile>,
    /// Origins whose pages may ask: `https://app.example.com`, or `*` for any (then without cookies).
    #[serde(default)]
    pub cors: Vec<String>,
    /// Addresses or networks of proxies whose X-Forwarded headers are believed: `10.0.0.0/8`.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// Entities per page of an OData collection. 0, the default, means that a whole collection is streamed in one answer, in constant
    /// memory, unless the client asks for pages with `Prefer: odata.maxpagesize`.
    #[serde(default)]
    pub page_size: u64,
    /// Entities of an expanded relationship per parent at once, each parent with a link to the rest; `0` (the default) is no limit.
    #[serde(default)]
    pub expand_page_size: u64,
    /// Threads on which connections and their look-ups live; twice as many as there are processors when absent.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<u32>,
    /// Largest request body; `1MiB` when absent.
    pub max_body: Option<ByteSize>,
    /// Longest path with query; `64KiB` when absent, and in effect at most 65 534 bytes. What is longer is asked with `POST …/$query`.
    pub max_url: Option<ByteSize>,
    /// Most requests in one `$batch`; 1 000 when absent.
    #[schemars(range(min = 1))]
    pub max_batch_requests: Option<u32>,
    /// Largest body of a `$batch`; `16MiB` when absent.
    pub max_batch_body: Option<ByteSize>,
    /// Whether OData requests must keep to the grammar. By default the forms that clients still send are taken too: literals of earlier
    /// versions, blanks around punctuation, `+` for a blank.
    #[serde(default)]
    pub strict: bool,
}

/// Where what must outlive a request is kept: asynchronous requests, synthetic keys. It never holds rows.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateFile {
    /// A SQLite file, relative to this one; it is made when it is not there. In memory when absent: then it ends with the process.
    pub sqlite: Option<PathBuf>,
    /// Most bytes in memory, when there is no file; `64MiB` when absent.
    pub max_memory: Option<ByteSize>,
}

/// The Flight SQL door.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlightFile {
    /// Address and port.
    pub listen: String,
    /// Certificate and key; plain gRPC when absent.
    pub tls: Option<TlsFile>,
    /// How long a token from a handshake is good; `8h` when absent.
    pub token_lifetime: Option<DurationText>,
}

/// The operators' door.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminFile {
    /// Address and port; `127.0.0.1:9090` when absent. Nobody is asked for credentials there: do not publish it.
    pub listen: Option<String>,
}

/// Certificate and key, as PEM files relative to the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsFile {
    /// The certificate, with its chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Logging, to the standard error stream.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogFile {
    /// What is logged.
    #[serde(default)]
    pub level: LogLevel,
    /// How a line looks.
    #[serde(default)]
    pub format: LogFormat,
}

/// What is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// And what needs attention.
    Warn,
    /// And one line per request.
    #[default]
    Info,
    /// And details for a search of causes.
    Debug,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// A source, without the settings of its kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct SourceFile {
    /// Its kind.
    pub kind: String,
    /// Limits that protect it.
    #[serde(default)]
    pub limits: SourceLimitsFile,
    /// How often it is asked what it has, and whether it answers.
    #[serde(default)]
    pub introspection: IntrospectionFile,
    /// Whom to tell when it fails.
    pub contact: Option<String>,
}

/// Who may do what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessFile {
    /// Rights by role, then by virtual table.
    #[serde(default)]
    pub roles: IndexMap<String, RoleDefinition>,
    /// How large an answer to a caller of a role may be; more is an error. Of several roles the one that allows most counts, and one that is
    /// not named here allows all.
    #[serde(default)]
    pub limits: IndexMap<String, RowLimits>,
    /// Roles that see row rules in EXPLAIN.
    #[serde(default)]
    pub operators: Vec<String>,
    /// API keys by name.
    #[serde(default)]
    pub keys: IndexMap<String, KeyFile>,
    /// Users by name.
    #[serde(default)]
    pub users: IndexMap<String, UserFile>,
    /// What a caller without credentials may do: `none`, or roles.
    #[serde(default)]
    pub anonymous: AnonymousFile,
}

/// An API key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// SHA-256 of the key, as 64 hexadecimal digits. The key itself is not in the file; give keys at least 128 random bits.
    pub sha256: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its attributes, for row rules.
    #[serde(default)]
    pub attributes: BTreeMap<String, Attribute>,
    /// Where it is accepted; only in headers when absent, because URLs end up in histories and logs.
    #[serde(rename = "in")]
    pub places: Option<Vec<KeyPlace>>,
}

/// Where a key is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    /// `X-Api-Key: KEY` or `Authorization: Bearer KEY`.
    Header,
    /// `?api_key=KEY`
    Query,
}

/// A user with a password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserFile {
    /// Argon2id hash of the password in PHC form: `$argon2id$v=19$m=19456,t=2,p=1$…$…`.
    pub argon2: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its attributes, for row rules.
    #[serde(default)]
    pub attributes: BTreeMap<String, Attribute>,
}

/// What a caller without credentials may do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AnonymousFile {
    /// Nothing.
    Nobody(Nobody),
    /// What these roles may.
    Roles(AnonymousRoles),
}

impl Default for AnonymousFile {
    fn default() -> Self {
        AnonymousFile::Nobody(Nobody::None)
    }
}

/// Nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nobody {
    /// Callers without credentials are refused.
    None,
}

/// Roles of callers without credentials.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnonymousRoles {
    /// The roles.
    pub roles: Vec<String>,
    /// Attributes, for row rules.
    #[serde(default)]
    pub attributes: BTreeMap<String, Attribute>,
}
