//! What the server is asked, call by call.

use super::{equals, listening, rows_with, schema, select, table, texts};
use crate::erp::Erp;
use portico_provider_api::{AggregateCall, AggregateFunction, Aggregation, CompareOp, Expr, KeySet, Output, SortKey, SourceQuery, Value};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_a_query_is_asked_of_the_server() {
    let erp = Erp::start();
    let source = erp.source(json!({"page_rows": 100}));
    let schema = schema(&*source, &["sale.sale", "party.party"]).await;
    let sale = table(&schema, "sale.sale", &["id", "party", "state", "reference", "sale_date"]);
    let (context, sent) = listening();
    let described = |query: &SourceQuery| source.describe(query).into_iter().map(|request| request.text).collect::<Vec<_>>();
    let post = |text: &str| format!("POST {text}");

    // Three pages, each after the last number of the one before, and one that says that there is no more.
    let whole = select(&sale, None);
    assert_eq!(rows_with(&*source, whole.clone(), &context).await.unwrap().len(), 300);
    let page = |domain: &str| {
        post(&format!(
            "model.sale.sale.search_read {domain}, 0, 100, [[\"id\",\"ASC\"]], [\"id\",\"party\",\"state\",\"reference\",\"sale_date\"]"
        ))
    };
    assert_eq!(texts(&sent), [page("[]"), page("[[\"id\",\">\",?]]"), page("[[\"id\",\">\",?]]"), page("[[\"id\",\">\",?]]")]);
    assert_eq!(described(&whole).into_iter().map(|text| post(&text)).collect::<Vec<_>>(), [page("[]")]);

    // A filter and an order with a limit: one call.
    let newest = SortKey { expr: Expr::Column(4), descending: true, nulls_first: false };
    let query = SourceQuery { order_by: vec![newest], limit: Some(3), ..select(&sale, Some(equals(2, Value::text("draft")))) };
    let found = rows_with(&*source, query.clone(), &context).await.unwrap();
    assert_eq!(found.len(), 3);
    let [call] = texts(&sent).try_into().unwrap();
    assert!(call.contains("[[\"state\",\"=\",?]], 0, 3, [[\"sale_date\",\"DESC NULLS LAST\"],[\"id\",\"ASC\"]]"), "{call}");

    // A longer order: the numbers first, so that nothing moves from page to page.
    let all = SourceQuery { limit: None, ..query.clone() };
    let ordered = rows_with(&*source, all, &context).await.unwrap();
    assert!(
        ordered.len() > 100
            && ordered.windows(2).all(|pair| match (&pair[0][4], &pair[1][4]) {
                (Value::Date(one), Value::Date(other)) => one >= other,
                other => panic!("{other:?}"),
            })
    );
    let calls = texts(&sent);
    assert!(calls[0].contains("model.sale.sale.search [[\"state\"") && calls[1].contains("model.sale.sale.read [? of 100]"), "{calls:?}");
    assert_eq!(calls.len(), 1 + ordered.len().div_ceil(100));

    // Keys are one list, in one call.
    let keys = KeySet { columns: vec![1], tuples: (1..=40).map(|id| vec![Value::Int32(id)]).collect() };
    let by_keys = SourceQuery { keys: Some(keys), limit: Some(50), ..select(&sale, None) };
    assert_eq!(rows_with(&*source, by_keys, &context).await.unwrap().len(), 50);
    let calls = texts(&sent);
    assert!(calls.len() == 1 && calls[0].contains("[[\"party\",\"in\",[?,?,") && !calls[0].contains("17"), "{calls:?}");

    // A number of rows is one number.
    let count = AggregateCall::new(AggregateFunction::CountRows, None, &sale.columns).unwrap();
    let counting = SourceQuery {
        aggregate: Some(Aggregation { group_by: Vec::new(), calls: vec![count], having: None }),
        output: vec![Output { name: "n".to_owned(), expr: Expr::Column(0) }],
        ..select(&sale, Some(equals(2, Value::text("draft"))))
    };
    let counted = rows_with(&*source, counting, &context).await.unwrap();
    assert_eq!(counted, [[Value::Int64(ordered.len() as i64)]]);
    assert_eq!(texts(&sent), [post("model.sale.sale.search_count [[\"state\",\"=\",?]], 0, null")]);
}

/// What the server cannot tell apart is filtered here: null and the empty text, and the case of letters.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_finds_too_much_of_is_left_out() {
    let erp = Erp::start();
    let source = erp.source(json!({"page_rows": 50}));
    let schema = schema(&*source, &["sale.sale"]).await;
    let sale = table(&schema, "sale.sale", &["id", "reference"]);
    let (context, sent) = listening();
    let is_null = Expr::IsNull(Box::new(Expr::Column(1)));
    let without = rows_with(&*source, select(&sale, Some(is_null.clone())), &context).await.unwrap();
    assert_eq!((without.len(), without.iter().all(|row| row[1].is_null())), (100, true));
    assert!(texts(&sent)[0].contains("[[\"reference\",\"=\",null]]"));
    let with = rows_with(&*source, select(&sale, Some(Expr::Not(Box::new(is_null)))), &context).await.unwrap();
    assert_eq!(with.len(), 200);
    let other = Expr::compare(CompareOp::NotEq, Expr::Column(1), Expr::Literal(Value::text("PO-00001")));
    assert_eq!(rows_with(&*source, select(&sale, Some(other)), &context).await.unwrap().len(), 199);
    let contains = |text: &str| Expr::Call {
        function: portico_provider_api::Function::StartsWith,
        arguments: vec![Expr::Column(1), Expr::Literal(Value::text(text))],
    };
    texts(&sent);
    assert_eq!(rows_with(&*source, select(&sale, Some(contains("po-"))), &context).await.unwrap().len(), 0);
    assert!(texts(&sent)[0].contains("\"like\",?"));
    let limited = SourceQuery { limit: Some(7), offset: 195, ..select(&sale, Some(contains("PO-"))) };
    assert_eq!(rows_with(&*source, limited, &context).await.unwrap().len(), 5);
}

/// Records that are not active are records.
#[tokio::test(flavor = "multi_thread")]
async fn inactive_records_are_there() {
    let erp = Erp::start();
    let source = erp.source(json!({}));
    let schema = schema(&*source, &["party.party"]).await;
    let party = table(&schema, "party.party", &["code", "active"]);
    let (context, _) = listening();
    let found = rows_with(&*source, select(&party, Some(equals(0, Value::text("C024")))), &context).await.unwrap();
    assert_eq!(found, [[Value::text("C024"), Value::Boolean(false)]]);
}
