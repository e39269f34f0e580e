//! The statements of an action: INSERT, UPDATE and DELETE of single rows are taken apart into the values that they write and the keys that
//! they write them to. The values are planned as a SELECT, which is read like any other; the writing itself is never planned. It must not
//! know how values become changes at a source.

use crate::error::EngineError;
use crate::plan::names::Names;
use crate::plan::sql::{plan_parsed, statement_with};
use crate::policy::TableRights;
use datafusion::common::{ScalarValue, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{self, BinaryOperator, Ident, ObjectName, SetExpr, Visit, Visitor};
use portico_catalog::overlay::{Mutability, ReturnKind};
use portico_catalog::{Column, Operation, Origin, VirtualTable, names::nearest};
use portico_provider_api::Value;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What a statement does to one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Insert,
    Update,
    Delete,
}

impl Verb {
    /// Its name, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verb::Insert => "insert",
            Verb::Update => "update",
            Verb::Delete => "delete",
        }
    }
}

/// One row that is written.
pub(crate) struct RowWrite {
    pub verb: Verb,
    pub rights: Arc<TableRights>,
    /// Positions of the columns that are given values; of the key, in key order, where the row is found by it; of those that the values
    /// are made of, which must not change meanwhile.
    pub columns: Vec<usize>,
    pub key: Vec<usize>,
    pub used: Vec<usize>,
    /// One row with the values of all of these, in this order and of their types.
    pub values: LogicalPlan,
    /// Whether the values come from the row itself, or from any other table.
    pub reads: bool,
}

/// What an action does, and how it ends.
pub(crate) struct Steps {
    /// In order, with the number of the statement that each is of.
    pub writes: Vec<(usize, RowWrite)>,
    pub ending: Ending,
}

/// What an action returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing.
    Nothing,
    /// What the SELECT yields that is its last statement.
    Select,
    /// The entity that its last statement writes.
    Written,
    /// What the operation of a source returns that is called at its end.
    Called,
}

/// A failure, with the number of the statement that it is in.
pub(crate) type StepError = Box<(usize, EngineError)>;

/// Plans the statements of an action.
///
/// # Errors
/// `Syntax`, `UnknownName`, `Invalid`, `Unsupported`.
pub(crate) fn steps(
    session: &SessionState,
    names: &Names<'_>,
    operation: &Operation,
    arguments: &[(String, Value)],
) -> Result<Steps, StepError> {
    let statements = operation.statements();
    let mut writes: Vec<(usize, RowWrite)> = Vec::new();
    let mut selected = false;
    for (number, text) in statements.iter().enumerate() {
        let at = |error| Box::new((number, error));
        let (statement, values) = statement_with(text, arguments).map_err(at)?;
        if matches!(statement, ast::Statement::Query(_)) {
            if operation.of_source().is_some() {
                let message = "a SELECT has no place before an operation of a source: what that returns is the result";
                return Err(at(EngineError::Invalid(message.to_owned())));
            }
            if number + 1 < statements.len() || operation.returns.is_none() {
                let message = "a SELECT is the last statement, of an action that returns something";
                return Err(at(EngineError::Invalid(message.to_owned())));
            }
            selected = true;
            continue;
        }
        let planner = Planner { session, names, values: &values };
        writes.extend(planner.statement(statement).map_err(at)?.into_iter().map(|write| (number, write)));
    }
    let last = statements.len().saturating_sub(1);
    let written = || {
        let returns = operation.returns.as_ref()?;
        let ReturnKind::Entity { table } = &returns.kind else { return None };
        let mut rows = writes.iter().filter(|(number, _)| *number == last);
        let (Some((_, only)), None) = (rows.next(), rows.next()) else { return None };
        (!returns.many && only.verb != Verb::Delete && only.rights.table.name == *table).then_some(Ending::Written)
    };
    let ending = match (&operation.returns, selected) {
        (None, _) => Ending::Nothing,
        (Some(_), _) if operation.of_source().is_some() => Ending::Called,
        (Some(_), true) => Ending::Select,
        (Some(_), false) => written().ok_or_else(|| {
            let message = "what it returns is the SELECT at its end, or the one entity that its last statement inserts or updates";
            Box::new((last, EngineError::Invalid(message.to_owned())))
        })?,
    };
    Ok(Steps { writes, ending })
}

struct Planner<'a> {
    session: &'a SessionState,
    names: &'a Names<'a>,
    values: &'a [ScalarValue],
}

