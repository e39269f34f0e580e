//! The settings of pages. It must not know how they are followed.

use schemars::JsonSchema;
use serde::Deserialize;

/// How answers come in pages.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagingConfig {
    /// What leads to the next page.
    pub by: PagingBy,
    /// The parameter with the page's number, the offset or the cursor.
    #[serde(default)]
    pub parameter: Option<String>,
    /// The number of the first page.
    #[serde(default)]
    pub first: Option<u64>,
    /// Rows of a page.
    #[serde(default)]
    pub size: Option<u64>,
    /// The parameter with the number of rows.
    #[serde(default)]
    pub size_parameter: Option<String>,
    /// Where the cursor or the next URL stands in an answer (a JSON Pointer or JSONPath), or the header's relation (`next`).
    #[serde(default)]
    pub next: Option<String>,
    /// Where an answer says whether there are more rows: true or false.
    #[serde(default)]
    pub more: Option<String>,
    /// Where an answer says how many rows there are in all.
    #[serde(default)]
    pub total: Option<String>,
    /// The header that says how many rows there are in all.
    #[serde(default)]
    pub total_header: Option<String>,
    /// Where an answer says how many rows it has itself.
    #[serde(default)]
    pub count: Option<String>,
    /// What ends the pages, where nothing leads from one to the next: by default the total where there is one, else a page without rows.
    #[serde(default)]
    pub end: Option<PagingEnd>,
    /// The unit of `Range`.
    #[serde(default)]
    pub unit: Option<String>,
    /// Pages of one answer at most.
    #[serde(default)]
    pub max_pages: Option<u64>,
}

/// What leads to the next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PagingBy {
    /// An answer is whole.
    None,
    /// A parameter counts the pages.
    Page,
    /// A parameter says how many rows to leave out.
    Offset,
    /// A parameter takes what the page before said.
    Cursor,
    /// The URL of the next page stands in the answer.
    Next,
    /// The URL of the next page stands in the header `Link`.
    Link,
    /// The headers `Range` and `Content-Range`.
    Range,
    /// A condition on the key leads from the last row on: of presets that can.
    Keyset,
}

/// What ends pages that nothing leads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PagingEnd {
    /// A page with fewer rows than asked for: only where the server keeps to the size that it is asked for.
    ShortPage,
    /// A page without rows.
    EmptyPage,
    /// As many rows as the answer says that there are.
    Total,
}
