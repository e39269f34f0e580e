//! `portico explain`: what every source would be asked for a statement, in its own language. Nothing is run.

use crate::config::Config;
use crate::error::{Code, RequestError};
use crate::http::find_service;
use crate::startup::check::print;
use crate::startup::{Gateway, StartError, assemble, tls};
use portico_catalog::names::nearest;
use portico_engine::{EntityRead, Explanation, Paging, Principal, SqlStatement, Statement};
use portico_odata::syntax::Resource;
use std::fmt::Write as _;
use std::sync::Arc;

/// Explains a statement: SQL, or the path and query of an OData URL.
///
/// # Errors
/// Mistakes in the configuration, a statement that is refused.
pub async fn run(config: Config, text: &str, caller: Option<&str>) -> Result<(), StartError> {
    tls::install_provider();
    let gateway = assemble(config)?;
    gateway.keeper.introspect().await;
    let (model, _) = gateway.keeper.build()?;
    gateway.engine.publish(Arc::new(model));
    let principal = principal(&gateway, caller)?;
    let statement = statement(&gateway, &principal, text)?;
    let engine = &gateway.engine;
    let plan = engine.plan(&statement, &principal).map_err(RequestError::from)?;
    let permitted = engine.permit(plan, &principal).map_err(RequestError::from)?;
    let pushed = engine.push_down(permitted).map_err(RequestError::from)?;
    print(&written(&engine.explain(&pushed)))
}

/// Who asks: the named caller, or whoever sits here, with all roles.
fn principal(gateway: &Gateway, caller: Option<&str>) -> Result<Arc<Principal>, StartError> {
    let Some(name) = caller else {
        let roles = gateway.config.access.roles.roles.keys().cloned().collect();
        return Ok(Arc::new(Principal { name: "operator".to_owned(), roles, operator: true, ..Principal::default() }));
    };
    let unknown = || {
        let hint = nearest(name, gateway.identities.names()).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        RequestError::new(Code::InvalidRequest, format!("there is no key or user '{name}'{hint}"))
    };
    Ok(gateway.identities.named(name).ok_or_else(unknown)?)
}

fn statement(gateway: &Gateway, principal: &Principal, text: &str) -> Result<Statement, RequestError> {
    let Some(url) = path_of(text) else {
        return Ok(Statement::Sql(SqlStatement { text: text.to_owned(), parameters: Vec::new() }));
    };
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let model = gateway.engine.model()?;
    let none = || {
        let paths: Vec<&str> = model.services.values().map(|service| service.path.as_str()).collect();
        RequestError::new(Code::NotFound, format!("there is no service at {path}: there are {}", paths.join(", ")))
    };
    let (service, _, resource) = find_service(&model, path).ok_or_else(none)?;
    let view = gateway.engine.view(principal, service)?;
    // A shell's argument may hold blanks where a URL has %20.
    let query = query.map(|query| query.replace(' ', "%20"));
    let request = portico_odata::parse::request(resource, query.as_deref())?;
    if !matches!(request.resource, Resource::EntitySet(_)) {
        return Err(RequestError::new(Code::InvalidRequest, "only reads of entities are explained: no source is asked for this"));
    }
    // Hashed GUIDs are not looked up: they are in the state of the gateway that serves, and lead nowhere here.
    let published = portico_catalog::profile::Published::of(Arc::clone(&view));
    let (request, _) = portico_odata::profile::native_request(&request, &published, &|_, _| None)?;
    let read = portico_odata::bind::read(&request, &view)?;
    Ok(Statement::Entities(Box::new(EntityRead {
        service: service.to_owned(),
        model_version: view.version.clone(),
        read,
        paging: Paging::default(),
    })))
}

/// The path of a URL; `None` for anything else, which is SQL then.
fn path_of(text: &str) -> Option<&str> {
    let text = text.trim();
    match text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
        Some(rest) => rest.find('/').map(|start| &rest[start..]),
        None => text.starts_with('/').then_some(text),
    }
}

fn written(explanation: &Explanation) -> String {
    let mut text = format!("{}\n", explanation.plan.trim_end());
    for (source, request) in &explanation.requests {
        let _ = writeln!(
            text,
            "\n{source} ({}, {} parameters):\n  {}",
            request.language,
            request.parameters,
            request.text.replace('\n', "\n  ")
        );
    }
    text
}
