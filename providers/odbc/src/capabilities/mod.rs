//! What each product evaluates exactly as the IR means it when it is asked through ODBC, as data. It must not know connections.

mod full;
mod standard;

use crate::introspect::types;
use crate::server::Server;
use portico_provider_api::capabilities::ColumnCapabilities;
use portico_provider_api::walk::visit_tables;
use portico_provider_api::{Capabilities, SourceQuery};
use std::collections::BTreeMap;

/// What every table supports.
pub fn capabilities(server: Server) -> Capabilities {
    match server {
        Server::Postgres => full::postgres(),
        Server::Mysql { .. } => full::mysql(),
        Server::Standard { product, .. } => standard::of(product),
    }
}

/// The restrictions of single columns, from their native types.
pub fn column_overrides<'a>(server: Server, columns: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, ColumnCapabilities> {
    columns.filter_map(|(name, native_type)| Some((name.to_owned(), types::restriction(server, native_type)?))).collect()
}

/// What the tables of a query support, from the query alone: the same restrictions that introspection reports.
pub fn for_query(server: Server, query: &SourceQuery) -> Capabilities {
    let mut capabilities = capabilities(server);
    visit_tables(query, &mut |table| {
        let named = table.columns.iter().filter_map(|column| Some((column.name.as_str(), column.native_type.as_deref()?)));
        let columns = column_overrides(server, named);
        if !columns.is_empty() {
            // A table may be read twice, with other columns each time.
            capabilities.tables.entry(table.table.to_string()).or_default().columns.extend(columns);
        }
    });
    capabilities
}
