//! Recursive hierarchies in `$apply` and `$filter` against the same result computed by recursive SQL on PostgreSQL, over every kind of
//! source and over random trees.

use crate::apply::Order::{self, Any, Counts};
use crate::apply::compare;
use crate::apply_world::{KINDS, World};
use portico_engine::Paging;
use serde_json::{Value as Json, json};

/// A request, and what PostgreSQL is asked after [`TREE`].
type Case = (&'static str, &'static str, Order);

/// `n`: the nodes with the node `up` above each; `c`: each node with itself and all above it; `p`: where each node is in preorder and
/// postorder when siblings are sorted by name, descending, then by number.
const TREE: &str = r#"WITH RECURSIVE
    n AS (SELECT u.*, p."Id" up FROM units u LEFT JOIN units p ON p."Id" = u."ParentId" AND p."Id" <> u."Id"),
    c(node, above, d) AS (SELECT "Id", "Id", 0 FROM n UNION ALL SELECT c.node, n.up, d + 1 FROM c JOIN n ON n."Id" = c.above WHERE n.up IS NOT NULL),
    s AS (SELECT *, row_number() OVER (ORDER BY "Name" COLLATE "C" DESC NULLS LAST, "Id") AS place FROM n),
    w AS (SELECT s.*, ARRAY[place] AS pre, ARRAY[place] AS post FROM s WHERE up IS NULL
          UNION ALL SELECT s.*, w.pre || s.place, w.post || s.place FROM s JOIN w ON s.up = w."Id"),
    p AS (SELECT *, row_number() OVER (ORDER BY pre) AS preorder, row_number() OVER (ORDER BY post || 1000000::bigint) AS postorder FROM w) "#;

const UNIT: &str = r#"u."Id", u."Name", u."ParentId", u."Staff""#;

/// With what is nested and added.
const NESTED: &[Case] = &[
    (
        "Units?$apply=addnested(Postings,aggregate($count as N) as A)/descendants($root/Units,Org,Id,filter(Staff gt 12),1)\
         /traverse($root/Units,Org,Id,preorder,Name desc)&$select=Id",
        r#"SELECT u."Id", (SELECT json_build_array(json_build_object('N', count(*)::text)) FROM postings o WHERE o."UnitId" = u."Id") "A"
           FROM p u WHERE EXISTS (SELECT 1 FROM n o WHERE o."Id" = u.up AND o."Staff" > 12) ORDER BY preorder"#,
        Counts,
    ),
    (
        "Units?$apply=nest(descendants($root/Units,Org,Id,filter(Staff gt 15))/aggregate($count as N) as D,traverse($root/Units,Org,Id,preorder,Name desc) as T)\
         &$expand=D",
        r#"SELECT json_build_array(json_build_object('N', (SELECT count(*)::text FROM n u WHERE EXISTS (SELECT 1 FROM c JOIN n s ON s."Id" = c.above
             WHERE s."Staff" > 15 AND c.node = u."Id" AND d > 0)))) "D", (SELECT json_agg(json_build_object(
             'Id', u."Id", 'Name', u."Name", 'ParentId', u."ParentId", 'Staff', u."Staff") ORDER BY preorder) FROM p u) "T""#,
        Any,
    ),
    // Each node holds what is of it or below it.
    (
        "Units?$apply=groupby((rolluprecursive($root/Units,Org,Id)),nest(groupby((Id))/orderby(Id) as Below,aggregate($count as N) as A))&$select=Id",
        r#"SELECT u."Id", (SELECT json_agg(json_build_object('Id', c.node) ORDER BY c.node) FROM c WHERE c.above = u."Id") "Below",
           (SELECT json_build_array(json_build_object('N', count(*)::text)) FROM c WHERE c.above = u."Id") "A" FROM n u"#,
        Any,
    ),
    (
        "Postings?$apply=filter(Amount gt 10)/groupby((rolluprecursive($root/Units,Org,UnitId)),nest(aggregate(Amount with sum as T) as A))",
        r#"SELECT u."Id" "UnitId", (SELECT json_build_array(json_build_object('T', sum(o."Amount")::text)) FROM postings o JOIN c ON c.node = o."UnitId"
           WHERE c.above = u."Id" AND o."Amount" > 10) "A" FROM n u"#,
        Any,
    ),
];

