//! Requests over what is published → requests over the tables as they are: paths with their keys, and the query options.

use super::applied;
use super::apply::ShownColumn;
use super::expression::{Scope, Translator};
use super::guids::{GuidPath, literal_of};
use super::path::{End, native_path};
use super::{Remembered, key_of};
use crate::bound::{BoundQuery, BoundRead};
use crate::error::{ODataError, ODataErrorKind};
use crate::guid_key::KeyGuid;
use crate::syntax::{
    ExpandItem, Expr, ExprKind, KeyPart, KeyPredicate, Literal, LiteralKind, Options, OrderItem, Request, Resource, Segment, SelectItem,
    Span,
};
use portico_catalog::TableView;
use portico_catalog::profile::{GuidProperty, Published, Widening};
use portico_provider_api::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Which of what was published a request asked to see, where `$select` chose: what is bound holds the columns behind it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shown {
    /// Names of properties; all when absent.
    names: Option<BTreeSet<String>>,
    /// Of expanded entities, by relationship.
    expands: BTreeMap<String, Shown>,
    /// What rows have that `$apply` made and that are no entities any more.
    pub(super) applied: Option<Vec<ShownColumn>>,
}

impl Shown {
    /// Whether a property is to be shown. The key always is.
    pub(super) fn shows(&self, name: &str, is_key: bool) -> bool {
        is_key || self.names.as_ref().is_none_or(|names| names.contains(name))
    }

    /// What is to be shown of entities expanded along a relationship.
    pub(super) fn along(&self, relationship: &str) -> Shown {
        self.expands.get(relationship).cloned().unwrap_or_default()
    }

    /// What options ask to see.
    fn of(options: &Options) -> Shown {
        let names = options.select.as_ref().filter(|items| !items.iter().any(|item| item.path == ["*"]));
        let names = names.map(|items| items.iter().filter_map(|item| item.path.first().cloned()).collect());
        let expands = options.expand.iter().flatten().filter_map(|item| Some((item.path.first()?.clone(), Shown::of(&item.options))));
        Shown { names, expands: expands.collect(), applied: None }
    }
}

/// Translates a request to one over the tables as they are.
///
/// # Errors
/// `NotFound` for a GUID in the path that is nobody's key, `BadRequest` for a key that is no GUID, `NotImplemented` for a use of a
/// translated property that is not built.
pub fn native_request(request: &Request, published: &Published, remembered: &Remembered<'_>) -> Result<(Request, Shown), ODataError> {
    let mut shown = Shown::of(&request.options);
    let mut native = request.clone();
    let Resource::EntitySet(segments) = &mut native.resource else { return Ok((native, shown)) };
    if !published.translates() {
        return Ok((native, shown));
    }
    let translator = Translator { published, remembered, aliases: &request.aliases, target: "path" };
    // Where a path leads nowhere, the binder says so.
    if let Some(table) = translator.resource(segments)? {
        shown.applied = translator.options(&mut native.options, table)?;
        for alias in &mut native.aliases {
            // What an alias stands for is read where it is used, mostly over this table.
            let translator = Translator { target: &alias.name, ..translator };
            alias.value = translator.expr(&alias.value, &Scope::new(table))?;
        }
    }
    Ok((native, shown))
}

