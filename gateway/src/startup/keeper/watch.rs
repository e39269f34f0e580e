//! Keeps what is published true while the gateway runs: sources are probed and asked again, and the lock is looked at. It must not know how a
//! model is built.

use super::{FIRST_RETRY, Heard, Keeper, LAST_RETRY, LOCK_LOOK, RECHECK_SHARE, SourceState};
use crate::startup::lock;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

impl Keeper {
    /// Goes on asking every source, and looking at the lock. What a source has is published when it answers for the first time, and when the
    /// lock or what it can evaluate has changed. Ends when a stop is asked.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut tasks: FuturesUnordered<_> = self.sources.keys().map(|name| self.watch_one(name, &stop)).collect();
        let sources = async { while tasks.next().await.is_some() {} };
        tokio::join!(sources, self.watch_lock(&stop));
    }

    async fn watch_one(&self, name: &str, stop: &CancellationToken) {
        let settings = self.settings(name);
        let (mut answers, mut live) =
            self.known().statuses.get(name).map_or((false, false), |status| (status.answers, status.state == SourceState::Live));
        let mut pause = if answers { settings.probe } else { FIRST_RETRY };
        let (mut introspected, mut schema) = (Instant::now(), None);
        let mut every = settings.interval;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let started = Instant::now();
            // One that was away may have come back as another.
            let whole = !live || !answers || introspected.elapsed() >= every;
            let heard = if whole { self.introspect_one(name, Duration::MAX).await } else { self.probe_one(name, &mut schema).await };
            let answered = match heard {
                Heard::Nothing => answers,
                Heard::Answer { .. } => true,
                Heard::Silence { .. } => false,
            };
            if answered && whole {
                (introspected, live) = (Instant::now(), true);
                // One whose answer takes long is asked less often.
                every = settings.interval.max(started.elapsed() * RECHECK_SHARE);
            }
            if answered && !answers {
                tracing::info!(source = name, "the source answers");
            }
            if let Heard::Answer { changed: true } | Heard::Silence { changed: true } = heard {
                self.publish_anew(name);
            }
            pause = match (answered, answers) {
                (true, _) => settings.probe.max(started.elapsed()),
                (false, true) => FIRST_RETRY,
                // A source that lets every question time out is asked no more often than one that refuses at once.
                (false, false) => (pause * 2).max(started.elapsed()).min(LAST_RETRY),
            };
            answers = answered;
        }
    }

    fn publish_anew(&self, name: &str) {
        if let Err(errors) = self.publish() {
            tracing::error!(source = name, "the model cannot be published with what the source has: {errors}");
        }
    }

    async fn watch_lock(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOCK_LOOK) => {}
            }
            if self.reload_lock() && self.compare_all().await {
                tracing::info!("the lock has changed: what it holds is published");
                if let Err(errors) = self.publish() {
                    tracing::error!("the model cannot be published with what the lock holds: {errors}");
                }
            }
        }
    }

    /// Takes over a lock that another process has written, `portico check --write-lock` above all; whether there is one.
    fn reload_lock(&self) -> bool {
        let seen = lock::stamp(&self.lock_path);
        let mut known = self.known();
        if seen == known.lock_seen {
            return false;
        }
        known.lock_seen = seen;
        let locked = match lock::read(&self.lock_path) {
            Ok(Some(locked)) if locked != known.locked => locked,
            // A lock that was removed is written again with the next one that is published.
            Ok(_) => return false,
            Err(message) => {
                tracing::warn!("{message}: what is published stays");
                return false;
            }
        };
        known.locked = locked;
        true
    }

    /// Compares what all sources have with the lock; whether what is published has to change. They are asked anew: whoever has accepted what a
    /// source has now knows more of it than is known here. One that does not answer is compared as it was, or is what the lock says.
    async fn compare_all(&self) -> bool {
        let mut changed = false;
        for name in self.sources.keys() {
            let heard = self.introspect_one(name, Duration::MAX).await;
            if let Heard::Answer { changed: other } = heard {
                changed |= other;
                continue;
            }
            let live = self.known().live.get(name).cloned();
            changed |= match live {
                Some(live) => self.accept(name, live),
                None => self.take_from_lock(name),
            };
        }
        changed
    }

    fn take_from_lock(&self, name: &str) -> bool {
        let mut known = self.known();
        let Some(locked) = known.locked.get(name).cloned() else { return false };
        let changed = known.schemas.get(name) != Some(&locked);
        known.schemas.insert(name.to_owned(), locked);
        changed
    }
}
