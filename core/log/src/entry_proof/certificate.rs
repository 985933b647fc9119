//! An epoch's certificate in a proof: what its text says beyond the log's name, and the device's signature.
//!
//! The text itself is written again by whoever verifies. It would take more than twice the room.

use crate::epoch::EpochCertificate;
use crate::error::FormatError;
use crate::hash::Hash;
use crate::origin::Origin;
use crate::vkey::VerifyingKey;

/// The length of the record's bytes.
pub(super) const EPOCH_BYTES: usize = 196;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignedEpoch {
    deployment: [u8; 16],
    epoch: u32,
    key: [u8; 32],
    opened: u64,
    ends: u64,
    hard_limit: u64,
    seen_size: u64,
    seen_root: [u8; 32],
    boot: [u8; 16],
    pub(super) signature: [u8; 64],
}

impl SignedEpoch {
    pub(super) fn new(certificate: &EpochCertificate, signature: [u8; 64]) -> Self {
        Self {
            deployment: certificate.deployment,
            epoch: certificate.epoch,
            key: certificate.key.public_key(),
            opened: certificate.opened,
            ends: certificate.ends,
            hard_limit: certificate.hard_limit,
            seen_size: certificate.seen_size,
            seen_root: *certificate.seen_root.as_bytes(),
            boot: certificate.boot,
            signature,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [
            &self.deployment[..],
            &self.epoch.to_be_bytes(),
            &self.key,
            &self.opened.to_be_bytes(),
            &self.ends.to_be_bytes(),
            &self.hard_limit.to_be_bytes(),
            &self.seen_size.to_be_bytes(),
            &self.seen_root,
            &self.boot,
            &self.signature,
        ]
        .concat()
    }

    /// Every byte string of this length is one.
    pub(super) fn from_bytes(bytes: &[u8; EPOCH_BYTES]) -> Self {
        let mut rest = &bytes[..];
        Self {
            deployment: take(&mut rest),
            epoch: u32::from_be_bytes(take(&mut rest)),
            key: take(&mut rest),
            opened: u64::from_be_bytes(take(&mut rest)),
            ends: u64::from_be_bytes(take(&mut rest)),
            hard_limit: u64::from_be_bytes(take(&mut rest)),
            seen_size: u64::from_be_bytes(take(&mut rest)),
            seen_root: take(&mut rest),
            boot: take(&mut rest),
            signature: take(&mut rest),
        }
    }

    /// The certificate of this origin whose text was signed; read as strictly as one that came as text.
    pub(super) fn certificate(&self, origin: &Origin) -> Result<EpochCertificate, FormatError> {
        let certificate = EpochCertificate {
            origin: origin.clone(),
            deployment: self.deployment,
            epoch: self.epoch,
            key: VerifyingKey::new(&origin.heads(), &self.key)?,
            opened: self.opened,
            ends: self.ends,
            hard_limit: self.hard_limit,
            seen_size: self.seen_size,
            seen_root: Hash::from_bytes(self.seen_root),
            boot: self.boot,
        };
        EpochCertificate::parse(&certificate.text(), origin)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (first, others) = rest.split_first_chunk().expect("the fields are as long as the record");
    *rest = others;
    *first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_field() {
        let bytes: [u8; EPOCH_BYTES] = std::array::from_fn(|i| i as u8);
        let epoch = SignedEpoch::from_bytes(&bytes);
        assert_eq!(epoch.to_bytes(), bytes);
        assert_eq!((epoch.epoch, epoch.boot[0], epoch.signature[63]), (0x1011_1213, 116, 195));
    }
}
