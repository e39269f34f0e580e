//! Fragments of context URLs (ABNF, section 3). A service writes them and reads none, but `$metadata#…` is a URL of the protocol, and
//! what a writer writes can be checked with it.

use super::expression::is_type;
use super::{Scope, scope};
use crate::names::{FUNCTIONS, Names, Role};
use crate::parse::{Strictness, value};

/// Deepest nesting of lists in parentheses.
const MAX_DEPTH: usize = 50;

/// Whether the text after `#` is a context URL's fragment.
#[must_use]
pub fn fragment(text: &str, names: &Names) -> bool {
    if matches!(text, "Collection($ref)" | "$ref" | "Collection(Edm.EntityType)" | "Collection(Edm.ComplexType)") {
        return true;
    }
    let scope = scope(names, Strictness::Strict, "context", None);
    let Some((path, list, suffix)) = parts(text) else { return false };
    if list.is_some_and(|list| !select_list(names, list, 0)) {
        return false;
    }
    let bare = list.is_none();
    let instance =
        matches!(suffix, "" | "/$entity" | "/$delta") || (bare && matches!(suffix, "/$deletedEntity" | "/$link" | "/$deletedLink"));
    let starts_at_set = path.split(['/', '(']).next().is_some_and(|first| names.is(Role::EntitySet, first));
    let instance = instance && (suffix.is_empty() || starts_at_set);
    (suffix.is_empty() && (is_value_type(&scope, path) || path_of(&scope, path, false))) || (instance && path_of(&scope, path, true))
}

/// A type by its qualified name, or a collection of it.
fn is_value_type(scope: &Scope<'_>, path: &str) -> bool {
    let single = |name: &str| name.contains('.') && is_type(scope, name);
    single(path) || path.strip_prefix("Collection(").and_then(|rest| rest.strip_suffix(')')).is_some_and(single)
}

/// Path, select list without its parentheses, and what follows that begins with `/$`.
fn parts(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let (text, suffix) = match text.rfind("/$") {
        Some(at) => text.split_at_checked(at)?,
        None => (text, ""),
    };
    if !text.ends_with(')') || text.starts_with("Collection(") {
        return Some((text, None, suffix));
    }
    let open = opening(text)?;
    let (path, list) = text.split_at_checked(open)?;
    let inner = list.strip_prefix('(')?.strip_suffix(')')?;
    Some((path, Some(inner), suffix))
}

/// Where the parenthesis opens that the last character closes.
fn opening(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0_usize, false);
    let mut opened = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '\'' if depth > 0 => quoted = !quoted,
            '(' if !quoted => {
                depth += 1;
                opened.push(at);
            }
            ')' if !quoted => {
                depth = depth.checked_sub(1)?;
                let open = opened.pop()?;
                if at + 1 == text.len() {
                    return Some(open);
                }
            }
            _ => {}
        }
    }
    None
}

/// Splits on a character that stands neither in parentheses nor in quotes inside them.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '\'' if depth > 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.checked_sub(1)?,
            c if c == separator && depth == 0 => {
                parts.push(text.get(start..at)?);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (depth == 0).then_some(parts)
}

/// What a path of a fragment can have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Set,
    SetCast,
    Singleton,
    /// A complex property of a singleton, through which only entities are reached.
    SingletonComplex,
    SingletonComplexCast,
    /// After a key, which only makes sense when the path goes on.
    Keyed,
    KeyedCast,
    Complex,
    ComplexCast,
    Value,
    Values,
}

/// Whether a path leads to entities, or with `!entities` to anything that a fragment can name.
fn path_of(scope: &Scope<'_>, path: &str, entities: bool) -> bool {
    let Some(segments) = split(path, '/') else { return false };
    let mut places: Vec<At> = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let (name, key) = match segment.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')')),
            None => (*segment, None),
        };
        if segment.contains('(') && !key.is_some_and(|key| is_key(scope, key)) {
            return false;
        }
        let mut after = Vec::new();
        let mut add = |at: At| {
            let at = if key.is_some() && matches!(at, At::Set | At::SetCast) { At::Keyed } else { at };
            if (key.is_none() || at == At::Keyed) && !after.contains(&at) {
                after.push(at);
            }
        };
        if index == 0 {
            if scope.names.is(Role::EntitySet, name) {
                add(At::Set);
            }
            if scope.names.is(Role::Singleton, name) {
                add(At::Singleton);
            }
        }
        for at in &places {
            follow(scope.names, *at, name, &mut add);
        }
        if after.is_empty() {
            return false;
        }
        places = after;
    }
    places.iter().any(|at| match at {
        At::Set | At::SetCast | At::Singleton => true,
        At::Value | At::Values => !entities,
        At::Complex => !entities,
        At::Keyed | At::KeyedCast | At::ComplexCast | At::SingletonComplex | At::SingletonComplexCast => false,
    })
}

