//! What is added to entities, what of the groups is searched, and which properties rows have at all: against hand-written SQL on
//! PostgreSQL, over every kind of source.

use crate::apply::Order::{Any, Counts};
use crate::apply::{Case, check};
use crate::apply_world::World;
use serde_json::json;

const SEARCHED: &[Case] = &[
    (
        "Sales?$apply=groupby((Region),aggregate(Amount with sum as T))/search(us)",
        r#"SELECT "Region", sum("Amount")::text "T" FROM sales WHERE "Region" ILIKE '%us%' GROUP BY 1"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region,Customer/Name),aggregate($count as N))&$search=(west OR sue) AND NOT east",
        r#"SELECT CASE WHEN c."Name" IS NOT NULL THEN json_build_object('Name', c."Name") END "Customer", "Region", count(*)::text "N"
           FROM sales s LEFT JOIN customers c ON c."Id" = s."CustomerId"
           WHERE ("Region" ILIKE '%west%' OR c."Name" ILIKE '%sue%')
             AND NOT coalesce("Region" ILIKE '%east%', false) AND NOT coalesce(c."Name" ILIKE '%east%', false)
           GROUP BY c."Name", "Region""#,
        Any,
    ),
];

const DEFINED: &[Case] = &[
    (
        "Sales?$apply=groupby((rollup(Region,Day)),aggregate($count as N))/filter(not isdefined(Day))",
        r#"json:SELECT json_build_object('Region', "Region", 'N', count(*)::text) FROM sales GROUP BY "Region""#,
        Any,
    ),
    (
        "Sales?$apply=groupby((rollup(Region,Day)),aggregate($count as N))&$filter=isdefined(Day) and isdefined(Region) and Region eq null",
        r#"json:SELECT json_build_object('Region', null, 'Day', "Day", 'N', count(*)::text) FROM sales WHERE "Region" IS NULL GROUP BY "Day""#,
        Any,
    ),
    (
        "Sales?$apply=concat(groupby((Customer/Country)),groupby((Region)),aggregate($count as N))\
         /filter(isdefined(Customer) or isdefined(N))&$orderby=N",
        r#"json:SELECT j FROM (SELECT DISTINCT 0 b, CASE WHEN "Country" IS NOT NULL THEN json_build_object('Country', "Country") END::text c
             FROM sales s LEFT JOIN customers c ON c."Id" = s."CustomerId") x, LATERAL (SELECT json_build_object('Customer', c::json)) y(j)
           UNION ALL (SELECT json_build_object('N', count(*)::text) FROM sales)"#,
        Any,
    ),
    ("Sales?$apply=aggregate($count as N)&$filter=isdefined(Region)", "SELECT 1 FROM sales WHERE false", Any),
    ("Sales?$apply=aggregate($count as N)&$filter=isdefined(N)", r#"SELECT count(*)::text "N" FROM sales"#, Any),
    (
        "Sales?$filter=isdefined(Region) and isdefined(Customer/Name) and Id lt 5&$select=Id",
        r#"SELECT "Id"::text FROM sales WHERE "Id" < 5"#,
        Any,
    ),
];

