//! The index by keys: that it is built whole, that what somebody does to it is found, and that no search believes it.

use super::{super::key_index, *};
use crate::{
    store::{IndexPart, LineKey, LineSearch, Order},
    testing::store::{line_with_facts, tenant_row},
};

const OURS: TenantNumber = TenantNumber(5);
const THEIRS: TenantNumber = TenantNumber(7);

/// What a look at every part of the indexes gives.
pub(super) fn findings(store: &dyn Store) -> Vec<String> {
    let mut view = store.snapshot().unwrap();
    let mut findings = Vec::new();
    for slice in 0.. {
        let found = view.check_index(IndexPart::Slice(slice)).unwrap();
        findings.extend(found.findings);
        if !found.more {
            break;
        }
    }
    findings.extend(view.check_index(IndexPart::Strays).unwrap().findings);
    findings
}

fn repair(store: &dyn Store) {
    for slice in 0.. {
        store.repair_index(IndexPart::Slice(slice)).unwrap();
        if !store.snapshot().unwrap().check_index(IndexPart::Slice(slice)).unwrap().more {
            break;
        }
    }
    store.repair_index(IndexPart::Strays).unwrap();
}

/// A store with 10,000 lines of two tenants, by turns, indexed as far as it goes.
fn filled(ground: &Ground) -> SqliteStore {
    let store = ground.store(Maintenance::Background);
    let mut transaction = store.begin().unwrap();
    let tenants = [5, 7].map(|number| Change::CreateTenant(tenant_row(number)));
    assert_eq!(transaction.apply(&tenants).unwrap(), Applied::Done);
    let mut appender = Appender::new(&mut *transaction, &[OURS, THEIRS]).unwrap();
    appender.make = Some(line_with_facts);
    appender.append(&mut *transaction, 10_000).unwrap();
    transaction.commit().unwrap();
    while store.maintain(true).unwrap() {}
    store
}

fn rows_of_index(ground: &Ground) -> i64 {
    let sql =
        "SELECT (SELECT count(*) FROM audit_by_key) + (SELECT seq FROM index_progress WHERE name = 'audit_by_key')";
    ground.thief().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_run_is_stored_in_parts_and_whoever_comes_goes_on() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    append(&store, 1).unwrap();
    let mut transaction = store.begin().unwrap();
    let mut appender = Appender::new(&mut *transaction, &LOG).unwrap();
    appender.make = Some(line_with_facts);
    appender.append(&mut *transaction, 5_000).unwrap();
    transaction.commit().unwrap();
    let rows = key_index::rows_of_run(&store.reader().unwrap(), 0).unwrap();
    let (parts, mut built) = (key_index::ROWS_AT_ONCE, key_index::Built::new(0, 5_001, rows));
    for part in 1..=2 {
        key_index::store_part(&store.writer().unwrap(), &mut built, Duration::ZERO).unwrap();
        assert_eq!(rows_of_index(&ground), i64::try_from(part * parts).unwrap(), "no progress before the last part");
        assert_eq!(findings(&store), [""; 0], "nothing is claimed that is not there");
    }
    {
        let writer = store.writer().unwrap();
        let pages: i64 = writer.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    }
    assert_eq!(store.maintain(true).unwrap_err().code(), Code::StoreFull);
    assert_eq!(findings(&store), [""; 0]);
    store.writer().unwrap().pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(())).unwrap();

    let other = SqliteStore::open(&ground.path, Maintenance::Background).unwrap();
    while other.maintain(true).unwrap() {}
    assert!(rows_of_index(&ground) > 4_096);
    assert_eq!(findings(&other), [""; 0]);
}

