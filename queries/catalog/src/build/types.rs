//! Which type a column is read as, and from which stored form. It must not know tables.
#![deny(clippy::wildcard_enum_match_arm)]

use portico_provider_api::{Codec, RemoteColumn, ScalarType, TypeClass};

/// How a column is read.
#[derive(Debug, PartialEq)]
pub(super) struct Decided {
    pub(super) scalar_type: ScalarType,
    pub(super) codec: Option<Codec>,
    /// Whether the codec reads some stored values as null.
    pub(super) makes_null: bool,
}

/// A mistake, and the configuration key that has it.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) key: &'static str,
    pub(super) message: String,
}

/// Decides how a column is read from what the source says and what the definition overrides.
pub(super) fn decide(remote: &RemoteColumn, type_text: Option<&str>, codec: Option<Codec>) -> Result<Decided, Wrong> {
    let wanted: Option<ScalarType> = type_text.map(str::parse).transpose().map_err(|message: String| Wrong { key: "type", message })?;
    if let Some(codec) = codec {
        return with_codec(remote, wanted, codec);
    }
    let scalar_type = wanted.unwrap_or(remote.scalar_type);
    // A change of digits or width keeps the way the source holds the value, and so does the zone of a timestamp held in text.
    let codec = remote.codec.filter(|codec| fits(*codec, scalar_type));
    let readable =
        codec.is_some() == remote.codec.is_some() && (codec.is_some() || TypeClass::of(scalar_type) == TypeClass::of(remote.scalar_type));
    if !readable {
        let codecs: Vec<String> = ALL
            .into_iter()
            .filter(|codec| fits(*codec, scalar_type) && holds(*codec, stored_class(remote)))
            .map(|codec| format!("`codec: {}`", spelling(codec)))
            .collect();
        let hint = if codecs.is_empty() { String::new() } else { format!(": say how it is held, with {}", codecs.join(" or ")) };
        let message = format!("a column of type {} ({}) cannot be read as {scalar_type}{hint}", remote.scalar_type, remote.native_type);
        return Err(Wrong { key: "type", message });
    }
    Ok(Decided { scalar_type, codec, makes_null: false })
}

fn with_codec(remote: &RemoteColumn, wanted: Option<ScalarType>, codec: Codec) -> Result<Decided, Wrong> {
    if !holds(codec, stored_class(remote)) {
        let message = format!("'{}' does not fit a column of type {} ({})", spelling(codec), remote.scalar_type, remote.native_type);
        return Err(Wrong { key: "codec", message });
    }
    let known = wanted.or_else(|| Some(remote.scalar_type).filter(|scalar_type| fits(codec, *scalar_type))).or_else(|| implied(codec));
    let Some(scalar_type) = known else {
        let message = format!("'{}' needs a `type` beside it, such as decimal(13,2)", spelling(codec));
        return Err(Wrong { key: "codec", message });
    };
    if !fits(codec, scalar_type) {
        return Err(Wrong { key: "codec", message: format!("'{}' is no way to hold a value of type {scalar_type}", spelling(codec)) });
    }
    Ok(Decided { scalar_type, codec: Some(codec), makes_null: codec == Codec::SapDate })
}

const ALL: [Codec; 15] = [
    Codec::DecimalText,
    Codec::DecimalUnscaled,
    Codec::DateText,
    Codec::SapDate,
    Codec::DateDays,
    Codec::TimeText,
    Codec::TimeMicros,
    Codec::TimestampText,
    Codec::TimestampSeconds,
    Codec::TimestampMillis,
    Codec::TimestampMicros,
    Codec::GuidText,
    Codec::GuidBytes,
    Codec::BoolInt,
    Codec::BoolText,
];

