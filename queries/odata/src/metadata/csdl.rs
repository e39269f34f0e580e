//! A CSDL document as data, before it is written as XML or as JSON: what both forms say, and nothing that only one of them can. It must
//! not know where it came from.

/// A document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// Vocabularies whose terms are used: alias, namespace and where it is published (without extension).
    pub references: Vec<Reference>,
    /// Schemas in order.
    pub schemas: Vec<Schema>,
}

/// A vocabulary that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it is published, without `.xml` or `.json`.
    pub uri: String,
    /// Its namespace.
    pub namespace: String,
    /// Its short name.
    pub alias: String,
}

/// A schema.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schema {
    /// Its namespace.
    pub namespace: String,
    /// Its elements in order.
    pub elements: Vec<Element>,
    /// Annotations of the schema itself.
    pub annotations: Vec<Annotation>,
}

/// A child of a schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Element {
    /// An entity type.
    Entity(EntityType),
    /// A complex type.
    Complex(ComplexType),
    /// An enumeration type.
    Enumeration(EnumType),
    /// A function or action.
    Operation(OperationElement),
    /// A term.
    Term(Term),
    /// The entity container.
    Container(Container),
}

/// An entity type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EntityType {
    /// Its name.
    pub name: String,
    /// Qualified name of its base type.
    pub base: Option<String>,
    /// Whether it has no instances of its own.
    pub is_abstract: bool,
    /// Whether its entities are media entities.
    pub has_stream: bool,
    /// Its key, where it is not its base type's.
    pub key: Vec<String>,
    /// Its structural properties.
    pub properties: Vec<Property>,
    /// Its navigation properties.
    pub navigations: Vec<Navigation>,
    /// Annotations.
    pub annotations: Vec<Annotation>,
}

/// A complex type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComplexType {
    /// Its name.
    pub name: String,
    /// Its properties.
    pub properties: Vec<Property>,
}

/// A type with its facets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeReference {
    /// What a property's value is when none is given, as text; of an enumeration a member's name.
    pub default: Option<String>,
    /// Qualified name.
    pub name: String,
    /// Whether there are several.
    pub collection: bool,
    /// Whether a value (of a collection: an item) may be null.
    pub nullable: bool,
    /// Greatest length; unlimited when absent.
    pub max_length: Option<u32>,
    /// Digits in all, or of fractional seconds.
    pub precision: Option<u8>,
    /// Digits after the point.
    pub scale: Option<i8>,
    /// The reference system of a geography or geometry.
    pub srid: Option<u32>,
}

/// A structural property.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: TypeReference,
    /// Annotations.
    pub annotations: Vec<Annotation>,
}

/// A navigation property.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Navigation {
    /// Its name.
    pub name: String,
    /// Its type, without facets.
    pub of: TypeReference,
    /// The path that leads back.
    pub partner: Option<String>,
    /// Properties of this type, and properties of the other that they equal.
    pub constraints: Vec<(String, String)>,
    /// Annotations.
    pub annotations: Vec<Annotation>,
}

/// An enumeration type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnumType {
    /// Its name.
    pub name: String,
    /// Name of its integer type.
    pub underlying: String,
    /// Whether members combine.
    pub flags: bool,
    /// Name, value and annotations of each member.
    pub members: Vec<(String, i64, Vec<Annotation>)>,
    /// Annotations.
    pub annotations: Vec<Annotation>,
}

/// A function or action.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OperationElement {
    /// Its name.
    pub name: String,
    /// Whether it is an action.
    pub action: bool,
    /// Whether its first parameter is what it is bound to.
    pub bound: bool,
    /// Whether more of a path, or query options, may follow it.
    pub composable: bool,
    /// Parameters in order.
    pub parameters: Vec<Property>,
    /// What it returns.
    pub returns: Option<TypeReference>,
    /// Annotations.
    pub annotations: Vec<Annotation>,
}

/// A term.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Term {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: TypeReference,
    /// What it may be applied to.
    pub applies_to: Vec<String>,
}

/// The entity container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Entity sets.
    pub sets: Vec<EntitySet>,
    /// Singletons.
    pub singletons: Vec<EntitySet>,
    /// Function and action imports.
    pub imports: Vec<Import>,
    /// Annotations.
    pub annotations: Vec<Annotation>,
}

