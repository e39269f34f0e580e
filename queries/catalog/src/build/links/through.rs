//! Relationships that lead through a link table. It must not know other relationships.

use super::super::overlay::{annotations, labels};
use super::super::{Standing, Work, below, error_at};
use super::pairs;
use crate::definition::{RelationshipDefinition, ThroughDefinition};
use crate::error::ModelError;
use crate::model::{Relationship, Through};

/// Resolves one; `errors` are those found before.
pub(super) fn resolve(
    work: &mut Work<'_>,
    table: &str,
    link: &str,
    declared: &RelationshipDefinition,
    definition: &ThroughDefinition,
    path: &[String],
    mut errors: Vec<ModelError>,
) -> Option<Relationship> {
    let at = below(path, &["through"]);
    match work.standing(&definition.table) {
        Standing::Built => {}
        Standing::Broken => return None,
        Standing::LeftOut => {
            work.note(format!("the relationship {table}.{link} is left out: {} is left out", definition.table));
            return None;
        }
        Standing::Unknown => {
            let error = error_at(below(&at, &["table"]), format!("there is no table '{}'", definition.table));
            let error = error.suggesting(&definition.table, work.tables.keys().map(String::as_str));
            work.error(error);
            return None;
        }
    }
    if !declared.on.is_empty() {
        let message = "the link table holds the pairs: write `on` and `to` under `through`";
        errors.push(error_at(below(path, &["on"]), message));
    }
    for (side, given) in [("on", &definition.on), ("to", &definition.to)] {
        if given.is_empty() {
            errors.push(error_at(below(&at, &[side]), "a link table needs at least one pair of columns on each side"));
        }
    }
    let [here, pivot, there] =
        [table, definition.table.as_str(), declared.to.as_str()].map(|name| work.tables.get(name).map(|built| &built.table));
    let (here, pivot, there) = (here?, pivot?, there?);
    let own = pairs(here, pivot, &definition.on, &below(&at, &["on"]), &mut errors);
    let other = pairs(pivot, there, &definition.to, &below(&at, &["to"]), &mut errors);
    let failed = !errors.is_empty();
    work.errors.extend(errors);
    let labels = labels(work, declared.label.as_ref(), &below(path, &["label"]));
    let annotations = annotations(work, &declared.annotations, path);
    if failed {
        return None;
    }
    let through = Some(Through { table: definition.table.clone(), own, other });
    Some(Relationship { through, labels, annotations, ..Relationship::plain(link, &declared.to, Vec::new(), true) })
}
