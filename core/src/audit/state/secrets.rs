//! A tenant's rows: secrets, their versions and labels, and the folders that they are in.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use strongroom_log::{Line, hex_encode};

use super::{
    Found, StateCode,
    logged::{Logged, Position, read},
};
use crate::{
    Code, Folder, Result, SecretPath,
    keys::PseudonymKind,
    room::Step,
    seal::Subject,
    secrets::{Meta, Settings},
    store::{SecretRow, Usage, VersionRow},
};

/// Rows read at a time.
const CHUNK: usize = 256;

/// A secret as lines name it: the version of the pseudonym key, and the pseudonym.
type Name = (u32, [u8; 16]);

/// What the lines say of one secret.
#[derive(Default)]
struct LoggedSecret {
    row: Option<Logged>,
    versions: BTreeMap<u64, Logged>,
}

/// What the lines say of all secrets that exist.
#[derive(Default)]
struct History {
    secrets: HashMap<Name, LoggedSecret>,
    /// A secret that left its path, with the request: the line after this one says where it went.
    moving: Option<(String, LoggedSecret)>,
}

impl History {
    fn take(&mut self, line: &Line<'_>, at: Position) {
        let Some(object) = line.obj.filter(|object| object.kind == "secret") else { return };
        let Some(row) = line.row else { return };
        let name = (line.pk.unwrap_or_default(), object.id_bytes());
        match line.act {
            "secret.delete" => {
                self.secrets.remove(&name);
                return;
            }
            "secret.move-from" => {
                let secret = self.secrets.remove(&name).unwrap_or_default();
                self.moving = Some((line.rid.to_owned(), secret));
                return;
            }
            // The rows of its versions are as they were.
            "secret.move" => {
                let moved = self.moving.take().filter(|(rid, _)| rid == line.rid);
                self.secrets.insert(name, moved.map(|(_, secret)| secret).unwrap_or_default());
            }
            _ => {}
        }
        let secret = self.secrets.entry(name).or_default();
        secret.row = Some(Logged::new(row, at));
        if let (Some(version), Some(row)) = (object.version, line.vrow) {
            secret.versions.insert(version, Logged::new(row, at));
        }
    }

    /// What the lines say of a path, under whatever version of the pseudonym key, and forgets it.
    fn remove(&mut self, step: &Step<'_>, path: &SecretPath, key_versions: &BTreeSet<u32>) -> Result<LoggedSecret> {
        let mut all = LoggedSecret::default();
        for version in key_versions {
            let pseudonym = step.keys.pseudonym_of(*version, PseudonymKind::Secret, path.as_str().as_bytes())?;
            let Some(secret) = pseudonym.and_then(|pseudonym| self.secrets.remove(&(*version, pseudonym.hash))) else {
                continue;
            };
            all.row = newer(all.row, secret.row);
            for (version, logged) in secret.versions {
                let newest = newer(all.versions.remove(&version), Some(logged));
                all.versions.extend(newest.map(|newest| (version, newest)));
            }
        }
        Ok(all)
    }
}

