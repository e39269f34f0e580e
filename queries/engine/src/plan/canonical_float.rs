//! Floats with one zero and one NaN. DataFusion compares and sorts by IEEE 754's total order, in which -0 is below 0 and a NaN is lowest
//! or highest by its sign; by OData, and at every source, the zeros are one number. Mapped so, the total order is the ordinary one with
//! NaN on top.

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type};
use datafusion::common::{Result as DataFusionResult, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;

const NAME: &str = "canonical_float";

/// The float with one zero and one NaN.
pub fn call(expression: Expr) -> Expr {
    ScalarUDF::from(CanonicalFloat { signature: Signature::user_defined(Volatility::Immutable) }).call(vec![expression])
}

/// What is made canonical, when the expression does that: for whom the zeros are one anyway.
pub fn inner(expression: &Expr) -> Option<&Expr> {
    match expression {
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == NAME => args.first(),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CanonicalFloat {
    signature: Signature,
}

impl ScalarUDFImpl for CanonicalFloat {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        match arguments {
            [float @ (DataType::Float32 | DataType::Float64)] => Ok(float.clone()),
            _ => plan_err!("'{NAME}' takes one float"),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        let types: Vec<DataType> = arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(NAME, self.return_type(&types)?, nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let Some(argument) = arguments.args.first() else { return plan_err!("'{NAME}' takes one float") };
        let floats = argument.to_array(arguments.number_rows)?;
        // Adding zero changes nothing but the sign of a zero.
        let canonical: ArrayRef = match floats.data_type() {
            DataType::Float32 => {
                let floats: &Float32Array = floats.as_primitive::<Float32Type>();
                Arc::new(floats.unary::<_, Float32Type>(|number| if number.is_nan() { f32::NAN } else { number + 0.0 }))
            }
            DataType::Float64 => {
                let floats: &Float64Array = floats.as_primitive::<Float64Type>();
                Arc::new(floats.unary::<_, Float64Type>(|number| if number.is_nan() { f64::NAN } else { number + 0.0 }))
            }
            other => return plan_err!("'{NAME}' takes one float, not {other}"),
        };
        Ok(ColumnarValue::Array(canonical))
    }
}
