//! Until when secrets and versions may be read, and what keeps them from it meanwhile: disabled, archived.

mod common;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use common::{Place, admin, operator, tenant};
use pollster::block_on;
use strongroom::{
    After, AuditEntry, Code, Delete, Entry, Expiry, Folder, Get, LeaseLimits, OpenOptions, Patch, Promote, Put,
    SecretPath, SecretValue, Secrets, Stage, StateCode, Strongroom, SystemRandom, Timestamp, Update, Verdict, Version,
    VersionState,
    store::{Maintenance, SqliteStore, Store},
    testing::{
        ManualClock,
        faulty::{Failure, FaultyStore, Step},
    },
    transfer::template::Template,
};

const NOON: Timestamp = Timestamp(1_900_000_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn at(path: &str) -> SecretPath {
    path.parse().unwrap()
}

/// A deployment whose clock stands still.
struct Ground {
    place: Place,
    clock: Arc<ManualClock>,
}

impl Ground {
    fn new() -> Self {
        let (place, room) = Place::software();
        tenant(&room, "acme");
        room.close().unwrap();
        Self { place, clock: Arc::new(ManualClock::at(NOON)) }
    }

    fn options(&self) -> OpenOptions {
        OpenOptions::default().injected(self.clock.clone(), Arc::new(SystemRandom))
    }

    fn open(&self) -> Strongroom {
        let device = self.place.device().unwrap();
        block_on(Strongroom::open_with(&self.place.deployment, device, self.options())).unwrap()
    }
}

fn json(text: &str) -> SecretValue {
    SecretValue::json(text).unwrap()
}

fn put(secrets: &Secrets, path: &str, options: Put) {
    block_on(secrets.put(&at(path), json("{}"), options)).unwrap();
}

fn code<T>(result: strongroom::Result<T>) -> Option<Code> {
    result.err().map(|error| error.code())
}

/// The lines of the system in the tenant's log.
fn events(room: &Strongroom) -> Vec<AuditEntry> {
    let page = block_on(tenant(room, "acme").audit().show(0, 1_000)).unwrap();
    page.entries.into_iter().filter(|entry| entry.actor.as_deref() == Some("system")).collect()
}

/// Waits for so many events, and a little longer, in which there shall be no more. Act, path and version of each.
fn wait_for(room: &Strongroom, count: usize) -> Vec<(String, Option<String>, Option<u64>)> {
    let begin = Instant::now();
    while events(room).len() < count {
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", events(room));
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_millis(1_200));
    let found = events(room);
    assert_eq!(found.len(), count, "{found:?}");
    assert!(found.iter().all(|entry| entry.ok && !entry.intent));
    found.into_iter().map(|entry| (entry.act, entry.object, entry.version)).collect()
}

fn demand_sound(room: &Strongroom) {
    let audit = tenant(room, "acme").audit();
    let state = block_on(audit.check_state()).unwrap();
    assert!(state.is_ok(), "{:?}", state.findings);
    let verified = block_on(admin(room).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
}

/// What each way to read a secret says.
fn readings(secrets: &Secrets, path: &str) -> [Option<Code>; 5] {
    let template = Arc::new(Template::parse(format!("{{{{ secret \"{path}\" }}}}").as_bytes()).unwrap());
    [
        code(block_on(secrets.get(&at(path), Get::current()))),
        code(block_on(secrets.lease(&at(path), LeaseLimits::default()))),
        code(block_on(secrets.try_current(&at(path), |_, _| Verdict::Accept(())))),
        code(block_on(secrets.render(&template))),
        code(block_on(secrets.patch(&at(path), json("{}"), Patch::default()))),
    ]
}

fn exported(secrets: &Secrets) -> Vec<String> {
    let exported = block_on(secrets.export(&Folder::root())).unwrap();
    let lease = block_on(secrets.lease_folder(&Folder::root(), LeaseLimits::default())).unwrap();
    let paths: Vec<_> = exported.secrets.iter().map(|secret| secret.path.to_string()).collect();
    assert_eq!(lease.paths().iter().map(ToString::to_string).collect::<Vec<_>>(), paths);
    block_on(lease.close()).unwrap();
    paths
}

#[test]
fn a_version_is_refused_when_its_time_is_over_and_that_is_an_event() {
    let ground = Ground::new();
    let room = ground.open();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a", Put::default());
    put(&secrets, "a", Put::default().version_expires(Expiry::In(MINUTE)));
    put(&secrets, "b", Put::default());
    ground.clock.advance(MINUTE - Duration::from_micros(1));
    assert_eq!(code(block_on(secrets.get(&at("a"), Get::current()))), None);
    let lease = block_on(secrets.lease(&at("a"), LeaseLimits::default())).unwrap();
    lease.read().unwrap();
    ground.clock.advance(Duration::from_micros(1));
    assert_eq!(readings(&secrets, "a"), [Some(Code::VersionExpired); 5]);
    assert_eq!(code(lease.read()), Some(Code::LeaseExpired), "a lease does not outlive it");
    assert_eq!(exported(&secrets), ["b"]);
    assert_eq!(code(block_on(secrets.get(&at("a"), Get::stage(Stage::Previous)))), None, "the other version");

    let event = ("secret.expire-version".to_owned(), Some("a".to_owned()), Some(2));
    assert_eq!(wait_for(&room, 1), std::slice::from_ref(&event));
    let versions = block_on(secrets.versions(&at("a"))).unwrap().versions;
    assert_eq!((versions[0].state, versions[1].state), (VersionState::Expired, VersionState::Enabled));
    assert_eq!(versions[0].expires_at, Some(NOON.after(MINUTE)));
    demand_sound(&room);

    // More time, and that is over too.
    let extended = block_on(secrets.extend_version(&at("a"), Version(2), Expiry::In(MINUTE))).unwrap();
    assert_eq!(extended.expires_at, Some(NOON.after(2 * MINUTE)));
    assert_eq!(readings(&secrets, "a")[..4], [None; 4]);
    ground.clock.advance(MINUTE);
    let versions = block_on(secrets.versions(&at("a"))).unwrap().versions;
    assert_eq!(versions[1].state, VersionState::Expired, "told so before any line says it");
    wait_for(&room, 2);
    demand_sound(&room);
    let back = block_on(secrets.promote(&at("a"), Promote::previous())).map(drop);
    assert_eq!(code(back), Some(Code::VersionExpired));
    for (act, want) in [
        (code(block_on(secrets.extend_version(&at("a"), Version(9), Expiry::Never))), Code::VersionNotFound),
        (code(block_on(secrets.extend_version(&at("none"), Version(1), Expiry::Never))), Code::SecretNotFound),
        (code(block_on(secrets.extend_version(&at("a"), Version(2), Expiry::At(NOON)))), Code::ExpiryInvalid),
        (code(block_on(secrets.enable_versions(&at("a"), &[Version(2)]))), Code::VersionExpired),
    ] {
        assert_eq!(act, Some(want));
    }
    let forever = block_on(secrets.extend_version(&at("a"), Version(2), Expiry::Never)).unwrap();
    assert_eq!((forever.expires_at, code(block_on(secrets.get(&at("a"), Get::version(Version(2)))))), (None, None));
}

#[test]
fn a_secret_is_refused_when_its_time_is_over_and_that_is_an_event() {
    let ground = Ground::new();
    let room = ground.open();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a", Put::default().expires(Expiry::At(NOON.after(MINUTE))));
    put(&secrets, "b", Put::default().expires(Expiry::In(2 * MINUTE)));
    put(&secrets, "b", Put::default());
    ground.clock.advance(MINUTE);
    assert_eq!(readings(&secrets, "a"), [Some(Code::SecretExpired); 5]);
    assert_eq!(exported(&secrets), ["b"]);
    let refused = block_on(secrets.put(&at("a"), json("{}"), Put::default()));
    assert_eq!(code(refused), Some(Code::SecretExpired));
    let event = |path: &str| ("secret.expire".to_owned(), Some(path.to_owned()), None);
    assert_eq!(wait_for(&room, 1), [event("a")]);
    let told = block_on(secrets.describe(&at("a"))).unwrap();
    assert_eq!((told.is_expired, told.expires_at), (true, Some(NOON.after(MINUTE))));
    demand_sound(&room);

    block_on(secrets.update(&at("a"), Update::default().expires(Expiry::In(MINUTE)))).unwrap();
    assert_eq!(readings(&secrets, "a"), [None; 5]);
    ground.clock.advance(MINUTE);
    assert_eq!(readings(&secrets, "a"), [Some(Code::SecretExpired); 5]);
    let mut found = wait_for(&room, 3);
    found.sort();
    assert_eq!(found, [event("a"), event("a"), event("b")]);
    put(&secrets, "a", Put::default().expires(Expiry::Never));
    assert_eq!(readings(&secrets, "a"), [None; 5]);
    block_on(secrets.delete(&at("b"), Delete::default())).unwrap();
    demand_sound(&room);
}

#[test]
fn two_processes_write_one_event_and_one_that_was_away_catches_up() {
    let ground = Ground::new();
    let (one, two) = (ground.open(), ground.open());
    let secrets = tenant(&one, "acme").secrets();
    for number in 0..100 {
        put(&secrets, &format!("n/{number}"), Put::default().version_expires(Expiry::In(MINUTE)));
    }
    put(&secrets, "late", Put::default().expires(Expiry::In(3 * MINUTE)).version_expires(Expiry::In(2 * MINUTE)));
    ground.clock.advance(MINUTE);
    let mut found = wait_for(&two, 100);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 100, "each once, from both processes");
    demand_sound(&one);
    drop(secrets);
    one.close().unwrap();
    two.close().unwrap();
    ground.clock.advance(2 * MINUTE);
    let room = ground.open();
    let late = |act: &str, version| (act.to_owned(), Some("late".to_owned()), version);
    let found = wait_for(&room, 102);
    assert_eq!(found[100..], [late("secret.expire-version", Some(1)), late("secret.expire", None)]);
    demand_sound(&room);
}

/// One that opens only for a moment does it too.
#[test]
fn a_process_that_ends_at_once_has_looked() {
    let ground = Ground::new();
    let room = ground.open();
    put(&tenant(&room, "acme").secrets(), "a", Put::default().version_expires(Expiry::In(MINUTE)));
    room.close().unwrap();
    ground.clock.advance(MINUTE);
    ground.open().close().unwrap();
    let lines: i64 = ground
        .place
        .thief()
        .query_row("SELECT count(*) FROM audit WHERE instr(line, 'secret.expire-version')", [], |row| row.get(0))
        .unwrap();
    assert_eq!(lines, 1);
}

#[test]
fn a_suspended_tenant_gets_its_events_when_it_is_resumed_and_a_closed_one_none() {
    let ground = Ground::new();
    let room = ground.open();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a", Put::default().version_expires(Expiry::In(MINUTE)));
    put(&tenant(&room, "other").secrets(), "b", Put::default().version_expires(Expiry::In(MINUTE)));
    block_on(admin(&room).suspend_tenant(&"acme".parse().unwrap())).unwrap();
    block_on(admin(&room).close_tenant(&"other".parse().unwrap())).unwrap();
    ground.clock.advance(MINUTE);
    thread::sleep(Duration::from_millis(1_200));
    let lines = || -> i64 {
        let sql = "SELECT count(*) FROM audit WHERE instr(line, 'secret.expire-version')";
        ground.place.thief().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(lines(), 0);
    block_on(admin(&room).resume_tenant(&"acme".parse().unwrap())).unwrap();
    wait_for(&room, 1);
    assert_eq!(lines(), 1);
}

#[test]
fn an_event_whose_commit_fails_is_written_once_all_the_same() {
    for failure in [Failure::NotDone(Code::StoreUnavailable), Failure::YetDone(Code::StoreUnavailable)] {
        let ground = Ground::new();
        let sqlite = SqliteStore::open(&ground.place.deployment.database(), Maintenance::Background).unwrap();
        let store = Arc::new(FaultyStore::new(Arc::new(sqlite)));
        let seam: Arc<dyn Store> = Arc::<FaultyStore>::clone(&store);
        let room = block_on(Strongroom::open_in(seam, ground.place.device().unwrap(), ground.options())).unwrap();
        put(&tenant(&room, "acme").secrets(), "a", Put::default().version_expires(Expiry::In(MINUTE)));
        thread::sleep(Duration::from_millis(300));
        store.fail(Step::Commit, 1, failure);
        ground.clock.advance(MINUTE);
        let begin = Instant::now();
        while store.pending() > 0 {
            assert!(begin.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(20));
        }
        wait_for(&room, 1);
        demand_sound(&room);
    }
}

#[test]
fn what_is_disabled_or_archived_is_not_read_until_it_comes_back() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a", Put::default());
    put(&secrets, "a", Put::default());
    put(&secrets, "b", Put::default());
    let path = at("a");
    let ended = |what: &str, end: &dyn Fn()| {
        let lease = block_on(secrets.lease(&path, LeaseLimits::default())).unwrap();
        lease.read().unwrap();
        end();
        thread::sleep(Duration::from_secs(1));
        assert!(lease.read().is_err(), "a lease on what is {what} has ended within a second");
    };
    ended("disabled", &|| assert!(block_on(secrets.disable(&path)).unwrap().changed));
    assert!(!block_on(secrets.disable(&path)).unwrap().changed);
    assert_eq!(readings(&secrets, "a"), [Some(Code::SecretDisabled); 5]);
    assert_eq!(exported(&secrets), ["b"]);
    put(&secrets, "a", Put::default());
    assert!(block_on(secrets.enable(&path)).unwrap().changed);
    assert!(!block_on(secrets.enable(&path)).unwrap().changed);
    assert_eq!(readings(&secrets, "a"), [None; 5]);

    ended("archived", &|| assert!(block_on(secrets.archive(&path)).unwrap().changed));
    assert!(!block_on(secrets.archive(&path)).unwrap().changed);
    assert_eq!(readings(&secrets, "a"), [Some(Code::SecretArchived); 5]);
    assert_eq!(code(block_on(secrets.put(&path, json("1"), Put::default()))), Some(Code::SecretArchived));
    let pending = block_on(secrets.put_pending(&path, json("1"), Put::default()));
    assert_eq!(code(pending), Some(Code::SecretArchived));
    assert_eq!(code(block_on(secrets.promote(&path, Promote::previous()))), Some(Code::SecretArchived));
    let listed = |archived: bool| {
        let root = Folder::root();
        let page = match archived {
            true => block_on(secrets.list_archived(&root, After::start(), 10)),
            false => block_on(secrets.list(&root, After::start(), 10)),
        };
        page.unwrap().entries
    };
    let secret = |path: &str| Entry::Secret(at(path));
    assert_eq!((listed(false), listed(true)), (vec![secret("b")], vec![secret("a"), secret("b")]));
    assert!(block_on(secrets.describe(&path)).unwrap().is_archived);
    assert!(block_on(secrets.unarchive(&path)).unwrap().changed);
    assert_eq!((readings(&secrets, "a"), listed(false).len()), ([None; 5], 2));
    block_on(secrets.archive(&path)).unwrap();
    block_on(secrets.delete(&path, Delete::default())).unwrap();

    let b = at("b");
    let versions = [Version(1)];
    let changed = |done: strongroom::Result<strongroom::VersionsChanged>| done.map(|done| done.changed.len());
    assert_eq!(changed(block_on(secrets.disable_versions(&b, &versions))).unwrap(), 1);
    assert_eq!(changed(block_on(secrets.disable_versions(&b, &versions))).unwrap(), 0);
    assert_eq!(readings(&secrets, "b"), [Some(Code::VersionUnavailable); 5]);
    assert_eq!(changed(block_on(secrets.enable_versions(&b, &versions))).unwrap(), 1);
    assert_eq!(changed(block_on(secrets.enable_versions(&b, &versions))).unwrap(), 0);
    assert_eq!(code(block_on(secrets.get(&b, Get::current()))), None);
    block_on(secrets.delete_versions(&b, &versions)).unwrap();
    for refused in [block_on(secrets.enable_versions(&b, &versions)), block_on(secrets.disable_versions(&b, &versions))]
    {
        assert_eq!(code(refused), Some(Code::VersionUnavailable));
    }
    block_on(secrets.destroy_versions(&b, &versions)).unwrap();
    assert_eq!(code(block_on(secrets.enable_versions(&b, &versions))), Some(Code::VersionDestroyed));
    demand_sound(&room);
}

/// Rows of before an expiry, or of before somebody disabled or archived a secret, are put back by a thief.
#[test]
fn a_state_that_is_put_back_is_found() {
    for (what, table) in [("expired", "secret_versions"), ("expired", "secrets"), ("archived", "secrets")] {
        let ground = Ground::new();
        let room = ground.open();
        let secrets = tenant(&room, "acme").secrets();
        put(&secrets, "a", Put::default().version_expires(Expiry::In(MINUTE)));
        let thief = ground.place.thief();
        thief.execute_batch(&format!("CREATE TABLE kept AS SELECT * FROM {table}")).unwrap();
        match what {
            "archived" => drop(block_on(secrets.archive(&at("a"))).unwrap()),
            _ => {
                ground.clock.advance(MINUTE);
                wait_for(&room, 1);
                // Where nothing is due any more, nothing is recorded again.
                ground.clock.set_wall(NOON);
            }
        }
        demand_sound(&room);
        thief
            .execute_batch(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept; DROP TABLE kept"))
            .unwrap();
        let state =
            block_on(room.tenant(&"acme".parse().unwrap()).acting_as(operator()).audit().check_state()).unwrap();
        let codes: Vec<_> = state.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [StateCode::Replayed], "{what}, {table}: {:?}", state.findings);
    }
}

/// An index that says too much, or rows that are not ours, make no event.
#[test]
fn what_the_index_says_is_not_believed() {
    let ground = Ground::new();
    let room = ground.open();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a", Put::default().expires(Expiry::In(2 * MINUTE)));
    put(&secrets, "b", Put::default().version_expires(Expiry::In(2 * MINUTE)));
    let thief = ground.place.thief();
    thief.execute_batch("UPDATE secrets SET expires_at = 1; UPDATE secret_versions SET expires_at = 1").unwrap();
    thread::sleep(Duration::from_millis(2_000));
    assert_eq!(events(&room).len(), 0);
    thief.execute_batch(&format!("UPDATE secret_versions SET expires_at = {}", NOON.after(2 * MINUTE).0)).unwrap();
    thief.execute_batch("UPDATE secret_versions SET expires_at = NULL WHERE seq = 1").unwrap();
    assert_eq!(code(block_on(secrets.get(&at("a"), Get::current()))), None);
    ground.clock.advance(2 * MINUTE);
    assert_eq!(code(block_on(secrets.get(&at("a"), Get::current()))), Some(Code::SecretExpired));
}
