//! What a PostgreSQL failure means: SQLSTATE and driver errors to [`SourceError`]. Pure.
//! Only the server's primary message is ever passed on: its detail and hint can hold the values of rows.

use portico_provider_api::{ConstraintKind, Retry, SourceError, SourceErrorKind};
use tokio_postgres::error::DbError;

/// A constraint that a write broke, to be resolved to columns in the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenConstraint {
    /// Schema of the table.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Constraint or unique index.
    pub constraint: String,
}

/// The kind of failure that an SQLSTATE stands for.
pub fn kind(code: &str, column: Option<&str>) -> SourceErrorKind {
    let constraint = |kind| SourceErrorKind::Constraint { kind, columns: column.map(str::to_owned).into_iter().collect() };
    match code {
        "23505" | "23P01" => constraint(ConstraintKind::Unique),
        "23503" | "23001" => constraint(ConstraintKind::ForeignKey),
        "23502" => constraint(ConstraintKind::NotNull),
        "23514" | "22001" | "44000" => constraint(ConstraintKind::Check),
        // A generated or identity column that refuses the given value.
        "428C9" => constraint(ConstraintKind::Check),
        "57014" | "25P03" | "57P05" => SourceErrorKind::Timeout,
        "42501" | "0LP01" => SourceErrorKind::Credentials,
        "40001" | "40P01" | "55P03" => SourceErrorKind::Conflict,
        "42P01" | "42703" | "42804" | "42883" | "3F000" | "42P10" => SourceErrorKind::SchemaChanged,
        "0A000" => SourceErrorKind::SchemaChanged,
        "53300" | "53400" => SourceErrorKind::Throttled,
        // The database does not exist, or the server is starting, stopping or in recovery.
        "3D000" => SourceErrorKind::Unavailable,
        "25006" => SourceErrorKind::Unavailable,
        other => match other.get(..2).unwrap_or_default() {
            "08" | "57" | "58" | "53" => SourceErrorKind::Unavailable,
            "28" => SourceErrorKind::Credentials,
            "22" | "21" | "P0" => SourceErrorKind::Data,
            "40" => SourceErrorKind::Conflict,
            "23" => constraint(ConstraintKind::Check),
            "42" => SourceErrorKind::Internal,
            _ => SourceErrorKind::Internal,
        },
    }
}

/// The error for a person, from what the server said.
pub fn from_server(source_name: &str, error: &DbError) -> SourceError {
    let code = error.code().code();
    let kind = kind(code, error.column());
    let message = match code {
        code if code.starts_with("28") => "the server rejected the gateway's credentials".to_owned(),
        "3D000" => "the database that the url names does not exist".to_owned(),
        "57014" => "the statement was cancelled, because its time was up or an administrator stopped it".to_owned(),
        "0A000" if is_stale_plan(error) => "a table changed while it was read: ask again".to_owned(),
        code if code.starts_with("22") && !is_raised(error) => without_value(error.message()).to_owned(),
        _ => error.message().to_owned(),
    };
    let mut mapped = SourceError::new(source_name, kind, message).with_code(code);
    match code {
        "3D000" | "25006" => mapped.retry = Retry::Never,
        "0A000" if !is_stale_plan(error) => mapped.kind = SourceErrorKind::Internal,
        // What an operation of the database refuses with a code that it has chosen is its word about what it was given.
        _ if is_raised(error) && !matches!(mapped.kind, SourceErrorKind::Constraint { .. } | SourceErrorKind::Conflict) => {
            mapped.kind = SourceErrorKind::Data;
            mapped.retry = Retry::Never;
        }
        _ => {}
    }
    mapped
}

/// A message about data without the datum: `invalid input syntax for type date: "…"` ends with a value, maybe of a row.
fn without_value(message: &str) -> &str {
    message.split_once(": \"").or_else(|| message.split_once(" \"")).map_or(message, |(before, _)| before)
}

/// Whether the code and the message are those of a RAISE in a function of the database's own.
fn is_raised(error: &DbError) -> bool {
    error.routine() == Some("exec_stmt_raise")
}

/// Whether a cached plan no longer fits its table: preparing the statement again helps.
pub fn is_stale_plan(error: &DbError) -> bool {
    error.code().code() == "0A000" && error.routine() == Some("RevalidateCachedQuery")
}

/// Why work on a connection failed.
#[derive(Debug)]
pub enum Failure {
    /// The server, the network or the driver.
    Driver(tokio_postgres::Error),
    /// The connection was used after it had been given back, which is a bug here.
    GivenBack,
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Failure {
        Failure::Driver(error)
    }
}

