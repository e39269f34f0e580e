//! Request headers that the protocol gives meaning: preconditions and preferences. It must not know HTTP: it reads their text.

mod annotations;
pub mod form;

pub use annotations::AnnotationPatterns;

use crate::bound::MatchCondition;
use crate::error::ODataError;

/// A version of the protocol in which an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 4.0: what clients get that do not ask for more.
    #[default]
    V4_0,
    /// 4.01
    V4_01,
}

impl Version {
    /// The greatest one that a client understands, by its `OData-MaxVersion` (Protocol, section 8.2.7). Parameters after `;`, as
    /// clients of earlier versions add them, do not count.
    ///
    /// # Errors
    /// A text that is not a version, or one below 4.0.
    pub fn negotiate(max_version: Option<&str>) -> Result<Version, ODataError> {
        let Some(text) = max_version else { return Ok(Version::default()) };
        let number = text.trim().split(';').next().unwrap_or_default().trim();
        let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
        let (Some(major), Some(minor)) = (digits(major), digits(minor)) else {
            return Err(ODataError::bad_request("the header is not a version such as 4.0").at("OData-MaxVersion", None));
        };
        match (major, minor) {
            (..4, _) => {
                let message = format!("answers are in OData 4.0 or 4.01, and the request accepts at most {number}");
                Err(ODataError::bad_request(message).at("OData-MaxVersion", None))
            }
            (4, 0) => Ok(Version::V4_0),
            _ => Ok(Version::V4_01),
        }
    }

    /// As `OData-Version` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V4_0 => "4.0",
            Version::V4_01 => "4.01",
        }
    }
}

/// What `Prefer` asks for. Unknown preferences are ignored, as the protocol says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `return=…`: what an answer to a write holds.
    pub returning: Option<Returning>,
    /// `odata.maxpagesize=…` or `maxpagesize=…`; at least 1.
    pub max_page_size: Option<u64>,
    /// `odata.continue-on-error`; `None` when nothing is said of it, because the two formats of batches differ in that.
    pub continue_on_error: Option<bool>,
    /// `odata.allow-entityreferences`: an entity that occurs twice may be a reference the second time.
    pub allow_entity_references: bool,
    /// `odata.callback; url="…"`: where to be told of the end of what runs asynchronously.
    pub callback: Option<String>,
    /// `include-annotations="…"`, or with its name of 4.0 where it is not there under that of 4.01.
    pub include_annotations: Option<AnnotationPatterns>,
    /// `omit-values=…`: what need not be written.
    pub omit_values: Option<OmitValues>,
    /// `handling=…`: whether what is not understood to the letter is refused (RFC 7240, section 4.4).
    pub handling: Option<Handling>,
    /// `respond-async`
    pub respond_async: bool,
    /// `odata.track-changes`
    pub track_changes: bool,
    /// `wait=…`, in seconds.
    pub wait: Option<u64>,
}

/// What becomes of a request that is not quite right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// It is refused.
    Strict,
    /// It is understood where that can be.
    Lenient,
}

/// What an answer need not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OmitValues {
    /// Properties that are null.
    Nulls,
    /// Properties that have their default value.
    Defaults,
}

/// What an answer to a write holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returning {
    /// Nothing.
    Minimal,
    /// The entity.
    Representation,
}

/// Reads `Prefer`; several headers are joined with a comma by the caller.
///
/// # Errors
/// A known preference whose value is malformed.
pub fn preferences(text: &str) -> Result<Preferences, ODataError> {
    let mut preferences = Preferences::default();
    // Of the two names of this one, that of 4.01 counts wherever it stands (Protocol 4.01, section 8.2.8.4).
    let mut older = None;
    for part in form::split_unquoted(text, ',').into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        // Parameters after `;` belong to other preferences' definitions (RFC 7240), but for the URL of a callback.
        let mut pieces = form::split_unquoted(part, ';').into_iter();
        let (name, value) = name_and_value(pieces.next().unwrap_or_default());
        if name == "odata.include-annotations" {
            older = Some(older.map_or_else(|| AnnotationPatterns::parse(value), Ok)?);
            continue;
        }
        preference(&mut preferences, name.strip_prefix("odata.").unwrap_or(&name), value, pieces)?;
    }
    preferences.include_annotations = preferences.include_annotations.or(older);
    Ok(preferences)
}

