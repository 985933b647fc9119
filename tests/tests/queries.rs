//! Queries, statistics and watching, seen from outside: what they give is what a look at every line gives,
//! whatever part of the log is indexed, and whatever somebody does to the index.

mod common;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use common::{Place, operator};
use pollster::block_on;
use strongroom::{
    Actor, Audit, AuditEntry, Code, Config, Context, Delete, Deployment, Error, Get, Import, ImportEntry, OpenOptions,
    Put, Query, QueryCursor, RequestId, Restore, SecretPath, SecretValue, StatsBy, Strongroom, Timestamp,
    limits::{PAGE_ENTRIES_MAX, QUERY_MISSES_MAX},
    store::Order,
};

const ACTORS: [&str; 4] = ["user:ada", "service:billing", "operator:olga", "service:nightly"];

/// Numbers that follow from a seed.
struct Chance(u64);

impl Chance {
    /// Different each time; printed, so that a failure can be repeated by putting it here.
    fn of_now() -> Self {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        println!("seed {seed}");
        Self(seed.into())
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

fn context(actor: &str, request: u64) -> Context {
    Context::new(actor.parse().unwrap()).request(id(request))
}

fn id(request: u64) -> RequestId {
    format!("{request:032x}").parse().unwrap()
}

fn path(number: usize) -> SecretPath {
    format!("prod/app-{}/key-{number}", number % 3).parse().unwrap()
}

/// A deployment with two tenants whose logs are longer than two runs of the index.
fn filled(chance: &mut Chance) -> (Place, Strongroom) {
    let (place, room) = Place::software();
    for tenant in ["acme", "globex"] {
        block_on(room.admin(operator()).create_tenant(&tenant.parse().unwrap())).unwrap();
    }
    let mut request = 0;
    for _ in 0..4 {
        for tenant in ["acme", "globex"] {
            let entry = |number| ImportEntry { path: path(number), value: SecretValue::text("1").unwrap() };
            let entries = (0..1_050 + chance.below(100)).map(entry).collect();
            request += 1;
            let acting = room.tenant(&tenant.parse().unwrap()).acting_as(context(ACTORS[chance.below(3)], request));
            block_on(acting.secrets().import(&"".parse().unwrap(), entries, Import::default())).unwrap();
            few(&room, tenant, chance, &mut request, 60);
        }
    }
    (place, room)
}

/// A few operations by various actors, some of them refused.
fn few(room: &Strongroom, tenant: &str, chance: &mut Chance, request: &mut u64, operations: usize) {
    for _ in 0..operations {
        *request += 1;
        let acting = room.tenant(&tenant.parse().unwrap()).acting_as(context(ACTORS[chance.below(3)], *request));
        let (secrets, path) = (acting.secrets(), path(chance.below(8)));
        let refused = match chance.below(5) {
            0 => block_on(secrets.put(&path, SecretValue::text("2").unwrap(), Put::default())).err(),
            1 => block_on(secrets.get(&path, Get::version(strongroom::Version(999)))).err(),
            _ => block_on(secrets.get(&path, Get::current())).err(),
        };
        let known = [Code::VersionNotFound, Code::SecretNotFound];
        assert!(refused.is_none_or(|error| known.contains(&error.code())));
    }
}

fn audit(room: &Strongroom, tenant: &str) -> Audit {
    room.tenant(&tenant.parse().unwrap()).acting_as(context("operator:auditor", 0)).audit()
}

/// Every line of a log, page by page.
fn everything(audit: &Audit) -> Vec<AuditEntry> {
    let (mut all, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        let page = block_on(audit.show(at, PAGE_ENTRIES_MAX)).unwrap();
        all.extend(page.entries);
        from = page.next.filter(|next| *next < 1_000_000);
    }
    all
}

/// All pages of a query.
fn all_pages(audit: &Audit, query: &Query, limit: usize) -> Result<Vec<AuditEntry>, Error> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = block_on(audit.query(query, after, limit))?;
        assert!(page.entries.len() <= limit);
        all.extend(page.entries);
        // Through its text, as a command has it.
        after = page.next.map(|cursor| cursor.to_string().parse::<QueryCursor>().unwrap());
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn key(entry: &AuditEntry) -> (u32, u64) {
    (entry.generation, entry.seq)
}

/// Compares queries made by chance with a look at every line.
fn compare(room: &Strongroom, chance: &mut Chance, queries: usize) {
    for tenant in ["acme", "globex"] {
        let audit = audit(room, tenant);
        let all = everything(&audit);
        // Looking adds lines, so every query ends before the last line that was there.
        let end = all.last().unwrap().time;
        for _ in 0..queries {
            let (some, other) = (&all[chance.below(all.len())], &all[chance.below(all.len())]);
            let (actor, path, uses) = (ACTORS[chance.below(4)], path(chance.below(10)), chance.below(64));
            let uses = |bit: usize| uses >> bit & 1 == 1;
            let (from, until) = match uses(4) {
                true if some.time != other.time => (some.time.min(other.time), some.time.max(other.time)),
                _ => (Timestamp(0), end),
            };
            let mut query = Query::new().from(from).until(until);
            let mut said = format!("{tenant} {from:?} {until:?}");
            let mut want: Vec<_> = all.iter().filter(|entry| entry.time >= from && entry.time < until).collect();
            if uses(0) {
                query = query.actor(actor.parse::<Actor>().unwrap());
                want.retain(|entry| entry.actor.as_deref() == Some(actor));
                said += &format!(" {actor}");
            }
            if uses(1) {
                want.retain(|entry| entry.object.as_deref() == Some(path.as_str()));
                said += &format!(" {path}");
                query = query.secret(path);
            }
            if uses(2) {
                query = query.act(&some.act);
                want.retain(|entry| entry.act == some.act);
                said += &format!(" {}", some.act);
            }
            if uses(3) {
                query = query.outcome(some.ok);
                want.retain(|entry| entry.ok == some.ok);
                said += &format!(" {}", some.ok);
            }
            if uses(5) {
                query = query.request(some.request);
                want.retain(|entry| entry.request == some.request);
                said += &format!(" {}", some.request);
            }
            if chance.below(2) == 0 {
                query = query.order(Order::OldestFirst);
            } else {
                want.reverse();
            }
            let limit = 100 + chance.below(900);
            let found = all_pages(&audit, &query, limit).unwrap();
            assert!(
                found.iter().map(key).eq(want.iter().copied().map(key)),
                "{said} by {limit}: {} found, {} wanted",
                found.len(),
                want.len()
            );
            for (found, want) in found.iter().zip(&want) {
                assert_eq!(
                    (&found.line, &found.actor, &found.object),
                    (&want.line, &want.actor, &want.object),
                    "{said}"
                );
            }
        }
    }
}

/// Waits until this many runs are indexed.
fn indexed(place: &Place, runs: i64) {
    let since = Instant::now();
    let progress = || -> i64 {
        let sql = "SELECT seq FROM index_progress WHERE name = 'audit_by_key'";
        place.thief().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    while progress() < 4_096 * runs {
        assert!(since.elapsed() < Duration::from_secs(60), "the index does not come up");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn queries_give_what_a_look_at_every_line_gives() {
    let mut chance = Chance::of_now();
    let (place, room) = filled(&mut chance);
    compare(&room, &mut chance, 5);
    indexed(&place, 1);
    compare(&room, &mut chance, 60);

    // After a restore the log goes on in another generation, and a query goes over both.
    let backup = place.folder.path().join("backup");
    block_on(room.admin(operator()).back_up(&backup, |_, _| {})).unwrap();
    room.close().unwrap();
    let config = Config { device: place.uri.to_string(), ..Config::default() };
    let restore = Restore::new(config, "the disk burnt", operator()).unwrap();
    let to = Deployment::at(place.folder.path().join("restored"));
    let (room, _) =
        block_on(Strongroom::restore(&backup, &to, place.device().unwrap(), restore, OpenOptions::default())).unwrap();
    few(&room, "acme", &mut chance, &mut 900_000, 5);
    let found = all_pages(&audit(&room, "acme"), &Query::new().act("secret.get"), 1_000).unwrap();
    let generations: Vec<_> = found.iter().map(|entry| entry.generation).collect();
    assert!(generations.contains(&1) && generations.contains(&2) && generations.is_sorted_by(|a, b| a >= b));
    assert!(found.iter().filter(|entry| entry.generation == 2).count() >= 1);
}

#[test]
fn the_limits_hold_on_both_sides_and_cursors_are_their_logs_own() {
    let mut chance = Chance::of_now();
    let (place, room) = filled(&mut chance);
    let acme = audit(&room, "acme");
    for (limit, allowed) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
        let page = block_on(acme.query(&Query::new(), None, limit));
        assert_eq!(page.is_ok(), allowed, "{limit}");
        assert!(page.is_ok_and(|page| page.entries.len() == limit) || !allowed);
        assert_eq!(block_on(acme.stats(&Query::new(), StatsBy::Actor, limit)).is_ok(), allowed, "{limit}");
    }
    for (query, detail) in [
        (Query::new().act(""), "the act"),
        (Query::new().act(&"a".repeat(65)), "the act"),
        (Query::new().act("secret.get\0"), "the act"),
        (Query::new().from(Timestamp(5)).until(Timestamp(5)), "end"),
    ] {
        let error = block_on(acme.query(&query, None, 1)).unwrap_err();
        assert_eq!(error.code(), Code::QueryInvalid);
        assert!(error.to_string().contains(detail), "{error}");
    }
    assert!(block_on(acme.query(&Query::new().act(&"a".repeat(64)), None, 1)).unwrap().entries.is_empty());

    let newest = block_on(acme.query(&Query::new(), None, 1)).unwrap().next.unwrap();
    let globex = audit(&room, "globex");
    let of_other_order = Query::new().order(Order::OldestFirst);
    assert_eq!(block_on(acme.query(&of_other_order, Some(newest), 1)).unwrap_err().code(), Code::CursorInvalid);
    // A position says nothing of whose it is: in another's log it is a place in that log, or none at all.
    if let Ok(page) = block_on(globex.query(&Query::new(), Some(newest), 1_000)) {
        let own = everything(&globex);
        assert!(page.entries.iter().all(|entry| own.iter().any(|own| own.line == entry.line)));
    }
    for (generation, seq) in [(0_u32, 0_u64), (9, 0), (u32::MAX, 1), (1, 1 << 40), (1, u64::MAX), (1, i64::MAX as u64)]
    {
        let bytes = [&[1, 0][..], &generation.to_be_bytes(), &seq.to_be_bytes()].concat();
        let text = base64_url(&bytes);
        let cursor: QueryCursor = text.parse().unwrap();
        let error = block_on(acme.query(&Query::new(), Some(cursor), 10)).unwrap_err();
        assert_eq!(error.code(), Code::CursorInvalid, "{generation} {seq}");
    }

    // An index that names far too many lines: a page ends early, empty, and the search still comes to its end.
    let secrets = room.tenant(&"acme".parse().unwrap()).acting_as(context(ACTORS[0], 1)).secrets();
    for _ in 0..3 {
        let entry = |number| ImportEntry { path: path(number), value: SecretValue::text("1").unwrap() };
        let entries = (0..1_100).map(entry).collect();
        block_on(secrets.import(&"".parse().unwrap(), entries, Import::default())).unwrap();
    }
    indexed(&place, 3);
    let lure = id(0xfeed_f00d_0000_0001);
    let thief = place.thief();
    let sql = "INSERT OR REPLACE INTO audit_by_key SELECT run, tenant, 3, ?1, lines FROM audit_by_key WHERE kind = 0";
    thief.execute(sql, [i64::from_be_bytes(lure.as_bytes()[..8].try_into().unwrap())]).unwrap();
    let indexed_of_acme = everything(&acme).len() - 1_000;
    assert!(indexed_of_acme > QUERY_MISSES_MAX);
    let query = Query::new().request(lure);
    let page = block_on(acme.query(&query, None, 1_000)).unwrap();
    assert!(page.entries.is_empty() && page.next.is_some(), "more than {QUERY_MISSES_MAX} lines were in vain");
    assert!(all_pages(&acme, &query, 1_000).unwrap().is_empty());
    // A request with more lines than a page has is no such case.
    let real = block_on(acme.query(&Query::new().request(id(1)), None, 1_000)).unwrap();
    assert_eq!(real.entries.len(), 1_000);
}

fn base64_url(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).for_each(|at| text.push(digits[(bits >> (18 - 6 * at) & 63) as usize].into()));
    }
    text
}

#[test]
fn what_is_done_to_the_index_shows_no_line_that_is_not_meant() {
    let mut chance = Chance::of_now();
    let (place, room) = filled(&mut chance);
    indexed(&place, 2);
    let (acme, ada) = (audit(&room, "acme"), "user:ada".parse::<Actor>().unwrap());
    let all = all_pages(&acme, &Query::new().actor(ada.clone()), 1_000).unwrap();
    let everyone = block_on(room.admin(operator()).check_index(false)).unwrap();
    assert!(everyone.findings.is_empty() && everyone.lines > 8_192, "{everyone:?}");
    for change in [
        "UPDATE audit_by_key SET lines = (SELECT other.lines FROM audit_by_key AS other WHERE other.run = audit_by_key.run
             AND other.tenant = audit_by_key.tenant AND other.kind = 0) WHERE kind IN (1, 2)",
        "INSERT OR REPLACE INTO audit_by_key SELECT run, (SELECT max(tenant) FROM audit) + (SELECT min(tenant) FROM audit
             WHERE tenant > 0) - tenant, kind, key, lines FROM audit_by_key WHERE tenant > 0",
        "DELETE FROM audit_by_key WHERE run = 0 AND kind = 1",
        "UPDATE audit_by_log SET seq = seq - 1 WHERE log_seq > 2",
    ] {
        place.thief().execute_batch(change).unwrap();
        for (query, is_meant) in [
            (Query::new().actor(ada.clone()), (|entry| entry.actor.as_deref() == Some("user:ada")) as fn(&AuditEntry) -> bool),
            (Query::new().secret(path(1)), |entry| entry.object.as_deref() == Some("prod/app-1/key-1")),
        ] {
            let found = match all_pages(&acme, &query, 1_000) {
                // A cursor names a place in the log, which the index by log no longer finds.
                Err(error) if error.code() == Code::CursorInvalid && change.contains("audit_by_log") => continue,
                found => found.unwrap(),
            };
            assert!(found.iter().all(is_meant), "{change}");
            let origin = &all[0].line.split("\"log\":").nth(1).unwrap()[..40];
            assert!(found.iter().all(|entry| entry.line.contains(origin)), "{change}: of another tenant");
        }
        let report = block_on(room.admin(operator()).check_index(false)).unwrap();
        assert!(!report.findings.is_empty() && !report.repaired, "{change}");
        let report = block_on(room.admin(operator()).check_index(true)).unwrap();
        assert!(!report.findings.is_empty() && report.repaired, "{change}");
        let report = block_on(room.admin(operator()).check_index(true)).unwrap();
        assert!(report.findings.is_empty() && !report.repaired, "{change}: {report:?}");
        let again = all_pages(&acme, &Query::new().actor(ada.clone()), 1_000).unwrap();
        assert!(again.iter().map(key).eq(all.iter().map(key)), "{change}");
    }
    let verified = block_on(room.admin(operator()).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
}

#[test]
fn a_line_that_was_moved_to_another_log_is_damage_and_is_not_shown() {
    let (place, room) = Place::software();
    for tenant in ["acme", "globex"] {
        block_on(room.admin(operator()).create_tenant(&tenant.parse().unwrap())).unwrap();
        let secrets = room.tenant(&tenant.parse().unwrap()).acting_as(operator()).secrets();
        block_on(secrets.put(&path(0), SecretValue::text("1").unwrap(), Put::default())).unwrap();
    }
    place.thief().execute_batch("UPDATE audit SET tenant = (SELECT max(tenant) FROM audit) WHERE tenant > 0").unwrap();
    let outcomes = ["acme", "globex"].map(|tenant| block_on(audit(&room, tenant).query(&Query::new(), None, 10)));
    let damaged = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).map(Error::code).collect::<Vec<_>>();
    assert_eq!(damaged, [Code::StoreDamaged]);
    let shown = outcomes.iter().flatten().flat_map(|page| &page.entries);
    assert_eq!(shown.count(), 0, "what is left of the other");
}

