//! Connections that several look-ups use at once: their statements are sent one after the other without waiting for answers in between, so
//! that the server and this process wake up for many of them together. Only look-ups come here: what runs long would hold up all behind it.
//! Each runtime that looks up has its own, as long as there are enough: a runtime of one thread then reads what it has asked without waking
//! another. It must not know the IR.
//!
//! A connection on which nothing has come back for a while (a lock holds a look-up up, or the network swallows it) gets no more; those who
//! come meanwhile go to the pool. Once nobody waits on it any more, it is replaced.

use crate::client::{CACHED_STATEMENTS, Client, types};
use crate::encode::Bound;
use crate::errors::{self, Failure};
use deadpool_postgres::ClientWrapper;
use futures::TryStreamExt;
use portico_provider_api::SourceError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::runtime;
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// For how long a connection with look-ups under way may give no answer before no more are put on it.
const STALL: Duration = Duration::from_millis(250);

/// Of so many connections of a source one is shared.
const ONE_IN: usize = 4;
/// With fewer, queries need all of them.
const FEWEST: usize = 8;
/// Most shared connections.
const MOST: usize = 16;

/// The shared connections of a source. They are made when they are first needed, and are not the pool's.
pub struct SharedConnections {
    slots: Vec<Mutex<Slot>>,
    /// The runtimes that have looked up, in the order in which they came: each begins at the connection of its number.
    runtimes: RwLock<Vec<runtime::Id>>,
}

/// A place for a shared connection.
#[derive(Default)]
enum Slot {
    #[default]
    Free,
    /// Somebody makes one.
    Making,
    Open(Arc<Shared>),
}

/// One of them.
struct Shared {
    connection: ClientWrapper,
    flow: Mutex<Flow>,
}

/// What is under way on a connection. Answers come in the order of the questions.
struct Flow {
    /// How many were asked.
    asked: u64,
    /// Up to which of them answers have come.
    answered: u64,
    /// How many somebody waits for.
    awaited: usize,
    /// Since when nothing has come, where something is under way.
    since: Instant,
}

/// How a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    /// Nothing comes, and somebody waits.
    Stalled,
    /// Closed, or nothing comes and nobody waits any more.
    Spent,
}

/// A place in the order of answers.
struct Place<'a> {
    flow: &'a Mutex<Flow>,
    number: u64,
}

