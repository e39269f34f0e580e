//! The gateway over OData services that nobody here wrote (`providers/odata/tests/servers/README.md`): what its clients read and write is what is there.

#[path = "../../../providers/odata/tests/servers/mod.rs"]
mod servers;

use super::gateway::{Ended, Gateway, run, sha256};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use servers::{mock, v2, v4};
use tempfile::TempDir;

const KEY: &str = "key-of-the-front-role";

struct Front {
    gateway: Gateway,
    _directory: TempDir,
}

/// A gateway over Olingo's services and the mock, each with a data set of that name, of which these tables are to be seen.
async fn front(name: &str, tables: &[&str]) -> Front {
    let directory = tempfile::tempdir().unwrap();
    let grants: String = tables.iter().map(|name| format!("      {name}: {{ write: [insert, update, delete] }}\n")).collect();
    // A set without ETags is changed only where nobody is asked for one.
    let lenient = "tables:\n  AllTypes: { source: types, remote: AllTypes, writes: { if_match: optional } }\n";
    let unversioned = if tables.contains(&"AllTypes") { lenient } else { "" };
    let config = format!(
        "sources:\n  \
           tec:\n    kind: odata\n    url: \"{}\"\n    tables: {{ ESCompAllPrim: {{ etag: true }} }}\n  \
           ref: {{ kind: odata, url: \"{}\" }}\n  \
           types: {{ kind: odata, url: \"{}\" }}\n  \
           s4: {{ kind: odata, url: \"{}\", product: s4hana, csrf: {{ path: \"\" }} }}\n\
         {unversioned}access:\n  roles:\n    front:\n{grants}  operators: [front]\n  keys:\n    front: {{ sha256: \"{}\", roles: [front] }}\n  anonymous: none\n",
        v4().url(&format!("{name}/odata.svc/")),
        v2().url(&format!("{name}/odata.svc/")),
        v2().url(&format!("{name}/types.svc/")),
        mock().url("sap/opu/odata/sap/API_BUSINESS_PARTNER/"),
        sha256(KEY)
    );
    let gateway = Gateway::start(directory.path(), &config, &[]).await.ready().await;
    Front { gateway, _directory: directory }
}

async fn rows(gateway: &Gateway, sql: &str) -> Vec<Value> {
    let answer = gateway.sql(sql, KEY).await;
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{sql}: {status} {text}\n{}", gateway.log());
    let answer: Value = serde_json::from_str(&text).unwrap();
    answer["rows"].as_array().or(answer.as_array()).unwrap_or_else(|| panic!("no rows in {text}")).clone()
}

/// Entities as OData's JSON has them for readers without long numbers.
async fn exact(gateway: &Gateway, path: &str) -> Vec<Value> {
    let request = gateway.request(Method::GET, path, KEY).header("Accept", "application/json;IEEE754Compatible=true");
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}\n{}", gateway.log());
    serde_json::from_str::<Value>(&text).unwrap()["value"].as_array().unwrap().clone()
}

