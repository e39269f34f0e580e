//! The primitive types of the protocol and the types that readers see. It must not know documents.

use portico_provider_api::ScalarType;

/// What a value is in requests and answers, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edm {
    /// `Edm.Boolean`.
    Boolean,
    /// `Edm.Byte`, `Edm.SByte`, `Edm.Int16`, `Edm.Int32`.
    Integer,
    /// `Edm.Int64`.
    Int64,
    /// `Edm.Single`.
    Single,
    /// `Edm.Double`.
    Double,
    /// `Edm.Decimal`.
    Decimal,
    /// `Edm.String`.
    String,
    /// `Edm.Guid`.
    Guid,
    /// `Edm.Binary`.
    Binary,
    /// `Edm.Date`.
    Date,
    /// `Edm.TimeOfDay`.
    TimeOfDay,
    /// `Edm.DateTimeOffset`.
    DateTimeOffset,
    /// `Edm.DateTime` of OData 2.0: a moment without a zone.
    DateTime,
    /// `Edm.DateTime` of OData 2.0 that is a date.
    DateOnly,
    /// `Edm.Time` of OData 2.0.
    Time,
    /// `Edm.Duration`: a text to readers, and none to the service.
    Duration,
    /// `Edm.DateTimeOffset` with more digits of a second than microseconds have: as a text, because no other column carries it without loss.
    FineMoment,
    /// `Edm.TimeOfDay` of that kind.
    FineTime,
    /// An enumeration, as the names of its members.
    Enumeration,
    /// An enumeration whose values are sets of members.
    Flags,
    /// Anything else: a collection, something spatial, something that is not said. It is read as it is written.
    Json,
}

/// Facets of a type, as they are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facets<'a> {
    /// `MaxLength`.
    pub max_length: Option<&'a str>,
    /// `Precision`.
    pub precision: Option<&'a str>,
    /// `Scale`.
    pub scale: Option<&'a str>,
    /// Whether it is OData 2.0.
    pub v2: bool,
    /// Whether OData 2.0 says that a moment is a date.
    pub date: bool,
}

impl Facets<'_> {
    /// Greatest length, where it is a number.
    pub fn length(&self) -> Option<u32> {
        self.max_length.and_then(|text| text.parse().ok())
    }

    /// Whether a moment may have more than six digits of a second. OData 2.0 writes milliseconds, whatever it says.
    fn is_finer_than_micros(&self) -> bool {
        !self.v2 && self.precision.and_then(|text| text.parse::<u8>().ok()).is_some_and(|digits| digits > 6)
    }
}

/// A primitive type; `None` for one that no column carries.
pub fn primitive(name: &str, facets: &Facets<'_>) -> Option<(Edm, ScalarType)> {
    let short = name.strip_prefix("Edm.")?;
    Some(match short {
        "Boolean" => (Edm::Boolean, ScalarType::Boolean),
        "Byte" | "SByte" | "Int16" => (Edm::Integer, ScalarType::Int16),
        "Int32" => (Edm::Integer, ScalarType::Int32),
        "Int64" => (Edm::Int64, ScalarType::Int64),
        "Single" => (Edm::Single, ScalarType::Float32),
        "Double" => (Edm::Double, ScalarType::Float64),
        "Decimal" => (Edm::Decimal, decimal(facets)),
        "String" => (Edm::String, ScalarType::Text),
        "Guid" => (Edm::Guid, ScalarType::Guid),
        "Binary" => (Edm::Binary, ScalarType::Binary),
        "Date" => (Edm::Date, ScalarType::Date),
        "TimeOfDay" if facets.is_finer_than_micros() => (Edm::FineTime, ScalarType::Text),
        "DateTimeOffset" if facets.is_finer_than_micros() => (Edm::FineMoment, ScalarType::Text),
        "TimeOfDay" => (Edm::TimeOfDay, ScalarType::Time),
        "DateTimeOffset" => (Edm::DateTimeOffset, ScalarType::TimestampTz),
        "DateTime" if facets.date => (Edm::DateOnly, ScalarType::Date),
        "DateTime" => (Edm::DateTime, ScalarType::Timestamp),
        "Time" => (Edm::Time, ScalarType::Time),
        "Duration" => (Edm::Duration, ScalarType::Text),
        "Untyped" => (Edm::Json, ScalarType::Json),
        spatial if spatial.starts_with("Geography") || spatial.starts_with("Geometry") => (Edm::Json, ScalarType::Json),
        _ => return None,
    })
}

