//! What someone with the keys, or a bug of ours, can sign: lies that every signature vouches for.

use crate::room::{Op, Room, Twist, op};
use crate::tamper::{Case, Honest, Place};
use ed25519_dalek::SigningKey;
use strongroom_log::Verdict::{Tampered, Unverifiable};
use strongroom_log::*;

const A: usize = 1;

struct Cases(Vec<Case>);

impl Cases {
    fn push(&mut self, name: &'static str, room: &Room, code: &'static str, place: Place) {
        self.add(name, room, Tampered, code, place);
    }

    fn add(&mut self, name: &'static str, room: &Room, verdict: Verdict, code: &'static str, place: Place) {
        let want = (verdict, code, place);
        let (root, before) = (room.root_key(), Honest::of(&self::room()));
        let name = name.to_owned();
        self.0.push(Case { name, before, bundle: room.bundle(), root, memory: Memory::new(), want });
    }

    /// A commit with three lines of a tenant, twisted, and an honest one after it.
    fn twist(&mut self, name: &'static str, twist: Twist, code: &'static str, place: Place) {
        let mut room = room();
        room.twist = twist;
        room.commit(0, &[op(A), op(A), op(A)]);
        room.commit(0, &[op(A)]);
        self.push(name, &room, code, place);
    }
}

/// Commits 0 to 2: epoch 1, tenant A, two lines.
fn room() -> Room {
    let mut room = Room::new();
    room.create_tenant();
    room.commit(0, &[op(A), op(A)]);
    room
}

fn at(log: usize, seq: u64) -> Place {
    Place::Line(room().log_origin(log).to_string(), seq)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    lines(&mut cases);
    commits(&mut cases);
    epochs(&mut cases);
    tenants(&mut cases);
    generations(&mut cases);
    cases.0
}

fn only(line: &mut String, seq: u64, from: &str, to: &str) {
    if line.contains(&format!("\"seq\":{seq},")) {
        assert!(line.contains(from));
        *line = line.replacen(from, to, 1);
    }
}

fn lines(cases: &mut Cases) {
    type Change = fn(&mut String);
    let changes: [(&str, Change, &str, Place); 8] = [
        ("signed: space in a line", |line| only(line, 3, ":{", ": {"), "LINE-FORMAT", at(A, 3)),
        ("signed: the last line not canonical", |line| only(line, 4, "}}", "} }"), "LINE-FORMAT", at(A, 4)),
        ("signed: another prev", |line| only(line, 3, "\"prev\":\"", "\"prev\":\"0"), "LINE-FORMAT", at(A, 3)),
        ("signed: another time", |line| only(line, 3, "\"ts\":1", "\"ts\":2"), "LINE-TIME", at(A, 3)),
        ("signed: another epoch", |line| only(line, 3, "\"ep\":1", "\"ep\":2"), "LINE-EPOCH", at(A, 3)),
        ("signed: a number skipped", |line| only(line, 3, "\"seq\":3", "\"seq\":4"), "LINE-SEQ", at(A, 3)),
        ("signed: no log's line", |line| only(line, 3, "/t/", "/x/"), "LINE-ORIGIN", origin_x()),
        ("signed: a chain broken", |line| prev_of_zeros(line, 3), "LINE-CHAIN", at(A, 3)),
    ];
    for (name, line, code, place) in changes {
        cases.twist(name, Twist { line: Some(line), ..Twist::default() }, code, place);
    }
    let later = Twist { line: Some(|line| only(line, 3, "\"v\":1", "\"v\":2")), ..Twist::default() };
    let mut twisted = room();
    twisted.twist = later;
    twisted.commit(0, &[op(A), op(A), op(A)]);
    cases.add("signed: a line of a later version", &twisted, Unverifiable, "LINE-VERSION", at(A, 3));

    let mut room = Room::new();
    room.create_tenant();
    room.twist.line = Some(|line| prev_of_zeros(line, 0));
    room.commit(0, &[op(A), op(A)]);
    cases.push("signed: another genesis", &room, "LINE-GENESIS", at(A, 0));
}

fn prev_of_zeros(line: &mut String, seq: u64) {
    if line.contains(&format!("\"seq\":{seq},")) {
        let at = line.find("\"prev\":\"").unwrap() + 8;
        line.replace_range(at..at + 64, &"0".repeat(64));
    }
}