/// Numbers, times and bytes in one form, however they are written.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let number = text.parse::<f64>().is_ok() && text.contains('.') && !text.contains(['e', 'E']);
            let text = if number { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.clone() };
            Value::String(text.replace(".000000Z", "Z").trim_end_matches('=').to_owned())
        }
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_gateway_reads_what_the_service_holds() {
    let front = front("same", &["ESAllPrim", "ESAllNullable", "ESMixPrimCollComp", "ESServerSidePaging"]).await;
    for table in ["ESAllPrim", "ESAllNullable"] {
        let mut there: Vec<Value> =
            serde_json::from_str::<Value>(&v4().get(&format!("same/odata.svc/{table}"))).unwrap()["value"].as_array().unwrap().clone();
        let mut here = exact(&front.gateway, &format!("/odata/{table}")).await;
        assert_eq!(here.len(), there.len());
        let by = |key: &'static str| move |row: &Value| row[key].as_i64().unwrap();
        let key = if table == "ESAllPrim" { "PropertyInt16" } else { "PropertyKey" };
        here.sort_by_key(by(key));
        there.sort_by_key(by(key));
        for (here, there) in here.iter().zip(&there) {
            for (name, value) in there.as_object().unwrap() {
                // A collection is a document at the gateway.
                if name.starts_with("Coll") {
                    assert!(
                        here[name].as_str().is_some_and(|text| serde_json::from_str::<Value>(text).is_ok()) || here[name].is_array(),
                        "{name}: {here}"
                    );
                    continue;
                }
                let value = match (name.as_str(), value) {
                    ("PropertyInt64" | "PropertyDecimal", Value::Number(number)) => json!(number.to_string()),
                    (_, value) => value.clone(),
                };
                assert_eq!(plain(&here[name]), plain(&value), "{table}/{name}");
            }
        }
    }
    let page = front.gateway.json("/odata/ESServerSidePaging?$count=true&$top=15&$skip=490&$orderby=PropertyInt16", KEY).await;
    let numbers: Vec<i64> = page["value"].as_array().unwrap().iter().map(|row| row["PropertyInt16"].as_i64().unwrap()).collect();
    assert_eq!((page["@odata.count"].as_i64(), numbers), (Some(503), (491..=503).collect()));
    let all = rows(&front.gateway, r#"SELECT count(*) AS n, min("PropertyInt16") AS a, max("PropertyInt16") AS b FROM "ESServerSidePaging" WHERE "PropertyString" LIKE 'Number:1%'"#).await;
    assert_eq!(all, [json!({ "n": 111, "a": 1, "b": 199 })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_v2_arrives_at_a_client() {
    let front = front("types", &["AllTypes"]).await;
    let rows = exact(&front.gateway, "/odata/AllTypes?$orderby=Id").await;
    let lowest = &rows[0];
    for (name, value) in [
        ("Text", json!("it's \"lowest\" \\ Ωμέγα 東京 🚢")),
        ("Flag", json!(false)),
        ("SByte", json!(-128)),
        ("Int64", json!("-9223372036854775808")),
        ("Decimal", json!("-9999999999999999999.999999999")),
        ("Guid", json!("00000000-0000-0000-0000-000000000000")),
    ] {
        assert_eq!(lowest[name], value, "{name}: {lowest}");
    }
    assert_eq!(rows[1]["Binary"].as_str().unwrap().trim_end_matches('='), "AAH-_w");
    assert_eq!(rows[1]["DateTimeOffset"].as_str().unwrap(), "9999-12-31T23:59:59.999Z");
    assert_eq!(rows[3]["Int64"], json!("9007199254740993"));
    assert!(
        rows[2].as_object().unwrap().iter().all(|(name, value)| name == "Id" || name.starts_with('@') || value.is_null()),
        "{}",
        rows[2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_cannot_take_is_done_here_with_the_same_rows() {
    let front = front("local", &["Employees", "Teams", "A_BusinessPartner", "A_BusinessPartnerAddress"]).await;
    let gateway = &front.gateway;
    v2().forget("local/requests");
    let found = rows(
        gateway,
        r#"SELECT "EmployeeId" AS id FROM "Employees" WHERE upper("EmployeeName") LIKE '%ER%' AND "Age" > 35 ORDER BY "EmployeeId""#,
    )
    .await;
    assert_eq!(found, [json!({ "id": "1" }), json!({ "id": "4" })]);
    let asked = v2().asked("local/requests");
    let targets: Vec<&str> = asked.iter().map(|asked| asked.target.as_str()).collect();
    assert_eq!(targets.len(), 1, "{targets:?}");
    assert!(targets[0].contains("$filter=Age gt 35") && !targets[0].contains("upper"), "{targets:?}");
    // A join over two services of different protocols and vendors.
    let sql = r#"SELECT e."EmployeeName" AS name, t."Name" AS team FROM "Employees" e JOIN "Teams" t ON t."Id" = e."TeamId" WHERE t."isScrumTeam" ORDER BY e."EmployeeId""#;
    assert_eq!(
        rows(gateway, sql).await,
        [json!({ "name": "Peter Burke", "team": "Team 2" }), json!({ "name": "John Field", "team": "Team 2" })]
    );
    let sql = r#"SELECT p."BusinessPartner" AS p, a."CityName" AS city, e."EmployeeName" AS name FROM "A_BusinessPartner" p
        JOIN "A_BusinessPartnerAddress" a ON a."BusinessPartner" = p."BusinessPartner"
        JOIN "Employees" e ON CAST(e."EmployeeId" AS bigint) + 1000005 = CAST(p."BusinessPartner" AS bigint)
        WHERE p."BusinessPartner" BETWEEN '1000006' AND '1000007' ORDER BY 1"#;
    let joined = rows(gateway, sql).await;
    assert_eq!(joined[0], json!({ "p": "1000006", "city": "CityName 6", "name": "Walter Winter" }), "{joined:?}");
    assert_eq!(joined.len(), 2);
    let explained = gateway.sql(&format!("EXPLAIN {sql}"), KEY).await.text().await.unwrap();
    assert!(
        explained.contains("GET /sap/opu/odata/sap/API_BUSINESS_PARTNER/A_BusinessPartner") && !explained.contains("1000006'"),
        "{explained}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_writes_through_the_gateway() {
    let front = front("writes", &["ESTwoPrim", "ESCompAllPrim", "AllTypes"]).await;
    let gateway = &front.gateway;
    let send = |method: Method, path: &str, etag: Option<&str>, body: Value| {
        let mut request = gateway.request(method, path, KEY).json(&body);
        if let Some(etag) = etag {
            request = request.header("If-Match", etag);
        }
        request.send()
    };
    // The service gives another key than was sent: the answer, and the entity's place, have it.
    let made = send(Method::POST, "/odata/ESTwoPrim", None, json!({ "PropertyInt16": 99, "PropertyString": "O'Neil" })).await.unwrap();
    assert_eq!(made.status(), StatusCode::CREATED);
    let place = made.headers()["location"].to_str().unwrap().to_owned();
    let made: Value = made.json().await.unwrap();
    assert_eq!((&made["PropertyInt16"], &made["PropertyString"]), (&json!(1), &json!("O'Neil")));
    assert!(place.ends_with("/ESTwoPrim(1)"), "{place}");
    assert!(v4().get("writes/odata.svc/ESTwoPrim(1)").contains("\"O'Neil\""));
    // Two readers, one of whom is late.
    let entity = "/odata/ESCompAllPrim(32767)";
    let read = gateway.get(entity, KEY).await;
    let etag = read.headers()["etag"].to_str().unwrap().to_owned();
    let columns: Value = read.json().await.unwrap();
    let column = columns
        .as_object()
        .unwrap()
        .keys()
        .find(|name| name.starts_with("PropertyComp") && name.ends_with("PropertyString"))
        .unwrap()
        .clone();
    let change = json!({ column.as_str(): "first" });
    let first = send(Method::PATCH, entity, Some(&etag), change.clone()).await.unwrap();
    assert!(first.status().is_success(), "{} {}", first.status(), first.text().await.unwrap());
    let late = send(Method::PATCH, entity, Some(&etag), change).await.unwrap();
    assert_eq!(late.status(), StatusCode::PRECONDITION_FAILED);
    assert!(v4().get("writes/odata.svc/ESCompAllPrim(32767)").contains("\"first\""));
    // What is not there.
    let gone = send(Method::DELETE, "/odata/AllTypes(4711)", None, json!({})).await.unwrap();
    assert!(matches!(gone.status(), StatusCode::NOT_FOUND | StatusCode::NO_CONTENT), "{} {}", gone.status(), gone.text().await.unwrap());
    let changed =
        send(Method::PATCH, "/odata/AllTypes(4)", None, json!({ "Int64": 9_007_199_254_740_995_i64, "Decimal": 0.5, "Text": null }))
            .await
            .unwrap();
    assert!(changed.status().is_success(), "{} {}", changed.status(), changed.text().await.unwrap());
    let raw: Value = serde_json::from_str(&v2().get("writes/types.svc/AllTypes(4)")).unwrap();
    assert_eq!(
        (&raw["d"]["Int64"], &raw["d"]["Text"], &raw["d"]["Guid"]),
        (&json!("9007199254740995"), &Value::Null, &json!("01234567-89ab-cdef-0123-456789abcdef"))
    );
}

/// A configuration of Olingo's service alone, with settings of the source and what else is wanted.
fn technical(name: &str, settings: &str, more: &str) -> String {
    format!(
        "sources:\n  tec:\n    kind: odata\n    url: \"{}\"\n{settings}tables:\n  Prims: {{ source: tec, remote: ESAllPrim }}\n  \
         Pairs: {{ source: tec, remote: ESTwoPrim }}\n{more}access:\n  roles:\n    front: {{ Prims: {{}}, Pairs: {{}} }}\n  operators: [front]\n  \
         keys:\n    front: {{ sha256: \"{}\", roles: [front] }}\n  anonymous: none\n",
        v4().url(&format!("{name}/odata.svc/")),
        sha256(KEY)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tries_what_is_declared() {
    let directory = tempfile::tempdir().unwrap();
    let check = |settings: &str, arguments: &[&str]| {
        let doors = "gateway:\n  token_key: { env: TEST_TOKEN_KEY }\n";
        std::fs::write(directory.path().join("portico.yaml"), format!("{doors}{}", technical("tried", settings, ""))).unwrap();
        run(directory.path(), &[&["check", "--config", "portico.yaml"], arguments].concat(), &[])
    };
    let wrong = "    capabilities: { in: true }\n";
    let (ended, text) = check(wrong, &["--probe"]);
    assert!(ended == Ended::Badly && text.contains("in: DECLARED, and does not work"), "{text}");
    assert!(text.contains("\n    capabilities: { in: false }\n"), "{text}");
    let (ended, text) = check(wrong, &[]);
    assert!(ended == Ended::Well && !text.contains("probe"), "{text}");
    let (ended, text) = check("    capabilities: { in: false }\n", &["--probe"]);
    assert!(ended == Ended::Well && text.contains("probe tec: "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_action_of_the_service_is_called_by_clients() {
    let directory = tempfile::tempdir().unwrap();
    let operations = "operations:\n  Text:\n    kind: action\n    bound_to: Pairs\n    returns: { type: text }\n    \
                      source: { name: tec, operation: ESTwoPrim.BAETTwoPrimRTString, touches: [] }\n";
    let gateway = Gateway::start(directory.path(), &technical("clients", "", operations), &[]).await.ready().await;
    let call = async |key: &str| {
        let request = gateway.request(Method::POST, &format!("/odata/Pairs({key})/Portico.odata.Text"), KEY).json(&json!({}));
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let (status, text) = call("32766").await;
    assert!(status == StatusCode::OK && text.contains("Test String1"), "{status} {text}\n{}", gateway.log());
    // An entity that is not there is not acted upon.
    assert_eq!(call("4711").await.0, StatusCode::NOT_FOUND);
}

/// A gateway over the sets of Olingo that refer to each other, whose joins are made there or here.
async fn referring(name: &str, expand: bool) -> Front {
    let directory = tempfile::tempdir().unwrap();
    let tables = ["Employees", "Teams", "Rooms", "ESTwoKeyNav", "ESKeyNav"];
    let grants: String = tables.iter().map(|name| format!("      {name}: {{}}\n")).collect();
    let config = format!(
        "sources:\n  \
           tec: {{ kind: odata, url: \"{}\", capabilities: {{ expand: {expand}, navigation_filter: true }} }}\n  \
           ref:\n    kind: odata\n    url: \"{}\"\n    capabilities: {{ expand: {expand} }}\n    \
             tables: {{ Employees: {{ references: {{ ne_Team: [TeamId], ne_Room: [RoomId] }} }} }}\n\
         access:\n  roles:\n    front:\n{grants}  operators: [front]\n  keys:\n    front: {{ sha256: \"{}\", roles: [front] }}\n  anonymous: none\n",
        v4().url(&format!("{name}/odata.svc/")),
        v2().url(&format!("{name}/odata.svc/")),
        sha256(KEY)
    );
    let gateway = Gateway::start(directory.path(), &config, &[]).await.ready().await;
    Front { gateway, _directory: directory }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_along_a_reference_is_one_request_with_the_same_rows() {
    let (there, here) = (referring("there", true).await, referring("here", false).await);
    let by_team = r#"FROM "Employees" e JOIN "Teams" t ON t."Id" = e."TeamId""#;
    let of_key = r#"FROM "ESTwoKeyNav" a JOIN "ESKeyNav" b ON b."PropertyInt16" = a."PropertyInt16""#;
    for (sql, requests) in [
        (format!(r#"SELECT e."EmployeeId", t."Name" {by_team} ORDER BY 1"#), 1),
        (format!(r#"SELECT e."EmployeeId", t."Name", r."Seats" {by_team} LEFT JOIN "Rooms" r ON e."RoomId" = r."Id" ORDER BY 1"#), 1),
        (format!(r#"SELECT t."Name", count(*) AS n {by_team} WHERE e."Age" > 30 GROUP BY t."Name" ORDER BY 1"#), 1),
        (r#"SELECT e."EmployeeId", t."Name" FROM "Employees" e LEFT JOIN "Teams" t ON t."Id" = e."RoomId" ORDER BY 1"#.to_owned(), 2),
        (r#"SELECT e."EmployeeId", t."Name" FROM "Employees" e LEFT JOIN "Teams" t ON t."Id" = e."TeamId" AND t."isScrumTeam" ORDER BY 1"#.to_owned(), 2),
        (format!(r#"SELECT a."PropertyString", b."PropertyString" AS their {of_key} WHERE b."PropertyInt16" > 1 ORDER BY 1, 2"#), 1),
        (format!(r#"SELECT a."PropertyString", b."PropertyString" AS their {of_key} ORDER BY a."PropertyInt16" DESC LIMIT 1"#), 1),
    ] {
        for server in [v2(), v4()] {
            server.forget("there/requests");
        }
        let expected = rows(&here.gateway, &sql).await;
        assert!(!expected.is_empty(), "{sql}");
        assert_eq!(rows(&there.gateway, &sql).await, expected, "{sql}");
        let asked = [v2().asked("there/requests"), v4().asked("there/requests")].concat();
        let targets: Vec<&str> = asked.iter().map(|asked| asked.target.as_str()).collect();
        assert_eq!(targets.len(), requests, "{sql}: {targets:#?}");
        assert_eq!(targets.iter().any(|target| target.contains("$expand=")), requests == 1, "{sql}: {targets:#?}");
    }
    let explained = there.gateway.sql(&format!(r#"EXPLAIN SELECT e."EmployeeId", t."Name" {by_team}"#), KEY).await.text().await.unwrap();
    assert!(explained.contains("$expand=ne_Team") && explained.contains("ne_Team/Name"), "{explained}");
}
