//! Why a proof is refused, by the link that failed, and why a receipt is not of the line that was proven.

use crate::error::FormatError;
use crate::line::{LineError, LineReason};
use crate::note::NoteError;

/// Why a proof is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryProofError {
    /// The file does not start as one.
    #[error("this is no proof of a version we know")]
    Version,
    /// A record is not what it has to be.
    #[error("malformed record `{record}`: {rule}")]
    Record {
        /// Its tag.
        record: &'static str,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The line is not one.
    #[error("malformed line: {0}")]
    LineFormat(#[from] LineError),
    /// The line names no log, or not the one that is at this position.
    #[error("the line is of another log than the proof")]
    LineLog,
    /// The root key names another deployment.
    #[error("the line is of another deployment than the root key given")]
    RootKey,
    /// The certificate, or what the proof was to be made of, says what cannot be.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The root key did not certify the epoch.
    #[error("the epoch's certificate is not signed by the root key given")]
    EpochSignature,
    /// The epoch did not sign the checkpoint.
    #[error("the checkpoint is not signed by the epoch")]
    CheckpointSignature,
    /// The commit is not the checkpoint's last.
    #[error("the commit is not the last one under the checkpoint")]
    Commit,
    /// The commit is of an epoch other than the one that signed.
    #[error("the commit is of another epoch than the one that signed the checkpoint")]
    EpochOther,
    /// The commit is from outside its epoch's time.
    #[error("the commit was not written in the time of its epoch")]
    EpochExpired,
    /// The log's head is not in the commit.
    #[error("the log's head is not in the commit")]
    Head,
    /// The line is not below the head.
    #[error("the line is not under the log's head at its position")]
    Line,
    /// The line is younger than the commit it is under.
    #[error("the line is younger than the commit")]
    LineTime,
}

impl EntryProofError {
    /// A stable name; that of the verifier's finding where there is the same.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Version => "PROOF-VERSION",
            Self::Record { .. } => "PROOF-RECORD",
            Self::LineFormat(LineError { reason: LineReason::UnsupportedVersion(_), .. }) => "LINE-VERSION",
            Self::LineFormat(_) => "LINE-FORMAT",
            Self::LineLog => "LINE-ORIGIN",
            Self::RootKey => "ROOT-KEY",
            Self::Format(_) => "EPOCH-FORMAT",
            Self::EpochSignature => "EPOCH-SIGNATURE",
            Self::CheckpointSignature => "CHECKPOINT-SIGNATURE",
            Self::Commit => "COMMIT-PROOF",
            Self::EpochOther => "EPOCH-UNCERTIFIED",
            Self::EpochExpired => "EPOCH-EXPIRED",
            Self::Head => "HEAD-PROOF",
            Self::Line => "LINE-PROOF",
            Self::LineTime => "LINE-TIME",
        }
    }

    /// Whether this is a file of another kind or a later version, rather than a proof that does not hold.
    pub const fn is_no_proof(&self) -> bool {
        matches!(self, Self::Version)
    }
}

impl From<NoteError> for EntryProofError {
    fn from(error: NoteError) -> Self {
        Self::Format(error.into())
    }
}

/// Why a receipt is not of the line that was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptMismatch {
    /// It is of another log.
    #[error("the receipt is of another log")]
    Log,
    /// It is of another position.
    #[error("the receipt is of another position in the log")]
    Seq,
    /// Its signature is not by the epoch that it names.
    #[error("the receipt is not signed by the epoch that it names")]
    Signature,
    /// The log holds another line at that position.
    #[error("the log has another line at this position than the receipt says")]
    Line,
    /// The proof's checkpoint is older than the receipt, and yet has the line.
    #[error("the proof is of before the receipt")]
    Older,
    /// Two checkpoints of one size differ.
    #[error("the receipt and the proof have different head logs of the same size")]
    Fork,
}

impl ReceiptMismatch {
    /// A stable name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Log => "RECEIPT-LOG",
            Self::Seq => "RECEIPT-SEQ",
            Self::Signature => "RECEIPT-SIGNATURE",
            Self::Line => "RECEIPT-LINE",
            Self::Older => "ROLLBACK",
            Self::Fork => "FORK",
        }
    }

    /// Whether the log and the receipt cannot both be true, rather than that they are of different things.
    ///
    /// Of two honest ones, neither ever is: one of them was changed, or made up.
    pub const fn is_contradiction(self) -> bool {
        match self {
            Self::Line | Self::Older | Self::Fork => true,
            Self::Log | Self::Seq | Self::Signature => false,
        }
    }
}
