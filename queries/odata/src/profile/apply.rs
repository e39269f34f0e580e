//! `$apply` over what is published → over the tables as they are, and what of the rows that come out is published how. Paths resolve
//! from the table whatever was done to its rows before: what they do not have any more the binder refuses.

use super::expression::{Scope, Translator};
use super::guids::GuidPath;
use super::path::End;
use crate::error::ODataError;
use crate::syntax::{
    AggregateFrom, AggregateItem, ComputeItem, Expr, ExprKind, GroupElement, PathStep, StepKind, Transformation, TransformationKind as Kind,
};
use portico_catalog::profile::{GuidProperty, Widening};

/// The transformations that are translated.
pub(crate) const TRANSFORMATIONS: [&str; 16] = [
    "aggregate",
    "groupby",
    "concat",
    "identity",
    "filter",
    "search",
    "compute",
    "orderby",
    "skip",
    "top",
    "topcount",
    "topsum",
    "toppercent",
    "bottomcount",
    "bottomsum",
    "bottompercent",
];

/// A published property of rows that are no entities any more.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ShownColumn {
    /// Its name, or the path to it.
    pub(super) path: Vec<String>,
    /// The paths of what it is made of in the rows as they are.
    pub(super) natives: Vec<Vec<String>>,
    /// How it is made of them.
    pub(super) made: Made,
}

/// How a published property is made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Made {
    /// It is the column, in whatever type Dataverse takes for the column's own.
    Column,
    /// A widened column of the model.
    Widened(Widening),
    /// The GUID of a key.
    Guid(GuidProperty),
}

/// The rows between two transformations.
#[derive(Clone)]
struct Rows<'a> {
    scope: Scope<'a>,
    /// What they have, once they are no entities any more.
    columns: Option<Vec<ShownColumn>>,
}

impl<'a> Translator<'a> {
    /// Translates `$apply`. The scope knows the properties that were made afterwards.
    pub(super) fn apply(&self, steps: &mut [Transformation], scope: &mut Scope<'a>) -> Result<Option<Vec<ShownColumn>>, ODataError> {
        let mut rows = Rows { scope: scope.clone(), columns: None };
        self.sequence(steps, &mut rows)?;
        *scope = rows.scope;
        Ok(rows.columns)
    }

    fn sequence(&self, steps: &mut [Transformation], rows: &mut Rows<'a>) -> Result<(), ODataError> {
        steps.iter_mut().try_for_each(|step| self.transformation(step, rows))
    }

    fn transformation(&self, step: &mut Transformation, rows: &mut Rows<'a>) -> Result<(), ODataError> {
        let span = step.span;
        let refused = |what: &str| Err(self.not_built(span, format!("the transformation {what} in a service for Dataverse")));
        match &mut step.kind {
            Kind::Filter(condition) => *condition = self.expr(condition, &rows.scope)?,
            Kind::OrderBy(items) => *items = self.ordered(items, &rows.scope)?,
            Kind::Compute(items) => {
                self.compute(items, &mut rows.scope)?;
                if let Some(columns) = &mut rows.columns {
                    columns.extend(items.iter().map(|item| ShownColumn::alias(&item.name.text)));
                }
            }
            Kind::Ranked { amount, by, .. } => {
                *amount = self.expr(amount, &rows.scope)?;
                *by = self.expr(by, &rows.scope)?;
            }
            Kind::Identity | Kind::Skip(_) | Kind::Top(_) | Kind::Search(_) => {}
            Kind::Aggregate(items) => {
                let made = self.aggregate(items, rows)?;
                rows.columns = Some(made);
            }
            Kind::GroupBy { elements, then } => self.group_by(elements, then, rows)?,
            Kind::Concat(branches) => self.concat(branches, rows, span)?,
            Kind::Join { outer: false, .. } => return refused("join"),
            Kind::Join { outer: true, .. } => return refused("outerjoin"),
            Kind::Nest { .. } => return refused("nest"),
            Kind::Relatives { .. } | Kind::Traverse { .. } => return refused("over a hierarchy"),
            Kind::Function { name, .. } => return refused(name),
        }
        Ok(())
    }

    /// Translates computed properties, which the scope knows from then on.
    pub(super) fn compute(&self, items: &mut [ComputeItem], scope: &mut Scope<'a>) -> Result<(), ODataError> {
        let before = scope.clone();
        for item in items {
            let (expr, widening) = self.value(&item.expr, &before)?;
            item.expr = expr;
            scope.made.push((item.name.text.clone(), widening));
        }
        Ok(())
    }

