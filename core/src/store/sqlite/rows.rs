//! From a row of the database to the struct that the core sees, and numbers both ways.
//!
//! Nothing read is taken at its word: a column of another type, length or range than we write is
//! damage, and the error names the place.

use rusqlite::{CachedStatement, Connection, Params, Row, types::ValueRef};

use super::fault::Fault;
use crate::{
    id::{DeploymentId, Handle, ObjectId, TenantRef},
    keys::IndexHash,
    store::{
        ActorRow, CommitRow, DeploymentRow, EpochRow, FolderRow, GenerationRow, HeadRow, IntentRow, LineRow,
        LogHeadRow, SecretRow, TenantNumber, TenantRow, Usage, VersionRow,
    },
};

/// The column lists, in the order in which [`Stored::read`] takes them.
macro_rules! columns {
    (deployment) => {
        "deployment, origin, generation, sys_ref, profile, recovery, created_at, revision, mac"
    };
    (tenants) => {
        "number, ref, name_hash, name, salt, root_version, key_epoch, keyring, state, settings, created_at, revision, mac"
    };
    (secrets) => {
        "id, name_hash, parent_hash, name, meta, enabled, latest, current, pending, previous, settings, created_at, \
         updated_at, revision, mac"
    };
    (secret_versions) => {
        "secret, version, state, created_at, expires_at, value, revision, mac"
    };
    (folders) => {
        "id, name_hash, parent_hash, name, revision, mac"
    };
    (actors) => {
        "name_hash, handle, name, revision, mac"
    };
    (epochs) => {
        "id, generation, certificate, hard_limit, closed, checkpoint"
    };
    (intents) => {
        "tenant, request, act, boot"
    };
    (log_heads) => {
        "tenant, ref, size, frontier, prev, time, status, secrets, bytes, day, audit_bytes"
    };
    (head) => {
        "generation, commits, frontier, last_commit, last_seq, time, tenants, lines, epoch, checkpoint"
    };
    (generations) => {
        "number, after_seq, after_commit, opened_at, previous_size, previous_root, reason, checkpoint"
    };
    (generation_tenants) => {
        "tenant, ref, status"
    };
    (head_log) => {
        "id, leaf, blind, last_seq"
    };
    (audit) => {
        "audit.seq, audit.tenant, audit.log_seq, audit.line"
    };
}
pub(super) use columns;

/// What one row of a table becomes.
pub(super) trait Stored: Sized {
    /// The table's name, for errors.
    const TABLE: &'static str;

    /// Takes the columns of [`columns`], in their order.
    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault>;
}

/// The first row of a query.
pub(super) fn one<T: Stored>(connection: &Connection, sql: &str, params: impl Params) -> Result<Option<T>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// All rows of a query.
pub(super) fn many<T: Stored>(connection: &Connection, sql: &str, params: impl Params) -> Result<Vec<T>, Fault> {
    let mut found = Vec::new();
    extend(&mut found, &mut connection.prepare_cached(sql)?, params)?;
    Ok(found)
}

/// As [`many`], onto what is there.
pub(super) fn extend<T: Stored>(
    found: &mut Vec<T>,
    statement: &mut CachedStatement<'_>,
    params: impl Params,
) -> Result<(), Fault> {
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(())
}

/// The one number that a query gives.
pub(super) fn count(connection: &Connection, sql: &str, params: impl Params) -> Result<u64, Fault> {
    let number: i64 = connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
    u64::try_from(number).map_err(|_| Fault::damaged("a negative count"))
}

fn read<T: Stored>(row: &Row<'_>) -> Result<T, Fault> {
    T::read(&mut Columns { row, table: T::TABLE, next: 0 })
}

/// A number as SQLite stores it.
pub(super) fn number(number: u64) -> Result<i64, Fault> {
    i64::try_from(number).map_err(|_| Fault::internal("a number over 2^63"))
}

