//! What is at the other end, by the driver's own answers, and what follows from that: the dialect, attributes of the connection, the
//! session's set-up, how a statement is stopped. Pure. It must not know connections.

use portico_provider_sql::{DB2, Dialect, HANA, ODBC_MYSQL, ODBC_POSTGRES, ORACLE, Product, SORTED_BYTES, SQL_SERVER, SQLITE_PLAIN, ansi};

/// A database product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    Mysql {
        /// MariaDB.
        mariadb: bool,
    },
    /// One that is asked in the standard's words.
    Standard {
        /// Which.
        product: Product,
        /// Opens and closes an identifier.
        quote: char,
    },
}

impl Server {
    /// From the name of the database management system and the character that quotes identifiers, as the driver gives them.
    pub fn of(name: &str, quote: Option<char>) -> Server {
        let name = name.to_ascii_lowercase();
        let standard = |product| Server::Standard { product, quote: quote.filter(|quote| !quote.is_whitespace()).unwrap_or('"') };
        if name.contains("postgresql") {
            Server::Postgres
        } else if name.contains("mariadb") || name.contains("mysql") {
            Server::Mysql { mariadb: name.contains("mariadb") }
        } else if name.contains("sqlite") {
            standard(Product::Sqlite)
        } else if name.contains("sql server") {
            standard(Product::SqlServer)
        } else if name.contains("oracle") {
            standard(Product::Oracle)
        } else if name.contains("hdb") || name.contains("hana") {
            standard(Product::Hana)
        } else if name.starts_with("db2") {
            standard(Product::Db2)
        } else {
            standard(Product::Ansi)
        }
    }

    /// How it is asked.
    pub fn dialect(self) -> Dialect {
        match self {
            Server::Postgres => ODBC_POSTGRES,
            Server::Mysql { .. } => ODBC_MYSQL,
            Server::Standard { product: Product::Sqlite, .. } => SQLITE_PLAIN,
            Server::Standard { product: Product::SqlServer, .. } => SQL_SERVER,
            Server::Standard { product: Product::Oracle, .. } => ORACLE,
            Server::Standard { product: Product::Hana, .. } => HANA,
            Server::Standard { product: Product::Db2, .. } => DB2,
            Server::Standard { product: Product::Ansi, quote } => ansi(quote),
        }
    }

