//! Geographic and geometric values over every kind of source: what is measured, against other ways to tell; nulls; and what a source
//! holds that is no value.

use crate::kinds::{Column, KINDS, World};
use geographiclib_rs::{Geodesic, InverseGeodesic};
use portico_engine::{EngineError, Paging};
use portico_provider_api::{ScalarType, Value};

const DEGREES: ScalarType = ScalarType::Decimal { precision: 9, scale: 6 };

fn columns() -> Vec<Column> {
    let column = |name, scalar_type| Column { name, scalar_type, nullable: name != "Id" };
    vec![
        column("Id", ScalarType::Int64),
        column("Lat", ScalarType::Float64),
        column("Lon", DEGREES),
        column("Desk", ScalarType::Text),
        column("Area", ScalarType::Text),
    ]
}

/// A row as plain data: degrees north and east in millionths, a desk in the plane, a rectangle there.
struct Site {
    place: (Option<i64>, Option<i64>),
    desk: Option<(i32, i32)>,
    area: Option<(i32, i32, i32, i32)>,
}

fn sites(seed: u64, count: usize) -> Vec<Site> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut sites: Vec<Site> = (0..count)
        .map(|_| {
            // Many of them near the poles and the 180th meridian.
            let north = if random.bool() { random.i64(-90_000_000..=90_000_000) } else { [89_900_000, -89_900_000, 0][random.usize(..3)] };
            let east =
                if random.bool() { random.i64(-180_000_000..=180_000_000) } else { [179_990_000, -179_990_000, 0][random.usize(..3)] };
            let (x, y) = (random.i32(-9..9), random.i32(-9..9));
            Site {
                place: ((random.u8(..) > 20).then_some(north), (random.u8(..) > 20).then_some(east)),
                desk: (random.u8(..) > 30).then(|| (random.i32(-9..9), random.i32(-9..9))),
                area: (random.u8(..) > 30).then(|| (x, y, x + random.i32(1..6), y + random.i32(1..6))),
            }
        })
        .collect();
    for (north, east) in [(90, 0), (-90, 77), (0, 180), (0, -180), (90, -180)] {
        sites.push(Site { place: (Some(north * 1_000_000), Some(east * 1_000_000)), desk: None, area: None });
    }
    sites
}

fn rows(sites: &[Site]) -> Vec<Vec<Value>> {
    let text = |text: Option<String>| text.map_or(Value::Null(ScalarType::Text), Value::Text);
    let row = |(index, site): (usize, &Site)| {
        // The forms that a text may have take turns.
        let desk = site.desk.map(|(x, y)| match index % 3 {
            0 => format!("POINT({x} {y})"),
            1 => format!("SRID=0;Point({x}.0 {y})"),
            _ => format!("{{\"type\":\"Point\",\"coordinates\":[{x},{y}]}}"),
        });
        let area = site.area.map(|(x, y, u, v)| format!("POLYGON(({x} {y},{u} {y},{u} {v},{x} {v},{x} {y}))"));
        vec![
            Value::Int64(i64::try_from(index).unwrap()),
            site.place.0.map_or(Value::Null(ScalarType::Float64), |millionths| Value::float64(millionths as f64 / 1e6)),
            site.place.1.map_or(Value::Null(DEGREES), |unscaled| Value::Decimal { unscaled: unscaled.into(), precision: 9, scale: 6 }),
            text(desk),
            text(area),
        ]
    };
    sites.iter().enumerate().map(row).collect()
}

fn keys(sites: &[Site], holds: impl Fn(&Site) -> bool) -> Vec<i64> {
    let found = sites.iter().enumerate().filter(|(_, site)| holds(site));
    found.map(|(index, _)| i64::try_from(index).unwrap()).collect()
}

fn metres(site: &Site, north: f64, east: f64) -> Option<f64> {
    let (lat, lon) = (site.place.0? as f64 / 1e6, site.place.1? as f64 / 1e6);
    Some(Geodesic::wgs84().inverse(lat, lon, north, east))
}

async fn found(world: &World, kind: usize, filter: &str) -> Vec<i64> {
    let query = world.bind(kind, &[("$filter", filter), ("$orderby", "Id")]).unwrap_or_else(|error| panic!("{filter}: {error}"));
    world.keys(query, Paging::default()).await.unwrap_or_else(|error| panic!("{filter}: {error}")).0
}

