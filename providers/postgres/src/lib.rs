//! The `postgres` kind: PostgreSQL 12 and later through its own protocol. It knows neither another kind nor the engine.
//!
//! Read [`translate`] (query to statement), then [`read`], then [`client`] (the only IO), then [`rows`] and [`decode`] (answer to Arrow);
//! [`split`] is the same for a large table over several connections, [`shared`] for look-ups that share one.

mod capabilities;
mod client;
mod config;
mod connecting;
mod copy;
mod decode;
mod encode;
mod errors;
mod introspect;
mod nul;
mod numeric;
mod read;
mod rows;
mod shared;
mod split;
mod statement;
mod tls;
mod translate;
mod write;

use async_trait::async_trait;
use client::{Client, Request};
use portico_provider_api::{
    ChangeOutcome, ChangeSet, ConnectContext, NativeRequest, PreparedQuery, Probe, QueryContext, QueryStream, RemoteSchema, Selection,
    Source, SourceError, SourceKind, SourceQuery, WritableSource,
};
use read::Reader;
use shared::SharedConnections;
use split::Splitting;
use std::sync::Arc;

/// The `postgres` kind.
pub fn kind() -> SourceKind {
    SourceKind { name: "postgres", config_schema, connect }
}

fn config_schema() -> serde_json::Value {
    schemars::schema_for!(config::PostgresConfig).to_value()
}

fn connect(config: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError> {
    let config = config::read(config, &context)?;
    let driver = config::driver_config(&config, &context)?;
    let shared = Arc::new(SharedConnections::of(context.max_connections));
    let client = Client::new(driver, tls::connector(&config.tls, &context)?, &context, shared.count())?;
    let splitting = Splitting { connections: config.scan.connections as usize, above: config.scan.split_above };
    let reader = Reader { client: client.clone(), splitting, shared, keys: Arc::default() };
    Ok(Arc::new(PostgresSource { client, schemas: config.schemas, reader }))
}

/// A configured PostgreSQL database.
struct PostgresSource {
    client: Client,
    schemas: Option<Vec<String>>,
    reader: Reader,
}

/// The statement. Whether its rows come as a COPY of it is a matter of the wire, like the format of each value: whoever reads this wants to
/// run it or to have it explained.
fn native_request(request: &Request) -> NativeRequest {
    NativeRequest { language: "sql".to_owned(), text: request.text.clone(), parameters: request.parameters.len() }
}

#[async_trait]
impl Source for PostgresSource {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let deadline = self.client.deadline(context)?;
        let schema = introspect::remote_schema(&self.client, self.schemas.as_deref(), wanted, deadline).await?;
        self.reader.keys.note(&schema.tables);
        Ok(schema)
    }

    async fn probe(&self, context: &QueryContext) -> Result<Probe, SourceError> {
        self.client.probe(self.client.deadline(context)?).await.map(|()| Probe::default())
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        self.reader.query(query, context).await
    }

    fn prepare(&self, query: &SourceQuery) -> Option<Arc<dyn PreparedQuery>> {
        self.reader.prepare(query).map(|prepared| Arc::new(prepared) as Arc<dyn PreparedQuery>)
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        translate::query(self.client.source_name(), query).iter().map(|translated| native_request(&translated.request)).collect()
    }

    fn writable(&self) -> Option<&dyn WritableSource> {
        Some(self)
    }
}

#[async_trait]
impl WritableSource for PostgresSource {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        write::write(&self.client, changes, context).await
    }
}
