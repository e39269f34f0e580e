//! Expressions: operators and calls, their operands typed. OData's null logic stays as it is.
#![deny(clippy::wildcard_enum_match_arm)]

use super::functions::{self, FUNCTIONS};
use super::member::Meaning;
use super::promote::{self, Operand, coerce, meeting_type, unify};
use super::scope::{Row, Scope};
use super::{arithmetic, spatial, suggestion, temporal};
use crate::bound::{ArithmeticOperator, BoundExpr, BoundQuantifier, ComparisonOperator, ODataFunction};
use crate::error::ODataError;
use crate::syntax::{Argument, BinaryOperator, Expr, ExprKind, Literal, LiteralKind, LogicalOperator, Span, UnaryOperator};
use crate::value_type::ValueType;
use portico_provider_api::{ScalarType, Value};

impl Scope<'_> {
    pub(super) fn operand(&self, expr: &Expr) -> Result<Operand, ODataError> {
        match &expr.kind {
            ExprKind::Literal(literal) => self.literal(literal, expr.span),
            ExprKind::Alias(name) => self.aliased(name, expr.span),
            ExprKind::Path(steps) => self.path_value(steps),
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
            ExprKind::Case(branches) => self.case(branches, expr.span),
            ExprKind::JsonText(text) => self.literal(&Literal { kind: LiteralKind::Text, text: text.clone() }, expr.span),
            ExprKind::Array(_) | ExprKind::Object(_) => Err(self.not_built(expr.span, "a JSON array or object in an expression")),
            ExprKind::List(_) => Err(self.wrong(expr.span, "a list in parentheses can only stand after 'in'")),
        }
    }

    fn literal(&self, literal: &Literal, span: Span) -> Result<Operand, ODataError> {
        match literal.kind {
            LiteralKind::Enumeration => self.enumeration_literal(literal, span),
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
            | LiteralKind::Binary
            | LiteralKind::Duration
            | LiteralKind::Geography
            | LiteralKind::Geometry => promote::literal(literal).map_err(|why| self.wrong(span, why)),
        }
    }

    /// `Ns.Type'Member'`, of an enumeration that some visible column has.
    fn enumeration_literal(&self, literal: &Literal, span: Span) -> Result<Operand, ODataError> {
        let (name, text) = promote::enumeration_parts(literal);
        let short = name.rsplit('.').next().unwrap_or(name);
        let Some((enumeration, scalar_type)) = self.enumeration(short) else {
            return Err(self.wrong(span, format!("there is no enumeration '{name}'")));
        };
        let value = promote::member(text, &enumeration).map_err(|why| self.wrong(span, why))?;
        let value_type = Some(ValueType::Enumeration(enumeration, scalar_type));
        Ok(Operand { expr: BoundExpr::Literal(value), value_type, literal: Some(literal.clone()), text: promote::quoted(literal) })
    }

    fn case(&self, branches: &[(Expr, Expr)], span: Span) -> Result<Operand, ODataError> {
        let mut conditions = Vec::with_capacity(branches.len());
        let mut values = Vec::with_capacity(branches.len());
        for (condition, value) in branches {
            conditions.push(self.boolean(self.operand(condition)?, condition, "case expects conditions before the colons")?);
            values.push(self.operand(value)?);
        }
        let meeting = meeting_type(&values.iter().collect::<Vec<_>>()).map_err(|why| self.wrong(span, why))?;
        let mut bound = Vec::with_capacity(branches.len());
        for ((condition, value), (_, written)) in conditions.into_iter().zip(values).zip(branches) {
            bound.push((condition, coerce(value, meeting.clone()).map_err(|why| self.wrong(written.span, why))?));
        }
        let expr = BoundExpr::Case { branches: bound, scalar_type: meeting.scalar() };
        Ok(Operand::typed(expr, meeting, "case(…)".to_owned()))
    }

    fn call(&self, name: &str, arguments: &[Argument], span: Span) -> Result<Operand, ODataError> {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "hassubset" | "hassubsequence" => return self.collections(&lower, arguments, span),
            "isdefined" => return self.is_defined(arguments, span),
            "cast" | "isof" => return self.conversion(lower == "cast", arguments, span),
            "mindatetime" | "maxdatetime" if arguments.is_empty() => {
                let (least, greatest) = (-62_135_596_800_000_000, 253_402_300_799_999_999);
                let micros = if lower == "mindatetime" { least } else { greatest };
                return Ok(Operand::typed(BoundExpr::Literal(Value::TimestampTz(micros)), ScalarType::TimestampTz, format!("{lower}()")));
            }
            _ => {}
        }
        if let Some(test) = self.node_test(name, arguments, span)? {
            return Ok(test);
        }
        let Some((name, function, arity)) = FUNCTIONS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)) else {
            if self.is_own_function(name) {
                return Err(self.not_built(span, format!("the service's own function '{name}' in an expression")));
            }
            let hint =
                if lower == "substringof" { "; write contains(text, part)".to_owned() } else { suggestion(name, super::function_names()) };
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
        if spatial::is_measure(*function) {
            return self.measure(name, *function, arguments, span);
        }
        for argument in arguments {
            bound.push(self.comparable(self.operand(&argument.value)?, argument.value.span)?);
        }
        let (expr, scalar_type) =
            functions::call(name, *function, bound).map_err(|why| match why.strip_prefix(functions::UNSUPPORTED) {
                Some(what) => self.not_built(span, what),
                None => self.wrong(span, why),
            })?;
        Ok(Operand::typed(expr, scalar_type, format!("{name}(…)")))
    }

    /// Not a JSON document: how those compare is not settled.
    pub(super) fn comparable(&self, operand: Operand, span: Span) -> Result<Operand, ODataError> {
        match operand.scalar_type() {
            Some(ScalarType::Json) => Err(self.not_built(span, format!("an expression over the JSON property '{}'", operand.text))),
            _ => Ok(operand),
        }
    }

    pub(super) fn boolean(&self, operand: Operand, expr: &Expr, hint: &str) -> Result<BoundExpr, ODataError> {
        match operand.value_type {
            None | Some(ValueType::Scalar(ScalarType::Boolean)) => {
                coerce(operand, ScalarType::Boolean).map_err(|why| self.wrong(expr.span, why))
            }
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
        match &operand.value_type {
            None => Ok(operand),
            Some(ValueType::Duration) => {
                Ok(Operand::typed(BoundExpr::Negate(Box::new(operand.expr)), ValueType::Duration, format!("-{}", operand.text)))
            }
            Some(ValueType::Scalar(scalar_type)) if scalar_type.is_numeric() => {
                let text = format!("-{}", operand.text);
                Ok(Operand::typed(BoundExpr::Negate(Box::new(operand.expr)), *scalar_type, text))
            }
            Some(_) => Err(self.wrong(inner.span, format!("'-' expects a number, not {}", operand.description()))),
        }
    }

    fn binary(&self, op: BinaryOperator, left: &Expr, right: &Expr, span: Span) -> Result<Operand, ODataError> {
        use BinaryOperator as B;
        match op {
            B::Has => self.has(left, right, span),
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
        let equality = matches!(op, ComparisonOperator::Eq | ComparisonOperator::Ne);
        let span = left.span.to(right.span);
        let (l, r) = match (self.meaning(left)?, self.meaning(right)?) {
            (Meaning::Value(l), Meaning::Value(r)) => (l, r),
            (l, r) if equality => return self.same(op == ComparisonOperator::Eq, l, r, span),
            (l, r) => {
                let structured = [l, r].into_iter().find_map(|side| match side {
                    Meaning::Value(_) => None,
                    Meaning::Row(_, text) => Some(text),
                    Meaning::Complex(_, prefix) => Some(prefix.join("/")),
                    Meaning::Members(collection) => Some(collection.text),
                });
                return Err(self.wrong(span, format!("'{}' has no order: only eq and ne apply", structured.unwrap_or_default())));
            }
        };
        // `Document eq null` asks nothing of the document.
        let null_test = equality && (l.value_type.is_none() || r.value_type.is_none());
        let (l, r) = if null_test { (l, r) } else { (self.comparable(l, left.span)?, self.comparable(r, right.span)?) };
        if !equality && let Some(bytes) = [&l, &r].into_iter().find(|operand| operand.scalar_type() == Some(ScalarType::Binary)) {
            return Err(self.wrong(span, format!("{} has no order: only eq and ne apply", bytes.description())));
        }
        if let Some(decided) = self.place_comparison(op, null_test, [&l, &r], span)? {
            return Ok(decided);
        }
        let (mut l, mut r, value_type) = unify(l, r).map_err(|why| self.wrong(span, why))?;
        if !equality && let ValueType::Enumeration(enumeration, _) = &value_type {
            (l, r) = (promote::member_number(l, enumeration), promote::member_number(r, enumeration));
        }
        Ok(Operand::typed(BoundExpr::compare(op, l, r), ScalarType::Boolean, "the comparison".to_owned()))
    }

    /// `eq` and `ne` where at least one side is an entity or a property of several columns.
    fn same(&self, equal: bool, left: Meaning<'_>, right: Meaning<'_>, span: Span) -> Result<Operand, ODataError> {
        let eq = |left: BoundExpr, right: BoundExpr| BoundExpr::compare(ComparisonOperator::Eq, left, right);
        let null = |scalar_type: ScalarType| BoundExpr::Literal(Value::Null(scalar_type));
        let conditions = match (left, right) {
            (Meaning::Row(row, _), Meaning::Value(value)) | (Meaning::Value(value), Meaning::Row(row, _)) if value.value_type.is_none() => {
                // One key column tells whether there is a row: none of them is ever null.
                key_of(&row).into_iter().take(1).map(|(column, scalar_type)| eq(row.column(column), null(scalar_type))).collect()
            }
            (Meaning::Row(left, l), Meaning::Row(right, r)) => {
                let table = |row: &Row<'_>| row.table.map(|table| table.table.name.clone());
                if table(&left) != table(&right) {
                    return Err(self.wrong(span, format!("'{l}' and '{r}' are entities of different types")));
                }
                key_of(&left).into_iter().map(|(column, _)| eq(left.column(column), right.column(column))).collect()
            }
            (Meaning::Complex(row, prefix), Meaning::Value(value)) | (Meaning::Value(value), Meaning::Complex(row, prefix))
                if value.value_type.is_none() =>
            {
                // It is null where all its parts are.
                parts_of(&row, &prefix)
                    .into_iter()
                    .map(|(_, column, value_type)| eq(row.column(column), null(value_type.scalar())))
                    .collect()
            }
            (Meaning::Complex(left, l), Meaning::Complex(right, r)) => {
                let (ours, theirs) = (parts_of(&left, &l), parts_of(&right, &r));
                let alike = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| a.0 == b.0 && a.2 == b.2);
                if !alike {
                    return Err(self.wrong(span, format!("'{}' and '{}' do not have the same parts", l.join("/"), r.join("/"))));
                }
                ours.iter().zip(&theirs).map(|(a, b)| eq(left.column(a.1), right.column(b.1))).collect()
            }
            (Meaning::Members(collection), _) | (_, Meaning::Members(collection)) => {
                return Err(self.not_built(span, format!("the comparison of the collection '{}'", collection.text)));
            }
            (Meaning::Row(..) | Meaning::Complex(..) | Meaning::Value(_), _) => {
                return Err(self.wrong(span, "an entity is compared with an entity or null, a complex property with its like or null"));
            }
        };
        let all = balanced(LogicalOperator::And, conditions).ok_or_else(|| self.wrong(span, "there is nothing to compare by"))?;
        let expr = if equal { all } else { BoundExpr::Not(Box::new(all)) };
        Ok(Operand::typed(expr, ScalarType::Boolean, "the comparison".to_owned()))
    }

    fn arithmetic(&self, op: ArithmeticOperator, written: BinaryOperator, left: &Expr, right: &Expr) -> Result<Operand, ODataError> {
        let span = left.span.to(right.span);
        let (l, r) = (self.operand(left)?, self.operand(right)?);
        if temporal::concerns(&l, &r) {
            return temporal::arithmetic(op, written, l, r).map_err(|why| self.wrong(span, why));
        }
        for operand in [&l, &r] {
            if operand.value_type.is_some() && !operand.scalar_type().is_some_and(ScalarType::is_numeric) {
                return Err(self.wrong(span, format!("'{written}' expects numbers, not {}", operand.description())));
            }
        }
        let (l, r, scalar_type) = arithmetic::operands(op, l, r).map_err(|why| self.wrong(span, why))?;
        // What divides decimals exactly is the division of decimals, which their scales have been widened for.
        let op =
            if matches!(scalar_type, ScalarType::Decimal { .. }) && op == ArithmeticOperator::DivBy { ArithmeticOperator::Div } else { op };
        let expr = BoundExpr::Arithmetic { op, left: Box::new(l), right: Box::new(r), scalar_type };
        Ok(Operand::typed(expr, scalar_type, format!("(… {written} …)")))
    }

    /// `has`: all flags on the right are set on the left, which is of a flags enumeration or an integer.
    fn has(&self, left: &Expr, right: &Expr, span: Span) -> Result<Operand, ODataError> {
        let (l, r) = (self.operand(left)?, self.operand(right)?);
        let flags = |operand: &Operand| match &operand.value_type {
            None | Some(ValueType::Scalar(ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64)) => true,
            Some(ValueType::Enumeration(enumeration, _)) => enumeration.flags,
            Some(ValueType::Scalar(_) | ValueType::Duration | ValueType::Spatial(_)) => false,
        };
        if !flags(&l) {
            return Err(self.wrong(left.span, format!("'has' expects an enumeration of flags, not {}", l.description())));
        }
        let of_enumeration = matches!(l.value_type, Some(ValueType::Enumeration(..)));
        let written = of_enumeration && r.literal.is_some();
        if !written && !flags(&r) {
            return Err(self.wrong(right.span, format!("'has' expects flags, not {}", r.description())));
        }
        let (l, r, value_type) = unify(l, r).map_err(|why| self.wrong(span, why))?;
        let wide = |expr: BoundExpr| match (&value_type.scalar(), expr) {
            (ScalarType::Int64, expr) => expr,
            (_, BoundExpr::Literal(Value::Int16(value))) => BoundExpr::Literal(Value::Int64(value.into())),
            (_, BoundExpr::Literal(Value::Int32(value))) => BoundExpr::Literal(Value::Int64(value.into())),
            (_, BoundExpr::Literal(value)) if value.is_null() => BoundExpr::Literal(Value::Null(ScalarType::Int64)),
            (_, expr) => BoundExpr::Cast { expr: Box::new(expr), to: ScalarType::Int64 },
        };
        let arguments = vec![wide(l), wide(r)];
        let expr = BoundExpr::Call { function: ODataFunction::HasFlags, arguments, scalar_type: ScalarType::Boolean };
        Ok(Operand::typed(expr, ScalarType::Boolean, "the condition 'has'".to_owned()))
    }

    fn list_membership(&self, left: &Expr, right: &Expr) -> Result<Operand, ODataError> {
        match &right.kind {
            ExprKind::List(items) | ExprKind::Array(items) => match &left.kind {
                ExprKind::Array(parts) => self.tuple_in(parts, items, left.span.to(right.span)),
                ExprKind::Literal(_)
                | ExprKind::Path(_)
                | ExprKind::Call { .. }
                | ExprKind::Unary { .. }
                | ExprKind::Binary { .. }
                | ExprKind::Logical { .. }
                | ExprKind::List(_)
                | ExprKind::Case(_)
                | ExprKind::Object(_)
                | ExprKind::JsonText(_)
                | ExprKind::Alias(_) => self.in_items(left, items, right.span),
            },
            ExprKind::Alias(name) => match self.alias(name, right.span)? {
                Some((value, _)) => self.list_membership(left, value),
                None => Err(self.wrong(right.span, format!("the parameter alias {name} has no value, so nothing is in it"))),
            },
            ExprKind::Path(_) => self.in_collection(left, right),
            ExprKind::Literal(_)
            | ExprKind::Call { .. }
            | ExprKind::Unary { .. }
            | ExprKind::Binary { .. }
            | ExprKind::Logical { .. }
            | ExprKind::Case(_)
            | ExprKind::Object(_)
            | ExprKind::JsonText(_) => Err(self.wrong(right.span, "'in' expects a list in parentheses or a collection")),
        }
    }

    /// `x in Nav/Property`: some member has that value.
    fn in_collection(&self, left: &Expr, right: &Expr) -> Result<Operand, ODataError> {
        let Meaning::Members(collection) = self.meaning(right)? else {
            return Err(self.wrong(right.span, "'in' expects a list in parentheses or a collection"));
        };
        let inner = self.inside(None, collection.table);
        let row = inner.innermost().ok_or_else(|| self.wrong(right.span, "there are no rows here"))?;
        let condition = match (collection.property, inner.meaning(left)?) {
            (Some(property), Meaning::Value(subject)) => {
                let subject = inner.comparable(subject, left.span)?;
                let value_type = row.rows.columns.get(property).map(|column| column.value_type.clone());
                let member = Operand { expr: row.column(property), value_type, literal: None, text: collection.text.clone() };
                let (l, r, _) = unify(subject, member).map_err(|why| self.wrong(left.span.to(right.span), why))?;
                BoundExpr::compare(ComparisonOperator::Eq, l, r)
            }
            (None, subject @ Meaning::Row(..)) => {
                inner.same(true, subject, Meaning::Row(row, collection.text.clone()), left.span.to(right.span))?.expr
            }
            (_, Meaning::Value(_) | Meaning::Row(..) | Meaning::Complex(..) | Meaning::Members(_)) => {
                return Err(self.wrong(left.span.to(right.span), format!("this cannot be a member of '{}'", collection.text)));
            }
        };
        inner.offered(&condition, right.span)?;
        let expr =
            BoundExpr::Lambda { quantifier: BoundQuantifier::Any, members: collection.members, condition: Some(Box::new(condition)) };
        Ok(Operand::typed(expr, ScalarType::Boolean, "the condition 'in'".to_owned()))
    }

    /// `[a,b] in [[1,2],[3,4]]`.
    fn tuple_in(&self, parts: &[Expr], items: &[Expr], span: Span) -> Result<Operand, ODataError> {
        let mut rows = Vec::with_capacity(items.len());
        for item in items {
            let ExprKind::Array(values) = &item.kind else { return Err(self.wrong(item.span, "an array is only in a list of arrays")) };
            if values.len() != parts.len() {
                return Err(self.wrong(item.span, format!("this array has {} values, not {}", values.len(), parts.len())));
            }
            let equalities = parts.iter().zip(values).map(|(part, value)| Ok(self.comparison(ComparisonOperator::Eq, part, value)?.expr));
            let all = balanced(LogicalOperator::And, equalities.collect::<Result<Vec<_>, ODataError>>()?);
            rows.push(all.ok_or_else(|| self.wrong(item.span, "this array is empty"))?);
        }
        let expr = balanced(LogicalOperator::Or, rows).ok_or_else(|| self.wrong(span, "the list after 'in' is empty"))?;
        Ok(Operand::typed(expr, ScalarType::Boolean, "the condition 'in'".to_owned()))
    }

    fn in_items(&self, left: &Expr, items: &[Expr], list_span: Span) -> Result<Operand, ODataError> {
        let Some(first) = items.first() else { return Err(self.wrong(list_span, "the list after 'in' is empty")) };
        let subject = self.comparable(self.operand(left)?, left.span)?;
        let mut candidates = Vec::with_capacity(items.len());
        for item in items {
            candidates.push(self.comparable(self.operand(item)?, item.span)?);
        }
        let all: Vec<&Operand> = std::iter::once(&subject).chain(&candidates).collect();
        let span = left.span.to(first.span);
        let meeting = meeting_type(&all).map_err(|why| self.wrong(span, why))?;
        let subject = coerce(subject, meeting.clone()).map_err(|why| self.wrong(left.span, why))?;
        let (mut list, mut equalities) = (Vec::new(), Vec::new());
        for (candidate, item) in candidates.into_iter().zip(items) {
            let candidate = coerce(candidate, meeting.clone()).map_err(|why| self.wrong(item.span, why))?;
            if let BoundExpr::Literal(value) = candidate {
                list.push(value);
            } else {
                // What is not a constant cannot be in the list; `a in (b)` is `a eq b`, nulls included.
                equalities.push(BoundExpr::compare(ComparisonOperator::Eq, subject.clone(), candidate));
            }
        }
        if !list.is_empty() {
            equalities.insert(0, BoundExpr::In { expr: Box::new(subject), list });
        }
        let expr = balanced(LogicalOperator::Or, equalities).ok_or_else(|| self.wrong(list_span, "the list after 'in' is empty"))?;
        Ok(Operand::typed(expr, ScalarType::Boolean, "the condition 'in'".to_owned()))
    }
}

/// The key columns of a row and their types.
fn key_of(row: &Row<'_>) -> Vec<(usize, ScalarType)> {
    let key = row.table.map(|table| table.table.key.as_slice()).unwrap_or_default();
    key.iter().filter_map(|index| Some((*index, row.rows.columns.get(*index)?.value_type.scalar()))).collect()
}

/// The columns of a property of several: names after the prefix, positions, types.
fn parts_of(row: &Row<'_>, prefix: &[String]) -> Vec<(Vec<String>, usize, ValueType)> {
    let columns =
        row.rows.columns.iter().enumerate().filter(|(_, column)| column.path.len() > prefix.len() && column.path.starts_with(prefix));
    columns
        .map(|(index, column)| (column.path.get(prefix.len()..).unwrap_or_default().to_vec(), index, column.value_type.clone()))
        .collect()
}

/// A chain as a tree of least height: what recurses over it stays shallow however long the chain is.
pub(super) fn balanced(op: LogicalOperator, mut operands: Vec<BoundExpr>) -> Option<BoundExpr> {
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
