//! The operators' door: is the process alive, can it answer, what has it counted. Nobody is asked for credentials here, so it tells
//! nothing of data; it is meant for a port that is not published.

use crate::startup::Gateway;
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct Admin {
    gateway: Arc<Gateway>,
    stop: CancellationToken,
}

/// The door's router. After `stop` it is not ready any more, so that no new requests are sent here.
pub fn router(gateway: Arc<Gateway>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Admin { gateway, stop })
}

/// Ready as soon as a model is published: a source that is down hurts only the queries that need it, and is told of in the body.
async fn ready(State(admin): State<Admin>) -> Response {
    let keeper = &admin.gateway.keeper;
    let stopping = admin.stop.is_cancelled();
    let ready = keeper.published() && !stopping;
    let model = admin.gateway.engine.model().ok();
    let body: Value = json!({
        "ready": ready,
        "stopping": stopping,
        "model": model.map(|model| json!({ "version": model.version, "tables": model.tables.len(), "services": model.services.len() })),
        "missing_tables": keeper.missing_tables(),
        "notes": keeper.notes(),
        "sources": keeper.statuses(),
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let gateway = &admin.gateway;
    gateway.metrics.fill("requests", gateway.admission.fill());
    gateway.metrics.fill("local_queries", gateway.engine.local_fill());
    gateway.metrics.local_memory(gateway.engine.local_memory());
    for (name, health) in gateway.keeper.healths() {
        gateway.metrics.source_breaker(name, health.breaker.state());
    }
    // Before the first model there are none.
    gateway.metrics.shapes(gateway.engine.shape_counts().unwrap_or_default());
    match gateway.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
