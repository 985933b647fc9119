//! A tiny honest sequencer, and the ways to make it dishonest: what its keys sign can be twisted just before they sign.

use ed25519_dalek::{Signer, SigningKey};
use strongroom_log::*;

pub(crate) const ROOT_SEED: [u8; 32] = [200; 32];

/// The logs of the busy room.
const SYS: usize = 0;
const A: usize = 1;
const B: usize = 2;
const C: usize = 3;

/// What the busy room does, a commit each.
const BUSY: [fn(&mut Room); 15] = [
    |room| _ = room.open_epoch(),
    |room| _ = room.create_tenant(),
    |room| _ = room.create_tenant(),
    |room| room.commit(0, &[op(A), op(B), op(A), op(A)]),
    |room| _ = room.open_epoch(),
    |room| room.commit(1, &[op(B), op(B)]),
    |room| room.commit(0, &[op(A)]),
    |room| room.commit(1, &[op(A), op(B), op(A), op(SYS)]),
    |room| _ = room.open_epoch(),
    |room| room.close_epoch(0, 2),
    |room| room.commit(2, &[op(A), op(A), op(B), op(A)]),
    |room| _ = room.create_tenant_by(1),
    |room| room.commit(1, &[op(C), op(A)]),
    |room| room.close_tenant(C),
    |room| room.commit(2, &[op(A), op(B)]),
];

/// One line to be written.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) log: usize,
    pub(crate) act: &'static str,
    pub(crate) object: Option<([u8; 16], &'static str, Option<u64>)>,
    pub(crate) detail: Option<Hash>,
    pub(crate) position: Option<u32>,
    pub(crate) refused: bool,
    pub(crate) intent: bool,
}

pub(crate) fn op(log: usize) -> Op {
    let object = Some(([0xcc; 16], "secret", Some(3)));
    Op { log, act: "secret.get", object, detail: None, position: None, refused: false, intent: false }
}

/// What the next commit is made to lie about, in what is signed.
#[derive(Clone, Default)]
pub(crate) struct Twist {
    pub(crate) leaf: Option<fn(&mut CommitLeaf)>,
    pub(crate) line: Option<fn(&mut String)>,
    pub(crate) time: Option<u64>,
    pub(crate) stats: Option<(u64, u64)>,
    pub(crate) epoch_key: Option<[u8; 32]>,
    pub(crate) leaf_bytes: Option<fn(&mut Vec<u8>)>,
}

#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) tenant_ref: [u8; 16],
    pub(crate) position: u32,
    pub(crate) status: LogStatus,
    pub(crate) tree: Frontier,
    pub(crate) prev: Option<Hash>,
    pub(crate) lines: Vec<Vec<u8>>,
    /// The commit of each line.
    pub(crate) commits: Vec<usize>,
}

#[derive(Clone)]
pub(crate) struct Epoch {
    pub(crate) certificate: EpochCertificate,
    pub(crate) note: String,
    pub(crate) signer: SigningKey,
}

#[derive(Clone)]
enum Event {
    Generation(u32, Option<PreviousGeneration>),
    Tenant(u32, [u8; 16], LogStatus),
    Epoch(String),
    Commit(Vec<u8>, [u8; 16]),
    Line(Vec<u8>),
    Checkpoint(String),
}

#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) origin: Origin,
    pub(crate) previous: Option<PreviousGeneration>,
    root: SigningKey,
    pub(crate) logs: Vec<Log>,
    pub(crate) heads: HeadsTree,
    pub(crate) head_log: Vec<Hash>,
    pub(crate) leaf: Option<CommitLeaf>,
    pub(crate) epochs: Vec<Epoch>,
    events: Vec<Event>,
    /// The checkpoint of every commit.
    pub(crate) checkpoints: Vec<String>,
    pub(crate) twist: Twist,
    /// What the certificates say to have seen, where it is not what there is.
    pub(crate) seen: Vec<Hash>,
    pub(crate) time: u64,
    pub(crate) lines: u64,
}

impl Room {
    /// A deployment whose first commit opens epoch 1.
    pub(crate) fn new() -> Self {
        let mut room = Self::bare();
        room.open_epoch();
        room
    }

