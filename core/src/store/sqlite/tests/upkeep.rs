//! The lagging index, the write-ahead log, and copies.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    maintain::{TAIL_LINES_MAX, WAL_BYTES_MAX},
    *,
};

fn unindexed(store: &dyn Store) -> u64 {
    store.facts().unwrap().lines_unindexed
}

#[test]
fn the_tail_stays_below_its_limit() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    let (half, limit) = (TAIL_LINES_MAX / 2, TAIL_LINES_MAX);
    let append_to = |tail: u64| {
        append(&store, usize::try_from(tail - unindexed(&store)).unwrap()).unwrap();
    };
    append_to(1_000);
    assert!(!store.maintain(true).unwrap());
    assert_eq!(unindexed(&store), 1_000, "not worth a commit");
    append_to(half - 1);
    // The index by keys goes first from a quarter of that on, because a search reads each line of its tail.
    assert!(store.maintain(false).unwrap());
    assert_eq!(unindexed(&store), half - 1, "others go first");
    append_to(half);
    store.maintain(false).unwrap();
    assert_eq!(unindexed(&store), half - 4_096, "the index goes first, for a slice");
    append_to(limit - 1);
    assert!(store.maintain(false).unwrap(), "there is more to do");
    assert_eq!(unindexed(&store), limit - 1 - 4_096);
    append_to(limit + 10_000);
    assert!(store.maintain(false).unwrap());
    assert!(unindexed(&store) < limit, "at the limit, as much as it takes");
    while store.maintain(true).unwrap() {}
    assert!(unindexed(&store) < 1_024);
    store.check().unwrap();
}

#[test]
fn the_indexer_yields_to_other_writers() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    let other = SqliteStore::open(&ground.path, Maintenance::Background).unwrap();
    append(&store, 10_000).unwrap();
    for writing in [&store, &other] {
        let transaction = writing.begin().unwrap();
        let began = std::time::Instant::now();
        assert!(store.maintain(true).unwrap(), "there is more to do, another time");
        assert!(began.elapsed() < Duration::from_secs(1));
        drop(transaction);
        assert_eq!(unindexed(&store), 10_000);
    }
    while store.maintain(true).unwrap() {}
    assert!(unindexed(&store) < 1_024);
}

#[test]
fn lines_of_no_generation_are_damage_and_are_not_passed_over() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    append(&store, 5_000).unwrap();
    ground.thief().execute_batch("DELETE FROM generations").unwrap();
    assert_eq!(store.maintain(true).unwrap_err().code(), Code::StoreDamaged);
    assert_eq!(unindexed(&store), 5_000);
}

#[test]
fn an_index_entry_of_somebody_else_gives_way() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    ground.thief().execute_batch("INSERT INTO audit_by_log VALUES (0, 1, 3, 99)").unwrap();
    let rows = append(&store, 5_000).unwrap();
    while store.maintain(true).unwrap() {}
    assert_eq!(store.snapshot().unwrap().lines_of(TenantNumber::SYS, 1, 0, 10).unwrap(), rows[..10]);
}

/// Writes about this many bytes in commits of a mebibyte.
fn write_bytes(store: &SqliteStore, bytes: u64) {
    let line = vec![b'x'; 64 * 1024];
    for _ in 0..bytes / (1024 * 1024) {
        let mut transaction = store.begin().unwrap();
        let mut appender = Appender::new(&mut *transaction, &LOG).unwrap();
        appender.line = line.clone();
        appender.append(&mut *transaction, 16).unwrap();
        transaction.commit().unwrap();
    }
}

fn wal_bytes(store: &SqliteStore) -> u64 {
    fs::metadata(store.place.wal()).unwrap().len()
}

