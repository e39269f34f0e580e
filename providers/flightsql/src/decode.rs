//! The server's batches as the promised ones: without loss, or an error that names the column. Pure.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray, StringBuilder};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use portico_provider_api::arrays::array_from_values;
use portico_provider_api::{Codec, ScalarType, SourceError, SourceErrorKind};
use portico_provider_sql::{ResultColumn, Stored, decode};
use std::fmt::Write as _;
use std::sync::Arc;

/// Turns the batches of one answer into the promised ones.
pub struct Decoder {
    source_name: String,
    columns: Vec<ResultColumn>,
    schema: SchemaRef,
}

impl Decoder {
    /// A decoder to these columns.
    pub fn new(source_name: &str, columns: Vec<ResultColumn>, schema: SchemaRef) -> Decoder {
        Decoder { source_name: source_name.to_owned(), columns, schema }
    }

    /// The promised columns of a batch; further columns of the server are left alone.
    ///
    /// # Errors
    /// `SchemaChanged` for a column of another type, `Malformed` (of a computed column `Data`) for a value that does not fit.
    pub fn decode(&self, batch: &RecordBatch) -> Result<RecordBatch, SourceError> {
        let columns = self.columns.iter().enumerate().map(|(index, column)| {
            let error = |kind, what: &str| SourceError::new(&self.source_name, kind, format!("{} {what}", label(column)));
            let array = batch.columns().get(index).ok_or_else(|| error(SourceErrorKind::Malformed, "is missing in the answer"))?;
            let decoded = one(array, column).map_err(|fault| match fault {
                Fault::Type => {
                    let message = format!("is {} at the server, which is not the promised {}", array.data_type(), column.scalar_type);
                    error(SourceErrorKind::SchemaChanged, &message)
                }
                Fault::Value(what) if column.origin.is_none() => error(SourceErrorKind::Data, &what),
                Fault::Value(what) => error(SourceErrorKind::Malformed, &what),
            })?;
            if !column.nullable && decoded.null_count() > 0 {
                return Err(error(SourceErrorKind::Malformed, "holds null, which it must not"));
            }
            Ok(decoded)
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| SourceError::new(&self.source_name, SourceErrorKind::Internal, error.to_string()))
    }
}

fn label(column: &ResultColumn) -> String {
    match &column.origin {
        Some(origin) => format!("column {origin}"),
        None => format!("output '{}'", column.name),
    }
}

/// Why a column is not the promised one.
enum Fault {
    /// Its type has nothing to do with the promised one.
    Type,
    /// A value does not fit.
    Value(String),
}

fn one(array: &ArrayRef, column: &ResultColumn) -> Result<ArrayRef, Fault> {
    match column.codec {
        Some(codec) => held(array, codec, column.scalar_type),
        None => plain(array, column.scalar_type),
    }
}

/// A column in the form that the source declares.
fn plain(array: &ArrayRef, to: ScalarType) -> Result<ArrayRef, Fault> {
    let (from, wanted) = (array.data_type(), to.arrow());
    if *from == wanted {
        return Ok(Arc::clone(array));
    }
    match (from, to) {
        (DataType::FixedSizeBinary(16), ScalarType::Guid) => Ok(guids(array)),
        (DataType::LargeUtf8 | DataType::Utf8View, ScalarType::Text | ScalarType::Guid | ScalarType::Json) => cast(array, &wanted),
        (DataType::Dictionary(_, inner), _) => plain(&cast(array, inner)?, to),
        (_, ScalarType::Text) if is_printed(from) => printed(array),
        _ if is_carried(from, to) => exactly(array, &wanted),
        _ => Err(Fault::Type),
    }
}

/// Whether values of an Arrow type are published as their text, because the IR has no such type.
pub fn is_printed(data_type: &DataType) -> bool {
    data_type.is_nested() || matches!(data_type, DataType::Duration(_) | DataType::Interval(_))
}

/// Whether a type carries values of another Arrow type, so far as they fit.
fn is_carried(from: &DataType, to: ScalarType) -> bool {
    match to {
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => from.is_integer(),
        ScalarType::Float32 | ScalarType::Float64 => from.is_floating(),
        ScalarType::Decimal { .. } => from.is_decimal() || from.is_integer(),
        ScalarType::Binary => matches!(from, DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)),
        ScalarType::Date => matches!(from, DataType::Date64),
        ScalarType::Time => matches!(from, DataType::Time32(_) | DataType::Time64(_)),
        ScalarType::Timestamp => matches!(from, DataType::Timestamp(_, None)),
        ScalarType::TimestampTz => matches!(from, DataType::Timestamp(_, Some(_))),
        ScalarType::Boolean | ScalarType::Text | ScalarType::Guid | ScalarType::Json => false,
    }
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Fault> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &options).map_err(|_| Fault::Value("holds a value that does not fit its type".to_owned()))
}

/// A conversion of which nothing is lost: the way back leads to the same values.
fn exactly(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Fault> {
    let there = cast(array, to)?;
    let back = cast(&there, array.data_type())?;
    let differs = distinct(&back, array).map_err(|_| Fault::Type)?;
    if differs.true_count() > 0 {
        return Err(Fault::Value("holds a value with more digits than its type has".to_owned()));
    }
    Ok(there)
}

fn guids(array: &ArrayRef) -> ArrayRef {
    let bytes = array.as_fixed_size_binary();
    let mut texts = StringBuilder::with_capacity(bytes.len(), bytes.len() * 36);
    for value in bytes {
        match value {
            None => texts.append_null(),
            Some(value) => {
                let mut text = String::with_capacity(36);
                for (index, byte) in value.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        text.push('-');
                    }
                    // Writing into a text does not fail.
                    let _ = write!(text, "{byte:02x}");
                }
                texts.append_value(text);
            }
        }
    }
    Arc::new(texts.finish())
}

