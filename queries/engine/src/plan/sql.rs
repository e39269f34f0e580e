//! SQL text to plans. Only SELECT (and EXPLAIN of one) gets through, whatever else the parser would understand.

use crate::error::EngineError;
use crate::plan::float_literals;
use crate::plan::names::Names;
use crate::plan::parameters;
use crate::plan::size;
use crate::policy::expression::parser_options;
use crate::statement::SqlStatement;
use crate::values::scalar_from_value;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ScalarValue, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, ParserInput, Statement as ParsedStatement};
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;
use portico_provider_api::Value;

/// Plans a statement; the second value says whether only its explanation is wanted.
///
/// # Errors
/// `Syntax`, `UnknownName`, `Invalid`, `ReadOnly`, `Unsupported`.
pub fn plan(session: &SessionState, names: &Names<'_>, statement: &SqlStatement) -> Result<(LogicalPlan, bool), EngineError> {
    let (plan, explain) = plan_unbound(session, names, &statement.text)?;
    let types = parameters::types(&plan)?;
    Ok((parameters::bind(plan, &types, &statement.parameters)?, explain))
}

/// Plans a statement whose parameters stay parameters, for all values that fit their places as well as these.
///
/// # Errors
/// As [`plan`].
pub fn plan_shape(session: &SessionState, names: &Names<'_>, text: &str, values: &[Value]) -> Result<Option<ShapedStatement>, EngineError> {
    let (plan, explain) = plan_unbound(session, names, text)?;
    let types = parameters::types(&plan)?;
    let Some(values) = parameters::exact(values, &types).filter(|_| !explain) else { return Ok(None) };
    Ok(Some(ShapedStatement { plan: parameters::typed(plan, &types)?, types, values }))
}

/// A statement with parameters.
pub struct ShapedStatement {
    /// Its plan.
    pub plan: LogicalPlan,
    /// What its places take.
    pub types: Vec<Option<DataType>>,
    /// The values, as their places take them.
    pub values: Vec<Value>,
}

/// The types of a statement's parameters, as far as their places have one.
///
/// # Errors
/// As [`plan`].
pub fn parameter_types(session: &SessionState, names: &Names<'_>, text: &str) -> Result<Vec<Option<DataType>>, EngineError> {
    parameters::types(&plan_unbound(session, names, text)?.0)
}

fn plan_unbound(session: &SessionState, names: &Names<'_>, text: &str) -> Result<(LogicalPlan, bool), EngineError> {
    let (query, explain) = match parse_one(text)? {
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
    Ok((plan_select(session, names, query)?, explain))
}

/// Plans the SELECT of a view.
///
/// # Errors
/// As [`plan`].
pub fn select(session: &SessionState, names: &Names<'_>, text: &str) -> Result<LogicalPlan, EngineError> {
    let plan = plan_select(session, names, parse_one(text)?)?;
    if !parameters::types(&plan)?.is_empty() {
        return Err(EngineError::Invalid("a view has no parameters: nobody would give their values".to_owned()));
    }
    Ok(plan)
}

/// Plans the SELECT of a function, with a value for each `$name` in it. Values take their places as they are, with their own types.
///
/// # Errors
/// As [`plan`].
pub fn select_with(
    session: &SessionState,
    names: &Names<'_>,
    text: &str,
    arguments: &[(String, Value)],
) -> Result<LogicalPlan, EngineError> {
    size::check_text(text)?;
    let known: Vec<&str> = arguments.iter().map(|(name, _)| name.as_str()).collect();
    let (input, used) = parameters::named(text, &known)?;
    let plan = plan_select(session, names, only_one(input)?)?;
    if used.is_empty() {
        return Ok(plan);
    }
    let value = |name: &&str| arguments.iter().find(|(known, _)| known == name).map(|(_, value)| scalar_from_value(value));
    let values: Vec<ScalarValue> = used.iter().filter_map(value).collect();
    Ok(plan.with_param_values(values)?)
}

/// A statement of an action, with `$name` written `$n`, and the values in the order of those numbers.
///
/// # Errors
/// `Syntax`.
pub fn statement_with(text: &str, arguments: &[(String, Value)]) -> Result<(ast::Statement, Vec<ScalarValue>), EngineError> {
    size::check_text(text)?;
    let known: Vec<&str> = arguments.iter().map(|(name, _)| name.as_str()).collect();
    let (input, used) = parameters::named(text, &known)?;
    let ParsedStatement::Statement(statement) = only_one(input)? else {
        return Err(EngineError::Unsupported("an action is INSERT, UPDATE and DELETE, and a SELECT at the end".to_owned()));
    };
    let value = |name: &&str| arguments.iter().find(|(known, _)| known == name).map(|(_, value)| scalar_from_value(value));
    Ok((*statement, used.iter().filter_map(value).collect()))
}

/// Plans a SELECT that is parsed already, with values for its `$1`, `$2`, ….
///
/// # Errors
/// As [`plan`].
pub fn plan_parsed(
    session: &SessionState,
    names: &Names<'_>,
    query: ast::Query,
    values: &[ScalarValue],
) -> Result<LogicalPlan, EngineError> {
    let plan = plan_select(session, names, ParsedStatement::Statement(Box::new(ast::Statement::Query(Box::new(query)))))?;
    Ok(if values.is_empty() { plan } else { plan.with_param_values(values.to_vec())? })
}

fn parse_one(text: &str) -> Result<ParsedStatement, EngineError> {
    size::check_text(text)?;
    only_one(parameters::numbered(text)?)
}

/// The tables that a text names, as it writes them, without those that it defines itself; none of a text that cannot be read, which is
/// refused elsewhere.
pub fn named_tables(text: &str) -> Vec<Vec<String>> {
    let Ok(statement) = parse_one(text) else { return Vec::new() };
    let Ok((tables, _)) = resolve_table_references(&statement, false) else { return Vec::new() };
    let parts = |name: TableReference| {
        let parts = [name.catalog(), name.schema(), Some(name.table())];
        parts.into_iter().flatten().map(str::to_owned).collect()
    };
    tables.into_iter().map(parts).collect()
}

fn only_one(input: ParserInput<'_>) -> Result<ParsedStatement, EngineError> {
    let parser = DFParserBuilder::new(input).build();
    let mut statements = parser.and_then(|mut parser| parser.parse_statements()).map_err(EngineError::from_datafusion)?;
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
