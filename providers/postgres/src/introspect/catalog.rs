//! Asks PostgreSQL's own catalog (`pg_catalog`: `information_schema` is slow and leaves half of it out) and reads the answers as
//! plain rows. Five queries, whatever the number of tables and functions. It must not know what the rows mean for readers.

use crate::client::{Client, milliseconds_until};
use crate::errors::{BrokenConstraint, Failure};
use crate::introspect::routines::{self, Part, Routine};
use portico_provider_api::SourceError;
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// Which relations are meant: `$1` schemas or null, `$2` and `$3` pairs of schema and table, or nulls. A table named without
/// schema is the one that the search path finds. A partition is a part of its table: it is described only when it is named.
const WANTED: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_' \
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' \
    AND has_schema_privilege(n.oid, 'USAGE') \
    AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT')) \
    AND ($1::text[] IS NULL OR n.nspname = ANY ($1)) \
    AND ($2::text[] IS NULL AND NOT c.relispartition OR (n.nspname::text, c.relname::text) IN (SELECT w.s, w.t FROM unnest($2::text[], $3::text[]) AS w(s, t)) \
         OR (c.relname::text IN (SELECT w.t FROM unnest($2::text[], $3::text[]) AS w(s, t) WHERE w.s = '') AND pg_table_is_visible(c.oid)))";

/// A relation.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// `r` table, `p` partitioned table, `v` view, `m` materialised view, `f` foreign table.
    pub kind: String,
    /// Estimated rows; negative when never analysed.
    pub estimate: f32,
    /// Whether rows can be inserted, updated or deleted, by the relation's nature and the role's rights.
    pub writable: bool,
    pub comment: Option<String>,
}

/// A column, its domain already resolved to the base type.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub relation: u32,
    pub name: String,
    /// Name of the base type; with its schema unless the system's own.
    pub type_name: String,
    /// Whether the base type is the system's own.
    pub system_type: bool,
    /// `b` base, `e` enum, `c` composite, `r` range, …
    pub type_kind: String,
    pub type_modifier: i32,
    pub not_null: bool,
    pub has_default: bool,
    pub generated: bool,
    /// Whether the column's collation finds different texts equal.
    pub loose_collation: bool,
    /// Whether the column has a collation other than the database's.
    pub own_collation: bool,
    /// Whether the base type is an array.
    pub is_array: bool,
    /// Characters of the longest label, where the base type is an enumeration.
    pub label_length: Option<i32>,
    pub comment: Option<String>,
}

/// A primary key, unique key or foreign key.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub relation: u32,
    pub name: String,
    /// `p`, `u` or `f`.
    pub kind: String,
    pub columns: Vec<String>,
    pub referenced_schema: Option<String>,
    pub referenced_table: Option<String>,
    pub referenced_columns: Vec<String>,
}

/// What the catalog says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    pub relations: Vec<Relation>,
    pub columns: Vec<Column>,
    pub keys: Vec<Key>,
    pub routines: Vec<Routine>,
    pub parts: Vec<Part>,
}

fn relations_sql() -> String {
    format!(
        "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.reltuples, \
            CASE c.relkind WHEN 'm' THEN false \
                 ELSE (pg_relation_is_updatable(c.oid, false) & 28) <> 0 END \
            AND (has_any_column_privilege(c.oid, 'INSERT') OR has_any_column_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE')), \
            obj_description(c.oid, 'pg_class') \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {WANTED} ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
    )
}

