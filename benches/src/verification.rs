//! Offline verification of an exported log, on one core: what an auditor runs.
//!
//! The bundle is written by a small honest writer of its own, in memory, in commits of 64 lines over
//! 100 tenants; nothing of the store takes part.

use std::time::Instant;

use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;
use strongroom_log::{
    ActorKind, Checkpoint, CommitLeaf, EpochCertificate, EpochFingerprint, Frontier, FullBundleWriter, Hash, HeadsTree,
    LineBuilder, LineTemplate, LogOrigin, LogStatus, Object, Origin, Outcome, RootKey, TenantHead, VerifyingKey, Who,
    empty_root, genesis_hash, leaf_hash, sign_note, stats_hash, verify,
};

use crate::{Effort, Result, sample::median};

const TENANTS: usize = 100;
const LINES_PER_COMMIT: usize = 64;
const WHO: Who = Who::Actor { kind: ActorKind::Service, handle: [7; 16] };
const SYS: [u8; 16] = [9; 16];
const BLIND: [u8; 16] = [3; 16];
const REQUEST: [u8; 16] = [8; 16];
/// Microseconds since 1970.
const BEGIN: u64 = 1_790_000_000_000_000;

/// What was verified.
#[derive(Debug, Serialize)]
pub(crate) struct Verification {
    pub(crate) entries: u64,
    pub(crate) commits: u64,
    pub(crate) bundle_bytes: usize,
    pub(crate) entries_per_second: f64,
}

pub(crate) fn measure(effort: Effort) -> Result<Verification> {
    let (lines, rounds) = if effort.is_quick() { (50_000, 3) } else { (200_000, 5) };
    let (bundle, root) = bundle(lines)?;
    let mut rates = Vec::new();
    let (mut entries, mut commits) = (0, 0);
    for _ in 0..rounds {
        let since = Instant::now();
        let report = verify(&bundle, &root, None);
        let elapsed = since.elapsed();
        if !report.is_ok() {
            return Err(format!("the bundle does not verify: {report}").into());
        }
        (entries, commits) = (report.entries, report.commits);
        rates.push(entries as f64 / elapsed.as_secs_f64());
    }
    Ok(Verification { entries, commits, bundle_bytes: bundle.len(), entries_per_second: median(rates) })
}

/// A log as it is written.
struct Log {
    position: u32,
    tenant: [u8; 16],
    origin: LogOrigin,
    frontier: Frontier,
    prev: Hash,
}

/// The honest writer.
struct Writer {
    bundle: FullBundleWriter,
    logs: Vec<Log>,
    heads: HeadsTree,
    commits: Frontier,
    lines: u64,
    time: u64,
}

impl Writer {
    fn commit(&mut self, lines: &[(usize, LineTemplate)]) -> Result<()> {
        self.time += 1_000;
        let mut spliced = Vec::with_capacity(lines.len());
        let mut changed = Vec::with_capacity(lines.len());
        for (log, line) in lines {
            changed.push(*log);
            let log = &mut self.logs[*log];
            let mut bytes = Vec::new();
            line.splice(1, &log.prev, log.frontier.size(), self.time, &mut bytes)?;
            log.prev = leaf_hash(&bytes);
            log.frontier.append(log.prev);
            spliced.push(bytes);
        }
        changed.sort_unstable();
        changed.dedup();
        let leaves: Vec<_> = changed.iter().map(|log| (self.logs[*log].position, self.logs[*log].leaf())).collect();
        self.heads.set_many(&leaves)?;
        self.lines += lines.len() as u64;
        let leaf = CommitLeaf {
            n: self.commits.size(),
            time: self.time,
            epoch: 1,
            heads_root: self.heads.root(),
            stats: stats_hash(&BLIND, self.heads.in_use().into(), self.lines),
        };
        self.commits.append(leaf.leaf());
        self.bundle.commit(&leaf.to_bytes(), &BLIND);
        spliced.iter().for_each(|line| self.bundle.line(line));
        Ok(())
    }
}

