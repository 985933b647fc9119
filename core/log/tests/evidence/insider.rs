//! Who holds a live epoch's key, or the root key: what they can rewrite, and what still tells.
//!
//! Certificates are signed by the root key and say what log they saw, so an epoch's key rewrites nothing from before the
//! newest certificate. Later than that, and for the root key, only what was kept outside tells.

use crate::room::{Op, Room, op};
use crate::tamper::{Case, Honest, Place};
use std::collections::BTreeSet;
use strongroom_log::Verdict::Tampered;
use strongroom_log::*;

const A: usize = 1;
const B: usize = 2;

/// The commits before which epochs 2 and 3 of the busy room were certified.
const CERTIFIED: [usize; 2] = [4, 8];

struct Cases {
    room: Room,
    before: Honest,
    list: Vec<Case>,
}

impl Cases {
    fn add(&mut self, name: String, room: &Room, memory: Memory, code: &'static str, place: Place) {
        let (before, root) = (self.before.clone(), self.room.root_key());
        self.list.push(Case { name, before, bundle: room.bundle(), root, memory, want: (Tampered, code, place) });
    }

    /// What is in the room's checkpoint of that many commits.
    fn kept(&self, commits: usize) -> Memory {
        Some(self.room.checkpoints[commits - 1].as_bytes()).into()
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let room = Room::busy();
    let mut cases = Cases { before: Honest::of(&room), room, list: Vec::new() };
    rewritten(&mut cases);
    forked(&mut cases);
    restored(&mut cases);
    recertified(&mut cases);
    cases.list
}

/// B: the lines of one commit are others, and all that follows is hashed and signed again by the keys of its epochs.
fn rewritten(cases: &mut Cases) {
    let commits = cases.room.head_log.len();
    for n in 0..commits {
        let mut room = Room::busy_to(n);
        room.seen = cases.room.epochs.iter().map(|epoch| epoch.certificate.seen_root).collect();
        room.twist.line = Some(|line| *line = line.replace("\"rid\":\"b", "\"rid\":\"c"));
        let room = room.busier(n, commits);
        let name = format!("commit {n} rewritten");
        match CERTIFIED.iter().find(|seen| n < **seen) {
            Some(seen) => cases.add(name, &room, Memory::new(), "EPOCH-SEEN", Place::Commit(*seen as u64)),
            None => {
                let report = verify(&room.bundle(), &room.root_key(), None);
                assert!(report.is_ok(), "nothing inside shows it: {report}");
                let kept = cases.kept(commits);
                cases.add(name, &room, kept, "FORK", Place::Commit(commits as u64 - 1));
            }
        }
    }
}

/// F: another history from each commit on, which verifies by itself; against the checkpoint of the first commit that is
/// another one, and against the newest.
fn forked(cases: &mut Cases) {
    let commits = cases.room.head_log.len();
    for n in 3..commits {
        let mut fork = Room::busy_to(n);
        let by = fork.epochs.len() - 1;
        while fork.head_log.len() < commits {
            fork.commit(by, &[op(B), op(A), op(B)]);
        }
        let report = verify(&fork.bundle(), &fork.root_key(), None);
        assert!(report.is_ok(), "nothing inside shows it: {report}");
        for size in BTreeSet::from([n + 1, commits]) {
            let name = format!("forked at commit {n}, and {size} commits were kept");
            cases.add(name, &fork, cases.kept(size), "FORK", Place::Commit(size as u64 - 1));
        }
        let report = verify(&fork.bundle(), &fork.root_key(), cases.kept(n));
        assert!(report.is_ok(), "up to there it is the same log: {report}");
    }
}

/// T, C: a "restore" nobody asked for, of each commit: a new generation that goes on from there, by the root key.
fn restored(cases: &mut Cases) {
    let commits = cases.room.head_log.len();
    for n in 1..commits {
        let mut room = Room::busy_to(n);
        room.next_generation();
        let report = verify(&room.bundle(), &room.root_key(), None);
        assert!(report.is_ok(), "it is how an honest restore looks: {report}");
        cases.add(format!("restored to {n} commits"), &room, cases.kept(commits), "ROLLBACK", Place::Commit(n as u64));
    }
}

/// C: a log begun anew under the root key, as if there had been none.
fn recertified(cases: &mut Cases) {
    let commits = cases.room.head_log.len();
    let mut anew = Room::new();
    anew.create_tenant();
    anew.create_tenant();
    let shorter = anew.head_log.len() as u64;
    cases.add("begun anew, and shorter".into(), &anew, cases.kept(commits), "ROLLBACK", Place::Commit(shorter));
    let mut anew = Room::bare();
    anew.time += 7;
    let anew = anew.busier(0, commits);
    cases.add("begun anew, later".into(), &anew, cases.kept(commits), "FORK", Place::Commit(commits as u64 - 1));
    cases.add("begun anew, from its first commit".into(), &anew, cases.kept(1), "FORK", Place::Commit(0));

    // An epoch certified over a log that never was, to backdate what it signs.
    let mut room = cases.room.clone();
    room.seen = vec![empty_root(); room.epochs.len() + 1];
    let late = room.certify();
    room.commit(late, &[room.opening(late)]);
    cases.add("certified over another log".into(), &room, Memory::new(), "EPOCH-SEEN", Place::Commit(15));
    let mut room = cases.room.clone();
    room.twist.time = Some(room.time - 9_000);
    room.commit(2, &[op(A)]);
    cases.add("signed with a date from before".into(), &room, Memory::new(), "COMMIT-TIME", Place::Commit(15));
    let mut room = cases.room.clone();
    room.commit(0, &[op(A)]);
    cases.add("signed by an epoch of before".into(), &room, Memory::new(), "EPOCH-CLOSED", Place::Commit(15));
    let mut room = cases.room.clone();
    room.time += 5_000_000;
    room.commit(2, &[Op { act: "secret.put", ..op(A) }]);
    cases.add("signed by a stolen key, too late".into(), &room, Memory::new(), "EPOCH-EXPIRED", Place::Commit(15));
}
