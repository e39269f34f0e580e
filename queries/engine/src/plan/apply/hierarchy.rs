//! Hierarchical transformations: each is a walk through the nodes, joined to the rows by the identifier of the node that a row is of.

use super::{ApplyPlanner, Groups, Stage};
use crate::error::EngineError;
use crate::plan::hierarchy::{HierarchyWalk, Keep, Question};
use crate::plan::nodes::as_identifier;
use crate::plan::rows::{Rows, columns_of, fresh};
use crate::plan::seek::OrderKey;
use arrow::datatypes::DataType;
use datafusion::common::{Column, NullEquality};
use datafusion::logical_expr::{Expr, ExprSchemable, JoinType, LogicalPlan, lit};
use portico_odata::bound::hierarchy::{BoundHierarchy, BoundRelatives, BoundTopLevels, BoundTraverse};
use std::sync::Arc;

/// What a walk yields of each node that a tree shows, in the order of [`portico_odata::bound::hierarchy::TREE_COLUMNS`].
const TREE: [&str; 4] = ["rank", "distance", "descendants", "state"];

/// The nodes of a walk: the plan, which of its sort keys are descending, and the type of identifiers.
struct Nodes {
    plan: LogicalPlan,
    descending: Vec<bool>,
    identifier: DataType,
}

