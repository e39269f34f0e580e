//! Customers, products and their sales, the same in memory, in memory that can evaluate nothing, in SQLite and in PostgreSQL; and what
//! PostgreSQL itself makes of them when it is asked in SQL.

use crate::harness::{Incapable, context, principal, table};
use crate::kinds::Database;
use portico_catalog::{ModelDefinition, ModelView, TableDefinition};
use portico_engine::{Answer, Engine, EngineSettings, EntityRead, Paging, Statement};
use portico_odata::header::Version;
use portico_odata::json::{JsonOptions, JsonWriter, context_url, name_contexts};
use portico_odata::{ReadKind, bind, parse};
use portico_provider_api::{ConnectContext, QueryContext, RemoteColumn, ScalarType, Selection, Source, Value};
use portico_provider_memory::MemorySource;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the names of a kind's tables begin with.
pub const KINDS: [&str; 4] = ["Memory", "Incapable", "Sqlite", "Postgres"];
const MONEY: ScalarType = ScalarType::Decimal { precision: 12, scale: 2 };

/// Name, type, nullable, and how it is declared in SQL.
type Columns = [(&'static str, ScalarType, bool, &'static str)];
const CUSTOMERS: &Columns = &[
    ("Id", ScalarType::Int64, false, "BIGINT NOT NULL PRIMARY KEY"),
    ("Name", ScalarType::Text, false, "TEXT NOT NULL"),
    ("Country", ScalarType::Text, true, "TEXT"),
    ("Credit", MONEY, true, "DECIMAL(12,2)"),
];
const PRODUCTS: &Columns = &[
    ("Id", ScalarType::Int32, false, "INT4 NOT NULL PRIMARY KEY"),
    ("Name", ScalarType::Text, false, "TEXT NOT NULL"),
    ("Category", ScalarType::Text, true, "TEXT"),
    ("Tax", ScalarType::Decimal { precision: 4, scale: 2 }, false, "DECIMAL(4,2) NOT NULL"),
];
const SALES: &Columns = &[
    ("Id", ScalarType::Int64, false, "BIGINT NOT NULL PRIMARY KEY"),
    ("CustomerId", ScalarType::Int64, true, "BIGINT"),
    ("ProductId", ScalarType::Int32, false, "INT4 NOT NULL"),
    ("Amount", MONEY, true, "DECIMAL(12,2)"),
    ("Quantity", ScalarType::Int32, true, "INT4"),
    ("Weight", ScalarType::Float64, true, "DOUBLE PRECISION"),
    ("Region", ScalarType::Text, true, "TEXT"),
    ("Day", ScalarType::Date, false, "DATE NOT NULL"),
];

/// A tree with several roots: some nodes hang below one that is not there, and one is its own parent.
const UNITS: &Columns = &[
    ("Id", ScalarType::Int32, false, "INT4 NOT NULL PRIMARY KEY"),
    ("Name", ScalarType::Text, true, "TEXT"),
    ("ParentId", ScalarType::Int32, true, "INT4"),
    ("Staff", ScalarType::Int32, false, "INT4 NOT NULL"),
];
const POSTINGS: &Columns = &[
    ("Id", ScalarType::Int64, false, "BIGINT NOT NULL PRIMARY KEY"),
    ("UnitId", ScalarType::Int32, true, "INT4"),
    ("Code", ScalarType::Int64, true, "BIGINT"),
    ("Account", ScalarType::Text, false, "TEXT NOT NULL"),
    ("Amount", MONEY, true, "DECIMAL(12,2)"),
];
/// The end of a cycle: 1 is above 2, 2 above 3, 3 above 1.
const RINGS: &Columns = &[("Id", ScalarType::Int32, false, "INT4 NOT NULL PRIMARY KEY"), ("ParentId", ScalarType::Int32, true, "INT4")];

pub struct World {
    engine: Engine,
    view: Arc<ModelView>,
    service: String,
    database: Database,
    _file: tempfile::TempDir,
}

/// What a request was answered with.
pub struct Payload {
    pub context: String,
    pub count: Option<u64>,
    /// Without control information.
    pub rows: Vec<Json>,
    /// As they are.
    pub raw: Vec<Json>,
    pub next: Option<Vec<Value>>,
}

