//! Lowers bound OData expressions to DataFusion's. OData's null logic is not SQL's (OData 4.01 Protocol, 11.2.6.1): comparisons are
//! two-valued (`null eq null` is true, `null gt 5` is false), while `and`, `or`, `not`, arithmetic and functions are three-valued.
//! Where only truth matters — a filter — each comparison becomes the plain SQL one with the nulls put right, so that a source can
//! still evaluate it; where the value is observed, it is made two-valued.

use crate::error::EngineError;
use crate::plan::checked::{self, Operation};
use crate::plan::instants::{self, Instants};
use crate::plan::rows::RowScope;
use crate::plan::{canonical_float, convert, parameters, pattern, ranges, spatial};
use crate::values::scalar_from_value;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchemaRef, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{Case, InList};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit, when};
use portico_odata::{ArithmeticOperator, BoundExpr, ComparisonOperator, ODataFunction};
use portico_provider_api::{ScalarType, Value};
use std::time::{SystemTime, UNIX_EPOCH};

/// White space that `trim` removes: every character with the Unicode property White_Space.
const WHITE_SPACE: &str = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

/// Lowers expressions over the rows of a plan.
pub(crate) struct Lowering<'a> {
    /// Where functions come from.
    pub session: &'a SessionState,
    /// The rows in scope, innermost first, with what was joined to them.
    pub scopes: Vec<RowScope>,
    /// What lambdas, counts and values from elsewhere are.
    pub known: Vec<(BoundExpr, Expr)>,
    /// The schema that all those expressions are over.
    pub schema: DFSchemaRef,
    /// The one instant that `now()` stands for.
    pub now: SystemTime,
}

