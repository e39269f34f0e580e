//! Key sets: the tuples of a bind join. It must not know statements around them.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::compare::{OnStored, on_stored, orders_as_stored};
use crate::dialect::{Family, KeyStyle};
use crate::expr::{Render, column_stored_type, unsupported};
use crate::scope::Held;
use portico_provider_api::{CompareOp, KeySet, ScalarType, Unsupported, Value};
use std::rc::Rc;

/// How one key column takes part: what is compared, and the type of what is sent.
pub(crate) struct KeyColumn {
    pub(crate) column: Rc<Held>,
    pub(crate) operand: String,
    pub(crate) scalar_type: ScalarType,
    pub(crate) as_stored: bool,
}

impl Render<'_> {
    pub(crate) fn key_set(&mut self, keys: &KeySet) -> Result<String, Unsupported> {
        if keys.columns.is_empty() || keys.tuples.iter().any(|tuple| tuple.len() != keys.columns.len()) {
            return Err(unsupported("a key set whose tuples do not fit its columns"));
        }
        let columns = keys.columns.iter().map(|index| self.key_column(*index)).collect::<Result<Vec<_>, _>>()?;
        let mut tuples = Vec::with_capacity(keys.tuples.len());
        for tuple in keys.tuples.iter().filter(|tuple| !tuple.iter().any(|value| self.is_beyond(value))) {
            tuples.extend(sent_tuple(&columns, tuple)?);
        }
        if tuples.is_empty() {
            return Ok(self.dialect.false_constant.to_owned());
        }
        match self.dialect.keys {
            KeyStyle::Arrays => Ok(self.keys_as_arrays(&columns, tuples)),
            KeyStyle::Values if self.dialect.family == Family::Mysql => self.mysql_keys(&columns, &tuples),
            KeyStyle::Rows => self.keys_as_rows(&columns, &tuples),
            KeyStyle::Values if self.dialect.family == Family::DataFusion => self.datafusion_keys(keys),
            KeyStyle::Values if self.dialect.family == Family::Standard && columns.len() > 1 => Err(unsupported("keys of several columns")),
            KeyStyle::Values => self.keys_as_values(&columns, &tuples),
        }
    }

    fn key_column(&self, index: usize) -> Result<KeyColumn, Unsupported> {
        let column = self.column(index)?;
        let as_stored = column.codec.is_some_and(orders_as_stored);
        let (operand, scalar_type) =
            if as_stored { (self.stored(&column), column_stored_type(&column)) } else { (self.decoded(&column)?, column.scalar_type) };
        let operand = format!("{operand}{}", self.collation(scalar_type, false));
        Ok(KeyColumn { column, operand, scalar_type, as_stored })
    }

    fn keys_as_arrays(&mut self, columns: &[KeyColumn], tuples: Vec<Vec<Value>>) -> String {
        let mut arrays: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(tuples.len())).collect();
        for tuple in tuples {
            for (array, value) in arrays.iter_mut().zip(tuple) {
                array.push(value);
            }
        }
        let operands: Vec<_> = columns.iter().map(|column| column.operand.as_str()).collect();
        let sent: Vec<_> = columns.iter().zip(arrays).map(|(column, values)| self.array_parameter(column.scalar_type, values)).collect();
        match (operands.as_slice(), sent.as_slice()) {
            ([operand], [array]) => format!("({operand} = ANY({array}))"),
            _ => format!("(({}) IN (SELECT * FROM unnest({})))", operands.join(", "), sent.join(", ")),
        }
    }

    /// Row by row, for who knows no lists of rows: the values of one column in a list.
    fn keys_as_rows(&mut self, columns: &[KeyColumn], tuples: &[Vec<Value>]) -> Result<String, Unsupported> {
        if let [_] = columns {
            return self.keys_as_values(columns, tuples);
        }
        let mut rows = Vec::with_capacity(tuples.len());
        for tuple in tuples {
            let mut parts = Vec::with_capacity(tuple.len());
            for (column, value) in columns.iter().zip(tuple) {
                let sent = if column.as_stored { self.raw_parameter(value) } else { self.literal(value)? };
                parts.push(format!("{} = {sent}", column.operand));
            }
            rows.push(format!("({})", parts.join(" AND ")));
        }
        Ok(format!("({})", rows.join(" OR ")))
    }

    fn keys_as_values(&mut self, columns: &[KeyColumn], tuples: &[Vec<Value>]) -> Result<String, Unsupported> {
        let operands: Vec<_> = columns.iter().map(|column| column.operand.as_str()).collect();
        let mut rows = Vec::with_capacity(tuples.len());
        for tuple in tuples {
            let mut values = Vec::with_capacity(tuple.len());
            for (column, value) in columns.iter().zip(tuple) {
                values.push(if column.as_stored { self.raw_parameter(value) } else { self.literal(value)? });
            }
            rows.push(values.join(", "));
        }
        Ok(match operands.as_slice() {
            [operand] => format!("({operand} IN ({}))", rows.join(", ")),
            _ => {
                let rows: Vec<_> = rows.into_iter().map(|row| format!("({row})")).collect();
                format!("(({}) IN (VALUES {}))", operands.join(", "), rows.join(", "))
            }
        })
    }
}

/// A tuple in the form that is sent; `None` when no row can have it.
fn sent_tuple(columns: &[KeyColumn], tuple: &[Value]) -> Result<Option<Vec<Value>>, Unsupported> {
    let mut sent = Vec::with_capacity(tuple.len());
    for (key, value) in columns.iter().zip(tuple) {
        if value.is_null() || value.is_nan() {
            return Ok(None);
        }
        if !key.as_stored {
            sent.push(value.clone());
            continue;
        }
        match on_stored(&key.column, CompareOp::Eq, value) {
            OnStored::Compare(_, stored) => sent.push(stored),
            OnStored::Never | OnStored::Always => return Ok(None),
            OnStored::NotPossible => {
                return Err(unsupported(format!("keys of type {} for column '{}'", value.scalar_type(), key.column.name)));
            }
        }
    }
    Ok(Some(sent))
}
