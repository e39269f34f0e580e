//! Operations in resource paths: which one a name stands for by what it follows, and what a path has come to after a function. It must not
//! know how parameters are given.

use super::super::call;
use super::{ReadKind, Stand, Walk, not_built, property};
use crate::bind::not_found;
use crate::bound::{BoundCall, BoundQuery};
use crate::error::{ODataError, ODataErrorKind};
use crate::syntax::{Request, Resource, Segment};
use portico_catalog::overlay::{Operation, ReturnKind, VALUE};
use portico_catalog::{ModelView, TableView};
use portico_provider_api::Value;
use std::sync::Arc;

/// The call of a function at the root of the service; nothing when there is no operation of that name.
pub(super) fn imported<'a, 'r>(view: &'a ModelView, request: &'r Request, first: &Segment) -> Result<Option<Walk<'a, 'r>>, ODataError> {
    let imported: Vec<_> = view.operations.iter().filter(|one| one.binding.is_none() && one.name == first.name).collect();
    match imported.first() {
        None => Ok(None),
        Some(operation) if operation.action => Err(only_posted(first)),
        Some(_) => {
            let call = call::bind(view, first, request, &imported)?;
            Walk::called(view, request, first, call).map(Some)
        }
    }
}

fn only_posted(segment: &Segment) -> ODataError {
    let message = format!("'{}' is an action: it is called with POST", segment.name);
    ODataError::new(ODataErrorKind::NotAllowed, message).at("path", Some(segment.span.start))
}

/// Whether a path ends in the name of an action, which is called with POST.
#[must_use]
pub fn is_action(request: &Request, view: &ModelView) -> bool {
    let Resource::EntitySet(segments) = &request.resource else { return false };
    let action =
        |name: &str, bound: bool| view.operations.iter().any(|one| one.action && one.name == name && one.binding.is_some() == bound);
    match segments.as_slice() {
        // A set of that name comes first, as it does for reads.
        [only] => action(&only.name, false) && view.table(&only.name).is_none(),
        [.., last] => own_name(view, last).is_some_and(|name| action(name, true)),
        [] => false,
    }
}

/// Reads the values that are given for the parameters of an operation, in order.
type Values<'v> = dyn Fn(&Operation) -> Result<Vec<Option<Value>>, ODataError> + 'v;

/// The call of the action that a path ends in, with the values of its parameters, and what the path has come to after it; nothing when it
/// does not end in one.
pub(in crate::bind) fn action<'a>(
    view: &'a ModelView,
    request: &Request,
    values: &Values<'_>,
) -> Result<Option<(BoundCall, Option<super::Target<'a>>)>, ODataError> {
    let Resource::EntitySet(segments) = &request.resource else { return Ok(None) };
    let Some((last, before)) = segments.split_last().filter(|_| is_action(request, view)) else { return Ok(None) };
    let walk = if before.is_empty() { None } else { Some(super::walk(view, request, before)?) };
    let found = match &walk {
        None => view.operations.iter().find(|one| one.action && one.binding.is_none() && one.name == last.name),
        Some(walk) => walk.bound(own_name(view, last).unwrap_or_default()).into_iter().find(|one| one.action),
    };
    let elsewhere = || not_found(format!("'{}' is not bound to what it follows here", last.name), last.span.start);
    let operation = found.ok_or_else(elsewhere)?;
    if last.key.as_ref().is_some_and(|key| !key.parts.is_empty()) || last.second_key.is_some() {
        let message = format!("'{}' is an action: its parameters stand in the body", last.name);
        return Err(ODataError::bad_request(message).at("path", Some(last.span.start)));
    }
    let mut call = BoundCall { operation: Arc::clone(operation), arguments: Vec::new(), rows: None, bound_to: None };
    if let Some(walk) = &walk {
        walk.bind_to(last, &mut call)?;
    }
    let of_source = operation.of_source().is_some();
    let given = operation.parameters.iter().zip(values(operation)?).filter_map(|(parameter, value)| {
        let left_out = || (!of_source).then_some(Value::Null(parameter.scalar_type));
        Some((parameter.name.clone(), value.or_else(left_out)?))
    });
    let given: Vec<_> = given.collect();
    call.arguments.splice(0..0, given);
    let target = operation.returns.as_ref().map(|_| Walk::called(view, request, last, call.clone())).transpose()?;
    Ok(Some((call, target.map(|walk| walk.target))))
}

/// A name without the service's namespace.
fn own_name<'s>(view: &ModelView, segment: &'s Segment) -> Option<&'s str> {
    segment.name.strip_prefix(crate::metadata::namespace(view).as_str())?.strip_prefix('.')
}

