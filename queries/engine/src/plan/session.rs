//! The DataFusion session that plans and runs everything: functions, options, rules. One for the whole process; nothing in it
//! belongs to a caller.

use crate::execute::bind::GrantBindFilters;
use crate::execute::yielding::YieldAfterJoins;
use crate::plan::letter_case;
use crate::pushdown::query_planner::FragmentQueryPlanner;
use crate::settings::EngineSettings;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{FunctionRegistry, SessionStateBuilder};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;
use std::sync::Arc;

/// Makes the session.
///
/// # Errors
/// Never in practice: a function has a name twice.
pub fn session(settings: &EngineSettings) -> DataFusionResult<SessionState> {
    let mut config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    // One partition per remote scan, and the build side collected whole: then a bind join's keys come as one plain IN list.
    options.optimizer.repartition_joins = false;
    options.optimizer.prefer_hash_join = true;
    options.optimizer.hash_join_inlist_pushdown_max_distinct_values = settings.bind_max_keys;
    options.optimizer.hash_join_inlist_pushdown_max_size = 64 << 20;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_physical_optimizer_rules(physical_rules())
        .with_query_planner(Arc::new(FragmentQueryPlanner))
        .with_physical_optimizer_rule(Arc::new(GrantBindFilters))
        .with_physical_optimizer_rule(Arc::new(YieldAfterJoins))
        .build();
    for function in letter_case::functions() {
        state.register_udf(Arc::new(function))?;
    }
    // Files and streams of DataFusion's own are no sources of this gateway.
    for factory in ["CSV", "JSON", "NDJSON", "PARQUET", "AVRO", "ARROW", "STREAM"] {
        state.table_factories_mut().remove(factory);
    }
    Ok(state)
}

/// DataFusion's physical rules without the one that merges filters: it would mix a condition of the caller with the row rule below it,
/// and evaluate both on rows that the rule takes away. Nothing else is lost: filters have reached the sources long before.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    PhysicalOptimizer::new().rules.into_iter().filter(|rule| rule.name() != "FilterPushdown").collect()
}