const NESTED: &[Case] = &[
    (
        "Customers?$apply=addnested(Sales,filter(Amount gt 10)/orderby(Id)/compute(Amount mul 2 as Twice) as Big)&$select=Id&$orderby=Id",
        r#"json:SELECT json_build_object('Id', c."Id"::text, 'Big', (SELECT coalesce(json_agg(json_build_object('Id', "Id"::text,
             'CustomerId', "CustomerId"::text, 'ProductId', "ProductId", 'Amount', "Amount"::text, 'Quantity', "Quantity", 'Weight', "Weight",
             'Region', "Region", 'Day', "Day", 'Twice', ("Amount" * 2)::text) ORDER BY s."Id"), '[]')
           FROM sales s WHERE s."CustomerId" = c."Id" AND "Amount" > 10)) FROM customers c ORDER BY c."Id""#,
        Counts,
    ),
    (
        "Customers?$apply=filter(Id gt 2)/addnested(Sales,groupby((Region),aggregate(Revenue))/orderby(Region) as ByRegion,\
         aggregate($count as N,Amount with max as Most) as Summary)/orderby(Id desc)/top(4)&$select=Name",
        r#"json:SELECT json_build_object('Id', c."Id"::text, 'Name', "Name",
             'ByRegion', (SELECT coalesce(json_agg(json_build_object('Region', r, 'Revenue', t::text) ORDER BY r COLLATE "C" NULLS FIRST), '[]')
               FROM (SELECT "Region" r, sum("Amount") t FROM sales s WHERE s."CustomerId" = c."Id" GROUP BY 1) g),
             'Summary', (SELECT json_build_array(json_build_object('N', count(*)::text, 'Most', max("Amount")::text))
               FROM sales s WHERE s."CustomerId" = c."Id"))
           FROM customers c WHERE "Id" > 2 ORDER BY c."Id" DESC LIMIT 4"#,
        Counts,
    ),
    // Of what is in another source.
    (
        "Customers?$apply=addnested(Abroad,aggregate(Amount with sum as T) as A)/filter(Credit ne null)&$select=Id&$orderby=Id",
        r#"json:SELECT json_build_object('Id', c."Id"::text, 'A', (SELECT json_build_array(json_build_object('T', sum("Amount")::text))
           FROM sales s WHERE s."CustomerId" = c."Id")) FROM customers c WHERE "Credit" IS NOT NULL ORDER BY c."Id""#,
        Counts,
    ),
    // What was added goes where the entities go; and it is added inside what is expanded or added, too.
    (
        "Customers?$apply=addnested(Sales,aggregate($count as N) as A)/groupby((Country),aggregate($count as C))",
        r#"SELECT "Country", count(*)::text "C" FROM customers GROUP BY 1"#,
        Any,
    ),
    (
        "Products?$apply=addnested(Sales,filter(Id lt 9)/orderby(Id)/addnested(Siblings,aggregate($count as N) as Others)/groupby((Id)) as S)&$select=Id&$orderby=Id",
        r#"json:SELECT json_build_object('Id', p."Id", 'S', (SELECT coalesce(json_agg(json_build_object('Id', s."Id"::text) ORDER BY s."Id"), '[]')
           FROM sales s WHERE s."ProductId" = p."Id" AND s."Id" < 9)) FROM products p ORDER BY p."Id""#,
        Counts,
    ),
    (
        "Products?$select=Id&$orderby=Id&$expand=Sales($apply=filter(Id lt 9)/addnested(Siblings,aggregate($count as N) as Others);$select=Id;$orderby=Id)",
        r#"json:SELECT json_build_object('Id', p."Id", 'Sales', (SELECT coalesce(json_agg(json_build_object('Id', s."Id"::text, 'Others',
             (SELECT json_build_array(json_build_object('N', count(*)::text)) FROM sales o WHERE o."CustomerId" = s."CustomerId")) ORDER BY s."Id"), '[]')
           FROM sales s WHERE s."ProductId" = p."Id" AND s."Id" < 9)) FROM products p ORDER BY p."Id""#,
        Counts,
    ),
    (
        "Customers?$apply=addnested(Sales,aggregate($count as N) as A)/concat(filter(Id eq 1),filter(Id eq 2))&$select=Id&$expand=A&$orderby=Id",
        r#"json:SELECT json_build_object('Id', c."Id"::text, 'A', (SELECT json_build_array(json_build_object('N', count(*)::text))
           FROM sales s WHERE s."CustomerId" = c."Id")) FROM customers c WHERE c."Id" IN (1, 2) ORDER BY c."Id""#,
        Counts,
    ),
];

