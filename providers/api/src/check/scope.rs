//! What is in scope of an expression: the columns of a relation, each with the restrictions of the table column that it is, through
//! joins, nested blocks and group keys. It judges no expression.

use crate::capabilities::{AggregateCapabilities, Capabilities, Collation, ColumnComparisons, KeyCapabilities, Requirement, Support};
use crate::expr::{Expr, Function};
use crate::query::{Relation, SourceQuery, TableColumn, TableRelation};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The greatest support of what is done with one column, and how its text compares.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnRule<'a> {
    pub(super) filter: Support,
    pub(super) sort: Support,
    /// The comparisons of it, where they are not those of its class.
    pub(super) comparisons: Option<ColumnComparisons>,
    pub(super) max_in_list: Option<usize>,
    pub(super) functions: Option<&'a BTreeMap<Function, Support>>,
    /// Whether each comparison of it can be made once.
    pub(super) once: bool,
    /// Whether it is one of the keys that its table requires: then it is one whatever can be asked of it besides.
    pub(super) key: bool,
    pub(super) collation: Collation,
}

impl ColumnRule<'_> {
    fn free(collation: Collation) -> Self {
        let (filter, sort) = (Support::Exact, Support::Exact);
        ColumnRule { filter, sort, comparisons: None, max_in_list: None, functions: None, once: false, key: false, collation }
    }

    /// Whether it is restricted in a way that only its table itself knows how to keep.
    fn is_particular(&self) -> bool {
        self.comparisons.is_some() || self.max_in_list.is_some() || self.functions.is_some() || self.once
    }

    /// Of the rows of two blocks after each other.
    fn or(self, other: Self) -> Self {
        let particular = self.is_particular() || other.is_particular();
        let filter = if particular { Support::None } else { self.filter.min(other.filter) };
        ColumnRule { filter, sort: self.sort.min(other.sort), ..ColumnRule::free(laxer(self.collation, other.collation)) }
    }
}

/// The greatest support of what is done with rows of a relation: the least of its tables', each of which says it for itself or as the source.
#[derive(Debug, Clone)]
pub(super) struct RowRule<'a> {
    pub(super) filter: Support,
    pub(super) sort: Support,
    pub(super) limit: Support,
    pub(super) offset: Support,
    pub(super) distinct: Support,
    pub(super) joins: Support,
    /// The plain number of rows, where it is not what `aggregates` say.
    pub(super) count: Option<Support>,
    /// All of them must compute an aggregate.
    pub(super) aggregates: Vec<&'a AggregateCapabilities>,
}

