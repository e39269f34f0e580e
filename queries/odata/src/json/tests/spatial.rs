//! Geographic and geometric values in payloads.

use super::{batch, collection, plain};
use crate::header::{OmitValues, Version};
use crate::json::{JsonOptions, JsonWriter, MetadataLevel, property, raw_value};
use crate::rows::{EntityShape, PropertyShape, ValueShape};
use crate::value_type::ValueType;
use arrow::array::{ArrayRef, Decimal128Array, Float32Array, Float64Array, StringArray, StringViewArray};
use bytes::BytesMut;
use portico_catalog::spatial::SpatialType;
use std::sync::Arc;

fn spatial(name: &str, srid: u32) -> ValueType {
    let (family, shape) = SpatialType::parse(name).unwrap();
    ValueType::Spatial(SpatialType { family, shape, srid })
}

fn shape() -> EntityShape {
    let properties = vec![
        PropertyShape::of("Home", ValueShape::Point { latitude: 0, longitude: 1 }),
        PropertyShape::column("Area", 2, spatial("GeometryPolygon", 2056)),
    ];
    EntityShape { entity_set: "Sites".into(), properties, ..EntityShape::default() }
}

fn columns(latitude: &[Option<f64>], areas: Vec<Option<&str>>) -> Vec<ArrayRef> {
    let longitude = Decimal128Array::from(vec![7_447_400_i128; latitude.len()]).with_precision_and_scale(9, 6).unwrap();
    vec![Arc::new(Float64Array::from(latitude.to_vec())), Arc::new(longitude), Arc::new(StringArray::from(areas))]
}

const SQUARE: &str = "SRID=2056;POLYGON((0 0,1 0,1 1.5,0 0))";

#[test]
fn values_are_geojson_and_say_their_type_in_full_metadata() {
    let rows = || plain(batch(columns(&[Some(46.948), None], vec![Some(SQUARE), None])));
    let written = |metadata, version| {
        let options = JsonOptions { metadata, version, ..JsonOptions::default() };
        collection(&shape(), options, &[rows()], None, None)
    };
    let home = r#""Home":{"type":"Point","coordinates":[7.4474,46.948]}"#;
    let area =
        r#""Area":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1.5],[0,0]]],"crs":{"type":"name","properties":{"name":"EPSG:2056"}}}"#;
    let minimal = format!(r#"{{"value":[{{{home},{area}}},{{"Home":null,"Area":null}}]}}"#);
    assert_eq!(written(MetadataLevel::Minimal, Version::V4_0), minimal);
    assert_eq!(written(MetadataLevel::None, Version::V4_01), minimal);
    let full = written(MetadataLevel::Full, Version::V4_0);
    assert!(full.contains(&format!(r##""Home@odata.type":"#GeographyPoint",{home}"##)), "{full}");
    assert!(full.contains(&format!(r##""Area@odata.type":"#GeometryPolygon",{area}"##)), "{full}");
    let newer = written(MetadataLevel::Full, Version::V4_01);
    assert!(newer.contains(&format!(r#""Home@odata.type":"GeographyPoint",{home}"#)), "{newer}");
    let omitted =
        collection(&shape(), JsonOptions { omit_values: Some(OmitValues::Nulls), ..JsonOptions::default() }, &[rows()], None, None);
    assert!(omitted.ends_with(",{}]}"), "{omitted}");
}

#[test]
fn values_alone_are_json_or_well_known_text() {
    let rows = batch(columns(&[Some(46.948)], vec![Some(SQUARE)]));
    let options = JsonOptions { metadata: MetadataLevel::Full, context_url: Some("c".into()), ..JsonOptions::default() };
    let [home, area] = shape().properties.try_into().unwrap();
    assert_eq!(
        property(&home, &rows, &options).unwrap().unwrap(),
        r##"{"@odata.context":"c","@odata.type":"#GeographyPoint","value":{"type":"Point","coordinates":[7.4474,46.948]}}"##
    );
    let raw = |shape: &PropertyShape| raw_value(shape, &rows).unwrap().unwrap();
    assert_eq!(raw(&home).bytes, "SRID=4326;Point(7.4474 46.948)");
    assert_eq!(
        (raw(&area).bytes.as_ref(), raw(&area).media_type),
        (&b"SRID=2056;Polygon((0 0,1 0,1 1.5,0 0))"[..], "text/plain;charset=utf-8")
    );
    let nothing = batch(columns(&[None], vec![None]));
    assert_eq!(property(&home, &nothing, &options).unwrap(), None);
    assert_eq!(raw_value(&area, &nothing).unwrap(), None);
}

#[test]
fn single_precision_and_other_layouts_are_what_they_are_written_as() {
    let views: ArrayRef = Arc::new(StringViewArray::from(vec![Some("POLYGON((0 0,1 0,1 1,0 0))")]));
    let rows = batch(vec![Arc::new(Float32Array::from(vec![46.9])), Arc::new(Float32Array::from(vec![7.4])), views]);
    let written = collection(&shape(), JsonOptions::default(), &[plain(rows)], None, None);
    assert!(written.contains("[7.4,46.9]") && written.contains("[1,1]"), "{written}");
}

#[test]
fn what_is_no_value_breaks_the_answer_and_is_named() {
    for (latitude, area, expected) in [
        (Some(91.0), Some(SQUARE), "the property Home of Sites cannot be written: 91 is not a latitude"),
        (Some(1.0), Some("here"), "the property Area of Sites cannot be written: its column holds a value that is no Edm.GeometryPolygon"),
        (Some(1.0), Some("SRID=4326;POLYGON((0 0,1 0,1 1.5,0 0))"), "its reference system is 4326, not 2056"),
        (Some(f64::NAN), None, "a coordinate is not a finite number"),
    ] {
        let mut out = BytesMut::new();
        let rows = plain(batch(columns(&[latitude], vec![area])));
        let error = JsonWriter::new(&shape(), JsonOptions::default()).write_batch(&rows, &mut out).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(out.is_empty());
    }
}
