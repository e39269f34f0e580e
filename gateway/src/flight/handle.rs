//! Statement handles: what a client brings back to fetch a result or to run a prepared statement. The gateway keeps nothing: a handle
//! is the statement itself, signed, so that any replica can answer it and nobody can make one up. Rights are checked when it is used.

use crate::error::{Code, RequestError};
use crate::identity::Tokens;
use bytes::Bytes;
use portico_engine::SqlStatement;
use portico_provider_api::Value;
use serde::{Deserialize, Serialize};

/// What handles are for; one made for the one is refused for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A ticket for one result.
    Ticket,
    /// A prepared statement.
    Prepared,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::Ticket => "flight ticket",
            Purpose::Prepared => "flight prepared statement",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Content {
    text: String,
    parameters: Vec<Value>,
}

/// Makes a handle.
///
/// # Errors
/// `Internal`, when a value cannot be written.
pub fn make(tokens: &Tokens, purpose: Purpose, statement: &SqlStatement) -> Result<Bytes, RequestError> {
    let failed = || RequestError::new(Code::Internal, "the statement handle cannot be made");
    let content = Content { text: statement.text.clone(), parameters: statement.parameters.clone() };
    let content = serde_json::to_vec(&content).map_err(|_| failed())?;
    tokens.seal(purpose.name(), &content).map(Bytes::from).ok_or_else(failed)
}

/// Reads a handle.
///
/// # Errors
/// `InvalidRequest` when it was not made here for this purpose.
pub fn read(tokens: &Tokens, purpose: Purpose, handle: &[u8]) -> Result<SqlStatement, RequestError> {
    let refused = || RequestError::new(Code::InvalidRequest, format!("the {} is not one that this gateway made", purpose.name()));
    let content = tokens.open(purpose.name(), handle).ok_or_else(refused)?;
    let content: Content = serde_json::from_slice(content).map_err(|_| refused())?;
    Ok(SqlStatement { text: content.text, parameters: content.parameters })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretText;

    #[test]
    fn handles_are_for_one_purpose() {
        let tokens = Tokens::new(SecretText::new("0123456789abcdef"));
        let statement = SqlStatement { text: "SELECT $1".into(), parameters: vec![Value::Int64(7)] };
        let handle = make(&tokens, Purpose::Prepared, &statement).unwrap();
        assert_eq!(read(&tokens, Purpose::Prepared, &handle).unwrap(), statement);
        assert_eq!(read(&tokens, Purpose::Ticket, &handle).unwrap_err().code, Code::InvalidRequest);
        let mut forged = handle.to_vec();
        let last = forged.len() - 3;
        forged[last] ^= 1;
        assert!(read(&tokens, Purpose::Prepared, &forged).is_err());
        assert!(read(&tokens, Purpose::Ticket, b"").is_err());
    }
}
