//! What a shape is found by. It must not know what is kept.

use super::lift::Lifted;
use crate::policy::Principal;
use crate::policy::access::Attribute;
use portico_odata::{BoundExpr, BoundQuery};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;

/// A statement with parameters, and of the caller what policy depends on.
#[derive(Debug, PartialEq)]
pub struct ShapeKey {
    /// The statement.
    pub(crate) lifted: Lifted,
    roles: Vec<String>,
    attributes: BTreeMap<String, Attribute>,
}

// Floats in it are compared by their bits.
impl Eq for ShapeKey {}

impl ShapeKey {
    pub(super) fn new(lifted: Lifted, principal: &Principal) -> ShapeKey {
        ShapeKey { lifted, roles: principal.roles.clone(), attributes: principal.attributes.clone() }
    }
}

impl Hash for ShapeKey {
    /// By what requests mostly differ in; equality looks at all of it.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.roles.hash(state);
        self.attributes.hash(state);
        match &self.lifted {
            Lifted::Sql { text, .. } => text.hash(state),
            Lifted::Entities { read, position } => {
                read.service.hash(state);
                discriminant(&read.read.kind).hash(state);
                read.read.property.hash(state);
                read.paging.size.hash(state);
                position.is_some().hash(state);
                hash_query(&read.read.query, state);
            }
        }
    }
}

fn hash_query<H: Hasher>(query: &BoundQuery, state: &mut H) {
    query.table.hash(state);
    query.select.hash(state);
    (query.key.is_some(), query.top, query.skip, query.count).hash(state);
    if let Some(filter) = &query.filter {
        hash_expression(filter, state);
    }
    for order in &query.order_by {
        order.descending.hash(state);
        hash_expression(&order.expr, state);
    }
    for expand in &query.expand {
        expand.name.hash(state);
        hash_query(&expand.query, state);
    }
}

fn hash_expression<H: Hasher>(expression: &BoundExpr, state: &mut H) {
    discriminant(expression).hash(state);
    match expression {
        BoundExpr::Column(index) => index.hash(state),
        BoundExpr::Literal(value) => value.hash(state),
        BoundExpr::Compare { op, .. } => discriminant(op).hash(state),
        BoundExpr::Call { function, .. } => function.hash(state),
        BoundExpr::In { list, .. } => list.hash(state),
        _ => {}
    }
    expression.children().into_iter().for_each(|child| hash_expression(child, state));
}
