//! Admission: so many at once, so many waiting, none for long. Who is let in next is whoever has the least running, so that one caller's
//! crowd does not keep the others waiting. It must not know what it is that runs.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Shortest and longest advice after which to try again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How much is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// How many run at once.
    pub running: usize,
    /// How many of them may be one caller's.
    pub per_caller: usize,
    /// How many wait; one more is refused at once.
    pub waiting: usize,
    /// How long each may wait.
    pub longest_wait: Duration,
}

/// A refusal: try again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overload {
    /// What there is too much of, for a person: `requests`.
    pub what: &'static str,
    /// How many run at once: of this caller's, where `own`, or of all.
    pub limit: usize,
    /// Whether it is the caller's own limit that is reached.
    pub own: bool,
    /// After how long to try again.
    pub after: Duration,
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overload { what, limit, own, .. } = self;
        let whose = if *own { " of yours" } else { "" };
        write!(f, "too many {what}{whose} are running: at most {limit} run at once, and no more can wait; try again later")
    }
}

/// How full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// How many run.
    pub running: usize,
    /// How many wait.
    pub waiting: usize,
}

/// Lets in and holds back.
pub struct Admission {
    what: &'static str,
    limits: AdmissionLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    of: HashMap<Arc<str>, usize>,
    waiting: VecDeque<Waiter>,
    numbers: u64,
    /// How long one usually runs.
    usual: Duration,
}

struct Waiter {
    number: u64,
    caller: Arc<str>,
    let_in: oneshot::Sender<Permit>,
}

/// Leave to run; given back when it is dropped.
pub struct Permit {
    admission: Arc<Admission>,
    caller: Arc<str>,
    since: Instant,
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("what", &self.admission.what).finish_non_exhaustive()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.give_back(&self.caller, self.since.elapsed());
    }
}

/// A place among those who wait; left when it is dropped.
struct Place<'a> {
    admission: &'a Admission,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Its sender is dropped outside the lock.
        let _left = {
            let mut state = self.admission.state();
            let position = state.waiting.iter().position(|waiter| waiter.number == self.number);
            position.and_then(|position| state.waiting.remove(position))
        };
    }
}

