//! Golden bound requests over geographic and geometric values, and functions over collections.

use super::{bound_in, outcome_in};
use crate::fixtures::{column, model};
use expect_test::{Expect, expect};
use portico_catalog::spatial::{PointProperty, SpatialColumn, SpatialFormat, SpatialType};
use portico_catalog::{Column, ModelView, TableView};
use portico_provider_api::ScalarType;
use std::sync::Arc;

/// The customers with a point over two columns (7 and 8), a geography as text (9), geometries (10 and 11) and one elsewhere (12).
pub(crate) fn spatial_model() -> ModelView {
    let of = |name: &str, srid| {
        let (family, shape) = SpatialType::parse(name).unwrap();
        Some(SpatialColumn { of: SpatialType { family, shape, srid }, format: SpatialFormat::Ewkt })
    };
    let held = |name: &str, spatial| Column { spatial, ..column(name, ScalarType::Text) };
    let mut model = model();
    let view = model.tables.get_mut("Customers").unwrap();
    let mut table = view.table.as_ref().clone();
    table.columns.extend([
        column("lat", ScalarType::Float64),
        column("lon", ScalarType::Decimal { precision: 9, scale: 6 }),
        held("Office", of("GeographyPoint", 4326)),
        held("Area", of("GeometryPolygon", 0)),
        held("Route", of("GeographyLineString", 4326)),
        held("Elsewhere", of("GeographyPoint", 4258)),
        held("Desk", of("GeometryPoint", 0)),
    ]);
    table.overlay.points = vec![PointProperty { name: "Home".to_owned(), latitude: 7, longitude: 8 }];
    *view = TableView { columns: view.columns.iter().copied().chain(7..14).collect(), table: Arc::new(table), ..view.clone() };
    model
}

fn check(urls: &[&str], expected: Expect) {
    let model = spatial_model();
    let shown: Vec<String> = urls.iter().map(|url| format!("{url}\n  {}\n", outcome_in(url, &model))).collect();
    expected.assert_eq(&shown.concat());
}

