//! Row MACs: a mutable row is only believed if the tenant's metadata key authenticates it (`docs/formats.md` §5).
//!
//! Which columns of each table matter, and in which order, stands here once, for writing and for checking.

use sha2::{Digest, Sha256};
use strongroom_log::{Enc, Label};
use subtle::ConstantTimeEq;

use super::hmac::hmac_sha256;
use crate::{
    Code, Error, Result,
    id::TenantRef,
    memory::LockedKey,
    store::{ActorRow, DeploymentRow, FolderRow, SecretRow, TenantRow, VersionRow},
};

/// Authenticates a mutable row (`docs/formats.md` §5).
pub type RowMac = [u8; 32];

/// What the audit line of a change says of the row: the hash of its MAC.
pub type RowHash = [u8; 16];

/// The hash of a row's MAC, as audit lines carry it.
pub fn row_hash(mac: &RowMac) -> RowHash {
    let mut hash = [0; 16];
    hash.copy_from_slice(&Sha256::digest(mac)[..16]);
    hash
}

/// A row with a MAC. Its columns are authenticated together with the table, the tenant, the row's id and its revision.
pub trait Authenticated {
    /// The table's name.
    const TABLE: &'static str;

    /// Adds the row's id: what tells it from the others of its table and tenant.
    fn id(&self, start: Enc) -> Enc;

    /// Counts the row's changes.
    fn revision(&self) -> u64;

    /// Adds all columns that matter, in the documented order.
    fn columns(&self, start: Enc) -> Enc;

    /// The MAC that is stored with the row.
    fn mac(&self) -> &RowMac;
}

impl Authenticated for DeploymentRow {
    const TABLE: &'static str = "deployment";

    fn id(&self, start: Enc) -> Enc {
        start.field(self.deployment.as_bytes())
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn columns(&self, start: Enc) -> Enc {
        start
            .field(&self.origin)
            .u32(self.generation)
            .field(self.sys_ref.as_bytes())
            .field(&self.profile)
            .field(&self.recovery)
            .u64(self.created_at)
    }

    fn mac(&self) -> &RowMac {
        &self.mac
    }
}

impl Authenticated for TenantRow {
    const TABLE: &'static str = "tenants";

    fn id(&self, start: Enc) -> Enc {
        start.field(self.tenant.as_bytes())
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn columns(&self, start: Enc) -> Enc {
        start
            .u64(self.number.0.into())
            .field(self.name_hash)
            .field(&self.name)
            .field(self.salt)
            .u32(self.root_version)
            .u32(self.key_epoch)
            .field(&self.keyring)
            .u8(self.state)
            .field(&self.settings)
            .u64(self.created_at)
    }

    fn mac(&self) -> &RowMac {
        &self.mac
    }
}

impl Authenticated for SecretRow {
    const TABLE: &'static str = "secrets";

    fn id(&self, start: Enc) -> Enc {
        start.field(self.id.as_bytes())
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn columns(&self, start: Enc) -> Enc {
        start
            .field(self.name_hash)
            .field(self.parent_hash)
            .field(&self.name)
            .field(&self.meta)
            .u8(self.enabled.into())
            .u64(self.latest)
            .u64(self.current)
            .opt_u64(self.pending)
            .opt_u64(self.previous)
            .field(&self.settings)
            .u64(self.created_at)
            .u64(self.updated_at)
    }

    fn mac(&self) -> &RowMac {
        &self.mac
    }
}

impl Authenticated for VersionRow {
    const TABLE: &'static str = "secret_versions";

    fn id(&self, start: Enc) -> Enc {
        start.field(Enc::nested().field(self.secret.as_bytes()).u64(self.version).finish())
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn columns(&self, start: Enc) -> Enc {
        start.u8(self.state).u64(self.created_at).opt_u64(self.expires_at).field(&self.value)
    }

    fn mac(&self) -> &RowMac {
        &self.mac
    }
}

impl Authenticated for FolderRow {
    const TABLE: &'static str = "folders";

