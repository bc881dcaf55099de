//! Certificates of one test: an authority, a server for 127.0.0.1 and localhost, a client.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// PEM files in one folder.
#[derive(Clone, Debug)]
pub struct Certificates {
    pub ca: PathBuf,
    pub server_cert: PathBuf,
    pub server_key: PathBuf,
    /// Key and certificate in one file, as Kafka wants them.
    pub server_both: PathBuf,
    pub client_cert: PathBuf,
    pub client_key: PathBuf,
}

impl Certificates {
    /// Makes all of them in `folder`.
    ///
    /// # Panics
    /// Where the folder cannot be written.
    #[must_use]
    pub fn make(folder: &Path) -> Self {
        let authority = authority();
        let (server_cert, server_key) = signed(&authority, "server");
        let (client_cert, client_key) = signed(&authority, "client");
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).expect("the folder of the certificates can be written");
            path
        };
        Self {
            ca: file("ca.pem", &authority.pem()),
            server_both: file("server.both.pem", &format!("{server_key}{server_cert}")),
            server_cert: file("server.pem", &server_cert),
            server_key: file("server.key", &server_key),
            client_cert: file("client.pem", &client_cert),
            client_key: file("client.key", &client_key),
        }
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Tidegate test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("a key can be made");
    CertifiedIssuer::self_signed(params, key).expect("these parameters can be signed")
}

/// Certificate and key as PEM text.
fn signed(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> (String, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("these names are valid");
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key can be made");
    let cert = params.signed_by(&key, authority).expect("these parameters can be signed");
    (cert.pem(), key.serialize_pem())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_pem() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let made = Certificates::make(folder.path());
        for path in [&made.ca, &made.server_cert, &made.server_key, &made.server_both, &made.client_key] {
            assert!(fs::read_to_string(path).expect("the file is there").starts_with("-----BEGIN "));
        }
    }
}
