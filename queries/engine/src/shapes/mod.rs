//! Shapes: what requests have in common that differ in constants only. The first of a shape is planned with parameters in the place of its
//! constants; what push-down makes of it is kept, and the next one puts its own constants in. They must not know how plans are made.
//!
//! A constant becomes a parameter only where its value decides nothing but the answer: beside a column, not null, no float. All others are part
//! of the shape. So are the roles and the attributes of the caller, and the version of the model in whose snapshot the shapes are kept.

mod bind;
mod key;
mod lift;

use crate::error::EngineError;
use crate::plan::clock;
use crate::plan::parameters;
use crate::plan::{Kept, PlanNode};
use crate::policy::Principal;
use crate::statement::Statement;
use arrow::datatypes::DataType;
use datafusion::logical_expr::LogicalPlan;
pub use key::ShapeKey;
pub(crate) use lift::Lifted;
use moka::sync::Cache;
use portico_provider_api::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shapes of one model that are kept at most; those that were not asked for lately leave first.
const MOST_SHAPES: u64 = 2_048;

/// The shapes of one model.
pub struct Shapes {
    known: Cache<Arc<ShapeKey>, Known>,
    used: AtomicU64,
    made: AtomicU64,
}

/// How often shapes served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShapeCounts {
    /// Requests whose plan was that of a known shape.
    pub used: u64,
    /// Shapes that were kept.
    pub made: u64,
}

/// What is known of a shape.
#[derive(Clone)]
enum Known {
    /// The cut plan.
    Template(Arc<Template>),
    /// Each request of this shape is planned by itself: some constant did not reach a source, or the time is asked for.
    Unfit,
}

/// A cut plan with parameters.
struct Template {
    node: PlanNode,
    /// What the places of a statement's parameters take; nothing for OData.
    types: Vec<Option<DataType>>,
}

impl Default for Shapes {
    fn default() -> Self {
        Shapes { known: Cache::new(MOST_SHAPES), used: AtomicU64::default(), made: AtomicU64::default() }
    }
}

/// What there is for a statement.
pub(crate) enum Found {
    /// The plan of this very request.
    Plan(Kept),
    /// The shape is new: to be planned with parameters.
    New(New),
    /// To be planned as it is.
    Nothing,
}

/// A shape that is not known yet.
pub(crate) struct New {
    key: Arc<ShapeKey>,
    values: Vec<Value>,
}

impl New {
    /// What is to be planned.
    pub fn lifted(&self) -> &Lifted {
        &self.key.lifted
    }

    /// The constants.
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

/// What the cut of a plan with parameters is kept for, and the constants of the request that it is made for.
pub(crate) struct Shaping {
    shapes: Arc<Shapes>,
    key: Arc<ShapeKey>,
    values: Vec<Value>,
    types: Vec<Option<DataType>>,
}

impl Shapes {
    /// Looks a statement of a caller up.
    pub(crate) fn find(&self, statement: &Statement, principal: &Principal, keys: &lift::Keys<'_>) -> Found {
        let Some((lifted, values)) = lift::lift(statement, keys) else { return Found::Nothing };
        let key = Arc::new(ShapeKey::new(lifted, principal));
        let Some(known) = self.known.get(&key) else { return Found::New(New { key, values }) };
        let bound = match known {
            Known::Unfit => None,
            Known::Template(template) if template.types.is_empty() => bind::bound(&template.node, values),
            Known::Template(template) => parameters::exact(&values, &template.types).and_then(|values| bind::bound(&template.node, values)),
        };
        self.used.fetch_add(u64::from(bound.is_some()), Ordering::Relaxed);
        bound.map_or(Found::Nothing, Found::Plan)
    }

    /// How often shapes of this model served.
    pub fn counts(&self) -> ShapeCounts {
        ShapeCounts { used: self.used.load(Ordering::Relaxed), made: self.made.load(Ordering::Relaxed) }
    }
}

impl Shaping {
    /// For an OData read.
    pub fn of_read(new: New, shapes: &Arc<Shapes>) -> Shaping {
        Shaping { shapes: Arc::clone(shapes), key: new.key, values: new.values, types: Vec::new() }
    }

    /// For a statement, with its values as their places take them.
    pub fn of_statement(new: New, shapes: &Arc<Shapes>, values: Vec<Value>, types: Vec<Option<DataType>>) -> Shaping {
        Shaping { shapes: Arc::clone(shapes), key: new.key, values, types }
    }

    /// Whether a permitted plan may be kept: whether it means the same at any time.
    ///
    /// # Errors
    /// When the plan cannot be walked.
    pub fn is_wanted(&self, node: &PlanNode) -> Result<bool, EngineError> {
        let mut timeless = true;
        node.clone().try_map(&mut |plan: LogicalPlan| {
            timeless &= !clock::is_read(&plan)?;
            Ok(plan)
        })?;
        Ok(timeless)
    }

    /// Keeps a cut plan with parameters, and gives that of the request. Where there is none, all requests of this shape are planned one by
    /// one.
    pub fn keep(&self, cut: Option<PlanNode>) -> Option<Kept> {
        let cut = cut.and_then(bind::templates);
        let bound = cut.as_ref().and_then(|cut| bind::bound(cut, self.values.clone()));
        let known = match (cut, &bound) {
            (Some(node), Some(_)) => Known::Template(Arc::new(Template { node, types: self.types.clone() })),
            _ => Known::Unfit,
        };
        self.shapes.made.fetch_add(u64::from(bound.is_some()), Ordering::Relaxed);
        self.shapes.known.insert(Arc::clone(&self.key), known);
        bound
    }

    /// The plan with the constants of its request in the place of the parameters.
    ///
    /// # Errors
    /// When the plan cannot be rewritten.
    pub fn without_parameters(&self, node: PlanNode) -> Result<PlanNode, EngineError> {
        node.try_map(&mut |plan| parameters::put(plan, &self.values))
    }
}
