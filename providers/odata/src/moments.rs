//! Moments and times of day that have, or may have, more digits of a second than microseconds: what the configuration says becomes of them
//! (`sub_microseconds`). OData 4.0 allows twelve (CSDL 4.01, section 7.2.2); services on .NET write seven, and many of them say nothing of it.
//! It must not know how a set is asked.

use crate::config::{OdataConfig, SubMicroseconds};
use crate::metadata::{Edm, Property, Protocol, Service};
use portico_provider_api::evaluate::cast_value;
use portico_provider_api::{ScalarType, Value};
use portico_provider_web::json::{Json, JsonError};

/// Gives the properties of a service the form that the configuration says; what it says of the whole source holds where the metadata does
/// not promise microseconds at most, and not for keys where they would be cut.
///
/// # Errors
/// When a setting is of a property that is no moment, or would cut a key: names set and property.
pub fn settle(service: &mut Service, config: &OdataConfig) -> Result<(), String> {
    let everywhere = config.sub_microseconds;
    for set in &mut service.sets {
        let own = config.tables.get(&set.name);
        let said = |property: &Property| own?.columns.get(&property.name)?.sub_microseconds;
        let named = own.into_iter().flat_map(|own| &own.columns).filter(|(_, column)| column.sub_microseconds.is_some());
        if let Some((name, _)) = named.into_iter().find(|(name, _)| !set.properties.iter().any(|property| property.name == **name)) {
            return Err(format!("'sub_microseconds' of '{name}' in '{}': there is no such property", set.name));
        }
        for property in &mut set.properties {
            let is_key = set.key.contains(&property.name);
            let open = property.unsaid_precision || matches!(property.edm, Edm::FineMoment | Edm::FineTime);
            match (said(property), everywhere.filter(|_| open)) {
                (Some(wanted), _) => {
                    let place = format!("'sub_microseconds' of '{}' in '{}'", property.name, set.name);
                    let is_moment = matches!(property.edm, Edm::DateTimeOffset | Edm::TimeOfDay | Edm::FineMoment | Edm::FineTime);
                    if !is_moment || service.protocol == Protocol::V2 {
                        return Err(format!("{place}: it is {}, which has no digits beyond microseconds", property.type_name));
                    }
                    if is_key && wanted == SubMicroseconds::Truncate {
                        return Err(format!("{place}: it is part of the key, which would name no entity any more if it were cut"));
                    }
                    hold_as(property, wanted);
                }
                (None, Some(SubMicroseconds::Truncate)) if is_key => {}
                (None, Some(wanted)) => hold_as(property, wanted),
                (None, None) => {}
            }
            if property.truncated {
                service.general.truncates = true;
                service
                    .notes
                    .push(format!("of '{}' in '{}' digits beyond microseconds are left out, as configured", property.name, set.name));
            }
        }
    }
    let returned = service.operations.iter_mut().filter_map(|operation| operation.returns.as_mut());
    for property in returned.flat_map(|returns| &mut returns.columns) {
        if let Some(wanted) = everywhere.filter(|_| property.unsaid_precision || matches!(property.edm, Edm::FineMoment | Edm::FineTime)) {
            hold_as(property, wanted);
        }
    }
    Ok(())
}

fn hold_as(property: &mut Property, wanted: SubMicroseconds) {
    let is_moment = matches!(property.edm, Edm::DateTimeOffset | Edm::FineMoment);
    (property.edm, property.scalar_type) = match (wanted, is_moment) {
        (SubMicroseconds::Text, true) => (Edm::FineMoment, ScalarType::Text),
        (SubMicroseconds::Text, false) => (Edm::FineTime, ScalarType::Text),
        (SubMicroseconds::Truncate, true) => (Edm::DateTimeOffset, ScalarType::TimestampTz),
        (SubMicroseconds::Truncate, false) => (Edm::TimeOfDay, ScalarType::Time),
    };
    property.truncated = wanted == SubMicroseconds::Truncate;
}

/// Reads a moment or time of day without its digits beyond microseconds.
pub fn truncated(json: &Json, to: ScalarType) -> Option<Value> {
    match json {
        Json::Null => Some(Value::Null(to)),
        Json::Text(text) => {
            let kept = match digits_beyond_micros(text) {
                Some((from, to)) => format!("{}{}", text.get(..from)?, text.get(to..)?),
                None => text.clone(),
            };
            cast_value(&Value::text(kept), to).ok()
        }
        Json::Boolean(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Where the digits of a second beyond the sixth stand, from and to.
fn digits_beyond_micros(text: &str) -> Option<(usize, usize)> {
    let fraction = text.find('.')? + 1;
    let digits = text.get(fraction..)?.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 6).then_some((fraction + 6, fraction + digits))
}

/// What helps where a value was refused because it is finer than a microsecond.
pub fn advised(mut error: JsonError) -> JsonError {
    let is_moment = [ScalarType::TimestampTz, ScalarType::Time].iter().any(|to| error.message.ends_with(&format!("\" is no {to}")));
    if is_moment && digits_beyond_micros(&error.message).is_some() {
        error.message.push_str(
            ", because it is finer than a microsecond: `sub_microseconds: text` on the source or the column reads such values as they are, \
             `truncate` without the digits beyond",
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_cut_downwards_and_nothing_else_is() {
        let of = |text: &str, to| truncated(&Json::Text(text.to_owned()), to);
        assert_eq!(of("1970-01-01T00:00:01.1234567Z", ScalarType::TimestampTz), Some(Value::TimestampTz(1_123_456)));
        assert_eq!(of("1969-12-31T23:59:59.9999999+00:00", ScalarType::TimestampTz), Some(Value::TimestampTz(-1)));
        assert_eq!(of("1970-01-01T01:00:00.5+01:00", ScalarType::TimestampTz), Some(Value::TimestampTz(500_000)));
        assert_eq!(of("23:59:59.999999999999", ScalarType::Time), Some(Value::Time(86_399_999_999)));
        assert_eq!(of("yesterday.12345678", ScalarType::TimestampTz), None);
        assert_eq!(truncated(&Json::Null, ScalarType::Time), Some(Value::Null(ScalarType::Time)));
    }
}