/// As [`number`], if there is one.
pub(super) fn optional(value: Option<u64>) -> Result<Option<i64>, Fault> {
    value.map(number).transpose()
}

/// As many rows as asked for, as SQLite counts them.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The columns of a row, taken one after the other.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    table: &'static str,
    next: usize,
}

impl<'r> Columns<'r, '_> {
    fn take<T>(&mut self, convert: impl FnOnce(ValueRef<'r>) -> Option<T>) -> Result<T, Fault> {
        let index = self.next;
        self.next += 1;
        match convert(self.row.get_ref(index)?) {
            Some(value) => Ok(value),
            None => {
                let column = self.row.as_ref().column_name(index).unwrap_or("?");
                Err(Fault::damaged(format!("a row of {} has a column {column} that cannot be", self.table)))
            }
        }
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.take(|value| u64::try_from(value.as_i64().ok()?).ok())
    }

    fn optional_u64(&mut self) -> Result<Option<u64>, Fault> {
        self.take(|value| match value {
            ValueRef::Null => Some(None),
            value => Some(Some(u64::try_from(value.as_i64().ok()?).ok()?)),
        })
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.take(|value| u32::try_from(value.as_i64().ok()?).ok())
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        self.take(|value| u8::try_from(value.as_i64().ok()?).ok())
    }

    fn bool(&mut self) -> Result<bool, Fault> {
        self.take(|value| match value.as_i64().ok()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Fault> {
        self.take(|value| Some(value.as_blob().ok()?.to_vec()))
    }

    fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        self.take(|value| Some(value.as_blob_or_null().ok()?.map(<[u8]>::to_vec)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(|value| value.as_blob().ok()?.try_into().ok())
    }

    fn optional_array<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Fault> {
        self.take(|value| match value.as_blob_or_null().ok()? {
            None => Some(None),
            Some(bytes) => Some(Some(bytes.try_into().ok()?)),
        })
    }

    fn text(&mut self) -> Result<String, Fault> {
        self.take(|value| Some(value.as_str().ok()?.to_owned()))
    }
}

impl Stored for DeploymentRow {
    const TABLE: &'static str = "deployment";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            deployment: DeploymentId::from_bytes(columns.array()?),
            origin: columns.text()?,
            generation: columns.u32()?,
            sys_ref: TenantRef::from_bytes(columns.array()?),
            profile: columns.bytes()?,
            recovery: columns.bytes()?,
            created_at: columns.u64()?,
            revision: columns.u64()?,
            mac: columns.array()?,
        })
    }
}

impl Stored for TenantRow {
    const TABLE: &'static str = "tenants";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            number: TenantNumber(columns.u32()?),
            tenant: TenantRef::from_bytes(columns.array()?),
            name_hash: columns.array()?,
            name: columns.bytes()?,
            salt: columns.array()?,
            root_version: columns.u32()?,
            key_epoch: columns.u32()?,
            keyring: columns.bytes()?,
            state: columns.u8()?,
            settings: columns.bytes()?,
            created_at: columns.u64()?,
            revision: columns.u64()?,
            mac: columns.array()?,
        })
    }
}

impl Stored for SecretRow {
    const TABLE: &'static str = "secrets";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            id: ObjectId::from_bytes(columns.array()?),
            name_hash: columns.array()?,
            parent_hash: columns.array()?,
            name: columns.bytes()?,
            meta: columns.bytes()?,
            enabled: columns.bool()?,
            latest: columns.u64()?,
            current: columns.u64()?,
            pending: columns.optional_u64()?,
            previous: columns.optional_u64()?,
            settings: columns.bytes()?,
            created_at: columns.u64()?,
            updated_at: columns.u64()?,
            revision: columns.u64()?,
            mac: columns.array()?,
        })
    }
}

