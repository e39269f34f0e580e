//! The store in a SQLite file: it outlives the process. One connection, on threads that may block.

use super::{Entry, StateError, StateStore};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What marks a file as ours, so that another database is not written into by mistake: "ptst".
const APPLICATION_ID: i64 = 0x7074_7374;
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS state (namespace TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
    expires INTEGER, PRIMARY KEY (namespace, key)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS state_expires ON state (expires) WHERE expires IS NOT NULL;";

/// The store.
pub(super) struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
}

fn broken(error: impl std::fmt::Display) -> StateError {
    StateError::Broken(error.to_string())
}

/// Milliseconds since 1970.
fn milliseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(i64::MAX)
}

impl SqliteStore {
    /// Opens a file, which is made when it is not there.
    pub(super) fn open(path: &Path) -> Result<SqliteStore, StateError> {
        let failed = |error: rusqlite::Error| broken(format!("{}: {error}", path.display()));
        let connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
        let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(failed)?;
        if tables > 0 && id != APPLICATION_ID {
            return Err(broken(format!("{} is a database of something else", path.display())));
        }
        connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "normal").map_err(failed)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        connection.execute_batch(SCHEMA).map_err(failed)?;
        Ok(SqliteStore { connection: Arc::new(Mutex::new(connection)) })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, StateError> {
        let connection = Arc::clone(&self.connection);
        let blocking = move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(blocking).await.map_err(broken)?.map_err(broken)
    }
}

#[async_trait]
impl StateStore for SqliteStore {
    async fn get(&self, namespace: &'static str, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        self.run(move |connection| {
            let now = milliseconds(SystemTime::now());
            let sql = "SELECT value FROM state WHERE namespace = ? AND key = ? AND (expires IS NULL OR expires > ?)";
            let mut statement = connection.prepare_cached(sql)?;
            keys.iter().map(|key| statement.query_row(params![namespace, key, now], |row| row.get(0)).optional()).collect()
        })
        .await
    }

    async fn put(&self, namespace: &'static str, entries: Vec<Entry>) -> Result<(), StateError> {
        self.run(move |connection| {
            let now = SystemTime::now();
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM state WHERE expires <= ?", params![milliseconds(now)])?;
            let sql = "INSERT INTO state (namespace, key, value, expires) VALUES (?, ?, ?, ?)
                ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, expires = excluded.expires";
            let mut statement = transaction.prepare_cached(sql)?;
            for entry in &entries {
                let expires = entry.lifetime.and_then(|lifetime| now.checked_add(lifetime)).map(milliseconds);
                statement.execute(params![namespace, entry.key, entry.value, expires])?;
            }
            drop(statement);
            transaction.commit()
        })
        .await
    }

    async fn delete(&self, namespace: &'static str, keys: Vec<Vec<u8>>) -> Result<(), StateError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let mut statement = transaction.prepare_cached("DELETE FROM state WHERE namespace = ? AND key = ?")?;
            for key in &keys {
                statement.execute(params![namespace, key])?;
            }
            drop(statement);
            transaction.commit()
        })
        .await
    }
}
