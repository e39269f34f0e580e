//! Functions and actions, resolved against tables, types and sources. SQL is not read here: who runs it checks it. It must not know how
//! an operation is called.

mod of_source;

use super::overlay::{Enumerations, check_name, labels};
use super::{Standing, Work, below, error_at};
use crate::definition::{
    ActionOrFunction, BindingDefinition, OperationDefinition, OperationEntry, ParameterDefinition, ParameterEntry, ReturnsDefinition,
    Statements,
};
use crate::model::Column;
use crate::overlay::{Binding, Enumeration, Operation, OperationBody, Parameter, ReturnKind, Returns};
use portico_provider_api::ScalarType;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The overloads of an entry, each with the path that leads to it.
pub(super) fn each<'a>(entry: &'a OperationEntry, path: &[String]) -> Vec<(&'a OperationDefinition, Vec<String>)> {
    match entry {
        OperationEntry::One(one) => vec![(one.as_ref(), path.to_vec())],
        OperationEntry::Several(several) => {
            several.iter().enumerate().map(|(index, one)| (one, below(path, &[&index.to_string()]))).collect()
        }
    }
}

/// Resolves all operations.
pub(super) fn build(work: &mut Work<'_>, enumerations: &Enumerations) -> Vec<Arc<Operation>> {
    let mut result: Vec<Arc<Operation>> = Vec::new();
    for (name, entry) in &work.definition.operations {
        let path = below(&[], &["operations", name]);
        let overloads = each(entry, &path);
        if overloads.is_empty() {
            work.error(error_at(path.clone(), "there is no overload: leave the operation out"));
        }
        let mut of_name: Vec<Arc<Operation>> = Vec::new();
        for (definition, here) in overloads {
            let before = work.errors.len();
            let Some(operation) = one(work, name, definition, enumerations, &here) else { continue };
            if work.errors.len() > before {
                continue;
            }
            refuse_indistinct(work, &operation, &of_name, &here);
            of_name.push(Arc::new(operation));
        }
        if of_name.iter().any(|operation| operation.of_source().is_some() && operation.roles.is_none()) {
            let whose = "runs with the rights of the source's own login, which no row rule or mask reaches";
            work.note(format!("the operation {name} {whose}: everybody may call it, unless `roles` says who"));
        }
        result.append(&mut of_name);
    }
    result
}

fn one(
    work: &mut Work<'_>,
    name: &str,
    definition: &OperationDefinition,
    enumerations: &Enumerations,
    path: &[String],
) -> Option<Operation> {
    let action = definition.kind == ActionOrFunction::Action;
    let binding = match &definition.bound_to {
        None => None,
        Some(bound) => Some(binding(work, name, bound, path)?),
    };
    let parameters = parameters(work, definition, binding.as_ref(), enumerations, path);
    let returns = match &definition.returns {
        None => None,
        Some(returns) => returned(work, name, returns, path),
    };
    if !action && definition.returns.is_none() {
        work.error(error_at(path.to_vec(), "a function returns something: say what with `returns`"));
    }
    let published = Published { name, definition, binding: binding.as_ref(), parameters: &parameters, returns: returns.as_ref() };
    let body = body(work, &published, path)?;
    let composable = definition.composable.unwrap_or(!action);
    if composable && action {
        work.error(error_at(below(path, &["composable"]), "nothing can be composed with an action: only a function is composable"));
    }
    if definition.roles.as_ref().is_some_and(Vec::is_empty) {
        work.error(error_at(below(path, &["roles"]), "nobody could call it: name a role, or leave `roles` out"));
    }
    let labels = labels(work, definition.label.as_ref(), &below(path, &["label"]));
    let description = definition.description.clone();
    let (name, roles) = (name.to_owned(), definition.roles.clone());
    Some(Operation { name, action, binding, parameters, returns, body, composable, roles, description, labels })
}

/// Whether a table that an operation needs is there; a mistake or a note is added where it is not.
fn has_table(work: &mut Work<'_>, operation: &str, table: &str, path: Vec<String>) -> bool {
    match work.standing(table) {
        Standing::Built => true,
        Standing::Broken => false,
        Standing::LeftOut => {
            work.note(format!("the operation {operation} is left out: it needs {table}, which is left out"));
            false
        }
        Standing::Unknown => {
            let error = error_at(path, format!("there is no table '{table}'"));
            let error = error.suggesting(table, work.tables.keys().map(String::as_str));
            work.error(error);
            false
        }
    }
}

