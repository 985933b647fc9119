//! Files made to hurt: whatever comes, a verdict comes out.

use crate::dice::Dice;
use crate::room::Room;
use std::time::{Duration, Instant};
use strongroom_log::*;

fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len().max(1)).min(bytes.len());
    let end = (at + dice.below(64)).min(bytes.len());
    match dice.below(6) {
        0 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
        1 => drop(bytes.drain(at..end)),
        2 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        3 => {
            let from = dice.below(other.len());
            let to = (from + dice.below(600)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        4 => {
            let number: &[u8] =
                [&b"18446744073709551615"[..], b"0", b"-1", b"4294967296", b"9007199254740992"][dice.below(5)];
            bytes.splice(at..end, number.iter().copied());
        }
        _ => {
            // Whole records change places.
            let mut records: Vec<_> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let (x, y) = (dice.below(records.len()), dice.below(records.len()));
            records.swap(x, y);
            *bytes = records.join(&b'\n');
        }
    }
}

#[test]
fn no_mutated_bundle_panics_and_none_is_ok_but_the_honest() {
    let (seed, mut dice) = Dice::of_now();
    let mut room = Room::busy();
    room.next_generation();
    let root = room.root_key();
    let bundles = [room.bundle(), room.tenant_bundle(1), Room::busy().bundle(), Room::busy().tenant_bundle(0)];
    let meaning = |bundle: &Vec<u8>| Report { signatures: 0, ..verify(bundle, &root, None) };
    let meanings: Vec<_> = bundles.iter().map(meaning).collect();
    let started = Instant::now();
    let mut runs = 0;
    while started.elapsed() < Duration::from_secs(1) {
        let which = dice.below(bundles.len());
        let mut bundle = bundles[which].clone();
        for _ in 0..=dice.below(4) {
            let other = &bundles[dice.below(bundles.len())];
            mutate(&mut bundle, other, &mut dice);
        }
        let remembered = room.checkpoints[dice.below(room.checkpoints.len())].clone();
        let remembered = Some(remembered.as_bytes()).filter(|_| dice.below(2) == 0);
        let report = verify(&bundle, &root, remembered);
        assert!(report.findings.len() <= FINDINGS_MAX);
        let text = report.to_string();
        assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "seed {seed}: {text:?}");
        if report.is_ok() {
            // The order of different logs' lines in one commit is free; nothing else is.
            let meaning = Report { remembered: Remembered::NotGiven, remembered_count: 0, signatures: 0, ..report };
            assert!(meanings.contains(&meaning), "seed {seed}: another log is OK too: {meaning}");
        }
        runs += 1;
    }
    println!("{runs} bundles");
}

#[test]
fn every_parser_takes_any_bytes() {
    let (_, mut dice) = Dice::of_now();
    let room = Room::busy();
    let bundle = room.bundle();
    let line = room.logs[1].lines[3].clone();
    let origin = room.origin.clone();
    for _ in 0..20_000 {
        let mut bytes = if dice.below(2) == 0 { line.clone() } else { room.epochs[0].note.clone().into_bytes() };
        mutate(&mut bytes, &bundle, &mut dice);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ =
            (parse_line(&bytes).is_ok(), CommitLeaf::from_bytes(&bytes).is_ok(), Frontier::from_bytes(&bytes).is_ok());
        let _ = (Checkpoint::parse(&text).is_ok(), EpochCertificate::parse(&text, &origin).is_ok());
        let _ = (text.parse::<RootKey>().is_ok(), text.parse::<VerifyingKey>().is_ok(), Origin::parse(&text).is_ok());
        let _ = (Note::parse(&bytes).is_ok(), base64_decode(&text).is_some(), hex_array::<16>(&text).is_some());
    }
}

#[test]
fn findings_stay_bounded_whatever_is_fed() {
    let room = Room::busy();
    let mut bundle = b"strongroom-bundle/v1 full\norigin example.com/keys\ngeneration 1 0 -\n".to_vec();
    for _ in 0..10_000 {
        bundle.extend_from_slice(b"line {}\ncommit x\nepoch AAAA\ntenant 5 x\nend\n");
    }
    let report = verify(&bundle, &room.root_key(), None);
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Tampered, FINDINGS_MAX));
    assert!(report.findings_omitted > 1_000);

    let mut reader = BundleReader::new(&room.root_key(), None);
    reader.feed(b"strongroom-bundle/v1 full\norigin example.com/keys\n");
    for _ in 0..64 {
        reader.feed(&[b'x'; 1 << 20]);
    }
    reader.feed(b"\nend 0\n");
    let report = reader.finish();
    assert_eq!(report.findings[0].code, "BUNDLE-RECORD", "an endless record is one finding: {report}");
    assert_eq!(report.findings.len(), 2, "{report}");
}
