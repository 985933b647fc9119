//! The room itself: a deployment that is open in this process, and the handles that lead into it.

mod anchors;
mod checked;
mod derivations;
mod init;
mod open;
mod operation;
mod status;
mod tenant_changes;
mod tenants;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(crate) use anchors::Restored;
pub use init::{DeviceKeys, Init, Recovery};
pub use open::OpenOptions;
pub(crate) use operation::{LineFacts, Named, Part, Step, Target, change_of};
pub use status::{AuditHead, Status};
pub use tenant_changes::{TenantChange, TenantSettings};
pub use tenants::{Admin, ExportedKey, TenantInfo, TenantState, Tenants};

use strongroom_log::{Origin, RootKey};

use crate::{
    Code, Context, Deployment, DeploymentId, DeviceProfile, Environment, Error, KeyDevice, KeyId, Result, TenantId,
    TenantRef,
    anchor::Keepers,
    audit::Writer,
    clock::JudgedClock,
    device::RootVersion,
    expiry::Expirer,
    keys::{IndexHash, IndexKind, KeyCache, KeyEpoch, TenantKeys, TenantSeed},
    lease::{Leases, LockedBytes},
    memory::Arena,
    metrics::{Meter, Metrics, Timer},
    presence::Presence,
    quota::Gate,
    random::Random,
    readers::Readers,
    room::{checked::Checked, derivations::Derivations},
    seal::Subject,
    secrets::Secrets,
    store::{ActorRow, TenantNumber, TenantRow},
};

/// How long the device has to derive a tenant's key.
const DERIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A deployment that is open in this process. Cheap to clone; all clones are the same room.
///
/// Nothing can be done with it alone: [`Strongroom::tenant`] and [`Strongroom::admin`] lead to handles
/// that act in somebody's name.
#[derive(Clone, Debug)]
pub struct Strongroom {
    pub(crate) room: Arc<Room>,
}

/// What all handles share.
pub(crate) struct Room {
    pub(crate) deployment: DeploymentId,
    pub(crate) origin: Origin,
    pub(crate) root_key: RootKey,
    /// Tells this process from others, in its epochs' certificates and its intents.
    boot: [u8; 16],
    sys: TenantRef,
    pub(crate) device: Arc<dyn KeyDevice>,
    pub(crate) readers: Readers,
    writer: Writer,
    /// After the writer, whose last commit they are to write too.
    pub(crate) anchors: Arc<Keepers>,
    /// After the writer, too: what it writes last is written by a process that is alive.
    presence: Option<Arc<Presence>>,
    /// Where its `config.toml` is.
    pub(crate) home: Option<Deployment>,
    pub(crate) clock: Arc<JudgedClock>,
    pub(crate) random: Arc<dyn Random>,
    arena: Arc<Arena>,
    keys: KeyCache,
    pub(crate) leases: Arc<Leases>,
    pub(crate) expirer: Arc<Expirer>,
    pub(crate) meter: Arc<Meter>,
    /// Shared with the writer, which records what it refused.
    gate: Arc<Gate>,
    derivations: Derivations,
    names: Mutex<HashMap<TenantId, (TenantNumber, TenantRef)>>,
    actors: Checked<(TenantRef, IndexHash), ActorRow>,
    tenants: Checked<TenantNumber, TenantRow>,
    profile: DeviceProfile,
    /// The sealed reason for which this room opened a generation; empty if it did not.
    pub(crate) opens_for: Vec<u8>,
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("origin", &self.origin.as_str()).finish_non_exhaustive()
    }
}

impl Strongroom {
    /// A tenant, by name. No I/O: whether there is one shows at the first operation.
    pub fn tenant(&self, id: &TenantId) -> Tenant {
        Tenant { room: Arc::clone(&self.room), id: id.clone() }
    }

    /// Acts that concern the deployment as a whole, in the name of an operator.
    pub fn admin(&self, context: Context) -> Admin {
        Admin::new(Arc::clone(&self.room), context)
    }

    /// What this process has counted and timed since it opened the deployment. Not recorded: it says nothing of what is stored.
    pub fn metrics(&self) -> Metrics {
        Metrics::new(Arc::clone(&self.room.meter))
    }

    /// The key against which the audit log verifies: give it to your auditor.
    pub fn root_key(&self) -> &RootKey {
        &self.room.root_key
    }

    /// Looks for what has expired, in this thread, and lets nobody else of this process do so any more: for tests that
    /// say when that is. Blocks.
    #[cfg(any(test, feature = "testing"))]
    pub fn look_for_expired(&self) {
        crate::expiry::look_here(&self.room);
    }

    /// Finishes what is under way, closes the signing epoch in the log, wipes all keys and ends the
    /// threads. Blocks for as long as a commit takes. Handles that are still around then fail with `Closed`.
    ///
    /// # Errors
    /// Whatever kept the closing line from being written; the room is closed all the same.
    pub fn close(self) -> Result<()> {
        self.room.close()
    }
}

/// A tenant that somebody has yet to act on.
#[derive(Clone, Debug)]
pub struct Tenant {
    room: Arc<Room>,
    id: TenantId,
}

impl Tenant {
    /// Binds who acts. There is no method without.
    pub fn acting_as(&self, context: Context) -> ActingTenant {
        ActingTenant { room: Arc::clone(&self.room), id: self.id.clone(), context, environment: None }
    }
}

/// A tenant, in the name of an actor.
#[derive(Clone, Debug)]
pub struct ActingTenant {
    room: Arc<Room>,
    id: TenantId,
    context: Context,
    environment: Option<Environment>,
}

