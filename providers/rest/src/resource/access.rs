//! Ways to rows from their settings: the resource's own and its look-ups, and what must be known for them. It must not know queries.

use super::place::Place;
use super::{Access, Need, Resource};
use crate::config::{Format, LookupConfig, RequireConfig, ResourceConfig, RestConfig};
use crate::paging::Paging;
use crate::template::{Context, Template};
use portico_provider_api::Requirement;

pub(super) fn main(path: &str, own: &ResourceConfig, format: Format, config: &RestConfig) -> Result<Access, String> {
    // One row has no pages, whatever the source says of lists.
    let inherited = config.paging.as_ref().filter(|_| !own.single);
    let paging = own.paging.as_ref().or(inherited).map(Paging::new).transpose()?.unwrap_or_default();
    let lookup = LookupConfig {
        path: Some(path.to_owned()),
        query: own.query.clone(),
        headers: own.headers.clone(),
        method: own.method.clone(),
        body: own.body.clone(),
        rows: own.rows.clone(),
        single: own.single,
        ..LookupConfig::default()
    };
    access(&lookup, own, format, paging)
}

pub(super) fn look_up(lookup: &LookupConfig, own: &ResourceConfig, format: Format) -> Result<Access, String> {
    let inherited = LookupConfig {
        path: lookup.path.clone().or_else(|| own.path.clone()),
        headers: if lookup.headers.is_empty() { own.headers.clone() } else { lookup.headers.clone() },
        method: lookup.method.clone().or_else(|| own.method.clone()),
        rows: lookup.rows.clone().or_else(|| own.rows.clone().filter(|_| !lookup.single)),
        ..lookup.clone()
    };
    let made = access(&inherited, own, format, Paging::default())?;
    if made.needs.is_empty() {
        return Err("a look-up has no place for a key: write {column} in its path, query, headers or body".to_owned());
    }
    Ok(made)
}

fn access(lookup: &LookupConfig, own: &ResourceConfig, format: Format, paging: Paging) -> Result<Access, String> {
    let path = lookup.path.as_deref().ok_or("it has no 'path'")?;
    if path.contains(['?', '#']) {
        return Err(format!("'path': '{path}' holds parameters: they belong into 'query'"));
    }
    let segments = path.trim_matches('/').split('/').filter(|segment| !segment.is_empty());
    let segments = segments.map(|segment| Template::parse(segment, Context::Plain)).collect::<Result<Vec<_>, _>>()?;
    let plain = |(name, text): (&String, &String)| Ok::<_, String>((name.clone(), Template::parse(text, Context::Plain)?));
    let method = lookup.method.clone().unwrap_or_else(|| if lookup.body.is_some() { "POST".to_owned() } else { "GET".to_owned() });
    if !matches!(method.as_str(), "GET" | "POST" | "QUERY" | "REPORT" | "SEARCH") {
        return Err(format!("'method': '{method}' does not read; those that do are GET and POST"));
    }
    let body = lookup.body.as_ref().map(|body| body_of(body, own.content_type.as_deref(), format)).transpose()?;
    let mut made = Access {
        path: segments,
        slash: path.len() > 1 && path.ends_with('/'),
        query: lookup.query.iter().map(plain).collect::<Result<_, _>>()?,
        headers: lookup.headers.iter().map(plain).collect::<Result<_, _>>()?,
        method,
        body,
        plain_body: None,
        rows: Place::of_rows(lookup.rows.as_deref().unwrap_or_default(), lookup.single).map_err(|wrong| format!("'rows': {wrong}"))?,
        single: lookup.single,
        paging,
        batch: lookup.batch.map(|size| (size.max(1), lookup.separator.clone().unwrap_or_else(|| ",".to_owned()))),
        needs: Vec::new(),
    };
    readable(&made, format)?;
    let mut names: Vec<String> = Vec::new();
    let templates = made.path.iter().chain(made.query.iter().chain(&made.headers).map(|(_, template)| template));
    for name in templates.chain(made.body.iter().map(|(body, _)| body)).flat_map(Template::names) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    made.needs = names.into_iter().map(|name| Need { column: name.clone(), place: name }).collect();
    if made.batch.is_some() && (made.needs.len() != 1 || made.body.is_some()) {
        return Err("'batch' joins the keys of one column in one place of the URL".to_owned());
    }
    Ok(made)
}

/// Whether answers of a form have what stands there.
fn readable(access: &Access, format: Format) -> Result<(), String> {
    let beside: Vec<&Place> = access.paging.wanted().into_iter().flatten().collect();
    match format {
        Format::Json => Ok(()),
        Format::Xml => match [&access.rows].into_iter().chain(beside).find(|place| place.names().is_none()) {
            Some(place) => Err(format!("'{place}': of XML, names alone lead to a value: /Envelope/Body/Order")),
            None => Ok(()),
        },
        Format::Ndjson | Format::Csv if !beside.is_empty() => {
            Err("'paging': an answer of lines has nothing beside its rows that could lead to the next page, or count them".to_owned())
        }
        Format::Ndjson | Format::Csv => match access.rows.names() {
            Some([_, ..]) => Err(format!("'rows': '{}': of an answer of lines each is a row", access.rows)),
            Some([]) | None => Ok(()),
        },
    }
}

/// A body and its media type.
///
/// # Errors
/// When it is no template.
pub fn body_of(body: &str, content_type: Option<&str>, format: Format) -> Result<(Template, String), String> {
    let by_format = if format == Format::Xml { "text/xml; charset=utf-8" } else { "application/json" };
    let content_type = content_type.unwrap_or(by_format).to_owned();
    let context = match content_type.to_ascii_lowercase() {
        kind if kind.contains("xml") => Context::Xml,
        kind if kind.contains("json") => Context::Json,
        kind if kind.contains("form-urlencoded") => Context::Form,
        _ => return Err(format!("'content_type': values cannot be written into a body of {content_type}")),
    };
    Ok((Template::parse(body, context)?, content_type))
}

pub(super) fn requires(own: &ResourceConfig, made: &Resource) -> Result<Vec<Vec<Requirement>>, String> {
    let key = |need: &Need| Requirement::Key(need.column.clone());
    if own.requires.is_empty() {
        let open = made.main.as_ref().is_some_and(|main| main.needs.is_empty());
        let ways = made.main.iter().chain(&made.lookups).filter(|_| !open);
        return Ok(ways.map(|access| access.needs.iter().map(key).collect()).collect());
    }
    let one = |one: &RequireConfig| match one {
        RequireConfig::Key(name) => Ok(Requirement::Key(name.clone())),
        RequireConfig::Bound(bound) => match (&bound.from, &bound.to) {
            (Some(name), None) => Ok(Requirement::From(name.clone())),
            (None, Some(name)) => Ok(Requirement::To(name.clone())),
            (_, _) => Err("'requires': a bound is one of 'from' and 'to'".to_owned()),
        },
    };
    own.requires.iter().map(|list| list.iter().map(one).collect()).collect()
}
