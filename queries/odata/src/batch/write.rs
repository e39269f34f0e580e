//! Responses of a batch, written so that every client reads them: CRLF, one empty line after each head, boundaries named
//! `batchresponse_…` and `changesetresponse_…`, `HTTP/1.1`, `Content-ID` echoed. Only heads and what stands between bodies is written
//! here, so that bodies can stream. It must not know what is answered.

use crate::json::push_string;

/// The head of one response.
#[derive(Debug, Clone, Copy)]
pub struct PartHead<'a> {
    /// `Content-ID` or `id` of the request.
    pub id: Option<&'a str>,
    /// HTTP status.
    pub status: u16,
    /// Its phrase.
    pub reason: &'a str,
    /// Headers in order.
    pub headers: &'a [(String, String)],
}

/// How a body stands in a JSON batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// As it is.
    Json,
    /// As a string.
    Text,
    /// As a string, base64url.
    Binary,
}

impl BodyForm {
    /// By the media type (JSON Format, section 19.1).
    #[must_use]
    pub fn of(content_type: &str) -> BodyForm {
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media.split_once('/') {
            Some(("application", sub)) if sub == "json" || sub.ends_with("+json") => BodyForm::Json,
            Some(("text", _)) => BodyForm::Text,
            _ => BodyForm::Binary,
        }
    }
}

/// Writes `multipart/mixed`.
#[derive(Debug)]
pub struct MultipartResponses {
    boundary: String,
    change_set: Option<String>,
    change_sets: u32,
    begun: bool,
}

impl MultipartResponses {
    /// With a text that occurs in no body.
    #[must_use]
    pub fn new(unique: &str) -> MultipartResponses {
        MultipartResponses { boundary: format!("batchresponse_{unique}"), change_set: None, change_sets: 0, begun: false }
    }

    /// The `Content-Type`.
    #[must_use]
    pub fn content_type(&self) -> String {
        format!("multipart/mixed;boundary={}", self.boundary)
    }

    fn delimiter(&mut self, out: &mut Vec<u8>) {
        // The line break before a delimiter belongs to it; nothing stands before the first.
        if std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(b"\r\n");
        }
        let boundary = self.change_set.as_ref().unwrap_or(&self.boundary);
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
    }

    /// Begins the response to a change set.
    pub fn open_change_set(&mut self, out: &mut Vec<u8>) {
        self.delimiter(out);
        self.change_sets += 1;
        let unique = self.boundary.strip_prefix("batchresponse_").unwrap_or_default();
        let inner = format!("changesetresponse_{unique}_{}", self.change_sets);
        out.extend_from_slice(format!("Content-Type: multipart/mixed;boundary={inner}\r\n\r\n").as_bytes());
        self.change_set = Some(inner);
        self.begun = false;
    }

    /// Ends it.
    pub fn close_change_set(&mut self, out: &mut Vec<u8>) {
        if let Some(inner) = self.change_set.take() {
            out.extend_from_slice(format!("\r\n--{inner}--").as_bytes());
        }
        self.begun = true;
    }

    /// Everything before a body, which follows.
    pub fn part(&mut self, head: &PartHead<'_>, out: &mut Vec<u8>) {
        self.delimiter(out);
        out.extend_from_slice(b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n");
        if let Some(id) = head.id {
            out.extend_from_slice(format!("Content-ID: {}\r\n", one_line(id)).as_bytes());
        }
        out.extend_from_slice(format!("\r\nHTTP/1.1 {} {}\r\n", head.status, head.reason).as_bytes());
        for (name, value) in head.headers {
            out.extend_from_slice(format!("{name}: {}\r\n", one_line(value)).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The end. A batch without any response is a preamble and no part.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let before = if self.begun { "\r\n" } else { "" };
        out.extend_from_slice(format!("{before}--{}--\r\n", self.boundary).as_bytes());
    }
}

/// No value can end its line.
fn one_line(value: &str) -> String {
    value.chars().filter(|c| !matches!(c, '\r' | '\n')).collect()
}

/// Writes `application/json`.
#[derive(Debug, Default)]
pub struct JsonResponses {
    begun: bool,
}

impl JsonResponses {
    /// The `Content-Type`.
    pub const CONTENT_TYPE: &'static str = "application/json;charset=utf-8";

    /// Everything before a body, up to and with `"body":`, if there is one: the body follows, and then [`JsonResponses::end`].
    pub fn part(&mut self, head: &PartHead<'_>, group: Option<&str>, with_body: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(if std::mem::replace(&mut self.begun, true) { b"," } else { b"{\"responses\":[" });
        out.push(b'{');
        for (name, value) in [("id", head.id), ("atomicityGroup", group)] {
            if let Some(value) = value {
                push_string(name, out);
                out.push(b':');
                push_string(value, out);
                out.push(b',');
            }
        }
        out.extend_from_slice(format!("\"status\":{}", head.status).as_bytes());
        if !head.headers.is_empty() {
            out.extend_from_slice(b",\"headers\":{");
            for (index, (name, value)) in head.headers.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_string(&name.to_ascii_lowercase(), out);
                out.push(b':');
                push_string(value, out);
            }
            out.push(b'}');
        }
        if with_body {
            out.extend_from_slice(b",\"body\":");
        }
    }

    /// A body that is not JSON.
    pub fn body(form: BodyForm, bytes: &[u8], out: &mut Vec<u8>) {
        use base64::Engine;
        match (form, std::str::from_utf8(bytes)) {
            (BodyForm::Json, _) => out.extend_from_slice(bytes),
            (BodyForm::Text, Ok(text)) => push_string(text, out),
            (BodyForm::Text, Err(_)) | (BodyForm::Binary, _) => {
                push_string(&base64::engine::general_purpose::URL_SAFE.encode(bytes), out);
            }
        }
    }

    /// The end of a response.
    pub fn end(out: &mut Vec<u8>) {
        out.push(b'}');
    }

    /// The end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.begun { b"]}" } else { b"{\"responses\":[]}" });
    }
}
