//! Inner joins next to each other are one cluster of inputs and conditions, in whatever order they were written. Its inputs are regrouped by
//! source, so that each source joins its own; what remains is joined here, the smallest piece first. It must not know capabilities.

use crate::error::EngineError;
use crate::pushdown::cut::{Piece, columns_of, cut_subqueries, grow, project};
use crate::pushdown::equalities::{Equalities, covers};
use crate::pushdown::feed::{self, Hungry};
use crate::pushdown::fragment::RemoteFragment;
use crate::pushdown::growing::{Growing, Taken};
use crate::pushdown::join::{self, Condition};
use crate::pushdown::reduce::{is_grouped, is_selective, reduced};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, NullEquality};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, Extension, Join, JoinConstraint, LogicalPlan, LogicalPlanBuilder};
use portico_catalog::Model;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Whether a join is one of those that may be made in any order.
pub fn is_inner(join: &Join) -> bool {
    join.join_type == JoinType::Inner && join.null_equality == NullEquality::NullEqualsNothing && !join.null_aware
}

/// Cuts a cluster of inner joins, of which this is the topmost.
///
/// # Errors
/// `Internal` when the plan is not one that policy let through.
pub fn grow_cluster(join: Join, model: &Model) -> Result<Piece, EngineError> {
    let wanted = Arc::clone(&join.schema);
    let mut joining = Joining { equalities: Equalities::default(), conditions: Vec::new(), wanted };
    let mut inputs = Vec::new();
    joining.take(LogicalPlan::Join(join), &mut inputs);
    joining.conditions = std::mem::take(&mut joining.conditions)
        .into_iter()
        .map(|condition| cut_subqueries(condition, model))
        .collect::<Result<Vec<_>, _>>()?;
    let pieces = inputs.into_iter().map(|input| grow(input, model)).collect::<Result<Vec<_>, _>>()?;
    let mut pieces = joining.within_sources(pieces);
    match (pieces.pop(), pieces.is_empty()) {
        (Some(Piece::Remote(growing)), true) => joining.finished(*growing),
        (last, _) => {
            pieces.extend(last);
            joining.here(pieces).map(Piece::Local)
        }
    }
}

/// Groups of one piece without those that no row of another can meet.
struct Reduction {
    /// The positions of both among the pieces.
    groups: usize,
    rows: usize,
    reduced: Growing,
}

/// A piece that is joined here, before it is.
struct Waiting {
    /// Roughly how many rows it has.
    rows: u64,
    plan: LogicalPlan,
    /// The tables in it that still lack the keys that they require.
    hungry: Vec<Hungry>,
}

/// A cluster while it is joined.
#[derive(Clone)]
struct Joining {
    /// What equals what, on different sides.
    equalities: Equalities,
    /// Conditions that have not been applied yet.
    conditions: Vec<Expr>,
    /// The columns that are wanted in the end.
    wanted: DFSchemaRef,
}

