//! The gateway as real clients are run against it: the fixture's sources, a table with a column of every type, and pages of other
//! origins let in. What each client asks and expects is its own business.

use super::fixture::Sources;
use super::gateway::Gateway;

/// A table of every type, see the file.
const KINDS: &str = include_str!("../../clients/kinds.sql");

/// What each kind of client is served.
const SERVICES: &str = "services:
  odata: { path: /odata }
  dataverse: { path: /dataverse, profile: dataverse }
  salesforce: { path: /salesforce, profile: salesforce }
  powerbi: { path: /powerbi, profile: powerbi }
";

/// Enumerations over codes and over bits.
const ENUMS: &str = "enums:
  State: { members: { Open: { value: 1, stored: O }, Closed: { value: 2, stored: C } } }
  Rights: { flags: true, members: { Read: 1, Write: 2, Delete: 4 } }
";

/// The sources and the gateway over them.
pub struct Served {
    pub gateway: Gateway,
    pub sources: Sources,
}

/// Starts a gateway for clients. Some of them send no `If-Match`, so one table does not insist on it.
pub async fn serve() -> Served {
    let sources = Sources::create().await;
    sources.database.run(KINDS).await;
    let config = sources
        .config()
        .replace(
            "  Lines: { source: billing",
            "  Kinds: { source: billing, remote: public.kinds, version: xmin, writes: { if_match: optional },\n    \
             columns: { state: { enum: State }, rights: { enum: Rights }, \"*\": {} }, complex: { home: { type: Address, prefix: home_ } } }\n  Lines: { source: billing",
        )
        .replace("      Lines: {}\n", "      Lines: {}\n      Kinds: { write: [insert, update, delete] }\n");
    assert_eq!(config.matches("Kinds:").count(), 2, "the fixture's configuration has changed");
    let config = format!("{config}{ENUMS}{SERVICES}");
    let (directory, environment) = (sources.directory.path(), sources.environment());
    let gateway = Gateway::start_with_http(directory, &config, ", cors: [\"*\"]", &environment).await.ready().await;
    Served { gateway, sources }
}
