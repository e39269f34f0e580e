//! What is in scope of an expression: the columns of a relation, each with the restrictions of the table column that it is, through
//! joins, nested blocks and group keys. It judges no expression.

use crate::capabilities::{Capabilities, Collation, Requirement, Support, TableCapabilities};
use crate::expr::Expr;
use crate::query::{Relation, SourceQuery, TableColumn, TableRelation};
use std::borrow::Cow;

/// The greatest support of what is done with one column, and how its text compares.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnRule {
    pub(super) filter: Support,
    pub(super) sort: Support,
    /// Whether it is one of the keys that its table requires: then it is one whatever can be asked of it besides.
    pub(super) key: bool,
    collation: Collation,
}

/// The greatest support of what is done with rows of a relation: the least of its tables'.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowRule {
    pub(super) filter: Support,
    pub(super) sort: Support,
    limit: Support,
}

impl RowRule {
    const FREE: RowRule = RowRule { filter: Support::Exact, sort: Support::Exact, limit: Support::Exact };

    fn and(self, other: RowRule) -> RowRule {
        RowRule { filter: self.filter.min(other.filter), sort: self.sort.min(other.sort), limit: self.limit.min(other.limit) }
    }
}

/// What capabilities say about the expressions over one relation.
#[derive(Debug, Clone)]
pub struct ExprCheck<'a> {
    pub(super) capabilities: &'a Capabilities,
    pub(super) columns: Cow<'a, [TableColumn]>,
    /// One for each column.
    pub(super) rules: Vec<ColumnRule>,
    pub(super) rows: RowRule,
    pub(super) enclosing: Option<&'a ExprCheck<'a>>,
    /// Whether window functions have a meaning here.
    pub(super) windows: bool,
}

