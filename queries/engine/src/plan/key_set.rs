//! A function of the engine's own, which stands in a plan for "the key is one of those that the parent rows have" and is filled for
//! each run. Callers cannot name it.

use crate::values::value_from_scalar;
use arrow::array::BooleanArray;
use arrow::datatypes::DataType;
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use portico_provider_api::Value;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Prefix of the names of all functions that read a key slot.
pub const KEYS_PREFIX: &str = "@key";
/// Prefix of the name of a key slot's function.
pub const KEY_SLOT_PREFIX: &str = "@key_set_";

/// The place in a plan where a set of keys is put for one run.
#[derive(Debug, Clone)]
pub struct KeySlot {
    number: u64,
    keys: Arc<RwLock<Arc<Vec<Vec<Value>>>>>,
    null: Arc<AtomicBool>,
}

impl KeySlot {
    /// A new, empty slot with a number that no other has.
    pub fn new() -> KeySlot {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        KeySlot { number: NEXT.fetch_add(1, Ordering::Relaxed), keys: Arc::default(), null: Arc::default() }
    }

    /// The number that no other slot has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Says whether some parent has no key at all: nothing belongs to it, but what is computed of nothing is wanted for it too.
    pub fn hold_null(&self, null: bool) {
        self.null.store(null, Ordering::Release);
    }

    /// Whether some parent has no key at all.
    pub fn holds_null(&self) -> bool {
        self.null.load(Ordering::Acquire)
    }

    /// Puts keys in. They must be distinct and hold no null, unless groups are told apart by them ([`KeySetFunction::of_groups`]).
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
    /// Whether null is a value like any other, as no source has it.
    pub of_groups: bool,
    name: String,
    signature: Signature,
}

impl KeySetFunction {
    /// The function of a slot over this many columns.
    pub fn new(slot: KeySlot, columns: usize) -> KeySetFunction {
        // Its value changes between runs, so it must not be folded; within a run it does not, so it may move.
        let name = format!("{KEY_SLOT_PREFIX}{}", slot.number);
        KeySetFunction { name, slot, of_groups: false, signature: Signature::any(columns, Volatility::Stable) }
    }

    /// The same over what tells groups apart: null is one of the values.
    pub fn of_groups(slot: KeySlot, columns: usize) -> KeySetFunction {
        KeySetFunction { of_groups: true, ..KeySetFunction::new(slot, columns) }
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