    /// An expression whose value becomes a property, and how that is published where it is a widened column's.
    fn value(&self, expr: &Expr, scope: &Scope<'a>) -> Result<(Expr, Option<Widening>), ODataError> {
        let ExprKind::Path(steps) = &expr.kind else { return Ok((self.expr(expr, scope)?, None)) };
        let path = self.path(steps, scope)?;
        let native = Expr { kind: ExprKind::Path(path.steps.clone()), span: expr.span };
        match path.end {
            End::Plain => Ok((native, None)),
            End::Widened(widening) => Ok((native, Some(widening))),
            End::Guid(guid, table) => Err(self.guid_misused(&GuidPath { steps: path.steps, guid, table, span: expr.span })),
        }
    }

    fn concat(&self, branches: &mut [Vec<Transformation>], rows: &mut Rows<'a>, span: crate::syntax::Span) -> Result<(), ODataError> {
        let mut out: Option<Rows<'a>> = None;
        for branch in branches {
            let mut own = rows.clone();
            self.sequence(branch, &mut own)?;
            out = Some(match out {
                None => own,
                Some(mut all) => {
                    all.scope.made.extend(own.scope.made.into_iter().filter(|made| !rows.scope.made.contains(made)));
                    match (&mut all.columns, own.columns) {
                        (None, None) => {}
                        (Some(known), Some(more)) => {
                            for column in more {
                                if !known.iter().any(|other| other.path == column.path) {
                                    known.push(column);
                                }
                            }
                        }
                        _ => return Err(self.not_built(span, "concat of entities and aggregated rows in a service for Dataverse")),
                    }
                    all
                }
            });
        }
        *rows = out.unwrap_or_else(|| rows.clone());
        Ok(())
    }

    fn group_by(&self, elements: &mut Vec<GroupElement>, then: &mut [Transformation], rows: &mut Rows<'a>) -> Result<(), ODataError> {
        let mut columns = Vec::new();
        let mut native = Vec::with_capacity(elements.len());
        for element in elements.drain(..) {
            match element {
                GroupElement::Property(path) => {
                    let (paths, column) = self.grouped(&path, &rows.scope)?;
                    native.extend(paths.into_iter().map(GroupElement::Property));
                    columns.push(column);
                }
                GroupElement::Rollup(levels) => {
                    let mut paths = Vec::with_capacity(levels.len());
                    for level in levels {
                        if is_all(&level) {
                            paths.push(level);
                            continue;
                        }
                        let (mut own, column) = self.grouped(&level, &rows.scope)?;
                        if own.len() > 1 {
                            let what = format!("a level of rollup that is a key of several parts, '{}',", column.path.join("/"));
                            return Err(self.not_built(level.span, format!("{what} in a service for Dataverse")));
                        }
                        paths.append(&mut own);
                        columns.push(column);
                    }
                    native.push(GroupElement::Rollup(paths));
                }
                GroupElement::RollupRecursive { hierarchy, .. } => {
                    return Err(self.not_built(hierarchy.nodes.span, "rolluprecursive in a service for Dataverse"));
                }
            }
        }
        *elements = native;
        if !then.is_empty() {
            let mut inner = rows.clone();
            self.sequence(then, &mut inner)?;
            rows.scope = inner.scope;
            match inner.columns {
                Some(made) => {
                    columns.extend(made.into_iter().filter(|own| !columns.iter().any(|known| known.path == own.path)).collect::<Vec<_>>())
                }
                // The groups' rows are entities still.
                None => {
                    rows.columns = None;
                    return Ok(());
                }
            }
        }
        rows.columns = Some(columns);
        Ok(())
    }

    /// A property that rows are grouped by: the paths of what it is made of, and how it is published.
    fn grouped(&self, expr: &Expr, scope: &Scope<'a>) -> Result<(Vec<Expr>, ShownColumn), ODataError> {
        let ExprKind::Path(steps) = &expr.kind else {
            return Err(self.wrong(expr.span, "rows are grouped by properties"));
        };
        let path = self.path(steps, scope)?;
        let (paths, made) = match path.end {
            End::Guid(guid, table) => (GuidPath { steps: path.steps, guid, table, span: expr.span }.columns(), Made::Guid(guid.clone())),
            End::Widened(widening) => (vec![path_of(path.steps, expr)], Made::Widened(widening)),
            End::Plain => (vec![path_of(path.steps, expr)], Made::Column),
        };
        let natives = paths.iter().filter_map(names).collect();
        Ok((paths, ShownColumn { path: names(expr).unwrap_or_default(), natives, made }))
    }

