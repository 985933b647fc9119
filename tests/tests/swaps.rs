//! Swaps: two rows of a table exchange what they have in one column, or all of it, within a tenant and between tenants.
//!
//! True values in wrong places, which a thief with the database can make without any key. After each swap everything is
//! read: what comes is what was there before or a refusal, and never anything false; and something has to say that the
//! database is not as it was written: opening it, a read, `audit verify`, `--state` or `check-index`. The tables and
//! columns are those of the database itself: a new one that has no decision here fails. `bad_input.rs` alters columns,
//! `state.rs` puts old rows back.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{Place, admin, billing, operator, tenant};
use pollster::block_on;
use rusqlite::{Connection, types::Value};
use strongroom::{
    After, AuditEntry, Class, Code, Config, Delete, Deployment, Error, Expiry, Folder, Get, Import, ImportEntry,
    Labels, LeaseLimits, OpenOptions, Put, Query, Restore, Search, SecretPath, SecretType, SecretValue, Stage,
    Strongroom, TenantChange, Timestamp, Version, VersionLimit, store::Order,
};

/// Pairs of rows for each column and kind of swap; `STRONGROOM_SWAPS` says how many.
const PAIRS_DEFAULT: usize = 1;

/// Tables with one row, which has none to exchange anything with: `bad_input.rs` puts those of another deployment there.
const ONE_ROW: [&str; 3] = ["deployment", "head", "schema_migrations"];

/// The column that says whose row it is.
fn owner(table: &str) -> Option<&'static str> {
    match table {
        "tenants" => Some("number"),
        "secrets" | "secret_versions" | "folders" | "secret_labels" | "actors" | "audit" | "audit_by_log"
        | "audit_by_key" | "log_heads" | "generation_tenants" | "intents" => Some("tenant"),
        "index_progress" | "head_log" | "generations" | "epochs" => None,
        other => panic!("{other}: whose are its rows?"),
    }
}

/// What may be swapped unnoticed, and why that does no harm.
const HARMLESS: &[(&str, &[&str], &str)] = &[
    ("actors", &["tenant"], "as if both rows were deleted, by which people are forgotten and no chain breaks"),
    ("epochs", &["id", "certificate", "*"], "a certificate names its epoch itself; which row has it decides nothing"),
    (
        "epochs",
        &["hard_limit", "closed"],
        "they say which epochs are left to be closed; what counts is the certificate's limit",
    ),
    ("epochs", &["checkpoint"], "nothing reads it: the checkpoint that counts is in `head`"),
    ("generations", &["opened_at", "reason"], "nothing reads them: a generation's first line says when and why"),
    ("intents", &["tenant", "request", "boot", "*"], "nothing authenticates them: they say for which results to wait"),
    ("log_heads", &["time"], "nothing reads it: a line is not older than `head`"),
    (
        "log_heads",
        &["day", "audit_bytes"],
        "nothing authenticates them: for a day, a quota of lines may hold too early, or too late",
    ),
    (
        "secrets",
        &["expires_at"],
        "it only finds what is due: the time that counts is in `settings`, by which a read is refused; a line may be missing",
    ),
];

/// Deployments that are read at a time: most of it is waiting for the disk.
const WORKERS: usize = 6;

/// How two rows are chosen, and what they exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// One column, of two rows of one tenant, or of a table without tenants.
    Within,
    /// One column, of rows of two tenants.
    Between,
    /// Everything but the key, of two rows of one tenant.
    WholeWithin,
    /// Everything but the key, of rows of two tenants.
    WholeBetween,
}

/// One swap.
#[derive(Clone, Debug)]
struct Swap {
    table: String,
    /// Its name, or `*`.
    column: String,
    kind: Kind,
    /// Two rows by their rowid or key, as conditions.
    rows: [usize; 2],
}

