//! Checks what operators wrote in SQL — windows, views, functions, row rules, masks — against a model, before it is published.

use crate::error::EngineError;
use crate::plan::functions;
use crate::plan::names::Names;
use crate::plan::sql;
use crate::policy::access::{AccessDefinition, GrantDefinition};
use crate::policy::expression::schema_of;
use crate::policy::permit::Policy;
use crate::policy::rights::Rights;
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::ExprSchemable;
use portico_catalog::{Model, ModelError, Operation, Origin, VirtualTable, names::nearest};
use portico_provider_api::{ScalarType, TableColumn, TypeClass, Value};
use std::time::SystemTime;

/// The columns of a view's SQL over a model.
///
/// # Errors
/// Why the SQL is not a SELECT over the model's tables, or which of its columns has a type that cannot be published.
pub fn describe_view(session: &SessionState, model: &Model, text: &str) -> Result<Vec<TableColumn>, String> {
    let rights = Rights::everything(model);
    let names = Names::new(session, model, &rights, SystemTime::now());
    let plan = sql::select(session, &names, text).map_err(|error| error.to_string())?;
    let fields = plan.schema().fields().iter();
    fields
        .map(|field| match published_type(field.data_type()) {
            Some(scalar_type) => Ok(TableColumn::computed(field.name(), scalar_type, field.is_nullable())),
            None => Err(format!("column '{}' has the type {}, which cannot be published; cast it", field.name(), field.data_type())),
        })
        .collect()
}

/// The published type of a computed column: the nearest that holds every value.
fn published_type(data_type: &DataType) -> Option<ScalarType> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => ScalarType::Int16,
        DataType::UInt16 => ScalarType::Int32,
        DataType::UInt32 => ScalarType::Int64,
        DataType::UInt64 => ScalarType::Decimal { precision: 20, scale: 0 },
        DataType::Float16 => ScalarType::Float32,
        DataType::Utf8View | DataType::LargeUtf8 => ScalarType::Text,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => ScalarType::Binary,
        DataType::Date64 => ScalarType::Date,
        DataType::Time32(_) | DataType::Time64(_) => ScalarType::Time,
        DataType::Timestamp(_, None) => ScalarType::Timestamp,
        DataType::Timestamp(_, Some(_)) => ScalarType::TimestampTz,
        other => return ScalarType::from_arrow(other),
    })
}

/// Everything that is wrong with windows, functions, row rules and masks. Paths start at `tables`, `operations` or `access`.
pub fn check(session: &SessionState, model: &Model, access: &AccessDefinition) -> Vec<ModelError> {
    let rights = Rights::everything(model);
    let policy = Policy { session, model, rights: &rights, principal: None, now: SystemTime::now(), conceal_rules: false };
    let mut errors = Vec::new();
    for table in model.tables.values() {
        if let Origin::Single { window: Some(window), relation, .. } = &table.origin {
            let schema = schema_of(&table.name, &relation.columns);
            errors.extend(boolean(&policy, window, schema, &["tables", &table.name, "where"]).err());
        }
    }
    errors.extend(model.operations.iter().filter_map(|operation| check_function(session, model, &rights, operation).err()));
    for (role, grants) in &access.roles {
        for (name, grant) in grants {
            match model.readable(name) {
                Some(table) => errors.extend(check_grant(&policy, role, table, grant)),
                None => errors.push(
                    ModelError::new(&["access", "roles", role, name], format!("there is no table '{name}'"))
                        .suggesting(name, model.tables.keys().map(String::as_str)),
                ),
            }
        }
    }
    errors
}

fn wrong(path: &[&str], error: &EngineError) -> ModelError {
    ModelError::new(path, error.to_string())
}

fn boolean(policy: &Policy<'_>, sql: &str, schema: Result<DFSchema, EngineError>, path: &[&str]) -> Result<(), ModelError> {
    let schema = schema.map_err(|error| wrong(path, &error))?;
    let planned = policy.plan_expression(sql, &schema).map_err(|error| wrong(path, &error))?;
    match planned.get_type(&schema) {
        Ok(DataType::Boolean | DataType::Null) => Ok(()),
        Ok(other) => Err(ModelError::new(path, format!("the condition yields {other}, not true or false"))),
        Err(error) => Err(wrong(path, &EngineError::from_datafusion(error))),
    }
}

