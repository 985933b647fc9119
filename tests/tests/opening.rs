//! Opening a deployment is recorded before anything can be done in it, and what cannot be recorded is not opened; nor is
//! a login forgotten that the device refused.

mod child;
mod common;

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use common::{Away, Place};
use pollster::block_on;
use strongroom::{
    Code, OpenOptions, Strongroom,
    store::{Maintenance, SqliteStore, Store},
    testing::faulty::{Failure, FaultyStore, Step},
};

/// What all lines of the deployment's own log say: who, what, and with which outcome.
fn told(place: &Place) -> Vec<(String, String, String)> {
    let thief = place.thief();
    let mut select = thief.prepare("SELECT line FROM audit WHERE tenant = 0 ORDER BY seq").unwrap();
    let lines = select.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let told = lines.map(|bytes| {
        let bytes = bytes.unwrap();
        let line = strongroom_log::parse_line(&bytes).unwrap();
        (line.who_type.to_owned(), line.act.to_owned(), line.code.to_owned())
    });
    told.collect()
}

/// What was added to the log since this many lines.
fn added(place: &Place, before: usize) -> Vec<String> {
    told(place).split_off(before).into_iter().map(|(who, act, code)| format!("{who} {act} {code}")).collect()
}

const OPENED: &str = "system epoch.open ok";

#[test]
fn child_opens() {
    if !child::role("child_opens") {
        return;
    }
    let room = child::open();
    child::say("open");
    child::wait();
    room.close().unwrap();
}

