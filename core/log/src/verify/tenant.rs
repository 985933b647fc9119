//! The verifier of one log: its lines, and the proof that its head stood in the deployment's newest commit.
//!
//! What only `sys` can tell, that the epoch was opened and not closed, is for the verifier of the whole deployment.

use super::chain::{Link, LogChain, LogFindings, Side};
use super::memory::Memory;
use super::remembered::Kept;
use super::salvage::salvage;
use crate::checkpoint::Checkpoint;
use crate::commit::CommitLeaf;
use crate::epoch::EpochCertificate;
use crate::error::FormatError;
use crate::hash::{Hash, leaf_hash};
use crate::heads::{HEADS_LEAVES_MAX, HEADS_LEAVES_MIN, LogStatus, TenantHead};
use crate::line::{LineReason, parse_line};
use crate::note::{Note, NoteError};
use crate::origin::{LogOrigin, Origin, PreviousGeneration, genesis_hash};
use crate::proof::verify_inclusion;
use crate::report::*;
use crate::vkey::{RootKey, VerifyingKey};

/// Verifies one log's bundle, record by record, in the order of `docs/formats.md` §8; then [`TenantVerifier::finish`].
#[derive(Debug)]
pub struct TenantVerifier {
    first: Origin,
    root: String,
    root_key: Option<VerifyingKey>,
    kept: Kept,
    generation: Option<(Origin, Option<PreviousGeneration>)>,
    epoch: Option<EpochCertificate>,
    /// The certificate is there, however it looks.
    epoch_read: bool,
    log: Option<(u32, [u8; 16], LogOrigin)>,
    chain: LogChain,
    entries: u64,
    times: Option<(u64, u64)>,
    head: Option<(TenantHead, u64)>,
    heads_proof: Option<(u64, Vec<Hash>)>,
    commit: Option<CommitLeaf>,
    commit_read: bool,
    commit_proof: Option<Vec<Hash>>,
    checkpoint: Option<Vec<u8>>,
    place: u64,
    truncated: bool,
    findings: Findings,
}

impl TenantVerifier {
    /// Verifies one log of the deployment of this origin (in generation 1) against its root of trust, and against what was
    /// kept of it: a [`Memory`], or a checkpoint's note if there is one.
    pub fn new(origin: &Origin, root: &RootKey, memory: impl Into<Memory>) -> Self {
        Self::with_findings(origin, root, memory.into(), Findings::default())
    }

    pub(crate) fn with_findings(origin: &Origin, root: &RootKey, memory: Memory, mut findings: Findings) -> Self {
        let first = origin.at_generation(1);
        let root_key = root.for_origin(&first);
        if root_key.is_none() {
            findings.add(ROOT_KEY, &At::default(), "the root key given is another deployment's");
        }
        Self {
            kept: Kept::new(memory, &mut findings),
            root: root.to_string(),
            root_key,
            first,
            generation: None,
            epoch: None,
            epoch_read: false,
            log: None,
            chain: LogChain::default(),
            entries: 0,
            times: None,
            head: None,
            heads_proof: None,
            commit: None,
            commit_read: false,
            commit_proof: None,
            checkpoint: None,
            place: 0,
            truncated: false,
            findings,
        }
    }

    /// The generation the log is of, and what the one before ended with.
    pub fn generation(&mut self, k: u32, previous: Option<PreviousGeneration>) {
        self.place += 1;
        if self.generation.is_some() || k == 0 || (k == 1) != previous.is_none() {
            let at = self.at();
            self.findings.add(GENERATION, &at, format!("generation {k} is here twice or without what came before it"));
        }
        self.generation.get_or_insert((self.first.at_generation(k.max(1)), previous));
    }

    /// The certificate of the epoch that signs the checkpoint.
    pub fn epoch(&mut self, note: &[u8]) {
        self.place += 1;
        let at = self.at();
        let Some((origin, _)) = self.generation.as_ref().filter(|_| !self.epoch_read && self.log.is_none()) else {
            return self.misplaced("an epoch out of its place");
        };
        self.epoch_read = true;
        let Some(root_key) = &self.root_key else { return };
        match EpochCertificate::open(note, root_key, origin) {
            Ok(certificate) => self.epoch = Some(certificate),
            Err(FormatError::Note(NoteError::UnknownKey)) => {
                self.findings.add(ROOT_KEY, &at, "the certificate is signed by another key");
            }
            Err(FormatError::Note(error @ NoteError::BadSignature(_))) => {
                self.findings.add(EPOCH_SIGNATURE, &at, error.to_string());
            }
            Err(error) => self.findings.add(EPOCH_FORMAT, &at, error.to_string()),
        }
    }

