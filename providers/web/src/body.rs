//! Bodies of answers: unpacked as they come, counted, and given up when nothing comes or too much. It must not know what a body holds.

use crate::transport::{Incoming, Lost, Stage};
use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use std::io;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::time::Instant;
use tokio_util::io::{ReaderStream, StreamReader};

/// What `Accept-Encoding` says.
pub const ACCEPTED: &str = "gzip, br, deflate";
/// Bytes that are unpacked at a time.
const PART: usize = 32 << 10;

/// Why a body cannot be read to its end.
#[derive(Debug, Clone)]
pub enum Broken {
    /// The connection was lost.
    Lost(Lost),
    /// It is not packed as it says, or its end is missing.
    Unpacked,
    /// More than so many bytes, unpacked.
    TooLarge(u64),
    /// Nothing came for so long.
    Idle(Duration),
    /// The request's time is up.
    Deadline,
}

/// A body as it comes.
pub struct Body {
    parts: BoxStream<'static, Result<Bytes, io::Error>>,
    limit: u64,
    idle: Duration,
    deadline: Option<Instant>,
    received: u64,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("received", &self.received).finish_non_exhaustive()
    }
}

impl Body {
    /// The body of an answer, unpacked.
    ///
    /// # Errors
    /// Names an encoding that is not known.
    pub fn new(incoming: Incoming, limit: u64, idle: Duration, deadline: Option<Instant>) -> Result<Body, String> {
        let coding = coding(&incoming.headers)?;
        let packed = incoming.body.map_err(io::Error::other);
        let parts = match coding {
            Coding::Identity => packed.boxed(),
            Coding::Gzip => unpacked(packed, |packed| {
                let mut decoder = GzipDecoder::new(packed);
                decoder.multiple_members(true);
                decoder
            }),
            Coding::Brotli => unpacked(packed, BrotliDecoder::new),
            Coding::Deflate => unpacked(packed, ZlibDecoder::new),
        };
        Ok(Body { parts, limit, idle, deadline, received: 0 })
    }

    /// The next part; `None` at the end. After an error there is nothing more.
    ///
    /// # Errors
    /// When the body cannot be read further.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        let patience = Instant::now() + self.idle;
        let until = self.deadline.map_or(patience, |deadline| deadline.min(patience));
        let Ok(part) = tokio::time::timeout_at(until, self.parts.next()).await else {
            let over = self.deadline.is_some_and(|deadline| deadline <= patience);
            return Err(if over { Broken::Deadline } else { Broken::Idle(self.idle) });
        };
        let Some(part) = part.transpose().map_err(|error| broken(&error))? else { return Ok(None) };
        self.received += part.len() as u64;
        if self.received > self.limit {
            self.parts = futures::stream::empty().boxed();
            return Err(Broken::TooLarge(self.limit));
        }
        Ok(Some(part))
    }

    /// All of it.
    ///
    /// # Errors
    /// When the body cannot be read to its end.
    pub async fn whole(mut self) -> Result<Bytes, Broken> {
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.next().await? else { return Ok(first) };
        let mut whole = Vec::from(first);
        whole.extend_from_slice(&second);
        while let Some(part) = self.next().await? {
            whole.extend_from_slice(&part);
        }
        Ok(whole.into())
    }

    /// Bytes received so far, unpacked.
    pub fn received(&self) -> u64 {
        self.received
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Brotli,
    Deflate,
}

fn coding(headers: &HeaderMap) -> Result<Coding, String> {
    let mut found = Coding::Identity;
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().unwrap_or("?").split(',') {
            let next = match name.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "br" => Coding::Brotli,
                "deflate" => Coding::Deflate,
                _ => return Err("the answer is packed in a way that was not asked for".to_owned()),
            };
            if found != Coding::Identity {
                return Err("the answer is packed several times".to_owned());
            }
            found = next;
        }
    }
    Ok(found)
}

type Packed = BoxStream<'static, Result<Bytes, io::Error>>;

/// Unpacks a body as it comes. One that is empty is empty: nothing was packed, whatever the head says.
fn unpacked<D: AsyncRead + Send + 'static>(
    packed: impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static,
    decoder: impl FnOnce(StreamReader<Packed, Bytes>) -> D + Send + 'static,
) -> Packed {
    let begun = async move {
        let mut packed = Box::pin(packed.peekable());
        match packed.as_mut().peek().await {
            None => futures::stream::empty().boxed(),
            Some(_) => ReaderStream::with_capacity(decoder(StreamReader::new(packed.boxed())), PART).boxed(),
        }
    };
    begun.flatten_stream().boxed()
}

/// Whether an error is of the way here, or of what is packed.
fn broken(error: &io::Error) -> Broken {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Lost>()) {
        Some(lost) => Broken::Lost(lost.clone()),
        None => Broken::Unpacked,
    }
}

impl Broken {
    /// Whether asking again can help: the connection was lost, and what came is of no use.
    pub fn is_passing(&self) -> bool {
        matches!(self, Broken::Lost(Lost { stage: Stage::InBody, lasting: false, .. }))
    }
}
