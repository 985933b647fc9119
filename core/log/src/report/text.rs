//! A report as text for people: the same from every program.

use super::{Completeness, Range, Remembered, Report, Verdict};
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// The width of a row's name.
const NAME_WIDTH: usize = 11;

/// The last second that RFC 3339 can write, 9999-12-31T23:59:59Z. A log that lies may claim more.
const SECONDS_MAX: u64 = 253_402_300_799;

const BOLD_GREEN: &str = "\x1b[1;32m";
const BOLD_RED: &str = "\x1b[1;31m";
const PLAIN: &str = "\x1b[0m";

/// Writes a [`Report`]: the verdict, a line for each finding, a blank line, and what the verdict rests on.
#[derive(Debug, Clone, Copy)]
pub struct ReportText<'a> {
    report: &'a Report,
    store: &'a [String],
    colours: bool,
}

impl<'a> ReportText<'a> {
    /// Of this report, without colours.
    pub fn new(report: &'a Report) -> Self {
        Self { report, store: &[], colours: false }
    }

    /// With what else is wrong, in the database that holds the log.
    #[must_use]
    pub fn store(self, findings: &'a [String]) -> Self {
        Self { store: findings, ..self }
    }

    /// With the verdict in colour, for a terminal.
    #[must_use]
    pub fn colours(self) -> Self {
        Self { colours: true, ..self }
    }

    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.report.verdict {
            Verdict::Ok if !self.store.is_empty() => Verdict::Tampered,
            verdict => verdict,
        };
        match (self.colours, verdict) {
            (false, _) => writeln!(f, "{verdict}"),
            (true, Verdict::Ok) => writeln!(f, "{BOLD_GREEN}{verdict}{PLAIN}"),
            (true, _) => writeln!(f, "{BOLD_RED}{verdict}{PLAIN}"),
        }
    }

    fn extent(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { entries, commits, logs, epochs, signatures, .. } = *self.report;
        let (lines, logs) = (count(entries, "line"), count(logs, "log"));
        let (commits, epochs) = (count(commits, "commit"), count(epochs, "epoch"));
        let signatures = count(signatures, "signature");
        row(f, "verified", format_args!("{lines} in {logs}, {commits}, {epochs}, {signatures}"))?;
        if let Some(Range { first, last }) = self.report.range {
            let what = if self.report.log.is_some() { "lines" } else { "commits" };
            let generation = self.report.generation.filter(|generation| *generation > 1);
            let of = generation.map(|generation| format!(" of generation {generation}")).unwrap_or_default();
            row(f, "range", format_args!("{what} {first} to {last}{of}"))?;
        }
        if let (Some(first), Some(last)) = (self.report.first_time, self.report.last_time) {
            row(f, "from", time(first))?;
            row(f, "to", time(last))?;
        }
        match self.report.unsealed_entries {
            0 => row(f, "unsealed", "none: every line is below a signature"),
            entries => {
                row(f, "unsealed", format_args!("the last {}: no good signature follows", count(entries, "line")))
            }
        }
    }

    fn memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checkpoints = count(self.report.remembered_count, "checkpoint");
        let receipts = count(self.report.receipts_count, "receipt");
        if (self.report.remembered, self.report.receipts) == (Remembered::NotGiven, Remembered::NotGiven) {
            let why = "with nothing: a tail cut off together with its checkpoints would not show";
            return row(f, "compared", why);
        }
        for (outcome, given) in [(self.report.remembered, checkpoints), (self.report.receipts, receipts)] {
            match outcome {
                Remembered::NotGiven => {}
                Remembered::Continued => row(f, "compared", format_args!("with {given}: continued"))?,
                Remembered::Contradicted => row(f, "compared", format_args!("with {given}: contradicted"))?,
                Remembered::NotCompared => {
                    row(f, "compared", format_args!("with {given}: not with all of it"))?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for ReportText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        self.verdict(f)?;
        for finding in &report.findings {
            writeln!(f, "  {finding}")?;
        }
        for finding in self.store {
            writeln!(f, "  DATABASE: {finding}")?;
        }
        if report.findings_omitted > 0 {
            writeln!(f, "  and {} more", report.findings_omitted)?;
        }
        writeln!(f)?;
        row(f, "origin", report.origin.as_deref().unwrap_or("unknown"))?;
        if let Some(log) = &report.log {
            row(f, "log", log)?;
        }
        row(f, "root key", &report.root)?;
        if report.generations > 1 {
            row(f, "generations", report.generations)?;
        }
        self.extent(f)?;
        let completeness = match report.completeness {
            Completeness::FullRange => "full range: all logs, from the first line to the checkpoint",
            Completeness::OneLog => "full range of one log, from its first line to the checkpoint",
            Completeness::NotEstablished => "not established",
        };
        row(f, "complete", completeness)?;
        self.memory(f)?;
        row(f, "verifier", report.verifier)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{name:NAME_WIDTH$}  {value}")
}

/// `1 line`, `2 lines`.
fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// RFC 3339, UTC, to the second; of a time that it cannot write, the microseconds.
fn time(micros: u64) -> String {
    if micros / 1_000_000 > SECONDS_MAX {
        return format!("{micros} microseconds after 1970");
    }
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_micros(micros)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_no_calendar_has_are_told_too() {
        assert_eq!(time(1_790_000_000_999_999), "2026-09-21T14:13:20Z");
        assert_eq!(time(SECONDS_MAX * 1_000_000), "9999-12-31T23:59:59Z");
        assert_eq!(time((SECONDS_MAX + 1) * 1_000_000), "253402300800000000 microseconds after 1970");
        assert_eq!(time(u64::MAX), "18446744073709551615 microseconds after 1970");
    }
}