/// A codec as configuration spells it.
fn spelling(codec: Codec) -> String {
    serde_json::to_value(codec).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The class in which the source holds the column.
fn stored_class(remote: &RemoteColumn) -> TypeClass {
    remote.codec.map_or(TypeClass::of(remote.scalar_type), class)
}

/// The class that a codec reads from.
fn class(codec: Codec) -> TypeClass {
    match codec {
        Codec::DecimalText
        | Codec::DateText
        | Codec::SapDate
        | Codec::TimeText
        | Codec::TimestampText
        | Codec::GuidText
        | Codec::BoolText => TypeClass::Text,
        Codec::DecimalUnscaled
        | Codec::DateDays
        | Codec::TimeMicros
        | Codec::TimestampSeconds
        | Codec::TimestampMillis
        | Codec::TimestampMicros
        | Codec::BoolInt => TypeClass::Integer,
        Codec::GuidBytes => TypeClass::Binary,
    }
}

/// Whether a codec can read what a column of this class holds.
fn holds(codec: Codec, stored: TypeClass) -> bool {
    class(codec) == stored || (codec == Codec::SapDate && stored == TypeClass::Integer)
}

/// Whether a codec yields values of this type.
fn fits(codec: Codec, scalar_type: ScalarType) -> bool {
    let class = TypeClass::of(scalar_type);
    match codec {
        Codec::DecimalText | Codec::DecimalUnscaled => class == TypeClass::Decimal,
        Codec::DateText | Codec::SapDate | Codec::DateDays => class == TypeClass::Date,
        Codec::TimeText | Codec::TimeMicros => class == TypeClass::Time,
        Codec::TimestampText | Codec::TimestampSeconds | Codec::TimestampMillis | Codec::TimestampMicros => {
            matches!(scalar_type, ScalarType::Timestamp | ScalarType::TimestampTz)
        }
        Codec::GuidText | Codec::GuidBytes => class == TypeClass::Guid,
        Codec::BoolInt | Codec::BoolText => class == TypeClass::Boolean,
    }
}

/// The type that a codec alone implies.
fn implied(codec: Codec) -> Option<ScalarType> {
    match codec {
        Codec::DecimalText | Codec::DecimalUnscaled => None,
        Codec::DateText | Codec::SapDate | Codec::DateDays => Some(ScalarType::Date),
        Codec::TimeText | Codec::TimeMicros => Some(ScalarType::Time),
        Codec::TimestampText | Codec::TimestampSeconds | Codec::TimestampMillis | Codec::TimestampMicros => Some(ScalarType::Timestamp),
        Codec::GuidText | Codec::GuidBytes => Some(ScalarType::Guid),
        Codec::BoolInt | Codec::BoolText => Some(ScalarType::Boolean),
    }
}

/// Whether values of two types can be equal without a conversion that loses something.
pub(super) fn comparable(left: ScalarType, right: ScalarType) -> bool {
    let (left, right) = (TypeClass::of(left), TypeClass::of(right));
    let exact = |class| matches!(class, TypeClass::Integer | TypeClass::Decimal);
    left == right || (exact(left) && exact(right))
}

/// Whether OData can address a row by a value of this type.
pub(super) fn can_be_key(scalar_type: ScalarType) -> bool {
    match TypeClass::of(scalar_type) {
        TypeClass::Float | TypeClass::Binary | TypeClass::Json => false,
        TypeClass::Boolean
        | TypeClass::Integer
        | TypeClass::Decimal
        | TypeClass::Text
        | TypeClass::Date
        | TypeClass::Time
        | TypeClass::Timestamp
        | TypeClass::TimestampTz
        | TypeClass::Guid => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(scalar_type: ScalarType, codec: Option<Codec>) -> RemoteColumn {
        RemoteColumn { native_type: "native".to_owned(), codec, ..RemoteColumn::plain("c", scalar_type, false) }
    }

    /// What the source says, what the definition overrides, and what comes of it.
    type Override = (ScalarType, Option<Codec>, Option<&'static str>, Option<Codec>, Result<(ScalarType, Option<Codec>), &'static str>);

    #[test]
    fn overrides_are_decided_or_refused() {
        let decimal = |precision, scale| ScalarType::Decimal { precision, scale };
        let cases: &[Override] = &[
            (ScalarType::Int64, None, None, None, Ok((ScalarType::Int64, None))),
            (ScalarType::Int64, None, Some("int32"), None, Ok((ScalarType::Int32, None))),
            (decimal(38, 18), None, Some("decimal(13,2)"), None, Ok((decimal(13, 2), None))),
            (decimal(15, 2), Some(Codec::DecimalText), Some("decimal(9,1)"), None, Ok((decimal(9, 1), Some(Codec::DecimalText)))),
            (ScalarType::Text, None, None, Some(Codec::SapDate), Ok((ScalarType::Date, Some(Codec::SapDate)))),
            (ScalarType::Int64, None, None, Some(Codec::SapDate), Ok((ScalarType::Date, Some(Codec::SapDate)))),
            (
                ScalarType::Int64,
                None,
                Some("timestamptz"),
                Some(Codec::TimestampMillis),
                Ok((ScalarType::TimestampTz, Some(Codec::TimestampMillis))),
            ),
            (
                ScalarType::Timestamp,
                Some(Codec::TimestampText),
                Some("timestamptz"),
                None,
                Ok((ScalarType::TimestampTz, Some(Codec::TimestampText))),
            ),
            (ScalarType::Binary, None, None, Some(Codec::GuidBytes), Ok((ScalarType::Guid, Some(Codec::GuidBytes)))),
            (ScalarType::Text, None, Some("date"), None, Err("with `codec: date_text` or `codec: sap_date`")),
            (ScalarType::Boolean, None, Some("int32"), None, Err("cannot be read as int32")),
            (ScalarType::Boolean, None, None, Some(Codec::DateText), Err("does not fit a column of type boolean")),
            (ScalarType::Text, None, None, Some(Codec::DecimalText), Err("needs a `type`")),
            (ScalarType::Text, None, Some("date"), Some(Codec::GuidText), Err("no way to hold")),
            (ScalarType::Text, None, Some("decimal(99,2)"), None, Err("not a decimal type")),
            (ScalarType::Text, None, Some("datum"), None, Err("not a type")),
        ];
        for (remote, held, type_text, codec, expected) in cases {
            let decided = decide(&column(*remote, *held), *type_text, *codec);
            match (decided, expected) {
                (Ok(decided), Ok((scalar_type, codec))) => {
                    assert_eq!((decided.scalar_type, decided.codec), (*scalar_type, *codec));
                }
                (Err(wrong), Err(part)) => assert!(wrong.message.contains(part), "{}", wrong.message),
                (got, expected) => panic!("{remote} {type_text:?} {codec:?}: {got:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn only_exact_numbers_compare_across_classes() {
        let decimal = ScalarType::Decimal { precision: 10, scale: 0 };
        assert!(comparable(ScalarType::Int16, ScalarType::Int64));
        assert!(comparable(ScalarType::Int64, decimal));
        assert!(!comparable(ScalarType::Int64, ScalarType::Float64));
        assert!(!comparable(ScalarType::Text, ScalarType::Guid));
        assert!(!comparable(ScalarType::Timestamp, ScalarType::TimestampTz));
    }
}
