//! Expressions over what is published → expressions over the tables as they are. Only what differs is touched; what is wrong in the rest
//! is for the binder to say.

use super::Remembered;
use super::dates::{OnDate, first_instant, on_date};
use super::guids::GuidPath;
use super::path::End;
use crate::error::ODataError;
use crate::syntax::{Alias, Argument, BinaryOperator, Expr, ExprKind, Literal, LiteralKind, Span};
use portico_catalog::names::nearest;
use portico_catalog::overlay::EnumerationMember;
use portico_catalog::profile::{Published, Widening};
use portico_catalog::{Enumeration, TableView};

/// Translates one request.
#[derive(Clone, Copy)]
pub(super) struct Translator<'a> {
    pub(super) published: &'a Published,
    pub(super) remembered: &'a Remembered<'a>,
    pub(super) aliases: &'a [Alias],
    /// The option or part that is being translated, for messages.
    pub(super) target: &'a str,
}

/// What names of an expression are of.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    pub(super) table: &'a TableView,
    /// What `$it` is.
    pub(super) root: &'a TableView,
    pub(super) variables: Vec<(String, &'a TableView)>,
    /// Properties that the request made, and how those are published that hold values of widened columns.
    pub(super) made: Vec<(String, Option<Widening>)>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(table: &'a TableView) -> Scope<'a> {
        Scope { table, root: table, variables: Vec::new(), made: Vec::new() }
    }

    pub(super) fn variable(&self, name: &str) -> Option<&'a TableView> {
        self.variables.iter().rev().find(|(known, _)| known == name).map(|(_, table)| *table)
    }

    /// How a property is published that the request made; nothing for other names.
    pub(super) fn made(&self, name: &str) -> Option<Option<&Widening>> {
        self.made.iter().rev().find(|(known, _)| known == name).map(|(_, widening)| widening.as_ref())
    }

    /// The scope of a lambda's body.
    pub(super) fn with(&self, variable: &str) -> Scope<'a> {
        let mut inner = self.clone();
        inner.variables.push((variable.to_owned(), self.table));
        inner
    }
}

/// A constant condition.
pub(super) fn boolean(value: bool, span: Span) -> Expr {
    literal(Literal { kind: LiteralKind::Boolean, text: value.to_string() }, span)
}

pub(super) fn literal(literal: Literal, span: Span) -> Expr {
    Expr { kind: ExprKind::Literal(literal), span }
}

/// A side of a comparison.
enum Side<'a> {
    Guid(GuidPath<'a>),
    Widened(Expr, Widening, String),
    Other,
}

impl<'a> Translator<'a> {
    pub(super) fn wrong(&self, span: Span, message: impl Into<String>) -> ODataError {
        ODataError::bad_request(message).at(self.target, Some(span.start))
    }

    pub(super) fn not_built(&self, span: Span, feature: impl std::fmt::Display) -> ODataError {
        ODataError::not_implemented(feature).at(self.target, Some(span.start))
    }

    /// There is no such property; what is published is suggested.
    pub(super) fn unknown(&self, name: &str, span: Span, table: &TableView) -> ODataError {
        let shown = self.published.view.table(&table.name).unwrap_or(table);
        let columns = shown.columns.iter().filter_map(|index| shown.table.columns.get(*index)).map(|column| column.name.as_str());
        let candidates = columns.chain(shown.relationships.iter().map(|relationship| relationship.name.as_str()));
        let hint = nearest(name, candidates).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
        self.wrong(span, format!("'{}' has no property '{name}'{hint}", table.name))
    }

    /// The literal that an expression is or stands for.
    pub(super) fn literal_behind<'e>(&'e self, expr: &'e Expr) -> Option<&'e Literal> {
        let kind = match &expr.kind {
            ExprKind::Alias(name) => &self.aliases.iter().find(|alias| alias.name == *name)?.value.kind,
            kind => kind,
        };
        match kind {
            ExprKind::Literal(literal) => Some(literal),
            _ => None,
        }
    }

