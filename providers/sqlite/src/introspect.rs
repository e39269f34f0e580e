//! What the database has, from SQLite's own catalogue. It must not know virtual tables.

use crate::declared::declared;
use portico_provider_api::{ForeignKey, RemoteColumn, RemoteTable, RemoteTableName, Selection};
use portico_provider_sql::SQLITE;
use rusqlite::{Connection, OptionalExtension, Result};

struct Entry {
    name: String,
    is_table: bool,
    without_rowid: bool,
}

struct Column {
    remote: RemoteColumn,
    /// Position in the primary key, from 1; 0 outside of it.
    key: i64,
}

/// The version of the whole schema, and the wanted tables.
pub(crate) fn schema(connection: &mut Connection, wanted: &Selection, read_only: bool) -> Result<(String, Vec<RemoteTable>)> {
    // One transaction, so that all pragmas see one schema.
    let connection = connection.transaction()?;
    let mut tables = Vec::new();
    for entry in entries(&connection)? {
        let name = RemoteTableName(vec![entry.name.clone()]);
        let is_wanted = wanted.tables().is_none_or(|names| names.contains(&name));
        if is_wanted {
            tables.push(table(&connection, &entry, name, read_only)?);
        }
    }
    Ok((version(&connection)?, tables))
}

fn entries(connection: &Connection) -> Result<Vec<Entry>> {
    let mut statement = connection.prepare(
        "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') \
         AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name",
    )?;
    let entries = statement.query_map([], |row| {
        let kind: String = row.get(1)?;
        Ok(Entry { name: row.get(0)?, is_table: kind == "table", without_rowid: row.get(2)? })
    })?;
    entries.collect()
}

/// FNV-1a over the text of the schema: the same in every process and version.
fn version(connection: &Connection) -> Result<String> {
    let mut statement = connection.prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name")?;
    let mut rows = statement.query([])?;
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    while let Some(row) = rows.next()? {
        for at in 0..3 {
            let text: String = row.get(at)?;
            for byte in text.bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    Ok(format!("{hash:016x}"))
}

fn table(connection: &Connection, entry: &Entry, name: RemoteTableName, read_only: bool) -> Result<RemoteTable> {
    let columns = columns(connection, entry)?;
    let mut key: Vec<_> = columns.iter().filter(|column| column.key > 0).map(|column| (column.key, column.remote.name.clone())).collect();
    key.sort();
    Ok(RemoteTable {
        name,
        description: None,
        primary_key: key.into_iter().map(|(_, name)| name).collect(),
        unique_keys: unique_keys(connection, &entry.name)?,
        foreign_keys: foreign_keys(connection, &entry.name)?,
        row_estimate: row_estimate(connection, entry)?,
        writable: entry.is_table && !read_only,
        row_version: None,
        columns: columns.into_iter().map(|column| column.remote).collect(),
    })
}

fn columns(connection: &Connection, entry: &Entry) -> Result<Vec<Column>> {
    let mut statement = connection
        .prepare("SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid")?;
    let mut rows = statement.query([&entry.name])?;
    let mut columns = Vec::new();
    while let Some(row) = rows.next()? {
        let hidden: i64 = row.get(5)?;
        // Hidden columns of virtual tables are arguments, not data.
        if hidden == 1 {
            continue;
        }
        let native_type: String = row.get(1)?;
        let meaning = declared(&native_type);
        let (not_null, key): (bool, i64) = (row.get(2)?, row.get(4)?);
        let remote = RemoteColumn {
            name: row.get(0)?,
            description: None,
            scalar_type: meaning.scalar_type,
            codec: meaning.codec,
            max_length: meaning.max_length,
            nullable: !(not_null || key > 0 && entry.without_rowid),
            has_default: row.get(3)?,
            generated: matches!(hidden, 2 | 3),
            native_type,
        };
        columns.push(Column { remote, key });
    }
    // The single column of an INTEGER PRIMARY KEY is the row's number: never null, and given when it is left out.
    let mut key = columns.iter_mut().filter(|column| column.key > 0);
    if let (Some(only), None) = (key.next(), key.next())
        && entry.is_table
        && !entry.without_rowid
        && only.remote.native_type.eq_ignore_ascii_case("INTEGER")
    {
        only.remote.nullable = false;
        only.remote.has_default = true;
    }
    Ok(columns)
}

fn unique_keys(connection: &Connection, table: &str) -> Result<Vec<Vec<String>>> {
    let mut statement = connection
        .prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 AND origin <> 'pk' AND partial = 0 ORDER BY name")?;
    let indexes = statement.query_map([table], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>>>()?;
    let mut keys = Vec::new();
    for index in indexes {
        let mut statement = connection.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
        let names = statement.query_map([&index], |row| row.get::<_, Option<String>>(0))?.collect::<Result<Vec<_>>>()?;
        // A part without a name is an expression.
        if let Some(names) = names.into_iter().collect::<Option<Vec<_>>>() {
            keys.push(names);
        }
    }
    Ok(keys)
}

fn primary_key(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE pk > 0 ORDER BY pk")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

fn foreign_keys(connection: &Connection, table: &str) -> Result<Vec<ForeignKey>> {
    let mut statement =
        connection.prepare("SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq")?;
    let mut rows = statement.query([table])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, references, from, to): (i64, String, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if keys.last().is_none_or(|(last, _)| *last != id) {
            // SQLite forgets the constraint's name.
            let name = format!("fk_{table}_{}", keys.len());
            let references = RemoteTableName(vec![references]);
            keys.push((id, ForeignKey { name, columns: Vec::new(), references, referenced_columns: Vec::new() }));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(from);
            key.referenced_columns.extend(to);
        }
    }
    for (_, key) in &mut keys {
        // Without target columns the primary key is meant.
        if key.referenced_columns.is_empty() {
            key.referenced_columns = primary_key(connection, key.references.table())?;
        }
    }
    // A reference to something that is not there cannot be followed.
    Ok(keys.into_iter().map(|(_, key)| key).filter(|key| key.columns.len() == key.referenced_columns.len()).collect())
}

/// What ANALYZE counted, else the greatest row number: both are read without visiting rows.
fn row_estimate(connection: &Connection, entry: &Entry) -> Result<Option<u64>> {
    if !entry.is_table {
        return Ok(None);
    }
    let analysed = connection.query_row("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'", [], |_| Ok(())).optional()?.is_some();
    if analysed {
        let counted: Option<String> = connection
            .query_row("SELECT stat FROM sqlite_stat1 WHERE tbl = ?1 AND stat IS NOT NULL LIMIT 1", [&entry.name], |row| row.get(0))
            .optional()?;
        if let Some(count) = counted.and_then(|stat| stat.split(' ').next()?.parse().ok()) {
            return Ok(Some(count));
        }
    }
    if entry.without_rowid {
        return Ok(None);
    }
    // A column of that name would be meant instead of the row's number; then there is no cheap estimate.
    let shadowed = "SELECT 1 FROM pragma_table_xinfo(?1) WHERE name = '_rowid_' COLLATE NOCASE";
    if connection.query_row(shadowed, [&entry.name], |_| Ok(())).optional()?.is_some() {
        return Ok(None);
    }
    let text = format!("SELECT max(_rowid_) FROM {}", SQLITE.identifier(&entry.name));
    let greatest: Option<i64> = connection.query_row(&text, [], |row| row.get(0))?;
    Ok(Some(greatest.map_or(0, |greatest| u64::try_from(greatest).unwrap_or(0))))
}
