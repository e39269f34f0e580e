//! One request from its first byte to its last: stage timings, what was sent, how it ended. It lives as long as the answer streams;
//! dropped before its end it says that the client went away. It must not know how an answer is written.

use crate::error::{Code, Culprit, RequestError};
use crate::telemetry::Metrics;
use portico_engine::admission::Permit;
use portico_engine::{CallOutcome, Journal, SourceCall, Written};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::Instrument;

/// The stages of the request path, by the names that spans, metrics and `Server-Timing` use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Request → statement.
    Parse,
    /// Statement → plan.
    Plan,
    /// Plan → permitted plan.
    Policy,
    /// Permitted plan → remote scans and residual.
    PushDown,
    /// To the first batch.
    Execute,
    /// Batches → response. It goes on while the answer streams, and the time to wait for further batches is not in it.
    Encode,
}

impl Stage {
    /// All, in order.
    pub const ALL: [Stage; 6] = [Stage::Parse, Stage::Plan, Stage::Policy, Stage::PushDown, Stage::Execute, Stage::Encode];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Parse => "parse",
            Stage::Plan => "plan",
            Stage::Policy => "policy",
            Stage::PushDown => "push_down",
            Stage::Execute => "execute",
            Stage::Encode => "encode",
        }
    }
}

/// The way a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// OData over HTTP.
    OData,
    /// SQL over HTTP.
    Sql,
    /// Flight SQL.
    Flight,
}

impl Door {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Door::OData => "odata",
            Door::Sql => "sql",
            Door::Flight => "flight",
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Well, with this HTTP status (or 0 for gRPC).
    Ok(u16),
    /// Not, before or after the answer began.
    Failed(RequestError),
    /// The client went away.
    Cancelled,
}

#[derive(Default)]
struct State {
    stages: [Duration; 6],
    principal: Option<String>,
    statement: Option<String>,
    journal: Option<Arc<Journal>>,
    status: u16,
    rows: u64,
    bytes: u64,
    permit: Option<Permit>,
    finished: bool,
}

/// One request.
pub struct Trace {
    /// Its id.
    pub id: String,
    /// The way it came in.
    pub door: Door,
    method: String,
    path: String,
    started: Instant,
    span: tracing::Span,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

impl Trace {
    /// A request begins. The path is without the query; keys in it are left out of records: values stand there.
    pub fn begin(metrics: &Arc<Metrics>, door: Door, id: String, method: &str, path: &str) -> Arc<Trace> {
        metrics.begin(door);
        let span = tracing::info_span!("request", id, door = door.name());
        Arc::new(Trace {
            id,
            door,
            method: method.to_owned(),
            path: path.to_owned(),
            started: Instant::now(),
            span,
            metrics: Arc::clone(metrics),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes who asks.
    pub fn set_principal(&self, name: &str) {
        self.state().principal = Some(name.to_owned());
    }

    /// Notes what kind of statement it is.
    pub fn set_statement(&self, kind: impl Into<String>) {
        self.state().statement = Some(kind.into());
    }

    /// Notes where source calls are written.
    pub fn set_journal(&self, journal: &Arc<Journal>) {
        self.state().journal = Some(Arc::clone(journal));
    }

    /// What has become of what the request writes.
    pub fn written(&self) -> Written {
        self.state().journal.as_ref().map(|journal| journal.written()).unwrap_or_default()
    }

    /// Notes the status with which the answer begins.
    pub fn set_status(&self, status: u16) {
        self.state().status = status;
    }

    /// Keeps the permit of a running request until its end.
    pub fn hold(&self, permit: Permit) {
        self.state().permit = Some(permit);
    }

    /// Notes what was sent.
    pub fn sent(&self, rows: u64, bytes: u64) {
        let mut state = self.state();
        state.rows += rows;
        state.bytes += bytes;
    }

    /// Notes time spent in a stage.
    pub fn spent(&self, stage: Stage, elapsed: Duration) {
        self.state().stages[stage as usize] += elapsed;
    }

    /// Runs a stage.
    pub fn stage<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = self.stage_span(stage).in_scope(work);
        self.spent(stage, started.elapsed());
        result
    }

    /// Runs a stage that waits.
    pub async fn stage_waiting<T>(&self, stage: Stage, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let result = work.instrument(self.stage_span(stage)).await;
        self.spent(stage, started.elapsed());
        result
    }

    fn stage_span(&self, stage: Stage) -> tracing::Span {
        // Span names are static; every stage has its own.
        match stage {
            Stage::Parse => tracing::info_span!(parent: &self.span, "parse"),
            Stage::Plan => tracing::info_span!(parent: &self.span, "plan"),
            Stage::Policy => tracing::info_span!(parent: &self.span, "policy"),
            Stage::PushDown => tracing::info_span!(parent: &self.span, "push_down"),
            Stage::Execute => tracing::info_span!(parent: &self.span, "execute"),
            Stage::Encode => tracing::info_span!(parent: &self.span, "encode"),
        }
    }

    /// The stages so far, as `Server-Timing` has them, in milliseconds.
    pub fn server_timing(&self) -> String {
        let stages = self.state().stages;
        let mut text = String::with_capacity(128);
        for (stage, spent) in Stage::ALL.iter().zip(stages).filter(|(_, spent)| !spent.is_zero()) {
            let (separator, micros) = (if text.is_empty() { "" } else { ", " }, spent.as_micros());
            // Writing into a text does not fail.
            let _ = write!(text, "{separator}{};dur={}.{:03}", stage.name(), micros / 1_000, micros % 1_000);
        }
        text
    }

    /// The request has ended. Only the first call counts.
    pub fn finish(&self, outcome: &Outcome) {
        let mut state = self.state();
        if std::mem::replace(&mut state.finished, true) {
            return;
        }
        state.permit = None;
        let elapsed = self.started.elapsed();
        let journal = state.journal.clone().unwrap_or_default();
        let age = journal.age();
        let label = match outcome {
            Outcome::Ok(_) => "ok",
            Outcome::Failed(error) => error.code.name(),
            Outcome::Cancelled => "cancelled",
        };
        self.metrics.end(self.door, label, elapsed, state.rows, state.bytes);
        for (stage, spent) in Stage::ALL.into_iter().zip(state.stages).filter(|(_, spent)| !spent.is_zero()) {
            self.metrics.stage(stage, spent);
        }
        journal.read(|calls| calls.iter().for_each(|call| self.metrics.source_call(call)));
        // A record that nobody reads is not written: it costs more than many an answer.
        let record = || journal.read(|calls| self.record(&state, outcome, label, elapsed, calls, age));
        match outcome {
            Outcome::Failed(error) if error.code.entry().http >= 500 && error.code != Code::NotImplemented => {
                tracing::error!(target: "portico::request", record = record(), "request")
            }
            Outcome::Ok(_) | Outcome::Failed(_) | Outcome::Cancelled => {
                tracing::info!(target: "portico::request", record = record(), "request")
            }
        }
    }

    fn record(&self, state: &State, outcome: &Outcome, label: &str, elapsed: Duration, calls: &[SourceCall], age: Duration) -> String {
        let milliseconds = |duration: Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
        let stages: Map<String, Value> = Stage::ALL
            .iter()
            .zip(state.stages)
            .filter(|(_, spent)| !spent.is_zero())
            .map(|(stage, spent)| (stage.name().to_owned(), json!(milliseconds(spent))))
            .collect();
        let status = match outcome {
            Outcome::Ok(status) => *status,
            Outcome::Failed(error) if state.status == 0 => error.code.entry().http,
            Outcome::Failed(_) | Outcome::Cancelled => state.status,
        };
        let mut record = json!({
            "id": self.id, "door": self.door.name(), "method": self.method, "path": without_values(&self.path), "principal": state.principal,
            "statement": state.statement, "outcome": label, "status": status, "ms": milliseconds(elapsed),
            "rows": state.rows, "bytes": state.bytes, "stages_ms": stages,
            "calls": calls.iter().map(call_record).collect::<Vec<_>>(),
        });
        if !age.is_zero() {
            record["age_s"] = json!(age.as_secs());
        }
        if let Outcome::Failed(error) = outcome {
            // Messages for clients may repeat a part of what the client sent; the log has the code and the culprit only.
            record["target"] = json!(error.target);
            if let Culprit::Source(source) = &error.culprit {
                record["source"] = json!(source);
                record["error"] = json!(error.message);
            } else if error.code == Code::Internal {
                record["error"] = json!(error.message);
            }
        }
        record.to_string()
    }
}

/// A path whose keys are replaced: `/odata/Customers(…)/Orders`. A key may also stand percent-encoded.
fn without_values(path: &str) -> String {
    let unified = path.replace("%28", "(").replace("%29", ")");
    let (mut kept, mut depth) = (String::with_capacity(unified.len()), 0_usize);
    for character in unified.chars() {
        match character {
            '(' => {
                if depth == 0 {
                    kept.push_str("(…");
                }
                depth += 1;
            }
            ')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    kept.push(')');
                }
            }
            other if depth == 0 => kept.push(other),
            _ => {}
        }
    }
    kept
}

