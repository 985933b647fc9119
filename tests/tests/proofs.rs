//! Full receipts: what a caller was given is proven from the stored log, or contradicted by it, with nothing but the root key.

mod common;

use std::sync::Arc;

use common::{Place, admin, operator, tenant};
use pollster::block_on;
use strongroom::{
    Audit, Code, Config, Deployment, Get, Import, ImportEntry, OpenOptions, Prove, Put, Receipt, Restore, SecretValue,
    Strongroom, SystemRandom, Timestamp, testing::ManualClock,
};
use strongroom_log::{EntryProof, ReceiptMismatch, RootKey};

/// Has it proven, and holds file and receipt against the root key alone.
fn prove(audit: &Audit, receipt: &Receipt, root: &RootKey) {
    let made = block_on(audit.prove(Prove::try_from(receipt).unwrap())).unwrap();
    let read = EntryProof::parse(made.proof.write().as_bytes()).unwrap();
    let proven = read.verify(root).unwrap();
    assert_eq!(proven.matches(&receipt.try_into().unwrap()), Ok(()), "{receipt}");
    assert_eq!((proven.parsed().log, proven.parsed().seq), (receipt.origin.as_str(), receipt.seq));
}

fn import(count: usize, from: usize) -> Vec<ImportEntry> {
    (from..from + count)
        .map(|number| ImportEntry {
            path: format!("n{number}").parse().unwrap(),
            value: SecretValue::text("x").unwrap(),
        })
        .collect()
}

#[test]
fn every_receipt_is_proven_in_every_log_and_epoch() {
    let (place, room) = Place::software();
    room.close().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1_900_000_000_000_000)));
    let options = OpenOptions::default().injected(clock.clone(), Arc::new(SystemRandom));
    let room = block_on(Strongroom::open_with(&place.deployment, place.device().unwrap(), options)).unwrap();
    let (acme, beta) = (tenant(&room, "acme"), tenant(&room, "beta"));
    let root = room.root_key().clone();
    let text = || SecretValue::text("x").unwrap();
    let mut receipts = Vec::new();
    for number in 0..20 {
        let at = format!("a{number}").parse().unwrap();
        receipts.push((&acme, block_on(acme.secrets().put(&at, text(), Put::default())).unwrap().receipt));
        receipts.push((&beta, block_on(beta.secrets().put(&at, text(), Put::default())).unwrap().receipt));
        receipts.push((&acme, block_on(acme.secrets().get(&at, Get::current())).unwrap().receipt));
        let epoch = receipts[0].1.epoch + number / 7;
        assert_eq!(receipts.last().unwrap().1.epoch, epoch);
        if number % 7 == 6 {
            clock.advance(std::time::Duration::from_secs(16 * 60));
        }
        for (tenant, receipt) in receipts.iter().rev().take(7) {
            prove(&tenant.audit(), receipt, &root);
        }
    }
    // Enough lines for more than one page of reading, and for subtrees of all sizes.
    let many = block_on(acme.secrets().import(&"in".parse().unwrap(), import(2_500, 0), Import::default())).unwrap();
    receipts.push((&acme, many.receipt));
    for (tenant, receipt) in &receipts {
        prove(&tenant.audit(), receipt, &root);
    }
    let (_, shown) = block_on(admin(&room).show_tenant(&"acme".parse().unwrap())).unwrap();
    prove(&admin(&room).audit(), &shown, &root);

    let verified = block_on(admin(&room).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    let entries = block_on(acme.audit().show(many_seq(&receipts), 1_000)).unwrap().entries;
    let line = entries.iter().find(|entry| entry.act == "audit.prove").unwrap();
    assert_eq!((line.object_type.as_deref(), line.version), (Some("line"), Some(receipts[0].1.seq)));
}

fn many_seq<T>(receipts: &[(T, Receipt)]) -> u64 {
    receipts.last().unwrap().1.seq
}

