//! What a failure means: error numbers of the server and failures of the driver to [`SourceError`]. Pure.
//! The server's messages hold names of users and hosts, texts of statements and values of rows: only what is known to hold none of them is
//! passed on.

use mysql_async::{DriverError, Error, IoError, ServerError};
use portico_provider_api::{ConstraintKind, Retry, SourceError, SourceErrorKind};

/// Why work on a connection failed.
#[derive(Debug)]
pub enum Failure {
    /// The server, the network or the driver.
    Driver(Error),
    /// The server is older than what this kind is written for.
    TooOld,
    /// The server describes its tables in a way that is not known.
    Unreadable,
    /// The connection was used after it had been given back, which is a bug here.
    GivenBack,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Driver(error)
    }
}

impl Failure {
    /// What the server said, if it was the server.
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Failure::Driver(Error::Server(server)) => Some(server),
            Failure::Driver(_) | Failure::TooOld | Failure::Unreadable | Failure::GivenBack => None,
        }
    }

    /// Whether the connection itself failed, so that a new one can succeed.
    pub fn is_of_connection(&self) -> bool {
        match self {
            // Shutting down, killed, or idle for too long.
            Failure::Driver(Error::Server(server)) => matches!(server.code, 1053 | 1152 | 1158..=1161 | 1184 | 1927 | 4031),
            Failure::Driver(Error::Io(IoError::Io(_))) => true,
            Failure::Driver(Error::Driver(error)) => matches!(error, DriverError::ConnectionClosed | DriverError::PacketOutOfOrder),
            Failure::Driver(_) | Failure::TooOld | Failure::Unreadable | Failure::GivenBack => false,
        }
    }

    /// Whether the server does not speak TLS, though it was asked to.
    pub fn is_without_tls(&self) -> bool {
        matches!(self, Failure::Driver(Error::Driver(DriverError::NoClientSslFlagFromServer)))
    }

    /// For the caller.
    pub fn describe(&self, source_name: &str) -> SourceError {
        let error = |kind, message: &str| SourceError::new(source_name, kind, message);
        match self {
            Failure::GivenBack => error(SourceErrorKind::Internal, "a connection was used after it had been given back"),
            Failure::Unreadable => error(SourceErrorKind::Malformed, "the server describes its tables in a way that is not understood"),
            Failure::TooOld => SourceError {
                retry: Retry::Never,
                ..error(SourceErrorKind::Unavailable, "the server is too old: MariaDB 10.3 or MySQL 8.0 is needed")
            },
            Failure::Driver(Error::Server(server)) => from_server(source_name, server),
            Failure::Driver(Error::Io(IoError::Tls(reason))) => {
                let message = format!(
                    "the server's encryption is not trusted ({reason}): name its authority in 'tls.ca', or set 'tls.mode' to disable"
                );
                SourceError { retry: Retry::Never, ..error(SourceErrorKind::Unavailable, &message) }
            }
            Failure::Driver(Error::Io(IoError::Io(reason))) => io(source_name, reason),
            Failure::Driver(Error::Driver(driver)) => from_driver(source_name, driver),
            Failure::Driver(Error::Other(_) | Error::Url(_)) => {
                error(SourceErrorKind::Malformed, "the server's answer cannot be understood")
            }
        }
    }
}

fn io(source_name: &str, reason: &std::io::Error) -> SourceError {
    // A refused certificate comes as an input error around the reason.
    let text = reason.to_string();
    if text.contains("certificate") {
        let message =
            format!("the server's certificate is not trusted ({text}): name its authority in 'tls.ca', or set 'tls.mode' to disable");
        return SourceError { retry: Retry::Never, ..SourceError::new(source_name, SourceErrorKind::Unavailable, message) };
    }
    SourceError::new(source_name, SourceErrorKind::Unavailable, format!("the server cannot be reached: {text}"))
}

fn from_driver(source_name: &str, error: &DriverError) -> SourceError {
    let plain = |kind, message: &str| SourceError::new(source_name, kind, message);
    match error {
        DriverError::ConnectionClosed => plain(SourceErrorKind::Unavailable, "the connection to the server was lost"),
        DriverError::NoClientSslFlagFromServer => SourceError {
            retry: Retry::Never,
            ..plain(SourceErrorKind::Unavailable, "the server offers no encryption, which 'tls.mode' requires")
        },
        DriverError::UnknownAuthPlugin { .. } | DriverError::MysqlOldPasswordDisabled | DriverError::CleartextPluginDisabled => {
            plain(SourceErrorKind::Credentials, "the server wants to be logged in to in a way that is not supported")
        }
        DriverError::PacketTooLarge => plain(SourceErrorKind::Data, "the values are larger than the server's max_allowed_packet"),
        // The others hold packets or values.
        _ => plain(SourceErrorKind::Malformed, "the server's answer cannot be understood"),
    }
}

