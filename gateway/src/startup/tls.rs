//! Certificates of the doors. They are read and checked at start, so that a wrong file stops the start and not the first client.

use crate::config::TlsFile;
use crate::startup::StartError;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// Makes `ring` the cryptography of the whole process. Calling it again changes nothing.
pub fn install_provider() {
    // The error says only that there is one already.
    let _ = ring::default_provider().install_default();
}

/// The configuration of a TLS door.
///
/// # Errors
/// Names the file that is missing, malformed or does not fit the other.
pub fn server_config(tls: &TlsFile, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, StartError> {
    let (certificate, key) = pem(tls)?;
    let wrong = |path: &Path, what: &str| StartError::Door(format!("{}: {what}", path.display()));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| wrong(&tls.cert, "the certificate is not PEM"))?;
    if chain.is_empty() {
        return Err(wrong(&tls.cert, "there is no certificate in this file"));
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| wrong(&tls.key, "there is no private key in this file"))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| StartError::Door("the cryptography of this build knows no safe TLS version".to_owned()))?;
    let config = builder.with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|_| wrong(&tls.cert, "the certificate and the private key do not fit each other"))?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The contents of both files.
///
/// # Errors
/// Names the file that cannot be read.
pub fn pem(tls: &TlsFile) -> Result<(Vec<u8>, Vec<u8>), StartError> {
    let read =
        |path: &Path| std::fs::read(path).map_err(|error| StartError::Door(format!("{} cannot be read: {}", path.display(), error.kind())));
    Ok((read(&tls.cert)?, read(&tls.key)?))
}
