//! Putting a secret: a new one, or a new version of one.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Expiry, Meta, RotationInterval, SecretType, Secrets, Settings, Version, VersionLimit, VersionState, demand_current,
    find, meta::MetaChange,
};
use crate::{
    Code, Description, Error, Folder, Labels, ObjectId, Owner, Result, SecretPath, SecretValue,
    audit::Receipt,
    keys::{IndexHash, IndexKind, PseudonymKind},
    limits,
    room::{LineFacts, Step, change_of},
    seal::Subject,
    store::{Change, FolderRow, PutSecret, SecretRow, VersionRow},
};

/// How to put a secret.
#[derive(Clone, Debug, Default)]
pub struct Put {
    expected: Option<Version>,
    meta: MetaChange,
    max_versions: Option<VersionLimit>,
    expiry: Option<Expiry>,
    secret_expiry: Option<Expiry>,
    /// As the pending version.
    pending: bool,
}

impl Put {
    /// Only if this is the current version; `Version(0)`: only if there is no such secret yet.
    /// Default: whatever the current version is.
    #[must_use]
    pub fn expect(mut self, version: Version) -> Self {
        self.expected = Some(version);
        self
    }

    /// Sets the description. Default: it stays as it is.
    #[must_use]
    pub fn description(mut self, description: Description) -> Self {
        self.meta.description = Some(description);
        self
    }

    /// Sets the labels, all of them. Default: they stay as they are.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.meta.labels = Some(labels);
        self
    }

    /// Sets what kind of secret it is. Default: it stays as it is, and is [`SecretType::Generic`] at first.
    #[must_use]
    pub fn secret_type(mut self, secret_type: SecretType) -> Self {
        self.meta.secret_type = Some(secret_type);
        self
    }

    /// Sets who answers for it. Default: it stays as it is.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.meta.owner = Some(owner);
        self
    }

    /// Sets how often its value should be another one. Default: it stays as it is, and is
    /// [`RotationInterval::OF_TYPE`] at first.
    #[must_use]
    pub fn rotation_interval(mut self, interval: RotationInterval) -> Self {
        self.meta.rotation_interval = Some(interval);
        self
    }

    /// Until when this version may be read. Default: for ever.
    #[must_use]
    pub fn version_expires(mut self, expiry: Expiry) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// Sets until when the whole secret may be read; so one that has expired can be put again. Default: it stays as it is,
    /// and is for ever at first.
    #[must_use]
    pub fn expires(mut self, expiry: Expiry) -> Self {
        self.secret_expiry = Some(expiry);
        self
    }

    /// Sets how many versions the secret keeps, from this one on. Default: it stays as it is, and is 10 at first.
    ///
    /// A put beyond the limit removes the oldest versions for ever, in the same transaction.
    #[must_use]
    pub fn max_versions(mut self, limit: VersionLimit) -> Self {
        self.max_versions = Some(limit);
        self
    }
}

impl Put {
    /// The same for another secret of the same operation, whose version nobody has seen: only that there is none yet can
    /// be expected of both.
    pub(super) fn for_another(&self) -> Self {
        Self { expected: self.expected.filter(|version| *version == Version(0)), ..self.clone() }
    }
}

/// What became of a put.
#[derive(Clone, Debug)]
pub struct PutReply {
    /// The version that was put.
    pub version: Version,
    /// How many of the oldest versions the secret's limit removed.
    pub removed: u64,
    /// Proof that it was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Stores a value as the new current version of the secret at this path.
    ///
    /// Beyond the secret's version limit ([`Put::max_versions`]) the oldest versions are removed.
    ///
    /// When it returns, the value and the line that records it survive a crash of the machine.
    ///
    /// # Errors
    /// `SecretConflict` if [`Put::expect`] does not hold; `CertificateInvalid` if the secret is a
    /// [`SecretType::Certificate`] and the value is none; `ExpiryInvalid`; `SecretArchived`, `SecretExpired`; `FolderFull`; `TenantNotFound`, `TenantClosed`.
    pub async fn put(&self, path: &SecretPath, value: SecretValue, options: Put) -> Result<PutReply> {
        let (path, value) = (self.full(path), Arc::new(value));
        let ((version, removed), receipt) = self
            .room
            .operate("secret.put", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                let planned = plan(step, path, &value, &options, &mut Folders::default())?;
                step.changes.push(planned.change);
                step.line = planned.line;
                Ok((planned.version, planned.removed))
            })
            .await?;
        Ok(PutReply { version, removed, receipt })
    }

    /// Stores a value as the pending version of a secret that exists: `get` goes on returning the current one, until
    /// [`Secrets::promote`] moves the two in one step. A version that was pending before is so no longer.
    ///
    /// # Errors
    /// `SecretNotFound`; `VersionsFull` if the limit would then remove the current version; as [`Secrets::put`].
    pub async fn put_pending(&self, path: &SecretPath, value: SecretValue, options: Put) -> Result<PutReply> {
        let (path, value, options) = (self.full(path), Arc::new(value), Put { pending: true, ..options });
        let ((version, removed), receipt) = self
            .room
            .operate("secret.put-pending", &self.target(), &self.context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                let planned = plan(step, path, &value, &options, &mut Folders::default())?;
                step.changes.push(planned.change);
                step.line = planned.line;
                Ok((planned.version, planned.removed))
            })
            .await?;
        Ok(PutReply { version, removed, receipt })
    }
}

