//! What an operator writes about tables and services, as typed data. It must not know the file it came from: errors carry a
//! path of keys, and who read the file knows its lines.

use indexmap::IndexMap;
use portico_provider_api::Codec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Everything the model is built from, besides the remote schemas.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelDefinition {
    /// Names of the configured sources, in order.
    pub sources: Vec<String>,
    /// Virtual tables by name. A source that no table names is published as it is.
    pub tables: IndexMap<String, TableDefinition>,
    /// Services by name. Without any, everything is served at `/odata`.
    pub services: IndexMap<String, ServiceDefinition>,
}

/// A virtual table: `source` and `remote` for one remote table, or `sql` for a read-only view.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableDefinition {
    /// The source that has the remote table.
    pub source: Option<String>,
    /// The remote table: `table` or `schema.table`. The virtual table's own name when absent.
    pub remote: Option<String>,
    /// A SELECT over virtual tables; the table is then read-only and has no source.
    pub sql: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Columns of the key; inferred from the primary key when absent.
    pub key: Option<Vec<String>>,
    /// With `columns`, exactly these are published, in this order; the entry `"*": {}` adds all others.
    pub columns: Option<IndexMap<String, ColumnDefinition>>,
    /// A window on the remote table: an SQL condition over remote column names. Rows outside do not exist for clients.
    #[serde(rename = "where")]
    pub window: Option<String>,
    /// The column that changes with every update: a remote column, or `xmin` on PostgreSQL. It makes the ETag.
    pub version: Option<String>,
    /// How old an answer may be: `0s` (the default) means always asked anew.
    #[serde(default, with = "duration_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub freshness: Option<Duration>,
    /// Links to other virtual tables, besides those inferred from foreign keys.
    #[serde(default)]
    pub relationships: IndexMap<String, RelationshipDefinition>,
    /// How writes are treated.
    #[serde(default)]
    pub writes: WritesDefinition,
}

/// A published column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnDefinition {
    /// The remote column; the published name when absent.
    pub remote: Option<String>,
    /// The type readers see (`decimal(13,2)`, `date`, …); the remote column's when absent.
    #[serde(rename = "type")]
    pub scalar_type: Option<String>,
    /// How the source holds it.
    #[schemars(with = "Option<String>")]
    pub codec: Option<Codec>,
    /// Greatest length in characters.
    pub max_length: Option<u32>,
    /// Whether it may be null.
    pub nullable: Option<bool>,
    /// Never written.
    #[serde(default)]
    pub read_only: bool,
    /// For people.
    pub description: Option<String>,
}

/// A link to another virtual table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelationshipDefinition {
    /// The other table.
    pub to: String,
    /// Columns of this table and the columns of the other that they equal.
    pub on: IndexMap<String, String>,
    /// Whether there may be several rows on the other side.
    #[serde(default)]
    pub many: bool,
}

/// How writes to a table are treated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WritesDefinition {
    /// Whether an update or deletion must carry `If-Match`; by the service's profile when absent.
    pub if_match: Option<IfMatch>,
}

/// Whether `If-Match` must be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfMatch {
    /// A request without it is refused.
    Required,
    /// It is honoured when sent.
    Optional,
}

/// An OData root: a subset of the model for one kind of client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceDefinition {
    /// Where it is served: `/odata/crm`.
    pub path: String,
    /// What kind of client it is for.
    #[serde(default)]
    pub profile: Profile,
    /// The tables in it, under their own or another name; all when absent.
    pub tables: Option<Vec<ServiceTable>>,
}

/// A table of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ServiceTable {
    /// Under its own name.
    Named(String),
    /// One entry: the name in the service, and the virtual table.
    Renamed(IndexMap<String, String>),
}

/// Client profiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Any OData client.
    #[default]
    Standard,
    /// Dynamics 365 / Dataverse virtual tables.
    Dataverse,
    /// Salesforce Connect.
    Salesforce,
    /// Power BI and Excel.
    Powerbi,
}

/// Durations as text with a unit: `500ms`, `10s`, `5m`, `2h`, `1d`.
pub mod duration_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    /// Reads a duration with a unit.
    ///
    /// # Errors
    /// Says what is wrong, and how to write one.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let text = text.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 =
            number.parse().map_err(|_| format!("'{text}' is not a duration: write a whole number and a unit, such as 10s or 5m"))?;
        let seconds = match unit.trim() {
            "ms" => return Ok(Duration::from_millis(number)),
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(format!("'{text}' is not a duration: the unit is one of ms, s, m, h, d, such as 10s or 5m")),
        };
        number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| format!("'{text}' is too long a duration"))
    }

    /// Writes a duration with the greatest unit that keeps it whole.
    pub fn print(duration: Duration) -> String {
        let millis = duration.as_millis();
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if millis.is_multiple_of(size) && millis > 0 {
                return format!("{}{unit}", millis / size);
            }
        }
        if millis == 0 { "0s".to_owned() } else { format!("{millis}ms") }
    }

    /// For serde's `with`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.serialize_str(&print(*duration)),
            None => serializer.serialize_none(),
        }
    }

    /// For serde's `with`.
    ///
    /// # Errors
    /// See [`parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| parse(&text).map_err(D::Error::custom)).transpose()
    }
}
