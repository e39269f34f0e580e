//! What the catalogue functions of ODBC do not say exactly, from the database's own catalogue: declared digits and lengths, collations, types
//! of one's own. One query for each product that has it. It must not know what the rows mean for readers.

use crate::errors::Failure;
use crate::server::Server;
use crate::session::{Session, TextRow};
use portico_provider_sql::Product;
use std::collections::HashMap;

use super::types::Column;

/// By schema, table and column.
pub type Details = HashMap<(String, String, String), Detail>;

/// What is known better than the driver says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detail {
    type_name: String,
    size: Option<u32>,
    scale: Option<i32>,
    collation: Option<String>,
    nullable: Option<bool>,
    /// Its place in the primary key, from 1, where the driver does not say that rightly.
    pub key: Option<u32>,
    /// Its place among the columns, from 1, where the driver leaves some out.
    pub position: Option<u32>,
    has_default: Option<bool>,
    generated: bool,
    is_json: bool,
}

impl Detail {
    /// Puts it in the place of what the driver said.
    pub fn refine(&self, column: &mut Column) {
        column.type_name.clone_from(&self.type_name);
        column.size = self.size;
        column.scale = self.scale;
        column.collation.clone_from(&self.collation);
        column.nullable = self.nullable.unwrap_or(column.nullable);
        column.has_default = self.has_default.unwrap_or(column.has_default);
        column.generated = self.generated;
        column.is_json = self.is_json;
    }
}

/// The header that every type modifier of PostgreSQL includes.
const MODIFIER_HEADER: i32 = 4;

const POSTGRES: &str = "SELECT n.nspname, c.relname, a.attname, \
        CASE WHEN tn.nspname = 'pg_catalog' THEN t.typname ELSE tn.nspname || '.' || t.typname END, a.atttypmod::text, \
        CASE WHEN co.oid IS NULL THEN '' WHEN NOT co.collisdeterministic THEN ' collate nondeterministic' \
            WHEN co.collname = 'default' OR t.typname = 'name' THEN '' ELSE ' collate deterministic' END, \
        CASE WHEN a.attnotnull THEN '0' ELSE '1' END, CASE WHEN a.atthasdef OR a.attidentity <> '' THEN '1' ELSE '0' END, \
        CASE WHEN a.attgenerated <> '' OR a.attidentity = 'a' THEN '1' ELSE '0' END \
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
        JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace \
        LEFT JOIN pg_collation co ON co.oid = a.attcollation \
     WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'f', 'p') \
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

const MYSQL: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, \
        CAST(COALESCE(CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION) AS CHAR), CAST(NUMERIC_SCALE AS CHAR), COLLATION_NAME, \
        IF(IS_NULLABLE = 'YES', '1', '0'), \
        IF(EXTRA LIKE '%auto_increment%' OR EXTRA LIKE '%GENERATED%' OR (COLUMN_DEFAULT IS NOT NULL AND COLUMN_DEFAULT <> 'NULL'), '1', '0'), \
        IF(EXTRA LIKE '%GENERATED%' AND EXTRA NOT LIKE '%DEFAULT_GENERATED%', '1', '0') \
     FROM information_schema.COLUMNS";

/// The columns of primary keys, with their places.
const MYSQL_KEYS: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, CAST(SEQ_IN_INDEX AS CHAR) FROM information_schema.STATISTICS \
     WHERE INDEX_NAME = 'PRIMARY'";

/// MariaDB's `JSON` is `LONGTEXT` with a check.
const MARIADB_JSON: &str = "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
     WHERE CHECK_CLAUSE LIKE 'json_valid(%)'";

const SQLITE: &str = "SELECT '', m.name, c.name, c.type, CASE WHEN c.\"notnull\" = 1 THEN '0' \
        WHEN c.pk = 1 AND upper(c.type) = 'INTEGER' AND (SELECT count(*) FROM pragma_table_xinfo(m.name) k WHERE k.pk > 0) = 1 THEN '0' \
        ELSE '1' END, \
        CASE WHEN c.dflt_value IS NOT NULL THEN '1' ELSE '0' END, CASE WHEN c.hidden IN (2, 3) THEN '1' ELSE '0' END, c.pk, c.cid + 1 \
     FROM sqlite_schema m, pragma_table_xinfo(m.name) c WHERE m.type IN ('table', 'view') AND c.hidden <> 1";