impl Lowering<'_> {
    /// An expression that is true exactly when the OData expression is.
    ///
    /// # Errors
    /// `Invalid` when an operand has no meaning here.
    pub fn truth(&self, expression: &BoundExpr) -> Result<Expr, EngineError> {
        self.polar(expression, false)
    }

    /// An expression with the very value of the OData expression.
    ///
    /// # Errors
    /// As [`Lowering::truth`].
    pub fn value(&self, expression: &BoundExpr) -> Result<Expr, EngineError> {
        Ok(match expression {
            BoundExpr::Column(index) => self.column(0, &[], *index)?,
            BoundExpr::Path { level, steps, column } => self.column(*level, steps, *column)?,
            BoundExpr::RootPath { .. } | BoundExpr::Lambda { .. } | BoundExpr::Count(_) | BoundExpr::Node(_) => self.known(expression)?,
            BoundExpr::Case { branches, scalar_type } => self.case(branches, &scalar_type.arrow())?,
            BoundExpr::Literal(value) => lit(scalar_from_value(value)),
            BoundExpr::Parameter { number, scalar_type } => parameters::placeholder(*number, &scalar_type.arrow()),
            BoundExpr::Compare { .. } | BoundExpr::In { .. } => {
                let coalesce = self.function("coalesce")?;
                coalesce.call(vec![self.truth(expression)?, lit(false)])
            }
            BoundExpr::And(left, right) => self.value(left)?.and(self.value(right)?),
            BoundExpr::Or(left, right) => self.value(left)?.or(self.value(right)?),
            BoundExpr::Not(inner) => Expr::Not(Box::new(self.value(inner)?)),
            BoundExpr::Arithmetic { op, left, right, scalar_type } => {
                self.arithmetic(*op, self.value(left)?, self.value(right)?, &scalar_type.arrow())?
            }
            BoundExpr::Negate(inner) => {
                let inner = self.value(inner)?;
                let constant = !inner.any_column_refs() && inner.get_type(&self.schema)?.is_integer();
                if constant { checked::call(Operation::Negate, vec![inner]) } else { Expr::Negative(Box::new(inner)) }
            }
            BoundExpr::Cast { expr, to } => cast(self.value(expr)?, to.arrow()),
            BoundExpr::Convert { expr, from, to } => convert::call(self.value(expr)?, from, to),
            BoundExpr::Call { function, arguments, .. } if spatial::is_spatial(*function) => {
                spatial::lower(*function, arguments, &|argument| self.value(argument))?
            }
            BoundExpr::Call { function, arguments, scalar_type } => {
                let arguments = arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
                let call = self.call(*function, arguments)?;
                self.as_type(call, &scalar_type.arrow())?
            }
        })
    }

    /// The instant of the request.
    pub fn now(&self) -> Expr {
        lit(scalar_from_value(&Value::TimestampTz(micros(self.now))))
    }

    /// An expression that sorts as the OData expression does.
    ///
    /// # Errors
    /// As [`Lowering::truth`].
    pub fn sort_key(&self, expression: &BoundExpr) -> Result<Expr, EngineError> {
        let value = self.value(expression)?;
        self.with_one_zero(value)
    }

    /// A float with one zero and one NaN, so that the total order is the ordinary one; anything else as it is.
    fn with_one_zero(&self, value: Expr) -> Result<Expr, EngineError> {
        let float = matches!(value.get_type(&self.schema)?, DataType::Float32 | DataType::Float64);
        Ok(match value {
            Expr::Literal(ScalarValue::Float64(Some(number)), metadata) => {
                Expr::Literal(ScalarValue::Float64(Some(number + 0.0)), metadata)
            }
            Expr::Literal(ScalarValue::Float32(Some(number)), metadata) => {
                Expr::Literal(ScalarValue::Float32(Some(number + 0.0)), metadata)
            }
            literal @ Expr::Literal(..) => literal,
            value if float => canonical_float::call(value),
            value => value,
        })
    }

    /// A comparison in which the zeros are one number.
    fn comparison(&self, left: &Expr, operator: Operator, right: &Expr) -> Result<Expr, EngineError> {
        Ok(binary(self.with_one_zero(left.clone())?, operator, self.with_one_zero(right.clone())?))
    }

    fn column(&self, level: usize, steps: &[usize], index: usize) -> Result<Expr, EngineError> {
        let column = self.scopes.get(level).and_then(|scope| scope.column(steps, index));
        column.ok_or_else(|| EngineError::Internal("a bound column is not in its rows".to_owned()))
    }

    fn known(&self, expression: &BoundExpr) -> Result<Expr, EngineError> {
        let known = self.known.iter().find(|(known, _)| known == expression).map(|(_, column)| column.clone());
        known.ok_or_else(|| EngineError::Internal("a collection was not joined to its rows".to_owned()))
    }

    fn case(&self, branches: &[(BoundExpr, BoundExpr)], to: &DataType) -> Result<Expr, EngineError> {
        let branches = branches.iter().map(|(condition, value)| {
            let value = self.value(value)?;
            Ok((Box::new(self.truth(condition)?), Box::new(self.as_type(value, to)?)))
        });
        Ok(Expr::Case(Case::new(None, branches.collect::<Result<Vec<_>, EngineError>>()?, None)))
    }

    fn scalar_type(&self, expression: &BoundExpr) -> Option<ScalarType> {
        let value = self.value(expression).ok()?;
        ScalarType::from_arrow(&value.get_type(&self.schema).ok()?)
    }

    fn function(&self, name: &str) -> Result<std::sync::Arc<datafusion::logical_expr::ScalarUDF>, EngineError> {
        Ok(self.session.udf(name)?)
    }

    fn as_type(&self, expression: Expr, data_type: &DataType) -> Result<Expr, EngineError> {
        Ok(if expression.get_type(&self.schema)? == *data_type { expression } else { cast(expression, data_type.clone()) })
    }

    /// True exactly when the expression is true, or, negated, when it is false.
    fn polar(&self, expression: &BoundExpr, negated: bool) -> Result<Expr, EngineError> {
        Ok(match expression {
            BoundExpr::Not(inner) => self.polar(inner, !negated)?,
            BoundExpr::And(left, right) | BoundExpr::Or(left, right) => {
                let (left_truth, right_truth) = (self.polar(left, negated)?, self.polar(right, negated)?);
                // De Morgan holds in three-valued logic.
                if matches!(expression, BoundExpr::And(..)) != negated { left_truth.and(right_truth) } else { left_truth.or(right_truth) }
            }
            BoundExpr::Compare { op, left, right } => self.compare(*op, left, right, negated)?,
            BoundExpr::In { expr, list } => self.in_list(expr, list, negated)?,
            BoundExpr::Literal(Value::Boolean(value)) => lit(*value != negated),
            BoundExpr::Literal(_)
            | BoundExpr::Parameter { .. }
            | BoundExpr::Column(_)
            | BoundExpr::Path { .. }
            | BoundExpr::RootPath { .. }
            | BoundExpr::Lambda { .. }
            | BoundExpr::Count(_)
            | BoundExpr::Node(_)
            | BoundExpr::Case { .. }
            | BoundExpr::Arithmetic { .. }
            | BoundExpr::Negate(_)
            | BoundExpr::Cast { .. }
            | BoundExpr::Convert { .. }
            | BoundExpr::Call { .. } => {
                let value = self.value(expression)?;
                if negated { Expr::Not(Box::new(value)) } else { value }
            }
        })
    }

    fn nullable(&self, expression: &Expr) -> Result<bool, EngineError> {
        // A parameter never is, whatever its field says: DataFusion does not look.
        Ok(!matches!(expression, Expr::Placeholder(_)) && expression.nullable(&self.schema)?)
    }

    fn compare(&self, op: ComparisonOperator, left: &BoundExpr, right: &BoundExpr, negated: bool) -> Result<Expr, EngineError> {
        use ComparisonOperator::{Eq, Ge, Gt, Le, Lt, Ne};
        if let Some(range) = ranges::of_comparison(op, left, right, &|expression| self.scalar_type(expression)) {
            return self.polar(&range, negated);
        }
        if !negated && let Some(near) = spatial::bounds::of_comparison(op, left, right, &|expression| self.scalar_type(expression)) {
            // What is near is inside of a box, which a source can tell.
            return Ok(self.polar(&near, false)?.and(self.ordered(op, left, right)?));
        }
        match (op, negated) {
            (Eq, false) | (Ne, true) => self.equal(left, right),
            (Ne, false) | (Eq, true) => self.not_equal(left, right),
            (Lt | Le | Gt | Ge, false) => self.ordered(op, left, right),
            (Lt | Le | Gt | Ge, true) => self.not_ordered(op, left, right),
        }
    }

    fn equal(&self, left: &BoundExpr, right: &BoundExpr) -> Result<Expr, EngineError> {
        if let Some(other) = beside_null(left, right) {
            return Ok(Expr::IsNull(Box::new(self.value(other)?)));
        }
        let (a, b) = (self.value(left)?, self.value(right)?);
        let equal = self.float_guarded(self.comparison(&a, Operator::Eq, &b)?, &[&a, &b])?;
        if self.nullable(&a)? && self.nullable(&b)? { Ok(equal.or(a.is_null().and(b.is_null()))) } else { Ok(equal) }
    }

    fn not_equal(&self, left: &BoundExpr, right: &BoundExpr) -> Result<Expr, EngineError> {
        if let Some(other) = beside_null(left, right) {
            return Ok(Expr::IsNotNull(Box::new(self.value(other)?)));
        }
        let (a, b) = (self.value(left)?, self.value(right)?);
        if is_nan(&a) || is_nan(&b) {
            return Ok(lit(true));
        }
        let mut differ = self.comparison(&a, Operator::NotEq, &b)?;
        for nan in self.nan_tests(&[&a, &b])? {
            // NaN differs from everything, itself included; DataFusion's total order would call two of them equal.
            differ = differ.or(nan);
        }
        Ok(match (self.nullable(&a)?, self.nullable(&b)?) {
            (false, false) => differ,
            (true, false) => differ.or(a.is_null()),
            (false, true) => differ.or(b.is_null()),
            (true, true) => differ.or(a.clone().is_null().and(b.clone().is_not_null())).or(a.is_not_null().and(b.is_null())),
        })
    }

    /// `lt` and `gt` are false beside a null. `le` and `ge` are "or equal" as well, and null equals itself.
    fn ordered(&self, op: ComparisonOperator, left: &BoundExpr, right: &BoundExpr) -> Result<Expr, EngineError> {
        let or_equal = matches!(op, ComparisonOperator::Le | ComparisonOperator::Ge);
        if let Some(other) = beside_null(left, right) {
            return Ok(if or_equal { Expr::IsNull(Box::new(self.value(other)?)) } else { lit(false) });
        }
        let (a, b) = (self.value(left)?, self.value(right)?);
        let holds = self.float_guarded(self.comparison(&a, sql_operator(op), &b)?, &[&a, &b])?;
        if or_equal && self.nullable(&a)? && self.nullable(&b)? { Ok(holds.or(a.is_null().and(b.is_null()))) } else { Ok(holds) }
    }

    fn not_ordered(&self, op: ComparisonOperator, left: &BoundExpr, right: &BoundExpr) -> Result<Expr, EngineError> {
        let or_equal = matches!(op, ComparisonOperator::Le | ComparisonOperator::Ge);
        if let Some(other) = beside_null(left, right) {
            return Ok(if or_equal { Expr::IsNotNull(Box::new(self.value(other)?)) } else { lit(true) });
        }
        let (a, b) = (self.value(left)?, self.value(right)?);
        if is_nan(&a) || is_nan(&b) {
            return Ok(lit(true));
        }
        let inverse = match sql_operator(op) {
            Operator::Lt => Operator::GtEq,
            Operator::LtEq => Operator::Gt,
            Operator::Gt => Operator::LtEq,
            _ => Operator::Lt,
        };
        let mut holds = self.comparison(&a, inverse, &b)?;
        for nan in self.nan_tests(&[&a, &b])? {
            holds = holds.or(nan);
        }
        Ok(match (self.nullable(&a)?, self.nullable(&b)?) {
            (false, false) => holds,
            (true, false) => holds.or(a.is_null()),
            (false, true) => holds.or(b.is_null()),
            (true, true) if or_equal => holds.or(a.clone().is_null().and(b.clone().is_not_null())).or(a.is_not_null().and(b.is_null())),
            (true, true) => holds.or(a.is_null()).or(b.is_null()),
        })
    }

    fn in_list(&self, expression: &BoundExpr, list: &[Value], negated: bool) -> Result<Expr, EngineError> {
        if let Some(ranges) = ranges::of_list(expression, list, &|expression| self.scalar_type(expression)) {
            return self.polar(&ranges, negated);
        }
        let value = self.value(expression)?;
        if matches!(value.get_type(&self.schema)?, DataType::Float32 | DataType::Float64) {
            return self.floats_in_list(expression, list, negated);
        }
        let values: Vec<Expr> = list.iter().filter(|item| !item.is_null()).map(|item| lit(scalar_from_value(item))).collect();
        let holds_null = values.len() < list.len();
        let nullable = self.nullable(&value)?;
        let found = (!values.is_empty()).then(|| Expr::InList(InList::new(Box::new(value.clone()), values, negated)));
        Ok(match (negated, holds_null) {
            (false, false) => found.unwrap_or_else(|| lit(false)),
            (false, true) => found.map_or_else(|| value.clone().is_null(), |found| found.or(value.clone().is_null())),
            (true, false) => {
                let absent = found.unwrap_or_else(|| lit(true));
                if nullable { absent.or(value.is_null()) } else { absent }
            }
            (true, true) => found.unwrap_or_else(|| value.is_not_null()),
        })
    }

    /// DataFusion looks a float up by its bits: NaN would be in a list that holds it, and the zeros would be two.
    fn floats_in_list(&self, expression: &BoundExpr, list: &[Value], negated: bool) -> Result<Expr, EngineError> {
        let compared = list.iter().map(|item| {
            let item = BoundExpr::Literal(item.clone());
            if negated { self.not_equal(expression, &item) } else { self.equal(expression, &item) }
        });
        let all = compared.collect::<Result<Vec<_>, _>>()?;
        let combine = if negated { Expr::and } else { Expr::or };
        Ok(all.into_iter().reduce(combine).unwrap_or_else(|| lit(negated)))
    }

    /// NaN tests for those operands that are floats and not literals.
    fn nan_tests(&self, operands: &[&Expr]) -> Result<Vec<Expr>, EngineError> {
        let mut tests = Vec::new();
        for operand in operands {
            let float = matches!(operand.get_type(&self.schema)?, DataType::Float32 | DataType::Float64);
            if float && !matches!(operand, Expr::Literal(..)) {
                tests.push(self.function("isnan")?.call(vec![(*operand).clone()]));
            }
        }
        Ok(tests)
    }

    /// A comparison that no NaN satisfies (IEEE 754): DataFusion's kernels order NaN above everything and call it equal to itself.
    fn float_guarded(&self, comparison: Expr, operands: &[&Expr]) -> Result<Expr, EngineError> {
        if operands.iter().any(|operand| is_nan(operand)) {
            return Ok(lit(false));
        }
        Ok(self.nan_tests(operands)?.into_iter().fold(comparison, |all, nan| all.and(Expr::Not(Box::new(nan)))))
    }

    fn arithmetic(&self, op: ArithmeticOperator, left: Expr, right: Expr, to: &DataType) -> Result<Expr, EngineError> {
        let (operator, divide) = match op {
            ArithmeticOperator::Add => (Operator::Plus, false),
            ArithmeticOperator::Sub => (Operator::Minus, false),
            ArithmeticOperator::Mul => (Operator::Multiply, false),
            ArithmeticOperator::Div => (Operator::Divide, false),
            ArithmeticOperator::DivBy => (Operator::Divide, true),
            ArithmeticOperator::Mod => (Operator::Modulo, false),
        };
        // `divby` never truncates: both sides take the result's type first.
        let (left, right) = if divide { (cast(left, to.clone()), cast(right, to.clone())) } else { (left, right) };
        // `mod` zero fails for every type, while floats would yield NaN.
        if operator == Operator::Modulo && matches!(to, DataType::Float32 | DataType::Float64) {
            return Ok(checked::call(Operation::Modulo, vec![left, right]));
        }
        // Constants are computed when the plan is optimised, before what stays local is known and checked.
        let checked = checked::operation(operator).filter(|_| to.is_integer() && !left.any_column_refs() && !right.any_column_refs());
        if let Some(operation) = checked {
            return Ok(checked::call(operation, vec![left, right]));
        }
        self.as_type(binary(left, operator, right), to)
    }

    fn call(&self, function: ODataFunction, mut arguments: Vec<Expr>) -> Result<Expr, EngineError> {
        let part = |name: &str, arguments: Vec<Expr>| -> Result<Expr, EngineError> {
            let mut all = vec![lit(name)];
            all.extend(arguments);
            Ok(self.function("date_part")?.call(all))
        };
        Ok(match function {
            ODataFunction::Contains => self.function("contains")?.call(arguments),
            ODataFunction::StartsWith => self.function("starts_with")?.call(arguments),
            ODataFunction::EndsWith => self.function("ends_with")?.call(arguments),
            ODataFunction::Length => self.function("character_length")?.call(arguments),
            // SQL counts from 1 and answers 0 for absent; OData counts from 0 and answers -1.
            ODataFunction::IndexOf => cast(self.function("strpos")?.call(arguments), DataType::Int32) - lit(1_i32),
            ODataFunction::Substring => {
                if let [text, start, ..] = arguments.as_mut_slice() {
                    *start = self.substring_start(text, start)?;
                }
                if let Some(length) = arguments.get_mut(2) {
                    *length = cast(length.clone(), DataType::Int64);
                }
                self.function("substr")?.call(arguments)
            }
            ODataFunction::ToLower => self.function("lower")?.call(arguments),
            ODataFunction::ToUpper => self.function("upper")?.call(arguments),
            ODataFunction::Trim => {
                arguments.push(lit(WHITE_SPACE));
                self.function("btrim")?.call(arguments)
            }
            // DataFusion's concat() skips nulls; the operator passes them on.
            ODataFunction::Concat => {
                let right = arguments.pop();
                match (arguments.pop(), right) {
                    (Some(left), Some(right)) => binary(left, Operator::StringConcat, right),
                    _ => return Err(EngineError::Internal("concat without two arguments".to_owned())),
                }
            }
            ODataFunction::Year => part("year", arguments)?,
            ODataFunction::Month => part("month", arguments)?,
            ODataFunction::Day => part("day", arguments)?,
            ODataFunction::Hour => part("hour", arguments)?,
            ODataFunction::Minute => part("minute", arguments)?,
            ODataFunction::Second => part("second", arguments)?,
            ODataFunction::FractionalSeconds => {
                let micros = cast(part("microsecond", arguments)?, DataType::Int64);
                let within = binary(micros, Operator::Modulo, lit(1_000_000_i64));
                binary(cast(within, DataType::Float64), Operator::Divide, lit(1_000_000.0_f64))
            }
            ODataFunction::Date => cast(only(arguments)?, DataType::Date32),
            ODataFunction::Time => cast(only(arguments)?, DataType::Time64(TimeUnit::Microsecond)),
            ODataFunction::Now => self.now(),
            ODataFunction::Round => self.function("round")?.call(arguments),
            ODataFunction::Floor => self.function("floor")?.call(arguments),
            ODataFunction::Ceiling => self.function("ceil")?.call(arguments),
            ODataFunction::MatchesPattern => match arguments.pop() {
                Some(Expr::Literal(ScalarValue::Utf8(Some(pattern)), _)) => pattern::call(only(arguments)?, &pattern)?,
                // Without a pattern nothing is known.
                _ => lit(ScalarValue::Boolean(None)),
            },
            ODataFunction::TotalOffsetMinutes => {
                let instant = only(arguments)?;
                when(instant.is_not_null(), lit(0_i32)).end()?
            }
            ODataFunction::TotalSeconds => instants::call(Instants::TotalSeconds, arguments),
            ODataFunction::HasFlags => instants::call(Instants::HasFlags, arguments),
            ODataFunction::ShiftInstant => instants::call(Instants::ShiftInstant, arguments),
            ODataFunction::ShiftDate => instants::call(Instants::ShiftDate, arguments),
            ODataFunction::Elapsed => instants::call(Instants::Elapsed, arguments),
            ODataFunction::ElapsedDays => instants::call(Instants::ElapsedDays, arguments),
            ODataFunction::WholeNumber => instants::call(Instants::WholeNumber, arguments),
            ODataFunction::Distance
            | ODataFunction::LineLength
            | ODataFunction::Intersects
            | ODataFunction::PointAt
            | ODataFunction::Place => return Err(EngineError::Internal("a spatial function is lowered elsewhere".to_owned())),
        })
    }
}

