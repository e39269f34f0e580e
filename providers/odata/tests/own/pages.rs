//! The configurations that the documentation shows: each source of this kind can be connected as it is written there.

use crate::downstream::connect;
use serde_json::Value;

/// Secrets are resolved before a kind sees its settings.
fn resolved(value: &mut Value) {
    match value {
        Value::Object(members) if members.len() == 1 && (members.contains_key("env") || members.contains_key("file")) => {
            *value = Value::from("resolved-secret");
        }
        Value::Object(members) => members.values_mut().for_each(resolved),
        Value::Array(items) => items.iter_mut().for_each(resolved),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn configurations_of_the_documentation_load() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    pages.extend(std::fs::read_dir(root.join("../../docs/systems")).unwrap().map(|entry| entry.unwrap().path()));
    let mut loaded = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let config: Value = serde_saphyr::from_str(block).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
            let sources = config["sources"].as_object().cloned().unwrap_or_default();
            for (name, mut settings) in sources.into_iter().filter(|(_, settings)| settings["kind"] == "odata") {
                for of_the_gateway in ["kind", "limits", "contact"] {
                    settings.as_object_mut().unwrap().remove(of_the_gateway);
                }
                // No file of certificates is at hand.
                settings.as_object_mut().unwrap().remove("tls");
                resolved(&mut settings);
                if let Err(error) = connect(settings) {
                    panic!("{}: '{name}': {error}", page.display());
                }
                loaded += 1;
            }
        }
    }
    assert!(loaded >= 10, "{loaded}");
}
