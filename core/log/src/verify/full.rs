//! The verifier of a whole deployment: every record from the first line to the newest checkpoint.

use super::chain::{Link, LogFindings, Side};
use super::generation::{Generation, Log, OpenCommit};
use super::memory::Memory;
use super::remembered::{Kept, Reached};
use super::salvage::salvage;
use crate::checkpoint::Checkpoint;
use crate::codec::hex_encode;
use crate::commit::CommitLeaf;
use crate::epoch::EpochCertificate;
use crate::error::FormatError;
use crate::hash::leaf_hash;
use crate::heads::{LogStatus, TenantHead};
use crate::line::{LineReason, parse_line};
use crate::note::{Note, NoteError};
use crate::origin::{Origin, PreviousGeneration, genesis_hash};
use crate::report::*;
use crate::tree::Frontier;
use crate::vkey::{RootKey, VerifyingKey};

/// Verifies a deployment's log, record by record, in the order of the log.
///
/// Feed it generations, tenants, epoch certificates, commits each followed by its lines, and checkpoints, as a bundle
/// lists them (`docs/formats.md` §8); then [`Verifier::finish`]. Findings never stop it.
#[derive(Debug)]
pub struct Verifier {
    origin: Origin,
    root: String,
    root_key: Option<VerifyingKey>,
    /// No certificate is signed by the root key: whatever rests on certificates goes unsaid, it was said once.
    root_unknown: bool,
    deployment: Option<[u8; 16]>,
    kept: Kept,
    generation: Option<Generation>,
    /// What the generation before ended with.
    ended: Option<Ended>,
    unknown_logs: usize,
    /// Counts records: the order in which findings are listed.
    place: u64,
    truncated: bool,
    findings: Findings,
    report: Totals,
}

#[derive(Debug)]
struct Ended {
    head_log: Option<PreviousGeneration>,
    tenants: Vec<(u32, [u8; 16], LogStatus)>,
}

#[derive(Debug, Default)]
struct Totals {
    generations: u32,
    entries: u64,
    commits: u64,
    logs: u64,
    epochs: u64,
    signatures: u64,
    /// How many lines there were when a good signature last spoke for the generation's.
    sealed: u64,
    /// How many lines none speaks for, of the generations before.
    unsealed: u64,
    range: Option<Range>,
    first_time: Option<u64>,
    last_time: Option<u64>,
    checkpoint: Option<String>,
}

impl Verifier {
    /// Verifies the deployment of this origin (in generation 1) against its root of trust, and against what was kept of
    /// its log: a [`Memory`], or a checkpoint's note if there is one.
    pub fn new(origin: &Origin, root: &RootKey, memory: impl Into<Memory>) -> Self {
        Self::with_findings(origin, root, memory.into(), Findings::default())
    }

    pub(crate) fn with_findings(origin: &Origin, root: &RootKey, memory: Memory, mut findings: Findings) -> Self {
        let origin = origin.at_generation(1);
        let root_key = root.for_origin(&origin);
        if root_key.is_none() {
            findings.add(ROOT_KEY, &At::default(), "the root key given is another deployment's");
        }
        Self {
            kept: Kept::new(memory, &mut findings),
            root: root.to_string(),
            root_unknown: root_key.is_none(),
            root_key,
            origin,
            deployment: None,
            generation: None,
            ended: None,
            unknown_logs: 0,
            place: 0,
            truncated: false,
            findings,
            report: Totals::default(),
        }
    }

    /// A generation begins, after what the one before ended with (`None` for generation 1).
    pub fn generation(&mut self, k: u32, previous: Option<PreviousGeneration>) {
        self.end_generation();
        self.place += 1;
        let at = At { place: self.place, ..At::default() };
        let expected = self.report.generations + 1;
        if k == 0 || k != expected {
            let code = if self.report.generations == 0 { GENERATION_MISSING } else { GENERATION };
            self.findings.add(code, &at, Detail::unequal("another generation stands here", expected, k));
        }
        match &self.ended {
            None if k == 1 && previous.is_some() => {
                self.findings.add(GENERATION, &at, "the first generation follows none");
            }
            Some(Ended { head_log: Some(ended), .. }) if previous.as_ref() != Some(ended) => {
                let named = previous.map_or_else(|| "none".to_owned(), |previous| end_of(&previous));
                let detail = Detail::unequal("it names another end of the generation before", end_of(ended), named);
                self.findings.add(GENERATION, &at, detail);
            }
            _ => {}
        }
        self.report.generations = k.max(1);
        self.generation = Some(Generation::new(self.origin.at_generation(k.max(1)), previous));
    }

