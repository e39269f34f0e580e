//! The aggregates that the SQLite dialect calls, also over windows: exact sums of integers and decimals, which fail only when the whole
//! sum does not fit, averages, and the value of a sub-query that must have one row. It must not know which queries use them.

use crate::decimal_key;
use crate::error::DATA_MARK;
use crate::functions::{FLAGS, malformed, raise, type_argument};
use arrow::datatypes::i256;
use portico_provider_api::ScalarType;
use portico_provider_sql::{Digits, rescale};
use rusqlite::functions::{Aggregate, Context, WindowAggregate};
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, Result};
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Makes the aggregates known to a connection.
pub(crate) fn register(connection: &Connection) -> Result<()> {
    connection.create_window_function("portico_sum_integer", 1, FLAGS, Folded(IntegerSum))?;
    connection.create_window_function("portico_sum_decimal", 1, FLAGS, Folded(DecimalSum))?;
    connection.create_window_function("portico_sum_float", 1, FLAGS, Folded(FloatSum))?;
    connection.create_aggregate_function("portico_only", 1, FLAGS, Only)?;
    connection.create_scalar_function("portico_fitted", 2, FLAGS, |context| match context.get_raw(1) {
        ValueRef::Null => Ok(Sql::Null),
        sum => fitted(digits(sum)?, type_argument(context, 0)?),
    })?;
    connection.create_scalar_function("portico_average", 3, FLAGS, average)
}

/// A value that is folded from those that are not null; without any it is null.
trait Fold {
    type State: Copy + Send + UnwindSafe + RefUnwindSafe;
    fn add(&self, state: Option<Self::State>, value: ValueRef<'_>) -> Result<Self::State>;
    fn result(&self, state: Self::State) -> Result<Sql>;
}

struct Folded<F>(F);

impl<F: Fold> Aggregate<Option<F::State>, Sql> for Folded<F> {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<F::State>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, state: &mut Option<F::State>) -> Result<()> {
        let value = context.get_raw(0);
        if value != ValueRef::Null {
            *state = Some(self.0.add(*state, value)?);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<Option<F::State>>) -> Result<Sql> {
        state.flatten().map_or(Ok(Sql::Null), |state| self.0.result(state))
    }
}

impl<F: Fold> WindowAggregate<Option<F::State>, Sql> for Folded<F> {
    fn value(&self, state: Option<&mut Option<F::State>>) -> Result<Sql> {
        state.and_then(|state| *state).map_or(Ok(Sql::Null), |state| self.0.result(state))
    }

    fn inverse(&self, _: &mut Context<'_>, _: &mut Option<F::State>) -> Result<()> {
        // Every frame of the dialect begins with its partition, so no row ever leaves one.
        Err(raise("", "a frame whose rows leave it is not computed"))
    }
}

fn overflow(what: &str) -> rusqlite::Error {
    raise(DATA_MARK, &format!("{what} overflow"))
}

struct IntegerSum;

impl Fold for IntegerSum {
    type State = i128;

    fn add(&self, state: Option<i128>, value: ValueRef<'_>) -> Result<i128> {
        let ValueRef::Integer(number) = value else { return Err(malformed("a stored value is not an integer".to_owned())) };
        state.unwrap_or(0).checked_add(i128::from(number)).ok_or_else(|| overflow("int64"))
    }

    fn result(&self, state: i128) -> Result<Sql> {
        i64::try_from(state).map(Sql::Integer).map_err(|_| overflow("int64"))
    }
}

struct DecimalSum;

impl Fold for DecimalSum {
    /// Digits and scale.
    type State = ([u8; 32], i8);

    fn add(&self, state: Option<Self::State>, value: ValueRef<'_>) -> Result<Self::State> {
        let digits = digits(value)?;
        let Some((sum, scale)) = state else { return Ok((digits.unscaled.to_le_bytes(), digits.scale)) };
        let common = scale.max(digits.scale);
        let sum = widened(i256::from_le_bytes(sum), scale, common);
        let sum = sum.zip(widened(digits.unscaled, digits.scale, common)).and_then(|(sum, value)| sum.checked_add(value));
        Ok((sum.ok_or_else(|| overflow("decimal"))?.to_le_bytes(), common))
    }

