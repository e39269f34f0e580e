//! One level of a read: its rows in order and cut to the page, the columns that are fetched, its shape, and the levels below it.

use super::{EntityChild, EntityNode, EntityPlanner, EtagColumns, Identity, Restriction, has_etag};
use crate::error::EngineError;
use crate::plan::key_set::KeySlot;
use crate::plan::rows::Rows;
use crate::plan::seek::{self, OrderKey};
use crate::plan::tables::etag_columns;
use crate::policy::TableRights;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use portico_catalog::{Origin, Relationship, VirtualTable};
use portico_odata::bound::Recursion;
use portico_odata::metadata::namespace_of;
use portico_odata::shape::{self, Naming};
use portico_odata::{BoundExpand, BoundQuery, EntityShape, ExpandForm, ExpandShape};
use std::sync::Arc;

/// What is fetched of a level: the positions in its row type first, then whatever else is needed.
pub(super) struct Output {
    pub wanted: Vec<usize>,
    pub exprs: Vec<Expr>,
    /// How many columns stand before them in the batch: those of the sets before this one in a `$crossjoin`.
    pub first: usize,
}

impl Output {
    /// The position of an expression, which is added when it is not there yet.
    pub fn place(&mut self, expr: &Expr, name: impl FnOnce() -> String) -> usize {
        // A plain column is not fetched twice.
        let existing = self.exprs.iter().position(|known| known == expr);
        existing.unwrap_or_else(|| {
            self.exprs.push(expr.clone().alias(name()));
            self.exprs.len() - 1
        })
    }

    /// The positions of sort keys.
    pub fn positions(&mut self, keys: &[OrderKey]) -> Vec<usize> {
        keys.iter().enumerate().map(|(number, key)| self.place(&key.expr, || format!("@order{number}"))).collect()
    }

    pub fn at(&self, index: usize) -> Option<usize> {
        self.wanted.iter().position(|wanted| *wanted == index).map(|position| self.first + position)
    }
}

