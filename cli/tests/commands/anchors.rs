//! Anchors as their users meet them: an older database, a volume that is gone, files that somebody changed.

use std::{fs, path::Path};

use serde_json::Value;
use strongroom_log::{Anchor, Checkpoint, RootKey};

use crate::place::{Place, mode};

/// A deployment with the tenant `acme` and an anchor in the folder `other`.
fn anchored() -> Place {
    let place = Place::software();
    fs::create_dir(place.path("other")).unwrap();
    place.ok(&["init", "--no-recovery", "--device", &place.device, "--anchor", "other/anchor"]);
    place.ok(&["tenant", "create", "acme"]);
    place
}

fn put(place: &Place, value: &str) {
    place.ok_with(&["secret", "put", "a/key"], value.as_bytes());
}

fn read(place: &Place, file: &str) -> Anchor {
    Anchor::parse(&fs::read(place.path(file)).unwrap()).unwrap()
}

/// What an anchor remembers, once it verifies.
fn remembered(place: &Place, file: &str) -> Checkpoint {
    let root: RootKey = fs::read_to_string(place.path("root")).unwrap().parse().unwrap();
    read(place, file).verify(&root).unwrap()
}

/// Notes the root key, as an auditor does; its anchors must be fine.
fn note_root(place: &Place) {
    let status = place.json(&["status"]);
    fs::write(place.path("root"), status["root_key"].as_str().unwrap()).unwrap();
}

/// The lines of `sys` with this act: object, version, code.
fn recorded(place: &Place, act: &str) -> Vec<(String, u64, String)> {
    let shown: Value = place.json(&["audit", "show", "--deployment"]);
    let lines = shown["entries"].as_array().unwrap().iter();
    lines
        .filter(|line| line["act"] == act)
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            (text("object"), line["version"].as_u64().unwrap_or(0), text("code"))
        })
        .collect()
}