    fn result(&self, (sum, scale): Self::State) -> Result<Sql> {
        Ok(Sql::Blob(decimal_key::encode(Digits { unscaled: i256::from_le_bytes(sum), scale })))
    }
}

/// A decimal in the dialect's own form, or an integer.
fn digits(value: ValueRef<'_>) -> Result<Digits> {
    let digits = match value {
        ValueRef::Integer(number) => Some(Digits { unscaled: i256::from_i128(i128::from(number)), scale: 0 }),
        ValueRef::Blob(key) => decimal_key::decode(key),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) => None,
    };
    digits.ok_or_else(|| malformed("a stored value is not a decimal".to_owned()))
}

fn power_of_ten(exponent: i32) -> Option<i256> {
    i256::from_i128(10).checked_pow(u32::try_from(exponent).ok()?)
}

fn widened(unscaled: i256, scale: i8, to: i8) -> Option<i256> {
    unscaled.checked_mul(power_of_ten(i32::from(to) - i32::from(scale))?)
}

struct FloatSum;

impl Fold for FloatSum {
    type State = f64;

    fn add(&self, state: Option<f64>, value: ValueRef<'_>) -> Result<f64> {
        match value {
            ValueRef::Real(number) => Ok(state.unwrap_or(0.0) + number),
            // A view's expression may yield an integer where its column yields reals.
            ValueRef::Integer(number) => Ok(state.unwrap_or(0.0) + number as f64),
            ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => Err(malformed("a stored value is not a number".to_owned())),
        }
    }

    fn result(&self, state: f64) -> Result<Sql> {
        if state.is_nan() { Err(raise(DATA_MARK, "not-a-number, which SQLite cannot hold")) } else { Ok(Sql::Real(state)) }
    }
}

/// The value of the only row; null without a row.
struct Only;

impl Aggregate<Option<Sql>, Sql> for Only {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<Sql>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, only: &mut Option<Sql>) -> Result<()> {
        match only.replace(context.get(0)?) {
            None => Ok(()),
            Some(_) => Err(raise(DATA_MARK, "a scalar sub-query has more than one row")),
        }
    }

    fn finalize(&self, _: &mut Context<'_>, only: Option<Option<Sql>>) -> Result<Sql> {
        Ok(only.flatten().unwrap_or(Sql::Null))
    }
}

/// A decimal that must fit a type.
fn fitted(digits: Digits, result: ScalarType) -> Result<Sql> {
    let ScalarType::Decimal { precision, scale } = result else { return Err(raise("", "the type is no decimal")) };
    match rescale(digits, precision, scale) {
        Some(unscaled) => Ok(Sql::Blob(decimal_key::encode(Digits { unscaled, scale }))),
        None => Err(overflow(&result.to_string())),
    }
}

/// `portico_average(type, sum, count)`: the quotient of an exact sum, rounded once.
fn average(context: &Context<'_>) -> Result<Sql> {
    let result = type_argument(context, 0)?;
    if context.get_raw(1) == ValueRef::Null {
        return Ok(Sql::Null);
    }
    let sum = digits(context.get_raw(1))?;
    let count = i128::from(context.get::<i64>(2)?);
    match result {
        ScalarType::Decimal { scale, .. } => {
            let quotient = quotient(sum, i256::from_i128(count), scale).ok_or_else(|| overflow("decimal"))?;
            fitted(Digits { unscaled: quotient, scale }, result)
        }
        _ => {
            // A sum of integers has no fraction.
            let whole = sum.unscaled.to_i128().filter(|_| sum.scale == 0).ok_or_else(|| overflow("int64"))?;
            Ok(Sql::Real(whole as f64 / count as f64))
        }
    }
}

/// Half away from zero.
fn quotient(sum: Digits, count: i256, scale: i8) -> Option<i256> {
    let dividend = widened(sum.unscaled, sum.scale, scale)?;
    let (whole, rest) = (dividend.checked_div(count)?, dividend.checked_rem(count)?);
    let up = rest.wrapping_abs().checked_mul(i256::from_i128(2))? >= count;
    match (up, dividend < i256::ZERO) {
        (false, _) => Some(whole),
        (true, false) => whole.checked_add(i256::ONE),
        (true, true) => whole.checked_sub(i256::ONE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_provider_sql::parse_decimal;

    #[test]
    fn averages_round_half_away_from_zero() {
        let cases = [("1", 8, 3, 125), ("0.001", 2, 3, 1), ("-0.001", 2, 3, -1), ("-2", 3, 3, -667), ("2", 3, 0, 1), ("1", 3, 0, 0)];
        for (sum, count, scale, expected) in cases {
            let found = quotient(parse_decimal(sum).unwrap(), i256::from_i128(count), scale);
            assert_eq!(found, Some(i256::from_i128(expected)), "{sum} / {count}");
        }
    }
}
