//! One tenant's calls, whatever they are, neither show nor change anything of another tenant.
//!
//! Random calls of random tenants, some of them with the same paths, values and actors, against a model of each. After
//! each call: what came is what the model has; no row, line, count or metric of anybody else is different; and the store
//! was asked for nobody else. `STRONGROOM_ISOLATION_SEED` repeats a run, `STRONGROOM_ISOLATION_OPERATIONS` says how long
//! it is. And what the tests see is wrong on purpose now and then: that it is noticed is a test, too.

#[path = "../common/mod.rs"]
mod common;

mod chance;
mod foreign;
mod kinds;
mod life;
mod log;
mod looks;
mod model;
mod past;
mod secret;
mod secrets;
mod stress;
mod tenants;
mod turn;
mod world;

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use chance::Chance;
use kinds::{KINDS, NOT_HERE};
use pollster::block_on;
use strongroom::{
    ActingTenant, Code, Get, OpenOptions, Put, Query, SecretValue, Strongroom,
    store::{Maintenance, SqliteStore, Store},
    testing::watched::{Confusion, WatchedStore},
};
use world::{Breach, Tally, World};

/// Calls without `STRONGROOM_ISOLATION_OPERATIONS`: enough for `cargo test`, which people wait for.
const OPERATIONS_DEFAULT: u64 = 4_000;
/// Calls in one life.
const LIFE: usize = 500;
/// After so many of them, memory is what it is going to be.
const LIVES_FIRST: u64 = 25;
/// Lives in which what is wrong on purpose has to be noticed.
const LIVES_BROKEN: usize = 6;
const LIFE_ON_A_TOKEN: usize = 200;

fn number_of(variable: &str) -> Option<u64> {
    let number = std::env::var(variable).ok()?;
    Some(number.parse().unwrap_or_else(|error| panic!("{variable}: {error}")))
}

/// Different each time; printed, so that a failure can be repeated.
fn seed() -> u64 {
    let by_time = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
    let seed = number_of("STRONGROOM_ISOLATION_SEED").unwrap_or_else(by_time);
    println!("STRONGROOM_ISOLATION_SEED={seed}");
    seed
}

#[test]
fn random_calls_of_random_tenants_stay_with_their_tenants() {
    let (mut chance, begin) = (Chance::new(seed()), Instant::now());
    let operations = number_of("STRONGROOM_ISOLATION_OPERATIONS").unwrap_or(OPERATIONS_DEFAULT);
    let lives = operations.div_ceil(LIFE as u64);
    let seeds: Vec<_> = (0..lives).map(|_| chance.another()).collect();
    let (seeds, tally) = (Mutex::new(seeds.into_iter()), Mutex::new(Tally::default()));
    let (done, early) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(chance) = { seeds.lock().unwrap().next() } {
                    let lived = World::new(chance, None).live(LIFE);
                    tally.lock().unwrap().add(&lived);
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if done == LIVES_FIRST {
                        early.store(resident(), Ordering::Relaxed);
                    }
                    if done.is_multiple_of(100) {
                        println!(
                            "{} calls after {} s, {} MB",
                            done * LIFE as u64,
                            begin.elapsed().as_secs(),
                            resident() >> 20
                        );
                    }
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("{} calls in {lives} lives, {:.1} s", tally.calls(), begin.elapsed().as_secs_f64());
    demand_that_every_kind_was_tried(&tally);
    let [early, late] = [early.into_inner(), resident()];
    if lives > 4 * LIVES_FIRST {
        println!("memory: {} MB after {LIVES_FIRST} lives, {} MB at the end", early >> 20, late >> 20);
        assert!(late < early + early / 4, "memory grows with the number of lives");
    }
}

#[test]
fn they_do_on_a_token_too() {
    let Some(place) = common::Place::token() else { return };
    let tally = World::on(place, Chance::new(seed()), None).live(LIFE_ON_A_TOKEN);
    assert_eq!(tally.calls(), LIFE_ON_A_TOKEN as u64);
}

/// No kind is under a hundredth of all calls, and each was both done and refused at least once in fifty times.
fn demand_that_every_kind_was_tried(tally: &Tally) {
    for (kind, [done, refused]) in KINDS.iter().zip(&tally.0) {
        let calls = done + refused;
        println!(
            "{:<22} {:>5.1} %: {done} done, {refused} refused",
            kind.act,
            100.0 * calls as f64 / tally.calls() as f64
        );
        assert!(100 * calls >= tally.calls(), "{}: {calls} of {}", kind.act, tally.calls());
        assert!(50 * done >= calls && 50 * refused >= calls, "{}: {done} done, {refused} refused", kind.act);
    }
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4_096
}

/// What tenants can be asked is in the table, or has its reason.
#[test]
fn every_act_on_a_tenant_is_a_kind_of_call() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src");
    let mut acts = BTreeSet::new();
    for folder in ["secrets", "audit"] {
        for file in fs::read_dir(core.join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                let inner = fs::read_dir(path).unwrap();
                inner.for_each(|file| acts_in(&fs::read_to_string(file.unwrap().path()).unwrap(), &mut acts));
            } else {
                acts_in(&fs::read_to_string(path).unwrap(), &mut acts);
            }
        }
    }
    let ours = KINDS.iter().map(|kind| kind.act).filter(|act| !act.starts_with("tenant."));
    let ours: BTreeSet<_> = ours.chain(NOT_HERE.iter().map(|(act, _)| *act)).map(str::to_owned).collect();
    assert_eq!(ours, acts, "the acts of this test (left) and of the sources (right)");
    assert!(NOT_HERE.iter().all(|(act, reason)| !reason.is_empty() && KINDS.iter().all(|kind| kind.act != *act)));
}

