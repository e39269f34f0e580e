//! What must outlive a request and is not source data: a small store of bytes by namespace and key, with an expiry. It never holds rows.
//! It must not know what the bytes mean.
//!
//! Whoever keeps something here takes a namespace of its own (a constant next to its code) and puts a version into what it writes:
//! a file outlives the program that wrote it.

mod jobs;
mod memory;
mod sqlite;

pub use jobs::{Budget, Completed, Jobs, Progress};

use crate::config::StateSettings;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// It holds as much as it may.
    #[error("the state store is full: it holds at most {0} bytes")]
    Full(usize),
    /// It cannot be opened, read or written; the message has no value in it.
    #[error("the state store does not work: {0}")]
    Broken(String),
}

/// Something to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key in the namespace.
    pub key: Vec<u8>,
    /// What is kept.
    pub value: Vec<u8>,
    /// For how long; `None` for ever.
    pub lifetime: Option<Duration>,
}

/// A store of bytes by namespace and key.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// What is kept for each of these keys, in their order; `None` where there is nothing, or no longer.
    ///
    /// # Errors
    /// [`StateError::Broken`].
    async fn get(&self, namespace: &'static str, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, StateError>;

    /// Keeps entries, all or none; what was kept for a key is replaced.
    ///
    /// # Errors
    /// [`StateError::Full`], [`StateError::Broken`].
    async fn put(&self, namespace: &'static str, entries: Vec<Entry>) -> Result<(), StateError>;

    /// Forgets keys; those that are not there are no mistake.
    ///
    /// # Errors
    /// [`StateError::Broken`].
    async fn delete(&self, namespace: &'static str, keys: Vec<Vec<u8>>) -> Result<(), StateError>;
}

/// Opens the configured store.
///
/// # Errors
/// A file that cannot be opened, or is not such a store.
pub fn open(settings: &StateSettings) -> Result<Arc<dyn StateStore>, StateError> {
    Ok(match &settings.sqlite {
        None => Arc::new(memory::MemoryStore::new(settings.max_memory)),
        Some(path) => Arc::new(sqlite::SqliteStore::open(path)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str, lifetime: Option<Duration>) -> Entry {
        Entry { key: key.into(), value: value.into(), lifetime }
    }

    async fn texts(store: &dyn StateStore, namespace: &'static str, keys: &[&str]) -> Vec<Option<String>> {
        let keys = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
        let values = store.get(namespace, keys).await.unwrap();
        values.into_iter().map(|value| value.map(|value| String::from_utf8(value).unwrap())).collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[tokio::test]
    async fn every_store_keeps_replaces_expires_and_forgets() {
        let directory = tempfile::tempdir().unwrap();
        let memory = StateSettings { sqlite: None, max_memory: 10_000 };
        let file = StateSettings { sqlite: Some(directory.path().join("state.db")), max_memory: 0 };
        for settings in [memory, file] {
            let store = open(&settings).unwrap();
            let long = Some(Duration::from_secs(3600));
            store.put("a", vec![entry("1", "one", None), entry("2", "two", long), entry("3", "", Some(Duration::ZERO))]).await.unwrap();
            store.put("b", vec![entry("1", "other", None)]).await.unwrap();
            assert_eq!(texts(&*store, "a", &["2", "1", "3", "4"]).await, [some("two"), some("one"), None, None]);
            assert_eq!(texts(&*store, "b", &["1", "2"]).await, [some("other"), None]);
            store.put("a", vec![entry("1", "uno", None)]).await.unwrap();
            store.delete("a", vec![b"2".to_vec(), b"9".to_vec()]).await.unwrap();
            assert_eq!(texts(&*store, "a", &["1", "2"]).await, [some("uno"), None]);
            assert_eq!(texts(&*store, "a", &[]).await, []);
        }
    }

    #[tokio::test]
    async fn a_file_outlives_its_store_and_memory_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let file = StateSettings { sqlite: Some(directory.path().join("state.db")), max_memory: 0 };
        open(&file).unwrap().put("a", vec![entry("1", "one", None)]).await.unwrap();
        assert_eq!(texts(&*open(&file).unwrap(), "a", &["1"]).await, [some("one")]);
        std::fs::write(directory.path().join("other.db"), "this is no database, and long enough to be read as one").unwrap();
        let other = StateSettings { sqlite: Some(directory.path().join("other.db")), max_memory: 0 };
        assert!(matches!(open(&other), Err(StateError::Broken(_))));

        let small = open(&StateSettings { sqlite: None, max_memory: 500 }).unwrap();
        let large = "x".repeat(300);
        small.put("a", vec![entry("1", &large, None)]).await.unwrap();
        let refused = small.put("a", vec![entry("2", "x", None), entry("3", &large, None)]).await;
        assert_eq!(refused, Err(StateError::Full(500)));
        assert_eq!(texts(&*small, "a", &["1", "2"]).await, [Some(large.clone()), None], "all or none");
        small.put("a", vec![entry("1", "x", Some(Duration::ZERO))]).await.unwrap();
        small.put("a", vec![entry("3", &large, None)]).await.unwrap();
    }
}
