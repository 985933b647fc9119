//! Searching for secrets by what they say about themselves: all that match, in order, and nothing that is another's.

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{Place, tenant};
use pollster::block_on;
use strongroom::{
    After, Code, Folder, Import, ImportEntry, Labels, Put, RotationInterval, Search, SecretPath, SecretType,
    SecretValue, Secrets, Timestamp, Update, limits,
};

fn at(path: &str) -> SecretPath {
    path.parse().unwrap()
}

fn folder(path: &str) -> Folder {
    path.parse().unwrap()
}

fn put(secrets: &Secrets, path: &str, put: Put) {
    block_on(secrets.put(&at(path), SecretValue::text("1").unwrap(), put)).unwrap();
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::parse(pairs.iter().copied()).unwrap()
}

fn labelled(pairs: &[(&str, &str)]) -> Put {
    Put::default().labels(labels(pairs))
}

/// All pages: the paths found, and how many pages it took.
fn all(secrets: &Secrets, search: &Search, limit: usize) -> Result<(Vec<String>, usize), Code> {
    let (mut paths, mut after, mut pages) = (Vec::new(), After::start(), 0);
    loop {
        let page = block_on(secrets.search(search, after, limit)).map_err(|error| error.code())?;
        assert!(page.secrets.len() <= limit);
        paths.extend(page.secrets.into_iter().map(|found| found.path.to_string()));
        pages += 1;
        match page.next {
            // In the form in which it comes back from a caller.
            Some(next) => after = After::cursor(&next.to_string()).unwrap(),
            None => return Ok((paths, pages)),
        }
    }
}

fn found(secrets: &Secrets, search: &Search) -> Vec<String> {
    let (paths, _) = all(secrets, search, 100).unwrap();
    for limit in [1, 2, 3] {
        assert_eq!(all(secrets, search, limit).unwrap().0, paths, "the same in pages of {limit}");
    }
    // And the same by walking folders, however little a page opens.
    for opened in [0, 1, 2, 5, 1_000] {
        assert_eq!(all(secrets, &search.clone().bounded(0, opened), 2).unwrap().0, paths, "{opened} opened");
    }
    paths
}

#[test]
fn secrets_are_found_by_all_that_they_say() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(
        &secrets,
        "prod/db/password",
        labelled(&[("team", "pay"), ("tier", "db")]).secret_type(SecretType::DatabasePassword),
    );
    put(
        &secrets,
        "prod/api/key",
        labelled(&[("team", "pay")]).secret_type(SecretType::ApiKey).owner("ann".parse().unwrap()),
    );
    put(&secrets, "prod/api", labelled(&[("team", "web")]).owner("ann".parse().unwrap()));
    put(&secrets, "dev/api/key", labelled(&[("team", "pay"), ("tier", "")]).secret_type(SecretType::ApiKey));
    put(&secrets, "top", Put::default());

    let everything = ["dev/api/key", "prod/api", "prod/api/key", "prod/db/password", "top"];
    assert_eq!(found(&secrets, &Search::default()), everything);
    let by = |pairs| Search::default().labels(labels(pairs));
    let prod = || Search::below(folder("prod"));
    for (name, search, want) in [
        ("a folder", prod(), &["prod/api", "prod/api/key", "prod/db/password"][..]),
        ("a folder with the name of a secret", Search::below(folder("prod/api")), &["prod/api/key"]),
        ("no folder", Search::below(folder("prod/ap")), &[]),
        ("a label", by(&[("team", "pay")]), &["dev/api/key", "prod/api/key", "prod/db/password"]),
        ("two labels", by(&[("team", "pay"), ("tier", "db")]), &["prod/db/password"]),
        ("an empty value", by(&[("tier", "")]), &["dev/api/key"]),
        ("another value", by(&[("team", "pa")]), &[]),
        ("one of two", by(&[("team", "pay"), ("tier", "x")]), &[]),
        ("a type", Search::default().secret_type(SecretType::ApiKey), &["dev/api/key", "prod/api/key"]),
        ("a type in a folder", prod().secret_type(SecretType::ApiKey), &["prod/api/key"]),
        ("no type", Search::default().secret_type(SecretType::Generic), &["prod/api", "top"]),
        ("an owner", Search::default().owner("ann".parse().unwrap()), &["prod/api", "prod/api/key"]),
        ("no owner", Search::default().owner("".parse().unwrap()), &["dev/api/key", "prod/db/password", "top"]),
        (
            "all of it",
            prod().labels(labels(&[("team", "pay")])).owner("ann".parse().unwrap()).secret_type(SecretType::ApiKey),
            &["prod/api/key"],
        ),
        ("a label and no type", by(&[("team", "web")]).secret_type(SecretType::Generic), &["prod/api"]),
        ("a label and another type", by(&[("team", "web")]).secret_type(SecretType::Token), &[]),
    ] {
        assert_eq!(found(&secrets, &search), want, "case: {name}");
    }

    let page = block_on(secrets.search(&by(&[("tier", "db")]), After::start(), 1)).unwrap();
    let described = block_on(secrets.describe(&at("prod/db/password"))).unwrap();
    let [one] = &page.secrets[..] else { panic!("{page:?}") };
    assert_eq!((&one.meta, one.current), (&described.meta, described.current));
    assert_eq!((one.rotate_by, one.current_since), (described.rotate_by, described.current_since));

    // What changes is found by what it then says.
    let update = Update::default().labels(Labels::new()).secret_type(SecretType::Generic).owner("bob".parse().unwrap());
    block_on(secrets.update(&at("prod/api/key"), update)).unwrap();
    assert_eq!(found(&secrets, &by(&[("team", "pay")])), ["dev/api/key", "prod/db/password"]);
    assert_eq!(found(&secrets, &Search::default().owner("bob".parse().unwrap())), ["prod/api/key"]);
    assert_eq!(found(&secrets, &Search::default().owner("ann".parse().unwrap())), ["prod/api"]);
    assert_eq!(found(&secrets, &Search::default().secret_type(SecretType::ApiKey)), ["dev/api/key"]);

    let lines = block_on(tenant(&room, "acme").audit().show(page.receipt.seq, 1)).unwrap().entries;
    assert_eq!((lines[0].act.as_str(), lines[0].count), ("secret.search", Some(1)));
}

