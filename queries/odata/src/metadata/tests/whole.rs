//! A view of a model that uses everything that definitions can say.

use portico_catalog::{Model, ModelDefinition, ModelView, RelationshipView, SingletonView, TableView, build};
use portico_provider_api::{Capabilities, RemoteColumn, RemoteSchema, RemoteTable, RemoteTableName, TableColumn};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `"id int64, name text?"`: a question mark is for nullable.
pub fn remote(name: &str, columns: &str, key: &[&str]) -> RemoteTable {
    let columns = columns.split(", ").map(|text| {
        let (name, scalar_type) = text.rsplit_once(' ').unwrap();
        RemoteColumn::plain(name, scalar_type.trim_end_matches('?').parse().unwrap(), scalar_type.ends_with('?'))
    });
    RemoteTable::plain(RemoteTableName::parse(name), columns.collect(), key)
}

/// A model over tables of one source.
pub fn build_model(definition: ModelDefinition, tables: Vec<RemoteTable>) -> Model {
    let schema = RemoteSchema {
        version: "1".to_owned(),
        tables,
        operations: Vec::new(),
        capabilities: Capabilities::default(),
        ..RemoteSchema::default()
    };
    let describe = |_: &Model, _: &str| -> Result<Vec<TableColumn>, String> { Err("there are no views".to_owned()) };
    build(&definition, &BTreeMap::from([("s".to_owned(), schema)]), &describe).unwrap_or_else(|errors| panic!("{errors:#?}")).0
}

/// The view of somebody who sees everything in the only service.
pub fn whole_view(model: &Model) -> ModelView {
    let service = model.services.values().next().unwrap();
    let alias = |table: &str| service.tables.iter().find(|(_, known)| *known == table).unwrap().0.clone();
    let table = |name: &String| {
        let table = Arc::clone(model.table(name).unwrap());
        let links = table.relationships.iter().enumerate().map(|(index, link)| RelationshipView {
            index,
            name: link.name.clone(),
            to: alias(&link.to),
            many: link.many,
            partner: link.partner.clone(),
        });
        TableView {
            name: alias(name),
            columns: (0..table.columns.len()).collect(),
            relationships: links.collect(),
            insertable: true,
            updatable: true,
            deletable: false,
            if_match: portico_catalog::IfMatch::Required,
            table,
        }
    };
    ModelView {
        version: "v1".to_owned(),
        service: service.name.clone(),
        path: service.path.clone(),
        profile: service.profile,
        tables: service.tables.iter().map(|(name, virtual_table)| (name.clone(), table(virtual_table))).collect(),
        singletons: service
            .singletons
            .iter()
            .map(|(name, one)| (name.clone(), SingletonView { table: alias(&one.table), key: one.key.clone(), labels: one.labels.clone() }))
            .collect(),
        operations: model.operations.clone(),
        results: ModelView::results_of(&model.operations),
    }
}

