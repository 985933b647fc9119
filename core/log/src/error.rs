//! What is wrong with stored bytes that are not what the formats say. Lines and notes have errors of their own.

use crate::note::NoteError;

/// Bytes or text that do not follow `docs/formats.md`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Of another shape; says which rule it breaks.
    #[error("malformed {what}: {rule}")]
    Malformed {
        /// The thing that was read.
        what: &'static str,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// It stands in a signed note which does not verify.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl FormatError {
    pub(crate) const fn new(what: &'static str, rule: &'static str) -> Self {
        Self::Malformed { what, rule }
    }
}
