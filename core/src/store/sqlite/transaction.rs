//! Writing: each change with its guard, the audit log's rows, and the commit.
//!
//! A call leaves all of its effect or none. Where a stale change may be found only after others were applied,
//! a savepoint takes those back; after an error nothing of the transaction can be committed any more. A
//! savepoint copies each page that is touched under it, so a change that begins with its guard has none.

use std::collections::{HashMap, VecDeque};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    SqliteStore,
    connection::{BEGIN_WAIT_MAX, begin_immediate},
    fault::Fault,
    places::{Placed, Places},
    pool::Lease,
    rows::{number, optional},
    snapshot::{Session, chain},
};
use crate::{
    Code, Error, Result,
    id::ObjectId,
    keys::IndexHash,
    store::{
        ActorRow, Applied, Change, DeleteSecret, DeploymentRow, EpochRow, FolderRow, Growth, HeadRow, IntentRow,
        LineRow, LogHeadRow, OpenGeneration, PutSecret, Record, SecretRow, TenantNumber, TenantRow, Transaction,
        VersionRow,
    },
};

/// The frontier of a log without lines: its size, as u64.
const FRONTIER_EMPTY: [u8; 8] = [0; 8];
/// The status of an open log.
const LOG_OPEN: u8 = 1;

/// A session that writes.
pub(super) struct Writing {
    /// Something went wrong half-way: nothing may be committed.
    broken: bool,
    /// What was applied, and nobody has asked for yet.
    growth: Grown,
}

/// By how much changes make more of what tenants have stored. One operation changes one tenant's secrets.
#[derive(Default)]
struct Grown(Vec<(TenantNumber, Growth)>);

impl Grown {
    fn add(&mut self, tenant: TenantNumber, by: Growth) {
        match self.0.iter_mut().find(|(of, _)| *of == tenant) {
            Some((_, growth)) => {
                growth.secrets = growth.secrets.saturating_add(by.secrets);
                growth.bytes = growth.bytes.saturating_add(by.bytes);
            }
            None => self.0.push((tenant, by)),
        }
    }
}

impl<'s> Session<'s, Writing> {
    pub(super) fn begin(store: &'s SqliteStore, lease: Lease<'s>) -> Result<Self> {
        begin_immediate(&lease, BEGIN_WAIT_MAX).map_err(|fault| store.place.blame(fault))?;
        store.places.begin();
        Ok(Self { store, lease, mode: Writing { broken: false, growth: Grown::default() } })
    }

    /// Runs writes. After an error the transaction can only be undone.
    fn write<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
        self.check()?;
        let worked = work(&self.lease);
        self.mode.broken = worked.is_err() || self.lease.is_autocommit();
        worked.map_err(|fault| self.store.place.blame(fault))
    }

    fn check(&self) -> Result<()> {
        if self.mode.broken || self.lease.is_autocommit() {
            return Err(Error::new(Code::StoreUnavailable).detail("an earlier error undid the whole transaction"));
        }
        Ok(())
    }
}

