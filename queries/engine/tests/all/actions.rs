//! Actions: what their statements write, with whose rights, all of it or nothing; and what is refused before it is published.

use crate::harness::{Bench, Options, bench, context, principal};
use portico_catalog::{ModelDefinition, ModelError};
use portico_engine::{ActionAnswer, EngineError};
use portico_odata::{MatchCondition, bind, parse};
use portico_provider_api::Value;
use serde_json::json;

fn operations() -> String {
    let customers = json!({ "table": "Customers" });
    json!({
        "Rename": { "kind": "action", "bound_to": "Customers", "parameters": { "name": "text" },
                    "sql": "UPDATE \"Customers\" SET \"Name\" = $name WHERE \"Id\" = $Id" },
        "Raise": { "kind": "action", "bound_to": "Customers", "parameters": { "by": "decimal(12,2)" }, "returns": customers,
                   "sql": "UPDATE \"Customers\" SET \"Credit\" = \"Credit\" + $by WHERE \"Id\" = $Id" },
        "Order": { "kind": "action", "parameters": { "customer": "int64", "amount": { "type": "decimal(12,2)", "nullable": true } }, "returns": { "table": "Orders" },
                   "sql": "INSERT INTO \"Orders\" (\"OrderId\", \"CustomerId\", \"Amount\", \"Placed\") \
                           VALUES ((SELECT max(\"OrderId\") + 1 FROM \"Orders\"), $customer, $amount, date '2024-01-01')" },
        "Replace": { "kind": "action", "bound_to": "Orders", "parameters": { "other": "int64", "note": "text" }, "returns": { "type": "int64", "nullable": false },
                     "sql": ["UPDATE \"Orders\" SET \"Note\" = $note WHERE \"OrderId\" = $OrderId",
                             "DELETE FROM \"Orders\" WHERE \"OrderId\" = $other",
                             "SELECT count(*) FROM \"Orders\""] },
        "Two": { "kind": "action", "parameters": { "first": "int64" },
                 "sql": "INSERT INTO \"Orders\" (\"OrderId\", \"CustomerId\", \"Amount\", \"Placed\") \
                         VALUES ($first, 1, 1, date '2024-01-01'), ($first + 1, 1, 1, date '2024-01-02')" },
        "Secret": { "kind": "action", "roles": ["orders"], "sql": "DELETE FROM \"Orders\" WHERE \"OrderId\" = 101" },
    })
    .to_string()
}

fn service(bench: &Bench) -> String {
    bench.engine.model().unwrap().services.keys().next().unwrap().clone()
}

async fn act(
    bench: &Bench,
    role: &str,
    url: &str,
    body: serde_json::Value,
    condition: MatchCondition,
) -> Result<ActionAnswer, EngineError> {
    let service = service(bench);
    let principal = principal(role);
    let view = bench.engine.view(&principal, &service).unwrap();
    let request = parse::request(&url.replace("Ns.", &format!("Portico.{service}.")), None).unwrap();
    let action =
        bind::action(&request, &view, body.to_string().as_bytes(), condition, true).unwrap_or_else(|error| panic!("{url}: {error}"));
    let context = context(&principal);
    let prepared = bench.engine.prepare_action(&action.expect("no action"), &view, &context).await?;
    bench.engine.run_action(prepared, &context).await
}

async fn bench_of() -> Bench {
    bench(Options { operations: operations(), ..Options::default() }).await
}

#[tokio::test]
async fn they_write_what_their_statements_say() {
    let bench = bench_of().await;
    let any = || MatchCondition::Absent;
    let renamed = act(&bench, "all", "Customers(2)/Ns.Rename", json!({ "name": "New" }), any()).await.unwrap();
    assert_eq!(renamed, ActionAnswer { read: None, created: None });
    assert_eq!(bench.rows("all", "SELECT Name FROM Customers WHERE Id = 2").await, ["New"]);

    let raised = act(&bench, "all", "Customers(2)/Ns.Raise", json!({ "by": 0.25 }), any()).await.unwrap();
    assert_eq!(raised.read.unwrap().query.key, Some(vec![Value::Int64(2)]));
    assert_eq!(bench.rows("all", "SELECT Credit FROM Customers WHERE Id = 2").await, ["500.25"]);

    let ordered = act(&bench, "all", "Order", json!({ "customer": 5, "amount": 7 }), any()).await.unwrap();
    assert_eq!(ordered.created, Some(("Orders".to_owned(), vec![Value::Int64(111)])));
    assert_eq!(bench.rows("all", "SELECT CustomerId, Amount FROM Orders WHERE OrderId = 111").await, ["5,7.00"]);

    let replaced = act(&bench, "all", "Orders(101)/Ns.Replace", json!({ "other": 102, "note": "x" }), any()).await.unwrap();
    assert!(replaced.read.unwrap().query.call.is_some());
    assert_eq!(bench.rows("all", "SELECT Note FROM Orders WHERE OrderId IN (101, 102)").await, ["x"]);

    act(&bench, "all", "Two", json!({ "first": 500 }), any()).await.unwrap();
    assert_eq!(bench.rows("all", "SELECT OrderId FROM Orders WHERE OrderId >= 500").await, ["500", "501"]);
}

