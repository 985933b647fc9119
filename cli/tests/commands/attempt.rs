//! `secret try`: the command decides, and the log says what it decided.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::Command,
};

use serde_json::Value;

use crate::place::Place;

const SECRET_TRY: &str = "secret.try";

/// The old value and the new one.
fn rotated() -> Place {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "db"], b"old-needle");
    place.ok_with(&["secret", "put", "db"], b"new-needle");
    place
}

/// What the log has of attempts, oldest first: intent or not, version, count and code.
fn lines(place: &Place) -> Vec<(bool, Option<u64>, Option<u64>, String)> {
    let found = place.json(&["audit", "query", "--act", SECRET_TRY, "--oldest-first"]);
    let entries = found["entries"].as_array().unwrap();
    let line = |entry: &Value| {
        let line: Value = serde_json::from_str(entry["line"].as_str().unwrap()).unwrap();
        let code = line["res"]["code"].as_str().unwrap().to_owned();
        (line["ph"] == "intent", line["obj"]["ver"].as_u64(), line["n"].as_u64(), code)
    };
    entries.iter().map(line).collect()
}

#[test]
fn the_command_accepts_the_current_value_or_the_previous_one() {
    let place = rotated();
    let attempt = |script: &str| place.run(&["secret", "try", "db", "--", "sh", "-c", script]);
    let current = attempt("read -r value; test \"$value\" = new-needle && echo in");
    assert_eq!((current.exit, current.text()), (0, "in\n"));
    assert!(current.stderr.contains("tried db: version 2 was accepted, the current one"), "{}", current.stderr);
    let previous = attempt("test \"$(cat)\" = old-needle");
    assert_eq!(previous.exit, 0);
    assert!(previous.stderr.contains("tried db: version 1 was accepted, the previous one"), "{}", previous.stderr);
    let neither = attempt("cat >/dev/null; exit 42");
    assert_eq!(neither.exit, 42);
    assert!(neither.stderr.contains("SR-SECRET-TRY-REJECTED"), "{}", neither.stderr);
    assert!(!neither.stderr.contains("needle"));
    let ok = |intent, version, count| (intent, Some(version), Some(count), "ok".to_owned());
    assert_eq!(
        lines(&place),
        [
            ok(true, 2, 2),
            ok(false, 2, 1),
            ok(true, 2, 2),
            ok(false, 1, 2),
            ok(true, 2, 2),
            (false, None, None, "SR-SECRET-TRY-REJECTED".to_owned()),
        ]
    );
    assert_eq!(place.json(&["audit", "verify", "--state"])["ok"], true);
}

#[test]
fn a_value_may_be_in_the_environment_and_the_reply_in_json() {
    let place = rotated();
    let script = "test \"$WORD\" = new-needle && test \"$(cat)\" = typed";
    let args = ["-o", "json", "secret", "try", "db", "--env", "WORD", "--", "sh", "-c", script];
    let reply: Value = serde_json::from_str(&place.ok_with(&args, b"typed")).unwrap();
    assert_eq!((&reply["path"], &reply["version"], &reply["stage"]), (&"db".into(), &2.into(), &"current".into()));
    assert_eq!(reply["receipt"]["seq"], 3);

    place.ok_with(&["secret", "put", "raw", "--binary"], b"\xff\x00");
    place.refused(&["secret", "try", "raw", "--env", "WORD", "--", "true"], b"", 5, "SR-EXPORT-UNSUITABLE");
    assert_eq!(place.run(&["secret", "try", "raw", "--", "sh", "-c", "test $(wc -c) = 2"]).exit, 0);
    assert_eq!(place.run(&["secret", "try", "db", "--env", "A=B", "--", "true"]).exit, 2);
    place.refused(&["secret", "try", "none", "--", "true"], b"", 3, "SR-SECRET-NOT-FOUND");
    for (program, exit) in [("no-such-program", 127), ("./device.key", 126)] {
        let ran = place.run(&["secret", "try", "db", "--", program]);
        assert_eq!(ran.exit, exit, "{}", ran.stderr);
    }
    assert_eq!(lines(&place).last().unwrap().3, "SR-SECRET-TRY-STOPPED");
}

#[test]
fn a_signal_is_handed_on_and_no_argument_shows_a_value() {
    let place = rotated();
    let script = "echo ready; sleep 30 & wait";
    for (signal, exit) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let script = format!("trap 'kill %1; trap - {signal}; kill -{signal} $$' {signal}; {script}");
        let args = ["secret", "try", "db", "--env", "WORD", "--", "bash", "-mc", &script];
        let mut child = place.command(&args).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let arguments = fs::read_to_string(format!("/proc/{}/cmdline", child.id())).unwrap();
        assert!(arguments.contains("try") && !arguments.contains("needle"), "{arguments}");
        let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = child.wait().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(ended.code(), Some(exit), "case: {signal}: {said}");
        assert!(said.contains("SR-SECRET-TRY-STOPPED"), "{said}");
    }
    assert_eq!(lines(&place).len(), 6, "none was run twice, and each has its result");
}

#[test]
fn an_attempt_that_died_is_recorded_as_unknown() {
    let place = rotated();
    let mut child = place.command(&["secret", "try", "db", "--", "sh", "-c", "echo ready; sleep 1"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let (intent, result) = (lines(&place)[0].clone(), lines(&place)[1].clone());
    assert_eq!(intent, (true, Some(2), Some(2), "ok".to_owned()));
    assert_eq!(result.3, "SR-EFFECT-UNKNOWN");
}
