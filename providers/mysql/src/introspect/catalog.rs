//! Asks the server's `information_schema` and reads the answers as plain rows. A handful of queries, whatever the number of tables.
//! It must not know what the rows mean for readers.

use crate::client::Client;
use crate::config::Publish;
use crate::errors::Failure;
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Params, Row, Value};
use portico_provider_api::{SourceError, SourceErrorKind};
use tokio::time::Instant;

/// Where a table is.
pub type Place = (String, String);

/// A table or view.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Relation {
    pub place: Place,
    /// `BASE TABLE`, `VIEW`, `SYSTEM VERSIONED`, …
    pub kind: String,
    /// Whether its storage engine has transactions; false for views.
    pub transactional: bool,
    pub estimate: Option<u64>,
    pub comment: String,
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    pub place: Place,
    pub name: String,
    /// `int`, `varchar`, …
    pub type_name: String,
    /// `int(10) unsigned`, …
    pub full_type: String,
    /// In characters or bytes.
    pub length: Option<u64>,
    pub precision: Option<u64>,
    pub scale: Option<u64>,
    pub collation: Option<String>,
    pub nullable: bool,
    pub default: Option<String>,
    /// `auto_increment`, `VIRTUAL GENERATED`, …
    pub extra: String,
    /// What the user may do with it: `select,insert,update,references`.
    pub privileges: String,
    pub comment: String,
    /// Whether the table checks that it is JSON, which is how MariaDB declares that type.
    pub is_json: bool,
}

/// One column of a primary key, unique key or foreign key, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyPart {
    pub place: Place,
    /// `PRIMARY` for a primary key.
    pub name: String,
    /// Absent for an expression.
    pub column: Option<String>,
    /// For a foreign key: the table and column referred to.
    pub references: Option<(Place, String)>,
}

/// What the catalog says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    pub relations: Vec<Relation>,
    pub columns: Vec<Column>,
    pub unique: Vec<KeyPart>,
    pub foreign: Vec<KeyPart>,
}

/// Which tables are described.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// All of the published databases.
    All,
    /// These.
    Places(Vec<Place>),
}

/// The condition on `TABLE_SCHEMA` and `TABLE_NAME`, with its parameters.
fn condition(publish: &Publish, wanted: &Wanted) -> (String, Vec<Value>) {
    let mut text = "TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')".to_owned();
    let mut parameters = Vec::new();
    if let Some(schemas) = &publish.schemas {
        text.push_str(&format!(" AND TABLE_SCHEMA IN ({})", vec!["?"; schemas.len()].join(", ")));
        parameters.extend(schemas.iter().map(Value::from));
    }
    match wanted {
        Wanted::All => {}
        Wanted::Places(places) if places.is_empty() => text.push_str(" AND FALSE"),
        Wanted::Places(places) => {
            text.push_str(&format!(" AND (TABLE_SCHEMA, TABLE_NAME) IN ({})", vec!["(?, ?)"; places.len()].join(", ")));
            parameters.extend(places.iter().flat_map(|(schema, table)| [Value::from(schema), Value::from(table)]));
        }
    }
    (text, parameters)
}

/// Reads the catalog.
///
/// # Errors
/// When the server cannot be asked before the deadline.
pub async fn read(client: &Client, publish: &Publish, wanted: &Wanted, deadline: Instant) -> Result<Catalog, SourceError> {
    for last in [false, true] {
        let mut lease = client.lease(deadline).await?;
        lease.begin();
        let (condition, parameters) = condition(publish, wanted);
        let run = async {
            let session = lease.session()?;
            session.limit_time(deadline.saturating_duration_since(Instant::now())).await?;
            let mariadb = session.server.mariadb;
            read_from(&mut session.conn, mariadb, &condition, &Params::Positional(parameters)).await
        };
        match tokio::time::timeout_at(deadline, run).await {
            Err(_) => return Err(client.timeout_error("the server did not describe its tables before the deadline")),
            Ok(Ok(catalog)) => {
                lease.release();
                return Ok(catalog);
            }
            Ok(Err(failure)) => {
                lease.discard();
                if last || !client.drop_broken(&failure) {
                    return Err(failure.describe(client.source_name()));
                }
            }
        }
    }
    Err(client.error(SourceErrorKind::Unavailable, "the server did not describe its tables"))
}

async fn rows<T: Send>(
    conn: &mut Conn,
    sql: String,
    parameters: &Params,
    read: impl Fn(&Row) -> Option<T> + Send + Sync,
) -> Result<Vec<T>, Failure> {
    let found: Vec<Row> = conn
        .exec(sql, if matches!(parameters, Params::Positional(list) if list.is_empty()) { Params::Empty } else { parameters.clone() })
        .await?;
    found.iter().map(|row| read(row).ok_or(Failure::Unreadable)).collect()
}

fn cell<T: mysql_async::prelude::FromValue>(row: &Row, at: usize) -> Option<T> {
    row.get_opt::<T, usize>(at)?.ok()
}

fn place(row: &Row) -> Option<Place> {
    Some((cell(row, 0)?, cell(row, 1)?))
}

