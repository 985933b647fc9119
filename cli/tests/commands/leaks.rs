//! A value is in stdin, in stdout where it was asked for, and nowhere else.

use std::{
    fs,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use crate::place::{PROGRAM, Place, record_skip};

const NEEDLE: &str = "s3cr3t-n33dl3";

#[test]
fn no_value_is_in_what_is_said() {
    let place = Place::ready();
    let json = format!("{{\"key\": {NEEDLE}}}");
    let whole = format!("{{\"{NEEDLE}\": \"{NEEDLE}\"}}");
    let same_name_twice = format!("{{\"{NEEDLE}\": 1, \"{NEEDLE}\": 2}}");
    let env = format!("A={NEEDLE}\nB \"{NEEDLE}\n");
    let twice = format!("A={NEEDLE}\nA={NEEDLE}\n");
    let cases: &[(&[&str], &str)] = &[
        (&["secret", "put", "a/b"], NEEDLE),
        (&["secret", "put", "a/b", "--expect", "9"], NEEDLE),
        (&["secret", "put", "../a"], NEEDLE),
        (&["secret", "put", "--json", "a/c"], &json),
        (&["secret", "put", "a", NEEDLE], ""),
        (&["secret", "put", "--json", "a/d"], &whole),
        (&["secret", "patch", "a/d"], &whole),
        (&["secret", "patch", "a/d"], &json),
        (&["secret", "patch", "a/d"], &same_name_twice),
        (&["secret", "patch", "a/b"], &whole),
        (&["secret", "patch", "a/d", NEEDLE], ""),
        (&["secret", "destroy", "a/d", "--version", "1", "--yes"], ""),
        (&["secret", "import", "-"], &env),
        (&["secret", "import", "-"], &twice),
        (&["secret", "import", "-", "--format", "json"], &json),
        (&["secret", "get", "a/b", "--version", "9"], ""),
        (&["run", "--prefix", "a", "--", "./nothing"], ""),
        (&["audit", "show"], ""),
        (&["audit", "show", "--deployment", "-o", "json"], ""),
        (&["audit", "prove", "0"], ""),
        (&["audit", "prove", "--receipt", "-"], &json),
        (&["status"], ""),
        (&["secret", "versions", "a/b"], ""),
        (&["secret", "list", "a"], ""),
        (&["secret", "export", "--format", "json", "--file", "exported"], ""),
    ];
    for (args, stdin) in cases {
        let mut command = place.command(args);
        let mut child = command.env("STRONGROOM_LOG", "trace").stdin(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let done = child.wait_with_output().unwrap();
        for (name, said) in [("stdout", done.stdout), ("stderr", done.stderr)] {
            let said = String::from_utf8(said).unwrap();
            assert!(!said.contains(NEEDLE), "strongroom {args:?}: {name}: {said}");
        }
    }
    assert!(fs::read_to_string(place.path("exported")).unwrap().contains(NEEDLE), "the control");
    let folders = ["data", "data/processes"].map(|folder| fs::read_dir(place.path(folder)).unwrap());
    let paths = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    for file in paths.filter(|path| path.is_file()) {
        let bytes = fs::read(file).unwrap();
        assert!(!bytes.windows(NEEDLE.len()).any(|window| window == NEEDLE.as_bytes()));
    }
}

#[test]
fn no_value_is_in_arguments_or_the_environment_while_it_is_read() {
    let place = Place::ready();
    let mut child = place.command(&["secret", "put", "a"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(NEEDLE.as_bytes()).unwrap();
    for file in ["cmdline", "environ"] {
        // A process that may not be dumped hides its environment even from its owner.
        let Ok(bytes) = fs::read(format!("/proc/{}/{file}", child.id())) else { continue };
        assert!(!bytes.windows(NEEDLE.len()).any(|window| window == NEEDLE.as_bytes()), "{file}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(place.ok(&["secret", "get", "a"]), NEEDLE);
}

/// On a terminal, which `script` of util-linux makes.
#[test]
fn what_is_typed_is_not_shown() {
    if Command::new("script").arg("--version").output().is_err() {
        return record_skip("`script` of util-linux is not installed");
    }
    let place = Place::ready();
    for (second, is_stored) in [("another", false), (NEEDLE, true)] {
        let mut script = place.command(&[]);
        let command = format!("{PROGRAM} secret put typed");
        script = {
            let mut under = Command::new("script");
            under.args(["-qec", &command, "/dev/null"]).current_dir(script.get_current_dir().unwrap()).env_clear();
            under.envs(script.get_envs().filter_map(|(name, value)| Some((name, value?))));
            under.stdin(Stdio::piped()).stdout(Stdio::piped());
            under
        };
        let mut child = script.spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut shown = String::new();
        let mut until = |prompt: &str, shown: &mut String| {
            let mut byte = [0];
            while !shown.ends_with(prompt) && stdout.read(&mut byte).unwrap() == 1 {
                shown.push(char::from(byte[0]));
            }
        };
        until("Value: ", &mut shown);
        stdin.write_all(format!("{NEEDLE}\n").as_bytes()).unwrap();
        until("Again: ", &mut shown);
        stdin.write_all(format!("{second}\n").as_bytes()).unwrap();
        until("\u{0}", &mut shown);
        assert_eq!(child.wait().unwrap().success(), is_stored, "{shown}");
        assert!(!shown.contains(NEEDLE), "{shown}");
        assert_eq!(place.run(&["secret", "get", "typed"]).exit == 0, is_stored);
    }
    assert_eq!(place.ok(&["secret", "get", "typed"]), NEEDLE);
}
