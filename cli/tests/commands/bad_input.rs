//! Each mistake has its exit code, its error code and a next step, in text and in JSON; nothing is half done.

use std::fs;

use strongroom_hsm::testing::SoftHsm;

use crate::place::{Place, private_file};

#[test]
fn what_is_not_valid_is_refused_before_anything_is_opened() {
    // There is no deployment here at all: whatever comes after parsing would say so.
    let place = Place::software();
    let (long, deep) = ("a".repeat(256), ["a"; 17].join("/"));
    let cases: &[(&[&str], &str)] = &[
        (&["secret", "get", ""], "SR-PATH-INVALID"),
        (&["secret", "get", "../x"], "SR-PATH-INVALID"),
        (&["secret", "get", "prod/../db"], "SR-PATH-INVALID"),
        (&["secret", "get", "/etc/passwd"], "SR-PATH-INVALID"),
        (&["secret", "get", "a\nb"], "SR-PATH-INVALID"),
        (&["secret", "get", "a\u{1b}[31mb"], "SR-PATH-INVALID"),
        (&["secret", "get", &long], "SR-PATH-INVALID"),
        (&["secret", "get", &deep], "SR-PATH-INVALID"),
        (&["secret", "list", "a//b"], "SR-PATH-INVALID"),
        (&["secret", "list", "--after", "!"], "SR-CURSOR-INVALID"),
        (&["secret", "put", "a", "--label", "owner"], "SR-LABEL-INVALID"),
        (&["secret", "put", "a", "--label", "a=1", "--label", "a=2"], "SR-LABEL-INVALID"),
        (&["secret", "put", "a", "--description", "two\nlines"], "SR-LABEL-INVALID"),
        (&["secret", "import", "no-such-file"], "SR-FILE-UNREADABLE"),
        (&["secret", "put", "a", "--file", "no-such-file"], "SR-FILE-UNREADABLE"),
        (&["--environment", "a/b", "secret", "get", "a"], "SR-ENVIRONMENT-INVALID"),
        (&["--tenant", "Acme", "secret", "get", "a"], "SR-TENANT-INVALID"),
        (&["--tenant", "", "secret", "get", "a"], "SR-TENANT-INVALID"),
        (&["tenant", "create", "sys"], "SR-TENANT-INVALID"),
        (&["--as", "root", "status"], "SR-ACTOR-INVALID"),
        (&["--as", "system:core", "status"], "SR-ACTOR-INVALID"),
        (&["--request-id", "12", "status"], "SR-CONTEXT-INVALID"),
        (&["init", "--no-recovery", "--device", "pkcs11:token=x"], "SR-DEVICE-URI-INVALID"),
        (
            &["init", "--no-recovery", "--device", "pkcs11:token=x?module-path=/x&pin-value=1234"],
            "SR-DEVICE-URI-INVALID",
        ),
        (&["init", "--no-recovery", "--device", &place.device, "--origin", "https://x"], "SR-ORIGIN-INVALID"),
        (&["init", "--device", &place.device], "SR-RECOVERY-REQUIRED"),
        (&["audit", "verify", "x", "--root", "x"], "SR-AUDIT-ROOT-INVALID"),
        (&["audit", "verify-proof", "x", "--root", "x"], "SR-AUDIT-ROOT-INVALID"),
        (&["audit", "verify-proof", "-", "--root", &"01".repeat(32)], "SR-AUDIT-PROOF-INVALID"),
        (&["audit", "prove", "--receipt", "-"], "SR-AUDIT-RECEIPT-INVALID"),
    ];
    for (args, code) in cases {
        place.refused(args, b"value", 5, code);
    }
    assert!(!place.path("data").exists(), "nothing was made");
    place.refused(&["status"], b"", 3, "SR-DEPLOYMENT-MISSING");
}