fn decimal(unscaled: i64, scale: i8) -> Value {
    Value::Decimal { unscaled: unscaled.into(), precision: if scale == 2 { 12 } else { 4 }, scale }
}

/// Few values, so that there are duplicates everywhere, and nulls.
fn rows(random: &mut fastrand::Rng, sales: usize) -> [Vec<Vec<Value>>; 3] {
    let text = |value: Option<&str>| value.map_or(Value::Null(ScalarType::Text), Value::text);
    let countries = [Some("USA"), Some("Netherlands"), Some("France"), None];
    let customers = (1..=9_i64).map(|id| {
        let credit = if id % 4 == 0 { Value::Null(MONEY) } else { decimal(random.i64(0..5) * 1_050, 2) };
        let name = ["Joe", "Sue", "Luc"][random.usize(0..3)];
        vec![Value::Int64(id), Value::text(name), text(countries[random.usize(0..4)]), credit]
    });
    let customers = customers.collect();
    let products = (1..=6_i32).map(|id| {
        let category = [Some("Food"), Some("Non-Food"), None][random.usize(0..3)];
        let tax = Value::Decimal { unscaled: [6, 14, 20][random.usize(0..3)].into(), precision: 4, scale: 2 };
        vec![Value::Int32(id), Value::text(format!("P{id}")), text(category), tax]
    });
    let products = products.collect();
    let all = (1..=sales as i64).map(|id| {
        let mut maybe = |value: Value| if random.u8(0..6) == 0 { Value::Null(value.scalar_type()) } else { value };
        let (customer, amount, quantity, weight) =
            (maybe(Value::Int64(0)), maybe(decimal(0, 2)), maybe(Value::Int32(0)), maybe(Value::float64(0.0)));
        let customer = if customer.is_null() { customer } else { Value::Int64(random.i64(1..=8)) };
        let amount = if amount.is_null() { amount } else { decimal(random.i64(-3..12) * 125, 2) };
        let quantity = if quantity.is_null() { quantity } else { Value::Int32(random.i32(0..5)) };
        let weight = if weight.is_null() { weight } else { Value::float64(f64::from(random.i32(-4..9)) / 4.0) };
        let region = text([Some("EMEA"), Some("US East"), Some("US West"), None][random.usize(0..4)]);
        let day = Value::Date(19_000 + random.i32(0..4));
        vec![Value::Int64(id), customer, Value::Int32(random.i32(1..=5)), amount, quantity, weight, region, day]
    });
    let all = all.collect();
    [customers, products, all]
}

/// Nodes, what is booked on them, and a hierarchy that is none.
fn trees(random: &mut fastrand::Rng) -> [Vec<Vec<Value>>; 3] {
    let mut ids: Vec<i32> = (1..=24).collect();
    random.shuffle(&mut ids);
    let units = ids.iter().enumerate().map(|(at, id)| {
        let parent = match random.u8(0..9) {
            0 => Value::Null(ScalarType::Int32),
            1 => Value::Int32(99),
            2 if at == 3 => Value::Int32(*id),
            _ if at == 0 => Value::Null(ScalarType::Int32),
            _ => Value::Int32(ids[random.usize(0..at)]),
        };
        let name = [Some("East"), Some("West"), Some("South"), None][random.usize(0..4)];
        let name = name.map_or(Value::Null(ScalarType::Text), Value::text);
        vec![Value::Int32(*id), name, parent, Value::Int32(random.i32(0..20))]
    });
    let units: Vec<Vec<Value>> = units.collect();
    let postings = (1..=80_i64).map(|id| {
        let unit = if random.u8(0..8) == 0 { Value::Null(ScalarType::Int32) } else { Value::Int32(random.i32(1..=26)) };
        let code = if random.u8(0..8) == 0 {
            Value::Null(ScalarType::Int64)
        } else {
            Value::Int64(random.i64(1..=26) + 5_000_000_000 * random.i64(0..2))
        };
        let amount = if random.u8(0..8) == 0 { Value::Null(MONEY) } else { decimal(random.i64(-3..12) * 125, 2) };
        vec![Value::Int64(id), unit, code, Value::text(["Rent", "Pay"][random.usize(0..2)]), amount]
    });
    let postings = postings.collect();
    let ring = |id: i32, parent: i32| vec![Value::Int32(id), Value::Int32(parent)];
    [units, postings, vec![ring(1, 3), ring(2, 1), ring(3, 2), ring(4, 4)]]
}

