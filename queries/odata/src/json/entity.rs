//! Rows of a batch → objects. Encoders are bound once per batch; children are written in place. It must not know what stands around
//! the objects.

use super::encode::{Encoder, Style};
use super::expanded::{Expanded, push_navigation, push_operations};
use super::plan::{AnnotationPlan, DerivationPlan, EntityPlan, LinksPlan, MediaPlan, MemberPlan, ValuePlan, reference_links};
use super::sink::{Sink, Stamp};
use super::url::{KeyLiteral, push_key};
use super::{WriteError, encode};
use crate::cells;
use crate::header::OmitValues;
use crate::rows::{EntityBatch, ExpandForm, MediaShape};
use crate::value_type::ValueType;
use arrow::array::{Array, RecordBatch};
use portico_provider_api::ScalarType;

/// A batch with its encoders.
pub(super) struct Entities<'a> {
    plan: &'a EntityPlan,
    members: Vec<Member<'a>>,
    etag: Option<Encoder<'a>>,
    /// For each row, which type of the derivation it is of.
    types: Option<Vec<usize>>,
    presence: Option<Encoder<'a>>,
    links: Option<Links<'a>>,
    media: Option<Media<'a>>,
    annotations: Vec<Annotation<'a>>,
    expands: Vec<Expanded<'a>>,
    pub(super) rows: usize,
    pub(super) style: Style,
}

/// A property with its encoder.
pub(super) struct Member<'a> {
    plan: &'a MemberPlan,
    value: Bound<'a>,
    /// The column of a property that has a default.
    column: Option<&'a dyn Array>,
    annotations: Vec<Annotation<'a>>,
}

/// An instance annotation with its encoder.
struct Annotation<'a> {
    plan: &'a AnnotationPlan,
    encoder: Encoder<'a>,
}

impl<'a> Annotation<'a> {
    fn bind(plans: &'a [AnnotationPlan], rows: &'a RecordBatch, style: Style) -> Result<Vec<Annotation<'a>>, WriteError> {
        let bind = |plan: &'a AnnotationPlan| {
            let encoder = column(rows, &plan.name, plan.position, &plan.value_type, plan.names.as_ref(), style)?;
            Ok(Annotation { plan, encoder })
        };
        plans.iter().map(bind).collect()
    }

    /// Appends it; nothing where its value is null.
    fn write(&self, row: usize, sink: &mut Sink) -> Result<(), WriteError> {
        if self.encoder.is_null(row) {
            return Ok(());
        }
        self.plan.key.push(sink);
        self.encoder.write(row, sink).map_err(|reason| WriteError::new(&self.plan.name, reason))
    }
}

enum Bound<'a> {
    Cell { key: &'a Stamp, not_finite_key: Option<&'a Stamp>, encoder: Encoder<'a> },
    Complex { type_member: Option<&'a Stamp>, members: Vec<Member<'a>>, others: Vec<&'a dyn Array> },
    Stream(Option<Media<'a>>),
}

struct Media<'a> {
    plan: &'a MediaPlan,
    media_type: Option<Encoder<'a>>,
}

/// The key's columns.
pub(super) struct Links<'a> {
    plan: &'a LinksPlan,
    key: Vec<(&'a str, &'a KeyLiteral, Encoder<'a>)>,
}

/// What a row lacks, and its URL where it is shown.
struct Row<'a> {
    number: usize,
    lacks: [Option<&'a [bool]>; 2],
    url: Option<String>,
    omit: Option<OmitValues>,
}

impl Row<'_> {
    #[inline]
    fn lacks(&self, member: usize) -> bool {
        self.lacks.iter().flatten().any(|lacks| lacks.get(member).copied().unwrap_or_default())
    }
}

fn column<'a>(
    rows: &'a RecordBatch,
    name: &str,
    position: usize,
    value_type: &ValueType,
    names: Option<&'a encode::EnumerationNames>,
    style: Style,
) -> Result<Encoder<'a>, WriteError> {
    let array = rows.columns().get(position);
    let array = array.ok_or_else(|| WriteError::new(name, format!("the batch has no column at position {position}")))?;
    Encoder::of(array.as_ref(), value_type, names, style).map_err(|reason| WriteError::new(name, reason))
}