impl Joining {
    /// Takes in a plan: the sides of an inner join one by one.
    fn take(&mut self, plan: LogicalPlan, inputs: &mut Vec<LogicalPlan>) {
        match plan {
            LogicalPlan::Join(join) if is_inner(&join) => {
                self.equalities.extend(join.on);
                self.conditions.extend(join.filter.into_iter().flat_map(split_conjunction_owned));
                self.take(Arc::unwrap_or_clone(join.left), inputs);
                self.take(Arc::unwrap_or_clone(join.right), inputs);
            }
            // Between joins, columns that nobody needs any more are dropped; those that are left keep their names.
            LogicalPlan::Projection(projection)
                if projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_)))
                    && matches!(projection.input.as_ref(), LogicalPlan::Join(join) if is_inner(join)) =>
            {
                self.take(Arc::unwrap_or_clone(projection.input), inputs);
            }
            other => inputs.push(other),
        }
    }

    /// Joins the pieces of each source. Groups are reduced by rows beside them where these two come to be in one query; where they stay apart,
    /// the rows would be asked for twice, and the groups be those of other rows than they are joined with here.
    fn within_sources(&mut self, pieces: Vec<Piece>) -> Vec<Piece> {
        let mut reductions = self.reductions(&pieces);
        while !reductions.is_empty() {
            let mut joining = self.clone();
            let mut reduced = pieces.clone();
            for reduction in &reductions {
                if let Some(piece) = reduced.get_mut(reduction.groups) {
                    *piece = Piece::Remote(Box::new(reduction.reduced.clone()));
                }
            }
            let joined = joining.joined_within(reduced);
            let before = reductions.len();
            reductions.retain(|reduction| joined.iter().any(|(of, _)| of.contains(&reduction.groups) && of.contains(&reduction.rows)));
            if reductions.len() == before {
                *self = joining;
                return joined.into_iter().map(|(_, piece)| piece).collect();
            }
        }
        self.joined_within(pieces).into_iter().map(|(_, piece)| piece).collect()
    }

    /// Where no more groups need be computed than the rows of some selective piece beside them can meet; of several, the one with the fewest
    /// rows.
    fn reductions(&self, pieces: &[Piece]) -> Vec<Reduction> {
        let remote = || {
            pieces.iter().enumerate().filter_map(|(at, piece)| match piece {
                Piece::Remote(growing) => Some((at, growing.as_ref())),
                Piece::Local(_) => None,
            })
        };
        let mut beside: Vec<(usize, &Growing)> = remote().filter(|(_, rows)| is_selective(rows)).collect();
        beside.sort_by_key(|(_, rows)| rows.estimate());
        let grouped = remote().filter(|(_, groups)| is_grouped(groups));
        let reduction = |(at, groups): (usize, &Growing)| {
            beside.iter().find_map(|(rows_at, rows)| {
                let equal = self.equalities.between(&groups.schema, &rows.schema);
                let pairs = equal.iter().filter_map(|(own, theirs)| Some((groups.translate(own)?, rows.translate(theirs)?)));
                let reduced = reduced(groups, rows, pairs.collect())?;
                Some(Reduction { groups: at, rows: *rows_at, reduced })
            })
        };
        grouped.filter_map(reduction).collect()
    }

    /// Joins the pieces of each source, as far as equalities connect them and the source takes it. Among pieces of several sources two are
    /// joined only by a key of one of them: else there may be far more rows than both have. What comes out says which pieces are in it.
    fn joined_within(&mut self, pieces: Vec<Piece>) -> Vec<(Vec<usize>, Piece)> {
        let sources: HashSet<Option<&str>> = pieces.iter().map(Piece::source).collect();
        let only_one = sources.len() == 1;
        let mut waiting: VecDeque<(usize, Piece)> = pieces.into_iter().enumerate().collect();
        let mut done = Vec::new();
        while let Some((number, piece)) = waiting.pop_front() {
            let mut of = vec![number];
            let Piece::Remote(mut growing) = piece else {
                done.push((of, piece));
                continue;
            };
            let mut at = 0;
            while at < waiting.len() {
                let joined = match waiting.get(at) {
                    Some((number, Piece::Remote(other))) => self.joined(&growing, other, only_one).map(|joined| (*number, joined)),
                    Some((_, Piece::Local(_))) | None => None,
                };
                // What is there now may be connected with those that were not before.
                at = match joined {
                    Some((number, joined)) => {
                        *growing = joined;
                        of.push(number);
                        waiting.remove(at);
                        0
                    }
                    None => at + 1,
                };
            }
            done.push((of, Piece::Remote(growing)));
        }
        done
    }

    /// Two pieces as one query of their source, with the conditions that can now be asked.
    fn joined(&mut self, left: &Growing, right: &Growing, only_one: bool) -> Option<Growing> {
        if left.source != right.source {
            return None;
        }
        let on = self.equalities.between(&left.schema, &right.schema);
        let by_key = left.is_key(on.iter().map(|(own, _)| own)) || right.is_key(on.iter().map(|(_, theirs)| theirs));
        if on.is_empty() || !(only_one || by_key) {
            return None;
        }
        let schema = Arc::new(left.schema.join(&right.schema).ok()?);
        let condition = Condition {
            on: &on,
            filter: None,
            join_type: JoinType::Inner,
            null_equality: NullEquality::NullEqualsNothing,
            null_aware: false,
            schema: &schema,
        };
        let mut joined = join::join(left.clone(), right.clone(), &condition)?;
        self.equalities.apply(&left.schema, &right.schema);
        self.conditions.extend(self.equalities.take_within(&joined.schema));
        self.conditions.retain(|condition| !covers(&joined.schema, condition) || joined.take_conjunct(condition) != Taken::Wholly);
        Some(joined)
    }

    /// All is one query: what the source does not evaluate is evaluated here, above it.
    fn finished(self, growing: Growing) -> Result<Piece, EngineError> {
        let wanted = columns_of(&self.wanted);
        let left: Vec<Expr> = self.equalities.conditions().chain(self.conditions).collect();
        if left.is_empty() {
            return project(growing, wanted, &self.wanted);
        }
        let mut plan = LogicalPlanBuilder::from(growing.into_plan());
        if let Some(condition) = left.into_iter().reduce(Expr::and) {
            plan = plan.filter(condition)?;
        }
        Ok(Piece::Local(plan.project(wanted)?.build()?))
    }

    /// Joins pieces here: the smallest first, then those that are connected with what is there, again the smallest first, so that the keys
    /// of a small piece can restrict what is asked of a large one.
    fn here(mut self, pieces: Vec<Piece>) -> Result<LogicalPlan, EngineError> {
        let needed = self.needed();
        let mut waiting: Vec<Waiting> = Vec::with_capacity(pieces.len());
        let mut names = Names::default();
        for piece in pieces {
            let rows = piece.estimate();
            let plan = names.distinct(narrowed(piece, &needed)?)?;
            waiting.push(Waiting { rows, hungry: feed::hungry(&plan)?, plan });
        }
        self.equalities = self.equalities.try_map(&|expression| names.renamed(expression))?;
        self.conditions = self.conditions.into_iter().map(|condition| names.renamed(condition)).collect::<Result<_, _>>()?;
        let mut joined: Option<LogicalPlan> = None;
        while let Some(next) = self.next(joined.as_ref(), &waiting) {
            let Waiting { plan, .. } = waiting.remove(next);
            let together = match joined.take() {
                None => plan,
                Some(left) => self.local_join(left, plan)?,
            };
            joined = Some(self.filtered(together)?);
        }
        let joined = joined.ok_or_else(|| EngineError::Internal("a join had no inputs".to_owned()))?;
        let mut plan = LogicalPlanBuilder::from(joined);
        if let Some(condition) = self.equalities.conditions().chain(std::mem::take(&mut self.conditions)).reduce(Expr::and) {
            plan = plan.filter(condition)?;
        }
        Ok(plan.project(names.original(&self.wanted))?.build()?)
    }

    /// The smallest piece that is connected, or the smallest at all. One that requires keys comes after those that do not, and not before what
    /// is there has the keys.
    fn next(&self, joined: Option<&LogicalPlan>, waiting: &[Waiting]) -> Option<usize> {
        let order = |(_, piece): &(usize, &Waiting)| {
            let on = joined.map(|joined| self.equalities.between(joined.schema(), piece.plan.schema())).unwrap_or_default();
            let starves = !piece.hungry.iter().all(|hungry| hungry.can_be_fed(piece.plan.schema(), &on));
            (starves, on.is_empty(), !piece.hungry.is_empty(), piece.rows)
        };
        waiting.iter().enumerate().min_by_key(order).map(|(index, _)| index)
    }

    fn local_join(&mut self, left: LogicalPlan, right: LogicalPlan) -> Result<LogicalPlan, EngineError> {
        let on = self.equalities.between(left.schema(), right.schema());
        self.equalities.apply(left.schema(), right.schema());
        let join = Join::try_new(
            Arc::new(left),
            Arc::new(right),
            on,
            None,
            JoinType::Inner,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            false,
        )?;
        Ok(LogicalPlan::Join(join))
    }

    /// Applies the conditions that can now be asked.
    fn filtered(&mut self, plan: LogicalPlan) -> Result<LogicalPlan, EngineError> {
        self.conditions.extend(self.equalities.take_within(plan.schema()));
        let (now, later): (Vec<Expr>, Vec<Expr>) =
            std::mem::take(&mut self.conditions).into_iter().partition(|condition| covers(plan.schema(), condition));
        self.conditions = later;
        match now.into_iter().reduce(Expr::and) {
            Some(condition) => Ok(LogicalPlanBuilder::from(plan).filter(condition)?.build()?),
            None => Ok(plan),
        }
    }

    /// The columns that are needed above the pieces.
    fn needed(&self) -> HashSet<Column> {
        let applied = self.equalities.expressions().chain(&self.conditions).flat_map(Expr::column_refs).cloned();
        self.wanted.iter().map(Column::from).chain(applied).collect()
    }
}