/// Inside groups.
const GROUPS: &[Case] = &[
    (
        "Units?$apply=groupby((Name),descendants($root/Units,Org,Id,filter(Staff gt 8)))",
        r#"SELECT UNIT FROM n u WHERE EXISTS (SELECT 1 FROM c JOIN n s ON s."Id" = c.above WHERE s."Staff" > 8
           AND s."Name" IS NOT DISTINCT FROM u."Name" AND c.node = u."Id" AND d > 0)"#,
        Any,
    ),
    (
        "Units?$apply=groupby((Name),ancestors($root/Units,Org,Id,topcount(2,Staff),2,keep start)/aggregate($count as N))",
        r#"SELECT g."Name", (SELECT count(*)::text FROM n u WHERE u."Name" IS NOT DISTINCT FROM g."Name" AND EXISTS (SELECT 1 FROM c JOIN
             (SELECT *, row_number() OVER (PARTITION BY "Name" ORDER BY "Staff" DESC, "Id") r FROM n) s ON s."Id" = c.node
             WHERE r <= 2 AND d <= 2 AND s."Name" IS NOT DISTINCT FROM u."Name" AND c.above = u."Id")) "N" FROM (SELECT DISTINCT "Name" FROM n) g"#,
        Any,
    ),
    (
        "Postings?$apply=groupby((Account),descendants($root/Units,Org,UnitId,filter(Amount gt 5),1,keep start)/aggregate($count as N,Amount with sum as T))",
        r#"SELECT g."Account", count(p."Id")::text "N", sum(p."Amount")::text "T" FROM (SELECT DISTINCT "Account" FROM postings) g LEFT JOIN
           (SELECT o.* FROM postings o WHERE EXISTS (SELECT 1 FROM postings s JOIN c ON c.above = s."UnitId" WHERE s."Amount" > 5
             AND s."Account" = o."Account" AND c.node = o."UnitId" AND d <= 1)) p ON p."Account" = g."Account" GROUP BY 1"#,
        Any,
    ),
    (
        "Postings?$apply=groupby((Account),traverse($root/Units,Org,UnitId,preorder,Name desc)/top(3))&$select=Id",
        r#"SELECT x."Id"::text "Id" FROM (SELECT o."Id", row_number() OVER (PARTITION BY "Account" ORDER BY preorder, o."Id") r FROM postings o
           JOIN p ON p."Id" = o."UnitId") x WHERE r <= 3"#,
        Any,
    ),
    // Each node in each group.
    (
        "Postings?$apply=groupby((Account),groupby((rolluprecursive($root/Units,Org,UnitId)),aggregate(Amount with sum as T,$count as N)))",
        r#"SELECT a."Account", u."Id" "UnitId", sum(o."Amount")::text "T", count(o."Id")::text "N" FROM (SELECT DISTINCT "Account" FROM postings) a
           CROSS JOIN n u JOIN c ON c.above = u."Id" LEFT JOIN postings o ON o."UnitId" = c.node AND o."Account" = a."Account" GROUP BY 1, 2"#,
        Any,
    ),
    (
        "Postings?$apply=groupby((Account),filter(Amount gt 5)/groupby((rolluprecursive($root/Units,Org,Unit/Id,filter(Staff gt 9))),aggregate(Amount with sum as T)))",
        r#", a AS (SELECT s.*, (SELECT "Id" FROM n o WHERE o."Id" = s.up AND o."Staff" > 9) top FROM n s WHERE s."Staff" > 9)
           , v(node, above) AS (SELECT "Id", "Id" FROM a UNION ALL SELECT v.node, a.top FROM v JOIN a ON a."Id" = v.above WHERE a.top IS NOT NULL)
           SELECT g."Account", json_build_object('Id', u."Id", 'Name', u."Name", 'ParentId', u."ParentId", 'Staff', u."Staff") "Unit", sum(o."Amount")::text "T"
           FROM (SELECT DISTINCT "Account" FROM postings) g CROSS JOIN a u JOIN v ON v.above = u."Id"
           LEFT JOIN postings o ON o."UnitId" = v.node AND o."Account" = g."Account" AND o."Amount" > 5 GROUP BY g."Account", UNIT"#,
        Any,
    ),
    (
        "Postings?$apply=groupby((rollup(Account,Amount),rolluprecursive($root/Units,Org,UnitId)),aggregate($count as N))",
        r#"json:SELECT json_build_object('Account', "Account", 'Amount', "Amount"::text, 'UnitId', u."Id", 'N', count(*)::text)
             FROM n u JOIN c ON c.above = u."Id" JOIN postings o ON o."UnitId" = c.node GROUP BY "Account", "Amount", u."Id"
           UNION ALL (SELECT json_build_object('Account', "Account", 'UnitId', u."Id", 'N', count(*)::text)
             FROM n u JOIN c ON c.above = u."Id" JOIN postings o ON o."UnitId" = c.node GROUP BY "Account", u."Id")"#,
        Any,
    ),
    (
        "Postings?$apply=concat(descendants($root/Units,Org,UnitId,filter(Amount gt 9))/aggregate($count as N),groupby((rolluprecursive($root/Units,Org,UnitId)),aggregate($count as N)))",
        r#"json:SELECT json_build_object('N', count(*)::text) FROM postings o WHERE EXISTS (SELECT 1 FROM postings s JOIN c ON c.above = s."UnitId"
             WHERE s."Amount" > 9 AND c.node = o."UnitId" AND d > 0) UNION ALL
           (SELECT json_build_object('UnitId', u."Id", 'N', count(o."Id")::text) FROM n u JOIN c ON c.above = u."Id" LEFT JOIN postings o ON o."UnitId" = c.node GROUP BY u."Id")"#,
        Any,
    ),
    // For each parent by itself.
    (
        "Units?$select=Id&$orderby=Id&$expand=Postings($apply=groupby((rolluprecursive($root/Units,Org,UnitId)),aggregate($count as N))/filter(N gt 0)/orderby(UnitId))",
        r#"SELECT u."Id", (SELECT coalesce(json_agg(json_build_object('UnitId', x.above, 'N', k::text) ORDER BY x.above), '[]') FROM
             (SELECT c.above, count(*) k FROM c JOIN postings o ON o."UnitId" = c.node WHERE o."UnitId" = u."Id" GROUP BY 1) x) "Postings" FROM n u ORDER BY 1"#,
        Counts,
    ),
    (
        "Units?$select=Id&$orderby=Id&$expand=Children($apply=descendants($root/Units,Org,Id,filter(Staff gt 5),keep start)/aggregate($count as N))",
        r#"SELECT u."Id", (SELECT json_build_array(json_build_object('N', count(*)::text)) FROM units k WHERE k."ParentId" = u."Id" AND EXISTS (SELECT 1 FROM
             units s JOIN c ON c.above = s."Id" WHERE s."ParentId" = u."Id" AND s."Staff" > 5 AND c.node = k."Id")) "Children" FROM n u ORDER BY 1"#,
        Counts,
    ),
];

