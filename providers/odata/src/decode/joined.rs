//! Rows that came with what they lead to: where a partner is there and has the key that is meant, the row has its columns; where none is, nulls,
//! or it is left out. Pure; it must not know how answers are written.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::{filter, nullif};
use arrow::datatypes::DataType;

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

/// Which rows have a partner. `led` says which lead to one at all.
fn matched(meeting: &Meeting, columns: &[ArrayRef], led: &[bool]) -> Result<Vec<bool>, String> {
    let lost = || "a column of an answer is missing".to_owned();
    let present = columns.get(meeting.present).ok_or_else(lost)?;
    let mut matched = led.to_vec();
    // Whether everything that leads there is known, and something of a key came.
    let (mut referring, mut came) = (led.to_vec(), vec![false; led.len()]);
    let mut only_text = true;
    for (own, key) in &meeting.pairs {
        let (own, key) = (columns.get(*own).ok_or_else(lost)?, columns.get(*key).ok_or_else(lost)?);
        only_text &= matches!(own.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let equal = eq(own, key).map_err(|error| error.to_string())?;
        for (row, ((matched, referring), came)) in matched.iter_mut().zip(&mut referring).zip(&mut came).enumerate() {
            *matched &= equal.is_valid(row) && equal.value(row);
            *referring &= own.is_valid(row);
            *came |= key.is_valid(row);
        }
    }
    for (row, came) in came.into_iter().enumerate() {
        let (is, refers) = (matched.get(row).copied().unwrap_or(false), referring.get(row).copied().unwrap_or(false));
        if is || !refers || present.is_null(row) {
            continue;
        }
        if !came {
            return Err(format!("'{}' was asked for by $expand, and did not come", meeting.path));
        }
        // Texts that a service takes for equal need not be: then there is no partner.
        if !only_text {
            return Err(format!("what '{}' leads to has another key than what refers to it ('capabilities.expand')", meeting.path));
        }
    }
    Ok(matched)
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
