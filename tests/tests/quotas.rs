//! Quotas: each limit from both sides, whoever asks and from whichever process; what is refused is counted in the log; and
//! another tenant notices nothing.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use common::{Place, admin, operator, tenant};
use pollster::block_on;
use strongroom::{
    Class, Code, Delete, Error, Folder, Generate, Get, Import, ImportEntry, KeyAlgorithm, Labels, LeaseLimits,
    OpenOptions, Patch, Promote, Put, Query, SecretPath, SecretValue, Secrets, StateCode, Strongroom, SystemRandom,
    TenantChange, TenantInfo, Timestamp, Version, VersionLimit, limits,
    store::{Maintenance, SqliteStore, Store},
    testing::{
        ManualClock,
        faulty::{Failure, FaultyStore, Step},
    },
};

fn path(path: &str) -> SecretPath {
    path.parse().unwrap()
}

fn text(text: &str) -> SecretValue {
    SecretValue::text(text).unwrap()
}

fn put(secrets: &Secrets, at: &str) -> Result<Version, Error> {
    block_on(secrets.put(&path(at), text("value"), Put::default())).map(|reply| reply.version)
}

fn set(room: &Strongroom, name: &str, change: TenantChange) -> TenantInfo {
    block_on(admin(room).set_tenant(&name.parse().unwrap(), change)).unwrap().0
}

fn show(room: &Strongroom, name: &str) -> TenantInfo {
    block_on(admin(room).show_tenant(&name.parse().unwrap())).unwrap().0
}

fn none() -> TenantChange {
    TenantChange::default()
}

/// Lines of an act in a tenant's log, as `(n, code)`.
fn lines(room: &Strongroom, name: &str, act: &str) -> Vec<(Option<u64>, String)> {
    let audit = room.tenant(&name.parse().unwrap()).acting_as(operator()).audit();
    let page = block_on(audit.query(&Query::new().act(act), None, 1_000)).unwrap();
    page.entries.iter().map(|entry| (entry.count, entry.code.clone())).collect()
}

fn state_is_right(room: &Strongroom, name: &str) {
    let audit = room.tenant(&name.parse().unwrap()).acting_as(operator()).audit();
    let check = block_on(audit.check_state()).unwrap();
    assert!(check.is_ok(), "{:?}", check.findings);
}

fn assert_exceeded<T: std::fmt::Debug>(result: Result<T, Error>, detail: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.code(), error.class()), (Code::QuotaExceeded, Class::Limited));
    assert_eq!(error.details(), Some(detail));
}

