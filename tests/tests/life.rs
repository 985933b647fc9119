//! The life of a secret's versions: deleted, brought back, destroyed, and removed when there are too many.

mod common;

use common::{Place, tenant};
use pollster::block_on;
use strongroom::{
    Code, Error, Folder, Get, Import, ImportEntry, Patch, Promote, Put, PutReply, SecretPath, SecretValue, Secrets,
    Stage, Strongroom, Version, VersionLimit, VersionState, VersionsChanged,
};

use VersionState::{Deleted, Destroyed, Enabled};

fn at(path: &str) -> SecretPath {
    path.parse().unwrap()
}

fn versions(numbers: impl IntoIterator<Item = u64>) -> Vec<Version> {
    numbers.into_iter().map(Version).collect()
}

/// Puts the texts `1`, `2`, … up to this one.
fn put_up_to(secrets: &Secrets, path: &str, last: u64) {
    for number in 1..=last {
        let value = SecretValue::text(number.to_string()).unwrap();
        block_on(secrets.put(&at(path), value, Put::default())).unwrap();
    }
}

/// The value of a version, or why there is none.
fn get(secrets: &Secrets, path: &str, version: u64) -> Result<String, Code> {
    let get = if version == 0 { Get::current() } else { Get::version(Version(version)) };
    match block_on(secrets.get(&at(path), get)) {
        Ok(secret) => Ok(secret.value.expose(|bytes| String::from_utf8(bytes.to_vec()).unwrap())),
        Err(error) => Err(error.code()),
    }
}

/// All versions, oldest first.
fn states(secrets: &Secrets, path: &str) -> Vec<(u64, VersionState)> {
    let found = block_on(secrets.versions(&at(path))).unwrap();
    found.versions.iter().rev().map(|version| (version.version.0, version.state)).collect()
}

fn changed(done: Result<VersionsChanged, Error>) -> Result<Vec<u64>, Code> {
    done.map(|done| done.changed.iter().map(|version| version.0).collect()).map_err(|error| error.code())
}

/// The lines about secrets: act, version, count and code, from this position on.
fn lines(room: &Strongroom, from: u64) -> Vec<(String, Option<u64>, Option<u64>, String)> {
    let page = block_on(tenant(room, "acme").audit().show(from, 1_000)).unwrap();
    page.entries.into_iter().map(|entry| (entry.act, entry.version, entry.count, entry.code)).collect()
}

#[test]
fn what_is_deleted_comes_back_and_what_is_destroyed_does_not() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put_up_to(&secrets, "a", 3);

    let delete = |numbers: &[u64]| changed(block_on(secrets.delete_versions(&at("a"), &versions(numbers.to_vec()))));
    let undelete =
        |numbers: &[u64]| changed(block_on(secrets.undelete_versions(&at("a"), &versions(numbers.to_vec()))));
    let destroy = |numbers: &[u64]| changed(block_on(secrets.destroy_versions(&at("a"), &versions(numbers.to_vec()))));

    assert_eq!(delete(&[3, 1, 3]), Ok(vec![1, 3]), "in order, and each once");
    assert_eq!(states(&secrets, "a"), [(1, Deleted), (2, Enabled), (3, Deleted)]);
    assert_eq!(get(&secrets, "a", 1), Err(Code::VersionUnavailable));
    assert_eq!(get(&secrets, "a", 2), Ok("2".into()));
    assert_eq!(get(&secrets, "a", 0), Err(Code::VersionUnavailable), "the current one stays the current one");
    assert_eq!(delete(&[1, 2]), Ok(vec![2]), "what is deleted stays so");
    assert_eq!(undelete(&[3, 2]), Ok(vec![2, 3]));
    assert_eq!(undelete(&[3]), Ok(vec![]));
    assert_eq!((get(&secrets, "a", 0), get(&secrets, "a", 2)), (Ok("3".into()), Ok("2".into())));

    assert_eq!(destroy(&[1, 2]), Ok(vec![1, 2]), "deleted or not");
    assert_eq!(destroy(&[2, 1]), Ok(vec![]));
    assert_eq!(states(&secrets, "a"), [(1, Destroyed), (2, Destroyed), (3, Enabled)]);
    assert_eq!(get(&secrets, "a", 2), Err(Code::VersionDestroyed));
    for refused in [undelete(&[1]), delete(&[1]), undelete(&[3, 1]), delete(&[3, 1])] {
        assert_eq!(refused, Err(Code::VersionDestroyed));
    }
    for refused in [delete(&[3, 4]), undelete(&[0]), destroy(&[3, u64::MAX])] {
        assert_eq!(refused, Err(Code::VersionNotFound));
    }
    assert_eq!(states(&secrets, "a"), [(1, Destroyed), (2, Destroyed), (3, Enabled)], "nothing of what was refused");

    assert_eq!(destroy(&[3]), Ok(vec![3]));
    assert_eq!(get(&secrets, "a", 0), Err(Code::VersionDestroyed));
    put_up_to(&secrets, "a", 1);
    assert_eq!(get(&secrets, "a", 0), Ok("1".into()), "a secret lives on");
    assert_eq!(states(&secrets, "a").len(), 4);
    room.close().unwrap();

    // It is gone from the row, and the row goes on being one of ours.
    let thief = place.thief();
    let (rows, bytes): (i64, i64) = thief
        .query_row("SELECT count(*), sum(length(value)) FROM secret_versions WHERE state = 4", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!((rows, bytes), (3, 0));
    let room = place.open().unwrap();
    assert_eq!(states(&tenant(&room, "acme").secrets(), "a").len(), 4);
}

