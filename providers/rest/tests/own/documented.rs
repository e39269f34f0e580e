//! The examples of the documentation are configurations that this kind takes.

use super::postgrest::connect_context;
use serde_json::Value;

/// What stands for secrets has arrived when a kind connects.
fn resolved(value: Value) -> Value {
    match value {
        Value::Object(members) if members.len() == 1 && members.contains_key("env") => Value::from("a-secret"),
        Value::Object(members) => Value::Object(members.into_iter().map(|(name, value)| (name, resolved(value))).collect()),
        other => other,
    }
}

#[test]
fn examples_connect() {
    let mut tried = 0;
    for name in ["README.md", "../../docs/systems/rest.md", "../../docs/systems/soap.md", "../../docs/systems/salesforce-rest.md"] {
        let text = std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for block in text.split("```yaml\n").skip(1).filter(|block| block.starts_with("sources:")) {
            let yaml = block.split("```").next().unwrap();
            let config: Value = serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{name}: {error}"));
            for (source, settings) in config["sources"].as_object().unwrap() {
                let mut settings = resolved(settings.clone());
                let own = settings.as_object_mut().unwrap();
                assert_eq!(own.remove("kind"), Some("rest".into()), "{name}");
                own.remove("limits");
                (portico_provider_rest::kind().connect)(settings, connect_context())
                    .unwrap_or_else(|error| panic!("{name}, {source}: {error}"));
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 5);
}