#[test]
fn functions_and_comparisons() {
    check(
        &[
            "Customers?$select=Id&$filter=geo.distance(Home,geography'SRID=4326;Point(7.4 46.9)') lt 5000",
            "Customers?$select=Id&$orderby=geo.distance(Office,Home) desc",
            "Customers?$select=Id&$compute=geo.length(Route) as Long,Office as Seat",
            "Customers?$select=Id&$filter=geo.intersects(Desk,Area) and geo.distance(Desk,geometry'SRID=0;Point(1 2)') le 3",
            "Customers?$select=Id&$filter=Home eq null or Office ne null or not (Home ne null)",
            "Customers?$select=Id&$filter=Office eq geography'SRID=4326;Point(7.50 46)' and Office in (geography'SRID=4326;Point(1 2)',null)",
            "Customers?$select=Id&$filter=geo.distance(null,Home) eq null",
            "Customers?$select=Id&$filter=cast(Home,Edm.String) eq 'x'",
            "Orders?$select=Id&$filter=geo.distance(Customer/Home,Customer/Office) gt 1",
            "Orders?$select=Id&$filter=Customer/Home eq null",
            "Customers?$select=Home",
            "Customers(1)/Home",
            "Customers(1)/Office/$value",
            "Customers?$apply=groupby((Home))",
            "Customers?$apply=aggregate(geo.distance(Home,Office) with max as Far)",
        ],
        expect![[r#"
            Customers?$select=Id&$filter=geo.distance(Home,geography'SRID=4326;Point(7.4 46.9)') lt 5000
              Collection CustomersTable select=[0]! filter=(Distance(PointAt(#7, #8, 'Customers.Home'):text, 'SRID=4326;Point(7.4 46.9)', true):float64 Lt 5000:float64)
            Customers?$select=Id&$orderby=geo.distance(Office,Home) desc
              Collection CustomersTable select=[0]! order=Distance(Place(#9, 'GeographyPoint', 4326:int64, 'Customers.Office'):text, PointAt(#7, #8, 'Customers.Home'):text, true):float64 desc
            Customers?$select=Id&$compute=geo.length(Route) as Long,Office as Seat
              Collection CustomersTable select=[0]! compute=Long:float64=LineLength(Place(#11, 'GeographyLineString', 4326:int64, 'Customers.Route'):text, true):float64 compute=Seat:text=Place(#9, 'GeographyPoint', 4326:int64, 'Customers.Office'):text
            Customers?$select=Id&$filter=geo.intersects(Desk,Area) and geo.distance(Desk,geometry'SRID=0;Point(1 2)') le 3
              Collection CustomersTable select=[0]! filter=(Intersects(Place(#13, 'GeometryPoint', 0:int64, 'Customers.Desk'):text, Place(#10, 'GeometryPolygon', 0:int64, 'Customers.Area'):text, false):boolean And (Distance(Place(#13, 'GeometryPoint', 0:int64, 'Customers.Desk'):text, 'SRID=0;Point(1 2)', false):float64 Le 3:float64))
            Customers?$select=Id&$filter=Home eq null or Office ne null or not (Home ne null)
              Collection CustomersTable select=[0]! filter=((((#7 Eq null:text) Or (#8 Eq null:text)) Or (Not (#9 Eq null:text))) Or (Not (Not ((#7 Eq null:text) Or (#8 Eq null:text)))))
            Customers?$select=Id&$filter=Office eq geography'SRID=4326;Point(7.50 46)' and Office in (geography'SRID=4326;Point(1 2)',null)
              Collection CustomersTable select=[0]! filter=((Place(#9, 'GeographyPoint', 4326:int64, 'Customers.Office'):text Eq 'SRID=4326;Point(7.5 46)') And (Place(#9, 'GeographyPoint', 4326:int64, 'Customers.Office'):text In ['SRID=4326;Point(1 2)' null:text]))
            Customers?$select=Id&$filter=geo.distance(null,Home) eq null
              Collection CustomersTable select=[0]! filter=(Distance(null:text, PointAt(#7, #8, 'Customers.Home'):text, true):float64 Eq null:float64)
            Customers?$select=Id&$filter=cast(Home,Edm.String) eq 'x'
              Collection CustomersTable select=[0]! filter=(PointAt(#7, #8, 'Customers.Home'):text Eq 'x')
            Orders?$select=Id&$filter=geo.distance(Customer/Home,Customer/Office) gt 1
              Collection OrdersTable select=[0]! filter=(Distance(PointAt(^0[0]#7, ^0[0]#8, 'Customers.Home'):text, Place(^0[0]#9, 'GeographyPoint', 4326:int64, 'Customers.Office'):text, true):float64 Gt 1:float64)
            Orders?$select=Id&$filter=Customer/Home eq null
              Collection OrdersTable select=[0]! filter=((^0[0]#7 Eq null:text) Or (^0[0]#8 Eq null:text))
            Customers?$select=Home
              Collection CustomersTable select=[0, 7, 8]!
            Customers(1)/Home
              Property Home CustomersTable select=[0, 7, 8] key=[1:int32]
            Customers(1)/Office/$value
              Value Office CustomersTable select=[0, 9] key=[1:int32]
            Customers?$apply=groupby((Home))
              Collection CustomersTable select=[0, 1]
            Customers?$apply=aggregate(geo.distance(Home,Office) with max as Far)
              Collection CustomersTable select=[0]
        "#]],
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    check(
        &[
            "Customers?$filter=geo.distance(Home,Desk) lt 1",
            "Customers?$filter=geo.distance(Home,Elsewhere) lt 1",
            "Customers?$filter=geo.distance(Elsewhere,Elsewhere) lt 1",
            "Customers?$filter=geo.distance(Home,Route) lt 1",
            "Customers?$filter=geo.distance(Home,'POINT(1 2)') lt 1",
            "Customers?$filter=geo.distance(Home) lt 1",
            "Customers?$filter=geo.length(Home) lt 1",
            "Customers?$filter=geo.intersects(Area,Desk)",
            "Customers?$filter=geo.distance(Home,geography'SRID=4326;Point(181 0)') lt 1",
            "Customers?$filter=geo.distance(Home,geography'SRID=4326;Point(0)') lt 1",
            "Customers?$filter=Office lt Home",
            "Customers?$filter=Office eq Area",
            "Customers?$filter=Office eq 'x'",
            "Customers?$filter=Office eq geography'SRID=4258;Point(1 2)'",
            "Customers?$filter=length(Office) eq 1",
            "Customers?$filter=Home/lat eq 1",
            "Customers?$filter=lat eq 1",
            "Customers?$filter=cast(Home,Edm.Int32) eq 1",
            "Customers?$orderby=Home",
            "Customers?$orderby=Office",
            "Customers?$select=lat",
            "Customers?$apply=groupby((Office))",
            "Customers?$apply=aggregate(Office with max as M)",
            "Customers?$apply=aggregate(Home with countdistinct as M)",
            "Customers?$compute=1 as Home",
        ],
        expect![[r#"
            Customers?$filter=geo.distance(Home,Desk) lt 1
              BadRequest $filter Some(0): geo.distance expects values of one reference system: Home (Edm.GeographyPoint in 4326) and Desk (Edm.GeometryPoint in 0) do not go together
            Customers?$filter=geo.distance(Home,Elsewhere) lt 1
              BadRequest $filter Some(0): geo.distance expects values of one reference system: Home (Edm.GeographyPoint in 4326) and Elsewhere (Edm.GeographyPoint in 4258) do not go together
            Customers?$filter=geo.distance(Elsewhere,Elsewhere) lt 1
              NotImplemented $filter Some(0): geo.distance in the reference system 4258 (the globe is measured in 4326) is not supported yet
            Customers?$filter=geo.distance(Home,Route) lt 1
              BadRequest $filter Some(0): geo.distance expects a Point and a Point, not Route (Edm.GeographyLineString in 4326)
            Customers?$filter=geo.distance(Home,'POINT(1 2)') lt 1
              BadRequest $filter Some(0): geo.distance expects a Point and a Point, not 'POINT(1 2)' (Edm.String)
            Customers?$filter=geo.distance(Home) lt 1
              BadRequest $filter Some(0): the function geo.distance takes 2 arguments, not 1
            Customers?$filter=geo.length(Home) lt 1
              BadRequest $filter Some(0): geo.length expects a LineString, not Home (Edm.GeographyPoint in 4326)
            Customers?$filter=geo.intersects(Area,Desk)
              BadRequest $filter Some(0): geo.intersects expects a Point and a Polygon, not Area (Edm.GeometryPolygon in 0)
            Customers?$filter=geo.distance(Home,geography'SRID=4326;Point(181 0)') lt 1
              BadRequest $filter Some(18): 'SRID=4326;Point(181 0)' is not a Geography: 181 is not a longitude: it is between -180 and 180, and comes first
            Customers?$filter=geo.distance(Home,geography'SRID=4326;Point(0)') lt 1
              BadRequest $filter Some(18): 'SRID=4326;Point(0)' is not a Geography: it is not well-known text such as POINT(7.4 46.9): a number is expected at character 18
            Customers?$filter=Office lt Home
              BadRequest $filter Some(0): Office (Edm.GeographyPoint in 4326) has no order: only eq and ne apply
            Customers?$filter=Office eq Area
              BadRequest $filter Some(0): Office (Edm.GeographyPoint in 4326) and Area (Edm.GeometryPolygon in 0) do not go together
            Customers?$filter=Office eq 'x'
              BadRequest $filter Some(0): Office (Edm.GeographyPoint in 4326) cannot be compared with or applied to 'x': 'x' is not of type Edm.GeographyPoint in 4326
            Customers?$filter=Office eq geography'SRID=4258;Point(1 2)'
              BadRequest $filter Some(0): Office (Edm.GeographyPoint in 4326) cannot be compared with or applied to 'SRID=4258;Point(1 2)': it is of type Edm.GeographyPoint in 4258
            Customers?$filter=length(Office) eq 1
              BadRequest $filter Some(0): length expects other arguments, not Office (Edm.GeographyPoint in 4326)
            Customers?$filter=Home/lat eq 1
              BadRequest $filter Some(5): 'Home' is a property without parts, so 'Home/lat' leads nowhere
            Customers?$filter=lat eq 1
              BadRequest $filter Some(0): 'Customers' has no property 'lat'
            Customers?$filter=cast(Home,Edm.Int32) eq 1
              NotImplemented $filter Some(0): the cast of Home (Edm.GeographyPoint in 4326) to Edm.Int32 is not supported yet
            Customers?$orderby=Home
              BadRequest $orderby Some(0): $orderby: geographic and geometric values have no order: sort by geo.distance(…)
            Customers?$orderby=Office
              BadRequest $orderby Some(0): $orderby: geographic and geometric values have no order: sort by geo.distance(…)
            Customers?$select=lat
              BadRequest $select Some(0): 'Customers' has no property 'lat'
            Customers?$apply=groupby((Office))
              NotImplemented $apply Some(9): grouping by the spatial value 'Office' is not supported yet
            Customers?$apply=aggregate(Office with max as M)
              BadRequest $apply Some(10): geographic and geometric values are not aggregated: only how many there are is told
            Customers?$apply=aggregate(Home with countdistinct as M)
              NotImplemented $apply Some(10): the aggregation of the complex property 'Home' is not supported yet
            Customers?$compute=1 as Home
              BadRequest $compute Some(5): $compute: 'Home' is a property of 'Customers' already
        "#]],
    );
}

#[test]
fn collections_within_collections() {
    check(
        &[
            "Customers?$select=Id&$filter=hassubset([4,1,3],[3,1])",
            "Customers?$select=Id&$filter=hassubset([1,2],[1,1,2])",
            "Customers?$select=Id&$filter=hassubset([1,1.0,2],[1,1])",
            "Customers?$select=Id&$filter=hassubset(@a,@b)&@a=[\"x\",null]&@b=[null]",
            "Customers?$select=Id&$filter=hassubset([1],[])",
            "Customers?$select=Id&$filter=hassubsequence([4,1,3,1],[1,1])",
            "Customers?$select=Id&$filter=hassubsequence([4,1,3],[3,1])",
            "Customers?$select=Id&$filter=hassubset([Id,2],[2,1])",
            "Customers?$select=Id&$filter=hassubset(Orders/Total,[1,2.5])",
            "Customers?$select=Id&$filter=hassubset(Orders/$filter(Id gt 3)/Total,[1,1])",
            "Customers?$filter=hassubsequence(Orders/Total,[1])",
            "Customers?$filter=hassubsequence([Id,2],[2])",
            "Customers?$filter=hassubset([1],Orders/Total)",
            "Customers?$filter=hassubset(Orders,[1])",
            "Customers?$filter=hassubset(Id,[1])",
            "Customers?$filter=hassubset([1],['a'])",
            "Customers?$filter=hassubset([1])",
            "Customers?$filter=hassubset(@a,[1])",
        ],
        expect![[r#"
            Customers?$select=Id&$filter=hassubset([4,1,3],[3,1])
              Collection CustomersTable select=[0]! filter=true
            Customers?$select=Id&$filter=hassubset([1,2],[1,1,2])
              Collection CustomersTable select=[0]! filter=false
            Customers?$select=Id&$filter=hassubset([1,1.0,2],[1,1])
              Collection CustomersTable select=[0]! filter=true
            Customers?$select=Id&$filter=hassubset(@a,@b)&@a=["x",null]&@b=[null]
              Collection CustomersTable select=[0]! filter=true
            Customers?$select=Id&$filter=hassubset([1],[])
              Collection CustomersTable select=[0]! filter=true
            Customers?$select=Id&$filter=hassubsequence([4,1,3,1],[1,1])
              Collection CustomersTable select=[0]! filter=true
            Customers?$select=Id&$filter=hassubsequence([4,1,3],[3,1])
              Collection CustomersTable select=[0]! filter=false
            Customers?$select=Id&$filter=hassubset([Id,2],[2,1])
              Collection CustomersTable select=[0]! filter=(((Case((#0 Eq 2:int32) : 1:int64, true : 0:int64):int64 Add Case((2:int32 Eq 2:int32) : 1:int64, true : 0:int64):int64):int64 Ge (Case((2:int32 Eq 2:int32) : 1:int64, true : 0:int64):int64 Add Case((1:int32 Eq 2:int32) : 1:int64, true : 0:int64):int64):int64) And ((Case((#0 Eq 1:int32) : 1:int64, true : 0:int64):int64 Add Case((2:int32 Eq 1:int32) : 1:int64, true : 0:int64):int64):int64 Ge (Case((2:int32 Eq 1:int32) : 1:int64, true : 0:int64):int64 Add Case((1:int32 Eq 1:int32) : 1:int64, true : 0:int64):int64):int64))
            Customers?$select=Id&$filter=hassubset(Orders/Total,[1,2.5])
              Collection CustomersTable select=[0]! filter=(Any{^0[].1 OrdersTable : (#2 Eq 100e-2:decimal(13,2))} And Any{^0[].1 OrdersTable : (#2 Eq 250e-2:decimal(13,2))})
            Customers?$select=Id&$filter=hassubset(Orders/$filter(Id gt 3)/Total,[1,1])
              Collection CustomersTable select=[0]! filter=(Count{^0[].1 OrdersTable where ((#0 Gt 3:int64) And (#2 Eq 100e-2:decimal(13,2)))} Ge 2:int64)
            Customers?$filter=hassubsequence(Orders/Total,[1])
              NotImplemented $filter Some(15): hassubsequence over 'Orders/Total' (its values are in no order) is not supported yet
            Customers?$filter=hassubsequence([Id,2],[2])
              NotImplemented $filter Some(0): hassubsequence over collections with items that are no constants is not supported yet
            Customers?$filter=hassubset([1],Orders/Total)
              NotImplemented $filter Some(14): hassubset with a collection of related values as its second argument is not supported yet
            Customers?$filter=hassubset(Orders,[1])
              BadRequest $filter Some(10): hassubset compares values: name a property of the entities, as in Orders/…
            Customers?$filter=hassubset(Id,[1])
              BadRequest $filter Some(10): hassubset expects collections, such as [1,2,3] or Orders/Amount
            Customers?$filter=hassubset([1],['a'])
              BadRequest $filter Some(0): 1 (Edm.Int32) and 'a' (Edm.String) do not go together
            Customers?$filter=hassubset([1])
              BadRequest $filter Some(0): the function hassubset takes 2 arguments, not 1
            Customers?$filter=hassubset(@a,[1])
              BadRequest $filter Some(10): the parameter alias @a has no value, and hassubset expects a collection
        "#]],
    );
}

#[test]
fn many_items_cost_no_more_than_they_may() {
    let list = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let model = spatial_model();
    assert!(bound_in(&format!("Customers?$filter=hassubset([{}],[{}])", list(900), list(900)), &model).is_ok());
    let refused = bound_in(&format!("Customers?$filter=hassubset([Id,{}],[{}])", list(60), list(60)), &model).unwrap_err();
    assert!(refused.message.contains("so many items"), "{}", refused.message);
}

#[test]
fn bodies_become_what_columns_hold() {
    use crate::body::{Purpose, entity};
    use portico_provider_api::Value;
    let model = spatial_model();
    let view = model.table("Customers").unwrap();
    let read = |body: &str| entity(body.as_bytes(), "Portico.crm", view, Purpose::Update);
    let lon = |unscaled: i64| Value::Decimal { unscaled: unscaled.into(), precision: 9, scale: 6 };
    let home = read(r#"{"Home":{"type":"Point","coordinates":[7.4474,46.948]}}"#).unwrap();
    assert_eq!(home, [(7, Value::float64(46.948)), (8, lon(7_447_400))]);
    let none = read(r##"{"Home@odata.type":"#GeographyPoint","Home":null,"Area":null}"##).unwrap();
    let (float, money) = (ScalarType::Float64, ScalarType::Decimal { precision: 9, scale: 6 });
    assert_eq!(none, [(7, Value::Null(float)), (8, Value::Null(money)), (10, Value::Null(ScalarType::Text))]);
    let texts = read(
        r#"{"Office":{"type":"Point","coordinates":[1,2.50]},
            "Area":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]],"crs":{"type":"name","properties":{"name":"EPSG:0"}}}}"#,
    );
    let polygon = Value::text("SRID=0;POLYGON((0 0,1 0,1 1,0 0))");
    assert_eq!(texts.unwrap(), [(9, Value::text("SRID=4326;POINT(1 2.5)")), (10, polygon)]);
    for (body, expected) in [
        (
            r#"{"Home":{"type":"LineString","coordinates":[[1,2],[3,4]]}}"#,
            "'Home' is of type Edm.GeographyPoint: it is a LineString, not a Point",
        ),
        (r#"{"Home":{"type":"Point","coordinates":[47.5,181]}}"#, "181 is not a latitude"),
        (r#"{"Home":{"type":"Point","coordinates":[7,46,500]}}"#, "has no altitude"),
        (r#"{"Home":{"type":"Point","coordinates":[7.12345678,46]}}"#, "the number does not fit"),
        (r#"{"Home":{"type":"Point","coordinates":["7",46]}}"#, "two to four numbers"),
        (r#"{"Home":"POINT(7 46)"}"#, "a GeoJSON object such as"),
        (r#"{"Home":{"type":"Point","coordinates":[7,46],"crs":{"type":"name","properties":{"name":"EPSG:3857"}}}}"#, "is 3857, not 4326"),
        (r#"{"Area":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1]]]}}"#, "ends where it begins"),
        (r#"{"Area":[1,2]}"#, "a GeoJSON object such as"),
        (r#"{"lat":1}"#, "no property 'lat'"),
    ] {
        let error = read(body).unwrap_err();
        assert_eq!(error.kind, crate::ODataErrorKind::BadRequest, "{body}");
        assert!(error.message.contains(expected), "{body}: {}", error.message);
    }
}

#[test]
fn metadata_says_types_and_what_sets_cannot_do() {
    use crate::metadata::{MetadataFormat, document};
    let written = |format| String::from_utf8(document(&spatial_model(), format, None).unwrap()).unwrap();
    let xml = written(MetadataFormat::Xml);
    for part in [
        r#"<Property Name="Home" Type="Edm.GeographyPoint" Nullable="true" SRID="4326"/>"#,
        r#"<Property Name="Area" Type="Edm.GeometryPolygon" Nullable="true" SRID="0"/>"#,
        r#"<Property Name="Elsewhere" Type="Edm.GeographyPoint" Nullable="true" SRID="4258"/>"#,
        "<PropertyPath>Home</PropertyPath><PropertyPath>Office</PropertyPath>",
        "<String>geo.distance</String>",
    ] {
        let flat: String = xml.lines().map(str::trim).collect();
        assert!(flat.contains(part), "{part} is not in\n{xml}");
    }
    assert!(!xml.contains("Name=\"lat\"") && !xml.contains("Name=\"lon\""), "{xml}");
    let json: serde_json::Value = serde_json::from_str(&written(MetadataFormat::Json)).unwrap();
    let namespace = crate::metadata::namespace(&spatial_model());
    let home = &json[&namespace]["Customers"]["Home"];
    assert_eq!((home["$Type"].as_str(), home["$SRID"].as_str()), (Some("Edm.GeographyPoint"), Some("4326")), "{home}");
}
