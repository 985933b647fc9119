//! What can be done to the bundle of one log.

use crate::room::{ROOT_SEED, Room, op};
use crate::tamper::{Book, Case, Honest, Place, Want};
use ed25519_dalek::{Signer, SigningKey};
use strongroom_log::Verdict::{Incomplete, Tampered, Unverifiable};
use strongroom_log::*;

const A: usize = 1;
const B: usize = 2;

struct Cases {
    room: Room,
    list: Vec<Case>,
}

impl Cases {
    fn book(&self) -> Book {
        Book::of(self.room.tenant_bundle(A))
    }

    fn at(&self, seq: u64) -> Place {
        Place::Line(self.room.log_origin(A).to_string(), seq)
    }

    fn add(&mut self, name: &str, bundle: Vec<u8>, verdict: Verdict, code: &'static str, place: Place) {
        self.case(name, bundle, None, (verdict, code, place));
    }

    fn case(&mut self, name: &str, bundle: Vec<u8>, remembered: Option<&str>, want: Want) {
        let root = self.room.root_key();
        let before = Honest::new(self.room.tenant_bundle(A), root.clone());
        let memory = remembered.map(str::as_bytes).into();
        self.list.push(Case { name: name.to_owned(), before, bundle, root, memory, want });
    }

    fn change(&mut self, name: &'static str, change: impl FnOnce(&mut Book), code: &'static str, place: Place) {
        let mut book = self.book();
        change(&mut book);
        self.add(name, book.bytes(), Tampered, code, place);
    }

