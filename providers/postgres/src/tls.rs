//! Builds the TLS connector: rustls with the `ring` provider given explicitly, so that no process-wide default is needed.
//! It must not know the pool, queries or the url.

use crate::config::TlsConfig;
use portico_provider_api::{ConnectContext, SourceError, SourceErrorKind};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connector that trusts the configured authorities, or the public ones.
///
/// # Errors
/// When the file of authorities cannot be read or holds no certificate; the message names the file.
pub fn connector(tls: &TlsConfig, context: &ConnectContext) -> Result<MakeRustlsConnect, SourceError> {
    let failed = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let path = context.base_directory.join(path);
            let shown = path.display();
            let certificates = CertificateDer::pem_file_iter(&path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| failed(format!("'tls.ca': {shown} cannot be read: {error}")))?;
            for certificate in certificates {
                roots
                    .add(certificate)
                    .map_err(|error| failed(format!("'tls.ca': {shown} holds a certificate that cannot be used: {error}")))?;
            }
            if roots.is_empty() {
                return Err(failed(format!("'tls.ca': {shown} holds no certificate")));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
