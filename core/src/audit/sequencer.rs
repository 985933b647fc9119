//! The sequencer: gives each line its place, and signs the whole once per commit.
//!
//! It keeps the heads of all logs in memory and trusts them only inside the transaction that holds the
//! head row: if another process moved the head meanwhile, what changed is read again and the lines
//! are spliced onto that. If anything fails, what is in memory is thrown away and read afresh.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use strongroom_log::{
    Checkpoint, CommitLeaf, Frontier, Hash, HeadsTree, LineTemplate, LogStatus, Origin, sign_note, stats_hash,
};

use super::{
    Receipt, Write, Written,
    epoch::{self, Epoch, Opening, internal},
    heads::{Batch, Log, Place, Placed, State, damaged, previous, read_frontier},
};
use crate::{
    Code, Error, KeyDevice, Result, TenantState,
    clock::{BEHIND_MAX, Clock as _, ClockStep, JudgedClock, Timestamp},
    id::DeploymentId,
    limits,
    memory::Arena,
    presence::{Presence, Seen},
    quota::{Quota, day_of},
    random::Random,
    store::{
        Applied, Change, CommitRow, GenerationRow, Growth, HeadRow, OpenGeneration, Record, Store, TenantNumber,
        Transaction, Usage,
    },
};

/// How often a commit is begun again because another process took the epoch's number.
const EPOCH_ATTEMPTS: usize = 16;

/// Intents that are looked at when an epoch is opened, and of dead processes closed: the rest at the next epoch. A
/// process has as many as it has leases, backups and exports.
const INTENTS_SEEN_MAX: usize = 4 * limits::LEASED_SECRETS_MAX;
const INTENTS_CLOSED_MAX: usize = limits::LEASED_SECRETS_MAX;

/// How long the device is left alone after it refused to certify an epoch that is still within its grace.
const CERTIFY_PAUSE: Duration = Duration::from_secs(5);

/// What the sequencer needs to know of the deployment.
#[derive(Clone, Debug)]
pub(crate) struct Founding {
    pub(crate) deployment: DeploymentId,
    /// The origin in the generation that is written.
    pub(crate) origin: Origin,
    /// Tells this process from others.
    pub(crate) boot: [u8; 16],
    /// Begin this generation with the first commit, for this sealed reason: after a restore.
    pub(crate) opens_for: Option<Vec<u8>>,
    /// Tells which other processes are alive; `None` for a database that is not in its place yet.
    pub(crate) presence: Option<Arc<Presence>>,
}

pub(crate) struct Sequencer {
    founding: Founding,
    store: Arc<dyn Store>,
    device: Arc<dyn KeyDevice>,
    clock: Arc<JudgedClock>,
    random: Arc<dyn Random>,
    arena: Arc<Arena>,
    position_limit: Arc<AtomicU32>,
    state: Option<State>,
    epoch: Option<Epoch>,
    /// Not before this, on the steady clock, is the device asked for a certificate again.
    certify_after: Duration,
    /// Why the device last refused one, until that is recorded.
    refused: Option<Code>,
    /// The clock was compared with the log that there was.
    compared: bool,
}

impl Sequencer {
    pub(crate) fn new(
        founding: Founding,
        store: Arc<dyn Store>,
        device: Arc<dyn KeyDevice>,
        clock: Arc<JudgedClock>,
        random: Arc<dyn Random>,
        arena: Arc<Arena>,
    ) -> Result<Self> {
        Ok(Self {
            founding,
            store,
            device,
            clock,
            random,
            arena,
            position_limit: Arc::new(AtomicU32::new(HeadsTree::new().position_limit())),
            state: None,
            epoch: None,
            certify_after: Duration::ZERO,
            refused: None,
            compared: false,
        })
    }

