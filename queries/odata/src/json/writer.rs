//! The writer of entities and of rows that are no entities: what stands around them, and the order of what is written.

use super::encode::{Style, push_text};
use super::entity::Entities;
use super::expanded::push_count;
use super::plan::{EntityPlan, reference_links, text_member};
use super::sink::Sink;
use super::{JsonOptions, MetadataLevel, WriteError};
use crate::rows::{EntityBatch, EntityShape};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// An entity's shape with everything rendered that is the same for every row: made once for all answers that are alike.
#[derive(Debug, Clone)]
pub struct Rendering(Arc<EntityPlan>);

impl Rendering {
    /// For entities of this shape.
    pub fn new(shape: &EntityShape, options: &JsonOptions) -> Rendering {
        Rendering(Arc::new(EntityPlan::new(shape, options)))
    }
}

/// Writes entities, references to them, or rows that are no entities.
#[derive(Debug)]
pub struct JsonWriter {
    plan: Rendering,
    options: JsonOptions,
    style: Style,
    first: bool,
    sink: Sink,
}

impl JsonOptions {
    pub(super) fn style(&self) -> Style {
        Style { quote_wide: self.ieee754_compatible, zone_everything: true }
    }

    /// `,"@odata.context":"…"`, where it is said.
    pub(super) fn context_member(&self) -> Vec<u8> {
        match &self.context_url {
            Some(context) if self.metadata != MetadataLevel::None => text_member("@odata.context", context),
            _ => Vec::new(),
        }
    }

    /// Everything before the first item of a collection.
    pub(super) fn start(&self, count: Option<u64>) -> Bytes {
        let mut sink = Sink::default();
        sink.put(&self.context_member());
        if let Some(count) = count {
            sink.put(b",\"@odata.count\":");
            push_count(count, self.style(), &mut sink);
        }
        sink.put(b",\"value\":[");
        // The first member has a brace before it instead of a comma.
        sink.set(0, b'{');
        Bytes::copy_from_slice(sink.written())
    }
}

/// Appends rows to `out` by way of a sink, as many as there is room for in `most` bytes; gives how many. After an error nothing was
/// appended.
pub(super) fn appended(
    sink: &mut Sink,
    out: &mut BytesMut,
    rows: usize,
    most: usize,
    mut write: impl FnMut(usize, &mut Sink) -> Result<(), WriteError>,
) -> Result<usize, WriteError> {
    let before = out.len();
    let mut written = 0;
    sink.clear();
    for row in 0..rows {
        let start = sink.len();
        if let Err(error) = write(row, sink) {
            out.truncate(before);
            return Err(error);
        }
        if out.len() - before + sink.len() > most {
            sink.truncate(start);
            break;
        }
        written += 1;
        sink.spill(out);
    }
    out.extend_from_slice(sink.written());
    Ok(written)
}

/// Everything after the last item of a collection.
pub(super) fn finish(next_link: Option<&str>) -> Bytes {
    let mut sink = Sink::default();
    sink.byte(b']');
    if let Some(link) = next_link {
        sink.put(b",\"@odata.nextLink\":");
        push_text(link, &mut sink);
    }
    sink.byte(b'}');
    Bytes::copy_from_slice(sink.written())
}

impl JsonWriter {
    /// A writer of rows of this shape.
    pub fn new(shape: &EntityShape, options: JsonOptions) -> JsonWriter {
        JsonWriter::rendered(Rendering::new(shape, &options), options)
    }

    /// A writer of rows of a shape that was rendered with the same options; `context_url` may differ where nothing is expanded.
    pub fn rendered(plan: Rendering, options: JsonOptions) -> JsonWriter {
        let style = options.style();
        JsonWriter { plan, options, style, first: true, sink: Sink::default() }
    }

    /// Goes on with rows of another shape in the same collection: the next entity set of `$all`.
    pub fn set_shape(&mut self, shape: &EntityShape) {
        self.plan = Rendering::new(shape, &self.options);
    }

    /// Everything before the first row.
    pub fn start_collection(&mut self, count: Option<u64>) -> Bytes {
        self.first = true;
        self.options.start(count)
    }

    /// The rows of a batch. After an error nothing was appended.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_batch(&mut self, batch: &EntityBatch, out: &mut BytesMut) -> Result<(), WriteError> {
        self.write_within(batch, usize::MAX, out).map(|_| ())
    }

    /// The first rows of a batch, as many as there is room for in so many bytes; gives how many. After an error nothing was appended.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_within(&mut self, batch: &EntityBatch, most: usize, out: &mut BytesMut) -> Result<usize, WriteError> {
        if self.options.references {
            reference_links(&self.plan.0, "@odata.id")?;
        }
        let bound = Entities::bind(&self.plan.0, batch, self.style)?;
        let (references, first) = (self.options.references, self.first);
        let written = appended(&mut self.sink, out, bound.rows, most, |row, sink| {
            if row > 0 || !first {
                sink.byte(b',');
            }
            if references { bound.write_reference(row, &[], sink) } else { bound.write(row, &[], sink) }
        })?;
        self.first = self.first && written == 0;
        Ok(written)
    }

    /// Everything after the last row.
    pub fn finish_collection(&mut self, next_link: Option<&str>) -> Bytes {
        finish(next_link)
    }

    /// A whole answer with one row: the only one of the batch.
    ///
    /// # Errors
    /// See [`WriteError`]; also a batch that does not hold exactly one row.
    pub fn entity(&mut self, batch: &EntityBatch) -> Result<Bytes, WriteError> {
        let bound = Entities::bind(&self.plan.0, batch, self.style)?;
        if bound.rows != 1 {
            return Err(WriteError::new("*", format!("one entity is expected, but there are {}", bound.rows)));
        }
        let context = self.options.context_member();
        self.sink.clear();
        if self.options.references {
            reference_links(&self.plan.0, "@odata.id")?;
            bound.write_reference(0, &context, &mut self.sink)?;
        } else {
            bound.write(0, &context, &mut self.sink)?;
        }
        Ok(Bytes::copy_from_slice(self.sink.written()))
    }
}
