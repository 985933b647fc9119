//! `tenant`: create, show, list, suspend, resume, close, and its settings with quotas.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use strongroom::{Receipt, TenantChange, TenantId, TenantInfo};
use zeroize::Zeroizing;

use crate::{
    app::App,
    confirm::confirm,
    failure::Failure,
    output::{self, ReceiptJson, Table},
    quota::{self, Most},
};

/// Create, show, list, suspend and close tenants; set what they may use
#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant, with keys and a log of its own
    #[command(after_help = "Examples:\n  strongroom tenant create acme")]
    Create(Name),
    /// Show a tenant, closed or not
    #[command(after_help = "Examples:\n  strongroom tenant show acme")]
    Show(Name),
    /// List all tenants, closed ones too
    #[command(after_help = "Examples:\n  strongroom tenant list\n  strongroom tenant list -o json")]
    List,
    /// Refuse everything that is asked of a tenant, until it is resumed
    #[command(after_help = "Examples:\n  strongroom tenant suspend acme")]
    Suspend(Name),
    /// Serve a suspended tenant again
    #[command(after_help = "Examples:\n  strongroom tenant resume acme")]
    Resume(Name),
    /// Change a tenant's settings; what is not named stays as it is
    ///
    /// A quota below what there is takes nothing away: nothing more is stored until there is less. Sizes may end in KiB,
    /// MiB, GiB or TiB; `none` removes a quota.
    #[command(after_help = "Examples:\n  strongroom tenant set acme --leases off
  strongroom tenant set acme --max-secrets 1000 --max-bytes 10MiB
  strongroom tenant set acme --max-rate 500 --max-audit-bytes 1GiB
  strongroom tenant set acme --max-rate none")]
    Set {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        settings: Settings,
    },
    /// Close a tenant for ever; what it stored stays, and nobody reaches it
    #[command(after_help = "Examples:\n  strongroom tenant close acme")]
    Close {
        #[command(flatten)]
        name: Name,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Hand a tenant's key out: whoever has it and the database has all of the tenant's secrets
    ///
    /// For an independent reader to check what is stored, or for escrow. Recorded in the deployment's log
    /// and in the tenant's own. The key goes to stdout as JSON, never to a terminal.
    #[command(after_help = "Examples:\n  strongroom tenant dangerously-export acme --yes > acme-key.json")]
    DangerouslyExport {
        #[command(flatten)]
        name: Name,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// What `tenant set` changes.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(crate) struct Settings {
    /// Whether programs may read secrets under a lease, without a line for each read
    #[arg(long, value_name = "on|off", value_enum)]
    leases: Option<Switch>,
    /// Most secrets, 0 to 1,000,000,000
    #[arg(long, value_name = "N|none", value_parser = quota::number)]
    max_secrets: Option<Most>,
    /// Most bytes that the values take, sealed, with all their versions; at most 1 PiB
    #[arg(long, value_name = "BYTES|none", value_parser = quota::bytes)]
    max_bytes: Option<Most>,
    /// Most operations in a second, 1 to 1,000,000: each process counts its own
    #[arg(long, value_name = "N|none", value_parser = quota::number)]
    max_rate: Option<Most>,
    /// Most bytes of audit lines in a day, from 00:00 UTC; at most 1 PiB
    #[arg(long, value_name = "BYTES|none", value_parser = quota::bytes)]
    max_audit_bytes: Option<Most>,
}

impl Settings {
    fn change(&self) -> TenantChange {
        let mut change = TenantChange::default();
        if let Some(leases) = self.leases {
            change = change.leases(leases == Switch::On);
        }
        if let Some(Most(most)) = self.max_secrets {
            change = change.max_secrets(most);
        }
        if let Some(Most(most)) = self.max_bytes {
            change = change.max_bytes(most);
        }
        if let Some(Most(most)) = self.max_rate {
            change = change.max_rate(most);
        }
        if let Some(Most(most)) = self.max_audit_bytes {
            change = change.max_audit_bytes(most);
        }
        change
    }
}

/// A tenant's name.
#[derive(Args, Debug)]
pub(crate) struct Name {
    /// Its name: 1 to 63 of a-z, 0-9 and -
    name: String,
}

#[derive(Serialize)]
struct Reply<'a> {
    #[serde(flatten)]
    tenant: TenantJson<'a>,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct ListReply<'a> {
    tenants: Vec<TenantJson<'a>>,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct TenantJson<'a> {
    name: &'a str,
    #[serde(rename = "ref")]
    tenant_ref: String,
    state: &'static str,
    created: String,
    settings: SettingsJson,
    usage: UsageJson,
    log: LogJson<'a>,
}

/// What there is of what the quotas are for.
#[derive(Serialize)]
struct UsageJson {
    secrets: u64,
    bytes: u64,
    audit_bytes_today: u64,
}

#[derive(Serialize)]
struct SettingsJson {
    leases: bool,
    max_secrets: Option<u64>,
    max_bytes: Option<u64>,
    max_rate: Option<u64>,
    max_audit_bytes: Option<u64>,
}

#[derive(Serialize)]
struct LogJson<'a> {
    origin: &'a str,
    lines: u64,
}

impl TenantCommand {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let context = app.context()?;
        match self {
            Self::Create(name) => {
                let id = name.id()?;
                let (info, receipt) = app.in_room(async |room| Ok(room.admin(context).create_tenant(&id).await?))?;
                app.out.done(&reply(&info, &receipt), || format!("created {id} {}", output::recorded(&receipt)))
            }
            Self::Show(name) => {
                let id = name.id()?;
                let (info, receipt) = app.in_room(async |room| Ok(room.admin(context).show_tenant(&id).await?))?;
                app.out.reply(&reply(&info, &receipt), || text(&info))
            }
            Self::List => {
                let all = app.in_room(async |room| Ok(room.admin(context).list_tenants().await?))?;
                let tenants = all.tenants.iter().map(TenantJson::from).collect();
                let reply = ListReply { tenants, receipt: (&all.receipt).into() };
                app.out.reply(&reply, || table(&all.tenants))?;
                if all.tenants.is_empty() {
                    app.out.note("no tenants yet; make one with `strongroom tenant create NAME`");
                }
                Ok(())
            }
            Self::Suspend(name) => {
                let id = name.id()?;
                let (info, receipt) = app.in_room(async |room| Ok(room.admin(context).suspend_tenant(&id).await?))?;
                app.out.done(&reply(&info, &receipt), || format!("suspended {id} {}", output::recorded(&receipt)))
            }
            Self::Resume(name) => {
                let id = name.id()?;
                let (info, receipt) = app.in_room(async |room| Ok(room.admin(context).resume_tenant(&id).await?))?;
                app.out.done(&reply(&info, &receipt), || format!("resumed {id} {}", output::recorded(&receipt)))
            }
            Self::Set { name, settings } => {
                let (id, change) = (name.id()?, settings.change());
                let (info, receipt) =
                    app.in_room(async |room| Ok(room.admin(context).set_tenant(&id, change).await?))?;
                app.out.done(&reply(&info, &receipt), || {
                    format!("settings of {id}: {} {}", settings_text(&info), output::recorded(&receipt))
                })
            }
            Self::Close { name, yes } => {
                let id = name.id()?;
                confirm(&format!("Close {id} for ever?"), *yes)?;
                let (info, receipt) = app.in_room(async |room| Ok(room.admin(context).close_tenant(&id).await?))?;
                app.out.done(&reply(&info, &receipt), || format!("closed {id} {}", output::recorded(&receipt)))
            }
            Self::DangerouslyExport { name, yes } => {
                let id = name.id()?;
                if output::stdout_is_terminal() {
                    return Err(Failure::usage("a key is not shown on a terminal; send it to a file or a program"));
                }
                confirm(&format!("Hand the key of {id} out?"), *yes)?;
                let key = app.in_room(async |room| Ok(room.admin(context).dangerously_export_key(&id).await?))?;
                let prk = Zeroizing::new(output::hex(key.prk.expose_key()));
                let reply = KeyReply {
                    tenant_ref: key.tenant_ref.to_string(),
                    root_version: key.root_version,
                    key_epoch: key.key_epoch,
                    prk: &prk,
                    receipt: (&key.receipt).into(),
                };
                // Never grows, so that no part of it is left behind: the reply is under 1 KiB.
                let mut json = Zeroizing::new(Vec::with_capacity(4096));
                serde_json::to_writer(&mut *json, &reply).map_err(output::internal)?;
                json.push(b'\n');
                output::to_stdout(&json)
            }
        }
    }
}

