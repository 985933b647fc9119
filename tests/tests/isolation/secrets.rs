//! The calls that are about secrets.

use std::sync::Arc;

use pollster::block_on;
use strongroom::{
    After, Code, Delete, Entry, Generate, Get, Import, ImportEntry, KeyAlgorithm, Labels, LeaseLimits, Patch, Promote,
    Put, Revision, Stage, Update, ValueKind, Version, VersionLimit, VersionState, transfer::template::Template,
};

use crate::{
    model::{Fate, How, Life, Object, Value, Which},
    turn::{Told, Turn, object, secret_value},
};

fn secret(whole: &str) -> Object {
    Object::Secret(whole.to_owned())
}

fn own(act: &'static str, object: Object) -> Vec<Told> {
    vec![(act, object, false)]
}

/// How to put, for the model and for the room.
fn how(turn: &mut Turn<'_>, whole: &str, pending: bool) -> (How, Put) {
    let note = turn.chance.once_in(3).then(|| turn.word());
    let limit = turn.chance.once_in(3).then(|| 1 + turn.chance.below(4) as u64);
    let how = How { expected: turn.expected(whole), limit, note, pending };
    let mut put = Put::default();
    if let Some(expected) = how.expected {
        put = put.expect(Version(expected));
    }
    if let Some(limit) = how.limit {
        put = put.max_versions(VersionLimit::new(limit).unwrap());
    }
    if let Some(note) = &how.note {
        put = put.description(note.parse().unwrap()).labels(labels(note));
    }
    (how, put)
}

fn labels(note: &str) -> Labels {
    Labels::parse([("note", note)]).unwrap()
}

pub(crate) fn put(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.own_path();
    let ((how, put), value) = (how(turn, &whole, false), turn.value());
    let got = block_on(turn.secrets().put(&path, secret_value(&value), put));
    let want = turn.model.admit().and_then(|()| turn.model.put(&whole, value, &how));
    turn.settle("secret.put", secret(&whole), want, got, |_, want, got| {
        assert_eq!((got.version.0, got.removed), want);
        own("secret.put", secret(&whole))
    })
}

pub(crate) fn put_pending(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let ((how, put), value) = (how(turn, &whole, true), turn.value());
    let got = block_on(turn.secrets().put_pending(&path, secret_value(&value), put));
    let want = turn.model.admit().and_then(|()| turn.model.put(&whole, value, &how));
    turn.settle("secret.put-pending", secret(&whole), want, got, |_, want, got| {
        assert_eq!((got.version.0, got.removed), want);
        own("secret.put-pending", secret(&whole))
    })
}

pub(crate) fn get(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let which = match turn.chance.below(6) {
        0 => Which::Pending,
        1 => Which::Previous,
        2 => Which::Number(turn.version(&whole)),
        _ => Which::Current,
    };
    let get = match which {
        Which::Current => Get::current(),
        Which::Pending => Get::stage(Stage::Pending),
        Which::Previous => Get::stage(Stage::Previous),
        Which::Number(number) => Get::version(Version(number)),
    };
    let got = block_on(turn.secrets().get(&path, get));
    let want = turn.model.get(&whole, which);
    turn.settle("secret.get", secret(&whole), want, got, |turn, (version, value), got| {
        assert_eq!(got.version.0, version);
        let current = turn.model.secrets[&whole].current;
        assert_eq!(got.is_current, version == current);
        turn.same(&whole, version, &value, &got.value);
        own("secret.get", secret(&whole))
    })
}

