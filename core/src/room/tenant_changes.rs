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
    store::{Change, TenantRow},
};

/// What an operator decides for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    /// Whether secrets may be read under a lease, without a line for each read.
    pub leases: bool,
    #[serde(rename = "v")]
    version: u8,
}

impl TenantSettings {
    const VERSION: u8 = 1;

    /// The same with leases allowed or not.
    #[must_use]
    pub fn leases(self, allowed: bool) -> Self {
        Self { leases: allowed, ..self }
    }

    /// As a row has them; a row without any has the defaults.
    pub(crate) fn from_row(row: &TenantRow) -> Result<Self> {
        if row.settings.is_empty() {
            return Ok(Self::default());
        }
        let unknown = || Error::new(Code::Integrity).detail("the settings of a tenant");
        let settings: Self = serde_json::from_slice(&row.settings).map_err(|_| unknown())?;
        if settings.version == Self::VERSION { Ok(settings) } else { Err(unknown()) }
    }

    /// The defaults are stored as nothing.
    fn to_row(self) -> Result<Vec<u8>> {
        if self == Self::default() {
            return Ok(Vec::new());
        }
        serde_json::to_vec(&self).map_err(|error| Error::new(Code::Internal).caused_by(error))
    }
}

/// Leases are allowed.
impl Default for TenantSettings {
    fn default() -> Self {
        Self { leases: true, version: Self::VERSION }
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

    /// Changes a tenant's settings: all of them, to these.
    ///
    /// # Errors
    /// `TenantNotFound`, `TenantClosed`.
    pub async fn set_tenant(&self, id: &TenantId, settings: TenantSettings) -> Result<(TenantInfo, Receipt)> {
        let change = Alteration::of(self, id).await;
        self.room
            .operate("tenant.set", &Target::Sys, &self.context, move |step| {
                change.carry_out(step, "tenant.set", |row| match state_of(row)? {
                    TenantState::Closed => Err(Code::TenantClosed.into()),
                    _ => settings.to_row().map(|settings| row.settings = settings),
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
        let size = step.snapshot.log_head(row.number)?.map_or(0, |head| head.size);
        row.revision += 1;
        row.mac = step.keys.row_mac(&row)?;
        step.line.row = Some(change_of(&row));
        step.parts.push(Part {
            act,
            line: LineFacts { object: Some(by_ref(row.tenant)), ..LineFacts::default() },
            elsewhere: Some((row.number, log_origin(row.number, row.tenant, &step.room.origin), Some(handle))),
        });
        let info = info(step.room, &row, self.name.clone(), size + 1)?;
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

    #[test]
    fn settings_are_stored_canonically_and_the_defaults_as_nothing() {
        let default = TenantSettings::default();
        assert_eq!(default.to_row().unwrap(), b"");
        assert_eq!(default.leases(false).to_row().unwrap(), br#"{"leases":false,"v":1}"#);
    }
}