impl ActingTenant {
    /// The same, within one environment: paths are relative to it, and nothing outside can be read,
    /// written or listed.
    #[must_use]
    pub fn environment(&self, environment: Environment) -> Self {
        Self { environment: Some(environment), ..self.clone() }
    }

    /// The tenant's secrets.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(Arc::clone(&self.room), self.id.clone(), self.context.clone(), self.environment.as_ref())
    }

    /// The tenant's audit log.
    pub fn audit(&self) -> crate::audit::Audit {
        crate::audit::Audit::of_tenant(Arc::clone(&self.room), self.id.clone(), self.context.clone())
    }
}

impl Room {
    /// The tenant that an operation is about, and its keys; and those of `sys`, under which its row stands.
    async fn resolve(self: &Arc<Self>, target: &Target) -> Result<(TenantNumber, Arc<TenantKeys>, Arc<TenantKeys>)> {
        let sys = self.sys_keys().await?;
        let Target::Tenant(name) = target else { return Ok((TenantNumber::SYS, Arc::clone(&sys), sys)) };
        let known = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        if let Some((number, tenant)) = known
            && let Some(keys) = self.keys.find(tenant)
        {
            self.meter.key_cache_hits.inc();
            return Ok((number, keys, sys));
        }
        let name_hash = sys.index(IndexKind::Tenant, name.as_str().as_bytes())?;
        // Who is not known yet has no turn of their own.
        let turn = known.map_or(TenantNumber::SYS, |(number, _)| number);
        let row = self
            .readers
            .read(turn, move |snapshot| snapshot.tenant_by_name(&name_hash))
            .await?
            .filter(|row| row.number != TenantNumber::SYS)
            .ok_or(Code::TenantNotFound)?;
        self.check_tenant(&sys, &row, name)?;
        let keys = self.keys_of(&row).await?;
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= crate::limits::TENANT_NAMES_CACHED_MAX {
            names.clear();
        }
        names.insert(name.clone(), (row.number, row.tenant));
        Ok((row.number, keys, sys))
    }

    /// Refuses a tenant row that is not whole, or not that of the tenant asked for.
    fn check_tenant(&self, sys: &TenantKeys, row: &TenantRow, name: &TenantId) -> Result<()> {
        sys.check_row(row)?;
        if self.tenant_name(sys, row)? == *name {
            Ok(())
        } else {
            Err(Error::new(Code::Integrity).detail("a row of tenants"))
        }
    }

    /// The name sealed in a tenant's row.
    pub(crate) fn tenant_name(&self, sys: &TenantKeys, row: &TenantRow) -> Result<TenantId> {
        let opened = sys.open_name(Subject::TenantName(row.tenant), &row.name)?;
        std::str::from_utf8(&opened)
            .ok()
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| Error::new(Code::Integrity).detail("a row of tenants"))
    }

    async fn sys_keys(self: &Arc<Self>) -> Result<Arc<TenantKeys>> {
        if let Some(keys) = self.keys.find(self.sys) {
            return Ok(keys);
        }
        let row = self
            .readers
            .read(TenantNumber::SYS, |snapshot| snapshot.tenant(TenantNumber::SYS))
            .await?
            .filter(|row| row.tenant == self.sys)
            .ok_or(Code::Integrity)?;
        let keys = self.keys_of(&row).await?;
        keys.check_row(&row)?;
        Ok(keys)
    }

    /// The keys of a tenant: from the cache, or derived in the device.
    async fn keys_of(&self, row: &TenantRow) -> Result<Arc<TenantKeys>> {
        if let Some(keys) = self.keys.find(row.tenant) {
            return Ok(keys);
        }
        let _turn = self.derivations.enter(row.number).await?;
        if let Some(keys) = self.keys.find(row.tenant) {
            return Ok(keys);
        }
        let seed = self.seed(row)?;
        self.meter.key_cache_misses.inc();
        let timer = Timer::start(&self.meter.device);
        let prk = self.device.prf(seed.root.version, seed.prf_input(), Instant::now() + DERIVE_TIMEOUT).await?;
        drop(timer);
        let keys = Arc::new(self.keys.making_room(|| TenantKeys::unseal(seed, &prk, &row.keyring, &self.arena))?);
        self.keys.insert(Arc::clone(&keys));
        Ok(keys)
    }

    /// What a tenant's keys are derived from.
    fn seed(&self, row: &TenantRow) -> Result<TenantSeed> {
        Ok(TenantSeed {
            deployment: self.deployment,
            tenant: row.tenant,
            salt: row.salt,
            root: root_of(&self.profile, RootVersion(row.root_version))?,
            epoch: KeyEpoch(row.key_epoch),
        })
    }

    /// Copies bytes into locked memory, where keys that were not used for long make room for them.
    pub(crate) fn lock_bytes(&self, bytes: &[u8]) -> Result<LockedBytes> {
        self.keys.making_room(|| LockedBytes::copy_of(&self.arena, bytes))
    }

    fn close(&self) -> Result<()> {
        // First: what they end with is recorded.
        self.leases.close();
        self.expirer.close();
        self.readers.close();
        let closed = self.writer.close();
        self.anchors.close();
        self.derivations.close();
        self.keys.clear();
        // Without its closing line it looks as if it had died, which is what others are to see to.
        if let (Some(presence), Ok(())) = (&self.presence, &closed) {
            presence.leave();
        }
        closed
    }
}

/// A root key as keyrings name it.
fn root_of(profile: &DeviceProfile, version: RootVersion) -> Result<crate::keys::RootKey> {
    let root = profile
        .root(version)
        .ok_or_else(|| Error::new(Code::DeviceKeyMissing).detail(format!("root version {}", version.0)))?;
    Ok(crate::keys::RootKey { id: KeyId::from_bytes(root.id), version })
}
