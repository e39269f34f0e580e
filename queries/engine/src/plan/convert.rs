//! OData's `cast` as a function: each value becomes one of another type, or null where it is none. What it means is said once, by
//! [`portico_odata::cast`]; this only walks over arrays.

use crate::values::{scalar_from_value, value_from_scalar};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use portico_odata::ValueType;
use portico_odata::cast::cast;
use portico_provider_api::{ScalarType, Value};
use std::hash::{Hash, Hasher};

/// A type of which values are converted. Types are told apart by all that they are, and hashed by what carries them.
#[derive(Debug, Clone, PartialEq)]
struct Carried(ValueType);

impl Eq for Carried {}

impl Hash for Carried {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.scalar().hash(state);
    }
}

impl Carried {
    fn of(value_type: &ValueType) -> Carried {
        Carried(match value_type {
            ValueType::Spatial(_) => ValueType::Scalar(ScalarType::Text),
            ValueType::Enumeration(..) | ValueType::Duration | ValueType::Scalar(_) => value_type.clone(),
        })
    }
}

/// The conversion of an expression from one type to another.
pub fn call(expression: Expr, from: &ValueType, to: &ValueType) -> Expr {
    let (from, to) = (Carried::of(from), Carried::of(to));
    ScalarUDF::from(Convert { from, to, signature: Signature::user_defined(Volatility::Immutable) }).call(vec![expression])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Convert {
    from: Carried,
    to: Carried,
    signature: Signature,
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
        Ok(self.to.0.scalar().arrow())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let [argument] = arguments.args.as_slice() else {
            return Err(DataFusionError::Internal("'convert' takes one argument".to_owned()));
        };
        let array = argument.to_array(arguments.number_rows)?;
        let (from, to) = (&self.from.0, &self.to.0);
        let one = |row: usize| -> DataFusionResult<ScalarValue> {
            let value = value_from_scalar(&ScalarValue::try_from_array(&array, row)?).map_err(DataFusionError::Execution)?;
            // GUIDs and documents travel as text, and only the column knows.
            let value = match (value, from) {
                (Value::Text(text), ValueType::Scalar(ScalarType::Guid)) => Value::Guid(text),
                (Value::Text(text), ValueType::Scalar(ScalarType::Json)) => Value::Json(text),
                (value, _) => value,
            };
            Ok(scalar_from_value(&cast(&value, from, to)))
        };
        if array.is_empty() {
            return Ok(ColumnarValue::Array(arrow::array::new_empty_array(&to.scalar().arrow())));
        }
        let scalars = (0..array.len()).map(one).collect::<DataFusionResult<Vec<_>>>()?;
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(scalars)?))
    }
}