    /// A log the generation starts with: `sys` at position 0 in the first, all there are in later ones.
    pub fn tenant(&mut self, position: u32, tenant_ref: [u8; 16], status: LogStatus) {
        self.place += 1;
        match &mut self.generation {
            Some(generation) if !generation.started && !generation.epoch_read => {
                generation.starting.push((position, tenant_ref, status));
            }
            _ => self.misplaced("a tenant after the first certificate or commit"),
        }
    }

    /// An epoch certificate, where the size of the head log it has seen is reached.
    pub fn epoch(&mut self, note: &[u8]) {
        self.close_commit();
        self.place += 1;
        let Some(generation) = self.generation.as_mut().filter(|generation| !generation.checkpoint_read) else {
            return self.misplaced("an epoch outside of a generation's commits");
        };
        generation.epoch_read = true;
        let Some(root_key) = &self.root_key else { return };
        let at = At { place: self.place, commit: Some(generation.next_n), ..At::default() };
        let certificate = match EpochCertificate::open(note, root_key, &generation.origin) {
            Ok(certificate) => certificate,
            Err(FormatError::Note(NoteError::UnknownKey)) if self.report.epochs == 0 => {
                self.root_unknown = true;
                return self.findings.add(
                    ROOT_KEY,
                    &At { place: self.place, ..At::default() },
                    "a certificate is signed by another key",
                );
            }
            Err(FormatError::Note(error @ (NoteError::UnknownKey | NoteError::BadSignature(_)))) => {
                return self.findings.add(EPOCH_SIGNATURE, &at, error.to_string());
            }
            Err(error) => return self.findings.add(EPOCH_FORMAT, &at, error.to_string()),
        };
        self.root_unknown = false;
        self.report.epochs += 1;
        self.report.signatures += 1;
        let deployment = *self.deployment.get_or_insert(certificate.deployment);
        if deployment != certificate.deployment {
            let (before, now) = (hex_encode(&deployment), hex_encode(&certificate.deployment));
            let detail = Detail::unequal("it is another deployment's than the certificate before", before, now);
            self.findings.add(EPOCH_FORMAT, &at, detail);
        }
        if generation.epochs.contains_key(&certificate.epoch) {
            return self.findings.add(
                EPOCH_DUPLICATE,
                &at,
                format!("epoch {} was certified before", certificate.epoch),
            );
        }
        let head_log = &generation.head_log;
        let seen = PreviousGeneration { size: certificate.seen_size, root: certificate.seen_root };
        let here = PreviousGeneration { size: head_log.size(), root: head_log.root() };
        if seen == here && !generation.head_log_lost {
            // What it saw is signed with it.
            self.report.sealed = self.report.entries;
        } else if !generation.head_log_lost {
            let detail = format!("epoch {} saw another log", certificate.epoch);
            self.findings.add(EPOCH_SEEN, &at, Detail::unequal(detail, end_of(&here), end_of(&seen)));
        }
        generation.add_epoch(certificate, note);
    }