#[test]
fn what_is_due_is_found_with_what_is_overdue() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let every = |days| Put::default().rotation_interval(RotationInterval::days(days).unwrap());
    put(&secrets, "soon", every(2));
    put(&secrets, "later", every(20).secret_type(SecretType::Token));
    put(&secrets, "typed", Put::default().secret_type(SecretType::Token));
    put(&secrets, "never", Put::default());
    let by = block_on(secrets.describe(&at("soon"))).unwrap().rotate_by.unwrap();
    let days = |days: u64| by.after(Duration::from_secs(days * 24 * 60 * 60));
    let due = |before| Search::default().due_before(before);
    assert_eq!(found(&secrets, &due(Timestamp(0))), Vec::<String>::new());
    assert_eq!(found(&secrets, &due(by)), Vec::<String>::new(), "before, not at");
    assert_eq!(found(&secrets, &due(Timestamp(by.0 + 1))), ["soon"]);
    assert_eq!(found(&secrets, &due(days(20))), ["later", "soon"]);
    assert_eq!(found(&secrets, &due(days(29))), ["later", "soon", "typed"]);
    assert_eq!(found(&secrets, &due(Timestamp(u64::MAX))), ["later", "soon", "typed"]);
    assert_eq!(found(&secrets, &due(days(20)).secret_type(SecretType::Token)), ["later"]);
}

#[test]
fn nothing_of_another_tenant_or_environment_is_found() {
    let (_place, room) = Place::software();
    let (acme, other) = (tenant(&room, "acme"), tenant(&room, "other"));
    let said = || labelled(&[("a", "b")]).secret_type(SecretType::Token);
    for path in ["dev/key", "dev/deep/er/key", "prod/key", "development", "d"] {
        put(&acme.secrets(), path, said());
    }
    put(&other.secrets(), "dev/theirs", said());
    let search = || Search::default().labels(labels(&[("a", "b")]));
    let dev = acme.environment("dev".parse().unwrap()).secrets();
    for search in [Search::default(), search(), search().secret_type(SecretType::Token)] {
        assert_eq!(found(&dev, &search), ["deep/er/key", "key"]);
        assert_eq!(found(&other.secrets(), &search), ["dev/theirs"]);
        assert_eq!(found(&acme.secrets(), &search).len(), 5);
    }
    assert_eq!(found(&dev, &Search::below(folder("deep"))), ["deep/er/key"]);
    for outside in ["prod", "dev"] {
        assert_eq!(found(&dev, &Search::below(folder(outside))), Vec::<String>::new(), "{outside}");
    }
    // Whatever a cursor says, it leads nowhere else.
    for cursor in ["../prod", "", "/", "\u{0}", "prod/key", "zzz"] {
        let text = strongroom_log::base64_encode(&[&[1], cursor.as_bytes()].concat());
        let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
        let inside = After::cursor(&text).unwrap();
        for search in [Search::default(), search()] {
            let page = block_on(dev.search(&search, inside.clone(), 10)).unwrap();
            let want: Vec<_> = ["deep/er/key", "key"].into_iter().filter(|path| *path > cursor).collect();
            let paths: Vec<_> = page.secrets.iter().map(|found| found.path.as_str()).collect();
            assert_eq!(paths, want, "after {cursor:?}");
        }
    }
}

