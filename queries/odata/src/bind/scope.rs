//! Where names in an expression are looked up: the rows that it is evaluated over, the variables of the lambdas around it, `$it`, `$this`
//! and parameter aliases. It must not know operators.

use super::defined::Made;
use super::promote::Operand;
use crate::bound::BoundExpr;
use crate::error::ODataError;
use crate::syntax::{Alias, Expr, ExprKind, Span};
use crate::value_type::{RowType, ValueType};
use portico_catalog::{ModelView, TableView};
use portico_provider_api::Value;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

/// How often aliases that stand for more than a literal may be put in place of their names: aliases that name each other would make an
/// expression grow without bound.
const MAX_EXPANSIONS: usize = 200;

/// The operators and operands of one expression, at most. Whoever plans it recurses over it, and may put what is computed in the place
/// of its name: computed values that use each other twice would double with each.
const MAX_WEIGHT: usize = 5_000;

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
    /// What the outermost rows are, where `$apply` has made them.
    made: Option<Made<'a>>,
}

/// One kind of rows in scope.
#[derive(Clone)]
struct Frame<'a> {
    /// The variable of the lambda whose members they are.
    variable: Option<String>,
    rows: Arc<RowType>,
    /// The table whose entities they are.
    table: Option<&'a TableView>,
    /// The derived type that all of them are of.
    cast: Option<&'a str>,
    /// Whether they are rows of `$crossjoin`, whose properties are the sets and what is computed.
    joined: bool,
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
    /// The derived type that it is known to be of, which nobody needs to check.
    pub(super) known: Option<String>,
    /// The derived types that rows on the way here must be of; there is no row here where one is not.
    casts: Vec<Cast>,
}

/// A type cast in a path.
#[derive(Clone)]
struct Cast {
    /// How many steps lead to the row that is cast.
    steps: usize,
    /// The column that tells types apart.
    discriminator: usize,
    /// Its values that mean the type or one derived from it.
    values: Vec<Value>,
}