impl Admission {
    /// Nothing runs yet. `what` is named in refusals.
    pub fn new(what: &'static str, limits: AdmissionLimits) -> Arc<Admission> {
        Arc::new(Admission { what, limits, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many one caller may have running.
    pub fn most_of_one(&self) -> usize {
        self.limits.running.min(self.limits.per_caller)
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        let state = self.state();
        Fill { running: state.running, waiting: state.waiting.len() }
    }

    /// Waits until the caller may run, at most for so long. A future that is dropped leaves its place.
    ///
    /// # Errors
    /// When too many wait already, or the time is over.
    pub async fn admit(self: &Arc<Self>, caller: &str, longest: Duration) -> Result<Permit, Overload> {
        let longest = longest.min(self.limits.longest_wait);
        let (place, turn) = {
            let mut state = self.state();
            let caller: Arc<str> = caller.into();
            // Nobody who could run waits while there is room, so nobody is overtaken here.
            if self.has_room(&state, &caller) {
                return Ok(self.permit(&mut state, caller));
            }
            if state.waiting.len() >= self.limits.waiting || longest.is_zero() {
                return Err(self.overload(&state, &caller));
            }
            state.numbers += 1;
            let number = state.numbers;
            let (let_in, turn) = oneshot::channel();
            state.waiting.push_back(Waiter { number, caller, let_in });
            (Place { admission: self, number }, turn)
        };
        match tokio::time::timeout(longest, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                drop(place);
                Err(self.overload(&self.state(), caller))
            }
        }
    }

    fn has_room(&self, state: &State, caller: &str) -> bool {
        state.running < self.limits.running && self.is_below_own(state, caller)
    }

    fn is_below_own(&self, state: &State, caller: &str) -> bool {
        state.of.get(caller).copied().unwrap_or_default() < self.limits.per_caller
    }

    fn permit(self: &Arc<Self>, state: &mut State, caller: Arc<str>) -> Permit {
        state.running += 1;
        *state.of.entry(Arc::clone(&caller)).or_default() += 1;
        Permit { admission: Arc::clone(self), caller, since: Instant::now() }
    }

    fn overload(&self, state: &State, caller: &str) -> Overload {
        // Where all is one caller's, there is no other limit than that of all.
        let own = self.limits.per_caller < self.limits.running && !self.is_below_own(state, caller);
        let limit = if own { self.limits.per_caller } else { self.limits.running };
        let ahead = u32::try_from(state.waiting.len()).unwrap_or(u32::MAX).saturating_add(1);
        let at_once = u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        let expected = state.usual.saturating_mul(ahead) / at_once;
        // Whole seconds, as headers have them.
        let seconds = Duration::from_secs(expected.as_secs() + u64::from(expected.subsec_nanos() > 0));
        Overload { what: self.what, limit, own, after: seconds.clamp(RETRY.0, RETRY.1) }
    }

    fn give_back(self: &Arc<Self>, caller: &Arc<str>, ran: Duration) {
        let mut let_in = Vec::new();
        {
            let mut state = self.state();
            state.running -= 1;
            state.usual = (state.usual * 7 + ran) / 8;
            let left = state.of.get_mut(caller).map(|of| {
                *of -= 1;
                *of
            });
            if left == Some(0) {
                state.of.remove(caller);
            }
            while let Some(position) = self.next(&state)
                && let Some(waiter) = state.waiting.remove(position)
            {
                let permit = self.permit(&mut state, waiter.caller);
                let_in.push((waiter.let_in, permit));
            }
        }
        // Who has left meanwhile gives the permit back at once, which takes the lock again.
        for (waiter, permit) in let_in {
            drop(waiter.send(permit));
        }
    }

    /// Who is next: of those who may run the one whose caller has the least running, and of these the first to come.
    fn next(&self, state: &State) -> Option<usize> {
        if state.running >= self.limits.running {
            return None;
        }
        let running = |waiter: &Waiter| state.of.get(&waiter.caller).copied().unwrap_or_default();
        let may = state.waiting.iter().enumerate().filter(|(_, waiter)| running(waiter) < self.limits.per_caller);
        may.min_by_key(|(position, waiter)| (running(waiter), *position)).map(|(position, _)| position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LONG: Duration = Duration::from_secs(60);

    fn admission(running: usize, per_caller: usize, waiting: usize) -> Arc<Admission> {
        Admission::new("requests", AdmissionLimits { running, per_caller, waiting, longest_wait: LONG })
    }

    /// A task that waits, once it does.
    async fn waiting(admission: &Arc<Admission>, caller: &'static str) -> tokio::task::JoinHandle<Result<Permit, Overload>> {
        let before = admission.fill().waiting;
        let own = Arc::clone(admission);
        let task = tokio::spawn(async move { own.admit(caller, LONG).await });
        while admission.fill().waiting == before {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn who_is_too_many_waits_and_the_next_is_refused() {
        let admission = admission(1, 9, 1);
        let first = admission.admit("a", LONG).await.unwrap();
        let second = waiting(&admission, "a").await;
        let refused = admission.admit("b", LONG).await.unwrap_err();
        assert!(!refused.own && refused.limit == 1 && refused.after >= Duration::from_secs(1), "{refused:?}");
        assert_eq!(admission.fill(), Fill { running: 1, waiting: 1 });
        drop(first);
        let second = second.await.unwrap().unwrap();
        assert_eq!(admission.fill(), Fill { running: 1, waiting: 0 });
        drop(second);
        assert_eq!(admission.fill(), Fill { running: 0, waiting: 0 });
        assert!(admission.state().of.is_empty(), "callers who are gone are forgotten");
    }

    #[tokio::test]
    async fn the_one_with_the_least_running_comes_first() {
        let admission = admission(2, 9, 9);
        let (first, second) = (admission.admit("crowd", LONG).await.unwrap(), admission.admit("crowd", LONG).await.unwrap());
        let third = waiting(&admission, "crowd").await;
        let other = waiting(&admission, "other").await;
        drop(first);
        let other = other.await.unwrap().unwrap();
        assert!(!third.is_finished(), "the crowd goes before who has nothing");
        drop(second);
        drop(third.await.unwrap().unwrap());
        drop(other);
    }

    #[tokio::test]
    async fn a_caller_s_own_limit_holds_it_back_alone() {
        let admission = admission(9, 1, 1);
        let first = admission.admit("a", LONG).await.unwrap();
        let second = waiting(&admission, "a").await;
        let refused = admission.admit("a", LONG).await.unwrap_err();
        assert!(refused.own && refused.limit == 1, "{refused:?}");
        assert!(refused.to_string().contains("of yours"));
        drop(admission.admit("b", LONG).await.expect("others have room"));
        drop(first);
        assert!(second.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_no_trace() {
        let admission = admission(1, 9, 9);
        let first = admission.admit("a", LONG).await.unwrap();
        let second = waiting(&admission, "a").await;
        second.abort();
        assert!(second.await.is_err());
        assert_eq!(admission.fill().waiting, 0);
        assert!(admission.admit("a", Duration::from_millis(1)).await.is_err(), "the wait is bounded");
        assert_eq!(admission.fill(), Fill { running: 1, waiting: 0 });
        drop(first);
        assert!(admission.admit("a", Duration::ZERO).await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn there_are_never_too_many_and_all_end() {
        let admission = admission(3, 2, 1000);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..300).map(|number: u64| {
            let (admission, running, most) = (Arc::clone(&admission), Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(async move {
                let caller = ["a", "b", "c"][usize::try_from(number % 3).unwrap()];
                // Some give up.
                let patience = if number.is_multiple_of(7) { Duration::from_micros(50) } else { LONG };
                let Ok(_permit) = admission.admit(caller, patience).await else { return };
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_micros(number * 37 % 400)).await;
                running.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(admission.fill(), Fill { running: 0, waiting: 0 });
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?} ran at once");
    }
}
