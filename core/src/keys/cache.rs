//! Warm tenants, kept for a while so that not every call asks the device.
//!
//! Bounded by the arena: when it is full, the tenants that were used longest ago make room. What is
//! evicted goes on working for whoever holds it, and is wiped when the last of them lets go.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::tenant_keys::TenantKeys;
use crate::{Code, Result, clock::Clock, id::TenantRef};

/// How long a tenant's keys are kept since the device was asked, unless said otherwise: 15 minutes.
pub const CACHE_TTL_DEFAULT: Duration = Duration::from_secs(15 * 60);

/// Of the tenants cached, this part makes room at a time, so that making room costs little per tenant.
const EVICTED_PART: usize = 16;

/// The warm tenants of a room.
#[derive(Debug)]
pub struct KeyCache {
    clock: Arc<dyn Clock>,
    ttl: Duration,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_tenant: HashMap<TenantRef, Entry>,
    /// Counts uses; the latest use of an entry is its place in the order of eviction.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    keys: Arc<TenantKeys>,
    expires_at: Duration,
    last_use: u64,
}

impl KeyCache {
    /// An empty cache.
    pub fn new(clock: Arc<dyn Clock>, ttl: Duration) -> Self {
        Self { clock, ttl, entries: Mutex::default() }
    }

    /// A tenant's keys, if they are warm and not too old.
    pub fn find(&self, tenant: TenantRef) -> Option<Arc<TenantKeys>> {
        let now = self.clock.monotonic();
        let mut entries = self.entries();
        entries.uses += 1;
        let uses = entries.uses;
        let entry = entries.by_tenant.get_mut(&tenant)?;
        if entry.expires_at <= now {
            entries.by_tenant.remove(&tenant);
            return None;
        }
        entry.last_use = uses;
        Some(Arc::clone(&entry.keys))
    }

    /// Keeps a tenant's keys, in place of older ones of the same tenant. Their time begins now.
    pub fn insert(&self, keys: Arc<TenantKeys>) {
        let expires_at = self.clock.monotonic().saturating_add(self.ttl);
        let mut entries = self.entries();
        entries.uses += 1;
        let entry = Entry { expires_at, last_use: entries.uses, keys };
        entries.by_tenant.insert(entry.keys.tenant(), entry);
    }

    /// Does what allocates keys; when the arena is full, evicts and tries again, until nothing is left to evict.
    ///
    /// # Errors
    /// What `make` says; [`Code::MemoryFull`] if evicting everything was not enough.
    pub fn making_room<T>(&self, mut make: impl FnMut() -> Result<T>) -> Result<T> {
        loop {
            match make() {
                Err(error) if error.code() == Code::MemoryFull && self.evict_oldest() => {}
                result => return result,
            }
        }
    }

    /// Forgets a tenant.
    pub fn evict(&self, tenant: TenantRef) {
        self.entries().by_tenant.remove(&tenant);
    }

    /// Forgets all that are too old. For the housekeeper: keys nobody asks for shall not stay either.
    pub fn evict_expired(&self) {
        let now = self.clock.monotonic();
        self.entries().by_tenant.retain(|_, entry| entry.expires_at > now);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.entries().by_tenant.clear();
    }

    /// How many tenants are cached.
    pub fn tenants(&self) -> usize {
        self.entries().by_tenant.len()
    }

    /// Evicts the part that was used longest ago, at least one; whether there was one.
    fn evict_oldest(&self) -> bool {
        let mut entries = self.entries();
        let mut uses: Vec<_> = entries.by_tenant.values().map(|entry| entry.last_use).collect();
        if uses.is_empty() {
            return false;
        }
        let last = uses.len() / EVICTED_PART;
        let (_, newest_evicted, _) = uses.select_nth_unstable(last);
        let newest_evicted = *newest_evicted;
        entries.by_tenant.retain(|_, entry| entry.last_use > newest_evicted);
        true
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        keys::{
            tenant_keys::tests::{created, seed},
            testing::arena,
        },
        memory::Arena,
        testing::ManualClock,
    };

    fn cache() -> (Arc<ManualClock>, KeyCache) {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        (Arc::clone(&clock), KeyCache::new(clock, Duration::from_secs(10)))
    }

    fn tenant(number: u8) -> TenantRef {
        seed(number).tenant
    }

    fn keys(number: u8, arena: &Arc<Arena>) -> Arc<TenantKeys> {
        Arc::new(created(seed(number), arena).0)
    }

    #[test]
    fn keys_are_kept_until_their_time_is_over_however_often_used() {
        let ((clock, cache), arena) = (cache(), arena());
        cache.insert(keys(1, &arena));
        clock.advance(Duration::from_micros(9_999_999));
        assert!(cache.find(tenant(1)).is_some());
        assert!(cache.find(tenant(2)).is_none());
        clock.set_wall(Timestamp(0));
        clock.advance(Duration::from_micros(1));
        assert!(cache.find(tenant(1)).is_none());
        assert_eq!((cache.tenants(), arena.keys_used()), (0, 0), "and wiped");
    }

    #[test]
    fn what_expired_goes_without_being_asked_for() {
        let ((clock, cache), arena) = (cache(), arena());
        cache.insert(keys(1, &arena));
        clock.advance(Duration::from_secs(5));
        cache.insert(keys(2, &arena));
        clock.advance(Duration::from_secs(5));
        cache.evict_expired();
        assert_eq!((cache.tenants(), arena.keys_used()), (1, 4));
        assert!(cache.find(tenant(2)).is_some());
    }

    #[test]
    fn the_least_recently_used_make_room() {
        let ((_, cache), arena) = (cache(), arena());
        // 63 keys fit, 4 to a tenant; making one takes 9 for a moment.
        for number in 1..=13 {
            cache.insert(keys(number, &arena));
        }
        assert!(cache.find(tenant(1)).is_some());
        let mut tries = 0;
        let new = cache.making_room(|| {
            tries += 1;
            if arena.keys_max() - arena.keys_used() < 15 {
                return Err(Code::MemoryFull.into());
            }
            Ok(keys(14, &arena))
        });
        cache.insert(new.unwrap());
        assert_eq!(tries, 2);
        assert!(cache.find(tenant(2)).is_none(), "used longest ago");
        assert!(cache.find(tenant(1)).is_some() && cache.find(tenant(3)).is_some() && cache.find(tenant(14)).is_some());
    }

    #[test]
    fn making_room_ends() {
        let ((_, cache), arena) = (cache(), arena());
        cache.insert(keys(1, &arena));
        let held = cache.find(tenant(1)).unwrap();
        let full = cache.making_room(|| Err::<(), _>(Code::MemoryFull.into())).unwrap_err();
        assert_eq!((full.code(), cache.tenants()), (Code::MemoryFull, 0));
        assert!(held.pseudonym(crate::keys::PseudonymKind::Secret, b"a").is_ok(), "who holds it may finish");
        let other = cache.making_room(|| Err::<(), _>(Code::Integrity.into())).unwrap_err();
        assert_eq!(other.code(), Code::Integrity);
    }

    #[test]
    fn tenants_are_forgotten_on_demand() {
        let ((_, cache), arena) = (cache(), arena());
        cache.insert(keys(1, &arena));
        cache.insert(keys(1, &arena));
        assert_eq!(cache.tenants(), 1, "the newer replaces the older");
        cache.insert(keys(2, &arena));
        cache.evict(tenant(1));
        assert!(cache.find(tenant(1)).is_none() && cache.find(tenant(2)).is_some());
        cache.clear();
        assert_eq!((cache.tenants(), arena.keys_used()), (0, 0));
    }
}
