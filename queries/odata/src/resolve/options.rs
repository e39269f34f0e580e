//! Query options (ABNF, section 2).

use super::{Scope, apply, expression};
use crate::error::ODataError;
use crate::header::form;
use crate::names::{FUNCTIONS, Owner, Role};
use crate::parse::{self, value};
use crate::syntax::{CustomOption, ExpandItem, Options, Request, Resource, SelectItem, Span, TemporalBound};
use std::rc::Rc;

/// After what options stand in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `…/$count`
    Count,
    /// `…/$ref`
    Ref,
    /// An expanded navigation property.
    Expanded,
    /// `*` in `$expand`.
    ExpandedStar,
    /// A selected collection of primitive values.
    SelectedValues,
    /// A selected complex property.
    SelectedComplex,
}

impl Place {
    fn allows(self, option: &str) -> bool {
        let searching = matches!(option, "$filter" | "$search");
        let paging = matches!(option, "$orderby" | "$skip" | "$top" | "$count");
        match self {
            Place::Count => searching,
            Place::Ref | Place::SelectedValues => searching || paging,
            Place::Expanded => option != "$format",
            Place::ExpandedStar => option == "$levels",
            Place::SelectedComplex => searching || paging || matches!(option, "$compute" | "$select"),
        }
    }

    fn allows_aliases(self) -> bool {
        matches!(self, Place::Expanded | Place::SelectedComplex)
    }
}

/// Whether the options of a request apply to what its path addresses, as far as the grammar says so.
pub(super) fn applicable(request: &Request) -> Result<(), ODataError> {
    let given = || request.options.given();
    let refuse = |allowed: &[&str], what: &str| match given().find(|name| !allowed.contains(name)) {
        Some(name) => Err(ODataError::bad_request(format!("the query option {name} does not apply to {what}")).at(name, None)),
        None if !request.aliases.is_empty() => Err(ODataError::bad_request(format!("parameter aliases do not apply to {what}"))),
        None => Ok(()),
    };
    match &request.resource {
        Resource::ServiceDocument => refuse(&["$format"], "the service document"),
        Resource::Metadata => refuse(&["$format"], "$metadata"),
        Resource::Batch => refuse(&["$format"], "$batch"),
        Resource::EntitySet(segments) => match segments.as_slice() {
            [first, rest @ ..] if first.name == "$entity" => {
                if request.options.id.is_none() {
                    let message = "$entity needs the query option $id, which says what entity is meant";
                    return Err(ODataError::bad_request(message).at("$id", None));
                }
                let allowed: &[&str] = if rest.is_empty() { &["$id", "$format"] } else { &["$id", "$format", "$select", "$expand"] };
                refuse(allowed, "$entity")
            }
            _ => Ok(()),
        },
    }
}

/// Whether the names in options may stand where they do. `place` is where options in parentheses stand.
pub(super) fn resolve(scope: &Scope<'_>, options: &Options, place: Option<Place>) -> Result<(), ODataError> {
    if let Some(place) = place {
        let wrong = options.given().find(|name| !place.allows(name));
        let alias = options.aliases.first().filter(|_| !place.allows_aliases()).map(|alias| alias.name.as_str());
        if let Some(name) = wrong.or(alias) {
            return Err(ODataError::bad_request(format!("{name} cannot stand in these parentheses")).at(scope.target, None));
        }
    }
    let mut scope = scope.clone();
    let nested = place.is_some();
    let about = |scope: &Scope<'_>, option: &'static str| if nested { scope.target.to_owned() } else { option.to_owned() };
    for alias in &options.aliases {
        expression::resolve(&scope, &alias.value)?;
    }
    if let Some(sequence) = &options.apply {
        let target = about(&scope, "$apply");
        scope.here = apply::sequence(&scope.about(&target), sequence)?;
        let names = Rc::make_mut(&mut scope.computed);
        sequence.iter().for_each(|transformation| apply::introduced(transformation, names));
    }
    if let Some(items) = &options.compute {
        let target = about(&scope, "$compute");
        items.iter().try_for_each(|item| compute_item(&scope.about(&target), item, Role::ComputedProperty))?;
        let all = scope.computed.iter().copied().chain(items.iter().map(|item| item.name.text.as_str()));
        scope.computed = Rc::new(all.collect());
    }
    let target = about(&scope, "$filter");
    options.filter.iter().try_for_each(|filter| expression::resolve(&scope.about(&target), filter))?;
    let target = about(&scope, "$orderby");
    options.order_by.iter().flatten().try_for_each(|item| expression::resolve(&scope.about(&target), &item.expr))?;
    for option in &options.temporal {
        if let TemporalBound::Expr(expr) = &option.bound {
            expression::resolve(&scope, expr)?;
        }
    }
    let target = about(&scope, "$select");
    options.select.iter().flatten().try_for_each(|item| select_item(&scope.about(&target), item))?;
    let target = about(&scope, "$expand");
    options.expand.iter().flatten().try_for_each(|item| expand_item(&scope.about(&target), item))
}

