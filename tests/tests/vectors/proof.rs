//! Proofs of single lines: made from the published bundle of the whole deployment, so that they never change.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use strongroom_log::{
    Checkpoint, CommitLeaf, EntryProof, EpochCertificate, HeadsTree, LogStatus, Note, Origin, RootKey, TenantHead,
    TenantProof, base64_decode, base64_encode, hex_array, hex_encode as hex, inclusion_proof, leaf_hash, parse_line,
    tree_root,
};

use super::Files;

/// What of a full bundle is needed to prove its lines.
pub(super) struct Bundle {
    pub(super) root: RootKey,
    receipts: Vec<Value>,
    /// By name: position and ref, status, and lines.
    logs: BTreeMap<String, Log>,
    pub(super) commits: Vec<CommitLeaf>,
    /// By epoch: the note.
    pub(super) certificates: BTreeMap<u32, Vec<u8>>,
    pub(super) checkpoint: Vec<u8>,
}

struct Log {
    position: u32,
    tenant_ref: [u8; 16],
    status: LogStatus,
    lines: Vec<Vec<u8>>,
}

impl Log {
    fn head(&self) -> TenantHead {
        let leaves: Vec<_> = self.lines.iter().map(|line| leaf_hash(line)).collect();
        let (size, root) = (leaves.len() as u64, tree_root(&leaves));
        TenantHead { tenant_ref: self.tenant_ref, size, root, status: self.status }
    }
}

impl Bundle {
    /// Of one generation, and valid: that it is, other tests of the vectors show.
    pub(super) fn published() -> Self {
        let vector: Value = serde_json::from_str(include_str!("../../vectors/log-full.json")).expect("a vector");
        let root: RootKey = vector["root_vkey"].as_str().expect("a vkey").parse().expect("a vkey");
        let origin = Origin::parse("example.com/keys").expect("an origin");
        let mut bundle = Self {
            root,
            receipts: vector["receipts"].as_array().expect("receipts").clone(),
            logs: BTreeMap::new(),
            commits: Vec::new(),
            certificates: BTreeMap::new(),
            checkpoint: Vec::new(),
        };
        for record in vector["bundle"].as_array().expect("records") {
            let (tag, rest) = record.as_str().and_then(|record| record.split_once(' ')).expect("a tag");
            match tag {
                "tenant" => bundle.add_log("example.com/keys/sys".into(), 0, rest.split(' ').nth(1).expect("a ref")),
                "epoch" => {
                    let note = base64_decode(rest).expect("base64");
                    let text = Note::parse(&note).expect("a note").unverified_text().to_owned();
                    let epoch = EpochCertificate::parse(&text, &origin).expect("a certificate").epoch;
                    bundle.certificates.insert(epoch, note);
                }
                "commit" => {
                    let leaf = base64_decode(rest.split(' ').next().expect("a leaf")).expect("base64");
                    bundle.commits.push(CommitLeaf::from_bytes(&leaf).expect("a leaf"));
                }
                "line" => bundle.append(rest),
                "checkpoint" => bundle.checkpoint = base64_decode(rest).expect("base64"),
                _ => {}
            }
        }
        bundle
    }

    fn add_log(&mut self, name: String, position: u32, tenant_ref: &str) {
        let tenant_ref = hex_array(tenant_ref).expect("hex");
        self.logs.insert(name, Log { position, tenant_ref, status: LogStatus::Open, lines: Vec::new() });
    }

    fn append(&mut self, line: &str) {
        let parsed = parse_line(line.as_bytes()).expect("a line");
        let of = |line: &Value| format!("example.com/keys/t/{}", line["obj"]["id"].as_str().expect("a ref"));
        let said: Value = serde_json::from_str(line).expect("JSON");
        match parsed.act {
            "tenant.create" => {
                let position = said["pos"].as_u64().and_then(|position| position.try_into().ok()).expect("a position");
                self.add_log(of(&said), position, said["obj"]["id"].as_str().expect("a ref"));
            }
            "tenant.close" if parsed.log.ends_with("/sys") => {
                self.logs.get_mut(&of(&said)).expect("a log").status = LogStatus::Closed;
            }
            _ => {}
        }
        self.logs.get_mut(parsed.log).expect("a log").lines.push(line.as_bytes().to_vec());
    }

