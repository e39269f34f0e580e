//! Function calls. A function that a dialect has, but not with the IR's meaning, is refused. It must not know statements around them.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::dialect::Family;
use crate::expr::{Render, is_integer, unsupported, whole_literal};
use portico_provider_api::{Expr, Function, ScalarType, Unsupported, Value};

impl Render<'_> {
    pub(crate) fn call(&mut self, function: Function, arguments: &[Expr]) -> Result<String, Unsupported> {
        let expected = match function {
            Function::Contains | Function::StartsWith | Function::EndsWith | Function::Like | Function::Position | Function::Concat => {
                2..=2
            }
            Function::Substring => 2..=3,
            Function::Length
            | Function::Lower
            | Function::Upper
            | Function::Trim
            | Function::Year
            | Function::Month
            | Function::Day
            | Function::Hour
            | Function::Minute
            | Function::Second
            | Function::Round
            | Function::Floor
            | Function::Ceiling
            | Function::Abs => 1..=1,
        };
        if !expected.contains(&arguments.len()) {
            return Err(unsupported(format!("{function:?} with {} arguments", arguments.len())));
        }
        match self.dialect.family {
            Family::Postgres => self.postgres_call(function, arguments),
            Family::Sqlite => self.sqlite_call(function, arguments),
            Family::Mysql => self.mysql_call(function, arguments),
            Family::DataFusion => self.datafusion_call(function, arguments),
            Family::Standard => Err(unsupported(format!("the function {function:?}"))),
            Family::Product(product) => self.product_call(product, function, arguments),
        }
    }

    fn sqlite_call(&mut self, function: Function, arguments: &[Expr]) -> Result<String, Unsupported> {
        let first_type = arguments.first().map(|first| self.scalar_type(first)).transpose()?.unwrap_or(ScalarType::Text);
        let values = self.values(arguments)?.join(", ");
        let text = |name: &str| Ok(format!("portico_{name}({values})"));
        let part = |name: &str| Ok(format!("portico_part('{name}', '{first_type}', {values})"));
        let number = |name: &str| Ok(format!("portico_number('{name}', '{first_type}', {values})"));
        match function {
            Function::Contains => text("contains"),
            Function::StartsWith => text("starts_with"),
            Function::EndsWith => text("ends_with"),
            Function::Like => text("like"),
            Function::Length => text("length"),
            Function::Position => text("position"),
            Function::Substring => text("substring"),
            Function::Lower => text("lower"),
            Function::Upper => text("upper"),
            Function::Trim => text("trim"),
            Function::Concat => text("concat"),
            Function::Year => part("year"),
            Function::Month => part("month"),
            Function::Day => part("day"),
            Function::Hour => part("hour"),
            Function::Minute => part("minute"),
            Function::Second => part("second"),
            Function::Round => number("round"),
            Function::Floor => number("floor"),
            Function::Ceiling => number("ceiling"),
            Function::Abs => number("abs"),
        }
    }

    fn postgres_call(&mut self, function: Function, arguments: &[Expr]) -> Result<String, Unsupported> {
        let Some(first) = arguments.first() else { return Err(unsupported("a function without arguments")) };
        let first_type = self.scalar_type(first)?;
        match function {
            Function::Contains => {
                let [text, part] = self.pair(arguments)?;
                Ok(format!("(strpos({text} COLLATE \"C\", {part}) > 0)"))
            }
            Function::StartsWith => {
                let [text, part] = self.pair(arguments)?;
                Ok(format!("starts_with({text} COLLATE \"C\", {part})"))
            }
            Function::EndsWith => {
                let [text, part] = self.pair(arguments)?;
                Ok(format!("(right({text}, char_length({part})) COLLATE \"C\" = {part})"))
            }
            Function::Like => {
                let [text, pattern] = self.pair(arguments)?;
                Ok(format!("({text} COLLATE \"C\" LIKE {pattern} ESCAPE '\\')"))
            }
            Function::Length => Ok(format!("char_length({})", self.value(first)?)),
            Function::Position => {
                let [text, part] = self.pair(arguments)?;
                Ok(format!("strpos({text} COLLATE \"C\", {part})"))
            }
            Function::Substring => self.postgres_substring(arguments),
            // Depend on the server's locale and its version.
            Function::Lower => Err(unsupported("lower case")),
            Function::Upper => Err(unsupported("upper case")),
            Function::Trim => Ok(format!("btrim({}, ' ')", self.value(first)?)),
            Function::Concat => {
                let [left, right] = self.pair(arguments)?;
                Ok(format!("({left} || {right})"))
            }
            Function::Year => {
                let moment = self.utc(first, first_type)?;
                // PostgreSQL has no year 0: 1 BC is -1 there.
                let year = format!("EXTRACT(YEAR FROM {moment})");
                Ok(format!("({year} + CASE WHEN {year} < 0 THEN 1 ELSE 0 END)::int4"))
            }
            Function::Month => self.extract("MONTH", first, first_type),
            Function::Day => self.extract("DAY", first, first_type),
            Function::Hour => self.extract("HOUR", first, first_type),
            Function::Minute => self.extract("MINUTE", first, first_type),
            Function::Second => Ok(format!("floor(EXTRACT(SECOND FROM {}))::int4", self.utc(first, first_type)?)),
            // Rounds a double half to even.
            Function::Round if !matches!(first_type, ScalarType::Decimal { .. }) => Err(unsupported(format!("rounding of {first_type}"))),
            Function::Round => Ok(format!("round({})", self.value(first)?)),
            // Of a single it is a double here.
            Function::Floor if first_type == ScalarType::Float32 => Ok(format!("floor({})::float4", self.value(first)?)),
            Function::Ceiling if first_type == ScalarType::Float32 => Ok(format!("ceil({})::float4", self.value(first)?)),
            Function::Floor if !is_integer(first_type) => Ok(format!("floor({})", self.value(first)?)),
            Function::Ceiling if !is_integer(first_type) => Ok(format!("ceil({})", self.value(first)?)),
            Function::Floor | Function::Ceiling => Err(unsupported(format!("rounding of {first_type}"))),
            Function::Abs => Ok(format!("abs({})", self.value(first)?)),
        }
    }

    pub(crate) fn pair(&mut self, arguments: &[Expr]) -> Result<[String; 2], Unsupported> {
        match arguments {
            [first, second] => Ok([self.value(first)?, self.value(second)?]),
            _ => Err(unsupported("a function with a wrong number of arguments")),
        }
    }

    fn utc(&mut self, moment: &Expr, scalar_type: ScalarType) -> Result<String, Unsupported> {
        let value = self.value(moment)?;
        Ok(if scalar_type == ScalarType::TimestampTz { format!("({value} AT TIME ZONE 'UTC')") } else { value })
    }

    fn extract(&mut self, field: &str, moment: &Expr, scalar_type: ScalarType) -> Result<String, Unsupported> {
        Ok(format!("EXTRACT({field} FROM {})::int4", self.utc(moment, scalar_type)?))
    }

    /// PostgreSQL counts characters in 32 bits, the IR in 64.
    fn postgres_substring(&mut self, arguments: &[Expr]) -> Result<String, Unsupported> {
        let (text, start, length) = match arguments {
            [text, start] => (text, start, None),
            [text, start, length] => (text, start, Some(length)),
            _ => return Err(unsupported("a function with a wrong number of arguments")),
        };
        let text = self.value(text)?;
        if let (Some(from), Some(count)) = (whole_literal(start), length.map_or(Some(i64::MAX), whole_literal))
            && count >= 0
        {
            let end = i128::from(from) + i128::from(count);
            let from = i128::from(from).max(1);
            let count = (end - from).clamp(0, i128::from(i32::MAX));
            let (from, count) = (clamp_to_int32(from), clamp_to_int32(count));
            let from = self.raw_parameter(&from);
            return Ok(format!("substr({text}, {from}, {})", self.raw_parameter(&count)));
        }
        let start = self.value(start)?;
        Ok(match length {
            None => format!("substr({text}, ({start})::int4)"),
            Some(length) => format!("substr({text}, ({start})::int4, ({})::int4)", self.value(length)?),
        })
    }
}

pub(crate) fn clamp_to_int32(value: i128) -> Value {
    Value::Int32(i32::try_from(value).unwrap_or(i32::MAX))
}
