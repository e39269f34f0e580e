//! Resource paths: which table, which row, along which relationships, which part of it. Followed step by step; what a step may be
//! depends on whether the path has come to several entities, to one, or to a property of one.

mod calls;

use super::key::{bind_key, segment_key};
use super::property::{self, Property, Qualified};
use super::scope::Scope;
use super::{not_found, suggestion};
use crate::bound::{BoundCall, BoundExpr, ReadKind, Via};
use crate::error::{ODataError, ODataErrorKind};
use crate::syntax::{Alias, KeyPredicate, Request, Resource, Segment};
use crate::value_type::RowType;
use portico_catalog::overlay::{ComplexProperty, MediaType, StreamProperty};
use portico_catalog::{ModelView, TableView};
use portico_provider_api::Value;
use std::borrow::Cow;

/// What a path leads to.
pub(super) struct Target<'a> {
    pub(super) table: &'a TableView,
    pub(super) key: Option<Vec<Value>>,
    pub(super) via: Option<Via>,
    /// What casts and `$filter(…)` in the path demand of its rows.
    pub(super) filter: Option<BoundExpr>,
    /// The derived type that the path ends in.
    pub(super) cast: Option<String>,
    /// The function that yields the rows.
    pub(super) call: Option<BoundCall>,
    pub(super) kind: ReadKind,
    /// The property that the path ends in, and the positions of its columns; all there is when absent.
    pub(super) property: Option<(Vec<String>, Vec<usize>)>,
    /// Whether that property is a complex one.
    pub(super) complex: bool,
}

fn not_built(segment: &Segment, feature: impl std::fmt::Display) -> ODataError {
    ODataError::not_implemented(feature).at("path", Some(segment.span.start))
}

pub(super) fn resolve<'a>(request: &Request, view: &'a ModelView) -> Result<Target<'a>, ODataError> {
    super::schema_version(&request.options, view)?;
    let segments = match &request.resource {
        Resource::EntitySet(segments) => segments.as_slice(),
        Resource::ServiceDocument | Resource::Metadata | Resource::Batch => {
            return Err(ODataError::bad_request("the path addresses no entities").at("path", Some(0)));
        }
    };
    Ok(walk(view, request, segments)?.target)
}

/// The singleton that a path begins at.
pub(super) fn singleton(request: &Request, view: &ModelView) -> Option<String> {
    let Resource::EntitySet(segments) = &request.resource else { return None };
    let first = segments.first()?;
    view.singletons.contains_key(&first.name).then(|| first.name.clone())
}

pub(super) use calls::action;
pub use calls::is_action;

fn walk<'a, 'r>(view: &'a ModelView, request: &'r Request, segments: &[Segment]) -> Result<Walk<'a, 'r>, ODataError> {
    let (first, rest) = segments.split_first().ok_or_else(|| not_found("the path is empty", 0))?;
    let mut walk = start(view, first, request)?;
    for segment in rest {
        walk.step(segment)?;
    }
    Ok(walk)
}

/// The first segment: an entity set or a singleton.
fn start<'a, 'r>(view: &'a ModelView, first: &Segment, request: &'r Request) -> Result<Walk<'a, 'r>, ODataError> {
    if first.name.starts_with('$') {
        return Err(not_built(first, &first.name));
    }
    if let Some(singleton) = view.singletons.get(&first.name) {
        let table = view.table(&singleton.table).ok_or_else(|| not_found(format!("there is no '{}'", first.name), first.span.start))?;
        if first.key.is_some() {
            return Err(not_found(format!("'{}' is one entity and takes no key", first.name), first.span.start));
        }
        return Ok(Walk::at(view, request, table, singleton.key.clone(), Stand::One));
    }
    let Some(table) = view.table(&first.name) else {
        if let Some(walk) = calls::imported(view, request, first)? {
            return Ok(walk);
        }
        let imports = view.operations.iter().filter(|one| one.binding.is_none()).map(|one| &one.name);
        let hint = suggestion(&first.name, view.tables.keys().chain(view.singletons.keys()).chain(imports).map(String::as_str));
        return Err(not_found(format!("there is no entity set '{}'{hint}", first.name), first.span.start));
    };
    let mut walk = Walk::at(view, request, table, None, Stand::Many);
    walk.keys_of(first)?;
    Ok(walk)
}

