//! Queries over a long audit log while others write, and what a line takes on disk with all indexes.
//!
//! The lines are real ones, each with its place, hash and log, written straight into the store; only the
//! checkpoints of their commits are not signed, which no query looks at. One of 16 tenants has half of the lines.
//! Actors and secrets differ in how often they are met; the rare ones are at the very beginning of the log.

use std::{
    collections::HashMap,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use pollster::block_on;
use serde::Serialize;
use strongroom::{
    Actor, Audit, Context, EventKind, Folder, Get, History, Import, ImportEntry, Query, SecretPath, SecretValue,
    Secrets, Timestamp,
    store::{CommitRow, HeadRow, LineRow, LogHeadRow, Maintenance, Record, SqliteStore, Store, TenantNumber},
};
use strongroom_log::{
    ActorKind, CommitLeaf, Frontier, Hash, LineBuilder, LogOrigin, Object, Origin, Outcome, Who, empty_root, hex_array,
    leaf_hash, parse_line,
};

use crate::{
    Effort, Result,
    callers::run,
    deployment::{Bench, Caller, TENANTS},
    sample::{nanos, percentile},
};

/// The tenant that is asked about: half of the lines are its own.
const TENANT: &str = "tenant-0";
const ACTORS: usize = 32;
const SECRETS: usize = 128;
const LINES_PER_COMMIT: u64 = 4_096;
/// Callers that write meanwhile, at half of the rate that they reach.
const WRITERS: usize = 16;
/// Lines of a page.
const PAGE: usize = 100;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Queries {
    pub(crate) lines: u64,
    /// Of the file, with all that is in it.
    pub(crate) bytes_per_line: f64,
    /// Of the lines themselves.
    pub(crate) line_bytes: f64,
    /// Of each table of the log.
    pub(crate) tables: Tables,
    /// What the writers reached, and at what they were held.
    pub(crate) writes_per_second: f64,
    pub(crate) written_per_second: f64,
    /// Opening the deployment, its passphrase's Argon2id too.
    pub(crate) open_ns: u64,
    pub(crate) rows: Vec<Row>,
}

/// One sort of query.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) query: &'static str,
    pub(crate) found: usize,
    pub(crate) p50_ns: u64,
    pub(crate) p95_ns: u64,
}

pub(crate) fn measure(effort: Effort, folder: &Path, lines: Option<u64>) -> Result<Queries> {
    let (lines, rounds) = match effort {
        Effort::Quick => (lines.unwrap_or(100_000), 40),
        Effort::Full => (lines.unwrap_or(1_000_000), 200),
    };
    let bench = Bench::make(folder, TENANTS)?;
    let writers: Vec<Caller> = (0..WRITERS).map(|number| bench.caller(number)).collect::<Result<_>>()?;
    writers.iter().try_for_each(Caller::prepare)?;
    furnish(&bench)?;
    let file = bench.deployment.database();
    let made_of = Ingredients::look(&bench)?;
    bench.room.close()?;
    let (span, request) = fill(&file, &made_of, lines)?;
    let (bytes_per_line, line_bytes, tables) = sizes(&file)?;

    let begin = Instant::now();
    let bench = Bench::open(folder, TENANTS)?;
    let open_ns = nanos(begin);
    let writers: Vec<Caller> = (0..WRITERS).map(|number| bench.caller(number)).collect::<Result<_>>()?;
    let time = Duration::from_millis(if effort.is_quick() { 500 } else { 3_000 });
    let most = run(&writers, time, Caller::get)?.per_second();
    let auditor = bench.room.tenant(&TENANT.parse()?).acting_as(Context::new(Actor::operator("auditor")?));
    let (audit, secrets) = (auditor.audit(), auditor.secrets());
    let (mut rows, mut written_per_second) = (Vec::new(), 0.0);
    beside_writers(&writers, most / 2.0, |written| {
        let (begin, before) = (Instant::now(), written.load(Ordering::Relaxed));
        rows = ask(&audit, span, request, rounds)?;
        rows.push(usage(&secrets, "the usage of a secret asked for often", path(1)?, rounds)?);
        rows.push(usage(&secrets, "the usage of one asked for once, at first", path(SECRETS - 1)?, rounds)?);
        rows.push(history(&secrets, rounds)?);
        written_per_second = (written.load(Ordering::Relaxed) - before) as f64 / begin.elapsed().as_secs_f64();
        Ok(())
    })?;
    bench.room.close()?;
    Ok(Queries {
        lines,
        bytes_per_line,
        line_bytes,
        tables,
        writes_per_second: most,
        written_per_second,
        open_ns,
        rows,
    })
}

