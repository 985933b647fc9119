//! Reading, all from one moment: inside a read transaction, or inside the one that writes.

use std::fmt::Write as _;

use rusqlite::{Connection, params};

use super::{
    SqliteStore, check_index,
    fault::Fault,
    key_index,
    pool::Lease,
    rows::{columns, count, extend, limit, many, number, one},
};
use crate::{
    Code, Error, Result,
    id::{Handle, ObjectId, TenantRef},
    keys::IndexHash,
    store::{
        ActorRow, CommitRow, DeploymentRow, EpochRow, FolderRow, GenerationRow, HeadRow, IndexCheck, IndexPart,
        IntentRow, LineRow, LineSearch, LinesCounted, LinesFound, LogHeadRow, SecretRow, Snapshot, TenantNumber,
        TenantRow, VersionRow,
    },
};

/// The rows of a secret's versions, from the newest on. That numbers only fall ends every chain, whatever is in
/// the file. `NOT INDEXED` is by the table's own key: SQLite would prefer an index that leads there as well.
macro_rules! chain {
    () => {
        "WITH RECURSIVE chain (seq) AS (
             SELECT newest FROM secrets NOT INDEXED
             WHERE tenant = ?1 AND parent_hash = ?4 AND name_hash = ?3 AND id = ?2
             UNION ALL
             SELECT row.before FROM chain JOIN secret_versions AS row ON row.seq = chain.seq
             WHERE row.before < row.seq AND row.tenant = ?1 AND row.secret = ?2
         ) "
    };
}
pub(super) use chain;

/// A transaction on a borrowed connection. Dropping it undoes what it wrote.
///
/// `Mode` says what it may do: [`Reading`], or [`super::transaction::Writing`].
pub(super) struct Session<'s, Mode> {
    pub(super) store: &'s SqliteStore,
    pub(super) lease: Lease<'s>,
    pub(super) mode: Mode,
}

/// A session that only reads.
pub(super) struct Reading;

impl<'s> Session<'s, Reading> {
    /// SQLite takes the moment of the first read.
    pub(super) fn begin(store: &'s SqliteStore, lease: Lease<'s>) -> Result<Self> {
        let begun = lease.prepare_cached("BEGIN DEFERRED").and_then(|mut begin| begin.execute([]));
        match begun {
            Ok(_) => Ok(Self { store, lease, mode: Reading }),
            Err(error) => Err(store.place.blame(error.into())),
        }
    }
}

impl<Mode> Session<'_, Mode> {
    /// Runs a query. Some errors make SQLite end the transaction by itself: nothing works after that.
    pub(super) fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
        if self.lease.is_autocommit() {
            return Err(Error::new(Code::StoreUnavailable).detail("the transaction has ended already"));
        }
        query(&self.lease).map_err(|fault| self.store.place.blame(fault))
    }
}

impl<Mode> Drop for Session<'_, Mode> {
    fn drop(&mut self) {
        if !self.lease.is_autocommit() {
            // If this fails, the pool closes the connection, and with it the transaction.
            let _ = self.lease.prepare_cached("ROLLBACK").and_then(|mut rollback| rollback.execute([]));
        }
    }
}

