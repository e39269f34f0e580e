//! Translates DataFusion's expressions to the IR, as far as both mean the same; what has no equal stays local. Capabilities are
//! not asked here.

use crate::plan::canonical_float;
use crate::plan::checked::DIVIDE;
use crate::plan::decimal_factors::FACTOR;
use crate::plan::parameters;
use crate::policy::barrier::RULE;
use crate::pushdown::sole_fragment;
use crate::values::{is_of_our_era, typed_as, value_from_scalar};
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Case, Cast, Expr as PlanExpr, ExprSchemable, Operator, Subquery};
use portico_provider_api::{ArithmeticOp, CompareOp, Expr, Function, ScalarType, TableColumn, Value};

/// The deepest expression that is translated, `AND` and `OR` not counted, which become flat. Translators recurse, and what is deeper
/// than this was hardly written by anybody who wants it fast.
const MAX_DEPTH: usize = 40;

/// Translates expressions over one node of a plan.
pub struct Translation<'a> {
    /// The node's schema.
    pub schema: &'a DFSchema,
    /// What each of its fields is, over the relation.
    pub fields: &'a [Expr],
    /// The relation's columns.
    pub columns: &'a [TableColumn],
    /// The source that is asked.
    pub source: &'a str,
}

impl Translation<'_> {
    /// The expression in the IR; `None` when it has no equal there, or is too deep.
    pub fn whole(&self, expression: &PlanExpr) -> Option<Expr> {
        let mut waiting = vec![(expression, 0_usize)];
        while let Some((node, depth)) = waiting.pop() {
            if depth > MAX_DEPTH {
                return None;
            }
            let flat = matches!(node, PlanExpr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. }));
            let below = if flat { depth } else { depth + 1 };
            // The closure cannot fail.
            let _ = node.apply_children(|child| {
                waiting.push((child, below));
                Ok(TreeNodeRecursion::Continue)
            });
        }
        self.expression(expression)
    }

    fn expression(&self, expression: &PlanExpr) -> Option<Expr> {
        let translated = self.untyped(expression)?;
        // A translation of another type than the plan's would change what the plan around it reads.
        let expected = expression.get_type(self.schema).ok()?;
        let own = translated.scalar_type(self.columns)?.arrow();
        (own == expected).then_some(translated)
    }

    fn untyped(&self, expression: &PlanExpr) -> Option<Expr> {
        match expression {
            PlanExpr::Column(column) => {
                let index = self.schema.maybe_index_of_column(column)?;
                self.fields.get(index).cloned()
            }
            // Not every source has a NaN, and none says so beforehand.
            PlanExpr::Literal(ScalarValue::Float64(Some(number)), _) if number.is_nan() => None,
            PlanExpr::Literal(ScalarValue::Float32(Some(number)), _) if number.is_nan() => None,
            PlanExpr::Literal(scalar, _) => value_from_scalar(scalar).ok().filter(is_of_our_era).map(Expr::Literal),
            PlanExpr::Placeholder(parameter) => {
                let index = u32::try_from(parameters::number_of(parameter)?).ok()?;
                let scalar_type = ScalarType::from_arrow(parameter.field.as_ref()?.data_type())?;
                Some(Expr::Parameter { index, scalar_type })
            }
            PlanExpr::Alias(alias) => self.untyped(&alias.expr),
            PlanExpr::BinaryExpr(binary) => self.binary(binary),
            PlanExpr::Not(inner) => Some(Expr::Not(Box::new(self.predicate(inner)?))),
            PlanExpr::IsNull(inner) => Some(Expr::IsNull(Box::new(self.expression(inner)?))),
            PlanExpr::IsNotNull(inner) => Some(Expr::Not(Box::new(Expr::IsNull(Box::new(self.expression(inner)?))))),
            PlanExpr::InList(list) => self.in_list(list),
            PlanExpr::Between(between) => {
                let low = self.compare(CompareOp::GtEq, &between.expr, &between.low)?;
                let high = self.compare(CompareOp::LtEq, &between.expr, &between.high)?;
                let both = Expr::And(vec![low, high]);
                Some(if between.negated { Expr::Not(Box::new(both)) } else { both })
            }
            PlanExpr::Like(like) => {
                let plain = !like.case_insensitive && like.escape_char.is_none_or(|escape| escape == '\\');
                if !plain {
                    return None;
                }
                let call = self.call(Function::Like, &[&like.expr, &like.pattern])?;
                Some(if like.negated { Expr::Not(Box::new(call)) } else { call })
            }
            PlanExpr::Negative(inner) => Some(Expr::Negate(Box::new(self.expression(inner)?))),
            PlanExpr::Case(case) => self.case(case),
            PlanExpr::Cast(Cast { expr, field }) => {
                let to = ScalarType::from_arrow(field.data_type())?;
                let float = matches!(expr.get_type(self.schema).ok()?, DataType::Float32 | DataType::Float64);
                if float && matches!(to, ScalarType::Decimal { .. }) {
                    // Which digits a float has beyond its precision is everybody's own.
                    return None;
                }
                Some(Expr::Cast { expr: Box::new(self.expression(expr)?), to })
            }
            PlanExpr::ScalarFunction(function) => self.function(function),
            PlanExpr::ScalarSubquery(subquery) => self.scalar_subquery(subquery),
            // Everything else stays local: no source has its equal yet.
            _ => None,
        }
    }

    /// A sub-query that has become one query of the same source.
    fn scalar_subquery(&self, subquery: &Subquery) -> Option<Expr> {
        let fragment = sole_fragment(&subquery.subquery)?;
        let fits = fragment.source == self.source && fragment.key_slot.is_none() && fragment.required_keys.is_empty();
        (fits && subquery.outer_ref_columns.is_empty()).then(|| Expr::ScalarSubquery(Box::new(fragment.query.as_ref().clone())))
    }

    fn predicate(&self, expression: &PlanExpr) -> Option<Expr> {
        self.expression(expression)
    }

    fn binary(&self, binary: &BinaryExpr) -> Option<Expr> {
        let (left, right) = (&binary.left, &binary.right);
        let arithmetic = |op: ArithmeticOp| {
            Some(Expr::Arithmetic { op, left: Box::new(self.expression(left)?), right: Box::new(self.expression(right)?) })
        };
        match binary.op {
            Operator::And => {
                let parts = [left, right].into_iter().map(|part| self.predicate(part)).collect::<Option<Vec<_>>>()?;
                Expr::all(parts)
            }
            Operator::Or => Some(Expr::Or(self.disjuncts(left, right)?)),
            Operator::Eq => self.compare(CompareOp::Eq, left, right),
            Operator::NotEq => self.compare(CompareOp::NotEq, left, right),
            Operator::Lt => self.compare(CompareOp::Lt, left, right),
            Operator::LtEq => self.compare(CompareOp::LtEq, left, right),
            Operator::Gt => self.compare(CompareOp::Gt, left, right),
            Operator::GtEq => self.compare(CompareOp::GtEq, left, right),
            Operator::IsDistinctFrom => self.compare(CompareOp::IsDistinctFrom, left, right),
            Operator::IsNotDistinctFrom => self.compare(CompareOp::IsNotDistinctFrom, left, right),
            Operator::Plus => arithmetic(ArithmeticOp::Add),
            Operator::Minus => arithmetic(ArithmeticOp::Subtract),
            Operator::Multiply => arithmetic(ArithmeticOp::Multiply),
            Operator::Divide => arithmetic(ArithmeticOp::Divide),
            Operator::Modulo => arithmetic(ArithmeticOp::Modulo),
            Operator::StringConcat => self.call(Function::Concat, &[left, right]),
            _ => None,
        }
    }

    fn disjuncts(&self, left: &PlanExpr, right: &PlanExpr) -> Option<Vec<Expr>> {
        let mut parts = Vec::new();
        for side in [left, right] {
            match self.predicate(side)? {
                Expr::Or(inner) => parts.extend(inner),
                single => parts.push(single),
            }
        }
        Some(parts)
    }

    /// One side of a comparison: a widening of decimals is left out, since the IR compares decimals of any scale, and so is the making
    /// of one zero, since the zeros of the IR are equal.
    fn operand(&self, expression: &PlanExpr) -> Option<Expr> {
        let expression = canonical_float::inner(expression).unwrap_or(expression);
        if let PlanExpr::Cast(Cast { expr, field }) = expression
            && let (Ok(from), to) = (expr.get_type(self.schema), field.data_type())
            && widens_decimal(&from, to)
        {
            return self.expression(expr);
        }
        self.expression(expression)
    }

    fn compare(&self, op: CompareOp, left: &PlanExpr, right: &PlanExpr) -> Option<Expr> {
        let one_zero = canonical_float::inner(left).or(canonical_float::inner(right)).is_some();
        let (left, right) = (self.operand(left)?, self.operand(right)?);
        let (left_type, right_type) = (left.scalar_type(self.columns)?, right.scalar_type(self.columns)?);
        let left = retyped(left, right_type)?;
        let right = retyped(right, left_type)?;
        if matches!(left_type, ScalarType::Float32 | ScalarType::Float64) {
            return float_comparison(op, left, right, one_zero);
        }
        Some(Expr::compare(op, left, right))
    }

    fn in_list(&self, list: &InList) -> Option<Expr> {
        let expr = self.operand(&list.expr)?;
        let scalar_type = expr.scalar_type(self.columns)?;
        if matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64) {
            return None;
        }
        let items = list
            .list
            .iter()
            .map(|item| match item {
                PlanExpr::Literal(scalar, _) => retyped(Expr::Literal(value_from_scalar(scalar).ok()?), scalar_type),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Expr::InList { expr: Box::new(expr), list: items, negated: list.negated })
    }

    fn case(&self, case: &Case) -> Option<Expr> {
        let branches = case
            .when_then_expr
            .iter()
            .map(|(when, then)| {
                let condition = match &case.expr {
                    Some(subject) => self.compare(CompareOp::Eq, subject, when)?,
                    None => self.predicate(when)?,
                };
                Some((condition, self.expression(then)?))
            })
            .collect::<Option<Vec<_>>>()?;
        let otherwise = match &case.else_expr {
            Some(otherwise) => Some(self.expression(otherwise)?),
            None => None,
        };
        // A GUID or document beside a text is text here, and of another type at a source.
        let values: Vec<&Expr> = branches.iter().map(|(_, then)| then).chain(&otherwise).collect();
        let typed = values.iter().find(|value| !matches!(value, Expr::Literal(_))).or(values.first())?;
        let scalar_type = typed.scalar_type(self.columns)?;
        let fits = |value: Expr| {
            let value = retyped(value, scalar_type)?;
            (value.scalar_type(self.columns)? == scalar_type).then_some(value)
        };
        let branches = branches.into_iter().map(|(when, then)| Some((when, fits(then)?))).collect::<Option<Vec<_>>>()?;
        let otherwise = match otherwise {
            Some(otherwise) => Some(Box::new(fits(otherwise)?)),
            None => None,
        };
        Some(Expr::Case { branches, otherwise })
    }

    /// A call; what only looks like text here — a GUID, a JSON document — is no argument for a text function at a source.
    fn call(&self, function: Function, arguments: &[&PlanExpr]) -> Option<Expr> {
        let arguments = arguments.iter().map(|argument| self.expression(argument)).collect::<Option<Vec<_>>>()?;
        let textual = |argument: &Expr| !matches!(argument.scalar_type(self.columns), Some(ScalarType::Guid | ScalarType::Json));
        arguments.iter().all(textual).then_some(Expr::Call { function, arguments })
    }

    fn function(&self, function: &ScalarFunction) -> Option<Expr> {
        let arguments = &function.args;
        let call = |function: Function| self.call(function, &arguments.iter().collect::<Vec<_>>());
        match (function.func.name(), arguments.len()) {
            // The mark of a row rule says where the condition comes from, not what it means.
            (RULE, 1) => self.untyped(arguments.first()?),
            (FACTOR, 1) => self.untyped(arguments.first()?),
            (DIVIDE, 2) => {
                let [left, right] = arguments.as_slice() else { return None };
                let (left, right) = (Box::new(self.expression(left)?), Box::new(self.expression(right)?));
                Some(Expr::Arithmetic { op: ArithmeticOp::Divide, left, right })
            }
            ("contains", 2) => call(Function::Contains),
            ("starts_with", 2) => call(Function::StartsWith),
            ("ends_with", 2) => call(Function::EndsWith),
            ("character_length", 1) => call(Function::Length),
            ("strpos", 2) => call(Function::Position),
            // A start below 1 means something else in SQL dialects: only literal starts from 1 are sent.
            ("substr", 2 | 3) => match arguments.get(1) {
                Some(PlanExpr::Literal(ScalarValue::Int64(Some(start)), _)) if *start >= 1 => call(Function::Substring),
                _ => None,
            },
            ("lower", 1) => call(Function::Lower),
            ("upper", 1) => call(Function::Upper),
            ("btrim", 1) => call(Function::Trim),
            ("abs", 1) => call(Function::Abs),
            ("round", 1) => call(Function::Round),
            ("floor", 1) => call(Function::Floor),
            ("ceil", 1) => call(Function::Ceiling),
            ("date_part", 2) => {
                let PlanExpr::Literal(ScalarValue::Utf8(Some(part)), _) = arguments.first()? else { return None };
                let part = match part.to_ascii_lowercase().as_str() {
                    "year" => Function::Year,
                    "month" => Function::Month,
                    "day" => Function::Day,
                    "hour" => Function::Hour,
                    "minute" => Function::Minute,
                    "second" => Function::Second,
                    _ => return None,
                };
                Some(Expr::Call { function: part, arguments: vec![self.expression(arguments.get(1)?)?] })
            }
            _ => None,
        }
    }
}

