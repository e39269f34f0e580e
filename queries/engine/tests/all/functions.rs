//! Functions of the model: their SQL in place of a table's rows, with the caller's rights, and what is refused before it is published.

use crate::harness::{Bench, Options, bench, principal};
use portico_catalog::{ModelDefinition, ModelError};
use portico_engine::{Answer, EngineError, Paging};
use portico_odata::{bind, parse};
use serde_json::json;

fn operations() -> String {
    let customers = json!({ "table": "Customers", "many": true });
    json!({
        "Rich": [
            { "kind": "function", "parameters": { "least": "int32" }, "returns": customers,
              "sql": "SELECT * FROM \"Customers\" WHERE \"Credit\" >= $least" },
            { "kind": "function", "parameters": { "least": "int32", "Region": { "type": "text", "nullable": true } }, "returns": customers,
              "sql": "SELECT * FROM \"Customers\" WHERE \"Credit\" >= $least AND \"Region\" IS NOT DISTINCT FROM $Region" },
        ],
        "Named": { "kind": "function", "parameters": { "name": "text" }, "returns": customers,
                   "sql": "SELECT * FROM \"Customers\" WHERE \"Name\" = $name" },
        "First": { "kind": "function", "parameters": { "rows": "int32" }, "returns": customers,
                   "sql": "SELECT * FROM \"Customers\" ORDER BY \"Id\" DESC LIMIT $rows" },
        "Buyers": { "kind": "function", "returns": customers,
                    "sql": "SELECT c.* FROM \"Customers\" c JOIN \"Orders\" o ON o.\"CustomerId\" = c.\"Id\" WHERE o.\"Amount\" > 0" },
        "Best": { "kind": "function", "bound_to": { "collection": "Customers" }, "returns": { "table": "Customers", "nullable": false },
                  "sql": "SELECT * FROM \"Customers\" WHERE \"Credit\" IS NOT NULL ORDER BY \"Credit\" DESC LIMIT 1" },
        "Any": { "kind": "function", "returns": { "table": "Customers" }, "sql": "SELECT * FROM \"Customers\"" },
        "Numbers": { "kind": "function", "parameters": { "least": "int32" }, "returns": { "type": "int64", "many": true },
                     "sql": "SELECT \"Id\" FROM \"Customers\" WHERE \"Credit\" >= $least" },
        "Richest": { "kind": "function", "returns": { "type": "int64" },
                     "sql": "SELECT max(\"Id\") FROM \"Customers\" WHERE \"Credit\" > 500" },
        "Sums": { "kind": "function", "bound_to": "Customers",
                  "returns": { "complex": "Sum", "members": { "Orders": "int64", "Total": "decimal(12,2)?" }, "many": true },
                  "sql": "SELECT count(*) AS \"Orders\", sum(\"Amount\") AS \"Total\" FROM \"Orders\" WHERE \"CustomerId\" = $Id" },
        "Since": { "kind": "function", "bound_to": "Customers", "parameters": { "order": "int64" }, "returns": { "table": "Orders", "many": true },
                   "sql": "SELECT * FROM \"Orders\" WHERE \"CustomerId\" = $Id AND \"OrderId\" >= $order" },
    })
    .to_string()
}

async fn answer(bench: &Bench, role: &str, url: &str, paging: Paging) -> Result<(Vec<i64>, Option<u64>, bool), EngineError> {
    let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
    let view = bench.engine.view(&principal(role), &service).unwrap();
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query.replace(' ', "%20"))));
    let request = parse::request(path, query.as_deref()).unwrap_or_else(|error| panic!("{url}: {error}"));
    let read = bind::read(&request, &view).unwrap_or_else(|error| panic!("{url}: {error}"));
    let Answer::Entities(mut answer) = bench.read(role, read, paging).await? else { panic!("not entities") };
    let mut keys = Vec::new();
    while let Some(batch) = answer.rows.next().await {
        keys.extend(batch?.rows.column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap().values());
    }
    Ok((keys, answer.count, answer.rows.next_position().is_some()))
}

