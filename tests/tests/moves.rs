//! Copying secrets to another path of their tenant, and moving them there.

#[cfg(unix)]
mod child;
mod common;

use std::time::Duration;

use common::{Place, tenant};
use pollster::block_on;
use strongroom::{
    After, Code, Delete, Entry, Error, Folder, Get, Labels, LeaseLimits, Move, Page, Promote, Put, Query,
    RotationInterval, Search, SecretPath, SecretType, SecretValue, Secrets, Stage, Strongroom, To, Update, Version,
    VersionLimit,
};

fn at(path: &str) -> SecretPath {
    path.parse().unwrap()
}

fn put(secrets: &Secrets, path: &str, value: &str, options: Put) {
    block_on(secrets.put(&at(path), SecretValue::text(value).unwrap(), options)).unwrap();
}

fn code<T>(outcome: Result<T, Error>) -> Result<T, Code> {
    outcome.map_err(|error| error.code())
}

fn text(secret: &strongroom::Secret) -> String {
    secret.value.expose(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn get(secrets: &Secrets, path: &str, which: Get) -> Result<String, Code> {
    code(block_on(secrets.get(&at(path), which))).map(|secret| text(&secret))
}

fn copy(secrets: &Secrets, from: &str, to: &str, which: Get) -> Result<u64, Code> {
    code(block_on(secrets.copy(&at(from), To(&at(to)), which))).map(|copied| copied.from.0)
}

fn rename(secrets: &Secrets, from: &str, to: &str) -> Result<u64, Code> {
    code(block_on(secrets.rename(&at(from), To(&at(to)), Move::default()))).map(|moved| moved.version.0)
}

/// What is directly in a folder.
fn list(secrets: &Secrets, folder: &str) -> Vec<String> {
    let page = block_on(secrets.list(&folder.parse().unwrap(), After::start(), 1_000)).unwrap();
    let name = |entry| match entry {
        Entry::Folder(folder) => format!("{folder}/"),
        Entry::Secret(path) => path.to_string(),
    };
    page.entries.into_iter().map(name).collect()
}

fn demand_that_the_state_is_sound(room: &Strongroom) {
    let checked = block_on(tenant(room, "acme").audit().check_state()).unwrap();
    assert!(checked.is_ok(), "{:#?}", checked.findings);
}

/// Acts, paths and versions of the lines about a path that were done, oldest first.
fn history(room: &Strongroom, path: &str) -> Vec<(String, Option<u64>)> {
    let query = Query::new().secret(at(path)).outcome(true).order(strongroom::store::Order::OldestFirst);
    let page = block_on(tenant(room, "acme").audit().query(&query, None, 1_000)).unwrap();
    page.entries.into_iter().map(|entry| (entry.act, entry.version)).collect()
}

/// What a secret says about itself, set to something.
fn said() -> Put {
    Put::default()
        .description("for billing".parse().unwrap())
        .labels(Labels::parse([("team", "pay")]).unwrap())
        .secret_type(SecretType::ApiKey)
        .owner("ann".parse().unwrap())
        .rotation_interval(RotationInterval::days(7).unwrap())
        .max_versions(VersionLimit::new(3).unwrap())
}

#[test]
fn a_copy_is_a_new_secret_that_says_the_same() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a/key", "1", said());
    put(&secrets, "a/key", "2", Put::default());
    block_on(secrets.put_pending(&at("a/key"), SecretValue::text("3").unwrap(), Put::default())).unwrap();
    let before = block_on(secrets.describe(&at("a/key"))).unwrap();

    assert_eq!(copy(&secrets, "a/key", "b/c/key", Get::current()), Ok(2));
    let copied = block_on(secrets.describe(&at("b/c/key"))).unwrap();
    assert_eq!(copied.meta, before.meta);
    assert_eq!((copied.latest, copied.current, copied.revision.0), (Version(1), Version(1), 1));
    assert_eq!((copied.pending, copied.previous, copied.max_versions.versions()), (None, None, 3));
    assert!(copied.created_at > before.created_at && copied.current_since == copied.created_at);
    assert_eq!(get(&secrets, "b/c/key", Get::current()), Ok("2".into()));
    assert_eq!((list(&secrets, ""), list(&secrets, "b")), (vec!["a/".into(), "b/".into()], vec!["b/c/".to_owned()]));

    for (to, which, from, value) in [
        ("first", Get::version(Version(1)), 1, "1"),
        ("pending", Get::stage(Stage::Pending), 3, "3"),
        ("a/key2", Get::stage(Stage::Previous), 1, "1"),
    ] {
        assert_eq!(copy(&secrets, "a/key", to, which), Ok(from), "{to}");
        assert_eq!(get(&secrets, to, Get::current()), Ok(value.into()), "{to}");
    }
    // The two go their own ways, and the copy is found as what it says.
    block_on(secrets.update(&at("first"), Update::default().labels(Labels::new()))).unwrap();
    put(&secrets, "b/c/key", "mine", Put::default());
    assert_eq!(get(&secrets, "a/key", Get::current()), Ok("2".into()));
    let search = Search::default().labels(Labels::parse([("team", "pay")]).unwrap());
    let found = block_on(secrets.search(&search, After::start(), 10)).unwrap().secrets;
    let paths: Vec<_> = found.iter().map(|found| found.path.as_str()).collect();
    assert_eq!(paths, ["a/key", "a/key2", "b/c/key", "pending"]);

    let named = |act: &str, version| (act.to_owned(), Some(version));
    assert_eq!(history(&room, "b/c/key")[..1], [named("secret.copy", 1)]);
    assert_eq!(history(&room, "a/key").iter().filter(|line| **line == named("secret.get", 1)).count(), 2);
    assert_eq!(history(&room, "a/key").iter().filter(|line| **line == named("secret.get", 3)).count(), 1);
    demand_that_the_state_is_sound(&room);
}

#[test]
fn a_copy_that_is_refused_changes_nothing() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a", "1", Put::default());
    put(&secrets, "a", "2", Put::default());
    put(&secrets, "b", "b", Put::default());
    let current = Get::current;
    assert_eq!(copy(&secrets, "a", "b", current()), Err(Code::SecretExists));
    assert_eq!(copy(&secrets, "a", "a", current()), Err(Code::SecretExists), "itself");
    assert_eq!(copy(&secrets, "none", "c", current()), Err(Code::SecretNotFound));
    assert_eq!(copy(&secrets, "none", "b", current()), Err(Code::SecretNotFound), "and what is at the other path");
    assert_eq!(copy(&secrets, "a", "c", Get::version(Version(3))), Err(Code::VersionNotFound));
    assert_eq!(copy(&secrets, "a", "c", Get::stage(Stage::Pending)), Err(Code::StageEmpty));
    block_on(secrets.delete_versions(&at("a"), &[Version(1)])).unwrap();
    assert_eq!(copy(&secrets, "a", "c", Get::version(Version(1))), Err(Code::VersionUnavailable));
    block_on(secrets.destroy_versions(&at("a"), &[Version(1)])).unwrap();
    assert_eq!(copy(&secrets, "a", "c", Get::version(Version(1))), Err(Code::VersionDestroyed));
    assert_eq!(list(&secrets, ""), ["a", "b"]);
    assert_eq!(get(&secrets, "b", current()), Ok("b".into()));
    demand_that_the_state_is_sound(&room);
}