/// Plans the SELECT of a function for a caller that sees everything, with nulls as its arguments.
fn check_function(session: &SessionState, model: &Model, rights: &Rights, operation: &Operation) -> Result<(), ModelError> {
    let Some((_, returned)) = operation.entity_select() else { return Ok(()) };
    let overloads: Vec<_> = model.operations.iter().filter(|other| other.name == operation.name).collect();
    let number = overloads.iter().position(|other| other.as_ref() == operation).unwrap_or_default().to_string();
    let path: Vec<&str> = match overloads.len() {
        1 => vec!["operations", &operation.name, "sql"],
        _ => vec!["operations", &operation.name, &number, "sql"],
    };
    let bound = operation.binding.as_ref().filter(|binding| !binding.many).and_then(|binding| model.tables.get(&binding.table));
    let key = bound.into_iter().flat_map(|table| table.key.iter().filter_map(|index| table.columns.get(*index)));
    let nulls = operation.parameters.iter().map(|parameter| (&parameter.name, parameter.scalar_type));
    let nulls = nulls.chain(key.map(|column| (&column.name, column.scalar_type)));
    let arguments: Vec<(String, Value)> = nulls.map(|(name, scalar_type)| (name.clone(), Value::Null(scalar_type))).collect();
    let Some(table) = model.tables.get(returned) else { return Ok(()) };
    let names = Names::new(session, model, rights, SystemTime::now());
    let planned = functions::checked(session, &names, operation, &arguments).map_err(|error| wrong(&path, &error))?;
    let fields = planned.schema().fields();
    for (index, field) in fields.iter().enumerate() {
        let refuse = |message: String| Err(ModelError::new(&path, message));
        let Some(column) = table.columns.iter().find(|column| column.name == *field.name()) else {
            let error = ModelError::new(&path, format!("'{returned}', which is returned, has no column '{}'", field.name()));
            return Err(error.suggesting(field.name(), table.columns.iter().map(|column| column.name.as_str())));
        };
        if fields.iter().take(index).any(|other| other.name() == field.name()) {
            return refuse(format!("there are two columns '{}'", field.name()));
        }
        let fits = match (field.data_type(), published_type(field.data_type())) {
            (DataType::Null, _) => true,
            (_, Some(yielded)) => {
                TypeClass::of(yielded) == TypeClass::of(column.scalar_type)
                    || (yielded.is_numeric() && column.scalar_type.is_numeric())
                    || (yielded == ScalarType::Text && column.scalar_type.arrow() == ScalarType::Text.arrow())
            }
            _ => false,
        };
        if !fits {
            let message = format!("column '{}' is {}, which '{returned}' has as {}", field.name(), field.data_type(), column.scalar_type);
            return refuse(message);
        }
        if field.is_nullable() && !column.nullable {
            return refuse(format!("column '{}' may be null here, but in '{returned}' it never is", field.name()));
        }
    }
    match table.columns.iter().find(|column| !fields.iter().any(|field| *field.name() == column.name)) {
        Some(missing) => {
            Err(ModelError::new(&path, format!("column '{}' of '{returned}', which is returned, is not selected", missing.name)))
        }
        None => Ok(()),
    }
}

fn check_grant(policy: &Policy<'_>, role: &str, table: &VirtualTable, grant: &GrantDefinition) -> Vec<ModelError> {
    let mut errors = Vec::new();
    let path = |rest: &[&str]| -> Vec<String> {
        ["access", "roles", role, &table.name].iter().chain(rest).map(|part| (*part).to_owned()).collect()
    };
    let columns = || table.columns.iter().map(|column| column.name.as_str());
    if let Some(rows) = &grant.rows {
        let at = path(&["rows"]);
        let at: Vec<&str> = at.iter().map(String::as_str).collect();
        errors.extend(boolean(policy, rows, schema_of(&table.name, &table.published()), &at).err());
    }
    let named = grant.hide.iter().map(|name| ("hide", name)).chain(grant.mask.keys().map(|name| ("mask", name)));
    for (what, name) in named {
        let error = match table.column(name) {
            None => Some(format!("'{}' has no column '{name}'", table.name)),
            // Without its key an entity cannot be addressed, and a masked key addresses another.
            Some(index) if table.key.contains(&index) => Some(format!("'{name}' is part of the key and can be neither hidden nor masked")),
            Some(_) => None,
        };
        if let Some(message) = error {
            let suggestion = nearest(name, columns()).map(str::to_owned).filter(|_| table.column(name).is_none());
            errors.push(ModelError { path: path(&[what, name]), message, suggestion });
        }
    }
    for (name, sql) in &grant.mask {
        let Some(index) = table.column(name) else { continue };
        if let Err(message) = check_mask(policy, table, index, sql) {
            errors.push(ModelError { path: path(&["mask", name]), message, suggestion: None });
        }
    }
    errors
}

fn check_mask(policy: &Policy<'_>, table: &VirtualTable, index: usize, sql: &str) -> Result<(), String> {
    let schema = schema_of(&table.name, &table.published()).map_err(|error| error.to_string())?;
    let planned = policy.plan_expression(sql, &schema).map_err(|error| error.to_string())?;
    let wanted = table.columns[index].scalar_type.arrow();
    planned
        .cast_to(&wanted, &schema)
        .map(|_| ())
        .map_err(|_| format!("the mask's value cannot be taken as {}", table.columns[index].scalar_type))
}
