//! Secrets: paths, values, versions. The first thing a user meets.
//!
//! Every method is one operation with one line in the tenant's log; an import adds a line for each
//! secret it puts. A keyed hash only finds a candidate: before a value is opened, its row is checked,
//! and the path sealed in it is compared with the one that was asked for.

mod attempt;
mod attributes;
mod certificate;
mod delete;
mod describe;
mod expiry;
mod export;
mod generate;
mod get;
mod history;
mod import;
mod lease;
mod lifecycle;
mod list;
mod merge;
mod meta;
mod patch;
mod put;
mod relocate;
mod render;
mod search;
mod settings;
mod stage;
mod standing;
mod update;
mod usage;
mod versions;

use std::{str::FromStr, sync::Arc};

use subtle::ConstantTimeEq;

pub use attempt::{Offered, Tried, Verdict};
pub use attributes::{RotationInterval, SecretType};
#[cfg(any(test, feature = "testing"))]
pub(crate) use certificate::not_after;
pub use delete::{Delete, Deleted};
pub use describe::Described;
pub use expiry::{Expiry, Extended};
pub(crate) use expiry::{expire_secret, expire_versions};
pub(crate) use export::everything;
pub use export::{Exported, ExportedSecret};
pub use generate::{Generated, GeneratedPublic};
pub use get::{Get, Secret};
pub use history::{Event, EventKind, History, HistoryPage};
pub use import::{Import, ImportEntry, Imported};
pub use lifecycle::VersionsChanged;
pub use list::{After, Entry, Page};
#[cfg(any(test, feature = "testing"))]
pub(crate) use merge::merge;
pub use meta::Meta;
pub use patch::Patch;
pub use put::{Put, PutReply};
pub use relocate::{Copied, Move, Moved, To};
pub use render::Rendered;
pub use search::{FoundSecret, Search, SearchPage};
pub(crate) use settings::Settings;
pub use settings::VersionLimit;
pub use stage::{Promote, Promoted, Stage};
pub use standing::StandingChanged;
pub use update::{Revision, Update, Updated};
pub use usage::Usage;
pub use versions::{VersionInfo, Versions};

use crate::{
    Code, Context, Environment, Error, Folder, Result, SecretPath, TenantId,
    clock::Timestamp,
    keys::{IndexHash, IndexKind, Opening, TenantKeys},
    room::{Room, Step, Target},
    seal::Subject,
    store::{FolderRow, SecretRow, VersionRow},
};

/// Number of a version of a secret: 1, 2, … Version 0 stands for "there is none yet".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What may be done with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionState {
    /// It can be read.
    Enabled,
    /// Not for now.
    Disabled,
    /// Deleted, and can be brought back.
    Deleted,
    /// Its value is gone.
    Destroyed,
    /// Its time is over.
    Expired,
}

impl VersionState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Destroyed => "destroyed",
            Self::Expired => "expired",
        }
    }

    /// The stored number.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Enabled => 1,
            Self::Disabled => 2,
            Self::Deleted => 3,
            Self::Destroyed => 4,
            Self::Expired => 5,
        }
    }

    /// The state of a version whose row was checked, at this time: its time may be over before a line says so.
    fn now(stored: &VersionRow, now: Timestamp) -> Result<Self> {
        match Self::from_number(stored.state)? {
            Self::Enabled if expired(stored.expires_at, now) => Ok(Self::Expired),
            state => Ok(state),
        }
    }

    pub(crate) fn from_number(number: u8) -> Result<Self> {
        [Self::Enabled, Self::Disabled, Self::Deleted, Self::Destroyed, Self::Expired]
            .into_iter()
            .find(|state| state.number() == number)
            .ok_or(Error::from(Code::Integrity))
    }
}

/// The secrets of one tenant, or of one environment of it, in the name of one actor.
#[derive(Clone, Debug)]
pub struct Secrets {
    room: Arc<Room>,
    tenant: TenantId,
    context: Context,
    /// Paths are below this, and nothing outside can be reached.
    folder: Folder,
}

