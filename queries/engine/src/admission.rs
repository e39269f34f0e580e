//! Admission: so many at once, so many waiting, none for long. Who is let in next is whoever has the least running, so that one caller's
//! crowd does not keep the others waiting. It must not know what it is that runs.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
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

/// Callers who are remembered though they run nothing: with more, those are forgotten.
const REMEMBERED: usize = 256;

/// Lets in and holds back. Where there is room nothing is locked that others may have to wait for: on a busy machine the thread that holds a
/// lock may be the one that has to wait for a processor, and all other threads with it.
pub struct Admission {
    what: &'static str,
    limits: AdmissionLimits,
    running: AtomicUsize,
    /// How many of each caller's run. They are counted while it is locked for reading, and forgotten while it is locked for writing.
    callers: RwLock<HashMap<Arc<str>, Arc<AtomicUsize>>>,
    /// How long one usually runs, in nanoseconds. One of two that end at the same time may not count.
    usual: AtomicU64,
    /// How many wait, or are about to. Who is about to looks once more whether there is room, and who gives back looks here after that: one of
    /// the two sees the other.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiter>,
    numbers: u64,
}

struct Waiter {
    number: u64,
    caller: Arc<str>,
    let_in: oneshot::Sender<Permit>,
}

/// Leave to run; given back when it is dropped.
pub struct Permit {
    admission: Arc<Admission>,
    of_caller: Arc<AtomicUsize>,
    since: Instant,
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("what", &self.admission.what).finish_non_exhaustive()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let left = self.of_caller.fetch_sub(1, Ordering::SeqCst);
        self.admission.running.fetch_sub(1, Ordering::SeqCst);
        self.admission.given_back(left == 1, self.since.elapsed());
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
            let mut queue = self.admission.queue();
            let position = queue.waiting.iter().position(|waiter| waiter.number == self.number);
            let left = position.and_then(|position| queue.waiting.remove(position));
            if left.is_some() {
                self.admission.waiting.fetch_sub(1, Ordering::SeqCst);
            }
            left
        };
    }
}

