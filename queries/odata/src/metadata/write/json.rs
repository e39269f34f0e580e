//! A CSDL document as JSON (CSDL JSON 4.01). It has no form for what stands at its default: types that are text, values that are never
//! null, lengths without bound.

use super::super::csdl::{
    Annotation, Container, Document, Element, EntitySet, EntityType, EnumType, Expression, Import, Navigation, OperationElement, Property,
    Schema, Term, TypeReference,
};
use crate::json::push_string;

/// Writes a document.
pub fn write(document: &Document) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 * 1024);
    let mut root = Object::new(&mut out);
    root.text("$Version", "4.01");
    if let Some((schema, container)) = container_of(document) {
        root.text("$EntityContainer", &format!("{}.{}", schema.namespace, container.name));
    }
    if !document.references.is_empty() {
        root.object("$Reference", |references| {
            for reference in &document.references {
                references.object(&format!("{}.json", reference.uri), |one| {
                    one.array("$Include", 1, |_, out| {
                        let mut include = Object::new(out);
                        include.text("$Namespace", &reference.namespace);
                        include.text("$Alias", &reference.alias);
                        include.end();
                    });
                });
            }
        });
    }
    for one in &document.schemas {
        root.object(&one.namespace, |object| schema(object, one, document));
    }
    root.end();
    out
}

fn container_of(document: &Document) -> Option<(&Schema, &Container)> {
    document.schemas.iter().find_map(|schema| {
        let container = schema.elements.iter().find_map(|element| match element {
            Element::Container(container) => Some(container),
            Element::Entity(_) | Element::Complex(_) | Element::Enumeration(_) | Element::Operation(_) | Element::Term(_) => None,
        });
        container.map(|container| (schema, container))
    })
}

/// An object that is being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    fn new(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, empty: true }
    }

    fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        push_string(name, self.out);
        self.out.push(b':');
        self.out
    }

    fn text(&mut self, name: &str, value: &str) {
        push_string(value, self.key(name));
    }

    fn raw(&mut self, name: &str, value: &str) {
        self.key(name).extend_from_slice(value.as_bytes());
    }

    /// A flag, which stands only where it is true.
    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.raw(name, "true");
        }
    }

    fn object(&mut self, name: &str, content: impl FnOnce(&mut Object<'_>)) {
        let mut object = Object::new(self.key(name));
        content(&mut object);
        object.end();
    }

    fn array(&mut self, name: &str, length: usize, mut item: impl FnMut(usize, &mut Vec<u8>)) {
        let out = self.key(name);
        out.push(b'[');
        for index in 0..length {
            if index > 0 {
                out.push(b',');
            }
            item(index, out);
        }
        out.push(b']');
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

fn schema(object: &mut Object<'_>, schema: &Schema, document: &Document) {
    let mut written: Vec<&str> = Vec::new();
    for element in &schema.elements {
        match element {
            Element::Entity(entity) => object.object(&entity.name, |object| entity_type(object, entity, document)),
            Element::Complex(complex) => object.object(&complex.name, |object| {
                object.text("$Kind", "ComplexType");
                complex.properties.iter().for_each(|one| property(object, one, document));
            }),
            Element::Enumeration(enumeration) => object.object(&enumeration.name, |object| enum_type(object, enumeration, document)),
            Element::Operation(one) => {
                // Overloads of one name are one array.
                if !written.contains(&one.name.as_str()) {
                    written.push(&one.name);
                    let overloads: Vec<&OperationElement> = schema.elements.iter().filter_map(|other| overload(other, &one.name)).collect();
                    object.array(&one.name, overloads.len(), |index, out| {
                        if let Some(one) = overloads.get(index) {
                            operation(out, one, document);
                        }
                    });
                }
            }
            Element::Term(one) => object.object(&one.name, |object| term(object, one)),
            Element::Container(one) => object.object(&one.name, |object| container(object, one, document)),
        }
    }
    annotations(object, "", &schema.annotations, document);
}

fn overload<'a>(element: &'a Element, name: &str) -> Option<&'a OperationElement> {
    match element {
        Element::Operation(operation) => Some(operation).filter(|operation| operation.name == name),
        Element::Entity(_) | Element::Complex(_) | Element::Enumeration(_) | Element::Term(_) | Element::Container(_) => None,
    }
}

