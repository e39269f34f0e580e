//! URLs of requests: below the source's URL, safely encoded, within the configured hosts and a length. Beside each URL stands how it is shown:
//! values are placeholders there. Pure; it must not know what is asked.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use std::fmt::Write as _;
use thiserror::Error;

/// What may stand in a segment of a path as it is (RFC 3986, `pchar`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');
/// What may stand in a name or value of a query. `+` may not: many read it as a space.
const QUERY: &AsciiSet = &SEGMENT.remove(b'/').remove(b'?').add(b'=');
const NAME: &AsciiSet = QUERY;

/// Why a URL cannot be used. No message holds a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// The source's URL.
    #[error("'url' {0}")]
    Base(&'static str),
    /// A name among the further hosts.
    #[error("'http.hosts' has '{0}', which is no host: write host or host:port")]
    Host(String),
    /// A segment that would be another path.
    #[error("a part of the path is empty, '.' or '..', which no URL can say")]
    Segment,
    /// Longer than allowed.
    #[error("the URL would be {length} bytes long, and at most {most} are sent ('http.max_url')")]
    TooLong {
        /// Bytes that it would have.
        length: usize,
        /// Bytes that are allowed.
        most: usize,
    },
    /// A link that is no URL.
    #[error("the source gave a link that is no URL")]
    Link,
    /// A link to elsewhere.
    #[error(
        "the source leads to the host '{0}', which is not the one of its URL: name it in 'http.hosts' if it may be asked, or check the URL and the credentials"
    )]
    Elsewhere(String),
    /// A link that would give up encryption.
    #[error("the source leads from https to '{0}', without encryption")]
    Downgrade(String),
}

/// The source's URL, and where else answers may lead.
#[derive(Debug, Clone)]
pub struct Base {
    url: Url,
    hosts: Vec<(String, Option<u16>)>,
    max_url: usize,
}

/// The URL of a request, and how it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    shown: String,
    parameters: usize,
    max_url: usize,
}

impl Base {
    /// Reads the source's URL and the further hosts.
    ///
    /// # Errors
    /// Says what is wrong, without repeating the URL.
    pub fn new(url: &str, hosts: &[String], max_url: usize) -> Result<Base, AddressError> {
        let url = Url::parse(url).map_err(|_| AddressError::Base("is no URL: write https://host/path"))?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(AddressError::Base("must begin with https:// (or http://) and a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Base("holds a user or a password: give them in 'auth'"));
        }
        if url.fragment().is_some() {
            return Err(AddressError::Base("has a part after '#', which is not sent"));
        }
        let hosts = hosts.iter().map(|host| named(host)).collect::<Result<_, _>>()?;
        Ok(Base { url, hosts, max_url })
    }

    /// The source's URL as an address, to which segments and parameters are added.
    pub fn address(&self) -> Address {
        let shown = shown(&self.url);
        Address { url: self.url.clone(), shown, parameters: 0, max_url: self.max_url }
    }

    /// The address that a link in an answer leads to: a next page, a redirect. `from` is where the answer came from.
    ///
    /// # Errors
    /// When it is no URL, leads to a host that is not configured, or gives up encryption.
    pub fn link(&self, from: &Url, link: &str) -> Result<Address, AddressError> {
        let mut url = from.join(link).map_err(|_| AddressError::Link)?;
        url.set_fragment(None);
        let host = place(&url).ok_or(AddressError::Link)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Link);
        }
        if from.scheme() == "https" && url.scheme() != "https" {
            return Err(AddressError::Downgrade(host));
        }
        if !matches!(url.scheme(), "https" | "http") || !self.is_allowed(&url) {
            return Err(AddressError::Elsewhere(host));
        }
        let shown = shown(&url);
        Address { url, shown, parameters: 0, max_url: self.max_url }.within()
    }

    /// Whether credentials may travel there: to the host and port of the source's URL only, and never with less encryption.
    pub fn is_home(&self, url: &Url) -> bool {
        let same_host = url.host() == self.url.host();
        let same_port = url.port_or_known_default() == self.url.port_or_known_default();
        let upgraded = self.url.scheme() == "http" && url.scheme() == "https" && self.url.port().is_none() && url.port().is_none();
        same_host && ((same_port && url.scheme() == self.url.scheme()) || upgraded)
    }

    /// The source's URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    fn is_allowed(&self, url: &Url) -> bool {
        let further = |(host, port): &(String, Option<u16>)| {
            let port_fits = match port {
                Some(port) => url.port_or_known_default() == Some(*port),
                None => url.port().is_none(),
            };
            url.host_str() == Some(host.as_str()) && port_fits
        };
        self.is_home(url) || self.hosts.iter().any(further)
    }
}

