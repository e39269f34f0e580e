//! Bound OData queries to plans: a tree with the root query, an optional count, and one child per expanded relationship. A child
//! is planned once; at run time its key slot is filled with the keys of each chunk of parents.

mod applied;
mod cross;
mod level;
mod rows;

use crate::error::EngineError;
use crate::plan::key_set::KeySlot;
use crate::plan::rows::Evaluator;
use crate::policy::{Rights, TableRights, WriteRight};
use crate::statement::EntityRead;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
pub(crate) use level::row_count;
use portico_catalog::{Model, Relationship, Service, VirtualTable};
use portico_odata::bound::Via;
use portico_odata::json::CrossJoinShape;
use portico_odata::{BoundExpr, BoundQuery, EntityShape, ExpandForm, ReadKind};
use portico_provider_api::{ScalarType, Value};
use rows::Reach;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A plan for an OData read.
#[derive(Clone)]
pub(crate) struct EntityPlan {
    pub kind: ReadKind,
    /// Whether the path says that there is such an entity: by key, or by a singleton's name.
    pub must_exist: bool,
    /// The function that is said to return one entity: more of them are a mistake of its SQL's.
    pub only_one: Option<String>,
    /// For `Customers(1)/Orders`: gives the customer's link columns, with which the root's slot is filled. On longer paths each fills
    /// the slot of the next.
    pub via: Vec<ViaPlan>,
    pub root: EntityNode,
    /// Counts what the root yields without paging.
    pub count: Option<LogicalPlan>,
    /// Entities per page at most; zero means no paging.
    pub page_size: u64,
    pub shape: Arc<EntityShape>,
    /// What of each row belongs to which of the sets of a `$crossjoin`; empty for all other reads. The root's children are those of the
    /// first set, then of the second, and so on.
    pub cross: Vec<CrossJoinShape>,
}

/// The row from which a relationship is followed: gives the columns that it starts from, for the slot of what comes next.
#[derive(Clone)]
pub(crate) struct ViaPlan {
    pub plan: LogicalPlan,
    pub slot: KeySlot,
    /// Types of the columns that the relationship ends in.
    pub key_types: Vec<ScalarType>,
    pub table: String,
    /// The function that is said to return this one row.
    pub only_one: Option<String>,
}

/// The query of one level.
#[derive(Clone)]
pub(crate) struct EntityNode {
    pub plan: LogicalPlan,
    /// Positions in the batch of the columns whose values the slot holds.
    pub slot: Vec<usize>,
    /// Whether there are rows for parents to whom nothing belongs: what is computed of no rows.
    pub of_nothing: bool,
    /// Positions in the batch of the entity key, where the rows are entities.
    pub key: Vec<usize>,
    /// Positions in the batch of the sort keys, then of the entity key: what a continuation holds.
    pub position_columns: Vec<usize>,
    /// Whether the rows are sorted only to be the same ones the next time: any order will do that stays.
    pub any_order: bool,
    /// What the ETag is made of.
    pub etag: Option<EtagColumns>,
    pub children: Vec<EntityChild>,
}

/// Where in a batch the columns are that the ETag is made of; the ETag itself is appended as the last column.
#[derive(Clone)]
pub(crate) struct EtagColumns {
    pub columns: Vec<usize>,
    /// Whether they are the whole row, to be hashed; otherwise there is one, the row version.
    pub whole_row: bool,
}

/// An expanded relationship.
#[derive(Clone)]
pub(crate) struct EntityChild {
    pub name: String,
    pub many: bool,
    pub form: ExpandForm,
    /// Where only some parents are expanded: position in the parent's batch of the discriminator, and its values in those.
    pub only: Option<(usize, Vec<Value>)>,
    /// Positions in the parent's batch of its link columns.
    pub parent_keys: Vec<usize>,
    /// Positions in the child's batch of its link columns, in the same order.
    pub child_keys: Vec<usize>,
    /// Types of the child's link columns.
    pub key_types: Vec<ScalarType>,
    pub slot: KeySlot,
    /// Whether null is a key like any other: the children are what groups hold.
    pub of_groups: bool,
    /// The slots of the levels around that its query has too.
    pub around: Vec<AroundSlot>,
    /// What tells entities apart, where one may be its own ancestor: of the parents, and of the children.
    pub identity: Option<(Identity, Identity)>,
    pub node: EntityNode,
    /// Children of one parent to leave out, and to keep at most.
    pub skip: u64,
    pub top: Option<u64>,
    /// Most children of one parent at once; zero is no limit.
    pub page: u64,
    /// Whether each parent's number of children is wanted. For [`ExpandForm::Count`] the batch has one row per key, with the number after
    /// the link columns.
    pub count: bool,
}

/// The slot of a level around a group: its keys are how the keys of the groups begin.
#[derive(Clone)]
pub(crate) struct AroundSlot {
    pub slot: KeySlot,
    pub key_types: Vec<ScalarType>,
    /// Whether null is one of its keys.
    pub of_groups: bool,
}

