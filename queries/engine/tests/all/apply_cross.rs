//! `$apply` to `$crossjoin` against hand-written SQL on PostgreSQL, over every kind of source. `~` stands for the kind, with which the names
//! of the sets begin.

use crate::apply::Order::{Any, Counts};
use crate::apply::{Case, compare};
use crate::apply_world::{KINDS, World};
use portico_engine::Paging;
use serde_json::json;

const CASES: &[Case] = &[
    // The specification's own example.
    (
        "$crossjoin(~Products,~Sales)?$apply=filter(~Products/Id eq ~Sales/ProductId)/groupby((~Products/Name),aggregate(~Sales/Amount with sum as Total))",
        r#"SELECT json_build_object('Name', "Name") "~Products", sum("Amount")::text "Total" FROM products p JOIN sales s ON s."ProductId" = p."Id" GROUP BY "Name""#,
        Any,
    ),
    ("$crossjoin(~Products,~Sales)?$apply=aggregate($count as N)", r#"SELECT count(*)::text "N" FROM products, sales"#, Any),
    // Each sale counts once, however many combinations it is in; a value of both counts in each.
    (
        "$crossjoin(~Customers,~Sales)?$apply=filter(~Customers/Id le 3)/aggregate(~Sales/Amount with sum as Once,~Sales/$count as N,\
         ~Sales/Amount mul ~Customers/Id with sum as Each,~Customers/Country with countdistinct as C)",
        r#"SELECT (SELECT sum("Amount")::text FROM sales) "Once", (SELECT count(*)::text FROM sales) "N", sum(s."Amount" * c."Id")::text "Each",
           count(DISTINCT c."Country")::text "C" FROM customers c CROSS JOIN sales s WHERE c."Id" <= 3"#,
        Any,
    ),
    (
        "$crossjoin(~Customers,~Sales)?$apply=filter(~Customers/Id eq ~Sales/CustomerId and ~Sales/Product/Category ne 'Food')\
         /groupby((~Customers/Country,~Sales/Region),aggregate($count as N))&$orderby=N desc,~Customers/Country,~Sales/Region&$top=5",
        r#"SELECT CASE WHEN c."Country" IS NOT NULL THEN json_build_object('Country', c."Country") END "~Customers",
           CASE WHEN s."Region" IS NOT NULL THEN json_build_object('Region', s."Region") END "~Sales", count(*)::text "N"
           FROM customers c JOIN sales s ON s."CustomerId" = c."Id" JOIN products p ON p."Id" = s."ProductId" WHERE p."Category" IS DISTINCT FROM 'Food'
           GROUP BY c."Country", s."Region"
           ORDER BY count(*) DESC, c."Country" COLLATE "C" NULLS FIRST, s."Region" COLLATE "C" NULLS FIRST LIMIT 5"#,
        Counts,
    ),
    (
        "$crossjoin(~Sales,~Products)?$apply=compute(~Sales/Amount mul ~Products/Tax as V)/filter(~Products/Sales/any(x:x/Id eq ~Sales/Id))\
         /groupby((~Sales/Customer/Name),topcount(2,V)/aggregate(V with sum as T))/filter(T gt 1)",
        r#"SELECT CASE WHEN n IS NOT NULL THEN json_build_object('Customer', json_build_object('Name', n)) END "~Sales", sum(v)::text "T" FROM
           (SELECT c."Name" n, s."Amount" * p."Tax" v, row_number() OVER (PARTITION BY c."Name" ORDER BY s."Amount" * p."Tax" DESC NULLS LAST, s."Id", p."Id") r
            FROM sales s JOIN products p ON p."Id" = s."ProductId" LEFT JOIN customers c ON c."Id" = s."CustomerId") x
           WHERE r <= 2 GROUP BY n HAVING sum(v) > 1"#,
        Any,
    ),
    (
        "$crossjoin(~Sales,~Products)?$apply=filter(~Sales/ProductId eq ~Products/Id)/concat(aggregate(~Sales/Amount with max as M),\
         groupby((rollup(~Products/Category,~Products/Name)),aggregate(~Sales/Amount with max as M)))/filter(M gt 3)",
        r#"json:SELECT json_build_object('M', max("Amount")::text) FROM sales s JOIN products p ON p."Id" = s."ProductId" HAVING max("Amount") > 3
           UNION ALL (SELECT json_build_object('~Products', json_build_object('Category', p."Category", 'Name', p."Name"), 'M', max("Amount")::text)
             FROM sales s JOIN products p ON p."Id" = s."ProductId" GROUP BY p."Category", p."Name" HAVING max("Amount") > 3)
           UNION ALL (SELECT json_build_object('~Products', CASE WHEN p."Category" IS NOT NULL THEN json_build_object('Category', p."Category") END, 'M', max("Amount")::text)
             FROM sales s JOIN products p ON p."Id" = s."ProductId" GROUP BY p."Category" HAVING max("Amount") > 3)"#,
        Any,
    ),
    // Custom aggregates, what is searched, one set alone, and nothing at all.
    (
        "$crossjoin(~Sales)?$apply=search(us)/groupby((~Sales/Region),aggregate(~Sales/Revenue as R,~Sales/Deals as D))",
        r#"SELECT json_build_object('Region', "Region") "~Sales", sum("Amount")::text "R", count(*)::text "D" FROM sales WHERE "Region" ILIKE '%us%' GROUP BY "Region""#,
        Any,
    ),
    (
        "$crossjoin(~Sales,~Products)?$apply=filter(~Sales/Id lt 0)/aggregate($count as N,~Sales/Amount with sum as T)",
        r#"SELECT '0' "N", null "T""#,
        Any,
    ),
    (
        "$crossjoin(~Sales,~Products)?$apply=filter(~Sales/Id lt 0)/groupby((~Sales/Region),aggregate($count as N))",
        "SELECT 1 WHERE false",
        Any,
    ),
    (
        "$crossjoin(~Customers,~Products)?$apply=groupby((~Customers/Country,~Products/Category))&$compute=1 add 1 as Two&$select=~Products,Two&$filter=~Customers/Country eq null",
        r#"SELECT CASE WHEN "Category" IS NOT NULL THEN json_build_object('Category', "Category") END "~Products", 2 "Two"
           FROM (SELECT DISTINCT "Category" FROM products) p WHERE EXISTS (SELECT 1 FROM customers WHERE "Country" IS NULL)"#,
        Any,
    ),
];

#[tokio::test]
async fn combinations_are_aggregated() {
    for seed in 0..2 {
        let world = World::new(seed, 60).await;
        for kind in KINDS {
            for (request, sql, order) in CASES {
                let (request, sql) = (request.replace('~', kind), sql.replace('~', kind));
                let theirs = world.sql(&sql).await;
                let ours = world.get(kind, &request).await.unwrap_or_else(|error| panic!("seed {seed}: {request}: {error}"));
                compare(&format!("seed {seed}: {request}"), *order, &ours.rows, &theirs);
                assert_eq!(ours.context, "/$metadata#Collection(Edm.ComplexType)");
            }
        }
    }
}

/// From several sources, counted and in pages.
#[tokio::test]
async fn groups_of_combinations_come_in_pages() {
    let world = World::new(4, 60).await;
    let request = "$crossjoin(SqliteCustomers,PostgresSales)?$apply=filter(SqliteCustomers/Id eq PostgresSales/CustomerId)\
                   /groupby((SqliteCustomers/Country,PostgresSales/Day),aggregate(PostgresSales/Amount with sum as T))&$orderby=T desc&$count=true";
    let theirs = world
        .sql(
            r#"SELECT CASE WHEN "Country" IS NOT NULL THEN json_build_object('Country', "Country") END "SqliteCustomers",
               json_build_object('Day', "Day") "PostgresSales", sum("Amount")::text "T"
               FROM customers c JOIN sales s ON s."CustomerId" = c."Id" GROUP BY "Country", "Day""#,
        )
        .await;
    let (mut rows, mut position) = (Vec::new(), None);
    loop {
        let page = world.page("", request, Paging { size: 4, position }).await.unwrap();
        assert_eq!(page.count, Some(theirs.len() as u64));
        assert!(page.rows.len() <= 4);
        rows.extend(page.rows);
        position = page.next;
        if position.is_none() {
            break;
        }
    }
    compare(request, Any, &rows, &theirs);
    let whole = world.get("", request).await.unwrap();
    assert_eq!(json!(rows), json!(whole.rows));
}

#[tokio::test]
async fn what_is_not_done_with_combinations_is_refused() {
    let world = World::new(1, 10).await;
    for (apply, wrong) in [
        ("identity", "does not group or aggregate"),
        ("concat(identity,aggregate($count as N))", "does not group or aggregate"),
        ("nest(identity as A)", "nest in $apply of $crossjoin"),
        ("join(MemorySales as S)", "join in $apply of $crossjoin"),
        ("aggregate($count as MemorySales)", "'MemorySales' is the name of a property"),
        ("groupby((Region))", "'Region'"),
        ("groupby((MemorySales/Regoin))", "'MemorySales/Regoin'"),
        ("filter(MemorySales/Regoin eq 'x')", "Regoin"),
        ("groupby((MemorySales/Region))/filter(MemoryProducts/Id eq 1)", "MemoryProducts"),
    ] {
        let url = format!("$crossjoin(MemorySales,MemoryProducts)?$apply={apply}");
        let Err(error) = world.get("", &url).await else { panic!("{url} was answered") };
        assert!(error.contains(wrong), "{url}: {error}");
    }
}