fn binding(work: &mut Work<'_>, name: &str, definition: &BindingDefinition, path: &[String]) -> Option<Binding> {
    let (table, many, at) = match definition {
        BindingDefinition::Entity(table) => (table, false, below(path, &["bound_to"])),
        BindingDefinition::Collection(collection) => (&collection.collection, true, below(path, &["bound_to", "collection"])),
    };
    if !has_table(work, name, table, at.clone()) {
        return None;
    }
    if work.tables.get(table).is_some_and(|built| built.table.key.is_empty()) {
        work.error(error_at(at, format!("{table} has no key: OData does not serve it, and nothing can be bound to it")));
    }
    Some(Binding { table: table.clone(), many })
}

fn parameters(
    work: &mut Work<'_>,
    definition: &OperationDefinition,
    binding: Option<&Binding>,
    enumerations: &Enumerations,
    path: &[String],
) -> Vec<Parameter> {
    let key_of = |binding: &Binding| {
        let table = work.tables.get(&binding.table).map(|built| &built.table);
        let columns = table.into_iter().flat_map(|table| table.key.iter().filter_map(|index| table.columns.get(*index)));
        columns.map(|column| column.name.to_lowercase()).collect::<Vec<_>>()
    };
    let key: Vec<String> = binding.filter(|binding| !binding.many).map(key_of).unwrap_or_default();
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    let mut result: Vec<Parameter> = Vec::new();
    for (name, entry) in &definition.parameters {
        let here = below(path, &["parameters", name]);
        check_name(work, name, &here);
        if let Some(other) = seen.insert(name.to_lowercase(), name) {
            work.error(error_at(here.clone(), format!("'{name}' differs from '{other}' only by letter case")));
        }
        if key.contains(&name.to_lowercase()) {
            let message = format!("${name} is the key of the entity that the operation is bound to: choose another name");
            work.error(error_at(here.clone(), message));
        }
        let short;
        let full = match entry {
            ParameterEntry::Full(full) => full,
            ParameterEntry::Type(type_name) => {
                short = ParameterDefinition { type_name: type_name.clone(), ..ParameterDefinition::default() };
                &short
            }
        };
        if !full.optional && result.last().is_some_and(|last| last.optional) {
            work.error(error_at(here.clone(), "what may be left out comes last"));
        }
        let Some((scalar_type, enumeration)) = parameter_type(work, &full.type_name, enumerations, &here) else { continue };
        result.push(Parameter {
            name: name.clone(),
            scalar_type,
            enumeration,
            nullable: full.nullable || full.optional,
            optional: full.optional,
            max_length: full.max_length,
        });
    }
    result
}

fn parameter_type(
    work: &mut Work<'_>,
    text: &str,
    enumerations: &Enumerations,
    path: &[String],
) -> Option<(ScalarType, Option<Arc<Enumeration>>)> {
    if enumerations.is_broken(text) {
        return None;
    }
    if let Some(enumeration) = enumerations.plain(text) {
        return Some((enumeration.underlying, Some(enumeration)));
    }
    match text.parse::<ScalarType>() {
        Ok(scalar_type) => Some((scalar_type, None)),
        Err(message) => {
            let error = error_at(path.to_vec(), message);
            work.error(error.suggesting(text, enumerations.names()));
            None
        }
    }
}

fn returned(work: &mut Work<'_>, name: &str, definition: &ReturnsDefinition, path: &[String]) -> Option<Returns> {
    let path = below(path, &["returns"]);
    let kind = match (&definition.table, &definition.scalar_type, &definition.complex) {
        (Some(table), None, None) => {
            if !has_table(work, name, table, below(&path, &["table"])) {
                return None;
            }
            ReturnKind::Entity { table: table.clone() }
        }
        (None, Some(text), None) => match text.parse() {
            Ok(scalar_type) => ReturnKind::Scalar { scalar_type },
            Err(message) => {
                work.error(error_at(below(&path, &["type"]), message));
                return None;
            }
        },
        (None, None, Some(type_name)) => {
            check_name(work, type_name, &below(&path, &["complex"]));
            ReturnKind::Complex { type_name: type_name.clone(), members: members(work, definition, &path) }
        }
        _ => {
            work.error(error_at(path, "what is returned is one of `table`, `type` and `complex`"));
            return None;
        }
    };
    if definition.members.is_some() && definition.complex.is_none() {
        work.error(error_at(below(&path, &["members"]), "only a `complex` type has members"));
    }
    if definition.many && definition.nullable.is_some() {
        work.error(error_at(below(&path, &["nullable"]), "several values are never null: there may be none of them"));
    }
    Some(Returns { kind, many: definition.many, nullable: !definition.many && definition.nullable.unwrap_or(true) })
}

