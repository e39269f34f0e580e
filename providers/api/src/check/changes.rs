//! Which change sets lie within what a source can write, and check while it writes. It must not know rows.

use super::{ExprCheck, Unsupported, unsupported};
use crate::capabilities::{Capabilities, Support, WriteCapabilities};
use crate::change::{Change, ChangeSet, Precondition};
use crate::expr::Expr;
use crate::query::TableRelation;

impl Capabilities {
    /// Whether a change set lies within the capabilities: every change, what is to be checked with it, and all of them as one.
    ///
    /// # Errors
    /// Names the first part that does not.
    pub fn check_changes(&self, changes: &ChangeSet) -> Result<(), Unsupported> {
        let several = changes.changes.len() > 1;
        for change in &changes.changes {
            let table = table_of(change);
            let write = table.map_or(self.write, |table| self.write_of(&table.table));
            if several && !write.transactions {
                return Err(unsupported("writing several changes as one"));
            }
            if let Some(table) = table {
                self.one_change(change, table, write)?;
            }
        }
        Ok(())
    }

    fn one_change(&self, change: &Change, table: &TableRelation, write: WriteCapabilities) -> Result<(), Unsupported> {
        let (may, verb, precondition, visible, require) = match change {
            Change::Insert { require, .. } => (write.insert, "inserting into", None, None, require.as_ref()),
            Change::Update { precondition, visible, require, .. } => {
                (write.update, "updating", Some(precondition), visible.as_ref(), require.as_ref())
            }
            Change::Upsert { require, .. } => (write.upsert, "updating or inserting in one step into", None, None, require.as_ref()),
            Change::Delete { precondition, visible, .. } => (write.delete, "deleting from", Some(precondition), visible.as_ref(), None),
            Change::Link { .. } => (write.insert, "inserting into", None, None, None),
            Change::Unlink { .. } => (write.delete, "deleting from", None, None, None),
            Change::Invoke { .. } => return Ok(()),
        };
        if !may {
            return Err(unsupported(format!("{verb} '{}'", table.table)));
        }
        let compared = match precondition {
            None | Some(Precondition::None) => true,
            Some(Precondition::Version { .. }) => write.version,
            Some(Precondition::Unchanged(_)) => write.unchanged,
        };
        if !compared {
            return Err(unsupported(format!("comparing the state of a row of '{}' while it is written", table.table)));
        }
        for (condition, checked) in [(visible, write.visible), (require, write.require)] {
            if condition.is_some_and(|condition| !checked || !self.is_kept(condition, table)) {
                return Err(unsupported(format!("a condition on a row of '{}' while it is written", table.table)));
            }
        }
        Ok(())
    }

    /// Whether a condition means at the source what it means here: one that is taken more widely would let more rows be written.
    pub fn is_kept(&self, condition: &Expr, table: &TableRelation) -> bool {
        ExprCheck::new(self, table).predicate(condition) == Support::Exact
    }
}

fn table_of(change: &Change) -> Option<&TableRelation> {
    match change {
        Change::Insert { table, .. }
        | Change::Update { table, .. }
        | Change::Upsert { table, .. }
        | Change::Delete { table, .. }
        | Change::Link { table, .. }
        | Change::Unlink { table, .. } => Some(table),
        Change::Invoke { .. } => None,
    }
}