/// The rows of a look-up, and the types of their columns.
pub struct Found {
    /// Types by position.
    pub types: Vec<Type>,
    /// Rows.
    pub rows: Vec<Row>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flow {
    fn new() -> Flow {
        Flow { asked: 0, answered: 0, awaited: 0, since: Instant::now() }
    }

    fn ask(&mut self, now: Instant) -> u64 {
        if self.asked == self.answered {
            self.since = now;
        }
        self.asked += 1;
        self.awaited += 1;
        self.asked
    }

    fn answer(&mut self, number: u64, now: Instant) {
        self.answered = self.answered.max(number);
        self.since = now;
    }

    fn health(&self, now: Instant) -> Health {
        if self.asked == self.answered || now.saturating_duration_since(self.since) < STALL {
            Health::Well
        } else if self.awaited > 0 {
            Health::Stalled
        } else {
            Health::Spent
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        locked(self.flow).awaited -= 1;
    }
}

impl Shared {
    fn health(&self) -> Health {
        if self.connection.is_closed() { Health::Spent } else { locked(&self.flow).health(Instant::now()) }
    }

    async fn ask(&self, text: &str, parameters: &[Bound]) -> Result<Found, Failure> {
        let place = Place { flow: &self.flow, number: locked(&self.flow).ask(Instant::now()) };
        let outcome = find(&self.connection, text, parameters).await;
        locked(place.flow).answer(place.number, Instant::now());
        let stale = outcome.as_ref().is_err_and(|error| error.as_db_error().is_some_and(errors::is_stale_plan));
        if stale || self.connection.statement_cache.size() > CACHED_STATEMENTS {
            self.connection.statement_cache.clear();
        }
        Ok(outcome?)
    }
}

async fn find(connection: &ClientWrapper, text: &str, parameters: &[Bound]) -> Result<Found, tokio_postgres::Error> {
    let statement = connection.prepare_cached(text).await?;
    let rows = connection.query_raw(&statement, parameters).await?.try_collect().await?;
    Ok(Found { types: types(&statement), rows })
}

impl SharedConnections {
    /// As many as a source with so many connections has: none where it has few.
    pub fn of(connections: usize) -> SharedConnections {
        let count = if connections < FEWEST { 0 } else { (connections / ONE_IN).min(MOST) };
        SharedConnections { slots: (0..count).map(|_| Mutex::default()).collect(), runtimes: RwLock::default() }
    }

    /// How many there are at most.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Where the runtime that asks begins to look.
    fn first(&self) -> usize {
        let Ok(handle) = runtime::Handle::try_current() else { return 0 };
        let id = handle.id();
        let place = |known: &[runtime::Id]| known.iter().position(|other| *other == id);
        if let Some(known) = place(&self.runtimes.read().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let mut known = self.runtimes.write().unwrap_or_else(PoisonError::into_inner);
        place(&known).unwrap_or_else(|| {
            known.push(id);
            known.len() - 1
        })
    }

    /// A connection that answers: the runtime's own, made now where there is none yet, or else one that another has made; nothing when all are
    /// stalled or being made, or none can be made.
    async fn take(&self, client: &Client, deadline: Instant) -> Option<(usize, Arc<Shared>)> {
        let first = self.first();
        for step in 0..self.slots.len() {
            let at = first.wrapping_add(step) % self.slots.len();
            let slot = self.slots.get(at)?;
            let known = match &*locked(slot) {
                Slot::Free => None,
                // Whoever comes meanwhile is better off elsewhere.
                Slot::Making => continue,
                Slot::Open(shared) => Some(Arc::clone(shared)),
            };
            match known.map(|shared| (shared.health(), shared)) {
                Some((Health::Well, shared)) => return Some((at, shared)),
                Some((Health::Stalled, _)) => continue,
                Some((Health::Spent, shared)) => self.leave(at, &shared),
                None => {}
            }
            // What a runtime makes it drives: in the place of another, it would be the other's from then on, and wake both for each look-up.
            if step == 0
                && let Some(made) = make(slot, client, deadline).await
            {
                return Some((at, made));
            }
        }
        None
    }

    /// Puts no more look-ups on a connection. Those on it end as they end.
    fn leave(&self, at: usize, shared: &Arc<Shared>) {
        if let Some(slot) = self.slots.get(at) {
            let mut place = locked(slot);
            if matches!(&*place, Slot::Open(other) if Arc::ptr_eq(other, shared)) {
                *place = Slot::Free;
            }
        }
    }

    /// Looks up; nothing when no shared connection can be had, and the pool must serve. A connection that turns out to be broken, or a cached
    /// plan that no longer fits its table, is replaced and the server asked once more.
    ///
    /// # Errors
    /// What the server says, `Timeout`, or `Unavailable`.
    pub async fn look_up(
        &self,
        client: &Client,
        text: &str,
        parameters: &[Bound],
        deadline: Instant,
    ) -> Result<Option<Found>, SourceError> {
        let mut again = true;
        loop {
            let Some((at, shared)) = self.take(client, deadline).await else { return Ok(None) };
            let error = match tokio::time::timeout_at(deadline, shared.ask(text, parameters)).await {
                Err(_) => {
                    self.leave(at, &shared);
                    return Err(client.timeout_error("the server did not answer before the deadline"));
                }
                Ok(Ok(found)) => return Ok(Some(found)),
                Ok(Err(error)) => error,
            };
            let stale = error.server().is_some_and(errors::is_stale_plan);
            let broken = client.drop_broken(&error);
            if broken {
                self.leave(at, &shared);
            }
            if !(stale || broken) || !std::mem::replace(&mut again, false) {
                return Err(client.error(&error));
            }
        }
    }
}

/// A place that is being filled. Who gives up leaves it free.
struct Making<'a>(&'a Mutex<Slot>);

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let mut slot = locked(self.0);
        if matches!(&*slot, Slot::Making) {
            *slot = Slot::Free;
        }
    }
}

