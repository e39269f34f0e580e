//! Operations of sources: which one is meant, what its parameters are given, that what it returns is what is said of it, and what the
//! cache forgets after it. It must not know how any source is called.

use super::super::{Work, below, error_at};
use super::Published;
use crate::definition::{ActionOrFunction, SourceOperation};
use crate::model::{Column, Origin};
use crate::overlay::{OperationBody, Parameter, ReturnKind, Returns, SourceBody};
use portico_provider_api::{RemoteOperation, RemoteSchema, RemoteTableName, ScalarType};

/// Resolves the call of an operation of a source; nothing where there is a mistake, or the source is not known.
pub(super) fn resolve(
    work: &mut Work<'_>,
    published: &Published<'_>,
    source: &SourceOperation,
    before: Vec<String>,
    path: &[String],
) -> Option<OperationBody> {
    if !work.definition.sources.contains(&source.name) {
        let error = error_at(below(path, &["name"]), format!("there is no source '{}'", source.name));
        work.error(error.suggesting(&source.name, work.definition.sources.iter().map(String::as_str)));
        return None;
    }
    let Some(schema) = work.schemas.get(&source.name) else {
        work.note(format!("the operation {} is left out: nothing is known of source '{}'", published.name, source.name));
        return None;
    };
    let mut operation = meant(work, schema, published, source, path)?.clone();
    if let Some(reason) = &operation.unavailable {
        work.error(error_at(below(path, &["operation"]), format!("'{}' cannot be called: {reason}", operation.signature)));
        return None;
    }
    let function = published.definition.kind == ActionOrFunction::Function;
    if function && operation.changes {
        let message = "may change something, and a function must not: make it an action, or declare at the source that it only reads";
        work.error(error_at(path.to_vec(), format!("'{}' {message}", operation.signature)));
        return None;
    }
    let arguments = arguments(work, published, source, &operation, path);
    refuse_unused(work, published, source, &arguments, path);
    let returned = match published.returns {
        None => Vec::new(),
        Some(returns) => returned(work, returns, &mut operation, path)?,
    };
    let touches = touches(work, schema, source, &operation, path);
    let source = source.name.clone();
    Some(OperationBody::Source(Box::new(SourceBody { source, operation, arguments, returned, before, touches })))
}

/// The operation that is meant: the only one of its name, or the only one that takes what there is to give.
fn meant<'s>(
    work: &mut Work<'_>,
    schema: &'s RemoteSchema,
    published: &Published<'_>,
    source: &SourceOperation,
    path: &[String],
) -> Option<&'s RemoteOperation> {
    let wanted = source.operation.as_deref().unwrap_or(published.name);
    let here = below(path, &["operation"]);
    if schema.operations.is_empty() {
        work.error(error_at(here, format!("source '{}' offers no operations of its own", source.name)));
        return None;
    }
    let named: Vec<&RemoteOperation> = schema.operations.iter().filter(|remote| remote.is_named(wanted)).collect();
    let callable: Vec<&RemoteOperation> = match named.as_slice() {
        [_] => named.clone(),
        _ => named.iter().copied().filter(|remote| takes(work, remote, published, source)).collect(),
    };
    match (callable.as_slice(), named.as_slice()) {
        ([only], _) => return Some(only),
        (_, []) => {
            let error = error_at(here, format!("source '{}' has no operation '{wanted}'", source.name));
            work.error(error.suggesting(wanted, schema.operations.iter().map(|remote| remote.name.table())));
        }
        (_, several) => {
            let names: Vec<&str> = several.iter().map(|remote| remote.signature.as_str()).collect();
            let message = format!("there are several operations '{wanted}': name one of {}", names.join(", "));
            work.error(error_at(here, message));
        }
    }
    None
}

