//! Receipts: what a caller keeps to prove later that its operation was recorded.

use std::fmt;

use strongroom_log::{Hash, hex_encode};

use crate::{Code, Error};

/// Proof of a recorded operation, to hold against the log later: the line's place and hash, and the
/// checkpoint of the commit that made it durable.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Origin of the log that has the line.
    pub origin: String,
    /// Position of the line in that log, from 0.
    pub seq: u64,
    /// Leaf hash of the line (RFC 6962).
    pub leaf: [u8; 32],
    /// Size of the head log with this commit.
    pub head_size: u64,
    /// Root of the head log at that size.
    pub head_root: [u8; 32],
    /// The epoch that signed.
    pub epoch: u32,
    /// Its Ed25519 signature over the checkpoint of that size.
    pub signature: [u8; 64],
}

/// As the log's format has it, for its verification.
impl TryFrom<&Receipt> for strongroom_log::Receipt {
    type Error = Error;

    fn try_from(receipt: &Receipt) -> Result<Self, Error> {
        Self::new(
            receipt.origin.clone(),
            receipt.seq,
            Hash::from(receipt.leaf),
            receipt.head_size,
            Hash::from(receipt.head_root),
            receipt.epoch,
            receipt.signature,
        )
        .map_err(|error| Error::new(Code::ReceiptInvalid).caused_by(error))
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("origin", &self.origin)
            .field("seq", &self.seq)
            .field("leaf", &hex_encode(&self.leaf))
            .field("head_size", &self.head_size)
            .finish_non_exhaustive()
    }
}

/// `origin#seq leaf`, the short form for people.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{} {}", self.origin, self.seq, hex_encode(&self.leaf))
    }
}
