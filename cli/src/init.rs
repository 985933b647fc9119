//! `init`: a deployment, from a key device and a decision about recovery.

use std::env;

use clap::Args;
use serde::Serialize;
use strongroom::{AnchorPlace, Code, Config, Deployment, Receipt, Recovery};
use strongroom_hsm::DeviceUri;

use crate::{
    anchor,
    app::App,
    confirm::confirm,
    failure::Failure,
    output::{self, ReceiptJson, Table},
};

/// Make a deployment: the keys in the device, then the database
///
/// The device is a PKCS#11 token, named by an RFC 7512 URI, or for trying out a key file. The URI names
/// where the PIN is, never the PIN. If it is interrupted, the same command finishes it; --abandon takes
/// the keys that it made out of the device again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom hsm doctor --module /usr/lib/softhsm/libsofthsm2.so      # which tokens are there?
  strongroom init --no-recovery \\
      --device 'pkcs11:token=prod?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/hsm-pin'
  strongroom init --no-recovery --device 'software:./device.key?passphrase-source=file:./passphrase'
  strongroom init --no-recovery --device '...' --anchor /mnt/other/strongroom/anchor
  strongroom init --abandon")]
pub(crate) struct Init {
    /// The key device
    #[arg(long, value_name = "URI", required_unless_present = "abandon")]
    device: Option<String>,
    /// Losing the device loses everything: a decision that has no default
    #[arg(long)]
    no_recovery: bool,
    /// What the logs are called, for ever, such as example.com/keys [default: strongroom.invalid/<deployment id>]
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// A file on another volume (or `device`) that remembers the audit log: an older database is refused; repeatable
    #[arg(long = "anchor", value_name = "FILE")]
    anchors: Vec<String>,
    /// Go on where memory for keys cannot be locked, also from now on
    #[arg(long)]
    allow_unlocked_memory: bool,
    /// Take the keys of an interrupted init out of the device, and forget it
    #[arg(long, conflicts_with_all = ["device", "no_recovery", "origin", "anchors", "allow_unlocked_memory"])]
    abandon: bool,
    /// With --abandon: do not ask
    #[arg(short, long, requires = "abandon")]
    yes: bool,
}

#[derive(Serialize)]
struct Reply<'a> {
    folder: String,
    device: String,
    root_key: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    anchors: &'a [AnchorPlace],
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct AbandonReply {
    folder: String,
    objects_removed: usize,
}

impl Init {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let deployment = app.deployment()?;
        if self.abandon {
            return self.abandon(app, &deployment);
        }
        if !self.no_recovery {
            return Err(strongroom::Error::from(Code::RecoveryRequired).into());
        }
        let uri = self.device()?;
        let origin = self.origin.as_deref().map(str::parse).transpose()?;
        let anchors = self.anchors.iter().map(|file| anchor::parse(file)).collect::<Result<Vec<_>, _>>()?;
        let config = Config {
            device: uri.to_string(),
            allow_unlocked_memory: self.allow_unlocked_memory,
            anchors: anchors.clone(),
        };
        let options = app.options()?;
        let made = strongroom_hsm::initialize(&deployment, config, Recovery::None, origin, app.context()?, options);
        let (room, receipt) = pollster::block_on(made)?;
        let root_key = room.root_key().to_string();
        room.close()?;
        let (folder, device) = (deployment.folder().display().to_string(), uri.to_string());
        let reply = Reply { folder, device, root_key, anchors: &anchors, receipt: (&receipt).into() };
        app.out.reply(&reply, || text(&reply, &receipt))
    }

    /// As it goes into the configuration: relative paths mean something else in another folder.
    fn device(&self) -> Result<DeviceUri, Failure> {
        let uri: DeviceUri = self.device.as_deref().unwrap_or_default().parse()?;
        let here = env::current_dir().map_err(|_| Failure::usage("the working folder is gone; give absolute paths"))?;
        Ok(uri.based_at(&here))
    }

    fn abandon(&self, app: &App, deployment: &Deployment) -> Result<(), Failure> {
        let folder = deployment.folder().display().to_string();
        confirm(&format!("Destroy the keys that the interrupted init in {folder} made?"), self.yes)?;
        let objects_removed = strongroom_hsm::abandon_init(deployment)?;
        let reply = AbandonReply { folder, objects_removed };
        app.out.done(&reply, || {
            let objects = output::count(objects_removed as u64, "object");
            format!("forgot the interrupted init in {}; {objects} removed from the device", reply.folder)
        })
    }
}

fn text(reply: &Reply<'_>, receipt: &Receipt) -> String {
    let mut table = Table::new();
    table.row(["folder", &reply.folder]);
    table.row(["device", &reply.device]);
    table.row(["recovery", "none: losing the device loses everything"]);
    table.row(["audit log", &receipt.origin]);
    for anchor in reply.anchors {
        table.row(["anchor", &anchor.to_string()]);
    }
    table.row(["root key", &reply.root_key]);
    format!(
        "The deployment is made.\n\n{}\nKeep the root key where this machine's administrators cannot change it: the audit log is\n\
         verified against it. Next: strongroom tenant create NAME\n",
        table.finish()
    )
}
