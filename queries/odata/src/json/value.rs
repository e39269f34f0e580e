//! Values that stand alone: a property of an entity, its raw value, what an operation returns. It must not know where they came from.

use super::encode::{Encoder, Style};
use super::entity::{Links, Member, close_object};
use super::plan::{EntityPlan, MemberPlan, ValuePlan, lone_member, reference_links, text_member, type_text};
use super::sink::Sink;
use super::writer::{appended, finish};
use super::{EntityLinks, JsonOptions, MetadataLevel, WriteError};
use crate::rows::{EntityShape, PropertyShape, ValueShape};
use crate::spatial::POINT;
use crate::value_type::ValueType;
use arrow::array::RecordBatch;
use bytes::{Bytes, BytesMut};
use portico_provider_api::ScalarType;
use std::collections::BTreeMap;

/// A value as it is, without JSON around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawValue {
    /// Its media type: `application/octet-stream` for bytes, otherwise plain text. For a stream its own comes from elsewhere.
    pub media_type: &'static str,
    /// The value.
    pub bytes: Bytes,
}

fn only_row(rows: &RecordBatch, name: &str) -> Result<(), WriteError> {
    match rows.num_rows() {
        1 => Ok(()),
        count => Err(WriteError::new(name, format!("one row is expected, but there are {count}"))),
    }
}

/// A whole answer with one value: a property of the only row of the batch, or what an operation returned. `{"value":…}`, or for a complex
/// property its members. Nothing when it is null: the answer is 204 then.
///
/// # Errors
/// See [`WriteError`]; also a batch that does not hold exactly one row, and a stream.
pub fn property(shape: &PropertyShape, rows: &RecordBatch, options: &JsonOptions) -> Result<Option<Bytes>, WriteError> {
    only_row(rows, &shape.name)?;
    let plan = lone_member(shape, options);
    let member = Member::bind(&plan, rows, options.style())?;
    if member.is_null_at(0) {
        return match shape.value {
            ValueShape::Stream { .. } => Err(WriteError::new(&shape.name, "a stream has no JSON form: its value is asked with $value")),
            ValueShape::Column { .. } | ValueShape::Complex { .. } | ValueShape::Point { .. } => Ok(None),
        };
    }
    let mut sink = Sink::default();
    sink.put(&options.context_member());
    member.annotate(0, &mut sink)?;
    match member.encoder() {
        Some(encoder) => {
            if let Some(text) = said_type(shape, encoder, options) {
                sink.put(&text_member("@odata.type", &text));
            }
            sink.put(b",\"value\":");
            encoder.write(0, &mut sink).map_err(|reason| WriteError::new(&shape.name, reason))?;
        }
        None => member.write_inside(0, options.omit_values, &mut sink)?,
    }
    close_object(0, &mut sink);
    Ok(Some(Bytes::copy_from_slice(sink.written())))
}

/// The URL of the only row's entity below the service root, encoded: `Customers(1)`; for the context URL of what is read of it.
///
/// # Errors
/// See [`WriteError`]; also rows that do not hold their key.
pub fn entity_path(shape: &EntityShape, rows: &RecordBatch, links: &BTreeMap<String, EntityLinks>) -> Result<String, WriteError> {
    only_row(rows, &shape.entity_set)?;
    let options = JsonOptions { links: links.clone(), ..JsonOptions::default() };
    let plan = EntityPlan::new(shape, &options);
    let links = Links::bind(reference_links(&plan, &shape.entity_set)?, rows, options.style())?;
    Ok(links.url(0)?.trim_start_matches('/').to_owned())
}

/// The URLs of all rows' entities, below the service root.
///
/// # Errors
/// See [`WriteError`]; also rows that do not hold their key.
pub fn entity_paths(shape: &EntityShape, rows: &RecordBatch, links: &BTreeMap<String, EntityLinks>) -> Result<Vec<String>, WriteError> {
    let options = JsonOptions { links: links.clone(), ..JsonOptions::default() };
    let plan = EntityPlan::new(shape, &options);
    let links = Links::bind(reference_links(&plan, &shape.entity_set)?, rows, options.style())?;
    (0..rows.num_rows()).map(|row| Ok(links.url(row)?.trim_start_matches('/').to_owned())).collect()
}

/// The property of a shape with that path: one name, or a complex property and its member.
#[must_use]
pub fn find_property<'a>(shape: &'a EntityShape, path: &[String]) -> Option<&'a PropertyShape> {
    let (first, rest) = path.split_first()?;
    let property = shape.properties.iter().find(|property| property.name == *first)?;
    match (rest, &property.value) {
        ([], _) => Some(property),
        ([member], ValueShape::Complex { members, .. }) => members.iter().find(|known| known.name == *member),
        _ => None,
    }
}

