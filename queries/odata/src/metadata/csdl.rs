//! The CSDL XML document: one entity type and one entity set per table, navigation properties for relationships.

use super::annotations::{self, ORIGINAL_NAME, OWN_NAMESPACE, Xml};
use super::namespace;
use crate::edm::type_name;
use portico_catalog::{Column, ModelView, RelationshipView, TableView};
use portico_provider_api::ScalarType;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, Event};
use std::io;

const EDMX: &str = "http://docs.oasis-open.org/odata/ns/edmx";
const EDM: &str = "http://docs.oasis-open.org/odata/ns/edm";
/// Vocabularies: where they are published, namespace, alias.
const VOCABULARIES: [(&str, &str, &str); 2] = [
    ("https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Core.V1.xml", "Org.OData.Core.V1", "Core"),
    (
        "https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Capabilities.V1.xml",
        "Org.OData.Capabilities.V1",
        "Capabilities",
    ),
];

pub(super) fn document(view: &ModelView) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let root = xml.create_element("edmx:Edmx").with_attribute(("Version", "4.0")).with_attribute(("xmlns:edmx", EDMX));
    root.write_inner_content(|xml| {
        for (uri, namespace, alias) in VOCABULARIES {
            xml.create_element("edmx:Reference").with_attribute(("Uri", uri)).write_inner_content(|xml| {
                xml.create_element("edmx:Include")
                    .with_attribute(("Namespace", namespace))
                    .with_attribute(("Alias", alias))
                    .write_empty()?;
                Ok(())
            })?;
        }
        xml.create_element("edmx:DataServices").write_inner_content(|xml| schemas(xml, view))?;
        Ok(())
    })?;
    Ok(xml.into_inner())
}

fn schemas(xml: &mut Xml, view: &ModelView) -> io::Result<()> {
    let namespace = namespace(view);
    xml.create_element("Schema").with_attribute(("xmlns", EDM)).with_attribute(("Namespace", namespace.as_str())).write_inner_content(
        |xml| {
            for table in view.tables.values() {
                entity_type(xml, view, table, &namespace)?;
            }
            container(xml, view, &namespace)
        },
    )?;
    let mut columns = view.tables.values().flat_map(visible);
    if columns.any(|(_, column)| column.original_name.is_some()) {
        let schema = xml.create_element("Schema").with_attribute(("xmlns", EDM)).with_attribute(("Namespace", OWN_NAMESPACE));
        schema.write_inner_content(|xml| {
            xml.create_element("Term")
                .with_attribute(("Name", ORIGINAL_NAME))
                .with_attribute(("Type", "Edm.String"))
                .with_attribute(("AppliesTo", "Property"))
                .write_empty()?;
            Ok(())
        })?;
    }
    Ok(())
}

fn visible(table: &TableView) -> impl Iterator<Item = (usize, &Column)> {
    table.columns.iter().filter_map(|index| table.table.columns.get(*index).map(|column| (*index, column)))
}

