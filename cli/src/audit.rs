//! `audit`: the log shown, verified and exported. Single lines are `proof`'s, searching [`crate::query`]'s.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use strongroom::{Audit, AuditEntry, Code, Error, Timestamp, limits};
use strongroom_log::{BundleReader, Report, ReportText, RootKey, Verdict, VerifyingKey, parse_line};

use crate::{
    app::App,
    check_index::CheckIndexArgs,
    failure::Failure,
    files::Target,
    input,
    output::{self, ReceiptJson, Table},
    progress,
    proof::{ProveArgs, VerifyProofArgs},
    query::{QueryArgs, StatsArgs},
    state::States,
    watch::WatchArgs,
};

/// Show, search, follow, verify, prove and export the audit log
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    Show(ShowArgs),
    Query(QueryArgs),
    Stats(StatsArgs),
    Watch(WatchArgs),
    Verify(VerifyArgs),
    Export(ExportArgs),
    Prove(ProveArgs),
    VerifyProof(VerifyProofArgs),
    CheckIndex(CheckIndexArgs),
}

impl AuditCommand {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Show(show) => show.carry_out(app),
            Self::Query(query) => query.carry_out(app),
            Self::Stats(stats) => stats.carry_out(app),
            Self::Watch(watch) => watch.carry_out(app),
            Self::Verify(verify) => verify.carry_out(app),
            Self::Export(export) => export.carry_out(app),
            Self::Prove(prove) => prove.carry_out(app),
            Self::VerifyProof(verify) => verify.carry_out(app),
            Self::CheckIndex(check) => check.carry_out(app),
        }
    }
}

/// Which log.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// The deployment instead of a tenant
    #[arg(long)]
    deployment: bool,
}

impl Which {
    /// Works on the log, in the name of whoever asks.
    pub(crate) fn in_audit<T>(
        &self,
        app: &App,
        work: impl AsyncFnOnce(Audit) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let context = app.context()?;
        if self.deployment {
            return app.in_room(async |room| work(room.admin(context).audit()).await);
        }
        let tenant = app.tenant_if_named()?.ok_or_else(|| {
            Failure::usage("which log? Give --tenant NAME, set STRONGROOM_TENANT, or give --deployment")
        })?;
        app.in_room(async |room| work(room.tenant(&tenant).acting_as(context).audit()).await)
    }
}

/// Show a log: who did what, when, and what came of it
///
/// Names are resolved where what they stand for still exists. Looking is recorded too. With --deployment,
/// it is the deployment's own log: tenants made and closed, epochs, backups, refusals that no tenant's log
/// could take.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom audit show --tenant acme
  strongroom audit show --tenant acme --from 1000 --limit 50
  strongroom audit show --deployment -o json | jq -r '.entries[].line'")]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    which: Which,
    /// First line to show
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    /// How many lines at most, 1 to 1000
    #[arg(long, value_name = "LINES", default_value_t = limits::PAGE_ENTRIES_MAX)]
    limit: usize,
}

#[derive(Serialize)]
struct ShowReply<'a> {
    entries: Vec<EntryJson<'a>>,
    next: Option<u64>,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
pub(crate) struct EntryJson<'a> {
    generation: u32,
    seq: u64,
    time: String,
    act: &'a str,
    phase: &'static str,
    ok: bool,
    code: &'a str,
    actor: Option<&'a str>,
    object_type: Option<&'a str>,
    object: Option<&'a str>,
    version: Option<u64>,
    count: Option<u64>,
    request: String,
    line: &'a str,
}

impl ShowArgs {
    fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let page = self.which.in_audit(app, async |audit| Ok(audit.show(self.from, self.limit).await?))?;
        let entries = page.entries.iter().map(EntryJson::from).collect();
        let reply = ShowReply { entries, next: page.next, receipt: (&page.receipt).into() };
        app.out.reply(&reply, || table(&page.entries))?;
        if let Some(next) = page.next {
            app.out.note(&format!("{}there is more: --from {next}{:#}", output::DIM, output::DIM));
        }
        Ok(())
    }
}

impl<'a> From<&'a AuditEntry> for EntryJson<'a> {
    fn from(entry: &'a AuditEntry) -> Self {
        Self {
            generation: entry.generation,
            seq: entry.seq,
            time: output::exact_time(entry.time),
            act: &entry.act,
            phase: if entry.intent { "intent" } else { "result" },
            ok: entry.ok,
            code: &entry.code,
            actor: entry.actor.as_deref(),
            object_type: entry.object_type.as_deref(),
            object: entry.object.as_deref(),
            version: entry.version,
            count: entry.count,
            request: entry.request.to_string(),
            line: &entry.line,
        }
    }
}

pub(crate) fn table(entries: &[AuditEntry]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut table = Table::with_heading(&["SEQ", "TIME", "WHO", "WHAT", "OBJECT", "RESULT"]);
    for entry in entries {
        table.row([
            entry.seq.to_string(),
            output::time(entry.time),
            entry.actor.clone().unwrap_or_else(|| "(forgotten)".to_owned()),
            entry.act.clone(),
            object(entry),
            if entry.intent { "begun".to_owned() } else { entry.code.clone() },
        ]);
    }
    table.finish()
}

