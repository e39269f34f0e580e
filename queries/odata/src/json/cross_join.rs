//! The rows of `$crossjoin`: for each entity set a link to the entity, or the entity itself where it is expanded; and what is computed of
//! the combination. It must not know how sets were joined.

use super::encode::push_text;
use super::entity::{Entities, close_object};
use super::plan::{EntityPlan, key_of, reference_links};
use super::sink::{Sink, Stamp};
use super::writer::{appended, finish};
use super::{JsonOptions, WriteError};
use crate::rows::{EntityBatch, EntityShape};
use bytes::{Bytes, BytesMut};

/// One of the entity sets of a `$crossjoin`, or what is computed of the combinations.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossJoinShape {
    /// Name of the property that stands for it: that of the entity set. Empty for what is computed, whose properties have their own.
    pub name: String,
    /// Shape of its entities; with their key, where they are not expanded.
    pub shape: EntityShape,
    /// What of it is shown.
    pub form: CrossJoinForm,
}

/// What a row of `$crossjoin` shows of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrossJoinForm {
    /// A link to the entity.
    Link,
    /// The entity.
    Entity,
    /// Properties of the row itself.
    Properties,
}

/// Writes rows of `$crossjoin`.
#[derive(Debug)]
pub struct CrossJoinWriter {
    parts: Vec<Part>,
    options: JsonOptions,
    first: bool,
    sink: Sink,
}

#[derive(Debug)]
struct Part {
    name: String,
    key: Stamp,
    form: CrossJoinForm,
    plan: EntityPlan,
}

impl CrossJoinWriter {
    /// A writer of rows that are made of entities of these shapes.
    ///
    /// # Errors
    /// An entity set that is not expanded and whose key is not in its shape.
    pub fn new(shapes: &[CrossJoinShape], options: JsonOptions) -> Result<CrossJoinWriter, WriteError> {
        let part = |shape: &CrossJoinShape| {
            let plan = EntityPlan::new(&shape.shape, &options);
            let name = match shape.form {
                CrossJoinForm::Entity | CrossJoinForm::Properties => shape.name.clone(),
                CrossJoinForm::Link => {
                    reference_links(&plan, &shape.name)?;
                    format!("{}@odata.navigationLink", shape.name)
                }
            };
            Ok(Part { name: shape.name.clone(), key: Stamp::new(&key_of(&name)), form: shape.form, plan })
        };
        let parts = shapes.iter().map(part).collect::<Result<_, WriteError>>()?;
        Ok(CrossJoinWriter { parts, options, first: true, sink: Sink::default() })
    }

    /// Everything before the first row.
    pub fn start(&mut self, count: Option<u64>) -> Bytes {
        self.first = true;
        self.options.start(count)
    }

    /// Rows: one batch per entity set, row by row. After an error nothing was appended.
    ///
    /// # Errors
    /// See [`WriteError`]; also batches of another number, or of different lengths.
    pub fn write_batch(&mut self, batches: &[EntityBatch], out: &mut BytesMut) -> Result<(), WriteError> {
        self.write_within(batches, usize::MAX, out).map(|_| ())
    }

    /// The first rows, as many as there is room for in so many bytes; gives how many. After an error nothing was appended.
    ///
    /// # Errors
    /// As [`CrossJoinWriter::write_batch`].
    pub fn write_within(&mut self, batches: &[EntityBatch], most: usize, out: &mut BytesMut) -> Result<usize, WriteError> {
        let rows = batches.first().map_or(0, |batch| batch.rows.num_rows());
        if batches.len() != self.parts.len() || batches.iter().any(|batch| batch.rows.num_rows() != rows) {
            return Err(WriteError::new("*", "the entity sets have different numbers of rows"));
        }
        let style = self.options.style();
        let bound = self.parts.iter().zip(batches).map(|(part, batch)| Ok((part, Entities::bind(&part.plan, batch, style)?)));
        let bound = bound.collect::<Result<Vec<_>, WriteError>>()?;
        let first = self.first;
        let written = appended(&mut self.sink, out, rows, most, |row, sink| {
            if row > 0 || !first {
                sink.byte(b',');
            }
            let start = sink.len();
            for (part, entities) in &bound {
                match part.form {
                    CrossJoinForm::Properties => entities.write_properties(row, sink)?,
                    CrossJoinForm::Entity => {
                        part.key.push(sink);
                        entities.write(row, &[], sink)?;
                    }
                    CrossJoinForm::Link => {
                        part.key.push(sink);
                        let url = entities.url(row).ok_or_else(|| WriteError::new(&part.name, "the key is not known"))??;
                        push_text(&url, sink);
                    }
                }
            }
            close_object(start, sink);
            Ok(())
        })?;
        self.first = self.first && written == 0;
        Ok(written)
    }

    /// Everything after the last row.
    pub fn finish(&mut self, next_link: Option<&str>) -> Bytes {
        finish(next_link)
    }
}
