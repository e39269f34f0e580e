//! Content negotiation: `Accept`, `$format`, `Content-Type` and the OData version headers. It must not know what is answered.

use crate::error::{Code, RequestError};
use portico_odata::header::Version;
use portico_odata::json::MetadataLevel;

/// One media range of an `Accept` header, or a media type.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaRange {
    /// `application`, or `*`; lower case.
    pub main: String,
    /// `json`, or `*`; lower case.
    pub sub: String,
    /// Parameters other than `q`, names in lower case.
    pub parameters: Vec<(String, String)>,
    /// Quality, 0 to 1000.
    pub quality: u16,
}

impl MediaRange {
    /// Reads one range. A malformed quality counts as 1, as most servers have it.
    pub fn parse(text: &str) -> Option<MediaRange> {
        let mut parts = split_quoted(text, ';').into_iter();
        let name = parts.next()?.trim().to_ascii_lowercase();
        let (main, sub) = match name.split_once('/') {
            Some((main, sub)) if !main.is_empty() && !sub.is_empty() => (main.trim().to_owned(), sub.trim().to_owned()),
            // `Accept: *` is sent by some clients of the Java platform.
            None if name == "*" => ("*".to_owned(), "*".to_owned()),
            Some(_) | None => return None,
        };
        let mut range = MediaRange { main, sub, parameters: Vec::new(), quality: 1000 };
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned());
            if key == "q" {
                range.quality = quality(&value);
            } else if !key.is_empty() {
                range.parameters.push((key, value));
            }
        }
        Some(range)
    }

    /// How precisely the range names a media type; `None` when it does not cover it.
    fn precision(&self, main: &str, sub: &str) -> Option<u8> {
        match (self.main == main, self.sub == sub) {
            (true, true) => Some(2),
            (true, false) if self.sub == "*" => Some(1),
            _ if self.main == "*" && self.sub == "*" => Some(0),
            _ => None,
        }
    }

    /// How much control information it asks for, if it says so; `Err` holds what is no such thing. What services of earlier versions knew
    /// (`odata=verbose`) is read as the nearest that there is.
    fn asks_of_metadata(&self) -> Result<Option<MetadataLevel>, &str> {
        let named = self.parameter("odata.metadata").or_else(|| self.parameter("metadata"));
        let level = match named.or_else(|| self.parameter("odata")).map(str::to_ascii_lowercase).as_deref() {
            None => return Ok(None),
            Some("none" | "nometadata") => MetadataLevel::None,
            Some("full" | "fullmetadata") => MetadataLevel::Full,
            Some("minimal" | "minimalmetadata") => MetadataLevel::Minimal,
            Some(_) if named.is_none() => MetadataLevel::Minimal,
            Some(_) => return Err(named.unwrap_or_default()),
        };
        Ok(Some(level))
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub(super) fn quality(text: &str) -> u16 {
    match text.parse::<f32>() {
        // Three digits are all that the protocol knows.
        Ok(value) if (0.0..=1.0).contains(&value) => (value * 1000.0).round() as u16,
        _ => 1000,
    }
}

/// Splits at a separator outside quotes.
fn split_quoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (index, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            other if other == separator && !quoted => {
                parts.push(&text[start..index]);
                start = index + other.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The ranges of an `Accept` header; without one everything is accepted.
pub fn accepted(header: Option<&str>) -> Vec<MediaRange> {
    let header = header.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("*/*");
    split_quoted(header, ',').into_iter().filter_map(|part| MediaRange::parse(part.trim())).collect()
}

/// The quality that a media type has, by the most precise range that covers it; 0 when none does. With it the range, for its
/// parameters: of several equally precise ones the best.
fn preference<'a>(ranges: &'a [MediaRange], main: &str, sub: &str) -> (u16, Option<&'a MediaRange>) {
    let covering = ranges.iter().filter_map(|range| range.precision(main, sub).map(|precision| (precision, range)));
    let best = covering.reduce(|best, next| if (next.0, next.1.quality) > (best.0, best.1.quality) { next } else { best });
    best.map_or((0, None), |(_, range)| (range.quality, Some(range)))
}

/// Whether a media type is accepted by its name, and not only as one of many.
pub fn names(ranges: &[MediaRange], main: &str, sub: &str) -> bool {
    preference(ranges, main, sub).1.is_some_and(|range| range.main == main && range.sub == sub && range.quality > 0)
}

/// Checks `Accept-Charset`: answers are in UTF-8.
///
/// # Errors
/// `NotAcceptable` for a client that does not read it.
pub fn charset(accept: Option<&str>) -> Result<(), RequestError> {
    let (mut own, mut any, mut listed) = (None, None, false);
    for entry in accept.unwrap_or_default().split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))).map_or(1000, quality);
        listed |= !name.is_empty();
        match name.as_str() {
            "utf-8" | "utf8" => own = Some(weight),
            "*" => any = Some(weight),
            _ => {}
        }
    }
    if !listed || own.or(any).unwrap_or(0) > 0 {
        return Ok(());
    }
    Err(RequestError::new(Code::NotAcceptable, "answers are in UTF-8, which the request does not accept").about("Accept-Charset"))
}