    fn line(&mut self, name: &'static str, seq: u64, from: &str, to: &str, code: &'static str, place: Place) {
        let log = self.room.log_origin(A).to_string();
        self.change(name, |book| book.replace(book.line(&log, seq), from, to), code, place);
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Cases { room: Room::busy(), list: Vec::new() };
    lines(&mut cases);
    proofs(&mut cases);
    keys(&mut cases);
    records(&mut cases);
    cases.list
}

fn lines(cases: &mut Cases) {
    let (a4, a10) = (cases.at(4), cases.at(10));
    let log = cases.room.log_origin(A).to_string();
    cases.line("one log: a byte", 4, "secret.get", "secret.put", "LINE-CHAIN", a4.clone());
    cases.line("one log: a byte of the last line", 10, "secret.get", "secret.put", "HEAD-ROOT", a10.clone());
    cases.line("one log: space", 4, "\"pk\":1", "\"pk\": 1", "LINE-FORMAT", a4.clone());
    cases.line("one log: a later version", 4, "\"v\":1", "\"v\":2", "LINE-VERSION", a4.clone());
    cases.line("one log: time backwards", 4, "\"ts\":17", "\"ts\":16", "LINE-TIME", a4.clone());
    cases.line("one log: time after the commit", 10, "\"ts\":17", "\"ts\":18", "HEAD-ROOT", a10.clone());
    cases.line("one log: seq", 4, "\"seq\":4", "\"seq\":7", "LINE-SEQ", a4.clone());
    let other = cases.room.log_origin(B).to_string();
    cases.line("one log: a line's log", 4, &log, &other, "LINE-ORIGIN", a4.clone());
    cases.change("one log: a line deleted", |book| drop(book.0.remove(book.line(&log, 4))), "LINE-SEQ", a4.clone());
    cases.change("one log: the tail cut", |book| drop(book.0.remove(book.line(&log, 10))), "HEAD-SIZE", a10);
    let swap = |book: &mut Book| book.0.swap(8, 9);
    let a3 = cases.at(3);
    cases.change("one log: lines swapped", swap, "LINE-SEQ", a3);
    cases.change("one log: a line twice", |book| book.0.insert(9, book.0[9].clone()), "LINE-SEQ", a4.clone());
    let foreign = Book::of(cases.room.tenant_bundle(B)).0[6].clone();
    cases.change("one log: another's line", |book| book.0[9] = foreign, "LINE-ORIGIN", a4);
}

fn proofs(cases: &mut Cases) {
    let head = |_: &Cases| Place::None;
    let nowhere = head(cases);
    let last = Place::Commit(14);
    let eleven = cases.at(10);
    cases.change(
        "one log: head size",
        |book| book.replace(book.nth("head", 0), "head 11", "head 10"),
        "HEAD-SIZE",
        eleven.clone(),
    );
    let root = |book: &mut Book| {
        let at = book.nth("head", 0);
        book.0[at] = format!("head 11 {} 1", base64_encode(&[4; 32]));
    };
    cases.change("one log: head root", root, "HEAD-ROOT", eleven);
    let status = |book: &mut Book| {
        let at = book.nth("head", 0);
        book.0[at] = book.0[at].strip_suffix('1').unwrap().to_owned() + "2";
    };
    cases.change("one log: status", status, "HEAD-PROOF", nowhere.clone());
    let position = cases.room.logs[A].position;
    let (from, to) = (format!("log {position} "), format!("log {} ", position ^ 1));
    cases.change(
        "one log: position",
        |book| book.replace(book.nth("log", 0), &from, &to),
        "HEAD-PROOF",
        nowhere.clone(),
    );
    let size = |to: &'static str| move |book: &mut Book| book.replace(book.nth("heads-proof", 0), " 1024", to);
    cases.change("one log: a smaller heads tree", size(" 512"), "HEAD-PROOF", nowhere.clone());
    cases.change("one log: a heads tree of an odd size", size(" 1025"), "HEAD-PROOF", nowhere.clone());
    let proof = |book: &mut Book| {
        let at = book.nth("heads-proof", 0);
        let (start, _) = book.0[at].rsplit_once(' ').unwrap();
        book.0[at] = format!("{start} {}", base64_encode(&[4; 32]));
    };
    cases.change("one log: heads proof", proof, "HEAD-PROOF", nowhere.clone());
    let leaf = |at: usize| move |book: &mut Book| book.rewrite(book.nth("commit-leaf", 0), |leaf| leaf[at] ^= 1);
    cases.change("one log: heads root of the commit", leaf(40), "HEAD-PROOF", nowhere.clone());
    cases.change("one log: stats of the commit", leaf(70), "COMMIT-PROOF", last.clone());
    cases.change("one log: number of the commit", leaf(19), "COMMIT-PROOF", Place::Commit(15));
    cases.change("one log: label of the commit", leaf(0), "COMMIT-FORMAT", nowhere.clone());
    let proof = |book: &mut Book| {
        let at = book.nth("commit-proof", 0);
        book.0[at].push_str(&format!(" {}", base64_encode(&[4; 32])));
    };
    cases.change("one log: commit proof", proof, "COMMIT-PROOF", last.clone());
    let note = |change: fn(&mut String)| {
        move |book: &mut Book| {
            let at = book.nth("checkpoint", 0);
            book.rewrite(at, |bytes| {
                let mut note = String::from_utf8(bytes.clone()).unwrap();
                change(&mut note);
                *bytes = note.into_bytes();
            });
        }
    };
    let older = cases.room.checkpoints[9].clone();
    let replay = |book: &mut Book| book.rewrite(book.nth("checkpoint", 0), |bytes| *bytes = older.into_bytes());
    cases.change("one log: an older checkpoint", replay, "COMMIT-PROOF", last.clone());
    let tails = note(|note| *note = note.replace("heads\n", "tails\n"));
    cases.change("one log: a checkpoint of another log", tails, "CHECKPOINT-ORIGIN", last.clone());
    cases.change("one log: no checkpoint", note(|note| note.clear()), "CHECKPOINT-FORMAT", nowhere.clone());
    let extended = note(|note| *note = note.replacen("\n\n", "\nx\n\n", 1));
    cases.change("one log: an extended checkpoint", extended, "CHECKPOINT-FORMAT", nowhere);
    let signature = note(|note| {
        let at = note.len() - 20;
        let other = if note[at..].starts_with('A') { "B" } else { "A" };
        note.replace_range(at..at + 1, other);
    });
    cases.change("one log: the checkpoint's signature", signature, "CHECKPOINT-SIGNATURE", last);
}

fn keys(cases: &mut Cases) {
    let resign = |seed: [u8; 32], name: &'static str| {
        let signer = SigningKey::from_bytes(&seed);
        move |bytes: &mut Vec<u8>| {
            let note = String::from_utf8(bytes.clone()).unwrap();
            let (text, _) = note.rsplit_once("\n\u{2014}").unwrap();
            let key = VerifyingKey::new(name, signer.verifying_key().as_bytes()).unwrap();
            *bytes = sign_note(text, &key, |text| signer.sign(text).to_bytes()).unwrap().into_bytes();
        }
    };
    let stolen = resign([77; 32], "example.com/keys/heads");
    let checkpoint = |book: &mut Book| book.rewrite(book.nth("checkpoint", 0), stolen);
    cases.change("one log: signed by no epoch", checkpoint, "CHECKPOINT-SIGNATURE", Place::Commit(14));
    let thief = resign([66; 32], "example.com/keys/root");
    let mut book = cases.book();
    book.rewrite(book.nth("epoch", 0), thief);
    cases.add("one log: certified by a thief", book.bytes(), Unverifiable, "ROOT-KEY", Place::None);
    let elsewhere = Origin::parse("example.org/keys").unwrap();
    let before = Honest::new(cases.room.tenant_bundle(A), cases.room.root_key());
    cases.list.push(Case {
        name: "one log: the root key of another deployment".to_owned(),
        before,
        bundle: cases.room.tenant_bundle(A),
        root: RootKey::of(&elsewhere, SigningKey::from_bytes(&ROOT_SEED).verifying_key().as_bytes()).unwrap(),
        memory: Memory::new(),
        want: (Unverifiable, "ROOT-KEY", Place::None),
    });
    let other = cases.room.epochs[0].note.clone();
    let swap = |book: &mut Book| book.rewrite(book.nth("epoch", 0), |bytes| *bytes = other.into_bytes());
    cases.change("one log: another epoch", swap, "EPOCH-UNCERTIFIED", Place::Commit(14));
    let text = |book: &mut Book| {
        book.rewrite(book.nth("epoch", 0), |bytes| {
            *bytes = String::from_utf8(bytes.clone()).unwrap().replace("epoch 3", "epoch 4").into_bytes();
        });
    };
    cases.change("one log: the certificate's text", text, "EPOCH-SIGNATURE", Place::None);
    let nothing = |book: &mut Book| book.rewrite(book.nth("epoch", 0), Vec::clear);
    cases.change("one log: no certificate", nothing, "EPOCH-FORMAT", Place::None);

