//! Paths in expressions (ABNF, section 4: `firstMemberExpr`, `rootExpr`, `boundFunctionExpr`, `annotationExpr`).

use super::{Scope, Shape, State, States, apply, expression, options, shape_of};
use crate::error::ODataError;
use crate::names::{FUNCTIONS, Owner, Role};
use crate::syntax::{Argument, Expr, ExprKind, LiteralKind, PathStep, StepKind};

/// What a path leads to.
pub(super) fn resolve(scope: &Scope<'_>, steps: &[PathStep]) -> Result<States, ODataError> {
    let Some((first, rest)) = steps.split_first() else { return Ok(States::default()) };
    let mut rest = rest.iter();
    let mut states = match &first.kind {
        StepKind::Special(name) if name == "$root" => {
            let Some(next) = rest.next() else { return Err(scope.wrong(first.span, "a path cannot end with $root")) };
            root(scope, next)?
        }
        StepKind::Special(name) if name == "$these" => {
            let Some(next) = rest.next() else { return Err(scope.wrong(first.span, "a path cannot end with $these")) };
            step(scope, &States::one(Shape::Collection, scope.here), next)?
        }
        _ => start(scope, first)?,
    };
    for next in rest {
        states = step(scope, &states, next)?;
    }
    let whole = |state: &State| !matches!(state.shape, Shape::EntityCast | Shape::EntitiesCast);
    if states.0.iter().any(whole) {
        return Ok(states);
    }
    let last = steps.last().unwrap_or(first);
    Err(scope.wrong(last.span, format!("a path cannot end with the type '{}'", last.kind.shown())))
}

/// Whether a call that is the whole of a path is a function of the service, or a property with a key. What its arguments hold is looked
/// at elsewhere.
pub(super) fn is_call(scope: &Scope<'_>, name: &str, arguments: &[Argument]) -> bool {
    let mut states = States::default();
    member_call(scope, scope.here, name, arguments, &mut states);
    !states.is_empty()
}

/// The first step of a path.
fn start(scope: &Scope<'_>, step: &PathStep) -> Result<States, ODataError> {
    let before = States::one(Shape::Variable, scope.here);
    contents(scope, &before, &step.kind)?;
    let mut states = States::default();
    match &step.kind {
        StepKind::Special(name) if name == "$it" => states.add(Shape::Variable, scope.it),
        StepKind::Special(name) if name == "$this" => states.add(Shape::Variable, scope.here),
        StepKind::Annotation(name) => {
            if !name.contains(['.', '#']) {
                states.add(Shape::Variable, None);
            }
            if scope.names.is_annotation(name) {
                annotated(&mut states);
            }
        }
        StepKind::Name(name) => match scope.variables.iter().rev().find(|(variable, _)| variable == name) {
            Some((_, owner)) => states.add(Shape::Variable, *owner),
            None => {
                member(scope, scope.here, &step.kind, &mut states);
                // Where nothing says what variables are called, only what is nothing else is one.
                let known = !scope.names.properties(scope.here, name).is_empty();
                if scope.computed.contains(name.as_str()) || (!known && scope.names.is(Role::LambdaVariable, name)) {
                    states.add(Shape::Variable, None);
                }
            }
        },
        StepKind::Call { .. } => member(scope, scope.here, &step.kind, &mut states),
        _ => {}
    }
    if states.is_empty() { Err(scope.misplaced(&step.kind.shown(), &before, step.span)) } else { Ok(states) }
}

/// The step after `$root`.
fn root(scope: &Scope<'_>, step: &PathStep) -> Result<States, ODataError> {
    contents(scope, &States::default(), &step.kind)?;
    let mut states = States::default();
    let (name, arguments) = match &step.kind {
        StepKind::Name(name) => (name, None),
        StepKind::Call { name, arguments } => (name, Some(arguments.as_slice())),
        _ => return Err(scope.misplaced(&step.kind.shown(), &States::default(), step.span)),
    };
    for (role, owner) in scope.names.roots(name) {
        let Some(shape) = shape_of(role) else { continue };
        match (role, arguments) {
            (Role::EntitySet | Role::Singleton, None) => states.add(shape, owner),
            (Role::EntitySet, Some(arguments)) if is_key(scope, arguments) => states.add(Shape::Entity, owner),
            (Role::EntitySet | Role::Singleton | Role::ActionImport, _) | (_, None) => {}
            (_, Some(arguments)) if are_parameters(scope, arguments) => states.add(shape, None),
            _ => {}
        }
    }
    if states.is_empty() {
        let hint = portico_catalog::names::nearest(name, scope.names.entity_sets());
        let hint = hint.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        return Err(scope.wrong(step.span, format!("there is no entity set, singleton or function '{name}', or not in this form{hint}")));
    }
    Ok(states)
}

