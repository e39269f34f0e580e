//! What DataFusion spells, or means, in its own way: literals, conversions, functions, and floats, which it compares by IEEE 754's total
//! order. It must not know statements around them, nor servers.
//!
//! A GUID and a JSON document are text there. A literal is a placeholder inside a conversion that gives it its type, so that it may be a
//! bound parameter as well as text.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::civil;
use crate::compare::guard_nan;
use crate::expr::{Render, is_float, is_integer, unsupported, whole_literal};
use portico_provider_api::value::Float;
use portico_provider_api::{CompareOp, Expr, Function, KeySet, ScalarType, Unsupported, Value};

/// The name under which a value of this type is cast, where it has one without facets.
pub(crate) fn type_name(scalar_type: ScalarType) -> &'static str {
    match scalar_type {
        ScalarType::Boolean => "BOOLEAN",
        ScalarType::Int16 => "SMALLINT",
        ScalarType::Int32 => "INT",
        ScalarType::Int64 => "BIGINT",
        ScalarType::Float32 => "REAL",
        ScalarType::Float64 => "DOUBLE",
        ScalarType::Decimal { .. } => "DECIMAL",
        ScalarType::Text | ScalarType::Guid | ScalarType::Json => "VARCHAR",
        ScalarType::Binary => "BYTEA",
        ScalarType::Date => "DATE",
        ScalarType::Time => "TIME",
        ScalarType::Timestamp => "TIMESTAMP",
        ScalarType::TimestampTz => "TIMESTAMP WITH TIME ZONE",
    }
}

