//! What is read of the texts of rows: rows inside of rows, and columns that a JSONPath selects. Pure; it must not know how rows came.

use crate::json_path::{self, JsonPath};
use crate::resource::Place;
use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use portico_provider_api::ScalarType;
use portico_provider_web::json::{JsonColumn, JsonType, PageReader, PageShape, Pointer};
use std::sync::Arc;

/// The rows inside of rows, and to which row each belongs. `column` holds their arrays, or the whole rows where a JSONPath selects them.
pub(super) fn unfolded(batch: &RecordBatch, column: usize, place: &Place, shape: &PageShape) -> Result<(RecordBatch, UInt32Array), String> {
    let held = batch.columns().get(column).ok_or("the rows inside of rows are missing")?;
    let (mut parents, mut document) = (Vec::new(), String::from("["));
    let mut add = |row: usize, text: &str| {
        if !parents.is_empty() {
            document.push(',');
        }
        document.push_str(text);
        parents.push(u32::try_from(row).map_err(|_| "there are too many rows")?);
        Ok::<_, String>(())
    };
    for row in 0..held.len() {
        if held.is_null(row) {
            continue;
        }
        match place {
            Place::Names(_) => {
                let items = held.as_list::<i32>().value(row);
                let items = items.as_string::<i32>();
                for item in 0..items.len() {
                    add(row, if items.is_null(item) { "null" } else { items.value(item) })?;
                }
            }
            Place::Selected(path) => {
                let text = held.as_string::<i32>().value(row);
                for found in started(path, text)? {
                    add(row, found)?;
                }
            }
        }
    }
    document.push(']');
    let rows = read(shape, &document, parents.len()).map_err(|error| format!("rows inside of rows: {error}"))?;
    Ok((rows, UInt32Array::from(parents)))
}

/// What an expression selects, where the names that it begins with are there: a document without them is not the one that it was written for.
///
/// # Errors
/// Says what is missing.
pub(super) fn started<'t>(path: &JsonPath, document: &'t str) -> Result<Vec<&'t str>, String> {
    let start = path.start();
    match json_path::at(document, &start)? {
        Some(_) => path.select(document),
        None => Err(format!("{}: is missing, where '{}' begins", json_path::pointer(&start), path.text())),
    }
}

/// Columns that a JSONPath selects, each in the text of its row.
#[derive(Debug, Clone)]
pub(super) struct Picks {
    /// What selects each, and whether all that it selects is the value.
    paths: Vec<(Arc<JsonPath>, bool)>,
    shape: PageShape,
}

impl Picks {
    /// For columns with their expressions.
    pub(super) fn new(columns: Vec<(JsonColumn, Arc<JsonPath>)>) -> Result<Picks, String> {
        let (mut read, mut paths) = (Vec::new(), Vec::new());
        for (column, path) in columns {
            // A JSON document has room for any number of values.
            let every = column.json_type == JsonType::Scalar(ScalarType::Json) && !path.is_singular();
            paths.push((path, every));
            read.push(JsonColumn { path: vec![column.name.clone()], ..column });
        }
        let names: Vec<JsonColumn> = read;
        Ok(Picks { paths, shape: PageShape::new(Pointer::parse("")?, names, Vec::new())? })
    }

    /// The columns of rows whose texts are the column of that number.
    pub(super) fn columns(&self, batch: &RecordBatch, column: usize) -> Result<RecordBatch, String> {
        let texts = batch.columns().get(column).ok_or("the texts of rows are missing")?.as_string::<i32>();
        let schema = self.shape.schema();
        let mut document = String::from("[");
        for row in 0..texts.len() {
            document.push_str(if row == 0 { "{" } else { ",{" });
            let mut first = true;
            for ((path, every), field) in self.paths.iter().zip(schema.fields()) {
                let text = if texts.is_null(row) { "null" } else { texts.value(row) };
                let Some(value) = picked(path, *every, text).map_err(|wrong| format!("/{row}/{}: {wrong}", field.name()))? else {
                    continue;
                };
                if !std::mem::replace(&mut first, false) {
                    document.push(',');
                }
                document.push_str(&format!("{}:{value}", serde_json::Value::from(field.name().as_str())));
            }
            document.push('}');
        }
        document.push(']');
        read(&self.shape, &document, texts.len())
    }
}

/// The value of a column in a row; a row may have none.
fn picked(path: &JsonPath, every: bool, text: &str) -> Result<Option<String>, String> {
    match path.select(text)?.as_slice() {
        found if every => Ok(Some(format!("[{}]", found.join(",")))),
        [] => Ok(None),
        [only] => Ok(Some((*only).to_owned())),
        several => Err(format!("'{}' selects {} values, and a column has one", path.text(), several.len())),
    }
}

/// A document of so many rows, all at once.
fn read(shape: &PageShape, document: &str, count: usize) -> Result<RecordBatch, String> {
    let mut reader = PageReader::new(shape);
    let read = reader.push(document.as_bytes()).and_then(|()| {
        let mut batches: Vec<RecordBatch> = std::iter::from_fn(|| reader.batch()).collect();
        reader.finish().map(|(rest, _)| {
            batches.extend(rest);
            batches
        })
    });
    let batches = read.map_err(|error| error.to_string())?;
    let schema = shape.schema();
    if schema.fields().is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        return RecordBatch::try_new_with_options(schema, Vec::new(), &options).map_err(|error| error.to_string());
    }
    arrow::compute::concat_batches(&schema, &batches).map_err(|error| error.to_string())
}
