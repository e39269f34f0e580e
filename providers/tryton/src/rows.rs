//! The answer to a query as a stream of batches: page by page, each read when it is asked for. It must not know how a query becomes calls.

use crate::client::{Client, Purpose, every_record};
use crate::decode;
use crate::translate::{Call, Plan, Way};
use arrow::array::{Array, Int32Array, RecordBatch, UInt32Array};
use arrow::datatypes::{Schema, SchemaRef};
use portico_provider_api::stream::BatchStream;
use portico_provider_api::{
    QueryContext, QueryReport, Relation, ReportHandle, ScalarType, SourceError, SourceErrorKind, SourceQuery, TableColumn, TableEvaluation,
    TableRelation,
};
use portico_provider_web::json::{PageReader, PageShape, Pointer};
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

/// A query that is being answered.
struct Read {
    client: Arc<Client>,
    plan: Plan,
    shape: PageShape,
    fields: Vec<String>,
    /// What is left to be done with records: to filter them where the server does not, and to return what is asked for.
    evaluation: TableEvaluation<'static>,
    context: QueryContext,
    next: Next,
    /// Rows that are still left out, and still returned.
    skip: u64,
    left: Option<u64>,
    ready: VecDeque<RecordBatch>,
    totals: QueryReport,
    report: ReportHandle,
}

/// What is asked next.
enum Next {
    /// The number of the records.
    Count,
    /// Records are counted here, from the one after this number on.
    Counting(Option<i64>, u64),
    /// The page after this number.
    After(Option<i64>),
    /// The only page.
    OnePage,
    /// The numbers of all records.
    Numbers,
    /// The records with these numbers.
    Records(VecDeque<i64>),
    /// Nothing more.
    Nothing,
}

/// Starts a query. Its first page is read before it returns, so that most failures are not those of a stream.
///
/// # Errors
/// What the server says of the first page.
pub async fn start(
    client: Arc<Client>,
    plan: Plan,
    query: SourceQuery,
    context: QueryContext,
    report: ReportHandle,
) -> Result<BatchStream, SourceError> {
    let internal = |message: String| client.error(SourceErrorKind::Internal, message);
    let table = match &query.from {
        Relation::Table(table) => table.clone(),
        Relation::Join(_) | Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => return Err(internal("no table".to_owned())),
    };
    let rest = residual(query, plan.bounded.exact);
    let evaluation = TableEvaluation::owned(rest).map_err(|error| internal(error.to_string()))?;
    let next = match plan.way(client.config().page_rows) {
        Way::Count => Next::Count,
        Way::ByNumber if plan.counts => Next::Counting(None, 0),
        Way::ByNumber => Next::After(None),
        Way::OnePage => Next::OnePage,
        Way::NumbersFirst => Next::Numbers,
    };
    // What the server has left out and cut off is neither left out nor cut off again.
    let by_server = plan.bounded.exact;
    let mut read = Read {
        shape: shape(&plan, &table).map_err(internal)?,
        fields: plan.fields(&table.columns),
        skip: if by_server { 0 } else { plan.offset },
        left: plan.limit,
        totals: QueryReport { as_of: SystemTime::now(), requests: 0, rows: 0, bytes: 0, complete: true },
        next,
        plan,
        evaluation,
        ready: VecDeque::new(),
        client,
        context,
        report,
    };
    let first = read.batch().await?;
    let stream = futures::stream::try_unfold((read, Some(first)), |(mut read, first)| async move {
        let batch = match first {
            Some(first) => first,
            None => read.batch().await?,
        };
        if batch.is_none() {
            read.report.set(read.totals);
        }
        Ok(batch.map(|batch| (batch, (read, None))))
    });
    Ok(Box::pin(stream))
}

/// The part of a query that is left to be done with records as they come.
fn residual(query: SourceQuery, exact: bool) -> SourceQuery {
    let rest = SourceQuery { order_by: Vec::new(), limit: None, offset: 0, ..query };
    if exact { SourceQuery { filter: None, keys: None, ..rest } } else { rest }
}