impl Stored for VersionRow {
    const TABLE: &'static str = "secret_versions";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            secret: ObjectId::from_bytes(columns.array()?),
            version: columns.u64()?,
            state: columns.u8()?,
            created_at: columns.u64()?,
            expires_at: columns.optional_u64()?,
            value: columns.bytes()?,
            revision: columns.u64()?,
            mac: columns.array()?,
        })
    }
}

/// Of a label.
impl Stored for IndexHash {
    const TABLE: &'static str = "secret_labels";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        columns.array()
    }
}

impl Stored for FolderRow {
    const TABLE: &'static str = "folders";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            id: ObjectId::from_bytes(columns.array()?),
            name_hash: columns.array()?,
            parent_hash: columns.array()?,
            name: columns.bytes()?,
            revision: columns.u64()?,
            mac: columns.array()?,
        })
    }
}

impl Stored for ActorRow {
    const TABLE: &'static str = "actors";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            name_hash: columns.array()?,
            handle: Handle::from_bytes(columns.array()?),
            name: columns.bytes()?,
            revision: columns.u64()?,
            mac: columns.array()?,
        })
    }
}

impl Stored for IntentRow {
    const TABLE: &'static str = "intents";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            tenant: TenantNumber(columns.u32()?),
            request: columns.array()?,
            act: columns.text()?,
            boot: columns.array()?,
        })
    }
}

impl Stored for EpochRow {
    const TABLE: &'static str = "epochs";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            id: columns.u32()?,
            generation: columns.u32()?,
            certificate: columns.bytes()?,
            hard_limit: columns.u64()?,
            closed: columns.bool()?,
            checkpoint: columns.optional_bytes()?,
        })
    }
}

impl Stored for LogHeadRow {
    const TABLE: &'static str = "log_heads";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            tenant: TenantNumber(columns.u32()?),
            tenant_ref: TenantRef::from_bytes(columns.array()?),
            size: columns.u64()?,
            frontier: columns.bytes()?,
            prev: columns.bytes()?,
            time: columns.u64()?,
            status: columns.u8()?,
            usage: Usage {
                secrets: columns.u64()?,
                bytes: columns.u64()?,
                day: columns.u32()?,
                audit_bytes: columns.u64()?,
            },
        })
    }
}

impl Stored for HeadRow {
    const TABLE: &'static str = "head";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            generation: columns.u32()?,
            commits: columns.u64()?,
            frontier: columns.bytes()?,
            last_commit: columns.u64()?,
            last_seq: columns.u64()?,
            time: columns.u64()?,
            tenants: columns.u64()?,
            lines: columns.u64()?,
            epoch: columns.u32()?,
            checkpoint: columns.bytes()?,
        })
    }
}

impl Stored for GenerationRow {
    const TABLE: &'static str = "generations";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            number: columns.u32()?,
            after_seq: columns.u64()?,
            after_commit: columns.u64()?,
            opened_at: columns.u64()?,
            previous_size: columns.u64()?,
            previous_root: columns.optional_array()?,
            reason: columns.bytes()?,
            checkpoint: columns.bytes()?,
        })
    }
}

impl Stored for (TenantNumber, TenantRef, u8) {
    const TABLE: &'static str = "generation_tenants";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok((TenantNumber(columns.u32()?), TenantRef::from_bytes(columns.array()?), columns.u8()?))
    }
}

impl Stored for TenantNumber {
    const TABLE: &'static str = "audit";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self(columns.u32()?))
    }
}

impl Stored for CommitRow {
    const TABLE: &'static str = "head_log";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self { id: columns.u64()?, leaf: columns.bytes()?, blind: columns.array()?, last_seq: columns.u64()? })
    }
}

impl Stored for LineRow {
    const TABLE: &'static str = "audit";

    fn read(columns: &mut Columns<'_, '_>) -> Result<Self, Fault> {
        Ok(Self {
            seq: columns.u64()?,
            tenant: TenantNumber(columns.u32()?),
            log_seq: columns.u64()?,
            line: columns.bytes()?,
        })
    }
}
