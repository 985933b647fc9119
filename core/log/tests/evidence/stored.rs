//! What someone with write access to everything stored, and no key, can do to a full bundle.

use crate::room::{ROOT_SEED, Room, op};
use crate::tamper::{Book, Case, Honest, Place, Want};
use ed25519_dalek::{Signer, SigningKey};
use strongroom_log::Verdict::{Incomplete, Ok as Fine, Tampered, Unverifiable};
use strongroom_log::*;

const SYS: usize = 0;
const A: usize = 1;
const B: usize = 2;
const C: usize = 3;

/// A case on the busy room (`room.rs` says what is in each of its fifteen commits).
struct Cases {
    room: Room,
    list: Vec<Case>,
}

impl Cases {
    fn at(&self, log: usize, seq: u64) -> Place {
        Place::Line(self.room.log_origin(log).to_string(), seq)
    }

    fn book(&self) -> Book {
        Book::of(self.room.bundle())
    }

    fn push(&mut self, name: &'static str, book: Book, code: &'static str, place: Place) {
        self.add(name, book.bytes(), None, (Tampered, code, place));
    }

    fn add(&mut self, name: &str, bundle: Vec<u8>, remembered: Option<String>, want: Want) {
        let root = self.room.root_key();
        let before = Honest::of(&self.room);
        self.case(name, before, bundle, root, remembered, want);
    }

    fn case(
        &mut self,
        name: &str,
        before: Honest,
        bundle: Vec<u8>,
        root: RootKey,
        remembered: Option<String>,
        want: Want,
    ) {
        let memory = remembered.as_deref().map(str::as_bytes).into();
        self.list.push(Case { name: name.to_owned(), before, bundle, root, memory, want });
    }

    fn line(
        &mut self,
        name: &'static str,
        (log, seq): (usize, u64),
        from: &str,
        to: &str,
        code: &'static str,
        place: Place,
    ) {
        let mut book = self.book();
        let at = book.line(self.room.log_origin(log).as_str(), seq);
        book.replace(at, from, to);
        self.push(name, book, code, place);
    }

    fn commit(
        &mut self,
        name: &'static str,
        n: usize,
        change: impl FnOnce(&mut Vec<u8>),
        code: &'static str,
        place: Place,
    ) {
        let mut book = self.book();
        let at = book.nth("commit", n);
        book.rewrite(at, change);
        self.push(name, book, code, place);
    }