/// A decimal's digits. Without a stated number of digits, or with a point that moves, it is decimal(38,18), and a value that does not fit
/// is an error when it is read. OData 4.0 says that a scale which is not given is none; in OData 2.0 nothing is said of it.
fn decimal(facets: &Facets<'_>) -> ScalarType {
    let precision = facets.precision.and_then(|text| text.parse::<u8>().ok()).filter(|precision| *precision > 0);
    let scale = match facets.scale {
        Some(text) => text.parse::<u8>().ok(),
        None if facets.v2 || precision.is_none() => None,
        None => Some(0),
    };
    match (precision, scale) {
        (Some(precision), Some(scale)) => {
            let precision = precision.max(scale).min(76);
            ScalarType::Decimal { precision, scale: i8::try_from(scale.min(precision)).unwrap_or(0) }
        }
        (None, Some(scale)) => ScalarType::Decimal { precision: 38, scale: i8::try_from(scale.min(38)).unwrap_or(0) },
        (Some(precision), None) if precision > 38 => ScalarType::Decimal { precision: 76, scale: 18 },
        (_, None) => ScalarType::UNCONSTRAINED_DECIMAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimals(precision: Option<&str>, scale: Option<&str>, v2: bool) -> String {
        primitive("Edm.Decimal", &Facets { precision, scale, v2, ..Facets::default() }).unwrap().1.to_string()
    }

    #[test]
    fn decimals_have_the_digits_that_are_said() {
        assert_eq!(decimals(Some("13"), Some("2"), false), "decimal(13,2)");
        assert_eq!(decimals(Some("13"), None, false), "decimal(13,0)");
        assert_eq!(decimals(Some("13"), None, true), "decimal(38,18)");
        assert_eq!(decimals(None, None, false), "decimal(38,18)");
        assert_eq!(decimals(None, Some("4"), false), "decimal(38,4)");
        assert_eq!(decimals(Some("34"), Some("variable"), false), "decimal(38,18)");
        assert_eq!(decimals(Some("34"), Some("floating"), false), "decimal(38,18)");
        assert_eq!(decimals(Some("76"), Some("20"), false), "decimal(76,20)");
        assert_eq!(decimals(Some("9"), Some("9"), false), "decimal(9,9)");
    }

    #[test]
    fn moments_beyond_microseconds_are_texts() {
        let of = |name, precision, v2| primitive(name, &Facets { precision, v2, ..Facets::default() }).unwrap().1;
        assert_eq!(of("Edm.DateTimeOffset", Some("7"), false), ScalarType::Text);
        assert_eq!(of("Edm.TimeOfDay", Some("12"), false), ScalarType::Text);
        assert_eq!(of("Edm.DateTimeOffset", Some("6"), false), ScalarType::TimestampTz);
        assert_eq!(of("Edm.DateTimeOffset", None, false), ScalarType::TimestampTz);
        assert_eq!(of("Edm.DateTime", Some("7"), true), ScalarType::Timestamp);
        assert_eq!(of("Edm.DateTimeOffset", Some("7"), true), ScalarType::TimestampTz);
    }

    #[test]
    fn what_no_column_carries_is_none() {
        let of = |name| primitive(name, &Facets::default());
        assert_eq!((of("Edm.Stream"), of("NS.Color"), of("Edm.EntityType")), (None, None, None));
        assert_eq!(of("Edm.GeographyPoint"), Some((Edm::Json, ScalarType::Json)));
        assert_eq!(of("Edm.SByte"), Some((Edm::Integer, ScalarType::Int16)));
    }
}
