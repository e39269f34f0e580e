//! Functions over collections (URL Conventions, section 5.1.1.6): `hassubset` and `hassubsequence`, over collections that are written
//! out, and `hassubset` over the values of a property of related entities. It must not know where rows come from.
#![deny(clippy::wildcard_enum_match_arm)]

use super::member::{Collection, Meaning};
use super::promote::{Operand, coerce, meeting_type};
use super::scope::Scope;
use crate::bound::{ArithmeticOperator, BoundExpr, BoundQuantifier, ComparisonOperator};
use crate::error::ODataError;
use crate::syntax::{Argument, Expr, ExprKind, Span};
use crate::value_type::ValueType;
use portico_provider_api::{ScalarType, Value};

/// Most comparisons that a call may stand for where they are left to the engine.
const MAX_COMPARISONS: usize = 2_500;

/// A collection that is an argument.
enum Items<'a> {
    Written(Vec<(Operand, Span)>),
    Members(Collection<'a>, usize),
}

impl<'a> Scope<'a> {
    /// `hassubset` or `hassubsequence`.
    pub(super) fn collections(&self, name: &str, arguments: &[Argument], span: Span) -> Result<Operand, ODataError> {
        let [first, second] = arguments else {
            return Err(self.wrong(span, format!("the function {name} takes 2 arguments, not {}", arguments.len())));
        };
        if let Some(argument) = arguments.iter().find(|argument| argument.name.is_some()) {
            return Err(self.wrong(argument.value.span, format!("the arguments of {name} have no names")));
        }
        let Items::Written(wanted) = self.items(name, &second.value)? else {
            return Err(self.not_built(second.value.span, format!("{name} with a collection of related values as its second argument")));
        };
        let expr = match self.items(name, &first.value)? {
            Items::Members(collection, _) if name == "hassubsequence" => {
                let text = collection.text;
                return Err(self.not_built(first.value.span, format!("hassubsequence over '{text}' (its values are in no order)")));
            }
            Items::Members(collection, property) => self.among_members(&collection, property, wanted, span)?,
            Items::Written(given) => self.written(name, given, wanted, span)?,
        };
        Ok(Operand::typed(expr, ScalarType::Boolean, format!("{name}(…)")))
    }

