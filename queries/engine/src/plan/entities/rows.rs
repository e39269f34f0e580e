//! The rows of one level before order and paging: reached along a relationship, looked up by key, computed columns added, filtered.

use super::{EntityPlanner, Restriction};
use crate::error::EngineError;
use crate::plan::key_set::KeySetFunction;
use crate::plan::lower::Lowering;
use crate::plan::tables::VisibleTable;
use crate::policy::TableRights;
use datafusion::common::{Column, JoinType, TableReference};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, lit};
use portico_catalog::{Relationship, Through, VirtualTable};
use portico_odata::{BoundExpr, BoundQuery, ComparisonOperator};
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;

/// What a link table is called inside a plan. No virtual table is: it is not an identifier.
const LINK: &str = "@link";

/// How the rows on the far side of a relationship are found.
#[derive(Clone)]
pub(super) enum Reach {
    /// By these columns of theirs.
    Columns(Vec<usize>),
    /// By the columns of a link table that belong to the near side.
    Link(Through),
}

/// The rows of a level, and what their columns are in the plan so far.
pub(super) struct Rows {
    pub builder: LogicalPlanBuilder,
    /// What each position of the row type is; nothing for a column that the caller does not see.
    pub columns: Vec<Option<Expr>>,
    /// The columns whose values are put into the slot.
    pub slot: Vec<Expr>,
}

impl Rows {
    /// What a position of the row type is.
    pub fn column(&self, index: usize) -> Result<Expr, EngineError> {
        let column = self.columns.get(index).cloned().flatten();
        column.ok_or_else(|| EngineError::Internal("a bound column is not in its table".to_owned()))
    }
}

