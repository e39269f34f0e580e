//! A query that is being answered, on a thread of its own: file after file, batch after batch, as fast as the reader takes them. What it sends
//! was read from files that were the same before and after.

use crate::chunk::{self, Chunk};
use crate::decode::as_declared;
use crate::directory::Opened;
use crate::layout::Layout;
use crate::problem::Problem;
use crate::pruning::Pruning;
use crate::table::Table;
use crate::translate::Asked;
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use portico_provider_api::{Limits, QueryReport, SourceError, SourceErrorKind, TableEvaluation};
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::sync::mpsc::Sender;

/// What a query reads, and to whom its rows go.
pub(crate) struct Running {
    pub(crate) source_name: String,
    pub(crate) table: Arc<Table>,
    pub(crate) files: Vec<Opened>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) asked: Asked,
    /// Positions of the wanted columns in the layout.
    pub(crate) wanted: Vec<usize>,
    pub(crate) schema: SchemaRef,
    pub(crate) limits: Limits,
    pub(crate) deadline: Option<Instant>,
    pub(crate) batches: Sender<Result<Piece, SourceError>>,
    pub(crate) sent: (u64, u64),
}

/// A piece of an answer.
pub(crate) enum Piece {
    /// Some rows.
    Rows(RecordBatch),
    /// That there are no more of them.
    End(QueryReport),
}

/// Why nothing more is sent.
enum Stopped {
    /// Nobody reads any more.
    Unread,
    Failed(Problem),
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Stopped {
        Stopped::Failed(problem)
    }
}

impl Running {
    /// Answers, and says at the end that it is the end.
    pub(crate) fn run(mut self) {
        let as_of = SystemTime::now();
        let last = match self.answer() {
            Ok(()) => {
                let (rows, bytes) = self.sent;
                Ok(Piece::End(QueryReport { as_of, requests: 1, rows, bytes, complete: true }))
            }
            Err(Stopped::Unread) => return,
            Err(Stopped::Failed(problem)) => Err(problem.of(&self.source_name)),
        };
        // Where nobody reads any more, nobody is told.
        drop(self.batches.blocking_send(last));
    }

    fn answer(&mut self) -> Result<(), Stopped> {
        if let Some((columns, has_row)) = self.asked.counted {
            let count = self.count()?;
            return if has_row { self.send_count(count, columns) } else { Ok(()) };
        }
        let evaluation = TableEvaluation::owned(self.asked.query.clone()).map_err(|error| Problem::evaluation(&error))?;
        let (mut skip, mut left) = (self.asked.query.offset, self.asked.query.limit.unwrap_or(u64::MAX));
        if left == 0 {
            return Ok(());
        }
        self.each(|running, batch| {
            let wanted = usize::try_from(skip.saturating_add(left)).unwrap_or(usize::MAX);
            let rows = evaluation.select(batch, wanted).map_err(|error| Problem::evaluation(&error))?;
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(rows.len());
            let kept = rows.get(skipped..).unwrap_or_default();
            skip -= skipped as u64;
            left = left.saturating_sub(kept.len() as u64);
            if !kept.is_empty() {
                let answer = evaluation.project(batch, kept).map_err(|error| Problem::evaluation(&error))?;
                running.send(answer)?;
            }
            Ok(left > 0)
        })
    }

    fn count(&mut self) -> Result<u64, Stopped> {
        let query = &self.asked.query;
        if let (None, None, Some(rows)) = (&query.filter, &query.keys, self.layout.rows) {
            return Ok(rows);
        }
        let evaluation = TableEvaluation::owned(query.clone()).map_err(|error| Problem::evaluation(&error))?;
        let mut count = 0;
        self.each(|_, batch| {
            count += evaluation.count(batch).map_err(|error| Problem::evaluation(&error))?;
            Ok(true)
        })?;
        Ok(count)
    }

    /// Reads the table, batch by batch, for as long as it is wanted.
    fn each(&mut self, mut take: impl FnMut(&mut Running, &RecordBatch) -> Result<bool, Stopped>) -> Result<(), Stopped> {
        let pruning = Pruning::of(&self.asked.query).map(Arc::new);
        for file in self.files.clone() {
            let changed = |problem: Problem| file.unchanged().err().unwrap_or(problem);
            let (table, layout, wanted) = (Arc::clone(&self.table), Arc::clone(&self.layout), self.wanted.clone());
            let goes_on = chunk::with_chunks(&table, &file, &layout, &wanted, pruning.clone(), |chunks| {
                while let Some(Chunk { batch, rows }) = chunks.next().map_err(changed)? {
                    // What was read up to here is of the version that was opened, or nothing of it is told.
                    file.unchanged()?;
                    self.still_wanted()?;
                    let place = |row: usize| format!("{}, {}", file.name, chunks.place(rows.get(row).copied().unwrap_or_default()));
                    let batch = as_declared(batch, &self.asked.table, &self.layout, &place)?;
                    if !take(self, &batch)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            });
            let goes_on = goes_on.map_err(|stopped| match stopped {
                Stopped::Failed(problem) => Stopped::Failed(changed(problem)),
                Stopped::Unread => Stopped::Unread,
            })?;
            if !goes_on {
                return Ok(());
            }
            file.unchanged()?;
        }
        Ok(())
    }

    fn still_wanted(&self) -> Result<(), Stopped> {
        if self.batches.is_closed() {
            return Err(Stopped::Unread);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Problem::new(SourceErrorKind::Timeout, "the deadline has passed").into());
        }
        Ok(())
    }

    fn send_count(&mut self, count: u64, columns: usize) -> Result<(), Stopped> {
        let count = i64::try_from(count).map_err(|_| Problem::new(SourceErrorKind::Data, "the number of rows does not fit int64"))?;
        let arrays = (0..columns).map(|_| Arc::new(Int64Array::from(vec![count])) as ArrayRef).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays);
        self.send(batch.map_err(|error| Problem::new(SourceErrorKind::Internal, error.to_string()))?)
    }

    fn send(&mut self, batch: RecordBatch) -> Result<(), Stopped> {
        self.sent.0 += batch.num_rows() as u64;
        self.sent.1 += batch.get_array_memory_size() as u64;
        let over = |sent: u64, most: u64| most > 0 && sent > most;
        let Limits { max_rows, max_bytes } = self.limits;
        if over(self.sent.0, max_rows) {
            return Err(Problem::new(SourceErrorKind::Unsupported, format!("the answer has more than the allowed {max_rows} rows")).into());
        }
        if over(self.sent.1, max_bytes) {
            return Err(
                Problem::new(SourceErrorKind::Unsupported, format!("the answer has more than the allowed {max_bytes} bytes")).into()
            );
        }
        self.batches.blocking_send(Ok(Piece::Rows(batch))).map_err(|_| Stopped::Unread)
    }
}
