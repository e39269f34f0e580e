//! The floor of the `lookup` benchmark: what somebody would write by hand to serve one table. Two routes of axum over prepared statements of
//! tokio-postgres give the same JSON as the gateway. It must not know the gateway: it has no model, no rights and no query language.
//!
//! `floor ADDRESS`, with the database's url in PORTICO_BENCH_FLOOR_URL.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_postgres::{Client, NoTls, Row, Statement};

/// As many as the gateway opens at most to one source.
const CONNECTIONS: usize = 16;

/// The type of both answers.
const JSON: &str = "application/json;odata.metadata=minimal;odata.streaming=true;charset=utf-8";

/// Decimals and dates are text already, as JSON wants them.
const COLUMNS: &str =
    "o_orderkey, o_custkey, o_orderstatus, o_totalprice::text, o_orderdate::text, o_orderpriority, o_clerk, o_shippriority, o_comment";

/// A connection with its statements.
struct Connection {
    client: Client,
    one: Statement,
    page: Statement,
}

/// All connections. Each serves several requests at once, as the protocol pipelines them.
struct Pool {
    connections: Vec<Connection>,
    next: AtomicUsize,
}

impl Pool {
    fn connection(&self) -> &Connection {
        &self.connections[self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len()]
    }
}

/// What a page is asked with.
#[derive(Deserialize)]
struct Page {
    from: i64,
    top: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: floor ADDRESS")?;
    let url = std::env::var("PORTICO_BENCH_FLOOR_URL")?;
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        connections.push(connect(&url).await?);
    }
    let pool = Arc::new(Pool { connections, next: AtomicUsize::new(0) });
    let router = Router::new().route("/orders/{key}", get(one)).route("/orders", get(page)).with_state(pool);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn connect(url: &str) -> Result<Connection, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // When it breaks, the requests that use it say so.
    tokio::spawn(connection);
    let one = client.prepare(&format!("select {COLUMNS} from orders where o_orderkey = $1")).await?;
    let page = client.prepare(&format!("select {COLUMNS} from orders where o_orderkey >= $1 order by o_orderkey limit $2")).await?;
    Ok(Connection { client, one, page })
}

async fn one(State(pool): State<Arc<Pool>>, Path(key): Path<i64>, headers: HeaderMap) -> Response {
    let connection = pool.connection();
    match connection.client.query_opt(&connection.one, &[&key]).await {
        Ok(Some(row)) => {
            let mut json = String::with_capacity(512);
            json.push('{');
            context(&mut json, &headers, "#orders/$entity");
            match columns(&mut json, &row) {
                Ok(()) => answer(json),
                Err(error) => failed(&*error),
            }
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

async fn page(State(pool): State<Arc<Pool>>, Query(asked): Query<Page>, headers: HeaderMap) -> Response {
    let connection = pool.connection();
    let rows = match connection.client.query(&connection.page, &[&asked.from, &asked.top]).await {
        Ok(rows) => rows,
        Err(error) => return failed(&error),
    };
    let mut json = String::with_capacity(256 + rows.len() * 300);
    json.push('{');
    context(&mut json, &headers, "#orders");
    json.push_str("\"value\":[");
    for (number, row) in rows.iter().enumerate() {
        json.push_str(if number == 0 { "{" } else { ",{" });
        if let Err(error) = columns(&mut json, row) {
            return failed(&*error);
        }
    }
    json.push_str("]}");
    answer(json)
}

/// What is described where, with a comma after it.
fn context(json: &mut String, headers: &HeaderMap, fragment: &str) {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    json.push_str("\"@odata.context\":\"http://");
    json.push_str(host);
    json.push_str("/odata/$metadata");
    json.push_str(fragment);
    json.push_str("\",");
}

/// The members of one row and the brace that ends it.
fn columns(json: &mut String, row: &Row) -> Result<(), Box<dyn Error>> {
    let mut digits = itoa::Buffer::new();
    json.push_str("\"o_orderkey\":");
    json.push_str(digits.format(row.try_get::<_, i64>(0)?));
    json.push_str(",\"o_custkey\":");
    json.push_str(digits.format(row.try_get::<_, i64>(1)?));
    text(json, ",\"o_orderstatus\":", row.try_get(2)?)?;
    json.push_str(",\"o_totalprice\":");
    json.push_str(row.try_get(3)?);
    text(json, ",\"o_orderdate\":", row.try_get(4)?)?;
    text(json, ",\"o_orderpriority\":", row.try_get(5)?)?;
    text(json, ",\"o_clerk\":", row.try_get(6)?)?;
    json.push_str(",\"o_shippriority\":");
    json.push_str(digits.format(row.try_get::<_, i32>(7)?));
    text(json, ",\"o_comment\":", row.try_get(8)?)?;
    json.push('}');
    Ok(())
}

fn text(json: &mut String, name: &str, value: &str) -> Result<(), serde_json::Error> {
    json.push_str(name);
    json.push_str(&serde_json::to_string(value)?);
    Ok(())
}

fn answer(json: String) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(JSON))], json).into_response()
}

fn failed(error: &dyn Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}
