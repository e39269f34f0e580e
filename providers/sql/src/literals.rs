//! Parameters written out as literals, for servers that take none. The text of a statement has placeholders, as EXPLAIN and logs show it;
//! what is sent is made here, last. It must not know how either is sent.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::civil;
use crate::decimal::format_decimal;
use crate::dialect::{Dialect, Family, Placeholder};
use crate::expr::unsupported;
use crate::statement::{Parameter, Statement};
use portico_provider_api::value::Float;
use portico_provider_api::{Unsupported, Value};
use std::fmt::Write as _;

/// The statement's text with every parameter in its place.
///
/// # Errors
/// When a value cannot be written in the dialect, or the dialect's parameters are not plain values.
pub fn with_literals(statement: &Statement, dialect: &Dialect) -> Result<String, Unsupported> {
    if matches!(dialect.family, Family::Product(_)) {
        // Their literals differ; they are always sent parameters.
        return Err(unsupported("parameters written out"));
    }
    let mut text = String::with_capacity(statement.text.len() + 16 * statement.parameters.len());
    let mut characters = statement.text.chars().peekable();
    let (mut inside, mut seen) = (None, 0_usize);
    while let Some(character) = characters.next() {
        match inside {
            // A doubled quote ends the quotation and begins it again.
            Some(end) if end == character => inside = None,
            Some(_) => {}
            None if character == dialect.quote || character == '\'' => inside = Some(character),
            None => {
                let at = match dialect.placeholder {
                    Placeholder::Question if character == '?' => {
                        seen += 1;
                        Some(seen)
                    }
                    Placeholder::Dollar if character == '$' => {
                        let mut number = 0_usize;
                        while let Some(digit) = characters.peek().and_then(|next| next.to_digit(10)) {
                            number = number.saturating_mul(10).saturating_add(digit as usize);
                            characters.next();
                        }
                        Some(number)
                    }
                    Placeholder::Question | Placeholder::Dollar => None,
                    Placeholder::DollarTyped | Placeholder::QuestionNumbered | Placeholder::QuestionTyped => {
                        return Err(unsupported("parameters written out"));
                    }
                };
                if let Some(at) = at {
                    let parameter = at.checked_sub(1).and_then(|at| statement.parameters.get(at));
                    let Some(Parameter::Value(value)) = parameter else { return Err(unsupported("a parameter that is not one value")) };
                    text.push_str(&literal(value, dialect.family)?);
                    continue;
                }
            }
        }
        text.push(character);
    }
    Ok(text)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// One value. DataFusion's literals stand in a conversion to their type, so that their text is enough; a number in quotes is read by the
/// type, and not by way of another one.
fn literal(value: &Value, family: Family) -> Result<String, Unsupported> {
    let typed = |name: &str, text: String| match family {
        Family::Standard => format!("{name} {}", quoted(&text)),
        Family::Postgres | Family::Sqlite | Family::Mysql | Family::DataFusion | Family::Product(_) => quoted(&text),
    };
    let standard = family == Family::Standard;
    Ok(match value {
        Value::Null(_) => "NULL".to_owned(),
        Value::Boolean(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        Value::Int16(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        // The least one is no number to a parser that reads the sign apart.
        Value::Int64(i64::MIN) if !standard => quoted(&i64::MIN.to_string()),
        Value::Int64(value) => value.to_string(),
        Value::Float32(Float(value)) => number(format!("{:?}", *value as f32), *value, family)?,
        Value::Float64(Float(value)) => number(format!("{value:?}"), *value, family)?,
        Value::Decimal { unscaled, scale, .. } if standard => format_decimal(*unscaled, *scale),
        Value::Decimal { unscaled, scale, .. } => quoted(&format_decimal(*unscaled, *scale)),
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => quoted(text),
        Value::Binary(bytes) => {
            let mut hex = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                // Writing into a text does not fail.
                let _ = write!(hex, "{byte:02X}");
            }
            format!("X'{hex}'")
        }
        Value::Date(days) => typed("DATE", written(civil::format_date(*days))?),
        Value::Time(micros) => typed("TIME", civil::format_time(*micros)),
        Value::Timestamp(micros) => typed("TIMESTAMP", written(civil::format_timestamp(*micros))?),
        Value::TimestampTz(micros) if standard => {
            format!("TIMESTAMP WITH TIME ZONE '{}+00:00'", written(civil::format_timestamp(*micros))?)
        }
        Value::TimestampTz(micros) => quoted(&format!("{}Z", written(civil::format_timestamp(*micros))?)),
    })
}

fn written(moment: Option<String>) -> Result<String, Unsupported> {
    moment.ok_or_else(|| unsupported("a moment before year 0 or after year 9999"))
}

fn number(text: String, value: f64, family: Family) -> Result<String, Unsupported> {
    match family {
        Family::Standard if value.is_finite() => Ok(if text.contains(['e', 'E']) { text } else { format!("{text}E0") }),
        Family::Standard => Err(unsupported("a float that is no number")),
        Family::Postgres | Family::Sqlite | Family::Mysql | Family::DataFusion | Family::Product(_) => Ok(quoted(&text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{DATAFUSION, STANDARD};
    use arrow::datatypes::i256;

    fn statement(text: &str, values: Vec<Value>) -> Statement {
        Statement { text: text.to_owned(), parameters: values.into_iter().map(Parameter::Value).collect(), columns: Vec::new() }
    }

    #[test]
    fn placeholders_are_replaced_outside_quotations() {
        let values = || vec![Value::text("it's $2 \"?\" --"), Value::Int64(-7)];
        let sent = with_literals(&statement("SELECT '$1', \"a\"\"$2\" WHERE a = $1 AND b = $2 AND c = $1", values()), &DATAFUSION).unwrap();
        assert_eq!(sent, "SELECT '$1', \"a\"\"$2\" WHERE a = 'it''s $2 \"?\" --' AND b = -7 AND c = 'it''s $2 \"?\" --'");
        let sent = with_literals(&statement("SELECT '?' WHERE \"?\" = ? AND b = ?", values()), &STANDARD).unwrap();
        assert_eq!(sent, "SELECT '?' WHERE \"?\" = 'it''s $2 \"?\" --' AND b = -7");
        assert!(with_literals(&statement("SELECT $3", values()), &DATAFUSION).is_err());
    }

    #[test]
    fn products_are_always_sent_parameters() {
        let one = statement("SELECT ?", vec![Value::Int64(1)]);
        assert!(with_literals(&one, &STANDARD).is_ok());
        assert!(with_literals(&one, &crate::product::SQLITE_PLAIN).is_err());
    }

    #[test]
    fn every_type_has_a_literal() {
        let decimal = Value::Decimal { unscaled: i256::from_i128(-1250), precision: 5, scale: 2 };
        let cases = [
            (Value::Null(portico_provider_api::ScalarType::Date), "NULL", "NULL"),
            (Value::Boolean(true), "TRUE", "TRUE"),
            (Value::Int64(i64::MIN), "'-9223372036854775808'", "-9223372036854775808"),
            (Value::float64(0.1), "'0.1'", "0.1E0"),
            (Value::float64(1e300), "'1e300'", "1e300"),
            (Value::Float32(Float(f64::from(0.1_f32))), "'0.1'", "0.1E0"),
            (decimal, "'-12.50'", "-12.50"),
            (Value::text("a'b\\"), "'a''b\\'", "'a''b\\'"),
            (Value::Binary(vec![0, 255]), "X'00FF'", "X'00FF'"),
            (Value::Date(0), "'1970-01-01'", "DATE '1970-01-01'"),
            (Value::Time(1), "'00:00:00.000001'", "TIME '00:00:00.000001'"),
            (Value::Timestamp(0), "'1970-01-01 00:00:00'", "TIMESTAMP '1970-01-01 00:00:00'"),
            (Value::TimestampTz(0), "'1970-01-01 00:00:00Z'", "TIMESTAMP WITH TIME ZONE '1970-01-01 00:00:00+00:00'"),
        ];
        for (value, datafusion, standard) in cases {
            assert_eq!(literal(&value, Family::DataFusion).unwrap(), datafusion);
            assert_eq!(literal(&value, Family::Standard).unwrap(), standard);
        }
        assert!(literal(&Value::float64(f64::NAN), Family::Standard).is_err());
        assert_eq!(literal(&Value::float64(f64::NEG_INFINITY), Family::DataFusion).unwrap(), "'-inf'");
    }
}
