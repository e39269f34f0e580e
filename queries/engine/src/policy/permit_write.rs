//! Applies policy to writes: the right to write at all, the columns that may be given, the rows that may be touched and the rows that
//! may come out of it. A [`PermittedWrite`] can be made nowhere else.

use crate::error::EngineError;
use crate::policy::access::WriteRight;
use crate::policy::expression::schema_of;
use crate::policy::permit::Policy;
use crate::policy::possible;
use crate::policy::rights::TableRights;
use crate::pushdown::translate::Translation;
use crate::write::hold;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr as PlanExpr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use portico_catalog::{Column, IfMatch, Origin, VirtualTable, Writing};
use portico_odata::{BoundWrite, MatchCondition, WriteAction};
use portico_provider_api::{Capabilities, Expr, TableRelation, Value};
use std::sync::Arc;

/// A write to which policy has been applied.
pub struct PermittedWrite {
    pub(crate) table: Arc<VirtualTable>,
    pub(crate) source: String,
    pub(crate) relation: TableRelation,
    pub(crate) version: Option<usize>,
    pub(crate) action: WriteAction,
    /// Which rows may be touched, over the relation's columns.
    pub(crate) visible: Option<Expr>,
    /// What a row must satisfy after the write.
    pub(crate) require: Option<Expr>,
    /// Whether that says of which derived type the row must be.
    pub(crate) typed: bool,
    /// What the new values were made of: columns of the relation that must still hold these values.
    pub(crate) expected: Vec<(usize, Value)>,
    /// What the source can evaluate.
    pub(crate) capabilities: Arc<Capabilities>,
    /// How rows of the table are written.
    pub(crate) writing: Writing,
    /// Which of the conditions the source checks in the step that writes.
    pub(crate) at_source: AtSource,
    /// What is returned of the entity.
    pub(crate) select: Vec<usize>,
    pub(crate) service: String,
    pub(crate) model_version: String,
}

/// Which conditions the source checks in the step that writes; the others are checked here, on a state that is held until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AtSource {
    /// Which rows may be touched.
    pub(crate) visible: bool,
    /// What must hold of the new row.
    pub(crate) require: bool,
}

impl PermittedWrite {
    /// Demands that columns (of the virtual table) still hold what the new values were made of.
    pub(crate) fn expecting(mut self, values: impl Iterator<Item = (usize, Value)>) -> PermittedWrite {
        let table = &self.table;
        self.expected = values.filter_map(|(index, value)| Some((table.columns.get(index)?.remote, value))).collect();
        self
    }
}

/// Applies the caller's rights to a write.
///
/// # Errors
/// `Forbidden`, `Invalid`, `Unsupported`, `PreconditionRequired`.
pub fn permit_write(write: &BoundWrite, service: &str, if_match: IfMatch, policy: &Policy<'_>) -> Result<PermittedWrite, EngineError> {
    let unknown = || EngineError::UnknownName { message: format!("there is no table '{}'", write.table), suggestion: None };
    let rights = policy.rights.tables.get(&write.table).ok_or_else(unknown)?;
    let table = &rights.table;
    let Origin::Single { source, relation, window, version, writing } = &table.origin else {
        return Err(EngineError::Unsupported(format!("'{}' is a view and cannot be written to", table.name)));
    };
    if !writing.any() {
        return Err(EngineError::Unsupported(format!("'{}' cannot be written to: its source does not allow it", table.name)));
    }
    let (right, verb, able) = match &write.action {
        WriteAction::Insert { .. } => (WriteRight::Insert, "insert into", writing.able.insert),
        WriteAction::Update { .. } => (WriteRight::Update, "update", writing.able.update),
        WriteAction::Delete { .. } => (WriteRight::Delete, "delete from", writing.able.delete),
    };
    if !able {
        return Err(EngineError::Unsupported(format!("one cannot {verb} '{}': its source does not allow it", table.name)));
    }
    if !rights.may(right) {
        return Err(EngineError::Forbidden(format!("you may not {verb} '{}'", table.name)));
    }
    match &write.action {
        WriteAction::Insert { values } => {
            check_insert(table, rights, values)?;
            possible::check_key(table, values)?;
        }
        WriteAction::Update { values, condition, .. } => {
            check_columns(table, rights, values)?;
            check_condition(table, if_match, condition)?;
        }
        WriteAction::Delete { condition, .. } => check_condition(table, if_match, condition)?,
    }
    let rows = Expr::all(
        window_condition(policy, table, relation, window.as_deref())?.into_iter().chain(row_condition(policy, rights, relation, right)?),
    );
    let of_type = type_condition(table, &write.action);
    let deletes = right == WriteRight::Delete;
    let unknown_source = || EngineError::Internal(format!("the model does not know the source '{source}'"));
    let capabilities = Arc::clone(&policy.model.sources.get(source).ok_or_else(unknown_source)?.capabilities);
    let require = if deletes { None } else { Expr::all(rows.iter().cloned().chain(of_type.clone())) };
    let kept = |able: bool, condition: &Option<Expr>| able && condition.as_ref().is_none_or(|rule| capabilities.is_kept(rule, relation));
    let at_source = AtSource { visible: kept(writing.able.visible, &rows), require: kept(writing.able.require, &require) };
    let permitted = PermittedWrite {
        table: Arc::clone(table),
        source: source.clone(),
        relation: relation.clone(),
        version: *version,
        action: write.action.clone(),
        visible: rows,
        typed: of_type.is_some(),
        require,
        expected: Vec::new(),
        capabilities,
        writing: *writing,
        at_source,
        select: write.select.clone(),
        service: service.to_owned(),
        model_version: policy.model.version.clone(),
    };
    hold::hold(&permitted)?;
    Ok(permitted)
}

