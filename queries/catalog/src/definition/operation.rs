//! What an operator writes about functions and actions. It must not know how they are run.

use super::overlay::LabelDefinition;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An operation, or several of one name that differ in what they are bound to or in their parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OperationEntry {
    /// One.
    One(Box<OperationDefinition>),
    /// Overloads.
    Several(Vec<OperationDefinition>),
}

impl OperationEntry {
    /// All of the name.
    #[must_use]
    pub fn overloads(&self) -> Vec<&OperationDefinition> {
        match self {
            OperationEntry::One(one) => vec![one],
            OperationEntry::Several(several) => several.iter().collect(),
        }
    }
}

/// A function (asks) or an action (does).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationDefinition {
    /// Whether it asks or does.
    pub kind: ActionOrFunction,
    /// What it is bound to: a table's entity, or `{ collection: TABLE }`. Without it, it is called at the root of the service.
    pub bound_to: Option<BindingDefinition>,
    /// Parameters by name, in order; `$name` in SQL.
    #[serde(default)]
    pub parameters: IndexMap<String, ParameterEntry>,
    /// What it returns.
    pub returns: Option<ReturnsDefinition>,
    /// What it runs: one SQL statement or several, over virtual tables. A function is one SELECT; an action is INSERT … VALUES, UPDATE and
    /// DELETE of single rows by key, and at the end the SELECT whose rows it returns.
    pub sql: Option<Statements>,
    /// What it runs: an operation of a source. An action may have `sql` too, which is written before, in the same transaction; what it
    /// returns is what the operation returns.
    pub source: Option<SourceOperation>,
    /// Whether query options and further path segments may follow a function; they may when absent.
    pub composable: Option<bool>,
    /// The roles that may call it; when absent, whoever sees what it is bound to and what it returns. It runs with the caller's rights
    /// either way.
    pub roles: Option<Vec<String>>,
    /// What people call it: a text, or texts by language.
    pub label: Option<LabelDefinition>,
    /// For people.
    pub description: Option<String>,
}

/// Whether an operation asks or does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionOrFunction {
    /// It asks: it is read with GET and changes nothing.
    Function,
    /// It does: it is called with POST.
    Action,
}

/// What an operation is bound to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BindingDefinition {
    /// An entity of this table.
    Entity(String),
    /// A collection of entities.
    Collection(CollectionBinding),
}

/// A collection that an operation is bound to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectionBinding {
    /// The table whose entities it has.
    pub collection: String,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ParameterEntry {
    /// Its type, or the name of an enumeration.
    Type(String),
    /// Its type and more.
    Full(ParameterDefinition),
}

/// A parameter with more than a type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterDefinition {
    /// Its type, or the name of an enumeration.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it may be null.
    #[serde(default)]
    pub nullable: bool,
    /// Whether it may be left out; it is null then.
    #[serde(default)]
    pub optional: bool,
    /// Greatest length in characters.
    pub max_length: Option<u32>,
}

/// What an operation returns: entities of a `table`, values of a plain `type`, or of a `complex` type with `members`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnsDefinition {
    /// Entities of this table.
    pub table: Option<String>,
    /// Values of this type.
    #[serde(rename = "type")]
    pub scalar_type: Option<String>,
    /// Values of a complex type of this name.
    pub complex: Option<String>,
    /// The complex type's members and their types. A question mark behind a type says that it may be null: `text?`.
    pub members: Option<IndexMap<String, String>>,
    /// Whether there may be several.
    #[serde(default)]
    pub many: bool,
    /// Whether there may be none, when it is not several; there may when absent.
    pub nullable: Option<bool>,
}

/// SQL statements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Statements {
    /// One.
    One(String),
    /// Several, in order.
    Several(Vec<String>),
}

/// An operation of a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceOperation {
    /// The source.
    pub name: String,
    /// Its name there, or name and types of parameters where several share it: `price(int4)`. The operation's own name when absent.
    pub operation: Option<String>,
    /// What its parameters are given, where that has another name here: a parameter, or a key column of the entity that this is bound to.
    #[serde(default)]
    pub arguments: IndexMap<String, String>,
    /// The tables that it writes to, which the cache then forgets; all of the source when absent.
    pub touches: Option<Vec<String>>,
}
