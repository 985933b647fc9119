//! Where the versions of busy secrets are, so that a put beyond a secret's limit finds the oldest without a walk.
//!
//! A version knows where the one before it is, and the oldest is at the end of that way. What is remembered here spares the way, and
//! is only ever believed as far as the rows themselves agree: who deletes by it names place, secret, version and length, and
//! walks if one of them is not there. So another process can make it useless, not harmful. A transaction that was undone makes it be
//! forgotten.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::id::ObjectId;

/// Secrets that are remembered. More than this forgets them all.
const SECRETS_MAX: usize = 8_192;
/// Versions of one secret that are remembered; a secret that keeps more is walked.
const VERSIONS_MAX: usize = 64;

/// A version, its place, and how many bytes its value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) version: i64,
    pub(super) seq: i64,
    pub(super) bytes: i64,
}

/// The places of versions, by secret, the oldest first, without a gap.
#[derive(Debug, Default)]
pub(super) struct Places {
    secrets: Mutex<HashMap<ObjectId, VecDeque<Placed>>>,
    /// A transaction is open, or was undone.
    open: AtomicBool,
}

impl Places {
    /// A transaction begins: what one before it learned is true only if that was committed.
    pub(super) fn begin(&self) {
        if self.open.swap(true, Ordering::AcqRel) {
            self.forget();
        }
    }

    /// The transaction that began last is committed.
    pub(super) fn committed(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// Something was undone.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    /// All versions there are of a secret, found by a walk.
    pub(super) fn remember(&self, secret: ObjectId, versions: VecDeque<Placed>) {
        let mut secrets = self.lock();
        if secrets.len() >= SECRETS_MAX {
            secrets.clear();
        }
        if versions.len() <= VERSIONS_MAX {
            secrets.insert(secret, versions);
        } else {
            secrets.remove(&secret);
        }
    }

    /// A version was added. If it is not the next of those that are known, none is known any more.
    pub(super) fn added(&self, secret: &ObjectId, placed: Placed) {
        let mut secrets = self.lock();
        let Some(versions) = secrets.get_mut(secret) else { return };
        if versions.len() < VERSIONS_MAX && versions.back().is_some_and(|last| last.version + 1 == placed.version) {
            versions.push_back(placed);
        } else {
            secrets.remove(secret);
        }
    }

    /// Takes out the versions of a secret below this one; `None` if they are not known.
    pub(super) fn take_below(&self, secret: &ObjectId, oldest: i64) -> Option<Vec<Placed>> {
        let mut secrets = self.lock();
        let versions = secrets.get_mut(secret)?;
        let count = versions.iter().take_while(|placed| placed.version < oldest).count();
        Some(versions.drain(..count).collect())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectId, VecDeque<Placed>>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(version: i64) -> Placed {
        Placed { version, seq: 10 * version, bytes: 100 + version }
    }

    fn secret(n: u8) -> ObjectId {
        ObjectId::from_bytes([n; 16])
    }

    #[test]
    fn what_is_known_is_known_without_a_gap_or_not_at_all() {
        let places = Places::default();
        places.added(&secret(1), placed(4));
        assert_eq!(places.take_below(&secret(1), 9), None, "never walked");
        places.remember(secret(1), VecDeque::from([placed(2), placed(3)]));
        places.added(&secret(1), placed(4));
        assert_eq!(places.take_below(&secret(1), 4), Some(vec![placed(2), placed(3)]));
        places.added(&secret(1), placed(6));
        assert_eq!(places.take_below(&secret(1), 9), None, "somebody else has added one");
    }

    #[test]
    fn what_a_transaction_learned_that_was_undone_is_forgotten() {
        let places = Places::default();
        for (commits, known) in [(true, Some(vec![placed(1)])), (false, None)] {
            places.begin();
            places.remember(secret(1), VecDeque::from([placed(1)]));
            if commits {
                places.committed();
            }
            places.begin();
            assert_eq!(places.take_below(&secret(1), 2), known);
            places.committed();
        }
    }

    #[test]
    fn it_is_bounded() {
        let places = Places::default();
        let many: VecDeque<Placed> = (1..=64).map(placed).collect();
        places.remember(secret(1), many.clone());
        places.added(&secret(1), placed(65));
        assert_eq!(places.take_below(&secret(1), 9), None);
        for n in 0..=SECRETS_MAX {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_be_bytes());
            places.remember(ObjectId::from_bytes(id), many.clone());
        }
        assert_eq!(places.lock().len(), 1);
    }
}
