//! What the model says beyond tables and columns, so that a relational source can show what OData can express: enumerations, complex and
//! derived types, streams, hierarchies, labels, annotations, operations. Resolved and checked; it must not know how any of it is written
//! in a protocol.

pub use crate::operation::{Binding, Operation, OperationBody, Parameter, ReturnKind, Returns, SourceBody, VALUE};

use crate::spatial::PointProperty;
use indexmap::IndexMap;
use portico_provider_api::{ScalarType, Value};

/// What a table has beyond columns and relationships. Positions are those of [`crate::VirtualTable::columns`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overlay {
    /// Columns shown as the members of one property.
    pub complex: Vec<ComplexProperty>,
    /// Pairs of columns shown as points.
    pub points: Vec<PointProperty>,
    /// Types derived from the table's own, told apart by a column.
    pub derivation: Option<Derivation>,
    /// Columns shown as stream properties.
    pub streams: Vec<StreamProperty>,
    /// The stream that the entity itself is, for a media entity; its name is not published.
    pub media: Option<StreamProperty>,
    /// Recursive hierarchies over this table.
    pub hierarchies: Vec<Hierarchy>,
    /// Aggregates with names of their own.
    pub aggregates: Vec<CustomAggregate>,
    /// Names for people.
    pub labels: Labels,
    /// Annotations of the entity set.
    pub annotations: Vec<Annotation>,
    /// What clients may not ask of the set.
    pub restrictions: Restrictions,
}

/// Names for people by language (`en`, `de-CH`); the empty language is the default.
pub type Labels = IndexMap<String, String>;

/// The name for a reader of a language: in the language itself, else in one that differs only in its region or script, else the
/// default.
#[must_use]
pub fn label<'a>(labels: &'a Labels, language: Option<&str>) -> Option<&'a str> {
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let exact = |wanted: &str| labels.iter().find(|(language, _)| language.eq_ignore_ascii_case(wanted));
    let near = |wanted: &str| labels.iter().find(|(language, _)| !language.is_empty() && primary(language) == primary(wanted));
    let found = language.filter(|wanted| !wanted.is_empty()).and_then(|wanted| exact(wanted).or_else(|| near(wanted)));
    found.or_else(|| labels.iter().find(|(language, _)| language.is_empty())).map(|(_, text)| text.as_str())
}

/// A named set of values over an integer or code column. Columns of different types that share one have an enumeration each, which differ
/// in what [`EnumerationMember::stored`] says.
#[derive(Debug, Clone, PartialEq)]
pub struct Enumeration {
    /// Its name: an OData type name without namespace.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Names for people.
    pub labels: Labels,
    /// Whether members combine bit by bit; then the columns are integers.
    pub flags: bool,
    /// The underlying integer type.
    pub underlying: ScalarType,
    /// Members in order.
    pub members: Vec<EnumerationMember>,
}

/// A member of an enumeration.
#[derive(Debug, Clone, PartialEq)]
pub struct EnumerationMember {
    /// Its name.
    pub name: String,
    /// Its numeric value.
    pub value: i64,
    /// How the column holds it: the number itself, or a code. It has the column's type.
    pub stored: Value,
    /// For people.
    pub description: Option<String>,
    /// Names for people.
    pub labels: Labels,
}

/// A property made of several columns. It is null where they all are.
#[derive(Debug, Clone, PartialEq)]
pub struct ComplexProperty {
    /// Its name.
    pub name: String,
    /// Name of its type, without namespace; tables may share one whose members are alike.
    pub type_name: String,
    /// Member names and the columns that hold them.
    pub members: Vec<(String, usize)>,
}

/// Types derived from a table's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Derivation {
    /// The column that says which type a row is of.
    pub discriminator: usize,
    /// Whether every row is of a derived type. The table's window then leaves out all others.
    pub is_abstract: bool,
    /// The derived types; a base comes before what is derived from it.
    pub types: Vec<DerivedType>,
}

/// A derived type.
#[derive(Debug, Clone, PartialEq)]
pub struct DerivedType {
    /// Its name, without namespace.
    pub name: String,
    /// The derived type it is derived from; the table's own type when absent.
    pub base: Option<String>,
    /// Values of the discriminator that mean this type itself; those of types derived from it are theirs.
    pub values: Vec<Value>,
    /// Columns that only rows of this type, and of types derived from it, have.
    pub columns: Vec<usize>,
}

