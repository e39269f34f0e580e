//! What the roles of a caller amount to, table by table. Rights add up; what no role names is not there.

use crate::plan::names::{CATALOG, DEFAULT_SCHEMA};
use crate::policy::access::{AccessDefinition, GrantDefinition, WriteRight};
use portico_catalog::{Model, VirtualTable};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The rights of a set of roles.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// By virtual table.
    pub tables: BTreeMap<String, Arc<TableRights>>,
}

/// The rights on one table.
#[derive(Debug, Clone)]
pub struct TableRights {
    /// The table.
    pub table: Arc<VirtualTable>,
    /// What each role grants.
    pub grants: Vec<Grant>,
    /// Positions of the visible columns, in order.
    pub columns: Vec<usize>,
    /// For each visible column, whether the caller may see a null in it.
    pub nullable: Vec<bool>,
}

/// What one role grants on a table.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    /// Which rows; all when absent.
    pub rows: Option<String>,
    /// How columns are treated; those not named are plain.
    pub columns: BTreeMap<usize, Treatment>,
    /// Writes.
    pub write: BTreeSet<WriteRight>,
}

/// How a column is treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Treatment {
    /// Not there.
    Hidden,
    /// Replaced by an SQL expression.
    Masked(String),
}

/// A table that a caller sees in SQL.
#[derive(Debug, Clone)]
pub struct VisibleTable {
    /// SQL catalogue: `portico`, or the name of a source for a remote table.
    pub catalog: String,
    /// SQL schema: `public`, or the name of a service.
    pub schema: String,
    /// Name in that schema.
    pub name: String,
    /// The table.
    pub table: Arc<VirtualTable>,
    /// The Arrow schema that a `SELECT *` yields.
    pub arrow_schema: arrow::datatypes::SchemaRef,
}

impl Rights {
    /// The rights of these roles in a model. Roles and tables that do not exist grant nothing.
    pub fn of(roles: &[String], access: &AccessDefinition, model: &Model) -> Rights {
        let mut grants: BTreeMap<&str, Vec<Grant>> = BTreeMap::new();
        for role in roles.iter().filter_map(|name| access.roles.get(name)) {
            for (name, definition) in role {
                if let Some(table) = model.readable(name) {
                    grants.entry(name).or_default().push(Grant::of(definition, table));
                }
            }
        }
        let tables = grants.into_iter().filter_map(|(name, grants)| {
            let table = Arc::clone(model.readable(name)?);
            Some((name.to_owned(), Arc::new(TableRights::new(table, grants))))
        });
        Rights { tables: tables.collect() }
    }

    /// Every right on every table: for views' own schemas and for checks, never for a caller.
    pub fn everything(model: &Model) -> Rights {
        let all = model.remote_tables.iter().chain(&model.tables);
        let tables = all.map(|(name, table)| (name.clone(), Arc::new(TableRights::whole(Arc::clone(table)))));
        Rights { tables: tables.collect() }
    }
}

impl Grant {
    fn of(definition: &GrantDefinition, table: &VirtualTable) -> Grant {
        let hidden = definition.hide.iter().filter_map(|name| Some((table.column(name)?, Treatment::Hidden)));
        let masked = definition.mask.iter().filter_map(|(name, sql)| Some((table.column(name)?, Treatment::Masked(sql.clone()))));
        Grant { rows: definition.rows.clone(), columns: masked.chain(hidden).collect(), write: definition.write.iter().copied().collect() }
    }
}

impl TableRights {
    fn new(table: Arc<VirtualTable>, grants: Vec<Grant>) -> TableRights {
        let hidden = |index: &usize| grants.iter().all(|grant| grant.columns.get(index) == Some(&Treatment::Hidden));
        let columns: Vec<usize> = (0..table.columns.len()).filter(|index| !hidden(index)).collect();
        // A mask may yield null whatever the column says, and so does a row in which another role hides the column.
        let nullable = columns
            .iter()
            .map(|index| table.columns[*index].nullable || grants.iter().any(|grant| grant.columns.contains_key(index)))
            .collect();
        TableRights { table, grants, columns, nullable }
    }

    /// The right to read all of a table, and nothing else.
    pub(crate) fn whole(table: Arc<VirtualTable>) -> TableRights {
        TableRights::new(table, vec![Grant::default()])
    }

    /// Whether some role treats the column other than plainly.
    pub fn is_treated(&self, column: usize) -> bool {
        self.grants.iter().any(|grant| grant.columns.contains_key(&column))
    }

    /// Whether some role grants this write.
    pub fn may(&self, write: WriteRight) -> bool {
        self.grants.iter().any(|grant| grant.write.contains(&write))
    }

    /// The grants that allow a write: only their rows may be written.
    pub fn grants_for(&self, write: WriteRight) -> Vec<&Grant> {
        self.grants.iter().filter(|grant| grant.write.contains(&write)).collect()
    }
}

/// The tables that these rights show in SQL: all in the default schema, each service's in its own, and remote tables under their
/// source's name.
pub fn visible_tables(model: &Model, rights: &Rights) -> Vec<VisibleTable> {
    let default = model.tables.keys().filter_map(|name| visible(rights, [CATALOG, DEFAULT_SCHEMA, name], name));
    let services = model.services.values().filter(|service| service.name != DEFAULT_SCHEMA).flat_map(|service| {
        let tables = service.tables.iter();
        tables.filter_map(|(alias, table)| visible(rights, [CATALOG, &service.name, alias], table)).collect::<Vec<_>>()
    });
    let remote = model.remote_tables.iter().filter_map(|(name, table)| {
        let (source, remote) = table.origin.remote_table()?;
        let schema = remote.0.len().checked_sub(2).and_then(|index| remote.0.get(index)).map_or("", String::as_str);
        visible(rights, [source, schema, remote.table()], name)
    });
    default.chain(services).chain(remote).collect()
}

fn visible(rights: &Rights, [catalog, schema, name]: [&str; 3], table: &str) -> Option<VisibleTable> {
    use datafusion::logical_expr::TableSource;
    let rights = rights.tables.get(table)?;
    Some(VisibleTable {
        catalog: catalog.to_owned(),
        schema: schema.to_owned(),
        name: name.to_owned(),
        table: Arc::clone(&rights.table),
        arrow_schema: crate::plan::tables::VisibleTable::new(Arc::clone(rights), false).schema(),
    })
}
