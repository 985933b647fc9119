//! Counting tests: from what libtest prints, and from what other languages print last.
//!
//! Knows no program and runs none; lines go in, a [`Tally`] comes out.

use std::fmt;
use std::ops::AddAssign;

/// How many tests ended how, and why some did not run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// One for each skipped test, as far as the test gave one.
    pub(crate) reasons: Vec<String>,
}

impl Tally {
    /// Counts one line of `cargo test`; lines of any other kind count nothing.
    ///
    /// libtest closes each binary, and each crate's doctests, with
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; …`.
    pub(crate) fn count_libtest_line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let counts = counts.split_once(". ").map_or("", |(_, counts)| counts);
            for (number, word) in numbers(counts, ';') {
                match word {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    "ignored" => self.skipped += number,
                    _ => {}
                }
            }
        } else if let Some((name, end)) = line.strip_prefix("test ").and_then(|test| test.split_once(" ... ignored")) {
            let reason = end.strip_prefix(", ").unwrap_or("ignored");
            self.reasons.push(format!("{name}: {reason}"));
        }
    }

    /// Takes back from `passed` the tests that found something missing and returned early.
    ///
    /// To libtest such a test has passed. It has appended one line, its reason, to the file
    /// named by `STRONGROOM_SKIP_LOG`; this is the content of that file.
    pub(crate) fn count_skip_log(&mut self, log: &str) {
        for reason in log.lines().map(str::trim).filter(|reason| !reason.is_empty()) {
            let reason = reason.strip_prefix(SKIPPED).unwrap_or(reason);
            self.passed = self.passed.saturating_sub(1);
            self.skipped += 1;
            self.reasons.push(reason.to_owned());
        }
    }

    /// Reads what a test program in another language printed: `SKIPPED: reason` lines, and
    /// last of all `N passed, N failed, N skipped`. `None` if it does not end like that.
    pub(crate) fn from_closing_line(output: &str) -> Option<Self> {
        let last = output.lines().rfind(|line| !line.trim().is_empty())?;
        let counts: Vec<_> = numbers(last, ',').collect();
        let &[(passed, "passed"), (failed, "failed"), (skipped, "skipped")] = &counts[..] else {
            return None;
        };
        let reasons = output.lines().filter_map(|line| line.strip_prefix(SKIPPED));
        Some(Self { passed, failed, skipped, reasons: reasons.map(str::to_owned).collect() })
    }

    /// Whether anything at all was tried.
    pub(crate) fn is_empty(&self) -> bool {
        self.passed + self.failed == 0
    }

    /// The skips that `allowed` does not excuse: reasons, and tests that gave none.
    pub(crate) fn skips_beyond(&self, allowed: &[&str]) -> u64 {
        let is_allowed = |reason: &&String| allowed.iter().any(|word| reason.contains(word));
        let excused = self.reasons.iter().filter(is_allowed).count() as u64;
        self.skipped.saturating_sub(excused)
    }
}

/// What a test that skips itself puts before its reason.
const SKIPPED: &str = "SKIPPED: ";

/// The pairs in `3 passed; 0 failed`; anything else between separators is passed over.
fn numbers(text: &str, separator: char) -> impl Iterator<Item = (u64, &str)> {
    text.split(separator).filter_map(|part| {
        let (number, word) = part.trim().split_once(' ')?;
        Some((number.parse().ok()?, word))
    })
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped, .. } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.reasons.extend(other.reasons);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tally: &Tally) -> (u64, u64, u64) {
        (tally.passed, tally.failed, tally.skipped)
    }

    #[test]
    fn a_libtest_line_counts_only_if_it_is_one() {
        for (name, line, want) in [
            (
                "a good binary",
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s",
                (12, 0, 1),
            ),
            (
                "a bad one",
                "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
                (2, 3, 0),
            ),
            ("a test's own line", "test tally::tests::sums ... ok", (0, 0, 0)),
            ("quoted in a message", "note: test result: ok. 5 passed; 0 failed", (0, 0, 0)),
            ("cut short", "test result: ok", (0, 0, 0)),
            ("not a number", "test result: ok. many passed; 0 failed", (0, 0, 0)),
            ("empty", "", (0, 0, 0)),
        ] {
            let mut tally = Tally::default();
            tally.count_libtest_line(line);
            assert_eq!(counts(&tally), want, "case: {name}");
        }
    }

    #[test]
    fn an_ignored_test_gives_its_reason() {
        let mut tally = Tally::default();
        tally.count_libtest_line("test store::soak ... ignored, an hour long");
        tally.count_libtest_line("test core/src/lib.rs - open (line 7) ... ignored");
        tally.count_libtest_line("test result: ok. 0 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out");
        assert_eq!(counts(&tally), (0, 0, 2));
        assert_eq!(tally.reasons, ["store::soak: an hour long", "core/src/lib.rs - open (line 7): ignored"]);
    }

    #[test]
    fn a_test_that_skipped_itself_has_not_passed() {
        let mut tally = Tally { passed: 3, ..Tally::default() };
        tally.count_skip_log("no SoftHSM\n\nSKIPPED: no PostgreSQL\n");
        assert_eq!(counts(&tally), (1, 0, 2));
        assert_eq!(tally.reasons, ["no SoftHSM", "no PostgreSQL"]);
    }

    #[test]
    fn another_language_must_close_with_its_counts() {
        let output = "ok one\nSKIPPED: no CLI\n7 passed, 1 failed, 1 skipped\n\n";
        let tally = Tally::from_closing_line(output).expect("it closes as it should");
        assert_eq!(counts(&tally), (7, 1, 1));
        assert_eq!(tally.reasons, ["no CLI"]);

        for (name, output) in [
            ("nothing", ""),
            ("something after it", "7 passed, 1 failed, 1 skipped\nTraceback"),
            ("a count missing", "7 passed, 1 failed"),
            ("one count too many", "7 passed, 1 failed, 1 skipped, 2 odd"),
            ("other words", "7 good, 1 bad, 1 skipped"),
        ] {
            assert_eq!(Tally::from_closing_line(output), None, "case: {name}");
        }
    }

    #[test]
    fn a_skip_is_excused_by_its_reason_alone() {
        let reasons = vec!["a: an hour long".to_owned(), "b: no SoftHSM".to_owned()];
        let tally = Tally { passed: 1, failed: 0, skipped: 3, reasons };
        assert_eq!(tally.skips_beyond(&[]), 3);
        assert_eq!(tally.skips_beyond(&["an hour long"]), 2, "one of them gave no reason");
    }

    #[test]
    fn tallies_add_up_to_the_closing_line() {
        let mut sum = Tally { passed: 1, failed: 2, skipped: 3, reasons: vec!["a".into()] };
        sum += Tally { passed: 10, failed: 20, skipped: 30, reasons: vec!["b".into()] };
        assert_eq!(sum.to_string(), "11 passed, 22 failed, 33 skipped");
        assert_eq!(sum.reasons, ["a", "b"]);
        assert!(!sum.is_empty());
        assert!(Tally { skipped: 1, ..Tally::default() }.is_empty(), "a skip tries nothing");
    }
}
