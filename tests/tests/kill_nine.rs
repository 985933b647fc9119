//! What was acknowledged survives: `kill -9` at any moment, and the loss of power.
//!
//! A child process writes with several threads. Each acknowledgement goes over a pipe to the parent before
//! the thread goes on, so that the parent knows at the kill what was acknowledged, and what was under way.
//! Then the parent opens the database and looks for everything that was acknowledged.
//!
//! A kill alone proves little about syncing: the kernel still writes what the process handed to it. So the
//! second half takes the power away too. The child's SQLite runs on a layer that keeps, beside the real
//! files, a second folder with what a disk is sure to have: a write gets there at the sync after it, and no
//! earlier. After the kill that folder is opened in place of the real one. As the negative control the layer
//! swallows the syncs, all of them or only the store's own after a commit: then the same checker must find
//! acknowledged values missing.
#![cfg(unix)]

mod child;
mod common;
mod power;

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, RandomState},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use common::{Place, admin, operator, tenant};
use pollster::block_on;
use power::Syncs;
use strongroom::{
    Actor, Context, Deployment, Get, Put, SecretPath, SecretValue, Secrets, Strongroom, Version, VersionLimit,
};

const THREADS: usize = 4;
/// `STRONGROOM_KILLS` overrides it.
const KILLS: usize = 10;
const POWER_CUTS: usize = 5;
/// The kill comes at a random moment of this time after the first acknowledgement.
const KILL_WITHIN_MILLIS: u64 = 150;
/// Threads that look for what was acknowledged.
const READERS: usize = 16;
/// A deployment is given up for a new one after so many: each kill reads the whole log.
const KILLS_OF_ONE: usize = 100;
/// Each thread puts to so many paths, in turn.
const PATHS: usize = 5;

#[test]
fn child_writes_until_killed() {
    if !child::role("child_writes_until_killed") {
        return;
    }
    match child::argument("CHILD_POWER").as_str() {
        "" => {}
        syncs => {
            let syncs =
                [Syncs::All, Syncs::OnlySqlites, Syncs::None].into_iter().find(|one| format!("{one:?}") == syncs);
            power::keep_what_a_disk_has(Path::new(&child::argument("CHILD_DISK")), syncs.unwrap());
        }
    }
    let room = child::open();
    let run = child::argument("CHILD_RUN");
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (room, run) = (&room, &run);
            scope.spawn(move || {
                let context = Context::new(Actor::service(&format!("writer-{thread}")).unwrap());
                let acme = room.tenant(&"acme".parse().unwrap()).acting_as(context).secrets();
                let all = VersionLimit::new(1_000).unwrap();
                for put in 0.. {
                    let path: SecretPath = format!("{run}/{thread}/{}", put % PATHS).parse().unwrap();
                    let value = format!("{run}-{thread}-{put}");
                    child::say(&format!("begin {value}"));
                    let text = SecretValue::text(&*value).unwrap();
                    let reply = block_on(acme.put(&path, text, Put::default().max_versions(all))).unwrap();
                    let leaf = strongroom_log::hex_encode(&reply.receipt.leaf);
                    child::say(&format!("done {value} {path} {} {} {leaf}", reply.version.0, reply.receipt.seq));
                }
            });
        }
    });
}

/// A put that the child was told was done.
struct Acknowledged {
    value: String,
    path: String,
    version: u64,
    seq: u64,
    leaf: String,
}

/// What a child said before it was killed.
struct Killed {
    acknowledged: Vec<Acknowledged>,
    /// Puts that were begun and not yet acknowledged.
    under_way: usize,
}

