//! EXPLAIN: what every source is asked, and what stays local.

use portico_provider_api::NativeRequest;

/// What a plan does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The local part as an indented tree; `RemoteScan` leaves name their source.
    pub plan: String,
    /// What each source is asked, in order: source name and native request.
    pub requests: Vec<(String, NativeRequest)>,
}
