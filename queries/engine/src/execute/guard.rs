//! What protects single tables: that they are not read without a condition, and how much of them a query may fetch. It must not know how
//! rows are fetched.

use crate::error::EngineError;
use crate::pushdown::fragment::RemoteFragment;
use portico_catalog::{Model, Origin, RowLimits};
use portico_provider_api::walk::visit_subqueries;
use portico_provider_api::{Expr, Join, JoinKind, Relation, RemoteTableName, SortKey, SourceQuery};
use std::collections::{BTreeSet, HashMap};

/// Protected tables of a model, by source and remote table.
#[derive(Debug, Default)]
pub struct Guards(HashMap<(String, RemoteTableName), Guard>);

#[derive(Debug, Default)]
struct Guard {
    /// The virtual table.
    name: String,
    /// Columns by which to ask.
    key: Vec<String>,
    /// Remote columns of its key, in order: sorted by these, the first rows are found without looking at all.
    sorted: Vec<String>,
    guarded: bool,
    limits: RowLimits,
}

impl Guards {
    /// Those of a model. Two virtual tables over one remote table share what protects either.
    pub fn of(model: &Model) -> Guards {
        let mut guards: HashMap<_, Guard> = HashMap::new();
        for table in model.tables.values().filter(|table| table.guarded || table.limits != RowLimits::default()) {
            let Origin::Single { source, relation, .. } = &table.origin else { continue };
            let guard = guards.entry((source.clone(), relation.table.clone())).or_default();
            let links = table.relationships.iter().filter(|link| !link.many).flat_map(|link| link.on.iter().map(|(own, _)| own));
            let columns: BTreeSet<usize> = table.key.iter().chain(links).copied().collect();
            guard.key = columns.into_iter().filter_map(|index| Some(table.columns.get(index)?.name.clone())).collect();
            let remote = |index: &usize| Some(relation.columns.get(table.columns.get(*index)?.remote)?.name.clone());
            guard.sorted = table.key.iter().filter_map(remote).collect();
            guard.name.clone_from(&table.name);
            guard.guarded |= table.guarded;
            guard.limits = guard.limits.least(table.limits);
        }
        Guards(guards)
    }

    /// How much a question may fetch: the least of what its tables allow.
    pub fn limits(&self, source: &str, query: &SourceQuery) -> RowLimits {
        if self.0.is_empty() {
            return RowLimits::default();
        }
        let tables = query.tables().into_iter().filter_map(|table| self.0.get(&(source.to_owned(), table.clone())));
        tables.fold(RowLimits::default(), |limits, guard| limits.least(guard.limits))
    }

    /// Refuses a question that would read all of a guarded table: no condition on it, no keys, no number of rows; or that pairs all of
    /// its rows with those of another.
    ///
    /// # Errors
    /// `Invalid`, naming the table and what to ask it by.
    pub fn check(&self, fragment: &RemoteFragment, query: &SourceQuery) -> Result<(), EngineError> {
        if self.0.is_empty() {
            return Ok(());
        }
        match self.unrestricted(&fragment.source, query, &[]) {
            None => Ok(()),
            Some(guard) => {
                let by = if guard.key.is_empty() { "one of its columns".to_owned() } else { guard.key.join(", ") };
                Err(EngineError::Invalid(format!(
                    "'{}' is guarded: it is not read as a whole, nor paired with every row of another table. Ask with a condition on it, \
                     best on {by}, or for a number of rows",
                    guard.name
                )))
            }
        }
    }

    /// The first guarded table that a block reads without a condition on it. `outside` are conditions on what the block returns, by position.
    fn unrestricted(&self, source: &str, query: &SourceQuery, outside: &[Condition]) -> Option<&Guard> {
        // A number of rows is enough where the source need not look at all of them to find these.
        let own = if self.finds_few(source, query) { None } else { self.of_relation(source, &query.from, &on_relation(query, outside)) };
        own.or_else(|| {
            let mut inner = Vec::new();
            for expression in query.expressions() {
                visit_subqueries(expression, &mut |subquery| inner.push(subquery));
            }
            inner.into_iter().find_map(|subquery| self.unrestricted(source, subquery, &[]))
        })
    }

    /// Whether a block takes a number of rows from its table as they come, or as they come by the table's key.
    fn finds_few(&self, source: &str, query: &SourceQuery) -> bool {
        let Relation::Table(table) = &query.from else { return false };
        let as_they_are = query.aggregate.is_none() && !query.distinct && query.limit_per.is_none() && !has_window(query);
        let by_key = || {
            let Some(guard) = self.0.get(&(source.to_owned(), table.table.clone())) else { return true };
            let descending = query.order_by.first().is_some_and(|first| first.descending);
            let is = |(sorted, key): (&SortKey, &String)| match &sorted.expr {
                Expr::Column(at) => sorted.descending == descending && table.columns.get(*at).is_some_and(|column| column.name == *key),
                _ => false,
            };
            !guard.sorted.is_empty() && query.order_by.iter().zip(&guard.sorted).all(is)
        };
        query.limit.is_some() && as_they_are && (query.order_by.is_empty() || by_key())
    }

