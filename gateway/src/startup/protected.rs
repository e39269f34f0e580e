//! A source behind its limits: so many questions at once, so many waiting, so many in a time. Each source has its own, so that one that is
//! slow or hangs keeps only those waiting who ask it. It must not know of what kind the source is.

use crate::startup::breaker::Asked;
use crate::startup::health::Health;
use async_trait::async_trait;
use portico_engine::admission::{Admission, Permit};
use portico_provider_api::{
    ChangeFeed, ChangeOutcome, ChangeSet, NativeRequest, Pace, PreparedQuery, Probe, QueryContext, QueryStream, RemoteSchema,
    RemoteTableName, Retry, Selection, Source, SourceError, SourceErrorKind, SourceQuery, Trial, Value, WritableSource,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// A number of requests in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// From one request to the next, on the average.
    pub interval: Duration,
    /// How many may come at once after a pause.
    pub burst: u32,
}

/// Spends a rate: the generic cell rate algorithm, which needs one point in time for its memory.
struct Rate {
    limit: RateLimit,
    /// When all that was spent would have come, one after the other.
    spent_until: Mutex<Option<Instant>>,
}

impl Rate {
    fn new(limit: RateLimit) -> Rate {
        Rate { limit, spent_until: Mutex::default() }
    }

    /// Takes the next free place in time, and says how long it is until then.
    ///
    /// # Errors
    /// How long it would be, when that is longer than `longest`; then nothing is taken.
    fn take(&self, now: Instant, longest: Duration) -> Result<Duration, Duration> {
        let mut spent_until = self.spent_until.lock().unwrap_or_else(PoisonError::into_inner);
        let from = spent_until.map_or(now, |until| until.max(now));
        let ahead = self.limit.interval.saturating_mul(self.limit.burst.saturating_sub(1));
        let wait = from.saturating_duration_since(now).saturating_sub(ahead);
        if wait > longest {
            return Err(wait);
        }
        *spent_until = from.checked_add(self.limit.interval);
        Ok(wait)
    }

    /// Whether the next place in time is free now.
    fn is_free(&self) -> bool {
        let now = Instant::now();
        let spent_until = *self.spent_until.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = self.limit.interval.saturating_mul(self.limit.burst.saturating_sub(1));
        spent_until.is_none_or(|until| until.saturating_duration_since(now) <= ahead)
    }

    /// Waits for the next free place in time.
    async fn spend(&self, name: &str, longest: Duration) -> Result<(), SourceError> {
        let late = |wait| throttled(name, "its rate is used up for longer than this request may wait".to_owned(), wait);
        let wait = self.take(Instant::now(), longest).map_err(late)?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}

/// How many questions a source is asked at once.
pub struct Places {
    /// Those that have a connection each.
    pub queries: Arc<Admission>,
    /// Look-ups that share connections.
    pub look_ups: Arc<Admission>,
}

/// A source behind its limits.
pub struct Protected {
    inner: Arc<dyn Source>,
    limits: Arc<Limits>,
}

/// The limits of a source.
struct Limits {
    name: String,
    places: Places,
    rate: Option<Arc<Rate>>,
    timeout: Duration,
    health: Arc<Health>,
    /// Whether what the source says is for the caller alone in whose name it was asked.
    personal: bool,
}

/// Leave to ask the source once.
struct Turn {
    _place: Permit,
    asked: Asked,
    /// When the request's own time is up.
    ends_unix_ms: Option<u64>,
    health: Arc<Health>,
}

impl Turn {
    /// Takes note of how it ended, or how it began to be answered.
    fn heard(&self, outcome: Result<(), &SourceError>) {
        match outcome {
            Ok(()) => self.health.answered(),
            Err(error) => self.failed(error),
        }
    }

    fn failed(&self, error: &SourceError) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok());
        // Who had no time left says nothing of the source.
        let own = error.kind == SourceErrorKind::Timeout && self.ends_unix_ms.zip(now).is_some_and(|(ends, now)| ends <= now);
        if !own {
            self.health.failed(self.asked, error);
        }
    }

    /// The answer to a query. It is one when its first rows are there, or its end: until then a source has promised it only.
    fn with(self, answer: Result<QueryStream, SourceError>) -> Result<QueryStream, SourceError> {
        match answer {
            Ok(answer) => Ok(answer.holding(self, Turn::heard)),
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }
}

impl Protected {
    /// Puts a source behind limits. `timeout` is the longest time that a request waits for its turn.
    pub fn new(
        name: &str,
        inner: Arc<dyn Source>,
        places: Places,
        rate: Option<RateLimit>,
        timeout: Duration,
        health: Arc<Health>,
    ) -> Protected {
        let rate = rate.map(|limit| Arc::new(Rate::new(limit)));
        let personal = inner.asks_as_caller();
        Protected { inner, limits: Arc::new(Limits { name: name.to_owned(), places, rate, timeout, health, personal }) }
    }
}

