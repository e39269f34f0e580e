//! Grouping and aggregates as MySQL and MariaDB spell them: a sum fails where its type cannot hold it, an average is rounded once.
//! It must not know statements around them.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::aggregate::Call;
use crate::expr::{Render, is_integer, unsupported};
use crate::scope::Held;
use portico_provider_api::{Expr, ScalarType, TableColumn, Unsupported};
use std::rc::Rc;

/// Digits that sums have more than their arguments.
const SUM_DIGITS: u8 = 10;
/// Digits that the server computes with.
const MOST_DIGITS: u8 = 65;
/// Digits behind the point that the server computes with.
const MOST_SCALE: i8 = 30;

impl Render<'_> {
    /// A key as it is seen above the groups, and as it is grouped by. Every value of a group is the same, so the key is its least:
    /// the server does not know the text of a key again where that holds parameters.
    pub(crate) fn mysql_group_key(&mut self, key: &Expr, visible: &TableColumn) -> Result<(Rc<Held>, String), Unsupported> {
        let grouped = self.mysql_sorted(key)?;
        let seen = format!("MIN({})", self.value(key)?);
        let origin = if let Expr::Column(index) = key { self.column(*index)?.origin.clone() } else { None };
        let held = Held { origin, ..Held::computed(visible.clone(), seen) };
        Ok((Rc::new(held), self.not_an_ordinal(&grouped)))
    }
}

/// The number of so many nines, and behind the point of so many more.
fn nines(whole: u8, scale: u8) -> String {
    let nines = |count: u8| "9".repeat(usize::from(count));
    let whole = if whole == 0 { "0".to_owned() } else { nines(whole) };
    if scale == 0 { whole } else { format!("{whole}.{}", nines(scale)) }
}

/// A decimal that fails where it has more than so many digits in all.
fn checked_decimal(value: &str, precision: u8, scale: i8) -> String {
    let scale = scale.max(0).unsigned_abs();
    let greatest = nines(precision.saturating_sub(scale), scale);
    // COT(0) is the server's shortest error. It is computed from the rows, so that it is not computed without need.
    let result = format!("DECIMAL({precision},{scale})");
    format!("(CASE WHEN ABS({value}) > {greatest} THEN CAST(COT(0 * COUNT(*)) AS {result}) ELSE CAST({value} AS {result}) END)")
}

/// The exact sum: the server adds integers and decimals up as decimals.
pub(crate) fn sum(call: &Call<'_>) -> Result<String, Unsupported> {
    let Call { text, scalar_type, distinct, suffix, result } = *call;
    let plain = format!("SUM({distinct}{text}){suffix}");
    match (scalar_type, result) {
        (_, ScalarType::Int64) if is_integer(scalar_type) => {
            // A division of decimals for whole numbers fails where the quotient does not fit 64 bits.
            Ok(format!("({plain} DIV 1)"))
        }
        (ScalarType::Decimal { precision, .. }, ScalarType::Decimal { precision: kept, scale }) => {
            // Ten more digits are enough for every table. Where there are none, the server goes on with its greatest number.
            let fits = precision.saturating_add(SUM_DIGITS) <= kept.min(MOST_DIGITS);
            Ok(if fits { plain } else { checked_decimal(&plain, kept.min(MOST_DIGITS - 1), scale) })
        }
        _ => Err(call.refused("the sum")),
    }
}

/// The least or greatest value; of texts by their bytes.
pub(crate) fn extreme(least: bool, call: &Call<'_>, is_text: bool) -> Result<String, Unsupported> {
    let name = if least { "MIN" } else { "MAX" };
    let Call { text, suffix, .. } = *call;
    if call.scalar_type == ScalarType::Json {
        return Err(call.refused("the least or greatest"));
    }
    Ok(match is_text {
        true => crate::mysql::text(&format!("{name}(CAST({text} AS BINARY)){suffix}")),
        false => format!("{name}({text}){suffix}"),
    })
}

/// The exact sum divided once. A quotient has at least the digits of the dividend, cut off; five more of them than the values have are
/// one more than the average has, which decides how that is rounded.
pub(crate) fn average(call: &Call<'_>) -> Result<String, Unsupported> {
    let Call { text, scalar_type, distinct, suffix, result } = *call;
    let (sum, count) = (format!("SUM({distinct}{text}){suffix}"), format!("COUNT({distinct}{text}){suffix}"));
    match (scalar_type, result) {
        (_, ScalarType::Float64) if is_integer(scalar_type) => Ok(format!("(CAST({sum} AS DOUBLE) / {count})")),
        (ScalarType::Decimal { precision: digits, scale: held }, ScalarType::Decimal { precision, scale }) => {
            if digits.saturating_add(SUM_DIGITS + 5) > MOST_DIGITS || precision > MOST_DIGITS || held.saturating_add(5) > MOST_SCALE {
                return Err(call.refused("the average"));
            }
            let exact = format!("ROUND({sum} * 1.00000 / {count}, {scale})");
            Ok(if digits.saturating_add(4) <= precision { exact } else { checked_decimal(&exact, precision, scale) })
        }
        _ => Err(unsupported(format!("the average of {scalar_type}"))),
    }
}
