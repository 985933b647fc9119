//! The keys of a software device, in memory. All that holds them is here.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use strongroom::{
    device::{DeviceError, Prk, Signature},
    scrub_stack,
};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::KeyIds;

/// One key, or the seed of one.
///
/// Boxed, so that a move leaves nothing behind, and wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct KeyBox(Box<[u8; 32]>);

impl KeyBox {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let mut held = Self(Box::new([0; 32]));
        held.0.copy_from_slice(key);
        held
    }

    pub(super) fn random() -> Result<Self, DeviceError> {
        let mut held = Self(Box::new([0; 32]));
        getrandom::fill(&mut *held.0)
            .map_err(|error| DeviceError::Unavailable(format!("the system's random source: {error}")))?;
        Ok(held)
    }

    /// The raw key. Named so that `grep expose_key` finds every use.
    pub(super) fn expose_key(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA256 under this key.
    pub(super) fn hmac(&self, input: &[u8]) -> Prk {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.expose_key()).expect("HMAC takes keys of any length");
        mac.update(input);
        let mut value = mac.finalize().into_bytes();
        let prk = Prk::from_slice(&value).expect("SHA-256 has 32 bytes");
        value.zeroize();
        scrub_stack();
        prk
    }

    /// Ed25519 with this seed.
    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        let signature = SigningKey::from_bytes(self.expose_key()).sign(message).to_bytes();
        scrub_stack();
        signature
    }
}

impl fmt::Debug for KeyBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyBox").finish_non_exhaustive()
    }
}

/// The keys of one device, each with its id.
#[derive(Debug)]
pub(super) struct HeldKeys {
    pub(super) roots: Vec<([u8; 16], KeyBox)>,
    pub(super) audit: ([u8; 16], KeyBox),
}

impl HeldKeys {
    /// The ids of a device with one root key; `None` if it has others.
    pub(super) fn ids(&self) -> Option<KeyIds> {
        match self.roots.as_slice() {
            [(root, _)] => Some(KeyIds { root: *root, audit: self.audit.0 }),
            _ => None,
        }
    }
}