fn entity_type(object: &mut Object<'_>, entity: &EntityType, document: &Document) {
    object.text("$Kind", "EntityType");
    if let Some(base) = &entity.base {
        object.text("$BaseType", base);
    }
    object.flag("$Abstract", entity.is_abstract);
    object.flag("$HasStream", entity.has_stream);
    if !entity.key.is_empty() {
        object.array("$Key", entity.key.len(), |index, out| {
            if let Some(name) = entity.key.get(index) {
                push_string(name, out);
            }
        });
    }
    entity.properties.iter().for_each(|one| property(object, one, document));
    entity.navigations.iter().for_each(|one| navigation(object, one, document));
    annotations(object, "", &entity.annotations, document);
}

/// Type, nullability and facets.
fn typed(object: &mut Object<'_>, of: &TypeReference) {
    object.flag("$Collection", of.collection);
    if of.name != "Edm.String" {
        object.text("$Type", &of.name);
    }
    object.flag("$Nullable", of.nullable);
    if let Some(length) = of.max_length {
        object.raw("$MaxLength", &length.to_string());
    }
    if let Some(precision) = of.precision {
        object.raw("$Precision", &precision.to_string());
    }
    if let Some(scale) = of.scale {
        object.raw("$Scale", &scale.to_string());
    }
    if let Some(default) = &of.default {
        // Numbers and truth values are written as such, where JSON has a form for them.
        let bare = matches!(
            of.name.as_str(),
            "Edm.Boolean" | "Edm.Int16" | "Edm.Int32" | "Edm.Int64" | "Edm.Single" | "Edm.Double" | "Edm.Decimal"
        );
        if bare && !matches!(default.as_str(), "NaN" | "INF" | "-INF") {
            object.raw("$DefaultValue", default);
        } else {
            object.text("$DefaultValue", default);
        }
    }
    // A text, because it may be `variable` as well (CSDL JSON, section 7.2.6).
    if let Some(srid) = of.srid {
        object.text("$SRID", &srid.to_string());
    }
}

fn property(object: &mut Object<'_>, property: &Property, document: &Document) {
    object.object(&property.name, |object| {
        typed(object, &property.of);
        annotations(object, "", &property.annotations, document);
    });
}

fn navigation(object: &mut Object<'_>, navigation: &Navigation, document: &Document) {
    object.object(&navigation.name, |object| {
        object.text("$Kind", "NavigationProperty");
        // Collections of entities have no nullability.
        typed(object, &TypeReference { nullable: navigation.of.nullable && !navigation.of.collection, ..navigation.of.clone() });
        if let Some(partner) = &navigation.partner {
            object.text("$Partner", partner);
        }
        if !navigation.constraints.is_empty() {
            object.object("$ReferentialConstraint", |object| {
                navigation.constraints.iter().for_each(|(own, other)| object.text(own, other));
            });
        }
        annotations(object, "", &navigation.annotations, document);
    });
}

fn enum_type(object: &mut Object<'_>, enumeration: &EnumType, document: &Document) {
    object.text("$Kind", "EnumType");
    if enumeration.underlying != "Edm.Int32" {
        object.text("$UnderlyingType", &enumeration.underlying);
    }
    object.flag("$IsFlags", enumeration.flags);
    for (name, value, notes) in &enumeration.members {
        object.raw(name, &value.to_string());
        annotations(object, name, notes, document);
    }
    annotations(object, "", &enumeration.annotations, document);
}