/// A table as it is, row by row.
struct Table {
    name: String,
    columns: Vec<String>,
    key: Vec<usize>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    fn read(database: &Connection, name: &str) -> Self {
        let mut info = database.prepare(&format!("PRAGMA table_info({name})")).unwrap();
        let columns: Vec<(String, i64)> =
            info.query_map([], |row| Ok((row.get(1)?, row.get(5)?))).unwrap().collect::<Result<_, _>>().unwrap();
        let key = columns.iter().enumerate().filter(|(_, (_, place))| *place > 0).map(|(at, _)| at).collect();
        let columns: Vec<_> = columns.into_iter().map(|(name, _)| name).collect();
        let mut select = database.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let read = select.query_map([], |row| (0..columns.len()).map(|column| row.get(column)).collect()).unwrap();
        let rows = read.collect::<Result<_, _>>().unwrap();
        Self { name: name.to_owned(), columns, key, rows }
    }

    fn owner_of(&self, row: usize) -> Option<&Value> {
        let owner = owner(&self.name)?;
        let column = self.columns.iter().position(|column| column == owner).unwrap();
        Some(&self.rows[row][column])
    }

    /// The columns that a swap exchanges.
    fn exchanged(&self, column: &str) -> Vec<usize> {
        match column {
            "*" => (0..self.columns.len()).filter(|at| !self.key.contains(at)).collect(),
            name => vec![self.columns.iter().position(|column| column == name).unwrap()],
        }
    }

    /// What two rows become.
    fn exchange(&self, column: &str, [one, two]: [usize; 2]) -> [Vec<Value>; 2] {
        let (mut first, mut second) = (self.rows[one].clone(), self.rows[two].clone());
        for column in self.exchanged(column) {
            std::mem::swap(&mut first[column], &mut second[column]);
        }
        [first, second]
    }

    /// Two rows for a swap of this kind that differ in what they exchange; `None` if there are none.
    fn pair(&self, column: &str, kind: Kind, chance: &mut impl FnMut(usize) -> usize) -> Option<[usize; 2]> {
        let exchanged = self.exchanged(column);
        let fits = |[one, two]: [usize; 2]| {
            let is_within = self.owner_of(one) == self.owner_of(two);
            let [first, second] = self.exchange(column, [one, two]);
            // Of two rows that have nothing else, an exchange makes the same two.
            let differ = first != self.rows[one] && first != self.rows[two] && second != self.rows[two];
            differ && is_within == matches!(kind, Kind::Within | Kind::WholeWithin)
        };
        if self.rows.len() < 2 || exchanged.is_empty() {
            return None;
        }
        let any = (0..200).map(|_| [chance(self.rows.len()), chance(self.rows.len())]).find(|pair| fits(*pair));
        any.or_else(|| {
            let rows = self.rows.len().min(300);
            (0..rows).flat_map(|one| (0..rows).map(move |two| [one, two])).find(|pair| fits(*pair))
        })
    }

    /// Carries it out in a database.
    fn swap(&self, thief: &Connection, swap: &Swap) {
        let [one, two] = swap.rows;
        let [first, second] = self.exchange(&swap.column, swap.rows);
        let key = if self.key.is_empty() { (0..self.columns.len()).collect() } else { self.key.clone() };
        let condition: Vec<_> =
            key.iter().enumerate().map(|(n, at)| format!("{} IS ?{}", self.columns[*at], n + 1)).collect();
        let delete = format!("DELETE FROM {} WHERE {}", self.name, condition.join(" AND "));
        for row in [one, two] {
            let values = key.iter().map(|at| &self.rows[row][*at]);
            assert_eq!(thief.execute(&delete, rusqlite::params_from_iter(values)).unwrap(), 1);
        }
        let places = vec!["?"; self.columns.len()].join(",");
        // A key that a third row has is overwritten: whatever a thief likes.
        let insert = format!("INSERT OR REPLACE INTO {} VALUES ({places})", self.name);
        for row in [first, second] {
            thief.execute(&insert, rusqlite::params_from_iter(row)).unwrap();
        }
    }
}

