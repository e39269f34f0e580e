//! Operands and the types they meet in: literals take the type of what they are compared with where that is exact, numbers are
//! promoted as the specification says (URL Conventions, section 5.1.1.16). It must not know names.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::bound::{BoundExpr, ComparisonOperator};
use crate::duration;
use crate::edm::{self, Misfit, type_name};
use crate::spatial;
use crate::syntax::{Literal, LiteralKind};
use crate::value_type::ValueType;
use portico_catalog::Enumeration;
use portico_catalog::overlay::EnumerationMember;
use portico_catalog::spatial::SpatialFamily;
use portico_provider_api::number::Number;
use portico_provider_api::{ScalarType, Value};

/// A bound operand.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) expr: BoundExpr,
    /// `None` for the literal `null`, which has every type.
    pub(super) value_type: Option<ValueType>,
    /// The literal it was, as long as another type can be given to it.
    pub(super) literal: Option<Literal>,
    /// How messages call it.
    pub(super) text: String,
}

impl Operand {
    pub(super) fn typed(expr: BoundExpr, value_type: impl Into<ValueType>, text: String) -> Operand {
        Operand { expr, value_type: Some(value_type.into()), literal: None, text }
    }

    /// The literal `null`.
    pub(super) fn null() -> Operand {
        Operand { expr: BoundExpr::Literal(Value::Null(ScalarType::Boolean)), value_type: None, literal: None, text: "null".to_owned() }
    }

    /// The type that carries it; nothing for `null`, and for what is more than its carrier: a duration, a member of an enumeration, a place.
    pub(super) fn scalar_type(&self) -> Option<ScalarType> {
        match &self.value_type {
            Some(ValueType::Scalar(scalar_type)) => Some(*scalar_type),
            Some(ValueType::Duration | ValueType::Enumeration(..) | ValueType::Spatial(_)) | None => None,
        }
    }

    /// Whether it is `null` or of a type that stands for itself.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.value_type, None | Some(ValueType::Scalar(_)))
    }

    /// What messages say of it: what it is, and its type.
    pub(super) fn description(&self) -> String {
        match &self.value_type {
            None => "null".to_owned(),
            Some(value_type) => format!("{} ({})", self.text, shown_type(value_type)),
        }
    }
}

/// What messages call a type.
pub(super) fn shown_type(value_type: &ValueType) -> String {
    match value_type {
        ValueType::Scalar(scalar_type) => type_name(*scalar_type).to_owned(),
        ValueType::Duration => "Edm.Duration".to_owned(),
        ValueType::Enumeration(enumeration, _) => enumeration.name.clone(),
        ValueType::Spatial(of) => format!("Edm.{} in {}", of.name(), of.srid),
    }
}

/// A literal with the type that it has by itself.
pub(super) fn literal(literal: &Literal) -> Result<Operand, String> {
    let text = quoted(literal);
    let value = match literal.kind {
        LiteralKind::Null => return Ok(Operand::null()),
        LiteralKind::Boolean => Value::Boolean(literal.text == "true"),
        LiteralKind::Integer | LiteralKind::Decimal => natural_number(literal)?,
        LiteralKind::NotFinite => Value::float64(edm::not_finite(&literal.text).unwrap_or(f64::NAN)),
        LiteralKind::Text => Value::Text(literal.text.clone()),
        LiteralKind::Guid => formatted(literal, ScalarType::Guid)?,
        LiteralKind::Date => formatted(literal, ScalarType::Date)?,
        LiteralKind::TimeOfDay => formatted(literal, ScalarType::Time)?,
        LiteralKind::DateTimeOffset => formatted(literal, ScalarType::TimestampTz)?,
        LiteralKind::Binary => edm::binary(&literal.text).ok_or_else(|| format!("binary{text} is not base64url"))?,
        LiteralKind::Duration => {
            let expr = BoundExpr::Literal(duration_of(literal)?);
            return Ok(Operand { expr, value_type: Some(ValueType::Duration), literal: Some(literal.clone()), text });
        }
        LiteralKind::Geography | LiteralKind::Geometry => {
            let (of, geometry) = spatial_of(literal)?;
            let expr = BoundExpr::Literal(Value::Text(spatial::canonical(&geometry, of.srid)));
            return Ok(Operand { expr, value_type: Some(ValueType::Spatial(of)), literal: Some(literal.clone()), text });
        }
        LiteralKind::Enumeration => return Err(format!("the literal {text} has no place here")),
    };
    let value_type = Some(value.scalar_type().into());
    Ok(Operand { expr: BoundExpr::Literal(value), value_type, literal: Some(literal.clone()), text })
}

