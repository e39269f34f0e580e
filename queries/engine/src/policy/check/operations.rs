//! Checks the SQL of functions and actions: that it plans, that what it yields fits what is returned, and that what an action writes can be
//! written as one. It must not know how an operation is called.

use super::wrong;
use crate::plan::actions::{self, Ending, Steps, Verb};
use crate::plan::functions;
use crate::plan::names::Names;
use crate::policy::access::AccessDefinition;
use crate::policy::rights::Rights;
use datafusion::execution::session_state::SessionState;
use portico_catalog::{Model, ModelError, Operation};
use portico_provider_api::Value;
use std::sync::Arc;

/// Plans an operation for a caller that sees everything, with nulls as its arguments.
pub(super) fn check(
    session: &SessionState,
    model: &Model,
    rights: &Rights,
    access: &AccessDefinition,
    operation: &Operation,
) -> Result<(), ModelError> {
    let overloads: Vec<_> = model.operations.iter().filter(|other| other.name == operation.name).collect();
    let number = overloads.iter().position(|other| other.as_ref() == operation).unwrap_or_default().to_string();
    let path: Vec<&str> = match overloads.len() {
        1 => vec!["operations", &operation.name],
        _ => vec!["operations", &operation.name, &number],
    };
    check_roles(access, operation, &path)?;
    if operation.of_source().is_some() && !operation.action {
        // The model holds it against what its source says it has.
        return Ok(());
    }
    let bound = operation.binding.as_ref().filter(|binding| !binding.many).and_then(|binding| model.tables.get(&binding.table));
    let key = bound.into_iter().flat_map(|table| table.key.iter().filter_map(|index| table.columns.get(*index)));
    let nulls = operation.parameters.iter().map(|parameter| (&parameter.name, parameter.scalar_type));
    let nulls = nulls.chain(key.map(|column| (&column.name, column.scalar_type)));
    let arguments: Vec<(String, Value)> = nulls.map(|(name, scalar_type)| (name.clone(), Value::Null(scalar_type))).collect();
    let names = Names::new(session, model, rights, std::time::SystemTime::now());
    let at = |statement: usize| {
        let mut path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        path.push("sql".to_owned());
        if operation.statements().len() > 1 {
            path.push(statement.to_string());
        }
        path
    };
    let last = at(operation.statements().len().saturating_sub(1));
    let last: Vec<&str> = last.iter().map(String::as_str).collect();
    if operation.action {
        let steps = actions::steps(session, &names, operation, &arguments);
        let refused = |(statement, message): (usize, String)| ModelError { path: at(statement), message, suggestion: None };
        let steps = steps.map_err(|failed| refused((failed.0, failed.1.to_string())))?;
        check_writes(&steps, operation.of_source().map(|body| body.source.as_str())).map_err(refused)?;
        if steps.ending != Ending::Select {
            return Ok(());
        }
    }
    check_select(session, model, &names, operation, &arguments, &last)
}

fn check_roles(access: &AccessDefinition, operation: &Operation, path: &[&str]) -> Result<(), ModelError> {
    let Some(unknown) = operation.roles.iter().flatten().find(|role| !access.roles.contains_key(*role)) else { return Ok(()) };
    let path: Vec<&str> = path.iter().copied().chain(["roles"]).collect();
    Err(ModelError::new(&path, format!("there is no role '{unknown}'")).suggesting(unknown, access.roles.keys().map(String::as_str)))
}

