//! Tenants: made, shown and listed by operators. These acts are recorded in `sys`.

use std::{sync::Arc, time::Instant};

use super::{
    DERIVE_TIMEOUT, Room, TenantSettings,
    operation::{LineFacts, Named, Part, Step, Target, change_of},
    root_of,
};
use crate::{
    Code, Context, Error, Result, TenantId, TenantRef,
    audit::{Audit, Receipt, log_origin},
    clock::{Clock as _, Timestamp},
    device::Prk,
    keys::{IndexKind, KeyEpoch, PseudonymKind, TenantKeys, TenantSeed},
    quota::day_of,
    seal::Subject,
    store::{Change, LogHeadRow, TenantNumber, TenantRow, Usage},
};

/// What a tenant may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TenantState {
    /// In use.
    Active,
    /// Refused for now.
    Suspended,
    /// Refused for ever. What it stored is still there.
    Closed,
}

impl TenantState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }

    /// The stored number.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::Suspended => 2,
            Self::Closed => 3,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Closed].into_iter().find(|state| state.number() == number)
    }
}

/// A tenant as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantInfo {
    /// Its name.
    pub id: TenantId,
    /// What stands for it in keys, rows and logs.
    pub tenant_ref: TenantRef,
    /// What it may do.
    pub state: TenantState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Origin of its log.
    pub log_origin: String,
    /// Lines in its log.
    pub log_size: u64,
    /// What an operator decided for it.
    pub settings: TenantSettings,
    /// What it uses, of what it may.
    pub usage: Usage,
}

/// All tenants.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// Sorted by name.
    pub tenants: Vec<TenantInfo>,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

/// Acts that concern the deployment as a whole, in the name of an operator.
#[derive(Clone, Debug)]
pub struct Admin {
    pub(crate) room: Arc<Room>,
    pub(crate) context: Context,
}

impl Admin {
    pub(super) fn new(room: Arc<Room>, context: Context) -> Self {
        Self { room, context }
    }

    /// The audit log of the deployment: `sys`, and for verification and export all logs.
    pub fn audit(&self) -> Audit {
        Audit::of_deployment(Arc::clone(&self.room), self.context.clone())
    }

