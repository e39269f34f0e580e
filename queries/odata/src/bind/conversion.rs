//! `cast` and `isof` (URL Conventions, section 5.1.1.10): of values to primitive types and enumerations, of entities to derived types.
#![deny(clippy::wildcard_enum_match_arm)]

use super::member::Meaning;
use super::promote::{self, Operand, decimal_extent};
use super::scope::Scope;
use crate::bound::{BoundExpr, ComparisonOperator};
use crate::error::ODataError;
use crate::syntax::{Argument, Expr, ExprKind, LiteralKind, Span, StepKind};
use crate::value_type::ValueType;
use portico_catalog::Enumeration;
use portico_provider_api::{ScalarType, Value};
use std::sync::Arc;

/// What a type's name stands for.
enum Target {
    Type(ValueType),
    /// `Edm.Byte` and `Edm.SByte`: least and greatest.
    Small(i16, i16),
    /// `Edm.Decimal`, whose digits depend on what is cast.
    Decimal,
    /// A qualified name that may be an entity type's.
    Named(String),
}

impl Scope<'_> {
    /// `cast(value,type)`, `isof(value,type)`, `isof(type)`.
    pub(super) fn conversion(&self, cast: bool, arguments: &[Argument], span: Span) -> Result<Operand, ODataError> {
        let function = if cast { "cast" } else { "isof" };
        if let Some(argument) = arguments.iter().find(|argument| argument.name.is_some()) {
            return Err(self.wrong(argument.value.span, format!("the arguments of {function} have no names")));
        }
        let (subject, written) = match arguments {
            [written] => (None, &written.value),
            [subject, written] => (Some(&subject.value), &written.value),
            _ => return Err(self.wrong(span, format!("the function {function} takes 1 or 2 arguments, not {}", arguments.len()))),
        };
        let target = self.target_type(written)?;
        let meaning = match subject {
            Some(subject) => self.meaning(subject)?,
            None => Meaning::Row(self.here().ok_or_else(|| self.wrong(span, "there are no rows here"))?, "$it".to_owned()),
        };
        match (meaning, target) {
            (Meaning::Row(mut row, text), Target::Named(name)) if !cast => {
                row.derived = self.derived(&row, &name, written.span)?;
                let condition = match row.is_of_type() {
                    Some(condition) => condition,
                    // Every row is of the declared type; where there is none, the answer is no.
                    None => {
                        let key = row.table.and_then(|table| table.table.key.first().copied());
                        let key = key.ok_or_else(|| self.wrong(span, "there are no entities here"))?;
                        let scalar_type = row.rows.columns.get(key).map_or(ScalarType::Int64, |column| column.value_type.scalar());
                        BoundExpr::compare(ComparisonOperator::Ne, row.column(key), BoundExpr::Literal(Value::Null(scalar_type)))
                    }
                };
                Ok(Operand::typed(condition, ScalarType::Boolean, format!("isof({text},…)")))
            }
            (Meaning::Row(_, text), _) if cast => {
                Err(self.not_built(span, format!("the cast of the entity '{text}'; write {text}/Type/Property")))
            }
            (Meaning::Value(value), Target::Named(name)) => Err(self.wrong(
                written.span,
                format!("'{name}' is not a primitive type or enumeration, as {} needs for {}", function, value.description()),
            )),
            (Meaning::Value(value), target) => {
                let Some(from) = value.value_type.clone() else { return Ok(Operand::null()) };
                let converted = self.converted(value.clone(), &from, &target, span)?;
                if cast {
                    return Ok(converted);
                }
                let null = |value_type: &ValueType| BoundExpr::Literal(Value::Null(value_type.scalar()));
                let kept = converted.value_type.as_ref().map(null).unwrap_or(BoundExpr::Literal(Value::Null(ScalarType::Boolean)));
                let is_one = BoundExpr::compare(ComparisonOperator::Ne, converted.expr, kept);
                // Of null nothing is known.
                let there = BoundExpr::compare(ComparisonOperator::Ne, value.expr, null(&from));
                let expr = BoundExpr::Case { branches: vec![(there, is_one)], scalar_type: ScalarType::Boolean };
                Ok(Operand::typed(expr, ScalarType::Boolean, "isof(…)".to_owned()))
            }
            (Meaning::Row(..) | Meaning::Complex(..) | Meaning::Members(_), _) => {
                Err(self.not_built(span, format!("{function} of a structured value or a collection to this type")))
            }
        }
    }

    /// The type that an argument names, quoted or not.
    fn target_type(&self, written: &Expr) -> Result<Target, ODataError> {
        let name = match &written.kind {
            ExprKind::Path(steps) => steps
                .iter()
                .map(|step| match &step.kind {
                    StepKind::Name(name) => Some(name.as_str()),
                    StepKind::Special(_)
                    | StepKind::Count(_)
                    | StepKind::Filter(_)
                    | StepKind::Annotation(_)
                    | StepKind::Key(_)
                    | StepKind::Aggregate(_)
                    | StepKind::Lambda { .. }
                    | StepKind::Call { .. } => None,
                })
                .collect::<Option<Vec<_>>>()
                .and_then(|names| if let [name] = names.as_slice() { Some((*name).to_owned()) } else { None }),
            ExprKind::Literal(literal) if literal.kind == LiteralKind::Text => Some(literal.text.clone()),
            ExprKind::Literal(_)
            | ExprKind::Call { .. }
            | ExprKind::Unary { .. }
            | ExprKind::Binary { .. }
            | ExprKind::Logical { .. }
            | ExprKind::List(_)
            | ExprKind::Case(_)
            | ExprKind::Array(_)
            | ExprKind::Object(_)
            | ExprKind::JsonText(_)
            | ExprKind::Alias(_) => None,
        };
        let name = name.ok_or_else(|| self.wrong(written.span, "a type is expected here, such as Edm.String"))?;
        let scalar = match name.as_str() {
            "Edm.Boolean" => ScalarType::Boolean,
            "Edm.Byte" => return Ok(Target::Small(0, 255)),
            "Edm.SByte" => return Ok(Target::Small(-128, 127)),
            "Edm.Int16" => ScalarType::Int16,
            "Edm.Int32" => ScalarType::Int32,
            "Edm.Int64" => ScalarType::Int64,
            "Edm.Single" => ScalarType::Float32,
            "Edm.Double" => ScalarType::Float64,
            "Edm.Decimal" => return Ok(Target::Decimal),
            "Edm.String" => ScalarType::Text,
            "Edm.Guid" => ScalarType::Guid,
            "Edm.Date" => ScalarType::Date,
            "Edm.DateTimeOffset" => ScalarType::TimestampTz,
            "Edm.TimeOfDay" => ScalarType::Time,
            "Edm.Binary" => ScalarType::Binary,
            "Edm.Duration" => return Ok(Target::Type(ValueType::Duration)),
            name if name.starts_with("Edm.") => return Err(self.not_built(written.span, format!("the type {name} in an expression"))),
            name if !name.contains('.') => {
                return Err(self.wrong(written.span, format!("'{name}' is not a type; names of types are qualified")));
            }
            name => {
                let short = name.strip_prefix(crate::metadata::namespace(self.view).as_str()).and_then(|rest| rest.strip_prefix('.'));
                return Ok(match short.and_then(|short| self.enumeration(short)) {
                    Some((enumeration, scalar_type)) => Target::Type(ValueType::Enumeration(enumeration, scalar_type)),
                    None => Target::Named(name.to_owned()),
                });
            }
        };
        Ok(Target::Type(ValueType::Scalar(scalar)))
    }

    fn converted(&self, value: Operand, from: &ValueType, target: &Target, span: Span) -> Result<Operand, ODataError> {
        let text = format!("cast({},…)", value.text);
        let to = match target {
            Target::Type(to) => to.clone(),
            Target::Decimal => decimal(from),
            Target::Small(least, greatest) => {
                let narrow = self.converted(value, from, &Target::Type(ScalarType::Int16.into()), span)?;
                let bound = |op, limit: i16| BoundExpr::compare(op, narrow.expr.clone(), BoundExpr::Literal(Value::Int16(limit)));
                let (above, below) = (bound(ComparisonOperator::Ge, *least), bound(ComparisonOperator::Le, *greatest));
                let inside = BoundExpr::And(Box::new(above), Box::new(below));
                let expr = BoundExpr::Case { branches: vec![(inside, narrow.expr)], scalar_type: ScalarType::Int16 };
                return Ok(Operand::typed(expr, ScalarType::Int16, text));
            }
            Target::Named(name) => return Err(self.wrong(span, format!("'{name}' is not a primitive type"))),
        };
        if *from == to {
            return Ok(Operand { text, literal: None, ..value });
        }
        if matches!(from, ValueType::Spatial(_)) && to != ValueType::Scalar(ScalarType::Text) {
            return Err(self.not_built(span, format!("the cast of {} to {}", value.description(), promote::shown_type(&to))));
        }
        let expr = match (from, &to) {
            // It is carried as a URL has it.
            (ValueType::Spatial(_), _) => value.expr,
            // Members that combine have more names than could be listed.
            (ValueType::Enumeration(enumeration, _), ValueType::Scalar(ScalarType::Text)) if enumeration.flags => {
                BoundExpr::Convert { expr: Box::new(value.expr), from: from.clone(), to: to.clone() }
            }
            (ValueType::Enumeration(enumeration, carrier), ValueType::Scalar(ScalarType::Text)) => names(value.expr, enumeration, *carrier),
            (ValueType::Enumeration(enumeration, carrier), _) => {
                let own_number = carrier != &ScalarType::Text;
                let number = promote::member_number(value.expr, enumeration);
                let as_stored = own_number && !matches!(number, BoundExpr::Case { .. });
                let number_type = if as_stored { *carrier } else { ScalarType::Int64 };
                let number = Operand::typed(number, number_type, value.text);
                return self.converted(number, &number_type.into(), &Target::Type(to), span);
            }
            (ValueType::Scalar(ScalarType::Text), ValueType::Enumeration(enumeration, _)) if enumeration.flags => {
                BoundExpr::Convert { expr: Box::new(value.expr), from: from.clone(), to: to.clone() }
            }
            // Any number is a combination of flags, and they are held as their numbers.
            (_, ValueType::Enumeration(enumeration, carrier)) if enumeration.flags => {
                self.converted(value, from, &Target::Type((*carrier).into()), span)?.expr
            }
            (_, ValueType::Enumeration(enumeration, scalar_type)) => member(value.expr, from, enumeration, *scalar_type),
            (ValueType::Scalar(own), ValueType::Scalar(to)) if is_exact(*own, *to) => {
                BoundExpr::Cast { expr: Box::new(value.expr), to: *to }
            }
            (from, to) => BoundExpr::Convert { expr: Box::new(value.expr), from: from.clone(), to: to.clone() },
        };
        Ok(Operand::typed(expr, to, text))
    }

    /// An enumeration of that name that some visible column has, and what carries its values there.
    pub(super) fn enumeration(&self, name: &str) -> Option<(Arc<Enumeration>, ScalarType)> {
        let columns = self.view.tables.values().flat_map(|table| table.columns.iter().filter_map(|index| table.table.columns.get(*index)));
        let found =
            columns.filter_map(|column| Some((column.enumeration.as_ref()?, column.scalar_type))).find(|(known, _)| known.name == name);
        found.map(|(enumeration, scalar_type)| (Arc::clone(enumeration), scalar_type))
    }
}

