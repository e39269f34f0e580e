//! The `tryton` kind: the ERP Tryton, asked by its JSON-RPC in a session of a user. It knows neither another kind nor the engine, and nothing of Tryton but what
//! its server says.
//!
//! Read [`translate`] and [`leaves`] (query to calls), then [`client`] (the only IO), then [`rows`] (calls to batches) and [`write`].

mod capabilities;
mod client;
mod config;
mod decode;
mod errors;
mod fields;
mod introspect;
mod leaves;
mod rows;
mod translate;
mod write;
mod writing;

use async_trait::async_trait;
use client::Client;
use portico_provider_api::{
    ChangeOutcome, ChangeSet, ConnectContext, NativeRequest, Probe, QueryContext, QueryStream, Relation, RemoteSchema, ReportHandle,
    Selection, Source, SourceError, SourceKind, SourceQuery, WritableSource,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use translate::Call;

/// The `tryton` kind.
pub fn kind() -> SourceKind {
    SourceKind { name: "tryton", config_schema: config::schema, connect }
}

fn connect(settings: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError> {
    let (web, own) = config::read(settings, &context)?;
    let client = Arc::new(Client::new(&web, own, &context)?);
    Ok(Arc::new(TrytonSource { client, source_name: context.source_name, models: Mutex::new(BTreeMap::new()) }))
}

/// A configured server.
struct TrytonSource {
    client: Arc<Client>,
    source_name: String,
    /// What is known of models that were written to.
    models: Mutex<write::Models>,
}

#[async_trait]
impl Source for TrytonSource {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let schema = introspect::remote_schema(&self.client, wanted, context).await?;
        // What was known may have changed.
        self.models.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        Ok(schema)
    }

    async fn probe(&self, context: &QueryContext) -> Result<Probe, SourceError> {
        // Whoever may log in may ask for this.
        let call = Call::plain("model.res.user.get_preferences", vec![json!(true)]);
        self.client.read(&call, context).await.map(|_| Probe::default())
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let plan = translate::query(&self.source_name, self.client.config(), &query)?;
        let (schema, report) = (query.result_schema(), ReportHandle::default());
        let batches = rows::start(Arc::clone(&self.client), plan, query, context.clone(), report.clone()).await?;
        Ok(QueryStream::new(schema, batches, report))
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        let Ok(plan) = translate::query(&self.source_name, self.client.config(), query) else { return Vec::new() };
        match &query.from {
            Relation::Table(table) => plan.described(&table.columns, self.client.config().page_rows),
            Relation::Join(_) | Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => Vec::new(),
        }
    }

    fn writable(&self) -> Option<&dyn WritableSource> {
        Some(self)
    }
}

#[async_trait]
impl WritableSource for TrytonSource {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        writing::write(self, changes, context).await
    }
}
