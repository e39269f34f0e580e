//! The source itself: opens the files of a table at one version, knows what they hold, and answers from them. Reading is blocking work, and is
//! done on threads that may block.

use crate::capabilities::capabilities;
use crate::directory::{Directory, NotOpened, Opened, Stamp};
use crate::layout::Layout;
use crate::problem::Problem;
use crate::running::{Piece, Running};
use crate::source_tables::{being_written, discover, discovered};
use crate::table::Table;
use crate::translate;
use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::{StreamExt, stream};
use portico_provider_api::{
    Capabilities, ConnectContext, Late, NativeRequest, Patience, Probe, QueryContext, QueryStream, RemoteSchema, RemoteTable,
    RemoteTableName, ReportHandle, Selection, Source, SourceError, SourceErrorKind, SourceQuery, Waiting,
};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Batches that are read ahead of their reader.
const BATCHES_AHEAD: usize = 2;
/// The shortest time between two looks at a file that is being written.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Which versions of which files were looked into, and what they hold.
type Looked = (Vec<(String, Stamp)>, Arc<Layout>);
type Remembered = Arc<tokio::sync::Mutex<Option<Looked>>>;

/// How much is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Rows of one table at most.
    pub(crate) max_rows: Option<u64>,
    /// Bytes of a table's files that are read whole for its description, where their beginnings are enough for it.
    pub(crate) check_at_start: u64,
}

/// A directory of files.
pub(crate) struct FilesSource {
    name: String,
    directory: Directory,
    limits: Limits,
    tables: Option<Vec<Arc<Table>>>,
    capabilities: Capabilities,
    timeout: Duration,
    /// By table and its settings; what they held when they were last looked into. It has types and numbers, and no values.
    looked: Mutex<HashMap<RemoteTableName, Remembered>>,
}

/// Does blocking work elsewhere.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, NotOpened> + Send + 'static) -> Result<T, NotOpened> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|_| Err(NotOpened::Failed(Problem::new(SourceErrorKind::Internal, "reading files ended unexpectedly"))))
}

fn stamps(files: &[Opened]) -> Vec<(String, Stamp)> {
    files.iter().map(|file| (file.name.clone(), file.stamp)).collect()
}

impl FilesSource {
    pub(crate) fn new(directory: Directory, limits: Limits, tables: Option<Vec<Table>>, context: &ConnectContext) -> FilesSource {
        FilesSource {
            name: context.source_name.clone(),
            directory,
            limits,
            tables: tables.map(|tables| tables.into_iter().map(Arc::new).collect()),
            capabilities: capabilities(),
            timeout: context.timeout,
            looked: Mutex::new(HashMap::new()),
        }
    }

    fn error(&self, problem: Problem) -> SourceError {
        problem.of(&self.name)
    }

    fn late(&self, late: Late) -> SourceError {
        SourceError::new(&self.name, SourceErrorKind::Timeout, late.to_string())
    }

    /// The table of that name.
    async fn table(&self, name: &RemoteTableName) -> Result<Arc<Table>, Problem> {
        let found = match &self.tables {
            Some(tables) => tables.iter().find(|table| table.name == *name).cloned(),
            None => {
                let (directory, wanted) = (self.directory.clone(), name.clone());
                let found = blocking(move || Ok(discovered(&directory, &wanted)?)).await;
                found.map_err(refusal)?.map(Arc::new)
            }
        };
        found.ok_or_else(|| Problem::new(SourceErrorKind::SchemaChanged, format!("table '{name}' does not exist")))
    }

    /// Opens a table's files, when they have been left alone for long enough.
    async fn open(&self, table: &Arc<Table>) -> Result<Vec<Opened>, Problem> {
        // A file that is written all the time is not waited for without end.
        let give_up = Instant::now() + self.directory.settle.saturating_mul(5).max(LOOK_AGAIN * 20);
        loop {
            let (directory, wanted) = (self.directory.clone(), Arc::clone(table));
            match blocking(move || directory.open(&wanted.pattern)).await {
                Ok(files) => return Ok(files),
                Err(NotOpened::Unsettled { file, wait }) if Instant::now() + wait > give_up => return Err(being_written(&file)),
                Err(NotOpened::Unsettled { wait, .. }) => tokio::time::sleep(wait.max(LOOK_AGAIN)).await,
                Err(NotOpened::Failed(problem)) => return Err(problem),
            }
        }
    }

    fn remembered(&self, table: &Table) -> Remembered {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(looked.entry(table.name.clone()).or_default())
    }

