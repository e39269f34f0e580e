//! The settings that every kind behind this client has: where the source is, who asks, how the way to it is protected, and the limits of
//! answers. Typed and closed. A kind reads them together with its own by [`read`]. It must not know any kind's own settings.

mod reading;

use crate::units::{Size, Time};
use portico_provider_api::Secret;
pub use reading::{read, schema};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How a source is reached over HTTP.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// Where the source is: `https://host/path`. What is asked lies below that path; parameters of the URL go along with every request.
    pub url: String,
    /// Who asks. Without it the source is asked anonymously.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Transport encryption, for `https`.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Headers that go along with every request to the source.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// The source wants a token against forged requests with each change (SAP).
    #[serde(default)]
    pub csrf: Option<CsrfConfig>,
    /// Limits of the client.
    #[serde(default)]
    pub http: HttpConfig,
}

/// Who asks: one of these.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// User and password.
    #[serde(default)]
    pub basic: Option<Basic>,
    /// A token that does not change, sent as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer: Option<Secret>,
    /// A key in a header or a parameter of its own.
    #[serde(default)]
    pub api_key: Option<ApiKey>,
    /// OAuth 2.0: a token that is fetched, and renewed before it expires.
    #[serde(default)]
    pub oauth2: Option<OAuth2>,
    /// What the caller of the gateway shows is shown to the source, too.
    #[serde(default)]
    pub caller: Option<CallerAuth>,
}

/// User and password.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// User.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// A key in a header, or in a parameter of the URL.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Name of the header. Without it, and without `query`: `x-api-key`.
    #[serde(default)]
    pub header: Option<String>,
    /// Name of the URL's parameter, for sources that take no header. URLs are written to logs of servers and proxies.
    #[serde(default)]
    pub query: Option<String>,
    /// The key.
    pub key: Secret,
}

/// OAuth 2.0 (RFC 6749): client credentials, or a refresh token where there is one.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// Where tokens are issued.
    pub token_url: String,
    /// Who the gateway is there.
    pub client_id: String,
    /// Its secret there; a public client has none.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// Where id and secret are sent.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// A refresh token: tokens are asked for in the name of who gave it.
    #[serde(default)]
    pub refresh_token: Option<Secret>,
    /// What the token shall be good for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Further parameters of the request for a token: `audience`, `resource`.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// How long before it expires a token is renewed, at most a fifth of its life.
    #[serde(default = "renew_before")]
    pub renew_before: Time,
}

fn renew_before() -> Time {
    Time(Duration::from_secs(60))
}

/// Where id and secret of the client are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// In `Authorization: Basic`, as every server must understand it.
    #[default]
    Header,
    /// In the body.
    Body,
}

/// What is passed on of what the caller shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallerAuth {
    /// The bearer token.
    Bearer,
}

/// Transport encryption. A certificate is always verified, for its chain and for the host's name.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// A PEM file with the certificate authorities to trust instead of the public ones. Relative to the configuration file.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// A PEM file with the client's own certificate and those between it and its authority, for servers that ask for one.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The private key of the client's certificate, PEM.
    #[serde(default)]
    pub key: Option<Secret>,
}

/// A token against forged requests, fetched by a read with `X-CSRF-Token: Fetch` and sent along with each change.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsrfConfig {
    /// Where it is fetched, below the source's URL. Without it: at that URL.
    #[serde(default)]
    pub path: String,
}

/// Limits of the client.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// How large one answer may be that is read as it comes, unpacked.
    pub max_response: Size,
    /// How large one page may be that is held as a whole, unpacked.
    pub max_page: Size,
    /// How long a connection may take to be made.
    pub connect_timeout: Time,
    /// How long nothing may come while an answer is read.
    pub idle_timeout: Time,
    /// How often a request that may be repeated is repeated.
    #[schemars(range(max = 20))]
    pub retries: u32,
    /// How many redirects are followed.
    #[schemars(range(max = 20))]
    pub max_redirects: u32,
    /// How long a URL may be, in bytes.
    #[schemars(range(min = 256))]
    pub max_url: usize,
    /// Further hosts that redirects and links to next pages may lead to: `host` or `host:port`. Credentials go only to that of the URL.
    pub hosts: Vec<String>,
    /// Whether cookies are kept and sent back. They are with `csrf`.
    pub cookies: bool,
    /// A proxy on the way: `http://host:port`. The environment's proxy settings are not looked at.
    pub proxy: Option<String>,
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            max_response: Size(1 << 30),
            max_page: Size(64 << 20),
            connect_timeout: Time(Duration::from_secs(10)),
            idle_timeout: Time(Duration::from_secs(30)),
            retries: 4,
            max_redirects: 5,
            max_url: 8_000,
            hosts: Vec::new(),
            cookies: false,
            proxy: None,
        }
    }
}

impl WebConfig {
    /// With a URL and nothing else.
    pub fn new(url: impl Into<String>) -> WebConfig {
        WebConfig {
            url: url.into(),
            auth: None,
            tls: TlsConfig::default(),
            headers: BTreeMap::new(),
            csrf: None,
            http: HttpConfig::default(),
        }
    }

    /// Every secret in it.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        let mut secrets: Vec<&Secret> = self.headers.values().chain(&self.tls.key).collect();
        if let Some(auth) = &self.auth {
            secrets.extend(auth.basic.iter().map(|basic| &basic.password));
            secrets.extend(&auth.bearer);
            secrets.extend(auth.api_key.iter().map(|api_key| &api_key.key));
            secrets.extend(auth.oauth2.iter().flat_map(|oauth2| oauth2.client_secret.iter().chain(&oauth2.refresh_token)));
        }
        secrets
    }
}