#[test]
fn the_write_ahead_log_is_copied_outside_commits_and_begins_anew() {
    const MIB: u64 = 1024 * 1024;
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    write_bytes(&store, 12 * MIB);
    let file = || fs::metadata(&ground.path).unwrap().len();
    assert!(file() < MIB, "no commit copies anything");
    store.maintain(false).unwrap();
    assert!(file() < MIB, "too little to disturb others for");
    store.maintain(true).unwrap();
    assert!(file() > 11 * MIB, "but enough when nobody waits");

    // While somebody reads what is old, it grows, and nobody waits for long.
    let mut view = store.snapshot().unwrap();
    view.head().unwrap();
    write_bytes(&store, WAL_BYTES_MAX + 8 * MIB);
    let began = std::time::Instant::now();
    for _ in 0..20 {
        assert!(!store.maintain(false).unwrap(), "trying again at once is no use");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(wal_bytes(&store) > WAL_BYTES_MAX);
    let next = || store.upkeep.wal_restart_pages.load(Ordering::Relaxed) * u64::from(connection::PAGE_BYTES);
    assert!(next() > wal_bytes(&store), "the next try comes when it has grown");
    drop(view);
    write_bytes(&store, WAL_BYTES_MAX / 4);
    store.maintain(false).unwrap();
    let grown = wal_bytes(&store);
    assert_eq!(next(), WAL_BYTES_MAX);
    write_bytes(&store, 8 * MIB);
    assert_eq!(wal_bytes(&store), grown, "it began anew, in the file it has");
    store.check().unwrap();
}

#[test]
fn a_command_leaves_it_to_sqlite() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Inline);
    write_bytes(&store, 12 * 1024 * 1024);
    assert!(wal_bytes(&store) < 8 * 1024 * 1024);
    assert!(!store.maintain(true).unwrap());
}

#[test]
fn a_copy_is_of_one_moment_while_others_write() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    write_bytes(&store, 32 * 1024 * 1024);
    let to = ground.path.with_file_name("copy.db");
    let (done, mut steps, mut last) = (AtomicBool::new(false), 0, (0, 0));
    let (before, during) = std::thread::scope(|scope| {
        let before = store.snapshot().unwrap().head().unwrap().unwrap().commits;
        let writer = scope.spawn(|| {
            let mut commits = 0;
            while !done.load(Ordering::Relaxed) {
                append(&store, 10).unwrap();
                commits += 1;
            }
            commits
        });
        std::thread::sleep(Duration::from_millis(20));
        store
            .back_up(&to, &mut |at, total| {
                assert!(at >= last.0 && at <= total && (last.1 == 0 || last.1 == total), "{at} of {total}");
                (steps, last) = (steps + 1, (at, total));
                std::thread::sleep(Duration::from_millis(1));
            })
            .unwrap();
        done.store(true, Ordering::Relaxed);
        (before, writer.join().unwrap())
    });
    println!("{during} commits beside a copy in {steps} steps");
    assert!(during > 0 && steps > 10 && last.0 == last.1);

    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    for suffix in ["-wal", "-shm", "-journal"] {
        assert!(!Place::new(&to).unwrap().beside(suffix).exists(), "{suffix}");
    }
    let bytes = fs::read(&to).unwrap();
    let copy = SqliteStore::open_still(&to).unwrap();
    copy.check().unwrap();
    let mut view = copy.snapshot().unwrap();
    let head = view.head().unwrap().unwrap();
    assert!(head.commits >= before && head.commits <= before + during);
    assert_eq!(u64::try_from(view.commits(0, usize::MAX).unwrap().len()).unwrap(), head.commits);
    assert_eq!(u64::try_from(view.lines(0, usize::MAX).unwrap().len()).unwrap(), head.last_seq);
    drop(view);
    assert_eq!(copy.begin().err().unwrap().code(), Code::StoreReadOnly);
    assert!(!copy.maintain(true).unwrap());
    assert_eq!(copy.facts().unwrap().schema, 1);
    drop(copy);
    assert!(fs::read(&to).unwrap() == bytes, "looking changes nothing");
    assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 4, "the store's three files and the copy");

    // It is a store as any other.
    append(&SqliteStore::open(&to, Maintenance::Inline).unwrap(), 1).unwrap();
}

#[test]
fn a_copy_never_goes_over_a_file() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    let to = ground.path.with_file_name("copy.db");
    fs::write(&to, "precious").unwrap();
    let mut ignore = |_, _| {};
    assert_eq!(store.back_up(&to, &mut ignore).unwrap_err().code(), Code::BackupExists);
    assert_eq!(fs::read(&to).unwrap(), b"precious");
    assert_eq!(store.back_up(&ground.path, &mut ignore).unwrap_err().code(), Code::BackupExists);
    let nowhere = ground.path.with_file_name("none").join("copy.db");
    assert_eq!(store.back_up(&nowhere, &mut ignore).unwrap_err().code(), Code::FileUnreadable);
}
