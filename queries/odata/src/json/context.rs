//! Context URLs: what `@odata.context` says of an answer (Protocol, section 10). Absolute, because clients derive the service root from
//! them. Answers in 4.0 never have `Nav()` in them, which clients of 4.0 refuse; answers in 4.01 have it for what is expanded whole.

use super::url::push_encoded;
use crate::bound::{BoundExpand, BoundQuery, BoundRead, ReadKind, Recursion};
use crate::edm;
use crate::header::Version;
use crate::metadata::namespace;
use crate::rows::applied;
use crate::rows::{EntityShape, ExpandForm, PropertyShape, ValueShape};
use portico_catalog::ModelView;
use portico_catalog::overlay::{ReturnKind, Returns};

/// What an answer is, for its context URL. Names are as they are: they are percent-encoded where they need it.
#[derive(Debug, Clone, PartialEq)]
pub enum ContextOf<'a> {
    /// The service document.
    Service,
    /// Entities of a set, or one of them.
    Entities {
        /// The entity set.
        set: &'a str,
        /// The qualified name of the derived type that they are restricted to.
        cast: Option<&'a str>,
        /// What of them is listed; `None` where it is all of them that `$metadata` says.
        list: Option<&'a [Listed]>,
        /// One entity rather than a collection.
        single: bool,
    },
    /// A singleton.
    Singleton {
        /// Its name.
        name: &'a str,
        /// As for entities.
        cast: Option<&'a str>,
        /// As for entities.
        list: Option<&'a [Listed]>,
    },
    /// A property of an entity.
    Property {
        /// The entity's URL below the service root, encoded: `Customers(1)`, or a singleton's name.
        entity: &'a str,
        /// The qualified name of the derived type that the property belongs to.
        cast: Option<&'a str>,
        /// The names on the way to it, its own last.
        path: &'a [&'a str],
        /// What of a complex property is listed.
        list: Option<&'a [Listed]>,
    },
    /// A value, an entity without a set, or a collection of them: what an operation returns.
    Value {
        /// The qualified name of the type.
        type_name: &'a str,
        /// A collection.
        many: bool,
        /// What is listed.
        list: Option<&'a [Listed]>,
    },
    /// References to entities.
    References {
        /// A collection.
        many: bool,
    },
    /// Entities of any type: `$all`.
    AnyEntities,
    /// Rows of `$crossjoin`.
    CrossJoin,
}

/// A property in the list of a context URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, or `*`.
    pub name: String,
    /// What of it is listed.
    pub items: Vec<Listed>,
    /// Whether it is a relationship whose entities are there.
    pub expanded: bool,
    /// Whether it is expanded over several levels (`$levels`).
    pub recursive: bool,
}

impl Listed {
    /// A property that is no relationship.
    #[must_use]
    pub fn plain(name: impl Into<String>) -> Listed {
        Listed { name: name.into(), items: Vec::new(), expanded: false, recursive: false }
    }

    /// An expanded relationship.
    #[must_use]
    pub fn expanded(name: impl Into<String>, items: Vec<Listed>) -> Listed {
        Listed { name: name.into(), items, expanded: true, recursive: false }
    }
}

