//! Parquet files: their columns, and their rows, row group by row group. Row groups whose statistics say that no row is wanted are left out.

use crate::chunk::{BATCH_ROWS, Chunk, Chunks};
use crate::directory::{Opened, Section};
use crate::layout::Column;
use crate::problem::Problem;
use crate::pruning::{Bounds, Pruning};
use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Date64Type, Field, Schema, SchemaRef, Time64NanosecondType, TimeUnit, TimestampNanosecondType};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use portico_provider_api::ScalarType;
use std::io::{BufReader, Read};
use std::sync::Arc;

impl Length for Opened {
    fn len(&self) -> u64 {
        self.stamp.size
    }
}

impl ChunkReader for Opened {
    type T = BufReader<Section>;

    fn get_read(&self, start: u64) -> Result<BufReader<Section>, ParquetError> {
        Ok(BufReader::new(self.section(start, u64::MAX)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = Vec::with_capacity(length);
        self.section(start, length as u64).read_to_end(&mut bytes)?;
        if bytes.len() == length { Ok(bytes.into()) } else { Err(ParquetError::EOF("the file is cut off".to_owned())) }
    }
}

fn broken(file: &str, error: impl std::fmt::Display) -> Problem {
    Problem::malformed(format!("{file} cannot be read as Parquet: {error}"))
}

/// What a file says of itself.
pub(crate) struct Described {
    /// Name, type and whether it may be null, of each column that can be told.
    pub(crate) columns: Vec<(String, ScalarType, bool)>,
    /// The names of those that cannot.
    pub(crate) left_out: Vec<String>,
    pub(crate) rows: u64,
}

fn metadata(opened: &Opened) -> Result<ArrowReaderMetadata, Problem> {
    ArrowReaderMetadata::load(opened, ArrowReaderOptions::new()).map_err(|error| broken(&opened.name, error))
}

/// Reads the end of a file, where its columns and the number of its rows are.
pub(crate) fn describe(opened: &Opened) -> Result<Described, Problem> {
    let metadata = metadata(opened)?;
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for field in metadata.schema().fields() {
        match scalar_type(field) {
            Some(scalar_type) => columns.push((field.name().clone(), scalar_type, field.is_nullable())),
            None => left_out.push(field.name().clone()),
        }
    }
    let mut names: Vec<&String> = columns.iter().map(|(name, _, _)| name).collect();
    names.sort();
    if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()).and_then(|pair| pair.first()) {
        return Err(Problem::malformed(format!("{}: two columns are called '{twice}'", opened.name)));
    }
    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows())
        .map_err(|_| broken(&opened.name, "its number of rows is negative"))?;
    Ok(Described { columns, left_out, rows })
}

/// The type that holds every value of a column.
fn scalar_type(field: &Field) -> Option<ScalarType> {
    let extension = field.extension_type_name();
    Some(match field.data_type() {
        DataType::Null => ScalarType::Text,
        DataType::Int8 | DataType::UInt8 => ScalarType::Int16,
        DataType::UInt16 => ScalarType::Int32,
        DataType::UInt32 => ScalarType::Int64,
        DataType::UInt64 => ScalarType::Decimal { precision: 20, scale: 0 },
        DataType::Float16 => ScalarType::Float32,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            let fits = *scale >= 0 && scale.unsigned_abs() <= *precision;
            return fits.then_some(ScalarType::Decimal { precision: *precision, scale: *scale });
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if extension == Some("arrow.json") => ScalarType::Json,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ScalarType::Text,
        DataType::FixedSizeBinary(16) if extension == Some("arrow.uuid") => ScalarType::Guid,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => ScalarType::Binary,
        DataType::Date32 | DataType::Date64 => ScalarType::Date,
        DataType::Time32(_) | DataType::Time64(_) => ScalarType::Time,
        DataType::Timestamp(_, None) => ScalarType::Timestamp,
        DataType::Timestamp(_, Some(_)) => ScalarType::TimestampTz,
        DataType::Dictionary(_, values) => return scalar_type(&Field::new(field.name(), values.as_ref().clone(), true)),
        plain => return ScalarType::from_arrow(plain),
    })
}

/// An array in the type that the contract has for it, every value as it is. On failure: which value, where that is known, and what is wrong.
fn converted(array: &ArrayRef, scalar_type: ScalarType) -> Result<ArrayRef, (Option<usize>, String)> {
    let target = scalar_type.arrow();
    if array.data_type() == &target {
        return Ok(ArrayRef::clone(array));
    }
    if let (ScalarType::Guid, Some(bytes)) = (scalar_type, array.as_any().downcast_ref::<FixedSizeBinaryArray>()) {
        return Ok(Arc::new(bytes.iter().map(|bytes| bytes.map(guid)).collect::<StringArray>()));
    }
    let inexact = match array.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            array.as_primitive::<TimestampNanosecondType>().iter().position(|value| value.is_some_and(|nanos| nanos % 1_000 != 0))
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            array.as_primitive::<Time64NanosecondType>().iter().position(|value| value.is_some_and(|nanos| nanos % 1_000 != 0))
        }
        DataType::Date64 => {
            array.as_primitive::<Date64Type>().iter().position(|value| value.is_some_and(|millis| millis % 86_400_000 != 0))
        }
        _ => None,
    };
    if let Some(row) = inexact {
        return Err((Some(row), format!("the value is no {scalar_type}: it has more digits than that")));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, &target, &options).map_err(|_: ArrowError| (None, format!("a value is no {scalar_type}")))
}

