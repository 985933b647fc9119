//! Opening a deployment: nothing is served before device, database and deployment are known to belong together.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use strongroom_log::{Origin, RootKey};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

use super::{
    DERIVE_TIMEOUT, Room, Strongroom,
    anchors::{AnchorPolicy, Restored},
    checked::Checked,
    derivations::Derivations,
    root_of,
};
use crate::{
    Code, Context, DeviceProfile, Error, KeyDevice, Result,
    anchor::{Facts, Keepers, from_settings},
    audit::{Founding, Sequencer, Write, Writer, Written},
    clock::{Clock, JudgedClock, SystemClock},
    deployment::Deployment,
    device::RootVersion,
    keys::{CACHE_TTL_DEFAULT, KeyCache, KeyEpoch, TenantKeys, TenantSeed, check_input},
    lease::Leases,
    limits,
    login::Refused,
    memory::{ARENA_BYTES_DEFAULT, Arena, Locking},
    metrics::Meter,
    presence::Presence,
    quota::{Gate, Quotas},
    random::{Random, SystemRandom},
    readers::Readers,
    seal::Subject,
    store::{DeploymentRow, Maintenance, SqliteStore, Store, TenantNumber},
};

/// How to open a deployment.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    pub(super) maintenance: Maintenance,
    pub(super) locking: Locking,
    pub(super) arena_bytes: usize,
    pub(super) keys_ttl: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) anchors: AnchorPolicy,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            maintenance: Maintenance::Background,
            locking: Locking::Require,
            arena_bytes: ARENA_BYTES_DEFAULT,
            keys_ttl: CACHE_TTL_DEFAULT,
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SystemRandom),
            anchors: AnchorPolicy::default(),
        }
    }
}

impl OpenOptions {
    /// For a process that ends soon, such as a command: SQLite keeps its own write-ahead log short.
    /// Default: this process stays, and does that in the background.
    #[must_use]
    pub fn short_lived(mut self) -> Self {
        self.maintenance = Maintenance::Inline;
        self
    }

    /// Goes on where memory for keys cannot be locked. Default: refuse, with `MemoryLocked`.
    #[must_use]
    pub fn allow_unlocked_memory(mut self, allow: bool) -> Self {
        self.locking = if allow { Locking::Allow } else { Locking::Require };
        self
    }

    /// How long a tenant's keys stay in memory after the device was asked. Default: 15 minutes.
    #[must_use]
    pub fn keys_ttl(mut self, ttl: Duration) -> Self {
        self.keys_ttl = ttl;
        self
    }

    /// Bytes of locked memory for keys. Default: 4 MiB, about 10,000 tenants' keys.
    #[must_use]
    pub fn arena_bytes(mut self, bytes: usize) -> Self {
        self.arena_bytes = bytes;
        self
    }

    /// Opens without anchors that are missing or cannot be used, which is recorded in this operator's name. One that
    /// remembers more than there is still refuses. Default: refuse.
    #[must_use]
    pub fn accept_missing_anchors(mut self, context: Context) -> Self {
        self.anchors.accepts = Some(context);
        self
    }

    /// Opens what was just restored: anchors of the generation before give way, which is recorded.
    pub(crate) fn restored(mut self, restored: Restored) -> Self {
        self.anchors.restored = Some(restored);
        self
    }

    /// Another clock and another random source.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn injected(mut self, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        self.clock = clock;
        self.random = random;
        self
    }
}

impl Strongroom {
    /// Opens a deployment with the device it was made with. That it was opened is a line of its log, durable before
    /// this returns.
    ///
    /// # Errors
    /// `DeploymentMissing`, `DeploymentUnfinished`; `DeviceWrongToken`, `DeviceWrongKey` if the device is
    /// not the one; `SchemaNewer`, `StoreDamaged`; `Integrity` if the deployment's rows were changed;
    /// `LogRolledBack` if an anchor remembers what the log does not have, `AnchorMissing`, `AnchorUnusable`,
    /// `AnchorInvalid`, `AnchorForeign`, or `AnchorSetChanged` if `config.toml` names others; `FileUnreadable` if
    /// logins were refused before and what is noted of them cannot be read; what the device and the store say if the
    /// line cannot be written.
    pub async fn open(deployment: &Deployment, device: Arc<dyn KeyDevice>) -> Result<Self> {
        Self::open_with(deployment, device, OpenOptions::default()).await
    }

