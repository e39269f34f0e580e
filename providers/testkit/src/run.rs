//! One run of the suite: the subject, its tables as the source describes them, the seeded generator, and how a query is asked so
//! that nothing goes unnoticed (schema of every batch, errors for the check on secrets, time).

use crate::subject::{LoadedTable, Subject};
use crate::summary::Summary;
use arrow::array::RecordBatch;
use fastrand::Rng;
use futures::StreamExt;
use portico_provider_api::arrays::row_at;
use portico_provider_api::readable::{Literals, readable};
use portico_provider_api::{
    Capabilities, Expr, QueryContext, QueryReport, QueryStream, RemoteSchema, ScalarType, SourceError, SourceQuery, TableColumn,
    TableRelation, Value,
};

/// A table that can be queried: fixture, relation as the source describes it, and its rows as the source gives them.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) loaded: LoadedTable,
    pub(crate) relation: TableRelation,
    /// Rows read through the source and found equal to the fixture's; empty before that.
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) batch: RecordBatch,
    /// The plainest query that the source takes of it: all rows, or those of as many keys as one request has.
    pub(crate) base: SourceQuery,
}

impl Table {
    pub(crate) fn name(&self) -> &str {
        &self.loaded.fixture.name
    }

    pub(crate) fn primary_key(&self) -> Vec<usize> {
        self.loaded.fixture.primary_key.iter().filter_map(|name| self.loaded.fixture.position(name)).collect()
    }
}

/// What a source answered.
pub(crate) struct Answer {
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) report: Option<QueryReport>,
    /// Whether a report was there before the stream ended.
    pub(crate) early_report: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// Refused or failed; `started` tells whether the stream had been handed out.
    Failed { error: SourceError, started: bool },
    /// The answer breaks the contract.
    Broken(String),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoAnswer::Failed { error, .. } => write!(f, "the source failed as {:?}: {error}", error.kind),
            NoAnswer::Broken(what) => f.write_str(what),
        }
    }
}

/// The state of a run.
pub(crate) struct Run {
    pub(crate) subject: Subject,
    pub(crate) summary: Summary,
    pub(crate) rng: Rng,
    pub(crate) schema: RemoteSchema,
    /// Tables that passed the scan and are read by generated queries.
    pub(crate) tables: Vec<Table>,
    /// The text of every error that was seen.
    pub(crate) messages: std::sync::Mutex<Vec<String>>,
}

/// A query as a person reads it, literals included.
pub(crate) fn shown(query: &SourceQuery) -> Option<String> {
    Some(readable(query, Literals::Shown).0)
}

impl Run {
    pub(crate) fn new(subject: Subject, summary: Summary, schema: RemoteSchema) -> Run {
        let rng = Rng::with_seed(summary.seed);
        Run { subject, summary, rng, schema, tables: Vec::new(), messages: std::sync::Mutex::default() }
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.schema.capabilities
    }

    /// The relation of a loaded table with the columns as the source describes them; `None` when one is missing.
    pub(crate) fn relation(&self, loaded: &LoadedTable) -> Option<TableRelation> {
        let remote = self.schema.table(&loaded.remote)?;
        let columns = loaded.fixture.columns.iter().map(|column| {
            let found = remote.column(&column.name)?;
            Some(TableColumn {
                name: found.name.clone(),
                scalar_type: found.scalar_type,
                nullable: found.nullable,
                codec: found.codec,
                native_type: Some(found.native_type.clone()),
            })
        });
        Some(TableRelation { table: loaded.remote.clone(), columns: columns.collect::<Option<Vec<_>>>()? })
    }

    /// Remembers an error's text for the check on secrets.
    pub(crate) fn saw(&self, error: &SourceError) {
        let text = format!("{error} {error:?}");
        self.messages.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(text);
    }

    /// Runs a query to its end.
    pub(crate) async fn ask(&self, query: &SourceQuery) -> Result<Answer, NoAnswer> {
        self.ask_with(query, &QueryContext::default()).await
    }

    /// Runs queries one after the other, and puts their answers together.
    pub(crate) async fn ask_all(&self, queries: &[SourceQuery]) -> Result<Answer, NoAnswer> {
        let mut all = Answer { rows: Vec::new(), batches: Vec::new(), report: None, early_report: false };
        for query in queries {
            let answer = self.ask(query).await?;
            all.rows.extend(answer.rows);
            all.batches.extend(answer.batches);
        }
        Ok(all)
    }

