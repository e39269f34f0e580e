//! What a driver's failure means: SQLSTATE and message to [`SourceError`]. Pure. Messages of drivers hold connection strings, names of users,
//! texts of statements and values of rows: none is passed on, what happened is said in words of ours.

use odbc_api::Error;
use odbc_api::handles::slice_to_utf8;
use portico_provider_api::{Retry, SourceError, SourceErrorKind};

/// Marks a failure of ours.
const LOCALE: &str = "portico: locale";

/// A failure of the driver or the driver manager, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `42S02`, …; empty where there is none.
    pub state: String,
    /// The database's own number.
    pub native: i32,
    /// What the driver says, in lower case. Never shown.
    message: String,
}

impl Failure {
    /// What of an error is looked at.
    pub fn of(error: &Error) -> Failure {
        let record = match error {
            Error::Diagnostics { record, .. }
            | Error::UnsupportedOdbcApiVersion(record)
            | Error::InvalidRowArraySize { record, .. }
            | Error::UnableToRepresentNull(record)
            | Error::OracleOdbcDriverDoesNotSupport64Bit(record) => Some(record),
            _ => None,
        };
        let message = record.and_then(|record| slice_to_utf8(&record.message).ok()).unwrap_or_default();
        Failure {
            state: record.map(|record| record.state.as_str().trim_matches('\0').to_owned()).unwrap_or_default(),
            native: record.map_or(0, |record| record.native_error),
            message: message.to_lowercase(),
        }
    }

    /// That texts do not reach the driver as they are.
    pub fn of_locale() -> Failure {
        Failure { state: "HY000".to_owned(), native: 0, message: LOCALE.to_owned() }
    }

    /// For the caller.
    pub fn describe(&self, source_name: &str) -> SourceError {
        let (kind, message) = self.meaning();
        let never = matches!(self.state.as_str(), "IM002" | "IM003" | "IM004" | "IM005" | "01000");
        let error = SourceError::new(source_name, kind, message);
        let error = if never { SourceError { retry: Retry::Never, ..error } } else { error };
        if self.state.is_empty() { error } else { error.with_code(&self.state) }
    }

    /// Whether the connection itself failed, so that a new one can succeed.
    pub fn is_of_connection(&self) -> bool {
        self.meaning().0 == SourceErrorKind::Unavailable
    }

    /// Whether the driver does not know an attribute of the connection string.
    pub fn is_of_attributes(&self) -> bool {
        matches!(self.state.as_str(), "01S00" | "HY024" | "HY092" | "HYC00")
    }

    fn says(&self, parts: &[&str]) -> bool {
        parts.iter().any(|part| self.message.contains(part))
    }

    fn meaning(&self) -> (SourceErrorKind, String) {
        use SourceErrorKind::{Conflict, Credentials, Data, Internal, SchemaChanged, Throttled, Timeout, Unavailable, Unsupported};
        let own = |kind: SourceErrorKind, text: &str| (kind, text.to_owned());
        if self.says(&[
            "password authentication failed",
            "access denied for user",
            "login failed",
            "no password supplied",
            "invalid username",
        ]) {
            return own(Credentials, "the database rejected the gateway's credentials");
        }
        if self.message == LOCALE {
            return own(Unavailable, "texts do not reach the driver in UTF-8: start the gateway with LANG=C.UTF-8");
        }
        if self.says(&["no such table", "no such column"]) {
            return own(SchemaChanged, "a table or column that was asked for does not exist");
        }
        if self.says(&["interrupted", "canceling statement", "query execution was interrupted"]) {
            return own(Timeout, "the statement was stopped, because its time was up or somebody stopped it");
        }
        if self.says(&[
            "server closed the connection",
            "terminating connection",
            "server has gone away",
            "lost connection",
            "connection was killed",
        ]) {
            return own(Unavailable, "the connection to the database was lost");
        }
        if self.says(&["integer overflow"]) {
            return own(Data, "a number is out of range");
        }
        match self.state.as_str() {
            "IM002" | "IM003" | "IM004" | "IM005" => {
                return own(
                    Unavailable,
                    "there is no such data source or driver: see odbc.ini and odbcinst.ini, or what the connection string names",
                );
            }
            "01000" if self.says(&["can't open lib"]) => {
                return own(Unavailable, "the driver's library cannot be loaded: is it installed, and does odbcinst.ini have its path?");
            }
            "HYT00" | "HYT01" | "57014" | "70100" => {
                return own(Timeout, "the database did not answer in time, or somebody stopped the statement");
            }
            "42S02" | "42S22" | "42P01" | "42703" | "3F000" | "42704" => {
                return own(SchemaChanged, "a table or column that was asked for does not exist");
            }
            "42501" => return own(Credentials, "the gateway's user lacks a right at the database"),
            "HYC00" => return own(Unsupported, "the driver does not do what it was asked"),
            "HY001" | "HY013" | "HY014" => return own(Unavailable, "the driver has no memory or no handles left"),
            "25006" => return own(Unavailable, "the database is read-only"),
            "57P01" | "57P02" | "57P03" => return own(Unavailable, "the database closed the connection"),
            _ => {}
        }
        match self.native {
            1146 | 1054 | 1049 => return own(SchemaChanged, "a table or column that was asked for does not exist"),
            1317 | 1969 | 3024 | 1028 => return own(Timeout, "the statement was stopped, because its time was up or somebody stopped it"),
            1040 | 1203 | 1226 => return own(Throttled, "the database takes no more connections"),
            1142 | 1143 | 1044 | 1227 => return own(Credentials, "the gateway's user lacks a right at the database"),
            1690 | 1365 | 1242 | 1301 => return own(Data, "a value made the database fail"),
            2002 | 2003 | 2006 | 2013 | 2055 | 1927 | 1053 => return own(Unavailable, "the connection to the database was lost"),
            _ => {}
        }
        match self.state.get(..2).unwrap_or_default() {
            "08" => own(Unavailable, "the database cannot be reached, or the connection to it was lost"),
            "28" => own(Credentials, "the database rejected the gateway's credentials"),
            "22" | "21" => own(Data, "a value made the database fail"),
            "40" => own(Conflict, "another writer was there first"),
            "53" => own(Throttled, "the database has no room for more work"),
            _ => (Internal, format!("the driver or the database refused what it was asked (SQLSTATE '{}')", self.state)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(state: &str, native: i32, message: &str) -> Failure {
        Failure { state: state.to_owned(), native, message: message.to_lowercase() }
    }

    #[test]
    fn states_mean_what_the_contract_says() {
        let of = |state, native, message| failure(state, native, message).describe("shop").kind;
        assert_eq!(of("08001", 101, "FATAL: password authentication failed for user"), SourceErrorKind::Credentials);
        assert_eq!(of("08001", 101, "could not connect"), SourceErrorKind::Unavailable);
        assert_eq!(of("42S02", 0, ""), SourceErrorKind::SchemaChanged);
        assert_eq!(of("HY000", 1, "[SQLite]no such table: x (1)"), SourceErrorKind::SchemaChanged);
        assert_eq!(of("22003", 7, ""), SourceErrorKind::Data);
        assert_eq!(of("57014", 7, ""), SourceErrorKind::Timeout);
        assert_eq!(of("HY000", 1969, ""), SourceErrorKind::Timeout);
        assert_eq!(failure("IM002", 0, "").describe("shop").retry, Retry::Never);
    }

    #[test]
    fn messages_hold_nothing_of_the_drivers() {
        for state in ["08001", "HY000", "42000", "22003", "IM002", "XX000", ""] {
            let error = failure(state, 0, "PWD=hunter2 value hunter2").describe("shop");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
