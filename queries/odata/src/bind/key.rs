//! Keys: in parentheses, by position or name, through a parameter alias, or as a segment of the path.

use super::{column, not_found, promote, suggestion};
use crate::edm::type_name;
use crate::error::ODataError;
use crate::parse::{self, Strictness};
use crate::syntax::{Alias, ExprKind, KeyPart, KeyPredicate, Literal, LiteralKind, Segment};
use portico_catalog::TableView;
use portico_provider_api::{ScalarType, Value};

/// A key predicate as values in key order.
///
/// Parts that are implied (the columns, and their values) may be left out: the relationship followed to the table fixes them.
pub(super) fn bind_key(
    key: &KeyPredicate,
    table: &TableView,
    implied: &[(usize, Value)],
    aliases: &[Alias],
) -> Result<Vec<Value>, ODataError> {
    let columns = &table.table.key;
    let implied = |index: usize| implied.iter().find(|(column, _)| *column == index).map(|(_, value)| value);
    let left: Vec<usize> = columns.iter().copied().filter(|index| implied(*index).is_none()).collect();
    let mut names = Vec::with_capacity(columns.len());
    for index in columns {
        names.push(column(table, *index)?.name.as_str());
    }
    let wrong = |position: usize, message: String| ODataError::bad_request(message).at("path", Some(position));
    let named = names.join(", ");
    let unnamed = matches!(key.parts.as_slice(), [KeyPart { name: None, .. }]);
    let single = match (columns.as_slice(), left.as_slice()) {
        ([only], _) | (_, [only]) if unnamed => Some(*only),
        _ => None,
    };
    if let Some(part) = key.parts.iter().find(|part| part.name.is_none())
        && single.is_none()
    {
        return Err(wrong(
            part.span.start,
            format!("the key of '{}' has {} parts ({named}): give each by name", table.name, columns.len()),
        ));
    }
    for part in &key.parts {
        if let Some(name) = &part.name
            && !names.contains(&name.as_str())
        {
            let hint = suggestion(name, names.iter().copied());
            return Err(wrong(part.span.start, format!("'{name}' is not part of the key of '{}' ({named}){hint}", table.name)));
        }
    }
    let mut values = Vec::with_capacity(columns.len());
    for (index, name) in columns.iter().zip(&names) {
        let part = key.parts.iter().find(|part| single == Some(*index) || part.name.as_deref() == Some(*name));
        values.push(match (part, implied(*index)) {
            (Some(part), _) => key_value(part, table, *index, aliases)?,
            (None, Some(value)) => value.clone(),
            (None, None) => return Err(wrong(key.span.start, format!("the key of '{}' lacks '{name}' ({named})", table.name))),
        });
    }
    Ok(values)
}

fn key_value(part: &KeyPart, table: &TableView, index: usize, aliases: &[Alias]) -> Result<Value, ODataError> {
    let column = column(table, index)?;
    let position = part.value.span.start;
    let wrong = |message: String| ODataError::bad_request(message).at("path", Some(position));
    let kind = match &part.value.kind {
        ExprKind::Alias(name) => {
            let found = aliases.iter().find(|alias| alias.name == *name).map(|alias| &alias.value.kind);
            found.ok_or_else(|| wrong(format!("the parameter alias {name} has no value, and a key part cannot be null")))?
        }
        kind => kind,
    };
    let ExprKind::Literal(literal) = kind else { return Err(wrong(format!("the key part '{}' must be a literal", column.name))) };
    let value = promote::exact(literal, column.scalar_type).map_err(|why| wrong(format!("the key part '{}': {why}", column.name)))?;
    match value {
        Some(value) if value.is_null() => Err(wrong(format!("the key part '{}' cannot be null", column.name))),
        Some(value) => Ok(value),
        // A number that the type does not hold is nobody's key.
        None => {
            let (shown, name) = (promote::quoted(literal), type_name(column.scalar_type));
            Err(not_found(format!("there is no entity with {} {shown}, which no {name} is", column.name), position))
        }
    }
}

/// A whole segment as the key of a table whose key has one part: `Customers/1`. Text stands in it as it is, without quotes.
pub(super) fn segment_key(segment: &Segment, table: &TableView) -> Result<Vec<Value>, ODataError> {
    let [index] = table.table.key.as_slice() else {
        let message = format!("the key of '{}' has {} parts: give them in parentheses", table.name, table.table.key.len());
        return Err(not_found(message, segment.span.start));
    };
    let column = column(table, *index)?;
    let nowhere = || {
        let message = format!("'{}' is neither a property nor a key of '{}'", segment.text, table.name);
        not_found(message, segment.span.start)
    };
    if column.scalar_type == ScalarType::Text && column.enumeration.is_none() {
        return Ok(vec![Value::Text(segment.text.clone())]);
    }
    let literal = if column.scalar_type == ScalarType::Binary {
        Literal { kind: LiteralKind::Binary, text: segment.text.clone() }
    } else {
        parse::literal(&segment.text, Strictness::Lenient).map_err(|_| nowhere())?
    };
    if matches!(literal.kind, LiteralKind::Text | LiteralKind::Null) {
        return Err(nowhere());
    }
    let value = promote::exact(&literal, column.scalar_type).map_err(|_| nowhere())?;
    Ok(vec![value.ok_or_else(nowhere)?])
}
