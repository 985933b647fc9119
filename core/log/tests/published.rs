//! What others published about signed notes, checkpoints and trees, read by our code.
//!
//! C2SP publishes no vectors for `signed-note`, `tlog-checkpoint` and the trees below them, only examples. The library
//! from which the standards were written down, Go's `golang.org/x/mod/sumdb`, has tests with fixed keys and notes, and
//! with proofs from a real log of certificates. Where we are stricter than it is, a test says so.

#![allow(clippy::unwrap_used, reason = "a test")]

use strongroom_log::{
    Checkpoint, Hash, Note, NoteError, VerifyingKey, base64_decode, hex_array, leaf_hash, verify_consistency,
    verify_inclusion, verify_note,
};

const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const BY_PETER: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const BY_ENOCH: &str =
    "\u{2014} EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn key(vkey: &str) -> VerifyingKey {
    vkey.parse().unwrap()
}

#[test]
fn no_mangled_vkey_is_one() {
    for good in [PETER, ENOCH] {
        assert_eq!(key(good).to_string(), good);
        for start in 0..=good.len() {
            for end in start..=good.len() {
                let whole = (start, end) == (0, good.len());
                assert_eq!(good[start..end].parse::<VerifyingKey>().is_ok(), whole, "{start}..{end}");
            }
        }
        for at in 0..good.len() {
            let mut changed = good.as_bytes().to_vec();
            changed[at] += 1;
            assert!(String::from_utf8(changed).unwrap().parse::<VerifyingKey>().is_err(), "byte {at}");
        }
    }
    for (name, vkey) in [
        ("a key too long", "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="),
        ("an unknown algorithm", "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
    ] {
        assert!(vkey.parse::<VerifyingKey>().is_err(), "case: {name}");
    }
}

#[test]
fn notes_open_as_they_do_in_go() {
    let (peter, enoch) = (key(PETER), key(ENOCH));
    let both = format!("{TEXT}\n{BY_PETER}{BY_ENOCH}");
    for known in [&[&peter][..], &[&enoch], &[&peter, &enoch], &[&enoch, &peter]] {
        assert_eq!(verify_note(both.as_bytes(), known), Ok(TEXT));
    }
    assert_eq!(verify_note(both.as_bytes(), &[]), Err(NoteError::UnknownKey));

    let spoilt = |line: &str| format!("{}ABCD{}", &line[..62], &line[62..]);
    let bad = NoteError::BadSignature("PeterNeumann".into());
    assert_eq!(verify_note(format!("{TEXT}\n{}", spoilt(BY_PETER)).as_bytes(), &[&peter]), Err(bad));
    let strangers = format!("{TEXT}\n{BY_PETER}{BY_ENOCH}{BY_ENOCH}{}", spoilt(BY_ENOCH));
    assert_eq!(verify_note(strangers.as_bytes(), &[&peter]), Ok(TEXT));

    for (name, note) in [
        ("no blank line", TEXT.to_owned()),
        ("no signature", format!("{TEXT}\n")),
        ("no last newline", format!("{TEXT}\n{}", BY_PETER.trim_end())),
        ("a control character", format!("\x01{TEXT}\n{BY_PETER}")),
        ("a name of two words", format!("{TEXT}\n{}", BY_PETER.replace("PeterNeumann", "Bad Name"))),
        ("something after it", format!("{TEXT}\n{BY_PETER}Unexpected line.\n")),
        ("101 signatures", format!("{TEXT}\n{}", BY_PETER.repeat(101))),
    ] {
        let error = Note::parse(note.as_bytes()).unwrap_err();
        assert!(matches!(error, NoteError::Malformed(_) | NoteError::TooLarge(_)), "case: {name}: {error}");
    }
    assert!(Note::parse(format!("\u{ff}{TEXT}\n{BY_PETER}").as_bytes()).is_ok(), "that is a letter");
    assert!(Note::parse(&[b"\xff", TEXT.as_bytes(), b"\n", BY_PETER.as_bytes()].concat()).is_err(), "that is none");
}

/// Go passes over the second signature of a known key, and over bits in base64 that mean nothing. A note that can be
/// written in two ways is one whose hash does not name it, and we name certificates by their hash.
#[test]
fn a_note_has_one_form_where_go_allows_more() {
    let twice = format!("{TEXT}\n{BY_PETER}{BY_PETER}");
    assert!(matches!(verify_note(twice.as_bytes(), &[&key(PETER)]), Err(NoteError::DuplicateSignature(_))));
    let stray = format!("{TEXT}\n{}", BY_PETER.replace("nAM=", "nAN="));
    assert!(matches!(Note::parse(stray.as_bytes()), Err(NoteError::Malformed(_))));
}

#[test]
fn the_examples_of_the_standards_are_read() {
    let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
        \u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    let text = Note::parse(note.as_bytes()).unwrap().unverified_text();
    assert!(text.ends_with("sole:\n\ned è subito sera.\n"), "the last blank line parts it");

    let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let checkpoint = Checkpoint::parse(Note::parse(note.as_bytes()).unwrap().unverified_text()).unwrap();
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint.root, hash("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="));
}