fn step(scope: &Scope<'_>, before: &States, step: &PathStep) -> Result<States, ODataError> {
    contents(scope, before, &step.kind)?;
    let mut after = States::default();
    for state in &before.0 {
        follow(scope, *state, &step.kind, &mut after);
    }
    if after.is_empty() { Err(scope.misplaced(&step.kind.shown(), before, step.span)) } else { Ok(after) }
}

/// What is inside a step, whichever meaning the step has.
fn contents(scope: &Scope<'_>, before: &States, kind: &StepKind) -> Result<(), ODataError> {
    match kind {
        StepKind::Name(_) | StepKind::Special(_) | StepKind::Annotation(_) => Ok(()),
        StepKind::Count(inner) => options::resolve(&scope.inside(before.owner()), inner, Some(options::Place::Count)),
        StepKind::Filter(condition) => expression::resolve(&scope.inside(before.owner()), condition),
        StepKind::Call { arguments, .. } | StepKind::Key(arguments) => {
            arguments.iter().try_for_each(|argument| expression::resolve(scope, &argument.value))
        }
        StepKind::Lambda { body: None, .. } => Ok(()),
        StepKind::Lambda { body: Some((variable, predicate)), .. } => {
            if !scope.names.is(Role::LambdaVariable, variable) && scope.names.known(before.owner()).is_none() && scope.strict() {
                return Err(scope.wrong(predicate.span, format!("'{variable}' cannot be a variable")));
            }
            let mut inner = scope.clone();
            inner.variables.push((variable, before.owner()));
            expression::resolve(&inner, predicate)
        }
        StepKind::Aggregate(item) => apply::aggregate_item(&scope.inside(before.owner()), item, true),
    }
}

/// What one state becomes along a step.
fn follow(scope: &Scope<'_>, state: State, kind: &StepKind, after: &mut States) {
    use Shape as S;
    let owner = state.owner;
    match state.shape {
        S::Entities | S::EntitiesCast => {
            collection(scope, state, kind, after);
            match kind {
                StepKind::Name(name) => {
                    if state.shape == S::Entities && scope.names.is_qualified(Role::EntityType, name, true) {
                        after.add(S::EntitiesCast, scope.names.type_named(name));
                    }
                    if scope.names.is(Role::KeySegment, name) {
                        after.add(S::Keyed, owner);
                    }
                }
                StepKind::Key(arguments) if is_key(scope, arguments) => after.add(S::Entity, owner),
                StepKind::Call { name, arguments }
                    if state.shape == S::Entities && is_key(scope, arguments) && scope.names.is_qualified(Role::EntityType, name, true) =>
                {
                    after.add(S::Entity, scope.names.type_named(name));
                }
                StepKind::Filter(_) => after.add(S::Entities, owner),
                _ => {}
            }
        }
        S::Entity | S::Keyed | S::Variable => {
            member(scope, owner, kind, after);
            match kind {
                StepKind::Name(name) if state.shape == S::Keyed && scope.names.is(Role::KeySegment, name) => after.add(S::Keyed, owner),
                // What an alias or a variable stands for may be a collection.
                _ if state.shape == S::Variable && owner.is_none() && !scope.strict() => collection(scope, state, kind, after),
                _ => {}
            }
        }
        S::EntityCast => direct_member(scope, owner, kind, after),
        S::Complexes | S::ComplexesCast => {
            collection(scope, state, kind, after);
            if let StepKind::Name(name) = kind
                && state.shape == S::Complexes
                && scope.names.is_qualified(Role::ComplexType, name, true)
            {
                after.add(S::ComplexesCast, scope.names.type_named(name));
            }
        }
        S::Complex | S::ComplexCast => {
            direct_member(scope, owner, kind, after);
            if let StepKind::Name(name) = kind
                && state.shape == S::Complex
                && scope.names.is_qualified(Role::ComplexType, name, true)
            {
                after.add(S::ComplexCast, scope.names.type_named(name));
            }
        }
        S::Collection => collection(scope, state, kind, after),
        S::Primitive | S::Stream => match kind {
            StepKind::Annotation(name) if scope.names.is_annotation(name) => annotated(after),
            StepKind::Call { name, arguments } => functions(scope, name, arguments, after),
            _ => {}
        },
        S::Each | S::Unparenthesised | S::End => {}
    }
}

