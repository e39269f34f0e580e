//! Complex properties: columns shown as the members of one. It must not know streams or derived types.

use super::super::{Work, below, error_at};
use super::check_name;
use crate::definition::{ComplexDefinition, TableDefinition};
use crate::model::{Column, VirtualTable};
use crate::overlay::{ComplexProperty, Overlay};

/// Resolves the complex properties of a table.
pub(super) fn resolve(work: &mut Work<'_>, table: &str, definition: &TableDefinition, path: &[String]) -> Overlay {
    let mut overlay = Overlay::default();
    for (name, complex) in &definition.complex {
        let here = below(path, &["complex", name]);
        let Some(built) = work.tables.get(table).map(|built| built.table.clone()) else { continue };
        if !check_name(work, name, &here) {
            continue;
        }
        let members = members(work, &built, complex, &here);
        for (member, column) in &members {
            let label = |index: usize| built.columns.get(index).map(|column| column.name.clone()).unwrap_or_default();
            if built.key.contains(column) {
                work.error(error_at(here.clone(), format!("'{}' is part of the key, which stands by itself", label(*column))));
            }
            if let Some((other, _)) = overlay.complex_of(*column) {
                work.error(error_at(here.clone(), format!("'{}' is a member of '{}' already", label(*column), other.name)));
            }
            check_name(work, member, &here);
        }
        if let Some(twin) = overlay.complex.iter().find(|other| other.name.to_lowercase() == name.to_lowercase()) {
            work.error(error_at(here.clone(), format!("'{name}' differs from '{}' only by letter case", twin.name)));
        }
        let property = ComplexProperty { name: name.clone(), type_name: complex.type_name.clone(), members };
        refuse_unlike(work, &built, &property, &here);
        overlay.complex.push(property);
    }
    refuse_taken(work, table, &overlay, path);
    overlay
}

/// The members of a property with the columns that hold them.
fn members(work: &mut Work<'_>, table: &VirtualTable, definition: &ComplexDefinition, path: &[String]) -> Vec<(String, usize)> {
    match (&definition.prefix, &definition.members) {
        (Some(prefix), None) => {
            let with = |column: &Column| column.name.strip_prefix(prefix.as_str()).filter(|rest| !rest.is_empty()).map(str::to_owned);
            let members: Vec<(String, usize)> =
                table.columns.iter().enumerate().filter_map(|(index, column)| Some((with(column)?, index))).collect();
            if members.is_empty() || prefix.is_empty() {
                let message = format!("no published column of {} begins with '{prefix}' and goes on", table.name);
                work.error(error_at(below(path, &["prefix"]), message));
            }
            members
        }
        (None, Some(given)) => {
            if given.is_empty() {
                work.error(error_at(below(path, &["members"]), "a complex property has at least one member"));
            }
            let mut members: Vec<(String, usize)> = Vec::new();
            for (member, column) in given {
                let here = below(path, &["members", member]);
                match table.column(column) {
                    None => {
                        let error = error_at(here, format!("{} has no published column '{column}'", table.name));
                        work.error(error.suggesting(column, table.columns.iter().map(|column| column.name.as_str())));
                    }
                    Some(index) if members.iter().any(|(_, known)| *known == index) => {
                        work.error(error_at(here, format!("'{column}' is a member twice")));
                    }
                    Some(index) => members.push((member.clone(), index)),
                }
            }
            members
        }
        _ => {
            work.error(error_at(path.to_vec(), "a complex property has either `prefix` or `members`"));
            Vec::new()
        }
    }
}

/// Refuses a member that is unlike that of the same name in another property of the same type: one type has one description.
fn refuse_unlike(work: &mut Work<'_>, table: &VirtualTable, property: &ComplexProperty, path: &[String]) {
    let described = |column: Option<&Column>| {
        column.map(|column| {
            (column.scalar_type, column.spatial.map(|spatial| spatial.of), column.enumeration.as_ref().map(|e| e.name.clone()))
        })
    };
    let mut unlike = None;
    for built in work.tables.values().filter(|built| built.table.name != table.name) {
        for other in built.table.overlay.complex.iter().filter(|other| other.type_name == property.type_name) {
            let names =
                |members: &[(String, usize)]| members.iter().map(|(name, _)| name.clone()).collect::<std::collections::BTreeSet<_>>();
            if names(&other.members) != names(&property.members) {
                unlike = Some(format!("its members are not those of '{}' of {}", other.name, built.table.name));
            }
            for (member, column) in &property.members {
                let theirs = other.members.iter().find(|(name, _)| name == member).map(|(_, column)| *column);
                let theirs = theirs.and_then(|column| built.table.columns.get(column));
                if theirs.is_some() && described(theirs) != described(table.columns.get(*column)) {
                    unlike = Some(format!("its member '{member}' has another type than that of '{}' of {}", other.name, built.table.name));
                }
            }
        }
    }
    if let Some(how) = unlike {
        work.error(error_at(below(path, &["type"]), format!("the type '{}' is known already, and {how}", property.type_name)));
    }
}

/// Refuses a property that would be called as a column that stands by itself.
fn refuse_taken(work: &mut Work<'_>, table: &str, overlay: &Overlay, path: &[String]) {
    let Some(built) = work.tables.get(table) else { return };
    let columns = built.table.columns.iter().enumerate().filter(|(index, _)| overlay.complex_of(*index).is_none());
    let by_themselves: Vec<String> = columns.map(|(_, column)| column.name.clone()).collect();
    for complex in &overlay.complex {
        if let Some(column) = by_themselves.iter().find(|column| column.to_lowercase() == complex.name.to_lowercase()) {
            let message = format!("{table} has a column named '{column}' already");
            work.error(error_at(below(path, &["complex", &complex.name]), message));
        }
    }
}
