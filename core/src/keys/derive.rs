//! What the device is asked, and the wrap key made from its answer (`docs/formats.md` §2).

use std::sync::Arc;

use strongroom_log::{Enc, Label};

use super::hmac::expand_into;
use crate::{
    Result,
    device::{Prk, RootVersion},
    id::{DeploymentId, KeyId, TenantRef},
    memory::{Arena, LockedKey},
};

/// Number of a tenant's derivation under one root version, from 1. A new one gives the tenant a new PRK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyEpoch(pub u32);

impl KeyEpoch {
    /// The epoch that a new tenant begins with.
    pub const FIRST: Self = Self(1);
}

/// A root key, as everything outside the device names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootKey {
    /// Its id in the device (CKA_ID).
    pub id: KeyId,
    /// Its version.
    pub version: RootVersion,
}

/// All that a tenant's keys are derived from, besides the root key itself. Nothing here is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantSeed {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The tenant.
    pub tenant: TenantRef,
    /// The tenant's salt.
    pub salt: [u8; 32],
    /// The root key it is derived from.
    pub root: RootKey,
    /// The derivation under that root key.
    pub epoch: KeyEpoch,
}

impl TenantSeed {
    /// What the device's PRF is asked for this tenant's PRK.
    pub fn prf_input(&self) -> Vec<u8> {
        Enc::new(Label::TENANT)
            .field(self.deployment.as_bytes())
            .field(self.tenant.as_bytes())
            .field(self.salt)
            .u32(self.root.version.0)
            .u32(self.epoch.0)
            .finish()
    }

    fn wrap_info(&self) -> Vec<u8> {
        Enc::new(Label::WRAP)
            .field(self.deployment.as_bytes())
            .field(self.tenant.as_bytes())
            .u32(self.root.version.0)
            .u32(self.epoch.0)
            .finish()
    }

    /// The key that the tenant's keyring is sealed with.
    pub(super) fn wrap_key(&self, prk: &Prk, arena: &Arc<Arena>) -> Result<LockedKey> {
        arena.alloc_key(|key| {
            expand_into(prk.expose_key(), &self.wrap_info(), key);
            Ok(())
        })
    }
}

/// What the device's PRF is asked for a root key's check value.
pub fn check_input(deployment: DeploymentId, root: RootVersion) -> Vec<u8> {
    Enc::new(Label::CHECK).field(deployment.as_bytes()).u32(root.0).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{device::PRF_INPUT_BYTES_MAX, keys::testing::arena};

    fn seed() -> TenantSeed {
        TenantSeed {
            deployment: DeploymentId::from_bytes([1; 16]),
            tenant: TenantRef::from_bytes([2; 16]),
            salt: [3; 32],
            root: RootKey { id: KeyId::from_bytes([4; 16]), version: RootVersion(5) },
            epoch: KeyEpoch(6),
        }
    }

    #[test]
    fn prf_inputs_are_as_documented() {
        let want = [
            &20_u32.to_be_bytes()[..],
            b"strongroom/tenant/v1",
            &16_u32.to_be_bytes(),
            &[1; 16],
            &16_u32.to_be_bytes(),
            &[2; 16],
            &32_u32.to_be_bytes(),
            &[3; 32],
            &[0, 0, 0, 4, 0, 0, 0, 5],
            &[0, 0, 0, 4, 0, 0, 0, 6],
        ]
        .concat();
        assert_eq!(seed().prf_input(), want);
        assert!(want.len() < PRF_INPUT_BYTES_MAX);
        let want = [
            &19_u32.to_be_bytes()[..],
            b"strongroom/check/v1",
            &16_u32.to_be_bytes(),
            &[1; 16],
            &[0, 0, 0, 4, 0, 0, 0, 5],
        ]
        .concat();
        assert_eq!(check_input(DeploymentId::from_bytes([1; 16]), RootVersion(5)), want);
    }

    #[test]
    fn wrap_keys_differ_by_everything_they_are_made_from() {
        let (prk, arena) = (Prk::from_slice(&[9; 32]).unwrap(), arena());
        let wrap = |seed: TenantSeed, prk: &Prk| *seed.wrap_key(prk, &arena).unwrap().expose_key().unwrap();
        let ours = wrap(seed(), &prk);
        assert_eq!(wrap(seed(), &prk), ours);
        let root = RootKey { version: RootVersion(6), ..seed().root };
        for (name, other) in [
            ("deployment", TenantSeed { deployment: DeploymentId::from_bytes([0; 16]), ..seed() }),
            ("tenant", TenantSeed { tenant: TenantRef::from_bytes([0; 16]), ..seed() }),
            ("root version", TenantSeed { root, ..seed() }),
            ("epoch", TenantSeed { epoch: KeyEpoch(7), ..seed() }),
        ] {
            assert_ne!(wrap(other, &prk), ours, "another {name}");
        }
        assert_ne!(wrap(seed(), &Prk::from_slice(&[8; 32]).unwrap()), ours, "another PRK");
    }
}
