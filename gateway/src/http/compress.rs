//! Compressed answers: chunk by chunk, each flushed, so that streaming stays streaming. A body that breaks off is not ended. It must not
//! know what is answered.

use crate::http::negotiate::quality;
use crate::http::respond;
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, Response, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures::StreamExt;
use std::io::Write;

/// Bodies below this many bytes gain nothing.
const WORTH_IT: u64 = 512;

/// A way of compressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 1952
    Gzip,
    /// RFC 1950, which HTTP calls so.
    Deflate,
}

impl Encoding {
    /// The best that a client accepts; `None` for none.
    pub fn negotiate(headers: &HeaderMap) -> Option<Encoding> {
        let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let (mut gzip, mut deflate, mut any, mut identity) = (None, None, None, None);
        for entry in lists.flat_map(|list| list.split(',')) {
            let mut parts = entry.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))).map_or(1000, quality);
            match name.as_str() {
                "gzip" | "x-gzip" => gzip = Some(weight),
                "deflate" => deflate = Some(weight),
                "*" => any = Some(weight),
                "identity" => identity = Some(weight),
                _ => {}
            }
        }
        let (gzip, deflate) = (gzip.or(any).unwrap_or(0), deflate.or(any).unwrap_or(0));
        let best = gzip.max(deflate);
        // Without a word on it, the plain form is acceptable, and not preferred.
        if best == 0 || identity.is_some_and(|identity| identity > best) {
            return None;
        }
        Some(if gzip >= deflate { Encoding::Gzip } else { Encoding::Deflate })
    }

    fn name(self) -> &'static str {
        match self {
            Encoding::Gzip => "gzip",
            Encoding::Deflate => "deflate",
        }
    }
}

/// Compresses an answer where that is worth it.
pub fn apply(response: Response<Body>, encoding: Option<Encoding>) -> Response<Body> {
    let size = axum::body::HttpBody::size_hint(response.body()).exact();
    let headers = response.headers();
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = ["application/json", "application/xml", "application/http", "multipart/mixed", "text/"];
    let worth = text.iter().any(|start| media.starts_with(start)) && size.is_none_or(|size| size >= WORTH_IT);
    let Some(encoding) = encoding.filter(|_| worth && !headers.contains_key(header::CONTENT_ENCODING)) else { return response };
    let (mut parts, body) = response.into_parts();
    respond::set(&mut parts.headers, header::CONTENT_ENCODING, encoding.name());
    parts.headers.remove(header::CONTENT_LENGTH);
    // A strong ETag says that every byte is the same, and these bytes are others.
    let etag = parts.headers.get(header::ETAG).and_then(|value| value.to_str().ok()).filter(|etag| etag.starts_with('"'));
    if let Some(weak) = etag.map(|etag| format!("W/{etag}")) {
        respond::set(&mut parts.headers, header::ETAG, &weak);
    }
    Response::from_parts(parts, Body::from_stream(compressed(body.into_data_stream(), Encoder::new(encoding))))
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
}