impl<'a> Translator<'a> {
    /// Translates the path, and gives the table whose entities it leads to.
    fn resource(&self, segments: &mut Vec<Segment>) -> Result<Option<&'a TableView>, ODataError> {
        let mut table: Option<&'a TableView> = None;
        let mut index = 0;
        while index < segments.len() {
            let before = table;
            if let Some(at) = before
                && self.is_key_segment(segments, index, at)
            {
                let segment = segments.remove(index);
                let part = KeyPart { name: None, value: guid_literal(&segment.text, segment.span), span: segment.span };
                let key = KeyPredicate { parts: vec![part], spaced: false, span: segment.span };
                if let Some(last) = segments.get_mut(index - 1) {
                    last.key = Some(self.key(&key, at)?);
                }
                continue;
            }
            let Some(segment) = segments.get_mut(index) else { break };
            let next = self.segment(segment, before, index == 0)?;
            if let (Some(key), Some(table)) = (&segment.key, next.filter(|_| !segment.name.starts_with('$'))) {
                segment.key = Some(self.key(key, table)?);
            }
            table = next;
            if table.is_none() {
                break;
            }
            index += 1;
        }
        Ok(table)
    }

    /// The table that a segment leads to.
    fn segment(&self, segment: &Segment, before: Option<&'a TableView>, first: bool) -> Result<Option<&'a TableView>, ODataError> {
        let name = segment.name.as_str();
        if first {
            return match self.published.native.table(name) {
                Some(table) => Ok(Some(table)),
                None if name.starts_with('$') => Err(self.elsewhere(segment)),
                None => {
                    let singleton = self.published.native.singletons.get(name);
                    Ok(singleton.and_then(|singleton| self.published.native.table(&singleton.table)))
                }
            };
        }
        let Some(table) = before else { return Ok(None) };
        if matches!(name, "$count" | "$ref" | "$value") {
            return Ok(Some(table));
        }
        let derived = |name: &str| table.table.overlay.derivation.as_ref().is_some_and(|known| known.named(name).is_some());
        if name.rsplit_once('.').is_some_and(|(_, own)| derived(own) || own == table.name) {
            return Ok(Some(table));
        }
        if name.starts_with('$') || name.contains('.') {
            return Err(self.elsewhere(segment));
        }
        if let Some(relationship) = table.relationship(name) {
            return Ok(self.published.native.table(&relationship.to));
        }
        let Some(published) = self.published.table(&table.name) else { return Ok(None) };
        let column = self.shown_column(name, table);
        let changed =
            column.is_some_and(|column| published.widened.contains_key(&column) || table.table.overlay.complex_of(column).is_some());
        if changed || published.guid(name).is_some() {
            return Err(self.not_built(segment.span, format!("the property path '{name}' in a service for Dataverse")));
        }
        if column.is_none() && table.column(name).is_some() {
            return Err(self.unknown(name, segment.span, table));
        }
        Ok(None)
    }

    fn elsewhere(&self, segment: &Segment) -> ODataError {
        self.not_built(segment.span, format!("'{}' in a service for Dataverse", segment.name))
    }

    /// Whether a segment is the key of the one before it: a GUID where a table has such keys.
    fn is_key_segment(&self, segments: &[Segment], index: usize, table: &TableView) -> bool {
        let keyless = index.checked_sub(1).and_then(|before| segments.get(before)).is_some_and(|before| before.key.is_none());
        let own = self.published.table(&table.name).and_then(|table| table.own_key()).is_some();
        keyless && own && segments.get(index).is_some_and(|segment| segment.key.is_none() && KeyGuid::parse(&segment.text).is_some())
    }

    /// A key as published → the key as it is. A key that names the table's own key columns stays: it is another way to say which row.
    fn key(&self, key: &KeyPredicate, table: &TableView) -> Result<KeyPredicate, ODataError> {
        let own = self.published.table(&table.name).and_then(|table| table.own_key());
        let (Some(own), [part]) = (own, key.parts.as_slice()) else { return Ok(key.clone()) };
        if part.name.as_ref().is_some_and(|name| *name != own.name) {
            return Ok(key.clone());
        }
        let known = self.literal_behind(&part.value);
        let guid = known.filter(|known| matches!(known.kind, LiteralKind::Guid | LiteralKind::Text));
        let Some(guid) = guid.filter(|guid| KeyGuid::parse(&guid.text).is_some()) else {
            return Err(self.wrong(part.span, format!("the key of '{}' is '{}', a GUID", table.name, own.name)));
        };
        let nobody = || {
            let message = format!("there is no entity with {} {}", own.name, guid.text);
            ODataError::new(ODataErrorKind::NotFound, message).at(self.target, Some(part.span.start))
        };
        let values = key_of(own, &guid.text, self.remembered).ok_or_else(nobody)?;
        let single = values.len() == 1;
        let parts = own.columns.iter().zip(&values).map(|(column, value)| {
            let name = table.table.columns.get(*column).map(|column| column.name.clone()).filter(|_| !single);
            let value = Expr { kind: ExprKind::Literal(literal_of(value)), span: part.value.span };
            KeyPart { name, value, span: part.span }
        });
        Ok(KeyPredicate { parts: parts.collect(), ..key.clone() })
    }

    /// Translates query options over a table. What is given are the properties of the rows that come out, where these are no entities.
    pub(super) fn options(&self, options: &mut Options, table: &'a TableView) -> Result<Option<Vec<ShownColumn>>, ODataError> {
        let at = |target: &'static str| Translator { target: if self.target == "$expand" { "$expand" } else { target }, ..*self };
        let mut scope = Scope::new(table);
        let mut rows = None;
        if let Some(steps) = &mut options.apply {
            if self.target == "$expand" {
                return Err(ODataError::not_implemented("$apply inside $expand in a service for Dataverse").at("$expand", None));
            }
            rows = at("$apply").apply(steps, &mut scope)?;
        }
        if let Some(items) = &mut options.compute {
            at("$compute").compute(items, &mut scope)?;
            let names = items.iter().map(|item| ShownColumn::alias(&item.name.text));
            rows = rows.map(|columns| columns.into_iter().chain(names).collect());
        }
        if let Some(filter) = &mut options.filter {
            *filter = at("$filter").expr(filter, &scope)?;
        }
        if let Some(items) = &mut options.order_by {
            *items = at("$orderby").ordered(items, &scope)?;
        }
        if let Some(items) = &mut options.select {
            let wanted: Vec<Vec<String>> = items.iter().map(|item| item.path.clone()).collect();
            *items = match &rows {
                Some(columns) => at("$select").select_applied(items, columns)?,
                None => at("$select").select(items, &scope)?,
            };
            rows = rows.map(|columns| Translator::selected(columns, &wanted));
        }
        for item in options.expand.iter_mut().flatten() {
            at("$expand").expand(item, table)?;
        }
        Ok(rows)
    }

    /// Widened values are in the same order as the values themselves; only codes are in another than the numbers of their choices.
    pub(super) fn ordered(&self, items: &[OrderItem], scope: &Scope<'a>) -> Result<Vec<OrderItem>, ODataError> {
        let mut native = Vec::with_capacity(items.len());
        for item in items {
            let ExprKind::Path(steps) = &item.expr.kind else {
                native.push(OrderItem { expr: self.expr(&item.expr, scope)?, descending: item.descending });
                continue;
            };
            let path = self.path(steps, scope)?;
            let span = item.expr.span;
            match path.end {
                End::Guid(guid, table) => {
                    let columns = GuidPath { steps: path.steps, guid, table, span }.columns();
                    native.extend(columns.into_iter().map(|expr| OrderItem { expr, descending: item.descending }));
                }
                End::Widened(Widening::Enumeration(choices)) if choices.members.iter().any(|member| !is_number(&member.stored)) => {
                    return Err(
                        self.not_built(span, format!("the order of '{}', whose codes are in another order than its numbers,", path.text))
                    );
                }
                End::Plain | End::Widened(_) => {
                    native.push(OrderItem { expr: Expr { kind: ExprKind::Path(path.steps), span }, descending: item.descending });
                }
            }
        }
        Ok(native)
    }

    fn select(&self, items: &[SelectItem], scope: &Scope<'a>) -> Result<Vec<SelectItem>, ODataError> {
        let table = scope.table;
        let Some(published) = self.published.table(&table.name) else { return Ok(items.to_vec()) };
        let mut native = Vec::with_capacity(items.len());
        let native_item = |item: &SelectItem, column: usize| SelectItem { path: native_path(&table.table, column), ..item.clone() };
        for item in items {
            match item.path.as_slice() {
                [name] if scope.made(name).is_some() => native.push(item.clone()),
                [name] if published.guid(name).is_some() => {
                    let columns = published.guid(name).map(|guid| guid.columns.clone()).unwrap_or_default();
                    native.extend(columns.into_iter().map(|column| native_item(item, column)));
                }
                [name] if name != "*" && !name.contains('.') && table.relationship(name).is_none() => {
                    match self.shown_column(name, table) {
                        Some(column) => native.push(native_item(item, column)),
                        None => return Err(self.unknown(name, item.span, table)),
                    }
                }
                [_] => native.push(item.clone()),
                _ => return Err(self.not_built(item.span, format!("the path '{}' in a service for Dataverse", item.path.join("/")))),
            }
        }
        Ok(native)
    }

    /// `$select` among the properties of rows that are no entities any more: what they are made of. What there is not, the binder refuses.
    fn select_applied(&self, items: &[SelectItem], columns: &[ShownColumn]) -> Result<Vec<SelectItem>, ODataError> {
        let mut native = Vec::with_capacity(items.len());
        for item in items {
            let found: Vec<&ShownColumn> = columns.iter().filter(|column| column.path.starts_with(&item.path)).collect();
            if found.is_empty() {
                native.push(item.clone());
            }
            for path in found.into_iter().flat_map(|column| &column.natives) {
                native.push(SelectItem { path: path.clone(), ..item.clone() });
            }
        }
        Ok(native)
    }

    fn expand(&self, item: &mut ExpandItem, table: &'a TableView) -> Result<(), ODataError> {
        let to = item.path.first().and_then(|name| table.relationship(name)).and_then(|known| self.published.native.table(&known.to));
        match to {
            Some(to) => self.options(&mut item.options, to).map(drop),
            None => Ok(()),
        }
    }
}