#[derive(Serialize)]
struct KeyReply<'a> {
    tenant_ref: String,
    root_version: u32,
    key_epoch: u32,
    prk: &'a str,
    receipt: ReceiptJson<'a>,
}

impl Name {
    fn id(&self) -> Result<TenantId, Failure> {
        Ok(self.name.parse()?)
    }
}

fn reply<'a>(info: &'a TenantInfo, receipt: &'a Receipt) -> Reply<'a> {
    Reply { tenant: info.into(), receipt: receipt.into() }
}

impl<'a> From<&'a TenantInfo> for TenantJson<'a> {
    fn from(info: &'a TenantInfo) -> Self {
        Self {
            name: info.id.as_str(),
            tenant_ref: info.tenant_ref.to_string(),
            state: info.state.as_str(),
            created: output::exact_time(info.created_at),
            settings: SettingsJson {
                leases: info.settings.leases,
                max_secrets: info.settings.quotas.secrets,
                max_bytes: info.settings.quotas.bytes,
                max_rate: info.settings.quotas.rate,
                max_audit_bytes: info.settings.quotas.audit_bytes,
            },
            usage: UsageJson {
                secrets: info.usage.secrets,
                bytes: info.usage.bytes,
                audit_bytes_today: info.usage.audit_bytes,
            },
            log: LogJson { origin: &info.log_origin, lines: info.log_size },
        }
    }
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// All settings in a line.
fn settings_text(info: &TenantInfo) -> String {
    let quotas = &info.settings.quotas;
    let mut text = format!("leases {}", on_or_off(info.settings.leases));
    for (most, of) in [
        (quotas.secrets, "secrets"),
        (quotas.bytes, "bytes"),
        (quotas.rate, "operations per second"),
        (quotas.audit_bytes, "audit bytes per day"),
    ] {
        if let Some(most) = most {
            text += &format!(", at most {most} {of}");
        }
    }
    text
}

