//! Paths, lambdas and counts: the same rows as SQL written by hand, whatever the source is, and no way round policy.

use crate::harness::{ACCESS, Bench, Options, TABLES, bench, collection, principal};
use crate::kinds::{KINDS, World};
use crate::odata_random::{columns, rows};
use portico_engine::{Answer, Paging};
use portico_odata::{ODataError, bind, parse};
use std::fmt::Write as _;

/// `$filter`, and the condition in SQL over `t`.
const FILTERS: &[(&str, &str)] = &[
    ("Next/Code eq 'a'", "EXISTS (SELECT 1 FROM t n WHERE n.\"Id\" = t.\"Big\" AND n.\"Code\" = 'a')"),
    ("Next/Code ne 'a'", "NOT EXISTS (SELECT 1 FROM t n WHERE n.\"Id\" = t.\"Big\" AND n.\"Code\" = 'a')"),
    ("Next/Code eq null", "NOT EXISTS (SELECT 1 FROM t n WHERE n.\"Id\" = t.\"Big\")"),
    ("Next eq null", "NOT EXISTS (SELECT 1 FROM t n WHERE n.\"Id\" = t.\"Big\")"),
    (
        "Next ne null and Next/Next eq null",
        "EXISTS (SELECT 1 FROM t n WHERE n.\"Id\" = t.\"Big\" AND NOT EXISTS (SELECT 1 FROM t m WHERE m.\"Id\" = n.\"Big\"))",
    ),
    ("Next eq $it", "t.\"Id\" = t.\"Big\""),
    ("Next/M gt M", "EXISTS (SELECT 1 FROM t n WHERE n.\"Id\" = t.\"Big\" AND n.\"M\" > t.\"M\")"),
    ("not (Next/M gt M)", "NOT EXISTS (SELECT 1 FROM t n WHERE n.\"Id\" = t.\"Big\" AND n.\"M\" > t.\"M\")"),
    ("Fellow/Id lt Id", "EXISTS (SELECT 1 FROM t n WHERE n.\"Code\" = t.\"Code\" AND n.\"Id\" < t.\"Id\")"),
    ("Previous/any()", "EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\")"),
    ("not Previous/any()", "NOT EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\")"),
    ("Previous/any(p:p/M gt 0)", "EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND p.\"M\" > 0)"),
    ("Previous/all(p:p/N gt 0)", "NOT EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND (p.\"N\" > 0) IS NOT TRUE)"),
    ("Previous/all(p:p/Flag)", "NOT EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND p.\"Flag\" IS NOT TRUE)"),
    ("not Previous/all(p:not p/Flag)", "EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND (NOT p.\"Flag\") IS NOT TRUE)"),
    ("Previous/any(p:p/M gt M)", "EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND p.\"M\" > t.\"M\")"),
    (
        "Previous/any(p:p/M gt $it/M and p/Sure) or M eq 2",
        "t.\"M\" = 2 OR EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND p.\"M\" > t.\"M\" AND p.\"Sure\")",
    ),
    ("Sure eq Previous/any(p:p/M gt 0)", "t.\"Sure\" = EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND p.\"M\" > 0)"),
    (
        "Previous/any(p:p/Sure) and Previous/any(p:p/M lt 0)",
        "EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND p.\"Sure\") AND EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND p.\"M\" < 0)",
    ),
    (
        "Peers/any(p:p/Id ne Id and p/Code eq Code)",
        "EXISTS (SELECT 1 FROM t p WHERE p.\"M\" = t.\"M\" AND p.\"Id\" <> t.\"Id\" AND p.\"Code\" = t.\"Code\")",
    ),
    (
        "Previous/any(p:p/Peers/any(q:q/Id gt p/Id))",
        "EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND EXISTS (SELECT 1 FROM t q WHERE q.\"M\" = p.\"M\" AND q.\"Id\" > p.\"Id\"))",
    ),
    (
        "Previous/any(p:p/Peers/any(q:q/Id eq Id))",
        "EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND EXISTS (SELECT 1 FROM t q WHERE q.\"M\" = p.\"M\" AND q.\"Id\" = t.\"Id\"))",
    ),
    (
        "Previous/all(p:p/Sure or p/Peers/any(q:q/Id gt $it/Id and q/Code ne p/Code))",
        "NOT EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND NOT (p.\"Sure\" OR EXISTS (SELECT 1 FROM t q WHERE q.\"M\" = p.\"M\" AND q.\"Id\" > t.\"Id\" AND q.\"Code\" <> p.\"Code\")))",
    ),
    (
        "Previous/any(p:p/Sure or Peers/any(q:q/Id gt Id))",
        "EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND (p.\"Sure\" OR EXISTS (SELECT 1 FROM t q WHERE q.\"M\" = t.\"M\" AND q.\"Id\" > t.\"Id\")))",
    ),
    (
        "Previous/any(p:p/Next/Next/Sure)",
        "EXISTS (SELECT 1 FROM t p JOIN t a ON a.\"Id\" = p.\"Big\" JOIN t b ON b.\"Id\" = a.\"Big\" WHERE p.\"Big\" = t.\"Id\" AND b.\"Sure\")",
    ),
    (
        "Next/Previous/any(p:p/Id gt Next/M)",
        "EXISTS (SELECT 1 FROM t n JOIN t p ON p.\"Big\" = n.\"Id\" WHERE n.\"Id\" = t.\"Big\" AND p.\"Id\" > n.\"M\")",
    ),
    ("Previous/$count eq 0", "NOT EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\")"),
    ("Peers/$count gt M", "(SELECT count(*) FROM t p WHERE p.\"M\" = t.\"M\") > t.\"M\""),
    ("Peers/$count($filter=Sure) ge 3", "(SELECT count(*) FROM t p WHERE p.\"M\" = t.\"M\" AND p.\"Sure\") >= 3"),
    ("Peers/$count($filter=Id gt $it/Id) eq 2", "(SELECT count(*) FROM t p WHERE p.\"M\" = t.\"M\" AND p.\"Id\" > t.\"Id\") = 2"),
    (
        "Peers/$filter(Sure)/$count lt Peers/$filter(not Sure)/$count",
        "(SELECT count(*) FROM t p WHERE p.\"M\" = t.\"M\" AND p.\"Sure\") < (SELECT count(*) FROM t p WHERE p.\"M\" = t.\"M\" AND NOT p.\"Sure\")",
    ),
    ("Peers/$filter(Sure)/any(p:p/Id gt Id)", "EXISTS (SELECT 1 FROM t p WHERE p.\"M\" = t.\"M\" AND p.\"Sure\" AND p.\"Id\" > t.\"Id\")"),
    ("Id in Peers/Big", "EXISTS (SELECT 1 FROM t p WHERE p.\"M\" = t.\"M\" AND p.\"Big\" = t.\"Id\")"),
    ("$it in Previous", "EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND p.\"Id\" = t.\"Id\")"),
    ("M lt $root/KIND(3)/Next/M", "t.\"M\" < (SELECT n.\"M\" FROM t k JOIN t n ON n.\"Id\" = k.\"Big\" WHERE k.\"Id\" = 3)"),
    ("M eq $root/KIND(3)/M or Id eq $root/KIND(1000)/Id", "t.\"M\" = (SELECT \"M\" FROM t WHERE \"Id\" = 3)"),
    ("$root/KIND/$count gt 50 and $root/KIND/any(r:r/M gt 3)", "EXISTS (SELECT 1 FROM t r WHERE r.\"M\" > 3)"),
    ("$root/KIND/any(r:r/M eq M and r/Id gt Id)", "EXISTS (SELECT 1 FROM t r WHERE r.\"M\" = t.\"M\" AND r.\"Id\" > t.\"Id\")"),
    ("$root/KIND/$count($filter=M eq $it/M) eq 1", "(SELECT count(*) FROM t r WHERE r.\"M\" = t.\"M\") = 1"),
    ("case(Previous/any():'some',Sure:'none') eq 'none'", "t.\"Sure\" AND NOT EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\")"),
];

