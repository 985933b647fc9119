//! `run`: the command is the process, with the secrets in its environment and nowhere else.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    process::Command,
};

use crate::place::Place;

const NEEDLE: &str = "needle-in-the-environment";

fn with_secrets() -> Place {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "app/db-password"], NEEDLE.as_bytes());
    place.ok_with(&["secret", "put", "app/nested/api.key"], b"two words\nand lines");
    place
}

#[test]
fn the_command_gets_the_variables_and_its_exit_code_is_ours() {
    let place = with_secrets();
    let shown = place.ok(&["run", "--prefix", "app", "--", "sh", "-c", "printf '%s|%s' \"$DB_PASSWORD\" \"$API_KEY\""]);
    assert_eq!(shown, format!("{NEEDLE}|two words\nand lines"));
    let failed = place.run(&["run", "--prefix", "app", "--", "sh", "-c", "exit 42"]);
    assert_eq!(failed.exit, 42);
    let nested = place.ok(&["--environment", "app", "run", "--prefix", "nested", "--", "env"]);
    assert!(nested.contains("API_KEY=two words") && !nested.contains("DB_PASSWORD"), "{nested}");

    // Rust ignores SIGPIPE in its own programs; a command must find it as a shell leaves it.
    let status = place.ok(&["run", "--prefix", "app", "--", "cat", "/proc/self/status"]);
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    let sigpipe = 1 << (13 - 1);
    assert_eq!((mask("SigIgn:") & sigpipe, mask("SigBlk:")), (0, 0), "{status}");
}

#[test]
fn what_cannot_be_started_has_the_shells_exit_codes() {
    let place = with_secrets();
    fs::write(place.path("no-program"), "text").unwrap();
    for (program, exit) in [("no-such-program", 127), ("./no-such-file", 127), ("./no-program", 126)] {
        let ran = place.run(&["run", "--prefix", "app", "--", program]);
        assert_eq!(ran.exit, exit, "case: {program}");
        assert!(ran.stderr.contains(program) && !ran.stderr.contains(NEEDLE), "{}", ran.stderr);
    }
    assert_eq!(place.run(&["run", "--prefix", "app", "env"]).exit, 2, "the -- is missing");
    assert_eq!(place.run(&["run", "--prefix", "app", "--"]).exit, 2);
    place.refused(&["run", "--prefix", "nothing/here", "--", "true"], b"", 3, "SR-SECRET-NOT-FOUND");
    place.ok_with(&["secret", "put", "app/db.password"], b"another");
    place.refused(&["run", "--prefix", "app", "--", "true"], b"", 4, "SR-RUN-COLLISION");
}

#[test]
fn a_signal_reaches_the_command_and_no_argument_shows_a_value() {
    let place = with_secrets();
    let script = "trap 'exit 43' TERM; echo ready; while :; do sleep 0.05; done";
    for (signal, code, by) in [("TERM", Some(43), None), ("KILL", None, Some(9))] {
        let mut child = place.command(&["run", "--prefix", "app", "--", "sh", "-c", script]).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");

        let process = format!("/proc/{}", child.id());
        let arguments = fs::read(format!("{process}/cmdline")).unwrap();
        assert!(arguments.starts_with(b"sh\0"), "this process became the command");
        assert!(!contains(&arguments, NEEDLE));
        assert!(contains(&fs::read(format!("{process}/environ")).unwrap(), NEEDLE), "the control");
        let open: Vec<_> = fs::read_dir(format!("{process}/fd"))
            .unwrap()
            .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
            .collect();
        assert!(
            !open.iter().any(|file| file.to_string_lossy().contains("strongroom")),
            "nothing of ours is open: {open:?}"
        );

        let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = child.wait().unwrap();
        assert_eq!((ended.code(), ended.signal()), (code, by), "case: {signal}");
    }
    assert_eq!(place.json(&["audit", "verify"])["ok"], true, "the epochs were closed before");
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}
