//! Operands and the types they meet in: literals take the type of what they are compared with where that is exact, numbers are
//! promoted as the specification says (URL Conventions, section 5.1.1.16). It must not know names.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::bound::BoundExpr;
use crate::edm::{self, Misfit, type_name};
use crate::number::Number;
use crate::syntax::{Literal, LiteralKind};
use portico_provider_api::{ScalarType, Value};

/// A bound operand.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) expr: BoundExpr,
    /// `None` for the literal `null`, which has every type.
    pub(super) scalar_type: Option<ScalarType>,
    /// The literal it was, as long as another type can be given to it.
    pub(super) literal: Option<Literal>,
    /// How messages call it.
    pub(super) text: String,
}

impl Operand {
    pub(super) fn typed(expr: BoundExpr, scalar_type: ScalarType, text: String) -> Operand {
        Operand { expr, scalar_type: Some(scalar_type), literal: None, text }
    }

    /// What messages say of it: what it is, and its type.
    pub(super) fn description(&self) -> String {
        match self.scalar_type {
            None => "null".to_owned(),
            Some(scalar_type) => format!("{} ({})", self.text, type_name(scalar_type)),
        }
    }
}

/// A literal with the type that it has by itself.
pub(super) fn literal(literal: &Literal) -> Result<Operand, String> {
    let text = quoted(literal);
    let value = match literal.kind {
        LiteralKind::Null => {
            let expr = BoundExpr::Literal(Value::Null(ScalarType::Boolean));
            return Ok(Operand { expr, scalar_type: None, literal: None, text });
        }
        LiteralKind::Boolean => Value::Boolean(literal.text == "true"),
        LiteralKind::Integer | LiteralKind::Decimal => natural_number(literal)?,
        LiteralKind::NotFinite => Value::float64(edm::not_finite(&literal.text).unwrap_or(f64::NAN)),
        LiteralKind::Text => Value::Text(literal.text.clone()),
        LiteralKind::Guid => formatted(literal, ScalarType::Guid)?,
        LiteralKind::Date => formatted(literal, ScalarType::Date)?,
        LiteralKind::TimeOfDay => formatted(literal, ScalarType::Time)?,
        LiteralKind::DateTimeOffset => formatted(literal, ScalarType::TimestampTz)?,
        LiteralKind::Binary => edm::binary(&literal.text).ok_or_else(|| format!("binary{text} is not base64url"))?,
        LiteralKind::Duration | LiteralKind::Enumeration | LiteralKind::Geo => return Err(format!("the literal {text} has no place here")),
    };
    let scalar_type = value.scalar_type();
    Ok(Operand { expr: BoundExpr::Literal(value), scalar_type: Some(scalar_type), literal: Some(literal.clone()), text })
}

/// How a message shows a literal.
pub(super) fn quoted(literal: &Literal) -> String {
    let short: String = literal.text.chars().take(40).collect();
    let dots = if short.len() < literal.text.len() { "…" } else { "" };
    match literal.kind {
        LiteralKind::Text | LiteralKind::Binary | LiteralKind::Duration | LiteralKind::Geo => format!("'{short}{dots}'"),
        LiteralKind::Null
        | LiteralKind::Boolean
        | LiteralKind::Integer
        | LiteralKind::Decimal
        | LiteralKind::NotFinite
        | LiteralKind::Guid
        | LiteralKind::Date
        | LiteralKind::TimeOfDay
        | LiteralKind::DateTimeOffset
        | LiteralKind::Enumeration => format!("{short}{dots}"),
    }
}

fn formatted(literal: &Literal, to: ScalarType) -> Result<Value, String> {
    edm::formatted(&literal.text, to)
        .ok_or_else(|| format!("{} is not a valid {} (microseconds are the finest)", quoted(literal), type_name(to)))
}

fn natural_number(literal: &Literal) -> Result<Value, String> {
    let number = Number::parse(&literal.text).ok_or_else(|| format!("{} is not a number", quoted(literal)))?;
    let integer = [ScalarType::Int32, ScalarType::Int64].into_iter().filter(|_| literal.kind == LiteralKind::Integer);
    let decimal = number.decimal_type().map(|(precision, scale)| ScalarType::Decimal { precision, scale });
    integer
        .chain(decimal)
        .chain([ScalarType::Float64])
        .find_map(|scalar_type| edm::number_value(&number, scalar_type).ok())
        .ok_or_else(|| format!("the number {} is out of every type's range", quoted(literal)))
}

