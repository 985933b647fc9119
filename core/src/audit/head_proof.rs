//! That a log's head stood in the newest commit: what an export ends with, and what a proof of one line rests on.
//!
//! It is put together from what is stored, unchecked: whoever is given it verifies it. Of the head log, only the
//! commits are read that its frontier leaves open, on average as many as its size has binary digits. The heads tree is
//! built from the heads of all logs.

use strongroom_log::{
    CommitLeaf, Frontier, Hash, HeadsTree, InclusionProver, LogStatus, PreviousGeneration, TenantHead, TenantProof,
};

use super::heads::{damaged, previous, read_frontier};
use crate::{
    Result,
    store::{LogHeadRow, Snapshot, TenantNumber},
};

/// Commits read at a time.
const COMMITS_READ: usize = 1_024;

/// The head of one log, and its way to the newest checkpoint.
pub(super) struct HeadProof {
    pub(super) generation: u32,
    pub(super) previous: Option<PreviousGeneration>,
    /// Of the epoch that signed the checkpoint.
    pub(super) certificate: Vec<u8>,
    /// Of the log.
    pub(super) frontier: Frontier,
    head: TenantHead,
    heads_size: u32,
    heads_proof: Vec<Hash>,
    commit: CommitLeaf,
    commit_proof: Vec<Hash>,
    checkpoint: Vec<u8>,
}

impl HeadProof {
    pub(super) fn read(snapshot: &mut dyn Snapshot, number: TenantNumber) -> Result<Self> {
        let head = snapshot.head()?.ok_or_else(|| damaged("the head"))?;
        let generation = snapshot
            .generations()?
            .pop()
            .filter(|generation| generation.number == head.generation)
            .ok_or_else(|| damaged("the generation"))?;
        let epoch = snapshot
            .epochs(head.epoch.saturating_sub(1), 1)?
            .pop()
            .filter(|epoch| epoch.id == head.epoch)
            .ok_or_else(|| damaged("the epoch of the checkpoint"))?;
        let mut leaves = Vec::new();
        let mut own = None;
        for row in snapshot.log_heads()? {
            let log_head = head_of(&row).ok_or_else(|| damaged("a log's head"))?;
            leaves.push((row.tenant.0, log_head.leaf()));
            if row.tenant == number {
                own = Some((log_head, read_frontier(&row.frontier)?));
            }
        }
        let (own, frontier) = own.ok_or_else(|| damaged("the log's head"))?;
        let heads = HeadsTree::from_leaves(&leaves).map_err(|_| damaged("the heads tree"))?;
        let (commit, commit_proof) = last_commit(snapshot, generation.after_commit, &read_frontier(&head.frontier)?)?;
        Ok(Self {
            generation: head.generation,
            previous: previous(&generation),
            certificate: epoch.certificate,
            frontier,
            head: own,
            heads_size: heads.size(),
            heads_proof: heads.proof(number.0),
            commit,
            commit_proof,
            checkpoint: head.checkpoint,
        })
    }

    pub(super) fn as_proof(&self) -> TenantProof<'_> {
        TenantProof {
            head: self.head,
            heads_size: self.heads_size,
            heads_proof: &self.heads_proof,
            commit: self.commit,
            commit_proof: &self.commit_proof,
            checkpoint: &self.checkpoint,
        }
    }
}

/// The last leaf of the head log whose commits come after this number, and its inclusion proof.
fn last_commit(snapshot: &mut dyn Snapshot, after: u64, head_log: &Frontier) -> Result<(CommitLeaf, Vec<Hash>)> {
    let missing = || damaged("the head log");
    let last = head_log.size().checked_sub(1).ok_or_else(missing)?;
    let mut prover = InclusionProver::new(head_log, last).ok_or_else(missing)?;
    let (mut next, end) = (prover.leaves().start, prover.leaves().end);
    let mut leaf = None;
    while next < end {
        let limit = usize::try_from(end - next).map_or(COMMITS_READ, |left| left.min(COMMITS_READ));
        let rows = snapshot.commits(after + next, limit)?;
        if rows.is_empty() {
            return Err(missing());
        }
        for row in &rows {
            let commit = CommitLeaf::from_bytes(&row.leaf).map_err(|_| missing())?;
            prover.append(commit.leaf());
            leaf = Some(commit);
        }
        next += rows.len() as u64;
    }
    Ok((leaf.ok_or_else(missing)?, prover.finish().map_err(|_| missing())?))
}

/// What a stored head says of its log.
pub(super) fn head_of(row: &LogHeadRow) -> Option<TenantHead> {
    let frontier = Frontier::from_bytes(&row.frontier).ok()?;
    Some(TenantHead {
        tenant_ref: *row.tenant_ref.as_bytes(),
        size: frontier.size(),
        root: frontier.root(),
        status: LogStatus::from_code(row.status)?,
    })
}
