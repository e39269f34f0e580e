//! Integer arithmetic, sums included, that fails on overflow. DataFusion's wraps around silently, while every source fails: a query would
//! give other rows where the gateway computes. What stays local is rewritten once it is known what does; it must not know sources.
//!
//! So are the least and greatest of floats, and the time of day of a timestamp, because DataFusion's analysis of a filter
//! fails over that conversion: it tries to invert it.

use crate::error::EngineError;
use crate::plan::checked_sum;
use crate::plan::decimal_average;
use crate::plan::decimal_factors;
use crate::plan::float_extremes;
use crate::plan::rewrite;
use arrow::array::{Array, ArrayRef, AsArray, Decimal256Array, new_empty_array};
use arrow::compute::kernels::numeric::{add, div, mul, neg, rem, sub};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Decimal256Type, Field, FieldRef, Float32Type, Float64Type, TimeUnit, i256};
use arrow::error::ArrowError;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as DataFusionResult, plan_err};
use datafusion::logical_expr::{
    AggregateUDF, BinaryExpr, Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, WindowFunctionDefinition,
};
use std::sync::Arc;

/// The name of the quotient of decimals.
pub const DIVIDE: &str = "checked_divide";

const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);

/// An operation that fails where DataFusion's own does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// The least integer has no opposite.
    Negate,
    /// The quotient of decimals, rounded half away from zero; DataFusion's own cuts digits off.
    Divide,
    /// The remainder; of a division by zero there is none, of floats neither.
    Modulo,
    /// The time of day of a timestamp, in UTC.
    TimeOfDay,
}

/// The call of an operation.
pub fn call(operation: Operation, arguments: Vec<Expr>) -> Expr {
    ScalarUDF::from(Checked { operation, signature: Signature::user_defined(Volatility::Immutable) }).call(arguments)
}

/// Rewrites the integer arithmetic of a plan.
///
/// # Errors
/// None of its own: the plan was well-typed before.
pub fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan, EngineError> {
    rewrite::expressions(plan, checked)
}

fn checked(expression: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let integer = |side: &Expr| side.get_type(schema).is_ok_and(|data_type| data_type.is_integer());
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide, right }) if are_decimals(&left, &right, schema) => {
            Transformed::yes(call(Operation::Divide, vec![*left, *right]))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if integer(&left) && integer(&right) => match operation(op) {
            Some(operation) => Transformed::yes(call(operation, vec![*left, *right])),
            None => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
        },
        Expr::Negative(inner) if integer(&inner) && !matches!(*inner, Expr::Literal(..)) => {
            Transformed::yes(call(Operation::Negate, vec![*inner]))
        }
        Expr::Cast(Cast { expr, field }) if *field.data_type() == TIME => match expr.get_type(schema) {
            Ok(DataType::Timestamp(..)) => Transformed::yes(call(Operation::TimeOfDay, vec![*expr])),
            _ => Transformed::no(Expr::Cast(Cast { expr, field })),
        },
        // It has been optimised: there is nothing to hide any more.
        call @ Expr::ScalarFunction(_) => match decimal_factors::operand(&call) {
            Some(operand) => Transformed::yes(operand.clone()),
            None => Transformed::no(call),
        },
        Expr::AggregateFunction(mut aggregate) => match checked_aggregate(&aggregate.func, &aggregate.params.args, schema) {
            Some(checked) => {
                aggregate.func = checked;
                Transformed::yes(Expr::AggregateFunction(aggregate))
            }
            None => Transformed::no(Expr::AggregateFunction(aggregate)),
        },
        Expr::WindowFunction(mut window) => {
            let checked = match &window.fun {
                WindowFunctionDefinition::AggregateUDF(function) => checked_aggregate(function, &window.params.args, schema),
                WindowFunctionDefinition::WindowUDF(_) => None,
            };
            let Some(checked) = checked else { return Transformed::no(Expr::WindowFunction(window)) };
            window.fun = WindowFunctionDefinition::AggregateUDF(checked);
            Transformed::yes(Expr::WindowFunction(window))
        }
        other => Transformed::no(other),
    }
}

fn checked_aggregate(function: &AggregateUDF, arguments: &[Expr], schema: &DFSchema) -> Option<Arc<AggregateUDF>> {
    let [argument] = arguments else { return None };
    let argument = argument.get_type(schema).ok()?;
    let own = checked_sum::in_place_of(function, &argument).or_else(|| decimal_average::in_place_of(function, &argument));
    own.or_else(|| float_extremes::in_place_of(function, &argument))
}

