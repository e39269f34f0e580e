//! The `postgres` kind: PostgreSQL 12 and later through its own protocol. It knows neither another kind nor the engine.
//!
//! Read [`translate`] (query to statement), then [`client`] (the only IO), then [`rows`] and [`decode`] (answer to Arrow); [`split`] is the
//! same for a large table over several connections.

mod capabilities;
mod client;
mod config;
mod copy;
mod decode;
mod encode;
mod errors;
mod introspect;
mod nul;
mod numeric;
mod rows;
mod split;
mod tls;
mod translate;
mod write;

use async_trait::async_trait;
use client::{Client, Request};
use portico_provider_api::{
    ChangeOutcome, ChangeSet, ConnectContext, NativeRequest, QueryContext, QueryStream, RemoteSchema, ReportHandle, Selection, Source,
    SourceError, SourceKind, SourceQuery, WritableSource,
};
use rows::Promise;
use split::{Opened, Scan, Splitting};
use std::sync::Arc;
use std::time::SystemTime;

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
    let client = Client::new(driver, tls::connector(&config.tls, &context)?, &context)?;
    let splitting = Splitting { connections: config.scan.connections as usize, above: config.scan.split_above };
    Ok(Arc::new(PostgresSource { client, schemas: config.schemas, splitting }))
}

/// A configured PostgreSQL database.
struct PostgresSource {
    client: Client,
    schemas: Option<Vec<String>>,
    splitting: Splitting,
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
        introspect::remote_schema(&self.client, self.schemas.as_deref(), wanted, deadline).await
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let translated = translate::query(self.client.source_name(), &query)?;
        let deadline = self.client.deadline(context)?;
        let (schema, report) = (query.result_schema(), ReportHandle::default());
        let (as_of, limits) = (SystemTime::now(), context.request.limits);
        let promise = Promise { columns: translated.columns.clone(), schema: Arc::clone(&schema), as_of, limits };
        let copied = translated.request.copied;
        let reading = match translate::split_table(&query).filter(|_| self.splitting.connections > 1) {
            Some(table) => {
                let (promise, report_to, context) = (promise.clone(), report.clone(), context.clone());
                let scan = Scan { query, table, request: translated.request, promise, report: report_to, context };
                match split::open(&self.client, self.splitting, scan, deadline).await? {
                    Opened::Parts(batches) => return Ok(QueryStream::new(schema, batches, report)),
                    Opened::Whole(reading) => *reading,
                }
            }
            None => {
                context.sending(&native_request(&translated.request));
                self.client.read(&translated.request, deadline).await?
            }
        };
        let batches = rows::stream(self.client.clone(), reading, &promise, copied, report.clone())?;
        Ok(QueryStream::new(schema, batches, report))
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
