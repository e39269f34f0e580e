//! `nest`: what groups hold, against hand-written SQL on PostgreSQL, over every kind of source.

use crate::apply::Order::{Any, Counts};
use crate::apply::{Case, check, compare};
use crate::apply_world::World;
use portico_engine::{EngineSettings, Paging};
use serde_json::json;

/// A sale as JSON.
macro_rules! sale {
    ($more:literal) => {
        concat!(
            r#"json_build_object('Id', s."Id"::text, 'CustomerId', s."CustomerId"::text, 'ProductId', s."ProductId", 'Amount', s."Amount"::text,
               'Quantity', s."Quantity", 'Weight', s."Weight", 'Region', s."Region", 'Day', s."Day""#,
            $more,
            ")"
        )
    };
}

/// The sales that a condition keeps, as an array of them or of parts of them.
macro_rules! sales {
    ($what:expr, $condition:literal) => {
        concat!("(SELECT coalesce(json_agg(", $what, r#" ORDER BY s."Id"), '[]') FROM sales s WHERE "#, $condition, ")")
    };
}

const WHOLE: &[Case] = &[
    (
        "Sales?$apply=nest(groupby((Region),aggregate(Amount with sum as T))/orderby(Region) as ByRegion,aggregate($count as N) as All)",
        r#"json:SELECT json_build_object('ByRegion', (SELECT json_agg(json_build_object('Region', r, 'T', t::text) ORDER BY r COLLATE "C" NULLS FIRST)
             FROM (SELECT "Region" r, sum("Amount") t FROM sales GROUP BY 1) g),
             'All', (SELECT json_build_array(json_build_object('N', count(*)::text)) FROM sales))"#,
        Any,
    ),
    (
        "Sales?$apply=filter(Amount gt 5)/nest(orderby(Id) as S)",
        concat!("json:SELECT json_build_object('S', ", sales!(sale!(""), r#""Amount" > 5"#), ")"),
        Any,
    ),
    // Of nothing there is one row all the same.
    (
        "Sales?$apply=filter(Id lt 0)/nest(identity as S,aggregate($count as N,Amount with sum as T) as A,groupby((Region)) as R)",
        r#"json:SELECT '{"S":[],"A":[{"N":"0","T":null}],"R":[]}'::json"#,
        Any,
    ),
    (
        "Sales?$apply=nest(orderby(Id)/top(3) as A)/nest(identity as B)",
        concat!("json:SELECT json_build_object('B', json_build_array(json_build_object('A', ", sales!(sale!(""), r#"s."Id" <= 3"#), ")))"),
        Any,
    ),
    (
        "Sales?$apply=nest(filter(Id lt 4)/orderby(Id)/addnested(Siblings,aggregate($count as N) as X) as S)",
        concat!(
            "json:SELECT json_build_object('S', (SELECT json_agg(",
            sale!(
                r#", 'X', (SELECT json_build_array(json_build_object('N', count(*)::text)) FROM sales o WHERE o."CustomerId" = s."CustomerId")"#
            ),
            r#" ORDER BY s."Id") FROM sales s WHERE s."Id" < 4))"#
        ),
        Any,
    ),
    ("Sales?$apply=nest(identity as S)/aggregate($count as N)", r#"SELECT '1' "N""#, Any),
    ("Sales?$apply=nest(identity as S)/compute(1 add 1 as Two)/filter(Two eq 3)", "SELECT 1 WHERE false", Any),
];

const GROUPS: &[Case] = &[
    // Null is a group, and so is each pair with it.
    (
        "Sales?$apply=groupby((Region,Quantity),nest(orderby(Id) as S,aggregate($count as N,Amount with max as M) as A))",
        concat!(
            r#"json:SELECT json_build_object('Region', "Region", 'Quantity', "Quantity", 'S', "#,
            sales!(sale!(""), r#"s."Region" IS NOT DISTINCT FROM g."Region" AND s."Quantity" IS NOT DISTINCT FROM g."Quantity""#),
            r#", 'A', json_build_array(json_build_object('N', n::text, 'M', m::text)))
               FROM (SELECT "Region", "Quantity", count(*) n, max("Amount") m FROM sales GROUP BY 1, 2) g"#
        ),
        Any,
    ),
    (
        "Sales?$apply=groupby((Weight),nest(groupby((CustomerId))/orderby(CustomerId) as C))",
        r#"json:SELECT json_build_object('Weight', "Weight", 'C', (SELECT json_agg(json_build_object('CustomerId', c::text) ORDER BY c NULLS FIRST)
             FROM (SELECT DISTINCT "CustomerId" c FROM sales s WHERE s."Weight" IS NOT DISTINCT FROM g."Weight") d))
           FROM (SELECT DISTINCT "Weight" FROM sales) g"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Day,Amount),nest(aggregate($count as N) as A))",
        r#"json:SELECT json_build_object('Day', "Day", 'Amount', "Amount"::text, 'A', json_build_array(json_build_object('N', count(*)::text)))
           FROM sales GROUP BY "Day", "Amount""#,
        Any,
    ),
    // What leads to a group is no part of what it holds.
    (
        "Sales?$apply=groupby((Customer/Country),nest(orderby(Id) as S))",
        concat!(
            r#"json:SELECT json_build_object('Customer', CASE WHEN "Country" IS NOT NULL THEN json_build_object('Country', "Country") END, 'S', "#,
            sales!(sale!(""), r#"(SELECT k."Country" FROM customers k WHERE k."Id" = s."CustomerId") IS NOT DISTINCT FROM g."Country""#),
            r#") FROM (SELECT DISTINCT "Country" FROM sales s LEFT JOIN customers c ON c."Id" = s."CustomerId") g"#
        ),
        Any,
    ),
    // A group that has lost its rows is one.
    (
        "Sales?$apply=groupby((Region),filter(Amount gt 10)/nest(orderby(Id) as S,aggregate($count as N) as A))",
        concat!(
            r#"json:SELECT json_build_object('Region', "Region", 'S', "#,
            sales!(sale!(""), r#"s."Region" IS NOT DISTINCT FROM g."Region" AND s."Amount" > 10"#),
            r#", 'A', json_build_array(json_build_object('N', (SELECT count(*)::text FROM sales s
                 WHERE s."Region" IS NOT DISTINCT FROM g."Region" AND s."Amount" > 10)))) FROM (SELECT DISTINCT "Region" FROM sales) g"#
        ),
        Any,
    ),
    ("Sales?$apply=filter(Id lt 0)/groupby((Region),nest(identity as S))", "SELECT 1 WHERE false", Any),
    (
        "Sales?$apply=groupby((Region),topcount(2,Amount)/nest(compute(Amount mul 2 as Twice)/orderby(Id) as Best))",
        concat!(
            r#"json:SELECT json_build_object('Region', "Region", 'Best', "#,
            sales!(
                sale!(r#", 'Twice', (s."Amount" * 2)::text"#),
                r#"s."Region" IS NOT DISTINCT FROM g."Region" AND s."Id" IN (SELECT o."Id" FROM sales o WHERE o."Region" IS NOT DISTINCT FROM g."Region"
                   ORDER BY o."Amount" DESC NULLS LAST, o."Id" LIMIT 2)"#
            ),
            r#") FROM (SELECT DISTINCT "Region" FROM sales) g"#
        ),
        Any,
    ),
    // Groups in groups.
    (
        "Sales?$apply=groupby((Region),nest(groupby((Day),nest(aggregate($count as N) as Total,filter(Amount gt 5)/orderby(Id) as Big))\
         /orderby(Day) as Days,aggregate(Amount with sum as T) as Sum))",
        concat!(
            r#"json:SELECT json_build_object('Region', "Region", 'Days', (SELECT json_agg(json_build_object('Day', d."Day",
                 'Total', json_build_array(json_build_object('N', d.n::text)), 'Big', "#,
            sales!(sale!(""), r#"s."Region" IS NOT DISTINCT FROM g."Region" AND s."Day" = d."Day" AND s."Amount" > 5"#),
            r#") ORDER BY d."Day") FROM (SELECT i."Day", count(*) n FROM sales i WHERE i."Region" IS NOT DISTINCT FROM g."Region" GROUP BY 1) d),
               'Sum', json_build_array(json_build_object('T', t::text)))
               FROM (SELECT "Region", sum("Amount") t FROM sales GROUP BY 1) g"#
        ),
        Any,
    ),
    (
        "Sales?$apply=groupby((Region),nest(identity as S))/groupby((Region),aggregate($count as N))",
        r#"SELECT DISTINCT "Region", '1' "N" FROM sales"#,
        Any,
    ),
];

/// Whether the group's own properties are among those that it holds.
const KEYS: &[Case] = &[
    (
        "Sales?$apply=groupby((Region),aggregate(Amount with sum as T)/nest(identity as S))",
        r#"json:SELECT json_build_object('Region', "Region", 'S', json_build_array(json_build_object('T', sum("Amount")::text)))
           FROM sales GROUP BY "Region""#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region,Day),aggregate($count as N))/groupby((Region),nest(orderby(Day) as S))",
        r#"json:SELECT json_build_object('Region', "Region", 'S', json_agg(json_build_object('Region', "Region", 'Day', "Day", 'N', n::text) ORDER BY "Day"))
           FROM (SELECT "Region", "Day", count(*) n FROM sales GROUP BY 1, 2) g GROUP BY "Region""#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region),nest(groupby((Region),aggregate($count as N)) as S))",
        r#"json:SELECT json_build_object('Region', "Region", 'S', json_build_array(json_build_object('Region', "Region", 'N', count(*)::text)))
           FROM sales GROUP BY "Region""#,
        Any,
    ),
];

const OPTIONS: &[Case] = &[
    (
        "Sales?$apply=groupby((Region,Day),nest(aggregate($count as N) as A))&$compute=day(Day) as D&$filter=Region ne null and D ge 9\
         &$orderby=Day desc,Region&$skip=1&$top=3&$select=Day,D",
        r#"json:SELECT json_build_object('Day', "Day", 'D', extract(day FROM "Day")::int, 'A', json_build_array(json_build_object('N', n::text))) FROM
           (SELECT "Region", "Day", count(*) n FROM sales WHERE "Region" IS NOT NULL AND extract(day FROM "Day") >= 9 GROUP BY 1, 2
            ORDER BY "Day" DESC, "Region" COLLATE "C" OFFSET 1 LIMIT 3) g"#,
        Counts,
    ),
    (
        "Sales?$apply=groupby((Region),nest(aggregate($count as N) as A))/orderby(Region desc)/top(2)&$expand=A",
        r#"json:SELECT json_build_object('Region', "Region", 'A', json_build_array(json_build_object('N', count(*)::text)))
           FROM sales GROUP BY "Region" ORDER BY "Region" COLLATE "C" DESC NULLS LAST LIMIT 2"#,
        Counts,
    ),
];

const BRANCHES: &[Case] = &[
    (
        "Sales?$apply=concat(groupby((Region),nest(aggregate($count as N) as A)),aggregate($count as N),nest(aggregate(Amount with sum as T) as A))",
        r#"json:SELECT json_build_object('Region', "Region", 'A', json_build_array(json_build_object('N', count(*)::text))) FROM sales GROUP BY "Region"
           UNION ALL (SELECT json_build_object('N', count(*)::text) FROM sales)
           UNION ALL (SELECT json_build_object('A', json_build_array(json_build_object('T', sum("Amount")::text))) FROM sales)"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((rollup(Region,Day)),nest(aggregate($count as N) as A))",
        r#"json:SELECT json_build_object('Region', "Region", 'Day', "Day", 'A', json_build_array(json_build_object('N', count(*)::text)))
             FROM sales GROUP BY "Region", "Day"
           UNION ALL (SELECT json_build_object('Region', "Region", 'A', json_build_array(json_build_object('N', count(*)::text)))
             FROM sales GROUP BY "Region")"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region),nest(concat(aggregate($count as N),groupby((Day),nest(aggregate(Amount with sum as T) as D))/orderby(Day)) as C))",
        r#"json:SELECT json_build_object('Region', "Region", 'C', (SELECT json_agg(j ORDER BY b, d) FROM (
             SELECT 0 b, null::date d, json_build_object('N', count(*)::text) j FROM sales s WHERE s."Region" IS NOT DISTINCT FROM g."Region"
             UNION ALL SELECT 1, "Day", json_build_object('Day', "Day", 'D', json_build_array(json_build_object('T', sum("Amount")::text)))
             FROM sales s WHERE s."Region" IS NOT DISTINCT FROM g."Region" GROUP BY "Day") u))
           FROM (SELECT DISTINCT "Region" FROM sales) g"#,
        Any,
    ),
];