    /// Attributes without which the usual driver holds the whole answer in memory, cuts texts or creates a missing database, each with the
    /// value that it must have.
    pub fn attributes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Server::Postgres => &[("UseDeclareFetch", "1"), ("Fetch", "1000"), ("LFConversion", "0")],
            Server::Mysql { .. } => &[("FORWARDONLY", "1"), ("STREAMRS", "1"), ("CHARSET", "utf8mb4")],
            Server::Standard { product: Product::Sqlite, .. } => &[("StepAPI", "1"), ("NoCreat", "1"), ("BigInt", "1"), ("LongNames", "0")],
            Server::Standard { .. } => &[],
        }
    }

    /// What a session is told before it is used, so that a statement means the same whatever the server's own settings are, and no read
    /// can write.
    pub fn setup(self) -> Vec<String> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        match self {
            Server::Postgres => texts(&[
                "SET TIME ZONE 'UTC'",
                "SET standard_conforming_strings = on",
                "SET DateStyle = 'ISO, YMD'",
                "SET extra_float_digits = 3",
                "SET bytea_output = 'hex'",
                "SET default_transaction_read_only = on",
            ]),
            Server::Mysql { mariadb } => {
                let mut all = vec![
                    format!(
                        "SET SESSION time_zone = '+00:00', autocommit = 1, collation_connection = utf8mb4_bin, \
                         sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION', \
                         sql_auto_is_null = 0, sql_select_limit = 18446744073709551615, sql_big_selects = 1, \
                         lc_messages = 'en_US', lc_time_names = 'en_US', max_sort_length = {}",
                        SORTED_BYTES + 8
                    ),
                    "SET SESSION sort_buffer_size = GREATEST(@@sort_buffer_size, 8388608)".to_owned(),
                ];
                if mariadb {
                    // A long list is compared as a list. What a sub-query found for one text is kept under the collation of the column.
                    all.push("SET SESSION in_predicate_conversion_threshold = 0, optimizer_switch = 'subquery_cache=off'".to_owned());
                }
                all.push("SET SESSION TRANSACTION READ ONLY".to_owned());
                all
            }
            Server::Standard { product: Product::Sqlite, .. } => texts(&["PRAGMA query_only = 1"]),
            Server::Standard { product: Product::Oracle, .. } => {
                texts(&["ALTER SESSION SET NLS_NUMERIC_CHARACTERS = '.,' NLS_DATE_FORMAT = 'YYYY-MM-DD HH24:MI:SS' \
                 NLS_TIMESTAMP_FORMAT = 'YYYY-MM-DD HH24:MI:SS.FF6' NLS_COMP = 'BINARY' NLS_SORT = 'BINARY' TIME_ZONE = '+00:00'"])
            }
            Server::Standard { product: Product::SqlServer, .. } => texts(&["SET DATEFORMAT ymd", "SET ANSI_NULLS ON"]),
            Server::Standard { product: Product::Hana | Product::Db2 | Product::Ansi, .. } => Vec::new(),
        }
    }

    /// Asks for the number by which another connection can stop what runs on this one.
    pub fn own_number(self) -> Option<&'static str> {
        match self {
            Server::Postgres => Some("SELECT pg_backend_pid()"),
            Server::Mysql { .. } => Some("SELECT CONNECTION_ID()"),
            Server::Standard { .. } => None,
        }
    }

    /// Stops what runs on the connection of that number.
    pub fn stop(self, number: u64) -> Option<String> {
        match self {
            Server::Postgres => Some(format!("SELECT pg_cancel_backend({number})")),
            Server::Mysql { .. } => Some(format!("KILL QUERY {number}")),
            Server::Standard { .. } => None,
        }
    }

    /// Asks what the last statement warned of: level, number, message.
    pub fn warnings(self) -> Option<&'static str> {
        matches!(self, Server::Mysql { .. }).then_some("SHOW WARNINGS")
    }

    /// Schemas that are the system's own.
    pub fn system_schemas(self) -> &'static [&'static str] {
        match self {
            Server::Postgres => &["pg_catalog", "information_schema", "pg_toast"],
            Server::Mysql { .. } => &["mysql", "information_schema", "performance_schema", "sys"],
            Server::Standard { product, .. } => match product {
                Product::Sqlite | Product::Ansi => &["INFORMATION_SCHEMA"],
                Product::SqlServer => &["sys", "INFORMATION_SCHEMA"],
                Product::Oracle => {
                    &["SYS", "SYSTEM", "CTXSYS", "MDSYS", "OLAPSYS", "ORDSYS", "WMSYS", "XDB", "LBACSYS", "GSMADMIN_INTERNAL"]
                }
                Product::Hana => &["SYS", "_SYS_STATISTICS", "_SYS_REPO", "_SYS_BIC", "_SYS_BI", "_SYS_TASK"],
                Product::Db2 => &["SYSIBM", "SYSCAT", "SYSSTAT", "SYSTOOLS", "SYSFUN", "SYSPROC", "SYSIBMADM"],
            },
        }
    }

    /// Whether what SQL calls a schema is the catalogue to the driver.
    pub fn schema_is_catalog(self) -> bool {
        matches!(self, Server::Mysql { .. })
    }

    /// Whether texts travel as UTF-8 and not as UTF-16, of which the driver of SQLite does not know every character.
    pub fn is_utf8(self) -> bool {
        self.is_flat()
    }

    /// Whether tables have a name of one part.
    pub fn is_flat(self) -> bool {
        matches!(self, Server::Standard { product: Product::Sqlite, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_told_by_their_drivers_answers() {
        assert_eq!(Server::of("PostgreSQL", Some('"')), Server::Postgres);
        assert_eq!(Server::of("MariaDB", Some('`')), Server::Mysql { mariadb: true });
        assert_eq!(Server::of("MySQL", Some('`')), Server::Mysql { mariadb: false });
        let product = |name| match Server::of(name, Some('"')) {
            Server::Standard { product, .. } => Some(product),
            Server::Postgres | Server::Mysql { .. } => None,
        };
        assert_eq!(product("SQLite"), Some(Product::Sqlite));
        assert_eq!(product("Microsoft SQL Server"), Some(Product::SqlServer));
        assert_eq!(product("Oracle"), Some(Product::Oracle));
        assert_eq!(product("HDB"), Some(Product::Hana));
        assert_eq!(product("DB2/LINUXX8664"), Some(Product::Db2));
        assert_eq!(product("ACCESS"), Some(Product::Ansi));
        assert_eq!(Server::of("FOO", Some(' ')), Server::Standard { product: Product::Ansi, quote: '"' });
    }
}
