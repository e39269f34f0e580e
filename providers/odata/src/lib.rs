//! The `odata` kind: services that are asked through OData 4.0, 4.01 and 2.0. It knows neither another kind nor the engine.
//!
//! Read [`metadata`] (`$metadata` to a description that is the same for both protocols), then [`capabilities`] with [`presets`], then
//! [`translate`] (source query to addresses), then [`client`] (the only IO) with [`decode`], and `write`.

mod batch;
mod capabilities;
mod client;
mod config;
mod decode;
#[cfg(test)]
mod golden;
mod look_ups;
mod metadata;
mod moments;
mod presets;
mod schema;
mod translate;
mod trials;
mod write;

use arrow::array::{ArrayRef, RecordBatch};
use async_trait::async_trait;
use capabilities::Rules;
use client::{Manner, Promise};
use config::OdataConfig;
use decode::{Answer, Shape};
use futures::FutureExt;
use metadata::Service;
use portico_provider_api::arrays::array_from_values;
use portico_provider_api::check::visit_tables;
use portico_provider_api::{
    Capabilities, ChangeOutcome, ChangeSet, ConnectContext, NativeRequest, Probe, QueryContext, QueryReport, QueryStream, Relation,
    RemoteSchema, RemoteTableName, ReportHandle, Selection, Source, SourceError, SourceErrorKind, SourceKind, SourceQuery, TableColumn,
    Trial, Value, WritableSource,
};
use portico_provider_web::{Base, Request, WebClient};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;
use translate::{Asking, Lengths, Plan, Refusal};

/// Bytes of `$metadata` at most, unless the configuration says otherwise.
const MAX_METADATA: u64 = 128 << 20;

/// Bytes of a URL within `$batch` at most.
const MAX_URL_IN_BATCH: usize = 32_000;

/// The `odata` kind.
pub fn kind() -> SourceKind {
    SourceKind { name: "odata", config_schema: portico_provider_web::config::schema::<OdataConfig>, connect }
}

fn connect(config: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError> {
    let (web, config) = config::read(config, &context)?;
    let max_url = web.http.max_url;
    let in_batch = max_url.max(MAX_URL_IN_BATCH);
    let (most, usual) = match config.capabilities.batch_reads {
        Some(true) => (in_batch, in_batch),
        // One is made only of what cannot be asked otherwise.
        None => (in_batch, max_url),
        Some(false) => (max_url, max_url),
    };
    let rules = Rules::new(&config, usual);
    let base = Base::new(&web.url, &web.http.hosts, most);
    let base = base.map_err(|error| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, error.to_string()))?;
    let web = Arc::new(WebClient::new(&web, &context)?);
    Ok(Arc::new(OdataSource { web, base: Arc::new(base), max_url, config, rules, known: RwLock::new(None) }))
}

/// A configured service.
struct OdataSource {
    web: Arc<WebClient>,
    /// The service's root, from which addresses are made: within a batch they may be longer than alone.
    base: Arc<Base>,
    /// Bytes of a URL that is not in a batch at most.
    max_url: usize,
    config: OdataConfig,
    rules: Rules,
    known: RwLock<Option<Arc<Known>>>,
}

/// What is known of a service from its metadata.
struct Known {
    service: Service,
    capabilities: Capabilities,
    /// The names whose sets were looked for; all of them without.
    names: Option<BTreeSet<String>>,
    /// The version of the document.
    etag: Option<String>,
}