#[test]
fn statistics_are_the_counts_of_the_lines() {
    let mut chance = Chance::of_now();
    let (_place, room) = filled(&mut chance);
    let acme = audit(&room, "acme");
    let all = everything(&acme);
    let end = all.last().unwrap().time;
    for (by, query) in [
        (StatsBy::Actor, Query::new()),
        (StatsBy::Secret, Query::new()),
        (StatsBy::Secret, Query::new().act("secret.get").outcome(false)),
        (StatsBy::Actor, Query::new().secret(path(3))),
    ] {
        let wanted = |entry: &&AuditEntry| {
            entry.time < end
                && (by == StatsBy::Actor || entry.object_type.as_deref() == Some("secret"))
                && match format!("{query:?}") {
                    text if text.contains("[\"secret.get\"]") => entry.act == "secret.get" && !entry.ok,
                    text if text.contains("key-3") => entry.object.as_deref() == Some("prod/app-0/key-3"),
                    _ => true,
                }
        };
        // By name: total, allowed, last.
        let mut want: BTreeMap<Option<String>, (u64, u64, Timestamp)> = BTreeMap::new();
        for entry in all.iter().filter(wanted) {
            let name = if by == StatsBy::Actor { entry.actor.clone() } else { entry.object.clone() };
            let group = want.entry(name).or_default();
            *group = (group.0 + 1, group.1 + u64::from(entry.ok), entry.time);
        }
        let stats = block_on(acme.stats(&query.clone().until(end), by, 1_000)).unwrap();
        let found: BTreeMap<_, _> = stats
            .rows
            .iter()
            .map(|row| {
                assert_eq!(row.total, row.allowed + row.refused);
                (row.name.clone(), (row.total, row.allowed, row.last))
            })
            .collect();
        assert_eq!((found.len(), stats.groups), (want.len().min(1_000), want.len() as u64), "{query:?}");
        for (name, counts) in found {
            assert_eq!(want.get(&name), Some(&counts), "{query:?}: {name:?}");
        }
        assert!(stats.complete);
        assert_eq!(stats.lines, want.values().map(|group| group.0).sum::<u64>());
        assert!(stats.rows.is_sorted_by(|one, next| one.total >= next.total));
        let top = block_on(acme.stats(&query.until(end), by, 2)).unwrap();
        assert_eq!((top.rows.len() as u64, top.groups), (stats.groups.min(2), stats.groups));
    }
}