/// A database with at least two of everything that there can be two of, as processes left it that were killed.
struct Furnished {
    place: Place,
    database: PathBuf,
    /// No line is newer.
    end: Timestamp,
    /// What was read when nobody had touched it.
    honest: BTreeMap<String, Answer>,
}

/// Whether a table has rows only once the log has more lines than a run of the index by keys.
fn is_of_a_long_log(table: &str) -> bool {
    table.starts_with("audit_by_") || table == "index_progress"
}

const PATHS: [&str; 5] = ["a/one", "a/b/two", "a/b/three", "four", "stages"];

impl Furnished {
    fn new(is_long: bool) -> Self {
        let (place, room) = Place::in_memory();
        for (name, note) in [("acme", "red"), ("beta", "blue")] {
            fill(&room, name, note);
        }
        tenant(&room, "gone");
        block_on(admin(&room).close_tenant(&"gone".parse().unwrap())).unwrap();
        let many = |room: &Strongroom, times: usize| {
            for _ in 0..if is_long { times } else { 0 } {
                let all = (0..1_050).map(|n| entry(&format!("many/{n}"))).collect();
                block_on(tenant(room, "bulk").secrets().import(&Folder::root(), all, Import::default())).unwrap();
            }
        };
        many(&room, 4);
        let backup = place.folder.path().join("backup");
        block_on(admin(&room).back_up(&backup, |_, _| {})).unwrap();
        room.close().unwrap();
        let config = Config { device: place.uri.to_string(), ..Config::default() };
        let restore = Restore::new(config, "the disk burnt", operator()).unwrap();
        let deployment = Deployment::at(place.folder.path().join("restored"));
        let options = OpenOptions::default;
        let restored = Strongroom::restore(&backup, &deployment, place.device().unwrap(), restore, options());
        block_on(restored).unwrap().0.close().unwrap();
        let room = block_on(Strongroom::open(&deployment, place.device().unwrap())).unwrap();
        for (name, note) in [("acme", "green"), ("beta", "red")] {
            fill(&room, name, note);
        }
        tenant(&room, "idle");
        let without_leases = TenantChange::default().leases(false);
        block_on(admin(&room).set_tenant(&"idle".parse().unwrap(), without_leases)).unwrap();
        many(&room, 1);
        // Two processes, each with leases.
        let rooms = [room, block_on(Strongroom::open(&deployment, place.device().unwrap())).unwrap()];
        let leases = rooms.each_ref().map(|room| {
            ["acme", "beta"].map(|name| {
                let secrets = tenant(room, name).secrets();
                block_on(secrets.lease(&path("four"), LeaseLimits::default())).unwrap()
            })
        });
        let live = Connection::open(deployment.database()).unwrap();
        let indexed = "SELECT (SELECT count(DISTINCT run) FROM audit_by_key)
             + (SELECT count(DISTINCT generation) FROM audit_by_log)";
        while is_long && live.query_row(indexed, [], |row| row.get::<_, i64>(0)).unwrap() < 3 {
            thread::sleep(Duration::from_millis(10));
        }
        let database = place.folder.path().join("as-left.db");
        live.execute("VACUUM INTO ?1", [database.to_str().unwrap()]).unwrap();
        drop(leases);
        rooms.into_iter().for_each(|room| room.close().unwrap());
        let left = Connection::open(&database).unwrap();
        // As if that tenant's last line were of the day before.
        let yesterday = "UPDATE log_heads SET day = day - 1 WHERE tenant = (SELECT max(tenant) FROM log_heads)";
        left.execute(yesterday, []).unwrap();
        let end = left.query_row("SELECT time + 1 FROM head", [], |row| row.get::<_, i64>(0)).unwrap();
        let end = Timestamp(u64::try_from(end).unwrap());
        let mut furnished = Self { place, database, end, honest: BTreeMap::new() };
        let untouched = furnished.copy("untouched");
        let room = block_on(Strongroom::open(&untouched, furnished.place.device().unwrap())).unwrap();
        furnished.honest = read_all(&room, end);
        room.close().unwrap();
        assert!(furnished.honest.values().all(Result::is_ok), "{:?}", furnished.honest);
        assert_eq!(found_by(&furnished.copy("untouched"), &furnished), Ok(BTreeSet::new()));
        furnished
    }

