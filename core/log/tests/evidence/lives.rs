//! Random lives of deployments: whatever honest processes do to a log, in whatever order, is no finding.
//!
//! `STRONGROOM_HONEST_RUNS=10000` runs that many, and `STRONGROOM_HONEST_SEED=<seed>` the ones of a seed that was printed.

use crate::dice::Dice;
use crate::room::{Op, Room, op};
use std::collections::BTreeMap;
use std::env;
use strongroom_log::*;

/// How many lives are lived unless more are asked for.
const RUNS: u64 = 300;

const STEPS_MAX: usize = 40;
const PROCESSES: usize = 4;
const GENERATIONS_MAX: u32 = 4;
const TENANTS_MAX: usize = 12;

/// The sizes that trees get wrong: powers of two and their neighbours.
const SIZES: [u64; 14] = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33];

type Step = fn(&mut Life, &mut Dice) -> bool;

/// What may happen, each as often as it stands here. A step that makes no sense at the moment says so.
const STEPS: [(&str, Step); 24] = [
    ("work", Life::work),
    ("work", Life::work),
    ("work", Life::work),
    ("work", Life::work),
    ("a tenant created", Life::create),
    ("a tenant created", Life::create),
    ("a tenant created and used in one commit", Life::create_and_use),
    ("a tenant closed", Life::close),
    ("a refused and an intended act", Life::refuse),
    ("a log of 2^k or 2^k±1 lines", Life::fill),
    ("a log of 2^k or 2^k±1 lines", Life::fill),
    ("an epoch changed", Life::change_epoch),
    ("an epoch changed, the old one closed with it", Life::change_and_close_epoch),
    ("another's epoch closed once it was over", Life::close_expired),
    ("a clean restart", Life::restart),
    ("a crash", Life::crash),
    ("a crash in the middle of a commit", Life::crash_in_commit),
    ("a crash after certification", Life::crash_after_certification),
    ("a clock that stands still", Life::stand_still),
    ("a clock that jumps", Life::jump),
    ("a backup", Life::back_up),
    ("a restore, as a new generation", Life::restore),
    ("a checkpoint kept", Life::keep_checkpoint),
    ("a receipt kept", Life::keep_receipt),
];

/// A deployment, the processes that write to it, and what is kept outside.
#[derive(Clone)]
struct Life {
    room: Room,
    /// The epochs that the processes hold.
    epochs: [Option<usize>; PROCESSES],
    closed: Vec<usize>,
    memory: Memory,
    backup: Option<Box<Life>>,
}

impl Life {
    fn new() -> Self {
        let mut epochs = [None; PROCESSES];
        epochs[0] = Some(0);
        Self { room: Room::new(), epochs, closed: Vec::new(), memory: Memory::new(), backup: None }
    }

    /// The epoch of some process, a new one if it has none that may sign another commit.
    fn epoch(&mut self, dice: &mut Dice) -> usize {
        let process = dice.below(PROCESSES);
        let good = |epoch: &usize| !self.closed.contains(epoch) && !self.is_over(*epoch);
        match self.epochs[process].filter(good) {
            Some(epoch) => epoch,
            None => self.open(process),
        }
    }

    fn open(&mut self, process: usize) -> usize {
        let epoch = self.room.open_epoch();
        self.epochs[process] = Some(epoch);
        epoch
    }

    /// The next commit would be past its hard limit.
    fn is_over(&self, epoch: usize) -> bool {
        self.room.time + 1_000 > self.room.epochs[epoch].certificate.hard_limit
    }

    fn open_tenants(&self) -> Vec<usize> {
        (1..self.room.logs.len()).filter(|log| self.room.logs[*log].status == LogStatus::Open).collect()
    }

    fn some_lines(&self, dice: &mut Dice) -> Vec<Op> {
        let mut logs = self.open_tenants();
        logs.push(0);
        (0..=dice.below(8)).map(|_| op(*dice.pick(&logs).unwrap())).collect()
    }

    fn work(&mut self, dice: &mut Dice) -> bool {
        let (epoch, lines) = (self.epoch(dice), self.some_lines(dice));
        self.room.commit(epoch, &lines);
        true
    }