/// What an action writes is one change set, which is what a source does as a whole or not at all: so it is of one source. All values are
/// read before anything is written, and so none may be read of what an earlier statement writes.
fn check_writes(steps: &Steps, called: Option<&str>) -> Result<(), (usize, String)> {
    let mut earlier = called;
    let several = steps.writes.len() + usize::from(called.is_some()) > 1;
    for (index, (statement, write)) in steps.writes.iter().enumerate() {
        let table = &write.rights.table;
        let able = table.origin.writing().able;
        let may = match write.verb {
            Verb::Insert => able.insert,
            Verb::Update => able.update,
            Verb::Delete => able.delete,
        };
        let Some((source, _)) = table.origin.remote_table().filter(|_| table.origin.writing().any()) else {
            return Err((*statement, format!("'{}' cannot be written to", table.name)));
        };
        if !may {
            let (verb, name) = (write.verb.name(), &table.name);
            return Err((*statement, format!("the source of '{name}' does not {verb} its rows")));
        }
        if several && !able.transactions {
            let message =
                format!("what it does is several changes, which the source of '{}' cannot do as a whole or not at all", table.name);
            return Err((*statement, message));
        }
        if let Some(other) = earlier.replace(source).filter(|other| *other != source) {
            let message = format!(
                "'{}' is of the source '{source}', but what else it does is done by '{other}': what an action writes cannot be done as a whole or not \
                 at all over several sources",
                table.name
            );
            return Err((*statement, message));
        }
        if index > 0 && write.reads {
            let message =
                "a value is read from a table, but all values are read before anything is written: only the first statement may read";
            return Err((*statement, message.to_owned()));
        }
        let missing = table.columns.iter().enumerate().find(|(index, column)| {
            let needed = !column.nullable && !column.has_default && !column.generated && !column.read_only;
            write.verb == Verb::Insert && needed && !write.columns.contains(index)
        });
        if let Some((_, column)) = missing {
            return Err((*statement, format!("'{}' of '{}' is mandatory and is not given", column.name, table.name)));
        }
    }
    Ok(())
}

/// Whether what a SELECT yields is what is returned.
fn check_select(
    session: &SessionState,
    model: &Model,
    names: &Names<'_>,
    operation: &Operation,
    arguments: &[(String, Value)],
    path: &[&str],
) -> Result<(), ModelError> {
    let Some(returns) = &operation.returns else { return Ok(()) };
    let table = match returns.kind.table() {
        Some(table) => model.tables.get(table).map(Arc::clone),
        None => returns.rows().map(Arc::new),
    };
    let Some(table) = table else { return Ok(()) };
    let planned = functions::checked(session, names, operation, arguments).map_err(|error| wrong(path, &error))?;
    let fields = planned.schema().fields();
    let refuse = |message: String| Err(ModelError::new(path, message));
    if returns.kind.is_scalar() {
        let [field] = fields.iter().as_slice() else {
            return refuse(format!("a plain value is one column, but there are {}", fields.len()));
        };
        let Some(column) = table.columns.first() else { return Ok(()) };
        if functions::fits(field.data_type(), column).is_err() {
            return refuse(format!("'{}' is {}, but {} is returned", field.name(), field.data_type(), column.scalar_type));
        }
        if field.is_nullable() && !column.nullable {
            return refuse(format!("'{}' may be null, but what is returned never is: write coalesce({}, …)", field.name(), field.name()));
        }
        return Ok(());
    }
    let returned = &table.name;
    for (index, field) in fields.iter().enumerate() {
        let Some(column) = table.columns.iter().find(|column| column.name == *field.name()) else {
            let error = ModelError::new(path, format!("'{returned}', which is returned, has no column '{}'", field.name()));
            return Err(error.suggesting(field.name(), table.columns.iter().map(|column| column.name.as_str())));
        };
        if fields.iter().take(index).any(|other| other.name() == field.name()) {
            return refuse(format!("there are two columns '{}'", field.name()));
        }
        if functions::fits(field.data_type(), column).is_err() {
            let message = format!("column '{}' is {}, which '{returned}' has as {}", field.name(), field.data_type(), column.scalar_type);
            return refuse(message);
        }
        if field.is_nullable() && !column.nullable {
            return refuse(format!("column '{}' may be null here, but in '{returned}' it never is", field.name()));
        }
    }
    match table.columns.iter().find(|column| !fields.iter().any(|field| *field.name() == column.name)) {
        Some(missing) => refuse(format!("column '{}' of '{returned}', which is returned, is not selected", missing.name)),
        None => Ok(()),
    }
}