/// `prod/db/password v3`, `prod/ (200)`, `epoch 7`, `line 42`, times, or the type of an object whose name is gone.
pub(crate) fn object(entry: &AuditEntry) -> String {
    let version = entry.version.unwrap_or_default();
    let count = entry.count.map(|count| format!(" ({count})")).unwrap_or_default();
    let name = match (entry.object.as_deref(), entry.object_type.as_deref()) {
        (Some(""), Some("folder")) => "/".to_owned(),
        (Some(name), _) => name.to_owned(),
        (None, Some("verdict" | "repair")) => return format!("{}{count}", if version == 0 { "OK" } else { "NOT OK" }),
        (None, Some("login")) => {
            return format!("{}{count}", refused_logins(entry).unwrap_or_default()).trim_start().to_owned();
        }
        (None, Some("quota.rate" | "quota.audit-bytes")) => {
            let kind = entry.object_type.as_deref().unwrap_or_default();
            return format!("{kind}{count} until {}", output::time(Timestamp(version)));
        }
        (None, Some("clock")) => return output::time(Timestamp(version)),
        (None, Some(kind @ ("epoch" | "generation" | "line"))) => return format!("{kind} {version}{count}"),
        (None, Some(kind)) => format!("({kind})"),
        (None, None) => String::new(),
    };
    let version = entry.version.map(|version| format!(" v{version}")).unwrap_or_default();
    format!("{name}{version}{count}").trim_start().to_owned()
}

/// From when to when logins were refused, of which a line tells afterwards. Of a note that made no sense nothing is known.
fn refused_logins(entry: &AuditEntry) -> Option<String> {
    let last = Timestamp(entry.version?);
    let id = parse_line(entry.line.as_bytes()).ok()?.obj?.id_bytes();
    let first = Timestamp(id[..8].iter().fold(0, |time, byte| time << 8 | u64::from(*byte)));
    Some(if first == last { output::time(last) } else { format!("{} to {}", output::time(first), output::time(last)) })
}

/// Verify the audit log: every line, commit, signature and certificate
///
/// Without a file, the log in the database is verified, of all tenants; that is recorded. With a file, it
/// is a bundle that `audit export` wrote, and nothing is needed but the root key: no deployment, no device.
///
/// A log that was cut off at a moment in the past is whole up to there. Only what was kept elsewhere shows
/// that: keep a checkpoint with --save-checkpoint, and give it to the next verification with --checkpoint.
///
/// A row of the database may be one that was true once. With --state, every row is compared with the last
/// line that speaks of it: secrets, versions, labels, folders and tenants that were put back, taken away,
/// hidden or added without a line are found. That needs the device.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom audit verify
  strongroom audit verify --state
  strongroom audit verify --checkpoint last.note --save-checkpoint new.note
  strongroom audit verify acme.bundle --root 'example.com/keys/root+1a2b3c4d+…'")]
pub(crate) struct VerifyArgs {
    /// A bundle to verify instead of the database
    #[arg(requires = "root")]
    bundle: Option<PathBuf>,
    /// The root key: the vkey that `init` printed, or the public key in hex
    ///
    /// A bundle needs it. Without a bundle, the deployment must be the one with this root key: else whoever
    /// replaced the database and the device together would be believed.
    #[arg(long, value_name = "VKEY", env = "STRONGROOM_ROOT_KEY", hide_env_values = true)]
    root: Option<String>,
    /// Compare the stored rows with the log, too
    #[arg(long, conflicts_with = "bundle")]
    state: bool,
    /// A checkpoint kept from before, which the log must continue
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Keep the newest checkpoint in this file, if all is well
    #[arg(long, value_name = "FILE")]
    save_checkpoint: Option<PathBuf>,
}

#[derive(Serialize)]
struct VerifyReply<'a> {
    ok: bool,
    #[serde(flatten)]
    report: &'a Report,
    /// Where the database disagrees with the log it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_findings: Option<&'a [String]>,
    /// How the rows compare with the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a States>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptJson<'a>>,
}