#[test]
fn a_process_that_only_opens_leaves_a_line() {
    let (place, room) = Place::software();
    room.close().unwrap();

    let before = told(&place).len();
    let mut opens = child::start("child_opens", &place, &[]);
    opens.demand("open");
    assert_eq!(added(&place, before), [OPENED]);
    assert!(opens.kill_after(Duration::ZERO).is_empty());
    assert_eq!(added(&place, before), [OPENED], "its death adds nothing and takes nothing back");

    let before = told(&place).len();
    let mut opens = child::start("child_opens", &place, &[]);
    opens.demand("open");
    opens.go_on();
    opens.finish();
    assert_eq!(added(&place, before), [OPENED, "system epoch.close ok"]);

    let room = place.open().unwrap();
    let verified = block_on(common::admin(&room).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    room.close().unwrap();
}

#[test]
fn what_cannot_be_recorded_is_not_opened() {
    let (place, room) = Place::software();
    room.close().unwrap();
    let code = Code::StoreUnavailable;
    for (step, failure, lines) in [
        (Step::Commit, Failure::NotDone(code), &[][..]),
        (Step::Commit, Failure::YetDone(code), &[OPENED]),
        // It is committed and may be lost.
        (Step::Sync, Failure::NotDone(code), &[OPENED]),
    ] {
        let before = told(&place).len();
        let sqlite = SqliteStore::open(&place.deployment.database(), Maintenance::Inline).unwrap();
        let store = Arc::new(FaultyStore::new(Arc::new(sqlite)));
        store.fail(step, 1, failure);
        let seam: Arc<dyn Store> = Arc::<FaultyStore>::clone(&store);
        let opened = block_on(Strongroom::open_in(seam, place.device().unwrap(), OpenOptions::default()));
        assert_eq!((opened.unwrap_err().code(), store.pending()), (code, 0), "{step:?} {failure:?}");
        assert_eq!(added(&place, before), lines, "{step:?} {failure:?}");
    }
    place.open().unwrap().close().unwrap();
}

/// A deployment whose passphrase somebody gets wrong.
struct Guessed {
    place: Place,
    right: Vec<u8>,
}

/// A line about refused logins: how many, the first, the last, its id, and whether it has the hash of something.
#[derive(Debug, PartialEq)]
struct Refusals {
    count: Option<u64>,
    times: Option<(u64, u64)>,
    id: [u8; 16],
    hash: Option<String>,
}

impl Guessed {
    fn new() -> Self {
        let (place, room) = Place::software();
        room.close().unwrap();
        fs::write(place.deployment.config_file(), format!("device = \"{}\"\n", place.uri)).unwrap();
        let right = fs::read(place.folder.path().join("device/device.pass")).unwrap();
        Self { place, right }
    }

    fn passphrase(&self, bytes: &[u8]) {
        fs::write(self.place.folder.path().join("device/device.pass"), bytes).unwrap();
    }

    fn refused(&self) {
        self.passphrase(b"wrong");
        let opened = block_on(strongroom_hsm::open_deployment(&self.place.deployment, OpenOptions::default()));
        assert_eq!(opened.unwrap_err().code(), Code::DevicePinRefused);
        self.passphrase(&self.right);
    }

    fn open(&self) -> Result<(), Code> {
        let opened = block_on(strongroom_hsm::open_deployment(&self.place.deployment, OpenOptions::default()));
        opened.map_err(|error| error.code())?.close().unwrap();
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.deployment.folder().join(name)
    }

    fn lines(&self) -> Vec<Refusals> {
        let thief = self.place.thief();
        let mut select = thief.prepare("SELECT line FROM audit WHERE tenant = 0 ORDER BY seq").unwrap();
        let lines = select.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        let mut refusals = Vec::new();
        for bytes in lines {
            let bytes = bytes.unwrap();
            let line = strongroom_log::parse_line(&bytes).unwrap();
            if line.act != "device.login" {
                continue;
            }
            assert_eq!((line.who_type, line.ok, line.code), ("system", false, "SR-DEVICE-PIN-REFUSED"));
            let object = line.obj.unwrap();
            assert_eq!(object.kind, "login");
            let id = object.id_bytes();
            let first = u64::from_be_bytes(id[..8].try_into().unwrap());
            refusals.push(Refusals {
                count: line.n,
                times: object.version.map(|last| (first, last)),
                id,
                hash: line.det.map(str::to_owned),
            });
        }
        refusals
    }

    fn demand_that_the_log_verifies(&self) {
        let room = self.place.open().unwrap();
        let verified = block_on(common::admin(&room).audit().verify(None)).unwrap();
        assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
        let bundle = self.place.folder.path().join("bundle");
        block_on(common::admin(&room).audit().export(&bundle)).unwrap();
        let report = strongroom_log::verify(&fs::read(&bundle).unwrap(), room.root_key(), None);
        assert!(report.is_ok(), "{report}");
        room.close().unwrap();
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64
}

#[test]
fn refused_logins_are_one_line_of_the_opening_that_succeeds() {
    let guessed = Guessed::new();
    let began = now();
    guessed.refused();
    let between = now();
    guessed.refused();
    assert_eq!(guessed.lines(), []);
    let note = fs::read_to_string(guessed.file("login.refused")).unwrap();
    assert!(!note.contains("wrong") && !note.contains("device.pass"), "{note}");

    let before = told(&guessed.place).len();
    guessed.open().unwrap();
    assert_eq!(
        added(&guessed.place, before),
        [OPENED, "system device.login SR-DEVICE-PIN-REFUSED", "system epoch.close ok"]
    );
    let [line] = &guessed.lines()[..] else { panic!("{:?}", guessed.lines()) };
    let (first, last) = line.times.unwrap();
    assert_eq!((line.count, &line.hash), (Some(2), &None));
    assert!(began <= first && first <= between && between <= last && last <= now(), "{line:?}");
    assert!(!guessed.file("login.refused").exists());

    // Said once. What comes later is another line.
    guessed.open().unwrap();
    assert_eq!(guessed.lines().len(), 1);
    guessed.refused();
    guessed.open().unwrap();
    let counts: Vec<_> = guessed.lines().iter().map(|line| line.count.unwrap()).collect();
    assert_eq!(counts, [2, 1]);
    guessed.demand_that_the_log_verifies();
}

#[test]
fn a_note_whose_line_is_durable_already_is_not_written_down_again() {
    let guessed = Guessed::new();
    guessed.refused();
    guessed.refused();
    let note = fs::read(guessed.file("login.refused")).unwrap();
    guessed.open().unwrap();
    // As it is when the process dies between the line and the taking away.
    fs::write(guessed.file("login.refused"), &note).unwrap();
    guessed.open().unwrap();
    assert_eq!(guessed.lines().len(), 1);
    assert!(!guessed.file("login.refused").exists());
    // And if somebody was refused in between: only that is new.
    fs::write(guessed.file("login.refused"), &note).unwrap();
    guessed.refused();
    guessed.open().unwrap();
    let lines = guessed.lines();
    assert_eq!(lines.iter().map(|line| line.count.unwrap()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(lines[0].id, lines[1].id);
    guessed.demand_that_the_log_verifies();
}

#[test]
fn a_note_stays_until_an_opening_succeeds() {
    let guessed = Guessed::new();
    guessed.refused();
    let device = Arc::new(Away { inner: guessed.place.device().unwrap(), away: AtomicBool::new(true) });
    let open = || block_on(Strongroom::open(&guessed.place.deployment, device.clone()));
    assert_eq!(open().unwrap_err().code(), Code::DeviceUnavailable);
    assert!(guessed.file("login.refused").exists() && guessed.lines().is_empty());
    device.away.store(false, Ordering::SeqCst);
    open().unwrap().close().unwrap();
    assert_eq!(guessed.lines().len(), 1);
}

#[test]
fn a_note_that_makes_no_sense_is_told_and_one_that_cannot_be_read_stops_the_opening() {
    let guessed = Guessed::new();
    let odd = b"{\"count\":2}";
    fs::write(guessed.file("login.refused"), odd).unwrap();
    // Another refusal does not write over it.
    guessed.refused();
    guessed.open().unwrap();
    let hash = strongroom_log::hex_encode(strongroom_log::sha256(odd).as_bytes());
    let lines = guessed.lines();
    assert_eq!((lines[0].count, &lines[0].hash), (Some(1), &None));
    assert_eq!((lines[1].count, lines[1].times, &lines[1].hash), (None, None, &Some(hash)));
    assert_eq!(lines.len(), 2);

    fs::create_dir(guessed.file("login.refused")).unwrap();
    let before = told(&guessed.place).len();
    assert_eq!(guessed.open(), Err(Code::FileUnreadable));
    assert_eq!(added(&guessed.place, before), Vec::<String>::new());
    fs::remove_dir(guessed.file("login.refused")).unwrap();
    guessed.demand_that_the_log_verifies();
}

#[test]
fn several_who_open_at_once_write_it_down_once() {
    let guessed = Guessed::new();
    for _ in 0..3 {
        guessed.refused();
    }
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| guessed.open().unwrap());
        }
    });
    assert_eq!(guessed.lines().iter().map(|line| line.count.unwrap()).collect::<Vec<_>>(), [3]);
    guessed.demand_that_the_log_verifies();
}
