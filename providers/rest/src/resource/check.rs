//! What of a resource can only be seen when it is whole. It must not know queries.

use super::Resource;
use crate::config::Operator;

/// What can only be seen of the whole.
pub(super) fn checked(resource: &Resource) -> Result<(), String> {
    let known = |name: &str| resource.column(name).ok_or_else(|| format!("'{name}' is no column"));
    for name in resource.key.iter().chain(resource.references.iter().flat_map(|reference| &reference.columns)) {
        known(name)?;
    }
    for access in resource.main.iter().chain(&resource.lookups) {
        for need in &access.needs {
            known(&need.column)?;
        }
        // A value that was asked for is that of every row of an answer, so that each key needs a request of its own.
        if access.batch.is_some() && access.needs.iter().any(|need| resource.column(&need.column).is_some_and(|column| column.asked)) {
            return Err("a 'batch' of keys whose column is 'asked': no row would tell which of them it is for".to_owned());
        }
    }
    for column in resource.columns.iter().filter(|column| column.asked) {
        let everywhere =
            resource.main.iter().chain(&resource.lookups).all(|access| access.needs.iter().any(|need| need.column == column.name));
        if !everywhere {
            return Err(format!("column '{}' is 'asked', and is not a part of every request", column.name));
        }
    }
    let selected = resource.columns.iter().find(|column| column.selected.is_some());
    if let Some(column) = selected.filter(|_| resource.select.is_some()) {
        return Err(format!(
            "'select' beside column '{}', which is found by a JSONPath: what would have to be asked for is not known",
            column.name
        ));
    }
    parameters(resource)
}

/// A parameter that is not repeatable stands for one thing.
fn parameters(resource: &Resource) -> Result<(), String> {
    let mut taken: Vec<(&str, String)> = Vec::new();
    if let Some(main) = &resource.main {
        taken.extend(main.query.iter().map(|(name, _)| (name.as_str(), "'query'".to_owned())));
        taken.extend(main.paging.parameters().into_iter().map(|name| (name, "'paging'".to_owned())));
    }
    taken.extend(resource.sort.iter().map(|sort| (sort.parameter.as_str(), "'sort'".to_owned())));
    taken.extend(resource.select.iter().map(|(name, _)| (name.as_str(), "'select'".to_owned())));
    for column in &resource.columns {
        for (operator, filter) in &column.filters {
            // `=` and a list are never asked of one column at once.
            let kind = match operator {
                Operator::In => Operator::Eq,
                Operator::NotIn => Operator::Ne,
                other => *other,
            };
            let own = format!("column '{}', {kind:?}", column.name);
            let other = taken.iter().find(|(name, by)| *name == filter.parameter && *by != own);
            if let Some((name, by)) = other.filter(|_| !column.repeatable) {
                return Err(format!(
                    "the parameter '{name}' is used by {by} and by {own}; if it can be given several times, the column is 'repeatable'"
                ));
            }
            taken.push((&filter.parameter, own));
        }
    }
    Ok(())
}
