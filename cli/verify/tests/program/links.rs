//! What is linked: little enough to be read by whoever audits the log.

use std::process::Command;

/// Everything the program is built of, with the features that are on. Without tests' dependencies.
fn tree() -> String {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--package", "strongroom-verify", "--edges", "normal,build", "--prefix", "none"])
        .args(["--offline", "--locked", "--format", "{p} [{f}]"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn of_ours_it_links_the_log_alone() {
    let tree = tree();
    let ours: Vec<_> = tree.lines().filter(|line| line.starts_with("strongroom")).collect();
    let names: Vec<_> = ours.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["strongroom-verify", "strongroom-log"], "{tree}");
    assert!(
        ours.iter().all(|line| !line.contains("testing")),
        "a build of the program has no feature of tests: {ours:?}"
    );
}

#[test]
fn it_links_no_database_device_runtime_or_network() {
    let tree = tree();
    for name in ["rusqlite", "libsqlite3-sys", "cryptoki", "cryptoki-sys", "tokio", "mio", "hyper", "rustls", "socket2"]
    {
        let linked = tree.lines().any(|line| line.split(' ').next() == Some(name));
        assert!(!linked, "{name} is linked:\n{tree}");
    }
}
