//! The demonstration's logistics service: a REST API as companies have them, with pages, a limit of requests, and answers of 429 now and then.
//! It knows its own file, and nothing of the gateway that asks it.

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The key that callers show.
pub(super) const KEY: &str = "demo-logistics";
/// Shipments of a page, unless fewer are asked for.
const PAGE: u64 = 200;
/// Orders that one request may name.
const MOST_ORDERS: usize = 50;
/// Requests in a second.
const RATE: u32 = 100;
/// Each so-manieth request is turned away once, however few there are.
const BUSY_EVERY: u64 = 40;

/// What all requests share.
struct Service {
    file: PathBuf,
    spent: Mutex<Spent>,
}

/// Requests in the current second, and in all.
struct Spent {
    since: Instant,
    requests: u32,
    all: u64,
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the door cannot be opened.
pub(super) async fn serve(listener: TcpListener, file: &FilePath, stop: CancellationToken) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let spent = Spent { since: Instant::now(), requests: 0, all: 0 };
    let service = Arc::new(Service { file: file.to_owned(), spent: Mutex::new(spent) });
    let handle = axum_server::Handle::new();
    let stopping = handle.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        stopping.shutdown();
    });
    axum_server::from_tcp(listener)?.handle(handle).serve(router(service).into_make_service()).await
}

fn router(service: Arc<Service>) -> Router {
    let routes = Router::new().route("/api/shipments", get(shipments)).route("/api/shipments/{id}", get(shipment));
    routes.layer(from_fn_with_state(Arc::clone(&service), admitted)).with_state(service)
}

fn failure(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": { "message": message } }))).into_response()
}

/// Lets a request in that shows the key and comes neither too often nor at a bad moment.
async fn admitted(State(service): State<Arc<Service>>, headers: HeaderMap, request: axum::extract::Request, next: Next) -> Response {
    if headers.get("x-api-key").is_none_or(|key| key.as_bytes() != KEY.as_bytes()) {
        return failure(StatusCode::UNAUTHORIZED, "the header X-Api-Key has no valid key");
    }
    if !service.has_room() {
        let mut refused = failure(StatusCode::TOO_MANY_REQUESTS, "too many requests: come back in a second");
        refused.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        return refused;
    }
    next.run(request).await
}

impl Service {
    fn has_room(&self) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.since.elapsed() >= Duration::from_secs(1) {
            (spent.since, spent.requests) = (Instant::now(), 0);
        }
        spent.requests += 1;
        spent.all += 1;
        spent.requests <= RATE && !spent.all.is_multiple_of(BUSY_EVERY)
    }

    /// Runs a query; each row becomes a shipment.
    async fn rows(self: &Arc<Self>, sql: String, values: Vec<Sql>) -> Result<Vec<Value>, Response> {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || {
            let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(params_from_iter(values), told)?;
            rows.collect::<Result<Vec<Value>, rusqlite::Error>>()
        });
        match read.await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(_)) | Err(_) => Err(failure(StatusCode::INTERNAL_SERVER_ERROR, "the shipments cannot be read")),
        }
    }
}

const SELECT: &str =
    "SELECT id, order_number, carrier_code, carrier_name, mode, status, shipped, delivered, packages, weight FROM shipment";

/// A shipment as callers see it.
fn told(row: &Row<'_>) -> Result<Value, rusqlite::Error> {
    let text = |column: &str| row.get::<_, Option<String>>(column);
    Ok(json!({
        "id": row.get::<_, i64>("id")?,
        "order": row.get::<_, i64>("order_number")?,
        "carrier": { "code": text("carrier_code")?, "name": text("carrier_name")? },
        "mode": text("mode")?,
        "status": text("status")?,
        "shipped": text("shipped")?,
        "delivered": text("delivered")?,
        "packages": row.get::<_, i64>("packages")?,
        "weight": text("weight")?,
    }))
}

