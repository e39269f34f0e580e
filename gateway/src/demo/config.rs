//! The demonstration's configuration, as text: it is written beside the data, commented, for its reader to change and serve again.

use super::data::DataFiles;
use super::{DemoError, DemoOptions, logistics};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The key of the front end: it reads everything and changes customers. Not a secret: the demonstration listens on this machine only
/// unless it is told otherwise.
const SALES_KEY: &str = "demo-sales";

/// The key of reporting: it reads, and sees no telephone numbers.
const ANALYST_KEY: &str = "demo-analyst";

/// The key that the ERP asks for.
const ERP_KEY: &str = "demo-erp";

/// The ERP: a gateway of its own over one of the files, which the other one asks through OData.
const ERP_TEMPLATE: &str = r#"# The ERP of the demonstration: what it is to others is the OData service at http://{erp_address}/odata
gateway:
  http: { listen: "{erp_address}" }
  token_key: { file: token.key }
  log: { level: warn, format: text }
sources:
  database: { kind: sqlite, path: {erp}, read_only: true }
access:
  roles:
    partner: { orders: {}, lineitem: {}, part: {}, supplier: {}, partsupp: {} }
  keys:
    partner: { sha256: "{erp_hash}", roles: [partner] }
  anonymous: none
"#;

/// What is served from where. Names in braces are filled in by [`write`].
const TEMPLATE: &str = r#"# The demonstration of Portico. It is written anew by every `portico demo`. To change it, copy it, leave the systems that it asks running with
# `portico demo --systems-only`, and serve the copy: portico serve --config COPY
gateway:
  http:   { listen: "{http}" }
  flight: { listen: "{flight}" }
  admin:  { listen: "{admin}" }
  token_key: { file: token.key }          # signs continuation links and Flight tokens
  log: { level: warn, format: text }

# Three systems that know nothing of each other.
sources:
  crm: { kind: sqlite, path: {crm} }
  erp:
    kind: odata                           # what it has is read from its $metadata
    url: "http://{erp_address}/odata"
    product: portico
    auth: { api_key: { header: X-Api-Key, key: { file: erp.key } } }
  logistics:
    kind: rest                            # what it has is said here
    url: "http://{logistics_address}/api"
    auth: { api_key: { header: X-Api-Key, key: { file: logistics.key } } }
    limits: { rate: { requests: 80, per: 1s } }   # it takes a hundred in a second, and says 429 then
    resources:
      shipments:
        path: /shipments
        rows: /shipments
        key: [id]
        paging: { by: cursor, parameter: cursor, next: /next, size: 200, size_parameter: limit }
        columns:
          id:        { type: int64, nullable: false }
          order:     { type: int64, nullable: false, filter: { eq: "order={value}" } }
          carrier:   { type: text, path: carrier/name, nullable: false }
          mode:      { type: text, nullable: false }
          status:    { type: text, nullable: false, filter: { eq: "status={value}" } }
          shipped:   { type: date, nullable: false }
          delivered: { type: date }
          packages:  { type: int32, nullable: false }
          weight:    { type: "decimal(9,1)", nullable: false }
        lookups:
          - { path: "/shipments/{id}", single: true }
          # No order has more than seven shipments, so that those of 25 orders are one page.
          - { query: { order: "{order}" }, batch: 25 }

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
      Shipments: { to: Shipments, on: { OrderKey: OrderKey }, many: true }
  Shipments:
    source: logistics
    remote: shipments
    description: "Shipments, as the logistics company knows them"
    columns:
      ShipmentId:  { remote: id }
      OrderKey:    { remote: order }
      Carrier:     { remote: carrier }
      Mode:        { remote: mode }
      Status:      { remote: status }
      ShipDate:    { remote: shipped }
      Delivered:   { remote: delivered }
      Packages:    { remote: packages }
      Weight:      { remote: weight }
    relationships:
      Order: { to: Orders, on: { OrderKey: OrderKey } }
  LineItems:
    source: erp
    remote: lineitem
    columns:
      OrderKey:      { remote: l_orderkey }
      LineNumber:    { remote: l_linenumber }
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
      Size:        { remote: p_size }
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
      Available:   { remote: ps_availqty }
      Cost:        { remote: ps_supplycost }
    relationships:
      Part:     { to: Parts, on: { PartKey: PartKey } }
      Supplier: { to: Suppliers, on: { SupplierKey: SupplierKey } }
  # A read-only view across two sources.
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
      Shipments: {}
      Parts: {}
      Suppliers: {}
      PartSupplies: {}
      Nations: {}
      Regions: {}
    analyst:
      Customers: { hide: [Address], mask: { Phone: "'***'" } }
      Orders: {}
      LineItems: {}
      Shipments: {}
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

/// Writes the configurations and keys beside the data.
pub(super) fn write(directory: &Path, files: &DataFiles, options: &DemoOptions) -> Result<Written, DemoError> {
    // Each gateway keeps its lock beside its configuration.
    let erp = directory.join("erp");
    std::fs::create_dir_all(&erp).map_err(|error| DemoError::file(&erp, &error))?;
    write_token_key(&directory.join("token.key"))?;
    write_token_key(&erp.join("token.key"))?;
    let put = |path: PathBuf, content: String| {
        std::fs::write(&path, content).map(|()| path.clone()).map_err(|error| DemoError::file(&path, &error))
    };
    put(directory.join("erp.key"), ERP_KEY.to_owned())?;
    put(directory.join("logistics.key"), logistics::KEY.to_owned())?;
    let erp = put(erp.join("erp.yaml"), filled(ERP_TEMPLATE, files, options))?;
    let gateway = put(directory.join("demo.yaml"), filled(TEMPLATE, files, options))?;
    Ok(Written { gateway, erp })
}

