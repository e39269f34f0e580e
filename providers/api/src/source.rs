//! How a source is reached: the traits that a source kind implements.

use crate::change::{ChangeOutcome, ChangeSet};
use crate::context::QueryContext;
use crate::error::SourceError;
use crate::query::SourceQuery;
use crate::schema::{RemoteSchema, RemoteTableName, Selection};
use crate::stream::QueryStream;
use crate::trial::Trial;
use crate::value::Value;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// One request in the source's own language, for EXPLAIN, tests and logs. Parameters are shown as placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NativeRequest {
    /// `sql`, `http`, `memory`, …
    pub language: String,
    /// The text: a statement, or a method and URL.
    pub text: String,
    /// How many parameters are bound.
    pub parameters: usize,
}

/// What a source says when it is probed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probe {
    /// The state of the whole schema (an ETag, a version number), where it is known: as long as it stays the same, the schema need not be read.
    pub schema: Option<String>,
}

/// A live configured source.
#[async_trait]
pub trait Source: Send + Sync {
    /// What the source has. `wanted` limits the work, not the truth. Every table comes once, under the one name that it has in a selection of
    /// all, however it is spelt in `wanted`: caches and limits know tables by their names.
    ///
    /// # Errors
    /// When the source cannot be asked.
    async fn remote_schema(&self, wanted: &Selection, context: &QueryContext) -> Result<RemoteSchema, SourceError>;

    /// Asks as cheaply as can be whether the source answers with these credentials, and, where that costs nothing more, in which state its schema
    /// is. Without a cheaper way it is asked for the schema of no table.
    ///
    /// # Errors
    /// When it does not answer.
    async fn probe(&self, context: &QueryContext) -> Result<Probe, SourceError> {
        let nothing = Selection::Named { tables: Some(Vec::new()), operations: Vec::new() };
        self.remote_schema(&nothing, context).await.map(|_| Probe::default())
    }

    /// Tries what is declared of it by a handful of small queries of one of these tables, and judges the answers; nothing where the kind has
    /// nothing to try. Nothing is changed.
    ///
    /// # Errors
    /// When it does not answer.
    async fn try_capabilities(&self, _tables: &[RemoteTableName], _context: &QueryContext) -> Result<Vec<Trial>, SourceError> {
        Ok(Vec::new())
    }

    /// Runs a query. A query beyond the capabilities is refused as `Unsupported` before anything is sent.
    ///
    /// # Errors
    /// When the query cannot be started; failures on the way come through the stream.
    async fn query(&self, query: SourceQuery, context: &QueryContext) -> Result<QueryStream, SourceError>;

    /// What `query` would send. Pure; empty when the query is beyond the capabilities.
    fn describe(&self, query: &SourceQuery) -> Vec<NativeRequest>;

    /// Translates a query with parameters ([`Expr::Parameter`](crate::Expr::Parameter)) once, for runs with values of their own; `None` where
    /// what is sent depends on the values, or the kind has nothing to gain by it. Pure. The parameters are numbered from 0 on, without gaps.
    fn prepare(&self, _query: &SourceQuery) -> Option<Arc<dyn PreparedQuery>> {
        None
    }

    /// How many queries it is asked at a time, where that is limited: who has several for one purpose keeps no more of them under way.
    fn at_once(&self) -> Option<usize> {
        None
    }

    /// Whether callers are shown to it by their own tokens ([`crate::QueryContext::caller`]), so that its answers are theirs: what one was told
    /// is told to nobody else.
    fn asks_as_caller(&self) -> bool {
        false
    }

    /// The write side, where there is one.
    fn writable(&self) -> Option<&dyn WritableSource> {
        None
    }

    /// The change feed, where there is one.
    fn change_feed(&self) -> Option<&dyn ChangeFeed> {
        None
    }
}

/// A query that was translated once, to be run with other values each time.
#[async_trait]
pub trait PreparedQuery: Send + Sync {
    /// Whether a run looks up few rows by a key, so that it shares a connection with others instead of having one for itself.
    fn is_look_up(&self) -> bool;

    /// Runs it. `values` has one for each parameter, of its type and not null.
    ///
    /// # Errors
    /// As [`Source::query`].
    async fn query(&self, values: Vec<Value>, context: &QueryContext) -> Result<QueryStream, SourceError>;
}

/// A source that can be written to.
#[async_trait]
pub trait WritableSource: Send + Sync {
    /// Applies a change set in one transaction: all of it or nothing. One outcome per change.
    ///
    /// # Errors
    /// When the source fails. [`SourceError::effect`](crate::SourceError) says whether the changes may have been made all the same.
    async fn write(&self, changes: ChangeSet, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError>;
}

/// A source that can tell what changed.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// The position from which changes can be read now.
    ///
    /// # Errors
    /// When the source cannot be asked.
    async fn position(&self, table: &RemoteTableName, context: &QueryContext) -> Result<String, SourceError>;
}

/// What a kind is given when it connects.
#[derive(Debug, Clone)]
pub struct ConnectContext {
    /// The configured name of the source, for messages.
    pub source_name: String,
    /// Directory against which relative paths in the configuration are resolved.
    pub base_directory: std::path::PathBuf,
    /// Connections at most.
    pub max_connections: usize,
    /// Longest time that the source may send nothing while it is waited for: until the first part of an answer, and between two.
    pub timeout: Duration,
    /// Longest time of a whole request to the gateway, a slow client's included: beyond it nothing at the source needs to go on.
    pub request_time: Duration,
}

/// A kind of source: a name, the shape of its configuration, and a way to connect.
///
/// `connect` checks the configuration and builds the source; it does not have to reach it: a source that is down is connected
/// when it is first needed.
pub struct SourceKind {
    /// The name in `kind:`.
    pub name: &'static str,
    /// JSON Schema of the kind's own settings (without `kind`, `limits`, `contact`).
    pub config_schema: fn() -> serde_json::Value,
    /// Builds a source from its settings. Secrets are already resolved to plain strings. A mistake in a setting says which one it is
    /// ([`SourceError::at`]), so that it is reported at its line of the file.
    pub connect: fn(config: serde_json::Value, context: ConnectContext) -> Result<Arc<dyn Source>, SourceError>,
}
