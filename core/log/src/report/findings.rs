//! Findings: what is wrong, where, and what should have stood there. The verifier decides which of them apply.

use super::codes::{FindingCode, LINE_LOG, LINE_ORIGIN};
use super::{FINDINGS_MAX, Verdict};
use serde::Serialize;
use std::fmt;

/// How much is shown of a text that is not ours. No name of ours is longer.
const SHOWN_CHARS_MAX: usize = 255;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The name of its [`FindingCode`].
    pub code: &'static str,
    /// The log, by its origin.
    pub log: Option<String>,
    /// The position in that log.
    pub seq: Option<u64>,
    /// The commit, by its number in the head log of its generation.
    pub commit: Option<u64>,
    /// What is wrong.
    pub detail: String,
    /// What should stand there, where that can be said: a hash, a number, a name.
    pub expected: Option<String>,
    /// What stands there instead.
    pub found: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)?;
        if let Some(log) = &self.log {
            write!(f, " {log}")?;
        }
        if let Some(seq) = self.seq {
            write!(f, " line {seq}")?;
        }
        if let Some(commit) = self.commit {
            write!(f, " commit {commit}")?;
        }
        write!(f, ": {}", self.detail)?;
        if let (Some(expected), Some(found)) = (&self.expected, &self.found) {
            write!(f, ": expected {expected}, found {found}")?;
        }
        Ok(())
    }
}

/// What is said of a finding: a sentence, and the two values that should be one.
#[derive(Debug)]
pub(crate) struct Detail {
    sentence: String,
    values: Option<(String, String)>,
}

impl Detail {
    /// Two values differ.
    pub(crate) fn unequal(sentence: impl Into<String>, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self { sentence: sentence.into(), values: Some((expected.to_string(), found.to_string())) }
    }
}

impl<S: Into<String>> From<S> for Detail {
    fn from(sentence: S) -> Self {
        Self { sentence: sentence.into(), values: None }
    }
}

/// A stranger's text as it may be shown: on one line, of a length that can be read, without what moves a terminal.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_default).collect()
}

/// Where a finding is.
#[derive(Debug, Clone, Default)]
pub(crate) struct At<'a> {
    /// The record it is about: findings are listed in this order.
    pub(crate) place: u64,
    /// It is about a commit as a whole, so what is wrong with its lines comes first.
    pub(crate) after_lines: bool,
    pub(crate) log: Option<&'a str>,
    pub(crate) seq: Option<u64>,
    pub(crate) commit: Option<u64>,
}

/// Collects findings: each once, in the order of the log, up to a limit.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<((u64, bool), Finding)>,
    omitted: u64,
    verdict: Option<Verdict>,
}

impl Findings {
    /// Adds what a check has found. Whoever calls this, in the verifier or the bundle reader, is a check.
    #[cfg_attr(feature = "testing", track_caller)]
    pub(crate) fn add(&mut self, code: FindingCode, at: &At<'_>, detail: impl Into<Detail>) {
        self.keep(code, at, detail.into());
    }

    /// Adds what a check has found that called somebody else, who hands it on.
    #[cfg_attr(feature = "testing", track_caller)]
    pub(crate) fn keep(&mut self, code: FindingCode, at: &At<'_>, detail: Detail) {
        #[cfg(feature = "testing")]
        if crate::testing::is_silenced(std::panic::Location::caller()) {
            return;
        }
        // A log that does not belong here is one finding, however many lines it has.
        let whole_log = [LINE_LOG.name, LINE_ORIGIN.name].contains(&code.name);
        let same = |(_, known): &(_, Finding)| {
            known.code == code.name
                && known.log.as_deref() == at.log
                && (whole_log || (known.seq, known.commit) == (at.seq, at.commit))
                && (at.log.is_some() || at.commit.is_some() || known.detail == detail.sentence)
        };
        if self.list.iter().any(same) {
            return;
        }
        self.verdict = self.verdict.max(Some(code.verdict));
        if self.list.len() == FINDINGS_MAX {
            self.omitted += 1;
            return;
        }
        let Detail { sentence: detail, values } = detail;
        let (expected, found) = values.unzip();
        let log = at.log.map(str::to_owned);
        let finding = Finding { code: code.name, log, seq: at.seq, commit: at.commit, detail, expected, found };
        self.list.push(((at.place, at.after_lines), finding));
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict.unwrap_or(Verdict::Ok)
    }

    /// The list, in the order of the log, and how many are not in it.
    pub(crate) fn take(&mut self) -> (Vec<Finding>, u64) {
        self.list.sort_by_key(|(place, _)| *place);
        (std::mem::take(&mut self.list).into_iter().map(|(_, finding)| finding).collect(), self.omitted)
    }
}

#[cfg(test)]
mod tests {
    use super::super::codes::*;
    use super::*;

    #[test]
    fn findings_are_listed_once_in_order_and_up_to_a_limit() {
        let mut findings = Findings::default();
        let at = |seq| At { place: 1_000 - seq, log: Some("l"), seq: Some(seq), ..At::default() };
        for seq in 0..FINDINGS_MAX as u64 + 5 {
            findings.add(LINE_SEQ, &at(seq), "");
            findings.add(LINE_SEQ, &at(seq), "again");
        }
        let (list, omitted) = findings.take();
        assert_eq!((list.len(), list[0].seq), (FINDINGS_MAX, Some(99)));
        assert_eq!(omitted, 10, "what is not listed is not compared either");
        assert_eq!(findings.verdict(), Verdict::Tampered);
    }

    #[test]
    fn the_worst_finding_decides() {
        let mut findings = Findings::default();
        assert_eq!(findings.verdict().exit_code(), 0);
        for (code, verdict, exit) in [
            (BUNDLE_TRUNCATED, Verdict::Incomplete, 2),
            (ROOT_KEY, Verdict::Unverifiable, 3),
            (FORK, Verdict::Tampered, 1),
            (BUNDLE_TRUNCATED, Verdict::Tampered, 1),
        ] {
            findings.add(code, &At::default(), "");
            assert_eq!((findings.verdict(), findings.verdict().exit_code()), (verdict, exit));
        }
    }

    #[test]
    fn what_is_expected_and_found_stands_at_the_end() {
        let mut findings = Findings::default();
        let at = At { log: Some("d/sys"), seq: Some(4), commit: Some(2), ..At::default() };
        findings.add(LINE_SEQ, &at, Detail::unequal("another line stands here", 4, 5));
        let (list, _) = findings.take();
        assert_eq!(
            list[0].to_string(),
            "LINE-SEQ d/sys line 4 commit 2: another line stands here: expected 4, found 5"
        );
    }
}
