//! What a verification found: a verdict, each finding with its place, and what the verdict rests on.
//!
//! The codes are stable, listed here once and never reused. The verifier decides which of them apply.

use serde::Serialize;
use std::fmt;

/// How many findings are listed. The rest are counted.
pub const FINDINGS_MAX: usize = 100;

/// What a verification concludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Everything was checked and holds.
    Ok,
    /// Something is missing, and nothing that is there is wrong.
    Incomplete,
    /// It cannot be checked: another root key, a later format.
    Unverifiable,
    /// Something is not as it was signed.
    Tampered,
}

impl Verdict {
    /// The exit code of programs that verify.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Tampered => 1,
            Self::Incomplete => 2,
            Self::Unverifiable => 3,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Incomplete => "INCOMPLETE",
            Self::Unverifiable => "UNVERIFIABLE",
            Self::Tampered => "TAMPERED",
        })
    }
}

/// A kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindingCode {
    /// Its stable name.
    pub name: &'static str,
    /// What it means for the verdict.
    pub verdict: Verdict,
    /// What is wrong.
    pub sentence: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $name:literal, $verdict:ident, $sentence:literal;)*) => {
        $(pub(crate) const $constant: FindingCode =
            FindingCode { name: $name, verdict: Verdict::$verdict, sentence: $sentence };)*

        /// Every kind of finding there is.
        pub const FINDING_CODES: &[FindingCode] = &[$($constant),*];
    };
}

codes! {
    BUNDLE_COUNT = "BUNDLE-COUNT", Tampered, "the bundle holds another number of lines than it says";
    BUNDLE_RECORD = "BUNDLE-RECORD", Tampered, "a record of the bundle is malformed or out of place";
    BUNDLE_TRUNCATED = "BUNDLE-TRUNCATED", Incomplete, "the bundle stops before its end";
    BUNDLE_VERSION = "BUNDLE-VERSION", Unverifiable, "this is no bundle of a version we know";
    CHECKPOINT_FORMAT = "CHECKPOINT-FORMAT", Tampered, "the checkpoint is malformed";
    CHECKPOINT_MISSING = "CHECKPOINT-MISSING", Incomplete, "no checkpoint covers the commits";
    CHECKPOINT_ORIGIN = "CHECKPOINT-ORIGIN", Tampered, "the checkpoint is another log's";
    CHECKPOINT_ROOT = "CHECKPOINT-ROOT", Tampered, "the commits are not those the checkpoint signs";
    CHECKPOINT_SIGNATURE = "CHECKPOINT-SIGNATURE", Tampered, "the checkpoint is not signed by the epoch of its last commit";
    CHECKPOINT_SIZE = "CHECKPOINT-SIZE", Tampered, "the checkpoint signs another number of commits";
    COMMIT_EMPTY = "COMMIT-EMPTY", Tampered, "a commit has no lines";
    COMMIT_FORMAT = "COMMIT-FORMAT", Tampered, "a commit's leaf is malformed";
    COMMIT_HEADS = "COMMIT-HEADS", Tampered, "the lines up to a commit are not those it signs";
    COMMIT_PROOF = "COMMIT-PROOF", Tampered, "the commit is not proven to be the checkpoint's last";
    COMMIT_SEQ = "COMMIT-SEQ", Tampered, "a commit is missing, repeated or out of order";
    COMMIT_STATS = "COMMIT-STATS", Tampered, "a commit counts other tenants or lines than there are";
    COMMIT_TIME = "COMMIT-TIME", Tampered, "a commit is older than the one before it";
    EPOCH_CLOSED = "EPOCH-CLOSED", Tampered, "an epoch signs after it was closed";
    EPOCH_DUPLICATE = "EPOCH-DUPLICATE", Tampered, "an epoch is certified or opened twice";
    EPOCH_EXPIRED = "EPOCH-EXPIRED", Tampered, "an epoch signs before it opens or after its hard limit";
    EPOCH_FORMAT = "EPOCH-FORMAT", Tampered, "an epoch certificate is malformed or another deployment's";
    EPOCH_SEEN = "EPOCH-SEEN", Tampered, "an epoch certificate saw another log than this";
    EPOCH_SIGNATURE = "EPOCH-SIGNATURE", Tampered, "an epoch certificate is not signed by the root key";
    EPOCH_UNCERTIFIED = "EPOCH-UNCERTIFIED", Tampered, "an epoch has no certificate";
    EPOCH_UNOPENED = "EPOCH-UNOPENED", Tampered, "an epoch signs without a line that opens it";
    FORK = "FORK", Tampered, "the log differs from the remembered checkpoint";
    GENERATION = "GENERATION", Tampered, "a generation does not continue the one before it";
    GENERATION_MISSING = "GENERATION-MISSING", Incomplete, "there is no generation, or not the first";
    HEAD_PROOF = "HEAD-PROOF", Tampered, "the head is not proven to be in the commit";
    HEAD_ROOT = "HEAD-ROOT", Tampered, "the lines are not those the head signs";
    HEAD_SIZE = "HEAD-SIZE", Tampered, "the head signs another number of lines";
    LINE_CHAIN = "LINE-CHAIN", Tampered, "a line and the hash that the next one carries of it differ";
    LINE_EPOCH = "LINE-EPOCH", Tampered, "a line names another epoch than its commit";
    LINE_FORMAT = "LINE-FORMAT", Tampered, "a line is not in canonical form";
    LINE_GENESIS = "LINE-GENESIS", Tampered, "a log does not start from its genesis hash";
    LINE_LOG = "LINE-LOG", Tampered, "a line is of a log that nothing explains";
    LINE_ORIGIN = "LINE-ORIGIN", Tampered, "a line is another deployment's or generation's";
    LINE_SEQ = "LINE-SEQ", Tampered, "a line is missing, repeated or out of order";
    LINE_TIME = "LINE-TIME", Tampered, "a line's time is not its commit's, or runs backwards";
    LINE_VERSION = "LINE-VERSION", Unverifiable, "a line is of a later version";
    RECORD_MISSING = "RECORD-MISSING", Incomplete, "a record that every such bundle has is missing";
    REMEMBERED_FORMAT = "REMEMBERED-FORMAT", Unverifiable, "the remembered checkpoint is malformed";
    REMEMBERED_ORIGIN = "REMEMBERED-ORIGIN", Unverifiable, "the remembered checkpoint is another deployment's";
    REMEMBERED_SIGNATURE = "REMEMBERED-SIGNATURE", Unverifiable, "the remembered checkpoint is not signed by an epoch of this log";
    ROLLBACK = "ROLLBACK", Tampered, "the log is shorter than the remembered checkpoint";
    ROOT_KEY = "ROOT-KEY", Unverifiable, "the certificates are not signed by the root key given";
    TENANT_SET = "TENANT-SET", Tampered, "the set of tenants changes in a way nothing explains";
}

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
    /// What was expected and what was found.
    pub detail: String,
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
    pub(crate) fn add(&mut self, code: FindingCode, at: &At<'_>, detail: impl Into<String>) {
        let detail = detail.into();
        // A log that does not belong here is one finding, however many lines it has.
        let whole_log = [LINE_LOG.name, LINE_ORIGIN.name].contains(&code.name);
        let same = |(_, known): &(_, Finding)| {
            known.code == code.name
                && known.log.as_deref() == at.log
                && (whole_log || (known.seq, known.commit) == (at.seq, at.commit))
                && (at.log.is_some() || at.commit.is_some() || known.detail == detail)
        };
        if self.list.iter().any(same) {
            return;
        }
        self.verdict = self.verdict.max(Some(code.verdict));
        if self.list.len() == FINDINGS_MAX {
            self.omitted += 1;
            return;
        }
        let log = at.log.map(str::to_owned);
        let finding = Finding { code: code.name, log, seq: at.seq, commit: at.commit, detail };
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

/// How much of the record a verdict of [`Verdict::Ok`] speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completeness {
    /// All logs, from the first line to the checkpoint.
    FullRange,
    /// One log, from its first line to the checkpoint.
    OneLog,
    /// Unknown: see the findings.
    NotEstablished,
}

