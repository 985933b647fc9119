//! Errors: one type, a stable code, and one closed question that outer layers ask.
//!
//! Messages never hold keys, plaintext or another caller's data. What a caller may see beyond the
//! code's sentence is a short `detail` made of positions, numbers and names the caller gave.

mod codes;

use std::{error::Error as StdError, fmt, time::Duration};

pub use codes::Code;

/// What a caller can do about an error. Status codes, exit codes and exceptions follow from it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It is not there, or not for this caller: the two look the same.
    Absent,
    /// Someone was first: read again, then retry.
    Conflict,
    /// The request is wrong: mend it.
    Invalid,
    /// Not allowed.
    Denied,
    /// Over a limit: less, or later.
    Limited,
    /// Something stored is not what we stored: stop and look.
    Integrity,
    /// Not now: try again, perhaps after mending something outside.
    Unavailable,
    /// Our bug.
    Internal,
}

impl Class {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "Absent",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
            Self::Denied => "Denied",
            Self::Limited => "Limited",
            Self::Integrity => "Integrity",
            Self::Unavailable => "Unavailable",
            Self::Internal => "Internal",
        }
    }

    /// The exit code of the command line tool for this class.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Absent => 3,
            Self::Conflict => 4,
            Self::Invalid => 5,
            Self::Denied => 6,
            Self::Limited => 7,
            Self::Integrity => 8,
            Self::Unavailable => 9,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an operation failed.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    detail: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of Strongroom's own operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that says no more than its code.
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner { code, detail: None, retry_after: None, source: None }))
    }

    /// Adds what a caller may know besides: positions, numbers, names the caller gave. Never a value.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Keeps the cause for diagnostics.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says how long it takes until another try may do.
    #[must_use]
    pub(crate) fn retry_in(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The same error once more, without its cause: for another caller, or for another try.
    pub(crate) fn again(&self) -> Self {
        let mut copy = Self::new(self.0.code);
        copy.0.retry_after = self.0.retry_after;
        match &self.0.detail {
            Some(detail) => copy.detail(detail.clone()),
            None => copy,
        }
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What a caller can do about it.
    pub fn class(&self) -> Class {
        self.0.code.class()
    }

    /// The next step, in a sentence.
    pub fn remedy(&self) -> &'static str {
        self.0.code.remedy()
    }

    /// How long to wait before another try, where that is known: of `RateLimited`.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What is known beyond the code, if anything.
    pub fn details(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.sentence())?;
        if let Some(detail) = &self.0.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut seen = HashSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.name()), "{} twice", code.name());
            assert!(code.name().starts_with("SR-"));
            assert!(code.name().bytes().all(|b| b.is_ascii_uppercase() || b == b'-'));
            assert!(!code.sentence().ends_with('.') && !code.remedy().ends_with('.'), "{}", code.name());
        }
    }

    #[test]
    fn an_error_says_its_sentence_and_detail() {
        let error = Error::new(Code::SecretConflict).detail("expected 3, found 4");
        assert_eq!(error.to_string(), "the secret changed since it was read: expected 3, found 4");
        assert_eq!(error.class(), Class::Conflict);
    }
}
