//! Rows of any record batch as an array of objects: answers to SQL. Cells are written as for OData, except that timestamps without a
//! zone stay without one. Types outside the IR: small and unsigned integers are numbers; lists, structs, intervals, durations and the
//! like are strings, as Arrow prints them.

use super::WriteError;
use super::encode::{Encoder, Style};
use super::escape::push_string;
use super::sink::{Sink, Stamp};
use super::writer::appended;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use bytes::{Bytes, BytesMut};
use std::collections::HashSet;

const STYLE: Style = Style { quote_wide: false, zone_everything: false };

/// Writes rows of any record batch as an array of objects.
#[derive(Debug)]
pub struct RowsWriter {
    names: Vec<String>,
    keys: Vec<Stamp>,
    first: bool,
    sink: Sink,
}

impl RowsWriter {
    /// A writer for batches of this schema.
    ///
    /// # Errors
    /// Two columns of one name: an object holds only one of them.
    pub fn new(schema: &Schema) -> Result<RowsWriter, WriteError> {
        let mut seen = HashSet::new();
        for field in schema.fields() {
            if !seen.insert(field.name().as_str()) {
                return Err(WriteError::new(field.name(), "two columns have this name: give one of them an alias"));
            }
        }
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let keys = names.iter().enumerate().map(|(index, name)| {
            let mut key = if index == 0 { Vec::new() } else { vec![b','] };
            push_string(name, &mut key);
            key.push(b':');
            Stamp::new(&key)
        });
        Ok(RowsWriter { keys: keys.collect(), names, first: true, sink: Sink::default() })
    }

    /// Everything before the first row.
    pub fn start(&mut self) -> Bytes {
        self.first = true;
        Bytes::from_static(b"[")
    }

    /// The rows of a batch. After an error nothing was appended.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_batch(&mut self, batch: &RecordBatch, out: &mut BytesMut) -> Result<(), WriteError> {
        if batch.num_columns() != self.names.len() {
            return Err(WriteError::new("*", format!("the batch has {} columns, not {}", batch.num_columns(), self.names.len())));
        }
        let mut encoders = Vec::with_capacity(self.names.len());
        for (name, column) in self.names.iter().zip(batch.columns()) {
            let array: &dyn Array = column.as_ref();
            encoders.push(Encoder::any(array, STYLE).map_err(|reason| WriteError::new(name, reason))?);
        }
        let (first, names, keys) = (self.first, &self.names, &self.keys);
        appended(&mut self.sink, out, batch.num_rows(), usize::MAX, |row, sink| {
            sink.put(if first && row == 0 { b"{" } else { b",{" });
            for ((key, name), encoder) in keys.iter().zip(names).zip(&encoders) {
                key.push(sink);
                encoder.write(row, sink).map_err(|reason| WriteError::new(name, reason))?;
            }
            sink.byte(b'}');
            Ok(())
        })?;
        self.first = self.first && batch.num_rows() == 0;
        Ok(())
    }

    /// Everything after the last row.
    pub fn finish(&mut self) -> Bytes {
        Bytes::from_static(b"]")
    }
}
