//! What is true of this store besides what the test kit asks of every store.

mod crash;
mod damage;
mod key_index;
mod measure;
mod media;
mod schema;
mod sync;
mod upkeep;

use std::{
    cell::Cell,
    ffi::OsStr,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    sync::{Arc, Barrier},
};

use rusqlite::types::Value;

use super::*;
use crate::{
    store::{Applied, Change, LineRow, TenantNumber},
    testing::store::{Appender, Pair, check_store, deployment_row},
};

/// The one log that these tests write to.
const LOG: [TenantNumber; 1] = [TenantNumber::SYS];

/// A folder with a path for a store in it.
struct Ground {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().join("strongroom.db"), _folder: folder }
    }

    /// A new store in it, with a deployment.
    fn store(&self, maintenance: Maintenance) -> SqliteStore {
        found(&SqliteStore::create(&self.path).unwrap());
        SqliteStore::open(&self.path, maintenance).unwrap()
    }

    /// A connection that knows nothing of our rules, as a thief has it.
    fn thief(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}

/// The first row of all, with generation 1.
fn found(store: &dyn Store) {
    let mut transaction = store.begin().unwrap();
    assert_eq!(transaction.apply(&[Change::CreateDeployment(deployment_row())]).unwrap(), Applied::Done);
    transaction.commit().unwrap();
}

/// One commit of this many lines.
fn append(store: &dyn Store, lines: usize) -> Result<Vec<LineRow>> {
    let mut transaction = store.begin()?;
    let mut appender = Appender::new(&mut *transaction, &LOG)?;
    let rows = appender.append(&mut *transaction, lines)?;
    transaction.commit()?;
    Ok(rows)
}

/// What opening fails with.
fn refusal(opened: Result<SqliteStore>) -> (Code, String) {
    let error = opened.expect_err("refused");
    (error.code(), error.to_string())
}

/// This test program again, to run one test as a process of its own.
fn rerun(program: &OsStr, test: &str) -> Command {
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command
}

/// Says that a test did not do all it should.
fn skip(reason: &str) {
    println!("SKIPPED: {reason}");
    if let Some(log) = std::env::var_os("STRONGROOM_SKIP_LOG") {
        let mut log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        writeln!(log, "SKIPPED: {reason}").unwrap();
    }
}

#[test]
fn it_does_what_every_store_must() {
    for maintenance in [Maintenance::Background, Maintenance::Inline] {
        let (folder, number) = (tempfile::tempdir().unwrap(), Cell::new(0));
        check_store(&|| {
            let path = folder.path().join(format!("{}.db", number.replace(number.get() + 1)));
            drop(SqliteStore::create(&path).unwrap());
            let store = Arc::new(SqliteStore::open(&path, maintenance).unwrap());
            Pair { store, other: Arc::new(SqliteStore::open(&path, maintenance).unwrap()) }
        });
    }
}

#[test]
fn every_pragma_is_really_set() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    let inline = SqliteStore::open(&ground.path, Maintenance::Inline).unwrap();
    let (writer, inline) = (store.writer().unwrap(), inline.writer().unwrap());
    let (reader, housekeeper) = (store.reader().unwrap(), store.housekeeper.lease_now().unwrap().unwrap());
    let connections = [&writer, &inline, &reader, &housekeeper];
    for (pragma, want) in [
        ("application_id", [i64::from(connection::APPLICATION_ID); 4]),
        ("page_size", [4_096; 4]),
        ("synchronous", [1; 4]),
        ("secure_delete", [1; 4]),
        ("foreign_keys", [1; 4]),
        ("trusted_schema", [0; 4]),
        ("cell_size_check", [1; 4]),
        ("busy_timeout", [5_000; 4]),
        ("temp_store", [2; 4]),
        ("cache_size", [-16_384, -16_384, -4_096, -4_096]),
        ("wal_autocheckpoint", [0, 1_000, 0, 0]),
        ("query_only", [0, 0, 1, 0]),
    ] {
        for (connection, want) in connections.iter().zip(want) {
            let found: i64 = connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
            assert_eq!(found, want, "{pragma}");
        }
    }
    for connection in connections {
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        use rusqlite::{config::DbConfig, limits::Limit};
        assert!(connection.db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE).unwrap());
        assert!(!connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER).unwrap());
        assert!(!connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW).unwrap());
        assert_eq!(connection.limit(Limit::SQLITE_LIMIT_LENGTH).unwrap(), 16 * 1024 * 1024);
    }
    assert!(reader.execute("DELETE FROM audit", []).is_err(), "a reader cannot write");
}

#[test]
fn the_files_are_their_owners_alone() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    append(&store, 1).unwrap();
    for path in [ground.path.clone(), store.place.wal(), store.place.beside("-shm")] {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path:?}");
    }
    let wal = store.place.wal();
    drop(store);
    assert!(!wal.exists(), "closing leaves one file");
}