    /// The proof of the line that this receipt is of, as a vector.
    fn proof(&self, what: &str, receipt: usize) -> Value {
        let receipt = &self.receipts[receipt];
        let log = &self.logs[receipt["origin"].as_str().expect("a log")];
        let seq = receipt["seq"].as_u64().and_then(|seq| usize::try_from(seq).ok()).expect("a position");
        let leaves: Vec<_> = log.lines.iter().map(|line| leaf_hash(line)).collect();
        let heads: Vec<_> = self.logs.values().map(|log| (log.position, log.head().leaf())).collect();
        let heads = HeadsTree::from_leaves(&heads).expect("a heads tree");
        let commits: Vec<_> = self.commits.iter().map(CommitLeaf::leaf).collect();
        let commit = *self.commits.last().expect("a commit");
        let certificate = &self.certificates[&commit.epoch];
        let proof = TenantProof {
            head: log.head(),
            heads_size: heads.size(),
            heads_proof: &heads.proof(log.position),
            commit,
            commit_proof: &inclusion_proof(&commits, commits.len() - 1),
            checkpoint: &self.checkpoint,
        };
        let entry_proof = inclusion_proof(&leaves, seq);
        let made = EntryProof::new(&log.lines[seq], entry_proof, log.position, &proof, certificate, &self.root)
            .expect("a proof");
        let text_of = |note: &[u8]| Note::parse(note).expect("a note").unverified_text().to_owned();
        let checkpoint = text_of(&self.checkpoint);
        assert_eq!(Checkpoint::parse(&checkpoint).map(|it| it.root), Ok(tree_root(&commits)));
        json!({
            "what": what,
            "kind": "proof",
            "outcome": "ok",
            "root_vkey": self.root.to_string(),
            "proof": made.write().lines().collect::<Vec<_>>(),
            "log": "log-full.json",
            "receipt": receipt,
            "steps": {
                "leaf": leaves[seq].to_string(),
                "head_leaf": log.head().leaf().to_string(),
                "heads_root": hex(commit.heads_root.as_bytes()),
                "commit_leaf": commit.leaf().to_string(),
                "checkpoint": checkpoint,
                "certificate": text_of(certificate),
            },
        })
    }
}

pub(super) fn vectors(files: &mut Files) {
    let bundle = Bundle::published();
    let tenant = bundle.proof("A line of a tenant's log, which is the one that the receipt is of", 4);
    files.add("proof-sys", bundle.proof("A line of the deployment's own log, at position 0 of the heads tree", 2));
    files.add("proof-closed", bundle.proof("A line of a tenant that was closed since: the head says so", 7));
    refused(files, &tenant);
    files.add("proof-tenant", tenant);
}

/// Proofs that were tampered with, and a true one beside the receipt of another line.
fn refused(files: &mut Files, good: &Value) {
    let mut add = |name: &str, what: &str, change: &dyn Fn(&mut Vec<String>, &mut Value)| {
        let strings = |value: &Value| value.as_array().expect("records").iter().map(text).collect::<Vec<_>>();
        let (mut records, mut receipt) = (strings(&good["proof"]), good["receipt"].clone());
        change(&mut records, &mut receipt);
        let vector = json!({
            "what": what, "kind": "proof", "outcome": "refused", "reason": name,
            "root_vkey": good["root_vkey"], "proof": records, "log": good["log"], "receipt": receipt,
        });
        assert!(vector["proof"] != good["proof"] || vector["receipt"] != good["receipt"], "{name}");
        files.add(&format!("refused-proof-{name}"), vector);
    };
    let at = |tag: &str, records: &[String]| {
        records.iter().position(|record| record.starts_with(&format!("{tag} "))).expect("it is there")
    };
    let edit = |records: &mut [String], tag: &str, from: &str, to: &str| {
        let record = &mut records[at(tag, records)];
        *record = record.replacen(from, to, 1);
    };
    // The bytes behind the last space, with a bit of one of them changed.
    let flip = |records: &mut [String], tag: &str, byte: usize| {
        let record = &mut records[at(tag, records)];
        let (before, last) = record.rsplit_once(' ').expect("a field");
        let mut bytes = base64_decode(last).expect("base64");
        bytes[byte] ^= 1;
        *record = format!("{before} {}", base64_encode(&bytes));
    };
    add("line-edited", "Another version in the line", &|records, _| edit(records, "line", r#""ver":2"#, r#""ver":3"#));
    add("head-edited", "A head of another status", &|records, _| {
        let head = at("head", records);
        records[head].pop();
        records[head].push('2');
    });
    add("position", "Another position in the heads tree", &|records, _| edit(records, "log", "log ", "log 1"));
    add("heads-node", "Another node on the way through the heads tree", &|records, _| flip(records, "heads-proof", 33));
    add("commit-time", "A commit of another time", &|records, _| flip(records, "commit-leaf", 27));
    add("checkpoint-signature", "Another signature of the checkpoint", &|records, _| flip(records, "checkpoint", 5));
    add("epoch-forged", "A certificate with a later hard limit", &|records, _| flip(records, "epoch", 75));
    add("records-swapped", "Two records in the other order", &|records, _| records.swap(1, 2));
    add("record-more", "A record after the last", &|records, _| records.push("end 1".into()));
    add("base64-spelling", "The same hashes without padding", &|records, _| {
        let record = at("heads-proof", records);
        records[record] = records[record].trim_end_matches('=').to_owned();
    });
    add("receipt-line", "A receipt that says another line was there", &|_, receipt| {
        let leaf = text(&receipt["leaf"]);
        receipt["leaf"] = json!(format!("{}{}", if leaf.starts_with('0') { '1' } else { '0' }, &leaf[1..]));
    });
    add("receipt-seq", "A receipt of the line after it", &|_, receipt| {
        receipt["seq"] = json!(receipt["seq"].as_u64().expect("a number") + 1);
    });
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
