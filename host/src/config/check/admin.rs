//! `[admin]`.

use std::net::SocketAddr;

use super::secret::secret;
use super::section_or_empty;
use crate::config::AdminConfig;
use crate::config::item::Item;
use crate::config::raw::Table;
use crate::config::reader::{Section, shown};

/// Where the admin interface listens, and what it asks for.
pub(super) fn admin(root: &Section<'_, '_>) -> AdminConfig {
    let empty = Table::default();
    let section = section_or_empty(root, "admin", &empty);
    let token = secret(&section, "token");
    if let (Some(token), Some(item)) = (&token, section.item("token"))
        && token.reveal().is_empty()
    {
        item.error("empty-value", "the token is empty", None);
    }
    let item = section.item("listen");
    let text = item.as_ref().and_then(Item::filled_text).unwrap_or_else(|| section.default("listen"));
    let listen = listen(text, item.as_ref());
    if let (Some(listen), Some(item), None) = (listen, &item, section.item("token"))
        && !listen.ip().is_loopback()
        && !section.review.may_be_hidden("token")
    {
        let message = format!("`{listen}` can be reached from other machines, so `admin.token` is needed");
        item.error(
            "token-needed",
            message,
            "add `token = { file = \"admin.token\" }`, or listen on 127.0.0.1".to_owned(),
        );
    }
    AdminConfig { listen, token }
}

fn listen(text: &str, item: Option<&Item<'_, '_>>) -> Option<SocketAddr> {
    if text == "off" {
        return None;
    }
    let parsed = text.parse();
    if let (Err(_), Some(item)) = (&parsed, item) {
        let message = format!("`{}` is no address to listen on", shown(text));
        item.error(
            "bad-address",
            message,
            "write `ADDRESS:PORT` with an IP address, as `127.0.0.1:9191`, or `off`".to_owned(),
        );
    }
    parsed.ok()
}
