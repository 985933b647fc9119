//! Keys: from the device's answer to what seals, finds and authenticates a tenant's data.
//!
//! `derive` says what the device is asked and makes the wrap key; `keyring` holds the random keys
//! below it; `hash` and `row` use them, `opening` for many rows; [`TenantKeys`] is all that the rest of the core sees of a
//! warm tenant, and [`KeyCache`] keeps some of those for a while.

mod cache;
mod derive;
mod hash;
mod hmac;
mod keyring;
mod opening;
mod row;
mod signer;
mod tenant_keys;

pub use cache::{CACHE_TTL_DEFAULT, KeyCache};
pub use derive::{KeyEpoch, RootKey, TenantSeed, check_input};
pub use hash::{IndexHash, IndexKind, Pseudonym, PseudonymKind};
pub use keyring::{KEYRING_KEYS_MAX, KeyEntry, Keyring, Purpose, Status};
pub(crate) use opening::Opening;
pub use row::{Authenticated, RowHash, RowMac, row_hash};
pub use signer::LockedSigner;
pub use tenant_keys::TenantKeys;

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Arc;

    use crate::memory::{ARENA_BYTES_MIN, Arena, LockedKey, Locking};

    pub(crate) fn arena() -> Arc<Arena> {
        Arena::new(ARENA_BYTES_MIN, Locking::Allow).unwrap()
    }

    pub(crate) fn key(bytes: &[u8; 32]) -> LockedKey {
        let write = |key: &mut [u8; 32]| {
            key.copy_from_slice(bytes);
            Ok(())
        };
        arena().alloc_key(write).unwrap()
    }
}
