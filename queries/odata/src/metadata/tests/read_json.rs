//! Reads CSDL JSON back into a document: written from the specification, not from the writer.

use super::super::csdl::{
    Annotation, ComplexType, Container, Document, Element, EntitySet, EntityType, EnumType, Expression, Import, Navigation,
    OperationElement, Property, Reference, Schema, Term, TypeReference,
};
use serde_json::{Map, Value};

pub fn read(bytes: &[u8]) -> Document {
    let root: Map<String, Value> = serde_json::from_slice(bytes).unwrap();
    assert_eq!(root["$Version"], "4.01");
    let references: Vec<Reference> = root
        .get("$Reference")
        .into_iter()
        .flat_map(|references| references.as_object().unwrap())
        .map(|(uri, reference)| {
            let include = &reference["$Include"][0];
            Reference {
                uri: uri.strip_suffix(".json").unwrap().to_owned(),
                namespace: text(&include["$Namespace"]),
                alias: text(&include["$Alias"]),
            }
        })
        .collect();
    let schemas = root.iter().filter(|(name, _)| !name.starts_with('$'));
    let schemas: Vec<Schema> = schemas.map(|(namespace, value)| schema(namespace, value.as_object().unwrap())).collect();
    let container = root.get("$EntityContainer").map(text);
    let found =
        schemas.iter().flat_map(|schema| schema.elements.iter().map(move |element| (schema, element))).find_map(|(schema, element)| {
            match element {
                Element::Container(container) => Some(format!("{}.{}", schema.namespace, container.name)),
                _ => None,
            }
        });
    assert_eq!(container, found, "the document names its container");
    Document { references, schemas }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn flag(object: &Map<String, Value>, name: &str) -> bool {
    object.get(name).is_some_and(|value| value.as_bool().unwrap())
}

/// Members that are neither the object's own words nor annotations.
fn named(object: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    object.iter().filter(|(name, _)| !name.contains(['$', '@']))
}

fn schema(namespace: &str, object: &Map<String, Value>) -> Schema {
    let mut elements = Vec::new();
    for (name, value) in named(object) {
        if let Value::Array(overloads) = value {
            elements.extend(overloads.iter().map(|one| operation(name, one.as_object().unwrap())).map(Element::Operation));
            continue;
        }
        let one = value.as_object().unwrap();
        elements.push(match one["$Kind"].as_str().unwrap() {
            "EntityType" => Element::Entity(EntityType {
                name: name.clone(),
                base: one.get("$BaseType").map(text),
                is_abstract: flag(one, "$Abstract"),
                has_stream: flag(one, "$HasStream"),
                key: one.get("$Key").into_iter().flat_map(|key| key.as_array().unwrap()).map(text).collect(),
                properties: properties(one),
                navigations: named(one).filter(|(_, value)| is_navigation(value)).map(|(name, value)| navigation(name, value)).collect(),
                annotations: annotations(one, ""),
            }),
            "ComplexType" => Element::Complex(ComplexType { name: name.clone(), properties: properties(one) }),
            "EnumType" => Element::Enumeration(EnumType {
                name: name.clone(),
                underlying: one.get("$UnderlyingType").map_or("Edm.Int32".to_owned(), text),
                flags: flag(one, "$IsFlags"),
                members: named(one).map(|(member, value)| (member.clone(), value.as_i64().unwrap(), annotations(one, member))).collect(),
                annotations: annotations(one, ""),
            }),
            "Term" => Element::Term(Term {
                name: name.clone(),
                of: type_reference(one),
                applies_to: one["$AppliesTo"].as_array().unwrap().iter().map(text).collect(),
            }),
            "EntityContainer" => Element::Container(container(name, one)),
            other => panic!("{other} in a schema"),
        });
    }
    Schema { namespace: namespace.to_owned(), elements, annotations: annotations(object, "") }
}

fn is_navigation(value: &Value) -> bool {
    value.get("$Kind").is_some_and(|kind| kind == "NavigationProperty")
}

fn properties(object: &Map<String, Value>) -> Vec<Property> {
    let one = |(name, value): (&String, &Value)| {
        let object = value.as_object().unwrap();
        Property { name: name.clone(), of: type_reference(object), annotations: annotations(object, "") }
    };
    named(object).filter(|(_, value)| !is_navigation(value)).map(one).collect()
}

fn type_reference(object: &Map<String, Value>) -> TypeReference {
    let number = |name: &str| object.get(name).map(|value| value.as_u64().unwrap());
    TypeReference {
        default: object.get("$DefaultValue").map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        name: object.get("$Type").map_or("Edm.String".to_owned(), text),
        collection: flag(object, "$Collection"),
        nullable: flag(object, "$Nullable"),
        max_length: number("$MaxLength").map(|length| length.try_into().unwrap()),
        precision: number("$Precision").map(|digits| digits.try_into().unwrap()),
        scale: number("$Scale").map(|digits| digits.try_into().unwrap()),
        srid: object.get("$SRID").map(|srid| srid.as_str().unwrap().parse().unwrap()),
    }
}

fn navigation(name: &str, value: &Value) -> Navigation {
    let object = value.as_object().unwrap();
    let constraints = object.get("$ReferentialConstraint").into_iter().flat_map(|pairs| pairs.as_object().unwrap());
    Navigation {
        name: name.to_owned(),
        of: type_reference(object),
        partner: object.get("$Partner").map(text),
        constraints: constraints.map(|(own, other)| (own.clone(), text(other))).collect(),
        annotations: annotations(object, ""),
    }
}

fn operation(name: &str, object: &Map<String, Value>) -> OperationElement {
    let parameters = object.get("$Parameter").into_iter().flat_map(|all| all.as_array().unwrap()).map(|value| {
        let object = value.as_object().unwrap();
        Property { name: text(&object["$Name"]), of: type_reference(object), annotations: annotations(object, "") }
    });
    OperationElement {
        name: name.to_owned(),
        action: object["$Kind"] == "Action",
        bound: flag(object, "$IsBound"),
        composable: flag(object, "$IsComposable"),
        parameters: parameters.collect(),
        returns: object.get("$ReturnType").map(|of| type_reference(of.as_object().unwrap())),
        annotations: annotations(object, ""),
    }
}

fn container(name: &str, object: &Map<String, Value>) -> Container {
    let mut container = Container { name: name.to_owned(), annotations: annotations(object, ""), ..Container::default() };
    for (name, value) in named(object) {
        let one = value.as_object().unwrap();
        if let Some(operation) = one.get("$Action").or_else(|| one.get("$Function")) {
            container.imports.push(Import {
                name: name.clone(),
                operation: text(operation),
                action: one.contains_key("$Action"),
                set: one.get("$EntitySet").map(text),
                listed: flag(one, "$IncludeInServiceDocument"),
            });
            continue;
        }
        let bindings = one.get("$NavigationPropertyBinding").into_iter().flat_map(|bindings| bindings.as_object().unwrap());
        let set = EntitySet {
            name: name.clone(),
            type_name: text(&one["$Type"]),
            bindings: bindings.map(|(path, target)| (path.clone(), text(target))).collect(),
            annotations: annotations(one, ""),
        };
        if flag(one, "$Collection") { container.sets.push(set) } else { container.singletons.push(set) }
    }
    container
}

/// Annotations of an object, or of a member of it.
fn annotations(object: &Map<String, Value>, of: &str) -> Vec<Annotation> {
    let own = object.iter().filter_map(|(name, value)| Some((name.strip_prefix(of)?.strip_prefix('@')?, value)));
    own.filter(|(term, _)| *term != "type")
        .map(|(name, value)| {
            let (term, qualifier) = name.split_once('#').map_or((name, None), |(term, qualifier)| (term, Some(qualifier)));
            Annotation { term: term.to_owned(), qualifier: qualifier.map(str::to_owned), value: expression(value) }
        })
        .collect()
}

fn expression(value: &Value) -> Expression {
    match value {
        Value::Bool(flag) => Expression::Boolean(*flag),
        Value::Number(number) => number.as_i64().map_or_else(|| Expression::Decimal(number.to_string()), Expression::Integer),
        Value::String(text) => Expression::Text(text.clone()),
        Value::Array(items) => Expression::Collection(items.iter().map(expression).collect()),
        Value::Object(object) => match object.get("$Path") {
            Some(path) => Expression::Path(text(path)),
            None => {
                let of = object.get("@type").map(|of| text(of).split_once('#').unwrap().1.to_owned());
                let values = object.iter().filter(|(name, _)| *name != "@type");
                Expression::Record(of, values.map(|(name, value)| (name.clone(), expression(value))).collect())
            }
        },
        Value::Null => panic!("null in an expression"),
    }
}
