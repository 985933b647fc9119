//! The demo is what people see first: it runs to its end, and every step of it is as it must be.

use std::{env, fs::OpenOptions, io::Write as _, path::Path, process::Command};

#[test]
fn every_step_of_the_demo_is_as_it_must_be() {
    let module = env::var_os("STRONGROOM_TEST_PKCS11");
    let (Some(_), Some(program)) = (module, env::var_os("STRONGROOM_BIN")) else {
        return skip("examples: the demo needs SoftHSM and the program; `cargo xtask test` has both");
    };
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).env("STRONGROOM_BIN", program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains(", 0 not as they must be"), "{text}");
    // A demo that shows nothing would pass as well.
    assert!(text.matches("    ok: ").count() >= 40, "{text}");
}

fn skip(reason: &str) {
    if let Some(log) = env::var_os("STRONGROOM_SKIP_LOG") {
        let mut log =
            OpenOptions::new().append(true).create(true).open(Path::new(&log)).expect("the skip log can be opened");
        log.write_all(format!("{reason}\n").as_bytes()).expect("the skip log can be written");
    }
}
