//! Places over HTTP: read in every form, measured, written, refused, and shown to clients that have no type for them.

use crate::gateway::{Gateway, sha256};
use reqwest::Method;
use serde_json::{Value, json};

const KEY: &str = "key-of-the-surveyor";

const CONFIG: &str = r#"
sources:
  gis: { kind: sqlite, path: gis.sqlite }
tables:
  Accounts:
    source: gis
    remote: accounts
    columns:
      Shape: { remote: shape, spatial: { type: GeographyLineString, format: ewkt } }
      Plot: { remote: plot, spatial: { type: GeometryPolygon, srid: 2056, format: geojson } }
      "*": {}
    points:
      Location: { latitude: address1_latitude, longitude: address1_longitude }
    relationships:
      Visits: { to: Visits, on: { id: account_id }, many: true }
  Visits: { source: gis, remote: visits, relationships: { Account: { to: Accounts, on: { account_id: id } } } }
services:
  all: { path: /odata/all }
  virtual: { path: /odata/virtual, profile: dataverse }
  external: { path: /odata/external, profile: salesforce }
access:
  roles: { all: { Accounts: { write: [insert, update] }, Visits: {} } }
  keys: { all: { sha256: "{key}", roles: [all] } }
"#;

async fn gateway(directory: &std::path::Path) -> Gateway {
    let connection = rusqlite::Connection::open(directory.join("gis.sqlite")).unwrap();
    let sql = "CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, address1_latitude DOUBLE, address1_longitude DOUBLE, shape TEXT, plot TEXT);
        CREATE TABLE visits (id INTEGER PRIMARY KEY, account_id INTEGER, cost INTEGER);
        INSERT INTO accounts VALUES
          (1, 'Bern', 46.948, 7.4474, 'LINESTRING(7 46, 7 47)', '{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[9,0],[9,9],[0,0]]]}'),
          (2, 'Fiji', -17.8, 179.9, NULL, NULL), (3, 'nowhere', NULL, 7, NULL, NULL);
        INSERT INTO visits VALUES (1, 1, 5), (2, 1, 5), (3, 2, 7), (4, 1, 7);";
    connection.execute_batch(sql).unwrap();
    Gateway::start(directory, &CONFIG.replace("{key}", &sha256(KEY)), &[]).await.ready().await
}