#[test]
fn a_page_has_its_limits() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    for number in 0..6 {
        put(&secrets, &format!("f{}/s{number}", number % 3), labelled(&[("a", "b")]));
    }
    let page =
        |limit| block_on(secrets.search(&Search::default(), After::start(), limit)).map(|page| page.secrets.len());
    for (limit, want) in [(1, Ok(1)), (1_000, Ok(6)), (0, Err(Code::LimitInvalid)), (1_001, Err(Code::LimitInvalid))] {
        assert_eq!(page(limit).map_err(|error| error.code()), want, "{limit}");
    }
    // Full pages say exactly whether there is more, where nothing is left out.
    assert_eq!(all(&secrets, &Search::default(), 3).unwrap().1, 2);
    assert_eq!(all(&secrets, &Search::default(), 6).unwrap().1, 1);
    let by_label = || Search::default().labels(labels(&[("a", "b")]));
    // As many candidates as are sorted in memory, and one more, which are found by walking: with the same result.
    for candidates in [6, 5] {
        assert_eq!(all(&secrets, &by_label().bounded(candidates, 1_000), 100).unwrap().1, 1, "{candidates}");
    }
    // What a page opens: three folders; then two secrets of one, and those two again to look at them.
    let pages = |opened| all(&secrets, &Search::default().bounded(0, opened), 100).unwrap().1;
    assert_eq!((pages(15), pages(14)), (1, 2));
    assert_eq!(limits::SEARCH_CANDIDATES_MAX, limits::FOLDER_ENTRIES_MAX, "both are sorted in memory");
}

/// As many as there can be in one folder, and in one page's memory.
#[test]
fn a_search_goes_through_many_secrets() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let entries = (0..3_000).map(|number| ImportEntry {
        path: at(&format!("f{}/s{number:05}", number % 7)),
        value: SecretValue::text("1").unwrap(),
    });
    block_on(secrets.import(&Folder::root(), entries.collect(), Import::default())).unwrap();
    put(&secrets, "f3/s01004", labelled(&[("rare", "yes")]));
    let (paths, pages) = all(&secrets, &Search::default(), 1_000).unwrap();
    assert_eq!((paths.len(), pages), (3_000, 3));
    assert!(paths.is_sorted());
    let rare = Search::default().labels(labels(&[("rare", "yes")]));
    assert_eq!(all(&secrets, &rare, 1_000).unwrap(), (vec!["f3/s01004".to_owned()], 1));
    // Walking, in pages that open little: the last ones have nothing in them, and yet go on.
    let (paths, pages) = all(&secrets, &rare.bounded(0, 1_000), 1_000).unwrap();
    assert!(paths == ["f3/s01004"] && pages > 3, "{pages}");
}

/// Whatever the paths are, they come in the order of their bytes and each once.
#[test]
fn paths_come_in_order_whatever_they_are() {
    let (_place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    let names = ["a", "a-", "a.b", "a0", "A", "a_", "b"];
    let mut model = BTreeMap::new();
    for (first, outer) in names.iter().enumerate() {
        for (second, inner) in names.iter().enumerate() {
            let paths = [outer.to_string(), format!("{outer}/{inner}"), format!("{outer}/{inner}/{outer}")];
            for (third, path) in paths.into_iter().enumerate() {
                let label = ["x", "y"][(first + second + third) % 2];
                put(&secrets, &path, labelled(&[("l", label)]));
                model.insert(path, label);
            }
        }
    }
    let by = |label| Search::default().labels(labels(&[("l", label)]));
    for (search, label) in [(Search::default(), None), (by("x"), Some("x")), (by("y"), Some("y"))] {
        let want: Vec<_> = model
            .iter()
            .filter(|(_, has)| label.is_none_or(|label| label == **has))
            .map(|(path, _)| path.clone())
            .collect();
        for bounds in [(1_000, 1_000), (0, 1_000), (0, 0), (0, 10)] {
            let (found, _) = all(&secrets, &search.clone().bounded(bounds.0, bounds.1), 7).unwrap();
            assert_eq!(found, want, "{label:?} {bounds:?}");
        }
    }
}

/// A hash is nobody's evidence.
#[test]
fn who_writes_to_the_index_deceives_nobody() {
    let (place, room) = Place::software();
    let secrets = tenant(&room, "acme").secrets();
    put(&secrets, "a", labelled(&[("team", "pay")]).owner("ann".parse().unwrap()));
    put(&secrets, "b", Put::default().secret_type(SecretType::Token));
    let thief = place.thief();
    // The hash of the one also leads to the other.
    thief
        .execute(
            "INSERT INTO secret_labels (tenant, label_hash, secret)
             SELECT DISTINCT l.tenant, l.label_hash, s.id FROM secret_labels AS l, secrets AS s WHERE true
             ON CONFLICT DO NOTHING",
            [],
        )
        .unwrap();
    for search in [
        Search::default().labels(labels(&[("team", "pay")])),
        Search::default().owner("ann".parse().unwrap()),
        Search::default().secret_type(SecretType::Token),
    ] {
        assert_eq!(all(&secrets, &search, 10), Err(Code::Integrity));
    }
    let checked = block_on(tenant(&room, "acme").audit().check_state()).unwrap();
    let codes: Vec<_> = checked.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["STATE-HIDDEN", "STATE-HIDDEN"]);
    // Nor does it hide anything for long.
    thief.execute("DELETE FROM secret_labels", []).unwrap();
    assert_eq!(all(&secrets, &Search::default().owner("ann".parse().unwrap()), 10).unwrap().0, Vec::<String>::new());
    let checked = block_on(tenant(&room, "acme").audit().check_state()).unwrap();
    assert_eq!(checked.findings.len(), 2);
}
