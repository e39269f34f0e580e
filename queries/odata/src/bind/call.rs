//! Calls of functions: which overload is meant, and a typed value for each of its parameters — in parentheses, through an alias, or as
//! query options by the names of parameters (Protocol, section 11.5.4.1). It must not know how a function is run.

use super::{not_found, promote, suggestion};
use crate::bound::BoundCall;
use crate::edm::type_name;
use crate::error::ODataError;
use crate::parse::{self, Strictness};
use crate::syntax::{Expr, ExprKind, Literal, LiteralKind, Request, Segment};
use portico_catalog::ModelView;
use portico_catalog::overlay::{Enumeration, Operation, Parameter};
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;

/// A value as it was given, and the position in the path that messages name.
struct Given<'r> {
    name: &'r str,
    /// Nothing where an alias has no definition: that is null (URL Conventions, section 5.3.1).
    value: Option<Expr>,
    position: usize,
}

/// Binds the call of one of some operations, which have a name and a binding in common.
///
/// # Errors
/// `NotFound` when none takes such parameters, `BadRequest` for a value that does not fit.
pub(super) fn bind(view: &ModelView, segment: &Segment, request: &Request, overloads: &[&Arc<Operation>]) -> Result<BoundCall, ODataError> {
    let given = given(segment, request, overloads)?;
    let operation = overload(segment, &given, overloads)?;
    let given_to = |parameter: &&Parameter| operation.of_source().is_none() || given.iter().any(|given| given.name == parameter.name);
    let arguments = operation.parameters.iter().filter(given_to).map(|parameter| {
        let found = given.iter().find(|given| given.name == parameter.name);
        let at = found.map_or(segment.span.start, |given| given.position);
        let value = argument(view, parameter, found.and_then(|given| given.value.as_ref()));
        let wrong = |why| ODataError::bad_request(format!("the parameter '{}' of '{}': {why}", parameter.name, segment.name));
        Ok((parameter.name.clone(), value.map_err(|why: String| wrong(why).at("path", Some(at)))?))
    });
    let arguments = arguments.collect::<Result<_, ODataError>>()?;
    Ok(BoundCall { operation: Arc::clone(operation), arguments, rows: None, bound_to: None })
}

/// Refuses options after a function that is not composable.
pub(super) fn composable(request: &Request, call: Option<&BoundCall>) -> Result<(), ODataError> {
    let Some(call) = call.filter(|call| !call.operation.composable) else { return Ok(()) };
    super::options::only(&request.options, &["$format"], &format!("to '{}', which is not composable", call.operation.name))
}

/// What is given: in parentheses, or, where there are none, by query options that are named like a parameter, with or without an at sign.
fn given<'r>(segment: &'r Segment, request: &'r Request, overloads: &[&'r Arc<Operation>]) -> Result<Vec<Given<'r>>, ODataError> {
    let start = segment.span.start;
    let behind = |name: &str| request.aliases.iter().find(|alias| alias.name == name).map(|alias| alias.value.clone());
    if let Some(inline) = &segment.key {
        return inline
            .parts
            .iter()
            .map(|part| {
                let position = part.span.start;
                let Some(name) = part.name.as_deref() else {
                    let message = format!("'{}' takes its parameters by name, as in name=value", segment.name);
                    return Err(ODataError::bad_request(message).at("path", Some(position)));
                };
                let value = match &part.value.kind {
                    ExprKind::Alias(alias) => behind(alias),
                    _ => Some(part.value.clone()),
                };
                Ok(Given { name, value, position })
            })
            .collect();
    }
    let mut names: Vec<&str> = Vec::new();
    for parameter in overloads.iter().flat_map(|operation| &operation.parameters) {
        if !names.contains(&parameter.name.as_str()) {
            names.push(&parameter.name);
        }
    }
    let mut result = Vec::new();
    for name in names {
        let prefixed = format!("@{name}");
        let mut options = request.custom.iter().filter(|option| option.name == name);
        let wrong =
            |why: String| ODataError::bad_request(format!("the parameter '{name}' of '{}': {why}", segment.name)).at("path", Some(start));
        match (options.next(), request.aliases.iter().any(|alias| alias.name == prefixed)) {
            (None, false) => {}
            (None, true) => result.push(Given { name, value: behind(&prefixed), position: start }),
            (Some(option), false) if options.next().is_none() => {
                let text = option.value.as_deref().unwrap_or_default();
                let value = if text.starts_with('@') {
                    behind(text)
                } else {
                    // Still encoded: the parser decodes.
                    let text = option.raw.split_once('=').map_or("", |(_, text)| text);
                    let literal = parse::literal(text, Strictness::Lenient).map_err(|error| wrong(error.message))?;
                    Some(Expr { kind: ExprKind::Literal(literal), span: segment.span })
                };
                result.push(Given { name, value, position: start });
            }
            (Some(_), _) => return Err(wrong("it is given twice".to_owned())),
        }
    }
    Ok(result)
}

