//! The plain attacks on what is stored, at every place where they can be made: cut, edit, reorder, repeat, delete, backdate.
//!
//! Where each must be found first follows from where the lines stand, by rules written down here and not in the verifier.

use crate::room::Room;
use crate::tamper::{Book, Case, Honest, Place};
use std::ops::Range;
use strongroom_log::Verdict::{Incomplete, Tampered};
use strongroom_log::*;

/// A line of the busy room, as the bundle has it.
struct Entry {
    record: usize,
    log: String,
    seq: u64,
    epoch: u32,
    commit: usize,
}

struct Cases {
    room: Room,
    before: Honest,
    book: Book,
    entries: Vec<Entry>,
    list: Vec<Case>,
}

impl Cases {
    fn new() -> Self {
        let room = Room::busy();
        let book = Book::of(room.bundle());
        let mut entries = Vec::new();
        let mut commit = None;
        for (record, text) in book.0.iter().enumerate() {
            if text.starts_with("commit ") {
                commit = Some(commit.map_or(0, |n: usize| n + 1));
            }
            if let Some(line) = text.strip_prefix("line ") {
                let Line { log, seq, ep, .. } = parse_line(line.as_bytes()).unwrap();
                entries.push(Entry { record, log: log.to_owned(), seq, epoch: ep, commit: commit.unwrap() });
            }
        }
        Self { before: Honest::of(&room), room, book, entries, list: Vec::new() }
    }

    fn commits(&self) -> usize {
        self.room.head_log.len()
    }

    fn lines_of(&self, commit: usize) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.commit == commit)
    }

    /// The line after it in its log.
    fn successor(&self, entry: &Entry) -> Option<&Entry> {
        self.entries.iter().find(|other| other.log == entry.log && other.seq == entry.seq + 1)
    }

    fn records(&self, commit: usize) -> Range<usize> {
        self.book.commit(commit)
    }

    /// Whether a certificate comes after a commit: it has seen all up to there.
    fn is_seen(&self, commit: usize) -> bool {
        self.book.0[self.records(commit).end].starts_with("epoch ")
    }

    fn add(&mut self, name: String, book: Book, code: &'static str, place: Place) {
        self.remember(name, book, None, code, place);
    }

    fn remember(&mut self, name: String, book: Book, kept: Option<&str>, code: &'static str, place: Place) {
        let (before, root, memory) = (self.before.clone(), self.room.root_key(), kept.map(str::as_bytes).into());
        self.list.push(Case { name, before, bundle: book.bytes(), root, memory, want: (Tampered, code, place) });
    }
}

impl Entry {
    fn place(&self) -> Place {
        Place::Line(self.log.clone(), self.seq)
    }
}

fn commit(n: usize) -> Place {
    Place::Commit(n as u64)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Cases::new();
    cut_everywhere(&mut cases);
    edit_every_line(&mut cases);
    edit_every_field(&mut cases);
    delete_every_line(&mut cases);
    repeat_every_line(&mut cases);
    swap_every_pair_of_lines(&mut cases);
    move_every_commit(&mut cases);
    backdate_every_commit(&mut cases);
    cases.list
}

/// T: the tail is cut after each commit, clumsily and with the checkpoint of that time; and the file after each record.
fn cut_everywhere(cases: &mut Cases) {
    let newest = cases.room.checkpoints.last().unwrap().clone();
    for n in 1..cases.commits() {
        let mut book = cases.book.clone();
        let checkpoint = book.nth("checkpoint", 0);
        book.0.drain(book.nth("commit", n)..checkpoint);
        cases.add(format!("cut after {n} commits"), book.clone(), "CHECKPOINT-SIZE", commit(n));
        let at = book.nth("checkpoint", 0);
        book.0[at] = format!("checkpoint {}", base64_encode(cases.room.checkpoints[n - 1].as_bytes()));
        let report = verify(&book.clone().bytes(), &cases.room.root_key(), None);
        assert!(report.is_ok(), "nothing inside shows it: {report}");
        let name = format!("cut after {n} commits, with its checkpoint");
        cases.remember(name, book, Some(&newest), "ROLLBACK", commit(n));
    }
    for records in 0..cases.book.0.len() {
        let bundle = Book(cases.book.0[..records].to_vec()).raw();
        let (before, root) = (cases.before.clone(), cases.room.root_key());
        let want = (Incomplete, "BUNDLE-TRUNCATED", Place::None);
        let name = format!("a file cut after {records} records");
        cases.list.push(Case { name, before, bundle, root, memory: Memory::new(), want });
    }
}

