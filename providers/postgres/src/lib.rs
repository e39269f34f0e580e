//! The `postgres` kind: PostgreSQL 12 and later through its own protocol. It knows neither another kind nor the engine.
//!
//! Read [`translate`] (query to statement), then [`client`] (the only IO), then [`rows`] and [`decode`] (answer to Arrow).

mod capabilities;
mod client;
mod config;
mod decode;
mod encode;
mod errors;
mod introspect;
mod nul;
mod rows;
mod tls;
mod translate;
mod write;

use async_trait::async_trait;
use client::Client;
use portico_provider_api::{
    ChangeOutcome, ChangeSet, ConnectContext, NativeRequest, QueryContext, QueryStream, RemoteSchema, ReportHandle, Selection, Source,
    SourceError, SourceKind, SourceQuery, WritableSource,
};
use rows::Promise;
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
    Ok(Arc::new(PostgresSource { client, schemas: config.schemas }))
}

/// A configured PostgreSQL database.
struct PostgresSource {
    client: Client,
    schemas: Option<Vec<String>>,
}

fn native_request(translated: &translate::Translated) -> NativeRequest {
    NativeRequest { language: "sql".to_owned(), text: translated.request.text.clone(), parameters: translated.request.parameters.len() }
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
        context.sending(&native_request(&translated));
        let as_of = SystemTime::now();
        let reading = self.client.read(&translated.request, deadline).await?;
        let (schema, report) = (query.result_schema(), ReportHandle::default());
        let promise = Promise { columns: translated.columns, schema: Arc::clone(&schema), as_of, limits: context.request.limits };
        let batches = rows::stream(self.client.clone(), reading, promise, report.clone())?;
        Ok(QueryStream::new(schema, batches, report))
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        translate::query(self.client.source_name(), query).iter().map(native_request).collect()
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