    fn aggregate(&self, items: &mut [AggregateItem], rows: &mut Rows<'a>) -> Result<Vec<ShownColumn>, ODataError> {
        let before = rows.scope.clone();
        let mut made = Vec::with_capacity(items.len());
        for item in items {
            let widening = self.aggregated(item, &before)?;
            let name = match &item.alias {
                Some(alias) => alias.text.clone(),
                // A custom aggregate, or a count without a name: what that is called the binder knows.
                None => names(&item.expr).and_then(|path| path.last().cloned()).unwrap_or_default(),
            };
            let how = widening.clone().map_or(Made::Column, Made::Widened);
            rows.scope.made.push((name.clone(), widening));
            made.push(ShownColumn { made: how, ..ShownColumn::alias(&name) });
        }
        Ok(made)
    }

    /// Translates one aggregate, and says how its value is published where it is one of a widened column.
    fn aggregated(&self, item: &mut AggregateItem, scope: &Scope<'a>) -> Result<Option<Widening>, ODataError> {
        for AggregateFrom { properties, .. } in &mut item.from {
            for property in properties {
                let (mut paths, column) = self.grouped(property, scope)?;
                match (paths.pop(), paths.is_empty()) {
                    (Some(only), true) => *property = only,
                    _ => {
                        let what = format!("from '{}', a key of several parts, in a service for Dataverse", column.path.join("/"));
                        return Err(self.not_built(property.span, what));
                    }
                }
            }
        }
        let counts = |steps: &[PathStep]| matches!(steps.last(), Some(PathStep { kind: StepKind::Special(_), .. }));
        if item.method.is_none() && !matches!(&item.expr.kind, ExprKind::Path(steps) if counts(steps)) {
            return Err(self.not_built(item.span, "a custom aggregate in a service for Dataverse"));
        }
        let method = item.method.as_ref().map(|method| method.text.to_ascii_lowercase()).unwrap_or_default();
        let ExprKind::Path(steps) = &item.expr.kind else {
            item.expr = self.expr(&item.expr, scope)?;
            return Ok(None);
        };
        let path = self.path(steps, scope)?;
        let span = item.expr.span;
        match path.end {
            End::Plain => {
                item.expr = path_of(path.steps, &item.expr);
                Ok(None)
            }
            End::Widened(Widening::Enumeration(choices)) if matches!(method.as_str(), "min" | "max") => {
                let coded = choices.members.iter().any(|member| !member.stored.scalar_type().is_numeric());
                if coded {
                    let what = format!("the {method} of '{}', whose codes are in another order than its numbers,", path.text);
                    return Err(self.not_built(span, format!("{what} in a service for Dataverse")));
                }
                item.expr = path_of(path.steps, &item.expr);
                Ok(Some(Widening::Enumeration(choices)))
            }
            End::Widened(widening) => {
                item.expr = path_of(path.steps, &item.expr);
                Ok(matches!(method.as_str(), "min" | "max").then_some(widening))
            }
            End::Guid(guid, table) => {
                let guid = GuidPath { steps: path.steps, guid, table, span };
                let mut columns = guid.columns();
                match (columns.pop(), columns.is_empty(), method.as_str()) {
                    (Some(only), true, "countdistinct") => {
                        item.expr = only;
                        Ok(None)
                    }
                    _ => Err(self.guid_misused(&guid)),
                }
            }
        }
    }

    /// The published columns that `$select` keeps.
    pub(super) fn selected(columns: Vec<ShownColumn>, wanted: &[Vec<String>]) -> Vec<ShownColumn> {
        let keeps = |column: &ShownColumn| wanted.iter().any(|path| path.as_slice() == ["*"] || column.path.starts_with(path));
        columns.into_iter().filter(keeps).collect()
    }
}

impl ShownColumn {
    /// A property that the request made.
    pub(super) fn alias(name: &str) -> ShownColumn {
        ShownColumn { path: vec![name.to_owned()], natives: vec![vec![name.to_owned()]], made: Made::Column }
    }
}

fn path_of(steps: Vec<PathStep>, from: &Expr) -> Expr {
    Expr { kind: ExprKind::Path(steps), span: from.span }
}

/// `$all`, the level above all others.
fn is_all(level: &Expr) -> bool {
    matches!(&level.kind, ExprKind::Path(steps) if matches!(steps.as_slice(), [PathStep { kind: StepKind::Special(name), .. }] if name == "$all"))
}

/// The names of a path of names.
fn names(expr: &Expr) -> Option<Vec<String>> {
    let ExprKind::Path(steps) = &expr.kind else { return None };
    let name = |step: &PathStep| match &step.kind {
        StepKind::Name(name) | StepKind::Special(name) => Some(name.clone()),
        _ => None,
    };
    steps.iter().map(name).collect()
}
