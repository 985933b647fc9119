//! Receipts against logs: those that callers were given, of operations that the log denies.

use crate::room::{Room, op};
use crate::tamper::{Case, Honest, Place};
use serde_json::{Value, json};
use strongroom_log::Verdict::{Tampered, Unverifiable};
use strongroom_log::*;

const A: usize = 1;
const B: usize = 2;

fn kept(receipts: &[Value]) -> Memory {
    let mut memory = Memory::new();
    for receipt in receipts {
        memory.add_receipt(serde_json::from_value(receipt.clone()).unwrap());
    }
    memory
}

fn all_receipts(room: &Room) -> Vec<Value> {
    let of = |log: usize| (0..room.logs[log].lines.len()).map(move |seq| room.receipt(log, seq));
    (0..room.logs.len()).flat_map(of).collect()
}

pub(crate) fn cases() -> Vec<Case> {
    let room = Room::busy();
    let (root, before) = (room.root_key(), Honest::of(&room));
    let mut list = Vec::new();
    let mut add = |name: String, bundle: Vec<u8>, receipt: Value, want| {
        let (before, root) = (before.clone(), root.clone());
        list.push(Case { name, before, bundle, root, memory: kept(&[receipt]), want });
    };
    let place = |log: &LogOrigin, seq: u64| Place::Line(log.to_string(), seq);
    let (a, sys) = (room.log_origin(A), room.log_origin(0));

    // Of each operation: the log as it was before it, and one in which something else was done from then on.
    for log in [0, A, B] {
        for seq in 1..room.logs[log].lines.len() {
            let commit = room.logs[log].commits[seq];
            if commit < 3 {
                continue;
            }
            let shorter = Room::busy_to(commit);
            let want = (Tampered, "ROLLBACK", Place::Commit(commit as u64));
            let receipt = room.receipt(log, seq);
            add(format!("receipt {seq} of log {log}: cut off"), shorter.bundle(), receipt.clone(), want);
            let mut fork = shorter;
            let by = fork.epochs.len() - 1;
            fork.commit(by, &[op(B), op(B), op(A)]);
            let want = (Tampered, "FORK", Place::Commit(commit as u64));
            add(format!("receipt {seq} of log {log}: undone"), fork.bundle(), receipt, want);
        }
    }

    // Receipts that a server gave for what it never recorded, under a head that is real.
    let good = room.receipt(A, 5);
    let with = |field: &str, value: Value| {
        let mut receipt = good.clone();
        receipt[field] = value;
        receipt
    };
    let bundle = room.bundle();
    let nowhere = room.origin.tenant(&[9; 16]);
    for (name, receipt, code, at) in [
        ("of another line", with("leaf", json!("00".repeat(32))), "RECEIPT-LINE", place(&a, 5)),
        ("of a line that is not there", with("seq", json!(99)), "RECEIPT-LINE", place(&a, 99)),
        ("of a tenant that is not there", with("origin", json!(nowhere.as_str())), "RECEIPT-LINE", place(&nowhere, 5)),
        ("of a line in another log", with("origin", json!(sys.as_str())), "RECEIPT-LINE", place(&sys, 5)),
    ] {
        add(format!("receipt {name}"), bundle.clone(), receipt, (Tampered, code, at));
    }
    let mut early = room.receipt(A, 4);
    early["seq"] = json!(9);
    early["leaf"] = json!(leaf_hash(&room.logs[A].lines[9]).to_string());
    add("receipt of before its line".into(), bundle.clone(), early, (Tampered, "RECEIPT-LINE", place(&a, 9)));

    let signature = "RECEIPT-SIGNATURE";
    for (name, receipt) in [
        ("with another signature", with("signature", json!("00".repeat(64)))),
        ("by another epoch", with("epoch", json!(1))),
        ("by an epoch that is not there", with("epoch", json!(9))),
        ("of another size, which its epoch did not sign", with("head_size", json!(9))),
    ] {
        add(format!("receipt {name}"), bundle.clone(), receipt, (Unverifiable, signature, place(&a, 5)));
    }
    let mut switched = room.receipt(A, 5);
    switched["signature"] = json!("ab".repeat(64));
    switched["epoch"] = json!(3);
    add("receipt forged".into(), bundle.clone(), switched, (Unverifiable, signature, place(&a, 5)));
    let other = with("origin", json!("example.org/keys/sys"));
    add("receipt of another deployment".into(), bundle.clone(), other, (Unverifiable, "RECEIPT-ORIGIN", Place::None));
    let mut later = room.clone();
    later.next_generation();
    let receipt = later.receipt(0, 0);
    add("receipt of a later generation".into(), bundle, receipt, (Tampered, "ROLLBACK", Place::None));
    of_one_log(&mut list);
    list
}

