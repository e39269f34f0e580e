//! Reads CSDL XML back into a document: written from the specification, not from the writer.

use super::super::csdl::{
    Annotation, ComplexType, Container, Document, Element, EntitySet, EntityType, EnumType, Expression, Import, Navigation,
    OperationElement, Property, Reference, Schema, Term, TypeReference,
};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An XML element.
#[derive(Debug, Default)]
pub struct Node {
    pub name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Node>,
    text: String,
}

impl Node {
    fn new(start: &BytesStart<'_>) -> Node {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            let value = quick_xml::escape::unescape(&attribute.value).unwrap().into_owned();
            (attribute.key.as_ref().to_owned(), value)
        });
        let name = start.name().as_ref().rsplit(':').next().unwrap().to_owned();
        Node { name, attributes: attributes.collect(), ..Node::default() }
    }

    fn maybe(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn get(&self, name: &str) -> String {
        self.maybe(name).unwrap_or_else(|| panic!("{} has no {name}", self.name)).to_owned()
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

fn parse(text: &str) -> Node {
    let mut reader = Reader::from_str(text);
    reader.config_mut().trim_text(true);
    reader.config_mut().check_end_names = true;
    let mut open = vec![Node::default()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => open.push(Node::new(&start)),
            Event::Empty(start) => open.last_mut().unwrap().children.push(Node::new(&start)),
            Event::End(_) => {
                let node = open.pop().unwrap();
                open.last_mut().unwrap().children.push(node);
            }
            Event::Text(text) => open.last_mut().unwrap().text.push_str(&text),
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(open.len(), 1, "every element is closed");
    open.pop().unwrap().children.pop().unwrap()
}

pub fn read(text: &str) -> Document {
    let root = parse(text);
    assert_eq!(root.name, "Edmx");
    let references = root.all("Reference").map(|reference| {
        let include = reference.all("Include").next().unwrap();
        let uri = reference.get("Uri").strip_suffix(".xml").unwrap().to_owned();
        Reference { uri, namespace: include.get("Namespace"), alias: include.get("Alias") }
    });
    let services = root.all("DataServices").next().unwrap();
    Document { references: references.collect(), schemas: services.all("Schema").map(schema).collect() }
}

fn schema(node: &Node) -> Schema {
    let mut elements = Vec::new();
    for child in &node.children {
        elements.push(match child.name.as_str() {
            "EntityType" => Element::Entity(EntityType {
                name: child.get("Name"),
                base: child.maybe("BaseType").map(str::to_owned),
                is_abstract: child.maybe("Abstract") == Some("true"),
                has_stream: child.maybe("HasStream") == Some("true"),
                key: child.all("Key").flat_map(|key| key.all("PropertyRef")).map(|part| part.get("Name")).collect(),
                properties: child.all("Property").map(property).collect(),
                navigations: child.all("NavigationProperty").map(navigation).collect(),
                annotations: annotations(child),
            }),
            "ComplexType" => {
                Element::Complex(ComplexType { name: child.get("Name"), properties: child.all("Property").map(property).collect() })
            }
            "EnumType" => Element::Enumeration(EnumType {
                name: child.get("Name"),
                underlying: child.maybe("UnderlyingType").unwrap_or("Edm.Int32").to_owned(),
                flags: child.maybe("IsFlags") == Some("true"),
                members: child
                    .all("Member")
                    .map(|member| (member.get("Name"), member.get("Value").parse().unwrap(), annotations(member)))
                    .collect(),
                annotations: annotations(child),
            }),
            "Action" | "Function" => Element::Operation(OperationElement {
                name: child.get("Name"),
                action: child.name == "Action",
                bound: child.maybe("IsBound") == Some("true"),
                composable: child.maybe("IsComposable") == Some("true"),
                parameters: child.all("Parameter").map(property).collect(),
                returns: child.all("ReturnType").next().map(type_reference),
                annotations: annotations(child),
            }),
            "Term" => Element::Term(Term {
                name: child.get("Name"),
                of: type_reference(child),
                applies_to: child.get("AppliesTo").split(' ').map(str::to_owned).collect(),
            }),
            "EntityContainer" => Element::Container(container(child)),
            "Annotation" => continue,
            other => panic!("{other} in a schema"),
        });
    }
    Schema { namespace: node.get("Namespace"), elements, annotations: annotations(node) }
}

fn type_reference(node: &Node) -> TypeReference {
    let name = node.get("Type");
    let inner = name.strip_prefix("Collection(").and_then(|rest| rest.strip_suffix(')'));
    let collection_of_entities = node.name == "NavigationProperty" && inner.is_some();
    TypeReference {
        default: node.maybe("DefaultValue").map(str::to_owned),
        collection: inner.is_some(),
        name: inner.unwrap_or(&name).to_owned(),
        nullable: !collection_of_entities && node.maybe("Nullable") != Some("false"),
        max_length: node.maybe("MaxLength").filter(|length| *length != "max").map(|length| length.parse().unwrap()),
        precision: node.maybe("Precision").map(|digits| digits.parse().unwrap()),
        scale: node.maybe("Scale").map(|digits| digits.parse().unwrap()),
        srid: node.maybe("SRID").map(|srid| srid.parse().unwrap()),
    }
}

fn property(node: &Node) -> Property {
    Property { name: node.get("Name"), of: type_reference(node), annotations: annotations(node) }
}

fn navigation(node: &Node) -> Navigation {
    Navigation {
        name: node.get("Name"),
        of: type_reference(node),
        partner: node.maybe("Partner").map(str::to_owned),
        constraints: node.all("ReferentialConstraint").map(|pair| (pair.get("Property"), pair.get("ReferencedProperty"))).collect(),
        annotations: annotations(node),
    }
}

fn container(node: &Node) -> Container {
    let set = |node: &Node| EntitySet {
        name: node.get("Name"),
        type_name: node.maybe("EntityType").or_else(|| node.maybe("Type")).unwrap().to_owned(),
        bindings: node.all("NavigationPropertyBinding").map(|binding| (binding.get("Path"), binding.get("Target"))).collect(),
        annotations: annotations(node),
    };
    let import = |node: &Node| Import {
        name: node.get("Name"),
        operation: node.maybe("Action").or_else(|| node.maybe("Function")).unwrap().to_owned(),
        action: node.name == "ActionImport",
        set: node.maybe("EntitySet").map(str::to_owned),
        listed: node.maybe("IncludeInServiceDocument") == Some("true"),
    };
    Container {
        name: node.get("Name"),
        sets: node.all("EntitySet").map(set).collect(),
        singletons: node.all("Singleton").map(set).collect(),
        imports: node.children.iter().filter(|child| child.name.ends_with("Import")).map(import).collect(),
        annotations: annotations(node),
    }
}

fn annotations(node: &Node) -> Vec<Annotation> {
    node.all("Annotation")
        .map(|annotation| Annotation {
            term: annotation.get("Term"),
            qualifier: annotation.maybe("Qualifier").map(str::to_owned),
            value: value(annotation),
        })
        .collect()
}

/// The value of an annotation or of a record's property: an attribute, or a child.
fn value(node: &Node) -> Expression {
    let kinds = ["String", "Bool", "Int", "Decimal", "EnumMember", "Path", "PropertyPath", "NavigationPropertyPath"];
    let inline = kinds.into_iter().find_map(|kind| Some(constant(kind, node.maybe(kind)?)));
    // An annotation without a value has the term's default: here always true.
    inline.or_else(|| node.children.first().map(expression)).unwrap_or(Expression::Boolean(true))
}

fn constant(kind: &str, text: &str) -> Expression {
    match kind {
        "String" => Expression::Text(text.to_owned()),
        "Bool" => Expression::Boolean(text.parse().unwrap()),
        "Int" => Expression::Integer(text.parse().unwrap()),
        "Decimal" => Expression::Decimal(text.to_owned()),
        "EnumMember" => {
            let parts: Vec<_> = text.split(' ').map(|part| part.split_once('/').unwrap()).collect();
            Expression::EnumMember(parts[0].0.to_owned(), parts.iter().map(|(_, member)| (*member).to_owned()).collect())
        }
        "Path" => Expression::Path(text.to_owned()),
        "PropertyPath" => Expression::PropertyPath(text.to_owned()),
        "NavigationPropertyPath" => Expression::NavigationPropertyPath(text.to_owned()),
        other => panic!("{other} in an expression"),
    }
}

fn expression(node: &Node) -> Expression {
    match node.name.as_str() {
        "Collection" => Expression::Collection(node.children.iter().map(expression).collect()),
        "Record" => {
            let values = node.all("PropertyValue").map(|property| (property.get("Property"), value(property)));
            Expression::Record(node.maybe("Type").map(str::to_owned), values.collect())
        }
        kind => constant(kind, &quick_xml::escape::unescape(&node.text).unwrap()),
    }
}
