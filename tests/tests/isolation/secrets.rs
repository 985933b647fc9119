//! The calls that are about secrets.

use std::sync::Arc;

use pollster::block_on;
use strongroom::{
    After, Code, Delete, Entry, EventKind, Expiry, Generate, Get, Import, ImportEntry, KeyAlgorithm, Labels,
    LeaseLimits, Patch, Promote, Put, Revision, SecretType, Stage, Timestamp, Update, ValueKind, Version, VersionLimit,
    VersionState, transfer::template::Template,
};

use crate::{
    model::{Fate, Happened, How, Life, Object, Said, Told, Until, Value, Which, activated, told},
    turn::{Turn, object, secret_value},
};

/// Bytes of what is made: a UUID, a private key of Ed25519 as PEM, and its public key.
const UUID_BYTES: usize = 36;
const KEY_BYTES: usize = 119;
const PUBLIC_BYTES: usize = 113;

pub(crate) fn secret(whole: &str) -> Object {
    Object::Secret(whole.to_owned())
}

pub(crate) fn own(act: &'static str, object: Object) -> Vec<Told> {
    vec![told(act, object)]
}

/// The same, with what it means for the secret.
fn meaning(act: &'static str, object: Object, events: impl Into<Vec<Happened>>) -> Vec<Told> {
    vec![told(act, object).with(events)]
}

/// A value was handed out.
fn accessed(version: u64, count: Option<u64>) -> [Happened; 1] {
    [(EventKind::Accessed, Some(version), count)]
}

/// Which version, and how the room is asked for it.
pub(crate) fn which(turn: &mut Turn<'_>, whole: &str) -> (Which, Get) {
    match turn.chance.below(6) {
        0 => (Which::Pending, Get::stage(Stage::Pending)),
        1 => (Which::Previous, Get::stage(Stage::Previous)),
        2 => {
            let number = turn.version(whole);
            (Which::Number(number), Get::version(Version(number)))
        }
        _ => (Which::Current, Get::current()),
    }
}

/// Until when, for the room.
pub(crate) fn expiry(until: Option<u64>) -> Expiry {
    until.map_or(Expiry::Never, |at| Expiry::At(Timestamp(at)))
}

/// Something that a secret says about itself, now and then.
pub(crate) fn said(turn: &mut Turn<'_>) -> Said {
    let types = [SecretType::Generic, SecretType::ApiKey, SecretType::Token];
    Said {
        note: turn.chance.once_in(3).then(|| turn.word()),
        kind: turn.chance.once_in(4).then(|| types[turn.chance.below(3)]),
        owner: turn.chance.once_in(4).then(|| turn.word()),
    }
}

/// Now and then a time for the whole secret, or none any more.
fn until(turn: &mut Turn<'_>) -> Until {
    match turn.chance.below(16) {
        0 => Some(Some(turn.moment())),
        1..3 => Some(None),
        _ => None,
    }
}

/// How to put, for the model and for the room.
fn how(turn: &mut Turn<'_>, whole: &str, pending: bool) -> (How, Put) {
    let (said, until) = (said(turn), until(turn));
    let limit = turn.chance.once_in(3).then(|| 1 + turn.chance.below(4) as u64);
    let version_until = turn.chance.once_in(8).then(|| turn.moment());
    let how = How { expected: turn.expected(whole), limit, said, version_until, until, pending };
    let mut put = Put::default();
    if let Some(expected) = how.expected {
        put = put.expect(Version(expected));
    }
    if let Some(limit) = how.limit {
        put = put.max_versions(VersionLimit::new(limit).unwrap());
    }
    if let Some(note) = &how.said.note {
        put = put.description(note.parse().unwrap()).labels(labels(note));
    }
    if let Some(kind) = how.said.kind {
        put = put.secret_type(kind);
    }
    if let Some(owner) = &how.said.owner {
        put = put.owner(owner.parse().unwrap());
    }
    if let Some(until) = how.until {
        put = put.expires(expiry(until));
    }
    if how.version_until.is_some() {
        put = put.version_expires(expiry(how.version_until));
    }
    (how, put)
}

pub(crate) fn labels(note: &str) -> Labels {
    Labels::parse([("note", note)]).unwrap()
}