/// A name in lower case, and a value without its quotes.
fn name_and_value(text: &str) -> (String, &str) {
    let (name, value) = text.split_once('=').map_or((text, ""), |(name, value)| (name, value.trim().trim_matches('"')));
    (name.trim().to_ascii_lowercase(), value)
}

fn preference<'a>(
    preferences: &mut Preferences,
    name: &str,
    value: &str,
    mut parameters: impl Iterator<Item = &'a str>,
) -> Result<(), ODataError> {
    // The first of several equal preferences counts (RFC 7240, section 2).
    match name {
        "return" if preferences.returning.is_none() => {
            preferences.returning = match value.to_ascii_lowercase().as_str() {
                "minimal" => Some(Returning::Minimal),
                "representation" => Some(Returning::Representation),
                _ => return Err(malformed("return", value, "minimal or representation")),
            }
        }
        "maxpagesize" if preferences.max_page_size.is_none() => {
            let size = whole_number(value).filter(|size| *size > 0);
            preferences.max_page_size = Some(size.ok_or_else(|| malformed("maxpagesize", value, "a whole number from 1"))?);
        }
        "omit-values" if preferences.omit_values.is_none() => {
            preferences.omit_values = match value.to_ascii_lowercase().as_str() {
                "nulls" => Some(OmitValues::Nulls),
                "defaults" => Some(OmitValues::Defaults),
                _ => return Err(malformed("omit-values", value, "nulls or defaults")),
            }
        }
        "handling" if preferences.handling.is_none() => {
            preferences.handling = match value.to_ascii_lowercase().as_str() {
                "strict" => Some(Handling::Strict),
                "lenient" => Some(Handling::Lenient),
                _ => return Err(malformed("handling", value, "strict or lenient")),
            }
        }
        "wait" if preferences.wait.is_none() => {
            preferences.wait = Some(whole_number(value).ok_or_else(|| malformed("wait", value, "a whole number of seconds"))?);
        }
        "include-annotations" if preferences.include_annotations.is_none() => {
            preferences.include_annotations = Some(AnnotationPatterns::parse(value)?);
        }
        "callback" if preferences.callback.is_none() => {
            let url = parameters.find_map(|parameter| Some(name_and_value(parameter)).filter(|(name, _)| name == "url"));
            let url = url.map(|(_, url)| url).filter(|url| form::is_uri(url));
            preferences.callback = Some(url.ok_or_else(|| malformed("callback", value, "a parameter url=\"…\""))?.to_owned());
        }
        "continue-on-error" if preferences.continue_on_error.is_none() => {
            preferences.continue_on_error = Some(!value.eq_ignore_ascii_case("false"));
        }
        "allow-entityreferences" => preferences.allow_entity_references = true,
        "respond-async" => preferences.respond_async = true,
        "track-changes" => preferences.track_changes = true,
        _ => {}
    }
    Ok(())
}

/// Digits as a number; more than it holds is as good as no limit of the client's.
fn whole_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn malformed(name: &str, value: &str, expected: &str) -> ODataError {
    ODataError::bad_request(format!("the preference {name}={value} is malformed: expected {expected}")).at("Prefer", None)
}

/// Reads `If-Match` or `If-None-Match`; `None` is an absent header.
///
/// # Errors
/// Text that is not `*` or a list of ETags.
pub fn match_condition(name: &str, text: Option<&str>) -> Result<MatchCondition, ODataError> {
    let Some(text) = text.map(str::trim) else { return Ok(MatchCondition::Absent) };
    if text == "*" {
        return Ok(MatchCondition::Any);
    }
    let wrong = |position| {
        ODataError::bad_request(format!("the header {name} is malformed: expected * or a list of ETags such as W/\"1\""))
            .at(name, Some(text.get(..position).unwrap_or(text).chars().count()))
    };
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let start = rest.strip_prefix("W/").unwrap_or(rest);
        let inner = start.strip_prefix('"').ok_or_else(|| wrong(at))?;
        let length = inner.find('"').ok_or_else(|| wrong(at))?;
        let end = rest.len() - inner.len() + length + 1;
        let (tag, tail) = rest.split_at(end);
        tags.push(tag.to_owned());
        rest = tail.trim_start();
        if rest.is_empty() {
            return Ok(MatchCondition::Tags(tags));
        }
        rest = rest.strip_prefix(',').ok_or_else(|| wrong(text.len() - rest.len()))?;
    }
}

