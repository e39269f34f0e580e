//! The sets of one query: the one that is asked, and those that its entities lead to by navigation properties, which are expanded. Pure; it must
//! not know conditions.

use super::filter::Named;
use super::{Asking, ETAG, Refusal};
use crate::metadata::{EntitySet, Navigation, Property};
use portico_provider_api::check::JoinedTable;
use portico_provider_api::{Expr, JoinKind, Relation, SourceQuery, TableColumn};
use std::ops::Range;

/// A set of a query.
#[derive(Debug, Clone)]
pub struct Reached<'a> {
    /// The set.
    pub set: &'a EntitySet,
    /// Its columns in scope.
    columns: &'a [TableColumn],
    /// The position of the first of them among those of the whole relation.
    offset: usize,
    /// The navigation properties that lead to it, from the first set on.
    pub path: Vec<&'a str>,
    /// How it is reached; nothing for the first.
    pub by: Option<Followed>,
}

/// How a set is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The set that leads to it, by its position among the sets, where it comes before.
    pub from: usize,
    /// Whether rows that lead to nothing are left out.
    pub inner: bool,
    /// For each column of the key: the column that has its value in the set that leads to it, and the key's own. Positions among the columns
    /// of the whole relation.
    pub pairs: Vec<(usize, usize)>,
}

/// All sets of a query.
#[derive(Debug, Clone)]
pub struct Sets<'a> {
    /// The first is asked.
    pub all: Vec<Reached<'a>>,
    /// Names of the columns of the whole relation, as conditions and orders use them; nothing for what is no property.
    pub named: Vec<Option<Named<'a>>>,
}

impl<'a> Reached<'a> {
    fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.columns.len()
    }

    /// The column at a position of the whole relation, if it is one of this set.
    pub fn column(&self, position: usize) -> Option<&'a TableColumn> {
        self.columns.get(position.checked_sub(self.offset)?)
    }

    /// The path of something that belongs to its entities.
    pub fn below(&self, name: &str) -> String {
        let parts: Vec<&str> = self.path.iter().copied().chain([name]).collect();
        parts.join("/")
    }
}

impl<'a> Asking<'a> {
    /// The sets that a relation reads.
    ///
    /// # Errors
    /// When one is not there, or they are joined in a way that is not declared.
    pub fn sets(&self, relation: &'a Relation) -> Result<Sets<'a>, Refusal> {
        let all = match relation {
            Relation::Table(table) => {
                vec![Reached { set: self.set(table)?, columns: &table.columns, offset: 0, path: Vec::new(), by: None }]
            }
            Relation::Join(_) => self.joined(relation)?,
            Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => {
                return Err("a query of several relations is not supported by this source".to_owned().into());
            }
        };
        let columns = relation.columns();
        let mut named: Vec<Option<Named<'a>>> = vec![None; columns.len()];
        for reached in &all {
            for (position, column) in reached.range().zip(reached.columns) {
                let of = |property: &'a Property| Named {
                    path: reached.below(&property.name),
                    property,
                    nullable: columns.get(position).is_none_or(|column| column.nullable),
                };
                if let Some(place) = named.get_mut(position) {
                    *place = reached.set.property(&column.name).map(of);
                }
            }
            // Among the rows that are not left out, a key is what refers to it.
            for (own, key) in reached.by.iter().filter(|by| by.inner).flat_map(|by| &by.pairs) {
                let same = named.get(*own).cloned().flatten();
                if let Some(place) = named.get_mut(*key) {
                    *place = same;
                }
            }
        }
        Ok(Sets { all, named })
    }

    fn joined(&self, relation: &'a Relation) -> Result<Vec<Reached<'a>>, Refusal> {
        let unknown = || Refusal::Unsupported("this join is not supported by this source".to_owned());
        let tables = self.capabilities.along_references(relation).ok_or_else(unknown)?;
        let mut all: Vec<Reached<'a>> = Vec::new();
        for joined in &tables {
            let set = self.set(joined.table)?;
            let (path, by) = match joined.by {
                None => (Vec::new(), None),
                Some(step) => {
                    let from = all.get(step.from).ok_or_else(unknown)?;
                    let navigation = self.navigation(from.set, joined).ok_or_else(unknown)?;
                    let path = from.path.iter().copied().chain([navigation.name.as_str()]).collect();
                    let pairs = joined.referring(&tables);
                    (path, Some(Followed { from: step.from, inner: step.kind == JoinKind::Inner, pairs }))
                }
            };
            all.push(Reached { set, columns: &joined.table.columns, offset: joined.offset, path, by });
        }
        Ok(all)
    }

    /// The navigation property that a step follows.
    fn navigation(&self, from: &'a EntitySet, joined: &JoinedTable<'_>) -> Option<&'a Navigation> {
        let reference = joined.by?.reference;
        let mut known = self.rules.references(self.service.protocol, from).into_iter();
        known.find(|(_, own)| own == reference).map(|(navigation, _)| navigation)
    }
}

