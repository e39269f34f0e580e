//! Query options: which apply where, and what they say of one table.

use super::path::Target;
use super::scope::Scope;
use super::{compute, expand, plain_query, restrict, search, select};
use crate::bound::{BoundExpr, BoundOrder, BoundQuery, ReadKind};
use crate::error::{ODataError, ODataErrorKind};
use crate::syntax::{Alias, Options, OrderItem, Request};
use crate::value_type::RowType;
use crate::value_type::ValueType;
use portico_catalog::{ModelView, TableView};
use portico_provider_api::ScalarType;

/// Where options stand.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) view: &'a ModelView,
    pub(super) table: &'a TableView,
    /// The rows that expressions here are over.
    pub(super) rows: &'a RowType,
    pub(super) aliases: &'a [Alias],
    /// The derived type that the rows are of, where it is not the table's own.
    pub(super) cast: Option<&'a str>,
    /// `$expand` when they are nested: all positions are in it.
    pub(super) nested_in: Option<&'static str>,
    /// How many relationships lead here.
    pub(super) depth: usize,
}

impl<'a> Place<'a> {
    pub(super) fn target(&self, option: &'static str) -> &'static str {
        self.nested_in.unwrap_or(option)
    }

    pub(super) fn scope(&self, option: &'static str) -> Scope<'a> {
        let scope = Scope::new(self.view, Some(self.table), self.rows, self.aliases, self.target(option)).of_type(self.cast);
        if self.nested_in.is_some() { scope.without_it() } else { scope }
    }
}

/// Refuses options that do not apply to what the path addresses.
pub(super) fn check(request: &Request, target: &Target<'_>) -> Result<(), ODataError> {
    let result = target.call.as_ref().and_then(|call| call.operation.returns.as_ref()).filter(|returns| returns.kind.table().is_none());
    let (allowed, what): (&[&str], _) = match target.kind {
        ReadKind::Collection if result.is_some_and(|returns| returns.kind.is_scalar()) => {
            (&["$filter", "$orderby", "$top", "$skip", "$count", "$format"], "to a collection of plain values")
        }
        ReadKind::Collection | ReadKind::Count if result.is_some() && request.options.apply.is_some() => {
            return Err(ODataError::not_implemented("$apply to values that are no entities").at("$apply", None));
        }
        ReadKind::Collection => return Ok(()),
        ReadKind::Entity => (&["$select", "$expand", "$compute", "$format"], "to one entity"),
        ReadKind::Count => (&["$apply", "$filter", "$search", "$format"], "to /$count"),
        ReadKind::Property if target.complex => (&["$select", "$format"], "to a complex property"),
        ReadKind::Property => (&["$format"], "to a property"),
        ReadKind::Value => (&[], "to /$value"),
        ReadKind::Media => (&[], "to a stream"),
        ReadKind::References => {
            (&["$filter", "$search", "$orderby", "$top", "$skip", "$count", "$skiptoken", "$format"], "to /$ref of a collection")
        }
        ReadKind::Reference => (&["$format"], "to /$ref of one entity"),
    };
    only(&request.options, allowed, what)
}

/// Refuses all options but these.
pub(super) fn only(options: &Options, allowed: &[&str], what: &str) -> Result<(), ODataError> {
    // The version of the schema may be asked of anything.
    match options.given().find(|name| *name != "$schemaversion" && !allowed.contains(name)) {
        Some(name) => Err(ODataError::bad_request(format!("the query option {name} does not apply {what}")).at(name, None)),
        None => Ok(()),
    }
}

/// Options that are executed; `$format` and `$skiptoken` by others.
const BUILT: [&str; 13] = [
    "$filter",
    "$search",
    "$compute",
    "$select",
    "$orderby",
    "$expand",
    "$top",
    "$skip",
    "$count",
    "$levels",
    "$format",
    "$skiptoken",
    "$schemaversion",
];

/// Refuses a request for another version of the schema than there is: it could not be answered as its client expects (Protocol,
/// section 11.2.12).
///
/// # Errors
/// `NotFound`.
pub fn schema_version(options: &Options, view: &ModelView) -> Result<(), ODataError> {
    match options.schema_version.as_deref() {
        None | Some("*") => Ok(()),
        Some(asked) if asked == view.version => Ok(()),
        Some(_) => {
            let message = format!("the schema is not there in this version any more: its version is {}", view.version);
            Err(ODataError::new(ODataErrorKind::NotFound, message).at("$schemaversion", None))
        }
    }
}

/// Refuses what the protocol has and nobody executes yet.
pub(super) fn refuse_unbuilt(options: &Options, nested_in: Option<(&'static str, usize)>) -> Result<(), ODataError> {
    let place = if nested_in.is_some() { " inside parentheses" } else { "" };
    if let Some(name) = options.given().find(|name| !BUILT.contains(name)) {
        let error = ODataError::not_implemented(format!("the query option {name}{place}"));
        return Err(nested_in.map_or_else(|| error.clone().at(name, None), |(option, at)| error.clone().at(option, Some(at))));
    }
    Ok(())
}

/// Binds options over a table, in the order in which they are evaluated.
pub(super) fn query(place: &Place<'_>, options: &Options) -> Result<BoundQuery, ODataError> {
    let mut query = plain_query(place.table);
    let (rows, computed) = compute::compute(place, options.compute.as_deref().unwrap_or_default())?;
    query.compute = computed;
    let place = &Place { rows: &rows, ..*place };
    let found =
        options.search.as_ref().map(|search| search::search(place.view, place.table, place.target("$search"), search)).transpose()?;
    let filter = options.filter.as_ref().map(|filter| place.scope("$filter").predicate(filter)).transpose()?;
    query.select = select::everything(place);
    if let Some(items) = &options.select {
        let selected = select::select(place, items)?;
        (query.select, query.mentioned) = (selected.columns, selected.mentioned);
        query.selected = true;
    }
    if let Some(items) = &options.order_by {
        query.order_by = order_by(&place.scope("$orderby"), items)?;
    }
    query.top = options.top;
    query.skip = options.skip.unwrap_or(0);
    query.count = options.count.unwrap_or(false);
    restrict::query(place.view, place.table, &query, filter.as_ref())?;
    query.filter = BoundExpr::both(found, filter);
    if let Some(items) = &options.expand {
        query.expand = expand::expand(place, items)?;
    }
    Ok(query)
}

/// What rows are sorted by.
pub(super) fn order_by(scope: &Scope<'_>, items: &[OrderItem]) -> Result<Vec<BoundOrder>, ODataError> {
    let mut bound = Vec::with_capacity(items.len());
    for item in items {
        let at = Some(item.expr.span.start);
        let (expr, value_type) = scope.value(&item.expr)?;
        match value_type.scalar() {
            _ if matches!(value_type, ValueType::Spatial(_)) => {
                let message = "$orderby: geographic and geometric values have no order: sort by geo.distance(…)";
                return Err(ODataError::bad_request(message).at(scope.target, at));
            }
            ScalarType::Binary => {
                return Err(ODataError::bad_request("$orderby: values of type Edm.Binary have no order").at(scope.target, at));
            }
            ScalarType::Json => return Err(ODataError::not_implemented("$orderby over a JSON property").at(scope.target, at)),
            _ => bound.push(BoundOrder { expr: scope.order(expr, &value_type), descending: item.descending }),
        }
    }
    Ok(bound)
}
