//! Names: which the OData language can carry, how others are sanitised, and what somebody may have meant.

/// The candidate nearest to a misspelt name: equal but for letter case, or within a third of its length in edits.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = wrong.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| *candidate != wrong)
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(wrong.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether a name is an OData `SimpleIdentifier` (CSDL 4.01, section 15.2): a letter or underscore, then letters, digits,
/// underscores; at most 128 characters.
pub fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    first && characters.all(|c| c.is_alphanumeric() || c == '_') && name.chars().count() <= 128
}

/// The name as an identifier: every other character becomes an underscore, a leading digit gets one before it.
pub fn sanitise(name: &str) -> String {
    let mut result: String = name.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).take(127).collect();
    if result.chars().next().is_none_or(|c| !(c.is_alphabetic() || c == '_')) {
        result.insert(0, '_');
    }
    result
}
