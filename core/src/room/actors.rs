//! The actors whose rows were checked, so that each is opened once and not at every operation.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{TenantRef, keys::IndexHash, limits, store::ActorRow};

/// Remembers rows, not names: a row that differs from the remembered one in any bit is checked again.
#[derive(Debug, Default)]
pub(super) struct Actors(Mutex<HashMap<(TenantRef, IndexHash), ActorRow>>);

impl Actors {
    /// Whether exactly this row was checked before.
    pub(super) fn knows(&self, tenant: TenantRef, row: &ActorRow) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(tenant, row.name_hash)) == Some(row)
    }

    /// Remembers a row that was checked.
    pub(super) fn remember(&self, tenant: TenantRef, row: &ActorRow) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::ACTORS_CACHED_MAX {
            known.clear();
        }
        known.insert((tenant, row.name_hash), row.clone());
    }
}