const INSIDE: &[Case] = &[
    (
        "Customers?$apply=groupby((Country),addnested(Sales,aggregate($count as N) as A)/topcount(1,Id))&$select=Id",
        r#"json:SELECT json_build_object('Id', c."Id"::text, 'A', (SELECT json_build_array(json_build_object('N', count(*)::text))
           FROM sales s WHERE s."CustomerId" = c."Id")) FROM customers c WHERE NOT EXISTS
           (SELECT 1 FROM customers o WHERE o."Country" IS NOT DISTINCT FROM c."Country" AND o."Id" > c."Id")"#,
        Any,
    ),
    (
        "Customers?$apply=concat(filter(Id lt 3)/addnested(Sales,aggregate($count as N) as A),filter(Id gt 7),aggregate($count as N))&$select=Id,N",
        r#"json:SELECT json_build_object('Id', c."Id"::text, 'A', (SELECT json_build_array(json_build_object('N', count(*)::text))
             FROM sales s WHERE s."CustomerId" = c."Id")) FROM customers c WHERE "Id" < 3
           UNION ALL (SELECT json_build_object('Id', c."Id"::text) FROM customers c WHERE "Id" > 7)
           UNION ALL (SELECT json_build_object('N', count(*)::text) FROM customers)"#,
        Any,
    ),
    (
        "Customers?$apply=addnested(Sales,aggregate($count as N) as A)/concat(filter(Id lt 3),groupby((Country)),concat(filter(Id gt 8),identity))&$select=Id,Country",
        r#"json:WITH e AS (SELECT c."Id" i, json_build_object('Id', c."Id"::text, 'Country', c."Country", 'A',
             (SELECT json_build_array(json_build_object('N', count(*)::text)) FROM sales s WHERE s."CustomerId" = c."Id")) j FROM customers c)
           SELECT j FROM e WHERE i < 3 UNION ALL (SELECT json_build_object('Country', "Country") FROM customers GROUP BY "Country")
           UNION ALL (SELECT j FROM e WHERE i > 8) UNION ALL (SELECT j FROM e)"#,
        Any,
    ),
    // The same name for what is not the same.
    (
        "Customers?$apply=concat(filter(Id lt 3)/addnested(Sales,aggregate($count as N) as A),filter(Id gt 7)/addnested(Sales,aggregate(Amount with sum as T) as A))\
         &$select=Id",
        r#"json:SELECT json_build_object('Id', c."Id"::text, 'A', (SELECT json_build_array(json_build_object('N', count(*)::text))
             FROM sales s WHERE s."CustomerId" = c."Id")) FROM customers c WHERE "Id" < 3
           UNION ALL (SELECT json_build_object('Id', c."Id"::text, 'A', (SELECT json_build_array(json_build_object('T', sum("Amount")::text))
             FROM sales s WHERE s."CustomerId" = c."Id")) FROM customers c WHERE "Id" > 7)"#,
        Any,
    ),
    // Along what leads to one entity there is one, or nothing at all.
    (
        "Sales?$apply=filter(Id lt 40)/addnested(Customer,compute(Credit mul 2 as Twice) as C)&$select=Id&$orderby=Id",
        r#"json:SELECT CASE WHEN c."Id" IS NULL THEN json_build_object('Id', s."Id"::text) ELSE json_build_object('Id', s."Id"::text, 'C',
             json_build_object('Id', c."Id"::text, 'Name', c."Name", 'Country', c."Country", 'Credit', c."Credit"::text, 'Twice', (c."Credit" * 2)::text)) END
           FROM sales s LEFT JOIN customers c ON c."Id" = s."CustomerId" WHERE s."Id" < 40 ORDER BY s."Id""#,
        Counts,
    ),
    (
        "Sales?$apply=filter(Id lt 20)/addnested(Product,addnested(Sales,aggregate($count as N) as Sold) as P,identity as Q)&$select=Id&$orderby=Id desc",
        r#"json:SELECT json_build_object('Id', s."Id"::text,
             'P', json_build_object('Id', p."Id", 'Name', p."Name", 'Category', p."Category", 'Tax', p."Tax"::text, 'Sold',
               (SELECT json_build_array(json_build_object('N', count(*)::text)) FROM sales o WHERE o."ProductId" = p."Id")),
             'Q', json_build_object('Id', p."Id", 'Name', p."Name", 'Category', p."Category", 'Tax', p."Tax"::text))
           FROM sales s JOIN products p ON p."Id" = s."ProductId" WHERE s."Id" < 20 ORDER BY s."Id" DESC"#,
        Counts,
    ),
    (
        "Products?$apply=addnested(Sales,aggregate($count as N) as A)/join(Sales as S,aggregate($count as M))/filter(Id le 3)&$select=Id&$expand=S",
        r#"json:SELECT json_build_object('Id', p."Id", 'S', json_build_object('M', count(s."Id")::text), 'A',
             json_build_array(json_build_object('N', count(s."Id")::text)))
           FROM products p LEFT JOIN sales s ON s."ProductId" = p."Id" WHERE p."Id" <= 3 GROUP BY p."Id""#,
        Any,
    ),
];

#[tokio::test]
async fn collections_are_added_wherever_there_are_entities() {
    check(INSIDE).await;
}

#[tokio::test]
async fn groups_are_searched_by_what_they_are_of() {
    check(SEARCHED).await;
}

#[tokio::test]
async fn rows_say_which_properties_they_have() {
    check(DEFINED).await;
}

#[tokio::test]
async fn collections_are_added_to_entities() {
    check(NESTED).await;
}

#[tokio::test]
async fn what_is_added_is_said_to_be_expanded() {
    let world = World::new(1, 40).await;
    for (request, list) in [
        ("Customers?$apply=addnested(Sales,filter(Amount gt 3) as Big)", "(*,Big)"),
        ("Customers?$apply=addnested(Sales,aggregate(Revenue) as A)&$select=Id", "(Id,A(Revenue))"),
    ] {
        let found = world.get("Memory", request).await.unwrap();
        assert_eq!(found.context, format!("/$metadata#MemoryCustomers{list}"), "{request}");
    }
    let found = world.get("Memory", "Customers?$apply=addnested(Sales,aggregate(Revenue) as A)&$top=1").await.unwrap();
    assert_eq!(found.raw[0]["A"][0]["Revenue@odata.type"], json!("#Decimal"));
}