#[test]
fn what_is_there_is_not_made_again_and_what_is_not_there_is_not_opened() {
    let ground = Ground::new();
    let missing = refusal(SqliteStore::open(&ground.path, Maintenance::Inline));
    assert_eq!(missing.0, Code::DeploymentMissing);
    assert!(!ground.path.exists(), "looking makes nothing");
    drop(SqliteStore::create(&ground.path).unwrap());
    assert_eq!(refusal(SqliteStore::create(&ground.path)).0, Code::DeploymentExists);
    let nowhere = ground.path.join("below/a.db");
    assert_eq!(refusal(SqliteStore::open(&nowhere, Maintenance::Inline)).0, Code::DeploymentMissing);
    let nowhere = ground.path.with_file_name("none").join("a.db");
    assert_eq!(refusal(SqliteStore::create(&nowhere)).0, Code::DeploymentMissing);
    let folder = ground.path.parent().unwrap();
    assert_eq!(refusal(SqliteStore::open(folder, Maintenance::Inline)).0, Code::StoreUnavailable);
}

#[test]
fn an_interrupted_create_is_finished_by_open() {
    let ground = Ground::new();
    fs::write(&ground.path, "").unwrap();
    append(&SqliteStore::open(&ground.path, Maintenance::Inline).unwrap(), 1).unwrap();

    // A header, but no table yet.
    let ground = Ground::new();
    ground.thief().execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (a); DROP TABLE t").unwrap();
    append(&SqliteStore::open(&ground.path, Maintenance::Inline).unwrap(), 1).unwrap();
}

#[test]
fn an_interrupted_create_is_finished_once_by_all_who_open_at_once() {
    for _ in 0..20 {
        let ground = Ground::new();
        fs::write(&ground.path, "").unwrap();
        let start = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    append(&SqliteStore::open(&ground.path, Maintenance::Inline).unwrap(), 1).unwrap();
                });
            }
        });
        let head = SqliteStore::open(&ground.path, Maintenance::Inline).unwrap().snapshot().unwrap().head().unwrap();
        assert_eq!(head.unwrap().commits, 4);
    }
}

#[test]
fn a_snapshot_waits_for_a_connection_but_not_for_ever() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    let mut views: Vec<_> = (0..READERS_MAX).map(|_| store.snapshot().unwrap()).collect();
    assert_eq!(store.readers.lease(Duration::from_millis(5)).err().unwrap().code(), Code::StoreBusy);
    views.pop();
    store.snapshot().unwrap();
}

#[test]
fn who_waits_too_long_for_the_turn_is_told_so() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    let transaction = store.begin().unwrap();
    store.maintain(true).unwrap();
    let soon = Duration::from_millis(20);
    assert_eq!(store.writer.lease(soon).err().unwrap().code(), Code::StoreBusy);
    let other = SqliteStore::open(&ground.path, Maintenance::Inline).unwrap();
    let fault = connection::begin_immediate(&other.writer().unwrap(), soon).unwrap_err();
    assert_eq!(other.place.blame(fault).code(), Code::StoreBusy);
    transaction.commit().unwrap();
    other.begin().unwrap().commit().unwrap();
    store.begin().unwrap().commit().unwrap();
}

#[test]
fn plans_use_the_indexes_they_are_meant_to() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    let reader = store.reader().unwrap();
    for (sql, want) in [
        ("SELECT name FROM secrets WHERE tenant = ?1 AND name_hash = ?2", "secrets_by_name (tenant=? AND name_hash=?)"),
        ("SELECT name FROM secrets WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3", "secrets_by_id"),
        (
            "SELECT name FROM secrets WHERE tenant = ?1 AND parent_hash = ?2 ORDER BY name_hash LIMIT ?3",
            "PRIMARY KEY (tenant=? AND parent_hash=?)",
        ),
        (
            "SELECT newest FROM secrets NOT INDEXED
             WHERE tenant = ?1 AND parent_hash = ?4 AND name_hash = ?3 AND id = ?2",
            "PRIMARY KEY (tenant=? AND parent_hash=? AND name_hash=?)",
        ),
        (
            "SELECT count(*) FROM secrets INDEXED BY secrets_by_parent WHERE tenant = ?1 AND parent_hash = ?2",
            "COVERING INDEX secrets_by_parent (tenant=? AND parent_hash=?)",
        ),
        ("SELECT id FROM epochs WHERE closed = 0 ORDER BY id", "epochs_open"),
        ("SELECT lines FROM audit_by_key WHERE run = ?1 AND tenant = ?2 AND kind = ?3 AND key = ?4", "PRIMARY KEY"),
        ("SELECT DISTINCT tenant FROM audit WHERE seq > ?1 ORDER BY tenant", "INTEGER PRIMARY KEY"),
    ] {
        let mut statement = reader.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let count = statement.parameter_count();
        let plan: Vec<String> = statement
            .query_map(rusqlite::params_from_iter(vec![Value::Integer(1); count]), |row| row.get(3))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert!(plan.iter().any(|step| step.contains(want)), "{sql}: {plan:?}");
    }
}
