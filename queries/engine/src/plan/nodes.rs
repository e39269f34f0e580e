//! Questions of single nodes of a hierarchy inside expressions (`Aggregation.isroot` and its like): each becomes a mark join with the nodes
//! of which the answer is yes. They must not know which option an expression belongs to.

use crate::error::EngineError;
use crate::plan::hierarchy::{HierarchyWalk, Keep, Question};
use crate::plan::rows::{Evaluator, Rows, fresh};
use crate::values::scalar_from_value;
use arrow::datatypes::DataType;
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, JoinType, LogicalPlan, LogicalPlanBuilder, TryCast, lit};
use portico_odata::BoundExpr;
use portico_odata::bound::hierarchy::{BoundHierarchy, NodePosition, NodeTest};

/// What the columns with the identifiers of nodes and of their parents are called inside a walk's input.
const IDENTIFIERS: [&str; 2] = ["@node", "@parent"];

/// An expression in the type that identifiers have; null where its value is none.
pub(super) fn as_identifier(expr: Expr, from: &LogicalPlanBuilder, identifier: &DataType) -> Result<Expr, EngineError> {
    let own = expr.get_type(from.schema())?;
    Ok(if own == *identifier { expr } else { Expr::TryCast(TryCast::new(Box::new(expr), identifier.clone())) })
}

/// All nodes of a hierarchy over a whole table, as the caller sees them: identifiers, and those of the parents.
fn whole(evaluator: &Evaluator<'_>, hierarchy: &BoundHierarchy) -> Result<(LogicalPlan, DataType), EngineError> {
    let rights = evaluator.rights_on(&hierarchy.table)?;
    let rows = Rows::scan(evaluator, rights, false)?;
    let node = rows.column(hierarchy.node)?;
    let identifier = node.get_type(rows.builder.schema())?;
    let parent = as_identifier(rows.column(hierarchy.parent)?, &rows.builder, &identifier)?;
    let plan = rows.builder.project(vec![node.alias(IDENTIFIERS[0]), parent.alias(IDENTIFIERS[1])])?.build()?;
    Ok((plan, identifier))
}

/// One identifier as a plan.
fn single(value: &BoundExpr, identifier: &DataType) -> Result<Option<LogicalPlan>, EngineError> {
    let BoundExpr::Literal(value) = value else { return Ok(None) };
    let row = LogicalPlanBuilder::values(vec![vec![lit(scalar_from_value(value))]])?;
    let column = row.schema().columns().into_iter().next().map(Expr::Column);
    let column = column.ok_or_else(|| EngineError::Internal("a row of constants has no column".to_owned()))?;
    let column = as_identifier(column, &row, identifier)?;
    Ok(Some(row.project(vec![column.alias(IDENTIFIERS[0])])?.build()?))
}

impl Rows {
    /// Makes a column of the answer to a question of a node.
    pub(super) fn test_node(mut self, evaluator: &Evaluator<'_>, expression: &BoundExpr, test: &NodeTest) -> Result<Rows, EngineError> {
        let (nodes, identifier) = whole(evaluator, &test.hierarchy)?;
        let name = fresh(&[&self.builder]);
        let qualifier = test.hierarchy.qualifier.clone();
        let lowering = self.lowering(evaluator);
        let value = |expr: &BoundExpr| as_identifier(lowering.value(expr)?, &self.builder, &identifier);
        let column = |column: &str| HierarchyWalk::column(&name, column);
        let mut keys = (vec![value(&test.node)?], vec![column("node")]);
        let walk = |question: Question, start: Option<LogicalPlan>| {
            HierarchyWalk::plan(qualifier.clone(), question, (nodes.clone(), Vec::new()), start, None, &name)
        };
        let plan = match &test.position {
            NodePosition::Root => walk(Question::Nodes(Keep::Roots), None)?,
            NodePosition::Leaf => walk(Question::Nodes(Keep::Leaves), None)?,
            NodePosition::SiblingOf(other) => walk(Question::Nodes(Keep::Siblings), single(other, &identifier)?)?,
            NodePosition::Related { descendant, other, distance, include_self } => match single(other, &identifier)? {
                Some(start) => {
                    let keep = Keep::Relatives { descendants: *descendant, distance: *distance, keep_start: *include_self };
                    walk(Question::Nodes(keep), Some(start))?
                }
                None => {
                    let (own, others) = if *descendant { ("node", "above") } else { ("above", "node") };
                    keys = (vec![value(&test.node)?, value(other)?], vec![column(own), column(others)]);
                    let far = column("distance").gt_eq(lit(if *include_self { 0_i64 } else { 1 }));
                    let far = distance.map_or(far.clone(), |most| {
                        let most = i64::try_from(most).unwrap_or(i64::MAX);
                        far.and(column("distance").lt_eq(lit(most)))
                    });
                    walk(Question::Closure, None)?.filter(far)?
                }
            },
        };
        self.builder = self.builder.join_with_expr_keys(plan.build()?, JoinType::LeftMark, keys, None)?;
        let mark = Expr::Column(Column::new(Some(TableReference::bare(name)), "mark"));
        self.known.push((expression.clone(), mark));
        Ok(self)
    }
}