fn columns_sql() -> String {
    format!(
        "WITH RECURSIVE domain(oid, base, typmod) AS ( \
            SELECT t.oid, t.typbasetype, t.typtypmod FROM pg_catalog.pg_type t WHERE t.typtype = 'd' \
            UNION ALL \
            SELECT d.oid, t.typbasetype, CASE WHEN d.typmod >= 0 THEN d.typmod ELSE t.typtypmod END \
            FROM domain d JOIN pg_catalog.pg_type t ON t.oid = d.base WHERE t.typtype = 'd') \
         SELECT a.attrelid, a.attname::text, \
            CASE WHEN tn.nspname = 'pg_catalog' OR t.typname = 'citext' THEN t.typname::text ELSE tn.nspname || '.' || t.typname END, \
            tn.nspname = 'pg_catalog', t.typtype::text, \
            CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE coalesce(d.typmod, -1) END, \
            a.attnotnull, a.atthasdef OR a.attidentity <> '' OR dt.typdefault IS NOT NULL, a.attidentity = 'a' OR a.attgenerated <> '', \
            coalesce(NOT co.collisdeterministic, false), coalesce(co.collprovider <> 'd', false), col_description(a.attrelid, a.attnum), \
            t.typcategory = 'A', (SELECT max(char_length(e.enumlabel::text)) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) \
         FROM pg_catalog.pg_attribute a \
         JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_type dt ON dt.oid = a.atttypid \
         LEFT JOIN (SELECT x.* FROM domain x JOIN pg_catalog.pg_type b ON b.oid = x.base WHERE b.typtype <> 'd') d ON d.oid = a.atttypid \
         JOIN pg_catalog.pg_type t ON t.oid = coalesce(d.base, a.atttypid) JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace \
         LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(a.attrelid, a.attnum, 'SELECT') AND {WANTED} \
         ORDER BY a.attrelid, a.attnum"
    )
}

/// Keys are taken from constraints, unique keys also from unique indexes that cover all rows and plain columns.
fn keys_sql() -> String {
    let names = |array: &str, relation: &str| {
        format!(
            "(SELECT array_agg(k.attname::text ORDER BY u.place) FROM unnest({array}) WITH ORDINALITY AS u(number, place) \
              JOIN pg_catalog.pg_attribute k ON k.attrelid = {relation} AND k.attnum = u.number)"
        )
    };
    format!(
        "SELECT i.indrelid, x.relname::text, CASE WHEN i.indisprimary THEN 'p' ELSE 'u' END, {index_columns}, \
            NULL::text, NULL::text, NULL::text[] \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
         JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND {WANTED} \
         UNION ALL \
         SELECT o.conrelid, o.conname::text, 'f', {columns}, rn.nspname::text, r.relname::text, {referenced} \
         FROM pg_catalog.pg_constraint o \
         JOIN pg_catalog.pg_class c ON c.oid = o.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_class r ON r.oid = o.confrelid JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace \
         WHERE o.contype = 'f' AND o.conparentid = 0 AND {WANTED} \
         ORDER BY 1, 3, 2",
        index_columns = names("(i.indkey::int2[])[0:i.indnkeyatts - 1]", "i.indrelid"),
        columns = names("o.conkey", "o.conrelid"),
        referenced = names("o.confkey", "o.confrelid"),
    )
}

/// The columns of a constraint or unique index, by the name that an error gave.
const CONSTRAINT: &str = "SELECT array_agg(a.attname::text ORDER BY u.place) FROM ( \
        SELECT o.conrelid AS relation, o.conkey AS columns FROM pg_catalog.pg_constraint o WHERE o.conname = $3 AND o.contype <> 'u' AND o.contype <> 'p' \
        UNION ALL \
        SELECT i.indrelid, (i.indkey::int2[])[0:i.indnkeyatts - 1] FROM pg_catalog.pg_index i \
        JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid WHERE x.relname = $3 AND i.indisunique) k \
     JOIN pg_catalog.pg_class c ON c.oid = k.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     CROSS JOIN LATERAL unnest(k.columns) WITH ORDINALITY AS u(number, place) \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number \
     WHERE n.nspname = $1 AND c.relname = $2";

/// What is read of the catalog; all of it without lists.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Tables, by schema and name.
    pub tables: Option<&'a [(String, String)]>,
    /// Functions and procedures, by name alone.
    pub routines: Option<&'a [String]>,
}

