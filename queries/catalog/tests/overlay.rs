//! What definitions say beyond tables and columns: a model that uses everything, resolved, and every mistake that is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what the tests share is a part of them")]

use portico_catalog::overlay::{AnnotationValue, MediaType, Mutability, ReturnKind};
use portico_catalog::{Model, ModelDefinition, ModelError, Origin, build};
use portico_provider_api::{
    Capabilities, RemoteColumn, RemoteOperation, RemoteParameter, RemoteSchema, RemoteTable, RemoteTableName, ScalarType, TableColumn,
    Value as Cell,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `"id int64, name text?"`: a question mark is for nullable.
fn table(name: &str, columns: &str, key: &[&str]) -> RemoteTable {
    let columns = columns.split(", ").map(|text| {
        let (name, scalar_type) = text.rsplit_once(' ').unwrap();
        RemoteColumn::plain(name, scalar_type.trim_end_matches('?').parse().unwrap(), scalar_type.ends_with('?'))
    });
    RemoteTable::plain(RemoteTableName::parse(name), columns.collect(), key)
}

fn schemas() -> BTreeMap<String, RemoteSchema> {
    let partners = table(
        "partners",
        "id int32, kind text, name text, boss int32?, addr_street text?, addr_city text?, vat text?, swift text?, status text, rights int32, \
         photo binary?, photo_type text?, letter text?, changed timestamptz?",
        &["id"],
    );
    let tags = table("tags", "id int32, label text", &["id"]);
    let links = table("partner_tags", "partner int32, tag int32", &["partner", "tag"]);
    let sites = table("sites", "code text, addr_street text?, addr_city text?, addr_land int32?", &["code"]);
    let year = RemoteParameter { name: "year".to_owned(), native_type: "int4".to_owned(), scalar_type: ScalarType::Int32, optional: false };
    let operations = vec![RemoteOperation {
        name: RemoteTableName::parse("main.recalculate"),
        signature: "main.recalculate(int4)".to_owned(),
        description: None,
        procedure: false,
        parameters: vec![year],
        result: None,
        changes: true,
        unavailable: None,
    }];
    let schema = RemoteSchema {
        version: "1".to_owned(),
        tables: vec![partners, tags, links, sites],
        operations,
        capabilities: Capabilities::default(),
        ..RemoteSchema::default()
    };
    BTreeMap::from([("s".to_owned(), schema)])
}

fn whole() -> Value {
    json!({
        "enums": {
            "Status": { "label": "State", "members": {
                "Open": { "value": 0, "stored": "O", "label": { "en": "Open", "de": "Offen" } },
                "Closed": { "value": 1, "stored": "C" },
            } },
            "Rights": { "flags": true, "members": { "Read": 1, "Write": 2, "All": 3 } },
            "Kind": { "underlying": "int16", "members": {
                "Person": { "value": 0, "stored": "P" }, "Company": { "value": 1, "stored": "C" }, "Bank": { "value": 2, "stored": "B" },
            } },
        },
        "tables": {
            "Partners": {
                "source": "s", "remote": "partners", "label": { "en": "Partner", "de": "Geschäftspartner" },
                "columns": {
                    "id": { "immutable": true },
                    "kind": { "enum": "Kind" },
                    "status": { "enum": "Status", "annotations": { "Measures.Scale": 2, "UI.Hidden": false } },
                    "rights": { "enum": "Rights" },
                    "name": { "searchable": true, "label": "Name", "annotations": { "Common.Text#x": { "$path": "kind" } } },
                    "changed": { "computed": true },
                    "*": {},
                },
                "complex": { "Address": { "type": "Address", "prefix": "addr_" } },
                "derived": { "discriminator": "kind", "types": {
                    "Bank": { "base": "Company", "values": ["Bank"], "columns": ["swift"] },
                    "Company": { "values": ["C"], "columns": ["vat"] },
                } },
                "streams": { "Photo": { "content": "photo", "media_type": { "column": "photo_type" } } },
                "media": { "content": "letter" },
                "relationships": {
                    "Superior": { "to": "Partners", "on": { "boss": "id" }, "label": "Boss" },
                    "Tags": { "to": "Tags", "through": { "table": "PartnerTags", "on": { "id": "partner" }, "to": { "tag": "id" } } },
                    "ByVat": { "to": "Partners", "on": { "vat": "vat" }, "many": true },
                },
                "hierarchies": { "Reporting": { "node": "id", "parent": "Superior" } },
                "aggregates": {
                    "Latest": { "column": "changed", "method": "max" }, "Partnerships": { "method": "count" },
                    "name": { "column": "name", "method": "countdistinct" },
                },
                "restrictions": { "not_filterable": ["vat"], "not_expandable": ["ByVat"], "countable": false },
                "annotations": { "UI.LineItem": [{ "$type": "UI.DataField", "Value": { "$path": "name" } }], "UI.HeaderInfo#a": { "TypeName": "x", "N": 1.5 } },
            },
            "Tags": { "source": "s", "remote": "tags", "relationships": {
                "Partners": { "to": "Partners", "through": { "table": "PartnerTags", "on": { "id": "tag" }, "to": { "partner": "id" } }, "many": true },
            } },
            "PartnerTags": { "source": "s", "remote": "partner_tags" },
        },
        "operations": {
            "Important": { "kind": "function", "parameters": { "least": "int32", "status": { "type": "Status", "optional": true } },
                           "returns": { "table": "Partners", "many": true }, "sql": "SELECT * FROM Partners" },
            "Close": [
                { "kind": "action", "bound_to": "Partners", "sql": ["UPDATE Partners SET status = 'C' WHERE id = $id", "SELECT 1"], "returns": { "type": "int64" } },
                { "kind": "action", "bound_to": { "collection": "Partners" }, "sql": "DELETE FROM Tags" },
            ],
            "Sums": { "kind": "function", "bound_to": "Partners", "sql": "SELECT 1",
                      "returns": { "complex": "YearSum", "members": { "Year": "int32", "Total": "decimal(13,2)?" }, "many": true } },
            "Recalculate": { "kind": "action", "parameters": { "year": "int32" }, "source": { "name": "s", "operation": "recalculate" } },
        },
        "services": { "crm": { "path": "/crm", "singletons": { "Me": { "table": "Partners", "key": { "id": 1 } }, "Only": { "table": "Tags" } } } },
    })
}

fn definition(value: &Value) -> ModelDefinition {
    let part = |key: &str| value.get(key).cloned().unwrap_or_else(|| json!({}));
    ModelDefinition {
        sources: vec!["s".to_owned()],
        tables: serde_json::from_value(part("tables")).unwrap(),
        services: serde_json::from_value(part("services")).unwrap(),
        enums: serde_json::from_value(part("enums")).unwrap(),
        operations: serde_json::from_value(part("operations")).unwrap(),
    }
}

fn describe(_: &Model, _: &str) -> Result<Vec<TableColumn>, String> {
    Ok(vec![TableColumn::computed("id", ScalarType::Int32, false), TableColumn::computed("note", ScalarType::Text, true)])
}

fn model(value: &Value) -> Model {
    build(&definition(value), &schemas(), &describe).unwrap_or_else(|errors| panic!("{errors:#?}")).0
}

#[test]
fn a_model_that_uses_everything_is_resolved() {
    let model = model(&whole());
    let partners = model.table("Partners").unwrap();
    let at = |name: &str| partners.column(name).unwrap();
    let status = partners.columns[at("status")].enumeration.as_ref().unwrap();
    assert_eq!((status.member("Closed").unwrap().stored.clone(), status.underlying), (Cell::text("C"), ScalarType::Int32));
    assert_eq!(status.member("Open").unwrap().labels["de"], "Offen");
    assert_eq!(status.member("Open").unwrap().labels[""], "Open", "the first language is the default");
    assert_eq!(partners.columns[at("rights")].enumeration.as_ref().unwrap().member("Write").unwrap().stored, Cell::Int32(2));
    assert_eq!(partners.columns[at("changed")].mutability, Mutability::Computed);
    assert!(partners.columns[at("changed")].read_only && !partners.columns[at("id")].read_only);
    assert_eq!(partners.columns[at("id")].mutability, Mutability::Immutable);
    assert!(partners.columns[at("name")].searchable);
    let annotation = &partners.columns[at("name")].annotations[0];
    assert_eq!((annotation.term.as_str(), annotation.qualifier.as_deref()), ("Common.Text", Some("x")));
    assert_eq!(annotation.value, AnnotationValue::Path("kind".to_owned()));

    let overlay = &partners.overlay;
    assert_eq!(overlay.complex[0].members, [("street".to_owned(), at("addr_street")), ("city".to_owned(), at("addr_city"))]);
    let derivation = overlay.derivation.as_ref().unwrap();
    assert_eq!(derivation.types.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["Company", "Bank"], "a base comes first");
    assert_eq!(derivation.values("Company"), [Cell::text("C"), Cell::text("B")], "values are codes, or members of the enumeration");
    assert_eq!(derivation.owner(at("swift")).unwrap().name, "Bank");
    assert_eq!(overlay.streams[0].media_type, MediaType::Column(at("photo_type")));
    assert_eq!(overlay.media.as_ref().unwrap().media_type, MediaType::Fixed("text/plain;charset=utf-8".to_owned()));
    let link = |name: &str| partners.relationships.iter().position(|link| link.name == name).unwrap();
    assert_eq!((overlay.hierarchies[0].node, overlay.hierarchies[0].parent), (at("id"), link("Superior")));
    assert_eq!(overlay.restrictions.not_filterable, [at("vat")]);
    let aggregates: Vec<_> = overlay.aggregates.iter().map(|one| (one.name.as_str(), one.method.name(), one.column)).collect();
    let wanted = [("Latest", "max", Some(at("changed"))), ("Partnerships", "count", None), ("name", "countdistinct", Some(at("name")))];
    assert_eq!(aggregates, wanted);
    assert!(overlay.restrictions.not_countable && !overlay.restrictions.not_readable);
    let AnnotationValue::Collection(items) = &overlay.annotations[0].value else { panic!("{overlay:?}") };
    assert!(matches!(&items[0], AnnotationValue::Record { type_name: Some(name), .. } if name == "UI.DataField"));

    let tags = &partners.relationships[link("Tags")];
    let through = tags.through.as_ref().unwrap();
    assert!(tags.many && tags.on.is_empty());
    assert_eq!((through.table.as_str(), &through.own, &through.other), ("PartnerTags", &vec![(at("id"), 0)], &vec![(1, 0)]));
    assert_eq!(tags.partner.as_deref(), Some("Partners"), "a link table is led through in both directions");
    assert_eq!(partners.relationship_owner(link("ByVat")).unwrap().name, "Company");
    assert!(partners.relationship_owner(link("Superior")).is_none());
    assert_eq!(partners.relationships[link("Superior")].labels[""], "Boss");

    let service = &model.services["crm"];
    assert_eq!(service.singletons["Me"].key, Some(vec![Cell::Int32(1)]));
    assert_eq!(service.singletons["Only"].key, None);
    let named = |name: &str| model.operations.iter().filter(|operation| operation.name == name).cloned().collect::<Vec<_>>();
    assert_eq!(named("Close").len(), 2);
    assert!(named("Important")[0].composable && named("Important")[0].parameters[1].nullable);
    assert!(matches!(&named("Sums")[0].returns.as_ref().unwrap().kind, ReturnKind::Complex { members, .. } if members[1].nullable));
    let recalculate = named("Recalculate")[0].of_source().unwrap().clone();
    assert_eq!((recalculate.source.as_str(), recalculate.operation.signature.as_str()), ("s", "main.recalculate(int4)"));
    assert_eq!(recalculate.arguments, [(0, "year".to_owned())]);
    let touched: Vec<&str> = recalculate.touches.iter().map(|(_, table)| table.as_str()).collect();
    assert_eq!(touched, ["partner_tags", "partners", "sites", "tags"], "what it writes to is not known");
}

#[test]
fn the_version_follows_every_part() {
    let base = model(&whole()).version;
    for (pointer, value) in [
        ("/enums/Status/members/Open/stored", json!("X")),
        ("/operations/Important/sql", json!("SELECT 2")),
        ("/tables/Partners/label/de", json!("Partner")),
        ("/services/crm/singletons/Me/key/id", json!(2)),
    ] {
        let mut changed = whole();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert_ne!(base, model(&changed).version, "{pointer}");
    }
}

#[test]
fn rows_of_no_derived_type_are_left_out_where_the_own_type_is_abstract() {
    let mut changed = whole();
    changed["tables"]["Partners"]["derived"]["abstract"] = json!(true);
    changed["tables"]["Partners"]["where"] = json!("id > 0 OR id < 0");
    let model = model(&changed);
    let partners = model.table("Partners").unwrap();
    let Origin::Single { window, .. } = &partners.origin else { panic!("a view") };
    assert_eq!(window.as_deref(), Some("(id > 0 OR id < 0) AND \"kind\" IN ('C', 'B')"));
    assert!(partners.overlay.derivation.as_ref().unwrap().is_abstract);
}

#[test]
fn a_view_says_more_of_its_columns() {
    let view = json!({ "tables": { "V": { "sql": "SELECT", "key": ["id"], "columns": { "note": { "searchable": true, "label": "Note", "max_length": 9 } } } } });
    let model = model(&view);
    let note = &model.table("V").unwrap().columns[1];
    assert!(note.searchable && note.read_only);
    assert_eq!((note.max_length, note.labels[""].as_str()), (Some(9), "Note"));
}

/// Where in [`whole`], what stands there instead (null removes it), the path of the only error and a part of its message.
fn mistakes() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    vec![
        ("/enums/Status/members", json!({}), "enums.Status.members", "at least one member"),
        ("/enums/Status/underlying", json!("int31"), "enums.Status.underlying", "did you mean 'int32'?"),
        ("/enums/Status/members/Closed/value", json!(0), "enums.Status.members.Closed", "the value of 'Open' already"),
        ("/enums/Status/members/open", json!({ "value": 5, "stored": "o" }), "enums.Status.members.open", "only by letter case"),
        ("/enums/Status/members/a-b", json!({ "value": 5, "stored": "o" }), "enums.Status.members.a-b", "did you mean 'a_b'?"),
        ("/enums/Kind/members/Bank/value", json!(70_000), "enums.Kind.members.Bank", "does not fit into int16"),
        ("/enums/Rights/members/Bad", json!(-1), "enums.Rights.members.Bad", "not negative"),
        ("/enums/Rights/members/Read", json!({ "value": 1, "stored": 2 }), "enums.Rights.members.Read.stored", "stored as their value"),
        ("/enums/Status/members/Closed/stored", json!("O"), "tables.Partners.columns.status.enum", "stored alike"),
        ("/enums/Status/members/Closed/stored", Value::Null, "tables.Partners.columns.status.enum", "which code means it"),
        ("/enums/Status/members/Closed/stored", json!(7), "tables.Partners.columns.status.enum", "7 is not a value of type text"),
        ("/enums/Status/members/Open/label", json!({ "e": "x" }), "enums.Status.members.Open.label.e", "not a language tag"),
        ("/tables/Partners/label", json!({}), "tables.Partners.label", "at least one language"),
        ("/enums/Tags", json!({ "members": { "A": 1 } }), "enums.Tags", "taken by the table 'Tags'"),
        ("/tables/Partners/columns/status/enum", json!("Sttus"), "tables.Partners.columns.status.enum", "did you mean 'Status'?"),
        ("/tables/Partners/columns/name/enum", json!("Rights"), "tables.Partners.columns.name.enum", "flags are held"),
        (
            "/tables/Partners/columns/changed",
            json!({ "enum": "Status" }),
            "tables.Partners.columns.changed.enum",
            "as whole numbers or as text",
        ),
        ("/tables/Partners/columns/changed/searchable", json!(true), "tables.Partners.columns.changed.searchable", "is timestamptz"),
        ("/tables/Partners/columns/status/searchable", json!(true), "tables.Partners.columns.status.searchable", "codes are not text"),
        ("/tables/Partners/columns/changed/immutable", json!(true), "tables.Partners.columns.changed.immutable", "has `computed` already"),
        (
            "/tables/Partners/columns/name/annotations",
            json!({ "Mesures.Unit": 1 }),
            "tables.Partners.columns.name.annotations.Mesures.Unit",
            "did you mean 'Measures'?",
        ),
        (
            "/tables/Partners/columns/name/annotations",
            json!({ "Core.Computed": true }),
            "tables.Partners.columns.name.annotations.Core.Computed",
            "follows from `computed`",
        ),
        (
            "/tables/Partners/annotations",
            json!({ "Capabilities.TopSupported": true }),
            "tables.Partners.annotations.Capabilities.TopSupported",
            "`restrictions`",
        ),
        ("/tables/Partners/annotations", json!({ "UI.Hidden": null }), "tables.Partners.annotations.UI.Hidden", "needs a value"),
        (
            "/tables/Partners/annotations",
            json!({ "UI.Hidden": { "$pth": "a" } }),
            "tables.Partners.annotations.UI.Hidden",
            "`$pth` is not known",
        ),
        (
            "/tables/Partners/annotations",
            json!({ "UI.Hidden": { "$enum": "Nope" } }),
            "tables.Partners.annotations.UI.Hidden",
            "not a member",
        ),
        (
            "/tables/Partners/annotations",
            json!({ "UI.Hidden": { "$type": "DataField" } }),
            "tables.Partners.annotations.UI.Hidden",
            "not a type",
        ),
        ("/tables/Partners/annotations", json!({ "UI.Hid den": 1 }), "tables.Partners.annotations.UI.Hid den", "cannot stand in the name"),
        (
            "/tables/Partners/annotations",
            json!({ "UI.LineItem": [{ "Value": { "$path": "nme" } }] }),
            "tables.Partners.annotations.UI.LineItem",
            "did you mean 'name'?",
        ),
        ("/tables/Partners/complex/Address/prefix", json!("adr_"), "tables.Partners.complex.Address.prefix", "begins with 'adr_'"),
        ("/tables/Partners/complex/Address/members", json!({}), "tables.Partners.complex.Address", "either `prefix` or `members`"),
        (
            "/tables/Partners/complex/name",
            json!({ "type": "T", "members": { "A": "changed" } }),
            "tables.Partners.complex.name",
            "a column named 'name' already",
        ),
        (
            "/tables/Partners/complex/More",
            json!({ "type": "T", "members": { "A": "id" } }),
            "tables.Partners.complex.More",
            "part of the key",
        ),
        (
            "/tables/Partners/complex/More",
            json!({ "type": "T", "members": { "A": "addr_city" } }),
            "tables.Partners.complex.More",
            "a member of 'Address' already",
        ),
        (
            "/tables/Partners/complex/More",
            json!({ "type": "T", "members": { "A": "nme" } }),
            "tables.Partners.complex.More.members.A",
            "did you mean 'name'?",
        ),
        (
            "/tables/Sites",
            json!({ "source": "s", "remote": "sites", "complex": { "A": { "type": "Address", "prefix": "addr_" } } }),
            "tables.Sites.complex.A.type",
            "its members are not those of",
        ),
        (
            "/tables/Sites",
            json!({ "source": "s", "remote": "sites", "complex": { "A": { "type": "Address", "members": { "street": "addr_street", "city": "addr_land" } } } }),
            "tables.Sites.complex.A.type",
            "another type",
        ),
        (
            "/tables/Partners/complex/Address/type",
            json!("Status"),
            "tables.Partners.complex.Address.type",
            "taken by the enumeration 'Status'",
        ),
        ("/tables/Partners/derived/discriminator", json!("knd"), "tables.Partners.derived.discriminator", "did you mean 'kind'?"),
        ("/tables/Partners/derived/types/Bank/base", json!("Compny"), "tables.Partners.derived.types.Bank.base", "did you mean 'Company'?"),
        ("/tables/Partners/derived/types/Bank/values", json!([]), "tables.Partners.derived.types.Bank", "it has no rows"),
        (
            "/tables/Partners/derived/types/Bank/values",
            json!(["C"]),
            "tables.Partners.derived.types.Bank.values.0",
            "means 'Company' already",
        ),
        (
            "/tables/Partners/derived/types/Bank/values",
            json!([1]),
            "tables.Partners.derived.types.Bank.values.0",
            "not a value of type text",
        ),
        (
            "/tables/Partners/derived/types/Bank/columns",
            json!(["vat"]),
            "tables.Partners.derived.types.Bank.columns.0",
            "is of 'Company' already",
        ),
        ("/tables/Partners/derived/types/Bank/columns", json!(["id"]), "tables.Partners.derived.types.Bank.columns.0", "part of the key"),
        ("/tables/Partners/derived/types/Bank/columns", json!(["addr_city"]), "tables.Partners.derived", "belong to one type"),
        ("/tables/Partners/streams/Photo/content", json!("phto"), "tables.Partners.streams.Photo.content", "did you mean 'photo'?"),
        ("/tables/Partners/streams/Photo/content", json!("rights"), "tables.Partners.streams.Photo.content", "neither bytes nor text"),
        ("/tables/Partners/streams/Photo/media_type", json!("image"), "tables.Partners.streams.Photo.media_type", "not a media type"),
        (
            "/tables/Partners/streams/Photo/media_type",
            json!({ "column": "rights" }),
            "tables.Partners.streams.Photo.media_type.column",
            "in a text column",
        ),
        ("/tables/Partners/streams/name", json!({ "content": "swift" }), "tables.Partners.streams.name", "a property named 'name' already"),
        ("/tables/Partners/media/content", json!("photo"), "tables.Partners.media.content", "published otherwise already"),
        (
            "/tables/Partners/relationships/Tags/on",
            json!({ "id": "id" }),
            "tables.Partners.relationships.Tags.on",
            "the link table holds the pairs",
        ),
        (
            "/tables/Partners/relationships/Tags/through/table",
            json!("PartnerTag"),
            "tables.Partners.relationships.Tags.through.table",
            "did you mean 'PartnerTags'?",
        ),
        ("/tables/Partners/relationships/Tags/through/to", json!({}), "tables.Partners.relationships.Tags.through.to", "at least one pair"),
        (
            "/tables/Partners/relationships/Tags/through/to",
            json!({ "tag": "label" }),
            "tables.Partners.relationships.Tags.through.to.tag",
            "cannot be equal",
        ),
        (
            "/tables/Partners/relationships/Tags/through/on",
            json!({ "id": "prtner" }),
            "tables.Partners.relationships.Tags.through.on.id",
            "did you mean 'partner'?",
        ),
        ("/tables/Partners/hierarchies/Reporting/node", json!("idd"), "tables.Partners.hierarchies.Reporting.node", "did you mean 'id'?"),
        (
            "/tables/Partners/relationships/Superior/to",
            json!("Partner"),
            "tables.Partners.relationships.Superior.to",
            "did you mean 'Partners'?",
        ),
        (
            "/tables/Partners/hierarchies/Reporting/parent",
            json!("Superiors"),
            "tables.Partners.hierarchies.Reporting.parent",
            "did you mean 'Superior'?",
        ),
        (
            "/tables/Partners/hierarchies/Reporting/parent",
            json!("ByVat"),
            "tables.Partners.hierarchies.Reporting.parent",
            "does not lead to the one row",
        ),
        (
            "/tables/Partners/aggregates/Latest/column",
            json!("chnged"),
            "tables.Partners.aggregates.Latest.column",
            "did you mean 'changed'?",
        ),
        ("/tables/Partners/aggregates/Latest/method", json!("maxx"), "tables.Partners.aggregates.Latest.method", "did you mean 'max'?"),
        ("/tables/Partners/aggregates/Latest/method", json!("sum"), "tables.Partners.aggregates.Latest.column", "`sum` does not suit"),
        ("/tables/Partners/aggregates/Latest", json!({ "method": "min" }), "tables.Partners.aggregates.Latest", "needs a `column`"),
        (
            "/tables/Partners/aggregates/Latest",
            json!({ "method": "sum", "column": "rights" }),
            "tables.Partners.aggregates.Latest.column",
            "of the enumeration 'Rights'",
        ),
        (
            "/tables/Partners/aggregates/Latest",
            json!({ "method": "count", "column": "photo" }),
            "tables.Partners.aggregates.Latest.column",
            "content of a stream",
        ),
        ("/tables/Partners/aggregates/id", json!({ "method": "count" }), "tables.Partners.aggregates.id", "is the property's own"),
        ("/tables/Partners/aggregates/Tags", json!({ "method": "count" }), "tables.Partners.aggregates.Tags", "a relationship named"),
        ("/tables/Partners/aggregates/a b", json!({ "method": "count" }), "tables.Partners.aggregates.a b", "a_b"),
        ("/tables/Partners/aggregates/LATEST", json!({ "method": "count" }), "tables.Partners.aggregates.LATEST", "only by letter case"),
        (
            "/tables/Partners/restrictions/not_filterable",
            json!(["vatt"]),
            "tables.Partners.restrictions.not_filterable.0",
            "did you mean 'vat'?",
        ),
        (
            "/tables/Partners/restrictions/required_in_filter",
            json!(["vat"]),
            "tables.Partners.restrictions.required_in_filter.0",
            "may not name it",
        ),
        (
            "/tables/Partners/restrictions/not_expandable",
            json!(["Tag"]),
            "tables.Partners.restrictions.not_expandable.0",
            "did you mean 'Tags'?",
        ),
        ("/services/crm/singletons/Me/table", json!("Partner"), "services.crm.singletons.Me.table", "did you mean 'Partners'?"),
        ("/services/crm/singletons/Me/key", json!({ "id": "x" }), "services.crm.singletons.Me.key.id", "not a value of type int32"),
        ("/services/crm/singletons/Me/key", json!({}), "services.crm.singletons.Me.key", "has 'id' too"),
        ("/services/crm/singletons/tags", json!({ "table": "Tags" }), "services.crm.singletons.tags", "the name of 'Tags'"),
        ("/services/crm/tables", json!(["Tags"]), "services.crm.singletons.Me.table", "not in the service"),
        ("/operations/Important/returns", Value::Null, "operations.Important", "a function returns something"),
        ("/operations/Important/returns/table", json!("Partner"), "operations.Important.returns.table", "did you mean 'Partners'?"),
        ("/operations/Important/returns/type", json!("int32"), "operations.Important.returns", "one of `table`, `type` and `complex`"),
        ("/operations/Important/parameters/least", json!("int31"), "operations.Important.parameters.least", "not a type"),
        (
            "/operations/Important/parameters/status",
            json!({ "type": "Sttus" }),
            "operations.Important.parameters.status",
            "did you mean 'Status'?",
        ),
        ("/operations/Important/parameters/more", json!("text"), "operations.Important.parameters.more", "comes last"),
        ("/operations/Important/sql", json!(["SELECT 1", "SELECT 2"]), "operations.Important.sql", "a function is one SELECT"),
        ("/operations/Important/sql", json!(""), "operations.Important.sql", "a statement is missing"),
        ("/operations/Important/source", json!({ "name": "s" }), "operations.Important", "either `sql` or `source`"),
        ("/operations/Close/0/bound_to", json!("Partner"), "operations.Close.0.bound_to", "did you mean 'Partners'?"),
        ("/operations/Close/0/parameters", json!({ "id": "int32" }), "operations.Close.0.parameters.id", "the key of the entity"),
        ("/operations/Close/0/composable", json!(true), "operations.Close.0.composable", "can be composed"),
        ("/operations/Close/1/bound_to", json!("Partners"), "operations.Close.1", "the same binding already"),
        ("/operations/Close/1/kind", json!("function"), "operations.Close.1", "a function returns something"),
        (
            "/operations/Recalculate/source/operation",
            json!("recalc"),
            "operations.Recalculate.source.operation",
            "has no operation 'recalc'",
        ),
        ("/operations/Recalculate/source/name", json!("t"), "operations.Recalculate.source.name", "there is no source 't'"),
        ("/operations/Recalculate/parameters", json!({}), "operations.Recalculate.source", "needs 'year' (int32)"),
        ("/operations/Recalculate/returns", json!({ "type": "int32" }), "operations.Recalculate.source", "returns nothing"),
        ("/operations/Partners", json!({ "kind": "action", "sql": "SELECT 1" }), "operations.Partners", "taken by the table"),
        ("/operations/Sums/returns/complex", json!("Address"), "operations.Sums.returns.complex", "taken by the complex type"),
        ("/operations/Sums/returns/members", json!({ "Year": "int31" }), "operations.Sums.returns.members.Year", "not a type"),
    ]
}

#[test]
fn every_mistake_is_refused_with_its_place() {
    let mut wrong = Vec::new();
    for (pointer, value, path, part) in mistakes() {
        let mut changed = whole();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = changed.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer} leads nowhere"));
        match (parent, value.is_null()) {
            (Value::Object(object), true) => drop(object.shift_remove(key)),
            (Value::Object(object), false) => drop(object.insert(key.to_owned(), value.clone())),
            _ => panic!("{pointer} leads nowhere"),
        }
        let found: Vec<ModelError> = build(&definition(&changed), &schemas(), &describe).err().unwrap_or_default();
        let right = match found.as_slice() {
            [] => path.is_empty(),
            [only] => only.path.join(".") == path && only.to_string().contains(part),
            _ => false,
        };
        if !right {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            wrong.push(format!("{pointer} = {value}\n  wanted {path}: {part}\n  got    {}", found.join("\n         ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