/// The context URL of an answer. `root_url` is the absolute service root, with or without a trailing slash.
#[must_use]
pub fn context(root_url: &str, of: &ContextOf<'_>, version: Version) -> String {
    let mut url = format!("{}/$metadata", root_url.trim_end_matches('/'));
    let cast = |cast: &Option<&str>, url: &mut String| {
        if let Some(name) = cast {
            url.push('/');
            push_encoded(name, url);
        }
    };
    match of {
        ContextOf::Service => {}
        ContextOf::Entities { set, cast: derived, list, single } => {
            url.push('#');
            push_encoded(set, &mut url);
            cast(derived, &mut url);
            push_list(*list, version, &mut url);
            url.push_str(if *single { "/$entity" } else { "" });
        }
        ContextOf::Singleton { name, cast: derived, list } => {
            url.push('#');
            push_encoded(name, &mut url);
            cast(derived, &mut url);
            push_list(*list, version, &mut url);
        }
        ContextOf::Property { entity, cast: derived, path, list } => {
            url.push('#');
            url.push_str(entity);
            cast(derived, &mut url);
            for name in *path {
                url.push('/');
                push_encoded(name, &mut url);
            }
            push_list(*list, version, &mut url);
        }
        ContextOf::Value { type_name, many, list } => {
            url.push_str(if *many { "#Collection(" } else { "#" });
            push_encoded(type_name, &mut url);
            url.push_str(if *many { ")" } else { "" });
            push_list(*list, version, &mut url);
        }
        ContextOf::References { many } => url.push_str(if *many { "#Collection($ref)" } else { "#$ref" }),
        ContextOf::AnyEntities => url.push_str("#Collection(Edm.EntityType)"),
        ContextOf::CrossJoin => url.push_str("#Collection(Edm.ComplexType)"),
    }
    url
}

fn push_list(list: Option<&[Listed]>, version: Version, url: &mut String) {
    let Some(list) = list else { return };
    url.push('(');
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            url.push(',');
        }
        if item.name == "*" {
            url.push('*');
        } else {
            push_path(&item.name, url);
        }
        if item.expanded && item.recursive {
            url.push('+');
        }
        // `Nav()`: the list is empty, because everything is there.
        if !item.items.is_empty() || (item.expanded && version >= Version::V4_01) {
            push_list(Some(&item.items), version, url);
        }
    }
    url.push(')');
}

/// A name, or several with slashes between.
fn push_path(path: &str, url: &mut String) {
    // An annotation begins with a sign that a URL's fragment may hold as it is.
    let path = path.strip_prefix('@').map_or(path, |name| {
        url.push('@');
        name
    });
    for (index, name) in path.split('/').enumerate() {
        url.push_str(if index > 0 { "/" } else { "" });
        // All operations of a namespace.
        let (name, all) = name.strip_suffix(".*").map_or((name, ""), |name| (name, ".*"));
        push_encoded(name, url);
        url.push_str(all);
    }
}

/// The context URL of a read of entities: it lists what `$select` chose, and expanded relationships; in 4.0 these only where they or
/// their parent are narrowed.
#[must_use]
pub fn context_url(root_url: &str, view: &ModelView, read: &BoundRead, version: Version) -> String {
    if !read.query.cross.is_empty() {
        return context(root_url, &ContextOf::CrossJoin, version);
    }
    if let Some(returns) = read.result() {
        return result_context(root_url, view, (read, returns), version);
    }
    let Some(table) = view.by_virtual_table(&read.query.table) else { return context(root_url, &ContextOf::Service, version) };
    match read.kind {
        ReadKind::References => return context(root_url, &ContextOf::References { many: true }, version),
        ReadKind::Reference => return context(root_url, &ContextOf::References { many: false }, version),
        _ => {}
    }
    let list = list_of_query(view, &read.query, version);
    let single = read.kind.is_single();
    let cast = read.query.cast.as_ref().map(|cast| format!("{}.{cast}", namespace(view)));
    let (cast, list) = (cast.as_deref(), list.as_deref());
    let of = match &read.query.singleton {
        Some(name) => ContextOf::Singleton { name, cast, list },
        None => ContextOf::Entities { set: &table.name, cast, list, single },
    };
    context(root_url, &of, version)
}

/// What the context URL of a complex property lists, where `$select` chose among its members.
#[must_use]
pub fn listed_members(view: &ModelView, query: &BoundQuery, name: &str) -> Option<Vec<Listed>> {
    let table = view.rows(&query.table).filter(|_| query.selected)?;
    let member = |index: &usize| table.table.overlay.complex_of(*index).filter(|(complex, _)| complex.name == name);
    Some(query.select.iter().filter_map(member).map(|(_, member)| Listed::plain(member)).collect())
}

