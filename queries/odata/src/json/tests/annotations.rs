//! Instance annotations, and values that are left out.

use super::shapes::{all, enumeration, int32, text, texts};
use super::{batch, plain};
use crate::header::OmitValues;
use crate::json::{JsonOptions, property};
use crate::rows::{AnnotationShape, EntityShape, PropertyShape};
use crate::value_type::ValueType;
use expect_test::expect;
use portico_provider_api::{ScalarType, Value};

fn annotation(name: &str, position: usize) -> AnnotationShape {
    AnnotationShape { name: name.into(), position, value_type: ScalarType::Text.into() }
}

fn priced() -> PropertyShape {
    let annotations = vec![annotation("Measures.ISOCurrency", 1), annotation("UI.Hint#short", 2)];
    PropertyShape { annotations, ..PropertyShape::column("Price", 0, ScalarType::Int32.into()) }
}

fn omitting(omit: OmitValues) -> JsonOptions {
    JsonOptions { omit_values: Some(omit), ..JsonOptions::default() }
}

#[test]
fn annotations_stand_before_what_they_are_of() {
    let price = arrow::array::Int32Array::from(vec![Some(5), None, Some(7)]);
    let rows = plain(batch(vec![std::sync::Arc::new(price), texts(&[Some("EUR"), Some("CH\"F"), None]), texts(&[None, Some("x"), None])]));
    let shape = EntityShape {
        properties: vec![priced(), text("Note", 2)],
        annotations: vec![annotation("Core.Title", 2)],
        ..EntityShape::default()
    };
    expect![[r#"
        {"Price@Measures.ISOCurrency":"EUR","Price":5,"Note":null}
        {"@Core.Title":"x","Price@Measures.ISOCurrency":"CH\"F","Price@UI.Hint#short":"x","Price":null,"Note":"x"}
        {"Price":7,"Note":null}"#]]
    .assert_eq(&all(&shape, JsonOptions::default(), &rows));
    // What is annotated is not left out.
    expect![[r#"
        {"Price@Measures.ISOCurrency":"EUR","Price":5}
        {"@Core.Title":"x","Price@Measures.ISOCurrency":"CH\"F","Price@UI.Hint#short":"x","Price":null,"Note":"x"}
        {"Price":7}"#]]
    .assert_eq(&all(&shape, omitting(OmitValues::Nulls), &rows));
    let alone = property(&priced(), &rows.rows.slice(0, 1), &JsonOptions::default()).unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&alone), r#"{"@Measures.ISOCurrency":"EUR","value":5}"#);
}

#[test]
fn values_by_default_are_left_out_and_nulls_are_not_where_another_is_the_default() {
    let colors = enumeration(false, &[("Red", 1, Value::text("R")), ("Blue", 2, Value::text("B"))]);
    let rows = plain(batch(vec![int32(&[7, 8, 7]), texts(&[Some("R"), Some("B"), None]), texts(&[None, Some(""), Some("x")])]));
    let shape = EntityShape {
        properties: vec![
            PropertyShape { default: Some(Value::Int32(7)), ..PropertyShape::column("Size", 0, ScalarType::Int32.into()) },
            PropertyShape {
                default: Some(Value::text("R")),
                ..PropertyShape::column("Color", 1, ValueType::Enumeration(colors, ScalarType::Text))
            },
            text("Note", 2),
        ],
        ..EntityShape::default()
    };
    expect![[r#"
        {}
        {"Size":8,"Color":"Blue","Note":""}
        {"Color":null,"Note":"x"}"#]]
    .assert_eq(&all(&shape, omitting(OmitValues::Defaults), &rows));
    expect![[r#"
        {"Size":7,"Color":"Red"}
        {"Size":8,"Color":"Blue","Note":""}
        {"Size":7,"Note":"x"}"#]]
    .assert_eq(&all(&shape, omitting(OmitValues::Nulls), &rows));
}
