//! Values that stand alone, and rows of `$crossjoin`.

use super::shapes::{complex, enumeration, int32, text, texts};
use super::{batch, plain, shape};
use crate::json::{
    CrossJoinForm, CrossJoinShape, CrossJoinWriter, EntityLinks, JsonOptions, MetadataLevel, ValuesWriter, property, raw_value,
};
use crate::rows::{PropertyShape, ValueShape};
use crate::value_type::ValueType;
use arrow::array::{ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int64Array, ListArray, TimestampMicrosecondArray};
use arrow::datatypes::Int32Type;
use bytes::BytesMut;
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;

fn shown(shape: &PropertyShape, column: Vec<ArrayRef>, metadata: MetadataLevel) -> Option<String> {
    let options =
        JsonOptions { metadata, context_url: Some("c".into()), ieee754_compatible: true, namespace: "N".into(), ..JsonOptions::default() };
    let bytes = property(shape, &batch(column), &options).unwrap()?;
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

fn of(value_type: impl Into<ValueType>) -> PropertyShape {
    PropertyShape::column("P", 0, value_type.into())
}

#[test]
fn a_property_is_wrapped() {
    use MetadataLevel::{Full, Minimal, None as Nothing};
    let money: ArrayRef = Arc::new(Decimal128Array::from(vec![1250]).with_precision_and_scale(13, 2).unwrap());
    let decimal = of(ScalarType::Decimal { precision: 13, scale: 2 });
    assert_eq!(shown(&decimal, vec![money.clone()], Minimal).unwrap(), r#"{"@odata.context":"c","value":"12.50"}"#);
    assert_eq!(shown(&decimal, vec![money.clone()], Full).unwrap(), r##"{"@odata.context":"c","@odata.type":"#Decimal","value":"12.50"}"##);
    assert_eq!(shown(&decimal, vec![money], Nothing).unwrap(), r#"{"value":"12.50"}"#);
    assert_eq!(shown(&of(ScalarType::Text), vec![texts(&[Some("a")])], Full).unwrap(), r#"{"@odata.context":"c","value":"a"}"#);
    assert_eq!(shown(&of(ScalarType::Text), vec![texts(&[None])], Full), None);
    let not_finite: ArrayRef = Arc::new(Float64Array::from(vec![f64::INFINITY]));
    assert_eq!(
        shown(&of(ScalarType::Float64), vec![not_finite], Full).unwrap(),
        r##"{"@odata.context":"c","@odata.type":"#Double","value":"INF"}"##
    );
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), Some(2)])]);
    assert_eq!(shown(&of(ScalarType::Int32), vec![Arc::new(list)], Minimal).unwrap(), r#"{"@odata.context":"c","value":[1,2]}"#);
    let address = complex("Address", Some("N.Address"), vec![text("Street", 0), text("City", 1)]);
    assert_eq!(
        shown(&address, vec![texts(&[Some("x")]), texts(&[None])], Full).unwrap(),
        r##"{"@odata.context":"c","@odata.type":"#N.Address","Street":"x","City":null}"##
    );
    assert_eq!(shown(&address, vec![texts(&[None]), texts(&[None])], Full), None);
    assert!(property(&of(ScalarType::Text), &batch(vec![texts(&[None, None])]), &JsonOptions::default()).is_err());
    let stream = PropertyShape { value: ValueShape::Stream { media_type: None, fixed_media_type: None }, ..of(ScalarType::Text) };
    assert!(property(&stream, &batch(vec![texts(&[None])]), &JsonOptions::default()).unwrap_err().reason.contains("$value"));
}

#[test]
fn raw_values_have_neither_quotes_nor_escapes() {
    let raw = |value_type: ValueType, column: ArrayRef| {
        let value = raw_value(&of(value_type), &batch(vec![column])).unwrap()?;
        Some((value.media_type, value.bytes.to_vec()))
    };
    let plain_text = "text/plain;charset=utf-8";
    assert_eq!(raw(ScalarType::Text.into(), texts(&[Some("a\"\n")])), Some((plain_text, b"a\"\n".to_vec())));
    assert_eq!(raw(ScalarType::Text.into(), texts(&[None])), None);
    assert_eq!(
        raw(ScalarType::Int64.into(), Arc::new(Int64Array::from(vec![i64::MIN]))),
        Some((plain_text, b"-9223372036854775808".to_vec()))
    );
    assert_eq!(
        raw(ScalarType::Binary.into(), Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..]]))),
        Some(("application/octet-stream", vec![0, 255]))
    );
    let instant: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"));
    assert_eq!(raw(ScalarType::TimestampTz.into(), instant), Some((plain_text, b"1970-01-01T00:00:00Z".to_vec())));
    let color = enumeration(false, &[("Red", 1, Value::Int32(1))]);
    assert_eq!(raw(ValueType::Enumeration(color, ScalarType::Int32), int32(&[1])), Some((plain_text, b"Red".to_vec())));
    assert!(raw_value(&complex("A", None, vec![text("B", 0)]), &batch(vec![texts(&[None])])).is_err());
}

