//! The `flightsql` kind: another server that speaks Arrow Flight SQL, a gateway like this one included. It knows neither another kind nor
//! the engine.
//!
//! Read [`translate`] (query to statement), then [`client`] (the only IO), then [`rows`] and [`decode`] (answer to the promised Arrow).

mod address;
mod capabilities;
mod client;
mod config;
mod decode;
mod errors;
mod introspect;
mod prepared;
mod rows;
mod server;
mod translate;
mod unread;

use async_trait::async_trait;
use client::Client;
use config::{FlightSqlConfig, Speaks};
use portico_provider_api::{
    ConnectContext, NativeRequest, Patience, Probe, QueryContext, QueryStream, RemoteSchema, ReportHandle, Selection, Source, SourceError,
    SourceErrorKind, SourceKind, SourceQuery,
};
use rows::Promise;
use server::Server;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// The `flightsql` kind.
pub fn kind() -> SourceKind {
    SourceKind { name: "flightsql", config_schema, connect }
}

fn config_schema() -> serde_json::Value {
    schemars::schema_for!(FlightSqlConfig).to_value()
}

fn connect(config: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError> {
    let config = config::read(config, &context)?;
    let client = Client::new(&config, &context)?;
    let source = FlightSqlSource { client, config, known: OnceLock::new() };
    if let Some(server) = Server::of_setting(source.config.speaks) {
        source.know(server);
    }
    Ok(Arc::new(source))
}

/// A configured server.
struct FlightSqlSource {
    client: Client,
    config: FlightSqlConfig,
    /// What the server speaks, once it was asked.
    known: OnceLock<Server>,
}

impl FlightSqlSource {
    async fn server(&self, patience: Patience) -> Result<&Server, SourceError> {
        if let Some(server) = self.known.get() {
            return Ok(server);
        }
        Ok(self.know(Server::ask(&self.client, patience).await?))
    }

    /// Why a server that is not known refused a statement, as far as it can be found out.
    async fn explained(
        &self,
        client: &Client,
        server: &Server,
        query: &SourceQuery,
        patience: Patience,
        error: SourceError,
    ) -> SourceError {
        match introspect::missing(client, &self.config, server, query, patience).await {
            Ok(Some(missing)) => {
                let changed = client.error(SourceErrorKind::SchemaChanged, missing);
                match error.native_code() {
                    Some(code) => changed.with_code(code),
                    None => changed,
                }
            }
            Ok(None) | Err(_) => error,
        }
    }

    fn know(&self, server: Server) -> &Server {
        let server = self.known.get_or_init(|| server);
        self.client.know(server.is_gateway, server.cancels);
        server
    }
}

#[async_trait]
impl Source for FlightSqlSource {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let client = self.client.of_request(context);
        let patience = client.patience(context)?;
        let server = self.server(patience).await?;
        introspect::remote_schema(&client, &self.config, server, wanted, patience).await
    }

    async fn probe(&self, context: &QueryContext) -> Result<Probe, SourceError> {
        let client = self.client.of_request(context);
        Server::ask(&client, client.patience(context)?).await.map(|_| Probe::default())
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let client = self.client.of_request(context);
        let patience = client.patience(context)?;
        let server = self.server(patience).await?;
        let translated = translate::query(client.source_name(), server, self.config.parameters, &query)?;
        context.sending(&translated.native_request());
        let (schema, report) = (query.result_schema(), ReportHandle::default());
        let promise = Promise {
            schema: Arc::clone(&schema),
            ordered: !query.order_by.is_empty(),
            as_of: SystemTime::now(),
            limits: context.request.limits,
        };
        let batches = match rows::start(client.clone(), translated, promise, report.clone(), patience).await {
            Err(error) if error.kind == SourceErrorKind::Internal && !server.is_gateway => {
                return Err(self.explained(&client, server, &query, patience, error).await);
            }
            started => started?,
        };
        Ok(QueryStream::new(schema, batches, report))
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        // A server that was not asked yet is taken for one that can do more: what is beyond it is refused when it is asked.
        let unknown = Server::of_setting(Speaks::Portico);
        let Some(server) = self.known.get().or(unknown.as_ref()) else { return Vec::new() };
        let translated = translate::query(self.client.source_name(), server, self.config.parameters, query);
        translated.iter().map(translate::Translated::native_request).collect()
    }
}
