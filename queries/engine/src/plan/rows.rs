//! Rows that OData expressions are evaluated over: a plan under construction, what each position of its row type is there, and the joins
//! that were added for what expressions reach beyond the rows — entities along to-one relationships, lambdas, counts. They must not know
//! which query option an expression belongs to.

use crate::error::EngineError;
use crate::plan::lower::Lowering;
use crate::plan::tables::VisibleTable;
use crate::policy::{Rights, TableRights};
use datafusion::common::{Column, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder, SortExpr, Subquery};
use portico_catalog::{Relationship, VirtualTable};
use portico_odata::{BoundExpr, BoundQuantifier, ComparisonOperator};
use portico_provider_api::Value;
use std::sync::Arc;
use std::time::SystemTime;

/// What evaluating needs besides the rows: one caller's rights, one instant.
#[derive(Clone, Copy)]
pub(crate) struct Evaluator<'a> {
    /// Where functions come from.
    pub session: &'a SessionState,
    /// What the caller may see: related rows are seen through it.
    pub rights: &'a Rights,
    /// The one instant that `now()` stands for.
    pub now: SystemTime,
}

/// Rows, and everything that is known of them.
#[derive(Clone)]
pub(crate) struct Rows {
    /// The plan that yields them. Joined columns come after the rows' own; whoever projects leaves them behind.
    pub builder: LogicalPlanBuilder,
    /// Innermost first: expressions say by level which rows they mean.
    pub(super) scopes: Vec<RowScope>,
    /// Lambdas, counts and single values from elsewhere that have been made columns or sub-queries.
    pub(super) known: Vec<(BoundExpr, Expr)>,
}

/// One kind of rows in scope.
#[derive(Clone)]
pub(crate) struct RowScope {
    /// The table whose entities they are; then relationships can be followed.
    pub table: Option<Arc<TableRights>>,
    /// What each position of the row type is; nothing for a column that the caller does not see.
    pub columns: Vec<Option<Expr>>,
    joined: Vec<Joined>,
    /// Whether they are no rows of their own, but hold what is computed of all others in scope.
    pub(super) is_outside: bool,
}

/// A row that was joined along to-one relationships.
#[derive(Clone)]
struct Joined {
    steps: Vec<usize>,
    table: Arc<TableRights>,
    columns: Vec<Option<Expr>>,
}

/// The far side of a relationship, as a plan of its own.
pub(super) struct Far {
    pub(super) builder: LogicalPlanBuilder,
    pub(super) table: Arc<TableRights>,
    pub(super) columns: Vec<Option<Expr>>,
    /// Expressions over the near row, and over the far plan, that are equal.
    pub(super) links: (Vec<Expr>, Vec<Expr>),
    /// Whether a near row has at most one far row, whatever the sources hold.
    pub(super) unique: bool,
}

impl RowScope {
    pub(super) fn new(table: Option<Arc<TableRights>>, columns: Vec<Option<Expr>>) -> RowScope {
        RowScope { table, columns, joined: Vec::new(), is_outside: false }
    }

    /// What is computed of all other rows in scope; nothing yet.
    pub(super) fn outside() -> RowScope {
        RowScope { is_outside: true, ..RowScope::new(None, Vec::new()) }
    }

    /// What a column of a row reached by these steps is.
    pub(super) fn column(&self, steps: &[usize], column: usize) -> Option<Expr> {
        let columns = match steps {
            [] => &self.columns,
            steps => &self.joined.iter().find(|joined| joined.steps == steps)?.columns,
        };
        columns.get(column).cloned().flatten()
    }

    fn reached(&self, steps: &[usize]) -> Option<(&Arc<TableRights>, &[Option<Expr>])> {
        match steps {
            [] => Some((self.table.as_ref()?, &self.columns)),
            steps => self.joined.iter().find(|joined| joined.steps == steps).map(|joined| (&joined.table, joined.columns.as_slice())),
        }
    }

