//! The test-kit's suite against a real PostgREST, and what is particular to the kind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod own;

use own::postgrest::{Database, PostgRest};
use portico_provider_api::{ScalarType, TypeClass, Value};
use portico_provider_testkit::words::POSTGRES;
use portico_provider_testkit::{Limitation, Subject, adapt, conformance, fixtures};
use serde_json::json;

fn limitations() -> Vec<Limitation> {
    vec![Limitation::Values {
        what: "the JSON value null".to_owned(),
        matches: |value| matches!(value, Value::Json(text) if text == "null"),
        reason: "PostgREST writes it as it writes NULL".to_owned(),
    }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgrest_keeps_the_contract() {
    let database = Database::create().await;
    let limitations = limitations();
    let tables = adapt(fixtures(), &limitations).unwrap();
    for table in &tables {
        for statement in POSTGRES.statements(table) {
            database.run(&statement).await;
        }
    }
    let server = PostgRest::start(&database.url).await;
    let mut resources = serde_json::Map::new();
    for table in &tables {
        // What the description does not say: digits of decimals, and the order of a key's columns.
        let decimal = |column: &&portico_provider_testkit::FixtureColumn| column.scalar_type.to_string().starts_with("decimal");
        let columns: serde_json::Map<String, serde_json::Value> = table
            .columns
            .iter()
            .filter(decimal)
            .map(|column| (column.name.clone(), json!({"type": column.scalar_type.to_string()})))
            .collect();
        resources.insert(table.name.clone(), json!({"key": table.primary_key, "columns": columns}));
    }
    let source = server
        .source(json!({"preset": "postgrest", "resources": resources, "auth": {"api_key": {"key": "s3cr3t-k3y", "header": "x-key"}}}));
    let mut subject = Subject::new(source, tables);
    subject.limitations = limitations;
    subject.secrets = vec!["s3cr3t-k3y".to_owned()];
    let summary = Box::pin(conformance(subject)).await;
    println!("{summary}");
    summary.assert_ok();
}

/// The same server, described by parameters as any other would be: what is declared of them is kept, and nothing else is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_keep_the_contract() {
    let database = Database::create().await;
    let limitations = parameter_limitations();
    let tables = adapt(fixtures(), &limitations).unwrap();
    for table in &tables {
        for statement in POSTGRES.statements(table) {
            database.run(&statement).await;
        }
    }
    let server = PostgRest::start(&database.url).await;
    let mut resources = serde_json::Map::new();
    for table in &tables {
        let mut columns = serde_json::Map::new();
        for column in &table.columns {
            let name = &column.name;
            let mut filter = serde_json::Map::new();
            let operators: &[(&str, &str)] = match TypeClass::of(column.scalar_type) {
                TypeClass::Integer
                | TypeClass::Decimal
                | TypeClass::Date
                | TypeClass::Time
                | TypeClass::Timestamp
                | TypeClass::TimestampTz => &[("eq", "eq"), ("ne", "neq"), ("lt", "lt"), ("le", "lte"), ("gt", "gt"), ("ge", "gte")],
                TypeClass::Text | TypeClass::Guid | TypeClass::Boolean => &[("eq", "eq"), ("ne", "neq")],
                TypeClass::Float | TypeClass::Binary | TypeClass::Json => &[],
            };
            for (operator, word) in operators {
                filter.insert((*operator).to_owned(), json!(format!("{name}={word}.{{value}}")));
            }
            if column.scalar_type != ScalarType::Text && operators.len() > 2 {
                filter.insert("in".to_owned(), json!(format!("{name}=in.({{values}})")));
            }
            if column.scalar_type == ScalarType::Text {
                // More is found than was asked for: letter case does not matter to this operator, and `*` is any text.
                filter.insert("starts_with".to_owned(), json!({"send": format!("{name}=ilike.{{value}}*"), "exact": false}));
            }
            filter.insert("is_null".to_owned(), json!(format!("{name}=is.null")));
            let sorted = !matches!(TypeClass::of(column.scalar_type), TypeClass::Json | TypeClass::Text | TypeClass::Binary);
            columns.insert(
                name.clone(),
                json!({"type": column.scalar_type.to_string(), "nullable": column.nullable, "max_length": column.max_length, "filter": filter, "repeatable": true, "sort": sorted}),
            );
        }
        let mut resource = json!({
                "path": format!("/{}", table.name), "key": table.primary_key, "columns": columns,
                "query": {"and": format!("({}.not.is.null)", table.primary_key[0])},
                "sort": {"parameter": "order", "ascending": "{column}.asc.nullslast", "descending": "{column}.desc.nullsfirst"},
                "select": {"parameter": "select"},
                "paging": {"by": "offset", "parameter": "offset", "size": 7_000, "size_parameter": "limit"},
        });
        if table.name == "write_parent" {
            resource["write"] = json!({
                "insert": {"path": "/write_parent", "headers": {"Prefer": "return=representation"}, "row": "/0"},
                "upsert": {"path": "/write_parent", "method": "POST", "row": "$[0]", "query": {"on_conflict": "id"},
                    "headers": {"Prefer": "resolution=merge-duplicates,return=representation"}},
            });
        }
        resources.insert(table.name.clone(), resource);
    }
    let source = server.source(json!({"nulls": "highest", "resources": resources}));
    let written = |table: &&portico_provider_testkit::FixtureTable| table.name == "write_parent";
    let mut limitations = limitations;
    limitations.extend(tables.iter().filter(|table| !written(table)).map(|table| Limitation::ReadOnly {
        table: table.name.clone(),
        reason: "no writes are declared of it in this configuration".to_owned(),
    }));
    let mut subject = Subject::new(source, tables);
    subject.limitations = limitations;
    let summary = Box::pin(conformance(subject)).await;
    println!("{summary}");
    summary.assert_ok();
}

fn parameter_limitations() -> Vec<Limitation> {
    let mut limitations = limitations();
    limitations.push(Limitation::Table {
        table: "Odd \"Names\"".to_owned(),
        reason: "its names need quotes in the server's parameters".to_owned(),
    });
    limitations
        .push(Limitation::Table { table: "edge_binary".to_owned(), reason: "the server writes bytes in a form of its own".to_owned() });
    limitations.push(Limitation::Column {
        table: "mixed".to_owned(),
        column: "payload".to_owned(),
        reason: "the server writes bytes in a form of its own".to_owned(),
    });
    limitations.push(Limitation::ForeignKeys { reason: "references are not declared in this configuration".to_owned() });
    limitations
}