impl<'a> Member<'a> {
    pub(super) fn bind(plan: &'a MemberPlan, rows: &'a RecordBatch, style: Style) -> Result<Member<'a>, WriteError> {
        let value = match &plan.value {
            ValuePlan::Cell { position, value_type, names, list_key, not_finite_key } => {
                let encoder = column(rows, &plan.name, *position, value_type, names.as_ref(), style)?;
                let key = if encoder.is_list() { list_key } else { &plan.key };
                Bound::Cell { key, not_finite_key: not_finite_key.as_ref(), encoder }
            }
            ValuePlan::Complex { type_member, members, others } => {
                let members = members.iter().map(|member| Member::bind(member, rows, style)).collect::<Result<_, _>>()?;
                let missing = |position| WriteError::new(&plan.name, format!("the batch has no column at position {position}"));
                let other = |position: &usize| rows.columns().get(*position).map(|array| array.as_ref()).ok_or_else(|| missing(*position));
                let others = others.iter().map(other).collect::<Result<_, _>>()?;
                Bound::Complex { type_member: type_member.as_ref(), members, others }
            }
            ValuePlan::Point { latitude, longitude } => {
                let of = |position: usize| rows.columns().get(position).map(|array| array.as_ref());
                let encoder = Encoder::point(of(*latitude), of(*longitude)).map_err(|reason| WriteError::new(&plan.name, reason))?;
                Bound::Cell { key: &plan.key, not_finite_key: None, encoder }
            }
            ValuePlan::Stream(media) => Bound::Stream(media.as_ref().map(|media| Media::bind(media, rows, style)).transpose()?),
        };
        let column = match &plan.value {
            ValuePlan::Cell { position, .. } if plan.default.is_some() => rows.columns().get(*position).map(AsRef::as_ref),
            ValuePlan::Cell { .. } | ValuePlan::Complex { .. } | ValuePlan::Point { .. } | ValuePlan::Stream(_) => None,
        };
        Ok(Member { plan, value, column, annotations: Annotation::bind(&plan.annotations, rows, style)? })
    }

    /// Whether the property is left out because of what its value is (Protocol 4.01, section 8.2.8.6). What is annotated is there
    /// whatever its value is, and so is a null where another value is the default and left out as such.
    fn is_omitted(&self, row: &Row<'_>) -> bool {
        let Some(omit) = row.omit else { return false };
        if matches!(self.value, Bound::Stream(_)) || self.annotations.iter().any(|one| !one.encoder.is_null(row.number)) {
            return false;
        }
        match (omit, &self.plan.default, self.column) {
            (OmitValues::Defaults, Some((default, scalar_type)), Some(column)) => {
                cells::value(column, row.number, *scalar_type).is_some_and(|value| value == *default)
            }
            _ => self.is_null(row),
        }
    }

    /// Appends what is said of the value.
    pub(super) fn annotate(&self, row: usize, sink: &mut Sink) -> Result<(), WriteError> {
        self.annotations.iter().try_for_each(|one| one.write(row, sink))
    }

    /// Whether the property is null: a complex one where all of its members are. Streams are no values.
    fn is_null(&self, row: &Row<'_>) -> bool {
        match &self.value {
            Bound::Cell { encoder, .. } => encoder.is_null(row.number),
            Bound::Complex { members, others, .. } => all_null(members, others, row),
            Bound::Stream(_) => true,
        }
    }

    /// Whether the value of the property is null in a row of its own.
    pub(super) fn is_null_at(&self, row: usize) -> bool {
        self.is_null(&Row { number: row, lacks: [None, None], url: None, omit: None })
    }

    /// The encoder, of a property that is one column.
    pub(super) fn encoder(&self) -> Option<&Encoder<'a>> {
        match &self.value {
            Bound::Cell { encoder, .. } => Some(encoder),
            Bound::Complex { .. } | Bound::Stream(_) => None,
        }
    }

    /// Appends the members of a complex property, each with a comma before it.
    pub(super) fn write_inside(&self, row: usize, omit: Option<OmitValues>, sink: &mut Sink) -> Result<(), WriteError> {
        let Bound::Complex { type_member, members, .. } = &self.value else {
            return Err(WriteError::new(&self.plan.name, "the property has no members"));
        };
        if let Some(type_member) = type_member {
            type_member.push(sink);
        }
        write_all(members, &Row { number: row, lacks: [None, None], url: None, omit }, sink)
    }

    #[inline]
    fn write(&self, row: &Row<'_>, sink: &mut Sink) -> Result<(), WriteError> {
        self.annotate(row.number, sink)?;
        match &self.value {
            Bound::Cell { key, not_finite_key, encoder } => {
                let key = match not_finite_key {
                    Some(other) if !encoder.is_null(row.number) && encoder.is_not_finite(row.number) => other,
                    _ => key,
                };
                key.push(sink);
                encoder.write(row.number, sink).map_err(|reason| WriteError::new(&self.plan.name, reason))
            }
            Bound::Complex { type_member, members, others } => {
                self.plan.key.push(sink);
                if all_null(members, others, row) {
                    sink.put(b"null");
                    return Ok(());
                }
                let start = sink.len();
                if let Some(type_member) = type_member {
                    type_member.push(sink);
                }
                write_all(members, row, sink)?;
                close_object(start, sink);
                Ok(())
            }
            Bound::Stream(Some(media)) => media.write(row, sink),
            Bound::Stream(None) => Ok(()),
        }
    }
}

