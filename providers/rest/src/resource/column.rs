//! Columns from their settings, and what is sent for conditions on them. It must not know queries.

use super::place::Place;
use super::{Column, Filter};
use crate::config::{ColumnConfig, FilterConfig, Format, Operator, RestConfig};
use crate::form;
use crate::template::{Context, Template};
use portico_provider_api::{Codec, ScalarType};
use portico_provider_web::json::Missing;
use std::collections::BTreeMap;

/// Values in one list, where nothing else is said.
const MAX_IN_LIST: usize = 50;

pub(super) fn column(name: &str, own: &ColumnConfig, format: Format, config: &RestConfig) -> Result<Column, String> {
    let place = |wrong: String| format!("column '{name}': {wrong}");
    let scalar_type: ScalarType = match &own.scalar_type {
        Some(text) => text.parse().map_err(place)?,
        None => return Err(place("it has no 'type'".to_owned())),
    };
    let codec = own.codec.as_ref().map(|codec| codec_named(codec)).transpose().map_err(place)?;
    let nullable = own.nullable.unwrap_or(true) && !own.asked;
    let optional = own.optional.unwrap_or(nullable && format == Format::Xml);
    if optional && !nullable && !own.asked {
        return Err(place("it is optional, and may not be null: what would a row without it mean?".to_owned()));
    }
    let filters = own.filter.iter().map(|(operator, filter)| Ok((*operator, self::filter(*operator, filter)?)));
    let filters: BTreeMap<Operator, Filter> = filters.collect::<Result<_, String>>().map_err(place)?;
    let text_only = [Operator::Contains, Operator::StartsWith, Operator::EndsWith];
    if scalar_type != ScalarType::Text && text_only.iter().any(|operator| filters.contains_key(operator)) {
        return Err(place("only texts contain, start and end with others".to_owned()));
    }
    // `<>` and lists of what is not wanted are one thing to whoever asks.
    let lists = filters.contains_key(&Operator::In) && own.max_in_list != Some(1);
    if filters.contains_key(&Operator::Ne) && lists && !own.repeatable && !filters.contains_key(&Operator::NotIn) {
        return Err(place(
            "'ne' beside 'in' needs 'not_in' as well, or a parameter that is 'repeatable': what is none of a list is asked for, too"
                .to_owned(),
        ));
    }
    let place_in_row = Place::in_row(own.path.as_deref().unwrap_or(name)).map_err(place)?;
    let (path, selected) = match place_in_row {
        Place::Names(names) => (names, None),
        Place::Selected(_) if format == Format::Xml => return Err(place("'path': of XML, names alone lead to a value".to_owned())),
        Place::Selected(path) => (Vec::new(), Some(path)),
    };
    if selected.is_some() && (own.asked || own.sort == Some(true)) {
        return Err(place("it is found by a JSONPath, and has no name that the server could sort by or be asked for".to_owned()));
    }
    Ok(Column {
        name: name.to_owned(),
        scalar_type,
        nullable,
        path,
        selected,
        codec,
        missing: if optional { Missing::Null } else { Missing::Refused },
        asked: own.asked,
        of_parent: false,
        filters,
        repeatable: own.repeatable,
        max_in_list: own.max_in_list.unwrap_or(MAX_IN_LIST),
        collation: own.collation.or(config.collation),
        sort: own.sort.unwrap_or(false),
        max_length: own.max_length,
        description: own.description.clone(),
        generated: own.generated.unwrap_or(false),
        has_default: own.has_default.unwrap_or(false),
        native_type: None,
    })
}

fn codec_named(name: &str) -> Result<Codec, String> {
    let codec: Option<Codec> = serde_json::from_value(serde_json::Value::from(name)).ok();
    codec.filter(|codec| form::is_known(*codec)).ok_or_else(|| format!("'{name}' is no codec of this kind"))
}

fn filter(operator: Operator, own: &FilterConfig) -> Result<Filter, String> {
    let (send, exact, separator, repeat) = match own {
        FilterConfig::Short(send) => (send, true, None, false),
        FilterConfig::Long(long) => (&long.send, long.exact, long.separator.clone(), long.repeat),
    };
    let (parameter, value) = send.split_once('=').ok_or_else(|| format!("'{send}' is no parameter: write name={{value}}"))?;
    let value = Template::parse(value, Context::Plain)?;
    let wanted: &[&str] = match (operator, repeat) {
        (Operator::In | Operator::NotIn, false) => &["values"],
        (Operator::IsNull, _) => &[],
        (_, _) => &["value"],
    };
    if value.names() != wanted {
        let wanted = wanted.first().map_or("no value".to_owned(), |name| format!("just '{{{name}}}'"));
        return Err(format!("'{send}' must have {wanted}"));
    }
    Ok(Filter { parameter: parameter.to_owned(), value, exact, separator: separator.unwrap_or_else(|| ",".to_owned()), repeat })
}
