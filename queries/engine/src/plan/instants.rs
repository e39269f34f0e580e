//! Arithmetic of instants, dates and durations, which are microseconds in 64-bit integers, and what else OData asks of such integers.
//! None of it has an equal at a source: what reaches one is what [`super::ranges`] made of it. It must not know expressions.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array};
use arrow::compute::{cast, try_binary, try_unary};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use datafusion::common::{Result as DataFusionResult, plan_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instants {
    /// An instant some microseconds later.
    ShiftInstant,
    /// The date some microseconds after the first instant of a date.
    ShiftDate,
    /// Microseconds from the second instant to the first.
    Elapsed,
    /// Microseconds from the second date to the first.
    ElapsedDays,
    /// Seconds, with six digits after the point.
    TotalSeconds,
    /// The whole number nearest to a double.
    WholeNumber,
    /// Whether all bits of the second are set in the first.
    HasFlags,
}

/// The call of one of them.
pub fn call(function: Instants, arguments: Vec<Expr>) -> Expr {
    ScalarUDF::from(InstantFunction { function, signature: Signature::user_defined(Volatility::Immutable) }).call(arguments)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct InstantFunction {
    function: Instants,
    signature: Signature,
}

impl ScalarUDFImpl for InstantFunction {
    fn name(&self) -> &str {
        match self.function {
            Instants::ShiftInstant => "shift_instant",
            Instants::ShiftDate => "shift_date",
            Instants::Elapsed => "elapsed",
            Instants::ElapsedDays => "elapsed_days",
            Instants::TotalSeconds => "total_seconds",
            Instants::WholeNumber => "whole_number",
            Instants::HasFlags => "has_flags",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Operands come in the right types already.
    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        match (self.function, arguments) {
            (Instants::ShiftInstant, [instant @ DataType::Timestamp(TimeUnit::Microsecond, _), DataType::Int64]) => Ok(instant.clone()),
            (Instants::ShiftDate, [DataType::Date32, DataType::Int64]) => Ok(DataType::Date32),
            (Instants::Elapsed, [DataType::Timestamp(TimeUnit::Microsecond, _), DataType::Timestamp(TimeUnit::Microsecond, _)])
            | (Instants::ElapsedDays, [DataType::Date32, DataType::Date32])
            | (Instants::WholeNumber, [DataType::Float64]) => Ok(DataType::Int64),
            (Instants::TotalSeconds, [DataType::Int64]) => Ok(DataType::Decimal128(19, 6)),
            (Instants::HasFlags, [DataType::Int64, DataType::Int64]) => Ok(DataType::Boolean),
            _ => plan_err!("'{}' does not take such arguments", self.name()),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let arrays =
            arguments.args.iter().map(|argument| argument.to_array(arguments.number_rows)).collect::<DataFusionResult<Vec<_>>>()?;
        let result = match arrays.as_slice() {
            [one] => one_operand(self.function, one)?,
            [left, right] => two_operands(self.function, left, right)?,
            _ => return plan_err!("'{}' has another number of arguments", self.name()),
        };
        Ok(ColumnarValue::Array(result))
    }
}

fn overflow() -> ArrowError {
    ArrowError::ArithmeticOverflow("a duration, date or instant is out of range".to_owned())
}

/// The integers that carry an array of instants or durations.
fn micros(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

fn one_operand(function: Instants, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match function {
        Instants::TotalSeconds => {
            let seconds: Decimal128Array = array.as_primitive::<Int64Type>().unary::<_, Decimal128Type>(i128::from);
            Arc::new(seconds.with_precision_and_scale(19, 6)?)
        }
        _ => {
            let whole = |number: f64| {
                let rounded = number.round();
                // The greatest 64-bit integer is none of the doubles; the next one is 2^63.
                let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded);
                if fits { Ok(rounded as i64) } else { Err(overflow()) }
            };
            let floats: &Float64Array = array.as_primitive::<Float64Type>();
            Arc::new(try_unary::<_, _, Int64Type>(floats, whole)?)
        }
    })
}

fn two_operands(function: Instants, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match function {
        Instants::ShiftInstant => {
            let shifted: Int64Array = try_binary(&micros(left)?, &micros(right)?, |at, by| at.checked_add(by).ok_or_else(overflow))?;
            cast(&shifted, left.data_type())?
        }
        Instants::ShiftDate => {
            let (dates, by) = (left.as_primitive::<Date32Type>(), right.as_primitive::<Int64Type>());
            let shift = |date: i32, by: i64| {
                let at = i64::from(date).checked_mul(DAY).and_then(|at| at.checked_add(by));
                at.and_then(|at| i32::try_from(at.div_euclid(DAY)).ok()).ok_or_else(overflow)
            };
            let shifted: Date32Array = try_binary(dates, by, shift)?;
            Arc::new(shifted)
        }
        Instants::Elapsed => {
            let elapsed: Int64Array = try_binary(&micros(left)?, &micros(right)?, |to, from| to.checked_sub(from).ok_or_else(overflow))?;
            Arc::new(elapsed)
        }
        Instants::ElapsedDays => {
            let days = |to: i32, from: i32| (i64::from(to) - i64::from(from)).checked_mul(DAY).ok_or_else(overflow);
            let elapsed: Int64Array = try_binary(left.as_primitive::<Date32Type>(), right.as_primitive::<Date32Type>(), days)?;
            Arc::new(elapsed)
        }
        _ => {
            let (values, flags) = (left.as_primitive::<Int64Type>(), right.as_primitive::<Int64Type>());
            let all = values.iter().zip(flags.iter()).map(|(value, flags)| Some(value? & flags? == flags?));
            Arc::new(all.collect::<BooleanArray>())
        }
    })
}