#[test]
fn what_is_destroyed_is_in_no_file_of_the_database() {
    for size in [100, 60_000] {
        let (place, room) = Place::software();
        let secrets = tenant(&room, "acme").secrets();
        let value = || SecretValue::binary(vec![7; size]).unwrap();
        for _ in 0..2 {
            block_on(secrets.put(&at("a"), value(), Put::default())).unwrap();
        }
        let ciphertexts: Vec<Vec<u8>> = {
            let thief = place.thief();
            let mut select = thief.prepare("SELECT value FROM secret_versions ORDER BY version").unwrap();
            select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        block_on(secrets.destroy_versions(&at("a"), &versions([1]))).unwrap();
        drop(secrets);
        room.close().unwrap();
        let mut found = [0; 2];
        for file in std::fs::read_dir(place.deployment.folder()).unwrap() {
            // The rest are folders, of notes that the room keeps.
            let Ok(bytes) = std::fs::read(file.unwrap().path()) else { continue };
            for (count, ciphertext) in found.iter_mut().zip(&ciphertexts) {
                // A part of it: what is long lies on several pages.
                *count += memchr::memmem::find_iter(&bytes, &ciphertext[ciphertext.len() / 2..][..40]).count();
            }
        }
        assert_eq!(found, [0, 1], "the second is there, for control");
    }
}

#[test]
fn each_version_has_its_line() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put_up_to(&secrets, "a", 3);
    let act = |name: &str, version, count, code: &str| (name.to_owned(), version, count, code.to_owned());
    let last = block_on(secrets.delete_versions(&at("a"), &versions([1, 3]))).unwrap();
    block_on(secrets.delete_versions(&at("a"), &versions([3]))).unwrap();
    block_on(secrets.undelete_versions(&at("a"), &versions([1, 2, 3]))).unwrap();
    block_on(secrets.destroy_versions(&at("a"), &versions([2]))).unwrap();
    block_on(secrets.undelete_versions(&at("a"), &versions([1, 2]))).unwrap_err();
    let found = lines(&room, last.receipt.seq - 1);
    let want = [
        act("secret.delete-version", Some(1), None, "ok"),
        act("secret.delete-version", Some(3), Some(2), "ok"),
        act("secret.delete-version", Some(3), Some(0), "ok"),
        act("secret.undelete", Some(1), None, "ok"),
        act("secret.undelete", Some(3), Some(2), "ok"),
        act("secret.destroy", Some(2), Some(1), "ok"),
        act("secret.undelete", Some(2), None, "SR-SECRET-VERSION-DESTROYED"),
    ];
    assert_eq!(found[..want.len()], want);
}

#[test]
fn a_call_takes_so_many_versions_and_no_more() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put_up_to(&secrets, "a", 1);
    let delete = |numbers: Vec<u64>| changed(block_on(secrets.delete_versions(&at("a"), &versions(numbers))));
    assert_eq!(delete(vec![]), Err(Code::VersionsInvalid));
    assert_eq!(delete(vec![1; 101]), Err(Code::VersionsInvalid));
    assert_eq!(delete(vec![1; 100]), Ok(vec![1]));
}

