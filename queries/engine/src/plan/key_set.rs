//! Two functions of the engine's own: [`KeySlot`]'s, which stands in a plan for "the key is one of those that the parent rows
//! have" and is filled for each run, and [`RowHash`], which makes an ETag of a whole row. Callers cannot name either.

use crate::values::value_from_scalar;
use arrow::array::{Array, BooleanArray, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use portico_provider_api::Value;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

/// Prefix of the name of a key slot's function.
pub const KEY_SLOT_PREFIX: &str = "@key_set_";

/// The place in a plan where a set of keys is put for one run.
#[derive(Debug, Clone)]
pub struct KeySlot {
    number: u64,
    keys: Arc<RwLock<Arc<Vec<Vec<Value>>>>>,
}

impl KeySlot {
    /// A new, empty slot with a number that no other has.
    pub fn new() -> KeySlot {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        KeySlot { number: NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed), keys: Arc::default() }
    }

    /// Puts keys in. They must be distinct and hold no null.
    pub fn fill(&self, keys: Vec<Vec<Value>>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// The keys that are in.
    pub fn keys(&self) -> Arc<Vec<Vec<Value>>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for KeySlot {
    fn default() -> Self {
        KeySlot::new()
    }
}

impl PartialEq for KeySlot {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for KeySlot {}
impl Hash for KeySlot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// `@key_set_N(columns…) -> boolean`: whether the columns' values are one of the slot's keys. Push-down turns it into a key set;
/// where the source takes none it is evaluated here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeySetFunction {
    /// The slot.
    pub slot: KeySlot,
    name: String,
    signature: Signature,
}

impl KeySetFunction {
    /// The function of a slot over this many columns.
    pub fn new(slot: KeySlot, columns: usize) -> KeySetFunction {
        // Its value changes between runs, so it must not be folded; within a run it does not, so it may move.
        KeySetFunction { name: format!("{KEY_SLOT_PREFIX}{}", slot.number), slot, signature: Signature::any(columns, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for KeySetFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let keys = self.slot.keys();
        // Arrow carries a GUID as text, and so do the cells that are compared here.
        let carried = |value: &Value| if let Value::Guid(text) | Value::Json(text) = value { Value::text(text) } else { value.clone() };
        let wanted: HashSet<Vec<Value>> = keys.iter().map(|tuple| tuple.iter().map(carried).collect()).collect();
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let found: DataFusionResult<Vec<bool>> = (0..arguments.number_rows)
            .map(|row| {
                let tuple: DataFusionResult<Vec<Value>> = arrays
                    .iter()
                    .map(|array| {
                        let scalar = ScalarValue::try_from_array(array, row)?;
                        value_from_scalar(&scalar).map_err(DataFusionError::Execution)
                    })
                    .collect();
                Ok(wanted.contains(&tuple?))
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(found?))))
    }
}

/// `@row_hash(columns…) -> text`: the first 16 bytes of SHA-256 over the row, in hexadecimal.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct RowHash {
    signature: Signature,
}

impl RowHash {
    /// Its name.
    pub const NAME: &'static str = "@row_hash";

    /// The function.
    pub fn new() -> RowHash {
        RowHash { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl Default for RowHash {
    fn default() -> Self {
        RowHash::new()
    }
}

impl ScalarUDFImpl for RowHash {
    fn name(&self) -> &str {
        RowHash::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        Ok(ColumnarValue::Array(Arc::new(row_hashes(&arrays, arguments.number_rows)?)))
    }
}

/// The hash of each row of these columns.
///
/// # Errors
/// When a column's type has no row format, which no scalar type of the IR lacks.
pub fn row_hashes(columns: &[Arc<dyn Array>], rows: usize) -> DataFusionResult<StringArray> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    let encoded = converter.convert_columns(columns)?;
    let hashes = (0..rows).map(|row| {
        let digest = Sha256::digest(encoded.row(row).as_ref());
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    Ok(StringArray::from_iter_values(hashes))
}
