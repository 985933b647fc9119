//! Restoring a backup into a new folder, as a new generation of the log.

use std::{fs, path::Path, sync::Arc};

use strongroom_log::{Origin, RootKey, sha256};

use super::verify::verify_backup;
use crate::{
    AnchorPlace, Code, Config, Context, Deployment, DeviceProfile, Error, KeyDevice, OpenOptions, Result, Strongroom,
    anchor::{from_settings, with_anchors},
    audit::Receipt,
    deployment::{sync_folder_of, unwritable},
    keys::PseudonymKind,
    limits,
    room::{LineFacts, Named, Part, Restored, Step, Target, change_of},
    store::{Change, DeploymentRow, Maintenance, SqliteStore, Store, TenantNumber},
};

/// How to restore a backup.
#[derive(Clone, Debug)]
pub struct Restore {
    config: Config,
    reason: String,
    context: Context,
    anchors: Anchors,
}

/// Which anchors a restored deployment gets.
#[derive(Clone, Debug)]
enum Anchors {
    /// Nobody has said: only a backup without any is restored.
    Unsaid,
    /// Those that the backup names.
    Kept,
    /// These, whose files are made.
    These(Vec<AnchorPlace>),
}

impl Restore {
    /// Restores with the device that `config` names, in this operator's name, for this reason
    /// (1 to 1,024 bytes, kept sealed with the new generation of the log).
    ///
    /// # Errors
    /// `LabelInvalid` if the reason is empty, too long or has control characters.
    pub fn new(config: Config, reason: &str, context: Context) -> Result<Self> {
        let fits = (1..=limits::DESCRIPTION_BYTES_MAX).contains(&reason.len());
        if !fits || reason.chars().any(char::is_control) {
            return Err(Error::new(Code::LabelInvalid).detail("the reason of a restore"));
        }
        Ok(Self { config, reason: reason.to_owned(), context, anchors: Anchors::Unsaid })
    }

    /// Gives the restored deployment these anchors, or none; their files are made. For a drill beside the deployment that
    /// the backup was made of. Default: a backup that names anchors is refused, until this or [`Restore::keep_anchors`] says
    /// whose they shall be.
    #[must_use]
    pub fn anchors(mut self, anchors: Vec<AnchorPlace>) -> Self {
        self.anchors = Anchors::These(anchors);
        self
    }

    /// Gives it those that the backup names: they remember the restored deployment from then on, and the one that the
    /// backup was made of opens no more.
    #[must_use]
    pub fn keep_anchors(mut self) -> Self {
        self.anchors = Anchors::Kept;
        self
    }
}

impl Strongroom {
    /// What a backup remembers of its device, to open it with. Not verified yet.
    ///
    /// # Errors
    /// `StoreDamaged`, `BackupInvalid`, `SchemaNewer`.
    pub fn backup_profile(file: &Path) -> Result<DeviceProfile> {
        let row = SqliteStore::open_still(file)?.snapshot()?.deployment()?.ok_or(Code::BackupInvalid)?;
        DeviceProfile::from_bytes(&row.profile)
    }

