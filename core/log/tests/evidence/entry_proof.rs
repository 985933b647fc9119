//! Proofs of one line: honest ones hold, and each change is refused for the link that it breaks.

use crate::dice::Dice;
use crate::room::{Room, Twist, op};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use strongroom_log::*;

const SYS: usize = 0;
const A: usize = 1;
const B: usize = 2;

/// The records after the first, in their order.
const TAGS: [&str; 9] =
    ["line", "log", "head", "entry-proof", "heads-proof", "commit-leaf", "commit-proof", "checkpoint", "epoch"];

/// The proof of a line under the room's newest checkpoint, unverified.
fn proof(room: &Room, log: usize, seq: usize) -> EntryProof {
    proof_by(room, log, seq, room.leaf.unwrap().epoch as usize - 1).unwrap()
}

/// The same with the certificate of this epoch.
fn proof_by(room: &Room, log: usize, seq: usize, epoch: usize) -> Result<EntryProof, EntryProofError> {
    let of = &room.logs[log];
    let mut prover = InclusionProver::new(&of.tree, seq as u64).unwrap();
    prover.leaves().for_each(|seq| prover.append(leaf_hash(&of.lines[seq as usize])));
    let proof = TenantProof {
        head: of.head(),
        heads_size: room.heads.size(),
        heads_proof: &room.heads.proof(of.position),
        commit: room.leaf.unwrap(),
        commit_proof: &inclusion_proof(&room.head_log, room.head_log.len() - 1),
        checkpoint: room.checkpoints.last().unwrap().as_bytes(),
    };
    let certificate = room.epochs[epoch].note.as_bytes();
    EntryProof::new(&of.lines[seq], prover.finish().unwrap(), of.position, &proof, certificate, &room.root_key())
}

/// `ok`, or the code of what is wrong.
fn outcome(text: &[u8], root: &RootKey) -> &'static str {
    match EntryProof::parse(text).and_then(|proof| proof.verify(root).map(drop)) {
        Ok(()) => "ok",
        Err(error) => error.code(),
    }
}

