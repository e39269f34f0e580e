//! Reading: a query, or one that was translated before and gets its values now, to a stream of batches. It must not know introspection or
//! writes.
//!
//! A query with parameters is translated once where its text is the same whatever they are: each stands beside a plain column that is held in
//! its type's own form. That the text is what the query would have been sent as with its values in it is checked when it is made.

use crate::client::{Client, Request};
use crate::native_request;
use crate::rows::{self, Promise, RowDecoder, Tally};
use crate::shared::{Found, SharedConnections};
use crate::split::{self, Opened, Scan, Splitting};
use crate::translate::{self, Later};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use portico_provider_api::walk::bind_parameters;
use portico_provider_api::{
    CompareOp, Expr, NativeRequest, Patience, PreparedQuery, QueryContext, QueryStream, Relation, RemoteTable, ReportHandle, ScalarType,
    SourceError, SourceErrorKind, SourceQuery, Value,
};
use portico_provider_sql::ResultColumn;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

/// What reading needs.
#[derive(Clone)]
pub struct Reader {
    /// The pool.
    pub client: Client,
    /// When tables are read in parts.
    pub splitting: Splitting,
    /// Connections for look-ups.
    pub shared: Arc<SharedConnections>,
    /// What look-ups are told by.
    pub keys: Arc<UniqueKeys>,
}

/// The sets of columns by each of which the server finds at most one row of a table, through an index; as they were last introspected.
#[derive(Default)]
pub struct UniqueKeys(RwLock<HashMap<Vec<String>, Vec<Vec<String>>>>);

impl UniqueKeys {
    /// Takes note of the keys of tables.
    pub fn note<'a>(&self, tables: impl IntoIterator<Item = &'a RemoteTable>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for table in tables {
            let keys = std::iter::once(&table.primary_key).chain(&table.unique_keys).filter(|key| !key.is_empty());
            known.insert(table.name.0.clone(), keys.cloned().collect());
        }
    }

    /// Whether a query finds its row by one of them.
    fn are_asked_by(&self, query: &SourceQuery) -> bool {
        let Relation::Table(table) = &query.from else { return false };
        let plain = query.keys.is_none() && query.aggregate.is_none() && query.limit_per.is_none();
        let mut asked = Vec::new();
        if let Some(filter) = query.filter.as_ref().filter(|_| plain) {
            equalled(filter, &mut asked);
        }
        let names: Vec<&String> = asked.into_iter().filter_map(|column| Some(&table.columns.get(column)?.name)).collect();
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&table.table.0).is_some_and(|keys| keys.iter().any(|key| key.iter().all(|column| names.contains(&column))))
    }
}

/// The columns that a condition holds equal to a value each.
fn equalled(condition: &Expr, found: &mut Vec<usize>) {
    if let Expr::And(parts) = condition {
        parts.iter().for_each(|part| equalled(part, found));
    }
    if let Expr::Compare { op: CompareOp::Eq, left, right } = condition
        && let (Expr::Column(column), Expr::Parameter { .. } | Expr::Literal(_))
        | (Expr::Parameter { .. } | Expr::Literal(_), Expr::Column(column)) = (left.as_ref(), right.as_ref())
    {
        found.push(*column);
    }
}

impl Reader {
    /// Runs a query.
    ///
    /// # Errors
    /// As [`portico_provider_api::Source::query`].
    pub async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let translated = translate::query(self.client.source_name(), &query)?;
        let schema = query.result_schema();
        let promise = promise(translated.columns.into(), schema, context);
        if let Some(table) = translate::split_table(&query).filter(|_| self.splitting.connections > 1) {
            return self.split(query, table, translated.request, promise, context).await;
        }
        let patience = self.client.patience(context)?;
        context.sending(&native_request(&translated.request));
        self.open(&translated.request, &promise, patience).await
    }

    async fn split(
        &self,
        query: SourceQuery,
        table: String,
        request: Request,
        promise: Promise,
        context: &QueryContext,
    ) -> Result<QueryStream, SourceError> {
        let patience = self.client.patience(context)?;
        let (report, copied) = (ReportHandle::default(), request.copied);
        let scan = Scan { query, table, request, promise: promise.clone(), report: report.clone(), context: context.clone() };
        let batches = match split::open(&self.client, self.splitting, scan, patience).await? {
            Opened::Parts(batches) => batches,
            Opened::Whole(reading) => rows::stream(self.client.clone(), *reading, &promise, copied, report.clone())?,
        };
        Ok(QueryStream::new(promise.schema, batches, report))
    }

    /// Starts a statement on a connection of its own.
    async fn open(&self, request: &Request, promise: &Promise, patience: Patience) -> Result<QueryStream, SourceError> {
        let reading = self.client.read(request, patience).await?;
        let report = ReportHandle::default();
        let batches = rows::stream(self.client.clone(), reading, promise, request.copied, report.clone())?;
        Ok(QueryStream::new(Arc::clone(&promise.schema), batches, report))
    }

    /// Translates a query for any values of its parameters; nothing where what is sent depends on them.
    pub fn prepare(&self, query: &SourceQuery) -> Option<Prepared> {
        let parts = self.splitting.connections > 1 && translate::split_table(query).is_some();
        if parts || !stand_beside_columns(query) {
            return None;
        }
        let mut example = query.clone();
        bind_parameters(&mut example, &|_, scalar_type| Some(Value::example(scalar_type))).ok()?;
        let translated = translate::query(self.client.source_name(), &example).ok()?;
        let (text, parameters) = translate::later(query).ok()?;
        let bound = |later: &Later| later.try_with(|scalar_type, _| Some(Value::example(scalar_type))).ok();
        let same =
            text == translated.request.text && parameters.iter().map(bound).eq(translated.request.parameters.iter().cloned().map(Some));
        same.then(|| Prepared {
            reader: self.clone(),
            look_up: self.shared.count() > 0 && self.keys.are_asked_by(query),
            native: native_request(&translated.request),
            columns: translated.columns.into(),
            schema: query.result_schema(),
            template: query.clone(),
            parameters,
        })
    }
}

