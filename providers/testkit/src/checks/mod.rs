//! The checks, in the order in which they run. Each group has one name in the summary; a group that is declared and never executed
//! is a failure.

mod beyond;
mod blocks;
mod counts;
mod operations;
mod queries;
pub(crate) mod scan;
mod schema;
mod stable_order;
mod streams;
mod writes;

pub(crate) use beyond::{beyond, data_errors, missing_things};
pub(crate) use blocks::blocks;
pub(crate) use counts::counts;
pub(crate) use operations::operations;
pub(crate) use queries::{combined, distinct, filters, keys, limits, limits_per_key, orders, outputs};
pub(crate) use scan::{report, scan};
pub(crate) use schema::schema;
pub(crate) use stable_order::stable_order;
pub(crate) use streams::{cancellation, concurrency, deadline, describe, secrets};
pub(crate) use writes::writes;

/// Columns, types, keys and references are as created.
pub(crate) const SCHEMA: &str = "schema";
/// A full scan gives the rows that were loaded, in the promised types.
pub(crate) const SCAN: &str = "scan";
/// The report counts the rows, says complete, and comes at the end.
pub(crate) const REPORT: &str = "report";
/// Exact filters.
pub(crate) const FILTER: &str = "filter";
/// Inexact filters: supersets.
pub(crate) const INEXACT_FILTER: &str = "filter.inexact";
/// Projections and computed outputs.
pub(crate) const OUTPUT: &str = "output";
/// Distinct rows.
pub(crate) const DISTINCT: &str = "distinct";
/// Orders and the placement of nulls.
pub(crate) const ORDER: &str = "order";
/// Limit and offset.
pub(crate) const LIMIT: &str = "limit";
/// Parts of a table in the order that its source keeps.
pub(crate) const STABLE_ORDER: &str = "stable_order";
/// Key sets.
pub(crate) const KEYS: &str = "keys";
/// Limit per key.
pub(crate) const LIMIT_PER: &str = "limit_per";
/// The number of rows; only when filters and keys alone are right.
pub(crate) const COUNT: &str = "count";
/// All parts of a query together; only when each alone is right.
pub(crate) const COMBINED: &str = "combined";
/// Joins of every kind; it and the following only when the parts of a query of one table are right.
pub(crate) const JOIN: &str = "join";
/// Groups and aggregates.
pub(crate) const AGGREGATE: &str = "aggregate";
/// Blocks in the `from` of others.
pub(crate) const NESTED: &str = "nested";
/// All rows of several blocks.
pub(crate) const UNION: &str = "union";
/// Sub-queries in expressions.
pub(crate) const SUBQUERY: &str = "subquery";
/// Window functions.
pub(crate) const WINDOW: &str = "window";
/// Blocks of all kinds in each other; only when each kind alone is right.
pub(crate) const COMPOSED: &str = "composed";
/// What is not declared is refused.
pub(crate) const BEYOND: &str = "beyond";
/// Overflow and division by zero are errors, not values.
pub(crate) const DATA_ERROR: &str = "data_error";
/// Tables and columns that do not exist.
pub(crate) const SCHEMA_CHANGED: &str = "schema_changed";
/// `describe` shows what would be sent, without values.
pub(crate) const DESCRIBE: &str = "describe";
/// A dropped stream ends the query at the source.
pub(crate) const CANCELLATION: &str = "cancellation";
/// A deadline that has passed is kept.
pub(crate) const DEADLINE: &str = "deadline";
/// Queries at once.
pub(crate) const CONCURRENCY: &str = "concurrency";
/// No secret in any message.
pub(crate) const SECRETS: &str = "secrets";
/// New rows.
pub(crate) const WRITE_INSERT: &str = "write.insert";
/// Changes of rows; absent is not null.
pub(crate) const WRITE_UPDATE: &str = "write.update";
/// Update or insert.
pub(crate) const WRITE_UPSERT: &str = "write.upsert";
/// Removals.
pub(crate) const WRITE_DELETE: &str = "write.delete";
/// Stale versions change nothing.
pub(crate) const WRITE_PRECONDITION: &str = "write.precondition";
/// Missing and invisible rows.
pub(crate) const WRITE_NOT_FOUND: &str = "write.not_found";
/// Rules for the new image.
pub(crate) const WRITE_REQUIRE: &str = "write.require";
/// Broken constraints are typed.
pub(crate) const WRITE_CONSTRAINT: &str = "write.constraint";
/// All of a set or nothing.
pub(crate) const WRITE_ATOMICITY: &str = "write.atomicity";
/// Values taken from earlier changes of a set.
pub(crate) const WRITE_FROM_CHANGE: &str = "write.from_change";
/// Operations of the source's own: read from, invoked, and refused in a query where they may change something.
pub(crate) const OPERATIONS: &str = "operations";

/// Every check of a run is either executed or said not to apply: neither is a failure.
pub(crate) fn declared_but_not_executed(run: &mut crate::run::Run) {
    let all = [
        SCHEMA,
        SCAN,
        REPORT,
        FILTER,
        INEXACT_FILTER,
        OUTPUT,
        DISTINCT,
        ORDER,
        LIMIT,
        STABLE_ORDER,
        KEYS,
        LIMIT_PER,
        COUNT,
        COMBINED,
        JOIN,
        AGGREGATE,
        NESTED,
        UNION,
        SUBQUERY,
        WINDOW,
        COMPOSED,
        BEYOND,
        DATA_ERROR,
        SCHEMA_CHANGED,
        DESCRIBE,
        CANCELLATION,
        DEADLINE,
        CONCURRENCY,
        SECRETS,
        WRITE_INSERT,
        WRITE_UPDATE,
        WRITE_UPSERT,
        WRITE_DELETE,
        WRITE_PRECONDITION,
        WRITE_NOT_FOUND,
        WRITE_REQUIRE,
        WRITE_CONSTRAINT,
        WRITE_ATOMICITY,
        WRITE_FROM_CHANGE,
        OPERATIONS,
    ];
    for check in all {
        if !run.summary.executed.contains_key(check) && !run.summary.not_applicable.contains_key(check) {
            run.summary.fail(check, "was declared, and never executed", None);
        }
    }
}