    /// A copy for the thief.
    fn copy(&self, name: &str) -> Deployment {
        let to = Deployment::at(self.place.folder.path().join(name));
        let _ = fs::remove_dir_all(to.folder());
        fs::create_dir(to.folder()).unwrap();
        fs::copy(&self.database, to.database()).unwrap();
        to
    }
}

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

fn entry(at: &str) -> ImportEntry {
    ImportEntry { path: path(at), value: SecretValue::text(at).unwrap() }
}

fn fill(room: &Strongroom, name: &str, note: &str) {
    let secrets = tenant(room, name).secrets();
    for at in PATHS {
        for number in 0..3 {
            let labels = Labels::parse([("note", note), ("at", &at.replace('/', "-"))]).unwrap();
            let limit = VersionLimit::new(5 + number + at.len() as u64 % 3).unwrap();
            let lasts = |days: u64| Expiry::In(Duration::from_secs((days + at.len() as u64) * 24 * 60 * 60));
            let mut put =
                Put::default().description(format!("{note} {at}").parse().unwrap()).labels(labels).max_versions(limit);
            put = put.owner(name.parse().unwrap()).secret_type(SecretType::Token);
            if at.starts_with("a/b") {
                put = put.expires(lasts(number + 1));
            } else if number > 0 {
                put = put.version_expires(lasts(number));
            }
            let value = SecretValue::text(format!("{name} {at} {note} {number}")).unwrap();
            block_on(secrets.put(&path(at), value, put)).unwrap();
        }
    }
    let value = || SecretValue::text(format!("{name} more {note}")).unwrap();
    for at in ["stages", "four"] {
        block_on(secrets.put_pending(&path(at), value(), Put::default())).unwrap();
    }
    let versions = block_on(secrets.versions(&path("a/one"))).unwrap().versions;
    let [.., destroyed, deleted] = &versions[..] else { panic!() };
    block_on(secrets.destroy_versions(&path("a/one"), &[destroyed.version])).unwrap();
    block_on(secrets.delete_versions(&path("a/one"), &[deleted.version])).unwrap();
    block_on(secrets.put(&path("off"), value(), Put::default())).unwrap();
    block_on(secrets.disable(&path("off"))).unwrap();
    block_on(secrets.put(&path("away"), value(), Put::default())).unwrap();
    block_on(secrets.delete(&path("away"), Delete::default())).unwrap();
    let olga = room.tenant(&name.parse().unwrap()).acting_as(operator()).secrets();
    block_on(olga.list(&Folder::root(), After::start(), 10)).unwrap();
}

/// What a read gave, in words: each of them is true by itself.
type Answer = Result<Vec<String>, Code>;

