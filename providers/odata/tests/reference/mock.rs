//! SAP's mock with real documents: S/4HANA's business partners, and TripPin.

use super::{all, at, relation, rows, select, source};
use crate::servers::mock;
use portico_provider_api::{CompareOp, Expr, QueryContext, Selection, SourceQuery, Value};
use serde_json::json;

pub const PARTNERS: &str = "sap/opu/odata/sap/API_BUSINESS_PARTNER/";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_set_of_a_real_document_is_read() {
    let source = source(&mock().url(PARTNERS), json!({ "product": "s4hana" }));
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    assert_eq!(schema.tables.len(), 52);
    for table in &schema.tables {
        let relation = relation(&source, table.name.table()).await;
        let found = all(&source, SourceQuery::scan(relation)).await;
        assert_eq!(found.len(), if table.name.table() == "A_BusinessPartner" { 250 } else { 60 }, "{}", table.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_of_the_system_goes_along() {
    let server = mock();
    let source = source(&server.url(&format!("{PARTNERS}?sap-client=417")), json!({ "product": "s4hana" }));
    let relation = relation(&source, "A_BusinessPartner").await;
    let filter = Expr::compare(CompareOp::Eq, Expr::Column(at(&relation, "BusinessPartner")), Expr::Literal(Value::text("1000007")));
    let query = SourceQuery { filter: Some(filter), ..select(&relation, &["BusinessPartner", "CreationDate"]) };
    assert_eq!(rows(&source, query, &QueryContext::default()).await.unwrap().len(), 1);
    let targets: Vec<String> = server.asked("requests").into_iter().map(|asked| asked.target).collect();
    let expected = "/sap/opu/odata/sap/API_BUSINESS_PARTNER/A_BusinessPartner?sap-client=417&$select=BusinessPartner,CreationDate&$filter=BusinessPartner eq '1000007'";
    assert!(targets.iter().any(|target| target == expected), "{targets:#?}");
}