pub(crate) fn patch(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let (word, expected) = (turn.word(), turn.expected(&whole));
    let mut options = Patch::default();
    if let Some(expected) = expected {
        options = options.expect(Version(expected));
    }
    let change = strongroom::SecretValue::json(format!(r#"{{"a":"{word}"}}"#)).unwrap();
    let got = block_on(turn.secrets().patch(&path, change, options));
    let want = turn.model.admit().and_then(|()| {
        let current = turn.model.secret(&whole)?.current;
        if expected.is_some_and(|expected| expected != current) {
            return Err(Code::SecretConflict);
        }
        match turn.model.get(&whole, Which::Current)?.1 {
            Value::Known(ValueKind::Json, _) => turn.model.put(&whole, object(&word, "1"), &How::default()),
            _ => Err(Code::PatchUnsuitable),
        }
    });
    turn.settle("secret.patch", secret(&whole), want, got, |_, want, got| {
        assert_eq!((got.version.0, got.removed), want);
        own("secret.patch", secret(&whole))
    })
}

pub(crate) fn promote(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let (mut promote, from) = match turn.chance.once_in(2) {
        true => (Promote::pending(), Which::Pending),
        false => (Promote::previous(), Which::Previous),
    };
    let expected = turn.chance.once_in(4).then(|| turn.version(&whole));
    if let Some(expected) = expected {
        promote = promote.expect(Version(expected));
    }
    let got = block_on(turn.secrets().promote(&path, promote));
    let want = turn.model.admit().and_then(|()| turn.model.promote(&whole, from, expected));
    turn.settle("secret.promote", secret(&whole), want, got, |_, want, got| {
        assert_eq!((got.version.0, got.previous.0), want);
        own("secret.promote", secret(&whole))
    })
}

pub(crate) fn delete(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let expected = turn.expected(&whole);
    let options = expected.map_or(Delete::default(), |version| Delete::default().expect(Version(version)));
    let got = block_on(turn.secrets().delete(&path, options));
    let want = turn.model.admit().and_then(|()| turn.model.delete(&whole, expected));
    turn.settle("secret.delete", secret(&whole), want, got, |_, want, got| {
        assert_eq!(got.version.0, want);
        own("secret.delete", secret(&whole))
    })
}

fn change(turn: &mut Turn<'_>, act: &'static str, fate: Fate) -> bool {
    let (path, whole) = turn.path();
    let numbers: Vec<u64> = (0..turn.chance.below(4)).map(|_| turn.version(&whole)).collect();
    let versions: Vec<_> = numbers.iter().copied().map(Version).collect();
    let secrets = turn.secrets();
    let got = match fate {
        Fate::Delete => block_on(secrets.delete_versions(&path, &versions)),
        Fate::Undelete => block_on(secrets.undelete_versions(&path, &versions)),
        Fate::Destroy => block_on(secrets.destroy_versions(&path, &versions)),
    };
    let want = turn.model.admit().and_then(|()| turn.model.change(&whole, &numbers, fate));
    turn.settle(act, secret(&whole), want, got, |_, want, got| {
        assert_eq!(got.changed.iter().map(|version| version.0).collect::<Vec<_>>(), want);
        vec![(act, secret(&whole), false); want.len().max(1)]
    })
}

pub(crate) fn delete_versions(turn: &mut Turn<'_>) -> bool {
    change(turn, "secret.delete-version", Fate::Delete)
}

pub(crate) fn undelete_versions(turn: &mut Turn<'_>) -> bool {
    change(turn, "secret.undelete", Fate::Undelete)
}

pub(crate) fn destroy_versions(turn: &mut Turn<'_>) -> bool {
    change(turn, "secret.destroy", Fate::Destroy)
}

pub(crate) fn versions(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let got = block_on(turn.secrets().versions(&path));
    let want = turn.model.secret(&whole).cloned();
    turn.settle("secret.versions", secret(&whole), want, got, |_, want, got| {
        let state = |life| match life {
            Life::Enabled => VersionState::Enabled,
            Life::Deleted => VersionState::Deleted,
            Life::Destroyed => VersionState::Destroyed,
        };
        let expected: Vec<_> = want.versions.iter().rev().map(|(number, (_, life))| (*number, state(*life))).collect();
        assert_eq!(got.versions.iter().map(|info| (info.version.0, info.state)).collect::<Vec<_>>(), expected);
        let in_stage = |stage| got.versions.iter().find(|info| info.stage == Some(stage)).map(|info| info.version.0);
        assert_eq!(in_stage(Stage::Current), Some(want.current));
        // A version has one stage: that of the first that it is in.
        let pending = want.pending.filter(|version| *version != want.current);
        assert_eq!(in_stage(Stage::Pending), pending);
        assert_eq!(
            in_stage(Stage::Previous),
            want.previous.filter(|version| *version != want.current && Some(*version) != pending)
        );
        assert_eq!(got.max_versions.versions(), want.limit);
        let note = want.note.unwrap_or_default();
        assert_eq!(got.meta.description.as_str(), note);
        assert_eq!(got.meta.labels, if note.is_empty() { Labels::new() } else { labels(&note) });
        own("secret.versions", secret(&whole))
    })
}

pub(crate) fn describe(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let got = block_on(turn.secrets().describe(&path));
    let want = turn.model.secret(&whole).cloned();
    turn.settle("secret.describe", secret(&whole), want, got, |_, want, got| {
        let stages = [Some(got.current), got.pending, got.previous].map(|version| version.map(|version| version.0));
        assert_eq!(stages, [Some(want.current), want.pending, want.previous]);
        let numbers = (got.latest.0, got.max_versions.versions(), got.revision.0);
        assert_eq!(numbers, (want.latest, want.limit, want.revision));
        assert_eq!(got.meta.description.as_str(), want.note.unwrap_or_default());
        own("secret.describe", secret(&whole))
    })
}

pub(crate) fn update(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let (how, _) = how(turn, &whole, false);
    let revision = turn.model.secrets.get(&whole).map_or(1, |secret| secret.revision);
    let revision = turn.chance.once_in(4).then(|| revision + u64::from(turn.chance.once_in(3)));
    let mut update = Update::default();
    if let Some(expected) = how.expected {
        update = update.expect(Version(expected));
    }
    if let Some(revision) = revision {
        update = update.expect_revision(Revision(revision));
    }
    if let Some(limit) = how.limit {
        update = update.max_versions(VersionLimit::new(limit).unwrap());
    }
    if let Some(note) = &how.note {
        update = update.description(note.parse().unwrap()).labels(labels(note));
    }
    let got = block_on(turn.secrets().update(&path, update));
    let want = turn.model.admit().and_then(|()| turn.model.update(&whole, &how, revision));
    turn.settle("secret.update", secret(&whole), want, got, |_, want, got| {
        assert_eq!((got.revision.0, got.removed), want);
        own("secret.update", secret(&whole))
    })
}

pub(crate) fn list(turn: &mut Turn<'_>) -> bool {
    let (folder, whole) = turn.folder();
    let limit = turn.chance.below(6);
    let pages = || -> strongroom::Result<(Vec<String>, usize)> {
        let (mut all, mut after, mut pages) = (Vec::new(), After::start(), 0);
        loop {
            let page = block_on(turn.secrets().list(&folder, after, limit))?;
            pages += 1;
            all.extend(page.entries.iter().map(|entry| match entry {
                Entry::Folder(folder) => format!("{folder}/"),
                Entry::Secret(path) => path.to_string(),
            }));
            match page.next {
                Some(next) => after = next,
                None => return Ok((all, pages)),
            }
        }
    };
    let got = pages();
    let want = if limit == 0 { Err(Code::LimitInvalid) } else { Ok(turn.model.entries(&whole, turn.confined_to())) };
    turn.settle("secret.list", Object::Folder(whole.clone()), want, got, |turn, want, (got, pages)| {
        assert_eq!(got, want, "{whole}");
        assert_eq!(pages, want.len().div_ceil(limit).max(1));
        turn.model.allowed += pages as u64 - 1;
        vec![("secret.list", Object::Folder(whole.clone()), false); pages]
    })
}

pub(crate) fn export(turn: &mut Turn<'_>) -> bool {
    let (folder, whole) = turn.folder();
    let got = block_on(turn.secrets().export(&folder));
    let want = Ok(turn.model.below(&whole));
    turn.settle("secret.export", Object::Folder(whole.clone()), want, got, |turn, want, got| {
        let names: Vec<_> = got.secrets.iter().map(|secret| (secret.path.to_string(), secret.version.0)).collect();
        assert_eq!(names, want.iter().map(|(path, version, _)| (path.clone(), *version)).collect::<Vec<_>>());
        for (got, (path, version, value)) in got.secrets.iter().zip(want) {
            turn.same(&under(&whole, &path), version, &value, &got.value);
        }
        own("secret.export", Object::Folder(whole.clone()))
    })
}

/// The whole path of one below a folder.
fn under(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

pub(crate) fn import(turn: &mut Turn<'_>) -> bool {
    let mut all: Vec<(strongroom::SecretPath, String, Value)> = Vec::new();
    for _ in 0..1 + turn.chance.below(3) {
        let (path, whole) = turn.own_path();
        if all.iter().all(|(_, other, _)| *other != whole) || turn.chance.once_in(6) {
            let value = turn.value();
            all.push((path, whole, value));
        }
    }
    let is_new_only = turn.chance.once_in(3);
    let options = if is_new_only { Import::default().new_only() } else { Import::default() };
    let entries =
        all.iter().map(|(path, _, value)| ImportEntry { path: path.clone(), value: secret_value(value) }).collect();
    let got = block_on(turn.secrets().import(&strongroom::Folder::root(), entries, options));
    let want = turn.model.admit().and_then(|()| {
        let mut names: Vec<_> = all.iter().map(|(_, whole, _)| whole).collect();
        names.sort();
        names.dedup();
        if names.len() < all.len() {
            return Err(Code::ImportMalformed);
        }
        let mut after = turn.model.clone();
        let how = How { expected: is_new_only.then_some(0), ..How::default() };
        let versions: Result<Vec<_>, _> =
            all.iter().map(|(_, whole, value)| Ok(after.put(whole, value.clone(), &how)?.0)).collect();
        let versions = versions?;
        turn.model.secrets = after.secrets;
        Ok(versions)
    });
    let object = match &want {
        // What is refused names the secret that it is refused for.
        Err(Code::SecretConflict) => {
            let first = all.iter().find(|(_, whole, _)| turn.model.secrets.contains_key(whole));
            secret(&first.unwrap().1)
        }
        _ => Object::Folder(turn.confined_to().to_owned()),
    };
    turn.settle("secret.import", object.clone(), want, got, |_, want, got| {
        assert_eq!(got.versions.iter().map(|version| version.0).collect::<Vec<_>>(), want);
        let parts = all.iter().map(|(_, whole, _)| ("secret.put", secret(whole), false));
        parts.chain(own("secret.import", object)).collect()
    })
}

pub(crate) fn generate(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.own_path();
    let (how, put) = how(turn, &whole, false);
    let is_pair = turn.chance.once_in(3);
    let what = if is_pair { Generate::key_pair(KeyAlgorithm::Ed25519) } else { Generate::uuid() };
    let got = block_on(turn.secrets().generate(&path, &what, put));
    let public = format!("{whole}.pub");
    let want = turn.model.admit().and_then(|()| {
        let mut after = turn.model.clone();
        let version = after.put(&whole, Value::Unseen, &how)?.0;
        let public_version = if is_pair {
            let how = How { expected: how.expected.filter(|version| *version == 0), ..how.clone() };
            Some(after.put(&public, Value::Unseen, &how)?.0)
        } else {
            None
        };
        turn.model.secrets = after.secrets;
        Ok((version, public_version))
    });
    turn.settle("secret.generate", secret(&whole), want, got, |turn, (version, public_version), got| {
        assert_eq!(got.version.0, version);
        assert_eq!(got.public.as_ref().map(|public| public.version.0), public_version);
        let mut told = own("secret.put", secret(&whole));
        if let (Some(given), Some(version)) = (got.public, public_version) {
            assert_eq!(given.path.as_str(), format!("{path}.pub"));
            let stored = turn.model.secrets.get_mut(&public).unwrap().versions.get_mut(&version).unwrap();
            stored.0 = Value::Known(ValueKind::Text, given.pem);
            told.push(("secret.put", secret(&public), false));
        }
        told.push(("secret.generate", secret(&whole), false));
        told
    })
}

pub(crate) fn render(turn: &mut Turn<'_>) -> bool {
    let places: Vec<_> = (0..1 + turn.chance.below(2)).map(|_| turn.path()).collect();
    let text: String = places.iter().map(|(path, _)| format!("{{{{ secret \"{path}\" }}}}\n")).collect();
    let got = block_on(turn.secrets().render(&Arc::new(Template::parse(text.as_bytes()).unwrap())));
    let mut read: Vec<(String, u64, Value)> = Vec::new();
    let (mut want, mut refused_at) = (Ok(()), Object::None);
    for (_, whole) in &places {
        if read.iter().any(|(other, ..)| other == whole) {
            continue;
        }
        match turn.model.get(whole, Which::Current) {
            Ok((version, value)) => read.push((whole.clone(), version, value)),
            Err(code) => {
                (want, refused_at) = (Err(code), secret(whole));
                break;
            }
        }
    }
    turn.settle("secret.render", refused_at, want, got, |turn, (), got| {
        let document = String::from_utf8(got.document.to_vec()).unwrap();
        turn.see(&document);
        assert_eq!(got.secrets.len(), read.len());
        for (path, version) in &got.secrets {
            let whole = under(turn.confined_to(), path.as_str());
            assert!(read.iter().any(|(other, other_version, _)| (other, other_version) == (&whole, &version.0)));
        }
        if read.iter().all(|(.., value)| *value != Value::Unseen) {
            let value_at = |whole: &str| match &read.iter().find(|(other, ..)| other == whole).unwrap().2 {
                Value::Known(_, text) => text.clone(),
                Value::Unseen => unreachable!(),
            };
            let expected: String = places.iter().map(|(_, whole)| value_at(whole) + "\n").collect();
            assert_eq!(document, expected);
        }
        let parts = read.iter().map(|(whole, ..)| ("secret.get", secret(whole), false));
        parts.chain(own("secret.render", Object::None)).collect()
    })
}

fn limits(turn: &mut Turn<'_>) -> LeaseLimits {
    LeaseLimits { reads: if turn.chance.once_in(8) { 0 } else { 100 }, ..LeaseLimits::default() }
}

/// Reads under a lease. The thread that looks for changes may be kept from it for a while; then nothing is read.
fn read(mut read: impl FnMut() -> strongroom::Result<strongroom::SecretValue>) -> strongroom::SecretValue {
    loop {
        match read() {
            Err(error) if error.code() == Code::LeaseUnchecked => {
                std::thread::sleep(std::time::Duration::from_millis(5))
            }
            read => return read.unwrap(),
        }
    }
}

/// The lines of a lease on this object, from its opening to its end.
fn of_lease(parts: Vec<Told>, object: Object) -> Vec<Told> {
    let opening = [("lease.limit", Object::Unnamed, false), ("secret.lease", object.clone(), true)];
    let closing = [("lease.use", Object::Unnamed, false), ("secret.lease", object, false)];
    parts.into_iter().chain(opening).chain(closing).collect()
}

pub(crate) fn lease(turn: &mut Turn<'_>) -> bool {
    let ((path, whole), limits) = (turn.path(), limits(turn));
    let got = block_on(turn.secrets().lease(&path, limits));
    let want = match (turn.model.leases, limits.reads) {
        (false, _) => Err(Code::LeaseDenied),
        (true, 0) => Err(Code::LeaseInvalid),
        _ => turn.model.get(&whole, Which::Current),
    };
    turn.settle("secret.lease", secret(&whole), want, got, |turn, (version, value), lease| {
        assert_eq!(lease.version().0, version);
        let given = read(|| lease.read());
        turn.same(&whole, version, &value, &given);
        let counts = block_on(lease.close()).unwrap().counts;
        assert_eq!((counts.reads, counts.bytes), (1, given.len() as u64));
        turn.model.allowed += 1;
        of_lease(Vec::new(), secret(&whole))
    })
}

pub(crate) fn lease_folder(turn: &mut Turn<'_>) -> bool {
    let ((folder, whole), limits) = (turn.folder(), limits(turn));
    let got = block_on(turn.secrets().lease_folder(&folder, limits));
    let want = match (turn.model.leases, limits.reads) {
        (false, _) => Err(Code::LeaseDenied),
        (true, 0) => Err(Code::LeaseInvalid),
        _ => Ok(turn.model.below(&whole)),
    };
    turn.settle("secret.lease", Object::Folder(whole.clone()), want, got, |turn, want, lease| {
        let paths: Vec<_> = lease.paths().iter().map(ToString::to_string).collect();
        assert_eq!(paths, want.iter().map(|(path, ..)| path.clone()).collect::<Vec<_>>());
        let mut parts = Vec::new();
        for (path, version, value) in &want {
            let given = read(|| lease.read(&path.parse().unwrap()));
            turn.same(&under(&whole, path), *version, value, &given);
            parts.push(("lease.secret", secret(&under(&whole, path)), false));
        }
        assert_eq!(block_on(lease.close()).unwrap().counts.reads, want.len() as u64);
        turn.model.allowed += 1;
        of_lease(parts, Object::Folder(whole.clone()))
    })
}