/// Whether an operation can be given what there is: a value for all that it needs, and a place for every parameter here.
fn takes(work: &Work<'_>, remote: &RemoteOperation, published: &Published<'_>, source: &SourceOperation) -> bool {
    let given = |name: &str, scalar_type: ScalarType| {
        let local = source.arguments.get(name).map_or(name, String::as_str);
        local_type(work, published, local).map(|own| alike(own, scalar_type))
    };
    let every = remote.parameters.iter().all(|parameter| given(&parameter.name, parameter.scalar_type).unwrap_or(parameter.optional));
    let placed = |own: &Parameter| {
        remote.parameters.iter().any(|theirs| source.arguments.get(&theirs.name).map_or(&theirs.name, |local| local) == &own.name)
    };
    every && published.parameters.iter().all(placed)
}

/// What the parameters of an operation are given.
fn arguments(
    work: &mut Work<'_>,
    published: &Published<'_>,
    source: &SourceOperation,
    operation: &RemoteOperation,
    path: &[String],
) -> Vec<(usize, String)> {
    let mut result = Vec::new();
    for (index, theirs) in operation.parameters.iter().enumerate() {
        let said = source.arguments.get(&theirs.name);
        let own = said.unwrap_or(&theirs.name);
        match (local_type(work, published, own), said) {
            (Some(own_type), _) if alike(own_type, theirs.scalar_type) => result.push((index, own.clone())),
            (Some(own_type), _) => {
                let message = format!("'{own}' is {own_type}, and '{}' of '{}' {}", theirs.name, operation.name, theirs.scalar_type);
                work.error(error_at(path.to_vec(), message));
            }
            (None, Some(_)) => {
                let key = if published.binding.is_some_and(|binding| !binding.many) { " or key column" } else { "" };
                let error = error_at(below(path, &["arguments", &theirs.name]), format!("there is no parameter{key} '{own}' here"));
                work.error(error.suggesting(own, published.parameters.iter().map(|parameter| parameter.name.as_str())));
            }
            (None, None) if theirs.optional => {}
            (None, None) => {
                let message =
                    format!("'{}' needs '{}' ({}), which nothing here gives", operation.signature, theirs.name, theirs.scalar_type);
                work.error(error_at(path.to_vec(), message));
            }
        }
    }
    for name in source.arguments.keys() {
        if !operation.parameters.iter().any(|parameter| parameter.name == *name) {
            let error = error_at(below(path, &["arguments", name]), format!("'{}' has no parameter '{name}'", operation.signature));
            work.error(error.suggesting(name, operation.parameters.iter().map(|parameter| parameter.name.as_str())));
        }
    }
    result
}

/// A parameter that goes nowhere is a mistake, unless SQL before the operation may use it.
fn refuse_unused(work: &mut Work<'_>, published: &Published<'_>, source: &SourceOperation, arguments: &[(usize, String)], path: &[String]) {
    if published.definition.sql.is_some() {
        return;
    }
    for parameter in published.parameters {
        // One whose type does not fit has been told of.
        let named =
            |name: &String| source.arguments.values().any(|local| local == name) || arguments.iter().any(|(_, local)| local == name);
        if !named(&parameter.name) && !work.errors.iter().any(|error| error.path.starts_with(path)) {
            work.error(error_at(path.to_vec(), format!("the parameter '{}' is passed to nothing", parameter.name)));
        }
    }
}

/// The type of what can be passed: a parameter, or a column of the key of the entity that the operation is bound to.
fn local_type(work: &Work<'_>, published: &Published<'_>, name: &str) -> Option<ScalarType> {
    let parameter = published.parameters.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.scalar_type);
    let key = || {
        let binding = published.binding.filter(|binding| !binding.many)?;
        let table = &work.tables.get(&binding.table)?.table;
        let mut key = table.key.iter().filter_map(|index| table.columns.get(*index));
        key.find(|column| column.name == name).map(|column| column.scalar_type)
    };
    parameter.or_else(key)
}

/// Whether values of one type are those of the other. Decimals carry as many digits as they have.
fn alike(own: ScalarType, theirs: ScalarType) -> bool {
    own == theirs || matches!((own, theirs), (ScalarType::Decimal { .. }, ScalarType::Decimal { .. }))
}