impl Planner<'_> {
    fn statement(&self, statement: ast::Statement) -> Result<Vec<RowWrite>, EngineError> {
        match statement {
            ast::Statement::Insert(insert) => self.insert(&insert),
            ast::Statement::Update(update) => self.update(&update).map(|write| vec![write]),
            ast::Statement::Delete(delete) => self.delete(&delete).map(|write| vec![write]),
            _ => Err(EngineError::Unsupported("an action is INSERT, UPDATE and DELETE, and a SELECT at the end".to_owned())),
        }
    }

    fn insert(&self, insert: &ast::Insert) -> Result<Vec<RowWrite>, EngineError> {
        let form = || EngineError::Unsupported("an INSERT of an action is INSERT INTO table (columns) VALUES (…)".to_owned());
        let (ast::TableObject::TableName(name), Some(source)) = (&insert.table, &insert.source) else { return Err(form()) };
        let SetExpr::Values(given) = source.body.as_ref() else { return Err(form()) };
        let listed = insert.columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        // Whatever else it says would show in its text.
        if insert.columns.is_empty() || insert.to_string() != format!("INSERT INTO {name} ({listed}) {given}") {
            return Err(form());
        }
        let rights = self.table(name)?;
        let columns = insert.columns.iter().map(|name| column(&rights.table, only(name)?)).collect::<Result<Vec<_>, _>>()?;
        refuse_twice(&rights.table, &columns)?;
        check_given(&rights.table, &columns, Verb::Insert)?;
        let rows = given.rows.iter().map(|row| {
            let row: &Vec<ast::Expr> = row;
            if row.len() != columns.len() {
                let message = format!("{} columns are named, but {} values are given", columns.len(), row.len());
                return Err(EngineError::Invalid(message));
            }
            let (values, reads) =
                self.plan(None, &rights.table, row.iter().zip(&columns).map(|(value, column)| (value.clone(), *column)))?;
            let (rights, columns) = (Arc::clone(&rights), columns.clone());
            Ok(RowWrite { verb: Verb::Insert, rights, columns, key: Vec::new(), used: Vec::new(), values, reads })
        });
        rows.collect()
    }

    fn update(&self, update: &ast::Update) -> Result<RowWrite, EngineError> {
        let form = || EngineError::Unsupported("an UPDATE of an action is UPDATE table SET column = value WHERE key = value".to_owned());
        let assignments = update.assignments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let Some(selection) = &update.selection else { return Err(every_row()) };
        if update.to_string() != format!("UPDATE {} SET {assignments} WHERE {selection}", update.table) {
            return Err(form());
        }
        let rights = self.table(only_table(&update.table).ok_or_else(form)?)?;
        let table = Arc::clone(&rights.table);
        let mut given = Vec::with_capacity(update.assignments.len());
        for assignment in &update.assignments {
            let ast::AssignmentTarget::ColumnName(name) = &assignment.target else { return Err(form()) };
            given.push((assignment.value.clone(), column(&table, only(name)?)?));
        }
        let columns: Vec<usize> = given.iter().map(|(_, column)| *column).collect();
        refuse_twice(&table, &columns)?;
        check_given(&table, &columns, Verb::Update)?;
        let key = key_values(&table, selection)?;
        let used = used_columns(&rights, given.iter().map(|(value, _)| value))?;
        let own = used.iter().filter_map(|index| Some((ast::Expr::Identifier(quoted(&table.columns.get(*index)?.name)), *index)));
        let from = (!used.is_empty()).then_some(selection);
        let all = given.iter().cloned().chain(key.clone()).chain(own);
        let (values, reads) = self.plan(from, &table, all)?;
        let key = key.into_iter().map(|(_, column)| column).collect();
        Ok(RowWrite { verb: Verb::Update, rights, columns, key, reads: reads || !used.is_empty(), used, values })
    }

    fn delete(&self, delete: &ast::Delete) -> Result<RowWrite, EngineError> {
        let form = || EngineError::Unsupported("a DELETE of an action is DELETE FROM table WHERE key = value".to_owned());
        let Some(selection) = &delete.selection else { return Err(every_row()) };
        let ast::FromTable::WithFromKeyword(from) = &delete.from else { return Err(form()) };
        let [from] = from.as_slice() else { return Err(form()) };
        if delete.to_string() != format!("DELETE FROM {from} WHERE {selection}") {
            return Err(form());
        }
        let rights = self.table(only_table(from).ok_or_else(form)?)?;
        let key = key_values(&rights.table, selection)?;
        let (values, reads) = self.plan(None, &rights.table, key.iter().cloned())?;
        let key = key.into_iter().map(|(_, column)| column).collect();
        Ok(RowWrite { verb: Verb::Delete, rights, columns: Vec::new(), key, used: Vec::new(), values, reads })
    }

    fn table(&self, name: &ObjectName) -> Result<Arc<TableRights>, EngineError> {
        let rights = self.names.table(only(name)?)?;
        match &rights.table.origin {
            Origin::Single { .. } => Ok(Arc::clone(rights)),
            Origin::Query { .. } => Err(EngineError::Unsupported(format!("'{}' is a view and cannot be written to", rights.table.name))),
        }
    }

    /// A SELECT of values for columns of a table, each of its column's type; from the row that a condition finds, where there is one. Also
    /// whether a table is read for them.
    fn plan(
        &self,
        from: Option<&ast::Expr>,
        table: &VirtualTable,
        values: impl Iterator<Item = (ast::Expr, usize)>,
    ) -> Result<(LogicalPlan, bool), EngineError> {
        let (values, columns): (Vec<ast::Expr>, Vec<usize>) = values.unzip();
        let reads = values.iter().any(|value| names_in(table, value).queries > 0);
        let text = from.map_or_else(|| "SELECT 1".to_owned(), |_| format!("SELECT 1 FROM {}", quoted(&table.name)));
        let (ast::Statement::Query(mut query), _) = statement_with(&text, &[])? else { return Err(unplanned()) };
        let SetExpr::Select(select) = query.body.as_mut() else { return Err(unplanned()) };
        select.selection = from.cloned();
        select.projection = values
            .into_iter()
            .enumerate()
            .map(|(number, expr)| ast::SelectItem::ExprWithAlias { expr, alias: quoted(&format!("@value{number}")) })
            .collect();
        let plan = plan_parsed(self.session, self.names, *query, self.values)?;
        let schema = Arc::clone(plan.schema());
        let mut output = Vec::with_capacity(columns.len());
        for (position, index) in columns.iter().enumerate() {
            let column = table.columns.get(*index).ok_or_else(unplanned)?;
            let (qualifier, field) = schema.qualified_field(position);
            super::functions::fits(field.data_type(), column).map_err(|why| {
                EngineError::Invalid(format!(
                    "the value for '{}' is {why}, which '{}' has as {}",
                    column.name, table.name, column.scalar_type
                ))
            })?;
            let value = Expr::Column(datafusion::common::Column::from((qualifier, field)));
            let value = value.cast_to(&column.scalar_type.arrow(), &schema)?;
            output.push(value.alias_qualified(None::<TableReference>, format!("@value{position}")));
        }
        Ok((LogicalPlanBuilder::from(plan).project(output)?.build()?, reads))
    }
}

