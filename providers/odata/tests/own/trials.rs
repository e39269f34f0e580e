//! What is declared of a service, tried against one that does not do what it is asked.

use super::{V4, server, source};
use portico_provider_api::{QueryContext, RemoteTableName, Source, Trial, TrialOutcome};
use portico_provider_testkit::http::{Answer, Faults, Request};
use serde_json::json;
use std::sync::Arc;

async fn tried(source: &Arc<dyn Source>) -> Vec<Trial> {
    let tables = [RemoteTableName(vec!["Orders".to_owned()])];
    source.try_capabilities(&tables, &QueryContext::default()).await.unwrap()
}

fn found<'t>(trials: &'t [Trial], capability: &str) -> &'t Trial {
    trials.iter().find(|trial| trial.capability == capability).unwrap_or_else(|| panic!("{capability}: {trials:?}"))
}

fn row(id: u64) -> String {
    let name = if id == 3 { "null".to_owned() } else { format!("\"name{id}\"") };
    format!(r#"{{"@odata.etag":"x","Id":{id},"Name":{name},"Amount":"{id}.50","City":null}}"#)
}

/// Answers everything with all of its rows.
fn ignoring(request: &Request) -> Answer {
    if request.path.ends_with("/$count") {
        return Answer::of("text/plain", "5");
    }
    Answer::json(format!(r#"{{"value":[{}]}}"#, (1..=5).map(row).collect::<Vec<_>>().join(",")))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_ignores_what_was_asked_does_not_pass() {
    let server = server(V4, ignoring, Faults::default()).await;
    let source = source(&server, &json!({"capabilities": {"in": true, "functions": ["contains"]}}));
    let trials = tried(&source).await;
    for capability in ["filter", "or", "in", "is_null", "skip", "top", "count", "orderby", "functions: contains"] {
        let trial = found(&trials, capability);
        assert!(trial.contradicts() && trial.setting.is_some(), "{trial:?}");
    }
    assert_eq!(found(&trials, "in").setting.as_deref(), Some("capabilities: { in: false }"));
    assert_eq!(found(&trials, "filter").setting.as_deref(), Some("tables: { Orders: { filter: false } }"));
    assert_eq!(found(&trials, "functions: contains").setting.as_deref(), Some("capabilities: { functions: [] }"));
    let TrialOutcome::Fails(why) = &found(&trials, "filter").outcome else { panic!("{trials:?}") };
    assert!(why.contains("do not meet the condition") && !why.contains("name"), "{why}");
    // Not declared, and not there: nobody is told.
    assert!(!found(&trials, "functions: endswith").contradicts());
    assert!(server.log().len() < 25 && server.log().iter().all(|request| request.method == "GET"), "{}", server.log().len());
    // A handler that ignores conditions is what this product's preset expects.
    let loose = super::source(&server, &json!({"product": "sap_gateway"}));
    let trials = tried(&loose).await;
    assert!(trials.iter().all(|trial| !trial.contradicts()), "{trials:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_that_is_refused_is_told_with_the_setting() {
    let script = |request: &Request| match request.raw_query.contains("%20in%20") || request.query("$skip").is_some() {
        true => Answer::json(r#"{"error":{"code":"1","message":"not here"}}"#).with_status(400),
        false => ignoring(request),
    };
    let server = server(V4, script, Faults::default()).await;
    let source = source(&server, &json!({"capabilities": {"skip": true}}));
    let trials = tried(&source).await;
    let skip = found(&trials, "skip");
    assert!(matches!(&skip.outcome, TrialOutcome::Fails(why) if why.contains("not here")) && skip.contradicts(), "{skip:?}");
    assert_eq!(skip.setting.as_deref(), Some("capabilities: { skip: false }"));
    let list = found(&trials, "in");
    assert!(matches!(&list.outcome, TrialOutcome::Fails(_)) && !list.declared && !list.contradicts(), "{list:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_of_what_cannot_be_told() {
    let server = server(V4, |_: &Request| Answer::json(format!(r#"{{"value":[{}]}}"#, row(1))), Faults::default()).await;
    let trials = tried(&source(&server, &json!({}))).await;
    assert!(matches!(trials.as_slice(), [Trial { outcome: TrialOutcome::Unknown(why), .. }] if why.contains("two rows")), "{trials:?}");
    // One that is down is no service that cannot do something.
    let down = super::server(V4, |_: &Request| Answer::status(401), Faults::default()).await;
    let source = source(&down, &json!({}));
    let tables = [RemoteTableName(vec!["Orders".to_owned()])];
    assert!(source.try_capabilities(&tables, &QueryContext::default()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_works_and_is_not_used_is_told_with_the_setting_of_its_place() {
    // It keeps to conditions by key, and to nothing else.
    let script = |request: &Request| {
        let filter = request.query("$filter").unwrap_or_default().replace("%20", " ");
        let only = (1..=5).filter(|id| filter.is_empty() || filter == format!("Id eq {id}")).map(row);
        let top = request.query("$top").and_then(|top| top.parse().ok()).unwrap_or(5);
        Answer::json(format!(r#"{{"value":[{}]}}"#, only.take(top).collect::<Vec<_>>().join(",")))
    };
    let server = server(V4, script, Faults::default()).await;
    let by_set = source(&server, &json!({"tables": {"Orders": {"top": false, "filter": false}}}));
    let trials = tried(&by_set).await;
    let told = |trials: &[Trial], name: &str| (found(trials, name).outcome.clone(), found(trials, name).setting.clone());
    assert_eq!(told(&trials, "top"), (TrialOutcome::Works, Some("tables: { Orders: { top: true } }".to_owned())));
    assert_eq!(told(&trials, "filter"), (TrialOutcome::Works, Some("tables: { Orders: { filter: true } }".to_owned())));
    let by_source = source(&server, &json!({"capabilities": {"top": false}}));
    assert_eq!(told(&tried(&by_source).await, "top"), (TrialOutcome::Works, Some("capabilities: { top: true }".to_owned())));
}