/// What a page of records looks like: the columns that are read, and the number, by which pages and records are told apart.
fn shape(plan: &Plan, table: &TableRelation) -> Result<PageShape, String> {
    let columns = plan.columns.iter().filter_map(|index| table.columns.get(*index)).filter(|column| column.name != "id");
    let number = TableColumn::computed("id", ScalarType::Int32, false);
    let columns = std::iter::once(&number).chain(columns).map(decode::column).collect();
    PageShape::new(Pointer::parse("/result")?, columns, Vec::new())
}

impl Read {
    /// The next batch with rows; nothing at the end.
    async fn batch(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        loop {
            if self.context.remaining().is_some_and(|left| left.is_zero()) {
                return Err(self.client.error(SourceErrorKind::Timeout, "the deadline passed before the answer was complete"));
            }
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.left == Some(0) && !self.plan.counts {
                return Ok(None);
            }
            match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::Nothing => return Ok(None),
                Next::Count => self.count().await?,
                Next::Counting(after, counted) => self.counting(after, counted).await?,
                Next::After(after) => self.page(after).await?,
                Next::OnePage => {
                    let call = self.plan.one_page(&self.fields);
                    let batches = self.records(&call).await?;
                    self.keep(batches)?;
                }
                Next::Numbers => self.numbers().await?,
                Next::Records(numbers) => self.by_numbers(numbers).await?,
            }
        }
    }

    async fn count(&mut self) -> Result<(), SourceError> {
        let call = self.plan.count();
        self.totals.requests += 1;
        let result = self.client.read(&call, &self.context).await?;
        let count = result.as_u64().ok_or_else(|| self.client.error(SourceErrorKind::Malformed, "the number of records is no number"))?;
        self.counted(count)
    }

    fn counted(&mut self, count: u64) -> Result<(), SourceError> {
        let batch = self.evaluation.counted(count).map_err(|error| self.client.error(SourceErrorKind::Data, error.to_string()))?;
        // A limit on one row, and an offset beyond it.
        let kept = self.plan.limit != Some(0) && self.plan.offset == 0;
        if kept { self.push(batch) } else { Ok(()) }
    }

    async fn counting(&mut self, after: Option<i64>, counted: u64) -> Result<(), SourceError> {
        let rows = self.client.config().page_rows;
        let batches = self.records(&self.plan.page(after, 0, rows, &self.fields)).await?;
        let mut counted = counted;
        for batch in &batches {
            counted += self.evaluation.count(batch).map_err(|error| self.client.error(SourceErrorKind::Data, error.to_string()))?;
        }
        match self.last_of_full(&batches, after, rows)? {
            Some(last) => {
                self.next = Next::Counting(Some(last), counted);
                Ok(())
            }
            None => self.counted(counted),
        }
    }

    async fn page(&mut self, after: Option<i64>) -> Result<(), SourceError> {
        let rows = self.plan.page_limit(self.client.config().page_rows, self.left);
        let offset = if after.is_none() { self.plan.first_offset() } else { 0 };
        let batches = self.records(&self.plan.page(after, offset, rows, &self.fields)).await?;
        if let Some(last) = self.last_of_full(&batches, after, rows)? {
            self.next = Next::After(Some(last));
        }
        self.keep(batches)
    }

    /// The last number of a page, if the page is full, so that there may be more.
    ///
    /// # Errors
    /// When numbers do not grow: the next page would not be the next.
    fn last_of_full(&self, batches: &[RecordBatch], after: Option<i64>, rows: u64) -> Result<Option<i64>, SourceError> {
        let mut last = after;
        let mut count = 0_u64;
        for number in batches.iter().flat_map(numbers) {
            if last.is_some_and(|last| number <= last) {
                return Err(self.client.error(SourceErrorKind::Malformed, "the records of a page are not in the order of their numbers"));
            }
            last = Some(number);
            count += 1;
        }
        if count > rows {
            return Err(self.client.error(SourceErrorKind::Malformed, format!("a page of {rows} records has {count}")));
        }
        Ok(last.filter(|_| count == rows))
    }

    async fn numbers(&mut self) -> Result<(), SourceError> {
        self.totals.requests += 1;
        let result = self.client.read(&self.plan.numbers(), &self.context).await?;
        let numbers = result.as_array().map(|items| items.iter().map(serde_json::Value::as_i64).collect::<Option<VecDeque<i64>>>());
        let numbers = numbers.flatten();
        let numbers = numbers.ok_or_else(|| self.client.error(SourceErrorKind::Malformed, "the numbers of records are no numbers"))?;
        self.next = Next::Records(numbers);
        Ok(())
    }

    /// The records with the first of these numbers, in their order. One that is gone meanwhile is left out.
    async fn by_numbers(&mut self, mut wanted: VecDeque<i64>) -> Result<(), SourceError> {
        let rows = usize::try_from(self.client.config().page_rows).unwrap_or(usize::MAX).min(wanted.len());
        let page: Vec<i64> = wanted.drain(..rows).collect();
        if page.is_empty() {
            return Ok(());
        }
        let batches = self.records(&self.plan.records(&page, &self.fields)).await?;
        let failed = |error: arrow::error::ArrowError| self.client.error(SourceErrorKind::Internal, error.to_string());
        let schema: SchemaRef = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        let whole = arrow::compute::concat_batches(&schema, &batches).map_err(failed)?;
        let places: HashMap<i64, u32> = numbers(&whole).into_iter().zip(0..).collect();
        let order: UInt32Array = page.iter().filter_map(|number| places.get(number).copied()).collect();
        let ordered = arrow::compute::take_record_batch(&whole, &order).map_err(failed)?;
        if !wanted.is_empty() {
            self.next = Next::Records(wanted);
        }
        self.keep(vec![ordered])
    }

    /// The records that a call returns.
    async fn records(&mut self, call: &Call) -> Result<Vec<RecordBatch>, SourceError> {
        self.totals.requests += 1;
        let bytes = self.client.answer(call, &every_record(), Purpose::Read, &self.context).await?;
        let mut reader = PageReader::new(&self.shape);
        let pushed = reader.push(&bytes);
        match pushed.and_then(|()| reader.finish()) {
            Ok((batches, _)) => Ok(batches),
            Err(error) => Err(self.client.unreadable(&bytes, &error.to_string())),
        }
    }

    /// Filters records as far as the server has not, and keeps what is asked for of them.
    fn keep(&mut self, batches: Vec<RecordBatch>) -> Result<(), SourceError> {
        for batch in batches {
            let failed = |error: portico_provider_api::EvaluateError| self.client.error(SourceErrorKind::Data, error.to_string());
            let most = self.left.map_or(usize::MAX, |left| usize::try_from(left.saturating_add(self.skip)).unwrap_or(usize::MAX));
            let rows = self.evaluation.select(&batch, most).map_err(failed)?;
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rows.len());
            let kept = rows.get(skipped..).unwrap_or_default();
            self.skip -= skipped as u64;
            self.left = self.left.map(|left| left.saturating_sub(kept.len() as u64));
            let projected = self.evaluation.project(&batch, kept).map_err(failed)?;
            if projected.num_rows() > 0 {
                self.push(projected)?;
            }
        }
        Ok(())
    }

    /// An answer beyond a cap is an error: cut off, it would look complete.
    fn push(&mut self, batch: RecordBatch) -> Result<(), SourceError> {
        self.totals.rows += batch.num_rows() as u64;
        self.totals.bytes += batch.get_array_memory_size() as u64;
        let limits = self.context.request.limits;
        for (sent, most, what) in [(self.totals.rows, limits.max_rows, "rows"), (self.totals.bytes, limits.max_bytes, "bytes")] {
            if most > 0 && sent > most {
                let message = format!("the answer has more than the allowed {most} {what}");
                return Err(self.client.error(SourceErrorKind::Unsupported, message));
            }
        }
        self.ready.push_back(batch);
        Ok(())
    }
}

/// The numbers of the records of a batch.
fn numbers(batch: &RecordBatch) -> Vec<i64> {
    let numbers = batch.column_by_name("id").and_then(|column| column.as_any().downcast_ref::<Int32Array>());
    numbers.map(|numbers| (0..numbers.len()).map(|row| i64::from(numbers.value(row))).collect()).unwrap_or_default()
}
