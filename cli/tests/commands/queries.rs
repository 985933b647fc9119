//! `audit query`, `stats`, `watch` and `check-index`, as their users run them.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::place::Place;

/// A deployment in which some have done something, and some were refused.
fn busy() -> Place {
    let place = Place::ready();
    for (actor, request, args) in [
        ("user:ada", 1, &["secret", "put", "db/password"][..]),
        ("user:ada", 2, &["secret", "put", "api/key"]),
        ("service:billing", 3, &["secret", "get", "db/password"]),
        ("service:billing", 4, &["secret", "get", "db/password"]),
        ("user:ada", 5, &["secret", "get", "api/key"]),
        ("service:billing", 6, &["secret", "get", "db/password", "--version", "7"]),
        ("user:ada", 7, &["secret", "delete", "api/key", "--yes"]),
    ] {
        let request = format!("{request:032x}");
        let ran = place.run_with(&[&["--as", actor, "--request-id", &request], args].concat(), b"value");
        assert_eq!(ran.exit, if args.contains(&"7") { 3 } else { 0 }, "{}", ran.stderr);
    }
    place
}

/// The requests of what was found, by their last digits.
fn requests(reply: &Value) -> Vec<u64> {
    let entries = reply["entries"].as_array().unwrap().iter();
    entries.map(|entry| u64::from_str_radix(entry["request"].as_str().unwrap(), 16).unwrap_or(0)).collect()
}

#[test]
fn a_query_finds_what_is_asked_for() {
    let place = busy();
    let cases: &[(&[&str], &[u64])] = &[
        (&["--actor", "user:ada"], &[7, 5, 2, 1]),
        (&["--actor", "user:ada", "--oldest-first"], &[1, 2, 5, 7]),
        (&["--actor", "user:ada", "--newest-first", "--limit", "2"], &[7, 5]),
        (&["--secret", "db/password"], &[6, 4, 3, 1]),
        (&["--secret", "db/password", "--act", "secret.get", "--outcome", "ok"], &[4, 3]),
        (&["--secret", "api/key"], &[7, 5, 2]),
        (&["--outcome", "refused"], &[6]),
        (&["--request", "00000000000000000000000000000004"], &[4]),
        (&["--actor", "service:billing", "--since", "1h"], &[6, 4, 3]),
        (&["--actor", "service:billing", "--since", "2000-01-01", "--until", "2000-01-02T00:00:00Z"], &[]),
        (&["--actor", "user:nobody"], &[]),
        (&["--secret", "no/such/thing"], &[]),
        (&["--act", "no.such.act"], &[]),
    ];
    for (args, want) in cases {
        let found = place.json(&[&["audit", "query"], *args].concat());
        assert_eq!(requests(&found), *want, "{args:?}");
    }
    let within = place.json(&["--environment", "db", "audit", "query", "--secret", "password"]);
    assert_eq!(requests(&within), [6, 4, 3, 1]);

    let found = place.json(&["audit", "query", "--secret", "api/key", "--limit", "1"]);
    let entry = &found["entries"][0];
    assert_eq!(
        (&entry["act"], &entry["actor"], &entry["object"], &entry["ok"], &entry["generation"]),
        (&json!("secret.delete"), &json!("user:ada"), &json!("api/key"), &json!(true), &json!(1)),
        "its name is known from the question, though it is gone"
    );
    assert!(found["receipt"]["seq"].is_u64());
    // Page by page, through the cursor; in text it is said on stderr.
    let second = place.json(&[
        "audit",
        "query",
        "--secret",
        "api/key",
        "--limit",
        "1",
        "--after",
        found["next"].as_str().unwrap(),
    ]);
    assert_eq!(requests(&second), [5]);
    let text = place.run(&["audit", "query", "--secret", "db/password", "--limit", "2"]);
    assert!(text.text().contains("service:billing") && text.text().lines().count() == 3, "{}", text.text());
    assert!(text.stderr.contains("--after "), "{}", text.stderr);
    let of_system = place.ok(&["audit", "query", "--deployment", "--actor", "system", "--act", "epoch.open"]);
    assert!(of_system.contains("epoch 1"), "{of_system}");

    let recorded = place.json(&["audit", "query", "--act", "audit.query", "--limit", "1"]);
    assert_eq!(recorded["entries"][0]["count"], 2, "looking is recorded, with what it gave");
    assert_eq!(place.json(&["audit", "verify"])["ok"], true);
}

