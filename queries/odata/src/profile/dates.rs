//! Comparisons of instants with dates that are published as their first instant, said of the dates themselves, so that they reach the
//! source as ranges. It must not know names.

use crate::calendar::{self, MICROS_PER_DAY};
use crate::syntax::{BinaryOperator, Literal, LiteralKind};

/// What a comparison of a published date with an instant says of the date.
pub(super) enum OnDate {
    /// A comparison with this date.
    Compare(BinaryOperator, String),
    /// It is so whatever the date, null included.
    Always(bool),
}

/// The date and whether the instant is its first.
fn split(micros: i64) -> (String, bool) {
    let mut text = Vec::new();
    calendar::push_date(micros.div_euclid(MICROS_PER_DAY), &mut text);
    (String::from_utf8_lossy(&text).into_owned(), micros.rem_euclid(MICROS_PER_DAY) == 0)
}

/// The date whose first instant a literal is: `Err` when it is an instant within a day, `None` when it is no instant that can be read
/// (whoever reads it next says so).
pub(super) fn first_instant(literal: &Literal) -> Option<Result<String, ()>> {
    let instant = matches!(literal.kind, LiteralKind::DateTimeOffset | LiteralKind::Text);
    let micros = calendar::parse_timestamp(&literal.text).filter(|_| instant)?;
    let (date, first) = split(micros);
    Some(if first { Ok(date) } else { Err(()) })
}

/// What `date op instant` says; `None` for a literal that is no instant and an operator that is no comparison.
pub(super) fn on_date(op: BinaryOperator, literal: &Literal) -> Option<OnDate> {
    use BinaryOperator as B;
    let instant = matches!(literal.kind, LiteralKind::DateTimeOffset | LiteralKind::Text);
    let (date, first) = split(calendar::parse_timestamp(&literal.text).filter(|_| instant)?);
    let op = match (op, first) {
        (B::Eq, false) => return Some(OnDate::Always(false)),
        (B::Ne, false) => return Some(OnDate::Always(true)),
        // The first instant of a day is before noon of that day, and after noon of the day before.
        (B::Lt, false) => B::Le,
        (B::Ge, false) => B::Gt,
        (B::Eq | B::Ne | B::Lt | B::Le | B::Gt | B::Ge, _) => op,
        (B::Has | B::In | B::Mul | B::Div | B::DivBy | B::Mod | B::Add | B::Sub, _) => return None,
    };
    Some(OnDate::Compare(op, date))
}
