//! A small honest writer of bundles, of any length: nothing is kept of a line once it is written.

use ed25519_dalek::{Signer as _, SigningKey};
use strongroom_log::*;

/// Microseconds since 1970.
const BEGIN: u64 = 1_790_000_000_000_000;
const BLIND: [u8; 16] = [3; 16];

struct Log {
    tenant_ref: [u8; 16],
    position: u32,
    origin: LogOrigin,
    tree: Frontier,
    prev: Hash,
}

/// Writes a deployment's log: `sys`, and tenants as they are asked for.
pub(crate) struct Writer {
    origin: Origin,
    root: SigningKey,
    epoch: SigningKey,
    pub(crate) bundle: FullBundleWriter,
    logs: Vec<Log>,
    heads: HeadsTree,
    head_log: Frontier,
    lines: u64,
    time: u64,
}

impl Writer {
    pub(crate) fn new() -> Self {
        let origin = Origin::parse("example.com/keys").unwrap();
        let (root, epoch) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let mut bundle = FullBundleWriter::new(&origin);
        bundle.generation(1, None);
        let (heads, head_log) = (HeadsTree::new(), Frontier::new());
        let mut writer = Self { origin, root, epoch, bundle, logs: Vec::new(), heads, head_log, lines: 0, time: BEGIN };
        writer.bundle.tenant(0, &[9; 16], LogStatus::Open);
        let sys = writer.origin.sys();
        writer.add_log([9; 16], 0, sys);
        let certificate = writer.certificate();
        let name = VerifyingKey::new(&writer.origin.root_key_name(), writer.root.verifying_key().as_bytes()).unwrap();
        let note = sign_note(&certificate.text(), &name, |text| writer.root.sign(text).to_bytes()).unwrap();
        writer.bundle.epoch(note.as_bytes());
        let fingerprint = EpochFingerprint::of(note.as_bytes());
        let opening = writer
            .line("epoch.open", 0)
            .object(Object { kind: "epoch", id: fingerprint.id(), version: Some(1) })
            .detail(fingerprint.hash());
        let opening = opening.finish(Outcome::Ok).unwrap();
        writer.commit(&[(0, opening)]);
        writer
    }

    pub(crate) fn root_key(&self) -> RootKey {
        RootKey::of(&self.origin, self.root.verifying_key().as_bytes()).unwrap()
    }

    fn epoch_key(&self) -> VerifyingKey {
        VerifyingKey::new(&self.origin.heads(), self.epoch.verifying_key().as_bytes()).unwrap()
    }

    fn certificate(&self) -> EpochCertificate {
        EpochCertificate {
            origin: self.origin.clone(),
            deployment: [1; 16],
            epoch: 1,
            key: self.epoch_key(),
            opened: BEGIN,
            ends: BEGIN + 900_000_000_000,
            hard_limit: BEGIN + 9_900_000_000_000,
            seen_size: 0,
            seen_root: empty_root(),
            boot: [2; 16],
        }
    }

    fn add_log(&mut self, tenant_ref: [u8; 16], position: u32, origin: LogOrigin) {
        let prev = genesis_hash(&origin, self.epoch.verifying_key().as_bytes(), None);
        self.logs.push(Log { tenant_ref, position, origin, tree: Frontier::new(), prev });
        self.heads.set(position, self.logs[self.logs.len() - 1].leaf()).unwrap();
    }

    fn line(&self, act: &'static str, log: usize) -> LineBuilder<'_> {
        let who = Who::Actor { kind: ActorKind::Service, handle: [7; 16] };
        LineBuilder::new(act, &self.logs[log].origin, who, [8; 16])
    }

    /// Creates a tenant; its log's number.
    pub(crate) fn create_tenant(&mut self) -> usize {
        let number = self.logs.len() as u32;
        let tenant_ref: [u8; 16] = leaf_hash(&number.to_be_bytes()).as_bytes()[..16].try_into().unwrap();
        let origin = self.origin.tenant(&tenant_ref);
        let created = self
            .line("tenant.create", 0)
            .object(Object { kind: "tenant", id: tenant_ref, version: None })
            .position(number)
            .finish(Outcome::Ok)
            .unwrap();
        self.add_log(tenant_ref, number, origin);
        self.commit(&[(0, created)]);
        self.logs.len() - 1
    }

    /// Writes a commit with one line in each of these logs.
    pub(crate) fn read(&mut self, logs: &[usize]) {
        let line = |log: &usize| {
            let line = self.line("secret.get", *log).object(Object { kind: "secret", id: [5; 16], version: Some(3) });
            (*log, line.pseudonym_key(1).source([6; 16]).finish(Outcome::Ok).unwrap())
        };
        let lines: Vec<_> = logs.iter().map(line).collect();
        self.commit(&lines);
    }

    fn commit(&mut self, lines: &[(usize, LineTemplate)]) {
        self.time += 1_000;
        let (mut spliced, mut leaves) = (Vec::new(), Vec::new());
        for (index, line) in lines {
            let log = &mut self.logs[*index];
            let mut bytes = Vec::new();
            line.splice(1, &log.prev, log.tree.size(), self.time, &mut bytes).unwrap();
            log.prev = leaf_hash(&bytes);
            log.tree.append(log.prev);
            spliced.push(bytes);
        }
        for (index, _) in lines {
            leaves.push((self.logs[*index].position, self.logs[*index].leaf()));
        }
        self.heads.set_many(&leaves).unwrap();
        self.lines += lines.len() as u64;
        let leaf = CommitLeaf {
            n: self.head_log.size(),
            time: self.time,
            epoch: 1,
            heads_root: self.heads.root(),
            stats: stats_hash(&BLIND, self.heads.in_use().into(), self.lines),
        };
        self.head_log.append(leaf.leaf());
        self.bundle.commit(&leaf.to_bytes(), &BLIND);
        spliced.iter().for_each(|line| self.bundle.line(line));
    }

    /// The checkpoint of what there is.
    pub(crate) fn checkpoint(&self) -> String {
        let (size, root) = (self.head_log.size(), self.head_log.root());
        let checkpoint = Checkpoint { origin: self.origin.heads(), size, root };
        checkpoint.sign(&self.epoch_key(), |text| self.epoch.sign(text).to_bytes()).unwrap()
    }

    /// The receipt of the last line of a log, as JSON, given in the last commit.
    pub(crate) fn receipt(&self, log: usize) -> String {
        let Log { origin, tree, prev, .. } = &self.logs[log];
        let note = self.checkpoint();
        let signature = base64_decode(note.trim_end().rsplit_once(' ').unwrap().1).unwrap();
        format!(
            r#"{{"origin":"{origin}","seq":{},"leaf":"{prev}","head_size":{},"head_root":"{}","epoch":1,"signature":"{}"}}"#,
            tree.size() - 1,
            self.head_log.size(),
            self.head_log.root(),
            hex_encode(&signature[4..]),
        )
    }

    /// Ends the bundle; what was not taken of it yet.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let checkpoint = self.checkpoint();
        self.bundle.checkpoint(checkpoint.as_bytes());
        self.bundle.finish()
    }
}

impl Log {
    fn leaf(&self) -> Hash {
        let (size, root) = (self.tree.size(), self.tree.root());
        TenantHead { tenant_ref: self.tenant_ref, size, root, status: LogStatus::Open }.leaf()
    }
}
