//! `$batch`: bodies → single requests, single responses → bodies, in both formats (Protocol, section 11.7; JSON Format, section 19).
//! It reads what clients really send and writes only what every one of them understands. It must not know how a request is executed,
//! nor HTTP beyond the text of it that stands in a part.

mod condition;
mod json;
mod multipart;
#[cfg(test)]
mod tests;
mod url;
mod write;

pub use condition::Condition;
pub use json::read as json;
pub use multipart::{boundary, read as multipart};
pub use url::{Addressed, Place, addressed, reference};
pub use write::{BodyForm, JsonResponses, MultipartResponses, PartHead};

use crate::error::ODataError;

/// One request of a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchRequest {
    /// `Content-ID` or `id`: unique in the batch; the response carries it too.
    pub id: Option<String>,
    /// The method, in upper case.
    pub method: String,
    /// The URL as written: absolute, relative to the host, relative to the service, or a reference (`$1/Orders`).
    pub url: String,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; empty when there is none.
    pub body: Vec<u8>,
    /// Requests and groups that must have succeeded before. Only the JSON format has them.
    pub depends_on: Vec<String>,
    /// When to execute it, where that is not simply after the success of what it depends on.
    pub condition: Option<Condition>,
}

impl BatchRequest {
    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// One of the things that a batch holds, in its order.
#[derive(Debug, Clone, PartialEq)]
pub enum BatchItem {
    /// A request of its own.
    Request(BatchRequest),
    /// A change set or an atomicity group: all or nothing.
    Group {
        /// The name of an atomicity group; change sets have none.
        name: Option<String>,
        /// At least one request.
        requests: Vec<BatchRequest>,
    },
    /// A part that is not understood while the batch around it is. Its error is its response.
    Malformed {
        /// Its `Content-ID`, if that is understood.
        id: Option<String>,
        /// What is wrong.
        error: ODataError,
    },
}

/// Most requests of one batch, those in groups counted one by one.
///
/// # Errors
/// `BadRequest` when there are more.
fn check_count(count: usize, most: usize) -> Result<(), ODataError> {
    if count <= most {
        return Ok(());
    }
    Err(wrong(format!("the batch holds more than the {most} requests that are allowed: send several batches")))
}

/// A request that has an id which another one has already.
fn check_unique<'a>(seen: &mut std::collections::HashSet<&'a str>, id: Option<&'a str>) -> Result<(), ODataError> {
    match id {
        Some(id) if !seen.insert(id) => Err(wrong(format!("the id '{}' is given twice in the batch", shown(id)))),
        _ => Ok(()),
    }
}

fn wrong(message: impl Into<String>) -> ODataError {
    ODataError::bad_request(message).at("$batch", None)
}

/// A text of the client's, short enough for a message.
fn shown(text: &str) -> String {
    let short: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}
