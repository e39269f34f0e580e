//! The rows of one level before order and paging: reached along a relationship, looked up by key, computed columns added, filtered.

use super::{EntityPlanner, Restriction};
use crate::error::EngineError;
use crate::plan::functions;
use crate::plan::key_set::KeySetFunction;
use crate::plan::names::Names;
use crate::plan::rows::Rows;
use datafusion::common::{Column, JoinType};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarUDF, lit};
use portico_catalog::{Relationship, Through, VirtualTable};
use portico_odata::{BoundExpr, BoundQuery, ComparisonOperator};
use portico_provider_api::{ScalarType, Value};

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

impl EntityPlanner<'_> {
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

    /// The rows that a query is about — reached, looked up, computed and filtered — and the columns whose values are put into the slot.
    pub(super) fn rows(&self, query: &BoundQuery, restriction: &Restriction) -> Result<(Rows, Vec<Expr>), EngineError> {
        let rights = &self.rights_of(query)?;
        let evaluator = self.evaluator();
        let mut rows = match &query.call {
            Some(call) => functions::rows(&self.names(), &evaluator, rights, call)?,
            None => Rows::scan(&evaluator, rights, restriction.tagged && super::has_etag(rights))?,
        };
        let mut filled = Vec::new();
        if let Some((reach, slot)) = &restriction.keys {
            filled = match reach {
                Reach::Columns(columns) => columns.iter().map(|index| rows.column(*index)).collect::<Result<Vec<_>, _>>()?,
                Reach::Link(through) => self.linked(&mut rows, through)?,
            };
            let function = ScalarUDF::from(KeySetFunction::new(slot.clone(), filled.len()));
            rows.builder = rows.builder.filter(function.call(filled.clone()))?;
        }
        // The key of a shape is a part of its filter.
        if let Some(key) = query.key.as_ref().filter(|key| !key.is_empty()) {
            rows = rows.filter(&evaluator, &key_condition(&rights.table, key)?)?;
        }
        for computed in &query.compute {
            rows = rows.compute(&evaluator, &computed.expr)?;
        }
        if let Some(filter) = &query.filter {
            rows = rows.filter(&evaluator, filter)?;
        }
        Ok((rows, filled))
    }

    /// Whether the key of the table tells the rows of a query apart, as that of what a function yields need not.
    pub(super) fn is_told_apart(&self, query: &BoundQuery) -> Result<bool, EngineError> {
        let Some(call) = &query.call else { return Ok(true) };
        let rights = &self.rights_of(query)?;
        Ok(functions::is_told_apart(&functions::select(&self.names(), &self.evaluator(), rights, call)?, &rights.table))
    }

    fn names(&self) -> Names<'_> {
        Names::new(self.session, self.model, self.rights, self.now)
    }

    /// The rows beside each pair of the link table that leads to them. A pair counts once, however often the table holds it.
    fn linked(&self, rows: &mut Rows, through: &Through) -> Result<Vec<Expr>, EngineError> {
        let rights = self.rights_on(&through.table)?;
        let pairs = Rows::scan(&self.evaluator(), rights, false)?;
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
        rows.builder = rows.builder.clone().join_on(link, JoinType::Inner, equal)?;
        Ok(through.own.iter().map(|(_, link)| at(*link)).collect())
    }

    /// How many rows there are without paging.
    pub(super) fn count(&self, query: &BoundQuery, restriction: &Restriction) -> Result<LogicalPlan, EngineError> {
        if let Some(apply) = &query.apply {
            return self.applied_count(query, apply, restriction);
        }
        let restriction = Restriction { keys: restriction.keys.clone(), ..Restriction::default() };
        let rows = if query.cross.is_empty() { self.rows(query, &restriction)?.0 } else { self.combinations(query)? };
        Ok(rows.builder.aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64))])?.build()?)
    }

    /// How many rows there are for each key in the slot that has any: the slot's columns, then the number.
    pub(super) fn count_by_key(&self, query: &BoundQuery, restriction: &Restriction) -> Result<LogicalPlan, EngineError> {
        let (rows, slot) = self.rows(query, restriction)?;
        Ok(rows.builder.aggregate(slot, vec![count(lit(1_i64))])?.build()?)
    }
}

/// The condition that a row has a key.
fn key_condition(table: &VirtualTable, key: &[Value]) -> Result<BoundExpr, EngineError> {
    let equalities =
        table.key.iter().zip(key).map(|(column, value)| {
            BoundExpr::compare(ComparisonOperator::Eq, BoundExpr::Column(*column), BoundExpr::Literal(value.clone()))
        });
    BoundExpr::all(equalities.collect()).ok_or_else(|| EngineError::Invalid(format!("'{}' has no key", table.name)))
}
