//! Requests that run while their client does not wait: started, asked about, cancelled. Results rest in memory, bounded in bytes and
//! time, and are for whoever asked. The store keeps who asked for what, so that after a restart a client is told that its request is
//! gone, rather than that there never was one. It must not know what is asked or answered.

use super::{Entry, StateError, StateStore};
use bytes::Bytes;
use futures::Stream;
use portico_engine::Principal;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Who asked for what, by id.
const NAMESPACE: &str = "asynchronous";
/// The form of what is kept there.
const FORM: u8 = 1;
/// What a result takes besides its body.
const OVERHEAD: usize = 1_024;

/// A complete answer. Headers are names and values in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, in pieces as they came.
    pub body: Vec<Bytes>,
}

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It runs.
    Pending,
    /// It is done.
    Done(Arc<Completed>),
    /// It was asked for, and is no longer here: the process was restarted, or another one runs it.
    Lost,
    /// There is no such request, or it is somebody else's.
    Unknown,
}

struct Job {
    owner: Arc<Principal>,
    result: Option<Arc<Completed>>,
    bytes: usize,
    done: watch::Receiver<bool>,
    task: Option<AbortHandle>,
}

#[derive(Default)]
struct Table {
    jobs: HashMap<String, Job>,
    bytes: usize,
}

/// The requests of this process.
#[derive(Clone)]
pub struct Jobs {
    table: Arc<Mutex<Table>>,
    store: Arc<dyn StateStore>,
    most: usize,
    lifetime: Duration,
}

/// Takes what a result may hold from what all may hold together. What is taken is given back when the job is forgotten.
pub struct Budget {
    jobs: Jobs,
    id: String,
}

impl Budget {
    /// Takes this many bytes; `false` when there are not so many left.
    pub fn take(&self, bytes: usize) -> bool {
        let mut table = self.jobs.table();
        if table.bytes.saturating_add(bytes) > self.jobs.most {
            return false;
        }
        // A job that was cancelled meanwhile has nothing to give back.
        let Some(job) = table.jobs.get_mut(&self.id) else { return false };
        job.bytes += bytes;
        table.bytes += bytes;
        true
    }

    /// Gives back everything that was taken for the body.
    pub fn clear(&self) {
        let mut table = self.jobs.table();
        let taken = table.jobs.get_mut(&self.id).map_or(0, |job| std::mem::replace(&mut job.bytes, OVERHEAD) - OVERHEAD);
        table.bytes -= taken;
    }

    /// Collects a body; `None` when it does not fit.
    ///
    /// # Errors
    /// The first error of the body.
    pub async fn collect<E>(&self, body: impl Stream<Item = Result<Bytes, E>>) -> Result<Option<Vec<Bytes>>, E> {
        use futures::StreamExt;
        let mut body = std::pin::pin!(body);
        let mut pieces = Vec::new();
        while let Some(piece) = body.next().await {
            let piece = piece?;
            if !self.take(piece.len()) {
                return Ok(None);
            }
            pieces.push(piece);
        }
        Ok(Some(pieces))
    }
}

impl Jobs {
    /// None yet.
    pub fn new(store: Arc<dyn StateStore>, most: usize, lifetime: Duration) -> Jobs {
        Jobs { table: Arc::default(), store, most, lifetime }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a request that takes at most `time`, and gives its id.
    ///
    /// # Errors
    /// When it cannot be noted, or there is no room for another result.
    pub async fn start<F>(&self, owner: &Arc<Principal>, time: Duration, work: impl FnOnce(Budget) -> F) -> Result<String, StateError>
    where
        F: Future<Output = Completed> + Send + 'static,
    {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let note = [&[FORM], owner.name.as_bytes()].concat();
        let lifetime = Some(time.saturating_add(self.lifetime));
        self.store.put(NAMESPACE, vec![Entry { key: id.clone().into_bytes(), value: note, lifetime }]).await?;
        let (finished, done) = watch::channel(false);
        {
            let mut table = self.table();
            if table.bytes.saturating_add(OVERHEAD) > self.most {
                return Err(StateError::Full(self.most));
            }
            table.bytes += OVERHEAD;
            let job = Job { owner: Arc::clone(owner), result: None, bytes: OVERHEAD, done, task: None };
            table.jobs.insert(id.clone(), job);
        }
        let work = work(Budget { jobs: self.clone(), id: id.clone() });
        let (jobs, own) = (self.clone(), id.clone());
        let task = tokio::spawn(async move {
            let completed = Arc::new(work.await);
            if let Some(job) = jobs.table().jobs.get_mut(&own) {
                job.result = Some(completed);
            }
            // Nobody may be waiting.
            let _ = finished.send(true);
            tokio::time::sleep(jobs.lifetime).await;
            jobs.forget(&own);
        });
        if let Some(job) = self.table().jobs.get_mut(&id) {
            job.task = Some(task.abort_handle());
        }
        Ok(id)
    }

    fn forget(&self, id: &str) -> Option<Job> {
        let mut table = self.table();
        let job = table.jobs.remove(id)?;
        table.bytes -= job.bytes;
        Some(job)
    }

    /// Waits until a request is done, at most this long.
    pub async fn wait(&self, id: &str, time: Duration) {
        let Some(mut done) = self.table().jobs.get(id).map(|job| job.done.clone()) else { return };
        // That the time is over, or the job cancelled, is seen by who looks next.
        let _ = tokio::time::timeout(time, done.wait_for(|done| *done)).await;
    }

    /// What is known of a request that this caller made.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn look(&self, id: &str, caller: &Arc<Principal>) -> Result<Progress, StateError> {
        if let Some(job) = self.table().jobs.get(id) {
            return Ok(match &job.result {
                _ if job.owner != *caller => Progress::Unknown,
                Some(completed) => Progress::Done(Arc::clone(completed)),
                None => Progress::Pending,
            });
        }
        let noted = self.store.get(NAMESPACE, vec![id.as_bytes().to_vec()]).await?.pop().flatten();
        let own = noted.is_some_and(|note| note.split_first().is_some_and(|(form, name)| *form == FORM && name == caller.name.as_bytes()));
        Ok(if own { Progress::Lost } else { Progress::Unknown })
    }