fn call_record(call: &SourceCall) -> Value {
    let outcome = match &call.outcome {
        CallOutcome::Running | CallOutcome::Cancelled => "cancelled",
        CallOutcome::Complete => "complete",
        CallOutcome::Failed(kind) => kind.as_str(),
    };
    json!({
        "source": call.source, "tables": call.tables, "native": call.native, "requests": call.requests, "rows": call.rows, "bytes": call.bytes, "keys": call.keys,
        "ms": call.elapsed.as_secs_f64() * 1e3, "cached_s": call.cached.map(|age| age.as_secs()), "outcome": outcome,
    })
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.finish(&Outcome::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_logged() {
        for (path, logged) in [
            ("/odata/Customers", "/odata/Customers"),
            ("/odata/Customers('O''Neil (x)')/Orders(1)", "/odata/Customers(…)/Orders(…)"),
            ("/odata/Customers%28'secret'%29/$count", "/odata/Customers(…)/$count"),
            ("/odata/Customers('open", "/odata/Customers(…"),
        ] {
            assert_eq!(without_values(path), logged);
        }
    }

    #[test]
    fn a_request_is_counted_once_however_it_ends() {
        let metrics = Arc::new(Metrics::new());
        let trace = Trace::begin(&metrics, Door::OData, "id".to_owned(), "GET", "/x");
        trace.stage(Stage::Parse, || std::thread::sleep(Duration::from_millis(2)));
        assert!(trace.server_timing().starts_with("parse;dur="), "{}", trace.server_timing());
        trace.finish(&Outcome::Ok(200));
        trace.finish(&Outcome::Cancelled);
        drop(trace);
        drop(Trace::begin(&metrics, Door::OData, "id".to_owned(), "GET", "/x"));
        let text = metrics.render().unwrap();
        assert!(text.contains("portico_requests_total{door=\"odata\",outcome=\"ok\"} 1"), "{text}");
        assert!(text.contains("portico_requests_total{door=\"odata\",outcome=\"cancelled\"} 1"));
        assert!(text.contains("portico_active_requests{door=\"odata\"} 0"));
    }
}
