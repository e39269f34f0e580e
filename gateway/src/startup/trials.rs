//! `portico check --probe`: what the sources do of what is declared of them, as settings to be added. It must not know how a source is asked.

use crate::startup::StartError;
use crate::startup::check::print;
use crate::startup::keeper::Keeper;
use portico_catalog::{Model, Origin};
use portico_provider_api::{RemoteTableName, Trial, TrialOutcome};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Tries every source by the tables that are published of it, prints what differs, and tells how much of what is declared does not work. A
/// source that cannot be asked counts as one.
///
/// # Errors
/// When nothing can be printed.
pub async fn run(keeper: &Keeper, model: &Model) -> Result<usize, StartError> {
    let mut tables: BTreeMap<&str, Vec<RemoteTableName>> = BTreeMap::new();
    for table in model.tables.values() {
        if let Origin::Single { source, relation, .. } = &table.origin {
            tables.entry(source).or_default().push(relation.table.clone());
        }
    }
    let mut contradicted = 0;
    for (name, tables) in &tables {
        match keeper.try_capabilities(name, tables).await {
            Ok(trials) => {
                contradicted += trials.iter().filter(|trial| trial.contradicts()).count();
                print(&report(name, &trials))?;
            }
            Err(error) => {
                contradicted += 1;
                print(&format!("probe {name}: {error}\n"))?;
            }
        }
    }
    Ok(contradicted)
}

fn report(name: &str, trials: &[Trial]) -> String {
    let Some(first) = trials.first() else { return format!("probe {name}: nothing of its kind is tried\n") };
    let working = trials.iter().filter(|trial| trial.outcome == TrialOutcome::Works).count();
    let mut text = format!("probe {name}: {working} of {} work, tried with {}\n", trials.len(), first.table);
    for trial in trials {
        let told = match &trial.outcome {
            TrialOutcome::Works if trial.declared => continue,
            TrialOutcome::Fails(_) if !trial.declared => continue,
            TrialOutcome::Works => "works, and is not used".to_owned(),
            TrialOutcome::Fails(why) => format!("DECLARED, and does not work: {why}"),
            TrialOutcome::Unknown(why) => {
                let _ = writeln!(text, "  {}: not known: {why}", trial.capability);
                continue;
            }
        };
        let setting = trial.setting.as_ref().map(|setting| format!("\n    {setting}")).unwrap_or_default();
        let _ = writeln!(text, "  {}: {told}{setting}", trial.capability);
    }
    text
}
