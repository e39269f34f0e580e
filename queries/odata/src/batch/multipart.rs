//! The multipart format (Protocol, section 11.7.7; RFC 2046), read generously: bare line feeds, blanks at the ends of lines, headers
//! without a blank after the colon, no `Content-Transfer-Encoding`, `Content-ID` in the part or in the request in it. The structure is
//! not guessed: a body that ends before its closing delimiter is refused, because what is missing would be lost in silence.

use super::{BatchItem, BatchRequest, check_count, check_unique, shown, wrong};
use crate::error::ODataError;
use std::collections::HashSet;

/// Headers in order, names in lower case.
type Headers = Vec<(String, String)>;

/// The `boundary` of a `Content-Type` that is `multipart/mixed`; `None` for another type.
///
/// # Errors
/// `multipart/mixed` without a usable boundary.
pub fn boundary(content_type: &str) -> Result<Option<String>, ODataError> {
    let mut parts = crate::header::form::split_unquoted(content_type, ';').into_iter();
    if !parts.next().unwrap_or_default().trim().eq_ignore_ascii_case("multipart/mixed") {
        return Ok(None);
    }
    let found = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    });
    match found {
        Some(boundary) if !boundary.is_empty() && boundary.len() <= 200 && boundary.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
            Ok(Some(boundary))
        }
        _ => Err(wrong("multipart/mixed needs a boundary: multipart/mixed; boundary=batch_1")),
    }
}

/// Reads a body of at most this many requests.
///
/// # Errors
/// A structure that is not understood, too many requests, an id given twice. A single part that is not understood becomes
/// [`BatchItem::Malformed`].
pub fn read(boundary: &str, body: &[u8], most: usize) -> Result<Vec<BatchItem>, ODataError> {
    let mut items = Vec::new();
    let mut count = 0;
    for section in sections(body, boundary)? {
        let item = part(section)?;
        count += match &item {
            BatchItem::Group { requests, .. } => requests.len(),
            BatchItem::Request(_) | BatchItem::Malformed { .. } => 1,
        };
        check_count(count, most)?;
        items.push(item);
    }
    let mut seen = HashSet::new();
    for item in &items {
        match item {
            BatchItem::Request(request) => check_unique(&mut seen, request.id.as_deref())?,
            BatchItem::Group { requests, .. } => {
                requests.iter().try_for_each(|request| check_unique(&mut seen, request.id.as_deref()))?;
            }
            BatchItem::Malformed { .. } => {}
        }
    }
    Ok(items)
}

/// What stands between the delimiters. What is before the first and after the last has no meaning (RFC 2046).
fn sections<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<&'a [u8]>, ODataError> {
    let delimiter = format!("--{boundary}").into_bytes();
    let (mut found, mut start, mut at) = (Vec::new(), None, 0);
    while at < body.len() {
        let rest = body.get(at..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or_default();
        if let Some(tail) = line.strip_prefix(delimiter.as_slice()) {
            let closing = tail.strip_prefix(b"--").is_some_and(|tail| tail.trim_ascii().is_empty());
            if closing || tail.trim_ascii().is_empty() {
                if let Some(start) = start {
                    // The line break before a delimiter belongs to it.
                    let section = body.get(start..at).unwrap_or_default();
                    let section = section.strip_suffix(b"\n").unwrap_or(section);
                    found.push(section.strip_suffix(b"\r").unwrap_or(section));
                }
                if closing {
                    return Ok(found);
                }
                start = Some(at + length);
            }
        }
        at += length;
    }
    let boundary = shown(boundary);
    Err(match start {
        None => wrong(format!("the boundary '{boundary}' that the Content-Type names does not occur in the body")),
        Some(_) => wrong(format!("the body ends before the closing delimiter '--{boundary}--'")),
    })
}

