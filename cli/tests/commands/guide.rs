//! The guide for users, `docs/secrets.md`: its commands are typed as they stand, in order, and its output is compared.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use crate::place::{PROGRAM, Place};

/// A command and what the guide shows under it.
struct Typed {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// What stands in the blocks of ```` ```console ````.
fn typed() -> Vec<Typed> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/secrets.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (mut all, mut inside) = (Vec::<Typed>::new(), false);
    for (at, line) in guide.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if !inside {
            continue;
        } else if let Some(command) = line.strip_prefix("$ ") {
            all.push(Typed { line: at + 1, command: command.to_owned(), shown: Vec::new() });
        } else {
            all.last_mut().expect("a block begins with a command").shown.push(line.to_owned());
        }
    }
    all
}

/// Whether a line is as shown, where `…` is anything.
fn is_as_shown(shown: &str, line: &str) -> bool {
    let mut pieces = shown.split('…');
    let Some(rest) = line.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    let mut rest = rest;
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn the_guide_does_what_it_says() {
    let place = Place::ready();
    let programs = Path::new(PROGRAM).parent().unwrap().to_owned();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&paths))).unwrap();
    let mut environment = BTreeMap::new();
    let all = typed();
    assert!(all.len() > 50, "the guide's commands are not found: {}", all.len());
    for Typed { line, command, shown } in all {
        if let Some((name, value)) = command.strip_prefix("export ").and_then(|setting| setting.split_once('=')) {
            environment.insert(name.to_owned(), value.to_owned());
            continue;
        }
        let ran = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(place.folder.path())
            .env_clear()
            .env("PATH", &paths)
            .env("STRONGROOM_DATA", place.path("data"))
            .env("STRONGROOM_ACTOR", "user:anna")
            // That this is no HSM, at each start.
            .env("STRONGROOM_LOG", "error")
            .envs(&environment)
            .output()
            .unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        let said: Vec<_> = said.lines().collect();
        let is_refused = shown.first().is_some_and(|first| first.starts_with("error: "));
        assert_eq!(ran.status.success(), !is_refused, "line {line}: {command}\n{said:#?}");
        // `…` alone at the end stands for any lines.
        let (shown, is_open) = match shown.split_last() {
            Some((last, before)) if last == "…" => (before, true),
            _ => (&*shown, false),
        };
        let fits = if is_open { said.len() > shown.len() } else { said.len() == shown.len() };
        let as_shown = fits && shown.iter().zip(&said).all(|(shown, line)| is_as_shown(shown, line));
        assert!(as_shown, "line {line}: {command}\nshown: {shown:#?}\nsaid: {said:#?}");
    }
}

#[test]
fn dots_stand_for_anything() {
    for (shown, line, want) in [
        ("put a (audit seq …)", "put a (audit seq 12)", true),
        ("put a (audit seq …)", "put b (audit seq 12)", false),
        ("put a (audit seq …)", "put a (audit seq 12) more", false),
        ("…", "anything", true),
        ("a … b … c", "a 1 b 2 c", true),
        ("a … b … c", "a 1 2 c", false),
        ("exact", "exact", true),
        ("exact", "exactly", false),
    ] {
        assert_eq!(is_as_shown(shown, line), want, "{shown:?} {line:?}");
    }
}
