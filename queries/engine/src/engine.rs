//! The engine's face: one method per stage of the request path. It holds what outlives a request: the model, the rights of each
//! set of roles, the cache and the table epochs. How a stage works is in the module of its name.

use crate::answer::{Answer, WriteAnswer};
use crate::context::RequestContext;
use crate::error::EngineError;
use crate::explain::Explanation;
use crate::plan::Plan;
use crate::policy::{AccessDefinition, PermittedPlan, PermittedWrite, Principal, VisibleTable};
use crate::pushdown::PushedPlan;
use crate::settings::EngineSettings;
use crate::statement::Statement;
use portico_catalog::{Model, ModelError, ModelView};
use portico_odata::BoundWrite;
use portico_provider_api::{Source, TableColumn};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The engine.
pub struct Engine {
    settings: EngineSettings,
}

impl Engine {
    /// An engine over connected sources, by configured name. It answers nothing until a model is published.
    pub fn new(settings: EngineSettings, sources: BTreeMap<String, Arc<dyn Source>>, access: AccessDefinition) -> Engine {
        let _ = (sources, access);
        Engine { settings }
    }

    /// The columns of a view's SQL, for [`portico_catalog::build()`].
    ///
    /// # Errors
    /// Why the SQL is not a SELECT over the model's tables.
    pub fn describe_view(model: &Model, sql: &str) -> Result<Vec<TableColumn>, String> {
        let _ = (model, sql);
        Err("not wired".to_owned())
    }

    /// Checks every window, row rule, mask and view against a model, without publishing it. Paths start at `tables` or `access`.
    pub fn check(&self, model: &Model) -> Vec<ModelError> {
        let _ = model;
        Vec::new()
    }

    /// Makes a model the current one. Requests that have begun go on with the one they began with.
    pub fn publish(&self, model: Arc<Model>) {
        let _ = model;
    }

    /// The current model.
    ///
    /// # Errors
    /// When none has been published yet.
    pub fn model(&self) -> Result<Arc<Model>, EngineError> {
        Err(EngineError::Internal("not wired".to_owned()))
    }

    /// What a caller sees of a service. Cached by model version and rights.
    ///
    /// # Errors
    /// `NotFound` when there is no such service.
    pub fn view(&self, principal: &Principal, service: &str) -> Result<Arc<ModelView>, EngineError> {
        let _ = (principal, service);
        Err(EngineError::Internal("not wired".to_owned()))
    }

    /// The tables that a caller sees in SQL, for catalogue listings.
    ///
    /// # Errors
    /// When no model has been published yet.
    pub fn visible_tables(&self, principal: &Principal) -> Result<Vec<VisibleTable>, EngineError> {
        let _ = principal;
        Err(EngineError::Internal("not wired".to_owned()))
    }

    /// Plans a statement with the names that the caller may use.
    ///
    /// # Errors
    /// `Syntax`, `UnknownName`, `Invalid`, `ReadOnly`, `Unsupported`.
    pub fn plan(&self, statement: &Statement, principal: &Principal) -> Result<Plan, EngineError> {
        let _ = (statement, principal);
        Err(EngineError::Internal("not wired".to_owned()))
    }

    /// Applies the caller's row rules and masks to every node of a plan.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn permit(&self, plan: Plan, principal: &Principal) -> Result<PermittedPlan, EngineError> {
        let _ = (plan, principal);
        Err(EngineError::Internal("not wired".to_owned()))
    }

    /// Optimises a plan and cuts it into source queries and what stays local.
    ///
    /// # Errors
    /// `Invalid`, `Unsupported`, `ReadOnly`.
    pub fn push_down(&self, plan: PermittedPlan) -> Result<PushedPlan, EngineError> {
        let _ = plan;
        Err(EngineError::Internal("not wired".to_owned()))
    }

    /// Runs a plan as far as its first rows, so that most failures are known before an answer begins.
    ///
    /// # Errors
    /// Any.
    pub async fn execute(&self, plan: PushedPlan, context: &RequestContext) -> Result<Answer, EngineError> {
        let _ = (plan, context);
        Err(EngineError::Internal("not wired".to_owned()))
    }

    /// Shows a plan and what each source would be asked. An `EXPLAIN` in SQL does the same through the ordinary stages.
    pub fn explain(&self, plan: &PushedPlan, principal: &Principal) -> Explanation {
        let _ = (plan, principal);
        Explanation::default()
    }

    /// Applies policy to a write: rights, columns, row rules.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `Unsupported`, `PreconditionRequired`.
    pub fn permit_write(&self, write: &BoundWrite, service: &str, principal: &Principal) -> Result<PermittedWrite, EngineError> {
        let _ = (write, service, principal);
        Err(EngineError::Internal("not wired".to_owned()))
    }

    /// Runs a write at its source, in one transaction, and invalidates what the cache holds of the table.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `Source`, …
    pub async fn write(&self, write: PermittedWrite, context: &RequestContext) -> Result<WriteAnswer, EngineError> {
        let _ = (write, context);
        Err(EngineError::Internal("not wired".to_owned()))
    }

    /// The settings.
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }
}