    /// Translates an expression.
    pub(super) fn expr(&self, expr: &Expr, scope: &Scope<'a>) -> Result<Expr, ODataError> {
        let each = |list: &[Expr]| list.iter().map(|item| self.expr(item, scope)).collect::<Result<Vec<_>, _>>();
        let kind = match &expr.kind {
            ExprKind::Path(steps) => {
                let path = self.path(steps, scope)?;
                match path.end {
                    End::Plain | End::Widened(Widening::Number(_)) => ExprKind::Path(path.steps),
                    End::Widened(_) => {
                        return Err(self.not_built(expr.span, format!("'{}' in such an expression of a service for Dataverse", path.text)));
                    }
                    End::Guid(guid, table) => return Err(self.guid_misused(&GuidPath { steps: path.steps, guid, table, span: expr.span })),
                }
            }
            ExprKind::Call { name, arguments } => return self.call(name, arguments, expr.span, scope),
            ExprKind::Unary { op, operand } => ExprKind::Unary { op: *op, operand: Box::new(self.expr(operand, scope)?) },
            ExprKind::Binary { op, left, right } => return self.binary(*op, left, right, expr.span, scope),
            ExprKind::Logical { op, operands } => ExprKind::Logical { op: *op, operands: each(operands)? },
            ExprKind::List(items) => ExprKind::List(each(items)?),
            ExprKind::Array(items) => ExprKind::Array(each(items)?),
            ExprKind::Case(cases) => {
                let both = |(when, then): &(Expr, Expr)| Ok::<_, ODataError>((self.expr(when, scope)?, self.expr(then, scope)?));
                ExprKind::Case(cases.iter().map(both).collect::<Result<_, _>>()?)
            }
            ExprKind::Object(members) => {
                let member = |(name, value): &(String, Expr)| Ok::<_, ODataError>((name.clone(), self.expr(value, scope)?));
                ExprKind::Object(members.iter().map(member).collect::<Result<_, _>>()?)
            }
            ExprKind::Literal(_) | ExprKind::JsonText(_) | ExprKind::Alias(_) => expr.kind.clone(),
        };
        Ok(Expr { kind, span: expr.span })
    }

    /// Parts of a date are those of its first instant.
    fn call(&self, name: &str, arguments: &[Argument], span: Span, scope: &Scope<'a>) -> Result<Expr, ODataError> {
        let lower = name.to_ascii_lowercase();
        if let ([argument], "year" | "month" | "day" | "date") = (arguments, lower.as_str())
            && let Side::Widened(inner, Widening::DateToInstant, _) = self.side(&argument.value, scope)?
        {
            if lower == "date" {
                return Ok(inner);
            }
            let arguments = vec![Argument { name: argument.name.clone(), value: inner }];
            return Ok(Expr { kind: ExprKind::Call { name: name.to_owned(), arguments }, span });
        }
        let argument =
            |argument: &Argument| Ok::<_, ODataError>(Argument { name: argument.name.clone(), value: self.expr(&argument.value, scope)? });
        let arguments = arguments.iter().map(argument).collect::<Result<_, _>>()?;
        Ok(Expr { kind: ExprKind::Call { name: name.to_owned(), arguments }, span })
    }

