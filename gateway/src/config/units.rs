//! Values with units, as they are written in the file: `10s`, `64MiB`.

use portico_catalog::definition::{duration_text, size_text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};
use std::borrow::Cow;
use std::time::Duration;

/// A duration: `500ms`, `10s`, `5m`, `2h`, `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationText(pub Duration);

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        duration_text::parse(&text).map(DurationText).map_err(D::Error::custom)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "portico-duration", "pattern": "^[0-9]+ *(ms|s|m|h|d)$",
            "description": "A duration with a unit: 500ms, 10s, 5m, 2h, 1d." })
    }
}

/// A size in bytes: `512B`, `64KiB`, `16MiB`, `2GiB`, and the decimal `kB`, `MB`, `GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// Reads a size with a unit.
    ///
    /// # Errors
    /// Says what is wrong, and how to write one.
    pub fn parse(text: &str) -> Result<ByteSize, String> {
        size_text::parse(text).map(ByteSize)
    }

    /// The size as a length in memory.
    pub fn length(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ByteSize::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "portico-size", "pattern": "^[0-9]+ *(B|kB|KB|MB|GB|KiB|MiB|GiB)$",
            "description": "A size with a unit: 512B, 64KiB, 16MiB, 2GiB." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_carry_units() {
        assert_eq!(ByteSize::parse("64MiB"), Ok(ByteSize(64 << 20)));
        assert_eq!(ByteSize::parse("2 kB"), Ok(ByteSize(2000)));
        for bad in ["64", "MiB", "1.5GiB", "64mib", "99999999999GiB", "-1B"] {
            assert!(ByteSize::parse(bad).is_err(), "{bad}");
        }
    }
}
