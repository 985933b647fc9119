//! What is typed wrong, cannot be read, or asks for help.

use crate::bundle::Writer;
use crate::{program, stderr, stdout};
use std::fs;

#[test]
fn without_a_verdict_the_exit_code_is_none_of_a_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::new();
    let root = writer.root_key().to_string();
    let bundle = folder.path().join("bundle");
    fs::write(&bundle, writer.finish()).unwrap();
    let bundle = bundle.to_str().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (empty, words, long) = (file("empty", ""), file("words", "not a key"), file("long", &"x".repeat(5_000)));
    let unwritable = folder.path().join("none/file").to_str().unwrap().to_owned();
    let nowhere = folder.path().join("nowhere").to_str().unwrap().to_owned();
    for (name, args, said) in [
        ("no root key", vec![bundle], "--root"),
        ("no bundle", vec!["--root", &root], "<BUNDLE>"),
        ("an unknown flag", vec![bundle, "--root", &root, "--fast"], "--fast"),
        ("two root keys", vec![bundle, "--root", &root, "--root-file", &words], "--root-file"),
        ("a bad root key", vec![bundle, "--root", "x"], "neither a vkey nor"),
        ("a bad root key in a file", vec![bundle, "--root-file", &words], "neither a vkey nor"),
        ("a file too long for a root key", vec![bundle, "--root-file", &long], "too long"),
        ("no file with a root key", vec![bundle, "--root-file", &nowhere], "nowhere"),
        ("no bundle there", vec![&nowhere, "--root", &root], "nowhere"),
        ("a folder", vec!["/", "--root", &root], "/"),
        ("no checkpoint in the file", vec![bundle, "--root", &root, "--checkpoint", &empty], "no checkpoint"),
        ("no checkpoint file", vec![bundle, "--root", &root, "--checkpoint", &nowhere], "nowhere"),
        ("no receipt in the file", vec![bundle, "--root", &root, "--receipts", &empty], "no receipt"),
        ("no receipts", vec![bundle, "--root", &root, "--receipts", &words], "words"),
        ("nowhere to save", vec![bundle, "--root", &root, "--save-checkpoint", &unwritable], "none"),
    ] {
        let output = program().args(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(4), "case: {name}: {}", stdout(&output));
        assert!(stderr(&output).contains(said), "case: {name}: {}", stderr(&output));
        let json = program().args(&args).args(["-o", "json"]).output().unwrap();
        assert_eq!(json.status.code(), Some(4), "case: {name}");
    }
    let output = program().args([&nowhere, "--root", &root, "-o", "json"]).output().unwrap();
    assert!(stderr(&output).starts_with("{\"error\":{\"message\":\""), "{}", stderr(&output));
}

#[test]
fn what_is_typed_goes_before_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::new();
    let root = writer.root_key().to_string();
    let (bundle, file) = (folder.path().join("bundle"), folder.path().join("root"));
    fs::write(&file, &root).unwrap();
    fs::write(&bundle, writer.finish()).unwrap();
    let exit = |set: &str, args: &[&str]| {
        program().env("STRONGROOM_ROOT_KEY", set).arg(&bundle).args(args).output().unwrap().status.code()
    };
    assert_eq!(exit(&root, &[]), Some(0));
    assert_eq!(exit("x", &[]), Some(4));
    assert_eq!(exit("x", &["--root", &root]), Some(0));
    assert_eq!(exit("x", &["--root-file", file.to_str().unwrap()]), Some(0));
    let codes = program().env("STRONGROOM_ROOT_KEY", &root).arg("--codes").output().unwrap();
    assert_eq!(codes.status.code(), Some(0));
}

#[test]
fn help_teaches_and_completion_completes() {
    let help = program().arg("--help").output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    for said in ["Examples:", "Exit codes:", "Memory:", "strongroom audit export", "--receipts"] {
        assert!(stdout(&help).contains(said), "{said}");
    }
    let nothing = program().output().unwrap();
    assert_eq!(nothing.status.code(), Some(4), "asked nothing, it verified nothing");
    assert!(stderr(&nothing).contains("Usage:"), "{}", stderr(&nothing));
    for shell in ["bash", "zsh", "fish"] {
        let script = program().args(["--completion", shell]).output().unwrap();
        assert_eq!(script.status.code(), Some(0));
        assert!(stdout(&script).contains("save-checkpoint"), "{shell}");
    }
    let version = program().arg("--version").output().unwrap();
    assert_eq!(stdout(&version), concat!("strongroom-verify ", env!("CARGO_PKG_VERSION"), "\n"));
    let codes = program().arg("--codes").output().unwrap();
    for code in strongroom_log::FINDING_CODES {
        assert!(stdout(&codes).lines().any(|line| line.starts_with(code.name) && line.ends_with(code.sentence)));
    }
}
