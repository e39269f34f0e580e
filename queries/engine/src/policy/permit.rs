//! Applies policy to plans: every table that a caller's plan names is replaced by what the caller may see of it — the remote table
//! within its window, the rows that the rules allow, the columns masked — and every view by its SELECT with the caller's rights.
//! A [`PermittedPlan`] can be made nowhere else.

use crate::error::EngineError;
use crate::plan::names::Names;
use crate::plan::tables::{RemoteTable, VisibleTable, etag_columns};
use crate::plan::{Plan, PlanNode, Work, sql};
use crate::policy::access::Principal;
use crate::policy::barrier;
use crate::policy::expression::PolicyExpressions;
use crate::policy::rights::{Grant, Rights, TableRights, Treatment};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit, when};
use datafusion::scalar::ScalarValue;
use portico_catalog::{Model, Origin, VirtualTable};
use std::sync::Arc;
use std::time::SystemTime;

/// A plan to which policy has been applied: no node of it reads a table other than through the caller's rights.
pub struct PermittedPlan {
    plan: Plan,
}

impl PermittedPlan {
    /// What push-down cuts.
    pub(crate) fn into_plan(self) -> Plan {
        self.plan
    }
}

/// Applies the caller's rights to every node of a plan.
///
/// # Errors
/// `Forbidden`, or what is wrong with a rule or a view.
pub fn permit(plan: Plan, policy: &Policy<'_>) -> Result<PermittedPlan, EngineError> {
    let work = match plan.work {
        Work::New { node: PlanNode::Table { explain: false, .. } | PlanNode::Entities(_), .. } if policy.conceal_rules => {
            return Err(EngineError::Internal("only an explanation may leave rules out".to_owned()));
        }
        Work::New { node, shaping } => Work::New { node: node.try_map(&mut |plan| policy.apply(plan))?, shaping },
        // It was permitted when it was made, and its shape has the roles and attributes that it was permitted for.
        Work::Cut(kept) => Work::Cut(kept),
    };
    Ok(PermittedPlan { plan: Plan { work, ..plan } })
}

/// Policy for one caller.
pub struct Policy<'a> {
    /// DataFusion's session.
    pub session: &'a SessionState,
    /// The model.
    pub model: &'a Model,
    /// The caller's rights.
    pub rights: &'a Rights,
    /// The caller; absent when a definition is only checked.
    pub principal: Option<&'a Principal>,
    /// The instant of the request.
    pub now: SystemTime,
    /// Leaves row rules and masks out, for an explanation that must not show them. Such a plan is never run.
    pub conceal_rules: bool,
}

