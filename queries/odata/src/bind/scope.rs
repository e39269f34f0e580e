//! Where names in an expression are looked up: the rows that it is evaluated over, the variables of the lambdas around it, `$it`, `$this`
//! and parameter aliases. It must not know operators.

use super::promote::Operand;
use crate::bound::BoundExpr;
use crate::error::ODataError;
use crate::syntax::{Alias, Expr, ExprKind, Span};
use crate::value_type::{RowType, ValueType};
use portico_catalog::{ModelView, TableView};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

/// How often aliases that stand for more than a literal may be put in place of their names: aliases that name each other would make an
/// expression grow without bound.
const MAX_EXPANSIONS: usize = 200;

/// Where names of an expression are looked up.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    /// What the caller sees of the service: where relationships lead.
    pub(super) view: &'a ModelView,
    /// The rows that can be named, from the outermost in.
    frames: Vec<Frame<'a>>,
    /// The rows that a name without prefix belongs to.
    here: usize,
    /// The rows that `$it` is one of; nothing where they are out of reach.
    it: Option<usize>,
    pub(super) aliases: &'a [Alias],
    /// The option that the expression is in.
    pub(super) target: &'a str,
    expansions: Rc<Cell<usize>>,
}

/// One kind of rows in scope.
#[derive(Clone)]
struct Frame<'a> {
    /// The variable of the lambda whose members they are.
    variable: Option<String>,
    rows: Arc<RowType>,
    /// The table whose entities they are.
    table: Option<&'a TableView>,
}

/// A row that a path has reached.
#[derive(Clone)]
pub(super) struct Row<'a> {
    pub(super) start: Start,
    /// To-one relationships from there.
    pub(super) steps: Vec<usize>,
    pub(super) rows: Arc<RowType>,
    pub(super) table: Option<&'a TableView>,
    /// The derived type that the path says the row is of.
    pub(super) derived: Option<String>,
}

/// Where a path starts.
#[derive(Clone)]
pub(super) enum Start {
    /// A row in scope.
    Level(usize),
    /// A row named from the root of the service: virtual table and key.
    Root(String, Vec<portico_provider_api::Value>),
}