fn entity_type(xml: &mut Xml, view: &ModelView, table: &TableView, namespace: &str) -> io::Result<()> {
    xml.create_element("EntityType").with_attribute(("Name", table.name.as_str())).write_inner_content(|xml| {
        xml.create_element("Key").write_inner_content(|xml| {
            for column in table.table.key.iter().filter_map(|index| table.table.columns.get(*index)) {
                xml.create_element("PropertyRef").with_attribute(("Name", column.name.as_str())).write_empty()?;
            }
            Ok(())
        })?;
        for (index, column) in visible(table) {
            property(xml, column, table.table.key.contains(&index))?;
        }
        for relationship in &table.relationships {
            navigation(xml, view, table, relationship, namespace)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Facets by type: lengths, precisions and scales are always given, because clients take absence for a small default.
fn facets(column: &Column) -> Vec<(&'static str, String)> {
    let length = || column.max_length.map_or_else(|| "max".to_owned(), |length| length.to_string());
    match column.scalar_type {
        ScalarType::Text | ScalarType::Json | ScalarType::Binary => vec![("MaxLength", length())],
        ScalarType::Decimal { precision, scale } => vec![("Precision", precision.to_string()), ("Scale", scale.to_string())],
        ScalarType::Time | ScalarType::Timestamp | ScalarType::TimestampTz => vec![("Precision", "6".to_owned())],
        ScalarType::Boolean
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Date
        | ScalarType::Guid => Vec::new(),
    }
}

fn property(xml: &mut Xml, column: &Column, is_key: bool) -> io::Result<()> {
    // A key part is never null, whatever the source says of its column.
    let nullable = column.nullable && !is_key;
    let mut element = xml
        .create_element("Property")
        .with_attribute(("Name", column.name.as_str()))
        .with_attribute(("Type", type_name(column.scalar_type)))
        .with_attribute(("Nullable", if nullable { "true" } else { "false" }));
    for (name, value) in &facets(column) {
        element = element.with_attribute((*name, value.as_str()));
    }
    if annotations::has_any(column, is_key) {
        element.write_inner_content(|xml| annotations::of_property(xml, column, is_key))?;
    } else {
        element.write_empty()?;
    }
    Ok(())
}

fn navigation(xml: &mut Xml, view: &ModelView, table: &TableView, relationship: &RelationshipView, namespace: &str) -> io::Result<()> {
    let single = format!("{namespace}.{}", relationship.to);
    let type_name = if relationship.many { format!("Collection({single})") } else { single };
    let mut element = xml
        .create_element("NavigationProperty")
        .with_attribute(("Name", relationship.name.as_str()))
        .with_attribute(("Type", type_name.as_str()));
    let pairs = constraint(view, table, relationship);
    if !relationship.many {
        // Even where the foreign key is never null, the row it names may be hidden from the caller, or be missing in another source.
        element = element.with_attribute(("Nullable", "true"));
    }
    if let Some(partner) = &relationship.partner {
        element = element.with_attribute(("Partner", partner.as_str()));
    }
    if relationship.many || pairs.is_empty() {
        element.write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|xml| {
        for (own, other) in &pairs {
            xml.create_element("ReferentialConstraint")
                .with_attribute(("Property", own.name.as_str()))
                .with_attribute(("ReferencedProperty", other.name.as_str()))
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The columns that a relationship equates, when the caller sees them all; otherwise none.
fn constraint<'a>(view: &'a ModelView, table: &'a TableView, relationship: &RelationshipView) -> Vec<(&'a Column, &'a Column)> {
    let Some(other) = view.table(&relationship.to) else { return Vec::new() };
    let Some(definition) = table.table.relationships.get(relationship.index) else { return Vec::new() };
    let seen = |view: &'a TableView, index: usize| view.table.columns.get(index).filter(|_| view.columns.contains(&index));
    let pairs = definition.on.iter().map(|(own, theirs)| Some((seen(table, *own)?, seen(other, *theirs)?)));
    pairs.collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn container(xml: &mut Xml, view: &ModelView, namespace: &str) -> io::Result<()> {
    xml.create_element("EntityContainer").with_attribute(("Name", "Container")).write_inner_content(|xml| {
        for table in view.tables.values() {
            let type_name = format!("{namespace}.{}", table.name);
            let set = xml.create_element("EntitySet").with_attribute(("Name", table.name.as_str()));
            set.with_attribute(("EntityType", type_name.as_str())).write_inner_content(|xml| {
                for relationship in &table.relationships {
                    xml.create_element("NavigationPropertyBinding")
                        .with_attribute(("Path", relationship.name.as_str()))
                        .with_attribute(("Target", relationship.to.as_str()))
                        .write_empty()?;
                }
                annotations::of_set(xml, table)
            })?;
        }
        annotations::of_container(xml)
    })?;
    Ok(())
}
