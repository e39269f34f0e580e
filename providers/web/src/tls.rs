//! Transport encryption: which authorities are trusted, and who the client says it is. Certificates are always verified. It must not know
//! requests.

use crate::config::TlsConfig;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// The settings as TLS takes them. Relative paths are below `base_directory`.
///
/// # Errors
/// Names the setting and the file that cannot be used, never anything of a key.
pub fn client_config(config: &TlsConfig, base_directory: &Path) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &config.ca {
        Some(path) => {
            for authority in certificates("tls.ca", &base_directory.join(path))? {
                roots.add(authority).map_err(|_| format!("'tls.ca': {} holds a certificate that is not valid", path.display()))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    // The provider is named, and not the process's own: whoever embeds this may have installed none.
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots);
    let (Some(path), Some(key)) = (&config.certificate, &config.key) else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates("tls.certificate", &base_directory.join(path))?;
    let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|_| "'tls.key' is not a private key in PEM".to_owned())?;
    builder.with_client_auth_cert(chain, key).map_err(|_| "'tls.certificate' and 'tls.key' do not belong together".to_owned())
}

fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |why: String| format!("'{setting}': {} {why}", path.display());
    let pem = std::fs::read(path).map_err(|error| unreadable(format!("cannot be read: {}", error.kind())))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|_| unreadable("is not PEM".to_owned()))?;
    if certificates.is_empty() { Err(unreadable("holds no certificate".to_owned())) } else { Ok(certificates) }
}