#[test]
fn a_folder_is_exported_without_what_cannot_be_read() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    for path in ["f/deleted", "f/destroyed", "f/kept"] {
        put_up_to(&secrets, path, 2);
    }
    block_on(secrets.delete_versions(&at("f/deleted"), &versions([2]))).unwrap();
    block_on(secrets.destroy_versions(&at("f/destroyed"), &versions([2]))).unwrap();
    block_on(secrets.destroy_versions(&at("f/kept"), &versions([1]))).unwrap();
    let exported = block_on(secrets.export(&"f".parse::<Folder>().unwrap())).unwrap().secrets;
    let paths: Vec<_> = exported.iter().map(|secret| secret.path.as_str()).collect();
    assert_eq!(paths, ["kept"]);
}

fn keep(secrets: &Secrets, path: &str, limit: u64) -> PutReply {
    let put = Put::default().max_versions(VersionLimit::new(limit).unwrap());
    block_on(secrets.put(&at(path), SecretValue::text("kept").unwrap(), put)).unwrap()
}

#[test]
fn a_put_beyond_the_limit_removes_the_oldest() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put_up_to(&secrets, "a", 10);
    assert_eq!(states(&secrets, "a").len(), 10, "as many as are kept if nothing is said");
    put_up_to(&secrets, "a", 1);
    let numbers = |path| states(&secrets, path).iter().map(|(number, _)| *number).collect::<Vec<_>>();
    assert_eq!(numbers("a"), (2..=11).collect::<Vec<_>>(), "one too many");
    assert_eq!(get(&secrets, "a", 1), Err(Code::VersionDestroyed));
    assert_eq!(get(&secrets, "a", 2), Ok("2".into()));
    for gone in [
        block_on(secrets.delete_versions(&at("a"), &versions([1]))),
        block_on(secrets.destroy_versions(&at("a"), &versions([1]))),
    ] {
        assert_eq!(changed(gone), Err(Code::VersionDestroyed));
    }
    // What is deleted or destroyed counts like any other.
    block_on(secrets.delete_versions(&at("a"), &versions([2]))).unwrap();
    block_on(secrets.destroy_versions(&at("a"), &versions([3]))).unwrap();

    let reply = keep(&secrets, "a", 3);
    assert_eq!((reply.version, reply.removed, numbers("a")), (Version(12), 8, vec![10, 11, 12]), "a lower limit");
    let reply = keep(&secrets, "a", 1);
    assert_eq!((reply.removed, numbers("a")), (3, vec![13]));
    let reply = keep(&secrets, "a", 1_000);
    assert_eq!((reply.removed, numbers("a")), (0, vec![13, 14]), "a higher one brings nothing back");
    put_up_to(&secrets, "a", 10);
    assert_eq!(numbers("a").len(), 12, "the limit stays with the secret");
    assert_eq!(block_on(secrets.versions(&at("a"))).unwrap().max_versions.versions(), 1_000);

    // An import keeps to it too, and so does a new secret of the same name.
    keep(&secrets, "b", 1);
    let entries = vec![ImportEntry { path: at("b"), value: SecretValue::text("imported").unwrap() }];
    block_on(secrets.import(&Folder::root(), entries, Import::default())).unwrap();
    assert_eq!(numbers("b"), [2]);
    block_on(secrets.delete(&at("b"), strongroom::Delete::default())).unwrap();
    put_up_to(&secrets, "b", 2);
    assert_eq!(numbers("b"), [1, 2]);

    let removals: Vec<_> = lines(&room, 0)
        .into_iter()
        .filter(|(act, _, count, _)| act == "secret.put" && count.is_some())
        .map(|(_, version, count, _)| (version.unwrap(), count.unwrap()))
        .collect();
    assert_eq!(removals, [(11, 1), (12, 8), (13, 3), (2, 1)], "each line says how many");
    let checked = block_on(tenant(&room, "acme").audit().check_state()).unwrap();
    assert!(checked.is_ok(), "{:#?}", checked.findings);
    let facts: i64 = place.thief().query_row("SELECT count(*) FROM secret_versions", [], |row| row.get(0)).unwrap();
    assert_eq!(facts, 14, "their rows are gone");
}

#[test]
fn a_limit_removes_what_was_destroyed_since_it_was_last_looked_for() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put_up_to(&secrets, "a", 4);
    keep(&secrets, "a", 4);
    block_on(secrets.destroy_versions(&at("a"), &versions([2]))).unwrap();
    let reply = keep(&secrets, "a", 1);
    assert_eq!((reply.version, reply.removed), (Version(6), 4));
    let left: i64 = place.thief().query_row("SELECT count(*) FROM secret_versions", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1);
    let checked = block_on(common::admin(&room).audit().check_state()).unwrap();
    assert!(checked.is_ok(), "{:#?}", checked.findings);
}

