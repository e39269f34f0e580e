//! What a failure means for the caller: lost exchanges, statuses and broken bodies as errors of the contract, with what the server itself says of
//! it, cut and cleaned. No secret, no URL's query and no web page goes into a message. Pure; it must not know how requests are sent.

use crate::body::Broken;
use crate::request::Explained;
use crate::retry;
use crate::transport::{Lost, Stage};
use portico_provider_api::{ConstraintKind, Retry, SourceError, SourceErrorKind};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use std::time::SystemTime;

/// Characters of a server's own message that are passed on.
const MOST_SAID: usize = 300;
/// Secrets shorter than that would be found in any text.
const SHORTEST_SECRET: usize = 3;

/// What encoders of URLs usually leave as it is.
const UNRESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*');

/// Tells failures of one source.
#[derive(Debug, Clone)]
pub struct Reporter {
    source_name: String,
    secrets: Vec<Hidden>,
}

/// A text that is taken out of messages.
#[derive(Clone, PartialEq, Eq)]
struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(…)")
    }
}

impl Reporter {
    /// For a source, of which these texts are never told.
    pub fn new(source_name: impl Into<String>, secrets: impl IntoIterator<Item = String>) -> Reporter {
        let reporter = Reporter { source_name: source_name.into(), secrets: Vec::new() };
        secrets.into_iter().fold(reporter, |reporter, secret| reporter.hiding(&secret))
    }

    /// The same, of which another text is never told.
    #[must_use]
    pub fn hiding(mut self, secret: &str) -> Reporter {
        // As it is, and in the ways in which URLs and forms have it.
        let encoded = |set| percent_encoding::utf8_percent_encode(secret, set).to_string();
        let (all, usual) = (encoded(percent_encoding::NON_ALPHANUMERIC), encoded(UNRESERVED));
        for text in [secret.to_owned(), usual.replace("%20", "+"), usual, all] {
            let hidden = Hidden(text);
            if hidden.0.len() >= SHORTEST_SECRET && !self.secrets.contains(&hidden) {
                self.secrets.push(hidden);
            }
        }
        // A secret that another one begins with would leave the rest of that one.
        self.secrets.sort_by_key(|hidden| std::cmp::Reverse(hidden.0.len()));
        self
    }

    /// An error of a kind.
    pub fn error(&self, kind: SourceErrorKind, message: impl AsRef<str>) -> SourceError {
        SourceError::new(&self.source_name, kind, self.cleaned(message.as_ref()))
    }

    /// The time was up before there was an answer. `sent` says whether a change may have been made.
    pub fn late(&self, change_sent: bool) -> SourceError {
        if !change_sent {
            return self.error(SourceErrorKind::Timeout, "the server did not answer before the deadline").without_effect();
        }
        let error =
            self.error(SourceErrorKind::Timeout, "the server did not answer before the deadline: whether the change was made is not known");
        SourceError { retry: Retry::Never, ..error }
    }

    /// An exchange was lost. `change` says that it was one.
    pub fn lost(&self, lost: &Lost, change: bool) -> SourceError {
        match lost.stage {
            Stage::InBody => self.error(SourceErrorKind::Malformed, &lost.message),
            Stage::Unanswered if change => {
                let message = format!("{}: whether the change was made is not known", lost.message);
                SourceError { retry: Retry::Never, ..self.error(SourceErrorKind::Unavailable, message).with_unknown_effect() }
            }
            Stage::NotSent | Stage::Unanswered => {
                let error = self.error(SourceErrorKind::Unavailable, &lost.message).without_effect();
                if lost.lasting { SourceError { retry: Retry::Never, ..error } } else { error }
            }
        }
    }