/// Whether a media type is accepted.
pub fn accepts(ranges: &[MediaRange], main: &str, sub: &str) -> bool {
    preference(ranges, main, sub).0 > 0
}

/// The best of several media types, in the server's order of preference where the client has none.
pub fn choose(ranges: &[MediaRange], offered: &[(&str, &str)]) -> Option<usize> {
    let qualities = offered.iter().map(|(main, sub)| preference(ranges, main, sub).0).enumerate();
    let best = qualities.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.filter(|(_, quality)| *quality > 0).map(|(index, _)| index)
}

/// How JSON is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JsonFormat {
    /// How much control information.
    pub metadata: MetadataLevel,
    /// 64-bit integers and decimals as strings.
    pub ieee754_compatible: bool,
}

impl JsonFormat {
    /// By `$format`, which wins, or `Accept`.
    ///
    /// # Errors
    /// `NotAcceptable` when JSON is not accepted.
    pub fn negotiate(format: Option<&str>, accept: Option<&str>) -> Result<JsonFormat, RequestError> {
        if let Some(format) = format {
            let full = if format.contains('/') { format.to_owned() } else { format.replacen("json", "application/json", 1) };
            let Some(range) = MediaRange::parse(&full) else { return Ok(JsonFormat::default()) };
            return match range.asks_of_metadata() {
                Ok(_) => Ok(JsonFormat::from_range(&range)),
                Err(other) => {
                    let message = format!("there is no metadata '{other}': minimal, full and none are");
                    Err(RequestError::new(Code::NotAcceptable, message).about("$format"))
                }
            };
        }
        // A format that asks for metadata of a kind that there is not is not one of those that are written.
        let ranges: Vec<MediaRange> = accepted(accept).into_iter().filter(|range| range.asks_of_metadata().is_ok()).collect();
        match preference(&ranges, "application", "json") {
            (1.., Some(range)) => Ok(JsonFormat::from_range(range)),
            _ => {
                Err(RequestError::new(Code::NotAcceptable, "none of the accepted formats can be written: this answer is application/json")
                    .about("Accept"))
            }
        }
    }

    /// Unknown parameters are ignored, as the protocol says; the names of older versions are read as today's.
    fn from_range(range: &MediaRange) -> JsonFormat {
        let metadata = range.asks_of_metadata().ok().flatten().unwrap_or_default();
        let ieee754_compatible = range.parameter("ieee754compatible").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        JsonFormat { metadata, ieee754_compatible }
    }

    /// The `Content-Type` of an answer in this format that may stream.
    pub fn content_type(self, version: Version) -> String {
        self.typed(version, true)
    }