#[test]
fn a_receipt_that_is_another_logs_or_that_the_log_denies_is_refused() {
    let (_place, room) = Place::software();
    let (acme, beta) = (tenant(&room, "acme"), tenant(&room, "beta"));
    let at = "a".parse().unwrap();
    let put = |tenant: &strongroom::ActingTenant| {
        block_on(tenant.secrets().put(&at, SecretValue::text("x").unwrap(), Put::default())).unwrap().receipt
    };
    let (receipt, newer, of_beta) = (put(&acme), put(&acme), put(&beta));
    let with = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = receipt.clone();
        change(&mut receipt);
        receipt
    };
    for (name, receipt, want) in [
        ("another tenant's", of_beta, Code::ReceiptInvalid),
        ("another deployment's", with(&|it| it.origin = "example.com/keys/sys".into()), Code::ReceiptInvalid),
        ("of no log", with(&|it| it.origin = "example.com".into()), Code::ReceiptInvalid),
        ("badly signed", with(&|it| it.signature[0] ^= 1), Code::ReceiptInvalid),
        ("of another line", with(&|it| it.leaf = newer.leaf), Code::ReceiptContradicted),
        ("of what was never done", with(&|it| it.leaf[0] ^= 1), Code::ReceiptContradicted),
        ("of a line that is not there", with(&|it| it.seq = 1_000), Code::ReceiptContradicted),
    ] {
        let proven = Prove::try_from(&receipt).and_then(|receipt| block_on(acme.audit().prove(receipt)));
        assert_eq!(proven.map(drop).map_err(|error| error.code()), Err(want), "case: {name}");
    }
    for seq in [1_000, u64::MAX] {
        assert_eq!(block_on(acme.audit().prove(seq)).map(drop).unwrap_err().code(), Code::LineNotFound);
    }

    let root = room.root_key().clone();
    let made = block_on(acme.audit().prove(receipt.seq)).unwrap().proof;
    assert_eq!(made.verify(&root).unwrap().matches(&(&newer).try_into().unwrap()), Err(ReceiptMismatch::Seq));
}

#[test]
fn what_somebody_changed_in_the_database_is_not_proven() {
    let replaced = |table: &str, column: &str, from: &str, to: &str, rows: &str| {
        let text = format!("replace(CAST({column} AS TEXT), '{from}', '{to}')");
        format!("UPDATE {table} SET {column} = CAST({text} AS BLOB) WHERE {rows}")
    };
    let line =
        |seq: u32| replaced("audit", "line", "secret.put", "secret.get", &format!("log_seq = {seq} AND tenant > 0"));
    let first = "(SELECT leaf FROM head_log ORDER BY id LIMIT 1)";
    let of_sys = "(SELECT frontier FROM log_heads WHERE tenant = 0)";
    for (name, change) in [
        ("the line itself", line(2)),
        ("a line before it", line(1)),
        ("a line dropped", "DELETE FROM audit WHERE log_seq = 3 AND tenant > 0".to_owned()),
        ("the newest commit", format!("UPDATE head_log SET leaf = {first} WHERE id = (SELECT max(id) FROM head_log)")),
        ("the checkpoint", replaced("head", "checkpoint", "/heads", "/sdaeh", "true")),
        ("the log's head", format!("UPDATE log_heads SET frontier = {of_sys} WHERE tenant > 0")),
        ("the certificates", replaced("epochs", "certificate", "hard-limit 1", "hard-limit 2", "true")),
    ] {
        let (place, room) = Place::software();
        let acme = tenant(&room, "acme");
        for number in 0..8 {
            let at = format!("a{number}").parse().unwrap();
            block_on(acme.secrets().put(&at, SecretValue::text("x").unwrap(), Put::default())).unwrap();
        }
        assert!(block_on(acme.audit().prove(2)).is_ok(), "case: {name}");
        assert!(place.thief().execute(&change, []).unwrap() > 0, "case: {name}");
        let error = block_on(acme.audit().prove(2)).map(drop).expect_err(name);
        assert!([Code::LogBroken, Code::StoreDamaged].contains(&error.code()), "case: {name}: {error}");
    }
}

#[test]
fn after_a_restore_receipts_of_before_are_not_proven_and_those_of_after_are() {
    let (place, room) = Place::software();
    let acme = tenant(&room, "acme");
    let at = "a".parse().unwrap();
    let put = |acme: &strongroom::ActingTenant| {
        block_on(acme.secrets().put(&at, SecretValue::text("x").unwrap(), Put::default())).unwrap().receipt
    };
    let (before, kept) = (put(&acme), block_on(acme.audit().prove(0)).unwrap().proof.write());
    let backup = place.folder.path().join("backup");
    block_on(admin(&room).back_up(&backup, |_, _| {})).unwrap();
    room.close().unwrap();
    let config = Config { device: place.uri.to_string(), ..Default::default() };
    let restore = Restore::new(config, "a drill", operator()).unwrap();
    let to = Deployment::at(place.folder.path().join("restored"));
    let (room, _) =
        block_on(Strongroom::restore(&backup, &to, place.device().unwrap(), restore, OpenOptions::default())).unwrap();
    let acme = tenant(&room, "acme");
    let after = put(&acme);
    let proven = |receipt| block_on(acme.audit().prove(Prove::try_from(receipt).unwrap()));
    assert_eq!(proven(&before).map(drop).unwrap_err().code(), Code::GenerationEnded);
    let made = proven(&after).unwrap().proof;
    let root = room.root_key();
    assert!(made.verify(root).unwrap().parsed().log.contains("/g2/t/"));
    assert!(EntryProof::parse(kept.as_bytes()).unwrap().verify(root).is_ok(), "what was proven stays so");
}
