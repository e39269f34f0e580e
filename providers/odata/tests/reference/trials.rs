//! What is declared of the servers, tried: what was measured of each by hand (`tests/servers/README.md`) is what is found.

use super::source;
use crate::servers::{mock, v2, v4};
use expect_test::expect;
use portico_provider_api::{QueryContext, RemoteTableName, Source, TrialOutcome};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;

async fn tried(source: &Arc<dyn Source>, table: &str) -> String {
    let tables = [RemoteTableName(vec![table.to_owned()])];
    let trials = source.try_capabilities(&tables, &QueryContext::default()).await.unwrap_or_else(|error| panic!("{error}"));
    let mut text = String::new();
    for trial in trials {
        let outcome = match &trial.outcome {
            TrialOutcome::Works => "works",
            TrialOutcome::Fails(_) => "fails",
            TrialOutcome::Unknown(_) => "unknown",
        };
        let declared = if trial.declared { "declared" } else { "not declared" };
        writeln!(text, "{}: {outcome}, {declared}{}", trial.capability, if trial.contradicts() { " !" } else { "" }).unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_services_of_olingo_v4() {
    let all = source(&v4().url("tried/odata.svc/"), json!({ "capabilities": { "in": true, "apply": true } }));
    expect![[r#"
        filter: works, declared
        or: works, declared
        is_null: unknown, declared
        orderby: works, declared
        count: works, declared
        top: works, declared
        skip: works, declared
        in: fails, declared !
        apply: fails, not declared
        functions: contains: works, not declared
        functions: startswith: works, not declared
        functions: endswith: works, not declared
    "#]]
    .assert_eq(&tried(&all, "ESAllPrim").await);
    expect![[r#"
        filter: works, declared
        or: works, declared
        is_null: works, declared
        orderby: works, declared
        count: works, declared
        top: works, declared
        skip: works, declared
        in: fails, declared !
        apply: fails, not declared
        functions: contains: fails, not declared
        functions: startswith: fails, not declared
        functions: endswith: fails, not declared
    "#]]
    .assert_eq(&tried(&all, "ESTwoPrim").await);
    let paged = source(&v4().url("tried/odata.svc/"), json!({}));
    expect![[r#"
        filter: works, declared
        or: works, declared
        is_null: unknown, declared
        orderby: works, declared
        count: works, declared
        top: works, declared
        skip: works, declared
        in: fails, not declared
        apply: fails, not declared
        functions: contains: works, not declared
        functions: startswith: works, not declared
        functions: endswith: works, not declared
    "#]]
    .assert_eq(&tried(&paged, "ESServerSidePaging").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_services_of_olingo_v2() {
    let all = source(&v2().url("tried/odata.svc/"), json!({}));
    expect![[r#"
        filter: works, declared
        or: works, declared
        is_null: unknown, not declared
        orderby: works, declared
        count: works, declared
        top: works, declared
        skip: works, declared
        functions: contains: works, not declared
        functions: startswith: works, not declared
        functions: endswith: works, not declared
    "#]]
    .assert_eq(&tried(&all, "Rooms").await);
    let types = source(&v2().url("tried/types.svc/"), json!({ "capabilities": { "is_null": true } }));
    expect![[r#"
        filter: works, declared
        or: works, declared
        is_null: fails, declared !
        orderby: works, declared
        count: works, declared
        top: works, declared
        skip: works, declared
        functions: contains: works, not declared
        functions: startswith: works, not declared
        functions: endswith: works, not declared
    "#]]
    .assert_eq(&tried(&types, "AllTypes").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_mock() {
    let url = mock().url("sap/opu/odata/sap/API_BUSINESS_PARTNER/?sap-client=777");
    let partners = source(&url, json!({ "product": "s4hana", "capabilities": { "is_null": true } }));
    expect![[r#"
        filter: works, declared
        or: works, declared
        is_null: fails, declared !
        orderby: unknown, declared
        count: works, declared
        top: works, declared
        skip: works, declared
        functions: contains: works, declared
        functions: startswith: works, declared
        functions: endswith: works, declared
    "#]]
    .assert_eq(&tried(&partners, "A_BusinessPartner").await);
}
