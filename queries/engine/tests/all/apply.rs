//! `$apply` against the same result computed by hand-written SQL on PostgreSQL, over every kind of source; and what clients send word by
//! word.

use crate::apply_world::{KINDS, World};
use portico_engine::Paging;
use serde_json::{Value as Json, json};

/// A request, what PostgreSQL is asked, and whether the order of the rows counts. SQL that begins with `json:` makes each row one JSON
/// value itself.
pub type Case = (&'static str, &'static str, Order);

/// Whether the order of the rows counts.
#[derive(Clone, Copy, PartialEq)]
pub enum Order {
    Counts,
    Any,
}
use Order::{Any, Counts};

const SUMS: &[Case] = &[
    (
        "Sales?$apply=aggregate(Amount with sum as Total,Amount with min as Least,Amount with max as Most,Amount with average as AvgAmount,\
         Amount with countdistinct as Different,$count as N,Quantity with sum as Q,Id with sum as Ids,Region with max as Last)",
        r#"SELECT sum("Amount")::text "Total", min("Amount")::text "Least", max("Amount")::text "Most", avg("Amount")::text "AvgAmount",
           count(DISTINCT "Amount")::text "Different", count(*)::text "N", sum("Quantity")::text "Q", sum("Id")::text "Ids",
           max("Region" COLLATE "C") "Last" FROM sales"#,
        Any,
    ),
    (
        "Sales?$apply=filter(Id lt 0)/aggregate(Amount with sum as Total,Amount with average as Mean,Amount with countdistinct as D,$count as N)",
        r#"SELECT null "Total", null "Mean", '0' "D", '0' "N""#,
        Any,
    ),
    (
        "Sales?$apply=aggregate(Weight with sum as W,Weight with average as AvgW,Weight with min as A,Weight with max as B,\
         Quantity with average as AvgQ,Day with min as First)",
        r#"SELECT sum("Weight") "W", avg("Weight") "AvgW", min("Weight") "A", max("Weight") "B", avg("Quantity")::float8 "AvgQ", min("Day") "First"
           FROM sales"#,
        Any,
    ),
    (
        "Sales?$apply=aggregate(Amount mul Quantity with sum as V,Amount add 1 with max as M)",
        r#"SELECT sum("Amount" * "Quantity")::text "V", max("Amount" + 1)::text "M" FROM sales"#,
        Any,
    ),
    ("Sales?$apply=compute(Amount mul 2 as Twice)/aggregate(Twice with sum as T)", r#"SELECT sum("Amount" * 2)::text "T" FROM sales"#, Any),
];

const PATHS: &[Case] = &[
    (
        "Sales?$apply=aggregate(Amount mul Product/Tax with sum as Tax)",
        r#"SELECT sum("Amount" * "Tax")::text "Tax" FROM sales s LEFT JOIN products p ON p."Id" = s."ProductId""#,
        Any,
    ),
    (
        "Sales?$apply=filter(Customer/Country eq 'USA')/groupby((Customer/Name,Region),aggregate(Amount add Customer/Credit with max as M,$count as N))",
        r#"SELECT json_build_object('Name', "Name") "Customer", "Region", max("Amount" + "Credit")::text "M", count(*)::text "N"
           FROM sales s JOIN customers c ON c."Id" = s."CustomerId" WHERE "Country" = 'USA' GROUP BY "Name", "Region""#,
        Any,
    ),
    (
        "Customers?$apply=filter(Sales/any(s:s/Amount gt 10))/aggregate($count as N,Sales/$count as S)",
        r#"WITH f AS (SELECT * FROM customers c WHERE EXISTS (SELECT 1 FROM sales s WHERE s."CustomerId" = c."Id" AND "Amount" > 10))
           SELECT count(*)::text "N", (SELECT count(*) FROM sales WHERE "CustomerId" IN (SELECT "Id" FROM f))::text "S" FROM f"#,
        Any,
    ),
    (
        "Sales?$apply=compute(Product/Tax mul 100 as Percent)/groupby((Percent,Product/Tax),aggregate($count as N))/orderby(Percent)",
        r#"SELECT json_build_object('Tax', "Tax"::text) "Product", ("Tax" * 100)::text "Percent", count(*)::text "N"
           FROM sales s JOIN products p ON p."Id" = s."ProductId" GROUP BY "Tax" ORDER BY "Tax""#,
        Counts,
    ),
    (
        "Sales?$apply=groupby((Region),orderby(Product/Tax desc,Id)/top(1)/aggregate(Id with max as Id0))",
        r#"SELECT "Region", "Id"::text "Id0" FROM (SELECT s.*, row_number() OVER (PARTITION BY "Region" ORDER BY "Tax" DESC NULLS LAST, s."Id") n
           FROM sales s JOIN products p ON p."Id" = s."ProductId") x WHERE n = 1"#,
        Any,
    ),
];

