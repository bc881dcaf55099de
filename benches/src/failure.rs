//! Why a run gave no result.

use std::fmt;

/// A run that could not be made or did not end; the text is for the person who reads the report.
#[derive(Debug)]
pub struct Failure(String);

/// What every step of a run returns.
pub type Tried<T> = Result<T, Failure>;

impl Failure {
    /// A failure with its whole story.
    pub fn new(text: impl Into<String>) -> Self {
        Failure(text.into())
    }

    /// Puts what was tried in front of why it failed.
    #[must_use]
    pub fn while_trying_to(self, what: &str) -> Self {
        Failure(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure(error.to_string())
    }
}

impl From<rdkafka::error::KafkaError> for Failure {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        Failure(error.to_string())
    }
}

/// Adds what was tried to any error.
pub trait Context<T> {
    /// Names the step, in the words "verb, object".
    ///
    /// # Errors
    /// The error it was given, with the step in front.
    fn context(self, what: &str) -> Tried<T>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn context(self, what: &str) -> Tried<T> {
        self.map_err(|error| error.into().while_trying_to(what))
    }
}
