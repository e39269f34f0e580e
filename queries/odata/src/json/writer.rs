//! The writer of entities: names are rendered once per answer, encoders bound once per batch, children written in place.

use super::encode::{Encoder, Style};
use super::escape::push_string;
use super::url::{push_encoded, push_key};
use super::{EntityLinks, JsonOptions, MetadataLevel, WriteError};
use crate::edm::type_name;
use crate::rows::{EntityBatch, EntityShape, ExpandShape, PropertyShape};
use bytes::{Bytes, BytesMut};
use portico_provider_api::ScalarType;
use std::ops::Range;

/// Writes entities.
#[derive(Debug)]
pub struct JsonWriter {
    plan: EntityPlan,
    context_url: Option<String>,
    style: Style,
    first: bool,
    scratch: Vec<u8>,
}

/// An entity's shape with everything rendered that is the same for every row.
#[derive(Debug)]
struct EntityPlan {
    properties: Vec<PropertyPlan>,
    etag: Option<usize>,
    expands: Vec<ExpandPlan>,
    full: Option<FullPlan>,
}

#[derive(Debug)]
struct PropertyPlan {
    shape: PropertyShape,
    /// `"Name":`, and before it the type annotation of full metadata.
    key: Vec<u8>,
}

#[derive(Debug)]
struct ExpandPlan {
    name: String,
    key: Vec<u8>,
    count_key: Vec<u8>,
    many: bool,
    plan: EntityPlan,
}

/// What full metadata adds.
#[derive(Debug)]
struct FullPlan {
    /// `"@odata.type":"#…"`
    type_member: Vec<u8>,
    /// The entity set's absolute URL.
    set_url: String,
    /// Name, type and position in the batch of the key's columns; empty when the batch does not hold them all.
    key: Vec<(String, ScalarType, usize)>,
    navigation: Vec<String>,
}

fn key_of(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 3);
    push_string(name, &mut key);
    key.push(b':');
    key
}

/// Whether JSON says the type by itself: text, booleans and doubles.
fn self_evident(scalar_type: ScalarType) -> bool {
    matches!(scalar_type, ScalarType::Text | ScalarType::Json | ScalarType::Boolean | ScalarType::Float64)
}

impl EntityPlan {
    fn new(shape: &EntityShape, options: &JsonOptions) -> EntityPlan {
        let full = options.metadata == MetadataLevel::Full;
        let property = |shape: &PropertyShape| {
            let mut key = Vec::new();
            let declared = shape.column_type().filter(|(_, scalar_type)| full && !self_evident(*scalar_type));
            if let Some((_, scalar_type)) = declared {
                key = key_of(&format!("{}@odata.type", shape.name));
                push_string(&type_name(scalar_type).replace("Edm.", "#"), &mut key);
                key.push(b',');
            }
            key.extend(key_of(&shape.name));
            PropertyPlan { shape: shape.clone(), key }
        };
        let expand = |expand: &ExpandShape| ExpandPlan {
            name: expand.name.clone(),
            key: key_of(&expand.name),
            count_key: key_of(&format!("{}@odata.count", expand.name)),
            many: expand.many,
            plan: EntityPlan::new(&expand.shape, options),
        };
        EntityPlan {
            properties: shape.properties.iter().map(property).collect(),
            etag: shape.etag.filter(|_| options.metadata != MetadataLevel::None),
            expands: shape.expands.iter().map(expand).collect(),
            full: options.links.get(&shape.entity_set).filter(|_| full).map(|links| FullPlan::new(shape, links, &options.root_url)),
        }
    }
}

impl FullPlan {
    fn new(shape: &EntityShape, links: &EntityLinks, root_url: &str) -> FullPlan {
        let mut type_member = key_of("@odata.type");
        push_string(&format!("#{}", links.type_name), &mut type_member);
        let mut set_url = format!("{}/", root_url.trim_end_matches('/'));
        push_encoded(&shape.entity_set, &mut set_url);
        let column = |name: &String| {
            let property = shape.properties.iter().find(|property| property.name == *name)?;
            let (position, scalar_type) = property.column_type()?;
            Some((name.clone(), scalar_type, position))
        };
        let key = links.key.iter().map(column).collect::<Option<Vec<_>>>().unwrap_or_default();
        FullPlan { type_member, set_url, key, navigation: links.navigation.clone() }
    }
}

