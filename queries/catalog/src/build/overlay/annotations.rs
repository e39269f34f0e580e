//! Labels and annotations. It must not know what a term means, only which vocabularies there are and which terms the gateway itself says.

use super::super::{Work, below, error_at};
use crate::definition::LabelDefinition;
use crate::names;
use crate::overlay::{Annotation, AnnotationValue, Labels};
use crate::vocabulary::{self, VOCABULARIES};
use indexmap::IndexMap;
use serde_json::Value;

/// Terms that the gateway derives from other settings, and which settings those are.
const OWN_TERMS: [(&str, &str); 23] = [
    ("Core.Description", "`description`"),
    ("Core.Computed", "`computed`"),
    ("Core.ComputedDefaultValue", "the source's defaults"),
    ("Core.Immutable", "`immutable`"),
    ("Core.Permissions", "`read_only`"),
    ("Core.OptimisticConcurrency", "`writes.if_match`"),
    ("Core.ODataVersions", "the gateway itself"),
    ("Core.SchemaVersion", "the gateway itself"),
    ("Core.ConformanceLevel", "the gateway itself"),
    ("Core.OptionalParameter", "`optional`"),
    ("Core.MediaType", "the column's type"),
    ("Core.AcceptableMediaTypes", "`media_type`"),
    ("Common.Label", "`label`"),
    ("Aggregation.ApplySupported", "the gateway itself"),
    ("Aggregation.ApplySupportedDefaults", "the gateway itself"),
    ("Aggregation.RecursiveHierarchy", "`hierarchies`"),
    ("Aggregation.CustomAggregate", "`aggregates`"),
    ("Aggregation.Groupable", "the gateway itself"),
    ("Aggregation.Aggregatable", "the gateway itself"),
    ("Hierarchy.RecursiveHierarchy", "`hierarchies`"),
    ("Validation.Pattern", "nothing: the gateway does not check values against it"),
    ("Validation.Minimum", "nothing: the gateway does not check values against it"),
    ("Validation.Maximum", "nothing: the gateway does not check values against it"),
];

/// Names for people by language. The text without a language is the default; where all have one, the first is.
pub(in super::super) fn labels(work: &mut Work<'_>, definition: Option<&LabelDefinition>, path: &[String]) -> Labels {
    match definition {
        None => Labels::new(),
        Some(LabelDefinition::Text(text)) => Labels::from_iter([(String::new(), text.clone())]),
        Some(LabelDefinition::Languages(languages)) => {
            if languages.is_empty() {
                work.error(error_at(path.to_vec(), "a label has at least one language: `{ en: Customer }`, or is a plain text"));
            }
            for language in languages.keys().filter(|language| !is_language(language)) {
                let message = format!("'{language}' is not a language tag such as en or de-CH");
                work.error(error_at(below(path, &[language]), message));
            }
            let default = languages.values().next().map(|first| (String::new(), first.clone()));
            default.into_iter().chain(languages.iter().map(|(language, text)| (language.clone(), text.clone()))).collect()
        }
    }
}

