//! Columns that hold values of another type than readers see: dates in text, truth values in numbers. A query that reads some sees a table
//! in which they are decoded. Pure.

use crate::table::{MemoryTable, whole_table};
use crate::translate::{Refusal, refusal};
use portico_provider_api::arrays::{array_from_values, value_at};
use portico_provider_api::{Codec, RemoteColumn, ScalarType, SourceErrorKind, TableRelation, Value};
use portico_provider_sql::{Stored, decode};
use std::sync::Arc;

/// The table as a relation declares it: where the relation has no codec, the table itself.
///
/// # Errors
/// Names the column of which a stored value does not decode; never with the value, which may be confidential.
pub fn as_declared(relation: &TableRelation, table: Arc<MemoryTable>) -> Result<Arc<MemoryTable>, Refusal> {
    let held = |name: &str| relation.columns.iter().find(|column| column.name == name).and_then(|column| Some((column, column.codec?)));
    if !table.columns.iter().any(|column| held(&column.name).is_some()) {
        return Ok(table);
    }
    let stored = whole_table(&table).map_err(refusal)?;
    let mut columns = Vec::with_capacity(table.columns.len());
    let mut arrays = Vec::with_capacity(table.columns.len());
    let mut fields = Vec::with_capacity(table.columns.len());
    for (position, column) in table.columns.iter().enumerate() {
        let array = stored.columns().get(position);
        let array = array.ok_or_else(|| (SourceErrorKind::Internal, format!("table '{}' lacks a column", table.name)))?;
        let (column, array) = match held(&column.name) {
            None => (column.clone(), Arc::clone(array)),
            Some((declared, codec)) => {
                let name = format!("column '{}' of table '{}'", column.name, table.name);
                let wrong = |reason: String| (SourceErrorKind::Malformed, format!("{name}: {reason}"));
                let decoded = (0..array.len()).map(|row| {
                    let value = value_at(array.as_ref(), row, column.scalar_type).map_err(refusal)?;
                    decoded(codec, declared.scalar_type, &value).map_err(wrong)
                });
                let decoded = decoded.collect::<Result<Vec<_>, Refusal>>()?;
                let nullable = decoded.iter().any(Value::is_null);
                if nullable && !declared.nullable {
                    return Err(wrong("null where no null is declared".to_owned()));
                }
                let column = RemoteColumn { scalar_type: declared.scalar_type, nullable: declared.nullable, ..column.clone() };
                (column, array_from_values(declared.scalar_type, &decoded).map_err(refusal)?)
            }
        };
        fields.push(column.scalar_type.field(&column.name, column.nullable));
        columns.push(column);
        arrays.push(array);
    }
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let batch = arrow::array::RecordBatch::try_new(schema, arrays);
    let batch = batch.map_err(|error| (SourceErrorKind::Malformed, format!("table '{}': {error}", table.name)))?;
    Ok(Arc::new(MemoryTable { columns, batches: vec![batch], ..(*table).clone() }))
}