    /// The same scope where every expression has been replaced.
    pub(super) fn mapped(&self, map: &dyn Fn(&Expr) -> Option<Expr>) -> RowScope {
        let columns = |columns: &[Option<Expr>]| columns.iter().map(|column| column.as_ref().and_then(map)).collect();
        let joined = |joined: &Joined| Joined { columns: columns(&joined.columns), ..joined.clone() };
        RowScope {
            table: self.table.clone(),
            columns: columns(&self.columns),
            joined: self.joined.iter().map(joined).collect(),
            is_outside: self.is_outside,
        }
    }
}

impl Evaluator<'_> {
    /// The caller's rights on a table.
    ///
    /// # Errors
    /// `UnknownName` when the caller has none.
    pub(crate) fn rights_on(&self, table: &str) -> Result<&Arc<TableRights>, EngineError> {
        // The binder saw only what the caller may see, so this names nothing new.
        let found = self.rights.tables.get(table);
        found.ok_or_else(|| EngineError::UnknownName { message: format!("there is no table '{table}'"), suggestion: None })
    }

    pub(super) fn scan(&self, rights: &Arc<TableRights>, name: &str, with_etag: bool) -> Result<LogicalPlanBuilder, EngineError> {
        let visible = Arc::new(VisibleTable::new(Arc::clone(rights), with_etag));
        Ok(LogicalPlanBuilder::scan(TableReference::bare(name), visible, None)?)
    }

    /// The far side of a relationship of a row whose columns are given; its plan's columns are under fresh names.
    pub(super) fn far(
        &self,
        near: (&TableRights, &[Option<Expr>]),
        relationship: usize,
        beside: &LogicalPlanBuilder,
    ) -> Result<Far, EngineError> {
        let relationship = relationship_of(&near.0.table, relationship)?;
        let table = Arc::clone(self.rights_on(&relationship.to)?);
        let name = fresh(&[beside]);
        let builder = self.scan(&table, &name, false)?;
        let columns = columns_of(&builder, &name, &table.table);
        let own = |index: usize| near.1.get(index).cloned().flatten().ok_or_else(hidden_link);
        let theirs = |index: usize| columns.get(index).cloned().flatten().ok_or_else(hidden_link);
        let Some(through) = &relationship.through else {
            let unique = !table.table.key.is_empty() && table.table.key.iter().all(|key| relationship.on.iter().any(|(_, far)| far == key));
            let links = (
                relationship.on.iter().map(|(near, _)| own(*near)).collect::<Result<_, _>>()?,
                relationship.on.iter().map(|(_, far)| theirs(*far)).collect::<Result<_, _>>()?,
            );
            return Ok(Far { builder, table, columns, links, unique });
        };
        let link_rights = self.rights_on(&through.table)?;
        let link_name = fresh(&[beside, &builder]);
        let link = self.scan(link_rights, &link_name, false)?;
        let link_columns = columns_of(&link, &link_name, &link_rights.table);
        let linked = |index: usize| link_columns.get(index).cloned().flatten().ok_or_else(hidden_link);
        let own_links = through.own.iter().map(|(_, link)| linked(*link)).collect::<Result<Vec<_>, _>>()?;
        let other_links = through.other.iter().map(|(link, _)| linked(*link)).collect::<Result<Vec<_>, _>>()?;
        // A pair that the link table holds twice is one pair.
        let pairs: Vec<Expr> = own_links.iter().chain(&other_links).cloned().collect();
        let link = link.project(pairs)?.distinct()?;
        let far_links = through.other.iter().map(|(_, far)| theirs(*far)).collect::<Result<Vec<_>, _>>()?;
        let builder = builder.join_with_expr_keys(link.build()?, JoinType::Inner, (far_links, other_links), None)?;
        let links = (through.own.iter().map(|(near, _)| own(*near)).collect::<Result<_, _>>()?, own_links);
        Ok(Far { builder, table, columns, links, unique: false })
    }
}