fn is_number(value: &Value) -> bool {
    value.scalar_type().is_numeric()
}

fn guid_literal(text: &str, span: Span) -> Expr {
    Expr { kind: ExprKind::Literal(Literal { kind: LiteralKind::Guid, text: text.to_owned() }), span }
}

/// A bound read in terms of what is published: what context URLs are made of.
#[must_use]
pub fn published_read<'a>(read: &'a BoundRead, published: &Published, shown: &Shown) -> Cow<'a, BoundRead> {
    if !published.translates() {
        return Cow::Borrowed(read);
    }
    Cow::Owned(BoundRead { query: published_query(&read.query, published, shown), ..read.clone() })
}

fn published_query(query: &BoundQuery, published: &Published, shown: &Shown) -> BoundQuery {
    let mut told = query.clone();
    if let (Some(apply), Some(columns)) = (&mut told.apply, &shown.applied) {
        applied::rows(&mut apply.rows, columns);
        told.select = (0..apply.rows.row_type.columns.len()).collect();
        return told;
    }
    let Some(view) = published.view.by_virtual_table(&query.table) else { return told };
    let column = |index: &usize| view.table.columns.get(*index);
    let select = view
        .columns
        .iter()
        .copied()
        .filter(|index| column(index).is_some_and(|column| shown.shows(&column.name, view.table.key.contains(index))));
    told.select = select.collect();
    // What the request made comes after the table's columns, of which there are more as published.
    let (natives, shown_natives) = (native_columns(published, &query.table), view.table.columns.len());
    told.select.extend(query.select.iter().filter(|index| **index >= natives).map(|index| index - natives + shown_natives));
    told.cast = None;
    if let Some(apply) = &mut told.apply {
        applied::entity_rows(&mut apply.rows, view, natives);
    }
    for expand in &mut told.expand {
        expand.query = published_query(&expand.query, published, &shown.along(&expand.name));
    }
    told
}

fn native_columns(published: &Published, table: &str) -> usize {
    published.native.by_virtual_table(table).map_or(usize::MAX, |table| table.table.columns.len())
}

/// The GUID property of a name, for bodies.
pub(super) fn guid_of<'p>(published: &'p Published, table: &TableView, name: &str) -> Option<&'p GuidProperty> {
    published.table(&table.name)?.guid(name)
}