/// Business partners with everything.
pub fn view() -> ModelView {
    let tables = vec![
        remote(
            "partners",
            "id int32, kind text, name text, boss int32?, addr_street text?, addr_city text?, ship_street text?, ship_city text?, vat text?, \
             swift text?, status text, rights int32, photo binary?, photo_type text?, letter text?, changed timestamptz?, limit decimal(13,2)?",
            &["id"],
        ),
        remote("tags", "id int32, label text", &["id"]),
        remote("partner_tags", "partner int32, tag int32", &["partner", "tag"]),
        remote("odd name", "a b int64, doc json?", &["a b"]),
    ];
    let definition = ModelDefinition {
        sources: vec!["s".to_owned()],
        enums: serde_json::from_value(json!({
            "Status": { "label": "State", "description": "How far it is", "members": {
                "Open": { "value": 0, "stored": "O", "label": { "en": "Open", "de": "Offen" } },
                "Closed": { "value": 1, "stored": "C", "description": "Nothing more to do" },
            } },
            "Rights": { "flags": true, "underlying": "int64", "members": { "Read": 1, "Write": 2 } },
        }))
        .unwrap(),
        tables: serde_json::from_value(json!({
            "Partners": {
                "source": "s", "remote": "partners", "label": { "en": "Partners", "de": "Geschäftspartner" }, "description": "Whom we deal with",
                "columns": {
                    "status": { "enum": "Status", "default": "Open" }, "rights": { "enum": "Rights" },
                    "name": { "searchable": true, "label": { "en": "Name", "fr": "Nom" }, "max_length": 80, "immutable": true,
                              "annotations": { "Common.Text": { "$path": "vat" }, "UI.MultiLineText": true } },
                    "changed": { "computed": true }, "vat": { "read_only": true },
                    "limit": { "default": 100.25, "annotations": { "Measures.ISOCurrency": "EUR", "Measures.Scale": 2 } },
                    "*": {},
                },
                "complex": { "Address": { "type": "Address", "prefix": "addr_" }, "ShipTo": { "type": "Address", "prefix": "ship_" } },
                "derived": { "discriminator": "kind", "abstract": true, "types": {
                    "Organisation": { "columns": ["vat"] },
                    "Company": { "base": "Organisation", "values": ["C"] },
                    "Bank": { "base": "Organisation", "values": ["B"], "columns": ["swift"] },
                } },
                "streams": { "Photo": { "content": "photo", "media_type": { "column": "photo_type" } } },
                "media": { "content": "letter", "media_type": "text/html" },
                "relationships": {
                    "Superior": { "to": "Partners", "on": { "boss": "id" }, "label": "Boss" },
                    "Reports": { "to": "Partners", "on": { "id": "boss" }, "many": true },
                    "SameVat": { "to": "Partners", "on": { "vat": "vat" }, "many": true },
                    "Tags": { "to": "Tags", "through": { "table": "PartnerTags", "on": { "id": "partner" }, "to": { "tag": "id" } } },
                },
                "hierarchies": { "Reporting": { "node": "id", "parent": "Superior" } },
                "aggregates": { "Limits": { "column": "limit", "method": "sum" }, "limit": { "column": "limit", "method": "max" },
                                "Partnerships": { "method": "count" }, "State": { "column": "status", "method": "max" } },
                "restrictions": { "not_filterable": ["limit"], "not_sortable": ["addr_city"], "required_in_filter": ["kind"],
                                  "not_expandable": ["SameVat"], "countable": false, "readable": false },
                "annotations": {
                    "UI.LineItem#short": [{ "$type": "UI.DataField", "Value": { "$path": "name" } }, { "$type": "UI.DataField", "Value": { "$path": "Address/city" } }],
                    "Common.SemanticKey": [{ "$property": "name" }],
                    "Core.LongDescription": "With \"quotes\" <and> more & more",
                    "Core.Revisions": [{ "Version": "1.5", "Kind": { "$enum": "Core.RevisionKind/Added" } }],
                    "Validation.MaxItems": 12345678901_i64, "Measures.Unit#x": 1.25,
                },
            },
            "Tags": { "source": "s", "remote": "tags" },
            "PartnerTags": { "source": "s", "remote": "partner_tags" },
            "Odd": { "source": "s", "remote": "odd name" },
        }))
        .unwrap(),
        operations: serde_json::from_value(json!({
            "Important": { "kind": "function", "parameters": { "least": "int32", "status": { "type": "Status", "optional": true } },
                           "returns": { "table": "Partners", "many": true }, "sql": "SELECT 1", "label": { "de": "Wichtige" } },
            "Today": { "kind": "function", "returns": { "type": "date" }, "sql": "SELECT 1", "description": "The day" },
            "Close": [
                { "kind": "action", "bound_to": "Partners", "sql": "SELECT 1", "returns": { "type": "text", "nullable": false } },
                { "kind": "action", "bound_to": { "collection": "Partners" }, "parameters": { "it": { "type": "decimal(5,1)", "nullable": true } }, "sql": "SELECT 1" },
            ],
            "Sums": { "kind": "function", "bound_to": "Partners", "sql": "SELECT 1",
                      "returns": { "complex": "YearSum", "members": { "Year": "int32", "Total": "decimal(13,2)?" }, "many": true } },
            "Recalculate": { "kind": "action", "sql": "SELECT 1" },
        }))
        .unwrap(),
        services: serde_json::from_value(json!({ "crm": { "path": "/crm", "tables": [{ "Accounts": "Partners" }, "Tags", "Odd"],
            "singletons": { "Me": { "table": "Partners", "key": { "id": 1 }, "label": "I" } } } }))
        .unwrap(),
    };
    whole_view(&build_model(definition, tables))
}
