//! What operators change of a tenant: suspended, resumed, closed, its settings.
//!
//! Each is a line in `sys`, with the tenant's row, and another in the tenant's own log, which its owner sees.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    operation::{LineFacts, Part, Step, Target, change_of},
    tenants::{Admin, TenantInfo, TenantState, by_ref, find, info},
};
use crate::{
    Actor, Code, Error, Result, TenantId,
    audit::{Receipt, log_origin},
    keys::TenantKeys,
    quota::Quotas,
    store::{Change, TenantRow},
};

/// What an operator decides for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantSettings {
    /// Whether secrets may be read under a lease, without a line for each read.
    pub leases: bool,
    /// How much it may have and be asked for.
    pub quotas: Quotas,
}

/// The stored form: keys sorted, and only what is not the default.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    leases: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_audit_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_rate: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_secrets: Option<u64>,
    v: u8,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_yes(value: &bool) -> bool {
    *value
}

impl TenantSettings {
    const VERSION: u8 = 1;

    /// As a row has them; a row without any has the defaults.
    pub(crate) fn from_row(row: &TenantRow) -> Result<Self> {
        if row.settings.is_empty() {
            return Ok(Self::default());
        }
        let unknown = || Error::new(Code::Integrity).detail("the settings of a tenant");
        let stored: Stored = serde_json::from_slice(&row.settings).map_err(|_| unknown())?;
        let Stored { leases, max_audit_bytes, max_bytes, max_rate, max_secrets, v } = stored;
        let quotas = Quotas { secrets: max_secrets, bytes: max_bytes, rate: max_rate, audit_bytes: max_audit_bytes };
        if v == Self::VERSION && quotas.check().is_ok() { Ok(Self { leases, quotas }) } else { Err(unknown()) }
    }

    /// The defaults are stored as nothing.
    fn to_row(self) -> Result<Vec<u8>> {
        self.quotas.check()?;
        if self == Self::default() {
            return Ok(Vec::new());
        }
        let Quotas { secrets, bytes, rate, audit_bytes } = self.quotas;
        let stored = Stored {
            leases: self.leases,
            max_audit_bytes: audit_bytes,
            max_bytes: bytes,
            max_rate: rate,
            max_secrets: secrets,
            v: Self::VERSION,
        };
        serde_json::to_vec(&stored).map_err(|error| Error::new(Code::Internal).caused_by(error))
    }
}

/// What to change of a tenant's settings. What is not said stays as it is, whoever changes something else meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantChange {
    leases: Option<bool>,
    secrets: Option<Option<u64>>,
    bytes: Option<Option<u64>>,
    rate: Option<Option<u64>>,
    audit_bytes: Option<Option<u64>>,
}

impl TenantChange {
    /// Allows leases, or not.
    #[must_use]
    pub fn leases(self, allowed: bool) -> Self {
        Self { leases: Some(allowed), ..self }
    }

    /// Most secrets, at most [`limits::QUOTA_SECRETS_MAX`](crate::limits::QUOTA_SECRETS_MAX); `None`: without bound.
    #[must_use]
    pub fn max_secrets(self, most: Option<u64>) -> Self {
        Self { secrets: Some(most), ..self }
    }

    /// Most bytes of the sealed values of all versions, at most
    /// [`limits::QUOTA_BYTES_MAX`](crate::limits::QUOTA_BYTES_MAX); `None`: without bound.
    #[must_use]
    pub fn max_bytes(self, most: Option<u64>) -> Self {
        Self { bytes: Some(most), ..self }
    }

    /// Most operations in a second in each process, 1 to
    /// [`limits::QUOTA_RATE_MAX`](crate::limits::QUOTA_RATE_MAX); `None`: without bound.
    #[must_use]
    pub fn max_rate(self, most: Option<u64>) -> Self {
        Self { rate: Some(most), ..self }
    }

    /// Most bytes of audit lines on one day in UTC, at most
    /// [`limits::QUOTA_BYTES_MAX`](crate::limits::QUOTA_BYTES_MAX); `None`: without bound.
    #[must_use]
    pub fn max_audit_bytes(self, most: Option<u64>) -> Self {
        Self { audit_bytes: Some(most), ..self }
    }