const OF_PARENTS: &[Case] = &[
    (
        "Customers?$select=Id&$orderby=Id&$expand=Sales($apply=filter(Amount gt 0)/nest(orderby(Id) as S,aggregate($count as N) as A))",
        concat!(
            r#"json:SELECT json_build_object('Id', c."Id"::text, 'Sales', json_build_array(json_build_object('S', "#,
            sales!(sale!(""), r#"s."CustomerId" = c."Id" AND s."Amount" > 0"#),
            r#", 'A', json_build_array(json_build_object('N', (SELECT count(*)::text FROM sales s WHERE s."CustomerId" = c."Id" AND "Amount" > 0))))))
               FROM customers c ORDER BY c."Id""#
        ),
        Counts,
    ),
    (
        "Customers?$apply=addnested(Sales,groupby((Region),nest(aggregate($count as N) as A,nest(orderby(Id) as All) as B))/orderby(Region) as R)\
         &$select=Id&$orderby=Id desc",
        concat!(
            r#"json:SELECT json_build_object('Id', c."Id"::text, 'R', (SELECT coalesce(json_agg(json_build_object('Region', "Region",
                 'A', json_build_array(json_build_object('N', n::text)), 'B', json_build_array(json_build_object('All', "#,
            sales!(sale!(""), r#"s."CustomerId" = c."Id" AND s."Region" IS NOT DISTINCT FROM g."Region""#),
            r#"))) ORDER BY "Region" COLLATE "C" NULLS FIRST), '[]')
               FROM (SELECT "Region", count(*) n FROM sales i WHERE i."CustomerId" = c."Id" GROUP BY 1) g)) FROM customers c ORDER BY c."Id" DESC"#
        ),
        Counts,
    ),
    // Of what a path leads to.
    (
        "Customers(2)/Sales?$apply=groupby((Region),nest(orderby(Id) as S))&$orderby=Region",
        concat!(
            r#"json:SELECT json_build_object('Region', "Region", 'S', "#,
            sales!(sale!(""), r#"s."CustomerId" = 2 AND s."Region" IS NOT DISTINCT FROM g."Region""#),
            r#") FROM (SELECT DISTINCT "Region" FROM sales WHERE "CustomerId" = 2) g ORDER BY "Region" COLLATE "C" NULLS FIRST"#
        ),
        Counts,
    ),
    // A parent that nothing can belong to.
    (
        "Sales?$select=Id&$orderby=Id&$expand=Siblings($apply=nest(orderby(Id)/top(2) as S,aggregate($count as N) as A))",
        concat!(
            r#"json:SELECT json_build_object('Id', p."Id"::text, 'Siblings', json_build_array(json_build_object('S', "#,
            sales!(sale!(""), r#"s."Id" IN (SELECT o."Id" FROM sales o WHERE o."CustomerId" = p."CustomerId" ORDER BY o."Id" LIMIT 2)"#),
            r#", 'A', json_build_array(json_build_object('N', (SELECT count(*)::text FROM sales o WHERE o."CustomerId" = p."CustomerId"))))))
               FROM sales p ORDER BY p."Id""#
        ),
        Counts,
    ),
];

#[tokio::test]
async fn the_whole_is_one_group() {
    check(WHOLE).await;
}

#[tokio::test]
async fn groups_hold_their_own_rows() {
    check(GROUPS).await;
    check(KEYS).await;
}

#[tokio::test]
async fn options_see_the_groups() {
    check(OPTIONS).await;
}

#[tokio::test]
async fn branches_hold_what_they_nest() {
    check(BRANCHES).await;
}

#[tokio::test]
async fn related_entities_are_nested_for_each_parent() {
    check(OF_PARENTS).await;
}

#[tokio::test]
async fn what_is_nested_says_what_it_is_of() {
    let world = World::new(1, 40).await;
    for (request, context, alias, inner) in [
        ("Sales?$apply=nest(groupby((Customer/Id)) as C)", "(C(Customer(Id)))", "C", "#MemorySales(Customer(Id))"),
        ("Sales?$apply=nest(identity as C)", "(C)", "C", "#MemorySales"),
        ("Sales?$apply=groupby((Region),nest(identity as S))&$orderby=Region", "(Region,S)", "S", "#MemorySales"),
        ("Sales?$apply=groupby((Region),nest(identity as S))&$select=S", "(S)", "S", "#MemorySales"),
        ("Sales?$apply=groupby((rollup(Region,Day)),nest(identity as S))&$filter=not isdefined(Day)", "(Region,S)", "S", "#MemorySales"),
        ("Customers?$apply=addnested(Sales,aggregate(Revenue) as A)", "(A(Revenue))", "A", "#MemorySales(Revenue)"),
    ] {
        let found = world.get("Memory", request).await.unwrap_or_else(|error| panic!("{request}: {error}"));
        let set = if request.starts_with("Sales") { "MemorySales" } else { "MemoryCustomers" };
        assert_eq!(found.context, format!("/$metadata#{set}{context}"), "{request}");
        assert_eq!(found.raw[0][format!("{alias}@odata.context")], json!(format!("/$metadata{inner}")), "{request}");
    }
    // What only some rows have is not said of all.
    let found = world.get("Memory", "Sales?$apply=concat(nest(identity as S),aggregate($count as N))").await.unwrap();
    assert_eq!(found.context, "/$metadata#MemorySales(@Core.AnyStructure)");
    assert!(found.raw[0]["S"].is_array() && found.raw[1].get("S").is_none() && found.raw[1]["N"].is_string(), "{:?}", found.raw);
}

/// Groups are read in small chunks, with those around them read again for each.
#[tokio::test]
async fn chunks_of_groups_are_all_groups() {
    let settings = EngineSettings { expand_chunk: 2, ..EngineSettings::default() };
    let world = World::with(5, 60, settings).await;
    for (request, sql, order) in GROUPS.iter().chain(BRANCHES).chain(OF_PARENTS) {
        let theirs = world.sql(sql).await;
        for kind in ["Memory", "Postgres"] {
            let ours = world.get(kind, request).await.unwrap_or_else(|error| panic!("{kind}{request}: {error}"));
            compare(&format!("{kind}{request}"), *order, &ours.rows, &theirs);
        }
    }
}

#[tokio::test]
async fn groups_come_in_pages() {
    let world = World::new(fastrand::u64(..), 60).await;
    let request = "Sales?$apply=groupby((Region,Quantity),nest(aggregate($count as N) as A))&$orderby=Quantity desc&$count=true";
    for kind in crate::apply_world::KINDS {
        let whole = world.get(kind, request).await.unwrap();
        assert_eq!(whole.count, Some(whole.rows.len() as u64));
        let (mut rows, mut position) = (Vec::new(), None);
        loop {
            let page = world.page(kind, request, Paging { size: 3, position }).await.unwrap();
            assert!(page.rows.len() <= 3);
            rows.extend(page.rows);
            position = page.next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(json!(rows), json!(whole.rows), "{kind}");
    }
}
