//! The model built from definitions and remote schemas: what is inferred, what is overridden, and every mistake that is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what the tests share is a part of them")]

use expect_test::expect;
use portico_catalog::{Model, ModelDefinition, ModelError, Origin, Report, build};
use portico_provider_api::{
    Capabilities, Codec, ForeignKey, RemoteColumn, RemoteSchema, RemoteTable, RemoteTableName, ScalarType, TableColumn,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

fn column(name: &str, scalar_type: &str, nullable: bool) -> RemoteColumn {
    RemoteColumn::plain(name, scalar_type.parse().unwrap(), nullable)
}

/// `"id int64, name text?"`: a question mark is for nullable.
fn table(name: &str, columns: &str, key: &[&str]) -> RemoteTable {
    let columns = columns.split(", ").map(|text| {
        let (name, scalar_type) = text.rsplit_once(' ').unwrap();
        column(name, scalar_type.trim_end_matches('?'), scalar_type.ends_with('?'))
    });
    RemoteTable::plain(RemoteTableName::parse(name), columns.collect(), key)
}

fn refers(mut table: RemoteTable, columns: &[&str], to: &str, referenced: &[&str]) -> RemoteTable {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    table.foreign_keys.push(ForeignKey {
        name: format!("{}_{}_fkey", table.name.table(), columns.join("_")),
        columns: own(columns),
        references: RemoteTableName::parse(to),
        referenced_columns: own(referenced),
    });
    table
}

fn schema(version: &str, tables: Vec<RemoteTable>) -> RemoteSchema {
    let mut capabilities = Capabilities::default();
    capabilities.write.update = true;
    capabilities.write.unchanged = true;
    RemoteSchema { version: version.to_owned(), tables, operations: Vec::new(), capabilities, ..RemoteSchema::default() }
}

/// Two sources: a shop with orders, and a small directory of people who are each other's managers.
fn schemas() -> BTreeMap<String, RemoteSchema> {
    let mut customers = table("public.customers", "id int64, name text, tax no text?, since text?, limit decimal(38,18)?", &["id"]);
    customers.row_version = Some(RemoteColumn { native_type: "xid".to_owned(), ..RemoteColumn::plain("xmin", ScalarType::Int64, false) });
    let mut profiles =
        refers(table("public.profiles", "customer_id int64, note text?", &[]), &["customer_id"], "public.customers", &["id"]);
    profiles.unique_keys.push(vec!["customer_id".to_owned()]);
    let orders = table("public.orders", "id int64, customer_id int64, payer_id int64?, total float64", &["id"]);
    let orders = refers(orders, &["customer_id"], "public.customers", &["id"]);
    let orders = refers(orders, &["payer_id"], "public.customers", &["id"]);
    let lines = table("public.lines", "order_id int64, no int32, product text", &["order_id", "no"]);
    let lines = refers(lines, &["order_id"], "public.orders", &["id"]);
    let people = refers(table("people", "code text, boss text?", &["code"]), &["boss"], "people", &["code"]);
    let mut flags = table("flags", "code text, active text", &[]);
    flags.columns[1].codec = Some(Codec::BoolText);
    flags.columns[1].scalar_type = ScalarType::Boolean;
    BTreeMap::from([
        ("shop".to_owned(), schema("s1", vec![customers, profiles, orders, lines])),
        ("directory".to_owned(), schema("d1", vec![people, flags])),
    ])
}

fn definition(value: Value) -> ModelDefinition {
    let part = |key: &str| value.get(key).cloned().unwrap_or_else(|| json!({}));
    ModelDefinition {
        sources: value
            .get("sources")
            .map_or_else(|| vec!["shop".to_owned(), "directory".to_owned()], |sources| serde_json::from_value(sources.clone()).unwrap()),
        tables: serde_json::from_value(part("tables")).unwrap(),
        services: serde_json::from_value(part("services")).unwrap(),
        enums: serde_json::from_value(part("enums")).unwrap(),
        operations: serde_json::from_value(part("operations")).unwrap(),
    }
}

/// Knows one form of SQL: `SELECT column, … FROM table`.
fn describe(model: &Model, sql: &str) -> Result<Vec<TableColumn>, String> {
    let (columns, from) = sql.strip_prefix("SELECT ").and_then(|rest| rest.split_once(" FROM ")).ok_or("not a SELECT")?;
    let table = model.table(from.trim()).ok_or_else(|| format!("there is no table {from}"))?;
    let find = |name: &str| table.column(name).ok_or_else(|| format!("there is no column {name}"));
    columns
        .split(", ")
        .map(|text| {
            let (name, alias) = text.split_once(" AS ").unwrap_or((text, text));
            let index = find(name)?;
            Ok(TableColumn::computed(alias, table.columns[index].scalar_type, table.columns[index].nullable))
        })
        .collect()
}

fn model(value: Value) -> (Model, Report) {
    build(&definition(value), &schemas(), &describe).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn errors(value: Value) -> Vec<ModelError> {
    build(&definition(value), &schemas(), &describe).err().unwrap_or_default()
}

/// A model as text, one line per thing.
fn print((model, report): &(Model, Report)) -> String {
    let mut text = String::new();
    for table in model.tables.values() {
        let key: Vec<&str> = table.key.iter().map(|index| table.columns[*index].name.as_str()).collect();
        writeln!(text, "{} key({})", table.name, key.join(", ")).unwrap();
        if let Origin::Single { source, relation, window, version, writing } = &table.origin {
            let columns: Vec<&str> = relation.columns.iter().map(|column| column.name.as_str()).collect();
            write!(text, "  = {source} {}({})", relation.table, columns.join(", ")).unwrap();
            write!(text, "{}", window.as_ref().map(|window| format!(" where {window}")).unwrap_or_default()).unwrap();
            write!(text, "{}", version.map(|index| format!(" version {}", columns[index])).unwrap_or_default()).unwrap();
            writeln!(text, "{}", if writing.any() { " writable" } else { "" }).unwrap();
        }
        for column in &table.columns {
            let null = if column.nullable { "?" } else { "" };
            let original = column.original_name.as_ref().map(|name| format!(" = {name}")).unwrap_or_default();
            writeln!(text, "  {}: {}{null}{original}", column.name, column.scalar_type).unwrap();
        }
        for link in &table.relationships {
            let target = &model.tables[&link.to];
            let on: Vec<String> =
                link.on.iter().map(|(left, right)| format!("{} = {}", table.columns[*left].name, target.columns[*right].name)).collect();
            let many = if link.many { "*" } else { "1" };
            let partner = link.partner.as_ref().map(|name| format!(" ⇄ {name}")).unwrap_or_default();
            writeln!(text, "  → {} {}{many} ({}){partner}", link.name, link.to, on.join(", ")).unwrap();
        }
    }
    for service in model.services.values() {
        let tables: Vec<String> =
            service.tables.iter().map(|(name, table)| if name == table { name.clone() } else { format!("{name}={table}") }).collect();
        writeln!(text, "service {} {} [{}]", service.name, service.path, tables.join(", ")).unwrap();
    }
    for note in &report.notes {
        writeln!(text, "note: {note}").unwrap();
    }
    text
}

#[test]
fn without_definitions_everything_is_published_as_it_is() {
    expect![[r#"
        customers key(id)
          = shop public.customers(id, name, tax no, since, limit) writable
          id: int64
          name: text
          tax_no: text? = tax no
          since: text?
          limit: decimal(38,18)?
          → profiles profiles1 (id = customer_id) ⇄ customers
          → orders_by_customer_id orders* (id = customer_id) ⇄ customers_by_customer_id
          → orders_by_payer_id orders* (id = payer_id) ⇄ customers_by_payer_id
        profiles key(customer_id)
          = shop public.profiles(customer_id, note) writable
          customer_id: int64
          note: text?
          → customers customers1 (customer_id = id) ⇄ profiles
        orders key(id)
          = shop public.orders(id, customer_id, payer_id, total) writable
          id: int64
          customer_id: int64
          payer_id: int64?
          total: float64
          → customers_by_customer_id customers1 (customer_id = id) ⇄ orders_by_customer_id
          → customers_by_payer_id customers1 (payer_id = id) ⇄ orders_by_payer_id
          → lines lines* (id = order_id) ⇄ orders
        lines key(order_id, no)
          = shop public.lines(order_id, no, product) writable
          order_id: int64
          no: int32
          product: text
          → orders orders1 (order_id = id) ⇄ lines
        people key(code)
          = directory people(code, boss) writable
          code: text
          boss: text?
          → people people1 (boss = code) ⇄ people_by_boss
          → people_by_boss people* (code = boss) ⇄ people
        flags key()
          = directory flags(code, active) writable
          code: text
          active: boolean
        service odata /odata [customers, profiles, orders, lines, people, flags]
        note: column 'tax no' of customers is published as 'tax_no', because OData cannot carry its name
        note: flags has no key: it is served in SQL only; name one with `key`
    "#]]
    .assert_eq(&print(&model(json!({}))));
}

#[test]
fn definitions_override_what_is_inferred() {
    let built = model(json!({
        "tables": {
            "Revenue": { "sql": "SELECT Buyer, Total FROM OrderFacts", "key": ["Buyer"] },
            "Customers": {
                "source": "shop", "remote": "customers",
                "columns": {
                    "Id": { "remote": "id", "read_only": true },
                    "Since": { "remote": "since", "codec": "sap_date" },
                    "Limit": { "remote": "limit", "type": "decimal(13,2)", "nullable": false },
                },
                "where": "name <> ''", "version": "xmin", "freshness": "5m",
                "relationships": { "Bought": { "to": "Orders", "on": { "Id": "customer_id" }, "many": true } },
            },
            "OrderFacts": { "sql": "SELECT customer_id AS Buyer, total AS Total FROM Orders" },
            "Orders": { "source": "shop", "remote": "public.orders", "columns": { "Number": { "remote": "id" }, "*": {} }, "version": "id" },
        },
        "services": {
            "crm": { "path": "/odata/crm", "profile": "dataverse", "tables": [{ "Accounts": "Customers" }, "Orders"] },
            "all": { "path": "/all" },
        },
    }));
    expect![[r#"
        Revenue key(Buyer)
          Buyer: int64
          Total: float64
        Customers key(Id)
          = shop public.customers(id, since, limit, name, tax no, xmin) where name <> '' version xmin writable
          Id: int64 = id
          Since: date? = since
          Limit: decimal(13,2) = limit
          → Bought Orders* (Id = customer_id) ⇄ Customers_by_customer_id
          → Orders_by_payer_id Orders* (Id = payer_id) ⇄ Customers_by_payer_id
        OrderFacts key()
          Buyer: int64
          Total: float64
        Orders key(Number)
          = shop public.orders(id, customer_id, payer_id, total) version id writable
          Number: int64 = id
          customer_id: int64
          payer_id: int64?
          total: float64
          → Customers_by_customer_id Customers1 (customer_id = Id) ⇄ Bought
          → Customers_by_payer_id Customers1 (payer_id = Id) ⇄ Orders_by_payer_id
        people key(code)
          = directory people(code, boss) writable
          code: text
          boss: text?
          → people people1 (boss = code) ⇄ people_by_boss
          → people_by_boss people* (code = boss) ⇄ people
        flags key()
          = directory flags(code, active) writable
          code: text
          active: boolean
        service crm /odata/crm [Accounts=Customers, Orders]
        service all /all [Revenue, Customers, OrderFacts, Orders, people, flags]
        note: flags has no key: it is served in SQL only; name one with `key`
        note: OrderFacts has no key: it is served in SQL only; name one with `key`
    "#]]
    .assert_eq(&print(&built));
    let customers = built.0.table("Customers").unwrap();
    assert_eq!(customers.freshness.as_secs(), 300);
    assert!(customers.columns[0].read_only);
    let Origin::Single { relation, .. } = &customers.origin else { panic!("a view") };
    assert_eq!(relation.columns[1].codec, Some(Codec::SapDate));
    assert!(relation.columns[1].nullable, "an empty SAP date is null whatever the column says");
    assert_eq!(relation.columns[5].native_type.as_deref(), Some("xid"));
    assert_eq!(relation.columns[5].scalar_type, ScalarType::Int64);
}

#[test]
fn a_source_that_is_down_takes_only_what_needs_it() {
    let definition = definition(json!({
        "sources": ["shop", "directory", "erp", "archive"],
        "tables": {
            "Parts": { "source": "erp" },
            "PartNames": { "sql": "SELECT Name FROM Parts" },
            "Short": { "sql": "SELECT Name FROM PartNames" },
            "orders": { "source": "shop", "relationships": { "Part": { "to": "Parts", "on": { "id": "id" } } } },
        },
        "services": { "a": { "path": "/a", "tables": ["orders", "Parts"] } },
    }));
    let (model, report) = build(&definition, &schemas(), &describe).unwrap();
    let tables: Vec<&str> = model.tables.keys().map(String::as_str).collect();
    assert_eq!(tables, ["orders", "people", "flags"]);
    assert!(model.tables["orders"].relationships.is_empty());
    expect![[r#"
        Parts is left out: nothing is known of source 'erp'
        the tables of source 'archive' are left out: nothing is known of it
        PartNames is left out: it needs Parts, which is left out
        Short is left out: it needs PartNames, which is left out
        the relationship orders.Part is left out: Parts is left out
        Parts is left out of a service, because it is left out of the model
        flags has no key: it is served in SQL only; name one with `key`"#]]
    .assert_eq(&report.notes.join("\n"));
}

#[test]
fn the_version_follows_definitions_and_schemas() {
    let base = model(json!({})).0.version;
    assert_eq!(base.len(), 64);
    assert_eq!(base, model(json!({})).0.version);
    let other = model(json!({ "tables": { "people": { "source": "directory", "freshness": "1s" } } })).0.version;
    assert_ne!(base, other);
    let mut changed = schemas();
    changed.get_mut("shop").unwrap().version = "s2".to_owned();
    assert_ne!(base, build(&definition(json!({})), &changed, &describe).unwrap().0.version);
}

#[test]
fn a_name_that_cannot_be_carried_is_sanitised_and_collisions_are_refused() {
    let tables = vec![table("a b", "x y int64, x-y int64, X_Y int64", &["x y"])];
    let schemas = BTreeMap::from([("s".to_owned(), schema("1", tables))]);
    let definition = definition(json!({ "sources": ["s"] }));
    let messages: Vec<String> = build(&definition, &schemas, &describe).unwrap_err().iter().map(ToString::to_string).collect();
    expect![[r#"
        sources.s.columns: columns 'x y' and 'x-y' would both be published as 'x_y': rename one under `columns`
        sources.s.columns: columns 'x-y' and 'X_Y' would be published as 'x_y' and 'X_Y', which differ only by letter case: rename one under `columns`"#]].assert_eq(&messages.join("\n"));
}

#[test]
fn two_sources_must_not_publish_one_name() {
    let one = || schema("1", vec![table("orders", "id int64", &["id"])]);
    let schemas = BTreeMap::from([("a".to_owned(), one()), ("b".to_owned(), one())]);
    let messages: Vec<String> =
        build(&definition(json!({ "sources": ["a", "b"] })), &schemas, &describe).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "sources.b: 'orders' of source 'b' and 'orders' ('orders' of source 'a') would both be published as 'orders': give one another name under `tables`"
        ]
    );
    let renamed = json!({ "sources": ["a", "b"], "tables": { "old_orders": { "source": "b", "remote": "orders" } } });
    let (model, _) = build(&definition(renamed), &schemas, &describe).unwrap();
    assert_eq!(model.tables.keys().collect::<Vec<_>>(), ["old_orders", "orders"]);
}

#[test]
fn all_mistakes_are_found_at_once() {
    let found = errors(json!({
        "tables": { "A": { "source": "shpo" }, "B": { "sql": "SELECT nothing" }, "C": { "source": "shop", "remote": "ordres" } },
        "services": { "s": { "path": "odata" } },
    }));
    let paths: Vec<String> = found.iter().map(|error| error.path.join(".")).collect();
    assert_eq!(paths, ["tables.A.source", "tables.C.remote", "tables.B.sql", "services.s.path"]);
}

/// One mistake each: definitions, the path of its only error, and what the message says.
#[test]
fn every_mistake_is_refused_with_its_place() {
    let orders = |more: Value| {
        let mut table = json!({ "source": "shop", "remote": "public.orders" });
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "tables": { "Orders": table } })
    };
    let link = |more: Value| {
        let mut value = orders(json!({ "relationships": { "Buyer": more } }));
        value["tables"]["Customers"] = json!({ "source": "shop", "remote": "customers" });
        value
    };
    let service = |more: Value| json!({ "services": { "s": more } });
    let view = |more: Value| {
        let mut table = json!({ "sql": "SELECT code, boss FROM people" });
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "tables": { "V": table } })
    };
    let cases: Vec<(Value, &str, &str)> = vec![
        (json!({ "tables": { "A": {} } }), "tables.A", "needs `source`"),
        (json!({ "tables": { "A": { "source": "shpo" } } }), "tables.A.source", "did you mean 'shop'?"),
        (json!({ "tables": { "A": { "source": "shop", "remote": "order" } } }), "tables.A.remote", "did you mean 'orders'?"),
        (json!({ "tables": { "ordes": { "source": "shop" } } }), "tables.ordes", "did you mean 'orders'?"),
        (json!({ "tables": { "a b": { "source": "shop", "remote": "orders" } } }), "tables.a b", "did you mean 'a_b'?"),
        (
            json!({ "tables": { "orders": { "source": "shop" }, "Orders": { "source": "shop", "remote": "orders" } } }),
            "tables.Orders",
            "differs from 'orders' only by letter case",
        ),
        (orders(json!({ "key": [] })), "tables.Orders.key", "at least one column"),
        (orders(json!({ "key": ["ID"] })), "tables.Orders.key", "did you mean 'id'?"),
        (orders(json!({ "key": ["id", "id"] })), "tables.Orders.key", "stands twice"),
        (orders(json!({ "key": ["total"] })), "tables.Orders.key", "float64"),
        (orders(json!({ "columns": {} })), "tables.Orders.columns", "no column is published"),
        (orders(json!({ "columns": { "*": { "read_only": true } } })), "tables.Orders.columns.*", "takes no settings"),
        (orders(json!({ "columns": { "totl": {} } })), "tables.Orders.columns.totl", "did you mean 'total'?"),
        (orders(json!({ "columns": { "Total": { "remote": "totl" } } })), "tables.Orders.columns.Total.remote", "did you mean 'total'?"),
        (orders(json!({ "columns": { "a-b": { "remote": "id" } } })), "tables.Orders.columns.a-b", "did you mean 'a_b'?"),
        (orders(json!({ "columns": { "A": { "remote": "id" }, "B": { "remote": "id" } } })), "tables.Orders.columns.B", "as 'A' already"),
        (orders(json!({ "columns": { "ID": { "remote": "total" }, "id": {} } })), "tables.Orders.columns", "differ only by letter case"),
        (orders(json!({ "columns": { "id": { "type": "int" } } })), "tables.Orders.columns.id.type", "'int' is not a type"),
        (orders(json!({ "columns": { "id": { "type": "date" } } })), "tables.Orders.columns.id.type", "`codec: date_days`"),
        (orders(json!({ "columns": { "id": { "codec": "date_text" } } })), "tables.Orders.columns.id.codec", "does not fit"),
        (orders(json!({ "columns": { "id": { "max_length": 3 } } })), "tables.Orders.columns.id.max_length", "only text and binary"),
        (orders(json!({ "version": "xmin" })), "tables.Orders.version", "no column 'xmin'"),
        (orders(json!({ "version": "total" })), "tables.Orders.version", "float64"),
        (
            orders(json!({ "columns": { "Number": { "remote": "id" } }, "version": "Number" })),
            "tables.Orders.version",
            "did you mean 'id'?",
        ),
        (link(json!({ "to": "Customer", "on": { "id": "id" } })), "tables.Orders.relationships.Buyer.to", "did you mean 'Customers'?"),
        (link(json!({ "to": "Customers", "on": {} })), "tables.Orders.relationships.Buyer.on", "at least one pair"),
        (link(json!({ "to": "Customers", "on": { "idd": "id" } })), "tables.Orders.relationships.Buyer.on.idd", "did you mean 'id'?"),
        (link(json!({ "to": "Customers", "on": { "id": "Id" } })), "tables.Orders.relationships.Buyer.on.id", "did you mean 'id'?"),
        (link(json!({ "to": "Customers", "on": { "id": "name" } })), "tables.Orders.relationships.Buyer.on.id", "cannot be equal"),
        (
            orders(json!({ "relationships": { "Total": { "to": "Orders", "on": { "id": "id" } } } })),
            "tables.Orders.relationships.Total",
            "has a column named 'total' already",
        ),
        (
            orders(json!({ "relationships": { "a b": { "to": "Orders", "on": { "id": "id" } } } })),
            "tables.Orders.relationships.a b",
            "did you mean 'a_b'?",
        ),
        (view(json!({ "source": "shop" })), "tables.V.source", "no meaning beside `sql`"),
        (view(json!({ "where": "1 = 1" })), "tables.V.where", "no meaning beside `sql`"),
        (view(json!({ "version": "code" })), "tables.V.version", "no meaning beside `sql`"),
        (view(json!({ "key": ["cod"] })), "tables.V.key", "did you mean 'code'?"),
        (view(json!({ "sql": "SELECT code FROM peple" })), "tables.V.sql", "there is no table peple"),
        (view(json!({ "sql": "SELECT code AS a(b) FROM people" })), "tables.V.sql", "write `AS a_b_`"),
        (view(json!({ "sql": "SELECT code, boss AS CODE FROM people" })), "tables.V.sql", "differ only by letter case"),
        (view(json!({ "sql": "SELECT x FROM V" })), "tables.V.sql", "V → V"),
        (
            json!({ "tables": { "V": { "sql": "SELECT x FROM W" }, "W": { "sql": "SELECT x FROM V" } } }),
            "tables.V.sql",
            "in a circle: V → W → V",
        ),
        (
            json!({ "tables": { "V": { "sql": "SELECT x FROM W" }, "W": { "sql": "SELECT x FROM nowhere" } } }),
            "tables.W.sql",
            "there is no table nowhere",
        ),
        (
            json!({ "tables": { "people": { "sql": "SELECT code FROM flags" } } }),
            "sources.directory",
            "would both be published as 'people'",
        ),
        (service(json!({ "path": "odata" })), "services.s.path", "did you mean '/odata'?"),
        (service(json!({ "path": "/odata/" })), "services.s.path", "did you mean '/odata'?"),
        (service(json!({ "path": "/" })), "services.s.path", "other paths would be hidden"),
        (service(json!({ "path": "/a//b" })), "services.s.path", "empty or dotted"),
        (service(json!({ "path": "/a/../b" })), "services.s.path", "empty or dotted"),
        (service(json!({ "path": "/a b" })), "services.s.path", "the character ' '"),
        (service(json!({ "path": "/sql/x" })), "services.s.path", "hidden by '/sql'"),
        (service(json!({ "path": "/a", "tables": [] })), "services.s.tables", "at least one table"),
        (service(json!({ "path": "/a", "tables": ["Lines"] })), "services.s.tables.0", "did you mean 'lines'?"),
        (service(json!({ "path": "/a", "tables": ["lines", "lines"] })), "services.s.tables.1", "stands twice"),
        (service(json!({ "path": "/a", "tables": ["lines", { "Lines": "orders" }] })), "services.s.tables.1", "only by letter case"),
        (service(json!({ "path": "/a", "tables": ["lines", { "L": "lines" }] })), "services.s.tables.1", "as 'lines' already"),
        (service(json!({ "path": "/a", "tables": [{ "A": "lines", "B": "orders" }] })), "services.s.tables.0", "one name"),
        (service(json!({ "path": "/a", "tables": [{ "A B": "lines" }] })), "services.s.tables.0", "did you mean 'A_B'?"),
        (json!({ "services": { "a b": { "path": "/a" } } }), "services.a b", "did you mean 'a_b'?"),
        (json!({ "services": { "public": { "path": "/a" } } }), "services.public", "schema in SQL already"),
        (json!({ "services": { "a": { "path": "/a" }, "A": { "path": "/b" } } }), "services.A", "only by letter case"),
        (json!({ "services": { "a": { "path": "/a" }, "b": { "path": "/a" } } }), "services.b.path", "of service 'a' already"),
        (json!({ "services": { "a": { "path": "/a" }, "b": { "path": "/a/lines" } } }), "services.b.path", "hides lines of service 'a'"),
    ];
    for (value, path, part) in cases {
        let found = errors(value.clone());
        assert_eq!(found.len(), 1, "{value} gave {found:#?}");
        assert_eq!(found[0].path.join("."), path, "{value}: {}", found[0]);
        assert!(found[0].to_string().contains(part), "{value}: {}", found[0]);
    }
}

#[test]
fn a_profile_does_not_take_a_name_that_is_taken() {
    let messages = |value: Value| errors(value).iter().map(ToString::to_string).collect::<Vec<_>>();
    let service = |tables: Value| json!({ "services": { "crm": { "path": "/crm", "profile": "dataverse", "tables": tables } } });
    assert_eq!(messages(service(json!(["customers", "orders", "lines"]))), Vec::<String>::new());
    // `flags` would get the column's name for its key; the same table under another name does not.
    let flags =
        json!({ "flags": { "source": "directory", "columns": { "code": {}, "FLAGSKEY": { "remote": "active" } }, "key": ["code"] } });
    let with = |tables: Value| json!({ "tables": flags, "services": service(tables)["services"] });
    assert_eq!(
        messages(with(json!(["flags"]))),
        [
            "services.crm.tables.flags: the profile dataverse gives 'flags' the property 'flagsKey' for its key, but that name is taken by the column 'FLAGSKEY': call the table in the service, or that other one, something else"
        ]
    );
    assert_eq!(messages(with(json!([{ "Persons": "flags" }]))), Vec::<String>::new());
    let mut standard = with(json!(["flags"]));
    standard["services"]["crm"]["profile"] = json!("standard");
    assert_eq!(messages(standard), Vec::<String>::new());
    // A relationship's key takes the name of another relationship.
    let orders = json!({ "orders": { "source": "shop", "remote": "public.orders", "relationships": {
        "Payer": { "to": "customers", "on": { "payer_id": "id" } },
        "payerkey": { "to": "customers", "on": { "customer_id": "id" } } } },
        "customers": { "source": "shop", "remote": "public.customers" } });
    let value = json!({ "tables": orders, "services": service(json!(["orders", "customers"]))["services"] });
    let found = messages(value);
    assert!(found.len() == 1 && found[0].contains("'PayerKey'") && found[0].contains("the relationship 'payerkey'"), "{found:?}");
}

#[test]
fn a_version_that_nothing_compares_while_a_row_is_written_is_told_of() {
    let notes = |customers: Value| {
        let tables = json!({ "Customers": customers, "People": { "source": "directory", "remote": "people" } });
        let mut schemas = schemas();
        schemas.values_mut().for_each(|schema| schema.capabilities.write.unchanged = false);
        let (_, report) = build(&definition(json!({ "tables": tables })), &schemas, &describe).unwrap();
        report.notes.into_iter().filter(|note| note.contains("version")).collect::<Vec<_>>()
    };
    let customers = |more: Value| {
        let mut table = json!({ "source": "shop", "remote": "public.customers" });
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        table
    };
    let told = notes(customers(json!({ "version": "since" })));
    assert!(
        matches!(told.as_slice(), [note] if note.starts_with("Customers: its source does not compare the version 'since'")),
        "{told:?}"
    );
    assert!(notes(customers(json!({}))).is_empty());
    assert!(notes(customers(json!({ "version": "since", "writes": { "check_first": true } }))).is_empty());
}
