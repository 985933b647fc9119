//! The gate in front of a tenant: who is refused before anything is done, and how that is recorded.
//!
//! A refusal here costs no reader, no device and no line of its own: a flood of them would otherwise be what the quota
//! is to prevent. They are counted, and the writer adds one line for each tenant and quota, ten seconds after the first
//! of them or when the room is closed.
//!
//! The gate learns a tenant's quotas from its row, with each operation that it lets through.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use strongroom_log::{INTEGER_MAX, LineBuilder, LineTemplate, LogOrigin, Object, Outcome, Who};

use super::{Quota, Quotas, day_end};
use crate::{
    Code, Error, Result, TenantId,
    clock::{Clock, Timestamp},
    limits,
    metrics::Meter,
    random::Random,
    store::TenantNumber,
};

const SECOND: Duration = Duration::from_secs(1);
/// What was refused is a line so long after the first of it.
const COLLAPSED_OVER: Duration = Duration::from_secs(limits::REFUSALS_COLLAPSED_SECONDS);
/// A tenant whose audit bytes are used up is let through once in so long, to see whether that is still so.
const LOOK_AGAIN: Duration = SECOND;

/// Whether an operation that was let through has been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    Counted,
    /// Nothing is known of this tenant: its row will tell.
    Unknown,
}

/// The gates of a room.
pub(crate) struct Gate {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    meter: Arc<Meter>,
    tenants: Mutex<Tenants>,
    /// Tenants that have a gate.
    known: AtomicUsize,
    /// Refusals that are in no line yet: of how many tenants and quotas.
    pending: AtomicUsize,
}

#[derive(Default)]
struct Tenants {
    by_name: HashMap<TenantId, Gated>,
    closed: bool,
}

/// One tenant with a quota that is kept here.
struct Gated {
    number: TenantNumber,
    log: LogOrigin,
    quotas: Quotas,
    bucket: Bucket,
    /// Its audit bytes are used up; not before this, on the steady clock, does anybody look again.
    full_until: Option<Duration>,
    rate: Option<Refused>,
    audit_bytes: Option<Refused>,
}

/// What was refused and is in no line yet.
#[derive(Clone, Copy)]
struct Refused {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    due: Duration,
}

/// Refusals that go into one line.
pub(crate) struct Refusals {
    name: TenantId,
    quota: Quota,
    refused: Refused,
    pub(crate) number: TenantNumber,
    pub(crate) line: LineTemplate,
}

/// A bucket of one second's operations, as the moment at which it will be full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(Duration);

impl Bucket {
    /// Takes one operation out; else says how long it takes until there is one.
    fn take(&mut self, rate: u64, now: Duration) -> Result<(), Duration> {
        let each = Duration::from_nanos(1_000_000_000 / rate.max(1));
        let full = self.0.max(now) + each;
        match (full - now).checked_sub(SECOND) {
            None | Some(Duration::ZERO) => {
                self.0 = full;
                Ok(())
            }
            Some(over) => Err(over),
        }
    }
}