    fn create(&mut self, dice: &mut Dice) -> bool {
        let epoch = self.epoch(dice);
        let few = self.room.logs.len() < TENANTS_MAX;
        if few {
            self.room.create_tenant_by(epoch);
        }
        few
    }

    fn create_and_use(&mut self, dice: &mut Dice) -> bool {
        let epoch = self.epoch(dice);
        let few = self.room.logs.len() < TENANTS_MAX;
        if few {
            let (tenant, created) = self.room.add_tenant();
            self.room.commit(epoch, &[op(0), created, op(tenant), op(tenant)]);
        }
        few
    }

    fn close(&mut self, dice: &mut Dice) -> bool {
        let epoch = self.epoch(dice);
        let Some(tenant) = dice.pick(&self.open_tenants()).copied() else { return false };
        self.room.close_tenant_by(epoch, tenant);
        true
    }

    fn refuse(&mut self, dice: &mut Dice) -> bool {
        let epoch = self.epoch(dice);
        let object = self.room.logs.last().map(|log| (log.tenant_ref, "tenant", None));
        let create = Op { act: "tenant.create", object, refused: true, ..op(0) };
        let close = Op { act: "tenant.close", object, intent: true, ..op(0) };
        self.room.commit(epoch, &[create, close]);
        true
    }

    fn fill(&mut self, dice: &mut Dice) -> bool {
        let epoch = self.epoch(dice);
        let Some(tenant) = dice.pick(&self.open_tenants()).copied() else { return false };
        let size = self.room.logs[tenant].tree.size();
        let larger: Vec<_> = SIZES.into_iter().filter(|target| *target > size).collect();
        let Some(target) = dice.pick(&larger) else { return false };
        self.room.commit(epoch, &vec![op(tenant); (target - size) as usize]);
        true
    }

    fn change_epoch(&mut self, dice: &mut Dice) -> bool {
        let process = dice.below(PROCESSES);
        self.open(process);
        true
    }

    fn change_and_close_epoch(&mut self, dice: &mut Dice) -> bool {
        let process = dice.below(PROCESSES);
        let Some(old) = self.epochs[process].filter(|epoch| !self.closed.contains(epoch)) else { return false };
        let new = self.room.certify();
        let lines = [self.room.opening(new), self.room.closing(old)];
        self.room.commit(new, &lines);
        self.closed.push(old);
        self.epochs[process] = Some(new);
        true
    }

    fn close_expired(&mut self, dice: &mut Dice) -> bool {
        let by = self.epoch(dice);
        let over = |epoch: &usize| self.is_over(*epoch) && !self.closed.contains(epoch);
        let Some(old) = (0..self.room.epochs.len()).find(over) else { return false };
        self.room.close_epoch(old, by);
        self.closed.push(old);
        true
    }

    fn restart(&mut self, dice: &mut Dice) -> bool {
        let process = dice.below(PROCESSES);
        let usable = |epoch: &usize| !self.closed.contains(epoch) && !self.is_over(*epoch);
        let Some(epoch) = self.epochs[process].filter(usable) else { return false };
        self.room.close_epoch(epoch, epoch);
        self.closed.push(epoch);
        self.open(process);
        true
    }

    fn crash(&mut self, dice: &mut Dice) -> bool {
        self.epochs[dice.below(PROCESSES)].take().is_some()
    }

    /// Nothing of the commit was synced: it is as if it had never been.
    fn crash_in_commit(&mut self, dice: &mut Dice) -> bool {
        self.clone().work(dice);
        self.crash(dice)
    }

    /// The certificate is there and no line opens its epoch, which so signs nothing.
    fn crash_after_certification(&mut self, dice: &mut Dice) -> bool {
        self.room.certify();
        self.closed.push(self.room.epochs.len() - 1);
        self.epochs[dice.below(PROCESSES)] = None;
        true
    }

    fn stand_still(&mut self, dice: &mut Dice) -> bool {
        let epoch = self.epoch(dice);
        self.room.twist.time = Some(self.room.time);
        let lines = self.some_lines(dice);
        self.room.commit(epoch, &lines);
        true
    }

