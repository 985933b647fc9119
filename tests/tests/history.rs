//! The history of a secret and its usage: what the lines of the log say, compared with what was done.

mod common;

use common::{Place, tenant};
use pollster::block_on;
use strongroom::{
    Code, Delete, Event, EventKind, Folder, Get, History, Import, ImportEntry, LeaseLimits, Move, Promote, Put,
    SecretPath, SecretValue, Secrets, Strongroom, To, Update, Verdict, Version, VersionLimit,
};

use EventKind::{Accessed, Activated, Created, Deprecated, Purged, Revoked, Rotated};

fn at(path: &str) -> SecretPath {
    path.parse().unwrap()
}

fn put(secrets: &Secrets, path: &str, options: Put) {
    block_on(secrets.put(&at(path), SecretValue::text("x").unwrap(), options)).unwrap();
}

/// All pages of so many lines.
fn pages(secrets: &Secrets, path: &str, history: &History, limit: usize) -> Vec<Event> {
    let (mut events, mut after) = (Vec::new(), None);
    loop {
        let from = after.map_or_else(|| history.clone(), |cursor| history.clone().after(cursor));
        let page = block_on(secrets.history(&at(path), &from, limit)).unwrap();
        events.extend(page.events);
        match page.next {
            Some(next) => after = Some(next),
            None => return events,
        }
    }
}

fn told(events: &[Event]) -> Vec<(EventKind, Option<u64>, Option<u64>)> {
    events.iter().map(|event| (event.kind, event.version.map(|version| version.0), event.count)).collect()
}

/// Lives a life, and says what events it has, the oldest first.
fn live(secrets: &Secrets) -> Vec<(EventKind, Option<u64>, Option<u64>)> {
    let path = at("a");
    put(secrets, "a", Put::default().max_versions(VersionLimit::new(3).unwrap()));
    let mut want = vec![(Created, Some(1), None), (Activated, Some(1), None)];
    block_on(secrets.get(&path, Get::current())).unwrap();
    want.push((Accessed, Some(1), None));
    block_on(secrets.get(&path, Get::version(Version(7)))).unwrap_err();
    put(secrets, "a", Put::default());
    let moved = |version, before| {
        [(Activated, Some(version), None), (Rotated, Some(version), None), (Deprecated, Some(before), None)]
    };
    want.push((Created, Some(2), None));
    want.extend(moved(2, 1));
    let pending = SecretValue::text("p").unwrap();
    block_on(secrets.put_pending(&path, pending, Put::default())).unwrap();
    want.push((Created, Some(3), None));
    block_on(secrets.promote(&path, Promote::pending())).unwrap();
    want.extend(moved(3, 2));
    block_on(secrets.promote(&path, Promote::previous())).unwrap();
    want.extend(moved(2, 3));
    block_on(secrets.try_current(&path, |_, _| Verdict::Accept(()))).unwrap();
    want.push((Accessed, Some(2), Some(2)));
    block_on(secrets.delete_versions(&path, &[Version(1), Version(3)])).unwrap();
    want.extend([(Revoked, Some(1), None), (Revoked, Some(3), None)]);
    block_on(secrets.undelete_versions(&path, &[Version(3)])).unwrap();
    block_on(secrets.undelete_versions(&path, &[Version(3)])).unwrap();
    want.push((Activated, Some(3), None));
    block_on(secrets.destroy_versions(&path, &[Version(1)])).unwrap();
    want.push((Purged, Some(1), None));
    put(secrets, "a", Put::default());
    want.push((Created, Some(4), None));
    want.extend(moved(4, 2));
    want.push((Purged, None, Some(1)));
    let lease = block_on(secrets.lease(&path, LeaseLimits { reads: 5, ..LeaseLimits::default() })).unwrap();
    want.push((Accessed, Some(4), Some(5)));
    lease.read().unwrap();
    lease.read().unwrap();
    block_on(lease.close()).unwrap();
    let folder = block_on(secrets.lease_folder(&Folder::root(), LeaseLimits::default())).unwrap();
    want.push((Accessed, Some(4), None));
    block_on(folder.close()).unwrap();
    want
}

