//! The instruments: counters and histograms, each an atomic, in one registry.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::{TenantTotals, Totals};
use crate::{Code, Result, TenantId, limits, quota::Quota};

/// Stands for tenants beyond the limit. No tenant has this name: it has a space.
const OTHER: &str = "other tenants";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByAct {
    act: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByTenant {
    tenant: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByQuota {
    quota: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

const ALLOWED: &str = "allowed";
const REFUSED: &str = "refused";

/// What a room counts with.
pub(crate) struct Meter {
    registry: Registry,
    acts: Family<ByAct, Counter>,
    tenants: Family<ByTenant, Counter>,
    /// Tenants that have labels of their own.
    tenants_named: AtomicUsize,
    allowed: Counter,
    refused: Counter,
    quotas: Family<ByQuota, Counter>,
    pub(crate) sealed: Counter,
    pub(crate) opened: Counter,
    pub(crate) rotations: Counter,
    pub(crate) key_cache_hits: Counter,
    pub(crate) key_cache_misses: Counter,
    pub(crate) lease_hits: Counter,
    pub(crate) lease_misses: Counter,
    retrieved: Counter,
    access: Histogram,
    pub(crate) device: Histogram,
    pub(crate) commits: Counter,
    pub(crate) commit: Histogram,
    pub(crate) sync: Histogram,
}

/// Times something into a histogram, when it is dropped.
pub(crate) struct Timer<'m> {
    into: &'m Histogram,
    begin: Instant,
}

impl<'m> Timer<'m> {
    pub(crate) fn start(into: &'m Histogram) -> Self {
        Self { into, begin: Instant::now() }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.into.observe(self.begin.elapsed().as_secs_f64());
    }
}

impl Meter {
    pub(crate) fn new() -> Self {
        // 20 µs to 10 s.
        let times = || Histogram::new(exponential_buckets(20e-6, 2.0, 20));
        let outcomes: Family<ByOutcome, Counter> = Family::default();
        let cache: Family<ByOutcome, Counter> = Family::default();
        let leases: Family<ByOutcome, Counter> = Family::default();
        let of = |family: &Family<ByOutcome, Counter>, outcome| family.get_or_create_owned(&ByOutcome { outcome });
        let mut meter = Self {
            registry: Registry::default(),
            acts: Family::default(),
            tenants: Family::default(),
            tenants_named: AtomicUsize::new(0),
            allowed: of(&outcomes, ALLOWED),
            refused: of(&outcomes, REFUSED),
            quotas: Family::default(),
            sealed: Counter::default(),
            opened: Counter::default(),
            rotations: Counter::default(),
            key_cache_hits: of(&cache, "hit"),
            key_cache_misses: of(&cache, "miss"),
            lease_hits: of(&leases, ALLOWED),
            lease_misses: of(&leases, REFUSED),
            retrieved: Counter::default(),
            access: times(),
            device: times(),
            commits: Counter::default(),
            commit: times(),
            sync: times(),
        };
        let registry = &mut meter.registry;
        let counters: [(&str, &str, Counter); 5] = [
            ("strongroom_commits", "Commits, each of many operations", meter.commits.clone()),
            ("secrets_retrieved", "Secrets whose value was given out by a get", meter.retrieved.clone()),
            ("strongroom_values_sealed", "Values sealed", meter.sealed.clone()),
            ("strongroom_values_opened", "Values opened", meter.opened.clone()),
            ("strongroom_rotations", "Values sealed for a secret that was there already", meter.rotations.clone()),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter);
        }
        registry.register("strongroom_operations", "Operations, by outcome", outcomes);
        registry.register("strongroom_acts", "Operations, by act and class of outcome", meter.acts.clone());
        registry.register("strongroom_tenant_operations", "Operations on a tenant, by outcome", meter.tenants.clone());
        registry.register("strongroom_quota_refusals", "Operations refused for a quota", meter.quotas.clone());
        registry.register("strongroom_key_cache", "Look-ups of a tenant's keys", cache);
        registry.register("strongroom_lease_reads", "Reads under a lease", leases);
        let histograms = [
            ("secret_access_duration", "A get, from the call to the durable answer", meter.access.clone()),
            ("strongroom_device_duration", "Deriving a tenant's key in the device", meter.device.clone()),
            ("strongroom_commit_duration", "A commit of the store, without its sync", meter.commit.clone()),
            ("strongroom_sync_duration", "A sync of the store", meter.sync.clone()),
        ];
        for (name, help, histogram) in histograms {
            registry.register_with_unit(name, help, Unit::Seconds, histogram);
        }
        meter
    }

    /// An operation that has its answer.
    pub(crate) fn operation<T>(
        &self,
        act: &'static str,
        tenant: Option<&TenantId>,
        begin: Instant,
        result: &Result<T>,
    ) {
        let (class, outcome) = match result {
            Ok(_) => ("ok", ALLOWED),
            Err(error) => (error.class().as_str(), REFUSED),
        };
        self.acts.get_or_create(&ByAct { act, outcome: class }).inc();
        if result.is_ok() {
            self.allowed.inc()
        } else {
            self.refused.inc()
        };
        // Names that are no tenant's would be labels without end.
        let is_known = !matches!(result, Err(error) if error.code() == Code::TenantNotFound);
        if let Some(tenant) = tenant.filter(|_| is_known) {
            self.count_tenant(tenant, outcome);
        }
        if act == "secret.get" {
            self.access.observe(begin.elapsed().as_secs_f64());
            if result.is_ok() {
                self.retrieved.inc();
            }
        }
    }

    /// An operation that a tenant's quota refuses.
    pub(crate) fn over_quota(&self, quota: Quota) {
        self.quotas.get_or_create(&ByQuota { quota: quota.as_str() }).inc();
    }

    fn count_tenant(&self, tenant: &TenantId, outcome: &'static str) {
        let mut labels = ByTenant { tenant: tenant.as_str().to_owned(), outcome };
        if let Some(counter) = self.tenants.get(&labels) {
            counter.inc();
            return;
        }
        let most = 2 * limits::METRICS_TENANTS_MAX;
        let more = |named: usize| Some(named + 1).filter(|named| *named <= most);
        // A tenant has two labels, one for each outcome, and is counted for each.
        if self.tenants_named.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            OTHER.clone_into(&mut labels.tenant);
        }
        self.tenants.get_or_create(&labels).inc();
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            allowed: self.allowed.get(),
            refused: self.refused.get(),
            sealed: self.sealed.get(),
            opened: self.opened.get(),
            rotations: self.rotations.get(),
            key_cache_hits: self.key_cache_hits.get(),
            key_cache_misses: self.key_cache_misses.get(),
            lease_hits: self.lease_hits.get(),
            lease_misses: self.lease_misses.get(),
            commits: self.commits.get(),
        }
    }

    pub(super) fn tenant(&self, id: &TenantId) -> TenantTotals {
        let count = |outcome| {
            self.tenants.get(&ByTenant { tenant: id.as_str().to_owned(), outcome }).map_or(0, |counter| counter.get())
        };
        TenantTotals { allowed: count(ALLOWED), refused: count(REFUSED) }
    }

    pub(super) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("totals", &self.totals()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_tenants_have_labels_and_the_rest_are_one() {
        let meter = Meter::new();
        let (result, begin) = (Ok(()), Instant::now());
        let named = 2 * limits::METRICS_TENANTS_MAX;
        for number in 0..named + 3 {
            meter.operation("secret.get", Some(&format!("t{number}").parse().unwrap()), begin, &result);
        }
        let text = meter.encode().unwrap();
        assert!(text.contains(r#"strongroom_tenant_operations_total{tenant="other tenants",outcome="allowed"} 3"#));
        assert_eq!(meter.tenant(&"t0".parse().unwrap()), TenantTotals { allowed: 1, refused: 0 });
        assert_eq!(meter.tenant(&format!("t{}", named + 1).parse().unwrap()), TenantTotals::default());
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn names_that_are_no_tenants_are_no_labels() {
        let meter = Meter::new();
        let refused: Result<()> = Err(Code::TenantNotFound.into());
        meter.operation("secret.get", Some(&"nobody".parse().unwrap()), Instant::now(), &refused);
        let text = meter.encode().unwrap();
        assert!(!text.contains("nobody"), "{text}");
        assert!(text.contains(r#"strongroom_acts_total{act="secret.get",outcome="Absent"} 1"#), "{text}");
        assert_eq!((meter.totals().refused, meter.totals().allowed), (1, 0));
    }
}