/// Lets a child write, and kills it at a random moment.
fn write_and_kill(place: &Place, run: usize, power: &str, disk: &Path) -> Killed {
    let arguments =
        [("CHILD_RUN", run.to_string()), ("CHILD_POWER", power.to_owned()), ("CHILD_DISK", disk.display().to_string())];
    let mut writer = child::start("child_writes_until_killed", place, &arguments);
    let mut said = vec![writer.next().unwrap()];
    while !said.last().unwrap().starts_with("done ") {
        said.push(writer.next().unwrap());
    }
    said.extend(writer.kill_after(Duration::from_micros(random() % (KILL_WITHIN_MILLIS * 1_000))));
    let mut begun = HashSet::new();
    let mut acknowledged = Vec::new();
    for line in said {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["begin", value] => assert!(begun.insert(value.to_owned())),
            ["done", value, path, version, seq, leaf] => {
                assert!(begun.remove(value));
                acknowledged.push(Acknowledged {
                    value: value.to_owned(),
                    path: path.to_owned(),
                    version: version.parse().unwrap(),
                    seq: seq.parse().unwrap(),
                    leaf: leaf.to_owned(),
                });
            }
            _ => panic!("{line}"),
        }
    }
    Killed { acknowledged, under_way: begun.len() }
}

/// The checker: says what of the acknowledged is not there, and what does not hold. Empty if all is well.
fn check(room: &Strongroom, database: &Path, acknowledged: &[Acknowledged]) -> Vec<String> {
    let mut findings = Vec::new();
    let acme = room.tenant(&"acme".parse().unwrap()).acting_as(operator()).secrets();
    let thief = rusqlite::Connection::open(database).unwrap();
    // No log has more lines than there are, so what is looked for is not before this.
    let first = acknowledged.iter().map(|put| put.seq).min().unwrap_or(0);
    let mut lines = thief
        .prepare("SELECT log_seq, line FROM audit WHERE seq >= ?1 AND tenant = (SELECT max(number) FROM tenants)")
        .unwrap();
    let leaf_of = |row: &rusqlite::Row<'_>| {
        let line: Vec<u8> = row.get(1)?;
        Ok((row.get(0)?, strongroom_log::hex_encode(strongroom_log::leaf_hash(&line).as_bytes())))
    };
    let rows = lines.query_map([i64::try_from(first).unwrap()], leaf_of).unwrap();
    let leaves: HashMap<i64, String> = rows.collect::<Result<_, _>>().unwrap();
    // Each read has a line of its own and waits for the disk: many at once wait together.
    thread::scope(|scope| {
        let chunks = acknowledged.chunks(acknowledged.len().div_ceil(READERS).max(1));
        let readers: Vec<_> = chunks
            .map(|chunk| {
                scope.spawn(|| chunk.iter().flat_map(|put| check_put(&acme, &leaves, put)).collect::<Vec<_>>())
            })
            .collect();
        findings.extend(readers.into_iter().flat_map(|reader| reader.join().unwrap()));
    });
    let verified = block_on(admin(room).audit().verify(None)).unwrap();
    if !verified.is_ok() {
        findings.push(format!("{} {:?}", verified.report, verified.store));
    }
    findings
}

/// One acknowledged put: its value, and the line of its receipt.
fn check_put(secrets: &Secrets, leaves: &HashMap<i64, String>, put: &Acknowledged) -> Vec<String> {
    let mut findings = Vec::new();
    let name = format!("{} version {}", put.path, put.version);
    match block_on(secrets.get(&put.path.parse().unwrap(), Get::version(Version(put.version)))) {
        Err(error) => findings.push(format!("{name}: {error}")),
        Ok(got) if got.value.expose(|bytes| bytes != put.value.as_bytes()) => {
            findings.push(format!("{name} has another value"));
        }
        Ok(_) => {}
    }
    if leaves.get(&i64::try_from(put.seq).unwrap()) != Some(&put.leaf) {
        findings.push(format!("{name}: the line of its receipt is not there"));
    }
    findings
}

fn place() -> Place {
    let (place, room) = Place::software();
    tenant(&room, "acme");
    room.close().unwrap();
    place
}

/// What many kills came to.
#[derive(Debug, Default)]
struct Tally {
    /// Kills with puts under way.
    hit: usize,
    under_way: usize,
    /// Of those under way, how many are there.
    landed: usize,
    acknowledged: usize,
}