#[test]
fn a_history_is_what_was_done_in_both_orders_and_any_pages() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "other", Put::default());
    let want = live(&secrets);
    let backwards: Vec<_> = want.iter().rev().copied().collect();
    for limit in [1, 2, 3, 7, 1_000] {
        let oldest = pages(&secrets, "a", &History::new().oldest_first(), limit);
        assert_eq!(told(&oldest), want, "{limit}");
        assert!(oldest.iter().all(|event| event.actor.as_deref() == Some("service:billing")));
        assert!(oldest.is_sorted_by_key(|event| (event.seq, event.time)));
        assert_eq!(told(&pages(&secrets, "a", &History::new(), limit)), backwards, "{limit}");
        for kind in EventKind::ALL {
            let only: Vec<_> = want.iter().filter(|event| event.0 == kind).copied().collect();
            let found = pages(&secrets, "a", &History::new().oldest_first().kinds(&[kind]), limit);
            assert_eq!(told(&found), only, "{kind}, {limit}");
        }
    }
    let two = pages(&secrets, "a", &History::new().kinds(&[Deprecated, Revoked]), 2);
    let only: Vec<_> = backwards.iter().filter(|event| [Deprecated, Revoked].contains(&event.0)).copied().collect();
    assert_eq!(told(&two), only);
    assert_eq!(told(&pages(&secrets, "none", &History::new(), 10)), []);
    for limit in [0, 1_001] {
        let refused = block_on(secrets.history(&at("a"), &History::new(), limit)).unwrap_err();
        assert_eq!(refused.code(), Code::LimitInvalid);
    }
    let page = block_on(secrets.history(&at("a"), &History::new(), 1)).unwrap();
    let other_order = History::new().oldest_first().after(page.next.unwrap());
    let refused = block_on(secrets.history(&at("a"), &other_order, 1)).unwrap_err();
    assert_eq!(refused.code(), Code::CursorInvalid);
}

#[test]
fn a_deleted_secret_has_its_history_and_another_of_its_path_begins_anew() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a", Put::default());
    put(&secrets, "a", Put::default());
    block_on(secrets.delete(&at("a"), Delete::default())).unwrap();
    put(&secrets, "a", Put::default());
    put(&secrets, "a", Put::default());
    block_on(secrets.delete(&at("a"), Delete::default())).unwrap();
    drop(secrets);
    room.close().unwrap();
    let room = place.open().unwrap();
    let secrets = tenant(&room, "acme").secrets();
    let life = [
        (Created, Some(1), None),
        (Activated, Some(1), None),
        (Created, Some(2), None),
        (Activated, Some(2), None),
        (Rotated, Some(2), None),
        (Deprecated, Some(1), None),
        (Purged, None, None),
    ];
    let found = told(&pages(&secrets, "a", &History::new().oldest_first(), 3));
    assert_eq!(found, [life, life].concat());
    // Another tenant, and another environment, have nothing of it.
    assert_eq!(told(&pages(&tenant(&room, "umbrella").secrets(), "a", &History::new(), 3)), []);
    let environment = tenant(&room, "acme").environment("prod".parse().unwrap());
    assert_eq!(told(&pages(&environment.secrets(), "a", &History::new(), 3)), []);
}

#[test]
fn a_copy_begins_a_life_and_a_move_goes_on_with_one_elsewhere() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a", Put::default());
    put(&secrets, "a", Put::default());
    block_on(secrets.copy(&at("a"), To(&at("copy")), Get::current())).unwrap();
    block_on(secrets.rename(&at("a"), To(&at("b")), Move::default())).unwrap();
    put(&secrets, "b", Put::default());
    put(&secrets, "a", Put::default());
    let made = |version| [(Created, Some(version), None), (Activated, Some(version), None)];
    let rotated = |version| [(Rotated, Some(version), None), (Deprecated, Some(version - 1), None)];
    let (read, left) = ((Accessed, Some(2), None), (Revoked, Some(2), None));
    for (path, want) in [
        ("copy", made(1).to_vec()),
        ("a", [&made(1)[..], &made(2), &rotated(2), &[read, left], &made(1)].concat()),
        ("b", [&[(Activated, Some(2), None)][..], &made(3), &rotated(3)].concat()),
    ] {
        assert_eq!(told(&pages(&secrets, path, &History::new().oldest_first(), 3)), want, "{path}");
    }
}