fn constraint(kind: ConstraintKind, columns: Vec<String>) -> SourceErrorKind {
    SourceErrorKind::Constraint { kind, columns }
}

/// The kind of failure that an error number stands for, and what to say.
fn meaning(code: u16, state: &str, message: &str) -> (SourceErrorKind, String) {
    use ConstraintKind::{Check, ForeignKey, NotNull, Unique};
    let own = |kind: SourceErrorKind, text: &str| (kind, text.to_owned());
    let columns = || column(message).into_iter().collect::<Vec<_>>();
    match code {
        1045 | 1698 | 1130 | 1251 => own(SourceErrorKind::Credentials, "the server rejected the gateway's credentials"),
        1044 | 1142 | 1143 | 1227 | 1370 | 1345 | 1356 => {
            own(SourceErrorKind::Credentials, "the gateway's user lacks a right at the server")
        }
        1040 | 1203 | 1226 | 1461 => own(SourceErrorKind::Throttled, "the server takes no more connections or statements"),
        1053 | 1077..=1080 | 1152 | 1158..=1161 | 1184 | 1927 | 4031 => {
            own(SourceErrorKind::Unavailable, "the server closed the connection")
        }
        1290 | 1836 | 1792 => own(SourceErrorKind::Unavailable, "the server is read-only"),
        1037 | 1038 | 1041 | 1021 | 1114 | 1135 => own(SourceErrorKind::Unavailable, "the server is out of memory or space"),
        1205 | 3572 => own(SourceErrorKind::Conflict, "another writer holds the row"),
        1213 | 1020 => own(SourceErrorKind::Conflict, "another writer was there first"),
        1317 | 1969 | 3024 | 1028 => {
            own(SourceErrorKind::Timeout, "the statement was stopped, because its time was up or an administrator stopped it")
        }
        1022 | 1062 | 1169 | 1586 => own(constraint(Unique, Vec::new()), "a row with the same unique key exists already"),
        1451 | 1217 => own(constraint(ForeignKey, foreign_key(message)), "the row is referred to by another one"),
        1452 | 1216 => own(constraint(ForeignKey, foreign_key(message)), "the row refers to one that does not exist"),
        1048 | 1364 | 1263 => own(constraint(NotNull, columns()), "a mandatory value is missing"),
        1406 => own(constraint(Check, columns()), "a value is too long for its column"),
        1264 | 1265 | 1366 => own(constraint(Check, columns()), "a value does not fit its column"),
        1906 | 3105 => own(constraint(Check, columns()), "a value is given for a column that is computed"),
        4025 | 3819 | 1369 => own(constraint(Check, Vec::new()), "a check constraint refuses the row"),
        1146 | 1054 | 1049 | 1051 | 1305 => (SourceErrorKind::SchemaChanged, message.to_owned()),
        1690 => own(SourceErrorKind::Data, "a number is out of range"),
        1365 => own(SourceErrorKind::Data, "division by zero"),
        1153 | 1301 => own(SourceErrorKind::Data, "a value is larger than the server's max_allowed_packet"),
        1267 | 1270 | 1271 | 3988 => own(SourceErrorKind::Internal, "texts of different collations were mixed"),
        1665 => own(SourceErrorKind::Unavailable, "the server's binlog_format does not allow this write"),
        // What a trigger of the database's own says.
        1644 => (SourceErrorKind::Data, message.to_owned()),
        _ => match state.get(..2).unwrap_or_default() {
            "08" => own(SourceErrorKind::Unavailable, "the connection to the server was lost"),
            "28" => own(SourceErrorKind::Credentials, "the server rejected the gateway's credentials"),
            "22" | "21" => own(SourceErrorKind::Data, "a value made the server fail"),
            "23" => own(constraint(Check, columns()), "a constraint refuses the row"),
            "40" => own(SourceErrorKind::Conflict, "another writer was there first"),
            "45" => (SourceErrorKind::Data, message.to_owned()),
            _ => (SourceErrorKind::Internal, format!("the server refused the statement with error {code}")),
        },
    }
}