/// Reads what is known better of the tables of these schemas.
///
/// # Errors
/// When the database cannot be asked.
pub fn read(session: &Session, schemas: &[String]) -> Result<Details, Failure> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match session.server {
        Server::Postgres => Ok(collected(session.rows(POSTGRES)?, postgres)),
        Server::Mysql { mariadb } => {
            let mut names: Vec<_> = schemas.iter().map(|schema| quoted(schema)).collect();
            names.sort();
            names.dedup();
            if names.is_empty() {
                return Ok(Details::new());
            }
            let list = names.join(", ");
            let mut details = collected(session.rows(&format!("{MYSQL} WHERE TABLE_SCHEMA IN ({list})"))?, mysql);
            for (place, key) in collected(session.rows(&format!("{MYSQL_KEYS} AND TABLE_SCHEMA IN ({list})"))?, |cells| number(cells, 0)) {
                if let Some(detail) = details.get_mut(&place) {
                    detail.key = key;
                }
            }
            let checks = if mariadb { session.rows(&format!("{MARIADB_JSON} AND CONSTRAINT_SCHEMA IN ({list})"))? } else { Vec::new() };
            for check in checks {
                let mut parts = check.into_iter().map(Option::unwrap_or_default);
                let (Some(schema), Some(table), Some(clause)) = (parts.next(), parts.next(), parts.next()) else { continue };
                let column = clause.strip_prefix("json_valid(`").and_then(|rest| rest.strip_suffix("`)"));
                let column = column.map(|name| name.replace("``", "`")).unwrap_or_default();
                if let Some(detail) = details.get_mut(&(schema, table, column)) {
                    detail.is_json = true;
                }
            }
            Ok(details)
        }
        Server::Standard { product: Product::Sqlite, .. } => Ok(collected(session.rows(SQLITE)?, sqlite)),
        Server::Standard { .. } => Ok(Details::new()),
    }
}

fn collected<T>(rows: Vec<TextRow>, detail: impl Fn(&[Option<String>]) -> T) -> HashMap<(String, String, String), T> {
    let text = |row: &TextRow, at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    rows.iter().map(|row| ((text(row, 0), text(row, 1), text(row, 2)), detail(row.get(3..).unwrap_or_default()))).collect()
}

fn text(cells: &[Option<String>], at: usize) -> Option<String> {
    cells.get(at).cloned().flatten()
}

fn flag(cells: &[Option<String>], at: usize) -> Option<bool> {
    text(cells, at).map(|text| text.trim() == "1")
}

fn number<T: std::str::FromStr>(cells: &[Option<String>], at: usize) -> Option<T> {
    text(cells, at)?.trim().parse().ok()
}

fn postgres(cells: &[Option<String>]) -> Detail {
    let type_name = text(cells, 0).unwrap_or_default();
    let modifier = number(cells, 1).filter(|modifier: &i32| *modifier >= MODIFIER_HEADER).map(|modifier| modifier - MODIFIER_HEADER);
    let (size, scale) = match modifier {
        None => (None, None),
        // Eleven bits with a sign, since PostgreSQL 15.
        Some(packed) if type_name == "numeric" => {
            let (precision, scale) = ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024);
            // Whole numbers with more digits where it is negative; where it exceeds the digits, the places in between.
            let digits = if scale < 0 { precision - scale } else { precision.max(scale) };
            (Some(digits.unsigned_abs().min(76)), Some(scale.max(0)))
        }
        Some(length) => (Some(length.unsigned_abs()), None),
    };
    Detail {
        type_name,
        size,
        scale,
        collation: text(cells, 2).filter(|text| !text.is_empty()),
        nullable: flag(cells, 3),
        key: None,
        position: None,
        has_default: flag(cells, 4),
        generated: flag(cells, 5).unwrap_or(false),
        is_json: false,
    }
}

fn mysql(cells: &[Option<String>]) -> Detail {
    Detail {
        type_name: text(cells, 0).unwrap_or_default().to_lowercase(),
        size: number(cells, 1),
        scale: number(cells, 2),
        collation: text(cells, 3),
        nullable: flag(cells, 4),
        key: None,
        position: None,
        has_default: flag(cells, 5),
        generated: flag(cells, 6).unwrap_or(false),
        is_json: false,
    }
}

fn sqlite(cells: &[Option<String>]) -> Detail {
    Detail {
        type_name: text(cells, 0).unwrap_or_default(),
        nullable: flag(cells, 1),
        has_default: flag(cells, 2),
        generated: flag(cells, 3).unwrap_or(false),
        key: number(cells, 4).filter(|place: &u32| *place > 0),
        position: number(cells, 5),
        ..Detail::default()
    }
}
