//! The scalar functions that the SQLite dialect calls. They run inside the engine and mean exactly what the IR means, because they are
//! the IR's own evaluator. It must not know which queries use them.

use crate::decimal_key;
use crate::decode::{canonical, stored};
use crate::error::{DATA_MARK, MALFORMED_MARK};
use arrow::datatypes::i256;
use portico_provider_api::evaluate::{cast_value, evaluate_expr};
use portico_provider_api::{ArithmeticOp, Codec, EvaluateError, Expr, Function, ScalarType, Value};
use portico_provider_sql::{Digits, Stored, decode, parse_decimal};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, Result};
use std::str::FromStr;

#[derive(Debug)]
struct Raised(String);

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

pub(crate) fn raise(mark: &str, reason: &str) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(Box::new(Raised(format!("{mark}{reason}"))))
}

pub(crate) fn malformed(reason: String) -> rusqlite::Error {
    raise(MALFORMED_MARK, &reason)
}

fn evaluation(error: EvaluateError) -> rusqlite::Error {
    match error {
        EvaluateError::Data(reason) => raise(DATA_MARK, &reason),
        other @ (EvaluateError::Unsupported(_) | EvaluateError::Invalid(_)) => raise("", &other.to_string()),
    }
}

/// A value in the form that the dialect computes with.
fn to_sql(value: Value) -> Result<Sql> {
    Ok(match value {
        Value::Null(_) => Sql::Null,
        Value::Boolean(value) => Sql::Integer(i64::from(value)),
        Value::Int16(value) => Sql::Integer(i64::from(value)),
        Value::Int32(value) | Value::Date(value) => Sql::Integer(i64::from(value)),
        Value::Int64(value) | Value::Time(value) | Value::Timestamp(value) | Value::TimestampTz(value) => Sql::Integer(value),
        Value::Float32(value) | Value::Float64(value) if value.0.is_nan() => {
            return Err(raise(DATA_MARK, "not-a-number, which SQLite cannot hold"));
        }
        Value::Float32(value) | Value::Float64(value) => Sql::Real(value.0),
        Value::Decimal { unscaled, scale, .. } => Sql::Blob(decimal_key::encode(Digits { unscaled, scale })),
        Value::Text(value) | Value::Guid(value) | Value::Json(value) => Sql::Text(value),
        Value::Binary(value) => Sql::Blob(value),
    })
}

/// An argument that names a type.
pub(crate) fn type_argument(context: &Context<'_>, at: usize) -> Result<ScalarType> {
    let name = context.get_raw(at).as_str()?;
    ScalarType::from_str(name).map_err(|reason| raise("", &reason))
}

fn argument(context: &Context<'_>, at: usize, scalar_type: ScalarType) -> Result<Value> {
    canonical(scalar_type, context.get_raw(at)).map_err(malformed)
}

fn evaluated(expr: &Expr) -> Result<Sql> {
    to_sql(evaluate_expr(expr, &[], &[]).map_err(evaluation)?)
}

fn called(function: Function, arguments: Vec<Value>) -> Result<Sql> {
    evaluated(&Expr::Call { function, arguments: arguments.into_iter().map(Expr::Literal).collect() })
}

/// For functions that can fail over a value. SQLite computes what it takes for a constant before it knows whether any row needs it, and
/// puts constants that a column must equal in the column's place; these it must only compute for rows.
const FALLIBLE: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DIRECTONLY);
pub(crate) const FLAGS: FunctionFlags =
    FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC).union(FunctionFlags::SQLITE_DIRECTONLY);

/// Makes the functions known to a connection.
pub(crate) fn register(connection: &Connection) -> Result<()> {
    stored_forms(connection)?;
    texts(connection)?;
    numbers(connection)?;
    crate::aggregates::register(connection)
}

fn decimal(value: ValueRef<'_>) -> Result<Sql> {
    let digits = match stored(value).map_err(malformed)? {
        Stored::Null => return Ok(Sql::Null),
        Stored::Integer(number) => Some(Digits { unscaled: i256::from_i128(i128::from(number)), scale: 0 }),
        Stored::Text(text) => parse_decimal(text),
        Stored::Float(number) if number.is_finite() => parse_decimal(&number.to_string()),
        Stored::Float(_) | Stored::Bytes(_) => None,
    };
    let digits = digits.ok_or_else(|| malformed("a stored value is not a decimal".to_owned()))?;
    Ok(Sql::Blob(decimal_key::encode(digits)))
}

