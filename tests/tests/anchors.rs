//! Anchors of a room that stays open: written soon after each change, never backwards, and missed when they are gone.

mod common;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use common::{Place, admin, tenant};
use pollster::block_on;
use strongroom::{AnchorPlace, Code, OpenOptions, Put, SecretValue, Strongroom};
use strongroom_log::Anchor;

/// What is promised.
const SOON: Duration = Duration::from_secs(1);

/// A deployment with an anchor in a folder of its own.
fn anchored() -> (Place, Strongroom, AnchorPlace) {
    let (place, room) = Place::software();
    let folder = place.folder.path().join("other");
    fs::create_dir(&folder).unwrap();
    let anchor = AnchorPlace::file(&folder.join("anchor")).unwrap();
    block_on(admin(&room).add_anchor(&anchor)).unwrap();
    (place, room, anchor)
}

fn size(path: &Path) -> u64 {
    Anchor::parse(&fs::read(path).unwrap()).unwrap().frontier().size()
}

/// A commit; the size of the head log with it.
fn change(room: &Strongroom) -> u64 {
    let secrets = room.tenant(&"acme".parse().unwrap()).acting_as(common::billing()).secrets();
    let value = SecretValue::text("1").unwrap();
    block_on(secrets.put(&"a/key".parse().unwrap(), value, Put::default())).unwrap().receipt.head_size
}

/// Waits until it is so; how long that took. The machine may be busy with other tests.
fn until(mut holds: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(5));
    }
    began.elapsed()
}

#[test]
fn a_change_is_in_the_anchor_within_a_second() {
    let (_place, room, anchor) = anchored();
    drop(tenant(&room, "acme"));
    let best = (0..5)
        .map(|_| {
            let head = change(&room);
            until(|| size(anchor.path().unwrap()) >= head)
        })
        .min()
        .unwrap();
    assert!(best < SOON, "{best:?}");

    // Many at once are one writing, and the last of them is in it.
    let before = fs::metadata(anchor.path().unwrap()).unwrap();
    let last = (0..50).map(|_| change(&room)).max().unwrap();
    until(|| size(anchor.path().unwrap()) >= last);
    assert!(fs::metadata(anchor.path().unwrap()).unwrap().modified().unwrap() > before.modified().unwrap());
    let status = block_on(admin(&room).status()).unwrap();
    assert!(status.anchors[0].commits >= last && status.anchors[0].failing.is_none());
    let end = change(&room);
    room.close().unwrap();
    assert_eq!(size(anchor.path().unwrap()), end + 1, "the line that closes the epoch too");
}

#[test]
fn service_goes_on_without_the_volume_and_says_since_when() {
    let (place, room, anchor) = anchored();
    drop(tenant(&room, "acme"));
    let (folder, away) = (place.folder.path().join("other"), place.folder.path().join("away"));
    fs::rename(&folder, &away).unwrap();
    let state = || block_on(admin(&room).status()).unwrap().anchors.remove(0);
    change(&room);
    until(|| state().failing.is_some());
    let first = state().failing.unwrap();
    assert_eq!(first.code, Code::AnchorMissing);
    let head = change(&room);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(state().failing.unwrap().since, first.since);
    assert!(!folder.exists(), "nothing is made where the volume should be");
    // Nor is the file made again, that somebody took away.
    fs::create_dir(&folder).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(!anchor.path().unwrap().exists());
    fs::remove_file(folder.join("anchor.lock")).unwrap();
    fs::remove_dir(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    until(|| state().failing.is_none());
    assert!(size(anchor.path().unwrap()) >= head);
    room.close().unwrap();
    place.open().unwrap().close().unwrap();
}

#[test]
fn two_rooms_on_one_database_take_nothing_back() {
    let (place, first, anchor) = anchored();
    drop(tenant(&first, "acme"));
    let second = place.open().unwrap();
    let mut last = size(anchor.path().unwrap());
    for round in 0..6 {
        let head = change(if round % 2 == 0 { &first } else { &second });
        until(|| {
            let now = size(anchor.path().unwrap());
            assert!(now >= last, "{last} then {now}");
            last = now;
            now >= head
        });
    }
    let head = change(&second);
    first.close().unwrap();
    assert!(size(anchor.path().unwrap()) > head);
    second.close().unwrap();
    place.open().unwrap().close().unwrap();
}

#[test]
fn an_anchor_that_is_behind_is_caught_up_and_one_that_is_ahead_refuses() {
    let (place, room, anchor) = anchored();
    drop(tenant(&room, "acme"));
    room.close().unwrap();
    let behind = fs::read(anchor.path().unwrap()).unwrap();
    let old = place.folder.path().join("old.db");
    fs::copy(place.deployment.database(), &old).unwrap();
    let room = place.open().unwrap();
    // More than one chunk of leaves lies between the two.
    for _ in 0..1_100 {
        change(&room);
    }
    room.close().unwrap();
    let ahead = size(anchor.path().unwrap());

    fs::write(anchor.path().unwrap(), &behind).unwrap();
    let room = place.open().unwrap();
    until(|| fs::read(anchor.path().unwrap()).unwrap() != behind);
    room.close().unwrap();
    assert_eq!(size(anchor.path().unwrap()), ahead + 2, "that it was opened and closed is in the log too");
    let ahead = fs::read(anchor.path().unwrap()).unwrap();

    fs::write(anchor.path().unwrap(), &ahead).unwrap();
    fs::copy(&old, place.deployment.database()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", place.deployment.database().display()));
    }
    assert_eq!(place.open().unwrap_err().code(), Code::LogRolledBack);
    let options = OpenOptions::default().accept_missing_anchors(common::operator());
    let opened = Strongroom::open_with(&place.deployment, place.device().unwrap(), options);
    assert_eq!(block_on(opened).unwrap_err().code(), Code::LogRolledBack);
    assert_eq!(fs::read(anchor.path().unwrap()).unwrap(), ahead, "left as it is");
}

/// The limit of what the two lists say, as the threat model has it.
#[test]
fn an_older_list_put_back_in_both_places_is_found_by_the_state_check() {
    let (place, room) = Place::software();
    assert!(block_on(admin(&room).audit().check_state()).unwrap().is_ok());
    let columns = "settings, revision, mac";
    let thief = place.thief();
    let old: (Vec<u8>, i64, Vec<u8>) = thief
        .query_row(&format!("SELECT {columns} FROM tenants WHERE number = 0"), [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    let config = fs::read(place.deployment.config_file()).unwrap();
    let anchor = AnchorPlace::file(&place.folder.path().join("anchor")).unwrap();
    block_on(admin(&room).add_anchor(&anchor)).unwrap();
    let state = block_on(admin(&room).audit().check_state()).unwrap();
    assert!(state.is_ok(), "{:?}", state.findings);
    room.close().unwrap();

    thief.execute("UPDATE tenants SET settings = ?1, revision = ?2, mac = ?3 WHERE number = 0", old).unwrap();
    drop(thief);
    assert_eq!(place.open().unwrap_err().code(), Code::AnchorSetChanged);
    fs::write(place.deployment.config_file(), config).unwrap();
    fs::remove_file(anchor.path().unwrap()).unwrap();
    let room = place.open().unwrap();
    let state = block_on(admin(&room).audit().check_state()).unwrap();
    let found: Vec<_> = state.findings.iter().map(ToString::to_string).collect();
    assert!(found.len() == 1 && found[0].starts_with("STATE-REPLAYED sys"), "{found:?}");
    room.close().unwrap();
}