impl Limits {
    /// Waits for a turn, and then for the rate. A source that is out of order is not waited for.
    async fn turn(&self, places: &Arc<Admission>, context: &QueryContext) -> Result<Turn, SourceError> {
        let asked = self.health.breaker.check().map_err(|pause| self.resting(pause))?;
        self.place(places, asked, context).await
    }

    async fn place(&self, places: &Arc<Admission>, asked: Asked, context: &QueryContext) -> Result<Turn, SourceError> {
        let until = Instant::now() + self.longest(context);
        let left = || until.saturating_duration_since(Instant::now());
        let place = places.admit(&context.request.principal, left()).await.map_err(|overload| {
            if left().is_zero() {
                return SourceError::new(&self.name, SourceErrorKind::Timeout, "no connection became free before the deadline")
                    .without_effect();
            }
            throttled(&self.name, overload.to_string(), overload.after)
        })?;
        if let Some(rate) = &self.rate {
            rate.spend(&self.name, left()).await?;
        }
        Ok(Turn { _place: place, asked, ends_unix_ms: context.request.deadline_unix_ms, health: Arc::clone(&self.health) })
    }

    fn longest(&self, context: &QueryContext) -> Duration {
        context.remaining().map_or(self.timeout, |remaining| remaining.min(self.timeout))
    }

    /// The context of a query, with the pace for what it sends; nothing where there is none to be kept.
    fn paced(&self, context: &QueryContext) -> Option<QueryContext> {
        let rate = Arc::clone(self.rate.as_ref()?);
        let pace = QueryPace { rate, name: self.name.clone(), longest: self.timeout, paid: AtomicBool::new(true) };
        Some(QueryContext { pace: Some(Arc::new(pace)), ..context.clone() })
    }

    fn resting(&self, pause: Duration) -> SourceError {
        let last = self.health.last_failure().filter(|_| !self.personal).map(|last| format!(" (\"{}\")", last.message)).unwrap_or_default();
        let message = format!(
            "it has failed {} times in a row{last} and is not asked for now; it is tried again in {} s",
            self.health.breaker.failures(),
            whole_seconds(pause).as_secs()
        );
        SourceError {
            retry: Retry::After(Some(whole_seconds(pause))),
            ..SourceError::new(&self.name, SourceErrorKind::Unavailable, message).without_effect()
        }
    }
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

fn throttled(name: &str, message: String, after: Duration) -> SourceError {
    SourceError { retry: Retry::After(Some(whole_seconds(after))), ..SourceError::new(name, SourceErrorKind::Throttled, message) }
}

/// What the native requests of one query wait for.
struct QueryPace {
    rate: Arc<Rate>,
    name: String,
    longest: Duration,
    /// Whether the turn of the query itself is still there to be used: it is that of its first request.
    paid: AtomicBool,
}

#[async_trait]
impl Pace for QueryPace {
    async fn turn(&self) -> Result<(), SourceError> {
        if self.paid.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.rate.spend(&self.name, self.longest).await
    }
}

#[async_trait]
impl Source for Protected {
    /// The gateway asks for itself, within the same limits. A source that is not asked for now is asked this all the same: so it is found
    /// out that it is back. That all its places are taken says nothing of it.
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        let turn = self.own_turn(context).await?;
        let paced = self.limits.paced(context);
        let outcome = self.inner.remote_schema(wanted, paced.as_ref().unwrap_or(context)).await;
        turn.health.heard(&outcome);
        outcome
    }

    async fn probe(&self, context: &QueryContext) -> Result<Probe, SourceError> {
        // It spends no rate that somebody waits for.
        if let Some(rate) = self.limits.rate.as_ref().filter(|rate| !rate.is_free()) {
            return Err(throttled(&self.limits.name, "its rate is used up".to_owned(), rate.limit.interval));
        }
        let turn = self.own_turn(context).await?;
        let outcome = self.inner.probe(context).await;
        turn.health.heard(&outcome);
        outcome
    }

    async fn try_capabilities(&self, tables: &[RemoteTableName], context: &QueryContext) -> Result<Vec<Trial>, SourceError> {
        let _turn = self.own_turn(context).await?;
        let paced = self.limits.paced(context);
        self.inner.try_capabilities(tables, paced.as_ref().unwrap_or(context)).await
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let turn = self.limits.turn(&self.limits.places.queries, context).await?;
        let paced = self.limits.paced(context);
        turn.with(self.inner.query(query, paced.as_ref().unwrap_or(context)).await)
    }

    fn prepare(&self, query: &SourceQuery) -> Option<Arc<dyn PreparedQuery>> {
        let inner = self.inner.prepare(query)?;
        Some(Arc::new(ProtectedQuery { inner, limits: Arc::clone(&self.limits) }))
    }

    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest> {
        self.inner.describe(query)
    }

    fn at_once(&self) -> Option<usize> {
        let limit = self.limits.places.queries.most_of_one();
        Some(self.inner.at_once().map_or(limit, |own| own.min(limit)))
    }

    fn asks_as_caller(&self) -> bool {
        self.inner.asks_as_caller()
    }