    /// A deployment with nothing in it.
    pub(crate) fn bare() -> Self {
        let origin = Origin::parse("example.com/keys").unwrap();
        let mut room = Self {
            origin,
            previous: None,
            root: SigningKey::from_bytes(&ROOT_SEED),
            logs: Vec::new(),
            heads: HeadsTree::new(),
            head_log: Vec::new(),
            leaf: None,
            epochs: Vec::new(),
            events: vec![Event::Generation(1, None)],
            checkpoints: Vec::new(),
            twist: Twist::default(),
            seen: Vec::new(),
            time: 1_790_000_000_000_000,
            lines: 0,
        };
        room.start_log(0, [0x55; 16], LogStatus::Open);
        room
    }

    /// Two tenants and a short-lived third, all kinds of things in between, three epochs that interleave: fifteen commits.
    pub(crate) fn busy() -> Self {
        Self::bare().busier(0, BUSY.len())
    }

    /// The busy room as it was after so many commits.
    pub(crate) fn busy_to(commits: usize) -> Self {
        Self::bare().busier(0, commits)
    }

    /// Goes on like the busy room, from its commit `from` to before its commit `to`.
    pub(crate) fn busier(mut self, from: usize, to: usize) -> Self {
        BUSY[from..to].iter().for_each(|step| step(&mut self));
        self
    }

    pub(crate) fn root_key(&self) -> RootKey {
        RootKey::of(&self.origin, self.root.verifying_key().as_bytes()).unwrap()
    }

    fn start_log(&mut self, position: u32, tenant_ref: [u8; 16], status: LogStatus) {
        self.events.push(Event::Tenant(position, tenant_ref, status));
        self.add_log(position, tenant_ref, status);
    }

    fn add_log(&mut self, position: u32, tenant_ref: [u8; 16], status: LogStatus) {
        let log = Log {
            tenant_ref,
            position,
            status,
            tree: Frontier::new(),
            prev: None,
            lines: Vec::new(),
            commits: Vec::new(),
        };
        self.heads.set(position, log.head().leaf()).unwrap();
        self.logs.push(log);
    }

    pub(crate) fn log_origin(&self, log: usize) -> LogOrigin {
        match log {
            0 => self.origin.sys(),
            _ => self.origin.tenant(&self.logs[log].tenant_ref),
        }
    }

    /// Certifies an epoch and writes its first commit.
    pub(crate) fn open_epoch(&mut self) -> usize {
        let number = self.certify();
        self.commit(number, &[self.opening(number)]);
        number
    }

    pub(crate) fn certify(&mut self) -> usize {
        let root = self.root.clone();
        self.certify_by(&root, |_| {})
    }

    /// Certifies an epoch by this key, after a twist.
    pub(crate) fn certify_by(&mut self, root: &SigningKey, twist: impl FnOnce(&mut EpochCertificate)) -> usize {
        let number = self.epochs.len();
        let seed = sha256(format!("epoch {number} of {}", self.origin).as_bytes());
        let signer = SigningKey::from_bytes(seed.as_bytes());
        let mut certificate = EpochCertificate {
            origin: self.origin.clone(),
            deployment: [0xd0; 16],
            epoch: number as u32 + 1,
            key: VerifyingKey::new(&self.origin.heads(), signer.verifying_key().as_bytes()).unwrap(),
            opened: self.time,
            ends: self.time + 1_000_000,
            hard_limit: self.time + 2_000_000,
            seen_size: self.head_log.len() as u64,
            seen_root: self.seen.get(number).copied().unwrap_or_else(|| tree_root(&self.head_log)),
            boot: [0xb0; 16],
        };
        twist(&mut certificate);
        let key = VerifyingKey::new(&self.origin.root_key_name(), root.verifying_key().as_bytes()).unwrap();
        let note = sign_note(&certificate.text(), &key, |text| root.sign(text).to_bytes()).unwrap();
        self.events.push(Event::Epoch(note.clone()));
        self.epochs.push(Epoch { certificate, note, signer });
        number
    }

    pub(crate) fn opening(&self, epoch: usize) -> Op {
        let fingerprint = EpochFingerprint::of(self.epochs[epoch].note.as_bytes());
        let number = self.epochs[epoch].certificate.epoch;
        let object = Some((fingerprint.id(), "epoch", Some(number.into())));
        Op { act: "epoch.open", object, detail: Some(fingerprint.hash()), ..op(0) }
    }

    pub(crate) fn closing(&self, epoch: usize) -> Op {
        Op { act: "epoch.close", detail: None, ..self.opening(epoch) }
    }

    /// Closes an epoch in a commit of another, or its own last.
    pub(crate) fn close_epoch(&mut self, closed: usize, by: usize) {
        self.commit(by, &[self.closing(closed)]);
    }

    pub(crate) fn create_tenant(&mut self) -> usize {
        self.create_tenant_by(0)
    }