fn sql_value(value: &Value, sqlite: bool) -> String {
    match value {
        Value::Null(_) => "NULL".to_owned(),
        Value::Text(text) => format!("'{text}'"),
        Value::Int32(number) => number.to_string(),
        Value::Int64(number) => number.to_string(),
        Value::Float64(number) => format!("{:?}", number.0),
        Value::Decimal { unscaled, scale, .. } => {
            let number: i64 = unscaled.to_string().parse().unwrap();
            let text = format!("{:.*}", usize::try_from(*scale).unwrap(), number as f64 / 10_f64.powi(i32::from(*scale)));
            if sqlite { format!("'{text}'") } else { text }
        }
        Value::Date(day) => {
            format!("'{}'", ["2022-01-08", "2022-01-09", "2022-01-10", "2022-01-11"][usize::try_from(day - 19_000).unwrap()])
        }
        other => panic!("{other:?}"),
    }
}

fn script(name: &str, columns: &Columns, rows: &[Vec<Value>], sqlite: bool) -> String {
    let declared: Vec<String> = columns.iter().map(|(name, _, _, sql)| format!("\"{name}\" {sql}")).collect();
    let rows: Vec<String> =
        rows.iter().map(|row| format!("({})", row.iter().map(|value| sql_value(value, sqlite)).collect::<Vec<_>>().join(","))).collect();
    format!("CREATE TABLE {name} ({}); INSERT INTO {name} VALUES {};", declared.join(","), rows.join(","))
}

fn definitions() -> Json {
    let mut tables = serde_json::Map::new();
    for kind in KINDS {
        let (source, schema) = (kind.to_lowercase(), if kind == "Postgres" { "public." } else { "" });
        let remote = |name: &str| format!("{schema}{name}");
        let one = |to: &str, from: &str| serde_json::json!({ "to": format!("{kind}{to}"), "on": { from: "Id" } });
        let many = |on: &str| serde_json::json!({ "Sales": { "to": format!("{kind}Sales"), "on": { "Id": on }, "many": true } });
        let siblings = serde_json::json!({ "to": format!("{kind}Sales"), "on": { "CustomerId": "CustomerId" }, "many": true });
        let relationships = serde_json::json!({ "Customer": one("Customers", "CustomerId"), "Product": one("Products", "ProductId"), "Siblings": siblings });
        // The same sales in another source.
        let next = KINDS[(KINDS.iter().position(|known| *known == kind).unwrap() + 1) % KINDS.len()];
        let mut customers = many("CustomerId");
        customers["Abroad"] = serde_json::json!({ "to": format!("{next}Sales"), "on": { "Id": "CustomerId" }, "many": true });
        for (name, links) in [("Customers", customers), ("Products", many("ProductId")), ("Sales", relationships)] {
            let of = |column: &str, method: &str| serde_json::json!({ "column": column, "method": method });
            let count = serde_json::json!({ "method": "count" });
            let aggregates = match name {
                "Sales" => serde_json::json!({ "Revenue": of("Amount", "sum"), "Deals": count, "Regions": of("Region", "countdistinct"),
                    "Priced": of("Amount", "count"), "Amount": of("Amount", "max"), "Heaviest": of("Weight", "max") }),
                "Customers" => {
                    serde_json::json!({ "Buyers": count, "BestCredit": of("Credit", "max"), "CreditSum": of("Credit", "sum") })
                }
                _ => serde_json::json!({}),
            };
            let searchable = if name == "Sales" { "Region" } else { "Name" };
            // What may be null comes first in the sales: nothing may take it for what identifies them.
            let columns = serde_json::json!({ searchable: { "searchable": true }, "*": {} });
            let table = serde_json::json!({ "source": source, "remote": remote(&name.to_lowercase()), "relationships": links, "aggregates": aggregates, "columns": columns });
            tables.insert(format!("{kind}{name}"), table);
        }
        let parent = |of: &str| one(of, "ParentId");
        let children = serde_json::json!({ "to": format!("{kind}Units"), "on": { "Id": "ParentId" }, "many": true });
        let postings = serde_json::json!({ "to": format!("{kind}Postings"), "on": { "Id": "UnitId" }, "many": true });
        let links = serde_json::json!({ "Parent": parent("Units"), "Children": children, "Postings": postings });
        let hierarchies = serde_json::json!({ "Org": { "node": "Id", "parent": "Parent" } });
        let unit = serde_json::json!({ "source": source, "remote": remote("units"), "relationships": links, "hierarchies": hierarchies });
        tables.insert(format!("{kind}Units"), unit);
        let links = serde_json::json!({ "Unit": one("Units", "UnitId") });
        tables.insert(
            format!("{kind}Postings"),
            serde_json::json!({ "source": source, "remote": remote("postings"), "relationships": links }),
        );
        let links = serde_json::json!({ "Parent": parent("Rings") });
        let ring = serde_json::json!({ "source": source, "remote": remote("rings"), "relationships": links, "hierarchies": hierarchies });
        tables.insert(format!("{kind}Rings"), ring);
    }
    Json::Object(tables)
}

