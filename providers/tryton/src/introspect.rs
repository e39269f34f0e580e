//! What the server says of its models: fields, rights, buttons. It must not know queries.

use crate::capabilities;
use crate::client::{Client, Purpose, every_record};
use crate::config::Backend;
use crate::config::TextOrder;
use crate::fields::{self, Described};
use crate::translate::Call;
use futures::StreamExt;
use portico_provider_api::capabilities::{TableCapabilities, WriteCapabilities};
use portico_provider_api::{
    ForeignKey, QueryContext, RemoteOperation, RemoteParameter, RemoteSchema, RemoteTable, RemoteTableName, ScalarType, Selection,
    SourceError, SourceErrorKind,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Models that are asked about at a time.
const AT_ONCE: usize = 4;

/// What is known of a model besides its columns.
#[derive(Debug, Default)]
pub struct Model {
    /// Labels of fields as messages show them, and their names.
    pub labels: Vec<(String, String)>,
    /// Fields that are the other side of references: field, the model of the records, their field.
    pub many: Vec<(String, String, String)>,
}

/// A model as the server describes it.
pub struct Definition {
    /// The table; without rights.
    pub table: RemoteTable,
    /// What else is known.
    pub model: Model,
    /// What is left out.
    notes: Vec<String>,
    /// Whether it has records.
    stored: bool,
}

/// The name of a model as a table's.
pub fn table_name(model: &str) -> RemoteTableName {
    RemoteTableName(model.split('.').map(str::to_owned).collect())
}

/// Reads one model; nothing where there is none of that name.
///
/// # Errors
/// When the server cannot be asked, or does not let it be seen.
pub async fn definition(client: &Client, model: &str, context: &QueryContext) -> Result<Option<Definition>, SourceError> {
    let call = Call::plain(format!("model.{model}.fields_get"), vec![json!([])]);
    let described = match client.read(&call, context).await {
        Ok(described) => described,
        Err(error) if error.kind == SourceErrorKind::SchemaChanged => return Ok(None),
        Err(error) => return Err(error),
    };
    let Value::Object(described) = described else {
        return Err(client.error(SourceErrorKind::Malformed, format!("the fields of '{model}' are no object")));
    };
    let mut definition = lay_out(model, &described);
    let required: Vec<&String> = definition.table.columns.iter().filter(|column| !column.nullable).map(|column| &column.name).collect();
    if definition.stored && required.iter().any(|name| *name != "id") {
        let call = Call::plain(format!("model.{model}.default_get"), vec![json!(required), json!(false)]);
        let defaults = client.read(&call, context).await?;
        for column in &mut definition.table.columns {
            column.has_default = defaults.get(&column.name).is_some_and(|value| !value.is_null());
        }
    }
    Ok(Some(definition))
}

fn lay_out(model: &str, described: &Map<String, Value>) -> Definition {
    let mut table = RemoteTable::plain(table_name(model), Vec::new(), &["id"]);
    let (mut known, mut unknown) = (Model::default(), Vec::new());
    let mut names: Vec<&String> = described.keys().collect();
    // The number first, the rest in an order that is always the same.
    names.sort_by_key(|name| (*name != "id", *name));
    for name in names {
        let Some(field) = described.get(name) else { continue };
        if let Some(label) = field.get("string").and_then(Value::as_str) {
            known.labels.push((label.to_owned(), name.clone()));
        }
        match fields::described(name, field) {
            Described::Column(column, relation) => {
                // What refers to records is a key only where it is stored.
                let stored = fields::Field::parse(&column.native_type).is_some_and(|field| field.searchable);
                table.foreign_keys.extend(relation.filter(|_| stored).map(|relation| ForeignKey {
                    name: format!("{model},{name}"),
                    columns: vec![name.clone()],
                    references: table_name(&relation),
                    referenced_columns: vec!["id".to_owned()],
                }));
                table.columns.push(*column);
            }
            Described::Many { model, field: Some(field) } => known.many.push((name.clone(), model, field)),
            Described::Many { .. } => {}
            Described::Unknown(native) => unknown.push(format!("'{name}' ({native})")),
        }
    }
    table.row_version = Some(fields::row_version());
    let notes = if unknown.is_empty() {
        Vec::new()
    } else {
        vec![format!("of '{model}' these fields are left out, because their types have no counterpart: {}", unknown.join(", "))]
    };
    let stored = described.contains_key("id") && described.contains_key("create_date");
    Definition { table, model: known, notes, stored }
}

/// Reads the schema.
///
/// # Errors
/// When the server cannot be asked, or is not what the settings say.
pub async fn remote_schema(client: &Client, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
    let models = match (wanted.tables(), &client.config().models) {
        (Some(tables), _) => distinct(tables.iter().map(|table| table.0.join("."))),
        (None, Some(models)) => distinct(models.iter().cloned()),
        (None, None) => every_model(client, context).await?,
    };
    let mut untried = None;
    if !models.is_empty() {
        match try_backend(client, context).await {
            // Who may not see the models cannot be told by them which database it is.
            Err(error) if error.kind == SourceErrorKind::Credentials => {
                untried = Some(format!("whether 'backend' and 'text_order' are true could not be tried: {}", error.message));
            }
            tried => tried?,
        }
    }
    let found = futures::stream::iter(models.into_iter().map(|model| async move {
        let definition = definition(client, &model, context).await;
        (model, definition)
    }));
    let mut found = std::pin::pin!(found.buffered(AT_ONCE));
    let (mut tables, mut notes) = (Vec::new(), Vec::from_iter(untried));
    while let Some((model, definition)) = found.next().await {
        match definition {
            Ok(Some(definition)) if definition.stored => {
                notes.extend(definition.notes);
                tables.push(definition.table);
            }
            Ok(_) => {}
            // Some models are for the server alone.
            Err(error) if error.kind == SourceErrorKind::Credentials => notes.push(format!("'{model}' is left out: {}", error.message)),
            Err(error) => return Err(error),
        }
    }
    let rights = rights(client, &mut tables, &mut notes, context).await?;
    let operations = operations(client, wanted, context).await?;
    let mut capabilities = capabilities::of_server(client.config());
    for table in &tables {
        let columns = table.columns.iter().filter_map(|column| {
            Some((column.name.clone(), capabilities::of_column(&column.native_type, column.scalar_type, client.config())?))
        });
        let write = rights.get(&table.name.to_string()).and_then(|rights| restricted(capabilities.write, *rights));
        let own = TableCapabilities { columns: columns.collect(), write, ..TableCapabilities::default() };
        capabilities.tables.insert(table.name.to_string(), own);
    }
    let mut schema = RemoteSchema { version: String::new(), tables, operations, declared: false, notes, capabilities };
    let bytes = serde_json::to_vec(&schema).map_err(|error| client.error(SourceErrorKind::Internal, error.to_string()))?;
    let digest = Sha256::digest(&bytes);
    schema.version = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    Ok(schema)
}

fn distinct(models: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    models.filter(|model| seen.insert(model.clone())).collect()
}

async fn every_model(client: &Client, context: &QueryContext) -> Result<Vec<String>, SourceError> {
    let arguments = vec![json!([]), json!(0), Value::Null, json!([["id", "ASC"]]), json!(["name"])];
    let rows = client.read(&Call::plain("model.ir.model.search_read", arguments), context).await?;
    let mut names: Vec<String> = texts(&rows, "name");
    names.sort_unstable();
    Ok(names)
}

fn texts(rows: &Value, member: &str) -> Vec<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| row.get(member)?.as_str()).map(str::to_owned).collect()
}