/// The overload that takes what is given: one with just these parameters, else the one with the fewest more that may be left out.
fn overload<'o>(segment: &Segment, given: &[Given<'_>], overloads: &[&'o Arc<Operation>]) -> Result<&'o Arc<Operation>, ODataError> {
    let has = |name: &str| given.iter().any(|given| given.name == name);
    let fits = |operation: &Operation| {
        let known = given.iter().all(|given| operation.parameters.iter().any(|parameter| parameter.name == given.name));
        known && operation.parameters.iter().all(|parameter| parameter.optional || has(&parameter.name))
    };
    let fitting = overloads.iter().filter(|operation| fits(operation)).min_by_key(|operation| operation.parameters.len());
    if let Some(operation) = fitting {
        return Ok(operation);
    }
    let all = || overloads.iter().flat_map(|operation| &operation.parameters).map(|parameter| parameter.name.as_str());
    if let Some(unknown) = given.iter().find(|given| !all().any(|name| name == given.name)) {
        let hint = suggestion(unknown.name, all());
        return Err(not_found(format!("'{}' has no parameter '{}'{hint}", segment.name, unknown.name), unknown.position));
    }
    let lists = overloads.iter().map(|operation| {
        let names = operation
            .parameters
            .iter()
            .map(|parameter| if parameter.optional { format!("{}?", parameter.name) } else { parameter.name.clone() });
        format!("({})", names.collect::<Vec<_>>().join(","))
    });
    let lists = lists.collect::<Vec<_>>().join(" or ");
    Err(not_found(format!("'{}' takes the parameters {lists}", segment.name), segment.span.start))
}

/// A value of a parameter's type.
fn argument(view: &ModelView, parameter: &Parameter, value: Option<&Expr>) -> Result<Value, String> {
    let null = || match parameter.nullable {
        true => Ok(Value::Null(parameter.scalar_type)),
        false => Err("it cannot be null".to_owned()),
    };
    let Some(value) = value else { return null() };
    let ExprKind::Literal(literal) = &value.kind else { return Err("its value must be a literal".to_owned()) };
    if literal.kind == LiteralKind::Null {
        return null();
    }
    if let Some(enumeration) = &parameter.enumeration {
        return member(view, literal, enumeration);
    }
    let value = promote::exact(literal, parameter.scalar_type)?;
    let value = value.ok_or_else(|| format!("{} is no {}", promote::quoted(literal), type_name(parameter.scalar_type)))?;
    if let (ScalarType::Text, Value::Text(text), Some(most)) = (parameter.scalar_type, &value, parameter.max_length)
        && text.chars().count() > usize::try_from(most).unwrap_or(usize::MAX)
    {
        return Err(format!("the text has more than {most} characters"));
    }
    Ok(value)
}

/// A member of an enumeration, with or without its type.
fn member(view: &ModelView, literal: &Literal, enumeration: &Enumeration) -> Result<Value, String> {
    match literal.kind {
        LiteralKind::Enumeration => {
            let (name, member) = promote::enumeration_parts(literal);
            if name != format!("{}.{}", crate::metadata::namespace(view), enumeration.name) {
                return Err(format!("'{name}' is not its type, which is {}", enumeration.name));
            }
            promote::member(member, enumeration)
        }
        LiteralKind::Text | LiteralKind::Integer => promote::member(&literal.text, enumeration),
        _ => Err(format!("{} is not a member of the enumeration {}", promote::quoted(literal), enumeration.name)),
    }
}