impl EntityPlanner<'_> {
    pub(super) fn lowering(&self, rows: &Rows) -> Lowering<'_> {
        let schema = Arc::clone(rows.builder.schema());
        Lowering { session: self.session, columns: rows.columns.clone(), schema, now: self.now }
    }

    /// The columns of the near side that a relationship starts from, how it reaches the far side, and the types of the columns there.
    pub(super) fn reach(&self, relationship: &Relationship) -> Result<(Vec<usize>, Reach, Vec<ScalarType>), EngineError> {
        let (near, far): (Vec<usize>, Vec<usize>) = match &relationship.through {
            Some(through) => through.own.iter().copied().unzip(),
            None => relationship.on.iter().copied().unzip(),
        };
        let holder = relationship.through.as_ref().map_or(&relationship.to, |through| &through.table);
        let table = &self.rights_on(holder)?.table;
        let types = far.iter().filter_map(|index| table.columns.get(*index)).map(|column| column.scalar_type).collect();
        let reach = match &relationship.through {
            Some(through) => Reach::Link(through.clone()),
            None => Reach::Columns(far),
        };
        Ok((near, reach, types))
    }

    fn scan(&self, rights: &Arc<TableRights>, with_etag: bool) -> Result<LogicalPlanBuilder, EngineError> {
        let visible = Arc::new(VisibleTable::new(Arc::clone(rights), with_etag));
        Ok(LogicalPlanBuilder::scan(TableReference::bare(rights.table.name.clone()), visible, None)?)
    }

    /// The rows that a query is about: reached, looked up and filtered.
    pub(super) fn rows(&self, query: &BoundQuery, restriction: &Restriction) -> Result<Rows, EngineError> {
        let rights = self.rights_on(&query.table)?;
        let table = &rights.table;
        let builder = self.scan(rights, restriction.tagged && super::has_etag(rights))?;
        let columns = table_columns(table, &builder);
        let mut rows = Rows { builder, columns, slot: Vec::new() };
        let mut conditions = Vec::new();
        if let Some((reach, slot)) = &restriction.keys {
            rows = match reach {
                Reach::Columns(columns) => {
                    let slot = columns.iter().map(|index| rows.column(*index)).collect::<Result<Vec<_>, _>>()?;
                    Rows { slot, ..rows }
                }
                Reach::Link(through) => self.linked(rows, through)?,
            };
            let function = ScalarUDF::from(KeySetFunction::new(slot.clone(), rows.slot.len()));
            conditions.push(function.call(rows.slot.clone()));
        }
        if let Some(key) = &query.key {
            conditions.push(self.key_condition(table, key, &rows)?);
        }
        for computed in &query.compute {
            let lowering = self.lowering(&rows);
            rows.columns.push(Some(lowering.value(&computed.expr)?));
        }
        if let Some(filter) = &query.filter {
            conditions.push(self.lowering(&rows).truth(filter)?);
        }
        if let Some(all) = conditions.into_iter().reduce(Expr::and) {
            rows.builder = rows.builder.filter(all)?;
        }
        Ok(rows)
    }

    /// The rows beside each pair of the link table that leads to them. A pair counts once, however often the table holds it.
    fn linked(&self, rows: Rows, through: &Through) -> Result<Rows, EngineError> {
        let rights = self.rights_on(&through.table)?;
        let scan = self.scan(rights, false)?;
        let columns = table_columns(&rights.table, &scan);
        let pairs = Rows { builder: scan, columns, slot: Vec::new() };
        let mut used: Vec<usize> = Vec::new();
        for index in through.own.iter().map(|(_, link)| *link).chain(through.other.iter().map(|(link, _)| *link)) {
            if !used.contains(&index) {
                used.push(index);
            }
        }
        let output = used.iter().enumerate().map(|(number, index)| Ok(pairs.column(*index)?.alias(format!("@pair{number}"))));
        let output = output.collect::<Result<Vec<_>, EngineError>>()?;
        let key = &rights.table.key;
        let distinct = !key.is_empty() && key.iter().all(|index| used.contains(index));
        let builder = pairs.builder.project(output)?;
        let builder = if distinct { builder } else { builder.distinct()? };
        let link = builder.alias(LINK)?.build()?;
        let at = |index: usize| {
            let number = used.iter().position(|used| *used == index).unwrap_or_default();
            Expr::Column(Column::new(Some(LINK), format!("@pair{number}")))
        };
        let equal = through.other.iter().map(|(link, theirs)| Ok(rows.column(*theirs)?.eq(at(*link))));
        let equal = equal.collect::<Result<Vec<_>, EngineError>>()?;
        let slot = through.own.iter().map(|(_, link)| at(*link)).collect();
        let builder = rows.builder.join_on(link, JoinType::Inner, equal)?;
        Ok(Rows { builder, slot, ..rows })
    }

    fn key_condition(&self, table: &VirtualTable, key: &[Value], rows: &Rows) -> Result<Expr, EngineError> {
        let lowering = self.lowering(rows);
        let equalities = table.key.iter().zip(key).map(|(column, value)| {
            lowering.truth(&BoundExpr::Compare {
                op: ComparisonOperator::Eq,
                left: Box::new(BoundExpr::Column(*column)),
                right: Box::new(BoundExpr::Literal(value.clone())),
            })
        });
        let all = equalities.collect::<Result<Vec<_>, _>>()?;
        all.into_iter().reduce(Expr::and).ok_or_else(|| EngineError::Invalid(format!("'{}' has no key", table.name)))
    }

    /// How many rows there are without paging.
    pub(super) fn count(&self, query: &BoundQuery, restriction: &Restriction) -> Result<LogicalPlan, EngineError> {
        let restriction = Restriction { keys: restriction.keys.clone(), ..Restriction::default() };
        let rows = self.rows(query, &restriction)?;
        Ok(rows.builder.aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64))])?.build()?)
    }

    /// How many rows there are for each key in the slot that has any: the slot's columns, then the number.
    pub(super) fn count_by_key(&self, query: &BoundQuery, restriction: &Restriction) -> Result<LogicalPlan, EngineError> {
        let rows = self.rows(query, restriction)?;
        Ok(rows.builder.aggregate(rows.slot, vec![count(lit(1_i64))])?.build()?)
    }
}

/// The visible columns of a scan by their positions in the table.
fn table_columns(table: &VirtualTable, scan: &LogicalPlanBuilder) -> Vec<Option<Expr>> {
    let column = |name: &str| scan.schema().qualified_field_with_unqualified_name(name).ok().map(|field| Expr::Column(Column::from(field)));
    table.columns.iter().map(|own| column(&own.name)).collect()
}