impl VerifyArgs {
    fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let remembered = self.checkpoint.as_deref().map(input::read_document).transpose()?;
        let remembered = remembered.map(|note| note.to_vec());
        let save_to = Target::new(self.save_checkpoint.as_deref(), true)?;
        let root = self.root.as_deref().map(parse_root).transpose()?;
        let (report, findings, states) = match (&self.bundle, &root) {
            (Some(bundle), Some(root)) => {
                let report = verify_bundle(bundle, root, remembered.as_deref())?;
                let ok = report.is_ok();
                let reply = VerifyReply { ok, report: &report, store_findings: None, state: None, receipt: None };
                app.out.reply(&reply, || report.to_string())?;
                (report, Vec::new(), None)
            }
            _ => {
                let context = app.context()?;
                let spinner = progress::spinner("verifying");
                let verified = app.in_room(async |room| {
                    check_root(root.as_ref(), room.root_key())?;
                    let verified = room.admin(context.clone()).audit().verify(remembered).await?;
                    spinner.finish_and_clear();
                    // Lines that do not hold together say nothing about rows.
                    let states = match self.state && verified.is_ok() {
                        true => Some(States::check(room, &context).await?),
                        false => None,
                    };
                    Ok((verified, states))
                });
                spinner.finish_and_clear();
                let (verified, states) = verified?;
                let reply = VerifyReply {
                    ok: verified.is_ok() && states.as_ref().is_none_or(States::is_ok),
                    report: &verified.report,
                    store_findings: Some(&verified.store),
                    state: states.as_ref(),
                    receipt: Some((&verified.receipt).into()),
                };
                app.out.reply(&reply, || {
                    let findings: Vec<_> = states.iter().flat_map(States::lines).collect();
                    let findings = [&verified.store[..], &findings].concat();
                    let report = ReportText::new(&verified.report).store(&findings).to_string();
                    states.as_ref().map_or_else(|| report.clone(), |states| format!("{report}{states}"))
                })?;
                (verified.report, verified.store, states)
            }
        };
        verdict(&report, &findings)?;
        states.map_or(Ok(()), |states| states.verdict())?;
        match (&self.save_checkpoint, &report.checkpoint) {
            (Some(_), Some(note)) => save_to.write(note.as_bytes()),
            _ => Ok(()),
        }
    }
}

/// What the report means for whoever asked: an error, unless everything holds.
fn verdict(report: &Report, store: &[String]) -> Result<(), Failure> {
    let has = |code: &str| report.findings.iter().any(|finding| finding.code == code);
    let code = match report.verdict {
        Verdict::Ok if store.is_empty() => return Ok(()),
        _ if has("BUNDLE-VERSION") => Code::BundleInvalid,
        _ if has("ROLLBACK") => Code::LogRolledBack,
        _ => Code::LogBroken,
    };
    let findings = report.findings.len() as u64 + report.findings_omitted + store.len() as u64;
    let verdict = if report.is_ok() { Verdict::Tampered } else { report.verdict };
    Err(Error::new(code).detail(format!("{verdict}, {}", output::count(findings, "finding"))).into())
}

pub(crate) fn parse_root(root: &str) -> Result<RootKey, Failure> {
    root.parse().map_err(|_| Error::from(Code::RootKeyInvalid).into())
}

/// Refuses a deployment whose root key is not the one that somebody kept.
fn check_root(kept: Option<&RootKey>, ours: &RootKey) -> Result<(), Failure> {
    let Some(kept) = kept.map(ToString::to_string) else { return Ok(()) };
    let vkey = ours.to_string();
    let hex = vkey.parse::<VerifyingKey>().map(|key| output::hex(&key.public_key()));
    if kept == vkey || hex.is_ok_and(|hex| kept == hex) {
        return Ok(());
    }
    Err(Error::new(Code::LogBroken).detail("the deployment has another root key than the one given").into())
}

fn verify_bundle(bundle: &Path, root: &RootKey, remembered: Option<&[u8]>) -> Result<Report, Failure> {
    let bar = progress::bytes("verifying", bundle.metadata().map_or(0, |file| file.len()));
    let mut from = input::open(bundle)?;
    let mut reader = BundleReader::new(root, remembered);
    let mut piece = vec![0; 1024 * 1024];
    loop {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => {
                reader.feed(&piece[..read]);
                bar.inc(read as u64);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::new(Code::FileUnreadable).detail(error.kind().to_string()).into()),
        }
    }
    bar.finish_and_clear();
    Ok(reader.finish())
}

/// Write a log into a file that verifies offline, with nothing but the root key
///
/// Of a tenant, its log with the proof that it is whole; with --deployment, all logs. The file holds no
/// names: handles and keyed hashes, as they are stored.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom audit export --tenant acme acme.bundle
  strongroom audit export --deployment all.bundle
  strongroom audit verify all.bundle --root \"$(strongroom status -o json | jq -r .root_key)\"")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    which: Which,
    /// The new file; nothing is overwritten
    file: PathBuf,
}

#[derive(Serialize)]
struct ExportReply<'a> {
    file: String,
    bytes: u64,
    receipt: ReceiptJson<'a>,
}

impl ExportArgs {
    fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let spinner = progress::spinner("exporting");
        let done = self.which.in_audit(app, async |audit| Ok(audit.export(&self.file).await?))?;
        spinner.finish_and_clear();
        let file = done.file.display().to_string();
        let reply = ExportReply { file, bytes: done.bytes, receipt: (&done.receipt).into() };
        app.out.done(&reply, || {
            let size = indicatif::HumanBytes(done.bytes);
            format!("wrote {}, {size} {}", reply.file, output::recorded(&done.receipt))
        })
    }
}
