//! Bodies: packed, cut off, endless, of another type, and too large.

use super::setting::{client, client_of, config, get, patient};
use bytes::Bytes;
use futures::StreamExt;
use portico_provider_api::{SourceError, SourceErrorKind};
use portico_provider_testkit::http::{Answer, End, Faults, Server};
use portico_provider_web::json::{JsonColumn, PageReader, PageShape, Pointer};
use portico_provider_web::units::{Size, Time};
use portico_provider_web::{Expects, Request};
use std::time::Duration;

async fn serving(answer: Answer) -> Server {
    Server::start(move |_| answer.clone(), Faults::default()).await
}

async fn fetched(answer: Answer, expects: Expects) -> Result<Bytes, SourceError> {
    let server = serving(answer).await;
    let mut config = config(&server);
    config.http.retries = 1;
    config.http.max_page = Size(1 << 20);
    let client = client_of(&config);
    let request = Request::get(client.address()).expecting(expects);
    client.fetch(&request, &patient()).await.map(|page| page.bytes)
}

#[tokio::test]
async fn what_is_packed_is_unpacked() {
    let text = "[0123456789]".repeat(10_000);
    let whole = Answer::json(text.clone());
    for answer in [whole.clone(), whole.clone().gzip(), whole.clone().deflate(), whole.clone().gzip().trickling(1000, Duration::ZERO)] {
        assert_eq!(fetched(answer, Expects::Json).await.unwrap(), text);
    }
    // "hello" by brotli, as its own tool packs it.
    let brotli: &[u8] = &[0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
    let answer = Answer::of("text/plain", brotli).header("content-encoding", "br");
    assert_eq!(fetched(answer, Expects::Anything).await.unwrap(), "hello");
    assert_eq!(fetched(Answer::json("").header("content-encoding", "gzip"), Expects::Json).await.unwrap(), "");
}

#[tokio::test]
async fn what_cannot_be_unpacked_is_malformed() {
    let whole = Answer::json("[1,2,3]".repeat(1000));
    let packed = whole.clone().gzip();
    let half = packed.body.slice(..packed.body.len() / 2);
    for answer in [
        whole.clone().header("content-encoding", "gzip"),
        packed.clone().body(half),
        whole.clone().header("content-encoding", "zstd"),
        packed.header("content-encoding", "br"),
    ] {
        let error = fetched(answer, Expects::Json).await.unwrap_err();
        assert!(error.kind == SourceErrorKind::Malformed && error.message.contains("packed"), "{error}");
    }
}

#[tokio::test]
async fn a_web_page_is_told_as_what_it_is() {
    let error = fetched(Answer::html("<html>please log in</html>"), Expects::Json).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed);
    assert_eq!(error.message, "answered with a web page (text/html) where JSON was expected; check the URL and the credentials");
    let error = fetched(Answer::of("text/csv", "a,b"), Expects::Json).await.unwrap_err();
    assert_eq!(error.message, "answered with text/csv where JSON was expected");
    for fine in ["application/json; charset=utf-8", "application/problem+json", "text/json"] {
        assert_eq!(fetched(Answer::of(fine, "1"), Expects::Json).await.unwrap(), "1");
    }
    assert_eq!(fetched(Answer::of("application/atom+xml", "<a/>"), Expects::Xml).await.unwrap(), "<a/>");
    assert!(fetched(Answer::json("1"), Expects::Xml).await.unwrap_err().message.contains("XML was expected"));
    assert_eq!(fetched(Answer::status(200).body("1"), Expects::Json).await.unwrap(), "1", "who says nothing is believed");
}

#[tokio::test]
async fn a_cut_off_answer_is_no_answer() {
    let error = fetched(Answer::json("[1,2,3]").ending(End::Truncated(4)), Expects::Json).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed);
    assert!(error.message.contains("ended before it was complete"), "{error}");
    // It ends well on the wire, and is no whole document.
    let body = fetched(Answer::json(r#"{"value":[{"id":1},{"id""#), Expects::Json).await.unwrap();
    let column = JsonColumn::scalar("id", portico_provider_api::ScalarType::Int64);
    let shape = PageShape::new(Pointer::parse("/value").unwrap(), vec![column], vec![]).unwrap();
    let mut reader = PageReader::new(&shape);
    reader.push(&body).unwrap();
    let server = serving(Answer::json("1")).await;
    let error = reader.finish().unwrap_err().into_source_error(client(&server).reporter());
    assert_eq!(error.kind, SourceErrorKind::Malformed);
    assert_eq!(error.message, "the answer cannot be read: /value/1: it is not well-formed JSON, byte 19: it ends too early");
}

#[tokio::test]
async fn a_page_is_no_larger_than_allowed() {
    for answer in [Answer::json(vec![b'1'; (1 << 20) + 1]), Answer::bomb(10 << 10)] {
        let error = fetched(answer, Expects::Json).await.unwrap_err();
        assert!(error.kind == SourceErrorKind::Malformed && error.message.contains("larger than 1048576 bytes, unpacked"), "{error}");
    }
    assert_eq!(fetched(Answer::json(vec![b'1'; 1 << 20]), Expects::Json).await.unwrap().len(), 1 << 20);
}

/// 10 GB that never rest anywhere: the stream is counted, and cut off at its limit; what is below the limit comes as a whole.
#[tokio::test]
async fn a_stream_is_counted_and_cut_off() {
    let part = Bytes::from(vec![b' '; 1 << 20]);
    let server = serving(Answer::json(part).ending(End::Repeated(10_000))).await;
    let mut config = config(&server);
    config.http.max_response = Size(64 << 20);
    let client = client_of(&config);
    let response = client.send(&get(&client, "x"), &patient()).await.unwrap();
    let mut stream = Box::pin(response.into_stream());
    let (mut read, mut failed) = (0, None);
    while let Some(part) = stream.next().await {
        match part {
            Ok(part) => read += part.len() as u64,
            Err(error) => failed = Some(error),
        }
    }
    let failed = failed.expect("it is cut off");
    assert!(read <= 64 << 20 && read > 62 << 20, "{read}");
    assert!(failed.message.contains("larger than 67108864 bytes"), "{failed}");
    while server.under_way() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_answer_that_stops_is_given_up() {
    let server = serving(Answer::json("[1,").ending(End::Silence)).await;
    let mut config = config(&server);
    config.http.idle_timeout = Time(Duration::from_millis(200));
    let client = client_of(&config);
    let error = client.fetch(&get(&client, "x"), &patient()).await.unwrap_err();
    assert!(error.kind == SourceErrorKind::Timeout && error.message.contains("nothing came for 200 ms"), "{error}");
    // Slow is not silent.
    let server = serving(Answer::json("[1,2,3,4,5,6]").trickling(1, Duration::from_millis(50))).await;
    let mut slow = super::setting::config(&server);
    slow.http.idle_timeout = Time(Duration::from_millis(400));
    let client = client_of(&slow);
    assert_eq!(client.fetch(&get(&client, "x"), &patient()).await.unwrap().bytes, "[1,2,3,4,5,6]");
}
