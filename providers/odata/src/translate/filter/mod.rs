//! Conditions as `$filter`. The IR has three values, and so has OData, but not in the same places: each condition is written twice, as what is
//! true just when it is true, and as what is true just when it is false; negation changes from the one to the other, and no `not` is
//! needed. What is constant is worked out here, so that no service is asked whether one is one. Pure.
#![deny(clippy::wildcard_enum_match_arm)]

mod call;
mod compare;

use super::text::Said;
use crate::metadata::{Property, Protocol};
use compare::mirrored;
use portico_provider_api::{CompareOp, Expr, KeySet, Value};

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

/// A property as it is named in a request for the entities of a set.
#[derive(Debug, Clone)]
pub struct Named<'a> {
    /// Its path from them.
    pub path: String,
    /// What it is.
    pub property: &'a Property,
    /// Whether it may be null, or be missing with the entity that has it.
    pub nullable: bool,
}

/// Writes conditions over the columns of a query.
pub struct Filters<'a> {
    /// What the service speaks.
    pub protocol: Protocol,
    /// The columns in scope; nothing for what is no property.
    pub columns: &'a [Option<Named<'a>>],
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
                (Expr::Column(left), Expr::Column(right)) => self.between((*left, *right), *op, wanted),
                (_, _) => Err(beyond("a comparison of something other than columns and values")),
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
        let column = self.property(index)?;
        let op = if wanted { " eq null" } else { " ne null" };
        Ok(close(name(column).then(op)))
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
        let column = self.property(index)?;
        Ok(if parts.is_empty() { self.not_null(column) } else { all(parts) })
    }

    fn any_of(&self, index: usize, values: &[Value]) -> Result<Truth, Refused> {
        let column = self.property(index)?;
        let known: Vec<&Value> = values
            .iter()
            .filter(|value| {
                !value.is_null()
                    && !value.is_nan()
                    && self.is_member(column.property, value)
                    && self.out_of_reach(column.property, value).is_none()
            })
            .collect();
        if self.in_list && known.len() > 1 && !column.property.truncated {
            let literals = known.into_iter().map(|value| self.literal(column.property, value)).collect::<Result<Vec<_>, _>>()?;
            return Ok(close(name(column).then(" in ").and(&Said::joined(&literals, ",").in_brackets())));
        }
        let parts = known.into_iter().map(|value| self.equal(index, value)).collect::<Result<Vec<_>, _>>()?;
        Ok(any(parts))
    }

    fn property(&self, index: usize) -> Result<&Named<'_>, Refused> {
        let column = self.columns.get(index).ok_or_else(|| beyond("a column outside the relation"))?;
        column.as_ref().ok_or_else(|| beyond("a condition on a column that is no property"))
    }
}

fn name(column: &Named<'_>) -> Said {
    Said::plain(column.path.as_str())
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