impl Rows {
    /// The rows of a table, as the caller sees them, under the table's own name.
    ///
    /// # Errors
    /// When the plan cannot be made.
    pub(crate) fn scan(evaluator: &Evaluator<'_>, rights: &Arc<TableRights>, with_etag: bool) -> Result<Rows, EngineError> {
        let name = rights.table.name.clone();
        let builder = evaluator.scan(rights, &name, with_etag)?;
        let columns = columns_of(&builder, &name, &rights.table);
        Ok(Rows::over(builder, Some(Arc::clone(rights)), columns))
    }

    /// Rows of any plan: `columns` says what each position of their row type is there, and `table` whose entities they are.
    pub(crate) fn over(builder: LogicalPlanBuilder, table: Option<Arc<TableRights>>, columns: Vec<Option<Expr>>) -> Rows {
        Rows { builder, scopes: vec![RowScope::new(table, columns)], known: Vec::new() }
    }

    /// What a position of the row type is in the plan.
    ///
    /// # Errors
    /// `Internal` when the caller does not see that column.
    pub(crate) fn column(&self, index: usize) -> Result<Expr, EngineError> {
        let column = self.scopes.first().and_then(|scope| scope.column(&[], index));
        column.ok_or_else(|| EngineError::Internal("a bound column is not in its rows".to_owned()))
    }