const GROUPS: &[Case] = &[
    (
        "Sales?$apply=groupby((Region),aggregate(Amount with sum as Total,$count as N))",
        r#"SELECT "Region", sum("Amount")::text "Total", count(*)::text "N" FROM sales GROUP BY "Region""#,
        Any,
    ),
    ("Sales?$apply=groupby((Region,Day))", r#"SELECT DISTINCT "Region", "Day" FROM sales"#, Any),
    (
        "Sales?$apply=groupby((Region), aggregate($count as groupCount))",
        r#"SELECT "Region", count(*)::text "groupCount" FROM sales GROUP BY 1"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Customer/Country),aggregate(Amount with sum as Total))",
        r#"SELECT CASE WHEN "Country" IS NOT NULL THEN json_build_object('Country', "Country") END "Customer", sum("Amount")::text "Total"
           FROM sales s LEFT JOIN customers c ON c."Id" = s."CustomerId" GROUP BY "Country""#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Customer/Name,Product/Category,Region),aggregate(Quantity with sum as Q,$count as N))",
        r#"SELECT CASE WHEN c."Name" IS NOT NULL THEN json_build_object('Name', c."Name") END "Customer",
           CASE WHEN "Category" IS NOT NULL THEN json_build_object('Category', "Category") END "Product",
           "Region", sum("Quantity")::text "Q", count(*)::text "N"
           FROM sales s LEFT JOIN customers c ON c."Id" = s."CustomerId" LEFT JOIN products p ON p."Id" = s."ProductId"
           GROUP BY c."Name", "Category", "Region""#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Customer),aggregate(Amount with sum as Total))",
        r#"SELECT CASE WHEN c."Id" IS NOT NULL THEN json_build_object('Id', c."Id"::text, 'Name', "Name", 'Country', "Country", 'Credit', "Credit"::text) END
           "Customer", sum("Amount")::text "Total" FROM sales s LEFT JOIN customers c ON c."Id" = s."CustomerId"
           GROUP BY c."Id", "Name", "Country", "Credit""#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region),filter(Amount gt 10)/aggregate($count as N,Amount with sum as T))",
        r#"SELECT "Region", count(*) FILTER (WHERE "Amount" > 10)::text "N", (sum("Amount") FILTER (WHERE "Amount" > 10))::text "T"
           FROM sales GROUP BY 1"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region),groupby((Day),aggregate($count as N))/aggregate(N with max as Most))",
        r#"SELECT "Region", max(n)::text "Most" FROM (SELECT "Region", "Day", count(*) n FROM sales GROUP BY 1, 2) i GROUP BY 1"#,
        Any,
    ),
    (
        "Sales?$apply=filter(Amount gt 2.5)/groupby((Region,Day),aggregate($count as N))/filter(N gt 2)/orderby(N desc,Region,Day)/skip(1)/top(3)",
        r#"SELECT "Region", "Day", count(*)::text "N" FROM sales WHERE "Amount" > 2.5 GROUP BY 1, 2 HAVING count(*) > 2
           ORDER BY count(*) DESC, "Region" COLLATE "C" NULLS FIRST, "Day" OFFSET 1 LIMIT 3"#,
        Counts,
    ),
    (
        "Sales?$apply=groupby((Region),aggregate(Amount with sum as T))&$filter=T gt 5&$orderby=T desc&$top=2",
        r#"SELECT "Region", sum("Amount")::text "T" FROM sales GROUP BY 1 HAVING sum("Amount") > 5 ORDER BY sum("Amount") DESC LIMIT 2"#,
        Counts,
    ),
    (
        "Sales?$apply=groupby((Region,Day),aggregate(Amount with sum as T))&$compute=T mul 2 as U&$select=Region,U&$orderby=Region desc,Day",
        r#"SELECT "Region", (sum("Amount") * 2)::text "U" FROM sales GROUP BY "Region", "Day" ORDER BY "Region" COLLATE "C" DESC NULLS LAST, "Day""#,
        Counts,
    ),
    (
        "Customers(1)/Sales?$apply=groupby((Region),aggregate($count as N))",
        r#"SELECT "Region", count(*)::text "N" FROM sales WHERE "CustomerId" = 1 GROUP BY 1"#,
        Any,
    ),
];

const ALONG: &[Case] = &[
    (
        "Customers?$apply=aggregate(Sales/Amount with sum as T,Sales/$count as N,$count as C,Sales/Region with countdistinct as R)",
        r#"SELECT sum("Amount")::text "T", count(*)::text "N", (SELECT count(*) FROM customers)::text "C", count(DISTINCT "Region")::text "R"
           FROM sales WHERE "CustomerId" IN (SELECT "Id" FROM customers)"#,
        Any,
    ),
    (
        "Sales?$apply=aggregate(Customer/Credit with sum as Credit,Customer/$count as N,Customer with countdistinct as D,Customer/Country/$count as L)",
        r#"SELECT sum("Credit")::text "Credit", count(*)::text "N", count(*)::text "D", count("Country")::text "L"
           FROM customers WHERE "Id" IN (SELECT "CustomerId" FROM sales)"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Product/Category),aggregate(Customer/Credit with sum as Credit,$count as N,Amount with sum as T))",
        r#"WITH j AS (SELECT s.*, p."Category" FROM sales s JOIN products p ON p."Id" = s."ProductId"),
           d AS (SELECT "Category", sum("Credit") credit FROM (SELECT DISTINCT "Category", c."Id", c."Credit" FROM j
                 JOIN customers c ON c."Id" = j."CustomerId") x GROUP BY 1)
           SELECT CASE WHEN j."Category" IS NOT NULL THEN json_build_object('Category', j."Category") END "Product",
           (SELECT credit FROM d WHERE d."Category" IS NOT DISTINCT FROM j."Category")::text "Credit", count(*)::text "N", sum("Amount")::text "T"
           FROM j GROUP BY j."Category""#,
        Any,
    ),
    (
        "Customers?$apply=groupby((Country),aggregate(Sales/Amount with sum as T,$count as N,Sales/$count as S,Sales/Product/$count as P))",
        r#"SELECT "Country", (SELECT sum("Amount") FROM sales s JOIN customers i ON i."Id" = s."CustomerId" WHERE i."Country" IS NOT DISTINCT FROM c."Country")::text "T",
           count(*)::text "N", (SELECT count(*) FROM sales s JOIN customers i ON i."Id" = s."CustomerId" WHERE i."Country" IS NOT DISTINCT FROM c."Country")::text "S",
           (SELECT count(DISTINCT "ProductId") FROM sales s JOIN customers i ON i."Id" = s."CustomerId" WHERE i."Country" IS NOT DISTINCT FROM c."Country")::text "P"
           FROM customers c GROUP BY "Country""#,
        Any,
    ),
    (
        "Sales?$apply=aggregate(Amount with sum from Day with average as AvgDay,Amount with max as M)",
        r#"SELECT (SELECT avg(t) FROM (SELECT sum("Amount") t FROM sales GROUP BY "Day") d)::text "AvgDay", max("Amount")::text "M" FROM sales"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region),aggregate(Amount with sum from Day,Product/Category with max as Best))",
        r#"SELECT "Region", max(t)::text "Best" FROM (SELECT "Region", "Day", "Category", sum("Amount") t
           FROM sales s LEFT JOIN products p ON p."Id" = s."ProductId" GROUP BY 1, 2, 3) d GROUP BY 1"#,
        Any,
    ),
    (
        "Sales?$apply=aggregate(Amount with sum from Day with max from Region with min as X,$count as N)",
        r#"SELECT (SELECT min(m) FROM (SELECT "Region", max(t) m FROM (SELECT "Region", "Day", sum("Amount") t FROM sales GROUP BY 1, 2) d GROUP BY 1) r)::text "X",
           count(*)::text "N" FROM sales"#,
        Any,
    ),
];