/// Lists, structures and the like, as text.
fn printed(array: &ArrayRef) -> Result<ArrayRef, Fault> {
    let unprintable = |_| Fault::Value("holds a value that has no text".to_owned());
    let options = FormatOptions::default().with_null("null");
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options).map_err(unprintable)?;
    let text = |row: usize| {
        if array.is_null(row) {
            return Ok(None);
        }
        formatter.value(row).try_to_string().map(Some).map_err(unprintable)
    };
    Ok(Arc::new((0..array.len()).map(text).collect::<Result<StringArray, _>>()?))
}

/// A column that holds its values in another form.
fn held(array: &ArrayRef, codec: Codec, scalar_type: ScalarType) -> Result<ArrayRef, Fault> {
    let stored = match array.data_type() {
        DataType::Utf8 | DataType::Binary | DataType::Int64 | DataType::Float64 => Arc::clone(array),
        DataType::LargeUtf8 | DataType::Utf8View => cast(array, &DataType::Utf8)?,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => cast(array, &DataType::Binary)?,
        other if other.is_integer() => cast(array, &DataType::Int64)?,
        other if other.is_floating() => cast(array, &DataType::Float64)?,
        _ => return Err(Fault::Type),
    };
    let value = |row: usize| {
        let form = match stored.data_type() {
            _ if stored.is_null(row) => Stored::Null,
            DataType::Utf8 => Stored::Text(stored.as_string::<i32>().value(row)),
            DataType::Binary => Stored::Bytes(stored.as_binary::<i32>().value(row)),
            DataType::Int64 => Stored::Integer(stored.as_primitive::<Int64Type>().value(row)),
            _ => Stored::Float(stored.as_primitive::<Float64Type>().value(row)),
        };
        decode(codec, scalar_type, form).map_err(|fault| Fault::Value(format!("cannot be read: {fault}")))
    };
    let values = (0..stored.len()).map(value).collect::<Result<Vec<_>, _>>()?;
    array_from_values(scalar_type, &values).map_err(|error| Fault::Value(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        Decimal128Array, FixedSizeBinaryArray, Int64Array, ListArray, StringViewArray, TimestampNanosecondArray, UInt64Array,
    };
    use arrow::datatypes::Int32Type;

    fn column(scalar_type: ScalarType, codec: Option<Codec>, nullable: bool) -> ResultColumn {
        let origin = Some("public.t.c".to_owned());
        ResultColumn { name: "c".to_owned(), scalar_type, nullable, codec, origin, native_type: None }
    }

    fn decoded(array: impl Array + 'static, column: ResultColumn) -> Result<ArrayRef, SourceError> {
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![column.scalar_type.field("c", column.nullable)]));
        let batch = RecordBatch::try_from_iter([("x", Arc::new(array) as ArrayRef)]).unwrap();
        Decoder::new("east", vec![column], schema).decode(&batch).map(|batch| Arc::clone(batch.column(0)))
    }

    fn texts(array: impl Array + 'static, column: ResultColumn) -> Vec<Option<String>> {
        let decoded = decoded(array, column).unwrap();
        decoded.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn what_carries_the_same_values_is_taken() {
        let text = column(ScalarType::Text, None, true);
        assert_eq!(texts(StringViewArray::from(vec![Some("a"), None]), text.clone()), [Some("a".to_owned()), None]);
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        assert_eq!(texts(list, text), [Some("[1, null]".to_owned()), None]);
        let guid = FixedSizeBinaryArray::try_from_iter([[0x12_u8; 16]].into_iter()).unwrap();
        let guids = texts(guid, column(ScalarType::Guid, None, true));
        assert_eq!(guids, [Some("12121212-1212-1212-1212-121212121212".to_owned())]);
        let narrow = decoded(Int64Array::from(vec![7]), column(ScalarType::Int16, None, false)).unwrap();
        assert_eq!(narrow.data_type(), &DataType::Int16);
        let micros = decoded(TimestampNanosecondArray::from(vec![2_000]), column(ScalarType::Timestamp, None, false)).unwrap();
        assert_eq!(micros.data_type(), &ScalarType::Timestamp.arrow());
        let dates = decoded(StringArray::from(vec!["20240229"]), column(ScalarType::Date, Some(Codec::SapDate), true)).unwrap();
        assert_eq!(dates.data_type(), &DataType::Date32);
    }

    #[test]
    fn what_would_be_lost_is_an_error_that_names_the_column() {
        let fails = |array: ArrayRef, scalar_type, kind| {
            let error = decoded(array, column(scalar_type, None, false)).unwrap_err();
            assert!(error.message.contains("public.t.c") && error.kind == kind, "{error:?}");
        };
        let malformed = SourceErrorKind::Malformed;
        fails(Arc::new(TimestampNanosecondArray::from(vec![2_001])), ScalarType::Timestamp, malformed.clone());
        fails(Arc::new(Int64Array::from(vec![70_000])), ScalarType::Int16, malformed.clone());
        fails(Arc::new(UInt64Array::from(vec![u64::MAX])), ScalarType::Int64, malformed.clone());
        fails(Arc::new(Int64Array::from(vec![None])), ScalarType::Int64, malformed.clone());
        let decimals = Decimal128Array::from(vec![1_255]).with_precision_and_scale(10, 3).unwrap();
        fails(Arc::new(decimals), ScalarType::Decimal { precision: 10, scale: 2 }, malformed);
        fails(Arc::new(StringArray::from(vec!["7"])), ScalarType::Int64, SourceErrorKind::SchemaChanged);
        fails(Arc::new(Int64Array::from(vec![7])), ScalarType::Text, SourceErrorKind::SchemaChanged);
    }
}
