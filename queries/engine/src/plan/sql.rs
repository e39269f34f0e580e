//! SQL text to plans. Only SELECT (and EXPLAIN of one) gets through, whatever else the parser would understand.

use crate::error::EngineError;
use crate::plan::float_literals;
use crate::plan::names::Names;
use crate::plan::size;
use crate::policy::expression::parser_options;
use crate::statement::SqlStatement;
use crate::values::scalar_from_value;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParser, Statement as ParsedStatement};
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast;

/// Plans a statement; the second value says whether only its explanation is wanted.
///
/// # Errors
/// `Syntax`, `UnknownName`, `Invalid`, `ReadOnly`, `Unsupported`.
pub fn plan(session: &SessionState, names: &Names<'_>, statement: &SqlStatement) -> Result<(LogicalPlan, bool), EngineError> {
    let (query, explain) = match parse_one(&statement.text)? {
        ParsedStatement::Explain(wrapper) => {
            let query = *wrapper.statement;
            refuse_writes(&query)?;
            if wrapper.options.analyze {
                return Err(EngineError::Unsupported("EXPLAIN ANALYZE is not supported yet; EXPLAIN is".to_owned()));
            }
            (query, true)
        }
        other => (other, false),
    };
    let plan = plan_select(session, names, query)?;
    Ok((bind_parameters(plan, statement)?, explain))
}

/// Plans the SELECT of a view.
///
/// # Errors
/// As [`plan`].
pub fn select(session: &SessionState, names: &Names<'_>, text: &str) -> Result<LogicalPlan, EngineError> {
    plan_select(session, names, parse_one(text)?)
}

fn parse_one(text: &str) -> Result<ParsedStatement, EngineError> {
    size::check_text(text)?;
    let mut statements = DFParser::parse_sql(text).map_err(EngineError::from_datafusion)?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(EngineError::Syntax("there is no SQL statement".to_owned())),
        (Some(_), false) => Err(EngineError::Syntax("there is more than one SQL statement; send one at a time".to_owned())),
    }
}

fn plan_select(session: &SessionState, names: &Names<'_>, statement: ParsedStatement) -> Result<LogicalPlan, EngineError> {
    refuse_writes(&statement)?;
    if let ParsedStatement::Statement(inner) = &statement {
        size::check_written_out(inner)?;
    }
    let planner = SqlToRel::new_with_options(names, parser_options(session));
    let plan = planner.statement_to_plan(statement)?;
    ensure_read_only(&plan)?;
    float_literals::rewrite(plan)
}

/// Refuses by the text's own kind, so that nothing else is even planned.
fn refuse_writes(statement: &ParsedStatement) -> Result<(), EngineError> {
    match statement {
        ParsedStatement::Statement(inner) => match inner.as_ref() {
            ast::Statement::Query(_) => Ok(()),
            ast::Statement::Explain { .. } | ast::Statement::ExplainTable { .. } => {
                Err(EngineError::Unsupported("this form of EXPLAIN is not supported".to_owned()))
            }
            other => Err(EngineError::ReadOnly(first_words(&other.to_string()))),
        },
        ParsedStatement::CreateExternalTable(_) => Err(EngineError::ReadOnly("CREATE EXTERNAL TABLE".to_owned())),
        ParsedStatement::CopyTo(_) => Err(EngineError::ReadOnly("COPY".to_owned())),
        ParsedStatement::Reset(_) => Err(EngineError::ReadOnly("RESET".to_owned())),
        ParsedStatement::Explain(_) => Err(EngineError::Unsupported("EXPLAIN of EXPLAIN is not supported".to_owned())),
    }
}

/// The leading key words of a statement, which name its kind without repeating its values.
fn first_words(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_uppercase())).take(2).collect();
    if words.is_empty() { "this statement".to_owned() } else { words.join(" ") }
}

/// Refuses by the plan's nodes: a write may hide in a CTE or in `SELECT … INTO`.
///
/// # Errors
/// `ReadOnly`, naming the kind.
pub fn ensure_read_only(plan: &LogicalPlan) -> Result<(), EngineError> {
    let mut refused = None;
    plan.apply_with_subqueries(|node| {
        let kind = match node {
            LogicalPlan::Dml(dml) => Some(dml.op.to_string()),
            LogicalPlan::Ddl(ddl) => Some(ddl.name().to_owned()),
            LogicalPlan::Copy(_) => Some("COPY".to_owned()),
            LogicalPlan::Statement(statement) => Some(statement.name().to_owned()),
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_) => Some("a nested EXPLAIN".to_owned()),
            _ => None,
        };
        refused = refused.take().or(kind);
        Ok(TreeNodeRecursion::Continue)
    })?;
    refused.map_or(Ok(()), |kind| Err(EngineError::ReadOnly(kind)))
}

/// Puts values in the place of `$1`, `$2`, …; each is cast to the type that its place has.
fn bind_parameters(plan: LogicalPlan, statement: &SqlStatement) -> Result<LogicalPlan, EngineError> {
    let types = plan.get_parameter_types()?;
    if types.len() != statement.parameters.len() {
        return Err(EngineError::Invalid(format!(
            "the statement has {} parameters, but {} values were given",
            types.len(),
            statement.parameters.len()
        )));
    }
    if types.is_empty() {
        return Ok(plan);
    }
    let mut values = Vec::with_capacity(statement.parameters.len());
    for (index, value) in statement.parameters.iter().enumerate() {
        let scalar = scalar_from_value(value);
        let wanted = types.get(&format!("${}", index + 1)).cloned().flatten();
        values.push(match wanted {
            Some(data_type) => cast_parameter(&scalar, &data_type, index + 1)?,
            None => scalar,
        });
    }
    Ok(plan.with_param_values(values)?)
}

fn cast_parameter(value: &ScalarValue, to: &arrow::datatypes::DataType, number: usize) -> Result<ScalarValue, EngineError> {
    value.cast_to(to).map_err(|_| EngineError::Invalid(format!("the value of parameter ${number} cannot be taken as {to}")))
}
