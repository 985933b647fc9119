//! What a store keeps, row by row, as the core sees it: sealed bytes, keyed hashes and numbers.
//!
//! Nothing here is checked. A row is believed only after its MAC was compared ([`crate::keys`]).

use crate::{
    id::{DeploymentId, Handle, ObjectId, TenantRef},
    keys::{IndexHash, RowMac},
};

/// A tenant's position in the heads tree and its key in every table. `sys` has 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantNumber(pub u32);

impl TenantNumber {
    /// The deployment's own log.
    pub const SYS: Self = Self(0);
}

/// The one row that says whose database this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentRow {
    /// Random, for ever.
    pub deployment: DeploymentId,
    /// Origin of the logs of generation 1.
    pub origin: String,
    /// The log generation that is open.
    pub generation: u32,
    /// The ref of `sys`.
    pub sys_ref: TenantRef,
    /// The device profile, as stored.
    pub profile: Vec<u8>,
    /// What was decided about recovery: `none` in this version.
    pub recovery: Vec<u8>,
    /// When `init` ran, in microseconds since 1970.
    pub created_at: u64,
    /// Counts the changes of this row.
    pub revision: u64,
    /// Authenticates the row.
    pub mac: RowMac,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRow {
    /// Position in the heads tree.
    pub number: TenantNumber,
    /// Random, for ever.
    pub tenant: TenantRef,
    /// By which it is found, under the index key of `sys`.
    pub name_hash: IndexHash,
    /// Sealed under `sys`.
    pub name: Vec<u8>,
    /// Salt of the tenant's PRK.
    pub salt: [u8; 32],
    /// Root version of the PRK.
    pub root_version: u32,
    /// Counts the keyring's re-keyings, from 1.
    pub key_epoch: u32,
    /// The sealed keyring.
    pub keyring: Vec<u8>,
    /// See [`crate::TenantState`].
    pub state: u8,
    /// Of `sys`, its anchors; else empty in this version.
    pub settings: Vec<u8>,
    /// In microseconds since 1970.
    pub created_at: u64,
    /// Counts the changes of this row.
    pub revision: u64,
    /// Authenticates the row.
    pub mac: RowMac,
}

/// A secret without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// UUIDv7.
    pub id: ObjectId,
    /// Keyed hash of the full path.
    pub name_hash: IndexHash,
    /// Keyed hash of the folder it is in.
    pub parent_hash: IndexHash,
    /// The sealed path.
    pub name: Vec<u8>,
    /// The sealed description and labels.
    pub meta: Vec<u8>,
    /// Whether it may be read.
    pub enabled: bool,
    /// The highest version there is or was.
    pub latest: u64,
    /// The version that `get` returns.
    pub current: u64,
    /// The version being rotated in.
    pub pending: Option<u64>,
    /// The version before the current one.
    pub previous: Option<u64>,
    /// Empty where all is as by default.
    pub settings: Vec<u8>,
    /// In microseconds since 1970.
    pub created_at: u64,
    /// In microseconds since 1970.
    pub updated_at: u64,
    /// Counts the changes of this row.
    pub revision: u64,
    /// Authenticates the row.
    pub mac: RowMac,
}

impl SecretRow {
    /// When it expires, as its settings say, if that is not recorded yet: by this it is found when it is due.
    pub(crate) fn due(&self) -> Option<u64> {
        crate::secrets::Settings::of(self).ok().and_then(|settings| settings.due())
    }
}

/// A secret of which something is due to expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DueRow {
    /// Whose secret.
    pub tenant: TenantNumber,
    /// Keyed hash of the full path.
    pub name_hash: IndexHash,
}

/// One version of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// The secret it belongs to.
    pub secret: ObjectId,
    /// From 1.
    pub version: u64,
    /// See [`crate::VersionState`].
    pub state: u8,
    /// In microseconds since 1970.
    pub created_at: u64,
    /// In microseconds since 1970.
    pub expires_at: Option<u64>,
    /// The sealed value.
    pub value: Vec<u8>,
    /// Counts the changes of this row.
    pub revision: u64,
    /// Authenticates the row.
    pub mac: RowMac,
}

/// A folder with something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderRow {
    /// UUIDv7.
    pub id: ObjectId,
    /// Keyed hash of the full folder path.
    pub name_hash: IndexHash,
    /// Keyed hash of the folder above.
    pub parent_hash: IndexHash,
    /// The sealed folder path.
    pub name: Vec<u8>,
    /// Counts the changes of this row.
    pub revision: u64,
    /// Authenticates the row.
    pub mac: RowMac,
}

/// Who an actor handle stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorRow {
    /// Keyed hash of `<type>:<name>`.
    pub name_hash: IndexHash,
    /// Random; stands in audit lines.
    pub handle: Handle,
    /// Sealed `<type>:<name>`.
    pub name: Vec<u8>,
    /// Counts the changes of this row.
    pub revision: u64,
    /// Authenticates the row.
    pub mac: RowMac,
}

