//! The scalar types of the IR and their Arrow representation. It must not know any source's own type names.

use arrow::datatypes::{DataType, Field, TimeUnit};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The type of a column or expression. Every type has exactly one Arrow representation ([`ScalarType::arrow`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalarType {
    /// `Boolean`.
    Boolean,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// IEEE 754 single.
    Float32,
    /// IEEE 754 double.
    Float64,
    /// Exact decimal: `precision` digits in all (1 to 76), `scale` of them after the point (0 to `precision`).
    /// `Decimal128` up to 38 digits, `Decimal256` beyond.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// Unicode text.
    Text,
    /// Bytes.
    Binary,
    /// Days since 1970-01-01, proleptic Gregorian.
    Date,
    /// Microseconds since midnight.
    Time,
    /// Microseconds since 1970-01-01T00:00:00 without a zone.
    Timestamp,
    /// Microseconds since 1970-01-01T00:00:00Z.
    TimestampTz,
    /// A GUID, held in Arrow as its canonical text: 36 characters, lower case. Text order equals byte order.
    Guid,
    /// A JSON document, held as text.
    Json,
}

impl ScalarType {
    /// The type of an unconstrained `numeric`: a value that does not fit is an error, never rounded.
    pub const UNCONSTRAINED_DECIMAL: ScalarType = ScalarType::Decimal { precision: 38, scale: 18 };

    /// The Arrow type that carries this type in record batches.
    pub fn arrow(self) -> DataType {
        match self {
            ScalarType::Boolean => DataType::Boolean,
            ScalarType::Int16 => DataType::Int16,
            ScalarType::Int32 => DataType::Int32,
            ScalarType::Int64 => DataType::Int64,
            ScalarType::Float32 => DataType::Float32,
            ScalarType::Float64 => DataType::Float64,
            ScalarType::Decimal { precision, scale } if precision <= 38 => DataType::Decimal128(precision, scale),
            ScalarType::Decimal { precision, scale } => DataType::Decimal256(precision, scale),
            ScalarType::Text | ScalarType::Guid | ScalarType::Json => DataType::Utf8,
            ScalarType::Binary => DataType::Binary,
            ScalarType::Date => DataType::Date32,
            ScalarType::Time => DataType::Time64(TimeUnit::Microsecond),
            ScalarType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            ScalarType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The IR type that an Arrow type stands for, where there is one. `Guid` and `Json` come back as `Text`.
    pub fn from_arrow(data_type: &DataType) -> Option<ScalarType> {
        Some(match data_type {
            DataType::Boolean => ScalarType::Boolean,
            DataType::Int16 => ScalarType::Int16,
            DataType::Int32 => ScalarType::Int32,
            DataType::Int64 => ScalarType::Int64,
            DataType::Float32 => ScalarType::Float32,
            DataType::Float64 => ScalarType::Float64,
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                ScalarType::Decimal { precision: *precision, scale: *scale }
            }
            DataType::Utf8 => ScalarType::Text,
            DataType::Binary => ScalarType::Binary,
            DataType::Date32 => ScalarType::Date,
            DataType::Time64(TimeUnit::Microsecond) => ScalarType::Time,
            DataType::Timestamp(TimeUnit::Microsecond, None) => ScalarType::Timestamp,
            DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => ScalarType::TimestampTz,
            _ => return None,
        })
    }

    /// An Arrow field of this type.
    pub fn field(self, name: &str, nullable: bool) -> Field {
        Field::new(name, self.arrow(), nullable)
    }

    /// True for the integer, float and decimal types.
    pub fn is_numeric(self) -> bool {
        matches!(
            self,
            ScalarType::Int16
                | ScalarType::Int32
                | ScalarType::Int64
                | ScalarType::Float32
                | ScalarType::Float64
                | ScalarType::Decimal { .. }
        )
    }
}

impl fmt::Display for ScalarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScalarType::Boolean => f.write_str("boolean"),
            ScalarType::Int16 => f.write_str("int16"),
            ScalarType::Int32 => f.write_str("int32"),
            ScalarType::Int64 => f.write_str("int64"),
            ScalarType::Float32 => f.write_str("float32"),
            ScalarType::Float64 => f.write_str("float64"),
            ScalarType::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            ScalarType::Text => f.write_str("text"),
            ScalarType::Binary => f.write_str("binary"),
            ScalarType::Date => f.write_str("date"),
            ScalarType::Time => f.write_str("time"),
            ScalarType::Timestamp => f.write_str("timestamp"),
            ScalarType::TimestampTz => f.write_str("timestamptz"),
            ScalarType::Guid => f.write_str("guid"),
            ScalarType::Json => f.write_str("json"),
        }
    }
}