/// What becomes of a literal that meets a type.
enum Conversion {
    Value(Value),
    /// It is a number that the type does not hold exactly: both must be promoted.
    Promote,
}

/// The literal as a value of a type.
fn convert(literal: &Literal, to: ScalarType) -> Result<Conversion, String> {
    let mismatch = |hint: &str| Err(format!("{} is not of type {}{hint}", quoted(literal), type_name(to)));
    let value = match (literal.kind, to) {
        (LiteralKind::Null, _) => Some(Value::Null(to)),
        (LiteralKind::Boolean, ScalarType::Boolean) => Some(Value::Boolean(literal.text == "true")),
        (LiteralKind::Integer | LiteralKind::Decimal, _) => {
            let number = Number::parse(&literal.text).ok_or_else(|| format!("{} is not a number", quoted(literal)))?;
            match edm::number_value(&number, to) {
                Ok(value) => Some(value),
                Err(Misfit::OutOfRange) => return Ok(Conversion::Promote),
                Err(Misfit::NotNumeric) if to == ScalarType::Text => return mismatch("; text is written in single quotes"),
                Err(Misfit::NotNumeric) => None,
            }
        }
        (LiteralKind::NotFinite, ScalarType::Float64) => edm::not_finite(&literal.text).map(Value::float64),
        (LiteralKind::NotFinite, ScalarType::Float32) => {
            edm::not_finite(&literal.text).map(|value| Value::Float32(portico_provider_api::value::Float(value)))
        }
        (LiteralKind::NotFinite, to) if to.is_numeric() => return Ok(Conversion::Promote),
        (LiteralKind::Text, ScalarType::Text) => Some(Value::Text(literal.text.clone())),
        (LiteralKind::Binary, ScalarType::Binary) => edm::binary(&literal.text),
        // Quoted dates, times and GUIDs are read where one is expected, as 4.01 has it; a date stands for its first instant.
        (LiteralKind::Date | LiteralKind::Text, ScalarType::Timestamp | ScalarType::TimestampTz) => {
            edm::formatted(&literal.text, to).or_else(|| edm::formatted(&format!("{}T00:00:00Z", literal.text), to))
        }
        (LiteralKind::DateTimeOffset, ScalarType::Timestamp | ScalarType::TimestampTz) => edm::formatted(&literal.text, to),
        (LiteralKind::Date | LiteralKind::Text, ScalarType::Date) => edm::formatted(&literal.text, to),
        (LiteralKind::TimeOfDay | LiteralKind::Text, ScalarType::Time) => edm::formatted(&literal.text, to),
        (LiteralKind::Guid | LiteralKind::Text, ScalarType::Guid) => edm::formatted(&literal.text, to),
        (LiteralKind::DateTimeOffset, ScalarType::Date) => return mismatch("; write a date without a time, such as 2026-08-01"),
        (LiteralKind::Text, to) if to.is_numeric() || to == ScalarType::Boolean => return mismatch("; leave the quotes out"),
        (LiteralKind::Guid | LiteralKind::Date | LiteralKind::TimeOfDay | LiteralKind::DateTimeOffset, ScalarType::Text) => {
            return mismatch("; text is written in single quotes");
        }
        (
            LiteralKind::Boolean
            | LiteralKind::NotFinite
            | LiteralKind::Text
            | LiteralKind::Guid
            | LiteralKind::Date
            | LiteralKind::TimeOfDay
            | LiteralKind::DateTimeOffset
            | LiteralKind::Binary
            | LiteralKind::Duration
            | LiteralKind::Enumeration
            | LiteralKind::Geo,
            _,
        ) => None,
    };
    value.map_or_else(|| mismatch(""), |value| Ok(Conversion::Value(value)))
}

/// The literal as a key value or other exact value of a type; `Ok(None)` for a number that the type does not hold.
pub(super) fn exact(literal: &Literal, to: ScalarType) -> Result<Option<Value>, String> {
    Ok(match convert(literal, to)? {
        Conversion::Value(value) => Some(value),
        Conversion::Promote => None,
    })
}

/// The operand as an expression of a type: a literal is converted, anything else cast. Only for types it can be promoted to.
pub(super) fn coerce(operand: Operand, to: ScalarType) -> Result<BoundExpr, String> {
    if operand.scalar_type.is_none() {
        return Ok(BoundExpr::Literal(Value::Null(to)));
    }
    if operand.scalar_type == Some(to) {
        return Ok(operand.expr);
    }
    if let Some(literal) = &operand.literal {
        return match convert(literal, to)? {
            Conversion::Value(value) => Ok(BoundExpr::Literal(value)),
            Conversion::Promote => {
                Err(format!("the number {} is out of the range that it can be compared or computed in", quoted(literal)))
            }
        };
    }
    Ok(BoundExpr::Cast { expr: Box::new(operand.expr), to })
}