impl<'a> RowRule<'a> {
    /// As the source's rows are in general.
    pub(super) fn of_source(capabilities: &'a Capabilities) -> RowRule<'a> {
        RowRule {
            filter: Support::Exact,
            sort: Support::Exact,
            limit: capabilities.limit,
            offset: capabilities.offset,
            distinct: capabilities.distinct,
            joins: Support::Exact,
            count: None,
            aggregates: vec![&capabilities.aggregate],
        }
    }

    fn of_table(capabilities: &'a Capabilities, table: &TableRelation) -> RowRule<'a> {
        let general = RowRule::of_source(capabilities);
        let Some(own) = capabilities.tables.get(&table.table.to_string()) else { return general };
        RowRule {
            filter: own.filter.unwrap_or(Support::Exact),
            sort: own.sort.unwrap_or(Support::Exact),
            limit: own.limit.unwrap_or(general.limit),
            offset: own.offset.unwrap_or_else(|| general.offset.min(own.limit.unwrap_or(Support::Exact))),
            distinct: own.distinct.unwrap_or(general.distinct),
            joins: own.joins.unwrap_or(Support::Exact),
            count: own.count,
            aggregates: own.aggregate.as_ref().map_or(general.aggregates, |own| vec![own]),
        }
    }

    fn and(self, other: RowRule<'a>) -> RowRule<'a> {
        let mut aggregates = self.aggregates;
        for other in other.aggregates {
            if !aggregates.iter().any(|known| std::ptr::eq(*known, other)) {
                aggregates.push(other);
            }
        }
        // That the rows of a table are counted says nothing of what it is put together with; that they are not does.
        let uncounted = [self.count, other.count].contains(&Some(Support::None));
        RowRule {
            filter: self.filter.min(other.filter),
            sort: self.sort.min(other.sort),
            limit: self.limit.min(other.limit),
            offset: self.offset.min(other.offset),
            distinct: self.distinct.min(other.distinct),
            joins: self.joins.min(other.joins),
            count: uncounted.then_some(Support::None),
            aggregates,
        }
    }
}

/// Which key sets a relation takes.
#[derive(Debug, Clone)]
pub(super) enum KeyRule {
    /// Those of the source, over columns that it compares.
    OfSource,
    /// Just these: positions of their columns, and what they are measured by.
    Own(Vec<(Vec<usize>, KeyCapabilities)>),
}

impl KeyRule {
    fn of_table(capabilities: &Capabilities, table: &TableRelation) -> KeyRule {
        let own = capabilities.tables.get(&table.table.to_string()).and_then(|own| own.keys.as_ref());
        let Some(own) = own else { return KeyRule::OfSource };
        let position = |name: &String| table.columns.iter().position(|column| column.name == *name);
        let positions = own.iter().map(|keys| (keys.columns.iter().map(position).collect::<Option<Vec<_>>>(), keys.limits()));
        KeyRule::Own(positions.filter_map(|(columns, limits)| Some((columns?, limits))).collect())
    }

    /// What is put together of several relations, or is a block of its own, has no place for a table's keys.
    pub(super) fn and(self, other: KeyRule) -> KeyRule {
        match (self, other) {
            (KeyRule::OfSource, KeyRule::OfSource) => KeyRule::OfSource,
            (_, _) => KeyRule::Own(Vec::new()),
        }
    }

    fn enclosed(self) -> KeyRule {
        self.and(KeyRule::OfSource)
    }
}

/// What capabilities say about the expressions over one relation.
#[derive(Debug, Clone)]
pub struct ExprCheck<'a> {
    pub(super) capabilities: &'a Capabilities,
    pub(super) columns: Cow<'a, [TableColumn]>,
    /// One for each column.
    pub(super) rules: Vec<ColumnRule<'a>>,
    pub(super) rows: RowRule<'a>,
    pub(super) keys: KeyRule,
    pub(super) enclosing: Option<&'a ExprCheck<'a>>,
    /// Whether window functions have a meaning here.
    pub(super) windows: bool,
}

impl<'a> ExprCheck<'a> {
    /// For a table of the source.
    pub fn new(capabilities: &'a Capabilities, table: &'a TableRelation) -> ExprCheck<'a> {
        let own = capabilities.tables.get(&table.table.to_string());
        let rule = |column: &TableColumn| {
            let held = column.codec.and(capabilities.filter.stored_forms).unwrap_or(Support::Exact);
            let required = |one: &Requirement| matches!(one, Requirement::Key(name) if *name == column.name);
            let key = own.is_some_and(|own| own.required_keys.iter().flatten().any(required));
            let free = ColumnRule { filter: held, sort: held, key, ..ColumnRule::free(capabilities.collation) };
            let Some(own) = own.and_then(|own| own.columns.get(&column.name)) else { return free };
            ColumnRule {
                filter: own.filter.unwrap_or(Support::Exact).min(held),
                sort: own.sort.unwrap_or(Support::Exact).min(held),
                comparisons: own.comparisons,
                max_in_list: own.max_in_list,
                functions: own.functions.as_ref(),
                once: own.once,
                collation: own.collation.unwrap_or(capabilities.collation),
                key,
            }
        };
        ExprCheck {
            capabilities,
            columns: Cow::Borrowed(&table.columns),
            rules: table.columns.iter().map(rule).collect(),
            rows: RowRule::of_table(capabilities, table),
            keys: KeyRule::of_table(capabilities, table),
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
        let block = |query: &'a SourceQuery| {
            let from = ExprCheck::scoped(capabilities, &query.from, enclosing);
            let keys = from.keys.clone().enclosed();
            ExprCheck { keys, ..from.grouped(query).returned(query) }
        };
        if let Some(tables) = capabilities.along_references(relation) {
            return ExprCheck { enclosing, ..ExprCheck::along(capabilities, relation, &tables) };
        }
        let found = match relation {
            Relation::Table(table) => ExprCheck::new(capabilities, table),
            Relation::Query(query) => block(query),
            // Nothing is asked of its rows.
            Relation::Call(call) => {
                let rules = vec![ColumnRule::free(capabilities.collation); call.operation.columns().len()];
                ExprCheck::computed(capabilities, call.operation.columns().to_vec(), rules, RowRule::of_source(capabilities))
            }
            Relation::Union(queries) => {
                let mut blocks = queries.iter().map(block);
                let nothing = || ExprCheck::computed(capabilities, Vec::new(), Vec::new(), RowRule::of_source(capabilities));
                let ExprCheck { mut rules, mut rows, mut keys, .. } = blocks.next().unwrap_or_else(nothing);
                for block in blocks {
                    rows = rows.and(block.rows);
                    keys = keys.and(block.keys);
                    for (rule, other) in rules.iter_mut().zip(block.rules) {
                        *rule = rule.or(other);
                    }
                }
                ExprCheck { keys, ..ExprCheck::computed(capabilities, relation.columns(), rules, rows) }
            }
            Relation::Join(join) => {
                let (left, right) =
                    (ExprCheck::scoped(capabilities, &join.left, enclosing), ExprCheck::scoped(capabilities, &join.right, enclosing));
                let rows = left.rows.and(right.rows);
                let keys = left.keys.and(right.keys);
                let columns = join.columns_of(left.columns.into_owned(), right.columns.into_owned());
                let rules = left.rules.into_iter().chain(right.rules).take(columns.len()).collect();
                ExprCheck { keys, ..ExprCheck::computed(capabilities, columns, rules, rows) }
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

    pub(super) fn computed(
        capabilities: &'a Capabilities,
        columns: Vec<TableColumn>,
        rules: Vec<ColumnRule<'a>>,
        rows: RowRule<'a>,
    ) -> ExprCheck<'a> {
        ExprCheck { capabilities, columns: Cow::Owned(columns), rules, rows, keys: KeyRule::OfSource, enclosing: None, windows: false }
    }

    /// From the columns of a query's `from` to those above its aggregation.
    pub(super) fn grouped(self, query: &SourceQuery) -> ExprCheck<'a> {
        let Some(aggregate) = &query.aggregate else { return self };
        let columns = aggregate.columns(&self.columns);
        let arguments = aggregate.calls.iter().map(|call| call.argument.as_ref());
        let rules = aggregate.group_by.iter().map(Some).chain(arguments).map(|expr| self.rule_of(expr)).collect();
        ExprCheck { enclosing: self.enclosing, ..ExprCheck::computed(self.capabilities, columns, rules, self.rows) }
    }

    /// From the columns that outputs see to the outputs themselves.
    fn returned(self, query: &SourceQuery) -> ExprCheck<'a> {
        let rules = query.output.iter().map(|output| self.rule_of(Some(&output.expr))).collect();
        let columns = query.output.iter().map(|output| output.column(&self.columns)).collect();
        ExprCheck { enclosing: self.enclosing, ..ExprCheck::computed(self.capabilities, columns, rules, self.rows) }
    }

    fn rule_of(&self, expression: Option<&Expr>) -> ColumnRule<'a> {
        match expression {
            Some(Expr::Column(index)) => {
                let rule = self.rules.get(*index).copied().unwrap_or_else(|| ColumnRule::free(self.capabilities.collation));
                ColumnRule { key: false, ..rule }
            }
            Some(other) => ColumnRule::free(self.collation(&[other])),
            None => ColumnRule::free(self.capabilities.collation),
        }
    }