fn origin_x() -> Place {
    let Place::Line(log, _) = at(A, 0) else { return Place::None };
    Place::Line(log.replace("/t/", "/x/"), 3)
}

fn commits(cases: &mut Cases) {
    let third = Place::Commit(3);
    let twist = |leaf: fn(&mut CommitLeaf)| Twist { leaf: Some(leaf), ..Twist::default() };
    cases.twist("signed: heads that are not", twist(|leaf| leaf.heads_root = empty_root()), "COMMIT-HEADS", at(A, 4));
    cases.twist("signed: a commit skipped", twist(|leaf| leaf.n += 1), "COMMIT-SEQ", third.clone());
    cases.twist("signed: a commit repeated", twist(|leaf| leaf.n -= 1), "COMMIT-SEQ", third.clone());
    cases.twist("signed: an epoch nobody has", twist(|leaf| leaf.epoch = 9), "LINE-EPOCH", at(A, 2));
    let tenants = Twist { stats: Some((3, 7)), ..Twist::default() };
    cases.twist("signed: a tenant too many", tenants, "COMMIT-STATS", third.clone());
    let lines = Twist { stats: Some((2, 6)), ..Twist::default() };
    cases.twist("signed: a line too few", lines, "COMMIT-STATS", third.clone());
    let malformed = Twist { leaf_bytes: Some(|leaf| leaf.truncate(95)), ..Twist::default() };
    cases.twist("signed: a leaf too short", malformed, "COMMIT-FORMAT", third.clone());
    let before = room().time - 500;
    let backwards = Twist { time: Some(before), ..Twist::default() };
    cases.twist("signed: time running backwards", backwards, "COMMIT-TIME", third.clone());
    let mut room = room();
    room.commit(0, &[]);
    cases.push("signed: an empty commit", &room, "COMMIT-EMPTY", third.clone());
    room = self::room();
    room.logs[A].status = LogStatus::Closed;
    room.commit(0, &[op(A)]);
    cases.push("signed: a tenant closed in silence", &room, "COMMIT-HEADS", at(A, 2));
    room = self::room();
    room.twist.epoch_key = Some([9; 32]);
    room.commit(0, &[op(A)]);
    cases.push("signed: by a key of no epoch", &room, "CHECKPOINT-SIGNATURE", third);
    room = self::room();
    room.open_epoch();
    room.twist.epoch_key = Some(room.epochs[1].signer.to_bytes());
    room.commit(0, &[op(A)]);
    cases.push("signed: by another epoch", &room, "CHECKPOINT-SIGNATURE", Place::Commit(4));
}

