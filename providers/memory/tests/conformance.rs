//! The memory kind against the suite that every kind runs.

#![allow(clippy::unwrap_used)] // A test may fail by panicking, in its helping functions too.

use portico_provider_api::capabilities::{
    ColumnCapabilities, ColumnComparisons, Requirement, TableCapabilities, TableKeys, WriteCapabilities,
};
use portico_provider_api::{Capabilities, ForeignKey, Function, RemoteColumn, RemoteTableName, Source, Support};
use portico_provider_memory::{MemorySource, MemoryTable, capabilities};
use portico_provider_testkit::{FixtureTable, Limitation, Purpose, Subject, adapt, conformance, fixtures};
use std::collections::BTreeMap;
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

/// A source of the fixtures that is limited, put to the test.
async fn limited(limits: fn(&mut Capabilities), limitations: Vec<Limitation>) {
    let tables = adapt(fixtures(), &limitations).unwrap();
    let mut able = capabilities::capabilities();
    limits(&mut able);
    let source = MemorySource::new("memory", tables.iter().map(memory_table).collect()).unwrap().limited_to(able);
    let mut subject = Subject { limitations, ..Subject::new(Arc::new(source), tables) };
    subject.options.queries = 120;
    let summary = conformance(subject).await;
    summary.assert_ok();
}

/// As a REST resource: parameters of single columns, each given once, keys by path or in a list; one change at a time under an ETag.
fn like_rest(own: &mut Capabilities) {
    let exact = Support::Exact;
    let plain = Capabilities { projection: exact, ..Capabilities::default() };
    *own = Capabilities { write: own.write, ..plain };
    own.filter.and = exact;
    own.filter.max_in_list = 0;
    (own.write.transactions, own.write.upsert, own.write.returning) = (false, false, false);
    (own.write.unchanged, own.write.visible, own.write.require) = (false, false, false);
    for fixture in fixtures() {
        let keys = |columns: Vec<String>, max_tuples| TableKeys { columns, support: exact, max_tuples, max_bytes: 0 };
        let mut table = TableCapabilities { limit: Some(exact), count: Some(exact), ..TableCapabilities::default() };
        for (at, column) in fixture.columns.iter().enumerate() {
            let comparisons = match at % 3 {
                0 => ColumnComparisons { equal: exact, ..ColumnComparisons::default() },
                1 => ColumnComparisons { greater_or_equal: exact, less: exact, ..ColumnComparisons::default() },
                _ => ColumnComparisons { is_null: exact, not_equal: exact, ..ColumnComparisons::default() },
            };
            let functions = Some(BTreeMap::from([(Function::StartsWith, exact)]));
            let own = ColumnCapabilities { comparisons: Some(comparisons), functions, once: at % 2 == 0, ..ColumnCapabilities::default() };
            table.columns.insert(column.name.clone(), ColumnCapabilities { max_in_list: (at == 0).then_some(4), ..own });
        }
        table.keys = Some(vec![keys(fixture.primary_key.clone(), 5)]);
        own.tables.insert(fixture.name.clone(), table);
    }
}

#[tokio::test]
async fn conforms_like_a_rest_resource() {
    limited(like_rest, Vec::new()).await;
}

/// As resources that are found by keys alone, some of them only one at a time, and that are written without any check.
fn by_keys_alone(own: &mut Capabilities) {
    (own.write.version, own.write.unchanged, own.write.visible, own.write.require) = (false, false, false, false);
    own.filter.and = Support::Exact;
    for (at, fixture) in fixtures().into_iter().filter(|fixture| fixture.purpose != Purpose::Large).enumerate() {
        let table = own.tables.entry(fixture.name.clone()).or_default();
        table.required_keys = vec![fixture.primary_key.iter().cloned().map(Requirement::Key).collect()];
        let keys = TableKeys { columns: fixture.primary_key.clone(), support: Support::Exact, max_tuples: 1 + 20 * (at % 2), max_bytes: 0 };
        table.keys = Some(vec![keys]);
    }
    own.tables.entry("write_pair".to_owned()).or_default().write = Some(WriteCapabilities::default());
}

#[tokio::test]
async fn conforms_by_keys_alone() {
    let read_only = Limitation::ReadOnly { table: "write_pair".to_owned(), reason: "declared so".to_owned() };
    limited(by_keys_alone, vec![read_only]).await;
}

/// Everything roughly, in short requests.
fn roughly(own: &mut Capabilities) {
    own.keys.support = Support::Inexact;
    own.max_request_bytes = 700;
    for fixture in fixtures() {
        own.tables.entry(fixture.name.clone()).or_default().filter = Some(Support::Inexact);
    }
    (own.write.visible, own.write.require) = (false, false);
}

#[tokio::test]
async fn conforms_where_more_rows_come_than_were_asked_for() {
    limited(roughly, Vec::new()).await;
}
