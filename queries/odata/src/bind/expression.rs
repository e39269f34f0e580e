//! Expressions: names resolved among the visible columns of one table, operands typed. OData's null logic stays as it is.
#![deny(clippy::wildcard_enum_match_arm)]

use super::functions::{self, FUNCTIONS, NOT_BUILT};
use super::promote::{self, Operand, coerce, common, meeting_type, unify};
use super::{suggestion, table_columns};
use crate::bound::{ArithmeticOperator, BoundExpr, ComparisonOperator};
use crate::error::ODataError;
use crate::syntax::{
    Alias, Argument, BinaryOperator, Expr, ExprKind, LiteralKind, LogicalOperator, PathStep, Quantifier, Span, StepKind, UnaryOperator,
};
use crate::value_type::RowType;
use portico_catalog::TableView;
use portico_provider_api::{ArithmeticOp, Expr as IrExpr, ScalarType, TableColumn};

/// Where names of an expression are looked up.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// The table whose entities the rows are.
    pub(super) table: &'a TableView,
    /// The rows: what names stand for.
    pub(super) rows: &'a RowType,
    pub(super) aliases: &'a [Alias],
    /// The option that the expression is in.
    pub(super) target: &'a str,
}

impl Scope<'_> {
    /// A predicate.
    pub(super) fn predicate(&self, expr: &Expr) -> Result<BoundExpr, ODataError> {
        let operand = self.operand(expr)?;
        self.boolean(operand, expr, &format!("{} expects a condition", self.target))
    }

    /// Any expression with its type; the type of `null` is boolean.
    pub(super) fn scalar(&self, expr: &Expr) -> Result<(BoundExpr, ScalarType), ODataError> {
        let operand = self.operand(expr)?;
        let scalar_type = operand.scalar_type.unwrap_or(ScalarType::Boolean);
        Ok((operand.expr, scalar_type))
    }

    fn wrong(&self, span: Span, message: impl Into<String>) -> ODataError {
        ODataError::bad_request(message).at(self.target, Some(span.start))
    }

    fn not_built(&self, span: Span, feature: impl std::fmt::Display) -> ODataError {
        ODataError::not_implemented(feature).at(self.target, Some(span.start))
    }

    fn operand(&self, expr: &Expr) -> Result<Operand, ODataError> {
        match &expr.kind {
            ExprKind::Literal(literal) => self.literal(literal, expr.span),
            ExprKind::Alias(name) => self.alias(name, expr.span),
            ExprKind::Path(steps) => self.path(steps),
            ExprKind::Call { name, arguments } => self.call(name, arguments, expr.span),
            ExprKind::Unary { op: UnaryOperator::Not, operand } => {
                let bound = self.operand(operand)?;
                let hint = "'not' binds tighter than comparisons, so it expects a condition: write not (…)";
                let inner = self.boolean(bound, operand, hint)?;
                Ok(Operand::typed(BoundExpr::Not(Box::new(inner)), ScalarType::Boolean, "not (…)".to_owned()))
            }
            ExprKind::Unary { op: UnaryOperator::Negate, operand } => self.negate(operand),
            ExprKind::Logical { op, operands } => self.logical(*op, operands),
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right, expr.span),
            ExprKind::Case(_) => Err(self.not_built(expr.span, "the function case")),
            ExprKind::Array(_) | ExprKind::Object(_) | ExprKind::JsonText(_) => {
                Err(self.not_built(expr.span, "a JSON array or object in an expression"))
            }
            ExprKind::List(_) => Err(self.wrong(expr.span, "a list in parentheses can only stand after 'in'")),
        }
    }

    fn literal(&self, literal: &crate::syntax::Literal, span: Span) -> Result<Operand, ODataError> {
        let unsupported = match literal.kind {
            LiteralKind::Duration => Some("a duration"),
            LiteralKind::Enumeration => Some("an enumeration value"),
            LiteralKind::Geo => Some("a geographic value"),
            LiteralKind::Null
            | LiteralKind::Boolean
            | LiteralKind::Integer
            | LiteralKind::Decimal
            | LiteralKind::NotFinite
            | LiteralKind::Text
            | LiteralKind::Guid
            | LiteralKind::Date
            | LiteralKind::TimeOfDay
            | LiteralKind::DateTimeOffset
            | LiteralKind::Binary => None,
        };
        if let Some(what) = unsupported {
            return Err(self.not_built(span, format!("{what} ({}) in an expression", promote::quoted(literal))));
        }
        promote::literal(literal).map_err(|why| self.wrong(span, why))
    }

    /// An alias stands for a literal; one that is not defined is null, as the specification has it.
    fn alias(&self, name: &str, span: Span) -> Result<Operand, ODataError> {
        let null = crate::syntax::Literal { kind: LiteralKind::Null, text: "null".to_owned() };
        match self.aliases.iter().find(|alias| alias.name == name).map(|alias| &alias.value.kind) {
            None => self.literal(&null, span),
            Some(ExprKind::Literal(literal)) => self.literal(literal, span),
            Some(_) => Err(self.not_built(span, format!("the parameter alias {name} for something other than a literal"))),
        }
    }

    fn path(&self, steps: &[PathStep]) -> Result<Operand, ODataError> {
        let Some(first) = steps.first() else { return Err(self.wrong(Span::default(), "an empty path")) };
        for step in steps {
            match &step.kind {
                StepKind::Special(name) => return Err(self.not_built(step.span, format!("{name} in an expression"))),
                StepKind::Count(_) => return Err(self.not_built(step.span, "$count with options in an expression")),
                StepKind::Filter(_) => return Err(self.not_built(step.span, "$filter in an expression")),
                StepKind::Annotation(_) => {
                    return Err(self.not_built(step.span, "an annotation, or a path that begins with an alias,"));
                }
                StepKind::Key(_) => return Err(self.not_built(step.span, "a key in an expression")),
                StepKind::Aggregate(_) => return Err(self.not_built(step.span, "aggregate in an expression")),
                StepKind::Lambda { quantifier: Quantifier::Any, .. } => return Err(self.not_built(step.span, "the operator any")),
                StepKind::Lambda { quantifier: Quantifier::All, .. } => return Err(self.not_built(step.span, "the operator all")),
                StepKind::Call { name, .. } => return Err(self.not_built(step.span, format!("the call of '{name}' in a path"))),
                StepKind::Name(name) if name.contains('.') => {
                    return Err(self.not_built(step.span, format!("the type cast or qualified name '{name}'")));
                }
                StepKind::Name(_) => {}
            }
            // What the path begins with is judged before what is not built, so that a misspelt name is called one.
            self.first_name(first)?;
        }
        let StepKind::Name(name) = &first.kind else { return Err(self.wrong(first.span, "a path begins with a name")) };
        let shown = path_text(steps);
        if self.table.relationship(name).is_some() {
            return Err(self.not_built(first.span, format!("the navigation path '{shown}' in {}", self.target)));
        }
        let Some(column) = self.rows.position(&[name]) else { return Err(self.unknown(name, first.span)) };
        if let Some(next) = steps.get(1) {
            return Err(self.wrong(next.span, format!("'{name}' is a property without parts, so '{shown}' leads nowhere")));
        }
        let known = self.rows.columns.get(column).ok_or_else(|| self.unknown(name, first.span))?;
        let scalar_type = known.value_type.scalar();
        Ok(Operand::typed(BoundExpr::Column(column), scalar_type, name.clone()))
    }

    fn first_name(&self, first: &PathStep) -> Result<(), ODataError> {
        match &first.kind {
            StepKind::Name(name)
                if !name.contains('.') && self.rows.position(&[name]).is_none() && self.table.relationship(name).is_none() =>
            {
                Err(self.unknown(name, first.span))
            }
            StepKind::Name(_)
            | StepKind::Special(_)
            | StepKind::Lambda { .. }
            | StepKind::Call { .. }
            | StepKind::Count(_)
            | StepKind::Filter(_)
            | StepKind::Annotation(_)
            | StepKind::Key(_)
            | StepKind::Aggregate(_) => Ok(()),
        }
    }

    fn unknown(&self, name: &str, span: Span) -> ODataError {
        let hint = suggestion(name, table_columns(self.table).chain(self.table.relationships.iter().map(|r| r.name.as_str())));
        self.wrong(span, format!("'{}' has no property '{name}'{hint}", self.table.name))
    }

    fn call(&self, name: &str, arguments: &[Argument], span: Span) -> Result<Operand, ODataError> {
        let lower = name.to_ascii_lowercase();
        let Some((name, function, arity)) = FUNCTIONS.iter().find(|(known, ..)| *known == lower) else {
            if NOT_BUILT.contains(&lower.as_str()) {
                return Err(self.not_built(span, format!("the function {name}")));
            }
            let hint = if lower == "substringof" {
                "; write contains(text, part)".to_owned()
            } else {
                suggestion(name, FUNCTIONS.iter().map(|(known, ..)| *known))
            };
            return Err(self.wrong(span, format!("there is no function '{name}'{hint}")));
        };
        if let Some(argument) = arguments.iter().find(|argument| argument.name.is_some()) {
            return Err(self.wrong(argument.value.span, format!("the arguments of {name} have no names")));
        }
        if !arity.contains(&arguments.len()) {
            let wanted =
                if arity.start() == arity.end() { arity.start().to_string() } else { format!("{} or {}", arity.start(), arity.end()) };
            return Err(self.wrong(span, format!("the function {name} takes {wanted} arguments, not {}", arguments.len())));
        }
        let mut bound = Vec::with_capacity(arguments.len());
        for argument in arguments {
            bound.push(self.comparable(self.operand(&argument.value)?, argument.value.span)?);
        }
        let (expr, scalar_type) = functions::call(name, *function, bound).map_err(|why| self.wrong(span, why))?;
        Ok(Operand::typed(expr, scalar_type, format!("{name}(…)")))
    }

    /// Not a JSON document: how those compare is not settled.
    fn comparable(&self, operand: Operand, span: Span) -> Result<Operand, ODataError> {
        match operand.scalar_type {
            Some(ScalarType::Json) => Err(self.not_built(span, format!("an expression over the JSON property '{}'", operand.text))),
            _ => Ok(operand),
        }
    }

    fn boolean(&self, operand: Operand, expr: &Expr, hint: &str) -> Result<BoundExpr, ODataError> {
        match operand.scalar_type {
            None | Some(ScalarType::Boolean) => coerce(operand, ScalarType::Boolean).map_err(|why| self.wrong(expr.span, why)),
            Some(_) => Err(self.wrong(expr.span, format!("{} is not a condition; {hint}", operand.description()))),
        }
    }

    fn logical(&self, op: LogicalOperator, operands: &[Expr]) -> Result<Operand, ODataError> {
        let name = match op {
            LogicalOperator::And => "and",
            LogicalOperator::Or => "or",
        };
        let mut bound = Vec::with_capacity(operands.len());
        for operand in operands {
            bound.push(self.boolean(self.operand(operand)?, operand, &format!("'{name}' expects conditions"))?);
        }
        let expr = balanced(op, bound).ok_or_else(|| self.wrong(Span::default(), format!("'{name}' without operands")))?;
        Ok(Operand::typed(expr, ScalarType::Boolean, format!("(… {name} …)")))
    }

    fn negate(&self, inner: &Expr) -> Result<Operand, ODataError> {
        let operand = self.operand(inner)?;
        match operand.scalar_type {
            None => Ok(operand),
            Some(scalar_type) if scalar_type.is_numeric() => {
                let text = format!("-{}", operand.text);
                Ok(Operand::typed(BoundExpr::Negate(Box::new(operand.expr)), scalar_type, text))
            }
            Some(_) => Err(self.wrong(inner.span, format!("'-' expects a number, not {}", operand.description()))),
        }
    }

    fn binary(&self, op: BinaryOperator, left: &Expr, right: &Expr, span: Span) -> Result<Operand, ODataError> {
        use BinaryOperator as B;
        match op {
            B::Has => Err(self.not_built(span, "the operator has")),
            B::In => self.list_membership(left, right),
            B::Eq => self.comparison(ComparisonOperator::Eq, left, right),
            B::Ne => self.comparison(ComparisonOperator::Ne, left, right),
            B::Lt => self.comparison(ComparisonOperator::Lt, left, right),
            B::Le => self.comparison(ComparisonOperator::Le, left, right),
            B::Gt => self.comparison(ComparisonOperator::Gt, left, right),
            B::Ge => self.comparison(ComparisonOperator::Ge, left, right),
            B::Add => self.arithmetic(ArithmeticOperator::Add, op, left, right),
            B::Sub => self.arithmetic(ArithmeticOperator::Sub, op, left, right),
            B::Mul => self.arithmetic(ArithmeticOperator::Mul, op, left, right),
            B::Div => self.arithmetic(ArithmeticOperator::Div, op, left, right),
            B::DivBy => self.arithmetic(ArithmeticOperator::DivBy, op, left, right),
            B::Mod => self.arithmetic(ArithmeticOperator::Mod, op, left, right),
        }
    }

    fn comparison(&self, op: ComparisonOperator, left: &Expr, right: &Expr) -> Result<Operand, ODataError> {
        let (l, r) = (self.operand(left)?, self.operand(right)?);
        let ordered = match op {
            ComparisonOperator::Eq | ComparisonOperator::Ne => false,
            ComparisonOperator::Lt | ComparisonOperator::Le | ComparisonOperator::Gt | ComparisonOperator::Ge => true,
        };
        // `Document eq null` asks nothing of the document.
        let null_test = !ordered && (l.scalar_type.is_none() || r.scalar_type.is_none());
        let (l, r) = if null_test { (l, r) } else { (self.comparable(l, left.span)?, self.comparable(r, right.span)?) };
        if ordered && let Some(bytes) = [&l, &r].into_iter().find(|operand| operand.scalar_type == Some(ScalarType::Binary)) {
            return Err(self.wrong(left.span.to(right.span), format!("{} has no order: only eq and ne apply", bytes.description())));
        }
        let (l, r, _) = unify(l, r).map_err(|why| self.wrong(left.span.to(right.span), why))?;
        let expr = BoundExpr::Compare { op, left: Box::new(l), right: Box::new(r) };
        Ok(Operand::typed(expr, ScalarType::Boolean, "the comparison".to_owned()))
    }

    fn arithmetic(&self, op: ArithmeticOperator, written: BinaryOperator, left: &Expr, right: &Expr) -> Result<Operand, ODataError> {
        let span = left.span.to(right.span);
        let (l, r) = (self.operand(left)?, self.operand(right)?);
        for operand in [&l, &r] {
            let Some(scalar_type) = operand.scalar_type.filter(|scalar_type| !scalar_type.is_numeric()) else { continue };
            let dates = matches!(scalar_type, ScalarType::Date | ScalarType::Time | ScalarType::Timestamp | ScalarType::TimestampTz);
            return Err(if dates && matches!(op, ArithmeticOperator::Add | ArithmeticOperator::Sub) {
                self.not_built(span, format!("'{written}' on dates and times"))
            } else {
                self.wrong(span, format!("'{written}' expects numbers, not {}", operand.description()))
            });
        }
        let (l, r, scalar_type) = arithmetic_operands(op, l, r).map_err(|why| self.wrong(span, why))?;
        let expr = BoundExpr::Arithmetic { op, left: Box::new(l), right: Box::new(r), scalar_type };
        Ok(Operand::typed(expr, scalar_type, format!("(… {written} …)")))
    }

    fn list_membership(&self, left: &Expr, right: &Expr) -> Result<Operand, ODataError> {
        let ExprKind::List(items) = &right.kind else {
            return Err(self.not_built(right.span, "'in' with something other than a list in parentheses"));
        };
        let Some(first) = items.first() else { return Err(self.wrong(right.span, "the list after 'in' is empty")) };
        let subject = self.comparable(self.operand(left)?, left.span)?;
        let mut candidates = Vec::with_capacity(items.len());
        for item in items {
            candidates.push(self.comparable(self.operand(item)?, item.span)?);
        }
        let all: Vec<&Operand> = std::iter::once(&subject).chain(&candidates).collect();
        let span = left.span.to(first.span);
        let meeting = meeting_type(&all).map_err(|why| self.wrong(span, why))?;
        let subject = coerce(subject, meeting).map_err(|why| self.wrong(left.span, why))?;
        let (mut list, mut equalities) = (Vec::new(), Vec::new());
        for (candidate, item) in candidates.into_iter().zip(items) {
            let candidate = coerce(candidate, meeting).map_err(|why| self.wrong(item.span, why))?;
            if let BoundExpr::Literal(value) = candidate {
                list.push(value);
            } else {
                // What is not a constant cannot be in the list; `a in (b)` is `a eq b`, nulls included.
                let (left, right) = (Box::new(subject.clone()), Box::new(candidate));
                equalities.push(BoundExpr::Compare { op: ComparisonOperator::Eq, left, right });
            }
        }
        if !list.is_empty() {
            equalities.insert(0, BoundExpr::In { expr: Box::new(subject), list });
        }
        let expr = balanced(LogicalOperator::Or, equalities).ok_or_else(|| self.wrong(right.span, "the list after 'in' is empty"))?;
        Ok(Operand::typed(expr, ScalarType::Boolean, "the condition 'in'".to_owned()))
    }
}

