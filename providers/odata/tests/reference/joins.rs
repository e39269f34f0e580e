//! Joins along navigation properties: what servers are asked for them, and what they answer.

use super::mock::PARTNERS;
use super::{all, at, relation, rows, source};
use crate::servers::{mock, v4};
use portico_provider_api::{
    Expr, Join, JoinKind, Output, QueryContext, Relation, SortKey, SourceErrorKind, SourceQuery, TableRelation, Value,
};
use serde_json::json;

/// Two tables that are joined by a column of each, with some columns of both.
fn joined(kind: JoinKind, tables: &(TableRelation, TableRelation), on: (usize, usize), outputs: &[usize]) -> SourceQuery {
    let (left, right) = (Relation::Table(tables.0.clone()), Relation::Table(tables.1.clone()));
    let on = vec![(Expr::Column(on.0), Expr::Column(on.1))];
    let join = Join { left, right, kind, on, residual: None, null_aware: false, null_equal: false };
    let output = outputs.iter().map(|at| Output { name: format!("c{at}"), expr: Expr::Column(*at) });
    SourceQuery::select(Relation::Join(Box::new(join)), output.collect())
}

/// What is sent for a join is one request; what is declared and not kept there can be said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_is_one_request() {
    let source = source(&v4().url("joins/odata.svc/"), json!({ "tables": { "ESMedia": { "expand": false } } }));
    let tables = (relation(&source, "ESTwoKeyNav").await, relation(&source, "ESKeyNav").await);
    let own = tables.0.columns.len();
    let on = (at(&tables.0, "PropertyInt16"), at(&tables.1, "PropertyInt16"));
    let outputs = [on.0, at(&tables.0, "PropertyString"), own + at(&tables.1, "PropertyString")];
    let row = |key: i16, text: &str| vec![Value::Int16(key), Value::text(text), Value::text(format!("I am String Property {key}"))];
    let expected = [row(1, "1"), row(1, "2"), row(2, "1"), row(3, "1")];
    for kind in [JoinKind::Inner, JoinKind::Left] {
        let mut found = all(&source, joined(kind, &tables, on, &outputs)).await;
        found.sort_by_key(|row| format!("{row:?}"));
        assert_eq!(found, expected);
    }
    let first = SourceQuery {
        order_by: vec![SortKey { expr: Expr::Column(on.0), descending: true, nulls_first: false }],
        limit: Some(1),
        ..joined(JoinKind::Left, &tables, on, &outputs)
    };
    assert_eq!(all(&source, first).await, [row(3, "1")]);
    let expand = "ESTwoKeyNav?$select=PropertyInt16,PropertyString&$expand=NavPropertyETKeyNavOne($select=PropertyString,PropertyInt16)";
    let targets: Vec<String> = v4().asked("joins/requests").into_iter().map(|asked| asked.target).collect();
    let ends = ["", "", "&$orderby=PropertyInt16 desc&$top=1"];
    assert_eq!(targets.len(), 3, "{targets:#?}");
    assert!(targets.iter().zip(ends).all(|(target, end)| target.ends_with(&format!("{expand}{end}"))), "{targets:#?}");
    // Its media say that they refer to an entity of the same number, and lead to none.
    let tables = (relation(&source, "ESMedia").await, tables.1);
    let query = joined(JoinKind::Left, &tables, (at(&tables.0, "PropertyInt16"), on.1), &[0]);
    let refused = rows(&source, query, &QueryContext::default()).await.unwrap_err();
    assert!(refused.message.contains("a join of kind 'left'"), "{refused}");
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
