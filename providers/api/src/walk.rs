//! Walks through queries and expressions: children, columns, tables, sub-queries. It must not know what any of them means.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::expr::Expr;
use crate::query::{Relation, SourceQuery, TableRelation};
use crate::types::ScalarType;
use crate::value::Value;
use std::convert::Infallible;

/// Calls `visit` for every table a query reads, sub-queries included.
pub fn visit_tables<'a>(query: &'a SourceQuery, visit: &mut impl FnMut(&'a TableRelation)) {
    fn relation<'a>(from: &'a Relation, visit: &mut impl FnMut(&'a TableRelation)) {
        match from {
            Relation::Table(table) => visit(table),
            Relation::Join(join) => {
                relation(&join.left, visit);
                relation(&join.right, visit);
            }
            Relation::Query(query) => visit_tables(query, visit),
            Relation::Union(queries) => queries.iter().for_each(|query| visit_tables(query, visit)),
            // What an operation reads is not known.
            Relation::Call(_) => {}
        }
    }
    relation(&query.from, visit);
    for expression in query.expressions() {
        visit_subqueries(expression, &mut |subquery| visit_tables(subquery, visit));
    }
}

/// Calls `visit` for every sub-query of an expression; not for those inside them.
pub fn visit_subqueries<'a>(expression: &'a Expr, visit: &mut dyn FnMut(&'a SourceQuery)) {
    if let Expr::ScalarSubquery(query) | Expr::Exists(query) = expression {
        visit(query);
    }
    for child in expression.children() {
        visit_subqueries(child, visit);
    }
}

impl Expr {
    /// The direct sub-expressions, those inside sub-queries excepted.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column(_)
            | Expr::OuterColumn { .. }
            | Expr::Literal(_)
            | Expr::Parameter { .. }
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_) => Vec::new(),
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => vec![left, right],
            Expr::InList { expr, list, .. } => std::iter::once(expr.as_ref()).chain(list).collect(),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().collect(),
            Expr::Not(inner) | Expr::IsNull(inner) | Expr::Negate(inner) | Expr::Cast { expr: inner, .. } => vec![inner],
            Expr::Case { branches, otherwise } => {
                branches.iter().flat_map(|(when, then)| [when, then]).chain(otherwise.as_deref()).collect()
            }
            Expr::Call { arguments, .. } => arguments.iter().collect(),
            Expr::Window { arguments, partition_by, order_by, .. } => {
                arguments.iter().chain(partition_by).chain(order_by.iter().map(|key| &key.expr)).collect()
            }
        }
    }

    /// The same sub-expressions, to be changed.
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Expr::Column(_)
            | Expr::OuterColumn { .. }
            | Expr::Literal(_)
            | Expr::Parameter { .. }
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_) => Vec::new(),
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => vec![left, right],
            Expr::InList { expr, list, .. } => std::iter::once(expr.as_mut()).chain(list).collect(),
            Expr::And(parts) | Expr::Or(parts) => parts.iter_mut().collect(),
            Expr::Not(inner) | Expr::IsNull(inner) | Expr::Negate(inner) | Expr::Cast { expr: inner, .. } => vec![inner],
            Expr::Case { branches, otherwise } => {
                branches.iter_mut().flat_map(|(when, then)| [when, then]).chain(otherwise.as_deref_mut()).collect()
            }
            Expr::Call { arguments, .. } => arguments.iter_mut().collect(),
            Expr::Window { arguments, partition_by, order_by, .. } => {
                arguments.iter_mut().chain(partition_by).chain(order_by.iter_mut().map(|key| &mut key.expr)).collect()
            }
        }
    }

    /// The positions of all columns used; those that sub-queries use as columns of an enclosing query excepted.
    pub fn columns(&self) -> Vec<usize> {
        let mut found = Vec::new();
        fn walk(expression: &Expr, found: &mut Vec<usize>) {
            if let Expr::Column(index) = expression {
                found.push(*index);
            }
            expression.children().into_iter().for_each(|child| walk(child, found));
        }
        walk(self, &mut found);
        found
    }

    /// Whether it has a sub-query.
    pub fn has_subquery(&self) -> bool {
        matches!(self, Expr::ScalarSubquery(_) | Expr::Exists(_)) || self.children().into_iter().any(Expr::has_subquery)
    }

    /// Whether it has a window function, sub-queries excepted.
    pub fn has_window(&self) -> bool {
        matches!(self, Expr::Window { .. }) || self.children().into_iter().any(Expr::has_window)
    }
}

/// Puts a value in the place of every parameter of a query, nested blocks and sub-queries included.
///
/// # Errors
/// The position of the first parameter for which `value` has none of its type.
pub fn bind_parameters(query: &mut SourceQuery, value: &dyn Fn(u32, ScalarType) -> Option<Value>) -> Result<(), u32> {
    replace_parameters(query, &mut |index, scalar_type| {
        let bound = value(index, scalar_type).filter(|bound| bound.scalar_type() == scalar_type);
        Ok(Expr::Literal(bound.ok_or(index)?))
    })
}

