//! Policy: what a role does not name is not there, and there is no way round it.

use crate::harness::{Options, bench, collection, lines, principal, query};
use portico_engine::{Answer, EngineError, Paging, Principal};

#[tokio::test]
async fn nothing_is_visible_without_a_role() {
    let bench = bench(Options::default()).await;
    let nobody = Principal::default();
    let error = bench.sql_as(&nobody, "SELECT * FROM Customers").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no table 'Customers'");
    assert!(bench.engine.visible_tables(&nobody).unwrap().is_empty());
    let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
    assert!(bench.engine.view(&nobody, &service).unwrap().tables.is_empty());
}

#[tokio::test]
async fn row_rules_hold_wherever_the_table_is_read() {
    let bench = bench(Options::default()).await;
    assert_eq!(bench.rows("emea", "SELECT Name FROM Customers").await, ["Alpha", "Gamma"]);
    assert_eq!(bench.rows("emea", "SELECT count(*) FROM Customers").await, ["2"]);
    assert_eq!(bench.rows("emea", "SELECT (SELECT count(*) FROM Customers) AS n").await, ["2"]);
    assert_eq!(bench.rows("emea", "WITH c AS (SELECT * FROM Customers) SELECT max(Id) FROM c").await, ["3"]);
    let orders = "SELECT OrderId FROM Orders o WHERE EXISTS (SELECT 1 FROM Customers c WHERE c.Id = o.CustomerId AND c.Region = 'APAC')";
    assert!(bench.rows("emea", orders).await.is_empty());
}

#[tokio::test]
async fn hidden_columns_do_not_resolve_and_are_not_suggested() {
    let bench = bench(Options::default()).await;
    for text in [
        "SELECT Credit FROM Customers",
        "SELECT Id FROM Customers WHERE Credit > 1",
        "SELECT Id FROM Customers ORDER BY Credit",
        "SELECT max(Credit) FROM Customers",
        "SELECT Id FROM Customers c JOIN Orders o ON o.Amount = c.Credit",
    ] {
        assert!(matches!(bench.error("emea", text).await, EngineError::UnknownName { .. }), "{text}");
    }
    let error = bench.error("emea", "SELECT Creditt FROM Customers").await;
    assert!(!error.to_string().contains("'Credit'"), "{error}");
    let all = bench.sql_as(&principal("emea"), "SELECT * FROM Customers").await.unwrap();
    assert!(all[0].schema().field_with_name("Credit").is_err());
}

#[tokio::test]
async fn a_predicate_on_a_masked_column_sees_the_mask() {
    let bench = bench(Options::default()).await;
    assert_eq!(bench.rows("emea", "SELECT TaxId FROM Customers").await, ["***001", "***003"]);
    assert!(bench.rows("emea", "SELECT Id FROM Customers WHERE TaxId = 'TAX-001'").await.is_empty());
    assert_eq!(bench.rows("emea", "SELECT Id FROM Customers WHERE TaxId = '***001'").await, ["1"]);
    assert!(bench.rows("emea", "SELECT Id FROM Customers WHERE TaxId LIKE 'TAX%'").await.is_empty());
}

#[tokio::test]
async fn views_run_with_the_rights_of_their_caller() {
    let bench = bench(Options::default()).await;
    let error = bench.error("revenue", "SELECT * FROM Revenue").await;
    assert!(matches!(error, EngineError::Forbidden(_)), "{error:?}");
    assert!(matches!(bench.error("emea", "SELECT * FROM Revenue").await, EngineError::UnknownName { .. }));
}

#[tokio::test]
async fn explain_shows_row_rules_to_operators_only() {
    let bench = bench(Options::default()).await;
    let text = "EXPLAIN SELECT Name FROM Customers";
    let shown = lines(&bench.sql_as(&principal("emea"), text).await.unwrap()).join("\n");
    assert!(!shown.contains("region") && shown.contains("not shown"), "{shown}");
    let operator = Principal { operator: true, ..principal("emea") };
    let shown = lines(&bench.sql_as(&operator, text).await.unwrap()).join("\n");
    assert!(shown.contains("region"), "{shown}");
}

#[tokio::test]
async fn a_missing_attribute_is_a_refusal() {
    let bench = bench(Options::default()).await;
    let without = Principal { attributes: Default::default(), ..principal("emea") };
    let error = bench.sql_as(&without, "SELECT Name FROM Customers").await.unwrap_err();
    assert!(matches!(&error, EngineError::Forbidden(message) if message.contains("region")), "{error:?}");
}

#[tokio::test]
async fn rights_of_several_roles_add_up_row_by_row() {
    let access = r#"{ "roles": {
        "emea": { "Customers": { "rows": "Region = 'EMEA'" } },
        "apac": { "Customers": { "rows": "Region = 'APAC'", "mask": { "TaxId": "'hidden'" }, "hide": ["Credit"] } }
    } }"#;
    let bench = bench(Options { access: access.to_owned(), ..Options::default() }).await;
    let both = Principal { roles: vec!["emea".to_owned(), "apac".to_owned()], ..principal("emea") };
    let rows = lines(&bench.sql_as(&both, "SELECT Id, TaxId, Credit FROM Customers").await.unwrap());
    assert_eq!(rows, ["1,TAX-001,1000.00", "2,hidden,", "3,TAX-003,"]);
}

