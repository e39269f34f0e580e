//! A large table read over several connections at once. One transaction shows its snapshot, the others take it over: whatever is written
//! meanwhile, the rows are those of one moment; each locks the table against being rewritten before it reads. The table is cut into ranges of pages, more than there are connections, and whoever is free
//! takes the next: a slow one holds up its own range alone. Batches meet in a short queue, so the client's pace is that of all. The first
//! failure fails the whole, and ends the others at the server; so does a client that leaves.

use crate::client::{Client, Lease, Reading, Request};
use crate::errors::Failure;
use crate::native_request;
use crate::rows::{Batches, Promise, Tally};
use crate::translate;
use arrow::array::RecordBatch;
use portico_provider_api::stream::BatchStream;
use portico_provider_api::{Patience, QueryContext, ReportHandle, SourceError, SourceErrorKind, SourceQuery, Waiting};
use portico_provider_sql::PageRange;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

/// Ranges for each connection: enough that the last ones end at about the same time.
const RANGES_EACH: usize = 4;

/// How long one who helps waits for the table's lock, which is free or will not be until the end: not at all.
const HELPERS_WAIT: &str = "SET LOCAL lock_timeout = 1";

/// How many pages a table has, how large they are, and whether the table is still the one that the transaction's snapshot sees: a rewrite
/// (`VACUUM FULL`, `CLUSTER`, `TRUNCATE`, some of `ALTER TABLE`) gives it another file, in which rows have other places, or which has none for
/// older snapshots. What `pg_class` says is of the snapshot, what the function says is of now.
///
/// No row when it is not an ordinary table that is found by its pages (views, partitioned and foreign tables, tables with children, other
/// ways of storage), only some of its columns may be read (places are none of them), or the server cannot look for rows by page (before
/// PostgreSQL 14).
const PAGES: &str = "SELECT pg_relation_size(c.oid) / current_setting('block_size')::int8, current_setting('block_size')::int8, \
     coalesce(c.relfilenode = pg_relation_filenode(c.oid), false) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid = c.relam \
     WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'm') AND a.amname = 'heap' AND NOT c.relhassubclass \
     AND has_table_privilege(c.oid, 'SELECT') AND current_setting('server_version_num')::int4 >= 140000";

/// When tables are read in parts.
#[derive(Debug, Clone, Copy)]
pub struct Splitting {
    /// Connections for one query.
    pub connections: usize,
    /// Bytes from which a table is large.
    pub above: u64,
}

/// A read that may be one of parts.
pub enum Opened {
    /// All over one connection.
    Whole(Box<Reading>),
    /// Over several.
    Parts(BatchStream),
}

/// A query that can be read in parts, with all that its answer needs.
pub struct Scan {
    /// The query.
    pub query: SourceQuery,
    /// The table as SQL names it.
    pub table: String,
    /// The query as a whole.
    pub request: Request,
    /// What its answer must be.
    pub promise: Promise,
    /// Where the report is left.
    pub report: ReportHandle,
    /// Who asks.
    pub context: QueryContext,
}

/// What those who read know.
struct Shared {
    client: Client,
    scan: Scan,
    ranges: Vec<PageRange>,
    /// The next range that nobody has taken.
    next: AtomicUsize,
    patience: Patience,
}

/// What those who read send: a batch, or nothing where a range has ended, behind its last batch.
type Sent = Result<Option<RecordBatch>, SourceError>;

/// Starts a read of a table: in parts where the table is large, the server would read all of it, and there are connections to spare.
///
/// # Errors
/// What the server says, `Timeout`, or `Unavailable`.
pub async fn open(client: &Client, splitting: Splitting, scan: Scan, patience: Patience) -> Result<Opened, SourceError> {
    // Beside the one that reads in any case, and the last, which is for others.
    let helpers = client.free_connections().saturating_sub(2).min(splitting.connections.saturating_sub(1));
    if helpers > 0
        && let Some((lease, Parts { snapshot, ranges })) = begin(client, splitting, helpers, &scan, patience).await?
    {
        let shared = Arc::new(Shared { client: client.clone(), scan, ranges, next: AtomicUsize::new(0), patience });
        return Ok(Opened::Parts(stream(shared, lease, snapshot, helpers)));
    }
    scan.context.sending(&native_request(&scan.request));
    Ok(Opened::Whole(Box::new(client.read(&scan.request, patience).await?)))
}