fn follow(names: &Names, at: At, name: &str, add: &mut impl FnMut(At)) {
    let qualified = name.contains('.');
    if qualified && names.is_qualified(Role::EntityType, name, false) {
        match at {
            At::Set => add(At::SetCast),
            At::Keyed => add(At::KeyedCast),
            At::Singleton => add(At::SetCast),
            _ => {}
        }
    }
    if qualified && names.is_qualified(Role::ComplexType, name, false) {
        match at {
            At::Complex => add(At::ComplexCast),
            At::SingletonComplex => add(At::SingletonComplexCast),
            _ => {}
        }
    }
    let singleton = matches!(at, At::Singleton | At::SingletonComplex | At::SingletonComplexCast);
    if qualified || !(singleton || matches!(at, At::Keyed | At::KeyedCast | At::Complex | At::ComplexCast)) {
        return;
    }
    for (role, _) in names.properties(None, name) {
        match role {
            Role::EntityNavigation | Role::EntityColNavigation => add(At::Set),
            Role::Complex => add(if singleton { At::SingletonComplex } else { At::Complex }),
            _ if singleton => {}
            Role::ComplexCol | Role::PrimitiveCol => add(At::Values),
            Role::PrimitiveKey | Role::PrimitiveNonKey => add(At::Value),
            _ => {}
        }
    }
}

fn is_key(scope: &Scope<'_>, key: &str) -> bool {
    let Some(parts) = split_values(key) else { return false };
    let value = |text: &str| {
        let quoted = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        match quoted {
            Some(inner) => !inner.replace("''", "").contains('\''),
            None => {
                let forms = [value::is_decimal, value::is_guid, value::is_date, value::is_time_of_day, value::is_date_time_offset];
                let more = [value::is_duration, value::is_enumeration];
                forms.iter().chain(&more).any(|form| form(text)) || matches!(text, "true" | "false")
            }
        }
    };
    let named = |part: &str| match part.split_once('=') {
        Some((name, text)) => {
            value::is_identifier(name) && (scope.names.is(Role::PrimitiveKey, name) || scope.names.is(Role::KeyAlias, name)) && value(text)
        }
        None => false,
    };
    match parts.as_slice() {
        [only] => value(only) || named(only),
        several => several.iter().all(|part| named(part)),
    }
}

/// Splits a key on the commas outside quotes.
fn split_values(key: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in key.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(key.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(key.get(start..)?);
    (!quoted).then_some(parts)
}

fn select_list(names: &Names, list: &str, depth: usize) -> bool {
    if list.is_empty() {
        return true;
    }
    depth < MAX_DEPTH && split(list, ',').is_some_and(|items| items.iter().all(|item| select_item(names, item, depth)))
}

fn select_item(names: &Names, item: &str, depth: usize) -> bool {
    if item == "*" || item.strip_suffix(".*").is_some_and(|namespace| names.is_namespace(namespace)) {
        return true;
    }
    let Some(steps) = split(item, '/') else { return false };
    match steps.split_first() {
        Some((first, rest)) if !rest.is_empty() && is_structured(names, first) => operation(names, rest) || property(names, rest, depth),
        _ => operation(names, &steps) || property(names, &steps, depth),
    }
}

fn is_structured(names: &Names, name: &str) -> bool {
    [Role::EntityType, Role::ComplexType].iter().any(|role| names.is_qualified(*role, name, false))
}

fn operation(names: &Names, steps: &[&str]) -> bool {
    let [only] = steps else { return false };
    let (name, parameters) = match only.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')')),
        None => (*only, None),
    };
    let plain = !only.contains('(');
    let named = || parameters.is_some_and(|list| list.split(',').all(|name| value::is_identifier(name) && names.is(Role::Parameter, name)));
    (plain && names.is_qualified(Role::Action, name, false))
        || ((plain || named()) && FUNCTIONS.iter().any(|role| names.is_qualified(*role, name, false)))
}

/// `selectListProperty`
fn property(names: &Names, steps: &[&str], depth: usize) -> bool {
    let Some((first, rest)) = steps.split_first() else { return false };
    let (head, list) = match first.split_once('(') {
        Some((head, inner)) => (head, inner.strip_suffix(')')),
        None => (*first, None),
    };
    if first.contains('(') && list.is_none() {
        return false;
    }
    let plus = head.strip_suffix('+');
    let name = plus.unwrap_or(head);
    let annotation = name.starts_with('@');
    let of = |roles: &[Role]| !annotation && names.properties(None, name).iter().any(|(role, _)| roles.contains(role));
    let bare = plus.is_none() && list.is_none();
    if bare && rest.is_empty() && of(&[Role::PrimitiveKey, Role::PrimitiveNonKey, Role::PrimitiveCol, Role::CustomAggregate]) {
        return true;
    }
    let navigation = of(&[Role::EntityNavigation, Role::EntityColNavigation])
        || (annotation && names.is_annotation_of(Role::EntityAnnotationInFragment, name));
    if navigation && rest.is_empty() && list.is_none_or(|list| select_list(names, list, depth + 1)) {
        return true;
    }
    let complex = of(&[Role::Complex, Role::ComplexCol]) || (annotation && names.is_annotation_of(Role::ComplexAnnotationInFragment, name));
    if !complex || plus.is_some() {
        return false;
    }
    // The grammar of the protocol has no list after a complex property, but its cases of use do.
    let nested = list.is_none_or(|list| select_list(names, list, depth + 1));
    nested
        && match rest {
            [] => true,
            [cast, more @ ..] if names.is_qualified(Role::ComplexType, cast, false) => more.is_empty() || property(names, more, depth + 1),
            more => list.is_none() && depth < MAX_DEPTH && property(names, more, depth + 1),
        }
}
