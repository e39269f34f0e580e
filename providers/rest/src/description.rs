//! Resources from what a server says of itself: PostgREST's description. Pure; it must not know how it was fetched.

use crate::config::{CollationConfig, ColumnConfig, Format, RestConfig};
use crate::paging::Paging;
use crate::resource::{Access, Column, Place, Resource};
use portico_provider_api::{ForeignKey, RemoteTableName, ScalarType};
use portico_provider_web::json::Missing;
use serde_json::Value;
use std::collections::BTreeMap;

/// The tables of PostgREST's description, changed as the configuration says, and what is left out.
///
/// # Errors
/// When it is no such description, or the configuration names what it does not have.
pub fn of_postgrest(document: &Value, config: &RestConfig) -> Result<(Vec<Resource>, Vec<String>), String> {
    let definitions = document.get("definitions").and_then(Value::as_object);
    let definitions = definitions.ok_or("what stands at the URL is no description of PostgREST's: it has no 'definitions'")?;
    let paging = config.paging.as_ref().map(Paging::new).transpose()?.unwrap_or_default();
    // Before version 12 the status of an upsert is the same, whether or not it made a row.
    let version = document.pointer("/info/version").and_then(Value::as_str).unwrap_or_default();
    let upserts = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 12);
    let mut notes = Vec::new();
    let mut found = Vec::new();
    for (name, definition) in definitions {
        let own = config.resources.get(name);
        let paging = own.and_then(|own| own.paging.as_ref()).map(Paging::new).transpose()?.unwrap_or_else(|| paging.clone());
        let mut made = table(name, definition, paging, config, &mut notes);
        let path = format!("/paths/{}", format!("/{name}").replace('~', "~0").replace('/', "~1"));
        made.upserts = upserts;
        made.writable = document.pointer(&path).is_some_and(|path| path.get("post").is_some());
        if let Some(own) = own {
            if !own.key.is_empty() {
                made.key.clone_from(&own.key);
            }
            for (column, settings) in &own.columns {
                let known = made.columns.iter_mut().find(|known| known.name == *column);
                let known = known.ok_or_else(|| format!("resource '{name}': the server's table has no column '{column}'"))?;
                changed(known, settings).map_err(|wrong| format!("resource '{name}', column '{column}': {wrong}"))?;
            }
        }
        found.push(made);
    }
    if let Some(unknown) = config.resources.keys().find(|name| !definitions.contains_key(*name)) {
        return Err(format!("resource '{unknown}': the server has no such table"));
    }
    let names: Vec<String> = found.iter().map(|table| table.name.clone()).collect();
    for table in &mut found {
        table.references.retain(|reference| names.contains(&reference.references.table().to_owned()));
    }
    Ok((found, notes))
}

fn changed(column: &mut Column, own: &ColumnConfig) -> Result<(), String> {
    if let Some(text) = &own.scalar_type {
        column.scalar_type = text.parse()?;
    }
    column.nullable = own.nullable.unwrap_or(column.nullable);
    column.collation = own.collation.or(column.collation);
    column.max_length = own.max_length.or(column.max_length);
    column.description = own.description.clone().or_else(|| column.description.take());
    column.generated = own.generated.unwrap_or(column.generated);
    column.has_default = own.has_default.unwrap_or(column.has_default);
    let other =
        own.path.is_some() || own.asked || !own.filter.is_empty() || own.codec.is_some() || own.sort.is_some() || own.optional.is_some();
    if other {
        return Err("only 'type', 'nullable', 'collation', 'max_length', 'description', 'generated' and 'has_default' can be changed of a column that the server describes".to_owned());
    }
    Ok(())
}