/// The context URL of what a function or action returns, or of a part of it: its type (Protocol, sections 10.16 to 10.18).
fn result_context(root_url: &str, view: &ModelView, (read, returns): (&BoundRead, &Returns), version: Version) -> String {
    let many = returns.many && read.kind == ReadKind::Collection;
    let type_name = match &returns.kind {
        ReturnKind::Scalar { scalar_type } => edm::type_name(*scalar_type).to_owned(),
        ReturnKind::Complex { members, .. } if read.kind == ReadKind::Property => {
            let member = members.iter().find(|member| read.property.first() == Some(&member.name));
            member.map_or("Edm.Untyped", |member| edm::type_name(member.scalar_type)).to_owned()
        }
        ReturnKind::Complex { type_name: name, .. } | ReturnKind::Entity { table: name } => format!("{}.{name}", namespace(view)),
    };
    let list = if read.kind == ReadKind::Property { None } else { list_of_query(view, &read.query, version) };
    context(root_url, &ContextOf::Value { type_name: &type_name, many, list: list.as_deref() }, version)
}

/// The relationships that a context URL names: those whose entities are there.
fn shown(query: &BoundQuery) -> impl Iterator<Item = &BoundExpand> {
    query.expand.iter().filter(|expand| expand.form == ExpandForm::Entities)
}

fn narrowed(query: &BoundQuery, version: Version) -> bool {
    let applied = query.apply.as_ref().is_some_and(|apply| applied::select_list(&apply.rows, &query.select, query.selected).is_some());
    query.selected
        || applied
        || shown(query).any(|expand| expand.made.is_some() || version >= Version::V4_01 || narrowed(&expand.query, version))
}

fn list_of_query(view: &ModelView, query: &BoundQuery, version: Version) -> Option<Vec<Listed>> {
    if !narrowed(query, version) {
        return None;
    }
    let mut items = match &query.apply {
        Some(apply) => applied::select_list(&apply.rows, &query.select, query.selected).unwrap_or_default(),
        None if query.selected => selected(view, query),
        None => Vec::new(),
    };
    // Rows that hold nothing but collections are of one structure all the same.
    if query.select.is_empty() && shown(query).any(|expand| expand.made.is_some() && is_everywhere(query, expand)) {
        items.clear();
    }
    let worth_naming =
        |expand: &&BoundExpand| expand.made.is_some() || version >= Version::V4_01 || !items.is_empty() || narrowed(&expand.query, version);
    let entities = query.apply.as_ref().is_none_or(|apply| apply.rows.row_type.table.is_some());
    let (mut expanded, mut bare) = (Vec::<Listed>::new(), false);
    for expand in shown(query).filter(worth_naming) {
        if expand.made.is_some() && (!is_everywhere(query, expand) || expanded.iter().any(|other| other.name == expand.name)) {
            continue;
        }
        // What a relationship is expanded to again, level by level, is said by a sign after its name.
        let recursive = expand.recursion != Recursion::Once;
        let mut below = expand.query.clone();
        below.expand.retain(|inner| !(recursive && inner.recursion == expand.recursion && inner.relationship == expand.relationship));
        let items_below = list_of_query(view, if recursive { &below } else { &expand.query }, version).unwrap_or_default();
        bare |= entities && expand.made.is_some() && items_below.is_empty();
        let name = match &expand.only {
            Some(of_type) => format!("{}.{of_type}/{}", namespace(view), expand.name),
            None => expand.name.clone(),
        };
        expanded.push(Listed { recursive, ..Listed::expanded(name, items_below) });
    }
    let mentioned = query.mentioned.iter().filter(|name| !expanded.iter().any(|other| other.name == **name)).map(Listed::plain);
    items.extend(mentioned.collect::<Vec<_>>());
    // Without parentheses, as 4.0 has it, a name alone would say that there is nothing else.
    if items.is_empty() && bare && version < Version::V4_01 {
        items.push(Listed::plain("*"));
    }
    items.extend(expanded);
    Some(items)
}

