//! Certificates of the doors. They are read and checked at start, so that a wrong file stops the start and not the first client.

use crate::config::{Config, ConfigErrors, TlsFile};
use portico_catalog::ModelError;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// What the doors need to speak TLS; `None` for a door that is plain.
pub struct Certificates {
    /// The HTTP door's.
    pub http: Option<Arc<ServerConfig>>,
    /// The Flight door's certificate and key, as PEM; they have been checked like the other's.
    pub flight: Option<(Vec<u8>, Vec<u8>)>,
}

/// A mistake and the key of `tls` that it is about.
type Mistake = (&'static str, String);

/// Makes `ring` the cryptography of the whole process. Calling it again changes nothing.
pub fn install_provider() {
    // The error says only that there is one already.
    let _ = ring::default_provider().install_default();
}

/// Reads the certificates of all doors.
///
/// # Errors
/// Names the file that is missing, malformed or does not fit the other, placed where the configuration names it.
pub fn load(config: &Config) -> Result<Certificates, ConfigErrors> {
    let mut errors = Vec::new();
    let mut note = |door: &str, (key, message): Mistake| errors.push(ModelError::new(&["gateway", door, "tls", key], message));
    let http = config.gateway.http.tls.as_ref().map(|files| {
        let pair = read(files)?;
        server_config(files, &pair, &[b"h2", b"http/1.1"])
    });
    let flight = config.gateway.flight.as_ref().and_then(|flight| flight.tls.as_ref()).map(|files| {
        let pair = read(files)?;
        server_config(files, &pair, &[b"h2"]).map(|_| pair)
    });
    let http = http.transpose().map_err(|mistake| note("http", mistake));
    let flight = flight.transpose().map_err(|mistake| note("flight", mistake));
    match (http, flight) {
        (Ok(http), Ok(flight)) => Ok(Certificates { http, flight }),
        _ => Err(config.locate(errors)),
    }
}

/// The contents of both files.
fn read(tls: &TlsFile) -> Result<(Vec<u8>, Vec<u8>), Mistake> {
    let read = |key, path: &Path| {
        std::fs::read(path).map_err(|error| (key, format!("the file {} cannot be read: {}", path.display(), error.kind())))
    };
    Ok((read("cert", &tls.cert)?, read("key", &tls.key)?))
}

fn server_config(tls: &TlsFile, (certificate, key): &(Vec<u8>, Vec<u8>), protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, Mistake> {
    let in_certificate = |what: &str| ("cert", format!("the file {}: {what}", tls.cert.display()));
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().map_err(|_| in_certificate("the certificate is not PEM"))?;
    if chain.is_empty() {
        return Err(in_certificate("there is no PEM certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| ("key", format!("the file {}: there is no PEM private key in it", tls.key.display())))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| in_certificate("the cryptography of this build knows no safe TLS version"))?;
    let config = builder.with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|_| in_certificate("the certificate and the private key do not fit each other"))?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}
