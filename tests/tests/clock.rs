//! The wall clock is believed as far as the steady one agrees, and what it does beyond that is recorded.

mod common;

use std::{sync::Arc, time::Duration};

use common::{Place, operator, tenant};
use pollster::block_on;
use strongroom::{
    AuditEntry, OpenOptions, Put, SecretValue, Strongroom, SystemRandom, Timestamp, testing::ManualClock,
};

const NOON: Timestamp = Timestamp(1_900_000_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

fn open(place: &Place, clock: &Arc<ManualClock>) -> Strongroom {
    let options = OpenOptions::default().injected(clock.clone(), Arc::new(SystemRandom));
    block_on(Strongroom::open_with(&place.deployment, place.device().unwrap(), options)).unwrap()
}

fn put(room: &Strongroom) {
    let secrets = tenant(room, "acme").secrets();
    block_on(secrets.put(&"a".parse().unwrap(), SecretValue::text("x").unwrap(), Put::default())).unwrap();
}

/// The lines of the deployment: the times, and what is said of the clock.
fn lines(room: &Strongroom) -> Vec<AuditEntry> {
    block_on(room.admin(operator()).audit().show(0, 1_000)).unwrap().entries
}

fn steps(room: &Strongroom) -> Vec<u64> {
    lines(room).iter().filter(|line| line.act == "clock.step").map(|line| line.version.unwrap()).collect()
}

fn now(room: &Strongroom) -> Timestamp {
    put(room);
    lines(room);
    lines(room).last().unwrap().time
}

#[test]
fn lines_are_not_dated_by_a_clock_that_ran_ahead_until_an_operator_confirms() {
    let (place, room) = Place::software();
    room.close().unwrap();
    let clock = Arc::new(ManualClock::at(NOON));
    let room = open(&place, &clock);
    assert_eq!((now(&room), steps(&room)), (NOON, vec![]));
    let epochs = |room: &Strongroom| lines(room).iter().filter(|line| line.act == "epoch.open").count();
    let opened = epochs(&room);

    let ahead = NOON.after(24 * HOUR);
    clock.set_wall(ahead);
    assert_eq!(now(&room), NOON, "the epoch would be over, and lines a day old");
    assert_eq!(steps(&room), [ahead.0], "said once");
    assert_eq!(epochs(&room), opened);
    clock.advance(SECOND);
    assert_eq!((now(&room), steps(&room).len()), (NOON.after(SECOND), 1), "at the steady pace");

    block_on(room.admin(operator()).adopt_clock()).unwrap();
    assert_eq!(now(&room), ahead.after(SECOND));
    assert_eq!(steps(&room).len(), 1);
    let adopted = lines(&room).into_iter().find(|line| line.act == "clock.adopt").unwrap();
    assert_eq!((adopted.time, adopted.actor.as_deref()), (NOON.after(SECOND), Some("operator:olga")));
    assert!(block_on(room.admin(operator()).audit().verify(None)).unwrap().is_ok());
    room.close().unwrap();
}

#[test]
fn a_clock_that_was_set_back_is_recorded_and_the_log_never_goes_back() {
    let (place, room) = Place::software();
    room.close().unwrap();
    let clock = Arc::new(ManualClock::at(NOON));
    let room = open(&place, &clock);
    put(&room);
    let back = Timestamp(NOON.0 - HOUR.as_micros() as u64);
    clock.set_wall(back);
    assert_eq!((now(&room), steps(&room)), (NOON, vec![back.0]));
    room.close().unwrap();

    // The next process finds a log that is ahead of it.
    clock.advance(SECOND);
    let room = open(&place, &clock);
    assert_eq!((now(&room), steps(&room)), (NOON, vec![back.0, back.after(SECOND).0]));
    clock.advance(HOUR);
    assert_eq!((now(&room), steps(&room).len()), (NOON.after(SECOND), 2), "it has caught up");
    assert!(block_on(room.admin(operator()).audit().verify(None)).unwrap().is_ok());
    room.close().unwrap();
}
