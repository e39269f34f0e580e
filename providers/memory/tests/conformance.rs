//! The memory kind against the suite that every kind runs.

#![allow(clippy::unwrap_used)] // A test may fail by panicking, in its helping functions too.

use portico_provider_api::{ForeignKey, RemoteColumn, RemoteTableName, Source};
use portico_provider_memory::{MemorySource, MemoryTable};
use portico_provider_testkit::{FixtureTable, Subject, adapt, conformance, fixtures};
use std::sync::Arc;

fn memory_table(fixture: &FixtureTable) -> MemoryTable {
    let columns = fixture.columns.iter().map(|column| {
        let mut remote = RemoteColumn::plain(&column.name, column.scalar_type, column.nullable);
        remote.max_length = column.max_length;
        remote
    });
    let foreign_keys = fixture.foreign_keys.iter().enumerate().map(|(index, key)| ForeignKey {
        name: format!("fk{index}"),
        columns: key.columns.clone(),
        references: RemoteTableName(vec![key.references.clone()]),
        referenced_columns: key.referenced_columns.clone(),
    });
    MemoryTable {
        name: RemoteTableName(vec![fixture.name.clone()]),
        description: None,
        columns: columns.collect(),
        primary_key: fixture.primary_key.clone(),
        foreign_keys: foreign_keys.collect(),
        batches: vec![fixture.batch().unwrap()],
    }
}

#[tokio::test]
async fn conforms() {
    let tables = adapt(fixtures(), &[]).unwrap();
    let source = Arc::new(MemorySource::new("memory", tables.iter().map(memory_table).collect()).unwrap());
    let probe = Arc::clone(&source);
    let subject = Subject {
        active: Some(Box::new(move || {
            let probe = Arc::clone(&probe);
            Box::pin(async move { probe.active_queries() })
        })),
        ..Subject::new(Arc::clone(&source) as Arc<dyn Source>, tables)
    };
    let summary = conformance(subject).await;
    println!("{summary}");
    summary.assert_ok();
}