    let mut room = Room::new();
    room.create_tenant();
    room.time += 5_000_000;
    room.commit(0, &[op(A)]);
    cases.add("one log: an expired epoch", room.tenant_bundle(A), Tampered, "EPOCH-EXPIRED", Place::Commit(2));
    room = Room::new();
    room.create_tenant();
    room.twist.line = Some(|line| {
        let at = line.find("\"prev\":\"").unwrap() + 8;
        line.replace_range(at..at + 64, &"0".repeat(64));
    });
    room.commit(0, &[op(A)]);
    let first = Place::Line(room.log_origin(A).to_string(), 0);
    cases.add("one log: another genesis", room.tenant_bundle(A), Tampered, "LINE-GENESIS", first);
    room = Room::new();
    room.create_tenant();
    room.twist.line = Some(|line| *line = line.replace("\"ts\":1", "\"ts\":2"));
    room.commit(0, &[op(A)]);
    let first = Place::Line(room.log_origin(A).to_string(), 0);
    cases.add("one log: a line after its commit", room.tenant_bundle(A), Tampered, "LINE-TIME", first);

    // An older bundle of a log that has gone on: only memory outside shows it.
    let mut room = cases.room.clone();
    let older = room.tenant_bundle(A);
    room.commit(2, &[op(A)]);
    let remembered = room.checkpoints.last().cloned();
    let want = (Tampered, "ROLLBACK", Place::Commit(15));
    cases.case("one log: an older bundle", older, remembered.as_deref(), want);
    let mut fork = cases.room.clone();
    fork.commit(2, &[op(B), op(A)]);
    let want = (Tampered, "FORK", Place::Commit(15));
    let remembered = room.checkpoints.last().map(String::as_str);
    cases.case("one log: a split view", fork.tenant_bundle(A), remembered, want);
}

fn records(cases: &mut Cases) {
    for (name, tag) in [
        ("one log: generation missing", "generation"),
        ("one log: epoch missing", "epoch"),
        ("one log: checkpoint missing", "checkpoint"),
    ] {
        let mut book = cases.book();
        book.0.remove(book.nth(tag, 0));
        let (verdict, code) = match tag {
            "generation" => (Tampered, "BUNDLE-RECORD"),
            _ => (Incomplete, "RECORD-MISSING"),
        };
        cases.add(name, book.bytes(), verdict, code, Place::None);
    }
    for (name, tag) in [
        ("one log: log missing", "log"),
        ("one log: head missing", "head"),
        ("one log: heads proof missing", "heads-proof"),
        ("one log: commit leaf missing", "commit-leaf"),
        ("one log: commit proof missing", "commit-proof"),
    ] {
        cases.change(name, |book| drop(book.0.remove(book.nth(tag, 0))), "BUNDLE-RECORD", Place::None);
    }
    for (name, tag) in [
        ("one log: epoch twice", "epoch"),
        ("one log: log twice", "log"),
        ("one log: head twice", "head"),
        ("one log: heads proof twice", "heads-proof"),
        ("one log: commit leaf twice", "commit-leaf"),
        ("one log: commit proof twice", "commit-proof"),
        ("one log: checkpoint twice", "checkpoint"),
    ] {
        let twice = |book: &mut Book| {
            let at = book.nth(tag, 0);
            book.0.insert(at, book.0[at].clone());
        };
        cases.change(name, twice, "BUNDLE-RECORD", Place::None);
    }
    let late = |book: &mut Book| book.0.insert(book.nth("head", 0) + 1, "line {}".into());
    cases.change("one log: a line after its head", late, "BUNDLE-RECORD", Place::None);
    let twice = |book: &mut Book| book.0.insert(2, book.0[2].clone());
    cases.change("one log: generation twice", twice, "GENERATION", Place::None);
    let second = |book: &mut Book| book.0[2] = "generation 2 0 -".into();
    cases.change("one log: a generation after nothing", second, "GENERATION", Place::None);
    let full = |book: &mut Book| book.0.insert(3, format!("tenant 0 {} 1", "00".repeat(16)));
    cases.change("one log: a full bundle's record", full, "BUNDLE-RECORD", Place::None);
    let many = |book: &mut Book| {
        let at = book.nth("commit-proof", 0);
        book.0[at] += &format!(" {}", base64_encode(&[4; 32])).repeat(65);
    };
    cases.change("one log: an endless proof", many, "BUNDLE-RECORD", Place::None);
    let bundle = cases.room.tenant_bundle(A);
    let end = bundle.len() - 7;
    cases.add("one log: truncated", bundle[..end].to_vec(), Incomplete, "BUNDLE-TRUNCATED", Place::None);
}
