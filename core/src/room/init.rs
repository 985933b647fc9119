//! Making a deployment: keys in the device, then the database, so that a crash at any moment leaves
//! something that the same command finishes.
//!
//! What is about to be made is written down first, with the random ids of its keys (`init.intent`). A
//! second run with the same intent adopts or makes exactly those objects, and nothing else is ever
//! adopted. The database appears under its name only when it is complete.

use std::{fs, io::ErrorKind, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

use super::{DERIVE_TIMEOUT, OpenOptions, Strongroom, open::Parts, operation::Target, root_of, tenants::TenantState};
use crate::{
    AnchorPlace, Code, Context, DeploymentId, DeviceProfile, Error, KeyDevice, KeyId, Origin, Result, TenantRef,
    anchor::{WriteMode, demand_distinct, demand_free, to_settings},
    audit::Receipt,
    deployment::{Config, Deployment, sync_folder_of, unreadable, unwritable, write_durably},
    keys::{IndexKind, KeyEpoch, TenantKeys, TenantSeed, check_input},
    memory::Arena,
    room::{LineFacts, change_of},
    seal::Subject,
    store::{Change, DeploymentRow, SqliteStore, Store, TenantNumber, TenantRow},
};

/// The ids of the keys that a device is asked to make: random, and written down before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceKeys {
    /// The root key, version 1.
    pub root: KeyId,
    /// The audit key R.
    pub audit: KeyId,
}

/// What happens when the token is lost. There is no default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// Everything is lost with it.
    None,
}

/// What a deployment is made from.
#[derive(Clone, Debug)]
pub struct Init {
    config: Config,
    recovery: Recovery,
    origin: Option<Origin>,
    context: Context,
}

impl Init {
    /// A deployment on the device that `config` names, made by this operator, with this decision about recovery.
    pub fn new(config: Config, recovery: Recovery, context: Context) -> Self {
        Self { config, recovery, origin: None, context }
    }

    /// The origin of its logs, for ever. Default: `strongroom.invalid/<deployment id>`.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }
}

/// `init.intent`, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Intent {
    audit_id: String,
    deployment: String,
    device: String,
    origin: String,
    recovery: String,
    root_id: String,
    v: u8,
}

impl Strongroom {
    /// Makes a deployment, or finishes one whose making was interrupted, and opens it.
    ///
    /// `provision` has the device make the two keys with exactly these ids, or find them if they are
    /// there already, and opens it; it is given the input of the root key's check value.
    ///
    /// # Errors
    /// `DeploymentExists`; `DeploymentUnfinished` if another `init` was begun here; what the device says.
    pub async fn init(
        deployment: &Deployment,
        init: Init,
        options: OpenOptions,
        provision: impl FnOnce(&DeviceKeys, &[u8]) -> Result<(DeviceProfile, Arc<dyn KeyDevice>)>,
    ) -> Result<(Self, Receipt)> {
        if deployment.database().exists() && !deployment.intent_file().exists() {
            return Err(Error::new(Code::DeploymentExists).detail(deployment.folder().display().to_string()));
        }
        demand_anchors(deployment, &init.config.anchors)?;
        deployment.create_folder()?;
        let intent = begin(deployment, &init, &options)?;
        let (id, keys) = intent.ids()?;
        let (profile, device) = provision(&keys, &check_input(id, crate::device::RootVersion::FIRST))?;
        deployment.write_config(&init.config)?;

        let building = deployment.database().with_extension("db.init");
        remove_database(&building)?;
        // Complete but for the name, if the last run got as far as this.
        let receipt = if deployment.database().exists() {
            None
        } else {
            let receipt = build(&building, &init, &intent, id, profile, &device, options.clone()).await?;
            fs::rename(&building, deployment.database()).map_err(|error| unwritable(&building, error))?;
            sync_folder_of(&building)?;
            Some(receipt)
        };
        fs::remove_file(deployment.intent_file()).map_err(|error| unwritable(&deployment.intent_file(), error))?;
        sync_folder_of(&deployment.intent_file())?;

        let room = Self::open_with(deployment, device, options).await?;
        let receipt = match receipt {
            Some(receipt) => receipt,
            None => room.room.operate("deployment.init", &Target::Sys, &init.context, |_| Ok(())).await?.1,
        };
        Ok((room, receipt))
    }