impl Transaction for Session<'_, Writing> {
    fn apply_within(&mut self, changes: &[Change], room: Growth) -> Result<Applied> {
        let places = &self.store.places;
        let mut grown = Grown::default();
        let applied = self.write(|db| match changes {
            [change] if guard_comes_first(change) && room == Growth::ANY => apply(db, places, change, &mut grown),
            changes => all_or_none(db, places, changes, &mut grown, room),
        })?;
        if applied == Applied::Done {
            grown.0.into_iter().for_each(|(tenant, growth)| self.mode.growth.add(tenant, growth));
        }
        Ok(applied)
    }

    fn take_growth(&mut self) -> Vec<(TenantNumber, Growth)> {
        std::mem::take(&mut self.mode.growth.0)
    }

    fn record(&mut self, record: &Record<'_>) -> Result<()> {
        self.write(|db| {
            append_lines(db, record.lines)?;
            put_log_heads(db, record.heads)?;
            let commit = record.commit;
            let mut insert =
                db.prepare_cached("INSERT INTO head_log (id, leaf, blind, last_seq) VALUES (?1, ?2, ?3, ?4)")?;
            insert.execute(params![number(commit.id)?, commit.leaf, &commit.blind[..], number(commit.last_seq)?])?;
            put_head(db, record.head)
        })
    }

    fn keep_checkpoint(&mut self, epoch: u32, checkpoint: &[u8]) -> Result<()> {
        self.write(|db| {
            let mut update = db.prepare_cached("UPDATE epochs SET checkpoint = ?2 WHERE id = ?1")?;
            exactly_one(update.execute(params![epoch, checkpoint])?, "epoch")
        })
    }

    fn open_generation(&mut self, open: &OpenGeneration<'_>) -> Result<()> {
        self.write(|db| {
            let generation = open.generation;
            let before = generation.number.checked_sub(1).ok_or_else(|| Fault::internal("generation 0"))?;
            let mut end = db.prepare_cached("UPDATE generations SET checkpoint = ?2 WHERE number = ?1")?;
            exactly_one(end.execute(params![before, open.checkpoint])?, "generation before")?;
            let mut insert = db.prepare_cached(
                "INSERT INTO generations
                 (number, after_seq, after_commit, opened_at, previous_size, previous_root, reason, checkpoint)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            insert.execute(params![
                generation.number,
                number(generation.after_seq)?,
                number(generation.after_commit)?,
                number(generation.opened_at)?,
                number(generation.previous_size)?,
                generation.previous_root.as_ref().map(|root| &root[..]),
                generation.reason,
                generation.checkpoint,
            ])?;
            let mut insert = db.prepare_cached(
                "INSERT INTO generation_tenants (generation, tenant, ref, status) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for head in open.heads {
                insert.execute(params![
                    generation.number,
                    head.tenant.0,
                    &head.tenant_ref.as_bytes()[..],
                    head.status
                ])?;
            }
            db.prepare_cached("DELETE FROM log_heads")?.execute([])?;
            put_log_heads(db, open.heads)?;
            put_head(db, open.head)
        })
    }

    fn commit(self: Box<Self>) -> Result<()> {
        self.check()?;
        execute(&self.lease, "COMMIT").map_err(|fault| self.store.place.blame(fault))?;
        self.store.places.committed();
        Ok(())
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), Fault> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// What a guarded statement did: it found its one row, or that row was no longer as it had been.
fn guarded(rows: usize) -> Applied {
    if rows == 0 { Applied::Stale } else { Applied::Done }
}

/// A length, as growth has it: no value comes near the end of it.
fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn exactly_one(rows: usize, what: &str) -> Result<(), Fault> {
    if rows == 1 { Ok(()) } else { Err(Fault::internal(format!("no such {what}"))) }
}

/// Whether a change that is stale has done nothing yet.
fn guard_comes_first(change: &Change) -> bool {
    matches!(change, Change::PutSecret(_) | Change::DeleteSecret(_) | Change::CreateActor(..))
}

/// Applies changes in turn, and takes them all back if one of them is stale, or if there is no room for them all.
fn all_or_none(
    db: &Connection,
    places: &Places,
    changes: &[Change],
    grown: &mut Grown,
    room: Growth,
) -> Result<Applied, Fault> {
    execute(db, "SAVEPOINT work")?;
    let mut applied = Applied::Done;
    for change in changes {
        applied = apply(db, places, change, grown)?;
        if applied != Applied::Done {
            break;
        }
    }
    if applied == Applied::Done
        && let Some((_, growth)) = grown.0.iter().find(|(_, growth)| !growth.fits(room))
    {
        applied = Applied::Exceeds(*growth);
    }
    if applied != Applied::Done {
        execute(db, "ROLLBACK TO work")?;
        places.forget();
    }
    execute(db, "RELEASE work")?;
    Ok(applied)
}

/// The revision that must be there before this one.
fn before(revision: u64) -> Result<i64, Fault> {
    number(revision)?.checked_sub(1).filter(|before| *before >= 0).ok_or_else(|| Fault::internal("revision 0"))
}

fn apply(db: &Connection, places: &Places, change: &Change, grown: &mut Grown) -> Result<Applied, Fault> {
    match change {
        Change::CreateDeployment(row) => create_deployment(db, row),
        Change::UpdateDeployment(row) => update_deployment(db, row),
        Change::CreateTenant(row) => create_tenant(db, row),
        Change::UpdateTenant(row) => update_tenant(db, row),
        Change::PutSecret(put) => put_secret(db, places, put, grown),
        Change::DeleteSecret(delete) => delete_secret(db, delete, grown),
        Change::RequireSecret { tenant, id, revision } => require_secret(db, *tenant, id, *revision),
        Change::CreateActor(tenant, row) => create_actor(db, *tenant, row),
        Change::OpenIntent(row) => open_intent(db, row),
        Change::CloseIntent(row) => close_intent(db, row),
        Change::OpenEpoch(row) => open_epoch(db, row),
        Change::CloseEpoch { id, checkpoint } => close_epoch(db, *id, checkpoint.as_deref()),
    }
}

fn create_deployment(db: &Connection, row: &DeploymentRow) -> Result<Applied, Fault> {
    let mut insert = db.prepare_cached(
        "INSERT INTO deployment
         (id, deployment, origin, generation, sys_ref, profile, recovery, created_at, revision, mac)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
    )?;
    let rows = insert.execute(params![
        &row.deployment.as_bytes()[..],
        row.origin,
        row.generation,
        &row.sys_ref.as_bytes()[..],
        row.profile,
        row.recovery,
        number(row.created_at)?,
        number(row.revision)?,
        &row.mac[..],
    ])?;
    if rows == 0 {
        return Ok(Applied::Stale);
    }
    // The generation it starts with is open from here on; there is no head before the first commit.
    let mut insert = db.prepare_cached(
        "INSERT INTO generations (number, after_seq, after_commit, opened_at, previous_size, previous_root, reason, checkpoint)
         VALUES (?1, 0, 0, ?2, 0, NULL, x'', x'')",
    )?;
    insert.execute(params![row.generation, number(row.created_at)?])?;
    Ok(Applied::Done)
}

fn update_deployment(db: &Connection, row: &DeploymentRow) -> Result<Applied, Fault> {
    let mut update = db.prepare_cached(
        "UPDATE deployment SET deployment = ?1, origin = ?2, generation = ?3, sys_ref = ?4, profile = ?5, recovery = ?6,
         created_at = ?7, revision = ?8, mac = ?9 WHERE id = 1 AND revision = ?10",
    )?;
    Ok(guarded(update.execute(params![
        &row.deployment.as_bytes()[..],
        row.origin,
        row.generation,
        &row.sys_ref.as_bytes()[..],
        row.profile,
        row.recovery,
        number(row.created_at)?,
        number(row.revision)?,
        &row.mac[..],
        before(row.revision)?,
    ])?))
}

fn create_tenant(db: &Connection, row: &TenantRow) -> Result<Applied, Fault> {
    let mut insert = db.prepare_cached(
        "INSERT INTO tenants (number, ref, name_hash, name, salt, root_version, key_epoch, keyring, state, settings,
         created_at, revision, mac)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO NOTHING",
    )?;
    if insert.execute(tenant_params(row)?)? == 0 {
        return Ok(Applied::Stale);
    }
    let mut insert = db.prepare_cached(
        "INSERT INTO log_heads (tenant, ref, size, frontier, prev, time, status, secrets, bytes, day, audit_bytes)
         VALUES (?1, ?2, 0, ?3, x'', 0, ?4, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
    )?;
    let rows = insert.execute(params![row.number.0, &row.tenant.as_bytes()[..], &FRONTIER_EMPTY[..], LOG_OPEN])?;
    Ok(guarded(rows))
}

/// A name or ref that somebody else took meanwhile is stale too.
fn update_tenant(db: &Connection, row: &TenantRow) -> Result<Applied, Fault> {
    let mut update = db.prepare_cached(
        "UPDATE OR IGNORE tenants SET ref = ?2, name_hash = ?3, name = ?4, salt = ?5, root_version = ?6, key_epoch = ?7,
         keyring = ?8, state = ?9, settings = ?10, created_at = ?11, revision = ?12, mac = ?13
         WHERE number = ?1 AND revision = ?12 - 1",
    )?;
    before(row.revision)?;
    Ok(guarded(update.execute(tenant_params(row)?)?))
}

fn tenant_params(row: &TenantRow) -> Result<impl rusqlite::Params + '_, Fault> {
    Ok((
        row.number.0,
        &row.tenant.as_bytes()[..],
        &row.name_hash[..],
        &row.name,
        &row.salt[..],
        row.root_version,
        row.key_epoch,
        &row.keyring,
        row.state,
        &row.settings,
        number(row.created_at)?,
        number(row.revision)?,
        &row.mac[..],
    ))
}