#[test]
fn a_watch_gives_each_line_once_and_is_recorded_once() {
    let (place, room) = Place::software();
    block_on(room.admin(operator()).create_tenant(&"acme".parse().unwrap())).unwrap();
    let other = place.open().unwrap();
    let acme = audit(&room, "acme");
    let mut watch = block_on(acme.watch(&Query::new())).unwrap();
    let own = block_on(watch.more()).unwrap();
    assert_eq!(
        own.iter().map(|entry| (&*entry.act, entry.seq)).collect::<Vec<_>>(),
        [("audit.watch", watch.receipt.seq)]
    );
    let mut of_ada = block_on(acme.watch(&Query::new().actor("user:ada".parse().unwrap()).act("secret.put"))).unwrap();
    let mut seen = block_on(watch.more()).unwrap();
    for number in 0..30 {
        let room = if number % 2 == 0 { &room } else { &other };
        let actor = if number % 3 == 0 { "user:ada" } else { "service:billing" };
        let secrets = room.tenant(&"acme".parse().unwrap()).acting_as(context(actor, number)).secrets();
        block_on(secrets.put(&path(1), SecretValue::text("1").unwrap(), Put::default())).unwrap();
        if number % 7 == 0 {
            seen.extend(block_on(watch.more()).unwrap());
        }
    }
    seen.extend(block_on(watch.more()).unwrap());
    assert!(block_on(watch.more()).unwrap().is_empty());
    let all = everything(&acme);
    let want: Vec<_> = all.iter().map(key).filter(|(_, seq)| *seq > watch.receipt.seq).collect();
    assert_eq!(seen.iter().map(key).collect::<Vec<_>>(), want[..seen.len()]);
    assert_eq!(seen.len(), 31, "the second watch, and thirty puts");
    let of_ada = block_on(of_ada.more()).unwrap();
    assert_eq!(of_ada.len(), 10);
    assert!(of_ada.iter().all(|entry| entry.actor.as_deref() == Some("user:ada")));
    assert_eq!(all.iter().filter(|entry| entry.act == "audit.watch").count(), 2, "not for each look");

    let mut from_the_first = block_on(acme.watch(&Query::new().from(Timestamp(1)))).unwrap();
    assert_eq!(block_on(from_the_first.more()).unwrap()[0].seq, 0);
    block_on(room.admin(operator()).close_tenant(&"acme".parse().unwrap())).unwrap();
    assert_eq!(block_on(watch.more()).unwrap_err().code(), Code::TenantClosed);
    other.close().unwrap();
}