fn newer(a: Option<Logged>, b: Option<Logged>) -> Option<Logged> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.is_after(&a) { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// Compares the rows of the step's tenant with its log.
pub(super) fn compare(step: &mut Step<'_>, found: &mut Found) -> Result<()> {
    let mut history = History::default();
    found.lines = read(step, |line, at| history.take(line, at))?;
    let key_versions: BTreeSet<u32> = history.secrets.keys().map(|(version, _)| *version).collect();

    let mut folders = HashSet::new();
    let mut there = Usage::default();
    let mut after = None;
    loop {
        let rows = step.snapshot.secrets_after(step.tenant.number, after.as_ref(), CHUNK)?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        for row in &rows {
            let versions = step.snapshot.versions(step.tenant.number, row)?;
            there.secrets += 1;
            there.bytes += versions.iter().map(|version| version.value.len() as u64).sum::<u64>();
            let Some(path) = authentic_path(step, found, row) else { continue };
            folders.extend(path.parent().ancestors());
            let logged = history.remove(step, &path, &key_versions)?;
            compare_secret(step, found, (row, &versions), path.as_str(), logged)?;
        }
    }
    compare_folders(step, found, folders)?;
    for ((_, pseudonym), logged) in history.secrets {
        if let Some(row) = &logged.row {
            found.missing(row, &format!("secret {}", hex_encode(&pseudonym)), None);
        }
    }
    // Where rows are not as they should be, that the counts are not follows from it.
    if found.findings.is_empty() { compare_usage(step, found, there) } else { Ok(()) }
}

/// The path of a row that we wrote.
fn authentic_path(step: &Step<'_>, found: &mut Found, row: &SecretRow) -> Option<SecretPath> {
    let id = row.id.to_string();
    if !found.authentic(step.keys, row, &id, None) {
        return None;
    }
    let opened = step.keys.open_name(Subject::SecretName(row.id), &row.name).ok();
    let path = opened.and_then(|name| std::str::from_utf8(&name).ok().and_then(|name| name.parse().ok()));
    if path.is_none() {
        found.add(StateCode::Altered, &id, None, "its name does not open");
    }
    path
}

fn compare_secret(
    step: &mut Step<'_>,
    found: &mut Found,
    (row, versions): (&SecretRow, &[VersionRow]),
    path: &str,
    mut logged: LoggedSecret,
) -> Result<()> {
    found.compare(logged.row.as_ref(), row, path, None);
    match Settings::of(row) {
        // The row says so under its MAC, and it was just compared itself.
        Ok(settings) => logged.versions = logged.versions.split_off(&settings.oldest),
        Err(_) => found.add(StateCode::Altered, path, None, "its settings cannot be read"),
    }
    for version in versions {
        let number = Some(version.version);
        let line = logged.versions.remove(&version.version);
        if found.authentic(step.keys, version, path, number) {
            found.compare(line.as_ref(), version, path, number);
        }
    }
    for (number, line) in &logged.versions {
        found.missing(line, path, Some(*number));
    }
    let mut labels = match Meta::open(step.keys, row) {
        Ok(meta) => meta.index_hashes(step.keys)?,
        Err(error) if error.code() == Code::Integrity => {
            found.add(StateCode::Altered, path, None, "its description does not open");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    labels.sort_unstable();
    if step.snapshot.labels_of(step.tenant.number, &row.id)? != labels {
        found.add(StateCode::Hidden, path, None, "it is found by other labels, or another type or owner, than it has");
    }
    Ok(())
}

/// What is counted for the tenant's quotas is what is there. Nothing authenticates the counts: whoever changes them has the
/// tenant store more, or less, than it may.
fn compare_usage(step: &mut Step<'_>, found: &mut Found, there: Usage) -> Result<()> {
    let counted = step.snapshot.log_head(step.tenant.number)?.map(|head| head.usage).unwrap_or_default();
    for (what, there, counted) in
        [("secrets", there.secrets, counted.secrets), ("bytes of sealed values", there.bytes, counted.bytes)]
    {
        if there != counted {
            found.add(StateCode::Miscounted, what, None, format!("{there} are there, and {counted} are counted"));
        }
    }
    Ok(())
}

/// Each folder that a secret is in is there, so that listings lead to the secret.
fn compare_folders(step: &mut Step<'_>, found: &mut Found, mut needed: HashSet<Folder>) -> Result<()> {
    needed.remove(&Folder::root());
    let mut after = None;
    loop {
        let rows = step.snapshot.folders_after(step.tenant.number, after.as_ref(), CHUNK)?;
        let Some(last) = rows.last() else { break };
        after = Some(last.name_hash);
        for row in &rows {
            let id = row.id.to_string();
            if !found.authentic(step.keys, row, &id, None) {
                continue;
            }
            let opened = step.keys.open_name(Subject::FolderName(row.id), &row.name).ok();
            match opened.and_then(|name| std::str::from_utf8(&name).ok().and_then(|name| name.parse::<Folder>().ok())) {
                Some(folder) => drop(needed.remove(&folder)),
                None => found.add(StateCode::Altered, &id, None, "its name does not open"),
            }
        }
    }
    let mut hidden: Vec<_> = needed.iter().map(Folder::as_str).collect();
    hidden.sort_unstable();
    for folder in hidden {
        found.add(
            StateCode::Hidden,
            &format!("{folder}/"),
            None,
            "the folder is missing, so that listings skip what is in it",
        );
    }
    Ok(())
}