#[tokio::test]
async fn what_they_yield_is_read_as_a_set_is_whatever_the_source_can_do() {
    for incapable in [false, true] {
        let bench = bench(Options { operations: operations(), incapable, ..Options::default() }).await;
        for (url, expected) in [
            ("Rich(least=500)?$orderby=Id", vec![1, 2]),
            ("Rich(least=9)?$filter=Region ne 'EMEA'&$orderby=Id desc", vec![5, 2]),
            ("Rich(least=0,Region=null)", vec![4]),
            ("Rich(least=0,Region='AMER')", vec![5]),
            ("Rich(least=0)?$orderby=Id&$skip=1&$top=2", vec![2, 4]),
            ("Named(name='x'' OR 1=1 --')", vec![]),
            ("Named(name='Beta')", vec![2]),
            ("First(rows=2)?$orderby=Id", vec![4, 5]),
            ("Customers/Portico.default.Best()", vec![1]),
            ("Customers(1)/Portico.default.Since(order=105)?$orderby=OrderId", vec![105, 109]),
            ("Orders(102)/Customer", vec![2]),
            ("Numbers(least=9)?$filter=$it gt 1&$orderby=$it desc", vec![5, 2]),
            ("Numbers(least=0)?$orderby=$it&$skip=1&$top=2", vec![2, 4]),
            ("Numbers(least=0)/$filter($it le 2 or $it eq 5)?$orderby=$it", vec![1, 2, 5]),
            ("Richest()", vec![1]),
            ("Customers(1)/Portico.default.Sums()?$filter=Total gt 1", vec![3]),
            ("Customers(1)/Portico.default.Sums()?$filter=Total lt 1&$select=Orders", vec![]),
            ("Rich(least=500)(2)/Orders?$orderby=OrderId", vec![102, 106, 110]),
            ("Customers/Portico.default.Best()/Orders(105)", vec![105]),
            ("Customers(2)/Portico.default.Since(order=105)(106)/Customer", vec![2]),
            ("Rich(least=500)(2)/Portico.default.Since(order=105)?$orderby=OrderId", vec![106, 110]),
        ] {
            let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
            let url = url.replace("default", &service);
            assert_eq!(answer(&bench, "all", &url, Paging::default()).await.unwrap().0, expected, "{url}");
        }
        let counted = answer(&bench, "all", "Rich(least=0)?$count=true&$top=1&$orderby=Id", Paging::default()).await.unwrap();
        assert_eq!(counted, (vec![1], Some(4), false));
    }
}