fn put_secret(db: &Connection, known: &Places, put: &PutSecret, grown: &mut Grown) -> Result<Applied, Fault> {
    let PutSecret { tenant, secret, version, changed, oldest, labels, folders, left } = put;
    if version.iter().chain(changed).any(|version| version.secret != secret.id) {
        return Err(Fault::internal("the version of another secret"));
    }
    // All guards come before the first write.
    let Some(places) = places_of(db, *tenant, secret, changed)? else { return Ok(Applied::Stale) };
    if let Some(version) = version
        && add_version(db, *tenant, secret, version)?
    {
        let seq = db.last_insert_rowid();
        known.added(&secret.id, placed(version, seq)?);
        if put_secret_row(db, *tenant, secret, Some(seq))? == Applied::Stale {
            return Err(Fault::internal("a secret's row changed within a transaction"));
        }
    } else {
        let before = newest(db, *tenant, &secret.id)?;
        let seq = if version.is_some() { Some(next_version(db)?) } else { before };
        if put_secret_row(db, *tenant, secret, seq)? == Applied::Stale {
            return Ok(Applied::Stale);
        }
        if let (Some(seq), Some(version)) = (seq, version) {
            insert_version(db, *tenant, seq, before, version)?;
            known.added(&secret.id, placed(version, seq)?);
        }
    }
    let mut bytes = version.as_ref().map_or(0, |version| size(version.value.len()));
    for ((seq, before), row) in places.into_iter().zip(changed) {
        change_version(db, seq, row)?;
        bytes += size(row.value.len()) - before;
    }
    if let Some(oldest) = oldest {
        bytes -= remove_versions(db, known, *tenant, secret, *oldest)?;
    }
    grown.add(*tenant, Growth { secrets: i64::from(secret.revision == 1), bytes });
    if let Some(labels) = labels {
        let id = &secret.id.as_bytes()[..];
        db.prepare_cached("DELETE FROM secret_labels WHERE tenant = ?1 AND secret = ?2")?
            .execute(params![tenant.0, id])?;
        let mut insert = db.prepare_cached(
            "INSERT INTO secret_labels (tenant, label_hash, secret) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?;
        for label in labels {
            insert.execute(params![tenant.0, &label[..], id])?;
        }
    }
    folders.iter().try_for_each(|folder| ensure_folder(db, *tenant, folder))?;
    remove_empty(db, *tenant, left)?;
    Ok(Applied::Done)
}

/// Revision 1 is a new row, and any other replaces the one before it.
///
/// A secret that stays where it is leaves its key and the indexes alone: naming their columns in an `UPDATE`
/// rewrites them, changed or not.
fn put_secret_row(
    db: &Connection,
    tenant: TenantNumber,
    row: &SecretRow,
    newest: Option<i64>,
) -> Result<Applied, Fault> {
    let id = &row.id.as_bytes()[..];
    let revision = number(row.revision)?;
    let execute = |sql: &str| -> Result<usize, Fault> {
        Ok(db.prepare_cached(sql)?.execute(params![
            tenant.0,
            id,
            &row.name_hash[..],
            &row.parent_hash[..],
            row.name,
            row.meta,
            row.enabled,
            number(row.latest)?,
            number(row.current)?,
            optional(row.pending)?,
            optional(row.previous)?,
            row.settings,
            number(row.created_at)?,
            number(row.updated_at)?,
            revision,
            &row.mac[..],
            newest,
            optional(row.due())?,
        ])?)
    };
    if before(row.revision)? == 0 {
        return Ok(guarded(execute(
            "INSERT INTO secrets (tenant, id, name_hash, parent_hash, name, meta, enabled, latest, current, pending,
             previous, settings, created_at, updated_at, revision, mac, newest, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
             ON CONFLICT DO NOTHING",
        )?));
    }
    let stays = execute(
        "UPDATE secrets NOT INDEXED SET name = ?5, meta = ?6, enabled = ?7, latest = ?8, current = ?9, pending = ?10,
         previous = ?11, settings = ?12, created_at = ?13, updated_at = ?14, revision = ?15, mac = ?16,
         newest = ?17, expires_at = ?18
         WHERE tenant = ?1 AND parent_hash = ?4 AND name_hash = ?3 AND id = ?2 AND revision = ?15 - 1",
    )?;
    if stays > 0 {
        return Ok(guarded(stays));
    }
    Ok(guarded(execute(
        "UPDATE OR IGNORE secrets SET name_hash = ?3, parent_hash = ?4, name = ?5, meta = ?6, enabled = ?7,
         latest = ?8, current = ?9, pending = ?10, previous = ?11, settings = ?12, created_at = ?13,
         updated_at = ?14, revision = ?15, mac = ?16, newest = ?17, expires_at = ?18
         WHERE tenant = ?1 AND id = ?2 AND revision = ?15 - 1",
    )?))
}

/// Where the newest version of a secret is.
fn newest(db: &Connection, tenant: TenantNumber, secret: &ObjectId) -> Result<Option<i64>, Fault> {
    let mut select = db.prepare_cached("SELECT newest FROM secrets WHERE tenant = ?1 AND id = ?2")?;
    Ok(select.query_row(params![tenant.0, &secret.as_bytes()[..]], |row| row.get(0)).optional()?.flatten())
}

/// The number of the next version to be stored, of whatever secret.
fn next_version(db: &Connection) -> Result<i64, Fault> {
    let mut select = db.prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM secret_versions")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// Appends the next version of a secret that is there and stays where it is: the common case, in one
/// statement that is its own guard. Whether it was that.
fn add_version(db: &Connection, tenant: TenantNumber, secret: &SecretRow, row: &VersionRow) -> Result<bool, Fault> {
    let mut insert = db.prepare_cached(
        "INSERT INTO secret_versions
         (before, tenant, secret, version, state, created_at, expires_at, value, revision, mac)
         SELECT newest, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM secrets NOT INDEXED
         WHERE tenant = ?1 AND parent_hash = ?12 AND name_hash = ?11 AND id = ?2 AND revision = ?10",
    )?;
    let rows = insert.execute(params![
        tenant.0,
        &row.secret.as_bytes()[..],
        number(row.version)?,
        row.state,
        number(row.created_at)?,
        optional(row.expires_at)?,
        row.value,
        number(row.revision)?,
        &row.mac[..],
        before(secret.revision)?,
        &secret.name_hash[..],
        &secret.parent_hash[..],
    ])?;
    Ok(rows > 0)
}

fn insert_version(
    db: &Connection,
    tenant: TenantNumber,
    seq: i64,
    before: Option<i64>,
    row: &VersionRow,
) -> Result<(), Fault> {
    let mut insert = db.prepare_cached(
        "INSERT INTO secret_versions
         (seq, before, tenant, secret, version, state, created_at, expires_at, value, revision, mac)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    insert.execute(params![
        seq,
        before,
        tenant.0,
        &row.secret.as_bytes()[..],
        number(row.version)?,
        row.state,
        number(row.created_at)?,
        optional(row.expires_at)?,
        row.value,
        number(row.revision)?,
        &row.mac[..],
    ])?;
    Ok(())
}

/// Where these versions of a secret are, and the bytes of their values, if all of them are there with the revision before.
fn places_of(
    db: &Connection,
    tenant: TenantNumber,
    secret: &SecretRow,
    rows: &[VersionRow],
) -> Result<Option<Vec<(i64, i64)>>, Fault> {
    if rows.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut select = db.prepare_cached(concat!(
        chain!(),
        "SELECT version, revision, seq, length(value) FROM chain JOIN secret_versions USING (seq) WHERE tenant = ?1 AND secret = ?2"
    ))?;
    let found = select
        .query_map(
            params![tenant.0, &secret.id.as_bytes()[..], &secret.name_hash[..], &secret.parent_hash[..]],
            |row| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?))),
        )?
        .collect::<Result<HashMap<(i64, i64), (i64, i64)>, _>>()?;
    rows.iter().map(|row| Ok(found.get(&(number(row.version)?, before(row.revision)?)).copied())).collect()
}

