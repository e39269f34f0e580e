//! Tests of GUID properties, said of the columns that they stand for.

use super::expression::{Translator, boolean, literal};
use super::key_of;
use super::path::{native_path, steps_of};
use crate::error::ODataError;
use crate::guid_key::{KeyGuid, conform};
use crate::json::value_text;
use crate::syntax::{BinaryOperator, Expr, ExprKind, Literal, LiteralKind, LogicalOperator, PathStep, Span, UnaryOperator};
use portico_catalog::TableView;
use portico_catalog::profile::GuidProperty;
use portico_provider_api::Value;

/// A GUID property in an expression.
pub(super) struct GuidPath<'a> {
    /// The steps to the table that has it.
    pub(super) steps: Vec<PathStep>,
    pub(super) guid: &'a GuidProperty,
    pub(super) table: &'a TableView,
    pub(super) span: Span,
}

impl GuidPath<'_> {
    /// Paths of the columns that it stands for, in key order.
    pub(super) fn columns(&self) -> Vec<Expr> {
        let path = |column: &usize| {
            let names = native_path(&self.table.table, *column);
            let steps = self.steps.iter().cloned().chain(steps_of(names, self.span)).collect();
            Expr { kind: ExprKind::Path(steps), span: self.span }
        };
        self.guid.columns.iter().map(path).collect()
    }

    fn compare(&self, op: BinaryOperator, column: Expr, value: ExprKind) -> Expr {
        let right = Expr { kind: value, span: self.span };
        Expr { kind: ExprKind::Binary { op, left: Box::new(column), right: Box::new(right) }, span: self.span }
    }

    fn joined(&self, op: LogicalOperator, mut operands: Vec<Expr>) -> Expr {
        match operands.len() {
            0 => boolean(op == LogicalOperator::And, self.span),
            1 => operands.swap_remove(0),
            _ => Expr { kind: ExprKind::Logical { op, operands }, span: self.span },
        }
    }

    /// Whether it is null: any of its columns is.
    fn null_test(&self) -> Expr {
        let null = || ExprKind::Literal(Literal { kind: LiteralKind::Null, text: "null".to_owned() });
        let tests = self.columns().into_iter().map(|column| self.compare(BinaryOperator::Eq, column, null()));
        self.joined(LogicalOperator::Or, tests.collect())
    }

    /// The values as the columns hold them; `None` when a column cannot hold its value, so that no row has it.
    fn held(&self, key: &[Value]) -> Option<Vec<Value>> {
        let columns = self.guid.columns.iter().filter_map(|index| self.table.table.columns.get(*index));
        columns.zip(key).map(|(column, value)| conform(value, column.scalar_type)).collect()
    }

    /// Whether it is the GUID of a key.
    fn equality(&self, key: Option<Vec<Value>>) -> Expr {
        let Some(values) = key.and_then(|key| self.held(&key)) else { return boolean(false, self.span) };
        let tests = self.columns().into_iter().zip(&values);
        let tests = tests.map(|(column, value)| self.compare(BinaryOperator::Eq, column, ExprKind::Literal(literal_of(value))));
        self.joined(LogicalOperator::And, tests.collect())
    }
}

/// A value as a literal that is read as the same value.
pub(super) fn literal_of(value: &Value) -> Literal {
    let kind = match value {
        Value::Null(_) => LiteralKind::Null,
        Value::Boolean(_) => LiteralKind::Boolean,
        Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => LiteralKind::Integer,
        Value::Float32(value) | Value::Float64(value) if !value.0.is_finite() => LiteralKind::NotFinite,
        Value::Float32(_) | Value::Float64(_) | Value::Decimal { .. } => LiteralKind::Decimal,
        Value::Text(_) | Value::Json(_) => LiteralKind::Text,
        Value::Binary(_) => LiteralKind::Binary,
        Value::Date(_) => LiteralKind::Date,
        Value::Time(_) => LiteralKind::TimeOfDay,
        Value::Timestamp(_) | Value::TimestampTz(_) => LiteralKind::DateTimeOffset,
        Value::Guid(_) => LiteralKind::Guid,
    };
    Literal { kind, text: String::from_utf8_lossy(&value_text(value)).into_owned() }
}

fn negated(expr: Expr) -> Expr {
    let span = expr.span;
    Expr { kind: ExprKind::Unary { op: UnaryOperator::Not, operand: Box::new(expr) }, span }
}

/// What a GUID property is compared with.
enum Candidate {
    Null,
    Guid(Option<Vec<Value>>),
}

impl Translator<'_> {
    /// `property op other`.
    pub(super) fn guid_test(&self, path: &GuidPath<'_>, op: BinaryOperator, other: &Expr) -> Result<Expr, ODataError> {
        match op {
            BinaryOperator::Eq | BinaryOperator::Ne => {
                let test = match self.candidate(path, other)? {
                    Candidate::Null => path.null_test(),
                    Candidate::Guid(key) => path.equality(key),
                };
                Ok(if op == BinaryOperator::Ne { negated(test) } else { test })
            }
            BinaryOperator::In => {
                let ExprKind::List(list) = &other.kind else { return Err(self.guid_misused(path)) };
                let mut keys = Vec::with_capacity(list.len());
                let mut tests = Vec::new();
                for item in list {
                    match self.candidate(path, item)? {
                        Candidate::Null => tests.push(path.null_test()),
                        Candidate::Guid(key) => keys.extend(key.and_then(|key| path.held(&key))),
                    }
                }
                tests.extend(self.one_of(path, keys));
                Ok(path.joined(LogicalOperator::Or, tests))
            }
            _ => Err(self.guid_misused(path)),
        }
    }

    /// One list where the key is one column, an alternative per key otherwise.
    fn one_of(&self, path: &GuidPath<'_>, keys: Vec<Vec<Value>>) -> Vec<Expr> {
        let mut columns = path.columns();
        match (columns.pop(), columns.is_empty()) {
            (Some(column), true) if !keys.is_empty() => {
                let items = keys.iter().flatten().map(|value| literal(literal_of(value), path.span)).collect();
                vec![path.compare(BinaryOperator::In, column, ExprKind::List(items))]
            }
            _ => keys.into_iter().map(|key| path.equality(Some(key))).collect(),
        }
    }

    fn candidate(&self, path: &GuidPath<'_>, other: &Expr) -> Result<Candidate, ODataError> {
        let literal = match self.literal_behind(other) {
            Some(literal) => literal,
            // An alias without a definition is null.
            None if matches!(&other.kind, ExprKind::Alias(name) if !self.aliases.iter().any(|alias| alias.name == *name)) => {
                return Ok(Candidate::Null);
            }
            None => return Err(self.guid_misused(path)),
        };
        match literal.kind {
            LiteralKind::Null => Ok(Candidate::Null),
            LiteralKind::Guid | LiteralKind::Text if KeyGuid::parse(&literal.text).is_some() => {
                Ok(Candidate::Guid(key_of(path.guid, &literal.text, self.remembered)))
            }
            _ => Err(self.wrong(other.span, format!("'{}' is of type Edm.Guid: compare it with a GUID or null", path.guid.name))),
        }
    }

    pub(super) fn guid_misused(&self, path: &GuidPath<'_>) -> ODataError {
        let what = "it stands for a key, and can be compared with a GUID or null by eq, ne and in, selected and sorted by; anything else";
        self.not_built(path.span, format!("this use of '{}' ({what})", path.guid.name))
    }
}