fn stored_forms(connection: &Connection) -> Result<()> {
    connection.create_scalar_function("portico_decimal", 1, FLAGS, |context| decimal(context.get_raw(0)))?;
    connection.create_scalar_function("portico_unscaled", 2, FLAGS, |context| {
        let scale = context.get::<i8>(1)?;
        match context.get_raw(0) {
            ValueRef::Null => Ok(Sql::Null),
            ValueRef::Integer(number) => {
                Ok(Sql::Blob(decimal_key::encode(Digits { unscaled: i256::from_i128(i128::from(number)), scale })))
            }
            ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
                Err(malformed("a stored value is not a decimal's digits".to_owned()))
            }
        }
    })?;
    connection.create_scalar_function("portico_stored", 2, FLAGS, |context| {
        let (codec, scalar_type) = match context.get_raw(0).as_str()? {
            "date_text" => (Codec::DateText, ScalarType::Date),
            "sap_date" => (Codec::SapDate, ScalarType::Date),
            "time_text" => (Codec::TimeText, ScalarType::Time),
            "timestamp_text" => (Codec::TimestampText, ScalarType::Timestamp),
            "timestamptz_text" => (Codec::TimestampText, ScalarType::TimestampTz),
            "timestamp_seconds" => (Codec::TimestampSeconds, ScalarType::Timestamp),
            "timestamp_millis" => (Codec::TimestampMillis, ScalarType::Timestamp),
            "guid_text" => (Codec::GuidText, ScalarType::Guid),
            "guid_bytes" => (Codec::GuidBytes, ScalarType::Guid),
            "bool_int" => (Codec::BoolInt, ScalarType::Boolean),
            "bool_text" => (Codec::BoolText, ScalarType::Boolean),
            other => return Err(raise("", &format!("the stored form '{other}' is not known"))),
        };
        let stored = stored(context.get_raw(1)).map_err(malformed)?;
        to_sql(decode(codec, scalar_type, stored).map_err(malformed)?)
    })
}

fn texts(connection: &Connection) -> Result<()> {
    let functions = [
        ("portico_contains", Function::Contains),
        ("portico_starts_with", Function::StartsWith),
        ("portico_ends_with", Function::EndsWith),
        ("portico_like", Function::Like),
        ("portico_position", Function::Position),
        ("portico_concat", Function::Concat),
        ("portico_length", Function::Length),
        ("portico_lower", Function::Lower),
        ("portico_upper", Function::Upper),
        ("portico_trim", Function::Trim),
    ];
    for (name, function) in functions {
        connection.create_scalar_function(name, -1, FLAGS, move |context| {
            let arguments = (0..context.len()).map(|at| argument(context, at, ScalarType::Text)).collect::<Result<Vec<_>>>()?;
            called(function, arguments)
        })?;
    }
    connection.create_scalar_function("portico_substring", -1, FALLIBLE, |context| {
        let arguments = (0..context.len())
            .map(|at| argument(context, at, if at == 0 { ScalarType::Text } else { ScalarType::Int64 }))
            .collect::<Result<Vec<_>>>()?;
        called(Function::Substring, arguments)
    })
}

fn numbers(connection: &Connection) -> Result<()> {
    connection.create_scalar_function("portico_part", 3, FLAGS, |context| {
        let function = match context.get_raw(0).as_str()? {
            "year" => Function::Year,
            "month" => Function::Month,
            "day" => Function::Day,
            "hour" => Function::Hour,
            "minute" => Function::Minute,
            "second" => Function::Second,
            other => return Err(raise("", &format!("the part '{other}' is not known"))),
        };
        let scalar_type = type_argument(context, 1)?;
        called(function, vec![argument(context, 2, scalar_type)?])
    })?;
    connection.create_scalar_function("portico_number", 3, FALLIBLE, |context| {
        let function = match context.get_raw(0).as_str()? {
            "round" => Function::Round,
            "floor" => Function::Floor,
            "ceiling" => Function::Ceiling,
            "abs" => Function::Abs,
            other => return Err(raise("", &format!("the function '{other}' is not known"))),
        };
        let scalar_type = type_argument(context, 1)?;
        called(function, vec![argument(context, 2, scalar_type)?])
    })?;
    connection.create_scalar_function("portico_arithmetic", 5, FALLIBLE, |context| {
        let op = match context.get_raw(0).as_str()? {
            "add" => ArithmeticOp::Add,
            "subtract" => ArithmeticOp::Subtract,
            "multiply" => ArithmeticOp::Multiply,
            "divide" => ArithmeticOp::Divide,
            "modulo" => ArithmeticOp::Modulo,
            other => return Err(raise("", &format!("the operator '{other}' is not known"))),
        };
        let left = argument(context, 2, type_argument(context, 1)?)?;
        let right = argument(context, 4, type_argument(context, 3)?)?;
        evaluated(&Expr::Arithmetic { op, left: Box::new(Expr::Literal(left)), right: Box::new(Expr::Literal(right)) })
    })?;
    connection.create_scalar_function("portico_negate", 2, FALLIBLE, |context| {
        let value = argument(context, 1, type_argument(context, 0)?)?;
        evaluated(&Expr::Negate(Box::new(Expr::Literal(value))))
    })?;
    connection.create_scalar_function("portico_cast", 3, FALLIBLE, |context| {
        let value = argument(context, 2, type_argument(context, 0)?)?;
        to_sql(cast_value(&value, type_argument(context, 1)?).map_err(evaluation)?)
    })
}