#[test]
fn a_command_line_that_says_too_little_is_a_matter_of_usage() {
    let place = Place::software();
    let cases: &[&[&str]] = &[
        &[],
        &["frobnicate"],
        &["secret"],
        &["secret", "put"],
        &["secret", "put", "a", "value"],
        &["secret", "put", "a", "--json", "--binary"],
        &["secret", "get", "a", "--version", "x"],
        &["secret", "get", "a", "--force"],
        &["secret", "list", "--all", "--limit", "3"],
        &["init"],
        &["init", "--abandon", "--device", "x"],
        &["-o", "xml", "status"],
        &["audit", "verify", "bundle"],
        &["audit", "prove"],
        &["audit", "prove", "x"],
        &["audit", "prove", "-1"],
        &["audit", "prove", "1", "--receipt", "x"],
        &["audit", "prove", "1", "--force"],
        &["audit", "verify-proof"],
        &["audit", "verify-proof", "proof"],
    ];
    for args in cases {
        let ran = place.run(args);
        assert_eq!(ran.exit, 2, "{args:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{args:?}");
    }
    let no_tenant = place.command(&["secret", "list"]).env_remove("STRONGROOM_TENANT").output().unwrap();
    assert_eq!(no_tenant.status.code(), Some(2));
    let no_log = place.command(&["audit", "show"]).env_remove("STRONGROOM_TENANT").output().unwrap();
    assert!(String::from_utf8(no_log.stderr).unwrap().contains("--deployment"));
    let in_json = place.run(&["secret", "put", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&in_json.stderr).unwrap();
    assert!(report["error"]["message"].as_str().unwrap().contains("<PATH>"), "{report}");
    for help in [&["--help"][..], &["-h"], &["--version"], &["secret", "put", "--help"], &["completion", "bash"]] {
        let ran = place.run(help);
        assert!(ran.exit == 0 && !ran.stdout.is_empty() && ran.stderr.is_empty(), "{help:?}");
    }
}

#[test]
fn what_a_deployment_refuses_has_its_code() {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "a/key"], b"value");
    fs::write(place.path("bad.env"), "A=1\n\nB two\n").unwrap();
    fs::write(place.path("bad.json"), "{\"a\": 1,\n \"b\": }").unwrap();
    fs::write(place.path("new.env"), "fresh=1\nkey=2\n").unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["secret", "get", "nothing"], 3, "SR-SECRET-NOT-FOUND"),
        (&["secret", "versions", "nothing"], 3, "SR-SECRET-NOT-FOUND"),
        (&["secret", "delete", "nothing", "--yes"], 3, "SR-SECRET-NOT-FOUND"),
        (&["secret", "get", "a/key", "--version", "2"], 3, "SR-SECRET-VERSION-NOT-FOUND"),
        (&["secret", "get", "a/key", "--version", "0"], 3, "SR-SECRET-VERSION-NOT-FOUND"),
        (&["secret", "put", "a/key", "--expect", "0"], 4, "SR-SECRET-CONFLICT"),
        (&["secret", "put", "b", "--expect", "1"], 4, "SR-SECRET-CONFLICT"),
        (&["secret", "put", "b", "--json"], 5, "SR-SECRET-VALUE-INVALID"),
        (&["secret", "list", "--limit", "0"], 5, "SR-LIMIT-INVALID"),
        (&["secret", "list", "--limit", "10001"], 5, "SR-LIMIT-INVALID"),
        (&["secret", "list", "-r", "--limit", "1001"], 5, "SR-LIMIT-INVALID"),
        (&["audit", "show", "--limit", "1001"], 5, "SR-LIMIT-INVALID"),
        (&["secret", "import", "--prefix", "a", "--new-only", "new.env"], 4, "SR-SECRET-CONFLICT"),
        (&["secret", "export", "--format", "env"], 5, "SR-EXPORT-UNSUITABLE"),
        (&["--tenant", "nobody", "secret", "list"], 3, "SR-TENANT-NOT-FOUND"),
        (&["tenant", "show", "nobody"], 3, "SR-TENANT-NOT-FOUND"),
        (&["tenant", "create", "acme"], 4, "SR-TENANT-EXISTS"),
        (&["audit", "export", "no/such/folder/x"], 5, "SR-FILE-UNREADABLE"),
        (&["backup", "create", "no/such/folder/x"], 5, "SR-FILE-UNREADABLE"),
    ];
    for (args, exit, code) in cases {
        place.refused(args, b"not json", *exit, code);
    }
    for (file, line) in [("bad.env", "line 3: "), ("bad.json", "line 2: ")] {
        let malformed = place.refused(&["secret", "import", file], b"", 5, "SR-IMPORT-MALFORMED");
        assert!(malformed.stderr.contains(line), "{}", malformed.stderr);
    }
    assert_eq!(place.ok(&["secret", "list"]), "a/\n", "nothing was imported");
    assert_eq!(place.ok(&["secret", "list", "a"]), "a/key\n");
    assert_eq!(place.json(&["audit", "verify"])["ok"], true);
}

