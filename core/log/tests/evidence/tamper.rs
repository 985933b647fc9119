//! The table of tamper cases: what each does, and the verdict, the code and the place it must be found at first.

use crate::room::Room;
use crate::{everywhere, insider, receipts, signed, stored, tenant};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};
use strongroom_log::*;

/// There are this many cases at least, so that none gets lost on the way.
const CASES_MIN: usize = 500;

/// A bundle's records, to be tampered with.
#[derive(Clone)]
pub(crate) struct Book(pub(crate) Vec<String>);

impl Book {
    pub(crate) fn of(bundle: Vec<u8>) -> Self {
        Self(String::from_utf8(bundle).unwrap().lines().map(str::to_owned).collect())
    }

    /// The index of a line, by the log's origin and seq.
    pub(crate) fn line(&self, log: &str, seq: u64) -> usize {
        let (log, seq) = (format!("\"log\":\"{log}\""), format!("\"seq\":{seq},"));
        self.0.iter().position(|record| record.contains(&log) && record.contains(&seq)).unwrap()
    }

    /// The index of the nth record (from 0) with this tag.
    pub(crate) fn nth(&self, tag: &str, n: usize) -> usize {
        let tag = format!("{tag} ");
        self.0.iter().enumerate().filter(|(_, record)| record.starts_with(&tag)).nth(n).unwrap().0
    }

    /// The commit and its lines.
    pub(crate) fn commit(&self, n: usize) -> std::ops::Range<usize> {
        let start = self.nth("commit", n);
        let lines = self.0[start + 1..].iter().take_while(|record| record.starts_with("line ")).count();
        start..start + 1 + lines
    }

    pub(crate) fn replace(&mut self, at: usize, from: &str, to: &str) {
        assert!(self.0[at].contains(from), "{} in {}", from, self.0[at]);
        self.0[at] = self.0[at].replacen(from, to, 1);
    }

    /// Changes the bytes that a record holds in base64, in its first field.
    pub(crate) fn rewrite(&mut self, at: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut fields: Vec<_> = self.0[at].split(' ').map(str::to_owned).collect();
        let mut bytes = base64_decode(&fields[1]).unwrap();
        change(&mut bytes);
        fields[1] = base64_encode(&bytes);
        self.0[at] = fields.join(" ");
    }

    /// The file, with the right number of lines at its end, as a careful attacker leaves it.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        let lines = self.0.iter().filter(|record| record.starts_with("line ")).count();
        if let Some(end) = self.0.iter_mut().find(|record| record.starts_with("end ")) {
            *end = format!("end {lines}");
        }
        self.raw()
    }

    pub(crate) fn raw(self) -> Vec<u8> {
        self.0.into_iter().flat_map(|record| (record + "\n").into_bytes()).collect()
    }
}

/// Where a finding must be: in a line, in a commit, or in no place of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Line(String, u64),
    Commit(u64),
    None,
}

/// What was there before somebody tampered with it: it must verify, or finding fault afterwards proves nothing.
#[derive(Clone)]
pub(crate) struct Honest {
    bundle: Rc<Vec<u8>>,
    root: RootKey,
}

impl Honest {
    pub(crate) fn new(bundle: Vec<u8>, root: RootKey) -> Self {
        Self { bundle: Rc::new(bundle), root }
    }

    pub(crate) fn of(room: &Room) -> Self {
        Self::new(room.bundle(), room.root_key())
    }
}

pub(crate) type Want = (Verdict, &'static str, Place);

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) before: Honest,
    pub(crate) bundle: Vec<u8>,
    pub(crate) root: RootKey,
    pub(crate) memory: Memory,
    pub(crate) want: Want,
}

impl Case {
    /// The verdict, the first code, and the first bad position; `None` if nothing is found.
    pub(crate) fn outcome(&self) -> (Report, Option<Want>) {
        let report = verify(&self.bundle, &self.root, self.memory.clone());
        let want = report.findings.first().map(|first| {
            let place = match (&first.log, first.seq, first.commit) {
                (Some(log), Some(seq), _) => Place::Line(log.clone(), seq),
                (_, _, Some(commit)) => Place::Commit(commit),
                _ => Place::None,
            };
            (report.verdict, first.code, place)
        });
        (report, want)
    }