    /// Opens a deployment, with options.
    ///
    /// # Errors
    /// As [`Strongroom::open`].
    pub async fn open_with(deployment: &Deployment, device: Arc<dyn KeyDevice>, options: OpenOptions) -> Result<Self> {
        deployment.demand()?;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&deployment.database(), options.maintenance)?);
        Self::open_store(store, device, options, None, Some(deployment)).await
    }

    /// Opens a deployment in a store that is open.
    ///
    /// # Errors
    /// As [`Strongroom::open`].
    #[cfg(any(test, feature = "testing"))]
    pub async fn open_in(store: Arc<dyn Store>, device: Arc<dyn KeyDevice>, options: OpenOptions) -> Result<Self> {
        Self::open_store(store, device, options, None, None).await
    }

    pub(crate) async fn open_store(
        store: Arc<dyn Store>,
        device: Arc<dyn KeyDevice>,
        options: OpenOptions,
        opens_for: Option<&str>,
        home: Option<&Deployment>,
    ) -> Result<Self> {
        let row = store.snapshot()?.deployment()?.ok_or(Code::DeploymentUnfinished)?;
        let profile = DeviceProfile::from_bytes(&row.profile)?;
        check_device(&*device, &profile, &row).await?;

        let arena = Arena::new(options.arena_bytes, options.locking)?;
        let (sys, settings) = sys_keys(&*store, &row, &profile, &*device, &arena).await?;
        sys.check_row(&row).map_err(|_| Error::new(Code::Integrity).detail("the deployment's row"))?;
        let opens_for = match opens_for {
            Some(reason) => {
                let subject = Subject::GenerationReason(row.sys_ref);
                Some(sys.seal_name(subject, reason.as_bytes(), &*options.random)?)
            }
            None => None,
        };
        let anchors = from_settings(&settings)?;
        let (policy, is_restoring) = (options.anchors.clone(), opens_for.is_some());
        let store_there = Arc::clone(&store);
        let parts = Parts { row, profile, store, device, arena, options, opens_for, home: home.cloned() };
        let room = parts.assemble()?;
        room.room.keys.insert(Arc::new(sys));
        // While a generation is opened the database is not in its place yet, and its first line says why there is
        // one: see `restore`.
        if !is_restoring {
            room.begin_anchors(&anchors, &policy).await?;
            room.record_opening(home).await?;
            if let Some(presence) = &room.room.presence {
                presence.tidy(&*store_there)?;
            }
            room.room.expirer.start(&room.room)?;
        }
        Ok(room)
    }

    /// Makes the line of this opening durable: that of the signing epoch which begins with it, certified by the device
    /// that was logged in to; and one for logins that it refused before. After the anchors: a log that was rolled back is
    /// not continued.
    async fn record_opening(&self, home: Option<&Deployment>) -> Result<()> {
        let room = &self.room;
        let refused = match home {
            Some(home) => Refused::take(home, &*room.anchors.facts().store, &room.origin, &*room.random)?,
            None => None,
        };
        let own = refused.as_ref().map_or(&[][..], |refused| &refused.lines);
        let lines: Vec<_> = own.iter().map(|line| (TenantNumber::SYS, line.clone())).collect();
        let is_noted = !lines.is_empty();
        let (answer, answered) = oneshot::channel();
        room.writer.push(
            Write { changes: Vec::new(), lines, quotas: Quotas::default() },
            Box::new(move |written| drop(answer.send(written))),
        );
        match answered.await.map_err(|_| Code::Closed)?? {
            // Of a write without lines there is no receipt.
            Written::Stale | Written::OverQuota(_) if is_noted => {
                Err(Error::new(Code::Integrity).detail("the log of the deployment"))
            }
            Written::Stale | Written::OverQuota(_) | Written::Recorded(_) => {
                refused.into_iter().for_each(Refused::recorded);
                Ok(())
            }
        }
    }
}

/// All that a room is made of.
pub(super) struct Parts {
    pub(super) row: DeploymentRow,
    pub(super) profile: DeviceProfile,
    pub(super) store: Arc<dyn Store>,
    pub(super) device: Arc<dyn KeyDevice>,
    pub(super) arena: Arc<Arena>,
    pub(super) options: OpenOptions,
    /// The sealed reason for which the next generation is opened.
    pub(super) opens_for: Option<Vec<u8>>,
    /// Where its `config.toml` is.
    pub(super) home: Option<Deployment>,
}

