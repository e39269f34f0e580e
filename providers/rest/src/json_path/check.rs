//! What of an expression the grammar does not say: which functions there are, and what they take (RFC 9535, section 2.4). It must not know documents.

use super::Patterns;
use jsonpath_rust::parser::model::{Comparable, Filter, FilterAtom, FnArg, JpQuery, Literal, Segment, Selector, Test, TestFunction};
use regex::Regex;

/// The patterns of an expression, made ready.
///
/// # Errors
/// When a function is none of the standard's, or takes something else.
pub(super) fn patterns(query: &JpQuery) -> Result<Patterns, String> {
    let mut patterns = Patterns::new();
    segments(&query.segments, &mut patterns)?;
    Ok(patterns)
}

/// Whether names and indexes are all that there is.
pub(super) fn is_singular(segments: &[Segment]) -> bool {
    segments.iter().all(|segment| matches!(segment, Segment::Selector(Selector::Name(_) | Selector::Index(_))))
}

fn segments(segments: &[Segment], patterns: &mut Patterns) -> Result<(), String> {
    segments.iter().try_for_each(|segment| match segment {
        Segment::Descendant(inner) => self::segments(std::slice::from_ref(inner), patterns),
        Segment::Selector(selector) => self::selector(selector, patterns),
        Segment::Selectors(several) => several.iter().try_for_each(|one| selector(one, patterns)),
    })
}

fn selector(selector: &Selector, patterns: &mut Patterns) -> Result<(), String> {
    match selector {
        Selector::Filter(inner) => filter(inner, patterns),
        Selector::Name(_) | Selector::Wildcard | Selector::Index(_) | Selector::Slice(..) => Ok(()),
    }
}

fn filter(filter: &Filter, patterns: &mut Patterns) -> Result<(), String> {
    match filter {
        Filter::Or(parts) | Filter::And(parts) => parts.iter().try_for_each(|part| self::filter(part, patterns)),
        Filter::Atom(FilterAtom::Filter { expr, .. }) => self::filter(expr, patterns),
        Filter::Atom(FilterAtom::Test { expr, .. }) => match expr.as_ref() {
            Test::RelQuery(inner) => segments(inner, patterns),
            Test::AbsQuery(query) => segments(&query.segments, patterns),
            Test::Function(called) => match called.as_ref() {
                TestFunction::Match(..) | TestFunction::Search(..) | TestFunction::Custom(..) => function(called, patterns),
                TestFunction::Length(_) | TestFunction::Value(_) | TestFunction::Count(_) => {
                    Err(format!("'{called}' is a value, and no condition: compare it"))
                }
            },
        },
        Filter::Atom(FilterAtom::Comparison(comparison)) => {
            let (left, right) = comparison.vals();
            [left, right].into_iter().try_for_each(|side| match side {
                Comparable::Function(called) => function(called, patterns),
                Comparable::Literal(_) | Comparable::SingularQuery(_) => Ok(()),
            })
        }
    }
}

fn function(called: &TestFunction, patterns: &mut Patterns) -> Result<(), String> {
    match called {
        TestFunction::Length(argument) => value(argument, called, patterns),
        TestFunction::Value(argument) | TestFunction::Count(argument) => match argument {
            FnArg::Test(test) => match test.as_ref() {
                Test::RelQuery(inner) => segments(inner, patterns),
                Test::AbsQuery(query) => segments(&query.segments, patterns),
                Test::Function(_) => Err(format!("'{called}' takes an expression that selects values")),
            },
            FnArg::Literal(_) | FnArg::Filter(_) => Err(format!("'{called}' takes an expression that selects values")),
        },
        TestFunction::Match(argument, pattern) | TestFunction::Search(argument, pattern) => {
            value(argument, called, patterns)?;
            let FnArg::Literal(Literal::String(pattern)) = pattern else {
                return Err(format!("the pattern in '{called}' must be written as a text"));
            };
            let whole = matches!(called, TestFunction::Match(..));
            let regex = regular(pattern, whole).ok_or_else(|| format!("'{pattern}' is no regular expression"))?;
            patterns.insert((pattern.clone(), whole), regex);
            Ok(())
        }
        TestFunction::Custom(name, _) => {
            Err(format!("'{name}' is no function of RFC 9535: those are length, count, value, match and search"))
        }
    }
}

/// What must be one value.
fn value(argument: &FnArg, called: &TestFunction, patterns: &mut Patterns) -> Result<(), String> {
    let wrong = || Err(format!("'{called}' takes one value: an expression of names and indexes, or a literal"));
    match argument {
        FnArg::Literal(_) => Ok(()),
        FnArg::Filter(_) => wrong(),
        FnArg::Test(test) => match test.as_ref() {
            Test::RelQuery(inner) if is_singular(inner) => Ok(()),
            Test::AbsQuery(query) if is_singular(&query.segments) => Ok(()),
            Test::Function(inner) if inner.is_comparable() => function(inner, patterns),
            Test::RelQuery(_) | Test::AbsQuery(_) | Test::Function(_) => wrong(),
        },
    }
}

/// An I-Regexp (RFC 9485, section 5.3) as the crate `regex` writes it: its `.` is no line break.
fn regular(pattern: &str, whole: bool) -> Option<Regex> {
    let (mut translated, mut characters, mut class) = (String::new(), pattern.chars(), false);
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                translated.push('\\');
                translated.push(characters.next()?);
            }
            '.' if !class => translated.push_str(r"[^\n\r]"),
            other => {
                class = other == '[' || (class && other != ']');
                translated.push(other);
            }
        }
    }
    Regex::new(&if whole { format!(r"\A(?:{translated})\z") } else { translated }).ok()
}