#[test]
fn so_many_secrets_and_not_one_more() {
    let (_place, room) = Place::software();
    let (acme, other) = (tenant(&room, "acme").secrets(), tenant(&room, "other").secrets());
    set(&room, "acme", none().max_secrets(Some(2)));
    put(&acme, "a").unwrap();
    put(&acme, "b").unwrap();
    assert_exceeded(put(&acme, "c"), "at most 2 secrets");
    assert_eq!(put(&acme, "a").unwrap(), Version(2), "a version is no secret");
    assert_eq!(block_on(acme.get(&path("c"), Get::current())).unwrap_err().code(), Code::SecretNotFound);
    for number in 0..3 {
        put(&other, &format!("s{number}")).unwrap();
    }
    assert_exceeded(
        block_on(acme.generate(&path("c"), &Generate::key_pair(KeyAlgorithm::Ed25519), Put::default())),
        "at most 2 secrets",
    );
    let entries = |names: &[&str]| {
        names.iter().map(|name| ImportEntry { path: path(name), value: text("imported") }).collect::<Vec<_>>()
    };
    let root = Folder::root();
    assert_exceeded(block_on(acme.import(&root, entries(&["a", "c"]), Import::default())), "at most 2 secrets");
    assert_eq!(block_on(acme.get(&path("a"), Get::current())).unwrap().version, Version(2), "all or none");
    block_on(acme.import(&root, entries(&["a", "b"]), Import::default())).unwrap();

    // The refusals are in the tenant's log, each with its own act.
    let refused =
        lines(&room, "acme", "secret.put").iter().filter(|(_, code)| code == Code::QuotaExceeded.name()).count();
    assert_eq!(refused, 1);
    assert_eq!(lines(&room, "acme", "secret.import").len(), 2);
    let metrics = room.metrics().to_openmetrics().unwrap();
    assert!(metrics.contains("strongroom_quota_refusals_total{quota=\"secrets\"} 3"), "{metrics}");
    assert!(lines(&room, "other", "secret.put").iter().all(|(_, code)| code == "ok"));

    // What is deleted makes room; a lower quota takes nothing away.
    block_on(acme.delete(&path("a"), Delete::default())).unwrap();
    put(&acme, "c").unwrap();
    let info = set(&room, "acme", none().max_secrets(Some(1)));
    assert_eq!((info.usage.secrets, info.settings.quotas.secrets), (2, Some(1)));
    assert_exceeded(put(&acme, "d"), "at most 1 secrets");
    put(&acme, "c").unwrap();
    block_on(acme.delete(&path("b"), Delete::default())).unwrap();
    assert_exceeded(put(&acme, "d"), "at most 1 secrets");
    block_on(acme.delete(&path("c"), Delete::default())).unwrap();
    put(&acme, "d").unwrap();
    set(&room, "acme", none().max_secrets(None));
    put(&acme, "e").unwrap();
    state_is_right(&room, "acme");
}