    /// Cancels a request, or throws its result away. Says whether there was one of this caller.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub async fn cancel(&self, id: &str, caller: &Arc<Principal>) -> Result<bool, StateError> {
        if matches!(self.look(id, caller).await?, Progress::Unknown) {
            return Ok(false);
        }
        self.drop_job(id);
        self.store.delete(NAMESPACE, vec![id.as_bytes().to_vec()]).await?;
        Ok(true)
    }

    /// Cancels a request in this process, without asking the store.
    pub fn drop_job(&self, id: &str) {
        if let Some(task) = self.forget(id).and_then(|job| job.task) {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StateSettings;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn jobs(most: usize, lifetime: Duration) -> Jobs {
        let store = super::super::open(&StateSettings { sqlite: None, max_memory: 10_000 }).unwrap();
        Jobs::new(store, most, lifetime)
    }

    fn caller(name: &str) -> Arc<Principal> {
        Arc::new(Principal { name: name.to_owned(), ..Principal::default() })
    }

    fn answer(body: &str) -> Completed {
        Completed { status: 200, headers: Vec::new(), body: vec![Bytes::from(body.to_owned())] }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_result_is_for_who_asked_until_it_is_forgotten() {
        let jobs = jobs(10_000, Duration::from_millis(200));
        let (ann, bob) = (caller("ann"), caller("bob"));
        let id = jobs.start(&ann, LONG, |_| async { answer("x") }).await.unwrap();
        jobs.wait(&id, LONG).await;
        assert_eq!(jobs.look(&id, &ann).await, Ok(Progress::Done(Arc::new(answer("x")))));
        assert_eq!(jobs.look(&id, &bob).await, Ok(Progress::Unknown));
        assert_eq!(jobs.cancel(&id, &bob).await, Ok(false));
        while jobs.look(&id, &ann).await != Ok(Progress::Lost) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(jobs.table().bytes, 0);
        // Another process over the same store knows that there was one.
        let other = Jobs::new(Arc::clone(&jobs.store), 1_000, LONG);
        assert_eq!((other.look(&id, &ann).await, other.look(&id, &bob).await), (Ok(Progress::Lost), Ok(Progress::Unknown)));
    }

    #[tokio::test]
    async fn a_cancelled_request_stops() {
        struct Flag(Arc<AtomicBool>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let (jobs, ann, dropped) = (jobs(10_000, LONG), caller("ann"), Arc::new(AtomicBool::new(false)));
        let flag = Flag(Arc::clone(&dropped));
        let work = |_| async move {
            let _flag = flag;
            std::future::pending().await
        };
        let id = jobs.start(&ann, LONG, work).await.unwrap();
        jobs.wait(&id, Duration::from_millis(10)).await;
        assert_eq!(jobs.look(&id, &ann).await, Ok(Progress::Pending));
        assert_eq!(jobs.cancel(&id, &ann).await, Ok(true));
        assert_eq!(jobs.look(&id, &ann).await, Ok(Progress::Unknown));
        while !dropped.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(jobs.table().bytes, 0);
    }

    #[tokio::test]
    async fn all_results_together_are_bounded() {
        let (jobs, ann) = (jobs(4_600, LONG), caller("ann"));
        let collect = |size: usize| {
            move |budget: Budget| async move {
                let body = futures::stream::iter([Ok::<_, ()>(Bytes::from(vec![0; size])), Ok(Bytes::new())]);
                match budget.collect(body).await {
                    Ok(Some(body)) => Completed { body, ..answer("") },
                    _ => {
                        budget.clear();
                        Completed { status: 413, ..answer("") }
                    }
                }
            }
        };
        let status = async |size| {
            let id = jobs.start(&ann, LONG, collect(size)).await?;
            jobs.wait(&id, LONG).await;
            match jobs.look(&id, &ann).await? {
                Progress::Done(completed) => Ok(completed.status),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(status(1_500).await, Ok(200));
        assert_eq!(status(1_500).await, Ok(413));
        assert_eq!(status(0).await, Ok(200), "the refused one has given its bytes back");
        assert_eq!(status(0).await, Err(StateError::Full(4_600)));
    }
}
