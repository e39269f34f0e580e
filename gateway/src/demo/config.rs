//! The demonstration's configuration, as text: it is written beside the data, commented, for its reader to change and serve again.

use super::data::DataFiles;
use super::{DemoError, DemoOptions};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The key of the front end: it reads everything and changes customers. Not a secret: the demonstration listens on this machine only
/// unless it is told otherwise.
const SALES_KEY: &str = "demo-sales";

/// The key of reporting: it reads, and sees no telephone numbers.
const ANALYST_KEY: &str = "demo-analyst";

/// What is served from where. Names in braces are filled in by [`write`].
const TEMPLATE: &str = r#"# The demonstration of Portico. Change it as you like, then: portico serve --config THIS_FILE
# It is written anew by every `portico demo`.
gateway:
  http:   { listen: "{http}" }
  flight: { listen: "{flight}" }
  admin:  { listen: "{admin}" }
  token_key: { file: token.key }          # signs continuation links and Flight tokens
  log: { level: warn, format: text }

# Two systems that know nothing of each other.
sources:
  erp: { kind: sqlite, path: {erp} }
  crm: { kind: sqlite, path: {crm} }

tables:
  Customers:
    source: crm
    remote: customer
    description: "Customers, as the CRM knows them"
    columns:
      CustomerKey: { remote: c_custkey }
      Name:        { remote: c_name }
      Address:     { remote: c_address }
      NationKey:   { remote: c_nationkey }
      Phone:       { remote: c_phone }
      Balance:     { remote: c_acctbal }
      Segment:     { remote: c_mktsegment }
      Comment:     { remote: c_comment }
    version: version                      # what ETags are made of; it is not published
    relationships:
      # Across sources there is no foreign key to infer from.
      Orders: { to: Orders, on: { CustomerKey: CustomerKey }, many: true }
      Nation: { to: Nations, on: { NationKey: NationKey } }
  Nations:
    source: crm
    remote: nation
    freshness: 1h                         # nations do not change while you look: answers may come from the cache
    columns:
      NationKey: { remote: n_nationkey }
      Name:      { remote: n_name }
      RegionKey: { remote: n_regionkey }
    relationships:
      Region:    { to: Regions, on: { RegionKey: RegionKey } }
      Customers: { to: Customers, on: { NationKey: NationKey }, many: true }
      Suppliers: { to: Suppliers, on: { NationKey: NationKey }, many: true }
  Regions:
    source: crm
    remote: region
    freshness: 1h
    columns:
      RegionKey: { remote: r_regionkey }
      Name:      { remote: r_name }
    relationships:
      Nations: { to: Nations, on: { RegionKey: RegionKey }, many: true }
  Orders:
    source: erp
    remote: orders
    description: "Orders, as the ERP knows them"
    columns:
      OrderKey:    { remote: o_orderkey }
      CustomerKey: { remote: o_custkey }
      Status:      { remote: o_orderstatus }
      TotalPrice:  { remote: o_totalprice }
      OrderDate:   { remote: o_orderdate }
      Priority:    { remote: o_orderpriority }
      Clerk:       { remote: o_clerk }
      Comment:     { remote: o_comment }
    relationships:
      Customer:  { to: Customers, on: { CustomerKey: CustomerKey } }
      LineItems: { to: LineItems, on: { OrderKey: OrderKey }, many: true }
  LineItems:
    source: erp
    remote: lineitem
    columns:
      OrderKey:      { remote: l_orderkey }
      LineNumber:    { remote: l_linenumber, type: int32 }
      PartKey:       { remote: l_partkey }
      SupplierKey:   { remote: l_suppkey }
      Quantity:      { remote: l_quantity }
      ExtendedPrice: { remote: l_extendedprice }
      Discount:      { remote: l_discount }
      Tax:           { remote: l_tax }
      ReturnFlag:    { remote: l_returnflag }
      ShipDate:      { remote: l_shipdate }
      ShipMode:      { remote: l_shipmode }
    relationships:
      Order:    { to: Orders, on: { OrderKey: OrderKey } }
      Part:     { to: Parts, on: { PartKey: PartKey } }
      Supplier: { to: Suppliers, on: { SupplierKey: SupplierKey } }
      Supply:   { to: PartSupplies, on: { PartKey: PartKey, SupplierKey: SupplierKey } }
  Parts:
    source: erp
    remote: part
    freshness: 10m
    columns:
      PartKey:     { remote: p_partkey }
      Name:        { remote: p_name }
      Brand:       { remote: p_brand }
      Type:        { remote: p_type }
      Size:        { remote: p_size, type: int32 }
      Container:   { remote: p_container }
      RetailPrice: { remote: p_retailprice }
    relationships:
      Supplies: { to: PartSupplies, on: { PartKey: PartKey }, many: true }
  Suppliers:
    source: erp
    remote: supplier
    freshness: 10m
    columns:
      SupplierKey: { remote: s_suppkey }
      Name:        { remote: s_name }
      Address:     { remote: s_address }
      NationKey:   { remote: s_nationkey }
      Phone:       { remote: s_phone }
      Balance:     { remote: s_acctbal }
    relationships:
      Nation:   { to: Nations, on: { NationKey: NationKey } }
      Supplies: { to: PartSupplies, on: { SupplierKey: SupplierKey }, many: true }
  PartSupplies:
    source: erp
    remote: partsupp
    columns:
      PartKey:     { remote: ps_partkey }
      SupplierKey: { remote: ps_suppkey }
      Available:   { remote: ps_availqty, type: int32 }
      Cost:        { remote: ps_supplycost }
    relationships:
      Part:     { to: Parts, on: { PartKey: PartKey } }
      Supplier: { to: Suppliers, on: { SupplierKey: SupplierKey } }
  # A read-only view across both sources.
  SegmentRevenue:
    sql: >-
      SELECT c."Segment" AS "Segment", count(*) AS "Orders", sum(o."TotalPrice") AS "Revenue"
      FROM "Customers" c JOIN "Orders" o ON o."CustomerKey" = c."CustomerKey" GROUP BY c."Segment"
    key: [Segment]