fn actor(number: usize) -> Result<Actor> {
    Ok(Actor::service(&format!("app-{number}"))?)
}

fn path(number: usize) -> Result<SecretPath> {
    Ok(format!("app/secret-{number}").parse()?)
}

/// Each actor acts once and each secret is put once: that makes their handles and pseudonyms.
fn furnish(bench: &Bench) -> Result<()> {
    for number in 0..ACTORS {
        let acting = bench.room.tenant(&TENANT.parse()?).acting_as(Context::new(actor(number)?));
        if number == 0 {
            let entry = |number| Ok(ImportEntry { path: path(number)?, value: SecretValue::text("1")? });
            let entries = (0..SECRETS).map(entry).collect::<Result<Vec<_>>>()?;
            block_on(acting.secrets().import(&Folder::root(), entries, Import::default()))?;
        }
        block_on(acting.secrets().get(&path(number)?, Get::current()))?;
    }
    Ok(())
}

/// What lines are made of.
struct Ingredients {
    origin: Origin,
    actors: Vec<[u8; 16]>,
    secrets: Vec<[u8; 16]>,
    log: String,
}

impl Ingredients {
    /// Learns it from the lines that are there.
    fn look(bench: &Bench) -> Result<Self> {
        let audit = bench.room.tenant(&TENANT.parse()?).acting_as(Context::new(Actor::operator("auditor")?)).audit();
        let (mut actors, mut secrets, mut log) = (HashMap::new(), HashMap::new(), String::new());
        for entry in block_on(audit.show(0, 1_000))?.entries {
            let line = parse_line(entry.line.as_bytes())?;
            log = line.log.to_owned();
            if let (Some(actor), Some(handle)) = (entry.actor, hex_array::<16>(line.who_id)) {
                actors.insert(actor, handle);
            }
            if let (Some(path), Some(object)) = (entry.object, line.obj) {
                secrets.insert(path, object.id_bytes());
            }
        }
        let found = "what was just recorded";
        let actors = (0..ACTORS)
            .map(|number| actors.get(&actor(number)?.to_string()).copied().ok_or_else(|| found.into()))
            .collect::<Result<_>>()?;
        let secrets = (0..SECRETS)
            .map(|number| secrets.get(path(number)?.as_str()).copied().ok_or_else(|| found.into()))
            .collect::<Result<_>>()?;
        let row = SqliteStore::open(&bench.deployment.database(), Maintenance::Inline)?;
        let origin = row.snapshot()?.deployment()?.ok_or("a deployment")?.origin;
        Ok(Self { origin: Origin::parse(&origin)?, actors, secrets, log })
    }
}

/// One log as it grows.
struct Log {
    head: LogHeadRow,
    frontier: Frontier,
    prev: Hash,
    origin: LogOrigin,
}

