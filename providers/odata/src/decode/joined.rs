//! Rows that came with what they lead to: where a partner is there and has the key that is meant, the row has its columns; where none is, nulls,
//! or it is left out. Pure; it must not know how answers are written.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::{filter, nullif};

/// How rows meet those of a set that is expanded. Columns are positions in a page.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// The path of the navigation property, for messages.
    pub path: String,
    /// The meeting before, where it is not the rows themselves that lead there.
    pub from: Option<usize>,
    /// Whether rows without a partner are left out.
    pub inner: bool,
    /// The column that is null where no partner came.
    pub present: usize,
    /// Columns with the same value in both: of what leads there, and of the partner's key.
    pub pairs: Vec<(usize, usize)>,
    /// Columns of the partner that are returned, and whether they are never null in it.
    pub columns: Vec<(usize, bool)>,
}

/// The columns of a page with partners where they are met, as far as `returned`, and how many rows are left.
///
/// # Errors
/// When a partner was not sent, is another one than its key says, or has a null where none may be. Names no value.
pub fn met(meetings: &[Meeting], mut columns: Vec<ArrayRef>, rows: usize, returned: usize) -> Result<(Vec<ArrayRef>, usize), String> {
    let mut all: Vec<Vec<bool>> = Vec::with_capacity(meetings.len());
    let mut kept = vec![true; rows];
    for meeting in meetings {
        let led = meeting.from.and_then(|from| all.get(from)).cloned().unwrap_or_else(|| vec![true; rows]);
        let matched = matched(meeting, &columns, &led)?;
        for (index, never_null) in &meeting.columns {
            let Some(column) = columns.get_mut(*index) else { continue };
            if *never_null && matched.iter().enumerate().any(|(row, matched)| *matched && column.is_null(row)) {
                return Err(format!("what '{}' leads to has a null where none is declared", meeting.path));
            }
            let absent: BooleanArray = matched.iter().map(|matched| Some(!matched)).collect();
            *column = nullif(column.as_ref(), &absent).map_err(|error| error.to_string())?;
        }
        if meeting.inner {
            kept.iter_mut().zip(&matched).for_each(|(kept, matched)| *kept &= matched);
        }
        all.push(matched);
    }
    columns.truncate(returned);
    let left = kept.iter().filter(|kept| **kept).count();
    if left == rows {
        return Ok((columns, rows));
    }
    let kept = BooleanArray::from(kept);
    let columns = columns.iter().map(|column| filter(column.as_ref(), &kept)).collect::<Result<Vec<_>, _>>();
    Ok((columns.map_err(|error| error.to_string())?, left))
}

/// What is found of one row.
struct Found {
    /// A partner came, and is the one that is meant.
    matched: bool,
    /// Everything that leads there is known.
    referring: bool,
    /// Something of a key came.
    came: bool,
    /// That is the key of another one.
    another: bool,
}

/// Which rows have a partner. `led` says which lead to one at all.
fn matched(meeting: &Meeting, columns: &[ArrayRef], led: &[bool]) -> Result<Vec<bool>, String> {
    let lost = || "a column of an answer is missing".to_owned();
    let present = columns.get(meeting.present).ok_or_else(lost)?;
    let mut rows: Vec<Found> = led.iter().map(|led| Found { matched: *led, referring: *led, came: false, another: false }).collect();
    for (own, key) in &meeting.pairs {
        let (own, key) = (columns.get(*own).ok_or_else(lost)?, columns.get(*key).ok_or_else(lost)?);
        let equal = eq(own, key).map_err(|error| error.to_string())?;
        for (row, found) in rows.iter_mut().enumerate() {
            let is_equal = equal.is_valid(row) && equal.value(row);
            found.matched &= is_equal;
            found.referring &= own.is_valid(row);
            found.came |= key.is_valid(row);
            found.another |= equal.is_valid(row) && !is_equal && !are_alike(own, key, row);
        }
    }
    for (row, found) in rows.iter().enumerate() {
        if found.matched || !found.referring || present.is_null(row) {
            continue;
        }
        if !found.came {
            return Err(format!("'{}' was asked for by $expand, and did not come", meeting.path));
        }
        if found.another {
            return Err(format!("what '{}' leads to has another key than what refers to it ('capabilities.expand')", meeting.path));
        }
    }
    Ok(rows.into_iter().map(|found| found.matched).collect())
}

/// Whether two texts are some that a service may take for equal though they are not: such a row has no partner.
fn are_alike(own: &ArrayRef, key: &ArrayRef, row: usize) -> bool {
    let (Some(own), Some(key)) = (own.as_string_opt::<i32>(), key.as_string_opt::<i32>()) else { return false };
    let plain = |text: &str| text.trim().to_lowercase();
    plain(own.value(row)) == plain(key.value(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use std::sync::Arc;

    fn meeting(inner: bool) -> Meeting {
        Meeting { path: "Nav".to_owned(), from: None, inner, present: 1, pairs: vec![(0, 2)], columns: vec![(3, true)] }
    }

    fn of_rows(inner: bool, rows: &[[Option<i64>; 4]]) -> Result<Vec<Vec<Option<i64>>>, String> {
        let columns =
            (0..4).map(|column| Arc::new(Int64Array::from(rows.iter().map(|row| row[column]).collect::<Vec<_>>())) as ArrayRef).collect();
        let (columns, left) = met(&[meeting(inner)], columns, rows.len(), 4)?;
        let value = |column: &ArrayRef, row: usize| {
            let values = column.as_any().downcast_ref::<Int64Array>()?;
            values.is_valid(row).then(|| values.value(row))
        };
        Ok((0..left).map(|row| [0, 3].iter().map(|column| value(&columns[*column], row)).collect()).collect())
    }

    #[test]
    fn rows_without_a_partner_have_nulls_or_are_left_out() {
        let rows = [[Some(1), Some(1), Some(1), Some(7)], [Some(2), None, None, None], [None, None, None, None]];
        assert_eq!(of_rows(false, &rows).unwrap(), [[Some(1), Some(7)], [Some(2), None], [None, None]]);
        assert_eq!(of_rows(true, &rows).unwrap(), [[Some(1), Some(7)]]);
        // Who refers to nothing has no partner, whatever came.
        assert_eq!(of_rows(false, &[[None, Some(1), Some(1), Some(7)]]).unwrap(), [[None, None]]);
    }

    #[test]
    fn a_partner_that_is_not_the_one_meant_is_told() {
        for (row, message) in [
            ([Some(1), Some(1), None, None], "did not come"),
            ([Some(1), Some(1), Some(2), Some(7)], "another key"),
            ([Some(1), Some(1), Some(1), None], "a null where none is declared"),
        ] {
            let error = of_rows(false, &[row]).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
