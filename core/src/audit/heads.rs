//! The heads of all logs, as one process holds them in memory: where each log's next line goes.
//!
//! They are believed only inside the transaction that holds the head row ([`super::sequencer`]).

use std::collections::{BTreeSet, HashMap};

use strongroom_log::{
    Frontier, Hash, HeadsTree, LineTemplate, LogOrigin, LogStatus, Origin, PreviousGeneration, TenantHead,
    genesis_hash, leaf_hash,
};

use super::epoch::internal;
use crate::{
    Code, Error, Result,
    clock::Timestamp,
    id::TenantRef,
    quota::day_of,
    store::{GenerationRow, Growth, HeadRow, LineRow, LogHeadRow, Snapshot, TenantNumber, Usage},
};

/// The heads, as they were after the last commit that this process saw.
pub(super) struct State {
    pub(super) head: HeadRow,
    pub(super) frontier: Frontier,
    pub(super) logs: HashMap<TenantNumber, Log>,
    pub(super) heads: HeadsTree,
    pub(super) previous: Option<PreviousGeneration>,
}

pub(super) struct Log {
    pub(super) tenant: TenantRef,
    pub(super) origin: LogOrigin,
    pub(super) frontier: Frontier,
    pub(super) prev: Option<Hash>,
    pub(super) time: u64,
    pub(super) status: LogStatus,
    pub(super) usage: Usage,
}

/// Where a commit's lines go.
pub(super) struct Place {
    pub(super) epoch: u32,
    pub(super) key: [u8; 32],
    pub(super) time: Timestamp,
}

/// Where a line went.
pub(super) struct Placed {
    pub(super) origin: String,
    pub(super) seq: u64,
    pub(super) leaf: Hash,
}

/// What a commit adds.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<LineRow>,
    pub(super) changed: BTreeSet<TenantNumber>,
}

impl State {
    /// Reads all heads.
    pub(super) fn read(snapshot: &mut dyn Snapshot, head: HeadRow, origin: &Origin) -> Result<Self> {
        let mut logs = HashMap::new();
        let mut leaves = Vec::new();
        for row in snapshot.log_heads()? {
            let log = Log::read(&row, origin)?;
            leaves.push((row.tenant.0, log.leaf()));
            logs.insert(row.tenant, log);
        }
        let generation = snapshot
            .generations()?
            .pop()
            .filter(|generation| generation.number == head.generation)
            .ok_or_else(|| damaged("the generation is missing"))?;
        Ok(Self {
            frontier: read_frontier(&head.frontier)?,
            heads: HeadsTree::from_leaves(&leaves).map_err(|_| damaged("the heads tree"))?,
            previous: previous(&generation),
            logs,
            head,
        })
    }

    /// Notes by how much a tenant has more in store, or less.
    pub(super) fn grow(&mut self, batch: &mut Batch, tenant: TenantNumber, by: Growth) {
        if let Some(log) = self.logs.get_mut(&tenant) {
            log.usage.secrets = log.usage.secrets.saturating_add_signed(by.secrets);
            log.usage.bytes = log.usage.bytes.saturating_add_signed(by.bytes);
            batch.changed.insert(tenant);
        }
    }

    /// Gives a line its place in its log.
    pub(super) fn append(
        &mut self,
        batch: &mut Batch,
        place: &Place,
        tenant: TenantNumber,
        line: &LineTemplate,
    ) -> Result<Placed> {
        let previous = self.previous.as_ref();
        let log = self.logs.get_mut(&tenant).ok_or_else(|| damaged("a log's head is missing"))?;
        let seq = log.frontier.size();
        let prev = log.prev.unwrap_or_else(|| genesis_hash(&log.origin, &place.key, previous));
        let mut bytes = Vec::new();
        line.splice(place.epoch, &prev, seq, place.time.0, &mut bytes).map_err(internal)?;
        let leaf = leaf_hash(&bytes);
        log.frontier.append(leaf);
        log.prev = Some(leaf);
        log.time = place.time.0;
        log.usage.add_line(day_of(place.time), bytes.len());
        self.head.last_seq += 1;
        self.head.lines += 1;
        batch.lines.push(LineRow { seq: self.head.last_seq, tenant, log_seq: seq, line: bytes });
        batch.changed.insert(tenant);
        Ok(Placed { origin: log.origin.as_str().to_owned(), seq, leaf })
    }
}

impl Log {
    pub(super) fn new(number: TenantNumber, tenant: TenantRef, origin: &Origin) -> Self {
        Self {
            tenant,
            origin: log_origin(number, tenant, origin),
            frontier: Frontier::new(),
            prev: None,
            time: 0,
            status: LogStatus::Open,
            usage: Usage::default(),
        }
    }

    pub(super) fn read(row: &LogHeadRow, origin: &Origin) -> Result<Self> {
        let frontier = read_frontier(&row.frontier)?;
        let prev = if row.prev.is_empty() {
            None
        } else {
            Some(Hash::from_slice(&row.prev).ok_or_else(|| damaged("a log's last hash"))?)
        };
        if frontier.size() != row.size || prev.is_some() != (row.size > 0) {
            return Err(damaged("a log's head"));
        }
        Ok(Self {
            tenant: row.tenant_ref,
            origin: log_origin(row.tenant, row.tenant_ref, origin),
            frontier,
            prev,
            time: row.time,
            status: LogStatus::from_code(row.status).ok_or_else(|| damaged("a log's status"))?,
            usage: row.usage,
        })
    }

    pub(super) fn row(&self, tenant: TenantNumber) -> LogHeadRow {
        LogHeadRow {
            tenant,
            tenant_ref: self.tenant,
            size: self.frontier.size(),
            frontier: self.frontier.to_bytes(),
            prev: self.prev.map(|hash| hash.as_bytes().to_vec()).unwrap_or_default(),
            time: self.time,
            status: self.status.code(),
            usage: self.usage,
        }
    }

    pub(super) fn leaf(&self) -> Hash {
        TenantHead {
            tenant_ref: *self.tenant.as_bytes(),
            size: self.frontier.size(),
            root: self.frontier.root(),
            status: self.status,
        }
        .leaf()
    }
}

/// The name of a tenant's log, or of `sys`.
pub(crate) fn log_origin(number: TenantNumber, tenant: TenantRef, origin: &Origin) -> LogOrigin {
    if number == TenantNumber::SYS { origin.sys() } else { origin.tenant(tenant.as_bytes()) }
}

pub(super) fn previous(generation: &GenerationRow) -> Option<PreviousGeneration> {
    generation.previous_root.map(|root| PreviousGeneration { size: generation.previous_size, root: Hash::from(root) })
}

pub(crate) fn read_frontier(bytes: &[u8]) -> Result<Frontier> {
    Frontier::from_bytes(bytes).map_err(|_| damaged("a frontier"))
}

pub(super) fn damaged(what: &'static str) -> Error {
    Error::new(Code::StoreDamaged).detail(what)
}
