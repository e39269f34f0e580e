//! The configuration with the columns that are taken from elsewhere: from an OpenAPI document, from a sample of an answer, or from what a server
//! answers first. It must not know how any of them is asked for.

use crate::config::{ColumnConfig, Format, ResourceConfig, RestConfig};
use crate::resource::Place;
use crate::{decode, infer, openapi};
use indexmap::IndexMap;
use std::path::Path;

/// With the columns that stand in files, and whose columns are asked for.
///
/// # Errors
/// Names the resource, and what of its file cannot be used.
pub fn by_files(mut config: RestConfig, directory: &Path) -> Result<RestConfig, String> {
    let read = |name: &Path| {
        std::fs::read_to_string(directory.join(name)).map_err(|error| format!("the file '{}' cannot be read: {error}", name.display()))
    };
    let document = match &config.openapi {
        Some(name) => Some(openapi::document(&read(name)?).map_err(|wrong| format!("'openapi': {wrong}"))?),
        None => None,
    };
    for (name, resource) in &mut config.resources {
        let place = |wrong: String| format!("resource '{name}': {wrong}");
        if resource.infer.is_some() && (resource.sample.is_some() || resource.schema.is_some()) {
            return Err(place("'infer' beside a 'sample' or a 'schema': columns are taken from one of them".to_owned()));
        }
        let taken = match (&resource.sample, &document) {
            (Some(sample), _) => sampled(&read(sample).map_err(place)?, resource).map_err(place)?,
            (None, Some(document)) if resource.schema.is_some() || (resource.columns.is_empty() && resource.infer.is_none()) => {
                openapi::columns(document, resource.path.as_deref(), resource.schema.as_deref()).map_err(place)?
            }
            (None, None) if resource.schema.is_some() => {
                return Err(place("'schema' is one of an 'openapi' document, and there is none".to_owned()));
            }
            (None, _) => {
                let nothing = resource.columns.is_empty();
                resource.infer = resource.infer.or(config.infer.filter(|_| nothing));
                continue;
            }
        };
        take(resource, taken);
    }
    Ok(config)
}

/// What is declared of a column is kept; what is not is taken.
pub fn take(resource: &mut ResourceConfig, taken: IndexMap<String, ColumnConfig>) {
    for (column, taken) in taken {
        let declared = resource.columns.entry(column).or_insert_with(|| taken.clone());
        if declared.scalar_type.is_none() {
            declared.scalar_type = taken.scalar_type;
            declared.nullable = declared.nullable.or(taken.nullable);
            declared.optional = declared.optional.or(taken.optional);
            declared.max_length = declared.max_length.or(taken.max_length);
        }
    }
}

/// The columns of a sample.
fn sampled(text: &str, resource: &ResourceConfig) -> Result<IndexMap<String, ColumnConfig>, String> {
    let (place, single) = match &resource.parent {
        Some(parent) => (Place::in_row(&parent.rows)?, false),
        None => (Place::of_rows(resource.rows.as_deref().unwrap_or_default(), resource.single)?, resource.single),
    };
    let rows = decode::values(text.as_bytes(), Format::Json, &place, single).map_err(|wrong| format!("its 'sample': {wrong}"))?;
    infer::columns(&rows, &place.to_string())
}