/// Asks the server a question whose answer tells its database: names of models are all in small letters.
async fn try_backend(client: &Client, context: &QueryContext) -> Result<(), SourceError> {
    let count = async |domain: Value| {
        let call = Call::plain("model.ir.model.search_count", vec![domain, json!(0), Value::Null]);
        client.read(&call, context).await.map(|count| count.as_u64().unwrap_or(0))
    };
    let ignores_case = count(json!([["name", "like", "IR.MODEL"]])).await? > 0;
    let found = if ignores_case { Backend::Sqlite } else { Backend::Postgresql };
    let config = client.config();
    if found != config.backend {
        let name = |backend| if backend == Backend::Sqlite { "sqlite" } else { "postgresql" };
        let message = format!("'backend' says {}, but the server compares text as {} does", name(config.backend), name(found));
        return Err(client.error(SourceErrorKind::Unsupported, message).at(&["backend"]));
    }
    if config.text_order == TextOrder::Binary && count(json!([["name", "<", "Z"]])).await? > 0 {
        let message = "'text_order' says binary, but the server orders text by the rules of a language";
        return Err(client.error(SourceErrorKind::Unsupported, message).at(&["text_order"]));
    }
    Ok(())
}

/// What the user may do to the records of a model.
#[derive(Clone, Copy)]
struct Rights {
    create: bool,
    write: bool,
    delete: bool,
}

