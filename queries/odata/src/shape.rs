//! What the rows of a bound query look like in a payload: columns under the names, and in the complex, stream and derived properties,
//! that the table's overlay gives them. The one place that says so. It must not know how rows are fetched: where in a batch a column is,
//! it is told.

use crate::bound::{BoundAnnotation, BoundQuery};
use crate::rows::{AnnotationShape, DerivationShape, DerivedShape, EntityShape, MediaShape, PropertyShape, ValueShape};
use crate::value_type::ValueType;
use portico_catalog::VirtualTable;
use portico_catalog::overlay::{MediaType, StreamProperty};

/// How the types of a service are called.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    /// The namespace: see [`crate::metadata::namespace_of`].
    pub namespace: &'a str,
    /// The entity set of the rows, in the service.
    pub entity_set: &'a str,
    /// Whether the client knows geographic and geometric values; otherwise it is shown the columns that hold them.
    pub spatial: bool,
    /// Whether the caller may know which derived type a row is of: it sees what the discriminator really holds.
    pub typed: bool,
}

/// Positions in the row type of the columns whose values are needed to show what a query selects: not the content of streams, but what
/// says its media type, and with `typed` what says which type a row is of. Columns outside `visible` are never among them.
#[must_use]
pub fn fetched(table: &VirtualTable, visible: &[usize], query: &BoundQuery, typed: bool) -> Vec<usize> {
    let overlay = &table.overlay;
    let mut wanted = Vec::with_capacity(query.select.len());
    let mut want = |index: usize| {
        let computed = index >= table.columns.len();
        if !wanted.contains(&index) && (computed || visible.contains(&index)) {
            wanted.push(index);
        }
    };
    for index in &query.select {
        match overlay.streams.iter().find(|stream| stream.content == *index) {
            Some(stream) => {
                if let MediaType::Column(column) = stream.media_type {
                    want(column);
                }
            }
            None if overlay.is_stream_content(*index) => {}
            None => {
                want(*index);
                // A complex property is null only where all of its members are, those that are not selected too.
                for (_, member) in overlay.complex_of(*index).iter().flat_map(|(complex, _)| &complex.members) {
                    want(*member);
                }
            }
        }
    }
    query.annotations.iter().for_each(|annotation| want(annotation.column));
    if let Some(StreamProperty { media_type: MediaType::Column(column), .. }) = overlay.media {
        want(column);
    }
    if let Some(derivation) = overlay.derivation.as_ref().filter(|_| typed) {
        want(derivation.discriminator);
    }
    wanted
}

/// The shape of the rows of a query over a table. `at` says where in the batch a column of the row type is; what is nowhere is not shown.
/// ETags and expanded relationships are for the caller to add.
#[must_use]
pub fn of_query(table: &VirtualTable, query: &BoundQuery, naming: Naming<'_>, at: &dyn Fn(usize) -> Option<usize>) -> EntityShape {
    let mut properties: Vec<PropertyShape> = Vec::with_capacity(query.select.len());
    // The columns behind each property, to know whose it is.
    let mut columns: Vec<Vec<usize>> = Vec::with_capacity(query.select.len());
    for index in &query.select {
        if let Some((complex, member)) = table.overlay.complex_of(*index) {
            let member = property(table, query, *index, member, at).map(|property| carried(property, naming.spatial));
            let Some(member) = member else { continue };
            let known = properties.iter().position(|property| property.name == complex.name);
            match known.and_then(|known| Some((properties.get_mut(known)?, columns.get_mut(known)?))) {
                Some((PropertyShape { value: ValueShape::Complex { members, .. }, .. }, behind)) => {
                    members.push(member);
                    behind.push(*index);
                }
                _ => {
                    let type_name = Some(format!("{}.{}", naming.namespace, complex.type_name));
                    let hidden = complex.members.iter().map(|(_, column)| *column).filter(|column| !query.select.contains(column));
                    let value = ValueShape::Complex { type_name, members: vec![member], others: hidden.filter_map(at).collect() };
                    properties.push(PropertyShape::of(&complex.name, value));
                    columns.push(vec![*index]);
                }
            }
            continue;
        }
        if let Some(point) = table.overlay.point_of(*index).filter(|_| naming.spatial) {
            if let (Some(latitude), Some(longitude)) = (at(point.latitude), at(point.longitude))
                && !properties.iter().any(|property| property.name == point.name)
            {
                let value = ValueShape::Point { latitude, longitude };
                properties.push(PropertyShape::of(&point.name, value));
                columns.push(vec![point.latitude, point.longitude]);
            }
            continue;
        }
        let name = table.columns.get(*index).map_or("", |column| column.name.as_str());
        if let Some(property) = property(table, query, *index, name, at).map(|property| carried(property, naming.spatial)) {
            properties.push(property);
            columns.push(vec![*index]);
        }
    }
    let derivation = derivation(table, query, naming, at, &columns);
    let media = table.overlay.media.as_ref().map(|stream| match &stream.media_type {
        MediaType::Column(column) => MediaShape { media_type: at(*column), fixed_media_type: None },
        MediaType::Fixed(fixed) => MediaShape { media_type: None, fixed_media_type: Some(fixed.clone()) },
    });
    let annotations = annotations(table, query, None, at);
    let mentioned = query.selected.then(|| query.mentioned.clone());
    let entity_set = naming.entity_set.to_owned();
    EntityShape { entity_set, properties, derivation, media, annotations, mentioned, ..EntityShape::default() }
}