    /// Follows the machine's clock again, where it jumped ahead of what the process expected: until somebody confirms
    /// it or the process starts anew, time goes on from what was believed before.
    ///
    /// # Errors
    /// `Integrity` if the deployment's row is not as it was written.
    pub async fn adopt_clock(&self) -> Result<Receipt> {
        let adopt = |step: &mut Step<'_>| {
            let row = step.snapshot.deployment()?.ok_or(Code::Integrity)?;
            step.keys.check_row(&row)
        };
        let ((), receipt) = self.room.operate("clock.adopt", &Target::Sys, &self.context, adopt).await?;
        self.room.clock.adopt();
        Ok(receipt)
    }

    /// Makes a tenant, with keys of its own and an empty log.
    ///
    /// # Errors
    /// `TenantExists`; what the device says.
    pub async fn create_tenant(&self, id: &TenantId) -> Result<(TenantInfo, Receipt)> {
        let version = self.room.profile.newest_root();
        let seed = TenantSeed {
            deployment: self.room.deployment,
            tenant: TenantRef::random(&*self.room.random)?,
            salt: self.room.random.array()?,
            root: root_of(&self.room.profile, version)?,
            epoch: KeyEpoch::FIRST,
        };
        let made = self.make_keys(seed).await;
        let name = id.clone();
        self.room
            .operate("tenant.create", &Target::Sys, &self.context, move |step| {
                step.name(PseudonymKind::Tenant, name.as_str().as_bytes())?;
                let name_hash = step.keys.index(IndexKind::Tenant, name.as_str().as_bytes())?;
                if step.snapshot.tenant_by_name(&name_hash)?.is_some() {
                    return Err(Code::TenantExists.into());
                }
                let keyring = made.as_ref().map_err(|code| Error::new(*code))?;
                let number = free_position(step)?;
                let mut row = TenantRow {
                    number,
                    tenant: seed.tenant,
                    name_hash,
                    name: step.keys.seal_name(
                        Subject::TenantName(seed.tenant),
                        name.as_str().as_bytes(),
                        step.random(),
                    )?,
                    salt: seed.salt,
                    root_version: seed.root.version.0,
                    key_epoch: seed.epoch.0,
                    keyring: keyring.clone(),
                    state: TenantState::Active.number(),
                    settings: Vec::new(),
                    created_at: step.now.0,
                    revision: 1,
                    mac: [0; 32],
                };
                row.mac = step.keys.row_mac(&row)?;
                step.line = LineFacts {
                    object: Some(by_ref(seed.tenant)),
                    position: Some(number.0),
                    row: Some(change_of(&row)),
                    ..LineFacts::default()
                };
                let info = info(step, &row, name.clone(), None, 0)?;
                step.changes.push(Change::CreateTenant(row));
                Ok(info)
            })
            .await
    }

    /// Asks the device twice, and keeps what it made in the cache. An error is recorded with the operation.
    async fn make_keys(&self, seed: TenantSeed) -> Result<Vec<u8>, Code> {
        let make = async {
            let ask = || self.room.device.prf(seed.root.version, seed.prf_input(), Instant::now() + DERIVE_TIMEOUT);
            let (prk, again) = (ask().await?, ask().await?);
            let room = &self.room;
            let (keys, sealed) = room
                .keys
                .making_room(|| TenantKeys::create(seed, &prk, &again, &room.arena, &*room.random, room.clock.now()))?;
            room.keys.insert(Arc::new(keys));
            Ok::<_, Error>(sealed)
        };
        make.await.map_err(|error| error.code())
    }

    /// Shows a tenant, closed or not.
    ///
    /// # Errors
    /// `TenantNotFound`; `Integrity`.
    pub async fn show_tenant(&self, id: &TenantId) -> Result<(TenantInfo, Receipt)> {
        let name = id.clone();
        self.room
            .operate("tenant.show", &Target::Sys, &self.context, move |step| {
                let row = find(step, &name)?;
                step.line.object = Some(by_ref(row.tenant));
                let head = step.snapshot.log_head(row.number)?;
                info(step, &row, name.clone(), head.as_ref(), 0)
            })
            .await
    }

    /// Lists all tenants, closed ones too.
    ///
    /// # Errors
    /// `Integrity`.
    pub async fn list_tenants(&self) -> Result<Tenants> {
        let (tenants, receipt) = self
            .room
            .operate("tenant.list", &Target::Sys, &self.context, |step| {
                let heads: std::collections::HashMap<_, _> =
                    step.snapshot.log_heads()?.into_iter().map(|head| (head.tenant, head)).collect();
                let mut tenants = Vec::new();
                for row in step.snapshot.tenants()? {
                    step.keys.check_row(&row)?;
                    let name = step.room.tenant_name(step.keys, &row)?;
                    tenants.push(info(step, &row, name, heads.get(&row.number), 0)?);
                }
                tenants.sort_by(|a, b| a.id.cmp(&b.id));
                step.line.count = Some(tenants.len() as u64);
                Ok(tenants)
            })
            .await?;
        Ok(Tenants { tenants, receipt })
    }
}

/// A tenant's pseudo-random key, outside of the device. Whoever has it and the database has all of the tenant's secrets.
#[derive(Debug)]
pub struct ExportedKey {
    /// Whose key.
    pub tenant_ref: TenantRef,
    /// The root version it was derived from.
    pub root_version: u32,
    /// The derivation under that root version.
    pub key_epoch: u32,
    /// The key.
    pub prk: Prk,
    /// Proof that the export was recorded.
    pub receipt: Receipt,
}

