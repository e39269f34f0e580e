//! The circuit breaker of a source. One that has failed several times in a row is not asked any more for a while: whoever needs it is told at
//! once, instead of waiting for a timeout each. After the pause one query is let through to try; when it is answered, all are again. It must
//! not know what is asked, nor of what kind the source is.
//!
//! While the source is well, a query costs two reads of atomics.

use portico_provider_api::{SourceError, SourceErrorKind};
use serde::Serialize;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// When a source is not asked any more, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row after which it is not asked; zero means that it always is.
    pub failures: u32,
    /// For how long at first; each try that fails doubles it, up to [`LONGEST`].
    pub pause: Duration,
}

/// Longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(60);

/// How the breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// The source is asked.
    Closed,
    /// The next query, or one that runs already, decides whether it is asked again.
    HalfOpen,
    /// It is not asked.
    Open,
}

/// Why a source is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nothing speaks against it.
    AsAlways,
    /// To find out whether it is back.
    ToTry,
}

/// A circuit breaker.
pub struct Breaker {
    settings: BreakerSettings,
    begun: Instant,
    /// Failures since the last answer.
    failures: AtomicU32,
    /// Until when nobody asks, in milliseconds since `begun`; zero when it is closed.
    until: AtomicU64,
    /// Tries that have failed since it opened.
    tries: AtomicU32,
}

/// Whether a failure says that the source is out of order. One that has an answer, even a refusal, is not.
pub fn is_outage(error: &SourceError) -> bool {
    match &error.kind {
        SourceErrorKind::Unavailable | SourceErrorKind::Timeout => true,
        SourceErrorKind::Credentials
        | SourceErrorKind::Throttled
        | SourceErrorKind::Conflict
        | SourceErrorKind::Constraint { .. }
        | SourceErrorKind::Data
        | SourceErrorKind::Unsupported
        | SourceErrorKind::Malformed
        | SourceErrorKind::SchemaChanged
        | SourceErrorKind::Internal => false,
    }
}

impl Breaker {
    /// A closed one.
    pub fn new(settings: BreakerSettings) -> Breaker {
        let zero = || AtomicU32::new(0);
        Breaker { settings, begun: Instant::now(), failures: zero(), until: AtomicU64::new(0), tries: zero() }
    }