/// Whether a condition names this ETag. Weak comparison: `W/` does not count, as OData practice has it for `If-Match` too.
/// `Absent` matches nothing, `Any` everything.
pub fn matches(condition: &MatchCondition, etag: &str) -> bool {
    let bare = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    match condition {
        MatchCondition::Absent => false,
        MatchCondition::Any => true,
        MatchCondition::Tags(tags) => tags.iter().any(|tag| bare(tag) == bare(etag)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_with_and_without_prefix() {
        let read = |text| preferences(text).unwrap();
        assert_eq!(read("return=minimal").returning, Some(Returning::Minimal));
        assert_eq!(read("odata.maxpagesize=50, return=\"representation\"").max_page_size, Some(50));
        assert_eq!(read("maxpagesize=7; foo=1").max_page_size, Some(7));
        assert_eq!(read("maxpagesize=99999999999999999999999").max_page_size, Some(u64::MAX));
        assert_eq!(
            read("respond-async, wait=10, odata.continue-on-error"),
            Preferences { continue_on_error: Some(true), respond_async: true, wait: Some(10), ..Preferences::default() }
        );
        let more = read("omit-values=nulls, odata.include-annotations=\"A.*, -B.T\", callback; url=\"http://h/a,b\", track-changes");
        assert_eq!(more.omit_values, Some(OmitValues::Nulls));
        assert_eq!(more.include_annotations.unwrap().to_string(), "A.*,-B.T");
        let both = read("odata.include-annotations=\"A.*\", include-annotations=\"B.*\", include-annotations=\"C.*\"");
        assert_eq!(both.include_annotations.unwrap().to_string(), "B.*");
        assert_eq!((more.callback.as_deref(), more.track_changes), (Some("http://h/a,b"), true));
        assert_eq!(
            (read("handling=strict").handling, read("handling=lenient").handling),
            (Some(Handling::Strict), Some(Handling::Lenient))
        );
        assert_eq!((read("continue-on-error=false").continue_on_error, read("x").continue_on_error), (Some(false), None));
        assert_eq!(read("return=minimal,return=representation").returning, Some(Returning::Minimal));
        for bad in [
            "include-annotations=x",
            "odata.include-annotations=\"A.*,\"",
            "return=all",
            "maxpagesize=0",
            "odata.maxpagesize=x",
            "maxpagesize",
            "omit-values=x",
            "wait=soon",
            "callback",
            "handling=x",
        ] {
            let error = preferences(bad).unwrap_err();
            assert_eq!(error.target.as_deref(), Some("Prefer"), "{bad}");
        }
    }

    #[test]
    fn the_version_is_the_greatest_that_both_understand() {
        for (max, expected) in [
            (None, Version::V4_0),
            (Some("4.0"), Version::V4_0),
            (Some(" 4.0;NetFx "), Version::V4_0),
            (Some("4"), Version::V4_0),
            (Some("4.01"), Version::V4_01),
            (Some("4.02"), Version::V4_01),
            (Some("5.0"), Version::V4_01),
        ] {
            assert_eq!(Version::negotiate(max), Ok(expected), "{max:?}");
        }
        for bad in ["3.0", "2.0;x", "four", "", "4.x", "-4.0", "4.0.1"] {
            assert_eq!(Version::negotiate(Some(bad)).unwrap_err().target.as_deref(), Some("OData-MaxVersion"), "{bad}");
        }
    }

    #[test]
    fn conditions_are_read() {
        assert_eq!(match_condition("If-Match", None).unwrap(), MatchCondition::Absent);
        assert_eq!(match_condition("If-Match", Some(" * ")).unwrap(), MatchCondition::Any);
        let tags = match_condition("If-Match", Some("W/\"a,b\" , \"c\"")).unwrap();
        assert_eq!(tags, MatchCondition::Tags(vec!["W/\"a,b\"".into(), "\"c\"".into()]));
        assert!(matches(&tags, "\"a,b\"") && matches(&tags, "W/\"c\"") && !matches(&tags, "\"d\""));
        for bad in ["", "abc", "\"a", "\"a\" \"b\"", "\"a\",", "W/a"] {
            assert!(match_condition("If-Match", Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(match_condition("If-Match", Some("\"ä\",x")).unwrap_err().position, Some(4));
    }
}
