//! Expressions (ABNF, section 4) but for paths.

use super::{Scope, member};
use crate::error::ODataError;
use crate::names::Role;
use crate::parse::value;
use crate::syntax::{Argument, BinaryOperator, Expr, ExprKind, Literal, LiteralKind, Span, StepKind};
use portico_catalog::names::nearest;

/// The functions that the protocol defines and how many arguments they take. Those with types among their arguments are not here.
const METHODS: [(&str, usize, usize); 34] = [
    ("concat", 2, 2),
    ("contains", 2, 2),
    ("endswith", 2, 2),
    ("indexof", 2, 2),
    ("length", 1, 1),
    ("matchespattern", 2, 2),
    ("startswith", 2, 2),
    ("substring", 2, 3),
    ("tolower", 1, 1),
    ("toupper", 1, 1),
    ("trim", 1, 1),
    ("year", 1, 1),
    ("month", 1, 1),
    ("day", 1, 1),
    ("hour", 1, 1),
    ("minute", 1, 1),
    ("second", 1, 1),
    ("fractionalseconds", 1, 1),
    ("totalseconds", 1, 1),
    ("date", 1, 1),
    ("time", 1, 1),
    ("totaloffsetminutes", 1, 1),
    ("mindatetime", 0, 0),
    ("maxdatetime", 0, 0),
    ("now", 0, 0),
    ("round", 1, 1),
    ("floor", 1, 1),
    ("ceiling", 1, 1),
    ("geo.distance", 2, 2),
    ("geo.length", 1, 1),
    ("geo.intersects", 2, 2),
    ("hassubset", 2, 2),
    ("hassubsequence", 2, 2),
    ("isdefined", 1, 1),
];

/// Types that the protocol defines.
const PRIMITIVE_TYPES: [&str; 17] = [
    "Binary",
    "Boolean",
    "Byte",
    "Date",
    "DateTimeOffset",
    "Decimal",
    "Double",
    "Duration",
    "Guid",
    "Int16",
    "Int32",
    "Int64",
    "SByte",
    "Single",
    "Stream",
    "String",
    "TimeOfDay",
];
const SPATIAL_TYPES: [&str; 8] = ["", "Collection", "LineString", "MultiLineString", "MultiPoint", "MultiPolygon", "Point", "Polygon"];

/// Whether the names of an expression may stand where they do.
pub(super) fn resolve(scope: &Scope<'_>, expr: &Expr) -> Result<(), ODataError> {
    match &expr.kind {
        ExprKind::Literal(literal) => self::literal(scope, literal, expr.span),
        ExprKind::Alias(_) | ExprKind::JsonText(_) => Ok(()),
        ExprKind::Path(steps) => member::resolve(scope, steps).map(|_| ()),
        ExprKind::Call { name, arguments } => call(scope, name, arguments, expr.span),
        ExprKind::Unary { operand, .. } => resolve(scope, operand),
        ExprKind::Binary { op: BinaryOperator::In, left, right } => {
            resolve(scope, left)?;
            candidates(scope, right)
        }
        ExprKind::Binary { op, left, right } => {
            resolve(scope, left)?;
            if *op == BinaryOperator::Has { flags(scope, right) } else { resolve(scope, right) }
        }
        ExprKind::Logical { operands, .. } => operands.iter().try_for_each(|operand| resolve(scope, operand)),
        ExprKind::List(_) => Err(scope.wrong(expr.span, "a list in parentheses can only stand after 'in'")),
        ExprKind::Case(branches) => branches.iter().try_for_each(|(condition, value)| {
            resolve(scope, condition)?;
            resolve(scope, value)
        }),
        ExprKind::Array(items) => items.iter().try_for_each(|item| resolve(scope, item)),
        ExprKind::Object(members) => members.iter().try_for_each(|(_, value)| resolve(scope, value)),
    }
}

/// Whether the names in a literal, which only enumerations have, are known.
pub(super) fn literal(scope: &Scope<'_>, literal: &Literal, span: Span) -> Result<(), ODataError> {
    if literal.kind != LiteralKind::Enumeration {
        return Ok(());
    }
    let (name, members) = literal.text.split_once('\'').unwrap_or((literal.text.as_str(), ""));
    let members = members.strip_suffix('\'').unwrap_or(members);
    if scope.strict() && !scope.names.is_qualified(Role::EnumType, name, false) {
        return Err(scope.wrong(span, format!("there is no enumeration '{name}'")));
    }
    enumeration(scope, members, span)
}

fn enumeration(scope: &Scope<'_>, members: &str, span: Span) -> Result<(), ODataError> {
    let Some(members) = value::enumeration_members(members) else {
        return if scope.strict() { Err(scope.wrong(span, format!("'{members}' is not a list of enumeration members"))) } else { Ok(()) };
    };
    match members.iter().find(|member| !value::is_integer(member, 19, true) && !scope.names.is(Role::EnumMember, member)) {
        Some(wrong) => Err(scope.wrong(span, format!("there is no enumeration member '{wrong}'"))),
        None => Ok(()),
    }
}

