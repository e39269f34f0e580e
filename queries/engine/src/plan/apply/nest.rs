//! `nest` (section 3.5.2): a row per group, and what each group holds, which is fetched for the rows that come out in the end. Groups are
//! told apart as `groupby` tells them apart: null is a value like any other.

use super::{ApplyPlanner, Groups, Stage};
use crate::error::EngineError;
use crate::plan::key_set::{KeySetFunction, KeySlot};
use datafusion::logical_expr::{ExprSchemable, LogicalPlanBuilder, ScalarUDF, lit};
use portico_odata::bound::apply::BoundTransformation;
use portico_provider_api::ScalarType;
use std::collections::BTreeMap;

/// What the `nest` of a query were given, by their numbers.
pub(in crate::plan) type Inputs = BTreeMap<usize, NestInput>;

/// What a `nest` was given.
#[derive(Clone)]
pub(in crate::plan) struct NestInput {
    stage: Stage,
    /// The columns that tell groups apart.
    keys: Vec<usize>,
}

/// What the groups whose keys are in a slot hold.
pub(in crate::plan) struct Held {
    pub stage: Stage,
    /// Types of the keys.
    pub key_types: Vec<ScalarType>,
}

impl ApplyPlanner<'_> {
    /// The groups. A group that has lost its rows is still one.
    pub(super) fn nest(&self, stage: Stage, number: usize, keys: &[usize], groups: Option<&Groups>) -> Result<Stage, EngineError> {
        self.inputs.borrow_mut().insert(number, NestInput { stage: stage.clone(), keys: keys.to_vec() });
        if keys.is_empty() {
            let builder = LogicalPlanBuilder::empty(true).project(vec![lit(0_i64).alias(self.name())])?;
            return Ok(Stage::grouped(builder, Vec::new(), Vec::new()));
        }
        match groups {
            Some(groups) => self.distinct(groups.stage.clone(), &groups.keys),
            None => self.distinct(stage, keys),
        }
    }

    /// What each `nest` so far was given.
    pub fn inputs(&self) -> Inputs {
        self.inputs.borrow().clone()
    }

    /// Applies transformations to what the groups of a `nest` hold whose keys are in a slot. What is computed of a group is there for
    /// groups without rows too.
    ///
    /// # Errors
    /// As [`ApplyPlanner::sequence`].
    pub fn held(
        &self,
        inputs: &Inputs,
        number: usize,
        transformations: &[BoundTransformation],
        slot: &KeySlot,
    ) -> Result<Held, EngineError> {
        self.inputs.replace(inputs.clone());
        let input = inputs.get(&number).ok_or_else(|| EngineError::Internal("a nest was not planned".to_owned()))?;
        if input.keys.is_empty() {
            return Ok(Held { stage: self.sequence(input.stage.clone(), transformations)?, key_types: Vec::new() });
        }
        let keys = self.partition(&input.stage, &input.keys)?;
        let unknown = || EngineError::Internal("what a group is told apart by has an unknown type".to_owned());
        let mut key_types = Vec::with_capacity(keys.len());
        for key in &keys {
            key_types.push(ScalarType::from_arrow(&key.get_type(input.stage.builder().schema())?).ok_or_else(unknown)?);
        }
        let function = ScalarUDF::from(KeySetFunction::of_groups(slot.clone(), keys.len()));
        let stage = input.stage.clone().step(|builder| builder.filter(function.call(keys)))?;
        let stage = self.within(stage, transformations, Some(Groups::of_keys(slot, &key_types)?))?;
        Ok(Held { stage, key_types })
    }
}