    /// The first position in the heads tree that a new tenant may not take, kept up to date.
    pub(crate) fn position_limit(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.position_limit)
    }

    /// The store it writes to.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Commits these writes, in this order, in one transaction: each is recorded, or stale. Nobody may hear of it before
    /// [`Store::sync`].
    pub(crate) fn commit(&mut self, writes: &[&Write]) -> Result<Vec<Written>> {
        for _ in 0..EPOCH_ATTEMPTS {
            let opening = self.next_epoch()?;
            match self.commit_once(writes, opening, &[]) {
                Ok(Some(written)) => return Ok(written),
                Ok(None) => self.state = None,
                Err(error) => {
                    self.state = None;
                    return Err(error);
                }
            }
        }
        Err(Error::new(Code::StoreBusy).detail("other processes keep opening signing epochs"))
    }

    /// Writes the closing line of this process's epoch, and wipes its key.
    pub(crate) fn close(&mut self) -> Result<()> {
        let Some(epoch) = &self.epoch else { return Ok(()) };
        if self.clock.now() >= epoch.hard_limit {
            self.epoch = None;
            return Ok(());
        }
        let (id, line) = (epoch.id, self.closing_line(epoch.id, &epoch.certificate)?);
        let close = [(Some(Change::CloseEpoch { id, checkpoint: None }), line)];
        let closed = self.commit_once(&[], None, &close).and_then(|_| self.store.sync());
        self.epoch = None;
        self.state = None;
        closed
    }

    /// Writes a line of the system about itself: that it did something, or could not.
    pub(crate) fn record(&mut self, act: &str, refused: Option<Code>) -> Result<()> {
        let line = epoch::own_line(&self.founding.origin, act, refused, self.random.array()?)?;
        for _ in 0..EPOCH_ATTEMPTS {
            let opening = self.next_epoch()?;
            match self.commit_once(&[], opening, &[(None, line.clone())]) {
                Ok(Some(_)) => return self.store.sync(),
                Ok(None) => self.state = None,
                Err(error) => {
                    self.state = None;
                    return Err(error);
                }
            }
        }
        Err(Error::new(Code::StoreBusy).detail("other processes keep opening signing epochs"))
    }

    /// The epoch to open with the next commit, if one is due.
    fn next_epoch(&mut self) -> Result<Option<Epoch>> {
        let now = self.now()?;
        if self.epoch.as_ref().is_some_and(|epoch| now < epoch.ends) {
            return Ok(None);
        }
        let usable = self.epoch.as_ref().is_some_and(|epoch| now < epoch.hard_limit);
        if usable && self.clock.monotonic() < self.certify_after {
            return Ok(None);
        }
        let (id, head) = {
            let mut snapshot = self.store.snapshot()?;
            (snapshot.epoch_last()? + 1, snapshot.head()?)
        };
        let generation = self.founding.origin.generation();
        let (seen_size, frontier) = match head {
            Some(head) if head.generation == generation => (head.commits, read_frontier(&head.frontier)?),
            _ => (0, Frontier::new()),
        };
        let opening = Opening {
            origin: &self.founding.origin,
            deployment: *self.founding.deployment.as_bytes(),
            id,
            now,
            seen_size,
            seen_root: frontier.root(),
            boot: self.founding.boot,
        };
        match Epoch::open(&opening, &*self.device, &self.arena, &*self.random) {
            Ok(epoch) => Ok(Some(epoch)),
            Err(error) if usable => {
                tracing::warn!(code = error.code().name(), "the device certified no new epoch; the old one goes on");
                self.certify_after = self.clock.monotonic() + CERTIFY_PAUSE;
                self.refused = Some(error.code());
                Ok(None)
            }
            Err(error) => {
                self.epoch = None;
                Err(error)
            }
        }
    }

    /// The time of a commit begun now: never before the last one.
    fn now(&self) -> Result<Timestamp> {
        let last = match &self.state {
            Some(state) => state.head.time,
            None => self.store.snapshot()?.head()?.map_or(0, |head| head.time),
        };
        Ok(self.clock.now().max(Timestamp(last)))
    }

    /// A jump of the clock that is not recorded yet; at first also that it is behind the log that there was.
    fn clock_step(&self, last: Timestamp) -> Option<ClockStep> {
        let wall = self.clock.now();
        let behind = !self.compared && wall.after(BEHIND_MAX) < last;
        self.clock.step().or_else(|| behind.then_some(ClockStep { wall, expected: last }))
    }

    fn closing_line(&self, id: u32, certificate: &[u8]) -> Result<LineTemplate> {
        epoch::closed_line(&self.founding.origin, id, certificate, self.random.array()?)
    }

    /// One transaction. `None` if the epoch's number was taken by another process.
    fn commit_once(
        &mut self,
        writes: &[&Write],
        opening: Option<Epoch>,
        own: &[(Option<Change>, LineTemplate)],
    ) -> Result<Option<Vec<Written>>> {
        let store = Arc::clone(&self.store);
        let mut transaction = store.begin()?;
        let mut state = match self.refresh(&mut *transaction)? {
            Some(state) => state,
            None => self.begin_generation(&mut *transaction)?,
        };
        let mut batch = Batch::default();

        if let Some(epoch) = &opening {
            let row = epoch.row(self.founding.origin.generation());
            if transaction.apply(&[Change::OpenEpoch(row)])? == Applied::Stale {
                return Ok(None);
            }
        }
        let signing = opening.as_ref().or(self.epoch.as_ref()).ok_or(Code::EpochExpired)?;
        let time = self.clock.now().max(Timestamp(state.head.time)).max(signing.opened);
        if time >= signing.hard_limit {
            return Err(Code::EpochExpired.into());
        }
        let place = Place { epoch: signing.id, key: signing.key.public_key(), time };
        let step = self.clock_step(Timestamp(state.head.time));

        // `sys` may only just come into being, with the first write of all; then its own lines come after.
        let mut written = Vec::with_capacity(writes.len());
        let founding = !state.logs.contains_key(&TenantNumber::SYS);
        if !founding {
            self.own_lines(&mut *transaction, &mut state, &mut batch, &place, opening.as_ref(), own)?;
            if let Some(step) = step {
                let line = epoch::clock_line(&self.founding.origin, step, self.random.array()?)?;
                state.append(&mut batch, &place, TenantNumber::SYS, &line)?;
            }
        }
        for write in writes {
            written.push(self.apply(&mut *transaction, &mut state, &mut batch, &place, write)?);
        }
        if founding && state.logs.contains_key(&TenantNumber::SYS) {
            self.own_lines(&mut *transaction, &mut state, &mut batch, &place, opening.as_ref(), own)?;
        }
        if batch.lines.is_empty() {
            return Ok(Some(written.into_iter().filter_map(unplaced).collect()));
        }

        let checkpoint = self.seal(&mut *transaction, &mut state, &mut batch, &place, signing)?;
        transaction.commit()?;

        self.position_limit.store(state.heads.position_limit(), Ordering::Relaxed);
        self.state = Some(state);
        self.refused = None;
        self.compared = true;
        if let Some(step) = step {
            self.clock.recorded(step);
        }
        if opening.is_some() {
            self.epoch = opening;
        }
        Ok(Some(written.into_iter().map(|fate| written_as(fate, &checkpoint)).collect()))
    }

    /// The lines that the sequencer adds itself: epochs opened, refused and closed.
    fn own_lines(
        &self,
        transaction: &mut dyn Transaction,
        state: &mut State,
        batch: &mut Batch,
        place: &Place,
        opening: Option<&Epoch>,
        own: &[(Option<Change>, LineTemplate)],
    ) -> Result<()> {
        if let Some(epoch) = opening {
            let line = epoch.opened_line(&self.founding.origin, self.random.array()?)?;
            state.append(batch, place, TenantNumber::SYS, &line)?;
            if !self.arena.is_locked() {
                let line = epoch::own_line(&self.founding.origin, "memory.unlocked", None, self.random.array()?)?;
                state.append(batch, place, TenantNumber::SYS, &line)?;
            }
            let mut alive = vec![self.founding.boot];
            for old in transaction.epochs_open()? {
                if old.id == epoch.id {
                    continue;
                }
                let ours = self.epoch.as_ref().is_some_and(|ours| ours.id == old.id);
                let over = old.hard_limit < place.time.0 || old.generation != self.founding.origin.generation();
                if !ours && !over {
                    alive.extend(epoch::boot_of(&old.certificate, &self.founding.origin));
                    continue;
                }
                let _ = transaction.apply(&[Change::CloseEpoch { id: old.id, checkpoint: None }])?;
                if old.generation == self.founding.origin.generation() {
                    let line = self.closing_line(old.id, &old.certificate)?;
                    state.append(batch, place, TenantNumber::SYS, &line)?;
                }
            }
            self.close_intents(transaction, state, batch, place, &alive)?;
        } else if let Some(code) = self.refused {
            let line = epoch::own_line(&self.founding.origin, "epoch.open", Some(code), self.random.array()?)?;
            state.append(batch, place, TenantNumber::SYS, &line)?;
        }
        for (change, line) in own {
            if let Some(change) = change {
                let _ = transaction.apply(std::slice::from_ref(change))?;
            }
            state.append(batch, place, TenantNumber::SYS, line)?;
        }
        Ok(())
    }

    /// Records that nobody knows what became of what a process began that is gone: it let go of its lock or, where
    /// nothing is known of that, none of its epochs is open. Inside the transaction, and so after all that it ever wrote.
    fn close_intents(
        &self,
        transaction: &mut dyn Transaction,
        state: &mut State,
        batch: &mut Batch,
        place: &Place,
        alive: &[[u8; 16]],
    ) -> Result<()> {
        let (mut seen, mut closed) = (HashMap::new(), 0);
        for intent in transaction.intents(INTENTS_SEEN_MAX)? {
            if closed == INTENTS_CLOSED_MAX {
                break;
            }
            let look = || self.founding.presence.as_ref().map_or(Seen::Unknown, |presence| presence.look(&intent.boot));
            match seen.entry(intent.boot).or_insert_with(look) {
                Seen::Alive => continue,
                Seen::Unknown if alive.contains(&intent.boot) => continue,
                Seen::Gone | Seen::Unknown => {}
            }
            closed += 1;
            let _ = transaction.apply(&[Change::CloseIntent(intent.clone())])?;
            // A tenant's log may be closed meanwhile.
            let open = state.logs.get(&intent.tenant).filter(|log| log.status == LogStatus::Open);
            let (number, origin) = match open {
                Some(log) => (intent.tenant, log.origin.clone()),
                None => (TenantNumber::SYS, self.founding.origin.sys()),
            };
            // Nothing authenticates the row: what makes no line is not one of ours.
            match epoch::unknown_line(&origin, &intent) {
                Ok(line) => drop(state.append(batch, place, number, &line)?),
                Err(_) => tracing::warn!("a row of `intents` was not written by us; it is gone now"),
            }
        }
        Ok(())
    }

    /// Applies one write and places its lines, unless it is stale or over a quota.
    fn apply(
        &self,
        transaction: &mut dyn Transaction,
        state: &mut State,
        batch: &mut Batch,
        place: &Place,
        write: &Write,
    ) -> Result<Fate> {
        let creates = |tenant: &TenantNumber| {
            write.changes.iter().any(|change| matches!(change, Change::CreateTenant(row) if row.number == *tenant))
        };
        let open = |tenant: &TenantNumber| {
            state.logs.get(tenant).map_or_else(|| creates(tenant), |log| log.status == LogStatus::Open)
        };
        if !write.lines.iter().all(|(tenant, _)| open(tenant)) {
            return Ok(Fate::Stale);
        }
        for change in &write.changes {
            if let Change::CreateTenant(row) = change
                && (row.number.0 >= state.heads.position_limit() || !state.heads.is_free(row.number.0))
            {
                return Ok(Fate::Stale);
            }
        }
        let usage = state.logs.get(&write.tenant()).map_or_else(Usage::default, |log| log.usage);
        let lines = usage.audit_bytes_on(day_of(place.time)).saturating_add(write.own_bytes());
        if write.quotas.audit_bytes.is_some_and(|most| lines > most) {
            return Ok(Fate::OverQuota(Quota::AuditBytes));
        }
        if !write.changes.is_empty() {
            match transaction.apply_within(&write.changes, room_for(write, &usage))? {
                Applied::Done => {}
                Applied::Stale => return Ok(Fate::Stale),
                Applied::Exceeds(growth) => {
                    let many = write.quotas.secrets.is_some_and(|most| {
                        growth.secrets > 0 && usage.secrets.saturating_add_signed(growth.secrets) > most
                    });
                    return Ok(Fate::OverQuota(if many { Quota::Secrets } else { Quota::Bytes }));
                }
            }
            for (tenant, growth) in transaction.take_growth() {
                state.grow(batch, tenant, growth);
            }
        }
        for change in &write.changes {
            if let Change::CreateTenant(row) = change {
                let log = Log::new(row.number, row.tenant, &self.founding.origin);
                state.heads.set(row.number.0, log.leaf()).map_err(internal)?;
                state.logs.insert(row.number, log);
                state.head.tenants += 1;
                batch.changed.insert(row.number);
            }
        }
        let mut placed = None;
        for (tenant, line) in &write.lines {
            placed = Some(state.append(batch, place, *tenant, line)?);
        }
        for change in &write.changes {
            if let Change::UpdateTenant(row) = change
                && row.state == TenantState::Closed.number()
                && let Some(log) = state.logs.get_mut(&row.number)
            {
                log.status = LogStatus::Closed;
                batch.changed.insert(row.number);
            }
        }
        Ok(placed.map_or(Fate::Stale, Fate::Placed))
    }

    /// Computes the heads, signs the checkpoint and writes the commit's part of the log.
    fn seal(
        &self,
        transaction: &mut dyn Transaction,
        state: &mut State,
        batch: &mut Batch,
        place: &Place,
        signing: &Epoch,
    ) -> Result<Sealed> {
        let leaves: Vec<_> = batch.changed.iter().map(|tenant| (tenant.0, state.logs[tenant].leaf())).collect();
        state.heads.set_many(&leaves).map_err(internal)?;
        let blind = self.random.array()?;
        let leaf = CommitLeaf {
            n: state.head.commits,
            time: place.time.0,
            epoch: place.epoch,
            heads_root: state.heads.root(),
            stats: stats_hash(&blind, state.head.tenants, state.head.lines),
        };
        state.frontier.append(leaf.leaf());
        let checkpoint = Checkpoint {
            origin: self.founding.origin.heads(),
            size: state.head.commits + 1,
            root: state.frontier.root(),
        };
        let text = checkpoint.text();
        let signature = signing.sign(&text)?;
        let note = sign_note(&text, &signing.key, |_| signature).map_err(internal)?;

        let (epoch_before, note_before) = (state.head.epoch, std::mem::take(&mut state.head.checkpoint));
        if epoch_before != place.epoch && !note_before.is_empty() {
            transaction.keep_checkpoint(epoch_before, &note_before)?;
        }
        state.head = HeadRow {
            commits: checkpoint.size,
            frontier: state.frontier.to_bytes(),
            last_commit: state.head.last_commit + 1,
            time: place.time.0,
            epoch: place.epoch,
            checkpoint: note.into_bytes(),
            ..state.head.clone()
        };
        let heads: Vec<_> = batch.changed.iter().map(|tenant| state.logs[tenant].row(*tenant)).collect();
        let commit = CommitRow {
            id: state.head.last_commit,
            leaf: leaf.to_bytes().to_vec(),
            blind,
            last_seq: state.head.last_seq,
        };
        transaction.record(&Record { lines: &batch.lines, heads: &heads, commit: &commit, head: &state.head })?;
        Ok(Sealed { size: checkpoint.size, root: checkpoint.root, epoch: place.epoch, signature })
    }

    /// The heads as the store has them now; `None` if the generation has none yet.
    fn refresh(&mut self, transaction: &mut dyn Transaction) -> Result<Option<State>> {
        let stored = transaction.head()?;
        let generation = self.founding.origin.generation();
        let Some(stored) = stored else {
            self.state = None;
            return Ok(None);
        };
        if stored.generation != generation {
            if self.founding.opens_for.is_some() && stored.generation + 1 == generation {
                self.state = None;
                return Ok(None);
            }
            return Err(Error::new(Code::StoreUnavailable).detail("another log generation was opened"));
        }
        if let Some(mut state) = self.state.take() {
            if state.head == stored {
                return Ok(Some(state));
            }
            if stored.last_seq >= state.head.last_seq && stored.tenants == state.head.tenants {
                let mut changed = Vec::new();
                for tenant in transaction.tenants_with_lines(state.head.last_seq)? {
                    let row = transaction.log_head(tenant)?.ok_or_else(|| damaged("a log's head is missing"))?;
                    let log = Log::read(&row, &self.founding.origin)?;
                    changed.push((tenant.0, log.leaf()));
                    state.logs.insert(tenant, log);
                }
                state.heads.set_many(&changed).map_err(|_| damaged("the heads tree"))?;
                state.frontier = read_frontier(&stored.frontier)?;
                state.head = stored;
                return Ok(Some(state));
            }
        }
        State::read(transaction, stored, &self.founding.origin).map(Some)
    }

    /// The state that a generation starts with: empty logs of all tenants there are.
    fn begin_generation(&self, transaction: &mut dyn Transaction) -> Result<State> {
        let number = self.founding.origin.generation();
        let mut head = HeadRow {
            generation: number,
            commits: 0,
            frontier: Frontier::new().to_bytes(),
            last_commit: 0,
            last_seq: 0,
            time: 0,
            tenants: 0,
            lines: 0,
            epoch: 0,
            checkpoint: Vec::new(),
        };
        let Some(before) = transaction.head()? else {
            return Ok(State {
                head,
                frontier: Frontier::new(),
                logs: HashMap::new(),
                heads: HeadsTree::new(),
                previous: None,
            });
        };
        let before_root = read_frontier(&before.frontier)?.root();
        let (mut logs, mut leaves, mut rows) = (HashMap::new(), Vec::new(), Vec::new());
        for row in transaction.log_heads()? {
            let status = LogStatus::from_code(row.status).ok_or_else(|| damaged("a log's status"))?;
            let log = Log { status, usage: row.usage, ..Log::new(row.tenant, row.tenant_ref, &self.founding.origin) };
            leaves.push((row.tenant.0, log.leaf()));
            rows.push(log.row(row.tenant));
            logs.insert(row.tenant, log);
        }
        head.last_commit = before.last_commit;
        head.last_seq = before.last_seq;
        head.time = before.time;
        head.tenants = logs.len() as u64;
        let generation = GenerationRow {
            number,
            after_seq: before.last_seq,
            after_commit: before.last_commit,
            opened_at: self.clock.now().0,
            previous_size: before.commits,
            previous_root: Some(*before_root.as_bytes()),
            reason: self.founding.opens_for.clone().unwrap_or_default(),
            checkpoint: Vec::new(),
        };
        transaction.open_generation(&OpenGeneration {
            generation: &generation,
            checkpoint: &before.checkpoint,
            heads: &rows,
            head: &head,
        })?;
        Ok(State {
            heads: HeadsTree::from_leaves(&leaves).map_err(|_| damaged("the heads tree"))?,
            frontier: Frontier::new(),
            previous: previous(&generation),
            logs,
            head,
        })
    }
}

