//! Joins along references ([`JoinReference`]): which of its tables a join leads to by which of them, and what may be asked of their columns. It
//! must not know expressions.

use super::ExprCheck;
use super::scope::{ColumnRule, KeyRule, RowRule};
use crate::capabilities::{AggregateCapabilities, Capabilities, JoinReference, Support};
use crate::query::{Join, JoinKind, Relation, TableRelation};
use crate::types::ScalarType;
use std::collections::BTreeMap;
use std::ops::Range;

/// One of several tables that are joined along references.
#[derive(Debug, Clone, Copy)]
pub struct JoinedTable<'a> {
    /// The table.
    pub table: &'a TableRelation,
    /// The position of its first column among those of the whole relation.
    pub offset: usize,
    /// How it is reached; nothing for the table from which all others are.
    pub by: Option<Step<'a>>,
}

/// A reference that is followed.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The table that refers, by its position among the tables; it comes before those that it refers to.
    pub from: usize,
    /// `Inner` or `Left`.
    pub kind: JoinKind,
    /// The reference.
    pub reference: &'a JoinReference,
}

impl JoinedTable<'_> {
    /// The positions of its columns among those of the whole relation.
    pub fn columns(&self) -> Range<usize> {
        self.offset..self.offset + self.table.columns.len()
    }

    fn scalar_type(&self, column: &str) -> Option<ScalarType> {
        self.table.columns.iter().find(|known| known.name == column).map(|column| column.scalar_type)
    }

    /// The position of one of its columns among those of the whole relation.
    fn position(&self, column: &str) -> Option<usize> {
        self.table.columns.iter().position(|known| known.name == column).map(|at| self.offset + at)
    }
}

impl<'a> JoinedTable<'a> {
    /// For each column that refers along the step to this table: its position among the columns of the whole relation, and that of the column
    /// here whose value it has. `tables` are all tables of the relation.
    pub fn referring(&self, tables: &[JoinedTable<'a>]) -> Vec<(usize, usize)> {
        let Some((by, from)) = self.by.and_then(|by| Some((by, tables.get(by.from)?))) else { return Vec::new() };
        let pairs = by.reference.columns.iter().zip(&by.reference.referenced_columns);
        pairs.filter_map(|(own, other)| Some((from.position(own)?, self.position(other)?))).collect()
    }
}

impl Capabilities {
    /// The tables of a join that the source makes along references and in no other way: first the one that all others are reached from.
    /// Nothing for any other relation.
    pub fn along_references<'a>(&'a self, relation: &'a Relation) -> Option<Vec<JoinedTable<'a>>> {
        match relation {
            Relation::Join(join) if self.joins.kinds.get(&join.kind) != Some(&Support::Exact) => {
                let tables = self.reached(relation, 0)?;
                let step = |at: usize| tables.get(at).and_then(|table| table.by);
                let mut further = tables.iter().filter_map(|table| step(table.by?.from));
                further.all(|by| by.reference.leads_on).then_some(tables)
            }
            Relation::Table(_) | Relation::Join(_) | Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => None,
        }
    }

    fn reached<'a>(&'a self, relation: &'a Relation, offset: usize) -> Option<Vec<JoinedTable<'a>>> {
        match relation {
            Relation::Table(table) => {
                // There is no place in a join for the keys that such a table needs.
                let own = self.tables.get(&table.table.to_string());
                let free = own.is_none_or(|own| own.required_keys.is_empty());
                free.then(|| vec![JoinedTable { table, offset, by: None }])
            }
            Relation::Join(join) => self.joined(join, offset),
            Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => None,
        }
    }

    fn joined<'a>(&'a self, join: &'a Join, offset: usize) -> Option<Vec<JoinedTable<'a>>> {
        let Join { left, right, kind, on, residual, null_aware, null_equal } = join;
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) || residual.is_some() || *null_aware || *null_equal {
            return None;
        }
        let left = self.reached(left, offset)?;
        let start = left.iter().map(|table| table.columns().end).max()?;
        let right = self.reached(right, start)?;
        let on = on.iter().map(|(own, theirs)| Some((own.as_column()? + offset, theirs.as_column()? + start)));
        let on = on.collect::<Option<Vec<(usize, usize)>>>()?;
        if let Some((from, reference)) = self.reference(&left, right.first()?, &on) {
            // What is left out on the way would be null, and not left out.
            let whole = right.iter().all(|table| table.by.is_none_or(|by| by.kind == JoinKind::Left));
            return (*kind == JoinKind::Inner || whole).then(|| together(left, right, Step { from, kind: *kind, reference }));
        }
        let on: Vec<(usize, usize)> = on.into_iter().map(|(own, theirs)| (theirs, own)).collect();
        let (from, reference) = self.reference(&right, left.first()?, &on).filter(|_| *kind == JoinKind::Inner)?;
        Some(together(right, left, Step { from, kind: *kind, reference }))
    }