    /// The `Content-Type` of a document in this format that is known before it is sent.
    pub fn document_type(self, version: Version) -> String {
        self.typed(version, false)
    }

    /// From 4.01 on the parameters have no prefix (JSON Format 4.01, section 3.1).
    fn typed(self, version: Version, streaming: bool) -> String {
        let level = match self.metadata {
            MetadataLevel::None => "none",
            MetadataLevel::Minimal => "minimal",
            MetadataLevel::Full => "full",
        };
        let strings = if self.ieee754_compatible { ";IEEE754Compatible=true" } else { "" };
        let prefix = if version >= Version::V4_01 { "" } else { "odata." };
        let streaming = if streaming { format!(";{prefix}streaming=true") } else { String::new() };
        format!("application/json;{prefix}metadata={level}{streaming}{strings};charset=utf-8")
    }
}

/// Checks that a body is JSON.
///
/// # Errors
/// `UnsupportedMediaType`.
pub fn require_json(content_type: Option<&str>) -> Result<(), RequestError> {
    let range = content_type.and_then(MediaRange::parse);
    let json = range.as_ref().is_some_and(|range| range.main == "application" && range.sub == "json");
    let charset = range.as_ref().and_then(|range| range.parameter("charset"));
    if json && charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")) {
        return Ok(());
    }
    let given = content_type.unwrap_or("no Content-Type");
    let message = format!("the body must be application/json in UTF-8, not {}", given.chars().take(80).collect::<String>());
    Err(RequestError::new(Code::UnsupportedMediaType, message).about("Content-Type"))
}