/// Whether everything that is there is null; what is not there does not count.
fn all_null(members: &[Member<'_>], others: &[&dyn Array], row: &Row<'_>) -> bool {
    others.iter().all(|other| other.is_null(row.number))
        && members.iter().filter(|member| !row.lacks(member.plan.number)).all(|member| member.is_null(row))
}

fn write_all(members: &[Member<'_>], row: &Row<'_>, sink: &mut Sink) -> Result<(), WriteError> {
    for member in members {
        if !(row.lacks(member.plan.number) || member.is_omitted(row)) {
            member.write(row, sink)?;
        }
    }
    Ok(())
}

/// Makes an object of members that each begin with a comma: the first comma becomes the brace.
#[inline]
pub(super) fn close_object(start: usize, sink: &mut Sink) {
    if sink.len() == start {
        sink.byte(b'{');
    } else {
        sink.set(start, b'{');
    }
    sink.byte(b'}');
}

/// `,"name":"value"`
pub(super) fn push_member(name: &str, term: &str, value: &str, sink: &mut Sink) {
    sink.byte(b',');
    encode::push_text(&format!("{name}@odata.{term}"), sink);
    sink.byte(b':');
    encode::push_text(value, sink);
}

impl<'a> Media<'a> {
    fn bind(plan: &'a MediaPlan, rows: &'a RecordBatch, style: Style) -> Result<Media<'a>, WriteError> {
        let MediaShape { media_type, .. } = &plan.shape;
        let text = ValueType::Scalar(ScalarType::Text);
        let media_type = media_type.map(|position| column(rows, &plan.name, position, &text, None, style)).transpose()?;
        Ok(Media { plan, media_type })
    }

    fn write(&self, row: &Row<'_>, sink: &mut Sink) -> Result<(), WriteError> {
        let Some(url) = &row.url else { return Ok(()) };
        push_member(&self.plan.name, "mediaReadLink", &format!("{url}{}", self.plan.path), sink);
        match &self.media_type {
            Some(encoder) if !encoder.is_null(row.number) => {
                sink.byte(b',');
                encode::push_text(&format!("{}@odata.mediaContentType", self.plan.name), sink);
                sink.byte(b':');
                encoder.write(row.number, sink).map_err(|reason| WriteError::new(&self.plan.name, reason))?;
            }
            Some(_) => push_member(&self.plan.name, "mediaContentType", "application/octet-stream", sink),
            None => {
                if let Some(fixed) = &self.plan.shape.fixed_media_type {
                    push_member(&self.plan.name, "mediaContentType", fixed, sink);
                }
            }
        }
        Ok(())
    }
}

impl<'a> Links<'a> {
    pub(super) fn bind(plan: &'a LinksPlan, rows: &'a RecordBatch, style: Style) -> Result<Links<'a>, WriteError> {
        let key = plan.key.iter().map(|key| {
            let encoder = column(rows, &key.name, key.position, &key.value_type, key.names.as_ref(), style)?;
            Ok((key.name.as_str(), &key.literal, encoder))
        });
        Ok(Links { plan, key: key.collect::<Result<_, _>>()? })
    }

    /// The URL of a row's entity.
    pub(super) fn url(&self, row: usize) -> Result<String, WriteError> {
        let mut parts = Vec::with_capacity(self.key.len());
        for (name, literal, encoder) in &self.key {
            if encoder.is_null(row) {
                return Err(WriteError::new(name, "a part of the key is null"));
            }
            let mut text = Sink::default();
            encoder.write_raw(row, &mut text).map_err(|reason| WriteError::new(name, reason))?;
            parts.push((*name, (*literal).clone(), text.written().to_vec()));
        }
        let mut url = self.plan.set_url.clone();
        if !parts.is_empty() {
            push_key(&parts, &mut url);
        }
        Ok(url)
    }
}