const SALE: &str =
    r#""Id"::text "Id", "CustomerId"::text "CustomerId", "ProductId", "Amount"::text "Amount", "Quantity", "Weight", "Region", "Day""#;

const ENDS: &[Case] = &[
    ("Sales?$apply=skip(3)/top(4)", r#"SELECT SALE FROM sales ORDER BY sales."Id" OFFSET 3 LIMIT 4"#, Counts),
    (
        "Sales?$apply=orderby(Amount desc)/top(5)/orderby(Region)",
        r#"SELECT SALE FROM (SELECT * FROM sales ORDER BY "Amount" DESC NULLS LAST, "Id" LIMIT 5) s
           ORDER BY "Region" COLLATE "C" NULLS FIRST, s."Amount" DESC NULLS LAST, s."Id""#,
        Counts,
    ),
    ("Sales?$apply=topcount(5,Amount)", r#"SELECT SALE FROM sales ORDER BY sales."Amount" DESC NULLS LAST, sales."Id" LIMIT 5"#, Counts),
    ("Sales?$apply=bottomcount(5,Amount)", r#"SELECT SALE FROM sales ORDER BY sales."Amount" NULLS FIRST, sales."Id" LIMIT 5"#, Counts),
    (
        "Sales?$apply=groupby((Region),topcount(2,Amount))",
        r#"SELECT SALE FROM (SELECT *, row_number() OVER (PARTITION BY "Region" ORDER BY "Amount" DESC NULLS LAST, "Id") n FROM sales) s WHERE n <= 2"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region),orderby(Day desc)/skip(1)/top(2))",
        r#"SELECT SALE FROM (SELECT *, row_number() OVER (PARTITION BY "Region" ORDER BY "Day" DESC, "Id") n FROM sales) s WHERE n IN (2, 3)"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region),topcount(2,Amount)/aggregate(Amount with sum as T))",
        r#"SELECT "Region", sum("Amount")::text "T" FROM
           (SELECT *, row_number() OVER (PARTITION BY "Region" ORDER BY "Amount" DESC NULLS LAST, "Id") n FROM sales) s WHERE n <= 2 GROUP BY 1"#,
        Any,
    ),
    (
        "Sales?$apply=concat(topcount(2,Amount),bottomcount(1,Amount))",
        r#"SELECT SALE FROM ((SELECT *, 0 b, row_number() OVER (ORDER BY "Amount" DESC NULLS LAST, "Id") n FROM sales ORDER BY n LIMIT 2) UNION ALL
           (SELECT *, 1, 1 FROM sales ORDER BY "Amount" NULLS FIRST, "Id" LIMIT 1)) s ORDER BY b, n"#,
        Counts,
    ),
];

/// Rankings by what adds up: the measure, which end, and when the loop is left, given what was taken before a row.
const LOOPS: &[(&str, &str, bool, &str)] = &[
    ("topsum(20,Amount)", "Amount", true, "before >= 20"),
    ("bottomsum(7,Amount)", "Amount", false, "before >= 7"),
    ("topsum(0,Amount)", "Amount", true, "before >= 0"),
    ("topsum(1000000,Amount)", "Amount", true, "before >= 1000000"),
    ("bottomsum(3,Weight)", "Weight", false, "before >= 3"),
    ("topsum(2.5,Weight)", "Weight", true, "before >= 2.5"),
    ("toppercent(50,Quantity)", "Quantity", true, "before * 100 >= 50 * (SELECT sum(\"Quantity\") FROM sales)"),
    ("bottompercent(12.5,Quantity)", "Quantity", false, "before * 100 >= 12.5 * (SELECT sum(\"Quantity\") FROM sales)"),
    ("toppercent(100,Amount)", "Amount", true, "before * 100 >= 100 * (SELECT sum(\"Amount\") FROM sales)"),
];

const SHAPES: &[Case] = &[
    (
        "Sales?$apply=concat(aggregate(Amount with sum as Total),groupby((Region),aggregate(Amount with sum as Total)))",
        r#"json:SELECT json_build_object('Total', sum("Amount")::text) FROM sales UNION ALL
           (SELECT json_build_object('Region', "Region", 'Total', sum("Amount")::text) FROM sales GROUP BY "Region")"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((rollup(Region,Day),ProductId),aggregate(Amount with sum as T))",
        r#"json:SELECT json_build_object('Region', "Region", 'Day', "Day", 'ProductId', "ProductId", 'T', sum("Amount")::text) FROM sales
           GROUP BY "Region", "Day", "ProductId" UNION ALL
           (SELECT json_build_object('Region', "Region", 'ProductId', "ProductId", 'T', sum("Amount")::text) FROM sales GROUP BY "Region", "ProductId")"#,
        Any,
    ),
    (
        "Sales?$apply=filter(Amount gt 0)/groupby((Region,Day),aggregate(Amount with sum as Z,Quantity with max as Q))/filter(Z gt 1)/orderby(Z desc)\
         /concat(aggregate($count as UI5__count),skip(0)/top(4))",
        r#"json:SELECT j FROM (
             WITH g AS (SELECT "Region", "Day", sum("Amount") z, max("Quantity") q FROM sales WHERE "Amount" > 0 GROUP BY 1, 2 HAVING sum("Amount") > 1)
             SELECT 0 b, 0 n, json_build_object('UI5__count', count(*)::text) j FROM g UNION ALL
             SELECT 1, n, json_build_object('Region', "Region", 'Day', "Day", 'Z', z::text, 'Q', q) FROM
               (SELECT *, row_number() OVER (ORDER BY z DESC, "Region" COLLATE "C" NULLS FIRST, "Day") n FROM g) o WHERE n <= 4) x ORDER BY b, n"#,
        Counts,
    ),
    (
        "Sales?$apply=groupby((Region,Day))/aggregate($count as UI5__leaves)",
        r#"SELECT count(*)::text "UI5__leaves" FROM (SELECT DISTINCT "Region", "Day" FROM sales) d"#,
        Any,
    ),
    (
        "Sales?$apply=concat(groupby((Region,Day))/aggregate($count as UI5__leaves),groupby((Region),aggregate(Amount with sum as Z))\
         /orderby(Region)/concat(aggregate($count as UI5__count),top(2)))",
        r#"json:SELECT j FROM (
             WITH g AS (SELECT "Region", sum("Amount") z FROM sales GROUP BY 1)
             SELECT 0 b, 0 n, json_build_object('UI5__leaves', (SELECT count(*) FROM (SELECT DISTINCT "Region", "Day" FROM sales) d)::text) j UNION ALL
             SELECT 1, 0, json_build_object('UI5__count', count(*)::text) FROM g UNION ALL
             SELECT 2, n, json_build_object('Region', "Region", 'Z', z::text) FROM
               (SELECT *, row_number() OVER (ORDER BY "Region" COLLATE "C" NULLS FIRST) n FROM g) o WHERE n <= 2) x ORDER BY b, n"#,
        Counts,
    ),
    ("Sales?$apply=concat(groupby((Region)),aggregate($count as N))&$filter=N ne null", r#"SELECT count(*)::text "N" FROM sales"#, Any),
];

const JOINS: &[Case] = &[
    (
        "Products?$apply=join(Sales as Sale)&$expand=Sale&$select=Id,Sale",
        r#"SELECT p."Id", json_build_object('Id', s."Id"::text, 'CustomerId', s."CustomerId"::text, 'ProductId', s."ProductId", 'Amount', s."Amount"::text,
           'Quantity', s."Quantity", 'Weight', s."Weight", 'Region', s."Region", 'Day', s."Day") "Sale"
           FROM products p JOIN sales s ON s."ProductId" = p."Id""#,
        Any,
    ),
    (
        "Products?$apply=outerjoin(Sales as Sale)/groupby((Name),aggregate(Sale/Amount with sum as T,Sale/$count as N))",
        r#"SELECT p."Name", sum("Amount")::text "T", count(s."Id")::text "N" FROM products p LEFT JOIN sales s ON s."ProductId" = p."Id" GROUP BY 1"#,
        Any,
    ),
    (
        "Products?$apply=join(Sales as Sale,orderby(Amount desc)/top(1))/groupby((Name,Sale/Region,Sale/Amount))",
        r#"SELECT p."Name", CASE WHEN coalesce("Region", "Amount"::text) IS NOT NULL THEN json_build_object('Region', "Region", 'Amount', "Amount"::text) END "Sale"
           FROM products p JOIN (SELECT *, row_number() OVER (PARTITION BY "ProductId" ORDER BY "Amount" DESC NULLS LAST, "Id") n FROM sales) s
           ON s."ProductId" = p."Id" AND n = 1"#,
        Any,
    ),
    (
        "Products?$apply=outerjoin(Sales as S,groupby((Region),aggregate(Amount with sum as T)))/filter(S/T gt 10)/groupby((Name),aggregate($count as N))",
        r#"SELECT "Name", count(*)::text "N" FROM (SELECT p."Name", s."Region", sum("Amount") t FROM products p JOIN sales s ON s."ProductId" = p."Id" GROUP BY p."Id", 1, 2) x
           WHERE t > 10 GROUP BY 1"#,
        Any,
    ),
];

