//! `hsm`: what a PKCS#11 library says of itself, before anything is trusted to it.

use std::path::PathBuf;

use clap::Subcommand;

use crate::{app::App, failure::Failure};

/// Look at HSMs
#[derive(Debug, Subcommand)]
pub(crate) enum HsmCommand {
    /// Show a PKCS#11 library's tokens, and whether they have what a deployment needs
    ///
    /// Never logs in, so that no PIN can be locked.
    #[command(after_help = "Examples:\n  strongroom hsm doctor --module /usr/lib/softhsm/libsofthsm2.so")]
    Doctor {
        /// The library's file
        #[arg(long, value_name = "PATH")]
        module: PathBuf,
    },
}

impl HsmCommand {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let Self::Doctor { module } = self;
        let report = strongroom_hsm::doctor(module)?;
        app.out.reply(&report, || report.to_string())
    }
}