    /// Whose log it is, and its position in the heads tree. Position 0 is `sys`.
    pub fn log(&mut self, position: u32, tenant_ref: [u8; 16]) {
        self.place += 1;
        let Some((origin, _)) = self.generation.as_ref().filter(|_| self.log.is_none()) else {
            return self.misplaced("a log out of its place");
        };
        let name = if position == 0 { origin.sys() } else { origin.tenant(&tenant_ref) };
        self.log = Some((position, tenant_ref, name));
    }

    /// A line of the log.
    pub fn line(&mut self, bytes: &[u8]) {
        self.place += 1;
        self.entries += 1;
        let (Some((_, _, log)), Some((_, previous)), None) = (&self.log, &self.generation, &self.head) else {
            return self.misplaced("a line out of its place");
        };
        let findings = &mut self.findings;
        let at = At { place: self.place, log: Some(log.as_str()), ..At::default() };
        let parsed = parse_line(bytes);
        let (name, mut link) = match &parsed {
            Ok(line) => {
                let (seq, prev, leaf) = (line.seq, line.prev, leaf_hash(bytes));
                (line.log, Link { seq, prev, leaf, place: self.place, commit: None, reported: false })
            }
            Err(error) => {
                let later = matches!(error.reason, LineReason::UnsupportedVersion(_));
                let code = if later { LINE_VERSION } else { LINE_FORMAT };
                let salvaged = salvage(bytes, self.place, None);
                let seq = salvaged.as_ref().map_or(self.chain.size(), |(_, link)| link.seq);
                findings.add(code, &At { seq: Some(seq), ..at.clone() }, error.to_string());
                let Some((name, link)) = salvaged else { return };
                (name, Link { reported: !later, ..link })
            }
        };
        if name != log.as_str() {
            let at = At { seq: Some(self.chain.size()), ..at };
            findings.add(LINE_ORIGIN, &at, "a line of another log stands here");
            return;
        }
        let mut first_by = None;
        if let Ok(line) = &parsed {
            let (first, last) = *self.times.get_or_insert((line.ts, line.ts));
            if line.ts < last {
                findings.add(
                    LINE_TIME,
                    &At { seq: Some(line.seq), ..at.clone() },
                    format!("its time is {}, after {last}", line.ts),
                );
                link.reported = true;
            }
            self.times = Some((first, last.max(line.ts)));
            first_by = Some(line.ep);
        }
        // The key of another epoch than the checkpoint's is not in the bundle; the tree covers the line all the same.
        let key = self.epoch.as_ref().filter(|epoch| self.chain.size() == 0 && Some(epoch.epoch) == first_by);
        let genesis = key.map(|epoch| genesis_hash(log, &epoch.key.public_key(), previous.as_ref()));
        let (seq, leaf) = (link.seq, link.leaf);
        if self.chain.follow(link, genesis, false, &mut LogFindings { log, findings }) {
            self.kept.line(name, seq, leaf, None, self.place);
        }
    }

    /// The log's head, after its last line.
    pub fn head(&mut self, size: u64, root: Hash, status: LogStatus) {
        self.place += 1;
        let (Some((_, tenant_ref, log)), None) = (&self.log, &self.head) else {
            return self.misplaced("a head out of its place");
        };
        let head = TenantHead { tenant_ref: *tenant_ref, size, root, status };
        let (chain, findings) = (&mut self.chain, &mut self.findings);
        let side =
            if chain.is_disputed() && chain.root(Side::Computed) == root { Side::Computed } else { Side::Claimed };
        chain.settle(side, &mut LogFindings { log, findings });
        let at = At { place: self.place, log: Some(log.as_str()), ..At::default() };
        if size != chain.size() {
            let at = At { seq: Some(size.min(chain.size())), ..at };
            findings.add(HEAD_SIZE, &at, Detail::unequal("it signs another number of lines", size, chain.size()));
        } else if chain.root(side) != root && !chain.is_lost() {
            // Every line but the last was vouched for by the next one.
            let last = chain.last();
            if !last.is_some_and(|(_, reported)| reported) {
                let detail = Detail::unequal("the lines are not those it signs", root, chain.root(side));
                findings.add(HEAD_ROOT, &At { seq: last.map(|(seq, _)| seq), ..at }, detail);
            }
        }
        self.head = Some((head, self.place));
    }