#[test]
fn bytes_are_counted_for_what_they_are() {
    let (_place, room) = Place::software();
    let acme = tenant(&room, "acme").secrets();
    put(&acme, "a").unwrap();
    // A short text, sealed and padded.
    let one = show(&room, "acme").usage.bytes;
    assert!(one > 0);
    let used = || show(&room, "acme").usage.bytes;
    set(&room, "acme", none().max_bytes(Some(3 * one)));
    put(&acme, "a").unwrap();
    put(&acme, "b").unwrap();
    let full = format!("at most {} bytes of sealed values", 3 * one);
    assert_exceeded(put(&acme, "a"), &full);
    assert_exceeded(block_on(acme.put_pending(&path("a"), text("v"), Put::default())), &full);
    set(&room, "acme", none().max_bytes(Some(4 * one - 1)));
    assert_exceeded(put(&acme, "a"), &format!("at most {} bytes of sealed values", 4 * one - 1));
    set(&room, "acme", none().max_bytes(Some(4 * one)));
    block_on(acme.put_pending(&path("a"), text("v"), Put::default())).unwrap();
    assert_eq!(used(), 4 * one);

    // Nothing of this makes more of it.
    block_on(acme.promote(&path("a"), Promote::pending())).unwrap();
    block_on(acme.delete_versions(&path("a"), &[Version(1)])).unwrap();
    block_on(acme.undelete_versions(&path("a"), &[Version(1)])).unwrap();
    assert_eq!(used(), 4 * one);
    let lease = block_on(acme.lease(&path("a"), LeaseLimits::default())).unwrap();
    block_on(lease.close()).unwrap();

    // What the version limit removes makes room for what is put, in the same step.
    let two = Put::default().max_versions(VersionLimit::new(2).unwrap());
    block_on(acme.put(&path("a"), text("v"), two)).unwrap();
    assert_eq!(used(), 3 * one);
    set(&room, "acme", none().max_bytes(Some(3 * one)));
    put(&acme, "a").unwrap();
    assert_exceeded(put(&acme, "c"), &full);
    let long = "x".repeat(2_000);
    assert_exceeded(block_on(acme.put(&path("a"), text(&long), Put::default())), &full);
    assert_eq!(used(), 3 * one);

    // Deleting and destroying is never refused, not even far beyond the quota.
    set(&room, "acme", none().max_bytes(Some(0)));
    block_on(acme.destroy_versions(&path("a"), &[Version(5)])).unwrap();
    assert_eq!(used(), 2 * one);
    block_on(acme.delete(&path("a"), Delete::default())).unwrap();
    block_on(acme.delete(&path("b"), Delete::default())).unwrap();
    assert_eq!((used(), show(&room, "acme").usage.secrets), (0, 0));
    assert_exceeded(put(&acme, "a"), "at most 0 bytes of sealed values");

    set(&room, "acme", none().max_bytes(Some(100_000)));
    let json = SecretValue::json(r#"{"a":1}"#).unwrap();
    block_on(acme.put(&path("doc"), json, Put::default().labels(Labels::default()))).unwrap();
    let patch = SecretValue::json(format!(r#"{{"b":"{}"}}"#, "y".repeat(60_000))).unwrap();
    let reply = block_on(acme.patch(&path("doc"), patch, Patch::default())).unwrap();
    let before = used();
    assert!(before > 60_000);
    let again = SecretValue::json(r#"{"a":2}"#).unwrap();
    assert_exceeded(
        block_on(acme.patch(&path("doc"), again, Patch::default())),
        "at most 100000 bytes of sealed values",
    );
    assert_eq!((reply.version, used()), (Version(2), before));
    state_is_right(&room, "acme");
}

#[test]
fn sixty_four_callers_of_two_processes_put_exactly_as_many_as_there_may_be() {
    let (place, room) = Place::software();
    let there = place.open().unwrap();
    tenant(&room, "acme");
    let other = tenant(&there, "other").secrets();
    set(&room, "acme", none().max_secrets(Some(100)));
    let (done, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for caller in 0..64 {
            let room = if caller % 2 == 0 { &room } else { &there };
            let secrets = tenant(room, "acme").secrets();
            let (done, refused) = (&done, &refused);
            scope.spawn(move || {
                for number in 0..4 {
                    match put(&secrets, &format!("s{caller}-{number}")) {
                        Ok(_) => done.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(error.code(), Code::QuotaExceeded);
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            });
        }
        let others = scope.spawn(|| (0..20).filter(|number| put(&other, &format!("o{number}")).is_ok()).count());
        assert_eq!(others.join().unwrap(), 20);
    });
    assert_eq!((done.into_inner(), refused.into_inner()), (100, 156));
    for room in [&room, &there] {
        assert_eq!(show(room, "acme").usage.secrets, 100);
        state_is_right(room, "acme");
    }
    there.close().unwrap();
    // What was counted is counted by the next process too.
    let next = place.open().unwrap();
    assert_exceeded(put(&tenant(&next, "acme").secrets(), "more"), "at most 100 secrets");
    assert_eq!(show(&next, "other").usage.secrets, 20);
}

#[test]
fn a_rate_is_refused_before_anything_is_done_and_counted_in_a_line() {
    let (place, room) = Place::software();
    let (acme, other) = (tenant(&room, "acme").secrets(), tenant(&room, "other").secrets());
    put(&acme, "a").unwrap();
    put(&other, "a").unwrap();
    set(&room, "acme", none().max_rate(Some(5)));
    thread::sleep(Duration::from_millis(1_100));
    let begin = Instant::now();
    let (mut done, mut refused) = (0, 0);
    for _ in 0..200 {
        match block_on(acme.get(&path("a"), Get::current())) {
            Ok(_) => done += 1,
            Err(error) => {
                assert_eq!((error.code(), error.class()), (Code::RateLimited, Class::Limited));
                assert!(error.retry_after().is_some_and(|wait| wait <= Duration::from_secs(1)));
                refused += 1;
            }
        }
        block_on(other.get(&path("a"), Get::current())).unwrap();
    }
    let seconds = begin.elapsed().as_secs_f64();
    assert!(done >= 5 && f64::from(done) <= 6.0 + 5.0 * seconds, "{done} in {seconds} s");
    // Who runs the deployment is not the tenant.
    assert_eq!(set(&room, "acme", none().max_rate(Some(6))).settings.quotas.rate, Some(6));
    let lines_before = show(&room, "acme").log_size;
    room.close().unwrap();

    let room = place.open().unwrap();
    // One line more than there were, with the number of them all: those that came between its ten seconds add up.
    thread::sleep(Duration::from_millis(1_100));
    let counted = lines(&room, "acme", "quota.refused");
    assert!(!counted.is_empty() && counted.iter().all(|(_, code)| code == Code::RateLimited.name()));
    assert_eq!(counted.iter().map(|(count, _)| count.unwrap()).sum::<u64>(), refused);
    assert!(counted.len() as f64 <= 1.0 + seconds / limits::REFUSALS_COLLAPSED_SECONDS as f64, "{counted:?}");
    let served = lines(&room, "acme", "secret.get").len() as u64;
    assert_eq!(served, done as u64, "nothing is served without a line, and nothing else has one");
    assert!(show(&room, "acme").log_size > lines_before);
    let audit = room.tenant(&"acme".parse().unwrap()).acting_as(operator()).audit();
    thread::sleep(Duration::from_millis(1_100));
    assert!(block_on(audit.verify(None)).unwrap().is_ok());
    assert!(block_on(admin(&room).audit().verify(None)).unwrap().is_ok());
}

#[test]
fn a_day_has_so_many_audit_bytes_and_what_is_refused_costs_none() {
    let (place, room) = Place::software();
    let there = place.open().unwrap();
    let (acme, acme_there) = (tenant(&room, "acme").secrets(), tenant(&there, "acme").secrets());
    put(&acme, "a").unwrap();
    let other = tenant(&there, "other").secrets();
    let used = || show(&room, "acme").usage.audit_bytes;
    let (before, budget) = (used(), 20_000);
    let most = before + budget;
    set(&room, "acme", none().max_audit_bytes(Some(most)));
    // A lease that is open when nothing more may be written is still closed.
    let lease = block_on(acme.lease(&path("a"), LeaseLimits::default())).unwrap();
    let (mut served, mut refused) = (0_u64, 0_u64);
    for number in 0..200 {
        let secrets = if number % 2 == 0 { &acme } else { &acme_there };
        match block_on(secrets.get(&path("a"), Get::current())) {
            Ok(_) => served += 1,
            Err(error) => {
                assert_eq!(error.code(), Code::RateLimited);
                assert_eq!(error.details(), Some(&*format!("at most {most} bytes of audit lines per day")));
                assert!(error.retry_after().is_some_and(|wait| wait <= Duration::from_secs(24 * 60 * 60)));
                refused += 1;
            }
        }
    }
    put(&other, "a").unwrap();
    let at_limit = used();
    assert!(at_limit <= most && at_limit + 1_024 > most, "{before} … {at_limit} of {most}");
    assert!(served > 10 && refused > 10, "{served} served, {refused} refused");
    assert_eq!(put(&acme, "b").unwrap_err().code(), Code::RateLimited);
    assert_eq!(block_on(acme.get(&path("b"), Get::current())).unwrap_err().code(), Code::RateLimited);
    block_on(lease.close()).unwrap();
    let after = used();
    assert!(after > at_limit, "the end of a lease is a line");
    // An operator allows more: within a second it holds, in this process and in the other.
    set(&there, "acme", none().max_audit_bytes(None));
    for secrets in [&acme, &acme_there] {
        let begin = Instant::now();
        while let Err(error) = put(secrets, "b") {
            assert_eq!(error.code(), Code::RateLimited);
            assert!(begin.elapsed() < Duration::from_secs(30), "it was told a while ago");
            thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(lines(&room, "acme", "secret.get").len() as u64, served);
    there.close().unwrap();
    room.close().unwrap();
    let room = place.open().unwrap();
    let counted: u64 = lines(&room, "acme", "quota.refused").iter().map(|(count, _)| count.unwrap()).sum();
    assert!(counted >= refused + 2, "{counted} of {refused} and more");
    state_is_right(&room, "acme");
}

/// With a clock that stands still and a store that fails when told to.
#[test]
fn a_count_outlives_commits_that_fail_and_a_day_ends_at_midnight() {
    let (place, room) = Place::software();
    tenant(&room, "acme");
    room.close().unwrap();
    let sqlite = SqliteStore::open(&place.deployment.database(), Maintenance::Background).unwrap();
    let store = Arc::new(FaultyStore::new(Arc::new(sqlite)));
    let seam: Arc<dyn Store> = Arc::<FaultyStore>::clone(&store);
    // Noon of a day in 2030.
    let noon = Timestamp(1_900_065_600_000_000);
    let clock = Arc::new(ManualClock::at(noon));
    let options = OpenOptions::default().injected(clock.clone(), Arc::new(SystemRandom));
    let room = block_on(Strongroom::open_in(seam, place.device().unwrap(), options)).unwrap();
    let acme = tenant(&room, "acme").secrets();
    put(&acme, "a").unwrap();
    set(&room, "acme", none().max_rate(Some(2)));
    let call = || block_on(acme.get(&path("a"), Get::current())).map(drop);
    assert!(call().is_ok() && call().is_ok());
    (0..3).for_each(|_| assert_eq!(call().unwrap_err().code(), Code::RateLimited));

    let size = || show(&room, "acme").log_size;
    let before = size();
    let window = Duration::from_secs(limits::REFUSALS_COLLAPSED_SECONDS);
    let until = |what: &dyn Fn() -> bool| {
        let begin = Instant::now();
        while !what() {
            assert!(begin.elapsed() < Duration::from_secs(60), "it does not come");
            thread::sleep(Duration::from_millis(10));
        }
    };
    store.fail(Step::Commit, 1, Failure::NotDone(Code::StoreUnavailable));
    clock.advance(window);
    until(&|| store.pending() == 0);
    assert_eq!(size(), before);
    (0..4).for_each(|_| drop(call()));
    clock.advance(window);
    until(&|| size() > before + 2);
    let counted = lines(&room, "acme", "quota.refused");
    assert_eq!(counted, [(Some(5), Code::RateLimited.name().to_owned())], "three, and two of four more");

    let used = show(&room, "acme").usage.audit_bytes;
    set(&room, "acme", none().max_rate(None).max_audit_bytes(Some(used + 2_000)));
    let error = (0..20).find_map(|_| call().err()).expect("a day's bytes");
    let wait = error.retry_after().unwrap();
    assert_eq!(wait, Duration::from_secs(12 * 60 * 60) - 2 * window, "until midnight in UTC");
    clock.advance(wait - Duration::from_secs(1));
    assert_eq!(call().unwrap_err().code(), Code::RateLimited);
    clock.advance(Duration::from_secs(1));
    call().unwrap();
    assert!(show(&room, "acme").usage.audit_bytes < used);
    room.close().unwrap();
}

#[test]
fn what_a_change_does_not_name_stays_whoever_changes_it() {
    let (place, room) = Place::software();
    let there = place.open().unwrap();
    tenant(&room, "acme");
    let most = 40;
    thread::scope(|scope| {
        scope.spawn(|| (1..=most).for_each(|most| drop(set(&room, "acme", none().max_secrets(Some(most))))));
        scope.spawn(|| (1..=most).for_each(|most| drop(set(&there, "acme", none().max_bytes(Some(most))))));
    });
    let info = set(&room, "acme", none().leases(false).max_rate(Some(7)));
    let quotas = info.settings.quotas;
    assert_eq!(
        (quotas.secrets, quotas.bytes, quotas.rate, quotas.audit_bytes),
        (Some(most), Some(most), Some(7), None)
    );
    assert!(!info.settings.leases && set(&room, "acme", none().max_rate(None)).settings.quotas.bytes == Some(most));
    let acme = "acme".parse().unwrap();
    for change in [
        none().max_rate(Some(0)),
        none().max_rate(Some(limits::QUOTA_RATE_MAX + 1)),
        none().max_secrets(Some(limits::QUOTA_SECRETS_MAX + 1)),
        none().max_bytes(Some(limits::QUOTA_BYTES_MAX + 1)),
        none().max_audit_bytes(Some(limits::QUOTA_BYTES_MAX + 1)),
    ] {
        let error = block_on(admin(&room).set_tenant(&acme, change)).unwrap_err();
        assert_eq!(error.code(), Code::QuotaInvalid);
    }
}

#[test]
fn counts_that_a_thief_changed_are_found() {
    let (place, room) = Place::software();
    let acme = tenant(&room, "acme").secrets();
    for number in 0..3 {
        put(&acme, &format!("s{number}")).unwrap();
    }
    room.close().unwrap();
    let sql = "UPDATE log_heads SET secrets = 1, bytes = bytes + 5 WHERE tenant > 0";
    assert_eq!(place.thief().execute(sql, []).unwrap(), 1);
    let room = place.open().unwrap();
    let audit = room.tenant(&"acme".parse().unwrap()).acting_as(operator()).audit();
    let check = block_on(audit.check_state()).unwrap();
    let found: Vec<_> = check.findings.iter().map(|finding| (finding.code, finding.object.as_str())).collect();
    assert_eq!(found, [(StateCode::Miscounted, "secrets"), (StateCode::Miscounted, "bytes of sealed values")]);
    assert_eq!(check.findings[0].detail, "3 are there, and 1 are counted");
    // Nothing worse comes of it than a quota that is not what it should be.
    (0..3).for_each(|number| {
        drop(block_on(acme_of(&room).delete(&path(&format!("s{number}")), Delete::default())).unwrap())
    });
    assert_eq!(show(&room, "acme").usage.secrets, 0);
}

fn acme_of(room: &Strongroom) -> Secrets {
    tenant(room, "acme").secrets()
}

/// One tenant floods with 512 tasks; the other's single calls wait behind few of them, and not behind all.
#[test]
fn a_flood_of_one_tenant_does_not_keep_another_waiting() {
    let (_place, room) = Place::software();
    let (busy, quiet) = (tenant(&room, "busy").secrets(), tenant(&room, "quiet").secrets());
    put(&busy, "a").unwrap();
    put(&quiet, "a").unwrap();
    let call = || {
        let begin = Instant::now();
        block_on(quiet.get(&path("a"), Get::current())).unwrap();
        begin.elapsed()
    };
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let alone = median((0..40).map(|_| call()).collect());
    let (answered, over) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let commits = || room.metrics().totals().commits;
    let (mut overtaken, mut times, mut waited) = (Vec::new(), Vec::new(), Vec::new());
    thread::scope(|scope| {
        for _ in 0..512 {
            let (busy, answered, over) = (busy.clone(), &answered, Arc::clone(&over));
            scope.spawn(move || {
                while over.load(Ordering::Relaxed) == 0 {
                    block_on(busy.get(&path("a"), Get::current())).unwrap();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while answered.load(Ordering::Relaxed) < 2_048 {
            thread::yield_now();
        }
        for _ in 0..40 {
            let before = (answered.load(Ordering::Relaxed), commits());
            times.push(call());
            overtaken.push(answered.load(Ordering::Relaxed) - before.0);
            waited.push(commits() - before.1);
        }
        over.store(1, Ordering::Relaxed);
    });
    let flooded = median(times);
    overtaken.sort_unstable();
    waited.sort_unstable();
    let (middle, waited) = (overtaken[overtaken.len() / 2], waited[waited.len() / 2]);
    println!(
        "a get takes {alone:?} alone and {flooded:?} beside 512 callers of another tenant, {:.1} times as long; \
         {middle} of their calls were answered and {waited} commits made meanwhile",
        flooded.as_secs_f64() / alone.as_secs_f64()
    );
    // First come, first served it would be all of the 512 who were there before. It is those whose turn was being served,
    // by readers and writer, and what was answered while this call's own commit was made and synced.
    assert!(middle < 256, "{waited} commits, {middle} calls of the other tenant");
}