#[test]
fn collections_of_values() {
    let written = |shape: &PropertyShape, rows| {
        let options = JsonOptions { context_url: Some("c".into()), ..JsonOptions::default() };
        let mut writer = ValuesWriter::new(shape, options).unwrap();
        let mut out = BytesMut::from(&writer.start(Some(2))[..]);
        writer.write_batch(&rows, &mut out).unwrap();
        writer.write_batch(&rows.slice(0, 1), &mut out).unwrap();
        out.extend_from_slice(&writer.finish(Some("n")));
        String::from_utf8(out.to_vec()).unwrap()
    };
    assert_eq!(
        written(&of(ScalarType::Text), batch(vec![texts(&[Some("a"), None])])),
        r#"{"@odata.context":"c","@odata.count":2,"value":["a",null,"a"],"@odata.nextLink":"n"}"#
    );
    let address = complex("Address", Some("N.Address"), vec![text("Street", 0)]);
    assert_eq!(
        written(&address, batch(vec![texts(&[Some("a"), None])])),
        r#"{"@odata.context":"c","@odata.count":2,"value":[{"Street":"a"},null,{"Street":"a"}],"@odata.nextLink":"n"}"#
    );
}

#[test]
fn cross_joins_are_links_or_entities() {
    let links = |name: &str| {
        (
            name.to_owned(),
            EntityLinks {
                type_name: format!("N.{name}"),
                key: vec!["Id".into()],
                navigation: vec![],
                operations: vec![],
                singleton: false,
            },
        )
    };
    let options = JsonOptions {
        context_url: Some("http://h/o/$metadata#Collection(Edm.ComplexType)".into()),
        root_url: "http://h/o".into(),
        links: [links("A"), links("B")].into(),
        ..JsonOptions::default()
    };
    let part = |name: &str, form| CrossJoinShape { name: name.into(), shape: shape(name, &[("Id", ScalarType::Int32)]), form };
    let mut writer = CrossJoinWriter::new(&[part("A", CrossJoinForm::Link), part("B", CrossJoinForm::Entity)], options.clone()).unwrap();
    let mut out = BytesMut::from(&writer.start(None)[..]);
    writer.write_batch(&[plain(batch(vec![int32(&[1, 1])])), plain(batch(vec![int32(&[7, 8])]))], &mut out).unwrap();
    out.extend_from_slice(&writer.finish(None));
    assert_eq!(
        &out[..],
        br#"{"@odata.context":"http://h/o/$metadata#Collection(Edm.ComplexType)","value":[{"A@odata.navigationLink":"http://h/o/A(1)","B":{"Id":7}},{"A@odata.navigationLink":"http://h/o/A(1)","B":{"Id":8}}]}"#
    );
    assert!(writer.write_batch(&[plain(batch(vec![int32(&[1])]))], &mut out).is_err());
    assert!(CrossJoinWriter::new(&[part("C", CrossJoinForm::Link)], options.clone()).is_err());

    // What is computed stands in the row itself, after a set or alone.
    let mut made = CrossJoinShape { form: CrossJoinForm::Properties, ..part("", CrossJoinForm::Link) };
    made.shape.properties = vec![PropertyShape::made("Sum", ValueShape::Column { position: 0, value_type: ScalarType::Int32.into() })];
    for (shapes, expected) in [
        (
            vec![part("A", CrossJoinForm::Link), made.clone()],
            r##"{"A@odata.navigationLink":"http://h/o/A(1)","Sum@odata.type":"#Int32","Sum":9}"##,
        ),
        (vec![made.clone()], r##"{"Sum@odata.type":"#Int32","Sum":9}"##),
    ] {
        let mut writer = CrossJoinWriter::new(&shapes, options.clone()).unwrap();
        let batches = [plain(batch(vec![int32(&[1])])), plain(batch(vec![int32(&[9])]))];
        let mut out = BytesMut::new();
        writer.write_batch(&batches[2 - shapes.len()..], &mut out).unwrap();
        assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
    }
}