    fn apply(&self, to: TenantSettings) -> TenantSettings {
        TenantSettings {
            leases: self.leases.unwrap_or(to.leases),
            quotas: Quotas {
                secrets: self.secrets.unwrap_or(to.quotas.secrets),
                bytes: self.bytes.unwrap_or(to.quotas.bytes),
                rate: self.rate.unwrap_or(to.quotas.rate),
                audit_bytes: self.audit_bytes.unwrap_or(to.quotas.audit_bytes),
            },
        }
    }
}

/// Leases are allowed.
impl Default for TenantSettings {
    fn default() -> Self {
        Self { leases: true, quotas: Quotas::default() }
    }
}

impl Admin {
    /// Refuses everything that is asked of a tenant, until it is resumed. Leases end within a second.
    ///
    /// # Errors
    /// `TenantNotFound`, `TenantClosed`, `TenantSuspended` if it is already.
    pub async fn suspend_tenant(&self, id: &TenantId) -> Result<(TenantInfo, Receipt)> {
        let change = Alteration::of(self, id).await;
        self.room
            .operate("tenant.suspend", &Target::Sys, &self.context, move |step| {
                change.carry_out(step, "tenant.suspend", |row| match state_of(row)? {
                    TenantState::Active => become_of(row, TenantState::Suspended),
                    TenantState::Suspended => Err(Code::TenantSuspended.into()),
                    TenantState::Closed => Err(Code::TenantClosed.into()),
                })
            })
            .await
    }

    /// Serves a suspended tenant again.
    ///
    /// # Errors
    /// `TenantNotFound`, `TenantClosed`, `TenantActive` if it is not suspended.
    pub async fn resume_tenant(&self, id: &TenantId) -> Result<(TenantInfo, Receipt)> {
        let change = Alteration::of(self, id).await;
        self.room
            .operate("tenant.resume", &Target::Sys, &self.context, move |step| {
                change.carry_out(step, "tenant.resume", |row| match state_of(row)? {
                    TenantState::Suspended => become_of(row, TenantState::Active),
                    TenantState::Active => Err(Code::TenantActive.into()),
                    TenantState::Closed => Err(Code::TenantClosed.into()),
                })
            })
            .await
    }

    /// Closes a tenant for ever: every later operation on it is refused. What it stored stays where it is.
    ///
    /// # Errors
    /// `TenantNotFound`, `TenantClosed`.
    pub async fn close_tenant(&self, id: &TenantId) -> Result<(TenantInfo, Receipt)> {
        let change = Alteration::of(self, id).await;
        self.room
            .operate("tenant.close", &Target::Sys, &self.context, move |step| {
                change.carry_out(step, "tenant.close", |row| match state_of(row)? {
                    TenantState::Closed => Err(Code::TenantClosed.into()),
                    _ => become_of(row, TenantState::Closed),
                })
            })
            .await
    }

    /// Changes some of a tenant's settings, in one step with the rest of them as it is then.
    ///
    /// A quota below what there is takes nothing away: nothing more is stored until there is less. One that is kept by
    /// each process, such as a rate, holds in all of them within a second.
    ///
    /// # Errors
    /// `TenantNotFound`, `TenantClosed`, `QuotaInvalid`.
    pub async fn set_tenant(&self, id: &TenantId, settings: TenantChange) -> Result<(TenantInfo, Receipt)> {
        let change = Alteration::of(self, id).await;
        self.room
            .operate("tenant.set", &Target::Sys, &self.context, move |step| {
                change.carry_out(step, "tenant.set", |row| match state_of(row)? {
                    TenantState::Closed => Err(Code::TenantClosed.into()),
                    _ => {
                        row.settings = settings.apply(TenantSettings::from_row(row)?).to_row()?;
                        Ok(())
                    }
                })
            })
            .await
    }
}

/// A change of a tenant's row, with what its own log needs.
struct Alteration {
    name: TenantId,
    actor: Actor,
    keys: Result<Arc<TenantKeys>, Code>,
}