impl Policy<'_> {
    fn expressions(&self) -> PolicyExpressions<'_> {
        PolicyExpressions::new(self.session, self.model, self.principal, self.now)
    }

    /// Plans an expression of policy over a schema.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn plan_expression(&self, sql: &str, schema: &DFSchema) -> Result<Expr, EngineError> {
        self.expressions().plan(sql, schema)
    }

    /// Replaces every visible table of a plan, those in sub-queries included, and makes sure that none is left.
    ///
    /// # Errors
    /// What is wrong with a rule, mask, window or view.
    pub fn apply(&self, plan: LogicalPlan) -> Result<LogicalPlan, EngineError> {
        let mut failure = None;
        let replaced = plan.transform_up_with_subqueries(|node| {
            let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
            let Some(visible) = scan.source.downcast_ref::<VisibleTable>() else { return Ok(Transformed::no(node)) };
            match self.permitted_table(&scan.table_name, visible) {
                Ok(permitted) => Ok(Transformed::yes(permitted)),
                Err(error) => {
                    failure = Some(error);
                    Ok(Transformed::new(node, false, TreeNodeRecursion::Stop))
                }
            }
        })?;
        match failure {
            Some(error) => Err(error),
            None => {
                ensure_permitted(&replaced.data)?;
                Ok(replaced.data)
            }
        }
    }

    fn permitted_table(&self, name: &TableReference, visible: &VisibleTable) -> Result<LogicalPlan, EngineError> {
        let rights = &visible.rights;
        let published = self.published(name, &rights.table, visible.with_etag)?;
        let schema = Arc::clone(published.schema());
        let rules = rights.grants.iter().map(|grant| self.row_rule(grant, &schema)).collect::<Result<Vec<_>, _>>()?;
        let mut builder = LogicalPlanBuilder::from(published);
        // With one role that restricts nothing there is nothing to restrict.
        if let Some(allowed) = rules.iter().cloned().collect::<Option<Vec<Expr>>>()
            && let Some(any) = allowed.into_iter().reduce(Expr::or)
        {
            builder = builder.filter(barrier::marked(any))?;
        }
        let mut output = Vec::with_capacity(rights.columns.len() + 1);
        for index in &rights.columns {
            let column = &rights.table.columns[*index];
            let value = self.treated(*index, rights, &rules, &schema)?;
            output.push(value.alias_qualified(Some(name.clone()), &column.name));
        }
        if visible.with_etag {
            let made_of = etag_columns(&rights.table).into_iter();
            output.extend(made_of.map(|(column, _, _)| Expr::Column(Column::new(Some(name.clone()), column))));
        }
        Ok(builder.project(output)?.build()?)
    }

    /// A role's row rule over the published columns; `None` when it restricts nothing.
    pub(crate) fn row_rule(&self, grant: &Grant, schema: &DFSchema) -> Result<Option<Expr>, EngineError> {
        let rule = grant.rows.as_ref().filter(|_| !self.conceal_rules);
        rule.map(|sql| self.expressions().plan(sql, schema)).transpose()
    }

    /// The value of a column as the caller may see it. When roles treat it differently, each row is seen as the most generous of
    /// the roles that grant that row sees it.
    fn treated(&self, index: usize, rights: &TableRights, rules: &[Option<Expr>], schema: &DFSchema) -> Result<Expr, EngineError> {
        let column = &rights.table.columns[index];
        let plain = Expr::Column(Column::from(schema.qualified_field_with_unqualified_name(&column.name)?));
        if !rights.is_treated(index) || self.conceal_rules {
            return Ok(plain);
        }
        let data_type = column.scalar_type.arrow();
        let null = lit(ScalarValue::try_from(&data_type)?);
        let mut seen = Vec::with_capacity(rights.grants.len());
        for (grant, rule) in rights.grants.iter().zip(rules) {
            let (order, value) = match grant.columns.get(&index) {
                None => (0, plain.clone()),
                Some(Treatment::Masked(sql)) => (1, cast(self.expressions().plan(sql, schema)?, data_type.clone())),
                Some(Treatment::Hidden) => (2, null.clone()),
            };
            seen.push((order, value, rule.clone()));
        }
        seen.sort_by_key(|(order, _, _)| *order);
        let mut value = null;
        for (_, this, rule) in seen.into_iter().rev() {
            value = match rule {
                None => this,
                Some(rule) => when(rule, this).otherwise(value)?,
            };
        }
        Ok(value)
    }

    /// The table with all its published columns, within its window; qualified by the name under which the plan knows it.
    pub(crate) fn published(&self, name: &TableReference, table: &Arc<VirtualTable>, with_etag: bool) -> Result<LogicalPlan, EngineError> {
        match &table.origin {
            Origin::Single { source, relation, window, .. } => {
                let remote = Arc::new(RemoteTable::new(source, Arc::clone(table), relation.clone()));
                let mut builder = LogicalPlanBuilder::scan(name.clone(), remote, None)?;
                if let Some(window) = window {
                    let condition = self.expressions().plan(window, builder.schema())?;
                    builder = builder.filter(barrier::marked(condition))?;
                }
                let raw = Arc::clone(builder.schema());
                let at = |position: usize| Expr::Column(Column::from(raw.qualified_field(position)));
                let mut output: Vec<Expr> =
                    table.columns.iter().map(|column| at(column.remote).alias_qualified(Some(name.clone()), &column.name)).collect();
                if with_etag {
                    let made_of = etag_columns(table).into_iter();
                    output.extend(made_of.map(|(column, position, _)| at(position).alias_qualified(Some(name.clone()), column)));
                }
                Ok(builder.project(output)?.build()?)
            }
            Origin::Query { sql: text } => self.view(name, table, text),
        }
    }

    /// A view's SELECT with the caller's rights, its columns under the published names and types.
    fn view(&self, name: &TableReference, table: &VirtualTable, text: &str) -> Result<LogicalPlan, EngineError> {
        let names = Names::new(self.session, self.model, self.rights, self.now);
        let inner = sql::select(self.session, &names, text).map_err(|error| match error {
            EngineError::UnknownName { message, .. } => {
                EngineError::Forbidden(format!("'{}' cannot be read with your rights: {message}", table.name))
            }
            other => other,
        })?;
        let inner = self.apply(inner)?;
        if inner.schema().fields().len() != table.columns.len() {
            // Its SELECT has a `*`, and the caller does not see all that it stood for when the view was published.
            return Err(EngineError::Forbidden(format!(
                "'{}' cannot be read with your rights: it has columns that you may not see",
                table.name
            )));
        }
        let mut output = Vec::with_capacity(table.columns.len());
        for (position, column) in table.columns.iter().enumerate() {
            let value = Expr::Column(Column::from(inner.schema().qualified_field(position)));
            let value = value.cast_to(&column.scalar_type.arrow(), inner.schema())?;
            output.push(value.alias_qualified(Some(name.clone()), &column.name));
        }
        Ok(LogicalPlanBuilder::from(inner).project(output)?.build()?)
    }
}

/// The last word: a plan that still names a table directly does not pass.
fn ensure_permitted(plan: &LogicalPlan) -> Result<(), EngineError> {
    let mut left = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && !scan.source.is::<RemoteTable>()
        {
            left = true;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if left { Err(EngineError::Internal("a table of the plan was not subjected to policy".to_owned())) } else { Ok(()) }
}
