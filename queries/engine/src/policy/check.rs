//! Checks what operators wrote in SQL — windows, views, functions, row rules, masks — against a model, before it is published.

mod operations;

use crate::error::EngineError;
use crate::plan::functions::published_type;
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
use portico_catalog::{Model, ModelError, Origin, VirtualTable, names::nearest};
use portico_provider_api::TableColumn;
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
    errors.extend(model.operations.iter().filter_map(|operation| operations::check(session, model, &rights, access, operation).err()));
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
