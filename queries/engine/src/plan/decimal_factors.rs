//! Keeps DataFusion's simplifier from products and remainders of decimals: where a factor is zero, or a divisor one, it puts a literal in
//! their place that has the type of the operand, not of the result. It does so only beside an operand that is never null, so operands are
//! hidden behind a function that might be; what has been optimised is freed of it again. It must not know sources.
//!
//! So are conversions that take digits from a decimal: the simplifier would leave them out beside a literal, and compare the decimal with it.
//! And so is the value of a sub-query over a column that is never null: of no row it is null all the same.

use crate::error::EngineError;
use crate::plan::checked;
use crate::plan::rewrite;
use crate::pushdown::translate::widens_decimal;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as DataFusionResult, internal_err};
use datafusion::logical_expr::{
    BinaryExpr, Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use std::sync::{Arc, LazyLock};

/// The name of the function. Callers cannot name it.
pub const FACTOR: &str = "@factor";

static HIDDEN: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(Factor { signature: Signature::user_defined(Volatility::Immutable) })));

/// Hides the operands.
///
/// # Errors
/// None of its own: the plan was well-typed before.
pub fn hide(plan: LogicalPlan) -> Result<LogicalPlan, EngineError> {
    rewrite::expressions(plan, hidden)
}

fn hidden(expression: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let decimal = |side: &Expr| matches!(side.get_type(schema), Ok(DataType::Decimal128(..) | DataType::Decimal256(..)));
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Multiply | Operator::Modulo), right })
            if decimal(&left) || decimal(&right) =>
        {
            let (left, right) = (Box::new(behind(*left)), Box::new(behind(*right)));
            Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        // Before literals are computed with: their quotient is rounded too.
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide, right }) if checked::are_decimals(&left, &right, schema) => {
            Transformed::yes(checked::call(checked::Operation::Divide, vec![*left, *right]))
        }
        Expr::Cast(Cast { expr, field }) if narrows(&expr, field.data_type(), schema) => {
            Transformed::yes(behind(Expr::Cast(Cast { expr, field })))
        }
        Expr::ScalarSubquery(subquery) if subquery.outer_ref_columns.is_empty() && never_null(&subquery.subquery) => {
            Transformed::yes(behind(Expr::ScalarSubquery(subquery)))
        }
        other => Transformed::no(other),
    }
}

/// Whether the only column of a query is never null.
fn never_null(query: &LogicalPlan) -> bool {
    query.schema().fields().first().is_some_and(|field| !field.is_nullable())
}

/// Whether a conversion takes digits from a decimal that is not known yet.
fn narrows(expr: &Expr, to: &DataType, schema: &DFSchema) -> bool {
    let from = match expr {
        Expr::Literal(..) => return false,
        other => other.get_type(schema),
    };
    let exact = to.is_integer() || matches!(to, DataType::Decimal128(..) | DataType::Decimal256(..));
    from.is_ok_and(|from| {
        matches!(from, DataType::Decimal128(..) | DataType::Decimal256(..)) && exact && from != *to && !widens_decimal(&from, to)
    })
}

/// Whatever it may be now: what could be null may turn out never to be while the plan is optimised.
fn behind(operand: Expr) -> Expr {
    if matches!(operand, Expr::Literal(..)) { operand } else { HIDDEN.call(vec![operand]) }
}

/// What is hidden, if something is.
pub fn operand(expression: &Expr) -> Option<&Expr> {
    match expression {
        Expr::ScalarFunction(call) if call.func.name() == FACTOR => call.args.first(),
        _ => None,
    }
}

/// `@factor(operand)`: the operand itself.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Factor {
    signature: Signature,
}

impl ScalarUDFImpl for Factor {
    fn name(&self) -> &str {
        FACTOR
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        match arguments {
            [own] => Ok(own.clone()),
            _ => internal_err!("'{FACTOR}' takes one argument"),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        let types: Vec<DataType> = arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(FACTOR, self.return_type(&types)?, true)))
    }

    fn invoke_with_args(&self, mut arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        match arguments.args.pop() {
            Some(operand) => Ok(operand),
            None => internal_err!("'{FACTOR}' takes one argument"),
        }
    }
}
