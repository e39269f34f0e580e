//! `lower` and `upper` as the IR has them: each code point becomes exactly one. DataFusion's own follow the full mapping (`ß` becomes
//! `SS`), and a query would give other rows where a source evaluates it than here.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result as DataFusionResult, internal_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use portico_provider_api::evaluate::evaluate_expr;
use portico_provider_api::{Expr, Function, ScalarType, TableColumn, Value};
use std::sync::Arc;

/// Both functions.
pub fn functions() -> [ScalarUDF; 2] {
    [("lower", Function::Lower), ("upper", Function::Upper)]
        .map(|(name, function)| ScalarUDF::from(LetterCase { name, function, signature: Signature::string(1, Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct LetterCase {
    name: &'static str,
    function: Function,
    signature: Signature,
}

impl LetterCase {
    fn of(&self, texts: &StringArray) -> DataFusionResult<StringArray> {
        let call = Expr::Call { function: self.function, arguments: vec![Expr::Column(0)] };
        let columns = [TableColumn::computed("text", ScalarType::Text, true)];
        let mapped = texts.iter().map(|text| {
            let Some(text) = text else { return Ok(None) };
            match evaluate_expr(&call, &[Value::text(text)], &columns) {
                Ok(Value::Text(mapped)) => Ok(Some(mapped)),
                Ok(_) => internal_err!("'{}' did not yield text", self.name),
                Err(error) => Err(DataFusionError::Execution(error.to_string())),
            }
        });
        mapped.collect()
    }
}

impl ScalarUDFImpl for LetterCase {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let [texts] = ColumnarValue::values_to_arrays(&arguments.args)?
            .try_into()
            .map_err(|_| DataFusionError::Internal(format!("'{}' takes one argument", self.name)))?;
        let texts = cast(&texts, &DataType::Utf8)?;
        let mapped = self.of(texts.as_string::<i32>())?;
        debug_assert_eq!(mapped.len(), texts.len());
        Ok(ColumnarValue::Array(Arc::new(mapped) as ArrayRef))
    }
}
