//! The audit log as it is read: shown to people, verified, exported. Each of these is recorded itself.

use std::{
    collections::{HashMap, hash_map},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use strongroom_log::{
    BundleReader, FullBundleWriter, Line, LogStatus, Phase, PreviousGeneration, Report, RootKey, TenantBundleWriter,
    Verifier, hex_array, parse_line,
};

use super::{
    Receipt,
    head_proof::{HeadProof, head_of},
    log_origin,
    replay::{ToFile, replay},
};
use crate::{
    Code, Context, Error, Handle, RequestId, Result, TenantId,
    anchor::from_settings,
    clock::Timestamp,
    deployment::{sync_folder_of, unwritable},
    keys::PseudonymKind,
    limits,
    room::{Named, Room, Step, Target},
    seal::Subject,
    secrets,
    store::{LineRow, Snapshot, Store, TenantNumber},
};

/// Lines read at a time.
pub(super) const LINES_READ: usize = 1_024;

/// One line, with its handles and keyed hashes resolved as far as what they stand for still exists.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// The generation of the log that it is in, from 1.
    pub generation: u32,
    /// Position in the log, from 0.
    pub seq: u64,
    /// When it was committed.
    pub time: Timestamp,
    /// What was asked, such as `secret.get`.
    pub act: String,
    /// `ok`, or the error code.
    pub code: String,
    /// Whether it was done.
    pub ok: bool,
    /// Whether the line is of an intent: it is about to be done, and another line of the same request and act
    /// says what became of it.
    pub intent: bool,
    /// Who: `service:billing`; `None` if the actor was forgotten.
    pub actor: Option<String>,
    /// What was acted upon: a path, a folder, a tenant's name; `None` if there is no object, or it is gone.
    pub object: Option<String>,
    /// The object's type.
    pub object_type: Option<String>,
    /// The object's version.
    pub version: Option<u64>,
    /// How many things the line covers.
    pub count: Option<u64>,
    /// The request.
    pub request: RequestId,
    /// The line as it is stored and hashed.
    pub line: String,
}

/// A page of a log.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// In the order of the log.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins; `None` if the log ends here.
    pub next: Option<u64>,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

/// The outcome of a verification of the stored log.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What the verifier says of the log.
    pub report: Report,
    /// Where the store disagrees with the log it holds.
    pub store: Vec<String>,
    /// Proof that the verification was recorded.
    pub receipt: Receipt,
}

impl Verified {
    /// Whether everything holds.
    pub fn is_ok(&self) -> bool {
        self.report.is_ok() && self.store.is_empty()
    }
}

/// What an export wrote.
#[derive(Clone, Debug)]
pub struct AuditExport {
    /// The bundle.
    pub file: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Proof that the export was recorded.
    pub receipt: Receipt,
}

/// One log, or the whole of a deployment, in somebody's name.
#[derive(Clone, Debug)]
pub struct Audit {
    pub(super) room: Arc<Room>,
    pub(super) target: Target,
    pub(super) context: Context,
}

impl Audit {
    pub(crate) fn of_tenant(room: Arc<Room>, tenant: TenantId, context: Context) -> Self {
        Self { room, target: Target::Tenant(tenant), context }
    }

    pub(crate) fn of_deployment(room: Arc<Room>, context: Context) -> Self {
        Self { room, target: Target::Sys, context }
    }

    /// Shows lines from position `from` on, `limit` at most (1 to 1,000).
    ///
    /// For the deployment these are the lines of `sys`.
    ///
    /// # Errors
    /// `LimitInvalid`; `StoreDamaged` if a line cannot be read.
    pub async fn show(&self, from: u64, limit: usize) -> Result<AuditPage> {
        let ((entries, next), receipt) = self
            .room
            .operate("audit.show", &self.target, &self.context, move |step| {
                if !(limits::PAGE_ENTRIES_MIN..=limits::PAGE_ENTRIES_MAX).contains(&limit) {
                    return Err(Code::LimitInvalid.into());
                }
                let number = step.tenant.number;
                let rows = step.snapshot.lines_of(number, step.room.origin.generation(), from, limit + 1)?;
                let next = rows.get(limit).map(|row| row.log_seq);
                let rows = &rows[..rows.len().min(limit)];
                let entries = resolve(step, rows, None)?;
                step.line.count = Some(entries.len() as u64);
                Ok((entries, next))
            })
            .await?;
        Ok(AuditPage { entries, next, receipt })
    }

