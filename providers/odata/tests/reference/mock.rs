//! SAP's mock with real documents: S/4HANA's business partners, and TripPin.

use super::{all, at, joined, relation, rows, select, source};
use crate::servers::mock;
use portico_provider_api::{CompareOp, Expr, JoinKind, QueryContext, Selection, SourceErrorKind, SourceQuery, Value};
use serde_json::json;

const PARTNERS: &str = "sap/opu/odata/sap/API_BUSINESS_PARTNER/";

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

/// The mock leads from every business partner to the first customer, since the document does not say by which property: what would be wrong
/// rows is an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reference_that_leads_elsewhere_is_told() {
    let references = json!({ "A_BusinessPartner": { "references": { "to_Customer": ["Customer"] } } });
    let source = source(&mock().url(PARTNERS), json!({ "product": "s4hana", "tables": references }));
    let tables = (relation(&source, "A_BusinessPartner").await, relation(&source, "A_Customer").await);
    let own = tables.0.columns.len();
    let on = (at(&tables.0, "Customer"), at(&tables.1, "Customer"));
    let outputs = [at(&tables.0, "BusinessPartner"), own + at(&tables.1, "CustomerName")];
    let query = joined(JoinKind::Left, &tables, on, &outputs);
    let described = source.describe(&query);
    let expected = "A_BusinessPartner?$select=BusinessPartner,Customer,to_Customer/CustomerName,to_Customer/Customer&$expand=to_Customer";
    assert!(described.len() == 1 && described[0].text.ends_with(expected), "{described:?}");
    let error = rows(&source, query, &QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed);
    assert!(error.message.contains("what 'to_Customer' leads to has another key") && !error.message.contains("100000"), "{error}");
}