/// A batch with its encoders.
struct Bound<'a> {
    plan: &'a EntityPlan,
    properties: Vec<(&'a PropertyPlan, Encoder<'a>)>,
    etag: Option<Encoder<'a>>,
    key: Vec<(&'a str, ScalarType, Encoder<'a>)>,
    expands: Vec<BoundExpand<'a>>,
    rows: usize,
}

struct BoundExpand<'a> {
    plan: &'a ExpandPlan,
    ranges: &'a [Range<usize>],
    counts: Option<&'a [u64]>,
    entities: Bound<'a>,
}

impl<'a> Bound<'a> {
    fn new(plan: &'a EntityPlan, batch: &'a EntityBatch, style: Style) -> Result<Bound<'a>, WriteError> {
        let rows = batch.rows.num_rows();
        let encoder = |name: &str, position: usize, scalar_type: ScalarType| {
            let column = batch.rows.columns().get(position);
            let column = column.ok_or_else(|| WriteError::new(name, format!("the batch has no column at position {position}")))?;
            Encoder::typed(column.as_ref(), scalar_type, style).map_err(|reason| WriteError::new(name, reason))
        };
        let mut properties = Vec::with_capacity(plan.properties.len());
        for property in &plan.properties {
            let shape = &property.shape;
            let (position, scalar_type) =
                shape.column_type().ok_or_else(|| WriteError::new(&shape.name, "properties of this kind are not written yet"))?;
            properties.push((property, encoder(&shape.name, position, scalar_type)?));
        }
        let etag = plan.etag.map(|position| encoder("@odata.etag", position, ScalarType::Text)).transpose()?;
        let mut key = Vec::new();
        for (name, scalar_type, position) in plan.full.iter().flat_map(|full| &full.key) {
            key.push((name.as_str(), *scalar_type, encoder(name, *position, *scalar_type)?));
        }
        if batch.expanded.len() != plan.expands.len() {
            let reason = format!("{} relationships are expanded, but the batch holds {}", plan.expands.len(), batch.expanded.len());
            return Err(WriteError::new("*", reason));
        }
        let mut expands = Vec::with_capacity(plan.expands.len());
        for (expand, children) in plan.expands.iter().zip(&batch.expanded) {
            let counts = children.counts.as_deref();
            if children.ranges.len() != rows || counts.is_some_and(|counts| counts.len() != rows) {
                return Err(WriteError::new(&expand.name, format!("children are given for another number of rows than {rows}")));
            }
            let entities = Bound::new(&expand.plan, &children.entities, style)?;
            expands.push(BoundExpand { plan: expand, ranges: &children.ranges, counts, entities });
        }
        Ok(Bound { plan, properties, etag, key, expands, rows })
    }

    /// Appends one entity. `context` comes first when it is given.
    fn write(&self, row: usize, context: Option<&str>, style: Style, out: &mut Vec<u8>) -> Result<(), WriteError> {
        out.push(b'{');
        let start = out.len();
        if let Some(context) = context {
            out.extend_from_slice(b"\"@odata.context\":");
            push_string(context, out);
        }
        if let Some(full) = &self.plan.full {
            comma(start, out);
            out.extend_from_slice(&full.type_member);
        }
        let url = self.url(row)?;
        if let Some(url) = &url {
            for name in ["@odata.id", "@odata.editLink"] {
                comma(start, out);
                push_string(name, out);
                out.push(b':');
                push_string(url, out);
            }
        }
        if let Some(etag) = &self.etag
            && !etag.is_null(row)
        {
            comma(start, out);
            out.extend_from_slice(b"\"@odata.etag\":");
            etag.write(row, out).map_err(|reason| WriteError::new("@odata.etag", reason))?;
        }
        for (property, encoder) in &self.properties {
            comma(start, out);
            out.extend_from_slice(&property.key);
            encoder.write(row, out).map_err(|reason| WriteError::new(&property.shape.name, reason))?;
        }
        if let (Some(full), Some(url)) = (&self.plan.full, &url) {
            push_navigation(full, url, start, out);
        }
        for expand in &self.expands {
            comma(start, out);
            expand.write(row, style, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// The entity's URL, for full metadata.
    fn url(&self, row: usize) -> Result<Option<String>, WriteError> {
        let Some(full) = self.plan.full.as_ref().filter(|_| !self.key.is_empty()) else { return Ok(None) };
        let mut parts = Vec::with_capacity(self.key.len());
        for (name, scalar_type, encoder) in &self.key {
            let mut text = Vec::new();
            encoder.write_raw(row, &mut text).map_err(|reason| WriteError::new(name, reason))?;
            parts.push((*name, *scalar_type, text));
        }
        let mut url = full.set_url.clone();
        push_key(&parts, &mut url);
        Ok(Some(url))
    }
}

impl BoundExpand<'_> {
    fn write(&self, row: usize, style: Style, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let name = &self.plan.name;
        if let Some(count) = self.counts.and_then(|counts| counts.get(row)) {
            out.extend_from_slice(&self.plan.count_key);
            push_count(*count, style, out);
            out.push(b',');
        }
        out.extend_from_slice(&self.plan.key);
        let range = self.ranges.get(row).cloned().unwrap_or(0..0);
        if range.end > self.entities.rows || range.start > range.end {
            return Err(WriteError::new(name, "children are out of range"));
        }
        if !self.plan.many {
            return match range.len() {
                0 => {
                    out.extend_from_slice(b"null");
                    Ok(())
                }
                1 => self.entities.write(range.start, None, style, out),
                _ => Err(WriteError::new(name, "it leads to one entity, but there are several")),
            };
        }
        out.push(b'[');
        for child in range.clone() {
            if child > range.start {
                out.push(b',');
            }
            self.entities.write(child, None, style, out)?;
        }
        out.push(b']');
        Ok(())
    }
}

fn comma(start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
}

fn push_navigation(full: &FullPlan, url: &str, start: usize, out: &mut Vec<u8>) {
    for name in &full.navigation {
        let mut link = format!("{url}/");
        push_encoded(name, &mut link);
        for (term, suffix) in [("associationLink", "/$ref"), ("navigationLink", "")] {
            comma(start, out);
            push_string(&format!("{name}@odata.{term}"), out);
            out.push(b':');
            push_string(&format!("{link}{suffix}"), out);
        }
    }
}

fn push_count(count: u64, style: Style, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let text = digits.format(count).as_bytes();
    let quote: &[u8] = if style.quote_wide { b"\"" } else { b"" };
    for part in [quote, text, quote] {
        out.extend_from_slice(part);
    }
}

impl JsonWriter {
    /// A writer of entities of this shape.
    pub fn new(shape: &EntityShape, options: JsonOptions) -> JsonWriter {
        let style = Style { quote_wide: options.ieee754_compatible, zone_everything: true };
        let plan = EntityPlan::new(shape, &options);
        let context_url = options.context_url.filter(|_| options.metadata != MetadataLevel::None);
        JsonWriter { plan, context_url, style, first: true, scratch: Vec::new() }
    }

    /// Everything before the first entity.
    pub fn start_collection(&mut self, count: Option<u64>) -> Bytes {
        self.first = true;
        let mut out = vec![b'{'];
        if let Some(context) = &self.context_url {
            out.extend_from_slice(b"\"@odata.context\":");
            push_string(context, &mut out);
            out.push(b',');
        }
        if let Some(count) = count {
            out.extend_from_slice(b"\"@odata.count\":");
            push_count(count, self.style, &mut out);
            out.push(b',');
        }
        out.extend_from_slice(b"\"value\":[");
        out.into()
    }

    /// The entities of a batch. After an error nothing was appended.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_batch(&mut self, batch: &EntityBatch, out: &mut BytesMut) -> Result<(), WriteError> {
        let bound = Bound::new(&self.plan, batch, self.style)?;
        self.scratch.clear();
        for row in 0..bound.rows {
            if row > 0 || !self.first {
                self.scratch.push(b',');
            }
            bound.write(row, None, self.style, &mut self.scratch)?;
        }
        self.first = self.first && bound.rows == 0;
        out.extend_from_slice(&self.scratch);
        Ok(())
    }

    /// Everything after the last entity.
    pub fn finish_collection(&mut self, next_link: Option<&str>) -> Bytes {
        let mut out = vec![b']'];
        if let Some(link) = next_link {
            out.extend_from_slice(b",\"@odata.nextLink\":");
            push_string(link, &mut out);
        }
        out.push(b'}');
        out.into()
    }

    /// A whole answer with one entity: the only row of the batch.
    ///
    /// # Errors
    /// See [`WriteError`]; also a batch that does not hold exactly one row.
    pub fn entity(&mut self, batch: &EntityBatch) -> Result<Bytes, WriteError> {
        let bound = Bound::new(&self.plan, batch, self.style)?;
        if bound.rows != 1 {
            return Err(WriteError::new("*", format!("one entity is expected, but there are {}", bound.rows)));
        }
        let mut out = Vec::new();
        bound.write(0, self.context_url.as_deref(), self.style, &mut out)?;
        Ok(out.into())
    }
}
