//! Entity, complex and enumeration types. It must not know which sets there are.

use super::super::csdl::{Annotation, ComplexType, EntityType, EnumType, Expression, Navigation, Property, TypeReference};
use super::Describe;
use crate::edm::type_name;
use portico_catalog::overlay::{ComplexProperty, MediaType, StreamProperty};
use portico_catalog::spatial::{PointProperty, SpatialType};
use portico_catalog::{Enumeration, PropertyView, RelationshipView, TableView};

/// A spatial type with its facet, never null.
pub(super) fn spatial(of: &SpatialType) -> TypeReference {
    TypeReference { name: format!("Edm.{}", of.name()), srid: Some(of.srid), ..TypeReference::default() }
}

impl Describe<'_> {
    /// The type of a table's entities, and the types derived from it.
    pub(super) fn entity_types(&self, table: &TableView) -> Vec<EntityType> {
        let overlay = &table.table.overlay;
        let mut own = EntityType {
            name: table.name.clone(),
            is_abstract: overlay.derivation.as_ref().is_some_and(|derivation| derivation.is_abstract),
            has_stream: overlay.media.is_some(),
            key: table.table.key.iter().filter_map(|index| table.table.columns.get(*index)).map(|column| column.name.clone()).collect(),
            annotations: self.of_type(table),
            ..EntityType::default()
        };
        if let Some(media) = &overlay.media {
            own.annotations.extend(self.media_type(table, media));
        }
        self.fill(table, None, &mut own);
        let mut types = vec![own];
        for derived in overlay.derivation.iter().flat_map(|derivation| &derivation.types) {
            let base = derived.base.as_deref().unwrap_or(&table.name);
            let mut one = EntityType {
                name: derived.name.clone(),
                base: Some(self.qualified(base)),
                is_abstract: overlay.derivation.as_ref().is_some_and(|derivation| derivation.is_abstract(&derived.name)),
                has_stream: overlay.media.is_some(),
                ..EntityType::default()
            };
            self.fill(table, Some(&derived.name), &mut one);
            types.push(one);
        }
        types
    }

    /// Adds the properties that a type declares itself: those of a derived type, or those of none.
    fn fill(&self, table: &TableView, owner: Option<&str>, into: &mut EntityType) {
        let overlay = &table.table.overlay;
        let owned = |column: usize| overlay.owner(column).map(|derived| derived.name.as_str()) == owner;
        for property in table.properties() {
            match property {
                PropertyView::Column(index) if owned(index) => {
                    if let Some(column) = table.table.columns.get(index) {
                        let mut property = self.property(column, &column.name, table.table.key.contains(&index));
                        property.annotations.extend(self.with_paths(table, column));
                        into.properties.push(property);
                    }
                }
                PropertyView::Complex(complex, members) if members.first().is_some_and(|(_, index)| owned(*index)) => {
                    into.properties.push(self.complex_property(table, complex, &members));
                }
                PropertyView::Point(point) if owned(point.latitude) => into.properties.push(self.point_property(table, point)),
                PropertyView::Stream(stream) if owned(stream.content) => into.properties.push(self.stream_property(table, stream)),
                PropertyView::Column(_) | PropertyView::Complex(..) | PropertyView::Point(_) | PropertyView::Stream(_) => {}
            }
        }
        for relationship in &table.relationships {
            let of = table.table.relationship_owner(relationship.index).map(|derived| derived.name.as_str());
            if of == owner {
                into.navigations.push(self.navigation(table, relationship));
            }
        }
    }

    fn complex_property(&self, table: &TableView, complex: &ComplexProperty, members: &[(&str, usize)]) -> Property {
        let nullable = |index: usize| table.table.columns.get(index).is_none_or(|column| column.nullable);
        let of = TypeReference {
            name: self.qualified(&complex.type_name),
            // It is null where all its members are.
            nullable: members.iter().all(|(_, index)| nullable(*index)),
            ..TypeReference::default()
        };
        Property { name: complex.name.clone(), of, annotations: Vec::new() }
    }

    fn point_property(&self, table: &TableView, point: &PointProperty) -> Property {
        let column = |index: usize| table.table.columns.get(index);
        let (latitude, longitude) = (column(point.latitude), column(point.longitude));
        // What holds of one of its columns alone is said of neither; whether it may be written and null follows from both.
        let nullable = [latitude, longitude].into_iter().any(|column| column.is_none_or(|column| column.nullable));
        let annotations = latitude.map(|column| self.of_column(column, false)).unwrap_or_default();
        let annotations =
            annotations.into_iter().filter(|annotation| annotation.term.starts_with("Core.") && annotation.term != "Core.Description");
        Property { name: point.name.clone(), of: TypeReference { nullable, ..spatial(&point.of()) }, annotations: annotations.collect() }
    }

    fn stream_property(&self, table: &TableView, stream: &StreamProperty) -> Property {
        let column = table.table.columns.get(stream.content);
        let of = TypeReference {
            name: "Edm.Stream".to_owned(),
            nullable: column.is_none_or(|column| column.nullable),
            ..TypeReference::default()
        };
        let mut annotations = column.map(|column| self.names(column)).unwrap_or_default();
        annotations.extend(self.media_type(table, stream));
        Property { name: stream.name.clone(), of, annotations }
    }

    /// What a stream's bytes are, where that is always the same or stands in a property.
    fn media_type(&self, table: &TableView, stream: &StreamProperty) -> Option<Annotation> {
        let value = match &stream.media_type {
            MediaType::Fixed(text) => Expression::Text(text.clone()),
            MediaType::Column(column) => Expression::Path(table.property_path(*column)?),
        };
        Some(Annotation::new("Core.MediaType", value))
    }

    fn navigation(&self, table: &TableView, relationship: &RelationshipView) -> Navigation {
        let of = TypeReference {
            name: self.qualified(&relationship.to),
            collection: relationship.many,
            // Even where the foreign key is never null, the row it names may be hidden from the caller, or be missing in another source.
            nullable: !relationship.many,
            ..TypeReference::default()
        };
        let partner = relationship.partner.as_ref().and_then(|partner| {
            let other = self.view.table(&relationship.to)?;
            let back = other.relationship(partner)?;
            let owner = other.table.relationship_owner(back.index);
            Some(owner.map_or_else(|| partner.clone(), |owner| format!("{}/{partner}", self.qualified(&owner.name))))
        });
        let constraints = if relationship.many { Vec::new() } else { self.constraints(table, relationship) };
        let link = table.table.relationships.get(relationship.index);
        let annotations = link.map(|link| self.of_relationship(table, link)).unwrap_or_default();
        Navigation { name: relationship.name.clone(), of, partner, constraints, annotations }
    }

    /// The properties that a relationship equates, when the caller sees them all; otherwise none.
    fn constraints(&self, table: &TableView, relationship: &RelationshipView) -> Vec<(String, String)> {
        let Some(other) = self.view.table(&relationship.to) else { return Vec::new() };
        let Some(definition) = table.table.relationships.get(relationship.index) else { return Vec::new() };
        // Where a side's property is a derived type's, the constraint would have to name it through a cast, which the other side's
        // entities need not bear out.
        let plain = |index: usize| other.table.overlay.owner(index).is_none();
        let pairs = definition.on.iter().map(|(own, theirs)| {
            let theirs = other.property_path(*theirs).filter(|_| plain(*theirs))?;
            Some((table.property_path(*own)?, theirs))
        });
        pairs.collect::<Option<Vec<_>>>().unwrap_or_default()
    }

    /// The complex types that visible properties and operations use.
    pub(super) fn complex_types(&self) -> Vec<ComplexType> {
        let one = |(name, members): (&str, Vec<portico_catalog::Column>)| ComplexType {
            name: name.to_owned(),
            properties: members.iter().map(|member| self.property(member, &member.name, false)).collect(),
        };
        self.view.complex_types().into_iter().map(one).collect()
    }

    /// An enumeration.
    pub(super) fn enumeration(&self, enumeration: &Enumeration) -> EnumType {
        let members = enumeration.members.iter().map(|member| {
            let annotations = self.described(member.description.as_deref(), &member.labels);
            (member.name.clone(), member.value, annotations)
        });
        EnumType {
            name: enumeration.name.clone(),
            underlying: type_name(enumeration.underlying).to_owned(),
            flags: enumeration.flags,
            members: members.collect(),
            annotations: self.described(enumeration.description.as_deref(), &enumeration.labels),
        }
    }
}