/// An expression that gets a name.
pub(super) fn compute_item(scope: &Scope<'_>, item: &crate::syntax::ComputeItem, role: Role) -> Result<(), ODataError> {
    expression::resolve(scope, &item.expr)?;
    if scope.names.is(role, &item.name.text) {
        return Ok(());
    }
    Err(scope.wrong(item.name.span, format!("'{}' cannot be the name of a computed property", item.name.text)))
}

/// An option that the protocol does not define: the service's own, or a parameter of a function.
pub(super) fn custom(scope: &Scope<'_>, option: &CustomOption) -> Result<(), ODataError> {
    let (raw_name, raw_value) = option.raw.split_once('=').map_or((option.raw.as_str(), None), |(name, value)| (name, Some(value)));
    let clean = !scope.strict() || (!option.name.starts_with(['@', '$']) && form::is_query(&option.raw));
    let own = clean && !option.name.is_empty() && scope.names.is(Role::CustomOption, &option.name);
    let parameter = || {
        let named = value::is_identifier(raw_name) && scope.names.is(Role::Parameter, raw_name);
        let expr = raw_value.filter(|_| named).and_then(|value| parse::expression(value, scope.strictness).ok());
        expr.is_some_and(|expr| expression::resolve(&scope.inside(None), &expr).is_ok())
    };
    if own || (option.name.is_empty() && !scope.strict()) || parameter() {
        return Ok(());
    }
    Err(ODataError::bad_request(format!("there is no query option '{}'", option.name)).at(option.name.clone(), None))
}

/// Where a path of `$select` or `$expand` has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    /// After the name of an entity type or complex type.
    Type,
    Star,
    /// A value of which nothing can be selected or expanded.
    Value,
    /// A collection of primitive values.
    Values,
    Navigation,
    /// After a navigation property and a type.
    NavigationCast,
    /// A complex property or collection of them.
    Complex,
    /// The same after a type.
    ComplexCast,
    Function,
    Operation,
    Ref,
    /// `*/$ref`
    StarRef,
    Count,
}

/// All the places that a path so far can have come to, without duplicates.
#[derive(Default)]
struct Places(Vec<(At, Owner)>);

impl Places {
    fn push(&mut self, place: (At, Owner)) {
        if !self.0.contains(&place) {
            self.0.push(place);
        }
    }

    fn extend(&mut self, places: impl IntoIterator<Item = (At, Owner)>) {
        places.into_iter().for_each(|place| self.push(place));
    }
}

