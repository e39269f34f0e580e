//! Writes: ETags, row rules, read-only columns; and that a refused write changes nothing.

use crate::harness::{Bench, Options, TABLES, bench};
use portico_engine::EngineError;
use portico_odata::{BoundWrite, MatchCondition, WriteAction};
use portico_provider_api::{ScalarType, Value};

fn update(id: i64, values: Vec<(usize, Value)>, condition: MatchCondition) -> BoundWrite {
    BoundWrite {
        table: "Customers".to_owned(),
        action: WriteAction::Update { key: vec![Value::Int64(id)], values, condition },
        select: vec![0, 1],
    }
}

fn tags(tag: &str) -> MatchCondition {
    MatchCondition::Tags(vec![tag.to_owned()])
}

async fn name_of(bench: &Bench, id: i64) -> Vec<String> {
    bench.rows("all", &format!("SELECT Name FROM Customers WHERE Id = {id}")).await
}

#[tokio::test]
async fn a_stale_etag_changes_nothing() {
    let bench = bench(Options::default()).await;
    let rename = |condition| update(1, vec![(1, Value::text("Renamed"))], condition);
    assert!(matches!(bench.write("all", &rename(tags("W/\"7\""))).await, Err(EngineError::PreconditionFailed(_))));
    assert!(matches!(bench.write("all", &rename(MatchCondition::Absent)).await, Err(EngineError::PreconditionRequired(_))));
    assert_eq!(name_of(&bench, 1).await, ["Alpha"]);
    let written = bench.write("all", &rename(tags("W/\"1\""))).await.unwrap();
    assert_eq!(written.key, [Value::Int64(1)]);
    assert!(written.etag.is_some() && written.entity.is_some());
    assert_eq!(name_of(&bench, 1).await, ["Renamed"]);
    assert!(matches!(
        bench.write("all", &update(99, vec![(1, Value::text("x"))], MatchCondition::Any)).await,
        Err(EngineError::NotFound(_))
    ));
}

