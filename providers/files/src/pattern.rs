//! Paths of tables: names below the directory, in which `*` and `?` stand for characters of one name. Pure.

/// A path, name by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<String>,
}

impl Pattern {
    /// Reads a path.
    ///
    /// # Errors
    /// When it leads out of the directory, or names nothing.
    pub(crate) fn parse(path: &str) -> Result<Pattern, String> {
        let outside = |what: &str| Err(format!("'{path}' {what}: paths of tables begin in the source's directory and stay in it"));
        if path.starts_with('/') || path.contains('\\') || path.get(1..2) == Some(":") {
            return outside("is no path below the directory");
        }
        let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        if parts.iter().any(|part| part == "..") {
            return outside("leads out of it");
        }
        if parts.iter().any(|part| part.is_empty() || part == "." || part.contains('\0')) {
            return outside("has a name without characters");
        }
        if parts.iter().any(|part| part.contains("**")) {
            return Err(format!("'{path}': '**' is not understood, a '*' stands for characters of one name"));
        }
        Ok(Pattern { parts })
    }

    pub(crate) fn parts(&self) -> &[String] {
        &self.parts
    }
}

/// Whether a name of a pattern stands for several.
pub(crate) fn has_wildcard(part: &str) -> bool {
    part.contains(['*', '?'])
}

/// Whether a name is one that a pattern stands for. Names that begin with a point, and what editors and office programs keep beside a file that
/// is open, are none.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    if !has_wildcard(pattern) {
        return pattern == name;
    }
    if is_left_out(name) {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(expected) if *expected == '?' || Some(expected) == name.get(from) => (at, from) = (at + 1, from + 1),
            _ => match star {
                // The last star takes one character more.
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    (at, from) = (star_at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

/// Names that no pattern stands for.
pub(crate) fn is_left_out(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    name.starts_with(['.', '~'])
        || name.ends_with('~')
        || [".tmp", ".part", ".partial", ".crdownload", ".swp"].iter().any(|end| lower.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_characters_of_one_name() {
        for (pattern, name, expected) in [
            ("orders-*.csv", "orders-2024.csv", true),
            ("orders-*.csv", "orders-.csv", true),
            ("orders-*.csv", "orders.csv", false),
            ("*", "a", true),
            ("*", ".hidden", false),
            ("*.xlsx", "~$book.xlsx", false),
            ("*", "orders.csv.tmp", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbY", false),
            ("ä?.csv", "äß.csv", true),
            ("[a].csv", "[a].csv", true),
            ("x.CSV", "x.csv", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_directory() {
        for bad in ["/etc/passwd", "../x.csv", "a/../../x", "a//b", "", "./a", "c:/x", "a\\b", "a/**/b", "a\0"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(Pattern::parse("2024/*/orders-??.csv").is_ok());
        assert!(Pattern::parse("a..b/c.csv").is_ok());
    }
}