#[tokio::test]
async fn measures_are_right_over_every_kind() {
    let sites = sites(11, 60);
    let world = World::new(&columns(), &rows(&sites)).await;
    let inside = |site: &Site, (px, py): (i32, i32)| site.area.map(|(x, y, u, v)| (x..=u).contains(&px) && (y..=v).contains(&py));
    let plane = |site: &Site, (px, py): (f64, f64)| site.desk.map(|(x, y)| (f64::from(x) - px).hypot(f64::from(y) - py));
    let cases: Vec<(&str, Vec<i64>)> = vec![
        (
            "geo.distance(Place,geography'SRID=4326;Point(7.4 46.9)') lt 6000000",
            keys(&sites, |site| metres(site, 46.9, 7.4).is_some_and(|m| m < 6e6)),
        ),
        (
            "geo.distance(geography'SRID=4326;Point(180 0)',Place) le 5000000",
            keys(&sites, |site| metres(site, 0.0, 180.0).is_some_and(|m| m <= 5e6)),
        ),
        (
            "geo.distance(Place,geography'SRID=4326;Point(33 90)') lt 100000",
            keys(&sites, |site| metres(site, 90.0, 33.0).is_some_and(|m| m < 1e5)),
        ),
        (
            "geo.distance(Place,geography'SRID=4326;Point(0 0)') gt 9000000",
            keys(&sites, |site| metres(site, 0.0, 0.0).is_some_and(|m| m > 9e6)),
        ),
        ("geo.distance(Place,geography'SRID=4326;Point(0 0)') eq null", keys(&sites, |site| metres(site, 0.0, 0.0).is_none())),
        ("geo.distance(Desk,geometry'SRID=0;Point(1 -1)') le 5", keys(&sites, |site| plane(site, (1.0, -1.0)).is_some_and(|d| d <= 5.0))),
        (
            "not (geo.distance(Desk,geometry'SRID=0;Point(1 -1)') le 5)",
            keys(&sites, |site| plane(site, (1.0, -1.0)).is_none_or(|d| d > 5.0)),
        ),
        ("geo.intersects(geometry'SRID=0;Point(2 2)',Area)", keys(&sites, |site| inside(site, (2, 2)) == Some(true))),
        ("not geo.intersects(geometry'SRID=0;Point(2 2)',Area)", keys(&sites, |site| inside(site, (2, 2)) == Some(false))),
        ("geo.intersects(Desk,Area)", keys(&sites, |site| site.desk.and_then(|desk| inside(site, desk)) == Some(true))),
        ("Place eq null", keys(&sites, |site| site.place.0.is_none() || site.place.1.is_none())),
        ("Place ne null and Area eq null", keys(&sites, |site| site.place.0.is_some() && site.place.1.is_some() && site.area.is_none())),
        (
            "Desk eq geometry'SRID=0;Point(1.00 1)' or Desk in (geometry'SRID=0;Point(0 0)')",
            keys(&sites, |site| matches!(site.desk, Some((1, 1) | (0, 0)))),
        ),
        ("Place eq geography'SRID=4326;Point(180 0)'", keys(&sites, |site| site.place == (Some(0), Some(180_000_000)))),
        ("geo.length(geometry'SRID=0;LineString(0 0,3 4)') eq 5", keys(&sites, |_| true)),
        ("geo.distance(Place,null) eq null", keys(&sites, |_| true)),
        (
            "case(Area ne null:geo.distance(Desk,geometry'SRID=0;Point(0 0)')) lt 4",
            keys(&sites, |site| site.area.is_some() && plane(site, (0.0, 0.0)).is_some_and(|d| d < 4.0)),
        ),
    ];
    for (kind, name) in KINDS.iter().enumerate() {
        for (filter, expected) in &cases {
            assert_eq!(&found(&world, kind, filter).await, expected, "{} {filter}", name);
        }
        let query = world
            .bind(kind, &[("$orderby", "geo.distance(Place,geography'SRID=4326;Point(7.4 46.9)'),Id"), ("$select", "Id,Place")])
            .unwrap();
        let mut sorted = keys(&sites, |_| true);
        // Nulls are the least.
        let distance = |key: i64| metres(&sites[usize::try_from(key).unwrap()], 46.9, 7.4).map_or(-1.0, |metres| metres);
        sorted.sort_by(|left, right| distance(*left).total_cmp(&distance(*right)).then(left.cmp(right)));
        assert_eq!(world.keys(query.clone(), Paging::default()).await.unwrap().0, sorted, "{}", name);
        // The same in pages, which are continued after a distance and a key.
        let (mut paged, mut position) = (Vec::new(), None);
        loop {
            let (keys, next) = world.keys(query.clone(), Paging { size: 7, position }).await.unwrap();
            paged.extend(keys);
            position = next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(paged, sorted, "{} in pages", name);
    }
    let asked = world.asked(world.bind(3, &[("$filter", "Place eq null and Desk ne null")]).unwrap()).await.join(" ");
    assert!(asked.contains("\"Lat\" IS NULL") && asked.contains("\"Desk\" IS NULL"), "{asked}");
}

#[tokio::test]
async fn what_is_no_value_is_an_error_that_names_its_column() {
    let mut world = World::new(&columns(), &rows(&sites(3, 5))).await;
    let bad = |id: i64, latitude: f64, desk: &str| {
        let lon = Value::Decimal { unscaled: 0.into(), precision: 9, scale: 6 };
        vec![Value::Int64(id), Value::float64(latitude), lon, Value::text(desk), Value::Null(ScalarType::Text)]
    };
    world.insert(&bad(100, 90.5, "by the window")).await;
    for (kind, name) in KINDS.iter().enumerate() {
        for (filter, expected) in [
            ("geo.distance(Place,geography'SRID=4326;Point(0 0)') gt 0", format!("{}.Place holds a value", name)),
            ("geo.distance(Desk,geometry'SRID=0;Point(0 0)') ge 0", format!("{}.Desk holds a value", name)),
        ] {
            let query = world.bind(kind, &[("$filter", filter)]).unwrap();
            let error = world.keys(query, Paging::default()).await.unwrap_err();
            assert!(matches!(&error, EngineError::Data(why) if why.contains(&expected) && !why.contains("window")), "{error}");
        }
        // What is not looked at does no harm.
        assert_eq!(found(&world, kind, "Place ne null and Id eq 100").await, [100]);
    }
}

#[tokio::test]
async fn a_source_is_asked_for_a_box_that_loses_nothing() {
    let sites = sites(5, 200);
    let world = World::new(&columns(), &rows(&sites)).await;
    let mut random = fastrand::Rng::with_seed(17);
    let (mut some, mut none) = (0, 0);
    for round in 0..120 {
        let (mut east, mut north) = (random.f64() * 360.0 - 180.0, random.f64() * 180.0 - 90.0);
        match round % 6 {
            0 => north = [90.0, -90.0, 89.95, -89.8][random.usize(..4)],
            1 => east = [180.0, -180.0, 179.99, -179.999_95][random.usize(..4)],
            2 => (east, north) = (0.0, 0.0),
            _ => {}
        }
        // From centimetres to half the globe.
        let metres = 10_f64.powf(random.f64() * 9.4 - 2.0);
        let metres = if round % 10 == 0 { metres.round() } else { metres };
        let expected = keys(&sites, |site| super::spatial::metres(site, north, east).is_some_and(|found| found <= metres));
        let distance = format!("geo.distance(Place,geography'SRID=4326;Point({east} {north})')");
        let (near, turned) = (format!("{distance} le {metres}"), format!("{metres} ge {distance}"));
        let far = format!("Place ne null and not ({distance} gt {metres})");
        let kind = round % KINDS.len();
        assert_eq!(found(&world, kind, &near).await, expected, "{} {near}", KINDS[kind]);
        assert_eq!(found(&world, kind, &turned).await, expected, "{} {turned}", KINDS[kind]);
        assert_eq!(found(&world, kind, &far).await, expected, "{} {far}", KINDS[kind]);
        if expected.is_empty() {
            none += 1;
        } else {
            some += 1;
        }
    }
    assert!(some > 30 && none > 10, "{some} {none}");
    let near = "geo.distance(Place,geography'SRID=4326;Point(179.99 1)') lt 10000";
    for kind in [2, 3] {
        let asked = world.asked(world.bind(kind, &[("$filter", near)]).unwrap()).await.join(" ");
        let bounded = ["WHERE", "\"Lat\" <", "\"Lon\"", " OR "].iter().all(|part| asked.contains(part));
        assert!(bounded, "{asked}");
    }
    let far = world.bind(3, &[("$filter", "geo.distance(Place,geography'SRID=4326;Point(179.99 1)') gt 10000")]).unwrap();
    let asked = world.asked(far).await.join(" ");
    assert!(!asked.contains("WHERE"), "{asked}");
}