impl OdataSource {
    fn known(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the metadata. What was known of other sets stays known.
    async fn read(&self, wanted: Option<BTreeSet<String>>, context: &QueryContext) -> Result<Arc<Known>, SourceError> {
        let most = self.config.max_metadata.map_or(MAX_METADATA, |size| size.0);
        let document = client::metadata(&self.web, most, &context.as_gateway()).await?;
        let names = match (wanted, self.known().map(|known| known.names.clone())) {
            (None, _) | (_, Some(None)) => None,
            (Some(wanted), Some(Some(known))) => Some(wanted.into_iter().chain(known).collect()),
            (Some(wanted), None) => Some(wanted),
        };
        let service = Service::read(&document.bytes, names.as_ref());
        let mut service = service
            .map_err(|message| self.web.reporter().error(SourceErrorKind::Malformed, format!("$metadata cannot be read, {message}")))?;
        moments::settle(&mut service, &self.config).map_err(|message| self.web.reporter().error(SourceErrorKind::Unsupported, message))?;
        look_ups::settle(&mut service, &self.rules).map_err(|message| self.web.reporter().error(SourceErrorKind::Unsupported, message))?;
        let sets: Vec<_> = service.sets.iter().collect();
        let capabilities = schema::capabilities(&service, &self.rules, &sets);
        let known = Arc::new(Known { capabilities, names, etag: document.etag, service });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }

    /// What is known of these sets; the metadata is read where they were not looked for before.
    async fn about(&self, sets: BTreeSet<String>, context: &QueryContext) -> Result<Arc<Known>, SourceError> {
        let known = self.known().filter(|known| known.names.as_ref().is_none_or(|names| sets.is_subset(names)));
        match known {
            Some(known) => Ok(known),
            None => self.read(Some(sets), context).await,
        }
    }

    fn lengths(&self, known: &Known) -> Lengths {
        let batch = self.config.capabilities.batch_reads.unwrap_or(known.service.general.batch != Some(false));
        Lengths { alone: self.max_url, whole: self.rules.max_url, batch }
    }

    fn manner(&self, known: &Known) -> Manner {
        Manner {
            protocol: known.service.protocol,
            page_size: self.config.paging.size.filter(|_| !self.config.paging.client),
            most_pages: self.config.paging.most,
            batches: self.lengths(known).batch.then_some(self.max_url),
            together: self.config.capabilities.batch_reads == Some(true),
        }
    }

    fn refused(&self, refusal: Refusal) -> SourceError {
        let reporter = self.web.reporter();
        match refusal {
            Refusal::Unsupported(message) | Refusal::TooLong(message) => reporter.error(SourceErrorKind::Unsupported, message),
            Refusal::Gone(message) => reporter.error(SourceErrorKind::SchemaChanged, message),
        }
    }

    /// The requests of a query, if it lies within what is known to be possible.
    fn plan(&self, known: &Known, query: &SourceQuery) -> Result<Plan, Refusal> {
        let root = self.base.address();
        let asking = self.asking(&root, known);
        // What is gone is told as such, and not as something that cannot be asked.
        let mut gone = None;
        visit_tables(query, &mut |table| gone = gone.take().or(asking.set(table).err()));
        if let Some(gone) = gone {
            return Err(gone);
        }
        known.capabilities.check(query).map_err(|unsupported| Refusal::Unsupported(unsupported.to_string()))?;
        asking.plan(query)
    }

    fn asking<'a>(&'a self, root: &'a portico_provider_web::Address, known: &'a Known) -> Asking<'a> {
        Asking {
            root,
            service: &known.service,
            rules: &self.rules,
            capabilities: &known.capabilities,
            before: self.config.company.iter().map(|company| company_segment(company)).collect(),
            cross_company: self.config.cross_company,
            client_page: self.config.paging.size.filter(|_| self.config.paging.client),
            lengths: self.lengths(known),
        }
    }

    /// The columns that a query returns, and their names.
    fn wanted(query: &SourceQuery, known: &Known) -> Vec<(TableColumn, String)> {
        let set = query.tables().first().and_then(|table| known.service.set(table.table()));
        let columns = translate::apply::visible(query, set);
        let of = |output: &portico_provider_api::Output| Some((columns.get(output.expr.as_column()?)?.clone(), output.name.clone()));
        query.output.iter().filter_map(of).collect()
    }

    /// An answer of one row that is known already.
    fn one_row(&self, query: &SourceQuery, row: &[Value], requests: u64) -> Result<QueryStream, SourceError> {
        let internal = |message: String| self.web.reporter().error(SourceErrorKind::Internal, message);
        let schema = query.result_schema();
        let arrays = query
            .result_columns()
            .into_iter()
            .zip(row)
            .map(|(column, value)| array_from_values(column.scalar_type, std::slice::from_ref(value)));
        let arrays = arrays.collect::<Result<Vec<ArrayRef>, _>>().map_err(|error| internal(error.to_string()))?;
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|error| internal(error.to_string()))?;
        let report = ReportHandle::default();
        let bytes = batch.get_array_memory_size() as u64;
        let done = QueryReport { as_of: SystemTime::now(), requests, rows: 1, bytes, complete: true };
        let handle = report.clone();
        let batches = futures::stream::unfold(Some(batch), move |batch| {
            let handle = handle.clone();
            async move {
                if batch.is_none() {
                    handle.set(done);
                }
                batch.map(|batch| (Ok(batch), None))
            }
        });
        Ok(QueryStream::new(schema, Box::pin(batches), report))
    }
}

/// The segment of the path that says which company's data is meant.
fn company_segment(company: &str) -> String {
    let parts: Vec<usize> = company.split('-').map(str::len).collect();
    let is_guid = parts == [8, 4, 4, 4, 12] && company.chars().all(|character| character == '-' || character.is_ascii_hexdigit());
    if is_guid { format!("companies({company})") } else { format!("Company('{}')", company.replace('\'', "''")) }
}

