//! Open-loop load over HTTP: requests leave at a fixed rate, whether or not earlier ones have been answered, and a latency counts from the moment
//! at which its request was due. So a server that stalls is seen to stall. It runs on the processors of what it measures, and takes as little of
//! them as it can: one thread, and no more than HTTP/1.1 needs. It must not know who answers, nor what the answers say.
//!
//! `open-loop ROOT BEFORE AFTER KEYS RATE SECONDS [NAME:VALUE]…` asks for ROOT BEFORE key AFTER, with keys at random from the file KEYS, and
//! headers. It prints one line of JSON, times in microseconds.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

/// Longer than any deadline that a server should have.
const LONGEST: Duration = Duration::from_secs(60);

/// So many connections are kept, as front ends do. A request that finds all of them busy waits for one, and its latency with it: were one more
/// opened for each, a server that stalls would have hundreds to accept as well, and the load would become another than the one that is measured.
const CONNECTIONS: usize = 64;

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
    headers: HeaderMap,
    client: Client<HttpConnector, Empty<Bytes>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let load = load(std::env::args().skip(1).collect())?;
    let text = summary(run(load).await?);
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
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    Ok(Load {
        before: format!("{root}{before}"),
        after: after.clone(),
        keys,
        rate: rate.parse()?,
        seconds: seconds.parse()?,
        headers: map,
        client,
    })
}

impl Load {
    /// A request for a key at random.
    fn request(&self) -> Result<Request<Empty<Bytes>>, Box<dyn Error>> {
        let key = self.keys.get(fastrand::usize(..self.keys.len())).ok_or("there are no keys")?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::try_from(format!("{}{key}{}", self.before, self.after))?;
        request.headers_mut().clone_from(&self.headers);
        Ok(request)
    }
}

/// Sends until the time is over, and waits for all answers.
async fn run(load: Load) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let (ended, mut outcomes) = mpsc::unbounded_channel();
    let begin = Instant::now() + Duration::from_millis(100);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut sent = 0_u32;
    loop {
        let after = f64::from(sent) / load.rate;
        if after >= load.seconds {
            break;
        }
        let due = begin + Duration::from_secs_f64(after);
        // Timers are as fine as a millisecond: several requests that are due leave together, each with its own time.
        sleep_until(due).await;
        let (client, request, places, ended) = (load.client.clone(), load.request()?, Arc::clone(&places), ended.clone());
        tokio::spawn(async move {
            let answer = async {
                // Nobody closes the semaphore. Who waits longest is next.
                let _place = places.acquire().await;
                ask(client, request, due).await
            };
            let outcome = timeout(LONGEST, answer).await.unwrap_or_else(|_| Outcome::Failed("no answer".to_owned()));
            // The receiver lives until all senders are gone.
            let _ = ended.send(outcome);
        });
        sent += 1;
    }
    drop(ended);
    let mut all = Vec::new();
    while let Some(outcome) = outcomes.recv().await {
        all.push(outcome);
    }
    Ok(all)
}

async fn ask(client: Client<HttpConnector, Empty<Bytes>>, request: Request<Empty<Bytes>>, due: Instant) -> Outcome {
    let response = match client.request(request).await {
        Ok(response) => response,
        Err(error) => return Outcome::Failed(cause(&error)),
    };
    let status = response.status();
    let retry = response.headers().contains_key(RETRY_AFTER);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Err(error) = frame {
            return Outcome::Failed(error.to_string());
        }
    }
    match status {
        status if status.is_success() => Outcome::Answered(due.elapsed()),
        StatusCode::SERVICE_UNAVAILABLE if retry => Outcome::Refused,
        status => Outcome::Failed(format!("status {}", status.as_u16())),
    }
}

/// The innermost cause.
fn cause(error: &ClientError) -> String {
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
