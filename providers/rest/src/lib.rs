//! The `rest` kind: a source over HTTP that is described in the configuration and nowhere else: REST, SOAP, and what is like them. It knows
//! neither another kind nor the engine.
//!
//! Read [`resource`] (the configuration made ready), [`translate`] (query to requests), [`client`] (the only IO) and [`decode`] (answers to rows).

mod capabilities;
mod client;
mod config;
mod csv;
mod decode;
mod described;
mod description;
mod first_page;
mod form;
mod infer;
mod json_path;
pub mod openapi;
mod paging;
mod postgrest;
mod resource;
mod rows;
mod template;
mod translate;
mod write;
mod writer;
mod xml;

use async_trait::async_trait;
use client::{Client, Run};
use config::{Preset, RestConfig};
use first_page::FirstPages;
use portico_provider_api::{
    Capabilities, Change, ChangeOutcome, ChangeSet, ConnectContext, NativeRequest, Probe, QueryContext, QueryStream, Relation,
    RemoteSchema, RemoteTableName, Selection, Source, SourceError, SourceErrorKind, SourceKind, SourceQuery, TableColumn, WritableSource,
};
use portico_provider_web::config as web_config;
use resource::Resource;
use sha2::{Digest, Sha256};
use std::sync::{Arc, PoisonError, RwLock};
use translate::{Call, Read, Refusal};

/// The `rest` kind.
pub fn kind() -> SourceKind {
    SourceKind { name: "rest", config_schema: web_config::schema::<RestConfig>, connect }
}

fn connect(config: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError> {
    let (web, own): (_, RestConfig) = web_config::read(config, &context)?;
    let invalid = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    let own = described::by_files(own, &context.base_directory).map_err(invalid)?;
    let pages = FirstPages::new(&own).map_err(invalid)?;
    let resources = match own.preset {
        Some(Preset::Postgrest) => None,
        None if own.resources.is_empty() => return Err(invalid("it has no 'resources': there is no table to ask for".to_owned())),
        None if pages.is_some() => None,
        None => Some(resource::all(&own).map_err(invalid)?),
    };
    let max_url = web.http.max_url;
    let known = resources.map(|resources| Known::new(resources, &own, max_url)).transpose().map_err(invalid)?;
    let client = Arc::new(Client::new(&web, &context)?);
    Ok(Arc::new(RestSource { client, config: own, max_url, pages, known: RwLock::new(known.map(Arc::new)) }))
}

/// What is known of a source: its resources, as declared or as it describes them.
struct Known {
    resources: Vec<Arc<Resource>>,
    capabilities: Capabilities,
    version: String,
    notes: Vec<String>,
}

impl Known {
    fn new(resources: Vec<Resource>, config: &RestConfig, max_url: usize) -> Result<Known, String> {
        let capabilities = capabilities::of(&resources, config.nulls, max_url);
        // What cannot be read side by side is found before anything is asked.
        for resource in &resources {
            let columns: Vec<TableColumn> = resource.columns.iter().map(scope).collect();
            for access in resource.main.iter().chain(&resource.lookups) {
                decode::Decoder::new(resource, access, &columns).map_err(|wrong| format!("resource '{}': {wrong}", resource.name))?;
            }
        }
        let described: Vec<_> = resources.iter().map(Resource::remote).collect();
        let text = serde_json::to_string(&(&described, &capabilities)).map_err(|error| error.to_string())?;
        let version = Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Ok(Known { resources: resources.into_iter().map(Arc::new).collect(), capabilities, version, notes: Vec::new() })
    }

    fn resource(&self, name: &RemoteTableName) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|resource| resource.table() == *name)
    }
}

fn scope(column: &resource::Column) -> TableColumn {
    TableColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        native_type: column.native_type.clone(),
    }
}

/// A configured source.
struct RestSource {
    client: Arc<Client>,
    config: RestConfig,
    max_url: usize,
    /// The resources whose columns are those of their first pages.
    pages: Option<FirstPages>,
    known: RwLock<Option<Arc<Known>>>,
}

impl RestSource {
    fn known(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is known, or what the source says when it is asked for the first time.
    async fn ask_or_known(&self, context: &QueryContext) -> Result<Arc<Known>, SourceError> {
        match self.known() {
            Some(known) => Ok(known),
            None => self.ask(context).await,
        }
    }

    /// What the source says now.
    async fn ask(&self, context: &QueryContext) -> Result<Arc<Known>, SourceError> {
        let malformed = |message: String| self.client.error(SourceErrorKind::Malformed, message);
        let (resources, notes) = match (self.config.preset, &self.pages) {
            (Some(Preset::Postgrest), _) => {
                let call = Call { method: "GET".to_owned(), ..Call::default() };
                let request = self.client.request(&call, &[], None, portico_provider_web::Expects::Json)?;
                let page = self.client.fetch(&request, &context.as_gateway()).await?;
                let document: serde_json::Value = serde_json::from_slice(&page.bytes)
                    .map_err(|_| malformed("the server's description of itself is no JSON".to_owned()))?;
                description::of_postgrest(&document, &self.config).map_err(malformed)?
            }
            (None, Some(pages)) => pages.resources(&self.client, &self.config, &context.as_gateway()).await?,
            (None, None) => return self.known().ok_or_else(|| self.client.error(SourceErrorKind::Internal, "its resources are not known")),
        };
        let known = Known::new(resources, &self.config, self.max_url).map_err(malformed)?;
        let known = Arc::new(Known { notes, ..known });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }

    fn fits(&self) -> impl Fn(&Call) -> bool + '_ {
        |call: &Call| self.client.address(call, &[]).is_ok_and(|address| address.url().as_str().len() + 100 <= self.max_url)
    }