/// Writes this many lines. Gives the times of the first and the last, and a request somewhere early.
fn fill(file: &Path, made_of: &Ingredients, lines: u64) -> Result<((u64, u64), [u8; 16])> {
    let store = SqliteStore::open(file, Maintenance::Background)?;
    let (mut head, heads) = {
        let mut view = store.snapshot()?;
        (view.head()?.ok_or("a head")?, view.log_heads()?)
    };
    let mut logs = Vec::new();
    for row in heads.into_iter().filter(|head| head.tenant != TenantNumber::SYS) {
        let prev = Hash::from_slice(&row.prev).ok_or("a log that has begun")?;
        let origin = made_of.origin.tenant(row.tenant_ref.as_bytes());
        logs.push(Log { frontier: Frontier::from_bytes(&row.frontier)?, prev, origin, head: row });
    }
    let own = logs.iter().position(|log| log.origin.as_str() == made_of.log).ok_or("the tenant's log")?;
    let mut commits = Frontier::from_bytes(&head.frontier)?;
    let (begin, mut chance, mut request) = (head.time + 1, 1_u64, [0; 16]);
    let mut draw = move || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        chance >> 33
    };
    let mut done = 0;
    while done < lines {
        head.time += 1_000;
        let mut rows = Vec::new();
        for _ in 0..LINES_PER_COMMIT.min(lines - done) {
            let log = if draw() % 2 == 0 { own } else { draw() as usize % logs.len() };
            let id: [u8; 16] = [draw(), draw(), draw(), draw()].map(|part| (part as u32).to_be_bytes()).concat()[..]
                .try_into()
                .map_err(|_| "sixteen bytes")?;
            if done + rows.len() as u64 <= lines / 100 && log == own {
                request = id;
            }
            // The last four of each are met nowhere but at the beginning.
            let at = |of: usize, one: u64, two: u64| (one as usize % (of - 4)).min(two as usize % (of - 4));
            let (who, what) = (at(ACTORS, draw(), draw()), at(SECRETS, draw(), draw()));
            let log = &mut logs[log];
            let who = Who::Actor { kind: ActorKind::Service, handle: made_of.actors[who] };
            let act = if draw() % 16 == 0 { "secret.put" } else { "secret.get" };
            let outcome = if draw() % 64 == 0 { Outcome::Refused("SR-SECRET-NOT-FOUND") } else { Outcome::Ok };
            let mut line = Vec::new();
            LineBuilder::new(act, &log.origin, who, id)
                .object(Object { kind: "secret", id: made_of.secrets[what], version: Some(1) })
                .pseudonym_key(1)
                .source([6; 16])
                .finish(outcome)?
                .splice(head.epoch, &log.prev, log.frontier.size(), head.time, &mut line)?;
            log.prev = leaf_hash(&line);
            let log_seq = log.frontier.size();
            log.frontier.append(log.prev);
            head.last_seq += 1;
            rows.push(LineRow { seq: head.last_seq, tenant: log.head.tenant, log_seq, line });
        }
        done += rows.len() as u64;
        commit(&store, &mut head, &mut commits, &mut logs, &rows)?;
        while store.maintain(true)? {}
    }
    Ok(((begin, head.time), request))
}

fn commit(
    store: &SqliteStore,
    head: &mut HeadRow,
    commits: &mut Frontier,
    logs: &mut [Log],
    rows: &[LineRow],
) -> Result<()> {
    for log in logs.iter_mut() {
        log.head.size = log.frontier.size();
        log.head.frontier = log.frontier.to_bytes();
        log.head.prev = log.prev.as_bytes().to_vec();
        log.head.time = head.time;
    }
    let heads: Vec<_> = logs.iter().map(|log| log.head.clone()).collect();
    let (n, time, epoch) = (head.commits, head.time, head.epoch);
    let leaf = CommitLeaf { n, time, epoch, heads_root: empty_root(), stats: empty_root() };
    commits.append(leaf.leaf());
    head.commits += 1;
    head.last_commit += 1;
    head.lines += rows.len() as u64;
    head.frontier = commits.to_bytes();
    let commit =
        CommitRow { id: head.last_commit, leaf: leaf.to_bytes().to_vec(), blind: [3; 16], last_seq: head.last_seq };
    let mut transaction = store.begin()?;
    transaction.record(&Record { lines: rows, heads: &heads, commit: &commit, head })?;
    transaction.commit()?;
    Ok(())
}

/// Bytes for each line, by table.
type Tables = Vec<(String, f64)>;

/// Bytes for each line: of the file, of the lines themselves, of each table of the log.
fn sizes(file: &Path) -> Result<(f64, f64, Tables)> {
    let database = rusqlite::Connection::open(file)?;
    let lines: f64 = database.query_row("SELECT count(*) FROM audit", [], |row| row.get(0))?;
    let line_bytes = database.query_row("SELECT avg(length(line)) FROM audit", [], |row| row.get(0))?;
    let mut tables = Vec::new();
    for table in ["audit", "audit_by_log", "audit_by_key"] {
        let sql = "SELECT pgsize FROM dbstat WHERE name = ?1 AND aggregate = TRUE";
        let bytes: f64 = database.query_row(sql, [table], |row| row.get(0))?;
        tables.push((table.to_owned(), bytes / lines));
    }
    Ok((file.metadata()?.len() as f64 / lines, line_bytes, tables))
}