    fn run(&self) -> Result<Report, String> {
        let (report, got) = self.outcome();
        if got.as_ref() == Some(&self.want) {
            return Ok(report);
        }
        Err(format!("{}:\n  want {:?}\n  got  {got:?}\n{report}", self.name, self.want))
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let suites = [stored::cases, everywhere::cases, signed::cases, insider::cases, receipts::cases, tenant::cases];
    suites.into_iter().flat_map(|cases| cases()).collect()
}

#[test]
fn every_case_is_found_at_its_place() {
    let cases = cases();
    let mut wrong = Vec::new();
    let (mut codes, mut names, mut honest) = (HashSet::new(), HashSet::new(), HashSet::new());
    for case in &cases {
        assert!(names.insert(&case.name), "two cases: {}", case.name);
        let before = &case.before;
        if honest.insert(&before.bundle) {
            let report = verify(&before.bundle, &before.root, None);
            assert!(report.is_ok(), "before {}: {report}", case.name);
        }
        match case.run() {
            Ok(report) => codes.extend(report.findings.into_iter().map(|finding| finding.code)),
            Err(error) => wrong.push(error),
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let untried: Vec<_> = FINDING_CODES.iter().map(|code| code.name).filter(|name| !codes.contains(name)).collect();
    assert!(untried.is_empty(), "no case finds {untried:?}");
    println!("{} cases on {} honest logs", cases.len(), honest.len());
    assert!(cases.len() >= CASES_MIN, "only {} cases", cases.len());
}

/// One flipped bit, anywhere in any record: found, and never as thousands of findings. Each run tries other bytes.
#[test]
fn every_flipped_byte_is_found() {
    let room = Room::busy();
    let (bundle, root) = (room.bundle(), room.root_key());
    let offset = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as usize % 13;
    println!("every 13th byte from {offset}");
    for at in (offset..bundle.len()).step_by(13) {
        for flip in [1, 0x20] {
            let mut changed = bundle.clone();
            changed[at] ^= flip;
            let report = verify(&changed, &root, None);
            assert!(!report.is_ok(), "byte {at} of the bundle by {flip}");
            assert!(report.findings.len() < 30, "byte {at} by {flip}: {report}");
        }
    }
}

/// A line that is changed is the first finding, whichever of its bytes it is.
#[test]
fn a_changed_line_is_itself_the_first_bad_place() {
    let room = Room::busy();
    let log = room.log_origin(1).to_string();
    let book = Book::of(room.bundle());
    for seq in 0..10 {
        let at = book.line(&log, seq);
        let id = book.0[at].find("\"rid\":\"").unwrap() + 7;
        let mut changed = book.clone();
        changed.0[at].replace_range(id..id + 1, "c");
        let report = verify(&changed.bytes(), &room.root_key(), None);
        let first = &report.findings[0];
        assert_eq!((first.code, first.log.as_ref(), first.seq), ("LINE-CHAIN", Some(&log), Some(seq)), "{report}");
        assert!(report.findings.len() <= 2, "{report}");
    }
}

/// Two changes in two places are two findings: the first does not hide the second.
#[test]
fn later_damage_is_found_too() {
    let room = Room::busy();
    let (a, b) = (room.log_origin(1).to_string(), room.log_origin(2).to_string());
    let mut book = Book::of(room.bundle());
    for (log, seq) in [(&a, 1), (&b, 1), (&a, 7)] {
        let at = book.line(log, seq);
        book.replace(at, "secret.get", "secret.put");
    }
    let report = verify(&book.bytes(), &room.root_key(), None);
    let found: Vec<_> =
        report.findings.iter().map(|finding| (finding.code, finding.log.clone(), finding.seq)).collect();
    let chain = |log: &String, seq| ("LINE-CHAIN", Some(log.clone()), Some(seq));
    assert_eq!(found, [chain(&a, 1), chain(&b, 1), chain(&a, 7)]);
}