/// Where a path starts.
#[derive(Clone)]
pub(super) enum Start {
    /// A row in scope.
    Level(usize),
    /// A row named from the root of the service: virtual table and key.
    Root(String, Vec<Value>),
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
        let frame = Frame { variable: None, rows: Arc::new(rows.clone()), table, cast: None, joined: false };
        Scope {
            view,
            frames: vec![frame],
            here: 0,
            it: Some(0),
            aliases,
            target,
            expansions: Rc::new(Cell::new(MAX_EXPANSIONS)),
            made: None,
        }
    }

    /// Over the rows of `$crossjoin`: a set's name stands for its entity, as a variable does; without one there is only what is computed of
    /// the combinations, which `rows` has.
    pub(super) fn joined(
        view: &'a ModelView,
        sets: &[(String, &'a TableView)],
        rows: &RowType,
        aliases: &'a [Alias],
        target: &'a str,
    ) -> Scope<'a> {
        let mut scope = Scope::new(view, None, rows, aliases, target);
        scope.frames.iter_mut().for_each(|frame| frame.joined = true);
        for (name, table) in sets {
            scope = scope.inside(Some(name), table);
        }
        scope
    }

    /// The same where a set's name stands for its entity, which is one of those that each row was made of.
    pub(super) fn beside(self, sets: &[(String, &'a TableView)]) -> Scope<'a> {
        let entity = |(name, table): &(String, &'a TableView)| {
            let (variable, rows) = (Some(name.clone()), Arc::new(RowType::of_table(table)));
            Frame { variable, rows, table: Some(*table), cast: None, joined: false }
        };
        let frames = sets.iter().map(entity).chain(self.frames).collect();
        Scope { frames, here: self.here + sets.len(), it: None, ..self }
    }

    /// The same where all rows are of a derived type, if one is named.
    pub(super) fn of_type(mut self, cast: Option<&'a str>) -> Scope<'a> {
        if let Some(frame) = self.frames.last_mut() {
            frame.cast = cast;
        }
        self
    }

    /// The same where the rows are not those that the resource path leads to.
    pub(super) fn without_it(self) -> Scope<'a> {
        Scope { it: None, ..self }
    }

    /// The same over rows that `$apply` has made.
    pub(super) fn over(self, made: Made<'a>) -> Scope<'a> {
        Scope { made: Some(made), ..self }
    }

    /// What the rows are that names without prefix belong to, where `$apply` has made them, and how many levels out they are.
    pub(super) fn made(&self) -> Option<(&Made<'a>, usize)> {
        let made = self.made.as_ref().filter(|_| self.here == 0)?;
        Some((made, self.frames.len().checked_sub(1)?))
    }

    /// Inside a lambda over entities of a table: names without prefix keep their meaning.
    pub(super) fn inside(&self, variable: Option<&str>, table: &'a TableView) -> Scope<'a> {
        let mut inner = self.clone();
        let (variable, rows) = (variable.map(str::to_owned), Arc::new(RowType::of_table(table)));
        inner.frames.push(Frame { variable, rows, table: Some(table), cast: None, joined: false });
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
        let (rows, table, known) = (Arc::clone(&found.rows), found.table, found.cast.map(str::to_owned));
        Some(Row { known, ..Row::at(Start::Level(level), rows, table) })
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
        outermost && row.steps.is_empty() && self.frames.first().is_some_and(|frame| frame.joined)
    }

    /// The variable whose members have a property of that name, for a message.
    pub(super) fn variable_with(&self, name: &str) -> Option<&str> {
        let frame = self.frames.iter().rev().find(|frame| frame.variable.is_some() && frame.rows.position(&[name]).is_some())?;
        frame.variable.as_deref()
    }

    /// A predicate.
    pub(super) fn predicate(&self, expr: &Expr) -> Result<BoundExpr, ODataError> {
        let operand = self.operand(expr)?;
        let condition = self.boolean(operand, expr, &format!("{} expects a condition", self.target))?;
        self.check_weight(&condition, expr.span)?;
        Ok(condition)
    }

    /// Any value with its type; the type of `null` is boolean.
    pub(super) fn value(&self, expr: &Expr) -> Result<(BoundExpr, ValueType), ODataError> {
        let operand = self.operand(expr)?;
        self.check_weight(&operand.expr, expr.span)?;
        let value_type = operand.value_type.unwrap_or(ValueType::Scalar(portico_provider_api::ScalarType::Boolean));
        Ok((operand.expr, value_type))
    }

    fn check_weight(&self, expr: &BoundExpr, span: Span) -> Result<(), ODataError> {
        match self.weight(expr, 0) {
            weight if weight > MAX_WEIGHT => {
                Err(self
                    .wrong(span, format!("the expression is too large: it has {weight} operators and operands, of {MAX_WEIGHT} at most")))
            }
            _ => Ok(()),
        }
    }

    /// Operators and operands of an expression, with what is computed counted in full wherever it is named.
    pub(super) fn weight(&self, expr: &BoundExpr, depth: usize) -> usize {
        let own = match expr {
            BoundExpr::Column(index) => self.weight_of(depth, depth, *index),
            BoundExpr::Path { level, steps, column } if steps.is_empty() => self.weight_of(*level, depth, *column),
            BoundExpr::In { list, .. } => 1 + list.len() / 10,
            _ => 1,
        };
        let below = expr.children().into_iter().map(|child| self.weight(child, depth));
        let within = expr.inner().into_iter().map(|inner| self.weight(inner, depth + 1));
        below.chain(within).fold(own, usize::saturating_add)
    }

    /// The weight of a column of the rows some levels out, seen from inside as many lambdas as `depth` says.
    fn weight_of(&self, level: usize, depth: usize, column: usize) -> usize {
        let frame = level.checked_sub(depth).and_then(|level| self.frames.len().checked_sub(level + 1)).and_then(|at| self.frames.get(at));
        frame.and_then(|frame| frame.rows.columns.get(column)).map_or(1, |column| column.weight)
    }

    /// What a value is sorted by: members of an enumeration by their numbers.
    pub(super) fn order(&self, expr: BoundExpr, value_type: &ValueType) -> BoundExpr {
        match value_type {
            ValueType::Enumeration(enumeration, _) => super::promote::member_number(expr, enumeration),
            ValueType::Scalar(_) | ValueType::Duration | ValueType::Spatial(_) => expr,
        }
    }

    /// Whether a name is that of a function of the service, qualified where it is bound.
    pub(super) fn is_own_function(&self, name: &str) -> bool {
        let (namespace, short) = name.rsplit_once('.').unwrap_or(("", name));
        let own = namespace.is_empty() || namespace == crate::metadata::namespace(self.view);
        own && self.view.operations.iter().any(|operation| !operation.action && operation.name == short)
    }

    /// Refuses a condition inside a lambda or count that names what its table does not offer for conditions.
    pub(super) fn offered(&self, condition: &BoundExpr, span: Span) -> Result<(), ODataError> {
        let frames: Vec<Option<&TableView>> = self.frames.iter().map(|frame| frame.table).collect();
        super::restrict::along(self.view, &frames, condition, super::restrict::Use::Filter)
            .map_err(|error| error.at(self.target, Some(span.start)))
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

impl<'a> Row<'a> {
    /// The row that a path starts from.
    pub(super) fn at(start: Start, rows: Arc<RowType>, table: Option<&'a TableView>) -> Row<'a> {
        Row { start, steps: Vec::new(), rows, table, derived: None, known: None, casts: Vec::new() }
    }

    /// The row of a table that a to-one relationship leads to.
    pub(super) fn step(mut self, relationship: usize, table: &'a TableView) -> Row<'a> {
        self.casts.extend(self.cast());
        self.steps.push(relationship);
        Row { rows: Arc::new(RowType::of_table(table)), table: Some(table), derived: None, known: None, ..self }
    }

    /// A column of the row.
    pub(super) fn column(&self, column: usize) -> BoundExpr {
        let plain = self.reached(0, &self.steps, column);
        let Some((condition, known)) = self.is_of_type().zip(self.rows.columns.get(column)) else { return plain };
        BoundExpr::Case { branches: vec![(condition, plain)], scalar_type: known.value_type.scalar() }
    }

    /// A column of a row on the way here, named from `further` levels further in.
    fn reached(&self, further: usize, steps: &[usize], column: usize) -> BoundExpr {
        let steps = steps.to_vec();
        match &self.start {
            Start::Level(level) => match level + further {
                0 if steps.is_empty() => BoundExpr::Column(column),
                level => BoundExpr::Path { level, steps, column },
            },
            Start::Root(table, key) => BoundExpr::RootPath { table: table.clone(), key: key.clone(), steps, column },
        }
    }

    /// The condition that the row, and those on the way to it, are of the derived types that the path names; nothing when it names none.
    pub(super) fn is_of_type(&self) -> Option<BoundExpr> {
        self.is_of_type_from(0)
    }

    /// The same for members along a relationship of the row: one level further in.
    pub(super) fn is_of_type_from(&self, further: usize) -> Option<BoundExpr> {
        let casts = self.casts.iter().cloned().chain(self.cast());
        let conditions = casts.map(|cast| {
            let steps = self.steps.get(..cast.steps).unwrap_or_default();
            BoundExpr::In { expr: Box::new(self.reached(further, steps, cast.discriminator)), list: cast.values }
        });
        BoundExpr::all(conditions.collect())
    }

    /// The cast of the row itself.
    fn cast(&self) -> Option<Cast> {
        let derivation = self.table?.table.overlay.derivation.as_ref()?;
        let values = derivation.values(self.derived.as_deref()?);
        Some(Cast { steps: self.steps.len(), discriminator: derivation.discriminator, values })
    }

    /// The type that the row is seen as, where it is a derived one.
    pub(super) fn seen_as(&self) -> Option<&str> {
        self.derived.as_deref().or(self.known.as_deref())
    }

    /// What messages call it.
    pub(super) fn shown(&self) -> String {
        match self.table {
            Some(table) => format!("'{}'", table.name),
            None => "the rows here".to_owned(),
        }
    }
}