/// Whether a text has the form of a language tag (RFC 5646): groups of one to eight letters or digits, the first of letters.
fn is_language(text: &str) -> bool {
    let mut groups = text.split('-');
    let first = groups.next().is_some_and(|first| (2..=8).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic()));
    first && groups.all(|group| (1..=8).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Annotations of a thing; `path` leads to the thing.
pub(in super::super) fn annotations(work: &mut Work<'_>, definitions: &IndexMap<String, Value>, path: &[String]) -> Vec<Annotation> {
    let mut result = Vec::new();
    for (name, given) in definitions {
        let here = below(path, &["annotations", name]);
        let (term, qualifier) = name.split_once('#').map_or((name.as_str(), None), |(term, qualifier)| (term, Some(qualifier)));
        let Some((vocabulary, own_name)) = vocabulary::of_term(term) else {
            let prefix = term.rsplit_once('.').map_or(term, |(prefix, _)| prefix);
            let message = format!("'{term}' is not a term of a known vocabulary: write Vocabulary.Term, such as Measures.Unit");
            work.error(error_at(here, message).suggesting(prefix, VOCABULARIES.iter().map(|known| known.alias)));
            continue;
        };
        let short = format!("{}.{own_name}", vocabulary.alias);
        if let Some((_, setting)) = OWN_TERMS.iter().find(|(own, _)| *own == short) {
            work.error(error_at(here, format!("{short} is not written as an annotation: it follows from {setting}")));
            continue;
        }
        if vocabulary.alias == "Capabilities" {
            let message = format!("{short} is not written as an annotation: what a set can do the gateway says itself; see `restrictions`");
            work.error(error_at(here, message));
            continue;
        }
        if let Some(wrong) = [Some(own_name), qualifier].into_iter().flatten().find(|part| !names::is_identifier(part)) {
            work.error(error_at(here, format!("'{wrong}' cannot stand in the name of an annotation")));
            continue;
        }
        match value(given) {
            Ok(value) => result.push(Annotation { term: short, qualifier: qualifier.map(str::to_owned), value }),
            Err(message) => work.error(error_at(here, message)),
        }
    }
    result
}

/// The value of an annotation. Paths and members of enumerations are written as `{ $path: … }`, `{ $property: … }`, `{ $enum: … }`; the
/// type of a record as its key `$type`.
fn value(given: &Value) -> Result<AnnotationValue, String> {
    match given {
        Value::Null => Err("an annotation needs a value".to_owned()),
        Value::Bool(flag) => Ok(AnnotationValue::Boolean(*flag)),
        Value::Number(number) => Ok(match number.as_i64() {
            Some(integer) => AnnotationValue::Integer(integer),
            None => AnnotationValue::Decimal(number.to_string()),
        }),
        Value::String(text) => Ok(AnnotationValue::Text(text.clone())),
        Value::Array(items) => items.iter().map(value).collect::<Result<_, _>>().map(AnnotationValue::Collection),
        Value::Object(object) => {
            let special = object.keys().find(|key| key.starts_with('$') && *key != "$type");
            if let Some(key) = special {
                let text = object.get(key).and_then(Value::as_str).filter(|_| object.len() == 1);
                let text = text.ok_or_else(|| format!("`{key}` stands alone and has a text: `{{ {key}: … }}`"))?.to_owned();
                return match key.as_str() {
                    "$path" => Ok(AnnotationValue::Path(text)),
                    "$property" => Ok(AnnotationValue::PropertyPath(text)),
                    "$enum" => enum_member(text),
                    _ => Err(format!("`{key}` is not known here: $path, $property, $enum or $type")),
                };
            }
            let type_name = match object.get("$type") {
                None => None,
                Some(Value::String(name)) if vocabulary::of_term(name).is_some() => Some(name.clone()),
                Some(other) => return Err(format!("{other} is not a type of a known vocabulary, such as UI.DataField")),
            };
            let values = object.iter().filter(|(key, _)| *key != "$type").map(|(key, item)| {
                let named = names::is_identifier(key);
                if named { Ok((key.clone(), value(item)?)) } else { Err(format!("'{key}' cannot be the name of a record's property")) }
            });
            Ok(AnnotationValue::Record { type_name, values: values.collect::<Result<_, _>>()? })
        }
    }
}

fn enum_member(text: String) -> Result<AnnotationValue, String> {
    let well_formed = text.split(' ').all(|part| {
        part.split_once('/').is_some_and(|(type_name, member)| vocabulary::of_term(type_name).is_some() && names::is_identifier(member))
    });
    if well_formed {
        return Ok(AnnotationValue::EnumMember(text));
    }
    Err(format!("'{text}' is not a member of an enumeration of a known vocabulary, such as Core.Permission/Read"))
}
