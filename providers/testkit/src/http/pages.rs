//! Rows in pages, with links to the next. It must not know how a kind calls the members.

use super::answer::Answer;
use super::server::Request;

/// A collection that is served in pages.
#[derive(Debug, Clone)]
pub struct Paged {
    /// The rows, each a JSON value.
    pub rows: Vec<String>,
    /// Rows of a page.
    pub size: usize,
    /// Member of the rows.
    pub value: String,
    /// Member of the link to the next page.
    pub next: String,
}

impl Paged {
    /// Rows in pages of a size, with the members of OData.
    pub fn new(rows: Vec<String>, size: usize) -> Paged {
        Paged { rows, size, value: "value".to_owned(), next: "@odata.nextLink".to_owned() }
    }

    /// The page that `skip` in the query begins with. The link is relative to the request's path.
    pub fn answer(&self, request: &Request) -> Answer {
        let skip: usize = request.query("skip").and_then(|skip| skip.parse().ok()).unwrap_or(0);
        let end = (skip + self.size).min(self.rows.len());
        let rows = self.rows.get(skip..end).unwrap_or_default().join(",");
        let next = if end < self.rows.len() { format!(r#","{}":"{}?skip={end}""#, self.next, request.path) } else { String::new() };
        Answer::json(format!(r#"{{"{}":[{rows}]{next}}}"#, self.value))
    }
}