fn unplanned() -> EngineError {
    EngineError::Internal("the values of an action were not planned".to_owned())
}

fn every_row() -> EngineError {
    EngineError::Unsupported("an action writes single rows: name the key in WHERE".to_owned())
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// A name of one part.
fn only(name: &ObjectName) -> Result<&str, EngineError> {
    match name.0.as_slice() {
        [ast::ObjectNamePart::Identifier(ident)] => Ok(&ident.value),
        _ => Err(EngineError::Unsupported(format!("'{name}': an action writes virtual tables, and names them and their columns alone"))),
    }
}

fn only_table(table: &ast::TableWithJoins) -> Option<&ObjectName> {
    match &table.relation {
        ast::TableFactor::Table { name, .. } if name.to_string() == table.to_string() => Some(name),
        _ => None,
    }
}

fn column(table: &VirtualTable, name: &str) -> Result<usize, EngineError> {
    table.column(name).ok_or_else(|| EngineError::UnknownName {
        message: format!("'{}' has no column '{name}'", table.name),
        suggestion: nearest(name, table.columns.iter().map(|column| column.name.as_str())).map(str::to_owned),
    })
}

fn refuse_twice(table: &VirtualTable, columns: &[usize]) -> Result<(), EngineError> {
    let twice = columns.iter().enumerate().find(|(number, column)| columns.iter().take(*number).any(|earlier| earlier == *column));
    match twice.and_then(|(_, column)| table.columns.get(*column)) {
        Some(column) => Err(EngineError::Invalid(format!("'{}' is given twice", column.name))),
        None => Ok(()),
    }
}

/// Refuses columns whose values are not given by who writes.
fn check_given(table: &VirtualTable, columns: &[usize], verb: Verb) -> Result<(), EngineError> {
    for index in columns {
        let Some(Column { name, read_only, generated, mutability, .. }) = table.columns.get(*index) else { continue };
        let update = verb == Verb::Update;
        let why = if *generated || *mutability == Mutability::Computed {
            "is made by the source"
        } else if *read_only {
            "is read-only"
        } else if update && table.key.contains(index) {
            "is part of the key"
        } else if update && *mutability == Mutability::Immutable {
            "is given once, when the row is made"
        } else {
            continue;
        };
        return Err(EngineError::Invalid(format!("'{name}' of '{}' {why} and cannot be written", table.name)));
    }
    Ok(())
}

/// The values that a condition gives the columns of the key, in key order; it says nothing else.
fn key_values(table: &VirtualTable, condition: &ast::Expr) -> Result<Vec<(ast::Expr, usize)>, EngineError> {
    let names = || {
        let key = table.key.iter().filter_map(|index| table.columns.get(*index));
        key.map(|column| format!("{} = …", column.name)).collect::<Vec<_>>().join(" AND ")
    };
    let form = || EngineError::Unsupported(format!("an action writes single rows of '{}' by key: WHERE {}", table.name, names()));
    let mut found: Vec<(ast::Expr, usize)> = Vec::new();
    for part in conjuncts(condition) {
        let ast::Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = part else { return Err(form()) };
        let own = |side: &ast::Expr| own_column(table, side).filter(|index| table.key.contains(index));
        let (index, value) = match (own(left), own(right)) {
            (Some(index), None) => (index, right),
            (None, Some(index)) => (index, left),
            _ => return Err(form()),
        };
        if found.iter().any(|(_, known)| *known == index) {
            return Err(form());
        }
        found.push((value.as_ref().clone(), index));
    }
    let key: Option<Vec<_>> = table.key.iter().map(|index| found.iter().find(|(_, known)| known == index).cloned()).collect();
    key.filter(|key| !key.is_empty()).ok_or_else(form)
}

fn conjuncts(condition: &ast::Expr) -> Vec<&ast::Expr> {
    match condition {
        ast::Expr::Nested(inner) => conjuncts(inner),
        ast::Expr::BinaryOp { left, op: BinaryOperator::And, right } => conjuncts(left).into_iter().chain(conjuncts(right)).collect(),
        other => vec![other],
    }
}

/// The column of a table that an expression is.
fn own_column(table: &VirtualTable, expr: &ast::Expr) -> Option<usize> {
    match expr {
        ast::Expr::Identifier(name) => table.column(&name.value),
        ast::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [of, name] if of.value == table.name => table.column(&name.value),
            _ => None,
        },
        ast::Expr::Nested(inner) => own_column(table, inner),
        _ => None,
    }
}

