//! A CSDL document as XML (CSDL XML 4.01). The forms of 4.0 and 4.01 differ in the version that they state: nothing is used that 4.0 does
//! not have.

use super::super::csdl::{
    Annotation, ComplexType, Container, Document, Element, EntitySet, EntityType, EnumType, Expression, Import, Navigation,
    OperationElement, Property, Schema, Term, TypeReference,
};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::writer::ElementWriter;
use std::io;

const EDMX: &str = "http://docs.oasis-open.org/odata/ns/edmx";
const EDM: &str = "http://docs.oasis-open.org/odata/ns/edm";

type Xml = Writer<Vec<u8>>;
type Written = io::Result<()>;

/// Writes a document.
///
/// # Errors
/// The writer's, which writes to memory.
pub fn write(document: &Document, version: &str) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let root = xml.create_element("edmx:Edmx").with_attribute(("Version", version)).with_attribute(("xmlns:edmx", EDMX));
    root.write_inner_content(|xml| {
        for reference in &document.references {
            let uri = format!("{}.xml", reference.uri);
            xml.create_element("edmx:Reference").with_attribute(("Uri", uri.as_str())).write_inner_content(|xml| {
                let include = xml.create_element("edmx:Include").with_attribute(("Namespace", reference.namespace.as_str()));
                include.with_attribute(("Alias", reference.alias.as_str())).write_empty()?;
                Ok(())
            })?;
        }
        xml.create_element("edmx:DataServices").write_inner_content(|xml| document.schemas.iter().try_for_each(|one| schema(xml, one)))?;
        Ok(())
    })?;
    Ok(xml.into_inner())
}

/// What XML 1.0 cannot carry, not even escaped, becomes U+FFFD.
fn clean(text: &str) -> String {
    let carried = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    text.chars().map(|c| if carried(c) { c } else { '\u{FFFD}' }).collect()
}

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// An element with or without content.
fn element(writer: ElementWriter<'_, Vec<u8>>, has_content: bool, content: impl FnOnce(&mut Xml) -> Written) -> Written {
    if has_content { writer.write_inner_content(content).map(drop) } else { writer.write_empty().map(drop) }
}

fn schema(xml: &mut Xml, schema: &Schema) -> Written {
    let writer = xml.create_element("Schema").with_attribute(("xmlns", EDM)).with_attribute(("Namespace", schema.namespace.as_str()));
    writer.write_inner_content(|xml| {
        for element in &schema.elements {
            match element {
                Element::Entity(entity) => entity_type(xml, entity)?,
                Element::Complex(complex) => complex_type(xml, complex)?,
                Element::Enumeration(enumeration) => enum_type(xml, enumeration)?,
                Element::Operation(one) => operation(xml, one)?,
                Element::Term(one) => term(xml, one)?,
                Element::Container(one) => container(xml, one)?,
            }
        }
        annotations(xml, &schema.annotations)
    })?;
    Ok(())
}

fn entity_type(xml: &mut Xml, entity: &EntityType) -> Written {
    let mut writer = xml.create_element("EntityType").with_attribute(("Name", entity.name.as_str()));
    if let Some(base) = &entity.base {
        writer = writer.with_attribute(("BaseType", base.as_str()));
    }
    if entity.is_abstract {
        writer = writer.with_attribute(("Abstract", "true"));
    }
    if entity.has_stream {
        writer = writer.with_attribute(("HasStream", "true"));
    }
    let has_content =
        !(entity.key.is_empty() && entity.properties.is_empty() && entity.navigations.is_empty() && entity.annotations.is_empty());
    element(writer, has_content, |xml| {
        if !entity.key.is_empty() {
            xml.create_element("Key").write_inner_content(|xml| {
                entity
                    .key
                    .iter()
                    .try_for_each(|name| xml.create_element("PropertyRef").with_attribute(("Name", name.as_str())).write_empty().map(drop))
            })?;
        }
        entity.properties.iter().try_for_each(|one| property(xml, "Property", one))?;
        entity.navigations.iter().try_for_each(|one| navigation(xml, one))?;
        annotations(xml, &entity.annotations)
    })
}

fn complex_type(xml: &mut Xml, complex: &ComplexType) -> Written {
    let writer = xml.create_element("ComplexType").with_attribute(("Name", complex.name.as_str()));
    element(writer, !complex.properties.is_empty(), |xml| complex.properties.iter().try_for_each(|one| property(xml, "Property", one)))
}