/// A put, ready to be written.
pub(super) struct Planned {
    pub(super) change: Change,
    pub(super) line: LineFacts,
    pub(super) version: Version,
    pub(super) removed: u64,
}

/// The folders that an operation adds to, as it goes along.
#[derive(Default)]
pub(super) struct Folders {
    entries: HashMap<Folder, u64>,
    made: HashSet<Folder>,
}

/// Computes a put from what is stored now.
pub(super) fn plan(
    step: &mut Step<'_>,
    path: &SecretPath,
    value: &SecretValue,
    options: &Put,
    folders: &mut Folders,
) -> Result<Planned> {
    step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
    let stored = find(step, path)?;
    demand_current(options.expected, stored.as_ref().map_or(0, |row| row.current))?;
    let (mut secret, labels, new_folders) = match stored {
        Some(row) => next_row(step, row, value, options)?,
        None if options.pending => return Err(Code::SecretNotFound.into()),
        None => first_row(step, path, value, options, folders)?,
    };
    let mut settings = Settings::of(&secret)?;
    if let Some(expiry) = options.secret_expiry {
        settings.expire(expiry, step.now)?;
        secret.settings = settings.to_stored()?;
    }
    settings.demand_alive(step.now)?;
    let expires_at = options.expiry.map(|expiry| expiry.moment(step.now)).transpose()?.flatten();
    let (oldest, removed) = keep_to_limit(&mut secret, options.max_versions)?;
    let mut version = VersionRow {
        secret: secret.id,
        version: secret.latest,
        state: VersionState::Enabled.number(),
        created_at: step.now.0,
        expires_at,
        value: step.keys.seal_value(secret.id, secret.latest, value, step.random())?,
        revision: 1,
        mac: [0; 32],
    };
    step.room.meter.sealed.inc();
    if secret.latest > 1 {
        step.room.meter.rotations.inc();
    }
    secret.mac = step.keys.row_mac(&secret)?;
    version.mac = step.keys.row_mac(&version)?;
    step.version(secret.latest);
    let line = LineFacts {
        object: step.line.object,
        count: (removed > 0).then_some(removed),
        row: Some(change_of(&secret)),
        version_row: Some(change_of(&version)),
        ..LineFacts::default()
    };
    Ok(Planned {
        version: Version(secret.latest),
        removed,
        line,
        change: Change::PutSecret(Box::new(PutSecret {
            tenant: step.tenant.number,
            secret,
            version: Some(version),
            changed: Vec::new(),
            oldest,
            labels,
            folders: new_folders,
            left: Vec::new(),
        })),
    })
}

/// Writes into a row what its limit leaves. Gives the oldest version that stays, if that changes, and how many go.
pub(super) fn keep_to_limit(secret: &mut SecretRow, max_versions: Option<VersionLimit>) -> Result<(Option<u64>, u64)> {
    let mut settings = Settings::of(secret)?;
    settings.limit = max_versions.or(settings.limit);
    let removed = settings.make_room(secret.latest);
    secret.settings = settings.to_stored()?;
    if secret.current < settings.oldest {
        return Err(Code::VersionsFull.into());
    }
    secret.pending = secret.pending.filter(|pending| *pending >= settings.oldest);
    secret.previous = secret.previous.filter(|previous| *previous >= settings.oldest);
    Ok(((removed > 0).then_some(settings.oldest), removed))
}

type Row = (SecretRow, Option<Vec<IndexHash>>, Vec<FolderRow>);

fn next_row(step: &Step<'_>, row: SecretRow, value: &SecretValue, options: &Put) -> Result<Row> {
    let version = row.latest + 1;
    let (current, pending, previous) = if options.pending {
        (row.current, Some(version), row.previous)
    } else {
        (version, row.pending, Some(row.current))
    };
    let mut next = SecretRow {
        latest: version,
        current,
        pending,
        previous,
        updated_at: step.now.0,
        revision: row.revision + 1,
        ..row
    };
    if options.meta.is_none() && !Settings::of(&next)?.certificate {
        return Ok((next, None, Vec::new()));
    }
    let before = Meta::open(step.keys, &next)?;
    let mut meta = options.meta.of(before.clone());
    meta.note_value(version, value)?;
    let labels = replace_meta(step, &mut next, before, meta)?;
    Ok((next, labels, Vec::new()))
}

