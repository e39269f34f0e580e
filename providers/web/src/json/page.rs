//! A page: where its rows stand, what else of it is wanted, and its rows in batches as they come. It must not know what a next link is.

use super::columns::JsonColumn;
use super::rows::Rows;
use super::scan::{Found, Scan};
use super::{Fault, JsonError, Pointer};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use portico_provider_api::json::{Json, Reader};
use std::collections::VecDeque;
use std::sync::Arc;

/// Rows of a batch, and bytes of Arrow data, roughly: whichever comes first.
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;

/// What a page looks like.
#[derive(Debug, Clone)]
pub struct PageShape {
    rows: Pointer,
    single: bool,
    others: Vec<Pointer>,
    columns: Vec<JsonColumn>,
    schema: SchemaRef,
}

impl PageShape {
    /// Rows that are the items of the array at `rows`, and what else is wanted: a next link, a count. None of these may hold the rows.
    ///
    /// # Errors
    /// When one of `others` holds the rows, or another one of them.
    pub fn new(rows: Pointer, columns: Vec<JsonColumn>, others: Vec<Pointer>) -> Result<PageShape, String> {
        for (index, other) in others.iter().enumerate() {
            let further = others.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, further)| further);
            if let Some(inner) = further.chain([&rows]).find(|inner| inner.0.starts_with(&other.0)) {
                return Err(format!("'{other}' holds '{inner}', and only one of them can be read"));
            }
            if other.0.starts_with(&rows.0) {
                return Err(format!("'{other}' is a part of the rows at '{rows}'"));
            }
        }
        let schema = Arc::new(Schema::new(columns.iter().map(JsonColumn::field).collect::<Vec<_>>()));
        Ok(PageShape { rows, single: false, others, columns, schema })
    }

    /// What stands at `rows` is one row, and no array.
    #[must_use]
    pub fn single(mut self) -> PageShape {
        self.single = true;
        self
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// What a page was, when it has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct PageEnd {
    /// Its rows.
    pub rows: u64,
    /// What else was wanted, in that order; `None` for what is not there.
    pub others: Vec<Option<Json>>,
}

/// Reads one page.
#[derive(Debug)]
pub struct PageReader {
    scan: Scan,
    inner: Inner,
    failed: bool,
}

#[derive(Debug)]
struct Inner {
    place: Pointer,
    single: bool,
    schema: SchemaRef,
    rows: Rows,
    others: Vec<Option<Json>>,
    other_places: Vec<Pointer>,
    pending: usize,
    bytes: usize,
    count: u64,
    done: VecDeque<RecordBatch>,
}

impl PageReader {
    /// For a page of that shape.
    pub fn new(shape: &PageShape) -> PageReader {
        let inner = Inner {
            place: shape.rows.clone(),
            single: shape.single,
            schema: shape.schema(),
            rows: Rows::new(shape.columns.clone()),
            others: vec![None; shape.others.len()],
            other_places: shape.others.clone(),
            pending: 0,
            bytes: 0,
            count: 0,
            done: VecDeque::new(),
        };
        PageReader { scan: Scan::new(shape.rows.clone(), shape.single, shape.others.clone()), inner, failed: false }
    }

    /// Takes the next part of the page.
    ///
    /// # Errors
    /// When the page is not well-formed, or a value is not of its type. The page is of no use then.
    pub fn push(&mut self, part: &[u8]) -> Result<(), JsonError> {
        self.usable()?;
        let PageReader { scan, inner, failed } = self;
        let result = scan.push(part, &mut |found| inner.take(found));
        *failed = result.is_err();
        result
    }

    /// A batch that is complete, if there is one.
    pub fn batch(&mut self) -> Option<RecordBatch> {
        self.inner.done.pop_front()
    }

    /// The page has ended: returns the batches that are left, and what else was wanted.
    ///
    /// # Errors
    /// When the page is not complete.
    pub fn finish(mut self) -> Result<(Vec<RecordBatch>, PageEnd), JsonError> {
        self.usable()?;
        let PageReader { mut scan, mut inner, .. } = self;
        scan.finish(&mut |found| inner.take(found))?;
        inner.flush()?;
        Ok((inner.done.into(), PageEnd { rows: inner.count, others: inner.others }))
    }

    fn usable(&mut self) -> Result<(), JsonError> {
        if self.failed { Err(JsonError::at("", "it could not be read before")) } else { Ok(()) }
    }
}

impl Inner {
    fn take(&mut self, found: Found<'_>) -> Result<(), JsonError> {
        match found {
            Found::Row(index, text) => {
                let place = if self.single { self.place.to_string() } else { format!("{}/{index}", self.place) };
                self.bytes += self.rows.add(text).map_err(|fault| match fault {
                    Fault::Value { place: inner, message } => JsonError::at(format!("{place}{inner}"), message),
                    Fault::Text(malformed) => {
                        JsonError::at(place, format!("it is not well-formed JSON, byte {} of it: {}", malformed.at, malformed.message))
                    }
                })?;
                self.pending += 1;
                self.count += 1;
                if self.pending >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
                    self.flush()?;
                }
            }
            Found::Other(index, text) => {
                let place = || self.other_places.get(index).map(ToString::to_string).unwrap_or_default();
                let mut reader = Reader::new(text);
                let json = reader.json().and_then(|json| reader.end().map(|()| json));
                let json =
                    json.map_err(|malformed| JsonError::at(place(), format!("it is not well-formed JSON: {}", malformed.message)))?;
                if let Some(other) = self.others.get_mut(index) {
                    *other = Some(json);
                }
            }
        }
        Ok(())
    }

    /// Makes a batch of the rows that are pending.
    fn flush(&mut self) -> Result<(), JsonError> {
        if self.pending == 0 {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.pending);
        self.bytes = 0;
        let failed = |message: String| JsonError::at(self.place.to_string(), message);
        let columns: Result<Vec<_>, String> = self.rows.builders().iter_mut().map(super::columns::Builder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = columns.map_err(failed)?;
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        self.done.push_back(batch.map_err(|error| failed(error.to_string()))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