impl<'a> Scope<'a> {
    /// Over rows; `table` when they are its entities.
    pub(super) fn new(
        view: &'a ModelView,
        table: Option<&'a TableView>,
        rows: &RowType,
        aliases: &'a [Alias],
        target: &'a str,
    ) -> Scope<'a> {
        let frame = Frame { variable: None, rows: Arc::new(rows.clone()), table };
        Scope { view, frames: vec![frame], here: 0, it: Some(0), aliases, target, expansions: Rc::new(Cell::new(MAX_EXPANSIONS)) }
    }

    /// Over the rows of `$crossjoin`: a set's name stands for its entity, as a variable does; without one there is no property.
    pub(super) fn joined(view: &'a ModelView, sets: &[(String, &'a TableView)], aliases: &'a [Alias], target: &'a str) -> Scope<'a> {
        let mut scope = Scope::new(view, None, &RowType::default(), aliases, target);
        for (name, table) in sets {
            scope = scope.inside(Some(name), table);
        }
        scope
    }

    /// The same where the rows are not those that the resource path leads to.
    pub(super) fn without_it(self) -> Scope<'a> {
        Scope { it: None, ..self }
    }

    /// Inside a lambda over entities of a table: names without prefix keep their meaning.
    pub(super) fn inside(&self, variable: Option<&str>, table: &'a TableView) -> Scope<'a> {
        let mut inner = self.clone();
        inner.frames.push(Frame { variable: variable.map(str::to_owned), rows: Arc::new(RowType::of_table(table)), table: Some(table) });
        inner
    }

    /// Inside a condition over members, where names without prefix are theirs.
    pub(super) fn among(&self, table: &'a TableView) -> Scope<'a> {
        let mut inner = self.inside(None, table);
        inner.here = inner.frames.len() - 1;
        inner
    }

    fn row(&self, frame: usize) -> Option<Row<'a>> {
        let found = self.frames.get(frame)?;
        let level = self.frames.len().checked_sub(frame + 1)?;
        let (rows, table) = (Arc::clone(&found.rows), found.table);
        Some(Row { start: Start::Level(level), steps: Vec::new(), rows, table, derived: None })
    }

    /// The row that names without prefix belong to.
    pub(super) fn here(&self) -> Option<Row<'a>> {
        self.row(self.here)
    }

    /// The members that a lambda is over.
    pub(super) fn innermost(&self) -> Option<Row<'a>> {
        self.row(self.frames.len().checked_sub(1)?)
    }

    /// `$it`.
    pub(super) fn it(&self) -> Option<Row<'a>> {
        self.row(self.it?)
    }

    /// What a variable stands for; the innermost of that name.
    pub(super) fn variable(&self, name: &str) -> Option<Row<'a>> {
        let frame = self.frames.iter().rposition(|frame| frame.variable.as_deref() == Some(name))?;
        self.row(frame)
    }

    /// Whether a row is one of `$crossjoin`, whose properties are the sets.
    pub(super) fn is_joined(&self, row: &Row<'_>) -> bool {
        let outermost = self.frames.len().checked_sub(1).is_some_and(|level| matches!(row.start, Start::Level(at) if at == level));
        outermost && row.steps.is_empty() && row.table.is_none() && row.rows.columns.is_empty()
    }

    /// The variable whose members have a property of that name, for a message.
    pub(super) fn variable_with(&self, name: &str) -> Option<&str> {
        let frame = self.frames.iter().rev().find(|frame| frame.variable.is_some() && frame.rows.position(&[name]).is_some())?;
        frame.variable.as_deref()
    }

    /// A predicate.
    pub(super) fn predicate(&self, expr: &Expr) -> Result<BoundExpr, ODataError> {
        let operand = self.operand(expr)?;
        self.boolean(operand, expr, &format!("{} expects a condition", self.target))
    }

    /// Any value with its type; the type of `null` is boolean.
    pub(super) fn value(&self, expr: &Expr) -> Result<(BoundExpr, ValueType), ODataError> {
        let operand = self.operand(expr)?;
        let value_type = operand.value_type.unwrap_or(ValueType::Scalar(portico_provider_api::ScalarType::Boolean));
        Ok((operand.expr, value_type))
    }

    /// What a value is sorted by: members of an enumeration by their numbers.
    pub(super) fn order(&self, expr: BoundExpr, value_type: &ValueType) -> BoundExpr {
        match value_type {
            ValueType::Enumeration(enumeration, _) => super::promote::member_number(expr, enumeration),
            ValueType::Scalar(_) | ValueType::Duration | ValueType::Spatial(_) => expr,
        }
    }

    pub(super) fn wrong(&self, span: Span, message: impl Into<String>) -> ODataError {
        ODataError::bad_request(message).at(self.target, Some(span.start))
    }

    pub(super) fn not_built(&self, span: Span, feature: impl std::fmt::Display) -> ODataError {
        ODataError::not_implemented(feature).at(self.target, Some(span.start))
    }

    /// What a parameter alias stands for, and the scope that it is to be bound in. One that is not defined is null, as the specification
    /// has it.
    pub(super) fn alias(&self, name: &str, span: Span) -> Result<Option<(&'a Expr, Scope<'a>)>, ODataError> {
        let Some(alias) = self.aliases.iter().find(|alias| alias.name == name) else { return Ok(None) };
        if !matches!(alias.value.kind, ExprKind::Literal(_)) {
            let left = self.expansions.get().checked_sub(1);
            let left = left.ok_or_else(|| self.wrong(span, format!("the parameter alias {name} is used too often, or names itself")))?;
            self.expansions.set(left);
        }
        Ok(Some((&alias.value, Scope { target: &alias.name, ..self.clone() })))
    }

    /// An operand by alias.
    pub(super) fn aliased(&self, name: &str, span: Span) -> Result<Operand, ODataError> {
        match self.alias(name, span)? {
            Some((value, scope)) => scope.operand(value),
            None => Ok(Operand::null()),
        }
    }
}

impl Row<'_> {
    /// A column of the row.
    pub(super) fn column(&self, column: usize) -> BoundExpr {
        let plain = match &self.start {
            Start::Level(0) if self.steps.is_empty() => BoundExpr::Column(column),
            Start::Level(level) => BoundExpr::Path { level: *level, steps: self.steps.clone(), column },
            Start::Root(table, key) => BoundExpr::RootPath { table: table.clone(), key: key.clone(), steps: self.steps.clone(), column },
        };
        let Some((condition, known)) = self.is_of_type().zip(self.rows.columns.get(column)) else { return plain };
        BoundExpr::Case { branches: vec![(condition, plain)], scalar_type: known.value_type.scalar() }
    }

    /// The condition that the row is of the derived type that the path names; nothing when it names none.
    pub(super) fn is_of_type(&self) -> Option<BoundExpr> {
        let derivation = self.table?.table.overlay.derivation.as_ref()?;
        let values = derivation.values(self.derived.as_deref()?);
        let untyped = Row { derived: None, ..self.clone() };
        Some(BoundExpr::In { expr: Box::new(untyped.column(derivation.discriminator)), list: values })
    }

    /// What messages call it.
    pub(super) fn shown(&self) -> String {
        match self.table {
            Some(table) => format!("'{}'", table.name),
            None => "the rows here".to_owned(),
        }
    }
}
