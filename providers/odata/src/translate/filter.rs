//! Conditions as `$filter`. The IR has three values, and so has OData, but not in the same places: each condition is written twice, as what is
//! true just when it is true, and as what is true just when it is false; negation changes from the one to the other, and no `not` is
//! needed. What is constant is worked out here, so that no service is asked whether one is one. Pure.
#![deny(clippy::wildcard_enum_match_arm)]

use super::literal::literal;
use super::text::Said;
use crate::metadata::{Edm, EntitySet, Property, Protocol};
use portico_provider_api::{CompareOp, Expr, Function, KeySet, TableColumn, Value};

/// What is known of a condition before the service is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Truth {
    /// It holds of no row.
    Never,
    /// It holds of every row.
    Always,
    /// Where this holds.
    Where(Said, Binding),
}

/// What stands at the top of a condition, so that brackets are set where they are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// `or`.
    Or,
    /// `and`.
    And,
    /// Anything closer.
    Close,
}

/// Why something cannot be written: it lies beyond what is declared, or a value has no literal.
pub type Refused = String;

/// Writes conditions over the columns of one set.
pub struct Filters<'a> {
    /// What the service speaks.
    pub protocol: Protocol,
    /// The set.
    pub set: &'a EntitySet,
    /// The columns in scope.
    pub columns: &'a [TableColumn],
    /// Whether `in` is there.
    pub in_list: bool,
    /// Whether `ne null` is added to other comparisons.
    pub not_null: bool,
}