/// Floats, and averages in whatever type, may differ in their last digits.
fn same(name: &str, ours: &Json, theirs: &Json) -> bool {
    let number = |value: &Json| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    match (ours, theirs) {
        (Json::Object(ours), Json::Object(theirs)) => {
            ours.len() == theirs.len() && ours.iter().all(|(name, value)| theirs.get(name).is_some_and(|other| same(name, value, other)))
        }
        (Json::Array(ours), Json::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(name, ours, theirs))
        }
        (Json::Number(_), Json::Number(_)) => number(ours).zip(number(theirs)).is_some_and(|(a, b)| (a - b).abs() < 1e-9),
        (Json::String(_), Json::String(_)) if name.starts_with("Avg") => {
            number(ours).zip(number(theirs)).is_some_and(|(a, b)| (a - b).abs() < 1e-5)
        }
        _ => ours == theirs,
    }
}

pub fn compare(what: &str, order: Order, ours: &[Json], theirs: &[Json]) {
    let shown = |rows: &[Json]| rows.iter().take(12).map(|row| format!("  {row}\n")).collect::<String>();
    let all = || format!("{what}\nours\n{}theirs\n{}", shown(ours), shown(theirs));
    assert_eq!(ours.len(), theirs.len(), "{}", all());
    let mut left: Vec<&Json> = theirs.iter().collect();
    for row in ours {
        let found = if order == Counts { Some(0) } else { left.iter().position(|other| same("", row, other)) };
        let found = found.filter(|at| same("", row, left[*at]));
        match found {
            Some(at) => left.remove(at),
            None => panic!("{row} is not there\n{}", all()),
        };
    }
}