    fn jump(&mut self, dice: &mut Dice) -> bool {
        self.room.time += dice.below(3_000_000) as u64;
        true
    }

    fn back_up(&mut self, _: &mut Dice) -> bool {
        self.backup = None;
        self.backup = Some(Box::new(self.clone()));
        true
    }

    /// What came after the backup is lost, and so is whoever kept something of it.
    fn restore(&mut self, dice: &mut Dice) -> bool {
        if self.room.origin.generation() == GENERATIONS_MAX {
            return false;
        }
        let Some(backup) = self.backup.take() else { return false };
        let now = self.room.time;
        *self = *backup;
        self.room.time = now;
        self.room.next_generation();
        (self.epochs, self.closed) = ([None; PROCESSES], Vec::new());
        self.epochs[dice.below(PROCESSES)] = Some(0);
        true
    }

    fn keep_checkpoint(&mut self, dice: &mut Dice) -> bool {
        let note = dice.pick(&self.room.checkpoints).unwrap();
        self.memory.add_checkpoint(note.as_bytes());
        true
    }

    fn keep_receipt(&mut self, dice: &mut Dice) -> bool {
        let log = dice.below(self.room.logs.len());
        let lines = self.room.logs[log].lines.len();
        if lines > 0 {
            let receipt = self.room.receipt(log, dice.below(lines));
            self.memory.add_receipt(serde_json::from_value(receipt).unwrap());
        }
        lines > 0
    }

    fn assert_honest(&self, dice: &mut Dice, case: &str) {
        let (bundle, root) = (self.room.bundle(), self.room.root_key());
        let mut reader = BundleReader::new(&root, self.memory.clone());
        bundle.chunks(1 + dice.below(3_000)).for_each(|piece| reader.feed(piece));
        let report = reader.finish();
        assert!(report.is_ok(), "{case}: {report}");
        assert_eq!((report.unsealed_entries, report.generation), (0, Some(self.room.origin.generation())), "{case}");
        assert_eq!(report.checkpoint.as_ref(), self.room.checkpoints.last(), "{case}");
        for compared in [report.remembered, report.receipts] {
            assert!([Remembered::NotGiven, Remembered::Continued].contains(&compared), "{case}: {report}");
        }
        let log = dice.below(self.room.logs.len());
        let one = verify(&self.room.tenant_bundle(log), &root, self.memory.clone());
        assert!(one.is_ok(), "{case}, log {log}: {one}");
        assert_eq!(one.entries, self.room.logs[log].lines.len() as u64, "{case}, log {log}");
        assert_ne!(one.remembered.max(one.receipts), Remembered::Contradicted, "{case}, log {log}");
    }
}

#[test]
fn no_honest_life_of_a_deployment_is_a_finding() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let runs = number("STRONGROOM_HONEST_RUNS").unwrap_or(RUNS);
    let seed = number("STRONGROOM_HONEST_SEED").unwrap_or_else(|| Dice::of_now().0);
    let mut happened: BTreeMap<&str, u64> = STEPS.iter().map(|(name, _)| (*name, 0)).collect();
    let (mut lines, mut commits, mut empty) = (0, 0, 0);
    for run in 0..runs {
        let mut dice = Dice::new(seed.wrapping_add(run.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        let mut life = Life::new();
        for _ in 0..dice.below(STEPS_MAX) {
            let (name, step) = STEPS[dice.below(STEPS.len())];
            if step(&mut life, &mut dice) {
                *happened.entry(name).or_default() += 1;
            }
        }
        life.assert_honest(&mut dice, &format!("run {run} of seed {seed}"));
        lines += life.room.lines;
        commits += life.room.head_log.len();
        empty += life.room.logs.iter().filter(|log| log.lines.is_empty()).count();
    }
    println!(
        "{runs} runs of seed {seed}: {lines} lines in {commits} commits of the last generations, {empty} empty logs"
    );
    happened.iter().for_each(|(name, times)| println!("{times:8}  {name}"));
    let never: Vec<_> = happened.iter().filter(|(_, times)| **times == 0).collect();
    assert!(runs < RUNS || never.is_empty(), "never happened in {runs} runs: {never:?}");
}
