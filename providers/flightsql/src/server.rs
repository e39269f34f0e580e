//! Which SQL a server speaks, by what it says of itself. It must not know queries.

use crate::capabilities;
use crate::client::Client;
use crate::config::Speaks;
use crate::rows;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::UInt32Type;
use arrow_flight::sql::{CommandGetSqlInfo, SqlInfo};
use portico_provider_api::{Capabilities, Patience, SourceError, SourceErrorKind};
use portico_provider_sql::{DATAFUSION, Dialect, STANDARD};

/// The name that a gateway like this one gives itself.
const PORTICO: &str = "Portico";
/// The catalog and the schema in which such a gateway publishes its virtual tables.
const PORTICO_CATALOG: &str = "portico";
const PORTICO_SCHEMA: &str = "public";

/// What is known of a server.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// How its SQL is spelt.
    pub dialect: Dialect,
    /// Whether it is a gateway like this one.
    pub is_gateway: bool,
    /// Whether it cancels an answer when it is told to; a dropped stream it ends in any case.
    pub cancels: bool,
}

impl Server {
    /// What the setting says, unless it leaves that to the server.
    pub fn of_setting(speaks: Speaks) -> Option<Server> {
        match speaks {
            Speaks::Auto => None,
            Speaks::Portico => Some(Server { dialect: DATAFUSION, is_gateway: true, cancels: false }),
            Speaks::Standard => Some(Server { dialect: STANDARD, is_gateway: false, cancels: false }),
        }
    }

    /// Asks the server what it is. One that does not say is not known.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn ask(client: &Client, patience: Patience) -> Result<Server, SourceError> {
        let wanted = [SqlInfo::FlightSqlServerName, SqlInfo::SqlIdentifierQuoteChar, SqlInfo::FlightSqlServerCancel]
            .map(|info| info as u32)
            .to_vec();
        let said = rows::listing(client, &CommandGetSqlInfo { info: wanted }, patience).await;
        let batches = match said {
            Ok(batches) => batches,
            Err(error) if error.kind == SourceErrorKind::Unsupported => Vec::new(),
            Err(error) => return Err(error),
        };
        let text = |info: SqlInfo| batches.iter().find_map(|batch| text(batch, info as u32));
        let cancels = batches.iter().any(|batch| truth(batch, SqlInfo::FlightSqlServerCancel as u32) == Some(true));
        if text(SqlInfo::FlightSqlServerName).as_deref() == Some(PORTICO) {
            return Ok(Server { dialect: DATAFUSION, is_gateway: true, cancels });
        }
        let quote = text(SqlInfo::SqlIdentifierQuoteChar).and_then(|quote| quote.chars().next()).filter(|quote| "\"`".contains(*quote));
        Ok(Server { dialect: Dialect { quote: quote.unwrap_or(STANDARD.quote), ..STANDARD }, is_gateway: false, cancels })
    }

    /// What it evaluates.
    pub fn capabilities(&self) -> Capabilities {
        if self.is_gateway { capabilities::of_gateway() } else { capabilities::of_any() }
    }

    /// The catalog whose tables are named without it.
    pub fn own_catalog(&self) -> Option<&'static str> {
        self.is_gateway.then_some(PORTICO_CATALOG)
    }

    /// The schema whose tables are published, and may be named without it.
    pub fn own_schema(&self) -> Option<&'static str> {
        self.is_gateway.then_some(PORTICO_SCHEMA)
    }
}

/// One piece of information, if it is there: an array of it alone.
fn piece(batch: &RecordBatch, info: u32) -> Option<ArrayRef> {
    let names: &UInt32Array = batch.column_by_name("info_name")?.as_primitive_opt::<UInt32Type>()?;
    let values = batch.column_by_name("value")?.as_union_opt()?;
    let row = names.iter().position(|name| name == Some(info))?;
    Some(values.value(row))
}

/// A piece of information that is text.
fn text(batch: &RecordBatch, info: u32) -> Option<String> {
    let value = piece(batch, info)?;
    let texts = value.as_string_opt::<i32>()?;
    (texts.len() == 1 && texts.is_valid(0)).then(|| texts.value(0).to_owned())
}

/// A piece of information that is true or false.
fn truth(batch: &RecordBatch, info: u32) -> Option<bool> {
    let value = piece(batch, info)?;
    let truths = value.as_boolean_opt()?;
    (truths.len() == 1 && truths.is_valid(0)).then(|| truths.value(0))
}
