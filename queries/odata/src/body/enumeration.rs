//! Members of enumerations, by name or number, as the column holds them.

use super::wrong;
use crate::edm;
use crate::error::ODataError;
use portico_catalog::Enumeration;
use portico_catalog::names::nearest;
use portico_provider_api::number::Number;
use portico_provider_api::{ScalarType, Value};

/// The value that names stand for: one member, of flags several with commas between. Digits are taken as the number that they are,
/// which the protocol allows.
pub(super) fn named(property: &str, text: &str, enumeration: &Enumeration, to: ScalarType) -> Result<Value, ODataError> {
    if Number::parse(text).is_some() {
        return numbered(property, text, enumeration, to);
    }
    let member = |name: &str| {
        enumeration.members.iter().find(|member| member.name == name).ok_or_else(|| {
            let names = enumeration.members.iter().map(|member| member.name.as_str());
            let hint = nearest(name, names).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
            wrong(property, format!("the property '{property}' is of type {}, which has no member '{name}'{hint}", enumeration.name))
        })
    };
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    match names.as_slice() {
        [only] => Ok(member(only)?.stored.clone()),
        _ if !enumeration.flags => {
            Err(wrong(property, format!("the property '{property}' is of type {}: it takes one member, not several", enumeration.name)))
        }
        several => {
            let mut bits = 0;
            for name in several {
                bits |= member(name)?.value;
            }
            stored(bits, to).ok_or_else(|| out_of_range(property, enumeration))
        }
    }
}

/// The value that a number stands for: that of a member, for flags any combination of members.
pub(super) fn numbered(property: &str, text: &str, enumeration: &Enumeration, to: ScalarType) -> Result<Value, ODataError> {
    let number = Number::parse(text).and_then(|number| number.to_i64());
    let number = number.ok_or_else(|| wrong(property, format!("the property '{property}' takes a member of {}", enumeration.name)))?;
    if let Some(member) = enumeration.members.iter().find(|member| member.value == number) {
        return Ok(member.stored.clone());
    }
    let bits = enumeration.members.iter().fold(0, |bits, member| bits | member.value);
    if enumeration.flags && number & !bits == 0 {
        return stored(number, to).ok_or_else(|| out_of_range(property, enumeration));
    }
    Err(wrong(property, format!("the property '{property}' is of type {}, which has no member with the value {number}", enumeration.name)))
}

fn stored(number: i64, to: ScalarType) -> Option<Value> {
    Number::parse(&number.to_string()).and_then(|number| edm::number_value(&number, to).ok())
}

fn out_of_range(property: &str, enumeration: &Enumeration) -> ODataError {
    wrong(property, format!("the property '{property}' is of type {}: the combination does not fit its column", enumeration.name))
}
