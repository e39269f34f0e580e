//! What [`Capabilities`](crate::Capabilities) say about expressions over one relation. It must not know blocks; [`super`] does.

use super::{ExprCheck, Unsupported, describe, unsupported};
use crate::capabilities::{Collation, ColumnComparisons, ComparisonSupport, NullOrdering, Support, TypeClass};
use crate::expr::{ArithmeticOp, CompareOp, Expr, Function};
use crate::query::{Output, SortKey, SourceQuery};
use crate::types::ScalarType;
use std::collections::BTreeMap;

impl ExprCheck<'_> {
    /// How well the source evaluates a predicate. `Inexact` is only ever returned for a predicate that is not under a
    /// negation: there it becomes `None`.
    pub fn predicate(&self, expression: &Expr) -> Support {
        self.expression(expression).min(self.rows.filter)
    }

    /// How well the source evaluates an expression whose value is observed.
    pub fn value(&self, expression: &Expr) -> Support {
        match self.expression(expression) {
            Support::Inexact => Support::None,
            other => other,
        }
    }

    pub(super) fn comparison(&self, class: TypeClass) -> ComparisonSupport {
        self.capabilities.filter.comparisons.get(&class).copied().unwrap_or_default()
    }

    fn expression(&self, expression: &Expr) -> Support {
        let filter = &self.capabilities.filter;
        match expression {
            Expr::Column(index) => {
                let boolean = self.columns.get(*index).is_some_and(|column| column.scalar_type == ScalarType::Boolean);
                let bare = || filter.bare_boolean.min(self.own_comparisons(expression).map_or(Support::Exact, |own| own.equal));
                self.column_restriction(*index).min(if boolean { bare() } else { Support::Exact })
            }
            Expr::Literal(value) => match value.scalar_type() {
                ScalarType::Boolean => filter.bare_boolean,
                _ => Support::Exact,
            },
            Expr::Parameter { .. } => Support::None,
            Expr::OuterColumn { depth, index, scalar_type } => {
                let outer =
                    self.outer(*depth).filter(|outer| outer.columns.get(*index).map(|column| column.scalar_type) == Some(*scalar_type));
                let outer = outer.filter(|outer| outer.own_comparisons(&Expr::Column(*index)).is_none());
                match outer.map_or(Support::None, |outer| outer.column_restriction(*index)) {
                    Support::Exact => self.capabilities.correlated,
                    Support::Inexact | Support::None => Support::None,
                }
            }
            Expr::Window { function, arguments, partition_by, order_by } => self.window(*function, arguments, partition_by, order_by),
            Expr::Compare { op, left, right } => self.compare(*op, left, right),
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::And(parts) => parts.iter().map(|part| self.expression(part)).fold(filter.and, Support::min),
            Expr::Or(parts) => parts.iter().map(|part| self.expression(part)).fold(filter.or, Support::min),
            Expr::Not(inner) => match self.expression(inner) {
                // A superset under NOT becomes a subset, which loses rows.
                Support::Exact => filter.not,
                Support::Inexact | Support::None => Support::None,
            },
            Expr::IsNull(inner) => match inner.scalar_type(&self.columns) {
                Some(scalar_type) => {
                    let own = self.own_comparisons(inner).map(|own| own.is_null);
                    self.operand(inner).min(own.unwrap_or_else(|| self.comparison(TypeClass::of(scalar_type)).is_null))
                }
                None => Support::None,
            },
            Expr::Arithmetic { op, left, right } => {
                let class = left.scalar_type(&self.columns).map(TypeClass::of);
                let mut support = class.and_then(|class| filter.arithmetic.get(op)?.get(&class)).copied().unwrap_or_default();
                if *op == ArithmeticOp::Multiply && self.rounds(left, right) {
                    support = support.min(filter.rounded_products);
                }
                self.part(left).min(self.part(right)).min(support)
            }
            Expr::Negate(inner) => {
                let class = inner.scalar_type(&self.columns).map(TypeClass::of);
                let support =
                    class.and_then(|class| filter.arithmetic.get(&ArithmeticOp::Subtract)?.get(&class)).copied().unwrap_or_default();
                self.part(inner).min(support)
            }
            Expr::Case { branches, otherwise } => branches
                .iter()
                .flat_map(|(when, then)| [self.value(when), self.part(then)])
                .chain(otherwise.iter().map(|otherwise| self.part(otherwise)))
                .fold(filter.case, Support::min),
            Expr::Cast { expr, to } => {
                let from = expr.scalar_type(&self.columns).map(TypeClass::of);
                let known = from.is_some_and(|from| filter.casts.contains(&(from, TypeClass::of(*to))));
                if known { self.part(expr) } else { Support::None }
            }
            Expr::Call { function, arguments } => {
                let of = |functions: &BTreeMap<Function, Support>| functions.get(function).copied().unwrap_or_default();
                // Where a column says which functions it may be an argument of, no other counts.
                let own = |argument: &Expr| argument.as_column().and_then(|index| self.rules.get(index)?.functions).map(of);
                let own = arguments.iter().filter_map(own).min();
                let without = |argument: &Expr| own.is_none() && self.own_comparisons(argument).is_some();
                if arguments.iter().any(without) {
                    return Support::None;
                }
                let support = own.unwrap_or_else(|| of(&filter.functions));
                arguments.iter().map(|argument| self.operand(argument)).fold(support, Support::min)
            }
            Expr::ScalarSubquery(query) if query.output.len() != 1 => Support::None,
            Expr::ScalarSubquery(query) => self.subquery(query).min(self.capabilities.scalar_subquery),
            Expr::Exists(query) => self.subquery(query).min(self.capabilities.exists),
        }
    }

    fn subquery(&self, query: &SourceQuery) -> Support {
        match self.capabilities.block(query, Some(self)) {
            Ok(Support::Exact) => Support::Exact,
            Ok(Support::Inexact | Support::None) | Err(_) => Support::None,
        }
    }

    /// Whether the product of two decimals has more digits after the point than its type keeps.
    fn rounds(&self, left: &Expr, right: &Expr) -> bool {
        match (left.scalar_type(&self.columns), right.scalar_type(&self.columns)) {
            (Some(left), Some(right)) => crate::typing::product_is_rounded(left, right),
            _ => false,
        }
    }

    /// A sub-expression whose value feeds another one must be exact.
    pub(super) fn operand(&self, expression: &Expr) -> Support {
        match expression {
            // A boolean operand is not a bare predicate.
            Expr::Column(index) => match self.column_restriction(*index) {
                Support::Inexact => Support::None,
                other => other,
            },
            Expr::Literal(_) => Support::Exact,
            other => self.value(other),
        }
    }

    /// A part of a computation: what has comparisons of its own is only compared.
    fn part(&self, expression: &Expr) -> Support {
        if self.own_comparisons(expression).is_some() { Support::None } else { self.operand(expression) }
    }

    /// The comparisons of a column that has its own.
    pub(super) fn own_comparisons(&self, expression: &Expr) -> Option<ColumnComparisons> {
        self.rules.get(expression.as_column()?)?.comparisons
    }

    /// How well an expression of a class is compared with something on its right.
    pub(super) fn compared(&self, expression: &Expr, class: TypeClass, op: CompareOp) -> Support {
        self.own_comparisons(expression).map_or_else(|| self.comparison(class).of(op), |own| own.of(op))
    }

    fn compare(&self, op: CompareOp, left: &Expr, right: &Expr) -> Support {
        let Some(scalar_type) = left.scalar_type(&self.columns) else { return Support::None };
        let class = TypeClass::of(scalar_type);
        if right.scalar_type(&self.columns).map(TypeClass::of) != Some(class) {
            return Support::None;
        }
        // What a literal is compared with decides.
        let mut support = match (left, right) {
            (_, Expr::Literal(_)) => self.compared(left, class, op),
            (Expr::Literal(_), _) => self.compared(right, class, mirrored(op)),
            (_, _) => self.compared(left, class, op).min(self.compared(right, class, mirrored(op))),
        };
        if class == TypeClass::Text {
            support = support.min(text_comparison(self.collation(&[left, right]), op));
        }
        let literal = matches!(left, Expr::Literal(_)) || matches!(right, Expr::Literal(_));
        if !literal {
            support = support.min(self.between(left, right));
        }
        // A column that is restricted to Inexact predicates may be compared, and what is compared must be exact.
        let restriction = [left, right].into_iter().flat_map(Expr::columns).map(|index| self.column_restriction(index));
        let operands = [left, right].into_iter().filter(|side| !matches!(side, Expr::Column(_))).map(|side| self.operand(side));
        restriction.chain(operands).fold(support, Support::min)
    }

    /// How well the source compares two expressions neither of which is a literal.
    fn between(&self, left: &Expr, right: &Expr) -> Support {
        let filter = &self.capabilities.filter;
        let native_type = |side: &Expr| side.as_column().and_then(|index| self.columns.get(index)?.native_type.as_deref());
        let alike = || matches!((native_type(left), native_type(right)), (Some(left), Some(right)) if left == right);
        if !filter.within_native_types || alike() { filter.between_expressions } else { Support::None }
    }

    fn in_list(&self, expr: &Expr, list: &[Expr], negated: bool) -> Support {
        let Some(scalar_type) = expr.scalar_type(&self.columns) else { return Support::None };
        let own = expr.as_column().and_then(|index| self.rules.get(index)?.max_in_list);
        if list.is_empty() || list.len() > own.unwrap_or(self.capabilities.filter.max_in_list) {
            return Support::None;
        }
        let class = TypeClass::of(scalar_type);
        let literals = list.iter().all(|item| matches!(item, Expr::Literal(value) if TypeClass::of(value.scalar_type()) == class));
        if !literals {
            return Support::None;
        }
        let op = if negated { CompareOp::NotEq } else { CompareOp::Eq };
        let mut support = self.compared(expr, class, op);
        if class == TypeClass::Text {
            support = support.min(text_comparison(self.collation(&[expr]), op));
        }
        let inner = match expr {
            Expr::Column(index) => self.column_restriction(*index),
            other => self.operand(other),
        };
        support.min(inner)
    }

    fn sort_key(&self, key: &SortKey) -> Result<(), Unsupported> {
        let capabilities = self.capabilities;
        let scalar_type = key.expr.scalar_type(&self.columns).ok_or_else(|| unsupported("sorting by an untyped expression"))?;
        let class = TypeClass::of(scalar_type);
        let lowest = key.nulls_first != key.descending;
        let placed = match capabilities.sort.nulls {
            NullOrdering::AsAsked => true,
            NullOrdering::Lowest => lowest,
            NullOrdering::Highest => !lowest,
        };
        let nullable = key.expr.nullable(&self.columns);
        if !placed && nullable {
            return Err(unsupported("the placement of nulls in the order"));
        }
        let (general, table) = match &key.expr {
            Expr::Column(index) => (capabilities.sort.columns, self.rules.get(*index).map_or(Support::None, |rule| rule.sort)),
            other => (capabilities.sort.expressions, self.value(other)),
        };
        let collation = self.collation(&[&key.expr]);
        let text = if class == TypeClass::Text && collation != Collation::Binary { Support::None } else { Support::Exact };
        let support = general.min(table).min(self.rows.sort).min(text).min(self.comparison(class).sort);
        if support == Support::Exact { Ok(()) } else { Err(unsupported(format!("sorting by {}", describe(&key.expr, &self.columns)))) }
    }

    /// Whether the source can sort by all keys, as asked.
    ///
    /// # Errors
    /// Names the key it cannot sort by.
    pub fn order_by(&self, keys: &[SortKey]) -> Result<(), Unsupported> {
        keys.iter().try_for_each(|key| self.sort_key(key))
    }

    /// Whether the source can return an expression.
    pub fn output(&self, output: &Output) -> Support {
        match &output.expr {
            Expr::Column(index) if *index >= self.columns.len() => Support::None,
            Expr::Column(_) => self.capabilities.projection,
            other if other.scalar_type(&self.columns).is_none() => Support::None,
            other if other.has_window() => {
                let windowed = ExprCheck { windows: true, ..self.clone() };
                self.capabilities.computed_output.min(windowed.value(other))
            }
            other => self.capabilities.computed_output.min(self.value(other)),
        }
    }

    /// Whether the source takes a key set over these columns.
    pub fn key_columns(&self, columns: &[usize]) -> Support {
        let Some(limits) = self.key_limits(columns) else { return Support::None };
        columns.iter().map(|index| self.key_column(*index)).fold(limits.support, Support::min)
    }

    fn key_column(&self, index: usize) -> Support {
        let Some(column) = self.columns.get(index) else { return Support::None };
        let class = TypeClass::of(column.scalar_type);
        let expression = Expr::Column(index);
        let required = self.rules.get(index).is_some_and(|rule| rule.key);
        // A table that names its key sets takes them, however else its columns are compared.
        let own = required || self.has_own_keys();
        let mut support = if own { Support::Exact } else { self.compared(&expression, class, CompareOp::Eq) };
        if class == TypeClass::Text {
            support = support.min(text_comparison(self.collation(&[&expression]), CompareOp::Eq));
        }
        if own { support } else { support.min(self.column_restriction(index)) }
    }
}

/// The operator that says the same with its sides turned round.
pub(super) fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => op,
    }
}

pub(super) fn text_comparison(collation: Collation, op: CompareOp) -> Support {
    match (collation, op) {
        (Collation::Binary, _) => Support::Exact,
        (Collation::CaseInsensitive, CompareOp::Eq) => Support::Inexact,
        (Collation::CaseInsensitive, _) => Support::None,
        (Collation::Linguistic, CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq) => Support::None,
        (Collation::Linguistic, _) => Support::Exact,
    }
}