#[test]
fn what_is_wrong_with_the_device_or_the_files_has_its_code() {
    let place = Place::ready();
    let database = place.path("data/strongroom.db");
    let whole = fs::read(&database).unwrap();
    let config = fs::read_to_string(place.path("data/config.toml")).unwrap();

    fs::write(place.path("data/config.toml"), format!("{config}nonsense = 1\n")).unwrap();
    let refused = place.refused(&["status"], b"", 5, "SR-CONFIG-INVALID");
    assert!(refused.stderr.contains("line 4"), "{}", refused.stderr);
    fs::write(place.path("data/config.toml"), &config).unwrap();

    private_file(&place.path("passphrase"), "wrong\n");
    place.refused(&["status"], b"", 6, "SR-DEVICE-PIN-REFUSED");
    fs::remove_file(place.path("passphrase")).unwrap();
    place.refused(&["status"], b"", 9, "SR-DEVICE-FILE");
    private_file(&place.path("passphrase"), "correct horse battery staple\n");

    fs::write(&database, [&b"no database at all "[..], &whole[19..]].concat()).unwrap();
    place.refused(&["status"], b"", 8, "SR-STORE-DAMAGED");
    let other = Place::ready();
    fs::copy(other.path("data/strongroom.db"), &database).unwrap();
    place.refused(&["status"], b"", 9, "SR-DEVICE-WRONG-TOKEN");
    fs::write(&database, &whole).unwrap();
    place.ok(&["status"]);
}

#[test]
fn what_is_wrong_with_a_token_has_its_code() {
    let Some(hsm) = SoftHsm::new() else { return };
    let pin = hsm.token("one", "123456");
    hsm.token("twin", "123456");
    let twin = hsm.token("twin", "123456");
    let wrong_pin = hsm.pin_file("999999");
    let wrong_pin = format!("{}&pin-source=file:{}", pin.split_once("&pin-source").unwrap().0, wrong_pin.display());
    let module = pin.split_once("module-path=").unwrap().1.split_once('&').unwrap().0.to_owned();
    let place = Place { hsm: Some(hsm), ..Place::software() };
    for (device, exit, code) in [
        (wrong_pin, 6, "SR-DEVICE-PIN-REFUSED"),
        (pin.replace("token=one", "token=none"), 9, "SR-DEVICE-TOKEN-NOT-FOUND"),
        (twin, 5, "SR-DEVICE-TOKEN-AMBIGUOUS"),
        (pin.replace(&module, "/no/such/module.so"), 9, "SR-DEVICE-MODULE"),
    ] {
        place.refused(&["init", "--no-recovery", "--device", &device], b"", exit, code);
        assert!(!place.path("data/init.intent").exists(), "no key was made: there is nothing to finish");
    }
    place.ok(&["init", "--no-recovery", "--device", &pin]);
    place.ok(&["status"]);
}