fn copy_database(from: &Path, to: &Path) {
    for name in ["strongroom.db", "strongroom.db-wal", "strongroom.db-shm"] {
        let _ = fs::remove_file(to.join(name));
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

#[test]
fn each_command_leaves_the_anchor_at_the_head() {
    let place = anchored();
    note_root(&place);
    let before = remembered(&place, "other/anchor");
    assert_eq!(mode(&place.path("other/anchor")), 0o600);
    put(&place, "1");
    let after = remembered(&place, "other/anchor");
    assert!(after.size > before.size && after.origin == before.origin, "{before:?} {after:?}");

    // The command's own commits come after what it shows.
    let status = place.json(&["status"]);
    let checkpoint = status["audit"]["checkpoint"].as_str().unwrap().to_owned();
    assert_eq!(status["anchors"][0]["anchor"], format!("file:{}", place.path("other/anchor").display()));
    assert!(status["anchors"][0]["failing"].is_null() && status["anchors"][0]["commits"].as_u64() > Some(0));
    let commits = status["audit"]["commits"].as_u64().unwrap();
    assert!(remembered(&place, "other/anchor").size > commits, "{checkpoint}");
    let text = place.ok(&["status"]);
    assert!(text.contains("anchor") && text.contains("remembered"), "{text}");
    let listed = place.ok(&["anchor", "list"]);
    assert!(listed.contains("other/anchor") && listed.contains("remembered"), "{listed}");
    place.ok(&["audit", "verify"]);
    assert!(fs::read_to_string(place.path("data/config.toml")).unwrap().contains("anchors = [\"file:/"));
}

#[test]
fn an_older_database_is_refused_and_the_newer_one_is_not() {
    let place = anchored();
    let (data, old, new) = (place.path("data"), place.path("old"), place.path("new"));
    fs::create_dir(&old).unwrap();
    fs::create_dir(&new).unwrap();
    copy_database(&data, &old);
    put(&place, "1");
    copy_database(&data, &new);

    copy_database(&old, &data);
    for args in [&["status"][..], &["secret", "get", "a/key"], &["--accept-missing-anchor", "status"]] {
        let refused = place.refused(args, b"", 8, "SR-AUDIT-ROLLED-BACK");
        assert!(refused.stderr.contains("other/anchor") && refused.stdout.is_empty(), "{}", refused.stderr);
    }
    // Nor does it help to edit the configuration: both say which anchors there are.
    let config = fs::read_to_string(data.join("config.toml")).unwrap();
    let without: String =
        config.lines().filter(|line| !line.starts_with("anchors")).map(|line| format!("{line}\n")).collect();
    fs::write(data.join("config.toml"), &without).unwrap();
    place.refused(&["status"], b"", 8, "SR-AUDIT-ROLLED-BACK");
    copy_database(&new, &data);
    let refused = place.refused(&["status"], b"", 8, "SR-ANCHOR-SET-CHANGED");
    assert!(refused.stderr.contains("recorded: file:/"), "{}", refused.stderr);
    fs::write(data.join("config.toml"), config.replace("/anchor\"", "/another\"")).unwrap();
    place.refused(&["status"], b"", 8, "SR-ANCHOR-SET-CHANGED");

    fs::write(data.join("config.toml"), config).unwrap();
    assert_eq!(place.ok(&["secret", "get", "a/key"]), "1");
}

/// Two histories of one deployment: the other one may even be longer.
#[test]
fn another_course_of_things_is_refused() {
    let place = anchored();
    let (data, fork) = (place.path("data"), place.path("fork"));
    fs::create_dir(&fork).unwrap();
    copy_database(&data, &fork);
    let anchor = fs::read(place.path("other/anchor")).unwrap();
    put(&place, "1");
    let ours = fs::read(place.path("other/anchor")).unwrap();
    // The older copy goes on somewhere else, with its own copy of the anchor.
    copy_database(&fork, &data);
    fs::write(place.path("other/anchor"), anchor).unwrap();
    for value in ["2", "3", "4"] {
        put(&place, value);
    }
    fs::write(place.path("other/anchor"), ours).unwrap();
    place.refused(&["secret", "get", "a/key"], b"", 8, "SR-AUDIT-ROLLED-BACK");
}

#[test]
fn a_missing_anchor_is_refused_until_somebody_takes_it_upon_themselves() {
    let place = anchored();
    fs::remove_file(place.path("other/anchor")).unwrap();
    let refused = place.refused(&["secret", "list"], b"", 9, "SR-ANCHOR-MISSING");
    assert!(refused.stderr.contains("--accept-missing-anchor"), "{}", refused.stderr);
    assert!(!place.path("other/anchor").exists(), "a refusal makes none");

    place.ok(&["--as", "operator:olga", "--accept-missing-anchor", "secret", "list"]);
    let name = format!("file:{}", place.path("other/anchor").display());
    assert_eq!(recorded(&place, "anchor.accept"), [(name, 0, "ok".to_owned())]);
    note_root(&place);
    assert!(remembered(&place, "other/anchor").size > 0, "it is made again");

    // With its whole folder away, each start is an act of its own, and says so.
    fs::rename(place.path("other"), place.path("away")).unwrap();
    place.refused(&["status"], b"", 9, "SR-ANCHOR-MISSING");
    let status = place.json(&["--accept-missing-anchor", "status"]);
    assert_eq!(status["anchors"][0]["failing"]["code"], "SR-ANCHOR-MISSING");
    assert!(status["anchors"][0]["failing"]["since"].as_str().is_some());
    assert!(!place.path("other").exists(), "no folder is made");
    fs::rename(place.path("away"), place.path("other")).unwrap();
    put(&place, "1");
    assert_eq!(recorded(&place, "anchor.accept").len(), 2);
}

#[test]
fn changed_and_foreign_anchors_are_refused() {
    let (place, other) = (anchored(), anchored());
    let good = fs::read_to_string(place.path("other/anchor")).unwrap();
    let write = |text: &str| fs::write(place.path("other/anchor"), text).unwrap();
    let (checkpoint, epoch) = (good.lines().nth(5).unwrap(), good.lines().nth(6).unwrap());
    // A character of the signature, well before the padding.
    let at = checkpoint.len() - 20;
    let other_character = if &checkpoint[at..=at] == "A" { "B" } else { "A" };
    let changed = format!("{}{other_character}{}", &checkpoint[..at], &checkpoint[at + 1..]);
    let foreign = fs::read_to_string(other.path("other/anchor")).unwrap();
    for (name, text, code) in [
        ("cut", good[..good.len() / 2].to_owned(), "SR-ANCHOR-INVALID"),
        ("empty", String::new(), "SR-ANCHOR-INVALID"),
        ("huge", "x".repeat(1 << 20), "SR-ANCHOR-INVALID"),
        ("a changed signature", good.replace(checkpoint, &changed), "SR-ANCHOR-INVALID"),
        ("another's certificate", good.replace(epoch, foreign.lines().nth(6).unwrap()), "SR-ANCHOR-INVALID"),
        ("another deployment's", foreign.clone(), "SR-ANCHOR-FOREIGN"),
    ] {
        write(&text);
        let refused = place.refused(&["status"], b"", 8, code);
        assert!(refused.stderr.contains("other/anchor"), "case {name}: {}", refused.stderr);
        assert_eq!(fs::read_to_string(place.path("other/anchor")).unwrap(), text, "case {name}: left as it is");
    }
    // Started without it, it is still left as it is: evidence.
    place.ok(&["--accept-missing-anchor", "tenant", "list"]);
    assert_eq!(fs::read_to_string(place.path("other/anchor")).unwrap(), foreign);
    write(&good);
    place.ok(&["tenant", "list"]);
}

#[test]
fn an_anchor_that_cannot_be_written_is_refused_at_the_start() {
    let place = anchored();
    let folder = place.path("other");
    // Even who may write anywhere cannot write a lock that is a folder.
    fs::remove_file(folder.join("anchor.lock")).unwrap();
    fs::create_dir(folder.join("anchor.lock")).unwrap();
    place.refused(&["status"], b"", 9, "SR-ANCHOR-UNUSABLE");
    place.ok(&["--accept-missing-anchor", "secret", "list"]);
    fs::remove_dir(folder.join("anchor.lock")).unwrap();
    place.ok(&["status"]);
}

#[test]
fn anchors_are_added_listed_and_removed() {
    let place = Place::ready();
    let none = place.run(&["anchor", "list"]);
    assert!(none.stdout.is_empty() && none.stderr.contains("anchor add"), "{}", none.stderr);
    let config = fs::read(place.path("data/config.toml")).unwrap();
    fs::create_dir(place.path("other")).unwrap();
    place.ok(&["anchor", "add", "other/a"]);
    place.ok(&["anchor", "add", "other/b"]);
    put(&place, "1");
    note_root(&place);
    for file in ["other/a", "other/b"] {
        assert!(remembered(&place, file).size > 0, "{file}");
    }
    place.refused(&["anchor", "add", "other/a"], b"", 4, "SR-ANCHOR-EXISTS");
    place.refused(&["anchor", "add", "missing/a"], b"", 9, "SR-ANCHOR-MISSING");
    place.refused(&["anchor", "add", "data/a"], b"", 5, "SR-ANCHOR-NAME-INVALID");
    place.refused(&["anchor", "add", "other/"], b"", 5, "SR-ANCHOR-NAME-INVALID");
    place.refused(&["anchor", "remove", "other/c"], b"", 3, "SR-ANCHOR-NOT-FOUND");
    fs::write(place.path("other/c"), "somebody's file").unwrap();
    place.refused(&["anchor", "add", "other/c"], b"", 8, "SR-ANCHOR-INVALID");
    assert_eq!(fs::read(place.path("other/c")).unwrap(), b"somebody's file");

    place.ok(&["anchor", "remove", "other/a"]);
    let left = remembered(&place, "other/a").size;
    put(&place, "2");
    assert_eq!(remembered(&place, "other/a").size, left, "its file stays as it was");
    // It goes on from there; and one that is gone for good is removed in the same start that does without it.
    place.ok(&["anchor", "add", "other/a"]);
    assert!(remembered(&place, "other/a").size > left);
    fs::remove_file(place.path("other/a")).unwrap();
    place.ok(&["--accept-missing-anchor", "anchor", "remove", "other/a"]);
    place.ok(&["anchor", "remove", &format!("file:{}", place.path("other/b").display())]);
    assert_eq!(fs::read(place.path("data/config.toml")).unwrap(), config, "as before the first");
    assert_eq!(recorded(&place, "anchor.remove").iter().filter(|(_, _, code)| code == "ok").count(), 3);
    place.ok(&["audit", "verify"]);
}

#[test]
fn init_overwrites_no_file() {
    let place = Place::software();
    fs::write(place.path("taken"), "somebody's file").unwrap();
    let init = |anchor: &'static str| {
        [
            "init",
            "--no-recovery",
            "--device",
            "software:device.key?passphrase-source=file:passphrase",
            "--anchor",
            anchor,
        ]
    };
    place.refused(&init("taken"), b"", 4, "SR-ANCHOR-EXISTS");
    place.refused(&init("data/anchor"), b"", 5, "SR-ANCHOR-NAME-INVALID");
    place.refused(&[&init("a")[..], &["--anchor", "a"]].concat(), b"", 4, "SR-ANCHOR-EXISTS");
    assert!(!place.path("data").exists() && !place.path("device.key").exists(), "nothing was made");
    assert_eq!(fs::read(place.path("taken")).unwrap(), b"somebody's file");

    // Where a folder is missing the keys are made already: the same command finishes it, once the folder is there.
    place.refused(&init("missing/anchor"), b"", 9, "SR-ANCHOR-MISSING");
    fs::create_dir(place.path("missing")).unwrap();
    place.ok(&init("missing/anchor"));
    place.ok(&["status"]);
}

#[test]
fn a_restore_replaces_what_an_anchor_remembers_and_records_it() {
    let place = anchored();
    note_root(&place);
    put(&place, "1");
    place.ok(&["backup", "create", "backup"]);
    put(&place, "2");
    let before = remembered(&place, "other/anchor");
    let restore = |to: &str, more: &[&str]| {
        let to = place.path(to).display().to_string();
        let args =
            [&["--data", &to, "backup", "restore", "backup", "--reason", "a drill", "--device", &place.device], more];
        args.concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    fn refs(args: &[String]) -> Vec<&str> {
        args.iter().map(String::as_str).collect()
    }

    // Whose they shall be has to be said.
    place.refused(&refs(&restore("unsaid", &[])), b"", 5, "SR-ANCHOR-CHOICE");
    assert!(!place.path("unsaid/strongroom.db").exists());
    assert_eq!(remembered(&place, "other/anchor"), before);

    // A drill leaves the anchors of the deployment alone.
    place.ok(&refs(&restore("drill", &["--no-anchors"])));
    place.ok(&refs(&restore("drill-2", &["--anchor", "other/drill"])));
    assert_eq!(remembered(&place, "other/anchor"), before);
    let drill = read(&place, "other/drill");
    assert_eq!(drill.origin().generation(), 2);
    assert_eq!(place.ok(&["secret", "get", "a/key"]), "2");

    // Missing: refused before anything is in its place.
    fs::rename(place.path("other/anchor"), place.path("other/aside")).unwrap();
    place.refused(&refs(&restore("restored", &["--keep-anchors"])), b"", 9, "SR-ANCHOR-MISSING");
    assert!(!place.path("restored/strongroom.db").exists());
    fs::rename(place.path("other/aside"), place.path("other/anchor")).unwrap();

    let before = remembered(&place, "other/anchor");
    place.ok(&refs(&restore("restored", &["--keep-anchors"])));
    let after = read(&place, "other/anchor");
    assert_eq!(after.origin().generation(), 2);
    // The deployment that the backup was made of is behind now.
    place.refused(&["status"], b"", 8, "SR-AUDIT-ROLLED-BACK");
    fs::rename(place.path("data"), place.path("lost")).unwrap();
    fs::rename(place.path("restored"), place.path("data")).unwrap();
    assert_eq!(place.ok(&["secret", "get", "a/key"]), "1");
    let name = format!("file:{}", place.path("other/anchor").display());
    assert_eq!(recorded(&place, "anchor.replace"), [(name, before.size, "ok".to_owned())]);
    place.ok(&["audit", "verify"]);
}

/// `run` keeps the deployment open no longer than it reads; so what stays open here are many short ones at once.
#[test]
fn several_processes_never_take_the_anchor_back() {
    let place = anchored();
    note_root(&place);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|number| {
                let place = &place;
                scope.spawn(move || {
                    for round in 0..4 {
                        let path = format!("w{number}/key-{round}");
                        place.ok_with(&["secret", "put", &path], b"x");
                    }
                })
            })
            .collect();
        let watch = scope.spawn(|| {
            let (mut last, mut seen) = (0, 0);
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let size = remembered(&place, "other/anchor").size;
                assert!(size >= last, "{last} then {size}");
                seen += usize::from(size > last);
                last = size;
            }
            seen
        });
        let ended: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(watch.join().unwrap() > 1);
        ended.into_iter().for_each(|writer| writer.unwrap());
    });
    place.ok(&["audit", "verify"]);
}

