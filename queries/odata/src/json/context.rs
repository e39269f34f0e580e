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
        push_encoded(name, url);
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
    context(root_url, &ContextOf::Entities { set: &table.name, cast: cast.as_deref(), list: list.as_deref(), single }, version)
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

fn narrowed(query: &BoundQuery, version: Version) -> bool {
    let applied = query.apply.as_ref().is_some_and(|apply| applied::select_list(&apply.rows, &query.select, query.selected).is_some());
    let applied = applied || query.expand.iter().any(|expand| expand.made);
    query.selected || applied || query.expand.iter().any(|expand| version >= Version::V4_01 || narrowed(&expand.query, version))
}

fn list_of_query(view: &ModelView, query: &BoundQuery, version: Version) -> Option<Vec<Listed>> {
    if let Some(apply) = &query.apply {
        let list = applied::select_list(&apply.rows, &query.select, query.selected);
        let made = query.expand.iter().filter(|expand| expand.made);
        let made = made.map(|expand| Listed::expanded(&expand.name, list_of_query(view, &expand.query, version).unwrap_or_default()));
        let made: Vec<Listed> = made.collect();
        // Without parentheses, as 4.0 has it, a name alone would say that there is nothing else.
        let plain = version < Version::V4_01 && made.iter().any(|item| item.items.is_empty());
        let list = list.or_else(|| plain.then(|| vec![Listed::plain("*")]));
        return if made.is_empty() { list } else { Some(list.into_iter().flatten().chain(made).collect()) };
    }
    if !narrowed(query, version) {
        return None;
    }
    let mut items = Vec::new();
    if query.selected
        && let Some(table) = view.rows(&query.table)
    {
        let columns = &table.table.columns;
        for index in &query.select {
            let computed = || query.compute.get(index.checked_sub(columns.len())?)?.column.path.first().cloned();
            let name = match (columns.get(*index), table.table.overlay.complex_of(*index)) {
                (Some(_), Some((complex, member))) => Some(format!("{}/{member}", complex.name)),
                (Some(column), None) => match table.table.overlay.point_of(*index) {
                    // Its two columns are one property.
                    Some(point) if point.holds(*index) && query.select.iter().find(|other| point.holds(**other)) == Some(index) => {
                        Some(point.name.clone())
                    }
                    Some(_) => None,
                    None => Some(column.name.clone()),
                },
                (None, _) => computed(),
            };
            items.extend(name.map(Listed::plain));
        }
    }
    let worth_naming = |expand: &&BoundExpand| version >= Version::V4_01 || query.selected || narrowed(&expand.query, version);
    for expand in query.expand.iter().filter(worth_naming) {
        // What a relationship is expanded to again, level by level, is said by a sign after its name.
        let recursive = expand.recursion != Recursion::Once;
        let mut below = expand.query.clone();
        below.expand.retain(|inner| !(recursive && inner.recursion == expand.recursion && inner.relationship == expand.relationship));
        let items_below = list_of_query(view, if recursive { &below } else { &expand.query }, version).unwrap_or_default();
        items.push(Listed { recursive, ..Listed::expanded(&expand.name, items_below) });
    }
    Some(items)
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
