//! The forms of headers and preferences (ABNF, section 8), to the letter. Reading them is more generous: see [`super::preferences`].

use crate::names::{Names, Role};
use crate::parse::value;

/// Whether a line is one of the protocol's headers, name included.
#[must_use]
pub fn is_header(line: &str, names: &Names) -> bool {
    let Some((name, value)) = line.split_once(':') else { return false };
    let value = value.trim_start_matches([' ', '\t']);
    match name.to_ascii_lowercase().as_str() {
        "asyncresult" => value.len() == 3 && is_digits(value),
        "content-id" => !value.is_empty() && value.bytes().all(is_unreserved),
        "isolation" | "odata-isolation" => value.eq_ignore_ascii_case("snapshot"),
        "odata-entityid" => !value.is_empty() && value.chars().all(|c| c > ' ' && c != '\u{7F}'),
        "odata-error" => value.strip_prefix("{\"code\":").is_some_and(|rest| rest.chars().all(|c| (' '..='~').contains(&c))),
        "odata-maxversion" => value.split_once('.').is_some_and(|(major, minor)| is_digits(major) && is_digits(minor)),
        "odata-version" => matches!(value.strip_prefix("4.0").map(str::as_bytes), Some([] | [b'1'..=b'9'])),
        "prefer" => is_prefer(value, names),
        _ => false,
    }
}

/// Whether a text is the value of `Prefer`: preferences with commas between.
#[must_use]
pub fn is_prefer(value: &str, names: &Names) -> bool {
    let parts = split_unquoted(value, ',');
    let last = parts.len().saturating_sub(1);
    parts.iter().enumerate().all(|(index, part)| {
        let part = if index > 0 { part.trim_start_matches([' ', '\t']) } else { part };
        is_preference(if index < last { part.trim_end_matches([' ', '\t']) } else { part }, names)
    })
}

/// Whether a text is one of the protocol's preferences.
#[must_use]
pub fn is_preference(text: &str, names: &Names) -> bool {
    let lower = text.to_ascii_lowercase();
    let unprefixed = lower.strip_prefix("odata.");
    let rest = text.get(text.len() - unprefixed.map_or(lower.len(), str::len)..).unwrap_or(text);
    let (name, value) = match rest.split_once('=') {
        Some((name, value)) => (name.trim_end_matches([' ', '\t']), Some(value.trim_start_matches([' ', '\t']))),
        None => (rest, None),
    };
    let quoted = || value.and_then(|value| value.strip_prefix('"')).and_then(|value| value.strip_suffix('"'));
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
    let callback = || {
        let after = rest.get("callback".len()..).unwrap_or_default().trim_start_matches([' ', '\t']);
        let url = after.strip_prefix(';').map(|after| after.trim_start_matches([' ', '\t']));
        let key = url.and_then(|url| url.get(..3)).is_some_and(|key| key.eq_ignore_ascii_case("url"));
        let text = url.and_then(|url| url.get(3..)).map(|text| text.trim_start_matches([' ', '\t']));
        let text = text.and_then(|text| text.strip_prefix('=')).map(|text| text.trim_start_matches([' ', '\t']));
        key && text.and_then(|text| text.strip_prefix('"')).and_then(|text| text.strip_suffix('"')).is_some_and(is_uri)
    };
    if rest.get(.."callback".len()).is_some_and(|start| start.eq_ignore_ascii_case("callback")) {
        return callback();
    }
    let prefixed = unprefixed.is_some();
    match value {
        None if is("allow-entityreferences") || is("continue-on-error") || is("track-changes") => true,
        None => is("respond-async") && !prefixed,
        Some(value) if is("continue-on-error") => matches!(value.to_ascii_lowercase().as_str(), "true" | "false"),
        Some(_) if is("include-annotations") => {
            quoted().is_some_and(|list| list.split(',').all(|one| is_annotation_identifier(one, names)))
        }
        Some(value) if is("maxpagesize") => is_digits(value) && !value.starts_with('0'),
        Some(_) if prefixed => false,
        Some(value) if is("omit-values") => matches!(value.to_ascii_lowercase().as_str(), "nulls" | "defaults"),
        Some(value) if is("return") => matches!(value, "representation" | "minimal"),
        Some(value) => is("wait") && is_digits(value),
    }
}

/// `annotationIdentifier`: perhaps `-`, then `*`, `Ns.*` or `Ns.Term`, and perhaps `#` and a qualifier.
fn is_annotation_identifier(text: &str, names: &Names) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (term, qualifier) = text.split_once('#').map_or((text, None), |(term, qualifier)| (term, Some(qualifier)));
    let known = match term.rsplit_once('.') {
        Some((namespace, term)) => {
            let parts = namespace.split('.').all(value::is_identifier) && names.is_namespace(namespace);
            parts && (term == "*" || (value::is_identifier(term) && names.is(Role::Term, term)))
        }
        None => term == "*",
    };
    known && qualifier.is_none_or(value::is_identifier)
}

