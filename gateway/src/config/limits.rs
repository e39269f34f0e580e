//! Limits as they are written in the file, and what they are where nothing is written. It must not know how they are kept.

use crate::config::units::{ByteSize, DurationText};
use crate::startup::breaker::BreakerSettings;
use crate::startup::protected::RateLimit;
use portico_catalog::ModelError;
use portico_engine::EngineSettings;
use portico_engine::admission::AdmissionLimits;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Active requests where nothing is written, at least.
const LEAST_ACTIVE: usize = 256;
/// Of these, what is left when every source hangs.
const FOR_OTHERS: usize = 64;

/// Limits of requests.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsFile {
    /// Longest time of a request, streaming the answer included; `10m` when absent, because reporting tools read whole tables.
    pub request_time: Option<DurationText>,
    /// Requests that run at the same time, further ones wait; 256 when absent, or 64 more than all sources together let run and wait.
    #[schemars(range(min = 1, max = 100_000))]
    pub active_requests: Option<u32>,
    /// How many of them may be one caller's; all of them when absent. A caller that has more waiting than may wait is refused with 429.
    #[schemars(range(min = 1, max = 100_000))]
    pub active_requests_per_caller: Option<u32>,
    /// Requests that wait until others have ended; one more is refused with 503. 256 when absent, 0 for none.
    #[schemars(range(max = 100_000))]
    pub queued_requests: Option<u32>,
    /// How long a request, or a query that is computed here, may wait for its turn before it is refused; `10s` when absent.
    pub queue_time: Option<DurationText>,
    /// Queries that are computed here (local joins, sorts, aggregates) at the same time; 32 when absent, or a quarter of `active_requests`
    /// where that is less. What a source evaluates whole is not among them.
    #[schemars(range(min = 1, max = 10_000))]
    pub local_queries: Option<u32>,
    /// How many such queries may wait; one more is refused with 503. 64 when absent, or a quarter of `active_requests` where that is less.
    #[schemars(range(max = 10_000))]
    pub queued_local_queries: Option<u32>,
    /// Threads that compute them; one per processor when absent. They give way to the threads that answer all other requests.
    #[schemars(range(min = 1, max = 1_000))]
    pub local_threads: Option<u32>,
    /// Rows of one SQL answer; more is an error. 10 000 000 when absent.
    #[schemars(range(min = 1))]
    pub rows: Option<u64>,
    /// Rows that one source query may fetch for a local join, sort or aggregate; more is an error. 50 000 000 when absent.
    #[schemars(range(min = 1))]
    pub source_rows: Option<u64>,
    /// Memory of one query for local joins, sorts and aggregates; `512MiB` when absent.
    pub query_memory: Option<ByteSize>,
    /// Memory of all such queries together; `1GiB` when absent, or `query_memory` where that is more.
    pub memory: Option<ByteSize>,
    /// Memory of the cache; `256MiB` when absent, `0B` for none.
    pub cache: Option<ByteSize>,
    /// How much all queries together may spill; more is an error. `10GiB` when absent, `0B` for nothing.
    pub spill: Option<ByteSize>,
    /// Where a query spills what does not fit into its memory; the system's temporary directory when absent. What a process that was killed
    /// has left there is removed at the next start.
    pub spill_directory: Option<PathBuf>,
    /// Memory for the results of asynchronous requests (`Prefer: respond-async`) until they are fetched; more is an error of the
    /// request. `256MiB` when absent.
    pub asynchronous_memory: Option<ByteSize>,
    /// How long such a result waits to be fetched; `10m` when absent.
    pub asynchronous_lifetime: Option<DurationText>,
    /// How long requests may go on after a stop was asked; `30s` when absent.
    pub grace: Option<DurationText>,
}

/// Limits that protect a source.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceLimitsFile {
    /// Connections, and so queries at the same time; 16 when absent.
    #[schemars(range(min = 1, max = 10_000))]
    pub connections: Option<u32>,
    /// Queries that wait for one of them; one more is refused with 503. Four for each connection when absent.
    #[schemars(range(max = 100_000))]
    pub queued: Option<u32>,
    /// How many requests it takes in a time; as many as there are when absent. Who would wait longer than its deadline is refused with 503.
    pub rate: Option<RateFile>,
    /// Longest time that it may send nothing while it is waited for: until the first part of an answer, and from one part to the next; `30s`
    /// when absent. As long is waited for a free connection. A whole answer may take as long as the request (`gateway.limits.request_time`).
    pub timeout: Option<DurationText>,
    /// When it is not asked any more for a while, because it is out of order.
    pub breaker: Option<BreakerFile>,
}

