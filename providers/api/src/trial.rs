//! What came of asking a source whether it can do what is declared of it. It must not know how any source is asked, nor who reads it.

use crate::schema::RemoteTableName;

/// One capability that was tried by asking for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Where it was tried.
    pub table: RemoteTableName,
    /// What was tried, in the words of the kind's settings: `in`, `orderby`, `functions: contains`.
    pub capability: String,
    /// Whether the source is used so.
    pub declared: bool,
    /// What came of it.
    pub outcome: TrialOutcome,
    /// The setting that would say it as it was found, where there is one: `capabilities: { in: false }`.
    pub setting: Option<String>,
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialOutcome {
    /// The answer was what it had to be.
    Works,
    /// It was refused, or the answer was another: a sentence without values of rows.
    Fails(String),
    /// It could not be told, and why.
    Unknown(String),
}

impl Trial {
    /// Whether the source is asked for something that it does not do.
    pub fn contradicts(&self) -> bool {
        self.declared && matches!(self.outcome, TrialOutcome::Fails(_))
    }
}