    /// Which of some tables refers to another one by just these pairs of columns, and the reference.
    fn reference<'a>(
        &'a self,
        tables: &[JoinedTable<'a>],
        to: &JoinedTable<'a>,
        on: &[(usize, usize)],
    ) -> Option<(usize, &'a JoinReference)> {
        let name = to.table.table.to_string();
        tables.iter().enumerate().find_map(|(index, from)| {
            let own = self.tables.get(&from.table.table.to_string())?;
            let same = |reference: &&JoinReference| {
                let pairs = reference.columns.iter().zip(&reference.referenced_columns);
                let pairs = pairs.map(|(own, other)| {
                    let types = [from.scalar_type(own)?, to.scalar_type(other)?];
                    (types[0] == types[1]).then_some((from.position(own)?, to.position(other)?))
                });
                let pairs = pairs.collect::<Option<Vec<_>>>();
                let both = |pairs: Vec<(usize, usize)>| {
                    !pairs.is_empty() && pairs.iter().all(|pair| on.contains(pair)) && on.iter().all(|pair| pairs.contains(pair))
                };
                reference.table == name && pairs.is_some_and(both)
            };
            own.references.iter().find(same).map(|reference| (index, reference))
        })
    }
}

/// The tables of one side, and after them those of the other, whose first is reached by this step.
fn together<'a>(mut first: Vec<JoinedTable<'a>>, second: Vec<JoinedTable<'a>>, step: Step<'a>) -> Vec<JoinedTable<'a>> {
    let shift = first.len();
    first.extend(second.into_iter().map(|table| {
        let by = table.by.map_or(step, |by| Step { from: by.from + shift, ..by });
        JoinedTable { by: Some(by), ..table }
    }));
    first
}

/// Nothing is grouped along references.
static UNGROUPED: AggregateCapabilities = AggregateCapabilities {
    group_by: Support::None,
    functions: BTreeMap::new(),
    distinct: Support::None,
    filter: Support::None,
    having: Support::None,
};

impl<'a> ExprCheck<'a> {
    /// For the tables of a relation that are joined along references.
    pub(super) fn along(capabilities: &'a Capabilities, relation: &'a Relation, tables: &[JoinedTable<'a>]) -> ExprCheck<'a> {
        let mut rules: BTreeMap<usize, ColumnRule<'a>> = BTreeMap::new();
        let mut reached: Vec<(Support, Support)> = Vec::new();
        let mut cut = Support::Exact;
        let mut keys = KeyRule::OfSource;
        let mut rows = RowRule::of_source(capabilities);
        for joined in tables {
            let own = ExprCheck::new(capabilities, joined.table);
            keys = keys.and(own.keys);
            let (filter, sort) = match joined.by {
                None => (Support::Exact, Support::Exact),
                Some(Step { from, kind, reference }) => {
                    let (filter, sort) = reached.get(from).copied().unwrap_or_default();
                    if kind == JoinKind::Inner {
                        cut = cut.min(reference.inner_limit);
                    }
                    (filter.min(reference.filter).min(own.rows.filter), sort.min(reference.sort).min(own.rows.sort))
                }
            };
            reached.push((filter, sort));
            for (at, rule) in joined.columns().zip(own.rules) {
                rules.insert(at, ColumnRule { filter: rule.filter.min(filter), sort: rule.sort.min(sort), key: false, ..rule });
            }
            if joined.by.is_some_and(|by| by.kind == JoinKind::Inner) {
                for (own, other) in joined.referring(tables) {
                    let same = rules.get(&own).copied();
                    rules.extend(same.map(|rule| (other, rule)));
                }
            }
            if joined.by.is_none() {
                rows = own.rows;
            }
        }
        let rows = RowRule {
            limit: rows.limit.min(cut),
            offset: rows.offset.min(cut),
            distinct: Support::None,
            joins: Support::None,
            count: if cut == Support::Exact { rows.count } else { Some(Support::None) },
            aggregates: vec![&UNGROUPED],
            ..rows
        };
        ExprCheck { keys, ..ExprCheck::computed(capabilities, relation.columns(), rules.into_values().collect(), rows) }
    }
}