/// One log's bundle tells whether it has the line, and whether it is older than the receipt.
fn of_one_log(list: &mut Vec<Case>) {
    let room = Room::busy();
    let before = Honest::new(room.tenant_bundle(A), room.root_key());
    let mut add = |name: &str, bundle: Vec<u8>, receipt: Value, want| {
        let (before, root, memory) = (before.clone(), room.root_key(), kept(&[receipt]));
        list.push(Case { name: format!("one log: receipt {name}"), before, bundle, root, memory, want });
    };
    let line = |seq| Place::Line(room.log_origin(A).to_string(), seq);
    let mut other = room.receipt(A, 5);
    other["leaf"] = json!("00".repeat(32));
    add("of another line", room.tenant_bundle(A), other, (Tampered, "RECEIPT-LINE", line(5)));
    let mut newest = room.receipt(A, 10);
    newest["signature"] = json!("00".repeat(64));
    add("with another signature", room.tenant_bundle(A), newest, (Unverifiable, "RECEIPT-SIGNATURE", line(10)));
    let mut older = room.receipt(A, 8);
    older["signature"] = json!("00".repeat(64));
    add("of before, badly signed", room.tenant_bundle(A), older, (Unverifiable, "RECEIPT-SIGNATURE", line(8)));
    let shorter = Room::busy_to(14);
    let want = (Tampered, "ROLLBACK", Place::Commit(14));
    add("of a line cut off", shorter.tenant_bundle(A), room.receipt(A, 10), want.clone());
    add("of another's line cut off", shorter.tenant_bundle(A), room.receipt(B, 5), want);
    let mut fork = shorter;
    fork.commit(2, &[op(A), op(A)]);
    add("of a line undone", fork.tenant_bundle(A), room.receipt(A, 10), (Tampered, "FORK", Place::Commit(14)));
}

#[test]
fn every_receipt_ever_given_is_continued() {
    let room = Room::busy();
    let receipts = all_receipts(&room);
    let report = verify(&room.bundle(), &room.root_key(), kept(&receipts));
    assert!(report.is_ok(), "{report}");
    assert_eq!((report.receipts, report.receipts_count), (Remembered::Continued, receipts.len() as u64));
    assert_eq!(report.signatures, 4 + receipts.len() as u64);
    let mut later = room.clone();
    later.next_generation();
    let report = verify(&later.bundle(), &later.root_key(), kept(&receipts));
    assert!(report.is_ok() && report.receipts == Remembered::Continued, "{report}");

    // One log's bundle has its own lines, and of other logs only the newest heads.
    let own: Vec<_> = (0..11).map(|seq| room.receipt(A, seq)).collect();
    let report = verify(&room.tenant_bundle(A), &room.root_key(), kept(&own));
    assert!(report.is_ok() && report.receipts == Remembered::Continued, "{report}");
    let report = verify(&room.tenant_bundle(A), &room.root_key(), kept(&receipts));
    assert!(report.is_ok() && report.receipts == Remembered::NotCompared, "{report}");
    let report = verify(&later.tenant_bundle(A), &later.root_key(), kept(&receipts));
    assert!(report.is_ok() && report.receipts == Remembered::NotCompared, "another generation's: {report}");
}

#[test]
fn much_that_was_kept_is_held_against_the_log_at_once() {
    let room = Room::busy();
    let mut memory = kept(&all_receipts(&room));
    room.checkpoints.iter().for_each(|note| memory.add_checkpoint(note.as_bytes()));
    let report = verify(&room.bundle(), &room.root_key(), memory.clone());
    assert!(report.is_ok(), "{report}");
    assert_eq!((report.remembered, report.remembered_count, memory.len()), (Remembered::Continued, 15, 15 + 27));
    let report = verify(&Room::busy_to(9).bundle(), &room.root_key(), memory);
    assert_eq!((report.remembered, report.receipts), (Remembered::Contradicted, Remembered::Contradicted));
    assert_eq!(report.findings.len(), 1, "cut off once is one finding: {report}");
}