/// Splits on a character outside double quotes.
pub(crate) fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    let outside = move |c: char| {
        quoted ^= c == '"';
        c == separator && !quoted
    };
    text.split(outside).collect()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%/".contains(c)
}

/// Whether a text may stand in the query of a URL as it is (RFC 3986, `query`).
#[must_use]
pub fn is_query(text: &str) -> bool {
    text.chars().all(|c| is_path_character(c) || c == '?') && is_escaped_well(text)
}

/// Whether percent signs are followed by two hexadecimal digits.
fn is_escaped_well(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| rest.as_bytes().get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)))
}

/// `URI` (RFC 3986): a scheme, a path with or without an authority, and perhaps a query and a fragment.
#[must_use]
pub fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let first = scheme.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let scheme = first && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (rest, fragment) = rest.split_once('#').map_or((rest, ""), |(rest, fragment)| (rest, fragment));
    let (hierarchy, query) = rest.split_once('?').map_or((rest, ""), |(hierarchy, query)| (hierarchy, query));
    let more = |text: &str| text.chars().all(|c| is_path_character(c) || c == '?');
    let hierarchy = match hierarchy.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            is_authority(authority) && path.chars().all(is_path_character)
        }
        None => !hierarchy.is_empty() && hierarchy.chars().all(is_path_character),
    };
    scheme && hierarchy && more(query) && more(fragment) && is_escaped_well(text)
}

/// `authority` (RFC 3986): perhaps user information, a host, perhaps a port.
#[must_use]
pub fn is_authority(text: &str) -> bool {
    let (user, rest) = text.rsplit_once('@').map_or(("", text), |(user, rest)| (user, rest));
    let registered = |c: char| is_path_character(c) && !matches!(c, '/' | '@');
    let (host, port) = match rest.strip_prefix('[') {
        Some(inner) => {
            let Some((address, port)) = inner.split_once(']') else { return false };
            let future = || {
                let body = address.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.'));
                body.is_some_and(|(version, rest)| {
                    !version.is_empty()
                        && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                        && !rest.is_empty()
                        && rest.chars().all(|c| registered(c) && c != '%')
                })
            };
            if address.parse::<core::net::Ipv6Addr>().is_err() && !future() {
                return false;
            }
            ("", port)
        }
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let port = port.strip_prefix(':').map_or(port.is_empty(), |port| port.bytes().all(|byte| byte.is_ascii_digit()));
    user.chars().all(registered) && host.chars().all(|c| registered(c) && c != ':') && port && is_escaped_well(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let names = Names::default();
        for good in [
            "OData-Version: 4.01",
            "odata-maxversion:4.0",
            "Isolation: Snapshot",
            "AsyncResult: 200",
            "Content-ID: a-1",
            "OData-EntityID: http://x/y(1)",
            "Prefer: return=minimal , odata.maxpagesize = 5,odata.include-annotations=\"a.*,-b.T#q\"",
        ] {
            assert!(is_header(good, &names), "{good}");
        }
        for bad in [
            "OData-Version: 4.1",
            "OData-Version 4.0",
            "AsyncResult: 20",
            "OData-MaxVersion: 4",
            "X: y",
            "Prefer: return=Minimal",
            "Prefer: a,",
        ] {
            assert!(!is_header(bad, &names), "{bad}");
        }
    }

    #[test]
    fn preferences_to_the_letter() {
        let names = Names::default();
        for good in [
            "respond-async",
            "wait=10",
            "odata.track-changes",
            "continue-on-error",
            "odata.callback; url=\"http://h:1/p?q#f\"",
            "omit-values=nulls",
        ] {
            assert!(is_preference(good, &names), "{good}");
        }
        for bad in [
            "odata.respond-async",
            "odata.wait=1",
            "wait",
            "maxpagesize=0",
            "callback;url=\"x\"",
            "include-annotations=\"a\"",
            "include-annotations=*",
            "",
        ] {
            assert!(!is_preference(bad, &names), "{bad}");
        }
    }

    #[test]
    fn authorities() {
        for good in ["host", "host:", "127.0.0.1:80", "[::1]:8080", "[v7.a:b]", "user:x@h", ""] {
            assert!(is_authority(good), "{good}");
        }
        for bad in ["[::1", "[x]", "host:x", "h%zz", "a b", "[v7]"] {
            assert!(!is_authority(bad), "{bad}");
        }
    }
}