    /// Reads files that are open, once for all who ask, and on when nobody waits any longer.
    fn looking(&self, table: &Arc<Table>, files: &[Opened]) -> JoinHandle<Result<Arc<Layout>, Problem>> {
        let remembered = self.remembered(table);
        let (table, files, max_rows) = (Arc::clone(table), files.to_vec(), self.limits.max_rows);
        tokio::spawn(async move {
            let mut remembered = remembered.lock().await;
            if let Some((known, layout)) = remembered.as_ref()
                && *known == stamps(&files)
            {
                return Ok(Arc::clone(layout));
            }
            let known = stamps(&files);
            let layout = blocking(move || Ok(Layout::of(&table, &files, max_rows)?)).await.map_err(refusal)?;
            let layout = Arc::new(layout);
            *remembered = Some((known, Arc::clone(&layout)));
            Ok(layout)
        })
    }

    /// What files hold that are open.
    async fn layout(&self, table: &Arc<Table>, files: &[Opened]) -> Result<Arc<Layout>, Problem> {
        let looking = self.looking(table, files);
        looking.await.unwrap_or_else(|_| Err(Problem::new(SourceErrorKind::Internal, "reading files ended unexpectedly")))
    }

    /// What is known of files that are open without their being read whole, where that is enough to describe a table; and a note that
    /// says so.
    async fn outline(&self, table: &Arc<Table>, files: &[Opened]) -> Result<Option<(Arc<Layout>, Option<String>)>, Problem> {
        let bytes: u64 = files.iter().map(|file| file.stamp.size).sum();
        if bytes <= self.limits.check_at_start {
            return Ok(None);
        }
        if let Ok(remembered) = self.remembered(table).try_lock()
            && let Some((known, layout)) = remembered.as_ref()
            && *known == stamps(files)
        {
            return Ok(Some((Arc::clone(layout), None)));
        }
        let (wanted, opened) = (Arc::clone(table), files.to_vec());
        let outline = blocking(move || Ok(Layout::outline(&wanted, &opened)?)).await.map_err(refusal)?;
        let note =
            || format!("table '{}' has {bytes} bytes: mistakes in it are found in the background, and told by its queries", table.name);
        Ok(outline.map(|outline| (Arc::new(outline), Some(note()))))
    }

    /// What is told of a table: of a large one as little is read as that takes, and the rest meanwhile.
    async fn look(&self, table: &Arc<Table>) -> Result<(Arc<Layout>, Option<String>), Problem> {
        let files = self.open(table).await?;
        match self.outline(table, &files).await? {
            Some((layout, note)) => {
                if note.is_some() {
                    drop(self.looking(table, &files));
                }
                Ok((layout, note))
            }
            None => Ok((self.layout(table, &files).await?, None)),
        }
    }

    async fn described(&self, tables: Vec<Arc<Table>>, mut notes: Vec<String>) -> RemoteSchema {
        let mut described = Vec::with_capacity(tables.len());
        for table in tables {
            match self.look(&table).await {
                Ok((layout, note)) => {
                    notes.extend(layout.notes.iter().cloned().chain(note));
                    notes.extend(layout.defect.iter().map(|defect| format!("table '{}' cannot be read: {}", table.name, defect.message)));
                    described.push(layout.remote_table(&table));
                }
                Err(problem) => notes.push(format!("table '{}' is left out: {}", table.name, problem.message)),
            }
        }
        let mut hasher = DefaultHasher::new();
        for table in &described {
            // How many rows there are is no part of what there is.
            format!("{:?}", RemoteTable { row_estimate: None, ..table.clone() }).hash(&mut hasher);
        }
        let version = format!("{:016x}", hasher.finish());
        RemoteSchema { version, tables: described, notes, capabilities: self.capabilities.clone(), ..RemoteSchema::default() }
    }

    /// Opens and looks into what a query reads.
    async fn start(&self, query: SourceQuery, context: &QueryContext) -> Result<Started, Problem> {
        let (schema, asked) = (query.result_schema(), translate::asked(query)?);
        let table = self.table(&asked.table.table).await?;
        let files = self.open(&table).await?;
        let layout = self.layout(&table, &files).await?;
        if let Some(defect) = &layout.defect {
            return Err(defect.clone());
        }
        let wanted = translate::positions(&asked.table, &layout)?;
        let (batches, received) = mpsc::channel(BATCHES_AHEAD);
        let deadline = context.remaining().map(|left| Instant::now() + left);
        let (source_name, limits) = (self.name.clone(), context.request.limits);
        Ok(Started {
            running: Running { source_name, table, files, layout, asked, wanted, schema, limits, deadline, batches, sent: (0, 0) },
            received,
        })
    }
}

