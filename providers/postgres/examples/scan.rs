//! Reads a whole table and throws it away: rows, bytes and seconds of each round. What the way from the socket to Arrow costs, without
//! what follows it. It must not know how rows are decoded.
//!
//! `scan URL schema.table [rounds] [settings as JSON]`
#![allow(clippy::print_stdout, reason = "a program for people")]

use futures::TryStreamExt;
use portico_provider_api::{
    ConnectContext, QueryContext, RemoteTableName, Selection, SourceError, SourceQuery, TableColumn, TableRelation,
};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(table)) = (arguments.next(), arguments.next()) else {
        return Err("usage: scan URL schema.table [rounds] [settings as JSON]".into());
    };
    let rounds: u32 = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;
    let mut settings: serde_json::Value = arguments.next().map_or_else(|| Ok(serde_json::json!({})), |text| serde_json::from_str(&text))?;
    settings["url"] = url.into();
    let context = ConnectContext {
        source_name: "scanned".to_owned(),
        base_directory: ".".into(),
        max_connections: 8,
        timeout: Duration::from_secs(600),
        request_time: Duration::from_secs(600),
    };
    let source = (portico_provider_postgres::kind().connect)(settings, context)?;
    let name = RemoteTableName::parse(&table);
    let schema = source.remote_schema(&Selection::Tables(vec![name.clone()]), &QueryContext::default()).await?;
    let found = schema.table(&name).ok_or("there is no such table")?;
    let columns = found.columns.iter().map(|column| TableColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        native_type: Some(column.native_type.clone()),
    });
    let query = SourceQuery::scan(TableRelation { table: name, columns: columns.collect() });
    for _ in 0..rounds {
        let began = Instant::now();
        let (source, query) = (Arc::clone(&source), query.clone());
        // As a task, like a request.
        let report = tokio::spawn(async move {
            let mut stream = source.query(query, &QueryContext::default()).await?;
            while stream.try_next().await?.is_some() {}
            Ok::<_, SourceError>(stream.report())
        });
        let report = report.await??.ok_or("the answer is not complete")?;
        println!("{} rows, {} MB, {:.3} s", report.rows, report.bytes / 1_000_000, began.elapsed().as_secs_f64());
    }
    Ok(())
}