impl<'a> Entities<'a> {
    /// Appends the properties of a row, each with a comma before it, and nothing else.
    pub(super) fn write_properties(&self, row: usize, sink: &mut Sink) -> Result<(), WriteError> {
        write_all(&self.members, &Row { number: row, lacks: [None, None], url: None, omit: self.plan.omit }, sink)
    }

    /// Binds a batch.
    pub(super) fn bind(plan: &'a EntityPlan, batch: &'a EntityBatch, style: Style) -> Result<Entities<'a>, WriteError> {
        let rows = &batch.rows;
        let text = ValueType::Scalar(ScalarType::Text);
        // What a source holds that is no place is looked for by those who know the source: they are told where it is.
        let member = |member: &'a MemberPlan| {
            let bound = Member::bind(member, rows, style);
            if member.value.is_spatial() { bound.map_err(|error| error.of(&plan.name)) } else { bound }
        };
        let members = plan.members.iter().map(member).collect::<Result<_, _>>()?;
        let etag = plan.etag.map(|position| column(rows, "@odata.etag", position, &text, None, style)).transpose()?;
        let types = plan.derivation.as_ref().map(|derivation| types_of(derivation, rows, style)).transpose()?;
        let number = ValueType::Scalar(ScalarType::Int64);
        let presence = plan.presence.as_ref();
        let presence = presence.map(|(position, _)| column(rows, "*", *position, &number, None, style)).transpose()?;
        let links = plan.links.as_ref().map(|links| Links::bind(links, rows, style)).transpose()?;
        let media = plan.media.as_ref().map(|media| Media::bind(media, rows, style)).transpose()?;
        if batch.expanded.len() != plan.expands.len() {
            let reason = format!("{} relationships are expanded, but the batch holds {}", plan.expands.len(), batch.expanded.len());
            return Err(WriteError::new("*", reason));
        }
        let count = rows.num_rows();
        let expands = plan.expands.iter().zip(&batch.expanded).map(|(expand, children)| {
            let (counts, next_links) = (children.counts.as_deref(), children.next_links.as_deref());
            let other = |length: Option<usize>| length.is_some_and(|length| length != count);
            if children.ranges.len() != count || other(counts.map(<[u64]>::len)) || other(next_links.map(<[Option<String>]>::len)) {
                return Err(WriteError::new(&expand.name, format!("children are given for another number of rows than {count}")));
            }
            if expand.form == ExpandForm::Count && counts.is_none() {
                return Err(WriteError::new(&expand.name, "how many there are is asked, but not known"));
            }
            if expand.form == ExpandForm::References {
                reference_links(&expand.plan, &expand.name)?;
            }
            let entities = Entities::bind(&expand.plan, &children.entities, style)?;
            let shown = expand.only.as_ref().map(|(position, values)| holding(&expand.name, *position, values, rows, style)).transpose()?;
            let circular = children.circular.as_deref();
            Ok(Expanded { plan: expand, ranges: &children.ranges, counts, next_links, circular, shown, entities })
        });
        let expands = expands.collect::<Result<_, _>>()?;
        let annotations = Annotation::bind(&plan.annotations, rows, style)?;
        Ok(Entities { plan, members, etag, types, presence, links, media, annotations, expands, rows: count, style })
    }

    /// Appends an entity. `start` are members that come first, each with a comma before it.
    pub(super) fn write(&self, number: usize, start: &[u8], sink: &mut Sink) -> Result<(), WriteError> {
        let brace = sink.len();
        sink.put(start);
        let mut row = self.row(number)?;
        match self.type_of(number) {
            Some(of) => {
                if let Some(member) = &of.member {
                    member.push(sink);
                }
            }
            None => {
                if let Some(member) = &self.plan.type_member {
                    member.push(sink);
                }
            }
        }
        if let Some(url) = &mut row.url {
            push_member("", "id", url, sink);
            url.push_str(self.type_of(number).map_or("", |of| of.cast.as_str()));
            push_member("", "editLink", url, sink);
        }
        if let Some(etag) = &self.etag
            && !etag.is_null(number)
        {
            sink.put(b",\"@odata.etag\":");
            etag.write(number, sink).map_err(|reason| WriteError::new("@odata.etag", reason))?;
        }
        if let Some(media) = &self.media {
            media.write(&row, sink)?;
        }
        self.annotations.iter().try_for_each(|one| one.write(number, sink))?;
        if row.omit.is_some() || row.lacks.iter().any(Option::is_some) {
            write_all(&self.members, &row, sink)?;
        } else {
            for member in &self.members {
                match &member.value {
                    // Most members are of this kind: no call stands between them and their encoder.
                    Bound::Cell { key, not_finite_key: None, encoder } if member.annotations.is_empty() => {
                        key.push(sink);
                        encoder.write(number, sink).map_err(|reason| WriteError::new(&member.plan.name, reason))?;
                    }
                    _ => member.write(&row, sink)?,
                }
            }
        }
        if let (Some(url), Some(links)) = (&row.url, &self.plan.links) {
            push_navigation(links, url, sink);
        }
        for expand in &self.expands {
            expand.write(number, sink)?;
        }
        if let (Some(url), Some(links)) = (&row.url, &self.plan.links) {
            push_operations(links, url, sink);
        }
        close_object(brace, sink);
        Ok(())
    }

    /// Appends a reference to an entity. `start` are members that come first, each with a comma before it.
    pub(super) fn write_reference(&self, number: usize, start: &[u8], sink: &mut Sink) -> Result<(), WriteError> {
        let links = self.links.as_ref().ok_or_else(|| WriteError::new("@odata.id", "the key is not known"))?;
        let brace = sink.len();
        sink.put(start);
        push_member("", "id", &links.url(number)?, sink);
        close_object(brace, sink);
        Ok(())
    }

    /// The URL of an entity, where the batch holds its key.
    pub(super) fn url(&self, number: usize) -> Option<Result<String, WriteError>> {
        self.links.as_ref().map(|links| links.url(number))
    }

    fn type_of(&self, number: usize) -> Option<&'a super::plan::TypePlan> {
        let types = self.types.as_ref()?;
        self.plan.derivation.as_ref()?.types.get(types.get(number).copied().unwrap_or_default())
    }

    fn row(&self, number: usize) -> Result<Row<'a>, WriteError> {
        let absent = match (&self.presence, &self.plan.presence) {
            (Some(encoder), Some((_, lacks))) => {
                let entry = if encoder.is_null(number) { None } else { encoder.integer(number) };
                let entry = entry.and_then(|entry| usize::try_from(entry).ok()).and_then(|entry| lacks.get(entry));
                Some(entry.ok_or_else(|| WriteError::new("*", "a row does not say which properties it has"))?.as_slice())
            }
            _ => None,
        };
        let url = match &self.links {
            Some(links) if links.plan.shown => Some(links.url(number)?),
            _ => None,
        };
        let by_type = self.type_of(number).map(|of| of.lacks.as_slice());
        Ok(Row { number, lacks: [by_type, absent], url, omit: self.plan.omit })
    }
}