# What no role names is not there for its callers.
access:
  roles:
    sales:
      Customers: { write: [insert, update, delete] }
      Orders: {}
      LineItems: {}
      Parts: {}
      Suppliers: {}
      PartSupplies: {}
      Nations: {}
      Regions: {}
    analyst:
      Customers: { hide: [Address], mask: { Phone: "'***'" } }
      Orders: {}
      LineItems: {}
      Parts: {}
      Suppliers: { mask: { Phone: "'***'" } }
      PartSupplies: {}
      Nations: {}
      Regions: {}
      SegmentRevenue: {}
  operators: [analyst]                    # sees in EXPLAIN what each source is asked
  keys:                                   # only the SHA-256 of a key is written down; these two are {sales} and {analyst}
    front-end: { sha256: "{sales_hash}", roles: [sales], in: [header, query] }
    reporting: { sha256: "{analyst_hash}", roles: [analyst], in: [header, query] }
  anonymous: none
"#;

/// Writes the configuration and the token key beside the data.
pub(super) fn write(directory: &Path, files: &DataFiles, options: &DemoOptions) -> Result<PathBuf, DemoError> {
    write_token_key(&directory.join("token.key"))?;
    let path = directory.join("demo.yaml");
    std::fs::write(&path, text(files, options)).map_err(|error| DemoError::file(&path, &error))?;
    Ok(path)
}

fn text(files: &DataFiles, options: &DemoOptions) -> String {
    let filled: [(&str, String); 9] = [
        ("{http}", options.http.to_string()),
        ("{flight}", options.flight.to_string()),
        ("{admin}", options.admin.to_string()),
        ("{erp}", quoted(&files.erp)),
        ("{crm}", quoted(&files.crm)),
        ("{sales}", SALES_KEY.to_owned()),
        ("{analyst}", ANALYST_KEY.to_owned()),
        ("{sales_hash}", sha256(SALES_KEY)),
        ("{analyst_hash}", sha256(ANALYST_KEY)),
    ];
    filled.iter().fold(TEMPLATE.to_owned(), |text, (place, value)| text.replace(place, value))
}

