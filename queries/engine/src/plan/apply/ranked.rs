//! `topcount`, `topsum`, `toppercent` and their bottom counterparts (section 3.3.1). The specification's loop takes rows by rank and stops
//! before the first row at which enough has been taken; once stopped it stays stopped, whatever the measures that come after.

use super::{ApplyPlanner, Stage, sort};
use crate::error::EngineError;
use crate::plan::seek::OrderKey;
use crate::values::scalar_from_value;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::min_max::max_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprFunctionExt, ExprSchemable, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition, cast,
    lit, when,
};
use portico_odata::BoundExpr;
use portico_odata::bound::apply::BoundAmount;
use portico_odata::syntax::RankedEnd;
use std::sync::Arc;

/// Digits of the sums that are compared with a share of the whole.
const DIGITS: u8 = 60;

impl ApplyPlanner<'_> {
    pub(super) fn ranked(
        &self,
        stage: Stage,
        end: RankedEnd,
        by: &BoundExpr,
        amount: &BoundAmount,
        partition: &[usize],
    ) -> Result<Stage, EngineError> {
        let (stage, key) = self.sort_key(stage, by)?;
        let (stage, value) = self.value(stage, by)?;
        let mut order = vec![OrderKey { expr: key, descending: end == RankedEnd::Top }];
        order.extend(self.total(&stage));
        let (constant, percent) = match amount {
            BoundAmount::Count(count) => return self.limited(Stage { order, ..stage }, 0, Some(*count), partition),
            BoundAmount::Sum(constant) => (constant, false),
            BoundAmount::Percent(constant) => (constant, true),
        };
        let value_type = value.get_type(stage.builder().schema())?;
        let amount = amount_of(constant, &value_type)?;
        let (stage, values) = self.extended(stage, vec![summable(value, &value_type)])?;
        let [value] = <[Expr; 1]>::try_from(values).map_err(|_| EngineError::Internal("a column was not appended".to_owned()))?;
        let groups = self.partition(&stage, partition)?;
        let before =
            WindowFrame::new_bounds(WindowFrameUnits::Rows, unbounded(), WindowFrameBound::Preceding(ScalarValue::UInt64(Some(1))));
        let taken = window(sum_udaf(), value.clone()).partition_by(groups.clone()).order_by(sort(&order)).window_frame(before).build()?;
        let (stage, taken) = self.windowed(stage, taken)?;
        let taken = compared(taken, &value_type);
        let taken =
            datafusion::functions::expr_fn::coalesce(vec![taken.clone(), cast(lit(0_i64), taken.get_type(stage.builder().schema())?)]);
        let (stage, enough) = if percent {
            let whole = window(sum_udaf(), value).partition_by(groups.clone()).build()?;
            let (stage, whole) = self.windowed(stage, whole)?;
            let whole = compared(whole, &value_type);
            let zero = || lit(0_i64);
            let (hundredfold, share) = (taken * hundred(&value_type), whole.clone() * amount);
            let enough = when(whole.clone().gt(zero()), hundredfold.clone().gt_eq(share.clone()))
                .when(whole.lt(zero()), hundredfold.lt_eq(share))
                .otherwise(lit(false))?;
            (stage, enough)
        } else {
            (stage, taken.gt_eq(amount))
        };
        let (stage, flags) = self.extended(stage, vec![when(enough, lit(1_i64)).otherwise(lit(0_i64))?])?;
        let [flag] = <[Expr; 1]>::try_from(flags).map_err(|_| EngineError::Internal("a column was not appended".to_owned()))?;
        let so_far = WindowFrame::new_bounds(WindowFrameUnits::Rows, unbounded(), WindowFrameBound::CurrentRow);
        let stopped = window(max_udaf(), flag).partition_by(groups).order_by(sort(&order)).window_frame(so_far).build()?;
        let (stage, stopped) = self.windowed(stage, stopped)?;
        Ok(Stage { order, ..stage.step(|builder| builder.filter(stopped.eq(lit(0_i64))))? })
    }
}

fn unbounded() -> WindowFrameBound {
    WindowFrameBound::Preceding(ScalarValue::UInt64(None))
}

fn window(function: Arc<AggregateUDF>, argument: Expr) -> Expr {
    Expr::from(WindowFunction::new(WindowFunctionDefinition::AggregateUDF(function), vec![argument]))
}

/// The value in a type whose sums do not run over.
fn summable(value: Expr, data_type: &DataType) -> Expr {
    match data_type {
        DataType::Float32 => cast(value, DataType::Float64),
        DataType::Decimal128(precision, scale) if *precision > 28 => cast(value, DataType::Decimal256(*precision, *scale)),
        integer if integer.is_integer() => cast(value, DataType::Decimal128(19, 0)),
        _ => value,
    }
}

/// A sum in the type in which it is compared.
fn compared(sum: Expr, data_type: &DataType) -> Expr {
    match data_type {
        DataType::Float32 | DataType::Float64 => sum,
        DataType::Decimal128(_, scale) => cast(sum, DataType::Decimal256(DIGITS, *scale)),
        DataType::Decimal256(precision, scale) => cast(sum, DataType::Decimal256(DIGITS.max(*precision), *scale)),
        _ => cast(sum, DataType::Decimal256(DIGITS, 0)),
    }
}

fn hundred(data_type: &DataType) -> Expr {
    if data_type.is_floating() { lit(100.0_f64) } else { cast(lit(100_i64), DataType::Decimal256(3, 0)) }
}

/// The first argument: a float beside floats, else an exact number.
fn amount_of(constant: &BoundExpr, beside: &DataType) -> Result<Expr, EngineError> {
    let BoundExpr::Literal(value) = constant else { return Err(EngineError::Internal("an amount is not a constant".to_owned())) };
    let scalar = scalar_from_value(value);
    let exact = match scalar.data_type() {
        _ if beside.is_floating() => DataType::Float64,
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => DataType::Decimal256(precision, scale),
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        _ => DataType::Decimal256(19, 0),
    };
    Ok(cast(lit(scalar), exact))
}
