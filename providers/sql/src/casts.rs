//! Conversions between types that mean and fail just as the IR's do; all others are refused. It must not know expressions.

use crate::expr::{Render, is_integer, unsupported};
use portico_provider_api::{ScalarType, Unsupported};

impl Render<'_> {
    /// `value`, which is a `from`, as a `to`, which differs.
    pub(crate) fn postgres_cast(&self, value: &str, from: ScalarType, to: ScalarType) -> Result<String, Unsupported> {
        let as_type = |text: &str| Ok(format!("{text}::{}", (self.dialect.type_name)(to)));
        let refused = || Err(unsupported(format!("the conversion from {from} to {to}")));
        let utc = format!("({value} AT TIME ZONE 'UTC')");
        match to {
            ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => match from {
                ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => as_type(value),
                ScalarType::Boolean => as_type(&format!("{value}::int4")),
                // PostgreSQL rounds, the IR cuts off.
                ScalarType::Decimal { .. } | ScalarType::Float64 => as_type(&format!("trunc({value})")),
                ScalarType::Float32 => as_type(&format!("trunc({value}::float8)")),
                _ => refused(),
            },
            ScalarType::Decimal { precision, scale } => match from {
                // Where every integer fits, there is nothing to be checked, and no digits after the point to be kept.
                _ if integer_digits(from).is_some_and(|digits| digits <= i16::from(precision) - i16::from(scale)) => as_type(value),
                ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 | ScalarType::Decimal { .. } => {
                    Ok(format!("{value}::numeric({precision},{scale})"))
                }
                _ => refused(),
            },
            ScalarType::Float32 | ScalarType::Float64 if is_integer(from) => as_type(value),
            ScalarType::Text => match from {
                ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 | ScalarType::Boolean | ScalarType::Guid => as_type(value),
                // The text has every digit of the scale.
                ScalarType::Decimal { precision, scale } => as_type(&format!("{value}::numeric({precision},{scale})")),
                _ => refused(),
            },
            ScalarType::Date | ScalarType::Time => match from {
                ScalarType::Timestamp => as_type(value),
                ScalarType::TimestampTz => as_type(&utc),
                _ => refused(),
            },
            ScalarType::Timestamp => match from {
                ScalarType::Date => as_type(value),
                ScalarType::TimestampTz => Ok(utc),
                _ => refused(),
            },
            ScalarType::TimestampTz => match from {
                ScalarType::Date => Ok(format!("({value}::timestamp AT TIME ZONE 'UTC')")),
                ScalarType::Timestamp => Ok(utc),
                _ => refused(),
            },
            ScalarType::Float32 | ScalarType::Float64 | ScalarType::Boolean | ScalarType::Binary | ScalarType::Guid | ScalarType::Json => {
                refused()
            }
        }
    }
}

/// How many digits the integers of a type have at most.
fn integer_digits(scalar_type: ScalarType) -> Option<i16> {
    match scalar_type {
        ScalarType::Int16 => Some(5),
        ScalarType::Int32 => Some(10),
        ScalarType::Int64 => Some(19),
        _ => None,
    }
}

/// `value`, which is a `from`, as a `to`, by the IR's own evaluator.
pub(crate) fn sqlite_cast(value: &str, from: ScalarType, to: ScalarType) -> Result<String, Unsupported> {
    match to {
        // Another cast to a float may yield not-a-number, which SQLite cannot hold.
        ScalarType::Float32 | ScalarType::Float64 if !is_integer(from) && !matches!(from, ScalarType::Decimal { .. }) => {
            Err(unsupported(format!("the conversion from {from} to {to}")))
        }
        _ => Ok(format!("portico_cast('{from}', '{to}', {value})")),
    }
}