impl Address {
    /// Goes one segment down; what it holds is encoded.
    ///
    /// # Errors
    /// When the segment is empty, `.` or `..`, or the URL grows too long.
    pub fn segment(mut self, segment: &str) -> Result<Address, AddressError> {
        if matches!(segment, "" | "." | "..") {
            return Err(AddressError::Segment);
        }
        let path = format!("{}/{}", self.url.path().trim_end_matches('/'), utf8_percent_encode(segment, SEGMENT));
        self.url.set_path(&path);
        self.shown = shown(&self.url);
        self.within()
    }

    /// Goes several segments down: `a/b`, as a configuration writes it. A `/` at the end stays.
    ///
    /// # Errors
    /// As [`Address::segment`].
    pub fn path(self, path: &str) -> Result<Address, AddressError> {
        let inner = path.trim_matches('/');
        let mut address = self;
        for segment in inner.split('/').filter(|_| !inner.is_empty()) {
            address = address.segment(segment)?;
        }
        if path.ends_with('/') && !inner.is_empty() {
            let path = format!("{}/", address.url.path());
            address.url.set_path(&path);
            address.shown = shown(&address.url);
        }
        address.within()
    }

    /// Adds a parameter whose value is a part of the question and is shown. Segments come before parameters.
    ///
    /// # Errors
    /// When the URL grows too long.
    pub fn query(self, name: &str, value: &str) -> Result<Address, AddressError> {
        self.pair(name, value, value)
    }

    /// Adds a parameter whose value comes from a row or a caller: it is shown as `?`.
    ///
    /// # Errors
    /// When the URL grows too long.
    pub fn parameter(mut self, name: &str, value: &str) -> Result<Address, AddressError> {
        self.parameters += 1;
        self.pair(name, value, "?")
    }