/// Type, nullability and facets. Collections have no nullability of their own; that of navigation properties is left out too.
fn typed<'a>(mut writer: ElementWriter<'a, Vec<u8>>, of: &TypeReference, navigation: bool) -> ElementWriter<'a, Vec<u8>> {
    let name = if of.collection { format!("Collection({})", of.name) } else { of.name.clone() };
    writer = writer.with_attribute(("Type", name.as_str()));
    if !(navigation && of.collection) {
        writer = writer.with_attribute(("Nullable", flag(of.nullable)));
    }
    if matches!(of.name.as_str(), "Edm.String" | "Edm.Binary") {
        let length = of.max_length.map_or_else(|| "max".to_owned(), |length| length.to_string());
        writer = writer.with_attribute(("MaxLength", length.as_str()));
    }
    if let Some(precision) = of.precision {
        writer = writer.with_attribute(("Precision", precision.to_string().as_str()));
    }
    if let Some(scale) = of.scale {
        writer = writer.with_attribute(("Scale", scale.to_string().as_str()));
    }
    if let Some(default) = &of.default {
        writer = writer.with_attribute(("DefaultValue", default.as_str()));
    }
    if let Some(srid) = of.srid {
        writer = writer.with_attribute(("SRID", srid.to_string().as_str()));
    }
    writer
}

/// A property or parameter.
fn property(xml: &mut Xml, kind: &'static str, property: &Property) -> Written {
    let writer = typed(xml.create_element(kind).with_attribute(("Name", property.name.as_str())), &property.of, false);
    element(writer, !property.annotations.is_empty(), |xml| annotations(xml, &property.annotations))
}

fn navigation(xml: &mut Xml, navigation: &Navigation) -> Written {
    let writer = xml.create_element("NavigationProperty").with_attribute(("Name", navigation.name.as_str()));
    let mut writer = typed(writer, &navigation.of, true);
    if let Some(partner) = &navigation.partner {
        writer = writer.with_attribute(("Partner", partner.as_str()));
    }
    let has_content = !(navigation.constraints.is_empty() && navigation.annotations.is_empty());
    element(writer, has_content, |xml| {
        for (own, other) in &navigation.constraints {
            let writer = xml.create_element("ReferentialConstraint").with_attribute(("Property", own.as_str()));
            writer.with_attribute(("ReferencedProperty", other.as_str())).write_empty()?;
        }
        annotations(xml, &navigation.annotations)
    })
}

fn enum_type(xml: &mut Xml, enumeration: &EnumType) -> Written {
    let mut writer = xml.create_element("EnumType").with_attribute(("Name", enumeration.name.as_str()));
    writer = writer.with_attribute(("UnderlyingType", enumeration.underlying.as_str()));
    if enumeration.flags {
        writer = writer.with_attribute(("IsFlags", "true"));
    }
    writer.write_inner_content(|xml| {
        for (name, value, notes) in &enumeration.members {
            let writer = xml.create_element("Member").with_attribute(("Name", name.as_str()));
            let writer = writer.with_attribute(("Value", value.to_string().as_str()));
            element(writer, !notes.is_empty(), |xml| annotations(xml, notes))?;
        }
        annotations(xml, &enumeration.annotations)
    })?;
    Ok(())
}

fn operation(xml: &mut Xml, operation: &OperationElement) -> Written {
    let kind = if operation.action { "Action" } else { "Function" };
    let mut writer = xml.create_element(kind).with_attribute(("Name", operation.name.as_str()));
    if operation.bound {
        writer = writer.with_attribute(("IsBound", "true"));
    }
    if operation.composable {
        writer = writer.with_attribute(("IsComposable", "true"));
    }
    let has_content = !(operation.parameters.is_empty() && operation.returns.is_none() && operation.annotations.is_empty());
    element(writer, has_content, |xml| {
        operation.parameters.iter().try_for_each(|one| property(xml, "Parameter", one))?;
        if let Some(returns) = &operation.returns {
            typed(xml.create_element("ReturnType"), returns, false).write_empty()?;
        }
        annotations(xml, &operation.annotations)
    })
}

fn term(xml: &mut Xml, term: &Term) -> Written {
    let writer = xml.create_element("Term").with_attribute(("Name", term.name.as_str())).with_attribute(("Type", term.of.name.as_str()));
    let writer = writer.with_attribute(("Nullable", flag(term.of.nullable)));
    writer.with_attribute(("AppliesTo", term.applies_to.join(" ").as_str())).write_empty()?;
    Ok(())
}

