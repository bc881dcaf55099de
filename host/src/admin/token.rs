//! Who may ask: the bearer token of `[admin] token`.

use hyper::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};

use crate::config::Secret;

/// Compares what a request brings with the token, in a time that does not depend on either. Keeps the token's digest
/// only.
pub struct Gatekeeper {
    /// `None`: everyone may ask.
    expected: Option<[u8; 32]>,
}

impl Gatekeeper {
    #[must_use]
    pub fn new(token: Option<&Secret>) -> Self {
        Self { expected: token.map(|token| digest(token.reveal().as_bytes())) }
    }

    /// Whether the request carries `Authorization: Bearer <token>` (RFC 6750, section 2.1), or needs none.
    #[must_use]
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = self.expected else { return true };
        bearer(headers).is_some_and(|given| same(&expected, &digest(given)))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Looks at every byte, whatever the first ones were.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |different, (one, other)| different | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: Option<&str>, authorization: Option<&'static str>, expected: bool) {
        let gatekeeper = Gatekeeper::new(token.map(|token| Secret::new(token.into())).as_ref());
        let headers = authorization.map(|value| (AUTHORIZATION, value.parse().unwrap())).into_iter().collect();
        assert_eq!(gatekeeper.admits(&headers), expected, "{token:?} {authorization:?}");
    }

    #[test]
    fn without_a_token_everyone_may_ask() {
        check(None, None, true);
        check(None, Some("Bearer anything"), true);
    }

    #[test]
    fn the_token_must_be_whole_and_exact() {
        check(Some("secret"), Some("Bearer secret"), true);
        check(Some("secret"), Some("bearer  secret"), true);
        check(Some("secret"), Some("Bearer secre"), false);
        check(Some("secret"), Some("Bearer secret2"), false);
        check(Some("secret"), Some("Bearer SECRET"), false);
        check(Some("secret"), Some("Bearer "), false);
        check(Some("secret"), None, false);
    }

    #[test]
    fn other_schemes_do_not_count() {
        check(Some("secret"), Some("Basic secret"), false);
        check(Some("secret"), Some("secret"), false);
        check(Some("secret"), Some("Bearer"), false);
    }
}
