//! The kind's settings, as written in the configuration. It must not know files.

use indexmap::IndexMap;
use portico_provider_api::units::{Size, Time};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a `files` source.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The directory; a relative path starts at the configuration's directory. Nothing outside of it is read, not through links either.
    pub directory: PathBuf,
    /// The tables by name. Without it every file of a known form is a table, and every sheet of a workbook.
    #[serde(default)]
    pub tables: Option<IndexMap<String, TableConfig>>,
    /// Size of one file at most; 4GiB unless said otherwise.
    #[serde(default = "four_gibibytes")]
    pub max_file_size: Size,
    /// Rows of one table at most; no limit unless it is said.
    #[serde(default)]
    pub max_rows: Option<u64>,
    /// Files of one table whose columns are all declared are searched for mistakes when the source is described, up to this size of them
    /// together; larger ones in the background, and before they are first asked. 16MiB unless said otherwise.
    #[serde(default = "sixteen_mebibytes")]
    pub check_at_start: Size,
    /// How long a file must have been left alone before it is read, so that none is read while it is written; 1s unless said otherwise.
    #[serde(default = "one_second")]
    pub settle: Time,
}

fn four_gibibytes() -> Size {
    Size(4 << 30)
}

fn sixteen_mebibytes() -> Size {
    Size(16 << 20)
}

fn one_second() -> Time {
    Time(Duration::from_secs(1))
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Lines of separated values.
    Csv,
    /// One array of objects.
    Json,
    /// An object per line.
    Ndjson,
    /// A sheet of an Excel workbook.
    Xlsx,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// By the ending of a file's name.
    pub fn of(name: &str) -> Option<Format> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "csv" | "tsv" | "tab" => Some(Format::Csv),
            "json" => Some(Format::Json),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            "xlsx" | "xlsm" => Some(Format::Xlsx),
            "parquet" | "parq" => Some(Format::Parquet),
            _ => None,
        }
    }

    /// As it is written in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Xlsx => "xlsx",
            Format::Parquet => "parquet",
        }
    }
}

/// A table.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TableConfig {
    /// The file below the directory, or a pattern of files that are one table: `*` stands for any characters of a name, `?` for one.
    pub path: String,
    /// Comment.
    pub description: Option<String>,
    /// The form of the files, where the ending of their names does not say it.
    pub format: Option<Format>,
    /// Names of the key's columns. Every file is searched for duplicates and gaps before it is read.
    pub key: Vec<String>,
    /// What is known of columns, by name. What is not declared is inferred from all rows. A file without names gives its columns in this order.
    pub columns: IndexMap<String, ColumnConfig>,
    /// How missing values are written; the empty text unless said otherwise.
    pub nulls: Option<Vec<String>>,
    /// What stands before the decimals of numbers in text: `.` unless said otherwise.
    pub decimal: Option<char>,
    /// What stands between groups of three digits of numbers in text.
    pub thousands: Option<char>,
    /// Text: its encoding, by a name of the WHATWG's list (`windows-1252`, `utf-16le`, …); UTF-8 unless a byte order mark says otherwise.
    pub encoding: Option<String>,
    /// CSV: what separates values; `,`, and a tab in files called `.tsv`, unless said otherwise.
    pub delimiter: Option<char>,
    /// CSV: what stands around values that hold a separator; `"` unless said otherwise.
    pub quote: Option<char>,
    /// CSV: whether a null spelling is a null in quotes as well; without it, `""` is a text without characters.
    pub quoted_nulls: Option<bool>,
    /// CSV: lines before the names.
    pub skip_lines: Option<u64>,
    /// CSV and workbooks: whether the first row has the names of the columns; true unless said otherwise.
    pub header: Option<bool>,
    /// Workbooks: the sheet, where there are several.
    pub sheet: Option<String>,
    /// Workbooks: the cells, names included: `B3:F200`, or `B3:F` without a last row.
    pub range: Option<String>,
}

/// What is known of a column.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnConfig {
    /// Type: `int64`, `text`, `decimal(13,2)`, …; inferred unless said.
    #[serde(rename = "type")]
    pub scalar_type: Option<String>,
    /// Whether a value may be missing; true unless said otherwise, and unless it belongs to the key.
    pub nullable: Option<bool>,
    /// Greatest length in characters (text) or bytes (binary).
    pub max_length: Option<u32>,
    /// Comment.
    pub description: Option<String>,
    /// How missing values are written, in place of the table's.
    pub nulls: Option<Vec<String>>,
    /// What stands before the decimals, in place of the table's.
    pub decimal: Option<char>,
    /// What stands between groups of three digits, in place of the table's.
    pub thousands: Option<char>,
    /// How dates and times are written, in the words of strftime: `%d.%m.%Y`. ISO 8601 unless said otherwise.
    pub format: Option<String>,
}

/// JSON Schema of [`Config`].
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}
