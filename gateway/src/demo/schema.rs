//! The tables of the demonstration's three systems, as an ERP, a CRM and a logistics company would have them: declared types, keys and foreign keys, so
//! that there is something to infer from. The names are TPC-H's own.

/// Tables of the CRM. The trigger keeps `version` changing with every update, whoever makes it: it is what ETags are made of.
pub const CRM_TABLES: &str = "
CREATE TABLE region (
  r_regionkey INTEGER PRIMARY KEY NOT NULL,
  r_name VARCHAR(25) NOT NULL,
  r_comment VARCHAR(152)
);
CREATE TABLE nation (
  n_nationkey INTEGER PRIMARY KEY NOT NULL,
  n_name VARCHAR(25) NOT NULL,
  n_regionkey INTEGER NOT NULL REFERENCES region (r_regionkey),
  n_comment VARCHAR(152)
);
CREATE TABLE customer (
  c_custkey INTEGER PRIMARY KEY NOT NULL,
  c_name VARCHAR(25) NOT NULL,
  c_address VARCHAR(40) NOT NULL,
  c_nationkey INTEGER NOT NULL REFERENCES nation (n_nationkey),
  c_phone VARCHAR(15) NOT NULL,
  c_acctbal DECIMAL(15,2) NOT NULL,
  c_mktsegment VARCHAR(10) NOT NULL,
  c_comment VARCHAR(117),
  version INTEGER NOT NULL DEFAULT 1
);
CREATE TRIGGER customer_version AFTER UPDATE ON customer WHEN new.version = old.version
BEGIN
  UPDATE customer SET version = old.version + 1 WHERE c_custkey = new.c_custkey;
END;
";

/// Indexes of the CRM.
pub const CRM_INDEXES: &str = "
CREATE INDEX nation_region ON nation (n_regionkey);
CREATE INDEX customer_nation ON customer (c_nationkey);
CREATE INDEX customer_name ON customer (c_name);
";

/// Tables of the ERP. Customers and nations are in another system, so nothing here can refer to them by a foreign key.
pub const ERP_TABLES: &str = "
CREATE TABLE part (
  p_partkey INTEGER PRIMARY KEY NOT NULL,
  p_name VARCHAR(55) NOT NULL,
  p_mfgr VARCHAR(25) NOT NULL,
  p_brand VARCHAR(10) NOT NULL,
  p_type VARCHAR(25) NOT NULL,
  p_size INTEGER NOT NULL,
  p_container VARCHAR(10) NOT NULL,
  p_retailprice DECIMAL(15,2) NOT NULL,
  p_comment VARCHAR(23)
);
CREATE TABLE supplier (
  s_suppkey INTEGER PRIMARY KEY NOT NULL,
  s_name VARCHAR(25) NOT NULL,
  s_address VARCHAR(40) NOT NULL,
  s_nationkey INTEGER NOT NULL,
  s_phone VARCHAR(15) NOT NULL,
  s_acctbal DECIMAL(15,2) NOT NULL,
  s_comment VARCHAR(101)
);
CREATE TABLE partsupp (
  ps_partkey INTEGER NOT NULL REFERENCES part (p_partkey),
  ps_suppkey INTEGER NOT NULL REFERENCES supplier (s_suppkey),
  ps_availqty INTEGER NOT NULL,
  ps_supplycost DECIMAL(15,2) NOT NULL,
  ps_comment VARCHAR(199),
  PRIMARY KEY (ps_partkey, ps_suppkey)
);
CREATE TABLE orders (
  o_orderkey INTEGER PRIMARY KEY NOT NULL,
  o_custkey INTEGER NOT NULL,
  o_orderstatus CHAR(1) NOT NULL,
  o_totalprice DECIMAL(15,2) NOT NULL,
  o_orderdate DATE NOT NULL,
  o_orderpriority VARCHAR(15) NOT NULL,
  o_clerk VARCHAR(15) NOT NULL,
  o_shippriority INTEGER NOT NULL,
  o_comment VARCHAR(79)
);
CREATE TABLE lineitem (
  l_orderkey INTEGER NOT NULL REFERENCES orders (o_orderkey),
  l_linenumber INTEGER NOT NULL,
  l_partkey INTEGER NOT NULL REFERENCES part (p_partkey),
  l_suppkey INTEGER NOT NULL REFERENCES supplier (s_suppkey),
  l_quantity INTEGER NOT NULL,
  l_extendedprice DECIMAL(15,2) NOT NULL,
  l_discount DECIMAL(15,2) NOT NULL,
  l_tax DECIMAL(15,2) NOT NULL,
  l_returnflag CHAR(1) NOT NULL,
  l_linestatus CHAR(1) NOT NULL,
  l_shipdate DATE NOT NULL,
  l_commitdate DATE NOT NULL,
  l_receiptdate DATE NOT NULL,
  l_shipinstruct VARCHAR(25) NOT NULL,
  l_shipmode VARCHAR(10) NOT NULL,
  l_comment VARCHAR(44),
  PRIMARY KEY (l_orderkey, l_linenumber),
  FOREIGN KEY (l_partkey, l_suppkey) REFERENCES partsupp (ps_partkey, ps_suppkey)
);
";

/// Indexes of the ERP: the columns that joins and `$expand` ask for.
pub const ERP_INDEXES: &str = "
CREATE INDEX partsupp_supplier ON partsupp (ps_suppkey);
CREATE INDEX supplier_nation ON supplier (s_nationkey);
CREATE INDEX orders_customer ON orders (o_custkey);
CREATE INDEX orders_date ON orders (o_orderdate);
CREATE INDEX lineitem_part ON lineitem (l_partkey);
CREATE INDEX lineitem_supplier ON lineitem (l_suppkey);
";

/// The table of the logistics service. Orders are in another system.
pub const LOGISTICS_TABLES: &str = "
CREATE TABLE shipment (
  id INTEGER PRIMARY KEY NOT NULL,
  order_number INTEGER NOT NULL,
  carrier_code VARCHAR(4) NOT NULL,
  carrier_name VARCHAR(25) NOT NULL,
  mode VARCHAR(10) NOT NULL,
  status VARCHAR(10) NOT NULL,
  shipped DATE NOT NULL,
  delivered DATE,
  packages INTEGER NOT NULL,
  weight TEXT NOT NULL
);
";

/// Indexes of the logistics service.
pub const LOGISTICS_INDEXES: &str = "
CREATE INDEX shipment_order ON shipment (order_number);
";