/// The form in which a value is bound: text for what is text there.
pub(crate) fn bind(value: &Value) -> Value {
    match value {
        Value::Guid(text) | Value::Json(text) => Value::Text(text.clone()),
        Value::Null(ScalarType::Guid | ScalarType::Json) => Value::Null(ScalarType::Text),
        Value::Null(_)
        | Value::Boolean(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Decimal { .. }
        | Value::Text(_)
        | Value::Binary(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_) => value.clone(),
    }
}

/// `text` as a value of a type, whatever it was. SQL's own names of times and timestamps stand for nanoseconds there.
pub(crate) fn converted(text: &str, to: ScalarType) -> String {
    match to {
        ScalarType::Decimal { precision, scale } => format!("CAST({text} AS DECIMAL({precision},{scale}))"),
        ScalarType::Time => format!("arrow_cast({text}, 'Time64(Microsecond)')"),
        ScalarType::Timestamp => format!("arrow_cast({text}, 'Timestamp(Microsecond, None)')"),
        ScalarType::TimestampTz => format!("arrow_cast({text}, 'Timestamp(Microsecond, Some(\"UTC\"))')"),
        ScalarType::Boolean
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Text
        | ScalarType::Binary
        | ScalarType::Date
        | ScalarType::Guid
        | ScalarType::Json => format!("CAST({text} AS {})", type_name(to)),
    }
}

/// `value`, which is a `from`, as a `to`, which differs: where both sides' results and failures are the IR's.
pub(crate) fn cast(value: &str, from: ScalarType, to: ScalarType) -> Result<String, Unsupported> {
    let fine = match to {
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => {
            is_integer(from) || is_float(from) || matches!(from, ScalarType::Boolean | ScalarType::Decimal { .. })
        }
        ScalarType::Float32 | ScalarType::Float64 => is_integer(from),
        ScalarType::Decimal { .. } => is_integer(from) || matches!(from, ScalarType::Decimal { .. }),
        ScalarType::Text => {
            is_integer(from) || matches!(from, ScalarType::Boolean | ScalarType::Decimal { .. } | ScalarType::Guid | ScalarType::Json)
        }
        ScalarType::Date | ScalarType::Time => matches!(from, ScalarType::Timestamp | ScalarType::TimestampTz),
        ScalarType::Timestamp => matches!(from, ScalarType::Date | ScalarType::TimestampTz),
        ScalarType::TimestampTz => matches!(from, ScalarType::Date | ScalarType::Timestamp),
        ScalarType::Boolean | ScalarType::Binary | ScalarType::Guid | ScalarType::Json => false,
    };
    match (fine, from, to) {
        (false, ..) => Err(unsupported(format!("the conversion from {from} to {to}"))),
        (true, ScalarType::Guid | ScalarType::Json, ScalarType::Text) => Ok(value.to_owned()),
        (true, ..) => Ok(converted(value, to)),
    }
}

impl Render<'_> {
    /// A literal with its type. What text in four digits of a year cannot say is counted.
    pub(crate) fn datafusion_literal(&mut self, value: &Value) -> String {
        let scalar_type = value.scalar_type();
        let unwritten = civil::day(value).is_some_and(|day| !(civil::YEAR_1..=civil::LAST_DAY).contains(&day));
        let counted = match value {
            Value::Date(days) if unwritten => Some(Value::Int32(*days)),
            Value::Timestamp(micros) | Value::TimestampTz(micros) if unwritten => Some(Value::Int64(*micros)),
            Value::Null(_)
            | Value::Boolean(_)
            | Value::Int16(_)
            | Value::Int32(_)
            | Value::Int64(_)
            | Value::Float32(_)
            | Value::Float64(_)
            | Value::Decimal { .. }
            | Value::Text(_)
            | Value::Binary(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Timestamp(_)
            | Value::TimestampTz(_)
            | Value::Guid(_)
            | Value::Json(_) => None,
        };
        if let Some(counted) = counted {
            let number = self.raw_parameter(&counted);
            return converted(&converted(&number, counted.scalar_type()), scalar_type);
        }
        let placeholder = self.raw_parameter(value);
        match value {
            // These have their type as they are written.
            Value::Boolean(_) | Value::Text(_) | Value::Guid(_) | Value::Json(_) | Value::Binary(_) => placeholder,
            Value::Null(_)
            | Value::Int16(_)
            | Value::Int32(_)
            | Value::Int64(_)
            | Value::Float32(_)
            | Value::Float64(_)
            | Value::Decimal { .. }
            | Value::Date(_)
            | Value::Time(_)
            | Value::Timestamp(_)
            | Value::TimestampTz(_) => converted(&placeholder, scalar_type),
        }
    }

    /// A float of which the zeros are one, and the NaNs, where rows are told apart or put in order; anything else as it is. A computed NaN
    /// has a sign, and a negative one is the least in the total order.
    pub(crate) fn one_zero(&self, text: String, scalar_type: ScalarType) -> String {
        if !is_float(scalar_type) {
            return text;
        }
        format!("nanvl({text} + {}, {})", converted("0", scalar_type), converted("'NaN'", scalar_type))
    }

    /// A float as it is compared. What a column holds is left as it is, so that the server can send the condition on.
    fn float_operand(&mut self, expr: &Expr, scalar_type: ScalarType) -> Result<String, Unsupported> {
        let text = self.value(expr)?;
        Ok(if matches!(expr, Expr::Column(_) | Expr::Literal(_)) { text } else { self.one_zero(text, scalar_type) })
    }

    /// A comparison of floats by IEEE 754 where the server compares by its total order: -0 is below 0, and NaN equals itself and is the
    /// greatest.
    pub(crate) fn datafusion_compare_floats(
        &mut self,
        op: CompareOp,
        left: &Expr,
        right: &Expr,
        scalar_type: ScalarType,
    ) -> Result<String, Unsupported> {
        let nan = self.dialect.nan_equals_itself.unwrap_or_default();
        if let Expr::Literal(Value::Float32(Float(number)) | Value::Float64(Float(number))) = right {
            let left = self.float_operand(left, scalar_type)?;
            if *number == 0.0 {
                return Ok(compared_with_zero(op, &left, scalar_type, nan));
            }
            let right = self.value(right)?;
            let plain = format!("{left} {} {right}", self.operator(op));
            return Ok(guard_nan(op, &plain, &left, &right, true, nan));
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        let (left, right) = (self.one_zero(left, scalar_type), self.one_zero(right, scalar_type));
        // In brackets: IS DISTINCT FROM would take what follows for its operand.
        let plain = format!("({left} {} {right})", self.operator(op));
        Ok(guard_nan(op, &plain, &left, &right, false, nan))
    }

    pub(crate) fn datafusion_floats_in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<String, Unsupported> {
        let op = if negated { CompareOp::NotEq } else { CompareOp::Eq };
        let parts = list.iter().map(|item| Expr::compare(op, expr.clone(), item.clone())).collect();
        self.value(&if negated { Expr::And(parts) } else { Expr::Or(parts) })
    }

    /// One column's keys are an `IN`; there is none of tuples.
    pub(crate) fn datafusion_keys(&mut self, keys: &KeySet) -> Result<String, Unsupported> {
        if let [column] = keys.columns.as_slice() {
            let list = keys.tuples.iter().flatten().map(|value| Expr::Literal(value.clone())).collect();
            return self.value(&Expr::InList { expr: Box::new(Expr::Column(*column)), list, negated: false });
        }
        let tuple = |values: &Vec<Value>| {
            let equal =
                |(column, value): (&usize, &Value)| Expr::compare(CompareOp::Eq, Expr::Column(*column), Expr::Literal(value.clone()));
            Expr::And(keys.columns.iter().zip(values).map(equal).collect())
        };
        self.value(&Expr::Or(keys.tuples.iter().map(tuple).collect()))
    }

    pub(crate) fn datafusion_call(&mut self, function: Function, arguments: &[Expr]) -> Result<String, Unsupported> {
        let Some(first) = arguments.first() else { return Err(unsupported("a function without arguments")) };
        let first_type = self.scalar_type(first)?;
        let plain = |render: &mut Self, name: &str| Ok(format!("{name}({})", render.values(arguments)?.join(", ")));
        let part = |render: &mut Self, name: &str| Ok(format!("date_part('{name}', {})", render.value(first)?));
        match function {
            Function::Contains => plain(self, "contains"),
            Function::StartsWith => plain(self, "starts_with"),
            Function::EndsWith => plain(self, "ends_with"),
            Function::Like => {
                let [text, pattern] = self.pair(arguments)?;
                Ok(format!("({text} LIKE {pattern})"))
            }
            Function::Length => plain(self, "character_length"),
            Function::Position => plain(self, "strpos"),
            Function::Substring => self.datafusion_substring(arguments),
            Function::Lower => plain(self, "lower"),
            Function::Upper => plain(self, "upper"),
            Function::Trim => plain(self, "btrim"),
            Function::Concat => {
                let [left, right] = self.pair(arguments)?;
                Ok(format!("({left} || {right})"))
            }
            Function::Year => part(self, "year"),
            Function::Month => part(self, "month"),
            Function::Day => part(self, "day"),
            Function::Hour => part(self, "hour"),
            Function::Minute => part(self, "minute"),
            Function::Second => part(self, "second"),
            Function::Round | Function::Floor | Function::Ceiling if is_integer(first_type) => {
                Err(unsupported(format!("rounding of {first_type}")))
            }
            Function::Round => plain(self, "round"),
            Function::Floor => plain(self, "floor"),
            Function::Ceiling => plain(self, "ceil"),
            Function::Abs => plain(self, "abs"),
        }
    }

    /// A start before the text counts for the length, and is written out: only a start from 1 on is sent on by the server.
    fn datafusion_substring(&mut self, arguments: &[Expr]) -> Result<String, Unsupported> {
        let (text, start, length) = match arguments {
            [text, start] => (text, start, None),
            [text, start, length] => (text, start, Some(length)),
            _ => return Err(unsupported("a function with a wrong number of arguments")),
        };
        let literal = |number: i128| Expr::Literal(Value::Int64(i64::try_from(number).unwrap_or(i64::MAX)));
        let (start, length) = match (whole_literal(start), length.map(whole_literal)) {
            (Some(from), None) => (literal(i128::from(from).max(1)), None),
            (Some(from), Some(Some(count))) if count >= 0 => {
                let end = i128::from(from) + i128::from(count);
                let from = i128::from(from).max(1);
                (literal(from), Some(literal((end - from).max(0))))
            }
            _ => (start.clone(), length.cloned()),
        };
        let mut parts = vec![self.value(text)?, self.wide(&start)?];
        if let Some(length) = length {
            parts.push(self.wide(&length)?);
        }
        Ok(format!("substr({})", parts.join(", ")))
    }

    /// An integer in 64 bits.
    fn wide(&mut self, expr: &Expr) -> Result<String, Unsupported> {
        let scalar_type = self.scalar_type(expr)?;
        let text = self.value(expr)?;
        Ok(if scalar_type == ScalarType::Int64 { text } else { converted(&text, ScalarType::Int64) })
    }
}

/// A comparison with zero: both of them are meant, and they stand next to each other in the server's order.
fn compared_with_zero(op: CompareOp, left: &str, scalar_type: ScalarType, nan: &str) -> String {
    let (negative, positive) = (converted("'-0'", scalar_type), converted("'0'", scalar_type));
    let is_zero = format!("({left} >= {negative} AND {left} <= {positive})");
    match op {
        CompareOp::Eq => is_zero,
        CompareOp::NotEq => format!("(NOT {is_zero})"),
        CompareOp::Lt => format!("({left} < {negative})"),
        CompareOp::LtEq => format!("({left} <= {positive})"),
        CompareOp::Gt => format!("({left} > {positive} AND {left} <> {nan})"),
        CompareOp::GtEq => format!("({left} >= {negative} AND {left} <> {nan})"),
        CompareOp::IsDistinctFrom => format!("({is_zero} IS NOT TRUE)"),
        CompareOp::IsNotDistinctFrom => format!("({is_zero} IS TRUE)"),
    }
}