    /// A commit: its leaf's data and the blind of its statistics. The lines it wrote follow.
    pub fn commit(&mut self, leaf: &[u8], blind: &[u8; 16]) {
        self.close_commit();
        self.place += 1;
        let Some(generation) = self.generation.as_mut().filter(|generation| !generation.checkpoint_read) else {
            return self.misplaced("a commit outside of a generation");
        };
        if !generation.started {
            generation.starting.sort_by_key(|(position, ..)| *position);
            let expected = match self.ended.take() {
                Some(ended) => generation.starting == ended.tenants,
                None if generation.origin.generation() == 1 => {
                    matches!(generation.starting[..], [(0, _, LogStatus::Open)])
                }
                // Then with anything that has the form.
                None => true,
            };
            if !generation.start() || !expected {
                let at = At { place: self.place, ..At::default() };
                let detail = "it does not start with sys alone, or with the tenants the generation before ended with";
                self.findings.add(TENANT_SET, &at, detail);
            }
        }
        self.report.commits += 1;
        let mut open =
            OpenCommit { leaf: None, n: generation.next_n, blind: *blind, place: self.place, lines: 0, skipped: false };
        match CommitLeaf::from_bytes(leaf) {
            Err(error) => self.findings.add(COMMIT_FORMAT, &open.at(), error.to_string()),
            Ok(leaf) => {
                if generation.renumbered.take().is_some_and(|n| n == leaf.n) {
                    open.n = leaf.n;
                }
                if leaf.n != open.n {
                    let detail = Detail::unequal("another commit stands here", open.n, leaf.n);
                    self.findings.add(COMMIT_SEQ, &open.at(), detail);
                    if leaf.n > open.n {
                        generation.renumbered = Some(open.n + 1);
                        generation.head_log_lost = true;
                        generation.counts_lost = true;
                        open.n = leaf.n;
                    } else {
                        open.skipped = true;
                    }
                }
                if let Some(last) = generation.last_leaf.filter(|last| leaf.time < last.time && !open.skipped) {
                    let detail = format!("its time is {}, after {}", leaf.time, last.time);
                    self.findings.add(COMMIT_TIME, &open.at(), detail);
                }
                self.report.first_time.get_or_insert(leaf.time);
                self.report.last_time = Some(leaf.time);
                open.leaf = Some(leaf);
            }
        }
        if !open.skipped {
            generation.head_log.append(leaf_hash(leaf));
            generation.next_n = open.n.saturating_add(1);
        }
        generation.commit = Some(open);
    }

    /// A line of the commit before it: its bytes, without the newline.
    pub fn line(&mut self, bytes: &[u8]) {
        self.place += 1;
        self.report.entries += 1;
        let Some(generation) = self.generation.as_mut() else { return self.misplaced("a line outside of a commit") };
        let Some(commit) = generation.commit.as_mut() else { return self.misplaced("a line outside of a commit") };
        commit.lines += 1;
        if commit.skipped {
            return;
        }
        let (n, leaf) = (commit.n, commit.leaf);
        let findings = &mut self.findings;
        let at = At { place: self.place, commit: Some(n), ..At::default() };

        let parsed = parse_line(bytes);
        let (name, mut link) = match &parsed {
            Ok(line) => {
                let place = self.place;
                let (seq, prev, leaf) = (line.seq, line.prev, leaf_hash(bytes));
                (line.log, Link { seq, prev, leaf, place, commit: Some(n), reported: false })
            }
            Err(error) => {
                let later = matches!(error.reason, LineReason::UnsupportedVersion(_));
                let code = if later { LINE_VERSION } else { LINE_FORMAT };
                let salvaged =
                    salvage(bytes, self.place, Some(n)).filter(|(name, _)| generation.origin.log_of(name).is_some());
                let at = At {
                    log: salvaged.as_ref().map(|(name, _)| *name),
                    seq: salvaged.as_ref().map(|(_, link)| link.seq),
                    ..at.clone()
                };
                findings.add(code, &at, error.to_string());
                let Some((name, link)) = salvaged else { return };
                // That a line can't be read is no excuse for one that was changed.
                (name, Link { reported: !later, ..link })
            }
        };

        let index = match generation.origin.log_of(name) {
            None => {
                let at = At { log: Some(name), seq: Some(link.seq), ..at };
                generation.counts_lost = true;
                return findings.add(LINE_ORIGIN, &at, format!("expected a log of {}", generation.origin));
            }
            Some(None) => Some(0),
            // The ref of `sys` is no tenant's.
            Some(Some(tenant_ref)) => generation.by_ref.get(&tenant_ref).copied().filter(|index| *index != 0),
        };
        let Some(index) = index else {
            generation.counts_lost = true;
            self.unknown_logs += 1;
            if self.unknown_logs <= FINDINGS_MAX {
                findings.add(
                    LINE_LOG,
                    &At { log: Some(name), seq: Some(link.seq), ..at },
                    "no tenant.create explains it",
                );
            }
            return;
        };

        if let (Ok(line), Some(leaf)) = (&parsed, &leaf) {
            let at = At { log: Some(name), seq: Some(line.seq), ..at.clone() };
            if line.ep != leaf.epoch {
                let detail = Detail::unequal("it names another epoch than its commit", leaf.epoch, line.ep);
                findings.add(LINE_EPOCH, &at, detail);
                link.reported = true;
            }
            if line.ts != leaf.time {
                findings.add(LINE_TIME, &at, Detail::unequal("its time is not its commit's", leaf.time, line.ts));
                link.reported = true;
            }
        }
        generation.touch(index);
        let key = leaf.and_then(|leaf| generation.epochs.get(&leaf.epoch)).map(|epoch| &epoch.certificate.key);
        let confirmed = generation.is_confirmed(index);
        let log = &mut generation.logs[index];
        let genesis = if log.chain.size() > 0 {
            None
        } else {
            key.map(|key| genesis_hash(&log.origin, &key.public_key(), generation.previous.as_ref()))
        };
        let Log { chain, origin, .. } = log;
        let (seq, leaf) = (link.seq, link.leaf);
        let taken = chain.follow(link, genesis, confirmed, &mut LogFindings { log: origin, findings });
        if taken {
            self.kept.line(name, seq, leaf, Some(n), self.place);
        }
        generation.counts_lost |= !taken || log.chain.is_lost();
        if let (0, Ok(line), true) = (index, &parsed, taken) {
            let at = At { log: Some(name), seq: Some(line.seq), ..at };
            generation.explain(line, &at, self.root_unknown, findings);
        }
    }