/// An entity set or singleton.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EntitySet {
    /// Its name.
    pub name: String,
    /// Qualified name of its type.
    pub type_name: String,
    /// Paths of navigation properties, and the sets that they lead to.
    pub bindings: Vec<(String, String)>,
    /// Annotations.
    pub annotations: Vec<Annotation>,
}

/// A function or action at the root.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Import {
    /// Its name.
    pub name: String,
    /// Qualified name of the function or action.
    pub operation: String,
    /// Whether it is an action.
    pub action: bool,
    /// The set that returned entities are of.
    pub set: Option<String>,
    /// Whether the service document lists it.
    pub listed: bool,
}

/// An annotation.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// The term, with its vocabulary's alias or a namespace.
    pub term: String,
    /// The qualifier.
    pub qualifier: Option<String>,
    /// The value.
    pub value: Expression,
}

/// The value of an annotation.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// Text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A decimal number as text.
    Decimal(String),
    /// Members of an enumeration: its qualified name, and their names.
    EnumMember(String, Vec<String>),
    /// A path whose value is meant.
    Path(String),
    /// A path to a property, which is meant itself.
    PropertyPath(String),
    /// A path to a navigation property, which is meant itself.
    NavigationPropertyPath(String),
    /// Several values.
    Collection(Vec<Expression>),
    /// Named values, and the qualified name of the record's type where it is said.
    Record(Option<String>, Vec<(String, Expression)>),
}

impl Document {
    /// Removes the annotations that are not wanted.
    pub fn retain(&mut self, wanted: &dyn Fn(&Annotation) -> bool) {
        fn of_properties(properties: &mut [Property], wanted: &dyn Fn(&Annotation) -> bool) {
            properties.iter_mut().for_each(|property| property.annotations.retain(wanted));
        }
        for schema in &mut self.schemas {
            schema.annotations.retain(wanted);
            for element in &mut schema.elements {
                match element {
                    Element::Entity(entity) => {
                        entity.annotations.retain(wanted);
                        of_properties(&mut entity.properties, wanted);
                        entity.navigations.iter_mut().for_each(|navigation| navigation.annotations.retain(wanted));
                    }
                    Element::Complex(complex) => of_properties(&mut complex.properties, wanted),
                    Element::Enumeration(enumeration) => {
                        enumeration.annotations.retain(wanted);
                        enumeration.members.iter_mut().for_each(|(_, _, annotations)| annotations.retain(wanted));
                    }
                    Element::Operation(operation) => {
                        operation.annotations.retain(wanted);
                        of_properties(&mut operation.parameters, wanted);
                    }
                    Element::Container(container) => {
                        container.annotations.retain(wanted);
                        container.sets.iter_mut().chain(&mut container.singletons).for_each(|set| set.annotations.retain(wanted));
                    }
                    Element::Term(_) => {}
                }
            }
        }
    }
}

impl Annotation {
    /// An annotation without qualifier.
    pub fn new(term: impl Into<String>, value: Expression) -> Annotation {
        Annotation { term: term.into(), qualifier: None, value }
    }

    /// A text.
    pub fn text(term: impl Into<String>, text: impl Into<String>) -> Annotation {
        Annotation::new(term, Expression::Text(text.into()))
    }

    /// True or false.
    pub fn flag(term: impl Into<String>, value: bool) -> Annotation {
        Annotation::new(term, Expression::Boolean(value))
    }

    /// A record without a type.
    pub fn record(term: impl Into<String>, values: Vec<(&str, Expression)>) -> Annotation {
        Annotation::new(term, record(values))
    }
}

/// A record without a type.
pub fn record(values: Vec<(&str, Expression)>) -> Expression {
    Expression::Record(None, values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A member of an enumeration.
pub fn member(of: &str, name: &str) -> Expression {
    Expression::EnumMember(of.to_owned(), vec![name.to_owned()])
}

/// Texts.
pub fn texts<'a>(items: impl IntoIterator<Item = &'a str>) -> Expression {
    Expression::Collection(items.into_iter().map(|item| Expression::Text(item.to_owned())).collect())
}