    pub(crate) fn create_tenant_by(&mut self, epoch: usize) -> usize {
        let (tenant, created) = self.add_tenant();
        self.commit(epoch, &[created]);
        tenant
    }

    /// A tenant, and the line that must explain it in the next commit.
    pub(crate) fn add_tenant(&mut self) -> (usize, Op) {
        let mut position = (self.logs.len() as u32 * 7_919 + 13) % self.heads.position_limit();
        while !self.heads.is_free(position) {
            position = (position + 1) % self.heads.position_limit();
        }
        let tenant_ref: [u8; 16] = leaf_hash(&self.logs.len().to_be_bytes()).as_bytes()[..16].try_into().unwrap();
        self.add_log(position, tenant_ref, LogStatus::Open);
        let object = Some((tenant_ref, "tenant", None));
        (self.logs.len() - 1, Op { act: "tenant.create", object, position: Some(position), ..op(0) })
    }

    pub(crate) fn close_tenant(&mut self, log: usize) {
        self.close_tenant_by(self.epochs.len() - 1, log);
    }

    pub(crate) fn close_tenant_by(&mut self, epoch: usize, log: usize) {
        self.logs[log].status = LogStatus::Closed;
        let (position, head) = (self.logs[log].position, self.logs[log].head());
        self.heads.set(position, head.leaf()).unwrap();
        let object = Some((head.tenant_ref, "tenant", None));
        self.commit(epoch, &[Op { act: "tenant.close", object, ..op(0) }]);
    }

    /// Writes one commit with these lines, by this epoch, and signs its checkpoint.
    pub(crate) fn commit(&mut self, epoch: usize, ops: &[Op]) {
        let twist = std::mem::take(&mut self.twist);
        self.time += 1_000;
        let number = self.epochs[epoch].certificate.epoch;
        let time = twist.time.unwrap_or(self.time);
        let mut lines = Vec::new();
        for op in ops {
            let line = self.line(op, epoch, number, time, &twist);
            self.lines += 1;
            let log = &mut self.logs[op.log];
            log.prev = Some(leaf_hash(&line));
            log.tree.append(leaf_hash(&line));
            log.lines.push(line.clone());
            log.commits.push(self.head_log.len());
            let (position, head) = (log.position, log.head());
            self.heads.set(position, head.leaf()).unwrap();
            lines.push(line);
        }
        let n = self.head_log.len() as u64;
        let blind = [n as u8; 16];
        let (tenants, count) = twist.stats.unwrap_or((self.heads.in_use().into(), self.lines));
        let stats = stats_hash(&blind, tenants, count);
        let mut leaf = CommitLeaf { n, time, epoch: number, heads_root: self.heads.root(), stats };
        if let Some(twist) = twist.leaf {
            twist(&mut leaf);
        }
        let mut bytes = leaf.to_bytes().to_vec();
        if let Some(twist) = twist.leaf_bytes {
            twist(&mut bytes);
        }
        self.head_log.push(leaf_hash(&bytes));
        self.leaf = Some(leaf);
        let root = tree_root(&self.head_log);
        let checkpoint = Checkpoint { origin: self.origin.heads(), size: n + 1, root };
        let signer = twist.epoch_key.map_or(self.epochs[epoch].signer.clone(), |seed| SigningKey::from_bytes(&seed));
        let key = VerifyingKey::new(&self.origin.heads(), signer.verifying_key().as_bytes()).unwrap();
        self.checkpoints.push(checkpoint.sign(&key, |text| signer.sign(text).to_bytes()).unwrap());
        self.events.push(Event::Commit(bytes, blind));
        self.events.extend(lines.into_iter().map(Event::Line));
    }

    fn line(&self, op: &Op, epoch: usize, number: u32, time: u64, twist: &Twist) -> Vec<u8> {
        let name = self.log_origin(op.log);
        let who = Who::Actor { kind: ActorKind::Service, handle: [0xaa; 16] };
        let mut builder = LineBuilder::new(op.act, &name, who, [0xbb; 16]).source([0xee; 16]).pseudonym_key(1);
        if let Some((id, kind, version)) = op.object {
            builder = builder.object(Object { kind, id, version });
        }
        if let Some(detail) = op.detail {
            builder = builder.detail(detail);
        }
        if let Some(position) = op.position {
            builder = builder.position(position);
        }
        if op.intent {
            builder = builder.intent();
        }
        let outcome = if op.refused { Outcome::Refused("SR-TENANT-EXISTS") } else { Outcome::Ok };
        let log = &self.logs[op.log];
        let key = self.epochs[epoch].certificate.key.public_key();
        let prev = log.prev.unwrap_or_else(|| genesis_hash(&name, &key, self.previous.as_ref()));
        let mut line = Vec::new();
        let template = builder.finish(outcome).unwrap();
        template.splice(number, &prev, log.tree.size(), time, &mut line).unwrap();
        assert!(parse_line(&line).is_ok());
        match twist.line {
            None => line,
            Some(twist) => {
                let mut text = String::from_utf8(line).unwrap();
                twist(&mut text);
                text.into_bytes()
            }
        }
    }

