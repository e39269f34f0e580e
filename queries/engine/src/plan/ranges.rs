//! Comparisons of what is computed from a date or instant — its year, its date, itself some time later — with a constant, as ranges of
//! the date or instant itself. A source evaluates those, and by an index where it has one. It must not know how ranges are evaluated.

use portico_odata::{BoundExpr, ComparisonOperator, ODataFunction, ValueType};
use portico_provider_api::{ScalarType, Value};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Longest list that becomes ranges.
const MAX_LIST: usize = 16;

/// The same condition over the date or instant, if there is one. `type_of` says the type of an expression.
pub fn of_comparison(
    op: ComparisonOperator,
    left: &BoundExpr,
    right: &BoundExpr,
    type_of: &dyn Fn(&BoundExpr) -> Option<ScalarType>,
) -> Option<BoundExpr> {
    match (left, right) {
        (computed, BoundExpr::Literal(value)) => range(op, computed, value, type_of),
        (BoundExpr::Literal(value), computed) => range(mirrored(op), computed, value, type_of),
        _ => None,
    }
}

/// The same for `in`.
pub fn of_list(subject: &BoundExpr, list: &[Value], type_of: &dyn Fn(&BoundExpr) -> Option<ScalarType>) -> Option<BoundExpr> {
    if list.len() > MAX_LIST {
        return None;
    }
    let ranges = list.iter().map(|value| range(ComparisonOperator::Eq, subject, value, type_of)).collect::<Option<Vec<_>>>()?;
    ranges.into_iter().reduce(|left, right| BoundExpr::Or(Box::new(left), Box::new(right)))
}

fn range(
    op: ComparisonOperator,
    computed: &BoundExpr,
    value: &Value,
    type_of: &dyn Fn(&BoundExpr) -> Option<ScalarType>,
) -> Option<BoundExpr> {
    match (computed, value) {
        (BoundExpr::Call { function: ODataFunction::Date, arguments, .. }, Value::Date(day)) => {
            of_day(op, arguments.first()?, *day, type_of)
        }
        (BoundExpr::Convert { expr, to: ValueType::Scalar(ScalarType::Date), .. }, Value::Date(day)) => of_day(op, expr, *day, type_of),
        (BoundExpr::Call { function: ODataFunction::Year, arguments, .. }, Value::Int32(year)) => {
            let subject = arguments.first()?;
            let of = type_of(subject)?;
            between(op, subject, moment(of, first_day(*year)?)?, moment(of, first_day(year.checked_add(1)?)?)?)
        }
        (BoundExpr::Call { function: ODataFunction::ShiftInstant, arguments, .. }, Value::Timestamp(at) | Value::TimestampTz(at)) => {
            let [subject, BoundExpr::Literal(Value::Int64(by))] = arguments.as_slice() else { return None };
            let before = at.checked_sub(*by)?;
            let of = type_of(subject)?;
            let before = if of == ScalarType::Timestamp { Value::Timestamp(before) } else { Value::TimestampTz(before) };
            Some(BoundExpr::compare(op, subject.clone(), BoundExpr::Literal(before)))
        }
        (
            BoundExpr::Convert { expr, from: ValueType::Scalar(ScalarType::Date), to: ValueType::Scalar(ScalarType::TimestampTz) },
            Value::TimestampTz(at),
        ) => of_first_instant(op, expr, *at),
        // Both are in UTC, and only the literal has to say so.
        (BoundExpr::Cast { expr, to: ScalarType::TimestampTz }, Value::TimestampTz(at)) if type_of(expr)? == ScalarType::Timestamp => {
            Some(BoundExpr::compare(op, (**expr).clone(), BoundExpr::Literal(Value::Timestamp(*at))))
        }
        _ => None,
    }
}

/// An instant whose date is compared.
fn of_day(op: ComparisonOperator, subject: &BoundExpr, day: i32, type_of: &dyn Fn(&BoundExpr) -> Option<ScalarType>) -> Option<BoundExpr> {
    let of = type_of(subject)?;
    between(op, subject, moment(of, i64::from(day))?, moment(of, i64::from(day) + 1)?)
}