impl Filters<'_> {
    /// The condition of a key set: any of its tuples.
    ///
    /// # Errors
    /// When a value has no literal.
    pub fn keys(&self, columns: &[usize], tuples: &[Vec<Value>]) -> Result<Truth, Refused> {
        if let ([column], true) = (columns, self.in_list) {
            let values: Vec<Value> = tuples.iter().filter_map(|tuple| tuple.first().cloned()).collect();
            return self.any_of(*column, &values);
        }
        let mut alternatives = Vec::new();
        for tuple in tuples {
            let mut parts = Vec::new();
            for (column, value) in columns.iter().zip(tuple) {
                parts.push(self.equal(*column, value)?);
            }
            alternatives.push(all(parts));
        }
        Ok(any(alternatives))
    }

    /// All tuples of a key set.
    ///
    /// # Errors
    /// As [`Filters::keys`].
    pub fn key_set(&self, keys: &KeySet) -> Result<Truth, Refused> {
        self.keys(&keys.columns, &keys.tuples)
    }

    /// Where an expression is true.
    ///
    /// # Errors
    /// Names what cannot be written.
    pub fn truth(&self, expression: &Expr) -> Result<Truth, Refused> {
        self.judged(expression, true)
    }

    /// Where an expression is `wanted`: true, or false. Where it is unknown is neither.
    fn judged(&self, expression: &Expr, wanted: bool) -> Result<Truth, Refused> {
        match expression {
            Expr::Literal(Value::Boolean(value)) => Ok(constant(*value == wanted)),
            Expr::Literal(Value::Null(_)) => Ok(Truth::Never),
            Expr::Column(index) => self.equal(*index, &Value::Boolean(wanted)),
            Expr::Not(inner) => self.judged(inner, !wanted),
            Expr::And(parts) | Expr::Or(parts) => {
                let read = parts.iter().map(|part| self.judged(part, wanted)).collect::<Result<Vec<_>, _>>()?;
                let conjunction = matches!(expression, Expr::And(_)) == wanted;
                Ok(if conjunction { all(read) } else { any(read) })
            }
            Expr::IsNull(inner) => self.is_null(inner, wanted),
            Expr::Compare { op, left, right } => match (left.as_ref(), right.as_ref()) {
                (Expr::Column(index), Expr::Literal(value)) => self.compare(*index, *op, value, wanted),
                (Expr::Literal(value), Expr::Column(index)) => self.compare(*index, mirrored(*op), value, wanted),
                (_, _) => Err(beyond("a comparison of something other than a column with a value")),
            },
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated != wanted),
            Expr::Call { function, arguments } => self.call(*function, arguments, wanted),
            Expr::Literal(_)
            | Expr::OuterColumn { .. }
            | Expr::Parameter { .. }
            | Expr::Arithmetic { .. }
            | Expr::Negate(_)
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::Window { .. } => Err(beyond("a computed condition")),
        }
    }

    fn is_null(&self, inner: &Expr, wanted: bool) -> Result<Truth, Refused> {
        let index = inner.as_column().ok_or_else(|| beyond("whether something computed is null"))?;
        let (property, _) = self.property(index)?;
        let op = if wanted { " eq null" } else { " ne null" };
        Ok(close(name(property).then(op)))
    }

    fn compare(&self, index: usize, op: CompareOp, value: &Value, wanted: bool) -> Result<Truth, Refused> {
        let (property, nullable) = self.property(index)?;
        if matches!(op, CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom) {
            let equal = (op == CompareOp::IsNotDistinctFrom) == wanted;
            return self.distinct(index, value, equal);
        }
        if value.is_null() {
            return Ok(Truth::Never);
        }
        if let Some(above) = self.out_of_reach(property, value) {
            // Every moment that the service can hold lies on one side.
            let below = match op {
                CompareOp::Lt | CompareOp::LtEq => above,
                CompareOp::Gt | CompareOp::GtEq => !above,
                CompareOp::Eq | CompareOp::IsNotDistinctFrom => false,
                CompareOp::NotEq | CompareOp::IsDistinctFrom => true,
            };
            return Ok(if below == wanted { self.not_null(property, nullable) } else { Truth::Never });
        }
        if property.truncated {
            return self.shown(index, if wanted { op } else { negated(op) }, value);
        }
        let is_float = matches!(value, Value::Float32(_) | Value::Float64(_));
        if value.is_nan() {
            // Nothing equals it, and nothing is less or greater.
            let holds = (op == CompareOp::NotEq) == wanted;
            return Ok(if holds { self.not_null(property, nullable) } else { Truth::Never });
        }
        let positive = |op: CompareOp| -> Result<Truth, Refused> {
            let word = match op {
                CompareOp::Eq => return self.equal(index, value),
                CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => return self.not_equal(index, value),
                CompareOp::Lt => " lt ",
                CompareOp::LtEq => " le ",
                CompareOp::Gt => " gt ",
                CompareOp::GtEq => " ge ",
            };
            if !self.is_member(property, value) {
                return self.beside(index, op, value);
            }
            Ok(close(name(property).then(word).and(&self.literal(property, value)?)))
        };
        match (op, wanted) {
            (_, true) => positive(op),
            (CompareOp::Eq, false) => positive(CompareOp::NotEq),
            (CompareOp::NotEq, false) => positive(CompareOp::Eq),
            (_, false) if is_float => {
                // What is no number is neither less nor greater, nor equal.
                let Truth::Where(said, _) = positive(op)? else { return Err(beyond("a comparison")) };
                let not = close(Said::plain("not ").and(&said.in_brackets()));
                Ok(all(vec![not, self.not_null(property, nullable)]))
            }
            (_, false) => positive(negated(op)),
        }
    }

    /// `IS [NOT] DISTINCT FROM`, where the service's `eq` and `ne` have two values.
    fn distinct(&self, index: usize, value: &Value, equal: bool) -> Result<Truth, Refused> {
        let (property, _) = self.property(index)?;
        if value.is_nan() || self.out_of_reach(property, value).is_some() {
            return Ok(constant(!equal));
        }
        if property.truncated && !value.is_null() {
            let op = if equal { CompareOp::Eq } else { CompareOp::NotEq };
            let null = close(name(property).then(" eq null"));
            return Ok(any([vec![self.shown(index, op, value)?], if equal { Vec::new() } else { vec![null] }].concat()));
        }
        let op = if equal { " eq " } else { " ne " };
        Ok(close(name(property).then(op).and(&self.literal(property, value)?)))
    }

    /// A comparison of a property that is shown without its digits beyond microseconds: what is shown as one value is a range at the service.
    fn shown(&self, index: usize, op: CompareOp, value: &Value) -> Result<Truth, Refused> {
        let (property, nullable) = self.property(index)?;
        let next = later(value, 1).and_then(|next| self.literal(property, &next).ok());
        let from = || Ok(close(name(property).then(" ge ").and(&self.literal(property, value)?)));
        let before = || Ok(close(name(property).then(" lt ").and(&self.literal(property, value)?)));
        let after = || next.as_ref().map_or(Truth::Never, |next| close(name(property).then(" ge ").and(next)));
        let up_to = || next.as_ref().map_or_else(|| self.not_null(property, nullable), |next| close(name(property).then(" lt ").and(next)));
        match op {
            CompareOp::Eq | CompareOp::IsNotDistinctFrom => Ok(all(vec![from()?, up_to()])),
            CompareOp::NotEq | CompareOp::IsDistinctFrom => Ok(any(vec![before()?, after()])),
            CompareOp::Lt => before(),
            CompareOp::LtEq => Ok(up_to()),
            CompareOp::Gt => Ok(after()),
            CompareOp::GtEq => from(),
        }
    }

    fn equal(&self, index: usize, value: &Value) -> Result<Truth, Refused> {
        let (property, _) = self.property(index)?;
        if value.is_null() || value.is_nan() || !self.is_member(property, value) || self.out_of_reach(property, value).is_some() {
            return Ok(Truth::Never);
        }
        if property.truncated {
            return self.shown(index, CompareOp::Eq, value);
        }
        Ok(close(name(property).then(" eq ").and(&self.literal(property, value)?)))
    }

    /// Not equal and not null: some services say that null is unequal, and others that it is unknown.
    fn not_equal(&self, index: usize, value: &Value) -> Result<Truth, Refused> {
        let (property, nullable) = self.property(index)?;
        if !self.is_member(property, value) {
            return Ok(self.not_null(property, nullable));
        }
        let unequal = close(name(property).then(" ne ").and(&self.literal(property, value)?));
        Ok(all(vec![unequal, self.not_null(property, nullable)]))
    }

    fn not_null(&self, property: &Property, nullable: bool) -> Truth {
        if nullable && self.not_null { close(name(property).then(" ne null")) } else { Truth::Always }
    }

    fn in_list(&self, expr: &Expr, list: &[Expr], within: bool) -> Result<Truth, Refused> {
        let index = expr.as_column().ok_or_else(|| beyond("a list for something computed"))?;
        let mut values = Vec::new();
        let mut with_null = false;
        for item in list {
            match item {
                Expr::Literal(value) if value.is_null() => with_null = true,
                Expr::Literal(value) => values.push(value.clone()),
                Expr::Column(_)
                | Expr::OuterColumn { .. }
                | Expr::Parameter { .. }
                | Expr::Compare { .. }
                | Expr::InList { .. }
                | Expr::And(_)
                | Expr::Or(_)
                | Expr::Not(_)
                | Expr::IsNull(_)
                | Expr::Arithmetic { .. }
                | Expr::Negate(_)
                | Expr::Case { .. }
                | Expr::Cast { .. }
                | Expr::Call { .. }
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::Window { .. } => return Err(beyond("a list of something other than values")),
            }
        }
        if within {
            return self.any_of(index, &values);
        }
        // Outside of a list with null nothing is known to be.
        if with_null {
            return Ok(Truth::Never);
        }
        let parts = values.iter().map(|value| self.compare(index, CompareOp::NotEq, value, true)).collect::<Result<Vec<_>, _>>()?;
        let (property, nullable) = self.property(index)?;
        Ok(if parts.is_empty() { self.not_null(property, nullable) } else { all(parts) })
    }

    fn any_of(&self, index: usize, values: &[Value]) -> Result<Truth, Refused> {
        let (property, _) = self.property(index)?;
        let known: Vec<&Value> = values
            .iter()
            .filter(|value| {
                !value.is_null() && !value.is_nan() && self.is_member(property, value) && self.out_of_reach(property, value).is_none()
            })
            .collect();
        if self.in_list && known.len() > 1 && !property.truncated {
            let literals = known.into_iter().map(|value| self.literal(property, value)).collect::<Result<Vec<_>, _>>()?;
            return Ok(close(name(property).then(" in ").and(&Said::joined(&literals, ",").in_brackets())));
        }
        let parts = known.into_iter().map(|value| self.equal(index, value)).collect::<Result<Vec<_>, _>>()?;
        Ok(any(parts))
    }

    fn call(&self, function: Function, arguments: &[Expr], wanted: bool) -> Result<Truth, Refused> {
        let word = match function {
            Function::Contains if self.protocol == Protocol::V2 => "substringof",
            Function::Contains => "contains",
            Function::StartsWith => "startswith",
            Function::EndsWith => "endswith",
            Function::Like
            | Function::Length
            | Function::Position
            | Function::Substring
            | Function::Lower
            | Function::Upper
            | Function::Trim
            | Function::Concat
            | Function::Year
            | Function::Month
            | Function::Day
            | Function::Hour
            | Function::Minute
            | Function::Second
            | Function::Round
            | Function::Floor
            | Function::Ceiling
            | Function::Abs => return Err(beyond("a function")),
        };
        let [text, part] = arguments else { return Err(beyond("a function of other arguments")) };
        let mut said = Vec::new();
        for argument in [text, part] {
            said.push(match argument {
                Expr::Column(index) => name(self.property(*index)?.0),
                Expr::Literal(value) if value.is_null() => return Ok(Truth::Never),
                Expr::Literal(Value::Text(text)) => Said::value(format!("'{}'", text.replace('\'', "''"))),
                Expr::Literal(_)
                | Expr::OuterColumn { .. }
                | Expr::Parameter { .. }
                | Expr::Compare { .. }
                | Expr::InList { .. }
                | Expr::And(_)
                | Expr::Or(_)
                | Expr::Not(_)
                | Expr::IsNull(_)
                | Expr::Arithmetic { .. }
                | Expr::Negate(_)
                | Expr::Case { .. }
                | Expr::Cast { .. }
                | Expr::Call { .. }
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::Window { .. } => return Err(beyond("a function of something computed")),
            });
        }
        if word == "substringof" {
            said.reverse();
        }
        let call = Said::plain(word).and(&Said::joined(&said, ",").in_brackets());
        Ok(close(if wanted { call } else { call.then(" eq false") }))
    }

    fn property(&self, index: usize) -> Result<(&Property, bool), Refused> {
        let column = self.columns.get(index).ok_or_else(|| beyond("a column outside the relation"))?;
        let property = self.set.property(&column.name).ok_or_else(|| beyond("a condition on a column that is no property"))?;
        Ok((property, column.nullable))
    }

    /// Whether a day or moment lies beyond the years that the protocol can say, and then whether after them: nothing that the service holds
    /// does.
    fn out_of_reach(&self, property: &Property, value: &Value) -> Option<bool> {
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
    fn is_member(&self, property: &Property, value: &Value) -> bool {
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
        let (property, _) = self.property(index)?;
        let below = matches!(op, CompareOp::Lt | CompareOp::LtEq);
        if let (Some((lowest, highest)), Some(number)) = (range(property), value.as_integer()) {
            let end = if below { highest } else { lowest };
            if below != (number > highest) {
                return Ok(Truth::Never);
            }
            let word = if below { " le " } else { " ge " };
            return Ok(close(name(property).then(word).and(&Said::value(end.to_string()))));
        }
        let beyond = self.beyond_millis(value);
        if let Some(next) = later(value, 1_000 - beyond).and_then(|next| self.literal(property, &next).ok()) {
            return Ok(close(name(property).then(if below { " lt " } else { " ge " }).and(&next)));
        }
        // After the last millisecond of a day, or of all years.
        match later(value, -beyond) {
            Some(last) if below => Ok(close(name(property).then(" le ").and(&self.literal(property, &last)?))),
            Some(_) | None => Ok(Truth::Never),
        }
    }

    fn literal(&self, property: &Property, value: &Value) -> Result<Said, Refused> {
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

fn name(property: &Property) -> Said {
    Said::plain(property.name.as_str())
}

fn close(said: Said) -> Truth {
    Truth::Where(said, Binding::Close)
}

fn constant(holds: bool) -> Truth {
    if holds { Truth::Always } else { Truth::Never }
}

fn beyond(what: &str) -> Refused {
    format!("{what} is not supported by this source")
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

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => op,
    }
}

/// Where all of them hold.
pub fn all(parts: Vec<Truth>) -> Truth {
    let mut kept: Vec<(Said, Binding)> = Vec::new();
    for part in parts {
        match part {
            Truth::Never => return Truth::Never,
            Truth::Always => {}
            Truth::Where(said, binding) => keep(&mut kept, said, binding),
        }
    }
    joined(kept, " and ", Binding::And).unwrap_or(Truth::Always)
}

/// Where any of them holds.
pub fn any(parts: Vec<Truth>) -> Truth {
    let mut kept: Vec<(Said, Binding)> = Vec::new();
    for part in parts {
        match part {
            Truth::Always => return Truth::Always,
            Truth::Never => {}
            Truth::Where(said, binding) => keep(&mut kept, said, binding),
        }
    }
    joined(kept, " or ", Binding::Or).unwrap_or(Truth::Never)
}

fn keep(kept: &mut Vec<(Said, Binding)>, said: Said, binding: Binding) {
    if !kept.iter().any(|(known, _)| *known == said) {
        kept.push((said, binding));
    }
}

/// Conditions with a word between them; one alone is what it was.
fn joined(mut kept: Vec<(Said, Binding)>, word: &str, binding: Binding) -> Option<Truth> {
    if kept.len() < 2 {
        return kept.pop().map(|(said, own)| Truth::Where(said, own));
    }
    let loose = |own: Binding| own != Binding::Close && own != binding;
    let parts: Vec<Said> = kept.into_iter().map(|(said, own)| if loose(own) { said.in_brackets() } else { said }).collect();
    Some(Truth::Where(Said::joined(&parts, word), binding))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str, binding: Binding) -> Truth {
        Truth::Where(Said::plain(text), binding)
    }

    fn sent(truth: Truth) -> String {
        let Truth::Where(said, _) = truth else { panic!("{truth:?}") };
        said.sent
    }

    #[test]
    fn a_condition_that_is_left_alone_keeps_its_brackets() {
        let either = || any(vec![one("a eq 1", Binding::Close), one("a eq 2", Binding::Close)]);
        let both = || all(vec![one("b eq 1", Binding::Close), one("c eq 1", Binding::Close)]);
        assert_eq!(sent(all(vec![any(vec![either(), Truth::Never]), one("b eq 1", Binding::Close)])), "(a eq 1 or a eq 2) and b eq 1");
        assert_eq!(sent(any(vec![all(vec![both(), Truth::Always]), one("d", Binding::Close)])), "(b eq 1 and c eq 1) or d");
        assert_eq!(sent(all(vec![all(vec![either()]), both()])), "(a eq 1 or a eq 2) and b eq 1 and c eq 1");
        assert_eq!((all(vec![Truth::Always]), any(vec![Truth::Never])), (Truth::Always, Truth::Never));
    }
}
