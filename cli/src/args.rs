//! What can be typed: the global options and the nouns. Each noun's own words stand in its file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    anchor::AnchorCommand, app::App, audit::AuditCommand, backup::BackupCommand, completion::Completion,
    failure::Failure, generate::GenerateCommand, hsm::HsmCommand, init::Init, output::Format, render::Render, run::Run,
    secret::SecretCommand, status::Status, tenant::TenantCommand,
};

const FIRST_STEPS: &str = "\
The first five minutes:
  DEVICE='pkcs11:token=prod?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin'
  strongroom init --device \"$DEVICE\" --no-recovery
  strongroom tenant create acme
  export STRONGROOM_TENANT=acme
  strongroom secret put prod/db/password          # asks for the value, or reads it from a pipe
  strongroom secret get prod/db/password
  strongroom generate password prod/api/token     # or makes the value, which nobody sees
  strongroom run --prefix prod/db -- ./server     # with PASSWORD in its environment
  strongroom render app.toml.in --file app.toml   # with its secrets where {{ secret \"PATH\" }} stands
  strongroom audit verify

Without an HSM at hand: --device 'software:./device.key?passphrase-source=file:./passphrase'

Exit codes: 0 done, 1 our error, 2 usage, 3 absent, 4 conflict, 5 invalid, 6 denied, 7 over a limit,
8 integrity, 9 unavailable. `run` passes on the command's own.";

/// Tenants' keys and secrets under a root key that never leaves the HSM, every use recorded.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, after_help = FIRST_STEPS, max_term_width = 110)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes. A flag goes before the environment variable, and that before the default.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Folder of the deployment [default: $XDG_DATA_HOME/strongroom, else ~/.local/share/strongroom]
    #[arg(long, global = true, value_name = "FOLDER", env = "STRONGROOM_DATA", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,
    /// Tenant whose secrets or log it is
    #[arg(long, global = true, value_name = "NAME", env = "STRONGROOM_TENANT", hide_env_values = true)]
    pub(crate) tenant: Option<String>,
    /// Stay within one environment: paths are below it, and nothing else can be reached
    #[arg(long, global = true, value_name = "NAME", env = "STRONGROOM_ENVIRONMENT", hide_env_values = true)]
    pub(crate) environment: Option<String>,
    /// Who acts: user:NAME, service:NAME or operator:NAME [default: user:<login name>]
    ///
    /// What is recorded in the audit log. It is believed: who can read the PIN can act as anybody. In the
    /// login name, what may not stand in an actor's name becomes `_`.
    #[arg(long = "as", global = true, value_name = "ACTOR", env = "STRONGROOM_ACTOR", hide_env_values = true)]
    pub(crate) actor: Option<String>,
    /// Id to record with the operation, such as a trace id [default: random]
    #[arg(long, global = true, value_name = "32 HEX DIGITS")]
    pub(crate) request_id: Option<String>,
    /// Start once without anchors that are missing or cannot be used, which is recorded
    ///
    /// An anchor that remembers more than the database has still refuses: an older database was put in place.
    #[arg(long, global = true)]
    pub(crate) accept_missing_anchor: bool,
    /// How results and errors are written
    ///
    /// With json, the result is one JSON document on stdout, and an error is the last line on stderr.
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    #[arg(help = "How results and errors are written: text or json", hide_default_value = false)]
    pub(crate) output: Format,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Status(Status),
    #[command(subcommand)]
    Tenant(TenantCommand),
    #[command(subcommand)]
    Secret(SecretCommand),
    #[command(subcommand)]
    Generate(GenerateCommand),
    Render(Render),
    Run(Run),
    #[command(subcommand)]
    Audit(AuditCommand),
    #[command(subcommand)]
    Backup(BackupCommand),
    #[command(subcommand)]
    Anchor(AnchorCommand),
    #[command(subcommand)]
    Hsm(HsmCommand),
    Completion(Completion),
}

impl Command {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Init(init) => init.carry_out(app),
            Self::Status(status) => status.carry_out(app),
            Self::Tenant(command) => command.carry_out(app),
            Self::Secret(command) => command.carry_out(app),
            Self::Generate(command) => command.carry_out(app),
            Self::Render(render) => render.carry_out(app),
            Self::Run(run) => run.carry_out(app),
            Self::Audit(command) => command.carry_out(app),
            Self::Backup(command) => command.carry_out(app),
            Self::Anchor(command) => command.carry_out(app),
            Self::Hsm(command) => command.carry_out(app),
            Self::Completion(completion) => completion.carry_out(app),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
