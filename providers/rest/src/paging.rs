//! How answers come in pages: what a page is asked by, what leads from one to the next, and what must fit. Pure; it must not know rows.

use crate::config::{PagingBy, PagingConfig, PagingEnd};
use crate::resource::Place;
use portico_provider_web::Pages;
use portico_provider_web::header::HeaderMap;
use portico_provider_web::json::Json;

/// Pages of one answer, and of pages without rows after each other, at most.
const MAX_PAGES: u64 = 100_000;
const MAX_EMPTY: u64 = 25;
/// Rows of a page, where the server is told and nothing is said.
const SIZE: u64 = 1_000;

/// How answers come in pages, made ready.
#[derive(Debug, Clone)]
pub struct Paging {
    /// What leads to the next page.
    pub by: PagingBy,
    /// The parameter of the page, offset or cursor.
    pub parameter: String,
    /// The first page's number.
    pub first: u64,
    /// Rows of a page.
    pub size: Option<u64>,
    /// The parameter with that.
    pub size_parameter: Option<String>,
    /// Where the cursor or the URL stands.
    pub next: Option<Place>,
    /// The relation of the header.
    pub relation: String,
    /// Where it stands whether there is more.
    pub more: Option<Place>,
    /// Where the number of all rows stands.
    pub total: Option<Place>,
    /// The header with it.
    pub total_header: Option<String>,
    /// Where the number of the page's own rows stands.
    pub count: Option<Place>,
    /// What ends the pages.
    pub end: PagingEnd,
    /// The unit of ranges.
    pub unit: String,
    /// Pages at most.
    pub max_pages: u64,
}

impl Default for Paging {
    fn default() -> Paging {
        Paging {
            by: PagingBy::None,
            parameter: String::new(),
            first: 1,
            size: None,
            size_parameter: None,
            next: None,
            relation: "next".to_owned(),
            more: None,
            total: None,
            total_header: None,
            count: None,
            end: PagingEnd::EmptyPage,
            unit: "items".to_owned(),
            max_pages: MAX_PAGES,
        }
    }
}

impl Paging {
    /// From the configuration.
    ///
    /// # Errors
    /// Names the setting that is missing, or that makes no sense.
    pub fn new(config: &PagingConfig) -> Result<Paging, String> {
        let place = |wrong: String| format!("'paging': {wrong}");
        let at = |text: &Option<String>| text.as_deref().map(Place::parse).transpose().map_err(place);
        let needed = |given: bool, name: &str| if given { Ok(()) } else { Err(place(format!("'{name}' is missing"))) };
        let by = config.by;
        let numbered = matches!(by, PagingBy::Page | PagingBy::Offset);
        if matches!(by, PagingBy::Page | PagingBy::Offset | PagingBy::Cursor) {
            needed(config.parameter.is_some(), "parameter")?;
        } else if config.parameter.is_some() {
            return Err(place("there is no place for 'parameter'".to_owned()));
        }
        if matches!(by, PagingBy::Cursor | PagingBy::Next) {
            needed(config.next.is_some(), "next")?;
        }
        if config.size == Some(0) {
            return Err(place("'size' is zero: no page would have a row".to_owned()));
        }
        let counted = config.total.is_some() || config.total_header.is_some();
        let end = config.end.unwrap_or(if counted { PagingEnd::Total } else { PagingEnd::EmptyPage });
        match end {
            PagingEnd::Total if !counted && by != PagingBy::Range => needed(false, "total")?,
            PagingEnd::ShortPage => needed(config.size.is_some(), "size")?,
            PagingEnd::Total | PagingEnd::EmptyPage => {}
        }
        if config.end.is_some() && !(numbered || matches!(by, PagingBy::Range | PagingBy::Keyset)) {
            return Err(place("'end' is for pages that nothing leads from".to_owned()));
        }
        let told = config.size_parameter.is_some() || matches!(by, PagingBy::Range | PagingBy::Keyset);
        let default = Paging::default();
        Ok(Paging {
            by,
            parameter: config.parameter.clone().unwrap_or_default(),
            first: config.first.unwrap_or(1),
            size: config.size.or(told.then_some(SIZE)),
            size_parameter: config.size_parameter.clone(),
            next: if by == PagingBy::Link { None } else { at(&config.next)? },
            relation: config.next.clone().filter(|_| by == PagingBy::Link).unwrap_or(default.relation),
            more: at(&config.more)?,
            total: at(&config.total)?,
            total_header: config.total_header.clone(),
            count: at(&config.count)?,
            end,
            unit: config.unit.clone().unwrap_or(default.unit),
            max_pages: config.max_pages.unwrap_or(MAX_PAGES).max(1),
        })
    }

