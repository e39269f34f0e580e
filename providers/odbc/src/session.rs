//! One connection: how it is opened and set up, statements on it, and what the driver says of tables. Every call blocks. It must not know
//! pools, the IR or Arrow.

use crate::config::{OdbcConfig, has_attribute};
use crate::errors::Failure;
use crate::server::Server;
use odbc_api::handles::StatementImpl;
use odbc_api::parameter::{InputParameter, VarBinaryBox, VarCharBox, VarWCharBox};
use odbc_api::{Connection, ConnectionOptions, Cursor, CursorImpl, IntoParameter};
use portico_provider_api::Value;
use portico_provider_api::value::Float;
use std::borrow::Cow;
use std::time::Duration;

/// A row of an answer that is small and read as text.
pub type TextRow = Vec<Option<String>>;

/// How long a connection may take to be made at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that is set up.
pub struct Session {
    connection: Connection<'static>,
    /// What is at its other end.
    pub server: Server,
    /// By which another connection stops what runs on this one.
    pub number: Option<u64>,
    /// Whether the driver manager hands the lower half of each UTF-16 unit to a driver that takes bytes: see [`Session::spelt`].
    halves: bool,
}

impl From<odbc_api::Error> for Failure {
    fn from(error: odbc_api::Error) -> Failure {
        Failure::of(&error)
    }
}

/// Connects with attributes of ours, and without them where the driver is another one than the usual and refuses them.
fn connect_as(config: &OdbcConfig, server: Server, left: Duration) -> Result<Connection<'static>, Failure> {
    let ours = attributes(config, server);
    match connect(config, &ours, left) {
        Err(failure) if failure.is_of_attributes() && !ours.is_empty() => connect(config, "", left),
        other => other,
    }
}

fn connect(config: &OdbcConfig, more: &str, left: Duration) -> Result<Connection<'static>, Failure> {
    let seconds = u32::try_from(left.min(CONNECT_TIMEOUT).as_secs().max(1)).unwrap_or(1);
    let options = ConnectionOptions { login_timeout_sec: Some(seconds), packet_size: None };
    Ok(odbc_api::environment()?.connect_with_connection_string(&config.connection_string(more), options)?)
}

/// The attributes of ours that the connection string does not have already.
fn attributes(config: &OdbcConfig, server: Server) -> String {
    let missing = server.attributes().iter().filter(|(key, _)| !has_attribute(config.connection.reveal(), key));
    missing.map(|(key, value)| format!("{key}={value};")).collect()
}

impl Session {
    /// Connects and sets up. What the server is need not be known yet: then the driver is asked, and where it needs attributes of ours, it is
    /// connected to again.
    ///
    /// # Errors
    /// When the data source cannot be reached, or rejects the credentials.
    pub fn open(config: &OdbcConfig, known: Option<Server>, left: Duration) -> Result<Session, Failure> {
        let (mut connection, server) = match known {
            Some(server) => (connect_as(config, server, left)?, server),
            None => {
                let connection = connect(config, "", left)?;
                let quote = connection.identifier_quote_char().ok().flatten();
                let server = Server::of(&connection.database_management_system_name()?, quote);
                (connection, server)
            }
        };
        if known.is_none() && !attributes(config, server).is_empty() {
            drop(connection);
            connection = connect_as(config, server, left)?;
        }
        let mut session = Session { connection, server, number: None, halves: false };
        if server.is_utf8() {
            // What the driver manager makes of UTF-16 for such a driver depends on the locale of the process.
            match session.rows("SELECT hex('é')")?.first().and_then(|row| row.first().cloned().flatten()).as_deref() {
                Some("C3A9") => {}
                Some("E9") => session.halves = true,
                _ => return Err(Failure::of_locale()),
            }
        }
        for text in server.setup() {
            session.run(&text)?;
        }
        if let Some(text) = server.own_number() {
            let rows = session.rows(text)?;
            session.number = rows.into_iter().next().and_then(|row| row.into_iter().next()?).and_then(|text| text.trim().parse().ok());
        }
        Ok(session)
    }

    /// Stops what runs on the connection of that number, from a connection of its own.
    ///
    /// # Errors
    /// When the database cannot be told.
    pub fn stop(config: &OdbcConfig, server: Server, number: u64) -> Result<(), Failure> {
        let Some(text) = server.stop(number) else { return Ok(()) };
        let connection = connect_as(config, server, CONNECT_TIMEOUT)?;
        Session { connection, server, number: None, halves: false }.run(&text)
    }

    /// Runs a statement whose answer does not matter.
    ///
    /// # Errors
    /// What the driver says.
    pub fn run(&self, text: &str) -> Result<(), Failure> {
        self.connection.execute(&self.spelt(text), (), None)?;
        Ok(())
    }

    /// Runs a query and returns all rows.
    ///
    /// # Errors
    /// What the driver says.
    pub fn rows(&self, text: &str) -> Result<Vec<TextRow>, Failure> {
        match self.connection.execute(&self.spelt(text), (), None)? {
            Some(cursor) => self.text_rows(cursor),
            None => Ok(Vec::new()),
        }
    }

