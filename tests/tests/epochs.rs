//! Signing epochs: replaced in time, carried on while the device is away, and over at their hard limit.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{Away, Place, billing, operator, tenant};
use pollster::block_on;
use strongroom::{Code, OpenOptions, Put, SecretValue, Strongroom, SystemRandom, Timestamp, testing::ManualClock};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_epoch_outlives_an_absent_device_but_not_its_hard_limit() {
    let (place, room) = Place::software();
    tenant(&room, "acme");
    room.close().unwrap();

    let clock = Arc::new(ManualClock::at(Timestamp(1_900_000_000_000_000)));
    let device = Arc::new(Away { inner: place.device().unwrap(), away: AtomicBool::new(false) });
    let options = OpenOptions::default().injected(clock.clone(), Arc::new(SystemRandom));
    let room = block_on(Strongroom::open_with(&place.deployment, device.clone(), options)).unwrap();
    let secrets = room.tenant(&"acme".parse().unwrap()).acting_as(billing()).secrets();
    let path = "a".parse().unwrap();
    let put =
        || block_on(secrets.put(&path, SecretValue::text("x").unwrap(), Put::default())).map(|put| put.receipt.epoch);

    let first = put().unwrap();
    clock.advance(14 * MINUTE);
    assert_eq!(put().unwrap(), first, "within its time");
    clock.advance(2 * MINUTE);
    let second = put().unwrap();
    assert_eq!(second, first + 1, "replaced when its time was up");

    device.away.store(true, Ordering::SeqCst);
    clock.advance(16 * MINUTE);
    assert_eq!(put().unwrap(), second, "carried on while the device is away");
    clock.advance(13 * MINUTE);
    assert_eq!(put().unwrap(), second, "up to its hard limit");
    clock.advance(2 * MINUTE);
    let error = put().unwrap_err();
    assert_eq!(error.code(), Code::DeviceUnavailable, "then nothing is signed, and so nothing is done");

    device.away.store(false, Ordering::SeqCst);
    assert_eq!(put().unwrap(), second + 1, "and goes on by itself when the device is back");

    let audit = room.admin(operator()).audit();
    let verified = block_on(audit.verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    let lines = block_on(audit.show(0, 1_000)).unwrap().entries;
    let refused = lines.iter().filter(|line| line.act == "epoch.open" && line.code == "SR-DEVICE-UNAVAILABLE").count();
    assert!(refused >= 1, "the device's absence is recorded");
    let closed = lines.iter().filter(|line| line.act == "epoch.close").count();
    assert_eq!(closed, 4, "two of the making, and the two that were replaced");
}

#[test]
fn where_the_device_certifies_nothing_nothing_is_opened() {
    let (place, room) = Place::software();
    room.close().unwrap();
    let lines = || place.thief().query_row("SELECT count(*) FROM audit", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = lines();
    let device = Arc::new(Away { inner: place.device().unwrap(), away: AtomicBool::new(true) });
    let open = || block_on(Strongroom::open(&place.deployment, device.clone()));
    assert_eq!(open().unwrap_err().code(), Code::DeviceUnavailable);
    assert_eq!(lines(), before);
    device.away.store(false, Ordering::SeqCst);
    open().unwrap().close().unwrap();
    assert_eq!(lines(), before + 2, "opened and closed");
}