/// The operation that wraps around otherwise; division and remainder fail by themselves.
pub fn operation(op: Operator) -> Option<Operation> {
    match op {
        Operator::Plus => Some(Operation::Add),
        Operator::Minus => Some(Operation::Subtract),
        Operator::Multiply => Some(Operation::Multiply),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operation: Operation,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Add => "checked_add",
            Operation::Subtract => "checked_subtract",
            Operation::Multiply => "checked_multiply",
            Operation::Negate => "checked_negate",
            Operation::Divide => DIVIDE,
            Operation::Modulo => "checked_modulo",
            Operation::TimeOfDay => "time_of_day",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Operands come in one type already.
    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        match arguments {
            [left, right] if self.operation == Operation::Divide => {
                Ok(div(&new_empty_array(left), &new_empty_array(right))?.data_type().clone())
            }
            [DataType::Timestamp(..)] if self.operation == Operation::TimeOfDay => Ok(TIME),
            [one] | [one, _] if one.is_numeric() && arguments.iter().all(|other| other == one) => Ok(one.clone()),
            _ => plan_err!("'{}' takes numbers of one type", self.name()),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        let types: Vec<DataType> = arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let arrays =
            arguments.args.iter().map(|argument| argument.to_array(arguments.number_rows)).collect::<DataFusionResult<Vec<_>>>()?;
        let result = match (self.operation, arrays.as_slice()) {
            (Operation::Add, [left, right]) => add(left, right),
            (Operation::Subtract, [left, right]) => sub(left, right),
            (Operation::Multiply, [left, right]) => mul(left, right),
            (Operation::Negate, [inner]) => neg(inner),
            (Operation::Divide, [left, right]) => quotient(left, right),
            (Operation::Modulo, [left, right]) => remainder(left, right),
            (Operation::TimeOfDay, [timestamp]) => cast(timestamp, &TIME),
            _ => return plan_err!("'{}' has another number of operands", self.name()),
        };
        Ok(ColumnarValue::Array(result?))
    }
}

fn remainder(left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let zero = |row: usize| match right.data_type() {
        DataType::Float64 => right.as_primitive::<Float64Type>().value(row) == 0.0,
        DataType::Float32 => right.as_primitive::<Float32Type>().value(row) == 0.0,
        _ => false,
    };
    if (0..right.len()).any(|row| left.is_valid(row) && right.is_valid(row) && zero(row)) {
        return Err(ArrowError::DivideByZero);
    }
    rem(left, right)
}

/// Whether both sides are decimals.
pub fn are_decimals(left: &Expr, right: &Expr, schema: &DFSchema) -> bool {
    let decimal = |side: &Expr| matches!(side.get_type(schema), Ok(DataType::Decimal128(..) | DataType::Decimal256(..)));
    decimal(left) && decimal(right)
}

fn quotient(left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    // The type is arrow's: four digits more than the dividend has.
    let to = div(&new_empty_array(left.data_type()), &new_empty_array(right.data_type()))?.data_type().clone();
    let scale = |data_type: &DataType| match data_type {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => i32::from(*scale),
        _ => 0,
    };
    let wide = |array: &ArrayRef| {
        let scale = i8::try_from(scale(array.data_type())).unwrap_or_default();
        Ok::<_, ArrowError>(cast(array, &DataType::Decimal256(76, scale))?.as_primitive::<Decimal256Type>().clone())
    };
    let shift = scale(&to) - scale(left.data_type()) + scale(right.data_type());
    let power = i256::from_i128(10).checked_pow(shift.unsigned_abs());
    let (left, right) = (wide(left)?, wide(right)?);
    let too_large = || ArrowError::ArithmeticOverflow("a quotient is too large".to_owned());
    let divide = |dividend: i256, divisor: i256| {
        if divisor == i256::ZERO {
            return Err(ArrowError::DivideByZero);
        }
        let power = power.ok_or_else(too_large)?;
        let (dividend, divisor) =
            if shift >= 0 { (dividend.checked_mul(power), Some(divisor)) } else { (Some(dividend), divisor.checked_mul(power)) };
        rounded(dividend.ok_or_else(too_large)?, divisor.ok_or_else(too_large)?).ok_or_else(too_large)
    };
    let pairs = left.iter().zip(&right);
    let quotients: Decimal256Array = pairs
        .map(|pair| if let (Some(dividend), Some(divisor)) = pair { divide(dividend, divisor).map(Some) } else { Ok(None) })
        .collect::<Result<_, _>>()?;
    let quotients = quotients.with_precision_and_scale(76, i8::try_from(scale(&to)).unwrap_or_default())?;
    cast_with_options(&quotients, &to, &CastOptions { safe: false, ..CastOptions::default() })
}

/// The quotient, rounded half away from zero; nothing when it is too large or the divisor is zero.
pub fn rounded(dividend: i256, divisor: i256) -> Option<i256> {
    let (quotient, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let far = rest.wrapping_abs() >= divisor.wrapping_abs().wrapping_sub(rest.wrapping_abs());
    let away = if (dividend < i256::ZERO) == (divisor < i256::ZERO) { i256::ONE } else { i256::MINUS_ONE };
    if far && rest != i256::ZERO { quotient.checked_add(away) } else { Some(quotient) }
}