    /// Verifies the stored log. Of the deployment, all of it: every line, every commit, every certificate, of all tenants
    /// and generations. Of a tenant its own log, and the proof that its head stands in the newest commit: nothing that
    /// is said of it depends on anybody else's lines. Compares with a checkpoint note that was kept before, as far as
    /// what is verified can tell.
    ///
    /// # Errors
    /// What the store says. Findings are no errors: see [`Verified`].
    pub async fn verify(&self, remembered: Option<Vec<u8>>) -> Result<Verified> {
        let remembered = Arc::new(remembered);
        let ((report, store), receipt) = self
            .room
            .operate("audit.verify", &self.target, &self.context, move |step| {
                let room = step.room;
                let remembered = remembered.as_ref().as_deref();
                let (report, store) = if step.tenant.number == TenantNumber::SYS {
                    verify_stored(step.snapshot, &room.root_key, &room.origin.at_generation(1), remembered)?
                } else {
                    let mut reader = ToReader(BundleReader::new(&room.root_key, remembered));
                    tenant_bundle(step, &mut reader)?;
                    (reader.0.finish(), Vec::new())
                };
                step.line.count = Some(report.entries);
                let version = Some(if store.is_empty() { report.exit_code().into() } else { 1 });
                step.line.object = Some(Named { kind: "verdict", id: [0; 16], version, pseudonym_key: None });
                Ok((report, store))
            })
            .await?;
        Ok(Verified { report, store, receipt })
    }

    /// Writes a bundle that verifies offline with nothing but the root key: of a tenant, its log with
    /// the proof that it is whole; of the deployment, all logs.
    ///
    /// Nothing is overwritten. A line says that the export begins before anything is written; the file appears once
    /// the line that says how it ended is durable.
    ///
    /// # Errors
    /// `BackupExists` if the file is there; `StoreFull` and the like.
    pub async fn export(&self, file: &Path) -> Result<AuditExport> {
        let partial = partial_name(file);
        let (target, writing, context) = (file.to_owned(), partial.clone(), self.room.one_request(&self.context)?);
        self.room
            .operate("audit.export", &self.target, &context, move |step| {
                if target.exists() {
                    return Err(Error::new(Code::BackupExists).detail(target.display().to_string()));
                }
                step.begins_effect();
                Ok(())
            })
            .await?;
        let result = self
            .room
            .operate("audit.export", &self.target, &context.ending_effect(), move |step| {
                step.ends_effect();
                write_bundle(step, &writing)
            })
            .await;
        let (bytes, receipt) = match result {
            Ok(done) => done,
            Err(error) => {
                let _ = fs::remove_file(&partial);
                return Err(error);
            }
        };
        // A hard link, unlike a rename, never takes the place of a file that came in between.
        fs::hard_link(&partial, file).map_err(|error| unwritable(file, error))?;
        let _ = fs::remove_file(&partial);
        sync_folder_of(file)?;
        Ok(AuditExport { file: file.to_owned(), bytes, receipt })
    }
}

pub(crate) fn partial_name(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

pub(crate) fn create_private(file: &Path) -> Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(file).map_err(|error| unwritable(file, error))
}

fn write_bundle(step: &mut Step<'_>, file: &Path) -> Result<u64> {
    let mut out = std::io::BufWriter::new(create_private(file)?);
    let failed = |error| unwritable(file, error);
    if step.tenant.number == TenantNumber::SYS {
        let origin = step.room.origin.at_generation(1);
        let mut to = ToFile { bundle: FullBundleWriter::new(&origin), file: &mut out };
        replay(step.snapshot, &origin, &mut to)?;
        let rest = to.bundle.finish();
        std::io::Write::write_all(&mut out, &rest).map_err(failed)?;
    } else {
        tenant_bundle(step, &mut out).map_err(|error| match error.code() {
            Code::FileUnreadable => error.detail(file.display().to_string()),
            _ => error,
        })?;
    }
    let inner = out.into_inner().map_err(|error| unwritable(file, error.into_error()))?;
    inner.sync_all().map_err(failed)?;
    Ok(inner.metadata().map_err(failed)?.len())
}

/// A bundle that is verified while it is written.
struct ToReader(BundleReader);

