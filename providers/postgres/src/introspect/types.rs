//! PostgreSQL's types as types of the IR. Pure. Arrays and composite types are published as JSON documents; another type without an exact
//! counterpart is published as text, as the server prints it, and is not compared at the server.

use super::catalog::Column;
use portico_provider_api::ScalarType;

/// Appended to the native type of a text column whose collation finds different texts equal, so that a query alone tells.
const LOOSE_COLLATION: &str = " collate nondeterministic";

/// Appended where the collation is another than the database's, but finds only equal texts equal: two of these do not mix.
const OWN_COLLATION: &str = " collate deterministic";

/// The header that every type modifier includes.
const MODIFIER_HEADER: i32 = 4;

/// The type that readers see, and the greatest length in characters where there is one.
pub fn published(column: &Column) -> (ScalarType, Option<u32>) {
    if column.is_array || column.type_kind == "c" {
        return (ScalarType::Json, None);
    }
    if !column.system_type {
        return (ScalarType::Text, column.label_length.map(i32::unsigned_abs));
    }
    let length = (column.type_modifier >= MODIFIER_HEADER).then(|| (column.type_modifier - MODIFIER_HEADER).unsigned_abs());
    match column.type_name.as_str() {
        "bool" => (ScalarType::Boolean, None),
        "int2" => (ScalarType::Int16, None),
        "int4" => (ScalarType::Int32, None),
        "int8" | "oid" => (ScalarType::Int64, None),
        "float4" => (ScalarType::Float32, None),
        "float8" => (ScalarType::Float64, None),
        "numeric" => (numeric(column.type_modifier).unwrap_or(ScalarType::Text), None),
        "varchar" | "bpchar" => (ScalarType::Text, length),
        "name" => (ScalarType::Text, Some(63)),
        "bytea" => (ScalarType::Binary, None),
        "date" => (ScalarType::Date, None),
        "time" => (ScalarType::Time, None),
        "timestamp" => (ScalarType::Timestamp, None),
        "timestamptz" => (ScalarType::TimestampTz, None),
        "uuid" => (ScalarType::Guid, None),
        "json" | "jsonb" => (ScalarType::Json, None),
        _ => (ScalarType::Text, None),
    }
}

/// The declared precision and scale; `None` when no decimal of the IR holds the scale.
fn numeric(modifier: i32) -> Option<ScalarType> {
    if modifier < MODIFIER_HEADER {
        return Some(ScalarType::UNCONSTRAINED_DECIMAL);
    }
    let packed = modifier - MODIFIER_HEADER;
    let precision = (packed >> 16) & 0xffff;
    // Eleven bits with a sign, since PostgreSQL 15.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    let digits = match scale {
        // Rounded to tens, hundreds, …: whole numbers with more digits.
        ..0 => precision - scale,
        // Only digits far behind the point: they need the places in between.
        _ => precision.max(scale),
    };
    // Declared wider than any decimal here: a value that really is that wide is an error when it is read.
    Some(ScalarType::Decimal {
        precision: u8::try_from(digits.min(76)).ok()?,
        scale: i8::try_from(scale.max(0)).ok().filter(|scale| *scale <= 76)?,
    })
}

/// The name under which the type is published: PostgreSQL's own, without modifiers; a type of the database's own with its schema.
pub fn native_type(column: &Column) -> String {
    let is_text = column.system_type && matches!(column.type_name.as_str(), "text" | "varchar" | "bpchar");
    let collation = match (is_text || column.type_name == "name", column.loose_collation) {
        (true, true) => LOOSE_COLLATION,
        // That of a name is always the same.
        (true, false) if is_text && column.own_collation => OWN_COLLATION,
        (_, _) => "",
    };
    format!("{}{collation}", column.type_name)
}

/// Whether comparing at the server means what the IR says: the type is held in the form of its published type, or, for enums and
/// other types of the database's own, it is converted to the published text first. The system's other types are not compared: how
/// an interval, an address or an amount of money is printed is no order of its own.
pub fn is_exact(native_type: &str) -> bool {
    let system = [LOOSE_COLLATION, OWN_COLLATION].iter().find_map(|suffix| native_type.strip_suffix(suffix)).unwrap_or(native_type);
    native_type.contains('.')
        // An array: of the document that it is published as, only whether it is null is asked.
        || native_type.starts_with('_')
        || matches!(
            system,
            "bool"
                | "int2"
                | "int4"
                | "int8"
                | "oid"
                | "xid"
                | "float4"
                | "float8"
                | "numeric"
                | "text"
                | "varchar"
                | "bpchar"
                | "name"
                | "bytea"
                | "date"
                | "time"
                | "timestamp"
                | "timestamptz"
                | "uuid"
                | "json"
                | "jsonb"
                | "citext"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modifier(precision: i32, scale: i32) -> i32 {
        ((precision << 16) | (scale & 0x7ff)) + MODIFIER_HEADER
    }

    #[test]
    fn numerics_keep_their_declared_digits() {
        assert_eq!(numeric(-1), Some(ScalarType::UNCONSTRAINED_DECIMAL));
        assert_eq!(numeric(modifier(13, 2)), Some(ScalarType::Decimal { precision: 13, scale: 2 }));
        assert_eq!(numeric(modifier(5, -2)), Some(ScalarType::Decimal { precision: 7, scale: 0 }));
        assert_eq!(numeric(modifier(3, 5)), Some(ScalarType::Decimal { precision: 5, scale: 5 }));
        assert_eq!(numeric(modifier(1000, 2)), Some(ScalarType::Decimal { precision: 76, scale: 2 }));
        assert_eq!(numeric(modifier(1000, 900)), None);
    }
}