/// Reads everything, and gives each read's name and answer.
fn read_all(room: &Strongroom, end: Timestamp) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    let mut add = |name: String, answer: Result<Vec<String>, Error>| {
        answers.insert(name, answer.map_err(|error| error.code()));
    };
    let value = |value: &SecretValue| value.expose(|bytes| String::from_utf8_lossy(bytes).into_owned());
    for name in ["acme", "beta"] {
        let acting = room.tenant(&name.parse().unwrap()).acting_as(billing());
        let (secrets, audit) = (acting.secrets(), acting.audit());
        for at in PATHS {
            for (what, get) in [
                ("get current", Get::current()),
                ("get previous", Get::stage(Stage::Previous)),
                ("get version 3", Get::version(Version(3))),
            ] {
                let got = block_on(secrets.get(&path(at), get));
                add(
                    format!("{what} {at} of {name}"),
                    got.map(|got| vec![format!("{} {}", got.version, value(&got.value))]),
                );
            }
            let got = block_on(secrets.versions(&path(at)));
            let words = got.map(|got| {
                let about = format!("{} {:?} {} {}", got.max_versions, got.meta, got.created_at, got.updated_at);
                got.versions.iter().map(|version| format!("{version:?}")).chain([about]).collect()
            });
            add(format!("versions {at} of {name}"), words);
            let got = block_on(secrets.describe(&path(at)));
            let words = got.map(|got| {
                let stages = [Some(got.current), got.pending, got.previous];
                let times = [got.expires_at, Some(got.current_since), got.rotate_by];
                vec![format!("{:?} {} {stages:?} {times:?} {}", got.meta, got.is_enabled, got.revision.0)]
            });
            add(format!("describe {at} of {name}"), words);
        }
        let found = |search: Search| block_on(secrets.search(&search, After::start(), 100));
        let note = Labels::parse([("at", "four")]).unwrap();
        for (what, search) in [
            ("all", Search::default().archived(true)),
            ("owner", Search::default().owner(name.parse().unwrap())),
            ("label", Search::below(Folder::root()).labels(note)),
        ] {
            let words = found(search).map(|page| page.secrets.iter().map(|found| format!("{found:?}")).collect());
            add(format!("search {what} of {name}"), words);
        }
        let got = block_on(secrets.export(&Folder::root()));
        let words = got.map(|got| {
            got.secrets.iter().map(|it| format!("{} {} {}", it.path, it.version, value(&it.value))).collect()
        });
        add(format!("export of {name}"), words);
        for folder in ["", "a", "a/b"] {
            let got = block_on(secrets.list(&folder.parse().unwrap(), After::start(), 100));
            let words = got.map(|page| page.entries.iter().map(|entry| format!("{entry:?}")).collect());
            add(format!("list {folder} of {name}"), words);
        }
        let newest = Query::new().until(end).order(Order::OldestFirst);
        for (what, query) in [("all", newest.clone()), ("acts", newest.act("secret.put"))] {
            let got = block_on(audit.query(&query, None, 1_000));
            add(format!("query {what} of {name}"), got.map(|page| page.entries.iter().flat_map(words_of).collect()));
        }
        let got = block_on(audit.prove(3));
        add(format!("prove of {name}"), got.map(|got| vec![got.proof.unverified_line().to_owned()]));
    }
    let info = |info: &strongroom::TenantInfo| {
        format!("{} {} {:?} {} {}", info.id, info.tenant_ref, info.state, info.created_at, info.log_origin)
    };
    let got = block_on(admin(room).list_tenants());
    add("tenant list".to_owned(), got.map(|all| all.tenants.iter().map(info).collect()));
    for name in ["acme", "gone"] {
        let got = block_on(admin(room).show_tenant(&name.parse().unwrap()));
        add(format!("tenant show {name}"), got.map(|(shown, _)| vec![info(&shown)]));
    }
    let query = Query::new().until(end).order(Order::OldestFirst);
    let got = block_on(admin(room).audit().query(&query, None, 1_000));
    add("query of the deployment".to_owned(), got.map(|page| page.entries.iter().flat_map(words_of).collect()));
    answers
}

/// A line in words. What it does not know any more it does not say.
fn words_of(entry: &AuditEntry) -> Vec<String> {
    let at = format!("{}.{}", entry.generation, entry.seq);
    let who = entry.actor.as_ref().map(|actor| format!("{at} by {actor}"));
    let what = entry.object.as_ref().map(|object| format!("{at} about {object}"));
    [Some(format!("{at} {}", entry.line)), who, what].into_iter().flatten().collect()
}

