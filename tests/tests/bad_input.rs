//! Bad input from all sides: callers who ask for too much or too late, the wrong device, files that are not
//! what they were, and a thief who changes rows. Each is refused with its code, and nothing is lost.

mod common;

use std::{
    fs,
    path::Path,
    sync::{Arc, Barrier},
    thread,
};

use common::{Place, admin, billing, operator, tenant};
use pollster::block_on;
use rusqlite::types::Value;
use strongroom::{
    After, Class, Code, Delete, Deployment, Entry, Error, Folder, Get, KeyDevice, Put, SecretPath, SecretValue,
    Secrets, Strongroom, Version, limits,
};

fn text(value: &str) -> SecretValue {
    SecretValue::text(value).unwrap()
}

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

fn folder(text: &str) -> Folder {
    text.parse().unwrap()
}

fn put(secrets: &Secrets, at: &str, value: &str) -> Version {
    block_on(secrets.put(&path(at), text(value), Put::default())).unwrap().version
}

fn code<T>(outcome: Result<T, Error>) -> Option<Code> {
    outcome.err().map(|error| error.code())
}

fn demand_that_the_log_verifies(room: &Strongroom) {
    let verified = block_on(admin(room).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
}

#[test]
fn paths_and_values_are_stored_at_their_limits_and_refused_beyond() {
    let (_place, room) = Place::software();
    let acme = tenant(&room, "acme");
    let longest = "a".repeat(limits::PATH_BYTES_MAX);
    let deepest = vec!["d"; limits::PATH_SEGMENTS_MAX].join("/");
    let largest = vec![0xa5; limits::VALUE_BYTES_MAX];
    for at in [&longest, &deepest] {
        let value = SecretValue::binary(largest.clone()).unwrap();
        block_on(acme.secrets().put(&path(at), value, Put::default())).unwrap();
        let got = block_on(acme.secrets().get(&path(at), Get::current())).unwrap();
        assert!(got.value.expose(|bytes| bytes == largest));
    }
    let empty = SecretValue::text("").unwrap();
    block_on(acme.secrets().put(&path("empty"), empty, Put::default())).unwrap();
    assert!(block_on(acme.secrets().get(&path("empty"), Get::current())).unwrap().value.expose(<[u8]>::is_empty));

    let over = SecretValue::binary(vec![0; limits::VALUE_BYTES_MAX + 1]);
    assert_eq!(code(over), Some(Code::SecretTooLarge));
    for refused in [format!("{longest}a"), format!("{deepest}/d"), "a/../b".into(), "a\u{7}".into(), String::new()] {
        assert_eq!(code(refused.parse::<SecretPath>()), Some(Code::PathInvalid), "{refused:?}");
    }
    // Within its limits alone, beyond them with the environment that it is in.
    let dev = acme.environment("dev".parse().unwrap()).secrets();
    assert_eq!(code(block_on(dev.put(&path(&longest), text("1"), Put::default()))), Some(Code::PathInvalid));
    demand_that_the_log_verifies(&room);
}

#[test]
fn what_comes_too_late_or_is_not_there_changes_nothing() {
    let (_place, room) = Place::software();
    let acme = tenant(&room, "acme").secrets();
    put(&acme, "a", "1");
    put(&acme, "a", "2");
    let stale = Put::default().expect(Version(1));
    assert_eq!(code(block_on(acme.put(&path("a"), text("3"), stale))), Some(Code::SecretConflict));
    let exists = Put::default().expect(Version(0));
    assert_eq!(code(block_on(acme.put(&path("a"), text("3"), exists))), Some(Code::SecretConflict));
    let stale = Delete::default().expect(Version(1));
    assert_eq!(code(block_on(acme.delete(&path("a"), stale))), Some(Code::SecretConflict));
    for version in [0, 3, u64::MAX] {
        let unknown = block_on(acme.get(&path("a"), Get::version(Version(version))));
        assert_eq!(code(unknown), Some(Code::VersionNotFound), "{version}");
    }
    assert_eq!(code(block_on(acme.get(&path("b"), Get::current()))), Some(Code::SecretNotFound));
    let got = block_on(acme.get(&path("a"), Get::current())).unwrap();
    assert!(got.version == Version(2) && got.value.matches(&text("2")));

    block_on(admin(&room).close_tenant(&"acme".parse().unwrap())).unwrap();
    assert_eq!(code(block_on(acme.put(&path("a"), text("3"), Put::default()))), Some(Code::TenantClosed));
    assert_eq!(code(block_on(acme.list(&Folder::root(), After::start(), 10))), Some(Code::TenantClosed));
    demand_that_the_log_verifies(&room);
}

#[test]
fn of_writers_at_once_exactly_one_wins() {
    const WRITERS: usize = 4;
    let (place, room) = Place::software();
    tenant(&room, "acme");
    // As two processes: each room has its own writer.
    let rooms = [room, place.open().unwrap()];
    for round in 0..10_u64 {
        let start = Barrier::new(WRITERS);
        let outcomes: Vec<_> = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|number| {
                    let (room, start) = (&rooms[number % 2], &start);
                    scope.spawn(move || {
                        let acme = room.tenant(&"acme".parse().unwrap()).acting_as(billing()).secrets();
                        start.wait();
                        let expected = Put::default().expect(Version(round));
                        block_on(acme.put(&path("one"), text(&format!("{round}-{number}")), expected))
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let mut winners = Vec::new();
        for (number, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(reply) => winners.push((number, reply.version)),
                Err(error) => assert_eq!(error.code(), Code::SecretConflict, "{error}"),
            }
        }
        let [(winner, version)] = winners[..] else { panic!("round {round}: {winners:?}") };
        assert_eq!(version, Version(round + 1));
        let acme = rooms[0].tenant(&"acme".parse().unwrap()).acting_as(billing()).secrets();
        let got = block_on(acme.get(&path("one"), Get::current())).unwrap();
        assert!(got.value.matches(&text(&format!("{round}-{winner}"))));
    }
    demand_that_the_log_verifies(&rooms[0]);
}

#[test]
fn environments_neither_reach_nor_show_each_other() {
    let (_place, room) = Place::software();
    let acme = tenant(&room, "acme");
    let [dev, prod] = ["dev", "prod"].map(|name| acme.environment(name.parse().unwrap()).secrets());
    put(&prod, "db/password", "secret");
    put(&dev, "key", "1");
    put(&acme.secrets(), "prodigy/key", "2");
    for at in ["db/password", "prod/db/password", "prodigy/key"] {
        assert_eq!(code(block_on(dev.get(&path(at), Get::current()))), Some(Code::SecretNotFound), "{at}");
        assert_eq!(code(block_on(dev.versions(&path(at)))), Some(Code::SecretNotFound), "{at}");
        assert_eq!(code(block_on(dev.delete(&path(at), Delete::default()))), Some(Code::SecretNotFound), "{at}");
    }
    let listed = |secrets: &Secrets, at: &str| block_on(secrets.list(&folder(at), After::start(), 10)).unwrap().entries;
    assert_eq!(listed(&dev, ""), [Entry::Secret(path("key"))]);
    assert_eq!(listed(&prod, ""), [Entry::Folder(folder("db"))]);
    assert_eq!((listed(&dev, "prod"), listed(&dev, "db"), listed(&prod, "igy")), (vec![], vec![], vec![]));
    let exported = block_on(dev.export(&Folder::root())).unwrap().secrets;
    assert_eq!(exported.iter().map(|secret| secret.path.as_str()).collect::<Vec<_>>(), ["key"]);
    assert!(block_on(dev.export(&folder("prod"))).unwrap().secrets.is_empty());
    // What it writes under the other's name is in its own.
    put(&dev, "prod/db/password", "mine");
    assert!(block_on(prod.get(&path("db/password"), Get::current())).unwrap().value.matches(&text("secret")));
}

/// A deployment with something of everything, closed: its whole database is one file.
fn furnished() -> Place {
    let (place, room) = Place::software();
    for name in ["acme", "beta"] {
        let secrets = tenant(&room, name).secrets();
        for at in ["prod/a", "prod/b", "prod/sub/c", "dev/a"] {
            put(&secrets, at, &format!("{name} {at} 1"));
            put(&secrets, at, &format!("{name} {at} 2"));
        }
        let list = room.tenant(&name.parse().unwrap()).acting_as(operator()).secrets();
        block_on(list.list(&folder("prod"), After::start(), 10)).unwrap();
    }
    room.close().unwrap();
    place
}

/// A copy that may be spoilt.
fn copy(place: &Place, name: &str) -> Deployment {
    let to = Deployment::at(place.folder.path().join(name));
    let _ = fs::remove_dir_all(to.folder());
    fs::create_dir(to.folder()).unwrap();
    let entries = fs::read_dir(place.deployment.folder()).unwrap();
    // Not the folder of processes that have it open.
    for file in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        fs::copy(&file, to.folder().join(file.file_name().unwrap())).unwrap();
    }
    to
}

fn open(deployment: &Deployment, device: &Arc<dyn KeyDevice>) -> Result<Strongroom, Error> {
    block_on(Strongroom::open(deployment, Arc::clone(device)))
}

#[test]
fn a_database_opens_with_its_own_device_only() {
    let (ours, theirs) = (furnished(), furnished());
    let (our_device, their_device) = (ours.device().unwrap(), theirs.device().unwrap());
    assert_eq!(code(open(&ours.deployment, &their_device)), Some(Code::DeviceWrongToken));
    let named = theirs.uri.open(&ours.deployment.profile().unwrap()).map_err(Error::from);
    assert_eq!(code(named), Some(Code::DeviceWrongToken));

    // The thief has a deployment and a device of his own, and mixes: rows of his, the rest ours.
    for (table, rows) in [("deployment", "true"), ("tenants", "number = 0")] {
        let mixed = copy(&ours, "mixed");
        let thief = rusqlite::Connection::open(mixed.database()).unwrap();
        thief.pragma_update(None, "foreign_keys", false).unwrap();
        thief.execute("ATTACH ?1 AS theirs", [theirs.deployment.database().to_str().unwrap()]).unwrap();
        thief.execute(&format!("DELETE FROM {table} WHERE {rows}"), []).unwrap();
        thief.execute(&format!("INSERT INTO {table} SELECT * FROM theirs.{table} WHERE {rows}"), []).unwrap();
        drop(thief);
        for device in [&our_device, &their_device] {
            let error = open(&mixed, device).unwrap_err();
            println!("{table}: {} {error}", error.code().name());
            let refused = [Code::DeploymentForeign, Code::DeviceWrongToken, Code::DeviceWrongKey, Code::Integrity];
            assert!(refused.contains(&error.code()), "{table}: {error}");
        }
    }
    // The right token, but it answers with another root key than the one that the deployment was made with.
    let other = copy(&ours, "other-root");
    let thief = rusqlite::Connection::open(other.database()).unwrap();
    let profile: Vec<u8> = thief.query_row("SELECT profile FROM deployment", [], |row| row.get(0)).unwrap();
    let profile = String::from_utf8(profile).unwrap();
    let check = profile.split_once("\"check\":\"").unwrap().1[..64].to_owned();
    let changed = profile.replace(&check, &"0".repeat(64));
    thief.execute("UPDATE deployment SET profile = ?1", [changed.into_bytes()]).unwrap();
    assert_eq!(code(open(&other, &our_device)), Some(Code::DeviceWrongKey));
    assert!(open(&ours.deployment, &our_device).is_ok());
}

#[test]
fn a_file_that_is_not_what_it_was_is_refused() {
    let place = furnished();
    let device = place.device().unwrap();
    let whole = fs::read(place.deployment.database()).unwrap();
    let spoil = |change: &dyn Fn(&mut Vec<u8>)| {
        let spoilt = copy(&place, "spoilt");
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(spoilt.database(), bytes).unwrap();
        spoilt
    };
    for (name, change) in [
        ("no header", &(|bytes: &mut Vec<u8>| bytes[..16].fill(0)) as &dyn Fn(&mut Vec<u8>)),
        ("another program's", &|bytes| bytes[68..72].copy_from_slice(b"nope")),
        ("cut", &|bytes| bytes.truncate(bytes.len() / 2)),
        ("empty", &|bytes| bytes.clear()),
        ("overwritten", &|bytes| bytes[4_096..].fill(0x5a)),
    ] {
        let error = open(&spoil(change), &device).unwrap_err();
        println!("{name}: {} {error}", error.code().name());
        assert_eq!(error.class(), Class::Integrity, "{name}: {error}");
    }
    let newer = copy(&place, "newer");
    let thief = rusqlite::Connection::open(newer.database()).unwrap();
    thief.execute("INSERT INTO schema_migrations VALUES (1000, 'later', zeroblob(32), 0)", []).unwrap();
    drop(thief);
    assert_eq!(code(open(&newer, &device)), Some(Code::SchemaNewer));
    assert_eq!(
        code(open(&Deployment::at(place.folder.path().join("nowhere")), &device)),
        Some(Code::DeploymentMissing)
    );
}

/// What a read gave, in words; the honest answer is the one from before the thief came.
type Answer = Result<Vec<String>, Code>;

/// All reads, and the tables whose rows each one believes.
const READS: [(&str, &[&str]); 9] = [
    ("get", &["secrets", "secret_versions", "tenants"]),
    ("get version 1", &["secrets", "secret_versions", "tenants"]),
    ("versions", &["secrets", "secret_versions", "tenants"]),
    ("list", &["secrets", "folders", "tenants"]),
    ("export", &["secrets", "secret_versions", "folders", "tenants"]),
    ("audit show", &["actors", "tenants"]),
    ("audit prove", &["tenants"]),
    ("tenant show", &["tenants"]),
    ("tenant list", &["tenants"]),
];

/// Columns by which a row is found. One that is changed there may be as good as deleted: then it is absent.
const FOUND_BY: [&str; 11] =
    ["tenant", "name_hash", "parent_hash", "secret", "version", "number", "handle", "id", "newest", "seq", "before"];

/// A column that only says when to look at a row: what counts is in its settings, under its MAC.
const HINT: (&str, &str) = ("secrets", "expires_at");

fn read(room: &Strongroom, name: &str) -> Answer {
    let acme = room.tenant(&"acme".parse().unwrap()).acting_as(billing());
    let (secrets, at) = (acme.secrets(), path("prod/a"));
    let value = |value: &SecretValue| value.expose(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
    let answer = match name {
        "get" => block_on(secrets.get(&at, Get::current())).map(|got| vec![value(&got.value)]),
        "get version 1" => block_on(secrets.get(&at, Get::version(Version(1)))).map(|got| vec![value(&got.value)]),
        "versions" => block_on(secrets.versions(&at))
            .map(|got| got.versions.iter().map(|version| format!("{version:?}")).collect()),
        "list" => block_on(secrets.list(&folder("prod"), After::start(), 10))
            .map(|page| page.entries.iter().map(|entry| format!("{entry:?}")).collect()),
        "export" => block_on(secrets.export(&folder("prod")))
            .map(|got| got.secrets.iter().map(|secret| format!("{} {}", secret.path, value(&secret.value))).collect()),
        "audit show" => block_on(acme.audit().show(0, 9))
            .map(|page| page.entries.iter().map(|entry| format!("{} {:?}", entry.seq, entry.actor)).collect()),
        "audit prove" => block_on(acme.audit().prove(0)).map(|got| vec![got.proof.unverified_line().to_owned()]),
        "tenant show" => block_on(admin(room).show_tenant(&"acme".parse().unwrap()))
            .map(|(info, _)| vec![format!("{} {} {:?}", info.id, info.tenant_ref, info.state)]),
        "tenant list" => block_on(admin(room).list_tenants()).map(|all| {
            all.tenants.iter().map(|info| format!("{} {} {:?}", info.id, info.tenant_ref, info.state)).collect()
        }),
        _ => unreachable!("{name}"),
    };
    answer.map_err(|error| error.code())
}

#[test]
fn a_thief_changes_no_column_unnoticed() {
    let place = furnished();
    let device = place.device().unwrap();
    let (mut refused, mut absent, mut columns) = (0, 0, 0);
    for table in ["secrets", "secret_versions", "folders", "tenants", "actors"] {
        for (column, name) in columns_of(&place.deployment.database(), table).iter().enumerate() {
            columns += 1;
            for change in [alter as Change, rotate] {
                let spoilt = copy(&place, "spoilt");
                // Once with everything in its caches, once afresh.
                let warm = open(&spoilt, &device).unwrap();
                let honest: Vec<_> = READS.iter().map(|(read_name, _)| read(&warm, read_name)).collect();
                assert!(honest.iter().all(Result::is_ok), "{honest:?}");
                if !rewrite(&spoilt.database(), table, column, change) {
                    continue;
                }
                for room in [warm, open(&spoilt, &device).unwrap()] {
                    for ((read_name, believes), honest) in READS.iter().zip(&honest) {
                        let case = format!("{read_name} after {table}.{name} was changed");
                        let found_by = FOUND_BY.contains(&&**name);
                        match (read(&room, read_name), honest) {
                            (Err(code), _) if code.class() == Class::Integrity => refused += 1,
                            (Err(code), _) if found_by && code.class() == Class::Absent => absent += 1,
                            (Ok(answer), Ok(honest)) if answer == *honest => {
                                let may_be = !believes.contains(&table) || found_by || (table, &**name) == HINT;
                                assert!(may_be, "{case}: unnoticed");
                            }
                            (Ok(answer), Ok(honest)) => {
                                assert!(found_by, "{case}: {answer:?}");
                                let forgotten = |line: &String| {
                                    let number = line.split(' ').next().unwrap();
                                    *read_name == "audit show" && *line == format!("{number} None")
                                };
                                let false_ones: Vec<_> =
                                    answer.iter().filter(|line| !honest.contains(line) && !forgotten(line)).collect();
                                assert!(false_ones.is_empty(), "{case}: {false_ones:?}");
                                absent += 1;
                            }
                            (other, _) => panic!("{case}: {other:?}"),
                        }
                    }
                    room.close().unwrap();
                }
            }
        }
    }
    println!("{columns} columns: {refused} reads refused, {absent} found nothing; nothing false was given");
}

/// Who asks cannot be named in the tenant's log any more: then `sys` has the line.
#[test]
fn what_an_actor_is_refused_whose_row_was_changed_is_recorded() {
    let place = furnished();
    let room = place.open().unwrap();
    for (change, back) in [
        ("UPDATE actors SET revision = 9 WHERE tenant > 0", "UPDATE actors SET revision = 1"),
        ("UPDATE tenants SET number = -number", "UPDATE tenants SET number = -number"),
    ] {
        let acme = room.tenant(&"acme".parse().unwrap()).acting_as(billing()).secrets();
        block_on(acme.get(&path("prod/a"), Get::current())).unwrap();
        let thief = place.thief();
        thief.pragma_update(None, "foreign_keys", false).unwrap();
        let before = block_on(admin(&room).audit().show(0, 1_000)).unwrap().entries.len();
        thief.execute(change, []).unwrap();
        assert_eq!(code(block_on(acme.get(&path("prod/a"), Get::current()))), Some(Code::Integrity));
        thief.execute(back, []).unwrap();
        let entries = block_on(admin(&room).audit().show(0, 1_000)).unwrap().entries;
        let new: Vec<_> = entries[before..].iter().filter(|entry| entry.act == "secret.get").collect();
        let [line] = new[..] else { panic!("{change}: {} lines", new.len()) };
        assert_eq!((line.code.as_str(), line.actor.as_deref()), ("SR-INTEGRITY", Some("service:billing")), "{change}");
    }
    demand_that_the_log_verifies(&room);
}

/// The row of `sys`, on which everything else stands.
#[test]
fn without_the_true_row_of_sys_nothing_opens() {
    let place = furnished();
    let device = place.device().unwrap();
    for (column, name) in columns_of(&place.deployment.database(), "tenants").iter().enumerate() {
        let spoilt = copy(&place, "spoilt");
        rewrite_rows(&spoilt.database(), "tenants", |rows| {
            let sys = rows.iter_mut().find(|row| row[0] == Value::Integer(0)).unwrap();
            sys[column] = altered(&sys[column]);
        });
        let error = open(&spoilt, &device).unwrap_err();
        println!("tenants.{name} of sys: {} {error}", error.code().name());
        // Which root key to ask for has to be believed before there is a key to check it with.
        let refused = error.class() == Class::Integrity || error.code() == Code::DeviceKeyMissing;
        assert!(refused, "{name}: {error}");
    }
}

type Rows = Vec<Vec<Value>>;
type Change = fn(&mut Rows, usize);

/// Another value of the same type and length.
fn altered(value: &Value) -> Value {
    match value {
        Value::Null => Value::Integer(1),
        Value::Integer(number) => Value::Integer(number + 1),
        Value::Blob(bytes) if bytes.is_empty() => Value::Blob(vec![0]),
        Value::Blob(bytes) => {
            let mut bytes = bytes.clone();
            bytes[0] ^= 1;
            Value::Blob(bytes)
        }
        other => panic!("{other:?}"),
    }
}

fn alter(rows: &mut Rows, column: usize) {
    for row in rows {
        row[column] = altered(&row[column]);
    }
}

/// Each row gets the value of the row after it: true values, in the wrong places.
fn rotate(rows: &mut Rows, column: usize) {
    let mut values: Vec<_> = rows.iter().map(|row| row[column].clone()).collect();
    values.rotate_left(1);
    for (row, value) in rows.iter_mut().zip(values) {
        row[column] = value;
    }
}

fn columns_of(database: &Path, table: &str) -> Vec<String> {
    let thief = rusqlite::Connection::open(database).unwrap();
    let select = thief.prepare(&format!("SELECT * FROM {table}")).unwrap();
    select.column_names().map(str::to_owned).collect()
}

/// Changes a column in all rows of a table but those of `sys`; whether anything is different now.
fn rewrite(database: &Path, table: &str, column: usize, change: Change) -> bool {
    let mut different = false;
    rewrite_rows(database, table, |rows| {
        let before = rows.clone();
        let (mut sys, mut others): (Rows, Rows) = rows.drain(..).partition(|row| row[0] == Value::Integer(0));
        change(&mut others, column);
        rows.append(&mut sys);
        rows.append(&mut others);
        different = rows.iter().any(|row| !before.contains(row));
    });
    different
}

/// Takes all rows out and puts them back, changed.
fn rewrite_rows(database: &Path, table: &str, change: impl FnOnce(&mut Rows)) {
    let mut thief = rusqlite::Connection::open(database).unwrap();
    thief.pragma_update(None, "foreign_keys", false).unwrap();
    let transaction = thief.transaction().unwrap();
    let mut rows: Rows = {
        let mut select = transaction.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let count = select.column_count();
        let all = select.query_map([], |row| (0..count).map(|column| row.get(column)).collect()).unwrap();
        all.collect::<Result<_, _>>().unwrap()
    };
    change(&mut rows);
    transaction.execute(&format!("DELETE FROM {table}"), []).unwrap();
    for row in rows {
        let places = vec!["?"; row.len()].join(",");
        let sql = format!("INSERT INTO {table} VALUES ({places})");
        transaction.execute(&sql, rusqlite::params_from_iter(row)).unwrap();
    }
    transaction.commit().unwrap();
}