    /// The parameters that it uses.
    pub fn parameters(&self) -> Vec<&str> {
        self.size_parameter.as_deref().into_iter().chain(Some(self.parameter.as_str()).filter(|name| !name.is_empty())).collect()
    }

    /// Whether it is said how many rows there are in all.
    pub fn counts(&self) -> bool {
        self.total.is_some() || self.total_header.is_some()
    }

    /// What of a page is wanted beside its rows, in the order of [`Said`].
    pub fn wanted(&self) -> [Option<&Place>; 4] {
        [&self.next, &self.more, &self.total, &self.count].map(Option::as_ref)
    }
}

/// What a page is asked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// With these parameters, and this header.
    Parameters(Vec<(String, String)>, Option<(String, String)>),
    /// At this URL, relative to the page before.
    Link(String),
}

/// What a page has said.
#[derive(Debug, Default)]
pub struct Said {
    /// Its rows, before anything was left out.
    pub rows: u64,
    /// The cursor or the URL.
    pub next: Option<Json>,
    /// Whether there are more.
    pub more: Option<Json>,
    /// How many there are in all.
    pub total: Option<Json>,
    /// How many it has itself.
    pub count: Option<Json>,
}

/// Why pages cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// The answer is not what it says.
    Malformed(String),
    /// The rows were changed while they were read.
    Changed(String),
}

/// The way through the pages of one answer.
#[derive(Debug)]
pub struct Pager {
    paging: Paging,
    guard: Pages,
    page: u64,
    rows: u64,
    offset: u64,
    total: Option<u64>,
    size: Option<u64>,
    largest: u64,
}

impl Pager {
    /// From that row on; `most` is how many rows are wanted, where that is known.
    pub fn new(paging: &Paging, offset: u64, most: Option<u64>) -> Pager {
        let told = paging.size_parameter.is_some() || matches!(paging.by, PagingBy::Range | PagingBy::Keyset);
        // A page number means another row with another size, so that those keep theirs.
        let free = told && !matches!(paging.by, PagingBy::Page);
        let size = match (paging.size, most) {
            (Some(size), Some(most)) if free => Some(size.min(most.max(1))),
            (size, _) => size,
        };
        let guard = Pages::new(paging.max_pages, MAX_EMPTY);
        Pager { paging: paging.clone(), guard, page: paging.first, rows: 0, offset, total: None, size, largest: 0 }
    }

    /// How many rows there are in all, as far as it was said.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// What the first page is asked by.
    pub fn first(&self) -> Step {
        self.step(None)
    }

    fn step(&self, cursor: Option<&str>) -> Step {
        let Paging { by, parameter, size_parameter, unit, .. } = &self.paging;
        let mut pairs = Vec::new();
        match by {
            PagingBy::Page => pairs.push((parameter.clone(), self.page.to_string())),
            PagingBy::Offset if self.offset + self.rows > 0 => pairs.push((parameter.clone(), (self.offset + self.rows).to_string())),
            PagingBy::Cursor => pairs.extend(cursor.map(|cursor| (parameter.clone(), cursor.to_owned()))),
            PagingBy::Offset | PagingBy::None | PagingBy::Next | PagingBy::Link | PagingBy::Range | PagingBy::Keyset => {}
        }
        if let (Some(name), Some(size)) = (size_parameter, self.size) {
            pairs.push((name.clone(), size.to_string()));
        }
        let from = self.offset + self.rows;
        let range =
            self.size.filter(|_| *by == PagingBy::Range).map(|size| ("range".to_owned(), format!("{unit}={from}-{}", from + size - 1)));
        Step::Parameters(pairs, range)
    }