/// The row that comes out of a write must be of the derived types whose properties it is given.
fn type_condition(table: &VirtualTable, action: &WriteAction) -> Option<Expr> {
    let derivation = table.overlay.derivation.as_ref()?;
    let (WriteAction::Insert { values } | WriteAction::Update { values, .. }) = action else { return None };
    let discriminator = Expr::Column(table.columns.get(derivation.discriminator)?.remote);
    let owners = values.iter().filter(|(_, value)| !value.is_null()).filter_map(|(index, _)| derivation.owner(*index));
    let conditions = owners.map(|owner| Expr::InList {
        expr: Box::new(discriminator.clone()),
        list: derivation.values(&owner.name).into_iter().map(Expr::Literal).collect(),
        negated: false,
    });
    Expr::all(conditions)
}

fn check_condition(table: &VirtualTable, if_match: IfMatch, condition: &MatchCondition) -> Result<(), EngineError> {
    match (if_match, condition) {
        (IfMatch::Required, MatchCondition::Absent) => Err(EngineError::PreconditionRequired(format!(
            "a change of '{}' must say which state it means: send If-Match with the entity's ETag, or * for any",
            table.name
        ))),
        _ => Ok(()),
    }
}

fn column_of(table: &VirtualTable, index: usize) -> Result<&Column, EngineError> {
    table.columns.get(index).ok_or_else(|| EngineError::Internal("a bound column is not in its table".to_owned()))
}

fn check_columns(table: &VirtualTable, rights: &TableRights, values: &[(usize, Value)]) -> Result<(), EngineError> {
    for (index, _) in values {
        let column = column_of(table, *index)?;
        if !rights.columns.contains(index) {
            return Err(EngineError::UnknownName { message: format!("there is no property '{}'", column.name), suggestion: None });
        }
        if rights.is_treated(*index) {
            // What a caller sees masked it would write back masked.
            return Err(EngineError::Forbidden(format!("you may not write '{}'", column.name)));
        }
    }
    Ok(())
}

fn check_insert(table: &VirtualTable, rights: &TableRights, values: &[(usize, Value)]) -> Result<(), EngineError> {
    check_columns(table, rights, values)?;
    for (index, _) in values {
        let column = column_of(table, *index)?;
        if column.generated || column.read_only {
            let who = if column.generated { "made by the source" } else { "read-only" };
            return Err(EngineError::Invalid(format!("'{}' is {who} and cannot be given", column.name)));
        }
    }
    let given = |index: usize| values.iter().any(|(given, _)| *given == index);
    let missing = table
        .columns
        .iter()
        .enumerate()
        .find(|(index, column)| !column.nullable && !column.has_default && !column.generated && !column.read_only && !given(*index));
    match missing {
        // A column that is hidden is not named either.
        Some((index, _)) if !rights.columns.contains(&index) => {
            Err(EngineError::Forbidden(format!("you may not insert into '{}': your rights lack a mandatory column", table.name)))
        }
        Some((_, column)) => Err(EngineError::Invalid(format!("'{}' is mandatory and is not given", column.name))),
        None => Ok(()),
    }
}

fn window_condition(
    policy: &Policy<'_>,
    table: &VirtualTable,
    relation: &TableRelation,
    window: Option<&str>,
) -> Result<Option<Expr>, EngineError> {
    let Some(window) = window else { return Ok(None) };
    let fields = (0..relation.columns.len()).map(Expr::Column).collect::<Vec<_>>();
    let schema = schema_of(&table.name, &relation.columns)?;
    let planned = policy.plan_expression(window, &schema)?;
    translated(&planned, &schema, &fields, relation, &table.name).map(Some)
}

/// The rows that some role lets the caller write; `None` when one of them restricts nothing.
fn row_condition(
    policy: &Policy<'_>,
    rights: &TableRights,
    relation: &TableRelation,
    right: WriteRight,
) -> Result<Option<Expr>, EngineError> {
    let table = &rights.table;
    let schema = schema_of(&table.name, &table.published())?;
    let fields: Vec<Expr> = table.columns.iter().map(|column| Expr::Column(column.remote)).collect();
    let mut any: Option<PlanExpr> = None;
    for grant in rights.grants_for(right) {
        let Some(rule) = policy.row_rule(grant, &schema)? else { return Ok(None) };
        any = Some(any.map_or(rule.clone(), |all| all.or(rule)));
    }
    any.map(|rule| translated(&rule, &schema, &fields, relation, &table.name)).transpose()
}

fn translated(rule: &PlanExpr, schema: &DFSchema, fields: &[Expr], relation: &TableRelation, table: &str) -> Result<Expr, EngineError> {
    let context = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
    let simplifier = ExprSimplifier::new(context);
    let simple = simplifier.simplify(simplifier.coerce(rule.clone(), schema)?)?;
    let translation = Translation { schema, fields, columns: &relation.columns, source: "" };
    // A rule that cannot be said to a source cannot be checked on a row of it either.
    translation.whole(&simple).ok_or_else(|| {
        EngineError::Unsupported(format!(
            "'{table}' cannot be written to with your rights: a row rule on it cannot be checked when it is written"
        ))
    })
}