fn names(answer: &Value) -> Vec<&str> {
    answer["value"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn places_are_read_and_measured() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = gateway(directory.path()).await;
    let get = async |url: &str| gateway.json(&format!("/odata/all/{}", url.replace(' ', "%20")), KEY).await;
    let all = get("Accounts?$orderby=id").await;
    let bern = json!({ "type": "Point", "coordinates": [7.4474, 46.948] });
    assert_eq!((&all["value"][0]["Location"], &all["value"][2]["Location"]), (&bern, &Value::Null), "{all}");
    assert_eq!(all["value"][0]["Shape"], json!({ "type": "LineString", "coordinates": [[7, 46], [7, 47]] }));
    assert_eq!(all["value"][0]["Plot"]["crs"]["properties"]["name"], "EPSG:2056");
    assert!(all["value"][0].get("address1_latitude").is_none(), "{all}");
    assert_eq!(get("Accounts(1)?$select=Location").await["Location"], bern);
    assert_eq!(get("Accounts(1)/Location").await["value"], bern);
    let full = get("Accounts(1)?$format=application/json;odata.metadata=full").await;
    assert_eq!(
        (full["Location@odata.type"].as_str(), full["Plot@odata.type"].as_str()),
        (Some("#GeographyPoint"), Some("#GeometryPolygon"))
    );
    let raw = gateway.get("/odata/all/Accounts(1)/Location/$value", KEY).await;
    assert_eq!(raw.headers()["content-type"], "text/plain;charset=utf-8");
    assert_eq!(raw.text().await.unwrap(), "SRID=4326;Point(7.4474 46.948)");
    assert_eq!(gateway.get("/odata/all/Accounts(3)/Location/$value", KEY).await.status(), 204);

    for (url, expected) in [
        ("Accounts?$filter=geo.distance(Location,geography'SRID=4326;Point(7.4 46.9)') lt 10000", vec!["Bern"]),
        ("Accounts?$filter=geo.distance(Location,geography'SRID=4326;Point(-179.9 -17.8)') lt 30000", vec!["Fiji"]),
        ("Accounts?$orderby=geo.distance(Location,geography'SRID=4326;Point(0 0)') desc", vec!["Fiji", "Bern", "nowhere"]),
        ("Accounts?$filter=geo.intersects(@p,Plot)&@p=geometry'SRID=2056;Point(4 1)'", vec!["Bern"]),
        ("Accounts?$filter=Location eq null", vec!["nowhere"]),
        ("Accounts?$filter=Visits/any(v:geo.distance(v/Account/Location,geography'SRID=4326;Point(180 -17.8)') lt 20000)", vec!["Fiji"]),
        ("Accounts?$apply=filter(geo.distance(Location,geography'SRID=4326;Point(7 47)') lt 1000000)&$select=name,Location", vec!["Bern"]),
        ("Accounts?$filter=hassubset(Visits/cost,[5,5])", vec!["Bern"]),
        ("Accounts?$filter=hassubset(Visits/cost,[7])&$orderby=id", vec!["Bern", "Fiji"]),
        ("Accounts?$filter=hassubset(@all,[id,3])&@all=[1,3]&$orderby=id", vec!["Bern"]),
        ("Accounts?$filter=hassubsequence([1,2,3],[1,3]) and id eq 2", vec!["Fiji"]),
    ] {
        assert_eq!(names(&get(url).await), expected, "{url}");
    }
    let length = get("Accounts(1)?$compute=geo.length(Shape) as Metres&$select=Metres").await;
    // A degree of the meridian at 46.5 degrees north.
    assert!((length["Metres"].as_f64().unwrap() - 111_170.0).abs() < 20.0, "{length}");
    let grouped = get("Accounts?$apply=groupby((Location),aggregate($count as N))").await;
    let groups = grouped["value"].as_array().unwrap();
    assert!(groups.len() == 3 && groups.iter().any(|group| group["Location"] == bern), "{grouped}");
    let kept = get("Accounts?$apply=filter(id eq 1)").await;
    assert_eq!(kept["value"][0]["Location"], bern, "{kept}");
    for (url, status, part) in [
        ("Accounts?$filter=geo.distance(Location,geometry'SRID=0;Point(1 2)') lt 1", 400, "do not go together"),
        ("Accounts?$orderby=Location", 400, "no order"),
        ("Accounts?$filter=geo.length(Location) lt 1", 400, "geo.length expects a LineString"),
        ("Accounts?$filter=geo.distance(Location,geography'SRID=4326;Point(7 460)') lt 1", 400, "460 is not a latitude"),
    ] {
        let answer = gateway.get(&format!("/odata/all/{}", url.replace(' ', "%20")), KEY).await;
        assert_eq!(answer.status(), status, "{url}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(part), "{url}: {text}");
    }
}

#[tokio::test]
async fn places_are_written_as_the_columns_hold_them() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = gateway(directory.path()).await;
    let stored = |sql: &str| -> String {
        let connection = rusqlite::Connection::open(directory.path().join("gis.sqlite")).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let polygon = json!({ "type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]] });
    let made = json!({
        "id": 9, "name": "new",
        "Location": { "type": "Point", "coordinates": [8.5, 47.25] },
        "Shape": { "type": "LineString", "coordinates": [[8.5, 47], [8.75, 47.5]] },
        "Plot": polygon,
    });
    let answer = gateway.request(Method::POST, "/odata/all/Accounts", KEY).json(&made).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let shown: Value = answer.json().await.unwrap();
    assert_eq!((&shown["Location"], &shown["Shape"]), (&made["Location"], &made["Shape"]), "{shown}");
    assert_eq!(shown["Plot"]["coordinates"], polygon["coordinates"]);
    assert_eq!(stored("SELECT address1_latitude || ' ' || address1_longitude FROM accounts WHERE id = 9"), "47.25 8.5");
    assert_eq!(stored("SELECT shape FROM accounts WHERE id = 9"), "SRID=4326;LINESTRING(8.5 47,8.75 47.5)");
    assert!(stored("SELECT plot FROM accounts WHERE id = 9").starts_with("{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[1,0]"));

    let patch = |body: Value| gateway.request(Method::PATCH, "/odata/all/Accounts(9)", KEY).header("If-Match", "*").json(&body).send();
    assert!(patch(json!({ "Location": null })).await.unwrap().status().is_success());
    assert_eq!(
        stored("SELECT count(*) || '' FROM accounts WHERE id = 9 AND address1_latitude IS NULL AND address1_longitude IS NULL"),
        "1"
    );
    for (body, part) in [
        (json!({ "Location": { "type": "Point", "coordinates": [8.5, 97] } }), "97 is not a latitude"),
        (json!({ "Location": polygon }), "it is a Polygon, not a Point"),
        (
            json!({ "Plot": { "type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]],
                           "crs": { "type": "name", "properties": { "name": "EPSG:4326" } } } }),
            "its reference system is 4326, not 2056",
        ),
        (json!({ "Shape": "LINESTRING(1 2,3 4)" }), "GeoJSON"),
        (json!({ "address1_latitude": 1 }), "no property 'address1_latitude'"),
    ] {
        let answer = patch(body.clone()).await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(part), "{body}: {text}");
    }
}

#[tokio::test]
async fn what_is_no_place_fails_by_name_and_clients_without_places_see_columns() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = gateway(directory.path()).await;
    for service in ["virtual", "external"] {
        let metadata = gateway.get(&format!("/odata/{service}/$metadata"), KEY).await.text().await.unwrap();
        assert!(!metadata.contains("Geograph") && !metadata.contains("Geometr") && !metadata.contains("Location"), "{metadata}");
        let read = gateway.json(&format!("/odata/{service}/Accounts?$filter=id%20eq%201&$select=address1_latitude,Shape"), KEY).await;
        assert_eq!(
            (read["value"][0]["address1_latitude"].as_f64(), read["value"][0]["Shape"].as_str()),
            (Some(46.948), Some("LINESTRING(7 46, 7 47)")),
            "{service}: {read}"
        );
    }
    let connection = rusqlite::Connection::open(directory.path().join("gis.sqlite")).unwrap();
    connection.execute_batch("UPDATE accounts SET address1_latitude = 946.9, shape = 'by the river' WHERE id = 1").unwrap();
    for (url, part) in [
        ("Accounts?$filter=geo.distance(Location,geography'SRID=4326;Point(1 2)') gt 1", "Accounts.Location"),
        ("Accounts?$filter=geo.length(Shape) lt 1", "Accounts.Shape"),
        ("Accounts(1)?$select=Location", "Location of Accounts"),
        ("Accounts(1)/Shape", "Shape"),
    ] {
        let answer = gateway.get(&format!("/odata/all/{}", url.replace(' ', "%20")), KEY).await;
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 400, "{url}: {text}");
        assert!(text.contains("DataError") && text.contains(part) && !text.contains("river"), "{url}: {text}");
    }
    assert_eq!(gateway.json("/odata/all/Accounts(1)?$select=name", KEY).await["name"], "Bern");
}
