//! `avg` of decimals, rounded half away from zero as the IR says. DataFusion's own cuts digits off, and every source that computes an average
//! rounds it. It must not know plans.

use arrow::array::{ArrayRef, AsArray, Decimal256Array, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal256Type, Field, FieldRef, UInt64Type, i256};
use datafusion::common::{Result as DataFusionResult, ScalarValue, exec_err, plan_err};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

static ROUNDED: LazyLock<Arc<AggregateUDF>> =
    LazyLock::new(|| Arc::new(AggregateUDF::from(DecimalAverage { signature: Signature::user_defined(Volatility::Immutable) })));

/// The function to call in the place of another over values of a type.
pub fn in_place_of(function: &AggregateUDF, argument: &DataType) -> Option<Arc<AggregateUDF>> {
    (function.name() == avg_udaf().name() && scale(argument).is_some()).then(|| Arc::clone(&ROUNDED))
}

fn scale(decimal: &DataType) -> Option<i8> {
    match decimal {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DecimalAverage {
    signature: Signature,
}

impl AggregateUDFImpl for DecimalAverage {
    fn name(&self) -> &str {
        "decimal_average"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Operands come in their type already.
    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        avg_udaf().return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> DataFusionResult<Box<dyn Accumulator>> {
        let Some(scale) = args.expr_fields.first().and_then(|field| scale(field.data_type())) else {
            return plan_err!("'decimal_average' takes decimals");
        };
        let to = args.return_type().clone();
        let seen = args.is_distinct.then(HashSet::new);
        Ok(Box::new(Average { scale, to, sum: i256::ZERO, count: 0, seen }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> DataFusionResult<Vec<FieldRef>> {
        let Some(scale) = args.input_fields.first().and_then(|field| scale(field.data_type())) else {
            return plan_err!("'decimal_average' takes decimals");
        };
        let sum = DataType::Decimal256(76, scale);
        if args.is_distinct {
            let values = DataType::new_list(sum, true);
            return Ok(vec![Arc::new(Field::new(format!("{}[values]", args.name), values, true))]);
        }
        let sum = Field::new(format!("{}[sum]", args.name), sum, true);
        Ok(vec![Arc::new(sum), Arc::new(Field::new(format!("{}[count]", args.name), DataType::UInt64, true))])
    }
}

#[derive(Debug)]
struct Average {
    scale: i8,
    to: DataType,
    sum: i256,
    count: u64,
    /// The values so far, where each counts once.
    seen: Option<HashSet<i256>>,
}

impl Average {
    fn wide(&self, values: &ArrayRef) -> DataFusionResult<Decimal256Array> {
        Ok(cast(values, &DataType::Decimal256(76, self.scale))?.as_primitive::<Decimal256Type>().clone())
    }

    fn add(&mut self, value: i256) -> DataFusionResult<()> {
        if self.seen.as_mut().is_some_and(|seen| !seen.insert(value)) {
            return Ok(());
        }
        self.take(value, 1)
    }

    /// Takes in the sum of so many values.
    fn take(&mut self, sum: i256, count: u64) -> DataFusionResult<()> {
        self.count += count;
        match self.sum.checked_add(sum) {
            Some(sum) => self.sum = sum,
            None => return exec_err!("the sum of the values of an average is too large"),
        }
        Ok(())
    }

    fn average(&self) -> DataFusionResult<Option<i256>> {
        if self.count == 0 {
            return Ok(None);
        }
        let more = scale(&self.to).map_or(0, |to| to - self.scale).unsigned_abs();
        let scaled = i256::from_i128(10).checked_pow(u32::from(more)).and_then(|factor| self.sum.checked_mul(factor));
        let average = scaled.and_then(|scaled| super::checked::rounded(scaled, i256::from_i128(i128::from(self.count))));
        match average {
            Some(average) => Ok(Some(average)),
            None => exec_err!("the sum of the values of an average is too large"),
        }
    }
}

impl Accumulator for Average {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DataFusionResult<()> {
        let Some(values) = values.first() else { return Ok(()) };
        self.wide(values)?.iter().flatten().try_for_each(|value| self.add(value))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DataFusionResult<()> {
        let Some(values) = values.first() else { return Ok(()) };
        for value in self.wide(values)?.iter().flatten() {
            self.count = self.count.saturating_sub(1);
            self.sum = self.sum.wrapping_sub(value);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.seen.is_none()
    }

    fn evaluate(&mut self) -> DataFusionResult<ScalarValue> {
        let average = ScalarValue::Decimal256(self.average()?, 76, scale(&self.to).unwrap_or(self.scale));
        average.cast_to(&self.to)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.as_ref().map_or(0, |seen| seen.capacity() * size_of::<i256>())
    }

    fn state(&mut self) -> DataFusionResult<Vec<ScalarValue>> {
        let decimal = |value: i256| ScalarValue::Decimal256(Some(value), 76, self.scale);
        if let Some(seen) = &self.seen {
            let values: Vec<ScalarValue> = seen.iter().copied().map(decimal).collect();
            return Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Decimal256(76, self.scale)))]);
        }
        Ok(vec![decimal(self.sum), ScalarValue::UInt64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DataFusionResult<()> {
        if self.seen.is_some() {
            let Some(lists) = states.first() else { return Ok(()) };
            for values in lists.as_list::<i32>().iter().flatten() {
                self.update_batch(&[values])?;
            }
            return Ok(());
        }
        let [sums, counts] = states else { return plan_err!("an average has another state") };
        let counts: &UInt64Array = counts.as_primitive::<UInt64Type>();
        for (sum, count) in self.wide(sums)?.iter().zip(counts) {
            let (Some(sum), Some(count)) = (sum, count) else { continue };
            self.take(sum, count)?;
        }
        Ok(())
    }
}
