//! A source that passes everything on to an honest one, but for one trick.

use crate::blocks;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, Schema};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use portico_provider_api::capabilities::{AggregateCapabilities, JoinCapabilities};
use portico_provider_api::readable::{Literals, readable};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, CompareOp, ConstraintKind, Expr, Function, NativeRequest, Precondition, QueryContext, QueryReport,
    QueryStream, Relation, RemoteSchema, ReportHandle, ScalarType, Selection, SortKey, Source, SourceError, SourceErrorKind, SourceQuery,
    WritableSource,
};
use portico_provider_memory::MemorySource;
use std::sync::Arc;
use std::time::Duration;

/// What may not occur in messages.
pub const SECRET: &str = "hunter2-and-more";

/// The ways to cheat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    None,
    IgnoresFilter,
    IgnoresCase,
    IgnoresFilterWhenBusy,
    IgnoresLimit,
    IgnoresOffset,
    ChangesItsOrder,
    IgnoresLimitPer,
    IgnoresDistinct,
    IgnoresKeys,
    IgnoresCaseOfKeys,
    CountsAllRows,
    CountsNoRowAsNothing,
    DeclaresNoCount,
    WrongNullOrder,
    DropsLastBatch,
    WrongBatchSchema,
    MisdescribesColumn,
    MisreportsRows,
    AnswersUnsupported,
    HidesDataErrors,
    MislabelsMissingTable,
    ShowsValues,
    IgnoresDeadline,
    KeepsRunning,
    LeaksSecret,
    IgnoresPrecondition,
    IgnoresVisible,
    IgnoresRequire,
    AppliesHalf,
    UpsertAlwaysCreated,
    MislabelsConstraint,
    DeletesNothing,
    DeclaresNoJoin,
    LosesNullGroup,
    GroupsIgnoreCase,
    IgnoresHaving,
    CountDistinctCountsNull,
    IgnoresAggregateFilter,
    CutsBeforeGrouping,
    SumWrapsAround,
    TakesFirstOfSeveral,
    JoinsNullToNull,
    NotInWithoutNulls,
    LeftJoinFilters,
    IgnoresNestedLimit,
    UnionRemovesDuplicates,
    EverythingExists,
    RanksWithoutGaps,
}

/// An honest source behind a trick.
pub struct Dishonest {
    pub inner: Arc<MemorySource>,
    pub trick: Trick,
}

/// Text equalities, with both sides in lower case.
fn without_case(expression: Expr) -> Expr {
    let lower = |side: Expr| Expr::Call { function: Function::Lower, arguments: vec![side] };
    match expression {
        Expr::Compare { op: CompareOp::Eq, left, right } if matches!(right.as_ref(), Expr::Literal(value) if value.scalar_type() == ScalarType::Text) => {
            Expr::compare(CompareOp::Eq, lower(*left), lower(*right))
        }
        other => other,
    }
}

impl Dishonest {
    fn changed(&self, mut query: SourceQuery) -> SourceQuery {
        match self.trick {
            Trick::IgnoresFilter => query.filter = None,
            Trick::IgnoresCase => query.filter = query.filter.map(without_case),
            Trick::IgnoresFilterWhenBusy if self.inner.active_queries() > 0 => query.filter = None,
            Trick::IgnoresLimit => query.limit = None,
            Trick::IgnoresOffset => query.offset = 0,
            // From one question to the next, where nobody says which it shall be.
            Trick::ChangesItsOrder if query.order_by.is_empty() && query.limit.is_some() && query.offset > 0 => {
                query.order_by = vec![SortKey { expr: Expr::Column(0), descending: true, nulls_first: true }];
            }
            Trick::IgnoresLimitPer => query.limit_per = None,
            Trick::IgnoresDistinct => query.distinct = false,
            Trick::IgnoresKeys => query.keys = None,
            Trick::CountsAllRows if query.aggregate.is_some() => query.filter = None,
            Trick::IgnoresCaseOfKeys => {
                // A key set of one text becomes an equality that ignores case.
                if let Some([tuple]) = query.keys.as_ref().map(|keys| &keys.tuples[..])
                    && let (Some(keys), [value]) = (&query.keys, &tuple[..])
                    && value.scalar_type() == ScalarType::Text
                {
                    let equal = Expr::compare(CompareOp::Eq, Expr::Column(keys.columns[0]), Expr::Literal(value.clone()));
                    query.filter = Expr::all(query.filter.take().into_iter().chain([without_case(equal)]));
                    query.keys = None;
                }
            }
            Trick::WrongNullOrder => query.order_by.iter_mut().for_each(|key| key.nulls_first = !key.nulls_first),
            _ => return blocks::changed(self.trick, query),
        }
        query
    }

