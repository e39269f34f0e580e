//! One connection and what it is told before it is used, so that a statement means the same whatever the server's own settings are.
//! It must not know pools, the IR or rows.

use crate::errors::Failure;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use portico_provider_sql::{Dialect, MARIADB, MYSQL, SORTED_BYTES};
use std::time::Duration;

/// What server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// MariaDB, or else MySQL.
    pub mariadb: bool,
    /// Major and minor version.
    pub version: (u16, u16),
}

impl Server {
    /// Reads what `version()` says: `10.11.6-MariaDB-1`, `8.0.36`, `5.5.5-10.4.2-MariaDB` behind some proxies.
    fn parse(text: &str) -> Option<Server> {
        let mariadb = text.to_ascii_lowercase().contains("mariadb");
        let own = text.strip_prefix("5.5.5-").filter(|_| mariadb).unwrap_or(text);
        let mut parts = own.split(|character: char| !character.is_ascii_digit());
        let version = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Server { mariadb, version })
    }

    /// Whether it has window functions and check constraints: everything that is asked here.
    fn is_new_enough(self) -> bool {
        if self.mariadb { self.version >= (10, 3) } else { self.version >= (8, 0) }
    }

    /// How changes are spelt for it.
    pub fn dialect(self) -> &'static Dialect {
        if self.mariadb && self.version >= (10, 5) { &MARIADB } else { &MYSQL }
    }
}

/// A connection that is set up.
pub struct Session {
    /// The driver's connection.
    pub conn: Conn,
    /// What is at its other end.
    pub server: Server,
    /// The time limit that the server was told, in seconds; 0 before it was told any.
    limit: u64,
}

/// Told to every server. No answer is cut by a limit that the server's owner set for others, `IS NULL` finds no fresh row, sorts look at
/// the whole of every text, and messages are those that `errors` can read. A write that does not fit fails.
fn settings() -> String {
    format!(
        "SET SESSION time_zone = '+00:00', autocommit = 1, \
         sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION', \
         sql_auto_is_null = 0, sql_safe_updates = 0, sql_select_limit = 18446744073709551615, sql_big_selects = 1, \
         foreign_key_checks = 1, unique_checks = 1, lc_messages = 'en_US', lc_time_names = 'en_US', \
         max_sort_length = {}",
        SORTED_BYTES + 8
    )
}

impl Session {
    /// Connects and sets up. A session is read-only, so that no read can write by accident; writes open their transaction `READ WRITE`.
    ///
    /// # Errors
    /// When the server cannot be reached, rejects the credentials, or is too old.
    pub async fn open(opts: Opts) -> Result<Session, Failure> {
        let mut conn = Conn::new(opts).await?;
        let version: Option<String> = conn.query_first("SELECT version()").await?;
        let server = version.as_deref().and_then(Server::parse).filter(|server| server.is_new_enough());
        let Some(server) = server else { return Err(Failure::TooOld) };
        conn.query_drop("SET NAMES utf8mb4 COLLATE utf8mb4_bin").await?;
        conn.query_drop(settings()).await?;
        // Room for long texts in a sort of theirs. MySQL may not let everybody have it, and then takes what it has, or fails.
        match conn.query_drop("SET SESSION sort_buffer_size = GREATEST(@@sort_buffer_size, 8388608)").await {
            Err(mysql_async::Error::Server(_)) if !server.mariadb => {}
            other => other?,
        }
        if server.mariadb {
            // A long list is compared as a list, not as a table whose columns have other types. What a sub-query found for one text is
            // kept under the collation of the column, and would be found again for another text.
            conn.query_drop("SET SESSION in_predicate_conversion_threshold = 0, optimizer_switch = 'subquery_cache=off'").await?;
        }
        // A write locks the rows that it finds, not the gaps where it finds none: others may insert there.
        conn.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY").await?;
        Ok(Session { conn, server, limit: 0 })
    }

    /// Makes the server stop a statement by itself when nobody is there to stop it. The limit is rounded up, so that it seldom changes: the
    /// exact one is kept here.
    ///
    /// # Errors
    /// When the server cannot be told.
    pub async fn limit_time(&mut self, left: Duration) -> Result<(), Failure> {
        let seconds = left.as_secs().saturating_add(2).min(1 << 20).next_power_of_two();
        if seconds != self.limit {
            let setting = match self.server.mariadb {
                true => format!("SET SESSION max_statement_time = {seconds}"),
                false => format!("SET SESSION max_execution_time = {}", seconds * 1_000),
            };
            self.conn.query_drop(setting).await?;
            self.limit = seconds;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let parsed = |text| Server::parse(text).map(|server| (server.mariadb, server.version, server.is_new_enough()));
        assert_eq!(parsed("10.11.19-MariaDB-0+deb12u1"), Some((true, (10, 11), true)));
        assert_eq!(parsed("5.5.5-10.4.2-MariaDB"), Some((true, (10, 4), true)));
        assert_eq!(parsed("10.2.44-MariaDB"), Some((true, (10, 2), false)));
        assert_eq!(parsed("8.0.36"), Some((false, (8, 0), true)));
        assert_eq!(parsed("5.7.44-log"), Some((false, (5, 7), false)));
        assert_eq!(parsed("what"), None);
        assert!(!Server::parse("8.4.0").unwrap().dialect().insert_returns);
        assert!(Server::parse("11.4.2-MariaDB").unwrap().dialect().insert_returns);
    }
}