    /// The first guarded table of a relation on which there is no condition.
    fn of_relation(&self, source: &str, from: &Relation, conditions: &[Condition]) -> Option<&Guard> {
        match from {
            Relation::Table(table) => {
                let guard = self.0.get(&(source.to_owned(), table.table.clone())).filter(|guard| guard.guarded)?;
                conditions.is_empty().then_some(guard)
            }
            Relation::Join(join) => {
                let (left, right) = of_sides(join, conditions);
                self.of_relation(source, &join.left, &left).or_else(|| self.of_relation(source, &join.right, &right))
            }
            Relation::Query(query) => self.unrestricted(source, query, conditions),
            Relation::Union(queries) => queries.iter().find_map(|query| self.unrestricted(source, query, conditions)),
            Relation::Call(_) => None,
        }
    }
}

/// The columns that one condition is on, by position; at least one.
type Condition = BTreeSet<usize>;

/// The conditions on the rows that a block reads, where `outside` are those on what it returns. One on groups is one on rows only where it is
/// on what they are grouped by; and what is cut off, or looks at other rows, has been read before anything outside is asked.
fn on_relation(query: &SourceQuery, outside: &[Condition]) -> Vec<Condition> {
    let mut found = conjuncts(query.filter.as_ref());
    found.extend(query.keys.iter().map(|keys| keys.columns.iter().copied().collect()));
    let mut visible = conjuncts(query.aggregate.as_ref().and_then(|aggregate| aggregate.having.as_ref()));
    if query.limit.is_none() && query.offset == 0 && query.limit_per.is_none() && !has_window(query) {
        let below = |at: &usize| query.output.get(*at).map(|output| output.expr.columns()).filter(|columns| !columns.is_empty());
        visible.extend(outside.iter().filter_map(|condition| columns_of(condition, below)));
    }
    match &query.aggregate {
        None => found.extend(visible),
        Some(aggregate) => {
            let below = |at: &usize| aggregate.group_by.get(*at).map(Expr::columns).filter(|columns| !columns.is_empty());
            found.extend(visible.iter().filter_map(|condition| columns_of(condition, below)));
        }
    }
    found.retain(|condition| !condition.is_empty());
    found
}

/// A condition over other columns, where each of its own has some.
fn columns_of(condition: &Condition, below: impl Fn(&usize) -> Option<Vec<usize>>) -> Option<Condition> {
    Some(condition.iter().map(below).collect::<Option<Vec<_>>>()?.concat().into_iter().collect())
}

/// The conditions on each side of a join, where `conditions` are those on what comes of it.
fn of_sides(join: &Join, conditions: &[Condition]) -> (Vec<Condition>, Vec<Condition>) {
    let width = join.left.columns().len();
    let residual = conjuncts(join.residual.as_ref());
    // A row without a match stays in some joins, whatever is asked of a match.
    let matched = matches!(join.kind, JoinKind::Inner | JoinKind::Semi | JoinKind::Cross);
    let of_left = |condition: &&Condition| condition.iter().all(|column| *column < width);
    let of_right = |condition: &Condition| condition.iter().map(|column| column.checked_sub(width)).collect::<Option<Condition>>();
    let mut left: Vec<Condition> = conditions.iter().chain(residual.iter().filter(|_| matched)).filter(of_left).cloned().collect();
    // A condition on what may be missing would have made an inner join of it, if it did not let the missing pass.
    let outside = conditions.iter().filter(|_| join.kind != JoinKind::Left);
    let mut right: Vec<Condition> = outside.chain(&residual).filter_map(of_right).collect();
    // What equals a column of rows that are few is a condition too.
    let (few_left, few_right) = (is_restricted(&join.left, &left), is_restricted(&join.right, &right));
    let on = |side: fn(&(Expr, Expr)) -> &Expr| -> Vec<Condition> {
        join.on
            .iter()
            .map(|pair| side(pair).columns().into_iter().collect())
            .filter(|condition: &Condition| !condition.is_empty())
            .collect()
    };
    if few_left {
        right.extend(on(|(_, theirs)| theirs));
    }
    if few_right && matched {
        left.extend(on(|(own, _)| own));
    }
    (left, right)
}

/// Whether not all rows of a relation are looked at.
fn is_restricted(from: &Relation, conditions: &[Condition]) -> bool {
    match from {
        Relation::Table(_) => !conditions.is_empty(),
        Relation::Call(_) => true,
        Relation::Join(join) => {
            let (left, right) = of_sides(join, conditions);
            let few_right = matches!(join.kind, JoinKind::Inner | JoinKind::Semi) && is_restricted(&join.right, &right);
            is_restricted(&join.left, &left) || few_right
        }
        Relation::Query(query) => returns_few(query, conditions),
        Relation::Union(queries) => queries.iter().all(|query| returns_few(query, conditions)),
    }
}

fn returns_few(query: &SourceQuery, outside: &[Condition]) -> bool {
    let one_row = query.aggregate.as_ref().is_some_and(|aggregate| aggregate.group_by.is_empty());
    one_row || query.limit.is_some() || is_restricted(&query.from, &on_relation(query, outside))
}

fn has_window(query: &SourceQuery) -> bool {
    query.output.iter().any(|output| output.expr.has_window())
}

/// The columns of each condition of which all must be met.
fn conjuncts(condition: Option<&Expr>) -> Vec<Condition> {
    match condition {
        None => Vec::new(),
        Some(Expr::And(parts)) => parts.iter().flat_map(|part| conjuncts(Some(part))).collect(),
        Some(other) => Some(other.columns().into_iter().collect()).filter(|columns: &Condition| !columns.is_empty()).into_iter().collect(),
    }
}