pub async fn check(cases: &[Case]) {
    for seed in 0..2 {
        let world = World::new(seed, 120).await;
        for (request, sql, order) in cases {
            let theirs = world.sql(&sql.replace("SALE FROM", &format!("{SALE} FROM"))).await;
            for kind in KINDS {
                let ours = world.get(kind, request).await.unwrap_or_else(|error| panic!("seed {seed}: {kind}{request}: {error}"));
                compare(&format!("seed {seed}: {kind}{request}"), *order, &ours.rows, &theirs);
            }
        }
    }
}

#[tokio::test]
async fn sums_and_their_like() {
    check(SUMS).await;
}

#[tokio::test]
async fn paths_in_expressions() {
    check(PATHS).await;
}

#[tokio::test]
async fn groups() {
    check(GROUPS).await;
}

#[tokio::test]
async fn along_relationships_each_entity_counts_once() {
    check(ALONG).await;
}

#[tokio::test]
async fn the_ends_of_rankings() {
    check(ENDS).await;
}

#[tokio::test]
async fn rankings_by_what_adds_up() {
    for seed in 0..4 {
        let world = World::new(seed, 60).await;
        for (transformation, column, top, left) in LOOPS {
            let direction = if *top { "DESC NULLS LAST" } else { "NULLS FIRST" };
            let sql = format!(
                r#"WITH r AS (SELECT *, row_number() OVER (ORDER BY "{column}" {direction}, "Id") n FROM sales),
                   p AS (SELECT *, (SELECT coalesce(sum(b."{column}"), 0) FROM r b WHERE b.n < r.n) before FROM r)
                   SELECT {SALE} FROM p WHERE NOT EXISTS (SELECT 1 FROM p e WHERE e.n <= p.n AND e.{left}) ORDER BY n"#
            );
            let theirs = world.sql(&sql).await;
            for kind in KINDS {
                let request = format!("Sales?$apply={transformation}");
                let ours = world.get(kind, &request).await.unwrap_or_else(|error| panic!("seed {seed}: {kind}{request}: {error}"));
                compare(&format!("seed {seed}: {kind}{request}"), Counts, &ours.rows, &theirs);
            }
        }
    }
}