#[test]
fn what_a_query_cannot_mean_is_refused() {
    let place = busy();
    let cursor = place.json(&["audit", "query", "--limit", "1"])["next"].as_str().unwrap().to_owned();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["query", "--limit", "0"], 5, "SR-LIMIT-INVALID"),
        (&["query", "--limit", "1001"], 5, "SR-LIMIT-INVALID"),
        (&["query", "--act", "Secret.Get"], 5, "SR-AUDIT-QUERY-INVALID"),
        (&["query", "--act", ""], 5, "SR-AUDIT-QUERY-INVALID"),
        (&["query", "--since", "yesterday"], 5, "SR-AUDIT-QUERY-INVALID"),
        (&["query", "--until", "2026-13-01"], 5, "SR-AUDIT-QUERY-INVALID"),
        (&["query", "--since", "1h", "--until", "2h"], 5, "SR-AUDIT-QUERY-INVALID"),
        (&["query", "--actor", "ada"], 5, "SR-ACTOR-INVALID"),
        (&["query", "--secret", "../x"], 5, "SR-PATH-INVALID"),
        (&["query", "--request", "12"], 5, "SR-CONTEXT-INVALID"),
        (&["query", "--after", "!"], 5, "SR-CURSOR-INVALID"),
        (&["query", "--after", "AQAAAAABAAAAAAAAAAA\u{1b}"], 5, "SR-CURSOR-INVALID"),
        (&["query", "--after", &cursor, "--oldest-first"], 5, "SR-CURSOR-INVALID"),
        (&["query", "--after", "AQAAAAAB__________8"], 5, "SR-CURSOR-INVALID"),
        (&["query", "--tenant", "nobody"], 3, "SR-TENANT-NOT-FOUND"),
        (&["stats", "--top", "0"], 5, "SR-LIMIT-INVALID"),
        (&["stats", "--top", "1001"], 5, "SR-LIMIT-INVALID"),
        (&["watch", "--since", "then"], 5, "SR-AUDIT-QUERY-INVALID"),
        (&["watch", "--act", "x y"], 5, "SR-AUDIT-QUERY-INVALID"),
    ];
    for (args, exit, code) in cases {
        place.refused(&[&["audit"], *args].concat(), b"", *exit, code);
    }
    for args in [
        &["query", "--outcome", "maybe"][..],
        &["query", "--newest-first", "--oldest-first"],
        &["query", "--limit", "x"],
        &["stats", "--by", "folder"],
        &["watch", "--until", "1h"],
        &["check-index", "acme"],
    ] {
        assert_eq!(place.run(&[&["audit"], args].concat()).exit, 2, "{args:?}");
    }
    assert_eq!(place.json(&["audit", "verify"])["ok"], true);
}

#[test]
fn statistics_count_by_actor_and_by_secret() {
    let place = busy();
    let by_secret = place.json(&["audit", "stats", "--by", "secret"]);
    let counts =
        |row: &Value| (row["name"].clone(), row["total"].as_u64(), row["allowed"].as_u64(), row["refused"].as_u64());
    let rows: Vec<_> = by_secret["rows"].as_array().unwrap().iter().map(counts).collect();
    assert_eq!(
        rows,
        [
            (json!("db/password"), Some(4), Some(3), Some(1)),
            // The other is deleted: nobody but who names it knows which it was.
            (json!(null), Some(3), Some(3), Some(0)),
        ]
    );
    assert_eq!(
        (&by_secret["groups"], &by_secret["lines"], &by_secret["complete"]),
        (&json!(2), &json!(7), &json!(true))
    );
    assert!(by_secret["rows"][0]["last"].as_str().unwrap().ends_with('Z'));
    let by_actor = place.json(&["audit", "stats", "--secret", "db/password", "--act", "secret.get", "--top", "1"]);
    assert_eq!(counts(&by_actor["rows"][0]), (json!("service:billing"), Some(3), Some(2), Some(1)));
    let text = place.ok(&["audit", "stats", "--by", "secret"]);
    assert!(text.starts_with("SECRET") && text.contains("(deleted)"), "{text}");
    let top = place.run(&["audit", "stats", "--top", "1"]);
    assert!(top.stderr.contains("more: --top"), "{}", top.stderr);
    assert_eq!(place.ok(&["audit", "stats", "--since", "2000-01-01", "--until", "2001-01-01"]), "");
}