impl Parts {
    /// Starts the threads.
    pub(super) fn assemble(self) -> Result<Strongroom> {
        let Self { row, profile, store, device, arena, options, opens_for, home } = self;
        let damaged = |_| Error::new(Code::StoreDamaged).detail("the deployment's origin");
        let first = Origin::parse(&row.origin).map_err(damaged)?;
        let generation = row.generation.max(1) + u32::from(opens_for.is_some());
        let origin = first.at_generation(generation);
        let root_key = RootKey::of(&first, &profile.audit.key).map_err(damaged)?;
        let OpenOptions { clock, random, keys_ttl, .. } = options;
        let clock = Arc::new(JudgedClock::new(clock));
        let boot = random.array()?;
        // Before anything is written that has this boot id.
        let presence = home.as_ref().map(|home| Presence::announce(home, boot).map(Arc::new)).transpose()?;
        let founding = Founding {
            deployment: row.deployment,
            origin: origin.clone(),
            boot,
            opens_for: opens_for.clone(),
            presence: presence.clone(),
        };
        let opens_for = opens_for.unwrap_or_default();
        let sequencer = Sequencer::new(
            founding,
            Arc::clone(&store),
            Arc::clone(&device),
            Arc::clone(&clock),
            Arc::clone(&random),
            Arc::clone(&arena),
        )?;
        let anchors = Arc::new(Keepers::new(Facts {
            store: Arc::clone(&store),
            device: Arc::clone(&device),
            home: home.clone(),
            clock: Arc::<JudgedClock>::clone(&clock),
            deployment: row.deployment,
            origin: origin.clone(),
            root_key: root_key.clone(),
        }));
        let meter = Arc::new(Meter::new());
        let gate = Arc::new(Gate::new(Arc::<JudgedClock>::clone(&clock), Arc::clone(&random), Arc::clone(&meter)));
        let room = Room {
            deployment: row.deployment,
            origin,
            boot,
            root_key,
            sys: row.sys_ref,
            readers: Readers::start(&store)?,
            writer: Writer::start(sequencer, Arc::clone(&anchors), Arc::clone(&meter), Arc::clone(&gate))?,
            anchors,
            presence,
            home,
            device,
            keys: KeyCache::new(Arc::<JudgedClock>::clone(&clock), keys_ttl),
            clock,
            random,
            leases: Arc::new(Leases::new(Arc::clone(&arena), Arc::clone(&meter))),
            expirer: Arc::default(),
            meter,
            gate,
            arena,
            derivations: Derivations::default(),
            names: Mutex::new(HashMap::new()),
            actors: Checked::new(limits::ACTORS_CHECKED_MAX),
            tenants: Checked::new(limits::TENANTS_CHECKED_MAX),
            profile,
            opens_for,
        };
        Ok(Strongroom { room: Arc::new(room) })
    }
}

/// The device must be the one the deployment was made with, and answer as it did then.
async fn check_device(device: &dyn KeyDevice, profile: &DeviceProfile, row: &DeploymentRow) -> Result<()> {
    let identity = device.identity();
    if identity.kind != profile.kind || identity.serial != profile.serial {
        // A token's is text, that of a key file is random bytes, which have no business on a terminal.
        let serial = match str::from_utf8(&identity.serial) {
            Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') => text.to_owned(),
            _ => strongroom_log::hex_encode(&identity.serial),
        };
        return Err(Error::new(Code::DeviceWrongToken).detail(format!("serial {serial}")));
    }
    if identity.audit_key != profile.audit.key {
        return Err(Error::new(Code::DeviceWrongKey).detail("the audit key"));
    }
    for root in &profile.roots {
        let version = RootVersion(root.v);
        let check = device.prf(version, check_input(row.deployment, version), Instant::now() + DERIVE_TIMEOUT).await?;
        if !bool::from(check.expose_key().ct_eq(&root.check)) {
            return Err(Error::new(Code::DeviceWrongKey).detail(format!("root key version {}", root.v)));
        }
    }
    Ok(())
}

/// The keys of `sys`, and the settings in its row, which is checked.
async fn sys_keys(
    store: &dyn Store,
    row: &DeploymentRow,
    profile: &DeviceProfile,
    device: &dyn KeyDevice,
    arena: &Arc<Arena>,
) -> Result<(TenantKeys, Vec<u8>)> {
    let sys = store
        .snapshot()?
        .tenant(TenantNumber::SYS)?
        .filter(|sys| sys.tenant == row.sys_ref)
        .ok_or_else(|| Error::new(Code::Integrity).detail("the row of sys"))?;
    let seed = TenantSeed {
        deployment: row.deployment,
        tenant: sys.tenant,
        salt: sys.salt,
        root: root_of(profile, RootVersion(sys.root_version))?,
        epoch: KeyEpoch(sys.key_epoch),
    };
    let prk = device.prf(seed.root.version, seed.prf_input(), Instant::now() + DERIVE_TIMEOUT).await?;
    let keys = TenantKeys::unseal(seed, &prk, &sys.keyring, arena)
        .map_err(|error| Error::new(Code::DeploymentForeign).detail("the keys of sys do not open").caused_by(error))?;
    keys.check_row(&sys)?;
    Ok((keys, sys.settings))
}
