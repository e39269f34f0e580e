//! Writes to sources that check less than a database does while they write, that are asked by keys alone, or that do not do every write:
//! what is done soundly, what is refused, and what metadata says of it.

use crate::harness::{Bench, Options, TABLES, bench, customers, principal, table};
use crate::key_joins::keys;
use portico_engine::{EngineError, WriteAnswer};
use portico_odata::{BoundWrite, MatchCondition, WriteAction};
use portico_provider_api::arrays::batch_from_rows;
use portico_provider_api::capabilities::{TableCapabilities, TableKeys, WriteCapabilities};
use portico_provider_api::{Capabilities, RemoteColumn, ScalarType, Support, Value};
use portico_provider_memory::MemoryTable;

const ID: usize = 0;
const NAME: usize = 1;
const REGION: usize = 2;

fn write(action: WriteAction) -> BoundWrite {
    BoundWrite { table: "Customers".to_owned(), action, select: vec![ID, NAME] }
}

fn rename(id: i64, condition: MatchCondition) -> BoundWrite {
    write(WriteAction::Update { key: vec![Value::Int64(id)], values: vec![(NAME, Value::text("Renamed"))], condition })
}

fn delete(id: i64, condition: MatchCondition) -> BoundWrite {
    write(WriteAction::Delete { key: vec![Value::Int64(id)], condition })
}

fn insert(id: i64, region: Option<&str>) -> BoundWrite {
    let mut values = vec![(ID, Value::Int64(id)), (NAME, Value::text("New")), (5, Value::Int64(1))];
    values.extend(region.map(|region| (REGION, Value::text(region))));
    write(WriteAction::Insert { values })
}