/// `GET /api/shipments?order=1,2&status=delivered&limit=50&cursor=…`: in the order of their numbers.
async fn shipments(State(service): State<Arc<Service>>, Query(parameters): Query<Vec<(String, String)>>) -> Response {
    let (sql, values, limit) = match asked(&parameters) {
        Ok(asked) => asked,
        Err(message) => return failure(StatusCode::BAD_REQUEST, &message),
    };
    let mut rows = match service.rows(sql, values).await {
        Ok(rows) => rows,
        Err(failed) => return failed,
    };
    // One more than the page has was looked for: it says whether there is a next one.
    let more = u64::try_from(rows.len()).is_ok_and(|count| count > limit);
    if more {
        rows.pop();
    }
    let next = rows.last().filter(|_| more).map(|last| last["id"].to_string());
    Json(json!({ "shipments": rows, "next": next })).into_response()
}

/// The query of a request, its values, and the rows of its page.
fn asked(parameters: &[(String, String)]) -> Result<(String, Vec<Sql>, u64), String> {
    let (mut conditions, mut values, mut limit) = (Vec::new(), Vec::new(), PAGE);
    let number = |name: &str, text: &str| text.parse::<i64>().map_err(|_| format!("the parameter '{name}' is no number"));
    for (name, text) in parameters {
        match name.as_str() {
            "order" => {
                let orders = text.split(',').map(|order| number(name, order)).collect::<Result<Vec<_>, String>>()?;
                if orders.len() > MOST_ORDERS {
                    return Err(format!("one request may name {MOST_ORDERS} orders"));
                }
                conditions.push(format!("order_number IN ({})", vec!["?"; orders.len()].join(", ")));
                values.extend(orders.into_iter().map(Sql::Integer));
            }
            "status" => {
                conditions.push("status = ?".to_owned());
                values.push(Sql::Text(text.clone()));
            }
            "cursor" => {
                conditions.push("id > ?".to_owned());
                values.push(Sql::Integer(number(name, text)?));
            }
            "limit" => {
                limit = number(name, text)?.try_into().ok().filter(|limit| (1..=PAGE).contains(limit)).ok_or("'limit' is 1 to 200")?
            }
            _ => return Err(format!("there is no parameter '{name}'")),
        }
    }
    let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    Ok((format!("{SELECT}{condition} ORDER BY id LIMIT {}", limit + 1), values, limit))
}

/// `GET /api/shipments/{id}`.
async fn shipment(State(service): State<Arc<Service>>, Path(id): Path<i64>) -> Response {
    match service.rows(format!("{SELECT} WHERE id = ?"), vec![Sql::Integer(id)]).await {
        Ok(rows) => rows
            .into_iter()
            .next()
            .map_or_else(|| failure(StatusCode::NOT_FOUND, "there is no such shipment"), |row| Json(row).into_response()),
        Err(failed) => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_asked_becomes_a_query_with_values() {
        let (sql, values, limit) = asked(&parameters(&[("order", "1,2"), ("status", "'"), ("cursor", "7"), ("limit", "10")])).unwrap();
        assert!(sql.ends_with("WHERE order_number IN (?, ?) AND status = ? AND id > ? ORDER BY id LIMIT 11"), "{sql}");
        assert_eq!((values.len(), limit), (4, 10));
        for bad in [[("order", "1;2")], [("limit", "0")], [("limit", "201")], [("colour", "red")], [("cursor", "")]] {
            assert!(asked(&parameters(&bad)).is_err(), "{bad:?}");
        }
        assert!(asked(&parameters(&[("order", &vec!["1"; 51].join(","))])).is_err());
    }

    #[test]
    fn now_and_then_it_has_no_room() {
        let spent = Spent { since: Instant::now(), requests: 0, all: 0 };
        let service = Service { file: PathBuf::new(), spent: Mutex::new(spent) };
        let refused: Vec<u64> = (1..=80).filter(|_| !service.has_room()).collect();
        assert_eq!(refused, [40, 80]);
    }
}