impl<'a> ExprCheck<'a> {
    /// For a table of the source.
    pub fn new(capabilities: &'a Capabilities, table: &'a TableRelation) -> ExprCheck<'a> {
        let own = capabilities.tables.get(&table.table.to_string());
        let rule = |column: &TableColumn| {
            let restriction = own.and_then(|own| own.columns.get(&column.name)).copied().unwrap_or_default();
            let held = column.codec.and(capabilities.filter.stored_forms).unwrap_or(Support::Exact);
            ColumnRule {
                filter: restriction.filter.unwrap_or(Support::Exact).min(held),
                sort: restriction.sort.unwrap_or(Support::Exact).min(held),
                key: own.is_some_and(|own| own.required_keys.iter().flatten().any(|one| *one == Requirement::Key(column.name.clone()))),
                collation: restriction.collation.unwrap_or(capabilities.collation),
            }
        };
        let limited = |limit: fn(&TableCapabilities) -> Option<Support>| own.and_then(limit).unwrap_or(Support::Exact);
        ExprCheck {
            capabilities,
            columns: Cow::Borrowed(&table.columns),
            rules: table.columns.iter().map(rule).collect(),
            rows: RowRule { filter: limited(|own| own.filter), sort: limited(|own| own.sort), limit: limited(|own| own.limit) },
            enclosing: None,
            windows: false,
        }
    }

    /// For any relation: what `filter`, `keys` and `aggregate` of a query see. It says nothing of the relation itself, which
    /// [`Capabilities::support`] does.
    pub fn over(capabilities: &'a Capabilities, relation: &'a Relation) -> ExprCheck<'a> {
        ExprCheck::scoped(capabilities, relation, None)
    }

    /// The same, inside a sub-query of an expression over `enclosing`.
    pub(super) fn scoped(capabilities: &'a Capabilities, relation: &'a Relation, enclosing: Option<&'a ExprCheck<'a>>) -> ExprCheck<'a> {
        let block = |query: &'a SourceQuery| ExprCheck::scoped(capabilities, &query.from, enclosing).grouped(query).returned(query);
        let found = match relation {
            Relation::Table(table) => ExprCheck::new(capabilities, table),
            Relation::Query(query) => block(query),
            // Nothing is asked of its rows.
            Relation::Call(call) => {
                let free = ColumnRule { filter: Support::Exact, sort: Support::Exact, key: false, collation: capabilities.collation };
                let rules = vec![free; call.operation.columns().len()];
                ExprCheck::computed(capabilities, call.operation.columns().to_vec(), rules, RowRule::FREE)
            }
            Relation::Union(queries) => {
                let mut blocks = queries.iter().map(block);
                let first = blocks.next().unwrap_or_else(|| ExprCheck::computed(capabilities, Vec::new(), Vec::new(), RowRule::FREE));
                let mut rules = first.rules;
                let mut rows = first.rows;
                for block in blocks {
                    rows = rows.and(block.rows);
                    for (rule, other) in rules.iter_mut().zip(block.rules) {
                        rule.filter = rule.filter.min(other.filter);
                        rule.sort = rule.sort.min(other.sort);
                        rule.collation = laxer(rule.collation, other.collation);
                    }
                }
                ExprCheck::computed(capabilities, relation.columns(), rules, rows)
            }
            Relation::Join(join) => {
                let (left, right) =
                    (ExprCheck::scoped(capabilities, &join.left, enclosing), ExprCheck::scoped(capabilities, &join.right, enclosing));
                let rows = left.rows.and(right.rows);
                let columns = join.columns_of(left.columns.into_owned(), right.columns.into_owned());
                let rules = left.rules.into_iter().chain(right.rules).take(columns.len()).collect();
                ExprCheck::computed(capabilities, columns, rules, rows)
            }
        };
        ExprCheck { enclosing, ..found }
    }

    /// For what `output`, `order_by`, `limit_per` and `having` of a query see: the columns of its `from`, or group keys and calls.
    pub fn visible(capabilities: &'a Capabilities, query: &'a SourceQuery) -> ExprCheck<'a> {
        ExprCheck::over(capabilities, &query.from).grouped(query)
    }

    /// Both sides of a join, whatever its kind: what its `residual` sees.
    pub(super) fn beside(self, right: ExprCheck<'a>) -> ExprCheck<'a> {
        let columns = [self.columns.into_owned(), right.columns.into_owned()].concat();
        let rules = [self.rules, right.rules].concat();
        ExprCheck { enclosing: self.enclosing, ..ExprCheck::computed(self.capabilities, columns, rules, self.rows.and(right.rows)) }
    }

    fn computed(capabilities: &'a Capabilities, columns: Vec<TableColumn>, rules: Vec<ColumnRule>, rows: RowRule) -> ExprCheck<'a> {
        ExprCheck { capabilities, columns: Cow::Owned(columns), rules, rows, enclosing: None, windows: false }
    }

    /// From the columns of a query's `from` to those above its aggregation.
    pub(super) fn grouped(self, query: &SourceQuery) -> ExprCheck<'a> {
        let Some(aggregate) = &query.aggregate else { return self };
        let columns = aggregate.columns(&self.columns);
        let arguments = aggregate.calls.iter().map(|call| call.argument.as_ref());
        let rules = aggregate.group_by.iter().map(Some).chain(arguments).map(|expr| self.rule_of(expr)).collect();
        let rows = self.rows;
        ExprCheck { enclosing: self.enclosing, ..ExprCheck::computed(self.capabilities, columns, rules, rows) }
    }

    /// From the columns that outputs see to the outputs themselves.
    fn returned(self, query: &SourceQuery) -> ExprCheck<'a> {
        let rules = query.output.iter().map(|output| self.rule_of(Some(&output.expr))).collect();
        let columns = query.output.iter().map(|output| output.column(&self.columns)).collect();
        let rows = self.rows;
        ExprCheck { enclosing: self.enclosing, ..ExprCheck::computed(self.capabilities, columns, rules, rows) }
    }

    fn rule_of(&self, expression: Option<&Expr>) -> ColumnRule {
        let free = ColumnRule { filter: Support::Exact, sort: Support::Exact, key: false, collation: self.capabilities.collation };
        match expression {
            Some(Expr::Column(index)) => ColumnRule { key: false, ..self.rules.get(*index).copied().unwrap_or(free) },
            Some(other) => ColumnRule { collation: self.collation(&[other]), ..free },
            None => free,
        }
    }

    /// The columns in scope.
    pub fn columns(&self) -> &[TableColumn] {
        &self.columns
    }

    /// The greatest support of limits over these rows.
    pub(super) fn limit(&self) -> Support {
        self.rows.limit
    }

    pub(super) fn column_restriction(&self, index: usize) -> Support {
        self.rules.get(index).map_or(Support::None, |rule| rule.filter)
    }

    /// How texts compare that come from these expressions: as laxly as the laxest column in them.
    pub(super) fn collation(&self, expressions: &[&Expr]) -> Collation {
        let mut found = Vec::new();
        expressions.iter().for_each(|expression| self.collations(expression, &mut found));
        found.into_iter().reduce(laxer).unwrap_or(self.capabilities.collation)
    }

    fn collations(&self, expression: &Expr, found: &mut Vec<Collation>) {
        match expression {
            Expr::Column(index) => found.extend(self.rules.get(*index).map(|rule| rule.collation)),
            Expr::OuterColumn { depth, index, .. } => {
                found.extend(self.outer(*depth).and_then(|outer| outer.rules.get(*index)).map(|rule| rule.collation));
            }
            Expr::ScalarSubquery(query) => {
                let inner = ExprCheck::scoped(self.capabilities, &query.from, Some(self));
                let returned = inner.grouped(query).returned(query);
                found.extend(returned.rules.first().map(|rule| rule.collation));
            }
            other => other.children().into_iter().for_each(|child| self.collations(child, found)),
        }
    }

    /// The query `depth` levels up.
    pub(super) fn outer(&self, depth: u32) -> Option<&ExprCheck<'a>> {
        (1..depth).try_fold(self.enclosing?, |outer, _| outer.enclosing)
    }
}

/// The laxer of two collations: texts that either takes for equal may be taken for equal.
pub(super) fn laxer(left: Collation, right: Collation) -> Collation {
    match (left, right) {
        (Collation::CaseInsensitive, _) | (_, Collation::CaseInsensitive) => Collation::CaseInsensitive,
        (Collation::Linguistic, _) | (_, Collation::Linguistic) => Collation::Linguistic,
        (Collation::Binary, Collation::Binary) => Collation::Binary,
    }
}
