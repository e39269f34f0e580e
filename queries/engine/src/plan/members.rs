//! Lambdas and counts: what an expression asks of a collection becomes a join of its own. A lambda that decides alone over a row is a
//! semi or anti join; one whose value is needed beside others is a mark join, which adds a column; a count is a left join of a grouped
//! count. Conditions that name only members are evaluated below the join, those that name the row as well in it.

use crate::error::EngineError;
use crate::plan::lower::Lowering;
use crate::plan::rows::{Evaluator, Far, RowScope, Rows, columns_of, conjuncts, fresh, scalar};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchemaRef, TableReference};
use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder, lit};
use portico_odata::{BoundExpr, BoundQuantifier, ComparisonOperator, Members, MembersOrigin};
use portico_provider_api::Value;
use std::sync::Arc;

/// Name of the column with a number of members.
const COUNT: &str = "n";

/// Level and steps from which a collection's relationship is followed.
pub(super) fn origin(members: &Members) -> Option<(usize, &[usize])> {
    match &members.origin {
        MembersOrigin::Related { level, steps, .. } => Some((*level, steps)),
        MembersOrigin::Table => None,
    }
}

/// How many levels beyond its own rows an expression reaches.
fn reach(expression: &BoundExpr) -> usize {
    let own = match expression {
        BoundExpr::Path { level, .. } => *level,
        BoundExpr::Lambda { members, .. } | BoundExpr::Count(members) => origin(members).map_or(0, |(level, _)| level),
        _ => 0,
    };
    let children = expression.children().into_iter().map(reach);
    let inner = expression.inner().into_iter().map(|inner| reach(inner).saturating_sub(1));
    children.chain(inner).fold(own, usize::max)
}

/// Whether a lambda or count in an expression reaches beyond the expression's own rows: it can only be evaluated where those are.
fn is_entangled(expression: &BoundExpr) -> bool {
    let collection = matches!(expression, BoundExpr::Lambda { .. } | BoundExpr::Count(_) | BoundExpr::Node(_));
    (collection && reach(expression) > 0) || expression.children().into_iter().any(is_entangled)
}

/// What must be true of a member for the lambda to be decided by it, and whether such a member makes it true.
fn deciding(lambda: &BoundExpr) -> Option<(&Members, Vec<BoundExpr>, bool)> {
    let BoundExpr::Lambda { quantifier, members, condition } = lambda else { return None };
    let filter = members.filter.as_deref().cloned().into_iter();
    let condition = condition.as_deref().cloned();
    Some(match quantifier {
        BoundQuantifier::Any => (members, filter.chain(condition).collect(), true),
        BoundQuantifier::All => (members, filter.chain(condition.map(not_true)).collect(), false),
    })
}

/// The condition that another is not true: false or null.
fn not_true(condition: BoundExpr) -> BoundExpr {
    if is_two_valued(&condition) {
        return BoundExpr::Not(Box::new(condition));
    }
    BoundExpr::compare(ComparisonOperator::Ne, condition, BoundExpr::Literal(Value::Boolean(true)))
}

/// Whether a condition is never null.
fn is_two_valued(condition: &BoundExpr) -> bool {
    match condition {
        BoundExpr::Compare { .. }
        | BoundExpr::In { .. }
        | BoundExpr::Lambda { .. }
        | BoundExpr::Node(_)
        | BoundExpr::Literal(Value::Boolean(_)) => true,
        BoundExpr::And(left, right) | BoundExpr::Or(left, right) => is_two_valued(left) && is_two_valued(right),
        BoundExpr::Not(inner) => is_two_valued(inner),
        _ => false,
    }
}

/// Members of which all conditions are true, ready to be joined to the rows that they belong to.
struct Matching {
    builder: LogicalPlanBuilder,
    links: (Vec<Expr>, Vec<Expr>),
    /// What else must be true of a pair.
    residual: Option<Expr>,
}

impl Rows {
    /// Keeps the rows of which a lambda is true, or false when negated.
    pub(super) fn keep(mut self, evaluator: &Evaluator<'_>, lambda: &BoundExpr, negated: bool) -> Result<Rows, EngineError> {
        let (members, conditions, positive) = deciding(lambda).ok_or_else(no_lambda)?;
        if let Some(exists) = exists_at_all(evaluator, members, &conditions)? {
            let kept = if positive != negated { exists } else { Expr::Not(Box::new(exists)) };
            self.builder = self.builder.filter(kept)?;
            return Ok(self);
        }
        let matching = self.matching(evaluator, members, &conditions)?;
        let kind = if positive != negated { JoinType::LeftSemi } else { JoinType::LeftAnti };
        self.builder = self.builder.join_with_expr_keys(matching.builder.build()?, kind, matching.links, matching.residual)?;
        Ok(self)
    }