/// Who says that the database is not as it was written; or, as an error, what false thing was given.
fn found_by(deployment: &Deployment, furnished: &Furnished) -> Result<BTreeSet<&'static str>, String> {
    let mut found = BTreeSet::new();
    let device = furnished.place.device().unwrap();
    let room = match block_on(Strongroom::open(deployment, device)) {
        Ok(room) => room,
        Err(_) => return Ok(BTreeSet::from(["opening"])),
    };
    for (name, answer) in read_all(&room, furnished.end) {
        match (answer, &furnished.honest[&name]) {
            (Ok(words), Ok(honest)) => {
                if let Some(word) = words.iter().find(|word| !honest.contains(word)) {
                    return Err(format!("{name} gives {word}"));
                }
            }
            (Err(code), _) if code.class() == Class::Integrity => {
                found.insert("a read");
            }
            (Err(code), Err(honest)) if code == *honest => {}
            (Err(code), _) if code.class() == Class::Unavailable => {
                found.insert("a read gets no answer");
            }
            // As if it were not there: something else has to say so.
            (Err(code), _) if code.class() == Class::Absent => {}
            (answer, honest) => return Err(format!("{name} gives {answer:?}, where there was {honest:?}")),
        }
    }
    for (name, audit) in [
        ("state", admin(&room).audit()),
        ("state", room.tenant(&"acme".parse().unwrap()).acting_as(operator()).audit()),
        ("state", room.tenant(&"beta".parse().unwrap()).acting_as(operator()).audit()),
    ] {
        if !block_on(audit.check_state()).is_ok_and(|checked| checked.is_ok()) {
            found.insert(name);
        }
    }
    if !block_on(admin(&room).check_index(false)).is_ok_and(|report| report.findings.is_empty()) {
        found.insert("check-index");
    }
    if !block_on(admin(&room).audit().verify(None)).is_ok_and(|verified| verified.is_ok()) {
        found.insert("verify");
    }
    if room.close().is_err() {
        found.insert("closing");
    }
    Ok(found)
}

#[test]
fn whatever_two_rows_exchange_is_refused_or_named() {
    let by_time = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
    let mut seed = std::env::var("STRONGROOM_SWAPS_SEED").map_or_else(|_| by_time(), |seed| seed.parse().unwrap());
    let pairs = std::env::var("STRONGROOM_SWAPS").map_or(PAIRS_DEFAULT, |pairs| pairs.parse().unwrap());
    println!("STRONGROOM_SWAPS_SEED={seed}");
    let mut chance = |bound: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % bound
    };

    let furnished = [false, true].map(Furnished::new);
    let (tables, swaps) = plan(&furnished, pairs, &mut chance);
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (next, outcomes, tables, swaps, furnished) = (&next, &outcomes, &tables, &swaps, &furnished);
            scope.spawn(move || {
                while let Some(swap) = swaps.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let furnished = &furnished[usize::from(is_of_a_long_log(&swap.table))];
                    let copy = furnished.copy(&format!("swapped-{worker}"));
                    let thief = Connection::open(copy.database()).unwrap();
                    thief.execute_batch("PRAGMA foreign_keys = off; PRAGMA ignore_check_constraints = on").unwrap();
                    tables[&swap.table].swap(&thief, swap);
                    drop(thief);
                    outcomes.lock().unwrap().push((swap, found_by(&copy, furnished)));
                }
            });
        }
    });
    judge(outcomes.into_inner().unwrap());
}