impl ApplyPlanner<'_> {
    /// The nodes of a hierarchy, as rows of their table.
    fn node_rows(&self, hierarchy: &BoundHierarchy) -> Result<Stage, EngineError> {
        let rights = self.entities.rights_on(&hierarchy.table)?;
        let stage = Stage::of(Rows::scan(&self.evaluator(), rights, false)?, rights);
        self.ordered(self.sequence(stage, &hierarchy.then)?, &hierarchy.order)
    }

    /// The nodes of a walk among rows that are nodes, siblings in the order that there is.
    fn nodes(&self, stage: &Stage, node: usize, parent: usize) -> Result<Nodes, EngineError> {
        let [node, parent] = <[Expr; 2]>::try_from(self.at(stage, &[node, parent])?)
            .map_err(|_| EngineError::Internal("a hierarchy has no columns".to_owned()))?;
        let node = self.group_key(node, stage)?;
        let identifier = node.get_type(stage.builder().schema())?;
        let parent = self.group_key(as_identifier(parent, stage.builder(), &identifier)?, stage)?;
        let keys = stage.order.iter().map(|key| key.expr.clone());
        let output = [node, parent].into_iter().chain(keys).map(|expr| expr.alias(self.name())).collect::<Vec<_>>();
        let plan = stage.builder().clone().project(output)?.build()?;
        Ok(Nodes { plan, descending: stage.order.iter().map(|key| key.descending).collect(), identifier })
    }

    /// The identifiers that rows hold.
    fn identifiers(&self, stage: &Stage, node: usize, identifier: &DataType) -> Result<LogicalPlan, EngineError> {
        let column = self.identifier(stage, node, identifier)?.alias(self.name());
        Ok(stage.builder().clone().project(vec![column])?.build()?)
    }

    fn identifier(&self, stage: &Stage, node: usize, identifier: &DataType) -> Result<Expr, EngineError> {
        let missing = || EngineError::Internal("a bound column is not in its rows".to_owned());
        let column = self.at(stage, &[node])?.into_iter().next().ok_or_else(missing)?;
        self.group_key(as_identifier(column, stage.builder(), identifier)?, stage)
    }

    /// Keeps the rows that are of a node that a walk yields, once per node; says what the walk is called.
    fn walked(
        &self,
        stage: Stage,
        (node, identifier): (usize, &DataType),
        join_type: JoinType,
        walk: impl FnOnce(&str) -> datafusion::common::Result<datafusion::logical_expr::LogicalPlanBuilder>,
    ) -> Result<(Stage, String), EngineError> {
        let name = fresh(&[stage.builder()]);
        let keys = (vec![self.identifier(&stage, node, identifier)?], vec![HierarchyWalk::column(&name, "node")]);
        let plan = walk(&name)?.build()?;
        Ok((stage.step(|builder| builder.join_with_expr_keys(plan, join_type, keys, None))?, name))
    }

    pub(super) fn relatives(&self, stage: Stage, relatives: &BoundRelatives) -> Result<Stage, EngineError> {
        let hierarchy = &relatives.hierarchy;
        let nodes = self.nodes(&self.node_rows(hierarchy)?, hierarchy.node, hierarchy.parent)?;
        let start = self.sequence(stage.clone(), &relatives.start)?;
        if !relatives.partition.is_empty() {
            return self.relatives_in_groups(stage, start, relatives, nodes);
        }
        let start = self.identifiers(&start, relatives.start_node, &nodes.identifier)?;
        let keep = Keep::Relatives { descendants: relatives.descendants, distance: relatives.distance, keep_start: relatives.keep_start };
        let (question, qualifier) = (Question::Nodes(keep), hierarchy.qualifier.clone());
        if relatives.tree {
            return self.treed(stage, relatives.node, nodes, (qualifier, question), Some(start)).map(|(stage, _)| stage);
        }
        let order = stage.order.clone();
        let walk = |name: &str| HierarchyWalk::plan(qualifier, question, (nodes.plan, nodes.descending), Some(start), None, name);
        let (stage, _) = self.walked(stage, (relatives.node, &nodes.identifier), JoinType::LeftSemi, walk)?;
        Ok(Stage { order, ..stage })
    }

    /// The same in groups: all pairs of nodes, one above the other, lead from what is started from to rows of the same group.
    fn relatives_in_groups(&self, stage: Stage, start: Stage, relatives: &BoundRelatives, nodes: Nodes) -> Result<Stage, EngineError> {
        let identifier = nodes.identifier.clone();
        let name = fresh(&[stage.builder(), start.builder()]);
        let qualifier = relatives.hierarchy.qualifier.clone();
        let pairs = HierarchyWalk::plan(qualifier, Question::Closure, (nodes.plan, nodes.descending), None, None, &name)?;
        let mut near = lit(i64::from(!relatives.keep_start)).lt_eq(HierarchyWalk::column(&name, "distance"));
        if let Some(distance) = relatives.distance {
            near = near.and(HierarchyWalk::column(&name, "distance").lt_eq(lit(i64::try_from(distance).unwrap_or(i64::MAX))));
        }
        let (from, to) = if relatives.descendants { ("above", "node") } else { ("node", "above") };
        let begin = self.told_apart(&start, relatives.start_node, &relatives.partition, &identifier)?;
        let begin: Vec<(Expr, String)> = begin.into_iter().map(|expr| (expr, self.name())).collect();
        let started = start.rows.builder.project(begin.iter().map(|(expr, name)| expr.clone().alias(name)).collect::<Vec<_>>())?;
        let column = |name: &String| Expr::Column(Column::from_name(name));
        let mut groups = begin.iter().map(|(_, name)| column(name));
        let keys = (vec![HierarchyWalk::column(&name, from)], groups.by_ref().take(1).collect());
        let joined = pairs.filter(near)?.join_with_expr_keys(started.distinct()?.build()?, JoinType::Inner, keys, None)?;
        let names: Vec<String> = begin.iter().map(|_| self.name()).collect();
        let output = std::iter::once(HierarchyWalk::column(&name, to)).chain(groups).zip(&names).map(|(expr, name)| expr.alias(name));
        let wanted = joined.project(output.collect::<Vec<_>>())?.build()?;
        let own = self.told_apart(&stage, relatives.node, &relatives.partition, &identifier)?;
        let (stage, own) = self.extended(stage, own)?;
        let on = own.iter().filter_map(|expr| expr.try_as_col().cloned()).collect::<Vec<_>>();
        // The groups of nulls are groups; a row of no node finds none.
        let on = (on, names.into_iter().map(Column::from_name).collect());
        stage.step(|builder| builder.join_detailed(wanted, JoinType::LeftSemi, on, None, NullEquality::NullEqualsNull))
    }

    /// The node that a row is of, then the group.
    fn told_apart(&self, stage: &Stage, node: usize, partition: &[usize], identifier: &DataType) -> Result<Vec<Expr>, EngineError> {
        let node = self.identifier(stage, node, identifier)?;
        Ok(std::iter::once(node).chain(self.partition(stage, partition)?).collect())
    }

    /// A walk of which each row shows where its node stands among those of the rows.
    fn treed(
        &self,
        stage: Stage,
        node: usize,
        nodes: Nodes,
        (qualifier, question): (String, Question),
        start: Option<LogicalPlan>,
    ) -> Result<(Stage, String), EngineError> {
        let members = Some(self.identifiers(&stage, node, &nodes.identifier)?);
        let walk = |name: &str| HierarchyWalk::plan(qualifier, question, (nodes.plan, nodes.descending), start, members, name);
        let (mut stage, name) = self.walked(stage, (node, &nodes.identifier), JoinType::Inner, walk)?;
        stage.append(TREE.map(|column| Some(HierarchyWalk::column(&name, column))));
        Ok((stage, name))
    }

    /// The same rows in the order of a walk.
    fn in_order_of(stage: Stage, name: &str, column: &str) -> Stage {
        let first = OrderKey { expr: HierarchyWalk::column(name, column), descending: false };
        let order = std::iter::once(first).chain(stage.order.iter().cloned()).collect();
        // A node's place is another one once nodes have come and gone.
        Stage { order, numbered: true, ..stage }
    }

    pub(super) fn traverse(&self, stage: Stage, traverse: &BoundTraverse) -> Result<Stage, EngineError> {
        let hierarchy = &traverse.hierarchy;
        let nodes = self.nodes(&self.node_rows(hierarchy)?, hierarchy.node, hierarchy.parent)?;
        let (question, qualifier) = (Question::Nodes(Keep::All), hierarchy.qualifier.clone());
        let (stage, name) = if traverse.tree {
            self.treed(stage, traverse.node, nodes, (qualifier, question), None)?
        } else {
            let walk = |name: &str| HierarchyWalk::plan(qualifier, question, (nodes.plan, nodes.descending), None, None, name);
            self.walked(stage, (traverse.node, &nodes.identifier), JoinType::Inner, walk)?
        };
        Ok(Self::in_order_of(stage, &name, if traverse.postorder { "postrank" } else { "rank" }))
    }

    pub(super) fn top_levels(&self, stage: Stage, top: &BoundTopLevels) -> Result<Stage, EngineError> {
        let nodes = self.nodes(&stage, top.node, top.parent)?;
        let question = Question::Nodes(Keep::Levels { levels: top.levels, at: top.expanded.clone() });
        let walk = |name: &str| HierarchyWalk::plan(top.qualifier.clone(), question, (nodes.plan, nodes.descending), None, None, name);
        let (mut stage, name) = self.walked(stage, (top.node, &nodes.identifier), JoinType::Inner, walk)?;
        if top.tree {
            stage.append(TREE.map(|column| Some(HierarchyWalk::column(&name, column))));
        }
        Ok(Self::in_order_of(stage, &name, "rank"))
    }

    /// Each row once per node at or above its own, whose identifier is appended.
    pub(super) fn roll_up(&self, stage: Stage, hierarchy: &BoundHierarchy, node: usize) -> Result<Stage, EngineError> {
        let nodes = self.nodes(&self.node_rows(hierarchy)?, hierarchy.node, hierarchy.parent)?;
        let qualifier = hierarchy.qualifier.clone();
        let walk = |name: &str| HierarchyWalk::plan(qualifier, Question::Closure, (nodes.plan, nodes.descending), None, None, name);
        let (mut stage, name) = self.walked(stage, (node, &nodes.identifier), JoinType::Inner, walk)?;
        let above = HierarchyWalk::column(&name, "above");
        stage.append([Some(above.clone())]);
        stage.identity.push(above);
        Ok(stage)
    }

    /// The groups that the nodes of hierarchies are, each combination of them one, whether rows are of it or not.
    /// In the groups around they are so in each.
    pub(super) fn node_groups(&self, hierarchies: &[BoundHierarchy], around: Option<&Groups>) -> Result<Option<Groups>, EngineError> {
        let around = around.filter(|_| !hierarchies.is_empty());
        let mut groups = around.map(|around| self.distinct(around.stage.clone(), &around.keys)).transpose()?;
        for hierarchy in hierarchies {
            let stage = self.node_rows(hierarchy)?;
            let identifier = self.at(&stage, &[hierarchy.node])?;
            let name = self.name();
            let keys = identifier.into_iter().map(|key| self.group_key(key, &stage).map(|key| key.alias(&name)));
            let builder = stage.rows.builder.clone().project(keys.collect::<Result<Vec<_>, _>>()?)?;
            let key = Expr::Column(Column::from_name(name));
            groups = Some(match groups {
                None => Stage::grouped(builder, vec![key.clone()], vec![key]),
                Some(others) => {
                    let plan = builder.build()?;
                    let mut crossed = others.step(|others| others.cross_join(plan))?;
                    crossed.append([Some(key.clone())]);
                    crossed.identity.push(key);
                    crossed
                }
            });
        }
        Ok(groups.map(|stage| Groups { keys: (0..stage.columns().len()).collect(), stage, narrowed: true }))
    }

    /// Adds the columns of the row of a table that a node is.
    pub(super) fn node(&self, stage: Stage, table: &str, key: usize, node: usize, first: bool) -> Result<Stage, EngineError> {
        let rights = Arc::clone(self.entities.rights_on(table)?);
        let name = fresh(&[stage.builder()]);
        let far = self.evaluator().scan(&rights, &name, false)?;
        let columns = columns_of(&far, &name, &rights.table);
        let missing = || EngineError::Internal("a bound column is not in its rows".to_owned());
        let theirs = columns.get(key).cloned().flatten().ok_or_else(missing)?;
        let identifier = theirs.get_type(far.schema())?;
        let own = self.identifier(&stage, node, &identifier)?;
        let theirs = self.group_key(theirs, &Stage::grouped(far.clone(), Vec::new(), Vec::new()))?;
        let plan = far.build()?;
        let mut stage = stage.step(|builder| builder.join_with_expr_keys(plan, JoinType::Inner, (vec![own], vec![theirs]), None))?;
        if first {
            let all = columns.into_iter().chain(stage.columns().iter().cloned()).collect();
            stage.rows = Rows::over(stage.rows.builder, Some(rights), all);
        } else {
            stage.append(columns);
        }
        Ok(stage)
    }
}
