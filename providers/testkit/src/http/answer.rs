//! What a server answers, well or badly: heads, bodies, and how they end. It must not know what was asked.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Write;
use std::time::Duration;

/// An answer of the scripted server.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers, in order; names may occur twice.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
    /// How it ends.
    pub end: End,
    /// How long it waits before it answers.
    pub delay: Duration,
    /// How long it waits before each part of the body, which is then sent in parts of this many bytes.
    pub trickle: Option<(usize, Duration)>,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Complete,
    /// The body is announced as a whole, and the connection is closed after so many bytes of it.
    Truncated(usize),
    /// The body is sent again and again, that many times.
    Repeated(u64),
    /// The body is sent, and then nothing; the connection stays open.
    Silence,
    /// No byte is sent: the connection is reset.
    Reset,
}

impl Answer {
    /// A body of some media type.
    pub fn of(media_type: &str, body: impl Into<Bytes>) -> Answer {
        Answer::status(200).header("content-type", media_type).body(body)
    }

    /// JSON.
    pub fn json(body: impl Into<Bytes>) -> Answer {
        Answer::of("application/json", body)
    }

    /// A web page.
    pub fn html(body: impl Into<Bytes>) -> Answer {
        Answer::of("text/html; charset=utf-8", body)
    }

    /// A status and nothing else.
    pub fn status(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: Bytes::new(), end: End::Complete, delay: Duration::ZERO, trickle: None }
    }

    /// The connection is reset before anything is answered.
    pub fn reset() -> Answer {
        Answer::status(200).ending(End::Reset)
    }

    /// With another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Answer {
        Answer { status, ..self }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Answer {
        Answer { body: body.into(), ..self }
    }

    /// With another end.
    #[must_use]
    pub fn ending(self, end: End) -> Answer {
        Answer { end, ..self }
    }

    /// After a while.
    #[must_use]
    pub fn delayed(self, delay: Duration) -> Answer {
        Answer { delay, ..self }
    }

    /// With a body that comes in parts of so many bytes, each after a while.
    #[must_use]
    pub fn trickling(self, bytes: usize, every: Duration) -> Answer {
        Answer { trickle: Some((bytes, every)), ..self }
    }

    /// Packed with gzip.
    #[must_use]
    pub fn gzip(self) -> Answer {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = encoder.write_all(&self.body).and_then(|()| encoder.finish()).unwrap_or_default();
        self.body(packed).header("content-encoding", "gzip")
    }

    /// Packed with deflate, in the format of zlib.
    #[must_use]
    pub fn deflate(self) -> Answer {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let packed = encoder.write_all(&self.body).and_then(|()| encoder.finish()).unwrap_or_default();
        self.body(packed).header("content-encoding", "deflate")
    }

    /// A compression bomb: so many times 1 MiB of spaces, packed with gzip.
    pub fn bomb(mebibytes: usize) -> Answer {
        // A packed file may have many members, and one is like the other.
        let member = Answer::json(vec![b' '; 1 << 20]).gzip();
        Answer { body: member.body.repeat(mebibytes).into(), ..member }
    }
}