#[test]
fn what_was_acknowledged_survives_kill_nine() {
    let kills = std::env::var("STRONGROOM_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut tally = Tally::default();
    let mut left = kills;
    while left > 0 {
        let now = left.min(KILLS_OF_ONE);
        kill_often(now, &mut tally);
        left -= now;
    }
    let Tally { hit, under_way, landed, acknowledged } = tally;
    println!(
        "{kills} kills, {hit} with writes in flight ({under_way} puts, of which {landed} had become durable); \
         {acknowledged} acknowledged puts, all there"
    );
    assert!(2 * hit >= kills, "only {hit} of {kills} kills hit writes in flight: this proves nothing");
}

/// One deployment that is written to and killed so often.
fn kill_often(kills: usize, tally: &mut Tally) {
    let (place, mut acknowledged, mut landed) = (place(), Vec::new(), 0);
    for run in 0..kills {
        let killed = write_and_kill(&place, run, "", Path::new(""));
        tally.hit += usize::from(killed.under_way > 0);
        tally.under_way += killed.under_way;
        let room = place.open().unwrap();
        let findings = check(&room, &place.deployment.database(), &killed.acknowledged);
        assert!(findings.is_empty(), "kill {run}: {findings:#?}");
        room.close().unwrap();
        // What was under way is there or not; nothing else is.
        acknowledged.extend(killed.acknowledged);
        let beyond = versions(&place.deployment) - acknowledged.len() - landed;
        assert!(beyond <= killed.under_way, "kill {run}: {beyond} versions that nobody put");
        landed += beyond;
    }
    // Later kills took nothing back either.
    let room = place.open().unwrap();
    let findings = check(&room, &place.deployment.database(), &acknowledged);
    assert!(findings.is_empty(), "at the end: {findings:#?}");
    tally.landed += landed;
    tally.acknowledged += acknowledged.len();
}

/// How many versions of secrets there are.
fn versions(deployment: &Deployment) -> usize {
    let thief = rusqlite::Connection::open(deployment.database()).unwrap();
    let count: i64 = thief.query_row("SELECT count(*) FROM secret_versions", [], |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}

#[test]
fn what_was_acknowledged_survives_the_loss_of_power() {
    let cuts = std::env::var("STRONGROOM_POWER_CUTS").map_or(POWER_CUTS, |cuts| cuts.parse().unwrap());
    let (mut hit, mut total) = (0, 0);
    for run in 0..cuts {
        let (killed, findings) = power_cut(run, Syncs::All);
        assert!(findings.is_empty(), "cut {run}: {findings:#?}");
        hit += usize::from(killed.under_way > 0);
        total += killed.acknowledged.len();
    }
    println!("{cuts} power cuts, {hit} with writes in flight; {total} acknowledged puts, all there");
    assert!(2 * hit >= cuts);
}

/// The negative control: without syncs the same cut loses what was acknowledged, and the checker says so.
#[test]
fn the_checker_notices_a_disk_that_does_not_sync() {
    let (killed, findings) = power_cut(0, Syncs::None);
    println!("{} acknowledged puts, {} findings, such as: {}", killed.acknowledged.len(), findings.len(), findings[0]);
    assert_eq!(findings.len(), 2 * killed.acknowledged.len(), "each value and each line: {findings:#?}");
}

/// SQLite syncs only at checkpoints: what is acknowledged between two of them rests on the store's own syncs.
#[test]
fn the_checker_notices_a_store_that_does_not_sync() {
    let (killed, findings) = power_cut(0, Syncs::OnlySqlites);
    println!("{} acknowledged puts, {} findings, such as: {}", killed.acknowledged.len(), findings.len(), findings[0]);
}

/// Lets a child write, takes the power away, and checks what the disk is sure to have.
fn power_cut(run: usize, syncs: Syncs) -> (Killed, Vec<String>) {
    let place = place();
    let disk = place.folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let entries = std::fs::read_dir(place.deployment.folder()).unwrap();
    // Not the folder of processes that have it open.
    for file in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        std::fs::copy(&file, disk.join(file.file_name().unwrap())).unwrap();
    }
    let killed = write_and_kill(&place, run, &format!("{syncs:?}"), &disk);
    let left = Deployment::at(&disk);
    let device = place.uri.open(&left.profile().unwrap()).unwrap();
    let room = block_on(Strongroom::open(&left, device)).unwrap();
    let findings = check(&room, &left.database(), &killed.acknowledged);
    (killed, findings)
}

/// Not worth a dependency: a kill needs no good randomness.
fn random() -> u64 {
    RandomState::new().hash_one(Instant::now())
}
