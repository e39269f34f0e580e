//! Resolves the names of SQL for one caller. A table that the caller may not see does not resolve, with the same words as one
//! that is not there.

use crate::error::EngineError;
use crate::plan::clock;
use crate::plan::tables::VisibleTable;
use crate::policy::{Rights, TableRights};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result as DataFusionResult, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use portico_catalog::{Model, names::nearest};
use std::sync::Arc;
use std::time::SystemTime;

/// The catalogue's name in three-part names.
pub const CATALOG: &str = "portico";
/// The schema that holds every virtual table under its own name.
pub const DEFAULT_SCHEMA: &str = "public";

/// Functions that make as much as they are told to, outside of any memory quota and even while a constant is folded.
const UNBOUNDED: [&str; 9] =
    ["repeat", "lpad", "rpad", "range", "generate_series", "array_repeat", "list_repeat", "array_resize", "list_resize"];

/// Names as one caller may use them.
pub struct Names<'a> {
    session: &'a SessionState,
    model: &'a Model,
    rights: &'a Rights,
    now: SystemTime,
}

impl<'a> Names<'a> {
    /// Names for a caller with these rights, in a request of that instant.
    pub fn new(session: &'a SessionState, model: &'a Model, rights: &'a Rights, now: SystemTime) -> Names<'a> {
        Names { session, model, rights, now }
    }

    /// The table that a name stands for, if the caller sees it: a virtual table in the default schema or a service's, or a remote
    /// table under its source's name.
    fn find(&self, name: &TableReference) -> Option<&Arc<TableRights>> {
        let schema = name.schema().unwrap_or(DEFAULT_SCHEMA);
        let published = name.catalog().is_none_or(|catalog| catalog == CATALOG).then(|| self.resolve(schema, name.table())).flatten();
        let remote = || {
            let parts = [name.catalog(), name.schema(), Some(name.table())];
            parts.into_iter().flatten().collect::<Vec<_>>().join(".")
        };
        match published {
            Some(table) => self.rights.tables.get(table),
            None => self.rights.tables.get(&remote()).filter(|rights| self.model.remote_tables.contains_key(&rights.table.name)),
        }
    }

    /// The virtual table that a schema and a name stand for, if the caller sees it.
    fn resolve(&self, schema: &str, name: &str) -> Option<&str> {
        let table = if schema == DEFAULT_SCHEMA { name } else { self.model.services.get(schema)?.tables.get(name)?.as_str() };
        self.rights.tables.get_key_value(table).map(|(known, _)| known.as_str())
    }

    /// The rights on the virtual table of that name.
    ///
    /// # Errors
    /// `UnknownName` when the caller sees none.
    pub fn table(&self, name: &str) -> Result<&Arc<TableRights>, EngineError> {
        let found = self.rights.tables.get(name).filter(|_| self.model.tables.contains_key(name));
        found.ok_or_else(|| EngineError::UnknownName {
            message: format!("there is no table '{name}'"),
            suggestion: nearest(name, self.visible_in(DEFAULT_SCHEMA)).map(str::to_owned),
        })
    }

    fn visible_in(&self, schema: &str) -> Vec<&str> {
        match self.model.services.get(schema) {
            Some(service) if schema != DEFAULT_SCHEMA => {
                service.tables.iter().filter(|(_, table)| self.rights.tables.contains_key(*table)).map(|(name, _)| name.as_str()).collect()
            }
            _ => self.rights.tables.keys().map(String::as_str).collect(),
        }
    }
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> DataFusionResult<Arc<dyn TableSource>> {
        match self.find(&name) {
            Some(rights) => Ok(Arc::new(VisibleTable::new(Arc::clone(rights), false))),
            None => Err(DataFusionError::External(Box::new(EngineError::UnknownName {
                message: format!("there is no table '{name}'"),
                suggestion: nearest(name.table(), self.visible_in(name.schema().unwrap_or(DEFAULT_SCHEMA))).map(str::to_owned),
            }))),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.session.expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        // The gateway's own functions start with an at sign and are not for callers.
        let lower = name.to_lowercase();
        if let Some(clock) = clock::function(&lower, self.now) {
            return Some(Arc::new(clock));
        }
        let offered = !lower.starts_with('@') && !UNBOUNDED.contains(&lower.as_str());
        self.session.scalar_functions().get(&lower).filter(|_| offered).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.session.higher_order_functions().get(&name.to_lowercase()).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.session.aggregate_functions().get(&name.to_lowercase()).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.session.window_functions().get(&name.to_lowercase()).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.session.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.session.scalar_functions().keys().filter(|name| !name.starts_with('@')).cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.session.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.session.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.session.window_functions().keys().cloned().collect()
    }
}
