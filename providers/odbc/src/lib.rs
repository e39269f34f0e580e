//! The `odbc` kind: databases through unixODBC and their own drivers, read-only. It knows neither another kind nor the engine.
//!
//! Read [`translate`] (query to statement), then [`client`] and [`session`] (the only IO), then [`rows`] and [`decode`] (answer to Arrow).
//! Everything here needs the feature `driver`, which links unixODBC.
#![cfg(feature = "driver")]

mod capabilities;
mod client;
mod config;
mod decode;
mod errors;
mod introspect;
mod rows;
mod server;
mod session;
mod translate;

use async_trait::async_trait;
use client::Client;
use portico_provider_api::{
    ConnectContext, NativeRequest, Probe, QueryContext, QueryStream, RemoteSchema, Selection, Source, SourceError, SourceErrorKind,
    SourceKind, SourceQuery,
};
use std::sync::Arc;

/// The `odbc` kind.
pub fn kind() -> SourceKind {
    SourceKind { name: "odbc", config_schema, connect }
}

fn config_schema() -> serde_json::Value {
    schemars::schema_for!(config::OdbcConfig).to_value()
}

fn connect(config: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError> {
    let config = config::read(config, &context)?;
    Ok(Arc::new(OdbcSource { client: Arc::new(Client::new(config, &context)) }))
}

/// A configured data source.
struct OdbcSource {
    client: Arc<Client>,
}

#[async_trait]
impl Source for OdbcSource {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let wanted = wanted.clone();
        let schemas = self.client.config.schemas.clone();
        let read = move |session: &session::Session| introspect::read(session, &wanted, schemas.as_deref());
        self.client.run(context, read).await
    }

    async fn probe(&self, context: &QueryContext) -> Result<Probe, SourceError> {
        // Every driver asks its database for that, and there is no statement that every database reads.
        let look = |session: &session::Session| {
            session.tables(&session.catalog()?.unwrap_or_default(), "", "portico_probe")?;
            Ok(Probe::default())
        };
        self.client.run(context, look).await
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let patience = self.client.patience(context)?;
        // Who has not been asked yet has not said what it is, and so not what it can be asked.
        let server = match self.client.server() {
            Some(server) => server,
            None => self.client.learn(context).await?,
        };
        let translated = translate::query(server, &self.client.source_name, &query)?;
        context.sending(&translated.native_request());
        rows::start(&self.client, translated, query.result_schema(), context.request.limits, patience).await
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        let Some(server) = self.client.server() else { return Vec::new() };
        translate::query(server, &self.client.source_name, query).iter().map(translate::Translated::native_request).collect()
    }
}

/// An error of a source.
fn error(source_name: &str, kind: SourceErrorKind, message: impl Into<String>) -> SourceError {
    SourceError::new(source_name, kind, message)
}
