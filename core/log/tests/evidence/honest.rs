//! Honest logs of every odd shape: no finding, ever.

use crate::room::{Op, Room, op};
use strongroom_log::*;

/// Verifies the whole, piece by piece as well, and each tenant's bundle.
fn assert_ok(room: &Room, case: &str) -> Report {
    let (bundle, root) = (room.bundle(), room.root_key());
    let report = verify(&bundle, &root, None);
    assert!(report.is_ok(), "{case}: {report}");
    assert_eq!(report.completeness, Completeness::FullRange);
    assert_eq!(report.checkpoint.as_ref(), room.checkpoints.last(), "{case}");
    for size in [1, 7, 1_000] {
        let mut reader = BundleReader::new(&root, None);
        bundle.chunks(size).for_each(|piece| reader.feed(piece));
        assert_eq!(reader.finish(), report, "{case}, in pieces of {size}");
    }
    for log in 0..room.logs.len() {
        let one = verify(&room.tenant_bundle(log), &root, report.checkpoint.as_deref().map(str::as_bytes));
        assert!(one.is_ok(), "{case}, log {log}: {one}");
        assert_eq!((one.completeness, one.entries), (Completeness::OneLog, room.logs[log].lines.len() as u64));
        assert_eq!((one.checkpoint, one.remembered), (report.checkpoint.clone(), Remembered::Continued));
    }
    report
}

#[test]
fn every_number_of_lines_around_powers_of_two() {
    for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129] {
        let mut room = Room::new();
        let tenant = room.create_tenant();
        for _ in 0..count / 5 {
            room.commit(0, &vec![op(tenant); 5]);
        }
        if count % 5 > 0 {
            room.commit(0, &vec![op(tenant); count % 5]);
        }
        let report = assert_ok(&room, &format!("{count} lines"));
        assert_eq!((report.entries, report.logs), (2 + count as u64, 2));
    }
}

#[test]
fn one_line_alone() {
    let report = assert_ok(&Room::new(), "one line");
    assert_eq!((report.entries, report.commits, report.logs, report.epochs), (1, 1, 1, 1));
}

#[test]
fn many_tenants_make_the_heads_tree_grow() {
    let mut room = Room::new();
    let tenants: Vec<_> = (0..600).map(|_| room.create_tenant()).collect();
    room.commit(0, &tenants.iter().map(|tenant| op(*tenant)).collect::<Vec<_>>());
    let report = verify(&room.bundle(), &room.root_key(), None);
    assert!(report.is_ok(), "{report}");
    assert_eq!((room.heads.size(), report.logs), (2_048, 601));
    assert!(verify(&room.tenant_bundle(600), &room.root_key(), None).is_ok());
}

#[test]
fn epochs_interleave_and_tenants_close() {
    let report = assert_ok(&Room::busy(), "busy");
    assert_eq!((report.epochs, report.logs, report.generations), (3, 4, 1));
}

#[test]
fn refused_and_intended_acts_change_no_tenants() {
    let mut room = Room::new();
    let tenant = room.create_tenant();
    let object = Some((room.logs[tenant].tenant_ref, "tenant", None));
    let create = Op { act: "tenant.create", object, refused: true, ..op(0) };
    let close = Op { act: "tenant.close", object, intent: true, ..op(0) };
    room.commit(0, &[create, close]);
    assert_ok(&room, "refused");
}

#[test]
fn a_later_generation_starts_afresh_from_the_end_of_the_one_before() {
    let mut room = Room::busy();
    let before = room.checkpoints.clone();
    room.next_generation();
    room.commit(0, &[op(1), op(2), op(1)]);
    let report = assert_ok(&room, "generation 2");
    assert_eq!((report.generations, report.logs), (2, 8));
    room.next_generation();
    let report = assert_ok(&room, "generation 3, with empty logs");
    assert_eq!(report.generations, 3);
    for (n, note) in before.iter().enumerate() {
        let report = verify(&room.bundle(), &room.root_key(), Some(note.as_bytes()));
        assert!(report.is_ok(), "commit {n} of generation 1: {report}");
        assert_eq!(report.remembered, Remembered::Continued);
    }
}