#[test]
fn a_secret_moves_with_all_that_it_has() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    for value in ["1", "2", "3", "4"] {
        put(&secrets, "a/b/key", value, said());
    }
    block_on(secrets.promote(&at("a/b/key"), Promote::previous())).unwrap();
    block_on(secrets.delete_versions(&at("a/b/key"), &[Version(2)])).unwrap();
    let before = block_on(secrets.describe(&at("a/b/key"))).unwrap();
    let versions = block_on(secrets.versions(&at("a/b/key"))).unwrap().versions;

    assert_eq!(rename(&secrets, "a/b/key", "a/c/d/key"), Ok(3));
    assert_eq!(get(&secrets, "a/b/key", Get::current()), Err(Code::SecretNotFound));
    let after = block_on(secrets.describe(&at("a/c/d/key"))).unwrap();
    assert_eq!(after.meta, before.meta);
    assert_eq!((after.current, after.latest, after.previous), (before.current, before.latest, before.previous));
    assert_eq!((after.max_versions, after.created_at), (before.max_versions, before.created_at));
    assert_eq!((after.revision.0, after.rotate_by), (before.revision.0 + 1, before.rotate_by));
    assert_eq!(block_on(secrets.versions(&at("a/c/d/key"))).unwrap().versions, versions);
    assert_eq!(get(&secrets, "a/c/d/key", Get::version(Version(4))), Ok("4".into()));
    assert_eq!(get(&secrets, "a/c/d/key", Get::version(Version(2))), Err(Code::VersionUnavailable));
    assert_eq!(get(&secrets, "a/c/d/key", Get::version(Version(1))), Err(Code::VersionDestroyed));
    let labelled = Search::default().labels(Labels::parse([("team", "pay")]).unwrap());
    let found = || block_on(secrets.search(&labelled, After::start(), 10)).unwrap().secrets;
    assert_eq!(found().iter().map(|found| found.path.as_str()).collect::<Vec<_>>(), ["a/c/d/key"]);
    assert_eq!(
        (list(&secrets, "a"), list(&secrets, "a/b")),
        (vec!["a/c/".to_owned()], vec![]),
        "an empty folder is none"
    );

    // It lives on there, and so does its limit; within one folder it moves too.
    assert_eq!(rename(&secrets, "a/c/d/key", "a/c/d/other"), Ok(3));
    put(&secrets, "a/c/d/other", "5", Put::default());
    assert_eq!(block_on(secrets.versions(&at("a/c/d/other"))).unwrap().versions.len(), 3);
    assert_eq!(rename(&secrets, "a/c/d/other", "top"), Ok(5));
    assert_eq!(list(&secrets, ""), ["top"]);
    // Its old path is free for another.
    put(&secrets, "a/b/key", "new", Put::default());
    assert_eq!(get(&secrets, "a/b/key", Get::current()), Ok("new".into()));
    assert_eq!(get(&secrets, "top", Get::current()), Ok("5".into()));
    demand_that_the_state_is_sound(&room);

    // Both paths lead to the move, in one request.
    let named = |act: &str, version| (act.to_owned(), Some(version));
    assert!(history(&room, "a/b/key").contains(&named("secret.move-from", 3)));
    let there = history(&room, "a/c/d/key");
    assert_eq!((&there[0], there.last().unwrap()), (&named("secret.move", 3), &named("secret.move-from", 3)));
    let lines = block_on(tenant(&room, "acme").audit().show(0, 1_000)).unwrap().entries;
    let at_move = lines.iter().position(|line| line.act == "secret.move").unwrap();
    assert_eq!(lines[at_move - 1].request, lines[at_move].request);

    // Its rows are those of one secret: the names are no longer what they were, the id is.
    let secrets_there: i64 = place.thief().query_row("SELECT count(*) FROM secrets", [], |row| row.get(0)).unwrap();
    assert_eq!(secrets_there, 2);
}