/// The connection whose snapshot all share, and what is to be read; none where the table is to be read at once. Nothing has been handed out yet,
/// so a connection that turns out to be broken is replaced once.
async fn begin(
    client: &Client,
    splitting: Splitting,
    helpers: usize,
    scan: &Scan,
    patience: Patience,
) -> Result<Option<(Lease, Parts)>, SourceError> {
    let (deadline, mut again) = (patience.until(), true);
    loop {
        let mut lease = client.lease(deadline).await?;
        match tokio::time::timeout_at(deadline, prepare(&mut lease, splitting, helpers, scan, patience)).await {
            Err(_) => return Err(client.late(patience.late())),
            Ok(Ok(Some(parts))) => return Ok(Some((lease, parts))),
            Ok(Ok(None)) => {
                lease.conclude().await;
                return Ok(None);
            }
            Ok(Err(error)) => {
                if !client.give_up(lease, &error).await || !std::mem::replace(&mut again, false) {
                    return Err(client.error(&error));
                }
            }
        }
    }
}

/// What all who read in parts share.
struct Parts {
    snapshot: String,
    ranges: Vec<PageRange>,
}

/// Looks whether the table is worth several connections. Where it is, opens the transaction whose snapshot all share, with the table locked
/// against being rewritten; none where it is not, or was rewritten in between.
async fn prepare(
    lease: &mut Lease,
    splitting: Splitting,
    helpers: usize,
    scan: &Scan,
    patience: Patience,
) -> Result<Option<Parts>, Failure> {
    lease.begin();
    let Some(Look { pages, bytes, .. }) = look(lease, scan).await? else { return lease.still(None) };
    let filtered = !scan.request.parameters.is_empty() || scan.query.filter.is_some();
    if bytes <= splitting.above || filtered && !reads_all(lease.connection()?, &scan.request).await? {
        return lease.still(None);
    }
    lease.open_snapshot(None, patience).await?;
    lease.begin();
    if !lock(lease, scan).await? {
        return lease.still(None);
    }
    let snapshot: String = lease.connection()?.query_one("SELECT pg_export_snapshot()", &[]).await?.try_get(0)?;
    let ranges = u32::try_from((helpers + 1) * RANGES_EACH).unwrap_or(u32::MAX);
    lease.still(Some(Parts { snapshot, ranges: PageRange::split(pages, ranges) }))
}

/// What is known of a table that can be read in parts.
struct Look {
    pages: u32,
    bytes: u64,
    /// Whether it is the table that the snapshot sees.
    same: bool,
}

