//! How long a source is waited for: until the first part of an answer, and from one part to the next. What the reader of the answer takes for
//! itself does not count, so that a long answer to a slow client goes through, and a source that falls silent is found out all the same; the
//! whole is bounded by the request's own deadline. It must not know what is waited for.

use crate::context::QueryContext;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, Sleep};

/// How long a source is waited for while it answers one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one part of the answer.
    part: Duration,
    /// When the whole request must have ended.
    end: Option<Instant>,
}

/// Why a source is not waited for any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Late {
    /// The source has sent nothing for too long.
    #[error("it sent nothing for {}", readable(.0))]
    Silent(Duration),
    /// The request's own time is up.
    #[error("the request's deadline passed while the answer was read")]
    Ended,
}

fn readable(time: &Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

impl Patience {
    /// With a request that begins now: `part` for each part, and the request's deadline for the whole.
    pub fn new(part: Duration, context: &QueryContext) -> Patience {
        Patience { part, end: context.remaining().map(|left| Instant::now() + left) }
    }

    /// Until when a part is waited for, if the wait begins now.
    pub fn until(&self) -> Instant {
        let until = Instant::now() + self.part;
        self.end.map_or(until, |end| end.min(until))
    }

    /// When the whole request must have ended; `None` without a deadline.
    pub fn end(&self) -> Option<Instant> {
        self.end
    }

    /// How much time the whole request has left; `None` without a deadline.
    pub fn left(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Why nothing is waited for any longer, if a wait has just ended in vain.
    pub fn late(&self) -> Late {
        self.check().err().unwrap_or(Late::Silent(self.part))
    }

    /// Whether the whole request may go on. A source that always has the next part ready is never waited for, so its reader asks now and then.
    ///
    /// # Errors
    /// When the request's own time is up.
    pub fn check(&self) -> Result<(), Late> {
        if self.left().is_some_and(|left| left.is_zero()) { Err(Late::Ended) } else { Ok(()) }
    }

    /// Those who wait for many parts, one after the other.
    pub fn waiting(self) -> Waiting {
        Waiting { patience: self, timer: None }
    }
}

/// Waits for parts. There is one timer for all of them, and it is set only when a part is not there yet.
#[derive(Debug)]
pub struct Waiting {
    patience: Patience,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    /// Waits for a part. Time counts from here, so `work` should be nothing but the wait for the source.
    ///
    /// # Errors
    /// When it has not come in time; `work` is then dropped.
    pub async fn part<F: Future>(&mut self, work: F) -> Result<F::Output, Late> {
        let mut work = pin!(work);
        let mut set = false;
        poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if !set {
                let until = self.patience.until();
                match &mut self.timer {
                    Some(timer) => timer.as_mut().reset(until),
                    None => self.timer = Some(Box::pin(tokio::time::sleep_until(until))),
                }
                set = true;
            }
            match &mut self.timer {
                Some(timer) => timer.as_mut().poll(cx).map(|()| Err(self.patience.late())),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// What it waits with.
    pub fn patience(&self) -> Patience {
        self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::RequestInfo;
    use std::future::{pending, ready};
    use std::time::{SystemTime, UNIX_EPOCH};
    use tokio::time::sleep;

    const SHORT: Duration = Duration::from_millis(200);

    fn ending_in(time: Duration) -> QueryContext {
        let end = (SystemTime::now() + time).duration_since(UNIX_EPOCH).unwrap();
        let request = RequestInfo { deadline_unix_ms: u64::try_from(end.as_millis()).ok(), ..RequestInfo::default() };
        QueryContext { request, ..QueryContext::default() }
    }

    #[tokio::test]
    async fn each_part_has_its_own_time_and_the_reader_s_does_not_count() {
        let mut waiting = Patience::new(SHORT, &QueryContext::default()).waiting();
        for _ in 0..3 {
            // Where both have come, the part counts: a busy machine makes no difference.
            assert_eq!(waiting.part(sleep(SHORT / 10)).await, Ok(()));
            sleep(SHORT * 2).await;
        }
        assert_eq!(waiting.part(ready(7)).await, Ok(7));
        assert_eq!(waiting.part(pending::<()>()).await, Err(Late::Silent(SHORT)));
        assert_eq!(Late::Silent(SHORT).to_string(), "it sent nothing for 200 ms");
        assert_eq!(Late::Silent(Duration::from_secs(30)).to_string(), "it sent nothing for 30 s");
    }

    #[tokio::test]
    async fn the_request_s_deadline_bounds_the_whole() {
        let mut waiting = Patience::new(Duration::from_secs(600), &ending_in(SHORT)).waiting();
        assert_eq!(waiting.part(ready(())).await, Ok(()));
        assert_eq!(waiting.patience().check(), Ok(()));
        assert_eq!(waiting.part(pending::<()>()).await, Err(Late::Ended));
        assert_eq!(waiting.patience().check(), Err(Late::Ended));
    }
}
