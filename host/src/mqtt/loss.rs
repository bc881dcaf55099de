//! Why a connection ended or could not be made, and what follows from it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::reason::{self, Handling, ReasonCode, Violation};

/// The end of a connection, or of a try to make one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Loss {
    #[error("look up the address of {host}")]
    Resolve { host: String, source: io::Error },
    #[error("connect to {address}")]
    Dial { address: String, source: io::Error },
    #[error("no connection within {seconds} s, of connect_timeout")]
    TooSlow { seconds: u64 },
    #[error("read {}", path.display())]
    TlsFile { path: PathBuf, source: Box<dyn Error + Send + Sync> },
    #[error("set up TLS: {what}")]
    TlsSetup { what: String },
    #[error("TLS handshake with {host}")]
    TlsHandshake { host: String, source: io::Error },
    #[error("the broker refused the connection: {code}{}", words(reason))]
    Refused { code: ReasonCode, reason: Option<String> },
    #[error("the broker ended the connection: {code}{}", words(reason))]
    Ended { code: ReasonCode, reason: Option<String> },
    #[error("the broker closed the connection")]
    Closed,
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    #[error("the broker did not answer a ping")]
    Silent,
    #[error("the broker stopped taking what we send")]
    Stalled,
    #[error("the broker did not answer SUBSCRIBE or UNSUBSCRIBE")]
    Unanswered,
    #[error(transparent)]
    Violated(#[from] Violation),
    #[error(
        "a message was forgotten, so that acknowledgements behind it are stuck; reconnecting makes the broker resend"
    )]
    Stuck,
}

impl Loss {
    /// What to do about it.
    #[must_use]
    pub(super) fn handling(&self) -> Handling {
        match self {
            Self::Refused { code, .. } => reason::after_connack(*code),
            Self::Ended { code, .. } => reason::after_disconnect(*code),
            Self::TlsFile { .. }
            | Self::TlsSetup { .. }
            | Self::TlsHandshake { .. }
            | Self::Unanswered
            | Self::Violated(_)
            | Self::Stuck => Handling::Later,
            Self::Resolve { .. }
            | Self::Dial { .. }
            | Self::TooSlow { .. }
            | Self::Closed
            | Self::Broken(_)
            | Self::Silent
            | Self::Stalled => Handling::Again,
        }
    }

    /// What our DISCONNECT says; `None` where the connection cannot carry one.
    #[must_use]
    pub(super) fn farewell(&self) -> Option<ReasonCode> {
        match self {
            Self::Violated(violation) => Some(violation.code),
            Self::Stuck => Some(ReasonCode::NORMAL),
            Self::Unanswered => Some(ReasonCode::PROTOCOL_ERROR),
            Self::Resolve { .. }
            | Self::Dial { .. }
            | Self::TooSlow { .. }
            | Self::TlsFile { .. }
            | Self::TlsSetup { .. }
            | Self::TlsHandshake { .. }
            | Self::Refused { .. }
            | Self::Ended { .. }
            | Self::Closed
            | Self::Broken(_)
            | Self::Silent
            | Self::Stalled => None,
        }
    }

    /// The error with its causes, in one line.
    #[must_use]
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// The broker's own words, made harmless for logs and terminals.
fn words(reason: &Option<String>) -> String {
    const CHARS_MAX: usize = 200;
    reason.as_ref().map_or_else(String::new, |reason| {
        let told: String = reason.chars().take(CHARS_MAX).filter(|one| !one.is_control()).collect();
        format!(" ({told})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_tells_all_causes_in_one_line() {
        let source = io::Error::new(io::ErrorKind::ConnectionRefused, "refused");
        let loss = Loss::Dial { address: "127.0.0.1:1".into(), source };
        assert_eq!(loss.chain(), "connect to 127.0.0.1:1: refused");
    }

    #[test]
    fn the_words_of_a_broker_cannot_break_a_line() {
        let loss = Loss::Ended { code: ReasonCode(0x8E), reason: Some("a\nb\u{1b}[0m".into()) };
        assert_eq!(loss.to_string(), "the broker ended the connection: session taken over (0x8E) (ab[0m)");
    }

    #[test]
    fn a_broken_promise_is_told_to_the_broker() {
        let loss = Loss::from(Violation::topic_alias("x"));
        assert_eq!(loss.farewell(), Some(ReasonCode::TOPIC_ALIAS_INVALID));
        assert_eq!(loss.handling(), Handling::Later);
    }
}