/// The type of a value that stands alone, in full metadata, where JSON does not tell it.
fn said_type(shape: &PropertyShape, encoder: &Encoder<'_>, options: &JsonOptions) -> Option<String> {
    let value_type = match &shape.value {
        ValueShape::Column { value_type, .. } => value_type,
        ValueShape::Point { .. } => &ValueType::Spatial(POINT),
        ValueShape::Complex { .. } | ValueShape::Stream { .. } => return None,
    };
    let full = options.metadata == MetadataLevel::Full || (shape.dynamic && options.metadata == MetadataLevel::Minimal);
    let text = type_text(value_type, options);
    let evident = matches!(value_type, ValueType::Scalar(ScalarType::Text | ScalarType::Json | ScalarType::Boolean | ScalarType::Float64));
    match (full, encoder.is_list()) {
        (false, _) => None,
        (true, true) => Some(format!("#Collection({})", text.trim_start_matches('#'))),
        (true, false) => (!evident || encoder.is_not_finite(0)).then_some(text),
    }
}

/// The raw value of a property of the only row of the batch: `$value`. Nothing when it is null.
///
/// # Errors
/// See [`WriteError`]; also a batch that does not hold exactly one row, and properties that have no raw value.
pub fn raw_value(shape: &PropertyShape, rows: &RecordBatch) -> Result<Option<RawValue>, WriteError> {
    only_row(rows, &shape.name)?;
    let none = || WriteError::new(&shape.name, "only single plain values have a raw value");
    let plan = lone_member(shape, &JsonOptions::default());
    let member = Member::bind(&plan, rows, Style { quote_wide: false, zone_everything: true })?;
    let encoder = member.encoder().filter(|encoder| !encoder.is_list()).ok_or_else(none)?;
    if encoder.is_null(0) {
        return Ok(None);
    }
    if let Some(bytes) = encoder.bytes(0) {
        return Ok(Some(RawValue { media_type: "application/octet-stream", bytes: Bytes::copy_from_slice(bytes) }));
    }
    let mut sink = Sink::default();
    encoder.write_raw(0, &mut sink).map_err(|reason| WriteError::new(&shape.name, reason))?;
    Ok(Some(RawValue { media_type: "text/plain;charset=utf-8", bytes: Bytes::copy_from_slice(sink.written()) }))
}

/// Writes a collection of values, plain or complex: what an operation returns.
#[derive(Debug)]
pub struct ValuesWriter {
    plan: MemberPlan,
    options: JsonOptions,
    first: bool,
    sink: Sink,
}

impl ValuesWriter {
    /// A writer of values of this shape; its name is that of messages only.
    ///
    /// # Errors
    /// A stream: there are no collections of them.
    pub fn new(shape: &PropertyShape, options: JsonOptions) -> Result<ValuesWriter, WriteError> {
        let plan = lone_member(shape, &options);
        if matches!(plan.value, ValuePlan::Stream(_)) {
            return Err(WriteError::new(&shape.name, "there are no collections of streams"));
        }
        Ok(ValuesWriter { plan, options, first: true, sink: Sink::default() })
    }

    /// Everything before the first value.
    pub fn start(&mut self, count: Option<u64>) -> Bytes {
        self.first = true;
        self.options.start(count)
    }

    /// One value per row of the batch. After an error nothing was appended.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_batch(&mut self, rows: &RecordBatch, out: &mut BytesMut) -> Result<(), WriteError> {
        let member = Member::bind(&self.plan, rows, self.options.style())?;
        let (first, plan, omit) = (self.first, &self.plan, self.options.omit_values);
        appended(&mut self.sink, out, rows.num_rows(), usize::MAX, |row, sink| {
            if row > 0 || !first {
                sink.byte(b',');
            }
            match member.encoder() {
                Some(encoder) => encoder.write(row, sink).map_err(|reason| WriteError::new(&plan.name, reason))?,
                None if member.is_null_at(row) => sink.put(b"null"),
                None => {
                    let start = sink.len();
                    member.write_inside(row, omit, sink)?;
                    close_object(start, sink);
                }
            }
            Ok(())
        })?;
        self.first = self.first && rows.num_rows() == 0;
        Ok(())
    }

    /// Everything after the last value.
    pub fn finish(&mut self, next_link: Option<&str>) -> Bytes {
        finish(next_link)
    }
}
