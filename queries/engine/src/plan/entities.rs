//! Bound OData queries to plans: a tree with the root query, an optional count, and one child per expanded relationship. A child
//! is planned once; at run time its key slot is filled with the keys of each chunk of parents.

use crate::error::EngineError;
use crate::plan::key_set::{KeySetFunction, KeySlot};
use crate::plan::rows::{Evaluator, Rows, relationship_of};
use crate::plan::seek::{self, OrderKey};
use crate::plan::tables::etag_columns;
use crate::policy::{Rights, TableRights, WriteRight};
use crate::statement::EntityRead;
use datafusion::common::Column;
use datafusion::execution::session_state::SessionState;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, SortExpr, lit};
use portico_catalog::{Origin, Relationship, Service, VirtualTable};
use portico_odata::bound::Via;
use portico_odata::{
    BoundExpand, BoundExpr, BoundQuery, ComparisonOperator, EntityShape, ExpandForm, ExpandShape, PropertyShape, ReadKind,
};
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A plan for an OData read.
pub(crate) struct EntityPlan {
    pub kind: ReadKind,
    /// For `Customers(1)/Orders`: gives the customer's link columns, with which the root's slot is filled.
    pub via: Option<ViaPlan>,
    pub root: EntityNode,
    /// Counts what the root yields without paging.
    pub count: Option<LogicalPlan>,
    /// Entities per page at most; zero means no paging.
    pub page_size: u64,
    pub shape: EntityShape,
}

/// The row from which a relationship is followed.
pub(crate) struct ViaPlan {
    pub plan: LogicalPlan,
    pub slot: KeySlot,
    /// Types of the link columns on the far side.
    pub key_types: Vec<ScalarType>,
    pub table: String,
}

/// The query of one level.
pub(crate) struct EntityNode {
    pub table: Arc<VirtualTable>,
    pub plan: LogicalPlan,
    /// Positions in the batch of the sort keys, then of the entity key: what a continuation holds.
    pub position_columns: Vec<usize>,
    /// What the ETag is made of.
    pub etag: Option<EtagColumns>,
    pub children: Vec<EntityChild>,
}

/// Where in a batch the columns are that the ETag is made of; the ETag itself is appended as the last column.
pub(crate) struct EtagColumns {
    pub columns: Vec<usize>,
    /// Whether they are the whole row, to be hashed; otherwise there is one, the row version.
    pub whole_row: bool,
}

/// An expanded relationship.
pub(crate) struct EntityChild {
    pub name: String,
    pub many: bool,
    /// Positions in the parent's batch of its link columns.
    pub parent_keys: Vec<usize>,
    /// Positions in the child's batch of its link columns, in the same order.
    pub child_keys: Vec<usize>,
    /// Types of the child's link columns.
    pub key_types: Vec<ScalarType>,
    pub slot: KeySlot,
    pub node: EntityNode,
    /// Children of one parent to leave out, and to keep at most.
    pub skip: u64,
    pub top: Option<u64>,
    /// Whether each parent's number of children is wanted.
    pub count: bool,
}

impl EntityPlan {
    /// The same plan with every query replaced.
    pub(crate) fn try_map(self, map: &mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan, EngineError>) -> Result<EntityPlan, EngineError> {
        Ok(EntityPlan {
            via: self.via.map(|via| Ok::<_, EngineError>(ViaPlan { plan: map(via.plan)?, ..via })).transpose()?,
            root: self.root.try_map(map)?,
            count: self.count.map(&mut *map).transpose()?,
            ..self
        })
    }
}

impl EntityNode {
    fn try_map(self, map: &mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan, EngineError>) -> Result<EntityNode, EngineError> {
        let plan = map(self.plan)?;
        let children = self
            .children
            .into_iter()
            .map(|child| Ok(EntityChild { node: child.node.try_map(map)?, ..child }))
            .collect::<Result<Vec<_>, EngineError>>()?;
        Ok(EntityNode { plan, children, ..self })
    }
}

/// Plans OData reads for one caller.
pub(crate) struct EntityPlanner<'a> {
    pub session: &'a SessionState,
    pub rights: &'a Rights,
    pub service: &'a Service,
    pub now: SystemTime,
}

/// What a level is restricted by, besides its own options.
#[derive(Default)]
struct Restriction {
    /// Columns whose values are put into the slot.
    keys: Option<(Vec<usize>, KeySlot)>,
    page_size: u64,
    position: Option<Vec<Value>>,
    counted: bool,
    /// The level is a child: its rows are cut per parent, not as a whole.
    nested: bool,
}