    /// The newest checkpoint of the generation, after its last commit.
    pub fn checkpoint(&mut self, note: &[u8]) {
        self.close_commit();
        self.place += 1;
        let Some(generation) = self.generation.as_mut().filter(|generation| !generation.checkpoint_read) else {
            return self.misplaced("a second checkpoint, or one outside of a generation");
        };
        generation.checkpoint_read = true;
        let at = At { place: self.place, commit: Some(generation.next_n.saturating_sub(1)), ..At::default() };
        let parsed = Note::parse(note)
            .map_err(FormatError::from)
            .and_then(|note| Ok((Checkpoint::parse(note.unverified_text())?, note)));
        let (checkpoint, note) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return self.findings.add(CHECKPOINT_FORMAT, &at, error.to_string()),
        };
        if checkpoint.origin != generation.origin.heads() {
            let detail = Detail::unequal("it is of another log", generation.origin.heads(), shown(&checkpoint.origin));
            return self.findings.add(CHECKPOINT_ORIGIN, &at, detail);
        }
        if checkpoint.size != generation.next_n || checkpoint.size == 0 {
            let at = At { commit: Some(checkpoint.size.min(generation.next_n)), ..at };
            let detail = Detail::unequal("it signs another number of commits", generation.next_n, checkpoint.size);
            return self.findings.add(CHECKPOINT_SIZE, &at, detail);
        }
        let root = generation.head_log.root();
        if checkpoint.root != root && !generation.head_log_lost {
            let detail = Detail::unequal("the commits are not those it signs", checkpoint.root, root);
            self.findings.add(CHECKPOINT_ROOT, &at, detail);
        }
        let epoch = generation.last_leaf.and_then(|leaf| generation.epochs.get(&leaf.epoch));
        // Without a certificate it was said at the commit.
        let Some(epoch) = epoch else { return };
        match note.verify(&[&epoch.certificate.key]) {
            Err(error) => self.findings.add(CHECKPOINT_SIGNATURE, &at, error.to_string()),
            Ok(_) => {
                generation.checkpoint = Some(note.to_text());
                self.report.signatures += 1;
                if checkpoint.root == root {
                    self.report.sealed = self.report.entries;
                }
            }
        }
    }

    /// The head of a log as the records so far give it.
    pub fn head(&self, tenant_ref: &[u8; 16]) -> Option<TenantHead> {
        let generation = self.generation.as_ref()?;
        generation.by_ref.get(tenant_ref).map(|index| generation.logs[*index].head(Side::Claimed))
    }

    /// The head log of the generation, as the commits so far give it.
    pub fn head_log(&self) -> Option<&Frontier> {
        self.generation.as_ref().map(|generation| &generation.head_log)
    }

    /// Says what was found.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let last = self.generation.as_ref().map(|generation| generation.origin.clone());
        self.end_generation();
        if last.is_none() && !self.truncated {
            let at = At { place: self.place + 1, ..At::default() };
            self.findings.add(GENERATION_MISSING, &at, "there is nothing to verify");
        }
        self.kept.finish(last.as_ref().filter(|_| !self.truncated), self.place + 1, &mut self.findings);
        let ((remembered_count, remembered), (receipts_count, receipts)) =
            (self.kept.outcome(false), self.kept.outcome(true));
        let verdict = self.findings.verdict();
        let (findings, findings_omitted) = self.findings.take();
        let totals = self.report;
        let ok = verdict == Verdict::Ok;
        Report {
            verdict,
            findings,
            findings_omitted,
            completeness: if ok { Completeness::FullRange } else { Completeness::NotEstablished },
            root: self.root,
            origin: Some(self.origin.to_string()),
            log: None,
            generation: last.map(|last| last.generation()),
            generations: totals.generations,
            range: totals.range,
            entries: totals.entries,
            commits: totals.commits,
            logs: totals.logs,
            epochs: totals.epochs,
            signatures: totals.signatures + self.kept.signatures,
            unsealed_entries: totals.unsealed,
            first_time: totals.first_time,
            last_time: totals.last_time,
            remembered,
            remembered_count,
            receipts,
            receipts_count,
            checkpoint: totals.checkpoint.filter(|_| ok),
            verifier: VERIFIER,
        }
    }

    /// The records stop in the middle: the commit being read can't be judged, nor what would have come.
    pub(crate) fn truncate(&mut self) {
        self.truncated = true;
        self.kept.give_up();
        if let Some(generation) = &mut self.generation {
            generation.commit = None;
        }
        self.findings.add(BUNDLE_TRUNCATED, &At { place: self.place + 1, ..At::default() }, "there is no end record");
    }

    #[cfg_attr(feature = "testing", track_caller)]
    pub(crate) fn add_finding(&mut self, code: FindingCode, detail: Detail) {
        self.place += 1;
        self.findings.keep(code, &At { place: self.place, ..At::default() }, detail);
    }

    #[cfg_attr(feature = "testing", track_caller)]
    fn misplaced(&mut self, what: &str) {
        self.findings.keep(BUNDLE_RECORD, &At { place: self.place, ..At::default() }, what.into());
    }

    fn close_commit(&mut self) {
        let Some(generation) = &mut self.generation else { return };
        let Some(commit) = generation.close_commit(self.root_unknown, &mut self.findings) else { return };
        let size = commit.n.saturating_add(1);
        if !commit.skipped && self.kept.is_at(size) {
            let epoch = commit.leaf.and_then(|leaf| Some((leaf.epoch, generation.epochs.get(&leaf.epoch)?)));
            let epoch = epoch.map(|(number, epoch)| (number, epoch.certificate.key.clone()));
            let reached = Reached { root: generation.head_log.root(), epoch, place: commit.at().place };
            self.kept.reach(&generation.origin.heads(), size, &reached);
        }
    }

    fn end_generation(&mut self) {
        self.close_commit();
        let Some(mut generation) = self.generation.take() else { return };
        generation.settle_all(&mut self.findings);
        let at = At { place: self.place + 1, ..At::default() };
        if !generation.checkpoint_read && !self.truncated {
            self.findings.add(CHECKPOINT_MISSING, &at, format!("{} ends without one", generation.origin));
        }
        if generation.checkpoint.is_none() && self.findings.verdict() == Verdict::Ok && !self.truncated {
            // Every way here has its own finding. Should one be forgotten, nothing unsigned passes for verified.
            self.findings.add(CHECKPOINT_SIGNATURE, &at, "no checkpoint was verified");
        }
        let keys = generation.epochs.iter().map(|(number, epoch)| (*number, &epoch.certificate.key)).collect();
        let size = generation.next_n;
        self.kept.end_of_log(&generation.origin.heads(), size, at.place, &keys, &mut self.findings);
        self.report.unsealed += self.report.entries - self.report.sealed;
        self.report.sealed = self.report.entries;
        self.report.range = size.checked_sub(1).map(|last| Range { first: 0, last });
        self.report.logs += generation.logs.len() as u64;
        self.report.checkpoint = generation.checkpoint.take();
        let root = generation.head_log.root();
        self.ended = Some(Ended {
            head_log: (!generation.head_log_lost).then_some(PreviousGeneration { size, root }),
            tenants: generation.tenants(),
        });
    }
}

/// A head log's size and root, for a finding.
fn end_of(head_log: &PreviousGeneration) -> String {
    format!("{} commits with root {}", head_log.size, head_log.root)
}
