//! The cache of source answers. It stands at the remote scan: the key is the whole canonical question, the value the complete
//! answer. It is bounded by bytes; an entry lives no longer than its table's freshness; and a write through the gateway changes
//! the table's epoch, which is part of the key, so that what was read before is never found again.

use arrow::array::RecordBatch;
use moka::Expiry;
use moka::future::Cache;
use portico_provider_api::{CallerToken, SourceQuery};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// A question: source, schema version, a digest of the token of who asks where that matters, epochs of all tables read, canonical query with its values. Compared whole,
/// not by a hash, and never printed.
pub type Key = Arc<[u8]>;

/// A complete answer.
#[derive(Debug)]
pub struct Entry {
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// When they were read.
    pub as_of: SystemTime,
    /// Their size.
    pub bytes: u64,
    freshness: Duration,
}

impl Entry {
    /// How old the rows are.
    pub fn age(&self) -> Duration {
        SystemTime::now().duration_since(self.as_of).unwrap_or_default()
    }
}

/// Entries leave when they have reached their table's freshness.
struct Lifetime;

impl Expiry<Key, Arc<Entry>> for Lifetime {
    fn expire_after_create(&self, _key: &Key, entry: &Arc<Entry>, _now: Instant) -> Option<Duration> {
        Some(entry.freshness.saturating_sub(entry.age()))
    }
}

/// One fetch that others wait for.
#[derive(Debug, Default)]
pub struct Flight {
    /// Held while the fetch runs; says whether it ended without an entry, so that those who waited ask for themselves.
    pub uncacheable: tokio::sync::Mutex<bool>,
}

/// The cache.
pub struct ResultCache {
    entries: Cache<Key, Arc<Entry>>,
    flights: Mutex<HashMap<Key, std::sync::Weak<Flight>>>,
    epochs: RwLock<HashMap<(String, String), u64>>,
    max_entry: u64,
}

impl ResultCache {
    /// A cache of at most this many bytes; one entry takes at most an eighth of it.
    pub fn new(bytes: u64) -> ResultCache {
        let entries = Cache::builder()
            .max_capacity(bytes)
            .weigher(|key: &Key, entry: &Arc<Entry>| u32::try_from(entry.bytes + key.len() as u64 + 64).unwrap_or(u32::MAX))
            .expire_after(Lifetime)
            .build();
        ResultCache { entries, flights: Mutex::default(), epochs: RwLock::default(), max_entry: bytes / 8 }
    }

    /// The largest answer that is kept, in bytes.
    pub fn max_entry(&self) -> u64 {
        self.max_entry
    }

    /// The key of a question; `None` when it cannot be written down, which plain data always can. `caller` is the
    /// token of who asks, for a source whose answers are for him alone.
    pub fn key(&self, source: &str, schema_version: &str, caller: Option<&CallerToken>, query: &SourceQuery) -> Option<Key> {
        let mut bytes = format!("{source}\n{schema_version}\n").into_bytes();
        // The token itself rests nowhere: of two callers no one finds the same digest. Of one length, so that nothing is read as a part of it.
        match caller {
            Some(caller) => bytes.extend_from_slice(&Sha256::digest(caller.reveal())),
            None => bytes.extend_from_slice(&[0; 32]),
        }
        let epochs = self.epochs.read().unwrap_or_else(PoisonError::into_inner);
        for table in query.tables() {
            let epoch = epochs.get(&(source.to_owned(), table.to_string())).copied().unwrap_or_default();
            bytes.extend_from_slice(format!("{epoch} ").as_bytes());
        }
        bytes.extend_from_slice(&query.canonical_bytes().ok()?);
        Some(bytes.into())
    }

    /// An answer that is not older than this.
    pub async fn get(&self, key: &Key, freshness: Duration) -> Option<Arc<Entry>> {
        self.entries.get(key).await.filter(|entry| entry.age() <= freshness)
    }

    /// Keeps a complete answer for as long as the table's freshness.
    pub async fn put(&self, key: Key, batches: Vec<RecordBatch>, as_of: SystemTime, freshness: Duration) {
        let bytes = batches.iter().map(batch_bytes).sum();
        let entry = Entry { batches, as_of, bytes, freshness };
        if bytes <= self.max_entry && entry.age() < freshness {
            self.entries.insert(key, Arc::new(entry)).await;
        }
    }

    /// The fetch of a key that is under way, or a new one.
    pub fn flight(&self, key: &Key) -> Arc<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key).and_then(std::sync::Weak::upgrade) {
            return flight;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::new(Flight::default());
        flights.insert(Arc::clone(key), Arc::downgrade(&flight));
        flight
    }

    /// Makes all answers about a table unfindable.
    pub fn invalidate(&self, source: &str, table: &str) {
        let mut epochs = self.epochs.write().unwrap_or_else(PoisonError::into_inner);
        *epochs.entry((source.to_owned(), table.to_owned())).or_default() += 1;
    }
}

/// The memory that a batch holds, roughly.
pub fn batch_bytes(batch: &RecordBatch) -> u64 {
    u64::try_from(batch.get_array_memory_size()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_provider_api::{RemoteTableName, SourceQuery, TableRelation};

    #[test]
    fn what_one_caller_was_told_is_found_by_him_alone() {
        let cache = ResultCache::new(1 << 20);
        let table = TableRelation { table: RemoteTableName(vec!["orders".to_owned()]), columns: Vec::new() };
        let query = SourceQuery::scan(table);
        let key = |token: Option<&str>| cache.key("erp", "1", token.map(CallerToken::new).as_ref(), &query).unwrap();
        let keys = [key(None), key(Some("ann")), key(Some("bob")), key(Some("ann\n0 "))];
        for (index, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(index + 1).all(|other| other != one), "{index}");
        }
        assert_eq!(key(Some("ann")), keys[1]);
    }
}
