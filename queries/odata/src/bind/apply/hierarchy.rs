//! The hierarchical transformations (section 6): `ancestors`, `descendants`, `traverse`, `rolluprecursive`, and SAP's `TopLevels`. It
//! must not know how trees are walked.

use super::Binder;
use super::state::{Reached, State, below, names, plain_column};
use crate::bind::hierarchy::{Found, find, parameters, text, whole_number};
use crate::bind::promote::common;
use crate::bound::apply::BoundTransformation;
use crate::bound::hierarchy::{BoundHierarchy, BoundRelatives, BoundTopLevels, BoundTraverse, TREE_COLUMNS};
use crate::bound::{BoundComputed, BoundExpr};
use crate::edm::type_name;
use crate::error::ODataError;
use crate::syntax::{
    Argument, Expr, ExprKind, Hierarchy, Literal, LiteralKind, OrderItem, Span, Transformation, TransformationKind as Kind,
};
use crate::value_type::{RowColumn, RowType};
use portico_catalog::TableView;
use portico_provider_api::ScalarType;

/// Whether a function is SAP's, by its namespace or that of its alias in `$metadata`.
pub(super) fn is_top_levels(name: &str) -> bool {
    name == super::TOP_LEVELS || name == "Hierarchy.TopLevels"
}

/// How rows are related to the nodes of a hierarchy (section 6.2.2).
#[derive(Clone, PartialEq)]
enum Related {
    /// They are nodes.
    Nodes,
    /// A path of navigation properties leads to the node.
    Along(Vec<String>),
    /// They hold the identifier of a node, under this name and in this type.
    Identifier(Vec<String>, ScalarType),
}

/// What `rolluprecursive` has added to the rows.
pub(super) struct Rolled<'a> {
    found: Found<'a>,
    /// The nodes that are rolled up to.
    pub(super) hierarchy: BoundHierarchy,
    related: Related,
    /// Position of the identifier of the node that is rolled up to.
    pub(super) node: usize,
}

