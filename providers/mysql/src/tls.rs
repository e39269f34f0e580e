//! The driver's TLS options. It must not know the pool, queries or the url.

use crate::config::TlsConfig;
use mysql_async::SslOpts;
use portico_provider_api::{ConnectContext, SourceError, SourceErrorKind};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Options that trust the configured authorities, or the public ones. Chain and host name are always verified.
///
/// # Errors
/// When the file of authorities cannot be read or holds no certificate; the message names the file.
pub fn options(tls: &TlsConfig, context: &ConnectContext) -> Result<SslOpts, SourceError> {
    let Some(path) = &tls.ca else { return Ok(SslOpts::default()) };
    let failed = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    let path = context.base_directory.join(path);
    let shown = path.display();
    // Read here as well, because the driver reads it when it connects.
    let certificates = CertificateDer::pem_file_iter(&path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(format!("'tls.ca': {shown} cannot be read: {error}")))?;
    if certificates.is_empty() {
        return Err(failed(format!("'tls.ca': {shown} holds no certificate")));
    }
    Ok(SslOpts::default().with_disable_built_in_roots(true).with_root_certs(vec![path.into()]))
}