fn operation(out: &mut Vec<u8>, operation: &OperationElement, document: &Document) {
    let mut object = Object::new(out);
    object.text("$Kind", if operation.action { "Action" } else { "Function" });
    object.flag("$IsBound", operation.bound);
    object.flag("$IsComposable", operation.composable);
    if !operation.parameters.is_empty() {
        object.array("$Parameter", operation.parameters.len(), |index, out| {
            let Some(parameter) = operation.parameters.get(index) else { return };
            let mut object = Object::new(out);
            object.text("$Name", &parameter.name);
            typed(&mut object, &parameter.of);
            annotations(&mut object, "", &parameter.annotations, document);
            object.end();
        });
    }
    if let Some(returns) = &operation.returns {
        object.object("$ReturnType", |object| typed(object, returns));
    }
    annotations(&mut object, "", &operation.annotations, document);
    object.end();
}

fn term(object: &mut Object<'_>, term: &Term) {
    object.text("$Kind", "Term");
    typed(object, &term.of);
    object.array("$AppliesTo", term.applies_to.len(), |index, out| {
        if let Some(name) = term.applies_to.get(index) {
            push_string(name, out);
        }
    });
}

fn container(object: &mut Object<'_>, container: &Container, document: &Document) {
    object.text("$Kind", "EntityContainer");
    container.sets.iter().for_each(|one| set(object, one, true, document));
    container.singletons.iter().for_each(|one| set(object, one, false, document));
    container.imports.iter().for_each(|one| import(object, one));
    annotations(object, "", &container.annotations, document);
}

fn set(object: &mut Object<'_>, set: &EntitySet, collection: bool, document: &Document) {
    object.object(&set.name, |object| {
        object.flag("$Collection", collection);
        object.text("$Type", &set.type_name);
        if !set.bindings.is_empty() {
            object.object("$NavigationPropertyBinding", |object| set.bindings.iter().for_each(|(path, target)| object.text(path, target)));
        }
        annotations(object, "", &set.annotations, document);
    });
}

fn import(object: &mut Object<'_>, import: &Import) {
    object.object(&import.name, |object| {
        object.text(if import.action { "$Action" } else { "$Function" }, &import.operation);
        if let Some(set) = &import.set {
            object.text("$EntitySet", set);
        }
        object.flag("$IncludeInServiceDocument", import.listed);
    });
}

/// Annotations of an object, or of a member of it (`Open@Common.Label`).
fn annotations(object: &mut Object<'_>, of: &str, annotations: &[Annotation], document: &Document) {
    for annotation in annotations {
        let qualifier = annotation.qualifier.as_ref().map(|qualifier| format!("#{qualifier}")).unwrap_or_default();
        let key = format!("{of}@{}{qualifier}", annotation.term);
        expression(object.key(&key), &annotation.value, document);
    }
}

fn expression(out: &mut Vec<u8>, value: &Expression, document: &Document) {
    match value {
        Expression::Text(text) | Expression::PropertyPath(text) | Expression::NavigationPropertyPath(text) => push_string(text, out),
        Expression::Boolean(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Expression::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Expression::Decimal(text) => out.extend_from_slice(text.as_bytes()),
        // The term says which enumeration it is.
        Expression::EnumMember(_, members) => push_string(&members.join(","), out),
        Expression::Path(path) => {
            let mut object = Object::new(out);
            object.text("$Path", path);
            object.end();
        }
        Expression::Collection(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                expression(out, item, document);
            }
            out.push(b']');
        }
        Expression::Record(of, values) => {
            let mut object = Object::new(out);
            if let Some(of) = of {
                // The type is a URL: where its vocabulary is published, and its qualified name.
                let namespace = of.rsplit_once('.').map_or("", |(namespace, _)| namespace);
                let published = document.references.iter().find(|reference| reference.namespace == namespace);
                let uri = published.map(|reference| format!("{}.json", reference.uri)).unwrap_or_default();
                object.text("@type", &format!("{uri}#{of}"));
            }
            for (name, value) in values {
                expression(object.key(name), value, document);
            }
            object.end();
        }
    }
}
