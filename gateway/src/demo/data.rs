//! The demonstration's data: TPC-H rows in SQLite files, one for the ERP, one for the CRM, one for the logistics service. The generator is seeded, so that
//! equal scale factors give equal rows. It must not know the gateway that serves them.

use super::DemoError;
use super::schema;
use indicatif::{ProgressBar, ProgressStyle};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::path::{Path, PathBuf};
use tpchgen::distribution::Distributions;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator, RegionGenerator,
    SupplierGenerator,
};
use tpchgen::text::TextPool;

/// Written into a finished file. A file with another number, or none, is made anew; raise it when the schema changes.
const FORMAT: i64 = 1;

/// Size of the text from which comments are cut. The generator's own pool of 300 MB takes longer to make than all the rows.
const TEXT_POOL_BYTES: i32 = 8 << 20;

/// Rows between two updates of the progress bar.
const PROGRESS_STEP: u64 = 5_000;

/// The files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFiles {
    /// Orders, line items, parts, suppliers.
    pub erp: PathBuf,
    /// Customers, nations, regions.
    pub crm: PathBuf,
    /// Shipments of the orders.
    pub logistics: PathBuf,
}

/// Makes the files unless they are there and complete.
///
/// # Errors
/// When the directory or a file cannot be written.
pub fn prepare(directory: &Path, scale: f64) -> Result<DataFiles, DemoError> {
    let file = |name: &str| directory.join(name);
    let files = DataFiles { erp: file("erp.sqlite"), crm: file("crm.sqlite"), logistics: file("logistics.sqlite") };
    if [&files.erp, &files.crm, &files.logistics].into_iter().all(|file| is_complete(file)) {
        return Ok(files);
    }
    std::fs::create_dir_all(directory).map_err(|error| DemoError::file(directory, &error))?;
    let progress = progress_bar(scale);
    let pool = TextPool::new(TEXT_POOL_BYTES, Distributions::static_default());
    let generation = Generation { scale, pool: &pool, progress: &progress };
    // CRM first: it is small, and whoever looks into the directory meanwhile sees the large one grow.
    make(&files.crm, schema::CRM_TABLES, schema::CRM_INDEXES, |connection| generation.crm(connection))?;
    make(&files.logistics, schema::LOGISTICS_TABLES, schema::LOGISTICS_INDEXES, |connection| generation.shipments(connection))?;
    make(&files.erp, schema::ERP_TABLES, schema::ERP_INDEXES, |connection| generation.erp(connection))?;
    progress.finish_and_clear();
    Ok(files)
}

/// Whether a file was finished by this version. Any doubt is a no: the file is then made anew.
fn is_complete(path: &Path) -> bool {
    let read_only = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let format = Connection::open_with_flags(path, read_only)
        .and_then(|connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)));
    format.is_ok_and(|format| format == FORMAT)
}

/// Makes one file under another name and moves it into place when it is complete.
fn make(path: &Path, tables: &str, indexes: &str, fill: impl FnOnce(&Connection) -> Result<(), rusqlite::Error>) -> Result<(), DemoError> {
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    let made = write(&partial, tables, indexes, fill).map_err(|error| DemoError::Data { file: partial.clone(), reason: error.to_string() });
    let moved = made.and_then(|()| std::fs::rename(&partial, path).map_err(|error| DemoError::file(path, &error)));
    if moved.is_err() {
        // The failure to report is the first one; a partial file that cannot be removed does no harm.
        let _ = std::fs::remove_file(&partial);
    }
    moved
}

fn write(
    path: &Path,
    tables: &str,
    indexes: &str,
    fill: impl FnOnce(&Connection) -> Result<(), rusqlite::Error>,
) -> Result<(), rusqlite::Error> {
    let connection = Connection::open(path)?;
    // Nobody reads the file before it is complete, so nothing needs to survive a crash.
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;")?;
    connection.execute_batch(tables)?;
    fill(&connection)?;
    connection.execute_batch(indexes)?;
    connection.execute_batch("COMMIT; ANALYZE;")?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    connection.close().map_err(|(_, error)| error)
}

fn progress_bar(scale: f64) -> ProgressBar {
    let count = |rows: i64| u64::try_from(rows).unwrap_or_default();
    let orders = count(OrderGenerator::calculate_row_count(scale, 1, 1));
    let others = count(CustomerGenerator::calculate_row_count(scale, 1, 1))
        + count(SupplierGenerator::calculate_row_count(scale, 1, 1))
        // Four suppliers per part.
        + 5 * count(PartGenerator::calculate_row_count(scale, 1, 1));
    // One to seven line items per order, four on average.
    let bar = ProgressBar::new(5 * orders + others);
    let template = "{msg:12} {wide_bar} {human_pos} of about {human_len} rows";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

struct Generation<'a> {
    scale: f64,
    pool: &'a TextPool,
    progress: &'a ProgressBar,
}