    /// The inclusion proof of the head in a heads tree of `tree_size` leaves.
    pub fn heads_proof(&mut self, tree_size: u64, proof: Vec<Hash>) {
        self.place += 1;
        if self.head.is_none() || self.heads_proof.replace((tree_size, proof)).is_some() {
            self.misplaced("a heads proof out of its place");
        }
    }

    /// The data of the head-log leaf that names the heads root.
    pub fn commit_leaf(&mut self, leaf: &[u8]) {
        self.place += 1;
        if self.heads_proof.is_none() || self.commit_read {
            return self.misplaced("a commit leaf out of its place");
        }
        self.commit_read = true;
        match CommitLeaf::from_bytes(leaf) {
            Ok(leaf) => self.commit = Some(leaf),
            Err(error) => {
                let at = self.at();
                self.findings.add(COMMIT_FORMAT, &at, error.to_string());
            }
        }
    }

    /// Its inclusion proof in the head log of the checkpoint.
    pub fn commit_proof(&mut self, proof: Vec<Hash>) {
        self.place += 1;
        if !self.commit_read || self.commit_proof.replace(proof).is_some() {
            self.misplaced("a commit proof out of its place");
        }
    }

    /// The checkpoint, signed by the epoch of its last commit.
    pub fn checkpoint(&mut self, note: &[u8]) {
        self.place += 1;
        if self.commit_proof.is_none() || self.checkpoint.replace(note.to_vec()).is_some() {
            self.misplaced("a checkpoint out of its place");
        }
    }

