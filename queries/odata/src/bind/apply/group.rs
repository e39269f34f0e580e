//! `groupby` (section 3.2.3), with `rollup` spelt out as the groupings that it stands for, the finest first.

use super::Binder;
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
        for element in elements {
            let alternatives: Vec<&[Expr]> = match element {
                GroupElement::Property(path) => vec![std::slice::from_ref(path)],
                GroupElement::Rollup(levels) if levels.len() < 2 => {
                    return Err(self.not_built(span, "rollup over a named hierarchy"));
                }
                GroupElement::Rollup(levels) => (1..=levels.len()).rev().filter_map(|length| levels.get(..length)).collect(),
                GroupElement::RollupRecursive { .. } => return Err(self.not_built(span, "rolluprecursive")),
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
            [paths] => self.grouping(state, paths, then),
            several => {
                let mut branches = Vec::with_capacity(several.len());
                for paths in several {
                    let mut branch = state.fork();
                    self.grouping(&mut branch, paths, then)?;
                    branches.push(branch);
                }
                self.merge(state, branches, span)
            }
        }
    }

    fn grouping(&self, state: &mut State<'a>, paths: &[&Expr], then: &[Transformation]) -> Result<(), ODataError> {
        let outer = state.partition.len();
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
            let mut inner = state.fork();
            for index in &keys {
                if !inner.rows.shown.contains(index) && !inner.column(*index).path.is_empty() {
                    inner.rows.shown.push(*index);
                }
            }
            self.sequence(&mut inner, then)?;
            let mut out = std::mem::take(&mut state.out);
            out.push(BoundTransformation::Group { keys, then: std::mem::take(&mut inner.out) });
            *state = State { out, ..inner };
        }
        state.partition.truncate(outer);
        Ok(())
    }
}