fn change_version(db: &Connection, seq: i64, row: &VersionRow) -> Result<(), Fault> {
    let mut update = db.prepare_cached(
        "UPDATE secret_versions SET state = ?2, created_at = ?3, expires_at = ?4, value = ?5, revision = ?6, mac = ?7
         WHERE seq = ?1",
    )?;
    let rows = update.execute(params![
        seq,
        row.state,
        number(row.created_at)?,
        optional(row.expires_at)?,
        row.value,
        number(row.revision)?,
        &row.mac[..],
    ])?;
    exactly_one(rows, "version")
}

/// Removes the versions below the oldest that stays: by what is known of their places or, if that is not so any more, by
/// walking to the end. Gives the bytes of their values.
fn remove_versions(
    db: &Connection,
    known: &Places,
    tenant: TenantNumber,
    secret: &SecretRow,
    oldest: u64,
) -> Result<i64, Fault> {
    let (id, oldest) = (&secret.id.as_bytes()[..], number(oldest)?);
    // With RETURNING the length, a put at the limit takes half as long again.
    let mut statement = db.prepare_cached(
        "DELETE FROM secret_versions WHERE seq = ?1 AND tenant = ?2 AND secret = ?3 AND version = ?4
         AND length(value) = ?5",
    )?;
    let mut delete = |placed: Placed| -> Result<bool, Fault> {
        let Placed { version, seq, bytes } = placed;
        Ok(statement.execute(params![seq, tenant.0, id, version, bytes])? == 1)
    };
    let mut removed = 0;
    if let Some(below) = known.take_below(&secret.id, oldest) {
        let mut all = !below.is_empty();
        // The oldest first, and none after one that is not as it was: a walk does not get past one that is gone.
        for placed in below {
            all = delete(placed)?;
            if !all {
                break;
            }
            removed += placed.bytes;
        }
        if all {
            return Ok(removed);
        }
    }
    let mut left = VecDeque::new();
    for placed in walk(db, tenant, secret)? {
        if placed.version >= oldest {
            left.push_front(placed);
        } else if delete(placed)? {
            removed += placed.bytes;
        }
    }
    known.remember(secret.id, left);
    Ok(removed)
}

