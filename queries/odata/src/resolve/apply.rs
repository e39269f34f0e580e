//! `$apply` (Data Aggregation, ABNF sections 2 and 3).

use super::{Scope, Shape, States, expression, member, options};
use crate::error::ODataError;
use crate::names::{Owner, Role};
use crate::syntax::{
    AggregateItem, Expr, ExprKind, GroupElement, Hierarchy, Name, PathStep, StepKind, Transformation, TransformationKind as Kind,
};
use std::collections::BTreeSet;
use std::rc::Rc;

/// Which transformations may stand in a sequence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// All.
    Anything,
    /// Those that keep instances as they are.
    Preserving,
    /// Those of hierarchies.
    Hierarchical,
}

/// Whether the names in a sequence may stand where they do. Returns the type of what it yields, as far as it is known.
pub(super) fn sequence(scope: &Scope<'_>, transformations: &[Transformation]) -> Result<Owner, ODataError> {
    within(scope, transformations, Within::Anything)
}

fn within(scope: &Scope<'_>, transformations: &[Transformation], which: Within) -> Result<Owner, ODataError> {
    let mut scope = scope.clone();
    for transformation in transformations {
        let hierarchical = matches!(transformation.kind, Kind::Relatives { .. } | Kind::Traverse { .. } | Kind::Function { .. });
        let preserving = hierarchical
            || matches!(
                transformation.kind,
                Kind::Filter(_) | Kind::Search(_) | Kind::OrderBy(_) | Kind::Skip(_) | Kind::Top(_) | Kind::Identity | Kind::Ranked { .. }
            );
        let fits = match which {
            Within::Anything => true,
            Within::Preserving => preserving,
            Within::Hierarchical => hierarchical,
        };
        if !fits {
            return Err(scope.wrong(transformation.span, "this transformation cannot stand here: it does not keep instances as they are"));
        }
        scope.here = one(&scope, transformation)?;
        introduced(transformation, Rc::make_mut(&mut scope.computed));
    }
    Ok(scope.here)
}

/// Adds the names that a transformation introduces, for what comes after it.
pub(super) fn introduced<'a>(transformation: &'a Transformation, names: &mut BTreeSet<&'a str>) {
    match &transformation.kind {
        Kind::Aggregate(items) => names.extend(items.iter().filter_map(|item| item.alias.as_ref()).map(|alias| alias.text.as_str())),
        Kind::Compute(items) => names.extend(items.iter().map(|item| item.name.text.as_str())),
        Kind::Concat(sequences) => sequences.iter().flatten().for_each(|inner| introduced(inner, names)),
        Kind::GroupBy { then, .. } => then.iter().for_each(|inner| introduced(inner, names)),
        Kind::Join { alias, .. } => {
            names.insert(&alias.text);
        }
        Kind::Nest { items, .. } => names.extend(items.iter().map(|item| item.alias.text.as_str())),
        Kind::Filter(_)
        | Kind::Search(_)
        | Kind::OrderBy(_)
        | Kind::Skip(_)
        | Kind::Top(_)
        | Kind::Identity
        | Kind::Ranked { .. }
        | Kind::Relatives { .. }
        | Kind::Traverse { .. }
        | Kind::Function { .. } => {}
    }
}

