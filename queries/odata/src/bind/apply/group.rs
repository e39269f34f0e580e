//! `groupby` (section 3.2.3), with `rollup` spelt out as the groupings that it stands for, the finest first.

use super::Binder;
use super::hierarchy::Rolled;
use super::state::State;
use crate::bound::apply::BoundTransformation;
use crate::error::ODataError;
use crate::syntax::{Expr, GroupElement, Span, Transformation};

/// Most groupings that `rollup` may stand for.
const MAX_GROUPINGS: usize = 64;

impl<'a> Binder<'a> {
    pub(super) fn group_by(
        &self,
        state: &mut State<'a>,
        elements: &[GroupElement],
        then: &[Transformation],
        span: Span,
    ) -> Result<(), ODataError> {
        let mut groupings: Vec<Vec<&Expr>> = vec![Vec::new()];
        let mut rolled = Vec::new();
        for element in elements {
            let alternatives: Vec<&[Expr]> = match element {
                GroupElement::Property(path) => vec![std::slice::from_ref(path)],
                GroupElement::Rollup(levels) if levels.len() < 2 => {
                    return Err(self.not_built(span, "rollup over a named hierarchy"));
                }
                GroupElement::Rollup(levels) => (1..=levels.len()).rev().filter_map(|length| levels.get(..length)).collect(),
                GroupElement::RollupRecursive { hierarchy, to } => {
                    rolled.push(self.roll_up(state, hierarchy, to)?);
                    continue;
                }
            };
            if groupings.len() * alternatives.len() > MAX_GROUPINGS {
                return Err(self.wrong(span, format!("the rollups stand for more than {MAX_GROUPINGS} groupings")));
            }
            groupings = groupings
                .iter()
                .flat_map(|paths| alternatives.iter().map(|more| paths.iter().copied().chain(more.iter()).collect::<Vec<&Expr>>()))
                .collect();
        }
        match groupings.as_slice() {
            [paths] => self.grouping(state, paths, &rolled, then, span),
            several => {
                let mut branches = Vec::with_capacity(several.len());
                for paths in several {
                    let mut branch = state.fork();
                    self.grouping(&mut branch, paths, &rolled, then, span)?;
                    state.nests = branch.nests;
                    branches.push(branch);
                }
                self.merge(state, branches, span)
            }
        }
    }

    /// Groups by paths, and by nodes that rows have been rolled up to; in the groups the transformations are done.
    fn grouping(
        &self,
        state: &mut State<'a>,
        paths: &[&Expr],
        rolled: &[Rolled<'a>],
        then: &[Transformation],
        span: Span,
    ) -> Result<(), ODataError> {
        let outer = state.partition.len();
        state.partition.extend(rolled.iter().map(|rolled| rolled.node));
        for path in paths {
            for index in state.resolve(self, path)? {
                if !state.partition.contains(&index) {
                    state.partition.push(index);
                }
            }
        }
        let keys = state.partition.clone();
        if then.is_empty() {
            state.distinct(&keys);
        } else {
            let mut inner = State { aggregated: false, ..state.fork() };
            for index in &keys {
                if !inner.rows.shown.contains(index) && !inner.column(*index).path.is_empty() {
                    inner.rows.shown.push(*index);
                }
            }
            self.sequence(&mut inner, then)?;
            let mut out = std::mem::take(&mut state.out);
            let nodes = rolled.iter().filter(|_| paths.is_empty()).map(|rolled| rolled.hierarchy.clone()).collect();
            out.push(BoundTransformation::Group { keys, nodes, then: std::mem::take(&mut inner.out) });
            *state = State { out, ..inner };
        }
        for (number, rolled) in rolled.iter().enumerate() {
            // Positions move when nodes are put before the rows, and the partition with them.
            let node = state.partition.get(outer + number).copied();
            self.rolled_up(state, rolled, node.ok_or_else(|| self.wrong(span, "the groups have lost their nodes"))?, span)?;
        }
        state.partition.truncate(outer);
        Ok(())
    }
}