fn members(work: &mut Work<'_>, definition: &ReturnsDefinition, path: &[String]) -> Vec<Column> {
    let here = below(path, &["members"]);
    let mut result = Vec::new();
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    if definition.members.as_ref().is_none_or(indexmap::IndexMap::is_empty) {
        work.error(error_at(here.clone(), "a complex type has at least one member"));
    }
    for (index, (name, text)) in definition.members.iter().flatten().enumerate() {
        let here = below(&here, &[name]);
        check_name(work, name, &here);
        if let Some(other) = seen.insert(name.to_lowercase(), name) {
            work.error(error_at(here.clone(), format!("'{name}' differs from '{other}' only by letter case")));
        }
        let (type_text, nullable) = text.strip_suffix('?').map_or((text.as_str(), false), |text| (text, true));
        match type_text.parse() {
            Ok(scalar_type) => result.push(Column::plain(name, index, scalar_type, nullable)),
            Err(message) => work.error(error_at(here, message)),
        }
    }
    result
}

/// An operation as far as it is resolved.
pub(super) struct Published<'a> {
    pub name: &'a str,
    pub definition: &'a OperationDefinition,
    pub binding: Option<&'a Binding>,
    pub parameters: &'a [Parameter],
    pub returns: Option<&'a Returns>,
}

fn body(work: &mut Work<'_>, published: &Published<'_>, path: &[String]) -> Option<OperationBody> {
    let definition = published.definition;
    let function = definition.kind == ActionOrFunction::Function;
    let statements = match &definition.sql {
        None => Vec::new(),
        Some(Statements::One(one)) => vec![one.clone()],
        Some(Statements::Several(several)) => several.clone(),
    };
    if definition.sql.is_some() {
        let here = below(path, &["sql"]);
        if statements.is_empty() || statements.iter().any(|statement| statement.trim().is_empty()) {
            work.error(error_at(here.clone(), "a statement is missing"));
        }
        if function && statements.len() > 1 {
            work.error(error_at(here, "a function is one SELECT: several statements make an action"));
        }
    }
    match (&definition.sql, &definition.source) {
        (Some(_), None) => Some(OperationBody::Sql(statements)),
        (Some(_), Some(_)) if function => {
            work.error(error_at(path.to_vec(), "a function has either `sql` or `source`"));
            None
        }
        (_, Some(source)) => of_source::resolve(work, published, source, statements, &below(path, &["source"])),
        (None, None) => {
            work.error(error_at(path.to_vec(), "an operation has `sql` or `source`"));
            None
        }
    }
}

/// Overloads must be told apart: actions by what they are bound to, functions by that and by the names of their parameters; and those
/// of a function with one binding return the same (CSDL 4.01, sections 12.1 to 12.3).
fn refuse_indistinct(work: &mut Work<'_>, operation: &Operation, earlier: &[Arc<Operation>], path: &[String]) {
    let names = |operation: &Operation| {
        let mut names: Vec<String> = operation.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        names.sort();
        names
    };
    let same_binding: Vec<&Arc<Operation>> = earlier.iter().filter(|other| other.binding == operation.binding).collect();
    let message = if earlier.iter().any(|other| other.action != operation.action) {
        "all overloads are functions, or all are actions"
    } else if operation.action && !same_binding.is_empty() {
        "there is an action of this name with the same binding already"
    } else if same_binding.iter().any(|other| names(other) == names(operation)) {
        "there is a function of this name with the same binding and parameters already"
    } else if same_binding.iter().any(|other| other.returns != operation.returns) {
        "overloads of a function with the same binding return the same"
    } else if earlier.iter().any(|other| unlike_types(other.returns.as_ref(), operation.returns.as_ref())) {
        "a complex type of the same name with other members is returned by another overload"
    } else {
        return;
    };
    work.error(error_at(path.to_vec(), message));
}

/// Whether two results are complex types of one name with different members.
fn unlike_types(left: Option<&Returns>, right: Option<&Returns>) -> bool {
    match (left.map(|returns| &returns.kind), right.map(|returns| &returns.kind)) {
        (
            Some(ReturnKind::Complex { type_name: left, members: left_members }),
            Some(ReturnKind::Complex { type_name: right, members: right_members }),
        ) => left == right && left_members != right_members,
        _ => false,
    }
}