/// The key of the entities in a batch.
#[derive(Clone)]
pub(crate) struct Identity {
    pub table: Arc<str>,
    /// Positions in the batch.
    pub columns: Vec<usize>,
    pub types: Vec<ScalarType>,
}

impl EntityPlan {
    /// The same plan with every query replaced.
    pub(crate) fn try_map(self, map: &mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan, EngineError>) -> Result<EntityPlan, EngineError> {
        Ok(EntityPlan {
            via: self.via.into_iter().map(|via| Ok(ViaPlan { plan: map(via.plan)?, ..via })).collect::<Result<_, EngineError>>()?,
            root: self.root.try_map(map)?,
            count: self.count.map(&mut *map).transpose()?,
            ..self
        })
    }
}

impl EntityNode {
    /// Rows with nothing below them.
    fn of(plan: LogicalPlan) -> EntityNode {
        EntityNode {
            plan,
            slot: Vec::new(),
            of_nothing: false,
            key: Vec::new(),
            position_columns: Vec::new(),
            any_order: false,
            etag: None,
            children: Vec::new(),
        }
    }

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
    pub model: &'a Model,
    pub now: SystemTime,
}

/// What a level is restricted by, besides its own options.
#[derive(Default)]
struct Restriction {
    /// How its rows are reached from those before, and the slot with the values.
    keys: Option<(Reach, KeySlot)>,
    /// Types of what is in the slot.
    key_types: Vec<ScalarType>,
    page_size: u64,
    position: Option<Vec<BoundExpr>>,
    /// Whether its entities carry ETags where they have some.
    tagged: bool,
    /// The columns are wanted as they are, whatever the overlay makes of them.
    raw: bool,
    /// The level is a child: its rows are cut per parent, not as a whole.
    nested: bool,
}