/// Go's checksum database has this first line, and allows more lines after the third. We do not.
#[test]
fn a_tree_is_described_as_in_go() {
    let tree = "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n";
    let checkpoint = Checkpoint::parse(tree).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (123_456_789_012, leaf_hash(b"hello world")));
    assert_eq!(checkpoint.text(), tree);
    for bad in [
        tree.replace("123456789012", "0xabcdef"),
        tree.replace("uwBb0=", "uwBTOOBIG="),
        format!("{tree}JOE"),
        format!("{tree}JOE\n"),
    ] {
        assert!(Checkpoint::parse(&bad).is_err(), "{bad}");
    }
}

/// Certificate Transparency's log Argon 2020, asked once by Go's own test: entry 10,000, and what was there before.
#[test]
fn proofs_of_a_real_log_of_961_984_013_certificates_hold() {
    let (size, root) = (961_984_013, hash("dwlueapdd7LaOEnX2W2Wp9v2XE+KzejHRQGHwEx0oaM="));
    let entry =
        Hash::from_bytes(hex_array("9c2b3799f232761f71e022b243ebb6c6d9a9c66160800e4c2f2987c0d41294b8").unwrap());
    let inclusion: Vec<_> = ARGON_INCLUSION.iter().chain(ARGON_BOTH).map(|text| hash(text)).collect();
    assert!(verify_inclusion(10_000, size, &entry, &inclusion, &root));
    let (old_size, old_root) = (3_654_490, hash("AuIZ5V6sDUj1vn3Y1K85oOaQ7y+FJJKtyRTl1edIKBQ="));
    let consistency: Vec<_> = ARGON_CONSISTENCY.iter().chain(ARGON_BOTH).map(|text| hash(text)).collect();
    assert!(verify_consistency(old_size, &old_root, size, &root, &consistency));

    for at in 0..inclusion.len() {
        let mut changed = inclusion.clone();
        changed[at] = entry;
        assert!(!verify_inclusion(10_000, size, &entry, &changed, &root), "node {at}");
        changed.remove(at);
        assert!(!verify_inclusion(10_000, size, &entry, &changed, &root), "without node {at}");
    }
    for at in 0..consistency.len() {
        let mut changed = consistency.clone();
        changed[at] = entry;
        assert!(!verify_consistency(old_size, &old_root, size, &root, &changed), "node {at}");
        changed.remove(at);
        assert!(!verify_consistency(old_size, &old_root, size, &root, &changed), "without node {at}");
    }
    for other in [9_999, 10_001, 0, size - 1, size, u64::MAX] {
        assert!(!verify_inclusion(other, size, &entry, &inclusion, &root), "place {other}");
        assert!(!verify_consistency(other, &old_root, size, &root, &consistency), "size {other}");
    }
}

fn hash(base64: &str) -> Hash {
    Hash::from_slice(&base64_decode(base64).unwrap()).unwrap()
}

const ARGON_INCLUSION: &[&str] = &[
    "T46AmJsuOM/gFiGlUp+IJJebp+1Z5qratFNW7U0JyOQ=",
    "9Jj1Feodn42uRYEfffkV4HF/EIPFQ5Zo9IwkxbQ2uhk=",
    "D53/1oCNebF4J59HHgioovKZxrmrKcVuCVhy3Izg8Ck=",
    "wSFDgGSrsXRPA+1c8WHoAFCsWeUv8NDyP/Q/SgsyVyY=",
    "516/RcwsgdwdzHn18v1dJHqBkgFUbNhmCIWOGjsMJaE=",
    "naTFY2ajLFgrgs5XUl+zJYZnnlJksLGsA1VYwpLfqbY=",
    "mKBRJo6qao+0Kdh/rhGkZUbHUAxMhrtrclrTpIbNjIg=",
    "Co4ueOFE7lpifLio94irxxsv1wFMMaK3tPu2ZQkHlro=",
    "yRgy800K6JMYCC05sWfqF2kvCg2riT/pVM+nEa6V5+0=",
    "n2O38XJZC8/Wpbwi9HhgVizlUyeUHVZvYyQB1607MRc=",
    "go3tAjuNfNSCj87y2Rg1xOroDknGN1eaf3cgvzObf7Q=",
    "8D0Mj3/J7ySSnFb0afIHYXv6rlOhECnsebY6XKi1IR8=",
    "6rcez46ZU8M5vPiWVMAUfJfAOV0pPP/mch/lYzZhj/M=",
    "2rtIeXrPvSdUyHc5maIgSAVB2BzaKaupWxSAiVayDE4=",
    "nniW/IMFQPN5xw8UsHFn7CRStYbm1gLu7NNa6kkRqJQ=",
    "mRPPi7sQS22MduIEyvcNzCNFqIt6kLwYPkNKrVtIcu8=",
    "JvTivzESNS9wHI8aph5a7uieVmtS/p9PciMZ5D6GyOo=",
    "UTyQd+Ym0wY4zG+qK806bBORwi1CSVvFQ/KknnqoZj8=",
    "hXODrqN+ff+U6zPqRQ+ZQKs6im1fPcxIerDSfNwflhE=",
    "II6GE+WY/DrpZzfHztLwkR46o37zVkNLCyPYlf68zA0=",
    "d609kWWcNBllbA8Jb/ad4XAVVGnScLRmtP8FYyr+Dck=",
    "rikBsP0G0gioXRpBFED2CzQdSLrGPvRd0bEcbEZw1rI=",
];