#[test]
fn every_checkpoint_ever_signed_is_continued() {
    let room = Room::busy();
    for (n, note) in room.checkpoints.iter().enumerate() {
        let report = verify(&room.bundle(), &room.root_key(), Some(note.as_bytes()));
        assert!(report.is_ok(), "commit {n}: {report}");
        assert_eq!(report.remembered, Remembered::Continued);
        // One log's bundle can't tell, unless it is the newest.
        let one = verify(&room.tenant_bundle(1), &room.root_key(), Some(note.as_bytes()));
        let newest = n + 1 == room.checkpoints.len();
        let expected = if newest { Remembered::Continued } else { Remembered::NotCompared };
        assert!(one.is_ok() && one.remembered == expected, "commit {n}: {one}");
    }
}

#[test]
fn the_bare_public_key_verifies_too() {
    let room = Room::busy();
    let vkey: VerifyingKey = room.root_key().to_string().parse().unwrap();
    let bare: RootKey = hex_encode(&vkey.public_key()).parse().unwrap();
    assert!(verify(&room.bundle(), &bare, None).is_ok());
}

#[test]
fn strangers_may_cosign_a_checkpoint() {
    let room = Room::busy();
    let cosigner = base64_encode(&[9; 4 + 72]);
    let note = format!("{}\u{2014} witness.example/w {cosigner}\n", room.checkpoints.last().unwrap());
    let bundle = String::from_utf8(room.bundle()).unwrap();
    let (start, _) = bundle.rsplit_once("checkpoint ").unwrap();
    let end = format!("checkpoint {}\nend {}\n", base64_encode(note.as_bytes()), room.lines);
    let report = verify(format!("{start}{end}").as_bytes(), &room.root_key(), Some(note.as_bytes()));
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.checkpoint, Some(note));
}

#[test]
fn the_verifier_knows_the_heads_it_has_read() {
    let room = Room::busy();
    let mut verifier = Verifier::new(&room.origin, &room.root_key(), None);
    let bundle = String::from_utf8(room.bundle()).unwrap();
    for record in bundle.lines() {
        let (tag, rest) = record.split_once(' ').unwrap();
        match tag {
            "generation" => verifier.generation(1, None),
            "tenant" => verifier.tenant(0, room.logs[0].tenant_ref, LogStatus::Open),
            "epoch" => verifier.epoch(&base64_decode(rest).unwrap()),
            "commit" => {
                let (leaf, blind) = rest.split_once(' ').unwrap();
                verifier.commit(&base64_decode(leaf).unwrap(), &hex_array(blind).unwrap());
            }
            "line" => verifier.line(rest.as_bytes()),
            "checkpoint" => verifier.checkpoint(&base64_decode(rest).unwrap()),
            _ => {}
        }
    }
    for log in &room.logs {
        assert_eq!(verifier.head(&log.tenant_ref), Some(log.head()));
    }
    assert_eq!(verifier.head_log().map(Frontier::root), Some(tree_root(&room.head_log)));
    assert!(verifier.finish().is_ok());
}

#[test]
fn the_report_reads_well_and_is_json() {
    let room = Room::busy();
    let report = verify(&room.bundle(), &room.root_key(), None);
    let text = report.to_string();
    assert!(text.starts_with("OK\n\norigin       example.com/keys\n"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((json["verdict"].as_str(), json["completeness"].as_str()), (Some("OK"), Some("full-range")));
    let mut bundle = room.bundle();
    bundle.truncate(bundle.len() - 10);
    let json = serde_json::to_value(verify(&bundle, &room.root_key(), None)).unwrap();
    assert_eq!(
        (json["verdict"].as_str(), json["findings"][0]["code"].as_str()),
        (Some("INCOMPLETE"), Some("BUNDLE-TRUNCATED"))
    );
}
