//! The example programs, run as their comments say, each on the same deployment with a software device.

use std::{fs, path::Path, process::Command};

use strongroom::{Actor, Config, Context, Deployment, OpenOptions, Recovery};

/// A deployment with the tenant `acme`, made through the public API.
fn deployment(folder: &Path) -> Deployment {
    let passphrase = folder.join("passphrase");
    fs::write(&passphrase, "correct horse battery staple").expect("a file");
    #[cfg(unix)]
    fs::set_permissions(&passphrase, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
    let (key, passphrase) = (folder.join("device.key"), passphrase.display());
    let device = format!("software:{}?passphrase-source=file:{passphrase}", key.display());
    let deployment = Deployment::at(folder.join("data"));
    let olga = Context::new(Actor::operator("olga").expect("a name"));
    let config = Config { device, allow_unlocked_memory: false, anchors: Vec::new() };
    let made =
        strongroom_hsm::initialize(&deployment, config, Recovery::None, None, olga.clone(), OpenOptions::default());
    let (room, _) = pollster::block_on(made).expect("a deployment");
    pollster::block_on(room.admin(olga).create_tenant(&"acme".parse().expect("a name"))).expect("a tenant");
    room.close().expect("closed");
    deployment
}

/// Runs a program that must work, and compares: each of these is in what it prints, in this order.
fn run(program: &str, arguments: &[&str], shown: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect("the program starts");
    let said = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}\n{errors}");
    let mut rest = said.as_str();
    for part in shown {
        let at = rest.find(part).unwrap_or_else(|| panic!("{program}: no {part:?} in order in\n{said}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn the_examples_do_what_they_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let deployment = deployment(folder.path());
    let data = deployment.folder().to_str().expect("text");
    let config = folder.path().join("app.toml");
    let config = config.to_str().expect("text");
    run(env!("CARGO_BIN_EXE_config-file"), &[data, "acme", config], &["made a password of ", "with 1 secrets"]);
    let written = fs::read_to_string(config).expect("a file");
    assert!(written.contains("password = \"") && !written.contains("{{"), "{written}");

    run(
        env!("CARGO_BIN_EXE_life"),
        &[data, "acme"],
        &[
            "version 2 is current, 1 was before",
            "logged in with version 1, the previous one",
            "elsewhere: every version that was offered was rejected",
            "version 1: this version is disabled or deleted, then brought back",
            "version 3 may be read for twelve hours: true",
            "the last of them: deprecated",
        ],
    );
    run(
        env!("CARGO_BIN_EXE_lease"),
        &[data, "acme"],
        &["1000 reads, 18000 bytes, ", "ended by the change: true", "recorded: ", "version 2: "],
    );
    run(
        env!("CARGO_BIN_EXE_tenants"),
        &[data, "globex"],
        &[
            "shop/token version 1",
            "shop/one-too-many: a quota of the tenant is used up",
            "due: shop/api-key, version 1",
            "due: shop/token, version 1",
            "globex uses 3 secrets, ",
            " done, 1 refused",
            " lines of metrics, such as: ",
        ],
    );
    run(env!("CARGO_BIN_EXE_first-steps"), &[data, "globex", "shop"], &["3 secrets, 15 bytes in all"]);
}
