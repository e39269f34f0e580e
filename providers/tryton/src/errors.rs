//! What the server means by its errors, which come in answers of success: `["UserError", ["…", "", null]]`, or the text of an exception and its stack, which goes to
//! nobody. Pure.

use portico_provider_api::{ConstraintKind, Retry, SourceError, SourceErrorKind};
use portico_provider_web::Reporter;
use serde_json::Value;

/// An error of the server's.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// A rule of the ERP's, told to a person.
    User(String),
    /// It wants to be told that it may go on.
    Warning(String),
    /// Another writer was there first.
    Concurrency(String),
    /// The login wants something more.
    Login(String),
    /// Anything else: the text of an exception.
    Exception(String),
}

/// The error of an answer, if it has one.
pub fn refusal(error: &Value) -> Refusal {
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        _ => String::new(),
    };
    let name = text(error.get(0));
    let Some(more) = error.get(1) else { return Refusal::Exception(name) };
    let told = |from: usize| {
        let parts = more.as_array().map(Vec::as_slice).unwrap_or_default();
        let parts: Vec<String> = parts.iter().skip(from).take(2).map(|part| text(Some(part))).filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    };
    match name.as_str() {
        "UserError" => Refusal::User(told(0)),
        "UserWarning" => Refusal::Warning(told(1)),
        "LoginException" => Refusal::Login(told(1)),
        "ConcurrencyException" => Refusal::Concurrency(text(Some(more))),
        // The second part is a stack.
        _ => Refusal::Exception(name),
    }
}

/// The error of the contract. `named` finds the fields of the model concerned that a message speaks of, by their labels.
pub fn source_error(reporter: &Reporter, refusal: &Refusal, writes: bool, named: &dyn Fn(&str) -> Vec<String>) -> SourceError {
    match refusal {
        Refusal::User(message) if writes => {
            let (kind, columns) = (constraint(message), named(message));
            reporter.error(SourceErrorKind::Constraint { kind, columns }, message).for_people()
        }
        Refusal::User(message) => reporter.error(SourceErrorKind::Credentials, format!("the server refused to read: {message}")),
        Refusal::Warning(message) => {
            let kind = SourceErrorKind::Constraint { kind: ConstraintKind::Check, columns: named(message) };
            reporter.error(kind, format!("the server warns, and nobody is there to confirm: {message}")).for_people()
        }
        Refusal::Concurrency(message) => SourceError { retry: Retry::Never, ..reporter.error(SourceErrorKind::Conflict, message) },
        Refusal::Login(message) => {
            reporter.error(SourceErrorKind::Credentials, format!("the server wants more than a password: {message}"))
        }
        Refusal::Exception(text) => exception(reporter, text),
    }
}

/// Which rule a message speaks of. The server says it in words alone, which are these in English; in another language it is a rule all the same.
fn constraint(message: &str) -> ConstraintKind {
    let lower = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["is required", "value is required"]) {
        ConstraintKind::NotNull
    } else if says(&["must be unique", "already exist", "unique"]) {
        ConstraintKind::Unique
    } else if says(&["could not delete", "is missing on", "does not exist", "don't exist", "used on field", "are used"]) {
        ConstraintKind::ForeignKey
    } else {
        ConstraintKind::Check
    }
}

fn exception(reporter: &Reporter, text: &str) -> SourceError {
    // The name of a model or field that is not there is all that such an exception says.
    let missing = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).filter(|name| !name.contains(['\'', ' ']));
    if let Some(name) = missing {
        return reporter.error(SourceErrorKind::SchemaChanged, format!("the server has no '{name}'"));
    }
    let lower = text.to_lowercase();
    // Both are undone by the server, and may go well another time.
    if lower.contains("database is locked") || lower.contains("could not serialize") || lower.contains("deadlock detected") {
        return reporter.error(SourceErrorKind::Conflict, "another transaction of the server was in the way");
    }
    // It may hold values, SQL or paths of the server: who runs it finds it in its own log.
    tracing::warn!(exception = reporter.cleaned(text.lines().next().unwrap_or_default()), "the server failed");
    // What ends in an error is rolled back.
    reporter.error(SourceErrorKind::Internal, "the server failed: its log says why").without_effect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(error: Value, writes: bool) -> (SourceErrorKind, String) {
        let reporter = Reporter::new("erp", ["hunter2".to_owned()]);
        let named = |message: &str| if message.contains("\"Name\"") { vec!["name".to_owned()] } else { Vec::new() };
        let error = source_error(&reporter, &refusal(&error), writes, &named);
        (error.kind, error.message)
    }

    #[test]
    fn errors_have_kinds() {
        use SourceErrorKind::{Conflict, Credentials, Internal, SchemaChanged};
        let constraint =
            |kind, columns: &[&str]| SourceErrorKind::Constraint { kind, columns: columns.iter().map(|name| (*name).to_owned()).collect() };
        for (error, writes, kind, message) in [
            (
                json!(["UserError", ["A value is required for field \"Name\" in \"Party\".", "", null]]),
                true,
                constraint(ConstraintKind::NotNull, &["name"]),
                "A value is required for field \"Name\" in \"Party\".",
            ),
            (json!(["UserError", ["No.", "hunter2", null]]), true, constraint(ConstraintKind::Check, &[]), "No. …"),
            (json!(["UserError", ["No.", "", null]]), false, Credentials, "the server refused to read: No."),
            (
                json!(["UserWarning", ["key_1", "Really?", ""]]),
                true,
                constraint(ConstraintKind::Check, &[]),
                "the server warns, and nobody is there to confirm: Really?",
            ),
            (json!(["ConcurrencyException", "Records were modified"]), true, Conflict, "Records were modified"),
            (json!(["'nope'", "Traceback secret"]), false, SchemaChanged, "the server has no 'nope'"),
            (json!(["division by zero\nmore", "Traceback secret"]), false, Internal, "the server failed: its log says why"),
            (json!(["database is locked", ""]), true, Conflict, "another transaction of the server was in the way"),
            (json!([]), true, Internal, "the server failed: its log says why"),
            (json!("x"), true, Internal, "the server failed: its log says why"),
        ] {
            assert_eq!(told(error.clone(), writes), (kind, message.to_owned()), "{error}");
        }
    }
}
