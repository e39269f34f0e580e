//! The store in memory: it ends with the process, and other replicas do not see it. Bounded in bytes; a put that does not fit is
//! refused, because nothing that was kept may be lost before its time.

use super::{Entry, StateError, StateStore};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What an entry takes besides its bytes.
const OVERHEAD: usize = 64;

struct Kept {
    value: Vec<u8>,
    expires: Option<Instant>,
}

#[derive(Default)]
struct State {
    entries: HashMap<(&'static str, Vec<u8>), Kept>,
    bytes: usize,
}

impl State {
    fn remove(&mut self, key: &(&'static str, Vec<u8>)) {
        if let Some(kept) = self.entries.remove(key) {
            self.bytes -= key.1.len() + kept.value.len() + OVERHEAD;
        }
    }

    fn sweep(&mut self, now: Instant) {
        let mut freed = 0;
        self.entries.retain(|key, kept| {
            let keep = kept.expires.is_none_or(|expires| expires > now);
            freed += if keep { 0 } else { key.1.len() + kept.value.len() + OVERHEAD };
            keep
        });
        self.bytes -= freed;
    }
}

/// The store.
pub(super) struct MemoryStore {
    state: Mutex<State>,
    most: usize,
}

impl MemoryStore {
    /// That holds at most this many bytes.
    pub(super) fn new(most: usize) -> MemoryStore {
        MemoryStore { state: Mutex::default(), most }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    async fn get(&self, namespace: &'static str, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let (state, now) = (self.state(), Instant::now());
        let current = |kept: &&Kept| kept.expires.is_none_or(|expires| expires > now);
        Ok(keys.into_iter().map(|key| state.entries.get(&(namespace, key)).filter(current).map(|kept| kept.value.clone())).collect())
    }

    async fn put(&self, namespace: &'static str, entries: Vec<Entry>) -> Result<(), StateError> {
        let (mut state, now) = (self.state(), Instant::now());
        let size = |key: &[u8], value: &[u8]| key.len() + value.len() + OVERHEAD;
        let more: usize = entries.iter().map(|entry| size(&entry.key, &entry.value)).sum();
        if state.bytes.saturating_add(more) > self.most {
            state.sweep(now);
            let replaced = entries.iter().filter_map(|entry| {
                let key = (namespace, entry.key.clone());
                state.entries.get(&key).map(|kept| size(&entry.key, &kept.value))
            });
            if state.bytes.saturating_add(more).saturating_sub(replaced.sum()) > self.most {
                return Err(StateError::Full(self.most));
            }
        }
        for Entry { key, value, lifetime } in entries {
            let key = (namespace, key);
            state.remove(&key);
            state.bytes += size(&key.1, &value);
            let expires = lifetime.and_then(|lifetime| now.checked_add(lifetime));
            state.entries.insert(key, Kept { value, expires });
        }
        Ok(())
    }

    async fn delete(&self, namespace: &'static str, keys: Vec<Vec<u8>>) -> Result<(), StateError> {
        let mut state = self.state();
        for key in keys {
            state.remove(&(namespace, key));
        }
        Ok(())
    }
}
