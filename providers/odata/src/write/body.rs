//! Values as bodies of requests write them: JSON, numbers with all their digits. Pure; it must not know requests.

use crate::metadata::{Edm, Property, Protocol};
use crate::translate::literal::duration;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use portico_provider_api::Value;
use portico_provider_api::value::Float;
use portico_provider_sql::{format_date, format_decimal, format_time, format_timestamp};

/// An object that is being written; members are in order.
#[derive(Debug, Default)]
pub struct Body {
    members: Vec<(String, Member)>,
}

#[derive(Debug)]
enum Member {
    Text(String),
    Object(Body),
}

impl Body {
    /// Adds a value at a path: what is in between becomes objects.
    pub fn set(&mut self, path: &str, json: String) {
        let Some((first, rest)) = path.split_once('/') else {
            self.members.push((path.to_owned(), Member::Text(json)));
            return;
        };
        let at = match self.members.iter().position(|(name, _)| name == first) {
            Some(at) => at,
            None => {
                self.members.push((first.to_owned(), Member::Object(Body::default())));
                self.members.len() - 1
            }
        };
        if let Some((_, Member::Object(inner))) = self.members.get_mut(at) {
            inner.set(rest, json);
        }
    }

    /// The object as JSON.
    pub fn json(&self) -> String {
        let members = self.members.iter().map(|(name, member)| {
            let value = match member {
                Member::Text(json) => json.clone(),
                Member::Object(inner) => inner.json(),
            };
            format!("{}:{value}", quoted(name))
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// A text in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value of a property in JSON. Whole numbers of 64 bits and decimals are texts (`IEEE754Compatible`), so that no reader rounds them.
///
/// # Errors
/// When the protocol cannot say it: a moment that OData 2.0 would cut to milliseconds, a year of more than four digits.
pub fn json(protocol: Protocol, property: &Property, value: &Value) -> Result<String, String> {
    let v2 = protocol == Protocol::V2;
    let unsaid = || format!("a value for '{}' cannot be written in this protocol", property.name);
    Ok(match value {
        Value::Null(_) => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int16(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        Value::Int64(value) => format!("\"{value}\""),
        Value::Float32(Float(value)) => float(f64::from(*value as f32), &format!("{:?}", *value as f32), v2).ok_or_else(unsaid)?,
        Value::Float64(Float(value)) => float(*value, &format!("{value:?}"), v2).ok_or_else(unsaid)?,
        Value::Decimal { unscaled, scale, .. } => format!("\"{}\"", format_decimal(*unscaled, *scale)),
        Value::Text(text) => quoted(text),
        Value::Guid(guid) => quoted(guid),
        // A collection or an object is written as it is.
        Value::Json(json) if serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok() => json.clone(),
        Value::Json(_) => return Err(format!("the value for '{}' is no JSON", property.name)),
        Value::Binary(bytes) if v2 => format!("\"{}\"", BASE64_STANDARD.encode(bytes)),
        Value::Binary(bytes) => format!("\"{}\"", BASE64_URL_SAFE.encode(bytes)),
        Value::Date(days) if v2 => format!("\"/Date({})/\"", i64::from(*days) * 86_400_000),
        Value::Date(days) => quoted(&format_date(*days).ok_or_else(unsaid)?),
        Value::Time(micros) if v2 => format!("\"{}\"", duration(*micros)),
        Value::Time(micros) => quoted(&format_time(*micros)),
        Value::Timestamp(micros) | Value::TimestampTz(micros) if v2 => {
            if micros % 1_000 != 0 {
                return Err(format!("the moment for '{}' has parts of a millisecond, which OData 2.0 cannot say", property.name));
            }
            let zone = if property.edm == Edm::DateTimeOffset { "+0000" } else { "" };
            format!("\"/Date({}{zone})/\"", micros / 1_000)
        }
        Value::Timestamp(micros) | Value::TimestampTz(micros) => {
            quoted(&format!("{}Z", format_timestamp(*micros).ok_or_else(unsaid)?.replace(' ', "T")))
        }
    })
}

/// A float: a number where it is one, and in OData 2.0 a text.
fn float(value: f64, digits: &str, v2: bool) -> Option<String> {
    Some(match (value.is_finite(), value.is_nan(), value > 0.0) {
        (true, _, _) if v2 => format!("\"{digits}\""),
        (true, _, _) => digits.to_owned(),
        (false, true, _) => "\"NaN\"".to_owned(),
        (false, false, true) => "\"INF\"".to_owned(),
        (false, false, false) => "\"-INF\"".to_owned(),
    })
}
