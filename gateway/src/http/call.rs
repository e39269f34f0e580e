//! One HTTP request on its way: who asks what, and where it is noted. Made once, read by every handler.

use crate::error::{Code, RequestError};
use crate::http::parts::Target;
use crate::startup::Gateway;
use crate::telemetry::Trace;
use axum::http::HeaderMap;
use portico_catalog::profile::Published;
use portico_catalog::{Model, ModelView, ServiceTable};
use portico_engine::RequestContext;
use portico_odata::header::{Handling, Preferences, Version, preferences};
use portico_odata::parse::Strictness;
use portico_odata::syntax::Request;
use std::sync::Arc;

/// One HTTP request.
pub struct Call {
    /// What all doors share.
    pub gateway: Arc<Gateway>,
    /// Who asks, until when.
    pub context: RequestContext,
    /// Where it is noted.
    pub trace: Arc<Trace>,
    /// What clients call this gateway.
    pub root: String,
    /// The URL without credentials.
    pub target: Target,
    /// The headers.
    pub headers: HeaderMap,
    /// The version of the protocol in which it is answered.
    pub version: Version,
    /// Whether it came by itself: not in a batch, and not to run without its client, so that it may be made to.
    pub alone: bool,
}

impl Call {
    /// A header as text; `None` when it is absent. Several of one name are joined with commas, without those that are not ASCII.
    pub fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.get_all(name);
        // Most requests have few headers: nothing is made for those that are not there.
        values.iter().next()?;
        Some(values.iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(", "))
    }

    /// What the client prefers.
    ///
    /// # Errors
    /// As [`preferences`].
    pub fn preferences(&self) -> Result<Preferences, RequestError> {
        Ok(self.header("prefer").map_or_else(|| Ok(Preferences::default()), |text| preferences(&text))?)
    }
}

/// The OData service that a request is for, as the caller sees it.
#[derive(Clone)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What the caller sees of it, as it is: what requests are bound to.
    pub view: Arc<ModelView>,
    /// The same as the service's profile publishes it: what the caller is shown.
    pub published: Arc<Published>,
    /// Its path below the gateway's root.
    pub path: String,
    /// Its absolute root.
    pub root: String,
    /// The path below its root, percent-encoded, without a leading slash.
    pub resource: String,
}

/// The service whose path a request's path begins with (name and path), and the rest; of several the one with the longest path.
pub fn find_service<'a>(model: &'a Model, path: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    longest(model.services.values().map(|service| (service.name.as_str(), service.path.as_str())), path)
}

fn longest<'a>(services: impl Iterator<Item = (&'a str, &'a str)>, path: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    let below = |service_path: &str| {
        let rest = path.strip_prefix(service_path)?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix('/') }
    };
    let found = services.filter_map(|(name, service_path)| below(service_path).map(|rest| (name, service_path, rest)));
    found.max_by_key(|(_, service_path, _)| service_path.len())
}

impl Service {
    /// Parses what a call asks of the service, as closely to the grammar as configured for it or for all services, or, by
    /// `Prefer: handling=strict`, preferred.
    ///
    /// # Errors
    /// As [`portico_odata::parse::request`].
    pub fn parse(&self, call: &Call) -> Result<Request, RequestError> {
        let preferred = call.preferences()?.handling;
        let config = &call.gateway.config;
        let own = config.definition.services.get(&self.name).and_then(|service| service.strict);
        let strictness = match (preferred, own) {
            (Some(Handling::Strict), _) | (_, Some(true)) => Strictness::Strict,
            (_, Some(false)) => Strictness::Lenient,
            (_, None) => config.gateway.http.strictness,
        };
        let mut request = portico_odata::parse::request_with(&self.resource, call.target.query.as_deref(), strictness)?;
        // It says nothing of what is asked for, and is done with here.
        let asked = request.options.schema_version.take();
        if asked.is_some_and(|asked| asked != "*" && asked != self.view.version) {
            let message = "the service is not in this version of its schema any more: ask for $metadata, and again";
            return Err(RequestError::new(Code::NotFound, message).about("$schemaversion"));
        }
        Ok(request)
    }

    /// Finds the service of a call.
    ///
    /// # Errors
    /// `NotFound`, `NotReady`.
    pub fn find(call: &Call) -> Result<Service, RequestError> {
        let model = current_model(&call.gateway)?;
        let none = || RequestError::new(Code::NotFound, "there is nothing at this path");
        let (name, path, rest) = find_service(&model, &call.target.path).ok_or_else(none)?;
        let view = call.gateway.engine.view(&call.context.principal, name)?;
        let published = call.gateway.profiles.published(&view);
        Ok(Service {
            name: name.to_owned(),
            view,
            published,
            path: path.to_owned(),
            root: format!("{}{path}", call.root),
            resource: rest.to_owned(),
        })
    }
}

/// Says that an entity set is not there *yet*: it is in the configuration, the caller has rights on it, and its source has never
/// answered. To others it is simply not there.
///
/// # Errors
/// `NotReady`.
pub fn not_yet_known(call: &Call, service: &Service, entity_set: &str) -> Result<(), RequestError> {
    let definition = &call.gateway.config.definition;
    let entries = definition.services.get(&service.name).and_then(|service| service.tables.as_ref());
    let renamed = entries.into_iter().flatten().find_map(|entry| match entry {
        ServiceTable::Named(_) => None,
        ServiceTable::Renamed(pair) => pair.get(entity_set).map(String::as_str),
    });
    let table = renamed.unwrap_or(entity_set);
    let roles = &call.gateway.config.access.roles.roles;
    let granted = call.context.principal.roles.iter().any(|role| roles.get(role).is_some_and(|grants| grants.contains_key(table)));
    if granted && service.view.table(entity_set).is_none() && call.gateway.keeper.missing_tables().iter().any(|missing| missing == table) {
        let message = format!("'{entity_set}' is not known yet, because a source that it needs has not answered since the start");
        return Err(RequestError::new(Code::NotReady, message));
    }
    Ok(())
}

/// The published model.
///
/// # Errors
/// `NotReady` before the first one.
pub fn current_model(gateway: &Gateway) -> Result<Arc<Model>, RequestError> {
    if !gateway.keeper.published() {
        return Err(RequestError::new(Code::NotReady, "the gateway is starting: no tables are published yet"));
    }
    Ok(gateway.engine.model()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_with_the_longest_path_is_found() {
        let find = |path| longest([("all", "/odata"), ("crm", "/odata/crm")].into_iter(), path);
        assert_eq!(find("/odata"), Some(("all", "/odata", "")));
        assert_eq!(find("/odata/"), Some(("all", "/odata", "")));
        assert_eq!(find("/odata/Customers(1)"), Some(("all", "/odata", "Customers(1)")));
        assert_eq!(find("/odata/crm/Customers"), Some(("crm", "/odata/crm", "Customers")));
        assert_eq!(find("/odata/crmx"), Some(("all", "/odata", "crmx")));
        assert_eq!(find("/odatax"), None);
    }
}