    /// A body cannot be read to its end.
    pub fn broken(&self, broken: &Broken) -> SourceError {
        match broken {
            Broken::Lost(lost) => self.lost(lost, false),
            Broken::Unpacked => self.error(SourceErrorKind::Malformed, "the answer cannot be unpacked: it is not what its Content-Encoding says, or has no end"),
            Broken::TooLarge(limit) => self.error(
                SourceErrorKind::Malformed,
                format!("the answer is larger than {limit} bytes, unpacked, and was cut off: 'http.max_response' and 'http.max_page' say how much is read"),
            ),
            Broken::Idle(time) => {
                self.error(SourceErrorKind::Timeout, format!("the answer stopped: nothing came for {} ms ('http.idle_timeout')", time.as_millis()))
            }
            Broken::Deadline => self.error(SourceErrorKind::Timeout, "the answer was not complete before the deadline"),
        }
    }

    /// The server answered with a status that is no success. `read` says that the request changes nothing.
    pub fn status(&self, status: StatusCode, headers: &HeaderMap, body: &[u8], read: bool) -> SourceError {
        let after = retry::retry_after(headers, SystemTime::now());
        let (kind, what) = meaning(status, after.is_some(), read);
        let said = self.said(headers, body);
        let message = match said {
            Some(said) => format!("{what} ({}): {said}", status.as_u16()),
            None => format!("{what} ({})", status.as_u16()),
        };
        let mut error = self.error(kind, message).with_code(status.as_u16().to_string());
        if matches!(error.retry, Retry::After(_)) {
            error.retry = match after {
                Some(after) => Retry::After(Some(after)),
                // A gateway on the way gave up; what stands behind it may have made the change.
                None if !read && matches!(status.as_u16(), 408 | 502 | 504) => Retry::Never,
                None => error.retry,
            };
        }
        if status == StatusCode::PRECONDITION_FAILED {
            error.retry = Retry::Never;
        }
        error
    }

    /// The same failure, with what a kind has read of its body.
    pub fn explained(&self, error: SourceError, status: StatusCode, explained: &Explained) -> SourceError {
        let what = error.message.split_once(" (").map_or(error.message.as_str(), |(what, _)| what);
        let message = self.error(SourceErrorKind::Internal, format!("{what} ({}): {}", status.as_u16(), explained.message)).message;
        let kind = match error.kind {
            SourceErrorKind::Constraint { kind, .. } => SourceErrorKind::Constraint { kind, columns: explained.columns.clone() },
            other => other,
        };
        SourceError { kind, message, ..error }
    }

    /// What the server says of a failure, for a person.
    pub fn said(&self, headers: &HeaderMap, body: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(body).ok()?.trim();
        let text = text.trim_start_matches('\u{FEFF}');
        let said = if text.starts_with(['{', '[']) {
            in_json(&serde_json::from_str(text).ok()?, 0)?
        } else if is_page(headers, text) {
            return Some("with a web page, which is left out".to_owned());
        } else if text.starts_with('<') {
            in_xml(text)?
        } else {
            text.to_owned()
        };
        Some(self.cleaned(&said)).filter(|said| !said.is_empty())
    }

    /// A text without secrets, queries of URLs, line breaks and control characters, and not too long.
    pub fn cleaned(&self, text: &str) -> String {
        let mut text = self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(&secret.0, "…"));
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find("://")).map(|at| from + at) {
            let end = |from: usize| text.get(from..).and_then(|rest| rest.find(|c: char| c.is_whitespace() || "\"'<>)".contains(c)));
            let end = end(at).map_or(text.len(), |length| at + length);
            let url = text.get(at + 3..end).unwrap_or_default();
            let host = url.split(['/', '?', '#']).next().unwrap_or_default();
            // Who logs in stands before the host, and what is asked after a question mark.
            let kept = url.find(['?', '#']).map_or(url, |at| url.get(..at).unwrap_or_default());
            let kept = host.rfind('@').map_or(kept, |at| kept.get(at + 1..).unwrap_or_default()).to_owned();
            let dots = if url.contains(['?', '#']) { "?…" } else { "" };
            let replaced = format!("{kept}{dots}");
            from = at + 3 + replaced.len();
            text.replace_range(at + 3..end, &replaced);
        }
        let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
        let text = words.join(" ");
        match text.char_indices().nth(MOST_SAID) {
            Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
            None => text,
        }
    }
}