    /// Evaluates expressions that [`Rows::prepare`] has seen.
    pub(crate) fn lowering<'a>(&self, evaluator: &Evaluator<'a>) -> Lowering<'a> {
        Lowering {
            session: evaluator.session,
            scopes: self.scopes.clone(),
            known: self.known.clone(),
            schema: Arc::clone(self.builder.schema()),
            now: evaluator.now,
        }
    }

    /// Adds the joins that expressions need, once each. The rows stay the same in number, and their own columns where they were.
    ///
    /// # Errors
    /// `UnknownName`, `Unsupported`.
    pub(crate) fn prepare<'e>(
        mut self,
        evaluator: &Evaluator<'_>,
        expressions: impl IntoIterator<Item = &'e BoundExpr>,
    ) -> Result<Rows, EngineError> {
        for expression in expressions {
            self = self.reach(evaluator, expression, 0)?;
            self = self.collect(evaluator, expression)?;
        }
        Ok(self)
    }

    /// Adds a column after the others.
    ///
    /// # Errors
    /// As [`Rows::prepare`].
    pub(crate) fn compute(self, evaluator: &Evaluator<'_>, expression: &BoundExpr) -> Result<Rows, EngineError> {
        let mut rows = self.prepare(evaluator, [expression])?;
        let value = rows.lowering(evaluator).value(expression)?;
        rows.scopes.first_mut().ok_or_else(no_such_rows)?.columns.push(Some(value));
        Ok(rows)
    }

    /// Adds a column to the outermost rows, which are made of all others.
    ///
    /// # Errors
    /// As [`Rows::prepare`].
    pub(crate) fn compute_outside(self, evaluator: &Evaluator<'_>, expression: &BoundExpr) -> Result<Rows, EngineError> {
        let mut rows = self.prepare(evaluator, [expression])?;
        let value = rows.lowering(evaluator).value(expression)?;
        rows.scopes.last_mut().ok_or_else(no_such_rows)?.columns.push(Some(value));
        Ok(rows)
    }

    /// Keeps the rows of which a condition is true.
    ///
    /// # Errors
    /// As [`Rows::prepare`].
    pub(crate) fn filter(mut self, evaluator: &Evaluator<'_>, condition: &BoundExpr) -> Result<Rows, EngineError> {
        let conjuncts = conjuncts(condition);
        let (lambdas, plain): (Vec<_>, Vec<_>) = conjuncts.into_iter().partition(|conjunct| as_lambda(conjunct).is_some());
        self = self.prepare(evaluator, plain.iter().copied())?;
        let lowering = self.lowering(evaluator);
        let truths = plain.iter().map(|conjunct| lowering.truth(conjunct)).collect::<Result<Vec<_>, _>>()?;
        if let Some(all) = truths.into_iter().reduce(Expr::and) {
            self.builder = self.builder.filter(all)?;
        }
        for (lambda, negated) in lambdas.into_iter().filter_map(as_lambda) {
            self = self.reach(evaluator, lambda, 0)?;
            self = self.keep(evaluator, lambda, negated)?;
        }
        Ok(self)
    }

    /// Joins the rows that paths of an expression lead to from here, those inside lambdas and counts included.
    fn reach(mut self, evaluator: &Evaluator<'_>, expression: &BoundExpr, depth: usize) -> Result<Rows, EngineError> {
        let path = match expression {
            BoundExpr::Path { level, steps, .. } => Some((*level, steps.as_slice())),
            BoundExpr::Lambda { members, .. } | BoundExpr::Count(members) => super::members::origin(members),
            _ => None,
        };
        if let Some((level, steps)) = path
            && let Some(level) = level.checked_sub(depth)
        {
            self = self.follow(evaluator, level, steps)?;
        }
        for child in expression.children() {
            self = self.reach(evaluator, child, depth)?;
        }
        for inner in expression.inner() {
            self = self.reach(evaluator, inner, depth + 1)?;
        }
        Ok(self)
    }

    /// Joins the rows along to-one relationships.
    fn follow(mut self, evaluator: &Evaluator<'_>, level: usize, steps: &[usize]) -> Result<Rows, EngineError> {
        for length in 1..=steps.len() {
            let (Some(walked), Some(before), Some(step)) = (steps.get(..length), steps.get(..length - 1), steps.get(length - 1)) else {
                continue;
            };
            let scope = self.scopes.get(level).ok_or_else(no_such_rows)?;
            if scope.reached(walked).is_some() {
                continue;
            }
            let (table, columns) = scope.reached(before).ok_or_else(no_such_rows)?;
            let far = evaluator.far((table, columns), *step, &self.builder)?.single()?;
            let plan = far.builder.build()?;
            self.builder = self.builder.join_with_expr_keys(plan, JoinType::Left, far.links, None)?;
            let joined = Joined { steps: walked.to_vec(), table: far.table, columns: far.columns };
            self.scopes.get_mut(level).ok_or_else(no_such_rows)?.joined.push(joined);
        }
        Ok(self)
    }

    /// Makes columns of the lambdas, counts and values from elsewhere in an expression.
    fn collect(mut self, evaluator: &Evaluator<'_>, expression: &BoundExpr) -> Result<Rows, EngineError> {
        for child in expression.children() {
            self = self.collect(evaluator, child)?;
        }
        if self.known.iter().any(|(known, _)| known == expression) {
            return Ok(self);
        }
        match expression {
            BoundExpr::Lambda { .. } => self.mark(evaluator, expression),
            BoundExpr::Count(members) => self.count(evaluator, expression, members),
            BoundExpr::Node(test) => self.test_node(evaluator, expression, test),
            BoundExpr::RootPath { table, key, steps, column } => {
                let value = root_value(evaluator, table, key, steps, *column)?;
                self.known.push((expression.clone(), value));
                Ok(self)
            }
            _ => Ok(self),
        }
    }

    /// The near side of a relationship of a row in scope.
    pub(super) fn near(&self, level: usize, steps: &[usize]) -> Result<(Arc<TableRights>, Vec<Option<Expr>>), EngineError> {
        let scope = self.scopes.get(level).ok_or_else(no_such_rows)?;
        let (table, columns) = scope.reached(steps).ok_or_else(no_such_rows)?;
        Ok((Arc::clone(table), columns.to_vec()))
    }
}

