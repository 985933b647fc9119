//! Opening a deployment is recorded before anything can be done in it, and what cannot be recorded is not opened.

mod child;
mod common;

use std::{sync::Arc, time::Duration};

use common::Place;
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
    let before = told(&place).len();
    let code = Code::StoreUnavailable;
    for (failure, lines) in [(Failure::NotDone(code), &[][..]), (Failure::YetDone(code), &[OPENED])] {
        let sqlite = SqliteStore::open(&place.deployment.database(), Maintenance::Inline).unwrap();
        let store = Arc::new(FaultyStore::new(Arc::new(sqlite)));
        store.fail(Step::Commit, 1, failure);
        let seam: Arc<dyn Store> = Arc::<FaultyStore>::clone(&store);
        let opened = block_on(Strongroom::open_in(seam, place.device().unwrap(), OpenOptions::default()));
        assert_eq!((opened.unwrap_err().code(), store.pending()), (code, 0), "{failure:?}");
        assert_eq!(added(&place, before), lines, "{failure:?}");
    }
    place.open().unwrap().close().unwrap();
}