/// A value that is fetched on its own.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamProperty {
    /// Its name.
    pub name: String,
    /// The column with the bytes (or the text).
    pub content: usize,
    /// What the bytes are.
    pub media_type: MediaType,
}

/// Where the media type of a stream is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaType {
    /// It is always this one.
    Fixed(String),
    /// In a column; `application/octet-stream` where that is null.
    Column(usize),
}

/// A recursive hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its qualifier.
    pub qualifier: String,
    /// The column that identifies a node.
    pub node: usize,
    /// Position of the to-one relationship to the parent.
    pub parent: usize,
}

/// An aggregate with a name of its own. One with the name of a column is that column's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomAggregate {
    /// Its name.
    pub name: String,
    /// How values become one.
    pub method: AggregateMethod,
    /// The column with the values; without it rows are counted.
    pub column: Option<usize>,
}

/// How values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggregateMethod {
    /// Their sum; null without values.
    Sum,
    /// The least; null without values.
    Min,
    /// The greatest; null without values.
    Max,
    /// Their sum, divided by their number; null without values.
    Average,
    /// How many different ones there are.
    CountDistinct,
    /// How many there are that are not null.
    Count,
}

/// Whether a column's value may be given by clients, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mutability {
    /// Whenever the row is written.
    #[default]
    Always,
    /// Only when the row is made.
    Immutable,
    /// Never: the source computes it.
    Computed,
}

/// An annotation of the model's own, with a qualified term: `Measures.Unit`.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// The term, with the alias or namespace of its vocabulary.
    pub term: String,
    /// The qualifier, if any.
    pub qualifier: Option<String>,
    /// Its value.
    pub value: AnnotationValue,
}

/// The value of an annotation.
#[derive(Debug, Clone, PartialEq)]
pub enum AnnotationValue {
    /// Text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A decimal number, as written.
    Decimal(String),
    /// A path to a property, whose value is meant.
    Path(String),
    /// A path to a property, which is meant itself.
    PropertyPath(String),
    /// A member of an enumeration: `Capabilities.SearchExpressions/none`.
    EnumMember(String),
    /// Several values.
    Collection(Vec<AnnotationValue>),
    /// Named values.
    Record {
        /// The record's type, with the alias or namespace of its vocabulary, where the term's own is abstract.
        type_name: Option<String>,
        /// The values, in order.
        values: IndexMap<String, AnnotationValue>,
    },
}

/// What clients may not ask of a set, declared in `$metadata` and refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// Columns that `$filter` may not name.
    pub not_filterable: Vec<usize>,
    /// Columns that `$orderby` may not name.
    pub not_sortable: Vec<usize>,
    /// Columns of which each must be restricted by `$filter`.
    pub required_in_filter: Vec<usize>,
    /// Relationships that may not be expanded.
    pub not_expandable: Vec<usize>,
    /// `$count` is refused.
    pub not_countable: bool,
    /// Only single entities may be read, not the set.
    pub not_readable: bool,
}

impl AnnotationValue {
    /// Adds all paths in it.
    pub fn paths<'a>(&'a self, found: &mut Vec<&'a str>) {
        match self {
            AnnotationValue::Path(path) | AnnotationValue::PropertyPath(path) => found.push(path),
            AnnotationValue::Collection(items) => items.iter().for_each(|item| item.paths(found)),
            AnnotationValue::Record { values, .. } => values.values().for_each(|value| value.paths(found)),
            AnnotationValue::Text(_)
            | AnnotationValue::Boolean(_)
            | AnnotationValue::Integer(_)
            | AnnotationValue::Decimal(_)
            | AnnotationValue::EnumMember(_) => {}
        }
    }

    /// The value without what names a property that is not seen: items of collections are left out, and whatever else names one is
    /// not there at all.
    #[must_use]
    pub fn seen(&self, shown: &dyn Fn(&str) -> bool) -> Option<AnnotationValue> {
        match self {
            AnnotationValue::Path(path) | AnnotationValue::PropertyPath(path) => shown(path).then(|| self.clone()),
            AnnotationValue::Collection(items) => {
                Some(AnnotationValue::Collection(items.iter().filter_map(|item| item.seen(shown)).collect()))
            }
            AnnotationValue::Record { type_name, values } => {
                let values = values.iter().map(|(name, value)| Some((name.clone(), value.seen(shown)?)));
                Some(AnnotationValue::Record { type_name: type_name.clone(), values: values.collect::<Option<_>>()? })
            }
            AnnotationValue::Text(_)
            | AnnotationValue::Boolean(_)
            | AnnotationValue::Integer(_)
            | AnnotationValue::Decimal(_)
            | AnnotationValue::EnumMember(_) => Some(self.clone()),
        }
    }
}