impl std::str::FromStr for ScalarType {
    type Err = String;

    /// Reads the spelling that [`fmt::Display`] writes, as used in configuration: `decimal(13,2)`, `text`, …
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_ascii_lowercase();
        if let Some(inner) = lower.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
            let mut parts = inner.split(',').map(str::trim);
            let precision = parts.next().and_then(|p| p.parse::<u8>().ok());
            let scale = parts.next().map_or(Some(0), |s| s.parse::<i8>().ok());
            return match (precision, scale, parts.next()) {
                (Some(precision), Some(scale), None) if (1..=76).contains(&precision) && scale >= 0 && scale as u8 <= precision => {
                    Ok(ScalarType::Decimal { precision, scale })
                }
                _ => Err(format!(
                    "'{text}' is not a decimal type: write decimal(precision,scale) with 1 <= precision <= 76 and 0 <= scale <= precision"
                )),
            };
        }
        Ok(match lower.as_str() {
            "boolean" | "bool" => ScalarType::Boolean,
            "int16" => ScalarType::Int16,
            "int32" => ScalarType::Int32,
            "int64" => ScalarType::Int64,
            "float32" => ScalarType::Float32,
            "float64" => ScalarType::Float64,
            "text" => ScalarType::Text,
            "binary" => ScalarType::Binary,
            "date" => ScalarType::Date,
            "time" => ScalarType::Time,
            "timestamp" => ScalarType::Timestamp,
            "timestamptz" => ScalarType::TimestampTz,
            "guid" => ScalarType::Guid,
            "json" => ScalarType::Json,
            _ => {
                return Err(format!(
                    "'{text}' is not a type: boolean, int16, int32, int64, float32, float64, decimal(p,s), text, binary, date, time, timestamp, timestamptz, guid, json"
                ));
            }
        })
    }
}

/// How a value of one type is held in a column of another: an ERP's dates in `char(8)`, SQLite's decimals in text.
/// The declared [`ScalarType`] of the column is what readers see; the codec is how the source stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Decimal held in text, plain notation (`-12.50`).
    DecimalText,
    /// Decimal held in an integer as its unscaled digits (`1250` for 12.50 at scale 2).
    DecimalUnscaled,
    /// Date held in text as `YYYY-MM-DD`.
    DateText,
    /// Date held in text as `YYYYMMDD`; `00000000` and the empty text are null (SAP DATS).
    SapDate,
    /// Date held in an integer as days since 1970-01-01.
    DateDays,
    /// Time held in text as `HH:MM:SS[.ffffff]`.
    TimeText,
    /// Time held in an integer as microseconds since midnight.
    TimeMicros,
    /// Timestamp held in text as ISO 8601 (`YYYY-MM-DD HH:MM:SS[.ffffff]`, `T` accepted; with `Z` or an offset for `timestamptz`).
    TimestampText,
    /// Timestamp held in an integer as seconds since 1970-01-01T00:00:00(Z).
    TimestampSeconds,
    /// Timestamp held in an integer as milliseconds since 1970-01-01T00:00:00(Z).
    TimestampMillis,
    /// Timestamp held in an integer as microseconds since 1970-01-01T00:00:00(Z).
    TimestampMicros,
    /// GUID held in text, any letter case.
    GuidText,
    /// GUID held in 16 bytes, big-endian.
    GuidBytes,
    /// Boolean held in an integer: 0 is false, 1 is true.
    BoolInt,
    /// Boolean held in text: `Y`/`N`, `X`/empty, `true`/`false`, `T`/`F`, `1`/`0`.
    BoolText,
}