#[test]
fn a_move_that_is_refused_changes_nothing() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a/key", "1", Put::default());
    put(&secrets, "b/key", "b", Put::default());
    assert_eq!(rename(&secrets, "a/key", "b/key"), Err(Code::SecretExists));
    assert_eq!(rename(&secrets, "a/key", "a/key"), Err(Code::SecretExists), "itself");
    assert_eq!(rename(&secrets, "a/none", "b/other"), Err(Code::SecretNotFound));
    assert_eq!(rename(&secrets, "a/none", "b/key"), Err(Code::SecretNotFound));
    let expecting = |version| {
        let options = Move::default().expect(Version(version));
        code(block_on(secrets.rename(&at("a/key"), To(&at("c")), options))).map(drop)
    };
    assert_eq!(expecting(2), Err(Code::SecretConflict));
    assert_eq!((list(&secrets, "a"), list(&secrets, "b")), (vec!["a/key".to_owned()], vec!["b/key".to_owned()]));
    assert_eq!(get(&secrets, "b/key", Get::current()), Ok("b".into()));
    assert_eq!(expecting(1), Ok(()));
    demand_that_the_state_is_sound(&room);
}

#[test]
fn a_handle_moves_and_copies_within_what_it_sees() {
    let (_place, room) = Place::software();
    let (acme, other) = (tenant(&room, "acme"), tenant(&room, "other"));
    put(&acme.secrets(), "dev/key", "1", Put::default());
    put(&acme.secrets(), "prod/key", "2", Put::default());
    let dev = acme.environment("dev".parse().unwrap()).secrets();
    for secrets in [&dev, &other.secrets()] {
        for from in ["prod/key", "none"] {
            assert_eq!(copy(secrets, from, "x", Get::current()), Err(Code::SecretNotFound), "{from}");
            assert_eq!(rename(secrets, from, "x"), Err(Code::SecretNotFound), "{from}");
        }
    }
    // To `prod/…` below `dev`.
    assert_eq!(copy(&dev, "key", "prod/key", Get::current()), Ok(1));
    assert_eq!(list(&acme.secrets(), "dev"), ["dev/key", "dev/prod/"]);
    assert_eq!(get(&acme.secrets(), "prod/key", Get::current()), Ok("2".into()));
    // Whoever sees both moves between them.
    assert_eq!(rename(&acme.secrets(), "dev/key", "prod/moved"), Ok(1));
    assert_eq!(get(&dev, "key", Get::current()), Err(Code::SecretNotFound));
    assert_eq!(get(&acme.secrets(), "prod/moved", Get::current()), Ok("1".into()));
}

