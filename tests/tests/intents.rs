//! What is done outside the database has a line before it and one after; where the process dies in between,
//! another says that nobody knows what became of it.

mod child;
mod common;

use std::{path::Path, sync::Arc, time::Duration};

use common::{Place, operator, tenant};
use pollster::block_on;
use strongroom::{
    AuditEntry, Code, Context, OpenOptions, RequestId, Strongroom, SystemRandom, Timestamp,
    store::{Maintenance, SqliteStore, Store},
    testing::{
        ManualClock,
        faulty::{Failure, FaultyStore, Step},
    },
};

const MINUTE: Duration = Duration::from_secs(60);
const NOON: Timestamp = Timestamp(1_900_000_000_000_000);

/// A deployment whose store fails on cue, and whose clock stands still.
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

    fn open(&self) -> (Strongroom, Arc<FaultyStore>) {
        let sqlite = SqliteStore::open(&self.place.deployment.database(), Maintenance::Background).unwrap();
        let store = Arc::new(FaultyStore::new(Arc::new(sqlite)));
        let options = OpenOptions::default().injected(self.clock.clone(), Arc::new(SystemRandom));
        let seam: Arc<dyn Store> = Arc::<FaultyStore>::clone(&store);
        let room = block_on(Strongroom::open_in(seam, self.place.device().unwrap(), options)).unwrap();
        (room, store)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.place.folder.path().join(name)
    }

    /// The intents without a result.
    fn open_intents(&self) -> Vec<String> {
        let sqlite = SqliteStore::open(&self.place.deployment.database(), Maintenance::Background).unwrap();
        let rows = sqlite.snapshot().unwrap().intents(10).unwrap();
        rows.into_iter().map(|row| row.act).collect()
    }
}

fn context() -> Context {
    operator().request(RequestId::from_bytes([7; 16]))
}

fn export(room: &Strongroom, file: &Path) -> Result<(), Code> {
    let audit = room.tenant(&"acme".parse().unwrap()).acting_as(context()).audit();
    block_on(audit.export(file)).map(drop).map_err(|error| error.code())
}

fn back_up(room: &Strongroom, file: &Path) -> Result<(), Code> {
    block_on(room.admin(context()).back_up(file, |_, _| {})).map(drop).map_err(|error| error.code())
}

/// The lines of our request, in the log of acme or in that of the deployment.
fn lines(room: &Strongroom, act: &str) -> Vec<AuditEntry> {
    let audit = match act {
        "audit.export" => room.tenant(&"acme".parse().unwrap()).acting_as(operator()).audit(),
        _ => room.admin(operator()).audit(),
    };
    let lines = block_on(audit.show(0, 1_000)).unwrap().entries;
    lines.into_iter().filter(|line| line.act == act && line.request == RequestId::from_bytes([7; 16])).collect()
}

/// Of each line: its phase, its outcome, and whether the system wrote it.
fn told(lines: &[AuditEntry]) -> Vec<(&str, &str, bool)> {
    let phase = |line: &AuditEntry| if line.intent { "intent" } else { "result" };
    lines.iter().map(|line| (phase(line), line.code.as_str(), line.actor.as_deref() == Some("system"))).collect()
}

#[test]
fn a_line_before_and_a_line_after_and_nothing_is_left_open() {
    let ground = Ground::new();
    let (room, _) = ground.open();
    export(&room, &ground.file("bundle")).unwrap();
    back_up(&room, &ground.file("backup")).unwrap();
    for act in ["audit.export", "backup.create"] {
        assert_eq!(told(&lines(&room, act)), [("intent", "ok", false), ("result", "ok", false)], "{act}");
    }
    // Refused before anything was begun: one line.
    assert_eq!(export(&room, &ground.file("bundle")), Err(Code::BackupExists));
    assert_eq!(told(&lines(&room, "audit.export"))[2..], [("result", "SR-BACKUP-EXISTS", false)]);
    // What fails after that has its result too.
    let nowhere = ground.file("no such folder").join("bundle");
    let code = export(&room, &nowhere).unwrap_err();
    assert_eq!(told(&lines(&room, "audit.export"))[3..], [("intent", "ok", false), ("result", code.name(), false)]);
    assert_eq!(ground.open_intents(), Vec::<String>::new());
    room.close().unwrap();
}