impl<'a> Binder<'a> {
    fn found(&self, hierarchy: &Hierarchy) -> Result<Found<'a>, ODataError> {
        find(self.view, &hierarchy.nodes, &hierarchy.qualifier.text, hierarchy.qualifier.span).map_err(|mistake| self.at(mistake))
    }

    fn at(&self, (error, span): (ODataError, Span)) -> ODataError {
        error.at(self.target, Some(span.start))
    }

    /// The nodes, some of which may be left out, and how they are sorted.
    fn nodes(&self, found: &Found<'a>, then: &[Transformation], order: &[OrderItem]) -> Result<BoundHierarchy, ODataError> {
        let inside = Binder { base: found.table, tree: None, ..*self };
        let mut nodes = State::of(found.table);
        for transformation in then {
            inside.preserving(transformation)?;
            inside.one(&mut nodes, transformation)?;
        }
        let order = inside.orders(&nodes, order, self.target)?;
        Ok(BoundHierarchy { then: nodes.out, order, ..found.whole() })
    }

    /// Refuses what does not keep instances as they are.
    fn preserving(&self, transformation: &Transformation) -> Result<(), ODataError> {
        match transformation.kind {
            Kind::Filter(_)
            | Kind::Search(_)
            | Kind::OrderBy(_)
            | Kind::Skip(_)
            | Kind::Top(_)
            | Kind::Identity
            | Kind::Ranked { .. }
            | Kind::Relatives { .. }
            | Kind::Traverse { .. } => Ok(()),
            _ => Err(self.wrong(transformation.span, "this transformation cannot stand here: it does not keep instances as they are")),
        }
    }

    /// Where the rows have the identifier of a node, and how they are related to it.
    fn related(&self, state: &mut State<'a>, found: &Found<'a>, path: &Expr) -> Result<(usize, Related), ODataError> {
        let steps = names(self, path)?;
        let positions = state.resolve(self, path)?;
        let [node] = positions.as_slice() else {
            return Err(self.wrong(path.span, format!("'{}' is no primitive property", steps.join("/"))));
        };
        let column = state.column(*node);
        let (own, wanted) = (column.value_type.scalar(), found.scalar_type());
        if !found.takes(own) {
            let message = format!("'{}' is {}, the identifiers of nodes are {}", steps.join("/"), type_name(own), type_name(wanted));
            return Err(self.wrong(path.span, message));
        }
        let is_node = |names: &[String]| found.table.property_path(found.node).is_some_and(|own| own == names.join("/"));
        if state.rows.row_type.table.as_ref() == Some(&found.table.table.name) && is_node(&steps) {
            return Ok((*node, Related::Nodes));
        }
        for length in (1..steps.len()).rev() {
            let (prefix, rest) = steps.split_at(length);
            if self.leads_to(prefix, found.table) && is_node(rest) {
                return Ok((*node, Related::Along(prefix.to_vec())));
            }
        }
        Ok((*node, Related::Identifier(steps, own)))
    }

    /// Whether a path of to-one relationships leads from the entities to a table.
    fn leads_to(&self, path: &[String], table: &TableView) -> bool {
        let step = |from: Option<&'a TableView>, name: &String| {
            let link = from?.relationship(name).filter(|link| !link.many)?;
            self.view.table(&link.to)
        };
        path.iter().fold(Some(self.base), step).is_some_and(|reached| reached.table.name == table.table.name)
    }

    /// Whether the columns that a tree shows are wanted of this transformation.
    fn tree(&self, span: Span, related: &Related) -> bool {
        self.tree == Some(span) && *related == Related::Nodes
    }

    fn append_tree(&self, state: &mut State<'a>) {
        for name in TREE_COLUMNS {
            // A property of the entities has precedence, and what an earlier transformation said of the tree is out of date.
            let declared = self.is_declared(name);
            let scalar_type = if name == "DrillState" { ScalarType::Text } else { ScalarType::Int64 };
            let path = if declared { Vec::new() } else { vec![name.to_owned()] };
            let column = RowColumn { dynamic: true, ..plain_column(path, scalar_type) };
            if declared {
                state.rows.row_type.columns.push(column);
            } else {
                state.append(column);
            }
        }
    }

    fn outside_groups(&self, state: &State<'a>, what: &str, span: Span) -> Result<(), ODataError> {
        match state.partition.is_empty() {
            true => Ok(()),
            false => Err(self.not_built(span, format!("{what} inside groupby, join or $expand"))),
        }
    }

    pub(super) fn relatives(&self, state: &mut State<'a>, transformation: &Transformation) -> Result<(), ODataError> {
        let Kind::Relatives { descendants, hierarchy, start, distance, keep_start } = &transformation.kind else { return Ok(()) };
        let name = if *descendants { "descendants" } else { "ancestors" };
        if *distance == Some(0) {
            return Err(self.wrong(transformation.span, format!("{name}: the distance is a whole number from 1 on")));
        }
        let found = self.found(hierarchy)?;
        let (node, related) = self.related(state, &found, &hierarchy.property)?;
        let mut from = state.fork();
        for inner in start {
            self.preserving(inner)?;
            Binder { tree: None, ..*self }.one(&mut from, inner)?;
        }
        let tree = self.tree(transformation.span, &related);
        let relatives = BoundRelatives {
            hierarchy: found.whole(),
            node,
            start: from.out,
            // What keeps instances as they are only appends columns.
            start_node: node,
            descendants: *descendants,
            distance: *distance,
            keep_start: *keep_start,
            partition: state.partition.clone(),
            tree,
        };
        state.out.push(BoundTransformation::Relatives(Box::new(relatives)));
        if tree {
            self.append_tree(state);
        }
        Ok(())
    }

    pub(super) fn traverse(&self, state: &mut State<'a>, transformation: &Transformation) -> Result<(), ODataError> {
        let Kind::Traverse { hierarchy, postorder, start, order_by } = &transformation.kind else { return Ok(()) };
        let found = self.found(hierarchy)?;
        let (node, related) = self.related(state, &found, &hierarchy.property)?;
        let nodes = self.nodes(&found, start, order_by)?;
        let tree = self.tree(transformation.span, &related);
        state.out.push(BoundTransformation::Traverse(Box::new(BoundTraverse { hierarchy: nodes, node, postorder: *postorder, tree })));
        if tree {
            self.append_tree(state);
        }
        if let Related::Along(path) = &related {
            self.inject(state, &found, node, path);
        }
        Ok(())
    }

    /// The related entity that a node is, shown under the path that leads to it, instead of what was there.
    fn inject(&self, state: &mut State<'a>, found: &Found<'a>, node: usize, path: &[String]) {
        let whole = state.reached.iter().any(|reached| reached.path == path && reached.table.table.name == found.table.table.name);
        if whole {
            for index in state.rows.below(path) {
                if !state.rows.shown.contains(&index) {
                    state.rows.shown.push(index);
                }
            }
            return;
        }
        self.hide(state, &|column| column.path.starts_with(path));
        let first = state.columns().len();
        state.out.push(BoundTransformation::Node { table: found.table.table.name.clone(), key: found.node, node, first: false });
        let columns: Vec<RowColumn> = below(path, RowType::of_table(found.table).columns).collect();
        state.rows.shown.extend((first..).zip(&columns).filter(|(_, column)| !column.path.is_empty()).map(|(index, _)| index));
        state.rows.row_type.columns.extend(columns);
        state.rows.navigations.insert(path.to_vec());
        state.reached.push(Reached { path: path.to_vec(), table: found.table, first });
    }

    fn hide(&self, state: &mut State<'a>, which: &dyn Fn(&RowColumn) -> bool) {
        let hidden: Vec<usize> = state.columns().iter().enumerate().filter(|(_, column)| which(column)).map(|(index, _)| index).collect();
        state.rows.shown.retain(|index| !hidden.contains(index));
        for index in hidden {
            if let Some(column) = state.rows.row_type.columns.get_mut(index) {
                column.path.clear();
            }
        }
    }

    /// The first step of `rolluprecursive`: each row once per node at or above its own.
    pub(super) fn roll_up(&self, state: &mut State<'a>, hierarchy: &Hierarchy, to: &[Transformation]) -> Result<Rolled<'a>, ODataError> {
        let found = self.found(hierarchy)?;
        let (node, related) = self.related(state, &found, &hierarchy.property)?;
        let nodes = self.nodes(&found, to, &[])?;
        state.out.push(BoundTransformation::RollUp { hierarchy: Box::new(nodes.clone()), node });
        let rolled = state.columns().len();
        state.rows.row_type.columns.push(plain_column(Vec::new(), found.scalar_type()));
        Ok(Rolled { found, hierarchy: nodes, related, node: rolled })
    }

    /// The last step: the groups show which node they are of, whose identifier is in a column.
    pub(super) fn rolled_up(&self, state: &mut State<'a>, rolled: &Rolled<'a>, node: usize, span: Span) -> Result<(), ODataError> {
        if state.rows.row_type.table.is_some() {
            return Err(self.not_built(span, "rolluprecursive with transformations after which the rows are entities still"));
        }
        let replaced = |column: &RowColumn| match &rolled.related {
            Related::Nodes => column.path.first().is_some_and(|name| self.is_declared(name)),
            Related::Along(path) | Related::Identifier(path, _) => column.path.starts_with(path),
        };
        let grouped = state.partition.iter().filter(|index| **index != node).map(|index| state.column(*index));
        if let Some(column) = grouped.into_iter().find(replaced) {
            let what = format!("grouping by '{}' beside or around rolluprecursive, whose nodes have it too,", column.path.join("/"));
            return Err(self.not_built(span, what));
        }
        match &rolled.related {
            Related::Nodes => self.become_nodes(state, &rolled.found, node),
            Related::Along(path) => {
                self.inject(state, &rolled.found, node, path);
                Ok(())
            }
            Related::Identifier(path, scalar_type) => {
                self.hide(state, &|column| column.path == *path);
                let node = self.widened(state, node, *scalar_type);
                if let Some(column) = state.rows.row_type.columns.get_mut(node) {
                    column.path.clone_from(path);
                }
                state.rows.shown.insert(0, node);
                Ok(())
            }
        }
    }

    /// Where the same value is in another type, if that holds all values of its own.
    fn widened(&self, state: &mut State<'a>, index: usize, to: ScalarType) -> usize {
        let own = state.column(index).value_type.scalar();
        if own == to || common(own, to) != Some(to) {
            return index;
        }
        let column = plain_column(Vec::new(), to);
        let expr = BoundExpr::Cast { expr: Box::new(BoundExpr::Column(index)), to };
        state.out.push(BoundTransformation::Compute(vec![BoundComputed { expr, column: column.clone() }]));
        state.rows.row_type.columns.push(column);
        state.columns().len() - 1
    }

    /// The rows are the nodes, with what was computed of each.
    fn become_nodes(&self, state: &mut State<'a>, found: &Found<'a>, node: usize) -> Result<(), ODataError> {
        let own = State::of(found.table);
        let count = own.columns().len();
        self.hide(state, &|column| column.path.first().is_some_and(|name| self.is_declared(name)));
        state.out.push(BoundTransformation::Node { table: found.table.table.name.clone(), key: found.node, node, first: true });
        let moved = |index: &usize| index + count;
        let shown = own.rows.shown.iter().copied().chain(state.rows.shown.iter().map(moved)).collect();
        let columns = own.rows.row_type.columns.into_iter().chain(std::mem::take(&mut state.rows.row_type.columns)).collect();
        if let Some(presence) = &mut state.rows.presence {
            presence.position += count;
            presence.lacks = presence.lacks.iter().map(|lacks| lacks.iter().map(moved).collect()).collect();
        }
        state.partition = state.partition.iter().map(moved).collect();
        for made in state.nested.iter_mut().filter_map(|nested| nested.made.as_mut()) {
            made.link = made.link.iter().map(moved).collect();
        }
        state.rows.shown = shown;
        state.rows.row_type = RowType { table: own.rows.row_type.table, columns };
        state.reached = own.reached;
        Ok(())
    }

    /// SAP's `TopLevels`.
    pub(super) fn top_levels(&self, state: &mut State<'a>, arguments: &[Argument], span: Span) -> Result<(), ODataError> {
        const NAMES: [&str; 8] =
            ["HierarchyNodes", "HierarchyQualifier", "NodeProperty", "Levels", "ExpandLevels", "Expand", "Show", "Collapse"];
        self.outside_groups(state, "TopLevels", span)?;
        let values = parameters("TopLevels", arguments, &NAMES, 3, span).map_err(|mistake| self.at(mistake))?;
        let value = |index: usize| values.get(index).copied().flatten();
        let given = |index: usize| value(index).ok_or_else(|| self.wrong(span, "TopLevels lacks a parameter"));
        if let Some((name, other)) = NAMES.iter().zip(&values).skip(5).find_map(|(name, value)| value.map(|value| (name, value))) {
            return Err(self.not_built(other.span, format!("the parameter {name} of TopLevels")));
        }
        let (qualifier, property) = (given(1)?, given(2)?);
        let name = text(qualifier, "HierarchyQualifier").map_err(|mistake| self.at(mistake))?;
        let found = find(self.view, given(0)?, name, qualifier.span).map_err(|mistake| self.at(mistake))?;
        let path = text(property, "NodeProperty").map_err(|mistake| self.at(mistake))?;
        if found.table.property_path(found.node).as_deref() != Some(path) {
            return Err(self.wrong(property.span, format!("'{path}' is not the property that identifies the nodes of '{name}'")));
        }
        if state.rows.row_type.table.as_ref() != Some(&found.table.table.name) {
            return Err(self.not_built(span, "TopLevels of rows that are not the nodes themselves"));
        }
        let levels = value(3).map(|levels| whole_number(levels, "Levels", 1)).transpose().map_err(|mistake| self.at(mistake))?;
        let expanded = value(4).map(|expanded| self.expanded(expanded)).transpose()?.unwrap_or_default();
        let tree = self.tree(span, &Related::Nodes);
        let (node, parent) = (found.node, found.parent);
        let top = BoundTopLevels { qualifier: name.to_owned(), node, parent, levels, expanded, tree };
        state.out.push(BoundTransformation::TopLevels(Box::new(top)));
        if tree {
            self.append_tree(state);
        }
        Ok(())
    }

    /// `[{"NodeID":"1","Levels":2}]`: how many levels are shown below single nodes, null for all of them.
    fn expanded(&self, value: &Expr) -> Result<Vec<(String, Option<u64>)>, ODataError> {
        let wrong = |span: Span| self.wrong(span, "ExpandLevels is a list of objects such as {\"NodeID\":\"1\",\"Levels\":2}");
        let value = match &value.kind {
            ExprKind::Alias(name) => {
                let alias = self.place.aliases.iter().find(|alias| alias.name == *name);
                &alias.ok_or_else(|| wrong(value.span))?.value
            }
            _ => value,
        };
        let ExprKind::Array(items) = &value.kind else { return Err(wrong(value.span)) };
        let mut expanded = Vec::with_capacity(items.len());
        for item in items {
            let ExprKind::Object(members) = &item.kind else { return Err(wrong(item.span)) };
            let (mut node, mut levels) = (None, None);
            for (name, value) in members {
                match (name.as_str(), &value.kind) {
                    ("NodeID", ExprKind::JsonText(text) | ExprKind::Literal(Literal { kind: LiteralKind::Integer, text })) => {
                        node = Some(text.clone());
                    }
                    ("Levels", ExprKind::Literal(Literal { kind: LiteralKind::Null, .. })) => levels = Some(None),
                    ("Levels", _) => {
                        levels = Some(Some(whole_number(value, "Levels", 0).map_err(|mistake| self.at(mistake))?));
                    }
                    _ => return Err(wrong(value.span)),
                }
            }
            expanded.push(node.zip(levels).ok_or_else(|| wrong(item.span))?);
        }
        Ok(expanded)
    }
}

/// Whether a transformation says where rows stand in a tree.
pub(super) fn is_hierarchical(transformation: &Transformation) -> bool {
    match &transformation.kind {
        Kind::Relatives { .. } | Kind::Traverse { .. } => true,
        Kind::Function { name, .. } => is_top_levels(name),
        _ => false,
    }
}
