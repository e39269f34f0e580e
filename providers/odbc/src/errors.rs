//! What a driver's failure means: SQLSTATE, and where that is a general one the database's number and the message, to [`SourceError`]. Pure.
//! Messages of drivers hold connection strings, names of users, texts of statements and values of rows: none is passed on, what happened is
//! said in words of ours, and none is looked at where the state says it.

use odbc_api::Error;
use odbc_api::handles::slice_to_utf8;
use portico_provider_api::SourceErrorKind::{
    Conflict, Credentials, Data, Internal, SchemaChanged, Throttled, Timeout, Unavailable, Unsupported,
};
use portico_provider_api::{Retry, SourceError, SourceErrorKind};
use std::borrow::Cow;

/// States that stand for many things: of the driver at large, of a statement that is refused for whatever reason, of a connection that is
/// not made, of what was interrupted. Here alone numbers and words are looked at.
const GENERAL: [&str; 8] = ["", "HY000", "S1000", "42000", "01000", "08001", "08004", "70100"];

const REJECTED: &str = "the database rejected the gateway's credentials";
const RIGHT: &str = "the gateway's user lacks a right at the database";
const MISSING: &str = "a table or column that was asked for does not exist";
const STOPPED: &str = "the statement was stopped, because its time was up or somebody stopped it";
const LOST: &str = "the connection to the database was lost";
const VALUE: &str = "a value made the database fail";

type Meaning = (SourceErrorKind, Cow<'static, str>);

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

    fn meaning(&self) -> Meaning {
        if self.message == LOCALE {
            return (Unavailable, Cow::Borrowed("texts do not reach the driver in UTF-8: start the gateway with LANG=C.UTF-8"));
        }
        if self.state == "01000" && self.says(&["can't open lib"]) {
            let text = "the driver's library cannot be loaded: is it installed, and does odbcinst.ini have its path?";
            return (Unavailable, Cow::Borrowed(text));
        }
        let more = if GENERAL.contains(&self.state.as_str()) { self.of_number().or_else(|| self.of_words()) } else { None };
        let said = more.or_else(|| of_state(&self.state)).map(|(kind, text)| (kind, Cow::Borrowed(text)));
        said.unwrap_or_else(|| {
            (Internal, Cow::Owned(format!("the driver or the database refused what it was asked (SQLSTATE '{}')", self.state)))
        })
    }

    /// What the database's own number means, where the numbers are those of MySQL and MariaDB.
    fn of_number(&self) -> Option<(SourceErrorKind, &'static str)> {
        if !self.says(&["[ma-", "[mysql]", "mariadb]"]) {
            return None;
        }
        match self.native {
            1146 | 1054 | 1049 => Some((SchemaChanged, MISSING)),
            1317 | 1969 | 3024 | 1028 => Some((Timeout, STOPPED)),
            1040 | 1203 | 1226 => Some((Throttled, "the database takes no more connections")),
            1142 | 1143 | 1044 | 1227 => Some((Credentials, RIGHT)),
            1690 | 1365 | 1242 | 1301 => Some((Data, VALUE)),
            2002 | 2003 | 2006 | 2013 | 2055 | 1927 | 1053 => Some((Unavailable, LOST)),
            _ => None,
        }
    }

    /// What the message means: the last resort, because what it quotes may be anything.
    fn of_words(&self) -> Option<(SourceErrorKind, &'static str)> {
        let words: [(&[&str], SourceErrorKind, &str); 5] = [
            (
                &["password authentication failed", "access denied for user", "login failed", "no password supplied", "invalid username"],
                Credentials,
                REJECTED,
            ),
            (&["no such table", "no such column"], SchemaChanged, MISSING),
            (&["interrupted", "canceling statement"], Timeout, STOPPED),
            (
                &[
                    "server closed the connection",
                    "terminating connection",
                    "server has gone away",
                    "lost connection",
                    "connection was killed",
                ],
                Unavailable,
                LOST,
            ),
            (&["integer overflow"], Data, "a number is out of range"),
        ];
        words.into_iter().find(|(parts, ..)| self.says(parts)).map(|(_, kind, text)| (kind, text))
    }
}

