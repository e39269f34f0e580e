//! Which values an expression selects (RFC 9535, sections 2.3 to 2.5). Numbers are compared by what is written, and not as doubles. Pure; it must not
//! know what the values are for.

use super::expression::{Comparison, Condition, Operand, Query, Segment, Selector};
use super::text::{items, malformed, member, members};
use portico_provider_api::json::{Json, Reader};
use portico_provider_api::number::Number;
use std::cell::Cell;

/// A run over one document.
pub(super) struct Evaluation<'t> {
    root: &'t str,
    seen: Cell<usize>,
    most: usize,
}

impl<'t> Evaluation<'t> {
    /// One that looks at so many values at most.
    pub(super) fn new(root: &'t str, most: usize) -> Evaluation<'t> {
        Evaluation { root, seen: Cell::new(0), most }
    }

    /// What a query selects; `node` is what a filter looks at.
    pub(super) fn select(&self, query: &Query, node: &'t str) -> Result<Vec<&'t str>, String> {
        query.segments.iter().try_fold(vec![if query.absolute { self.root } else { node }], |nodes, segment| {
            let mut found = Vec::new();
            nodes.into_iter().try_for_each(|node| self.segment(node, segment, &mut found))?;
            Ok(found)
        })
    }

    fn segment(&self, node: &'t str, segment: &Segment, found: &mut Vec<&'t str>) -> Result<(), String> {
        segment.selectors.iter().try_for_each(|selector| self.selector(node, selector, found))?;
        if segment.descendant {
            self.children(node)?.into_iter().try_for_each(|child| self.segment(child, segment, found))?;
        }
        Ok(())
    }

    fn children(&self, node: &'t str) -> Result<Vec<&'t str>, String> {
        let children: Vec<&str> = members(node)?.into_iter().map(|(_, value)| value).chain(items(node)?).collect();
        let seen = self.seen.get() + children.len();
        self.seen.set(seen);
        if seen > self.most { Err(format!("the expression looks at more than {} values", self.most)) } else { Ok(children) }
    }

    fn selector(&self, node: &'t str, selector: &Selector, found: &mut Vec<&'t str>) -> Result<(), String> {
        match selector {
            Selector::Name(name) => found.extend(member(node, name)?),
            Selector::Index(index) => found.extend(nth(&items(node)?, *index)),
            Selector::Wildcard => found.extend(self.children(node)?),
            Selector::Slice { start, end, step } => slice(&items(node)?, *start, *end, *step, found),
            Selector::Filter(condition) => {
                for child in self.children(node)? {
                    if self.holds(condition, child)? {
                        found.push(child);
                    }
                }
            }
        }
        Ok(())
    }

    fn holds(&self, condition: &Condition, node: &'t str) -> Result<bool, String> {
        match condition {
            // What decides ends it: the rest is not looked at.
            Condition::Any(parts) => parts.iter().try_fold(false, |holds, part| if holds { Ok(true) } else { self.holds(part, node) }),
            Condition::All(parts) => parts.iter().try_fold(true, |holds, part| if holds { self.holds(part, node) } else { Ok(false) }),
            Condition::Not(inner) => Ok(!self.holds(inner, node)?),
            Condition::Exists(query) => Ok(!self.select(query, node)?.is_empty()),
            Condition::Compare(left, comparison, right) => Ok(compared(*comparison, &self.value(left, node)?, &self.value(right, node)?)),
            // What is no text fits nothing.
            Condition::Fits(value, regex) => Ok(matches!(self.value(value, node)?, Some(Json::Text(text)) if regex.is_match(&text))),
        }
    }

    /// A value; nothing is one of its own.
    fn value(&self, operand: &Operand, node: &'t str) -> Result<Option<Json>, String> {
        let number = |count: usize| Some(Json::Number(count.to_string()));
        let only = |found: Vec<&'t str>| if let [only] = found.as_slice() { json(only).map(Some) } else { Ok(None) };
        match operand {
            Operand::Literal(literal) => Ok(Some(literal.clone())),
            Operand::One(query) | Operand::Value(query) => only(self.select(query, node)?),
            Operand::Count(query) => Ok(number(self.select(query, node)?.len())),
            Operand::Length(inner) => Ok(match self.value(inner, node)? {
                Some(Json::Text(text)) => number(text.chars().count()),
                Some(Json::Array(items)) => number(items.len()),
                Some(Json::Object(members)) => number(members.len()),
                Some(Json::Null | Json::Boolean(_) | Json::Number(_)) | None => None,
            }),
        }
    }
}

fn compared(comparison: Comparison, left: &Option<Json>, right: &Option<Json>) -> bool {
    match comparison {
        Comparison::Equal => same(left, right),
        Comparison::NotEqual => !same(left, right),
        Comparison::Less => less(left, right),
        Comparison::LessOrEqual => less(left, right) || same(left, right),
        Comparison::Greater => less(right, left),
        Comparison::GreaterOrEqual => less(right, left) || same(left, right),
    }
}

fn json(node: &str) -> Result<Json, String> {
    Reader::new(node).json().map_err(|error| malformed(&error))
}

/// The item at an index; one below zero counts from the end.
fn nth<'t>(items: &[&'t str], index: i64) -> Option<&'t str> {
    let back = usize::try_from(index.unsigned_abs()).ok()?;
    let at = if index < 0 { items.len().checked_sub(back)? } else { back };
    items.get(at).copied()
}

/// The items of a slice (section 2.3.4.2.2).
fn slice<'t>(items: &[&'t str], start: Option<i64>, end: Option<i64>, step: i64, found: &mut Vec<&'t str>) {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let from_end = |index: i64| if index < 0 { length.saturating_add(index) } else { index };
    let (mut at, last) = match step {
        1.. => (from_end(start.unwrap_or(0)).clamp(0, length), from_end(end.unwrap_or(length)).clamp(0, length)),
        _ => {
            let lower = end.map_or(-1, |end| from_end(end).clamp(-1, length - 1));
            (start.map_or(length - 1, |start| from_end(start).clamp(-1, length - 1)), lower)
        }
    };
    while (step > 0 && at < last) || (step < 0 && at > last) {
        found.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
        at = at.saturating_add(step);
    }
}

/// Equality of values, of which nothing is one.
fn same(left: &Option<Json>, right: &Option<Json>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => equal(left, right),
        (_, _) => false,
    }
}

fn equal(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => Number::parse(left) == Number::parse(right),
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            let other = |name: &String| right.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            left.len() == right.len() && left.iter().all(|(name, value)| other(name).is_some_and(|other| equal(value, other)))
        }
        (left, right) => left == right,
    }
}

/// Only numbers, and texts by code points, have an order.
fn less(left: &Option<Json>, right: &Option<Json>) -> bool {
    match (left, right) {
        (Some(Json::Number(left)), Some(Json::Number(right))) => {
            Number::parse(left).zip(Number::parse(right)).is_some_and(|(left, right)| left < right)
        }
        (Some(Json::Text(left)), Some(Json::Text(right))) => left < right,
        (_, _) => false,
    }
}