/// Something that is being done outside the store. Nothing authenticates it: it only says whose result to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentRow {
    /// In whose log the intent is.
    pub tenant: TenantNumber,
    /// Of the request.
    pub request: [u8; 16],
    /// What is done, as the lines say it.
    pub act: String,
    /// The process that does it, by the boot id in its epochs' certificates.
    pub boot: [u8; 16],
}

/// A signing epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochRow {
    /// From 1, in the order of the transactions that stored them.
    pub id: u32,
    /// The generation it signs in.
    pub generation: u32,
    /// The signed note by which the device certifies it.
    pub certificate: Vec<u8>,
    /// After this time nothing it signs counts. In microseconds since 1970.
    pub hard_limit: u64,
    /// Whether its `epoch.close` line is written.
    pub closed: bool,
    /// The last checkpoint it signed, as far as known.
    pub checkpoint: Option<Vec<u8>>,
}

/// The head of one log in the current generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHeadRow {
    /// Whose log.
    pub tenant: TenantNumber,
    /// Its ref.
    pub tenant_ref: TenantRef,
    /// Lines in the log.
    pub size: u64,
    /// The compact Merkle frontier, as stored ([`strongroom_log::Frontier`]).
    pub frontier: Vec<u8>,
    /// Leaf hash of the last line; empty while there is none.
    pub prev: Vec<u8>,
    /// Time of the last line, in microseconds since 1970.
    pub time: u64,
    /// 1 open, 2 closed.
    pub status: u8,
    /// What the tenant uses, kept here because a line goes with whatever changes it.
    pub usage: Usage,
}

/// What a tenant uses. It is counted as it changes, and nothing authenticates it: it only says whether a quota is
/// used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Secrets.
    pub secrets: u64,
    /// Bytes of the sealed values of all their versions.
    pub bytes: u64,
    /// The day of `audit_bytes`, from 1970-01-01 in UTC.
    pub day: u32,
    /// Bytes of the tenant's audit lines of that day.
    pub audit_bytes: u64,
}

/// By how much a change makes more, or less, of what a tenant has stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Secrets.
    pub secrets: i64,
    /// Bytes of sealed values.
    pub bytes: i64,
}

impl Growth {
    /// More than any change.
    pub const ANY: Self = Self { secrets: i64::MAX, bytes: i64::MAX };

    /// Whether this is more than there is room for. What makes nothing more always fits.
    pub(crate) fn fits(self, room: Self) -> bool {
        (self.secrets <= 0 || self.secrets <= room.secrets) && (self.bytes <= 0 || self.bytes <= room.bytes)
    }
}

/// The head of everything in the current generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadRow {
    /// The open generation, from 1.
    pub generation: u32,
    /// Commits of this generation: the size of its head log.
    pub commits: u64,
    /// The head log's compact frontier, as stored.
    pub frontier: Vec<u8>,
    /// Number of the last commit, over all generations.
    pub last_commit: u64,
    /// Number of the last line, over all logs and generations.
    pub last_seq: u64,
    /// Time of the last commit, in microseconds since 1970.
    pub time: u64,
    /// Tenants with a leaf in the heads tree, `sys` included.
    pub tenants: u64,
    /// Lines of this generation, over all logs.
    pub lines: u64,
    /// The epoch that signed the checkpoint.
    pub epoch: u32,
    /// The newest checkpoint: a signed note.
    pub checkpoint: Vec<u8>,
}

/// A log generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationRow {
    /// From 1.
    pub number: u32,
    /// Its lines come after this number.
    pub after_seq: u64,
    /// Its commits come after this number.
    pub after_commit: u64,
    /// In microseconds since 1970.
    pub opened_at: u64,
    /// Size of the head log that the generation before ended with; 0 in generation 1.
    pub previous_size: u64,
    /// Root of that head log; `None` in generation 1.
    pub previous_root: Option<[u8; 32]>,
    /// Why it was opened, sealed under `sys`; empty in generation 1.
    pub reason: Vec<u8>,
    /// The last checkpoint of this generation, once another one is open; empty until then.
    pub checkpoint: Vec<u8>,
}

/// One commit of the head log, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRow {
    /// Over all generations, from 1.
    pub id: u64,
    /// The head-log leaf's bytes.
    pub leaf: Vec<u8>,
    /// Blinds the leaf's statistics.
    pub blind: [u8; 16],
    /// The last line that the commit wrote.
    pub last_seq: u64,
}

/// One line of one log, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// Over all logs and generations, from 1.
    pub seq: u64,
    /// Whose log.
    pub tenant: TenantNumber,
    /// Position in that log, from 0.
    pub log_seq: u64,
    /// The line.
    pub line: Vec<u8>,
}