/// What can be written, where the user's rights leave less than the server can do.
fn restricted(all: WriteCapabilities, rights: Rights) -> Option<WriteCapabilities> {
    match rights {
        Rights { create: true, write: true, delete: true } => None,
        Rights { create: false, write: false, delete: false } => Some(WriteCapabilities::default()),
        Rights { create, write, delete } => Some(WriteCapabilities { insert: create, update: write, delete, ..all }),
    }
}

/// Leaves out what the user may not read, and says what he may do to the rest, by model.
async fn rights(
    client: &Client,
    tables: &mut Vec<RemoteTable>,
    notes: &mut Vec<String>,
    context: &QueryContext,
) -> Result<BTreeMap<String, Rights>, SourceError> {
    if tables.is_empty() {
        return Ok(BTreeMap::new());
    }
    let models: Vec<String> = tables.iter().map(|table| table.name.to_string()).collect();
    let access = client.read(&Call::plain("model.ir.model.access.get_access", vec![json!(models)]), context).await?;
    let may = |model: &str, what: &str| access.get(model).and_then(|access| access.get(what)).and_then(Value::as_bool).unwrap_or(true);
    tables.retain(|table| {
        let model = table.name.to_string();
        let reads = may(&model, "read");
        if !reads {
            notes.push(format!("'{model}' is left out: the user may not read it"));
        }
        reads
    });
    let mut all = BTreeMap::new();
    for table in tables {
        let model = table.name.to_string();
        let rights = Rights { create: may(&model, "create"), write: may(&model, "write"), delete: may(&model, "delete") };
        table.writable = rights.create || rights.write || rights.delete;
        all.insert(model, rights);
    }
    Ok(all)
}

/// The buttons of models, and the methods of the settings: each takes a record, and changes something.
async fn operations(client: &Client, wanted: &Selection, context: &QueryContext) -> Result<Vec<RemoteOperation>, SourceError> {
    if wanted.operations().is_some_and(<[String]>::is_empty) {
        return Ok(Vec::new());
    }
    let arguments = vec![json!([]), json!(0), Value::Null, json!([["id", "ASC"]]), json!(["model", "name", "string"])];
    let call = Call::plain("model.ir.model.button.search_read", arguments);
    let rows = match client.call(&call, &every_record(), Purpose::Read, context).await.map_err(|failure| client.failed(failure)) {
        Ok(rows) => rows,
        // Who may not see the buttons may still call what the settings name.
        Err(error) if error.kind == SourceErrorKind::Credentials => Value::Null,
        Err(error) => return Err(error),
    };
    let mut methods: BTreeMap<String, Option<String>> = client.config().methods.iter().map(|method| (method.clone(), None)).collect();
    for row in rows.as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |member: &str| row.get(member).and_then(Value::as_str);
        if let (Some(model), Some(name)) = (text("model"), text("name")) {
            methods.insert(format!("{model}.{name}"), text("string").map(str::to_owned));
        }
    }
    let operations = methods.into_iter().map(|(method, description)| RemoteOperation {
        name: table_name(&method),
        signature: format!("{method}(id)"),
        description,
        procedure: false,
        parameters: vec![RemoteParameter {
            name: "id".to_owned(),
            native_type: "id".to_owned(),
            scalar_type: ScalarType::Int32,
            optional: false,
        }],
        result: None,
        changes: true,
        unavailable: None,
    });
    let named = |operation: &RemoteOperation| wanted.operations().is_none_or(|names| names.iter().any(|name| operation.is_named(name)));
    Ok(operations.filter(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_writes_what_he_has_the_right_to() {
        let all = WriteCapabilities {
            insert: true,
            update: true,
            delete: true,
            transactions: true,
            version: true,
            ..WriteCapabilities::default()
        };
        let of = |create, write, delete| restricted(all, Rights { create, write, delete });
        assert_eq!(of(true, true, true), None);
        assert_eq!(of(false, false, false), Some(WriteCapabilities::default()));
        assert_eq!(of(false, true, false), Some(WriteCapabilities { insert: false, delete: false, ..all }));
        assert_eq!(of(true, false, true), Some(WriteCapabilities { update: false, ..all }));
    }
}
