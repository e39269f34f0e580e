//! Stream properties and media entities. It must not know how streams are answered.

use super::super::{Work, below, error_at};
use super::check_name;
use crate::definition::overlay::MediaTypeDefinition;
use crate::definition::{StreamDefinition, TableDefinition};
use crate::overlay::{MediaType, Overlay, StreamProperty};
use portico_provider_api::ScalarType;

/// Resolves the streams of a table.
pub(super) fn resolve(work: &mut Work<'_>, table: &str, definition: &TableDefinition, overlay: &mut Overlay, path: &[String]) {
    for (name, stream) in &definition.streams {
        let here = below(path, &["streams", name]);
        let named = check_name(work, name, &here);
        if let Some(property) = one(work, table, name, stream, overlay, &here).filter(|_| named) {
            overlay.streams.push(property);
        }
    }
    if let Some(media) = &definition.media {
        overlay.media = one(work, table, "", media, overlay, &below(path, &["media"]));
    }
    refuse_taken(work, table, overlay, path);
}

fn one(
    work: &mut Work<'_>,
    table: &str,
    name: &str,
    definition: &StreamDefinition,
    overlay: &Overlay,
    path: &[String],
) -> Option<StreamProperty> {
    let built = work.tables.get(table)?.table.clone();
    let before = work.errors.len();
    let mut find = |column: &str, at: Vec<String>| {
        let found = built.column(column);
        if found.is_none() {
            let error = error_at(at, format!("{table} has no published column '{column}'"));
            work.error(error.suggesting(column, built.columns.iter().map(|column| column.name.as_str())));
        }
        found
    };
    let content = find(&definition.content, below(path, &["content"]));
    let type_of = |index: Option<usize>| index.and_then(|index| built.columns.get(index)).map(|column| column.scalar_type);
    let default = if type_of(content) == Some(ScalarType::Binary) { "application/octet-stream" } else { "text/plain;charset=utf-8" };
    let media_type = match &definition.media_type {
        None => MediaType::Fixed(default.to_owned()),
        Some(MediaTypeDefinition::Fixed(text)) => MediaType::Fixed(text.clone()),
        Some(MediaTypeDefinition::Column(column)) => MediaType::Column(find(&column.column, below(path, &["media_type", "column"]))?),
    };
    let content = content?;
    let at = below(path, &["content"]);
    if !matches!(type_of(Some(content)), Some(ScalarType::Binary | ScalarType::Text)) {
        work.error(error_at(at.clone(), format!("'{}' is neither bytes nor text", definition.content)));
    }
    let spatial = built.columns.get(content).is_some_and(|column| column.spatial.is_some());
    if spatial
        || built.key.contains(&content)
        || overlay.complex_of(content).is_some()
        || overlay.point_of(content).is_some()
        || overlay.is_stream_content(content)
    {
        let message = format!("'{}' is published otherwise already: a stream's content is nothing else", definition.content);
        work.error(error_at(at, message));
    }
    match &media_type {
        MediaType::Fixed(text) if !is_media_type(text) => {
            work.error(error_at(below(path, &["media_type"]), format!("'{text}' is not a media type such as image/png")));
        }
        MediaType::Column(column) if type_of(Some(*column)) != Some(ScalarType::Text) => {
            work.error(error_at(below(path, &["media_type", "column"]), "a media type is held in a text column"));
        }
        MediaType::Fixed(_) | MediaType::Column(_) => {}
    }
    (work.errors.len() == before).then(|| StreamProperty { name: name.to_owned(), content, media_type })
}

/// Whether a text can stand in `Content-Type`: `main/sub`, perhaps with parameters, of visible ASCII.
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte));
    let (name, parameters) = text.split_once(';').map_or((text, ""), |(name, parameters)| (name.trim_end(), parameters));
    name.split_once('/').is_some_and(|(main, sub)| token(main) && token(sub))
        && parameters.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Refuses a stream that would be called as another property.
fn refuse_taken(work: &mut Work<'_>, table: &str, overlay: &Overlay, path: &[String]) {
    let Some(built) = work.tables.get(table) else { return };
    let alone =
        |index: usize| overlay.complex_of(index).is_none() && overlay.point_of(index).is_none() && !overlay.is_stream_content(index);
    let columns = built.table.columns.iter().enumerate().filter(|(index, _)| alone(*index)).map(|(_, column)| column.name.clone());
    let mut taken: Vec<String> = columns
        .chain(overlay.complex.iter().map(|complex| complex.name.clone()))
        .chain(overlay.points.iter().map(|point| point.name.clone()))
        .collect();
    for stream in &overlay.streams {
        if let Some(other) = taken.iter().find(|other| other.to_lowercase() == stream.name.to_lowercase()) {
            work.error(error_at(below(path, &["streams", &stream.name]), format!("{table} has a property named '{other}' already")));
        }
        taken.push(stream.name.clone());
    }
}