    fn id(&self, start: Enc) -> Enc {
        start.field(self.id.as_bytes())
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn columns(&self, start: Enc) -> Enc {
        start.field(self.name_hash).field(self.parent_hash).field(&self.name)
    }

    fn mac(&self) -> &RowMac {
        &self.mac
    }
}

impl Authenticated for ActorRow {
    const TABLE: &'static str = "actors";

    fn id(&self, start: Enc) -> Enc {
        start.field(self.handle.as_bytes())
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn columns(&self, start: Enc) -> Enc {
        start.field(self.name_hash).field(&self.name)
    }

    fn mac(&self) -> &RowMac {
        &self.mac
    }
}

/// What is authenticated of a row.
pub(super) fn row_bytes<R: Authenticated>(tenant: TenantRef, row: &R) -> Vec<u8> {
    row_bytes_in(Vec::new(), tenant, row)
}

/// The same, in a buffer whose contents do not matter.
pub(super) fn row_bytes_in<R: Authenticated>(buffer: Vec<u8>, tenant: TenantRef, row: &R) -> Vec<u8> {
    let start = Enc::new_in(buffer, Label::ROW).field(R::TABLE).field(tenant.as_bytes());
    row.columns(row.id(start).u64(row.revision())).finish()
}

/// The MAC that a row shall have.
pub(super) fn row_mac<R: Authenticated>(key: &LockedKey, tenant: TenantRef, row: &R) -> Result<RowMac> {
    hmac_sha256(key, &row_bytes(tenant, row))
}

/// Whether the row has the MAC that it shall have.
pub(super) fn check_row<R: Authenticated>(key: &LockedKey, tenant: TenantRef, row: &R) -> Result<()> {
    let ours = row_mac(key, tenant, row)?;
    if ours.ct_eq(row.mac()).into() { Ok(()) } else { Err(unbelievable::<R>()) }
}

/// Of a row that is not one that we wrote.
pub(super) fn unbelievable<R: Authenticated>() -> Error {
    Error::new(Code::Integrity).detail(format!("a row of `{}`", R::TABLE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{DeploymentId, Handle, ObjectId},
        keys::testing::key,
        store::TenantNumber,
    };

    const TENANT: TenantRef = TenantRef::from_bytes([3; 16]);

    fn secret() -> SecretRow {
        SecretRow {
            id: ObjectId::from_bytes([1; 16]),
            name_hash: [2; 16],
            parent_hash: [3; 16],
            name: vec![4],
            meta: vec![5],
            enabled: true,
            latest: 6,
            current: 7,
            pending: None,
            previous: Some(8),
            settings: vec![],
            created_at: 9,
            updated_at: 10,
            revision: 11,
            mac: [0; 32],
        }
    }

    fn version() -> VersionRow {
        VersionRow {
            secret: ObjectId::from_bytes([1; 16]),
            version: 2,
            state: 1,
            created_at: 3,
            expires_at: None,
            value: vec![4],
            revision: 5,
            mac: [0; 32],
        }
    }

    fn tenant() -> TenantRow {
        TenantRow {
            number: TenantNumber(1),
            tenant: TENANT,
            name_hash: [2; 16],
            name: vec![3],
            salt: [4; 32],
            root_version: 5,
            key_epoch: 6,
            keyring: vec![7],
            state: 1,
            settings: vec![],
            created_at: 8,
            revision: 9,
            mac: [0; 32],
        }
    }

    fn deployment() -> DeploymentRow {
        DeploymentRow {
            deployment: DeploymentId::from_bytes([1; 16]),
            origin: "example.com/keys".into(),
            generation: 1,
            sys_ref: TENANT,
            profile: b"{}".to_vec(),
            recovery: b"none".to_vec(),
            created_at: 2,
            revision: 3,
            mac: [0; 32],
        }
    }

    fn folder() -> FolderRow {
        FolderRow {
            id: ObjectId::from_bytes([1; 16]),
            name_hash: [2; 16],
            parent_hash: [3; 16],
            name: vec![4],
            revision: 5,
            mac: [0; 32],
        }
    }

    fn actor() -> ActorRow {
        let handle = Handle::from_bytes([1; 16]);
        ActorRow { name_hash: [2; 16], handle, name: vec![3], revision: 4, mac: [0; 32] }
    }

    /// Every field of a row but the MAC, changed one by one, gives other bytes.
    #[test]
    fn every_column_is_authenticated() {
        macro_rules! changes {
            ($make:ident: $($field:ident = $value:expr),* $(,)?) => {$(
                let mut changed = $make();
                changed.$field = $value;
                let name = concat!(stringify!($make), ".", stringify!($field));
                assert_ne!(row_bytes(TENANT, &changed), row_bytes(TENANT, &$make()), "{name}");
            )*};
        }
        changes!(secret: id = ObjectId::from_bytes([0; 16]), name_hash = [0; 16], parent_hash = [0; 16], name = vec![],
            meta = vec![], enabled = false, latest = 0, current = 0, pending = Some(0), previous = None,
            settings = vec![0], created_at = 0, updated_at = 0, revision = 0);
        changes!(version: secret = ObjectId::from_bytes([0; 16]), version = 0, state = 2, created_at = 0,
            expires_at = Some(0), value = vec![], revision = 0);
        changes!(tenant: number = TenantNumber(0), tenant = TenantRef::from_bytes([0; 16]), name_hash = [0; 16],
            name = vec![], salt = [0; 32], root_version = 0, key_epoch = 0, keyring = vec![], state = 2,
            settings = vec![0], created_at = 0, revision = 0);
        changes!(deployment: deployment = DeploymentId::from_bytes([0; 16]), origin = String::new(), generation = 0,
            sys_ref = TenantRef::from_bytes([0; 16]), profile = vec![], recovery = vec![], created_at = 0,
            revision = 0);
        changes!(folder: id = ObjectId::from_bytes([0; 16]), name_hash = [0; 16], parent_hash = [0; 16],
            name = vec![], revision = 0);
        changes!(actor: name_hash = [0; 16], handle = Handle::SYSTEM, name = vec![], revision = 0);
    }

    #[test]
    fn bytes_are_as_documented() {
        let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        let id = [field(&[1; 16]), field(&2_u64.to_be_bytes())].concat();
        let want = [
            field(b"strongroom/row/v1"),
            field(b"secret_versions"),
            field(&[3; 16]),
            field(&id),
            field(&5_u64.to_be_bytes()),
            field(&[1]),
            field(&3_u64.to_be_bytes()),
            field(&[]),
            field(&[4]),
        ];
        assert_eq!(row_bytes(TENANT, &version()), want.concat());
    }

    #[test]
    fn a_row_is_believed_only_as_it_was_written() {
        let (ours, other) = (key(&[1; 32]), key(&[2; 32]));
        let mut row = secret();
        row.mac = row_mac(&ours, TENANT, &row).unwrap();
        check_row(&ours, TENANT, &row).unwrap();
        let refused = |key, tenant, row: &SecretRow| {
            check_row(key, tenant, row).is_err_and(|error| error.code() == Code::Integrity)
        };
        assert!(refused(&other, TENANT, &row), "key");
        assert!(refused(&ours, TenantRef::from_bytes([0; 16]), &row), "tenant");
        assert!(refused(&ours, TENANT, &SecretRow { enabled: false, ..row.clone() }), "column");
        let mut changed = row.clone();
        changed.mac[31] ^= 1;
        assert!(refused(&ours, TENANT, &changed), "mac");
        assert_eq!(row_hash(&row.mac)[..], Sha256::digest(row.mac)[..16]);
    }
}