    /// Restores a backup into a folder where there is no deployment yet, and opens it.
    ///
    /// The backup is verified against the device's audit key first. What was recorded after it was made
    /// is not in it: the new generation names the head that it continues from, and receipts that are
    /// newer show what is missing. Anchors give way to the new generation, whatever they remember: a line of `sys`
    /// says how much that was.
    ///
    /// # Errors
    /// `DeploymentExists`; `BackupInvalid`; `LogBroken` if the log in it does not verify; what
    /// [`Strongroom::open`] says.
    pub async fn restore(
        file: &Path,
        deployment: &Deployment,
        device: Arc<dyn KeyDevice>,
        restore: Restore,
        options: OpenOptions,
    ) -> Result<(Self, Receipt)> {
        if deployment.database().exists() || deployment.intent_file().exists() {
            return Err(Error::new(Code::DeploymentExists).detail(deployment.folder().display().to_string()));
        }
        let row = SqliteStore::open_still(file)?.snapshot()?.deployment()?.ok_or(Code::BackupInvalid)?;
        let origin = Origin::parse(&row.origin).map_err(|_| Code::BackupInvalid)?;
        let root = RootKey::of(&origin, &device.identity().audit_key).map_err(|_| Code::DeviceWrongKey)?;
        let report = verify_backup(file, &root)?;
        if !report.is_ok() {
            let first = report.report.findings.first().map(ToString::to_string).or(report.store.first().cloned());
            return Err(Error::new(Code::LogBroken).detail(first.unwrap_or_default()));
        }

        deployment.create_folder()?;
        let building = deployment.database().with_extension("db.restore");
        fs::copy(file, &building).map_err(|error| unwritable(&building, error))?;
        fs::File::open(&building).and_then(|file| file.sync_all()).map_err(|error| unwritable(&building, error))?;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&building, Maintenance::Inline)?);
        let room =
            Self::open_store(Arc::clone(&store), Arc::clone(&device), options.clone(), Some(&restore.reason), None)
                .await?;
        let receipt = room.open_generation(&restore).await;
        let options = options
            .restored(Restored { context: restore.context, makes: matches!(restore.anchors, Anchors::These(_)) });
        let anchors = room.anchors_to_begin(&store, deployment, &options);
        room.close()?;
        drop(store);
        let (receipt, anchors) = (receipt?, anchors?);
        deployment.write_config(&Config { anchors, ..restore.config })?;
        fs::rename(&building, deployment.database()).map_err(|error| unwritable(&building, error))?;
        sync_folder_of(&building)?;
        Ok((Self::open_with(deployment, device, options).await?, receipt))
    }

    /// The first commit of a new generation, which says why there is one.
    async fn open_generation(&self, restore: &Restore) -> Result<Receipt> {
        let (reason, anchors) = (sha256(&self.room.opens_for), restore.anchors.clone());
        let (_, receipt) = self
            .room
            .operate("backup.restore", &Target::Sys, &restore.context, move |step| {
                let row = step.snapshot.deployment()?.ok_or(Code::Integrity)?;
                step.keys.check_row(&row)?;
                let generation = step.room.origin.generation();
                let mut row = DeploymentRow { generation, revision: row.revision + 1, ..row };
                row.mac = step.keys.row_mac(&row)?;
                let mut id = [0; 16];
                id.copy_from_slice(&reason.as_bytes()[..16]);
                step.line.object =
                    Some(Named { kind: "generation", id, version: Some(generation.into()), pseudonym_key: None });
                step.line.detail = Some(reason);
                step.line.row = Some(change_of(&row));
                step.changes.push(Change::UpdateDeployment(row));
                match &anchors {
                    Anchors::Kept => {}
                    Anchors::These(anchors) => replace_anchors(step, anchors)?,
                    Anchors::Unsaid if from_settings(&step.tenant.settings)?.is_empty() => {}
                    Anchors::Unsaid => return Err(Code::AnchorsUnsaid.into()),
                }
                Ok(())
            })
            .await?;
        Ok(receipt)
    }

    /// The anchors of the restored deployment, if it can be opened with them.
    fn anchors_to_begin(
        &self,
        store: &Arc<dyn Store>,
        deployment: &Deployment,
        options: &OpenOptions,
    ) -> Result<Vec<AnchorPlace>> {
        let sys = store.snapshot()?.tenant(TenantNumber::SYS)?.ok_or(Code::Integrity)?;
        let anchors = from_settings(&sys.settings)?;
        anchors.iter().try_for_each(|place| place.demand_outside(deployment.folder()))?;
        self.demand_anchors(&anchors, options)?;
        Ok(anchors)
    }
}

/// Has the deployment record other anchors than those of the backup, with a line for each that goes or comes.
fn replace_anchors(step: &mut Step<'_>, anchors: &[AnchorPlace]) -> Result<()> {
    let before = from_settings(&step.tenant.settings)?;
    let gone = before.iter().filter(|place| !anchors.contains(place)).map(|place| ("anchor.remove", place));
    let new = anchors.iter().filter(|place| !before.contains(place)).map(|place| ("anchor.add", place));
    let mut parts = Vec::new();
    for (act, place) in gone.chain(new) {
        let object = Some(step.pseudonym(PseudonymKind::Anchor, place.to_string().as_bytes())?);
        parts.push(Part { act, line: LineFacts { object, ..LineFacts::default() }, elsewhere: None });
    }
    if let Some(last) = parts.last_mut() {
        let row = with_anchors(step, anchors)?;
        last.line.row = Some(change_of(&row));
        step.changes.push(Change::UpdateTenant(row));
    }
    step.parts.extend(parts);
    Ok(())
}