/// Numbers the parameters of a query anew, in the order in which they are first met. Gives what each was: its number before, and its type.
pub fn number_parameters(query: &mut SourceQuery) -> Vec<(u32, ScalarType)> {
    let mut before: Vec<(u32, ScalarType)> = Vec::new();
    let numbered: Result<(), Infallible> = replace_parameters(query, &mut |index, scalar_type| {
        let known = before.iter().position(|known| *known == (index, scalar_type));
        let at = known.unwrap_or_else(|| {
            before.push((index, scalar_type));
            before.len() - 1
        });
        Ok(Expr::Parameter { index: u32::try_from(at).unwrap_or(u32::MAX), scalar_type })
    });
    match numbered {
        Ok(()) => before,
    }
}

/// Puts something in the place of every parameter, by its number and type.
fn replace_parameters<E>(query: &mut SourceQuery, replacement: &mut dyn FnMut(u32, ScalarType) -> Result<Expr, E>) -> Result<(), E> {
    replace_in_relation(&mut query.from, replacement)?;
    query.expressions_mut().into_iter().try_for_each(|expression| replace_in(expression, replacement))
}

fn replace_in_relation<E>(relation: &mut Relation, replacement: &mut dyn FnMut(u32, ScalarType) -> Result<Expr, E>) -> Result<(), E> {
    match relation {
        Relation::Table(_) | Relation::Call(_) => Ok(()),
        Relation::Join(join) => {
            replace_in_relation(&mut join.left, replacement)?;
            replace_in_relation(&mut join.right, replacement)
        }
        Relation::Query(query) => replace_parameters(query, replacement),
        Relation::Union(queries) => queries.iter_mut().try_for_each(|query| replace_parameters(query, replacement)),
    }
}

fn replace_in<E>(expression: &mut Expr, replacement: &mut dyn FnMut(u32, ScalarType) -> Result<Expr, E>) -> Result<(), E> {
    if let Expr::Parameter { index, scalar_type } = expression {
        *expression = replacement(*index, *scalar_type)?;
    }
    if let Expr::ScalarSubquery(query) | Expr::Exists(query) = expression {
        replace_parameters(query, replacement)?;
    }
    expression.children_mut().into_iter().try_for_each(|child| replace_in(child, replacement))
}

impl SourceQuery {
    /// Whether a parameter is left in it, nested blocks and sub-queries included.
    pub fn has_parameters(&self) -> bool {
        fn expression(of: &Expr) -> bool {
            if let Expr::ScalarSubquery(query) | Expr::Exists(query) = of {
                return query.has_parameters();
            }
            matches!(of, Expr::Parameter { .. }) || of.children().into_iter().any(expression)
        }
        fn relation(from: &Relation) -> bool {
            match from {
                Relation::Table(_) | Relation::Call(_) => false,
                Relation::Join(join) => relation(&join.left) || relation(&join.right),
                Relation::Query(query) => query.has_parameters(),
                Relation::Union(queries) => queries.iter().any(SourceQuery::has_parameters),
            }
        }
        relation(&self.from) || self.expressions().into_iter().any(expression)
    }

    /// Whether it uses a column of an enclosing query, so that it has no meaning without that query's row.
    pub fn is_correlated(&self) -> bool {
        self.reaches_beyond(0)
    }

    /// Whether it, or a block in it, uses a column more than `depth` queries up.
    fn reaches_beyond(&self, depth: u32) -> bool {
        self.expressions().into_iter().any(|expression| expression_reaches(expression, depth)) || relation_reaches(&self.from, depth)
    }
}

fn relation_reaches(relation: &Relation, depth: u32) -> bool {
    match relation {
        Relation::Table(_) | Relation::Call(_) => false,
        Relation::Join(join) => relation_reaches(&join.left, depth) || relation_reaches(&join.right, depth),
        // A block in `from` is no level of its own: it does not see its siblings.
        Relation::Query(query) => query.reaches_beyond(depth),
        Relation::Union(queries) => queries.iter().any(|query| query.reaches_beyond(depth)),
    }
}

fn expression_reaches(expression: &Expr, level: u32) -> bool {
    match expression {
        Expr::OuterColumn { depth, .. } => *depth > level,
        Expr::ScalarSubquery(query) | Expr::Exists(query) => query.reaches_beyond(level + 1),
        Expr::Column(_)
        | Expr::Literal(_)
        | Expr::Parameter { .. }
        | Expr::Compare { .. }
        | Expr::InList { .. }
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::Arithmetic { .. }
        | Expr::Negate(_)
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. }
        | Expr::Window { .. } => expression.children().into_iter().any(|child| expression_reaches(child, level)),
    }
}