#[test]
fn the_lines_of_a_secret_that_is_gone_are_still_found() {
    let (_place, room) = Place::software();
    block_on(room.admin(operator()).create_tenant(&"acme".parse().unwrap())).unwrap();
    let secrets = room.tenant(&"acme".parse().unwrap()).acting_as(operator()).secrets();
    block_on(secrets.put(&path(1), SecretValue::text("1").unwrap(), Put::default())).unwrap();
    block_on(secrets.delete(&path(1), Delete::default())).unwrap();
    let found = all_pages(&audit(&room, "acme"), &Query::new().secret(path(1)), 10).unwrap();
    let acts: Vec<_> = found.iter().map(|entry| (&*entry.act, entry.object.as_deref())).collect();
    assert_eq!(acts, [("secret.delete", Some("prod/app-1/key-1")), ("secret.put", Some("prod/app-1/key-1"))]);
    let nobody = Query::new().actor("user:nobody".parse().unwrap());
    assert!(all_pages(&audit(&room, "acme"), &nobody, 10).unwrap().is_empty());
    let system = Query::new().by_system().act("epoch.open");
    let found = all_pages(&room.admin(operator()).audit(), &system, 10).unwrap();
    assert!(!found.is_empty() && found.iter().all(|entry| entry.actor.as_deref() == Some("system")));
}
