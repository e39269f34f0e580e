//! `concat` (section 3.2.2): the columns of all branches side by side, by name, and which rows have which of them.

use super::Binder;
use super::state::{State, plain_column};
use crate::bind::promote::common;
use crate::bound::apply::{AppliedRows, BoundBranch, BoundPresence, BoundTransformation};
use crate::bound::{BoundExpand, BoundMade};
use crate::error::ODataError;
use crate::syntax::{Span, Transformation};
use crate::value_type::{RowColumn, RowType, ValueType};
use portico_provider_api::ScalarType;
use std::collections::BTreeSet;
use std::ops::Range;

/// The columns of the result so far, and where each branch has them.
struct Merged {
    columns: Vec<RowColumn>,
    sources: Vec<Vec<Option<usize>>>,
}

impl Merged {
    fn add(&mut self, column: RowColumn, sources: impl IntoIterator<Item = Option<usize>>) {
        self.columns.push(column);
        for (branch, source) in self.sources.iter_mut().zip(sources) {
            branch.push(source);
        }
    }

    /// Where a column of a branch may be: it is there already, or the branch has nothing there, and the type is its own.
    fn takes(&self, branch: usize, at: usize, source: usize, rows: &State<'_>) -> bool {
        let known = self.sources.get(branch).and_then(|sources| sources.get(at)).copied().flatten();
        let typed = self.columns.get(at).is_some_and(|column| column.value_type == rows.column(source).value_type);
        typed && known.is_none_or(|known| known == source)
    }

    fn set(&mut self, branch: usize, at: usize, source: usize) {
        if let Some(place) = self.sources.get_mut(branch).and_then(|sources| sources.get_mut(at)) {
            *place = Some(source);
        }
    }

    /// The position of a column of a branch in its own type, hidden where it is not there for another reason.
    fn linking(&mut self, branch: usize, source: usize, rows: &State<'_>, branches: usize) -> usize {
        let known = self.sources.get(branch).into_iter().flatten().position(|known| *known == Some(source));
        if let Some(known) = known.filter(|known| self.takes(branch, *known, source, rows)) {
            return known;
        }
        let column = RowColumn { path: Vec::new(), nullable: true, ..rows.column(source) };
        self.add(column, (0..branches).map(|number| (number == branch).then_some(source)));
        self.columns.len() - 1
    }

    /// Whether a column of a branch is among them.
    fn holds(&self, branch: usize, index: usize) -> bool {
        self.sources.get(branch).is_some_and(|sources| sources.contains(&Some(index)))
    }
}

impl<'a> Binder<'a> {
    pub(super) fn concat(&self, state: &mut State<'a>, sequences: &[Vec<Transformation>], span: Span) -> Result<(), ODataError> {
        let mut branches = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            let mut branch = state.fork();
            self.sequence(&mut branch, sequence)?;
            state.nests = branch.nests;
            branches.push(branch);
        }
        self.merge(state, branches, span)
    }

    /// Puts branches, which all began with the state, after one another.
    pub(super) fn merge(&self, state: &mut State<'a>, branches: Vec<State<'a>>, span: Span) -> Result<(), ODataError> {
        let mut merged = Merged { columns: Vec::new(), sources: vec![Vec::new(); branches.len()] };
        let entities = branches.iter().all(|branch| branch.rows.row_type.table.is_some());
        if entities && let Some(reached) = state.reached.first() {
            for index in 0..reached.table.table.columns.len() {
                merged.add(state.column(index), branches.iter().map(|_| Some(index)));
            }
        }
        for number in 0..state.partition.len() {
            let sources: Vec<Option<usize>> = branches.iter().map(|branch| branch.partition.get(number).copied()).collect();
            if let (Some(first), Some(Some(index))) = (branches.first(), sources.first())
                && !merged.holds(0, *index)
            {
                merged.add(first.column(*index), sources);
            }
        }
        for (number, branch) in branches.iter().enumerate() {
            for index in &branch.rows.shown {
                let column = branch.column(*index);
                if column.path.is_empty() || merged.holds(number, *index) {
                    continue;
                }
                let positions = branches.iter().map(|other| shown_at(&other.rows, &column.path));
                let merged_column = self.meeting(column.clone(), &branches, span)?;
                merged.add(merged_column, positions);
            }
        }
        let nested = gathered(&branches, &mut merged);
        self.finish(state, branches, merged, (entities, nested));
        Ok(())
    }

    /// A column of a type that holds the values of all branches that have it.
    fn meeting(&self, column: RowColumn, branches: &[State<'a>], span: Span) -> Result<RowColumn, ODataError> {
        let mut value_type = column.value_type.clone();
        let mut nullable = false;
        for branch in branches {
            let Some(index) = shown_at(&branch.rows, &column.path) else {
                nullable = true;
                continue;
            };
            let other = branch.column(index);
            nullable |= other.nullable;
            if other.value_type != value_type {
                let both = match (&value_type, &other.value_type) {
                    (ValueType::Scalar(left), ValueType::Scalar(right)) => common(*left, *right),
                    _ => None,
                };
                value_type = ValueType::Scalar(both.ok_or_else(|| {
                    self.wrong(span, format!("the sequences have properties of different types under the name '{}'", column.path.join("/")))
                })?);
            }
        }
        Ok(RowColumn { value_type, nullable, ..column })
    }

    fn finish(&self, state: &mut State<'a>, branches: Vec<State<'a>>, merged: Merged, (entities, nested): (bool, Vec<Gathered>)) {
        let mut shown = BTreeSet::new();
        let mut navigations = BTreeSet::new();
        let mut shown_of = Vec::with_capacity(branches.len());
        for (branch, sources) in branches.iter().zip(&merged.sources) {
            let own: BTreeSet<usize> = (0..sources.len())
                .filter(|at| sources.get(*at).copied().flatten().is_some_and(|source| branch.rows.shown.contains(&source)))
                .collect();
            shown.extend(&own);
            shown_of.push(own);
            navigations.extend(branch.rows.navigations.iter().cloned());
        }
        let mut lacks: Vec<BTreeSet<usize>> = Vec::new();
        let mut bound = Vec::with_capacity(branches.len());
        let partition = state.partition.len();
        let first_partition = branches.first().map(|branch| branch.partition.clone()).unwrap_or_default();
        let mut patterns = Vec::with_capacity(branches.len());
        let aggregated = branches.iter().any(|branch| branch.aggregated);
        let combined = branches.iter().any(|branch| branch.combined);
        for ((branch, sources), own) in branches.into_iter().zip(&merged.sources).zip(&shown_of) {
            let first_pattern = i64::try_from(lacks.len()).unwrap_or(i64::MAX);
            let missing: BTreeSet<usize> = shown.difference(own).copied().collect();
            match &branch.rows.presence {
                None => lacks.push(missing),
                Some(presence) => lacks.extend(presence.lacks.iter().map(|inner| {
                    let inner = inner.iter().filter_map(|index| sources.iter().position(|source| *source == Some(*index)));
                    missing.iter().copied().chain(inner).collect()
                })),
            }
            patterns.push(first_pattern..i64::try_from(lacks.len()).unwrap_or(i64::MAX));
            let pattern = branch.rows.presence.as_ref().map(|presence| presence.position);
            bound.push(BoundBranch { then: branch.out, columns: sources.clone(), first_pattern, pattern });
        }
        let mut columns = merged.columns;
        let position = columns.len();
        columns.push(RowColumn { nullable: false, ..plain_column(Vec::new(), ScalarType::Int64) });
        state.out.push(BoundTransformation::Concat { branches: bound, columns: columns.clone() });
        let at = |index: &usize| merged.sources.first().and_then(|sources| sources.iter().position(|source| *source == Some(*index)));
        state.partition = first_partition.iter().take(partition).filter_map(at).collect();
        state.nested = nested.into_iter().map(|nested| nested.of_rows(&patterns)).collect();
        let some_only = state.nested.iter().any(|nested| nested.made.as_ref().is_some_and(|made| made.only.is_some()));
        let differ = some_only || lacks.iter().any(|lacks| !lacks.is_empty());
        let table = state.rows.row_type.table.take().filter(|_| entities);
        if table.is_some() {
            state.reached.truncate(1);
        } else {
            state.reached.clear();
        }
        (state.aggregated, state.combined) = (aggregated, combined);
        state.rows = AppliedRows {
            row_type: RowType { table, columns },
            shown: shown.into_iter().collect(),
            presence: differ.then_some(BoundPresence { position, lacks }),
            navigations,
        };
    }
}

