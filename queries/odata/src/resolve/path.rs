//! Resource paths (ABNF, section 1).

use super::{Scope, Shape, State, States, expression, shape_of};
use crate::error::{ODataError, ODataErrorKind};
use crate::names::{FUNCTIONS, Owner, Role};
use crate::parse::value;
use crate::syntax::{ExprKind, KeyPredicate, LiteralKind, Segment, Span};

/// The path leads nowhere from here.
fn not_found(scope: &Scope<'_>, span: Span, message: String) -> ODataError {
    ODataError { kind: ODataErrorKind::NotFound, ..scope.wrong(span, message) }
}

/// The type of what a path leads to, as far as it is known.
pub(super) fn resolve(scope: &Scope<'_>, segments: &[Segment]) -> Result<Owner, ODataError> {
    let Some((first, rest)) = segments.split_first() else { return Ok(None) };
    let mut states = match first.name.as_str() {
        "$all" | "$entity" => return abstract_resource(scope, first, rest),
        "$crossjoin" => crossjoin(scope, first)?,
        _ => root(scope, first)?,
    };
    for segment in rest {
        states = step(scope, &states, segment)?;
    }
    Ok(states.owner())
}

/// `$all` and `$entity`, perhaps with a cast.
fn abstract_resource(scope: &Scope<'_>, first: &Segment, rest: &[Segment]) -> Result<Owner, ODataError> {
    match rest {
        [] => Ok(None),
        [cast] if cast.key.is_none() && scope.names.is_qualified(Role::EntityType, &cast.name, true) => Ok(None),
        [wrong, ..] => Err(not_found(scope, wrong.span, format!("after {} can only stand a type, not '{}'", first.name, wrong.name))),
    }
}

fn crossjoin(scope: &Scope<'_>, first: &Segment) -> Result<States, ODataError> {
    for part in first.key.iter().flat_map(|key| &key.parts) {
        let ExprKind::Path(steps) = &part.value.kind else { continue };
        let name = steps.iter().map(|step| step.kind.shown()).collect::<String>();
        if !scope.names.is(Role::EntitySet, &name) {
            let hint = portico_catalog::names::nearest(&name, scope.names.entity_sets());
            let hint = hint.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            return Err(not_found(scope, part.span, format!("there is no entity set '{name}'{hint}")));
        }
    }
    Ok(States::one(Shape::Unparenthesised, None))
}

fn root(scope: &Scope<'_>, segment: &Segment) -> Result<States, ODataError> {
    let mut states = States::default();
    for (role, owner) in scope.names.roots(&segment.name) {
        let Some(shape) = shape_of(role) else { continue };
        match role {
            Role::EntitySet => entities(scope, &mut states, segment, shape, owner),
            Role::Singleton | Role::ActionImport if segment.key.is_none() => states.add(shape, owner),
            Role::Singleton | Role::ActionImport => {}
            _ => call(scope, &mut states, segment, shape),
        }
    }
    if states.is_empty() {
        let hint = portico_catalog::names::nearest(&segment.name, scope.names.entity_sets());
        let hint = hint.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        return Err(not_found(scope, segment.span, format!("there is no resource '{}', or not in this form{hint}", segment.name)));
    }
    filter_or_key(scope, segment, states)
}

/// A collection of entities, with a key in parentheses or without.
fn entities(scope: &Scope<'_>, states: &mut States, segment: &Segment, shape: Shape, owner: Owner) {
    match &segment.key {
        None => states.add(shape, owner),
        Some(key) if is_key(scope, key) && segment.second_key.is_none() => states.add(Shape::Entity, owner),
        Some(_) => {}
    }
}

/// A function, with parameters in parentheses or without any. A key after the parameters is for [`filter_or_key`].
fn call(scope: &Scope<'_>, states: &mut States, segment: &Segment, shape: Shape) {
    match &segment.key {
        None => states.add(Shape::Unparenthesised, None),
        Some(key) if is_parameters(scope, key) => states.add(shape, None),
        Some(_) => {}
    }
}

/// Applies a key in parentheses of its own.
fn filter_or_key(scope: &Scope<'_>, segment: &Segment, states: States) -> Result<States, ODataError> {
    let Some(key) = &segment.second_key else { return Ok(states) };
    let mut keyed = States::default();
    if is_key(scope, key) {
        for state in states.0.iter().filter(|state| state.shape == Shape::Entities) {
            keyed.add(Shape::Entity, state.owner);
        }
    }
    if keyed.is_empty() { Err(not_found(scope, key.span, format!("no key can stand after '{}'", segment.name))) } else { Ok(keyed) }
}

/// Whether what stands in parentheses is a key: one value, or values by name.
fn is_key(scope: &Scope<'_>, key: &KeyPredicate) -> bool {
    let named = |name: &str| scope.names.is(Role::PrimitiveKey, name) || scope.names.is(Role::KeyAlias, name);
    let values = key.parts.iter().all(|part| match &part.value.kind {
        ExprKind::Alias(_) => true,
        ExprKind::Literal(literal) => {
            let keyable = !matches!(literal.kind, LiteralKind::Null | LiteralKind::Binary | LiteralKind::Geography | LiteralKind::Geometry);
            (keyable || !scope.strict()) && expression::literal(scope, literal, part.value.span).is_ok()
        }
        _ => false,
    });
    let names = match key.parts.as_slice() {
        [only] if only.name.is_none() => true,
        parts => !parts.is_empty() && parts.iter().all(|part| part.name.as_deref().is_some_and(named)),
    };
    values && names && !(key.spaced && scope.strict())
}

