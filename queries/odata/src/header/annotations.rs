//! Which annotations a client wants: the patterns of `include-annotations` (Protocol 4.01, section 8.2.8.4). It must not know which
//! annotations there are.

use crate::error::ODataError;
use crate::parse::value::is_identifier;
use portico_catalog::vocabulary::VOCABULARIES;
use std::fmt;

/// Patterns, in the order of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnnotationPatterns {
    patterns: Vec<Pattern>,
}

/// One pattern: `*`, `-*`, `ns.*`, `-ns.Term`, `ns.Term#Qualifier`, `*#Qualifier`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// As it was written.
    text: String,
    excludes: bool,
    /// A namespace (empty for all of them), or a whole term.
    name: String,
    /// Whether `name` is a namespace, whose terms are meant with those of all namespaces below it.
    any: bool,
    qualifier: Option<String>,
}

impl AnnotationPatterns {
    /// Reads the value of the preference.
    ///
    /// # Errors
    /// Names the pattern that is none.
    pub fn parse(text: &str) -> Result<AnnotationPatterns, ODataError> {
        let patterns = text.split(',').map(|part| {
            let part = part.trim();
            Pattern::parse(part).ok_or_else(|| {
                let message = format!(
                    "'{part}' in the preference include-annotations names no annotations: expected *, Namespace.*, Namespace.Term or \
                     Namespace.Term#Qualifier, each perhaps with - before it"
                );
                ODataError::bad_request(message).at("Prefer", None)
            })
        });
        Ok(AnnotationPatterns { patterns: patterns.collect::<Result<_, _>>()? })
    }

    /// Whether an annotation is wanted. The most precise pattern decides: a term before a namespace, a longer namespace before a shorter
    /// one, one with a qualifier before one without. What is both wanted and not wanted is not.
    #[must_use]
    pub fn wants(&self, term: &str, qualifier: Option<&str>) -> bool {
        let term = with_namespace(term);
        let matching = self.patterns.iter().filter(|pattern| pattern.covers(&term, qualifier));
        let best = matching.max_by_key(|pattern| (!pattern.any, pattern.name.len(), pattern.qualifier.is_some(), pattern.excludes));
        best.is_some_and(|pattern| !pattern.excludes)
    }

    /// Whether all annotations are wanted.
    #[must_use]
    pub fn wants_all(&self) -> bool {
        matches!(self.patterns.as_slice(), [only] if only.text == "*")
    }
}

impl fmt::Display for AnnotationPatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pattern) in self.patterns.iter().enumerate() {
            write!(f, "{}{}", if index > 0 { "," } else { "" }, pattern.text)?;
        }
        Ok(())
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Pattern> {
        let (excludes, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (term, qualifier) = rest.split_once('#').map_or((rest, None), |(term, qualifier)| (term, Some(qualifier)));
        let namespace = |name: &str| !name.is_empty() && name.split('.').all(is_identifier);
        let (name, any) = match term.rsplit_once('.') {
            None if term == "*" => (String::new(), true),
            Some((name, "*")) if namespace(name) => (with_namespace(&format!("{name}.")).trim_end_matches('.').to_owned(), true),
            Some(_) if namespace(term) => (with_namespace(term), false),
            Some(_) | None => return None,
        };
        let well_formed = qualifier.is_none_or(is_identifier);
        well_formed.then(|| Pattern { text: text.to_owned(), excludes, name, any, qualifier: qualifier.map(str::to_owned) })
    }

    /// `term` has its namespace in full.
    fn covers(&self, term: &str, qualifier: Option<&str>) -> bool {
        let named = if self.any {
            self.name.is_empty() || term.strip_prefix(self.name.as_str()).is_some_and(|rest| rest.starts_with('.'))
        } else {
            term == self.name
        };
        named && self.qualifier.as_deref().is_none_or(|wanted| qualifier == Some(wanted))
    }
}

/// A term by the namespace of its vocabulary, where it is written with its alias.
fn with_namespace(term: &str) -> String {
    let known = term.rsplit_once('.').and_then(|(prefix, name)| {
        let vocabulary = VOCABULARIES.iter().find(|known| known.alias == prefix)?;
        Some(format!("{}.{name}", vocabulary.namespace))
    });
    known.unwrap_or_else(|| term.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A term, its qualifier, and whether it is wanted.
    type Wanted = (&'static str, Option<&'static str>, bool);

    #[test]
    fn the_most_precise_pattern_decides() {
        let cases: [(&str, &[Wanted]); 9] = [
            ("*", &[("Measures.Unit", None, true), ("a.b.C", Some("q"), true)]),
            ("-*", &[("Measures.Unit", None, false)]),
            ("Org.OData.Measures.V1.*", &[("Measures.Unit", None, true), ("Core.Description", None, false)]),
            ("Measures.*", &[("Org.OData.Measures.V1.Unit", None, true), ("Measures.Unit", Some("x"), true)]),
            ("*, -Measures.Unit", &[("Measures.Unit", None, false), ("Measures.Scale", None, true)]),
            ("-*, Measures.Unit#a", &[("Measures.Unit", Some("a"), true), ("Measures.Unit", None, false)]),
            (
                "display.*,-display.inner.*, display.inner.x",
                &[
                    ("display.a", None, true),
                    ("display.deep.a", None, true),
                    ("display.inner.a", None, false),
                    ("display.inner.x", None, true),
                    ("displayed.a", None, false),
                ],
            ),
            ("*#tablet", &[("UI.Title", Some("tablet"), true), ("UI.Title", Some("phone"), false), ("UI.Title", None, false)]),
            ("UI.Title,-UI.Title", &[("UI.Title", None, false)]),
        ];
        for (text, terms) in cases {
            let patterns = AnnotationPatterns::parse(text).unwrap();
            for (term, qualifier, wanted) in terms {
                assert_eq!(patterns.wants(term, *qualifier), *wanted, "{text}: {term} {qualifier:?}");
            }
        }
        assert!(AnnotationPatterns::parse("*").unwrap().wants_all());
        assert_eq!(AnnotationPatterns::parse("a.b , -c.*#q").unwrap().to_string(), "a.b,-c.*#q");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "Unit", "a.b,", "a.*.b", "*.b", "a..b", "--a.b", "a.b#", "a.b#*", "a.1", "-"] {
            let error = AnnotationPatterns::parse(bad).unwrap_err();
            assert_eq!(error.target.as_deref(), Some("Prefer"), "{bad}");
        }
    }
}