#[test]
fn leases_on_the_path_that_it_leaves_end() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a", "1", Put::default());
    put(&secrets, "b", "1", Put::default());
    let limits = LeaseLimits { reads: 1_000_000, seconds: 60, bytes: 1_000_000 };
    let until_ended = |lease: &strongroom::Lease| {
        let begin = std::time::Instant::now();
        loop {
            match lease.read().map_err(|error| error.code()) {
                Ok(_) | Err(Code::LeaseUnchecked) => {}
                Err(code) => return code,
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "nobody noticed");
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let lease = block_on(secrets.lease(&at("a"), limits)).unwrap();
    rename(&secrets, "a", "c").unwrap();
    assert_eq!(until_ended(&lease), Code::LeaseEnded);
    // Another secret in its place, which has seen as many changes, is not the one that was leased.
    let lease = block_on(secrets.lease(&at("b"), limits)).unwrap();
    rename(&secrets, "b", "d").unwrap();
    put(&secrets, "b", "another", Put::default());
    assert_eq!(until_ended(&lease), Code::LeaseEnded);
}

#[test]
fn a_full_folder_takes_no_more_and_lets_go() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let entries = |numbers: std::ops::Range<u32>| {
        let entry = |number| strongroom::ImportEntry {
            path: at(&format!("s{number}")),
            value: SecretValue::text("1").unwrap(),
        };
        numbers.map(entry).collect()
    };
    let full: Folder = "full".parse().unwrap();
    block_on(secrets.import(&full, entries(0..9_999), strongroom::Import::default())).unwrap();
    put(&secrets, "a", "a", Put::default());
    put(&secrets, "b/c/d", "b", Put::default());
    assert_eq!(copy(&secrets, "a", "full/new", Get::current()), Ok(1), "the last place");
    assert_eq!(copy(&secrets, "a", "full/more", Get::current()), Err(Code::FolderFull));
    assert_eq!(rename(&secrets, "a", "full/more"), Err(Code::FolderFull));
    assert_eq!(rename(&secrets, "b/c/d", "full/folder/d"), Err(Code::FolderFull));
    assert_eq!(get(&secrets, "b/c/d", Get::current()), Ok("b".into()));

    // All of it is one page and one line; a page of one more is no page.
    let page = |after, limit| code(block_on(secrets.list(&full, after, limit)));
    let names = |page: &Page| page.entries.iter().map(|entry| format!("{entry:?}")).collect::<Vec<_>>();
    let whole = page(After::start(), 10_000).unwrap();
    assert_eq!((whole.entries.len(), &whole.next), (10_000, &None));
    assert!(names(&whole).is_sorted());
    assert_eq!(page(After::start(), 10_001).map(drop), Err(Code::LimitInvalid));
    assert_eq!(page(After::start(), 0).map(drop), Err(Code::LimitInvalid));
    let most = page(After::start(), 9_999).unwrap();
    let rest = page(most.next.clone().unwrap(), 9_999).unwrap();
    assert_eq!((most.entries.len(), rest.entries.len(), &rest.next), (9_999, 1, &None));
    assert_eq!([names(&most), names(&rest)].concat(), names(&whole));

    assert_eq!(rename(&secrets, "full/s7", "full/renamed"), Ok(1), "it takes its own place");
    assert_eq!(rename(&secrets, "full/renamed", "b/s7"), Ok(1));
    assert_eq!(rename(&secrets, "a", "full/more"), Ok(1), "now there is one");
}

/// A thief puts back the row that was there before the move, in either place.
#[test]
fn an_old_row_that_is_put_back_is_found() {
    for (name, sql, want) in [
        (
            "in place of the new one",
            "UPDATE secrets SET name_hash = o.name_hash, parent_hash = o.parent_hash, name = o.name, revision = o.revision,
             updated_at = o.updated_at, mac = o.mac FROM old AS o WHERE secrets.id = o.id",
            &["STATE-HIDDEN", "STATE-MISSING", "STATE-UNLOGGED", "STATE-UNLOGGED"][..],
        ),
        ("the new one taken away", "DELETE FROM secrets WHERE id = (SELECT id FROM old)", &["STATE-MISSING"]),
    ] {
        let (place, room) = Place::software();
        let secrets = tenant(&room, "acme").secrets();
        put(&secrets, "a/key", "1", said());
        place.thief().execute_batch("CREATE TABLE old AS SELECT * FROM secrets").unwrap();
        rename(&secrets, "a/key", "b/key").unwrap();
        demand_that_the_state_is_sound(&room);
        assert_eq!(place.thief().execute(sql, []).unwrap(), 1, "{name}");
        let checked = block_on(tenant(&room, "acme").audit().check_state()).unwrap();
        let mut codes: Vec<_> = checked.findings.iter().map(|finding| finding.code.as_str()).collect();
        codes.sort_unstable();
        assert_eq!(codes, want, "{name}: {:#?}", checked.findings);
    }
}

