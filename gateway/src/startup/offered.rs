//! What sources offer to be called, as definitions that can be put into the configuration as they are. It must not know what is published
//! already, nor how anything is called.

use portico_provider_api::{RemoteOperation, RemoteSchema, TableColumn};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The definitions, by source. What cannot be called stands there with the reason.
pub fn definitions(live: &BTreeMap<String, RemoteSchema>) -> String {
    let mut text = "operations:\n".to_owned();
    let mut taken = BTreeSet::new();
    for (source, schema) in live {
        if schema.operations.is_empty() {
            let _ = writeln!(text, "  # {source} offers none");
        }
        for operation in &schema.operations {
            match &operation.unavailable {
                Some(reason) => {
                    let _ = writeln!(text, "  # {source}: {} cannot be called: {}", one_line(&operation.signature), one_line(reason));
                }
                None => definition(&mut text, source, operation, &mut taken),
            }
        }
    }
    text
}

/// A comment must not go on in a line of its own.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn definition(text: &mut String, source: &str, operation: &RemoteOperation, taken: &mut BTreeSet<String>) {
    if let Some(description) = &operation.description {
        let _ = writeln!(text, "  # {}", one_line(description));
    }
    let own = portico_catalog::names::sanitise(operation.name.table());
    // Operations of one name are published under one name only where OData can tell them apart.
    let name =
        (1..).map(|number| if number == 1 { own.clone() } else { format!("{own}_{number}") }).find(|name| taken.insert(name.clone()));
    let _ = writeln!(text, "  {}:", quoted(&name.unwrap_or(own)));
    let _ = writeln!(text, "    kind: {}", if operation.changes { "action" } else { "function" });
    let parameters = operation.parameters.iter().map(|parameter| {
        let optional = if parameter.optional { ", optional: true" } else { ", nullable: true" };
        format!("{}: {{ type: {}{optional} }}", quoted(&parameter.name), quoted(&parameter.scalar_type.to_string()))
    });
    let parameters: Vec<String> = parameters.collect();
    if !parameters.is_empty() {
        let _ = writeln!(text, "    parameters: {{ {} }}", parameters.join(", "));
    }
    if let Some(result) = &operation.result {
        let many = if result.many { ", many: true" } else { "" };
        let _ = match result.columns.as_slice() {
            [only] if !result.composite => writeln!(text, "    returns: {{ type: {}{many} }}", quoted(&only.scalar_type.to_string())),
            columns => {
                let member = |column: &TableColumn| format!("{}: {}", quoted(&column.name), quoted(&format!("{}?", column.scalar_type)));
                let members: Vec<String> = columns.iter().map(member).collect();
                let complex = quoted(&format!("{}_row", portico_catalog::names::sanitise(operation.name.table())));
                writeln!(text, "    returns: {{ complex: {complex}, members: {{ {} }}{many} }}", members.join(", "))
            }
        };
    }
    let _ = writeln!(text, "    source: {{ name: {}, operation: {} }}", quoted(source), quoted(&operation.signature));
}

/// A JSON text, which is one of YAML too.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}