struct Started {
    running: Running,
    received: mpsc::Receiver<Result<Piece, SourceError>>,
}

fn refusal(failure: NotOpened) -> Problem {
    match failure {
        NotOpened::Unsettled { file, .. } => being_written(&file),
        NotOpened::Failed(problem) => problem,
    }
}

#[async_trait]
impl Source for FilesSource {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let work = async {
            let (tables, notes) = match &self.tables {
                Some(tables) => {
                    // Whether the directory is there at all is said for all of them.
                    let directory = self.directory.clone();
                    blocking(move || Ok(directory.files().map(drop)?)).await.map_err(refusal)?;
                    (tables.clone(), Vec::new())
                }
                None => {
                    let directory = self.directory.clone();
                    let found = blocking(move || Ok(discover(&directory)?)).await.map_err(refusal)?;
                    (found.tables.into_iter().map(Arc::new).collect(), found.notes)
                }
            };
            let tables = tables.into_iter().filter(|table| wanted.tables().is_none_or(|names| names.contains(&table.name)));
            Ok(self.described(tables.collect(), notes).await)
        };
        // Looking into large files takes its time: only the whole of it is limited.
        match context.remaining() {
            Some(left) => tokio::time::timeout(left, work)
                .await
                .unwrap_or_else(|_| Err(Problem::new(SourceErrorKind::Timeout, "the deadline has passed"))),
            None => work.await,
        }
        .map_err(|problem| self.error(problem))
    }

    async fn probe(&self, _context: &QueryContext) -> Result<Probe, SourceError> {
        let (directory, tables) = (self.directory.clone(), self.tables.clone());
        let state = blocking(move || {
            let mut hasher = DefaultHasher::new();
            let files = directory.files()?;
            match tables {
                // One table that is not there does not mean that the others are not.
                Some(tables) => tables.iter().for_each(|table| match directory.stamps(&table.pattern) {
                    Ok(stamps) => stamps.hash(&mut hasher),
                    Err(problem) => problem.message.hash(&mut hasher),
                }),
                None => {
                    for file in files {
                        directory.stamp(&file).hash(&mut hasher);
                        file.hash(&mut hasher);
                    }
                }
            }
            Ok(format!("{:016x}", hasher.finish()))
        });
        let state = state.await.map_err(|failure| self.error(refusal(failure)))?;
        Ok(Probe { schema: Some(state) })
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        translate::check(&query, &self.capabilities).map_err(|problem| self.error(problem))?;
        context.turn().await?;
        context.sending(&translate::describe(&query));
        let mut waiting = Patience::new(self.timeout, context).waiting();
        waiting.patience().check().map_err(|late| self.late(late))?;
        let schema = query.result_schema();
        let started = waiting.part(self.start(query, context)).await.map_err(|late| self.late(late))?;
        let Started { running, received } = started.map_err(|problem| self.error(problem))?;
        let report = ReportHandle::default();
        drop(tokio::task::spawn_blocking(move || running.run()));
        let reading = Reading { received, waiting, source_name: self.name.clone(), report: report.clone() };
        let rows = stream::unfold(Some(reading), next).fuse();
        Ok(QueryStream::new(schema, Box::pin(rows), report))
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        if translate::check(query, &self.capabilities).is_ok() { vec![translate::describe(query)] } else { Vec::new() }
    }
}

/// An answer that is being read.
struct Reading {
    received: mpsc::Receiver<Result<Piece, SourceError>>,
    waiting: Waiting,
    source_name: String,
    report: ReportHandle,
}

async fn next(state: Option<Reading>) -> Option<(Result<RecordBatch, SourceError>, Option<Reading>)> {
    let mut reading = state?;
    let failed = |reading: &Reading, kind, message: String| Some((Err(SourceError::new(reading.source_name.clone(), kind, message)), None));
    match reading.waiting.part(reading.received.recv()).await {
        Ok(Some(Ok(Piece::Rows(batch)))) => Some((Ok(batch), Some(reading))),
        Ok(Some(Ok(Piece::End(report)))) => {
            reading.report.set(report);
            None
        }
        Ok(Some(Err(error))) => Some((Err(error), None)),
        // The thread has ended without saying so.
        Ok(None) => failed(&reading, SourceErrorKind::Internal, "reading files ended unexpectedly".to_owned()),
        Err(late) => failed(&reading, SourceErrorKind::Timeout, late.to_string()),
    }
}
