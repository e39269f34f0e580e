//! `sum` that fails where DataFusion's own wraps around: values are added up in a type that no number of rows fills, and the total must
//! fit the result. It must not know plans.

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::{Result as DataFusionResult, ScalarValue, plan_err};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};
use std::sync::{Arc, LazyLock};

static CHECKED: LazyLock<Arc<AggregateUDF>> =
    LazyLock::new(|| Arc::new(AggregateUDF::from(CheckedSum { signature: Signature::user_defined(Volatility::Immutable) })));

/// The function to call in the place of another over values of a type: itself, where it does not wrap around.
pub fn in_place_of(function: &AggregateUDF, argument: &DataType) -> Option<Arc<AggregateUDF>> {
    (function.name() == sum_udaf().name() && wide(argument).is_some()).then(|| Arc::clone(&CHECKED))
}

/// What values of a type are added up in; `None` where DataFusion's own sum has room enough.
fn wide(argument: &DataType) -> Option<DataType> {
    match argument {
        DataType::Int64 => Some(DataType::Decimal128(38, 0)),
        DataType::UInt64 => Some(DataType::Decimal128(38, 0)),
        // Ten more digits than the values have are enough for as many rows as there can be.
        DataType::Decimal128(precision, scale) if *precision > 28 => Some(DataType::Decimal256(76, *scale)),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    signature: Signature,
}

/// The wide type and the result's.
fn types(args: &AccumulatorArgs<'_>) -> DataFusionResult<(DataType, DataType)> {
    match args.expr_fields.first().and_then(|field| wide(field.data_type())) {
        Some(wide) => Ok((wide, args.return_type().clone())),
        None => plan_err!("'checked_sum' takes 64-bit integers or long decimals"),
    }
}

/// What DataFusion's own sum is asked for the wide type.
fn inner<T>(
    args: &AccumulatorArgs<'_>,
    wide: &DataType,
    make: impl FnOnce(AccumulatorArgs<'_>) -> DataFusionResult<T>,
) -> DataFusionResult<T> {
    let field: FieldRef = Arc::new(Field::new(args.name, wide.clone(), true));
    make(AccumulatorArgs {
        return_field: Arc::clone(&field),
        schema: args.schema,
        ignore_nulls: args.ignore_nulls,
        order_bys: args.order_bys,
        is_reversed: args.is_reversed,
        name: args.name,
        is_distinct: args.is_distinct,
        exprs: args.exprs,
        expr_fields: &[field],
    })
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        "checked_sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Operands come in their type already.
    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        sum_udaf().return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> DataFusionResult<Box<dyn Accumulator>> {
        let (wide, to) = types(&args)?;
        let inner = inner(&args, &wide, |args| sum_udaf().accumulator(args))?;
        Ok(Box::new(Widened { inner, wide, to }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> DataFusionResult<Vec<FieldRef>> {
        let Some(wide) = args.input_fields.first().and_then(|field| wide(field.data_type())) else {
            return plan_err!("'checked_sum' takes 64-bit integers or long decimals");
        };
        sum_udaf().state_fields(StateFieldsArgs { return_field: Arc::new(Field::new(args.name, wide, true)), ..args })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> DataFusionResult<Box<dyn GroupsAccumulator>> {
        let (wide, to) = types(&args)?;
        let inner = inner(&args, &wide, |args| sum_udaf().create_groups_accumulator(args))?;
        Ok(Box::new(WidenedGroups { inner, wide, to }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> DataFusionResult<Box<dyn Accumulator>> {
        if args.is_distinct {
            // DataFusion slides over distinct values of this one type only.
            return sum_udaf().create_sliding_accumulator(args);
        }
        let (wide, to) = types(&args)?;
        let inner = inner(&args, &wide, |args| sum_udaf().create_sliding_accumulator(args))?;
        Ok(Box::new(Widened { inner, wide, to }))
    }
}

/// The totals in the type of the result, where they fit.
fn exactly(totals: &ArrayRef, to: &DataType) -> DataFusionResult<ArrayRef> {
    let cast = cast_with_options(totals, to, &CastOptions { safe: false, ..CastOptions::default() });
    Ok(cast.map_err(|_| ArrowError::ArithmeticOverflow(format!("a sum is out of the range of {to}")))?)
}

fn widened(values: &[ArrayRef], wide: &DataType) -> DataFusionResult<Vec<ArrayRef>> {
    values.iter().map(|values| Ok(cast(values, wide)?)).collect()
}

#[derive(Debug)]
struct Widened {
    inner: Box<dyn Accumulator>,
    wide: DataType,
    to: DataType,
}

impl Accumulator for Widened {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DataFusionResult<()> {
        self.inner.update_batch(&widened(values, &self.wide)?)
    }

    fn evaluate(&mut self) -> DataFusionResult<ScalarValue> {
        let total = self.inner.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&exactly(&total, &self.to)?, 0)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn state(&mut self) -> DataFusionResult<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DataFusionResult<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DataFusionResult<()> {
        self.inner.retract_batch(&widened(values, &self.wide)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

struct WidenedGroups {
    inner: Box<dyn GroupsAccumulator>,
    wide: DataType,
    to: DataType,
}

impl GroupsAccumulator for WidenedGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> DataFusionResult<()> {
        self.inner.update_batch(&widened(values, &self.wide)?, group_indices, filter, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DataFusionResult<ArrayRef> {
        exactly(&self.inner.evaluate(emit_to)?, &self.to)
    }

    fn state(&mut self, emit_to: EmitTo) -> DataFusionResult<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> DataFusionResult<()> {
        self.inner.merge_batch(values, group_indices, total_num_groups)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> DataFusionResult<Vec<ArrayRef>> {
        self.inner.convert_to_state(&widened(values, &self.wide)?, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}
