//! OData's `cast` as a function: each value becomes one of another type, or null where it is none. What it means is said once, by
//! [`portico_odata::cast`]; this only walks over arrays.

use crate::values::{scalar_from_value, value_from_scalar};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use portico_odata::ValueType;
use portico_odata::cast::cast;
use portico_provider_api::{ScalarType, Value};

/// A type of which values are converted; nothing stands for durations.
type Carried = Option<ScalarType>;

/// The conversion of an expression from one type to another.
pub fn call(expression: Expr, from: &ValueType, to: &ValueType) -> Expr {
    let carried = |value_type: &ValueType| match value_type {
        ValueType::Duration => None,
        ValueType::Spatial(_) => Some(ScalarType::Text),
        ValueType::Scalar(scalar_type) | ValueType::Enumeration(_, scalar_type) => Some(*scalar_type),
    };
    let convert = Convert { from: carried(from), to: carried(to), signature: Signature::user_defined(Volatility::Immutable) };
    ScalarUDF::from(convert).call(vec![expression])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Convert {
    from: Carried,
    to: Carried,
    signature: Signature,
}

fn value_type(carried: Carried) -> ValueType {
    carried.map_or(ValueType::Duration, ValueType::Scalar)
}

impl ScalarUDFImpl for Convert {
    fn name(&self) -> &str {
        "convert"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(value_type(self.to).scalar().arrow())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let [argument] = arguments.args.as_slice() else {
            return Err(DataFusionError::Internal("'convert' takes one argument".to_owned()));
        };
        let array = argument.to_array(arguments.number_rows)?;
        let (from, to) = (value_type(self.from), value_type(self.to));
        let one = |row: usize| -> DataFusionResult<ScalarValue> {
            let value = value_from_scalar(&ScalarValue::try_from_array(&array, row)?).map_err(DataFusionError::Execution)?;
            // GUIDs and documents travel as text, and only the column knows.
            let value = match (value, self.from) {
                (Value::Text(text), Some(ScalarType::Guid)) => Value::Guid(text),
                (Value::Text(text), Some(ScalarType::Json)) => Value::Json(text),
                (value, _) => value,
            };
            Ok(scalar_from_value(&cast(&value, &from, &to)))
        };
        if array.is_empty() {
            return Ok(ColumnarValue::Array(arrow::array::new_empty_array(&to.scalar().arrow())));
        }
        let scalars = (0..array.len()).map(one).collect::<DataFusionResult<Vec<_>>>()?;
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(scalars)?))
    }
}