/// Where a walk along a path has come to.
enum Stand<'a> {
    /// Several entities.
    Many,
    /// One entity.
    One,
    /// A complex property of one.
    Complex(&'a ComplexProperty),
    /// One value of a complex type that a function returns.
    Row,
    /// Several values that a function returns.
    Values,
    /// A property of one that holds one value, or the plain value that a function returns.
    Value,
    /// The stream of a property; nothing can follow it.
    Stream,
    /// The end: what nothing can follow, as it is called.
    End(&'static str),
}

struct Walk<'a, 'r> {
    view: &'a ModelView,
    request: &'r Request,
    aliases: &'r [Alias],
    target: Target<'a>,
    stand: Stand<'a>,
    /// Columns of the key that the relationship just followed fixes, and their values.
    implied: Vec<(usize, Value)>,
}

impl<'a, 'r> Walk<'a, 'r> {
    fn at(view: &'a ModelView, request: &'r Request, table: &'a TableView, key: Option<Vec<Value>>, stand: Stand<'a>) -> Walk<'a, 'r> {
        let kind = if matches!(stand, Stand::Many | Stand::Values) { ReadKind::Collection } else { ReadKind::Entity };
        let target = Target { table, key, via: None, filter: None, cast: None, call: None, kind, property: None, complex: false };
        Walk { view, request, aliases: &request.aliases, target, stand, implied: Vec::new() }
    }

    fn step(&mut self, segment: &Segment) -> Result<(), ODataError> {
        if segment.name == "$each" {
            return Err(not_built(segment, "$each"));
        }
        if let Some(call) = self.target.call.as_ref().filter(|call| !call.operation.composable) {
            let message = format!("'{}' is not composable: nothing can follow it", call.operation.name);
            return Err(not_found(message, segment.span.start));
        }
        match self.stand {
            Stand::Many => self.after_many(segment),
            Stand::One => self.after_one(segment),
            Stand::Row => self.after_row(segment),
            Stand::Values => self.after_values(segment),
            Stand::Complex(complex) => self.after_complex(segment, complex),
            Stand::Value => self.after_value(segment),
            Stand::Stream => {
                Err(not_found(format!("nothing follows a stream, but the path goes on with '{}'", segment.text), segment.span.start))
            }
            Stand::End(what) => {
                Err(not_found(format!("nothing follows {what}, but the path goes on with '{}'", segment.text), segment.span.start))
            }
        }
    }

    fn end(&mut self, kind: ReadKind, what: &'static str) {
        self.target.kind = kind;
        self.stand = Stand::End(what);
    }

    fn one(&mut self) {
        self.stand = Stand::One;
        self.target.kind = ReadKind::Entity;
    }

    /// The key in parentheses after what leads to several entities.
    fn keys_of(&mut self, segment: &Segment) -> Result<(), ODataError> {
        if let Some(second) = &segment.second_key {
            let message = format!("'{}' has a key already", segment.name);
            return Err(not_found(message, second.span.start));
        }
        if let Some(key) = &segment.key {
            self.keyed(key)?;
        }
        Ok(())
    }

    fn keyed(&mut self, key: &KeyPredicate) -> Result<(), ODataError> {
        self.target.key = Some(bind_key(key, self.target.table, &self.implied, self.aliases)?);
        self.one();
        Ok(())
    }

    fn restrict(&mut self, condition: BoundExpr) {
        self.target.filter = BoundExpr::both(self.target.filter.take(), Some(condition));
    }

    fn after_many(&mut self, segment: &Segment) -> Result<(), ODataError> {
        let (table, name) = (self.target.table, segment.name.as_str());
        match name {
            "$count" if segment.key.is_none() => self.end(ReadKind::Count, "$count"),
            "$ref" if segment.key.is_none() => self.end(ReadKind::References, "$ref"),
            "$filter" => self.filter(segment)?,
            _ if name.starts_with('$') => return Err(not_built(segment, format!("{name} after an entity set"))),
            _ if name.contains('.') && self.call(segment)? => {}
            _ if name.contains('.') && self.cast(segment)? => {
                if let Some(key) = &segment.key {
                    self.keyed(key)?;
                }
            }
            _ if segment.key.is_some() || segment.second_key.is_some() => {
                return Err(not_found(format!("'{name}' is neither a property nor a key of '{}'", table.name), segment.span.start));
            }
            _ => {
                let rows = RowType::of_table(table);
                let known = property::find(table, &rows, self.target.cast.as_deref(), name).is_some();
                let key = segment_key(segment, table);
                self.target.key = Some(key.map_err(|error| {
                    if !known {
                        return error;
                    }
                    not_found(format!("'{name}' belongs to one entity: give a key, as in {}(…)/{name}", table.name), segment.span.start)
                })?);
                self.one();
            }
        }
        Ok(())
    }

    /// `$filter(…)`, perhaps with a key after it.
    fn filter(&mut self, segment: &Segment) -> Result<(), ODataError> {
        let condition = segment.key.as_ref().and_then(|key| key.parts.first());
        let condition = condition.ok_or_else(|| not_found("$filter takes a condition in parentheses", segment.span.start))?;
        let rows = RowType::of_table(self.target.table);
        let scope = Scope::new(self.view, Some(self.target.table), &rows, self.aliases, "path").of_type(self.target.cast.as_deref());
        let condition = scope.predicate(self.behind(&condition.value))?;
        super::restrict::filterable(self.view, self.target.table, &condition)
            .map_err(|error| error.at("path", Some(segment.span.start)))?;
        self.restrict(condition);
        match &segment.second_key {
            Some(key) => self.keyed(key),
            None => Ok(()),
        }
    }

    /// The condition that an alias stands for: in a path it usually does.
    fn behind<'e>(&self, condition: &'e crate::syntax::Expr) -> &'e crate::syntax::Expr
    where
        'r: 'e,
    {
        let crate::syntax::ExprKind::Alias(name) = &condition.kind else { return condition };
        self.aliases.iter().find(|alias| alias.name == *name).map_or(condition, |alias| &alias.value)
    }

    /// A qualified name as a type cast; `false` when it is no type, but could be a key.
    fn cast(&mut self, segment: &Segment) -> Result<bool, ODataError> {
        let table = self.target.table;
        match property::qualified(self.view, table, &segment.name) {
            Qualified::Operation => Err(not_found(format!("'{}' is not bound to what it follows here", segment.name), segment.span.start)),
            Qualified::Nothing => Ok(false),
            Qualified::Type(None) => Ok(true),
            Qualified::Type(Some(name)) => {
                let Some(derivation) = &table.table.overlay.derivation else { return Ok(false) };
                if let Some(before) = &self.target.cast
                    && !derivation.is_a(&name, before)
                {
                    return Err(not_found(format!("'{name}' is not derived from '{before}'"), segment.span.start));
                }
                self.restrict(of_type(derivation.discriminator, derivation.values(&name)));
                self.target.cast = Some(name);
                Ok(true)
            }
        }
    }

    fn after_one(&mut self, segment: &Segment) -> Result<(), ODataError> {
        let (table, name) = (self.target.table, segment.name.as_str());
        match name {
            "$ref" if segment.key.is_none() => {
                self.end(ReadKind::Reference, "$ref");
                return Ok(());
            }
            "$value" if segment.key.is_none() => return self.media(segment),
            "$count" => return Err(not_found("$count follows a collection, not one entity", segment.span.start)),
            _ if name.starts_with('$') => return Err(not_built(segment, format!("{name} after an entity"))),
            _ if name.contains('.') => {
                return if self.call(segment)? || self.cast(segment)? {
                    Ok(())
                } else {
                    Err(not_found(format!("there is no type or operation '{name}' here"), segment.span.start))
                };
            }
            _ => {}
        }
        let rows = RowType::of_table(table);
        let found = property::find(table, &rows, self.target.cast.as_deref(), name);
        let found = found.ok_or_else(|| not_found(property::unknown(table, name), segment.span.start))?;
        if !matches!(found, Property::Navigation) && segment.key.is_some() {
            return Err(not_found(format!("'{name}' takes no parentheses"), segment.span.start));
        }
        match found {
            Property::Navigation => return self.follow(segment),
            Property::Column(index) => self.property(vec![name.to_owned()], vec![index], Stand::Value),
            Property::Point(point) => {
                self.property(vec![name.to_owned()], vec![point.latitude, point.longitude], Stand::Value);
            }
            Property::Complex(complex) => {
                let columns = property::members(table, complex).collect();
                self.property(vec![name.to_owned()], columns, Stand::Complex(complex));
                self.target.complex = true;
            }
            Property::Stream(stream) => self.stream(vec![name.to_owned()], stream),
        }
        Ok(())
    }

    fn property(&mut self, path: Vec<String>, columns: Vec<usize>, stand: Stand<'a>) {
        self.target.kind = ReadKind::Property;
        self.target.property = Some((path, columns));
        self.target.complex = false;
        self.stand = stand;
    }

    fn stream(&mut self, path: Vec<String>, stream: &StreamProperty) {
        let media_type = match &stream.media_type {
            MediaType::Column(column) => Some(*column),
            MediaType::Fixed(_) => None,
        };
        self.property(path, std::iter::once(stream.content).chain(media_type).collect(), Stand::Stream);
        self.target.kind = ReadKind::Media;
    }

    /// `$value` of a media entity.
    fn media(&mut self, segment: &Segment) -> Result<(), ODataError> {
        let Some(stream) = &self.target.table.table.overlay.media else {
            let message = format!("'{}' has no media entities, so $value has nothing to follow", self.target.table.name);
            return Err(ODataError::new(ODataErrorKind::BadRequest, message).at("path", Some(segment.span.start)));
        };
        self.stream(Vec::new(), stream);
        Ok(())
    }

    /// A relationship, perhaps with a key of the other side.
    fn follow(&mut self, segment: &Segment) -> Result<(), ODataError> {
        let name = segment.name.as_str();
        let nowhere = || not_found(format!("there is no '{name}'"), segment.span.start);
        let relationship = self.target.table.relationship(name).ok_or_else(nowhere)?;
        let to = self.view.table(&relationship.to).ok_or_else(nowhere)?;
        self.implied = self.implied(relationship.index, to);
        let from = Via {
            table: self.target.table.table.name.clone(),
            key: self.target.key.take(),
            filter: self.target.filter.take(),
            call: self.target.call.take().map(Box::new),
            relationship: relationship.index,
            from: self.target.via.take().map(Box::new),
        };
        self.target.via = Some(from);
        self.target.table = to;
        self.target.cast = None;
        if relationship.many {
            self.stand = Stand::Many;
            self.target.kind = ReadKind::Collection;
            return self.keys_of(segment);
        }
        if segment.key.is_some() {
            return Err(not_found(format!("'{name}' leads to one entity and takes no key"), segment.span.start));
        }
        self.one();
        Ok(())
    }

    /// Key columns on the far side of a relationship that equal parts of the key on this side.
    fn implied(&self, relationship: usize, to: &TableView) -> Vec<(usize, Value)> {
        let table = &self.target.table.table;
        let (Some(key), Some(relationship)) = (&self.target.key, table.relationships.get(relationship)) else { return Vec::new() };
        let type_of = |columns: &[portico_catalog::Column], index: usize| columns.get(index).map(|column| column.scalar_type);
        let fixed = relationship.on.iter().filter(|(own, theirs)| type_of(&table.columns, *own) == type_of(&to.table.columns, *theirs));
        let value = |own: usize| table.key.iter().position(|index| *index == own).and_then(|part| key.get(part));
        fixed.filter_map(|(own, theirs)| Some((*theirs, value(*own)?.clone()))).collect()
    }

    fn after_complex(&mut self, segment: &Segment, complex: &'a ComplexProperty) -> Result<(), ODataError> {
        let name = segment.name.as_str();
        if name == "$value" {
            let message = format!("$value follows a property with one value, which '{}' is not", complex.name);
            return Err(ODataError::bad_request(message).at("path", Some(segment.span.start)));
        }
        let found = property::member(self.target.table, complex, name).filter(|_| segment.key.is_none());
        let found = found.ok_or_else(|| {
            let seen = complex.members.iter().filter(|(_, column)| self.target.table.columns.contains(column));
            let hint = suggestion(name, seen.map(|(name, _)| name.as_str()));
            not_found(format!("'{}' has no property '{name}'{hint}", complex.name), segment.span.start)
        })?;
        self.property(vec![complex.name.clone(), name.to_owned()], vec![found], Stand::Value);
        Ok(())
    }

    fn after_value(&mut self, segment: &Segment) -> Result<(), ODataError> {
        match segment.name.as_str() {
            "$value" if segment.key.is_none() => {
                self.end(ReadKind::Value, "$value");
                Ok(())
            }
            name => Err(not_found(format!("'{name}' follows a property without parts"), segment.span.start)),
        }
    }
}

