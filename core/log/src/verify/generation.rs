//! One generation of a deployment's log, replayed: its logs, its heads, its head log, its epochs.

use super::chain::{LogChain, LogFindings, Side};
use crate::commit::{CommitLeaf, stats_hash};
use crate::epoch::{EpochCertificate, EpochFingerprint};
use crate::hash::Hash;
use crate::heads::{HeadsTree, LogStatus, TenantHead};
use crate::line::{Line, Phase};
use crate::origin::{LogOrigin, Origin, PreviousGeneration};
use crate::report::*;
use crate::tree::Frontier;
use std::collections::HashMap;

/// A log and its place among the heads.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) tenant_ref: [u8; 16],
    pub(super) position: u32,
    pub(super) status: LogStatus,
    pub(super) origin: LogOrigin,
    pub(super) chain: LogChain,
    /// In the commit being read, its head changes.
    touched: bool,
}

#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) certificate: EpochCertificate,
    fingerprint: EpochFingerprint,
    opened_by: Option<u64>,
    closed_by: Option<u64>,
    /// Something is wrong with how it is used, which is said once.
    reported: bool,
}

/// The commit whose lines are being read.
#[derive(Debug)]
pub(super) struct OpenCommit {
    /// `None` if malformed: then there is nothing to hold its lines against.
    pub(super) leaf: Option<CommitLeaf>,
    pub(super) n: u64,
    pub(super) blind: [u8; 16],
    pub(super) place: u64,
    pub(super) lines: u64,
    /// Out of order: reported, and its lines with it.
    pub(super) skipped: bool,
}

#[derive(Debug)]
pub(super) struct Generation {
    pub(super) origin: Origin,
    pub(super) previous: Option<PreviousGeneration>,
    pub(super) starting: Vec<(u32, [u8; 16], LogStatus)>,
    pub(super) started: bool,
    /// A certificate was there, however it looked: the generation's tenants come before.
    pub(super) epoch_read: bool,
    /// `sys` is the first.
    pub(super) logs: Vec<Log>,
    pub(super) by_ref: HashMap<[u8; 16], usize>,
    heads: HeadsTree,
    pub(super) head_log: Frontier,
    /// The number the next commit must have; the head log's size unless commits were lost.
    pub(super) next_n: u64,
    pub(super) head_log_lost: bool,
    pub(super) epochs: HashMap<u32, Epoch>,
    pub(super) commit: Option<OpenCommit>,
    pub(super) last_leaf: Option<CommitLeaf>,
    touched: Vec<usize>,
    lines: u64,
    /// A commit's number was wrong: the number the next has if only that was changed.
    pub(super) renumbered: Option<u64>,
    /// Lines or tenants were lost, so the counts are off.
    pub(super) counts_lost: bool,
    stats_ok: bool,
    heads_ok: bool,
    /// Commits below this have a heads root that matched.
    confirmed: u64,
    pub(super) checkpoint: Option<String>,
    /// The bundle said so, right or wrong: nothing follows.
    pub(super) checkpoint_read: bool,
}

impl Generation {
    pub(super) fn new(origin: Origin, previous: Option<PreviousGeneration>) -> Self {
        Self {
            origin,
            previous,
            starting: Vec::new(),
            started: false,
            epoch_read: false,
            logs: Vec::new(),
            by_ref: HashMap::new(),
            heads: HeadsTree::new(),
            head_log: Frontier::new(),
            next_n: 0,
            head_log_lost: false,
            renumbered: None,
            epochs: HashMap::new(),
            commit: None,
            last_leaf: None,
            touched: Vec::new(),
            lines: 0,
            counts_lost: false,
            stats_ok: true,
            heads_ok: true,
            confirmed: 0,
            checkpoint: None,
            checkpoint_read: false,
        }
    }

    /// Builds the heads tree the generation starts with. False if what was read is none: `sys` is at position 0, and no
    /// tenant and no position is there twice or beyond the tree.
    #[must_use]
    pub(super) fn start(&mut self) -> bool {
        self.started = true;
        let mut is_tree = true;
        self.starting.sort_by_key(|(position, ..)| *position);
        if self.starting.first().is_none_or(|(position, ..)| *position != 0) {
            is_tree = false;
            self.starting.insert(0, (0, [0; 16], LogStatus::Open));
        }
        let mut leaves = Vec::with_capacity(self.starting.len());
        for (position, tenant_ref, status) in std::mem::take(&mut self.starting) {
            if self.by_ref.contains_key(&tenant_ref) {
                is_tree = false;
                continue;
            }
            leaves.push((position, self.add_log(position, tenant_ref, status)));
        }
        match HeadsTree::from_leaves(&leaves) {
            Ok(heads) => self.heads = heads,
            Err(_) => is_tree = false,
        }
        is_tree
    }

    /// Adds an empty log and returns the leaf of its head.
    fn add_log(&mut self, position: u32, tenant_ref: [u8; 16], status: LogStatus) -> Hash {
        let origin = if position == 0 { self.origin.sys() } else { self.origin.tenant(&tenant_ref) };
        self.by_ref.insert(tenant_ref, self.logs.len());
        let log = Log { tenant_ref, position, status, origin, chain: LogChain::default(), touched: false };
        let leaf = log.head(Side::Claimed).leaf();
        self.logs.push(log);
        leaf
    }