/// Operands of arithmetic and the type of its result. Decimals keep their own precisions and scales, as the IR has it.
fn arithmetic_operands(op: ArithmeticOperator, left: Operand, right: Operand) -> Result<(BoundExpr, BoundExpr, ScalarType), String> {
    let ir = match op {
        // `divby` never truncates and yields infinities for division by zero: that is what doubles do.
        ArithmeticOperator::DivBy => {
            let to = ScalarType::Float64;
            return Ok((coerce(left, to)?, coerce(right, to)?, to));
        }
        ArithmeticOperator::Add => ArithmeticOp::Add,
        ArithmeticOperator::Sub => ArithmeticOp::Subtract,
        ArithmeticOperator::Mul => ArithmeticOp::Multiply,
        ArithmeticOperator::Div => ArithmeticOp::Divide,
        ArithmeticOperator::Mod => ArithmeticOp::Modulo,
    };
    let fallback = right.scalar_type.or(left.scalar_type).unwrap_or(ScalarType::Int32);
    let (l, r) = (left.scalar_type.unwrap_or(fallback), right.scalar_type.unwrap_or(fallback));
    // Two small integers would overflow soon; the specification allows to compute in a wider type.
    let meeting = match common(l, r) {
        Some(ScalarType::Int16) => ScalarType::Int32,
        Some(meeting) => meeting,
        None => ScalarType::Float64,
    };
    if !matches!(meeting, ScalarType::Decimal { .. }) {
        return Ok((coerce(left, meeting)?, coerce(right, meeting)?, meeting));
    }
    let own = |scalar_type: ScalarType| match promote::decimal_extent(scalar_type) {
        Some((precision, scale)) => ScalarType::Decimal { precision: precision as u8, scale: scale as i8 },
        None => meeting,
    };
    let (l, r) = (own(l), own(r));
    let columns = [TableColumn::computed("left", l, true), TableColumn::computed("right", r, true)];
    let sample = IrExpr::Arithmetic { op: ir, left: Box::new(IrExpr::Column(0)), right: Box::new(IrExpr::Column(1)) };
    let result = sample.scalar_type(&columns).ok_or_else(|| "the operands do not go together".to_owned())?;
    Ok((coerce(left, l)?, coerce(right, r)?, result))
}

/// A chain as a tree of least height: what recurses over it stays shallow however long the chain is.
fn balanced(op: LogicalOperator, mut operands: Vec<BoundExpr>) -> Option<BoundExpr> {
    while operands.len() > 1 {
        let mut paired = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            paired.push(match (rest.next(), op) {
                (Some(right), LogicalOperator::And) => BoundExpr::And(Box::new(left), Box::new(right)),
                (Some(right), LogicalOperator::Or) => BoundExpr::Or(Box::new(left), Box::new(right)),
                (None, LogicalOperator::And | LogicalOperator::Or) => left,
            });
        }
        operands = paired;
    }
    operands.pop()
}

fn path_text(steps: &[PathStep]) -> String {
    steps.iter().map(|step| step.kind.shown()).collect::<Vec<_>>().join("/")
}
