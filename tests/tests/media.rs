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

/// Runs the test of this name again, with a file system of so many MiB as its folder for temporary files.
fn on_a_disk_of(mebibytes: u32, test: &str, work: impl FnOnce()) {
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
    let mount = format!("mount -t tmpfs -o size={mebibytes}m none \"$TMPDIR\"\nexec \"$@\"");
    child.args(["--mount", "sh", "-ec", &mount, "sh"]);
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
    on_a_disk_of(4, "a_full_disk_loses_nothing_and_recovers", || {
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
        // Even a reading is refused: its line has no place. A few may go where the put that failed had begun.
        fs::write(place.folder.path().join("rest"), vec![1; 4 << 20]).unwrap_err();
        let refused = (0..20).find_map(|_| block_on(acme.get(&path(0), Get::current())).err());
        assert_eq!(refused.expect("the disk is full").code(), Code::StoreFull);

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
fn a_service_that_stops_because_the_disk_is_full_says_so_in_its_log() {
    on_a_disk_of(96, "a_service_that_stops_because_the_disk_is_full_says_so_in_its_log", || {
        let (place, room) = Place::software();
        let reserve = place.deployment.folder().join("strongroom.reserve");
        let acme = tenant(&room, "acme").secrets();
        assert_eq!(fs::metadata(&reserve).unwrap().len(), 16 << 20);
        block_on(acme.put(&path(0), value(0), Put::default())).unwrap();

        let fill = |name: &str| {
            let mut ballast = fs::File::create(place.folder.path().join(name)).unwrap();
            while ballast.write_all(&[1; 4096]).is_ok() {}
        };
        fill("ballast");
        let mut stored = 1;
        let error = loop {
            match block_on(acme.put(&path(stored), value(stored), Put::default())) {
                Ok(_) => stored += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), Code::StoreFull);
        assert!(!reserve.exists(), "given up for the last lines");
        // It is stopped, though there is some room now.
        for _ in 0..3 {
            let refused = block_on(acme.get(&path(0), Get::current()));
            assert_eq!(refused.map(drop).unwrap_err().code(), Code::StoreFull);
        }

        fs::remove_file(place.folder.path().join("ballast")).unwrap();
        for number in 0..stored {
            assert!(block_on(acme.get(&path(number), Get::current())).unwrap().value.matches(&value(number)));
        }
        assert!(reserve.exists(), "kept again");
        let audit = admin(&room).audit();
        let lines = block_on(audit.show(0, 1_000)).unwrap().entries;
        let told: Vec<_> = lines.iter().filter(|line| line.act.starts_with("store.")).collect();
        let told: Vec<_> = told.iter().map(|line| (line.act.as_str(), line.code.as_str())).collect();
        assert_eq!(told, [("store.full", "SR-STORE-FULL"), ("store.resumed", "ok")]);
        let verified = block_on(audit.verify(None)).unwrap();
        assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
        room.close().unwrap();
    });
}

#[test]
fn a_file_system_that_cannot_be_written_is_told() {
    on_a_disk_of(4, "a_file_system_that_cannot_be_written_is_told", || {
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