impl Gate {
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>, meter: Arc<Meter>) -> Self {
        Self {
            clock,
            random,
            meter,
            tenants: Mutex::default(),
            known: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
        }
    }

    /// Lets an operation on a tenant through, or refuses it.
    ///
    /// # Errors
    /// `RateLimited`, counted.
    pub(crate) fn admit(&self, name: &TenantId) -> Result<Admitted> {
        if self.known.load(Ordering::Relaxed) == 0 {
            return Ok(Admitted::Unknown);
        }
        let mut tenants = self.tenants();
        // At the end nobody would record it any more; what is let through is refused further on.
        let closed = tenants.closed;
        match tenants.by_name.get_mut(name) {
            Some(gated) if !closed => self.pass(gated).map(|()| Admitted::Counted),
            _ => Ok(Admitted::Unknown),
        }
    }

    /// Learns a tenant's quotas from its row, and counts an operation that was not yet.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub(crate) fn learn(
        &self,
        (name, number): (&TenantId, TenantNumber),
        log: &LogOrigin,
        quotas: &Quotas,
        admitted: Admitted,
    ) -> Result<()> {
        if !quotas.has_gate() {
            self.forget(name);
            return Ok(());
        }
        let mut tenants = self.tenants();
        let closed = tenants.closed;
        let new = || Gated {
            number,
            log: log.clone(),
            quotas: *quotas,
            bucket: Bucket::default(),
            full_until: None,
            rate: None,
            audit_bytes: None,
        };
        let gated = tenants.by_name.entry(name.clone()).or_insert_with(new);
        if gated.quotas != *quotas {
            gated.quotas = *quotas;
            gated.full_until = None;
        }
        let passed = if admitted == Admitted::Unknown && !closed { self.pass(gated) } else { Ok(()) };
        self.known.store(tenants.by_name.len(), Ordering::Relaxed);
        passed
    }

    /// A tenant without a quota that is kept here. What it was refused before is recorded first.
    pub(crate) fn forget(&self, name: &TenantId) {
        if self.known.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut tenants = self.tenants();
        let Some(gated) = tenants.by_name.get_mut(name) else { return };
        gated.quotas = Quotas::default();
        if gated.rate.is_none() && gated.audit_bytes.is_none() {
            tenants.by_name.remove(name);
            self.known.store(tenants.by_name.len(), Ordering::Relaxed);
        }
    }

    fn pass(&self, gated: &mut Gated) -> Result<()> {
        let now = self.clock.monotonic();
        if gated.quotas.audit_bytes.is_some()
            && let Some(until) = gated.full_until
        {
            if now < until {
                return Err(self.refuse(gated, Quota::AuditBytes, Duration::ZERO));
            }
            // This one looks; the others wait for what it sees.
            gated.full_until = Some(now + LOOK_AGAIN);
        }
        if let Some(rate) = gated.quotas.rate
            && let Err(wait) = gated.bucket.take(rate, now)
        {
            return Err(self.refuse(gated, Quota::Rate, wait));
        }
        Ok(())
    }

    /// The writer found a tenant's audit bytes used up: this operation is refused, and others for a while.
    pub(crate) fn audit_bytes_used_up(&self, name: &TenantId) -> Error {
        let mut tenants = self.tenants();
        let until = self.clock.monotonic() + LOOK_AGAIN;
        match tenants.by_name.get_mut(name) {
            Some(gated) => {
                gated.full_until = Some(until);
                self.refuse(gated, Quota::AuditBytes, Duration::ZERO)
            }
            // Its quota was taken away at this moment.
            None => Code::RateLimited.into(),
        }
    }

    /// The writer took a line of the tenant: there is room for more of them.
    pub(crate) fn audit_bytes_left(&self, name: &TenantId) {
        if let Some(gated) = self.tenants().by_name.get_mut(name) {
            gated.full_until = None;
        }
    }

    /// Counts a refusal, and says why it is one.
    fn refuse(&self, gated: &mut Gated, quota: Quota, wait: Duration) -> Error {
        let now = self.clock.now();
        let wait = if quota == Quota::Rate { wait } else { Duration::from_micros(day_end(now).0 - now.0) };
        let due = self.clock.monotonic() + COLLAPSED_OVER;
        let refused = gated.refused(quota);
        match refused {
            Some(refused) => {
                refused.count += 1;
                refused.last = now;
            }
            None => {
                *refused = Some(Refused { count: 1, first: now, last: now, due });
                self.pending.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.meter.over_quota(quota);
        let detail = match quota {
            Quota::Rate => format!("at most {} operations per second", gated.quotas.rate.unwrap_or_default()),
            _ => format!("at most {} bytes of audit lines per day", gated.quotas.audit_bytes.unwrap_or_default()),
        };
        Error::new(Code::RateLimited).detail(detail).retry_in(wait)
    }

    /// What is to be recorded by now; at the end all of it, and after that nothing more is refused here.
    pub(crate) fn due(&self, ends: bool) -> Vec<Refusals> {
        if !ends && self.pending.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let now = self.clock.monotonic();
        let mut tenants = self.tenants();
        tenants.closed |= ends;
        let mut due = Vec::new();
        for (name, gated) in &mut tenants.by_name {
            for quota in [Quota::Rate, Quota::AuditBytes] {
                let Some(refused) = gated.refused(quota).take_if(|refused| ends || refused.due <= now) else {
                    continue;
                };
                self.pending.fetch_sub(1, Ordering::Relaxed);
                match line(&gated.log, quota, &refused, &*self.random) {
                    Ok(line) => due.push(Refusals { name: name.clone(), quota, refused, number: gated.number, line }),
                    Err(error) => tracing::error!(code = error.code().name(), "what was refused is in no line"),
                }
            }
        }
        due
    }

    /// The line of these could not be written: they are counted on.
    pub(crate) fn give_back(&self, refusals: Refusals) {
        let mut tenants = self.tenants();
        let Some(gated) = tenants.by_name.get_mut(&refusals.name) else { return };
        let due = self.clock.monotonic() + COLLAPSED_OVER;
        let refused = gated.refused(refusals.quota);
        match refused {
            Some(refused) => {
                refused.count += refusals.refused.count;
                refused.first = refusals.refused.first;
            }
            None => {
                *refused = Some(Refused { due, ..refusals.refused });
                self.pending.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn tenants(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gated {
    fn refused(&mut self, quota: Quota) -> &mut Option<Refused> {
        if quota == Quota::Rate { &mut self.rate } else { &mut self.audit_bytes }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// How many were refused, for which quota, from when until when.
fn line(log: &LogOrigin, quota: Quota, refused: &Refused, random: &dyn Random) -> Result<LineTemplate> {
    let kind = if quota == Quota::Rate { "quota.rate" } else { "quota.audit-bytes" };
    let id = u128::from(refused.first.0).to_be_bytes();
    LineBuilder::new("quota.refused", log, Who::System, random.array()?)
        .object(Object { kind, id, version: Some(refused.last.0.min(INTEGER_MAX)) })
        .count(refused.count.min(INTEGER_MAX))
        .finish(Outcome::Refused(Code::RateLimited.name()))
        .map_err(|error| Error::new(Code::Internal).caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{random::SystemRandom, testing::ManualClock};

    fn gate() -> (Arc<ManualClock>, Gate) {
        let clock = Arc::new(ManualClock::at(Timestamp(1_000_000)));
        let gate = Gate::new(Arc::<ManualClock>::clone(&clock), Arc::new(SystemRandom), Arc::new(Meter::new()));
        (clock, gate)
    }

    fn learn(gate: &Gate, name: &str, quotas: Quotas, admitted: Admitted) -> Result<()> {
        let origin = strongroom_log::Origin::parse("example.com/keys").unwrap();
        gate.learn((&name.parse().unwrap(), TenantNumber(5)), &origin.tenant(&[5; 16]), &quotas, admitted)
    }

    fn admitted(gate: &Gate, name: &str) -> Result<Admitted> {
        gate.admit(&name.parse().unwrap())
    }

    #[test]
    fn a_bucket_holds_one_second_and_fills_as_time_goes() {
        for rate in [1, 2, 3, 7, 500, limits::QUOTA_RATE_MAX] {
            let mut bucket = Bucket::default();
            let mut now = Duration::from_secs(3);
            for number in 0..rate {
                assert_eq!(bucket.take(rate, now), Ok(()), "{rate}: {number}");
            }
            let wait = bucket.take(rate, now).unwrap_err();
            assert!(wait <= SECOND, "{rate}: {wait:?}");
            now += wait;
            assert_eq!(bucket.take(rate, now), Ok(()), "{rate}: after what it said");
            assert!(bucket.take(rate, now).is_err(), "{rate}: and not one more");
            now += Duration::from_secs(60);
            let taken = (0..=rate).filter(|_| bucket.take(rate, now).is_ok()).count() as u64;
            assert_eq!(taken, rate, "quiet time is not saved up");
        }
    }

    #[test]
    fn who_is_unknown_is_counted_when_the_row_is_read() {
        let (_, gate) = gate();
        let quotas = Quotas { rate: Some(2), ..Quotas::default() };
        assert_eq!(admitted(&gate, "acme").unwrap(), Admitted::Unknown);
        learn(&gate, "acme", quotas, Admitted::Unknown).unwrap();
        assert_eq!(admitted(&gate, "acme").unwrap(), Admitted::Counted);
        learn(&gate, "acme", quotas, Admitted::Counted).unwrap();
        let error = admitted(&gate, "acme").unwrap_err();
        assert_eq!(error.code(), Code::RateLimited);
        assert_eq!(error.details(), Some("at most 2 operations per second"));
        assert!(error.retry_after().is_some_and(|wait| wait <= SECOND));
        assert_eq!(admitted(&gate, "other").unwrap(), Admitted::Unknown, "another tenant is not concerned");
    }

    #[test]
    fn refusals_are_one_line_ten_seconds_after_the_first_or_at_the_end() {
        let (clock, gate) = gate();
        let quotas = Quotas { rate: Some(1), ..Quotas::default() };
        learn(&gate, "acme", quotas, Admitted::Unknown).unwrap();
        (0..3).for_each(|_| drop(admitted(&gate, "acme").unwrap_err()));
        clock.advance(COLLAPSED_OVER - Duration::from_millis(1));
        assert!(gate.due(false).is_empty());
        clock.advance(Duration::from_millis(1));
        let mut due = gate.due(false);
        assert_eq!((due.len(), due[0].refused.count), (1, 3));
        assert!(gate.due(false).is_empty(), "once");
        // It could not be written: nothing is lost.
        gate.give_back(due.pop().unwrap());
        assert_eq!(admitted(&gate, "acme").unwrap(), Admitted::Counted);
        admitted(&gate, "acme").unwrap_err();
        let due = gate.due(true);
        assert_eq!((due.len(), due[0].refused.count), (1, 4));
        assert_eq!(due[0].refused.first, Timestamp(1_000_000));
        assert_eq!(admitted(&gate, "acme").unwrap(), Admitted::Unknown, "at the end others refuse");
    }

    #[test]
    fn audit_bytes_that_are_used_up_are_looked_at_once_a_second() {
        let (clock, gate) = gate();
        let quotas = Quotas { audit_bytes: Some(1), ..Quotas::default() };
        learn(&gate, "acme", quotas, Admitted::Unknown).unwrap();
        let error = gate.audit_bytes_used_up(&"acme".parse().unwrap());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(24 * 60 * 60 - 1)));
        assert!(admitted(&gate, "acme").is_err());
        clock.advance(LOOK_AGAIN);
        assert!(admitted(&gate, "acme").is_ok(), "one looks");
        assert!(admitted(&gate, "acme").is_err(), "the others wait");
        gate.audit_bytes_left(&"acme".parse().unwrap());
        assert!(admitted(&gate, "acme").is_ok() && admitted(&gate, "acme").is_ok());
    }

    #[test]
    fn a_changed_quota_counts_at_once_and_none_is_forgotten() {
        let (_, gate) = gate();
        let quotas = Quotas { audit_bytes: Some(1), ..Quotas::default() };
        learn(&gate, "acme", quotas, Admitted::Unknown).unwrap();
        gate.audit_bytes_used_up(&"acme".parse().unwrap());
        learn(&gate, "acme", Quotas { audit_bytes: Some(9), ..quotas }, Admitted::Counted).unwrap();
        assert!(admitted(&gate, "acme").is_ok());
        learn(&gate, "acme", Quotas::default(), Admitted::Counted).unwrap();
        assert_eq!(gate.due(true).len(), 1, "what was refused before is recorded");
    }
}