#[tokio::test]
async fn a_list_attribute_matches_any_of_its_values() {
    use portico_engine::Attribute::{List, Text};
    let access = r#"{ "roles": { "regional": { "Customers": { "rows": "Region IN (principal.regions)" } } } }"#;
    let bench = bench(Options { access: access.to_owned(), ..Options::default() }).await;
    let mut caller = principal("regional");
    caller.attributes.insert("regions".to_owned(), List(vec![Text("APAC".to_owned()), Text("AMER".to_owned())]));
    assert_eq!(lines(&bench.sql_as(&caller, "SELECT Id FROM Customers").await.unwrap()), ["2", "5"]);
    caller.attributes.insert("regions".to_owned(), List(Vec::new()));
    assert!(lines(&bench.sql_as(&caller, "SELECT Id FROM Customers").await.unwrap()).is_empty());
    // A value is a value, whatever it says.
    caller.attributes.insert("regions".to_owned(), List(vec![Text("x') OR true --".to_owned())]));
    assert!(lines(&bench.sql_as(&caller, "SELECT Id FROM Customers").await.unwrap()).is_empty());
}

#[tokio::test]
async fn mistakes_in_policy_are_found_before_publishing() {
    let bench = bench(Options::default()).await;
    let model = bench.engine.model().unwrap();
    for (access, culprit) in [
        (r#"{"Custmers": {}}"#, "Customers"),
        (r#"{"Customers": {"rows": "Regin = 'x'"}}"#, "Regin"),
        (r#"{"Customers": {"rows": "Name"}}"#, "condition"),
        (r#"{"Customers": {"rows": "Id IN (SELECT CustomerId FROM Orders)"}}"#, "Orders"),
        (r#"{"Customers": {"hide": ["Id"]}}"#, "key"),
        (r#"{"Customers": {"hide": ["Nme"]}}"#, "Nme"),
        (r#"{"Customers": {"mask": {"Name": "Nme || 'x'"}}}"#, "Nme"),
        (r#"{"Customers": {"rows": "Region ="}}"#, "rows"),
    ] {
        let access = serde_json::from_str(&format!(r#"{{"roles": {{"r": {access}}}}}"#)).unwrap();
        let engine = portico_engine::Engine::new(Default::default(), Default::default(), access).unwrap();
        let errors = engine.check(&model);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].to_string().contains(culprit), "{}", errors[0]);
    }
}

#[tokio::test]
async fn entities_of_another_row_are_not_found() {
    let bench = bench(Options::default()).await;
    let mut one = query("Customers", &[0, 1]);
    one.key = Some(vec![portico_provider_api::Value::Int64(2)]);
    let read = portico_odata::BoundRead::new(one, portico_odata::ReadKind::Entity);
    assert!(matches!(bench.read("emea", read, Paging::default()).await, Err(EngineError::NotFound(_))));
    let count = portico_odata::BoundRead::new(query("Customers", &[0]), portico_odata::ReadKind::Count);
    assert!(matches!(bench.read("emea", count, Paging::default()).await, Ok(Answer::Count(2))));
    let Ok(Answer::Entities(mut all)) = bench.read("emea", collection(query("Customers", &[0, 3])), Paging::default()).await else {
        panic!()
    };
    assert_eq!(all.rows.next().await.unwrap().unwrap().rows.num_rows(), 2);
}

/// A condition over two tables is asked where both are, among the conditions that hide rows of them: it must not fail on those.
#[tokio::test]
async fn conditions_over_joined_rows_fail_on_no_hidden_row() {
    let bench = bench(Options::default()).await;
    for text in [
        "SELECT a.Name FROM Customers a JOIN Customers b ON a.Id = b.Id WHERE 10 / (a.Id + b.Id - 4) < 100",
        "SELECT a.Name FROM Customers a LEFT JOIN Customers b ON a.Id = b.Id AND 10 / (a.Id + b.Id - 4) < 100 WHERE a.Id < 4",
        "SELECT a.Name FROM Customers a WHERE EXISTS (SELECT 1 FROM Customers b WHERE a.Id = b.Id AND 10 / (a.Id + b.Id - 4) < 100)",
        "SELECT c.Name FROM (SELECT a.Name, 10 / (a.Id + b.Id - 4) AS q FROM Customers a JOIN Customers b ON a.Id = b.Id) c WHERE c.q < 100",
        "SELECT n.Name FROM (SELECT Name, Id, count(*) AS c FROM Customers GROUP BY Name, Id) n WHERE 10 / (n.Id - 2) < 100",
    ] {
        assert_eq!(bench.rows("emea", text).await, ["Alpha", "Gamma"], "{text}");
        // Who sees the row sees the failure.
        assert!(bench.sql_as(&principal("all"), text).await.is_err(), "{text}");
    }
}