/// Checks one transformation; returns the type of what it yields.
fn one(scope: &Scope<'_>, transformation: &Transformation) -> Result<Owner, ODataError> {
    let here = scope.here;
    match &transformation.kind {
        Kind::Aggregate(items) => items.iter().try_for_each(|item| aggregate_item(scope, item, false)).map(|()| None),
        Kind::Compute(items) => items.iter().try_for_each(|item| options::compute_item(scope, item, Role::ExpressionAlias)).map(|()| None),
        Kind::Concat(sequences) => sequences.iter().try_for_each(|inner| sequence(scope, inner).map(|_| ())).map(|()| None),
        Kind::GroupBy { elements, then } => {
            elements.iter().try_for_each(|element| group_element(scope, element))?;
            sequence(scope, then).map(|_| None)
        }
        Kind::Join { path, alias: name, then, .. } => {
            join_path(scope, path)?;
            alias(scope, name)?;
            sequence(&scope.inside(None), then).map(|_| None)
        }
        Kind::Nest { path, items } => {
            if let Some(path) = path {
                nest_path(scope, path)?;
            }
            let inner = if path.is_some() { scope.inside(None) } else { scope.clone() };
            for item in items {
                sequence(&inner, &item.then)?;
                alias(scope, &item.alias)?;
            }
            Ok(None)
        }
        Kind::Filter(expr) => expression::resolve(scope, expr).map(|()| here),
        Kind::OrderBy(items) => items.iter().try_for_each(|item| expression::resolve(scope, &item.expr)).map(|()| here),
        Kind::Search(_) | Kind::Skip(_) | Kind::Top(_) | Kind::Identity => Ok(here),
        Kind::Ranked { amount, by, .. } => {
            expression::resolve(scope, amount)?;
            expression::resolve(scope, by).map(|()| here)
        }
        Kind::Relatives { hierarchy: nodes, start, .. } => {
            hierarchy(scope, nodes)?;
            within(&scope.inside(None), start, Within::Preserving).map(|_| here)
        }
        Kind::Traverse { hierarchy: nodes, start, order_by, .. } => {
            hierarchy(scope, nodes)?;
            let inner = scope.inside(None);
            within(&inner, start, Within::Preserving)?;
            order_by.iter().try_for_each(|item| expression::resolve(&inner, &item.expr)).map(|()| None)
        }
        Kind::Function { name, arguments } => {
            let roles = [Role::EntityColFunction, Role::ComplexColFunction, Role::PrimitiveColFunction];
            let known = roles.iter().any(|role| scope.names.is_qualified(*role, name, false));
            if !known || !member::are_parameters(scope, arguments) {
                return Err(scope.wrong(transformation.span, format!("there is no function '{name}' with these parameters")));
            }
            arguments.iter().try_for_each(|argument| expression::resolve(scope, &argument.value)).map(|()| None)
        }
    }
}

fn alias(scope: &Scope<'_>, name: &Name) -> Result<(), ODataError> {
    if scope.names.is(Role::ExpressionAlias, &name.text) {
        return Ok(());
    }
    Err(scope.wrong(name.span, format!("'{}' cannot be an alias", name.text)))
}

/// One item of `aggregate`, as a transformation or as a function of an expression.
pub(super) fn aggregate_item(scope: &Scope<'_>, item: &AggregateItem, function: bool) -> Result<(), ODataError> {
    let steps = match &item.expr.kind {
        ExprKind::Path(steps) => Some(steps.as_slice()),
        _ => None,
    };
    let counts = steps.is_some_and(|steps| is_count(scope, steps));
    let custom = item.method.is_none() && steps.is_some_and(|steps| is_custom(scope, steps));
    if let Some(method) = &item.method {
        known_method(scope, method)?;
        measured(scope, &item.expr, method)?;
    } else if !counts && !custom {
        let message = "this needs 'with' and a method: only $count and custom aggregates go without";
        return Err(scope.wrong(item.expr.span, message));
    }
    for from in &item.from {
        from.properties.iter().try_for_each(|property| grouping_property(scope, property))?;
        match &from.method {
            Some(method) => known_method(scope, method)?,
            None if custom => {}
            None => return Err(scope.wrong(item.span, "'from' needs 'with' and a method")),
        }
    }
    match &item.alias {
        Some(name) => alias(scope, name),
        None if function || (custom && item.from.is_empty()) => Ok(()),
        None => Err(scope.wrong(item.span, "this needs 'as' and an alias")),
    }
}

/// Whether a method is one of the protocol's, or qualified: what is qualified is not known here.
fn known_method(scope: &Scope<'_>, method: &Name) -> Result<(), ODataError> {
    match method.text.rsplit_once('.') {
        Some((namespace, _)) if !scope.names.is_namespace(namespace) => {
            Err(scope.wrong(method.span, format!("there is no aggregation method '{}'", method.text)))
        }
        _ => Ok(()),
    }
}

/// What stands before `with`: a path, perhaps through collections, or an expression.
fn measured(scope: &Scope<'_>, expr: &Expr, method: &Name) -> Result<(), ODataError> {
    if let ExprKind::Path(steps) = &expr.kind {
        let found = Walk::over(scope, steps, false);
        let whole = method.text == "countdistinct" || method.text.contains('.');
        if found.primitive || (whole && (found.structured || found.cast)) {
            return Ok(());
        }
    }
    expression::resolve(scope, expr)
}