    /// After a page: what the next is asked by, or nothing at the end.
    ///
    /// # Errors
    /// When the page is not what it says, or its pages would never end.
    pub fn after(&mut self, said: &Said, headers: &HeaderMap) -> Result<Option<Step>, Broken> {
        let malformed = |message: String| Broken::Malformed(message);
        if let Some(count) = said.count.as_ref().and_then(Json::integer)
            && u64::try_from(count).ok() != Some(said.rows)
        {
            return Err(malformed(format!("a page says that it has {count} rows, and has {}", said.rows)));
        }
        self.note_total(said, headers)?;
        let ranged = if self.paging.by == PagingBy::Range { self.range(said, headers)? } else { false };
        self.rows += said.rows;
        self.page += 1;
        let largest = self.largest;
        self.largest = largest.max(said.rows);
        let next = match self.paging.by {
            PagingBy::None | PagingBy::Keyset => None,
            PagingBy::Page | PagingBy::Offset => (!self.ended(said, largest)).then(|| self.step(None)),
            PagingBy::Range => (!ranged && !self.ended(said, largest)).then(|| self.step(None)),
            PagingBy::Cursor => link(said.next.as_ref())?.map(|cursor| self.step(Some(&cursor))),
            PagingBy::Next => link(said.next.as_ref())?.map(Step::Link),
            PagingBy::Link => header_link(headers, &self.paging.relation)?.map(Step::Link),
        };
        let next = self.more(said, next)?;
        let Some(next) = next else {
            return match self.total {
                Some(total) if self.offset + self.rows != total && !(self.offset > total && self.rows == 0) => {
                    Err(malformed(format!("the answer says that there are {total} rows, and its pages have {}", self.offset + self.rows)))
                }
                Some(_) | None => Ok(None),
            };
        };
        self.guard.follow(said.rows, &format!("{next:?}")).map_err(|endless| malformed(endless.to_string()))?;
        Ok(Some(next))
    }