    /// What an interrupted `init` was about to make: the device's URI and the keys' ids.
    ///
    /// # Errors
    /// `DeploymentMissing` if none was interrupted here.
    pub fn interrupted_init(deployment: &Deployment) -> Result<(String, DeviceKeys)> {
        let intent = read_intent(deployment)?.ok_or(Code::DeploymentMissing)?;
        let (_, keys) = intent.ids()?;
        Ok((intent.device, keys))
    }

    /// Forgets an interrupted `init`, once its keys were taken out of the device.
    ///
    /// # Errors
    /// `DeploymentExists` if its database was complete: finish it instead.
    pub fn abandon_init(deployment: &Deployment) -> Result<()> {
        if deployment.database().exists() {
            return Err(Error::new(Code::DeploymentExists).detail("it was complete: run the same init again"));
        }
        remove_database(&deployment.database().with_extension("db.init"))?;
        for file in [deployment.config_file(), deployment.intent_file()] {
            remove(&file)?;
        }
        sync_folder_of(&deployment.intent_file())
    }
}

/// Refuses anchors that cannot be those of a new deployment, before anything of it is made.
fn demand_anchors(deployment: &Deployment, anchors: &[AnchorPlace]) -> Result<()> {
    demand_distinct(anchors)?;
    let own = match read_intent(deployment)? {
        Some(intent) => Some(intent.ids()?.0),
        None => None,
    };
    for anchor in anchors {
        anchor.demand_outside(deployment.folder())?;
        // Where the database is complete, its anchors are too.
        if !deployment.database().exists() {
            demand_free(anchor, own)?;
        }
    }
    Ok(())
}

/// Writes the intent down, or takes up the one that is there.
fn begin(deployment: &Deployment, init: &Init, options: &OpenOptions) -> Result<Intent> {
    if let Some(intent) = read_intent(deployment)? {
        let same_origin = init.origin.as_ref().is_none_or(|origin| origin.as_str() == intent.origin);
        if intent.device != init.config.device || !same_origin {
            return Err(Error::new(Code::DeploymentUnfinished).detail("it was begun with another device or origin"));
        }
        return Ok(intent);
    }
    let id = DeploymentId::random(&*options.random)?;
    let Recovery::None = init.recovery;
    let origin = match &init.origin {
        Some(origin) => origin.as_str().to_owned(),
        None => format!("strongroom.invalid/{id}"),
    };
    let intent = Intent {
        audit_id: KeyId::random(&*options.random)?.to_string(),
        deployment: id.to_string(),
        device: init.config.device.clone(),
        origin,
        recovery: "none".to_owned(),
        root_id: KeyId::random(&*options.random)?.to_string(),
        v: 1,
    };
    let json = serde_json::to_vec(&intent).map_err(|error| Error::new(Code::Internal).caused_by(error))?;
    write_durably(&deployment.intent_file(), &json)?;
    Ok(intent)
}

fn read_intent(deployment: &Deployment) -> Result<Option<Intent>> {
    let bytes = match fs::read(deployment.intent_file()) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&deployment.intent_file(), error)),
    };
    let damaged = || Error::new(Code::StoreDamaged).detail("init.intent");
    let intent: Intent = serde_json::from_slice(&bytes).map_err(|error| damaged().caused_by(error))?;
    if intent.v == 1 && intent.recovery == "none" { Ok(Some(intent)) } else { Err(damaged()) }
}

impl Intent {
    fn ids(&self) -> Result<(DeploymentId, DeviceKeys)> {
        let damaged = |_| Error::new(Code::StoreDamaged).detail("init.intent");
        let root = self.root_id.parse().map_err(damaged)?;
        let audit = self.audit_id.parse().map_err(damaged)?;
        Ok((self.deployment.parse().map_err(damaged)?, DeviceKeys { root, audit }))
    }
}

