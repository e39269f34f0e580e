//! Sessions that end, and answers that are none: a server that says what the test says.

use super::{listening, rows, rows_with, schema, select, table};
use crate::erp::{self, Erp};
use portico_provider_api::{QueryContext, Source, SourceErrorKind, TableColumn, TableRelation, Value};
use portico_provider_testkit::http::{Answer, Faults, Request, Server};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A table that such a server has.
fn made_up() -> TableRelation {
    let column = |name: &str, scalar_type, native: &str| TableColumn {
        native_type: Some(native.to_owned()),
        ..TableColumn::computed(name.to_owned(), scalar_type, name != "id")
    };
    let columns = vec![
        column("id", portico_provider_api::ScalarType::Int32, "integer required"),
        column("amount", portico_provider_api::ScalarType::Decimal { precision: 13, scale: 2 }, "numeric"),
    ];
    TableRelation { table: portico_provider_api::RemoteTableName::parse("a.b"), columns }
}

/// A server that lets everyone in and answers reads with a text.
async fn server(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (Server, Arc<dyn Source>) {
    let script = move |request: &Request| {
        let asked: Json = serde_json::from_slice(&request.body).unwrap();
        match asked["method"].as_str().unwrap() {
            "common.db.login" => Answer::json(r#"{"id":1,"result":[7,"5e55104",null]}"#),
            "model.res.user.get_preferences" => Answer::json(r#"{"id":1,"result":{"company":3,"locale":{}}}"#),
            method => Answer::json(answer(method)),
        }
    };
    let server = Server::start(script, Faults::default()).await;
    let source = erp::source(erp::settings(server.address().port(), json!({"page_rows": 2}))).unwrap();
    (server, source)
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_answers_are_errors_at_their_place() {
    let record = |id: i64, amount: &str| format!(r#"{{"id":{id},"amount":{amount}}}"#);
    for (answer, place) in [
        (r#"{"id":1,"result":[{"id":1}]}"#.to_owned(), "/result/0/amount"),
        (format!(r#"{{"id":1,"result":[{}]}}"#, record(1, "true")), "/result/0/amount"),
        (format!(r#"{{"id":1,"result":[{}]}}"#, record(1, r#"{"__class__":"Decimal","decimal":"1.005"}"#)), "/result/0/amount"),
        (format!(r#"{{"id":1,"result":[{}]}}"#, record(1, r#"{"__class__":"Decimal","decimal":"NaN"}"#)), "/result/0/amount"),
        (format!(r#"{{"id":1,"result":[{}]}}"#, record(1 << 40, "null")), "/result/0/id"),
        (r#"{"id":1,"result":null}"#.to_owned(), "/result"),
        (r#"{"id":1,"result":{"a":1}}"#.to_owned(), "/result"),
        (r#"{"id":1,"res"#.to_owned(), "cannot be read"),
        (r#"{"id":1}"#.to_owned(), "result"),
        ("[]".to_owned(), "cannot be read"),
        // What would be lost or come twice: pages that do not grow, and pages that are too long.
        (format!(r#"{{"id":1,"result":[{},{}]}}"#, record(2, "null"), record(1, "null")), "order of their numbers"),
        (
            format!(r#"{{"id":1,"result":[{},{},{}]}}"#, record(1, "null"), record(2, "null"), record(3, "null")),
            "a page of 2 records has 3",
        ),
        (format!(r#"{{"id":1,"result":[{},{}]}}"#, record(1, "null"), record(2, "null")), "order of their numbers"),
    ] {
        let told = answer.clone();
        let (_server, source) = server(move |_| told.clone()).await;
        let error = rows(&*source, select(&made_up(), None)).await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Malformed, "{answer}: {error}");
        assert!(error.message.contains(place), "{answer}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_in_answers_of_success_are_errors() {
    for (answer, kind, message) in [
        (r#"{"id":1,"error":["UserError",["No right to read.","",null]]}"#, SourceErrorKind::Credentials, "No right to read."),
        (r#"{"id":1,"error":["'a.b'","Traceback (most recent call last): secret"]}"#, SourceErrorKind::SchemaChanged, "no 'a.b'"),
        (r#"{"id":1,"error":["boom","Traceback (most recent call last): secret"]}"#, SourceErrorKind::Internal, "the server failed"),
        // What was shown to the server is not told, whatever it repeats.
        (r#"{"id":1,"error":["UserError",["Session 5e55104 may not.","",null]]}"#, SourceErrorKind::Credentials, "Session … may not."),
    ] {
        let (_server, source) = server(move |_| answer.to_owned()).await;
        let error = rows(&*source, select(&made_up(), None)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(message), "{error}");
        assert!(["Traceback", "boom", "5e55104"].iter().all(|hidden| !error.message.contains(hidden)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_s_company_goes_along_with_every_call() {
    let (server, source) = server(|_| r#"{"id":1,"result":[]}"#.to_owned()).await;
    assert_eq!(rows(&*source, select(&made_up(), None)).await.unwrap(), Vec::<Vec<Value>>::new());
    let log = server.log();
    let last: Json = serde_json::from_slice(&log.last().unwrap().body).unwrap();
    assert_eq!(last["params"].as_array().unwrap().last().unwrap(), &json!({"company": 3, "active_test": false}));
    assert!(log.last().unwrap().header("authorization").unwrap().starts_with("Session "));
    assert_eq!(log.iter().filter(|request| request.path != "/demo/rpc/").count(), 0, "{log:?}");
}

/// A session that the server has forgotten is made anew by one caller, for all.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_renewed_once() {
    let logins = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&logins);
    let script = move |request: &Request| {
        let asked: Json = serde_json::from_slice(&request.body).unwrap();
        let fresh = format!("Session {}", "YWRtaW46NzprZXkz");
        match asked["method"].as_str().unwrap() {
            // Keys are key1, key2 and so on, and the third one is good.
            "common.db.login" => {
                let login = count.fetch_add(1, Ordering::SeqCst) + 1;
                Answer::json(format!(r#"{{"id":1,"result":[7,"key{}",null]}}"#, if login == 1 { 1 } else { 3 }))
            }
            "model.res.user.get_preferences" => Answer::json(r#"{"id":1,"result":{}}"#),
            _ if request.header("authorization") != Some(&fresh) => Answer::status(401),
            _ => Answer::json(r#"{"id":1,"result":[]}"#),
        }
    };
    let server = Server::start(script, Faults::default()).await;
    let source = erp::source(erp::settings(server.address().port(), json!({}))).unwrap();
    let reads = (0..8).map(|_| rows(&*source, select(&made_up(), None)));
    for read in futures::future::join_all(reads).await {
        assert_eq!(read.unwrap(), Vec::<Vec<Value>>::new());
    }
    assert_eq!(logins.load(Ordering::SeqCst), 2);
}

/// The same of the real server: its sessions end when the user's are removed.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_forgets_a_session() {
    let erp = Erp::start_with("[session]\nmax_age = 2");
    let source = erp.source(json!({}));
    let schema = schema(&*source, &["party.party"]).await;
    let party = select(&table(&schema, "party.party", &["id", "code"]), None);
    let (context, sent) = listening();
    let before = rows_with(&*source, party.clone(), &context).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(3_200)).await;
    sent.lock().unwrap().clear();
    assert_eq!(rows_with(&*source, party, &context).await.unwrap(), before);
    let calls = super::texts(&sent);
    assert_eq!(calls.iter().filter(|call| call.contains("common.db.login")).count(), 1, "{calls:?}");
    assert!(source.probe(&QueryContext::default()).await.is_ok());
}