    /// In milliseconds, from one on: zero says that it is closed.
    fn since_begun(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn pause(&self) -> u64 {
        let doubled = self.settings.pause.saturating_mul(1 << self.tries.load(Ordering::Relaxed).min(16));
        let longest = LONGEST.max(self.settings.pause);
        u64::try_from(doubled.min(longest).as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Whether the source may be asked now. After a pause it is one query that may, until the next pause has passed.
    ///
    /// # Errors
    /// When it may not: how long it is until then.
    pub fn check(&self) -> Result<Asked, Duration> {
        match self.until.load(Ordering::Acquire) {
            0 => Ok(Asked::AsAlways),
            until => self.try_at(until, Instant::now()),
        }
    }

    fn try_at(&self, until: u64, now: Instant) -> Result<Asked, Duration> {
        let at = self.since_begun(now);
        if at < until {
            return Err(Duration::from_millis(until - at));
        }
        // Of those who come now one gets through, and the others wait for what it finds. Should it never be heard of again, it is another
        // one's turn after the next pause.
        let next = at.saturating_add(self.pause());
        match self.until.compare_exchange(until, next, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(Asked::ToTry),
            Err(0) => Ok(Asked::AsAlways),
            Err(next) => Err(Duration::from_millis(next.saturating_sub(at))),
        }
    }

    /// The source has answered; true when it was not asked until now.
    pub fn answered(&self) -> bool {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.until.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.tries.store(0, Ordering::Relaxed);
        self.until.swap(0, Ordering::AcqRel) != 0
    }

    /// The source is out of order; true when it is not asked from now on.
    pub fn failed(&self, asked: Asked) -> bool {
        self.failed_at(asked, Instant::now())
    }

    fn failed_at(&self, asked: Asked, now: Instant) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let opens = match asked {
            // What was under way when it opened says nothing new.
            Asked::AsAlways => self.settings.failures > 0 && failures >= self.settings.failures && self.until.load(Ordering::Acquire) == 0,
            Asked::ToTry => {
                self.tries.fetch_add(1, Ordering::Relaxed);
                let until = self.since_begun(now).saturating_add(self.pause());
                self.until.store(until, Ordering::Release);
                false
            }
        };
        let until = self.since_begun(now).saturating_add(self.pause());
        opens && self.until.compare_exchange(0, until, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The source answers when it is asked as cheaply as can be: the next query may try at once.
    pub fn lives(&self) {
        let until = self.until.load(Ordering::Acquire);
        if until != 0 {
            let now = self.since_begun(Instant::now());
            let _ = self.until.compare_exchange(until, now.min(until), Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// How it stands.
    pub fn state(&self) -> BreakerState {
        match self.until.load(Ordering::Acquire) {
            0 => BreakerState::Closed,
            until if self.since_begun(Instant::now()) < until => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }

    /// Failures since the last answer.
    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker(failures: u32) -> Breaker {
        Breaker::new(BreakerSettings { failures, pause: SECOND * 10 })
    }

    fn at(breaker: &Breaker, seconds: u32) -> Instant {
        breaker.begun + SECOND * seconds
    }

    fn asked(breaker: &Breaker, seconds: u32) -> Result<Asked, u64> {
        match breaker.until.load(Ordering::Acquire) {
            0 => Ok(Asked::AsAlways),
            until => breaker.try_at(until, at(breaker, seconds)).map_err(|wait| wait.as_secs()),
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_in_between_does_not() {
        let breaker = breaker(3);
        for _ in 0..4 {
            assert!(!breaker.failed(Asked::AsAlways) && !breaker.failed(Asked::AsAlways));
            assert!(!breaker.answered(), "it was closed all the time");
        }
        assert!(!breaker.failed_at(Asked::AsAlways, at(&breaker, 0)) && !breaker.failed_at(Asked::AsAlways, at(&breaker, 0)));
        assert!(breaker.failed_at(Asked::AsAlways, at(&breaker, 1)), "the third");
        assert_eq!((breaker.state(), breaker.failures()), (BreakerState::Open, 3));
        assert_eq!(asked(&breaker, 2), Err(9));
    }

    #[test]
    fn one_tries_after_the_pause_and_all_follow_when_it_is_answered() {
        let breaker = breaker(1);
        assert!(breaker.failed_at(Asked::AsAlways, at(&breaker, 0)));
        assert_eq!(asked(&breaker, 9), Err(1));
        assert_eq!(asked(&breaker, 10), Ok(Asked::ToTry));
        assert_eq!(asked(&breaker, 10), Err(10), "the others wait for what it finds");
        assert!(breaker.answered(), "it is asked again");
        assert_eq!((asked(&breaker, 10), breaker.state()), (Ok(Asked::AsAlways), BreakerState::Closed));
    }

    #[test]
    fn a_try_that_fails_doubles_the_pause_and_one_that_is_never_heard_of_does_not_block() {
        let breaker = breaker(1);
        assert!(breaker.failed_at(Asked::AsAlways, at(&breaker, 0)));
        assert!(!breaker.failed_at(Asked::AsAlways, at(&breaker, 5)), "one that was under way changes nothing");
        assert_eq!(asked(&breaker, 10), Ok(Asked::ToTry));
        assert!(!breaker.failed_at(Asked::ToTry, at(&breaker, 12)));
        assert_eq!(asked(&breaker, 31), Err(1), "twenty seconds after the failure");
        assert_eq!(asked(&breaker, 32), Ok(Asked::ToTry), "and nobody hears of it");
        assert_eq!(asked(&breaker, 52), Ok(Asked::ToTry));
        for _ in 0..9 {
            breaker.failed_at(Asked::ToTry, at(&breaker, 60));
        }
        assert_eq!(asked(&breaker, 60), Err(LONGEST.as_secs()));
        breaker.answered();
        assert!(breaker.failed_at(Asked::AsAlways, at(&breaker, 100)));
        assert_eq!(asked(&breaker, 100), Err(10), "the next outage begins anew");
    }

    #[test]
    fn a_sign_of_life_lets_the_next_one_try_at_once() {
        let breaker = Breaker::new(BreakerSettings { failures: 1, pause: SECOND * 600 });
        breaker.lives();
        assert_eq!(breaker.check(), Ok(Asked::AsAlways));
        assert!(breaker.failed(Asked::AsAlways));
        assert!(breaker.check().is_err());
        breaker.lives();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.check(), Ok(Asked::ToTry));
        assert!(breaker.check().is_err());
    }

    #[test]
    fn zero_failures_never_open_it() {
        let breaker = breaker(0);
        assert!((0..100).all(|_| !breaker.failed(Asked::AsAlways)) && breaker.check() == Ok(Asked::AsAlways));
    }
}