/// Whatever is moved and copied in whatever order, there is what a simple model says.
#[test]
fn secrets_move_as_a_model_says() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    println!("seed {seed}");
    let mut chance = u64::from(seed);
    let mut next = |below: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((chance >> 33) % below as u64).unwrap()
    };
    let paths = ["a", "b", "a/x", "a/y", "a/x/deep", "b/c/d/e"];
    let mut model = std::collections::BTreeMap::<&str, String>::new();
    for step in 0..200 {
        let (from, to) = (paths[next(paths.len())], paths[next(paths.len())]);
        let free = |model: &std::collections::BTreeMap<&str, String>| match (model.get(from), model.get(to)) {
            (None, _) => Err(Code::SecretNotFound),
            (_, Some(_)) => Err(Code::SecretExists),
            (Some(value), None) => Ok(value.clone()),
        };
        match next(5) {
            0 => {
                put(&secrets, from, &step.to_string(), Put::default());
                model.insert(from, step.to_string());
            }
            1 => {
                let deleted = code(block_on(secrets.delete(&at(from), Delete::default()))).map(drop);
                assert_eq!(deleted, model.remove(from).map(drop).ok_or(Code::SecretNotFound));
            }
            2 => {
                let want = free(&model);
                assert_eq!(copy(&secrets, from, to, Get::current()).map(drop), want.clone().map(drop));
                if let Ok(value) = want {
                    model.insert(to, value);
                }
            }
            _ => {
                let want = free(&model);
                assert_eq!(rename(&secrets, from, to).map(drop), want.clone().map(drop));
                if let Ok(value) = want {
                    model.remove(from);
                    model.insert(to, value);
                }
            }
        }
        let page = block_on(secrets.search(&Search::default(), After::start(), 100)).unwrap().secrets;
        let found: Vec<_> = page.iter().map(|found| found.path.as_str()).collect();
        assert_eq!(found, model.keys().copied().collect::<Vec<_>>(), "step {step}");
    }
    for (path, value) in &model {
        assert_eq!(get(&secrets, path, Get::current()).as_ref(), Ok(value), "{path}");
    }
    demand_that_the_state_is_sound(&room);
}

#[cfg(unix)]
#[test]
fn child_moves_until_killed() {
    if !child::role("child_moves_until_killed") {
        return;
    }
    let room = child::open();
    let secrets = tenant(&room, "acme").secrets();
    for number in 0.. {
        rename(&secrets, &format!("p{number}/key"), &format!("p{}/key", number + 1)).unwrap();
        child::say(&format!("{}", number + 1));
    }
}

/// Where a process is killed in the middle of a move, the secret is in the one place or the other, and whole.
#[cfg(unix)]
#[test]
fn a_kill_leaves_no_half_of_a_move() {
    for round in 0..5_u64 {
        let (place, room) = Place::software();
        let secrets = tenant(&room, "acme").secrets();
        put(&secrets, "p0/key", "1", said());
        put(&secrets, "p0/key", "2", Put::default());
        drop(secrets);
        room.close().unwrap();
        let mut child = child::start("child_moves_until_killed", &place, &[]);
        let mut moved: u64 = child.next().unwrap().parse().unwrap();
        let said = child.kill_after(Duration::from_micros(3_000 + 2_700 * round));
        moved = said.last().map_or(moved, |number| number.parse().unwrap());

        let room = place.open().unwrap();
        let secrets = tenant(&room, "acme").secrets();
        let page = block_on(secrets.search(&Search::default(), After::start(), 10)).unwrap().secrets;
        let [found] = &page[..] else { panic!("{page:?}") };
        let there = [moved, moved + 1].map(|number| format!("p{number}/key"));
        assert!(there.contains(&found.path.to_string()), "{} is not in {there:?}", found.path);
        assert_eq!(get(&secrets, found.path.as_str(), Get::current()), Ok("2".into()));
        assert_eq!(get(&secrets, found.path.as_str(), Get::version(Version(1))), Ok("1".into()));
        assert_eq!(list(&secrets, "").len(), 1, "no folder but its own");
        demand_that_the_state_is_sound(&room);
    }
}
