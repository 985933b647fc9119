//! `backup`: made, verified and restored.

use clap::Subcommand;

use crate::{app::App, failure::Failure};

/// Make, verify and restore backups
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
}

impl BackupCommand {
    pub(crate) fn carry_out(&self, _app: &App) -> Result<(), Failure> {
        match *self {}
    }
}