/// `$orderby`, and the same in SQL.
const ORDERS: &[(&str, &str)] = &[
    ("Next/Id,Id", "(SELECT n.\"Id\" FROM t n WHERE n.\"Id\" = t.\"Big\") NULLS FIRST, \"Id\""),
    ("Peers/$count desc,Id desc", "(SELECT count(*) FROM t p WHERE p.\"M\" = t.\"M\") DESC, \"Id\" DESC"),
    (
        "Previous/any(p:p/Sure) desc,Next/Next/Id desc",
        "EXISTS (SELECT 1 FROM t p WHERE p.\"Big\" = t.\"Id\" AND p.\"Sure\") DESC, (SELECT m.\"Id\" FROM t n JOIN t m ON m.\"Id\" = n.\"Big\" WHERE n.\"Id\" = t.\"Big\") DESC NULLS LAST, \"Id\"",
    ),
];

/// Division by a constant never cuts anything off, whatever the binder computes it in.
const DIVISIONS: &[(&str, &str)] = &[
    ("M divby 2 eq 1.5", "t.\"M\"::numeric / 2 = 1.5"),
    ("Small divby -4 eq 0.25", "t.\"Small\"::numeric / -4 = 0.25"),
    ("(N divby 8) mul 8 eq N", "true"),
    ("Id divby 16 gt 1.1", "t.\"Id\"::numeric / 16 > 1.1"),
    ("Amount divby 0.5 eq Amount add Amount", "true"),
    ("Amount divby 4 lt 0.1 and Amount divby 4 gt -0.1", "abs(t.\"Amount\" / 4) < 0.1"),
    ("Rate divby 2.5 ge 1", "t.\"Rate\" / 2.5 >= 1"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_lambdas_and_counts_find_what_sql_written_by_hand_finds() {
    let mut random = fastrand::Rng::with_seed(crate::null_logic::seed());
    let columns = columns();
    let world = World::new(&columns, &rows(&mut random, &columns, 0..60)).await;
    let mut wrong = String::new();
    let filters =
        FILTERS.iter().chain(DIVISIONS).map(|(text, sql)| ("$filter", text, format!("SELECT \"Id\" FROM t WHERE {sql} ORDER BY \"Id\"")));
    let orders = ORDERS.iter().map(|(text, sql)| ("$orderby", text, format!("SELECT \"Id\" FROM t ORDER BY {sql}")));
    for (option, text, sql) in filters.chain(orders) {
        let wanted = world.by_hand(&sql).await;
        for (kind, name) in KINDS.into_iter().enumerate() {
            let query = match world.bind(kind, &[(option, &text.replace("KIND", name))]) {
                Ok(query) => query,
                Err(error) => {
                    writeln!(wrong, "{name} {text}: {}", error.message).unwrap();
                    continue;
                }
            };
            match world.keys(query, Paging::default()).await {
                Ok((mut keys, _)) => {
                    if option == "$filter" {
                        keys.sort_unstable();
                    }
                    if keys != wanted {
                        writeln!(wrong, "{name} {text}:\n  wanted {wanted:?}\n  came   {keys:?}").unwrap();
                    }
                }
                Err(error) => writeln!(wrong, "{name} {text}: {error}").unwrap(),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

pub async fn asked(bench: &Bench, role: &str, url: &str) -> Result<Vec<i64>, ODataError> {
    let service = bench.engine.model().unwrap().services.keys().next().unwrap().clone();
    let view = bench.engine.view(&principal(role), &service).unwrap();
    let (path, query) = url.split_once('?').unwrap();
    let query = bind::read(&parse::request(path, Some(&query.replace(' ', "%20")))?, &view)?.query;
    let answer = bench.read(role, collection(query), Paging::default()).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    let Answer::Entities(mut answer) = answer else { panic!("not entities") };
    let mut keys = Vec::new();
    while let Some(batch) = answer.rows.next().await {
        keys.extend(batch.unwrap().rows.column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap().values());
    }
    keys.sort_unstable();
    Ok(keys)
}

#[tokio::test]
async fn related_rows_are_seen_as_far_as_the_caller_sees_them() {
    let bench = bench(Options::default()).await;
    let none: Vec<i64> = Vec::new();
    // `emea` sees customers 1 and 3, their tax numbers masked; orders 101 to 110 belong to customers 1 to 4 in turn.
    for (url, all, emea) in [
        ("Orders?$filter=Customer/Region eq 'APAC'", vec![102, 106, 110], none.clone()),
        ("Orders?$filter=Customer/Name eq null", none.clone(), vec![102, 104, 106, 108, 110]),
        ("Orders?$filter=Customer eq null", none.clone(), vec![102, 104, 106, 108, 110]),
        ("Orders?$filter=Customer/TaxId eq 'TAX-001'", vec![101, 105, 109], none.clone()),
        ("Orders?$filter=Customer/TaxId eq '***001'", none.clone(), vec![101, 105, 109]),
        ("Orders?$filter=Customer/Orders/any(o:o/Customer/TaxId eq 'TAX-002')", vec![102, 106, 110], none.clone()),
        (
            "Orders?$filter=Customer/Orders/$count gt 2 or Customer/Region eq 'AMER'",
            vec![101, 102, 105, 106, 109, 110],
            vec![101, 105, 109],
        ),
        ("Customers?$filter=Orders/any(o:o/Customer/Name eq 'Beta')", vec![2], none.clone()),
        ("Customers?$filter=Orders/any(o:o/Amount gt 80) and not Orders/any(o:o/Customer/TaxId eq '***001')", vec![1, 2], none.clone()),
        ("Orders?$filter=$root/Customers(2)/Name eq 'Beta'", (101..=110).collect(), none.clone()),
        ("Orders?$filter=$root/Customers/$count eq 2", none.clone(), (101..=110).collect()),
        ("Orders?$filter=$root/Customers/any(c:c/TaxId eq 'TAX-001' or c/Region eq 'APAC')", (101..=110).collect(), none.clone()),
    ] {
        assert_eq!(asked(&bench, "all", url).await.unwrap(), all, "all: {url}");
        assert_eq!(asked(&bench, "emea", url).await.unwrap(), emea, "emea: {url}");
    }
    for url in
        ["Orders?$filter=Customer/Credit gt 1", "Orders?$orderby=Customer/Credit", "Customers?$filter=Orders/any(o:o/Customer/Credit gt 1)"]
    {
        let error = asked(&bench, "emea", url).await.unwrap_err();
        assert!(error.message.contains("no property 'Credit'"), "{url}: {}", error.message);
    }
    for url in [
        "Orders?$filter=Customer/Name eq 'Beta'",
        "Orders?$filter=$root/Customers/$count gt 0",
        "Orders?$filter=$root/Customers(1)/Id eq 1",
    ] {
        asked(&bench, "orders", url).await.expect_err("what is not there cannot be reached");
    }
}

#[tokio::test]
async fn a_link_over_a_masked_or_hidden_column_is_not_offered() {
    let masked =
        ACCESS.replace(r#""orders": { "Orders": {} }"#, r#""orders": { "Orders": { "mask": { "CustomerId": "0" } }, "Customers": {} }"#);
    let hidden = ACCESS.replace(r#""orders": { "Orders": {} }"#, r#""orders": { "Orders": { "hide": ["CustomerId"] }, "Customers": {} }"#);
    for access in [masked, hidden] {
        let bench = bench(Options { access, ..Options::default() }).await;
        for url in ["Orders?$filter=Customer/Name eq 'Beta'", "Customers?$filter=Orders/any()", "Customers?$orderby=Orders/$count"] {
            let error = asked(&bench, "orders", url).await.unwrap_err();
            assert!(error.message.contains("no property"), "{url}: {}", error.message);
        }
    }
}

#[tokio::test]
async fn a_condition_that_can_fail_is_not_tried_on_related_rows_that_are_not_seen() {
    let access = ACCESS.replace(
        r#""orders": { "Orders": {} }"#,
        r#""orders": { "Orders": { "rows": "OrderId <> 104" }, "Customers": { "rows": "Credit > 0" } }"#,
    );
    let bench = bench(Options { access, tables: TABLES.to_owned(), ..Options::default() }).await;
    // Customer 4 has no credit: dividing by it fails, which would tell that there is such a customer.
    assert_eq!(
        asked(&bench, "orders", "Orders?$filter=Customer/Orders/any(o:100 div o/Customer/Credit gt 0.15)").await.unwrap(),
        vec![102, 106, 110]
    );
    assert_eq!(asked(&bench, "orders", "Customers?$filter=Orders/any(o:1 div (o/OrderId sub 104) lt 2)").await.unwrap(), vec![1, 2]);
    assert_eq!(asked(&bench, "orders", "Orders?$filter=$root/Customers/any(c:1 div c/Credit lt 0)").await.unwrap(), Vec::<i64>::new());
}
