//! The verifier of a whole deployment: every record from the first line to the newest checkpoint.

use super::chain::{Link, Side};
use super::generation::{Generation, OpenCommit};
use super::remembered::RememberedCheckpoint;
use super::salvage::salvage;
use crate::checkpoint::Checkpoint;
use crate::commit::CommitLeaf;
use crate::epoch::EpochCertificate;
use crate::error::FormatError;
use crate::hash::{Hash, leaf_hash};
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
    remembered: RememberedCheckpoint,
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
    first_time: Option<u64>,
    last_time: Option<u64>,
    checkpoint: Option<String>,
}

impl Verifier {
    /// Verifies the deployment of this origin (in generation 1) against its root of trust, and against a checkpoint
    /// note that was kept from before.
    pub fn new(origin: &Origin, root: &RootKey, remembered: Option<&[u8]>) -> Self {
        Self::with_findings(origin, root, remembered, Findings::default())
    }

    pub(crate) fn with_findings(
        origin: &Origin,
        root: &RootKey,
        remembered: Option<&[u8]>,
        mut findings: Findings,
    ) -> Self {
        let origin = origin.at_generation(1);
        let root_key = root.for_origin(&origin);
        if root_key.is_none() {
            findings.add(ROOT_KEY, &At::default(), "the root key given is another deployment's");
        }
        Self {
            remembered: RememberedCheckpoint::new(remembered, &mut findings),
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
            self.findings.add(code, &at, format!("expected generation {expected}, found {k}"));
        }
        match &self.ended {
            None if k == 1 && previous.is_some() => {
                self.findings.add(GENERATION, &at, "the first generation follows none");
            }
            Some(ended) if ended.head_log.is_some() && previous != ended.head_log => {
                self.findings.add(GENERATION, &at, "it names another end of the generation before than that has");
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
        if *self.deployment.get_or_insert(certificate.deployment) != certificate.deployment {
            self.findings.add(EPOCH_FORMAT, &at, "it is another deployment's than the certificate before");
        }
        if generation.epochs.contains_key(&certificate.epoch) {
            return self.findings.add(
                EPOCH_DUPLICATE,
                &at,
                format!("epoch {} was certified before", certificate.epoch),
            );
        }
        let head_log = &generation.head_log;
        let seen = (certificate.seen_size, certificate.seen_root);
        let known = generation.head_log_lost || seen == (head_log.size(), head_log.root());
        if !known {
            let detail = format!("epoch {} saw {} commits with root {}", certificate.epoch, seen.0, seen.1);
            self.findings.add(EPOCH_SEEN, &at, detail);
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
                None => true,
            };
            if !expected {
                let at = At { place: self.place, ..At::default() };
                let detail = "it does not start with sys alone, or with the tenants the generation before ended with";
                self.findings.add(TENANT_SET, &at, detail);
            }
            generation.start(self.place, &mut self.findings);
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
                    self.findings.add(COMMIT_SEQ, &open.at(), format!("found commit {}", leaf.n));
                    if leaf.n > open.n {
                        generation.renumbered = Some(open.n + 1);
                        generation.head_log_lost = true;
                        generation.counts_lost = true;
                        open.n = leaf.n;
                    } else {
                        open.skipped = true;
                    }
                }
                if generation.last_leaf.is_some_and(|last| leaf.time < last.time) && !open.skipped {
                    self.findings.add(COMMIT_TIME, &open.at(), format!("its time is {}", leaf.time));
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
                let link =
                    Link { seq: line.seq, prev: line.prev, leaf: leaf_hash(bytes), place, commit: n, reported: false };
                (line.log, link)
            }
            Err(error) => {
                let later = matches!(error.reason, LineReason::UnsupportedVersion(_));
                let code = if later { LINE_VERSION } else { LINE_FORMAT };
                let salvaged =
                    salvage(bytes, self.place, n).filter(|(name, _)| generation.origin.log_of(name).is_some());
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
                findings.add(LINE_EPOCH, &at, format!("it names epoch {}, and its commit {}", line.ep, leaf.epoch));
                link.reported = true;
            }
            if line.ts != leaf.time {
                findings.add(LINE_TIME, &at, format!("its time is {}, and its commit's {}", line.ts, leaf.time));
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
        let origin = &log.origin;
        let taken = log.chain.follow(link, genesis, confirmed, &mut |found| {
            let at = At {
                place: found.place,
                log: Some(origin.as_str()),
                seq: Some(found.seq),
                commit: Some(found.commit),
                ..At::default()
            };
            findings.add(found.code, &at, found.detail);
        });
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
            return self.findings.add(CHECKPOINT_ORIGIN, &at, format!("expected {}", generation.origin.heads()));
        }
        if checkpoint.size != generation.next_n || checkpoint.size == 0 {
            let at = At { commit: Some(checkpoint.size.min(generation.next_n)), ..at };
            let detail = format!("it signs {} commits, and there are {}", checkpoint.size, generation.next_n);
            return self.findings.add(CHECKPOINT_SIZE, &at, detail);
        }
        if checkpoint.root != generation.head_log.root() && !generation.head_log_lost {
            let detail = format!("it signs {}, and the commits give {}", checkpoint.root, generation.head_log.root());
            self.findings.add(CHECKPOINT_ROOT, &at, detail);
        }
        let epoch = generation.last_leaf.and_then(|leaf| generation.epochs.get(&leaf.epoch));
        // Without a certificate it was said at the commit.
        let Some(epoch) = epoch else { return };
        match note.verify(&[&epoch.certificate.key]) {
            Err(error) => self.findings.add(CHECKPOINT_SIGNATURE, &at, error.to_string()),
            Ok(_) => generation.checkpoint = Some(note.to_text()),
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
        let remembered = self.remembered.finish(last.as_ref(), self.place + 1, &mut self.findings);
        let verdict = self.findings.verdict();
        let (findings, findings_omitted) = self.findings.take();
        let Totals { generations, entries, commits, logs, epochs, first_time, last_time, checkpoint } = self.report;
        let ok = verdict == Verdict::Ok;
        Report {
            verdict,
            findings,
            findings_omitted,
            completeness: if ok { Completeness::FullRange } else { Completeness::NotEstablished },
            root: self.root,
            origin: Some(self.origin.to_string()),
            log: None,
            generations,
            entries,
            commits,
            logs,
            epochs,
            first_time,
            last_time,
            remembered,
            checkpoint: checkpoint.filter(|_| ok),
        }
    }

    /// The records stop in the middle: the commit being read can't be judged, nor what would have come.
    pub(crate) fn truncate(&mut self) {
        self.truncated = true;
        self.remembered.give_up();
        if let Some(generation) = &mut self.generation {
            generation.commit = None;
        }
        self.findings.add(BUNDLE_TRUNCATED, &At { place: self.place + 1, ..At::default() }, "there is no end record");
    }

    pub(crate) fn add_finding(&mut self, code: FindingCode, detail: String) {
        self.place += 1;
        self.findings.add(code, &At { place: self.place, ..At::default() }, detail);
    }

    fn misplaced(&mut self, what: &str) {
        self.findings.add(BUNDLE_RECORD, &At { place: self.place, ..At::default() }, what);
    }

    fn close_commit(&mut self) {
        let Some(generation) = &mut self.generation else { return };
        let Some(commit) = generation.close_commit(self.root_unknown, &mut self.findings) else { return };
        if !commit.skipped && self.remembered.is_at(&generation.origin.heads(), commit.n.saturating_add(1)) {
            let epoch = commit.leaf.and_then(|leaf| generation.epochs.get(&leaf.epoch));
            let key = epoch.map(|epoch| &epoch.certificate.key);
            self.remembered.reach(generation.head_log.root(), key, commit.at().place);
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
        let keys: Vec<_> = generation.epochs.values().map(|epoch| &epoch.certificate.key).collect();
        let size = generation.next_n;
        self.remembered.end_of_log(&generation.origin.heads(), size, at.place, &keys, &mut self.findings);
        self.report.logs += generation.logs.len() as u64;
        self.report.checkpoint = generation.checkpoint.take();
        let root: Hash = generation.head_log.root();
        self.ended = Some(Ended {
            head_log: (!generation.head_log_lost).then_some(PreviousGeneration { size, root }),
            tenants: generation.tenants(),
        });
    }
}
