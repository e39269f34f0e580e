//! Push-down.

/// A plan cut into source queries and residual.
pub struct PushedPlan {}