impl EntityPlanner<'_> {
    /// Plans a read.
    ///
    /// # Errors
    /// `UnknownName`, `Invalid`.
    pub(crate) fn plan(&self, read: &EntityRead) -> Result<EntityPlan, EngineError> {
        let mut position = read.paging.position.clone();
        if !is_timed(&read.read.query) {
            return self.planned(read, position);
        }
        // Rows are sorted by the time that has passed: every page is of the instant of the first, which the continuation holds.
        let instant = match position.as_mut().map(Vec::pop) {
            None => return self.planned(read, position),
            Some(Some(Value::TimestampTz(micros))) => u64::try_from(micros).ok(),
            Some(_) => None,
        };
        let since = instant.map(Duration::from_micros);
        let since = since.ok_or_else(|| EngineError::Invalid("the continuation does not belong to this query".to_owned()))?;
        EntityPlanner { now: UNIX_EPOCH + since, ..*self }.planned(read, position)
    }

    fn planned(&self, read: &EntityRead, position: Option<Vec<Value>>) -> Result<EntityPlan, EngineError> {
        let query = &read.read.query;
        let via = query.via.as_ref().map(|via| self.via(via)).transpose()?;
        let keys = via.as_ref().map(|(columns, plan)| (columns.clone(), plan.slot.clone()));
        let single = read.read.kind == ReadKind::Entity;
        let restriction = Restriction {
            keys,
            page_size: if single { 0 } else { read.paging.size },
            position,
            counted: read.read.kind == ReadKind::Count,
            nested: false,
        };
        let count = (query.count || restriction.counted).then(|| self.count(query, &restriction)).transpose()?;
        let (root, shape) = self.node(query, restriction)?;
        Ok(EntityPlan {
            kind: read.read.kind,
            via: via.map(|(_, plan)| plan),
            root,
            count,
            page_size: if single { 0 } else { read.paging.size },
            shape,
        })
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator { session: self.session, rights: self.rights, now: self.now }
    }

    fn rights_on(&self, table: &str) -> Result<&Arc<TableRights>, EngineError> {
        // The binder saw only what the caller may see, so this names nothing new.
        let found = self.rights.tables.get(table);
        found.ok_or_else(|| EngineError::UnknownName { message: format!("there is no table '{table}'"), suggestion: None })
    }

    /// The link columns on the far side, and the query for their values on the near side.
    fn via(&self, via: &Via) -> Result<(Vec<usize>, ViaPlan), EngineError> {
        let rights = self.rights_on(&via.table)?;
        let table = &rights.table;
        let relationship = relationship_of(table, via.relationship)?;
        let rows = Rows::scan(&self.evaluator(), rights, false)?.filter(&self.evaluator(), &key_condition(table, &via.key)?)?;
        let columns: Vec<Expr> = relationship.on.iter().map(|(own, _)| rows.column(*own)).collect::<Result<_, _>>()?;
        let plan = rows.builder.project(columns)?.build()?;
        let far: Vec<usize> = relationship.on.iter().map(|(_, theirs)| *theirs).collect();
        let other = &self.rights_on(&relationship.to)?.table;
        let key_types = far.iter().filter_map(|index| other.columns.get(*index)).map(|column| column.scalar_type).collect();
        Ok((far, ViaPlan { plan, slot: KeySlot::new(), key_types, table: via.table.clone() }))
    }

    /// The rows of a level before order and paging: key, slot, `$filter`.
    fn filtered(&self, query: &BoundQuery, restriction: &Restriction, with_etag: bool) -> Result<Rows, EngineError> {
        let rights = self.rights_on(&query.table)?;
        let evaluator = self.evaluator();
        let mut rows = Rows::scan(&evaluator, rights, with_etag)?;
        if let Some((columns, slot)) = &restriction.keys {
            let function = ScalarUDF::from(KeySetFunction::new(slot.clone(), columns.len()));
            let arguments = columns.iter().map(|index| rows.column(*index)).collect::<Result<Vec<_>, _>>()?;
            rows.builder = rows.builder.filter(function.call(arguments))?;
        }
        if let Some(key) = &query.key {
            rows = rows.filter(&evaluator, &key_condition(&rights.table, key)?)?;
        }
        match &query.filter {
            Some(filter) => rows.filter(&evaluator, filter),
            None => Ok(rows),
        }
    }

    fn count(&self, query: &BoundQuery, restriction: &Restriction) -> Result<LogicalPlan, EngineError> {
        let rows = self.filtered(query, restriction, false)?;
        Ok(rows.builder.aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64))])?.build()?)
    }

    fn node(&self, query: &BoundQuery, restriction: Restriction) -> Result<(EntityNode, EntityShape), EngineError> {
        let rights = Arc::clone(self.rights_on(&query.table)?);
        let table = Arc::clone(&rights.table);
        let with_etag = !restriction.counted && has_etag(&rights);
        let rows = self.filtered(query, &restriction, with_etag)?;
        let rows = rows.prepare(&self.evaluator(), query.order_by.iter().map(|order| &order.expr))?;
        let keys = self.order(query, &table, &rows, &restriction)?;
        let mut builder = rows.builder.clone();
        if let Some(position) = &restriction.position {
            let condition = seek::after(&keys, position, builder.schema())?;
            builder = builder.filter(condition)?;
        }
        if !keys.is_empty() {
            builder = builder.sort(keys.iter().map(|key| SortExpr::new(key.expr.clone(), !key.descending, !key.descending)))?;
        }
        if !restriction.nested {
            builder = page(builder, query, &restriction)?;
        }

        let relationships: Vec<&Relationship> =
            query.expand.iter().map(|expand| relationship_of(&table, expand.relationship)).collect::<Result<_, _>>()?;
        let mut wanted = query.select.clone();
        let links = relationships.iter().flat_map(|relationship| relationship.on.iter().map(|(own, _)| *own));
        let slot = restriction.keys.iter().flat_map(|(columns, _)| columns.iter().copied());
        for index in links.chain(slot).chain(table.key.iter().copied()).collect::<Vec<_>>() {
            if !wanted.contains(&index) {
                wanted.push(index);
            }
        }
        let mut output = wanted.iter().map(|index| rows.column(*index)).collect::<Result<Vec<_>, _>>()?;
        let mut position_columns = Vec::new();
        if restriction.page_size > 0 {
            for (number, key) in keys.iter().enumerate() {
                // A plain column is not fetched twice for the continuation.
                match output.iter().position(|expr| *expr == key.expr) {
                    Some(existing) => position_columns.push(existing),
                    None => {
                        position_columns.push(output.len());
                        output.push(key.expr.clone().alias(format!("@order{number}")));
                    }
                }
            }
        }
        if restriction.page_size > 0 && is_timed(query) {
            position_columns.push(output.len());
            output.push(rows.lowering(&self.evaluator()).now().alias("@now"));
        }
        let mut etag = None;
        if with_etag {
            let first = output.len();
            for (name, _, _) in etag_columns(&table) {
                output.push(Expr::Column(Column::from(builder.schema().qualified_field_with_unqualified_name(&name)?)));
            }
            let whole_row = matches!(table.origin, Origin::Single { version: None, .. });
            etag = Some(EtagColumns { columns: (first..output.len()).collect(), whole_row });
        }
        let etag_position = etag.as_ref().map(|_| output.len());
        let plan = builder.project(output)?.build()?;

        let missing = || EngineError::Internal("a column is not among those that are fetched".to_owned());
        let at = |index: usize| wanted.iter().position(|wanted| *wanted == index).ok_or_else(missing);
        let mut children = Vec::with_capacity(query.expand.len());
        let mut expands = Vec::with_capacity(query.expand.len());
        for (expand, relationship) in query.expand.iter().zip(&relationships) {
            let (child, shape) = self.child(expand, relationship, &at)?;
            children.push(child);
            expands.push(ExpandShape { name: expand.name.clone(), many: expand.many, shape, form: ExpandForm::Entities });
        }
        let properties = query.select.iter().map(|index| {
            let column = &table.columns[*index];
            Ok(PropertyShape::column(&column.name, at(*index)?, column.scalar_type.into()))
        });
        let properties = properties.collect::<Result<_, EngineError>>()?;
        let shape = EntityShape { entity_set: self.entity_set(&table), properties, etag: etag_position, expands, ..EntityShape::default() };
        Ok((EntityNode { table, plan, position_columns, etag, children }, shape))
    }

    fn entity_set(&self, table: &VirtualTable) -> String {
        let alias = self.service.tables.iter().find(|(_, name)| **name == table.name).map(|(alias, _)| alias.clone());
        alias.unwrap_or_else(|| table.name.clone())
    }

    /// The order of a level. A page, `$top` or `$skip` needs a total one, so the key is appended.
    fn order(
        &self,
        query: &BoundQuery,
        table: &VirtualTable,
        rows: &Rows,
        restriction: &Restriction,
    ) -> Result<Vec<OrderKey>, EngineError> {
        let mut keys = Vec::new();
        let lowering = rows.lowering(&self.evaluator());
        for order in &query.order_by {
            let expr = lowering.sort_key(&order.expr)?;
            // A constant orders nothing, and `now()` would be another one on the next page: every row would come after it.
            if expr.any_column_refs() {
                keys.push(OrderKey { expr, descending: order.descending });
            }
        }
        let cut = query.top.is_some() || query.skip > 0 || restriction.page_size > 0;
        if query.key.is_none() && (cut || !keys.is_empty()) {
            for index in &table.key {
                let expr = rows.column(*index)?;
                if !keys.iter().any(|key| key.expr == expr) {
                    keys.push(OrderKey { expr, descending: false });
                }
            }
        }
        Ok(keys)
    }

    fn child(
        &self,
        expand: &BoundExpand,
        relationship: &Relationship,
        parent_position: &dyn Fn(usize) -> Result<usize, EngineError>,
    ) -> Result<(EntityChild, EntityShape), EngineError> {
        let slot = KeySlot::new();
        let columns: Vec<usize> = relationship.on.iter().map(|(_, theirs)| *theirs).collect();
        let restriction = Restriction { keys: Some((columns.clone(), slot.clone())), nested: true, ..Restriction::default() };
        let (node, shape) = self.node(&expand.query, restriction)?;
        let names: Vec<&str> =
            columns.iter().filter_map(|index| node.table.columns.get(*index)).map(|column| column.name.as_str()).collect();
        let child_keys = names
            .iter()
            .map(|name| node.plan.schema().index_of_column_by_name(None, name))
            .map(|position| position.ok_or_else(|| EngineError::Internal("a link column is not among those that are fetched".to_owned())))
            .collect::<Result<Vec<_>, EngineError>>()?;
        let child = EntityChild {
            name: expand.name.clone(),
            many: expand.many,
            key_types: columns.iter().filter_map(|index| node.table.columns.get(*index)).map(|column| column.scalar_type).collect(),
            parent_keys: relationship.on.iter().map(|(own, _)| parent_position(*own)).collect::<Result<_, _>>()?,
            child_keys,
            slot,
            node,
            skip: expand.query.skip,
            top: expand.query.top,
            count: expand.query.count,
        };
        Ok((child, shape))
    }
}

