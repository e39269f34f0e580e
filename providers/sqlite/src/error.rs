//! What SQLite's errors mean to the gateway. Messages are SQLite's own, without values of rows.

use portico_provider_api::error::ConstraintKind;
use portico_provider_api::{SourceError, SourceErrorKind};
use rusqlite::ErrorCode;
use rusqlite::ffi;

/// Opens the message of an error that one of the kind's own functions raised over a value that cannot be computed with.
pub(crate) const DATA_MARK: &str = "portico-data: ";
/// Opens the message of an error that one of the kind's own functions raised over a stored value that does not fit its type.
pub(crate) const MALFORMED_MARK: &str = "portico-malformed: ";

/// The error for a failed call.
pub(crate) fn source_error(source_name: &str, error: &rusqlite::Error) -> SourceError {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            from_failure(source_name, *failure, message.as_deref().unwrap_or("SQLite gave no reason"))
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => from_failure(source_name, *error, msg),
        other => SourceError::new(source_name, SourceErrorKind::Internal, format!("SQLite: {other}")),
    }
}

fn from_failure(source_name: &str, failure: ffi::Error, message: &str) -> SourceError {
    let (kind, message) = classify(failure, message);
    SourceError::new(source_name, kind, message).with_code(failure.extended_code.to_string())
}

fn classify(failure: ffi::Error, message: &str) -> (SourceErrorKind, String) {
    if let Some(own) = message.strip_prefix(DATA_MARK) {
        return (SourceErrorKind::Data, own.to_owned());
    }
    if let Some(own) = message.strip_prefix(MALFORMED_MARK) {
        return (SourceErrorKind::Malformed, own.to_owned());
    }
    let kind = match failure.code {
        ErrorCode::ConstraintViolation => return (constraint(failure.extended_code, message), message.to_owned()),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => SourceErrorKind::Conflict,
        ErrorCode::OperationInterrupted => SourceErrorKind::Timeout,
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::DiskFull | ErrorCode::FileLockingProtocolFailed => {
            SourceErrorKind::Unavailable
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => SourceErrorKind::Credentials,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => SourceErrorKind::Malformed,
        ErrorCode::SchemaChanged => SourceErrorKind::SchemaChanged,
        ErrorCode::TooBig | ErrorCode::TypeMismatch => SourceErrorKind::Data,
        _ if message.starts_with("no such table") || message.starts_with("no such column") => SourceErrorKind::SchemaChanged,
        _ if message.contains("has no column named") => SourceErrorKind::SchemaChanged,
        _ if message == "integer overflow" => SourceErrorKind::Data,
        _ => SourceErrorKind::Internal,
    };
    (kind, message.to_owned())
}

fn constraint(extended: i32, message: &str) -> SourceErrorKind {
    let kind = match extended {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => ConstraintKind::Unique,
        ffi::SQLITE_CONSTRAINT_NOTNULL => ConstraintKind::NotNull,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ConstraintKind::ForeignKey,
        // Triggers, strict types and what else a schema may refuse.
        _ => ConstraintKind::Check,
    };
    let columns = match kind {
        ConstraintKind::Unique | ConstraintKind::NotNull => columns_of(message),
        ConstraintKind::ForeignKey | ConstraintKind::Check => Vec::new(),
    };
    SourceErrorKind::Constraint { kind, columns }
}

/// `UNIQUE constraint failed: orders.number, orders.line` names the columns; an index over expressions names itself.
fn columns_of(message: &str) -> Vec<String> {
    let Some((_, list)) = message.split_once("constraint failed: ") else { return Vec::new() };
    list.split(", ").filter_map(|part| part.split_once('.')).map(|(_, column)| column.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraint_messages_name_columns() {
        assert_eq!(columns_of("UNIQUE constraint failed: orders.number, orders.line"), ["number", "line"]);
        assert_eq!(columns_of("NOT NULL constraint failed: orders.a.b"), ["a.b"]);
        assert!(columns_of("UNIQUE constraint failed: index 'by_lower'").is_empty());
    }
}
