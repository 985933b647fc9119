//! What a room counts and times, for the program that it is embedded in.
//!
//! Names of tenants are labels, of at most [`crate::limits::METRICS_TENANTS_MAX`] of them; all others are one, `other`. There is
//! nothing of secrets, paths or actors. The counts are of this process, from its opening on: the record is the audit log.

mod meter;

use std::sync::Arc;

pub(crate) use meter::{Meter, Timer};

use crate::{Code, Error, Result, TenantId};

/// A room's counts, as they are when they are asked for.
#[derive(Clone, Debug)]
pub struct Metrics {
    meter: Arc<Meter>,
}

/// Counts of a whole room, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Operations that were done.
    pub allowed: u64,
    /// Operations that were refused.
    pub refused: u64,
    /// Values that were sealed; a put that another overtook seals again.
    pub sealed: u64,
    /// Values that were opened.
    pub opened: u64,
    /// Values sealed for a secret that was there already.
    pub rotations: u64,
    /// Times that a tenant's keys were in the cache.
    pub key_cache_hits: u64,
    /// Times that they were not, and the device derived them.
    pub key_cache_misses: u64,
    /// Reads under a lease that gave a value.
    pub lease_hits: u64,
    /// Reads under a lease that were refused.
    pub lease_misses: u64,
    /// Commits.
    pub commits: u64,
}

/// Counts of one tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantTotals {
    /// Operations that were done.
    pub allowed: u64,
    /// Operations that were refused.
    pub refused: u64,
}

impl Metrics {
    pub(crate) fn new(meter: Arc<Meter>) -> Self {
        Self { meter }
    }

    /// Counts of the whole room.
    pub fn totals(&self) -> Totals {
        self.meter.totals()
    }

    /// Counts of a tenant; zeros if it was not asked for anything, or is one of too many.
    pub fn tenant(&self, id: &TenantId) -> TenantTotals {
        self.meter.tenant(id)
    }

    /// Everything, with times as histograms, in the OpenMetrics text format 1.0, which Prometheus reads.
    ///
    /// # Errors
    /// None but `Internal`.
    pub fn to_openmetrics(&self) -> Result<String> {
        self.meter.encode().map_err(|error| Error::new(Code::Internal).caused_by(error))
    }
}