    fn items(&self, name: &str, expr: &Expr) -> Result<Items<'a>, ODataError> {
        let wrong = || self.wrong(expr.span, format!("{name} expects collections, such as [1,2,3] or Orders/Amount"));
        match &expr.kind {
            ExprKind::Array(items) | ExprKind::List(items) => {
                let operands = items.iter().map(|item| Ok((self.comparable(self.operand(item)?, item.span)?, item.span)));
                operands.collect::<Result<_, ODataError>>().map(Items::Written)
            }
            ExprKind::Alias(alias) => match self.alias(alias, expr.span)? {
                Some((value, scope)) => scope.items(name, value),
                None => Err(self.wrong(expr.span, format!("the parameter alias {alias} has no value, and {name} expects a collection"))),
            },
            ExprKind::Path(_) => match self.meaning(expr)? {
                Meaning::Members(Collection { property: Some(property), members, table, text }) => {
                    Ok(Items::Members(Collection { property: None, members, table, text }, property))
                }
                Meaning::Members(collection) => {
                    let text = collection.text;
                    Err(self.wrong(expr.span, format!("{name} compares values: name a property of the entities, as in {text}/…")))
                }
                Meaning::Value(_) | Meaning::Row(..) | Meaning::Complex(..) => Err(wrong()),
            },
            ExprKind::Literal(_)
            | ExprKind::Call { .. }
            | ExprKind::Unary { .. }
            | ExprKind::Binary { .. }
            | ExprKind::Logical { .. }
            | ExprKind::Case(_)
            | ExprKind::Object(_)
            | ExprKind::JsonText(_) => Err(wrong()),
        }
    }

    /// All items in the type in which they meet.
    fn met(&self, items: Vec<(Operand, Span)>, to: &ValueType) -> Result<Vec<BoundExpr>, ODataError> {
        items.into_iter().map(|(item, span)| coerce(item, to.clone()).map_err(|why| self.wrong(span, why))).collect()
    }

    fn written(&self, name: &str, given: Vec<(Operand, Span)>, wanted: Vec<(Operand, Span)>, span: Span) -> Result<BoundExpr, ODataError> {
        let all: Vec<&Operand> = given.iter().chain(&wanted).map(|(item, _)| item).collect();
        let meeting = meeting_type(&all).map_err(|why| self.wrong(span, why))?;
        let (given, wanted) = (self.met(given, &meeting)?, self.met(wanted, &meeting)?);
        if let Some((given, wanted)) = constants(&given).zip(constants(&wanted)) {
            let holds = if name == "hassubset" { is_subset(&given, &wanted) } else { is_subsequence(&given, &wanted) };
            return Ok(BoundExpr::Literal(Value::Boolean(holds)));
        }
        if name == "hassubsequence" {
            return Err(self.not_built(span, "hassubsequence over collections with items that are no constants"));
        }
        if wanted.len() * (given.len() + wanted.len()) > MAX_COMPARISONS {
            return Err(self.not_built(span, "hassubset over so many items that are no constants"));
        }
        // Each item that is wanted is there as often as it is wanted.
        let often = wanted.iter().map(|item| BoundExpr::compare(ComparisonOperator::Ge, times(&given, item), times(&wanted, item)));
        Ok(BoundExpr::all(often.collect()).unwrap_or(BoundExpr::Literal(Value::Boolean(true))))
    }

    /// Whether related entities have all these values of a property, each as often as it is wanted.
    fn among_members(
        &self,
        collection: &Collection<'a>,
        property: usize,
        wanted: Vec<(Operand, Span)>,
        span: Span,
    ) -> Result<BoundExpr, ODataError> {
        let inner = self.inside(None, collection.table);
        let row = inner.innermost().ok_or_else(|| self.wrong(span, "there are no rows here"))?;
        let value_type = row.rows.columns.get(property).map(|column| column.value_type.clone());
        let member = Operand { expr: super::spatial::of_column(&row, property), value_type, literal: None, text: collection.text.clone() };
        let member = self.comparable(member, span)?;
        let all: Vec<&Operand> = std::iter::once(&member).chain(wanted.iter().map(|(item, _)| item)).collect();
        let meeting = meeting_type(&all).map_err(|why| self.wrong(span, why))?;
        let wanted = self.met(wanted, &meeting)?;
        let member = coerce(member, meeting).map_err(|why| self.wrong(span, why))?;
        let Some(wanted) = constants(&wanted) else {
            return Err(self.not_built(span, "hassubset over related values with items that are no constants"));
        };
        let mut conditions = Vec::new();
        for (index, value) in wanted.iter().enumerate() {
            if wanted.iter().take(index).any(|earlier| is_same(earlier, value)) {
                continue;
            }
            let often = wanted.iter().filter(|other| is_same(other, value)).count();
            let is_it = BoundExpr::compare(ComparisonOperator::Eq, member.clone(), BoundExpr::Literal((*value).clone()));
            let mut members = collection.members.clone();
            conditions.push(if often <= 1 {
                BoundExpr::Lambda { quantifier: BoundQuantifier::Any, members, condition: Some(Box::new(is_it)) }
            } else {
                members.filter = BoundExpr::both(members.filter.map(|filter| *filter), Some(is_it)).map(Box::new);
                let least = BoundExpr::Literal(Value::Int64(i64::try_from(often).unwrap_or(i64::MAX)));
                BoundExpr::compare(ComparisonOperator::Ge, BoundExpr::Count(members), least)
            });
        }
        Ok(BoundExpr::all(conditions).unwrap_or(BoundExpr::Literal(Value::Boolean(true))))
    }
}

/// How often an item is among others.
fn times(items: &[BoundExpr], item: &BoundExpr) -> BoundExpr {
    let number = |number: i64| BoundExpr::Literal(Value::Int64(number));
    let once = |other: &BoundExpr| {
        let is_it = BoundExpr::compare(ComparisonOperator::Eq, other.clone(), item.clone());
        let otherwise = BoundExpr::Literal(Value::Boolean(true));
        BoundExpr::Case { branches: vec![(is_it, number(1)), (otherwise, number(0))], scalar_type: ScalarType::Int64 }
    };
    let sum = items.iter().map(once).reduce(|left, right| BoundExpr::Arithmetic {
        op: ArithmeticOperator::Add,
        left: Box::new(left),
        right: Box::new(right),
        scalar_type: ScalarType::Int64,
    });
    sum.unwrap_or_else(|| number(0))
}

/// The values, where all items are constants.
fn constants(items: &[BoundExpr]) -> Option<Vec<&Value>> {
    fn constant(item: &BoundExpr) -> Option<&Value> {
        if let BoundExpr::Literal(value) = item { Some(value) } else { None }
    }
    items.iter().map(constant).collect()
}

/// `eq` of two values of one type: null equals itself, NaN nothing.
fn is_same(left: &Value, right: &Value) -> bool {
    (left.is_null() && right.is_null()) || (left == right && !left.is_nan())
}

fn is_subset(given: &[&Value], wanted: &[&Value]) -> bool {
    let mut left = given.to_vec();
    wanted.iter().all(|value| left.iter().position(|other| is_same(other, value)).map(|index| left.swap_remove(index)).is_some())
}

fn is_subsequence(given: &[&Value], wanted: &[&Value]) -> bool {
    let mut rest = given.iter();
    wanted.iter().all(|value| rest.any(|other| is_same(other, value)))
}