#[tokio::test]
async fn what_cannot_be_done_as_a_whole_is_not_done_at_all() {
    let bench = bench_of().await;
    let missing = act(&bench, "all", "Orders(101)/Ns.Replace", json!({ "other": 999, "note": "x" }), MatchCondition::Absent).await;
    assert!(matches!(missing, Err(EngineError::NotFound(_))));
    assert_eq!(bench.rows("all", "SELECT count(*) FROM Orders WHERE Note = 'x'").await, ["0"]);
    // The second row is there already.
    let clash = act(&bench, "all", "Two", json!({ "first": 100 }), MatchCondition::Absent).await;
    assert!(matches!(clash, Err(EngineError::Source(_))));
    assert_eq!(bench.rows("all", "SELECT count(*) FROM Orders WHERE OrderId = 100").await, ["0"]);
    let null = act(&bench, "all", "Order", json!({ "customer": 1, "amount": null }), MatchCondition::Absent).await.unwrap_err();
    assert!(matches!(&null, EngineError::Invalid(message) if message.contains("'Amount'")), "{null}");
}

#[tokio::test]
async fn they_run_with_the_rights_of_whoever_calls() {
    let bench = bench_of().await;
    let rename = async |role: &str, id: i64| {
        act(&bench, role, &format!("Customers({id})/Ns.Rename"), json!({ "name": "New" }), MatchCondition::Absent).await
    };
    assert!(matches!(rename("emea", 2).await, Err(EngineError::NotFound(_))), "a row that the role does not see");
    rename("emea", 1).await.unwrap();
    // The column is hidden from the role; and this role may not insert.
    let raise = act(&bench, "emea", "Customers(1)/Ns.Raise", json!({ "by": 1 }), MatchCondition::Absent).await.unwrap_err();
    assert!(matches!(&raise, EngineError::Forbidden(message) if message.contains("'Raise'")), "{raise}");
    let order = act(&bench, "orders", "Order", json!({ "customer": 5, "amount": 7 }), MatchCondition::Absent).await.unwrap_err();
    assert!(matches!(&order, EngineError::Forbidden(message) if message.contains("insert into 'Orders'")), "{order}");
    // Who may call is said by roles, and seen in the view.
    let names = |role: &str| {
        let view = bench.engine.view(&principal(role), &service(&bench)).unwrap();
        view.operations.iter().map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    assert!(names("orders").contains(&"Secret".to_owned()) && !names("all").contains(&"Secret".to_owned()));
    assert_eq!(names("orders"), ["Order", "Replace", "Two", "Secret"]);
}

#[tokio::test]
async fn the_state_that_is_meant_is_compared() {
    let bench = bench_of().await;
    let rename = async |tag: &str| {
        let condition = MatchCondition::Tags(vec![tag.to_owned()]);
        act(&bench, "all", "Customers(1)/Ns.Rename", json!({ "name": "New" }), condition).await
    };
    assert!(matches!(rename("W/\"7\"").await, Err(EngineError::PreconditionFailed(_))));
    assert_eq!(bench.rows("all", "SELECT Name FROM Customers WHERE Id = 1").await, ["Alpha"]);
    rename("W/\"1\"").await.unwrap();
    assert_eq!(bench.rows("all", "SELECT Name FROM Customers WHERE Id = 1").await, ["New"]);
    let unbound = act(&bench, "all", "Two", json!({ "first": 500 }), MatchCondition::Any).await;
    assert!(matches!(unbound, Err(EngineError::PreconditionFailed(_))));
    let gone = act(&bench, "all", "Customers(77)/Ns.Rename", json!({ "name": "New" }), MatchCondition::Absent).await;
    assert!(matches!(gone, Err(EngineError::NotFound(_))));
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_with_its_path() {
    let update = "UPDATE \"Customers\" SET \"Name\" = $p WHERE \"Id\" = 1";
    let orders = json!({ "table": "Orders" });
    let none = serde_json::Value::Null;
    let cases = [
        (json!("UPDATE \"Customers\" SET \"Name\" = $p"), &none, "sql", "name the key"),
        (json!("UPDATE \"Customers\" SET \"Name\" = $p WHERE \"Name\" = 'x'"), &none, "sql", "WHERE Id = …"),
        (json!("UPDATE \"Customers\" SET \"Name\" = $p WHERE \"Id\" > 1"), &none, "sql", "by key"),
        (json!("UPDATE \"Customers\" SET \"Name\" = $p WHERE \"Id\" = 1 OR \"Id\" = 2"), &none, "sql", "by key"),
        (json!("UPDATE \"Customers\" SET \"Nme\" = $p WHERE \"Id\" = 1"), &none, "sql", "did you mean 'Name'?"),
        (json!("UPDATE \"Customers\" SET \"Id\" = 5 WHERE \"Id\" = 1"), &none, "sql", "part of the key"),
        (json!("UPDATE \"Customers\" SET \"Credit\" = $p WHERE \"Id\" = 1"), &none, "sql", "the value for 'Credit'"),
        (json!("UPDATE \"Customers\" SET \"Name\" = $q WHERE \"Id\" = 1"), &none, "sql", "$q"),
        (json!("UPDATE \"Customers\" SET \"Name\" = o.\"Note\" FROM \"Orders\" o WHERE \"Id\" = 1"), &none, "sql", "UPDATE table SET"),
        (json!("UPDATE \"Custmers\" SET \"Name\" = $p WHERE \"Id\" = 1"), &none, "sql", "no table 'Custmers'"),
        (json!("UPDATE \"Revenue\" SET \"Name\" = $p WHERE \"Id\" = 1"), &none, "sql", "cannot be written to"),
        (json!("DELETE FROM \"Orders\""), &none, "sql", "name the key"),
        (json!("DELETE FROM \"Orders\" WHERE \"OrderId\" = 1 RETURNING *"), &none, "sql", "DELETE FROM table"),
        (json!("INSERT INTO \"Orders\" SELECT * FROM \"Orders\""), &none, "sql", "VALUES"),
        (json!("INSERT INTO \"Orders\" VALUES (1, 2, 3, date '2024-01-01', 'x')"), &none, "sql", "VALUES"),
        (json!("INSERT INTO \"Orders\" (\"OrderId\") VALUES (1)"), &none, "sql", "'CustomerId' of 'Orders' is mandatory"),
        (json!("INSERT INTO \"Orders\" (\"OrderId\", \"OrderId\") VALUES (1, 2)"), &none, "sql", "given twice"),
        (json!("INSERT INTO \"Orders\" (\"OrderId\") VALUES (1, 2)"), &none, "sql", "1 columns are named, but 2"),
        (json!("DROP TABLE \"Orders\""), &none, "sql", "INSERT, UPDATE and DELETE"),
        (json!("SELECT 1"), &none, "sql", "that returns something"),
        (json!(["SELECT 1", update]), &none, "sql.0", "last statement"),
        (json!([update, "DELETE FROM \"Orders\" WHERE \"OrderId\" = 1"]), &none, "sql.1", "over several sources"),
        (
            json!([update, "UPDATE \"Customers\" SET \"Credit\" = \"Credit\" + 1 WHERE \"Id\" = 2"]),
            &none,
            "sql.1",
            "only the first statement may read",
        ),
        (json!(update), &orders, "sql", "the one entity that its last statement"),
        (json!([update, "SELECT 1 AS \"OrderId\""]), &orders, "sql.1", "not selected"),
    ];
    let good = bench_of().await;
    for (sql, returns, at, part) in cases {
        let mut definition = json!({ "kind": "action", "parameters": { "p": "text" }, "sql": sql });
        if !returns.is_null() {
            definition["returns"] = returns.clone();
        }
        let operations = serde_json::from_value(json!({ "F": definition })).unwrap();
        let definition = ModelDefinition { operations, ..good.definition.clone() };
        let describe = |model: &portico_catalog::Model, sql: &str| good.engine.describe_view(model, sql);
        let (model, _) = portico_catalog::build(&definition, &good.schemas, &describe).unwrap();
        let errors: Vec<ModelError> = good.engine.check(&model);
        let [error] = errors.as_slice() else { panic!("{sql}: {errors:?}") };
        assert_eq!(error.path.join("."), format!("operations.F.{at}"), "{sql}: {error:?}");
        let told =
            format!("{}{}", error.message, error.suggestion.as_ref().map(|name| format!("; did you mean '{name}'?")).unwrap_or_default());
        assert!(told.contains(part), "{sql}: {told}");
    }
    let roles = json!({ "F": { "kind": "action", "roles": ["alll"], "parameters": { "p": "text" }, "sql": update } });
    let definition = ModelDefinition { operations: serde_json::from_value(roles).unwrap(), ..good.definition.clone() };
    let describe = |model: &portico_catalog::Model, sql: &str| good.engine.describe_view(model, sql);
    let (model, _) = portico_catalog::build(&definition, &good.schemas, &describe).unwrap();
    let errors = good.engine.check(&model);
    assert_eq!((errors[0].path.join("."), errors[0].suggestion.as_deref()), ("operations.F.roles".to_owned(), Some("all")));
}
