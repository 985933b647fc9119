//! `backup`: made, verified and restored.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use strongroom::{BackupReport, Code, Config, Restore, Strongroom, verify_backup};
use strongroom_hsm::DeviceUri;
use strongroom_log::{Report, ReportText};

use crate::{
    anchor,
    app::App,
    audit,
    failure::Failure,
    output::{self, ReceiptJson, Table},
    progress,
};

/// Make, verify and restore backups
///
/// A backup is a copy of the database and a signed note beside it. It holds no key: the token, or the
/// token's own backup, is yours to keep as well. Without it a backup opens nothing.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    Create(CreateArgs),
    Verify(VerifyArgs),
    Restore(RestoreArgs),
}

impl BackupCommand {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.carry_out(app),
            Self::Verify(verify) => verify.carry_out(app),
            Self::Restore(restore) => restore.carry_out(app),
        }
    }
}

/// Copy the whole database while others go on
///
/// Writes FILE and FILE.note, which belong together. Nothing is overwritten.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom backup create /backup/strongroom-2026-11-24")]
pub(crate) struct CreateArgs {
    /// Where the copy goes
    file: PathBuf,
}

#[derive(Serialize)]
struct CreateReply<'a> {
    file: String,
    note: String,
    bytes: u64,
    created: String,
    commits: u64,
    receipt: ReceiptJson<'a>,
}

impl CreateArgs {
    fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let context = app.context()?;
        let bar = progress::pages("copying");
        let moving = bar.clone();
        let made = app.in_room(async |room| {
            let progress = move |done, total| {
                moving.set_length(total);
                moving.set_position(done);
            };
            Ok(room.admin(context).back_up(&self.file, progress).await?)
        });
        bar.finish_and_clear();
        let made = made?;
        let reply = CreateReply {
            file: made.file.display().to_string(),
            note: made.note.display().to_string(),
            bytes: made.bytes,
            created: output::exact_time(made.created_at),
            commits: made.head_size,
            receipt: (&made.receipt).into(),
        };
        app.out.done(&reply, || {
            format!(
                "backed up {} bytes to {}, with {} {}\nThe token is not in it: back that up with its own tools.",
                reply.bytes,
                reply.file,
                reply.note,
                output::recorded(&made.receipt)
            )
        })
    }
}

/// Verify a backup offline: the file against its note, its structure, and the whole audit log in it
///
/// Needs no device and no deployment, only the root key that `strongroom init` printed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom backup verify /backup/strongroom-2026-11-24 --root 'example.com/keys/root+1234abcd+AT…'")]
pub(crate) struct VerifyArgs {
    /// The copy; its note is beside it
    file: PathBuf,
    /// The root key: the vkey that init and status print, or the public key in hex
    #[arg(long, value_name = "VKEY", env = "STRONGROOM_ROOT_KEY", hide_env_values = true)]
    root: String,
}

#[derive(Serialize)]
struct VerifyReply<'a> {
    ok: bool,
    deployment: String,
    created: String,
    bytes: u64,
    generation: u32,
    report: &'a Report,
    store: &'a [String],
}

impl VerifyArgs {
    fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let root = audit::parse_root(&self.root)?;
        let bar = progress::spinner("verifying");
        let report = verify_backup(&self.file, &root);
        bar.finish_and_clear();
        let report = report?;
        let reply = VerifyReply {
            ok: report.is_ok(),
            deployment: report.deployment.to_string(),
            created: output::exact_time(report.created_at),
            bytes: report.bytes,
            generation: report.generation,
            report: &report.report,
            store: &report.store,
        };
        app.out.reply(&reply, || text(&report))?;
        if report.is_ok() { Ok(()) } else { Err(strongroom::Error::from(Code::BackupInvalid).into()) }
    }
}

fn text(report: &BackupReport) -> String {
    let mut table = Table::new();
    table.row(["deployment", &report.deployment.to_string()]);
    table.row(["made", &output::time(report.created_at)]);
    table.row(["bytes", &report.bytes.to_string()]);
    format!("{}\n{}", table.finish(), ReportText::new(&report.report).store(&report.store))
}

/// Restore a backup into a folder without a deployment, as a new generation of the log
///
/// The log never continues as if nothing had happened: the new generation names the head that it goes on
/// from, who restored it and why, for ever. What was recorded after the backup was made is not in it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom --data /var/lib/strongroom-new backup restore /backup/strongroom-2026-11-24 --reason 'disk failed' \\
      --device 'pkcs11:token=prod?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/hsm-pin'")]
pub(crate) struct RestoreArgs {
    /// The copy; its note is beside it
    file: PathBuf,
    /// The device that the deployment was made with, or its restored copy
    #[arg(long, value_name = "URI")]
    device: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// A file that remembers the restored log, in place of the anchors that the backup names; repeatable
    ///
    /// If the backup names anchors, one of --anchor, --no-anchors and --keep-anchors is needed.
    #[arg(long = "anchor", value_name = "FILE")]
    anchors: Vec<String>,
    /// No anchors, such as for a drill beside the deployment that goes on
    #[arg(long, conflicts_with = "anchors")]
    no_anchors: bool,
    /// The anchors that the backup names: the deployment that it was made of opens no more
    #[arg(long, conflicts_with_all = ["anchors", "no_anchors"])]
    keep_anchors: bool,
    /// Go on where memory for keys cannot be locked, also from now on
    #[arg(long)]
    allow_unlocked_memory: bool,
}

#[derive(Serialize)]
struct RestoreReply<'a> {
    folder: String,
    log: &'a str,
    receipt: ReceiptJson<'a>,
}

impl RestoreArgs {
    fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let deployment = app.deployment()?;
        let here =
            std::env::current_dir().map_err(|_| Failure::usage("the working folder is gone; give absolute paths"))?;
        let uri: DeviceUri = self.device.parse()?;
        let uri = uri.based_at(&here);
        let config =
            Config { device: uri.to_string(), allow_unlocked_memory: self.allow_unlocked_memory, ..Config::default() };
        let anchors = self.anchors.iter().map(|file| anchor::parse(file)).collect::<Result<Vec<_>, _>>()?;
        let restore = Restore::new(config, &self.reason, app.context()?)?;
        let restore = match (anchors.is_empty(), self.no_anchors, self.keep_anchors) {
            (true, false, false) => restore,
            (_, _, true) => restore.keep_anchors(),
            _ => restore.anchors(anchors),
        };
        let profile = Strongroom::backup_profile(&self.file)?;
        let device = deployment.log_in(|| uri.open(&profile))?;
        let options = app.options()?.allow_unlocked_memory(self.allow_unlocked_memory);
        let bar = progress::spinner("verifying and restoring");
        let restored = pollster::block_on(Strongroom::restore(&self.file, &deployment, device, restore, options));
        bar.finish_and_clear();
        let (room, receipt) = restored?;
        room.close()?;
        let folder = deployment.folder().display().to_string();
        let reply = RestoreReply { folder, log: &receipt.origin, receipt: (&receipt).into() };
        app.out.done(&reply, || {
            format!("restored to {}; the log goes on as {} {}", reply.folder, reply.log, output::recorded(&receipt))
        })
    }
}
