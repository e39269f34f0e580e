//! Property paths in expressions: which table each step is at, and what the last one names. Names of published properties become those
//! of the columns behind them.

use super::expression::{Scope, Translator};
use crate::error::ODataError;
use crate::syntax::{PathStep, Span, StepKind};
use portico_catalog::profile::{GuidProperty, Widening};
use portico_catalog::{TableView, VirtualTable};

/// What a path ends in.
pub(super) enum End<'a> {
    /// Something that is published as it is, or that the binder will say something about.
    Plain,
    /// A column that is widened.
    Widened(Widening),
    /// A GUID property of a table; the steps before it lead there.
    Guid(&'a GuidProperty, &'a TableView),
}

/// A path over the tables as they are.
pub(super) struct Path<'a> {
    /// The steps; without the last one where it is a GUID property.
    pub(super) steps: Vec<PathStep>,
    pub(super) end: End<'a>,
    /// As it was written, for messages.
    pub(super) text: String,
}

/// How a column is named in requests over the table as it is.
pub(super) fn native_path(table: &VirtualTable, column: usize) -> Vec<String> {
    match table.overlay.complex_of(column) {
        Some((complex, member)) => vec![complex.name.clone(), member.to_owned()],
        None => table.columns.get(column).map(|column| vec![column.name.clone()]).unwrap_or_default(),
    }
}

/// Names as steps that stand at one place.
pub(super) fn steps_of(names: Vec<String>, span: Span) -> impl Iterator<Item = PathStep> {
    names.into_iter().map(move |name| PathStep { kind: StepKind::Name(name), span })
}

impl<'a> Translator<'a> {
    /// Translates a path.
    pub(super) fn path(&self, steps: &[PathStep], scope: &Scope<'a>) -> Result<Path<'a>, ODataError> {
        let text = steps.iter().map(|step| step.kind.shown()).collect::<Vec<_>>().join("/");
        let mut path = Path { steps: Vec::with_capacity(steps.len()), end: End::Plain, text };
        let mut table = Some(scope.table);
        let mut at_root = false;
        for (index, step) in steps.iter().enumerate() {
            if let End::Guid(guid, _) = path.end {
                return Err(self.wrong(step.span, format!("'{}' is a property without parts", guid.name)));
            }
            let at = Scope { table: table.unwrap_or(scope.table), ..scope.clone() };
            let kind = match &step.kind {
                StepKind::Name(name) if index == 0 && scope.made(name).is_some() => {
                    path.end = scope.made(name).flatten().map_or(End::Plain, |widening| End::Widened(widening.clone()));
                    step.kind.clone()
                }
                // The types are as they are, though the profile does not tell them apart.
                StepKind::Name(name) if name.contains('.') => step.kind.clone(),
                StepKind::Name(name) if at_root => {
                    table = self.published.native.table(name);
                    step.kind.clone()
                }
                StepKind::Name(name) if index == 0 && scope.variable(name).is_some() => {
                    table = scope.variable(name);
                    step.kind.clone()
                }
                StepKind::Name(name) => {
                    match table.map(|table| self.name(name, step.span, table)).transpose()? {
                        None => {}
                        Some(Named::Relationship(to)) => table = to,
                        Some(Named::Column(names, end)) => {
                            path.steps.extend(steps_of(names, step.span));
                            path.end = end;
                            continue;
                        }
                    }
                    step.kind.clone()
                }
                StepKind::Special(name) => {
                    at_root = name == "$root";
                    if name == "$it" {
                        table = Some(scope.root);
                    }
                    step.kind.clone()
                }
                StepKind::Lambda { quantifier, body } => {
                    let body = body.as_ref().map(|(variable, body)| {
                        let inner = at.with(variable);
                        Ok::<_, ODataError>((variable.clone(), Box::new(self.expr(body, &inner)?)))
                    });
                    StepKind::Lambda { quantifier: *quantifier, body: body.transpose()? }
                }
                StepKind::Count(options) => {
                    let mut options = options.clone();
                    self.options(&mut options, at.table)?;
                    StepKind::Count(options)
                }
                StepKind::Filter(condition) => StepKind::Filter(Box::new(self.expr(condition, &at)?)),
                StepKind::Key(_) | StepKind::Aggregate(_) | StepKind::Call { .. } => {
                    return Err(self.not_built(step.span, format!("{} in an expression of a service for Dataverse", step.kind.shown())));
                }
                StepKind::Annotation(_) => step.kind.clone(),
            };
            at_root = at_root && matches!(step.kind, StepKind::Special(_));
            path.steps.push(PathStep { kind, span: step.span });
        }
        Ok(path)
    }

    /// What a name is in a table; `None` for what is not published under any name, which the binder has something to say about.
    fn name(&self, name: &str, span: Span, table: &'a TableView) -> Result<Named<'a>, ODataError> {
        if let Some(relationship) = table.relationship(name) {
            return Ok(Named::Relationship(self.published.native.table(&relationship.to)));
        }
        let Some(published) = self.published.table(&table.name) else { return Ok(Named::Column(vec![name.to_owned()], End::Plain)) };
        if let Some(guid) = published.guid(name) {
            return Ok(Named::Column(Vec::new(), End::Guid(guid, table)));
        }
        let Some(column) = self.shown_column(name, table) else {
            // The column may be there, but is not published (bytes); or there is none.
            return Err(self.unknown(name, span, table));
        };
        let end = published.widened.get(&column).map_or(End::Plain, |widening| End::Widened(widening.clone()));
        Ok(Named::Column(native_path(&table.table, column), end))
    }

    /// Position of a published column that is no GUID property.
    pub(super) fn shown_column(&self, name: &str, table: &TableView) -> Option<usize> {
        let shown = self.published.view.table(&table.name)?;
        shown.column(name).filter(|column| *column < table.table.columns.len())
    }
}

/// What a name stands for.
enum Named<'a> {
    Relationship(Option<&'a TableView>),
    Column(Vec<String>, End<'a>),
}