/// What an SQLSTATE means, if it means anything.
fn of_state(state: &str) -> Option<(SourceErrorKind, &'static str)> {
    match state {
        "IM002" | "IM003" | "IM004" | "IM005" => Some((
            Unavailable,
            "there is no such data source or driver: see odbc.ini and odbcinst.ini, or what the connection string names",
        )),
        "HYT00" | "HYT01" | "HY008" | "57014" | "70100" => {
            Some((Timeout, "the database did not answer in time, or somebody stopped the statement"))
        }
        "42S02" | "42S22" | "42P01" | "42703" | "3F000" | "42704" => Some((SchemaChanged, MISSING)),
        "42501" => Some((Credentials, RIGHT)),
        "HYC00" => Some((Unsupported, "the driver does not do what it was asked")),
        "HY001" | "HY013" | "HY014" => Some((Unavailable, "the driver has no memory or no handles left")),
        "25006" => Some((Unavailable, "the database is read-only")),
        "57P01" | "57P02" | "57P03" => Some((Unavailable, "the database closed the connection")),
        _ => match state.get(..2).unwrap_or_default() {
            "08" => Some((Unavailable, "the database cannot be reached, or the connection to it was lost")),
            "28" => Some((Credentials, REJECTED)),
            "22" | "21" => Some((Data, VALUE)),
            "40" => Some((Conflict, "another writer was there first")),
            "53" => Some((Throttled, "the database has no room for more work")),
            _ => None,
        },
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
        assert_eq!(failure("IM002", 0, "").describe("shop").retry, Retry::Never);
    }

    #[test]
    fn a_state_that_says_what_happened_is_not_overruled_by_words() {
        let of = |state, native, message| failure(state, native, message).describe("shop").kind;
        // Words of a message may be those of a value, or of a name.
        for words in
            ["login failed", "no such table", "query execution was interrupted", "server closed the connection", "integer overflow"]
        {
            let kinds = ["22P02", "42703", "57014", "40001", "28000", "08S01", "HYC00"].map(|state| of(state, 1, words));
            assert_eq!(
                kinds,
                [
                    SourceErrorKind::Data,
                    SourceErrorKind::SchemaChanged,
                    SourceErrorKind::Timeout,
                    SourceErrorKind::Conflict,
                    SourceErrorKind::Credentials,
                    SourceErrorKind::Unavailable,
                    SourceErrorKind::Unsupported,
                ],
                "{words}"
            );
        }
        // Nor by a number that means something at another database.
        assert_eq!(of("22018", 2013, "[Oracle][ODBC][Ora]ORA-02013"), SourceErrorKind::Data);
        assert_eq!(of("HY000", 1040, "[Oracle][ODBC][Ora]ORA-01040: invalid character in password"), SourceErrorKind::Internal);
        // A state that stands for many things is made plain by number and words.
        let mariadb = |state, native| of(state, native, "[ma-3.1.15][10.11.6-MariaDB]…");
        assert_eq!(mariadb("HY000", 1969), SourceErrorKind::Timeout);
        assert_eq!(mariadb("70100", 1317), SourceErrorKind::Timeout);
        assert_eq!(mariadb("70100", 1927), SourceErrorKind::Unavailable);
        assert_eq!(mariadb("42000", 1142), SourceErrorKind::Credentials);
        assert_eq!(mariadb("42000", 1064), SourceErrorKind::Internal);
        assert_eq!(mariadb("08004", 1040), SourceErrorKind::Throttled);
        assert_eq!(of("42000", 4060, "[Microsoft][ODBC Driver 18 for SQL Server]Login failed for user"), SourceErrorKind::Credentials);
        assert_eq!(of("HY000", 9, "[SQLite]interrupted (9)"), SourceErrorKind::Timeout);
        assert_eq!(of("HY000", 1, "[SQLite]integer overflow (1)"), SourceErrorKind::Data);
        assert_eq!(of("HY000", 26, "server closed the connection unexpectedly"), SourceErrorKind::Unavailable);
    }

    #[test]
    fn messages_hold_nothing_of_the_drivers() {
        for state in ["08001", "HY000", "42000", "22003", "IM002", "XX000", ""] {
            let error = failure(state, 0, "PWD=hunter2 value hunter2").describe("shop");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