fn part(section: &[u8]) -> Result<BatchItem, ODataError> {
    let malformed = |id: Option<String>, message: String| Ok(BatchItem::Malformed { id, error: wrong(message) });
    let (headers, content) = match head(section) {
        Ok(read) => read,
        Err(message) => return malformed(None, message),
    };
    let id = value(&headers, "content-id").map(str::to_owned);
    let Some(content_type) = value(&headers, "content-type") else {
        return malformed(
            id,
            "a part of the batch has no Content-Type: it is application/http, or multipart/mixed for a change set".into(),
        );
    };
    let Some(inner) = boundary(content_type)? else {
        return Ok(single(&headers, content).map_or_else(|error| BatchItem::Malformed { id, error }, BatchItem::Request));
    };
    let mut requests = Vec::new();
    for section in sections(content, &inner)? {
        let request = head(section).map_err(wrong).and_then(|(headers, content)| {
            let nested = boundary(value(&headers, "content-type").unwrap_or_default())?;
            if nested.is_some() { Err(wrong("a change set cannot hold a change set")) } else { single(&headers, content) }
        });
        match request {
            Ok(request) => requests.push(request),
            // One response stands for the whole change set, and nothing of it is executed.
            Err(error) => return Ok(BatchItem::Malformed { id: None, error }),
        }
    }
    if requests.is_empty() {
        return malformed(None, "a change set of the batch holds no request".to_owned());
    }
    Ok(BatchItem::Group { name: None, requests })
}

fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// A request in a part.
fn single(part_headers: &Headers, content: &[u8]) -> Result<BatchRequest, ODataError> {
    let content_type = value(part_headers, "content-type").unwrap_or_default();
    if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/http") {
        return Err(wrong(format!("a part of the batch is '{}', not application/http", shown(content_type))));
    }
    // Some clients leave more than one empty line before the request.
    let start = content.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(content.len());
    let content = content.get(start..).unwrap_or_default();
    let (line, rest) = next_line(content);
    let line = std::str::from_utf8(line).map_err(|_| wrong("the request line of a part is not UTF-8"))?;
    let (method, url) = request_line(line)?;
    let (mut headers, body) = head(rest).map_err(wrong)?;
    let own_id = headers.iter().position(|(name, _)| name == "content-id").map(|index| headers.remove(index).1);
    let id = value(part_headers, "content-id").map(str::to_owned).or(own_id);
    if value(&headers, "transfer-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(ODataError::not_implemented("a Transfer-Encoding inside a part of a batch").at("Transfer-Encoding", None));
    }
    let body = trimmed(body, value(&headers, "content-length"));
    Ok(BatchRequest { id, method, url, headers, body: body.to_vec(), ..BatchRequest::default() })
}

/// `GET Customers?$top=1 HTTP/1.1`: the method in upper case, and the URL. Blanks in the URL are taken as such.
fn request_line(line: &str) -> Result<(String, String), ODataError> {
    let line = line.trim();
    let (method, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim();
    let url = match rest.rsplit_once([' ', '\t']) {
        Some((url, version)) if version.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("HTTP/")) => url.trim_end(),
        _ => rest,
    };
    if url.is_empty() || method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        let message = format!("'{}' is not the first line of a request, such as 'GET Customers HTTP/1.1'", shown(line));
        return Err(wrong(message));
    }
    Ok((method.to_ascii_uppercase(), url.replace(' ', "%20").replace('\t', "%09")))
}

/// The body without the line breaks that separate it from the next delimiter, where its length shows that they are not of it.
fn trimmed<'a>(body: &'a [u8], announced: Option<&str>) -> &'a [u8] {
    if body.iter().all(u8::is_ascii_whitespace) {
        return &[];
    }
    let announced = announced.and_then(|text| text.trim().parse::<usize>().ok());
    match announced.and_then(|length| body.split_at_checked(length)) {
        // A length that would cut off more is wrong: clients count characters, or the length of another text.
        Some((own, rest)) if rest.iter().all(|byte| matches!(byte, b'\r' | b'\n')) => own,
        _ => body,
    }
}

/// A line without its break, and what follows.
fn next_line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr::memchr(b'\n', text) {
        Some(end) => (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default()),
        None => (text, &[][..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Headers up to the empty line, and what follows it. Without an empty line everything is headers.
fn head(text: &[u8]) -> Result<(Headers, &[u8]), String> {
    let (mut headers, mut rest) = (Headers::new(), text);
    while !rest.is_empty() {
        let (line, tail) = next_line(rest);
        rest = tail;
        if line.trim_ascii().is_empty() {
            break;
        }
        let line = std::str::from_utf8(line).map_err(|_| "a header in a part of the batch is not UTF-8".to_owned())?;
        if line.starts_with([' ', '\t'])
            && let Some((_, value)) = headers.last_mut()
        {
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| format!("'{}' is not a header: it has no colon", shown(line)))?;
        let name = name.trim().to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)) {
            return Err(format!("'{}' is not the name of a header", shown(&name)));
        }
        headers.push((name, value.trim().to_owned()));
    }
    Ok((headers, rest))
}
