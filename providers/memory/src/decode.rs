//! JSON values of the configuration to values of the IR, and configured tables to tables with rows. Pure.

use crate::config::{ColumnConfig, TableConfig};
use crate::table::MemoryTable;
use portico_provider_api::arrays::batch_from_rows;
use portico_provider_api::evaluate::cast_value;
use portico_provider_api::{EvaluateError, ForeignKey, RemoteColumn, RemoteTableName, ScalarType, Value};
use serde_json::Value as Json;

/// A configured table with its rows.
///
/// # Errors
/// Names the table, the column and the row that do not fit.
pub fn table(config: &TableConfig) -> Result<MemoryTable, String> {
    let name = RemoteTableName::parse(&config.name);
    let columns = config.columns.iter().map(|column| remote_column(column, &config.name)).collect::<Result<Vec<_>, _>>()?;
    for key in &config.primary_key {
        if !columns.iter().any(|column| &column.name == key) {
            return Err(format!("table '{}': its key names '{key}', which is no column", config.name));
        }
    }
    let rows = config.rows.iter().enumerate().map(|(index, row)| {
        let place = |column: &str| format!("table '{}', row {}, column '{column}'", config.name, index + 1);
        if let Some(unknown) = row.keys().find(|key| !columns.iter().any(|column| &column.name == *key)) {
            return Err(format!("{}: there is no such column", place(unknown)));
        }
        let values = columns.iter().map(|column| {
            let json = row.get(&column.name).unwrap_or(&Json::Null);
            value(json, column.scalar_type).map_err(|error| format!("{}: {error}", place(&column.name)))
        });
        values.collect::<Result<Vec<Value>, String>>()
    });
    let rows = rows.collect::<Result<Vec<_>, String>>()?;
    let typed: Vec<_> = columns.iter().map(|column| (column.name.clone(), column.scalar_type, column.nullable)).collect();
    let batch = batch_from_rows(&typed, &rows).map_err(|error| format!("table '{}': {error}", config.name))?;
    let foreign_keys = config.foreign_keys.iter().enumerate().map(|(index, key)| ForeignKey {
        name: format!("{}_fk{}", config.name, index + 1),
        columns: key.columns.clone(),
        references: RemoteTableName::parse(&key.references),
        referenced_columns: key.referenced_columns.clone(),
    });
    let foreign_keys = foreign_keys.collect();
    let primary_key = config.primary_key.clone();
    Ok(MemoryTable { name, description: config.description.clone(), columns, primary_key, foreign_keys, batches: vec![batch] })
}

fn remote_column(config: &ColumnConfig, table: &str) -> Result<RemoteColumn, String> {
    let scalar_type: ScalarType =
        config.scalar_type.parse().map_err(|error| format!("table '{table}', column '{}': {error}", config.name))?;
    let integer = matches!(scalar_type, ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64);
    if config.generated && !integer {
        return Err(format!("table '{table}', column '{}': only integers can be generated", config.name));
    }
    Ok(RemoteColumn {
        name: config.name.clone(),
        description: config.description.clone(),
        native_type: scalar_type.to_string(),
        scalar_type,
        codec: None,
        nullable: config.nullable,
        max_length: config.max_length,
        has_default: config.generated,
        generated: config.generated,
    })
}

/// A JSON value as a value of a type. Numbers that JSON cannot hold exactly, dates, times, GUIDs are written as text; bytes as
/// hexadecimal text; a JSON column takes any JSON.
///
/// # Errors
/// Says what was expected.
pub fn value(json: &Json, scalar_type: ScalarType) -> Result<Value, String> {
    let expected = |what: &str| format!("expected {what} for type {scalar_type}");
    let converted = |value: Value| cast_value(&value, scalar_type).map_err(|error: EvaluateError| error.to_string());
    match (scalar_type, json) {
        (ScalarType::Json, Json::Null) => Ok(Value::Null(scalar_type)),
        (ScalarType::Json, any) => Ok(Value::Json(any.to_string())),
        (_, Json::Null) => Ok(Value::Null(scalar_type)),
        (ScalarType::Boolean, Json::Bool(flag)) => Ok(Value::Boolean(*flag)),
        (ScalarType::Boolean, _) => Err(expected("true or false")),
        (ScalarType::Text, Json::String(text)) => Ok(Value::Text(text.clone())),
        (ScalarType::Text, _) => Err(expected("a text")),
        (ScalarType::Binary, Json::String(text)) => bytes(text).map(Value::Binary).ok_or_else(|| expected("hexadecimal digits")),
        (_, Json::String(text)) => converted(Value::Text(text.clone())),
        (numeric, Json::Number(number)) if numeric.is_numeric() => converted(Value::Text(number.to_string())),
        (numeric, _) if numeric.is_numeric() => Err(expected("a number")),
        _ => Err(expected("a text")),
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| u8::try_from(pair.first()? * 16 + pair.last()?).ok()).collect()
}