    /// Starts a query with values for its placeholders.
    ///
    /// # Errors
    /// What the driver says.
    pub fn query(&self, text: &str, values: &[Value], left: Duration) -> Result<Option<CursorImpl<StatementImpl<'_>>>, Failure> {
        let mut statement = self.connection.preallocate()?;
        let text = &*self.spelt(text);
        // Not every driver has it. The deadline is kept here as well.
        if statement.set_query_timeout_sec(usize::try_from(left.as_secs().saturating_add(1)).unwrap_or(usize::MAX)).is_err() {
            tracing::trace!("the driver knows no time limit for statements");
        }
        let parameters: Vec<Box<dyn InputParameter>> = values.iter().map(|value| parameter(value, self.server)).collect();
        Ok(match parameters.as_slice() {
            [] => statement.into_cursor(text, ())?,
            bound => statement.into_cursor(text, bound)?,
        })
    }

    /// A text as the driver manager must be given it for the driver to be given UTF-8: where it hands on halves of UTF-16 units, each byte is
    /// a unit.
    fn spelt<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.halves && !text.is_ascii() { Cow::Owned(text.bytes().map(char::from).collect()) } else { Cow::Borrowed(text) }
    }

    /// All rows of a small answer.
    fn text_rows(&self, mut cursor: impl Cursor) -> Result<Vec<TextRow>, Failure> {
        let count = u16::try_from(cursor.num_result_cols()?).unwrap_or(0);
        let (mut rows, mut wide, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(mut row) = cursor.next_row()? {
            let mut cells = Vec::with_capacity(usize::from(count));
            for at in 1..=count {
                cells.push(match self.server.is_utf8() {
                    true => row.get_text(at, &mut bytes)?.then(|| String::from_utf8_lossy(&bytes).into_owned()),
                    false => row.get_wide_text(at, &mut wide)?.then(|| String::from_utf16_lossy(&wide)),
                });
            }
            rows.push(cells);
        }
        Ok(rows)
    }

    /// `SQLTables`: catalogue, schema, name, kind, remark.
    ///
    /// # Errors
    /// What the driver says.
    pub fn tables(&self, catalog: &str, schema: &str, table: &str) -> Result<Vec<TextRow>, Failure> {
        self.text_rows(self.connection.preallocate()?.into_tables_cursor(catalog, schema, &self.spelt(table), "")?)
    }

    /// `SQLColumns`.
    ///
    /// # Errors
    /// What the driver says.
    pub fn columns(&self, catalog: &str, schema: &str, table: &str) -> Result<Vec<TextRow>, Failure> {
        self.text_rows(self.connection.preallocate()?.columns_cursor(catalog, schema, &self.spelt(table), "")?)
    }

    /// `SQLPrimaryKeys`.
    ///
    /// # Errors
    /// What the driver says.
    pub fn primary_keys(&self, catalog: Option<&str>, schema: Option<&str>, table: &str) -> Result<Vec<TextRow>, Failure> {
        self.text_rows(self.connection.preallocate()?.primary_keys_cursor(catalog, schema, &self.spelt(table))?)
    }

    /// `SQLForeignKeys`: those of a table, to others.
    ///
    /// # Errors
    /// What the driver says.
    pub fn foreign_keys(&self, catalog: &str, schema: &str, table: &str) -> Result<Vec<TextRow>, Failure> {
        self.text_rows(self.connection.preallocate()?.foreign_keys_cursor("", "", "", catalog, schema, &self.spelt(table))?)
    }

    /// The catalogue that is connected to, where there can be others.
    ///
    /// # Errors
    /// What the driver says.
    pub fn catalog(&self) -> Result<Option<String>, Failure> {
        Ok(match self.server {
            Server::Mysql { .. } => self.rows("SELECT DATABASE()")?.into_iter().next().and_then(|row| row.into_iter().next()?),
            // A connection sees one database. Its driver cuts the name.
            Server::Postgres => None,
            Server::Standard { .. } => self.connection.current_catalog().ok(),
        }
        .filter(|name| !name.is_empty() && !name.contains('\0')))
    }
}

/// A value as it is bound: whole numbers, doubles and bytes as such, everything else as text.
fn parameter(value: &Value, server: Server) -> Box<dyn InputParameter> {
    match value {
        Value::Text(text) | Value::Guid(text) | Value::Json(text) if server.is_utf8() => Box::new(VarCharBox::from_string(text.clone())),
        Value::Null(_) => Box::new(VarWCharBox::null()),
        Value::Boolean(value) => Box::new(i64::from(*value).into_parameter()),
        Value::Int16(value) => Box::new(i64::from(*value).into_parameter()),
        Value::Int32(value) | Value::Date(value) => Box::new(i64::from(*value).into_parameter()),
        Value::Int64(value) | Value::Time(value) | Value::Timestamp(value) | Value::TimestampTz(value) => {
            Box::new((*value).into_parameter())
        }
        Value::Float32(Float(value)) | Value::Float64(Float(value)) => Box::new((*value).into_parameter()),
        Value::Decimal { unscaled, scale, .. } => {
            Box::new(VarWCharBox::from_str_slice(&portico_provider_sql::format_decimal(*unscaled, *scale)))
        }
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => Box::new(VarWCharBox::from_str_slice(text)),
        Value::Binary(bytes) => Box::new(VarBinaryBox::from_vec(bytes.clone())),
    }
}