impl Lowering<'_> {
    /// SQL counts from 1 and reads before the text when it starts below; OData counts from 0, and from the end when it starts below.
    fn substring_start(&self, text: &Expr, start: &Expr) -> Result<Expr, EngineError> {
        let start = cast(start.clone(), DataType::Int64);
        if let Expr::Cast(inner) = &start
            && let Expr::Literal(ScalarValue::Int64(Some(number)), _) = inner.expr.as_ref()
            && *number >= 0
        {
            return Ok(lit(number.saturating_add(1)));
        }
        let length = cast(self.function("character_length")?.call(vec![text.clone()]), DataType::Int64);
        let from_end = length.clone() + start.clone();
        let from_end = when(from_end.clone().lt(lit(0_i64)), lit(0_i64)).otherwise(from_end)?;
        // A start behind the end leaves nothing, however far behind it is.
        Ok(when(start.clone().lt(lit(0_i64)), from_end).when(start.clone().gt(length.clone()), length).otherwise(start)? + lit(1_i64))
    }
}

fn is_nan(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => value.is_nan(),
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => value.is_nan(),
        _ => false,
    }
}

fn micros(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}

fn only(mut arguments: Vec<Expr>) -> Result<Expr, EngineError> {
    arguments.pop().ok_or_else(|| EngineError::Internal("a function without its argument".to_owned()))
}

fn binary(left: Expr, operator: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}

fn sql_operator(op: ComparisonOperator) -> Operator {
    match op {
        ComparisonOperator::Eq => Operator::Eq,
        ComparisonOperator::Ne => Operator::NotEq,
        ComparisonOperator::Lt => Operator::Lt,
        ComparisonOperator::Le => Operator::LtEq,
        ComparisonOperator::Gt => Operator::Gt,
        ComparisonOperator::Ge => Operator::GtEq,
    }
}

/// When one side is the null literal: the other side.
fn beside_null<'a>(left: &'a BoundExpr, right: &'a BoundExpr) -> Option<&'a BoundExpr> {
    let is_null = |side: &BoundExpr| matches!(side, BoundExpr::Literal(value) if value.is_null());
    if is_null(right) {
        Some(left)
    } else if is_null(left) {
        Some(right)
    } else {
        None
    }
}
