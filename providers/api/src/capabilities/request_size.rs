//! How large a request is that a query becomes, roughly: what a source with a limit on the length of its addresses is asked to keep to.

use super::{Capabilities, KeyCapabilities, text_length};
use crate::expr::Expr;
use crate::query::{Relation, SourceQuery};
use crate::walk::visit_tables;

/// What an operator, a call or a bracket takes.
const OPERATOR: usize = 4;

impl Capabilities {
    /// The greatest size of a request that reads these tables, as [`Capabilities::request_bytes`] counts it; 0 means no limit.
    pub fn max_request_bytes(&self, query: &SourceQuery) -> usize {
        let mut limits = Vec::new();
        visit_tables(query, &mut |table| {
            let own = self.tables.get(&table.table.to_string()).and_then(|own| own.max_request_bytes);
            limits.push(own.unwrap_or(self.max_request_bytes));
        });
        if limits.is_empty() {
            limits.push(self.max_request_bytes);
        }
        limits.into_iter().filter(|limit| *limit > 0).min().unwrap_or(0)
    }

    /// How much room a query takes in a request: each value as text, each column and output by its name, and a little for what is between
    /// them.
    pub fn request_bytes(query: &SourceQuery) -> usize {
        let columns = query.visible_columns();
        let below = query.from.columns();
        let length = |index: usize| {
            let named = columns.get(index).or_else(|| below.get(index));
            named.map_or(OPERATOR, |column| column.name.len()).saturating_add(1)
        };
        let expressions = sum(query.expressions().into_iter().map(|expression| expression_bytes(expression, &length)));
        let keys = query.keys.as_ref().map_or(0, |keys| {
            let names = sum(keys.columns.iter().map(|index| below.get(*index).map_or(OPERATOR, |column| column.name.len() + 1)));
            names.saturating_add(KeyCapabilities::bytes(&keys.tuples))
        });
        relation_bytes(&query.from).saturating_add(expressions).saturating_add(keys)
    }
}

fn relation_bytes(relation: &Relation) -> usize {
    match relation {
        Relation::Table(_) | Relation::Call(_) => OPERATOR,
        Relation::Join(join) => relation_bytes(&join.left).saturating_add(relation_bytes(&join.right)),
        Relation::Query(block) => Capabilities::request_bytes(block),
        Relation::Union(blocks) => sum(blocks.iter().map(Capabilities::request_bytes)),
    }
}

fn expression_bytes(expression: &Expr, column: &impl Fn(usize) -> usize) -> usize {
    let own = match expression {
        Expr::Column(index) => column(*index),
        Expr::Literal(value) => text_length(value).saturating_add(1),
        Expr::ScalarSubquery(query) | Expr::Exists(query) => Capabilities::request_bytes(query),
        Expr::And(parts) | Expr::Or(parts) => parts.len().saturating_mul(OPERATOR),
        Expr::OuterColumn { .. }
        | Expr::Parameter { .. }
        | Expr::Compare { .. }
        | Expr::InList { .. }
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::Arithmetic { .. }
        | Expr::Negate(_)
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. }
        | Expr::Window { .. } => OPERATOR,
    };
    own.saturating_add(sum(expression.children().into_iter().map(|child| expression_bytes(child, column))))
}

fn sum(sizes: impl Iterator<Item = usize>) -> usize {
    sizes.fold(0, usize::saturating_add)
}