#[test]
fn an_update_is_an_event_only_if_its_limit_removes_versions() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    for _ in 0..3 {
        put(&secrets, "a", Put::default());
    }
    let update = |update: Update| block_on(secrets.update(&at("a"), update)).unwrap();
    update(Update::default().owner("web".parse().unwrap()));
    update(Update::default().max_versions(VersionLimit::new(3).unwrap()));
    update(Update::default().max_versions(VersionLimit::new(1).unwrap()));
    let purged = pages(&secrets, "a", &History::new().kinds(&[Purged]), 10);
    assert_eq!(told(&purged), [(Purged, None, Some(2))]);
    assert_eq!(purged[0].act, "secret.update");
}

/// Reads, reads under leases, open leases, folder leases, refused, changes.
fn usage(room: &Strongroom, path: &str) -> [u64; 6] {
    let usage = block_on(tenant(room, "acme").secrets().usage(&at(path))).unwrap();
    [usage.reads, usage.leased_reads, usage.leases_open, usage.folder_leases, usage.refused, usage.changes]
}

#[test]
fn usage_counts_what_was_done() {
    let (place, room) = Place::software();
    let acme = tenant(&room, "acme");
    let secrets = acme.secrets();
    assert_eq!(usage(&room, "a"), [0; 6]);
    let none = block_on(secrets.usage(&at("a"))).unwrap();
    assert_eq!((none.first_access, none.last_access, none.last_reader), (None, None, None));
    live(&secrets);
    // Puts 1, 2, 4; pending 3; two promotions; two deletions, one undone, one destroyed.
    assert_eq!(usage(&room, "a"), [2, 2, 0, 1, 1, 11]);
    let lease = block_on(secrets.lease(&at("a"), LeaseLimits::default())).unwrap();
    lease.read().unwrap();
    assert_eq!(usage(&room, "a"), [2, 2, 1, 1, 1, 11], "an open lease");
    block_on(lease.close()).unwrap();
    assert_eq!(usage(&room, "a"), [2, 3, 0, 1, 1, 11]);
    block_on(secrets.try_current::<()>(&at("a"), |_, _| Verdict::Reject)).unwrap_err();
    assert_eq!(usage(&room, "a"), [3, 3, 0, 1, 1, 11], "it was handed out");
    block_on(secrets.delete_versions(&at("a"), &[Version(4)])).unwrap();
    for refused in [
        block_on(secrets.get(&at("a"), Get::current())).map(drop),
        block_on(secrets.lease(&at("a"), LeaseLimits::default())).map(drop),
        block_on(secrets.try_current(&at("a"), |_, _| Verdict::Accept(()))).map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::VersionUnavailable);
    }
    assert_eq!(usage(&room, "a"), [3, 3, 0, 1, 4, 12]);

    let entries = block_on(acme.audit().show(0, 1_000)).unwrap().entries;
    let reads: Vec<_> = entries
        .iter()
        .filter(|entry| {
            ["secret.get", "secret.try", "secret.lease", "lease.secret"].contains(&&*entry.act)
                && entry.ok
                && entry.object.as_deref() == Some("a")
        })
        .collect();
    let told = block_on(secrets.usage(&at("a"))).unwrap();
    assert_eq!(told.first_access, Some(reads[0].time));
    assert_eq!((told.last_access, &told.last_reader), (Some(reads.last().unwrap().time), &reads[0].actor));

    // It goes on counting over the end of the secret, and the indexed part of a log.
    block_on(secrets.delete(&at("a"), Delete::default())).unwrap();
    assert_eq!(usage(&room, "a"), [3, 3, 0, 1, 4, 13]);
    put(&secrets, "a", Put::default());
    for _ in 0..2 {
        let entry = |number| ImportEntry { path: at(&format!("n/{number}")), value: SecretValue::text("x").unwrap() };
        let entries = (0..4_200).map(entry).collect();
        block_on(secrets.import(&Folder::root(), entries, Import::default())).unwrap();
    }
    block_on(secrets.get(&at("a"), Get::current())).unwrap();
    drop((secrets, acme));
    room.close().unwrap();
    let room = place.open().unwrap();
    assert_eq!(usage(&room, "a"), [4, 3, 0, 1, 4, 14]);
    let indexed: i64 = place
        .thief()
        .query_row("SELECT seq FROM index_progress WHERE name = 'audit_by_key'", [], |row| row.get(0))
        .unwrap();
    assert!(indexed > 0, "the index has a part of it");
}
