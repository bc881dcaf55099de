//! The TLS side of a connection: roots, client certificate and key from files, read anew for each connection so that
//! replaced files take effect without a restart.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::loss::Loss;
use crate::config::TlsConfig;

/// Shakes hands with `host` over `tcp`.
///
/// # Errors
/// Where a file cannot be used, or one side does not accept the other.
pub(super) async fn handshake(tcp: TcpStream, host: &str, config: &TlsConfig) -> Result<TlsStream<TcpStream>, Loss> {
    let connector = TlsConnector::from(Arc::new(client_config(config)?));
    let name = ServerName::try_from(host.to_owned()).map_err(|error| Loss::TlsSetup { what: error.to_string() })?;
    let failed = |source| Loss::TlsHandshake { host: host.to_owned(), source };
    connector.connect(name, tcp).await.map_err(failed)
}

fn client_config(config: &TlsConfig) -> Result<ClientConfig, Loss> {
    let unusable = |error: tokio_rustls::rustls::Error| Loss::TlsSetup { what: error.to_string() };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots(config.ca.as_deref())?);
    match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => {
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| in_file(key, error))?;
            builder.with_client_auth_cert(certificates(cert)?, key_der).map_err(unusable)
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(_), None) | (None, Some(_)) => {
            Err(Loss::TlsSetup { what: "`cert` and `key` are needed together".into() })
        }
    }
}

/// The given authority, or those of the system.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, Loss> {
    let mut roots = RootCertStore::empty();
    let found = match ca {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (taken, _) = roots.add_parsable_certificates(found);
    match taken {
        0 => Err(Loss::TlsSetup { what: "there is no certificate authority to trust; set `tls.ca`".into() }),
        _ => Ok(roots),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Loss> {
    let each = CertificateDer::pem_file_iter(path).map_err(|error| in_file(path, error))?;
    let all: Vec<_> = each.collect::<Result<_, _>>().map_err(|error| in_file(path, error))?;
    match all.is_empty() {
        true => Err(in_file(path, "there is no certificate in it")),
        false => Ok(all),
    }
}

fn in_file(path: &Path, error: impl Into<Box<dyn Error + Send + Sync>>) -> Loss {
    Loss::TlsFile { path: path.to_owned(), source: error.into() }
}