impl EntityPlanner<'_> {
    /// Plans a level and everything below it.
    pub(super) fn level(&self, query: &BoundQuery, restriction: &Restriction) -> Result<(EntityNode, EntityShape), EngineError> {
        if let Some(apply) = &query.apply {
            return self.applied(query, apply, restriction);
        }
        let rights = self.rights_of(query)?;
        let table = Arc::clone(&rights.table);
        let relationships: Vec<&Relationship> =
            query.expand.iter().map(|expand| self.relationship(&table, expand.relationship)).collect::<Result<_, _>>()?;
        let (rows, slot) = self.rows(query, restriction)?;
        let mut rows = rows.prepare(&self.evaluator(), query.order_by.iter().map(|order| &order.expr))?;
        let keys = self.order(query, &table, &rows, restriction)?;
        rows.builder = seek::ordered(rows.builder, &keys, restriction.position.as_deref())?;
        if !restriction.nested {
            rows.builder = page(rows.builder, query, restriction)?;
        }
        let typed = is_typed(&rights);
        let mut output = self.output(query, &rights, &rows, &relationships, restriction)?;
        let slot = slot.iter().enumerate().map(|(number, expr)| output.place(expr, || format!("@slot{number}"))).collect();
        let position_columns = self.continuation(query, restriction, &rows, &keys, &mut output);
        let etag = etag(&table, restriction.tagged && query.call.is_none() && has_etag(&rights), &rows, &mut output)?;
        let etag_position = etag.as_ref().map(|_| output.exprs.len());

        let mut children = Vec::with_capacity(query.expand.len());
        let mut expands = Vec::with_capacity(query.expand.len());
        for (expand, relationship) in query.expand.iter().zip(&relationships) {
            let (child, shape) = self.child(expand, relationship, &table, &output)?;
            expands.push(expanded_shape(expand, &child, shape));
            children.push(child);
        }
        let at = |index: usize| output.at(index);
        let shape = if restriction.raw {
            shape::raw(&table, query, &at)
        } else {
            let (namespace, entity_set) = (namespace_of(&self.service.name), self.entity_set(&table));
            let naming = Naming { namespace: &namespace, entity_set: &entity_set, spatial: self.service.profile.knows_spatial(), typed };
            shape::of_query(&table, query, naming, &at)
        };
        let shape = EntityShape { etag: etag_position, expands, ..shape };
        let key = table.key.iter().filter_map(|index| output.at(*index)).collect();
        let plan = rows.builder.project(output.exprs)?.build()?;
        let any_order = !keys.is_empty() && wants_no_order(query, restriction);
        Ok((EntityNode { slot, key, position_columns, any_order, etag, children, ..EntityNode::of(plan) }, shape))
    }

    /// Positions in the output of what a continuation holds: the sort keys, and the instant of the first page where the order depends on
    /// it.
    pub(super) fn continuation(
        &self,
        query: &BoundQuery,
        restriction: &Restriction,
        rows: &Rows,
        keys: &[OrderKey],
        output: &mut Output,
    ) -> Vec<usize> {
        if restriction.page_size == 0 {
            return Vec::new();
        }
        let mut positions = output.positions(keys);
        if super::is_timed(query) {
            let now = rows.lowering(&self.evaluator()).now();
            positions.push(output.place(&now, || "@now".to_owned()));
        }
        positions
    }

    /// The columns that are fetched: what is shown, what relationships start from, the key.
    pub(super) fn output(
        &self,
        query: &BoundQuery,
        rights: &TableRights,
        rows: &Rows,
        relationships: &[&Relationship],
        restriction: &Restriction,
    ) -> Result<Output, EngineError> {
        let table = &rights.table;
        let mut wanted =
            if restriction.raw { query.select.clone() } else { shape::fetched(table, &rights.columns, query, is_typed(rights)) };
        let mut links = Vec::new();
        for relationship in relationships {
            links.extend(self.reach(relationship)?.0);
        }
        for index in links.into_iter().chain(table.key.iter().copied()) {
            if !wanted.contains(&index) {
                wanted.push(index);
            }
        }
        let own = table.columns.len();
        let exprs = wanted.iter().map(|index| {
            let expr = rows.column(*index)?;
            Ok(if *index < own { expr } else { expr.alias(format!("@computed{}", index - own)) })
        });
        Ok(Output { exprs: exprs.collect::<Result<_, EngineError>>()?, wanted, first: 0 })
    }

    /// The order of a level. A page, `$top` or `$skip` needs a total one, so the key is appended.
    fn order(
        &self,
        query: &BoundQuery,
        table: &VirtualTable,
        rows: &Rows,
        restriction: &Restriction,
    ) -> Result<Vec<OrderKey>, EngineError> {
        let mut keys = self.sorted(query, rows)?;
        // Who follows a link need not prefer pages again: the rest comes at once, in the order of the pages before.
        let cut = query.top.is_some() || query.skip > 0 || restriction.page_size > 0 || restriction.position.is_some();
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

    /// What `$orderby` says.
    pub(super) fn sorted(&self, query: &BoundQuery, rows: &Rows) -> Result<Vec<OrderKey>, EngineError> {
        let lowering = rows.lowering(&self.evaluator());
        let mut keys = Vec::new();
        for order in &query.order_by {
            let expr = lowering.sort_key(&order.expr)?;
            // A constant orders nothing, and `now()` would be another one on the next page: every row would come after it.
            if expr.any_column_refs() {
                keys.push(OrderKey { expr, descending: order.descending });
            }
        }
        Ok(keys)
    }

    pub(super) fn child(
        &self,
        expand: &BoundExpand,
        relationship: &Relationship,
        parent: &VirtualTable,
        output: &Output,
    ) -> Result<(EntityChild, EntityShape), EngineError> {
        let missing = || EngineError::Internal("a link column is not among those that are fetched".to_owned());
        let slot = KeySlot::new();
        let (near, reach, key_types) = self.reach(relationship)?;
        let near = expand.made.as_ref().map_or(near, |made| made.link.clone());
        let tagged = expand.form == ExpandForm::Entities;
        let restriction = Restriction {
            keys: Some((reach, slot.clone())),
            key_types: key_types.clone(),
            nested: true,
            page_size: expand.page,
            tagged,
            ..Restriction::default()
        };
        let (node, shape) = if expand.form == ExpandForm::Count {
            let plan = self.count_by_key(&expand.query, &restriction)?;
            let node = EntityNode { slot: (0..near.len()).collect(), ..EntityNode::of(plan) };
            (node, EntityShape::default())
        } else {
            self.level(&expand.query, &restriction)?
        };
        let identity = if expand.recursion == Recursion::Max && expand.form == ExpandForm::Entities {
            let own = parent.key.iter().map(|own| output.at(*own).ok_or_else(missing)).collect::<Result<Vec<_>, _>>()?;
            let below = Arc::clone(&self.rights_on(&expand.query.table)?.table);
            Some((identity(parent, own), identity(&below, node.key.clone())))
        } else {
            None
        };
        let only = match (&expand.only, &parent.overlay.derivation) {
            (Some(derived), Some(derivation)) => {
                Some((output.at(derivation.discriminator).ok_or_else(missing)?, derivation.values(derived)))
            }
            _ => None,
        };
        let page = if node.position_columns.is_empty() { 0 } else { expand.page };
        let child = EntityChild {
            name: expand.name.clone(),
            many: expand.many,
            form: expand.form,
            only,
            key_types,
            parent_keys: near.iter().map(|own| output.at(*own).ok_or_else(missing)).collect::<Result<_, _>>()?,
            child_keys: node.slot.clone(),
            slot,
            of_groups: false,
            around: Vec::new(),
            identity,
            node,
            skip: expand.query.skip,
            top: expand.query.top,
            // Rows that nothing tells apart cannot be continued after: they come at once.
            page,
            count: expand.query.count,
        };
        Ok((child, shape))
    }
}

