//! An Ed25519 key pair whose private half lives in locked memory: what signs the commits of an epoch.

use std::sync::Arc;

use ed25519_dalek::{
    SigningKey, VerifyingKey,
    hazmat::{ExpandedSecretKey, raw_sign},
};
use sha2::{Digest, Sha512};

use crate::{
    Result,
    device::Signature,
    memory::{Arena, LockedKey, scrubbed},
    random::Random,
};

/// An Ed25519 key pair (RFC 8032), its seed in locked memory.
///
/// No `Clone`, `Serialize` or `PartialEq`, as for [`LockedKey`].
pub struct LockedSigner {
    seed: LockedKey,
    public: VerifyingKey,
}

impl LockedSigner {
    /// A new key pair.
    ///
    /// # Errors
    /// [`RandomUnavailable`](crate::Code::RandomUnavailable), [`MemoryFull`](crate::Code::MemoryFull).
    pub fn generate(arena: &Arc<Arena>, random: &dyn Random) -> Result<Self> {
        Self::from_seed(arena.alloc_key(|seed| random.fill(seed))?)
    }

    /// The key pair of a seed.
    ///
    /// # Errors
    /// [`Closed`](crate::Code::Closed) in a forked child.
    pub fn from_seed(seed: LockedKey) -> Result<Self> {
        let raw = seed.expose_key()?;
        let public = scrubbed(|| SigningKey::from_bytes(raw).verifying_key());
        Ok(Self { seed, public })
    }

    /// The public half.
    pub fn public_key(&self) -> [u8; 32] {
        self.public.to_bytes()
    }

    #[cfg(test)]
    pub(crate) fn expose_seed(&self) -> &[u8; 32] {
        self.seed.expose_key().unwrap()
    }

    /// Signs: Ed25519 as in RFC 8032.
    ///
    /// Uses dalek's low-level signing because the public key is known: making a `SigningKey` of the
    /// seed would compute it again, which doubles the time. The two halves belong together, which that
    /// interface leaves to its caller: both come from `from_seed` and never change.
    ///
    /// # Errors
    /// [`Closed`](crate::Code::Closed) in a forked child.
    pub fn sign(&self, message: &[u8]) -> Result<Signature> {
        let raw = self.seed.expose_key()?;
        Ok(scrubbed(|| {
            let mut hash: [u8; 64] = Sha512::digest(raw).into();
            let expanded = ExpandedSecretKey::from_bytes(&hash);
            zeroize::Zeroize::zeroize(&mut hash);
            raw_sign::<Sha512>(&expanded, message, &self.public).to_bytes()
        }))
    }
}

impl std::fmt::Debug for LockedSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let public = strongroom_log::hex_encode(self.public.as_bytes());
        f.debug_struct("LockedSigner").field("public", &public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::testing, testing::SeededRandom};
    use ed25519_dalek::Signer as _;
    use strongroom_log::{hex_array, hex_encode};

    /// RFC 8032 §7.1, test 3.
    #[test]
    fn rfc_8032() {
        let seed = hex_array("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7").unwrap();
        let signer = LockedSigner::from_seed(testing::key(&seed)).unwrap();
        assert_eq!(
            hex_encode(&signer.public_key()),
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
        );
        assert_eq!(
            hex_encode(&signer.sign(&[0xaf, 0x82]).unwrap()),
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        );
    }

    #[test]
    fn signs_as_the_library_does() {
        let random = SeededRandom::new(1);
        for length in [0, 1, 63, 64, 65, 200, 5000] {
            let signer = LockedSigner::generate(&testing::arena(), &random).unwrap();
            let message = vec![7; length];
            let library = SigningKey::from_bytes(signer.seed.expose_key().unwrap()).sign(&message).to_bytes();
            assert_eq!(signer.sign(&message).unwrap(), library);
        }
    }
}