/// A program that runs, and the lines that it writes.
struct Watching {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Watching {
    fn start(place: &Place, args: &[&str]) -> Self {
        let mut child = place.command(&[&["audit", "watch"], args].concat()).spawn().unwrap();
        let (send, lines) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
        });
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("a line")
    }

    /// Ends it by a signal, and gives its exit code.
    fn end(mut self, signal: &str) -> Option<i32> {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(60) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.child.kill().unwrap();
        panic!("it does not end");
    }
}

#[test]
fn a_watch_shows_what_other_processes_do_and_ends_well() {
    let place = busy();
    for (signal, format) in [("-INT", "json"), ("-TERM", "text")] {
        let watching = Watching::start(&place, &["--since", "1h", "--actor", "service:billing", "-o", format]);
        // What was there, then what comes.
        (0..3).for_each(|_| drop(watching.next()));
        place.ok(&["--as", "user:ada", "secret", "get", "db/password"]);
        place.ok(&["--as", "service:billing", "secret", "get", "db/password", "--version", "1"]);
        let line = watching.next();
        if format == "json" {
            let entry: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&entry["actor"], &entry["act"]), (&json!("service:billing"), &json!("secret.get")));
        } else {
            // The line of the first round comes before it.
            assert!(line.contains("  service:billing  secret.get  db/password v1  ok"), "{line}");
        }
        assert_eq!(watching.end(signal), Some(0));
    }
    let watches = place.json(&["audit", "query", "--act", "audit.watch"]);
    assert_eq!(watches["entries"].as_array().unwrap().len(), 2, "once each, not for each look");
    let epochs =
        |act| place.json(&["audit", "query", "--deployment", "--act", act])["entries"].as_array().unwrap().len();
    assert_eq!(
        epochs("epoch.close"),
        epochs("epoch.open") - 2,
        "each run closes its own; two are open while they are counted, one for each question"
    );
    assert_eq!(place.json(&["audit", "verify"])["ok"], true);
}

#[test]
fn an_index_that_is_wrong_is_told_and_built_anew() {
    let place = busy();
    let fine = place.json(&["audit", "check-index"]);
    assert_eq!((&fine["ok"], &fine["findings"], &fine["repaired"]), (&json!(true), &json!([]), &json!(false)));
    assert!(place.ok(&["audit", "check-index"]).starts_with("OK: "));

    let thief = rusqlite::Connection::open(place.path("data/strongroom.db")).unwrap();
    thief.execute_batch("INSERT INTO audit_by_key VALUES (7, 5, 1, 2, x'0003')").unwrap();
    let wrong = place.refused(&["audit", "check-index"], b"", 8, "SR-AUDIT-INDEX-WRONG");
    assert!(wrong.text().starts_with("WRONG: ") && wrong.text().contains("run 7"), "{}", wrong.text());
    let repaired = place.json(&["audit", "check-index", "--repair"]);
    assert_eq!((&repaired["ok"], &repaired["repaired"]), (&json!(true), &json!(true)));
    assert_eq!(repaired["findings"].as_array().unwrap().len(), 1);
    assert_eq!(place.json(&["audit", "check-index", "--repair"])["repaired"], false, "there is nothing to repair");

    let recorded = place.json(&["audit", "query", "--deployment", "--act", "audit.check-index", "--oldest-first"]);
    let counts: Vec<_> = recorded["entries"].as_array().unwrap().iter().map(|entry| entry["count"].as_u64()).collect();
    assert_eq!(counts, [0, 0, 1, 1, 1, 0].map(Some));
    assert_eq!(place.json(&["audit", "verify"])["ok"], true);
}