/// What an expression names outside of sub-queries.
struct OwnNames<'a> {
    table: &'a VirtualTable,
    depth: usize,
    queries: usize,
    found: Vec<usize>,
}

impl Visitor for OwnNames<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &ast::Query) -> ControlFlow<()> {
        self.depth += 1;
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &ast::Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Some(index) = own_column(self.table, expr)
            && !self.found.contains(&index)
        {
            self.found.push(index);
        }
        ControlFlow::Continue(())
    }
}

fn names_in<'a>(table: &'a VirtualTable, expr: &ast::Expr) -> OwnNames<'a> {
    let mut names = OwnNames { table, depth: 0, queries: 0, found: Vec::new() };
    let _ = expr.visit(&mut names);
    names
}

/// The columns of the row that its new values are made of. What the caller sees otherwise than it is would be written back so.
fn used_columns<'e>(rights: &TableRights, values: impl Iterator<Item = &'e ast::Expr>) -> Result<Vec<usize>, EngineError> {
    let mut used: Vec<usize> = Vec::new();
    for value in values {
        used.extend(names_in(&rights.table, value).found);
    }
    used.sort_unstable();
    used.dedup();
    match used.iter().find(|index| !rights.columns.contains(index) || rights.is_treated(**index)) {
        Some(_) => Err(EngineError::Forbidden("it makes a value of a column that you may not see as it is".to_owned())),
        None => Ok(used),
    }
}
