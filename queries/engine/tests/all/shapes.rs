//! What paths and query options yield over tables with an overlay — complex and derived types, streams, a link table that holds a pair
//! twice — as JSON, the same over every kind and whatever is pushed down. What is expected is written by hand.

use crate::apply_world::KINDS;
use crate::harness::{Incapable, context, principal, table};
use crate::kinds::Database;
use portico_catalog::{ModelDefinition, ModelView, TableDefinition};
use portico_engine::{Answer, Engine, EngineError, EngineSettings, EntityAnswer, EntityRead, Paging, Statement};
use portico_odata::json::{CrossJoinWriter, JsonOptions, JsonWriter, entity_links, find_property, property, raw_value};
use portico_odata::{BoundRead, EntityBatch, ReadKind, bind, metadata, parse};
use portico_provider_api::{ConnectContext, QueryContext, RemoteColumn, ScalarType, Selection, Source, Value};
use portico_provider_memory::{MemorySource, MemoryTable};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const TABLES: &str = r#"{
  "People": {
    "source": "s", "remote": "people", "key": ["Id"],
    "columns": {
      "Id": {"remote": "id"}, "Name": {"remote": "name", "searchable": true}, "home_street": {}, "home_city": {"searchable": true},
      "Kind": {"remote": "kind"}, "Bonus": {"remote": "bonus"}, "Level": {"remote": "lvl"}, "photo": {}, "photo_type": {}, "BossId": {"remote": "boss_id"}
    },
    "complex": { "Home": { "type": "Address", "members": { "Street": "home_street", "City": "home_city" } } },
    "derived": { "discriminator": "Kind", "types": {
      "Manager": { "values": ["M"], "columns": ["Bonus"] }, "Director": { "base": "Manager", "values": ["D"], "columns": ["Level"] } } },
    "streams": { "Photo": { "content": "photo", "media_type": { "column": "photo_type" } } },
    "relationships": {
      "Boss": { "to": "People", "on": { "BossId": "Id" } },
      "Reports": { "to": "People", "on": { "Id": "BossId" }, "many": true },
      "Tags": { "to": "Tags", "through": { "table": "PeopleTags", "on": { "Id": "person" }, "to": { "tag": "Code" } }, "many": true }
    }
  },
  "Tags": {
    "source": "s", "remote": "tags", "columns": { "Code": {"remote": "code"}, "Note": {"remote": "note"} },
    "relationships": {
      "People": { "to": "People", "through": { "table": "PeopleTags", "on": { "Code": "tag" }, "to": { "person": "Id" } }, "many": true }
    }
  },
  "PeopleTags": { "source": "s", "remote": "people_tags" }
}"#;

const SQL: &str = "
  CREATE TABLE people (id INTEGER PRIMARY KEY NOT NULL, name VARCHAR(20) NOT NULL, home_street VARCHAR(20), home_city VARCHAR(20),
    kind VARCHAR(5), bonus INTEGER, lvl INTEGER, photo BINARIES, photo_type VARCHAR(40), boss_id INTEGER);
  INSERT INTO people VALUES (1, 'Ann', 'Main St', 'Berlin', 'D', 10, 3, BYTES, 'image/png', NULL);
  INSERT INTO people VALUES (2, 'Bob', NULL, NULL, 'M', 5, NULL, BYTES, NULL, 1);
  INSERT INTO people VALUES (3, 'Cid', NULL, 'Rome', 'P', NULL, NULL, NULL, NULL, 1);
  INSERT INTO people VALUES (4, 'Dee', 'Side St', NULL, NULL, NULL, NULL, NULL, NULL, 2);
  CREATE TABLE tags (code VARCHAR(5) PRIMARY KEY NOT NULL, note VARCHAR(20));
  INSERT INTO tags VALUES ('a', 'alpha'), ('b', NULL), ('c', 'Gamma');
  CREATE TABLE people_tags (person INTEGER, tag VARCHAR(5));
  INSERT INTO people_tags VALUES (1, 'a'), (1, 'b'), (1, 'a'), (2, 'b'), (3, NULL), (4, 'c'), (NULL, 'c');";

