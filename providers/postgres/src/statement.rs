//! One statement: its text and values, how it is started, and its answer part by part. It must not know pools, nor how a connection is given
//! back.

use crate::encode::Bound;
use bytes::Bytes;
use deadpool_postgres::Object;
use futures::TryStreamExt;
use std::pin::Pin;
use tokio_postgres::types::Type;
use tokio_postgres::{CopyOutStream, Row, RowStream, Statement};

/// Text and bound values of one statement, and how its rows come.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// SQL with `$n` placeholders.
    pub text: String,
    /// The value of each placeholder.
    pub parameters: Vec<Bound>,
    /// Whether the rows come as a binary COPY of the statement, which must then have no parameters: COPY takes none.
    pub copied: bool,
}

/// A part of an answer as it comes.
pub enum Part {
    /// A row.
    Row(Row),
    /// Some bytes of a binary COPY.
    Copied(Bytes),
}

/// An answer under way.
pub enum Answer {
    /// Row by row.
    Rows(Pin<Box<RowStream>>),
    /// A binary COPY.
    Copy(Pin<Box<CopyOutStream>>),
}

impl Answer {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// What the server says.
    pub async fn next(&mut self) -> Result<Option<Part>, tokio_postgres::Error> {
        Ok(match self {
            Answer::Rows(rows) => rows.try_next().await?.map(Part::Row),
            Answer::Copy(copy) => copy.try_next().await?.map(Part::Copied),
        })
    }
}

/// Starts a statement with its parameters. It stays prepared on the connection, unless it is asked only once.
///
/// # Errors
/// What the server says.
pub async fn run(object: &Object, request: &Request, once: bool) -> Result<(Vec<Type>, Answer), tokio_postgres::Error> {
    let statement = if once { object.prepare(&request.text).await? } else { object.prepare_cached(&request.text).await? };
    let rows = object.query_raw(&statement, &request.parameters).await?;
    Ok((types(&statement), Answer::Rows(Box::pin(rows))))
}

/// Starts a binary COPY. It does not say which types its columns have, so the statement inside is described first, anew each time: that
/// locks its tables until the end of the transaction, and no type can change in between.
///
/// # Errors
/// What the server says.
pub async fn copy(object: &Object, request: &Request) -> Result<(Vec<Type>, Answer), tokio_postgres::Error> {
    let text = format!("COPY ({}) TO STDOUT (FORMAT BINARY)", request.text);
    let (described, copy) = futures::join!(object.prepare(&request.text), object.prepare(&text));
    let (types, copy) = (types(&described?), copy?);
    Ok((types, Answer::Copy(Box::pin(object.copy_out(&copy).await?))))
}

/// The types of a statement's columns.
pub fn types(statement: &Statement) -> Vec<Type> {
    statement.columns().iter().map(|column| column.type_().clone()).collect()
}