/// The names of columns while pieces are joined here: each has its own, because DataFusion looks for the columns of what restricts a scan by
/// name alone.
#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    renamed: HashMap<Column, Column>,
}

impl Names {
    /// A piece whose columns have names that no other's have.
    fn distinct(&mut self, piece: Piece) -> Result<LogicalPlan, EngineError> {
        let plan = piece.into_plan()?;
        let mut expressions = Vec::new();
        let mut changed = false;
        for field in plan.schema().iter() {
            let column = Column::from(field);
            if self.taken.insert(column.name.clone()) {
                expressions.push(Expr::Column(column));
                continue;
            }
            let numbers = 2..;
            let name = numbers.map(|number: usize| format!("{}#{number}", column.name)).find(|name| !self.taken.contains(name));
            let renamed = Column::new(column.relation.clone(), name.unwrap_or_default());
            self.taken.insert(renamed.name.clone());
            expressions.push(Expr::Column(column.clone()).alias_qualified(column.relation.clone(), renamed.name.clone()));
            self.renamed.insert(column, renamed);
            changed = true;
        }
        if !changed {
            return Ok(plan);
        }
        match plan {
            LogicalPlan::Extension(extension) if extension.node.as_any().is::<RemoteFragment>() => self.fragment(&extension),
            plan => Ok(LogicalPlanBuilder::from(plan).project(expressions)?.build()?),
        }
    }