    /// Whether the honest source fails on the values of a query.
    async fn fails(&self, query: &SourceQuery) -> bool {
        let Ok(mut stream) = self.inner.query(query.clone(), &QueryContext::default()).await else { return false };
        matches!(stream.next().await, Some(Err(error)) if error.kind == SourceErrorKind::Data)
    }

    /// Reads everything and hands out what the trick makes of it.
    async fn altered(&self, mut stream: QueryStream, table: &str) -> Result<QueryStream, SourceError> {
        let mut schema = stream.schema();
        let mut items: Vec<Result<RecordBatch, SourceError>> = Vec::new();
        while let Some(item) = stream.next().await {
            items.push(item);
        }
        let mut report = stream.report();
        match self.trick {
            Trick::HidesDataErrors => items.retain(|item| !matches!(item, Err(error) if error.kind == SourceErrorKind::Data)),
            Trick::CountsNoRowAsNothing => items.retain(|item| {
                let number = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().value(0);
                !matches!(item, Ok(batch) if number(batch) == 0)
            }),
            Trick::WrongBatchSchema if table == "books" => {
                let fields: Vec<_> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
                schema = Arc::new(Schema::new(fields));
                let relabel = |batch: RecordBatch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()).unwrap();
                items = items.into_iter().map(|item| item.map(relabel)).collect();
            }
            _ => {}
        }
        let rows: usize = items.iter().flatten().map(RecordBatch::num_rows).sum();
        let rows = rows as u64 + u64::from(self.trick == Trick::MisreportsRows);
        report = report.map(|report| QueryReport { rows, ..report });
        let handle = ReportHandle::default();
        let last = handle.clone();
        let end = stream::once(async move {
            if let Some(report) = report {
                last.set(report);
            }
        });
        let batches = stream::iter(items.into_iter().map(Some)).chain(end.map(|()| None)).filter_map(|item| async move { item });
        Ok(QueryStream::new(schema, Box::pin(batches), handle))
    }

    /// Holds one batch back, so that the last is never handed out, and reports the rest as complete. A single batch is left alone:
    /// an empty answer would be too easily seen.
    fn without_last(inner: QueryStream) -> QueryStream {
        let (schema, handle) = (inner.schema(), ReportHandle::default());
        let report = handle.clone();
        let batches = stream::unfold((inner, None, 0_u64), move |(mut inner, held, rows)| {
            let report = report.clone();
            async move {
                let mut held: Option<RecordBatch> = held;
                loop {
                    match (inner.next().await, held.take()) {
                        (Some(Ok(next)), None) => held = Some(next),
                        (Some(Ok(next)), Some(batch)) => {
                            let rows = rows + batch.num_rows() as u64;
                            return Some((Ok(batch), (inner, Some(next), rows)));
                        }
                        (Some(Err(error)), _) => return Some((Err(error), (inner, None, rows))),
                        (None, Some(only)) if rows == 0 => {
                            let rows = only.num_rows() as u64;
                            return Some((Ok(only), (inner, None, rows)));
                        }
                        (None, _) => {
                            if let Some(honest) = inner.report() {
                                report.set(QueryReport { rows, ..honest });
                            }
                            return None;
                        }
                    }
                }
            }
        });
        QueryStream::new(schema, Box::pin(batches), handle)
    }

    fn retold(&self, mut error: SourceError) -> SourceError {
        match (&self.trick, &error.kind) {
            (Trick::LeaksSecret, _) => error.message.push_str(&format!(" (password {SECRET})")),
            (Trick::MislabelsMissingTable, SourceErrorKind::SchemaChanged) => error.kind = SourceErrorKind::Internal,
            // Another constraint, so that only the kind is wrong.
            (Trick::MislabelsConstraint, SourceErrorKind::Constraint { kind: ConstraintKind::NotNull, columns }) => {
                error.kind = SourceErrorKind::Constraint { kind: ConstraintKind::Check, columns: columns.clone() };
            }
            _ => {}
        }
        error
    }

    fn changed_change(&self, mut change: Change) -> Change {
        match (&self.trick, &mut change) {
            (Trick::IgnoresPrecondition, Change::Update { precondition, .. } | Change::Delete { precondition, .. }) => {
                *precondition = Precondition::None;
            }
            (Trick::IgnoresVisible, Change::Update { visible, .. } | Change::Delete { visible, .. }) => *visible = None,
            (Trick::IgnoresRequire, Change::Insert { require, .. } | Change::Update { require, .. } | Change::Upsert { require, .. }) => {
                *require = None
            }
            _ => {}
        }
        change
    }
}

