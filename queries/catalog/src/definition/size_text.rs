//! Sizes as text with a unit: `512B`, `64KiB`, `16MiB`, `2GiB`, and the decimal `kB`, `MB`, `GB`. It must not know what a size is of.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Reads a size in bytes.
///
/// # Errors
/// Says what is wrong, and how to write one.
pub fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let how = "write a whole number and a unit, such as 512KiB, 64MiB or 2GiB";
    let number: u64 = number.parse().map_err(|_| format!("'{text}' is not a size: {how}"))?;
    let factor: u64 = match unit.trim() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("'{text}' is not a size: {how}")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("'{text}' is too large a size"))
}

/// Writes an optional size, in bytes.
///
/// # Errors
/// The serialiser's.
pub fn serialize<S: Serializer>(size: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match size {
        Some(size) => serializer.serialize_str(&format!("{size}B")),
        None => serializer.serialize_none(),
    }
}

/// Reads an optional size.
///
/// # Errors
/// A text that is none.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse(&text).map_err(D::Error::custom)).transpose()
}