impl Alteration {
    async fn of(admin: &Admin, id: &TenantId) -> Self {
        // The tenant's keys write the line in its own log.
        let keys = admin.room.resolve(&Target::Tenant(id.clone())).await;
        Self {
            name: id.clone(),
            actor: admin.context.actor().clone(),
            keys: keys.map(|(_, keys, _)| keys).map_err(|error| error.code()),
        }
    }

    fn carry_out(
        &self,
        step: &mut Step<'_>,
        act: &'static str,
        alter: impl Fn(&mut TenantRow) -> Result<()>,
    ) -> Result<TenantInfo> {
        let mut row = find(step, &self.name)?;
        step.line.object = Some(by_ref(row.tenant));
        alter(&mut row)?;
        let keys = self.keys.as_ref().map_err(|code| Error::new(*code))?;
        let (handle, new_actor) = step.room.actor_handle(step.snapshot, row.number, keys, &self.actor)?;
        let head = step.snapshot.log_head(row.number)?;
        row.revision += 1;
        row.mac = step.keys.row_mac(&row)?;
        step.line.row = Some(change_of(&row));
        step.parts.push(Part {
            act,
            line: LineFacts { object: Some(by_ref(row.tenant)), ..LineFacts::default() },
            elsewhere: Some((row.number, log_origin(row.number, row.tenant, &step.room.origin), Some(handle))),
        });
        let info = info(step, &row, self.name.clone(), head.as_ref(), 1)?;
        step.changes.extend(new_actor);
        step.changes.push(Change::UpdateTenant(row));
        Ok(info)
    }
}

fn state_of(row: &TenantRow) -> Result<TenantState> {
    TenantState::from_number(row.state).ok_or_else(|| Code::Integrity.into())
}

fn become_of(row: &mut TenantRow, state: TenantState) -> Result<()> {
    row.state = state.number();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::store::tenant_row;

    fn row(settings: &[u8]) -> TenantRow {
        TenantRow { settings: settings.to_vec(), ..tenant_row(5) }
    }

    #[test]
    fn settings_are_stored_canonically_and_the_defaults_as_nothing() {
        let (default, none) = (TenantSettings::default(), TenantChange::default());
        for (change, stored) in [
            (none, ""),
            (none.leases(true).max_rate(None), ""),
            (none.leases(false), r#"{"leases":false,"v":1}"#),
            (none.max_secrets(Some(0)), r#"{"max_secrets":0,"v":1}"#),
            (
                none.leases(false).max_secrets(Some(1)).max_bytes(Some(2)).max_rate(Some(3)).max_audit_bytes(Some(4)),
                r#"{"leases":false,"max_audit_bytes":4,"max_bytes":2,"max_rate":3,"max_secrets":1,"v":1}"#,
            ),
        ] {
            let settings = change.apply(default);
            assert_eq!(String::from_utf8(settings.to_row().unwrap()).unwrap(), stored);
            assert_eq!(TenantSettings::from_row(&row(stored.as_bytes())).unwrap(), settings, "{stored}");
        }
        assert_eq!(none.max_rate(Some(0)).apply(default).to_row().unwrap_err().code(), Code::QuotaInvalid);
    }

    #[test]
    fn settings_that_nobody_wrote_are_refused() {
        for other in
            [r#"{"leases":false,"v":2}"#, r#"{"leases":false}"#, r#"{"max_rate":0,"v":1}"#, r#"{"more":1,"v":1}"#, "x"]
        {
            assert_eq!(
                TenantSettings::from_row(&row(other.as_bytes())).unwrap_err().code(),
                Code::Integrity,
                "{other}"
            );
        }
    }

    #[test]
    fn what_a_change_does_not_name_stays() {
        let none = TenantChange::default();
        let before = none.leases(false).max_secrets(Some(1)).max_rate(Some(3)).apply(TenantSettings::default());
        let after = none.max_rate(None).max_bytes(Some(9)).apply(before);
        assert_eq!((after.leases, after.quotas.secrets), (false, Some(1)));
        assert_eq!((after.quotas.rate, after.quotas.bytes), (None, Some(9)));
    }
}