/// Whether every value of one numeric type is one of the other: then the cast cannot fail, and a source may do it.
fn is_exact(from: ScalarType, to: ScalarType) -> bool {
    match (from, to) {
        (ScalarType::Float32, ScalarType::Float64) | (ScalarType::Timestamp, ScalarType::TimestampTz) => true,
        (ScalarType::Int16, ScalarType::Int32 | ScalarType::Int64) | (ScalarType::Int32, ScalarType::Int64) => true,
        (from, ScalarType::Decimal { precision, scale }) => {
            decimal_extent(from).is_some_and(|(p, s)| i16::from(scale) >= s && i16::from(precision) - i16::from(scale) >= p - s)
        }
        _ => false,
    }
}

/// The decimal type that a type is cast to when no digits are said.
fn decimal(from: &ValueType) -> ValueType {
    let extent = match from {
        ValueType::Scalar(scalar_type) => decimal_extent(*scalar_type),
        ValueType::Duration | ValueType::Enumeration(..) | ValueType::Spatial(_) => None,
    };
    match extent {
        Some((precision, scale)) => ScalarType::Decimal { precision: precision as u8, scale: scale as i8 }.into(),
        None => ScalarType::UNCONSTRAINED_DECIMAL.into(),
    }
}

/// The names of members. A number that is none is shown as such, as payloads do; a code that is none has no name.
fn names(expr: BoundExpr, enumeration: &Enumeration, carrier: ScalarType) -> BoundExpr {
    let literal = |value: &Value| BoundExpr::Literal(value.clone());
    let mut branches: Vec<(BoundExpr, BoundExpr)> = Vec::with_capacity(enumeration.members.len() + 1);
    for member in &enumeration.members {
        let is_it = BoundExpr::compare(ComparisonOperator::Eq, expr.clone(), literal(&member.stored));
        branches.push((is_it, BoundExpr::Literal(Value::text(&member.name))));
    }
    if carrier.is_numeric() {
        let there = BoundExpr::compare(ComparisonOperator::Ne, expr.clone(), BoundExpr::Literal(Value::Null(carrier)));
        branches.push((there, BoundExpr::Cast { expr: Box::new(expr), to: ScalarType::Text }));
    }
    BoundExpr::Case { branches, scalar_type: ScalarType::Text }
}

/// The member with that number, or of that name; null when there is none.
fn member(expr: BoundExpr, from: &ValueType, enumeration: &Enumeration, scalar_type: ScalarType) -> BoundExpr {
    let by_name = from == &ValueType::Scalar(ScalarType::Text);
    let subject = match from {
        ValueType::Scalar(ScalarType::Text | ScalarType::Int64) => expr,
        ValueType::Scalar(_) | ValueType::Duration | ValueType::Enumeration(..) | ValueType::Spatial(_) => {
            BoundExpr::Convert { expr: Box::new(expr), from: from.clone(), to: ScalarType::Int64.into() }
        }
    };
    let branches = enumeration.members.iter().map(|member| {
        let key = if by_name { Value::text(&member.name) } else { Value::Int64(member.value) };
        let is_it = BoundExpr::compare(ComparisonOperator::Eq, subject.clone(), BoundExpr::Literal(key));
        (is_it, BoundExpr::Literal(member.stored.clone()))
    });
    BoundExpr::Case { branches: branches.collect(), scalar_type }
}