const SETS: &[Case] = &[
    (
        "Units?$apply=ancestors($root/Units,Org,Id,filter(Staff gt 15))",
        r#"SELECT UNIT FROM n u WHERE EXISTS (SELECT 1 FROM c JOIN n s ON s."Id" = c.node WHERE s."Staff" > 15 AND c.above = u."Id" AND d > 0)"#,
        Any,
    ),
    (
        "Units?$apply=ancestors($root/Units,Org,Id,filter(Staff gt 15),keep start)",
        r#"SELECT UNIT FROM n u WHERE EXISTS (SELECT 1 FROM c JOIN n s ON s."Id" = c.node WHERE s."Staff" > 15 AND c.above = u."Id")"#,
        Any,
    ),
    (
        "Units?$apply=ancestors($root/Units,Org,Id,filter(Staff gt 15),1)",
        r#"SELECT UNIT FROM n u WHERE EXISTS (SELECT 1 FROM c JOIN n s ON s."Id" = c.node WHERE s."Staff" > 15 AND c.above = u."Id" AND d = 1)"#,
        Any,
    ),
    (
        "Units?$apply=descendants($root/Units,Org,Id,filter(Name eq 'East'),2,keep start)",
        r#"SELECT UNIT FROM n u WHERE EXISTS (SELECT 1 FROM c JOIN n s ON s."Id" = c.above WHERE s."Name" = 'East' AND c.node = u."Id" AND d <= 2)"#,
        Any,
    ),
    (
        "Units?$apply=filter(Staff lt 18)/descendants($root/Units,Org,Id,filter(Name eq 'East'))",
        r#"SELECT UNIT FROM n u WHERE u."Staff" < 18 AND EXISTS (SELECT 1 FROM c JOIN n s ON s."Id" = c.above
           WHERE s."Name" = 'East' AND s."Staff" < 18 AND c.node = u."Id" AND d > 0)"#,
        Any,
    ),
    (
        "Units?$apply=descendants($root/Units,Org,Id,topcount(2,Staff),keep start)/aggregate($count as N,Staff with sum as S)",
        r#"SELECT count(*)::text "N", sum(u."Staff")::text "S" FROM n u WHERE EXISTS (SELECT 1 FROM c WHERE c.node = u."Id"
           AND c.above IN (SELECT "Id" FROM n ORDER BY "Staff" DESC, "Id" LIMIT 2))"#,
        Any,
    ),
    (
        "Units?$apply=descendants($root/Units,Org,Id,filter(Name eq 'East'),keep start)/ancestors($root/Units,Org,Id,filter(Staff ge 10),keep start)\
         /orderby(Staff desc,Id)/top(5)",
        r#", e AS (SELECT DISTINCT node FROM c JOIN n s ON s."Id" = c.above WHERE s."Name" = 'East')
           SELECT UNIT FROM n u WHERE "Id" IN (SELECT node FROM e) AND EXISTS (SELECT 1 FROM c JOIN n s ON s."Id" = c.node
           WHERE s."Id" IN (SELECT node FROM e) AND s."Staff" >= 10 AND c.above = u."Id") ORDER BY "Staff" DESC, "Id" LIMIT 5"#,
        Counts,
    ),
    // Rows that are related to nodes, along a relationship and by nothing but an identifier.
    (
        "Postings?$apply=descendants($root/Units,Org,Unit/Id,filter(Unit/Name eq 'West'),keep start)/aggregate($count as N,Amount with sum as T)",
        r#"SELECT count(*)::text "N", sum("Amount")::text "T" FROM postings t WHERE EXISTS (SELECT 1 FROM c JOIN n s ON s."Id" = c.above
           WHERE s."Name" = 'West' AND c.node = t."UnitId" AND EXISTS (SELECT 1 FROM postings o WHERE o."UnitId" = s."Id"))"#,
        Any,
    ),
    (
        "Postings?$apply=ancestors($root/Units,Org,Code,filter(Id lt 20))/aggregate($count as N)",
        r#"SELECT count(*)::text "N" FROM postings t WHERE EXISTS (SELECT 1 FROM c JOIN postings o ON o."Code" = c.node
           WHERE o."Id" < 20 AND c.above = t."Code" AND d > 0)"#,
        Any,
    ),
];

