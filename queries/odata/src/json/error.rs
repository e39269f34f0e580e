//! Error objects.

use super::escape::push_string;
use crate::error::ODataError;

/// One of several errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorDetail {
    /// Code.
    pub code: String,
    /// For a person.
    pub message: String,
    /// What it is about.
    pub target: Option<String>,
}

/// The error object: `{"error":{"code":…,"message":…,"target":…,"details":[…]}}`.
pub fn error_object(code: &str, message: &str, target: Option<&str>, details: &[ErrorDetail]) -> Vec<u8> {
    let mut out = b"{\"error\":{".to_vec();
    push_members(code, message, target, &mut out);
    if !details.is_empty() {
        out.extend_from_slice(b",\"details\":[");
        for (index, detail) in details.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"{" } else { b",{" });
            push_members(&detail.code, &detail.message, detail.target.as_deref(), &mut out);
            out.push(b'}');
        }
        out.push(b']');
    }
    out.extend_from_slice(b"}}");
    out
}

fn push_members(code: &str, message: &str, target: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"code\":");
    push_string(code, out);
    out.extend_from_slice(b",\"message\":");
    push_string(message, out);
    if let Some(target) = target {
        out.extend_from_slice(b",\"target\":");
        push_string(target, out);
    }
}

/// The error object of an OData error; the position, where there is one, is part of the message.
pub fn odata_error(code: &str, error: &ODataError) -> Vec<u8> {
    let message = match error.position {
        Some(position) if !error.message.contains("at character ") => format!("{} (at character {position})", error.message),
        _ => error.message.clone(),
    };
    error_object(code, &message, error.target.as_deref(), &[])
}