    /// A fragment that returns its columns under the other names itself.
    fn fragment(&self, extension: &Extension) -> Result<LogicalPlan, EngineError> {
        let Some(fragment) = extension.node.as_any().downcast_ref::<RemoteFragment>() else {
            return Err(EngineError::Internal("a fragment is another node".to_owned()));
        };
        let mut fragment = fragment.clone();
        let fields = fragment.schema.iter().map(|(qualifier, field)| {
            let renamed = self.renamed.get(&Column::from((qualifier, field)));
            let field = renamed.map_or_else(|| Arc::clone(field), |column| Arc::new(field.as_ref().clone().with_name(&column.name)));
            (qualifier.cloned(), field)
        });
        fragment.schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), fragment.schema.metadata().clone())?);
        Ok(LogicalPlan::Extension(Extension { node: Arc::new(fragment) }))
    }

    fn renamed(&self, expression: Expr) -> Result<Expr, EngineError> {
        let renamed = expression.transform_up(|part| {
            Ok(match &part {
                Expr::Column(column) => match self.renamed.get(column) {
                    Some(other) => Transformed::yes(Expr::Column(other.clone())),
                    None => Transformed::no(part),
                },
                _ => Transformed::no(part),
            })
        })?;
        Ok(renamed.data)
    }

    /// Columns under the names that they have outside.
    fn original(&self, schema: &DFSchemaRef) -> Vec<Expr> {
        let column = |column: Column| match self.renamed.get(&column) {
            Some(other) => Expr::Column(other.clone()).alias_qualified(column.relation, column.name),
            None => Expr::Column(column),
        };
        schema.iter().map(|field| column(Column::from(field))).collect()
    }
}

/// A piece without the columns that nobody needs.
fn narrowed(piece: Piece, needed: &HashSet<Column>) -> Result<Piece, EngineError> {
    let Piece::Remote(growing) = piece else { return Ok(piece) };
    let fields: Vec<_> = growing.schema.iter().filter(|field| needed.contains(&Column::from(*field))).collect();
    if fields.len() == growing.schema.fields().len() {
        return Ok(Piece::Remote(growing));
    }
    let fields = fields.into_iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect();
    let schema: DFSchemaRef = Arc::new(DFSchema::new_with_metadata(fields, growing.schema.metadata().clone())?);
    project(*growing, columns_of(&schema), &schema)
}