/// All tables, and which rows of them exchange what.
fn plan(
    furnished: &[Furnished; 2],
    pairs: usize,
    chance: &mut impl FnMut(usize) -> usize,
) -> (BTreeMap<String, Table>, Vec<Swap>) {
    let [short, long] = furnished.each_ref().map(|furnished| Connection::open(&furnished.database).unwrap());
    let mut names = short.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let mut whose = short.prepare("SELECT 0 UNION SELECT tenant FROM secrets").unwrap();
    let whose: Vec<Value> = whose.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let (mut tables, mut swaps, mut same) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    for name in names.into_iter().filter(|name| !name.starts_with("sqlite_")) {
        let mut table = Table::read(if is_of_a_long_log(&name) { &long } else { &short }, &name);
        if ONE_ROW.contains(&name.as_str()) {
            assert_eq!(table.rows.len(), 1, "{name}");
            continue;
        }
        if ["actors", "audit", "intents"].contains(&name.as_str()) {
            // Of who is read below.
            let read = (0..table.rows.len()).filter(|row| whose.contains(table.owner_of(*row).unwrap()));
            table.rows = read.map(|row| table.rows[row].clone()).collect();
        }
        assert!(table.rows.len() > 1, "{name} has {} rows to swap", table.rows.len());
        for column in table.columns.iter().map(String::as_str).chain(["*"]) {
            let kinds = match column {
                "*" => [Kind::WholeWithin, Kind::WholeBetween],
                _ => [Kind::Within, Kind::Between],
            };
            let before = swaps.len();
            for (kind, _) in kinds.into_iter().flat_map(|kind| (0..pairs).map(move |pair| (kind, pair))) {
                if let Some(rows) = table.pair(column, kind, chance) {
                    swaps.push(Swap { table: name.clone(), column: column.to_owned(), kind, rows });
                }
            }
            if swaps.len() == before {
                same.insert(format!("{name}.{column}"));
            }
        }
        tables.insert(name, table);
    }
    let expected: BTreeSet<_> = THE_SAME.iter().map(|column| (*column).to_owned()).collect();
    assert_eq!(same, expected, "columns in which no two rows differ: of the database (left) and of this test (right)");
    (tables, swaps)
}

/// Columns in which no two rows can differ here: `bad_input.rs` alters them.
const THE_SAME: [&str; 8] = [
    "actors.revision",
    "audit_by_key.run",
    "folders.revision",
    "generation_tenants.generation",
    "intents.act",
    "secret_labels.*",
    "tenants.key_epoch",
    "tenants.root_version",
];

/// Prints who found what, and refuses what was false or unnoticed.
fn judge(outcomes: Vec<(&Swap, Result<BTreeSet<&'static str>, String>)>) {
    for (table, column) in
        HARMLESS.iter().flat_map(|(table, columns, _)| columns.iter().map(move |column| (table, column)))
    {
        let tried = outcomes.iter().any(|(swap, _)| (&*swap.table, &*swap.column) == (*table, *column));
        assert!(tried, "{table}.{column} is in the list of what is harmless, and was not swapped");
    }
    let (mut table, mut bad) = (BTreeMap::<_, BTreeMap<String, usize>>::new(), Vec::new());
    let is_harmless = |swap: &Swap| {
        HARMLESS.iter().any(|(table, columns, _)| *table == swap.table && columns.contains(&swap.column.as_str()))
    };
    for (swap, outcome) in outcomes {
        let word = match outcome {
            Ok(found) if found.is_empty() && is_harmless(swap) => "nothing, and it is harmless".to_owned(),
            Ok(found) if found.is_empty() => {
                bad.push(format!("{swap:?}: nobody noticed"));
                "NOTHING".to_owned()
            }
            Ok(found) => found.into_iter().collect::<Vec<_>>().join(", "),
            Err(given) => {
                bad.push(format!("{swap:?}: {given}"));
                "FALSE".to_owned()
            }
        };
        *table.entry((&swap.table, &swap.column, swap.kind)).or_default().entry(word).or_default() += 1;
    }
    for ((name, column, kind), words) in &table {
        let words: Vec<_> = words.iter().map(|(word, count)| format!("{count} × {word}")).collect();
        println!("{:<32} {:<13} {}", format!("{name}.{column}"), format!("{kind:?}"), words.join("; "));
    }
    assert!(bad.is_empty(), "{} of them:\n{}", bad.len(), bad.join("\n"));
}
