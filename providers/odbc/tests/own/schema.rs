//! What introspection says of tables, views, keys and schemas that the test-kit does not have.

use super::database::{Database, Product, connect, introspect};
use portico_provider_api::{QueryContext, RemoteTableName, Selection};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_named_schemas_are_published() {
    let database = Database::create(Product::Postgres);
    database.run("CREATE SCHEMA crm");
    database.run("CREATE SCHEMA other");
    database.run("CREATE TABLE crm.\"a_b%\" (id int PRIMARY KEY)");
    database.run("CREATE TABLE crm.axb (x int)");
    database.run("CREATE TABLE other.axb (y int)");
    let names = |settings| async move {
        let schema = connect(settings, 1).unwrap().remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
        schema.tables.into_iter().map(|table| (table.name.to_string(), table.columns.len())).collect::<Vec<_>>()
    };
    let mut settings = database.settings();
    settings["schemas"] = serde_json::json!(["crm"]);
    let own = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1)).collect::<Vec<_>>();
    assert_eq!(names(settings).await, own(&["crm.a_b%", "crm.axb"]));
    assert_eq!(names(database.settings()).await, own(&["crm.a_b%", "crm.axb", "other.axb"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_defaults_and_computed_columns_are_known() {
    for product in [Product::Postgres, Product::Mariadb, Product::Sqlite] {
        let database = Database::create(product);
        database.run("CREATE TABLE base (id int PRIMARY KEY, a int DEFAULT 5, b int GENERATED ALWAYS AS (a + 1) STORED, c int NOT NULL)");
        database.run("CREATE VIEW seen AS SELECT id, a FROM base");
        let source = database.source(1);
        let base = introspect(&source, "base").await;
        let names: Vec<_> = base.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["id", "a", "b", "c"], "{product:?}");
        let of = |name: &str| base.column(name).map(|column| (column.nullable, column.has_default, column.generated)).unwrap();
        assert_eq!(of("a"), (true, true, false), "{product:?}");
        assert!(of("b").2, "{product:?}");
        assert_eq!(of("c"), (false, false, false), "{product:?}");
        assert_eq!(base.primary_key, ["id"], "{product:?}");
        let seen = introspect(&source, "seen").await;
        assert_eq!((seen.columns.len(), seen.primary_key.len()), (2, 0), "{product:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_over_several_columns_keep_their_order() {
    for product in [Product::Postgres, Product::Mariadb, Product::Sqlite] {
        let database = Database::create(product);
        database.run("CREATE TABLE parent (x int NOT NULL, y int NOT NULL, PRIMARY KEY (y, x))");
        database.run(
            "CREATE TABLE child (id int PRIMARY KEY, b int, a int, c int, FOREIGN KEY (a, b) REFERENCES parent (y, x), \
                FOREIGN KEY (c, b) REFERENCES parent (y, x), FOREIGN KEY (c) REFERENCES child (id))",
        );
        let source = database.source(1);
        assert_eq!(introspect(&source, "parent").await.primary_key, ["y", "x"], "{product:?}");
        let mut found: Vec<_> = introspect(&source, "child")
            .await
            .foreign_keys
            .into_iter()
            .map(|key| (key.columns.join(","), key.references, key.referenced_columns.join(",")))
            .collect();
        found.sort();
        let to = |table| RemoteTableName(database.path(table));
        let wanted = [("a,b", to("parent"), "y,x"), ("c", to("child"), "id"), ("c,b", to("parent"), "y,x")];
        assert_eq!(found, wanted.map(|(from, to, keys)| (from.to_owned(), to, keys.to_owned())), "{product:?}");
    }
}