/// Works while the writers write at this rate together.
fn beside_writers(writers: &[Caller], per_second: f64, work: impl FnOnce(&AtomicU64) -> Result<()>) -> Result<()> {
    let (ends, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let pause = Duration::from_secs_f64(writers.len() as f64 / per_second.max(1.0));
    thread::scope(|scope| {
        let threads: Vec<_> = writers
            .iter()
            .map(|writer| {
                let (ends, written) = (&ends, &written);
                scope.spawn(move || -> Result<()> {
                    let mut next = Instant::now();
                    while !ends.load(Ordering::Relaxed) {
                        writer.get(written.fetch_add(1, Ordering::Relaxed))?;
                        next += pause;
                        thread::sleep(next.saturating_duration_since(Instant::now()));
                    }
                    Ok(())
                })
            })
            .collect();
        let worked = work(&written);
        ends.store(true, Ordering::Relaxed);
        let wrote = threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a writer panicked")?);
        worked.and(wrote)
    })
}

/// Each sort of query in turn, round after round.
fn ask(audit: &Audit, (begin, end): (u64, u64), request: [u8; 16], rounds: usize) -> Result<Vec<Row>> {
    let rare = (actor(ACTORS - 1)?, path(SECRETS - 1)?);
    let middle = begin + (end - begin) / 2;
    let sorts: [(&'static str, Query); 9] = [
        ("an actor met often", Query::new().actor(actor(1)?)),
        ("an actor met once, at first", Query::new().actor(rare.0.clone())),
        ("a secret asked for often", Query::new().secret(path(1)?)),
        ("a secret asked for once, at first", Query::new().secret(rare.1)),
        ("a time in the middle", Query::new().from(Timestamp(middle)).until(Timestamp(middle + 1_000_000))),
        ("refused, of an actor", Query::new().actor(actor(2)?).outcome(false)),
        ("an act of an actor and a secret", Query::new().actor(actor(3)?).secret(path(3)?).act("secret.put")),
        ("a request, early", Query::new().request(strongroom::RequestId::from_bytes(request))),
        ("a request that is not", Query::new().request(strongroom::RequestId::from_bytes([0xfe; 16]))),
    ];
    let mut times = vec![Vec::with_capacity(rounds); sorts.len()];
    let mut found = vec![0; sorts.len()];
    for _ in 0..rounds {
        for (at, (_, query)) in sorts.iter().enumerate() {
            let since = Instant::now();
            let page = block_on(audit.query(query, None, PAGE))?;
            times[at].push(nanos(since));
            found[at] = page.entries.len();
        }
    }
    let rows = sorts.iter().zip(times).zip(found).map(|(((query, _), mut times), found)| {
        times.sort_unstable();
        Row { query, found, p50_ns: percentile(&times, 0.5), p95_ns: percentile(&times, 0.95) }
    });
    Ok(rows.collect())
}

/// How long it takes to count the uses of a secret; found is the number of reads.
fn usage(secrets: &Secrets, query: &'static str, path: SecretPath, rounds: usize) -> Result<Row> {
    let (mut times, mut found) = (Vec::with_capacity(rounds), 0);
    for _ in 0..rounds {
        let since = Instant::now();
        let usage = block_on(secrets.usage(&path))?;
        times.push(nanos(since));
        found = usage.reads as usize;
    }
    times.sort_unstable();
    Ok(Row { query, found, p50_ns: percentile(&times, 0.5), p95_ns: percentile(&times, 0.95) })
}

/// How long a page of the rotations of a secret takes.
fn history(secrets: &Secrets, rounds: usize) -> Result<Row> {
    let (mut times, mut found) = (Vec::with_capacity(rounds), 0);
    let rotations = History::new().kinds(&[EventKind::Rotated, EventKind::Deprecated]);
    for _ in 0..rounds {
        let since = Instant::now();
        found = block_on(secrets.history(&path(1)?, &rotations, PAGE))?.events.len();
        times.push(nanos(since));
    }
    times.sort_unstable();
    let query = "the rotations of a secret, a page";
    Ok(Row { query, found, p50_ns: percentile(&times, 0.5), p95_ns: percentile(&times, 0.95) })
}

/// How many tenants there are, for the report.
pub(crate) const fn tenants() -> usize {
    TENANTS
}
