//! Source queries to statements. Pure. The text comes from the shared SQL crate; what is this kind's own is here. It must not know
//! connections.

use crate::capabilities;
use crate::decode::Reading;
use crate::server::Server;
use portico_provider_api::walk::visit_tables;
use portico_provider_api::{NativeRequest, SourceError, SourceErrorKind, SourceQuery, Value};
use portico_provider_sql::{Parameter, Product, ResultColumn, select};

/// A statement ready to be sent, and what its columns must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated {
    /// SQL with `?` placeholders.
    pub text: String,
    /// The value of each placeholder.
    pub parameters: Vec<Value>,
    /// The columns of the answer, and how each is read.
    pub columns: Vec<(ResultColumn, Reading)>,
    /// Whether the database may find a stored form that is not what it should be, which MySQL only warns of.
    pub strict: bool,
}

impl Translated {
    /// The statement as EXPLAIN and logs show it.
    pub fn native_request(&self) -> NativeRequest {
        NativeRequest { language: "sql".to_owned(), text: self.text.clone(), parameters: self.parameters.len() }
    }
}

/// Translates a query that lies within the capabilities.
///
/// # Errors
/// `Unsupported`, naming what does not; `Data` for a value that cannot be sent.
pub fn query(server: Server, source_name: &str, query: &SourceQuery) -> Result<Translated, SourceError> {
    let unsupported = |message: String| crate::error(source_name, SourceErrorKind::Unsupported, message);
    capabilities::for_query(server, query).check(query).map_err(|error| unsupported(error.to_string()))?;
    let statement = select(query, &server.dialect()).map_err(|error| unsupported(error.to_string()))?;
    let mut parameters = Vec::with_capacity(statement.parameters.len());
    for parameter in statement.parameters {
        let Parameter::Value(value) = parameter else { return Err(unsupported("arrays are not supported by this source".to_owned())) };
        // Drivers that take texts for what ends at NUL would send a part of it.
        let cut = matches!(&value, Value::Text(text) if text.contains('\0'));
        if cut && !matches!(server, Server::Mysql { .. }) {
            let message = "a text with the character U+0000 cannot be sent to this source";
            return Err(crate::error(source_name, SourceErrorKind::Data, message));
        }
        parameters.push(value);
    }
    let columns = statement.columns.into_iter().map(|column| {
        let reading = Reading::of(server, &column);
        (column, reading)
    });
    let mut strict = false;
    visit_tables(query, &mut |table| strict |= table.columns.iter().any(|column| column.codec.is_some()));
    Ok(Translated { text: statement.text, parameters, columns: columns.collect(), strict })
}

/// Whether the server says how each value is stored.
pub fn is_carried(server: Server) -> bool {
    matches!(server, Server::Standard { product: Product::Sqlite, .. })
}
