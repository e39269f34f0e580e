//! Writes: every type goes there and comes back, ETags, keys, tokens against forgery, what becomes of what is not there.

use super::{all, at, relation, select, source};
use crate::servers::{mock, v2, v4};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, Expr, Precondition, QueryContext, ScalarType, Source, SourceError, SourceErrorKind,
    SourceQuery, TableRelation, Value,
};
use serde_json::json;
use std::sync::Arc;

async fn write(source: &Arc<dyn Source>, changes: Vec<Change>) -> Result<Vec<ChangeOutcome>, SourceError> {
    source.writable().unwrap().write(ChangeSet { changes, idempotency_key: None }, &QueryContext::default()).await
}

/// The only outcome of one change.
async fn one(source: &Arc<dyn Source>, change: Change) -> ChangeOutcome {
    let mut outcomes = write(source, vec![change]).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

fn given(table: &TableRelation, values: &[(&str, Value)]) -> Vec<(usize, ChangeValue)> {
    let of = |value: &Value| if value.is_null() { ChangeValue::Null } else { ChangeValue::Given(value.clone()) };
    values.iter().map(|(name, value)| (at(table, name), of(value))).collect()
}

fn key(table: &TableRelation, values: &[(&str, Value)]) -> Vec<(usize, Value)> {
    values.iter().map(|(name, value)| (at(table, name), value.clone())).collect()
}

fn insert(table: &TableRelation, values: &[(&str, Value)]) -> Change {
    Change::Insert { table: table.clone(), values: given(table, values), require: None }
}

fn update(table: &TableRelation, keys: &[(&str, Value)], values: &[(&str, Value)], precondition: Precondition) -> Change {
    Change::Update { table: table.clone(), key: key(table, keys), values: given(table, values), precondition, visible: None, require: None }
}

fn delete(table: &TableRelation, keys: &[(&str, Value)], precondition: Precondition) -> Change {
    Change::Delete { table: table.clone(), key: key(table, keys), precondition, visible: None }
}

fn version(table: &TableRelation, etag: &str) -> Precondition {
    Precondition::Version { column: at(table, "@odata.etag"), value: Value::text(etag) }
}

/// The row of an outcome.
fn row(outcome: ChangeOutcome) -> Vec<Value> {
    match outcome {
        ChangeOutcome::Done { row: Some(row), .. } => row,
        other => panic!("no row: {other:?}"),
    }
}

/// The row whose column has that value, read anew.
async fn found(source: &Arc<dyn Source>, table: &TableRelation, column: &str, value: &Value) -> Vec<Vec<Value>> {
    let rows = all(source, SourceQuery::scan(table.clone())).await;
    rows.into_iter().filter(|row| row[at(table, column)] == *value).collect()
}

fn decimal(text: &str, column: &TableRelation, name: &str) -> Value {
    let ScalarType::Decimal { precision, scale } = column.columns[at(column, name)].scalar_type else { panic!("no decimal") };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction:0<width$}", width = usize::try_from(scale).unwrap());
    Value::Decimal { unscaled: digits.parse::<i128>().unwrap().into(), precision, scale }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_v4_goes_there_and_comes_back() {
    let source = source(&v4().url("writes/odata.svc/"), json!({}));
    let table = relation(&source, "ESAllPrim").await;
    let rows: Vec<Vec<(&str, Value)>> = vec![
        vec![
            ("PropertyString", Value::text("it's \"quoted\" \\ Ωμέγα 東京 🚢\n\ttab")),
            ("PropertyBoolean", Value::Boolean(true)),
            ("PropertyByte", Value::Int16(255)),
            ("PropertySByte", Value::Int16(-128)),
            ("PropertyInt32", Value::Int32(i32::MIN)),
            ("PropertyInt64", Value::Int64(9_007_199_254_740_993)),
            ("PropertySingle", Value::Float32(portico_provider_api::value::Float(f64::from(0.1_f32)))),
            ("PropertyDouble", Value::float64(f64::MAX)),
            ("PropertyDecimal", decimal("-9999999999999999999999999999.9999999999", &table, "PropertyDecimal")),
            ("PropertyBinary", Value::Binary(vec![0, 62, 63, 254, 255])),
            ("PropertyDate", Value::Date(-25_567)),
            ("PropertyDateTimeOffset", Value::TimestampTz(1_709_210_096_789_000)),
            ("PropertyDuration", Value::text("-P1DT2H3M4S")),
            ("PropertyGuid", Value::Guid("ffffffff-0000-1111-2222-aabbccddeeff".into())),
            ("PropertyTimeOfDay", Value::Time(86_399_000_000)),
        ],
        vec![
            ("PropertyString", Value::text("")),
            ("PropertyBoolean", Value::Boolean(false)),
            ("PropertyByte", Value::Int16(0)),
            ("PropertySByte", Value::Int16(127)),
            ("PropertyInt32", Value::Int32(i32::MAX)),
            ("PropertyInt64", Value::Int64(i64::MIN)),
            ("PropertySingle", Value::Float32(portico_provider_api::value::Float(f64::from(f32::MIN_POSITIVE)))),
            ("PropertyDouble", Value::float64(5e-324)),
            ("PropertyDecimal", decimal("0.0000000001", &table, "PropertyDecimal")),
            ("PropertyBinary", Value::Binary(Vec::new())),
            ("PropertyDate", Value::Date(2_932_896)),
            ("PropertyDateTimeOffset", Value::TimestampTz(-1_000_000)),
            ("PropertyDuration", Value::text("PT0S")),
            ("PropertyGuid", Value::Guid("00000000-0000-0000-0000-000000000000".into())),
            ("PropertyTimeOfDay", Value::Time(0)),
        ],
    ];
    for values in rows {
        // A new one of these would need another entity that it refers to.
        let number = Value::Int16(10);
        let made = row(one(&source, update(&table, &[("PropertyInt16", number.clone())], &values, Precondition::None)).await);
        let read = found(&source, &table, "PropertyInt16", &number).await;
        assert_eq!(read, std::slice::from_ref(&made), "what the write returned is what is read");
        for (name, value) in &values {
            assert_eq!(&made[at(&table, name)], value, "{name}");
        }
        // Not only we must see it so.
        let raw: serde_json::Value =
            serde_json::from_str(&v4().get(&format!("writes/odata.svc/ESAllPrim({})", number.as_integer().unwrap()))).unwrap();
        assert_eq!(raw["PropertyString"].as_str(), values.iter().find(|(name, _)| *name == "PropertyString").map(|(_, value)| text(value)));
        assert_eq!(
            raw["PropertyInt64"].as_i64(),
            values.iter().find(|(name, _)| *name == "PropertyInt64").and_then(|(_, value)| value.as_integer())
        );
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        other => panic!("no text: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_entity_has_the_key_that_the_service_gave() {
    let source = source(&v4().url("inserts/odata.svc/"), json!({ "tables": { "ESCompAllPrim": { "etag": true } } }));
    let table = relation(&source, "ESCompAllPrim").await;
    let values = [
        ("PropertyInt16", Value::Int16(4_711)),
        ("PropertyComp/PropertyString", Value::text("new")),
        ("PropertyComp/PropertyInt64", Value::Int64(i64::MAX)),
        ("PropertyComp/PropertyDecimal", decimal("-999999.99999", &table, "PropertyComp/PropertyDecimal")),
        // Finer than a microsecond: a text, so that nothing is lost.
        ("PropertyComp/PropertyDateTimeOffset", Value::text("2024-02-29T12:34:56.123456789Z")),
    ];
    let made = row(one(&source, insert(&table, &values)).await);
    assert_eq!(made[at(&table, "PropertyInt16")], Value::Int16(1));
    for (name, value) in &values[1..] {
        assert_eq!(&made[at(&table, name)], value, "{name}");
    }
    assert!(made[at(&table, "PropertyComp/PropertyGuid")].is_null());
    assert_eq!(found(&source, &table, "PropertyInt16", &Value::Int16(1)).await, [made]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn null_is_written_and_a_part_of_a_complex_value_leaves_the_rest() {
    let source = source(&v4().url("parts/odata.svc/"), json!({}));
    let two = relation(&source, "ESTwoPrim").await;
    let outcome = one(
        &source,
        update(&two, &[("PropertyInt16", Value::Int16(-365))], &[("PropertyString", Value::Null(ScalarType::Text))], Precondition::None),
    );
    assert_eq!(row(outcome.await)[at(&two, "PropertyString")], Value::Null(ScalarType::Text));
    let mixed = relation(&source, "ESMixPrimCollComp").await;
    let changed = one(
        &source,
        update(
            &mixed,
            &[("PropertyInt16", Value::Int16(7))],
            &[
                ("PropertyComp/PropertyString", Value::text("changed")),
                ("CollPropertyString", Value::Json("[\"a\",\"it's\"]".into())),
                ("CollPropertyComp", Value::Json("[{\"PropertyInt16\":1,\"PropertyString\":\"x\"}]".into())),
            ],
            Precondition::None,
        ),
    );
    let changed = row(changed.await);
    assert_eq!(changed[at(&mixed, "PropertyComp/PropertyInt16")], Value::Int16(222));
    assert_eq!(changed[at(&mixed, "PropertyComp/PropertyString")], Value::text("changed"));
    assert_eq!(changed[at(&mixed, "CollPropertyString")], Value::Json("[\"a\",\"it's\"]".into()));
    assert_eq!(changed[at(&mixed, "CollPropertyComp")], Value::Json("[{\"PropertyInt16\":1,\"PropertyString\":\"x\"}]".into()));
    assert_eq!(found(&source, &mixed, "PropertyInt16", &Value::Int16(7)).await, [changed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_concurrent_change_is_detected_by_the_etag() {
    // What this service says of its ETags is in its answers alone, not in its metadata. Its moments have seven digits, which are left out.
    let source = source(&v4().url("etags/odata.svc/"), json!({ "tables": { "ESCompAllPrim": { "etag": true } } }));
    let mut table = relation(&source, "ESCompAllPrim").await;
    table.columns.retain(|column| column.name != "PropertyComp/PropertyDateTimeOffset");
    let keys = [("PropertyInt16", Value::Int16(32767))];
    let rename = |to: &str| [("PropertyComp/PropertyString", Value::text(to))];
    let query = select(&table, &["PropertyInt16", "@odata.etag"]);
    let read = all(&source, query.clone()).await;
    let etag = |rows: &[Vec<Value>]| {
        let row = rows.iter().find(|row| row[0] == Value::Int16(32767)).unwrap_or_else(|| panic!("gone"));
        text(&row[1]).to_owned()
    };
    let first = etag(&read);
    assert_eq!(first, "W/\"32767\"");
    let changed = row(one(&source, update(&table, &keys, &rename("one"), version(&table, &first))).await);
    let second = text(&changed[at(&table, "@odata.etag")]).to_owned();
    assert_ne!(first, second);
    // Someone who read before that.
    let late = one(&source, update(&table, &keys, &rename("two"), version(&table, &first))).await;
    assert_eq!(late, ChangeOutcome::Changed);
    let late = one(&source, delete(&table, &keys, version(&table, &first))).await;
    assert_eq!(late, ChangeOutcome::Changed);
    assert_eq!(etag(&all(&source, query).await), second);
    // Whoever does not ask for it does not need to know it.
    let any = one(&source, update(&table, &keys, &rename("three"), Precondition::None)).await;
    assert_eq!(row(any)[at(&table, "PropertyComp/PropertyString")], Value::text("three"));
    let outcome = one(&source, delete(&table, &keys, Precondition::None)).await;
    assert_eq!(outcome, ChangeOutcome::Done { row: None, created: false });
    let outcome = one(&source, delete(&table, &keys, version(&table, &second))).await;
    assert_eq!(outcome, ChangeOutcome::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_never_makes_a_new_entity_unseen() {
    let source = source(&v4().url("upserts/odata.svc/"), json!({}));
    let table = relation(&source, "ESTwoPrim").await;
    // This service makes a new entity, whatever If-Match says: that is no change of the one that was named.
    let change = update(&table, &[("PropertyInt16", Value::Int16(123))], &[("PropertyString", Value::text("x"))], Precondition::None);
    let error = write(&source, vec![change]).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed, "{error}");
    assert!(error.message.contains("new entity"), "{error}");
    let asked = v4().asked("upserts/requests");
    let patch = asked.iter().find(|asked| asked.method == "PATCH").unwrap();
    // The log has the status only some time after the answer; that it was 201 is what the error says.
    assert_eq!(patch.header("if-match"), Some("*"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_not_found_and_what_is_wrong_is_told() {
    let source = source(&v4().url("missing/odata.svc/"), json!({}));
    let table = relation(&source, "ESTwoPrim").await;
    let keys = [("PropertyInt16", Value::Int16(32766))];
    assert_eq!(one(&source, delete(&table, &keys, Precondition::None)).await, ChangeOutcome::Done { row: None, created: false });
    assert_eq!(one(&source, delete(&table, &keys, Precondition::None)).await, ChangeOutcome::NotFound);
    let all_prim = relation(&source, "ESAllPrim").await;
    // A Byte ends at 255, the column does not.
    let error = write(&source, vec![insert(&all_prim, &[("PropertyByte", Value::Int16(256))])]).await.unwrap_err();
    assert!(matches!(error.kind, SourceErrorKind::Constraint { .. }), "{:?}", error.kind);
    assert!(error.message.contains("PropertyByte"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_changes_are_one_change_set() {
    let url = v4().url("batches/odata.svc/");
    let refusing = source(&url, json!({}));
    let table = relation(&refusing, "ESTwoPrim").await;
    let changes = |text: &str| {
        vec![
            insert(&table, &[("PropertyInt16", Value::Int16(1)), ("PropertyString", Value::text(text))]),
            update(&table, &[("PropertyInt16", Value::Int16(-365))], &[("PropertyString", Value::text(text))], Precondition::None),
            delete(&table, &[("PropertyInt16", Value::Int16(32767))], Precondition::None),
        ]
    };
    // It is not known to keep a change set together (and does not): unless someone says so, nothing is sent.
    let error = write(&refusing, changes("no")).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unsupported);
    assert!(v4().asked("batches/requests").iter().all(|asked| asked.method == "GET"));
    let source = source(&url, json!({ "capabilities": { "change_sets": true } }));
    let outcomes = write(&source, changes("Grüße 'æ'")).await.unwrap();
    let [
        ChangeOutcome::Done { row: Some(made), created: true },
        ChangeOutcome::Done { row: Some(changed), created: false },
        ChangeOutcome::Done { row: None, .. },
    ] = outcomes.as_slice()
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!((text(&made[1]), text(&changed[1])), ("Grüße 'æ'", "Grüße 'æ'"));
    let asked = v4().asked("batches/requests");
    let posts: Vec<&str> = asked.iter().filter(|asked| asked.method != "GET").map(|asked| asked.target.as_str()).collect();
    assert_eq!(posts, ["/$batch"]);
    let error = write(
        &source,
        vec![changes("x").remove(0), insert(&table, &[("PropertyInt16", Value::Int16(1)), ("PropertyString", Value::Int16(5))])],
    )
    .await;
    assert!(error.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_v2_goes_there_and_comes_back() {
    let source = source(&v2().url("writes/types.svc/"), json!({}));
    let table = relation(&source, "AllTypes").await;
    let values = [
        ("Id", Value::Int32(77)),
        ("Text", Value::text("it's \"quoted\" \\ Ωμέγα 東京 🚢\n\ttab")),
        ("Flag", Value::Boolean(true)),
        ("Byte", Value::Int16(255)),
        ("SByte", Value::Int16(-128)),
        ("Int16", Value::Int16(i16::MIN)),
        ("Int32", Value::Int32(i32::MAX)),
        ("Int64", Value::Int64(9_007_199_254_740_993)),
        ("Single", Value::Float32(portico_provider_api::value::Float(f64::from(0.1_f32)))),
        ("Double", Value::float64(f64::NEG_INFINITY)),
        ("Decimal", decimal("-9999999999999999999.999999999", &table, "Decimal")),
        ("DateTime", Value::Timestamp(-62_135_596_800_000_000)),
        ("DateTimeOffset", Value::TimestampTz(1_709_210_096_789_000)),
        ("Time", Value::Time(86_399_999_000)),
        ("Guid", Value::Guid("ffffffff-0000-1111-2222-aabbccddeeff".into())),
        ("Binary", Value::Binary(vec![0, 62, 63, 254, 255])),
        ("Place/City", Value::text("Zürich")),
        ("Place/Latitude", decimal("47.376887", &table, "Place/Latitude")),
    ];
    let made = row(one(&source, insert(&table, &values)).await);
    for (name, value) in &values {
        assert_eq!(&made[at(&table, name)], value, "{name}");
    }
    assert_eq!(found(&source, &table, "Id", &Value::Int32(77)).await, [made]);
    // Only what is named changes, also within a complex value.
    let keys = [("Id", Value::Int32(77))];
    let changes =
        [("Place/City", Value::text("Bern")), ("Text", Value::Null(ScalarType::Text)), ("Flag", Value::Null(ScalarType::Boolean))];
    let changed = row(one(&source, update(&table, &keys, &changes, Precondition::None)).await);
    for (name, value) in values.iter().filter(|(name, _)| !matches!(*name, "Text" | "Flag" | "Place/City")) {
        assert_eq!(&changed[at(&table, name)], value, "{name}");
    }
    assert_eq!((&changed[at(&table, "Place/City")], changed[at(&table, "Text")].is_null()), (&Value::text("Bern"), true));
    let merge = v2().asked("writes/requests").into_iter().find(|asked| asked.method == "MERGE").unwrap();
    assert_eq!((merge.target.as_str(), merge.body.as_str()), ("/AllTypes(77)", r#"{"Place":{"City":"Bern"},"Text":null,"Flag":null}"#));
    assert_eq!(one(&source, update(&table, &[("Id", Value::Int32(99))], &changes, Precondition::None)).await, ChangeOutcome::NotFound);
    // What its answers could not say is not written.
    let fine = [("Id", Value::Int32(78)), ("DateTime", Value::Timestamp(1))];
    let error = write(&source, vec![insert(&table, &fine)]).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unsupported, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_seven_types_is_said() {
    let source = source(&v2().url("sevens/types.svc/"), json!({}));
    let table = relation(&source, "Keys").await;
    for row_ in all(&source, SourceQuery::scan(table.clone())).await {
        let names = ["Text", "Flag", "Int64", "Decimal", "DateTime", "Time", "Guid"];
        let keys: Vec<(&str, Value)> = names.iter().map(|name| (*name, row_[at(&table, name)].clone())).collect();
        let changed = one(&source, update(&table, &keys, &[("Note", Value::text("changed"))], Precondition::None)).await;
        assert_eq!(row(changed)[at(&table, "Note")], Value::text("changed"));
    }
    assert_eq!(found(&source, &table, "Note", &Value::text("changed")).await.len(), 2);
    assert_eq!(all(&source, SourceQuery::scan(table)).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_against_forgery_are_fetched_once() {
    let url = v2().url("csrf-writes/odata.svc/");
    let careless = source(&url, json!({}));
    let table = relation(&careless, "Teams").await;
    let error = write(&careless, vec![insert(&table, &[("Name", Value::text("x"))])]).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Credentials, "{error}");
    let careful = source(&url, json!({ "csrf": { "path": "" } }));
    for name in ["a", "b"] {
        let made = row(one(&careful, insert(&table, &[("Name", Value::text(name))])).await);
        assert_eq!(made[at(&table, "Name")], Value::text(name));
    }
    let asked = v2().asked("csrf-writes/requests");
    let fetched = asked.iter().filter(|asked| asked.header("x-csrf-token").is_some_and(|token| token.eq_ignore_ascii_case("fetch")));
    let posts: Vec<u64> = asked.iter().filter(|asked| asked.method == "POST").map(|asked| asked.status).collect();
    assert_eq!((fetched.count(), posts), (1, vec![403, 201, 201]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etag_of_v2_goes_along() {
    let source = source(&v2().url("rooms/odata.svc/"), json!({}));
    let table = relation(&source, "Rooms").await;
    let keys = [("Id", Value::text("1"))];
    let changed = one(&source, update(&table, &keys, &[("Seats", Value::Int16(9))], version(&table, "W/\"1\""))).await;
    assert_eq!(row(changed)[at(&table, "Seats")], Value::Int16(9));
    let changed = one(&source, update(&table, &keys, &[("Seats", Value::Int16(10))], Precondition::None)).await;
    assert_eq!(row(changed)[at(&table, "Seats")], Value::Int16(10));
    let asked = v2().asked("rooms/requests");
    let matched: Vec<_> =
        asked.iter().filter(|asked| asked.method == "MERGE").map(|asked| asked.header("if-match").unwrap_or("-")).collect();
    assert_eq!(matched, ["W/\"1\"", "*"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_partner_is_made_and_changed() {
    let url = mock().url("sap/opu/odata/sap/API_BUSINESS_PARTNER/?sap-client=815");
    let source = source(&url, json!({ "product": "s4hana", "csrf": { "path": "" } }));
    let table = relation(&source, "A_BusinessPartner").await;
    let values = [
        ("BusinessPartner", Value::text("4711")),
        ("FirstName", Value::text("Ωμέγα")),
        (
            "BirthDate",
            table
                .columns
                .iter()
                .find(|column| column.name == "BirthDate")
                .map(|column| match column.scalar_type {
                    ScalarType::Date => Value::Date(0),
                    _ => Value::Timestamp(0),
                })
                .unwrap(),
        ),
    ];
    one(&source, insert(&table, &values)).await;
    let keys = [("BusinessPartner", Value::text("4711"))];
    one(&source, update(&table, &keys, &[("LastName", Value::text("O'Neil"))], Precondition::None)).await;
    let read = select(&table, &["BusinessPartner", "FirstName", "LastName", "BirthDate"]);
    let filter =
        Expr::compare(portico_provider_api::CompareOp::Eq, Expr::Column(at(&table, "BusinessPartner")), Expr::Literal(Value::text("4711")));
    let rows = all(&source, SourceQuery { filter: Some(filter), ..read.clone() }).await;
    assert_eq!(rows, [vec![Value::text("4711"), Value::text("Ωμέγα"), Value::text("O'Neil"), values[2].1.clone()]]);
    // The document says so.
    let error = write(&source, vec![delete(&table, &keys, Precondition::None)]).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unsupported, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entity_is_found_by_a_key_of_every_type() {
    let source = source(&v4().url("lengths/odata.svc/"), json!({}));
    let table = relation(&source, "ESAllKey").await;
    let rows = all(&source, SourceQuery::scan(table.clone())).await;
    assert_eq!(rows.len(), 2);
    let keys: Vec<(&str, Value)> =
        table.columns.iter().zip(&rows[0]).map(|(column, value)| (column.name.as_str(), value.clone())).collect();
    let outcome = one(&source, delete(&table, &keys, Precondition::None)).await;
    assert_eq!(outcome, ChangeOutcome::Done { row: None, created: false });
    assert_eq!(all(&source, SourceQuery::scan(table.clone())).await, rows[1..]);
    let asked = v4().asked("lengths/requests").into_iter().find(|asked| asked.method == "DELETE").unwrap();
    assert!(asked.target.contains("PropertyDuration=duration'PT6S'"), "{}", asked.target);
}