#[test]
fn two_processes_build_a_run_once() {
    let ground = Ground::new();
    let store = filled(&ground);
    let before = rows_of_index(&ground);
    let other = SqliteStore::open(&ground.path, Maintenance::Background).unwrap();
    let mut transaction = other.begin().unwrap();
    let mut appender = Appender::new(&mut *transaction, &[OURS, THEIRS]).unwrap();
    appender.make = Some(line_with_facts);
    appender.append(&mut *transaction, 40_000).unwrap();
    transaction.commit().unwrap();
    std::thread::scope(|scope| {
        for store in [&store, &other] {
            scope.spawn(|| while store.maintain(true).unwrap() {});
        }
    });
    while store.maintain(true).unwrap() {}
    assert!(rows_of_index(&ground) > before);
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn what_is_done_to_the_index_is_found_and_never_believed_and_repaired() {
    let model = Ground::new();
    assert_eq!(findings(&filled(&model)), [""; 0]);
    // Lines 1, 3, 5, … are those of 7, lines 2, 4, … those of 5; a run's row of all lines of a tenant is a map.
    let copy = "INSERT OR REPLACE INTO audit_by_key SELECT run, 5, kind, key, lines FROM audit_by_key WHERE tenant = 7";
    for (what, change, found) in [
        ("an entry less", "DELETE FROM audit_by_key WHERE run = 0 AND kind = 3 AND tenant = 5", "run 0: no entry for"),
        ("a run less", "DELETE FROM audit_by_key WHERE run = 1", "run 1: no entry for"),
        ("entries of another", copy, "an entry"),
        ("more lines", "UPDATE audit_by_key SET lines = zeroblob(512) WHERE tenant = 5", "names other lines"),
        (
            "all lines",
            "UPDATE audit_by_key SET lines = CAST(replace(hex(zeroblob(256)), '0', 'ÿ') AS BLOB)",
            "other lines",
        ),
        (
            "a byte too many",
            "UPDATE audit_by_key SET lines = CAST(lines || x'00' AS BLOB) WHERE kind = 1",
            "other lines",
        ),
        ("another key", "UPDATE audit_by_key SET key = key - 1 WHERE kind = 3 AND run = 0", "too many"),
        ("another kind", "UPDATE audit_by_key SET kind = 99 WHERE kind = 4", "too many"),
        ("an entry of nobody", "INSERT INTO audit_by_key VALUES (0, 9, 0, 0, x'0001')", "tenant 9"),
        ("a run to come", "INSERT INTO audit_by_key VALUES (7, 5, 0, 0, x'0001')", "entries of run 7"),
        ("a run before all", "INSERT INTO audit_by_key VALUES (-1, 5, 0, 0, x'0001')", "entries of run -1"),
        ("it claims more", "UPDATE index_progress SET seq = seq + 4096 WHERE name = 'audit_by_key'", "claims to go"),
        ("it claims a part", "UPDATE index_progress SET seq = seq + 1 WHERE name = 'audit_by_key'", "claims to go"),
        (
            "a run begun, and less of it",
            "INSERT OR REPLACE INTO index_progress (name, seq) VALUES ('audit_by_key_rows', 1)",
            "entries of run 2, which it does not claim to have, or not all",
        ),
        ("it claims nothing", "DELETE FROM index_progress WHERE name = 'audit_by_key'", "entries of run 0"),
        (
            "by log: one less",
            "DELETE FROM audit_by_log WHERE tenant = 5 AND log_seq = 9",
            "no entry for line 9 of tenant 5",
        ),
        ("by log: another", "UPDATE audit_by_log SET seq = 1 WHERE tenant = 5 AND log_seq = 9", "names another line"),
        ("by log: one more", "INSERT INTO audit_by_log VALUES (5, 1, 999999, 1)", "too many: line 999999 of tenant 5"),
        ("by log: of 8", "INSERT INTO audit_by_log VALUES (8, 1, 0, 1)", "too many: line 0 of tenant 8"),
        (
            "by log: claims",
            "UPDATE index_progress SET seq = 99999 WHERE name = 'audit_by_log'",
            "audit_by_log: it claims",
        ),
    ] {
        let ground = Ground::new();
        fs::copy(&model.path, &ground.path).unwrap();
        let store = SqliteStore::open(&ground.path, Maintenance::Background).unwrap();
        ground.thief().execute_batch(change).unwrap();
        let all = findings(&store);
        assert!(all.iter().any(|finding| finding.contains(found)), "{what}: {all:?}");

        let mut view = store.snapshot().unwrap();
        for key in [LineKey::ANY, LineKey::outcome(true), LineKey::act("act.1"), LineKey::outcome(false)] {
            let keys = [vec![key]];
            let search = LineSearch {
                tenant: OURS,
                keys: &keys,
                after: 0,
                until: u64::MAX,
                order: Order::NewestFirst,
                lines_max: 20_000,
            };
            let found = view.search(&search).unwrap().lines;
            assert!(found.iter().all(|line| line.tenant == OURS && line.seq % 2 == 0), "{what}: of another tenant");
        }
        for from in [0, 9, 999_999] {
            for line in view.lines_of(OURS, 1, from, 10).unwrap() {
                assert!(line.tenant == OURS && line.log_seq >= from, "{what}: {line:?}");
            }
        }
        drop(view);
        repair(&store);
        while store.maintain(true).unwrap() {}
        assert_eq!(findings(&store), [""; 0], "{what}, repaired");
    }
}

#[test]
fn one_search_looks_so_far_and_says_how_far() {
    let ground = Ground::new();
    let store = filled(&ground);
    // As if nobody had tended the index for a long time.
    ground.thief().execute_batch("DELETE FROM index_progress WHERE name = 'audit_by_key'").unwrap();
    let keys = [vec![LineKey::request(&[0xff; 16])]];
    let search =
        LineSearch { tenant: OURS, keys: &keys, after: 0, until: u64::MAX, order: Order::NewestFirst, lines_max: 1 };
    assert_eq!(store.snapshot().unwrap().search(&search).unwrap().looked_to, None);
    let mut transaction = store.begin().unwrap();
    let mut appender = Appender::new(&mut *transaction, &[OURS, THEIRS]).unwrap();
    appender.line = b"short".to_vec();
    appender.append(&mut *transaction, 122_000).unwrap();
    transaction.commit().unwrap();
    let mut view = store.snapshot().unwrap();
    assert_eq!(view.search(&search).unwrap().looked_to, Some(132_000 - 2 * 65_536 + 1));
    let oldest = LineSearch { order: Order::OldestFirst, ..search };
    assert_eq!(view.search(&oldest).unwrap().looked_to, Some(2 * 65_536));
    let counted = view.count(&search).unwrap();
    assert_eq!((counted.lines, counted.looked_to), (0, Some(2 * 65_536)));
}

/// What a run costs, and what of it holds off a writer. Runs like [`super::measure`].
#[test]
fn measure_a_run() {
    let Some(folder) = std::env::var_os("STRONGROOM_MEASURE").map(PathBuf::from) else { return };
    let folder = tempfile::tempdir_in(folder).unwrap();
    let ground = Ground { path: folder.path().join("strongroom.db"), _folder: folder };
    let store = filled(&ground);
    let mut transaction = store.begin().unwrap();
    let mut appender = Appender::new(&mut *transaction, &[OURS, THEIRS]).unwrap();
    appender.make = Some(line_with_facts);
    appender.append(&mut *transaction, 300_000).unwrap();
    transaction.commit().unwrap();
    let (mut reads, mut holds) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        let began = std::time::Instant::now();
        let mut built = {
            let reader = store.reader().unwrap();
            let from = key_index::progress(&reader).unwrap();
            key_index::Built::new(from, from, key_index::rows_of_run(&reader, from / 4_096).unwrap())
        };
        reads.push(began.elapsed());
        while !built.is_stored {
            let began = std::time::Instant::now();
            key_index::store_part(&store.writer().unwrap(), &mut built, Duration::ZERO).unwrap();
            holds.push(began.elapsed());
        }
    }
    for (what, times) in [("reading a run", &mut reads), ("holding the lock, for a part", &mut holds)] {
        times.sort();
        println!("{what}: p50 {:?}, p95 {:?}", times[times.len() / 2], times[times.len() * 95 / 100]);
    }
}