/// What a status means, and how it is told.
fn meaning(status: StatusCode, says_when: bool, read: bool) -> (SourceErrorKind, &'static str) {
    use SourceErrorKind::{Conflict, Credentials, Internal, Malformed, SchemaChanged, Throttled, Timeout, Unavailable, Unsupported};
    match status.as_u16() {
        401 => (Credentials, "the server rejected the credentials"),
        403 => (Credentials, "the credentials lack a right at the server"),
        404 | 410 => (SchemaChanged, "the server does not have what it was asked for"),
        407 => (Credentials, "the proxy on the way wants credentials"),
        408 => (Timeout, "the server did not wait for the request"),
        504 => (Timeout, "the server did not answer the gateway before it in time"),
        409 | 423 => (Conflict, "another change was there first"),
        412 => (Conflict, "the row was changed meanwhile"),
        429 => (Throttled, "the server takes no more requests for now"),
        503 if says_when => (Throttled, "the server takes no requests for now"),
        502 | 503 => (Unavailable, "the server is not available"),
        405 | 406 | 415 | 428 | 501 | 505 => (Unsupported, "the server does not support what it was asked"),
        413 | 414 | 431 => (Unsupported, "the request is too large for the server"),
        400 | 422 if !read => {
            (SourceErrorKind::Constraint { kind: ConstraintKind::Check, columns: Vec::new() }, "the server refused the change")
        }
        400 | 422 => (Unsupported, "the server refused the request"),
        300..=399 => (Malformed, "the server answered with a redirect that is not followed"),
        400..=499 => (Unsupported, "the server refused the request"),
        // A server that fails at one request is not down: others may go well.
        500 => (Internal, "the server failed"),
        501.. => (Unavailable, "the server failed"),
        _ => (Malformed, "the server answered with a status that means nothing here"),
    }
}

fn is_page(headers: &HeaderMap, text: &str) -> bool {
    let by_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with("text/html"));
    let start: String = text.chars().take(20).collect::<String>().to_ascii_lowercase();
    by_type || start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// Members that hold a message, in the order in which they are looked for: OData, problem details, OAuth and what is usual.
const MEMBERS: &[&str] = &[
    "error",
    "message",
    "value",
    "detail",
    "error_description",
    "title",
    "msg",
    "errors",
    "description",
    "reason",
    "fault",
    "faultstring",
];

fn in_json(json: &serde_json::Value, depth: usize) -> Option<String> {
    match json {
        serde_json::Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        serde_json::Value::Array(items) if depth < 5 => items.iter().find_map(|item| in_json(item, depth + 1)),
        serde_json::Value::Object(members) if depth < 5 => {
            // OAuth says a code in `error` and a sentence beside it.
            let order = ["error_description"].iter().chain(MEMBERS);
            order.filter_map(|name| members.get(*name)).find_map(|member| in_json(member, depth + 1))
        }
        _ => None,
    }
}

