//! The first rows of an order: where what sorts them stays here, a source below it need not return more of its rows than can be among them. It
//! must not know capabilities.

use crate::error::EngineError;
use crate::pushdown::cut::{Piece, limit, sorted};
use crate::pushdown::equalities::covers;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection, Sort, SubqueryAlias};

/// Of the rows of a plan only the first so many in an order are wanted; of those that are equal in it, any.
#[derive(Clone)]
pub struct Top {
    keys: Vec<SortExpr>,
    rows: usize,
}

impl Top {
    /// What a sort wants of its input.
    pub fn of(sort: &Sort) -> Option<Top> {
        sort.fetch.map(|rows| Top { keys: sort.expr.clone(), rows })
    }

    /// The same of the rows that a projection makes its rows of, one of each.
    pub fn below_projection(&self, projection: &Projection) -> Option<Top> {
        self.over(&projection.schema, |at| projection.expr.get(at).cloned().map(Expr::unalias_nested).map(|expr| expr.data))
    }

    /// The same of the rows that are given a name.
    pub fn below_alias(&self, alias: &SubqueryAlias) -> Option<Top> {
        self.by_position(&alias.schema, &alias.input)
    }

    /// The same of the rows of one branch of a union: what comes first of all rows comes first of its own.
    pub fn of_branch(&self, union: &DFSchema, branch: &LogicalPlan) -> Option<Top> {
        self.by_position(union, branch)
    }

    /// The same of one side of a join that keeps each row of that side, where the order is of them alone.
    pub fn of_side(&self, join: &Join, kind: JoinType) -> Option<Top> {
        let side = match kind {
            JoinType::Left => &join.left,
            JoinType::Right => &join.right,
            _ => return None,
        };
        let own = join.join_type == kind && self.keys.iter().all(|key| covers(side.schema(), &key.expr));
        own.then(|| self.clone())
    }

    fn by_position(&self, schema: &DFSchema, plan: &LogicalPlan) -> Option<Top> {
        let columns = plan.schema();
        self.over(schema, |at| (at < columns.fields().len()).then(|| Expr::Column(Column::from(columns.qualified_field(at)))))
    }

    /// The same where each column of a schema is another expression.
    fn over(&self, schema: &DFSchema, column: impl Fn(usize) -> Option<Expr>) -> Option<Top> {
        let replaced = |key: &SortExpr| {
            let mut found = true;
            let expr = key.expr.clone().transform_up(|part| {
                let Expr::Column(own) = &part else { return Ok(Transformed::no(part)) };
                match schema.maybe_index_of_column(own).and_then(&column) {
                    Some(other) => Ok(Transformed::yes(other)),
                    None => {
                        found = false;
                        Ok(Transformed::no(part))
                    }
                }
            });
            expr.ok().filter(|_| found).map(|expr| SortExpr { expr: expr.data, ..key.clone() })
        };
        Some(Top { keys: self.keys.iter().map(replaced).collect::<Option<Vec<_>>>()?, rows: self.rows })
    }

    /// A piece that stays a source query of its own, without the rows that are not wanted; as it is, where its source does not sort so.
    ///
    /// # Errors
    /// As [`limit`].
    pub fn applied(&self, piece: Piece) -> Result<Piece, EngineError> {
        let Piece::Remote(growing) = &piece else { return Ok(piece) };
        // A table that is asked by keys may be asked several times.
        if growing.is_cut_off() || growing.key_slot.is_some() || !growing.required_keys.is_empty() {
            return Ok(piece);
        }
        let Some(sorted) = sorted(growing, &self.keys) else { return Ok(piece) };
        match limit(Piece::Remote(Box::new(sorted)), 0, Some(self.rows))? {
            top @ Piece::Remote(_) => Ok(top),
            Piece::Local(_) => Ok(piece),
        }
    }
}