/// A path as a quoted YAML scalar: JSON's quoting is a part of YAML's.
fn quoted(path: &Path) -> String {
    serde_json::Value::String(path.display().to_string()).to_string()
}

fn sha256(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key of its own for every installation: links that one demonstration signed mean nothing to another.
fn write_token_key(path: &Path) -> Result<(), DemoError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match file {
        Ok(mut file) => {
            let key = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
            file.write_all(key.as_bytes()).map_err(|error| DemoError::file(path, &error))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(DemoError::file(path, &error)),
    }
}

/// What to try, for the person who started the demonstration.
pub(super) fn introduction(config: &Path, options: &DemoOptions) -> String {
    let (http, flight) = (options.http, options.flight);
    format!(
        r#"Its configuration is {config}

In a second shell, try:

1. A page of customers from the CRM, each with its three greatest orders from the ERP
   curl -s -H 'X-Api-Key: {SALES_KEY}' 'http://{http}/odata/Customers?$top=2&$select=Name,Segment&$expand=Orders($top=3;$orderby=TotalPrice%20desc;$select=OrderDate,TotalPrice)'

2. A change, refused with 412 when somebody else was faster: run the last line twice
   url='http://{http}/odata/Customers(1)'
   etag=$(curl -s -D - -o /dev/null -H 'X-Api-Key: {SALES_KEY}' "$url" | tr -d '\r' | sed -n 's/^etag: //Ip')
   curl -si -X PATCH -H 'X-Api-Key: {SALES_KEY}' -H "If-Match: $etag" -H 'Content-Type: application/json' -d '{{"Phone":"25-989-741-2988"}}' "$url"

3. SQL across both sources, from Python (pip install adbc-driver-flightsql adbc-driver-manager pyarrow)
   python3 - <<'END'
import adbc_driver_flightsql.dbapi as flight_sql
options = {{"adbc.flight.sql.authorization_header": "Bearer {ANALYST_KEY}"}}
with flight_sql.connect("grpc://{flight}", db_kwargs=options) as connection, connection.cursor() as cursor:
    cursor.execute('SELECT c."Segment", count(*) AS orders, sum(o."TotalPrice") AS revenue FROM "Customers" c '
                   'JOIN "Orders" o ON o."CustomerKey" = c."CustomerKey" GROUP BY 1 ORDER BY 3 DESC')
    print(cursor.fetch_arrow_table().to_pylist())
END

Ctrl-C stops the demonstration; its data is kept for the next time.
"#,
        config = config.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn the_configuration_is_one_that_the_gateway_accepts() {
        let directory = tempfile::tempdir().unwrap();
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let options = DemoOptions { scale: 0.01, directory: None, http: address(18080), flight: address(18081), admin: address(18082) };
        let files = DataFiles { erp: directory.path().join("erp \"one\".sqlite"), crm: directory.path().join("crm.sqlite") };
        let path = write(directory.path(), &files, &options).unwrap();
        let config = crate::config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.gateway.http.listen, "127.0.0.1:18080");
        assert_eq!(config.sources["erp"].settings["path"], files.erp.display().to_string());
        assert!(config.gateway.token_key_configured);
        let key = std::fs::read_to_string(directory.path().join("token.key")).unwrap();
        write(directory.path(), &files, &options).unwrap();
        assert_eq!(std::fs::read_to_string(directory.path().join("token.key")).unwrap(), key, "the token key is kept");
        let text = introduction(&path, &options);
        assert!(text.contains("http://127.0.0.1:18080/odata/Customers") && text.contains("grpc://127.0.0.1:18081"), "{text}");
    }
}