/// The error for a person, from what the server said.
pub fn from_server(source_name: &str, error: &ServerError) -> SourceError {
    let (kind, message) = meaning(error.code, &error.state, &error.message);
    SourceError::new(source_name, kind, message).with_code(format!("{} {}", error.code, error.state))
}

/// The column that a message names: `Column 'a' cannot be null`, `Data too long for column 'a' at row 1`, `… for column `d`.`t`.`a` at
/// row 1`. A value may stand before it.
fn column(message: &str) -> Option<String> {
    let quoted = |prefix: &str| {
        let rest = message.get(message.rfind(prefix)? + prefix.len()..)?;
        rest.split('\'').next().map(str::to_owned)
    };
    let name = quoted("column '").or_else(|| quoted("Column '")).or_else(|| quoted("Field '"));
    name.or_else(|| {
        let path = message.get(message.rfind("for column `")? + "for column `".len()..)?.split("` at row").next()?;
        path.rsplit("`.`").next().map(|name| name.replace("``", "`"))
    })
}

/// The columns of `… FOREIGN KEY (`a`, `b`) REFERENCES …`.
fn foreign_key(message: &str) -> Vec<String> {
    let list = message.split_once("FOREIGN KEY (`").and_then(|(_, rest)| rest.split_once("`) REFERENCES")).map(|(list, _)| list);
    list.map(|list| list.split("`, `").map(|name| name.replace("``", "`")).collect()).unwrap_or_default()
}

/// The unique index that a write broke: `Duplicate entry '…' for key 'name'`, with the table before it on MySQL.
pub fn broken_index(error: &ServerError) -> Option<String> {
    if !matches!(error.code, 1062 | 1586) {
        return None;
    }
    let name = error.message.get(error.message.rfind("for key '")? + "for key '".len()..)?.strip_suffix('\'')?;
    Some(name.rsplit('.').next().unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16, state: &str, message: &str) -> ServerError {
        ServerError { code, state: state.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn numbers_mean_what_the_contract_says() {
        let of = |code, state, message| from_server("shop", &server(code, state, message));
        assert_eq!(of(1045, "28000", "Access denied for user 'joe'@'db1'").kind, SourceErrorKind::Credentials);
        assert_eq!(of(1213, "40001", "").kind, SourceErrorKind::Conflict);
        assert_eq!(of(1969, "70100", "").kind, SourceErrorKind::Timeout);
        assert_eq!(of(1054, "42S22", "Unknown column 't0.x' in 'field list'").kind, SourceErrorKind::SchemaChanged);
        let fails = |code, message| of(code, "HY000", message).kind;
        let check = |kind, columns: &[&str]| constraint(kind, columns.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(fails(1048, "Column 'name' cannot be null"), check(ConstraintKind::NotNull, &["name"]));
        assert_eq!(fails(1364, "Field 'name' doesn't have a default value"), check(ConstraintKind::NotNull, &["name"]));
        assert_eq!(fails(1406, "Data too long for column 'name' at row 1"), check(ConstraintKind::Check, &["name"]));
        assert_eq!(
            fails(1366, "Incorrect integer value: 'for column `x`' for column `d`.`t`.`o``dd` at row 1"),
            check(ConstraintKind::Check, &["o`dd"])
        );
        let message = "Cannot add or update a child row: a foreign key constraint fails (`d`.`t`, CONSTRAINT `f` FOREIGN KEY (`a`, `b`) REFERENCES `p` (`x`, `y`))";
        assert_eq!(fails(1452, message), check(ConstraintKind::ForeignKey, &["a", "b"]));
    }

    #[test]
    fn messages_hold_no_value() {
        for (code, message) in [
            (1062, "Duplicate entry 'hunter2' for key 'PRIMARY'"),
            (1690, "BIGINT value is out of range in 'hunter2 + 1'"),
            (1045, "Access denied for user 'hunter2'@'localhost'"),
            (9999, "hunter2"),
            (1366, "Incorrect integer value: 'hunter2' for column `d`.`t`.`a` at row 1"),
        ] {
            let error = from_server("shop", &server(code, "HY000", message));
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn the_index_is_told_from_the_value() {
        let index = |message| broken_index(&server(1062, "23000", message));
        assert_eq!(index("Duplicate entry 'x' for key 'by_name'").as_deref(), Some("by_name"));
        assert_eq!(index("Duplicate entry ' for key 'a'' for key 't.PRIMARY'").as_deref(), Some("PRIMARY"));
        assert_eq!(index("what"), None);
    }
}
