//! The files of a TLS connection: there, readable, PEM.

use std::path::PathBuf;

use crate::config::TlsConfig;
use crate::config::files::read_limited;
use crate::config::item::Item;
use crate::config::load::beside;
use crate::config::reader::Section;

const PEM_BYTES_MAX: u64 = 4 << 20;

/// The checked files of a `tls` table.
pub(super) fn tls(section: &Section<'_, '_>) -> TlsConfig {
    let [ca, cert, key] = ["ca", "cert", "key"].map(|name| section.item(name));
    match (&cert, &key) {
        (Some(cert), None) => tell_half(cert, "cert", "key"),
        (None, Some(key)) => tell_half(key, "key", "cert"),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let certificate = "-----BEGIN CERTIFICATE-----";
    TlsConfig {
        ca: ca.and_then(|item| pem_file(&item, certificate)),
        cert: cert.and_then(|item| pem_file(&item, certificate)),
        key: key.and_then(|item| pem_file(&item, "PRIVATE KEY-----")),
    }
}

fn tell_half(item: &Item<'_, '_>, has: &str, lacks: &str) {
    let message = format!("`{has}` is set without `{lacks}`");
    item.error("half-certificate", message, "a client certificate needs `cert` and `key`".to_owned());
}

fn pem_file(item: &Item<'_, '_>, mark: &str) -> Option<PathBuf> {
    let path = beside(&item.review.text(item.node.span.file).path, item.filled_text()?);
    item.review.watch(&path);
    match read_limited(&path, PEM_BYTES_MAX) {
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains(mark) => Some(path),
        Ok(_) => {
            let message = format!("{} is no PEM file of the kind that `{}` needs", path.display(), item.path);
            item.error("bad-pem", message, format!("it holds no `{mark}`"));
            None
        }
        Err(error) => {
            let message = format!("{} cannot be read: {error}", path.display());
            item.error("missing-file", message, "the path is relative to the file it stands in".to_owned());
            None
        }
    }
}
