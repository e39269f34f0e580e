//! Syntax tree + names → whether every name may stand where it does. A request is resolved by following, for each path, all that its
//! names so far can mean; what is left when a name fits none of them is the mistake. It must not know what can be executed: that is
//! for [`crate::bind`].
//!
//! The rules are those of the ABNF (OData ABNF Construction Rules 4.01, sections 1, 2 and 4; Data Aggregation, sections 2 and 3).

mod apply;
mod context;
mod expression;
mod member;
mod options;
mod path;
#[cfg(test)]
mod tests;

use crate::error::ODataError;
use crate::names::{Names, Owner, Role};
use crate::parse::Strictness;
use crate::syntax::{Expr, ExprKind, PathStep, Request, Resource, Span, StepKind};
use std::collections::BTreeSet;
use std::rc::Rc;

pub use context::fragment;

/// What a path so far leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A collection of entities.
    Entities,
    /// The same after a type cast.
    EntitiesCast,
    /// One entity.
    Entity,
    /// One entity after a type cast.
    EntityCast,
    /// One entity by key segments, of which more may come.
    Keyed,
    /// A collection of complex values, and after a cast.
    Complexes,
    ComplexesCast,
    /// A complex value, and after a cast.
    Complex,
    ComplexCast,
    /// A collection of primitive values, or of anything whose members are not looked into.
    Collection,
    /// A primitive value.
    Primitive,
    /// A stream.
    Stream,
    /// What a variable stands for.
    Variable,
    /// Members of `$filter(…)/$each`.
    Each,
    /// A function without parentheses.
    Unparenthesised,
    /// Nothing can follow.
    End,
}

/// One of the things that a path so far can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    shape: Shape,
    owner: Owner,
}

/// All that a path so far can mean, without duplicates.
#[derive(Debug, Clone, Default, PartialEq)]
struct States(Vec<State>);

impl States {
    fn add(&mut self, shape: Shape, owner: Owner) {
        let state = State { shape, owner };
        if !self.0.contains(&state) {
            self.0.push(state);
        }
    }

    fn one(shape: Shape, owner: Owner) -> States {
        States(vec![State { shape, owner }])
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The type that all of them share; nothing where they differ.
    fn owner(&self) -> Owner {
        let first = self.0.first()?.owner;
        if self.0.iter().all(|state| state.owner == first) { first } else { None }
    }
}

/// What a thing of a role is.
fn shape_of(role: Role) -> Option<Shape> {
    Some(match role {
        Role::EntitySet | Role::EntityColNavigation | Role::EntityColFunction | Role::EntityColFunctionImport => Shape::Entities,
        Role::Singleton | Role::EntityNavigation | Role::EntityFunction | Role::EntityFunctionImport => Shape::Entity,
        Role::ComplexCol | Role::ComplexColFunction | Role::ComplexColFunctionImport => Shape::Complexes,
        Role::Complex | Role::ComplexFunction | Role::ComplexFunctionImport => Shape::Complex,
        Role::PrimitiveCol | Role::PrimitiveColFunction | Role::PrimitiveColFunctionImport => Shape::Collection,
        Role::PrimitiveKey | Role::PrimitiveNonKey | Role::CustomAggregate | Role::PrimitiveFunction | Role::PrimitiveFunctionImport => {
            Shape::Primitive
        }
        Role::Stream => Shape::Stream,
        Role::Action | Role::ActionImport => Shape::End,
        _ => return None,
    })
}

/// Where names are looked up.
#[derive(Clone)]
struct Scope<'a> {
    names: &'a Names,
    strictness: Strictness,
    /// What errors are about: an option, or the path.
    target: &'a str,
    /// The type whose properties can be named without more.
    here: Owner,
    /// The type that `$it` stands for.
    it: Owner,
    /// Variables of the lambdas around, innermost last, and what they stand for.
    variables: Vec<(&'a str, Owner)>,
    /// Names that `$compute` adds.
    computed: Rc<BTreeSet<&'a str>>,
}

impl<'a> Scope<'a> {
    fn strict(&self) -> bool {
        self.strictness.is_strict()
    }

