//! Rows that can be believed: each mutable row carries a MAC over all columns that matter.
//!
//! Here stands which columns those are, in which order (`docs/formats.md` §5). Whoever reads a row
//! calls [`TenantKeys::check`] before it uses a column; whoever writes one, [`TenantKeys::authenticate`] last.

use strongroom_log::Enc;
use subtle::ConstantTimeEq;

use crate::{
    Code, Result, TenantRef,
    keys::{RowMac, TenantKeys, row_hash},
    store::{ActorRow, DeploymentRow, FolderRow, SecretRow, TenantRow, VersionRow},
};

/// A row with a MAC.
pub(crate) trait Authenticated {
    /// The table's name in the MAC.
    const TABLE: &'static str;

    /// The row's id in the MAC.
    fn id(&self) -> Vec<u8>;
    /// Counts the row's changes.
    fn revision(&self) -> u64;
    /// The MAC as stored.
    fn mac(&self) -> &RowMac;
    /// Where the MAC goes.
    fn mac_mut(&mut self) -> &mut RowMac;
    /// Adds the columns in their order.
    fn columns(&self, enc: Enc) -> Enc;
    /// The tenant that the MAC names, where it is not the one whose keys make it.
    fn tenant(&self) -> Option<TenantRef> {
        None
    }
}

impl TenantKeys {
    /// Puts the MAC on a row that is complete otherwise.
    pub(crate) fn authenticate<R: Authenticated>(&self, row: &mut R) -> Result<()> {
        *row.mac_mut() = self.mac_of(row)?;
        Ok(())
    }

    /// Refuses a row that is not as one of us wrote it.
    pub(crate) fn check<R: Authenticated>(&self, row: &R) -> Result<()> {
        let same: bool = self.mac_of(row)?.ct_eq(row.mac()).into();
        if same { Ok(()) } else { Err(crate::Error::new(Code::Integrity).detail(format!("a row of {}", R::TABLE))) }
    }

    fn mac_of<R: Authenticated>(&self, row: &R) -> Result<RowMac> {
        let tenant = row.tenant().unwrap_or_else(|| self.tenant());
        self.row_mac(R::TABLE, &tenant, &row.id(), row.revision(), |enc| row.columns(enc))
    }
}

/// What an audit line says of a row.
pub(crate) fn change_of<R: Authenticated>(row: &R) -> strongroom_log::RowChange {
    strongroom_log::RowChange { hash: row_hash(row.mac()), revision: row.revision() }
}

macro_rules! common {
    ($table:literal) => {
        const TABLE: &'static str = $table;

        fn revision(&self) -> u64 {
            self.revision
        }

        fn mac(&self) -> &RowMac {
            &self.mac
        }

        fn mac_mut(&mut self) -> &mut RowMac {
            &mut self.mac
        }
    };
}

impl Authenticated for DeploymentRow {
    common!("deployment");

    fn id(&self) -> Vec<u8> {
        self.deployment.as_bytes().to_vec()
    }

    fn columns(&self, enc: Enc) -> Enc {
        enc.field(&self.origin)
            .u32(self.generation)
            .field(self.sys_ref.as_bytes())
            .field(&self.profile)
            .field(&self.recovery)
            .u64(self.created_at)
    }
}

impl Authenticated for TenantRow {
    common!("tenants");

    fn id(&self) -> Vec<u8> {
        self.tenant.as_bytes().to_vec()
    }

    fn columns(&self, enc: Enc) -> Enc {
        enc.u64(self.number.0.into())
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
}

impl Authenticated for SecretRow {
    common!("secrets");

    fn id(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn columns(&self, enc: Enc) -> Enc {
        enc.field(self.name_hash)
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
}

impl Authenticated for VersionRow {
    common!("secret_versions");

    fn id(&self) -> Vec<u8> {
        Enc::nested().field(self.secret.as_bytes()).u64(self.version).finish()
    }

    fn columns(&self, enc: Enc) -> Enc {
        enc.u8(self.state).u64(self.created_at).opt_u64(self.expires_at).field(&self.value)
    }
}

impl Authenticated for FolderRow {
    common!("folders");

    fn id(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn columns(&self, enc: Enc) -> Enc {
        enc.field(self.name_hash).field(self.parent_hash).field(&self.name)
    }
}

impl Authenticated for ActorRow {
    common!("actors");

    fn id(&self) -> Vec<u8> {
        self.handle.as_bytes().to_vec()
    }

    fn columns(&self, enc: Enc) -> Enc {
        enc.field(self.name_hash).field(&self.name)
    }
}