const ARGON_CONSISTENCY: &[&str] = &[
    "80Sfbj6UQEdVSZCSIgh9NMPj3vCBzcc1A48B2crJSWg=",
    "FZcrgAHUk6nNPviJZq8kEK6jCG1d18pJOFE45ZDc1TQ=",
    "Q67reWXmPBo1UfmwBap4Xi9PMPfFdUSSw3WGlRZdG7k=",
    "eJ7CyhR4PxzBxDIsWgrVYW1eFUb9ndgf46tFmiqVrxA=",
    "QrDwp062Grm5WY8KdrhFsBuuNjGzRox2Jb8PmVL5OYw=",
    "XM4YMjMEdLH/XJam/ZWyaP14k3cmsOtnPsOWQ54lW1s=",
    "SGiBh+jOTGccXU48ZzgQ88lRcBmtB4wz4oSDndv2QTg=",
    "WAS6txqNLYKGL1GdBdpqmV42TTfn6cJsuDsqLXuTCNI=",
    "QFmRS0rirUA7ZN3lxFjDncV+E1OCrn3NUB4RCp+5fzc=",
    "Hdbp7It2XBNZmNDBpCN/KPd7vfVqxgzwOosqVIaEA9E=",
    "mxvHL0ZiblBdD7j7pIa1jlfB0gSqfJ6oX0UGo7L0VsU=",
    "q5hjyvoW6TL/PThgcitpDcSTrnKX2p1+aqscqH2euRA=",
    "jTOWDqt3IHj2NVFeezyBz2ofpru+ztEywqKUAfFclKI=",
    "GIRn0w3HqJdvU9j1WVD//eR6lk2AaTVjyzjsJNP8U88=",
    "x52GJvxG81fnQBrgOTbll1A5tz95/LXK0Ag1NhB0r1I=",
    "6/0OqrcTgc3o5dD5PymmoC96lB9yLPFuTHVvLy8fSGk=",
    "Gf+iKLfcXO5l4JEFmsZvSdG5q1uEeWPfYLrds6pmjz0=",
    "DGuaco+McyM3AfRSF6qX7RwSetwe2ieYJmxw5e9rVx0=",
    "2tQJ9V32hnYp+fdpP6TcjmgJmLeNVOMKM0Ml1kk4cNU=",
    "3PapK+IkyJr8I9yAErAmzuZezzLMzsg+PfeRCgNW8NQ=",
    "s6xiYeejb+wtqHA+URJZ2I/SCPyIW8coP6aB00FJbMY=",
    "z9lSpmdTcr5M5ZzKlc4EPh3SrSypKFdk6JUF/UccaZU=",
];

/// The upper part of both proofs.
const ARGON_BOTH: &[&str] = &[
    "GXIElfmnRuWfbA4z7ubV/UwlpSRUbUeec7oL5HDDnh0=",
    "pR0SH/NYP6s9+8azWwaeUXA4Ze/3WCIgMfh5YW6wvcE=",
    "f3GuAKYVrF8RBg3s15jvA/YvV9oAliWtzP/imwPhQVA=",
    "WHn8zDxlVgkV+lSlmzaOdfSBrTHoRr5nT3d76q0KKWE=",
    "f2uV2ZxVgULzLPKuZcowRY3ZY7fRlX59iDBjV1R8kNQ=",
    "NzQVjJsvQwbi7WStMr9oFkh9VbHfK7LB6o7WwAqwNTs=",
    "C0LttBeYHZHgL+032JIcJC3CTBIyza/hsbmJUgJfmDI=",
    "nixU5CWTFVDlF4BGdcU6kA7WSYurEpe9jRWc+F/7sOc=",
];
