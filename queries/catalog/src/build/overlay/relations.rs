//! Hierarchies and restrictions: what speaks of relationships too. It must not know how they are asked.

use super::super::{Standing, Work, below, error_at};
use super::check_name;
use crate::definition::{HierarchyDefinition, RestrictionsDefinition};
use crate::model::VirtualTable;
use crate::overlay::{Hierarchy, Restrictions};

/// Resolves them for every table.
pub(super) fn resolve(work: &mut Work<'_>) {
    for (name, definition) in &work.definition.tables {
        if !matches!(work.standing(name), Standing::Built) {
            continue;
        }
        let Some(table) = work.tables.get(name).map(|built| built.table.clone()) else { continue };
        let path = below(&[], &["tables", name]);
        let mut hierarchies = Vec::new();
        for (qualifier, hierarchy) in &definition.hierarchies {
            let here = below(&path, &["hierarchies", qualifier]);
            if check_name(work, qualifier, &here) {
                hierarchies.extend(one(work, &table, qualifier, hierarchy, &here));
            }
        }
        let restrictions = restrictions(work, &table, &definition.restrictions, &below(&path, &["restrictions"]));
        check_paths(work, &table, &path);
        if let Some(built) = work.tables.get_mut(name) {
            built.table.overlay.hierarchies = hierarchies;
            built.table.overlay.restrictions = restrictions;
        }
    }
}

/// Refuses annotations with paths that lead nowhere.
fn check_paths(work: &mut Work<'_>, table: &VirtualTable, path: &[String]) {
    let is_member = |index: &usize| table.overlay.complex_of(*index).is_some();
    let members: Vec<Vec<String>> = (0..table.columns.len())
        .filter(is_member)
        .filter_map(|index| table.columns.get(index).map(|column| below(path, &["columns", &column.name])))
        .collect();
    let of_columns = table.columns.iter().map(|column| (below(path, &["columns", &column.name]), &column.annotations));
    let of_links = table.relationships.iter().map(|link| (below(path, &["relationships", &link.name]), &link.annotations));
    let all = std::iter::once((path.to_vec(), &table.overlay.annotations)).chain(of_columns).chain(of_links);
    for (owner, annotations) in all {
        for annotation in annotations {
            let name =
                annotation.qualifier.as_ref().map_or(annotation.term.clone(), |qualifier| format!("{}#{qualifier}", annotation.term));
            let mut paths = Vec::new();
            annotation.value.paths(&mut paths);
            if !paths.is_empty() && members.contains(&owner) {
                let message = "a member of a complex type has no paths: the type does not know the table's properties";
                work.error(error_at(below(&owner, &["annotations", &name]), message));
            }
            for lost in paths.into_iter().filter(|path| !leads_somewhere(table, path)) {
                let error = error_at(below(&owner, &["annotations", &name]), format!("{} has no property '{lost}'", table.name));
                let known = table.property_names().chain(table.relationships.iter().map(|link| link.name.as_str()));
                work.error(error.suggesting(lost, known));
            }
        }
    }
}

/// Whether a path starts at a property or relationship of a table. Casts and annotations are not followed.
fn leads_somewhere(table: &VirtualTable, path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    let overlay = &table.overlay;
    let columns = table.columns.iter().enumerate().filter(|(index, _)| {
        overlay.complex_of(*index).is_none() && overlay.point_of(*index).is_none() && !overlay.is_stream_content(*index)
    });
    let names = columns.map(|(_, column)| &column.name).chain(overlay.complex.iter().map(|complex| &complex.name));
    let mut names = names.chain(overlay.points.iter().map(|point| &point.name));
    let streams = || overlay.streams.iter().any(|stream| stream.name == first);
    let links = || table.relationships.iter().any(|link| link.name == first);
    first.contains(['.', '@']) || names.any(|name| name == first) || streams() || links()
}

fn one(work: &mut Work<'_>, table: &VirtualTable, qualifier: &str, definition: &HierarchyDefinition, path: &[String]) -> Option<Hierarchy> {
    let node = column(work, table, &definition.node, &below(path, &["node"]));
    let parent = relationship(work, table, &definition.parent, &below(path, &["parent"]));
    let (node, parent) = (node?, parent?);
    let link = table.relationships.get(parent)?;
    let to_one_here = !link.many && link.to == table.name && link.through.is_none();
    if !to_one_here || !matches!(link.on.as_slice(), [(_, to)] if *to == node) {
        let message = format!(
            "'{}' does not lead to the one row of {} whose '{}' it names: that is what the node above is",
            definition.parent, table.name, definition.node
        );
        work.error(error_at(below(path, &["parent"]), message));
        return None;
    }
    Some(Hierarchy { qualifier: qualifier.to_owned(), node, parent })
}

fn column(work: &mut Work<'_>, table: &VirtualTable, name: &str, path: &[String]) -> Option<usize> {
    let found = table.column(name);
    if found.is_none() {
        let error = error_at(path.to_vec(), format!("{} has no published column '{name}'", table.name));
        work.error(error.suggesting(name, table.columns.iter().map(|column| column.name.as_str())));
    }
    found
}

fn relationship(work: &mut Work<'_>, table: &VirtualTable, name: &str, path: &[String]) -> Option<usize> {
    let found = table.relationships.iter().position(|link| link.name == name);
    // One that is declared and not there is left out, or has a mistake that is reported already.
    let declared = work.definition.tables.get(&table.name).is_some_and(|definition| definition.relationships.contains_key(name));
    if found.is_none() && !declared {
        let error = error_at(path.to_vec(), format!("{} has no relationship '{name}'", table.name));
        work.error(error.suggesting(name, table.relationships.iter().map(|link| link.name.as_str())));
    }
    found
}

fn restrictions(work: &mut Work<'_>, table: &VirtualTable, definition: &RestrictionsDefinition, path: &[String]) -> Restrictions {
    let mut columns = |names: &[String], key: &str| -> Vec<usize> {
        let at = |index: usize| below(path, &[key, &index.to_string()]);
        names.iter().enumerate().filter_map(|(index, name)| column(work, table, name, &at(index))).collect()
    };
    let not_filterable = columns(&definition.not_filterable, "not_filterable");
    let not_sortable = columns(&definition.not_sortable, "not_sortable");
    let required_in_filter = columns(&definition.required_in_filter, "required_in_filter");
    for (index, name) in definition.required_in_filter.iter().enumerate() {
        if definition.not_filterable.contains(name) {
            let message = format!("'{name}' is required in $filter, which may not name it");
            work.error(error_at(below(path, &["required_in_filter", &index.to_string()]), message));
        }
    }
    let at = |index: usize| below(path, &["not_expandable", &index.to_string()]);
    let not_expandable =
        definition.not_expandable.iter().enumerate().filter_map(|(index, name)| relationship(work, table, name, &at(index))).collect();
    Restrictions {
        not_filterable,
        not_sortable,
        required_in_filter,
        not_expandable,
        not_countable: !definition.countable,
        not_readable: !definition.readable,
    }
}