const ORDERS: &[Case] = &[
    ("Units?$apply=traverse($root/Units,Org,Id,preorder,Name desc)", r#"SELECT UNIT FROM p u ORDER BY preorder"#, Counts),
    ("Units?$apply=traverse($root/Units,Org,Id,postorder,Name desc,Id)", r#"SELECT UNIT FROM p u ORDER BY postorder"#, Counts),
    (
        "Units?$apply=filter(Staff gt 4)/traverse($root/Units,Org,Id,preorder,Name desc)/skip(2)/top(5)",
        r#"SELECT UNIT FROM p u WHERE "Staff" > 4 ORDER BY preorder OFFSET 2 LIMIT 5"#,
        Counts,
    ),
    (
        "Units?$apply=traverse($root/Units,Org,Id,preorder,Name desc)&$select=Id&$expand=Parent($select=Id)&$top=7",
        r#"SELECT "Id", CASE WHEN q IS NOT NULL THEN json_build_object('Id', q) END "Parent" FROM
           (SELECT p.*, (SELECT "Id" FROM units o WHERE o."Id" = p."ParentId") q FROM p) x ORDER BY preorder LIMIT 7"#,
        Counts,
    ),
    (
        "Postings?$apply=filter(Id lt 40)/orderby(Amount desc)/traverse($root/Units,Org,Unit/Id,preorder,Name desc)&$select=Id",
        r#"SELECT t."Id"::text "Id" FROM postings t JOIN p ON p."Id" = t."UnitId" WHERE t."Id" < 40
           ORDER BY preorder, t."Amount" DESC NULLS LAST, t."Id""#,
        Counts,
    ),
    (
        "Postings?$apply=groupby((Unit/Id),aggregate($count as N))/traverse($root/Units,Org,Unit/Id,postorder,Name desc)",
        r#"SELECT json_build_object('Id', "Id", 'Name', "Name", 'ParentId', "ParentId", 'Staff', "Staff") "Unit", k::text "N" FROM p
           JOIN (SELECT "UnitId", count(*) k FROM postings GROUP BY 1) t ON t."UnitId" = p."Id" ORDER BY postorder"#,
        Counts,
    ),
    // Only some nodes: their children are roots.
    (
        "Units?$apply=traverse($root/Units,Org,Id,preorder,filter(Staff gt 9),Name desc)",
        r#", x AS (SELECT s.*, (SELECT "Id" FROM n a WHERE a."Id" = s.up AND a."Staff" > 9) top FROM s WHERE "Staff" > 9),
           y AS (SELECT x.*, ARRAY[place] way FROM x WHERE top IS NULL UNION ALL SELECT x.*, y.way || x.place FROM x JOIN y ON x.top = y."Id")
           SELECT UNIT FROM y u ORDER BY way"#,
        Counts,
    ),
];

const ROLLUPS: &[Case] = &[
    (
        "Units?$apply=groupby((rolluprecursive($root/Units,Org,Id)),aggregate($count as N,Staff with sum as S)/compute(N sub 1 as M))",
        r#"SELECT UNIT, count(*)::text "N", sum(s."Staff")::text "S", (count(*) - 1)::text "M" FROM n u JOIN c ON c.above = u."Id"
           JOIN n s ON s."Id" = c.node GROUP BY UNIT"#,
        Any,
    ),
    (
        "Postings?$apply=groupby((rolluprecursive($root/Units,Org,Unit/Id)),aggregate(Amount with sum as T,$count as K))",
        r#"SELECT json_build_object('Id', u."Id", 'Name', u."Name", 'ParentId', u."ParentId", 'Staff', u."Staff") "Unit", sum("Amount")::text "T",
           count(t."Id")::text "K" FROM n u JOIN c ON c.above = u."Id" LEFT JOIN postings t ON t."UnitId" = c.node GROUP BY UNIT"#,
        Any,
    ),
    (
        "Postings?$apply=groupby((Account,rolluprecursive($root/Units,Org,Unit/Id)),filter(Amount gt 0)/aggregate(Amount with sum as T))",
        r#"SELECT json_build_object('Id', u."Id", 'Name', u."Name", 'ParentId', u."ParentId", 'Staff', u."Staff") "Unit", "Account",
           (sum("Amount") FILTER (WHERE "Amount" > 0))::text "T" FROM n u JOIN c ON c.above = u."Id" JOIN postings t ON t."UnitId" = c.node
           GROUP BY UNIT, "Account""#,
        Any,
    ),
    (
        "Postings?$apply=groupby((rolluprecursive($root/Units,Org,Code)),aggregate(Amount with sum as T))",
        r#"SELECT u."Id"::text "Code", sum("Amount")::text "T" FROM n u JOIN c ON c.above = u."Id" LEFT JOIN postings t ON t."Code" = c.node
           GROUP BY u."Id""#,
        Any,
    ),
    // Rolled up to the nodes below one of them, in their order.
    (
        "Postings?$apply=groupby((rolluprecursive($root/Units,Org,Unit/Id,descendants($root/Units,Org,Id,filter(Name eq 'East'),keep start))),\
         aggregate(Amount with sum as T))/traverse($root/Units,Org,Unit/Id,preorder,Name desc)",
        r#", e AS (SELECT DISTINCT node FROM c JOIN n s ON s."Id" = c.above WHERE s."Name" = 'East')
           SELECT json_build_object('Id', u."Id", 'Name', u."Name", 'ParentId', u."ParentId", 'Staff', u."Staff") "Unit", sum("Amount")::text "T"
           FROM p u JOIN e ON e.node = u."Id" JOIN c ON c.above = u."Id" LEFT JOIN postings t ON t."UnitId" = c.node
           GROUP BY UNIT, preorder ORDER BY preorder"#,
        Counts,
    ),
    (
        "Units?$apply=groupby((rolluprecursive($root/Units,Org,Id)),aggregate($count as N))/filter(N gt 2)&$select=Id,N&$expand=Parent($select=Id)&$orderby=N desc,Id",
        r#"SELECT "Id", "N"::text, CASE WHEN q IS NOT NULL THEN json_build_object('Id', q) END "Parent" FROM
           (SELECT u."Id", count(*) "N", (SELECT "Id" FROM units o WHERE o."Id" = u."ParentId") q FROM n u JOIN c ON c.above = u."Id"
            GROUP BY u."Id", u."ParentId") x WHERE "N" > 2 ORDER BY x."N" DESC, "Id""#,
        Counts,
    ),
    (
        "Postings?$apply=groupby((rolluprecursive($root/Units,Org,Unit/Id)))&$orderby=Unit/Id",
        r#"SELECT json_build_object('Id', u."Id", 'Name', u."Name", 'ParentId', u."ParentId", 'Staff', u."Staff") "Unit" FROM n u
           WHERE EXISTS (SELECT 1 FROM c JOIN postings t ON t."UnitId" = c.node WHERE c.above = u."Id") ORDER BY "Id""#,
        Counts,
    ),
];

const TESTS: &[Case] = &[
    (
        "Units?$filter=Aggregation.isroot(HierarchyNodes=$root/Units,HierarchyQualifier='Org',Node=Id)",
        r#"SELECT UNIT FROM n u WHERE up IS NULL"#,
        Any,
    ),
    (
        "Units?$filter=not Aggregation.isleaf(HierarchyNodes=$root/Units,HierarchyQualifier='Org',Node=Id) and Staff gt 3",
        r#"SELECT UNIT FROM n u WHERE EXISTS (SELECT 1 FROM n o WHERE o.up = u."Id") AND "Staff" > 3"#,
        Any,
    ),
    (
        "Units?$filter=Aggregation.issibling(HierarchyNodes=$root/Units,HierarchyQualifier='Org',Node=Id,Other=7)",
        r#"SELECT UNIT FROM n u WHERE "Id" <> 7 AND up IS NOT DISTINCT FROM (SELECT up FROM n WHERE "Id" = 7)"#,
        Any,
    ),
    (
        "Units?$filter=Aggregation.isdescendant(HierarchyNodes=$root/Units,HierarchyQualifier='Org',Node=Id,Ancestor=3,MaxDistance=2)",
        r#"SELECT UNIT FROM n u WHERE EXISTS (SELECT 1 FROM c WHERE node = u."Id" AND above = 3 AND d BETWEEN 1 AND 2)"#,
        Any,
    ),
    (
        "Units?$filter=Org.OData.Aggregation.V1.isancestor(HierarchyNodes=$root/Units,HierarchyQualifier='Org',Node=Id,Descendant=11,IncludeSelf=true)",
        r#"SELECT UNIT FROM n u WHERE EXISTS (SELECT 1 FROM c WHERE above = u."Id" AND node = 11)"#,
        Any,
    ),
    // The other node differs from row to row.
    (
        "Postings?$filter=Aggregation.isdescendant(HierarchyNodes=$root/Units,HierarchyQualifier='Org',Node=UnitId,Ancestor=Code)&$select=Id",
        r#"SELECT t."Id"::text "Id" FROM postings t WHERE EXISTS (SELECT 1 FROM c WHERE node = t."UnitId" AND above = t."Code" AND d > 0)"#,
        Any,
    ),
    (
        "Units?$filter=Postings/any(t:t/Amount gt 10 and Aggregation.isleaf(HierarchyNodes=$root/Units,HierarchyQualifier='Org',Node=t/Code))",
        r#"SELECT UNIT FROM n u WHERE EXISTS (SELECT 1 FROM postings t WHERE t."UnitId" = u."Id" AND "Amount" > 10
           AND t."Code" IN (SELECT "Id" FROM n l WHERE NOT EXISTS (SELECT 1 FROM n o WHERE o.up = l."Id")))"#,
        Any,
    ),
    (
        "Units?$filter=Postings/any(t:Aggregation.isdescendant(HierarchyNodes=$root/Units,HierarchyQualifier='Org',Node=Id,Ancestor=t/Code))",
        r#"SELECT UNIT FROM n u WHERE EXISTS (SELECT 1 FROM postings t JOIN c ON c.above = t."Code" AND c.node = u."Id" AND d > 0
           WHERE t."UnitId" = u."Id")"#,
        Any,
    ),
];

