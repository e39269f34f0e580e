//! How rows that come out of `$apply` look: columns with paths become nested objects, and rows that lack a property do not show it. Also
//! what the context URL says of them (Data Aggregation 4.0, section 3.1.1).

use super::{PresenceShape, PropertyShape, ValueShape};
use crate::bound::apply::AppliedRows;
use crate::value_type::RowColumn;
use std::collections::BTreeSet;

/// The properties, and which rows have which. `at` says where in the batch a column of the rows is.
pub fn shape(rows: &AppliedRows, select: &[usize], at: &dyn Fn(usize) -> Option<usize>) -> (Vec<PropertyShape>, Option<PresenceShape>) {
    let none = [BTreeSet::new()];
    let patterns = rows.presence.as_ref().map_or(none.as_slice(), |presence| presence.lacks.as_slice());
    let mut lacks: Vec<Vec<usize>> = vec![Vec::new(); patterns.len()];
    let mut properties = Vec::new();
    for (_, members) in by_name(rows, select, 0) {
        // An object of which only some members are there is another object: each form of it is a property of that name.
        let mut forms: Vec<Vec<usize>> = Vec::new();
        let mut forms_of = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let there: Vec<usize> = members.iter().copied().filter(|index| !pattern.contains(index)).collect();
            if !there.is_empty() && !forms.contains(&there) {
                forms.push(there.clone());
            }
            forms_of.push(there);
        }
        for form in forms {
            for (lacks, own) in lacks.iter_mut().zip(&forms_of) {
                if *own != form {
                    lacks.push(properties.len());
                }
            }
            properties.extend(property(rows, &form, 0, at));
        }
    }
    let presence = rows.presence.as_ref().filter(|_| lacks.iter().any(|lacks| !lacks.is_empty()));
    let presence = presence.and_then(|presence| Some(PresenceShape { position: at(presence.position)?, lacks }));
    (properties, presence)
}

/// The list in the context URL: what all rows have. Nothing when they are whole entities.
pub fn select_list(rows: &AppliedRows, select: &[usize], selected: bool) -> Option<String> {
    let everywhere = |index: &usize| !rows.presence.iter().flat_map(|presence| &presence.lacks).any(|lacks| lacks.contains(index));
    let common: Vec<usize> = select.iter().copied().filter(everywhere).collect();
    let mut items: Vec<String> = Vec::new();
    if rows.row_type.table.is_some() && !selected {
        let declared = |index: &usize| rows.row_type.columns.get(*index).is_some_and(|column| !column.dynamic);
        let (own, more): (Vec<usize>, Vec<usize>) = common.into_iter().partition(|index| declared(index) && !related(rows, *index));
        if more.is_empty() {
            return None;
        }
        items.extend((!own.is_empty()).then(|| "*".to_owned()));
        items.extend(listed(rows, &more, 0));
    } else {
        items = listed(rows, &common, 0);
    }
    if items.is_empty() {
        items.push("@Core.AnyStructure".to_owned());
    }
    Some(items.join(","))
}

/// Whether a column is of a related entity.
fn related(rows: &AppliedRows, index: usize) -> bool {
    rows.row_type.columns.get(index).is_some_and(|column| rows.navigations.iter().any(|path| column.path.starts_with(path)))
}

fn listed(rows: &AppliedRows, columns: &[usize], depth: usize) -> Vec<String> {
    let mut items = Vec::new();
    for (name, members) in by_name(rows, columns, depth) {
        let name = encoded(&name);
        let path = members.first().and_then(|index| path(rows, *index)).and_then(|path| path.get(..=depth));
        let navigation = path.is_some_and(|path| rows.navigations.contains(path));
        let deeper = members.iter().all(|index| path_length(rows, *index) > depth + 1);
        if !deeper {
            items.push(name);
        } else if navigation {
            items.push(format!("{name}({})", listed(rows, &members, depth + 1).join(",")));
        } else {
            items.extend(listed(rows, &members, depth + 1).into_iter().map(|inner| format!("{name}/{inner}")));
        }
    }
    items
}

fn encoded(name: &str) -> String {
    let mut text = String::new();
    crate::json::push_encoded(name, &mut text);
    text
}

fn column(rows: &AppliedRows, index: usize) -> Option<&RowColumn> {
    rows.row_type.columns.get(index)
}

fn path(rows: &AppliedRows, index: usize) -> Option<&[String]> {
    column(rows, index).map(|column| column.path.as_slice())
}

fn path_length(rows: &AppliedRows, index: usize) -> usize {
    path(rows, index).map_or(0, <[String]>::len)
}

/// Columns by the name at a depth of their paths, in the order of the first of each.
fn by_name(rows: &AppliedRows, columns: &[usize], depth: usize) -> Vec<(String, Vec<usize>)> {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for index in columns {
        let Some(name) = path(rows, *index).and_then(|path| path.get(depth)) else { continue };
        match groups.iter_mut().find(|(known, _)| known == name) {
            Some((_, members)) => members.push(*index),
            None => groups.push((name.clone(), vec![*index])),
        }
    }
    groups
}

fn property(rows: &AppliedRows, members: &[usize], depth: usize, at: &dyn Fn(usize) -> Option<usize>) -> Option<PropertyShape> {
    let first = column(rows, *members.first()?)?;
    let name = first.path.get(depth)?.clone();
    if first.path.len() == depth + 1 {
        let position = at(*members.first()?)?;
        let value = ValueShape::Column { position, value_type: first.value_type.clone() };
        return Some(PropertyShape { name, value, dynamic: first.dynamic });
    }
    let inner = by_name(rows, members, depth + 1);
    let members = inner.iter().filter_map(|(_, members)| property(rows, members, depth + 1, at)).collect();
    Some(PropertyShape { name, value: ValueShape::Complex { type_name: None, members }, dynamic: false })
}