fn promise(columns: Arc<[ResultColumn]>, schema: SchemaRef, context: &QueryContext) -> Promise {
    Promise { columns, schema, as_of: SystemTime::now(), limits: context.request.limits }
}

/// Whether every parameter of a query is compared with a column of its one table that is held in its type's own form. Elsewhere a value may
/// decide how it is written.
fn stand_beside_columns(query: &SourceQuery) -> bool {
    fn simple(expression: &Expr, held: &dyn Fn(usize, ScalarType) -> bool) -> bool {
        match expression {
            Expr::Parameter { .. } => false,
            Expr::ScalarSubquery(query) | Expr::Exists(query) => !query.has_parameters(),
            Expr::Compare { left, right, .. } => match (left.as_ref(), right.as_ref()) {
                (Expr::Column(column), Expr::Parameter { scalar_type, .. })
                | (Expr::Parameter { scalar_type, .. }, Expr::Column(column)) => held(*column, *scalar_type),
                _ => simple(left, held) && simple(right, held),
            },
            other => other.children().into_iter().all(|child| simple(child, held)),
        }
    }
    let Relation::Table(table) = &query.from else { return false };
    let held = |column: usize, scalar_type: ScalarType| {
        // Not-a-number and the zeros of floats are compared in ways of their own, and truth values are conditions by themselves.
        let plain = !matches!(scalar_type, ScalarType::Boolean | ScalarType::Float32 | ScalarType::Float64 | ScalarType::Json);
        plain && table.columns.get(column).is_some_and(|column| column.codec.is_none() && column.scalar_type == scalar_type)
    };
    query.expressions().into_iter().all(|expression| simple(expression, &held))
}

/// A query that was translated for any values of its parameters.
pub struct Prepared {
    reader: Reader,
    look_up: bool,
    native: NativeRequest,
    columns: Arc<[ResultColumn]>,
    schema: SchemaRef,
    template: SourceQuery,
    parameters: Vec<Later>,
}

impl Prepared {
    /// The batch of a look-up, and its report.
    fn answered(&self, found: &Found, promise: &Promise) -> Result<QueryStream, SourceError> {
        let source_name = self.reader.client.source_name();
        let mut tally = Tally::new(source_name, promise);
        let mut decoder = RowDecoder::new(source_name, Arc::clone(&self.columns), &found.types)?;
        found.rows.iter().try_for_each(|row| decoder.append(row))?;
        let mut batches = Vec::new();
        if !found.rows.is_empty() {
            let options = RecordBatchOptions::new().with_row_count(Some(found.rows.len()));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), decoder.finish()?, &options)
                .map_err(|error| SourceError::new(source_name, SourceErrorKind::Internal, error.to_string()))?;
            tally.add(&batch)?;
            batches.push(Ok(batch));
        }
        let report = ReportHandle::default();
        report.set(tally.report(1));
        Ok(QueryStream::new(Arc::clone(&self.schema), Box::pin(futures::stream::iter(batches)), report))
    }
}

#[async_trait]
impl PreparedQuery for Prepared {
    fn is_look_up(&self) -> bool {
        self.look_up
    }

    async fn query(&self, values: Vec<Value>, context: &QueryContext) -> Result<QueryStream, SourceError> {
        // A text that PostgreSQL cannot hold is equal to none that it holds, which is said in other words.
        let sendable = values.iter().all(|value| !matches!(value, Value::Text(text) if text.contains('\0')));
        let value = |scalar_type: ScalarType, index: u32| {
            let value = usize::try_from(index).ok().and_then(|index| values.get(index))?;
            (value.scalar_type() == scalar_type && !value.is_null()).then(|| value.clone())
        };
        if !sendable {
            let mut query = self.template.clone();
            bind_parameters(&mut query, &|index, scalar_type| value(scalar_type, index)).map_err(|index| self.unbound(index))?;
            return self.reader.query(query, context).await;
        }
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for later in &self.parameters {
            parameters.push(later.try_with(value).map_err(|index| self.unbound(index))?);
        }
        let promise = promise(Arc::clone(&self.columns), Arc::clone(&self.schema), context);
        let deadline = self.reader.client.deadline(context)?;
        context.sending(&self.native);
        if self.look_up {
            let found = self.reader.shared.look_up(&self.reader.client, &self.native.text, &parameters, deadline).await?;
            if let Some(found) = found {
                return self.answered(&found, &promise);
            }
        }
        let request = Request { text: self.native.text.clone(), parameters, copied: false };
        self.reader.open(&request, &promise, self.reader.client.patience(context)?).await
    }
}

impl Prepared {
    fn unbound(&self, index: u32) -> SourceError {
        let message = format!("the parameter {index} of a prepared query has no value of its type");
        SourceError::new(self.reader.client.source_name(), SourceErrorKind::Internal, message)
    }
}