/// Whether what stands in parentheses is a list of parameters by name, perhaps empty.
fn is_parameters(scope: &Scope<'_>, key: &KeyPredicate) -> bool {
    key.parts.iter().all(|part| {
        let named = part.name.as_deref().is_some_and(|name| scope.names.is(Role::Parameter, name));
        named && expression::resolve(&scope.inside(None), &part.value).is_ok()
    })
}

fn step(scope: &Scope<'_>, before: &States, segment: &Segment) -> Result<States, ODataError> {
    if let ("$filter", Some(key)) = (segment.name.as_str(), &segment.key) {
        let here = scope.inside(before.owner());
        key.parts.iter().try_for_each(|part| expression::resolve(&here, &part.value))?;
    }
    let mut after = States::default();
    for state in &before.0 {
        follow(scope, *state, segment, &mut after);
    }
    if after.is_empty() {
        return Err(ODataError { kind: ODataErrorKind::NotFound, ..scope.misplaced(&segment.name, before, segment.span) });
    }
    filter_or_key(scope, segment, after)
}

/// What one state becomes along a segment.
fn follow(scope: &Scope<'_>, state: State, segment: &Segment, after: &mut States) {
    use Shape as S;
    let name = segment.name.as_str();
    let owner = state.owner;
    if name.starts_with('$') && !segment.opaque {
        special(state, segment, after);
        return;
    }
    let keyable = matches!(state.shape, S::Entities | S::EntitiesCast | S::Keyed);
    if keyable && scope.names.is(Role::KeySegment, &segment.text) {
        after.add(S::Keyed, owner);
    }
    if matches!(state.shape, S::Collection | S::Complexes | S::ComplexesCast)
        && value::is_integer(&segment.text, usize::MAX, true)
        && !segment.text.starts_with('+')
    {
        after.add(S::End, None);
    }
    if segment.opaque {
        return;
    }
    cast(scope, state, segment, after);
    let properties = matches!(state.shape, S::Entity | S::EntityCast | S::Keyed | S::Complex | S::ComplexCast);
    if properties && !name.contains('.') {
        for (role, to) in scope.names.properties(owner, name) {
            match shape_of(role) {
                Some(S::Entities) => entities(scope, after, segment, S::Entities, to),
                Some(shape) if segment.key.is_none() => after.add(shape, to),
                _ => {}
            }
        }
    }
    if !matches!(state.shape, S::Unparenthesised | S::End) {
        operation(scope, segment, after);
    }
}

/// Segments that begin with `$`.
fn special(state: State, segment: &Segment, after: &mut States) {
    use Shape as S;
    let entities = matches!(state.shape, S::Entities | S::EntitiesCast);
    let entity = matches!(state.shape, S::Entity | S::EntityCast | S::Keyed);
    let values = matches!(state.shape, S::Collection | S::Complexes | S::ComplexesCast);
    let fits = match segment.name.as_str() {
        "$filter" if entities && segment.key.is_some() => {
            after.add(S::Entities, state.owner);
            return;
        }
        "$each" if entities && segment.key.is_none() => {
            after.add(S::Each, state.owner);
            return;
        }
        "$count" => entities || values,
        "$ref" => entities || entity,
        "$value" => entity || state.shape == S::Primitive,
        "$query" => !matches!(state.shape, S::Stream | S::End | S::Each),
        _ => false,
    };
    if fits && segment.key.is_none() {
        after.add(S::End, None);
    }
}

/// A type cast, with a key in parentheses where a collection is cast.
fn cast(scope: &Scope<'_>, state: State, segment: &Segment, after: &mut States) {
    use Shape as S;
    let entity = scope.names.is_qualified(Role::EntityType, &segment.name, true);
    let complex = scope.names.is_qualified(Role::ComplexType, &segment.name, true);
    let to = scope.names.type_named(&segment.name);
    match state.shape {
        S::Entities if entity => entities(scope, after, segment, S::EntitiesCast, to),
        S::Entity | S::Keyed if entity && segment.key.is_none() => after.add(S::EntityCast, to),
        S::Complexes if complex && segment.key.is_none() => after.add(S::ComplexesCast, to),
        S::Complex if complex && segment.key.is_none() => after.add(S::ComplexCast, to),
        _ => {}
    }
}

fn operation(scope: &Scope<'_>, segment: &Segment, after: &mut States) {
    if segment.key.is_none() && scope.names.is_qualified(Role::Action, &segment.name, true) {
        after.add(Shape::End, None);
    }
    for role in FUNCTIONS {
        if scope.names.is_qualified(role, &segment.name, true)
            && let Some(shape) = shape_of(role)
        {
            call(scope, after, segment, shape);
        }
    }
}
