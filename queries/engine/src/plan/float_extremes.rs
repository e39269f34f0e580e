//! `min` and `max` of floats that know infinity. DataFusion's own, by group, begin with the greatest and the least finite number, and
//! yield that where all values lie beyond it. It must not know plans.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as DataFusionResult;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use std::sync::{Arc, LazyLock};

static LEAST: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| extreme("float_min", min_udaf()));
static GREATEST: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| extreme("float_max", max_udaf()));

fn extreme(name: &'static str, inner: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(FloatExtreme { name, inner, signature: Signature::user_defined(Volatility::Immutable) }))
}

/// The function to call in the place of another over values of a type: itself, where that is no `min` or `max` of floats.
pub fn in_place_of(function: &AggregateUDF, argument: &DataType) -> Option<Arc<AggregateUDF>> {
    if !matches!(argument, DataType::Float32 | DataType::Float64) {
        return None;
    }
    match function.name() {
        "min" => Some(Arc::clone(&LEAST)),
        "max" => Some(Arc::clone(&GREATEST)),
        _ => None,
    }
}

/// DataFusion's function without its accumulator for groups: each group then has one of the kind that serves a whole table, which begins
/// with no value at all.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FloatExtreme {
    name: &'static str,
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl AggregateUDFImpl for FloatExtreme {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Operands come in their type already.
    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        self.inner.return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> DataFusionResult<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> DataFusionResult<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> DataFusionResult<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }
}
