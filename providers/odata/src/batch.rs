//! `$batch`, as `multipart/mixed`: one change set or several reads, and what comes back. Lenient in what is read: line ends, preambles, where
//! numbers stand. Pure.

use crate::metadata::Protocol;
use crate::write::Written;
use portico_provider_web::{Address, Url};

/// The body of a batch of one change set, and its media type.
pub fn body(changes: &[Written], root: &Url, protocol: Protocol, unique: &str) -> (String, String) {
    let (batch, set) = (format!("batch_{unique}"), format!("changeset_{unique}"));
    let mut text = format!("--{batch}\r\nContent-Type: multipart/mixed; boundary={set}\r\n\r\n");
    for (index, change) in changes.iter().enumerate() {
        let relative = relative(change.address.url(), root);
        text.push_str(&format!(
            "--{set}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {}\r\n\r\n{} {relative} HTTP/1.1\r\n",
            index + 1,
            change.method
        ));
        text.push_str(&format!("Accept: {}\r\n", accept(protocol)));
        if let Some(if_match) = &change.if_match {
            text.push_str(&format!("If-Match: {if_match}\r\n"));
        }
        match (&change.body, protocol) {
            (Some(body), Protocol::V4) => text.push_str(&format!(
                "Prefer: return=representation\r\nContent-Type: application/json;IEEE754Compatible=true\r\nContent-Length: {}\r\n\r\n{body}\r\n",
                body.len()
            )),
            (Some(body), Protocol::V2) => {
                text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\r\n", body.len()));
            }
            (None, _) => text.push_str("\r\n\r\n"),
        }
    }
    text.push_str(&format!("--{set}--\r\n--{batch}--\r\n"));
    (text, format!("multipart/mixed; boundary={batch}"))
}

/// The body of a batch of reads, and its media type.
pub fn reads(addresses: &[Address], root: &Url, protocol: Protocol, unique: &str) -> (String, String) {
    let batch = format!("batch_{unique}");
    let mut text = String::new();
    for address in addresses {
        text.push_str(&format!(
            "--{batch}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nGET {} HTTP/1.1\r\nAccept: {}\r\n\r\n\r\n",
            relative(address.url(), root),
            accept(protocol)
        ));
    }
    text.push_str(&format!("--{batch}--\r\n"));
    (text, format!("multipart/mixed; boundary={batch}"))
}

fn accept(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::V4 => "application/json;odata.metadata=minimal;IEEE754Compatible=true",
        Protocol::V2 => "application/json",
    }
}

fn relative(url: &Url, root: &Url) -> String {
    let base = root.path().trim_end_matches('/');
    let path = url.path();
    let path = path.strip_prefix(base).unwrap_or(path).trim_start_matches('/');
    url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

/// One answer of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
    /// Which change it is of, counted from 0, where it says so.
    pub change: Option<usize>,
}

impl Part {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The answers of a batch, in order; those of a change set are not nested any more.
///
/// # Errors
/// Says what is wrong with the body.
pub fn parts(media_type: &str, body: &str) -> Result<Vec<Part>, String> {
    let boundary = boundary(media_type).ok_or("the answer to $batch is no multipart/mixed with a boundary")?;
    let mut found = Vec::new();
    for (headers, content) in sections(body, &boundary)? {
        let of = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let media_type = of("content-type").unwrap_or_default();
        if media_type.to_ascii_lowercase().starts_with("multipart/") {
            found.extend(parts(&media_type, content)?);
        } else {
            found.push(part(content, of("content-id").as_deref())?);
        }
    }
    Ok(found)
}

fn boundary(media_type: &str) -> Option<String> {
    let parameter = media_type.split(';').map(str::trim).find(|part| part.to_ascii_lowercase().starts_with("boundary="))?;
    Some(parameter.get("boundary=".len()..)?.trim_matches('"').to_owned()).filter(|boundary| !boundary.is_empty())
}

type Section<'a> = (Vec<(String, String)>, &'a str);

fn sections<'a>(body: &'a str, boundary: &str) -> Result<Vec<Section<'a>>, String> {
    let mark = format!("--{boundary}");
    let mut found = Vec::new();
    let mut rest = match body.find(&mark) {
        Some(at) => body.get(at + mark.len()..).unwrap_or_default(),
        None => return Err("the answer to $batch has no parts".to_owned()),
    };
    while !rest.starts_with("--") {
        let end = rest.find(&mark).ok_or("the answer to $batch is cut off")?;
        let section = rest.get(..end).unwrap_or_default();
        found.push(split(section.trim_start_matches(['\r', '\n'])));
        rest = rest.get(end + mark.len()..).unwrap_or_default();
    }
    Ok(found)
}

/// Headers, and what follows the empty line.
fn split(text: &str) -> Section<'_> {
    let (mut headers, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    (headers, rest)
}

fn part(content: &str, content_id: Option<&str>) -> Result<Part, String> {
    let content = content.trim_start_matches(['\r', '\n']);
    let (line, rest) = content.split_once('\n').ok_or("a part of the answer to $batch has no status")?;
    let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or("a part of the answer to $batch has no status")?;
    let (headers, body) = split(rest);
    let inner = headers.iter().find(|(name, _)| name == "content-id").map(|(_, value)| value.as_str());
    let number = content_id.or(inner).and_then(|text| text.trim().parse::<usize>().ok());
    let change = number.and_then(|number| number.checked_sub(1));
    Ok(Part { status, headers, body: body.trim_end().to_owned(), change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_parts_are_read_in_order() {
        let body = "preamble\r\n--b\r\nContent-Type: multipart/mixed; boundary=\"c\"\r\n\r\n--c\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\n\
                    HTTP/1.1 201 Created\r\nLocation: http://h/S(1)\r\n\r\n{\"a\":1}\r\n--c\nContent-Type: application/http\n\nHTTP/1.1 204 No Content\nContent-ID: 2\n\n\n--c--\r\n--b--\r\n";
        let found = parts("multipart/mixed;boundary=b", body).unwrap();
        let told: Vec<_> = found.iter().map(|part| (part.status, part.body.as_str(), part.change)).collect();
        assert_eq!(told, [(201, "{\"a\":1}", Some(0)), (204, "", Some(1))]);
        assert_eq!(found[0].header("location"), Some("http://h/S(1)"));
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        for (media_type, body) in [
            ("application/json", "{}"),
            ("multipart/mixed", "x"),
            ("multipart/mixed; boundary=b", "nothing"),
            ("multipart/mixed; boundary=b", "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200"),
            ("multipart/mixed; boundary=b", "--b\r\nContent-Type: application/http\r\n\r\nno status\r\n--b--"),
        ] {
            assert!(parts(media_type, body).is_err(), "{body}");
        }
    }
}