/// Where an edit that leaves a line canonical is found: at the line if another one knows its hash, or if it is the only
/// one of its commit whose hash none knows; else at the commit.
fn edited(cases: &Cases, entry: &Entry) -> (&'static str, Place) {
    if cases.successor(entry).is_some() {
        return ("LINE-CHAIN", entry.place());
    }
    let alone = cases.lines_of(entry.commit).all(|other| other.log == entry.log);
    ("COMMIT-HEADS", if alone { entry.place() } else { commit(entry.commit) })
}

/// E: a byte of every line.
fn edit_every_line(cases: &mut Cases) {
    for index in 0..cases.entries.len() {
        let entry = &cases.entries[index];
        let mut book = cases.book.clone();
        book.replace(entry.record, "\"rid\":\"b", "\"rid\":\"c");
        let (code, place) = edited(cases, entry);
        cases.add(format!("line {index} edited"), book, code, place);
    }
}

/// E: every field of a line.
fn edit_every_field(cases: &mut Cases) {
    let index = cases.entries.iter().position(|entry| entry.log.contains("/t/") && entry.seq == 5).unwrap();
    let entry = &cases.entries[index];
    let (record, chain) = (entry.record, ("LINE-CHAIN", entry.place()));
    let here = |code| (code, entry.place());
    let elsewhere = Place::Line(entry.log.replace(".com", ".org"), 5);
    let edits = [
        ("act", "\"act\":\"secret.get\"", "\"act\":\"secret.list\"", chain.clone()),
        ("ep", "\"ep\":2", "\"ep\":3", here("LINE-EPOCH")),
        ("log", "example.com", "example.org", ("LINE-ORIGIN", elsewhere)),
        ("obj.id", "\"id\":\"cc", "\"id\":\"cd", chain.clone()),
        ("obj.t", "\"t\":\"secret\"", "\"t\":\"folder\"", chain.clone()),
        ("obj.ver", "\"ver\":3", "\"ver\":2", chain.clone()),
        ("obj", "\"ph\"", "\"ph\" ", here("LINE-FORMAT")),
        ("ph", "\"ph\":\"result\"", "\"ph\":\"intent\"", chain.clone()),
        ("pk", "\"pk\":1", "\"pk\":2", chain.clone()),
        ("res.code and ok", "{\"code\":\"ok\",\"ok\":true}", "{\"code\":\"SR-X\",\"ok\":false}", chain.clone()),
        ("res.ok alone", "\"ok\":true", "\"ok\":false", here("LINE-FORMAT")),
        ("seq", "\"seq\":5", "\"seq\":6", here("LINE-SEQ")),
        ("src.ip", "\"ip\":\"ee", "\"ip\":\"ef", chain.clone()),
        ("ts", "\"ts\":1", "\"ts\":2", here("LINE-TIME")),
        ("v", "\"v\":1", "\"v\":0", here("LINE-VERSION")),
        ("who.id", "\"id\":\"aa", "\"id\":\"ab", chain.clone()),
        ("who.t", "\"t\":\"service\"", "\"t\":\"user\"", chain.clone()),
        ("a field more", "\"pk\":1", "\"n\":1,\"pk\":1", here("LINE-FORMAT")),
        ("a field fewer", "\"pk\":1,", "", chain),
    ];
    for (field, from, to, (code, place)) in edits {
        let mut book = cases.book.clone();
        book.replace(record, from, to);
        cases.add(format!("a line's {field} edited"), book, code, place);
    }
}