    /// Opens the next generation: the same tenants, new logs.
    pub(crate) fn next_generation(&mut self) {
        self.end_generation();
        self.begin_generation(self.origin.generation() + 1);
        self.open_epoch();
    }

    pub(crate) fn end_generation(&mut self) {
        self.events.extend(self.checkpoints.last().cloned().map(Event::Checkpoint));
    }

    pub(crate) fn begin_generation(&mut self, k: u32) {
        let previous = PreviousGeneration { size: self.head_log.len() as u64, root: tree_root(&self.head_log) };
        self.events.push(Event::Generation(k, Some(previous)));
        self.previous = Some(previous);
        self.origin = self.origin.at_generation(k);
        self.heads = HeadsTree::new();
        (self.head_log, self.epochs, self.leaf, self.lines) = Default::default();
        for log in std::mem::take(&mut self.logs) {
            self.start_log(log.position, log.tenant_ref, log.status);
        }
    }

    /// The receipt of a line of this generation, as JSON.
    pub(crate) fn receipt(&self, log: usize, seq: usize) -> serde_json::Value {
        let commit = self.logs[log].commits[seq];
        let note = &self.checkpoints[self.checkpoints.len() - self.head_log.len() + commit];
        let text = note.split_once("\n\n").unwrap().0;
        let root = base64_decode(text.lines().nth(2).unwrap()).unwrap();
        let signature = base64_decode(note.trim_end().rsplit_once(' ').unwrap().1).unwrap();
        let line = &self.logs[log].lines[seq];
        serde_json::json!({
            "origin": self.log_origin(log).as_str(),
            "seq": seq,
            "leaf": leaf_hash(line).to_string(),
            "head_size": commit + 1,
            "head_root": hex_encode(&root),
            "epoch": parse_line(line).unwrap().ep,
            "signature": hex_encode(&signature[4..]),
        })
    }

    pub(crate) fn bundle(&self) -> Vec<u8> {
        let mut writer = FullBundleWriter::new(&self.origin);
        let mut bytes = Vec::new();
        let last = self.checkpoints.last().filter(|_| !self.head_log.is_empty()).cloned().map(Event::Checkpoint);
        for event in self.events.iter().chain(&last) {
            match event {
                Event::Generation(k, previous) => writer.generation(*k, previous.as_ref()),
                Event::Tenant(position, tenant_ref, status) => writer.tenant(*position, tenant_ref, *status),
                Event::Epoch(note) => writer.epoch(note.as_bytes()),
                Event::Commit(leaf, blind) => writer.commit(leaf, blind),
                Event::Line(line) => writer.line(line),
                Event::Checkpoint(note) => writer.checkpoint(note.as_bytes()),
            }
            bytes.extend(writer.take());
        }
        bytes.extend(writer.finish());
        bytes
    }

    pub(crate) fn tenant_bundle(&self, log: usize) -> Vec<u8> {
        let leaf = self.leaf.unwrap();
        let epoch = &self.epochs[leaf.epoch as usize - 1];
        let Log { position, tenant_ref, .. } = self.logs[log];
        let mut writer =
            TenantBundleWriter::new(&self.origin, self.previous.as_ref(), epoch.note.as_bytes(), position, &tenant_ref);
        for line in &self.logs[log].lines {
            writer.line(line);
        }
        writer.finish(&TenantProof {
            head: self.logs[log].head(),
            heads_size: self.heads.size(),
            heads_proof: &self.heads.proof(position),
            commit: leaf,
            commit_proof: &inclusion_proof(&self.head_log, self.head_log.len() - 1),
            checkpoint: self.checkpoints.last().unwrap().as_bytes(),
        })
    }
}

impl Log {
    pub(crate) fn head(&self) -> TenantHead {
        TenantHead { tenant_ref: self.tenant_ref, size: self.tree.size(), root: self.tree.root(), status: self.status }
    }
}
