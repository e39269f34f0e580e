//! What a source can do to rows, and what it checks in the step in which it does it. It must not know change sets.

use serde::{Deserialize, Serialize};

/// Writes. Of what a source does not check in the step that writes it must not be asked; whoever writes checks it before, and sends what
/// makes that sound: a version, or the values that were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteCapabilities {
    /// New rows.
    pub insert: bool,
    /// Changes by key.
    pub update: bool,
    /// Update or insert in one step.
    pub upsert: bool,
    /// Removals by key.
    pub delete: bool,
    /// Several changes in one transaction.
    pub transactions: bool,
    /// Whether stored rows come back.
    pub returning: bool,
    /// Whether the key of a new row comes back, where the row does not.
    #[serde(default)]
    pub returning_key: bool,
    /// Whether [`crate::Precondition::Version`] is compared in the step that writes: a row version, or the source's own ETag.
    #[serde(default)]
    pub version: bool,
    /// Whether [`crate::Precondition::Unchanged`] is compared in that step.
    #[serde(default)]
    pub unchanged: bool,
    /// Whether `visible` restricts the rows that are found, in that step.
    #[serde(default)]
    pub visible: bool,
    /// Whether `require` is asked of the new image, in that step.
    #[serde(default)]
    pub require: bool,
}

impl WriteCapabilities {
    /// Everything: what a database with transactions can do.
    pub const ALL: WriteCapabilities = WriteCapabilities {
        insert: true,
        update: true,
        upsert: true,
        delete: true,
        transactions: true,
        returning: true,
        returning_key: true,
        version: true,
        unchanged: true,
        visible: true,
        require: true,
    };

    /// Whether anything can be written at all.
    pub fn any(&self) -> bool {
        self.insert || self.update || self.upsert || self.delete
    }

    /// Whether the key of a new row is known afterwards though it was not given.
    pub fn tells_keys(&self) -> bool {
        self.returning || self.returning_key
    }
}
