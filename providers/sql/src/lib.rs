//! Shared and pure: [`SourceQuery`](portico_provider_api::SourceQuery) and [`Change`](portico_provider_api::Change) in, SQL text and
//! typed parameters out, per dialect. It does no IO and must not know any driver, connection or catalogue.
//!
//! - [`select`], [`change`] and [`invoke`] translate; [`Dialect`] is data and says how each thing is spelt.
//! - [`encode`] and [`decode`] move values between their declared type and the form in which a column holds them.
//!
//! Literals never appear in the text: they are always parameters, which [`with_literals`] writes out for servers that take none. Whatever
//! cannot be said exactly is refused.

mod aggregate;
mod casts;
mod change;
mod civil;
mod codec;
mod compare;
mod datafusion;
mod datafusion_codec;
mod decimal;
mod decimals;
mod dialect;
mod expr;
mod from;
mod functions;
mod keys;
mod literals;
mod mysql;
mod mysql_aggregate;
mod mysql_compare;
mod mysql_limits;
mod odbc;
mod operation;
mod pages;
mod product;
mod scope;
mod select;
mod shared;
mod standard;
mod statement;
mod window;

pub use change::{ChangePlan, change, resolve_references, stored_row};
pub use civil::{
    civil_from_days, days_from_civil, format_date, format_time, format_timestamp, parse_date, parse_time, parse_timestamp,
    parse_timestamp_tz,
};
pub use codec::{Stored, decode, encode, stored_type};
pub use decimal::{Digits, format_decimal, parse_decimal, rescale};
pub use dialect::{DATAFUSION, Dialect, Family, KeyStyle, MARIADB, MYSQL, POSTGRES, Placeholder, SQLITE, STANDARD};
pub use literals::with_literals;
pub use mysql::{SORTED_BYTES, ZERO_IS_NULL};
pub use odbc::{ODBC_MYSQL, ODBC_POSTGRES};
pub use operation::invoke;
pub use pages::{PageRange, is_split_by_pages};
pub use product::{Carried, DB2, HANA, ORACLE, Product, SQL_SERVER, SQLITE_PLAIN, ansi, from_hex};
pub use select::{select, select_pages};
pub use statement::{Parameter, ResultColumn, Statement, TranslateError};
