//! Whether a source answers a query whose constants may not be known yet. It must not know plans.

use portico_provider_api::walk::bind_parameters;
use portico_provider_api::{Capabilities, SourceQuery, Support, Value};

/// How well a source answers a query. The values of its parameters do not matter: any of their types stand in for them.
pub fn support(capabilities: &Capabilities, query: &SourceQuery) -> Support {
    let mut probe = None;
    if query.has_parameters() {
        let mut bound = query.clone();
        if bind_parameters(&mut bound, &|_, scalar_type| Some(Value::example(scalar_type))).is_err() {
            return Support::None;
        }
        probe = Some(bound);
    }
    capabilities.support(probe.as_ref().unwrap_or(query)).unwrap_or(Support::None)
}
