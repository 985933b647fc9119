//! Each verdict, its exit code and its report.

use crate::bundle::Writer;
use crate::{program, stdout};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use strongroom_log::RootKey;

/// A bundle of a small log in a folder of its own, and what was kept along the way.
struct Place {
    folder: tempfile::TempDir,
    root: RootKey,
    bundle: Vec<u8>,
    /// The bundle as it was before the last commit.
    older: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |last: bool| {
            let mut writer = Writer::new();
            let (a, b) = (writer.create_tenant(), writer.create_tenant());
            writer.read(&[a, b, a]);
            let (first, early) = (writer.checkpoint(), writer.receipt(b));
            if last {
                writer.read(&[b, a]);
            }
            (first, early, writer.checkpoint(), writer.receipt(a), writer.root_key(), writer.finish())
        };
        let (.., older) = write(false);
        let (first, early, newest, late, root, bundle) = write(true);
        let place = Self { folder, root, bundle, older };
        place.file("notes", format!("{first}{newest}"));
        place.file("receipts", format!("{early}\n{{\"version\":3,\"receipt\":{late}}}\n"));
        place.file("root", format!("{}\n", place.root));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn verify(&self, bundle: &Path, args: &[&str]) -> Output {
        program().current_dir(self.folder.path()).arg(bundle).args(["--root-file", "root"]).args(args).output().unwrap()
    }
}

#[test]
fn a_good_log_is_ok_and_says_what_that_rests_on() {
    let place = Place::new();
    let bundle = place.file("bundle", &place.bundle);
    let output = place.verify(&bundle, &["--checkpoint", "notes", "--receipts", "receipts"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let root = &place.root;
    let version = env!("CARGO_PKG_VERSION");
    let want = format!(
        "OK

origin       example.com/keys
root key     {root}
verified     8 lines in 3 logs, 5 commits, 1 epoch, 6 signatures
range        commits 0 to 4
from         2026-09-21T14:13:20Z
to           2026-09-21T14:13:20Z
unsealed     none: every line is below a signature
complete     full range: all logs, from the first line to the checkpoint
compared     with 2 checkpoints: continued
compared     with 2 receipts: continued
verifier     strongroom-log {version}
"
    );
    assert_eq!(stdout(&output), want);
    assert!(output.stderr.is_empty(), "no bar without a terminal");
}

#[test]
fn it_reads_a_pipe_as_it_reads_a_file() {
    let place = Place::new();
    let bundle = place.file("bundle", &place.bundle);
    let mut child = program()
        .current_dir(place.folder.path())
        .args(["-", "--root", &place.root.to_string(), "-o", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&place.bundle).unwrap();
    let piped = child.wait_with_output().unwrap();
    assert_eq!(piped.status.code(), Some(0));
    let read = place.verify(&bundle, &["-o", "json"]);
    assert_eq!(stdout(&piped), stdout(&read), "and the report has the same bytes every time");
    let report: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    for (field, want) in [
        ("ok", serde_json::json!(true)),
        ("verdict", serde_json::json!("OK")),
        ("completeness", serde_json::json!("full-range")),
        ("range", serde_json::json!({"first": 0, "last": 4})),
        ("entries", serde_json::json!(8)),
        ("signatures", serde_json::json!(2)),
        ("unsealed_entries", serde_json::json!(0)),
        ("remembered", serde_json::json!("not-given")),
        ("receipts", serde_json::json!("not-given")),
    ] {
        assert_eq!(report[field], want, "{field}");
    }
}

#[test]
fn every_verdict_has_its_exit_code() {
    let place = Place::new();
    let text = String::from_utf8(place.bundle.clone()).unwrap();
    let edited = text.replacen("\"act\":\"secret.get\"", "\"act\":\"secret.put\"", 1);
    let cut = &text[..text.find("checkpoint ").unwrap()];
    let later = text.replacen("/v1 full", "/v9 full", 1);
    for (name, bundle, args, exit, said) in [
        ("edited", edited.as_str(), &[][..], 1, "TAMPERED\n  LINE-CHAIN example.com/keys/t/"),
        ("cut", cut, &[], 2, "INCOMPLETE\n  BUNDLE-TRUNCATED"),
        ("later", &later, &[], 3, "UNVERIFIABLE\n  BUNDLE-VERSION"),
        ("older", std::str::from_utf8(&place.older).unwrap(), &[], 0, "OK\n"),
        (
            "rolled back",
            std::str::from_utf8(&place.older).unwrap(),
            &["--checkpoint", "notes"],
            1,
            "TAMPERED\n  ROLLBACK",
        ),
        ("denied", std::str::from_utf8(&place.older).unwrap(), &["--receipts", "receipts"], 1, "TAMPERED\n  ROLLBACK"),
    ] {
        let bundle = place.file("bundle", bundle);
        let output = place.verify(&bundle, args);
        assert_eq!(output.status.code(), Some(exit), "case: {name}: {}", stdout(&output));
        assert!(stdout(&output).starts_with(said), "case: {name}: {}", stdout(&output));
    }
}

#[test]
fn findings_say_what_was_expected_and_found() {
    let place = Place::new();
    let text = String::from_utf8(place.bundle.clone()).unwrap();
    let bundle = place.file("bundle", text.replacen("\"act\":\"secret.get\"", "\"act\":\"secret.put\"", 1));
    let output = place.verify(&bundle, &["-o", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let first = &report["findings"][0];
    assert_eq!(
        (first["code"].as_str(), first["seq"].as_u64(), first["commit"].as_u64()),
        (Some("LINE-CHAIN"), Some(0), Some(3))
    );
    for field in ["expected", "found"] {
        assert_eq!(first[field].as_str().map(str::len), Some(64), "{field} is a hash: {first}");
    }
    assert_eq!((report["ok"].as_bool(), report["completeness"].as_str()), (Some(false), Some("not-established")));
    assert!(report["checkpoint"].is_null(), "nothing to keep of it");
}

#[test]
fn the_newest_checkpoint_is_kept_only_of_a_good_log() {
    let place = Place::new();
    let bundle = place.file("bundle", &place.older);
    let output = place.verify(&bundle, &["--save-checkpoint", "kept"]);
    assert_eq!(output.status.code(), Some(0));
    let kept = fs::read_to_string(place.path("kept")).unwrap();
    assert!(kept.starts_with("example.com/keys/heads\n4\n"), "{kept}");

    let bundle = place.file("bundle", &place.bundle);
    let output = place.verify(&bundle, &["--checkpoint", "kept", "--save-checkpoint", "kept"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let newest = fs::read_to_string(place.path("kept")).unwrap();
    assert!(newest.starts_with("example.com/keys/heads\n5\n"), "{newest}");

    let bundle = place.file("bundle", &place.older);
    let output = place.verify(&bundle, &["--checkpoint", "kept", "--save-checkpoint", "kept"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(place.path("kept")).unwrap(), newest, "the memory of what was stays");
    let names = fs::read_dir(place.folder.path()).unwrap().count();
    assert_eq!(names, 5, "nothing is left beside it");
}

#[test]
fn colours_are_for_terminals() {
    let place = Place::new();
    let bundle = place.file("bundle", &place.bundle);
    let coloured = program()
        .current_dir(place.folder.path())
        .arg(&bundle)
        .args(["--root-file", "root"])
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert!(stdout(&coloured).starts_with("\x1b[1;32mOK\x1b[0m\n"), "{}", stdout(&coloured));
    assert!(stdout(&place.verify(&bundle, &[])).starts_with("OK\n"));
}