#[tokio::test]
async fn rows_of_different_shapes() {
    check(SHAPES).await;
}

#[tokio::test]
async fn joins() {
    check(JOINS).await;
}

#[tokio::test]
async fn two_rollups_are_all_their_combinations() {
    let world = World::new(3, 120).await;
    let request = "Sales?$apply=groupby((rollup(Customer/Country,Customer/Name),rollup(Product/Category,Product/Name)),aggregate(Amount with sum as Total))";
    let mut parts = Vec::new();
    for customer in [&["Country", "Name"][..], &["Country"]] {
        for product in [&["Category", "Name"][..], &["Category"]] {
            let nested = |alias: &str, names: &[&str]| {
                let members: Vec<String> = names.iter().map(|name| format!("'{name}', {alias}.\"{name}\"")).collect();
                let any: Vec<String> = names.iter().map(|name| format!("{alias}.\"{name}\"")).collect();
                format!("CASE WHEN coalesce({}) IS NOT NULL THEN json_build_object({}) END", any.join(","), members.join(","))
            };
            let keys: Vec<String> =
                customer.iter().map(|name| format!("c.\"{name}\"")).chain(product.iter().map(|name| format!("p.\"{name}\""))).collect();
            parts.push(format!(
                r#"(SELECT json_build_object('Customer', {}, 'Product', {}, 'Total', sum("Amount")::text) FROM sales s
                   LEFT JOIN customers c ON c."Id" = s."CustomerId" LEFT JOIN products p ON p."Id" = s."ProductId" GROUP BY {})"#,
                nested("c", customer),
                nested("p", product),
                keys.join(",")
            ));
        }
    }
    let theirs = world.sql(&format!("json:{}", parts.join(" UNION ALL "))).await;
    for kind in KINDS {
        let ours = world.get(kind, request).await.unwrap();
        compare(&format!("{kind}{request}"), Any, &ours.rows, &theirs);
    }
}