fn select_item(scope: &Scope<'_>, item: &SelectItem) -> Result<(), ODataError> {
    let mut places = Places(vec![(At::Start, scope.here)]);
    for name in &item.path {
        let mut after = Places::default();
        for (at, owner) in &places.0 {
            select_step(scope, *at, *owner, name, item.path.len() == 1, &mut after);
        }
        if after.0.is_empty() {
            return Err(misplaced(scope, name, places.0.first().and_then(|(_, owner)| *owner), item.span));
        }
        places = after;
    }
    let ends = |at: At| match (&item.options, &item.parameters) {
        (None, None) => at != At::Type,
        (None, Some(_)) => at == At::Function,
        // Whether options after a single value make sense is, outside strict mode, for those who execute them.
        (Some(_), _) => matches!(at, At::Values | At::Complex | At::ComplexCast) || (at == At::Value && !scope.strict()),
    };
    let Some((at, owner)) = places.0.iter().copied().find(|(at, _)| ends(*at)) else {
        let shown = item.path.join("/");
        let why = if item.options.is_some() || item.parameters.is_some() { "takes no parentheses" } else { "cannot be selected" };
        return Err(scope.wrong(item.span, format!("'{shown}' {why}")));
    };
    if let Some(wrong) = item.parameters.iter().flatten().find(|name| !scope.names.is(Role::Parameter, name)) {
        return Err(scope.wrong(item.span, format!("there is no parameter '{wrong}'")));
    }
    let Some(options) = &item.options else { return Ok(()) };
    let place = if matches!(at, At::Values | At::Value) { Place::SelectedValues } else { Place::SelectedComplex };
    // A text can be both; the more generous of the two decides.
    let place = if places.0.iter().any(|(at, _)| matches!(at, At::Complex | At::ComplexCast)) { Place::SelectedComplex } else { place };
    resolve(&scope.inside(owner), options, Some(place)).map_err(|error| at_item(error, scope, item.span))
}

fn select_step(scope: &Scope<'_>, at: At, owner: Owner, name: &str, only: bool, after: &mut Places) {
    let names = scope.names;
    match at {
        At::Start if name == "*" && only => after.push((At::Star, None)),
        At::Start if name.ends_with(".*") && only => {
            let namespace = name.trim_end_matches(".*");
            if names.is_namespace(namespace) {
                after.push((At::Operation, None));
            }
        }
        At::Start | At::Type => {
            selectable(scope, owner, name, after);
            operations(scope, name, after);
            let is_type = [Role::EntityType, Role::ComplexType].iter().any(|role| names.is_qualified(*role, name, true));
            if at == At::Start && is_type {
                after.push((At::Type, names.type_named(name)));
            }
        }
        At::Complex => {
            selectable(scope, owner, name, after);
            if names.is_qualified(Role::ComplexType, name, true) {
                after.push((At::ComplexCast, names.type_named(name)));
            }
        }
        At::ComplexCast => selectable(scope, owner, name, after),
        // A path through a navigation property selects nothing that the grammar has, but some clients send it.
        At::Navigation if !scope.strict() => selectable(scope, owner, name, after),
        _ => {}
    }
}

/// What `selectProperty` has.
fn selectable(scope: &Scope<'_>, owner: Owner, name: &str, after: &mut Places) {
    let names = scope.names;
    if name.starts_with('@') {
        let kinds =
            [(Role::PrimitiveAnnotation, At::Value), (Role::PrimitiveColAnnotation, At::Values), (Role::ComplexAnnotation, At::Complex)];
        after.extend(kinds.iter().filter(|(role, _)| names.is_annotation_of(*role, name)).map(|(_, at)| (*at, None)));
        return;
    }
    if name.contains(['.', '$', '*']) {
        return;
    }
    if scope.computed.contains(name) {
        after.push((At::Value, None));
    }
    for (role, to) in names.properties(owner, name) {
        let at = match role {
            Role::EntityNavigation | Role::EntityColNavigation => At::Navigation,
            Role::Complex | Role::ComplexCol => At::Complex,
            Role::PrimitiveCol => At::Values,
            Role::PrimitiveKey | Role::PrimitiveNonKey | Role::CustomAggregate => At::Value,
            _ => continue,
        };
        after.push((at, to));
    }
}