impl Encoder {
    fn new(encoding: Encoding) -> Encoder {
        // The network is fast and the processor shared: a light compression gives most of the gain.
        match encoding {
            Encoding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Deflate => Encoder::Deflate(ZlibEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    fn chunk(&mut self, bytes: &[u8]) -> std::io::Result<Bytes> {
        match self {
            Encoder::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                encoder.flush()?;
                Ok(Bytes::from(std::mem::take(encoder.get_mut())))
            }
            Encoder::Deflate(encoder) => {
                encoder.write_all(bytes)?;
                encoder.flush()?;
                Ok(Bytes::from(std::mem::take(encoder.get_mut())))
            }
        }
    }

    fn finish(self) -> std::io::Result<Bytes> {
        match self {
            Encoder::Gzip(encoder) => encoder.finish().map(Bytes::from),
            Encoder::Deflate(encoder) => encoder.finish().map(Bytes::from),
        }
    }
}

fn compressed(body: BodyDataStream, encoder: Encoder) -> impl futures::Stream<Item = Result<Bytes, axum::Error>> {
    futures::stream::try_unfold((body, Some(encoder)), |(mut body, encoder)| async move {
        let Some(mut encoder) = encoder else { return Ok(None) };
        match body.next().await {
            Some(chunk) => {
                let bytes = encoder.chunk(&chunk?).map_err(axum::Error::new)?;
                Ok(Some((bytes, (body, Some(encoder)))))
            }
            None => Ok(Some((encoder.finish().map_err(axum::Error::new)?, (body, None)))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Code, RequestError};
    use std::io::Read;

    #[test]
    fn the_best_accepted_encoding_is_chosen() {
        for (accept, expected) in [
            ("gzip, deflate", Some(Encoding::Gzip)),
            ("deflate", Some(Encoding::Deflate)),
            ("gzip;q=0.2, deflate;q=0.8", Some(Encoding::Deflate)),
            ("gzip;q=0", None),
            ("*", Some(Encoding::Gzip)),
            ("*;q=0.5, gzip;q=0", Some(Encoding::Deflate)),
            ("identity, gzip;q=0.5", None),
            ("br, zstd", None),
            ("", None),
        ] {
            let headers = [(header::ACCEPT_ENCODING, accept.parse().unwrap())].into_iter().collect();
            assert_eq!(Encoding::negotiate(&headers), expected, "{accept}");
        }
        assert_eq!(Encoding::negotiate(&HeaderMap::new()), None);
    }

    fn streaming(chunks: Vec<Result<&'static str, RequestError>>) -> Response<Body> {
        let mut response = Response::new(Body::from_stream(futures::stream::iter(chunks)));
        respond::set(response.headers_mut(), header::CONTENT_TYPE, "application/json;charset=utf-8");
        respond::set(response.headers_mut(), header::ETAG, "\"1\"");
        response
    }

    #[tokio::test]
    async fn each_chunk_can_be_read_before_the_next_is_there() {
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let response = apply(streaming(vec![Ok("first "), Ok("second")]), Some(encoding));
            assert_eq!(
                (response.headers()["content-encoding"].to_str().unwrap(), response.headers()["etag"].to_str().unwrap()),
                (encoding.name(), "W/\"1\"")
            );
            let mut stream = response.into_body().into_data_stream();
            let mut received = stream.next().await.unwrap().unwrap().to_vec();
            let mut text = [0; 6];
            match encoding {
                Encoding::Gzip => flate2::read::GzDecoder::new(received.as_slice()).read_exact(&mut text).unwrap(),
                Encoding::Deflate => flate2::read::ZlibDecoder::new(received.as_slice()).read_exact(&mut text).unwrap(),
            }
            assert_eq!(&text, b"first ");
            while let Some(chunk) = stream.next().await {
                received.extend_from_slice(&chunk.unwrap());
            }
            let mut all = String::new();
            match encoding {
                Encoding::Gzip => flate2::read::GzDecoder::new(received.as_slice()).read_to_string(&mut all).unwrap(),
                Encoding::Deflate => flate2::read::ZlibDecoder::new(received.as_slice()).read_to_string(&mut all).unwrap(),
            };
            assert_eq!(all, "first second");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_ended() {
        let broken = streaming(vec![Ok("first "), Err(RequestError::new(Code::Internal, "gone"))]);
        let chunks: Vec<_> = apply(broken, Some(Encoding::Gzip)).into_body().into_data_stream().collect().await;
        assert_eq!((chunks.len(), chunks[0].is_ok(), chunks[1].is_err()), (2, true, true));
    }

    #[test]
    fn what_gains_nothing_is_left_alone() {
        let small = respond::complete(axum::http::StatusCode::OK, "application/json", "{}");
        assert!(!apply(small, Some(Encoding::Gzip)).headers().contains_key("content-encoding"));
        let arrow = respond::complete(axum::http::StatusCode::OK, "application/vnd.apache.arrow.stream", vec![0; 9_999]);
        assert!(!apply(arrow, Some(Encoding::Gzip)).headers().contains_key("content-encoding"));
        assert!(!apply(streaming(vec![Ok("x")]), None).headers().contains_key("content-encoding"));
    }
}