/// A text literal beside a GUID or JSON column means one; a text that is no canonical GUID is left to the local comparison.
fn retyped(expression: Expr, other: ScalarType) -> Option<Expr> {
    match expression {
        Expr::Literal(value) => typed_as(value, other).map(Expr::Literal),
        // Whether its text is canonical is seen when it is there.
        Expr::Parameter { index, scalar_type: ScalarType::Text } if other == ScalarType::Guid => {
            Some(Expr::Parameter { index, scalar_type: other })
        }
        other => Some(other),
    }
}

pub fn widens_decimal(from: &DataType, to: &DataType) -> bool {
    let facets = |data_type: &DataType| match data_type {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => Some((i16::from(*precision), i16::from(*scale))),
        _ => None,
    };
    match (facets(from), facets(to)) {
        (Some((from_precision, from_scale)), Some((to_precision, to_scale))) => {
            to_scale >= from_scale && to_precision - to_scale >= from_precision - from_scale
        }
        _ => false,
    }
}

/// DataFusion compares floats by IEEE 754's total order (NaN equals itself and is greatest, -0 is below 0), the IR by its
/// ordinary comparison. Beside a literal that is neither NaN nor zero, `<`, `<=`, `=` and `<>` agree, and `>` is "not `<=`"; beside a
/// zero too, when the other side has one zero only.
fn float_comparison(op: CompareOp, left: Expr, right: Expr, one_zero: bool) -> Option<Expr> {
    let (op, expr, literal) = match (left, right) {
        (expr, Expr::Literal(value)) => (op, expr, value),
        (Expr::Literal(value), expr) => (mirrored(op), expr, value),
        _ => return None,
    };
    let (Value::Float32(number) | Value::Float64(number)) = &literal else { return None };
    let (number, negative_zero) = (number.0, number.0 == 0.0 && number.0.is_sign_negative());
    let compare = |op: CompareOp| Expr::compare(op, expr.clone(), Expr::Literal(literal.clone()));
    if number.is_nan() {
        return None;
    }
    let zero = number == 0.0 && !one_zero;
    Some(match op {
        CompareOp::Lt if !zero || negative_zero => compare(CompareOp::Lt),
        CompareOp::GtEq if !zero || negative_zero => Expr::Not(Box::new(compare(CompareOp::Lt))),
        CompareOp::LtEq if !zero || !negative_zero => compare(CompareOp::LtEq),
        CompareOp::Gt if !zero || !negative_zero => Expr::Not(Box::new(compare(CompareOp::LtEq))),
        CompareOp::Eq if !zero => compare(CompareOp::Eq),
        CompareOp::NotEq if !zero => compare(CompareOp::NotEq),
        CompareOp::Lt
        | CompareOp::LtEq
        | CompareOp::Gt
        | CompareOp::GtEq
        | CompareOp::Eq
        | CompareOp::NotEq
        | CompareOp::IsDistinctFrom
        | CompareOp::IsNotDistinctFrom => return None,
    })
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::Eq => CompareOp::Eq,
        CompareOp::NotEq => CompareOp::NotEq,
        CompareOp::IsDistinctFrom => CompareOp::IsDistinctFrom,
        CompareOp::IsNotDistinctFrom => CompareOp::IsNotDistinctFrom,
    }
}