/// The configurations that were written.
pub(super) struct Written {
    /// Of the demonstration itself.
    pub(super) gateway: PathBuf,
    /// Of the gateway that plays the ERP.
    pub(super) erp: PathBuf,
}

fn filled(template: &str, files: &DataFiles, options: &DemoOptions) -> String {
    let filled: [(&str, String); 12] = [
        ("{erp_address}", options.erp.to_string()),
        ("{logistics_address}", options.logistics.to_string()),
        ("{erp_hash}", sha256(ERP_KEY)),
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
    filled.iter().fold(template.to_owned(), |text, (place, value)| text.replace(place, value))
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

/// A question that needs all three systems. It stands between single quotes of a shell.
const THREE_SYSTEMS: &str = concat!(
    r#"SELECT c."Name", o."OrderKey", s."Carrier", s."ShipDate", s."Weight" FROM "Customers" c "#,
    r#"JOIN "Orders" o ON o."CustomerKey" = c."CustomerKey" JOIN "Shipments" s ON s."OrderKey" = o."OrderKey" "#,
    r#"WHERE c."CustomerKey" < 20 AND o."TotalPrice" > 250000 AND s."Weight" > 20 ORDER BY s."ShipDate", o."OrderKey""#,
);

/// What to try, for the person who started the demonstration.
pub(super) fn introduction(config: &Path, options: &DemoOptions) -> String {
    let DemoOptions { http, flight, erp, logistics, .. } = options;
    let sql = THREE_SYSTEMS;
    format!(
        r#"Its configuration is {config}
Beside it run the ERP, an OData service at http://{erp}/odata, and the logistics company's REST API at http://{logistics}/api

In a second shell, try:

1. Customers from the CRM, each with its greatest orders from the ERP, each of these with its shipments from the logistics company
   curl -s -H 'X-Api-Key: {SALES_KEY}' 'http://{http}/odata/Customers?$top=2&$select=Name,Segment&$expand=Orders($top=2;$orderby=TotalPrice%20desc;$select=OrderDate,TotalPrice;$expand=Shipments($select=Carrier,Status,ShipDate))'

2. A change, refused with 412 when somebody else was faster: run the last line twice
   url='http://{http}/odata/Customers(1)'
   etag=$(curl -s -D - -o /dev/null -H 'X-Api-Key: {SALES_KEY}' "$url" | tr -d '\r' | sed -n 's/^etag: //Ip')
   curl -si -X PATCH -H 'X-Api-Key: {SALES_KEY}' -H "If-Match: $etag" -H 'Content-Type: application/json' -d '{{"Phone":"25-989-741-2988"}}' "$url"

3. SQL across all three: how heavy parts of large orders went to some customers
   curl -s -H 'X-Api-Key: {ANALYST_KEY}' -H 'Content-Type: text/plain' -H 'Accept: application/json' http://{http}/sql -d '{sql}'

4. What each of the three systems is asked for it
   curl -s -H 'X-Api-Key: {ANALYST_KEY}' -H 'Content-Type: text/plain' -H 'Accept: application/json' http://{http}/sql -d 'EXPLAIN {sql}'

5. SQL from Python (pip install adbc-driver-flightsql adbc-driver-manager pyarrow)
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
    fn the_configurations_are_ones_that_the_gateway_accepts() {
        let directory = tempfile::tempdir().unwrap();
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let options = DemoOptions {
            scale: 0.01,
            directory: None,
            http: address(18080),
            flight: address(18081),
            admin: address(18082),
            erp: address(18083),
            logistics: address(18084),
            systems_only: false,
        };
        let file = |name: &str| directory.path().join(name);
        let files = DataFiles { erp: file("erp \"one\".sqlite"), crm: file("crm.sqlite"), logistics: file("logistics.sqlite") };
        let written = write(directory.path(), &files, &options).unwrap();
        let config = crate::config::load(&written.gateway).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.gateway.http.listen, "127.0.0.1:18080");
        assert_eq!(config.sources["erp"].settings["url"], "http://127.0.0.1:18083/odata");
        assert_eq!(config.sources["logistics"].settings["auth"]["api_key"]["key"], logistics::KEY);
        assert!(config.gateway.token_key_configured);
        let erp = crate::config::load(&written.erp).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!((erp.gateway.http.listen.as_str(), erp.gateway.flight.is_none()), ("127.0.0.1:18083", true));
        assert_eq!(erp.sources["database"].settings["path"], files.erp.display().to_string());
        let key = std::fs::read_to_string(directory.path().join("token.key")).unwrap();
        write(directory.path(), &files, &options).unwrap();
        assert_eq!(std::fs::read_to_string(directory.path().join("token.key")).unwrap(), key, "the token key is kept");
        let text = introduction(&written.gateway, &options);
        for part in [
            "http://127.0.0.1:18080/odata/Customers",
            "grpc://127.0.0.1:18081",
            "http://127.0.0.1:18083/odata",
            "http://127.0.0.1:18084/api",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