fn epochs(cases: &mut Cases) {
    let mut twisted = room();
    twisted.twist = Twist {
        leaf: Some(|leaf| leaf.epoch = 9),
        line: Some(|line| *line = line.replacen("\"ep\":1", "\"ep\":9", 1)),
        ..Twist::default()
    };
    twisted.commit(0, &[op(A)]);
    cases.push("signed: an uncertified epoch", &twisted, "EPOCH-UNCERTIFIED", Place::Commit(3));

    let mut room = room();
    let second = room.certify();
    room.commit(second, &[op(A)]);
    room.commit(second, &[room.opening(second)]);
    cases.push("signed: an epoch before it is opened", &room, "EPOCH-UNOPENED", Place::Commit(3));

    room = self::room();
    let second = room.open_epoch();
    room.close_epoch(0, second);
    room.commit(0, &[op(A)]);
    cases.push("signed: an epoch after it is closed", &room, "EPOCH-CLOSED", Place::Commit(5));

    room = self::room();
    room.time += 3_000_000;
    room.commit(0, &[op(A)]);
    cases.push("signed: an epoch past its hard limit", &room, "EPOCH-EXPIRED", Place::Commit(3));

    room = self::room();
    let root = SigningKey::from_bytes(&crate::room::ROOT_SEED);
    let early = room.certify_by(&root, |certificate| {
        certificate.opened += 500_000;
        certificate.ends += 500_000;
    });
    room.commit(early, &[room.opening(early)]);
    cases.push("signed: an epoch before its time", &room, "EPOCH-EXPIRED", Place::Commit(3));

    type Change = fn(&mut EpochCertificate);
    let changes: [(&str, Change, &str); 5] = [
        ("signed: another deployment's certificate", |certificate| certificate.deployment = [1; 16], "EPOCH-FORMAT"),
        ("signed: an epoch's number twice", |certificate| certificate.epoch = 1, "EPOCH-DUPLICATE"),
        ("signed: another root seen", |certificate| certificate.seen_root = empty_root(), "EPOCH-SEEN"),
        ("signed: a longer log seen", |certificate| certificate.seen_size += 1, "EPOCH-SEEN"),
        ("signed: an end before the opening", |certificate| certificate.ends = 0, "EPOCH-FORMAT"),
    ];
    for (name, change, code) in changes {
        let mut room = self::room();
        let second = room.certify_by(&root, change);
        room.commit(second, &[room.opening(second)]);
        cases.push(name, &room, code, Place::Commit(3));
    }

    let thief = SigningKey::from_bytes(&[66; 32]);
    room = self::room();
    let second = room.certify_by(&thief, |_| {});
    room.commit(second, &[room.opening(second)]);
    cases.push("signed: an epoch certified by a thief", &room, "EPOCH-SIGNATURE", Place::Commit(3));
    room = Room::bare();
    let first = room.certify_by(&thief, |_| {});
    room.commit(first, &[room.opening(first)]);
    cases.add("signed: a whole log of a thief's", &room, Unverifiable, "ROOT-KEY", Place::None);

    room = self::room();
    room.commit(0, &[room.opening(0)]);
    cases.push("signed: an epoch opened twice", &room, "EPOCH-DUPLICATE", at(0, 2));
    room = self::room();
    let second = room.certify();
    room.commit(second, &[Op { detail: Some(empty_root()), ..room.opening(second) }]);
    cases.push("signed: an epoch opened by another hash", &room, "EPOCH-UNCERTIFIED", at(0, 2));
    room = self::room();
    let object = Some(([1; 16], "epoch", Some(1)));
    room.commit(0, &[Op { object, ..room.opening(0) }]);
    cases.push("signed: an epoch opened by another id", &room, "EPOCH-UNCERTIFIED", at(0, 2));
}

fn tenants(cases: &mut Cases) {
    let a = room().logs[A].clone();
    let tenant = |id| Some((id, "tenant", None));
    let create = |id, position| Op { act: "tenant.create", object: tenant(id), position, ..op(0) };
    let close = |id| Op { act: "tenant.close", object: tenant(id), ..op(0) };
    for (name, op) in [
        ("signed: a tenant twice", create(a.tenant_ref, Some(7))),
        ("signed: a position twice", create([9; 16], Some(a.position))),
        ("signed: the position of sys", create([9; 16], Some(0))),
        ("signed: a position beyond the tree", create([9; 16], Some(1_024))),
        ("signed: a position that costs memory", create([9; 16], Some(u32::MAX))),
        ("signed: no position", create([9; 16], None)),
        (
            "signed: a tenant of another type",
            Op { object: Some(([9; 16], "secret", None)), ..create([9; 16], Some(7)) },
        ),
        ("signed: no tenant", Op { object: None, ..create([9; 16], Some(7)) }),
        ("signed: an unknown tenant closed", close([9; 16])),
        ("signed: sys closed", close(room().logs[0].tenant_ref)),
    ] {
        let mut room = room();
        room.commit(0, &[op]);
        cases.push(name, &room, "TENANT-SET", at(0, 2));
    }
    let mut room = Room::new();
    let tenant = room.create_tenant();
    room.twist.line = Some(|line| {
        let at = line.find("/t/").unwrap() + 3;
        line.replace_range(at..at + 32, &"0".repeat(32));
    });
    room.commit(0, &[op(tenant)]);
    let log = room.origin.tenant(&[0; 16]).to_string();
    cases.push("signed: a log without a tenant", &room, "LINE-LOG", Place::Line(log, 0));
}

fn generations(cases: &mut Cases) {
    let mut room = room();
    room.end_generation();
    room.begin_generation(2);
    room.previous = Some(PreviousGeneration { size: 1, root: empty_root() });
    room.open_epoch();
    cases.push(
        "signed: a genesis after another end",
        &room,
        "LINE-GENESIS",
        Place::Line(room.log_origin(0).to_string(), 0),
    );
    room = self::room();
    room.end_generation();
    room.logs[A].status = LogStatus::Closed;
    room.begin_generation(2);
    room.open_epoch();
    cases.push("signed: a tenant closed between generations", &room, "TENANT-SET", Place::None);
}