    pub(super) fn touch(&mut self, index: usize) {
        let log = &mut self.logs[index];
        if !log.touched {
            log.touched = true;
            self.touched.push(index);
        }
    }

    /// Whether a signed heads root has confirmed the newest line of a log.
    pub(super) fn is_confirmed(&self, index: usize) -> bool {
        self.logs[index].chain.last_commit().is_some_and(|commit| commit < self.confirmed)
    }

    /// What a line of `sys` changes. Refused lines and intents change nothing.
    pub(super) fn explain(&mut self, line: &Line<'_>, at: &At<'_>, root_unknown: bool, findings: &mut Findings) {
        if !line.ok || line.ph != Phase::Result {
            return;
        }
        match line.act {
            "tenant.create" => {
                if let Err(why) = self.create_tenant(line) {
                    findings.add(TENANT_SET, at, why);
                }
            }
            "tenant.close" => {
                let id = line.obj.filter(|obj| obj.kind == "tenant").map(|obj| obj.id_bytes());
                match id.and_then(|id| self.by_ref.get(&id).copied()) {
                    Some(index) if index != 0 => {
                        self.logs[index].status = LogStatus::Closed;
                        self.touch(index);
                    }
                    _ => findings.add(TENANT_SET, at, "it closes no tenant there is"),
                }
            }
            "epoch.open" | "epoch.close" if !root_unknown => {
                let commit = at.commit.unwrap_or(0);
                let obj = line.obj.filter(|obj| obj.kind == "epoch");
                let epoch = obj.and_then(|obj| {
                    let number = u32::try_from(obj.version?).ok()?;
                    self.epochs.get_mut(&number).filter(|epoch| epoch.fingerprint.id() == obj.id_bytes())
                });
                let opens = line.act == "epoch.open";
                match epoch {
                    None => findings.add(EPOCH_UNCERTIFIED, at, format!("{} names no certificate before it", line.act)),
                    Some(epoch) if opens && line.det != Some(&*epoch.fingerprint.hash().to_string()) => {
                        findings.add(EPOCH_UNCERTIFIED, at, "it carries another hash than the certificate's");
                    }
                    Some(epoch) if opens && epoch.opened_by.is_some() => {
                        findings.add(EPOCH_DUPLICATE, at, "the epoch was opened before");
                    }
                    Some(epoch) if opens => epoch.opened_by = Some(commit),
                    Some(epoch) => {
                        epoch.closed_by.get_or_insert(commit);
                    }
                }
            }
            _ => {}
        }
    }