impl<Mode> Snapshot for Session<'_, Mode> {
    fn deployment(&mut self) -> Result<Option<DeploymentRow>> {
        self.read(|db| one(db, concat!("SELECT ", columns!(deployment), " FROM deployment WHERE id = 1"), []))
    }

    fn tenant(&mut self, tenant: TenantNumber) -> Result<Option<TenantRow>> {
        let sql = concat!("SELECT ", columns!(tenants), " FROM tenants WHERE number = ?1");
        self.read(|db| one(db, sql, [tenant.0]))
    }

    fn tenant_by_name(&mut self, name_hash: &IndexHash) -> Result<Option<TenantRow>> {
        let sql = concat!("SELECT ", columns!(tenants), " FROM tenants WHERE name_hash = ?1");
        self.read(|db| one(db, sql, [&name_hash[..]]))
    }

    fn tenant_by_ref(&mut self, tenant: &TenantRef) -> Result<Option<TenantRow>> {
        let sql = concat!("SELECT ", columns!(tenants), " FROM tenants WHERE ref = ?1");
        self.read(|db| one(db, sql, [&tenant.as_bytes()[..]]))
    }

    fn tenants(&mut self) -> Result<Vec<TenantRow>> {
        let sql = concat!("SELECT ", columns!(tenants), " FROM tenants WHERE number <> 0 ORDER BY number");
        self.read(|db| many(db, sql, []))
    }

    fn secret(&mut self, tenant: TenantNumber, name_hash: &IndexHash) -> Result<Option<SecretRow>> {
        let sql = concat!("SELECT ", columns!(secrets), " FROM secrets WHERE tenant = ?1 AND name_hash = ?2");
        self.read(|db| one(db, sql, params![tenant.0, &name_hash[..]]))
    }

    fn secrets_in(&mut self, tenant: TenantNumber, parent_hash: &IndexHash, rows: usize) -> Result<Vec<SecretRow>> {
        let sql = concat!(
            "SELECT ",
            columns!(secrets),
            " FROM secrets WHERE tenant = ?1 AND parent_hash = ?2 ORDER BY name_hash LIMIT ?3"
        );
        self.read(|db| many(db, sql, params![tenant.0, &parent_hash[..], limit(rows)]))
    }

    fn folder_entries(&mut self, tenant: TenantNumber, parent_hash: &IndexHash) -> Result<u64> {
        let sql =
            "SELECT (SELECT count(*) FROM secrets INDEXED BY secrets_by_parent WHERE tenant = ?1 AND parent_hash = ?2)
                        + (SELECT count(*) FROM folders WHERE tenant = ?1 AND parent_hash = ?2)";
        self.read(|db| count(db, sql, params![tenant.0, &parent_hash[..]]))
    }

    fn folders_in(&mut self, tenant: TenantNumber, parent_hash: &IndexHash, rows: usize) -> Result<Vec<FolderRow>> {
        let sql = concat!(
            "SELECT ",
            columns!(folders),
            " FROM folders WHERE tenant = ?1 AND parent_hash = ?2 ORDER BY name_hash LIMIT ?3"
        );
        self.read(|db| many(db, sql, params![tenant.0, &parent_hash[..], limit(rows)]))
    }

    fn folder(&mut self, tenant: TenantNumber, name_hash: &IndexHash) -> Result<Option<FolderRow>> {
        let sql = concat!("SELECT ", columns!(folders), " FROM folders WHERE tenant = ?1 AND name_hash = ?2");
        self.read(|db| one(db, sql, params![tenant.0, &name_hash[..]]))
    }

    fn version(&mut self, tenant: TenantNumber, secret: &SecretRow, version: u64) -> Result<Option<VersionRow>> {
        let newest = concat!(
            "SELECT ",
            columns!(secret_versions),
            " FROM secret_versions
              WHERE seq = (SELECT newest FROM secrets NOT INDEXED
                           WHERE tenant = ?1 AND parent_hash = ?4 AND name_hash = ?3 AND id = ?2)
              AND tenant = ?1 AND secret = ?2 AND version = ?5"
        );
        let older = concat!(
            chain!(),
            "SELECT ",
            columns!(secret_versions),
            " FROM chain JOIN secret_versions USING (seq)
              WHERE tenant = ?1 AND secret = ?2 AND version = ?5 LIMIT 1"
        );
        // What cannot be stored is not there.
        let Ok(version) = i64::try_from(version) else { return Ok(None) };
        let params =
            params![tenant.0, &secret.id.as_bytes()[..], &secret.name_hash[..], &secret.parent_hash[..], version];
        self.read(|db| match one(db, newest, params)? {
            None => one(db, older, params),
            found => Ok(found),
        })
    }

    fn versions(&mut self, tenant: TenantNumber, secret: &SecretRow) -> Result<Vec<VersionRow>> {
        let sql = concat!(
            chain!(),
            "SELECT ",
            columns!(secret_versions),
            " FROM chain JOIN secret_versions USING (seq) WHERE tenant = ?1 AND secret = ?2 ORDER BY seq DESC"
        );
        let (id, name_hash, parent_hash) = (secret.id.as_bytes(), &secret.name_hash, &secret.parent_hash);
        self.read(|db| many(db, sql, params![tenant.0, &id[..], &name_hash[..], &parent_hash[..]]))
    }

    fn secrets_labelled(
        &mut self,
        tenant: TenantNumber,
        label_hashes: &[IndexHash],
        rows: usize,
    ) -> Result<Vec<SecretRow>> {
        // One statement for each number of labels, of which there are few.
        let mut sql = concat!(
            "SELECT ",
            columns!(secrets),
            " FROM secrets WHERE tenant = ?1 AND id IN
              (SELECT secret FROM secret_labels AS first WHERE tenant = ?1 AND label_hash = ?3"
        )
        .to_owned();
        for place in 4..4 + label_hashes.len().saturating_sub(1) {
            let _ = write!(
                sql,
                " AND EXISTS (SELECT 1 FROM secret_labels WHERE tenant = ?1 AND label_hash = ?{place}
                  AND secret = first.secret)"
            );
        }
        sql.push_str(") ORDER BY id LIMIT ?2");
        let (tenant, rows) = (tenant.0, limit(rows));
        let hashes: Vec<_> = label_hashes.iter().map(|hash| &hash[..]).collect();
        let mut params: Vec<&dyn rusqlite::ToSql> = vec![&tenant, &rows];
        params.extend(hashes.iter().map(|hash| hash as &dyn rusqlite::ToSql));
        self.read(|db| many(db, &sql, &params[..]))
    }

    fn secrets_after(&mut self, tenant: TenantNumber, after: Option<&ObjectId>, rows: usize) -> Result<Vec<SecretRow>> {
        let sql =
            concat!("SELECT ", columns!(secrets), " FROM secrets WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
        let after = after.map_or(&[][..], |id| &id.as_bytes()[..]);
        self.read(|db| many(db, sql, params![tenant.0, after, limit(rows)]))
    }

    fn folders_after(
        &mut self,
        tenant: TenantNumber,
        after: Option<&IndexHash>,
        rows: usize,
    ) -> Result<Vec<FolderRow>> {
        let sql = concat!(
            "SELECT ",
            columns!(folders),
            " FROM folders WHERE tenant = ?1 AND name_hash > ?2 ORDER BY name_hash LIMIT ?3"
        );
        let after = after.map_or(&[][..], |hash| &hash[..]);
        self.read(|db| many(db, sql, params![tenant.0, after, limit(rows)]))
    }

    fn labels_of(&mut self, tenant: TenantNumber, secret: &ObjectId) -> Result<Vec<IndexHash>> {
        let sql = "SELECT label_hash FROM secret_labels WHERE tenant = ?1 AND secret = ?2 ORDER BY label_hash";
        self.read(|db| many(db, sql, params![tenant.0, &secret.as_bytes()[..]]))
    }

    fn versions_astray(&mut self) -> Result<u64> {
        let sql = "WITH RECURSIVE chain (seq, before) AS (
                       SELECT row.seq, row.before FROM secrets JOIN secret_versions AS row ON row.seq = secrets.newest
                       WHERE row.tenant = secrets.tenant AND row.secret = secrets.id
                       UNION
                       SELECT row.seq, row.before FROM chain JOIN secret_versions AS row ON row.seq = chain.before
                       WHERE chain.before < chain.seq
                   ) SELECT (SELECT count(*) FROM secret_versions) - (SELECT count(*) FROM chain)";
        self.read(|db| count(db, sql, []))
    }

    fn actor(&mut self, tenant: TenantNumber, name_hash: &IndexHash) -> Result<Option<ActorRow>> {
        let sql = concat!("SELECT ", columns!(actors), " FROM actors WHERE tenant = ?1 AND name_hash = ?2");
        self.read(|db| one(db, sql, params![tenant.0, &name_hash[..]]))
    }

    fn actor_by_handle(&mut self, tenant: TenantNumber, handle: &Handle) -> Result<Option<ActorRow>> {
        let sql = concat!("SELECT ", columns!(actors), " FROM actors WHERE tenant = ?1 AND handle = ?2");
        self.read(|db| one(db, sql, params![tenant.0, &handle.as_bytes()[..]]))
    }

    fn head(&mut self) -> Result<Option<HeadRow>> {
        self.read(|db| one(db, concat!("SELECT ", columns!(head), " FROM head WHERE id = 1"), []))
    }

    fn log_heads(&mut self) -> Result<Vec<LogHeadRow>> {
        self.read(|db| many(db, concat!("SELECT ", columns!(log_heads), " FROM log_heads ORDER BY tenant"), []))
    }

    fn log_head(&mut self, tenant: TenantNumber) -> Result<Option<LogHeadRow>> {
        let sql = concat!("SELECT ", columns!(log_heads), " FROM log_heads WHERE tenant = ?1");
        self.read(|db| one(db, sql, [tenant.0]))
    }

    fn generations(&mut self) -> Result<Vec<GenerationRow>> {
        self.read(|db| many(db, concat!("SELECT ", columns!(generations), " FROM generations ORDER BY number"), []))
    }

    fn generation_tenants(&mut self, generation: u32) -> Result<Vec<(TenantNumber, TenantRef, u8)>> {
        let sql = concat!(
            "SELECT ",
            columns!(generation_tenants),
            " FROM generation_tenants WHERE generation = ?1 ORDER BY tenant"
        );
        self.read(|db| many(db, sql, [generation]))
    }

    fn epochs(&mut self, after: u32, rows: usize) -> Result<Vec<EpochRow>> {
        let sql = concat!("SELECT ", columns!(epochs), " FROM epochs WHERE id > ?1 ORDER BY id LIMIT ?2");
        self.read(|db| many(db, sql, params![after, limit(rows)]))
    }

    fn epochs_open(&mut self) -> Result<Vec<EpochRow>> {
        let sql = concat!("SELECT ", columns!(epochs), " FROM epochs WHERE closed = 0 ORDER BY id");
        self.read(|db| many(db, sql, []))
    }

    fn intents(&mut self, rows: usize) -> Result<Vec<IntentRow>> {
        let sql = concat!("SELECT ", columns!(intents), " FROM intents ORDER BY tenant, request, act LIMIT ?1");
        self.read(|db| many(db, sql, [limit(rows)]))
    }

    fn epoch_last(&mut self) -> Result<u32> {
        let last = self.read(|db| count(db, "SELECT coalesce(max(id), 0) FROM epochs", []))?;
        u32::try_from(last).map_err(|_| Error::new(Code::StoreDamaged).detail("an epoch's id is over 2^32"))
    }

    fn tenants_with_lines(&mut self, after: u64) -> Result<Vec<TenantNumber>> {
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        let sql = "SELECT DISTINCT tenant FROM audit WHERE seq > ?1 ORDER BY tenant";
        self.read(|db| many(db, sql, [after]))
    }

    fn commits(&mut self, after: u64, rows: usize) -> Result<Vec<CommitRow>> {
        let sql = concat!("SELECT ", columns!(head_log), " FROM head_log WHERE id > ?1 ORDER BY id LIMIT ?2");
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        self.read(|db| many(db, sql, [after, limit(rows)]))
    }

    fn lines(&mut self, after: u64, rows: usize) -> Result<Vec<LineRow>> {
        let sql = concat!("SELECT ", columns!(audit), " FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        self.read(|db| many(db, sql, [after, limit(rows)]))
    }

    fn lines_of(&mut self, tenant: TenantNumber, generation: u32, from: u64, rows: usize) -> Result<Vec<LineRow>> {
        self.read(|db| lines_of(db, tenant, generation, from, rows))
    }

    fn search(&mut self, search: &LineSearch<'_>) -> Result<LinesFound> {
        self.read(|db| key_index::search(db, search))
    }

    fn count(&mut self, search: &LineSearch<'_>) -> Result<LinesCounted> {
        self.read(|db| key_index::count_lines(db, search))
    }

    fn check_index(&mut self, part: IndexPart) -> Result<IndexCheck> {
        self.read(|db| check_index::check(db, part))
    }
}