/// Names the contexts of what `$apply` has added: what a collection under a name of the request's own is of, its own context says (Data
/// Aggregation 4.0, sections 3.4.3 and 3.5.2).
pub fn name_contexts(shape: &mut EntityShape, view: &ModelView, query: &BoundQuery, version: Version) {
    for (expand, below) in query.expand.iter().zip(&mut shape.expands) {
        if expand.made.is_some()
            && let Some(table) = view.by_virtual_table(&expand.query.table)
        {
            let list = list_of_query(view, &expand.query, version);
            let of = ContextOf::Entities { set: &table.name, cast: None, list: list.as_deref(), single: !expand.many };
            below.context = context("", &of, version).split_once("$metadata").map(|(_, own)| own.to_owned());
        }
        name_contexts(&mut below.shape, view, &expand.query, version);
    }
}

/// Whether all rows have what has the name of this one: `$apply` may have added it to some of them only.
fn is_everywhere(query: &BoundQuery, expand: &BoundExpand) -> bool {
    let alike = || shown(query).filter(|other| other.name == expand.name).filter_map(|other| other.made.as_ref());
    let patterns = query.apply.as_ref().and_then(|apply| apply.rows.presence.as_ref()).map_or(0, |presence| presence.lacks.len());
    let having = |pattern: usize| alike().filter_map(|made| made.only.as_ref()).flatten().any(|only| usize::try_from(*only) == Ok(pattern));
    alike().any(|made| made.only.is_none()) || (0..patterns).all(having)
}

/// The properties that `$select` chose, as they are called in the service; with the qualified name of the derived type before those that
/// only it has (Protocol, section 10.7).
fn selected(view: &ModelView, query: &BoundQuery) -> Vec<Listed> {
    let Some(table) = view.rows(&query.table) else { return Vec::new() };
    let (columns, overlay) = (&table.table.columns, &table.table.overlay);
    let name = |index: &usize| {
        let Some(column) = columns.get(*index) else {
            return query.compute.get(index.checked_sub(columns.len())?)?.column.path.first().cloned();
        };
        if let Some((complex, member)) = overlay.complex_of(*index) {
            return Some(format!("{}/{member}", complex.name));
        }
        if overlay.is_stream_content(*index) {
            return overlay.streams.iter().find(|stream| stream.content == *index).map(|stream| stream.name.clone());
        }
        match overlay.point_of(*index) {
            // Its two columns are one property.
            Some(point) => {
                let first = query.select.iter().find(|other| point.holds(**other)) == Some(index);
                (point.holds(*index) && first).then(|| point.name.clone())
            }
            None => Some(column.name.clone()),
        }
    };
    let prefixed = |index: &usize| {
        let name = name(index)?;
        let derivation = overlay.derivation.as_ref();
        let owner = derivation.and_then(|derivation| Some((derivation, derivation.owner(*index)?)));
        Some(match owner {
            Some((derivation, owner)) if !query.cast.as_ref().is_some_and(|cast| derivation.is_a(cast, &owner.name)) => {
                format!("{}.{}/{name}", namespace(view), owner.name)
            }
            _ => name,
        })
    };
    query.select.iter().filter_map(prefixed).map(Listed::plain).collect()
}

/// What rows of a shape hold: for rows that a request made, of which `$metadata` does not say what they hold (`$apply`).
#[must_use]
pub fn listed(shape: &EntityShape) -> Vec<Listed> {
    fn properties(shapes: &[PropertyShape]) -> Vec<Listed> {
        let item = |shape: &PropertyShape| match &shape.value {
            ValueShape::Complex { members, .. } => Listed { items: properties(members), ..Listed::plain(&shape.name) },
            ValueShape::Column { .. } | ValueShape::Point { .. } | ValueShape::Stream { .. } => Listed::plain(&shape.name),
        };
        shapes.iter().map(item).collect()
    }
    let expands = shape.expands.iter().filter(|expand| expand.form == ExpandForm::Entities);
    let expands = expands.map(|expand| Listed::expanded(&expand.name, listed(&expand.shape)));
    properties(&shape.properties).into_iter().chain(expands).collect()
}
