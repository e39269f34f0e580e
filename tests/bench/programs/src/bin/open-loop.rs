//! Open-loop load over HTTP: requests leave at a fixed rate, whether or not earlier ones have been answered, and a latency counts from the moment
//! at which its request was due. So a server that stalls is seen to stall. It must not know who answers, nor what the answers say.
//!
//! `open-loop ROOT BEFORE AFTER KEYS RATE SECONDS [NAME:VALUE]…` asks for ROOT BEFORE key AFTER, with keys at random from the file KEYS, and
//! headers. It prints one line of JSON, times in microseconds.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Longer than any deadline that a server should have.
const LONGEST: Duration = Duration::from_secs(60);

/// How a request ended.
enum Outcome {
    /// Answered, and how long after it was due.
    Answered(Duration),
    /// Refused with 503 and a time after which to try again.
    Refused,
    /// Anything else.
    Failed(String),
}

/// What to ask.
struct Load {
    before: String,
    after: String,
    keys: Vec<String>,
    rate: f64,
    seconds: f64,
    client: Client,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let load = load(std::env::args().skip(1).collect())?;
    let text = summary(run(load).await);
    std::io::stdout().write_all(format!("{text}\n").as_bytes())?;
    Ok(())
}

fn load(arguments: Vec<String>) -> Result<Load, Box<dyn Error>> {
    let [root, before, after, keys, rate, seconds, headers @ ..] = arguments.as_slice() else {
        return Err("usage: open-loop ROOT BEFORE AFTER KEYS RATE SECONDS [NAME:VALUE]…".into());
    };
    let mut map = HeaderMap::new();
    for header in headers {
        let (name, value) = header.split_once(':').ok_or("a header is NAME:VALUE")?;
        map.insert(HeaderName::try_from(name)?, HeaderValue::from_str(value.trim())?);
    }
    let keys: Vec<String> = std::fs::read_to_string(keys)?.lines().map(str::to_owned).collect();
    if keys.is_empty() {
        return Err("there are no keys".into());
    }
    // The servers are on the loopback and not encrypted; a client is not to be had without saying how it would encrypt.
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions()?.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls).no_proxy().default_headers(map).timeout(LONGEST).build()?;
    Ok(Load { before: format!("{root}{before}"), after: after.clone(), keys, rate: rate.parse()?, seconds: seconds.parse()?, client })
}

/// Sends until the time is over, and waits for all answers.
async fn run(load: Load) -> Vec<Outcome> {
    let (ended, mut outcomes) = mpsc::unbounded_channel();
    let begin = Instant::now() + Duration::from_millis(100);
    let mut sent = 0_u32;
    loop {
        let after = f64::from(sent) / load.rate;
        if after >= load.seconds {
            break;
        }
        let due = begin + Duration::from_secs_f64(after);
        // Timers are as fine as a millisecond: several requests that are due leave together, each with its own time.
        sleep_until(due).await;
        let key = &load.keys[fastrand::usize(..load.keys.len())];
        let request = load.client.get(format!("{}{key}{}", load.before, load.after));
        let ended = ended.clone();
        tokio::spawn(async move {
            // The receiver lives until all senders are gone.
            let _ = ended.send(ask(request, due).await);
        });
        sent += 1;
    }
    drop(ended);
    let mut all = Vec::new();
    while let Some(outcome) = outcomes.recv().await {
        all.push(outcome);
    }
    all
}

async fn ask(request: reqwest::RequestBuilder, due: Instant) -> Outcome {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Outcome::Failed(cause(&error)),
    };
    let status = response.status();
    let retry = response.headers().contains_key(RETRY_AFTER);
    match response.bytes().await {
        Err(error) => Outcome::Failed(cause(&error)),
        Ok(_) if status.is_success() => Outcome::Answered(due.elapsed()),
        Ok(_) if status == StatusCode::SERVICE_UNAVAILABLE && retry => Outcome::Refused,
        Ok(_) => Outcome::Failed(format!("status {}", status.as_u16())),
    }
}

/// The innermost cause, without the URL, which would make every failure another one.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn summary(outcomes: Vec<Outcome>) -> serde_json::Value {
    let (mut times, mut refused, mut failed) = (Vec::with_capacity(outcomes.len()), 0_u64, BTreeMap::<String, u64>::new());
    for outcome in outcomes {
        match outcome {
            Outcome::Answered(time) => times.push(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
            Outcome::Refused => refused += 1,
            Outcome::Failed(what) => *failed.entry(what).or_default() += 1,
        }
    }
    times.sort_unstable();
    let at = |thousandths: usize| times.get((times.len() * thousandths / 1000).min(times.len().saturating_sub(1))).copied();
    serde_json::json!({
        "answered": times.len(), "refused": refused, "failed": failed,
        "p50": at(500), "p99": at(990), "p999": at(999), "most": times.last(),
    })
}
