//! A directory of files, and what is asked of sources over it.

use futures::StreamExt;
use portico_provider_api::arrays::row_at;
use portico_provider_api::{
    ConnectContext, QueryContext, RemoteSchema, RemoteTable, RemoteTableName, Selection, Source, SourceError, SourceQuery, TableColumn,
    TableRelation, Value,
};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A directory that is removed in the end.
pub struct Directory(TempDir);

impl Directory {
    pub fn new() -> Directory {
        Directory(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that looks as if it had been left alone for a minute.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), content).unwrap();
        self.age(name, 60);
    }

    pub fn age(&self, name: &str, seconds: u64) {
        let file = std::fs::File::options().write(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    pub fn connect(&self, settings: Json) -> Result<Arc<dyn Source>, SourceError> {
        let mut settings = settings;
        settings.as_object_mut().unwrap().entry("directory").or_insert(json!("."));
        let context = ConnectContext {
            source_name: "lists".to_owned(),
            base_directory: self.0.path().to_owned(),
            max_connections: 4,
            timeout: Duration::from_secs(30),
            request_time: Duration::from_secs(120),
        };
        (portico_provider_files::kind().connect)(settings, context)
    }

    pub fn source(&self, settings: Json) -> Arc<dyn Source> {
        self.connect(settings).unwrap()
    }

    /// Files of the directory that this process has open.
    pub fn open_files(path: &std::path::Path) -> usize {
        let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        links.filter(|link| std::fs::read_link(link.path()).is_ok_and(|target| target.starts_with(path))).count()
    }

    pub fn root(&self) -> PathBuf {
        std::fs::canonicalize(self.0.path()).unwrap()
    }
}

pub async fn schema(source: &Arc<dyn Source>) -> RemoteSchema {
    source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap()
}

pub async fn table(source: &Arc<dyn Source>, name: &str) -> RemoteTable {
    let schema = schema(source).await;
    let found = schema.table(&RemoteTableName(vec![name.to_owned()])).cloned();
    found.unwrap_or_else(|| panic!("there is no table '{name}': {:?}", schema.notes))
}

/// Names and types, as one text: `id int64, name text`.
pub fn types(table: &RemoteTable) -> String {
    table.columns.iter().map(|column| format!("{} {}", column.name, column.scalar_type)).collect::<Vec<_>>().join(", ")
}

pub fn relation(table: &RemoteTable) -> TableRelation {
    let columns = table.columns.iter().map(|column| TableColumn::computed(&column.name, column.scalar_type, column.nullable));
    TableRelation { table: table.name.clone(), columns: columns.collect() }
}

pub async fn answer(source: &Arc<dyn Source>, query: SourceQuery) -> Result<Vec<Vec<Value>>, SourceError> {
    let types: Vec<_> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    let mut stream = source.query(query, &QueryContext::default()).await?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        rows.extend((0..batch.num_rows()).map(|row| row_at(&batch, row, &types).unwrap()));
    }
    assert!(stream.report().unwrap().complete);
    Ok(rows)
}

/// All rows of a table, as it is described now.
pub async fn rows(source: &Arc<dyn Source>, name: &str) -> Result<Vec<Vec<Value>>, SourceError> {
    let table = table(source, name).await;
    answer(source, SourceQuery::scan(relation(&table))).await
}