/// A comparison of the span that begins with `from` and ends before `to`.
fn between(op: ComparisonOperator, subject: &BoundExpr, from: Value, to: Value) -> Option<BoundExpr> {
    use ComparisonOperator::{Eq, Ge, Gt, Le, Lt, Ne};
    let compare = |op, value: &Value| BoundExpr::compare(op, subject.clone(), BoundExpr::Literal(value.clone()));
    let inside = || BoundExpr::And(Box::new(compare(Ge, &from)), Box::new(compare(Lt, &to)));
    Some(match op {
        Eq => inside(),
        Ne => BoundExpr::Not(Box::new(inside())),
        Lt => compare(Lt, &from),
        Le => compare(Lt, &to),
        Gt => compare(Ge, &to),
        Ge => compare(Ge, &from),
    })
}

/// A date whose first instant is compared.
fn of_first_instant(op: ComparisonOperator, subject: &BoundExpr, at: i64) -> Option<BoundExpr> {
    use ComparisonOperator::{Eq, Ge, Gt, Le, Lt, Ne};
    let day = i32::try_from(at.div_euclid(DAY)).ok()?;
    let compare = |op, day| BoundExpr::compare(op, subject.clone(), BoundExpr::Literal(Value::Date(day)));
    let begins = at.rem_euclid(DAY) == 0;
    Some(match op {
        Eq | Ne if !begins => BoundExpr::Literal(Value::Boolean(op == Ne)),
        Eq | Ne | Gt | Le => compare(op, day),
        // The first day that begins at or after an instant within a day is the next one.
        Ge | Lt => compare(op, if begins { day } else { day.checked_add(1)? }),
    })
}

/// The first instant of a day, as a type has it.
fn moment(of: ScalarType, day: i64) -> Option<Value> {
    match of {
        ScalarType::Date => i32::try_from(day).ok().map(Value::Date),
        ScalarType::Timestamp => day.checked_mul(DAY).map(Value::Timestamp),
        ScalarType::TimestampTz => day.checked_mul(DAY).map(Value::TimestampTz),
        _ => None,
    }
}

/// Days from 1970-01-01 to the first of January; nothing outside of the years that dates have everywhere.
fn first_day(year: i32) -> Option<i64> {
    if !(1..=9999).contains(&year) {
        return None;
    }
    let before = i64::from(year) - 1;
    Some(before * 365 + before / 4 - before / 100 + before / 400 - 719_162)
}

fn mirrored(op: ComparisonOperator) -> ComparisonOperator {
    match op {
        ComparisonOperator::Lt => ComparisonOperator::Gt,
        ComparisonOperator::Le => ComparisonOperator::Ge,
        ComparisonOperator::Gt => ComparisonOperator::Lt,
        ComparisonOperator::Ge => ComparisonOperator::Le,
        ComparisonOperator::Eq | ComparisonOperator::Ne => op,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_begin_where_they_do() {
        for (year, day) in
            [(1, -719_162), (1970, 0), (1971, 365), (1972, 730), (1973, 1_096), (2000, 10_957), (2026, 20_454), (9999, 2_932_532)]
        {
            assert_eq!(first_day(year), Some(day), "{year}");
        }
        assert_eq!((first_day(0), first_day(10_000)), (None, None));
    }

    #[test]
    fn a_day_that_is_compared_by_its_first_instant() {
        let subject = BoundExpr::Column(0);
        let shown = |op, at| match of_first_instant(op, &subject, at) {
            Some(BoundExpr::Compare { op, right, .. }) => format!("{op:?} {right:?}"),
            other => format!("{other:?}"),
        };
        assert_eq!(shown(ComparisonOperator::Ge, DAY), "Ge Literal(Date(1))");
        assert_eq!(shown(ComparisonOperator::Ge, DAY + 1), "Ge Literal(Date(2))");
        assert_eq!(shown(ComparisonOperator::Gt, DAY + 1), "Gt Literal(Date(1))");
        assert_eq!(shown(ComparisonOperator::Le, -1), "Le Literal(Date(-1))");
        assert_eq!(shown(ComparisonOperator::Lt, -1), "Lt Literal(Date(0))");
        assert_eq!(shown(ComparisonOperator::Eq, 5), "Some(Literal(Boolean(false)))");
    }
}