    fn create_tenant(&mut self, line: &Line<'_>) -> Result<(), &'static str> {
        let obj = line.obj.filter(|obj| obj.kind == "tenant").ok_or("it creates no tenant")?;
        let position = line.pos.ok_or("it names no position")?;
        let tenant_ref = obj.id_bytes();
        if self.by_ref.contains_key(&tenant_ref) {
            return Err("the tenant was there before");
        }
        if !self.heads.is_free(position) {
            return Err("the position was in use before");
        }
        if position >= self.heads.position_limit() {
            return Err("the position is beyond the tree");
        }
        let leaf = self.add_log(position, tenant_ref, LogStatus::Open);
        self.heads.set(position, leaf).map_err(|_| "the position is beyond the tree")?;
        self.touch(self.logs.len() - 1);
        Ok(())
    }

    /// Registers a certificate that the root key signed.
    pub(super) fn add_epoch(&mut self, certificate: EpochCertificate, note: &[u8]) {
        let fingerprint = EpochFingerprint::of(note);
        let epoch = Epoch { fingerprint, opened_by: None, closed_by: None, reported: false, certificate };
        self.epochs.insert(epoch.certificate.epoch, epoch);
    }

    /// Holds the commit against the lines it wrote, once they have all been read.
    pub(super) fn close_commit(&mut self, root_unknown: bool, findings: &mut Findings) -> Option<OpenCommit> {
        let commit = self.commit.take()?;
        let mut touched = std::mem::take(&mut self.touched);
        for index in &touched {
            self.logs[*index].touched = false;
        }
        if !commit.skipped {
            self.lines += commit.lines;
            if commit.lines == 0 {
                findings.add(COMMIT_EMPTY, &commit.at(), "no line follows it");
            }
            self.last_leaf = commit.leaf;
            match commit.leaf {
                None => self.set_heads(&touched, Side::Claimed),
                Some(leaf) => {
                    let counted = self.counts_match(&commit, &leaf);
                    self.check_heads(&commit, &leaf, &touched, counted, findings);
                    self.check_stats(&commit, counted, findings);
                    if !root_unknown {
                        self.check_epoch(&commit, &leaf, findings);
                    }
                }
            }
        }
        touched.clear();
        self.touched = touched;
        Some(commit)
    }

    fn check_heads(
        &mut self,
        commit: &OpenCommit,
        leaf: &CommitLeaf,
        touched: &[usize],
        counted: bool,
        findings: &mut Findings,
    ) {
        self.set_heads(touched, Side::Claimed);
        let mut matches = self.heads.root() == leaf.heads_root;
        let mut side = Side::Claimed;
        let disputed = touched.iter().any(|index| self.logs[*index].chain.is_disputed());
        if !matches && disputed {
            side = Side::Computed;
            self.set_heads(touched, side);
            matches = self.heads.root() == leaf.heads_root;
            if !matches {
                self.set_heads(touched, Side::Claimed);
            }
        }
        if matches {
            self.confirmed = commit.n.saturating_add(1);
            if disputed {
                for index in touched {
                    settle(&mut self.logs[*index], side, findings);
                }
            }
        } else if self.heads_ok && !self.logs.iter().any(|log| log.chain.is_lost()) {
            // One log touched, and no line missing: then it is its last line, the only one no other has vouched for.
            let written = |index: &&usize| self.logs[**index].chain.last_commit() == Some(commit.n);
            let mut written = touched.iter().filter(written).map(|index| &self.logs[*index]);
            let only = written.next().filter(|_| counted && written.next().is_none());
            let last = only.and_then(|log| log.chain.last());
            if !last.is_some_and(|(_, reported)| reported) {
                let at = At { log: only.map(|log| log.origin.as_str()), seq: last.map(|(seq, _)| seq), ..commit.at() };
                let detail =
                    Detail::unequal("the lines up to here give other heads", leaf.heads_root, self.heads.root());
                findings.add(COMMIT_HEADS, &at, detail);
            }
        }
        self.heads_ok = matches;
    }

    fn set_heads(&mut self, touched: &[usize], side: Side) {
        let leaf = |index: &usize| {
            let log = &self.logs[*index];
            (log.position, log.head(side).leaf())
        };
        let leaves: Vec<_> = touched.iter().map(leaf).collect();
        // A position beyond the tree was refused, and reported, when its log was added: no root matches after that.
        let _ = self.heads.set_many(&leaves);
    }

    fn counts_match(&self, commit: &OpenCommit, leaf: &CommitLeaf) -> bool {
        stats_hash(&commit.blind, self.logs.len() as u64, self.lines) == leaf.stats
    }

    fn check_stats(&mut self, commit: &OpenCommit, counted: bool, findings: &mut Findings) {
        if !counted && self.stats_ok && !self.counts_lost {
            let detail = format!("it does not count {} tenants and {} lines", self.logs.len(), self.lines);
            findings.add(COMMIT_STATS, &commit.at(), detail);
        }
        self.stats_ok = counted;
    }

    fn check_epoch(&mut self, commit: &OpenCommit, leaf: &CommitLeaf, findings: &mut Findings) {
        let n = commit.n;
        let Some(epoch) = self.epochs.get_mut(&leaf.epoch) else {
            findings.add(EPOCH_UNCERTIFIED, &commit.at(), format!("epoch {}", leaf.epoch));
            return;
        };
        let EpochCertificate { opened, hard_limit, .. } = epoch.certificate;
        let (code, detail) = if epoch.opened_by.is_none_or(|by| by > n) {
            (EPOCH_UNOPENED, format!("epoch {} has no epoch.open up to here", leaf.epoch))
        } else if let Some(by) = epoch.closed_by.filter(|by| *by < n) {
            (EPOCH_CLOSED, format!("epoch {} was closed by commit {by}", leaf.epoch))
        } else if !(opened..=hard_limit).contains(&leaf.time) {
            (EPOCH_EXPIRED, format!("epoch {} is for {opened} to {hard_limit}, and it is {}", leaf.epoch, leaf.time))
        } else {
            return;
        };
        if !std::mem::replace(&mut epoch.reported, true) {
            findings.add(code, &commit.at(), detail);
        }
    }

    /// Nothing more comes: whatever no line or root has decided is decided in the lines' favour.
    pub(super) fn settle_all(&mut self, findings: &mut Findings) {
        for log in &mut self.logs {
            settle(log, Side::Claimed, findings);
        }
    }

    /// The positions, refs and states with which the next generation must start.
    pub(super) fn tenants(&self) -> Vec<(u32, [u8; 16], LogStatus)> {
        let mut tenants: Vec<_> = self.logs.iter().map(|log| (log.position, log.tenant_ref, log.status)).collect();
        tenants.sort_by_key(|(position, ..)| *position);
        tenants
    }
}

impl Log {
    pub(super) fn head(&self, side: Side) -> TenantHead {
        let Self { tenant_ref, status, .. } = *self;
        TenantHead { tenant_ref, size: self.chain.size(), root: self.chain.root(side), status }
    }
}

impl OpenCommit {
    pub(super) fn at(&self) -> At<'static> {
        At { place: self.place + self.lines, after_lines: true, commit: Some(self.n), ..At::default() }
    }
}

fn settle(log: &mut Log, side: Side, findings: &mut Findings) {
    log.chain.settle(side, &mut LogFindings { log: &log.origin, findings });
}
