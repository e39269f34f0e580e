//! Vocabulary annotations: what a client may do with each set and property, said honestly. Terms of the standard vocabularies, and one of
//! our own for names that OData cannot carry.

use crate::bind::MAX_EXPAND_DEPTH;
use portico_catalog::{Column, IfMatch, TableView};
use portico_provider_api::ScalarType;
use quick_xml::Writer;
use std::io;

pub(super) type Xml = Writer<Vec<u8>>;

/// The schema that defines our own term, and the term.
pub(super) const OWN_NAMESPACE: &str = "Portico.Vocabulary.V1";
pub(super) const ORIGINAL_NAME: &str = "OriginalName";

/// What XML 1.0 cannot carry, not even escaped, becomes U+FFFD.
pub(super) fn clean(text: &str) -> String {
    let carried = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    text.chars().map(|c| if carried(c) { c } else { '\u{FFFD}' }).collect()
}

/// An annotation whose value is an attribute: `("Bool", "true")`.
fn simple(xml: &mut Xml, term: &str, kind: &str, value: &str) -> io::Result<()> {
    xml.create_element("Annotation").with_attribute(("Term", term)).with_attribute((kind, clean(value).as_str())).write_empty()?;
    Ok(())
}

/// An annotation whose value is a record.
fn record(xml: &mut Xml, term: &str, values: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
    let annotation = xml.create_element("Annotation").with_attribute(("Term", term));
    annotation.write_inner_content(|xml| {
        xml.create_element("Record").write_inner_content(values)?;
        Ok(())
    })?;
    Ok(())
}

fn value(xml: &mut Xml, property: &str, kind: &str, text: &str) -> io::Result<()> {
    xml.create_element("PropertyValue").with_attribute(("Property", property)).with_attribute((kind, text)).write_empty()?;
    Ok(())
}

fn paths(xml: &mut Xml, property: &str, names: &[&str]) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    xml.create_element("PropertyValue").with_attribute(("Property", property)).write_inner_content(|xml| {
        xml.create_element("Collection").write_inner_content(|xml| {
            for name in names {
                xml.create_element("PropertyPath").write_text_content(quick_xml::events::BytesText::new(name))?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn visible(table: &TableView) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter_map(|index| table.table.columns.get(*index))
}

/// Annotations of the container: what the service as a whole does not do, and which functions filters may use.
pub(super) fn of_container(xml: &mut Xml) -> io::Result<()> {
    for term in ["AsynchronousRequestsSupported", "CrossJoinSupported", "KeyAsSegmentSupported"] {
        simple(xml, &format!("Capabilities.{term}"), "Bool", "false")?;
    }
    xml.create_element("Annotation").with_attribute(("Term", "Capabilities.FilterFunctions")).write_inner_content(|xml| {
        xml.create_element("Collection").write_inner_content(|xml| {
            for name in crate::bind::function_names() {
                xml.create_element("String").write_text_content(quick_xml::events::BytesText::new(name))?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

/// Annotations of an entity set.
pub(super) fn of_set(xml: &mut Xml, table: &TableView) -> io::Result<()> {
    if let Some(description) = &table.table.description {
        simple(xml, "Core.Description", "String", description)?;
    }
    if table.if_match == IfMatch::Required && (table.updatable || table.deletable) {
        let annotation = xml.create_element("Annotation").with_attribute(("Term", "Core.OptimisticConcurrency"));
        annotation.write_inner_content(|xml| {
            xml.create_element("Collection").write_empty()?;
            Ok(())
        })?;
    }
    let not_filterable: Vec<_> = visible(table).filter(|c| c.scalar_type == ScalarType::Json).map(|c| c.name.as_str()).collect();
    let no_order = |c: &&Column| matches!(c.scalar_type, ScalarType::Json | ScalarType::Binary);
    let not_sortable: Vec<_> = visible(table).filter(no_order).map(|c| c.name.as_str()).collect();
    record(xml, "Capabilities.FilterRestrictions", |xml| {
        value(xml, "Filterable", "Bool", "true")?;
        paths(xml, "NonFilterableProperties", &not_filterable)
    })?;
    record(xml, "Capabilities.SortRestrictions", |xml| {
        value(xml, "Sortable", "Bool", "true")?;
        paths(xml, "NonSortableProperties", &not_sortable)
    })?;
    simple(xml, "Capabilities.TopSupported", "Bool", "true")?;
    simple(xml, "Capabilities.SkipSupported", "Bool", "true")?;
    simple(xml, "Capabilities.IndexableByKey", "Bool", "true")?;
    simple(xml, "Capabilities.ComputeSupported", "Bool", "false")?;
    record(xml, "Capabilities.CountRestrictions", |xml| value(xml, "Countable", "Bool", "true"))?;
    record(xml, "Capabilities.SearchRestrictions", |xml| value(xml, "Searchable", "Bool", "false"))?;
    let levels = MAX_EXPAND_DEPTH.to_string();
    record(xml, "Capabilities.ExpandRestrictions", |xml| {
        value(xml, "Expandable", "Bool", flag(!table.relationships.is_empty()))?;
        value(xml, "MaxLevels", "Int", &levels)
    })?;
    record(xml, "Capabilities.InsertRestrictions", |xml| value(xml, "Insertable", "Bool", flag(table.insertable)))?;
    record(xml, "Capabilities.UpdateRestrictions", |xml| {
        value(xml, "Updatable", "Bool", flag(table.updatable))?;
        value(xml, "Upsertable", "Bool", "false")
    })?;
    record(xml, "Capabilities.DeleteRestrictions", |xml| value(xml, "Deletable", "Bool", flag(table.deletable)))
}

/// Annotations of a property.
pub(super) fn of_property(xml: &mut Xml, column: &Column, is_key: bool) -> io::Result<()> {
    if let Some(description) = &column.description {
        simple(xml, "Core.Description", "String", description)?;
    }
    if column.generated {
        simple(xml, "Core.Computed", "Bool", "true")?;
    } else if column.read_only {
        xml.create_element("Annotation")
            .with_attribute(("Term", "Core.Permissions"))
            .with_attribute(("EnumMember", "Org.OData.Core.V1.Permission/Read"))
            .write_empty()?;
    } else {
        if is_key {
            simple(xml, "Core.Immutable", "Bool", "true")?;
        }
        if column.has_default {
            simple(xml, "Core.ComputedDefaultValue", "Bool", "true")?;
        }
    }
    if column.scalar_type == ScalarType::Json {
        simple(xml, "Core.MediaType", "String", "application/json")?;
    }
    if let Some(original) = &column.original_name {
        simple(xml, &format!("{OWN_NAMESPACE}.{ORIGINAL_NAME}"), "String", original)?;
    }
    Ok(())
}

/// Whether a property has any annotation.
pub(super) fn has_any(column: &Column, is_key: bool) -> bool {
    column.description.is_some()
        || column.generated
        || column.read_only
        || is_key
        || column.has_default
        || column.scalar_type == ScalarType::Json
        || column.original_name.is_some()
}