async fn check(cases: &[Case]) {
    for seed in 0..4 {
        let world = World::new(seed, 5).await;
        for (request, sql, order) in cases {
            let sql = sql.replace("UNIT FROM", &format!("{UNIT} FROM")).replace("UNIT", UNIT);
            let theirs = match sql.strip_prefix("json:") {
                Some(sql) => world.sql(&format!("json:{TREE}{sql}")).await,
                None => world.sql(&format!("{TREE}{sql}")).await,
            };
            for kind in KINDS {
                let request = request.replace("$root/", &format!("$root/{kind}"));
                let ours = world.get(kind, &request).await.unwrap_or_else(|error| panic!("seed {seed}: {kind}{request}: {error}"));
                compare(&format!("seed {seed}: {kind}{request}"), *order, &ours.rows, &theirs);
            }
        }
    }
}

#[tokio::test]
async fn nodes_above_and_below() {
    check(SETS).await;
}

#[tokio::test]
async fn trees_in_groups() {
    check(GROUPS).await;
}

#[tokio::test]
async fn trees_with_collections() {
    check(NESTED).await;
}

#[tokio::test]
async fn nodes_in_their_order() {
    check(ORDERS).await;
}

#[tokio::test]
async fn sums_over_whole_branches() {
    check(ROLLUPS).await;
}