fn acts_in(text: &str, acts: &mut BTreeSet<String>) {
    for call in text.split(".operate(\"").skip(1) {
        let (act, rest) = call.split_once('"').unwrap();
        if !rest.trim_start_matches([',', ' ', '\n']).starts_with("&Target::Sys") {
            acts.insert(act.to_owned());
        }
    }
}

/// What the test above would overlook would be overlooked here.
#[test]
fn a_room_that_confuses_tenants_is_noticed() {
    let mut chance = Chance::new(seed());
    for breach in [
        Breach::Read("secret"),
        Breach::Read("secrets_in"),
        Breach::Read("version"),
        Breach::Read("secrets_labelled"),
        Breach::Read("tenant"),
        Breach::Read("lines_of"),
        Breach::Read("actor"),
        Breach::Handle,
        Breach::Twice,
        // A statement that forgot the tenant.
        Breach::Sql("UPDATE log_heads SET secrets = secrets + 1 WHERE tenant <> ?1 AND tenant = ?2"),
        Breach::Sql("DELETE FROM secret_labels WHERE tenant <> ?1 AND tenant = ?2"),
        Breach::Sql("UPDATE secrets SET mac = zeroblob(32) WHERE tenant <> ?1 AND tenant = ?2"),
        Breach::Sql("DELETE FROM secret_versions WHERE tenant <> ?1 AND tenant = ?2 AND version = 1"),
        Breach::Sql(
            "INSERT OR IGNORE INTO folders SELECT ?2, name_hash, parent_hash, id, name, revision, mac FROM folders WHERE tenant = ?1",
        ),
    ] {
        // Some need a call that is rare.
        let told = (0..LIVES_BROKEN).find_map(|_| {
            let life = chance.another();
            catch_unwind(AssertUnwindSafe(|| World::new(life, Some(breach)).live(LIFE))).err()
        });
        let Some(told) = told else { panic!("{breach:?}: nobody noticed") };
        let told = told.downcast_ref::<String>().cloned().unwrap_or_default();
        println!("{breach:?}: {}", told.lines().next().unwrap_or_default());
    }
}

/// A whole row of another tenant is refused like one that was changed, whatever a store makes of a number.
#[test]
fn the_row_of_another_tenant_is_no_row() {
    let (place, room) = common::Place::software();
    room.close().unwrap();
    let sqlite = SqliteStore::open(&place.deployment.database(), Maintenance::Inline).unwrap();
    let store = Arc::new(WatchedStore::new(Arc::new(sqlite)));
    let seam: Arc<dyn Store> = Arc::<WatchedStore>::clone(&store);
    let room = block_on(Strongroom::open_in(seam, place.device().unwrap(), OpenOptions::default())).unwrap();
    let (acme, beta) = (common::tenant(&room, "acme"), common::tenant(&room, "beta"));
    let (path, value) = ("a".parse().unwrap(), || SecretValue::text("1").unwrap());
    for tenant in [&acme, &beta] {
        block_on(tenant.secrets().put(&path, value(), Put::default())).unwrap();
    }
    let mut watch = block_on(acme.audit().watch(&Query::new())).unwrap();
    let [asked, given] = {
        let rows = store.inner().snapshot().unwrap().tenants().unwrap();
        [rows[0].number, rows[1].number]
    };
    for (asked, given) in [(asked, given), (given, asked)] {
        store.confuse(Some(Confusion { call: "tenant", asked, given }));
        let refused = |tenant: &ActingTenant| block_on(tenant.secrets().get(&path, Get::current())).err();
        let codes = [refused(&acme), refused(&beta)].map(|error| error.map(|error| error.code()));
        assert!(codes.contains(&Some(Code::Integrity)) && codes.contains(&None), "{codes:?}");
        // Nor goes a watch on in another's log.
        let more = block_on(watch.more()).map(|_| ()).map_err(|error| error.code());
        assert_eq!(more.err(), codes[0]);
        let sys =
            block_on(room.admin(common::operator()).audit().query(&Query::new().act("secret.get"), None, 1)).unwrap();
        assert_eq!(sys.entries[0].code, Code::Integrity.name());
    }
    room.close().unwrap();
}
