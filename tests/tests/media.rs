//! A disk that is full and one that cannot be written, through the API: told as what they are, nothing lost.
//!
//! Each test runs in a process of its own that has a small file system mounted, which nobody else sees.
#![cfg(target_os = "linux")]

mod common;

use std::{
    env, fs,
    io::Write as _,
    process::{Command, Stdio},
};

use common::{Place, admin, tenant};
use pollster::block_on;
use strongroom::{Code, Get, Put, SecretPath, SecretValue};

const CHILD: &str = "STRONGROOM_TEST_MOUNT";

/// Runs the test of this name again, with a file system of 4 MiB as its folder for temporary files.
fn on_a_small_disk(test: &str, work: impl FnOnce()) {
    if env::var_os(CHILD).is_some() {
        return work();
    }
    let can = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        let reason = format!("{test}: mounting a file system takes root\n");
        print!("skipped {reason}");
        if let Some(log) = env::var_os("STRONGROOM_SKIP_LOG") {
            let mut log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
            log.write_all(reason.as_bytes()).unwrap();
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new("unshare");
    child.args(["--mount", "sh", "-ec", "mount -t tmpfs -o size=4m none \"$TMPDIR\"\nexec \"$@\"", "sh"]);
    child.arg(env::current_exe().unwrap()).args([test, "--exact", "--nocapture", "--test-threads=1"]);
    let output = child.env("TMPDIR", folder.path()).env(CHILD, "yes").output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success() && text[0].contains("1 passed"), "{} {}", text[0], text[1]);
}

fn value(number: usize) -> SecretValue {
    SecretValue::binary(vec![u8::try_from(number % 251).unwrap(); 50_000]).unwrap()
}

fn path(number: usize) -> SecretPath {
    format!("a/{number}").parse().unwrap()
}

#[test]
fn a_full_disk_loses_nothing_and_recovers() {
    on_a_small_disk("a_full_disk_loses_nothing_and_recovers", || {
        let (place, room) = Place::software();
        let acme = tenant(&room, "acme").secrets();
        let ballast = place.folder.path().join("ballast");
        fs::write(&ballast, vec![1; 2 << 20]).unwrap();
        let mut stored = 0;
        let error = loop {
            match block_on(acme.put(&path(stored), value(stored), Put::default())) {
                Ok(_) => stored += 1,
                Err(error) => break error,
            }
            assert!(stored < 1_000);
        };
        assert!(error.code() == Code::StoreFull && stored > 0, "after {stored}: {error}");
        // Even a reading is refused: its line has no place.
        fs::write(place.folder.path().join("rest"), vec![1; 4 << 20]).unwrap_err();
        let refused = block_on(acme.get(&path(0), Get::current()));
        assert_eq!(refused.map(|_| ()).unwrap_err().code(), Code::StoreFull);

        fs::remove_file(place.folder.path().join("rest")).unwrap();
        fs::remove_file(&ballast).unwrap();
        block_on(acme.put(&path(stored), value(stored), Put::default())).unwrap();
        for number in 0..=stored {
            assert!(block_on(acme.get(&path(number), Get::current())).unwrap().value.matches(&value(number)));
        }
        let verified = block_on(admin(&room).audit().verify(None)).unwrap();
        assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
        room.close().unwrap();
    });
}

#[test]
fn a_file_system_that_cannot_be_written_is_told() {
    on_a_small_disk("a_file_system_that_cannot_be_written_is_told", || {
        let (place, room) = Place::software();
        let acme = tenant(&room, "acme").secrets();
        block_on(acme.put(&path(0), value(0), Put::default())).unwrap();
        room.close().unwrap();
        drop(acme);
        let remount = |how: &str| {
            let options = format!("remount,{how}");
            let status = Command::new("mount").args(["-o", &options]).arg(env::temp_dir()).status().unwrap();
            assert!(status.success());
        };
        remount("ro");
        assert_eq!(place.open().unwrap_err().code(), Code::StoreReadOnly);
        remount("rw");
        let acme = tenant(&place.open().unwrap(), "acme").secrets();
        assert!(block_on(acme.get(&path(0), Get::current())).unwrap().value.matches(&value(0)));
    });
}