/// Makes the whole database under another name: its first commit is the deployment.
#[allow(clippy::too_many_arguments, reason = "the parts of one deployment, named once")]
async fn build(
    building: &std::path::Path,
    init: &Init,
    intent: &Intent,
    id: DeploymentId,
    profile: DeviceProfile,
    device: &Arc<dyn KeyDevice>,
    options: OpenOptions,
) -> Result<Receipt> {
    let arena = Arena::new(options.arena_bytes, options.locking)?;
    let (clock, random) = (Arc::clone(&options.clock), Arc::clone(&options.random));
    let version = profile.newest_root();
    let seed = TenantSeed {
        deployment: id,
        tenant: TenantRef::random(&*random)?,
        salt: random.array()?,
        root: root_of(&profile, version)?,
        epoch: KeyEpoch::FIRST,
    };
    let ask = || device.prf(version, seed.prf_input(), Instant::now() + DERIVE_TIMEOUT);
    let (prk, again) = (ask().await?, ask().await?);
    let now = clock.now();
    let (keys, keyring) = TenantKeys::create(seed, &prk, &again, &arena, &*random, now)?;

    let mut row = DeploymentRow {
        deployment: id,
        origin: intent.origin.clone(),
        generation: 1,
        sys_ref: seed.tenant,
        profile: profile.to_bytes(),
        recovery: intent.recovery.clone().into_bytes(),
        created_at: now.0,
        revision: 1,
        mac: [0; 32],
    };
    row.mac = keys.row_mac(&row)?;
    let mut sys = TenantRow {
        number: TenantNumber::SYS,
        tenant: seed.tenant,
        name_hash: keys.index(IndexKind::Tenant, b"sys")?,
        name: keys.seal_name(Subject::TenantName(seed.tenant), b"sys", &*random)?,
        salt: seed.salt,
        root_version: version.0,
        key_epoch: seed.epoch.0,
        keyring,
        state: TenantState::Active.number(),
        settings: to_settings(&init.config.anchors)?,
        created_at: now.0,
        revision: 1,
        mac: [0; 32],
    };
    sys.mac = keys.row_mac(&sys)?;

    let store: Arc<dyn Store> = Arc::new(SqliteStore::create(building)?);
    let parts = Parts {
        row: row.clone(),
        profile,
        store,
        device: Arc::clone(device),
        arena,
        options,
        opens_for: None,
        home: None,
    };
    let room = parts.assemble()?;
    let keys = Arc::new(keys);
    room.room.keys.insert(Arc::clone(&keys));
    let receipt = room.room.found(&keys, row, sys, &init.context).await;
    let begun = match &receipt {
        // What an interrupted `init` of this deployment left there is of a database that never was.
        Ok(_) => init.config.anchors.iter().try_for_each(|place| room.room.anchors.start(place, WriteMode::Replace)?),
        Err(_) => Ok(()),
    };
    room.close()?;
    begun?;
    receipt
}

impl super::Room {
    /// The first commit of all: the deployment, `sys`, and the line that says who made them.
    async fn found(
        self: &Arc<Self>,
        keys: &TenantKeys,
        row: DeploymentRow,
        sys: TenantRow,
        context: &Context,
    ) -> Result<Receipt> {
        let facts = LineFacts {
            row: Some(change_of(&row)),
            detail: Some(strongroom_log::sha256(&row.profile)),
            ..LineFacts::default()
        };
        let changes = vec![Change::CreateDeployment(row), Change::CreateTenant(sys)];
        self.record_first("deployment.init", keys, changes, facts, context).await
    }
}

fn remove_database(database: &std::path::Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        remove(std::path::Path::new(&name))?;
    }
    Ok(())
}

fn remove(file: &std::path::Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(file, error)),
        _ => Ok(()),
    }
}
