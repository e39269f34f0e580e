//! The engine's face: one method per stage of the request path. It holds what outlives a request: the model, the rights of each
//! set of roles, the cache and the table epochs. How a stage works is in the module of its name.

use crate::admission::{Admission, Fill};
use crate::answer::{Answer, EntityAnswer, WriteAnswer};
use crate::cache::ResultCache;
use crate::context::{RequestContext, RequestedFreshness};
use crate::error::EngineError;
use crate::execute::answer;
use crate::execute::guard::Guards;
use crate::execute::local::LocalExecution;
use crate::execute::memory::LocalMemory;
use crate::execute::run::{Answered, Run};
use crate::explain::{self, Explanation};
use crate::metadata::MetadataDocument;
use crate::plan::names::Names;
use crate::plan::planning::Planning;
use crate::plan::session::session;
use crate::plan::{Plan, PlanNode, Work, sql};
use crate::policy::{AccessDefinition, PermittedPlan, PermittedWrite, Policy, Principal, Rights, VisibleTable, permit, permit_write};
use crate::pushdown::{self, PushedPlan};
use crate::settings::EngineSettings;
use crate::shapes::{Found, ShapeCounts};
use crate::snapshot::Snapshot;
use crate::statement::{EntityRead, Paging, Statement};
use arrow::datatypes::DataType;
use datafusion::execution::session_state::SessionState;
use portico_catalog::{Model, ModelError, ModelView};
use portico_odata::metadata::MetadataFormat;
use portico_odata::{BoundQuery, BoundRead, BoundWrite, ReadKind};
use portico_provider_api::{Source, TableColumn, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;

/// The engine.
pub struct Engine {
    settings: Arc<EngineSettings>,
    sources: Arc<BTreeMap<String, Arc<dyn Source>>>,
    pub(crate) access: AccessDefinition,
    pub(crate) session: Arc<SessionState>,
    cache: Arc<ResultCache>,
    local: Arc<LocalExecution>,
    memory: Arc<LocalMemory>,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
}

impl Engine {
    /// An engine over connected sources, by configured name. It answers nothing until a model is published.
    ///
    /// # Errors
    /// When the spill directory cannot be used, or threads cannot be started.
    pub fn new(
        settings: EngineSettings,
        sources: BTreeMap<String, Arc<dyn Source>>,
        access: AccessDefinition,
    ) -> Result<Engine, EngineError> {
        let session = Arc::new(session(&settings)?);
        let cache = Arc::new(ResultCache::new(settings.cache_bytes));
        let admission = Admission::new("queries that are computed in the gateway", settings.local_queries.clone());
        let local = Arc::new(LocalExecution::start(settings.local_threads, admission)?);
        let settings = Arc::new(settings);
        let EngineSettings { query_memory, local_memory, spill_bytes, .. } = *settings;
        let memory = LocalMemory::new(query_memory, local_memory.max(query_memory), spill_bytes, settings.spill_directory.as_deref())?;
        let memory = Arc::new(memory);
        Ok(Engine { settings, sources: Arc::new(sources), access, session, cache, local, memory, snapshot: RwLock::new(None) })
    }

    /// The columns of a view's SQL, for [`portico_catalog::build()`].
    ///
    /// # Errors
    /// Why the SQL is not a SELECT over the model's tables.
    pub fn describe_view(&self, model: &Model, sql: &str) -> Result<Vec<TableColumn>, String> {
        crate::policy::check::describe_view(&self.session, model, sql)
    }

    /// Checks every window, row rule, mask and function against a model, without publishing it. Paths start at `tables`, `operations` or
    /// `access`.
    pub fn check(&self, model: &Model) -> Vec<ModelError> {
        crate::policy::check::check(&self.session, model, &self.access)
    }

    /// Makes a model the current one. Requests that have begun go on with the one they began with.
    pub fn publish(&self, model: Arc<Model>) {
        let snapshot = Arc::new(Snapshot::new(model));
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, EngineError> {
        let snapshot = self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone();
        snapshot.ok_or_else(|| EngineError::NotReady("no source has been reached yet; nothing is published".to_owned()))
    }

    /// The current model.
    ///
    /// # Errors
    /// When none has been published yet.
    pub fn model(&self) -> Result<Arc<Model>, EngineError> {
        Ok(Arc::clone(&self.snapshot()?.model))
    }

    /// How often the plan of a request was that of another of the same shape, since the current model was published.
    ///
    /// # Errors
    /// When no model has been published yet.
    pub fn shape_counts(&self) -> Result<ShapeCounts, EngineError> {
        Ok(self.snapshot()?.shapes.counts())
    }

    /// What a caller sees of a service. Cached by model version and rights.
    ///
    /// # Errors
    /// `NotFound` when there is no such service.
    pub fn view(&self, principal: &Principal, service: &str) -> Result<Arc<ModelView>, EngineError> {
        self.snapshot()?.view(principal, service, &self.access)
    }

    /// The `$metadata` document of a view of the caller's, as its service's profile publishes it, with labels in a language. Kept by
    /// model version and rights.
    ///
    /// # Errors
    /// `NotReady` when no model has been published yet.
    pub fn metadata(
        &self,
        principal: &Principal,
        view: &ModelView,
        format: MetadataFormat,
        language: Option<&str>,
    ) -> Result<Arc<MetadataDocument>, EngineError> {
        let snapshot = self.snapshot()?;
        // A model that was replaced meanwhile leaves nothing behind in the new one.
        snapshot.ensure_version(&view.version)?;
        snapshot.metadata.document(view, &principal.roles, format, language)
    }

    /// The languages that the labels of a view of the caller's are in.
    ///
    /// # Errors
    /// `NotReady` when no model has been published yet.
    pub fn label_languages(&self, principal: &Principal, view: &ModelView) -> Result<Arc<Vec<String>>, EngineError> {
        let snapshot = self.snapshot()?;
        snapshot.ensure_version(&view.version)?;
        Ok(snapshot.metadata.languages(view, &principal.roles))
    }

    /// The tables that a caller sees in SQL, for catalogue listings.
    ///
    /// # Errors
    /// When no model has been published yet.
    pub fn visible_tables(&self, principal: &Principal) -> Result<Vec<VisibleTable>, EngineError> {
        let snapshot = self.snapshot()?;
        let rights = snapshot.rights(principal, &self.access);
        Ok(crate::policy::rights::visible_tables(&snapshot.model, &rights))
    }

    /// Plans a statement with the names that the caller may use.
    ///
    /// # Errors
    /// `Syntax`, `UnknownName`, `Invalid`, `ReadOnly`, `Unsupported`.
    pub fn plan(&self, statement: &Statement, principal: &Principal) -> Result<Plan, EngineError> {
        let snapshot = self.snapshot()?;
        let rights = snapshot.rights(principal, &self.access);
        let now = SystemTime::now();
        if let Statement::Entities(read) = statement {
            snapshot.ensure_version(&read.model_version)?;
        }
        let keys = |table: &str| rights.tables.get(table).map(|rights| rights.table.key.as_slice());
        let planning = Planning { session: &self.session, snapshot: &snapshot, rights: &rights, now };
        let work = match snapshot.shapes.find(statement, principal, &keys) {
            Found::Plan(kept) => Work::Cut(kept),
            Found::New(new) => planning.shaped(statement, new)?,
            Found::Nothing => Work::New { node: planning.plain(statement)?, shaping: None },
        };
        Ok(Plan { model: Arc::clone(&snapshot.model), guards: Arc::clone(&snapshot.guards), rights, now, work })
    }

    /// The types of the parameters `$1`, `$2`, … (or of every `?`) of a SQL text; `None` where any type will do.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub fn parameter_types(&self, text: &str, principal: &Principal) -> Result<Vec<Option<DataType>>, EngineError> {
        let snapshot = self.snapshot()?;
        let rights = snapshot.rights(principal, &self.access);
        sql::parameter_types(&self.session, &Names::new(&self.session, &snapshot.model, &rights, SystemTime::now()), text)
    }

    /// Applies the caller's row rules and masks to every node of a plan.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn permit(&self, plan: Plan, principal: &Principal) -> Result<PermittedPlan, EngineError> {
        let (model, rights) = (Arc::clone(&plan.model), Arc::clone(&plan.rights));
        // Row rules are shown to operators only; the plan of an explanation is never run.
        let explanation = matches!(plan.work, Work::New { node: PlanNode::Table { explain: true, .. }, .. });
        let conceal_rules = explanation && !principal.operator;
        let policy = self.policy(&model, &rights, principal, plan.now);
        permit::permit(plan, &Policy { conceal_rules, ..policy })
    }

    pub(crate) fn policy<'a>(&'a self, model: &'a Model, rights: &'a Rights, principal: &'a Principal, now: SystemTime) -> Policy<'a> {
        Policy { session: &self.session, model, rights, principal: Some(principal), now, conceal_rules: false }
    }

    /// Optimises a plan and cuts it into source queries and what stays local.
    ///
    /// # Errors
    /// `Invalid`, `Unsupported`, `ReadOnly`.
    pub fn push_down(&self, plan: PermittedPlan) -> Result<PushedPlan, EngineError> {
        pushdown::push_down(plan, &self.session)
    }

    /// Runs a plan as far as its first rows, so that most failures are known before an answer begins.
    ///
    /// # Errors
    /// Any.
    pub async fn execute(&self, plan: PushedPlan, context: &RequestContext) -> Result<Answer, EngineError> {
        let run = self.run_with(context, plan.guards(), plan.constants().cloned());
        if plan.is_explanation() {
            let note = (!context.principal.operator).then_some("row rules and masks of your roles apply too; they are not shown");
            return Ok(Answer::Table(explain::explain(&plan, &self.sources).into_table(note)?));
        }
        match plan.into_node() {
            PlanNode::Table { plan, .. } => Ok(Answer::Table(answer::table(&plan, &self.session, &run).await?)),
            PlanNode::Entities(entities) => answer::entities(entities, &self.session, &run).await,
        }
    }

    pub(crate) fn run(&self, context: &RequestContext, guards: &Arc<Guards>) -> Arc<Run> {
        self.run_with(context, guards, None)
    }

    fn run_with(&self, context: &RequestContext, guards: &Arc<Guards>, constants: Option<Arc<[Value]>>) -> Arc<Run> {
        Arc::new(Run {
            constants,
            sources: Arc::clone(&self.sources),
            cache: Arc::clone(&self.cache),
            settings: Arc::clone(&self.settings),
            memory: Arc::clone(&self.memory),
            quota: OnceLock::new(),
            guards: Arc::clone(guards),
            answer: Answered::new(self.access.limits_of(&context.principal.roles)),
            local: Arc::clone(&self.local),
            home: Handle::try_current().ok(),
            request: context.clone(),
        })
    }

    /// Shows a plan and what each source would be asked, row rules included: for operators. An `EXPLAIN` in SQL does the same through
    /// the ordinary stages, for everybody.
    pub fn explain(&self, plan: &PushedPlan) -> Explanation {
        explain::explain(plan, &self.sources)
    }

    /// Applies policy to a write: rights, columns, row rules. `view` is what the write was bound against.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `Unsupported`, `PreconditionRequired`; `NotReady` when the model was replaced meanwhile.
    pub fn permit_write(&self, write: &BoundWrite, view: &ModelView, principal: &Principal) -> Result<PermittedWrite, EngineError> {
        let snapshot = self.snapshot()?;
        snapshot.ensure_version(&view.version)?;
        let rights = snapshot.rights(principal, &self.access);
        let if_match = view.by_virtual_table(&write.table).map(|table| table.if_match);
        let if_match = if_match.unwrap_or(portico_catalog::IfMatch::Required);
        permit_write::permit_write(write, &view.service, if_match, &self.policy(&snapshot.model, &rights, principal, SystemTime::now()))
    }

    /// Runs a write at its source, in one transaction, and invalidates what the cache holds of the table. The entity is then read
    /// again as its caller sees it.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `Source`, …
    pub async fn write(&self, write: PermittedWrite, context: &RequestContext) -> Result<WriteAnswer, EngineError> {
        let run = self.run(context, &self.snapshot()?.guards);
        let key = crate::write::write(&write, &run).await?;
        if matches!(write.action, portico_odata::WriteAction::Delete { .. }) {
            return Ok(WriteAnswer::unread(key));
        }
        let fresh = RequestContext { freshness: RequestedFreshness::AtMost(Duration::ZERO), ..context.clone() };
        match self.read_back(&write, key.clone(), &fresh).await {
            Ok(Some((shape, entity))) => Ok(WriteAnswer::stored(key, shape, entity, !write.select.is_empty())),
            Ok(None) => Ok(WriteAnswer::unread(key)),
            // The write is done. To report a failure would make the client do it again.
            Err(error) => {
                tracing::warn!(request = %context.request_id, %error, "what was written could not be read again");
                Ok(WriteAnswer::unread(key))
            }
        }
    }

    async fn read_back(
        &self,
        write: &PermittedWrite,
        key: Vec<Value>,
        context: &RequestContext,
    ) -> Result<Option<(portico_odata::EntityShape, portico_odata::EntityBatch)>, EngineError> {
        let select = if write.select.is_empty() { write.table.key.clone() } else { write.select.clone() };
        let query = BoundQuery { key: Some(key), ..BoundQuery::of(&write.table.name, select) };
        let read = BoundRead::new(query, ReadKind::Entity);
        let statement = Statement::Entities(Box::new(EntityRead {
            service: write.service.clone(),
            model_version: write.model_version.clone(),
            read,
            paging: Paging::default(),
        }));
        let plan = self.plan(&statement, &context.principal)?;
        let permitted = self.permit(plan, &context.principal)?;
        let pushed = self.push_down(permitted)?;
        match self.execute(pushed, context).await {
            Ok(Answer::Entities(EntityAnswer { shape, mut rows, .. })) => {
                Ok(rows.next().await.transpose()?.map(|entity| (Arc::unwrap_or_clone(shape), entity)))
            }
            // The caller may write what it may not see.
            Err(EngineError::NotFound(_)) => Ok(None),
            Ok(_) => Err(EngineError::Internal("an entity was not answered with an entity".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// How many queries are computed in the gateway, and how many wait for that.
    pub fn local_fill(&self) -> Fill {
        self.local.admission.fill()
    }

    /// Bytes of memory that queries which are computed in the gateway have reserved, and bytes that they have spilled.
    pub fn local_memory(&self) -> (usize, u64) {
        (self.memory.reserved(), self.memory.spilled())
    }

    /// The settings.
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }
}
