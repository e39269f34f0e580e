//! Where the server is, how it is reached, and whether an answer lies there. It must not know requests.

use crate::config::FlightSqlConfig;
use portico_provider_api::{ConnectContext, SourceError, SourceErrorKind};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::time::Duration;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

/// How long a connection may take to be made at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a connection without traffic is asked whether it still is one, and how long it may take to say so.
const ALIVE_EVERY: Duration = Duration::from_secs(30);
const ALIVE_WITHIN: Duration = Duration::from_secs(20);
/// Bytes that are on their way at most, of one answer and of all: what is not read stays at the server.
const ANSWER_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Where the server is.
#[derive(Clone)]
pub struct Address {
    /// How it is reached.
    pub endpoint: Endpoint,
    /// `host:port`, in lower case.
    authority: String,
}

/// What is wrong with an address.
const FORM: &str = "write grpc+tls://host:port, or grpc://host:port without encryption";

/// Scheme and authority of a location, without credentials.
fn parts(url: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let encrypted = match scheme {
        "grpc" | "grpc+tcp" => false,
        "grpc+tls" => true,
        _ => return None,
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = authority.rsplit_once(':')?;
    let sane = !host.is_empty() && !authority.contains(['/', '?', '#', '@']) && port.parse::<u16>().is_ok();
    sane.then_some((encrypted, authority))
}

impl Address {
    /// The address that the settings name.
    ///
    /// # Errors
    /// When it cannot be read or the authorities to trust cannot. The message does not repeat the url: it may hold what should stand in
    /// `auth`.
    pub fn new(config: &FlightSqlConfig, context: &ConnectContext) -> Result<Address, SourceError> {
        let invalid = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
        if config.url.contains('@') {
            return Err(invalid(format!("the url has no place for a user or a password, which belong into 'auth': {FORM}")).at(&["url"]));
        }
        let (encrypted, authority) = parts(&config.url).ok_or_else(|| invalid(format!("'url' is not understood: {FORM}")).at(&["url"]))?;
        if !encrypted && config.tls.ca.is_some() {
            return Err(invalid("'tls.ca' has no effect without encryption: write grpc+tls:// in the url, or leave it out".to_owned())
                .at(&["tls", "ca"]));
        }
        let uri = format!("{}://{authority}", if encrypted { "https" } else { "http" });
        let unusable = |_| invalid(format!("'url' is not understood: {FORM}")).at(&["url"]);
        let mut endpoint = Endpoint::from_shared(uri)
            .map_err(unusable)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(ALIVE_EVERY)
            .keep_alive_timeout(ALIVE_WITHIN)
            .initial_stream_window_size(ANSWER_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        if encrypted {
            endpoint = endpoint.tls_config(tls(config, context)?).map_err(|_| invalid("encryption cannot be set up".to_owned()))?;
        }
        Ok(Address { endpoint, authority: authority.to_ascii_lowercase() })
    }

    /// Whether an answer at these places can be fetched here. A ticket without a place is for the server that gave it.
    pub fn serves(&self, locations: &[String]) -> bool {
        let here = |location: &String| {
            location.starts_with("arrow-flight-reuse-connection://")
                || parts(location).is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(&self.authority))
        };
        locations.is_empty() || locations.iter().any(here)
    }
}

/// Trusts the configured authorities, or the public ones.
fn tls(config: &FlightSqlConfig, context: &ConnectContext) -> Result<ClientTlsConfig, SourceError> {
    let Some(path) = &config.tls.ca else {
        return Ok(ClientTlsConfig::new().trust_anchors(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()));
    };
    let failed = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    let path = context.base_directory.join(path);
    let shown = path.display();
    let pem = std::fs::read(&path).map_err(|error| failed(format!("'tls.ca': {shown} cannot be read: {error}")))?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))),
        Ok(_) => Err(failed(format!("'tls.ca': {shown} holds no certificate"))),
        Err(error) => Err(failed(format!("'tls.ca': {shown} cannot be read: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use serde_json::json;

    fn address(settings: serde_json::Value) -> Result<Address, SourceError> {
        let context = ConnectContext {
            source_name: "east".to_owned(),
            base_directory: ".".into(),
            max_connections: 2,
            timeout: Duration::from_secs(3),
            request_time: Duration::from_secs(600),
        };
        config::read(settings, &context).and_then(|config| Address::new(&config, &context))
    }

    #[test]
    fn an_address_is_understood_or_not_repeated() {
        for url in ["grpc://h:1", "grpc+tcp://127.0.0.1:1/", "grpc+tls://h:1", "grpc://[::1]:1"] {
            assert!(address(json!({"url": url})).is_ok(), "{url}");
        }
        for url in ["http://hunter2:1", "grpc://u:hunter2@h:1", "hunter2", "grpc://hunter2", "grpc://h:hunter2", "grpc://h:1/hunter2"] {
            let error = address(json!({"url": url})).err().unwrap().to_string();
            assert!(error.contains("url") && !error.contains("hunter2"), "{error}");
        }
        assert!(address(json!({"url": "grpc://h:1", "tls": {"ca": "x.pem"}})).is_err());
        assert!(address(json!({"url": "grpc+tls://h:1", "tls": {"ca": "no-such-file.pem"}})).is_err());
    }

    #[test]
    fn answers_elsewhere_are_not_here() {
        let here = address(json!({"url": "grpc+tls://Data.example.com:32010"})).unwrap();
        let serves = |locations: &[&str]| here.serves(&locations.iter().map(|location| (*location).to_owned()).collect::<Vec<_>>());
        assert!(serves(&[]));
        assert!(serves(&["grpc+tls://data.example.com:32010"]));
        assert!(serves(&["grpc://other:1", "arrow-flight-reuse-connection://?"]));
        assert!(!serves(&["grpc+tls://other:32010"]));
    }
}