async fn look(lease: &Lease, scan: &Scan) -> Result<Option<Look>, Failure> {
    let object = lease.connection()?;
    let statement = object.prepare_cached(PAGES).await?;
    let Some(row) = object.query_opt(&statement, &[&scan.table]).await? else { return Ok(None) };
    let (pages, page_bytes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let bytes = u64::try_from(pages.saturating_mul(page_bytes)).unwrap_or_default();
    Ok(Some(Look { pages: u32::try_from(pages).unwrap_or(u32::MAX), bytes, same: row.try_get(2)? }))
}

/// Locks what the query reads until the end of the transaction, as a read does, which is what describing it takes: no privilege to lock is
/// needed, and materialised views can be locked in no other way. Whether the table is then still what the transaction's snapshot sees: from
/// here on it stays so.
async fn lock(lease: &Lease, scan: &Scan) -> Result<bool, Failure> {
    lease.connection()?.prepare(&scan.request.text).await?;
    Ok(look(lease, scan).await?.is_some_and(|look| look.same))
}

/// Whether the server answers by looking at every row of the table, one process alone. Where it has an index for the filter, or several
/// processes of its own, ranges of pages would make it slower.
async fn reads_all(object: &tokio_postgres::Client, request: &Request) -> Result<bool, Failure> {
    let explain = format!("EXPLAIN (FORMAT JSON) {}", request.text);
    let statement = object.prepare(&explain).await?;
    let rows = futures::TryStreamExt::try_collect::<Vec<_>>(object.query_raw(&statement, &request.parameters).await?).await?;
    let plan: Option<serde_json::Value> = rows.first().and_then(|row| {
        let text: crate::decode::RawCell<'_> = row.try_get(0).ok()?;
        serde_json::from_slice(text.0).ok()
    });
    Ok(plan.is_some_and(|plan| plan[0]["Plan"]["Node Type"] == "Seq Scan"))
}

fn stream(shared: Arc<Shared>, lease: Lease, snapshot: String, helpers: usize) -> BatchStream {
    let (sender, receiver) = channel(helpers + 1);
    let mut workers = JoinSet::new();
    for _ in 0..helpers {
        workers.spawn(help(Arc::clone(&shared), snapshot.clone(), sender.clone()));
    }
    // The one whose snapshot it is goes on until no range is left: the others can come late, or never.
    workers.spawn(work(Arc::clone(&shared), lease, sender));
    let tally = Tally::new(shared.client.source_name(), &shared.scan.promise);
    let waiting = shared.patience.waiting();
    let state = Gathering { shared, receiver, waiting, tally, ended: 0, _workers: workers };
    Box::pin(futures::stream::try_unfold(state, Gathering::next))
}

/// The reader's side. Dropped, it ends all who work for it, and they their statements.
struct Gathering {
    shared: Arc<Shared>,
    receiver: Receiver<Sent>,
    waiting: Waiting,
    tally: Tally,
    /// Ranges whose rows have all come.
    ended: usize,
    _workers: JoinSet<()>,
}

impl Gathering {
    async fn next(mut self) -> Result<Option<(RecordBatch, Gathering)>, SourceError> {
        let Shared { client, scan, ranges, .. } = self.shared.as_ref();
        // All has come when every range has ended: one who has not got its connection yet is not waited for.
        while self.ended < ranges.len() {
            match self.waiting.part(self.receiver.recv()).await {
                Err(late) => return Err(client.late(late)),
                Ok(Some(sent)) => match sent? {
                    Some(batch) => {
                        self.tally.add(&batch)?;
                        return Ok(Some((batch, self)));
                    }
                    None => self.ended += 1,
                },
                Ok(None) => {
                    let message = "a part of the table was not read to its end";
                    return Err(SourceError::new(client.source_name(), SourceErrorKind::Internal, message));
                }
            }
        }
        scan.report.set(self.tally.report(ranges.len() as u64));
        Ok(None)
    }
}

/// Reads ranges on a further connection, if there is one to be had while ranges are left. Without, nothing is lost: it has taken none.
async fn help(shared: Arc<Shared>, snapshot: String, sender: Sender<Sent>) {
    let deadline = shared.patience.until();
    let Some(mut lease) = shared.client.lease_spare(deadline).await else { return };
    match tokio::time::timeout_at(deadline, join(&mut lease, &shared, &snapshot)).await {
        Ok(Ok(true)) => work(shared, lease, sender).await,
        Ok(Ok(false)) => lease.conclude().await,
        Ok(Err(error)) => {
            tracing::debug!("a connection does not take part in reading a table: {}", shared.client.error(&error).message);
            lease.conclude().await;
        }
        Err(_) => lease.discard(),
    }
}

/// Takes over the snapshot and locks the table before any range is taken. A rewrite that waits for those who read already would be waited for
/// in turn, with a range in hand that nobody else reads: the ranges are left to them instead. True when the connection takes part.
async fn join(lease: &mut Lease, shared: &Shared, snapshot: &str) -> Result<bool, Failure> {
    lease.open_snapshot(Some(snapshot), shared.patience).await?;
    lease.begin();
    lease.connection()?.batch_execute(HELPERS_WAIT).await?;
    let same = lock(lease, &shared.scan).await?;
    lease.connection()?.batch_execute("SET LOCAL lock_timeout TO DEFAULT").await?;
    lease.still(same)
}

/// Reads ranges, one after the other, until none is left.
async fn work(shared: Arc<Shared>, mut lease: Lease, sender: Sender<Sent>) {
    while let Some(range) = shared.ranges.get(shared.next.fetch_add(1, Ordering::Relaxed)) {
        match read(&shared, lease, *range, &sender).await {
            Ok(Some(same)) => lease = same,
            // Nobody listens any more.
            Ok(None) => return,
            Err(error) => {
                let _ = sender.send(Err(error)).await;
                return;
            }
        }
        if sender.send(Ok(None)).await.is_err() {
            return;
        }
    }
    lease.conclude().await;
}

/// Reads one range. The connection comes back, unless nobody listens.
async fn read(shared: &Shared, mut lease: Lease, range: PageRange, sender: &Sender<Sent>) -> Result<Option<Lease>, SourceError> {
    let Shared { client, scan, patience, .. } = shared;
    let request = translate::pages(client.source_name(), &scan.query, range)?;
    scan.context.sending(&native_request(&request));
    let mut waiting = patience.waiting();
    let (types, first) = match waiting.part(lease.start_inside(&request, *patience)).await {
        Err(late) => return Err(client.late(late)),
        Ok(begun) => begun.map_err(|failure| client.error(&failure))?,
    };
    let reading = Reading { lease, types, first, waiting };
    let mut batches = Batches::new(client.clone(), reading, &scan.promise, request.copied)?.keeping();
    while let Some(batch) = batches.next().await? {
        if sender.send(Ok(Some(batch))).await.is_err() {
            return Ok(None);
        }
    }
    Ok(Some(batches.into_lease()))
}