fn container(xml: &mut Xml, container: &Container) -> Written {
    xml.create_element("EntityContainer").with_attribute(("Name", container.name.as_str())).write_inner_content(|xml| {
        container.sets.iter().try_for_each(|one| set(xml, ("EntitySet", "EntityType"), one))?;
        container.singletons.iter().try_for_each(|one| set(xml, ("Singleton", "Type"), one))?;
        container.imports.iter().try_for_each(|one| import(xml, one))?;
        annotations(xml, &container.annotations)
    })?;
    Ok(())
}

fn set(xml: &mut Xml, (kind, type_attribute): (&'static str, &'static str), set: &EntitySet) -> Written {
    let writer = xml.create_element(kind).with_attribute(("Name", set.name.as_str()));
    let writer = writer.with_attribute((type_attribute, set.type_name.as_str()));
    element(writer, !(set.bindings.is_empty() && set.annotations.is_empty()), |xml| {
        for (path, target) in &set.bindings {
            let writer = xml.create_element("NavigationPropertyBinding").with_attribute(("Path", path.as_str()));
            writer.with_attribute(("Target", target.as_str())).write_empty()?;
        }
        annotations(xml, &set.annotations)
    })
}

fn import(xml: &mut Xml, import: &Import) -> Written {
    let (kind, reference) = if import.action { ("ActionImport", "Action") } else { ("FunctionImport", "Function") };
    let mut writer = xml.create_element(kind).with_attribute(("Name", import.name.as_str()));
    writer = writer.with_attribute((reference, import.operation.as_str()));
    if let Some(set) = &import.set {
        writer = writer.with_attribute(("EntitySet", set.as_str()));
    }
    if import.listed {
        writer = writer.with_attribute(("IncludeInServiceDocument", "true"));
    }
    writer.write_empty()?;
    Ok(())
}

fn annotations(xml: &mut Xml, annotations: &[Annotation]) -> Written {
    for annotation in annotations {
        let mut writer = xml.create_element("Annotation").with_attribute(("Term", annotation.term.as_str()));
        if let Some(qualifier) = &annotation.qualifier {
            writer = writer.with_attribute(("Qualifier", qualifier.as_str()));
        }
        valued(writer, &annotation.value)?;
    }
    Ok(())
}

/// An expression as the kind of its element or attribute and its text; nothing for one that has content of its own.
fn simple(value: &Expression) -> Option<(&'static str, String)> {
    Some(match value {
        Expression::Text(text) => ("String", clean(text)),
        Expression::Boolean(value) => ("Bool", flag(*value).to_owned()),
        Expression::Integer(number) => ("Int", number.to_string()),
        Expression::Decimal(text) => ("Decimal", text.clone()),
        Expression::EnumMember(of, members) => {
            ("EnumMember", members.iter().map(|member| format!("{of}/{member}")).collect::<Vec<_>>().join(" "))
        }
        Expression::Path(path) => ("Path", path.clone()),
        Expression::PropertyPath(path) => ("PropertyPath", path.clone()),
        Expression::NavigationPropertyPath(path) => ("NavigationPropertyPath", path.clone()),
        Expression::Collection(_) | Expression::Record(..) => return None,
    })
}

/// An element whose value is an attribute where it can be.
fn valued(writer: ElementWriter<'_, Vec<u8>>, value: &Expression) -> Written {
    match simple(value) {
        Some((kind, text)) => writer.with_attribute((kind, text.as_str())).write_empty().map(drop),
        None => writer.write_inner_content(|xml| expression(xml, value)).map(drop),
    }
}

fn expression(xml: &mut Xml, value: &Expression) -> Written {
    match value {
        Expression::Collection(items) => {
            let writer = xml.create_element("Collection");
            element(writer, !items.is_empty(), |xml| items.iter().try_for_each(|item| expression(xml, item)))
        }
        Expression::Record(of, values) => {
            let mut writer = xml.create_element("Record");
            if let Some(of) = of {
                writer = writer.with_attribute(("Type", of.as_str()));
            }
            element(writer, !values.is_empty(), |xml| {
                values.iter().try_for_each(|(name, value)| {
                    valued(xml.create_element("PropertyValue").with_attribute(("Property", name.as_str())), value)
                })
            })
        }
        other => match simple(other) {
            Some((kind, text)) => xml.create_element(kind).write_text_content(BytesText::new(&text)).map(drop),
            None => Ok(()),
        },
    }
}
