//! Which values an expression selects (RFC 9535, sections 2.3 to 2.5). Numbers are compared by what is written, and not as doubles. Pure; it must not
//! know what the values are for.

use super::Patterns;
use super::text::{items, malformed, member, members};
use jsonpath_rust::parser::model::{
    Comparable, Comparison, Filter, FilterAtom, FnArg, Literal, Segment, Selector, SingularQuery, SingularQuerySegment, Test, TestFunction,
};
use portico_provider_api::json::{Json, Reader};
use portico_provider_api::number::Number;
use std::cell::Cell;

/// A run over one document.
pub(super) struct Evaluation<'p, 't> {
    patterns: &'p Patterns,
    root: &'t str,
    seen: Cell<usize>,
    most: usize,
}

impl<'p, 't> Evaluation<'p, 't> {
    /// One that looks at so many values at most.
    pub(super) fn new(patterns: &'p Patterns, root: &'t str, most: usize) -> Evaluation<'p, 't> {
        Evaluation { patterns, root, seen: Cell::new(0), most }
    }

    pub(super) fn select(&self, segments: &[Segment]) -> Result<Vec<&'t str>, String> {
        self.from(self.root, segments)
    }

    fn from(&self, node: &'t str, segments: &[Segment]) -> Result<Vec<&'t str>, String> {
        segments.iter().try_fold(vec![node], |nodes, segment| {
            let mut found = Vec::new();
            nodes.into_iter().try_for_each(|node| self.segment(node, segment, &mut found))?;
            Ok(found)
        })
    }

    fn segment(&self, node: &'t str, segment: &Segment, found: &mut Vec<&'t str>) -> Result<(), String> {
        match segment {
            Segment::Selector(selector) => self.selector(node, selector, found),
            Segment::Selectors(several) => several.iter().try_for_each(|selector| self.selector(node, selector, found)),
            Segment::Descendant(inner) => {
                self.segment(node, inner, found)?;
                self.children(node)?.into_iter().try_for_each(|child| self.segment(child, segment, found))
            }
        }
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
            Selector::Slice(start, end, step) => slice(&items(node)?, *start, *end, step.unwrap_or(1), found),
            Selector::Filter(filter) => {
                for child in self.children(node)? {
                    if self.holds(filter, child)? {
                        found.push(child);
                    }
                }
            }
        }
        Ok(())
    }

    fn holds(&self, filter: &Filter, node: &'t str) -> Result<bool, String> {
        match filter {
            // What decides ends it, as in any language: the rest is not looked at.
            Filter::Or(parts) => parts.iter().try_fold(false, |holds, part| if holds { Ok(true) } else { self.holds(part, node) }),
            Filter::And(parts) => parts.iter().try_fold(true, |holds, part| if holds { self.holds(part, node) } else { Ok(false) }),
            Filter::Atom(FilterAtom::Filter { expr, not }) => Ok(self.holds(expr, node)? != *not),
            Filter::Atom(FilterAtom::Test { expr, not }) => Ok(self.test(expr, node)? != *not),
            Filter::Atom(FilterAtom::Comparison(comparison)) => self.compared(comparison, node),
        }
    }

    fn test(&self, test: &Test, node: &'t str) -> Result<bool, String> {
        match test {
            Test::RelQuery(segments) => Ok(!self.from(node, segments)?.is_empty()),
            Test::AbsQuery(query) => Ok(!self.from(self.root, &query.segments)?.is_empty()),
            Test::Function(called) => match called.as_ref() {
                TestFunction::Match(argument, pattern) => self.fits(argument, pattern, true, node),
                TestFunction::Search(argument, pattern) => self.fits(argument, pattern, false, node),
                TestFunction::Length(_) | TestFunction::Value(_) | TestFunction::Count(_) | TestFunction::Custom(..) => Ok(false),
            },
        }
    }

    /// Whether a text fits a pattern; what is no text does not.
    fn fits(&self, argument: &FnArg, pattern: &FnArg, whole: bool, node: &'t str) -> Result<bool, String> {
        let FnArg::Literal(Literal::String(pattern)) = pattern else { return Ok(false) };
        let regex = self.patterns.get(&(pattern.clone(), whole));
        let value = self.argument(argument, node)?;
        Ok(matches!((regex, value), (Some(regex), Some(Json::Text(text))) if regex.is_match(&text)))
    }

    fn compared(&self, comparison: &Comparison, node: &'t str) -> Result<bool, String> {
        let (left, right) = comparison.vals();
        let (left, right) = (self.comparable(left, node)?, self.comparable(right, node)?);
        Ok(match comparison {
            Comparison::Eq(..) => same(&left, &right),
            Comparison::Ne(..) => !same(&left, &right),
            Comparison::Lt(..) => less(&left, &right),
            Comparison::Lte(..) => less(&left, &right) || same(&left, &right),
            Comparison::Gt(..) => less(&right, &left),
            Comparison::Gte(..) => less(&right, &left) || same(&left, &right),
        })
    }

    fn comparable(&self, comparable: &Comparable, node: &'t str) -> Result<Option<Json>, String> {
        match comparable {
            Comparable::Literal(literal) => Ok(Some(self::literal(literal))),
            Comparable::Function(called) => self.value(called, node),
            Comparable::SingularQuery(SingularQuery::Current(segments)) => singular(node, segments),
            Comparable::SingularQuery(SingularQuery::Root(segments)) => singular(self.root, segments),
        }
    }

    fn nodes(&self, argument: &FnArg, node: &'t str) -> Result<Vec<&'t str>, String> {
        let FnArg::Test(test) = argument else { return Ok(Vec::new()) };
        match test.as_ref() {
            Test::RelQuery(segments) => self.from(node, segments),
            Test::AbsQuery(query) => self.from(self.root, &query.segments),
            Test::Function(_) => Ok(Vec::new()),
        }
    }

    fn argument(&self, argument: &FnArg, node: &'t str) -> Result<Option<Json>, String> {
        match argument {
            FnArg::Literal(literal) => Ok(Some(self::literal(literal))),
            FnArg::Filter(_) => Ok(None),
            FnArg::Test(test) => match test.as_ref() {
                Test::Function(called) => self.value(called, node),
                Test::RelQuery(_) | Test::AbsQuery(_) => self.nodes(argument, node)?.first().copied().map(json).transpose(),
            },
        }
    }

    /// What a function returns; nothing is a value of its own.
    fn value(&self, called: &TestFunction, node: &'t str) -> Result<Option<Json>, String> {
        let number = |count: usize| Some(Json::Number(count.to_string()));
        match called {
            TestFunction::Length(argument) => Ok(match self.argument(argument, node)? {
                Some(Json::Text(text)) => number(text.chars().count()),
                Some(Json::Array(items)) => number(items.len()),
                Some(Json::Object(members)) => number(members.len()),
                Some(Json::Null | Json::Boolean(_) | Json::Number(_)) | None => None,
            }),
            TestFunction::Count(argument) => Ok(number(self.nodes(argument, node)?.len())),
            TestFunction::Value(argument) => match self.nodes(argument, node)?.as_slice() {
                [only] => json(only).map(Some),
                _ => Ok(None),
            },
            TestFunction::Match(..) | TestFunction::Search(..) | TestFunction::Custom(..) => Ok(None),
        }
    }
}

fn json(node: &str) -> Result<Json, String> {
    Reader::new(node).json().map_err(|error| malformed(&error))
}

fn singular(node: &str, segments: &[SingularQuerySegment]) -> Result<Option<Json>, String> {
    let mut here = node;
    for segment in segments {
        let inner = match segment {
            SingularQuerySegment::Name(name) => member(here, name)?,
            SingularQuerySegment::Index(index) => nth(&items(here)?, *index),
        };
        let Some(inner) = inner else { return Ok(None) };
        here = inner;
    }
    json(here).map(Some)
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

fn literal(literal: &Literal) -> Json {
    match literal {
        Literal::Int(number) => Json::Number(number.to_string()),
        Literal::Float(number) => Json::Number(number.to_string()),
        Literal::String(text) => Json::Text(text.clone()),
        Literal::Bool(flag) => Json::Boolean(*flag),
        Literal::Null => Json::Null,
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