pub struct World {
    engine: Engine,
    view: Arc<ModelView>,
    _file: tempfile::TempDir,
    _database: Option<Database>,
}

fn memory() -> Vec<MemoryTable> {
    let text = |name, nullable| RemoteColumn::plain(name, ScalarType::Text, nullable);
    let whole = |name, nullable| RemoteColumn::plain(name, ScalarType::Int32, nullable);
    let people = vec![
        whole("id", false),
        text("name", false),
        text("home_street", true),
        text("home_city", true),
        text("kind", true),
        whole("bonus", true),
        whole("lvl", true),
        RemoteColumn::plain("photo", ScalarType::Binary, true),
        text("photo_type", true),
        whole("boss_id", true),
    ];
    let t = |value: Option<&str>| value.map_or(Value::Null(ScalarType::Text), Value::text);
    let n = |value: Option<i32>| value.map_or(Value::Null(ScalarType::Int32), Value::Int32);
    let b = |there: bool| if there { Value::Binary(vec![1, 2, 255]) } else { Value::Null(ScalarType::Binary) };
    let rows = [
        vec![
            n(Some(1)),
            t(Some("Ann")),
            t(Some("Main St")),
            t(Some("Berlin")),
            t(Some("D")),
            n(Some(10)),
            n(Some(3)),
            b(true),
            t(Some("image/png")),
            n(None),
        ],
        vec![n(Some(2)), t(Some("Bob")), t(None), t(None), t(Some("M")), n(Some(5)), n(None), b(true), t(None), n(Some(1))],
        vec![n(Some(3)), t(Some("Cid")), t(None), t(Some("Rome")), t(Some("P")), n(None), n(None), b(false), t(None), n(Some(1))],
        vec![n(Some(4)), t(Some("Dee")), t(Some("Side St")), t(None), t(None), n(None), n(None), b(false), t(None), n(Some(2))],
    ];
    let tags = [vec![t(Some("a")), t(Some("alpha"))], vec![t(Some("b")), t(None)], vec![t(Some("c")), t(Some("Gamma"))]];
    let pairs = [
        (Some(1), Some("a")),
        (Some(1), Some("b")),
        (Some(1), Some("a")),
        (Some(2), Some("b")),
        (Some(3), None),
        (Some(4), Some("c")),
        (None, Some("c")),
    ];
    let pairs: Vec<_> = pairs.into_iter().map(|(person, tag)| vec![n(person), t(tag)]).collect();
    vec![
        table("people", people, &["id"], &rows),
        table("tags", vec![text("code", false), text("note", true)], &["code"], &tags),
        table("people_tags", vec![whole("person", true), text("tag", true)], &[], &pairs),
    ]
}

impl World {
    pub async fn new(kind: &str) -> World {
        let file = tempfile::tempdir().unwrap();
        let context = ConnectContext {
            source_name: "s".to_owned(),
            base_directory: file.path().to_owned(),
            max_connections: 4,
            timeout: Duration::from_secs(30),
            request_time: Duration::from_secs(600),
        };
        let memory = Arc::new(MemorySource::new("s", memory()).unwrap());
        let mut database = None;
        let source: Arc<dyn Source> = match kind {
            "Memory" => memory,
            "Incapable" => Arc::new(Incapable(memory)),
            "Sqlite" => {
                let connection = rusqlite::Connection::open(file.path().join("t.db")).unwrap();
                connection.execute_batch(&SQL.replace("BINARIES", "BLOB").replace("BYTES", "x'0102ff'")).unwrap();
                (portico_provider_sqlite::kind().connect)(json!({ "path": "t.db" }), context).unwrap()
            }
            _ => {
                let (made, url) = Database::create().await;
                made.client.batch_execute(&SQL.replace("BINARIES", "BYTEA").replace("BYTES", "'\\x0102ff'")).await.unwrap();
                database = Some(made);
                (portico_provider_postgres::kind().connect)(json!({ "url": url }), context).unwrap()
            }
        };
        let schema = source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap();
        let schemas = BTreeMap::from([("s".to_owned(), schema)]);
        let tables: indexmap::IndexMap<String, TableDefinition> = serde_json::from_str(TABLES).unwrap();
        let definition = ModelDefinition { sources: vec!["s".to_owned()], tables, ..ModelDefinition::default() };
        let access = r#"{ "roles": { "all": { "People": {}, "Tags": {}, "PeopleTags": {} }, "tagless": { "People": {}, "Tags": {} } } }"#;
        let sources = BTreeMap::from([("s".to_owned(), source)]);
        let engine = Engine::new(EngineSettings::default(), sources, serde_json::from_str(access).unwrap()).unwrap();
        let (model, _) = portico_catalog::build(&definition, &schemas, &|model, sql| engine.describe_view(model, sql)).unwrap();
        engine.publish(Arc::new(model));
        let service = engine.model().unwrap().services.keys().next().unwrap().clone();
        let view = engine.view(&principal("all"), &service).unwrap();
        World { engine, view, _file: file, _database: database }
    }