/// D: every line. A gap shows at the next line of the log if that is in the same commit, else at the commit.
fn delete_every_line(cases: &mut Cases) {
    for index in 0..cases.entries.len() {
        let entry = &cases.entries[index];
        let mut book = cases.book.clone();
        book.0.remove(entry.record);
        let successor = cases.successor(entry).filter(|next| next.commit == entry.commit);
        let (code, place) = match successor {
            Some(_) => ("LINE-SEQ", entry.place()),
            None if cases.lines_of(entry.commit).count() == 1 => ("COMMIT-EMPTY", commit(entry.commit)),
            None => ("COMMIT-HEADS", commit(entry.commit)),
        };
        cases.add(format!("line {index} deleted"), book, code, place);
    }
}

/// R: every line is there again.
fn repeat_every_line(cases: &mut Cases) {
    for index in 0..cases.entries.len() {
        let entry = &cases.entries[index];
        let mut book = cases.book.clone();
        book.0.insert(entry.record, book.0[entry.record].clone());
        let place = entry.place();
        cases.add(format!("line {index} twice"), book, "LINE-SEQ", place);
    }
}

/// R: every line and the next one of its log. In another commit, a line is first of all of the wrong one.
fn swap_every_pair_of_lines(cases: &mut Cases) {
    for index in 0..cases.entries.len() {
        let entry = &cases.entries[index];
        let Some(next) = cases.successor(entry) else { continue };
        let mut book = cases.book.clone();
        book.0.swap(entry.record, next.record);
        let (code, place) = if next.commit == entry.commit {
            ("LINE-SEQ", entry.place())
        } else if next.epoch == entry.epoch {
            ("LINE-TIME", next.place())
        } else {
            ("LINE-EPOCH", next.place())
        };
        cases.add(format!("line {index} and the next of its log swapped"), book, code, place);
    }
}

/// D and R: every commit dropped, repeated, and swapped with the next. A certificate after it has seen what was there.
fn move_every_commit(cases: &mut Cases) {
    let end = cases.commits();
    for n in 0..end {
        let mut book = cases.book.clone();
        book.0.drain(cases.records(n));
        let code = match n {
            _ if cases.is_seen(n) => "EPOCH-SEEN",
            _ if n + 1 == end => "CHECKPOINT-SIZE",
            _ => "COMMIT-SEQ",
        };
        cases.add(format!("commit {n} dropped"), book, code, commit(n));

        let mut book = cases.book.clone();
        let records = cases.records(n);
        let again = book.0[records.clone()].to_vec();
        book.0.splice(records.end..records.end, again);
        cases.add(format!("commit {n} twice"), book, "COMMIT-SEQ", commit(n + 1));

        if n + 1 < end {
            let mut book = cases.book.clone();
            let (first, second) = (cases.records(n), cases.records(n + 1));
            let later = book.0[second.clone()].to_vec();
            let earlier = book.0.splice(first.clone(), later).collect::<Vec<_>>();
            let moved = second.start + second.len() - first.len();
            book.0.splice(moved..moved + second.len(), earlier);
            cases.add(format!("commits {n} and {} swapped", n + 1), book, "COMMIT-SEQ", commit(n));
        }
    }
}

/// K: every commit is dated a moment later, and back before the one before it.
fn backdate_every_commit(cases: &mut Cases) {
    for n in 0..cases.commits() {
        let date = |cases: &Cases, micros: i64| {
            let mut book = cases.book.clone();
            book.rewrite(book.nth("commit", n), |leaf| {
                let mut changed = CommitLeaf::from_bytes(leaf).unwrap();
                changed.time = changed.time.checked_add_signed(micros).unwrap();
                *leaf = changed.to_bytes().to_vec();
            });
            book
        };
        let first = cases.lines_of(n).next().unwrap().place();
        cases.add(format!("commit {n} dated later"), date(cases, 500), "LINE-TIME", first.clone());
        let (code, place) = if n == 0 { ("LINE-TIME", first) } else { ("COMMIT-TIME", commit(n)) };
        cases.add(format!("commit {n} dated back"), date(cases, -5_000), code, place);
    }
}
