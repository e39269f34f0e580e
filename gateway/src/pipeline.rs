//! The request path: one function for reads, one for writes and one for actions, every stage one line, in this order, by these names. The
//! same names are the tracing spans, the metric labels and the `Server-Timing` entries.
//!
//! A protocol brings the first stage and the last: what it was asked, and how it answers. All between is the same for all of them.
//! Both return when the first rows are there; what streams after that is pulled by the client through the response.

use crate::error::RequestError;
use crate::telemetry::{Stage, Trace};
use portico_catalog::ModelView;
use portico_engine::{ActionAnswer, Answer, Engine, RequestContext, Statement, WriteAnswer};
use portico_odata::{BoundAction, BoundWrite};

/// Runs a read.
///
/// # Errors
/// Of the first stage that fails.
pub async fn read<R>(
    engine: &Engine,
    context: &RequestContext,
    trace: &Trace,
    parse: impl FnOnce() -> Result<Statement, RequestError>,
    encode: impl FnOnce(Answer) -> Result<R, RequestError>,
) -> Result<R, RequestError> {
    let principal = &context.principal;
    let statement = trace.stage(Stage::Parse, parse)?;
    let plan = trace.stage(Stage::Plan, || engine.plan(&statement, principal))?;
    let permitted = trace.stage(Stage::Policy, || engine.permit(plan, principal))?;
    let pushed = trace.stage(Stage::PushDown, || engine.push_down(permitted))?;
    let answer = trace.stage_waiting(Stage::Execute, engine.execute(pushed, context)).await?;
    trace.stage(Stage::Encode, || encode(answer))
}

/// Runs a write. It is not planned: a bound write goes through policy to the write side of its source.
///
/// # Errors
/// Of the first stage that fails.
pub async fn write<R>(
    engine: &Engine,
    context: &RequestContext,
    trace: &Trace,
    view: &ModelView,
    parse: impl FnOnce() -> Result<BoundWrite, RequestError>,
    encode: impl FnOnce(WriteAnswer) -> Result<R, RequestError>,
) -> Result<R, RequestError> {
    let principal = &context.principal;
    let write = trace.stage(Stage::Parse, parse)?;
    let permitted = trace.stage(Stage::Policy, || engine.permit_write(&write, view, principal))?;
    let answer = trace.stage_waiting(Stage::Execute, engine.write(permitted, context)).await?;
    trace.stage(Stage::Encode, || encode(answer))
}

/// Runs an action: its writes pass policy one by one and go to the write side of their source as one. What it returns is then a read.
///
/// # Errors
/// Of the first stage that fails.
pub async fn act(
    engine: &Engine,
    context: &RequestContext,
    trace: &Trace,
    view: &ModelView,
    parse: impl FnOnce() -> Result<BoundAction, RequestError>,
) -> Result<ActionAnswer, RequestError> {
    let action = trace.stage(Stage::Parse, parse)?;
    let prepared = trace.stage_waiting(Stage::Policy, engine.prepare_action(&action, view, context)).await?;
    Ok(trace.stage_waiting(Stage::Execute, engine.run_action(prepared, context)).await?)
}
