//! One published model with what is derived from it for each set of roles. Replaced whole when a new model is published.

use crate::error::EngineError;
use crate::execute::guard::Guards;
use crate::metadata::MetadataCache;
use crate::policy::{AccessDefinition, Principal, Rights, view};
use crate::shapes::Shapes;
use portico_catalog::{Model, ModelView, Service};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Sets of roles for which something is remembered; beyond, all is forgotten and made again.
pub const MOST_REMEMBERED: usize = 4_096;

/// Views by service and roles.
type Views = HashMap<String, HashMap<Vec<String>, Arc<ModelView>>>;

/// A published model.
pub struct Snapshot {
    /// The model.
    pub model: Arc<Model>,
    rights: RwLock<HashMap<Vec<String>, Arc<Rights>>>,
    views: RwLock<Views>,
    /// What protects its tables.
    pub guards: Arc<Guards>,
    /// Its `$metadata` documents.
    pub metadata: MetadataCache,
    /// The shapes of requests.
    pub shapes: Arc<Shapes>,
}

impl Snapshot {
    /// A snapshot of a model.
    pub fn new(model: Arc<Model>) -> Snapshot {
        let (guards, metadata, shapes) = (Arc::new(Guards::of(&model)), MetadataCache::default(), Arc::default());
        Snapshot { model, guards, metadata, shapes, rights: RwLock::default(), views: RwLock::default() }
    }

    /// The rights of a caller.
    pub fn rights(&self, principal: &Principal, access: &AccessDefinition) -> Arc<Rights> {
        if let Some(known) = self.rights.read().unwrap_or_else(PoisonError::into_inner).get(&principal.roles) {
            return Arc::clone(known);
        }
        let mut remembered = self.rights.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        let made = Arc::new(Rights::of(&principal.roles, access, &self.model));
        remembered.insert(principal.roles.clone(), Arc::clone(&made));
        made
    }

    /// Makes sure that a request was bound against this model.
    ///
    /// # Errors
    /// `NotReady` when it was another: the same request then succeeds.
    pub fn ensure_version(&self, version: &str) -> Result<(), EngineError> {
        if self.model.version == version {
            return Ok(());
        }
        Err(EngineError::NotReady("the model was replaced while the request was read; send it again".to_owned()))
    }

    /// The service of that name.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn service(&self, name: &str) -> Result<&Service, EngineError> {
        self.model.services.get(name).ok_or_else(|| EngineError::NotFound(format!("there is no service '{name}'")))
    }

    /// What a caller sees of a service.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn view(&self, principal: &Principal, service: &str, access: &AccessDefinition) -> Result<Arc<ModelView>, EngineError> {
        let rights = self.rights(principal, access);
        let definition = self.service(service)?;
        let known = |views: &Views| views.get(service).and_then(|views| views.get(&principal.roles)).cloned();
        if let Some(known) = known(&self.views.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(known);
        }
        let mut remembered = self.views.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have made it meanwhile; what is published of a view is known by where it is.
        if let Some(known) = known(&remembered) {
            return Ok(known);
        }
        // There are only the services that the model has, so that what clients choose are roles.
        let views = remembered.entry(service.to_owned()).or_default();
        if views.len() >= MOST_REMEMBERED {
            views.clear();
        }
        let made = Arc::new(view::view(&self.model, definition, &rights, &principal.roles));
        views.insert(principal.roles.clone(), Arc::clone(&made));
        Ok(made)
    }
}