/// First what the lagging index knows, then the tail that it does not, each in the log's own order. What the
/// index says of a line that is elsewhere, or another's, is not believed.
fn lines_of(
    connection: &Connection,
    tenant: TenantNumber,
    generation: u32,
    from: u64,
    rows: usize,
) -> Result<Vec<LineRow>, Fault> {
    let indexed = concat!(
        "SELECT ",
        columns!(audit),
        " FROM audit_by_log CROSS JOIN audit ON audit.seq = audit_by_log.seq
          WHERE audit_by_log.tenant = ?1 AND audit_by_log.generation = ?2 AND audit_by_log.log_seq >= ?3
            AND audit.tenant = ?1 AND audit.log_seq = audit_by_log.log_seq
          ORDER BY audit_by_log.log_seq LIMIT ?4"
    );
    // A line belongs to the generation that was open when it was numbered.
    let tail = concat!(
        "SELECT ",
        columns!(audit),
        " FROM audit
          WHERE seq > max((SELECT seq FROM index_progress WHERE name = 'audit_by_log'),
                          (SELECT after_seq FROM generations WHERE number = ?2))
            AND seq <= coalesce((SELECT min(after_seq) FROM generations WHERE number > ?2), 9223372036854775807)
            AND tenant = ?1 AND log_seq >= ?3
          ORDER BY seq LIMIT ?4"
    );
    let Ok(from) = number(from) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut statement = connection.prepare_cached(indexed)?;
    extend(&mut found, &mut statement, params![tenant.0, generation, from, limit(rows)])?;
    let missing = rows - found.len();
    if missing > 0 {
        let mut statement = connection.prepare_cached(tail)?;
        extend(&mut found, &mut statement, params![tenant.0, generation, from, limit(missing)])?;
    }
    Ok(found)
}