impl Admission {
    /// Nothing runs yet. `what` is named in refusals.
    pub fn new(what: &'static str, limits: AdmissionLimits) -> Arc<Admission> {
        Arc::new(Admission {
            what,
            limits,
            running: AtomicUsize::default(),
            callers: RwLock::default(),
            usual: AtomicU64::default(),
            waiting: AtomicUsize::default(),
            queue: Mutex::default(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many one caller may have running.
    pub fn most_of_one(&self) -> usize {
        self.limits.running.min(self.limits.per_caller)
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        Fill { running: self.running.load(Ordering::SeqCst), waiting: self.waiting.load(Ordering::SeqCst) }
    }

    /// Waits until the caller may run, at most for so long. A future that is dropped leaves its place.
    ///
    /// # Errors
    /// When too many wait already, or the time is over.
    pub async fn admit(self: &Arc<Self>, caller: &str, longest: Duration) -> Result<Permit, Overload> {
        if self.waiting.load(Ordering::SeqCst) == 0
            && let Some(permit) = self.permit(caller)
        {
            return Ok(permit);
        }
        let longest = longest.min(self.limits.longest_wait);
        let (place, turn) = match self.stand_in_line(caller, longest)? {
            Line::LetIn(permit) => return Ok(permit),
            Line::Waits { number, turn } => (Place { admission: self, number }, turn),
        };
        match tokio::time::timeout(longest, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                drop(place);
                Err(self.overload(caller, self.waiting.load(Ordering::SeqCst)))
            }
        }
    }

    /// Lets the caller in, or gives it a place among those who wait.
    fn stand_in_line(self: &Arc<Self>, caller: &str, longest: Duration) -> Result<Line, Overload> {
        let (let_in, outcome) = {
            let mut queue = self.queue();
            self.waiting.fetch_add(1, Ordering::SeqCst);
            // Who waits goes first where there is room for both.
            let let_in = self.serve(&mut queue);
            let outcome = match self.permit(caller) {
                Some(permit) => Ok(Line::LetIn(permit)),
                None if queue.waiting.len() >= self.limits.waiting || longest.is_zero() => Err(self.overload(caller, queue.waiting.len())),
                None => {
                    queue.numbers += 1;
                    let number = queue.numbers;
                    let (let_in, turn) = oneshot::channel();
                    queue.waiting.push_back(Waiter { number, caller: caller.into(), let_in });
                    Ok(Line::Waits { number, turn })
                }
            };
            if !matches!(outcome, Ok(Line::Waits { .. })) {
                self.waiting.fetch_sub(1, Ordering::SeqCst);
            }
            (let_in, outcome)
        };
        send(let_in);
        outcome
    }

    /// Leave to run, where there is room.
    fn permit(self: &Arc<Self>, caller: &str) -> Option<Permit> {
        let counted = |count: &AtomicUsize, most: usize| {
            count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| (count < most).then_some(count + 1)).is_ok()
        };
        if !counted(&self.running, self.limits.running) {
            return None;
        }
        let known = {
            let callers = self.callers.read().unwrap_or_else(PoisonError::into_inner);
            callers.get(caller).map(|count| counted(count, self.limits.per_caller).then(|| Arc::clone(count)))
        };
        let of_caller = known.unwrap_or_else(|| {
            let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
            let count = callers.entry(caller.into()).or_default();
            counted(count, self.limits.per_caller).then(|| Arc::clone(count))
        });
        match of_caller {
            Some(of_caller) => Some(Permit { admission: Arc::clone(self), of_caller, since: Instant::now() }),
            None => {
                self.running.fetch_sub(1, Ordering::SeqCst);
                None
            }
        }
    }

    fn running_of(&self, caller: &str) -> usize {
        let callers = self.callers.read().unwrap_or_else(PoisonError::into_inner);
        callers.get(caller).map_or(0, |count| count.load(Ordering::SeqCst))
    }

    fn overload(&self, caller: &str, waiting: usize) -> Overload {
        // Where all is one caller's, there is no other limit than that of all.
        let own = self.limits.per_caller < self.limits.running && self.running_of(caller) >= self.limits.per_caller;
        let limit = if own { self.limits.per_caller } else { self.limits.running };
        let ahead = u32::try_from(waiting).unwrap_or(u32::MAX).saturating_add(1);
        let at_once = u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        let expected = Duration::from_nanos(self.usual.load(Ordering::Relaxed)).saturating_mul(ahead) / at_once;
        // Whole seconds, as headers have them.
        let seconds = Duration::from_secs(expected.as_secs() + u64::from(expected.subsec_nanos() > 0));
        Overload { what: self.what, limit, own, after: seconds.clamp(RETRY.0, RETRY.1) }
    }

    /// After a permit was given back: remembers how long it ran, and lets in who waits.
    fn given_back(self: &Arc<Self>, was_last: bool, ran: Duration) {
        let ran = u64::try_from(ran.as_nanos()).unwrap_or(u64::MAX);
        let usual = self.usual.load(Ordering::Relaxed);
        self.usual.store(usual - usual / 8 + ran / 8, Ordering::Relaxed);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let let_in = self.serve(&mut self.queue());
            send(let_in);
        }
        if was_last {
            self.forget();
        }
    }

    /// Forgets callers who run nothing, where they have become many.
    fn forget(&self) {
        let many = || self.callers.try_read().is_ok_and(|callers| callers.len() > REMEMBERED);
        if many() {
            let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
            callers.retain(|_, count| count.load(Ordering::SeqCst) > 0);
        }
    }

    /// Permits for those who wait, as far as there is room; to be sent once the queue is unlocked.
    fn serve(self: &Arc<Self>, queue: &mut Queue) -> Vec<(oneshot::Sender<Permit>, Permit)> {
        let mut let_in = Vec::new();
        while let Some(position) = self.next(queue)
            && let Some(permit) = queue.waiting.get(position).and_then(|waiter| self.permit(&waiter.caller))
            && let Some(waiter) = queue.waiting.remove(position)
        {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            let_in.push((waiter.let_in, permit));
        }
        let_in
    }

    /// Who is next: of those who may run the one whose caller has the least running, and of these the first to come.
    fn next(&self, queue: &Queue) -> Option<usize> {
        if self.running.load(Ordering::SeqCst) >= self.limits.running {
            return None;
        }
        let waiting = queue.waiting.iter().enumerate().map(|(position, waiter)| (self.running_of(&waiter.caller), position));
        waiting.filter(|(running, _)| *running < self.limits.per_caller).min().map(|(_, position)| position)
    }
}

/// What has become of one who could not run at once.
enum Line {
    LetIn(Permit),
    Waits { number: u64, turn: oneshot::Receiver<Permit> },
}

/// Who has left meanwhile gives the permit back at once, which takes the lock again.
fn send(let_in: Vec<(oneshot::Sender<Permit>, Permit)>) {
    for (waiter, permit) in let_in {
        drop(waiter.send(permit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[tokio::test]
    async fn callers_who_are_gone_are_forgotten() {
        let admission = admission(9, 9, 1);
        let stays = admission.admit("stays", LONG).await.unwrap();
        for number in 0..3 * REMEMBERED {
            drop(admission.admit(&format!("caller {number}"), LONG).await.unwrap());
        }
        assert!(admission.callers.read().unwrap().len() <= REMEMBERED + 1);
        assert_eq!(admission.running_of("stays"), 1);
        drop(stays);
        assert_eq!(admission.fill(), Fill { running: 0, waiting: 0 });
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
