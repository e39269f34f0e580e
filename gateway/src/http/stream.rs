//! Answers that stream: a chunk is made while the client takes the one before it, and none beyond, so the client's socket holds back the source.
//! Nothing is collected. An error after the first byte breaks the body: it is never ended well-formed. Dropping the body (the client
//! went away) drops the query. It must not know what the batches are.

use crate::error::{Code, RequestError};
use crate::http::call::Call;
use crate::http::respond;
use crate::telemetry::{Outcome, Stage, Trace};
use axum::body::Body;
use axum::http::{Response, header};
use bytes::Bytes;
use futures::Stream;
use futures::stream::try_unfold;
use portico_engine::EngineError;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A batch, encoded.
pub struct Chunk {
    /// The text.
    pub bytes: Bytes,
    /// Rows in it.
    pub rows: u64,
}

/// Where batches come from and how they become bytes.
pub trait Producer: Send + 'static {
    /// The next chunk; `None` after the last.
    fn next(&mut self) -> impl Future<Output = Result<Option<Chunk>, RequestError>> + Send;
}

/// What a streaming body needs besides its producer.
pub struct Streaming {
    /// When the request must be done.
    pub deadline: SystemTime,
    /// The request.
    pub trace: Arc<Trace>,
}

impl Streaming {
    /// For the answer to a call.
    pub fn of(call: &Call) -> Streaming {
        Streaming { deadline: call.context.deadline, trace: Arc::clone(&call.trace) }
    }

    /// The time left.
    fn remaining(&self) -> Duration {
        self.deadline.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO)
    }

    /// The next chunk, by the deadline.
    async fn within(&self, chunk: impl Future<Output = Pulled>) -> Pulled {
        match tokio::time::timeout(self.remaining(), chunk).await {
            Ok(outcome) => outcome,
            Err(_) => Err(EngineError::Timeout.into()),
        }
    }
}

/// A chunk, or the end.
type Pulled = Result<Option<Chunk>, RequestError>;

/// Chunks that a task makes, one ahead of the client. Dropping them stops the task, and drops its query.
struct Ahead {
    chunks: mpsc::Receiver<Pulled>,
    _task: JoinSet<()>,
}

impl Ahead {
    /// Starts the task on the threads on which this is called: the client's connection may be read and written on others.
    fn start(mut producer: impl Producer) -> Ahead {
        let (sender, chunks) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // There is room as soon as the one before is taken; nothing is made for whoever has gone.
            while let Ok(room) = sender.reserve().await {
                let pulled = producer.next().await;
                let more = matches!(pulled, Ok(Some(_)));
                room.send(pulled);
                if !more {
                    break;
                }
            }
        });
        Ahead { chunks, _task: task }
    }

    async fn next(&mut self) -> Pulled {
        let broken = || Err(RequestError::new(Code::Internal, "the answer broke off"));
        self.chunks.recv().await.unwrap_or_else(broken)
    }
}

/// Pulls the first chunk, so that a failure up to there becomes a proper status, and makes a body of it and all that follow.
///
/// # Errors
/// What the first chunk fails with.
pub async fn body(streaming: Streaming, mut producer: impl Producer) -> Result<Body, RequestError> {
    let first = streaming.within(producer.next()).await?;
    Ok(Body::from_stream(chunks(streaming, Ahead::start(producer), first)))
}

/// An answer of a media type that streams what a producer makes.
///
/// # Errors
/// What the first chunk fails with.
pub async fn response(streaming: Streaming, producer: impl Producer, content_type: &str) -> Result<Response<Body>, RequestError> {
    let mut response = Response::new(body(streaming, producer).await?);
    respond::set(response.headers_mut(), header::CONTENT_TYPE, content_type);
    Ok(response)
}