    fn side(&self, expr: &Expr, scope: &Scope<'a>) -> Result<Side<'a>, ODataError> {
        let ExprKind::Path(steps) = &expr.kind else { return Ok(Side::Other) };
        let path = self.path(steps, scope)?;
        Ok(match path.end {
            End::Plain => Side::Other,
            End::Guid(guid, table) => Side::Guid(GuidPath { steps: path.steps, guid, table, span: expr.span }),
            End::Widened(widening) => Side::Widened(Expr { kind: ExprKind::Path(path.steps), span: expr.span }, widening, path.text),
        })
    }

    fn binary(&self, op: BinaryOperator, left: &Expr, right: &Expr, span: Span, scope: &Scope<'a>) -> Result<Expr, ODataError> {
        match (self.side(left, scope)?, self.side(right, scope)?) {
            (Side::Guid(path), Side::Other) => self.guid_test(&path, op, right),
            (Side::Other, Side::Guid(path)) => self.guid_test(&path, flipped(op), left),
            (Side::Guid(path), _) | (_, Side::Guid(path)) => Err(self.guid_misused(&path)),
            (Side::Widened(path, widening, text), Side::Other) => self.widened_test(op, path, (&widening, &text), right, span, scope),
            (Side::Other, Side::Widened(path, widening, text)) if op != BinaryOperator::In => {
                self.widened_test(flipped(op), path, (&widening, &text), left, span, scope)
            }
            (Side::Widened(own, a, _), Side::Widened(other, b, _)) if alike(&a, &b) => Ok(compared(op, own, other, span)),
            _ => Ok(compared(op, self.expr(left, scope)?, self.expr(right, scope)?, span)),
        }
    }

    /// `widened property op other`.
    fn widened_test(
        &self,
        op: BinaryOperator,
        path: Expr,
        (widening, text): (&Widening, &str),
        other: &Expr,
        span: Span,
        scope: &Scope<'a>,
    ) -> Result<Expr, ODataError> {
        use BinaryOperator as B;
        let test = matches!(op, B::Eq | B::Ne | B::Lt | B::Le | B::Gt | B::Ge);
        match (widening, op, &other.kind) {
            (Widening::Number(_), ..) => Ok(compared(op, path, self.expr(other, scope)?, span)),
            (Widening::DateToInstant, B::In, ExprKind::List(items)) => self.dates_in(path, items, span),
            (Widening::Enumeration(enumeration), B::In, ExprKind::List(items)) => {
                let items = items.iter().map(|item| self.member(enumeration, item)).collect::<Result<Vec<_>, _>>()?;
                Ok(among(path, items.into_iter().flatten().collect(), span))
            }
            (Widening::TimeToText, B::In, ExprKind::List(_)) => Ok(compared(op, path, other.clone(), span)),
            _ if !test => Err(self.not_built(span, format!("'{op}' over '{text}' in a service for Dataverse"))),
            (Widening::DateToInstant, ..) => {
                match self.literal_behind(other).map(|literal| (literal, on_date(op, literal))) {
                    Some((_, Some(OnDate::Compare(op, date)))) => {
                        Ok(compared(op, path, literal(Literal { kind: LiteralKind::Date, text: date }, other.span), span))
                    }
                    Some((_, Some(OnDate::Always(value)))) => Ok(boolean(value, span)),
                    // Dates, null, and what the binder refuses.
                    Some((known, None)) => Ok(compared(op, path, literal(known.clone(), other.span), span)),
                    None => Err(self
                        .not_built(span, format!("a comparison of '{text}' with anything but a date and time in a service for Dataverse"))),
                }
            }
            (Widening::Enumeration(enumeration), B::Eq | B::Ne, _) => Ok(match self.member(enumeration, other)? {
                Some(member) => compared(op, path, member, span),
                None => boolean(op == B::Ne, span),
            }),
            (Widening::TimeToText, ..) if self.literal_behind(other).is_some() => Ok(compared(op, path, other.clone(), span)),
            (Widening::Enumeration(_) | Widening::TimeToText, ..) => {
                Err(self.not_built(span, format!("this comparison of '{text}' in a service for Dataverse")))
            }
        }
    }

    /// Only the first instants of days are among dates.
    fn dates_in(&self, path: Expr, items: &[Expr], span: Span) -> Result<Expr, ODataError> {
        let mut kept = Vec::with_capacity(items.len());
        for item in items {
            let Some(known) = self.literal_behind(item) else {
                return Err(self.not_built(item.span, "anything but a literal in a list of dates in a service for Dataverse"));
            };
            match first_instant(known) {
                Some(Ok(text)) => kept.push(literal(Literal { kind: LiteralKind::Date, text }, item.span)),
                Some(Err(())) => {}
                None => kept.push(literal(known.clone(), item.span)),
            }
        }
        Ok(among(path, kept, span))
    }

    /// The member with a number, as a literal of the enumeration; `None` for a number that no value has. Flags have sums of numbers too,
    /// which stay.
    fn member(&self, enumeration: &Enumeration, expr: &Expr) -> Result<Option<Expr>, ODataError> {
        let Some(known) = self.literal_behind(expr) else {
            return Err(self.not_built(expr.span, "a comparison of a choice with anything but a literal in a service for Dataverse"));
        };
        let number = known.text.parse::<i64>().ok().filter(|_| known.kind == LiteralKind::Integer);
        let Some(number) = number else { return Ok(Some(literal(known.clone(), expr.span))) };
        let member = enumeration.members.iter().find(|member| member.value == number);
        let text = |member: &EnumerationMember| Literal { kind: LiteralKind::Text, text: member.name.clone() };
        let known = member.map(text).or_else(|| enumeration.flags.then(|| known.clone()));
        Ok(known.map(|known| literal(known, expr.span)))
    }
}

/// Whether a value is in a list, which may be empty.
fn among(path: Expr, items: Vec<Expr>, span: Span) -> Expr {
    if items.is_empty() {
        return boolean(false, span);
    }
    compared(BinaryOperator::In, path, Expr { kind: ExprKind::List(items), span }, span)
}

fn compared(op: BinaryOperator, left: Expr, right: Expr, span: Span) -> Expr {
    Expr { kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, span }
}

/// Whether values that are widened in these ways are of one type before, too.
fn alike(a: &Widening, b: &Widening) -> bool {
    match (a, b) {
        (Widening::Enumeration(a), Widening::Enumeration(b)) => a.name == b.name,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// The operator with its sides exchanged.
fn flipped(op: BinaryOperator) -> BinaryOperator {
    use BinaryOperator as B;
    match op {
        B::Gt => B::Lt,
        B::Ge => B::Le,
        B::Lt => B::Gt,
        B::Le => B::Ge,
        B::Has | B::In | B::Mul | B::DivBy | B::Div | B::Mod | B::Add | B::Sub | B::Eq | B::Ne => op,
    }
}
