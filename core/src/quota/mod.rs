//! Quotas: how much a tenant may have in store, and be asked for.
//!
//! What is stored, and the bytes of audit lines, are counted in the transaction that changes them, by the writer
//! ([`crate::audit`]): the limit holds whatever the number of callers and processes. How often a tenant is asked is
//! counted by each process for itself, before anything else is done ([`gate`]).

mod gate;

use crate::{Code, Error, Result, clock::Timestamp, limits, store::Usage};

pub(crate) use gate::{Admitted, Gate};

/// How much a tenant may have and ask for. `None` is without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quotas {
    /// Most secrets.
    pub secrets: Option<u64>,
    /// Most bytes in the sealed values of all versions of all secrets, as they are stored.
    pub bytes: Option<u64>,
    /// Most operations in a second, in each process; as many may come at once after a quiet second.
    pub rate: Option<u64>,
    /// Most bytes of lines in the tenant's audit log on one day, in UTC.
    pub audit_bytes: Option<u64>,
}

impl Quotas {
    /// Refuses what is outside of the limits.
    pub(crate) fn check(&self) -> Result<()> {
        let allowed = |quota: Option<u64>, least: u64, most: u64| quota.is_none_or(|at| (least..=most).contains(&at));
        let all = allowed(self.secrets, 0, limits::QUOTA_SECRETS_MAX)
            && allowed(self.bytes, 0, limits::QUOTA_BYTES_MAX)
            && allowed(self.rate, 1, limits::QUOTA_RATE_MAX)
            && allowed(self.audit_bytes, 0, limits::QUOTA_BYTES_MAX);
        if all { Ok(()) } else { Err(Code::QuotaInvalid.into()) }
    }

    /// Those that are refused before anything is done.
    pub(crate) fn has_gate(&self) -> bool {
        self.rate.is_some() || self.audit_bytes.is_some()
    }
}

/// Which quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Quota {
    Secrets,
    Bytes,
    Rate,
    AuditBytes,
}

impl Quota {
    /// As lines and metrics name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Bytes => "bytes",
            Self::Rate => "rate",
            Self::AuditBytes => "audit-bytes",
        }
    }

    /// The refusal of what would make more of what is stored.
    pub(crate) fn exceeded(self, quotas: &Quotas) -> Error {
        let detail = match self {
            Self::Secrets => format!("at most {} secrets", quotas.secrets.unwrap_or_default()),
            _ => format!("at most {} bytes of sealed values", quotas.bytes.unwrap_or_default()),
        };
        Error::new(Code::QuotaExceeded).detail(detail)
    }
}

/// A day's length, in microseconds.
const DAY: u64 = 24 * 60 * 60 * 1_000_000;

/// The day of a moment, from 1970-01-01 in UTC.
pub(crate) fn day_of(time: Timestamp) -> u32 {
    u32::try_from(time.0 / DAY).unwrap_or(u32::MAX)
}

/// The end of a moment's day.
fn day_end(time: Timestamp) -> Timestamp {
    Timestamp((time.0 / DAY).saturating_add(1).saturating_mul(DAY))
}

impl Usage {
    /// Bytes of audit lines on a day.
    pub(crate) fn audit_bytes_on(&self, day: u32) -> u64 {
        if self.day == day { self.audit_bytes } else { 0 }
    }

    /// A line was added.
    pub(crate) fn add_line(&mut self, day: u32, bytes: usize) {
        self.audit_bytes = self.audit_bytes_on(day).saturating_add(bytes as u64);
        self.day = day;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_within_its_bounds() {
        let none = Quotas::default();
        for (name, quotas, allowed) in [
            ("none", none, true),
            ("no secrets at all", Quotas { secrets: Some(0), bytes: Some(0), audit_bytes: Some(0), ..none }, true),
            ("most secrets", Quotas { secrets: Some(limits::QUOTA_SECRETS_MAX), ..none }, true),
            ("one more", Quotas { secrets: Some(limits::QUOTA_SECRETS_MAX + 1), ..none }, false),
            ("most bytes", Quotas { bytes: Some(limits::QUOTA_BYTES_MAX), ..none }, true),
            ("one byte more", Quotas { bytes: Some(limits::QUOTA_BYTES_MAX + 1), ..none }, false),
            ("most audit bytes", Quotas { audit_bytes: Some(limits::QUOTA_BYTES_MAX), ..none }, true),
            ("one audit byte more", Quotas { audit_bytes: Some(limits::QUOTA_BYTES_MAX + 1), ..none }, false),
            ("least rate", Quotas { rate: Some(1), ..none }, true),
            ("a rate of nothing", Quotas { rate: Some(0), ..none }, false),
            ("highest rate", Quotas { rate: Some(limits::QUOTA_RATE_MAX), ..none }, true),
            ("a higher rate", Quotas { rate: Some(limits::QUOTA_RATE_MAX + 1), ..none }, false),
        ] {
            let want = if allowed { Ok(()) } else { Err(Code::QuotaInvalid) };
            assert_eq!(quotas.check().map_err(|error| error.code()), want, "{name}");
        }
    }

    #[test]
    fn a_new_day_begins_with_nothing() {
        let mut usage = Usage::default();
        usage.add_line(day_of(Timestamp(DAY - 1)), 10);
        usage.add_line(day_of(Timestamp(DAY - 1)), 10);
        assert_eq!((usage.day, usage.audit_bytes), (0, 20));
        assert_eq!(usage.audit_bytes_on(day_of(Timestamp(DAY))), 0);
        usage.add_line(day_of(Timestamp(DAY)), 10);
        assert_eq!((usage.day, usage.audit_bytes), (1, 10));
        assert_eq!(day_end(Timestamp(DAY - 1)), Timestamp(DAY));
        assert_eq!(day_end(Timestamp(DAY)), Timestamp(2 * DAY));
    }
}