    /// The columns in scope.
    pub fn columns(&self) -> &[TableColumn] {
        &self.columns
    }

    /// The least support of something among the aggregates of all tables that the rows come from.
    pub(super) fn aggregate(&self, support: impl Fn(&AggregateCapabilities) -> Support) -> Support {
        self.rows.aggregates.iter().map(|aggregate| support(aggregate)).min().unwrap_or_default()
    }

    /// What key sets over these columns are measured by; nothing where the relation takes none over just them.
    pub fn key_limits(&self, columns: &[usize]) -> Option<KeyCapabilities> {
        let same = |own: &[usize]| own.len() == columns.len() && own.iter().all(|column| columns.contains(column));
        let limits = match &self.keys {
            KeyRule::OfSource => Some(self.capabilities.keys).filter(|keys| columns.len() <= keys.max_columns),
            KeyRule::Own(own) => own.iter().find(|(own, _)| same(own)).map(|(_, limits)| *limits),
        };
        limits.filter(|limits| limits.support != Support::None)
    }

    /// Whether it is said of the table itself which key sets it takes, whatever its columns are compared by.
    pub(super) fn has_own_keys(&self) -> bool {
        matches!(self.keys, KeyRule::Own(_))
    }

    /// The columns of each key set that is declared for the table itself, where that is said.
    pub fn own_keys(&self) -> Option<Vec<Vec<usize>>> {
        match &self.keys {
            KeyRule::OfSource => None,
            KeyRule::Own(own) => Some(own.iter().map(|(columns, _)| columns.clone()).collect()),
        }
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