/// How a child looks in its parents.
pub(super) fn expanded_shape(expand: &BoundExpand, child: &EntityChild, shape: EntityShape) -> ExpandShape {
    let (name, only) = (expand.name.clone(), child.only.clone());
    // What is added along a relationship is not there at all where that leads nowhere.
    let optional = expand.made.is_some() && !expand.many;
    ExpandShape { name, many: expand.many, shape, form: expand.form, only, optional, ..ExpandShape::default() }
}

/// The key of the entities of a table at positions in a batch.
fn identity(table: &VirtualTable, columns: Vec<usize>) -> Identity {
    let types = table.key.iter().filter_map(|index| table.columns.get(*index)).map(|column| column.scalar_type).collect();
    Identity { table: table.name.as_str().into(), columns, types }
}

/// Whether the caller may know which derived type a row is of.
pub(super) fn is_typed(rights: &TableRights) -> bool {
    let derivation = rights.table.overlay.derivation.as_ref();
    derivation.is_some_and(|derivation| rights.columns.contains(&derivation.discriminator) && !rights.is_treated(derivation.discriminator))
}

/// Adds the columns that the ETag is made of.
fn etag(table: &VirtualTable, wanted: bool, rows: &Rows, output: &mut Output) -> Result<Option<EtagColumns>, EngineError> {
    if !wanted {
        return Ok(None);
    }
    let first = output.exprs.len();
    for (name, _, _) in etag_columns(table) {
        output.exprs.push(Expr::Column(Column::from(rows.builder.schema().qualified_field_with_unqualified_name(&name)?)));
    }
    let whole_row = matches!(table.origin, Origin::Single { version: None, .. });
    Ok(Some(EtagColumns { columns: (first..output.exprs.len()).collect(), whole_row }))
}

/// Whether nobody has asked for an order, nor will go on from a place in it: what `$top` and `$skip` cut off needs
/// any order that stays (OData 4.01, Part 1, sections 11.2.6.3 and 11.2.6.4).
fn wants_no_order(query: &BoundQuery, restriction: &Restriction) -> bool {
    let is_one_page = restriction.page_size == 0 || query.top.is_some_and(|top| top <= restriction.page_size);
    query.order_by.is_empty() && restriction.position.is_none() && restriction.keys.is_none() && !restriction.nested && is_one_page
}

/// `$skip`, `$top` and the page; one entity more than the page is asked for, to know whether there is another page.
pub(super) fn page(builder: LogicalPlanBuilder, query: &BoundQuery, restriction: &Restriction) -> Result<LogicalPlanBuilder, EngineError> {
    let page = (restriction.page_size > 0).then(|| restriction.page_size.saturating_add(1));
    let fetch = match (query.top, page) {
        (Some(top), Some(page)) => Some(top.min(page)),
        (top, page) => top.or(page),
    };
    if query.skip == 0 && fetch.is_none() {
        return Ok(builder);
    }
    Ok(builder.limit(row_count(query.skip), fetch.map(row_count))?)
}

/// A number of rows as plans have them: no table has more than a signed number of them.
pub(crate) fn row_count(rows: u64) -> usize {
    usize::try_from(rows.min(i64::MAX.unsigned_abs())).unwrap_or(usize::MAX)
}