impl Sets<'_> {
    /// The set that is asked.
    ///
    /// # Errors
    /// When there is none, which cannot be.
    pub fn first(&self) -> Result<&EntitySet, Refusal> {
        self.all.first().map(|reached| reached.set).ok_or_else(|| Refusal::Gone("there is nothing to ask".to_owned()))
    }

    /// Positions of the columns that are read: those that are returned, and those by which sets are reached.
    fn read(&self, query: &SourceQuery) -> Vec<usize> {
        let returned = query.output.iter().filter_map(|output| output.expr.as_column());
        let referring = self.all.iter().flat_map(|reached| &reached.by).flat_map(|by| &by.pairs).flat_map(|(own, key)| [*own, *key]);
        returned.chain(referring).collect()
    }

    /// What of the entities at a path is wanted: whole complex properties, since not every service takes paths into them.
    fn wanted(&self, query: &SourceQuery, path: &[&str]) -> Vec<String> {
        let read = self.read(query);
        let mut wanted: Vec<String> = Vec::new();
        for reached in self.all.iter().filter(|reached| reached.path == path) {
            for name in read.iter().filter_map(|position| reached.column(*position)).map(|column| column.name.as_str()) {
                let root = name.split('/').next().unwrap_or(name);
                if name != ETAG && !wanted.iter().any(|known| known == root) {
                    wanted.push(root.to_owned());
                }
            }
        }
        wanted
    }

    /// Names of the navigation properties that are followed from a path.
    fn next(&self, path: &[&str]) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for reached in &self.all {
            if let Some((last, before)) = reached.path.split_last()
                && before == path
                && !found.contains(last)
            {
                found.push(last);
            }
        }
        found
    }

    /// `$select` of the entities that are asked for; `None` when it is everything.
    pub fn select(&self, query: &SourceQuery) -> Option<String> {
        let mut wanted = self.wanted(query, &[]);
        if wanted.is_empty() {
            wanted.extend(self.all.first()?.set.key.iter().cloned());
        }
        (!wanted.is_empty()).then(|| wanted.join(","))
    }

    /// `$expand` of OData 4.0, in which each set is selected from by itself.
    pub fn expand(&self, query: &SourceQuery) -> Option<String> {
        self.expanded(query, &[])
    }

    fn expanded(&self, query: &SourceQuery, path: &[&str]) -> Option<String> {
        let one = |name: &str| {
            let path: Vec<&str> = path.iter().copied().chain([name]).collect();
            let select = format!("$select={}", self.wanted(query, &path).join(","));
            let further = self.expanded(query, &path).map(|expand| format!("$expand={expand}"));
            let options: Vec<String> = [Some(select), further].into_iter().flatten().collect();
            format!("{name}({})", options.join(";"))
        };
        let all: Vec<String> = self.next(path).into_iter().map(one).collect();
        (!all.is_empty()).then(|| all.join(","))
    }

    /// `$select` and `$expand` of OData 2.0, which select by paths.
    pub fn paths(&self, query: &SourceQuery) -> (Option<String>, Option<String>) {
        let mut paths: Vec<Vec<&str>> = Vec::new();
        for reached in self.all.iter().skip(1) {
            if !paths.contains(&reached.path) {
                paths.push(reached.path.clone());
            }
        }
        let below = |path: &Vec<&str>| {
            let path = path.clone();
            self.wanted(query, &path).into_iter().map(move |name| format!("{}/{name}", path.join("/"))).collect::<Vec<_>>()
        };
        let select = self.select(query).map(|select| {
            let all: Vec<String> = std::iter::once(select).chain(paths.iter().flat_map(below)).collect();
            all.join(",")
        });
        let expand: Vec<String> = paths.iter().map(|path| path.join("/")).collect();
        (select, (!expand.is_empty()).then(|| expand.join(",")))
    }

    /// Conditions that leave out the entities which lead to nothing, for what sees how many rows there are.
    pub fn present(&self) -> Vec<String> {
        let inner = self.all.iter().filter(|reached| reached.by.as_ref().is_some_and(|by| by.inner));
        inner.filter_map(|reached| Some(reached.below(reached.set.key.first()?))).collect()
    }

    /// The name of a column in an order.
    pub fn sorted_by(&self, expr: &Expr) -> Option<&str> {
        self.named.get(expr.as_column()?)?.as_ref().map(|named| named.path.as_str())
    }
}