/// Whether a path is `$count` or leads to it.
fn is_count(scope: &Scope<'_>, steps: &[PathStep]) -> bool {
    match steps.split_last() {
        Some((last, before)) if matches!(&last.kind, StepKind::Special(name) if name == "$count") => {
            let found = Walk::over(scope, before, false);
            before.is_empty() || found.primitive || found.structured || found.cast
        }
        _ => false,
    }
}

/// Whether a path is a custom aggregate or leads to one.
fn is_custom(scope: &Scope<'_>, steps: &[PathStep]) -> bool {
    match steps.split_last() {
        Some((last, before)) if matches!(&last.kind, StepKind::Name(name) if !name.contains('.') && scope.names.is(Role::CustomAggregate, name)) =>
        {
            let found = Walk::over(scope, before, false);
            before.is_empty() || found.structured || found.cast
        }
        _ => false,
    }
}

fn group_element(scope: &Scope<'_>, element: &GroupElement) -> Result<(), ODataError> {
    match element {
        GroupElement::Property(path) => grouping_property(scope, path),
        GroupElement::Rollup(levels) => match levels.as_slice() {
            [only] if identifier(only).is_some_and(|name| scope.names.is(Role::LeveledHierarchy, name)) => Ok(()),
            [only] => Err(scope.wrong(only.span, "rollup takes the name of a hierarchy, or at least two properties")),
            several => several.iter().try_for_each(|path| grouping_property(scope, path)),
        },
        GroupElement::RollupRecursive { hierarchy: nodes, to } => {
            hierarchy(scope, nodes)?;
            within(&scope.inside(None), to, Within::Hierarchical).map(|_| ())
        }
    }
}