/// When a source is not asked any more for a while: `{ failures: 5, pause: 5s }`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerFile {
    /// Queries and writes in a row that it could not be reached for, or did not answer in time; 5 when absent, 0 for never.
    #[schemars(range(max = 1_000))]
    pub failures: Option<u32>,
    /// For how long it is not asked; `5s` when absent. Then one query is let through to try, and each that fails doubles the pause, up to a
    /// minute.
    pub pause: Option<DurationText>,
}

/// How often a source is asked for itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionFile {
    /// From one reading of its schema to the next; `5m` when absent. Where it can tell cheaply that its schema has changed, it is read at once,
    /// and not before.
    pub interval: Option<DurationText>,
    /// How long reading the schema may take; `60s` when absent. A start waits for 20 seconds at most.
    pub time: Option<DurationText>,
    /// How often it is asked whether it answers at all; `15s` when absent.
    pub probe: Option<DurationText>,
}

impl IntrospectionFile {
    /// How often, and how long.
    pub fn settings(&self) -> IntrospectionSettings {
        let or = |given: Option<DurationText>, seconds: u64| given.map_or(Duration::from_secs(seconds), |time| time.0);
        IntrospectionSettings { interval: or(self.interval, 300), time: or(self.time, 60), probe: or(self.probe, 15) }
    }
}

/// How often a source is asked for itself, and how long that may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// From one reading of its schema to the next.
    pub interval: Duration,
    /// How long reading the schema may take.
    pub time: Duration,
    /// How often it is asked whether it answers.
    pub probe: Duration,
}

/// A number of requests in a time: `{ requests: 100, per: 1m, burst: 10 }`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateFile {
    /// How many.
    #[schemars(range(min = 1))]
    pub requests: u32,
    /// In what time; `1s` when absent.
    pub per: Option<DurationText>,
    /// How many may come at once after a pause; as many as come in a second when absent, and at least one.
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
}

impl RateFile {
    /// From one request to the next, and how many at once.
    pub fn limit(&self) -> RateLimit {
        let interval = self.per.map_or(Duration::from_secs(1), |per| per.0) / self.requests.max(1);
        let in_a_second = Duration::from_secs(1).as_nanos() / interval.as_nanos().max(1);
        let burst = self.burst.unwrap_or_else(|| u32::try_from(in_a_second).unwrap_or(u32::MAX)).max(1);
        RateLimit { interval, burst }
    }
}

impl SourceLimitsFile {
    /// Connections.
    pub fn connections(&self) -> usize {
        count(self.connections, 16)
    }

    /// Queries that wait for one.
    pub fn queued(&self) -> usize {
        count(self.queued, self.connections().saturating_mul(4))
    }

    /// Look-ups at once, where the kind has connections that several share.
    pub fn look_ups(&self) -> usize {
        self.connections().saturating_mul(32)
    }

    /// When it is not asked any more.
    pub fn breaker(&self) -> BreakerSettings {
        let given = self.breaker.clone().unwrap_or_default();
        BreakerSettings { failures: given.failures.unwrap_or(5), pause: given.pause.map_or(Duration::from_secs(5), |pause| pause.0) }
    }

    /// How many requests it keeps at most when it hangs.
    pub fn room(&self) -> usize {
        self.connections().saturating_add(self.look_ups()).saturating_add(self.queued().saturating_mul(2))
    }
}

fn count(given: Option<u32>, otherwise: usize) -> usize {
    given.map_or(otherwise, |count| usize::try_from(count).unwrap_or(usize::MAX))
}

impl LimitsFile {
    fn active(&self) -> usize {
        count(self.active_requests, LEAST_ACTIVE)
    }

    fn queue_time(&self) -> Duration {
        self.queue_time.map_or(Duration::from_secs(10), |time| time.0)
    }

