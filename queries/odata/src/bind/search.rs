//! `$search`, lowered to a condition: a term is found when one of the table's searchable columns contains it. It must not know how the
//! condition is evaluated.

use super::expression::balanced;
use crate::bound::{BoundExpr, ComparisonOperator, ODataFunction};
use crate::error::{ODataError, ODataErrorKind};
use crate::syntax::{LogicalOperator, Search, SearchKind};
use portico_catalog::{ModelView, Profile, TableView};
use portico_provider_api::{ScalarType, Value};

/// How often one search may look into a property, for each row.
const MAX_LOOKS: usize = 1_000;

/// Binds a search over a table's searchable columns.
///
/// Letter case does not matter, except to Salesforce, whose searches are one phrase that does observe it.
pub(super) fn search(view: &ModelView, table: &TableView, target: &str, search: &Search) -> Result<BoundExpr, ODataError> {
    let columns = looked_into(table).map(BoundExpr::Column).collect();
    condition(view, columns, &format!("'{}'", table.name), target, search)
}

/// The same over rows of which these columns, by their positions, are searchable.
pub(super) fn over(view: &ModelView, columns: &[usize], target: &str, search: &Search) -> Result<BoundExpr, ODataError> {
    let columns = columns.iter().copied().map(BoundExpr::Column).collect();
    condition(view, columns, "what the entities were aggregated to", target, search)
}

/// Whether a search looks into a column of a table.
pub(super) fn is_looked_into(table: &TableView, column: usize) -> bool {
    looked_into(table).any(|known| known == column)
}

/// The same over the combinations of `$crossjoin`: a term is found in any of the sets.
pub(super) fn joined(view: &ModelView, sets: &[(String, &TableView)], search: &Search) -> Result<BoundExpr, ODataError> {
    // The entity of the last set is the innermost.
    let of_set = |(number, (_, table)): (usize, &(String, &TableView))| {
        let level = sets.len() - 1 - number;
        let reached = |column| match level {
            0 => BoundExpr::Column(column),
            level => BoundExpr::Path { level, steps: Vec::new(), column },
        };
        looked_into(table).map(reached).collect::<Vec<_>>()
    };
    let columns = sets.iter().enumerate().flat_map(of_set).collect();
    condition(view, columns, "the sets that are joined", "$search", search)
}

/// Whether there is anything of a table that a search looks into.
pub(super) fn looks_into(table: &TableView) -> bool {
    looked_into(table).next().is_some()
}

/// Positions of the columns that a search looks into.
fn looked_into(table: &TableView) -> impl Iterator<Item = usize> {
    let searchable =
        |index: &usize| table.table.columns.get(*index).is_some_and(|column| column.searchable && column.scalar_type == ScalarType::Text);
    table.columns.iter().copied().filter(searchable)
}

fn condition(view: &ModelView, columns: Vec<BoundExpr>, of: &str, target: &str, search: &Search) -> Result<BoundExpr, ODataError> {
    if columns.is_empty() {
        let message = format!("$search: nothing of {of} is searchable");
        return Err(ODataError::new(ODataErrorKind::NotImplemented, message).at(target, Some(search.span.start)));
    }
    let most = MAX_LOOKS / columns.len().max(1);
    let words = words(&search.kind);
    if words > most {
        let message = format!("$search: there are {words} words to look for in {} properties; {most} may be", columns.len());
        return Err(ODataError::bad_request(message).at(target, Some(search.span.start)));
    }
    let terms = Terms { columns, exact_case: view.profile == Profile::Salesforce };
    terms
        .condition(&search.kind, false)
        .ok_or_else(|| ODataError::bad_request("$search: there is nothing to look for").at(target, Some(search.span.start)))
}

/// How many words are looked for.
fn words(search: &SearchKind) -> usize {
    match search {
        SearchKind::Word(_) | SearchKind::Phrase(_) | SearchKind::Incomplete(_) => 1,
        SearchKind::Not(inner) => words(&inner.kind),
        SearchKind::And(all) | SearchKind::Or(all) => all.iter().map(|search| words(&search.kind)).sum(),
    }
}

struct Terms {
    columns: Vec<BoundExpr>,
    exact_case: bool,
}

impl Terms {
    /// `negated` says that the condition stands below a `NOT`: a column that is null must then count as one that does not contain the
    /// term, where otherwise it makes no difference.
    fn condition(&self, search: &SearchKind, negated: bool) -> Option<BoundExpr> {
        match search {
            SearchKind::Word(text) | SearchKind::Phrase(text) | SearchKind::Incomplete(text) => self.term(text, negated),
            SearchKind::Not(inner) => Some(BoundExpr::Not(Box::new(self.condition(&inner.kind, true)?))),
            SearchKind::And(all) => self.joined(all, negated, LogicalOperator::And),
            SearchKind::Or(all) => self.joined(all, negated, LogicalOperator::Or),
        }
    }

    fn joined(&self, all: &[Search], negated: bool, join: LogicalOperator) -> Option<BoundExpr> {
        let conditions: Option<Vec<BoundExpr>> = all.iter().map(|search| self.condition(&search.kind, negated)).collect();
        balanced(join, conditions?)
    }

    fn term(&self, text: &str, negated: bool) -> Option<BoundExpr> {
        let found = self.columns.iter().map(|column| self.contains(column, text, negated));
        balanced(LogicalOperator::Or, found.collect())
    }

    fn contains(&self, column: &BoundExpr, text: &str, negated: bool) -> BoundExpr {
        let (subject, wanted) = if self.exact_case {
            (column.clone(), text.to_owned())
        } else {
            let lower =
                BoundExpr::Call { function: ODataFunction::ToLower, arguments: vec![column.clone()], scalar_type: ScalarType::Text };
            (lower, text.to_lowercase())
        };
        let found = BoundExpr::Call {
            function: ODataFunction::Contains,
            arguments: vec![subject, BoundExpr::Literal(Value::Text(wanted))],
            scalar_type: ScalarType::Boolean,
        };
        if !negated {
            return found;
        }
        // `null eq true` is false.
        let yes = Box::new(BoundExpr::Literal(Value::Boolean(true)));
        BoundExpr::Compare { op: ComparisonOperator::Eq, left: Box::new(found), right: yes }
    }
}