impl Far {
    /// At most one far row for each near one: where nothing else says so, the first by its key.
    pub(super) fn single(mut self) -> Result<Far, EngineError> {
        if self.unique {
            return Ok(self);
        }
        let all: Vec<Expr> = self.builder.schema().columns().into_iter().map(Expr::Column).collect();
        let key = self.table.table.key.iter().filter_map(|index| self.columns.get(*index).cloned().flatten());
        let order = self.links.1.iter().cloned().chain(key).map(|column| SortExpr::new(column, true, true)).collect();
        self.builder = self.builder.distinct_on(self.links.1.clone(), all, Some(order))?;
        Ok(self)
    }
}

/// The value of a column of one row of a table, as a sub-query that depends on nothing.
fn root_value(evaluator: &Evaluator<'_>, table: &str, key: &[Value], steps: &[usize], column: usize) -> Result<Expr, EngineError> {
    let rights = Arc::clone(evaluator.rights_on(table)?);
    let equalities =
        rights.table.key.iter().zip(key).map(|(column, value)| {
            BoundExpr::compare(ComparisonOperator::Eq, BoundExpr::Column(*column), BoundExpr::Literal(value.clone()))
        });
    let mut rows = Rows::scan(evaluator, &rights, false)?;
    if let Some(condition) = BoundExpr::all(equalities.collect()) {
        rows = rows.filter(evaluator, &condition)?;
    }
    let path = BoundExpr::Path { level: 0, steps: steps.to_vec(), column };
    let rows = rows.prepare(evaluator, [&path])?;
    let value = rows.lowering(evaluator).value(&path)?;
    let plan = rows.builder.project(vec![value])?.build()?;
    Ok(scalar(plan))
}

/// The single value of a plan with one column and at most one row.
pub(super) fn scalar(plan: datafusion::logical_expr::LogicalPlan) -> Expr {
    Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns: Vec::new(), spans: Default::default() })
}

/// The conjuncts of a condition.
pub(super) fn conjuncts(condition: &BoundExpr) -> Vec<&BoundExpr> {
    match condition {
        BoundExpr::And(left, right) => conjuncts(left).into_iter().chain(conjuncts(right)).collect(),
        other => vec![other],
    }
}

/// A lambda, perhaps under `not`: itself, and whether it is negated.
fn as_lambda(expression: &BoundExpr) -> Option<(&BoundExpr, bool)> {
    match expression {
        BoundExpr::Lambda { quantifier: BoundQuantifier::Any | BoundQuantifier::All, .. } => Some((expression, false)),
        BoundExpr::Not(inner) => as_lambda(inner).map(|(lambda, negated)| (lambda, !negated)),
        _ => None,
    }
}

/// A table name that no column of these plans has. Published names are identifiers, so none begins so.
pub(super) fn fresh(beside: &[&LogicalPlanBuilder]) -> String {
    let qualifiers = beside.iter().flat_map(|builder| builder.schema().iter().filter_map(|(qualifier, _)| qualifier));
    let last = qualifiers.filter_map(|qualifier| qualifier.table().strip_prefix('@')?.parse::<usize>().ok()).max();
    format!("@{}", last.map_or(1, |last| last + 1))
}

/// What each column of a table is in a scan under a name; nothing for those that the caller does not see.
pub(super) fn columns_of(builder: &LogicalPlanBuilder, name: &str, table: &VirtualTable) -> Vec<Option<Expr>> {
    let column = |own: &portico_catalog::Column| {
        let column = Column::new(Some(TableReference::bare(name)), &own.name);
        builder.schema().has_column(&column).then_some(Expr::Column(column))
    };
    table.columns.iter().map(column).collect()
}

/// A relationship by position.
pub(crate) fn relationship_of(table: &VirtualTable, index: usize) -> Result<&Relationship, EngineError> {
    table.relationships.get(index).ok_or_else(|| EngineError::Internal("a bound relationship is not in its table".to_owned()))
}

fn hidden_link() -> EngineError {
    EngineError::Internal("a relationship over a column that the caller does not see was bound".to_owned())
}

fn no_such_rows() -> EngineError {
    EngineError::Internal("a bound path does not start from rows in scope".to_owned())
}