fn guid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The rows of a file.
pub(crate) struct ParquetChunks {
    opened: Opened,
    metadata: ArrowReaderMetadata,
    columns: Vec<Column>,
    mask: ProjectionMask,
    schema: SchemaRef,
    pruning: Option<Arc<Pruning>>,
    /// The row group that is read next, and the number of the row that comes next.
    group: usize,
    row: u64,
    reader: Option<ParquetRecordBatchReader>,
}

impl ParquetChunks {
    pub(crate) fn new(opened: &Opened, columns: Vec<Column>, pruning: Option<Arc<Pruning>>) -> Result<ParquetChunks, Problem> {
        let metadata = metadata(opened)?;
        let fields = metadata.schema().fields();
        let roots = fields.iter().enumerate().filter(|(_, field)| columns.iter().any(|column| column.name == *field.name()));
        let mask = ProjectionMask::roots(metadata.parquet_schema(), roots.map(|(at, _)| at));
        let fields: Vec<_> = columns.iter().map(|column| column.reading.scalar_type.field(&column.name, column.reading.nullable)).collect();
        let schema = Arc::new(Schema::new(fields));
        Ok(ParquetChunks { opened: opened.clone(), metadata, columns, mask, schema, pruning, group: 0, row: 1, reader: None })
    }

    /// What is known of a row group's values in a column, in the contract's types.
    fn bounds(&self, group: usize, column: &str, scalar_type: ScalarType) -> Option<Bounds> {
        let (file, arrow) = (self.metadata.metadata(), self.metadata.schema());
        let converter = StatisticsConverter::try_new(column, arrow, self.metadata.parquet_schema()).ok()?;
        let group = file.row_groups().get(group)?;
        // Those of old writers are in another order.
        let statistics = group.columns().get(converter.parquet_column_index()?)?.statistics()?;
        if statistics.is_min_max_deprecated() {
            return None;
        }
        let one = |array: ArrayRef| converted(&array, scalar_type).ok().filter(|array| array.len() == 1);
        let (least, greatest) = (one(converter.row_group_mins([group]).ok()?)?, one(converter.row_group_maxes([group]).ok()?)?);
        let value =
            |array: &ArrayRef| portico_provider_api::arrays::value_at(array.as_ref(), 0, scalar_type).ok().filter(|value| !value.is_null());
        Some(Bounds { least: value(&least)?, greatest: value(&greatest)? })
    }

    /// Opens the next row group that may have a wanted row; false when there is none.
    fn next_group(&mut self) -> Result<bool, Problem> {
        loop {
            let group = self.group;
            let Some(described) = self.metadata.metadata().row_groups().get(group) else { return Ok(false) };
            let rows = u64::try_from(described.num_rows()).unwrap_or_default();
            self.group += 1;
            let is_wanted = match &self.pruning {
                Some(pruning) => pruning.may_have(&|column, scalar_type| self.bounds(group, column, scalar_type)),
                None => true,
            };
            if !is_wanted {
                self.row += rows;
                continue;
            }
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.opened.clone(), self.metadata.clone());
            let reader = builder.with_row_groups(vec![group]).with_projection(self.mask.clone()).with_batch_size(BATCH_ROWS).build();
            self.reader = Some(reader.map_err(|error| broken(&self.opened.name, error))?);
            return Ok(true);
        }
    }

    fn chunk(&mut self, batch: &RecordBatch) -> Result<Chunk, Problem> {
        let first = self.row;
        self.row += batch.num_rows() as u64;
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let array = batch
                .column_by_name(&column.name)
                .ok_or_else(|| broken(&self.opened.name, format!("column '{}' is missing", column.name)))?;
            let array = converted(array, column.reading.scalar_type).map_err(|(row, what)| {
                let place = match row {
                    Some(row) => format!("row {}", first + row as u64),
                    None => format!("rows {first} to {}", self.row - 1),
                };
                Problem::malformed(format!("{}: {what}", crate::chunk::in_column(&self.opened.name, &place, &column.name)))
            })?;
            if let Some(row) =
                (!column.reading.nullable && array.null_count() > 0).then(|| (0..array.len()).find(|row| array.is_null(*row))).flatten()
            {
                let place = crate::chunk::in_column(&self.opened.name, &format!("row {}", first + row as u64), &column.name);
                return Err(Problem::malformed(format!("{place}: a value is missing")));
            }
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| broken(&self.opened.name, error))?;
        Ok(Chunk { batch, rows: (first..self.row).collect() })
    }
}

impl Chunks for ParquetChunks {
    fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        loop {
            if let Some(reader) = &mut self.reader {
                if let Some(batch) = reader.next() {
                    let batch = batch.map_err(|error| broken(&self.opened.name, error))?;
                    return self.chunk(&batch).map(Some);
                }
                self.reader = None;
            }
            if !self.next_group()? {
                return Ok(None);
            }
        }
    }

    fn place(&self, at: u64) -> String {
        format!("row {at}")
    }
}