fn records(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// `to` with these records of `from`.
fn with(to: &str, from: &str, tags: &[&str]) -> String {
    let from = records(from);
    let of = |line: &str| tags.iter().any(|tag| line.split(' ').next() == Some(*tag));
    let mixed = records(to).into_iter().zip(from).map(|(ours, theirs)| if of(ours) { theirs } else { ours });
    mixed.map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_line_is_proven_under_every_checkpoint_and_matches_its_receipt() {
    let mut proofs = 0;
    for commits in 1..=15 {
        let room = Room::busy_to(commits);
        let root = room.root_key();
        let bare: RootKey =
            hex_encode(&root.to_string().parse::<VerifyingKey>().unwrap().public_key()).parse().unwrap();
        for log in 0..room.logs.len() {
            for seq in 0..room.logs[log].lines.len() {
                let proof = proof(&room, log, seq);
                let text = proof.write();
                assert_eq!(EntryProof::parse(text.as_bytes()).as_ref(), Ok(&proof), "log {log} line {seq}");
                let proven = proof.verify(&root).unwrap_or_else(|error| panic!("log {log} line {seq}: {error}"));
                assert_eq!(proven.line().as_bytes(), room.logs[log].lines[seq]);
                assert_eq!((proven.parsed().seq, proven.leaf()), (seq as u64, leaf_hash(&room.logs[log].lines[seq])));
                assert_eq!(proven.checkpoint_note(), room.checkpoints.last().unwrap());
                assert_eq!((proven.checkpoint().size, proven.commit_time()), (commits as u64, room.time));
                let receipt = serde_json::from_value(room.receipt(log, seq)).unwrap();
                assert_eq!(proven.matches(&receipt), Ok(()), "log {log} line {seq}");
                assert!(proof.verify(&bare).is_ok(), "log {log} line {seq}");
                proofs += 1;
            }
        }
    }
    assert!(proofs > 150, "{proofs}");
}

#[test]
fn a_later_generation_is_told_by_the_root_keys_name() {
    let mut room = Room::busy();
    let (root, before) = (room.root_key(), proof(&room, A, 3).write());
    room.next_generation();
    room.commit(0, &[op(A), op(B)]);
    let after = proof(&room, A, 0).write();
    assert_eq!((outcome(before.as_bytes(), &root), outcome(after.as_bytes(), &root)), ("ok", "ok"));
    assert!(after.contains("example.com/keys/g2/t/"));
    let key = root.to_string().parse::<VerifyingKey>().unwrap().public_key();
    for (name, root, want) in [
        ("another origin", RootKey::of(&Origin::parse("example.org/keys").unwrap(), &key).unwrap(), "ROOT-KEY"),
        ("a longer origin", RootKey::of(&Origin::parse("example.com/keys/x").unwrap(), &key).unwrap(), "ROOT-KEY"),
        ("another key", RootKey::of(&room.origin, &[1; 32]).unwrap_or(other_key()), "EPOCH-SIGNATURE"),
        ("another bare key", other_key(), "EPOCH-SIGNATURE"),
    ] {
        assert_eq!(outcome(after.as_bytes(), &root), want, "case: {name}");
    }
    for tag in TAGS {
        let got = outcome(with(&after, &before, &[tag]).as_bytes(), &root);
        let want = match tag {
            "line" => "EPOCH-SIGNATURE",
            "log" => "ok",
            "head" => "HEAD-PROOF",
            "entry-proof" => "LINE-PROOF",
            "heads-proof" => "HEAD-PROOF",
            "commit-leaf" | "commit-proof" => "COMMIT-PROOF",
            "checkpoint" => "CHECKPOINT-SIGNATURE",
            _ => "EPOCH-SIGNATURE",
        };
        assert_eq!(got, want, "{tag} of generation 1");
    }
}

fn other_key() -> RootKey {
    let key = ed25519_dalek::SigningKey::from_bytes(&[77; 32]).verifying_key().to_bytes();
    hex_encode(&key).parse().unwrap()
}

/// The next one of the same alphabet, so that as much as can be still parses.
fn another(byte: u8) -> u8 {
    match byte {
        b'9' => b'0',
        b'f' => b'0',
        b'z' => b'a',
        b'Z' => b'A',
        b'0'..=b'8' | b'a'..=b'y' | b'A'..=b'Y' => byte + 1,
        _ => b'A',
    }
}

#[test]
fn each_byte_that_is_changed_breaks_the_link_it_is_in() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("strongroom-proof/v1", &["PROOF-VERSION"][..]),
        ("line", &["LINE-FORMAT", "LINE-VERSION", "LINE-ORIGIN", "ROOT-KEY", "LINE-PROOF"]),
        ("log", &["LINE-ORIGIN", "HEAD-PROOF"]),
        ("head", &["HEAD-PROOF"]),
        ("entry-proof", &["LINE-PROOF"]),
        ("heads-proof", &["HEAD-PROOF"]),
        ("commit-leaf", &["COMMIT-PROOF"]),
        ("commit-proof", &["COMMIT-PROOF"]),
        ("checkpoint", &["CHECKPOINT-SIGNATURE"]),
        ("epoch", &["EPOCH-SIGNATURE", "EPOCH-FORMAT"]),
    ]);
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let room = Room::busy();
    let root = room.root_key();
    for (log, seq) in [(A, 5), (SYS, 2), (B, 0)] {
        let text = proof(&room, log, seq).write();
        let mut at = 0;
        for record in text.split_inclusive('\n') {
            let tag = *allowed.keys().find(|tag| record.trim_end().split(' ').next() == Some(*tag)).unwrap();
            for place in at..at + record.len() {
                for to in [another(text.as_bytes()[place]), text.as_bytes()[place] ^ 1, b'\n', 0xff] {
                    let mut changed = text.clone().into_bytes();
                    changed[place] = to;
                    if changed == text.as_bytes() {
                        continue;
                    }
                    let code = outcome(&changed, &root);
                    let form = ["PROOF-RECORD", "PROOF-VERSION", "LINE-FORMAT"].contains(&code);
                    assert!(form || allowed[tag].contains(&code), "{tag}, byte {place} to {to}: {code}");
                    seen.entry(tag).or_default().insert(code);
                }
            }
            at += record.len();
        }
    }
    for (tag, codes) in allowed {
        for code in codes {
            assert!(seen[tag].contains(code), "{tag}: nothing leads to {code}");
        }
    }
}