fn table(name: &str, definition: &Value, paging: Paging, config: &RestConfig, notes: &mut Vec<String>) -> Resource {
    let required: Vec<&str> =
        definition.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = definition.get("properties").and_then(Value::as_object);
    let (mut columns, mut key, mut references) = (Vec::new(), Vec::new(), Vec::new());
    for (column, described) in properties.into_iter().flatten() {
        let said = described.get("description").and_then(Value::as_str).unwrap_or_default();
        if said.contains("<pk/>") {
            key.push(column.clone());
        }
        if let Some((table, referenced)) = reference(said) {
            references.push(ForeignKey {
                name: format!("{name}_{column}_fkey"),
                columns: vec![column.clone()],
                references: RemoteTableName(vec![table]),
                referenced_columns: vec![referenced],
            });
        }
        let format = described.get("format").and_then(Value::as_str).unwrap_or_default();
        let (scalar_type, compared) = type_of(format);
        if !compared {
            notes.push(format!("table '{name}', column '{column}': values of type {format} are read, and neither compared nor sorted by"));
        }
        columns.push(Column {
            name: column.clone(),
            scalar_type,
            nullable: !required.contains(&column.as_str()),
            path: vec![column.clone()],
            selected: None,
            codec: None,
            missing: Missing::Refused,
            asked: false,
            of_parent: false,
            filters: BTreeMap::new(),
            repeatable: true,
            max_in_list: 0,
            collation: if scalar_type == ScalarType::Text { config.collation.or(Some(CollationConfig::Linguistic)) } else { None },
            sort: compared,
            max_length: described.get("maxLength").and_then(Value::as_u64).and_then(|length| u32::try_from(length).ok()),
            description: said.lines().take_while(|line| !line.starts_with("Note:")).map(str::to_owned).find(|line| !line.trim().is_empty()),
            generated: false,
            has_default: described.get("default").is_some(),
            native_type: Some(format.to_owned()),
        });
    }
    let access = Access {
        path: Vec::new(),
        slash: false,
        query: Vec::new(),
        headers: Vec::new(),
        method: "GET".to_owned(),
        body: None,
        plain_body: None,
        rows: Place::default(),
        single: false,
        paging,
        batch: None,
        needs: Vec::new(),
    };
    Resource {
        name: name.to_owned(),
        description: definition.get("description").and_then(Value::as_str).map(str::to_owned),
        columns,
        key,
        references,
        format: Format::Json,
        errors: Vec::new(),
        main: Some(access),
        lookups: Vec::new(),
        requires: Vec::new(),
        sort: None,
        select: None,
        inside: None,
        write: None,
        postgrest: true,
        writable: false,
        upserts: false,
    }
}

/// What `<fk table='authors' column='id'/>` refers to.
fn reference(said: &str) -> Option<(String, String)> {
    let rest = said.split("<fk table='").nth(1)?;
    let (table, rest) = rest.split_once("' column='")?;
    let (column, _) = rest.split_once("'/>")?;
    Some((table.to_owned(), column.to_owned()))
}

/// The type of a column, and whether its values compare there as they do here.
fn type_of(format: &str) -> (ScalarType, bool) {
    match format {
        "boolean" => (ScalarType::Boolean, true),
        "smallint" => (ScalarType::Int16, true),
        "integer" => (ScalarType::Int32, true),
        "bigint" => (ScalarType::Int64, true),
        "real" => (ScalarType::Float32, true),
        "double precision" => (ScalarType::Float64, true),
        "numeric" => (ScalarType::UNCONSTRAINED_DECIMAL, true),
        "text" | "character varying" => (ScalarType::Text, true),
        "bytea" => (ScalarType::Binary, true),
        "date" => (ScalarType::Date, true),
        "time without time zone" => (ScalarType::Time, true),
        "timestamp without time zone" => (ScalarType::Timestamp, true),
        "timestamp with time zone" => (ScalarType::TimestampTz, true),
        "uuid" => (ScalarType::Guid, true),
        "json" | "jsonb" => (ScalarType::Json, true),
        "oid" => (ScalarType::Int64, false),
        array if array.ends_with("[]") => (ScalarType::Json, false),
        // Written as text: enumerations, intervals, addresses, padded texts.
        _ => (ScalarType::Text, false),
    }
}