/// Writes into a row what changed of its meta. Gives the hashes that it is found by, if those changed.
pub(super) fn replace_meta(
    step: &Step<'_>,
    next: &mut SecretRow,
    before: Meta,
    mut meta: Meta,
) -> Result<Option<Vec<IndexHash>>> {
    meta.forget_others(next);
    if meta == before {
        return Ok(None);
    }
    next.meta = meta.seal(step.keys, next.id, step.random())?;
    next.settings = Settings { certificate: meta.is_certificate(), ..Settings::of(next)? }.to_stored()?;
    let (hashes, hashes_before) = (meta.index_hashes(step.keys)?, before.index_hashes(step.keys)?);
    Ok((hashes != hashes_before).then_some(hashes))
}

fn first_row(
    step: &mut Step<'_>,
    path: &SecretPath,
    value: &SecretValue,
    options: &Put,
    folders: &mut Folders,
) -> Result<Row> {
    let mut meta = options.meta.of(Meta::default());
    meta.note_value(1, value)?;
    let new_folders = folders.make_room(step, path)?;
    let row = new_row(step, path, &meta)?;
    Ok((row, Some(meta.index_hashes(step.keys)?), new_folders))
}

/// The row of a new secret whose first version is the current one, without its MAC.
pub(super) fn new_row(step: &Step<'_>, path: &SecretPath, meta: &Meta) -> Result<SecretRow> {
    let (keys, id) = (step.keys, new_id(step)?);
    Ok(SecretRow {
        id,
        name_hash: keys.index(IndexKind::Secret, path.as_str().as_bytes())?,
        parent_hash: keys.index(IndexKind::Folder, path.parent().as_str().as_bytes())?,
        name: keys.seal_name(Subject::SecretName(id), path.as_str().as_bytes(), step.random())?,
        meta: meta.seal(keys, id, step.random())?,
        enabled: true,
        latest: 1,
        current: 1,
        pending: None,
        previous: None,
        settings: Settings { certificate: meta.is_certificate(), ..Settings::NONE }.to_stored()?,
        created_at: step.now.0,
        updated_at: step.now.0,
        revision: 1,
        mac: [0; 32],
    })
}

impl Folders {
    /// Checks that there is a place for a new secret, and gives the folders that it is in.
    ///
    /// Also those that exist now: the last secret in one may be deleted before this is committed.
    pub(super) fn make_room(&mut self, step: &mut Step<'_>, path: &SecretPath) -> Result<Vec<FolderRow>> {
        let mut rows = Vec::new();
        self.add_entry(step, &path.parent())?;
        for folder in path.parent().ancestors() {
            if !self.made.insert(folder.clone()) {
                break;
            }
            let above = folder.parent().unwrap_or_else(Folder::root);
            let row = folder_row(step, &folder, &above)?;
            if step.snapshot.folder(step.tenant.number, &row.name_hash)?.is_none() {
                self.add_entry(step, &above)?;
            }
            rows.push(row);
        }
        Ok(rows)
    }

    fn add_entry(&mut self, step: &mut Step<'_>, folder: &Folder) -> Result<()> {
        if !self.entries.contains_key(folder) {
            let hash = step.keys.index(IndexKind::Folder, folder.as_str().as_bytes())?;
            let entries = step.snapshot.folder_entries(step.tenant.number, &hash)?;
            self.entries.insert(folder.clone(), entries);
        }
        let entries = self.entries.entry(folder.clone()).or_default();
        if *entries >= limits::FOLDER_ENTRIES_MAX as u64 {
            return Err(Code::FolderFull.into());
        }
        *entries += 1;
        Ok(())
    }
}

fn folder_row(step: &Step<'_>, folder: &Folder, above: &Folder) -> Result<FolderRow> {
    let (keys, id) = (step.keys, new_id(step)?);
    let mut row = FolderRow {
        id,
        name_hash: keys.index(IndexKind::Folder, folder.as_str().as_bytes())?,
        parent_hash: keys.index(IndexKind::Folder, above.as_str().as_bytes())?,
        name: keys.seal_name(Subject::FolderName(id), folder.as_str().as_bytes(), step.random())?,
        revision: 1,
        mac: [0; 32],
    };
    row.mac = keys.row_mac(&row)?;
    Ok(row)
}

fn new_id(step: &Step<'_>) -> Result<ObjectId> {
    ObjectId::new(&*step.room.clock, step.random())
}
