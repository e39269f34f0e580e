//! `$apply` inside `$expand` against the same result computed by hand-written SQL on PostgreSQL, over every kind of source and from one
//! source to another.

use crate::apply_world::{KINDS, World};
use serde_json::{Value as Json, json};

/// What stands in the parentheses after `Sales`, and the array that it is for the customer `c` in SQL.
const CASES: &[(&str, &str)] = &[
    (
        "$apply=aggregate(Amount with sum as Total,$count as N)",
        r#"SELECT json_build_array(json_build_object('Total', sum("Amount")::text, 'N', count(*)::text)) FROM sales s WHERE s."CustomerId" = c."Id""#,
    ),
    (
        "$apply=filter(Amount gt 10)/aggregate(Amount with max as Most,$count as N)",
        r#"SELECT json_build_array(json_build_object('Most', max("Amount")::text, 'N', count(*)::text)) FROM sales s
           WHERE s."CustomerId" = c."Id" AND "Amount" > 10"#,
    ),
    (
        "$apply=aggregate(Amount with sum as T)/filter(T gt 20)",
        r#"SELECT CASE WHEN sum("Amount") > 20 THEN json_build_array(json_build_object('T', sum("Amount")::text)) ELSE '[]' END
           FROM sales s WHERE s."CustomerId" = c."Id""#,
    ),
    (
        "$apply=groupby((Region),aggregate(Amount with sum as T));$orderby=T desc,Region;$top=2;$count=true",
        r#"SELECT coalesce(json_agg(json_build_object('Region', "Region", 'T', t::text) ORDER BY n), '[]') FROM
           (SELECT "Region", sum("Amount") t, row_number() OVER (ORDER BY sum("Amount") DESC NULLS LAST, "Region" COLLATE "C" NULLS FIRST) n
            FROM sales s WHERE s."CustomerId" = c."Id" GROUP BY 1) g WHERE n <= 2"#,
    ),
    (
        "$apply=groupby((Region),aggregate($count as N));$filter=N gt 1;$orderby=Region;$skip=1;$select=N",
        r#"SELECT coalesce(json_agg(json_build_object('N', k::text) ORDER BY n), '[]') FROM
           (SELECT count(*) k, row_number() OVER (ORDER BY "Region" COLLATE "C" NULLS FIRST) n
            FROM sales s WHERE s."CustomerId" = c."Id" GROUP BY "Region" HAVING count(*) > 1) g WHERE n > 1"#,
    ),
    (
        "$apply=groupby((Product/Category),aggregate($count as N))/orderby(Product/Category)",
        r#"SELECT coalesce(json_agg(json_build_object('Product', CASE WHEN p IS NOT NULL THEN json_build_object('Category', p) END, 'N', k::text)
           ORDER BY p COLLATE "C" NULLS FIRST), '[]') FROM
           (SELECT p."Category" p, count(*) k FROM sales s JOIN products p ON p."Id" = s."ProductId" WHERE s."CustomerId" = c."Id" GROUP BY 1) g"#,
    ),
    (
        "$apply=aggregate(Product/$count as P,Amount with sum as T,Amount with sum from Day with max as Best)",
        r#"SELECT json_build_array(json_build_object('P', count(DISTINCT "ProductId")::text, 'T', sum("Amount")::text, 'Best',
           (SELECT max(d)::text FROM (SELECT sum("Amount") d FROM sales i WHERE i."CustomerId" = c."Id" GROUP BY "Day") x)))
           FROM sales s WHERE s."CustomerId" = c."Id""#,
    ),
    (
        "$apply=topcount(2,Amount);$select=Id,Amount",
        r#"SELECT coalesce(json_agg(json_build_object('Id', "Id"::text, 'Amount', "Amount"::text) ORDER BY n), '[]') FROM
           (SELECT s.*, row_number() OVER (ORDER BY "Amount" DESC NULLS LAST, s."Id") n FROM sales s WHERE s."CustomerId" = c."Id") g WHERE n <= 2"#,
    ),
    (
        "$apply=orderby(Day desc)/skip(1)/top(1)/compute(Amount mul 2 as Twice);$select=Id,Twice",
        r#"SELECT coalesce(json_agg(json_build_object('Id', "Id"::text, 'Twice', ("Amount" * 2)::text)), '[]') FROM
           (SELECT s.*, row_number() OVER (ORDER BY "Day" DESC, s."Id") n FROM sales s WHERE s."CustomerId" = c."Id") g WHERE n = 2"#,
    ),
    (
        "$apply=concat(aggregate($count as N),groupby((Region),aggregate($count as N))/orderby(Region))",
        r#"SELECT json_agg(j ORDER BY b, n) FROM (
             SELECT 0 b, 0 n, json_build_object('N', count(*)::text) j FROM sales s WHERE s."CustomerId" = c."Id" UNION ALL
             SELECT 1, row_number() OVER (ORDER BY "Region" COLLATE "C" NULLS FIRST), json_build_object('Region', "Region", 'N', count(*)::text)
             FROM sales s WHERE s."CustomerId" = c."Id" GROUP BY "Region") u"#,
    ),
    (
        "$apply=filter(Quantity ge 1);$expand=Product($select=Tax);$select=Id;$orderby=Id;$top=1",
        r#"SELECT coalesce(json_agg(json_build_object('Id', "Id"::text, 'Product', json_build_object('Id', pid, 'Tax', tax::text))), '[]') FROM
           (SELECT s."Id", p."Id" pid, p."Tax" tax FROM sales s JOIN products p ON p."Id" = s."ProductId"
            WHERE s."CustomerId" = c."Id" AND "Quantity" >= 1 ORDER BY s."Id" LIMIT 1) g"#,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_parent_has_what_sql_computes_of_its_own_rows() {
    let world = World::new(fastrand::u64(..), 60).await;
    let mut wrong = Vec::new();
    for (options, sql) in CASES {
        let expected = |name: &str| {
            format!(r#"json:SELECT json_build_object('Id', c."Id"::text, '{name}', ({sql})) FROM customers c ORDER BY c."Id""#)
        };
        for name in ["Sales", "Abroad"] {
            let theirs = world.sql(&expected(name)).await;
            for kind in KINDS {
                match world.get(kind, &format!("Customers?$select=Id&$orderby=Id&$expand={name}({options})")).await {
                    Ok(payload) if payload.rows == theirs => {}
                    Ok(payload) => {
                        wrong.push(format!("{kind} {name}({options})\n  wanted {}\n  came   {}", json!(theirs), json!(payload.rows)))
                    }
                    Err(error) => wrong.push(format!("{kind} {name}({options}): {error}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_that_nothing_can_belong_to_has_what_is_computed_of_nothing() {
    let world = World::new(fastrand::u64(..), 40).await;
    let theirs = r#"json:SELECT json_build_object('Id', s."Id"::text, 'Siblings', json_build_array(json_build_object('T',
        (SELECT sum("Amount")::text FROM sales o WHERE o."CustomerId" = s."CustomerId"), 'N',
        (SELECT count(*)::text FROM sales o WHERE o."CustomerId" = s."CustomerId")))) FROM sales s FILTER ORDER BY s."Id""#;
    for (filter, condition) in [("", ""), ("&$filter=CustomerId eq null", r#"WHERE s."CustomerId" IS NULL"#)] {
        let expected = world.sql(&theirs.replace("FILTER", condition)).await;
        for kind in KINDS {
            let url = format!("Sales?$select=Id&$orderby=Id&$expand=Siblings($apply=aggregate(Amount with sum as T,$count as N)){filter}");
            let found = world.get(kind, &url).await.unwrap_or_else(|error| panic!("{kind}: {url}: {error}"));
            assert_eq!(json!(found.rows), json!(expected), "{kind}: {url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_information_says_what_was_made() {
    let world = World::new(7, 30).await;
    let url = "Customers(1)?$select=Id&$expand=Sales($apply=groupby((Region,Product/Category),aggregate(Amount with sum as T));$count=true;$top=1)";
    let found = world.get("Memory", &url.replace("Customers(1)?", "Customers?$filter=Id eq 1&")).await.unwrap();
    assert_eq!(found.context, "/$metadata#MemoryCustomers(Id,Sales(Region,Product(Category),T))");
    let count = world.sql(
        r#"SELECT count(*) n FROM (SELECT DISTINCT "Region", "Category" FROM sales s JOIN products p ON p."Id" = s."ProductId" WHERE "CustomerId" = 1) g"#,
    );
    let count = count.await[0]["n"].to_string();
    assert_eq!(found.raw[0]["Sales@odata.count"], Json::String(count));
    assert_eq!(found.raw[0]["Sales"][0]["T@odata.type"], "#Decimal");
    for (url, wrong) in [
        ("Sales?$expand=Customer($apply=aggregate($count as N))", "does not apply inside 'Customer'"),
        ("Customers?$expand=Sales/$count($apply=aggregate($count as N))", "does not apply inside 'Sales/$count'"),
        ("Customers?$expand=Sales($apply=aggregate(Nothing with sum as N))", "there is no property 'Nothing'"),
        ("Customers?$expand=Sales($apply=aggregate($count as N);$orderby=Amount)", "no property 'Amount'"),
    ] {
        let Err(error) = world.get("Memory", url).await else { panic!("{url} was answered") };
        assert!(error.contains(wrong), "{url}: {error}");
    }
}