/// A signed commit.
struct Sealed {
    size: u64,
    root: Hash,
    epoch: u32,
    signature: [u8; 64],
}

/// What became of a write inside the transaction.
enum Fate {
    /// Its own line has a place.
    Placed(Placed),
    /// Nothing of it was applied, as with all below.
    Stale,
    OverQuota(Quota),
}

/// How much more the tenant may have in store. Unbounded where the write surely fits: then nothing has to be taken back.
fn room_for(write: &Write, usage: &Usage) -> Growth {
    if write.quotas.secrets.is_none() && write.quotas.bytes.is_none() {
        return Growth::ANY;
    }
    let (mut secrets, mut bytes) = (0, 0);
    for change in &write.changes {
        if let Change::PutSecret(put) = change {
            secrets += u64::from(put.secret.revision == 1);
            bytes += put.version.iter().chain(&put.changed).map(|version| version.value.len() as u64).sum::<u64>();
        }
    }
    let left = |most: Option<u64>, used: u64| {
        most.map_or(i64::MAX, |most| i64::try_from(most.saturating_sub(used)).unwrap_or(i64::MAX))
    };
    let room =
        Growth { secrets: left(write.quotas.secrets, usage.secrets), bytes: left(write.quotas.bytes, usage.bytes) };
    let most = |more: u64| i64::try_from(more).unwrap_or(i64::MAX);
    if most(secrets) <= room.secrets && most(bytes) <= room.bytes { Growth::ANY } else { room }
}

/// What is said of a write that has no line.
fn unplaced(fate: Fate) -> Option<Written> {
    match fate {
        Fate::Placed(_) => None,
        Fate::Stale => Some(Written::Stale),
        Fate::OverQuota(quota) => Some(Written::OverQuota(quota)),
    }
}

fn written_as(fate: Fate, sealed: &Sealed) -> Written {
    match fate {
        Fate::Stale => Written::Stale,
        Fate::OverQuota(quota) => Written::OverQuota(quota),
        Fate::Placed(placed) => Written::Recorded(Receipt {
            origin: placed.origin,
            seq: placed.seq,
            leaf: *placed.leaf.as_bytes(),
            head_size: sealed.size,
            head_root: *sealed.root.as_bytes(),
            epoch: sealed.epoch,
            signature: sealed.signature,
        }),
    }
}