    fn writable(&self) -> Option<&dyn WritableSource> {
        self.inner.writable().map(|_| self as &dyn WritableSource)
    }

    fn change_feed(&self) -> Option<&dyn ChangeFeed> {
        self.inner.change_feed()
    }
}

impl Protected {
    /// A turn for what the gateway asks for itself. Half of its time is left for the source: that no turn comes says nothing of that.
    async fn own_turn(&self, context: &QueryContext) -> Result<Turn, SourceError> {
        let Limits { name, places, .. } = self.limits.as_ref();
        let longest = self.limits.longest(context) / 2;
        let busy = |_| throttled(name, "all its places are taken".to_owned(), longest);
        let turn = tokio::time::timeout(longest, self.limits.place(&places.queries, Asked::AsAlways, context));
        let turn = turn.await.map_err(busy)?;
        turn.map_err(|error| SourceError { kind: SourceErrorKind::Throttled, ..error })
    }
}

/// A prepared query of a source behind its limits.
struct ProtectedQuery {
    inner: Arc<dyn PreparedQuery>,
    limits: Arc<Limits>,
}

#[async_trait]
impl PreparedQuery for ProtectedQuery {
    fn is_look_up(&self) -> bool {
        self.inner.is_look_up()
    }

    async fn query(&self, values: Vec<Value>, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let places = if self.inner.is_look_up() { &self.limits.places.look_ups } else { &self.limits.places.queries };
        let turn = self.limits.turn(places, context).await?;
        let paced = self.limits.paced(context);
        turn.with(self.inner.query(values, paced.as_ref().unwrap_or(context)).await)
    }
}

#[async_trait]
impl WritableSource for Protected {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        let Some(writable) = self.inner.writable() else {
            return Err(SourceError::new(&self.limits.name, SourceErrorKind::Unsupported, "it cannot be written to"));
        };
        let turn = self.limits.turn(&self.limits.places.queries, context).await?;
        let paced = self.limits.paced(context);
        let outcome = writable.write(changes, paced.as_ref().unwrap_or(context)).await;
        turn.heard(outcome.as_ref().map(drop));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::startup::breaker::BreakerSettings;
    use portico_engine::admission::AdmissionLimits;

    const SECOND: Duration = Duration::from_secs(1);

    /// What a kind sends for a query counts one by one, and the query itself is the first of them.
    #[tokio::test]
    async fn every_native_request_of_a_query_has_its_turn() {
        let rate = Arc::new(Rate::new(RateLimit { interval: SECOND * 3_600, burst: 3 }));
        let query = || QueryPace { rate: Arc::clone(&rate), name: "crm".to_owned(), longest: SECOND, paid: AtomicBool::new(true) };
        rate.spend("crm", SECOND).await.unwrap();
        let pages = query();
        for _ in 0..3 {
            pages.turn().await.unwrap();
        }
        let error = pages.turn().await.unwrap_err();
        assert_eq!((&error.kind, error.source_name.as_str()), (&SourceErrorKind::Throttled, "crm"));
        assert!(matches!(error.retry, Retry::After(Some(wait)) if wait > SECOND * 3_000), "{error:?}");
        assert_eq!(rate.spend("crm", SECOND).await.unwrap_err().kind, SourceErrorKind::Throttled, "nor may another query");
    }

    /// What a source has told one caller, in whose name it was asked, is not told to the next.
    #[test]
    fn a_source_that_is_left_alone_quotes_no_other_caller() {
        for (personal, quoted) in [(false, true), (true, false)] {
            let health = Arc::new(Health::new("crm", BreakerSettings { failures: 1, pause: SECOND * 5 }));
            let told = SourceError::new("crm", SourceErrorKind::Unavailable, "ann may not see it today");
            health.failed(health.breaker.check().unwrap(), &told);
            let places =
                |name: &'static str| Admission::new(name, AdmissionLimits { running: 1, per_caller: 1, waiting: 1, longest_wait: SECOND });
            let places = Places { queries: places("queries"), look_ups: places("look-ups") };
            let limits = Limits { name: "crm".to_owned(), places, rate: None, timeout: SECOND, health, personal };
            let error = limits.resting(limits.health.breaker.check().unwrap_err());
            assert_eq!(error.message.contains("ann may not"), quoted, "{error}");
            assert!(error.message.contains("failed 1 times in a row"), "{error}");
        }
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_one_by_one() {
        let rate = Rate::new(RateLimit { interval: SECOND, burst: 3 });
        let now = Instant::now();
        let waits: Vec<u64> = (0..5).map(|_| rate.take(now, SECOND * 9).unwrap().as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 1, 2]);
        assert_eq!(rate.take(now, SECOND * 2), Err(SECOND * 3), "it would be too late");
        assert_eq!(rate.take(now, SECOND * 3), Ok(SECOND * 3), "what was refused has taken nothing");
        let later = now + SECOND * 60;
        let waits: Vec<u64> = (0..4).map(|_| rate.take(later, SECOND * 9).unwrap().as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 1], "a pause earns a burst, not more");
    }
}