/// What there is, and of how much.
fn of(used: u64, most: Option<u64>) -> String {
    most.map_or_else(|| used.to_string(), |most| format!("{used} of {most}"))
}

fn text(info: &TenantInfo) -> String {
    let mut table = Table::new();
    table.row(["name", info.id.as_str()]);
    table.row(["state", info.state.as_str()]);
    table.row(["created", &output::time(info.created_at)]);
    let quotas = &info.settings.quotas;
    table.row(["leases", on_or_off(info.settings.leases)]);
    table.row(["secrets", &of(info.usage.secrets, quotas.secrets)]);
    table.row(["bytes", &of(info.usage.bytes, quotas.bytes)]);
    table.row(["audit bytes today", &of(info.usage.audit_bytes, quotas.audit_bytes)]);
    if let Some(rate) = quotas.rate {
        table.row(["rate", &format!("at most {rate} operations per second")]);
    }
    table.row(["ref", &info.tenant_ref.to_string()]);
    table.row(["log", &info.log_origin]);
    table.row(["lines", &info.log_size.to_string()]);
    table.finish()
}

fn table(tenants: &[TenantInfo]) -> String {
    if tenants.is_empty() {
        return String::new();
    }
    let mut table = Table::with_heading(&["NAME", "STATE", "CREATED", "SECRETS", "BYTES", "AUDIT LINES"]);
    for info in tenants {
        table.row([
            info.id.to_string(),
            info.state.as_str().into(),
            output::time(info.created_at),
            info.usage.secrets.to_string(),
            info.usage.bytes.to_string(),
            info.log_size.to_string(),
        ]);
    }
    table.finish()
}