/// Two operands in one type. `Err` says why they do not go together.
pub(super) fn unify(left: Operand, right: Operand) -> Result<(BoundExpr, BoundExpr, ScalarType), String> {
    let common = meeting_type(&[&left, &right])?;
    Ok((coerce(left, common)?, coerce(right, common)?, common))
}

/// The type in which operands meet; boolean when all are `null`.
pub(super) fn meeting_type(operands: &[&Operand]) -> Result<ScalarType, String> {
    let firm = operands.iter().filter(|operand| operand.literal.is_none()).filter_map(|operand| operand.scalar_type.map(|t| (*operand, t)));
    let mut meeting: Option<(&Operand, ScalarType)> = None;
    for (operand, scalar_type) in firm {
        meeting = Some(match meeting {
            None => (operand, scalar_type),
            Some((first, so_far)) => (first, common(so_far, scalar_type).ok_or_else(|| mismatch(first, operand))?),
        });
    }
    let literals = operands.iter().filter(|operand| operand.literal.is_some());
    for operand in literals {
        let (Some(literal), Some(natural)) = (&operand.literal, operand.scalar_type) else { continue };
        meeting = Some(match meeting {
            None => (operand, natural),
            Some((first, so_far)) => match convert(literal, so_far) {
                Ok(Conversion::Value(_)) => (first, so_far),
                // A float only misses what is out of its range, so the next wider type is the double.
                Ok(Conversion::Promote) if so_far == ScalarType::Float32 => (first, ScalarType::Float64),
                Ok(Conversion::Promote) => (first, common(so_far, natural).ok_or_else(|| mismatch(first, operand))?),
                // Between two literals either may give way: `'2026-08-01' eq 2026-08-01`.
                Err(why) => match &first.literal {
                    Some(first_literal) if convert(first_literal, natural).is_ok() => (operand, natural),
                    Some(_) => return Err(mismatch(first, operand)),
                    None => {
                        return Err(format!("{} cannot be compared with or applied to {}: {why}", first.description(), quoted(literal)));
                    }
                },
            },
        });
    }
    Ok(meeting.map_or(ScalarType::Boolean, |(_, scalar_type)| scalar_type))
}

fn mismatch(left: &Operand, right: &Operand) -> String {
    format!("{} and {} do not go together", left.description(), right.description())
}

/// The type to which two types are promoted; `None` when there is none.
pub(super) fn common(left: ScalarType, right: ScalarType) -> Option<ScalarType> {
    use ScalarType::{Decimal, Float32, Float64, Int16, Int32, Int64, Timestamp, TimestampTz};
    if left == right {
        return Some(left);
    }
    if matches!((left, right), (Timestamp, TimestampTz) | (TimestampTz, Timestamp)) {
        return Some(TimestampTz);
    }
    if !left.is_numeric() || !right.is_numeric() {
        return None;
    }
    let either = |wanted: ScalarType| left == wanted || right == wanted;
    if either(Float64) {
        return Some(Float64);
    }
    if either(Float32) {
        return Some(Float32);
    }
    if matches!(left, Decimal { .. }) || matches!(right, Decimal { .. }) {
        let ((p1, s1), (p2, s2)) = (decimal_extent(left)?, decimal_extent(right)?);
        let scale = s1.max(s2);
        let precision = (p1 - s1).max(p2 - s2) + scale;
        return (precision <= 76).then_some(Decimal { precision: precision as u8, scale: scale as i8 });
    }
    Some(if either(Int64) {
        Int64
    } else if either(Int32) {
        Int32
    } else {
        Int16
    })
}

/// Precision and scale of the decimal that holds every value of an exact numeric type.
pub(super) fn decimal_extent(scalar_type: ScalarType) -> Option<(i16, i16)> {
    match scalar_type {
        ScalarType::Int16 => Some((5, 0)),
        ScalarType::Int32 => Some((10, 0)),
        ScalarType::Int64 => Some((19, 0)),
        ScalarType::Decimal { precision, scale } => Some((precision.into(), scale.into())),
        ScalarType::Boolean
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Text
        | ScalarType::Binary
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz
        | ScalarType::Guid
        | ScalarType::Json => None,
    }
}