fn placed(version: &VersionRow, seq: i64) -> Result<Placed, Fault> {
    Ok(Placed { version: number(version.version)?, seq, bytes: size(version.value.len()) })
}

/// The versions of a secret that are there, the newest first, step by step: a recursive query halves the rate of puts. What
/// comes before one that is no longer there is not there either.
fn walk(db: &Connection, tenant: TenantNumber, secret: &SecretRow) -> Result<Vec<Placed>, Fault> {
    let mut select = db.prepare_cached(
        "SELECT before, version, length(value) FROM secret_versions WHERE seq = ?1 AND tenant = ?2 AND secret = ?3",
    )?;
    let (mut at, mut found) = (newest(db, tenant, &secret.id)?, Vec::new());
    while let Some(seq) = at {
        let id = &secret.id.as_bytes()[..];
        let row = select
            .query_row(params![seq, tenant.0, id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((before, version, bytes)): Option<(Option<i64>, i64, i64)> = row else { break };
        found.push(Placed { version, seq, bytes });
        at = before.filter(|before| *before < seq);
    }
    Ok(found)
}

fn ensure_folder(db: &Connection, tenant: TenantNumber, row: &FolderRow) -> Result<(), Fault> {
    let mut insert = db.prepare_cached(
        "INSERT INTO folders (tenant, name_hash, parent_hash, id, name, revision, mac)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    )?;
    insert.execute(params![
        tenant.0,
        &row.name_hash[..],
        &row.parent_hash[..],
        &row.id.as_bytes()[..],
        row.name,
        number(row.revision)?,
        &row.mac[..],
    ])?;
    Ok(())
}

/// Labels go with the row, by their foreign key.
fn delete_secret(db: &Connection, delete: &DeleteSecret, grown: &mut Grown) -> Result<Applied, Fault> {
    let (tenant, id) = (delete.tenant.0, &delete.id.as_bytes()[..]);
    let mut at = newest(db, delete.tenant, &delete.id)?;
    let mut secret = db.prepare_cached("DELETE FROM secrets WHERE tenant = ?1 AND id = ?2 AND revision = ?3")?;
    if secret.execute(params![tenant, id, number(delete.revision)?])? == 0 {
        return Ok(Applied::Stale);
    }
    let mut version = db.prepare_cached(
        "DELETE FROM secret_versions WHERE seq = ?1 AND tenant = ?2 AND secret = ?3 RETURNING before, length(value)",
    )?;
    let mut bytes = 0;
    while let Some(seq) = at {
        let removed = version.query_row(params![seq, tenant, id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let (before, length): (Option<i64>, i64) = removed.unwrap_or_default();
        at = before;
        bytes += length;
    }
    grown.add(delete.tenant, Growth { secrets: -1, bytes: -bytes });
    remove_empty(db, delete.tenant, &delete.folders)?;
    Ok(Applied::Done)
}

fn require_secret(db: &Connection, tenant: TenantNumber, id: &ObjectId, revision: u64) -> Result<Applied, Fault> {
    let mut select = db.prepare_cached("SELECT 1 FROM secrets WHERE tenant = ?1 AND id = ?2 AND revision = ?3")?;
    let there = select.exists(params![tenant.0, &id.as_bytes()[..], number(revision)?])?;
    Ok(if there { Applied::Done } else { Applied::Stale })
}

/// Removes those of these folders, innermost first, in which nothing is left.
fn remove_empty(db: &Connection, tenant: TenantNumber, folders: &[IndexHash]) -> Result<(), Fault> {
    if folders.is_empty() {
        return Ok(());
    }
    let mut folder = db.prepare_cached(
        "DELETE FROM folders WHERE tenant = ?1 AND name_hash = ?2
         AND NOT EXISTS (SELECT 1 FROM secrets WHERE tenant = ?1 AND parent_hash = ?2)
         AND NOT EXISTS (SELECT 1 FROM folders WHERE tenant = ?1 AND parent_hash = ?2)",
    )?;
    for name_hash in folders {
        folder.execute(params![tenant.0, &name_hash[..]])?;
    }
    Ok(())
}

fn create_actor(db: &Connection, tenant: TenantNumber, row: &ActorRow) -> Result<Applied, Fault> {
    let mut insert = db.prepare_cached(
        "INSERT INTO actors (tenant, name_hash, handle, name, revision, mac)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    Ok(guarded(insert.execute(params![
        tenant.0,
        &row.name_hash[..],
        &row.handle.as_bytes()[..],
        row.name,
        number(row.revision)?,
        &row.mac[..],
    ])?))
}

fn open_intent(db: &Connection, row: &IntentRow) -> Result<Applied, Fault> {
    let mut insert =
        db.prepare_cached("INSERT OR REPLACE INTO intents (tenant, request, act, boot) VALUES (?1, ?2, ?3, ?4)")?;
    insert.execute(params![row.tenant.0, &row.request[..], row.act, &row.boot[..]])?;
    Ok(Applied::Done)
}

fn close_intent(db: &Connection, row: &IntentRow) -> Result<Applied, Fault> {
    let mut delete = db.prepare_cached("DELETE FROM intents WHERE tenant = ?1 AND request = ?2 AND act = ?3")?;
    delete.execute(params![row.tenant.0, &row.request[..], row.act])?;
    Ok(Applied::Done)
}

fn open_epoch(db: &Connection, row: &EpochRow) -> Result<Applied, Fault> {
    let mut insert = db.prepare_cached(
        "INSERT INTO epochs (id, generation, certificate, hard_limit, closed, checkpoint)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE ?1 = (SELECT coalesce(max(id), 0) + 1 FROM epochs)",
    )?;
    Ok(guarded(insert.execute(params![
        row.id,
        row.generation,
        row.certificate,
        number(row.hard_limit)?,
        row.closed,
        row.checkpoint,
    ])?))
}

/// Any process may close an epoch, but one of them does: its `epoch.close` line is written once.
fn close_epoch(db: &Connection, id: u32, checkpoint: Option<&[u8]>) -> Result<Applied, Fault> {
    let mut update = db.prepare_cached(
        "UPDATE epochs SET closed = 1, checkpoint = coalesce(?2, checkpoint) WHERE id = ?1 AND closed = 0",
    )?;
    Ok(guarded(update.execute(params![id, checkpoint])?))
}

/// Appends audit rows. The table has no index but its key, and keys only grow: each row goes to the end.
fn append_lines(db: &Connection, lines: &[LineRow]) -> Result<(), Fault> {
    let mut insert = db.prepare_cached("INSERT INTO audit (seq, tenant, log_seq, line) VALUES (?1, ?2, ?3, ?4)")?;
    for line in lines {
        insert.execute(params![number(line.seq)?, line.tenant.0, number(line.log_seq)?, line.line])?;
    }
    Ok(())
}

fn put_log_heads(db: &Connection, heads: &[LogHeadRow]) -> Result<(), Fault> {
    let mut put = db.prepare_cached(
        "INSERT INTO log_heads (tenant, ref, size, frontier, prev, time, status, secrets, bytes, day, audit_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (tenant) DO UPDATE SET ref = excluded.ref, size = excluded.size, frontier = excluded.frontier,
         prev = excluded.prev, time = excluded.time, status = excluded.status, secrets = excluded.secrets,
         bytes = excluded.bytes, day = excluded.day, audit_bytes = excluded.audit_bytes",
    )?;
    for head in heads {
        put.execute(params![
            head.tenant.0,
            &head.tenant_ref.as_bytes()[..],
            number(head.size)?,
            head.frontier,
            head.prev,
            number(head.time)?,
            head.status,
            number(head.usage.secrets)?,
            number(head.usage.bytes)?,
            head.usage.day,
            number(head.usage.audit_bytes)?,
        ])?;
    }
    Ok(())
}

fn put_head(db: &Connection, head: &HeadRow) -> Result<(), Fault> {
    let mut put = db.prepare_cached(
        "INSERT INTO head
         (id, generation, commits, frontier, last_commit, last_seq, time, tenants, lines, epoch, checkpoint)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, commits = excluded.commits,
         frontier = excluded.frontier, last_commit = excluded.last_commit, last_seq = excluded.last_seq,
         time = excluded.time, tenants = excluded.tenants, lines = excluded.lines, epoch = excluded.epoch,
         checkpoint = excluded.checkpoint",
    )?;
    put.execute(params![
        head.generation,
        number(head.commits)?,
        head.frontier,
        number(head.last_commit)?,
        number(head.last_seq)?,
        number(head.time)?,
        number(head.tenants)?,
        number(head.lines)?,
        head.epoch,
        head.checkpoint,
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_empty_log_has_the_empty_frontier() {
        assert_eq!(strongroom_log::Frontier::default().to_bytes(), super::FRONTIER_EMPTY);
    }
}
