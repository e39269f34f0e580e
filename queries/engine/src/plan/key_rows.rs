//! The keys of a slot as rows of a plan, so that what is computed for each parent is there for those too that nothing belongs to. Callers
//! cannot name them.

use crate::error::EngineError;
use crate::plan::key_set::KeySlot;
use arrow::array::{ArrayRef, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, Result as DataFusionResult, UnnestOptions};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use portico_provider_api::arrays::array_from_values;
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;

/// A row for each key that is in the slot when the plan runs, one column for each part; and one of nulls, where the slot says so.
///
/// # Errors
/// When the plan cannot be made.
pub fn rows(slot: &KeySlot, types: &[ScalarType]) -> Result<LogicalPlanBuilder, EngineError> {
    let part = |(number, scalar_type): (usize, &ScalarType)| {
        let signature = Signature::exact(Vec::new(), Volatility::Volatile);
        let name = format!("@keys_{number}");
        let function = KeyPart { slot: slot.clone(), number, scalar_type: *scalar_type, name: name.clone(), signature };
        (ScalarUDF::from(function).call(Vec::new()).alias(&name), Column::from_name(name))
    };
    let (lists, columns): (Vec<_>, Vec<_>) = types.iter().enumerate().map(part).unzip();
    Ok(LogicalPlanBuilder::empty(true).project(lists)?.unnest_columns_with_options(columns, UnnestOptions::default())?)
}

/// One part of every key, as a list. Its value changes between runs, so it must not be folded.
#[derive(Debug, PartialEq, Eq, Hash)]
struct KeyPart {
    slot: KeySlot,
    number: usize,
    scalar_type: ScalarType,
    name: String,
    signature: Signature,
}

impl KeyPart {
    fn item(&self) -> Arc<Field> {
        Arc::new(Field::new_list_field(self.scalar_type.arrow(), true))
    }
}

impl ScalarUDFImpl for KeyPart {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::List(self.item()))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let null = self.slot.holds_null().then_some(Value::Null(self.scalar_type));
        let values: Vec<Value> = self.slot.keys().iter().filter_map(|key| key.get(self.number).cloned()).chain(null).collect();
        let wrong = |error: &dyn std::fmt::Display| DataFusionError::Execution(error.to_string());
        let values: ArrayRef = array_from_values(self.scalar_type, &values).map_err(|error| wrong(&error))?;
        let list = ListArray::try_new(self.item(), OffsetBuffer::from_lengths([values.len()]), values, None)?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}