#[test]
fn what_is_swapped_between_two_proofs_is_refused_at_its_link() {
    let room = Room::busy();
    let root = room.root_key();
    let ours = proof(&room, A, 5).write();
    // The checkpoint of one commit earlier is by another epoch, and that of two by the same.
    let (earlier, by_another) = (proof(&Room::busy_to(11), A, 5).write(), proof(&Room::busy_to(13), A, 5).write());
    let (other_line, other_tenant) = (proof(&room, A, 4).write(), proof(&room, B, 5).write());
    let cases: &[(&str, &str, &[&str], &str)] = &[
        ("another line", &other_line, &["line"], "LINE-PROOF"),
        ("another line's proof", &other_line, &["entry-proof"], "LINE-PROOF"),
        ("another tenant's line", &other_tenant, &["line"], "LINE-ORIGIN"),
        ("another tenant's name", &other_tenant, &["log"], "LINE-ORIGIN"),
        ("another tenant's line and name", &other_tenant, &["line", "log"], "HEAD-PROOF"),
        ("another tenant's head", &other_tenant, &["head"], "HEAD-PROOF"),
        ("another tenant's way to its head", &other_tenant, &["line", "log", "head", "entry-proof"], "HEAD-PROOF"),
        ("another tenant's place", &other_tenant, &["heads-proof"], "HEAD-PROOF"),
        ("another tenant's head, and its place", &other_tenant, &["head", "heads-proof"], "HEAD-PROOF"),
        ("another tenant's line under our head", &other_tenant, &["line", "log", "entry-proof"], "HEAD-PROOF"),
        ("an earlier head", &earlier, &["head"], "HEAD-PROOF"),
        ("an earlier head and its proof", &earlier, &["head", "entry-proof"], "HEAD-PROOF"),
        ("an earlier way to the commit", &earlier, &["head", "entry-proof", "heads-proof"], "HEAD-PROOF"),
        ("an earlier commit", &earlier, &["commit-leaf"], "COMMIT-PROOF"),
        ("an earlier commit's proof", &earlier, &["commit-proof"], "COMMIT-PROOF"),
        ("an earlier commit and its proof", &earlier, &["commit-leaf", "commit-proof"], "COMMIT-PROOF"),
        ("an earlier checkpoint by the same epoch", &earlier, &["checkpoint"], "COMMIT-PROOF"),
        ("a checkpoint by another epoch", &by_another, &["checkpoint"], "CHECKPOINT-SIGNATURE"),
        ("another epoch", &by_another, &["epoch"], "CHECKPOINT-SIGNATURE"),
        ("another epoch and its checkpoint", &by_another, &["epoch", "checkpoint"], "COMMIT-PROOF"),
        (
            "all but the heads of a checkpoint",
            &earlier,
            &["commit-leaf", "commit-proof", "checkpoint", "epoch"],
            "HEAD-PROOF",
        ),
    ];
    assert_eq!(outcome(earlier.as_bytes(), &root), "ok");
    for (name, from, tags, want) in cases {
        let mixed = with(&ours, from, tags);
        assert_ne!(mixed, ours, "case: {name}");
        assert_eq!(outcome(mixed.as_bytes(), &root), *want, "case: {name}");
        // And the other way about: what is left is theirs.
        let rest: Vec<_> = TAGS.into_iter().filter(|tag| !tags.contains(tag)).collect();
        assert_eq!(with(from, &ours, &rest), mixed, "case: {name}");
    }
}

#[test]
fn what_the_keys_signed_and_should_not_have_is_refused() {
    let twist = |leaf: fn(&mut CommitLeaf)| Twist { leaf: Some(leaf), ..Twist::default() };
    for (name, twist, want) in [
        ("a commit after its epoch", twist(|leaf| leaf.time += 3_000_000), "EPOCH-EXPIRED"),
        ("a commit before its epoch", twist(|leaf| leaf.time = 1), "EPOCH-EXPIRED"),
        ("a commit that names another number", twist(|leaf| leaf.n -= 1), "COMMIT-PROOF"),
        ("a commit older than its line", twist(|leaf| leaf.time -= 1), "LINE-TIME"),
        ("other heads", twist(|leaf| leaf.heads_root = leaf.stats), "HEAD-PROOF"),
    ] {
        let mut room = Room::new();
        room.create_tenant();
        room.twist = twist;
        room.commit(0, &[op(A), op(A)]);
        assert_eq!(outcome(proof(&room, A, 1).write().as_bytes(), &room.root_key()), want, "case: {name}");
    }
    let mut room = Room::busy();
    room.twist = twist(|leaf| leaf.epoch = 2);
    room.commit(2, &[op(A)]);
    let signed_by_another = proof_by(&room, A, 0, 2).unwrap().write();
    assert_eq!(outcome(signed_by_another.as_bytes(), &room.root_key()), "EPOCH-UNCERTIFIED");
    assert_eq!(proof_by(&room, A, 0, 1).map(drop), Err(EntryProofError::CheckpointSignature), "not even made");
}

