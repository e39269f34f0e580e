//! Makes permitted plans and writes.

/// A plan to which policy has been applied.
pub struct PermittedPlan {}

/// A write to which policy has been applied.
pub struct PermittedWrite {}