impl Generation<'_> {
    fn insert<const N: usize>(
        &self,
        connection: &Connection,
        table: &str,
        rows: impl Iterator<Item = [Value; N]>,
    ) -> Result<(), rusqlite::Error> {
        self.progress.set_message(table.to_owned());
        let places = vec!["?"; N].join(", ");
        let mut statement = connection.prepare(&format!("INSERT INTO {table} VALUES ({places})"))?;
        let mut written = 0;
        for row in rows {
            statement.execute(params_from_iter(row))?;
            written += 1;
            if written % PROGRESS_STEP == 0 {
                self.progress.inc(PROGRESS_STEP);
            }
        }
        self.progress.inc(written % PROGRESS_STEP);
        Ok(())
    }

    fn crm(&self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let words = Distributions::static_default();
        let regions = RegionGenerator::new_with_distributions_and_text_pool(words, self.pool);
        self.insert(connection, "region", regions.iter().map(|r| [integer(r.r_regionkey), text(r.r_name), text(r.r_comment)]))?;
        let nations = NationGenerator::new_with_distributions_and_text_pool(words, self.pool);
        let nations = nations.iter().map(|n| [integer(n.n_nationkey), text(n.n_name), integer(n.n_regionkey), text(n.n_comment)]);
        self.insert(connection, "nation", nations)?;
        let customers = CustomerGenerator::new_with_distributions_and_text_pool(self.scale, 1, 1, words, self.pool);
        let customers = customers.iter().map(|c| {
            [
                integer(c.c_custkey),
                text(c.c_name),
                text(c.c_address),
                integer(c.c_nationkey),
                text(c.c_phone),
                text(c.c_acctbal),
                text(c.c_mktsegment),
                text(c.c_comment),
                integer(1),
            ]
        });
        self.insert(connection, "customer", customers)
    }

    fn erp(&self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let words = Distributions::static_default();
        let parts = PartGenerator::new_with_distributions_and_text_pool(self.scale, 1, 1, words, self.pool);
        let parts = parts.iter().map(|p| {
            [
                integer(p.p_partkey),
                text(p.p_name),
                text(p.p_mfgr),
                text(p.p_brand),
                text(p.p_type),
                integer(p.p_size),
                text(p.p_container),
                text(p.p_retailprice),
                text(p.p_comment),
            ]
        });
        self.insert(connection, "part", parts)?;
        let suppliers = SupplierGenerator::new_with_distributions_and_text_pool(self.scale, 1, 1, words, self.pool);
        let suppliers = suppliers.iter().map(|s| {
            [
                integer(s.s_suppkey),
                text(s.s_name),
                text(s.s_address),
                integer(s.s_nationkey),
                text(s.s_phone),
                text(s.s_acctbal),
                text(s.s_comment),
            ]
        });
        self.insert(connection, "supplier", suppliers)?;
        let part_supplies = PartSuppGenerator::new_with_text_pool(self.scale, 1, 1, self.pool);
        let part_supplies = part_supplies
            .iter()
            .map(|p| [integer(p.ps_partkey), integer(p.ps_suppkey), integer(p.ps_availqty), text(p.ps_supplycost), text(p.ps_comment)]);
        self.insert(connection, "partsupp", part_supplies)?;
        self.orders(connection, words)?;
        self.line_items(connection, words)
    }

    fn orders(&self, connection: &Connection, words: &Distributions) -> Result<(), rusqlite::Error> {
        let orders = OrderGenerator::new_with_distributions_and_text_pool(self.scale, 1, 1, words, self.pool);
        let orders = orders.iter().map(|o| {
            [
                integer(o.o_orderkey),
                integer(o.o_custkey),
                text(o.o_orderstatus),
                text(o.o_totalprice),
                text(o.o_orderdate),
                text(o.o_orderpriority),
                text(o.o_clerk),
                integer(o.o_shippriority),
                text(o.o_comment),
            ]
        });
        self.insert(connection, "orders", orders)
    }

    fn line_items(&self, connection: &Connection, words: &Distributions) -> Result<(), rusqlite::Error> {
        let items = LineItemGenerator::new_with_distributions_and_text_pool(self.scale, 1, 1, words, self.pool);
        let items = items.iter().map(|l| {
            [
                integer(l.l_orderkey),
                integer(l.l_linenumber),
                integer(l.l_partkey),
                integer(l.l_suppkey),
                integer(l.l_quantity),
                text(l.l_extendedprice),
                text(l.l_discount),
                text(l.l_tax),
                text(l.l_returnflag),
                text(l.l_linestatus),
                text(l.l_shipdate),
                text(l.l_commitdate),
                text(l.l_receiptdate),
                text(l.l_shipinstruct),
                text(l.l_shipmode),
                text(l.l_comment),
            ]
        });
        self.insert(connection, "lineitem", items)
    }

    /// What of an order goes the same way goes together: the shipments are those of its line items.
    fn shipments(&self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let words = Distributions::static_default();
        let items = LineItemGenerator::new_with_distributions_and_text_pool(self.scale, 1, 1, words, self.pool);
        let mut shipments: Vec<Shipment> = Vec::new();
        let mut order = None;
        let mut numbered = Vec::new();
        for item in items.iter() {
            if order != Some(item.l_orderkey) {
                numbered.append(&mut shipments);
                order = Some(item.l_orderkey);
            }
            let mode = item.l_shipmode.to_string();
            let (shipped, received) = (item.l_shipdate.to_string(), item.l_receiptdate.to_string());
            let is_delivered = item.l_linestatus == "F";
            match shipments.iter_mut().find(|shipment| shipment.mode == mode) {
                Some(shipment) => {
                    shipment.quantity += item.l_quantity;
                    shipment.packages += 1;
                    shipment.is_delivered &= is_delivered;
                    // Dates are in ISO 8601: the later one is the greater text.
                    shipment.shipped = shipped.min(std::mem::take(&mut shipment.shipped));
                    shipment.received = received.max(std::mem::take(&mut shipment.received));
                }
                None => {
                    let (order, quantity, packages) = (item.l_orderkey, item.l_quantity, 1);
                    shipments.push(Shipment { order, mode, shipped, received, is_delivered, packages, quantity });
                }
            }
        }
        numbered.append(&mut shipments);
        let rows = (1..).zip(numbered).map(|(id, shipment): (i64, Shipment)| shipment.row(id));
        self.insert(connection, "shipment", rows)
    }
}