/// The condition that a row has a key.
fn key_condition(table: &VirtualTable, key: &[Value]) -> Result<BoundExpr, EngineError> {
    let equalities =
        table.key.iter().zip(key).map(|(column, value)| {
            BoundExpr::compare(ComparisonOperator::Eq, BoundExpr::Column(*column), BoundExpr::Literal(value.clone()))
        });
    BoundExpr::all(equalities.collect()).ok_or_else(|| EngineError::Invalid(format!("'{}' has no key", table.name)))
}

/// Whether rows are sorted by something that depends on the instant of the request.
fn is_timed(query: &BoundQuery) -> bool {
    query.order_by.iter().any(|order| order.expr.uses_now())
}

/// Whether entities carry an ETag: only those that the caller may change need one, and it may cost the whole row.
pub(crate) fn has_etag(rights: &TableRights) -> bool {
    let writable = matches!(rights.table.origin, Origin::Single { writable: true, .. });
    writable && (rights.may(WriteRight::Update) || rights.may(WriteRight::Delete))
}

/// `$skip`, `$top` and the page; one entity more than the page is asked for, to know whether there is another page.
fn page(builder: LogicalPlanBuilder, query: &BoundQuery, restriction: &Restriction) -> Result<LogicalPlanBuilder, EngineError> {
    let page = (restriction.page_size > 0).then(|| restriction.page_size.saturating_add(1));
    let fetch = match (query.top, page) {
        (Some(top), Some(page)) => Some(top.min(page)),
        (top, page) => top.or(page),
    };
    if query.skip == 0 && fetch.is_none() {
        return Ok(builder);
    }
    let limit = |rows: u64| usize::try_from(rows).map_err(|_| EngineError::Invalid(format!("{rows} rows are too many to skip or take")));
    Ok(builder.limit(limit(query.skip)?, fetch.map(limit).transpose()?)?)
}