    /// Requests that run and wait. `sources` is how many all sources together keep when they hang: by default there is room for others.
    pub fn requests(&self, sources: usize) -> AdmissionLimits {
        let running = count(self.active_requests, sources.saturating_add(FOR_OTHERS).max(LEAST_ACTIVE));
        AdmissionLimits {
            running,
            per_caller: count(self.active_requests_per_caller, running),
            waiting: count(self.queued_requests, 256),
            longest_wait: self.queue_time(),
        }
    }

    /// Queries that are computed here, and wait for that. Each is an active request, so by default they leave half of those to others.
    pub fn local_queries(&self) -> AdmissionLimits {
        let quarter = (self.active() / 4).max(1);
        let running = count(self.local_queries, 32.min(quarter));
        let waiting = count(self.queued_local_queries, 64.min(quarter));
        // One caller has the half of it, where there are others who want it, because whoever has least comes first.
        AdmissionLimits { running, per_caller: running, waiting, longest_wait: self.queue_time() }
    }

    /// The engine's settings; relative paths start at the file's directory.
    pub fn engine(&self, base_directory: &Path, etag_key: Vec<u8>) -> EngineSettings {
        let defaults = EngineSettings::default();
        EngineSettings {
            max_rows: self.rows.unwrap_or(defaults.max_rows),
            max_source_rows: self.source_rows.unwrap_or(defaults.max_source_rows),
            query_memory: self.query_memory.map_or(defaults.query_memory, ByteSize::length),
            local_memory: self.memory.map_or(defaults.local_memory, ByteSize::length),
            spill_bytes: self.spill.map_or(defaults.spill_bytes, |size| size.0),
            local_threads: count(self.local_threads, defaults.local_threads),
            local_queries: self.local_queries(),
            cache_bytes: self.cache.map_or(defaults.cache_bytes, |size| size.0),
            etag_key,
            spill_directory: self.spill_directory.as_ref().map(|directory| base_directory.join(directory)),
            ..defaults
        }
    }
}

/// What does not fit together.
pub fn check(limits: &LimitsFile, errors: &mut Vec<ModelError>) {
    let error = |key: &str, message: String| ModelError::new(&["gateway", "limits", key], message);
    for (key, time) in [("request_time", limits.request_time), ("queue_time", limits.queue_time)] {
        if time.is_some_and(|time| time.0.is_zero()) {
            errors.push(error(key, "zero would refuse every request that cannot begin at once: write 1ms for hardly any time".to_owned()));
        }
    }
    let query_memory = limits.query_memory.map_or(EngineSettings::default().query_memory, ByteSize::length);
    if limits.memory.is_some_and(|memory| memory.length() < query_memory) {
        errors.push(error("memory", "all queries together cannot have less memory than one of them (query_memory)".to_owned()));
    }
    let (active, local) = (limits.active(), limits.local_queries());
    if limits.active_requests_per_caller.is_some_and(|own| count(Some(own), 0) > active) {
        let message = format!("one caller cannot have more than the {active} requests that run at all (active_requests)");
        errors.push(error("active_requests_per_caller", message));
    }
    if local.running + local.waiting >= active && active > 2 {
        let message = format!(
            "{} that run and {} that wait leave no room for other requests: together they must be less than the {active} active_requests",
            local.running, local.waiting
        );
        errors.push(error("local_queries", message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_computed_here_leaves_half_of_the_room() {
        for active in [1, 4, 16, 256, 10_000] {
            let limits = LimitsFile { active_requests: Some(active), ..LimitsFile::default() };
            let local = limits.local_queries();
            assert!(active < 4 || local.running + local.waiting <= limits.active() / 2, "{active}: {local:?}");
            let mut errors = Vec::new();
            check(&limits, &mut errors);
            assert!(errors.is_empty(), "{active}: {errors:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let limits = LimitsFile {
            active_requests: Some(10),
            active_requests_per_caller: Some(11),
            local_queries: Some(5),
            queued_local_queries: Some(5),
            queue_time: Some(DurationText(Duration::ZERO)),
            ..LimitsFile::default()
        };
        let mut errors = Vec::new();
        check(&limits, &mut errors);
        assert_eq!(errors.len(), 3, "{errors:?}");
    }
}