/// What `nest` or `addnested` added to the rows of some branches.
struct Gathered {
    expand: BoundExpand,
    /// Where it is in the rows of the result.
    link: Vec<usize>,
    /// The branches that have it, with those of their own patterns that do where not all have.
    branches: Vec<(usize, Option<Vec<i64>>)>,
}

impl Gathered {
    /// The same of the rows of the result. `patterns` are the numbers there of each branch's own.
    fn of_rows(self, patterns: &[Range<i64>]) -> BoundExpand {
        let (mut having, mut all) = (Vec::new(), self.branches.len() == patterns.len());
        for (branch, own) in self.branches {
            let Some(numbers) = patterns.get(branch).cloned() else { continue };
            match own {
                None => having.extend(numbers),
                Some(own) => {
                    all = false;
                    having.extend(own.iter().map(|number| number.saturating_add(numbers.start)));
                }
            }
        }
        let group = self.expand.made.as_ref().and_then(|made| made.group);
        let made = BoundMade { link: self.link, group, only: (!all).then_some(having) };
        BoundExpand { made: Some(made), ..self.expand }
    }
}

/// What was added to the rows of the branches. Where it is the same in several, it was added before them. The columns that link it to the
/// rows are among those of the result.
fn gathered(branches: &[State<'_>], merged: &mut Merged) -> Vec<Gathered> {
    let mut all: Vec<Gathered> = Vec::new();
    for (number, branch) in branches.iter().enumerate() {
        for expand in &branch.nested {
            let Some(made) = &expand.made else { continue };
            let bare = |expand: &BoundExpand| {
                let group = expand.made.as_ref().and_then(|made| made.group);
                BoundExpand { made: Some(BoundMade { link: Vec::new(), group, only: None }), ..expand.clone() }
            };
            let known = all.iter_mut().find(|other| {
                let same = bare(&other.expand) == bare(expand) && other.link.len() == made.link.len();
                same && other.branches.iter().all(|(branch, _)| *branch != number)
                    && other.link.iter().zip(&made.link).all(|(at, source)| merged.takes(number, *at, *source, branch))
            });
            if let Some(known) = known {
                for (at, source) in known.link.iter().zip(&made.link) {
                    merged.set(number, *at, *source);
                }
                known.branches.push((number, made.only.clone()));
                continue;
            }
            let link = made.link.iter().map(|source| merged.linking(number, *source, branch, branches.len())).collect();
            all.push(Gathered { expand: expand.clone(), link, branches: vec![(number, made.only.clone())] });
        }
    }
    all
}

fn shown_at(rows: &AppliedRows, path: &[String]) -> Option<usize> {
    rows.shown.iter().copied().find(|index| rows.row_type.columns.get(*index).is_some_and(|column| column.path == path))
}