impl std::io::Write for ToReader {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.0.feed(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log of one tenant, and the proof that its head stood in the newest commit.
fn tenant_bundle(step: &mut Step<'_>, out: &mut impl std::io::Write) -> Result<()> {
    let (origin, number) = (&step.room.origin, step.tenant.number);
    let head = HeadProof::read(step.snapshot, number)?;
    let io = |error: std::io::Error| Error::new(Code::FileUnreadable).caused_by(error);
    let (previous, tenant) = (head.previous.as_ref(), step.tenant.tenant);
    let mut bundle = TenantBundleWriter::new(origin, previous, &head.certificate, number.0, tenant.as_bytes());
    let mut from = 0;
    loop {
        let rows = step.snapshot.lines_of(number, head.generation, from, LINES_READ)?;
        let Some(last) = rows.last() else { break };
        from = last.log_seq + 1;
        for row in &rows {
            bundle.line(&row.line);
        }
        out.write_all(&bundle.take()).map_err(io)?;
    }
    out.write_all(&bundle.finish(&head.as_proof())).map_err(io)
}

/// Verifies the log in a store, and that the store's own columns say the same. Needs no key but the root's public one.
pub(crate) fn verify_stored(
    snapshot: &mut dyn Snapshot,
    root: &RootKey,
    origin: &strongroom_log::Origin,
    remembered: Option<&[u8]>,
) -> Result<(Report, Vec<String>)> {
    let mut verifier =
        Columns { verifier: Verifier::new(origin, root, remembered), findings: Vec::new(), expected_seq: 1 };
    replay(snapshot, origin, &mut verifier)?;
    let Columns { verifier, mut findings, .. } = verifier;
    for row in snapshot.log_heads()? {
        match (head_of(&row), verifier.head(row.tenant_ref.as_bytes())) {
            (Some(stored), Some(ours)) if stored == ours => {}
            _ => findings.push(format!("the stored head of log {} is not that of its lines", row.tenant.0)),
        }
    }
    if let Some(head) = snapshot.head()?
        && verifier.head_log().is_none_or(|ours| ours.to_bytes() != head.frontier || ours.size() != head.commits)
    {
        findings.push("the stored head of the head log is not that of its commits".to_owned());
    }
    Ok((verifier.finish(), findings))
}

/// Verifies, and compares the columns that lines are found by with the lines.
struct Columns {
    verifier: Verifier,
    findings: Vec<String>,
    expected_seq: u64,
}

/// Findings of one kind are of no further use in large numbers.
const COLUMN_FINDINGS_MAX: usize = 100;

impl super::replay::Records for Columns {
    fn generation(&mut self, number: u32, previous: Option<&PreviousGeneration>) {
        self.verifier.generation(number, previous.copied());
    }

    fn tenant(&mut self, position: u32, tenant_ref: &[u8; 16], status: LogStatus) {
        self.verifier.tenant(position, *tenant_ref, status);
    }

    fn epoch(&mut self, note: &[u8]) {
        self.verifier.epoch(note);
    }

    fn commit(&mut self, leaf: &[u8], blind: &[u8; 16]) {
        self.verifier.commit(leaf, blind);
    }

    fn line(&mut self, row: &LineRow) {
        self.verifier.line(&row.line);
        let agrees = parse_line(&row.line).map_or(true, |line| line.seq == row.log_seq) && row.seq == self.expected_seq;
        self.expected_seq = row.seq + 1;
        if !agrees && self.findings.len() < COLUMN_FINDINGS_MAX {
            self.findings.push(format!("row {} of the log is not where its line belongs", row.seq));
        }
    }

    fn checkpoint(&mut self, note: &[u8]) {
        self.verifier.checkpoint(note);
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<()> {
        Ok(())
    }
}

/// Verifies the log in a database file, offline and unrecorded: for backups, and for who holds only the root key.
pub(crate) fn verify_store(
    store: &dyn Store,
    root: &RootKey,
    remembered: Option<&[u8]>,
) -> Result<(Report, Vec<String>)> {
    let mut snapshot = store.snapshot()?;
    let deployment = snapshot.deployment()?.ok_or(Code::DeploymentUnfinished)?;
    let origin = strongroom_log::Origin::parse(&deployment.origin)
        .map_err(|_| Error::new(Code::StoreDamaged).detail("the deployment's origin"))?;
    verify_stored(&mut *snapshot, root, &origin, remembered)
}

/// Reads lines and says what their handles and hashes stand for. A caller who knows what all objects are says so.
pub(super) fn resolve(
    step: &mut Step<'_>,
    rows: &[LineRow],
    mut objects: Option<HashMap<[u8; 16], String>>,
) -> Result<Vec<AuditEntry>> {
    let logs = logs_of(step);
    let mut actors: HashMap<[u8; 16], Option<String>> = HashMap::new();
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let damaged = || Error::new(Code::StoreDamaged).detail(format!("line {} of the log", row.log_seq));
        let line = parse_line(&row.line).map_err(|_| damaged())?;
        let generation = *logs.get(line.log).ok_or_else(damaged)?;
        let handle = hex_array::<16>(line.who_id).unwrap_or_default();
        if let hash_map::Entry::Vacant(unknown) = actors.entry(handle) {
            unknown.insert(actor_name(step, handle)?);
        }
        let actor = match line.who_type {
            "system" => Some("system".to_owned()),
            _ => actors.get(&handle).cloned().flatten(),
        };
        let object = match &line.obj {
            None => None,
            Some(object) => {
                let known = match &mut objects {
                    Some(known) => known,
                    None => objects.insert(names(step)?),
                };
                known.get(&object.id_bytes()).cloned()
            }
        };
        entries.push(AuditEntry {
            generation,
            seq: row.log_seq,
            time: Timestamp(line.ts),
            act: line.act.to_owned(),
            code: line.code.to_owned(),
            ok: line.ok,
            intent: line.ph == Phase::Intent,
            actor,
            object,
            object_type: line.obj.as_ref().map(|object| object.kind.to_owned()),
            version: line.obj.as_ref().and_then(|object| object.version),
            count: line.n,
            request: line.rid.parse().map_err(|_| Error::from(Code::StoreDamaged))?,
            line: String::from_utf8_lossy(&row.line).into_owned(),
        });
    }
    Ok(entries)
}

/// The origins of a log in all its generations: where its lines say that they belong.
pub(super) fn logs_of(step: &Step<'_>) -> HashMap<String, u32> {
    let origin = |generation| {
        let origin = step.room.origin.at_generation(generation);
        (log_origin(step.tenant.number, step.tenant.tenant, &origin).as_str().to_owned(), generation)
    };
    (1..=step.room.origin.generation()).map(origin).collect()
}

pub(super) fn actor_name(step: &mut Step<'_>, handle: [u8; 16]) -> Result<Option<String>> {
    let handle = Handle::from_bytes(handle);
    let Some(row) = step.snapshot.actor_by_handle(step.tenant.number, &handle)? else { return Ok(None) };
    step.keys.check_row(&row)?;
    let name = step.keys.open_name(Subject::ActorName(handle), &row.name)?;
    Ok(String::from_utf8(name.to_vec()).ok())
}

/// Who a line names: `service:billing`; `None` if the actor was forgotten.
pub(crate) fn actor_named(step: &mut Step<'_>, line: &Line<'_>) -> Result<Option<String>> {
    match line.who_type {
        "system" => Ok(Some("system".to_owned())),
        _ => actor_name(step, hex_array(line.who_id).unwrap_or_default()),
    }
}

/// What the pseudonyms and refs in a log's lines stand for, as far as it still exists.
pub(super) fn names(step: &mut Step<'_>) -> Result<HashMap<[u8; 16], String>> {
    let mut names = HashMap::new();
    let mut add = |step: &Step<'_>, kind, value: &[u8], name: String| -> Result<()> {
        let pseudonyms = step.keys.pseudonyms(kind, value)?;
        names.extend(pseudonyms.iter().map(|pseudonym| (pseudonym.hash, name.clone())));
        Ok(())
    };
    if step.tenant.number == TenantNumber::SYS {
        let mut refs = Vec::new();
        for row in step.snapshot.tenants()? {
            step.keys.check_row(&row)?;
            let name = step.room.tenant_name(step.keys, &row)?.to_string();
            add(step, PseudonymKind::Tenant, name.as_bytes(), name.clone())?;
            refs.push((*row.tenant.as_bytes(), name));
        }
        for anchor in from_settings(&step.tenant.settings)? {
            let name = anchor.to_string();
            add(step, PseudonymKind::Anchor, name.as_bytes(), name.clone())?;
        }
        names.extend(refs);
        return Ok(names);
    }
    add(step, PseudonymKind::Folder, b"", "/".to_owned())?;
    let (folders, paths) = secrets::everything(step)?;
    for folder in folders {
        add(step, PseudonymKind::Folder, folder.as_str().as_bytes(), format!("{folder}/"))?;
    }
    for path in paths {
        add(step, PseudonymKind::Secret, path.as_str().as_bytes(), path.to_string())?;
    }
    Ok(names)
}
