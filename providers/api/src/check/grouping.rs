//! How well a source computes what needs several rows: aggregates, groups, windows, and the equalities of joins.

use super::ExprCheck;
use super::expression::text_comparison;
use super::scope::laxer;
use crate::capabilities::{AggregateCapabilities, Support, TypeClass};
use crate::expr::{CompareOp, Expr, WindowFunction};
use crate::query::{AggregateCall, AggregateFunction, SortKey};

impl ExprCheck<'_> {
    pub(super) fn window(&self, function: WindowFunction, arguments: &[Expr], partition_by: &[Expr], order_by: &[SortKey]) -> Support {
        let inner = arguments.iter().chain(partition_by).chain(order_by.iter().map(|key| &key.expr));
        if !self.windows || inner.into_iter().any(Expr::has_window) || self.order_by(order_by).is_err() {
            return Support::None;
        }
        let called = match (function.aggregate(), arguments) {
            (None, []) => Support::Exact,
            (Some(AggregateFunction::Count), []) => self.function(AggregateFunction::CountRows, None),
            (Some(aggregate), [argument]) => self.function(aggregate, Some(argument)),
            (None | Some(_), _) => Support::None,
        };
        partition_by.iter().map(|key| self.groupable(key)).fold(called.min(self.capabilities.window), Support::min)
    }

    /// How well the source computes an aggregate function of an argument.
    fn function(&self, function: AggregateFunction, argument: Option<&Expr>) -> Support {
        let scalar_type = argument.map(|argument| argument.scalar_type(&self.columns));
        let class = match scalar_type {
            None => TypeClass::Integer,
            Some(Some(scalar_type)) => TypeClass::of(scalar_type),
            Some(None) => return Support::None,
        };
        if function.result_type(scalar_type.flatten()).is_none() {
            return Support::None;
        }
        let computed =
            |aggregate: &AggregateCapabilities| aggregate.functions.get(&function).and_then(|classes| classes.get(&class)).copied();
        let mut support = self.aggregate(|aggregate| computed(aggregate).unwrap_or_default());
        // Which text is the least depends on the order of texts.
        if let (AggregateFunction::Min | AggregateFunction::Max, TypeClass::Text, Some(argument)) = (function, class, argument) {
            support = support.min(text_comparison(self.collation(&[argument]), CompareOp::Lt));
        }
        argument.map_or(Support::Exact, |argument| self.operand(argument)).min(support)
    }

    /// How well the source computes an aggregate, but for its filter.
    pub(super) fn call(&self, call: &AggregateCall) -> Support {
        let scalar_type = call.argument.as_ref().and_then(|argument| argument.scalar_type(&self.columns));
        if call.function.result_type(scalar_type) != Some(call.scalar_type) {
            return Support::None;
        }
        let distinct = match (&call.argument, call.distinct) {
            (_, false) => Support::Exact,
            (Some(argument), true) => self.groupable(argument).min(self.aggregate(|aggregate| aggregate.distinct)),
            (None, true) => Support::None,
        };
        self.function(call.function, call.argument.as_ref()).min(distinct)
    }

    /// How well the source tells equal values from different ones, as grouping and `DISTINCT` do.
    pub fn groupable(&self, expression: &Expr) -> Support {
        self.operand(expression).min(self.told_apart(expression))
    }

    /// The same, of a value that is returned anyway.
    pub(super) fn told_apart(&self, expression: &Expr) -> Support {
        let Some(scalar_type) = expression.scalar_type(&self.columns) else { return Support::None };
        let class = TypeClass::of(scalar_type);
        let mut support = self.compared(expression, class, CompareOp::Eq);
        if class == TypeClass::Text {
            support = support.min(text_comparison(self.collation(&[expression]), CompareOp::Eq));
        }
        if support == Support::Exact { Support::Exact } else { Support::None }
    }

    /// How well the source matches a value of this relation with one of `right`'s, as the equalities of a join do.
    pub(super) fn matches(&self, left: &Expr, right: (&ExprCheck<'_>, &Expr), null_equal: bool) -> Support {
        let class = |check: &ExprCheck<'_>, expression: &Expr| expression.scalar_type(&check.columns).map(TypeClass::of);
        let (right_check, right) = right;
        let Some(class) = class(self, left).filter(|left| class(right_check, right) == Some(*left)) else { return Support::None };
        let op = if null_equal { CompareOp::IsNotDistinctFrom } else { CompareOp::Eq };
        let mut support = self.compared(left, class, op).min(right_check.compared(right, class, op));
        if class == TypeClass::Text {
            support = support.min(text_comparison(laxer(self.collation(&[left]), right_check.collation(&[right])), op));
        }
        self.operand(left).min(right_check.operand(right)).min(support)
    }
}
