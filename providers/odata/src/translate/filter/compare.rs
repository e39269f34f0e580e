//! Comparisons in conditions: of a property with a value, whether or not it can have that value, and of two properties. Pure.
#![deny(clippy::wildcard_enum_match_arm)]

use super::super::literal::literal;
use super::super::text::Said;
use super::{Filters, Named, Refused, Truth, all, any, beyond, close, constant, name};
use crate::metadata::{Edm, Property, Protocol};
use portico_provider_api::{CompareOp, Value};

impl Filters<'_> {
    pub(super) fn compare(&self, index: usize, op: CompareOp, value: &Value, wanted: bool) -> Result<Truth, Refused> {
        let column = self.property(index)?;
        if matches!(op, CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom) {
            let equal = (op == CompareOp::IsNotDistinctFrom) == wanted;
            return self.distinct(index, value, equal);
        }
        if value.is_null() {
            return Ok(Truth::Never);
        }
        if let Some(above) = self.out_of_reach(column.property, value) {
            // Every moment that the service can hold lies on one side.
            let below = match op {
                CompareOp::Lt | CompareOp::LtEq => above,
                CompareOp::Gt | CompareOp::GtEq => !above,
                CompareOp::Eq | CompareOp::IsNotDistinctFrom => false,
                CompareOp::NotEq | CompareOp::IsDistinctFrom => true,
            };
            return Ok(if below == wanted { self.not_null(column) } else { Truth::Never });
        }
        if column.property.truncated {
            return self.shown(index, if wanted { op } else { negated(op) }, value);
        }
        let is_float = matches!(value, Value::Float32(_) | Value::Float64(_));
        if value.is_nan() {
            // Nothing equals it, and nothing is less or greater.
            let holds = (op == CompareOp::NotEq) == wanted;
            return Ok(if holds { self.not_null(column) } else { Truth::Never });
        }
        let positive = |op: CompareOp| -> Result<Truth, Refused> {
            let word = match op {
                CompareOp::Eq => return self.equal(index, value),
                CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => return self.not_equal(index, value),
                CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq => ordered(op)?,
            };
            if !self.is_member(column.property, value) {
                return self.beside(index, op, value);
            }
            Ok(close(name(column).then(word).and(&self.literal(column.property, value)?)))
        };
        match (op, wanted) {
            (_, true) => positive(op),
            (CompareOp::Eq, false) => positive(CompareOp::NotEq),
            (CompareOp::NotEq, false) => positive(CompareOp::Eq),
            (_, false) if is_float => {
                // What is no number is neither less nor greater, nor equal.
                let Truth::Where(said, _) = positive(op)? else { return Err(beyond("a comparison")) };
                let not = close(Said::plain("not ").and(&said.in_brackets()));
                Ok(all(vec![not, self.not_null(column)]))
            }
            (_, false) => positive(negated(op)),
        }
    }

    /// A comparison of two properties of one type. `eq` and `ne` have two values: null equals null, and in 4.01 it is `le` and `ge` itself.
    pub(super) fn between(&self, (left, right): (usize, usize), op: CompareOp, wanted: bool) -> Result<Truth, Refused> {
        let (left, right) = (self.property(left)?, self.property(right)?);
        let said = |word: &str| close(name(left).then(word).and(&name(right)));
        let known = |column: &Named<'_>| if column.nullable { close(name(column).then(" ne null")) } else { Truth::Always };
        let op = match (op, wanted) {
            (CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq, false) if is_float(left.property) => {
                // What is no number is neither less nor greater, nor equal.
                let Truth::Where(said, _) = between_known(left, right, op)? else { return Err(beyond("a comparison")) };
                let not = close(Said::plain("not ").and(&said.in_brackets()));
                return Ok(all(vec![not, known(left), known(right)]));
            }
            (op, true) => op,
            (op, false) => negated(op),
        };
        Ok(match op {
            CompareOp::IsDistinctFrom => said(" ne "),
            CompareOp::IsNotDistinctFrom => said(" eq "),
            // Where one of them is never null, both are none if they are equal.
            CompareOp::Eq if left.nullable && right.nullable => all(vec![said(" eq "), known(left)]),
            CompareOp::Eq => said(" eq "),
            CompareOp::NotEq => all(vec![said(" ne "), known(left), known(right)]),
            CompareOp::LtEq | CompareOp::GtEq if left.nullable && right.nullable => all(vec![between_known(left, right, op)?, known(left)]),
            CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq => between_known(left, right, op)?,
        })
    }

    /// `IS [NOT] DISTINCT FROM`, where the service's `eq` and `ne` have two values.
    fn distinct(&self, index: usize, value: &Value, equal: bool) -> Result<Truth, Refused> {
        let column = self.property(index)?;
        if value.is_nan() || self.out_of_reach(column.property, value).is_some() {
            return Ok(constant(!equal));
        }
        if column.property.truncated && !value.is_null() {
            let op = if equal { CompareOp::Eq } else { CompareOp::NotEq };
            let null = close(name(column).then(" eq null"));
            return Ok(any([vec![self.shown(index, op, value)?], if equal { Vec::new() } else { vec![null] }].concat()));
        }
        let op = if equal { " eq " } else { " ne " };
        Ok(close(name(column).then(op).and(&self.literal(column.property, value)?)))
    }

    /// A comparison of a property that is shown without its digits beyond microseconds: what is shown as one value is a range at the service.
    fn shown(&self, index: usize, op: CompareOp, value: &Value) -> Result<Truth, Refused> {
        let column = self.property(index)?;
        let next = later(value, 1).and_then(|next| self.literal(column.property, &next).ok());
        let from = || Ok(close(name(column).then(" ge ").and(&self.literal(column.property, value)?)));
        let before = || Ok(close(name(column).then(" lt ").and(&self.literal(column.property, value)?)));
        let after = || next.as_ref().map_or(Truth::Never, |next| close(name(column).then(" ge ").and(next)));
        let up_to = || next.as_ref().map_or_else(|| self.not_null(column), |next| close(name(column).then(" lt ").and(next)));
        match op {
            CompareOp::Eq | CompareOp::IsNotDistinctFrom => Ok(all(vec![from()?, up_to()])),
            CompareOp::NotEq | CompareOp::IsDistinctFrom => Ok(any(vec![before()?, after()])),
            CompareOp::Lt => before(),
            CompareOp::LtEq => Ok(up_to()),
            CompareOp::Gt => Ok(after()),
            CompareOp::GtEq => from(),
        }
    }

    pub(super) fn equal(&self, index: usize, value: &Value) -> Result<Truth, Refused> {
        let column = self.property(index)?;
        if value.is_null()
            || value.is_nan()
            || !self.is_member(column.property, value)
            || self.out_of_reach(column.property, value).is_some()
        {
            return Ok(Truth::Never);
        }
        if column.property.truncated {
            return self.shown(index, CompareOp::Eq, value);
        }
        Ok(close(name(column).then(" eq ").and(&self.literal(column.property, value)?)))
    }

    /// Not equal and not null: some services say that null is unequal, and others that it is unknown.
    fn not_equal(&self, index: usize, value: &Value) -> Result<Truth, Refused> {
        let column = self.property(index)?;
        if !self.is_member(column.property, value) {
            return Ok(self.not_null(column));
        }
        let unequal = close(name(column).then(" ne ").and(&self.literal(column.property, value)?));
        Ok(all(vec![unequal, self.not_null(column)]))
    }

    pub(super) fn not_null(&self, column: &Named<'_>) -> Truth {
        if column.nullable && self.not_null { close(name(column).then(" ne null")) } else { Truth::Always }
    }

    /// Whether a day or moment lies beyond the years that the protocol can say, and then whether after them: nothing that the service holds
    /// does.
    pub(super) fn out_of_reach(&self, property: &Property, value: &Value) -> Option<bool> {
        let after = match value {
            Value::Date(days) => *days > 0,
            Value::Timestamp(micros) | Value::TimestampTz(micros) => *micros > 0,
            Value::Null(_)
            | Value::Boolean(_)
            | Value::Int16(_)
            | Value::Int32(_)
            | Value::Int64(_)
            | Value::Float32(_)
            | Value::Float64(_)
            | Value::Decimal { .. }
            | Value::Text(_)
            | Value::Binary(_)
            | Value::Time(_)
            | Value::Guid(_)
            | Value::Json(_) => return None,
        };
        literal(self.protocol, property, value).is_none().then_some(after)
    }

    /// Whether the property can have that value at all: a member of an enumeration, a number within its type, in OData 2.0 whole milliseconds.
    /// Others are no literals of its type, and a service would refuse the whole request.
    pub(super) fn is_member(&self, property: &Property, value: &Value) -> bool {
        if let (Some(members), Value::Text(text), Edm::Enumeration) = (&property.members, value, property.edm) {
            return members.iter().any(|member| member == text);
        }
        if let (Some((lowest, highest)), Some(number)) = (range(property), value.as_integer()) {
            return (lowest..=highest).contains(&number);
        }
        self.beyond_millis(value) == 0
    }

    /// Microseconds after a whole millisecond, in OData 2.0, whose answers have milliseconds.
    fn beyond_millis(&self, value: &Value) -> i64 {
        if self.protocol == Protocol::V2 { micros(value).map_or(0, |micros| micros.rem_euclid(1_000)) } else { 0 }
    }

    /// A comparison by order with a value that the property cannot have: the same one with the value beside it that it can have.
    fn beside(&self, index: usize, op: CompareOp, value: &Value) -> Result<Truth, Refused> {
        let column = self.property(index)?;
        let below = matches!(op, CompareOp::Lt | CompareOp::LtEq);
        if let (Some((lowest, highest)), Some(number)) = (range(column.property), value.as_integer()) {
            let end = if below { highest } else { lowest };
            if below != (number > highest) {
                return Ok(Truth::Never);
            }
            let word = if below { " le " } else { " ge " };
            return Ok(close(name(column).then(word).and(&Said::value(end.to_string()))));
        }
        let beyond = self.beyond_millis(value);
        if let Some(next) = later(value, 1_000 - beyond).and_then(|next| self.literal(column.property, &next).ok()) {
            return Ok(close(name(column).then(if below { " lt " } else { " ge " }).and(&next)));
        }
        // After the last millisecond of a day, or of all years.
        match later(value, -beyond) {
            Some(last) if below => Ok(close(name(column).then(" le ").and(&self.literal(column.property, &last)?))),
            Some(_) | None => Ok(Truth::Never),
        }
    }

    pub(super) fn literal(&self, property: &Property, value: &Value) -> Result<Said, Refused> {
        let text = literal(self.protocol, property, value);
        text.map(Said::value).ok_or_else(|| format!("a value for '{}' that no URL of this protocol can say", property.name))
    }
}

