//! The indexes of the audit log, compared with its lines and built anew: for whoever runs the deployment.
//!
//! No line depends on an index, and none is evidence: the log itself is what `verify` verifies. But a
//! query is as complete as its index.

use super::Receipt;
use crate::{
    Admin, Code, Error, Result,
    room::{Named, Target},
    store::IndexPart,
};

/// Findings that a report names.
const FINDINGS_MAX: usize = 100;

/// What a look at the indexes gave.
#[derive(Clone, Debug)]
pub struct IndexReport {
    /// Lines that were compared.
    pub lines: u64,
    /// Where index and lines differed, the first 100.
    pub findings: Vec<String>,
    /// How many more findings there were.
    pub findings_omitted: u64,
    /// Whether what differed was built anew, and agreed after that.
    pub repaired: bool,
    /// Proof that this was recorded.
    pub receipt: Receipt,
}

/// What is to be built anew, and what was found there.
#[derive(Default)]
struct Found {
    lines: u64,
    findings: Vec<String>,
    omitted: u64,
    parts: Vec<IndexPart>,
}

impl Admin {
    /// Compares the indexes of all logs with the lines, and builds anew what differs if that is asked for. Memory
    /// is bounded; writers are held off for one slice at a time.
    ///
    /// It is recorded before anything is changed, with the number of findings. What came between the look and the
    /// building is the indexer's own, and is not undone.
    ///
    /// # Errors
    /// `StoreDamaged` if there are lines of no generation. Findings are no errors: see [`IndexReport`].
    pub async fn check_index(&self, repair: bool) -> Result<IndexReport> {
        let (found, receipt) = self
            .room
            .operate("audit.check-index", &Target::Sys, &self.context, move |step| {
                let generations = step.snapshot.generations()?;
                if generations.first().is_none_or(|first| first.after_seq > 0) {
                    return Err(Error::new(Code::StoreDamaged).detail("there are lines of no generation"));
                }
                let mut found = Found::default();
                let mut slices = 0;
                loop {
                    let part = IndexPart::Slice(slices);
                    let check = step.snapshot.check_index(part)?;
                    found.add(part, check.lines, check.findings);
                    slices += 1;
                    if !check.more {
                        break;
                    }
                }
                let check = step.snapshot.check_index(IndexPart::Strays)?;
                found.add(IndexPart::Strays, 0, check.findings);
                let findings = found.findings.len() as u64 + found.omitted;
                step.line.count = Some(findings);
                let kind = if repair { "repair" } else { "verdict" };
                let version = Some(u64::from(findings > 0));
                step.line.object = Some(Named { kind, id: [0; 16], version, pseudonym_key: None });
                Ok(found)
            })
            .await?;
        let mut repaired = false;
        if repair && !found.parts.is_empty() {
            let parts = found.parts;
            repaired = self
                .room
                .readers
                .run(move |store| {
                    parts.iter().try_for_each(|part| store.repair_index(*part))?;
                    let mut snapshot = store.snapshot()?;
                    for part in parts {
                        if !snapshot.check_index(part)?.findings.is_empty() {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                })
                .await?;
        }
        let (lines, findings, findings_omitted) = (found.lines, found.findings, found.omitted);
        Ok(IndexReport { lines, findings, findings_omitted, repaired, receipt })
    }
}

impl Found {
    fn add(&mut self, part: IndexPart, lines: u64, findings: Vec<String>) {
        self.lines += lines;
        if !findings.is_empty() {
            self.parts.push(part);
        }
        for finding in findings {
            if self.findings.len() < FINDINGS_MAX {
                self.findings.push(finding);
            } else {
                self.omitted += 1;
            }
        }
    }
}