fn json(text: &str) -> SecretValue {
    SecretValue::json(text).unwrap()
}

#[test]
fn a_patch_changes_what_it_names() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let put = |value| block_on(secrets.put(&at("a"), value, Put::default())).map(drop);
    let patch = |change: &str, options| match block_on(secrets.patch(&at("a"), json(change), options)) {
        Ok(reply) => Ok(reply.version.0),
        Err(error) => Err(error.code()),
    };
    let any = Patch::default;
    assert_eq!(patch("{}", any()), Err(Code::SecretNotFound));
    put(json(r#"{ "user": "app", "port": 5432.0, "old": [1] }"#)).unwrap();
    assert_eq!(patch(r#"{"old":null,"user":"db","tls":{"on":true,"off":null}}"#, any()), Ok(2));
    assert_eq!(get(&secrets, "a", 0), Ok(r#"{"user":"db","port":5432.0,"tls":{"on":true}}"#.into()));
    let current = block_on(secrets.get(&at("a"), Get::current())).unwrap();
    assert_eq!(current.value.kind(), strongroom::ValueKind::Json);
    assert_eq!(patch("{}", any().expect(Version(1))), Err(Code::SecretConflict));
    assert_eq!(patch("{\"user\":1}", any().expect(Version(2))), Ok(3));

    let error = block_on(secrets.patch(&at("a"), SecretValue::text("{}").unwrap(), any())).unwrap_err();
    assert_eq!(error.code(), Code::PatchInvalid);
    assert_eq!(patch(r#"{"a":1,"a":2}"#, any()), Err(Code::PatchInvalid));
    assert_eq!(patch(&format!("{{\"a\":\"{}\"}}", "x".repeat(65_500)), any()), Err(Code::SecretTooLarge));
    block_on(secrets.delete_versions(&at("a"), &versions([3]))).unwrap();
    assert_eq!(patch("{}", any()), Err(Code::VersionUnavailable));
    for other in
        [SecretValue::text("{}").unwrap(), SecretValue::binary(b"{}".to_vec()).unwrap(), json(r#"{"a":1,"a":2}"#)]
    {
        put(other).unwrap();
        assert_eq!(patch("{\"b\":1}", any()), Err(Code::PatchUnsuitable));
    }
    // It keeps to the limit like any put, and its line says so.
    keep(&secrets, "a", 1);
    put(json("{}")).unwrap();
    let reply = block_on(secrets.patch(&at("a"), json("{\"n\":1}"), any())).unwrap();
    assert_eq!((reply.removed, states(&secrets, "a").len()), (1, 1));
    let line = lines(&room, reply.receipt.seq).remove(0);
    assert_eq!(line, ("secret.patch".to_owned(), Some(reply.version.0), Some(1), "ok".to_owned()));
    let checked = block_on(tenant(&room, "acme").audit().check_state()).unwrap();
    assert!(checked.is_ok(), "{:#?}", checked.findings);
}

/// Two processes, as far as the store can tell, patch one value at once.
#[test]
fn no_patch_is_lost() {
    const EACH: usize = 30;
    let (place, room) = Place::software();
    block_on(tenant(&room, "acme").secrets().put(&at("a"), json("{}"), Put::default())).unwrap();
    let other = place.open().unwrap();
    std::thread::scope(|scope| {
        for (writer, room) in [&room, &other, &room, &other].into_iter().enumerate() {
            scope.spawn(move || {
                let secrets = tenant(room, "acme").secrets();
                for number in 0..EACH {
                    let change = json(&format!(r#"{{"{writer}":{{"{number}":true}}}}"#));
                    block_on(secrets.patch(&at("a"), change, Patch::default())).unwrap();
                }
            });
        }
    });
    let value = get(&tenant(&room, "acme").secrets(), "a", 0).unwrap();
    assert_eq!(value.matches("true").count(), 4 * EACH, "{value}");
    other.close().unwrap();
    let verified = block_on(room.admin(common::operator()).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{}", verified.report);
}

/// Puts this as pending, and says which version that is.
fn put_pending(secrets: &Secrets, value: &str, put: Put) -> Result<u64, Code> {
    let value = SecretValue::text(value).unwrap();
    match block_on(secrets.put_pending(&at("a"), value, put)) {
        Ok(reply) => Ok(reply.version.0),
        Err(error) => Err(error.code()),
    }
}

#[test]
fn stages_move_together() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    // The numbers of the current, the pending and the previous version; what `versions` says of stages is the same.
    let stages = || {
        let found = [Stage::Current, Stage::Pending, Stage::Previous].map(|stage| {
            match block_on(secrets.get(&at("a"), Get::stage(stage))) {
                Ok(secret) => {
                    assert_eq!((secret.stage, secret.is_current), (Some(stage), stage == Stage::Current));
                    Some(secret.version.0)
                }
                Err(error) => {
                    assert_eq!(error.code(), Code::StageEmpty);
                    None
                }
            }
        });
        for info in block_on(secrets.versions(&at("a"))).unwrap().versions {
            let at = found.iter().position(|number| *number == Some(info.version.0));
            assert_eq!(info.stage, at.map(|at| [Stage::Current, Stage::Pending, Stage::Previous][at]));
        }
        found
    };
    let promote = |promote| match block_on(secrets.promote(&at("a"), promote)) {
        Ok(done) => Ok((done.version.0, done.previous.0)),
        Err(error) => Err(error.code()),
    };
    assert_eq!(
        put_pending(&secrets, "x", Put::default()),
        Err(Code::SecretNotFound),
        "a secret begins with a current one"
    );
    put_up_to(&secrets, "a", 1);
    assert_eq!(stages(), [Some(1), None, None]);
    assert_eq!(promote(Promote::pending()), Err(Code::StageEmpty));
    assert_eq!(promote(Promote::previous()), Err(Code::StageEmpty));

    assert_eq!(put_pending(&secrets, "2", Put::default().expect(Version(2))), Err(Code::SecretConflict));
    assert_eq!(put_pending(&secrets, "2", Put::default().expect(Version(1))), Ok(2));
    assert_eq!((stages(), get(&secrets, "a", 0)), ([Some(1), Some(2), None], Ok("1".into())));
    assert_eq!(put_pending(&secrets, "3", Put::default()), Ok(3));
    assert_eq!(stages(), [Some(1), Some(3), None], "another one in its place");
    assert_eq!(promote(Promote::pending().expect(Version(2))), Err(Code::SecretConflict));
    assert_eq!(promote(Promote::pending().expect(Version(3))), Ok((3, 1)));
    assert_eq!((stages(), get(&secrets, "a", 0)), ([Some(3), None, Some(1)], Ok("3".into())));
    assert_eq!(promote(Promote::previous()), Ok((1, 3)), "the way back");
    assert_eq!(promote(Promote::previous()), Ok((3, 1)), "and forth");

    // A put beside a rotation leaves what is pending.
    assert_eq!(put_pending(&secrets, "4", Put::default()), Ok(4));
    put_up_to(&secrets, "a", 1);
    assert_eq!(stages(), [Some(5), Some(4), Some(3)]);
    assert_eq!(promote(Promote::previous()), Ok((3, 5)));
    assert_eq!(stages(), [Some(3), Some(4), Some(5)]);

    // What cannot be read does not become current.
    block_on(secrets.delete_versions(&at("a"), &versions([4]))).unwrap();
    assert_eq!(promote(Promote::pending()), Err(Code::VersionUnavailable));
    block_on(secrets.destroy_versions(&at("a"), &versions([4]))).unwrap();
    assert_eq!(promote(Promote::pending()), Err(Code::VersionDestroyed));

    let acts: Vec<_> = lines(&room, 0)
        .into_iter()
        .filter(|(act, _, _, code)| code == "ok" && (act == "secret.promote" || act == "secret.put-pending"))
        .map(|(act, version, ..)| (act, version.unwrap()))
        .collect();
    let want = [
        ("put-pending", 2),
        ("put-pending", 3),
        ("promote", 3),
        ("promote", 1),
        ("promote", 3),
        ("put-pending", 4),
        ("promote", 3),
    ];
    assert_eq!(acts, want.map(|(act, version)| (format!("secret.{act}"), version)));
    let checked = block_on(tenant(&room, "acme").audit().check_state()).unwrap();
    assert!(checked.is_ok(), "{:#?}", checked.findings);
    // A thief moves a stage: the row is not ours then.
    room.close().unwrap();
    place.thief().execute("UPDATE secrets SET current = 5, previous = 3", []).unwrap();
    let room = place.open().unwrap();
    assert_eq!(get(&tenant(&room, "acme").secrets(), "a", 0), Err(Code::Integrity));
}

#[test]
fn the_limit_never_removes_what_is_current() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    keep(&secrets, "a", 3);
    let number = |stage| block_on(secrets.get(&at("a"), Get::stage(stage))).map(|secret| secret.version.0).ok();
    assert_eq!(put_pending(&secrets, "2", Put::default()), Ok(2));
    assert_eq!(put_pending(&secrets, "3", Put::default()), Ok(3), "as many as it keeps");
    assert_eq!(put_pending(&secrets, "4", Put::default()), Err(Code::VersionsFull), "one more");
    let lower = Put::default().max_versions(VersionLimit::new(2).unwrap());
    assert_eq!(put_pending(&secrets, "4", lower), Err(Code::VersionsFull));
    assert_eq!(states(&secrets, "a").len(), 3, "nothing of what was refused");
    let higher = Put::default().max_versions(VersionLimit::new(4).unwrap());
    assert_eq!(put_pending(&secrets, "4", higher), Ok(4));
    block_on(secrets.promote(&at("a"), Promote::pending())).unwrap();
    assert_eq!(put_pending(&secrets, "5", Put::default()), Ok(5));
    assert_eq!([Stage::Current, Stage::Pending, Stage::Previous].map(number), [Some(4), Some(5), None], "1 fell out");
    // One that is pending and forgotten is in nobody's way.
    put_up_to(&secrets, "a", 3);
    assert_eq!([Stage::Current, Stage::Pending, Stage::Previous].map(number), [Some(8), Some(5), Some(7)]);
    put_up_to(&secrets, "a", 1);
    assert_eq!([Stage::Current, Stage::Pending, Stage::Previous].map(number), [Some(9), None, Some(8)]);
    let checked = block_on(tenant(&room, "acme").audit().check_state()).unwrap();
    assert!(checked.is_ok(), "{:#?}", checked.findings);
}

/// Whatever is done in whatever order, versions are what a simple model says.
#[test]
fn versions_live_as_a_model_says() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    println!("seed {seed}");
    let mut chance = u64::from(seed);
    let mut next = |below: u64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    put_up_to(&secrets, "a", 1);
    let mut model = vec![Enabled];
    for _ in 0..150 {
        if model.len() < 8 && next(8) == 0 {
            let value = SecretValue::text((model.len() + 1).to_string()).unwrap();
            block_on(secrets.put(&at("a"), value, Put::default())).unwrap();
            model.push(Enabled);
        }
        let mut numbers: Vec<_> = (0..1 + next(3)).map(|_| 1 + next(9)).collect();
        let (kind, asked) = (next(7), versions(numbers.clone()));
        numbers.sort_unstable();
        numbers.dedup();
        let (done, from, to): (_, &[VersionState], _) = match kind {
            0..3 => (block_on(secrets.delete_versions(&at("a"), &asked)), &[Enabled], Deleted),
            3..6 => (block_on(secrets.undelete_versions(&at("a"), &asked)), &[Deleted], Enabled),
            _ => (block_on(secrets.destroy_versions(&at("a"), &asked)), &[Enabled, Deleted], Destroyed),
        };
        let state = |number: u64| model.get(usize::try_from(number).unwrap() - 1).copied();
        let refusal = numbers.iter().find_map(|number| match state(*number) {
            None => Some(Code::VersionNotFound),
            Some(Destroyed) if to != Destroyed => Some(Code::VersionDestroyed),
            _ => None,
        });
        let want = match refusal {
            Some(code) => Err(code),
            None => Ok(numbers.iter().copied().filter(|number| from.contains(&state(*number).unwrap())).collect()),
        };
        assert_eq!(changed(done), want, "{kind} of {numbers:?} in {model:?}");
        for number in want.unwrap_or_default() {
            model[usize::try_from(number).unwrap() - 1] = to;
        }
        let found: Vec<_> = states(&secrets, "a").into_iter().map(|(_, state)| state).collect();
        assert_eq!(found, model);
    }
    for (number, state) in (1..).zip(&model) {
        let want = match state {
            Enabled => Ok(number.to_string()),
            Deleted => Err(Code::VersionUnavailable),
            _ => Err(Code::VersionDestroyed),
        };
        assert_eq!(get(&secrets, "a", number), want);
    }
    let checked = block_on(tenant(&room, "acme").audit().check_state()).unwrap();
    assert!(checked.is_ok(), "{:#?}", checked.findings);
}
