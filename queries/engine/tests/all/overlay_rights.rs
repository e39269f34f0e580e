//! What callers see of what the model says beyond tables and columns: as much as everything it needs.

use crate::harness::principal;
use portico_catalog::{ModelDefinition, ModelView, build};
use portico_engine::{Engine, EngineSettings};
use portico_provider_api::{Capabilities, RemoteColumn, RemoteSchema, RemoteTable, RemoteTableName};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

fn remote(name: &str, columns: &str, key: &[&str]) -> RemoteTable {
    let columns = columns.split(", ").map(|text| {
        let (name, scalar_type) = text.rsplit_once(' ').unwrap();
        RemoteColumn::plain(name, scalar_type.parse().unwrap(), !key.contains(&name))
    });
    RemoteTable::plain(RemoteTableName::parse(name), columns.collect(), key)
}

/// The view of a caller with this grant on the partners, and with or without rights on the link table.
fn view(grant: serde_json::Value, links: bool) -> ModelView {
    let tables = vec![
        remote(
            "partners",
            "id int32, kind text, boss int32, addr_a text, addr_b text, vat text, photo binary, photo_type text, body text, \
             lat float64, lon float64, place text",
            &["id"],
        ),
        remote("tags", "id int32, label text", &["id"]),
        remote("links", "partner int32, tag int32", &["partner", "tag"]),
    ];
    let schema = RemoteSchema {
        version: "1".to_owned(),
        tables,
        operations: Vec::new(),
        capabilities: Capabilities::default(),
        ..RemoteSchema::default()
    };
    let definition = ModelDefinition {
        sources: vec!["s".to_owned()],
        tables: serde_json::from_value(json!({
            "Partners": {
                "source": "s", "remote": "partners",
                "columns": { "place": { "spatial": { "type": "GeographyPoint" } }, "*": {} },
                "points": { "Spot": { "latitude": "lat", "longitude": "lon" } },
                "complex": { "Address": { "type": "Address", "prefix": "addr_" } },
                "derived": { "discriminator": "kind", "types": { "Company": { "values": ["C"], "columns": ["vat"] } } },
                "streams": { "Photo": { "content": "photo", "media_type": { "column": "photo_type" } } },
                "media": { "content": "body" },
                "relationships": {
                    "Superior": { "to": "Partners", "on": { "boss": "id" } },
                    "Reports": { "to": "Partners", "on": { "id": "boss" }, "many": true },
                    "Tags": { "to": "Tags", "through": { "table": "Links", "on": { "id": "partner" }, "to": { "tag": "id" } } },
                },
                "hierarchies": { "H": { "node": "id", "parent": "Superior" } },
                "aggregates": { "Taxed": { "column": "vat", "method": "countdistinct" }, "All": { "method": "count" } },
            },
            "Tags": { "source": "s", "remote": "tags", "relationships": {
                "Partners": { "to": "Partners", "through": { "table": "Links", "on": { "id": "tag" }, "to": { "partner": "id" } } } } },
            "Links": { "source": "s", "remote": "links" },
        }))
        .unwrap(),
        operations: serde_json::from_value(json!({
            "F": { "kind": "function", "returns": { "table": "Tags" }, "sql": "SELECT 1" },
            "G": { "kind": "function", "bound_to": "Links", "returns": { "type": "int32" }, "sql": "SELECT 1" },
        }))
        .unwrap(),
        services: serde_json::from_value(json!({ "crm": { "path": "/crm", "tables": ["Partners", "Tags", "Links"],
            "singletons": { "Me": { "table": "Partners", "key": { "id": 1 } }, "Link": { "table": "Links" } } } }))
        .unwrap(),
        ..ModelDefinition::default()
    };
    let (model, _) = build(&definition, &BTreeMap::from([("s".to_owned(), schema)]), &|_, _| Err(String::new())).unwrap();
    let mut role = json!({ "Partners": grant, "Tags": {} });
    if links {
        role["Links"] = json!({});
    }
    let access = serde_json::from_value(json!({ "roles": { "r": role } })).unwrap();
    let engine = Engine::new(EngineSettings::default(), BTreeMap::new(), access).unwrap();
    engine.publish(Arc::new(model));
    engine.view(&principal("r"), "crm").unwrap().as_ref().clone()
}

