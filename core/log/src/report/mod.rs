//! What a verification found: a verdict, each finding with its place, and what the verdict rests on.
//!
//! [`ReportText`] writes it for people; for programs it is a document of these fields.

mod codes;
mod findings;
mod text;

pub(crate) use codes::*;
pub(crate) use findings::{At, Detail, Findings, shown};

pub use codes::{FINDING_CODES, FindingCode};
pub use findings::Finding;
pub use text::ReportText;

use crate::verify::Memory;
use crate::vkey::RootKey;
use serde::Serialize;
use std::fmt;

/// How many findings are listed. The rest are counted.
pub const FINDINGS_MAX: usize = 100;

/// The program and version whose checks a report rests on.
pub(crate) const VERIFIER: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

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
        f.pad(match self {
            Self::Ok => "OK",
            Self::Incomplete => "INCOMPLETE",
            Self::Unverifiable => "UNVERIFIABLE",
            Self::Tampered => "TAMPERED",
        })
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

/// How the log compares with what was kept of it elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remembered {
    /// None was given.
    NotGiven,
    /// The log continues all of it.
    Continued,
    /// Some of it could not be compared: see the findings, or the bundle is one log's and cannot tell.
    NotCompared,
    /// The log contradicts it.
    Contradicted,
}

/// The positions that were read, the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The conclusion.
    pub verdict: Verdict,
    /// What is wrong, in the order of the log: the first is the first bad position.
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
    /// The newest generation of the log.
    pub generation: Option<u32>,
    /// How many generations.
    pub generations: u32,
    /// Of one log, its lines by `seq`; of a deployment, the commits of its newest generation.
    pub range: Option<Range>,
    /// How many lines.
    pub entries: u64,
    /// How many commits.
    pub commits: u64,
    /// How many logs, over all generations.
    pub logs: u64,
    /// How many epochs were certified by the root of trust.
    pub epochs: u64,
    /// How many signatures were checked and found good: of certificates, checkpoints and receipts.
    pub signatures: u64,
    /// How many lines at the end no signature that was found good speaks for. In an honest log there are none.
    pub unsealed_entries: u64,
    /// The time of the first commit, in microseconds.
    pub first_time: Option<u64>,
    /// The time of the last.
    pub last_time: Option<u64>,
    /// How the log compares with the checkpoints that were given to compare with.
    pub remembered: Remembered,
    /// How many those are.
    pub remembered_count: u64,
    /// How the log compares with the receipts that were given to compare with.
    pub receipts: Remembered,
    /// How many those are.
    pub receipts_count: u64,
    /// The newest checkpoint, verified: keep it, and give it to the next verification.
    pub checkpoint: Option<String>,
    /// Whose checks these were, and of which version.
    pub verifier: &'static str,
}

impl Report {
    /// Of a bundle that ends before it says what it is.
    pub(crate) fn of_nothing(root: &RootKey, memory: &Memory, mut findings: Findings) -> Self {
        let compared = |count: usize| if count > 0 { Remembered::NotCompared } else { Remembered::NotGiven };
        let verdict = findings.verdict();
        let (findings, findings_omitted) = findings.take();
        Self {
            verdict,
            findings,
            findings_omitted,
            completeness: Completeness::NotEstablished,
            root: root.to_string(),
            origin: None,
            log: None,
            generation: None,
            generations: 0,
            range: None,
            entries: 0,
            commits: 0,
            logs: 0,
            epochs: 0,
            signatures: 0,
            unsealed_entries: 0,
            first_time: None,
            last_time: None,
            remembered: compared(memory.checkpoints.len()),
            remembered_count: memory.checkpoints.len() as u64,
            receipts: compared(memory.receipts.len()),
            receipts_count: memory.receipts.len() as u64,
            checkpoint: None,
            verifier: VERIFIER,
        }
    }

    /// Whether everything holds.
    pub fn is_ok(&self) -> bool {
        self.verdict == Verdict::Ok
    }

    /// 0 OK, 1 tampered, 2 incomplete, 3 unverifiable.
    pub fn exit_code(&self) -> u8 {
        self.verdict.exit_code()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ReportText::new(self).fmt(f)
    }
}
