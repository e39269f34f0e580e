//! Values as URLs write them. Pure; it must not know conditions.

use crate::metadata::{Edm, Property, Protocol};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portico_provider_api::Value;
use portico_provider_api::value::Float;
use portico_provider_sql::{civil_from_days, format_date, format_decimal, format_time, format_timestamp};
use std::fmt::Write as _;

/// A value of a property as a literal; `None` where the protocol has none for it: a moment whose year has no four digits, a number that is
/// none in OData 2.0, a text that is no length of time or no moment.
pub fn literal(protocol: Protocol, property: &Property, value: &Value) -> Option<String> {
    let v2 = protocol == Protocol::V2;
    Some(match value {
        Value::Null(_) => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int16(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        Value::Int64(value) if v2 && property.edm == Edm::Int64 => format!("{value}L"),
        Value::Int64(value) => value.to_string(),
        Value::Float32(Float(value)) => float(*value, if v2 { "f" } else { "" })?,
        Value::Float64(Float(value)) => float(*value, if v2 { "d" } else { "" })?,
        Value::Decimal { unscaled, scale, .. } => {
            let text = shortest(format_decimal(*unscaled, *scale));
            if v2 { format!("{text}m") } else { text }
        }
        // OData 4.01 takes the text without the prefix, 4.0 does not (URL Conventions 4.01, section 5.1.1.14.1).
        Value::Text(text) if property.edm == Edm::Duration => {
            let written = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-PDTHMS.".contains(&byte));
            (written && text.contains('P')).then(|| format!("duration'{text}'"))?
        }
        Value::Text(text) if matches!(property.edm, Edm::FineMoment | Edm::FineTime) => {
            let written = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-TZ:.".contains(&byte));
            (written && text.contains(':')).then(|| text.to_string())?
        }
        Value::Text(text) if property.edm == Edm::Enumeration => format!("{}'{}'", property.type_name, text.replace('\'', "''")),
        Value::Text(text) | Value::Json(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Guid(guid) if v2 => format!("guid'{guid}'"),
        Value::Guid(guid) => guid.clone(),
        Value::Binary(bytes) if v2 => {
            let mut hex = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                // Writing into a text does not fail.
                let _ = write!(hex, "{byte:02X}");
            }
            format!("X'{hex}'")
        }
        Value::Binary(bytes) => format!("binary'{}'", BASE64_URL_SAFE_NO_PAD.encode(bytes)),
        Value::Date(days) => {
            let date = four_digits(i64::from(*days), v2).then(|| format_date(*days))??;
            if v2 { format!("datetime'{date}T00:00:00'") } else { date }
        }
        Value::Time(micros) if v2 => format!("time'{}'", duration(*micros)),
        Value::Time(micros) => format_time(*micros),
        Value::Timestamp(micros) if v2 && property.edm == Edm::DateTime => format!("datetime'{}'", moment(*micros, v2)?),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => {
            let moment = moment(*micros, v2)?;
            match (v2, property.edm) {
                (true, Edm::DateTime) => format!("datetime'{moment}'"),
                (true, _) => format!("datetimeoffset'{moment}Z'"),
                (false, _) => format!("{moment}Z"),
            }
        }
    })
}

/// Digits without zeros behind the point: some services compare the text.
fn shortest(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn moment(micros: i64, v2: bool) -> Option<String> {
    if !four_digits(micros.div_euclid(86_400_000_000), v2) {
        return None;
    }
    format_timestamp(micros).map(|text| shortest(text.replace(' ', "T")))
}

/// Whether a day's year can be written. OData 4.0 knows a year 0; OData 2.0 begins with the year 1.
fn four_digits(days: i64, v2: bool) -> bool {
    let (year, _, _) = civil_from_days(days);
    (i64::from(v2)..=9999).contains(&year)
}

/// Microseconds of a day as ISO 8601 says a length of time.
pub fn duration(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("PT{hours}H{minutes}M{}S", shortest(format!("{seconds}.{fraction:06}")))
}

/// A single is written with all digits of the double that equals it: whoever compares doubles finds it equal.
fn float(value: f64, suffix: &str) -> Option<String> {
    if value.is_finite() {
        // `{:?}` writes an exponent where the number is long.
        return Some(format!("{value:?}{suffix}"));
    }
    match (value.is_nan(), value.is_sign_negative(), suffix.is_empty()) {
        (true, _, true) => Some("NaN".to_owned()),
        (false, false, true) => Some("INF".to_owned()),
        (false, true, true) => Some("-INF".to_owned()),
        (_, _, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_none_to_the_service_are_written_as_what_they_are() {
        let of = |edm, text: &str| {
            let property = Property {
                name: "P".to_owned(),
                type_name: String::new(),
                edm,
                scalar_type: portico_provider_api::ScalarType::Text,
                nullable: false,
                max_length: None,
                description: None,
                computed: false,
                has_default: false,
                members: None,
                filterable: None,
                sortable: None,
                unsaid_precision: false,
                truncated: false,
                look_up: crate::metadata::LookUp::Value,
            };
            literal(Protocol::V4, &property, &Value::text(text))
        };
        assert_eq!(of(Edm::Duration, "-P1DT2H3M4.5S").as_deref(), Some("duration'-P1DT2H3M4.5S'"));
        assert_eq!((of(Edm::Duration, "1 day"), of(Edm::Duration, "P1D' or true")), (None, None));
        assert_eq!(of(Edm::FineMoment, "2024-02-29T12:34:56.1234567+01:00").as_deref(), Some("2024-02-29T12:34:56.1234567+01:00"));
        assert_eq!(of(Edm::FineTime, "12:34:56.1234567").as_deref(), Some("12:34:56.1234567"));
        assert_eq!((of(Edm::FineMoment, "now()"), of(Edm::FineTime, "12 or 1 eq 1")), (None, None));
    }

    #[test]
    fn fractions_have_no_zeros_behind() {
        assert_eq!((duration(0), duration(86_399_999_000)), ("PT0H0M0S".to_owned(), "PT23H59M59.999S".to_owned()));
        assert_eq!(duration(600_000_001), "PT0H10M0.000001S");
        assert_eq!(moment(1_709_210_096_789_000, true).as_deref(), Some("2024-02-29T12:34:56.789"));
        assert_eq!(moment(1_709_210_100_000_000, false).as_deref(), Some("2024-02-29T12:35:00"));
        let short = |unscaled: i64, scale| shortest(format_decimal(unscaled.into(), scale));
        assert_eq!((short(100, 2), short(-150, 2), short(0, 3), short(1_200, 0)), ("1".into(), "-1.5".into(), "0".into(), "1200".into()));
    }
}
