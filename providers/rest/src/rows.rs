//! The rows of a query: those of its chains, side by side, cut, put in the query's own columns, and counted. It must not know requests.

use crate::client::{Client, Run};
use crate::translate::{Call, Read};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use portico_provider_api::evaluate::TableEvaluation;
use portico_provider_api::{
    Expr, KeySet, NativeRequest, Output, QueryContext, QueryReport, QueryStream, ReportHandle, SourceError, SourceErrorKind, SourceQuery,
    TableRelation, Value,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Chains of requests that are under way at a time.
const AT_ONCE: usize = 8;

/// Bytes of rows at most that are held until all of them are there.
const MOST_HELD: usize = 256 << 20;

type Batches = BoxStream<'static, Result<RecordBatch, SourceError>>;

/// A context that counts the requests that are sent.
pub fn counting(context: &QueryContext) -> (QueryContext, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let (count, observer) = (Arc::clone(&sent), context.observer.clone());
    let observer = Arc::new(move |request: &NativeRequest| {
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(observer) = &observer {
            observer(request);
        }
    });
    (QueryContext { observer: Some(observer), ..context.clone() }, sent)
}

/// Starts the query, and waits for its first rows or its end, so that most failures are not those of a stream.
///
/// # Errors
/// When it cannot be started.
pub async fn start(
    client: &Arc<Client>,
    run: Arc<Run>,
    read: &Read<'_>,
    query: SourceQuery,
    table: TableRelation,
    context: &QueryContext,
    sent: Arc<AtomicU64>,
) -> Result<QueryStream, SourceError> {
    let as_of = SystemTime::now();
    let (schema, limits) = (query.result_schema(), context.request.limits);
    let calls = read.calls.clone();
    let limit = query.limit;
    let rows: Batches = if read.counts {
        let batch = counted(&run, calls, &schema, client).await?;
        // The only row may be left out.
        futures::stream::iter((query.offset == 0).then_some(Ok(batch))).boxed()
    } else {
        let mut chains = Vec::new();
        for call in calls {
            let keys = call.keys.clone();
            let rows = run.rows(call);
            chains.push(if keys.is_empty() { rows } else { own_keys(rows, &query, &table, read, keys, client)? });
        }
        let rows: Batches = futures::stream::iter(chains).flatten_unordered(AT_ONCE).boxed();
        if read.local {
            evaluated(rows, query, read, client)?
        } else {
            projected(rows, query, table, Arc::clone(&schema), Arc::clone(client))
        }
    };
    let report = ReportHandle::default();
    let totals = QueryReport { as_of, requests: 0, rows: 0, bytes: 0, complete: true };
    let state = (cut(rows, limit).fuse(), totals, report.clone(), sent, Arc::clone(client));
    let mut stream = futures::stream::try_unfold(state, move |(mut rows, mut totals, report, sent, client)| async move {
        let Some(batch) = rows.try_next().await? else {
            // Whoever reads the report finds it with the end.
            report.set(QueryReport { requests: sent.load(Ordering::Relaxed), ..totals });
            return Ok(None);
        };
        totals.rows += batch.num_rows() as u64;
        totals.bytes += batch.get_array_memory_size() as u64;
        for (sent, most, what) in [(totals.rows, limits.max_rows, "rows"), (totals.bytes, limits.max_bytes, "bytes")] {
            if most > 0 && sent > most {
                let message = format!("the answer has more than the allowed {most} {what}");
                return Err(client.error(SourceErrorKind::Unsupported, message));
            }
        }
        Ok(Some((batch, (rows, totals, report, sent, client))))
    })
    .boxed();
    let first = stream.try_next().await?;
    let stream = futures::stream::iter(first.map(Ok)).chain(stream);
    Ok(QueryStream::new(schema, Box::pin(stream), report))
}

/// The first rows, as many as are wanted; what comes after them is not asked for.
fn cut(rows: Batches, limit: Option<u64>) -> Batches {
    let Some(limit) = limit else { return rows };
    let state = (rows, limit);
    futures::stream::try_unfold(state, |(mut rows, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(batch) = rows.try_next().await? else { return Ok(None) };
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(batch.num_rows());
        Ok(Some((batch.slice(0, wanted), (rows, left - wanted as u64))))
    })
    .boxed()
}

/// The query's columns of the rows.
fn projected(rows: Batches, query: SourceQuery, table: TableRelation, schema: SchemaRef, client: Arc<Client>) -> Batches {
    rows.map(move |batch| {
        let batch = batch?;
        let column = |expr: &portico_provider_api::Expr| -> Option<ArrayRef> {
            let name = &table.columns.get(expr.as_column()?)?.name;
            batch.column_by_name(name).cloned()
        };
        let columns = query.output.iter().map(|output| column(&output.expr)).collect::<Option<Vec<_>>>();
        let columns = columns.ok_or_else(|| client.error(SourceErrorKind::Internal, "a column that is asked for was not read"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let projected = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options);
        projected.map_err(|error| client.error(SourceErrorKind::Malformed, error.to_string()))
    })
    .boxed()
}

/// The query evaluated over the rows: batch by batch where it can be, else when all are there. Keys bound how many that are.
fn evaluated(rows: Batches, query: SourceQuery, read: &Read<'_>, client: &Arc<Client>) -> Result<Batches, SourceError> {
    let wrong = |client: &Client, error: portico_provider_api::EvaluateError| client.error(SourceErrorKind::Data, error.to_string());
    // The limit is kept by whoever takes the rows.
    let plain = SourceQuery { limit: None, ..query.clone() };
    let streams =
        query.order_by.is_empty() && query.offset == 0 && query.limit_per.is_none() && !query.distinct && query.aggregate.is_none();
    let evaluation = TableEvaluation::owned(if streams { plain } else { query }).map_err(|error| wrong(client, error))?;
    let client = Arc::clone(client);
    if streams {
        return Ok(rows.map(move |batch| evaluation.evaluate(&batch?).map_err(|error| wrong(&client, error))).boxed());
    }
    let fields: Vec<_> = read.columns.iter().map(|column| column.scalar_type.field(&column.name, column.nullable)).collect();
    let empty = Arc::new(Schema::new(fields));
    let whole = async move {
        let batches = held(rows, &client).await?;
        let schema = batches.first().map_or(empty, RecordBatch::schema);
        let all = concat_batches(&schema, &batches).map_err(|error| client.error(SourceErrorKind::Internal, error.to_string()))?;
        evaluation.evaluate(&all).map_err(|error| wrong(&client, error))
    };
    Ok(futures::stream::once(whole).boxed())
}

/// All rows, which must be there before the first of them can be given.
async fn held(mut rows: Batches, client: &Client) -> Result<Vec<RecordBatch>, SourceError> {
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = rows.try_next().await? {
        bytes += batch.get_array_memory_size();
        if bytes > MOST_HELD {
            let message = format!("rows that are sorted or counted here take more than {} MiB: ask for fewer of them", MOST_HELD >> 20);
            return Err(client.error(SourceErrorKind::Unsupported, message));
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// The rows of a chain that have its keys: a server may ignore what it does not understand, and answer with all rows.
fn own_keys(
    rows: Batches,
    query: &SourceQuery,
    table: &TableRelation,
    read: &Read<'_>,
    tuples: Vec<Vec<Value>>,
    client: &Arc<Client>,
) -> Result<Batches, SourceError> {
    let wrong = |client: &Client, error: portico_provider_api::EvaluateError| client.error(SourceErrorKind::Data, error.to_string());
    let is_read = |name: &String| read.columns.iter().any(|column| column.name == *name);
    let output = table.columns.iter().enumerate().filter(|(_, column)| is_read(&column.name));
    let output = output.map(|(index, column)| Output { name: column.name.clone(), expr: Expr::Column(index) }).collect();
    let columns = query.keys.as_ref().map(|keys| keys.columns.clone()).unwrap_or_default();
    let keyed = SourceQuery::select(query.from.clone(), output);
    let keyed = SourceQuery { keys: Some(KeySet { columns, tuples }), ..keyed };
    let evaluation = TableEvaluation::owned(keyed).map_err(|error| wrong(client, error))?;
    let client = Arc::clone(client);
    Ok(rows.map(move |batch| evaluation.evaluate(&batch?).map_err(|error| wrong(&client, error))).boxed())
}

async fn counted(run: &Arc<Run>, calls: Vec<Call>, schema: &SchemaRef, client: &Arc<Client>) -> Result<RecordBatch, SourceError> {
    let mut total = 0_u64;
    for call in calls {
        total = total.saturating_add(run.count(call).await?);
    }
    let total = i64::try_from(total).map_err(|_| client.error(SourceErrorKind::Malformed, "there are more rows than can be counted"))?;
    let columns = schema.fields().iter().map(|_| Arc::new(Int64Array::from(vec![total])) as ArrayRef).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| client.error(SourceErrorKind::Internal, error.to_string()))
}