/// How the log compares with the remembered checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remembered {
    /// None was given.
    NotGiven,
    /// The log continues it.
    Continued,
    /// The log contradicts it.
    Contradicted,
    /// It could not be compared: see the findings, or the bundle is one log's and newer than it.
    NotCompared,
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The conclusion.
    pub verdict: Verdict,
    /// What is wrong, in the order of the log.
    pub findings: Vec<Finding>,
    /// How many more findings there are.
    pub findings_omitted: u64,
    /// What the verdict speaks for.
    pub completeness: Completeness,
    /// The root of trust it rests on.
    pub root: String,
    /// The deployment's origin, as the bundle names it.
    pub origin: Option<String>,
    /// The log that a tenant's bundle is about.
    pub log: Option<String>,
    /// How many generations.
    pub generations: u32,
    /// How many lines.
    pub entries: u64,
    /// How many commits.
    pub commits: u64,
    /// How many logs, over all generations.
    pub logs: u64,
    /// How many epochs were certified by the root of trust.
    pub epochs: u64,
    /// The time of the first commit, in microseconds.
    pub first_time: Option<u64>,
    /// The time of the last.
    pub last_time: Option<u64>,
    /// How the log compares with the checkpoint that was given to compare with.
    pub remembered: Remembered,
    /// The newest checkpoint, verified: keep it, and give it to the next verification.
    pub checkpoint: Option<String>,
}

impl Report {
    /// Whether everything holds.
    pub fn is_ok(&self) -> bool {
        self.verdict == Verdict::Ok
    }

    /// 0 OK, 1 tampered, 2 incomplete, 3 unverifiable.
    pub fn exit_code(&self) -> u8 {
        self.verdict.exit_code()
    }
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
        write!(f, ": {}", self.detail)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict)?;
        for finding in &self.findings {
            writeln!(f, "  {finding}")?;
        }
        if self.findings_omitted > 0 {
            writeln!(f, "  and {} more", self.findings_omitted)?;
        }
        writeln!(f, "origin       {}", self.origin.as_deref().unwrap_or("unknown"))?;
        if let Some(log) = &self.log {
            writeln!(f, "log          {log}")?;
        }
        writeln!(f, "root key     {}", self.root)?;
        writeln!(
            f,
            "range        {} lines in {} logs, {} commits, {} generations",
            self.entries, self.logs, self.commits, self.generations
        )?;
        writeln!(f, "epochs       {} certified", self.epochs)?;
        if let (Some(first), Some(last)) = (self.first_time, self.last_time) {
            writeln!(f, "time         {first} to {last} (microseconds since 1970)")?;
        }
        let completeness = match self.completeness {
            Completeness::FullRange => "full range",
            Completeness::OneLog => "one log, full range",
            Completeness::NotEstablished => "not established",
        };
        writeln!(f, "completeness {completeness}")?;
        let remembered = match self.remembered {
            Remembered::NotGiven => "no checkpoint given: a tail cut off together with its checkpoints would not show",
            Remembered::Continued => "continues the checkpoint given",
            Remembered::Contradicted => "contradicts the checkpoint given",
            Remembered::NotCompared => "not compared with the checkpoint given",
        };
        writeln!(f, "remembered   {remembered}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_sorted() {
        for pair in FINDING_CODES.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
        }
    }

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
}
