//! Geographic and geometric values in definitions: what they become, and every mistake that is refused, with its path.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what the tests share is a part of them")]

use portico_catalog::spatial::{SpatialFamily, SpatialFormat, SpatialShape};
use portico_catalog::{Model, ModelDefinition, ModelError, build};
use portico_provider_api::{Capabilities, RemoteColumn, RemoteSchema, RemoteTable, RemoteTableName};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn built(table: Value) -> Result<Model, Vec<ModelError>> {
    let columns = "id int32, place text?, area text?, lat float64?, lon decimal(9,6)?, n int32?, city text?, addr_lat float64?, kind text";
    let columns = columns.split(", ").map(|text| {
        let (name, scalar_type) = text.rsplit_once(' ').unwrap();
        RemoteColumn::plain(name, scalar_type.trim_end_matches('?').parse().unwrap(), scalar_type.ends_with('?'))
    });
    let sites = RemoteTable::plain(RemoteTableName::parse("sites"), columns.collect(), &["id"]);
    let schema = RemoteSchema {
        version: "1".to_owned(),
        tables: vec![sites],
        operations: Vec::new(),
        capabilities: Capabilities::default(),
        ..RemoteSchema::default()
    };
    let mut definition = json!({ "source": "s", "remote": "sites" });
    definition.as_object_mut().unwrap().extend(table.as_object().unwrap().clone());
    let tables = serde_json::from_value(json!({ "Sites": definition })).unwrap();
    let definition = ModelDefinition { sources: vec!["s".to_owned()], tables, ..ModelDefinition::default() };
    build(&definition, &BTreeMap::from([("s".to_owned(), schema)]), &|_, _| Err("no views".to_owned())).map(|(model, _)| model)
}

#[test]
fn columns_and_points_are_resolved() {
    let model = built(json!({
        "columns": {
            "place": { "spatial": { "type": "GeographyPoint", "format": "ewkt" } },
            "area": { "spatial": { "type": "Edm.GeometryMultiPolygon", "srid": 2056, "format": "geojson" } },
            "*": {},
        },
        "points": { "Location": { "latitude": "lat", "longitude": "lon", "srid": 4326 } },
    }))
    .unwrap();
    let table = &model.tables["Sites"];
    let spatial = |name: &str| table.columns[table.column(name).unwrap()].spatial;
    let place = spatial("place").unwrap();
    assert_eq!((place.of.family, place.of.shape, place.of.srid), (SpatialFamily::Geography, SpatialShape::Point, 4326));
    assert_eq!((place.format, place.of.name().as_str()), (SpatialFormat::Ewkt, "GeographyPoint"));
    let area = spatial("area").unwrap();
    assert_eq!((area.of.family, area.of.shape, area.of.srid), (SpatialFamily::Geometry, SpatialShape::MultiPolygon, 2056));
    assert_eq!((area.format, spatial("city")), (SpatialFormat::Geojson, None));
    let [point] = table.overlay.points.as_slice() else { panic!("{:?}", table.overlay.points) };
    let name = |index: usize| table.columns[index].name.as_str();
    assert_eq!((point.name.as_str(), name(point.latitude), name(point.longitude)), ("Location", "lat", "lon"));
    let plain = table.without_spatial().unwrap();
    assert!(plain.overlay.points.is_empty() && plain.without_spatial().is_none());
}

#[test]
fn mistakes_are_refused_with_their_path() {
    let point = |latitude: &str, longitude: &str| json!({ "latitude": latitude, "longitude": longitude });
    let spatial = |column: &str, spatial: Value| json!({ "columns": { column: { "spatial": spatial }, "*": {} } });
    let cases = [
        (spatial("n", json!({ "type": "GeographyPoint" })), "columns.n.spatial", "held as text: 'n' is int32", None),
        (
            spatial("city", json!({ "type": "GeographyPiont" })),
            "columns.city.spatial.type",
            "is not a spatial type",
            Some("GeographyPoint"),
        ),
        (spatial("city", json!({ "type": "Geography" })), "columns.city.spatial.type", "is not a spatial type", None),
        (spatial("city", json!({ "type": "GeographyPoint", "srid": 0 })), "columns.city.spatial.srid", "0 is not the EPSG number", None),
        (spatial("city", json!({ "type": "GeometryPoint", "srid": 1_000_000 })), "columns.city.spatial.srid", "is not the EPSG", None),
        (
            json!({ "key": ["kind"], "columns": { "kind": { "spatial": { "type": "GeographyPoint" } }, "*": {} } }),
            "columns.kind.spatial",
            "part of the key",
            None,
        ),
        (
            json!({ "columns": { "city": { "searchable": true, "spatial": { "type": "GeographyPoint" } }, "*": {} } }),
            "columns.city.spatial",
            "`spatial` or `searchable`",
            None,
        ),
        (json!({ "points": { "L": point("lta", "lon") } }), "points.L.latitude", "no published column 'lta'", Some("lat")),
        (json!({ "points": { "L": point("lat", "n") } }), "points.L.longitude", "'n' is int32", None),
        (json!({ "points": { "L": point("lat", "lat") } }), "points.L.longitude", "is the latitude already", None),
        (json!({ "points": { "L": point("lat", "lon"), "M": point("addr_lat", "lon") } }), "points.M.longitude", "coordinate of 'L'", None),
        (json!({ "points": { "L-1": point("lat", "lon") } }), "points.L-1", "not a name that OData can carry", Some("L_1")),
        (json!({ "points": { "City": point("lat", "lon") } }), "points.City", "a property named 'city' already", None),
        (
            json!({ "points": { "L": { "latitude": "lat", "longitude": "lon", "srid": 3857 } } }),
            "points.L.srid",
            "is in 4326, not 3857",
            None,
        ),
        (
            json!({ "complex": { "Address": { "type": "Address", "prefix": "addr_" } }, "points": { "L": point("addr_lat", "lon") } }),
            "points.L.latitude",
            "a member of 'Address' already",
            None,
        ),
        (
            json!({ "columns": { "city": { "spatial": { "type": "GeographyPoint" } }, "*": {} }, "streams": { "S": { "content": "city" } } }),
            "streams.S.content",
            "published otherwise already",
            None,
        ),
        (
            json!({ "points": { "L": point("lat", "lon") },
                    "derived": { "discriminator": "kind", "types": { "A": { "values": ["a"], "columns": ["lat"] } } } }),
            "derived",
            "coordinates of 'L' belong to one type",
            None,
        ),
        (
            json!({ "points": { "L": point("lat", "lon") }, "relationships": { "L": { "to": "Sites", "on": { "n": "id" } } } }),
            "relationships.L",
            "'L'",
            None,
        ),
    ];
    for (table, path, message, suggestion) in cases {
        let errors = built(table.clone()).map(|_| ()).unwrap_err();
        let [error] = errors.as_slice() else { panic!("{table}: {errors:?}") };
        assert_eq!(error.path.join("."), format!("tables.Sites.{path}"), "{table}: {error:?}");
        assert!(error.message.contains(message), "{table}: {}", error.message);
        assert_eq!(error.suggestion.as_deref(), suggestion, "{table}");
    }
}
