//! What a service has, read from its `$metadata`: entity sets with flat columns, keys, references, restrictions and operations, the same
//! for OData 2.0 and 4.0. Pure; it must not know how the document came, nor how a set is asked.

mod annotations;
mod bound;
mod edmx;
mod navigation;
mod properties;
mod restrictions;
mod types;
mod v2;
mod v4;
mod xml;

pub use navigation::Navigation;
pub use restrictions::Restrictions;
pub use types::Edm;

use edmx::Document;
use portico_provider_api::{ForeignKey, ScalarType};
use std::collections::BTreeSet;

/// The protocol that a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OData 2.0 (and 1.0, 3.0 as far as they are the same).
    V2,
    /// OData 4.0 and 4.01.
    V4,
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// What it speaks.
    pub protocol: Protocol,
    /// Its sets, in the document's order: those that were asked for.
    pub sets: Vec<EntitySet>,
    /// Functions and actions: those that are not bound to anything, and those of the sets that were asked for.
    pub operations: Vec<Operation>,
    /// What its container says of all sets.
    pub general: General,
    /// What is left out, a sentence each.
    pub notes: Vec<String>,
}

/// What is said of a service as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct General {
    /// Functions that conditions may call, where it says which.
    pub filter_functions: Option<Vec<String>>,
    /// Whether `$batch` is there, where it says so.
    pub batch: Option<bool>,
    /// Whether it says that it speaks 4.01.
    pub is_401: bool,
    /// Whether moments are read without their digits beyond microseconds, as configured.
    pub truncates: bool,
}

/// An entity set.
#[derive(Debug, Clone, PartialEq)]
pub struct EntitySet {
    /// Name.
    pub name: String,
    /// What it is, for a person.
    pub description: Option<String>,
    /// Its properties, flat: what is complex is a path (`Address/City`).
    pub properties: Vec<Property>,
    /// Names of the key's properties.
    pub key: Vec<String>,
    /// References to other sets.
    pub foreign_keys: Vec<ForeignKey>,
    /// Navigation properties that lead to one entity of another set.
    pub navigation: Vec<Navigation>,
    /// Navigation properties to one entity (OData 4.0).
    pub links: Vec<Link>,
    /// Whether it says that its entities have ETags.
    pub etag: bool,
    /// What it cannot do.
    pub restrictions: Restrictions,
}

/// A property that became a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Path.
    pub name: String,
    /// The type in the document: `Edm.String`, `NS.Color`, `Collection(…)`.
    pub type_name: String,
    /// What it is in requests and answers.
    pub edm: Edm,
    /// The type readers see.
    pub scalar_type: ScalarType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Greatest length.
    pub max_length: Option<u32>,
    /// What it is, for a person.
    pub description: Option<String>,
    /// Whether the service computes it always.
    pub computed: bool,
    /// Whether the service has a value when none is given.
    pub has_default: bool,
    /// Members, of an enumeration.
    pub members: Option<Vec<String>>,
    /// Whether it can stand in a condition, where that is said.
    pub filterable: Option<bool>,
    /// Whether rows can be sorted by it, where that is said.
    pub sortable: Option<bool>,
    /// Whether it is a moment or time of day of OData 4.0 of whose digits of a second nothing is said.
    pub unsaid_precision: bool,
    /// Whether its digits of a second beyond microseconds are left out, as [`crate::moments`] decides.
    pub truncated: bool,
    /// How it is written where not by its value, as [`crate::look_ups`] decides.
    pub look_up: LookUp,
}

/// How a property is written that refers to an entity.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum LookUp {
    /// By its value, as any other.
    #[default]
    Value,
    /// By a reference of this navigation property to the entity whose key is its value (`x@odata.bind`).
    Bound(Box<Link>),
    /// By one of several navigation properties, and none was chosen.
    Ambiguous(Vec<String>),
}

/// A navigation property to one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// The set in which the entity is, where that is said.
    pub set: Option<String>,
    /// Pairs of a property here and the one there that is the same.
    pub constraints: Vec<(String, String)>,
    /// The key of the entity there.
    pub key: Vec<Property>,
}

/// A function or action.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The last part of the URL: the name of its import, or of itself with its namespace where it is bound.
    pub name: String,
    /// What it is bound to.
    pub binding: Option<Binding>,
    /// What it is, for a person.
    pub description: Option<String>,
    /// Parameters; before them the key of the entity that it is bound to.
    pub parameters: Vec<Property>,
    /// What comes back.
    pub returns: Option<Returns>,
    /// Whether it may change something.
    pub changes: bool,
    /// Whether it is asked by `GET`; otherwise by `POST`.
    pub get: bool,
    /// Why it cannot be called.
    pub unavailable: Option<String>,
}

/// What an operation is bound to.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The set.
    pub set: String,
    /// The names under which it is known beside that of the set: its own, with the namespace only where another has the same.
    pub known_as: Vec<String>,
    /// The key of the entity, in the order of the first parameters; nothing where it is bound to the set as a whole.
    pub key: Option<Vec<String>>,
}

/// What an operation returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Returns {
    /// Columns; a plain value is one, named `value`.
    pub columns: Vec<Property>,
    /// Whether there may be many.
    pub many: bool,
    /// Whether it has parts: an entity or a complex value.
    pub composite: bool,
}

impl Service {
    /// Reads a document. Only sets in `wanted` are kept; all of them without.
    ///
    /// # Errors
    /// What is wrong with the document, and where.
    pub fn read(bytes: &[u8], wanted: Option<&BTreeSet<String>>) -> Result<Service, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("byte {}: it is not UTF-8", error.valid_up_to()))?;
        let document = Document::read(text.trim_start_matches('\u{feff}'))?;
        let major = document.version.split('.').next().unwrap_or_default();
        match major {
            "4" => Ok(v4::service(&document, wanted)),
            // OData 1.0 to 3.0 all say 1.0 here.
            "1" => Ok(v2::service(&document, wanted)),
            _ => Err(format!("it is of version '{}', and those of OData 2.0 and 4.0 are read", document.version)),
        }
    }

    /// The set of that name.
    pub fn set(&self, name: &str) -> Option<&EntitySet> {
        self.sets.iter().find(|set| set.name == name)
    }
}

impl Operation {
    /// Its names, from outermost to innermost.
    pub fn names(&self) -> Vec<String> {
        match &self.binding {
            Some(binding) => std::iter::once(binding.set.clone()).chain(binding.known_as.iter().cloned()).collect(),
            None => vec![self.name.clone()],
        }
    }

    /// What tells it from all others: its names, and names and types of its parameters.
    pub fn signature(&self) -> String {
        let parameter = |parameter: &Property| format!("{} {}", parameter.name, parameter.type_name);
        format!("{}({})", self.names().join("."), self.parameters.iter().map(parameter).collect::<Vec<_>>().join(", "))
    }

    /// How many of its parameters are the key of the entity that it is bound to.
    pub fn key_parameters(&self) -> usize {
        self.binding.as_ref().and_then(|binding| binding.key.as_ref()).map_or(0, Vec::len)
    }
}

impl EntitySet {
    /// The property of that path.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }
}
