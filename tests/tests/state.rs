//! The state check: a thief with an older copy of the database puts rows back, takes some away, hides others, and
//! each time the log tells. What honest use leaves behind agrees with it.

mod common;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use common::{Place, admin, operator, tenant};
use pollster::block_on;
use strongroom::{
    Code, Config, Delete, Deployment, Expiry, Folder, Get, Import, ImportEntry, Labels, Move, OpenOptions, Promote,
    Put, Restore, SecretPath, SecretValue, StateCode, StateFinding, Strongroom, To, Version, VersionLimit,
};

use StateCode::{Altered, Hidden, Missing, Replaced, Replayed, Unlogged};

fn put(room: &Strongroom, name: &str, path: &str, value: &str, labels: &[(&str, &str)]) {
    let labels = Labels::parse(labels.iter().copied()).unwrap();
    let (secrets, value) = (tenant(room, name).secrets(), SecretValue::text(value).unwrap());
    block_on(secrets.put(&path.parse().unwrap(), value, Put::default().labels(labels))).unwrap();
}

fn delete(room: &Strongroom, name: &str, path: &str) {
    block_on(tenant(room, name).secrets().delete(&path.parse().unwrap(), Delete::default())).unwrap();
}

fn versions(numbers: &[u64]) -> Vec<Version> {
    numbers.iter().copied().map(Version).collect()
}

/// The database as it was, for the thief, and as it is.
struct Story {
    place: Place,
    old: PathBuf,
}

impl Story {
    fn new() -> Self {
        let (place, room) = Place::software();
        put(&room, "acme", "a/one", "1", &[]);
        put(&room, "acme", "a/b/two", "1", &[("team", "red")]);
        put(&room, "acme", "three", "1", &[]);
        put(&room, "acme", "four", "1", &[]);
        for path in ["life", "few"] {
            ["1", "2", "3"].into_iter().for_each(|value| put(&room, "acme", path, value, &[]));
        }
        for path in ["off", "kept-away", "moves", "kept-copied"] {
            put(&room, "acme", path, "1", &[]);
        }
        put(&room, "beta", "x", "1", &[]);
        tenant(&room, "gone");
        room.close().unwrap();
        let old = place.folder.path().join("old.db");
        place.thief().execute("VACUUM INTO ?1", [old.to_str().unwrap()]).unwrap();

        let room = place.open().unwrap();
        put(&room, "acme", "a/one", "2", &[]);
        put(&room, "acme", "a/one", "3", &[]);
        put(&room, "acme", "a/b/two", "2", &[("team", "blue")]);
        delete(&room, "acme", "four");
        let (secrets, life) = (tenant(&room, "acme").secrets(), "life".parse().unwrap());
        block_on(secrets.delete_versions(&life, &versions(&[1, 2]))).unwrap();
        block_on(secrets.destroy_versions(&life, &versions(&[2, 3]))).unwrap();
        let keep = Put::default().max_versions(VersionLimit::new(2).unwrap());
        block_on(secrets.put(&"few".parse().unwrap(), SecretValue::text("4").unwrap(), keep)).unwrap();
        block_on(secrets.disable(&"off".parse().unwrap())).unwrap();
        block_on(secrets.disable_versions(&"kept-copied".parse().unwrap(), &versions(&[1]))).unwrap();
        block_on(secrets.archive(&"kept-away".parse().unwrap())).unwrap();
        let moved = "kept-moved".parse().unwrap();
        block_on(secrets.rename(&"moves".parse().unwrap(), To(&moved), Move::default())).unwrap();
        block_on(secrets.copy(&moved, To(&"kept-copy".parse().unwrap()), Get::current())).unwrap();
        block_on(admin(&room).close_tenant(&"gone".parse().unwrap())).unwrap();
        tenant(&room, "late");
        room.close().unwrap();
        Self { place, old }
    }

