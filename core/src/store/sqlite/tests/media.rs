//! Disks that are full or may not be written. The real thing where it can be had: a small file system of
//! our own, in a mount namespace of a child process, and a child that is not root.

use std::{
    os::unix::{fs::chown, process::CommandExt},
    process::{Command, Stdio},
};

use super::*;

/// Where a child finds its file system.
const FOLDER: &str = "STRONGROOM_TEST_STORE_FOLDER";
/// Whom nothing belongs to.
const NOBODY: u32 = 65_534;

fn place_of_child() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a test of this module with a mount at a folder that nobody else sees.
fn with_mount(test: &str, folder: &std::path::Path, mount: &str) {
    let can = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        return skip(&format!("{test}: mounting a file system takes root"));
    }
    let test = format!("store::sqlite::tests::media::{test}");
    let mut child = Command::new("unshare");
    child
        .args(["--mount", "sh", "-ec", &format!("{mount}\nexec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([&test, "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder);
    run(&mut child, &test);
}

/// Runs a child to its end. What it prints is ours to tell: the count of its tests is not.
fn run(child: &mut Command, what: &str) {
    let output = child.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{what}: {} {}", text[0], text[1]);
    assert!(text[0].contains("1 passed"), "{what} is no test: {}", text[0]);
}

#[test]
fn a_database_at_its_size_limit_is_full_and_recovers() {
    let ground = Ground::new();
    let store = ground.store(Maintenance::Background);
    append(&store, 10).unwrap();
    let limit = |pages: i64| {
        let writer = store.writer().unwrap();
        writer.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0)).unwrap()
    };
    let pages = limit(1);
    limit(pages + 20);
    let mut transaction = store.begin().unwrap();
    let mut appender = Appender::new(&mut *transaction, &LOG).unwrap();
    assert_eq!(appender.append(&mut *transaction, 10_000).unwrap_err().code(), Code::StoreFull);
    // Whether SQLite ended the transaction or not, what comes after does not slip out of it.
    let rest = transaction.apply(&[]).and_then(|_| transaction.commit());
    println!("after a full disk: {rest:?}");
    limit(1_000_000);
    assert_eq!(store.snapshot().unwrap().lines(0, 100).unwrap().len(), 10);
    append(&store, 10_000).unwrap();
    store.check().unwrap();
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=4m,mode=0700 none '{}'", folder.path().display());
    with_mount("full_disk_child", folder.path(), &mount);
}

#[test]
fn full_disk_child() {
    let Some(folder) = place_of_child() else { return };
    let path = folder.join("strongroom.db");
    let store = SqliteStore::create(&path).unwrap();
    found(&store);
    let mut lines = 0;
    let refused = loop {
        match append(&store, 500) {
            Ok(rows) => lines += rows.len(),
            Err(error) => break error,
        }
        match store.maintain(true) {
            Err(error) if error.code() == Code::StoreFull => {}
            maintained => drop(maintained.unwrap()),
        }
    };
    assert_eq!(refused.code(), Code::StoreFull, "{refused} {:?}", std::error::Error::source(&refused));
    println!("full after {lines} lines");
    assert_eq!(store.snapshot().unwrap().lines(0, usize::MAX).unwrap().len(), lines, "reading goes on");
    let to = folder.join("copy.db");
    assert_eq!(store.back_up(&to, &mut |_, _| {}).unwrap_err().code(), Code::StoreFull);
    assert!(!to.exists(), "nothing is left of it");
    assert_eq!(refusal(SqliteStore::create(&folder.join("another.db"))).0, Code::StoreFull);
    assert!(!folder.join("another.db").exists());

    let remount = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&folder).status().unwrap();
    assert!(remount.success());
    lines += append(&store, 500).unwrap().len();
    store.check().unwrap();
    drop(store);
    let store = SqliteStore::open(&path, Maintenance::Inline).unwrap();
    assert_eq!(store.snapshot().unwrap().lines(0, usize::MAX).unwrap().len(), lines);
}

#[test]
fn a_read_only_file_system_is_told() {
    let ground = Ground::new();
    append(&ground.store(Maintenance::Background), 10).unwrap();
    let folder = ground.path.parent().unwrap();
    let at = folder.display();
    let mount = format!("mount --bind '{at}' '{at}'; mount -o remount,bind,ro '{at}'");
    with_mount("read_only_child", folder, &mount);
}

#[test]
fn read_only_child() {
    let Some(folder) = place_of_child() else { return };
    let path = folder.join("strongroom.db");
    assert_eq!(refusal(SqliteStore::open(&path, Maintenance::Inline)).0, Code::StoreReadOnly);
    assert_eq!(refusal(SqliteStore::create(&folder.join("another.db"))).0, Code::StoreReadOnly);
    // What needs no writing works.
    let store = SqliteStore::open_still(&path).unwrap();
    assert_eq!(store.snapshot().unwrap().lines(0, usize::MAX).unwrap().len(), 10);
}

/// Root may write everywhere: this runs as somebody else.
#[test]
fn a_folder_that_may_not_be_written_is_told() {
    let ground = Ground::new();
    let folder = ground.path.parent().unwrap();
    append(&ground.store(Maintenance::Background), 10).unwrap();
    let set = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    // A child that is not root could not reach a program in root's own folder.
    let tools = tempfile::tempdir().unwrap();
    let program = tools.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set(tools.path(), 0o755);
    set(&program, 0o755);
    for (what, folder_mode, file_mode) in [("folder", 0o555, 0o600), ("file", 0o755, 0o400)] {
        set(folder, folder_mode);
        set(&ground.path, file_mode);
        let mut child = rerun(program.as_os_str(), "store::sqlite::tests::media::unwritable_child");
        if is_root() {
            for path in [folder, &ground.path] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            child.uid(NOBODY).gid(NOBODY);
        }
        run(child.current_dir("/").env(FOLDER, folder), what);
    }
    set(folder, 0o755);
}

#[test]
fn unwritable_child() {
    let Some(folder) = place_of_child() else { return };
    let (code, text) = refusal(SqliteStore::open(&folder.join("strongroom.db"), Maintenance::Inline));
    assert_eq!(code, Code::StoreReadOnly, "{text}");
}