#[test]
fn a_receipt_is_of_the_proven_line_or_it_is_said_why_not() {
    let room = Room::busy();
    let proof = proof(&room, A, 5);
    let proven = proof.verify(&room.root_key()).unwrap();
    let good = room.receipt(A, 5);
    let with = |field: &str, value: Value| {
        let mut receipt = good.clone();
        receipt[field] = value;
        receipt
    };
    let mut newest = room.receipt(A, 10);
    for field in ["seq", "leaf"] {
        newest[field] = good[field].clone();
    }
    let mut forked = newest.clone();
    // By an epoch whose key is not in the proof, so that the signature does not tell.
    forked["head_root"] = good["head_root"].clone();
    forked["epoch"] = json!(9);
    let mut beyond = forked.clone();
    beyond["head_size"] = json!(16);
    for (name, receipt, want) in [
        ("of this line", good.clone(), Ok(())),
        ("of this line, given later", newest.clone(), Ok(())),
        ("of another tenant", room.receipt(B, 5), Err(ReceiptMismatch::Log)),
        ("of another line", room.receipt(A, 4), Err(ReceiptMismatch::Seq)),
        ("of what was never recorded", with("leaf", json!("00".repeat(32))), Err(ReceiptMismatch::Line)),
        ("of a head log that forked", forked, Err(ReceiptMismatch::Fork)),
        ("of after the proof", beyond, Err(ReceiptMismatch::Older)),
        (
            "with another signature",
            {
                newest["signature"] = json!("00".repeat(64));
                newest
            },
            Err(ReceiptMismatch::Signature),
        ),
    ] {
        let receipt = serde_json::from_value(receipt).unwrap();
        assert_eq!(proven.matches(&receipt), want, "case: {name}");
    }
}

/// A proof of the shape that one has in a deployment of these numbers; the rest is that of `text`.
fn of_shape(
    text: &str,
    lines: u64,
    entry: usize,
    (position, heads): (u32, usize),
    commits: u64,
    commit: usize,
) -> String {
    let hashes = |count: usize| base64_encode(&vec![0xa5; 32 * count]);
    let mut made = String::new();
    for record in text.lines() {
        let fields: Vec<_> = record.split(' ').collect();
        made += &match fields[0] {
            "log" => format!("log {position} {}", fields[2]),
            "head" => format!("head {lines} {} {}", fields[2], fields[3]),
            "entry-proof" => format!("entry-proof {}", hashes(entry)),
            "heads-proof" => format!("heads-proof {}", hashes(heads)),
            "commit-proof" => format!("commit-proof {}", hashes(commit)),
            "checkpoint" => format!("checkpoint {commits} {} {}", fields[2], fields[3]),
            _ => record.to_owned(),
        };
        made.push('\n');
    }
    assert_eq!(EntryProof::parse(made.as_bytes()).unwrap().write(), made);
    made
}

fn bytes_without_line(text: &str) -> usize {
    text.lines().filter(|record| !record.starts_with("line ")).map(|record| record.len() + 1).sum()
}

#[test]
fn a_proof_is_as_small_as_promised() {
    let text = proof(&Room::busy(), A, 5).write();
    let (lines, commits) = (1_000_000_u64, 1_000_000_u64);
    // The deepest leaf of that many, and the most subtrees that any of so many commits has before it.
    let deepest = |leaves: u64| (leaves - 1).ilog2() as usize + 1;
    let most = |commits: u64| (0..commits).map(|n| n.count_ones() as usize).max().unwrap();
    // Positions as they are given out, each as high as it may be.
    let mut heads = HeadsTree::new();
    let mut sizes = BTreeMap::new();
    for logs in 1..=16_383 {
        let highest = (0..heads.position_limit()).rev().find(|position| heads.is_free(*position)).unwrap();
        heads.set(highest, empty_root()).unwrap();
        sizes.insert(logs, heads.size());
    }
    assert_eq!((sizes[&10_000], sizes[&16_383]), (32_768, 32_768));
    let place = |size: u32| (size - 1, size.trailing_zeros() as usize);

    let worst = of_shape(&text, lines, deepest(lines), place(sizes[&10_000]), commits, most(commits));
    println!("{} bytes without the line, {} with it", bytes_without_line(&worst), worst.len());
    assert_eq!((deepest(lines), heads.size().trailing_zeros(), most(commits)), (20, 15, 19));
    assert!(bytes_without_line(&worst) <= PROOF_BYTES_MAX, "{}", bytes_without_line(&worst));
    let twice = of_shape(&text, 2 * lines, deepest(2 * lines), place(32_768), commits, most(commits));
    assert!(bytes_without_line(&twice) > PROOF_BYTES_MAX, "the promise is no larger than it has to be");

    // And whatever there can be is still read, with the longest line.
    let largest = of_shape(&text, INTEGER_MAX, 53, (HEADS_LEAVES_MAX - 1, 24), u64::MAX, 64);
    assert!(bytes_without_line(&largest) + "line \n".len() + LINE_BYTES_MAX <= PROOF_FILE_BYTES_MAX);
}