    /// A copy that the thief has had in hand, opened; the rows of this tenant, or those of the deployment.
    fn after(&self, name: &str, of: &str, sql: &str) -> Result<Vec<StateFinding>, Code> {
        let copy = Deployment::at(self.place.folder.path().join(name.replace(' ', "-")));
        copy_folder(self.place.deployment.folder(), copy.folder());
        let thief = rusqlite::Connection::open(copy.database()).unwrap();
        thief.execute_batch("PRAGMA foreign_keys = off; PRAGMA ignore_check_constraints = on").unwrap();
        thief.execute("ATTACH ?1 AS old", [self.old.to_str().unwrap()]).unwrap();
        thief.execute_batch(sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        drop(thief);
        let room = block_on(Strongroom::open(&copy, self.place.device().unwrap())).unwrap();
        let audit = match of {
            "" => admin(&room).audit(),
            of => tenant(&room, of).audit(),
        };
        let checked = block_on(audit.check_state());
        let verified = block_on(admin(&room).audit().verify(None)).unwrap();
        assert!(verified.report.is_ok(), "{name}: the log itself is whole: {}", verified.report);
        room.close().unwrap();
        checked.map(|checked| checked.findings).map_err(|error| error.code())
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        // Room on the disk that a service keeps, and the folder of processes that have it open: they hold nothing.
        if file.file_name() == "strongroom.reserve" || file.file_name() == "processes" {
            continue;
        }
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// The secrets of acme in the order in which they were made: `one` is the first.
const SECRET: &str = "(SELECT id FROM old.secrets WHERE tenant = (SELECT number FROM old.tenants WHERE name_hash =
    (SELECT name_hash FROM old.tenants WHERE number <> 0 ORDER BY created_at LIMIT 1)) ORDER BY created_at LIMIT 1 OFFSET ";

fn secret(number: u32) -> String {
    format!("{SECRET}{number})")
}

/// A finding's kind, object and version.
type Want<'a> = (StateCode, &'a str, Option<u64>);

#[test]
fn whatever_the_thief_puts_back_takes_away_or_hides_is_found() {
    let story = Story::new();
    let (one, two, three, four, life) = (secret(0), secret(1), secret(2), secret(3), secret(4));
    let few = secret(5);
    let (moves, copied) = (secret(8), secret(9));
    let put_back = |number| format!("REPLACE INTO secrets SELECT * FROM old.secrets WHERE id = {}", secret(number));
    // The row of a version as the thief kept it.
    let kept = |columns: &str, version: u64| {
        format!(
            "UPDATE secret_versions SET ({columns}) = (SELECT {columns} FROM old.secret_versions AS kept
             WHERE kept.secret = {life} AND kept.version = {version}) WHERE secret = {life} AND version = {version}"
        )
    };
    let cases: Vec<(&str, &str, String, Vec<Want<'_>>)> = vec![
        ("nothing", "acme", String::new(), vec![]),
        ("nothing of the deployment", "", String::new(), vec![]),
        (
            "an old row put back",
            "acme",
            format!("REPLACE INTO secrets SELECT * FROM old.secrets WHERE id = {one}"),
            vec![(Replayed, "a/one", None), (Missing, "a/one", Some(2)), (Missing, "a/one", Some(3))],
        ),
        (
            "its newest version cut off",
            "acme",
            format!("UPDATE secrets SET newest = (SELECT newest FROM old.secrets WHERE id = {one}) WHERE id = {one}"),
            vec![(Missing, "a/one", Some(2)), (Missing, "a/one", Some(3))],
        ),
        (
            "a version in the middle taken out",
            "acme",
            format!("DELETE FROM secret_versions WHERE secret = {one} AND version = 2"),
            vec![(Missing, "a/one", Some(1)), (Missing, "a/one", Some(2))],
        ),
        (
            "a value changed",
            "acme",
            format!(
                "UPDATE secret_versions SET value = CAST(value || x'00' AS BLOB) WHERE secret = {one} AND version = 1"
            ),
            vec![(Altered, "a/one", Some(1))],
        ),
        (
            "a version switched off",
            "acme",
            format!("UPDATE secret_versions SET state = 2 WHERE secret = {one} AND version = 3"),
            vec![(Altered, "a/one", Some(3))],
        ),
        (
            "a secret taken away",
            "acme",
            format!("DELETE FROM secrets WHERE id = {three}"),
            vec![(Missing, "secret ", None)],
        ),
        (
            "a deleted secret put back",
            "acme",
            format!(
                "INSERT INTO secrets SELECT * FROM old.secrets WHERE id = {four};
                 UPDATE secrets SET newest = 99 WHERE id = {four};
                 INSERT INTO secret_versions SELECT 99, before, tenant, secret, version, state, created_at, expires_at,
                 value, revision, mac FROM old.secret_versions WHERE secret = {four}"
            ),
            vec![(Unlogged, "four", None), (Unlogged, "four", Some(1))],
        ),
        (
            "a row changed",
            "acme",
            format!("UPDATE secrets SET enabled = 0 WHERE id = {three}"),
            vec![(Altered, "", None), (Missing, "secret ", None)],
        ),
        (
            "another row's MAC",
            "acme",
            format!("UPDATE secrets SET mac = (SELECT mac FROM old.secrets WHERE id = {one}) WHERE id = {three}"),
            vec![(Altered, "", None), (Missing, "secret ", None)],
        ),
        (
            "an old label put back",
            "acme",
            format!(
                "DELETE FROM secret_labels WHERE secret = {two};
                 INSERT INTO secret_labels SELECT * FROM old.secret_labels WHERE secret = {two}"
            ),
            vec![(Hidden, "a/b/two", None)],
        ),
        (
            "a label taken away",
            "acme",
            format!("DELETE FROM secret_labels WHERE secret = {two}"),
            vec![(Hidden, "a/b/two", None)],
        ),
        (
            "a folder taken away",
            "acme",
            "DELETE FROM folders WHERE id = (SELECT max(id) FROM folders)".to_owned(),
            vec![(Hidden, "a/", None)],
        ),
        (
            "a folder renamed",
            "acme",
            "UPDATE folders SET parent_hash = name_hash WHERE id = (SELECT max(id) FROM folders)".to_owned(),
            vec![(Altered, "", None), (Hidden, "a/", None)],
        ),
        ("a deleted version brought back", "acme", kept("state, revision, mac", 1), vec![(Replayed, "life", Some(1))]),
        (
            "a deleted version marked as not deleted",
            "acme",
            format!("UPDATE secret_versions SET state = 1 WHERE secret = {life} AND version = 1"),
            vec![(Altered, "life", Some(1))],
        ),
        (
            "a destroyed version put back",
            "acme",
            kept("state, value, revision, mac", 2),
            vec![(Replayed, "life", Some(2))],
        ),
        (
            "a destroyed version put back with its secret",
            "acme",
            format!(
                "{}; UPDATE secrets SET (updated_at, revision, mac) = (SELECT updated_at, revision, mac FROM old.secrets
                 WHERE id = {life}) WHERE id = {life}",
                kept("state, value, revision, mac", 3)
            ),
            vec![(Replayed, "life", None), (Replayed, "life", Some(3))],
        ),
        (
            "a destroyed version taken out",
            "acme",
            format!("DELETE FROM secret_versions WHERE secret = {life} AND version = 1"),
            vec![(Missing, "life", Some(1))],
        ),
        (
            "a version that the limit removed put back",
            "acme",
            format!("INSERT INTO secret_versions SELECT * FROM old.secret_versions WHERE secret = {few} AND version = 2"),
            vec![(Unlogged, "few", Some(2))],
        ),
        (
            "a version that the limit removed lying about",
            "",
            format!("INSERT INTO secret_versions SELECT * FROM old.secret_versions WHERE secret = {few} AND version = 1"),
            vec![(Unlogged, "versions of secrets", None)],
        ),
        (
            "the oldest that is kept taken away",
            "acme",
            format!("DELETE FROM secret_versions WHERE secret = {few} AND version = 3"),
            vec![(Missing, "few", Some(3))],
        ),
        (
            "the limit's work undone with an old row",
            "acme",
            format!(
                "UPDATE secrets SET (settings, latest, current, previous, updated_at, revision, mac, newest) = (SELECT
                 settings, latest, current, previous, updated_at, revision, mac, newest FROM old.secrets WHERE id = {few})
                 WHERE id = {few};
                 INSERT INTO secret_versions SELECT * FROM old.secret_versions WHERE secret = {few} AND version < 3"
            ),
            vec![(Replayed, "few", None), (Missing, "few", Some(4))],
        ),
        ("a disabled secret enabled with an old row", "acme", put_back(6), vec![(Replayed, "off", None)]),
        ("an archived secret in use again with an old row", "acme", put_back(7), vec![(Replayed, "kept-away", None)]),
        (
            "a moved secret put back where it was",
            "acme",
            format!("DELETE FROM secrets WHERE id = {moves}; {}", put_back(8)),
            vec![(Unlogged, "moves", None), (Unlogged, "moves", Some(1)), (Missing, "secret ", None)],
        ),
        (
            "a disabled version enabled with an old row",
            "acme",
            format!(
                "UPDATE secret_versions SET (state, revision, mac) = (SELECT state, revision, mac FROM old.secret_versions
                 AS kept WHERE kept.secret = {copied}) WHERE secret = {copied}"
            ),
            vec![(Replayed, "kept-copied", Some(1))],
        ),
        (
            "a copy taken away",
            "acme",
            "DELETE FROM secrets WHERE id = (SELECT max(id) FROM secrets WHERE tenant = (SELECT tenant FROM secrets WHERE
             id NOT IN (SELECT id FROM old.secrets)))"
                .to_owned(),
            vec![(Missing, "secret ", None)],
        ),
        (
            "a closed tenant opened",
            "",
            "REPLACE INTO tenants SELECT * FROM old.tenants WHERE number <> 0 AND revision <>
             (SELECT revision FROM main.tenants AS now WHERE now.number = old.tenants.number)"
                .to_owned(),
            vec![(Replayed, "gone", None)],
        ),
        (
            "a tenant taken away",
            "",
            "DELETE FROM tenants WHERE number NOT IN (SELECT number FROM old.tenants)".to_owned(),
            vec![(Missing, "tenant ", None)],
        ),
        (
            "a tenant changed",
            "",
            "UPDATE tenants SET settings = x'00' WHERE number NOT IN (SELECT number FROM old.tenants)".to_owned(),
            vec![(Altered, "", None)],
        ),
        (
            "a version left lying about",
            "",
            format!(
                "INSERT INTO secret_versions SELECT 99, NULL, tenant, secret, version, state, created_at, expires_at,
                 value, revision, mac FROM old.secret_versions WHERE secret = {one}"
            ),
            vec![(Unlogged, "versions of secrets", None)],
        ),
    ];
    for (name, of, sql, want) in cases {
        let findings = story.after(name, of, &sql).unwrap_or_else(|code| panic!("{name}: {code:?}"));
        assert_eq!(findings.len(), want.len(), "{name}: {findings:#?}");
        for (finding, (code, object, version)) in findings.iter().zip(want) {
            assert_eq!((finding.code, finding.version), (code, version), "{name}: {finding}");
            assert!(finding.object.starts_with(object), "{name}: {finding}");
            assert!(finding.to_string().starts_with(code.as_str()), "{finding}");
        }
    }
}