impl Log {
    fn leaf(&self) -> Hash {
        let (size, root) = (self.frontier.size(), self.frontier.root());
        TenantHead { tenant_ref: self.tenant, size, root, status: LogStatus::Open }.leaf()
    }
}

/// A full bundle of about so many lines, and the key that it verifies against.
fn bundle(lines: usize) -> Result<(Vec<u8>, RootKey)> {
    let origin = Origin::parse("bench.example.com/prod")?;
    let (root, signer) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let root_key = RootKey::of(&origin, root.verifying_key().as_bytes())?;
    let epoch_key = VerifyingKey::new(&origin.heads(), signer.verifying_key().as_bytes())?;
    let certificate = EpochCertificate {
        origin: origin.clone(),
        deployment: [1; 16],
        epoch: 1,
        key: epoch_key.clone(),
        opened: BEGIN,
        ends: BEGIN + 900_000_000_000,
        hard_limit: BEGIN + 9_900_000_000_000,
        seen_size: 0,
        seen_root: empty_root(),
        boot: [2; 16],
    };
    let root_name = VerifyingKey::new(&origin.root_key_name(), root.verifying_key().as_bytes())?;
    let note = sign_note(&certificate.text(), &root_name, |text| root.sign(text).to_bytes())?;
    let fingerprint = EpochFingerprint::of(note.as_bytes());

    let log = |position: u32, tenant: [u8; 16], origin: LogOrigin| {
        let prev = genesis_hash(&origin, &epoch_key.public_key(), None);
        Log { position, tenant, origin, frontier: Frontier::new(), prev }
    };
    let mut writer = Writer {
        bundle: FullBundleWriter::new(&origin),
        logs: vec![log(0, SYS, origin.sys())],
        heads: HeadsTree::new(),
        commits: Frontier::new(),
        lines: 0,
        time: BEGIN + 1,
    };
    writer.bundle.generation(1, None);
    writer.bundle.tenant(0, &SYS, LogStatus::Open);
    writer.bundle.epoch(note.as_bytes());
    let opened = LineBuilder::new("epoch.open", &writer.logs[0].origin, WHO, REQUEST)
        .object(Object { kind: "epoch", id: fingerprint.id(), version: Some(1) })
        .detail(fingerprint.hash())
        .finish(Outcome::Ok)?;
    writer.commit(&[(0, opened)])?;
    for number in 1..=TENANTS {
        let (position, tenant) = (u32::try_from(number)?, [u8::try_from(number)?; 16].map(|byte| byte ^ 0x80));
        let created = LineBuilder::new("tenant.create", &writer.logs[0].origin, WHO, REQUEST)
            .object(Object { kind: "tenant", id: tenant, version: None })
            .position(position)
            .finish(Outcome::Ok)?;
        let log = log(position, tenant, origin.tenant(&tenant));
        writer.heads.set(position, log.leaf())?;
        writer.logs.push(log);
        writer.commit(&[(0, created)])?;
    }
    let mut chance = 1_u64;
    for _ in 0..lines / LINES_PER_COMMIT {
        let mut commit = Vec::with_capacity(LINES_PER_COMMIT);
        for _ in 0..LINES_PER_COMMIT {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let log = 1 + (chance >> 33) as usize % TENANTS;
            let line = LineBuilder::new("secret.get", &writer.logs[log].origin, WHO, REQUEST)
                .object(Object { kind: "secret", id: [5; 16], version: Some(3) })
                .pseudonym_key(1)
                .source([6; 16])
                .finish(Outcome::Ok)?;
            commit.push((log, line));
        }
        writer.commit(&commit)?;
    }
    let checkpoint = Checkpoint { origin: origin.heads(), size: writer.commits.size(), root: writer.commits.root() };
    let checkpoint = checkpoint.sign(&epoch_key, |text| signer.sign(text).to_bytes())?;
    writer.bundle.checkpoint(checkpoint.as_bytes());
    Ok((writer.bundle.finish(), root_key))
}