/// How a message shows a literal.
pub(super) fn quoted(literal: &Literal) -> String {
    let short: String = literal.text.chars().take(40).collect();
    let dots = if short.len() < literal.text.len() { "…" } else { "" };
    match literal.kind {
        LiteralKind::Text | LiteralKind::Binary | LiteralKind::Duration | LiteralKind::Geography | LiteralKind::Geometry => {
            format!("'{short}{dots}'")
        }
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

fn duration_of(literal: &Literal) -> Result<Value, String> {
    let micros = duration::parse(&literal.text).map(Value::Int64);
    micros.ok_or_else(|| format!("{} is not a duration such as P1DT12H30M5.5S (microseconds are the finest)", quoted(literal)))
}

/// A literal of a geography or geometry.
fn spatial_of(literal: &Literal) -> Result<(portico_catalog::spatial::SpatialType, spatial::Geometry), String> {
    let family = if literal.kind == LiteralKind::Geography { SpatialFamily::Geography } else { SpatialFamily::Geometry };
    spatial::literal(&literal.text, family).map_err(|why| format!("{} is not a {}: {why}", quoted(literal), family.name()))
}

/// The type and member of `Ns.Type'Member'`, as the parser gives them.
pub(super) fn enumeration_parts(literal: &Literal) -> (&str, &str) {
    let (name, member) = literal.text.split_once('\'').unwrap_or((literal.text.as_str(), ""));
    (name, member.strip_suffix('\'').unwrap_or(member))
}

/// A member of an enumeration, by name or number; several, with commas between, of a flags enumeration. As the column holds it. A number
/// that no member has is taken too where the column holds numbers: payloads show such values so, and clients send back what they got.
pub(crate) fn member(text: &str, enumeration: &Enumeration) -> Result<Value, String> {
    let number = |value: i64| match enumeration.members.first().map(|member| member.stored.scalar_type()) {
        Some(ScalarType::Int16) => i16::try_from(value).ok().map(Value::Int16),
        Some(ScalarType::Int32) => i32::try_from(value).ok().map(Value::Int32),
        Some(ScalarType::Int64) => Some(Value::Int64(value)),
        _ => None,
    };
    let one = |name: &str| {
        let by_number = || name.parse::<i64>().ok().and_then(|value| enumeration.members.iter().find(|member| member.value == value));
        enumeration.member(name).or_else(by_number)
    };
    let unknown = |name: &str| {
        let hint = portico_catalog::names::nearest(name, enumeration.members.iter().map(|member| member.name.as_str()));
        let hint = hint.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        format!("'{name}' is not a member of the enumeration {}{hint}", enumeration.name)
    };
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    if let [name] = names.as_slice()
        && let Some(member) = one(name)
    {
        return Ok(member.stored.clone());
    }
    if !enumeration.flags {
        let as_stored = enumeration.members.iter().all(is_stored_as_its_number);
        let held = text.trim().parse().ok().filter(|_| as_stored).and_then(number);
        return held.ok_or_else(|| unknown(text));
    }
    let mut all = 0_i64;
    for name in names {
        // Any number is a combination of flags.
        all |= match one(name).map(|member| member.value).or_else(|| name.parse().ok()) {
            Some(value) => value,
            None => return Err(unknown(name)),
        };
    }
    number(all).ok_or_else(|| format!("'{text}' is out of the range of the enumeration {}", enumeration.name))
}

fn is_stored_as_its_number(member: &EnumerationMember) -> bool {
    member.stored.as_integer() == Some(member.value)
}

/// The number of a member, which members are ordered by; null stays null.
pub(super) fn member_number(expr: BoundExpr, enumeration: &Enumeration) -> BoundExpr {
    if enumeration.members.iter().all(is_stored_as_its_number) {
        return expr;
    }
    if let BoundExpr::Literal(value) = &expr {
        let member = enumeration.members.iter().find(|member| member.stored == *value);
        return BoundExpr::Literal(member.map_or(Value::Null(ScalarType::Int64), |member| Value::Int64(member.value)));
    }
    let branch = |member: &EnumerationMember| {
        let stored = BoundExpr::Literal(member.stored.clone());
        (BoundExpr::compare(ComparisonOperator::Eq, expr.clone(), stored), BoundExpr::Literal(Value::Int64(member.value)))
    };
    BoundExpr::Case { branches: enumeration.members.iter().map(branch).collect(), scalar_type: ScalarType::Int64 }
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
fn convert(literal: &Literal, to: &ValueType) -> Result<Conversion, String> {
    let to = match (to, literal.kind) {
        (ValueType::Scalar(to), _) => *to,
        (to, LiteralKind::Null) => return Ok(Conversion::Value(Value::Null(to.scalar()))),
        (ValueType::Duration, LiteralKind::Duration | LiteralKind::Text) => return duration_of(literal).map(Conversion::Value),
        (ValueType::Enumeration(enumeration, _), LiteralKind::Enumeration) => {
            let (name, text) = enumeration_parts(literal);
            let same = name.rsplit('.').next() == Some(enumeration.name.as_str());
            return if same {
                member(text, enumeration).map(Conversion::Value)
            } else {
                Err(format!("{name}'{text}' is not of type {}", enumeration.name))
            };
        }
        (ValueType::Enumeration(enumeration, _), LiteralKind::Text | LiteralKind::Integer) => {
            return member(&literal.text, enumeration).map(Conversion::Value);
        }
        (ValueType::Spatial(wanted), LiteralKind::Geography | LiteralKind::Geometry) => {
            let (of, geometry) = spatial_of(literal)?;
            return if of == *wanted {
                Ok(Conversion::Value(Value::Text(spatial::canonical(&geometry, of.srid))))
            } else {
                Err(format!("it is of type {}", shown_type(&ValueType::Spatial(of))))
            };
        }
        (to, _) => return Err(format!("{} is not of type {}", quoted(literal), shown_type(to))),
    };
    convert_scalar(literal, to)
}

fn convert_scalar(literal: &Literal, to: ScalarType) -> Result<Conversion, String> {
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
            | LiteralKind::Geography
            | LiteralKind::Geometry,
            _,
        ) => None,
    };
    value.map_or_else(|| mismatch(""), |value| Ok(Conversion::Value(value)))
}

/// The literal as a key value or other exact value of a type; `Ok(None)` for a number that the type does not hold.
pub(super) fn exact(literal: &Literal, to: ScalarType) -> Result<Option<Value>, String> {
    Ok(match convert_scalar(literal, to)? {
        Conversion::Value(value) => Some(value),
        Conversion::Promote => None,
    })
}

/// The operand as an expression of a type: a literal is converted, anything else cast. Only for types it can be promoted to.
pub(super) fn coerce(operand: Operand, to: impl Into<ValueType>) -> Result<BoundExpr, String> {
    let to = to.into();
    if operand.value_type.is_none() {
        return Ok(BoundExpr::Literal(Value::Null(to.scalar())));
    }
    if operand.value_type.as_ref() == Some(&to) {
        return Ok(operand.expr);
    }
    if let Some(literal) = &operand.literal {
        return match convert(literal, &to)? {
            Conversion::Value(value) => Ok(BoundExpr::Literal(value)),
            Conversion::Promote => {
                Err(format!("the number {} is out of the range that it can be compared or computed in", quoted(literal)))
            }
        };
    }
    match to {
        ValueType::Scalar(to) if operand.is_plain() => Ok(BoundExpr::Cast { expr: Box::new(operand.expr), to }),
        ValueType::Scalar(_) | ValueType::Duration | ValueType::Enumeration(..) | ValueType::Spatial(_) => {
            Err(format!("{} is not of type {}", operand.description(), shown_type(&to)))
        }
    }
}

/// Two operands in one type. `Err` says why they do not go together.
pub(super) fn unify(left: Operand, right: Operand) -> Result<(BoundExpr, BoundExpr, ValueType), String> {
    let common = meeting_type(&[&left, &right])?;
    Ok((coerce(left, common.clone())?, coerce(right, common.clone())?, common))
}

/// The type in which operands meet; boolean when all are `null`.
pub(super) fn meeting_type(operands: &[&Operand]) -> Result<ValueType, String> {
    let firm =
        operands.iter().filter(|operand| operand.literal.is_none()).filter_map(|operand| Some((*operand, operand.value_type.as_ref()?)));
    let mut meeting: Option<(&Operand, ValueType)> = None;
    for (operand, value_type) in firm {
        meeting = Some(match meeting {
            None => (operand, value_type.clone()),
            Some((first, so_far)) => (first, common_value(&so_far, value_type).ok_or_else(|| mismatch(first, operand))?),
        });
    }
    let literals = operands.iter().filter(|operand| operand.literal.is_some());
    for operand in literals {
        let (Some(literal), Some(natural)) = (&operand.literal, &operand.value_type) else { continue };
        meeting = Some(match meeting {
            None => (operand, natural.clone()),
            Some((first, so_far)) => match convert(literal, &so_far) {
                Ok(Conversion::Value(_)) => (first, so_far),
                // A float only misses what is out of its range, so the next wider type is the double.
                Ok(Conversion::Promote) if so_far == ValueType::Scalar(ScalarType::Float32) => (first, ScalarType::Float64.into()),
                Ok(Conversion::Promote) => (first, common_value(&so_far, natural).ok_or_else(|| mismatch(first, operand))?),
                // Between two literals either may give way: `'2026-08-01' eq 2026-08-01`.
                Err(why) => match &first.literal {
                    Some(first_literal) if convert(first_literal, natural).is_ok() => (operand, natural.clone()),
                    Some(_) => return Err(mismatch(first, operand)),
                    None => {
                        return Err(format!("{} cannot be compared with or applied to {}: {why}", first.description(), quoted(literal)));
                    }
                },
            },
        });
    }
    Ok(meeting.map_or(ValueType::Scalar(ScalarType::Boolean), |(_, value_type)| value_type))
}

fn common_value(left: &ValueType, right: &ValueType) -> Option<ValueType> {
    match (left, right) {
        (ValueType::Scalar(left), ValueType::Scalar(right)) => common(*left, *right).map(ValueType::Scalar),
        (left, right) => (left == right).then(|| left.clone()),
    }
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