    /// Makes a column of a lambda.
    pub(super) fn mark(mut self, evaluator: &Evaluator<'_>, lambda: &BoundExpr) -> Result<Rows, EngineError> {
        let (members, conditions, positive) = deciding(lambda).ok_or_else(no_lambda)?;
        let exists = match exists_at_all(evaluator, members, &conditions)? {
            Some(exists) => exists,
            None => {
                let matching = self.matching(evaluator, members, &conditions)?;
                let name = fresh(&[&self.builder, &matching.builder]);
                // A mark is found by the name of the one table that it marks.
                let renaming = Renaming::new(matching.builder, &name)?;
                let renamed = |expression: &Expr| renaming.expression(expression).ok_or_else(no_lambda);
                let keys = matching.links.1.iter().map(renamed).collect::<Result<Vec<_>, _>>()?;
                let residual = matching.residual.as_ref().map(renamed).transpose()?;
                let plan = renaming.builder.clone().build()?;
                self.builder = self.builder.join_with_expr_keys(plan, JoinType::LeftMark, (matching.links.0, keys), residual)?;
                Expr::Column(Column::new(Some(TableReference::bare(name)), "mark"))
            }
        };
        self.known.push((lambda.clone(), if positive { exists } else { Expr::Not(Box::new(exists)) }));
        Ok(self)
    }

    /// Makes a column of a count.
    pub(super) fn count(mut self, evaluator: &Evaluator<'_>, expression: &BoundExpr, members: &Members) -> Result<Rows, EngineError> {
        let conditions: Vec<BoundExpr> = members.filter.as_deref().into_iter().cloned().collect();
        if let Some(number) = count_of_all(evaluator, members, &conditions)? {
            self.known.push((expression.clone(), number));
            return Ok(self);
        }
        let filter = conditions.iter().map(reach).max().unwrap_or_default();
        let matching =
            if filter == 0 { self.matching(evaluator, members, &conditions)? } else { self.pairs(evaluator, members, &conditions)? };
        let name = fresh(&[&self.builder]);
        let keys: Vec<Expr> = matching.links.1.iter().enumerate().map(|(index, key)| key.clone().alias(format!("k{index}"))).collect();
        let counted = matching.builder.aggregate(keys, vec![count(lit(1_i64)).alias(COUNT)])?.alias(name.as_str())?;
        let column = |column: &str| Expr::Column(Column::new(Some(TableReference::bare(name.as_str())), column));
        let rights = (0..matching.links.1.len()).map(|index| column(&format!("k{index}"))).collect();
        self.builder = self.builder.join_with_expr_keys(counted.build()?, JoinType::Left, (matching.links.0, rights), None)?;
        let coalesce = evaluator.session.udf("coalesce")?;
        self.known.push((expression.clone(), coalesce.call(vec![column(COUNT), lit(0_i64)])));
        Ok(self)
    }

    /// The members of which conditions are true.
    fn matching(&self, evaluator: &Evaluator<'_>, members: &Members, conditions: &[BoundExpr]) -> Result<Matching, EngineError> {
        let parts: Vec<&BoundExpr> = conditions.iter().flat_map(conjuncts).collect();
        if parts.iter().any(|part| is_entangled(part)) || members.origin == MembersOrigin::Table {
            return self.pairs(evaluator, members, conditions);
        }
        let (inner, outer): (Vec<&BoundExpr>, Vec<&BoundExpr>) = parts.into_iter().partition(|part| reach(part) == 0);
        let far = self.far(evaluator, members)?;
        let links = far.links.clone();
        let mut rows = Rows::over(far.builder, Some(far.table), far.columns);
        for condition in inner {
            rows = rows.filter(evaluator, condition)?;
        }
        rows = rows.prepare_own(evaluator, &outer)?;
        let lowering = Lowering {
            scopes: rows.scopes.iter().chain(&self.scopes).cloned().collect(),
            schema: Arc::new(self.builder.schema().join(rows.builder.schema())?),
            ..rows.lowering(evaluator)
        };
        let residual = outer.iter().map(|condition| lowering.truth(condition)).collect::<Result<Vec<_>, _>>()?;
        Ok(Matching { builder: rows.builder, links, residual: residual.into_iter().reduce(Expr::and) })
    }

    /// The joins that expressions need of the innermost rows alone.
    fn prepare_own(self, evaluator: &Evaluator<'_>, expressions: &[&BoundExpr]) -> Result<Rows, EngineError> {
        let mut own = Vec::new();
        let mut waiting: Vec<&BoundExpr> = expressions.to_vec();
        while let Some(expression) = waiting.pop() {
            let collection =
                matches!(expression, BoundExpr::Lambda { .. } | BoundExpr::Count(_) | BoundExpr::RootPath { .. } | BoundExpr::Node(_));
            if collection || matches!(expression, BoundExpr::Path { level: 0, .. }) {
                own.push(expression);
            }
            waiting.extend(expression.children());
        }
        self.prepare(evaluator, own)
    }