#[tokio::test]
async fn questions_of_nodes() {
    check(TESTS).await;
}

/// The nodes that a tree shows when so many levels are open, siblings by name, descending: with what the tree shows of them.
fn shown(nodes: &[Json], keep: &dyn Fn(&Json) -> bool, levels: u64, at: &[(i64, Option<u64>)]) -> Vec<Json> {
    let id = |node: &Json| node["Id"].as_i64().unwrap();
    let kept: Vec<&Json> = nodes.iter().filter(|node| keep(node)).collect();
    let parent = |node: &Json| node["ParentId"].as_i64().filter(|up| *up != id(node) && kept.iter().any(|other| id(other) == *up));
    let children = |up: Option<i64>| {
        let mut found: Vec<&Json> = kept.iter().copied().filter(|node| parent(node) == up).collect();
        found.sort_by_key(|node| (std::cmp::Reverse(node["Name"].as_str().map(str::to_owned)), id(node)));
        found
    };
    fn visit<'n>(
        node: &'n Json,
        depth: u64,
        open: Option<u64>,
        children: &dyn Fn(Option<i64>) -> Vec<&'n Json>,
        at: &[(i64, Option<u64>)],
        out: &mut Vec<Json>,
    ) {
        let id = node["Id"].as_i64().unwrap();
        let open = at.iter().find(|(other, _)| *other == id).map_or(open, |(_, levels)| *levels);
        let below = children(Some(id));
        let place = out.len();
        out.push(Json::Null);
        if open != Some(0) {
            for child in &below {
                visit(child, depth + 1, open.map(|levels| levels - 1), children, at, out);
            }
        }
        let count = out.len() - place - 1;
        let state = if below.is_empty() {
            "leaf"
        } else if count == 0 {
            "collapsed"
        } else {
            "expanded"
        };
        out[place] = json!({ "Id": id, "LimitedRank": place.to_string(), "DistanceFromRoot": depth.to_string(),
            "LimitedDescendantCount": count.to_string(), "DrillState": state });
    }
    let mut out = Vec::new();
    for root in children(None) {
        visit(root, 0, Some(levels - 1), &children, at, &mut out);
    }
    out
}