#[tokio::test]
async fn they_show_what_the_caller_sees_and_no_more() {
    let access = crate::harness::ACCESS
        .replace(r#""orders": { "Orders": {} }"#, r#""orders": { "Orders": {}, "Customers": { "hide": ["Credit"] } }"#);
    let bench = bench(Options { operations: operations(), access, ..Options::default() }).await;
    let ids = async |role: &str, url: &str| answer(&bench, role, url, Paging::default()).await.map(|(ids, ..)| ids);
    assert_eq!(ids("emea", "First(rows=9)?$orderby=Id").await.unwrap(), [1, 3], "row rules hold inside");
    assert_eq!(ids("emea", "First(rows=9)?$filter=TaxId eq '***001'").await.unwrap(), [1], "and masks");
    for role in ["emea", "orders"] {
        let refused = ids(role, "Rich(least=1)").await.unwrap_err();
        assert!(matches!(&refused, EngineError::Forbidden(message) if message.contains("Rich")), "{refused}");
    }
}

#[tokio::test]
async fn pages_are_cut_only_where_rows_are_told_apart() {
    let bench = bench(Options { operations: operations(), ..Options::default() }).await;
    let page = || Paging { size: 2, ..Paging::default() };
    assert_eq!(answer(&bench, "all", "Rich(least=0)", page()).await.unwrap(), (vec![1, 2], None, true));
    // A customer comes once for each order, all of them at once.
    let (buyers, _, more) = answer(&bench, "all", "Buyers", page()).await.unwrap();
    assert_eq!((buyers.len(), more), (10, false));
}

#[tokio::test]
async fn one_entity_is_one_and_what_it_is_bound_to_is_there() {
    let bench = bench(Options { operations: operations(), ..Options::default() }).await;
    let several = answer(&bench, "all", "Any", Paging::default()).await.unwrap_err();
    assert!(matches!(&several, EngineError::Internal(message) if message.contains("'Any'")), "{several}");
    let several = answer(&bench, "all", "Any()/Orders", Paging::default()).await.unwrap_err();
    assert!(matches!(&several, EngineError::Internal(message) if message.contains("'Any'")), "{several}");
    assert!(matches!(answer(&bench, "all", "Rich(least=500)(3)/Orders", Paging::default()).await, Err(EngineError::NotFound(_))));
    let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
    let missing = format!("Customers(77)/Portico.{service}.Since(order=1)");
    assert!(matches!(answer(&bench, "all", &missing, Paging::default()).await, Err(EngineError::NotFound(_))));
    // Customer 2 is not there for this role.
    let hidden = format!("Customers(2)/Portico.{service}.Since(order=1)");
    assert!(matches!(answer(&bench, "emea", &hidden, Paging::default()).await, Err(EngineError::NotFound(_))));
}

#[tokio::test]
async fn what_does_not_plan_or_fit_is_refused_with_its_path() {
    let all = "\"Id\", \"Name\", \"Region\", \"TaxId\", \"Credit\"";
    let cases = [
        (format!("SELECT {all} FROM Nowhere"), "there is no table"),
        (format!("SELECT {all} FROM \"Customers\" WHERE \"Id\" = $other"), "$other"),
        ("SELECT \"Id\", \"Name\", \"Region\", \"TaxId\" FROM \"Customers\"".to_owned(), "'Credit' of 'Customers'"),
        (format!("SELECT {all}, 1 AS \"More\" FROM \"Customers\""), "no column 'More'"),
        (format!("SELECT {all}, \"Id\" FROM \"Customers\""), "Id"),
        ("SELECT \"Id\", \"Name\", \"Region\", \"Id\" AS \"TaxId\", \"Credit\" FROM \"Customers\"".to_owned(), "'TaxId' is"),
        ("SELECT nullif(\"Id\", 1) AS \"Id\", \"Name\", \"Region\", \"TaxId\", \"Credit\" FROM \"Customers\"".to_owned(), "may be null"),
        ("DELETE FROM \"Customers\"".to_owned(), "DELETE"),
    ];
    let good = bench(Options { operations: operations(), ..Options::default() }).await;
    for (sql, part) in cases {
        let definition =
            json!({ "F": { "kind": "function", "parameters": { "p": "int32" }, "returns": { "table": "Customers" }, "sql": sql } });
        let definition = ModelDefinition { operations: serde_json::from_value(definition).unwrap(), ..good.definition.clone() };
        let describe = |model: &portico_catalog::Model, sql: &str| good.engine.describe_view(model, sql);
        let (model, _) = portico_catalog::build(&definition, &good.schemas, &describe).unwrap();
        let errors: Vec<ModelError> = good.engine.check(&model);
        let [error] = errors.as_slice() else { panic!("{sql}: {errors:?}") };
        assert_eq!(error.path, ["operations", "F", "sql"]);
        assert!(error.message.contains(part), "{sql}: {}", error.message);
    }
}

#[tokio::test]
async fn values_must_be_what_is_returned() {
    let good = bench(Options { operations: operations(), ..Options::default() }).await;
    let value = json!({ "type": "int64", "nullable": false });
    let sum = json!({ "complex": "Sum", "members": { "N": "int64", "T": "text?" } });
    for (returns, sql, part) in [
        (&value, "SELECT 1, 2", "one column"),
        (&value, "SELECT 'x' AS a", "'a' is Utf8"),
        (&value, "SELECT max(\"Id\") AS a FROM \"Customers\"", "coalesce(a, …)"),
        (&sum, "SELECT 1 AS \"N\"", "'T' of 'Sum'"),
        (&sum, "SELECT 1 AS \"N\", 'x' AS \"T\", 2 AS \"M\"", "no column 'M'"),
        (&sum, "SELECT nullif(1, 1) AS \"N\", 'x' AS \"T\"", "may be null"),
    ] {
        let definition = json!({ "F": { "kind": "function", "returns": returns, "sql": sql } });
        let definition = ModelDefinition { operations: serde_json::from_value(definition).unwrap(), ..good.definition.clone() };
        let describe = |model: &portico_catalog::Model, sql: &str| good.engine.describe_view(model, sql);
        let (model, _) = portico_catalog::build(&definition, &good.schemas, &describe).unwrap();
        let errors = good.engine.check(&model);
        let [error] = errors.as_slice() else { panic!("{sql}: {errors:?}") };
        assert!(error.message.contains(part), "{sql}: {}", error.message);
    }
}
