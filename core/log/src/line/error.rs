//! Why a line is refused: the place and the rule.

use super::LINE_BYTES_MAX;
use std::fmt;

/// Why a line is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {reason}")]
pub struct LineError {
    /// How many bytes were in order.
    pub offset: usize,
    /// What was wrong with the next.
    pub reason: LineReason,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineReason {
    /// Longer than [`LINE_BYTES_MAX`].
    TooLong,
    /// A later version of the format, which a later reader knows.
    UnsupportedVersion(u64),
    /// Another byte has to stand here.
    Expected(&'static str),
    /// A key that version 1 does not have.
    UnknownKey,
    /// A known key, but not here: out of order or a second time.
    MisplacedKey,
    /// A key every line has, or every object of its kind.
    MissingKey(&'static str),
    /// A value that its key does not allow.
    Value(&'static str),
    /// Something after the line's end.
    Trailing,
}

impl fmt::Display for LineReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "longer than {LINE_BYTES_MAX} bytes"),
            Self::UnsupportedVersion(v) => write!(f, "unsupported version {v}"),
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::UnknownKey => f.write_str("unknown key"),
            Self::MisplacedKey => f.write_str("key out of order or twice"),
            Self::MissingKey(token) => write!(f, "missing key {}", token.trim_end_matches(':')),
            Self::Value(what) => write!(f, "value is not {what}"),
            Self::Trailing => f.write_str("something after the end"),
        }
    }
}