fn identifier(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Path(steps) => match steps.as_slice() {
            [PathStep { kind: StepKind::Name(name), .. }] if !name.contains('.') => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// A path of single values.
fn grouping_property(scope: &Scope<'_>, path: &Expr) -> Result<(), ODataError> {
    if let ExprKind::Path(steps) = &path.kind {
        let found = Walk::over(scope, steps, true);
        if found.primitive || (found.structured && !found.ends_in_cast) {
            return Ok(());
        }
    }
    Err(no_such_path(scope, path, "this is no property to group by: a path of single-valued properties is expected"))
}

/// What is wrong with a path: that nothing is called as it begins, or else what the caller says.
fn no_such_path(scope: &Scope<'_>, path: &Expr, otherwise: &str) -> ODataError {
    let first = match &path.kind {
        ExprKind::Path(steps) => steps.first(),
        _ => None,
    };
    match first {
        Some(PathStep { kind: StepKind::Name(name), span }) if scope.names.properties(scope.here, name).is_empty() => {
            scope.misplaced(name, &States::one(Shape::Entity, scope.here), *span)
        }
        _ => scope.wrong(path.span, otherwise),
    }
}

/// The collection of `addnested`.
fn nest_path(scope: &Scope<'_>, path: &Expr) -> Result<(), ODataError> {
    let ExprKind::Path(steps) = &path.kind else { return Err(scope.wrong(path.span, "a path is expected")) };
    let found = Walk::over(scope, steps, false);
    // Navigation properties can only come last.
    if found.structured && found.navigations <= 1 && (found.navigations == 0 || found.navigation_is_last) {
        return Ok(());
    }
    Err(no_such_path(scope, path, "this is no collection to nest: a complex or navigation property is expected"))
}

/// The collection of `join` and `outerjoin`.
fn join_path(scope: &Scope<'_>, path: &Expr) -> Result<(), ODataError> {
    let wrong = || Err(no_such_path(scope, path, "this is no collection to join: a collection-valued property is expected"));
    let steps = match &path.kind {
        ExprKind::Path(steps) => steps.as_slice(),
        ExprKind::Alias(name) => {
            let known = [Role::ComplexAnnotation, Role::EntityAnnotation].iter().any(|role| scope.names.is_annotation_of(*role, name));
            return if known { Ok(()) } else { wrong() };
        }
        _ => return wrong(),
    };
    let properties = |name: &str| scope.names.properties(scope.here, name);
    let fits = match steps {
        [PathStep { kind: StepKind::Name(name), .. }] => {
            properties(name).iter().any(|(role, _)| matches!(role, Role::ComplexCol | Role::EntityColNavigation))
        }
        [PathStep { kind: StepKind::Name(name), .. }, PathStep { kind: StepKind::Name(cast), .. }] => {
            properties(name).iter().any(|(role, _)| *role == Role::EntityColNavigation)
                && scope.names.is_qualified(Role::EntityType, cast, true)
        }
        [PathStep { kind: StepKind::Annotation(name), .. }] => {
            [Role::ComplexAnnotation, Role::EntityAnnotation].iter().any(|role| scope.names.is_annotation_of(*role, name))
        }
        _ => false,
    };
    if fits { Ok(()) } else { wrong() }
}

fn hierarchy(scope: &Scope<'_>, hierarchy: &Hierarchy) -> Result<(), ODataError> {
    match &hierarchy.nodes.kind {
        ExprKind::Path(steps) if matches!(steps.first().map(|step| &step.kind), Some(StepKind::Special(name)) if name == "$root") => {
            member::resolve(scope, steps)?;
        }
        _ => return Err(scope.wrong(hierarchy.nodes.span, "the nodes of a hierarchy are a path that begins with $root")),
    }
    if !scope.names.is(Role::HierarchyQualifier, &hierarchy.qualifier.text) {
        return Err(scope.wrong(hierarchy.qualifier.span, format!("there is no hierarchy '{}'", hierarchy.qualifier.text)));
    }
    match &hierarchy.property.kind {
        // The property may be that of the nodes or lead to them, and which type it belongs to differs.
        ExprKind::Path(steps) if Walk::over(&scope.inside(None), steps, false).primitive => Ok(()),
        _ => Err(scope.wrong(hierarchy.property.span, "a path to a primitive property is expected")),
    }
}

/// What a path of properties and casts can be.
#[derive(Debug, Clone, Copy, Default)]
struct Walk {
    /// It can lead to a primitive property or stream.
    primitive: bool,
    /// It can lead to complex values or entities.
    structured: bool,
    /// It is nothing but a cast.
    cast: bool,
    ends_in_cast: bool,
    navigations: usize,
    navigation_is_last: bool,
}

impl Walk {
    /// Follows a path; with `single`, collections end it.
    fn over(scope: &Scope<'_>, steps: &[PathStep], single: bool) -> Walk {
        let mut walk = Walk::default();
        let mut owners: Vec<Owner> = vec![scope.here];
        for (index, step) in steps.iter().enumerate() {
            let StepKind::Name(name) = &step.kind else { return Walk::default() };
            let found: Vec<(Role, Owner)> = if name.contains('.') {
                Vec::new()
            } else {
                owners.iter().flat_map(|owner| scope.names.properties(*owner, name)).collect()
            };
            // What is computed can hold entities too: `join` and `nest` introduce such names.
            let computed = index == 0 && scope.computed.contains(name.as_str());
            let entered = index == 0 || walk.structured || walk.cast;
            let cast = entered && !walk.ends_in_cast && is_structured_type(scope, name);
            let navigates = |role: &Role| matches!(role, Role::EntityNavigation | Role::EntityColNavigation);
            let enters = |role: &Role| navigates(role) || matches!(role, Role::Complex | Role::ComplexCol);
            let many = |role: &Role| matches!(role, Role::EntityColNavigation | Role::ComplexCol | Role::PrimitiveCol);
            let usable = || found.iter().filter(|(role, _)| !(single && many(role)));
            let structured = entered && (computed || usable().any(|(role, _)| enters(role)));
            let primitive = entered && (computed || usable().any(|(role, _)| !enters(role)));
            let navigated =
                entered && usable().any(|(role, _)| navigates(role)) && !usable().any(|(role, _)| enters(role) && !navigates(role));
            if !(structured || primitive || cast) {
                return Walk::default();
            }
            let mut next: Vec<Owner> = usable().filter(|(role, _)| enters(role)).map(|(_, owner)| *owner).collect();
            if cast || computed {
                next.push(None);
            }
            next.sort_unstable();
            next.dedup();
            owners = next;
            walk = Walk {
                primitive,
                structured: structured || (cast && walk.structured),
                cast: cast && (index == 0 || walk.cast),
                ends_in_cast: cast && !structured && !primitive,
                navigations: walk.navigations + usize::from(navigated),
                navigation_is_last: navigated || (cast && walk.navigation_is_last),
            };
        }
        walk
    }
}

fn is_structured_type(scope: &Scope<'_>, name: &str) -> bool {
    [Role::ComplexType, Role::EntityType].iter().any(|role| scope.names.is_qualified(*role, name, true))
}
