//! Custom aggregates against the same result computed by hand-written SQL on PostgreSQL, over every kind of source.

use crate::apply::Order::{Any, Counts};
use crate::apply::{Case, check};
use crate::apply_world::World;
use serde_json::json;

const NAMED: &[Case] = &[
    (
        "Sales?$apply=aggregate(Revenue,Deals,Regions,Priced as P,Amount,Heaviest)",
        r#"SELECT sum("Amount")::text "Revenue", count(*)::text "Deals", count(DISTINCT "Region")::text "Regions", count("Amount")::text "P",
           max("Amount")::text "Amount", max("Weight") "Heaviest" FROM sales"#,
        Any,
    ),
    (
        "Sales?$apply=filter(Id lt 0)/aggregate(Revenue,Deals,Regions,Priced)",
        r#"SELECT null "Revenue", '0' "Deals", '0' "Regions", '0' "Priced""#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region),aggregate(Revenue as R,Amount))/filter(R gt 0)/orderby(Amount desc,Region)",
        r#"SELECT "Region", sum("Amount")::text "R", max("Amount")::text "Amount" FROM sales GROUP BY 1 HAVING sum("Amount") > 0
           ORDER BY max("Amount") DESC NULLS LAST, "Region" COLLATE "C" NULLS FIRST"#,
        Counts,
    ),
    (
        "Customers?$apply=groupby((Country),aggregate(Sales/Revenue,Sales/Deals as N,Buyers))",
        r#"SELECT "Country", sum("Amount")::text "Revenue", count(s."Id")::text "N", count(DISTINCT c."Id")::text "Buyers"
           FROM customers c LEFT JOIN sales s ON s."CustomerId" = c."Id" GROUP BY 1"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((Region),aggregate(Customer/BestCredit as B,Customer/CreditSum,Customer/Buyers))",
        r#"SELECT "Region", max("Credit")::text "B", sum("Credit")::text "CreditSum", count("Id")::text "Buyers" FROM
           (SELECT DISTINCT "Region", c."Id", "Credit" FROM sales s LEFT JOIN customers c ON c."Id" = s."CustomerId") d GROUP BY 1"#,
        Any,
    ),
    (
        "Sales?$apply=groupby((rollup(Region,Day)),aggregate(Revenue))",
        r#"json:SELECT json_build_object('Region', "Region", 'Day', "Day", 'Revenue', sum("Amount")::text) FROM sales GROUP BY "Region", "Day"
           UNION ALL (SELECT json_build_object('Region', "Region", 'Revenue', sum("Amount")::text) FROM sales GROUP BY "Region")"#,
        Any,
    ),
    (
        "Sales?$apply=aggregate(Revenue from Day with max as Best,Deals from Region,Day with average from Region with max as Busy)",
        r#"SELECT (SELECT max(d)::text FROM (SELECT sum("Amount") d FROM sales GROUP BY "Day") x) "Best",
           (SELECT round(max(a), 4)::text FROM (SELECT avg(n) a FROM (SELECT "Region", "Day", count(*)::decimal n FROM sales GROUP BY 1, 2) y GROUP BY "Region") z) "Busy""#,
        Any,
    ),
    (
        "Customers?$apply=join(Sales as S,filter(Quantity gt 1))/groupby((Country),aggregate(S/Revenue as R))",
        r#"SELECT "Country", sum("Amount")::text "R" FROM customers c JOIN sales s ON s."CustomerId" = c."Id" AND "Quantity" > 1 GROUP BY 1"#,
        Any,
    ),
    // What is left of a related entity is counted by its key, whichever of its columns comes first.
    (
        "Customers?$apply=join(Sales as S)/groupby((Country,S),aggregate($count as N))/aggregate(S/$count as Sales0)",
        r#"SELECT count(*)::text "Sales0" FROM customers c JOIN sales s ON s."CustomerId" = c."Id""#,
        Any,
    ),
    (
        "Sales?$apply=concat(aggregate(Deals),groupby((Region),aggregate(Deals)))",
        r#"json:SELECT json_build_object('Deals', count(*)::text) FROM sales UNION ALL
           (SELECT json_build_object('Region', "Region", 'Deals', count(*)::text) FROM sales GROUP BY "Region")"#,
        Any,
    ),
];

const EXPANDED: &[Case] = &[(
    "Customers?$select=Id&$orderby=Id&$expand=Sales($apply=aggregate(Revenue,Deals))",
    r#"json:SELECT json_build_object('Id', c."Id"::text, 'Sales', json_build_array((SELECT json_build_object(
       'Revenue', sum("Amount")::text, 'Deals', count(*)::text) FROM sales s WHERE s."CustomerId" = c."Id"))) FROM customers c ORDER BY c."Id""#,
    Counts,
)];

#[tokio::test]
async fn aggregates_with_names_of_their_own() {
    check(NAMED).await;
}

#[tokio::test]
async fn aggregates_with_names_of_their_own_of_each_parent() {
    check(EXPANDED).await;
}

#[tokio::test]
async fn what_they_yield_says_what_it_is() {
    let world = World::new(1, 40).await;
    let found = world.get("Memory", "Sales?$apply=groupby((Region),aggregate(Revenue,Deals as N))&$top=1").await.unwrap();
    assert_eq!(found.context, "/$metadata#MemorySales(Region,Revenue,N)");
    assert_eq!((&found.raw[0]["Revenue@odata.type"], &found.raw[0]["N@odata.type"]), (&json!("#Decimal"), &json!("#Decimal")));
}
