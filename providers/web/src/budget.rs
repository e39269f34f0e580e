//! How many requests a source gets, at once and in a second. Every native request takes its turn here, repeated ones too. It must not know what
//! is asked.

use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

/// A turn: the right to have one request under way, given back when it is dropped.
pub type Turn = Box<dyn Send + Sync>;

/// Whoever says when a request may be sent. It may be shared by several clients.
#[async_trait]
pub trait Pace: Send + Sync {
    /// Waits for a turn. Dropping the wait gives the place up.
    async fn turn(&self) -> Turn;
}

/// At most so many requests at once, and so many in a second.
#[derive(Debug)]
pub struct Budget {
    places: Arc<Semaphore>,
    rate: Option<Mutex<Rate>>,
}

/// Turns are given at even distances, and may be saved up: the generic cell rate algorithm.
#[derive(Debug)]
struct Rate {
    distance: Duration,
    /// How far turns may run ahead of their time.
    ahead: Duration,
    /// When the next turn would be due if all had kept their distance.
    due: Instant,
}

impl Budget {
    /// `at_once` requests under way at most, at least one; and, if given, `per_second` of them on average, `burst` at most one after the other.
    pub fn new(at_once: usize, per_second: Option<f64>, burst: u32) -> Budget {
        let rate = per_second.filter(|rate| *rate > 0.0).map(|rate| {
            let distance = Duration::from_secs_f64(1.0 / rate);
            Mutex::new(Rate { distance, ahead: distance * burst.saturating_sub(1), due: Instant::now() })
        });
        Budget { places: Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS))), rate }
    }

    /// Takes the next turn of the rate, and says when it is.
    fn next(&self) -> Option<Instant> {
        let mut rate = self.rate.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = rate.due.max(now);
        rate.due = due + rate.distance;
        Some(due.checked_sub(rate.ahead).unwrap_or(now))
    }
}

#[async_trait]
impl Pace for Budget {
    async fn turn(&self) -> Turn {
        // It is never closed, so there is always a permit in the end.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        if let Some(at) = self.next() {
            sleep_until(at).await;
        }
        Box::new(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_keep_their_rate() {
        let budget = Budget::new(100, Some(10.0), 5);
        let begun = Instant::now();
        for _ in 0..25 {
            drop(budget.turn().await);
        }
        // Five at once, then one each tenth of a second.
        assert_eq!(begun.elapsed().as_millis() / 10, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_under_way_and_no_more() {
        let budget = Budget::new(2, None, 1);
        let (first, second) = (budget.turn().await, budget.turn().await);
        assert!(tokio::time::timeout(Duration::from_secs(60), budget.turn()).await.is_err());
        drop(first);
        assert!(tokio::time::timeout(Duration::from_secs(60), budget.turn()).await.is_ok());
        drop(second);
    }
}