/// The version of an answer, by `OData-MaxVersion`; `MaxDataServiceVersion`, which clients send for services of earlier versions, does
/// not count. The version of the request itself is checked too.
///
/// # Errors
/// `InvalidRequest` when the client does not understand 4.0, or sends another version.
pub fn version(version: Option<&str>, max_version: Option<&str>) -> Result<Version, RequestError> {
    if let Some(version) = version
        && !matches!(version.trim().split(';').next().unwrap_or_default().trim(), "4.0" | "4.01")
    {
        let message = "the request is in a version of OData that is not understood here: 4.0 and 4.01 are";
        return Err(RequestError::new(Code::InvalidRequest, message).about("OData-Version"));
    }
    Ok(Version::negotiate(max_version)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Power Query sends.
    const POWER_QUERY: &str = "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,\
        application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7";

    fn format(accept: &str) -> Option<JsonFormat> {
        JsonFormat::negotiate(None, Some(accept)).ok()
    }

    #[test]
    fn json_is_chosen_by_quality_and_precision() {
        let minimal = JsonFormat::default();
        let full = JsonFormat { metadata: MetadataLevel::Full, ..minimal };
        let none = JsonFormat { metadata: MetadataLevel::None, ..minimal };
        let strings = JsonFormat { ieee754_compatible: true, ..minimal };
        let cases = [
            (POWER_QUERY, Some(minimal)),
            ("*/*", Some(minimal)),
            ("*", Some(minimal)),
            ("", Some(minimal)),
            ("application/*", Some(minimal)),
            ("application/json;odata=verbose, text/plain", Some(minimal)),
            ("application/json;odata.metadata=verbose", None),
            ("application/json;metadata=foo, */*;q=0.1", Some(minimal)),
            ("application/json;odata.metadata=full", Some(full)),
            ("application/json;ODATA.METADATA=Full;q=0.2,application/json;odata.metadata=none;q=0.9", Some(none)),
            ("application/json;odata.metadata=minimal;IEEE754Compatible=true", Some(strings)),
            ("application/json;profile=\"a,b;c\";x=y", Some(minimal)),
            ("application/json;q=0, */*", None),
            ("application/atom+xml,application/xml", None),
            ("text/html", None),
            ("application/json;q=0", None),
        ];
        for (accept, expected) in cases {
            assert_eq!(format(accept), expected, "{accept}");
        }
        assert_eq!(JsonFormat::negotiate(None, None).unwrap(), minimal);
    }

    #[test]
    fn format_wins_over_accept() {
        let chosen = |format| JsonFormat::negotiate(Some(format), Some("text/html")).unwrap();
        assert_eq!(chosen("json"), JsonFormat::default());
        assert_eq!(chosen("application/json;odata.metadata=none").metadata, MetadataLevel::None);
        assert_eq!(chosen("json;odata.metadata=full").metadata, MetadataLevel::Full);
        assert_eq!(JsonFormat::negotiate(Some("application/json;odata.metadata=foo"), None).unwrap_err().code, Code::NotAcceptable);
    }

    #[test]
    fn one_of_several_types_is_chosen() {
        let offered = [("application", "json"), ("application", "vnd.apache.arrow.stream")];
        let chosen = |accept| choose(&accepted(Some(accept)), &offered);
        assert_eq!(chosen("*/*"), Some(0));
        assert_eq!(chosen("application/vnd.apache.arrow.stream"), Some(1));
        assert_eq!(chosen("application/json;q=0.5, application/vnd.apache.arrow.stream"), Some(1));
        assert_eq!(chosen("application/json;q=0, */*;q=0.1"), Some(1));
        assert_eq!(chosen("text/csv"), None);
    }

    #[test]
    fn utf_8_must_be_acceptable() {
        for good in [None, Some(""), Some("UTF-8"), Some("iso-8859-1;q=0.5, utf-8;q=0.1"), Some("latin1, *;q=0.2")] {
            assert!(charset(good).is_ok(), "{good:?}");
        }
        for bad in ["iso-8859-1", "utf-8;q=0, *", "*;q=0"] {
            assert_eq!(charset(Some(bad)).unwrap_err().code, Code::NotAcceptable, "{bad}");
        }
    }

    #[test]
    fn a_format_can_be_meant_by_name() {
        let meant = |accept| names(&accepted(Some(accept)), "application", "http");
        assert!(meant("application/json, application/http;q=0.5"));
        assert!(!meant("*/*") && !meant("application/*") && !meant("application/http;q=0") && !meant("application/json"));
    }

    #[test]
    fn bodies_are_json() {
        for good in ["application/json", "application/json;charset=UTF-8;IEEE754Compatible=true", "Application/JSON;odata=verbose"] {
            assert!(require_json(Some(good)).is_ok(), "{good}");
        }
        for bad in [None, Some("text/json"), Some("application/xml"), Some("application/json;charset=latin1"), Some("json")] {
            assert_eq!(require_json(bad).unwrap_err().code, Code::UnsupportedMediaType, "{bad:?}");
        }
    }

    #[test]
    fn versions_below_4_are_refused() {
        for (own, most, expected) in [
            (None, None, Version::V4_0),
            (Some("4.0"), Some("4.0"), Version::V4_0),
            (Some("4.01"), None, Version::V4_0),
            (Some("4.01"), Some("4.01"), Version::V4_01),
            (Some("4.0;NetFx"), Some("4.0;NetFx"), Version::V4_0),
        ] {
            assert_eq!(version(own, most).unwrap(), expected, "{own:?} {most:?}");
        }
        for (own, most) in [(None, Some("3.0")), (Some("3.0"), None), (None, Some("four")), (None, Some(""))] {
            assert_eq!(version(own, most).unwrap_err().code, Code::InvalidRequest, "{own:?} {most:?}");
        }
    }

    #[test]
    fn content_types_say_how_json_is_written() {
        let format = JsonFormat { metadata: MetadataLevel::Full, ieee754_compatible: true };
        let content_type = "application/json;odata.metadata=full;odata.streaming=true;IEEE754Compatible=true;charset=utf-8";
        assert_eq!(format.content_type(Version::V4_0), content_type);
        assert_eq!(format.content_type(Version::V4_01), content_type.replace("odata.", ""));
    }
}