impl EntityPlanner<'_> {
    /// Plans a read.
    ///
    /// # Errors
    /// `UnknownName`, `Invalid`.
    pub(crate) fn plan(&self, read: &EntityRead) -> Result<EntityPlan, EngineError> {
        let constants = |position: &Vec<Value>| position.iter().cloned().map(BoundExpr::Literal).collect();
        self.plan_after(read, read.paging.position.as_ref().map(constants))
    }

    /// Plans what of a read comes after a position, which is constants and parameters.
    ///
    /// # Errors
    /// `UnknownName`, `Invalid`.
    pub(crate) fn plan_after(&self, read: &EntityRead, mut position: Option<Vec<BoundExpr>>) -> Result<EntityPlan, EngineError> {
        if !is_timed(&read.read.query) {
            return self.planned(read, position);
        }
        // Rows are sorted by the time that has passed: every page is of the instant of the first, which the continuation holds.
        let instant = match position.as_mut().map(Vec::pop) {
            None => return self.planned(read, position),
            Some(Some(BoundExpr::Literal(Value::TimestampTz(micros)))) => u64::try_from(micros).ok(),
            Some(_) => None,
        };
        let since = instant.map(Duration::from_micros);
        let since = since.ok_or_else(|| EngineError::Invalid("the continuation does not belong to this query".to_owned()))?;
        EntityPlanner { now: UNIX_EPOCH + since, ..*self }.planned(read, position)
    }

    fn planned(&self, read: &EntityRead, position: Option<Vec<BoundExpr>>) -> Result<EntityPlan, EngineError> {
        let (query, kind) = (&read.read.query, read.read.kind);
        let mut via = Vec::new();
        let keys = query.via.as_ref().map(|step| self.via(step, &mut via)).transpose()?;
        if let Some(entity) = query.call.as_ref().and_then(|call| call.bound_to.as_ref()) {
            self.bound_to(entity, &mut via)?;
        }
        let single = query.call.as_ref().filter(|call| !call.operation.returns_many());
        let page_size = if kind.is_single() || !self.is_told_apart(query)? { 0 } else { read.paging.size };
        let restriction = Restriction {
            keys,
            key_types: Vec::new(),
            page_size,
            position,
            tagged: matches!(kind, ReadKind::Collection | ReadKind::Entity | ReadKind::Property),
            raw: kind == ReadKind::Media,
            nested: false,
        };
        let count = (query.count || kind == ReadKind::Count).then(|| self.count(query, &restriction)).transpose()?;
        // What `$apply` makes of combinations are rows like any other.
        let (root, shape, cross) = if query.cross.is_empty() || query.apply.is_some() {
            let (root, shape) = self.level(query, &restriction)?;
            (root, shape, Vec::new())
        } else {
            let (root, cross) = self.crossed(query, &restriction)?;
            (root, EntityShape::default(), cross)
        };
        // Rows that nothing tells apart cannot be continued after: they come at once.
        let page_size = if root.position_columns.is_empty() { 0 } else { page_size };
        let is_null = single.is_some_and(|call| call.operation.returns.as_ref().is_some_and(|returns| returns.nullable));
        let must_exist = kind.is_single() && (query.key.is_some() || query.via.is_none()) && !is_null;
        let only_one = single.map(|call| call.operation.name.clone());
        Ok(EntityPlan { kind, must_exist, only_one, via, root, count, page_size, shape: Arc::new(shape), cross })
    }

    pub(super) fn evaluator(&self) -> Evaluator<'_> {
        Evaluator { session: self.session, rights: self.rights, now: self.now }
    }

    pub(super) fn rights_on(&self, table: &str) -> Result<&Arc<TableRights>, EngineError> {
        // The binder saw only what the caller may see, so this names nothing new.
        self.rights
            .tables
            .get(table)
            .ok_or_else(|| EngineError::UnknownName { message: format!("there is no table '{table}'"), suggestion: None })
    }

    /// The rights on the rows of a query. What a function returns that is no entities is seen whole by whoever may call it.
    pub(super) fn rights_of(&self, query: &BoundQuery) -> Result<Arc<TableRights>, EngineError> {
        let returned = query.call.as_ref().and_then(|call| call.operation.returns.as_ref()?.rows());
        returned.map_or_else(|| self.rights_on(&query.table).cloned(), |rows| Ok(Arc::new(TableRights::whole(Arc::new(rows)))))
    }

    fn relationship<'m>(&self, table: &'m VirtualTable, index: usize) -> Result<&'m Relationship, EngineError> {
        table.relationships.get(index).ok_or_else(|| EngineError::Internal("a bound relationship is not in its table".to_owned()))
    }

    /// Plans the row from which a relationship is followed, after those before it on the path. Says how the relationship reaches what
    /// comes next, and the slot for that.
    fn via(&self, via: &Via, plans: &mut Vec<ViaPlan>) -> Result<(Reach, KeySlot), EngineError> {
        let keys = via.from.as_ref().map(|from| self.via(from, plans)).transpose()?;
        let table = Arc::clone(&self.rights_on(&via.table)?.table);
        let relationship = self.relationship(&table, via.relationship)?;
        if let Some(entity) = via.call.as_ref().and_then(|call| call.bound_to.as_ref()) {
            self.bound_to(entity, plans)?;
        }
        let single = via.call.as_ref().filter(|call| via.key.is_none() && !call.operation.returns_many());
        let only_one = single.map(|call| call.operation.name.clone());
        let (key, filter, call) = (via.key.clone(), via.filter.clone(), via.call.clone());
        let query = BoundQuery { key, filter, call, ..BoundQuery::of(&via.table, Vec::new()) };
        let (rows, _) = self.rows(&query, &Restriction { keys, ..Restriction::default() })?;
        let (near, reach, key_types) = self.reach(relationship)?;
        let columns = near.iter().map(|own| rows.column(*own)).collect::<Result<Vec<_>, _>>()?;
        let plan = rows.builder.project(columns)?.build()?;
        let slot = KeySlot::new();
        plans.push(ViaPlan { plan, slot: slot.clone(), key_types, table: via.table.clone(), only_one });
        Ok((reach, slot))
    }

    /// Plans the entity that a function is bound to, which must be there.
    fn bound_to(&self, entity: &BoundQuery, plans: &mut Vec<ViaPlan>) -> Result<(), EngineError> {
        if let Some(before) = entity.call.as_ref().and_then(|call| call.bound_to.as_ref()) {
            self.bound_to(before, plans)?;
        }
        let keys = entity.via.as_ref().map(|from| self.via(from, plans)).transpose()?;
        let (rows, _) = self.rows(entity, &Restriction { keys, ..Restriction::default() })?;
        let table = &self.rights_on(&entity.table)?.table;
        let columns = table.key.iter().map(|own| rows.column(*own)).collect::<Result<Vec<_>, _>>()?;
        let key_types = table.key.iter().filter_map(|own| table.columns.get(*own)).map(|column| column.scalar_type).collect();
        let plan = rows.builder.project(columns)?.build()?;
        plans.push(ViaPlan { plan, slot: KeySlot::new(), key_types, table: entity.table.clone(), only_one: None });
        Ok(())
    }

    fn entity_set(&self, table: &VirtualTable) -> String {
        let alias = self.service.tables.iter().find(|(_, name)| **name == table.name).map(|(alias, _)| alias.clone());
        alias.unwrap_or_else(|| table.name.clone())
    }
}

/// Whether rows are sorted by something that depends on the instant of the request.
fn is_timed(query: &BoundQuery) -> bool {
    let computed = !query.order_by.is_empty() && query.compute.iter().any(|computed| computed.expr.uses_now());
    computed || query.order_by.iter().any(|order| order.expr.uses_now())
}

/// Whether entities carry an ETag: only those that the caller may change need one, and it may cost the whole row.
pub(crate) fn has_etag(rights: &TableRights) -> bool {
    let writing = rights.table.origin.writing();
    // A state that cannot be held until it is written is no use to whoever writes.
    let changed = (writing.able.update && rights.may(WriteRight::Update)) || (writing.able.delete && rights.may(WriteRight::Delete));
    changed && writing.holds()
}
