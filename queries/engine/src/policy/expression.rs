//! SQL expressions of policy.