#[tokio::test]
async fn payloads_say_what_they_are() {
    let world = World::new(1, 40).await;
    let of = async |request: &str| world.get("Memory", request).await.unwrap_or_else(|error| panic!("{request}: {error}"));
    let contexts = [
        ("Sales?$apply=groupby((Customer/Country,Region),aggregate(Amount with sum as Total))", "(Customer(Country),Region,Total)"),
        ("Sales?$apply=aggregate($count as N)", "(N)"),
        ("Sales?$apply=filter(Amount gt 1)/topcount(3,Amount)", ""),
        ("Sales?$apply=compute(Amount mul 2 as Twice)", "(*,Twice)"),
        ("Sales?$apply=concat(aggregate($count as N),groupby((Region),aggregate($count as N)))", "(N)"),
        ("Sales?$apply=concat(aggregate($count as N),groupby((Region)))", "(@Core.AnyStructure)"),
        ("Sales?$apply=groupby((rollup(Region,Day)),aggregate($count as N))", "(Region,N)"),
        ("Sales?$apply=groupby((Region),aggregate($count as N))&$select=N", "(N)"),
    ];
    for (request, list) in contexts {
        assert_eq!(of(request).await.context, format!("/$metadata#MemorySales{list}"), "{request}");
    }
    let all = of("Sales?$apply=aggregate($count as N,Quantity with sum as Q,Amount with sum as T,Weight with sum as W)").await;
    let types: Vec<_> = ["N", "Q", "T", "W"].iter().map(|name| all.raw[0].get(format!("{name}@odata.type")).cloned()).collect();
    assert_eq!(types, [Some(json!("#Decimal")), Some(json!("#Int64")), Some(json!("#Decimal")), None], "{:?}", all.raw);
    let counted = of("Sales/$count?$apply=groupby((Region))").await.count;
    assert_eq!(counted, Some(of("Sales?$apply=groupby((Region))").await.rows.len() as u64));
    let both = of("Sales?$apply=groupby((Region,Day))&$count=true&$top=1").await;
    assert_eq!((both.count, both.rows.len()), (Some(of("Sales?$apply=groupby((Region,Day))").await.rows.len() as u64), 1));
}

