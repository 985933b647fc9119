//! Random secrets and documents, from a seed that a failing test prints.

use std::collections::BTreeMap;

use super::Entry;
use crate::{Code, Error, Result, SecretPath, SecretValue, ValueKind};

/// SplitMix64: enough to vary test input, and the same on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number less than `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Path, kind, bytes and line.
pub(super) type Found = (String, ValueKind, Vec<u8>, usize);

/// What a reader finds.
pub(super) fn read(document: &str, parse: impl Fn(&[u8]) -> Result<Vec<Entry>>) -> Result<Vec<Found>> {
    let found = |e: &Entry| (e.path.to_string(), e.value.kind(), e.value.expose(<[u8]>::to_vec), e.line);
    Ok(parse(document.as_bytes())?.iter().map(found).collect())
}

/// Runs a test for so many seeds, from `STRONGROOM_TEST_SEED` or 0 on.
pub(super) fn for_each_seed(runs: u64, test: impl Fn(&mut Random)) {
    let first = std::env::var("STRONGROOM_TEST_SEED").map_or(0, |seed| seed.parse().unwrap());
    for seed in first..first + runs {
        let _shown = ShownOnPanic(seed);
        test(&mut Random(seed));
    }
}

struct ShownOnPanic(u64);

impl Drop for ShownOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed with STRONGROOM_TEST_SEED={}", self.0);
        }
    }
}

pub(super) fn segment(random: &mut Random) -> String {
    random.pick(&["a", "b", "K", "export", "a-b", "a.b", "_", "...", ".env", "2fa", "x9"]).to_owned()
}

/// Text made of what parsers stumble over.
pub(super) fn text(random: &mut Random) -> String {
    let pieces = [
        "a",
        "Z9",
        " ",
        "  ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "'",
        "\"",
        "`",
        "\\",
        "\\n",
        "\\\\",
        "$",
        "${A}",
        "#",
        " #",
        "=",
        "A=b",
        "\0",
        "\u{1}",
        "\u{1b}[0m",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{e9}",
        "\u{2028}",
        "\u{feff}",
        "\u{1f511}",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\\u0041",
        "\\ud83d",
        "/",
        "null",
        "export ",
        "\u{ffff}",
    ];
    (0..random.below(8)).map(|_| random.pick(&pieces)).collect()
}

pub(super) fn json(random: &mut Random) -> SecretValue {
    let samples = [
        "1",
        "-0.10e5",
        "true",
        "false",
        "null",
        "[]",
        "[1, 2.50,\n\t\"\\ud800\", {\"$binary\": 1}]",
        "{}",
        "{ \"a\" : {\"b\":1} }",
        "\"text\"",
        "\"\\u0041\\/\"",
        " 1",
        "1\n",
        "\t[1] ",
        "{\"$binary\":\"AA==\"}",
        "{\"$json\":\"1\"}",
    ];
    SecretValue::json(random.pick(&samples)).unwrap()
}

/// Some secrets, each path once.
pub(super) fn secrets(
    random: &mut Random,
    one: impl Fn(&mut Random) -> (SecretPath, SecretValue),
) -> BTreeMap<SecretPath, SecretValue> {
    (0..random.below(8)).map(|_| one(random)).collect()
}

/// Some secrets of all kinds and at any depth.
pub(super) fn any_secrets(random: &mut Random) -> BTreeMap<SecretPath, SecretValue> {
    secrets(random, |random| {
        let segments: Vec<_> = (0..=random.below(4)).map(|_| segment(random)).collect();
        let value = match random.below(3) {
            0 => SecretValue::text(text(random)),
            1 => Ok(json(random)),
            _ => SecretValue::binary((0..random.below(2_000)).map(|n| n.to_le_bytes()[0]).collect()),
        };
        (segments.join("/").parse().unwrap(), value.unwrap())
    })
}

/// The sample with some bytes changed, cut, repeated or put in.
pub(super) fn mutated(random: &mut Random, sample: &[u8], pieces: &[&str]) -> Vec<u8> {
    let mut document = sample.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(document.len() + 1);
        let end = at + random.below((document.len() - at).min(8) + 1);
        match random.below(5) {
            0 => drop(document.splice(at..at, random.pick(pieces).bytes())),
            1 => drop(document.splice(at..end, random.pick(pieces).bytes())),
            2 => drop(document.drain(at..end)),
            3 => document.truncate(document.len().max(1) - random.below(4).min(document.len().max(1))),
            _ => {
                let byte = u8::try_from(random.below(256)).unwrap();
                document.splice(at..at, [byte]);
            }
        }
    }
    document
}

/// An error of an import names a line and holds nothing of the document.
pub(super) fn check_error(error: &Error) {
    assert_eq!(error.code(), Code::ImportMalformed);
    let detail = error.details().unwrap();
    assert!(detail.starts_with("line "), "{detail}");
    assert!(detail.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{detail:?}");
    assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
}