#[tokio::test]
async fn without_a_version_the_whole_row_is_compared() {
    let tables = TABLES.replace(r#""version": "version","#, "");
    let bench = bench(Options { tables, ..Options::default() }).await;
    let first = bench.write("all", &update(1, vec![(1, Value::text("One"))], MatchCondition::Any)).await.unwrap().etag.unwrap();
    // A column that the client does not see changes the row too.
    bench.write("all", &update(1, vec![(4, crate::harness::decimal(1))], MatchCondition::Any)).await.unwrap();
    assert!(matches!(
        bench.write("all", &update(1, vec![(1, Value::text("Two"))], tags(&first))).await,
        Err(EngineError::PreconditionFailed(_))
    ));
    assert_eq!(name_of(&bench, 1).await, ["One"]);
}

#[tokio::test]
async fn row_rules_hold_for_what_is_touched_and_for_what_comes_out() {
    let bench = bench(Options::default()).await;
    let rename = |id| update(id, vec![(1, Value::text("Mine"))], MatchCondition::Any);
    assert!(matches!(bench.write("emea", &rename(2)).await, Err(EngineError::NotFound(_))), "a row of another region is not there");
    assert_eq!(name_of(&bench, 2).await, ["Beta"]);
    bench.write("emea", &rename(1)).await.unwrap();
    let moved = update(1, vec![(2, Value::text("APAC"))], MatchCondition::Any);
    assert!(matches!(bench.write("emea", &moved).await, Err(EngineError::Forbidden(_))));
    assert_eq!(bench.rows("all", "SELECT Region FROM Customers WHERE Id = 1").await, ["EMEA"]);
}

#[tokio::test]
async fn rights_columns_and_keys_are_checked() {
    let bench = bench(Options::default()).await;
    let delete = BoundWrite {
        table: "Customers".to_owned(),
        action: WriteAction::Delete { key: vec![Value::Int64(1)], condition: MatchCondition::Any },
        select: Vec::new(),
    };
    assert!(matches!(bench.write("emea", &delete).await, Err(EngineError::Forbidden(_))));
    assert!(matches!(bench.write("orders", &delete).await, Err(EngineError::UnknownName { .. })));
    let hidden = update(1, vec![(4, crate::harness::decimal(1))], MatchCondition::Any);
    assert!(matches!(bench.write("emea", &hidden).await, Err(EngineError::UnknownName { .. })));
    let masked = update(1, vec![(3, Value::text("x"))], MatchCondition::Any);
    assert!(matches!(bench.write("emea", &masked).await, Err(EngineError::Forbidden(_))));
    // A client that sends every field is not refused for the key that it did not change.
    bench.write("all", &update(1, vec![(0, Value::Int64(1)), (1, Value::text("Same"))], MatchCondition::Any)).await.unwrap();
    assert!(matches!(bench.write("all", &update(1, vec![(0, Value::Int64(6))], MatchCondition::Any)).await, Err(EngineError::Invalid(_))));
}

#[tokio::test]
async fn inserts_give_what_is_mandatory() {
    let tables = TABLES.replace(r#""Credit": {"remote": "credit"}"#, r#""Credit": {"remote": "credit"}, "Version": {"remote": "version"}"#);
    let bench = bench(Options { tables, ..Options::default() }).await;
    let insert = |values| BoundWrite { table: "Customers".to_owned(), action: WriteAction::Insert { values }, select: vec![0] };
    let short = insert(vec![(0, Value::Int64(6)), (5, Value::Int64(1))]);
    assert!(matches!(bench.write("all", &short).await, Err(EngineError::Invalid(message)) if message.contains("Name")));
    let whole = insert(vec![(0, Value::Int64(6)), (1, Value::text("Zeta")), (2, Value::Null(ScalarType::Text)), (5, Value::Int64(1))]);
    assert_eq!(bench.write("all", &whole).await.unwrap().key, [Value::Int64(6)]);
    let taken = bench.write("all", &whole).await.err().unwrap();
    assert!(
        matches!(&taken, EngineError::Source(error) if error.message == "another entity of 'Customers' has the same value of 'Id' already, which must be unique"),
        "{taken:?}"
    );
    assert_eq!(name_of(&bench, 6).await, ["Zeta"]);
}

#[tokio::test]
async fn views_cannot_be_written() {
    let bench = bench(Options::default()).await;
    let delete = BoundWrite {
        table: "Revenue".to_owned(),
        action: WriteAction::Delete { key: vec![Value::Int64(1)], condition: MatchCondition::Any },
        select: Vec::new(),
    };
    assert!(matches!(bench.write("all", &delete).await, Err(EngineError::Unsupported(_))));
}

#[tokio::test]
async fn a_rule_that_the_source_takes_more_widely_is_no_rule_to_write_by() {
    let bench = crate::review::tweaked(Options::default(), |own| {
        own.collation = portico_provider_api::Collation::CaseInsensitive;
        (own.write.unchanged, own.write.version) = (false, false);
    })
    .await;
    let rename = update(1, vec![(1, Value::text("Mine"))], MatchCondition::Any);
    let refused = bench.write("emea", &rename).await;
    assert!(matches!(refused, Err(EngineError::Unsupported(_))), "where 'emea' is 'EMEA', other rows could be written");
    assert_eq!(name_of(&bench, 1).await, ["Alpha"]);
    bench.write("all", &rename).await.unwrap();
    // Where the source compares what was looked at, the rule is kept here.
    let bench = crate::review::tweaked(Options::default(), |own| own.collation = portico_provider_api::Collation::CaseInsensitive).await;
    bench.write("all", &update(3, vec![(2, Value::text("emea"))], MatchCondition::Any)).await.unwrap();
    let other = update(3, vec![(1, Value::text("Mine"))], MatchCondition::Any);
    assert!(matches!(bench.write("emea", &other).await, Err(EngineError::NotFound(_))), "'emea' is not 'EMEA'");
    bench.write("emea", &rename).await.unwrap();
    assert_eq!((name_of(&bench, 1).await, name_of(&bench, 3).await), (vec!["Mine".to_owned()], vec!["Gamma".to_owned()]));
}

#[tokio::test]
async fn what_was_bound_against_another_model_is_not_run() {
    let bench = bench(Options::default()).await;
    let caller = crate::harness::principal("all");
    let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
    let view = bench.engine.view(&caller, &service).unwrap();
    let other = portico_catalog::ModelView { version: "another".to_owned(), ..view.as_ref().clone() };
    let rename = update(1, vec![(1, Value::text("Mine"))], MatchCondition::Any);
    assert!(matches!(bench.engine.permit_write(&rename, &other, &caller), Err(EngineError::NotReady(_))));
    let read = crate::harness::collection(crate::harness::query("Customers", &[0]));
    let read = portico_engine::EntityRead { service, model_version: other.version, read, paging: Default::default() };
    let planned = bench.engine.plan(&portico_engine::Statement::Entities(Box::new(read)), &caller);
    assert!(matches!(planned, Err(EngineError::NotReady(_))));
}

#[tokio::test]
async fn a_write_that_cannot_be_read_again_is_still_done() {
    let bench = bench(Options::default()).await;
    let rename = update(1, vec![(1, Value::text("Mine"))], MatchCondition::Any);
    let written = {
        let caller = crate::harness::principal("all");
        let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
        let view = bench.engine.view(&caller, &service).unwrap();
        let permitted = bench.engine.permit_write(&rename, &view, &caller).unwrap();
        // The model is replaced between the write and the reading of what was written.
        let mut model = bench.engine.model().unwrap().as_ref().clone();
        model.version = "another".to_owned();
        bench.engine.publish(std::sync::Arc::new(model));
        bench.engine.write(permitted, &crate::harness::context(&caller)).await.unwrap()
    };
    assert_eq!(written.key, [Value::Int64(1)]);
    assert!(written.entity.is_none());
    assert_eq!(name_of(&bench, 1).await, ["Mine"]);
}

#[tokio::test]
async fn a_row_gets_only_properties_of_its_type() {
    let derived = r#""version": "version", "derived": { "discriminator": "Region", "types": { "European": { "values": ["EMEA"], "columns": ["Credit"] } } },"#;
    let bench = bench(Options { tables: TABLES.replace(r#""version": "version","#, derived), ..Options::default() }).await;
    let credit = |id| update(id, vec![(4, crate::harness::decimal(7))], MatchCondition::Any);
    let refused = bench.write("all", &credit(2)).await;
    assert!(matches!(&refused, Err(EngineError::Invalid(message)) if message.contains("not of the type")), "{:?}", refused.err());
    assert_eq!(bench.rows("all", "SELECT Credit FROM Customers WHERE Id = 2").await, ["500.00"]);
    assert!(bench.write("all", &credit(1)).await.is_ok());
    let becomes = vec![(2, Value::text("EMEA")), (4, crate::harness::decimal(7))];
    assert!(bench.write("all", &update(2, becomes, MatchCondition::Any)).await.is_ok(), "the type that it has afterwards counts");
    assert_eq!(bench.rows("all", "SELECT Credit FROM Customers WHERE Id <= 2").await, ["0.07", "0.07"]);
    assert!(bench.write("all", &update(4, vec![(1, Value::text("Delta"))], MatchCondition::Any)).await.is_ok());
}