/// Fills a place that is free; nothing when the server does not let a connection be made, which the pool will say in its own words.
async fn make(slot: &Mutex<Slot>, client: &Client, deadline: Instant) -> Option<Arc<Shared>> {
    {
        let mut place = locked(slot);
        match &*place {
            Slot::Free => *place = Slot::Making,
            Slot::Making => return None,
            Slot::Open(shared) => return Some(Arc::clone(shared)),
        }
    }
    let making = Making(slot);
    let connection = tokio::time::timeout_at(deadline, client.connect_to_share()).await.ok()?.ok()?;
    let made = Arc::new(Shared { connection, flow: Mutex::new(Flow::new()) });
    *locked(making.0) = Slot::Open(Arc::clone(&made));
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, tls};
    use futures::FutureExt;
    use portico_provider_api::ConnectContext;
    use std::net::TcpListener;

    /// A client of a server that accepts connections and says nothing.
    fn unanswered(server: &TcpListener) -> Client {
        let second = Duration::from_secs(1);
        let context = ConnectContext {
            source_name: "billing".to_owned(),
            base_directory: ".".into(),
            max_connections: 16,
            timeout: second * 30,
            request_time: second * 600,
        };
        let url = format!("postgres://nobody@{}/nothing", server.local_addr().unwrap());
        let config = config::read(serde_json::json!({ "url": url }), &context).unwrap();
        let driver = config::driver_config(&config, &context).unwrap();
        Client::new(driver, tls::connector(&config.tls, &context).unwrap(), &context, 4).unwrap()
    }

    #[tokio::test]
    async fn a_runtime_makes_its_own_connection_and_no_other_runtime_s() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let (client, shared) = (unanswered(&server), SharedConnections::of(16));
        let deadline = Instant::now() + Duration::from_secs(600);
        let mut first = Box::pin(shared.take(&client, deadline));
        assert!(futures::poll!(&mut first).is_pending(), "the server says nothing");
        // Those who come meanwhile are served by the pool.
        assert!(matches!(shared.take(&client, deadline).now_or_never(), Some(None)));
        let begun = shared.slots.iter().filter(|slot| !matches!(&*locked(slot), Slot::Free)).count();
        assert_eq!(begun, 1, "the places of other runtimes are left to them");
        drop(first);
        assert!(matches!(&*locked(&shared.slots[0]), Slot::Free), "who gives up leaves the place free");
    }

    #[test]
    fn a_connection_is_well_while_answers_come() {
        let start = Instant::now();
        let at = |tenths: u32| start + STALL * tenths / 10;
        let mut flow = Flow::new();
        assert_eq!(flow.health(at(100)), Health::Well, "nothing is under way");
        let (first, second) = (flow.ask(at(100)), flow.ask(at(102)));
        assert_eq!(flow.health(at(109)), Health::Well);
        assert_eq!(flow.health(at(110)), Health::Stalled);
        flow.answer(first, at(112));
        assert_eq!(flow.health(at(121)), Health::Well, "an answer has come meanwhile");
        flow.awaited = 0;
        assert_eq!(flow.health(at(122)), Health::Spent, "nobody waits for what does not come");
        flow.answer(second, at(123));
        assert_eq!(flow.health(at(900)), Health::Well);
    }

    #[test]
    fn an_answer_says_that_those_before_it_have_come() {
        let start = Instant::now();
        let mut flow = Flow::new();
        let _given_up = flow.ask(start);
        let second = flow.ask(start);
        flow.answer(second, start);
        assert_eq!(flow.health(start + STALL * 9), Health::Well);
    }

    #[test]
    fn few_connections_are_not_shared() {
        let shared = |connections| SharedConnections::of(connections).count();
        assert_eq!([1, 7, 8, 16, 400].map(shared), [0, 0, 2, 4, 16]);
    }
}
