//! Answers as rows.

use super::{read, v2};
use crate::decode::{Answer, Shape};
use arrow::datatypes::Schema;
use expect_test::expect;
use portico_provider_api::arrays::row_at;
use portico_provider_api::{Codec, ScalarType, TableColumn, Value};
use portico_provider_web::json::PageReader;
use std::sync::Arc;

fn rows(shape: &Shape, columns: &[TableColumn], body: &str) -> Result<(Vec<Vec<Value>>, Option<String>), String> {
    let mut reader = PageReader::new(&shape.page);
    reader.push(body.as_bytes()).map_err(|error| error.to_string())?;
    let mut batches: Vec<_> = std::iter::from_fn(|| reader.batch()).collect();
    let (rest, end) = reader.finish().map_err(|error| error.to_string())?;
    batches.extend(rest);
    let schema =
        Arc::new(Schema::new(columns.iter().map(|column| column.scalar_type.field(&column.name, column.nullable)).collect::<Vec<_>>()));
    let types: Vec<ScalarType> = columns.iter().map(|column| column.scalar_type).collect();
    let mut rows = Vec::new();
    for batch in batches {
        let batch = shape.promised(&batch, &schema)?;
        rows.extend((0..batch.num_rows()).map(|row| row_at(&batch, row, &types).unwrap()));
    }
    Ok((rows, end.others.iter().flatten().find_map(|link| link.text().map(str::to_owned))))
}

const TYPES: &str = r#"<EntityType Name="E"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int64" Nullable="false"/><Property Name="Amount" Type="Edm.Decimal" Precision="13" Scale="2"/>
    <Property Name="Day" Type="Edm.DateTime" s:display-format="Date"/><Property Name="At" Type="Edm.DateTime"/><Property Name="AtZone" Type="Edm.DateTimeOffset"/>
    <Property Name="Time" Type="Edm.Time"/><Property Name="Ratio" Type="Edm.Double"/><Property Name="Small" Type="Edm.Byte"/><Property Name="Bytes" Type="Edm.Binary"/><Property Name="Text" Type="Edm.String"/></EntityType>"#;

fn read_v2(body: &str, only: Option<&[&str]>) -> String {
    let service = read(&v2(TYPES, r#"<EntitySet Name="E" EntityType="NS.E"/>"#));
    let set = &service.sets[0];
    let columns: Vec<TableColumn> = set
        .properties
        .iter()
        .filter(|property| only.is_none_or(|only| only.contains(&property.name.as_str())))
        .map(|property| TableColumn {
            name: property.name.clone(),
            scalar_type: property.scalar_type,
            nullable: property.nullable,
            codec: None,
            native_type: None,
        })
        .collect();
    let wanted: Vec<_> = columns.iter().map(|column| (column.clone(), column.name.clone())).collect();
    let shape = Shape::of_entities(service.protocol, Answer::Entities, |name| set.property(name), &wanted).unwrap();
    format!("{:?}\n", rows(&shape, &columns, body))
}

#[test]
fn values_of_v2() {
    let full = r#"{"d":{"results":[
        {"__metadata":{"etag":"W/\"1\""},"Id":"9007199254740993","Amount":"-12.50","Day":"\/Date(1709164800000)\/","At":"\/Date(-1)\/","AtZone":"\/Date(1709208000123+0060)\/","Time":"PT11H20M5.5S","Ratio":"1.5E3","Small":255,"Bytes":"AAH/","Text":"x"},
        {"Id":"1","Amount":null,"Day":null,"At":null,"AtZone":null,"Time":null,"Ratio":"INF","Small":"7","Bytes":null,"Text":null}],"__next":"E?$skiptoken=1"}}"#;
    let mut text = read_v2(full, None);
    for (name, value) in [
        ("Day", r#""/Date(1709208000123)/""#),
        ("At", r#""yesterday""#),
        ("Time", r#""PT25H""#),
        ("Time", r#""PT0.0000001S""#),
        ("Small", "1.5"),
        ("Amount", r#""0.005""#),
    ] {
        text.push_str(&read_v2(&format!(r#"{{"d":{{"results":[{{"{name}":{value}}}]}}}}"#), Some(&[name])));
    }
    for body in [
        r#"{"d":{"results":[{"Id":"1"}"#,
        r#"{"d":{"results":{}}}"#,
        r#"{"error":{"message":"no"}}"#,
        r#"{"d":{"results":[{"Text":"x"}]}}"#,
        "<html>",
    ] {
        text.push_str(&read_v2(body, Some(&["Id"])));
    }
    expect![[r#"
        Ok(([[Int64(9007199254740993), Decimal { unscaled: -1250, precision: 13, scale: 2 }, Date(19782), Timestamp(-1000), TimestampTz(1709208000123000), Time(40805500000), Float64(Float(1500.0)), Int16(255), Binary([0, 1, 255]), Text("x")], [Int64(1), Null(Decimal { precision: 13, scale: 2 }), Null(Date), Null(Timestamp), Null(TimestampTz), Null(Time), Float64(Float(inf)), Int16(7), Null(Binary), Null(Text)]], Some("E?$skiptoken=1")))
        Err("/d/results/0/Day: \"/Date(1709208000123)/\" is no date")
        Err("/d/results/0/At: \"yesterday\" is no timestamp")
        Err("/d/results/0/Time: \"PT25H\" is no time")
        Err("/d/results/0/Time: \"PT0.0000001S\" is no time")
        Err("/d/results/0/Small: 1.5 does not fit int16")
        Err("/d/results/0/Amount: \"0.005\" does not fit decimal(13,2)")
        Err("/d/results/0: it is not well-formed JSON, byte 27: it ends too early")
        Err("/d/results: an array of rows is expected")
        Err("/d/results: there is no array of rows in the answer")
        Err("/d/results/0/Id: is missing")
        Err("it is not well-formed JSON, byte 0: a value is expected")
    "#]].assert_eq(&text);
}

#[test]
fn values_that_are_held_in_another_form() {
    let column = TableColumn {
        name: "Since".to_owned(),
        scalar_type: ScalarType::Date,
        nullable: true,
        codec: Some(Codec::SapDate),
        native_type: None,
    };
    let wanted = [(column.clone(), "Since".to_owned())];
    let shape = Shape::of_entities(crate::metadata::Protocol::V4, Answer::Entities, |_| None, &wanted).unwrap();
    let of =
        |value: &str| rows(&shape, std::slice::from_ref(&column), &format!(r#"{{"value":[{{"Since":{value}}}],"@odata.nextLink":"n"}}"#));
    assert_eq!(of("\"20240229\""), Ok((vec![vec![Value::Date(19_782)]], Some("n".to_owned()))));
    assert_eq!(of("\"00000000\"").unwrap().0, vec![vec![Value::Null(ScalarType::Date)]]);
    let error = of("\"yesterday\"").unwrap_err();
    assert!(error.starts_with("column 'Since': ") && !error.contains("yesterday"), "{error}");
}