    /// After an answer that there is nothing at the row that was asked for (416; RFC 9110, section 15.5.17).
    ///
    /// # Errors
    /// When rows are missing that were said to be there.
    pub fn beyond(&mut self, headers: &HeaderMap) -> Result<(), Broken> {
        let said = headers.get("content-range").and_then(|value| value.to_str().ok()).and_then(|value| value.rsplit_once('/'));
        if let Some(total) = said.and_then(|(_, total)| total.trim().parse().ok()) {
            self.agree(total)?;
        }
        let from = self.offset + self.rows;
        match self.total {
            Some(total) if from < total => Err(Broken::Changed(format!(
                "there were {total} rows, and now there are none from row {from} on: they were removed while the pages were read"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// What the answer says of whether there are more.
    fn more(&self, said: &Said, next: Option<Step>) -> Result<Option<Step>, Broken> {
        match &said.more {
            None | Some(Json::Null) => Ok(next),
            Some(Json::Boolean(false)) => Ok(None),
            Some(Json::Boolean(true)) => match next {
                Some(next) => Ok(Some(next)),
                None => Err(Broken::Malformed("the answer says that there are more rows, and nothing leads to them".to_owned())),
            },
            Some(_) => Err(Broken::Malformed("what says whether there are more rows is neither true nor false".to_owned())),
        }
    }

    fn ended(&self, said: &Said, largest: u64) -> bool {
        match self.paging.end {
            PagingEnd::EmptyPage => said.rows == 0,
            PagingEnd::ShortPage => self.size.is_none_or(|size| said.rows < size) || (said.rows < largest),
            PagingEnd::Total => match self.total {
                Some(total) => said.rows == 0 || self.offset + self.rows >= total,
                None => said.rows == 0,
            },
        }
    }

    fn note_total(&mut self, said: &Said, headers: &HeaderMap) -> Result<(), Broken> {
        let header = self.paging.total_header.as_ref().map(|name| {
            let value = headers.get(name.as_str()).and_then(|value| value.to_str().ok()).and_then(|value| value.trim().parse::<u64>().ok());
            value.ok_or_else(|| Broken::Malformed(format!("the header '{name}' with the number of all rows is missing, or no number")))
        });
        let body = self.paging.total.as_ref().map(|at| {
            let value = said.total.as_ref().and_then(Json::integer).and_then(|total| u64::try_from(total).ok());
            value.ok_or_else(|| Broken::Malformed(format!("the number of all rows at '{at}' is missing, or no number")))
        });
        for total in [header, body].into_iter().flatten() {
            self.agree(total?)?;
        }
        Ok(())
    }

    fn agree(&mut self, total: u64) -> Result<(), Broken> {
        match self.total.replace(total) {
            Some(before) if before != total => Err(Broken::Changed(format!(
                "there were {before} rows, and now there are {total}: rows were added or removed while the pages were read"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// What `Content-Range` says; whether this was the last page.
    fn range(&mut self, said: &Said, headers: &HeaderMap) -> Result<bool, Broken> {
        let malformed = |message: String| Err(Broken::Malformed(message));
        let Some(value) = headers.get("content-range").and_then(|value| value.to_str().ok()) else {
            // Without it a range was not understood: the whole answer came.
            return if self.rows == 0 && self.offset == 0 { Ok(true) } else { malformed("a page has no 'Content-Range'".to_owned()) };
        };
        let value = value.rsplit(' ').next().unwrap_or(value);
        let (range, total) = value.split_once('/').unwrap_or((value, "*"));
        if let Ok(total) = total.parse::<u64>() {
            self.agree(total)?;
        }
        let from = self.offset + self.rows;
        match range.split_once('-').and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?))) {
            Some((first, last)) if first == from && last.checked_sub(first).map(|rows| rows + 1) == Some(said.rows) => {
                Ok(self.total == Some(last + 1))
            }
            Some(_) => malformed(format!("a page says that it is '{value}', and has {} rows from {from} on", said.rows)),
            None if range == "*" && said.rows == 0 => Ok(true),
            None => malformed(format!("'Content-Range: {value}' cannot be read")),
        }
    }
}

/// A cursor or URL; null, absent and empty mean that there is none.
fn link(json: Option<&Json>) -> Result<Option<String>, Broken> {
    match json {
        None | Some(Json::Null | Json::Boolean(false)) => Ok(None),
        Some(Json::Text(text) | Json::Number(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(Json::Boolean(true) | Json::Array(_) | Json::Object(_)) => {
            Err(Broken::Malformed("what leads to the next page is neither a text nor a number".to_owned()))
        }
    }
}

/// The URL of a relation in the header `Link` (RFC 8288).
fn header_link(headers: &HeaderMap, relation: &str) -> Result<Option<String>, Broken> {
    for value in headers.get_all("link") {
        let text = value.to_str().map_err(|_| Broken::Malformed("the header 'Link' is not readable".to_owned()))?;
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            let after = rest.get(start + 1..).unwrap_or_default();
            let Some(end) = after.find('>') else { return Err(Broken::Malformed("the header 'Link' has no end".to_owned())) };
            let (url, more) = (after.get(..end).unwrap_or_default(), after.get(end + 1..).unwrap_or_default());
            let parameters = more.get(..more.find('<').unwrap_or(more.len())).unwrap_or_default();
            let named = parameters.split([';', ',']).filter_map(|parameter| parameter.trim().split_once('='));
            let is = |(name, value): (&str, &str)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && value.trim().trim_matches('"').split(' ').any(|one| one.eq_ignore_ascii_case(relation))
            };
            if named.into_iter().any(is) {
                return Ok(Some(url.to_owned()));
            }
            rest = more;
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pager(config: serde_json::Value) -> Pager {
        Pager::new(&Paging::new(&serde_json::from_value(config).unwrap()).unwrap(), 0, None)
    }

    fn said(rows: u64, total: Option<&str>) -> Said {
        Said { rows, total: total.map(|total| Json::Number(total.to_owned())), ..Said::default() }
    }

    fn pairs(step: Option<Step>) -> String {
        match step {
            Some(Step::Parameters(pairs, range)) => pairs
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .chain(range.map(|(name, value)| format!("{name}: {value}")))
                .collect::<Vec<_>>()
                .join("&"),
            Some(Step::Link(link)) => link,
            None => "end".to_owned(),
        }
    }

    #[test]
    fn pages_are_numbered_until_one_is_empty() {
        let mut pager = pager(json!({"by": "page", "parameter": "page", "size": 2, "size_parameter": "per_page"}));
        let none = HeaderMap::new();
        assert_eq!(pairs(Some(pager.first())), "page=1&per_page=2");
        assert_eq!(pairs(pager.after(&said(2, None), &none).unwrap()), "page=2&per_page=2");
        assert_eq!(pairs(pager.after(&said(1, None), &none).unwrap()), "page=3&per_page=2");
        assert_eq!(pairs(pager.after(&said(0, None), &none).unwrap()), "end");
    }

    #[test]
    fn a_total_must_fit() {
        let config = json!({"by": "offset", "parameter": "skip", "size": 2, "size_parameter": "top", "total": "/total"});
        let none = HeaderMap::new();
        let mut short = pager(config.clone());
        assert_eq!(pairs(short.after(&said(2, Some("5")), &none).unwrap()), "skip=2&top=2");
        assert!(matches!(short.after(&said(0, Some("5")), &none), Err(Broken::Malformed(_))));
        let mut changed = pager(config.clone());
        changed.after(&said(2, Some("5")), &none).unwrap();
        assert!(matches!(changed.after(&said(2, Some("4")), &none), Err(Broken::Changed(_))));
        let mut missing = pager(config.clone());
        assert!(matches!(missing.after(&said(2, None), &none), Err(Broken::Malformed(_))));
        let mut whole = pager(config);
        whole.after(&said(2, Some("3")), &none).unwrap();
        assert_eq!(pairs(whole.after(&said(1, Some("3")), &none).unwrap()), "end");
    }

    #[test]
    fn ranges_must_be_those_that_were_asked_for() {
        let range = |value: &'static str| [("content-range".parse().unwrap(), value.parse().unwrap())].into_iter().collect::<HeaderMap>();
        let config = json!({"by": "range", "size": 2});
        let mut right = pager(config.clone());
        assert_eq!(pairs(Some(right.first())), "range: items=0-1");
        assert_eq!(pairs(right.after(&said(2, None), &range("items 0-1/3")).unwrap()), "range: items=2-3");
        assert_eq!(pairs(right.after(&said(1, None), &range("2-2/3")).unwrap()), "end");
        assert!(pager(config.clone()).after(&said(1, None), &range("items 0-1/3")).is_err());
        assert!(pager(config.clone()).after(&said(2, None), &range("items 1-2/3")).is_err());
        assert!(pager(config).after(&said(2, None), &range("nonsense")).is_err());
    }

    #[test]
    fn links_lead_on_and_never_in_a_circle() {
        let link = |value: &'static str| [("link".parse().unwrap(), value.parse().unwrap())].into_iter().collect::<HeaderMap>();
        let mut pager = pager(json!({"by": "link"}));
        let next = pager.after(&said(1, None), &link("<http://h/?page=1>; rel=\"first\", <http://h/?page=2&a=b,c>; rel=\"next\"")).unwrap();
        assert_eq!(next, Some(Step::Link("http://h/?page=2&a=b,c".to_owned())));
        assert!(pager.after(&said(1, None), &link("<http://h/?page=2&a=b,c>; rel=next")).is_err());
        assert_eq!(pager.after(&said(1, None), &link("<http://h/?page=1>; rel=prev")), Ok(None));
    }

    #[test]
    fn more_without_a_way_is_refused() {
        let mut pager = pager(json!({"by": "cursor", "parameter": "after", "next": "/next", "more": "/more"}));
        let more = Said { rows: 1, more: Some(Json::Boolean(true)), ..Said::default() };
        assert!(pager.after(&more, &HeaderMap::new()).is_err());
    }
}
