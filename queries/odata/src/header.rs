//! Request headers that the protocol gives meaning: preconditions and preferences. It must not know HTTP: it reads their text.

use crate::bound::MatchCondition;
use crate::error::ODataError;

/// What `Prefer` asks for. Unknown preferences are ignored, as the protocol says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `return=…`: what an answer to a write holds.
    pub returning: Option<Returning>,
    /// `odata.maxpagesize=…` or `maxpagesize=…`; at least 1.
    pub max_page_size: Option<u64>,
    /// `odata.continue-on-error`.
    pub continue_on_error: bool,
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
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        // Parameters after `;` belong to other preferences' definitions (RFC 7240); none of ours has any.
        let part = part.split(';').next().unwrap_or_default();
        let (name, value) = part.split_once('=').map_or((part, ""), |(name, value)| (name.trim(), value.trim().trim_matches('"')));
        let name = name.trim().to_ascii_lowercase();
        match name.strip_prefix("odata.").unwrap_or(&name) {
            // The first of several equal preferences counts (RFC 7240, section 2).
            "return" if preferences.returning.is_none() => {
                preferences.returning = match value.to_ascii_lowercase().as_str() {
                    "minimal" => Some(Returning::Minimal),
                    "representation" => Some(Returning::Representation),
                    _ => return Err(malformed("return", value, "minimal or representation")),
                }
            }
            "maxpagesize" if preferences.max_page_size.is_none() => {
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                // More than a u64 holds is as good as no limit of the client's.
                let size = if digits { value.parse::<u64>().unwrap_or(u64::MAX) } else { 0 };
                if size == 0 {
                    return Err(malformed("maxpagesize", value, "a whole number from 1"));
                }
                preferences.max_page_size = Some(size);
            }
            "continue-on-error" => preferences.continue_on_error = !value.eq_ignore_ascii_case("false"),
            _ => {}
        }
    }
    Ok(preferences)
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
            Preferences { continue_on_error: true, ..Preferences::default() }
        );
        assert_eq!(read("return=minimal,return=representation").returning, Some(Returning::Minimal));
        for bad in ["return=all", "maxpagesize=0", "odata.maxpagesize=x", "maxpagesize"] {
            let error = preferences(bad).unwrap_err();
            assert_eq!(error.target.as_deref(), Some("Prefer"), "{bad}");
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