/// The condition that a row is of a derived type.
pub(super) fn of_type(discriminator: usize, values: Vec<Value>) -> BoundExpr {
    BoundExpr::In { expr: Box::new(BoundExpr::Column(discriminator)), list: values }
}

/// A request for `$entity?$id=…` as the request that the id addresses; any other as it is. `root_url` is the absolute service root.
///
/// # Errors
/// `BadRequest` when there is no id, or not one of this service.
pub fn dereference<'a>(request: &'a Request, root_url: &str) -> Result<Cow<'a, Request>, ODataError> {
    let Resource::EntitySet(segments) = &request.resource else { return Ok(Cow::Borrowed(request)) };
    let Some((_, after)) = segments.split_first().filter(|(first, _)| first.name == "$entity") else {
        return Ok(Cow::Borrowed(request));
    };
    let wrong = |message: String| ODataError::bad_request(message).at("$id", None);
    let id = request.options.id.as_deref().ok_or_else(|| wrong("$entity needs an $id".to_owned()))?;
    let root = root_url.trim_end_matches('/');
    let path_of_root = root.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..))).unwrap_or_default();
    let below = |root: &str| id.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
    let path = match (below(root), id.starts_with('/'), id.contains("://")) {
        (Some(path), _, _) => path,
        (None, true, _) => below(path_of_root).ok_or_else(|| wrong(format!("the $id '{id}' is not below this service")))?,
        (None, false, true) => return Err(wrong(format!("the $id '{id}' is not below this service"))),
        (None, false, false) => id,
    };
    let named = crate::parse::request(path, None).map_err(|error| error.at("$id", None))?;
    let Resource::EntitySet(mut found) = named.resource else { return Err(wrong(format!("the $id '{id}' is that of no entity"))) };
    if found.first().is_some_and(|first| first.name.starts_with('$')) || found.iter().any(|segment| segment.name.starts_with('$')) {
        return Err(wrong(format!("the $id '{id}' is that of no entity")));
    }
    found.extend(after.iter().cloned());
    let mut request = Request { resource: Resource::EntitySet(found), ..request.clone() };
    request.options.id = None;
    Ok(Cow::Owned(request))
}
