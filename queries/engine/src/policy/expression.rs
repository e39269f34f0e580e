//! The SQL expressions of policy and windows: parsed, the caller's attributes put in as literals, and planned over a schema. They
//! cannot read tables.

use crate::error::EngineError;
use crate::plan::float_literals;
use crate::plan::names::Names;
use crate::policy::access::{Attribute, Principal};
use crate::policy::rights::Rights;
use datafusion::common::{DFSchema, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::sql::parser::DFParserBuilder;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use portico_catalog::Model;
use portico_provider_api::TableColumn;
use std::ops::ControlFlow;
use std::time::SystemTime;

/// Plans expressions of policy for one caller, or, without a caller, for a check.
#[derive(Clone, Copy)]
pub struct PolicyExpressions<'a> {
    session: &'a SessionState,
    model: &'a Model,
    principal: Option<&'a Principal>,
    now: SystemTime,
}

impl<'a> PolicyExpressions<'a> {
    /// For a caller; `None` takes every attribute for null, which is enough to check names and types.
    pub fn new(session: &'a SessionState, model: &'a Model, principal: Option<&'a Principal>, now: SystemTime) -> PolicyExpressions<'a> {
        PolicyExpressions { session, model, principal, now }
    }

    /// Plans an expression over the columns of a schema.
    ///
    /// # Errors
    /// `Syntax`, `UnknownName`, `Invalid`; `Forbidden` when the caller lacks an attribute that the expression needs.
    pub fn plan(&self, sql: &str, schema: &DFSchema) -> Result<Expr, EngineError> {
        let mut parser = DFParserBuilder::new(sql).build().map_err(EngineError::from_datafusion)?;
        let mut expression = parser.parse_expr().map_err(EngineError::from_datafusion)?.expr;
        let mut attributes = PutAttributes { principal: self.principal, failure: None };
        let _ = expression.visit(&mut attributes);
        if let Some(failure) = attributes.failure {
            return Err(failure);
        }
        // No table resolves, so a sub-query cannot look past the caller's rights.
        let nothing = Rights::default();
        let names = Names::new(self.session, self.model, &nothing, self.now);
        let planner = SqlToRel::new_with_options(&names, parser_options(self.session));
        let planned = planner.sql_to_expr(expression, schema, &mut PlannerContext::new())?;
        float_literals::rewrite_expression(planned, schema)
    }
}

/// The schema of these columns under a table's name, over which the table's expressions are planned.
///
/// # Errors
/// When two columns have one name.
pub fn schema_of(name: &str, columns: &[TableColumn]) -> Result<DFSchema, EngineError> {
    let fields: Vec<_> = columns.iter().map(|column| column.scalar_type.field(&column.name, column.nullable)).collect();
    Ok(DFSchema::try_from_qualified_schema(TableReference::bare(name), &arrow::datatypes::Schema::new(fields))?)
}

/// The parser options of the session.
pub fn parser_options(session: &SessionState) -> ParserOptions {
    ParserOptions::from(&session.config_options().sql_parser)
}

/// Replaces `principal.NAME` by the caller's attribute; in an `IN` list, by all its values.
struct PutAttributes<'a> {
    principal: Option<&'a Principal>,
    failure: Option<EngineError>,
}

/// The attribute that an expression names, if it does.
fn attribute_name(expression: &ast::Expr) -> Option<&str> {
    match expression {
        ast::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [first, second] if first.value == "principal" => Some(&second.value),
            _ => None,
        },
        _ => None,
    }
}

fn literal(attribute: &Attribute) -> Option<ast::Expr> {
    let value = match attribute {
        Attribute::Boolean(value) => ast::Value::Boolean(*value),
        Attribute::Integer(value) => ast::Value::Number(value.to_string(), false),
        Attribute::Text(text) => ast::Value::SingleQuotedString(text.clone()),
        Attribute::List(_) => return None,
    };
    Some(ast::Expr::Value(value.into()))
}

impl PutAttributes<'_> {
    fn values(&mut self, name: &str) -> Vec<ast::Expr> {
        let Some(principal) = self.principal else { return vec![ast::Expr::Value(ast::Value::Null.into())] };
        match principal.attributes.get(name) {
            Some(Attribute::List(values)) => values.iter().filter_map(literal).collect(),
            Some(single) => literal(single).into_iter().collect(),
            None => {
                self.failure =
                    Some(EngineError::Forbidden(format!("your credentials lack the attribute '{name}', which decides what you may see")));
                Vec::new()
            }
        }
    }
}

impl VisitorMut for PutAttributes<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::InList { list, .. } = expression {
            let old = std::mem::take(list);
            for item in old {
                match attribute_name(&item).map(str::to_owned) {
                    Some(name) => {
                        let values = self.values(&name);
                        list.extend(values);
                    }
                    None => list.push(item),
                }
            }
            if list.is_empty() {
                // An attribute without values matches nothing.
                list.push(ast::Expr::Value(ast::Value::Null.into()));
            }
        }
        if let Some(name) = attribute_name(expression).map(str::to_owned) {
            let mut values = self.values(&name);
            match (values.pop(), values.is_empty()) {
                (Some(single), true) => *expression = single,
                (None, _) if self.failure.is_some() => {}
                _ => {
                    self.failure =
                        Some(EngineError::Invalid(format!("the attribute '{name}' is a list: use it as `column IN (principal.{name})`")));
                }
            }
        }
        if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