/// The chunks of a body; the error of a broken one is for the connection, which is then closed.
fn chunks(streaming: Streaming, ahead: Ahead, first: Option<Chunk>) -> impl Stream<Item = Result<Bytes, RequestError>> {
    let state = (streaming, ahead, Some(first));
    try_unfold(state, |(streaming, mut ahead, first)| async move {
        let next = match first {
            Some(first) => Ok(first),
            None => streaming.within(ahead.next()).await,
        };
        match next {
            Ok(Some(chunk)) => {
                streaming.trace.sent(chunk.rows, chunk.bytes.len() as u64);
                Ok(Some((chunk.bytes, (streaming, ahead, None))))
            }
            Ok(None) => {
                streaming.trace.finish(&Outcome::Ok(200));
                Ok(None)
            }
            Err(error) => {
                streaming.trace.finish(&Outcome::Failed(error.clone()));
                Err(error)
            }
        }
    })
}

/// Runs an encoding step and counts its time as such.
///
/// # Errors
/// A value that has no written form: the answer cannot be completed.
pub fn encode<T, E: std::fmt::Display>(trace: &Trace, work: impl FnOnce() -> Result<T, E>) -> Result<T, RequestError> {
    let started = Instant::now();
    let result = work();
    trace.spent(Stage::Encode, started.elapsed());
    result.map_err(|error| RequestError::new(Code::DataError, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Door, Metrics};
    use futures::StreamExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Numbers {
        pulled: Arc<AtomicUsize>,
        fail_at: usize,
        dropped: Arc<AtomicUsize>,
    }

    impl Producer for Numbers {
        async fn next(&mut self) -> Result<Option<Chunk>, RequestError> {
            let number = self.pulled.fetch_add(1, Ordering::SeqCst);
            if number == self.fail_at {
                return Err(RequestError::new(Code::SourceUnavailable, "gone"));
            }
            Ok((number < 5).then(|| Chunk { bytes: Bytes::from(number.to_string()), rows: 1 }))
        }
    }

    impl Drop for Numbers {
        fn drop(&mut self) {
            self.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn setup(fail_at: usize) -> (Streaming, Numbers, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        let metrics = Arc::new(Metrics::new());
        let trace = Trace::begin(&metrics, Door::OData, "id".to_owned(), "GET", "/x");
        let (pulled, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let streaming = Streaming { deadline: SystemTime::now() + Duration::from_secs(60), trace };
        let producer = Numbers { pulled: Arc::clone(&pulled), fail_at, dropped: Arc::clone(&dropped) };
        (streaming, producer, pulled, dropped)
    }

    /// What is counted once nothing can run any more.
    async fn settled(counted: &AtomicUsize) -> usize {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        counted.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn one_chunk_is_made_ahead_and_no_more() {
        let (streaming, producer, pulled, dropped) = setup(usize::MAX);
        let mut stream = body(streaming, producer).await.unwrap().into_data_stream();
        assert_eq!(settled(&pulled).await, 2, "nobody has read yet");
        assert_eq!(stream.next().await.unwrap().unwrap(), "0");
        assert_eq!(settled(&pulled).await, 2);
        assert_eq!(stream.next().await.unwrap().unwrap(), "1");
        assert_eq!(settled(&pulled).await, 3);
        drop(stream);
        settled(&pulled).await;
        assert_eq!(dropped.load(Ordering::SeqCst), 1, "the query outlived its client");
    }

    #[tokio::test]
    async fn a_failure_before_the_first_byte_is_a_status_and_later_a_broken_body() {
        let (streaming, producer, ..) = setup(0);
        assert_eq!(body(streaming, producer).await.unwrap_err().code, Code::SourceUnavailable);
        let (streaming, producer, ..) = setup(2);
        let outcomes: Vec<bool> = body(streaming, producer).await.unwrap().into_data_stream().map(|chunk| chunk.is_ok()).collect().await;
        assert_eq!(outcomes, [true, true, false]);
    }

    #[tokio::test]
    async fn the_deadline_breaks_the_body() {
        struct Never;
        impl Producer for Never {
            async fn next(&mut self) -> Result<Option<Chunk>, RequestError> {
                std::future::pending().await
            }
        }
        let (mut streaming, ..) = setup(0);
        streaming.deadline = SystemTime::now() + Duration::from_millis(20);
        assert_eq!(body(streaming, Never).await.unwrap_err().code, Code::Timeout);
    }
}