#[async_trait]
impl Source for OdataSource {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let tables = wanted.tables().map(|tables| tables.iter().map(|name| name.table().to_owned()));
        // What an operation is bound to stands before its name.
        let bound =
            wanted.operations().into_iter().flatten().filter_map(|name| Some(name.split('(').next()?.split_once('.')?.0.to_owned()));
        let names = tables.map(|tables| tables.chain(bound).collect());
        let known = self.read(names, context).await?;
        let schema = schema::remote_schema(&known.service, &self.rules, wanted);
        schema.map_err(|message| self.web.reporter().error(SourceErrorKind::Internal, message))
    }

    async fn probe(&self, context: &QueryContext) -> Result<Probe, SourceError> {
        let known = self.known().and_then(|known| known.etag.clone());
        let schema = client::metadata_version(&self.web, known.as_deref(), context).await?;
        Ok(Probe { schema })
    }

    async fn try_capabilities(&self, tables: &[RemoteTableName], context: &QueryContext) -> Result<Vec<Trial>, SourceError> {
        trials::run(self, tables, context).boxed().await
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let tables = query.tables().into_iter().map(|table| table.table().to_owned());
        let bound = if let Relation::Call(call) = &query.from { schema::bound_set(&call.operation) } else { None };
        let sets = tables.chain(bound).collect();
        let known = self.about(sets, context).boxed().await?;
        let plan = self.plan(&known, &query).map_err(|refusal| self.refused(refusal))?;
        let (schema, report) = (query.result_schema(), ReportHandle::default());
        let (protocol, wanted) = (known.service.protocol, Self::wanted(&query, &known));
        let internal = |message: String| self.web.reporter().error(SourceErrorKind::Internal, message);
        if let (Plan::Nothing, Some(row)) = (&plan, translate::apply::of_nothing(&query)) {
            return self.one_row(&query, &row, 0);
        }
        let (rows, shape) = match (plan, &query.from) {
            (Plan::Count(addresses), _) => {
                let number = client::count(&self.web, &addresses, self.manner(&known), context).await?;
                let row: Vec<Value> = query.output.iter().map(|_| Value::Int64(number)).collect();
                return self.one_row(&query, &row, addresses.len() as u64);
            }
            (Plan::Call(address), Relation::Call(call)) => {
                let root = self.base.address();
                let asking = self.asking(&root, &known);
                let operation = asking.operation(&call.operation).map_err(|refusal| self.refused(refusal))?;
                let rows = translate::Rows { address, limit: None, client: None };
                (vec![rows], Shape::of_operation(protocol, operation, &wanted).map_err(internal)?)
            }
            (Plan::Nothing, _) => (Vec::new(), self.entities(&known, &query, &wanted).map_err(internal)?),
            (Plan::Rows(rows), _) => (rows, self.entities(&known, &query, &wanted).map_err(internal)?),
            (Plan::Call(_), _) => return Err(internal("a call of nothing".to_owned())),
        };
        let promise =
            Promise { schema: Arc::clone(&schema), shape: Arc::new(shape), report: report.clone(), sums: translate::apply::sums(&query) };
        let batches = client::rows(Arc::clone(&self.web), Arc::clone(&self.base), rows, self.manner(&known), promise, context).await?;
        Ok(QueryStream::new(schema, batches, report))
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        let Some(known) = self.known() else { return Vec::new() };
        let Ok(plan) = self.plan(&known, query) else { return Vec::new() };
        let addresses = match plan {
            Plan::Nothing => Vec::new(),
            Plan::Count(addresses) => addresses,
            Plan::Call(address) => vec![address],
            Plan::Rows(rows) => {
                let first = |rows: &translate::Rows| match rows.client {
                    Some(pages) => translate::client_page(rows, pages, 0).ok().flatten(),
                    None => Some(rows.address.clone()),
                };
                rows.iter().filter_map(first).collect()
            }
        };
        addresses.into_iter().map(|address| Request::get(address).native()).collect()
    }

    fn asks_as_caller(&self) -> bool {
        self.web.asks_as_caller()
    }

    fn writable(&self) -> Option<&dyn WritableSource> {
        Some(self)
    }
}

impl OdataSource {
    fn entities(&self, known: &Known, query: &SourceQuery, wanted: &[(TableColumn, String)]) -> Result<Shape, String> {
        let protocol = known.service.protocol;
        let set = match &query.from {
            Relation::Table(table) => known.service.set(table.table.table()),
            Relation::Join(_) => {
                let root = self.base.address();
                let sets = self.asking(&root, known).sets(&query.from).map_err(|refusal| format!("{refusal:?}"))?;
                return Shape::of_sets(protocol, &sets, query);
            }
            Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => None,
        };
        Shape::of_entities(protocol, Answer::Entities, |name| set.and_then(|set| set.property(name)), wanted)
    }
}

#[async_trait]
impl WritableSource for OdataSource {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        write::write(self, changes, context).await
    }
}