fn tables(settings: &str) -> String {
    let columns =
        TABLES.replace(r#""Credit": {"remote": "credit"}"#, r#""Credit": {"remote": "credit"}, "Version": {"remote": "version"}"#);
    columns.replace(r#""version": "version","#, settings)
}

async fn limited(settings: &str, limits: fn(&mut Capabilities)) -> Bench {
    bench(Options { tables: tables(settings), limits, ..Options::default() }).await
}

async fn names(bench: &Bench) -> Vec<String> {
    bench.rows("all", "SELECT Id, Name FROM Customers ORDER BY Id").await
}

fn unsupported(result: Result<WriteAnswer, EngineError>) -> String {
    match result {
        Err(EngineError::Unsupported(message)) => message,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("was written"),
    }
}

fn of_customers(own: &mut Capabilities) -> &mut TableCapabilities {
    own.tables.entry("customers".to_owned()).or_default()
}

/// What an HTTP service does: one change at a time, checked against its ETag.
const BY_ETAG: WriteCapabilities =
    WriteCapabilities { transactions: false, upsert: false, unchanged: false, visible: false, require: false, ..WriteCapabilities::ALL };

/// The same without the ETag.
const UNCHECKED: WriteCapabilities = WriteCapabilities { version: false, ..BY_ETAG };

#[tokio::test]
async fn a_row_is_found_within_what_its_source_takes() {
    let by_key: fn(&mut Capabilities) = |own| {
        let keys = vec![TableKeys { columns: vec!["id".to_owned()], support: Support::Exact, max_tuples: 1, max_bytes: 0 }];
        *of_customers(own) = TableCapabilities { filter: Some(Support::None), keys: Some(keys), ..TableCapabilities::default() };
    };
    let needs_key: fn(&mut Capabilities) = |own| of_customers(own).required_keys = vec![keys(&["id"])];
    let whole: fn(&mut Capabilities) = |own| {
        *of_customers(own) = TableCapabilities { filter: Some(Support::None), keys: Some(Vec::new()), ..TableCapabilities::default() };
    };
    let roughly: fn(&mut Capabilities) = |own| {
        own.keys.support = Support::None;
        of_customers(own).filter = Some(Support::Inexact);
    };
    for (limits, keyed) in [(by_key, true), (needs_key, true), (whole, false), (roughly, false)] {
        let bench = limited("", limits).await;
        bench.crm.clear_log();
        bench.write("emea", &rename(1, MatchCondition::Any)).await.unwrap();
        assert_eq!(bench.crm.log().first().is_some_and(|query| query.keys.is_some()), keyed);
        assert!(matches!(bench.write("emea", &rename(2, MatchCondition::Any)).await, Err(EngineError::NotFound(_))));
        assert!(matches!(bench.write("all", &rename(99, MatchCondition::Any)).await, Err(EngineError::NotFound(_))));
        bench.write("all", &delete(5, MatchCondition::Any)).await.unwrap();
        let rows = bench.sql_as(&principal("all"), "SELECT Id, Name FROM Customers WHERE Id IN (1, 2, 5)").await.unwrap();
        assert_eq!(crate::harness::lines(&rows), ["1,Renamed", "2,Beta"]);
    }
}

#[tokio::test]
async fn a_row_is_found_by_the_keys_that_its_table_requires() {
    let limits: fn(&mut Capabilities) = |own| of_customers(own).required_keys = vec![keys(&["name"]), keys(&["region"])];
    let bench = limited("", limits).await;
    bench.crm.clear_log();
    bench.write("emea", &rename(1, MatchCondition::Any)).await.unwrap();
    let asked = bench.crm.log().into_iter().next().and_then(|query| query.keys);
    assert_eq!(asked.map(|keys| keys.tuples), Some(vec![vec![Value::text("EMEA")]]));
    assert!(matches!(bench.write("emea", &rename(2, MatchCondition::Any)).await, Err(EngineError::NotFound(_))));
    // Nothing says in which region it is.
    let refused = bench.write("all", &rename(1, MatchCondition::Any)).await.err().unwrap();
    assert!(refused.to_string().contains("without keys"), "{refused}");
}

fn changed_meanwhile() -> MemoryTable {
    let table = customers();
    let types: Vec<_> = table.columns.iter().map(|column| column.scalar_type).collect();
    let rows = (0..5).map(|row| portico_provider_api::arrays::row_at(&table.batches[0], row, &types).unwrap());
    let mut rows: Vec<Vec<Value>> = rows.collect();
    // Somebody else moves the first customer.
    rows[0][2] = Value::text("APAC");
    let described: Vec<_> = table.columns.iter().map(|column| (column.name.clone(), column.scalar_type, column.nullable)).collect();
    MemoryTable { batches: vec![batch_from_rows(&described, &rows).unwrap()], ..table }
}

#[tokio::test]
async fn a_rule_is_kept_under_the_sources_own_etag() {
    let limits: fn(&mut Capabilities) = |own| own.write = BY_ETAG;
    // Without `version` the source's own is used.
    let bench = limited("", limits).await;
    let current = bench.write("emea", &rename(1, MatchCondition::Any)).await.unwrap();
    assert!(matches!(bench.write("emea", &rename(2, MatchCondition::Any)).await, Err(EngineError::NotFound(_))));
    let moved = write(WriteAction::Update {
        key: vec![Value::Int64(3)],
        values: vec![(REGION, Value::text("APAC"))],
        condition: MatchCondition::Any,
    });
    assert!(matches!(bench.write("emea", &moved).await, Err(EngineError::Forbidden(_))));
    let stale = MatchCondition::Tags(vec!["W/\"stale\"".to_owned()]);
    assert!(matches!(bench.write("all", &delete(1, stale)).await, Err(EngineError::PreconditionFailed(_))));
    bench.write("all", &delete(1, MatchCondition::Tags(vec![current.etag.unwrap()]))).await.unwrap();
    assert_eq!(names(&bench).await, ["2,Beta", "3,Gamma", "4,Delta", "5,Epsilon"]);

    // What somebody else does between check and write is noticed.
    for (limits, settings) in [(limits, ""), (limits, r#""version": "version","#)] {
        let options = Options { tables: tables(settings), limits, meddling: Some(changed_meanwhile), ..Options::default() };
        let bench = crate::harness::bench(options).await;
        assert!(matches!(bench.write("emea", &rename(1, MatchCondition::Any)).await, Err(EngineError::PreconditionFailed(_))));
        assert_eq!(names(&bench).await[0], "1,Alpha");
    }
}

#[tokio::test]
async fn a_rule_is_kept_by_comparing_what_it_was_checked_on() {
    let limits: fn(&mut Capabilities) = |own| {
        own.write = WriteCapabilities { visible: false, require: false, version: false, ..WriteCapabilities::ALL };
    };
    let bench = limited("", limits).await;
    bench.write("emea", &rename(1, MatchCondition::Any)).await.unwrap();
    let options = Options { tables: tables(""), limits, meddling: Some(changed_meanwhile), ..Options::default() };
    let bench = crate::harness::bench(options).await;
    assert!(matches!(bench.write("emea", &rename(1, MatchCondition::Any)).await, Err(EngineError::PreconditionFailed(_))));
    // Who has no rule does not mind.
    bench.write("all", &rename(1, MatchCondition::Any)).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_checked_is_refused_unless_the_table_accepts_it() {
    let limits: fn(&mut Capabilities) = |own| own.write = UNCHECKED;
    let tags = || MatchCondition::Tags(vec!["W/\"1\"".to_owned()]);
    let bench = limited(r#""version": "version","#, limits).await;
    for refused in [bench.write("emea", &rename(1, MatchCondition::Any)).await, bench.write("all", &rename(1, tags())).await] {
        let message = unsupported(refused);
        assert!(message.contains("'Customers' cannot be changed like this") && message.contains("check_first: true"), "{message}");
    }
    assert!(unsupported(bench.write("all", &delete(1, tags())).await).contains("If-Match"));
    // Nobody asked for anything to be checked.
    bench.write("all", &rename(2, MatchCondition::Any)).await.unwrap();
    assert_eq!(names(&bench).await[..2], ["1,Alpha", "2,Renamed"]);

    let accepting = limited(r#""version": "version", "writes": { "check_first": true },"#, limits).await;
    accepting.write("emea", &rename(1, tags())).await.unwrap();
    assert!(matches!(accepting.write("emea", &rename(2, MatchCondition::Any)).await, Err(EngineError::NotFound(_))));
    let stale = MatchCondition::Tags(vec!["W/\"7\"".to_owned()]);
    assert!(matches!(accepting.write("all", &delete(1, stale)).await, Err(EngineError::PreconditionFailed(_))));
    assert_eq!(names(&accepting).await[..2], ["1,Renamed", "2,Beta"]);
}

/// Insertable, updatable, deletable, and whether entities have ETags.
fn possible(bench: &Bench, role: &str) -> (bool, bool, bool) {
    let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
    let view = bench.engine.view(&principal(role), &service).unwrap();
    let table = view.by_virtual_table("Customers").unwrap();
    (table.insertable, table.updatable, table.deletable)
}

#[tokio::test]
async fn metadata_says_what_can_be_done() {
    let unchecked: fn(&mut Capabilities) = |own| own.write = UNCHECKED;
    let only_insert: fn(&mut Capabilities) = |own| {
        of_customers(own).write = Some(WriteCapabilities { insert: true, returning: true, ..WriteCapabilities::default() });
    };
    let optional = r#""writes": { "if_match": "optional" },"#;
    let accepting = r#""writes": { "check_first": true },"#;
    let by_etag: fn(&mut Capabilities) = |own| own.write = BY_ETAG;
    for (settings, limits, all, emea) in [
        ("", (|_| {}) as fn(&mut Capabilities), (true, true, true), (true, true, false)),
        ("", only_insert, (true, false, false), (true, false, false)),
        ("", by_etag, (true, true, true), (true, true, false)),
        ("", unchecked, (true, false, false), (true, false, false)),
        (optional, unchecked, (true, true, true), (true, false, false)),
        (accepting, unchecked, (true, true, true), (true, true, false)),
    ] {
        let bench = limited(settings, limits).await;
        assert_eq!((possible(&bench, "all"), possible(&bench, "emea")), (all, emea), "{settings}");
    }
    let bench = limited("", only_insert).await;
    assert!(unsupported(bench.write("all", &delete(1, MatchCondition::Any)).await).contains("its source does not allow it"));
    bench.write("all", &insert(6, None)).await.unwrap();
}

#[tokio::test]
async fn a_rule_for_new_rows_is_checked_on_what_is_given() {
    let limits: fn(&mut Capabilities) = |own| own.write = BY_ETAG;
    let bench = limited("", limits).await;
    bench.write("emea", &insert(6, Some("EMEA"))).await.unwrap();
    assert!(matches!(bench.write("emea", &insert(7, Some("APAC"))).await, Err(EngineError::Forbidden(_))));
    assert!(matches!(bench.write("emea", &insert(7, None)).await, Err(EngineError::Forbidden(_))));
    // What the source would put there is not known.
    let mut own = customers();
    own.columns[2].has_default = true;
    let bench = crate::harness::bench(Options { tables: tables(""), limits, crm: vec![own], ..Options::default() }).await;
    assert!(unsupported(bench.write("emea", &insert(7, None)).await).contains("without 'Region'"));
    bench.write("emea", &insert(7, Some("EMEA"))).await.unwrap();
}

#[tokio::test]
async fn the_key_of_a_new_row_is_known_or_it_is_not_made() {
    let numbered = || {
        let id = RemoteColumn { generated: true, has_default: true, ..RemoteColumn::plain("id", ScalarType::Int64, false) };
        table(
            "tickets",
            vec![id, RemoteColumn::plain("text", ScalarType::Text, true)],
            &["id"],
            &[vec![Value::Int64(1), Value::text("one")]],
        )
    };
    let options = |limits| Options {
        tables: r#"{ "Tickets": { "source": "crm", "remote": "tickets" } }"#.to_owned(),
        access: r#"{ "roles": { "all": { "Tickets": { "write": ["insert"] } } } }"#.to_owned(),
        crm: vec![numbered()],
        limits,
        ..Options::default()
    };
    let new =
        BoundWrite { table: "Tickets".to_owned(), action: WriteAction::Insert { values: vec![(1, Value::text("two"))] }, select: vec![0] };
    for (limits, known) in [
        ((|own| own.write.returning = false) as fn(&mut Capabilities), true),
        (|own| (own.write.returning, own.write.returning_key) = (false, false), false),
    ] {
        let bench = bench(options(limits)).await;
        let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
        assert_eq!(bench.engine.view(&principal("all"), &service).unwrap().by_virtual_table("Tickets").unwrap().insertable, known);
        let written = bench.write("all", &new).await;
        if known {
            assert_eq!(written.unwrap().key, [Value::Int64(2)]);
        } else {
            assert!(unsupported(written).contains("does not tell the key"));
            assert_eq!(bench.rows("all", "SELECT count(*) FROM Tickets").await, ["1"]);
        }
    }
}
