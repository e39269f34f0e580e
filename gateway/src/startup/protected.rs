//! A source behind its limits: so many questions at once, so many waiting, so many in a time. Each source has its own, so that one that is
//! slow or hangs keeps only those waiting who ask it. It must not know of what kind the source is.

use async_trait::async_trait;
use portico_engine::admission::{Admission, Permit};
use portico_provider_api::{
    ChangeFeed, ChangeOutcome, ChangeSet, NativeRequest, PreparedQuery, QueryContext, QueryStream, RemoteSchema, Retry, Selection, Source,
    SourceError, SourceErrorKind, SourceQuery, Value, WritableSource,
};
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
    rate: Option<Rate>,
    timeout: Duration,
}

impl Protected {
    /// Puts a source behind limits. `timeout` is the longest time of a request to it.
    pub fn new(name: &str, inner: Arc<dyn Source>, places: Places, rate: Option<RateLimit>, timeout: Duration) -> Protected {
        Protected { inner, limits: Arc::new(Limits { name: name.to_owned(), places, rate: rate.map(Rate::new), timeout }) }
    }
}

impl Limits {
    /// Waits for a turn, and then for the rate. What is left of the time is the source's.
    async fn turn(&self, places: &Arc<Admission>, context: &QueryContext) -> Result<(Permit, QueryContext), SourceError> {
        let ends = SystemTime::now() + self.timeout;
        let until = Instant::now() + context.remaining().map_or(self.timeout, |remaining| remaining.min(self.timeout));
        let left = || until.saturating_duration_since(Instant::now());
        let permit = places.admit(&context.request.principal, left()).await.map_err(|overload| {
            if left().is_zero() {
                return SourceError::new(&self.name, SourceErrorKind::Timeout, "no connection became free before the deadline");
            }
            self.throttled(overload.to_string(), overload.after)
        })?;
        if let Some(rate) = &self.rate {
            let wait = rate
                .take(Instant::now(), left())
                .map_err(|wait| self.throttled("its rate is used up for longer than this request may wait".to_owned(), wait))?;
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
        let mut context = context.clone();
        let ends = ends.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_millis()).ok());
        context.request.deadline_unix_ms = context.request.deadline_unix_ms.into_iter().chain(ends).min();
        Ok((permit, context))
    }

    fn throttled(&self, message: String, after: Duration) -> SourceError {
        let whole = Duration::from_secs(after.as_secs() + u64::from(after.subsec_nanos() > 0));
        SourceError { retry: Retry::After(Some(whole)), ..SourceError::new(&self.name, SourceErrorKind::Throttled, message) }
    }
}

#[async_trait]
impl Source for Protected {
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError> {
        // The gateway asks for itself, and seldom: whether the source lives must be found out while it is busy, too.
        self.inner.remote_schema(wanted, context).await
    }

    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError> {
        let (permit, context) = self.limits.turn(&self.limits.places.queries, context).await?;
        Ok(self.inner.query(query, &context).await?.holding(permit))
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

    fn writable(&self) -> Option<&dyn WritableSource> {
        self.inner.writable().map(|_| self as &dyn WritableSource)
    }

    fn change_feed(&self) -> Option<&dyn ChangeFeed> {
        self.inner.change_feed()
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
        let (permit, context) = self.limits.turn(places, context).await?;
        Ok(self.inner.query(values, &context).await?.holding(permit))
    }
}

#[async_trait]
impl WritableSource for Protected {
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
        let Some(writable) = self.inner.writable() else {
            return Err(SourceError::new(&self.limits.name, SourceErrorKind::Unsupported, "it cannot be written to"));
        };
        let (_permit, context) = self.limits.turn(&self.limits.places.queries, context).await?;
        writable.write(changes, &context).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

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