    fn note(
        &mut self,
        name: &'static str,
        (tag, n): (&str, usize),
        change: impl FnOnce(String) -> String,
        code: &'static str,
        place: Place,
    ) {
        let mut book = self.book();
        let at = book.nth(tag, n);
        book.rewrite(at, |bytes| *bytes = change(String::from_utf8(bytes.clone()).unwrap()).into_bytes());
        self.push(name, book, code, place);
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Cases { room: Room::busy(), list: Vec::new() };
    lines(&mut cases);
    commits(&mut cases);
    epochs(&mut cases);
    checkpoints(&mut cases);
    generations(&mut cases);
    remembered(&mut cases);
    bundles(&mut cases);
    cases.list
}

fn lines(cases: &mut Cases) {
    let at = |cases: &Cases, log, seq| cases.at(log, seq);
    let (a2, a3, a4, a5) = (at(cases, A, 2), at(cases, A, 3), at(cases, A, 4), at(cases, A, 5));
    let get = "secret.get";
    cases.line(
        "a byte of a line, its successor in the same commit",
        (A, 4),
        get,
        "secret.put",
        "LINE-CHAIN",
        a4.clone(),
    );
    cases.line("a byte of a line, its successor in a later commit", (A, 2), get, "secret.put", "LINE-CHAIN", a2);
    cases.line("a byte of the only line of a commit", (A, 3), get, "secret.put", "LINE-CHAIN", a3.clone());
    cases.line("a byte of the last line of a log", (A, 10), get, "secret.put", "COMMIT-HEADS", Place::Commit(14));
    let last = at(cases, SYS, 8);
    cases.line("a byte of the last line of sys", (SYS, 8), "\"pk\":1", "\"pk\":2", "COMMIT-HEADS", last);
    let first = at(cases, SYS, 0);
    cases.line("a byte of the very first line", (SYS, 0), "\"pk\":1", "\"pk\":2", "LINE-CHAIN", first);
    cases.line("the prev of a line", (A, 5), "\"prev\":\"", "\"prev\":\"0000", "LINE-FORMAT", a5.clone());
    for (name, seq, place) in [("a digit of prev", 5, a5.clone()), ("a digit of prev across commits", 3, a3.clone())] {
        let mut book = cases.book();
        let at = book.line(cases.room.log_origin(A).as_str(), seq);
        let digit = book.0[at].find("\"prev\":\"").unwrap() + 8;
        let other = if book.0[at][digit..].starts_with('0') { "1" } else { "0" };
        book.0[at].replace_range(digit..digit + 1, other);
        cases.push(name, book, "LINE-CHAIN", place);
    }
    cases.line("seq too high", (A, 5), "\"seq\":5", "\"seq\":95", "LINE-SEQ", a5.clone());
    cases.line("seq too low", (A, 5), "\"seq\":5", "\"seq\":1", "LINE-SEQ", a5.clone());
    cases.line("another time", (A, 4), "\"ts\":17", "\"ts\":16", "LINE-TIME", a4.clone());
    cases.line("another epoch", (A, 4), "\"ep\":2", "\"ep\":1", "LINE-EPOCH", a4.clone());
    cases.line(
        "a refusal made a success",
        (A, 4),
        "\"ok\",\"ok\":true",
        "\"SR-X\",\"ok\":false",
        "LINE-CHAIN",
        a4.clone(),
    );
    let elsewhere = Place::Line("example.org/keys/sys".into(), 4);
    cases.line("another deployment's log", (SYS, 4), "example.com", "example.org", "LINE-ORIGIN", elsewhere);
    cases.line("space in a line", (A, 4), "\"ep\":2", "\"ep\": 2", "LINE-FORMAT", a4.clone());
    cases.line("a number with a leading zero", (A, 4), "\"pk\":1", "\"pk\":01", "LINE-FORMAT", a4.clone());
    cases.line("upper case hex", (A, 4), "\"bbbb", "\"BBBB", "LINE-FORMAT", a4.clone());
    cases.line("a key twice", (A, 4), "\"pk\":1", "\"pk\":1,\"pk\":1", "LINE-FORMAT", a4.clone());
    cases.line("an unknown key", (A, 4), "\"pk\":1", "\"pkx\":1", "LINE-FORMAT", a4.clone());
    cases.line("a required key missing", (A, 4), "\"act\":\"secret.get\",", "", "LINE-FORMAT", a4.clone());
    cases.line("a later version", (A, 4), "\"v\":1", "\"v\":2", "LINE-VERSION", a4.clone());
    let b3 = at(cases, B, 3);
    let (from, to) = (cases.room.log_origin(A).to_string(), cases.room.log_origin(B).to_string());
    cases.line("a line moved to another log", (A, 4), &from, &to, "LINE-SEQ", b3);

    for (name, log, seq, code, place) in [
        ("a line deleted", A, 4, "LINE-SEQ", a4.clone()),
        ("the first line deleted", A, 0, "LINE-SEQ", at(cases, A, 0)),
        ("the last line deleted", A, 10, "COMMIT-HEADS", Place::Commit(14)),
        ("the only line of a commit deleted", A, 3, "COMMIT-EMPTY", Place::Commit(6)),
        ("a tenant's only line deleted", C, 0, "COMMIT-HEADS", Place::Commit(12)),
        ("a tenant.create deleted", SYS, 2, "COMMIT-EMPTY", Place::Commit(2)),
        ("a tenant.close deleted", SYS, 8, "COMMIT-EMPTY", Place::Commit(13)),
    ] {
        let mut book = cases.book();
        let line = book.line(cases.room.log_origin(log).as_str(), seq);
        book.0.remove(line);
        cases.push(name, book, code, place);
    }
    let line_of = |book: &Book, cases: &Cases, log, seq| book.line(cases.room.log_origin(log).as_str(), seq);
    let mut book = cases.book();
    let (x, y) = (line_of(&book, cases, A, 6), line_of(&book, cases, A, 7));
    book.0.swap(x, y);
    cases.push("two lines swapped", book, "LINE-SEQ", at(cases, A, 6));
    let mut book = cases.book();
    let x = line_of(&book, cases, A, 4);
    book.0.insert(x, book.0[x].clone());
    cases.push("a line twice", book, "LINE-SEQ", a4);
    let mut book = cases.book();
    let (x, y) = (line_of(&book, cases, A, 3), line_of(&book, cases, A, 6));
    book.0.swap(x, y);
    cases.push("two lines of different commits swapped", book, "LINE-EPOCH", at(cases, A, 6));
    let mut book = cases.book();
    let (x, y) = (line_of(&book, cases, A, 6), line_of(&book, cases, B, 4));
    let (from, to) = (cases.room.log_origin(A).to_string(), cases.room.log_origin(B).to_string());
    let prev = |record: &str| record[record.find("\"prev\"").unwrap()..][..73].to_owned();
    let moved =
        book.0[x].replace(&from, &to).replace("\"seq\":6", "\"seq\":4").replace(&prev(&book.0[x]), &prev(&book.0[y]));
    book.0[y] = moved.replace("secret.get", "secret.put");
    cases.push("a line transplanted and fitted in", book, "LINE-CHAIN", at(cases, B, 4));
    let mut book = cases.book();
    book.0.retain(|record| !record.contains(cases.room.log_origin(C).as_str()));
    let id = hex_encode(&cases.room.logs[C].tenant_ref);
    book.0.retain(|record| !record.contains(&id));
    cases.push("a tenant dropped with all its lines", book, "COMMIT-EMPTY", Place::Commit(11));
    let mut book = cases.book();
    let x = line_of(&book, cases, B, 4);
    let line = book.0.remove(x);
    let y = line_of(&book, cases, B, 5);
    book.0.insert(y, line);
    cases.push("a line moved to a later commit", book, "COMMIT-HEADS", Place::Commit(10));
}

fn commits(cases: &mut Cases) {
    let a3 = cases.at(A, 3);
    cases.commit("a commit's time", 6, |leaf| leaf[27] ^= 1, "LINE-TIME", a3.clone());
    cases.commit("a commit's epoch", 6, |leaf| leaf[31] = 2, "LINE-EPOCH", a3.clone());
    cases.commit("a commit's number", 6, |leaf| leaf[12] ^= 1, "COMMIT-SEQ", Place::Commit(6));
    cases.commit("a commit's heads root", 5, |leaf| leaf[40] ^= 1, "COMMIT-HEADS", cases.at(B, 2));
    cases.commit("a commit's stats", 6, |leaf| leaf[70] ^= 1, "COMMIT-STATS", Place::Commit(6));
    cases.commit("a commit's label", 6, |leaf| leaf[0] ^= 1, "COMMIT-FORMAT", Place::Commit(6));
    cases.commit("a commit's length", 6, |leaf| leaf.push(0), "COMMIT-FORMAT", Place::Commit(6));
    let mut book = cases.book();
    let at = book.nth("commit", 6);
    book.replace(at, "0606", "0607");
    cases.push("a commit's blind", book, "COMMIT-STATS", Place::Commit(6));

    let mut book = cases.book();
    book.0.drain(book.commit(6));
    cases.push("a commit dropped", book, "COMMIT-SEQ", Place::Commit(6));
    let mut book = cases.book();
    book.0.drain(book.commit(0));
    cases.push("the first commit dropped", book, "COMMIT-SEQ", Place::Commit(0));
    let mut book = cases.book();
    book.0.remove(book.nth("commit", 6));
    cases.push("a commit dropped, its lines kept", book, "LINE-EPOCH", a3);
    let mut book = cases.book();
    let first: Vec<_> = book.0.drain(book.commit(5)).collect();
    let at = book.commit(5).end;
    book.0.splice(at..at, first);
    cases.push("two commits swapped", book, "COMMIT-SEQ", Place::Commit(5));
    let mut book = cases.book();
    let commit = book.commit(6);
    let again = book.0[commit.clone()].to_vec();
    book.0.splice(commit.end..commit.end, again);
    cases.push("a commit twice", book, "COMMIT-SEQ", Place::Commit(7));
}

fn epochs(cases: &mut Cases) {
    let (opened, thief) = (cases.at(SYS, 3), SigningKey::from_bytes(&[66; 32]));
    let mut book = cases.book();
    book.0.remove(book.nth("epoch", 1));
    cases.push("a certificate dropped", book, "EPOCH-UNCERTIFIED", opened);
    let here = Place::Commit(4);
    let signature = |note: String| note.replace("root ", "root A");
    cases.note("a certificate's signature malformed", ("epoch", 1), signature, "EPOCH-FORMAT", here.clone());
    let longer = |note: String| note.replace("hard-limit 1", "hard-limit 2");
    cases.note("a certificate's hard limit", ("epoch", 1), longer, "EPOCH-SIGNATURE", here.clone());
    let resign = move |note: String| {
        let (text, _) = note.rsplit_once("\n\u{2014}").unwrap();
        let key = VerifyingKey::new("example.com/keys/root", thief.verifying_key().as_bytes()).unwrap();
        sign_note(text, &key, |message| thief.sign(message).to_bytes()).unwrap()
    };
    cases.note("a certificate signed by another", ("epoch", 1), resign, "EPOCH-SIGNATURE", here.clone());
    cases.note("a certificate that is none", ("epoch", 1), |_| "nothing".into(), "EPOCH-FORMAT", here.clone());
    let mut book = cases.book();
    let at = book.nth("epoch", 1);
    book.0.insert(at, book.0[at].clone());
    cases.push("a certificate twice", book, "EPOCH-DUPLICATE", here);
    let mut book = cases.book();
    let record = book.0.remove(book.nth("epoch", 1));
    let at = book.nth("commit", 3);
    book.0.insert(at, record);
    cases.push("a certificate before what it has seen", book, "EPOCH-SEEN", Place::Commit(3));
}

fn checkpoints(cases: &mut Cases) {
    let last = Place::Commit(14);
    let at = ("checkpoint", 0);
    let older = cases.room.checkpoints[9].clone();
    cases.note("an older checkpoint replayed", at, |_| older, "CHECKPOINT-SIZE", Place::Commit(10));
    let root = |note: String| {
        let line = note.lines().nth(2).unwrap().to_owned();
        note.replace(&line, &base64_encode(&[1; 32]))
    };
    cases.note("a checkpoint's root", at, root, "CHECKPOINT-ROOT", last.clone());
    let origin = |note: String| note.replace("example.com/keys/heads\n", "example.com/keys/tails\n");
    cases.note("a checkpoint of another log", at, origin, "CHECKPOINT-ORIGIN", last.clone());
    cases.note("a checkpoint that is none", at, |_| "nothing".into(), "CHECKPOINT-FORMAT", last.clone());
    let extended = |note: String| note.replacen("\n\n", "\nmore\n\n", 1);
    cases.note("a checkpoint with an extension line", at, extended, "CHECKPOINT-FORMAT", last.clone());
    let unsigned = |note: String| {
        let key = note.rsplit_once(' ').unwrap().0.to_owned();
        format!("{key} {}\n", base64_encode(&[7; 68]))
    };
    cases.note("a checkpoint by an unknown key", at, unsigned, "CHECKPOINT-SIGNATURE", last.clone());
    let mut book = cases.book();
    let record = book.nth("checkpoint", 0);
    book.rewrite(record, |bytes| {
        let note = String::from_utf8(bytes.clone()).unwrap();
        let (start, signature) = note.trim_end().rsplit_once(' ').unwrap();
        let mut signature = base64_decode(signature).unwrap();
        signature[40] ^= 1;
        *bytes = format!("{start} {}\n", base64_encode(&signature)).into_bytes();
    });
    cases.push("a checkpoint's signature", book, "CHECKPOINT-SIGNATURE", last);
    let mut book = cases.book();
    let (start, end) = (book.nth("epoch", 0), book.nth("checkpoint", 0));
    book.0.drain(start..end);
    book.rewrite(start, |note| {
        let checkpoint = Checkpoint { origin: "example.com/keys/heads".into(), size: 0, root: empty_root() };
        *note = format!("{}\n\u{2014} stranger {}\n", checkpoint.text(), base64_encode(&[7; 68])).into_bytes();
    });
    cases.push("all commits dropped, for an empty log that anyone can sign", book, "CHECKPOINT-SIZE", Place::Commit(0));
    let mut book = cases.book();
    book.0.remove(book.nth("checkpoint", 0));
    cases.add("no checkpoint", book.bytes(), None, (Incomplete, "CHECKPOINT-MISSING", Place::None));
    let mut book = cases.book();
    let at = book.nth("checkpoint", 0);
    book.0.insert(at, book.0[at].clone());
    cases.push("a checkpoint twice", book, "BUNDLE-RECORD", Place::None);
}

fn cut(room: &Room, commits: usize) -> Book {
    let mut book = Book::of(room.bundle());
    let (start, end) = (book.nth("commit", commits), book.nth("checkpoint", 0));
    book.0.drain(start..end);
    book
}

fn with_checkpoint(mut book: Book, note: &str) -> Book {
    let at = book.nth("checkpoint", 0);
    book.rewrite(at, |bytes| *bytes = note.as_bytes().to_vec());
    book
}

/// What only memory outside shows.
fn remembered(cases: &mut Cases) {
    let room = cases.room.clone();
    let newest = || room.checkpoints.last().cloned();
    cases.push("the tail cut", cut(&room, 14), "CHECKPOINT-SIZE", Place::Commit(14));
    let consistent = with_checkpoint(cut(&room, 12), &room.checkpoints[11]);
    let report = verify(&consistent.clone().bytes(), &room.root_key(), None);
    assert_eq!(report.verdict, Fine, "a tail cut with its checkpoints shows only outside: {report}");
    let want = (Tampered, "ROLLBACK", Place::Commit(12));
    cases.add("the tail cut with its checkpoints", consistent.bytes(), newest(), want);

    // Another history from commit 10 on, signed by the same epochs: a split view.
    let mut fork = Room::new();
    let (a, b) = (fork.create_tenant(), fork.create_tenant());
    for _ in 0..12 {
        fork.commit(0, &[op(a), op(b)]);
    }
    let want = (Tampered, "FORK", Place::Commit(14));
    cases.add("a forked history", fork.bundle(), newest(), want);
    let want = (Tampered, "FORK", Place::Commit(3));
    cases.add("a fork long ago", fork.bundle(), Some(room.checkpoints[3].clone()), want);
    let nowhere = |code| (Unverifiable, code, Place::None);
    let bundle = room.bundle();
    cases.add("a remembered note that is none", bundle.clone(), Some("x".into()), nowhere("REMEMBERED-FORMAT"));
    let zero = room.checkpoints[0].replace("\n1\n", "\n0\n");
    cases.add("a remembered note of an empty log", bundle.clone(), Some(zero), nowhere("REMEMBERED-FORMAT"));
    let other = room.checkpoints[4].replace("example.com", "example.org");
    cases.add("a remembered note of another log", bundle.clone(), Some(other), nowhere("REMEMBERED-ORIGIN"));
    let forged = room.checkpoints[4].replace("\n5\n", "\n6\n");
    cases.add("a remembered note that was forged", bundle.clone(), Some(forged), nowhere("REMEMBERED-SIGNATURE"));
    let sign = |room: &Room, signer: &SigningKey| {
        let checkpoint = Checkpoint { origin: room.origin.heads(), size: 5, root: tree_root(&room.head_log[..5]) };
        let key = VerifyingKey::new(&room.origin.heads(), signer.verifying_key().as_bytes()).unwrap();
        Some(checkpoint.sign(&key, |text| signer.sign(text).to_bytes()).unwrap())
    };
    let stranger = sign(&room, &SigningKey::from_bytes(&[99; 32]));
    cases.add("a remembered note by a stranger", bundle.clone(), stranger, nowhere("REMEMBERED-SIGNATURE"));
    let another = sign(&room, &room.epochs[2].signer);
    cases.add("a remembered note by the wrong epoch", bundle.clone(), another, nowhere("REMEMBERED-SIGNATURE"));
    let mut later = room.clone();
    later.next_generation();
    let want = (Tampered, "ROLLBACK", Place::None);
    let (before, root) = (Honest::of(&later), room.root_key());
    cases.case("a whole generation cut", before, bundle, root, later.checkpoints.last().cloned(), want);
}

fn generations(cases: &mut Cases) {
    let mut room = cases.room.clone();
    room.next_generation();
    room.commit(0, &[op(A), op(B)]);
    let (book, before) = (Book::of(room.bundle()), Honest::of(&room));
    let here = Place::None;
    let mut add = |name, change: &dyn Fn(&mut Book), verdict, code, place: &Place| {
        let mut book = book.clone();
        change(&mut book);
        let (before, root) = (before.clone(), cases.room.root_key());
        cases.case(name, before, book.bytes(), root, None, (verdict, code, place.clone()));
    };
    let second = book.nth("generation", 1);
    add("another size before", &|book| book.replace(second, "2 15 ", "2 14 "), Tampered, "GENERATION", &here);
    let root = base64_encode(room.previous.unwrap().root.as_bytes());
    let other = base64_encode(&[3; 32]);
    add("another root before", &|book| book.replace(second, &root, &other), Tampered, "GENERATION", &here);
    add("a generation skipped", &|book| book.replace(second, "2 15", "3 15"), Tampered, "GENERATION", &here);
    add("nothing before", &|book| book.0[second] = "generation 2 0 -".into(), Tampered, "GENERATION", &here);
    let first = book.nth("generation", 0);
    let whole = first..second;
    add("a generation dropped", &|book| drop(book.0.drain(whole.clone())), Incomplete, "GENERATION-MISSING", &here);
    let something = format!("generation 1 1 {root}");
    add("something before the first", &|book| book.0[first] = something.clone(), Tampered, "GENERATION", &here);
    let start = second + 1;
    add("a tenant left out", &|book| drop(book.0.remove(start + 1)), Tampered, "TENANT-SET", &here);
    add(
        "a closed tenant reopened",
        &|book| book.0[start + 2] = reopened(&book.0[start..start + 4]),
        Tampered,
        "TENANT-SET",
        &here,
    );
    let sys = book.nth("tenant", 0);
    add("sys elsewhere", &|book| book.replace(sys, "tenant 0", "tenant 1"), Tampered, "TENANT-SET", &here);
    add("sys left out", &|book| drop(book.0.remove(sys)), Tampered, "TENANT-SET", &here);
    let tenant = format!("tenant 9 {} 1", "ab".repeat(16));
    add("a tenant from nowhere", &|book| book.0.insert(sys + 1, tenant.clone()), Tampered, "TENANT-SET", &here);
    let far = format!("tenant 16777215 {} 1", "ab".repeat(16));
    add("a tenant that costs memory", &|book| book.0.insert(sys + 1, far.clone()), Tampered, "TENANT-SET", &here);
    let twice = book.0[start + 1].clone();
    add("a tenant twice", &|book| book.0.insert(start, twice.clone()), Tampered, "TENANT-SET", &here);
    let headless = |book: &mut Book| {
        book.0.remove(start);
        book.0.drain(whole.clone());
    };
    add("a generation dropped, and the next without sys", &headless, Tampered, "GENERATION-MISSING", &here);
    let late = book.nth("commit", 4);
    add(
        "a tenant after the first commit",
        &|book| book.0.insert(late, tenant.clone()),
        Tampered,
        "BUNDLE-RECORD",
        &here,
    );
    let certificate = book.nth("epoch", 0);
    add(
        "a tenant after the first certificate",
        &|book| book.0.swap(sys, certificate),
        Tampered,
        "BUNDLE-RECORD",
        &here,
    );
    let checkpoint = book.nth("checkpoint", 0);
    add(
        "no checkpoint before a generation",
        &|book| drop(book.0.remove(checkpoint)),
        Incomplete,
        "CHECKPOINT-MISSING",
        &here,
    );
}

/// One of these records, with another status.
fn reopened(records: &[String]) -> String {
    let record = &records[2];
    let (start, status) = record.rsplit_once(' ').unwrap();
    format!("{start} {}", if status == "1" { 2 } else { 1 })
}

fn bundles(cases: &mut Cases) {
    let nowhere = |verdict, code| (verdict, code, Place::None);
    let bundle = cases.room.bundle();
    let cut = |bytes: usize| bundle[..bundle.len() - bytes].to_vec();
    let half = cases.book().nth("commit", 7) + 2;
    let truncated = nowhere(Incomplete, "BUNDLE-TRUNCATED");
    cases.add("the end missing", cut("end 27\n".len()), None, truncated.clone());
    cases.add("the last newline missing", cut(1), None, truncated.clone());
    cases.add("cut in a note", cut(100), None, truncated.clone());
    let book = Book(cases.book().0[..half].to_vec());
    cases.add("cut in a commit", book.raw(), cases.room.checkpoints.last().cloned(), truncated.clone());
    cases.add("cut in the header", bundle[..10].to_vec(), None, truncated.clone());
    cases.add("nothing at all", Vec::new(), None, truncated);
    let version = nowhere(Unverifiable, "BUNDLE-VERSION");
    cases.add("a later bundle", [b"strongroom-bundle/v2 full\n", &bundle[26..]].concat(), None, version.clone());
    cases.add("another file", b"PK\x03\x04\n".to_vec(), None, version);
    let mut book = cases.book();
    *book.0.last_mut().unwrap() = "end 1000".into();
    cases.add("another count", book.raw(), None, nowhere(Tampered, "BUNDLE-COUNT"));
    type Change = fn(&mut Book);
    let changes: [(&str, Change); 12] = [
        ("a record after the end", |book| book.0.push("end 27".into())),
        ("an unknown record", |book| book.0.insert(4, "extra x".into())),
        ("an empty record", |book| book.0.insert(4, String::new())),
        ("a line before any commit", |book| book.0.insert(4, "line {}".into())),
        ("a line before any generation", |book| book.0.insert(2, "line {}".into())),
        ("a certificate after the checkpoint", |book| repeat_at_end(book, "epoch")),
        ("a commit after the checkpoint", |book| repeat_at_end(book, "commit")),
        ("carriage returns", |book| book.0[3].push('\r')),
        ("a tenant bundle's record", |book| book.0.insert(4, format!("log 0 {}", "00".repeat(16)))),
        ("a record too long", |book| book.0.insert(4, "x".repeat(RECORD_BYTES_MAX + 1))),
        ("no origin", |book| drop(book.0.remove(1))),
        ("an endless count", |book| *book.0.last_mut().unwrap() = format!("end {}", "9".repeat(99))),
    ];
    for (name, change) in changes {
        let mut book = cases.book();
        change(&mut book);
        cases.add(name, book.raw(), None, nowhere(Tampered, "BUNDLE-RECORD"));
    }
    let not_text = [&bundle[..bundle.len() - "end 27\n".len()], b"\xff\nend 27\n"].concat();
    cases.add("a record that is no text", not_text, None, nowhere(Tampered, "BUNDLE-RECORD"));
    cases.add("bytes after the end", [&bundle[..], b"x"].concat(), None, nowhere(Tampered, "BUNDLE-RECORD"));
    let nothing = Book(vec![cases.book().0[0].clone(), cases.book().0[1].clone(), "end 0".into()]);
    cases.add("no generation", nothing.raw(), None, nowhere(Incomplete, "GENERATION-MISSING"));

    let thief = SigningKey::from_bytes(&[66; 32]).verifying_key().to_bytes();
    let own = SigningKey::from_bytes(&ROOT_SEED).verifying_key().to_bytes();
    let other = Origin::parse("example.org/keys").unwrap();
    for (name, root) in [
        ("another root key", RootKey::of(&cases.room.origin, &thief).unwrap()),
        ("another bare root key", hex_encode(&thief).parse().unwrap()),
        ("the root key of another deployment", RootKey::of(&other, &own).unwrap()),
    ] {
        let want = nowhere(Unverifiable, "ROOT-KEY");
        cases.case(name, Honest::of(&cases.room), bundle.clone(), root, None, want);
    }
}

/// The first record with this tag, once more before the end.
fn repeat_at_end(book: &mut Book, tag: &str) {
    let (record, end) = (book.nth(tag, 0), book.nth("end", 0));
    book.0.insert(end, book.0[record].clone());
}
