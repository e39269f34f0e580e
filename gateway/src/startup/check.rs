//! `portico check`: connects, builds, compares with the lock, and says what it found.

use crate::config::Config;
use crate::startup::keeper::SourceState;
use crate::startup::{StartError, assemble, offered, tls, trials};
use portico_catalog::{Model, Origin, Report};
use std::fmt::Write as _;
use std::io::Write;

/// What is wanted of a check beside the report.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// What the sources have now is accepted.
    pub write_lock: bool,
    /// The report ends with definitions of all operations that the sources offer.
    pub operations: bool,
    /// The sources are tried for what is declared of them.
    pub probe: bool,
}

/// Checks a configuration and prints a report.
///
/// # Errors
/// Mistakes, sources that do not answer, drift that is not accepted, and what was tried and does not work though it is declared.
pub async fn run(config: Config, wanted: Wanted) -> Result<(), StartError> {
    let Wanted { write_lock, operations, probe } = wanted;
    tls::install_provider();
    tls::load(&config)?;
    let gateway = assemble(config)?;
    if operations {
        gateway.keeper.want_every_operation();
    }
    gateway.keeper.introspect_patiently().await;
    let statuses = gateway.keeper.statuses();
    let mut text = String::new();
    for (name, status) in &statuses {
        let state = match status.state {
            SourceState::Live => "answers",
            SourceState::FromLock => "does not answer; the lock says what it has",
            SourceState::Unknown => "does not answer, and nothing is known of it",
        };
        let _ = writeln!(text, "source {name}: {state}");
        if let Some(error) = &status.last_error {
            let _ = writeln!(text, "  error: {error}");
        }
        for drift in &status.drift {
            let word = if drift.breaking { "BREAKING" } else { "new" };
            let _ = writeln!(text, "  drift ({word}): {}: {}", drift.table, drift.change);
        }
    }
    for (name, schema) in &gateway.keeper.live() {
        for note in &schema.notes {
            let _ = writeln!(text, "note: source {name}: {note}");
        }
    }
    if write_lock {
        gateway.keeper.accept_drift();
    }
    let built = gateway.keeper.build();
    if let Ok((model, report)) = &built {
        text.push_str(&describe(model, report));
    }
    print(&text)?;
    if operations {
        print(&offered::definitions(&gateway.keeper.live()))?;
    }
    let (model, _) = built?;
    let contradicted = if probe { trials::run(&gateway.keeper, &model).await? } else { 0 };
    if write_lock {
        let path = gateway.keeper.write_lock().map_err(StartError::Lock)?;
        print(&format!("the lock is written: {}\n", path.display()))?;
    }
    let silent: Vec<&str> =
        statuses.iter().filter(|(_, status)| status.state != SourceState::Live).map(|(name, _)| name.as_str()).collect();
    if !silent.is_empty() {
        return Err(StartError::Check(format!("not everything could be checked: no answer from {}", silent.join(", "))));
    }
    if !write_lock && statuses.values().any(|status| status.drift.iter().any(|drift| drift.breaking)) {
        return Err(StartError::Check("a source is no longer what the lock holds: accept it with `portico check --write-lock`".to_owned()));
    }
    if contradicted > 0 {
        return Err(StartError::Check(format!("{contradicted} of what is declared of the sources does not work: the settings are above")));
    }
    Ok(())
}

fn describe(model: &Model, report: &Report) -> String {
    let mut text = String::new();
    for table in model.tables.values() {
        let key: Vec<&str> = table.key.iter().filter_map(|index| table.columns.get(*index)).map(|column| column.name.as_str()).collect();
        let from = match &table.origin {
            Origin::Single { source, relation, .. } => format!("{source}: {}", relation.table),
            Origin::Query { .. } => "view".to_owned(),
        };
        let key = if key.is_empty() { "no key".to_owned() } else { format!("key {}", key.join(", ")) };
        let _ = writeln!(
            text,
            "table {} ({from}): {} columns, {key}, {} relationships",
            table.name,
            table.columns.len(),
            table.relationships.len()
        );
    }
    for operation in &model.operations {
        let kind = if operation.action { "action" } else { "function" };
        let from = operation.of_source().map(|body| format!(", {}: {}", body.source, body.operation.readable())).unwrap_or_default();
        let _ = writeln!(text, "operation {} ({kind}{from})", operation.name);
    }
    for service in model.services.values() {
        let _ = writeln!(text, "service {} at {}: {} tables", service.name, service.path, service.tables.len());
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for finding in model.services.values().flat_map(|service| portico_odata::profile::lint(model, service)) {
        let _ = writeln!(text, "{finding}");
    }
    text
}

/// Prints to the standard output. A reader that has gone (`| head`) is no failure.
///
/// # Errors
/// Any other.
pub fn print(text: &str) -> Result<(), StartError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(StartError::System(format!("the output cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
