//! EXPLAIN shows what each source is asked, in its own language.

use super::fixture::{EMEA, FULL, Sources};
use super::flight::adbc;
use serde_json::json;

const JOIN: &str = r#"SELECT c."Name", i.amount FROM "Customers" c JOIN "Invoices" i ON i.customer_id = c."Id"
    WHERE c."Region" = 'EMEA' AND i.amount > 500"#;

#[tokio::test(flavor = "multi_thread")]
async fn both_filters_and_only_the_needed_columns_reach_the_sources() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let text = gateway.sql(&format!("EXPLAIN {JOIN}"), FULL).await.text().await.unwrap();
    let over_flight = adbc(&gateway, FULL, &[json!({ "query": format!("EXPLAIN {JOIN}") })])[0].to_string();
    for text in [&text, &over_flight] {
        let plain = text.replace("\\\"", "\"").replace("\\n", "\n");
        let native: Vec<&str> = plain.split("SELECT ").skip(1).collect();
        let of = |table: &str| {
            let marked = native.iter().find(|part| part.contains(table) && part.contains("WHERE"));
            *marked.unwrap_or_else(|| panic!("no filtered request for {table} in {plain}"))
        };
        let crm = of("customers\"");
        assert!(crm.contains("region") && crm.contains("name"), "{crm}");
        for column in ["city", "tax_id", "since", "active", "credit"] {
            assert!(!crm.split("WHERE").next().unwrap().contains(column), "the CRM is asked for {column}: {crm}");
        }
        let billing = of("invoices\"");
        assert!(billing.contains("amount") && billing.contains("customer_id"), "{billing}");
        for column in ["note", "issued", "paid"] {
            assert!(!billing.split("WHERE").next().unwrap().contains(column), "billing is asked for {column}: {billing}");
        }
        assert!(billing.split("WHERE").nth(1).unwrap().contains("amount"), "{billing}");
        // Values are parameters, never a part of the text.
        assert!(!crm.contains("'EMEA'") && !billing.contains("500.00"), "{plain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_rules_are_shown_to_operators_only() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    let text = gateway.sql(r#"EXPLAIN SELECT "Name" FROM "Customers""#, EMEA).await.text().await.unwrap();
    assert!(!text.contains("principal") && !text.to_lowercase().contains("region"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_explains_too() {
    let sources = Sources::create().await;
    let gateway = sources.serve().await;
    drop(gateway);
    let (ended, text) = super::gateway::run(
        sources.directory.path(),
        &["explain", "--config", "portico.yaml", "--as", "full", JOIN],
        &sources.environment(),
    );
    assert!(ended == super::gateway::Ended::Well, "{text}");
    assert!(text.contains("customers") && text.contains("invoices") && text.contains("WHERE"), "{text}");
}