fn operations(scope: &Scope<'_>, name: &str, after: &mut Places) {
    // Of a model that describes no operations, only a qualified name is taken for one.
    let possible = name.contains('.') || scope.here.is_none();
    if possible && !name.starts_with('@') {
        if scope.names.is_qualified(Role::Action, name, true) {
            after.push((At::Operation, None));
        }
        if FUNCTIONS.iter().any(|role| scope.names.is_qualified(*role, name, true)) {
            after.push((At::Function, None));
        }
    }
}

fn expand_item(scope: &Scope<'_>, item: &ExpandItem) -> Result<(), ODataError> {
    let mut places = Places(vec![(At::Start, scope.here)]);
    for name in &item.path {
        let mut after = Places::default();
        for (at, owner) in &places.0 {
            expand_step(scope, *at, *owner, name, &mut after);
        }
        if after.0.is_empty() {
            return Err(misplaced(scope, name, places.0.first().and_then(|(_, owner)| *owner), item.span));
        }
        places = after;
    }
    let empty = item.options == Options::default();
    let place = |at: At| match at {
        At::Star => Some(Place::ExpandedStar),
        At::Navigation | At::NavigationCast => Some(Place::Expanded),
        At::Ref => Some(Place::Ref),
        At::Count => Some(Place::Count),
        _ => None,
    };
    let ends = |at: At| if empty { place(at).is_some() || matches!(at, At::Value | At::StarRef) } else { place(at).is_some() };
    let Some((at, owner)) = places.0.iter().copied().find(|(at, _)| ends(*at)) else {
        return Err(scope.wrong(item.span, format!("'{}' cannot be expanded so", item.path.join("/"))));
    };
    match place(at) {
        Some(place) => resolve(&scope.inside(owner), &item.options, Some(place)).map_err(|error| at_item(error, scope, item.span)),
        None => Ok(()),
    }
}

fn expand_step(scope: &Scope<'_>, at: At, owner: Owner, name: &str, after: &mut Places) {
    let names = scope.names;
    let entity_type = || names.is_qualified(Role::EntityType, name, true);
    match (at, name) {
        (At::Start, "$value") => after.push((At::Value, None)),
        (At::Start | At::Type | At::Complex, "*") => after.push((At::Star, None)),
        (At::Star, "$ref") => after.push((At::StarRef, None)),
        (At::Navigation | At::NavigationCast, "$ref") => after.push((At::Ref, owner)),
        (At::Navigation | At::NavigationCast, "$count") => after.push((At::Count, owner)),
        (At::Navigation, _) if entity_type() => after.push((At::NavigationCast, names.type_named(name))),
        (At::Start | At::Type | At::Complex, _) => {
            if name.starts_with('@') {
                if names.is_annotation_of(Role::EntityAnnotation, name) {
                    after.push((At::Navigation, None));
                }
                if names.is_annotation_of(Role::ComplexAnnotation, name) {
                    after.push((At::Complex, None));
                }
                return;
            }
            if at == At::Start && entity_type() {
                after.push((At::Type, names.type_named(name)));
            }
            if names.is_qualified(Role::ComplexType, name, true) {
                after.push((At::Complex, None));
            }
            if !name.contains('.') {
                let found = names.properties(owner, name).into_iter().filter_map(|(role, to)| match role {
                    Role::EntityNavigation | Role::EntityColNavigation => Some((At::Navigation, to)),
                    Role::Complex | Role::ComplexCol => Some((At::Complex, to)),
                    Role::Stream => Some((At::Value, to)),
                    _ => None,
                });
                after.extend(found);
            }
        }
        _ => {}
    }
}

fn misplaced(scope: &Scope<'_>, name: &str, owner: Owner, span: Span) -> ODataError {
    scope.misplaced(name, &super::States::one(super::Shape::Entity, owner), span)
}

/// Options in parentheses have no place of their own: an error without one stands where their item does.
fn at_item(error: ODataError, scope: &Scope<'_>, span: Span) -> ODataError {
    if error.position.is_some() { error } else { error.at(scope.target, Some(span.start)) }
}
