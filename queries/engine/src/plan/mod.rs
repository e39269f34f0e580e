//! Plans: statements with names resolved.

/// A plan.
pub struct Plan {}
