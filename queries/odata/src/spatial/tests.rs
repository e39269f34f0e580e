//! Values are read and written as they are, and refused for a reason.

use super::*;
use proptest::prelude::*;

fn of(family: SpatialFamily, shape: SpatialShape, srid: u32) -> SpatialType {
    SpatialType { family, shape, srid }
}

fn globe(shape: SpatialShape) -> SpatialType {
    of(SpatialFamily::Geography, shape, 4326)
}

#[test]
fn forms_of_one_value_are_one_value() {
    let point = [
        "POINT(7.5 46.25)",
        " point ( 7.5   46.25 ) ",
        "SRID=4326;Point(7.50 4.625e1)",
        "srid=4326 ; POINT(7.5 46.25)",
        "{\"type\":\"Point\",\"coordinates\":[7.5,46.25]}",
        "{\"coordinates\":[7.5,46.250],\"type\":\"Point\",\"crs\":{\"type\":\"name\",\"properties\":{\"name\":\"EPSG:4326\"}}}",
    ];
    for text in point {
        assert_eq!(canonical(&read(text, &globe(SpatialShape::Point)).unwrap(), 4326), "SRID=4326;Point(7.5 46.25)", "{text}");
    }
    let cases = [
        ("POINT Z (1 2 3)", SpatialShape::Point, "SRID=4326;Point(1 2 3)", r#"{"type":"Point","coordinates":[1,2,3]}"#),
        ("POINTZM(1 2 3 -0)", SpatialShape::Point, "SRID=4326;Point(1 2 3 0)", r#"{"type":"Point","coordinates":[1,2,3,0]}"#),
        (
            "LINESTRING(1 2,3 4)",
            SpatialShape::LineString,
            "SRID=4326;LineString(1 2,3 4)",
            r#"{"type":"LineString","coordinates":[[1,2],[3,4]]}"#,
        ),
        ("LINESTRING EMPTY", SpatialShape::LineString, "SRID=4326;LineString()", r#"{"type":"LineString","coordinates":[]}"#),
        (
            "POLYGON((0 0,4 0,0 4,0 0),(1 1,2 1,1 2,1 1))",
            SpatialShape::Polygon,
            "SRID=4326;Polygon((0 0,4 0,0 4,0 0),(1 1,2 1,1 2,1 1))",
            r#"{"type":"Polygon","coordinates":[[[0,0],[4,0],[0,4],[0,0]],[[1,1],[2,1],[1,2],[1,1]]]}"#,
        ),
        (
            "MULTIPOINT(1 2,(3 4))",
            SpatialShape::MultiPoint,
            "SRID=4326;MultiPoint((1 2),(3 4))",
            r#"{"type":"MultiPoint","coordinates":[[1,2],[3,4]]}"#,
        ),
        (
            "MULTILINESTRING((1 2,3 4),(5 6,7 8))",
            SpatialShape::MultiLineString,
            "SRID=4326;MultiLineString((1 2,3 4),(5 6,7 8))",
            r#"{"type":"MultiLineString","coordinates":[[[1,2],[3,4]],[[5,6],[7,8]]]}"#,
        ),
        (
            "MULTIPOLYGON(((0 0,4 0,0 4,0 0)))",
            SpatialShape::MultiPolygon,
            "SRID=4326;MultiPolygon(((0 0,4 0,0 4,0 0)))",
            r#"{"type":"MultiPolygon","coordinates":[[[[0,0],[4,0],[0,4],[0,0]]]]}"#,
        ),
        (
            "GEOMETRYCOLLECTION(POINT(1 2),COLLECTION(LINESTRING(1 2,3 4)))",
            SpatialShape::Collection,
            "SRID=4326;GeometryCollection(Point(1 2),GeometryCollection(LineString(1 2,3 4)))",
            r#"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]},{"type":"GeometryCollection","geometries":[{"type":"LineString","coordinates":[[1,2],[3,4]]}]}]}"#,
        ),
    ];
    for (text, shape, url, document) in cases {
        let kind = globe(shape);
        let value = read(text, &kind).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(canonical(&value, 4326), url);
        assert_eq!(json(&value, &kind), document);
        assert_eq!(read(document, &kind).unwrap(), value, "{document}");
        assert_eq!(read(url, &kind).unwrap(), value, "{url}");
        for format in [SpatialFormat::Wkt, SpatialFormat::Ewkt, SpatialFormat::Geojson] {
            assert_eq!(read(&stored(&value, &SpatialColumn { of: kind, format }), &kind).unwrap(), value, "{text} {format:?}");
        }
    }
}

#[test]
fn reference_systems_are_said_where_they_are_not_the_usual_one() {
    let swiss = of(SpatialFamily::Geometry, SpatialShape::Point, 2056);
    let value = read("POINT(2600000 1200000)", &swiss).unwrap();
    assert_eq!(
        json(&value, &swiss),
        r#"{"type":"Point","coordinates":[2600000,1200000],"crs":{"type":"name","properties":{"name":"EPSG:2056"}}}"#
    );
    assert_eq!(read(&json(&value, &swiss), &swiss).unwrap(), value);
    assert_eq!(stored(&value, &SpatialColumn { of: swiss, format: SpatialFormat::Ewkt }), "SRID=2056;POINT(2600000 1200000)");
    assert_eq!(literal("SRID=0;Point(1e3 2)", SpatialFamily::Geometry).unwrap().0, of(SpatialFamily::Geometry, SpatialShape::Point, 0));
    assert_eq!(literal("Point(1 2)", SpatialFamily::Geography).unwrap().0, globe(SpatialShape::Point));
}

#[test]
fn what_is_no_value_is_refused_for_a_reason() {
    let deep = format!("{}POINT(1 2){}", "GEOMETRYCOLLECTION(".repeat(50_000), ")".repeat(50_000));
    let cases = [
        ("", SpatialShape::Point, "name of a shape is expected at character 1"),
        ("here", SpatialShape::Point, "name of a shape is expected at character 1"),
        ("POINT(1)", SpatialShape::Point, "a number is expected at character 8"),
        ("POINT(1 2) x", SpatialShape::Point, "nothing is expected at character 12"),
        ("POINT(1 NaN)", SpatialShape::Point, "a number is expected at character 9"),
        ("POINT(1e999 0)", SpatialShape::Point, "a number is expected"),
        ("POINT EMPTY", SpatialShape::Point, "'(' is expected"),
        ("POINT M (1 2 3)", SpatialShape::Point, "measures without altitudes"),
        ("POINT Z (1 2)", SpatialShape::Point, "as many numbers"),
        ("POINT(1 2 3 4 5)", SpatialShape::Point, "',' or ')' is expected"),
        ("POINT(181 0)", SpatialShape::Point, "181 is not a longitude"),
        ("POINT(0 -90.5)", SpatialShape::Point, "-90.5 is not a latitude"),
        ("LINESTRING(1 2)", SpatialShape::LineString, "at least two positions"),
        ("POLYGON((0 0,1 0,0 1))", SpatialShape::Polygon, "ends where it begins"),
        ("POLYGON((0 0,1 0,0 1,0 2))", SpatialShape::Polygon, "ends where it begins"),
        ("SRID=3857;POINT(1 2)", SpatialShape::Point, "reference system is 3857, not 4326"),
        ("SRID=x;POINT(1 2)", SpatialShape::Point, "number of a reference system"),
        ("LINESTRING(1 2,3 4)", SpatialShape::Point, "it is a LineString, not a Point"),
        (&deep, SpatialShape::Collection, "too deeply"),
        ("{", SpatialShape::Point, "not well-formed JSON"),
        ("{\"type\":\"Point\"}", SpatialShape::Point, "a Point has coordinates"),
        ("{\"type\":\"Point\",\"coordinates\":[1]}", SpatialShape::Point, "two to four numbers"),
        ("{\"type\":\"Point\",\"coordinates\":[[1,2]]}", SpatialShape::Point, "two to four numbers"),
        ("{\"type\":\"Point\",\"coordinates\":[1,2],\"type\":\"Point\"}", SpatialShape::Point, "given twice"),
        ("{\"type\":\"Point\",\"coordinates\":[1,2],\"x\":1}", SpatialShape::Point, "no member 'x'"),
        ("{\"type\":\"Feature\",\"coordinates\":[1,2]}", SpatialShape::Point, "'Feature' is not a type"),
        ("{\"type\":\"Point\",\"coordinates\":[1,2],\"crs\":{\"type\":\"link\"}}", SpatialShape::Point, "its crs"),
    ];
    for (text, shape, expected) in cases {
        let why = read(text, &globe(shape)).unwrap_err();
        assert!(why.contains(expected), "{text:.60}: {why}");
    }
}

prop_compose! {
    fn any_position()(x in -180.0..=180.0_f64, y in -90.0..=90.0_f64) -> Position {
        Position::new(x, y)
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(line in proptest::collection::vec(any_position(), 2..20)) {
        let kind = globe(SpatialShape::LineString);
        let value = Geometry::LineString(line);
        for text in [canonical(&value, 4326), json(&value, &kind)] {
            prop_assert_eq!(&read(&text, &kind).unwrap(), &value);
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in "\\PC{0,40}", prefix in "(POINT|SRID=1;|\\{\"type\":\"Point\",)?") {
        let _ = read(&format!("{prefix}{text}"), &globe(SpatialShape::Point));
    }
}