/// The value that a stored one stands for.
fn decoded(codec: Codec, scalar_type: ScalarType, value: &Value) -> Result<Value, String> {
    let stored = match value {
        Value::Null(_) => Stored::Null,
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => Stored::Text(text),
        Value::Int16(number) => Stored::Integer((*number).into()),
        Value::Int32(number) => Stored::Integer((*number).into()),
        Value::Int64(number) => Stored::Integer(*number),
        Value::Boolean(flag) => Stored::Integer((*flag).into()),
        Value::Float32(number) | Value::Float64(number) => Stored::Float(number.0),
        Value::Binary(bytes) => Stored::Bytes(bytes),
        Value::Decimal { .. } | Value::Date(_) | Value::Time(_) | Value::Timestamp(_) | Value::TimestampTz(_) => {
            return Err(format!("a value of type {} holds no other", value.scalar_type()));
        }
    };
    decode(codec, scalar_type, stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_provider_api::arrays::batch_from_rows;
    use portico_provider_api::{RemoteTableName, TableColumn};

    fn table(rows: &[(i32, Option<&str>, i16)]) -> Arc<MemoryTable> {
        let types = [("id", ScalarType::Int32, false), ("day", ScalarType::Text, true), ("paid", ScalarType::Int16, false)];
        let rows: Vec<Vec<Value>> = rows
            .iter()
            .map(|(id, day, paid)| vec![Value::Int32(*id), day.map_or(Value::Null(ScalarType::Text), Value::text), Value::Int16(*paid)])
            .collect();
        let typed: Vec<_> = types.iter().map(|(name, scalar_type, nullable)| ((*name).to_owned(), *scalar_type, *nullable)).collect();
        let column = |(name, scalar_type, nullable): &(&str, ScalarType, bool)| RemoteColumn {
            name: (*name).to_owned(),
            description: None,
            native_type: scalar_type.to_string(),
            scalar_type: *scalar_type,
            codec: None,
            nullable: *nullable,
            max_length: None,
            has_default: false,
            generated: false,
        };
        Arc::new(MemoryTable {
            name: RemoteTableName::parse("t"),
            description: None,
            columns: types.iter().map(column).collect(),
            primary_key: vec!["id".to_owned()],
            foreign_keys: Vec::new(),
            batches: vec![batch_from_rows(&typed, &rows).unwrap()],
        })
    }

    fn relation(codecs: &[(&str, ScalarType, bool, Option<Codec>)]) -> TableRelation {
        let column = |(name, scalar_type, nullable, codec): &(&str, ScalarType, bool, Option<Codec>)| TableColumn {
            name: (*name).to_owned(),
            scalar_type: *scalar_type,
            nullable: *nullable,
            codec: *codec,
            native_type: None,
        };
        TableRelation { table: RemoteTableName::parse("t"), columns: codecs.iter().map(column).collect() }
    }

    #[test]
    fn held_values_are_decoded() {
        let day = ("day", ScalarType::Date, true, Some(Codec::SapDate));
        let paid = ("paid", ScalarType::Boolean, false, Some(Codec::BoolInt));
        let rows = [(1, Some("20240229"), 1), (2, Some("00000000"), 0), (3, None, 1)];
        let found = as_declared(&relation(&[("id", ScalarType::Int32, false, None), day, paid]), table(&rows)).unwrap();
        let batch = &found.batches[0];
        let cell = |column: usize, row: usize, scalar_type| value_at(batch.column(column).as_ref(), row, scalar_type).unwrap();
        assert_eq!(
            [0, 1, 2].map(|row| cell(1, row, ScalarType::Date)),
            [Value::Date(19_782), Value::Null(ScalarType::Date), Value::Null(ScalarType::Date)]
        );
        assert_eq!([0, 1].map(|row| cell(2, row, ScalarType::Boolean)), [Value::Boolean(true), Value::Boolean(false)]);
        // Without codecs nothing is made anew.
        let plain = table(&rows);
        assert!(Arc::ptr_eq(&as_declared(&relation(&[("id", ScalarType::Int32, false, None)]), Arc::clone(&plain)).unwrap(), &plain));
    }

    #[test]
    fn what_does_not_decode_is_named_without_its_value() {
        let day = relation(&[("day", ScalarType::Date, true, Some(Codec::DateText))]);
        let (kind, message) = as_declared(&day, table(&[(1, Some("secret"), 1)])).unwrap_err();
        assert_eq!(kind, SourceErrorKind::Malformed);
        assert!(message.starts_with("column 'day' of table 't'") && !message.contains("secret"), "{message}");
        let strict = relation(&[("day", ScalarType::Date, false, Some(Codec::SapDate))]);
        assert!(as_declared(&strict, table(&[(1, Some(""), 1)])).is_err());
        let paid = relation(&[("paid", ScalarType::Boolean, false, Some(Codec::BoolInt))]);
        assert!(as_declared(&paid, table(&[(1, None, 7)])).is_err());
    }
}
