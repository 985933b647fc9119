//! kill -9 while commits are on their way: everything acknowledged is there, and nothing by half.
//!
//! The acknowledgements are kept by this process, over a pipe, so that they outlive the writer.

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
    thread,
};

use super::*;

/// Where the child finds its store.
const STORE: &str = "STRONGROOM_TEST_STORE_CRASH";
/// Kills of one run; `cargo xtask soak` does more.
const KILLS: usize = 12;

#[test]
fn whatever_was_acknowledged_survives_a_kill() {
    let ground = Ground::new();
    drop(ground.store(Maintenance::Background));
    let (mut in_flight, mut acknowledged) = (0, 0);
    for kill in 0..KILLS {
        let program = std::env::current_exe().unwrap();
        let mut child = rerun(program.as_os_str(), "store::sqlite::tests::crash::writing_child")
            .env(STORE, &ground.path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        // The first acknowledgement, then some time that is different in each round.
        let (seen, first) = std::sync::mpsc::channel();
        let reader = thread::spawn(move || {
            let (mut tried, mut acknowledged) = (0, 0);
            for line in output.lines().map_while(std::io::Result::ok) {
                let number = |prefix| line.strip_prefix(prefix).and_then(|number| number.parse::<u64>().ok());
                tried = number("try ").unwrap_or(tried);
                if let Some(number) = number("ack ") {
                    acknowledged = number;
                    let _ = seen.send(());
                }
            }
            (tried, acknowledged)
        });
        first.recv_timeout(Duration::from_secs(30)).expect("the child writes");
        thread::sleep(Duration::from_micros(u64::try_from(kill * kill * 1_700 % 60_000).unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();
        let (tried, last) = reader.join().unwrap();
        assert!(last >= acknowledged && tried >= last);
        in_flight += usize::from(tried > last);
        acknowledged = last;

        let store = SqliteStore::open(&ground.path, Maintenance::Background).unwrap();
        store.check().unwrap();
        let mut view = store.snapshot().unwrap();
        let head = view.head().unwrap().unwrap();
        assert!(head.commits >= last && head.commits <= tried, "{last} ≤ {} ≤ {tried}", head.commits);
        let findings = key_index::findings(&store);
        assert!(findings.is_empty(), "{findings:?}");
        // No commit by half: every one has its leaf and its lines, numbered without a gap.
        let commits = view.commits(0, usize::MAX).unwrap();
        assert!(commits.iter().map(|commit| commit.id).eq(1..=head.commits));
        let lines = view.lines(0, usize::MAX).unwrap();
        assert!(lines.iter().map(|line| line.seq).eq(1..=head.last_seq));
        assert_eq!(commits.last().unwrap().last_seq, head.last_seq);
        assert_eq!(view.log_head(LOG[0]).unwrap().unwrap().size, head.last_seq);
    }
    println!("{KILLS} kills, {in_flight} with a commit in flight, {acknowledged} commits acknowledged");
    assert!(in_flight * 2 >= KILLS, "too few kills hit a commit: {in_flight} of {KILLS}");
}

#[test]
fn writing_child() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let store = SqliteStore::open(path.as_ref(), Maintenance::Background).unwrap();
    // Straight to the pipe: the test harness captures what is printed.
    let mut output = fs::File::from(rustix::io::dup(rustix::stdio::stdout()).unwrap());
    let mut say = |text: String| output.write_all(text.as_bytes()).unwrap();
    let commits = store.snapshot().unwrap().head().unwrap().map_or(0, |head| head.commits);
    for number in commits + 1.. {
        say(format!("\ntry {number}\n"));
        append(&store, usize::try_from(number % 40).unwrap()).unwrap();
        store.sync().unwrap();
        say(format!("ack {number}\n"));
        if number.is_multiple_of(50) {
            store.maintain(true).unwrap();
        }
    }
}