impl World {
    pub async fn new(seed: u64, sales: usize) -> World {
        World::with(seed, sales, EngineSettings::default()).await
    }

    pub async fn with(seed: u64, sales: usize, settings: EngineSettings) -> World {
        let data = rows(&mut fastrand::Rng::with_seed(seed), sales);
        let trees = trees(&mut fastrand::Rng::with_seed(seed));
        let all: [(&str, &Columns, &Vec<Vec<Value>>); 6] = [
            ("customers", CUSTOMERS, &data[0]),
            ("products", PRODUCTS, &data[1]),
            ("sales", SALES, &data[2]),
            ("units", UNITS, &trees[0]),
            ("postings", POSTINGS, &trees[1]),
            ("rings", RINGS, &trees[2]),
        ];
        let in_memory = all.iter().map(|(name, columns, rows)| {
            let described = columns.iter().map(|(name, scalar_type, nullable, _)| RemoteColumn::plain(*name, *scalar_type, *nullable));
            table(name, described.collect(), &["Id"], rows)
        });
        let memory = Arc::new(MemorySource::new("memory", in_memory.collect()).unwrap());
        let file = tempfile::tempdir().unwrap();
        let (database, url) = Database::create().await;
        let sqlite = rusqlite::Connection::open(file.path().join("t.db")).unwrap();
        sqlite.execute_batch("PRAGMA journal_mode = WAL;").unwrap();
        for (name, columns, rows) in all {
            sqlite.execute_batch(&script(name, columns, rows, true)).unwrap();
            database.client.batch_execute(&script(name, columns, rows, false)).await.unwrap();
        }
        let connect = |source_name: &str| ConnectContext {
            source_name: source_name.to_owned(),
            base_directory: file.path().to_owned(),
            max_connections: 4,
            timeout: Duration::from_secs(30),
            request_time: Duration::from_secs(600),
        };
        let lite = (portico_provider_sqlite::kind().connect)(serde_json::json!({ "path": "t.db" }), connect("sqlite")).unwrap();
        let post = (portico_provider_postgres::kind().connect)(serde_json::json!({ "url": url }), connect("postgres")).unwrap();
        let sources: BTreeMap<String, Arc<dyn Source>> = [
            ("memory".to_owned(), Arc::clone(&memory) as Arc<dyn Source>),
            ("incapable".to_owned(), Arc::new(Incapable(memory as _)) as _),
            ("sqlite".to_owned(), lite),
            ("postgres".to_owned(), post),
        ]
        .into();
        let mut schemas = BTreeMap::new();
        for (name, source) in &sources {
            schemas.insert(name.clone(), source.remote_schema(&Selection::All, &QueryContext::default()).await.unwrap());
        }
        let tables: indexmap::IndexMap<String, TableDefinition> = serde_json::from_value(definitions()).unwrap();
        let access: serde_json::Map<String, Json> = tables.keys().map(|name| (name.clone(), serde_json::json!({}))).collect();
        let access = serde_json::from_value(serde_json::json!({ "roles": { "all": access } })).unwrap();
        let definition = ModelDefinition { sources: sources.keys().cloned().collect(), tables, ..ModelDefinition::default() };
        let engine = Engine::new(settings, sources, access).unwrap();
        let (model, _) = portico_catalog::build(&definition, &schemas, &|model, sql| engine.describe_view(model, sql)).unwrap();
        engine.publish(Arc::new(model));
        let service = engine.model().unwrap().services.keys().next().unwrap().clone();
        let view = engine.view(&principal("all"), &service).unwrap();
        World { engine, view, service, database, _file: file }
    }