impl Admin {
    /// Hands a tenant's pseudo-random key out: for an independent reader to check what is stored, or for
    /// escrow. It opens everything the tenant has stored and will store until it is derived anew.
    ///
    /// Recorded in `sys` and in the tenant's own log, which its owner sees.
    ///
    /// # Errors
    /// `TenantNotFound`, `TenantClosed`; what the device says.
    pub async fn dangerously_export_key(&self, id: &TenantId) -> Result<ExportedKey> {
        let derived = self.derive_again(id).await;
        let known = derived.as_ref().map(|(keys, ..)| Arc::clone(keys)).map_err(Error::code);
        let (name, actor) = (id.clone(), self.context.actor().clone());
        let ((), receipt) = self
            .room
            .operate("tenant.export-key", &Target::Sys, &self.context, move |step| {
                let row = find(step, &name)?;
                let keys = known.as_ref().map_err(|code| Error::new(*code))?;
                match TenantState::from_number(row.state) {
                    Some(TenantState::Active) => {}
                    Some(TenantState::Suspended) => return Err(Code::TenantSuspended.into()),
                    _ => return Err(Code::TenantClosed.into()),
                }
                step.line.object = Some(by_ref(row.tenant));
                let (handle, new_actor) = step.room.actor_handle(step.snapshot, row.number, keys, &actor)?;
                step.changes.extend(new_actor);
                step.parts.push(Part {
                    act: "tenant.export-key",
                    line: LineFacts { object: Some(by_ref(row.tenant)), ..LineFacts::default() },
                    elsewhere: Some((row.number, log_origin(row.number, row.tenant, &step.room.origin), Some(handle))),
                });
                Ok(())
            })
            .await?;
        let (keys, prk) = derived?;
        let seed = keys.seed();
        Ok(ExportedKey {
            tenant_ref: seed.tenant,
            root_version: seed.root.version.0,
            key_epoch: seed.epoch.0,
            prk,
            receipt,
        })
    }

    async fn derive_again(&self, id: &TenantId) -> Result<(Arc<TenantKeys>, Prk)> {
        let (_, keys, _) = self.room.resolve(&Target::Tenant(id.clone())).await?;
        let seed = *keys.seed();
        let prk = self.room.device.prf(seed.root.version, seed.prf_input(), Instant::now() + DERIVE_TIMEOUT).await?;
        Ok((keys, prk))
    }
}

/// Finds a tenant's row and believes it only after it was checked.
pub(super) fn find(step: &mut Step<'_>, name: &TenantId) -> Result<TenantRow> {
    step.name(PseudonymKind::Tenant, name.as_str().as_bytes())?;
    let name_hash = step.keys.index(IndexKind::Tenant, name.as_str().as_bytes())?;
    let row = step
        .snapshot
        .tenant_by_name(&name_hash)?
        .filter(|row| row.number != TenantNumber::SYS)
        .ok_or(Code::TenantNotFound)?;
    step.room.check_tenant(step.keys, &row, name)?;
    Ok(row)
}

/// A tenant as a line's object.
pub(super) fn by_ref(tenant: TenantRef) -> Named {
    Named { kind: "tenant", id: *tenant.as_bytes(), version: None, pseudonym_key: None }
}

/// A random position of the heads tree that no tenant has.
fn free_position(step: &mut Step<'_>) -> Result<TenantNumber> {
    let limit = step.room.writer.position_limit();
    loop {
        let random = u32::from_be_bytes(step.random().array()?);
        // The bias of the remainder is of no consequence: positions hide a count, not a key.
        let number = TenantNumber(1 + random % (limit - 1));
        if step.snapshot.tenant(number)?.is_none() {
            return Ok(number);
        }
    }
}

/// A tenant whose row was checked, with the head of its log, to which this operation adds some lines.
pub(super) fn info(
    step: &Step<'_>,
    row: &TenantRow,
    id: TenantId,
    head: Option<&LogHeadRow>,
    lines: u64,
) -> Result<TenantInfo> {
    // Of another day than this one nothing counts any more.
    let (usage, today) = (head.map_or_else(Usage::default, |head| head.usage), day_of(step.now));
    let usage = Usage { audit_bytes: usage.audit_bytes_on(today), day: today, ..usage };
    Ok(TenantInfo {
        id,
        tenant_ref: row.tenant,
        state: TenantState::from_number(row.state).unwrap_or(TenantState::Suspended),
        created_at: Timestamp(row.created_at),
        log_origin: log_origin(row.number, row.tenant, &step.room.origin).as_str().to_owned(),
        log_size: head.map_or(0, |head| head.size) + lines,
        usage,
        settings: TenantSettings::from_row(row)?,
    })
}