impl Enumeration {
    /// The member of that name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&EnumerationMember> {
        self.members.iter().find(|member| member.name == name)
    }
}

impl AggregateMethod {
    /// All of them.
    pub const ALL: [AggregateMethod; 6] = [
        AggregateMethod::Sum,
        AggregateMethod::Min,
        AggregateMethod::Max,
        AggregateMethod::Average,
        AggregateMethod::CountDistinct,
        AggregateMethod::Count,
    ];

    /// What it is called in definitions and requests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AggregateMethod::Sum => "sum",
            AggregateMethod::Min => "min",
            AggregateMethod::Max => "max",
            AggregateMethod::Average => "average",
            AggregateMethod::CountDistinct => "countdistinct",
            AggregateMethod::Count => "count",
        }
    }

    /// The method of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<AggregateMethod> {
        AggregateMethod::ALL.into_iter().find(|method| method.name() == name)
    }
}

impl Overlay {
    /// The complex property that a column is a member of, and its name there.
    #[must_use]
    pub fn complex_of(&self, column: usize) -> Option<(&ComplexProperty, &str)> {
        self.complex.iter().find_map(|complex| {
            let (name, _) = complex.members.iter().find(|(_, member)| *member == column)?;
            Some((complex, name.as_str()))
        })
    }

    /// The point that a column is a coordinate of.
    #[must_use]
    pub fn point_of(&self, column: usize) -> Option<&PointProperty> {
        self.points.iter().find(|point| point.holds(column))
    }

    /// The derived type whose rows alone have a column.
    #[must_use]
    pub fn owner(&self, column: usize) -> Option<&DerivedType> {
        self.derivation.as_ref().and_then(|derivation| derivation.owner(column))
    }

    /// Whether a column is only published as (part of) a stream.
    #[must_use]
    pub fn is_stream_content(&self, column: usize) -> bool {
        self.streams.iter().chain(&self.media).any(|stream| stream.content == column)
    }
}

impl Derivation {
    /// The type of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&DerivedType> {
        self.types.iter().find(|derived| derived.name == name)
    }

    /// Whether a type is another or is derived from it, over any number of steps.
    #[must_use]
    pub fn is_a(&self, name: &str, ancestor: &str) -> bool {
        let mut current = Some(name);
        // A base comes before what is derived from it, so this ends.
        while let Some(name) = current {
            if name == ancestor {
                return true;
            }
            current = self.named(name).and_then(|derived| derived.base.as_deref());
        }
        false
    }

    /// Values of the discriminator that mean a type or one derived from it.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<Value> {
        self.types.iter().filter(|derived| self.is_a(&derived.name, name)).flat_map(|derived| derived.values.clone()).collect()
    }

    /// Whether no row is of a type itself, and its declared base is of that kind too: OData lets no abstract type be derived from one
    /// that is not.
    #[must_use]
    pub fn is_abstract(&self, name: &str) -> bool {
        let mut current = self.named(name);
        while let Some(derived) = current {
            if !derived.values.is_empty() {
                return false;
            }
            current = derived.base.as_deref().and_then(|base| self.named(base));
        }
        self.is_abstract
    }

    /// The derived type whose rows alone have a column, where it is not every row's.
    #[must_use]
    pub fn owner(&self, column: usize) -> Option<&DerivedType> {
        self.types.iter().find(|derived| derived.columns.contains(&column))
    }
}
