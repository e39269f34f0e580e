//! Model view → CSDL document as data. It must not know how documents are written.

mod annotations;
mod capabilities;
mod container;
mod operations;
mod types;

pub use annotations::used_vocabularies;
pub use capabilities::{Abilities, SERVICE};
pub use container::listed_functions;

use super::csdl::{Document, Element, Property, Schema, Term, TypeReference};
use crate::edm::type_name;
use crate::json::value_text;
use portico_catalog::{Column, ModelView, Operation};
use portico_provider_api::ScalarType;

/// The schema that defines our own term, and the term.
pub const OWN_NAMESPACE: &str = "Portico.Vocabulary.V1";
/// The name that a column has in its source, where OData cannot carry it or it is published under another.
pub const ORIGINAL_NAME: &str = "OriginalName";

/// What a description needs to know at every place.
pub struct Describe<'a> {
    view: &'a ModelView,
    namespace: String,
    language: Option<&'a str>,
    abilities: &'a Abilities,
}

/// The document of a view, with labels in a language where there are any in it, as a service with these abilities has it.
pub fn document(view: &ModelView, language: Option<&str>, abilities: &Abilities) -> Document {
    let describe = Describe { view, namespace: super::namespace(view), language, abilities };
    let mut elements: Vec<Element> = Vec::new();
    elements.extend(view.tables.values().flat_map(|table| describe.entity_types(table)).map(Element::Entity));
    elements.extend(describe.complex_types().into_iter().map(Element::Complex));
    elements.extend(view.enumerations().into_values().map(|enumeration| Element::Enumeration(describe.enumeration(enumeration))));
    elements.extend(describe.advertised().map(|operation| Element::Operation(describe.operation(operation))));
    // A container must not be empty (CSDL 4.01, section 13.1): a caller that sees nothing finds none.
    if !view.tables.is_empty() || describe.advertised().next().is_some() {
        elements.push(Element::Container(describe.container()));
    }
    let annotations = describe.of_schema();
    let mut schemas = vec![Schema { namespace: describe.namespace.clone(), elements, annotations }];
    if view.tables.values().flat_map(portico_catalog::TableView::visible).any(|(_, column)| column.original_name.is_some()) {
        schemas.push(own_schema());
    }
    let mut document = Document { references: Vec::new(), schemas };
    document.references = used_vocabularies(&document);
    document
}

fn own_schema() -> Schema {
    let term = Term {
        name: ORIGINAL_NAME.to_owned(),
        of: TypeReference { name: "Edm.String".to_owned(), ..TypeReference::default() },
        applies_to: vec!["Property".to_owned()],
    };
    Schema { namespace: OWN_NAMESPACE.to_owned(), elements: vec![Element::Term(term)], annotations: Vec::new() }
}

impl Describe<'_> {
    /// The operations that are told of.
    fn advertised(&self) -> impl Iterator<Item = &Operation> {
        self.view.operations.iter().map(AsRef::as_ref).filter(|_| self.abilities.operations)
    }

    fn qualified(&self, name: &str) -> String {
        format!("{}.{name}", self.namespace)
    }

    /// The type of a column's values, with facets: lengths, precisions and scales are always given, because clients take absence for a
    /// small default.
    fn type_of(&self, column: &Column, nullable: bool) -> TypeReference {
        if let Some(enumeration) = &column.enumeration {
            return TypeReference { name: self.qualified(&enumeration.name), nullable, ..TypeReference::default() };
        }
        if let Some(spatial) = &column.spatial {
            return TypeReference { nullable, ..types::spatial(&spatial.of) };
        }
        TypeReference { nullable, ..scalar(column.scalar_type, column.max_length) }
    }

    /// A column as a property, under a name of its own.
    fn property(&self, column: &Column, name: &str, is_key: bool) -> Property {
        // A key part is never null, whatever the source says of its column.
        let of = TypeReference { default: default_text(column), ..self.type_of(column, column.nullable && !is_key) };
        Property { name: name.to_owned(), of, annotations: self.of_column(column, is_key) }
    }
}

/// A column's default as text: the name of an enumeration's member, otherwise the value without quotes.
fn default_text(column: &Column) -> Option<String> {
    let default = column.default.as_ref()?;
    match &column.enumeration {
        Some(enumeration) => enumeration.members.iter().find(|member| member.stored == *default).map(|member| member.name.clone()),
        None => Some(String::from_utf8_lossy(&value_text(default)).into_owned()),
    }
}

/// A scalar type with its facets, never null.
fn scalar(scalar_type: ScalarType, max_length: Option<u32>) -> TypeReference {
    let name = type_name(scalar_type).to_owned();
    let plain = TypeReference { name, ..TypeReference::default() };
    match scalar_type {
        ScalarType::Text | ScalarType::Json | ScalarType::Binary => TypeReference { max_length, ..plain },
        ScalarType::Decimal { precision, scale } => TypeReference { precision: Some(precision), scale: Some(scale), ..plain },
        ScalarType::Time | ScalarType::Timestamp | ScalarType::TimestampTz => TypeReference { precision: Some(6), ..plain },
        ScalarType::Boolean
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Date
        | ScalarType::Guid => plain,
    }
}