#[test]
fn a_proof_is_read_within_its_limits_and_no_further() {
    let text = proof(&Room::busy(), A, 5).write();
    let shape = |entry, heads, commit| {
        let list = |count: usize| if count == 0 { "-".to_owned() } else { base64_encode(&vec![7; 32 * count]) };
        let mut made = String::new();
        for record in text.lines() {
            made += &match record.split(' ').next().unwrap() {
                tag @ "entry-proof" => format!("{tag} {}\n", list(entry)),
                tag @ "heads-proof" => format!("{tag} {}\n", list(heads)),
                tag @ "commit-proof" => format!("{tag} {}\n", list(commit)),
                _ => format!("{record}\n"),
            };
        }
        made
    };
    let record = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let long = |count: usize| format!("{text}{}", "x".repeat(count - text.len()));
    for (name, text, want) in [
        ("the fewest hashes", shape(0, 10, 0), Ok(())),
        ("the most hashes", shape(53, 24, 64), Ok(())),
        ("a deeper line", shape(54, 24, 64), Err("entry-proof")),
        ("a larger heads tree", shape(53, 25, 64), Err("heads-proof")),
        ("a smaller heads tree", shape(0, 9, 0), Err("heads-proof")),
        ("a longer head log", shape(53, 24, 65), Err("commit-proof")),
        ("half a hash", record("entry-proof ", "entry-proof AAAA"), Err("entry-proof")),
        ("no hashes, without saying so", record("commit-proof ", "commit-proof \n"), Err("commit-proof")),
        ("a field more", record("head 11 ", "head 11 0 "), Err("head")),
        ("a field less", record("head 11 ", "head "), Err("head")),
        ("two spaces", record("head 11 ", "head  11 "), Err("head")),
        ("a leading zero", record("head 11 ", "head 011 "), Err("head")),
        ("a status of its own", record("= 1\n", "= 3\n"), Err("head")),
        ("a position beyond 2^32", record("log ", "log 4294967296"), Err("log")),
        (
            "a ref in upper case",
            record(&text[text.find("\nlog ").unwrap()..][..20], "\nlog 932 ABCDEFABCDE"),
            Err("log"),
        ),
        ("a record twice", record("\nlog ", "\nlog 1 2\nlog "), Err("log")),
        ("records in another order", record("\nentry-proof ", "\nheads-proof "), Err("entry-proof")),
        ("carriage returns", text.replace('\n', "\r\n"), Err("version")),
        ("no newline at the end", text.trim_end().to_owned(), Err("end")),
        ("an empty line at the end", format!("{text}\n"), Err("end")),
        ("more at the end", format!("{text}{text}"), Err("end")),
        ("as long as can be", long(PROOF_FILE_BYTES_MAX), Err("end")),
        ("longer", long(PROOF_FILE_BYTES_MAX + 1), Err("end")),
        ("another version", record("/v1", "/v2"), Err("version")),
        ("a longer version", record("/v1", "/v10"), Err("version")),
        ("a bundle", String::from_utf8(Room::busy().bundle()).unwrap(), Err("version")),
        ("nothing", String::new(), Err("version")),
    ] {
        let got = EntryProof::parse(text.as_bytes()).map(drop).map_err(|error| match error {
            EntryProofError::Version => "version",
            EntryProofError::Record { record, .. } => record,
            other => panic!("case: {name}: {other}"),
        });
        assert_eq!(got, want, "case: {name}");
    }
}

#[test]
fn nothing_that_is_thrown_at_the_reader_does_harm() {
    let room = Room::busy();
    let (root, text) = (room.root_key(), proof(&room, A, 5).write());
    for end in 0..text.len() {
        assert_ne!(outcome(&text.as_bytes()[..end], &root), "ok", "cut at {end}");
    }
    let (seed, mut dice) = Dice::of_now();
    for round in 0..20_000 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=dice.below(4) {
            let at = dice.below(bytes.len());
            match dice.below(4) {
                0 => bytes[at] = dice.next() as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, dice.next() as u8),
                _ => {
                    let from = dice.below(bytes.len());
                    let piece = bytes[from..(from + dice.below(80)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        assert!(bytes == text.as_bytes() || outcome(&bytes, &root) != "ok", "round {round} of seed {seed}");
    }
}