/// Two states of one row with the same revision exist where a copy of the database lived on by itself.
#[test]
fn a_row_from_another_life_of_the_database_is_found() {
    let story = Story::new();
    let fork = Deployment::at(story.place.folder.path().join("fork"));
    copy_folder(story.place.deployment.folder(), fork.folder());
    for (deployment, value) in [(&fork, "theirs"), (&story.place.deployment, "ours")] {
        let room = block_on(Strongroom::open(deployment, story.place.device().unwrap())).unwrap();
        put(&room, "beta", "x", value, &[]);
        room.close().unwrap();
    }
    let thief = story.place.thief();
    thief.execute("ATTACH ?1 AS fork", [fork.database().to_str().unwrap()]).unwrap();
    let rows = thief
        .execute_batch(
            "PRAGMA foreign_keys = off;
             REPLACE INTO secret_versions SELECT * FROM fork.secret_versions WHERE seq = (SELECT max(seq) FROM fork.secret_versions);
             REPLACE INTO secrets SELECT * FROM fork.secrets WHERE newest = (SELECT max(seq) FROM fork.secret_versions)",
        );
    rows.unwrap();
    drop(thief);
    let room = story.place.open().unwrap();
    let found = block_on(tenant(&room, "beta").audit().check_state()).unwrap().findings;
    let found: Vec<_> = found.iter().map(|finding| (finding.code, finding.object.as_str(), finding.version)).collect();
    assert_eq!(found, [(Replaced, "x", None), (Replaced, "x", Some(2))]);
    let value = block_on(tenant(&room, "beta").secrets().get(&"x".parse().unwrap(), Default::default())).unwrap();
    assert!(value.value.expose(|bytes| bytes == b"theirs"), "without the log nobody would notice");
    room.close().unwrap();
}