/// What stands after `has`.
fn flags(scope: &Scope<'_>, expr: &Expr) -> Result<(), ODataError> {
    match &expr.kind {
        ExprKind::Literal(literal) if literal.kind == LiteralKind::Text && scope.strict() => enumeration(scope, &literal.text, expr.span),
        ExprKind::Literal(literal) if literal.kind == LiteralKind::Enumeration || !scope.strict() => {
            self::literal(scope, literal, expr.span)
        }
        _ if scope.strict() => Err(scope.wrong(expr.span, "'has' expects enumeration members in single quotes")),
        _ => resolve(scope, expr),
    }
}

/// What stands after `in`.
fn candidates(scope: &Scope<'_>, expr: &Expr) -> Result<(), ODataError> {
    let ExprKind::List(items) = &expr.kind else { return resolve(scope, expr) };
    // One expression in parentheses is no list, but an expression in parentheses.
    let several = items.len() > 1 && scope.strict();
    match items.iter().find(|item| several && !matches!(item.kind, ExprKind::Literal(_))) {
        Some(wrong) => Err(scope.wrong(wrong.span, "the list after 'in' can only hold literals")),
        None => items.iter().try_for_each(|item| resolve(scope, item)),
    }
}

/// A call that is not part of a path: a function of the protocol or of the service, or a property with a key.
fn call(scope: &Scope<'_>, name: &str, arguments: &[Argument], span: Span) -> Result<(), ODataError> {
    let lower = name.to_ascii_lowercase();
    if matches!(lower.as_str(), "cast" | "isof") && arguments.iter().all(|argument| argument.name.is_none()) {
        return type_call(scope, &lower, arguments, span);
    }
    // Once, whatever the call turns out to be: looking twice at each level would take exponential time.
    arguments.iter().try_for_each(|argument| resolve(scope, &argument.value))?;
    if member::is_call(scope, name, arguments) {
        return Ok(());
    }
    let method = METHODS.iter().find(|(known, ..)| *known == lower && (lower != "isdefined" || name == lower || !scope.strict()));
    let Some((_, least, most)) = method else {
        let hint = nearest(name, METHODS.iter().map(|(known, ..)| *known));
        let hint = hint.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        return Err(scope.wrong(span, format!("there is no function '{name}' with these parameters{hint}")));
    };
    if let Some(argument) = arguments.iter().find(|argument| argument.name.is_some()) {
        return Err(scope.wrong(argument.value.span, format!("the arguments of {name} have no names")));
    }
    if !(*least..=*most).contains(&arguments.len()) {
        let wanted = if least == most { least.to_string() } else { format!("{least} or {most}") };
        return Err(scope.wrong(span, format!("the function {name} takes {wanted} arguments, not {}", arguments.len())));
    }
    if let ("isdefined", [argument]) = (lower.as_str(), arguments)
        && !matches!(argument.value.kind, ExprKind::Path(_) | ExprKind::Call { .. } | ExprKind::Alias(_))
    {
        return Err(scope.wrong(argument.value.span, "isdefined expects a path"));
    }
    Ok(())
}

/// `cast` and `isof`: perhaps an expression, and a type.
fn type_call(scope: &Scope<'_>, name: &str, arguments: &[Argument], span: Span) -> Result<(), ODataError> {
    let (subject, target) = match arguments {
        [target] => (None, target),
        [subject, target] => (Some(subject), target),
        _ => return Err(scope.wrong(span, format!("the function {name} takes 1 or 2 arguments, not {}", arguments.len()))),
    };
    if let Some(subject) = subject {
        resolve(scope, &subject.value)?;
    }
    let wrong = |shown: &str| Err(scope.wrong(target.value.span, format!("{name} expects a type, which '{shown}' is not")));
    match &target.value.kind {
        ExprKind::Path(steps) => match steps.as_slice() {
            [only] => match &only.kind {
                StepKind::Name(written) if is_type(scope, written) => Ok(()),
                other => wrong(&other.shown()),
            },
            _ => wrong("a path"),
        },
        ExprKind::Call { name: collection, arguments } if collection == "Collection" => match arguments.as_slice() {
            [Argument { name: None, value }] => match &value.kind {
                ExprKind::Path(steps) if steps.len() == 1 && steps.iter().all(|step| is_type(scope, &step.kind.shown())) => Ok(()),
                _ => wrong("Collection(…)"),
            },
            _ => wrong("Collection(…)"),
        },
        // Some clients put the type in quotes.
        ExprKind::Literal(literal) if literal.kind == LiteralKind::Text && !scope.strict() && is_type(scope, &literal.text) => Ok(()),
        _ => wrong("that"),
    }
}

/// Whether a name, perhaps qualified, is that of a type.
pub(super) fn is_type(scope: &Scope<'_>, name: &str) -> bool {
    if let Some(primitive) = name.strip_prefix("Edm.") {
        let spatial = primitive.strip_prefix("Geography").or_else(|| primitive.strip_prefix("Geometry"));
        if PRIMITIVE_TYPES.contains(&primitive) || spatial.is_some_and(|kind| SPATIAL_TYPES.contains(&kind)) {
            return true;
        }
    }
    [Role::EntityType, Role::ComplexType, Role::TypeDefinition, Role::EnumType]
        .iter()
        .any(|role| scope.names.is_qualified(*role, name, true))
}
