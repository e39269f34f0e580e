//! Rows of a file as batches of typed columns, whatever the form of the file. It must not know queries.

use crate::config::Format;
use crate::directory::Opened;
use crate::layout::{Column, Layout};
use crate::parquet_file::ParquetChunks;
use crate::problem::Problem;
use crate::pruning::Pruning;
use crate::rows::csv::CsvRecords;
use crate::rows::decoding::Decoded;
use crate::rows::json::JsonRecords;
use crate::rows::{Cell, Records};
use crate::table::Table;
use crate::xlsx::Workbook;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use portico_provider_api::ColumnBuilder;
use std::sync::Arc;

/// Rows in a batch at most.
pub(crate) const BATCH_ROWS: usize = 8192;
/// Bytes in a batch, roughly.
const BATCH_BYTES: usize = 1 << 20;

/// Some rows.
pub(crate) struct Chunk {
    /// The wanted columns by name.
    pub(crate) batch: RecordBatch,
    /// The line or row of each.
    pub(crate) rows: Vec<u64>,
}

/// The rows of one file.
pub(crate) trait Chunks {
    /// The next rows; nothing at the end.
    fn next(&mut self) -> Result<Option<Chunk>, Problem>;

    /// A place in the file, for messages.
    fn place(&self, at: u64) -> String;
}

/// Opens the records of a file of text or a sheet for as long as `work` takes: those of a sheet belong to its workbook. `known` are the
/// columns that its objects may have; it may have others.
pub(crate) fn with_records<T, E: From<Problem>>(
    table: &Table,
    opened: &Opened,
    known: &[String],
    work: impl FnOnce(&mut dyn Records) -> Result<T, E>,
) -> Result<T, E> {
    let text = || Decoded::new(opened.reader(), table.encoding);
    let given = table.given_names();
    match table.format {
        Format::Csv => work(&mut CsvRecords::new(text(), &opened.name, table.dialect, &given)?),
        Format::Json => work(&mut JsonRecords::new(text(), &opened.name, true, known)),
        Format::Ndjson => work(&mut JsonRecords::new(text(), &opened.name, false, known)),
        Format::Xlsx => {
            let mut book = Workbook::open(opened)?;
            work(&mut book.records(table.config.sheet.as_deref(), table.area, table.header(), &given)?)
        }
        Format::Parquet => Err(Problem::new(portico_provider_api::SourceErrorKind::Internal, "a Parquet file has no records").into()),
    }
}

/// Finds out what is wrong with a file that reading its records does not tell.
pub(crate) fn check(table: &Table, opened: &Opened) -> Result<(), Problem> {
    match table.format {
        Format::Xlsx => Workbook::open(opened)?.check(table.config.sheet.as_deref(), table.area),
        Format::Csv | Format::Json | Format::Ndjson | Format::Parquet => Ok(()),
    }
}

/// Opens the rows of a file, of which the columns at `wanted` are read, for as long as `work` takes. `pruning` may leave out rows that the
/// query does not want.
pub(crate) fn with_chunks<T, E: From<Problem>>(
    table: &Table,
    opened: &Opened,
    layout: &Layout,
    wanted: &[usize],
    pruning: Option<Arc<Pruning>>,
    work: impl FnOnce(&mut dyn Chunks) -> Result<T, E>,
) -> Result<T, E> {
    let columns: Vec<Column> = wanted.iter().filter_map(|at| layout.columns.get(*at).cloned()).collect();
    if table.format == Format::Parquet {
        return work(&mut ParquetChunks::new(opened, columns, pruning)?);
    }
    let known: Vec<String> = layout.columns.iter().map(|column| column.name.clone()).collect();
    with_records(table, opened, &known, |records| {
        // Names of a file without any are known with its first record, and are those of the layout.
        let names = if records.names().is_empty() { &known } else { records.names() };
        let places = columns.iter().map(|column| names.iter().position(|name| *name == column.name)).collect();
        let fields: Vec<_> = columns.iter().map(|column| column.reading.scalar_type.field(&column.name, column.reading.nullable)).collect();
        work(&mut TextChunks { file: opened.name.clone(), records, columns, places, schema: Arc::new(Schema::new(fields)) })
    })
}

struct TextChunks<'a> {
    file: String,
    records: &'a mut dyn Records,
    columns: Vec<Column>,
    /// Where each column stands in the file; nothing where this file lacks it.
    places: Vec<Option<usize>>,
    schema: SchemaRef,
}

/// A place for messages: file, row and column.
pub(crate) fn in_column(file: &str, place: &str, column: &str) -> String {
    format!("{file}, {place}, column '{column}'")
}

impl Chunks for TextChunks<'_> {
    fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        let mut builders: Vec<_> = self.columns.iter().map(|column| ColumnBuilder::new(column.reading.scalar_type)).collect();
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < BATCH_ROWS && bytes < BATCH_BYTES {
            let failure = {
                let Some(record) = self.records.next()? else { break };
                let mut failure = None;
                for ((column, place), builder) in self.columns.iter().zip(&self.places).zip(&mut builders) {
                    let cell = place.and_then(|place| record.cells.get(place)).unwrap_or(&Cell::Null);
                    match column.reading.append(cell, builder) {
                        Ok(size) => bytes += size,
                        Err(what) => {
                            failure = Some((record.at, column.name.clone(), what));
                            break;
                        }
                    }
                }
                rows.push(record.at);
                failure
            };
            if let Some((at, column, what)) = failure {
                return Err(Problem::malformed(format!("{}: {what}", in_column(&self.file, &self.records.place(at), &column))));
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let arrays = builders.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options);
        let batch = batch.map_err(|error| Problem::malformed(format!("{}: {error}", self.file)))?;
        Ok(Some(Chunk { batch, rows }))
    }

    fn place(&self, at: u64) -> String {
        self.records.place(at)
    }
}