/// The columns of a query as they are, each a property, whatever the overlay says: for the content of a stream and its media type.
#[must_use]
pub fn raw(table: &VirtualTable, query: &BoundQuery, at: &dyn Fn(usize) -> Option<usize>) -> EntityShape {
    let plain = |index: &usize| {
        let column = table.columns.get(*index)?;
        Some(PropertyShape::column(&column.name, at(*index)?, column.scalar_type.into()))
    };
    EntityShape { properties: query.select.iter().filter_map(plain).collect(), ..EntityShape::default() }
}

fn property(
    table: &VirtualTable,
    query: &BoundQuery,
    index: usize,
    name: &str,
    at: &dyn Fn(usize) -> Option<usize>,
) -> Option<PropertyShape> {
    let Some(column) = table.columns.get(index) else {
        let computed = &query.compute.get(index - table.columns.len())?.column;
        let value = ValueShape::Column { position: at(index)?, value_type: computed.value_type.clone() };
        return Some(PropertyShape::made(computed.path.last()?.clone(), value));
    };
    if let Some(stream) = table.overlay.streams.iter().find(|stream| stream.content == index) {
        let value = match &stream.media_type {
            MediaType::Column(column) => ValueShape::Stream { media_type: at(*column), fixed_media_type: None },
            MediaType::Fixed(fixed) => ValueShape::Stream { media_type: None, fixed_media_type: Some(fixed.clone()) },
        };
        return Some(PropertyShape::of(&stream.name, value));
    }
    Some(PropertyShape {
        default: column.default.clone(),
        annotations: annotations(table, query, Some(index), at),
        ..PropertyShape::column(name, at(index)?, ValueType::of_column(column))
    })
}

/// The instance annotations of a column, or of the row, whose values were fetched.
fn annotations(
    table: &VirtualTable,
    query: &BoundQuery,
    target: Option<usize>,
    at: &dyn Fn(usize) -> Option<usize>,
) -> Vec<AnnotationShape> {
    let wanted = query.annotations.iter().filter(|annotation| annotation.target == target);
    let shape = |annotation: &BoundAnnotation| {
        let column = table.columns.get(annotation.column)?;
        Some(AnnotationShape { name: annotation.name.clone(), position: at(annotation.column)?, value_type: ValueType::of_column(column) })
    };
    wanted.filter_map(shape).collect()
}

/// The property as a client is shown it that may not know spatial values.
fn carried(mut property: PropertyShape, spatial: bool) -> PropertyShape {
    if let ValueShape::Column { value_type, .. } = &mut property.value
        && !spatial
        && !property.dynamic
        && matches!(value_type, ValueType::Spatial(_))
    {
        *value_type = ValueType::Scalar(value_type.scalar());
    }
    property
}

/// How entities of derived types are told apart that come out of `$apply`; `properties` are the columns behind each property.
#[must_use]
pub fn derivation(
    table: &VirtualTable,
    query: &BoundQuery,
    naming: Naming<'_>,
    at: &dyn Fn(usize) -> Option<usize>,
    columns: &[Vec<usize>],
) -> Option<DerivationShape> {
    let derivation = table.overlay.derivation.as_ref().filter(|_| naming.typed)?;
    let position = at(derivation.discriminator)?;
    let qualified = |name: &str| format!("{}.{name}", naming.namespace);
    // A property is lacking where it belongs to a type that the row is not of.
    let lacks = |of: Option<&str>| {
        let foreign = |column: &usize| match (derivation.owner(*column), of) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(owner), Some(of)) => !derivation.is_a(of, &owner.name),
        };
        columns.iter().enumerate().filter(|(_, behind)| behind.iter().all(foreign)).map(|(index, _)| index).collect::<Vec<_>>()
    };
    let base = qualified(naming.entity_set);
    let types = derivation.types.iter().map(|derived| DerivedShape {
        values: derived.values.clone(),
        type_name: qualified(&derived.name),
        lacks: lacks(Some(&derived.name)),
    });
    Some(DerivationShape {
        position,
        types: types.collect(),
        base_lacks: lacks(None),
        expected: query.cast.as_deref().map_or_else(|| base.clone(), qualified),
        base,
    })
}
