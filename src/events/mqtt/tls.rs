//! How the broker is known for who it is, and Limen to it.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

/// What TLS is made of.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// The authorities that the broker's certificate may come from, as PEM; absent: those of the system.
    pub authorities: Option<Vec<u8>>,
    /// The certificate that Limen shows, and the key to it, as PEM.
    pub identity: Option<(Vec<u8>, Zeroizing<String>)>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// What was named holds none.
    #[error("there is no certificate of an authority for the broker")]
    NoAuthority,
    /// Not PEM.
    #[error("{0} cannot be read as PEM: {1}")]
    NotPem(&'static str, pem::Error),
    /// Not what it must be.
    #[error("{0} cannot be used: {1}")]
    Unusable(&'static str, rustls::Error),
}

const AUTHORITIES: &str = "the authorities' certificates";
const CERTIFICATE: &str = "Limen's certificate";
const KEY: &str = "the key to Limen's certificate";

/// What connections are made with.
pub(super) fn client_config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    match &settings.authorities {
        Some(pem) => {
            for certificate in certificates(pem, AUTHORITIES)? {
                roots.add(certificate).map_err(|e| TlsError::Unusable(AUTHORITIES, e))?;
            }
        }
        // Some of a system's are of kinds that are not known here.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthority);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsError::Unusable(AUTHORITIES, e))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &settings.identity else {
        return Ok(Arc::new(config.with_no_client_auth()));
    };
    let chain = certificates(certificate, CERTIFICATE)?;
    let key =
        PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| TlsError::NotPem(KEY, e))?;
    let config = config.with_client_auth_cert(chain, key);
    Ok(Arc::new(config.map_err(|e| TlsError::Unusable(CERTIFICATE, e))?))
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(pem);
    certificates.collect::<Result<_, _>>().map_err(|error| TlsError::NotPem(what, error))
}