    /// Pairs of a row and a member of which conditions are true: the rows once more, joined to the members, so that conditions may name
    /// both wherever they stand. What comes out is which rows have such a member, by their keys.
    fn pairs(&self, evaluator: &Evaluator<'_>, members: &Members, conditions: &[BoundExpr]) -> Result<Matching, EngineError> {
        let identity = self.identity()?;
        let renaming = Renaming::new(self.builder.clone(), &fresh(&[&self.builder]))?;
        let moved = |expression: &Expr| renaming.expression(expression);
        let copied = Rows {
            builder: renaming.builder.clone(),
            scopes: self.scopes.iter().map(|scope| scope.mapped(&moved)).collect(),
            known: Vec::new(),
        };
        let far = copied.far(evaluator, members)?;
        let joined = match members.origin {
            MembersOrigin::Related { .. } => {
                copied.builder.clone().join_with_expr_keys(far.builder.build()?, JoinType::Inner, far.links, None)?
            }
            MembersOrigin::Table => copied.builder.clone().cross_join(far.builder.build()?)?,
        };
        let mut scopes = vec![RowScope::new(Some(far.table), far.columns)];
        scopes.extend(copied.scopes.iter().cloned());
        let mut rows = Rows { builder: joined, scopes, known: Vec::new() };
        for condition in conditions {
            rows = rows.filter(evaluator, condition)?;
        }
        let keys = identity.iter().map(|key| moved(key).ok_or_else(no_lambda)).collect::<Result<Vec<_>, _>>()?;
        Ok(Matching { builder: rows.builder, links: (identity, keys), residual: None })
    }

    /// What tells the rows apart: the keys of all that they are made of. Rows outside of others, which hold what is computed of those, add
    /// nothing.
    fn identity(&self) -> Result<Vec<Expr>, EngineError> {
        let unknown = || EngineError::Unsupported("a condition on related entities of rows that have no key is not supported".to_owned());
        let mut identity = Vec::new();
        for scope in self.scopes.iter().filter(|scope| !scope.is_outside) {
            let table = scope.table.as_ref().ok_or_else(unknown)?;
            for index in &table.table.key {
                identity.push(scope.column(&[], *index).ok_or_else(unknown)?);
            }
        }
        if identity.is_empty() { Err(unknown()) } else { Ok(identity) }
    }

    fn far(&self, evaluator: &Evaluator<'_>, members: &Members) -> Result<Far, EngineError> {
        match &members.origin {
            MembersOrigin::Related { level, steps, relationship } => {
                let (table, columns) = self.near(*level, steps)?;
                evaluator.far((&table, &columns), *relationship, &self.builder)
            }
            MembersOrigin::Table => {
                let table = Arc::clone(evaluator.rights_on(&members.table)?);
                let name = fresh(&[&self.builder]);
                let builder = evaluator.scan(&table, &name, false)?;
                let columns = columns_of(&builder, &name, &table.table);
                Ok(Far { builder, table, columns, links: (Vec::new(), Vec::new()), unique: false })
            }
        }
    }
}

/// A plan whose columns are under other names, all of one table.
struct Renaming {
    builder: LogicalPlanBuilder,
    before: DFSchemaRef,
    name: String,
}

impl Renaming {
    fn new(builder: LogicalPlanBuilder, name: &str) -> Result<Renaming, EngineError> {
        let before = Arc::clone(builder.schema());
        let renamed = before.columns().into_iter().enumerate().map(|(index, column)| Expr::Column(column).alias(format!("c{index}")));
        let builder = builder.project(renamed.collect::<Vec<_>>())?.alias(name)?;
        Ok(Renaming { builder, before, name: name.to_owned() })
    }

    /// An expression over the columns as they were, over them as they are called now.
    fn expression(&self, expression: &Expr) -> Option<Expr> {
        let rename = |part: Expr| {
            let index = if let Expr::Column(column) = &part { self.before.maybe_index_of_column(column) } else { None };
            Ok(match index {
                Some(index) => {
                    let table = TableReference::bare(self.name.as_str());
                    Transformed::yes(Expr::Column(Column::new(Some(table), format!("c{index}"))))
                }
                None => Transformed::no(part),
            })
        };
        expression.clone().transform(rename).ok().map(|renamed| renamed.data)
    }
}

/// How many rows of a whole table meet conditions that name nothing else; nothing when the collection is another.
fn count_of_all(evaluator: &Evaluator<'_>, members: &Members, conditions: &[BoundExpr]) -> Result<Option<Expr>, EngineError> {
    if members.origin != MembersOrigin::Table || conditions.iter().any(|condition| reach(condition) > 0) {
        return Ok(None);
    }
    let mut rows = Rows::scan(evaluator, evaluator.rights_on(&members.table)?, false)?;
    for condition in conditions {
        rows = rows.filter(evaluator, condition)?;
    }
    let plan = rows.builder.aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64))])?.build()?;
    let coalesce = evaluator.session.udf("coalesce")?;
    Ok(Some(coalesce.call(vec![scalar(plan), lit(0_i64)])))
}

fn exists_at_all(evaluator: &Evaluator<'_>, members: &Members, conditions: &[BoundExpr]) -> Result<Option<Expr>, EngineError> {
    Ok(count_of_all(evaluator, members, conditions)?.map(|number| number.gt(lit(0_i64))))
}

fn no_lambda() -> EngineError {
    EngineError::Internal("a collection is not what it was bound to be".to_owned())
}