pub(crate) fn put(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.own_path();
    let ((how, put), value) = (how(turn, &whole, false), turn.value());
    let got = block_on(turn.secrets().put(&path, secret_value(&value), put));
    let want = turn.model.grow(|model| model.put(&whole, value, &how));
    turn.settle("secret.put", secret(&whole), want, got, |_, want, got| {
        assert_eq!((got.version.0, got.removed), (want.version, want.removed));
        meaning("secret.put", secret(&whole), want.events)
    })
}

pub(crate) fn put_pending(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let ((how, put), value) = (how(turn, &whole, true), turn.value());
    let got = block_on(turn.secrets().put_pending(&path, secret_value(&value), put));
    let want = turn.model.grow(|model| model.put(&whole, value, &how));
    turn.settle("secret.put-pending", secret(&whole), want, got, |_, want, got| {
        assert_eq!((got.version.0, got.removed), (want.version, want.removed));
        meaning("secret.put-pending", secret(&whole), want.events)
    })
}

pub(crate) fn get(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let (which, get) = which(turn, &whole);
    let got = block_on(turn.secrets().get(&path, get));
    let want = turn.model.get(&whole, which);
    turn.settle("secret.get", secret(&whole), want, got, |turn, (version, value), got| {
        assert_eq!(got.version.0, version);
        let current = turn.model.secrets[&whole].current;
        assert_eq!(got.is_current, version == current);
        turn.same(&whole, version, &value, &got.value);
        meaning("secret.get", secret(&whole), accessed(version, None))
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
    let want = turn.model.grow(|model| {
        let stored = model.secret(&whole)?;
        stored.demand_readable(model.now)?;
        if expected.is_some_and(|expected| expected != stored.current) {
            return Err(Code::SecretConflict);
        }
        match model.get(&whole, Which::Current)?.1 {
            Value::Known(ValueKind::Json, _) => model.put(&whole, object(&word, "1"), &How::default()),
            _ => Err(Code::PatchUnsuitable),
        }
    });
    turn.settle("secret.patch", secret(&whole), want, got, |_, want, got| {
        assert_eq!((got.version.0, got.removed), (want.version, want.removed));
        meaning("secret.patch", secret(&whole), want.events)
    })
}

pub(crate) fn promote(turn: &mut Turn<'_>) -> bool {
    let (path, whole) =
        turn.path_where(|secret| secret.pending.or(secret.previous).is_some() && secret.demand_alive(0).is_ok());
    let has_pending = turn.model.secrets.get(&whole).is_some_and(|secret| secret.pending.is_some());
    let (mut promote, from) = match has_pending != turn.chance.once_in(4) {
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
        meaning("secret.promote", secret(&whole), activated(want.0, want.1))
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
        meaning("secret.delete", secret(&whole), [(EventKind::Purged, None, None)])
    })
}

fn change(turn: &mut Turn<'_>, act: &'static str, fate: Fate) -> bool {
    let (path, whole) = match fate {
        Fate::Undelete => turn.path_where(|secret| secret.has(Life::Deleted)),
        Fate::Enable => turn.path_where(|secret| secret.has(Life::Disabled)),
        Fate::Delete | Fate::Destroy | Fate::Disable => turn.path(),
    };
    let of = match fate {
        Fate::Undelete => Some(Life::Deleted),
        Fate::Enable => Some(Life::Disabled),
        Fate::Delete | Fate::Destroy | Fate::Disable => None,
    };
    let mut numbers: Vec<u64> = (0..turn.chance.below(4)).map(|_| turn.version(&whole)).collect();
    if let (Some(life), Some(secret)) = (of, turn.model.secrets.get(&whole))
        && !turn.chance.once_in(3)
    {
        let wanted = secret.versions.iter().filter(|(_, stored)| stored.life == life);
        let wanted: Vec<_> = wanted.map(|(number, _)| *number).collect();
        numbers = if wanted.is_empty() { vec![secret.current] } else { wanted };
    }
    let versions: Vec<_> = numbers.iter().copied().map(Version).collect();
    let secrets = turn.secrets();
    let got = match fate {
        Fate::Delete => block_on(secrets.delete_versions(&path, &versions)),
        Fate::Undelete => block_on(secrets.undelete_versions(&path, &versions)),
        Fate::Destroy => block_on(secrets.destroy_versions(&path, &versions)),
        Fate::Enable => block_on(secrets.enable_versions(&path, &versions)),
        Fate::Disable => block_on(secrets.disable_versions(&path, &versions)),
    };
    let event = match fate {
        Fate::Delete | Fate::Disable => EventKind::Revoked,
        Fate::Undelete | Fate::Enable => EventKind::Activated,
        Fate::Destroy => EventKind::Purged,
    };
    let want = turn.model.admit().and_then(|()| turn.model.change(&whole, &numbers, fate));
    turn.settle(act, secret(&whole), want, got, |_, want, got| {
        assert_eq!(got.changed.iter().map(|version| version.0).collect::<Vec<_>>(), want);
        if want.is_empty() {
            return own(act, secret(&whole));
        }
        want.into_iter().map(|number| told(act, secret(&whole)).with([(event, Some(number), None)])).collect()
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

pub(crate) fn enable_versions(turn: &mut Turn<'_>) -> bool {
    change(turn, "secret.enable-version", Fate::Enable)
}

pub(crate) fn disable_versions(turn: &mut Turn<'_>) -> bool {
    change(turn, "secret.disable-version", Fate::Disable)
}

pub(crate) fn versions(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let got = block_on(turn.secrets().versions(&path));
    let want = turn.model.secret(&whole).cloned();
    turn.settle("secret.versions", secret(&whole), want, got, |_, want, got| {
        let state = |life| match life {
            Life::Enabled => VersionState::Enabled,
            Life::Disabled => VersionState::Disabled,
            Life::Expired => VersionState::Expired,
            Life::Deleted => VersionState::Deleted,
            Life::Destroyed => VersionState::Destroyed,
        };
        let expected = want.versions.iter().rev();
        let expected: Vec<_> =
            expected.map(|(number, stored)| (*number, state(stored.life), stored.expires_at)).collect();
        let found = got.versions.iter().map(|info| (info.version.0, info.state, info.expires_at.map(|at| at.0)));
        assert_eq!(found.collect::<Vec<_>>(), expected);
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
        assert_eq!((got.meta.secret_type, got.meta.owner.as_str()), (want.kind, want.owner.as_str()));
        assert_eq!((got.is_enabled, got.is_archived), (want.is_enabled, want.is_archived));
        assert_eq!((got.expires_at.map(|at| at.0), got.is_expired), (want.expires_at, want.has_expired));
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
    if let Some(note) = &how.said.note {
        update = update.description(note.parse().unwrap()).labels(labels(note));
    }
    if let Some(kind) = how.said.kind {
        update = update.secret_type(kind);
    }
    if let Some(owner) = &how.said.owner {
        update = update.owner(owner.parse().unwrap());
    }
    if let Some(until) = how.until {
        update = update.expires(expiry(until));
    }
    let got = block_on(turn.secrets().update(&path, update));
    let want = turn.model.admit().and_then(|()| turn.model.update(&whole, &how, revision));
    turn.settle("secret.update", secret(&whole), want, got, |_, want, got| {
        assert_eq!((got.revision.0, got.removed), want);
        let purged = (want.1 > 0).then_some((EventKind::Purged, None, Some(want.1)));
        meaning("secret.update", secret(&whole), purged.into_iter().collect::<Vec<_>>())
    })
}

pub(crate) fn list(turn: &mut Turn<'_>) -> bool {
    let (folder, whole) = turn.folder();
    let (limit, archived) = (turn.chance.below(6), turn.chance.once_in(3));
    let pages = || -> strongroom::Result<(Vec<String>, usize)> {
        let (mut all, mut after, mut pages) = (Vec::new(), After::start(), 0);
        loop {
            let page = match archived {
                true => block_on(turn.secrets().list_archived(&folder, after, limit))?,
                false => block_on(turn.secrets().list(&folder, after, limit))?,
            };
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
    let want = match limit {
        0 => Err(Code::LimitInvalid),
        _ => Ok(turn.model.entries(&whole, turn.confined_to(), archived)),
    };
    turn.settle("secret.list", Object::Folder(whole.clone()), want, got, |turn, want, (got, pages)| {
        assert_eq!(got, want, "{whole}");
        assert_eq!(pages, want.len().div_ceil(limit).max(1));
        turn.model.allowed += pages as u64 - 1;
        (0..pages).map(|_| told("secret.list", Object::Folder(whole.clone()))).collect()
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
pub(crate) fn under(folder: &str, path: &str) -> String {
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
    // What is refused names the secret that it is refused for.
    let mut refused_at = None;
    let want = turn.model.grow(|model| {
        let mut names: Vec<_> = all.iter().map(|(_, whole, _)| whole).collect();
        names.sort();
        names.dedup();
        if names.len() < all.len() {
            return Err(Code::ImportMalformed);
        }
        let how = How { expected: is_new_only.then_some(0), ..How::default() };
        let mut put = |whole: &String, value: &Value| {
            model.put(whole, value.clone(), &how).inspect_err(|_| refused_at = Some(secret(whole)))
        };
        all.iter().map(|(_, whole, value)| put(whole, value)).collect::<Result<Vec<_>, _>>()
    });
    let object = refused_at.unwrap_or_else(|| Object::Folder(turn.confined_to().to_owned()));
    turn.settle("secret.import", object.clone(), want, got, |_, want, got| {
        let versions: Vec<_> = want.iter().map(|done| done.version).collect();
        assert_eq!(got.versions.iter().map(|version| version.0).collect::<Vec<_>>(), versions);
        let parts =
            all.iter().zip(want).map(|((_, whole, _), done)| told("secret.put", secret(whole)).with(done.events));
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
    let want = turn.model.grow(|model| {
        let bytes = if is_pair { KEY_BYTES } else { UUID_BYTES };
        let own = model.put(&whole, Value::Unseen(bytes), &how)?;
        if !is_pair {
            return Ok((own, None));
        }
        let how = How { expected: how.expected.filter(|version| *version == 0), ..how.clone() };
        Ok((own, Some(model.put(&public, Value::Unseen(PUBLIC_BYTES), &how)?)))
    });
    turn.settle("secret.generate", secret(&whole), want, got, |turn, (done, public_done), got| {
        assert_eq!(got.version.0, done.version);
        let mut told_of = meaning("secret.put", secret(&whole), done.events);
        assert_eq!(got.public.is_some(), public_done.is_some());
        if let (Some(given), Some(done)) = (got.public, public_done) {
            assert_eq!((given.version.0, given.path.as_str()), (done.version, &*format!("{path}.pub")));
            assert_eq!(given.pem.len(), PUBLIC_BYTES);
            let stored = turn.model.secrets.get_mut(&public).unwrap().versions.get_mut(&done.version).unwrap();
            stored.value = Value::Known(ValueKind::Text, given.pem);
            told_of.extend(meaning("secret.put", secret(&public), done.events));
        }
        told_of.push(told("secret.generate", secret(&whole)));
        told_of
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
        if read.iter().all(|(.., value)| matches!(value, Value::Known(..))) {
            let value_at = |whole: &str| match &read.iter().find(|(other, ..)| other == whole).unwrap().2 {
                Value::Known(_, text) => text.clone(),
                Value::Unseen(_) => unreachable!(),
            };
            let expected: String = places.iter().map(|(_, whole)| value_at(whole) + "\n").collect();
            assert_eq!(document, expected);
        }
        let parts =
            read.iter().flat_map(|(whole, version, _)| meaning("secret.get", secret(whole), accessed(*version, None)));
        parts.chain(own("secret.render", Object::None)).collect()
    })
}

/// Reads that a lease allows, if it allows any.
const LEASED_READS: u64 = 100;

fn limits(turn: &mut Turn<'_>) -> LeaseLimits {
    LeaseLimits { reads: if turn.chance.once_in(8) { 0 } else { LEASED_READS }, ..LeaseLimits::default() }
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
fn of_lease(parts: Vec<Told>, object: Object, events: Vec<Happened>, leased: u64) -> Vec<Told> {
    let begun = told("secret.lease", object.clone()).begun().with(events);
    let opening = [told("lease.limit", Object::Unnamed), begun];
    let closing = [told("lease.use", Object::Unnamed), Told { leased, ..told("secret.lease", object) }];
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
        of_lease(Vec::new(), secret(&whole), accessed(version, Some(LEASED_READS)).into(), 1)
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
            parts.extend(meaning("lease.secret", secret(&under(&whole, path)), accessed(*version, None)));
        }
        assert_eq!(block_on(lease.close()).unwrap().counts.reads, want.len() as u64);
        turn.model.allowed += 1;
        of_lease(parts, Object::Folder(whole.clone()), Vec::new(), want.len() as u64)
    })
}
