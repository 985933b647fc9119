//! Bytes that a stranger wrote: no parser panics, takes long, or takes more memory than its input explains.
//!
//! Replays the corpus of every parser in [`parsers`], in `fuzz/corpus/`, and then changes it for so many seconds as
//! `STRONGROOM_FUZZ_SECONDS` says, all parsers together. Each run is another: `STRONGROOM_FUZZ_SEED` repeats one. An
//! input that fails is kept in a file, whose place is said: what is repaired goes into the corpus.
//!
//! This runs anywhere. `cargo xtask fuzz` does the same with coverage, for as long as you let it.

mod memory;
mod mutate;
mod parsers;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mutate::Random;
use parsers::Parser;

/// Without `STRONGROOM_FUZZ_SECONDS`: enough for `cargo test`, which people wait for.
const SECONDS_DEFAULT: u64 = 3;

/// The longest that any input may take, unoptimised and on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(2);

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("fuzz")
}

fn corpus(parser: &Parser) -> Vec<Vec<u8>> {
    let folder = fuzz().join("corpus").join(parser.name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[test]
fn no_bytes_do_harm() {
    let seconds = number("STRONGROOM_FUZZ_SECONDS").unwrap_or(SECONDS_DEFAULT);
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let seed = number("STRONGROOM_FUZZ_SEED").unwrap_or_else(now);
    // Past the test's own output, which is lost with the process when a stack overflows.
    let _ = writeln!(std::io::stderr(), "STRONGROOM_FUZZ_SEED={seed}");

    let share = Duration::from_secs(seconds) / u32::try_from(parsers::ALL.len()).unwrap();
    let mut tried = 0;
    for parser in parsers::ALL {
        let corpus = corpus(parser);
        // What a parser sets up once is not what an input costs.
        (parser.read)(b"");
        let accepted = corpus.iter().filter(|bytes| read(parser, bytes, seed)).count();
        assert!(accepted > 0, "{}: nothing in its corpus is accepted", parser.name);

        let mut random = Random::new(seed, parser.name);
        let (mut inputs, mut survived, start) = (0, 0, Instant::now());
        while start.elapsed() < share {
            let bytes = mutate::mutated(&mut random, &corpus);
            survived += u32::from(read(parser, &bytes, seed));
            inputs += 1;
        }
        println!("{:12} {:3} of {:3} seeds, {survived:6} of {inputs:7} changed", parser.name, accepted, corpus.len());
        tried += inputs;
    }
    println!("{tried} inputs, no harm");
}

/// Has a parser read it; whether it accepted. Fails if that did any harm, and keeps the bytes.
fn read(parser: &Parser, bytes: &[u8], seed: u64) -> bool {
    let harm = |what: String| -> ! {
        let file = std::env::temp_dir().join(format!("strongroom-{}-{seed}", parser.name));
        fs::write(&file, bytes).unwrap();
        panic!("{} with {} bytes {what}; they are in {}", parser.name, bytes.len(), file.display());
    };
    let mut time = TIME_MAX;
    // Something else may have had the machine: only what is slow each time is slow.
    for _ in 0..3 {
        let start = Instant::now();
        let (result, memory) = memory::most_during(|| catch_unwind(AssertUnwindSafe(|| (parser.read)(bytes))));
        time = start.elapsed();
        let Ok(accepted) = result else { harm("panicked".into()) };
        let memory_max = (parser.memory_bytes_max)(bytes.len());
        if memory > memory_max {
            harm(format!("held {memory} bytes, more than {memory_max}"));
        }
        if time < TIME_MAX {
            return accepted;
        }
    }
    harm(format!("took {time:?}"))
}

/// The list of parsers is in one place: what `fuzz/` needs besides follows it.
#[test]
fn every_parser_has_a_fuzz_target_and_a_corpus() {
    let names: BTreeSet<_> = parsers::ALL.iter().map(|parser| parser.name.to_owned()).collect();
    let listed = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names, listed("fuzz_targets"));
    assert_eq!(names, listed("corpus"));
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &names {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is no target of its own");
        let target = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("strongroom_fuzz::target!({name:?});")), "{name}: {target}");
    }
}
