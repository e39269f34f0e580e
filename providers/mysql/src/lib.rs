//! The `mysql` kind: MariaDB 10.3 and later, MySQL 8.0 and later, through their own protocol. It knows neither another kind nor the
//! engine.
//!
//! Read [`translate`] (query to statement), then [`client`] (the only IO), then [`rows`] and [`decode`] (answer to Arrow).

mod capabilities;
mod client;
mod config;
mod decode;
mod encode;
mod errors;
mod introspect;
mod rows;
mod session;
mod tls;
mod translate;
mod write;

#[cfg(test)]
extern crate self as portico_provider_mysql;

use async_trait::async_trait;
use client::Client;
use portico_provider_api::{
    ChangeOutcome, ChangeSet, ConnectContext, NativeRequest, Probe, QueryContext, QueryStream, RemoteSchema, ReportHandle, Selection,
    Source, SourceError, SourceKind, SourceQuery, WritableSource,
};
use rows::Promise;
use std::sync::Arc;
use std::time::SystemTime;

/// The `mysql` kind.
pub fn kind() -> SourceKind {
    SourceKind { name: "mysql", config_schema, connect }
}

fn config_schema() -> serde_json::Value {
    schemars::schema_for!(config::MysqlConfig).to_value()
}

fn connect(config: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError> {
    let config = config::read(config, &context)?;
    let driver = config::driver_options(&config, &context)?;
    let client = Client::new(driver, &context);
    Ok(Arc::new(MysqlSource { client, publish: config.publish() }))
}

/// A configured server.
struct MysqlSource {
    client: Client,
    publish: config::Publish,
}

#[async_trait]
impl Source for MysqlSource {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let deadline = self.client.deadline(context)?;
        introspect::remote_schema(&self.client, &self.publish, wanted, deadline).await
    }

    async fn probe(&self, context: &QueryContext) -> Result<Probe, SourceError> {
        self.client.probe(self.client.deadline(context)?).await.map(|()| Probe::default())
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let translated = translate::query(self.client.source_name(), &query)?;
        let patience = self.client.patience(context)?;
        context.sending(&translated.native_request());
        let (schema, report) = (query.result_schema(), ReportHandle::default());
        let promise = Promise { schema: Arc::clone(&schema), as_of: SystemTime::now(), limits: context.request.limits };
        let batches = rows::start(self.client.clone(), translated, promise, report.clone(), patience).await?;
        Ok(QueryStream::new(schema, batches, report))
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        translate::query(self.client.source_name(), query).iter().map(translate::Translated::native_request).collect()
    }

    fn writable(&self) -> Option<&dyn WritableSource> {
        Some(self)
    }
}

#[async_trait]
impl WritableSource for MysqlSource {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        write::write(&self.client, changes, context).await
    }
}
