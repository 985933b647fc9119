//! What goes in comes out: newlines, kinds, limits, files, pages.

use std::fs;

use crate::place::{Place, mode};

#[test]
fn a_value_is_what_was_meant() {
    let place = Place::ready();
    let cases: &[(&[&str], &[u8], &[u8])] = &[
        (&[], b"plain", b"plain"),
        (&[], b"echo\n", b"echo"),
        (&[], b"windows\r\n", b"windows"),
        (&[], b"only one\n\n", b"only one\n"),
        (&[], b" spaces stay ", b" spaces stay "),
        (&["--raw"], b"kept\n", b"kept\n"),
        (&["--file", "-"], b"a file is taken as it is\n", b"a file is taken as it is\n"),
        (&["--file", "value"], b"", b"from a file\n"),
        (&["--file", "/dev/null"], b"", b""),
        (&["--json"], b"{\"a\" : [1, 2.50]}\n", b"{\"a\" : [1, 2.50]}"),
        (&["--binary"], b"\xff\0\n", b"\xff\0\n"),
    ];
    fs::write(place.path("value"), "from a file\n").unwrap();
    for (options, input, want) in cases {
        place.ok_with(&[&["secret", "put", "a/value"], *options].concat(), input);
        let got = place.run(&["secret", "get", "a/value"]);
        assert_eq!(got.stdout, *want, "case: {options:?} {:?}", String::from_utf8_lossy(input));
    }
    assert_eq!(place.json(&["secret", "get", "a/value"])["value"], "/wAK", "binary in base64");
    let got = place.json(&["secret", "get", "a/value", "--version", "10"]);
    assert_eq!((&got["kind"], &got["value"]), (&"json".into(), &"{\"a\" : [1, 2.50]}".into()));
}

#[test]
fn a_value_has_its_limit() {
    let place = Place::ready();
    let largest = "x".repeat(65_536);
    let put = ["secret", "put", "large"];
    place.ok_with(&put, largest.as_bytes());
    place.ok_with(&put, format!("{largest}\n").as_bytes());
    assert_eq!(place.ok(&["secret", "get", "large"]), largest);
    for input in [format!("{largest}x"), format!("{largest}x\n"), format!("{largest}{largest}{largest}")] {
        place.refused(&put, input.as_bytes(), 5, "SR-SECRET-TOO-LARGE");
    }
    place.refused(&["secret", "put", "large", "--raw"], format!("{largest}\n").as_bytes(), 5, "SR-SECRET-TOO-LARGE");
    assert_eq!(place.json(&["secret", "versions", "large"])["versions"].as_array().unwrap().len(), 2);
    assert_eq!(place.run(&put).exit, 2, "nothing came in");
}

#[test]
fn a_file_is_private_whole_and_never_overwritten_unasked() {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "key"], b"value");
    let get = ["secret", "get", "key", "--file", "out"];
    place.ok(&get);
    assert_eq!((fs::read(place.path("out")).unwrap(), mode(&place.path("out"))), (b"value".to_vec(), 0o600));
    fs::write(place.path("out"), "mine").unwrap();
    let lines = || place.json(&["tenant", "show", "acme"])["log"]["lines"].clone();
    let before = lines();
    assert_eq!(place.run(&get).exit, 2);
    assert_eq!((fs::read(place.path("out")).unwrap(), lines()), (b"mine".to_vec(), before), "nothing was read either");
    place.ok(&[&get[..], &["--force"]].concat());
    assert_eq!(fs::read(place.path("out")).unwrap(), b"value");
    std::os::unix::fs::symlink("out", place.path("link")).unwrap();
    for target in ["link", "/dev/null", "data", "no/such/folder"] {
        assert_ne!(place.run(&["secret", "get", "key", "--force", "--file", target]).exit, 0, "case: {target}");
    }
}

#[test]
fn documents_of_all_forms_hold_the_same_secrets() {
    let place = Place::ready();
    fs::write(place.path("in.yaml"), "db:\n  password: it's\n  port: 5432\nkey: |\n  a\n  b\n").unwrap();
    place.ok(&["secret", "import", "in.yaml"]);
    let json = place.ok(&["secret", "export", "--format", "json"]);
    for name in ["out.yml", "out.toml", "out.JSON"] {
        place.ok(&["secret", "export", "--file", name]);
        place.ok(&["secret", "import", "--prefix", name, name]);
        assert_eq!(place.ok(&["secret", "export", "--format", "json", "--prefix", name]), json, "case: {name}");
        for secret in ["db/password", "db/port", "key"] {
            place.ok(&["secret", "delete", "--yes", &format!("{name}/{secret}")]);
        }
    }
    assert_eq!(place.ok(&["secret", "get", "key"]), "a\nb\n");
    let ambiguous = b"a: x\nb: no\n";
    place.refused(&["secret", "import", "--format", "yaml", "-"], ambiguous, 5, "SR-IMPORT-MALFORMED");
    place.refused(&["secret", "get", "a"], b"", 3, "SR-SECRET-NOT-FOUND");
}

#[test]
fn a_folder_is_listed_in_pages() {
    let place = Place::ready();
    let document: String = (0..1_005).map(|n| format!("K{n:04}=v\n")).collect();
    place.ok_with(&["secret", "import", "-"], document.as_bytes());
    let page = place.json(&["secret", "list"]);
    assert_eq!(page["entries"].as_array().unwrap().len(), 1_000);
    let rest = place.ok(&["secret", "list", "--after", page["next"].as_str().unwrap()]);
    assert_eq!(rest, "K1000\nK1001\nK1002\nK1003\nK1004\n");
    let all = place.json(&["secret", "list", "--all"]);
    assert_eq!((all["entries"].as_array().unwrap().len(), all["receipts"].as_array().unwrap().len()), (1_005, 1));
    let below = place.json(&["secret", "list", "-r", "--all"]);
    assert_eq!((below["entries"].as_array().unwrap().len(), below["receipts"].as_array().unwrap().len()), (1_005, 2));
    let more = place.json(&["secret", "list", "--limit", "1004"]);
    assert_eq!((more["entries"].as_array().unwrap().len(), more["next"].is_string()), (1_004, true));
    let few = place.run(&["secret", "list", "--limit", "2"]);
    assert_eq!(few.text(), "K0000\nK0001\n");
    assert!(few.stderr.contains("there is more: --after "), "{}", few.stderr);
}

#[test]
fn nobody_needs_to_read_to_the_end() {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "key"], b"value");
    let mut child = place.command(&["secret", "get", "key"]).spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success() && !stderr.contains("error"), "{stderr}");
}
