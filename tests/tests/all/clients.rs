//! The gateway as real clients are run against it: the fixture's sources, a table with a column of every type, and pages of other
//! origins let in. What each client asks and expects is its own business.

use super::fixture::Sources;
use super::gateway::Gateway;

/// A table of every type, see the file.
const KINDS: &str = include_str!("../../clients/kinds.sql");

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
            "  Kinds: { source: billing, remote: public.kinds, version: xmin, writes: { if_match: optional } }\n  Lines: { source: billing",
        )
        .replace("      Lines: {}\n", "      Lines: {}\n      Kinds: { write: [insert, update, delete] }\n");
    assert_eq!(config.matches("Kinds:").count(), 2, "the fixture's configuration has changed");
    let (directory, environment) = (sources.directory.path(), sources.environment());
    let gateway = Gateway::start_with_http(directory, &config, ", cors: [\"*\"]", &environment).await.ready().await;
    Served { gateway, sources }
}