/// The text of `<message>` in an error of OData 2.0, or `<faultstring>` in one of SOAP.
fn in_xml(text: &str) -> Option<String> {
    ["message", "faultstring"].iter().find_map(|name| {
        let start = text.match_indices(name).find(|(at, _)| {
            let before = text.get(..*at).and_then(|before| before.chars().next_back());
            let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
            matches!(before, Some('<' | ':')) && after.is_some_and(|after| after == '>' || after.is_whitespace())
        })?;
        let rest = text.get(start.0..)?;
        let content = rest.get(rest.find('>')? + 1..)?;
        let content = content.get(..content.find('<')?)?;
        let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
        Some(plain.iter().fold(content.to_owned(), |text, (entity, character)| text.replace(entity, character)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderValue, RETRY_AFTER};
    use std::time::Duration;

    fn reporter() -> Reporter {
        Reporter::new("erp", ["hunter2".to_owned(), "hunter22".to_owned(), "p w".to_owned()])
    }

    fn of(status: u16, body: &str, read: bool) -> SourceError {
        reporter().status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), read)
    }

    #[test]
    fn statuses_are_kinds() {
        use SourceErrorKind::{Conflict, Credentials, Internal, Malformed, SchemaChanged, Throttled, Timeout, Unavailable, Unsupported};
        for (status, kind, retry) in [
            (302, Malformed, false),
            (400, Unsupported, false),
            (401, Credentials, false),
            (403, Credentials, false),
            (404, SchemaChanged, false),
            (408, Timeout, true),
            (409, Conflict, true),
            (410, SchemaChanged, false),
            (412, Conflict, false),
            (414, Unsupported, false),
            (418, Unsupported, false),
            (429, Throttled, true),
            (500, Internal, false),
            (501, Unsupported, false),
            (502, Unavailable, true),
            (503, Unavailable, true),
            (504, Timeout, true),
            (507, Unavailable, true),
        ] {
            let error = of(status, "", true);
            assert_eq!((&error.kind, matches!(error.retry, Retry::After(_))), (&kind, retry), "{status}");
            assert_eq!(error.native_code(), Some(status.to_string().as_str()));
        }
        for status in [400, 422] {
            let kind = SourceErrorKind::Constraint { kind: ConstraintKind::Check, columns: Vec::new() };
            assert_eq!(of(status, "", false).kind, kind);
        }
        // What became of a change that a gateway gave up on is not known.
        assert_eq!((of(504, "", false).retry, of(502, "", false).retry), (Retry::Never, Retry::Never));
    }

    #[test]
    fn the_server_says_when_to_come_back() {
        let headers: HeaderMap = [(RETRY_AFTER, HeaderValue::from_static("7"))].into_iter().collect();
        for status in [429, 503] {
            let error = reporter().status(StatusCode::from_u16(status).unwrap(), &headers, b"", true);
            assert_eq!((error.kind, error.retry), (SourceErrorKind::Throttled, Retry::After(Some(Duration::from_secs(7)))));
        }
    }

    #[test]
    fn the_server_s_own_message_is_found() {
        for (body, said) in [
            (r#"{"error":{"code":"x","message":"No such field 'a'"}}"#, Some("No such field 'a'")),
            (r#"{"error":{"code":"x","message":{"lang":"en","value":"Not open"}}}"#, Some("Not open")),
            (r#"{"title":"Bad","detail":"amount is negative"}"#, Some("amount is negative")),
            (r#"{"error":"invalid_grant","error_description":"expired"}"#, Some("expired")),
            (r#"{"errors":[{"message":"first"},{"message":"second"}]}"#, Some("first")),
            (r#"["wrong"]"#, Some("wrong")),
            ("<?xml version='1.0'?><m:error><m:message xml:lang='en'>A &lt; B</m:message></m:error>", Some("A < B")),
            ("plain  text\r\nof two lines", Some("plain text of two lines")),
            ("<!DOCTYPE html><html><body>secret page</body></html>", Some("with a web page, which is left out")),
            ("", None),
            (r#"{"status":7}"#, None),
            ("{broken", None),
        ] {
            assert_eq!(reporter().said(&HeaderMap::new(), body.as_bytes()).as_deref(), said, "{body}");
        }
        assert_eq!(reporter().said(&HeaderMap::new(), b"\xff\xfe"), None);
    }

    #[test]
    fn messages_are_cleaned() {
        let cleaned = |text: &str| reporter().cleaned(text);
        assert_eq!(cleaned("user x, key hunter2 and hunter22, p%20w p+w"), "user x, key … and …, … …");
        assert_eq!(cleaned("see https://u:p@h/a?key=b&c#d, or \"http://h/?x\" now"), "see https://h/a?… or \"http://h/?…\" now");
        assert_eq!(cleaned("a\u{0}b\u{1b}[31m"), "a b [31m");
        assert_eq!(cleaned(&"é".repeat(400)).chars().count(), MOST_SAID + 1);
        assert!(!of(400, r#"{"message":"the key hunter2 is wrong at https://h/?key=1"}"#, true).to_string().contains("hunter2"));
    }
}