/// Which type each row is of; those that no derived type claims are of the base type.
fn types_of(derivation: &DerivationPlan, rows: &RecordBatch, style: Style) -> Result<Vec<usize>, WriteError> {
    let wrong = |reason: String| WriteError::new("@odata.type", reason);
    let array = rows.columns().get(derivation.position);
    let array = array.ok_or_else(|| wrong(format!("the batch has no column at position {}", derivation.position)))?;
    let encoder = Encoder::any(array.as_ref(), style).map_err(wrong)?;
    let mut text = Sink::default();
    let type_of = |row| {
        text.clear();
        if encoder.is_null(row) {
            return Ok(0);
        }
        encoder.write_raw(row, &mut text).map_err(|reason| wrong(reason.to_owned()))?;
        let found = derivation.values.iter().find(|(value, _)| value == text.written());
        Ok(found.map_or(0, |(_, index)| *index))
    };
    (0..rows.num_rows()).map(type_of).collect()
}

/// Which rows hold one of some values (as text) in a column.
fn holding(name: &str, position: usize, values: &[Vec<u8>], rows: &RecordBatch, style: Style) -> Result<Vec<bool>, WriteError> {
    let array = rows.columns().get(position);
    let array = array.ok_or_else(|| WriteError::new(name, format!("the batch has no column at position {position}")))?;
    let encoder = Encoder::any(array.as_ref(), style).map_err(|reason| WriteError::new(name, reason))?;
    let mut text = Sink::default();
    let mut holds = |row| {
        text.clear();
        if encoder.is_null(row) {
            return Ok(false);
        }
        encoder.write_raw(row, &mut text).map_err(|reason| WriteError::new(name, reason))?;
        Ok(values.iter().any(|value| value == text.written()))
    };
    (0..rows.num_rows()).map(&mut holds).collect()
}