    fn inside(&self, here: Owner) -> Scope<'a> {
        Scope { here, ..self.clone() }
    }

    fn about(&self, target: &'a str) -> Scope<'a> {
        Scope { target, ..self.clone() }
    }

    fn wrong(&self, span: Span, message: impl Into<String>) -> ODataError {
        ODataError::bad_request(message).at(self.target, Some(span.start))
    }

    /// Nothing of this name can stand here.
    fn misplaced(&self, name: &str, before: &States, span: Span) -> ODataError {
        let known = self.names.known(before.owner()).filter(|_| !name.starts_with(['$', '@']) && !name.contains('.'));
        self.wrong(
            span,
            match known {
                Some((of, candidates)) => {
                    let hint = portico_catalog::names::nearest(name, candidates);
                    let hint = hint.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
                    format!("'{of}' has nothing called '{name}' that could stand here{hint}")
                }
                None => format!("'{name}' cannot stand here"),
            },
        )
    }
}

fn scope<'a>(names: &'a Names, strictness: Strictness, target: &'a str, here: Owner) -> Scope<'a> {
    Scope { names, strictness, target, here, it: here, variables: Vec::new(), computed: Rc::default() }
}

/// Whether all names of a request may stand where they do.
///
/// # Errors
/// `NotFound` for the path, `BadRequest` for the options; both name the culprit and its place.
pub fn request(request: &Request, names: &Names, strictness: Strictness) -> Result<(), ODataError> {
    let here = match &request.resource {
        Resource::EntitySet(segments) => {
            let scope = scope(names, strictness, "path", None);
            path::resolve(&scope, segments)?
        }
        Resource::ServiceDocument | Resource::Metadata | Resource::Batch => None,
    };
    options::applicable(request)?;
    query_options(request, names, strictness, here, crossjoined(request, names))
}

/// The entity sets of `$crossjoin`, whose names stand for one entity each.
fn crossjoined<'a>(request: &'a Request, names: &Names) -> Vec<(&'a str, Owner)> {
    let Resource::EntitySet(segments) = &request.resource else { return Vec::new() };
    let joined = segments.first().filter(|first| first.name == "$crossjoin").and_then(|first| first.key.as_ref());
    let sets = joined.into_iter().flat_map(|sets| &sets.parts).filter_map(|part| match &part.value.kind {
        ExprKind::Path(steps) => match steps.as_slice() {
            [PathStep { kind: StepKind::Name(name), .. }] => Some(name.as_str()),
            _ => None,
        },
        _ => None,
    });
    sets.map(|name| (name, names.roots(name).find_map(|(_, owner)| owner))).collect()
}

/// Whether all names of the options of a request may stand where they do, whatever the path addresses.
///
/// # Errors
/// As [`request`].
pub fn only_options(request: &Request, names: &Names, strictness: Strictness) -> Result<(), ODataError> {
    query_options(request, names, strictness, None, Vec::new())
}

fn query_options<'a>(
    request: &'a Request,
    names: &'a Names,
    strictness: Strictness,
    here: Owner,
    variables: Vec<(&'a str, Owner)>,
) -> Result<(), ODataError> {
    let scope = Scope { variables, ..scope(names, strictness, "query", here) };
    options::resolve(&scope, &request.options, None)?;
    for alias in &request.aliases {
        // What an alias is used for is not known here, nor then what its names belong to.
        expression::resolve(&scope.about(&alias.name).inside(None), &alias.value)?;
    }
    request.custom.iter().try_for_each(|option| options::custom(&scope, option))
}

/// Whether all names of an expression may stand where they do.
///
/// # Errors
/// As [`request`].
pub fn expression(expr: &Expr, names: &Names, strictness: Strictness) -> Result<(), ODataError> {
    expression::resolve(&scope(names, strictness, "expression", None), expr)
}