impl<'a, 'r> Walk<'a, 'r> {
    /// At what an operation returns.
    fn called(view: &'a ModelView, request: &'r Request, segment: &Segment, call: BoundCall) -> Result<Walk<'a, 'r>, ODataError> {
        let nowhere = || not_found(format!("there is no '{}'", segment.name), segment.span.start);
        let returns = call.operation.returns.as_ref().ok_or_else(nowhere)?;
        let (many, composable) = (returns.many, call.operation.composable);
        let table: &'a TableView = view.rows(&returns.kind.rows_name()).ok_or_else(nowhere)?;
        let stand = match (&returns.kind, many) {
            (ReturnKind::Entity { .. }, true) => Stand::Many,
            (ReturnKind::Entity { .. }, false) => Stand::One,
            (ReturnKind::Complex { .. } | ReturnKind::Scalar { .. }, true) => Stand::Values,
            (ReturnKind::Complex { .. }, false) => Stand::Row,
            (ReturnKind::Scalar { .. }, false) => Stand::Value,
        };
        let mut walk = Walk::at(view, request, table, None, stand);
        walk.target.call = Some(call);
        if matches!(walk.stand, Stand::Value) {
            walk.property(vec![VALUE.to_owned()], vec![0], Stand::Value);
        }
        match &segment.second_key {
            Some(key) if !composable => {
                return Err(not_found(format!("'{}' is not composable: nothing can follow it", segment.name), key.span.start));
            }
            Some(key) if matches!(walk.stand, Stand::Many) => walk.keyed(key)?,
            Some(key) => {
                let what = if many { "values without keys" } else { "one value" };
                return Err(not_found(format!("'{}' returns {what} and takes no key", segment.name), key.span.start));
            }
            None => {}
        }
        Ok(walk)
    }

    /// The operations of a name that are bound to what the path has come to.
    fn bound(&self, name: &str) -> Vec<&'a Arc<Operation>> {
        let many = match self.stand {
            Stand::Many => true,
            Stand::One => false,
            Stand::Complex(_) | Stand::Row | Stand::Values | Stand::Value | Stand::Stream | Stand::End(_) => return Vec::new(),
        };
        let table = &self.target.table.table.name;
        let is_bound = |one: &Operation| one.binding.as_ref().is_some_and(|binding| binding.table == *table && binding.many == many);
        self.view.operations.iter().filter(|one| one.name == name && is_bound(one)).collect()
    }

    /// A function bound to what the path has come to; `false` when there is none of that name.
    pub(super) fn call(&mut self, segment: &Segment) -> Result<bool, ODataError> {
        let Some(name) = own_name(self.view, segment) else { return Ok(false) };
        let bound = self.bound(name);
        match bound.first() {
            None => return Ok(false),
            Some(operation) if operation.action => return Err(only_posted(segment)),
            Some(_) => {}
        }
        let mut call = call::bind(self.view, segment, self.request, &bound)?;
        self.bind_to(segment, &mut call)?;
        *self = Walk::called(self.view, self.request, segment, call)?;
        Ok(true)
    }

    /// Adds what the path has come to, to which an operation is bound.
    fn bind_to(&self, segment: &Segment, call: &mut BoundCall) -> Result<(), ODataError> {
        let (target, name) = (&self.target, &segment.name);
        if matches!(self.stand, Stand::Many) {
            if target.call.is_some() || target.via.is_some() || target.filter.is_some() || target.cast.is_some() {
                return Err(not_built(segment, format!("'{name}' bound to anything but a whole entity set or one entity")));
            }
            return Ok(());
        }
        let table = &target.table.table;
        let Some(key) = &target.key else {
            return Err(not_built(segment, format!("'{name}' bound to an entity that the path gives no key of")));
        };
        let columns = table.key.iter().filter_map(|index| table.columns.get(*index));
        call.arguments.extend(columns.map(|column| column.name.clone()).zip(key.iter().cloned()));
        call.bound_to = Some(BoundQuery {
            via: target.via.clone(),
            filter: target.filter.clone(),
            call: target.call.clone().map(Box::new),
            key: Some(key.clone()),
            ..BoundQuery::of(&table.name, table.key.clone())
        });
        Ok(())
    }

    /// After one value of a complex type.
    pub(super) fn after_row(&mut self, segment: &Segment) -> Result<(), ODataError> {
        let (table, name) = (self.target.table, segment.name.as_str());
        let at = segment.span.start;
        if name == "$value" {
            let message = format!("$value follows a property with one value, which a '{}' is not", table.name);
            return Err(ODataError::bad_request(message).at("path", Some(at)));
        }
        let found = table.table.column(name).filter(|_| segment.key.is_none());
        let found = found.ok_or_else(|| not_found(property::unknown(table, name), at))?;
        self.property(vec![name.to_owned()], vec![found], Stand::Value);
        Ok(())
    }

    /// After several values.
    pub(super) fn after_values(&mut self, segment: &Segment) -> Result<(), ODataError> {
        match segment.name.as_str() {
            "$count" if segment.key.is_none() => {
                self.end(ReadKind::Count, "$count");
                Ok(())
            }
            "$filter" if segment.second_key.is_none() => self.filter(segment),
            name => Err(not_found(format!("'{name}' does not follow values without keys"), segment.span.start)),
        }
    }
}