#[tokio::test]
async fn trees_as_a_tree_table_asks_for_them() {
    for seed in 0..4 {
        let world = World::new(seed, 5).await;
        let nodes = world.sql(r#"SELECT "Id", "Name", "ParentId", "Staff" FROM units"#).await;
        let all = |_: &Json| true;
        let found: Vec<i64> =
            nodes.iter().filter(|node| node["Staff"].as_i64().unwrap() > 14).map(|node| node["Id"].as_i64().unwrap()).collect();
        let is_above = |node: &Json| {
            let id = node["Id"].as_i64().unwrap();
            found.iter().any(|start| {
                let mut at = Some(*start);
                let mut steps = 0;
                while let Some(here) = at.filter(|here| *here != id && steps < 30) {
                    steps += 1;
                    at = nodes.iter().find(|node| node["Id"] == here).and_then(|node| node["ParentId"].as_i64());
                }
                at == Some(id)
            })
        };
        for kind in KINDS {
            let top = |levels: &str| {
                format!(
                    "com.sap.vocabularies.Hierarchy.v1.TopLevels(HierarchyNodes=$root/{kind}Units,HierarchyQualifier='Org',NodeProperty='Id'{levels})"
                )
            };
            let select = "&$select=Id,LimitedRank,DistanceFromRoot,LimitedDescendantCount,DrillState";
            let filtered = format!("ancestors($root/{kind}Units,Org,Id,filter(Staff gt 14),keep start)/");
            let opened = r#",Levels=2,ExpandLevels=[{"NodeID":"3","Levels":null},{"NodeID":"5","Levels":0},{"NodeID":"9","Levels":1}]"#;
            let cases = [
                (format!("orderby(Name desc)/{}", top(",Levels=1")), shown(&nodes, &all, 1, &[])),
                (format!("orderby(Name desc)/{}", top(",Levels=3")), shown(&nodes, &all, 3, &[])),
                (format!("orderby(Name desc)/{}", top("")), shown(&nodes, &all, 1_000, &[])),
                (format!("orderby(Name desc)/{}", top(opened)), shown(&nodes, &all, 2, &[(3, None), (5, Some(0)), (9, Some(1))])),
                (format!("{filtered}orderby(Name desc)/{}", top(",Levels=2")), shown(&nodes, &is_above, 2, &[])),
            ];
            for (apply, theirs) in &cases {
                let request = format!("Units?$apply={apply}{select}");
                let ours = world.get(kind, &request).await.unwrap_or_else(|error| panic!("{kind}{request}: {error}"));
                compare(&format!("seed {seed}: {kind}{request}"), Counts, &ours.rows, theirs);
                let request = format!("Units?$apply={apply}{select}&$filter=LimitedRank gt 1&$orderby=LimitedRank desc&$top=2&$count=true");
                let ours = world.get(kind, &request).await.unwrap_or_else(|error| panic!("{kind}{request}: {error}"));
                let last: Vec<Json> = theirs.iter().skip(2).rev().take(2).cloned().collect();
                compare(&format!("seed {seed}: {kind}{request}"), Counts, &ours.rows, &last);
                assert_eq!(ours.count, Some(theirs.len().saturating_sub(2) as u64));
            }
            // One node is opened: what can be opened among its children.
            for node in [1, 2, 3] {
                let request = format!(
                    "Units?$apply=descendants($root/{kind}Units,Org,Id,filter(Id eq {node}),1)/orderby(Name desc)&$select=Id,DrillState"
                );
                let ours = world.get(kind, &request).await.unwrap_or_else(|error| panic!("{kind}{request}: {error}"));
                let sql = format!(
                    r#"{TREE} SELECT "Id", CASE WHEN EXISTS (SELECT 1 FROM n o WHERE o.up = n."Id") THEN 'collapsed' ELSE 'leaf' END "DrillState"
                       FROM n WHERE up = {node} ORDER BY "Name" COLLATE "C" DESC NULLS LAST, "Id""#
                );
                compare(&format!("seed {seed}: {kind}{request}"), Counts, &ours.rows, &world.sql(&sql).await);
            }
        }
    }
}

#[tokio::test]
async fn cycles_end_in_an_error_that_names_them() {
    let world = World::new(1, 5).await;
    for kind in KINDS {
        for request in [
            "Rings?$apply=descendants($root/Rings,Org,Id,filter(Id eq 1))",
            "Rings?$apply=ancestors($root/Rings,Org,Id,filter(Id eq 4))",
            "Rings?$apply=traverse($root/Rings,Org,Id,preorder)",
            "Rings?$apply=groupby((rolluprecursive($root/Rings,Org,Id)),aggregate($count as N))",
            "Rings?$filter=Aggregation.isleaf(HierarchyNodes=$root/Rings,HierarchyQualifier='Org',Node=Id)",
        ] {
            let request = request.replace("$root/", &format!("$root/{kind}"));
            let error = world.get(kind, &request).await.err().unwrap_or_else(|| panic!("{kind}{request} was answered"));
            assert!(error.contains("the hierarchy 'Org' is none: it has a cycle, and on it the node"), "{error}");
        }
        // Without one of its nodes the ring is a line; a node that is its own parent is a root.
        let request = format!("Rings?$apply=traverse($root/{kind}Rings,Org,Id,preorder,filter(Id ne 3))");
        let ours = world.get(kind, &request).await.unwrap();
        let ids: Vec<i64> = ours.rows.iter().map(|row| row["Id"].as_i64().unwrap()).collect();
        assert_eq!(ids, [1, 2, 4], "{kind}");
    }
}

#[tokio::test]
async fn payloads_of_hierarchies_say_what_they_are() {
    let world = World::new(2, 5).await;
    let of = async |request: &str| world.get("Memory", request).await.unwrap_or_else(|error| panic!("{request}: {error}"));
    for (request, list) in [
        ("Units?$apply=traverse($root/MemoryUnits,Org,Id,preorder)", "Units"),
        ("Units?$apply=ancestors($root/MemoryUnits,Org,Id,filter(Id eq 1))&$select=Id,DrillState", "Units(Id,DrillState)"),
        ("Units?$apply=groupby((rolluprecursive($root/MemoryUnits,Org,Id)),aggregate($count as N))", "Units(*,N)"),
        ("Postings?$apply=groupby((rolluprecursive($root/MemoryUnits,Org,Code)),aggregate($count as N))", "Postings(Code,N)"),
    ] {
        assert_eq!(of(request).await.context, format!("/$metadata#Memory{list}"), "{request}");
    }
    // Nodes are entities still: they come with pages, where nothing depends on their places.
    let request = "Units?$apply=descendants($root/MemoryUnits,Org,Id,filter(Name ne 'East'),keep start)";
    let whole = of(request).await.rows;
    let (mut pages, mut position) = (Vec::new(), None);
    loop {
        let page = world.page("Memory", request, Paging { size: 4, position: position.clone() }).await.unwrap();
        pages.extend(page.rows);
        position = page.next;
        if position.is_none() {
            break;
        }
    }
    compare(request, Any, &pages, &whole);
}
