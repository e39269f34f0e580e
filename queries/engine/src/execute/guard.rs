//! What protects single tables: that they are not read without a condition, and how much of them a query may fetch. It must not know how
//! rows are fetched.

use crate::error::EngineError;
use crate::pushdown::fragment::RemoteFragment;
use portico_catalog::{Model, Origin, RowLimits};
use portico_provider_api::{JoinKind, Relation, RemoteTableName, SourceQuery};
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
        match self.unrestricted(&fragment.source, query) {
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

    fn unrestricted(&self, source: &str, query: &SourceQuery) -> Option<&Guard> {
        // A number of rows is enough where the source need not look at all of them to find these.
        let few = query.limit.is_some() && query.aggregate.is_none() && !query.distinct && matches!(query.from, Relation::Table(_));
        if few {
            return None;
        }
        let mut restricted = BTreeSet::new();
        if let Some(filter) = &query.filter {
            restricted.extend(filter.columns());
        }
        restricted.extend(query.keys.iter().flat_map(|keys| keys.columns.iter().copied()));
        let own = self.of_relation(source, &query.from, &restricted);
        own.or_else(|| {
            let mut inner = Vec::new();
            for expression in query.expressions() {
                portico_provider_api::walk::visit_subqueries(expression, &mut |subquery| inner.push(subquery));
            }
            inner.into_iter().find_map(|subquery| self.unrestricted(source, subquery))
        })
    }

    /// The first guarded table of a relation on which there is no condition. `restricted` are positions in its columns.
    fn of_relation(&self, source: &str, from: &Relation, restricted: &BTreeSet<usize>) -> Option<&Guard> {
        match from {
            Relation::Table(table) => {
                let guard = self.0.get(&(source.to_owned(), table.table.clone())).filter(|guard| guard.guarded)?;
                restricted.is_empty().then_some(guard)
            }
            Relation::Join(join) => {
                let width = join.left.columns().len();
                let mut left: BTreeSet<usize> = restricted.iter().copied().filter(|column| *column < width).collect();
                let mut right: BTreeSet<usize> = restricted.iter().filter_map(|column| column.checked_sub(width)).collect();
                // What equals a column of rows that are few is a condition too; of an outer join only for the side that may be missing.
                let spreads_left = !matches!(join.kind, JoinKind::Left | JoinKind::Anti);
                let (had_left, had_right) = (!left.is_empty(), !right.is_empty());
                for (own, other) in &join.on {
                    if had_left {
                        right.extend(other.columns());
                    }
                    if had_right && spreads_left {
                        left.extend(own.columns());
                    }
                }
                self.of_relation(source, &join.left, &left).or_else(|| self.of_relation(source, &join.right, &right))
            }
            Relation::Query(query) if restricted.is_empty() => self.unrestricted(source, query),
            // A condition on what a block yields is one on what it reads.
            Relation::Query(_) | Relation::Call(_) => None,
            Relation::Union(queries) if restricted.is_empty() => queries.iter().find_map(|query| self.unrestricted(source, query)),
            Relation::Union(_) => None,
        }
    }
}
