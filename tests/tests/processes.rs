//! Several processes on one database: none forks the log, and none loses what it acknowledged.

mod child;
mod common;

use std::{
    collections::BTreeSet,
    env,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use common::{Place, admin, operator, tenant};
use pollster::block_on;
use strongroom::{Actor, Context, Get, Put, SecretPath, SecretValue, Version, VersionLimit};

const WRITERS: usize = 3;
const THREADS: usize = 2;
const PUTS: usize = 40;
/// Each of them puts, then reads.
const CLI_ROUNDS: usize = 10;
/// The secret that all writers put.
const SHARED: &str = "shared/counter";

#[test]
fn child_writes() {
    if !child::role("child_writes") {
        return;
    }
    let (room, number) = (child::open(), child::argument("CHILD_NUMBER"));
    child::say("open");
    child::wait();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (room, number) = (&room, &number);
            scope.spawn(move || {
                let context = Context::new(Actor::service(&format!("writer-{number}-{thread}")).unwrap());
                let acme = room.tenant(&"acme".parse().unwrap()).acting_as(context).secrets();
                let all = VersionLimit::new(1_000).unwrap();
                for put in 0..PUTS {
                    // Every other one to a secret that all of them put.
                    let own = format!("own/{number}/{thread}/{put}");
                    let path: SecretPath = if put % 2 == 0 { own.parse() } else { SHARED.parse() }.unwrap();
                    let value = format!("{number}-{thread}-{put}");
                    let text = SecretValue::text(&*value).unwrap();
                    let reply = block_on(acme.put(&path, text, Put::default().max_versions(all))).unwrap();
                    let receipt = reply.receipt;
                    let leaf = strongroom_log::hex_encode(&receipt.leaf);
                    child::say(&format!("{path} {} {value} {} {leaf}", reply.version.0, receipt.seq));
                }
            });
        }
    });
    room.close().unwrap();
}

#[test]
fn three_processes_and_the_command_line_write_one_log() {
    let Some(program) = program() else { return };
    let (place, room) = Place::software();
    tenant(&room, "acme");
    room.close().unwrap();
    let config = format!("device = \"{}\"\n", place.uri);
    std::fs::write(place.deployment.config_file(), config).unwrap();

    let mut writers: Vec<_> = (0..WRITERS)
        .map(|number| child::start("child_writes", &place, &[("CHILD_NUMBER", number.to_string())]))
        .collect();
    for writer in &mut writers {
        writer.demand("open");
    }
    for writer in &mut writers {
        writer.go_on();
    }
    let (said, rounds_beside) = thread::scope(|scope| {
        let writers: Vec<_> = writers.into_iter().map(|writer| scope.spawn(|| writer.finish())).collect();
        let mut beside = 0;
        for round in 0..CLI_ROUNDS {
            let value = format!("by-hand-{round}");
            cli(&program, place.deployment.folder(), &["secret", "put", &format!("cli/{round}")], &value);
            let read = cli(&program, place.deployment.folder(), &["secret", "get", &format!("cli/{round}")], "");
            assert_eq!(read, value);
            beside += usize::from(writers.iter().any(|writer| !writer.is_finished()));
        }
        (writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect::<Vec<_>>(), beside)
    });
    assert!(rounds_beside > 0, "no command ran while the processes wrote");

    let puts = WRITERS * THREADS * PUTS;
    assert_eq!(said.len(), puts);
    let room = place.open().unwrap();
    let verified = block_on(admin(&room).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    assert_eq!(verified.report.generations, 1);
    // init and this room, the room of the setup, the writers, and each command: an epoch each.
    assert!(verified.report.epochs as usize > WRITERS + 2 * CLI_ROUNDS, "{}", verified.report.epochs);

    let acme = room.tenant(&"acme".parse().unwrap()).acting_as(operator());
    let thief = place.thief();
    let mut line_at = thief
        .prepare("SELECT line FROM audit WHERE log_seq = ?1 AND tenant = (SELECT max(number) FROM tenants)")
        .unwrap();
    let (mut places, mut shared_versions) = (BTreeSet::new(), BTreeSet::new());
    for acknowledged in &said {
        let [path, version, value, seq, leaf] = acknowledged.split(' ').collect::<Vec<_>>()[..] else { panic!() };
        let (version, seq): (u64, i64) = (version.parse().unwrap(), seq.parse().unwrap());
        let got = block_on(acme.secrets().get(&path.parse().unwrap(), Get::version(Version(version)))).unwrap();
        assert!(got.value.expose(|bytes| bytes == value.as_bytes()), "{path} {version}");
        let line: Vec<u8> = line_at.query_row([seq], |row| row.get(0)).unwrap();
        let stands = strongroom_log::hex_encode(strongroom_log::leaf_hash(&line).as_bytes());
        assert_eq!(stands, leaf, "the receipt of {path} {version}");
        assert!(places.insert(seq), "two receipts for line {seq}");
        if path == SHARED {
            shared_versions.insert(version);
        }
    }
    assert_eq!(shared_versions, (1..=puts as u64 / 2).collect(), "each version was given out once");

    let puts_recorded: usize = thief
        .query_row("SELECT count(*) FROM audit WHERE instr(line, '\"act\":\"secret.put\"') > 0", [], |row| {
            row.get::<_, i64>(0).map(|count| usize::try_from(count).unwrap())
        })
        .unwrap();
    assert_eq!(puts_recorded, puts + CLI_ROUNDS);
    println!("{puts} puts of {WRITERS} processes, {rounds_beside} of {CLI_ROUNDS} rounds of commands beside them");
    println!("{}", verified.report);
}

/// Runs a command, which has to go well, and gives what it prints.
fn cli(program: &Path, folder: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(["--tenant", "acme", "--as", "user:anna", "--data"]).arg(folder).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The `strongroom` program: named by the caller, or built beside this test.
fn program() -> Option<PathBuf> {
    let beside = || {
        let folder = env::current_exe().unwrap().parent()?.parent()?.to_owned();
        Some(folder.join(format!("strongroom{}", env::consts::EXE_SUFFIX))).filter(|program| program.exists())
    };
    let found = env::var_os("STRONGROOM_BIN").map(PathBuf::from).or_else(beside);
    if found.is_none() {
        let reason = "three_processes_and_the_command_line_write_one_log: the strongroom program is not built\n";
        print!("skipped: {reason}");
        if let Some(log) = env::var_os("STRONGROOM_SKIP_LOG") {
            let mut log = OpenOptions::new().create(true).append(true).open(log).unwrap();
            log.write_all(reason.as_bytes()).unwrap();
        }
    }
    found
}
