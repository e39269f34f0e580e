//! The number of a branch of `concat`, as a function without arguments. DataFusion takes a column that is a literal in every input of a
//! union for a constant of the whole and leaves it out of sort keys, so that the rows of later branches could come first. What it does not
//! see through it sorts by.

use arrow::datatypes::DataType;
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// The number.
pub(super) fn call(number: i64) -> Expr {
    let signature = Signature::exact(Vec::new(), Volatility::Volatile);
    ScalarUDF::from(BranchNumber { number, name: format!("@branch_{number}"), signature }).call(Vec::new())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct BranchNumber {
    number: i64,
    name: String,
    signature: Signature,
}

impl ScalarUDFImpl for BranchNumber {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Int64(Some(self.number))))
    }
}