    fn bound(&self, url: &str) -> BoundRead {
        let url = url.replace("NS.", &format!("{}.", metadata::namespace(&self.view)));
        let (path, query) = url.split_once('?').map_or((url.as_str(), None), |(path, query)| (path, Some(query)));
        bind::read(&parse::request(path, query).unwrap_or_else(|error| panic!("{url}: {error}")), &self.view)
            .unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    async fn answer(&self, read: BoundRead, paging: Paging) -> Result<Answer, EngineError> {
        let read = EntityRead { service: self.view.service.clone(), model_version: self.view.version.clone(), read, paging };
        let context = context(&principal("all"));
        let plan = self.engine.plan(&Statement::Entities(Box::new(read)), &context.principal)?;
        let pushed = self.engine.push_down(self.engine.permit(plan, &context.principal)?)?;
        self.engine.execute(pushed, &context).await
    }

    /// The answer as JSON: a collection, one entity or value, a number; null when there is nothing.
    pub async fn get(&self, url: &str) -> Result<Json, EngineError> {
        self.page(url, Paging::default()).await.map(|(json, _)| json)
    }

    /// The entities that a URL yields in pages of a size.
    pub async fn in_pages(&self, url: &str, size: u64) -> Vec<Json> {
        let (mut rows, mut position) = (Vec::new(), None);
        loop {
            let (page, next) = self.page(url, Paging { size, position }).await.unwrap();
            rows.extend(page["value"].as_array().unwrap().iter().cloned());
            position = next;
            // A page that leads to itself would never end.
            if position.is_none() || rows.len() > 20 {
                return rows;
            }
        }
    }

    pub async fn page(&self, url: &str, paging: Paging) -> Result<(Json, Option<Vec<Value>>), EngineError> {
        let read = self.bound(url);
        let kind = read.kind;
        let path = read.property.clone();
        let mut answer = match self.answer(read, paging).await? {
            Answer::Count(count) => return Ok((json!(count), None)),
            Answer::Entities(answer) => answer,
            Answer::Table(_) => panic!("{url}: a table"),
        };
        let references = matches!(kind, ReadKind::Reference | ReadKind::References);
        let options =
            JsonOptions { root_url: "http://r".to_owned(), links: entity_links(&self.view), references, ..JsonOptions::default() };
        if !answer.cross.is_empty() {
            return Ok(joined(answer, options).await);
        }
        let mut writer = JsonWriter::new(&answer.shape, options.clone());
        let mut text = writer.start_collection(answer.count).to_vec();
        let (mut out, mut single) = (bytes::BytesMut::new(), Json::Null);
        while let Some(batch) = answer.rows.next().await {
            let batch = batch?;
            if batch.rows.num_rows() == 0 {
                continue;
            }
            match kind {
                ReadKind::Collection | ReadKind::References => writer.write_batch(&batch, &mut out).unwrap(),
                ReadKind::Entity | ReadKind::Reference => single = serde_json::from_slice(&writer.entity(&batch).unwrap()).unwrap(),
                ReadKind::Property => {
                    let shape = find_property(&answer.shape, &path).unwrap();
                    single =
                        property(shape, &batch.rows, &options).unwrap().map_or(Json::Null, |text| serde_json::from_slice(&text).unwrap());
                }
                ReadKind::Value => {
                    let raw = raw_value(find_property(&answer.shape, &path).unwrap(), &batch.rows).unwrap();
                    single = raw.map_or(Json::Null, |raw| json!(String::from_utf8(raw.bytes.to_vec()).unwrap()));
                }
                ReadKind::Media => {
                    let cells =
                        answer.shape.properties.iter().map(|shape| raw_value(shape, &batch.rows).unwrap().map(|raw| raw.bytes.to_vec()));
                    single = json!(cells.collect::<Vec<_>>());
                }
                ReadKind::Count => panic!("{url}: entities for a count"),
            }
        }
        if kind.is_single() {
            return Ok((single, None));
        }
        text.extend_from_slice(&out);
        text.extend_from_slice(&writer.finish_collection(None));
        Ok((serde_json::from_slice(&text).unwrap(), answer.rows.next_position().map(<[Value]>::to_vec)))
    }
}

/// The rows of a cross join.
async fn joined(mut answer: EntityAnswer, options: JsonOptions) -> (Json, Option<Vec<Value>>) {
    let mut writer = CrossJoinWriter::new(&answer.cross, options).unwrap();
    let (mut text, mut out) = (writer.start(answer.count).to_vec(), bytes::BytesMut::new());
    while let Some(batch) = answer.rows.next().await {
        let EntityBatch { rows, expanded } = batch.unwrap();
        let mut expanded = expanded.into_iter();
        let of = answer
            .cross
            .iter()
            .map(|part| EntityBatch { rows: rows.clone(), expanded: expanded.by_ref().take(part.shape.expands.len()).collect() });
        let parts: Vec<EntityBatch> = of.collect();
        writer.write_batch(&parts, &mut out).unwrap();
    }
    text.extend_from_slice(&out);
    text.extend_from_slice(&writer.finish(None));
    (serde_json::from_slice(&text).unwrap(), answer.rows.next_position().map(<[Value]>::to_vec))
}

/// Without what says types, where that is not what a case is about.
pub fn bare(json: Json) -> Json {
    match json {
        Json::Object(members) => {
            let kept = members.into_iter().filter(|(name, _)| !name.ends_with("@odata.type"));
            Json::Object(kept.map(|(name, value)| (name, bare(value))).collect())
        }
        Json::Array(values) => Json::Array(values.into_iter().map(bare).collect()),
        other => other,
    }
}

/// The cases: a URL and what it yields.
fn cases() -> Vec<(&'static str, Json)> {
    vec![
        (
            "People?$select=Home,Photo&$orderby=Id",
            json!({"value": [
                {"Id": 1, "Home": {"Street": "Main St", "City": "Berlin"}}, {"Id": 2, "Home": null},
                {"Id": 3, "Home": {"Street": null, "City": "Rome"}}, {"Id": 4, "Home": {"Street": "Side St", "City": null}}]}),
        ),
        (
            "People?$select=Home/City&$orderby=Id",
            // A complex property is null only where all of its members are, those that are not selected too.
            json!({"value": [
                {"Id": 1, "Home": {"City": "Berlin"}}, {"Id": 2, "Home": null}, {"Id": 3, "Home": {"City": "Rome"}},
                {"Id": 4, "Home": {"City": null}}]}),
        ),
        (
            "People?$compute=Id mul Id as Square,Square add 1 as More&$filter=Square gt 3&$orderby=More desc&$select=Square",
            json!({"value": [{"Id": 4, "Square": 16}, {"Id": 3, "Square": 9}, {"Id": 2, "Square": 4}]}),
        ),
        ("People?$search=AN OR rome&$select=Id&$orderby=Id", json!({"value": [{"Id": 1}, {"Id": 3}]})),
        ("People?$search=NOT berlin&$select=Id&$orderby=Id", json!({"value": [{"Id": 2}, {"Id": 3}, {"Id": 4}]})),
        ("People?$search=i NOT berlin&$select=Id&$orderby=Id&$count=true", json!({"@odata.count": 1, "value": [{"Id": 3}]})),
        ("People/$count?$search=d", json!(2)),
        (
            "People?$expand=Tags($select=Code;$orderby=Code desc)&$select=Id&$orderby=Id",
            json!({"value": [
                {"Id": 1, "Tags": [{"Code": "b"}, {"Code": "a"}]}, {"Id": 2, "Tags": [{"Code": "b"}]}, {"Id": 3, "Tags": []},
                {"Id": 4, "Tags": [{"Code": "c"}]}]}),
        ),
        (
            "People?$expand=Tags($top=1;$count=true;$orderby=Code)&$select=Id&$orderby=Id&$top=2",
            json!({"value": [
                {"Id": 1, "Tags@odata.count": 2, "Tags": [{"Code": "a", "Note": "alpha"}]},
                {"Id": 2, "Tags@odata.count": 1, "Tags": [{"Code": "b", "Note": null}]}]}),
        ),
        (
            "Tags?$expand=People/$count&$select=Code&$orderby=Code",
            json!({"value": [
                {"Code": "a", "People@odata.count": 1}, {"Code": "b", "People@odata.count": 2}, {"Code": "c", "People@odata.count": 1}]}),
        ),
        (
            "People?$expand=Tags/$ref($orderby=Code),Reports/$count($filter=Id gt 2)&$select=Id&$orderby=Id&$top=2",
            json!({"value": [
                {"Id": 1, "Tags": [{"@odata.id": "http://r/Tags(%27a%27)"}, {"@odata.id": "http://r/Tags(%27b%27)"}], "Reports@odata.count": 1},
                {"Id": 2, "Tags": [{"@odata.id": "http://r/Tags(%27b%27)"}], "Reports@odata.count": 1}]}),
        ),
        (
            "People?$filter=Id eq 4&$select=Name&$expand=Boss($levels=max;$select=Name)",
            json!({"value": [{"Id": 4, "Name": "Dee", "Boss": {"Id": 2, "Name": "Bob", "Boss": {"Id": 1, "Name": "Ann", "Boss": null}}}]}),
        ),
        ("People?$filter=Id eq 4&$select=Id&$expand=Boss($levels=1;$select=Id)", json!({"value": [{"Id": 4, "Boss": {"Id": 2}}]})),
        (
            "People?$expand=NS.Manager/Reports($select=Id;$orderby=Id)&$select=Id&$orderby=Id",
            json!({"value": [{"Id": 1, "Reports": [{"Id": 2}, {"Id": 3}]}, {"Id": 2, "Reports": [{"Id": 4}]}, {"Id": 3}, {"Id": 4}]}),
        ),
        (
            "People?$expand=Reports/NS.Manager($select=Bonus)&$select=Id&$orderby=Id&$top=2",
            json!({"value": [{"Id": 1, "Reports": [{"Id": 2, "Bonus": 5}]}, {"Id": 2, "Reports": []}]}),
        ),
        (
            "People(1)?$select=Id&$expand=Reports($compute=Id mul 10 as Ten;$filter=Ten gt 20;$select=Ten;$search=C)",
            json!({"Id": 1, "Reports": [{"Id": 3, "Ten": 30}]}),
        ),
        (
            "Tags?$expand=*/$ref&$filter=Code eq 'a'&$select=Code",
            json!({"value": [{"Code": "a", "People": [{"@odata.id": "http://r/People(1)"}]}]}),
        ),
        ("People(4)/Boss/Boss/Reports?$orderby=Id&$select=Id&$count=true", json!({"@odata.count": 2, "value": [{"Id": 2}, {"Id": 3}]})),
        ("People(1)/Reports(2)/Reports(4)/Name", json!({"value": "Dee"})),
        ("People(1)/Tags('b')", json!({"Code": "b", "Note": null})),
        ("People(1)/Tags/$count", json!(2)),
        (
            "People(1)/Tags/$ref?$orderby=Code desc",
            json!({"value": [{"@odata.id": "http://r/Tags(%27b%27)"}, {"@odata.id": "http://r/Tags(%27a%27)"}]}),
        ),
        ("Tags('b')/People?$orderby=Id&$select=Id&$skip=1", json!({"value": [{"Id": 2}]})),
        ("People/NS.Director?$select=Level", json!({"value": [{"Id": 1, "Level": 3}]})),
        ("People/NS.Manager/$count", json!(2)),
        ("People(1)/NS.Director/Level", json!({"value": 3})),
        ("People/$filter(Id gt 2)/$count", json!(2)),
        ("People/$filter(Id gt 2)?$filter=Id lt 4&$select=Id", json!({"value": [{"Id": 3}]})),
        ("People/2/Boss/Name/$value", json!("Ann")),
        // What only a derived type has, its rows have as long as they are entities.
        (
            "People?$apply=identity&$select=Id,Bonus&$orderby=Id",
            json!({"value": [{"Id": 1, "Bonus": 10}, {"Id": 2, "Bonus": 5}, {"Id": 3}, {"Id": 4}]}),
        ),
        ("People?$apply=concat(topcount(1,Id),bottomcount(1,Id))&$select=Id,Level", json!({"value": [{"Id": 4}, {"Id": 1, "Level": 3}]})),
        ("People(1)/Home/City", json!({"value": "Berlin"})),
        ("People(1)/Home", json!({"Street": "Main St", "City": "Berlin"})),
        ("People(2)/Home", json!(null)),
        ("People(2)/Home/City/$value", json!(null)),
        ("People(1)/Boss", json!(null)),
        ("People(1)/Boss/$ref", json!(null)),
        ("People(2)/Boss/$ref", json!({"@odata.id": "http://r/People(1)"})),
        ("People(1)/Photo", json!([[1, 2, 255], "image/png".as_bytes()])),
        ("People(2)/Photo", json!([[1, 2, 255], null])),
        ("People(3)/Photo", json!([null, null])),
    ]
}

/// What leads nowhere: 404.
const NOWHERE: [&str; 8] = [
    "People(9)",
    "People(9)/Name",
    "People(9)/Boss",
    "People(1)/Reports(4)",
    "People(2)/Tags('a')",
    "People(3)/NS.Manager/Bonus",
    "People(1)/Boss/Reports",
    "People(9)/Tags/$count",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_and_options_mean_the_same_over_every_kind() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let world = World::new(kind).await;
        for (url, expected) in cases() {
            match world.get(url).await.map(bare) {
                Ok(found) if found == expected => {}
                Ok(found) => wrong.push(format!("{kind}: {url}\n  expected {expected}\n  found    {found}")),
                Err(error) => wrong.push(format!("{kind}: {url}: {error:?}")),
            }
        }
        for url in NOWHERE {
            match world.get(url).await {
                Err(EngineError::NotFound(_)) => {}
                other => wrong.push(format!("{kind}: {url}: {other:?}")),
            }
        }
        if !wrong.is_empty() {
            continue;
        }
        let types = world.get("People?$select=NS.Manager/Bonus&$orderby=Id").await.unwrap();
        let told: Vec<_> =
            types["value"].as_array().unwrap().iter().map(|row| (row.get("@odata.type").cloned(), row.get("Bonus").cloned())).collect();
        let ns = metadata::namespace(&world.view);
        let of = |name: &str| Some(json!(format!("#{ns}.{name}")));
        assert_eq!(told, [(of("Director"), Some(json!(10))), (of("Manager"), Some(json!(5))), (None, None), (None, None)], "{kind}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_computed_orders_linked_rows_and_references_are_the_whole() {
    let urls = [
        "People?$compute=Id mod 2 as Odd&$orderby=Odd desc,NS.Manager/Bonus&$select=Id",
        "People(1)/Tags?$orderby=Note desc",
        "Tags?$orderby=Note&$expand=People($select=Id;$orderby=Id)",
        "People/$ref?$orderby=NS.Manager/Bonus desc",
    ];
    for kind in KINDS {
        let world = World::new(kind).await;
        for url in urls {
            let whole = world.get(url).await.unwrap();
            for size in 1..=3 {
                let rows = world.in_pages(url, size).await;
                assert_eq!(json!(rows), whole["value"], "{kind}: {url} in pages of {size}");
            }
        }
    }
}

#[tokio::test]
async fn a_relationship_needs_the_right_to_its_link_table() {
    let world = World::new("Memory").await;
    let view = world.engine.view(&principal("tagless"), &world.view.service).unwrap();
    let read = |url: &str| bind::read(&parse::request(url, None).unwrap(), &view);
    assert!(read("People(1)/Boss").is_ok());
    assert!(read("People(1)/Tags").is_err());
}
