//! Payloads: golden answers, and values that are read back.

mod annotations;
mod contexts;
mod shapes;
mod spatial;
mod values;

use super::*;
use crate::bound::{BoundQuery, BoundRead, ReadKind};
use crate::fixtures::model;
use crate::rows::{EntityBatch, EntityShape, ExpandForm, ExpandShape, ExpandedRows, PropertyShape};
use crate::{ODataError, bind, parse};
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array, Int16Array, Int32Array,
    Int64Array, IntervalDayTimeArray, ListArray, RecordBatch, StringArray, StringViewArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, IntervalDayTime, Schema, i256};
use bytes::BytesMut;
use expect_test::{Expect, expect};
use portico_provider_api::{ScalarType, Value};
use proptest::prelude::*;
use std::sync::Arc;

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<_> =
        columns.iter().enumerate().map(|(index, column)| Field::new(format!("c{index}"), column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn shape(entity_set: &str, properties: &[(&str, ScalarType)]) -> EntityShape {
    let property =
        |(position, (name, scalar_type)): (usize, &(&str, ScalarType))| PropertyShape::column(*name, position, (*scalar_type).into());
    EntityShape {
        entity_set: entity_set.to_owned(),
        properties: properties.iter().enumerate().map(property).collect(),
        ..EntityShape::default()
    }
}

fn plain(rows: RecordBatch) -> EntityBatch {
    EntityBatch { rows, expanded: vec![] }
}

fn collection(shape: &EntityShape, options: JsonOptions, batches: &[EntityBatch], count: Option<u64>, next: Option<&str>) -> String {
    let mut writer = JsonWriter::new(shape, options);
    let mut out = BytesMut::new();
    out.extend_from_slice(&writer.start_collection(count));
    for batch in batches {
        writer.write_batch(batch, &mut out).unwrap();
    }
    out.extend_from_slice(&writer.finish_collection(next));
    let text = String::from_utf8(out.to_vec()).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    text
}

const MONEY: ScalarType = ScalarType::Decimal { precision: 13, scale: 2 };

/// Two customers with orders, the second without any, each order with its customer.
fn customers() -> (EntityShape, EntityBatch) {
    let mut orders = shape("Orders", &[("Id", ScalarType::Int64), ("Total", MONEY)]);
    orders.expands.push(ExpandShape {
        name: "Customer".into(),
        many: false,
        shape: shape("Customers", &[("Id", ScalarType::Int32)]),
        form: ExpandForm::Entities,
        ..ExpandShape::default()
    });
    let mut customers = shape("Customers", &[("Id", ScalarType::Int32), ("Name", ScalarType::Text)]);
    customers.etag = Some(2);
    customers.expands.push(ExpandShape {
        name: "Orders".into(),
        many: true,
        shape: orders,
        form: ExpandForm::Entities,
        ..ExpandShape::default()
    });
    let totals = Decimal128Array::from(vec![Some(1250), None, Some(-5)]).with_precision_and_scale(13, 2).unwrap();
    let order_rows = EntityBatch {
        rows: batch(vec![Arc::new(Int64Array::from(vec![10, 11, 12])), Arc::new(totals)]),
        expanded: vec![ExpandedRows {
            ranges: vec![0..1, 1..1, 1..2],
            counts: None,
            next_links: None,
            ends: None,
            circular: None,
            entities: plain(batch(vec![Arc::new(Int32Array::from(vec![1, 3]))])),
        }],
    };
    let rows = batch(vec![
        Arc::new(Int32Array::from(vec![1, 2])),
        Arc::new(StringArray::from(vec![Some("O'\"Neil\n"), None])),
        Arc::new(StringArray::from(vec![Some("W/\"1\""), None])),
    ]);
    (
        customers,
        EntityBatch {
            rows,
            expanded: vec![ExpandedRows {
                ranges: vec![0..3, 3..3],
                counts: Some(vec![7, 0]),
                next_links: None,
                ends: None,
                circular: None,
                entities: order_rows,
            }],
        },
    )
}

#[test]
fn collections_with_children() {
    let (shape, rows) = customers();
    let options = JsonOptions { context_url: Some("https://x/$metadata#Customers".into()), ..JsonOptions::default() };
    let text = collection(&shape, options, std::slice::from_ref(&rows), Some(2), Some("https://x/Customers?$skiptoken=a\"b"));
    expect![[r#"{"@odata.context":"https://x/$metadata#Customers","@odata.count":2,"value":[{"@odata.etag":"W/\"1\"","Id":1,"Name":"O'\"Neil\n","Orders@odata.count":7,"Orders":[{"Id":10,"Total":12.50,"Customer":{"Id":1}},{"Id":11,"Total":null,"Customer":null},{"Id":12,"Total":-0.05,"Customer":{"Id":3}}]},{"Id":2,"Name":null,"Orders@odata.count":0,"Orders":[]}],"@odata.nextLink":"https://x/Customers?$skiptoken=a\"b"}"#]].assert_eq(&text);
    let options =
        JsonOptions { ieee754_compatible: true, metadata: MetadataLevel::None, context_url: Some("x".into()), ..JsonOptions::default() };
    let text = collection(&shape, options, &[rows.clone(), rows], Some(4), None);
    expect![[r#"{"@odata.count":"4","value":[{"Id":1,"Name":"O'\"Neil\n","Orders@odata.count":"7","Orders":[{"Id":"10","Total":"12.50","Customer":{"Id":1}},{"Id":"11","Total":null,"Customer":null},{"Id":"12","Total":"-0.05","Customer":{"Id":3}}]},{"Id":2,"Name":null,"Orders@odata.count":"0","Orders":[]},{"Id":1,"Name":"O'\"Neil\n","Orders@odata.count":"7","Orders":[{"Id":"10","Total":"12.50","Customer":{"Id":1}},{"Id":"11","Total":null,"Customer":null},{"Id":"12","Total":"-0.05","Customer":{"Id":3}}]},{"Id":2,"Name":null,"Orders@odata.count":"0","Orders":[]}]}"#]].assert_eq(&text);
    assert_eq!(collection(&shape, JsonOptions::default(), &[], None, None), r#"{"value":[]}"#);
}

#[test]
fn full_metadata_says_everything() {
    let (shape, rows) = customers();
    let options = JsonOptions {
        metadata: MetadataLevel::Full,
        context_url: Some("https://x/odata/crm/$metadata#Customers".into()),
        root_url: "https://x/odata/crm/".into(),
        links: entity_links(&model()),
        ..JsonOptions::default()
    };
    let text = collection(&shape, options, &[rows], None, None);
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&text).unwrap()).unwrap();
    expect![[r##"
        {
          "@odata.context": "https://x/odata/crm/$metadata#Customers",
          "value": [
            {
              "@odata.type": "#Portico.crm.Customers",
              "@odata.id": "https://x/odata/crm/Customers(1)",
              "@odata.editLink": "https://x/odata/crm/Customers(1)",
              "@odata.etag": "W/\"1\"",
              "Id@odata.type": "#Int32",
              "Id": 1,
              "Name": "O'\"Neil\n",
              "Orders@odata.associationLink": "https://x/odata/crm/Customers(1)/Orders/$ref",
              "Orders@odata.navigationLink": "https://x/odata/crm/Customers(1)/Orders",
              "Orders@odata.count": 7,
              "Orders": [
                {
                  "@odata.type": "#Portico.crm.Orders",
                  "@odata.id": "https://x/odata/crm/Orders(10)",
                  "@odata.editLink": "https://x/odata/crm/Orders(10)",
                  "Id@odata.type": "#Int64",
                  "Id": 10,
                  "Total@odata.type": "#Decimal",
                  "Total": 12.5,
                  "Customer@odata.associationLink": "https://x/odata/crm/Orders(10)/Customer/$ref",
                  "Customer@odata.navigationLink": "https://x/odata/crm/Orders(10)/Customer",
                  "Lines@odata.associationLink": "https://x/odata/crm/Orders(10)/Lines/$ref",
                  "Lines@odata.navigationLink": "https://x/odata/crm/Orders(10)/Lines",
                  "Customer": {
                    "@odata.type": "#Portico.crm.Customers",
                    "@odata.id": "https://x/odata/crm/Customers(1)",
                    "@odata.editLink": "https://x/odata/crm/Customers(1)",
                    "Id@odata.type": "#Int32",
                    "Id": 1,
                    "Orders@odata.associationLink": "https://x/odata/crm/Customers(1)/Orders/$ref",
                    "Orders@odata.navigationLink": "https://x/odata/crm/Customers(1)/Orders"
                  }
                },
                {
                  "@odata.type": "#Portico.crm.Orders",
                  "@odata.id": "https://x/odata/crm/Orders(11)",
                  "@odata.editLink": "https://x/odata/crm/Orders(11)",
                  "Id@odata.type": "#Int64",
                  "Id": 11,
                  "Total@odata.type": "#Decimal",
                  "Total": null,
                  "Customer@odata.associationLink": "https://x/odata/crm/Orders(11)/Customer/$ref",
                  "Customer@odata.navigationLink": "https://x/odata/crm/Orders(11)/Customer",
                  "Lines@odata.associationLink": "https://x/odata/crm/Orders(11)/Lines/$ref",
                  "Lines@odata.navigationLink": "https://x/odata/crm/Orders(11)/Lines",
                  "Customer": null
                },
                {
                  "@odata.type": "#Portico.crm.Orders",
                  "@odata.id": "https://x/odata/crm/Orders(12)",
                  "@odata.editLink": "https://x/odata/crm/Orders(12)",
                  "Id@odata.type": "#Int64",
                  "Id": 12,
                  "Total@odata.type": "#Decimal",
                  "Total": -0.05,
                  "Customer@odata.associationLink": "https://x/odata/crm/Orders(12)/Customer/$ref",
                  "Customer@odata.navigationLink": "https://x/odata/crm/Orders(12)/Customer",
                  "Lines@odata.associationLink": "https://x/odata/crm/Orders(12)/Lines/$ref",
                  "Lines@odata.navigationLink": "https://x/odata/crm/Orders(12)/Lines",
                  "Customer": {
                    "@odata.type": "#Portico.crm.Customers",
                    "@odata.id": "https://x/odata/crm/Customers(3)",
                    "@odata.editLink": "https://x/odata/crm/Customers(3)",
                    "Id@odata.type": "#Int32",
                    "Id": 3,
                    "Orders@odata.associationLink": "https://x/odata/crm/Customers(3)/Orders/$ref",
                    "Orders@odata.navigationLink": "https://x/odata/crm/Customers(3)/Orders"
                  }
                }
              ]
            },
            {
              "@odata.type": "#Portico.crm.Customers",
              "@odata.id": "https://x/odata/crm/Customers(2)",
              "@odata.editLink": "https://x/odata/crm/Customers(2)",
              "Id@odata.type": "#Int32",
              "Id": 2,
              "Name": null,
              "Orders@odata.associationLink": "https://x/odata/crm/Customers(2)/Orders/$ref",
              "Orders@odata.navigationLink": "https://x/odata/crm/Customers(2)/Orders",
              "Orders@odata.count": 0,
              "Orders": []
            }
          ]
        }"##]]
    .assert_eq(&pretty);
}

#[test]
fn one_entity() {
    let (shape, rows) = customers();
    let one = EntityBatch {
        rows: rows.rows.slice(0, 1),
        expanded: vec![ExpandedRows {
            ranges: std::iter::once(0..0).collect(),
            counts: None,
            next_links: None,
            ends: None,
            circular: None,
            entities: rows.expanded[0].entities.clone(),
        }],
    };
    let options = JsonOptions { context_url: Some("c".into()), ..JsonOptions::default() };
    let text = JsonWriter::new(&shape, options).entity(&one).unwrap();
    assert_eq!(
        std::str::from_utf8(&text).unwrap(),
        r#"{"@odata.context":"c","@odata.etag":"W/\"1\"","Id":1,"Name":"O'\"Neil\n","Orders":[]}"#
    );
    assert!(JsonWriter::new(&shape, JsonOptions::default()).entity(&rows).unwrap_err().reason.contains("there are 2"));
}

fn column(scalar_type: ScalarType, array: ArrayRef, ieee754_compatible: bool) -> String {
    let shape = shape("S", &[("P", scalar_type)]);
    let text = collection(&shape, JsonOptions { ieee754_compatible, ..JsonOptions::default() }, &[plain(batch(vec![array]))], None, None);
    text.trim_start_matches("{\"value\":[").trim_end_matches("]}").replace("{\"P\":", "").replace('}', "")
}

#[test]
fn every_type_at_its_edges() {
    let cases: Vec<(ScalarType, ArrayRef)> = vec![
        (ScalarType::Boolean, Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        (ScalarType::Int16, Arc::new(Int16Array::from(vec![i16::MIN, i16::MAX]))),
        (ScalarType::Int32, Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX]))),
        (ScalarType::Int64, Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]))),
        (ScalarType::Float32, Arc::new(Float32Array::from(vec![0.1, -0.0, f32::MAX, f32::NAN, f32::INFINITY, f32::NEG_INFINITY]))),
        (
            ScalarType::Float64,
            Arc::new(Float64Array::from(vec![0.1, -0.0, 1e21, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, f64::NEG_INFINITY])),
        ),
        (MONEY, Arc::new(Decimal128Array::from(vec![0, 5, -5, 100, -12345, 1_234_567_890_123]).with_precision_and_scale(13, 2).unwrap())),
        (
            ScalarType::Decimal { precision: 38, scale: 0 },
            Arc::new(Decimal128Array::from(vec![i128::from(u64::MAX), -7]).with_precision_and_scale(38, 0).unwrap()),
        ),
        (
            ScalarType::Decimal { precision: 60, scale: 50 },
            Arc::new(
                Decimal256Array::from(vec![i256::from_i128(-1), i256::from_string(&"9".repeat(60)).unwrap()])
                    .with_precision_and_scale(60, 50)
                    .unwrap(),
            ),
        ),
        (ScalarType::Text, Arc::new(StringArray::from(vec!["", "\u{0}\u{1f}\u{7f}\"\\/", "\u{2028}\u{2029}é😀"]))),
        (ScalarType::Text, Arc::new(StringViewArray::from(vec![Some("a"), None]))),
        (ScalarType::Binary, Arc::new(BinaryArray::from(vec![&b""[..], &[0xFB, 0xFF, 0xFE], &[1]]))),
        (ScalarType::Date, Arc::new(Date32Array::from(vec![0, -1, i32::MIN, i32::MAX]))),
        (ScalarType::Time, Arc::new(Time64MicrosecondArray::from(vec![0, 1, 1_000, 86_399_999_999]))),
        (ScalarType::Timestamp, Arc::new(TimestampMicrosecondArray::from(vec![0, -1, i64::MAX, i64::MIN]))),
        (ScalarType::TimestampTz, Arc::new(TimestampMicrosecondArray::from(vec![1_785_542_400_123_000]).with_timezone("UTC"))),
        (ScalarType::Guid, Arc::new(StringArray::from(vec!["3f2504e0-4f89-11d3-9a0c-0305e82c3301"]))),
        (ScalarType::Json, Arc::new(StringArray::from(vec!["{\"a\":1}"]))),
    ];
    let mut shown = String::new();
    for (scalar_type, array) in cases {
        shown +=
            &format!("{scalar_type}: {}\n  as strings: {}\n", column(scalar_type, array.clone(), false), column(scalar_type, array, true));
    }
    expect![[r#"
        boolean: true,false,null
          as strings: true,false,null
        int16: -32768,32767
          as strings: -32768,32767
        int32: -2147483648,2147483647
          as strings: -2147483648,2147483647
        int64: -9223372036854775808,9223372036854775807
          as strings: "-9223372036854775808","9223372036854775807"
        float32: 0.1,-0.0,3.4028235e+38,"NaN","INF","-INF"
          as strings: 0.1,-0.0,3.4028235e+38,"NaN","INF","-INF"
        float64: 0.1,-0.0,1e+21,2.2250738585072014e-308,"NaN","INF","-INF"
          as strings: 0.1,-0.0,1e+21,2.2250738585072014e-308,"NaN","INF","-INF"
        decimal(13,2): 0.00,0.05,-0.05,1.00,-123.45,12345678901.23
          as strings: "0.00","0.05","-0.05","1.00","-123.45","12345678901.23"
        decimal(38,0): 18446744073709551615,-7
          as strings: "18446744073709551615","-7"
        decimal(60,50): -0.00000000000000000000000000000000000000000000000001,9999999999.99999999999999999999999999999999999999999999999999
          as strings: "-0.00000000000000000000000000000000000000000000000001","9999999999.99999999999999999999999999999999999999999999999999"
        text: "","\u0000\u001f\u007f\"\\/","\u2028\u2029é😀"
          as strings: "","\u0000\u001f\u007f\"\\/","\u2028\u2029é😀"
        text: "a",null
          as strings: "a",null
        binary: "","-__-","AQ=="
          as strings: "","-__-","AQ=="
        date: "1970-01-01","1969-12-31","-5877641-06-23","5881580-07-11"
          as strings: "1970-01-01","1969-12-31","-5877641-06-23","5881580-07-11"
        time: "00:00:00","00:00:00.000001","00:00:00.001","23:59:59.999999"
          as strings: "00:00:00","00:00:00.000001","00:00:00.001","23:59:59.999999"
        timestamp: "1970-01-01T00:00:00Z","1969-12-31T23:59:59.999999Z","294247-01-10T04:00:54.775807Z","-290308-12-21T19:59:05.224192Z"
          as strings: "1970-01-01T00:00:00Z","1969-12-31T23:59:59.999999Z","294247-01-10T04:00:54.775807Z","-290308-12-21T19:59:05.224192Z"
        timestamptz: "2026-08-01T00:00:00.123Z"
          as strings: "2026-08-01T00:00:00.123Z"
        guid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
          as strings: "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
        json: "{\"a\":1"
          as strings: "{\"a\":1"
    "#]].assert_eq(&shown);
}

#[test]
fn what_cannot_be_written_is_an_error_and_nothing_is_appended() {
    let write = |scalar_type: ScalarType, array: ArrayRef| {
        let mut out = BytesMut::from(&b"before"[..]);
        let error = JsonWriter::new(&shape("S", &[("P", scalar_type)]), JsonOptions::default())
            .write_batch(&plain(batch(vec![array])), &mut out)
            .unwrap_err();
        assert_eq!((&out[..], error.property.as_str()), (&b"before"[..], "P"));
        error.reason
    };
    assert!(write(ScalarType::Time, Arc::new(Time64MicrosecondArray::from(vec![0, 86_400_000_000]))).contains("time of day"));
    assert!(write(ScalarType::Time, Arc::new(Time64MicrosecondArray::from(vec![-1]))).contains("time of day"));
    assert!(write(ScalarType::Int32, Arc::new(Int64Array::from(vec![1]))).contains("int32"));
    assert!(write(MONEY, Arc::new(Decimal128Array::from(vec![1]).with_precision_and_scale(13, 3).unwrap())).contains("decimal(13,2)"));
    assert!(write(ScalarType::Timestamp, Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"))).contains("timestamp"));
    let mut missing = shape("S", &[("P", ScalarType::Int32)]);
    missing.properties[0] = PropertyShape::column("P", 5, ScalarType::Int32.into());
    let rows = plain(batch(vec![Arc::new(Int32Array::from(vec![1]))]));
    assert!(
        JsonWriter::new(&missing, JsonOptions::default())
            .write_batch(&rows, &mut BytesMut::new())
            .unwrap_err()
            .reason
            .contains("position 5")
    );
    let (shape, mut rows) = customers();
    rows.expanded[0].ranges[1] = 3..9;
    assert!(
        JsonWriter::new(&shape, JsonOptions::default())
            .write_batch(&rows, &mut BytesMut::new())
            .unwrap_err()
            .reason
            .contains("out of range")
    );
    rows.expanded[0].ranges.pop();
    assert!(JsonWriter::new(&shape, JsonOptions::default()).write_batch(&rows, &mut BytesMut::new()).is_err());
    rows.expanded.clear();
    assert!(JsonWriter::new(&shape, JsonOptions::default()).write_batch(&rows, &mut BytesMut::new()).is_err());
}

#[test]
fn rows_of_any_type() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(arrow::array::NullArray::new(2))),
        ("i8", Arc::new(arrow::array::Int8Array::from(vec![-128, 127]))),
        ("u64", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
        ("dec", Arc::new(Decimal128Array::from(vec![Some(-5), None]).with_precision_and_scale(20, 3).unwrap())),
        ("up", Arc::new(Decimal128Array::from(vec![Some(5), Some(0)]).with_precision_and_scale(20, -2).unwrap())),
        ("view", Arc::new(StringViewArray::from(vec!["a\"", "b"]))),
        ("ts", Arc::new(TimestampNanosecondArray::from(vec![1, -1]))),
        ("tz", Arc::new(TimestampMicrosecondArray::from(vec![0, 1]).with_timezone("UTC"))),
        ("interval", Arc::new(IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 2), IntervalDayTime::new(0, 0)]))),
        ("list", Arc::new(list)),
        (
            "dict",
            Arc::new(
                arrow::array::DictionaryArray::<Int32Type>::try_new(
                    Int32Array::from(vec![1, 0]),
                    Arc::new(StringArray::from(vec![Some("x\""), None])),
                )
                .unwrap(),
            ),
        ),
        ("date64", Arc::new(arrow::array::Date64Array::from(vec![0, 86_400_000]))),
    ];
    let fields: Vec<_> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let rows = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, array)| array).collect()).unwrap();
    let mut writer = RowsWriter::new(&schema).unwrap();
    let mut out = BytesMut::from(&writer.start()[..]);
    writer.write_batch(&rows, &mut out).unwrap();
    writer.write_batch(&rows.slice(1, 1), &mut out).unwrap();
    out.extend_from_slice(&writer.finish());
    let text = String::from_utf8(out.to_vec()).unwrap();
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len(), 3);
    expect![[r#"[{"n":null,"i8":-128,"u64":18446744073709551615,"dec":-0.005,"up":500,"view":"a\"","ts":"1970-01-01T00:00:00.000000001","tz":"1970-01-01T00:00:00Z","interval":"1 days 0.002 secs","list":"[1, ]","dict":null,"date64":"1970-01-01T00:00:00"},{"n":null,"i8":127,"u64":0,"dec":null,"up":0,"view":"b","ts":"1969-12-31T23:59:59.999999999","tz":"1970-01-01T00:00:00.000001Z","interval":"0 secs","list":null,"dict":"x\"","date64":"1970-01-02T00:00:00"},{"n":null,"i8":127,"u64":0,"dec":null,"up":0,"view":"b","ts":"1969-12-31T23:59:59.999999999","tz":"1970-01-01T00:00:00.000001Z","interval":"0 secs","list":null,"dict":"x\"","date64":"1970-01-02T00:00:00"}]"#]].assert_eq(&text);
    let twice = Schema::new(vec![Field::new("a", DataType::Int32, true), Field::new("a", DataType::Int32, true)]);
    assert!(RowsWriter::new(&twice).unwrap_err().reason.contains("alias"));
    let none = Schema::empty();
    let mut writer = RowsWriter::new(&none).unwrap();
    let mut out = BytesMut::new();
    let empty = RecordBatch::try_new_with_options(Arc::new(none), vec![], &arrow::array::RecordBatchOptions::new().with_row_count(Some(2)))
        .unwrap();
    writer.write_batch(&empty, &mut out).unwrap();
    assert_eq!(&out[..], b"{},{}");
}

fn context(url: &str) -> String {
    let view = model();
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    context_url("https://x/odata/crm/", &view, &bind::read(&parse::request(path, query).unwrap(), &view).unwrap(), Version::V4_0)
}

#[test]
fn urls() {
    let check = |urls: &[&str], expected: Expect| {
        expected.assert_eq(&urls.iter().map(|url| format!("{url}\n  {}\n", context(url))).collect::<String>())
    };
    check(
        &[
            "Customers",
            "Customers(1)",
            "Customers?$select=Name",
            "Customers?$expand=Orders",
            "Customers?$expand=Orders&$select=Name",
            "Customers?$expand=Orders($select=Total)",
            "Customers(1)/Orders?$expand=Lines($expand=Order($select=Note)),Customer",
            "Orders(1)/Customer?$select=City",
        ],
        expect![[r#"
            Customers
              https://x/odata/crm/$metadata#Customers
            Customers(1)
              https://x/odata/crm/$metadata#Customers/$entity
            Customers?$select=Name
              https://x/odata/crm/$metadata#Customers(Id,Name)
            Customers?$expand=Orders
              https://x/odata/crm/$metadata#Customers
            Customers?$expand=Orders&$select=Name
              https://x/odata/crm/$metadata#Customers(Id,Name,Orders)
            Customers?$expand=Orders($select=Total)
              https://x/odata/crm/$metadata#Customers(Orders(Id,Total))
            Customers(1)/Orders?$expand=Lines($expand=Order($select=Note)),Customer
              https://x/odata/crm/$metadata#Orders(Lines(Order(Id,Note)))
            Orders(1)/Customer?$select=City
              https://x/odata/crm/$metadata#Customers(Id,City)/$entity
        "#]],
    );
    let view = model();
    let url = |table: &str, key: &[Value]| entity_url("https://x/odata/crm", &view, view.table(table).unwrap(), key);
    assert_eq!(url("Customers", &[Value::Int32(-5)]), "https://x/odata/crm/Customers(-5)");
    assert_eq!(url("Customers", &[Value::text("O'N/ö ?")]), "https://x/odata/crm/Customers(%27O%27%27N%2F%C3%B6%20%3F%27)");
    assert_eq!(url("Lines", &[Value::Int64(1), Value::Int16(2)]), "https://x/odata/crm/Lines(OrderId=1,LineNo=2)");
    assert_eq!(url("Types", &[Value::TimestampTz(0)]), "https://x/odata/crm/Types(1970-01-01T00:00:00Z)");
}

#[test]
fn a_table_outside_the_view_has_a_plain_context() {
    let query = BoundQuery::of("Gone", vec![]);
    assert_eq!(context_url("r", &model(), &BoundRead::new(query, ReadKind::Collection), Version::V4_0), "r/$metadata");
}

#[test]
fn error_objects() {
    let detail = ErrorDetail { code: "c2".into(), message: "m\"2".into(), target: Some("t".into()) };
    let text = String::from_utf8(error_object("c", "m\u{0}", Some("$filter"), &[detail])).unwrap();
    assert_eq!(
        text,
        r#"{"error":{"code":"c","message":"m\u0000","target":"$filter","details":[{"code":"c2","message":"m\"2","target":"t"}]}}"#
    );
    let text = String::from_utf8(odata_error("bad_request", &ODataError::bad_request("no").at("$top", Some(3)))).unwrap();
    assert_eq!(text, r#"{"error":{"code":"bad_request","message":"no (at character 3)","target":"$top"}}"#);
    assert_eq!(String::from_utf8(error_object("c", "m", None, &[])).unwrap(), r#"{"error":{"code":"c","message":"m"}}"#);
}

proptest! {
    #[test]
    fn cells_are_read_back(
        texts in prop::collection::vec(any::<Option<String>>(), 1..20),
        integer in any::<i64>(),
        float in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        unscaled in -99_999_999_999_999_999_999_999_999_999_999_999_999_i128..=99_999_999_999_999_999_999_999_999_999_999_999_999,
        scale in 0..=38_i8,
        split in 0..20_usize,
    ) {
        let rows = texts.len();
        let shape = shape("S", &[("t", ScalarType::Text), ("i", ScalarType::Int64), ("f", ScalarType::Float64), ("d", ScalarType::Decimal { precision: 38, scale })]);
        let all = batch(vec![
            Arc::new(StringArray::from(texts.clone())),
            Arc::new(Int64Array::from(vec![integer; rows])),
            Arc::new(Float64Array::from(vec![float; rows])),
            Arc::new(Decimal128Array::from(vec![unscaled; rows]).with_precision_and_scale(38, scale).unwrap()),
        ]);
        let at = split.min(rows);
        let parts = [plain(all.slice(0, at)), plain(all.slice(at, rows - at))];
        let text = collection(&shape, JsonOptions { ieee754_compatible: true, ..JsonOptions::default() }, &parts, None, None);
        // Serde rounds some doubles, so the digits are read by the standard library.
        for digits in text.split("\"f\":").skip(1).map(|rest| rest.split_once(",\"d\"").unwrap().0).filter(|_| !texts.iter().flatten().any(|text| text.contains("\"f"))) {
            prop_assert_eq!(digits.parse::<f64>().unwrap().to_bits(), float.to_bits());
        }
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let read = read["value"].as_array().unwrap();
        prop_assert_eq!(read.len(), rows);
        for (row, text) in read.iter().zip(&texts) {
            prop_assert_eq!(row["t"].as_str(), text.as_deref());
            prop_assert_eq!(row["i"].as_str().unwrap().parse::<i64>().unwrap(), integer);
            let decimal = row["d"].as_str().unwrap();
            prop_assert_eq!(decimal.replace('.', "").parse::<i128>().unwrap(), unscaled);
            prop_assert_eq!(decimal.split_once('.').map_or(0, |(_, fraction)| fraction.len()), scale as usize);
            prop_assert!(row["f"].is_number());
        }
    }
}