/// What is seen of the partners, as words.
fn seen(view: &ModelView) -> String {
    let partners = &view.tables["Partners"];
    let overlay = &partners.table.overlay;
    let mut words: Vec<String> = partners.columns.iter().filter_map(|index| partners.property_path(*index)).collect();
    words.extend(
        overlay.derivation.iter().flat_map(|derivation| &derivation.types).map(|one| format!("{}({})", one.name, one.columns.len())),
    );
    words.extend(overlay.media.iter().map(|_| "media".to_owned()));
    words.extend(overlay.hierarchies.iter().map(|one| format!("hierarchy {}", one.qualifier)));
    words.extend(overlay.aggregates.iter().map(|one| format!("#{}", one.name)));
    words.extend(
        partners
            .relationships
            .iter()
            .map(|one| format!("→{}{}", one.name, one.partner.as_ref().map(|back| format!("⇄{back}")).unwrap_or_default())),
    );
    words.join(" ")
}

#[test]
fn everything_is_seen_with_all_rights() {
    let all = view(json!({}), true);
    assert_eq!(
        seen(&all),
        "place id kind boss Address/a Address/b vat Photo photo_type Spot Spot Company(1) media hierarchy H #Taxed #All →Superior⇄Reports →Reports⇄Superior →Tags⇄Partners"
    );
    assert_eq!(all.singletons.keys().collect::<Vec<_>>(), ["Me", "Link"]);
    assert_eq!(all.operations.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["F", "G"]);
}

#[test]
fn what_needs_something_hidden_is_hidden_too() {
    let base = "place id kind boss Address/a Address/b vat Photo photo_type Spot Spot Company(1) media hierarchy H #Taxed #All →Superior⇄Reports →Reports⇄Superior →Tags⇄Partners";
    let cases = [
        // A hidden member leaves the others; the last one takes the property along.
        (json!({ "hide": ["addr_a"] }), base.replace("Address/a ", "")),
        (json!({ "hide": ["addr_a", "addr_b"] }), base.replace("Address/a Address/b ", "")),
        // A masked or hidden discriminator tells no types apart: what was theirs alone is a plain property.
        (json!({ "mask": { "kind": "'?'" } }), base.replace("Company(1) ", "")),
        (json!({ "hide": ["kind"] }), base.replace("kind ", "").replace("Company(1) ", "")),
        (json!({ "hide": ["vat"] }), base.replace("vat ", "").replace("Company(1)", "Company(0)").replace("#Taxed ", "")),
        // A stream goes with its content, and with what says what it is.
        (json!({ "hide": ["photo"] }), base.replace("Photo ", "")),
        (json!({ "hide": ["photo_type"] }), base.replace("Photo photo_type ", "")),
        (json!({ "hide": ["body"] }), base.replace("media ", "")),
        // Half a point is none, and what stands in its place is none either.
        (json!({ "hide": ["lat"] }), base.replace("Spot Spot ", "")),
        (json!({ "mask": { "lon": "0.5" } }), base.replace("Spot Spot ", "")),
        (json!({ "mask": { "place": "'***'" } }), base.replace("place ", "")),
        // A relationship over a masked column would tell what it holds; a hierarchy goes with its relationship.
        (json!({ "mask": { "boss": "0" } }), base.replace("hierarchy H ", "").replace("→Superior⇄Reports →Reports⇄Superior ", "")),
    ];
    for (grant, expected) in cases {
        assert_eq!(seen(&view(grant.clone(), true)), expected, "{grant}");
    }
}

#[test]
fn a_link_table_without_rights_hides_the_way_through_it() {
    let without = view(json!({}), false);
    assert!(!seen(&without).contains("Tags"), "{}", seen(&without));
    assert!(without.tables["Tags"].relationships.is_empty());
    assert_eq!(without.singletons.keys().collect::<Vec<_>>(), ["Me"]);
    assert_eq!(without.operations.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["F"]);
}