    /// Says what was found.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let checkpoint = if self.truncated { None } else { self.check_proofs() };
        if checkpoint.is_none() && self.findings.verdict() == Verdict::Ok {
            // Every way here has its own finding. Should one be forgotten, nothing unsigned passes for verified.
            let at = At { place: self.place + 1, ..At::default() };
            self.findings.add(CHECKPOINT_SIGNATURE, &at, "no checkpoint was verified");
        }
        let origin = self.generation.as_ref().map(|(origin, _)| origin);
        let at_end = self.place + 1;
        self.kept.finish(origin.filter(|_| !self.truncated), at_end, &mut self.findings);
        let ((remembered_count, remembered), (receipts_count, receipts)) =
            (self.kept.outcome(false), self.kept.outcome(true));
        let generation = origin.map(Origin::generation);
        let verdict = self.findings.verdict();
        let (findings, findings_omitted) = self.findings.take();
        let ok = verdict == Verdict::Ok;
        Report {
            verdict,
            findings,
            findings_omitted,
            completeness: if ok { Completeness::OneLog } else { Completeness::NotEstablished },
            root: self.root,
            origin: Some(self.first.to_string()),
            log: self.log.as_ref().map(|(_, _, log)| log.to_string()),
            generation,
            generations: generation.is_some().into(),
            range: self.chain.size().checked_sub(1).map(|last| Range { first: 0, last }),
            entries: self.entries,
            commits: self.commit_read.into(),
            logs: self.log.is_some().into(),
            epochs: self.epoch.is_some().into(),
            signatures: u64::from(self.epoch.is_some()) + u64::from(checkpoint.is_some()) + self.kept.signatures,
            unsealed_entries: if ok { 0 } else { self.entries },
            first_time: self.times.map(|(first, _)| first),
            last_time: self.times.map(|(_, last)| last),
            remembered,
            remembered_count,
            receipts,
            receipts_count,
            checkpoint: checkpoint.filter(|_| ok),
            verifier: VERIFIER,
        }
    }

    /// Head in heads tree, heads root in commit, commit last under the checkpoint, checkpoint signed by its epoch.
    fn check_proofs(&mut self) -> Option<String> {
        let at = At { place: self.place + 1, ..At::default() };
        let findings = &mut self.findings;
        for (there, record) in [
            (self.generation.is_some(), "generation"),
            (self.epoch_read, "epoch"),
            (self.log.is_some(), "log"),
            (self.head.is_some(), "head"),
            (self.heads_proof.is_some(), "heads-proof"),
            (self.commit_read, "commit-leaf"),
            (self.commit_proof.is_some(), "commit-proof"),
            (self.checkpoint.is_some(), "checkpoint"),
        ] {
            if !there {
                findings.add(RECORD_MISSING, &at, format!("there is no {record}"));
            }
        }
        let (origin, _) = self.generation.as_ref()?;
        let (position, _, log) = self.log.as_ref()?;
        let (head, head_place) = self.head.as_ref()?;
        let (tree_size, heads_proof) = self.heads_proof.as_ref()?;
        let leaf = self.commit.as_ref()?;
        let commit_proof = self.commit_proof.as_ref()?;
        let bytes = self.checkpoint.as_ref()?;

        let tree_size_max = u64::from(HEADS_LEAVES_MAX);
        let well_sized =
            tree_size.is_power_of_two() && (u64::from(HEADS_LEAVES_MIN)..=tree_size_max).contains(tree_size);
        let position_at = At { place: *head_place, log: Some(log.as_str()), ..At::default() };
        if !well_sized {
            findings.add(HEAD_PROOF, &position_at, format!("there is no heads tree of {tree_size} leaves"));
        } else if !verify_inclusion((*position).into(), *tree_size, &head.leaf(), heads_proof, &leaf.heads_root) {
            let detail = format!("it is not at position {position} of a heads tree of {tree_size} leaves");
            findings.add(HEAD_PROOF, &position_at, detail);
        }
        if let Some((_, last)) = self.times.filter(|(_, last)| *last > leaf.time) {
            let at = At { log: Some(log.as_str()), seq: self.chain.last().map(|(seq, _)| seq), ..at.clone() };
            findings.add(LINE_TIME, &at, format!("its last line is of {last}, after its commit's {}", leaf.time));
        }

        let note = match Note::parse(bytes) {
            Ok(note) => note,
            Err(error) => {
                findings.add(CHECKPOINT_FORMAT, &at, error.to_string());
                return None;
            }
        };
        let checkpoint = match Checkpoint::parse(note.unverified_text()) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                findings.add(CHECKPOINT_FORMAT, &at, error.to_string());
                return None;
            }
        };
        let at = At { commit: Some(leaf.n), ..at };
        if checkpoint.origin != origin.heads() {
            let detail = Detail::unequal("it is of another log", origin.heads(), shown(&checkpoint.origin));
            findings.add(CHECKPOINT_ORIGIN, &at, detail);
            return None;
        }
        // Only the last leaf says which epoch must have signed, and only its heads are the newest.
        let size = leaf.n.saturating_add(1);
        if size != checkpoint.size {
            findings.add(COMMIT_PROOF, &at, Detail::unequal("the checkpoint signs another end", size, checkpoint.size));
        } else if !verify_inclusion(leaf.n, checkpoint.size, &leaf.leaf(), commit_proof, &checkpoint.root) {
            findings.add(COMMIT_PROOF, &at, format!("it is not in the checkpoint of size {}", checkpoint.size));
        }
        let epoch = self.epoch.as_ref()?;
        if epoch.epoch != leaf.epoch {
            let detail = Detail::unequal("the certificate is of another epoch", leaf.epoch, epoch.epoch);
            findings.add(EPOCH_UNCERTIFIED, &at, detail);
            return None;
        }
        if !(epoch.opened..=epoch.hard_limit).contains(&leaf.time) {
            let detail = format!("epoch {} is for {} to {}", epoch.epoch, epoch.opened, epoch.hard_limit);
            findings.add(EPOCH_EXPIRED, &at, detail);
        }
        if let Err(error) = note.verify(&[&epoch.key]) {
            findings.add(CHECKPOINT_SIGNATURE, &at, error.to_string());
            return None;
        }
        self.kept.one_log(log.as_str(), &checkpoint, (epoch.epoch, &epoch.key), at.place, findings);
        Some(note.to_text())
    }

    /// The records stop before their end.
    pub(crate) fn truncate(&mut self) {
        self.truncated = true;
        self.kept.give_up();
        let at = At { place: self.place + 1, ..At::default() };
        self.findings.add(BUNDLE_TRUNCATED, &at, "there is no end record");
    }

    #[cfg_attr(feature = "testing", track_caller)]
    pub(crate) fn add_finding(&mut self, code: FindingCode, detail: Detail) {
        self.place += 1;
        let at = self.at();
        self.findings.keep(code, &at, detail);
    }

    fn at(&self) -> At<'static> {
        At { place: self.place, ..At::default() }
    }

    #[cfg_attr(feature = "testing", track_caller)]
    fn misplaced(&mut self, what: &str) {
        let at = self.at();
        self.findings.keep(BUNDLE_RECORD, &at, what.into());
    }
}
