//! Read leases: local reads between a line that says how many there may be and one that says how many there were.

mod child;
mod common;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use common::{Place, admin, billing, operator, tenant};
use pollster::block_on;
use strongroom::{
    AuditEntry, Code, Context, Delete, Lease, LeaseCounts, LeaseLimits, OpenOptions, Put, SecretPath, SecretValue,
    Secrets, Strongroom, SystemRandom, TenantChange, Timestamp, limits,
    store::{Maintenance, SqliteStore, Store},
    testing::{
        ManualClock,
        faulty::{Failure, FaultyStore, Step},
    },
};

const NOON: Timestamp = Timestamp(1_900_000_000_000_000);
/// Leases that a process has when it is killed: more than a few pages of anything.
const LEFT_OPEN: usize = 300;
/// What a change must be noticed within.
const SECOND: Duration = Duration::from_secs(1);

fn ground() -> (Place, Strongroom, Secrets) {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    for (at, value) in [("app/key", "hunter2"), ("app/db/password", "swordfish"), ("other", "x")] {
        put(&secrets, at, value);
    }
    (place, room, secrets)
}

fn path(path: &str) -> SecretPath {
    path.parse().unwrap()
}

fn put(secrets: &Secrets, at: &str, value: &str) {
    block_on(secrets.put(&path(at), SecretValue::text(value).unwrap(), Put::default())).unwrap();
}

fn lease(secrets: &Secrets, limits: LeaseLimits) -> Lease {
    block_on(secrets.lease(&path("app/key"), limits)).unwrap()
}

fn says(value: &SecretValue, text: &str) -> bool {
    value.matches(&SecretValue::text(text).unwrap())
}

/// The lines of a lease, without those of everybody else.
fn lines(room: &Strongroom, lease: strongroom::RequestId) -> Vec<AuditEntry> {
    let audit = room.tenant(&"acme".parse().unwrap()).acting_as(operator()).audit();
    let all = block_on(audit.show(0, 1_000)).unwrap().entries;
    all.into_iter().filter(|line| line.request == lease).collect()
}

/// Of a line: act, whether it is an intent, object, version (of a lease none: it is a time), count.
type Told<'a> = (&'a str, bool, Option<&'a str>, Option<u64>, Option<u64>);

fn told(lines: &[AuditEntry]) -> Vec<Told<'_>> {
    let version = |line: &AuditEntry| line.version.filter(|_| line.object_type.as_deref() != Some("lease"));
    lines
        .iter()
        .map(|line| (line.act.as_str(), line.intent, line.object.as_deref(), version(line), line.count))
        .collect()
}

/// Reads. The tests beside this one may keep the thread from looking for changes for a while; then nothing is read.
fn read(lease: &Lease) -> strongroom::Result<SecretValue> {
    let begin = Instant::now();
    loop {
        match lease.read() {
            Err(error) if error.code() == Code::LeaseUnchecked && begin.elapsed() < 10 * SECOND => {
                thread::sleep(Duration::from_millis(5));
            }
            read => return read,
        }
    }
}