#[test]
fn what_a_dead_process_began_ends_unknown_and_what_a_living_one_began_is_left_alone() {
    let ground = Ground::new();
    let (dying, store) = ground.open();
    // It goes on in the lines of this process, so that only the two results are lost.
    for act in [export as fn(&Strongroom, &Path) -> _, back_up] {
        store.fail(Step::Commit, 2, Failure::NotDone(Code::StoreUnavailable));
        act(&dying, &ground.file("lost")).unwrap_err();
    }
    assert_eq!(ground.open_intents(), ["backup.create", "audit.export"]);
    assert!(!ground.file("lost").exists(), "what is not recorded as done does not appear");

    // Its epoch is open as far as anybody can tell: it may be alive.
    let (other, _) = ground.open();
    assert_eq!(told(&lines(&other, "audit.export")), [("intent", "ok", false)]);
    assert_eq!(ground.open_intents().len(), 2);
    other.close().unwrap();

    ground.clock.advance(31 * MINUTE);
    let (other, _) = ground.open();
    for act in ["audit.export", "backup.create"] {
        assert_eq!(
            told(&lines(&other, act)),
            [("intent", "ok", false), ("result", "SR-EFFECT-UNKNOWN", true)],
            "{act}"
        );
    }
    assert_eq!(ground.open_intents(), Vec::<String>::new());
    let verified = block_on(other.admin(operator()).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    other.close().unwrap();
    // The one that was given up is alive after all. Its handle is dropped without a closing line.
    drop(dying);
}

/// Begins a backup and stops in the middle of it, until it is told to go on.
#[test]
fn child_backs_up() {
    if !child::role("child_backs_up") {
        return;
    }
    let room = child::open();
    let number = child::argument("CHILD_NUMBER").parse().unwrap();
    let context = operator().request(RequestId::from_bytes([number; 16]));
    let file = child::deployment().folder().with_file_name(format!("backup-{number}"));
    let mut has_stopped = false;
    let made = block_on(room.admin(context).back_up(&file, move |_, _| {
        if !std::mem::replace(&mut has_stopped, true) {
            child::say("under way");
            child::wait();
        }
    }));
    child::say(made.map_or_else(|error| error.code().name(), |_| "made"));
    room.close().unwrap();
}

#[test]
fn what_a_killed_process_began_ends_at_the_next_start_and_what_another_has_under_way_does_not() {
    let ground = Ground::new();
    let begin = |number: u8| {
        let mut child = child::start("child_backs_up", &ground.place, &[("CHILD_NUMBER", number.to_string())]);
        child.demand("under way");
        child
    };
    let demand = |room: &Strongroom, number, ended: &[(&str, &str, bool)]| {
        let lines = block_on(room.admin(operator()).audit().show(0, 1_000)).unwrap().entries;
        let ours = lines.into_iter().filter(|line| line.request == RequestId::from_bytes([number; 16]));
        let want = [&[("intent", "ok", false)], ended].concat();
        assert_eq!(told(&ours.collect::<Vec<_>>()), want, "process {number}");
    };
    let unknown = ("result", "SR-EFFECT-UNKNOWN", true);
    let (first, mut second, third, fourth) = (begin(1), begin(2), begin(3), begin(4));

    // All of them are alive.
    let room = ground.place.open().unwrap();
    (1..=4).for_each(|number| demand(&room, number, &[]));
    // One dies while others have the deployment open: whoever opens it next sees to that.
    assert!(first.kill_after(Duration::ZERO).is_empty());
    ground.place.open().unwrap().close().unwrap();
    demand(&room, 1, &[unknown]);
    (2..=4).for_each(|number| demand(&room, number, &[]));

    assert!(third.kill_after(Duration::ZERO).is_empty());
    ground.place.open().unwrap().close().unwrap();
    demand(&room, 3, &[unknown]);
    demand(&room, 2, &[]);

    second.go_on();
    assert_eq!(second.finish(), ["made"]);
    demand(&room, 2, &[("result", "ok", false)]);
    demand(&room, 1, &[unknown]);

    // The last has been at it for so long that its epoch is over: it is alive all the same.
    let now = block_on(room.admin(operator()).status()).unwrap().head.time;
    room.close().unwrap();
    let open_later = || {
        let clock = Arc::new(ManualClock::at(now.after(31 * MINUTE)));
        let options = OpenOptions::default().injected(clock, Arc::new(SystemRandom));
        let device = ground.place.device().unwrap();
        block_on(Strongroom::open_with(&ground.place.deployment, device, options)).unwrap()
    };
    let room = open_later();
    demand(&room, 4, &[]);
    room.close().unwrap();
    assert!(fourth.kill_after(Duration::ZERO).is_empty());
    let room = open_later();
    demand(&room, 4, &[unknown]);

    assert_eq!(ground.open_intents(), Vec::<String>::new());
    let verified = block_on(room.admin(operator()).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    room.close().unwrap();
    let left = std::fs::read_dir(ground.place.deployment.folder().join("processes")).unwrap().count();
    assert_eq!(left, 0, "nothing is left of the living nor of the dead");
}

#[test]
fn a_restored_database_ends_the_backup_that_it_was_made_in() {
    let ground = Ground::new();
    let (room, _) = ground.open();
    back_up(&room, &ground.file("backup")).unwrap();
    room.close().unwrap();
    let config = strongroom::Config { device: ground.place.uri.to_string(), ..strongroom::Config::default() };
    let restore = strongroom::Restore::new(config, "the disk burnt", operator()).unwrap();
    let to = strongroom::Deployment::at(ground.file("restored"));
    let device = ground.place.device().unwrap();
    let options = OpenOptions::default().injected(ground.clock.clone(), Arc::new(SystemRandom));
    let (room, _) = block_on(Strongroom::restore(&ground.file("backup"), &to, device, restore, options)).unwrap();
    assert_eq!(told(&lines(&room, "backup.create")), [("result", "SR-EFFECT-UNKNOWN", true)]);
    let verified = block_on(room.admin(operator()).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    room.close().unwrap();
}

/// Nothing authenticates the rows: whoever writes to the database can only have lines of the system written that
/// know nothing.
#[test]
fn rows_that_somebody_else_wrote_do_no_harm() {
    let ground = Ground::new();
    ground
        .place
        .thief()
        .execute_batch(
            "INSERT INTO intents VALUES (0, zeroblob(16), 'a line with \"quotes\"', zeroblob(16)),
             (0, randomblob(16), '', zeroblob(16)), (0, randomblob(16), 'tenant.close', zeroblob(16))",
        )
        .unwrap();
    let (room, _) = ground.open();
    let entries = block_on(room.admin(operator()).audit().show(0, 1_000)).unwrap().entries;
    let unknown: Vec<_> = entries.iter().filter(|line| line.code == "SR-EFFECT-UNKNOWN").collect();
    assert_eq!(
        unknown.iter().map(|line| (line.act.as_str(), line.actor.as_deref())).collect::<Vec<_>>(),
        [("tenant.close", Some("system"))]
    );
    assert_eq!(ground.open_intents(), Vec::<String>::new());
    let verified = block_on(room.admin(operator()).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    room.close().unwrap();
}
