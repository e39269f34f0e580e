//! Operations of sources: which one a definition means, what it is given, and every mistake that is refused at the start.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what the tests share is a part of them")]

use portico_catalog::overlay::SourceBody;
use portico_catalog::{Model, ModelDefinition, ModelError, Report, build};
use portico_provider_api::{
    Capabilities, RemoteColumn, RemoteOperation, RemoteParameter, RemoteResult, RemoteSchema, RemoteTable, RemoteTableName, ScalarType,
    TableColumn,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `"id int32, by decimal(38,18)?"`: a question mark is for what may be left out.
fn parameters(text: &str) -> Vec<RemoteParameter> {
    let one = |text: &str| {
        let (name, scalar_type) = text.rsplit_once(' ').unwrap();
        let (name, native_type) = (name.to_owned(), scalar_type.trim_end_matches('?').to_owned());
        RemoteParameter { name, scalar_type: native_type.parse().unwrap(), native_type, optional: scalar_type.ends_with('?') }
    };
    text.split(", ").filter(|part| !part.is_empty()).map(one).collect()
}

/// `"total decimal(38,18)"`; with an asterisk at the end any number of rows.
fn operation(name: &str, given: &str, result: &str, changes: bool) -> RemoteOperation {
    let parameters = parameters(given);
    let types: Vec<&str> = parameters.iter().map(|parameter| parameter.native_type.as_str()).collect();
    let columns = self::parameters(result.trim_end_matches('*')).into_iter();
    let columns: Vec<_> = columns.map(|column| TableColumn::computed(column.name, column.scalar_type, true)).collect();
    let result = (!columns.is_empty()).then(|| RemoteResult { many: result.ends_with('*'), composite: columns.len() > 1, columns });
    let signature = format!("main.{name}({})", types.join(", "));
    let name = RemoteTableName(vec!["main".to_owned(), name.to_owned()]);
    RemoteOperation { name, signature, description: None, procedure: false, parameters, result, changes, unavailable: None }
}

fn schemas() -> BTreeMap<String, RemoteSchema> {
    let column = |name: &str, scalar_type| RemoteColumn::plain(name, scalar_type, false);
    let orders = vec![column("id", ScalarType::Int32), column("note", ScalarType::Text)];
    let table = |name: &str| RemoteTable::plain(RemoteTableName::parse(name), orders.clone(), &["id"]);
    let broken = RemoteOperation { unavailable: Some("its parameter 'x' is xml".to_owned()), ..operation("broken", "", "", true) };
    let schema = |tables, operations| RemoteSchema {
        version: "1".to_owned(),
        tables,
        operations,
        capabilities: Capabilities::default(),
        ..RemoteSchema::default()
    };
    let operations = vec![
        operation("total", "lowest decimal(38,18)?", "total decimal(38,18)", false),
        operation("price", "id int32", "price text", false),
        operation("price", "id text", "price text", false),
        operation("price", "id int32, by int32", "price text", false),
        operation("listed", "", "id int32, note text, extra json*", false),
        operation("ship", "order_id int32, how text?", "id int32, note text", true),
        operation("clear", "", "", true),
        broken,
    ];
    BTreeMap::from([
        ("s".to_owned(), schema(vec![table("main.orders"), table("main.lines")], operations)),
        ("t".to_owned(), schema(vec![table("others")], Vec::new())),
    ])
}

fn built(operation: &Value) -> Result<(Model, Report), Vec<ModelError>> {
    let tables = json!({
        "Orders": { "source": "s", "remote": "orders" }, "Others": { "source": "t", "remote": "others" },
        "View": { "sql": "SELECT", "key": ["id"] },
    });
    let definition = ModelDefinition {
        sources: ["s", "t", "down"].iter().map(ToString::to_string).collect(),
        tables: serde_json::from_value(tables).unwrap(),
        operations: serde_json::from_value(json!({ "F": operation })).unwrap(),
        ..ModelDefinition::default()
    };
    build(&definition, &schemas(), &|_, _| Ok(vec![TableColumn::computed("id", ScalarType::Int32, false)]))
}

fn body(operation: &Value) -> SourceBody {
    let (model, _) = built(operation).unwrap_or_else(|errors| panic!("{operation}: {errors:?}"));
    model.operations[0].of_source().unwrap().clone()
}

#[test]
fn the_overload_is_the_one_that_takes_what_there_is() {
    let price = |parameters: Value| json!({ "kind": "function", "parameters": parameters, "returns": { "type": "text" }, "source": { "name": "s", "operation": "price" } });
    for (parameters, signature) in [
        (json!({ "id": "int32" }), "main.price(int32)"),
        (json!({ "id": "text" }), "main.price(text)"),
        (json!({ "by": "int32", "id": "int32" }), "main.price(int32, int32)"),
    ] {
        assert_eq!(body(&price(parameters)).operation.signature, signature);
    }
    for name in ["price(text)", "main.price(text)"] {
        let mut named = price(json!({ "id": "text" }));
        named["source"]["operation"] = json!(name);
        assert_eq!(body(&named).operation.signature, "main.price(text)");
    }
}

#[test]
fn arguments_are_parameters_and_keys() {
    let mut ship = json!({ "kind": "action", "bound_to": "Orders", "parameters": { "way": "text" }, "returns": { "table": "Orders" },
        "source": { "name": "s", "operation": "ship", "arguments": { "order_id": "id", "how": "way" }, "touches": ["Orders", "Others"] } });
    let shipped = body(&ship);
    assert_eq!(shipped.arguments, [(0, "id".to_owned()), (1, "way".to_owned())]);
    assert_eq!(shipped.returned, [0], "the key of the order");
    let touched = |source: &str, table: &str| (source.to_owned(), table.to_owned());
    assert_eq!(shipped.touches, [touched("s", "main.orders"), touched("t", "others")]);
    // What may be left out there need not be offered here; what is written to is all of the source then.
    ship["parameters"] = json!({});
    ship["source"] = json!({ "name": "s", "operation": "ship", "arguments": { "order_id": "id" } });
    ship["sql"] = json!("UPDATE");
    let shipped = body(&ship);
    assert_eq!((shipped.arguments.len(), shipped.before.len()), (1, 1));
    assert_eq!(shipped.touches, [touched("s", "main.lines"), touched("s", "main.orders")]);
    let none = json!({ "kind": "action", "source": { "name": "s", "operation": "clear", "touches": [] } });
    assert!(body(&none).touches.is_empty());
}

#[test]
fn what_is_returned_has_the_published_types() {
    let total = json!({ "kind": "function", "parameters": { "lowest": { "type": "decimal(9,2)", "optional": true } },
        "returns": { "type": "decimal(12,2)", "nullable": false }, "source": { "name": "s", "operation": "total" } });
    let column = body(&total).operation.columns()[0].clone();
    assert_eq!((column.scalar_type, column.nullable), (ScalarType::Decimal { precision: 12, scale: 2 }, false));
    let listed = json!({ "kind": "function", "returns": { "complex": "Row", "members": { "note": "text", "id": "int32?" }, "many": true },
        "source": { "name": "s", "operation": "listed" } });
    let listed = body(&listed);
    assert_eq!(listed.returned, [1, 0], "in the order of the members; what is no member is left behind");
    let nullable: Vec<bool> = listed.operation.columns().iter().map(|column| column.nullable).collect();
    assert_eq!(nullable, [true, false, true]);
}

#[test]
fn who_may_call_is_worth_a_note() {
    let note = |operation: Value| built(&operation).unwrap().1.notes.join("\n");
    let clear = json!({ "kind": "action", "source": { "name": "s", "operation": "clear" } });
    assert!(note(clear.clone()).contains("unless `roles` says who"));
    let mut restricted = clear;
    restricted["roles"] = json!(["admin"]);
    assert!(!note(restricted).contains("roles"));
    assert!(note(json!({ "kind": "action", "source": { "name": "down" } })).contains("nothing is known of source 'down'"));
}

#[test]
fn mistakes_are_refused_with_their_place() {
    let function = |returns: Value, source: Value| json!({ "kind": "function", "returns": returns, "source": source });
    let action = |source: Value| json!({ "kind": "action", "source": source });
    let (text, row) = (json!({ "type": "text" }), json!({ "complex": "Row", "members": { "id": "int32" } }));
    let with = |mut operation: Value, key: &str, value: Value| {
        operation[key] = value;
        operation
    };
    let ship = || action(json!({ "name": "s", "operation": "ship", "arguments": { "order_id": "id" } }));
    for (operation, path, part) in [
        (action(json!({ "name": "s", "operation": "cler" })), ".source.operation", "did you mean 'clear'?"),
        (action(json!({ "name": "t", "operation": "x" })), ".source.operation", "offers no operations of its own"),
        (action(json!({ "name": "s", "operation": "broken" })), ".source.operation", "its parameter 'x' is xml"),
        (function(text.clone(), json!({ "name": "s", "operation": "price" })), ".source.operation", "main.price(int32), main.price(text)"),
        (function(text.clone(), json!({ "name": "s", "operation": "ship" })), ".source", "make it an action"),
        (function(text.clone(), json!({ "name": "s", "operation": "listed" })), ".source", "`many: true`"),
        (function(with(text.clone(), "many", json!(true)), json!({ "name": "s", "operation": "total" })), ".source", "leave `many` out"),
        (
            function(with(text.clone(), "many", json!(true)), json!({ "name": "s", "operation": "listed" })),
            ".source",
            "`complex` and `members`",
        ),
        (function(text.clone(), json!({ "name": "s", "operation": "total" })), ".source", "as decimal(38,18), and not text"),
        (with(function(row, json!({ "name": "s", "operation": "total" })), "sql", json!("SELECT 1")), "", "either `sql` or `source`"),
        (
            function(
                json!({ "complex": "Row", "members": { "no": "int32" }, "many": true }),
                json!({ "name": "s", "operation": "listed" }),
            ),
            ".source",
            "returns no 'no': there are id, note, extra",
        ),
        (function(json!({ "table": "Orders" }), json!({ "name": "s", "operation": "total" })), ".source", "returns no 'id'"),
        (with(action(json!({ "name": "s", "operation": "clear" })), "returns", text), ".source", "returns nothing"),
        (with(ship(), "parameters", json!({ "id": "text" })), ".source", "'id' is text, and 'order_id' of 'main.ship' int32"),
        (ship(), ".source.arguments.order_id", "there is no parameter 'id'"),
        (action(json!({ "name": "s", "operation": "ship" })), ".source", "needs 'order_id' (int32)"),
        (
            with(action(json!({ "name": "s", "operation": "clear" })), "parameters", json!({ "all": "boolean" })),
            ".source",
            "'all' is passed to nothing",
        ),
        (
            with(action(json!({ "name": "s", "operation": "clear", "arguments": { "x": "y" } })), "parameters", json!({})),
            ".source.arguments.x",
            "has no parameter 'x'",
        ),
        (action(json!({ "name": "s", "operation": "clear", "touches": ["Order"] })), ".source.touches", "did you mean 'Orders'?"),
        (action(json!({ "name": "s", "operation": "clear", "touches": ["View"] })), ".source.touches", "is a view"),
    ] {
        let errors = built(&operation).err().unwrap_or_default();
        let [error] = errors.as_slice() else { panic!("{operation}: {errors:?}") };
        assert_eq!(error.path.join("."), format!("operations.F{path}"), "{operation}: {error}");
        assert!(error.to_string().contains(part), "{operation}: {error}");
    }
}