/// Reads until that fails, and gives what it fails with. After a second nothing may be read.
fn until_refused(lease: &Lease) -> Code {
    let begin = Instant::now();
    loop {
        match read(lease) {
            Ok(_) => assert!(begin.elapsed() <= SECOND, "nobody noticed"),
            Err(error) => return error.code(),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_lease_is_two_lines_however_often_it_is_read() {
    let (_place, room, secrets) = ground();
    let limits = LeaseLimits { reads: 50, seconds: 60, bytes: 1_000 };
    let lease = lease(&secrets, limits);
    let before = Timestamp(room_time(&room));
    assert_eq!(lease.version().0, 1);
    for _ in 0..20 {
        assert!(says(&lease.read().unwrap(), "hunter2"));
    }
    assert_eq!(lease.counts(), LeaseCounts { reads: 20, bytes: 140, refused: 0 });
    let opened = lines(&room, lease.id());
    let key = Some("app/key");
    assert_eq!(
        told(&opened),
        [("lease.limit", false, None, None, Some(1_000)), ("secret.lease", true, key, Some(1), Some(50))]
    );
    let until = opened[0].version.unwrap();
    assert!((before.0 - 5_000_000..before.0 + 60_000_000).contains(&(until - 60_000_000)), "{until}");
    assert_eq!(opened[1].actor.as_deref(), Some("service:billing"));

    let id = lease.id();
    let closed = block_on(lease.close()).unwrap();
    assert_eq!(closed.counts.reads, 20);
    let all = lines(&room, id);
    assert_eq!(
        told(&all)[2..],
        [("lease.use", false, None, None, Some(140)), ("secret.lease", false, key, Some(1), Some(20))]
    );
    let verified = block_on(admin(&room).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    room.close().unwrap();
}

/// The time of the newest line.
fn room_time(room: &Strongroom) -> u64 {
    block_on(admin(room).status()).unwrap().head.time.0
}

#[test]
fn its_limits_are_hard_and_have_limits() {
    let (_place, room, secrets) = ground();
    let some = LeaseLimits::default();
    let by_reads = lease(&secrets, LeaseLimits { reads: 2, ..some });
    // Seven bytes a read: the third does not fit.
    let by_bytes = lease(&secrets, LeaseLimits { bytes: 20, ..some });
    for (lease, reads, bytes) in [(&by_reads, 2, 14), (&by_bytes, 2, 14)] {
        lease.read().unwrap();
        lease.read().unwrap();
        assert_eq!(lease.read().unwrap_err().code(), Code::LeaseExhausted);
        assert_eq!(lease.counts(), LeaseCounts { reads, bytes, refused: 1 });
    }
    for (limits, allowed) in [
        (LeaseLimits { reads: 0, ..some }, false),
        (LeaseLimits { reads: limits::LEASE_READS_MAX, ..some }, true),
        (LeaseLimits { reads: limits::LEASE_READS_MAX + 1, ..some }, false),
        (LeaseLimits { seconds: 0, ..some }, false),
        (LeaseLimits { seconds: limits::LEASE_SECONDS_MAX, ..some }, true),
        (LeaseLimits { seconds: limits::LEASE_SECONDS_MAX + 1, ..some }, false),
        (LeaseLimits { bytes: 0, ..some }, false),
        (LeaseLimits { bytes: limits::LEASE_BYTES_MAX, ..some }, true),
        (LeaseLimits { bytes: limits::LEASE_BYTES_MAX + 1, ..some }, false),
    ] {
        let opened = block_on(secrets.lease(&path("app/key"), limits)).map(drop).map_err(|error| error.code());
        assert_eq!(opened, if allowed { Ok(()) } else { Err(Code::LeaseInvalid) }, "{limits:?}");
    }
    for (at, code) in [("nothing", Code::SecretNotFound), ("app", Code::SecretNotFound)] {
        assert_eq!(block_on(secrets.lease(&path(at), some)).unwrap_err().code(), code);
    }
    room.close().unwrap();
}

#[test]
fn many_threads_share_a_lease_and_its_limit_holds() {
    let (_place, room, secrets) = ground();
    let lease = lease(&secrets, LeaseLimits { reads: 1_000, ..LeaseLimits::default() });
    let read: usize = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..400).filter(|_| lease.read().is_ok()).count())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let LeaseCounts { reads, refused, .. } = lease.counts();
    // Where nobody could look for changes for a second, fewer are read; never more.
    assert_eq!((read as u64, reads + refused), (reads, 1_600));
    assert!((1..=1_000).contains(&reads), "{reads}");
    room.close().unwrap();
}

#[test]
fn a_change_by_anybody_ends_it_within_a_second() {
    let (place, room, secrets) = ground();
    let elsewhere = place.open().unwrap();
    let there = elsewhere.tenant(&"acme".parse().unwrap()).acting_as(billing()).secrets();
    let close_tenant = || block_on(admin(&elsewhere).close_tenant(&"acme".parse().unwrap())).map(drop).unwrap();
    let delete = || block_on(there.delete(&path("app/key"), Delete::default())).map(drop).unwrap();
    let changes: [(&str, &dyn Fn()); 4] = [
        ("put here", &|| put(&secrets, "app/key", "new")),
        ("put by another process", &|| put(&there, "app/key", "newer")),
        ("deleted", &delete),
        ("tenant closed", &close_tenant),
    ];
    for (what, change) in changes {
        put(&secrets, "app/key", what);
        let lease = lease(&secrets, LeaseLimits { reads: 1_000_000, ..LeaseLimits::default() });
        lease.read().unwrap();
        // What is no change of the secret is none.
        put(&secrets, "other", what);
        thread::sleep(Duration::from_millis(900));
        assert!(read(&lease).is_ok_and(|value| says(&value, what)), "{what}");
        change();
        assert_eq!(until_refused(&lease), Code::LeaseEnded, "{what}");
    }
    elsewhere.close().unwrap();
    room.close().unwrap();
}

#[test]
fn a_folder_is_leased_whole_and_each_of_its_secrets_is_named() {
    let (_place, room, secrets) = ground();
    let lease = block_on(secrets.lease_folder(&"app".parse().unwrap(), LeaseLimits::default())).unwrap();
    assert_eq!(lease.paths(), [path("db/password"), path("key")]);
    assert!(says(&lease.read(&path("key")).unwrap(), "hunter2"));
    assert!(says(&lease.read(&path("db/password")).unwrap(), "swordfish"));
    assert_eq!(lease.read(&path("other")).unwrap_err().code(), Code::SecretNotFound);
    put(&secrets, "app/new", "1");
    assert!(lease.read(&path("new")).is_err(), "what came later is not under it");
    let id = lease.id();
    assert_eq!(block_on(lease.close()).unwrap().counts, LeaseCounts { reads: 2, bytes: 16, refused: 2 });
    assert_eq!(
        told(&lines(&room, id)),
        [
            ("lease.secret", false, Some("app/db/password"), Some(1), None),
            ("lease.secret", false, Some("app/key"), Some(1), None),
            ("lease.limit", false, None, None, Some(16 * 1024 * 1024)),
            ("secret.lease", true, Some("app/"), None, Some(1_000)),
            ("lease.use", false, None, None, Some(16)),
            ("secret.lease", false, Some("app/"), None, Some(2)),
        ]
    );
    room.close().unwrap();
}

#[test]
fn one_that_is_dropped_or_left_open_is_closed_in_the_log_all_the_same() {
    let (place, room, secrets) = ground();
    let dropped = lease(&secrets, LeaseLimits::default());
    dropped.read().unwrap();
    let id = dropped.id();
    drop(dropped);
    let begin = Instant::now();
    while lines(&room, id).len() < 4 {
        assert!(begin.elapsed() < SECOND, "not recorded");
        thread::sleep(Duration::from_millis(20));
    }
    let (left, ids) = (lease(&secrets, LeaseLimits::default()), [id]);
    left.read().unwrap();
    let ids = [ids[0], left.id()];
    room.close().unwrap();
    assert_eq!(left.read().unwrap_err().code(), Code::Closed);

    let room = place.open().unwrap();
    for id in ids {
        let (lines, key) = (lines(&room, id), Some("app/key"));
        assert_eq!(told(&lines)[3], ("secret.lease", false, key, Some(1), Some(1)), "{id:?}");
        assert_eq!(lines[3].code, "ok");
    }
    room.close().unwrap();
}

#[test]
fn when_its_time_is_over_it_is_wiped_and_recorded() {
    let (place, room) = Place::software();
    room.close().unwrap();
    let clock = Arc::new(ManualClock::at(NOON));
    let options = OpenOptions::default().injected(clock.clone(), Arc::new(SystemRandom));
    let room = block_on(Strongroom::open_with(&place.deployment, place.device().unwrap(), options)).unwrap();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "app/key", "hunter2");
    let lease = lease(&secrets, LeaseLimits { seconds: 60, ..LeaseLimits::default() });
    lease.read().unwrap();
    clock.advance(Duration::from_secs(59));
    // The clock stood still while the thread looked: it has to look again.
    assert!(read(&lease).is_ok(), "the last second");
    clock.advance(Duration::from_secs(1));
    assert_eq!(lease.read().unwrap_err().code(), Code::LeaseExpired);
    let (id, counts) = (lease.id(), lease.counts());
    let begin = Instant::now();
    while lines(&room, id).len() < 4 {
        assert!(begin.elapsed() < 5 * SECOND, "the end of an expired lease is not recorded");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(lines(&room, id)[3].count, Some(counts.reads));
    room.close().unwrap();
}

#[test]
fn where_an_operator_allows_no_leases_there_are_none_and_those_there_were_end() {
    let (_place, room, secrets) = ground();
    let (admin, acme) = (admin(&room), "acme".parse().unwrap());
    let before = lease(&secrets, LeaseLimits::default());
    let (info, _) = block_on(admin.set_tenant(&acme, TenantChange::default().leases(false))).unwrap();
    assert!(!info.settings.leases);
    assert_eq!(until_refused(&before), Code::LeaseEnded);
    let opened = || block_on(secrets.lease(&path("app/key"), LeaseLimits::default())).map_err(|error| error.code());
    assert_eq!(opened().err(), Some(Code::LeaseDenied));
    let folder = "app".parse().unwrap();
    let refused = block_on(secrets.lease_folder(&folder, LeaseLimits::default())).unwrap_err();
    assert_eq!(refused.code(), Code::LeaseDenied);
    block_on(admin.set_tenant(&acme, TenantChange::default().leases(true))).unwrap();
    let again = opened().unwrap();

    block_on(admin.suspend_tenant(&acme)).unwrap();
    assert_eq!(until_refused(&again), Code::LeaseEnded);
    assert_eq!(opened().err(), Some(Code::TenantSuspended));
    block_on(admin.resume_tenant(&acme)).unwrap();
    opened().unwrap();
    room.close().unwrap();
}

#[test]
fn so_many_secrets_may_be_under_lease_and_not_one_more() {
    let (_place, room, secrets) = ground();
    let some = LeaseLimits::default();
    let mut leases: Vec<_> = (0..limits::LEASED_SECRETS_MAX).map(|_| lease(&secrets, some)).collect();
    assert_eq!(block_on(secrets.lease(&path("app/key"), some)).unwrap_err().code(), Code::LeaseLimit);
    block_on(leases.pop().unwrap().close()).unwrap();
    lease(&secrets, some).read().unwrap();
    room.close().unwrap();
}

#[test]
fn child_leases_until_killed() {
    if !child::role("child_leases_until_killed") {
        return;
    }
    let room = child::open();
    let secrets = room.tenant(&"acme".parse().unwrap()).acting_as(billing()).secrets();
    let leases: Vec<_> = (0..LEFT_OPEN).map(|_| lease(&secrets, LeaseLimits::default())).collect();
    leases.iter().for_each(|lease| drop(lease.read().unwrap()));
    child::say(&strongroom_log::hex_encode(leases[0].id().as_bytes()));
    child::wait();
}

#[test]
fn of_a_killed_process_the_log_keeps_what_it_was_allowed_and_says_that_nobody_knows_more() {
    let (place, room, secrets) = ground();
    let ours = lease(&secrets, LeaseLimits::default());
    let mut process = child::start("child_leases_until_killed", &place, &[]);
    let id = process.next().unwrap();
    process.kill_after(Duration::ZERO);
    // Whoever opens next sees that it is dead, and that we are not.
    place.open().unwrap().close().unwrap();
    let theirs: Vec<_> = {
        let audit = room.tenant(&"acme".parse().unwrap()).acting_as(operator()).audit();
        let all = block_on(audit.show(0, 1_000)).unwrap().entries;
        all.into_iter().filter(|line| strongroom_log::hex_encode(line.request.as_bytes()) == id).collect()
    };
    let key = Some("app/key");
    assert_eq!(told(&theirs)[1], ("secret.lease", true, key, Some(1), Some(1_000)));
    let ends: Vec<_> = theirs[2..].iter().map(|line| (line.act.as_str(), line.intent, line.code.as_str())).collect();
    assert_eq!(ends, [("secret.lease", false, "SR-EFFECT-UNKNOWN")]);
    let open: i64 = place.thief().query_row("SELECT count(*) FROM intents", [], |row| row.get(0)).unwrap();
    assert_eq!(open, 1, "ours");
    assert!(read(&ours).is_ok());
    room.close().unwrap();
}

#[cfg(unix)]
#[test]
#[allow(unsafe_code, reason = "there is no other fork")]
fn in_a_forked_child_every_lease_is_void() {
    let (_place, room, secrets) = ground();
    let lease = lease(&secrets, LeaseLimits::default());
    lease.read().unwrap();
    // SAFETY: the child reads memory, compares a number, and leaves without a destructor.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let void = lease.read().is_err_and(|error| error.code() == Code::Closed);
        // SAFETY: ends this process.
        unsafe { libc::_exit(if void { 42 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(libc::WEXITSTATUS(status), 42);
    assert!(lease.read().is_ok(), "ours stands");
    room.close().unwrap();
}

#[test]
fn without_a_durable_line_there_is_no_lease() {
    let (place, room, _) = ground();
    room.close().unwrap();
    let sqlite = SqliteStore::open(&place.deployment.database(), Maintenance::Background).unwrap();
    let store = Arc::new(FaultyStore::new(Arc::new(sqlite)));
    let seam: Arc<dyn Store> = Arc::<FaultyStore>::clone(&store);
    let room = block_on(Strongroom::open_in(seam, place.device().unwrap(), OpenOptions::default())).unwrap();
    let secrets = room.tenant(&"acme".parse().unwrap()).acting_as(billing()).secrets();
    // Its end would be a commit in between.
    let standing = lease(&secrets, LeaseLimits::default());
    standing.read().unwrap();
    let open = || block_on(secrets.lease(&path("app/key"), LeaseLimits::default())).map_err(|error| error.code());
    for failure in [Failure::NotDone(Code::StoreUnavailable), Failure::YetDone(Code::StoreUnavailable)] {
        store.fail(Step::Commit, 1, failure);
        assert_eq!(open().err(), Some(Code::StoreUnavailable), "{failure:?}");
    }
    store.fail(Step::Sync, 1, Failure::NotDone(Code::StoreUnavailable));
    assert_eq!(open().err(), Some(Code::StoreUnavailable));
    store.open_again();

    // Where the end cannot be recorded, the value is gone all the same, and its intent stands.
    let leased = open().unwrap();
    store.fail(Step::Commit, 1, Failure::NotDone(Code::StoreUnavailable));
    let id = leased.id();
    assert_eq!(block_on(leased.close()).unwrap_err().code(), Code::StoreUnavailable);
    assert!(lines(&room, id).iter().all(|line| line.intent || line.act == "lease.limit"));
    room.close().unwrap();
}

#[test]
fn a_refusal_is_one_line_and_leaves_no_lease() {
    let (_place, room, secrets) = ground();
    let none = LeaseLimits { reads: 0, ..LeaseLimits::default() };
    assert_eq!(block_on(secrets.lease(&path("app/key"), none)).unwrap_err().code(), Code::LeaseInvalid);
    assert_eq!(
        block_on(secrets.lease(&path("none"), LeaseLimits::default())).unwrap_err().code(),
        Code::SecretNotFound
    );
    let root = "app".parse().unwrap();
    assert_eq!(block_on(secrets.lease_folder(&root, none)).unwrap_err().code(), Code::LeaseInvalid);
    let audit = room.tenant(&"acme".parse().unwrap()).acting_as(operator()).audit();
    let all = block_on(audit.show(0, 1_000)).unwrap().entries;
    let refused: Vec<_> =
        all.iter().filter(|line| line.act.contains("lease")).map(|line| (line.code.as_str(), line.intent)).collect();
    let wanted = ["SR-LEASE-INVALID", "SR-SECRET-NOT-FOUND", "SR-LEASE-INVALID"];
    assert_eq!(refused, wanted.map(|code| (code, false)));
    room.close().unwrap();
}

#[test]
fn a_lease_says_nothing_of_its_value() {
    let (_place, room, secrets) = ground();
    let context: Context = billing();
    let lease = lease(&secrets, LeaseLimits::default());
    assert!(!format!("{lease:?} {context:?}").contains("hunter2"));
    room.close().unwrap();
}