    /// Answers a request, whose path begins with the name of a table without its kind.
    pub async fn get(&self, kind: &str, request: &str) -> Result<Payload, String> {
        self.page(kind, request, Paging::default()).await
    }

    /// One page of the answer.
    pub async fn page(&self, kind: &str, request: &str, paging: Paging) -> Result<Payload, String> {
        let (path, query) = request.split_once('?').map_or((request, None), |(path, query)| (path, Some(query)));
        let encoded = query.map(|query| query.replace(' ', "%20"));
        let path = if path.starts_with("$crossjoin(") { path.to_owned() } else { format!("{kind}{path}") };
        let parsed = parse::request(&path, encoded.as_deref()).map_err(|error| format!("{error:?}"))?;
        let bound = bind::read(&parsed, &self.view).map_err(|error| format!("{:?}: {}", error.kind, error.message))?;
        let context_of = context_url("", &self.view, &bound, Version::V4_0);
        let (single, query) = (bound.kind == ReadKind::Count, bound.query.clone());
        let read =
            EntityRead { service: self.service.clone(), model_version: self.engine.model().unwrap().version.clone(), read: bound, paging };
        let context = context(&principal("all"));
        let error = |error: portico_engine::EngineError| format!("{error:?}");
        let plan = self.engine.plan(&Statement::Entities(Box::new(read)), &context.principal).map_err(error)?;
        let pushed = self.engine.push_down(self.engine.permit(plan, &context.principal).map_err(error)?).map_err(error)?;
        let mut answer = match self.engine.execute(pushed, &context).await.map_err(error)? {
            Answer::Entities(answer) => answer,
            Answer::Count(count) if single => {
                return Ok(Payload { context: context_of, count: Some(count), rows: Vec::new(), raw: Vec::new(), next: None });
            }
            _ => panic!("not entities"),
        };
        name_contexts(Arc::make_mut(&mut answer.shape), &self.view, &query, Version::V4_0);
        let options = JsonOptions { ieee754_compatible: true, context_url: Some(context_of.clone()), ..JsonOptions::default() };
        let mut writer = JsonWriter::new(&answer.shape, options);
        let mut out = bytes::BytesMut::from(writer.start_collection(None).as_ref());
        while let Some(batch) = answer.rows.next().await {
            writer.write_batch(&batch.map_err(error)?, &mut out).map_err(|error| error.to_string())?;
        }
        out.extend_from_slice(&writer.finish_collection(None));
        let body: Json = serde_json::from_slice(&out).map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&out)))?;
        let raw = body["value"].as_array().unwrap().clone();
        let rows = raw.iter().map(plain).collect();
        let next = answer.rows.next_position().map(<[Value]>::to_vec);
        Ok(Payload { context: context_of, count: answer.count, rows, raw, next })
    }

    /// What PostgreSQL answers: each row is one JSON object.
    pub async fn sql(&self, text: &str) -> Vec<Json> {
        let text = match text.strip_prefix("json:") {
            Some(text) => format!("SELECT j::text FROM ({text}) t(j)"),
            None => format!("SELECT row_to_json(t)::text FROM ({text}) t"),
        };
        let rows = self.database.client.query(&text, &[]).await;
        let rows = rows.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect()
    }
}

/// Without control information.
fn plain(value: &Json) -> Json {
    match value {
        Json::Object(members) => Json::Object(
            members.iter().filter(|(name, _)| !name.contains("@odata.")).map(|(name, value)| (name.clone(), plain(value))).collect(),
        ),
        Json::Array(items) => Json::Array(items.iter().map(plain).collect()),
        other => other.clone(),
    }
}
