//! What is known of models.

use super::schema;
use crate::erp::Erp;
use portico_provider_api::{QueryContext, RemoteTableName, ScalarType, Selection, SourceErrorKind};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn models_are_tables() {
    let erp = Erp::start();
    let source = erp.source(json!({}));
    let schema = schema(&*source, &["sale.sale", "sale.line", "no.such.model"]).await;
    let names: Vec<String> = schema.tables.iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["sale.sale", "sale.line"]);
    let sale = &schema.tables[0];
    let column = |name: &str| sale.column(name).unwrap();
    for (name, scalar_type, nullable, generated) in [
        ("id", "int32", false, true),
        ("party", "int32", false, false),
        ("state", "text", false, true),
        ("reference", "text", true, false),
        ("sale_date", "date", true, false),
        ("create_date", "timestamptz", true, true),
        ("total_amount", "decimal(38,18)", true, true),
        ("to_ship", "boolean", true, true),
        ("quotation_validity", "text", true, false),
        ("origin", "text", true, false),
    ] {
        let found = column(name);
        assert_eq!((found.scalar_type.to_string().as_str(), found.nullable, found.generated), (scalar_type, nullable, generated), "{name}");
    }
    assert!(column("company").has_default && !column("party").has_default);
    // The other side of a reference is no column; the reference is a key.
    assert!(sale.column("lines").is_none());
    let line = &schema.tables[1];
    assert_eq!(line.column("unit_price").unwrap().scalar_type, ScalarType::Decimal { precision: 38, scale: 4 });
    let key = line.foreign_keys.iter().find(|key| key.columns == ["sale"]).unwrap();
    assert_eq!((&key.references, key.referenced_columns.as_slice()), (&RemoteTableName::parse("sale.sale"), &["id".to_owned()][..]));
    assert_eq!(sale.row_version.as_ref().unwrap().name, "_timestamp");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_is_found() {
    let erp = Erp::start();
    let source = erp.source(json!({}));
    let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
    for model in ["sale.sale", "party.party", "ir.model", "stock.move", "account.invoice"] {
        assert!(schema.table(&RemoteTableName::parse(model)).is_some(), "{model}");
    }
    assert!(schema.tables.len() > 150, "{}", schema.tables.len());
    println!("{} tables, {} operations; {:?}", schema.tables.len(), schema.operations.len(), schema.notes);
}

/// What the settings say of the server's database decides what is exact, so that it is tried.
#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_not_true_are_refused() {
    let erp = Erp::start();
    for (more, setting) in [(json!({"backend": "postgresql"}), "backend"), (json!({"backend": "sqlite", "text_order": "binary"}), "")] {
        let source = erp.source(more);
        let wanted = Selection::Tables(vec![RemoteTableName::parse("party.party")]);
        let found = source.remote_schema(&wanted, &QueryContext::default()).await;
        match (found, setting) {
            (Ok(_), "") => {}
            (Err(error), setting) => {
                assert_eq!((&error.kind, error.setting()), (&SourceErrorKind::Unsupported, &[setting.to_owned()][..]), "{error}")
            }
            (Ok(_), setting) => panic!("'{setting}' was believed"),
        }
    }
    let source = erp.source(json!({"password": "not-the-password-2"}));
    let error = source.probe(&QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Credentials);
    assert!(!error.to_string().contains("not-the-password-2"), "{error}");
}