/// What may follow any collection (`collectionPathExpr`).
fn collection(scope: &Scope<'_>, state: State, kind: &StepKind, after: &mut States) {
    match kind {
        StepKind::Special(name) if name == "$count" => after.add(Shape::End, None),
        StepKind::Count(_) | StepKind::Lambda { .. } | StepKind::Aggregate(_) => after.add(Shape::End, None),
        StepKind::Filter(_) => after.add(Shape::Collection, state.owner),
        StepKind::Annotation(name) if scope.names.is_annotation(name) => annotated(after),
        StepKind::Call { name, arguments } => functions(scope, name, arguments, after),
        _ => {}
    }
}

/// A member, perhaps of a derived type (`memberExpr`).
fn member(scope: &Scope<'_>, owner: Owner, kind: &StepKind, after: &mut States) {
    direct_member(scope, owner, kind, after);
    if let StepKind::Name(name) = kind
        && [Role::EntityType, Role::ComplexType].iter().any(|role| scope.names.is_qualified(*role, name, true))
    {
        after.add(Shape::EntityCast, scope.names.type_named(name));
    }
}

/// A property, a function or an annotation (`directMemberExpr`).
fn direct_member(scope: &Scope<'_>, owner: Owner, kind: &StepKind, after: &mut States) {
    match kind {
        StepKind::Name(name) if !name.contains('.') => {
            for (role, to) in scope.names.properties(owner, name) {
                if let Some(shape) = shape_of(role) {
                    after.add(shape, to);
                }
            }
        }
        StepKind::Call { name, arguments } => member_call(scope, owner, name, arguments, after),
        StepKind::Annotation(name) if scope.names.is_annotation(name) => annotated(after),
        _ => {}
    }
}

/// A function, or a navigation property with a key.
fn member_call(scope: &Scope<'_>, owner: Owner, name: &str, arguments: &[Argument], after: &mut States) {
    functions(scope, name, arguments, after);
    let navigations = scope.names.properties(owner, name).into_iter().filter(|(role, _)| *role == Role::EntityColNavigation);
    for (_, to) in navigations.filter(|_| is_key(scope, arguments)) {
        after.add(Shape::Entity, to);
    }
}

/// What an annotation's value can be: anything.
fn annotated(after: &mut States) {
    for shape in [Shape::Collection, Shape::Entity, Shape::Complex, Shape::Primitive] {
        after.add(shape, None);
    }
}

fn functions(scope: &Scope<'_>, name: &str, arguments: &[Argument], after: &mut States) {
    if !are_parameters(scope, arguments) {
        return;
    }
    for role in FUNCTIONS.into_iter().filter(|role| scope.names.is_qualified(*role, name, true)) {
        if let Some(shape) = shape_of(role) {
            after.add(shape, None);
        }
    }
}

/// Whether arguments are parameters by name, perhaps none. Their values are looked at elsewhere.
pub(super) fn are_parameters(scope: &Scope<'_>, arguments: &[Argument]) -> bool {
    arguments.iter().all(|argument| argument.name.as_deref().is_some_and(|name| scope.names.is(Role::Parameter, name)))
}

/// Whether arguments are a key: one value, or values by name.
fn is_key(scope: &Scope<'_>, arguments: &[Argument]) -> bool {
    let named = |name: &str| scope.names.is(Role::PrimitiveKey, name) || scope.names.is(Role::KeyAlias, name);
    let names = match arguments {
        [only] if only.name.is_none() => true,
        arguments => !arguments.is_empty() && arguments.iter().all(|argument| argument.name.as_deref().is_some_and(named)),
    };
    names && arguments.iter().all(|argument| is_key_value(scope, &argument.value))
}

fn is_key_value(scope: &Scope<'_>, value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Alias(_) => true,
        ExprKind::Literal(literal) => {
            !scope.strict()
                || !matches!(literal.kind, LiteralKind::Null | LiteralKind::Binary | LiteralKind::Geography | LiteralKind::Geometry)
        }
        _ => !scope.strict(),
    }
}