    /// The query as it is asked, its resource and its requests.
    fn translated<'k>(&self, known: &'k Known, query: SourceQuery) -> Result<(SourceQuery, &'k Arc<Resource>, Read<'k>), SourceError> {
        let unsupported = |unsupported: portico_provider_api::Unsupported| self.client.refused(Refusal::Unsupported(unsupported.feature));
        let Relation::Table(table) = &query.from else {
            return Err(self.client.refused(Refusal::Unsupported("anything but one table".to_owned())));
        };
        let missing = || Refusal::Missing(format!("the source has no resource '{}'", table.table));
        let resource = known.resource(&table.table).ok_or_else(|| self.client.refused(missing()))?;
        known.capabilities.check(&query).map_err(unsupported)?;
        if let Some(looked_up) = translate::by_conditions(resource, &query) {
            match translate::query(resource, &looked_up, &self.fits()) {
                Ok(read) if read.calls.iter().all(|call| self.client.address(call, &[]).is_ok()) => return Ok((looked_up, resource, read)),
                // A value has no place in the look-up's path or list: a row may have it all the same.
                Ok(_) | Err(Refusal::Data(_)) => {}
                Err(refusal) => return Err(self.client.refused(refusal)),
            }
        }
        let read = translate::query(resource, &query, &self.fits()).map_err(|refusal| self.client.refused(refusal))?;
        Ok((query, resource, read))
    }
}

#[async_trait]
impl Source for RestSource {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let known = self.ask(context).await?;
        let is_wanted = |name: &RemoteTableName| wanted.tables().is_none_or(|tables| tables.contains(name));
        Ok(RemoteSchema {
            version: known.version.clone(),
            tables: known.resources.iter().filter(|resource| is_wanted(&resource.table())).map(|resource| resource.remote()).collect(),
            operations: Vec::new(),
            declared: self.config.preset.is_none() && self.pages.is_none(),
            notes: known.notes.clone(),
            capabilities: known.capabilities.clone(),
        })
    }

    async fn probe(&self, context: &QueryContext) -> Result<Probe, SourceError> {
        let call = Call { method: "GET".to_owned(), ..Call::default() };
        let request = self.client.request(&call, &[], None, portico_provider_web::Expects::Anything)?;
        // What stands at the root is the server's own affair: that it answers is enough.
        let statuses = [400, 404, 405, 406, 410, 415, 422, 500, 501]
            .into_iter()
            .filter_map(|status| portico_provider_web::StatusCode::from_u16(status).ok());
        let request = statuses.fold(request, portico_provider_web::Request::accepting);
        self.client.fetch(&request, context).await.map(|_| Probe::default())
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let known = self.ask_or_known(context).await?;
        let (query, resource, read) = self.translated(&known, query)?;
        let (counting, sent) = rows::counting(context);
        let run = Run::new(&self.client, counting, resource, &read)?;
        let Relation::Table(table) = query.from.clone() else {
            return Err(self.client.refused(Refusal::Unsupported("anything but one table".to_owned())));
        };
        rows::start(&self.client, run, &read, query, table, context, sent).await
    }

    fn writable(&self) -> Option<&dyn WritableSource> {
        let written = |known: &Known| known.resources.iter().any(|resource| resource.writable || resource.write.is_some());
        // What is not known yet may be written: whoever writes has read the schema.
        self.known().is_none_or(|known| written(&known)).then_some(self as &dyn WritableSource)
    }

    fn asks_as_caller(&self) -> bool {
        self.client.asks_as_caller()
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        let Some(known) = self.known() else { return Vec::new() };
        self.translated(&known, query.clone()).map(|(.., read)| self.client.described(&read)).unwrap_or_default()
    }
}

#[async_trait]
impl WritableSource for RestSource {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        let known = self.ask_or_known(context).await.map_err(SourceError::without_effect)?;
        let unsupported = |unsupported: portico_provider_api::Unsupported| self.client.refused(Refusal::Unsupported(unsupported.feature));
        known.capabilities.check_changes(&changes).map_err(unsupported)?;
        let mut outcomes = Vec::new();
        let client = self.client.asked_in(context);
        // There is one at most: several would be no transaction.
        for change in &changes.changes {
            let table = match change {
                Change::Insert { table, .. }
                | Change::Update { table, .. }
                | Change::Upsert { table, .. }
                | Change::Delete { table, .. }
                | Change::Link { table, .. }
                | Change::Unlink { table, .. } => table,
                Change::Invoke { .. } => return Err(self.client.refused(Refusal::Unsupported("calling an operation".to_owned()))),
            };
            let missing = || Refusal::Missing(format!("the source has no resource '{}'", table.table));
            let resource = known.resource(&table.table).ok_or_else(|| self.client.refused(missing()))?;
            let writer = writer::Writer { client: &client, resource, context };
            outcomes.push(writer.one(change).await?);
        }
        Ok(outcomes)
    }
}
