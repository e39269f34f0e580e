//! What rows can look like beyond plain entities.

use super::{batch, collection, plain, shape};
use crate::header::{OmitValues, Version};
use crate::json::{EntityLinks, JsonOptions, JsonWriter, MetadataLevel};
use crate::rows::{
    DerivationShape, DerivedShape, EntityBatch, EntityShape, ExpandForm, ExpandShape, ExpandedRows, MediaShape, PresenceShape,
    PropertyShape, ValueShape,
};
use crate::value_type::ValueType;
use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int16Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use expect_test::expect;
use portico_catalog::Enumeration;
use portico_catalog::overlay::EnumerationMember;
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;

pub(super) fn complex(name: &str, type_name: Option<&str>, members: Vec<PropertyShape>) -> PropertyShape {
    let value = ValueShape::Complex { type_name: type_name.map(str::to_owned), members, others: Vec::new() };
    PropertyShape::of(name, value)
}

pub(super) fn text(name: &str, position: usize) -> PropertyShape {
    PropertyShape::column(name, position, ScalarType::Text.into())
}

pub(super) fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

pub(super) fn int32(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

/// Links for a set `S` with the key `Id` and the relationship `Nav`.
fn links() -> JsonOptions {
    let links = EntityLinks {
        type_name: "N.S".into(),
        key: vec!["Id".into()],
        navigation: vec!["Nav".into()],
        operations: vec![],
        singleton: false,
    };
    JsonOptions { root_url: "http://h/o".into(), links: [("S".to_owned(), links)].into(), namespace: "N".into(), ..JsonOptions::default() }
}

fn full() -> JsonOptions {
    JsonOptions { metadata: MetadataLevel::Full, ..links() }
}

fn none() -> JsonOptions {
    JsonOptions { metadata: MetadataLevel::None, ..links() }
}

pub(super) fn all(shape: &EntityShape, options: JsonOptions, rows: &EntityBatch) -> String {
    let text = collection(shape, options, std::slice::from_ref(rows), None, None);
    text.strip_prefix("{\"value\":[").unwrap().strip_suffix("]}").unwrap().replace("},{", "}\n{")
}

/// Customers with an address, of which one is partly and one wholly null, and inside of it a place.
fn addresses() -> (EntityShape, EntityBatch) {
    let place = complex("Place", Some("N.Place"), vec![PropertyShape::column("X", 3, ScalarType::Int32.into())]);
    let members = vec![text("Street", 1), text("City", 2), place];
    let properties = vec![PropertyShape::column("Id", 0, ScalarType::Int32.into()), complex("Address", Some("N.Address"), members)];
    let rows = batch(vec![
        int32(&[1, 2, 3]),
        texts(&[Some("Main \"St\""), None, None]),
        texts(&[Some("Bern"), Some("Rom"), None]),
        Arc::new(Int32Array::from(vec![Some(7), None, None])),
    ]);
    (EntityShape { entity_set: "S".into(), properties, ..EntityShape::default() }, plain(rows))
}

#[test]
fn complex_properties_are_null_where_all_of_their_columns_are() {
    let (shape, rows) = addresses();
    expect![[r#"
        {"Id":1,"Address":{"Street":"Main \"St\"","City":"Bern","Place":{"X":7}}}
        {"Id":2,"Address":{"Street":null,"City":"Rom","Place":null}}
        {"Id":3,"Address":null}"#]]
    .assert_eq(&all(&shape, JsonOptions::default(), &rows));
    expect![[r##"
        {"@odata.type":"#N.S","@odata.id":"http://h/o/S(1)","@odata.editLink":"http://h/o/S(1)","Id@odata.type":"#Int32","Id":1,"Address":{"@odata.type":"#N.Address","Street":"Main \"St\"","City":"Bern","Place":{"@odata.type":"#N.Place","X@odata.type":"#Int32","X":7}},"Nav@odata.associationLink":"http://h/o/S(1)/Nav/$ref","Nav@odata.navigationLink":"http://h/o/S(1)/Nav"}
        {"@odata.type":"#N.S","@odata.id":"http://h/o/S(2)","@odata.editLink":"http://h/o/S(2)","Id@odata.type":"#Int32","Id":2,"Address":{"@odata.type":"#N.Address","Street":null,"City":"Rom","Place":null},"Nav@odata.associationLink":"http://h/o/S(2)/Nav/$ref","Nav@odata.navigationLink":"http://h/o/S(2)/Nav"}
        {"@odata.type":"#N.S","@odata.id":"http://h/o/S(3)","@odata.editLink":"http://h/o/S(3)","Id@odata.type":"#Int32","Id":3,"Address":null,"Nav@odata.associationLink":"http://h/o/S(3)/Nav/$ref","Nav@odata.navigationLink":"http://h/o/S(3)/Nav"}"##]].assert_eq(&all(&shape, full(), &rows));
}

#[test]
fn nulls_are_left_out_where_that_is_preferred() {
    let (shape, rows) = addresses();
    for omit_values in [OmitValues::Nulls, OmitValues::Defaults] {
        let options = JsonOptions { omit_values: Some(omit_values), ..JsonOptions::default() };
        expect![[r#"
            {"Id":1,"Address":{"Street":"Main \"St\"","City":"Bern","Place":{"X":7}}}
            {"Id":2,"Address":{"City":"Rom"}}
            {"Id":3}"#]]
        .assert_eq(&all(&shape, options, &rows));
    }
    // The annotation of a type goes with its property.
    let shape = EntityShape { properties: vec![PropertyShape { dynamic: true, ..shape.properties[0].clone() }], ..shape };
    let rows = plain(batch(vec![Arc::new(Int32Array::from(vec![None, Some(5)]))]));
    let options = JsonOptions { omit_values: Some(OmitValues::Nulls), ..JsonOptions::default() };
    assert_eq!(all(&shape, options, &rows), "{}\n{\"Id@odata.type\":\"#Int32\",\"Id\":5}");
}

pub(super) fn enumeration(flags: bool, members: &[(&str, i64, Value)]) -> Arc<Enumeration> {
    let member = |(name, value, stored): &(&str, i64, Value)| EnumerationMember {
        name: (*name).into(),
        value: *value,
        stored: stored.clone(),
        description: None,
        labels: Default::default(),
    };
    Arc::new(Enumeration {
        name: "Color".into(),
        description: None,
        labels: Default::default(),
        flags,
        underlying: ScalarType::Int32,
        members: members.iter().map(member).collect(),
    })
}

#[test]
fn enumerations_say_names() {
    let plain_one = enumeration(false, &[("Red", 1, Value::Int16(1)), ("Blue", 2, Value::Int16(2)), ("Cyan", 2, Value::Int16(2))]);
    let rights = enumeration(
        true,
        &[
            ("None", 0, Value::Int64(0)),
            ("Read", 1, Value::Int64(1)),
            ("Write", 2, Value::Int64(2)),
            ("All", 3, Value::Int64(3)),
            ("Own", 8, Value::Int64(8)),
        ],
    );
    let codes = enumeration(false, &[("Open", 1, Value::text("O")), ("Shut", 2, Value::text("S"))]);
    let of = |name: &str, position, enumeration: Arc<Enumeration>, carrier| {
        PropertyShape::column(name, position, ValueType::Enumeration(enumeration, carrier))
    };
    let properties = vec![
        of("Color", 0, plain_one, ScalarType::Int16),
        of("Rights", 1, rights, ScalarType::Int64),
        of("State", 2, codes, ScalarType::Text),
        PropertyShape::column("Took", 3, ValueType::Duration),
    ];
    let shape = EntityShape { properties, ..EntityShape::default() };
    let rows = plain(batch(vec![
        Arc::new(Int16Array::from(vec![Some(1), Some(2), Some(9), None])),
        Arc::new(Int64Array::from(vec![9, 3, 4, 0])),
        texts(&[Some("O"), Some("S"), Some("x\"y"), None]),
        Arc::new(Int64Array::from(vec![Some(0), Some(-90_500_000), Some(90_061_000_000), None])),
    ]));
    expect![[r#"
        {"Color":"Red","Rights":"Read,Own","State":"Open","Took":"PT0S"}
        {"Color":"Blue","Rights":"All","State":"Shut","Took":"-PT1M30.5S"}
        {"Color":"9","Rights":"4","State":"x\"y","Took":"P1DT1H1M1S"}
        {"Color":null,"Rights":"None","State":null,"Took":null}"#]]
    .assert_eq(&all(&shape, JsonOptions { ieee754_compatible: true, ..JsonOptions::default() }, &rows));
    let first = plain(rows.rows.slice(0, 1));
    expect![[r##"{"Color@odata.type":"#N.Color","Color":"Red","Rights@odata.type":"#N.Color","Rights":"Read,Own","State@odata.type":"#N.Color","State":"Open","Took@odata.type":"#Duration","Took":"PT0S"}"##]].assert_eq(&all(&shape, full(), &first));
}

#[test]
fn rows_of_derived_types_say_so_and_lack_what_they_do_not_have() {
    let mut shape = shape("S", &[("Id", ScalarType::Int32), ("Discount", ScalarType::Int32), ("Agent", ScalarType::Text)]);
    let derived = |code: &str, name: &str, lacks: &[usize]| DerivedShape {
        values: vec![Value::text(code)],
        type_name: name.into(),
        lacks: lacks.to_vec(),
    };
    shape.derivation = Some(DerivationShape {
        position: 3,
        types: vec![derived("V", "N.Vip", &[2]), derived("F", "N.Foreign", &[1])],
        base_lacks: vec![1, 2],
        expected: "N.S".into(),
        base: "N.S".into(),
    });
    let rows = plain(batch(vec![
        int32(&[1, 2, 3, 4]),
        int32(&[5, 6, 7, 8]),
        texts(&[None, None, Some("a"), None]),
        texts(&[Some("V"), Some("?"), Some("F"), None]),
    ]));
    expect![[r##"
        {"@odata.type":"#N.Vip","Id":1,"Discount":5}
        {"Id":2}
        {"@odata.type":"#N.Foreign","Id":3,"Agent":"a"}
        {"Id":4}"##]]
    .assert_eq(&all(&shape, JsonOptions::default(), &rows));
    assert!(!all(&shape, none(), &rows).contains("odata"));
    let first = plain(rows.rows.slice(0, 2));
    expect![[r##"
        {"@odata.type":"#N.Vip","@odata.id":"http://h/o/S(1)","@odata.editLink":"http://h/o/S(1)/N.Vip","Id@odata.type":"#Int32","Id":1,"Discount@odata.type":"#Int32","Discount":5,"Nav@odata.associationLink":"http://h/o/S(1)/N.Vip/Nav/$ref","Nav@odata.navigationLink":"http://h/o/S(1)/N.Vip/Nav"}
        {"@odata.type":"#N.S","@odata.id":"http://h/o/S(2)","@odata.editLink":"http://h/o/S(2)","Id@odata.type":"#Int32","Id":2,"Nav@odata.associationLink":"http://h/o/S(2)/Nav/$ref","Nav@odata.navigationLink":"http://h/o/S(2)/Nav"}"##]].assert_eq(&all(&shape, full(), &first));
    shape.derivation.as_mut().unwrap().expected = "N.Vip".into();
    expect![[r##"
        {"Id":1,"Discount":5}
        {"@odata.type":"#N.S","Id":2}"##]]
    .assert_eq(&all(&shape, JsonOptions::default(), &first));
}

#[test]
fn what_a_row_does_not_have_is_absent_and_not_null() {
    let total =
        PropertyShape { dynamic: true, ..PropertyShape::column("Total", 2, ScalarType::Decimal { precision: 10, scale: 1 }.into()) };
    let properties = vec![complex("Customer", None, vec![text("Country", 0), text("Name", 1)]), total];
    let presence =
        PresenceShape { position: 3, lacks: vec![vec![], vec![vec![0, 1]], vec![vec![0, 0], vec![0, 1]], vec![vec![0], vec![1]]] };
    let shape = EntityShape { properties, presence: Some(presence), ..EntityShape::default() };
    let rows = |mask: Vec<Option<i64>>| {
        let totals = Decimal128Array::from(vec![Some(15), Some(20), None, Some(0)]).with_precision_and_scale(10, 1).unwrap();
        plain(batch(vec![
            texts(&[Some("CH"), Some("CH"), None, None]),
            texts(&[Some("A"), None, None, None]),
            Arc::new(totals),
            Arc::new(Int64Array::from(mask)),
        ]))
    };
    let levels = rows(vec![Some(0), Some(1), Some(2), Some(3)]);
    expect![[r##"
        {"Customer":{"Country":"CH","Name":"A"},"Total@odata.type":"#Decimal","Total":1.5}
        {"Customer":{"Country":"CH"},"Total@odata.type":"#Decimal","Total":2.0}
        {"Total@odata.type":"#Decimal","Total":null}
        {}"##]]
    .assert_eq(&all(&shape, JsonOptions { ieee754_compatible: false, ..JsonOptions::default() }, &levels));
    // Null groups are null, which is something else.
    let nulls = rows(vec![Some(0), Some(0), Some(0), Some(1)]);
    assert!(all(&shape, none(), &nulls).ends_with("{\"Customer\":null,\"Total\":null}\n{\"Customer\":null,\"Total\":0.0}"));
    for wrong in [None, Some(4), Some(-1)] {
        let error = JsonWriter::new(&shape, JsonOptions::default()).write_batch(&rows(vec![wrong; 4]), &mut bytes::BytesMut::new());
        assert!(error.unwrap_err().reason.contains("which properties"));
    }
}

#[test]
fn types_of_computed_properties_are_said_where_json_does_not_tell_them() {
    let types: [ValueType; 6] = [
        ScalarType::Int64.into(),
        ScalarType::Float64.into(),
        ScalarType::Text.into(),
        ScalarType::Boolean.into(),
        ScalarType::Date.into(),
        ValueType::Duration,
    ];
    let properties: Vec<_> = types
        .into_iter()
        .enumerate()
        .map(|(at, value_type)| PropertyShape { dynamic: true, ..PropertyShape::column(format!("P{at}"), at, value_type) })
        .collect();
    let shape = EntityShape { properties, ..EntityShape::default() };
    let rows = plain(batch(vec![
        Arc::new(Int64Array::from(vec![1, 2])),
        Arc::new(Float64Array::from(vec![1.0, f64::NAN])),
        texts(&[Some("a"), None]),
        Arc::new(arrow::array::BooleanArray::from(vec![true, false])),
        Arc::new(arrow::array::Date32Array::from(vec![0, 1])),
        Arc::new(Int64Array::from(vec![1, 0])),
    ]));
    expect![[r##"
        {"P0@odata.type":"#Int64","P0":"1","P1":1.0,"P2":"a","P3":true,"P4@odata.type":"#Date","P4":"1970-01-01","P5@odata.type":"#Duration","P5":"PT0.000001S"}
        {"P0@odata.type":"#Int64","P0":"2","P1@odata.type":"#Double","P1":"NaN","P2":null,"P3":false,"P4@odata.type":"#Date","P4":"1970-01-02","P5@odata.type":"#Duration","P5":"PT0S"}"##]].assert_eq(&all(&shape, JsonOptions { ieee754_compatible: true, ..links() }, &rows));
    // OData's own types have no hash in 4.01.
    let newer = all(&shape, JsonOptions { version: Version::V4_01, ..links() }, &rows);
    assert!(newer.contains(r#""P0@odata.type":"Int64""#) && newer.contains(r#""P1@odata.type":"Double","P1":"NaN""#), "{newer}");
    assert!(!all(&shape, none(), &rows).contains("odata"));
}

#[test]
fn collections_of_plain_values() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
    let shape = shape("T", &[("Sizes", ScalarType::Int32)]);
    let rows = plain(batch(vec![Arc::new(list)]));
    assert_eq!(all(&shape, JsonOptions::default(), &rows), "{\"Sizes\":[1,null]}\n{\"Sizes\":[]}\n{\"Sizes\":[]}");
    assert!(all(&shape, full(), &rows).starts_with("{\"Sizes@odata.type\":\"#Collection(Int32)\",\"Sizes\":[1,null]}"));
    let omitting = JsonOptions { omit_values: Some(OmitValues::Nulls), ..JsonOptions::default() };
    assert!(all(&shape, omitting, &plain(rows.rows.slice(1, 1))).contains("[]"));
}

#[test]
fn streams_are_links() {
    let mut shape = shape("S", &[("Id", ScalarType::Int32)]);
    let stream = |media_type, fixed: Option<&str>| ValueShape::Stream { media_type, fixed_media_type: fixed.map(str::to_owned) };
    shape.properties.push(PropertyShape::of("Photo", stream(Some(1), None)));
    shape.properties.push(complex("Files", None, vec![text("Note", 1), PropertyShape::of("CV", stream(None, Some("text/plain")))]));
    shape.media = Some(MediaShape { media_type: None, fixed_media_type: Some("image/png".into()) });
    let rows = plain(batch(vec![int32(&[1, 2]), texts(&[Some("image/gif"), None])]));
    assert_eq!(all(&shape, links(), &rows), "{\"Id\":1,\"Files\":{\"Note\":\"image/gif\"}}\n{\"Id\":2,\"Files\":null}");
    let shown = all(&shape, full(), &rows);
    for part in [
        r#""@odata.mediaReadLink":"http://h/o/S(1)/$value","@odata.mediaContentType":"image/png""#,
        r#""Photo@odata.mediaReadLink":"http://h/o/S(1)/Photo","Photo@odata.mediaContentType":"image/gif""#,
        r#""Photo@odata.mediaReadLink":"http://h/o/S(2)/Photo","Photo@odata.mediaContentType":"application/octet-stream""#,
        r#""Note":"image/gif","CV@odata.mediaReadLink":"http://h/o/S(1)/Files/CV","CV@odata.mediaContentType":"text/plain"}"#,
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

/// One parent with three children, expanded in a form.
fn parent(form: ExpandForm) -> (EntityShape, EntityBatch) {
    let mut shape_of = shape("S", &[("Id", ScalarType::Int32)]);
    let child =
        ExpandShape { name: "Nav".into(), many: true, shape: shape("S", &[("Id", ScalarType::Int32)]), form, ..ExpandShape::default() };
    shape_of.expands.push(child);
    let children = ExpandedRows {
        ranges: vec![0..2, 2..3],
        counts: Some(vec![5, 1]),
        next_links: Some(vec![Some("http://h/o/S(1)/Nav?$skiptoken=\"x".into()), None]),
        ends: None,
        circular: None,
        entities: plain(batch(vec![int32(&[7, 8, 9])])),
    };
    (shape_of, EntityBatch { rows: batch(vec![int32(&[1, 2])]), expanded: vec![children] })
}

#[test]
fn expanded_references_counts_and_next_links() {
    let shown = |form, options| {
        let (shape, rows) = parent(form);
        all(&shape, options, &rows)
    };
    expect![[r#"
        {"Id":1,"Nav@odata.count":5,"Nav":[{"Id":7}
        {"Id":8}],"Nav@odata.nextLink":"http://h/o/S(1)/Nav?$skiptoken=\"x"}
        {"Id":2,"Nav@odata.count":1,"Nav":[{"Id":9}]}"#]]
    .assert_eq(&shown(ExpandForm::Entities, links()));
    expect![[r#"
        {"Id":1,"Nav@odata.count":5,"Nav":[{"@odata.id":"http://h/o/S(7)"}
        {"@odata.id":"http://h/o/S(8)"}],"Nav@odata.nextLink":"http://h/o/S(1)/Nav?$skiptoken=\"x"}
        {"Id":2,"Nav@odata.count":1,"Nav":[{"@odata.id":"http://h/o/S(9)"}]}"#]]
    .assert_eq(&shown(ExpandForm::References, none()));
    assert_eq!(
        shown(ExpandForm::Count, JsonOptions { ieee754_compatible: true, ..links() }),
        "{\"Id\":1,\"Nav@odata.count\":\"5\"}\n{\"Id\":2,\"Nav@odata.count\":\"1\"}"
    );
    let refused = |form, change: &dyn Fn(&mut EntityBatch), options| {
        let (shape, mut rows) = parent(form);
        change(&mut rows);
        JsonWriter::new(&shape, options).write_batch(&rows, &mut bytes::BytesMut::new()).unwrap_err().reason
    };
    assert!(refused(ExpandForm::References, &|_| (), JsonOptions::default()).contains("key"));
    assert!(refused(ExpandForm::Count, &|rows| rows.expanded[0].counts = None, links()).contains("how many"));
    assert!(refused(ExpandForm::Entities, &|rows| rows.expanded[0].next_links = Some(vec![]), links()).contains("another number"));
}

#[test]
fn references_and_entities_of_any_set() {
    let shape_of = shape("S", &[("Id", ScalarType::Int32)]);
    let rows = plain(batch(vec![int32(&[1, 2])]));
    let options = JsonOptions { references: true, context_url: Some("http://h/o/$metadata#Collection($ref)".into()), ..links() };
    assert_eq!(
        collection(&shape_of, options.clone(), std::slice::from_ref(&rows), Some(2), None),
        r#"{"@odata.context":"http://h/o/$metadata#Collection($ref)","@odata.count":2,"value":[{"@odata.id":"http://h/o/S(1)"},{"@odata.id":"http://h/o/S(2)"}]}"#
    );
    let one = plain(rows.rows.slice(0, 1));
    let single = JsonOptions { context_url: Some("c".into()), ..options.clone() };
    let text = JsonWriter::new(&shape_of, single).entity(&one).unwrap();
    assert_eq!(&text[..], br#"{"@odata.context":"c","@odata.id":"http://h/o/S(1)"}"#);
    let unknown = shape("Other", &[("Id", ScalarType::Int32)]);
    assert!(JsonWriter::new(&unknown, options).write_batch(&rows, &mut bytes::BytesMut::new()).unwrap_err().reason.contains("key"));

    let mut two = links();
    two.heterogeneous = true;
    two.links.insert(
        "T".into(),
        EntityLinks { type_name: "N.T".into(), key: vec!["Code".into()], navigation: vec![], operations: vec![], singleton: false },
    );
    let mut writer = JsonWriter::new(&shape_of, two);
    let mut out = bytes::BytesMut::from(&writer.start_collection(None)[..]);
    writer.write_batch(&one, &mut out).unwrap();
    writer.set_shape(&shape("T", &[("Code", ScalarType::Text)]));
    writer.write_batch(&plain(batch(vec![texts(&[Some("a/b")])])), &mut out).unwrap();
    out.extend_from_slice(&writer.finish_collection(None));
    expect![[r##"{"value":[{"@odata.type":"#N.S","@odata.id":"http://h/o/S(1)","@odata.editLink":"http://h/o/S(1)","Id":1},{"@odata.type":"#N.T","@odata.id":"http://h/o/T(%27a%2Fb%27)","@odata.editLink":"http://h/o/T(%27a%2Fb%27)","Code":"a/b"}]}"##]].assert_eq(std::str::from_utf8(&out).unwrap());
}

#[test]
fn keys_of_every_kind_are_written_in_ids() {
    let color = enumeration(false, &[("Red", 1, Value::Int32(1))]);
    let key = ["A", "B", "C"].map(str::to_owned).to_vec();
    let mut options = full();
    options
        .links
        .insert("K".into(), EntityLinks { type_name: "N.K".into(), key, navigation: vec![], operations: vec![], singleton: false });
    let shape = EntityShape {
        entity_set: "K".into(),
        properties: vec![
            PropertyShape::column("A", 0, ValueType::Enumeration(color, ScalarType::Int32)),
            PropertyShape::column("B", 1, ValueType::Duration),
            PropertyShape::column("C", 2, ScalarType::Text.into()),
        ],
        ..EntityShape::default()
    };
    let rows = plain(batch(vec![int32(&[1]), Arc::new(Int64Array::from(vec![1_000_000])), texts(&[Some("it's")])]));
    assert!(
        all(&shape, options, &rows).contains(r#""@odata.id":"http://h/o/K(A=N.Color%27Red%27,B=duration%27PT1S%27,C=%27it%27%27s%27)""#)
    );
}

#[test]
fn singletons_have_no_key() {
    let mut options = full();
    options.links.insert(
        "Me".into(),
        EntityLinks { type_name: "N.S".into(), key: vec![], navigation: vec!["Nav".into()], operations: vec![], singleton: true },
    );
    let rows = plain(batch(vec![texts(&[Some("x")])]));
    assert_eq!(
        all(&shape("Me", &[("Name", ScalarType::Text)]), options, &rows),
        r##"{"@odata.type":"#N.S","@odata.id":"http://h/o/Me","@odata.editLink":"http://h/o/Me","Name":"x","Nav@odata.associationLink":"http://h/o/Me/Nav/$ref","Nav@odata.navigationLink":"http://h/o/Me/Nav"}"##
    );
}

#[test]
fn empty_rows_and_batches() {
    let shape = EntityShape::default();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(2));
    let rows = RecordBatch::try_new_with_options(Arc::new(arrow::datatypes::Schema::empty()), vec![], &options).unwrap();
    assert_eq!(all(&shape, JsonOptions::default(), &plain(rows)), "{}\n{}");
}

#[test]
fn full_metadata_offers_operations() {
    let mut options = full();
    options.links.get_mut("S").unwrap().operations = vec!["N.Praise".into(), "N.Sack".into()];
    let shape = EntityShape {
        entity_set: "S".into(),
        properties: vec![PropertyShape::column("Id", 0, ScalarType::Int32.into())],
        ..EntityShape::default()
    };
    let rows = plain(batch(vec![int32(&[7])]));
    let sack = r##""#N.Sack":{"title":"Sack","target":"http://h/o/S(7)/N.Sack"}"##;
    let offered = all(&shape, options.clone(), &rows);
    assert!(offered.contains(r##","#N.Praise":{"title":"Praise","target":"http://h/o/S(7)/N.Praise"},"##), "{offered}");
    assert!(offered.contains(sack), "{offered}");
    // Of those that are selected, and to those who want to know.
    let of = |mentioned: &[&str]| EntityShape { mentioned: Some(mentioned.iter().map(|name| (*name).into()).collect()), ..shape.clone() };
    let selected = all(&of(&["N.Sack"]), options.clone(), &rows);
    assert!(selected.contains(sack) && !selected.contains("Praise"), "{selected}");
    assert_eq!(all(&of(&["N.*"]), options.clone(), &rows), offered);
    assert!(!all(&of(&[]), options.clone(), &rows).contains("target"));
    assert!(!all(&shape, JsonOptions { metadata: MetadataLevel::Minimal, ..options }, &rows).contains("target"));
}