async fn read_from(conn: &mut Conn, mariadb: bool, condition: &str, parameters: &Params) -> Result<Catalog, Failure> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_ROWS, TABLE_COMMENT, \
            EXISTS (SELECT 1 FROM information_schema.ENGINES e WHERE e.ENGINE = t.ENGINE AND e.TRANSACTIONS = 'YES') \
         FROM information_schema.TABLES t WHERE TABLE_TYPE <> 'SEQUENCE' AND {condition} ORDER BY TABLE_SCHEMA, TABLE_NAME"
    );
    let relations = rows(conn, sql, parameters, |row| {
        Some(Relation {
            place: place(row)?,
            kind: cell(row, 2)?,
            estimate: cell(row, 3)?,
            comment: cell::<Option<String>>(row, 4)?.unwrap_or_default(),
            transactional: cell(row, 5)?,
        })
    });
    let relations = relations.await?;
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, \
            COLLATION_NAME, IS_NULLABLE = 'YES', COLUMN_DEFAULT, EXTRA, PRIVILEGES, COLUMN_COMMENT \
         FROM information_schema.COLUMNS WHERE {condition} ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
    );
    let mut columns = rows(conn, sql, parameters, column).await?;
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS \
         WHERE NON_UNIQUE = 0 AND {condition} ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
    );
    let unique = rows(conn, sql, parameters, |row| {
        Some(KeyPart { place: place(row)?, name: cell(row, 2)?, column: cell(row, 3)?, references: None })
    });
    let unique = unique.await?;
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME \
         FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL AND {condition} \
         ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION"
    );
    let foreign = rows(conn, sql, parameters, |row| {
        let references = Some(((cell(row, 4)?, cell(row, 5)?), cell(row, 6)?));
        Some(KeyPart { place: place(row)?, name: cell(row, 2)?, column: cell(row, 3)?, references })
    });
    let foreign = foreign.await?;
    if mariadb {
        mark_json(conn, condition, parameters, &mut columns).await?;
    }
    Ok(Catalog { relations, columns, unique, foreign })
}

fn column(row: &Row) -> Option<Column> {
    Some(Column {
        place: place(row)?,
        name: cell(row, 2)?,
        type_name: cell::<String>(row, 3)?.to_ascii_lowercase(),
        full_type: cell::<String>(row, 4)?.to_ascii_lowercase(),
        length: cell(row, 5)?,
        precision: cell(row, 6)?,
        scale: cell(row, 7)?,
        collation: cell(row, 8)?,
        nullable: cell(row, 9)?,
        default: cell(row, 10)?,
        extra: cell::<Option<String>>(row, 11)?.unwrap_or_default(),
        privileges: cell::<Option<String>>(row, 12)?.unwrap_or_default(),
        comment: cell::<Option<String>>(row, 13)?.unwrap_or_default(),
        is_json: false,
    })
}

/// MariaDB's `JSON` is `LONGTEXT` with a check.
async fn mark_json(conn: &mut Conn, condition: &str, parameters: &Params, columns: &mut [Column]) -> Result<(), Failure> {
    let condition = condition.replace("TABLE_SCHEMA", "CONSTRAINT_SCHEMA");
    let sql = format!(
        "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
         WHERE CHECK_CLAUSE LIKE 'json_valid(%)' AND {condition}"
    );
    let checks: Vec<(Place, String)> = rows(conn, sql, parameters, |row| Some((place(row)?, cell(row, 2)?))).await?;
    for column in columns {
        let check = format!("json_valid(`{}`)", column.name.replace('`', "``"));
        column.is_json = checks.iter().any(|(place, clause)| *place == column.place && *clause == check);
    }
    Ok(())
}

/// The columns of an index, in order; a table without database is in the session's own.
///
/// # Errors
/// When the server cannot be asked.
pub async fn index_columns(conn: &mut Conn, table: &[String], index: &str) -> Result<Vec<String>, Failure> {
    let (schema, table) = schema_and_table(table);
    let sql = "SELECT COLUMN_NAME FROM information_schema.STATISTICS \
        WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ? AND INDEX_NAME = ? AND COLUMN_NAME IS NOT NULL ORDER BY SEQ_IN_INDEX";
    Ok(conn.exec(sql, (schema, table, index)).await?)
}

/// A column of a table's primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryColumn {
    pub name: String,
    /// Whether the server numbers it.
    pub numbered: bool,
}

impl FromRow for PrimaryColumn {
    fn from_row_opt(row: Row) -> Result<Self, mysql_async::FromRowError> {
        let (name, numbered) = <(String, bool)>::from_row_opt(row)?;
        Ok(PrimaryColumn { name, numbered })
    }
}

/// The primary key of a table.
///
/// # Errors
/// When the server cannot be asked.
pub async fn primary_key(conn: &mut Conn, table: &[String]) -> Result<Vec<PrimaryColumn>, Failure> {
    let (schema, table) = schema_and_table(table);
    let sql = "SELECT COLUMN_NAME, EXTRA LIKE '%auto_increment%' FROM information_schema.COLUMNS \
        WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ? AND COLUMN_KEY = 'PRI' ORDER BY ORDINAL_POSITION";
    Ok(conn.exec(sql, (schema, table)).await?)
}

fn schema_and_table(name: &[String]) -> (Option<&str>, &str) {
    match name {
        [schema, table] => (Some(schema), table),
        [table] => (None, table),
        _ => (None, ""),
    }
}
