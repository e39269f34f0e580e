//! `concat` (section 3.2.2): the rows of each branch in one table, with the number of the branch and of the pattern of properties that
//! they have. What a branch lacks is null there and left out of the answer.

use super::{ApplyPlanner, Groups, Stage, branch_number};
use crate::error::EngineError;
use crate::plan::rows::Rows;
use crate::plan::seek::OrderKey;
use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use portico_odata::RowColumn;
use portico_odata::bound::apply::{BoundBranch, BoundTransformation};

impl ApplyPlanner<'_> {
    pub(super) fn concat(
        &self,
        stage: Stage,
        branches: &[BoundBranch],
        columns: &[RowColumn],
        groups: Option<&Groups>,
    ) -> Result<Stage, EngineError> {
        let names: Vec<String> = columns.iter().map(|_| self.name()).collect();
        let (branch_name, number_name) = (self.name(), self.name());
        let mut plans = Vec::with_capacity(branches.len());
        let (mut seen, mut told_apart, mut unique, mut numbered) = (vec![false; columns.len()], vec![false; columns.len()], true, false);
        for (number, branch) in branches.iter().enumerate() {
            let mut out = self.within(stage.clone(), &branch.then, groups.cloned())?;
            let sorted = !out.order.is_empty() || ends_sorted(&branch.then);
            let mut place = lit(0_i64);
            if sorted {
                let order = self.total(&out);
                (out, place) = self.numbered(out, &order, &[])?;
                place = cast(place, DataType::Int64);
            }
            numbered |= sorted;
            let mut output = Vec::with_capacity(columns.len() + 2);
            for (at, (column, name)) in columns.iter().zip(&names).enumerate() {
                let source = branch.columns.get(at).copied().flatten().and_then(|source| out.columns().get(source).cloned().flatten());
                let data_type = column.value_type.scalar().arrow();
                let value = match source {
                    _ if at + 1 == columns.len() => self.pattern(branch, &out)?,
                    Some(value) => {
                        seen.get_mut(at).into_iter().for_each(|seen| *seen = true);
                        if out.identity.contains(&value) {
                            told_apart.get_mut(at).into_iter().for_each(|key| *key = true);
                        }
                        self.typed(value, &data_type, &out)?
                    }
                    None => lit(ScalarValue::try_from(&data_type)?),
                };
                output.push(value.alias(name));
            }
            // What tells the branch's rows apart must be among what is kept of them.
            let kept = |key: &Expr| branch.columns.iter().flatten().any(|source| out.columns().get(*source) == Some(&Some(key.clone())));
            unique &= out.unique && out.identity.iter().all(kept);
            output.push(branch_number::call(i64::try_from(number).unwrap_or(i64::MAX)).alias(&branch_name));
            output.push(place.alias(&number_name));
            plans.push(out.rows.builder.project(output)?.build()?);
        }
        let builder = united(plans)?;
        let column = |name: &String| Expr::Column(Column::from_name(name));
        let last = columns.len().saturating_sub(1);
        let out: Vec<Option<Expr>> =
            names.iter().enumerate().map(|(at, name)| (at == last || seen.get(at) == Some(&true)).then(|| column(name))).collect();
        let identity = names.iter().zip(&told_apart).filter(|(_, key)| **key).map(|(name, _)| column(name));
        let identity = std::iter::once(column(&branch_name)).chain(identity).collect();
        let order = std::iter::once(&branch_name).chain(Some(&number_name).filter(|_| numbered));
        let order = order.map(|name| OrderKey { expr: column(name), descending: false }).collect();
        let rows = Rows::over(builder, stage.rows.scopes.first().and_then(|scope| scope.table.clone()), out);
        Ok(Stage { rows, order, identity, unique, numbered })
    }

    /// Which properties the rows of a branch have.
    fn pattern(&self, branch: &BoundBranch, stage: &Stage) -> Result<Expr, EngineError> {
        let first = lit(branch.first_pattern);
        let Some(position) = branch.pattern else { return Ok(first) };
        let own = stage.columns().get(position).cloned().flatten();
        let own = own.ok_or_else(|| EngineError::Internal("the pattern of a branch is not in its rows".to_owned()))?;
        Ok(if branch.first_pattern == 0 { own } else { own + first })
    }
}

/// Whether rows were cut off in an order that must show.
fn ends_sorted(transformations: &[BoundTransformation]) -> bool {
    matches!(transformations.last(), Some(BoundTransformation::Limit { .. } | BoundTransformation::Ranked { .. }))
}

fn united(plans: Vec<LogicalPlan>) -> Result<LogicalPlanBuilder, EngineError> {
    let mut plans = plans.into_iter();
    let first = plans.next().ok_or_else(|| EngineError::Internal("concat without branches".to_owned()))?;
    let mut builder = LogicalPlanBuilder::from(first);
    for plan in plans {
        builder = builder.union(plan)?;
    }
    Ok(builder)
}
