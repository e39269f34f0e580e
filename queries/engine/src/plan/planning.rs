//! Statements to plans, for one caller: as they are, or with parameters in the place of their constants. It must not know what becomes of
//! plans.

use crate::error::EngineError;
use crate::plan::entities::EntityPlanner;
use crate::plan::names::Names;
use crate::plan::{PlanNode, Work, sql};
use crate::policy::Rights;
use crate::shapes::{Lifted, New, Shaping};
use crate::snapshot::Snapshot;
use crate::statement::Statement;
use datafusion::execution::session_state::SessionState;
use std::sync::Arc;
use std::time::SystemTime;

/// What planning needs to know.
pub(crate) struct Planning<'a> {
    pub session: &'a SessionState,
    pub snapshot: &'a Snapshot,
    /// The caller's rights.
    pub rights: &'a Rights,
    /// The instant of the request.
    pub now: SystemTime,
}

impl Planning<'_> {
    /// Plans a statement as it is.
    ///
    /// # Errors
    /// `Syntax`, `UnknownName`, `Invalid`, `ReadOnly`, `Unsupported`.
    pub fn plain(&self, statement: &Statement) -> Result<PlanNode, EngineError> {
        Ok(match statement {
            Statement::Sql(statement) => {
                let (plan, explain) = sql::plan(self.session, &self.names(), statement)?;
                PlanNode::Table { plan, explain }
            }
            Statement::Entities(read) => PlanNode::Entities(Arc::new(self.entities(&read.service)?.plan(read)?)),
        })
    }

    /// Plans a statement with parameters, so that its shape can be kept; as it is, where that cannot be.
    ///
    /// # Errors
    /// As [`Planning::plain`].
    pub fn shaped(&self, statement: &Statement, new: New) -> Result<Work, EngineError> {
        let shapes = &self.snapshot.shapes;
        match new.lifted() {
            Lifted::Entities { read, position } => {
                let Ok(plan) = self.entities(&read.service)?.plan_after(read, position.clone()) else {
                    // What cannot be planned without the constants may be with them; where it cannot, they are what is to be told.
                    return Ok(Work::New { node: self.plain(statement)?, shaping: None });
                };
                let node = PlanNode::Entities(Arc::new(plan));
                Ok(Work::New { node, shaping: Some(Shaping::of_read(new, shapes)) })
            }
            Lifted::Sql { text, .. } => match sql::plan_shape(self.session, &self.names(), text, new.values())? {
                Some(shaped) => {
                    let node = PlanNode::Table { plan: shaped.plan, explain: false };
                    let shaping = Shaping::of_statement(new, shapes, shaped.values, shaped.types);
                    Ok(Work::New { node, shaping: Some(shaping) })
                }
                None => Ok(Work::New { node: self.plain(statement)?, shaping: None }),
            },
        }
    }

    fn names(&self) -> Names<'_> {
        Names::new(self.session, &self.snapshot.model, self.rights, self.now)
    }

    fn entities(&self, service: &str) -> Result<EntityPlanner<'_>, EngineError> {
        let service = self.snapshot.service(service)?;
        Ok(EntityPlanner { session: self.session, rights: self.rights, service, model: &self.snapshot.model, now: self.now })
    }
}
