//! `generate`: the value is stored, and seen by nobody who did not ask.

use std::process::{Command, Stdio};

use crate::place::{Place, record_skip};

#[test]
fn what_is_generated_is_stored_and_not_shown() {
    let place = Place::ready();
    for (args, kind) in [
        (&["password", "a"][..], "text"),
        (&["password", "a", "--length", "40", "--no-symbols", "--exclude-look-alikes"], "text"),
        (&["uuid", "a"], "text"),
        (&["bytes", "a"], "text"),
        (&["bytes", "a", "--count", "1024", "--encoding", "raw"], "binary"),
        (&["key", "a"], "text"),
        (&["key", "a", "--algorithm", "p256"], "text"),
    ] {
        let args = [&["generate"], args].concat();
        let mut said = Vec::new();
        for args in [args.clone(), [&args[..], &["-o", "json"]].concat()] {
            let mut command = place.command(&args);
            let done = command.env("STRONGROOM_LOG", "trace").output().unwrap();
            assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
            let value = place.run(&["secret", "get", "a"]).stdout;
            said.extend([done.stdout, done.stderr].concat());
            // Of a private key, the longest line is the key; raw bytes have lines by chance.
            let needle = value.split(|byte| *byte == b'\n').max_by_key(|line| line.len()).unwrap();
            assert!(needle.len() >= 16 && !said.windows(needle.len()).any(|window| window == needle), "{args:?}");
        }
        assert_eq!(place.json(&["secret", "get", "a"])["kind"], kind, "{args:?}");
    }
    assert_eq!(place.json(&["secret", "versions", "a"])["versions"][0]["version"], 14);
}

#[test]
fn what_is_asked_for_is_made() {
    let place = Place::ready();
    let shown =
        place.ok(&["generate", "password", "p", "--length", "30", "--no-symbols", "--exclude", "aA1", "--show"]);
    assert_eq!(shown, place.ok(&["secret", "get", "p"]));
    assert!(shown.len() == 30 && shown.bytes().all(|byte| byte.is_ascii_alphanumeric() && !b"aA1".contains(&byte)));
    let reply = place.json(&["generate", "bytes", "b", "--count", "20", "--encoding", "hex", "--show"]);
    assert_eq!((&reply["generated"], &reply["bits"]), (&"bytes count=20 encoding=hex".into(), &160.into()));
    assert_eq!(reply["value"]["value"], place.ok(&["secret", "get", "b"]));
    let acts = place.ok(&["audit", "show"]);
    assert_eq!(acts.matches("secret.generate").count(), 2, "{acts}");
    // Once to show it, once to compare.
    assert_eq!(acts.matches("secret.get").count(), 4, "{acts}");

    for (args, exit, code) in [
        (&["password", "p", "--length", "7"][..], 5, "SR-GENERATE-INVALID"),
        (&["password", "p", "--length", "257"], 5, "SR-GENERATE-INVALID"),
        (&["password", "p", "--length", "15", "--no-symbols", "--no-upper", "--no-lower"], 5, "SR-GENERATE-INVALID"),
        (&["bytes", "p", "--count", "15"], 5, "SR-GENERATE-INVALID"),
        (&["uuid", "../p"], 5, "SR-PATH-INVALID"),
        (&["uuid", "p", "--expect", "0"], 4, "SR-SECRET-CONFLICT"),
    ] {
        place.refused(&[&["generate"], args].concat(), b"", exit, code);
    }
    assert_eq!(place.run(&["generate", "key", "k", "--algorithm", "rsa"]).exit, 2);
}

#[test]
fn a_key_pair_is_two_secrets_or_none() {
    let place = Place::ready();
    let public = place.ok(&["--environment", "prod", "generate", "key", "jwt/signing", "--expect", "0"]);
    assert_eq!(place.ok(&["secret", "get", "prod/jwt/signing.pub"]), public);
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{public}");
    let longest = "a".repeat(255);
    place.refused(&["generate", "key", &longest], b"", 5, "SR-PATH-INVALID");
    place.ok_with(&["secret", "put", "taken.pub"], b"mine");
    let refused = place.refused(&["generate", "key", "taken", "--expect", "0"], b"", 4, "SR-SECRET-CONFLICT");
    assert!(refused.stderr.contains("taken.pub"), "{}", refused.stderr);
    place.refused(&["secret", "get", "taken"], b"", 3, "SR-SECRET-NOT-FOUND");
    assert_eq!(place.ok(&["secret", "get", "taken.pub"]), "mine");
    place.ok(&["audit", "verify", "--state"]);
}

#[test]
fn openssl_reads_the_keys() {
    if Command::new("openssl").arg("version").output().is_err() {
        return record_skip("openssl is not installed");
    }
    let place = Place::ready();
    for algorithm in ["ed25519", "p256"] {
        let public = place.ok(&["generate", "key", "pair", "--algorithm", algorithm]);
        let mut openssl = Command::new("openssl");
        openssl.args(["pkey", "-pubout"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = openssl.spawn().unwrap();
        let private = place.ok(&["secret", "get", "pair"]);
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), private.as_bytes()).unwrap();
        let derived = child.wait_with_output().unwrap();
        assert!(derived.status.success(), "{algorithm}");
        assert_eq!(String::from_utf8(derived.stdout).unwrap(), public, "{algorithm}");
    }
}