/// Where in the result is what is returned; its columns take the types and nullability that are published.
fn returned(work: &mut Work<'_>, returns: &Returns, operation: &mut RemoteOperation, path: &[String]) -> Option<Vec<usize>> {
    let signature = operation.signature.clone();
    let mut refuse = |message: String| work.errors.push(error_at(path.to_vec(), format!("'{signature}' {message}")));
    let Some(result) = &mut operation.result else {
        refuse("returns nothing".to_owned());
        return None;
    };
    if result.many != returns.many {
        refuse(if result.many { "returns any number of rows: say `many: true`" } else { "returns one value: leave `many` out" }.to_owned());
        return None;
    }
    let wanted: Vec<Column> = match &returns.kind {
        ReturnKind::Scalar { scalar_type } => {
            let [only] = result.columns.as_slice() else {
                let names: Vec<&str> = result.columns.iter().map(|column| column.name.as_str()).collect();
                refuse(format!("returns the columns {}: say so with `complex` and `members`", names.join(", ")));
                return None;
            };
            vec![Column::plain(&only.name, 0, *scalar_type, returns.nullable)]
        }
        ReturnKind::Complex { members, .. } => members.clone(),
        ReturnKind::Entity { table } => {
            let table = &work.tables.get(table)?.table;
            let key = table.key.iter().filter_map(|index| table.columns.get(*index));
            // Whether there is such an entity is seen when it is read.
            key.map(|column| Column { nullable: true, ..column.clone() }).collect()
        }
    };
    let mut positions = Vec::with_capacity(wanted.len());
    for own in &wanted {
        let Some(position) = result.columns.iter().position(|column| column.name == own.name) else {
            let names: Vec<&str> = result.columns.iter().map(|column| column.name.as_str()).collect();
            refuse(format!("returns no '{}': there are {}", own.name, names.join(", ")));
            return None;
        };
        let theirs = &mut result.columns[position];
        if !alike(own.scalar_type, theirs.scalar_type) {
            refuse(format!("returns '{}' as {}, and not {}", own.name, theirs.scalar_type, own.scalar_type));
            return None;
        }
        theirs.scalar_type = own.scalar_type;
        theirs.nullable = own.nullable;
        positions.push(position);
    }
    Some(positions)
}

/// The remote tables that an operation may write to: those that are named, or all that its source is known to have.
fn touches(
    work: &mut Work<'_>,
    schema: &RemoteSchema,
    source: &SourceOperation,
    operation: &RemoteOperation,
    path: &[String],
) -> Vec<(String, String)> {
    let of = |table: &RemoteTableName| (source.name.clone(), table.to_string());
    let Some(named) = &source.touches else {
        if !operation.changes {
            return Vec::new();
        }
        // A table may be known by a shorter name too.
        let virtual_tables = work.tables.values().filter_map(|built| match &built.table.origin {
            Origin::Single { source: own, relation, .. } if *own == source.name => Some(&relation.table),
            Origin::Single { .. } | Origin::Query { .. } => None,
        });
        let mut all: Vec<_> = schema.tables.iter().map(|table| &table.name).chain(virtual_tables).map(of).collect();
        all.sort();
        all.dedup();
        return all;
    };
    let here = below(path, &["touches"]);
    if !operation.changes && !named.is_empty() {
        work.error(error_at(here.clone(), format!("'{}' changes nothing", operation.signature)));
    }
    let mut result = Vec::new();
    for name in named {
        match work.tables.get(name).map(|built| &built.table.origin) {
            Some(Origin::Single { source, relation, .. }) => result.push((source.clone(), relation.table.to_string())),
            Some(Origin::Query { .. }) => {
                work.error(error_at(here.clone(), format!("'{name}' is a view: name the tables that it reads")));
            }
            None if work.left_out.contains(name) || work.broken.contains(name) => {}
            None => {
                let error = error_at(here.clone(), format!("there is no table '{name}'"));
                let error = error.suggesting(name, work.tables.keys().map(String::as_str));
                work.error(error);
            }
        }
    }
    result
}
