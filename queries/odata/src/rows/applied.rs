//! How rows that come out of `$apply` look: columns with paths become nested objects, and rows that lack a property do not show it. Also
//! what the context URL says of them (Data Aggregation 4.0, section 3.1.1).

use super::{PresenceShape, PropertyPath, PropertyShape, ValueShape};
use crate::bound::apply::AppliedRows;
use crate::json::Listed;
use crate::value_type::{LATITUDE, LONGITUDE, RowColumn};

/// Rows that come out of `$apply`.
#[derive(Debug)]
pub struct AppliedShape {
    /// Their properties.
    pub properties: Vec<PropertyShape>,
    /// For each of the properties the columns behind it, by position in the rows.
    pub columns: Vec<Vec<usize>>,
    /// Which rows have which.
    pub presence: Option<PresenceShape>,
}

/// The properties, and which rows have which. `at` says where in the batch a column of the rows is.
pub fn shape(rows: &AppliedRows, select: &[usize], at: &dyn Fn(usize) -> Option<usize>) -> AppliedShape {
    let mut paths: Vec<(usize, PropertyPath)> = Vec::new();
    let properties = properties(rows, select, &mut Vec::new(), at, &mut paths);
    let presence = rows.presence.as_ref().and_then(|presence| {
        let lacks = |columns: &std::collections::BTreeSet<usize>| {
            paths.iter().filter(|(column, _)| columns.contains(column)).map(|(_, path)| path.clone()).collect::<Vec<_>>()
        };
        let lacks: Vec<Vec<PropertyPath>> = presence.lacks.iter().map(lacks).collect();
        let position = at(presence.position)?;
        lacks.iter().any(|lacks| !lacks.is_empty()).then_some(PresenceShape { position, lacks })
    });
    let mut columns = vec![Vec::new(); properties.len()];
    for (column, path) in &paths {
        if let Some(behind) = path.first().and_then(|first| columns.get_mut(*first)) {
            behind.push(*column);
        }
    }
    AppliedShape { properties, columns, presence }
}

/// The properties below a position, and where each column is among them.
fn properties(
    rows: &AppliedRows,
    columns: &[usize],
    above: &mut PropertyPath,
    at: &dyn Fn(usize) -> Option<usize>,
    paths: &mut Vec<(usize, PropertyPath)>,
) -> Vec<PropertyShape> {
    let depth = above.len();
    let mut shapes = Vec::new();
    for (name, members) in by_name(rows, columns, depth) {
        above.push(shapes.len());
        let point = |last: &str| members.iter().copied().find(|index| path(rows, *index).get(depth + 1).is_some_and(|name| name == last));
        if let (Some(latitude), Some(longitude)) = (point(LATITUDE), point(LONGITUDE))
            && let (Some(north), Some(east)) = (at(latitude), at(longitude))
        {
            paths.extend([(latitude, above.clone()), (longitude, above.clone())]);
            let value = ValueShape::Point { latitude: north, longitude: east };
            shapes.push(PropertyShape::of(name, value));
            above.pop();
            continue;
        }
        let leaf = members.first().filter(|index| path(rows, **index).len() == depth + 1);
        let leaf = leaf.and_then(|index| Some((*index, column(rows, *index)?, at(*index)?)));
        shapes.push(match leaf {
            Some((index, column, position)) => {
                paths.push((index, above.clone()));
                let value = ValueShape::Column { position, value_type: column.value_type.clone() };
                PropertyShape { dynamic: column.dynamic, ..PropertyShape::of(name, value) }
            }
            None => {
                let members = properties(rows, &members, above, at, paths);
                PropertyShape::of(name, ValueShape::Complex { type_name: None, members, others: Vec::new() })
            }
        });
        above.pop();
    }
    shapes
}

/// The list in the context URL: what all rows have. Nothing when they are whole entities.
pub fn select_list(rows: &AppliedRows, select: &[usize], selected: bool) -> Option<Vec<Listed>> {
    let everywhere = |index: &usize| !rows.presence.iter().flat_map(|presence| &presence.lacks).any(|lacks| lacks.contains(index));
    let common: Vec<usize> = select.iter().copied().filter(everywhere).collect();
    let mut items = Vec::new();
    if rows.row_type.table.is_some() && !selected {
        let declared = |index: &usize| column(rows, *index).is_some_and(|column| !column.dynamic) && !related(rows, *index);
        let (own, more): (Vec<usize>, Vec<usize>) = common.into_iter().partition(declared);
        if more.is_empty() {
            return None;
        }
        items.extend((!own.is_empty()).then(|| Listed::plain("*")));
        items.extend(listed(rows, &more, 0));
    } else {
        items.extend(listed(rows, &common, 0));
    }
    if items.is_empty() {
        items.push(Listed::plain("@Core.AnyStructure"));
    }
    Some(items)
}

/// Whether a column is of a related entity.
fn related(rows: &AppliedRows, index: usize) -> bool {
    rows.navigations.iter().any(|navigation| path(rows, index).starts_with(navigation))
}

fn listed(rows: &AppliedRows, columns: &[usize], depth: usize) -> Vec<Listed> {
    let mut items = Vec::new();
    for (name, members) in by_name(rows, columns, depth) {
        let own = members.first().map(|index| path(rows, *index)).and_then(|path| path.get(..=depth));
        let navigation = own.is_some_and(|own| rows.navigations.contains(own));
        let is_point = |index: &usize| path(rows, *index).get(depth + 1).is_some_and(|name| name == LATITUDE);
        if members.iter().any(|index| path(rows, *index).len() == depth + 1 || is_point(index)) {
            items.push(Listed::plain(name));
        } else if navigation {
            items.push(Listed::expanded(name, listed(rows, &members, depth + 1)));
        } else {
            let inner = listed(rows, &members, depth + 1).into_iter();
            items.extend(inner.map(|inner| Listed { name: format!("{name}/{}", inner.name), ..inner }));
        }
    }
    items
}

fn column(rows: &AppliedRows, index: usize) -> Option<&RowColumn> {
    rows.row_type.columns.get(index)
}

fn path(rows: &AppliedRows, index: usize) -> &[String] {
    column(rows, index).map_or(&[], |column| column.path.as_slice())
}

/// Columns by the name at a depth of their paths, in the order of the first of each.
fn by_name(rows: &AppliedRows, columns: &[usize], depth: usize) -> Vec<(String, Vec<usize>)> {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for index in columns {
        let Some(name) = path(rows, *index).get(depth) else { continue };
        match groups.iter_mut().find(|(known, _)| known == name) {
            Some((_, members)) => members.push(*index),
            None => groups.push((name.clone(), vec![*index])),
        }
    }
    groups
}