    pub(crate) async fn ask_with(&self, query: &SourceQuery, context: &QueryContext) -> Result<Answer, NoAnswer> {
        let longest = self.subject.options.query_timeout;
        let answer = tokio::time::timeout(longest, self.collect(query, context)).await;
        let answer = answer.unwrap_or_else(|_| Err(NoAnswer::Broken(format!("no answer after {} s", longest.as_secs()))));
        if let Err(NoAnswer::Failed { error, .. }) = &answer {
            self.saw(error);
        }
        answer
    }

    /// Runs a query whose literals come later, as values of what the source has made of it before; `None` where it makes nothing of it.
    pub(crate) async fn ask_prepared(&self, query: &SourceQuery) -> Option<Result<Answer, NoAnswer>> {
        let (template, values) = with_parameters(query);
        let prepared = self.subject.source.prepare(&template)?;
        let context = QueryContext::default();
        let answer = async {
            let stream = prepared.query(values, &context).await.map_err(|error| NoAnswer::Failed { error, started: false })?;
            read(query, stream).await
        };
        let longest = self.subject.options.query_timeout;
        let answer = tokio::time::timeout(longest, answer).await;
        Some(answer.unwrap_or_else(|_| Err(NoAnswer::Broken(format!("no answer after {} s", longest.as_secs())))))
    }

    async fn collect(&self, query: &SourceQuery, context: &QueryContext) -> Result<Answer, NoAnswer> {
        let stream = self.subject.source.query(query.clone(), context).await;
        read(query, stream.map_err(|error| NoAnswer::Failed { error, started: false })?).await
    }

    /// Whether a literal can be sent at all: what the kind cannot hold, it need not understand.
    pub(crate) fn loadable(&self, value: &Value) -> bool {
        use crate::subject::Limitation;
        self.subject.limitations.iter().all(|limitation| match limitation {
            Limitation::Values { matches, .. } => !matches(value),
            Limitation::Type { from, .. } => value.scalar_type() != *from,
            Limitation::Table { .. }
            | Limitation::Column { .. }
            | Limitation::MaxLengths { .. }
            | Limitation::ForeignKeys { .. }
            | Limitation::ReadOnly { .. }
            | Limitation::OtherColumn { .. }
            | Limitation::Constraints { .. }
            | Limitation::GeneratedKeys { .. } => true,
        })
    }
}

/// A query with parameters in the place of its literals, and their values. Null stays what it is: no parameter is null.
fn with_parameters(query: &SourceQuery) -> (SourceQuery, Vec<Value>) {
    fn lift(expression: &mut Expr, values: &mut Vec<Value>) {
        if let Expr::Literal(value) = expression
            && !value.is_null()
        {
            let (index, scalar_type) = (u32::try_from(values.len()).unwrap_or(u32::MAX), value.scalar_type());
            values.push(value.clone());
            *expression = Expr::Parameter { index, scalar_type };
        }
        expression.children_mut().into_iter().for_each(|child| lift(child, values));
    }
    let (mut template, mut values) = (query.clone(), Vec::new());
    template.expressions_mut().into_iter().for_each(|expression| lift(expression, &mut values));
    (template, values)
}

/// Reads an answer to its end and looks at the schema of every batch.
async fn read(query: &SourceQuery, mut stream: QueryStream) -> Result<Answer, NoAnswer> {
    let failed = |started: bool| move |error: SourceError| NoAnswer::Failed { error, started };
    let promised = query.result_schema();
    if stream.schema().fields() != promised.fields() {
        return Err(NoAnswer::Broken(format!("the stream's schema is {:?} instead of {:?}", stream.schema().fields(), promised.fields())));
    }
    let types: Vec<ScalarType> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    let mut answer = Answer { rows: Vec::new(), batches: Vec::new(), report: None, early_report: false };
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed(true))?;
        if batch.schema().fields() != promised.fields() {
            return Err(NoAnswer::Broken(format!("a batch has schema {:?} instead of {:?}", batch.schema().fields(), promised.fields())));
        }
        answer.early_report |= stream.report().is_some();
        for row in 0..batch.num_rows() {
            answer.rows.push(row_at(&batch, row, &types).map_err(|error| NoAnswer::Broken(error.to_string()))?);
        }
        answer.batches.push(batch);
    }
    answer.report = stream.report();
    Ok(answer)
}