/// What a property's own type can hold of a whole number, where its column holds more.
fn range(property: &Property) -> Option<(i64, i64)> {
    match property.type_name.as_str() {
        "Edm.Byte" => Some((0, 255)),
        "Edm.SByte" => Some((-128, 127)),
        _ => None,
    }
}

/// The microseconds of a moment or a time of day.
fn micros(value: &Value) -> Option<i64> {
    if let Value::Time(micros) | Value::Timestamp(micros) | Value::TimestampTz(micros) = value { Some(*micros) } else { None }
}

/// The same moment or time of day, so many microseconds later.
fn later(value: &Value, by: i64) -> Option<Value> {
    let micros = micros(value)?.checked_add(by)?;
    match value {
        Value::Time(_) if micros >= 86_400_000_000 => None,
        Value::Time(_) => Some(Value::Time(micros)),
        Value::Timestamp(_) => Some(Value::Timestamp(micros)),
        Value::TimestampTz(_) => Some(Value::TimestampTz(micros)),
        Value::Null(_)
        | Value::Boolean(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Decimal { .. }
        | Value::Text(_)
        | Value::Binary(_)
        | Value::Date(_)
        | Value::Guid(_)
        | Value::Json(_) => None,
    }
}

/// A comparison of two properties by order, which holds where neither is null, or perhaps where both are.
fn between_known(left: &Named<'_>, right: &Named<'_>, op: CompareOp) -> Result<Truth, Refused> {
    Ok(close(name(left).then(ordered(op)?).and(&name(right))))
}

fn is_float(property: &Property) -> bool {
    matches!(property.edm, Edm::Single | Edm::Double)
}

/// The word for a comparison by order.
fn ordered(op: CompareOp) -> Result<&'static str, Refused> {
    match op {
        CompareOp::Lt => Ok(" lt "),
        CompareOp::LtEq => Ok(" le "),
        CompareOp::Gt => Ok(" gt "),
        CompareOp::GtEq => Ok(" ge "),
        CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => Err(beyond("a comparison")),
    }
}

fn negated(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::GtEq,
        CompareOp::LtEq => CompareOp::Gt,
        CompareOp::Gt => CompareOp::LtEq,
        CompareOp::GtEq => CompareOp::Lt,
        CompareOp::Eq => CompareOp::NotEq,
        CompareOp::NotEq => CompareOp::Eq,
        CompareOp::IsDistinctFrom => CompareOp::IsNotDistinctFrom,
        CompareOp::IsNotDistinctFrom => CompareOp::IsDistinctFrom,
    }
}

pub(super) fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => op,
    }
}