#[tokio::test]
async fn pages_of_groups_are_the_whole() {
    let world = World::new(2, 150).await;
    let requests = [
        "Sales?$apply=groupby((Region,Day),aggregate(Amount with sum as T))/orderby(T desc)",
        "Sales?$apply=groupby((Region,Customer/Country),aggregate(Weight with average as AvgW))&$orderby=AvgW,Region desc",
        "Sales?$apply=groupby((Region,Day))",
        "Sales?$apply=filter(Quantity gt 1)/orderby(Region)",
        "Sales?$apply=groupby((rollup(Region,Day)),aggregate($count as N))",
        "Sales?$apply=aggregate($count as N)",
    ];
    for kind in KINDS {
        for request in requests {
            let mut whole = world.get(kind, request).await.unwrap().rows;
            let (mut pages, mut position) = (Vec::new(), None);
            loop {
                let page = world.page(kind, request, Paging { size: 3, position: position.clone() }).await;
                let page = page.unwrap_or_else(|error| panic!("{kind}{request}: {error}"));
                assert!(page.rows.len() <= 3, "{kind}{request}");
                pages.extend(page.rows);
                position = page.next;
                if position.is_none() {
                    break;
                }
            }
            let key = |row: &Json| row.to_string();
            if !request.contains("orderby") {
                whole.sort_by_key(key);
                pages.sort_by_key(key);
            }
            let missing: Vec<&Json> = whole.iter().filter(|row| !pages.contains(row)).collect();
            let more: Vec<&Json> = pages.iter().filter(|row| !whole.contains(row)).collect();
            assert!(pages == whole, "{kind}{request}: {} of {} rows, without {missing:?}, with {more:?}", pages.len(), whole.len());
        }
    }
}