    /// Says how it is shown instead, for those whose values stand inside of a larger text (`$filter=name eq ?`).
    #[must_use]
    pub fn shown_as(mut self, shown: impl Into<String>, parameters: usize) -> Address {
        self.shown = shown.into();
        self.parameters = parameters;
        self
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// How it is shown, and how many values were left out.
    pub fn shown(&self) -> (&str, usize) {
        (&self.shown, self.parameters)
    }

    fn pair(mut self, name: &str, value: &str, visible: &str) -> Result<Address, AddressError> {
        let name = utf8_percent_encode(name, NAME).to_string().replace("%24", "$");
        let pair = format!("{name}={}", utf8_percent_encode(value, QUERY));
        let query = self.url.query().filter(|query| !query.is_empty()).map_or(pair.clone(), |before| format!("{before}&{pair}"));
        self.url.set_query(Some(&query));
        let separator = if self.shown.contains('?') { '&' } else { '?' };
        // A person reads it: names and values stay as they are.
        let _ = write!(self.shown, "{separator}{}={visible}", percent_encoding::percent_decode_str(&name).decode_utf8_lossy());
        self.within()
    }

    fn within(self) -> Result<Address, AddressError> {
        let length = self.url.as_str().len();
        if length > self.max_url { Err(AddressError::TooLong { length, most: self.max_url }) } else { Ok(self) }
    }
}

/// A URL as it is shown: of its query only the names, whatever the source put there.
fn shown(url: &Url) -> String {
    let mut text = url.path().to_owned();
    for (index, (name, _)) in url.query_pairs().enumerate() {
        let _ = write!(text, "{}{name}=…", if index == 0 { '?' } else { '&' });
    }
    text
}

fn place(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn named(host: &str) -> Result<(String, Option<u16>), AddressError> {
    let wrong = || AddressError::Host(host.to_owned());
    let url = Url::parse(&format!("https://{host}/")).map_err(|_| wrong())?;
    // With a scheme or a path in it, it would not come back as it was.
    if place(&url).as_deref() != Some(host.to_ascii_lowercase().trim_end_matches(":443")) {
        return Err(wrong());
    }
    let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    Ok((url.host_str().ok_or_else(wrong)?.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base(url: &str) -> Base {
        Base::new(url, &["files.example.com".to_owned(), "other.example.com:8443".to_owned()], 300).unwrap()
    }

    #[test]
    fn segments_and_values_are_encoded() {
        let address = base("https://h/api/?sap-client=100").address();
        let address = address.segment("Orders('a/b c')").unwrap().query("$filter", "x eq 'ü+1&2'").unwrap().parameter("id", "7#").unwrap();
        assert_eq!(
            address.url().as_str(),
            "https://h/api/Orders('a%2Fb%20c')?sap-client=100&$filter=x%20eq%20%27%C3%BC%2B1%262%27&id=7%23"
        );
        assert_eq!(address.shown(), ("/api/Orders('a%2Fb%20c')?sap-client=…&$filter=x eq 'ü+1&2'&id=?", 1));
        assert_eq!(base("https://h").address().path("/a/b/").unwrap().url().as_str(), "https://h/a/b/");
        assert_eq!(base("https://h/x").address().path("").unwrap().url().as_str(), "https://h/x");
    }

    #[test]
    fn a_segment_stays_one_segment() {
        for bad in ["", ".", ".."] {
            assert_eq!(base("https://h/a/").address().segment(bad), Err(AddressError::Segment));
        }
        assert!(base("https://h/a/").address().path("b/../c").is_err());
        assert_eq!(base("https://h/a").address().segment("%2e%2e").unwrap().url().path(), "/a/%252e%252e");
        assert_eq!(base("https://h/a").address().segment("..\\..").unwrap().url().path(), "/a/..%5C..");
    }

    #[test]
    fn a_url_has_a_greatest_length() {
        let error = base("https://h/").address().query("ids", &"1,".repeat(200)).unwrap_err();
        assert_eq!(error, AddressError::TooLong { length: 415, most: 300 });
    }

    #[test]
    fn links_stay_within_the_hosts() {
        let base = base("https://erp.example.com/api/");
        let link = |link: &str| base.link(base.url(), link).map(|address| address.url().to_string());
        assert_eq!(link("Orders?$skiptoken=1").unwrap(), "https://erp.example.com/api/Orders?$skiptoken=1");
        assert_eq!(link("/x#y").unwrap(), "https://erp.example.com/x");
        assert_eq!(link("https://files.example.com/1").unwrap(), "https://files.example.com/1");
        assert_eq!(link("//other.example.com:8443/").unwrap(), "https://other.example.com:8443/");
        assert_eq!(link("https://erp.example.com:444/"), Err(AddressError::Elsewhere("erp.example.com:444".to_owned())));
        assert_eq!(link("https://files.example.com:444/"), Err(AddressError::Elsewhere("files.example.com:444".to_owned())));
        assert_eq!(link("https://evil.example.com/?x"), Err(AddressError::Elsewhere("evil.example.com".to_owned())));
        assert_eq!(link("http://erp.example.com/"), Err(AddressError::Downgrade("erp.example.com".to_owned())));
        assert_eq!(link("https://u:p@erp.example.com/"), Err(AddressError::Link));
        assert!(link("https://").is_err() && link("file:///etc/passwd").is_err());
    }

    #[test]
    fn credentials_stay_at_home() {
        let home = base("https://erp.example.com/api/");
        let is_home = |url: &str| home.is_home(&Url::parse(url).unwrap());
        assert!(is_home("https://erp.example.com/other"));
        for elsewhere in
            ["http://erp.example.com/", "https://erp.example.com:8443/", "https://files.example.com/", "https://x.erp.example.com/"]
        {
            assert!(!is_home(elsewhere), "{elsewhere}");
        }
        assert!(base("http://erp.example.com/").is_home(&Url::parse("https://erp.example.com/").unwrap()));
    }

    #[test]
    fn a_wrong_base_is_refused_without_repeating_it() {
        for bad in ["hunter2", "ftp://hunter2", "https://u:hunter2@h/", "https://h/#hunter2", "https://"] {
            let error = Base::new(bad, &[], 300).unwrap_err().to_string();
            assert!(error.starts_with("'url' ") && !error.contains("hunter2"), "{error}");
        }
        for bad in ["https://h", "h/x", "", "h:x", "u@h"] {
            assert!(Base::new("https://h/", &[bad.to_owned()], 300).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_back(segment in "[^/]{1,20}|.{1,20}", value in ".{0,20}") {
            prop_assume!(!matches!(segment.as_str(), "." | ".."));
            let base = Base::new("https://h/a", &[], 4000).unwrap();
            let address = base.address().segment(&segment).unwrap().query("q", &value).unwrap();
            let last = address.url().path_segments().unwrap().next_back().unwrap();
            prop_assert_eq!(percent_encoding::percent_decode_str(last).decode_utf8().unwrap(), segment);
            prop_assert_eq!(address.url().path_segments().unwrap().count(), 2);
            let read: Vec<(String, String)> = address.url().query_pairs().into_owned().collect();
            prop_assert_eq!(read, vec![("q".to_owned(), value)]);
        }
    }
}