/// A shipment that is being put together.
struct Shipment {
    order: i64,
    mode: String,
    shipped: String,
    received: String,
    is_delivered: bool,
    packages: i64,
    quantity: i64,
}

impl Shipment {
    fn row(self, id: i64) -> [Value; 10] {
        let (code, name) = match self.mode.as_str() {
            "AIR" | "REG AIR" => ("AQL", "Aquila Air Cargo"),
            "TRUCK" => ("TRH", "Terra Haulage"),
            "RAIL" => ("FRR", "Ferro Rail"),
            "SHIP" => ("MAR", "Mare Lines"),
            "MAIL" => ("PST", "Posta Express"),
            _ => ("PUP", "Picked up"),
        };
        let status = if self.is_delivered { "delivered" } else { "in_transit" };
        let delivered = if self.is_delivered { Value::Text(self.received) } else { Value::Null };
        // Half a kilogram apiece.
        let weight = format!("{}.{}", self.quantity / 2, if self.quantity % 2 == 0 { "0" } else { "5" });
        [
            integer(id),
            integer(self.order),
            text(code),
            text(name),
            text(self.mode),
            text(status),
            text(self.shipped),
            delivered,
            integer(self.packages),
            text(weight),
        ]
    }
}

fn integer(value: impl Into<i64>) -> Value {
    Value::Integer(value.into())
}

fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(path: &Path, sql: &str) -> i64 {
        Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_data_is_complete_consistent_and_reused() {
        let directory = tempfile::tempdir().unwrap();
        let files = prepare(directory.path(), 0.01).unwrap();
        assert_eq!(number(&files.crm, "SELECT count(*) FROM customer"), 1500);
        assert_eq!(number(&files.crm, "SELECT count(*) FROM nation"), 25);
        assert_eq!(number(&files.erp, "SELECT count(*) FROM orders"), 15_000);
        assert!(number(&files.erp, "SELECT count(*) FROM lineitem") > 50_000);
        assert_eq!(number(&files.erp, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
        assert_eq!(number(&files.crm, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
        assert_eq!(number(&files.erp, "SELECT max(o_custkey) > 1500 FROM orders"), 0, "every order has its customer");
        assert_eq!(number(&files.logistics, "SELECT count(DISTINCT order_number) FROM shipment"), 15_000, "every order has shipments");
        let packages = number(&files.logistics, "SELECT sum(packages) FROM shipment");
        assert_eq!(packages, number(&files.erp, "SELECT count(*) FROM lineitem"), "and all of its line items are in them");
        Connection::open(&files.crm).unwrap().execute("UPDATE customer SET c_name = 'x' WHERE c_custkey = 1", []).unwrap();
        assert_eq!(number(&files.crm, "SELECT version FROM customer WHERE c_custkey = 1"), 2);
        assert_eq!(number(&files.crm, "SELECT version FROM customer WHERE c_custkey = 2"), 1);
        assert_eq!(prepare(directory.path(), 0.01).unwrap(), files);
        assert_eq!(number(&files.crm, "SELECT version FROM customer WHERE c_custkey = 1"), 2, "a complete file is left as it is");
    }

    #[test]
    fn an_incomplete_file_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("crm.sqlite"), "not a database").unwrap();
        let files = prepare(directory.path(), 0.01).unwrap();
        assert_eq!(number(&files.crm, "SELECT count(*) FROM region"), 5);
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }
}