#[test]
fn a_line_that_cannot_be_reached_is_no_state_to_compare_with() {
    let story = Story::new();
    let indexed =
        "INSERT INTO audit_by_log (tenant, generation, log_seq, seq) SELECT tenant, 1, log_seq, seq FROM audit;
                   UPDATE index_progress SET seq = (SELECT max(seq) FROM audit);";
    assert_eq!(story.after("all indexed", "acme", indexed), Ok(vec![]));
    for (name, sql) in [
        ("an entry taken away", "DELETE FROM audit_by_log WHERE log_seq = 1"),
        ("the last entry taken away", "DELETE FROM audit_by_log WHERE log_seq > 5"),
        ("an entry that leads elsewhere", "UPDATE audit_by_log SET seq = seq - 1 WHERE log_seq = 2"),
    ] {
        assert_eq!(story.after(name, "acme", &format!("{indexed}{sql}")), Err(Code::LogBroken), "{name}");
    }
}

#[test]
fn honest_use_leaves_rows_and_log_in_agreement() {
    let (place, room) = Place::software();
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    println!("seed {seed}");
    let mut chance = u64::from(seed);
    let mut next = |below: u64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    let mut done = [0_u32; 13];
    for turn in 0..500 {
        let (name, path) = (["acme", "beta"][next(2) as usize], format!("f{}/s{}", next(3), next(5)));
        let (kind, version) = (next(13) as usize, [Version(1 + next(4))]);
        let at = path.parse().unwrap();
        done[kind] += 1;
        match kind {
            0 if next(3) == 0 => {
                let keep = Put::default().max_versions(VersionLimit::new(1 + next(4)).unwrap());
                drop(block_on(tenant(&room, name).secrets().put(&at, SecretValue::text("few").unwrap(), keep)));
            }
            0 | 1 => {
                // Refused where there is an archived one.
                let labels = Labels::parse((kind == 1).then(|| ("n", turn.to_string()))).unwrap();
                let value = SecretValue::text(turn.to_string()).unwrap();
                drop(block_on(tenant(&room, name).secrets().put(&at, value, Put::default().labels(labels))));
            }
            2 => drop(block_on(tenant(&room, name).secrets().delete(&at, Delete::default()))),
            3 => drop(block_on(tenant(&room, name).secrets().delete_versions(&at, &version))),
            4 => drop(block_on(tenant(&room, name).secrets().undelete_versions(&at, &version))),
            5 => drop(block_on(tenant(&room, name).secrets().destroy_versions(&at, &version))),
            6 => drop(block_on(tenant(&room, name).secrets().put_pending(
                &at,
                SecretValue::text("pending").unwrap(),
                Put::default(),
            ))),
            7 => {
                let which = if next(2) == 0 { Promote::pending() } else { Promote::previous() };
                drop(block_on(tenant(&room, name).secrets().promote(&at, which)));
            }
            8 => {
                let secrets = tenant(&room, name).secrets();
                drop(match next(4) {
                    0 => block_on(secrets.disable(&at)),
                    1 => block_on(secrets.enable(&at)),
                    2 => block_on(secrets.archive(&at)),
                    _ => block_on(secrets.unarchive(&at)),
                });
            }
            9 => {
                let secrets = tenant(&room, name).secrets();
                drop(match next(2) {
                    0 => block_on(secrets.disable_versions(&at, &version)),
                    _ => block_on(secrets.enable_versions(&at, &version)),
                });
            }
            10 => {
                let expiry = if next(2) == 0 { Expiry::Never } else { Expiry::In(Duration::from_millis(1 + next(50))) };
                drop(block_on(tenant(&room, name).secrets().extend_version(&at, version[0], expiry)));
            }
            11 => {
                let to: SecretPath = format!("f{}/m{}", next(3), next(3)).parse().unwrap();
                let secrets = tenant(&room, name).secrets();
                match next(3) {
                    0 => drop(block_on(secrets.copy(&at, To(&to), Get::current()))),
                    1 => drop(block_on(secrets.rename(&at, To(&to), Move::default()))),
                    _ => drop(block_on(secrets.rename(&to, To(&at), Move::default()))),
                }
            }
            _ => {
                let entries =
                    vec![ImportEntry { path: path.parse().unwrap(), value: SecretValue::text("imported").unwrap() }];
                drop(block_on(tenant(&room, name).secrets().import(&Folder::root(), entries, Import::default())));
            }
        }
    }
    println!(
        "put, put with label, delete, delete-version, undelete, destroy, put-pending, promote, a secret's standing, a
         version's, its time, copy and move, import: {done:?}"
    );
    // What has expired by now is recorded before anybody compares.
    room.look_for_expired();
    agree(&room, &["acme", "beta"]);

    let backup = place.folder.path().join("backup");
    block_on(admin(&room).back_up(&backup, |_, _| {})).unwrap();
    put(&room, "acme", "after/the/backup", "x", &[]);
    room.close().unwrap();
    let config = Config { device: place.uri.to_string(), ..Config::default() };
    let restore = Restore::new(config, "the disk burnt", operator()).unwrap();
    let to = Deployment::at(place.folder.path().join("restored"));
    let (room, _) =
        block_on(Strongroom::restore(&backup, &to, place.device().unwrap(), restore, OpenOptions::default())).unwrap();
    agree(&room, &["acme", "beta"]);
    put(&room, "acme", "f1/new", "in the second generation", &[]);
    delete(&room, "acme", "f1/new");
    agree(&room, &["acme", "beta"]);
    room.close().unwrap();
}

fn agree(room: &Strongroom, tenants: &[&str]) {
    let checked = block_on(admin(room).audit().check_state()).unwrap();
    assert!(checked.is_ok(), "{:#?}", checked.findings);
    assert_eq!(checked.rows, 1 + tenants.len() as u64);
    for name in tenants {
        let checked = block_on(tenant(room, name).audit().check_state()).unwrap();
        assert!(checked.is_ok(), "{name}: {:#?}", checked.findings);
        assert!(checked.rows > 10 && checked.lines > 50, "{checked:?}");
    }
}