impl Failure {
    /// What the server said, if it was the server.
    pub fn server(&self) -> Option<&DbError> {
        match self {
            Failure::Driver(error) => error.as_db_error(),
            Failure::GivenBack => None,
        }
    }

    /// For the caller.
    pub fn describe(&self, source_name: &str) -> SourceError {
        match self {
            Failure::Driver(error) => from_driver(source_name, error),
            Failure::GivenBack => {
                SourceError::new(source_name, SourceErrorKind::Internal, "a connection was used after it had been given back")
            }
        }
    }

    /// Whether the connection itself failed, so that a new one can succeed.
    pub fn is_of_connection(&self) -> bool {
        match self {
            Failure::Driver(error) => is_connection_failure(error),
            Failure::GivenBack => false,
        }
    }
}

/// What the driver reports, cleaned.
pub fn from_driver(source_name: &str, error: &tokio_postgres::Error) -> SourceError {
    if let Some(server) = error.as_db_error() {
        return from_server(source_name, server);
    }
    if error.is_closed() {
        return SourceError::new(source_name, SourceErrorKind::Unavailable, "the connection to the server was lost");
    }
    // The driver prints what it was doing, never its configuration; the innermost cause says why.
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if let Some(value) = cause.downcast_ref::<crate::encode::EncodeError>() {
        return SourceError::new(source_name, SourceErrorKind::Data, value.to_string());
    }
    let text = error.to_string();
    let reason = cause.to_string();
    if reason.starts_with("invalid peer certificate") {
        let message =
            format!("the server's certificate is not trusted ({reason}): name its authority in 'tls.ca', or set 'tls.mode' to disable");
        return SourceError { retry: Retry::Never, ..SourceError::new(source_name, SourceErrorKind::Unavailable, message) };
    }
    if cause.downcast_ref::<std::io::Error>().is_some() || text.starts_with("error connecting") || text.contains("TLS") {
        let message = if cause.to_string() == text { text } else { format!("the server cannot be reached: {cause}") };
        return SourceError::new(source_name, SourceErrorKind::Unavailable, message);
    }
    if text.contains("authentication") || text.starts_with("invalid configuration") {
        return SourceError::new(
            source_name,
            SourceErrorKind::Credentials,
            "logging in failed: the url's credentials do not fit the server",
        );
    }
    SourceError::new(source_name, SourceErrorKind::Malformed, format!("the server's answer cannot be understood: {text}"))
}

/// Whether the connection itself failed, so that a new one can succeed.
fn is_connection_failure(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(server) => matches!(server.code().code(), "57P01" | "57P02" | "57P03" | "08006" | "08003" | "08000"),
        None => {
            let io = std::error::Error::source(error).is_some_and(|cause| cause.downcast_ref::<std::io::Error>().is_some());
            error.is_closed() || io
        }
    }
}

/// The constraint that a write broke, when the server names one.
pub fn broken_constraint(server: &DbError) -> Option<BrokenConstraint> {
    Some(BrokenConstraint {
        schema: server.schema()?.to_owned(),
        table: server.table()?.to_owned(),
        constraint: server.constraint()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_mean_what_the_contract_says() {
        assert_eq!(kind("08006", None), SourceErrorKind::Unavailable);
        assert_eq!(kind("57P01", None), SourceErrorKind::Unavailable);
        assert_eq!(kind("57014", None), SourceErrorKind::Timeout);
        assert_eq!(kind("28P01", None), SourceErrorKind::Credentials);
        assert_eq!(kind("42501", None), SourceErrorKind::Credentials);
        assert_eq!(kind("40P01", None), SourceErrorKind::Conflict);
        assert_eq!(kind("22012", None), SourceErrorKind::Data);
        assert_eq!(kind("53300", None), SourceErrorKind::Throttled);
        assert_eq!(without_value("invalid input syntax for type date: \"secret\""), "invalid input syntax for type date");
        assert_eq!(without_value("invalid value \"secret\" for \"YYYY\""), "invalid value");
        assert_eq!(without_value("division by zero"), "division by zero");
        assert_eq!(kind("42703", None), SourceErrorKind::SchemaChanged);
        assert_eq!(
            kind("23502", Some("name")),
            SourceErrorKind::Constraint { kind: ConstraintKind::NotNull, columns: vec!["name".to_owned()] }
        );
    }
}