#[test]
fn a_token_remembers_too() {
    let Some(place) = Place::softhsm() else { return };
    place.ok(&["init", "--no-recovery", "--device", &place.device, "--anchor", "device"]);
    place.ok(&["tenant", "create", "acme"]);
    put(&place, "1");
    let (data, old) = (place.path("data"), place.path("old"));
    assert!(fs::read_to_string(data.join("config.toml")).unwrap().contains("anchors = [\"device\"]"));
    fs::create_dir(&old).unwrap();
    copy_database(&data, &old);
    put(&place, "2");
    let status = place.json(&["status"]);
    assert_eq!(status["anchors"][0]["anchor"], "device");
    assert!(status["anchors"][0]["failing"].is_null() && status["anchors"][0]["commits"].as_u64() > Some(4));
    let new = place.path("new");
    fs::create_dir(&new).unwrap();
    copy_database(&data, &new);

    copy_database(&old, &data);
    place.refused(&["secret", "get", "a/key"], b"", 8, "SR-AUDIT-ROLLED-BACK");
    copy_database(&new, &data);
    assert_eq!(place.ok(&["secret", "get", "a/key"]), "2");

    // Restored, the token remembers the new generation.
    place.ok(&["backup", "create", "backup"]);
    put(&place, "3");
    let to = place.path("restored").display().to_string();
    let restore = ["--data", &to, "backup", "restore", "backup", "--reason", "a drill", "--device", &place.device];
    place.ok(&[&restore[..], &["--keep-anchors"]].concat());
    place.refused(&["status"], b"", 8, "SR-AUDIT-ROLLED-BACK");
    place.ok(&["--data", &to, "anchor", "remove", "device"]);
    place.ok(&["--data", &to, "anchor", "add", "device"]);
    place.ok(&["--data", &to, "audit", "verify", "--state"]);
}

#[test]
fn a_key_file_keeps_no_anchor() {
    let place = Place::ready();
    let refused = place.refused(&["anchor", "add", "device"], b"", 9, "SR-ANCHOR-UNUSABLE");
    assert!(refused.stderr.contains("keeps no documents"), "{}", refused.stderr);
    place.ok(&["status"]);
}
