//! `status`: the deployment at a glance.

use clap::Args;
use indicatif::HumanBytes;
use serde::Serialize;
use strongroom::{DeploymentStatus, device::Health};

use crate::{
    anchor::{self, AnchorJson},
    app::App,
    failure::Failure,
    output::{self, ReceiptJson, Table},
};

/// Show the deployment: device, tenants, audit log, database
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom status
  strongroom status -o json | jq -r .root_key")]
pub(crate) struct Status {}

#[derive(Serialize)]
struct Reply<'a> {
    deployment: String,
    folder: String,
    created: String,
    version: &'static str,
    root_key: &'a str,
    device: DeviceJson,
    memory_locked: bool,
    tenants: TenantsJson,
    audit: AuditJson<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    anchors: Vec<AnchorJson<'a>>,
    store: StoreJson<'a>,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct DeviceJson {
    kind: String,
    token: String,
    serial: String,
    health: &'static str,
    root_versions: Vec<u32>,
}

#[derive(Serialize)]
struct TenantsJson {
    total: u64,
    closed: u64,
}

#[derive(Serialize)]
struct AuditJson<'a> {
    origin: &'a str,
    generation: u32,
    lines: u64,
    commits: u64,
    epoch: u32,
    time: String,
    checkpoint: &'a str,
}

#[derive(Serialize)]
struct StoreJson<'a> {
    engine: &'a str,
    schema: u32,
    bytes: u64,
    secrets: u64,
    versions: u64,
    lines_unindexed: u64,
}

impl Status {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let context = app.context()?;
        let folder = app.deployment()?.folder().display().to_string();
        let status = app.in_room(async |room| Ok(room.admin(context).status().await?))?;
        let reply = Reply {
            deployment: status.deployment.to_string(),
            folder,
            created: output::exact_time(status.created_at),
            version: status.version,
            root_key: &status.root_key,
            device: DeviceJson::new(&status),
            memory_locked: status.memory_locked,
            tenants: TenantsJson { total: status.tenants, closed: status.tenants_closed },
            audit: AuditJson {
                origin: &status.origin,
                generation: status.head.generation,
                lines: status.head.lines,
                commits: status.head.commits,
                epoch: status.head.epoch,
                time: output::exact_time(status.head.time),
                checkpoint: &status.head.checkpoint,
            },
            anchors: status.anchors.iter().map(AnchorJson::from).collect(),
            store: StoreJson {
                engine: &status.store.engine,
                schema: status.store.schema,
                bytes: status.store.bytes,
                secrets: status.store.secrets,
                versions: status.store.versions,
                lines_unindexed: status.store.lines_unindexed,
            },
            receipt: (&status.receipt).into(),
        };
        app.out.reply(&reply, || text(&status, &reply))
    }
}

impl DeviceJson {
    fn new(status: &DeploymentStatus) -> Self {
        let device = &status.device;
        // A token's serial number is text, the software device's is not.
        let serial = match std::str::from_utf8(&device.serial) {
            Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
            _ => output::hex(&device.serial),
        };
        Self {
            kind: device.kind.clone(),
            // A token says of itself what it likes.
            token: String::from_utf8_lossy(&device.token).replace(char::is_control, "?"),
            serial,
            health: match status.health {
                Health::Ok => "ok",
                Health::Degraded => "degraded",
                Health::Down => "down",
                Health::WrongKey => "wrong key",
                _ => "unknown",
            },
            root_versions: device.roots.iter().map(|version| version.0).collect(),
        }
    }
}

fn text(status: &DeploymentStatus, reply: &Reply<'_>) -> String {
    let (device, head, store) = (&reply.device, &status.head, &status.store);
    let mut table = Table::new();
    table.row(["deployment", &format!("{}, made {}", status.deployment, output::time(status.created_at))]);
    table.row(["folder", &reply.folder]);
    let token = if device.token.is_empty() { String::new() } else { format!(" {}", device.token) };
    table.row(["device", &format!("{}{token}, serial {}: {}", device.kind, device.serial, device.health)]);
    let memory = if status.memory_locked { "locked" } else { "NOT locked: keys may reach the swap" };
    table.row(["key memory", memory]);
    table.row(["tenants", &format!("{}, {} of them closed", status.tenants, status.tenants_closed)]);
    table.row(["secrets", &format!("{}, in {}", store.secrets, output::count(store.versions, "version"))]);
    let generation = if head.generation == 1 { String::new() } else { format!(", generation {}", head.generation) };
    table.row([
        "audit log",
        &format!("{}, {}{generation}", output::count(head.lines, "line"), output::count(head.commits, "commit")),
    ]);
    table.row(["last commit", &format!("{}, epoch {}", output::time(head.time), head.epoch)]);
    for anchor in &status.anchors {
        table.row(["anchor", &format!("{}: {}", anchor.place, anchor::state(anchor))]);
    }
    table.row(["origin", &status.origin]);
    table.row(["root key", &status.root_key]);
    table.row(["database", &format!("{}, schema {}, {}", HumanBytes(store.bytes), store.schema, store.engine)]);
    table.row(["version", status.version]);
    table.finish()
}
