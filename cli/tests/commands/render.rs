//! `render`: a whole file for one reader, or none.

use std::{fs, os::unix::fs::MetadataExt as _};

use crate::place::{Place, mode};

const NEEDLE: &str = "n33dle with 'quotes'";

fn with_secrets() -> Place {
    let place = Place::ready();
    place.ok_with(&["secret", "put", "prod/db/password"], NEEDLE.as_bytes());
    place.ok_with(&["secret", "put", "prod/db/port", "--json"], b"5432");
    place.ok_with(&["secret", "put", "prod/key", "--binary"], b"\0\xff");
    place
}

#[test]
fn a_template_is_filled_in_one_operation() {
    let place = with_secrets();
    let template = "a: {{ secret \"prod/db/password\" | json }}\nb: {{ secret \"prod/db/port\" }}\nc: {{ secret \"prod/key\" | base64 }}\nd: {{ secret \"prod/db/password\" | url }}{{ \"{{\" }}\n";
    let want = format!("a: \"{NEEDLE}\"\nb: 5432\nc: AP8=\nd: n33dle%20with%20%27quotes%27{{{{\n");
    assert_eq!(place.ok_with(&["render", "-"], template.as_bytes()), want);
    fs::write(place.path("template.in"), template).unwrap();
    let reply = place.json(&["render", "template.in", "--file", "out", "--mode", "0640"]);
    assert_eq!(fs::read_to_string(place.path("out")).unwrap(), want);
    assert_eq!((mode(&place.path("out")), reply["bytes"].as_u64().unwrap()), (0o640, want.len() as u64));
    assert_eq!(reply["secrets"][0]["path"], "prod/db/password");
    assert_eq!(reply["secrets"].as_array().unwrap().len(), 3);
    assert!(!reply.to_string().contains("n33dle"));

    assert_eq!(place.run(&["render", "template.in", "--file", "out"]).exit, 2, "it is there");
    place.ok(&["render", "template.in", "--file", "out", "--force"]);
    assert_eq!(mode(&place.path("out")), 0o600);
    place.ok_with(&["--environment", "prod", "render", "-"], b"{{ secret \"db/port\" }}");
    let checked = place.run(&["render", "template.in", "--check"]);
    assert!(checked.exit == 0 && checked.stdout.is_empty(), "{}", checked.stderr);

    // Of each rendering one line, after one for each secret in it.
    let acts = place.ok(&["audit", "show"]);
    assert_eq!((acts.matches("secret.render").count(), acts.matches("secret.get").count()), (5, 4 * 3 + 1), "{acts}");
    let of_one = place.ok(&["audit", "query", "--secret", "prod/key", "--act", "secret.get"]);
    assert_eq!(of_one.matches("secret.get").count(), 4, "{of_one}");
    place.ok(&["audit", "verify", "--state"]);
}

#[test]
fn if_anything_is_wrong_nothing_is_written() {
    let place = with_secrets();
    fs::write(place.path("out"), "as it was").unwrap();
    for (template, exit, code, line) in [
        ("x\n{{ secret \"prod/db/none\" }}", 3, "SR-SECRET-NOT-FOUND", "line 2: prod/db/none"),
        (
            "{{ secret \"prod/db/password\" }}\n\n{{ secret \"prod/none\" }}",
            3,
            "SR-SECRET-NOT-FOUND",
            "line 3: prod/none",
        ),
        ("{{ secret \"prod/db/password\" }}{{ secret \"prod/key\" }}", 5, "SR-TEMPLATE-INVALID", "line 1: "),
        ("a\n{{ secret prod }}", 5, "SR-TEMPLATE-INVALID", "line 2: "),
        ("{{ .Values }}", 5, "SR-TEMPLATE-INVALID", "line 1: "),
    ] {
        for args in
            [&["render", "-", "--file", "out", "--force"][..], &["render", "-", "--file", "new"], &["render", "-"]]
        {
            let refused = place.refused(args, template.as_bytes(), exit, code);
            assert!(refused.stderr.contains(line) && refused.stdout.is_empty(), "{template}: {}", refused.stderr);
            assert!(!refused.stderr.contains("n33dle"), "{}", refused.stderr);
        }
    }
    assert_eq!(fs::read_to_string(place.path("out")).unwrap(), "as it was");
    assert!(!place.path("new").exists());
    let left = fs::read_dir(place.folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with(".strongroom-"));
    assert_eq!(left.count(), 0);
    for options in [&["--mode", "0644"][..], &["--owner", "no-such-user"], &["--mode", "x"]] {
        let args = [&["render", "-", "--file", "new"], options].concat();
        assert_eq!(place.run_with(&args, b"").exit, 2, "case: {options:?}");
    }
    assert_eq!(place.run_with(&["render", "-", "--mode", "0600"], b"").exit, 2, "a mode of stdout");
    let large = vec![b' '; 1024 * 1024 + 1];
    place.refused(&["render", "-"], &large, 7, "SR-TEMPLATE-TOO-LARGE");
}

/// Only the superuser gives files away.
#[test]
fn a_file_is_given_to_its_owner() {
    let place = with_secrets();
    let me = place.path("data").metadata().unwrap().uid();
    let others = if me == 0 { "65534:65534".to_owned() } else { me.to_string() };
    place.ok_with(
        &["render", "-", "--file", "out", "--owner", &others, "--mode", "0440"],
        b"{{ secret \"prod/db/port\" }}",
    );
    let found = place.path("out").metadata().unwrap();
    assert_eq!((found.uid(), found.mode() & 0o7777), (if me == 0 { 65_534 } else { me }, 0o440));
    if me != 0 {
        place.refused(&["render", "-", "--file", "theirs", "--owner", "0"], b"x", 5, "SR-FILE-UNREADABLE");
        assert!(!place.path("theirs").exists());
    }
}