fn table_of(query: &SourceQuery) -> Option<&str> {
    match &query.from {
        Relation::Table(table) => Some(table.table.table()),
        Relation::Join(_) | Relation::Query(_) | Relation::Union(_) | Relation::Call(_) => None,
    }
}

#[async_trait]
impl Source for Dishonest {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let mut schema = self.inner.remote_schema(wanted, context).await.map_err(|error| self.retold(error))?;
        if self.trick == Trick::MisdescribesColumn {
            let composite = schema.tables.iter_mut().filter(|table| table.name.table() == "composite");
            composite.flat_map(|table| &mut table.columns).for_each(|column| column.nullable = true);
        }
        if self.trick == Trick::DeclaresNoCount {
            schema.capabilities.aggregate = AggregateCapabilities::default();
        }
        if self.trick == Trick::DeclaresNoJoin {
            schema.capabilities.joins = JoinCapabilities::default();
        }
        Ok(schema)
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let mut context = context.clone();
        if self.trick == Trick::IgnoresDeadline {
            context.request.deadline_unix_ms = None;
        }
        // What the honest source refuses is refused, unless answering it is the trick.
        if self.inner.describe(&query).is_empty() {
            return match (&query.from, self.trick) {
                (Relation::Table(table), Trick::AnswersUnsupported) => self.inner.query(SourceQuery::scan(table.clone()), &context).await,
                _ => self.inner.query(query, &context).await.map_err(|error| self.retold(error)),
            };
        }
        let table = table_of(&query).unwrap_or_default().to_owned();
        if self.trick == Trick::KeepsRunning && table == "large" {
            let forgotten = self.inner.query(query.clone(), &context).await?;
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(3)).await;
                drop(forgotten);
            });
        }
        if blocks::hides_failures(self.trick) && !self.fails(&query).await {
            return self.inner.query(query, &context).await.map_err(|error| self.retold(error));
        }
        let counts = query.aggregate.is_some();
        let stream = self.inner.query(self.changed(query), &context).await.map_err(|error| self.retold(error))?;
        match self.trick {
            Trick::DropsLastBatch => Ok(Dishonest::without_last(stream)),
            Trick::WrongBatchSchema | Trick::MisreportsRows | Trick::HidesDataErrors => {
                // Cancellation is not what these cheat about: it needs a stream that is still running.
                if table == "large" { Ok(stream) } else { self.altered(stream, &table).await }
            }
            Trick::CountsNoRowAsNothing if counts => self.altered(stream, &table).await,
            _ => Ok(stream),
        }
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        let mut described = self.inner.describe(query);
        if self.trick == Trick::ShowsValues {
            described.iter_mut().for_each(|request| request.text = readable(query, Literals::Shown).0);
        }
        described
    }

    fn writable(&self) -> Option<&dyn WritableSource> {
        Some(self)
    }
}

#[async_trait]
impl WritableSource for Dishonest {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        if self.trick == Trick::DeletesNothing
            && matches!(&changes.changes[..], [Change::Delete { key, precondition: Precondition::None, visible: None, .. }]
                if key.iter().any(|(_, value)| *value == portico_provider_api::Value::Int32(6)))
        {
            return Ok(vec![ChangeOutcome::Done { row: None, created: false }]);
        }
        let set = ChangeSet { changes: changes.changes.into_iter().map(|change| self.changed_change(change)).collect(), ..changes };
        let first = set.changes.first().cloned();
        let mut outcomes = self.inner.write(set, context).await.map_err(|error| self.retold(error));
        let failed = match &outcomes {
            Ok(outcomes) => outcomes.len() > 1 && outcomes.iter().any(|outcome| !matches!(outcome, ChangeOutcome::Done { .. })),
            Err(_) => true,
        };
        if self.trick == Trick::AppliesHalf && failed {
            let half = ChangeSet { changes: first.into_iter().collect(), idempotency_key: None };
            // Alone, a change that was itself the culprit fails again and does no harm.
            drop(self.inner.write(half, context).await);
        }
        if self.trick == Trick::UpsertAlwaysCreated
            && let Ok([ChangeOutcome::Done { created, row: Some(row) }]) = outcomes.as_deref_mut()
        {
            *created |= row.first() == Some(&portico_provider_api::Value::Int32(110));
        }
        outcomes
    }
}
