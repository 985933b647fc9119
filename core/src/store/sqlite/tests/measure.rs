//! What a commit of audit lines costs, beside plain rusqlite with the same pragmas on the same disk.
//!
//! Runs when `STRONGROOM_MEASURE` names a folder, in a release build:
//! `STRONGROOM_MEASURE=/var/tmp cargo test --release -p strongroom --all-features --lib measure -- --nocapture`

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use rusqlite::params;

use super::*;

const LINE_BYTES: usize = 450;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1_500);

#[test]
fn measure() {
    let Some(folder) = std::env::var_os("STRONGROOM_MEASURE").map(PathBuf::from) else { return };
    println!("rows/s of {LINE_BYTES} B, median of {ROUNDS} interleaved rounds (p50, p99 of a commit in µs)");
    for lines in [1, 64, 256] {
        let mut ours = Vec::new();
        let mut tended = Vec::new();
        let mut beside = Vec::new();
        let mut plain = Vec::new();
        for _ in 0..ROUNDS {
            plain.push(measure_plain(&folder, lines));
            ours.push(measure_ours(&folder, lines, Upkeep::None));
            tended.push(measure_ours(&folder, lines, Upkeep::AfterEach));
            beside.push(measure_ours(&folder, lines, Upkeep::Beside));
        }
        println!("{lines:>4} a commit:");
        let cases = [plain, ours, tended, beside].map(median);
        let names = ["plain", "record()", "maintain(false) after each", "maintain(false) on another thread"];
        names.iter().zip(cases).for_each(|(name, case)| println!("     {name}: {case}"));
    }
    measure_small(&folder);
}

fn median(mut rounds: Vec<(f64, String)>) -> String {
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (rows, times) = &rounds[ROUNDS / 2];
    format!("{rows:.0}/s ({times})")
}

/// Commits until the round is over.
fn round(lines: usize, mut commit: impl FnMut()) -> (f64, String) {
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < ROUND {
        let at = Instant::now();
        commit();
        times.push(at.elapsed().as_micros());
    }
    let rows = times.len() * lines;
    let seconds = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let times_of = |percent| times[(times.len() - 1) * percent / 100];
    #[allow(clippy::cast_precision_loss)]
    (rows as f64 / seconds, format!("{}, {}", times_of(50), times_of(99)))
}

/// Who calls `maintain`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Upkeep {
    None,
    AfterEach,
    Beside,
}

fn measure_ours(folder: &Path, lines: usize, upkeep: Upkeep) -> (f64, String) {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let path = folder.path().join("strongroom.db");
    found(&SqliteStore::create(&path).unwrap());
    let store = SqliteStore::open(&path, Maintenance::Background).unwrap();
    let mut appender = Appender::new(&mut *store.snapshot().unwrap(), &LOG).unwrap();
    appender.line = vec![b'x'; LINE_BYTES];
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if upkeep == Upkeep::Beside {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    store.maintain(false).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let measured = round(lines, || {
            let mut transaction = store.begin().unwrap();
            appender.append(&mut *transaction, lines).unwrap();
            transaction.commit().unwrap();
            if upkeep == Upkeep::AfterEach {
                store.maintain(false).unwrap();
            }
        });
        over.store(true, Ordering::Relaxed);
        measured
    })
}

/// The same lines, one log head, commit leaf and head, by hand: no savepoint, no guard, no seam.
fn measure_plain(folder: &Path, lines: usize) -> (f64, String) {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let path = folder.path().join("plain.db");
    drop(SqliteStore::create(&path).unwrap());
    let place = Place::new(&path).unwrap();
    let db = connect(&place, Role::Writer(Maintenance::Background)).unwrap();
    let (line, mut seq, mut commits) = (vec![b'x'; LINE_BYTES], 0i64, 0i64);
    round(lines, || {
        db.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        let mut insert = db.prepare_cached("INSERT INTO audit VALUES (?1, 0, ?1 - 1, ?2)").unwrap();
        for _ in 0..lines {
            seq += 1;
            insert.execute(params![seq, line]).unwrap();
        }
        commits += 1;
        db.prepare_cached("INSERT INTO head_log VALUES (?1, ?2, zeroblob(16), ?3)")
            .unwrap()
            .execute(params![commits, [0u8; 8], seq])
            .unwrap();
        db.prepare_cached(
            "INSERT OR REPLACE INTO log_heads VALUES (0, zeroblob(16), ?1, ?2, zeroblob(32), ?1, 1, 0, 0, 0, 0)",
        )
        .unwrap()
        .execute(params![seq, [0u8; 8]])
        .unwrap();
        db.prepare_cached("INSERT OR REPLACE INTO head VALUES (1, 1, ?1, ?2, ?1, ?3, ?1, 1, ?3, 1, ?2)")
            .unwrap()
            .execute(params![commits, [0u8; 8], seq])
            .unwrap();
        db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
    })
}

/// What happens once in a while.
fn measure_small(folder: &Path) {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let path = folder.path().join("strongroom.db");
    let time = |what: &str, times: u32, mut work: Box<dyn FnMut() + '_>| {
        work();
        let began = Instant::now();
        (0..times).for_each(|_| work());
        println!("{what}: {:.1} µs", began.elapsed().as_secs_f64() * 1e6 / f64::from(times));
    };
    drop(SqliteStore::create(&path).unwrap());
    time("open and close", 50, Box::new(|| drop(SqliteStore::open(&path, Maintenance::Inline).unwrap())));
    let store = SqliteStore::open(&path, Maintenance::Background).unwrap();
    found(&store);
    let mut transaction = store.begin().unwrap();
    let _ = transaction.apply(&[Change::CreateTenant(crate::testing::store::tenant_row(0))]).unwrap();
    transaction.commit().unwrap();
    append(&store, 60_000).unwrap();
    time(
        "a snapshot that reads one row",
        10_000,
        Box::new(|| {
            store.snapshot().unwrap().tenant(TenantNumber::SYS).unwrap();
        }),
    );
    time("indexing what is left", 1, Box::new(|| while store.maintain(true).unwrap() {}));
    time("maintain(false), nothing to do", 10_000, Box::new(|| assert!(!store.maintain(false).unwrap())));
    append(&store, 32_768).unwrap();
    time(
        "reading ten lines behind a tail of 32,768",
        50,
        Box::new(|| {
            store.snapshot().unwrap().lines_of(TenantNumber(9), 1, 0, 10).unwrap();
        }),
    );
    let began = Instant::now();
    store.maintain(false).unwrap();
    println!("indexing a slice of 4,096 lines: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
}