/// Reads the catalog in one snapshot.
///
/// # Errors
/// When the server cannot be asked, or answers with something else.
pub async fn read(
    client: &Client,
    schemas: Option<&[String]>,
    Named { tables, routines: named }: Named<'_>,
    deadline: Instant,
) -> Result<Catalog, SourceError> {
    let wanted_schemas: Option<Vec<String>> = tables.map(|tables| tables.iter().map(|(schema, _)| schema.clone()).collect());
    let wanted_tables: Option<Vec<String>> = tables.map(|tables| tables.iter().map(|(_, table)| table.clone()).collect());
    let parameters: [&(dyn ToSql + Sync); 3] = [&schemas, &wanted_schemas, &wanted_tables];
    for last in [false, true] {
        let mut lease = client.lease(deadline).await?;
        let run = async {
            lease.begin();
            let object = lease.connection()?;
            // One snapshot, so that columns and keys belong to the relations that were listed.
            let begin =
                format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {}", milliseconds_until(deadline));
            object.batch_execute(&begin).await?;
            let relations = object.query(relations_sql().as_str(), &parameters).await?;
            let columns = object.query(columns_sql().as_str(), &parameters).await?;
            let keys = object.query(keys_sql().as_str(), &parameters).await?;
            let routines = object.query(routines::routines_sql().as_str(), &[&schemas, &named]).await?;
            let parts = object.query(routines::parts_sql().as_str(), &[&schemas, &named]).await?;
            object.batch_execute("COMMIT").await?;
            let catalog = Catalog {
                relations: relations.iter().map(relation).collect::<Result<_, _>>()?,
                columns: columns.iter().map(column).collect::<Result<_, _>>()?,
                keys: keys.iter().map(key).collect::<Result<_, _>>()?,
                routines: routines.iter().map(routines::routine).collect::<Result<_, _>>()?,
                parts: parts.iter().map(routines::part).collect::<Result<_, _>>()?,
            };
            Ok::<_, Failure>(catalog)
        };
        match tokio::time::timeout_at(deadline, run).await {
            Err(_) => return Err(client.timeout_error("the server did not describe its tables before the deadline")),
            Ok(Ok(catalog)) => {
                lease.release();
                return Ok(catalog);
            }
            Ok(Err(error)) => {
                // The transaction is still open on a connection that works.
                lease.discard();
                if last || !client.drop_broken(&error) {
                    return Err(client.error(&error));
                }
            }
        }
    }
    Err(client.timeout_error("the server did not describe its tables"))
}

/// The columns of a broken constraint; empty when it has none of its own or cannot be found.
pub async fn constraint_columns(object: &tokio_postgres::Client, broken: &BrokenConstraint) -> Vec<String> {
    match object.query_opt(CONSTRAINT, &[&broken.schema, &broken.table, &broken.constraint]).await {
        Ok(Some(row)) => row.try_get::<_, Option<Vec<String>>>(0).ok().flatten().unwrap_or_default(),
        Ok(None) | Err(_) => Vec::new(),
    }
}

fn relation(row: &Row) -> Result<Relation, tokio_postgres::Error> {
    Ok(Relation {
        oid: row.try_get(0)?,
        schema: row.try_get(1)?,
        name: row.try_get(2)?,
        kind: row.try_get(3)?,
        estimate: row.try_get(4)?,
        writable: row.try_get(5)?,
        comment: row.try_get(6)?,
    })
}

fn column(row: &Row) -> Result<Column, tokio_postgres::Error> {
    Ok(Column {
        relation: row.try_get(0)?,
        name: row.try_get(1)?,
        type_name: row.try_get(2)?,
        system_type: row.try_get(3)?,
        type_kind: row.try_get(4)?,
        type_modifier: row.try_get(5)?,
        not_null: row.try_get(6)?,
        has_default: row.try_get(7)?,
        generated: row.try_get(8)?,
        loose_collation: row.try_get(9)?,
        own_collation: row.try_get(10)?,
        comment: row.try_get(11)?,
        is_array: row.try_get(12)?,
        label_length: row.try_get(13)?,
    })
}

fn key(row: &Row) -> Result<Key, tokio_postgres::Error> {
    Ok(Key {
        relation: row.try_get(0)?,
        name: row.try_get(1)?,
        kind: row.try_get(2)?,
        columns: row.try_get::<_, Option<Vec<String>>>(3)?.unwrap_or_default(),
        referenced_schema: row.try_get(4)?,
        referenced_table: row.try_get(5)?,
        referenced_columns: row.try_get::<_, Option<Vec<String>>>(6)?.unwrap_or_default(),
    })
}