impl Secrets {
    pub(crate) fn new(room: Arc<Room>, tenant: TenantId, context: Context, environment: Option<&Environment>) -> Self {
        let folder = environment.map_or_else(Folder::root, Environment::folder);
        Self { room, tenant, context, folder }
    }

    fn target(&self) -> Target {
        Target::Tenant(self.tenant.clone())
    }

    /// The full path of one that is given relative to the environment.
    fn full(&self, path: &SecretPath) -> Result<SecretPath> {
        self.folder.join(path.as_str())
    }

    /// The full folder of one that is given relative to the environment.
    fn full_folder(&self, folder: &Folder) -> Result<Folder> {
        if folder.is_root() { Ok(self.folder.clone()) } else { self.folder.child(folder.as_str()) }
    }
}

/// The path as a caller knows it who is confined to a folder.
fn relative(path: SecretPath, folder: &Folder) -> Result<SecretPath> {
    if folder.is_root() { Ok(path) } else { path.strip(folder).ok_or_else(|| Error::from(Code::Integrity))?.parse() }
}

/// Finds the secret at a path, and believes it only after its row and its sealed path were checked.
fn find(step: &mut Step<'_>, path: &SecretPath) -> Result<Option<SecretRow>> {
    let name_hash = step.keys.index(IndexKind::Secret, path.as_str().as_bytes())?;
    let Some(row) = step.snapshot.secret(step.tenant.number, &name_hash)? else { return Ok(None) };
    step.keys.check_row(&row)?;
    let name = step.keys.open_name(Subject::SecretName(row.id), &row.name)?;
    let same: bool = name.as_slice().ct_eq(path.as_str().as_bytes()).into();
    if same { Ok(Some(row)) } else { Err(mismatch()) }
}

/// Refuses if another version is current than a caller expects.
fn demand_current(expected: Option<Version>, current: u64) -> Result<()> {
    match expected {
        Some(Version(expected)) if expected != current => {
            Err(Error::new(Code::SecretConflict).detail(format!("expected version {expected}, found {current}")))
        }
        _ => Ok(()),
    }
}

/// The path of a secret that was found by whatever it is found by, out of its checked row.
fn path_of(keys: &TenantKeys, row: &SecretRow) -> Result<SecretPath> {
    keys.opening(|keys| open_path(keys, row))
}

fn open_path(keys: &mut Opening<'_>, row: &SecretRow) -> Result<SecretPath> {
    keys.check_row(row)?;
    sealed_text(&keys.open_name(Subject::SecretName(row.id), &row.name)?)
}

/// The path of a secret found by its folder, checked to be in that folder.
fn path_in(keys: &mut Opening<'_>, row: &SecretRow, folder: &Folder) -> Result<SecretPath> {
    let path = open_path(keys, row)?;
    if path.is_directly_in(folder) { Ok(path) } else { Err(mismatch()) }
}

/// The keyed hashes of the folders that a secret is in, the innermost first.
fn folder_hashes(keys: &TenantKeys, path: &SecretPath) -> Result<Vec<IndexHash>> {
    path.parent().ancestors().map(|folder| keys.index(IndexKind::Folder, folder.as_str().as_bytes())).collect()
}

/// The path of a folder found by the folder above it, checked to be in that.
fn folder_in(keys: &mut Opening<'_>, row: &FolderRow, above: &Folder) -> Result<Folder> {
    keys.check_row(row)?;
    let folder: Folder = sealed_text(&keys.open_name(Subject::FolderName(row.id), &row.name)?)?;
    if folder.parent().as_ref() == Some(above) { Ok(folder) } else { Err(mismatch()) }
}

/// The name that was sealed.
fn sealed_text<T: FromStr>(opened: &[u8]) -> Result<T> {
    str::from_utf8(opened).ok().and_then(|text| text.parse().ok()).ok_or_else(mismatch)
}

fn mismatch() -> Error {
    Error::new(Code::Integrity).detail("a row is not where it belongs")
}

fn expired(expires_at: Option<u64>, now: Timestamp) -> bool {
    expires_at.is_some_and(|at| at <= now.0)
}
