//! `$all`: the entities of all sets of a service (URL Conventions, section 4.16). It is bound set by set, to reads that together are the
//! answer; restricted to a type, it is the set that has the type. It must not know how the reads are run.

use super::options::{self, Place};
use super::{not_found, search, suggestion};
use crate::bound::{AllPart, BoundAll, BoundQuery, BoundRead, ReadKind};
use crate::error::{ODataError, ODataErrorKind};
use crate::metadata::namespace;
use crate::syntax::{Options, Request, Resource, Segment};
use crate::value_type::RowType;
use portico_catalog::{ModelView, TableView};

/// What `$all` takes. Every other option names properties, which entities of any type have none of.
const BUILT: [&str; 7] = ["$search", "$top", "$skip", "$count", "$format", "$skiptoken", "$schemaversion"];

/// The segment `$all`, and what follows it, where the path begins so.
fn segments(request: &Request) -> Option<(&Segment, &[Segment])> {
    let Resource::EntitySet(segments) = &request.resource else { return None };
    segments.split_first().filter(|(first, _)| first.name == "$all")
}

/// A request for `$all/Ns.Type` as that for the entities of the set whose type it is, or from which it is derived: they are all there are
/// of it, and then the answer is one of that set (Protocol, section 10.2). Nothing for any other request.
///
/// # Errors
/// `NotFound` when there is no such type, or when more follows than a type.
pub fn of_type(request: &Request, view: &ModelView) -> Result<Option<Request>, ODataError> {
    let Some((first, [cast, rest @ ..])) = segments(request) else { return Ok(None) };
    if let Some(wrong) = rest.first().or_else(|| Some(cast).filter(|cast| cast.key.is_some())) {
        return Err(not_found(format!("after $all can only stand a type, not '{}'", wrong.text), wrong.span.start));
    }
    let own = namespace(view);
    let name = cast.name.strip_prefix(own.as_str()).and_then(|rest| rest.strip_prefix('.')).unwrap_or(&cast.name);
    let derives = |table: &&TableView| table.table.overlay.derivation.as_ref().is_some_and(|derivation| derivation.named(name).is_some());
    let (set, derived) = match view.table(name) {
        Some(table) => (table, None),
        None => {
            let table = view.tables.values().find(derives).ok_or_else(|| {
                let hint = suggestion(name, view.tables.keys().map(String::as_str));
                not_found(format!("there is no entity type '{}'{hint}", cast.name), cast.span.start)
            })?;
            (table, Some(format!("{own}.{name}")))
        }
    };
    let named = |name: String, span| Segment { text: name.clone(), name, opaque: false, key: None, second_key: None, span };
    let path = std::iter::once(named(set.name.clone(), first.span)).chain(derived.map(|name| named(name, cast.span)));
    Ok(Some(Request { resource: Resource::EntitySet(path.collect()), ..request.clone() }))
}

/// Binds a read of `$all`; nothing for any other request. Sets that are not read as a whole are left out, as are those that a search
/// cannot look into. Singletons are entities of sets, and are there once: by themselves only where their set is left out.
///
/// # Errors
/// As [`super::read`].
pub fn all(request: &Request, view: &ModelView) -> Result<Option<BoundAll>, ODataError> {
    let Some((_, [])) = segments(request) else { return Ok(None) };
    options::schema_version(&request.options, view)?;
    let given = &request.options;
    if let Some(name) = given.given().find(|name| !BUILT.contains(name)) {
        let message = format!("the query option {name} of $all, where no type is named after it,");
        return Err(ODataError::not_implemented(message).at(name, None));
    }
    let mut parts = Vec::new();
    for table in view.tables.values() {
        if given.search.is_some() && !search::looks_into(table) {
            continue;
        }
        parts.extend(of_set(request, view, table)?);
    }
    if let Some(search) = given.search.as_ref().filter(|_| parts.is_empty()) {
        let message = "$search: nothing of this service is searchable";
        return Err(ODataError::new(ODataErrorKind::NotImplemented, message).at("$search", Some(search.span.start)));
    }
    let count = given.count.unwrap_or(false);
    let uncounted = |part: &AllPart| {
        let table = view.by_virtual_table(&part.read.query.table);
        table.is_some_and(|table| table.table.overlay.restrictions.not_countable)
    };
    if let Some(part) = parts.iter().find(|part| count && uncounted(part)) {
        let message = format!("$count: '{}' does not offer it", part.name);
        return Err(ODataError::new(ODataErrorKind::NotImplemented, message).at("$count", None));
    }
    Ok(Some(BoundAll { parts, top: given.top, skip: given.skip.unwrap_or(0), count }))
}

/// What is read of one set: all of it, or its singletons.
fn of_set(request: &Request, view: &ModelView, table: &TableView) -> Result<Vec<AllPart>, ODataError> {
    let rows = RowType::of_table(table);
    let place = Place { view, table, rows: &rows, aliases: &request.aliases, cast: None, nested_in: None, depth: 0 };
    let searched = Options { search: request.options.search.clone(), ..Options::default() };
    let query = options::query(&place, &searched)?;
    let part = |name: &String, query| AllPart { name: name.clone(), read: BoundRead::new(query, ReadKind::Collection) };
    let restrictions = &table.table.overlay.restrictions;
    if !restrictions.not_readable && restrictions.required_in_filter.is_empty() {
        return Ok(vec![part(&table.name, query)]);
    }
    let mut parts: Vec<AllPart> = Vec::new();
    for (name, singleton) in view.singletons.iter().filter(|(_, singleton)| singleton.table == table.name) {
        if !parts.iter().any(|known| known.read.query.key == singleton.key) {
            parts.push(part(name, BoundQuery { key: singleton.key.clone(), ..query.clone() }));
        }
    }
    Ok(parts)
}
