//! Changes: one remote row at a time, by key. It must not know transactions; the kind runs the plan inside one.

use crate::dialect::Dialect;
use crate::statement::{Statement, TranslateError};
use portico_provider_api::{Change, Unsupported, Value};

/// How one change is carried out, inside a transaction.
///
/// Run `statement`. When it returns a row (or, for a delete or unlink, affects one) the change is `Done`: the row's first columns are
/// `statement.columns`, and when `requires` is set one more boolean column follows, which must be true, or the change is `Refused`.
/// When it returns none: run `otherwise` (an upsert's insert; the change is then `created`), else `probe`: a row there means `Changed`,
/// none means `NotFound`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePlan {
    /// The write, with `RETURNING` where there is an image to return.
    pub statement: Statement,
    /// Whether the statement returns rows (as opposed to a count of affected rows).
    pub returning: bool,
    /// Whether a boolean column follows the columns of the row, which says whether the new image is allowed.
    pub requires: bool,
    /// An upsert's insert, when the update found no row. It returns the same columns.
    pub otherwise: Option<Statement>,
    /// Selects the row by key and visibility alone.
    pub probe: Option<Statement>,
}

/// Translates a change. References to earlier changes must have been resolved (see [`resolve_references`]).
///
/// # Errors
/// When the dialect cannot say it, or a value does not fit its column.
pub fn change(change: &Change, dialect: &Dialect) -> Result<ChangePlan, TranslateError> {
    let _ = (change, dialect);
    Err(Unsupported { feature: "any change yet".to_owned() }.into())
}

/// Replaces [`FromChange`](portico_provider_api::ChangeValue::FromChange) by the value in the row that the earlier change stored.
///
/// # Errors
/// When a reference points to a change without a row, or outside of it.
pub fn resolve_references(change: &Change, rows: &[Option<Vec<Value>>]) -> Result<Change, TranslateError> {
    let _ = rows;
    Ok(change.clone())
}
